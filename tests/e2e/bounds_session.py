#!/usr/bin/env python3
"""What holds over every face: lists that their bytes cut go on behind it, and what is another project's stays its own.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step;
the first FAIL ends it.
"""

import json
import sys
import urllib.error
import urllib.request

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

    def refusal(self, method, url, body=None, headers=(), token=None):
        """Status and the text of a refusal as it goes over the wire."""
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = {"Content-Type": "application/json", "X-Auth-Token": token or self.token, **dict(headers)}
        call = urllib.request.Request(url, data=data, method=method, headers=sent)
        try:
            with urllib.request.urlopen(call, timeout=30) as answer:
                raise AssertionError(f"{method} {url}: {answer.status}")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def step_short(self):
        """what a refusal repeats of what was sent is short in every face, and says all the same what is wrong"""
        long = "é" * 30_000
        nova, tokens = self.nova("/servers"), self.identity("/auth/tokens")
        server = {"name": long, "flavorRef": self.flavor, "imageRef": self.image}
        auth = {"identity": {"methods": [long], "password": {}}}
        json_please = {"Accept": "application/json"}
        for what, method, url, body, headers in [
            ("name", "POST", nova, {"server": server}, ()),
            ("name", "POST", f"{self.easystack}/v2.1/servers", {"server": server}, ()),
            ("unexpected", "POST", nova, {"server": {long: 1, **server, "name": "a"}}, ()),
            (None, "POST", tokens, {"auth": auth}, ()),
            ("name", "POST", self.identity("/projects"), {"project": {"name": long}}, ()),
            ("name", "POST", self.neutron("/networks"), {"network": {"name": long}}, ()),
            ("Unrecognized", "POST", self.neutron("/networks"), {"network": {long: 1}}, ()),
            ("name", "POST", self.images("/images"), {"name": long}, json_please),
            ("name", "POST", self.images("/images"), {"name": long}, {"Accept": "*/*"}),
            ("Custom property", "POST", self.images("/images"), {long: "v"}, json_please),
            (None, "POST", self.v1("/cloudservers"), self.server(long), ()),
            (None, "POST", self.v1("/cloudservers"), self.server("a", vpcid=long), ()),
            (None, "GET", f"{self.cloud}/billing/v1/consumption-records?{'m' * 6000}=1", None, ()),
        ]:
            status, text = self.refusal(method, url, body, headers)
            assert 400 <= status < 500 and len(text) < 8192, f"{method} {url}: {status}, {len(text)} characters"
            assert what is None or what in text, f"{url}: {text[:300]} ... {text[-300:]}"

    def step_fields(self):
        """a refusal names what the client sent: the field, the version, the project"""
        nic = {"uuid": self.network, "subnet_id": self.network}
        server = {"name": "a", "flavorRef": self.flavor, "imageRef": self.image, "networks": [nic]}
        servers = f"{self.easystack}/v2.1/servers"
        _, text = self.refusal("POST", servers, {"server": server})
        assert "field/attribute subnet_id" in text, text
        server["networks"] = [{"uuid": self.network, "fixed_ip": "192.0.2.1"}]
        for url in (servers, self.nova("/servers")):
            _, text = self.refusal("POST", url, {"server": server})
            assert "field/attribute fixed_ip" in text, text
        status, text = self.refusal("POST", f"{self.easystack}/v3/auth/tokens", {"auth": "x"})
        assert status == 400 and "'auth'" in text, text
        for url, name in ((servers, "error"), (self.v1("/cloudservers/flavors"), "error")):
            status, text = self.refusal("GET", url, headers={"X-Project-Id": self.elsewhere})
            assert status == 400 and "x-project-id" in json.loads(text)[name]["message"], text
            self.call("GET", url, headers={"X-Project-Id": self.project})
        for url in (servers, self.nova("/servers")):
            status, text = self.refusal("GET", url, headers={"X-OpenStack-Nova-API-Version": "2.9999"})
            said = "Version 2.9999 is not supported by the API. Minimum is 2.1 and maximum is 2.96."
            assert status == 406 and said in text, text
            status, text = self.refusal("GET", url, headers={"X-OpenStack-Nova-API-Version": "two"})
            assert status == 400 and "API Version String two is of invalid format." in text, text

    def step_gone(self):
        """the id of a flavor that was deleted stays taken, and says why"""
        flavor = {"flavor": {"id": "gone", "name": "gone", "ram": 512, "vcpus": 1, "disk": 1}}
        self.call("POST", self.nova("/flavors"), flavor)
        self.call("DELETE", self.nova("/flavors/gone"))
        status, text = self.refusal("POST", self.nova("/flavors"), flavor)
        assert status == 409 and "was deleted" in text and "gone" in text, text


if __name__ == "__main__":
    sys.exit(harness.main(Session))
