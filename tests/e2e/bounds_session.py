#!/usr/bin/env python3
"""What holds over every face: lists that their bytes cut go on behind it, and what is another project's stays its own.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step;
the first FAIL ends it.
"""

import sys

import harness
from harness import request

# More than the bytes of one page, in texts as long as each resource takes them.
PROJECTS, DESCRIPTION = 70, "d" * 65_000
IMAGES, PROPERTIES = 45, {f"p{number:03}": "v" * 1200 for number in range(100)}


class Session(harness.Session):
    def identity(self, path):
        return f"{self.cloud}/identity/v3{path}"

    def images(self, path):
        return f"{self.cloud}/image/v2{path}"

    def walk(self, first, resources, next_of):
        """The ids of all pages, and how many there were."""
        ids, url, pages = [], first, 0
        while url:
            page = self.call("GET", url)
            ids += [found["id"] for found in page[resources]]
            url, pages = next_of(page), pages + 1
            assert pages < 100, "a list without an end"
        return ids, pages

    # --- lists ---

    def step_projects(self):
        """a list of identities that has no pages of its own says that it was cut, and pages reach all"""
        made = []
        for number in range(PROJECTS):
            body = {"project": {"name": f"fat-{number}", "description": DESCRIPTION}}
            made.append(self.call("POST", self.identity("/projects"), body, expect=(201,))["project"]["id"])
        whole = self.call("GET", self.identity("/projects"))
        assert whole["truncated"] is True, sorted(whole)
        assert 0 < len(whole["projects"]) < PROJECTS, len(whole["projects"])
        ids, pages = self.walk(self.identity("/projects?limit=1000"), "projects", lambda page: page["links"]["next"])
        assert set(made) <= set(ids) and len(ids) == len(set(ids)), (len(ids), pages)
        assert pages > 1, "the first page held all"
        for project in made:
            self.call("DELETE", self.identity(f"/projects/{project}"), expect=(204,))
        assert "truncated" not in self.call("GET", self.identity("/projects"))

    def step_images(self):
        """a page of images that its bytes cut names the next one, and the pages hold each image once"""
        made = []
        for number in range(IMAGES):
            body = {"name": f"fat-{number}", **PROPERTIES}
            made.append(self.call("POST", self.images("/images"), body, expect=(201,))["id"])
        following = lambda page: page.get("next") and f"{self.cloud}/image{page['next']}"
        ids, pages = self.walk(self.images("/images?limit=1000"), "images", following)
        assert set(made) <= set(ids) and len(ids) == len(set(ids)), (len(ids), pages)
        assert pages > 1, "the first page held all"
        for image in made:
            self.call("DELETE", self.images(f"/images/{image}"), expect=(204,))

    # --- another project's ---

    def step_another_project(self):
        """a member of another project, and an image and a network that an operator shares with it"""
        project = {"project": {"name": "elsewhere"}}
        self.elsewhere = self.call("POST", self.identity("/projects"), project, expect=(201,))["project"]["id"]
        user = {"user": {"name": "eve", "password": "eve's"}}
        user = self.call("POST", self.identity("/users"), user, expect=(201,))["user"]["id"]
        role = self.call("GET", self.identity("/roles?name=member"))["roles"][0]["id"]
        self.call("PUT", self.identity(f"/projects/{self.elsewhere}/users/{user}/roles/{role}"), expect=(204,))
        self.eve, _ = self.login("eve", "eve's", {"id": self.elsewhere})
        public = [{"op": "replace", "path": "/visibility", "value": "public"}]
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self.call("PATCH", self.images(f"/images/{self.image}"), public, headers=patch, expect=(200,))
        network = {"network": {"name": "common", "shared": True}}
        self.common = self.call("POST", self.neutron("/networks"), network, expect=(201,))["network"]["id"]
        subnet = {"subnet": {"network_id": self.common, "ip_version": 4, "cidr": "192.0.2.0/24"}}
        self.call("POST", self.neutron("/subnets"), subnet, expect=(201,))

    def step_addresses(self):
        """whose network it isn't chooses no address of it, whichever face is asked"""
        address = "192.0.2.77"
        eve = {"token": self.eve, "expect": (403,)}
        port = {"network_id": self.common, "fixed_ips": [{"ip_address": address}]}
        refused = self.call("POST", self.neutron("/ports"), {"port": port}, **eve)
        assert "fixed_ips" in refused["NeutronError"]["message"], refused
        networks = [{"uuid": self.common, "fixed_ip": address}]
        server = {"name": "eves", "imageRef": self.image, "flavorRef": self.flavor, "networks": networks}
        refused = self.call("POST", self.nova("/servers"), {"server": server}, **eve)
        assert refused["forbidden"]["code"] == 403, refused
        vpc = self.call("GET", self.neutron("/routers"), token=self.eve)["routers"][0]["id"]
        body = self.server("eves", vpcid=vpc, nics=[{"subnet_id": self.common, "ip_address": address}])
        url = f"{self.ecs}/v1/{self.elsewhere}/cloudservers"
        refused = self.call("POST", url, body, **eve)
        assert refused["error"]["code"], refused
        # Any address of it is hers all the same, and the owner's choice holds.
        port = self.call("POST", self.neutron("/ports"), {"port": {"network_id": self.common}}, token=self.eve, expect=(201,))
        self.call("DELETE", self.neutron(f"/ports/{port['port']['id']}"), token=self.eve, expect=(204,))
        port = {"network_id": self.common, "fixed_ips": [{"ip_address": address}]}
        port = self.call("POST", self.neutron("/ports"), {"port": port}, expect=(201,))["port"]
        assert port["fixed_ips"][0]["ip_address"] == address, port

    # --- refusals ---

    def step_forms(self):
        """the host's own refusals have the vendor's form that the client accepts"""
        url = self.images("/nonesuch")
        refused, headers = request("GET", url, self.token, headers={"Accept": "application/json"}, expect=(404,))
        assert headers["Content-Type"] == "application/json" and refused["code"] == "404 Not Found", refused


if __name__ == "__main__":
    sys.exit(harness.main(Session))
