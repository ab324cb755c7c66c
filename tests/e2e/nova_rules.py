#!/usr/bin/env python3
"""Rules of Nova's API, and of the networks' beside it, that hold only over the whole way: header, personality, core, driver.

Starts a Skyloom of its own (laptop deployment, simulator, three volumes a project) and ends it. Prints PASS or FAIL with
seconds for each step; the first FAIL ends it. What a passed step proved it says in lines `RULE operation hash`, which the
coverage report reads. Both faces are asked where their rules are the same.
"""

import re
import secrets
import sys

import harness
from harness import poll, request, rule

VOLUMES = 3
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
PAIR_MADE, DELETED = (200, 201), (202, 204)


class Rules:
    def __init__(self, env, _folder):
        self.cloud, self.ecs, self.password = (env[k] for k in ("SKYLOOM_URL", "SKYLOOM_ECS_URL", "SKYLOOM_ADMIN_PASSWORD"))
        self.faces = (f"{self.cloud}/compute", self.ecs)
        self.compute, self.network_url = f"{self.cloud}/compute/v2.1", f"{self.cloud}/network/v2.0"
        self.admin = self.other = self.project = self.image = self.network = None
        self.flavor = "rules.Small.1"

    # --- helpers ---

    def login(self, user, password, project="admin"):
        domain = {"id": "default"}
        user = {"name": user, "password": password, "domain": domain}
        scope = {"project": {"name": project, "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer, headers = request("POST", f"{self.cloud}/identity/v3/auth/tokens", body=body, expect=(201,))
        return headers["X-Subject-Token"], answer["token"]

    def call(self, method, url, body=None, token=None, minor=None, **more):
        headers = {"X-OpenStack-Nova-API-Version": f"2.{minor}"} if minor else {}
        return request(method, url, token or self.admin, body, headers=headers, **more)[0]

    def server(self, name, base=None, expect=(202,), **members):
        server = {"name": name, "flavorRef": self.flavor, "imageRef": self.image, "networks": [{"uuid": self.network}], **members}
        answer = self.call("POST", f"{base or self.compute}/servers", {"server": server}, expect=expect)
        return answer.get("server", answer)

    def active(self, server_id):
        def ended():
            server = self.call("GET", f"{self.compute}/servers/{server_id}")["server"]
            assert server["status"] != "ERROR", server
            return server["status"] == "ACTIVE", server

        return poll(60, ended)

    def delete(self, *server_ids):
        for server_id in server_ids:
            self.call("DELETE", f"{self.compute}/servers/{server_id}", expect=(204,))
        poll(60, lambda: ((left := self.call("GET", f"{self.compute}/servers")["servers"]) == [], left))

    def group(self, name):
        body = {"security_group": {"name": name}}
        return self.call("POST", f"{self.network_url}/security-groups", body, expect=(201,))["security_group"]

    def ports_of(self, server_id):
        return self.call("GET", f"{self.network_url}/ports?device_id={server_id}")["ports"]

    # --- the steps, in order ---

    def step_things(self):
        """users, image, flavor, network"""
        self.admin, token = self.login("admin", self.password)
        self.project = token["project"]["id"]
        identity = f"{self.cloud}/identity/v3"
        self.other_password = secrets.token_urlsafe(12)
        user = {"name": "other", "password": self.other_password, "domain_id": "default"}
        user = self.call("POST", f"{identity}/users", {"user": user}, expect=(201,))["user"]["id"]
        role = self.call("GET", f"{identity}/roles?name=member")["roles"][0]["id"]
        self.call("PUT", f"{identity}/projects/{self.project}/users/{user}/roles/{role}", expect=(204,))
        self.other, self.other_id = self.login("other", self.other_password)[0], user
        image = {"name": "rules", "disk_format": "raw", "container_format": "bare", "min_disk": 2, "visibility": "public"}
        url = f"{self.cloud}/image/v2/images"
        self.image = self.call("POST", url, image, expect=(201,))["id"]
        stream = {"Content-Type": "application/octet-stream"}
        request("PUT", f"{url}/{self.image}/file", self.admin, b"\0" * 65536, headers=stream, expect=(204,))
        poll(30, lambda: ((i := self.call("GET", f"{url}/{self.image}"))["status"] == "active", i))
        self.network = self.call("GET", f"{self.network_url}/networks?router:external=false")["networks"][0]["id"]

    def step_flavors(self):
        """a list of flavors has what there is"""
        flavor = {"id": self.flavor, "name": "rules", "ram": 64, "vcpus": 1, "disk": 2}
        before = {f["id"] for f in self.call("GET", f"{self.compute}/flavors")["flavors"]}
        self.call("POST", f"{self.compute}/flavors", {"flavor": flavor})
        for face in self.faces:
            assert {f["id"] for f in self.call("GET", f"{face}/v2.1/flavors")["flavors"]} == before | {self.flavor}
        rule("nova.flavors.list", "4c7830cd")

    def step_versions(self):
        """main versions have addresses, microversions headers"""
        old, new = "X-OpenStack-Nova-API-Version", "OpenStack-API-Version"
        for face in self.faces:
            versions = request("GET", f"{face}/", expect=(200, 300))[0]["versions"]
            assert {v["id"] for v in versions} == {"v2.0", "v2.1"}, versions
            for version in versions:
                shown = request("GET", version["links"][0]["href"])[0]["version"]
                assert (shown["id"], shown["version"]) == (version["id"], version["version"]), shown

            def described(headers, path="v2.1", expect=(200,)):
                answer, got = request("GET", f"{face}/{path}/flavors/{self.flavor}", self.admin, headers=headers, expect=expect)
                return "description" in answer.get("flavor", {}), got

            assert not described({})[0]
            assert not described({old: "2.54"})[0] and described({old: "2.55"})[0]
            assert not described({new: "compute 2.27"})[0] and described({new: "compute 2.55"})[0]
            assert described({new: "compute 2.27"})[1][new] == "compute 2.27"
            assert described({old: "2.55"})[1][old] == "2.55"
            # Another service's version is not ours, and /v2 has none.
            assert not described({new: "volume 2.55"})[0]
            assert not described({new: "compute 2.55"}, path="v2")[0]
            described({new: "compute 2.97"}, expect=(406,))
            described({new: "compute nonsense"}, expect=(400,))
        for name in ("list", "show"):
            rule(f"nova.versions.{name}", "ba0365fe", "f7db09dd", "a2c7f920")

    def step_keypairs(self):
        """a key pair is its user's alone"""
        for face in self.faces:
            url = f"{face}/v2.1/os-keypairs"
            names = lambda token, query="": [k["keypair"]["name"] for k in self.call("GET", url + query, token=token)["keypairs"]]
            self.call("POST", url, {"keypair": {"name": "mine"}}, token=self.other, expect=PAIR_MADE)
            # Not even the operator of the project finds it by its name.
            assert names(self.admin) == [] and names(self.other) == ["mine"]
            self.call("GET", f"{url}/mine", expect=(404,))
            self.call("DELETE", f"{url}/mine", expect=(404,))
            # The same name is free for another user; deleting the one leaves the other.
            self.call("POST", url, {"keypair": {"name": "mine"}}, expect=PAIR_MADE)
            self.call("DELETE", f"{url}/mine", expect=DELETED)
            assert self.call("GET", f"{url}/mine", token=self.other)["keypair"]["user_id"] == self.other_id
            self.call("DELETE", f"{url}/mine", token=self.other, expect=DELETED)
        for name in ("list", "show", "create", "delete"):
            rule(f"nova.keypairs.{name}", "05813f2d")

    def step_belongings(self):
        """groups guard new cards only, and an own port outlives its server"""
        group = self.group("web")
        port = self.call("POST", f"{self.network_url}/ports", {"port": {"network_id": self.network}})["port"]
        default = port["security_groups"]
        assert default and group["id"] not in default, port
        web = [{"name": "web"}]
        new = self.server("by-network", security_groups=web)["id"]
        # Its disk is told of while it is being attached.
        attached = self.call("GET", f"{self.compute}/servers/{new}/os-volume_attachments")["volumeAttachments"]
        assert [a["serverId"] for a in attached] == [new], attached
        own = self.server("by-port", security_groups=web, networks=[{"port": port["id"]}])["id"]
        plain = self.server("plain")["id"]
        for server in (new, own, plain):
            self.active(server)
        assert [p["security_groups"] for p in self.ports_of(new)] == [[group["id"]]]
        assert [(p["id"], p["security_groups"]) for p in self.ports_of(own)] == [(port["id"], default)]
        assert [p["security_groups"] for p in self.ports_of(plain)] == [default]
        made = self.ports_of(new)[0]["id"]
        assert self.call("GET", f"{self.compute}/servers/{new}/os-volume_attachments")["volumeAttachments"] == attached
        self.delete(new, own, plain)
        self.call("GET", f"{self.network_url}/ports/{made}", expect=(404,))
        left = self.call("GET", f"{self.network_url}/ports/{port['id']}")["port"]
        assert left["device_id"] == "" and left["fixed_ips"] == port["fixed_ips"], left
        self.call("DELETE", f"{self.network_url}/ports/{port['id']}", expect=(204,))
        rule("nova.servers.create", "c74116fa")
        rule("nova.servers.delete", "f8b53511")
        rule("nova.server_volumes.list", "41e8cd2c")

    def step_groups_of_one_name(self):
        """two groups of one name: the server's creation wants an id"""
        groups = [self.group("twin")["id"] for _ in range(2)]
        said = self.server("ambiguous", expect=(409,), security_groups=[{"name": "twin"}])["conflictingRequest"]["message"]
        assert said == "Multiple security groups found matching 'twin'. Use an ID to be more specific.", said
        self.delete(self.server("by-id", security_groups=[{"name": groups[0]}])["id"])
        for group in groups:
            self.call("DELETE", f"{self.network_url}/security-groups/{group}", expect=(204,))

    def step_paths_with_a_format(self):
        """older clients end their paths with .json"""
        url = self.network_url
        for name in ("networks", "subnets", "ports", "security-groups", "security-group-rules", "routers", "availability_zones"):
            plain, ended = (self.call("GET", f"{url}/{name}{end}") for end in ("", ".json"))
            assert plain == ended and name.replace("-", "_") in plain, (name, plain, ended)
        assert self.call("GET", f"{url}/extensions.json") == self.call("GET", f"{url}/extensions")
        assert self.call("GET", f"{url}/extensions/security-group.json")["extension"]["alias"] == "security-group"
        assert self.call("GET", f"{url}.json")["resources"], "the resources"
        made = self.call("POST", f"{url}/networks.json", {"network": {"name": "ended"}}, expect=(201,))["network"]
        path = f"{url}/networks/{made['id']}.json"
        assert self.call("GET", path)["network"]["id"] == made["id"]
        assert self.call("PUT", path, {"network": {"name": "changed"}})["network"]["name"] == "changed"
        self.call("DELETE", path, expect=(204,))
        self.call("GET", path, expect=(404,))

    def step_network_walks(self):
        """a list goes on behind a group that was deleted between two pages"""
        made = {self.group(f"walk.{number}")["id"] for number in range(4)}
        seen, marker = [], ""
        url = f"{self.network_url}/security-groups?limit=1&fields=id"
        while page := self.call("GET", url + marker)["security_groups"]:
            seen.append(page[0]["id"])
            marker = f"&marker={page[0]['id']}"
            if page[0]["id"] in made:
                self.call("DELETE", f"{self.network_url}/security-groups/{page[0]['id']}", expect=(204,))
        assert made <= set(seen) and len(seen) == len(set(seen)), (seen, made)
        lost = self.call("GET", f"{url}{marker}&marker={min(made)}&sort_key=name", expect=(404,))["NeutronError"]
        assert lost["type"] == "SecurityGroupNotFound", lost

    def step_a_port_that_names_a_server(self):
        """what a port says of its device makes it nobody's: the server has its own alone"""
        server = self.server("named")["id"]
        self.active(server)
        own = self.call("GET", f"{self.compute}/servers/{server}")["server"]["addresses"]
        says = {"network_id": self.network, "device_id": server, "device_owner": "compute:elsewhere"}
        port = self.call("POST", f"{self.network_url}/ports", {"port": says}, token=self.other, expect=(201, 403, 404))
        says = {**says, "device_owner": "compute:nova"}
        mine = self.call("POST", f"{self.network_url}/ports", {"port": says}, expect=(201,))["port"]
        assert (mine["device_owner"], mine["status"]) == ("compute:nova", "DOWN"), mine
        assert self.call("GET", f"{self.compute}/servers/{server}")["server"]["addresses"] == own
        for made, token in ((mine, None), (port.get("port"), self.other)):
            if made:
                self.call("DELETE", f"{self.network_url}/ports/{made['id']}", token=token, expect=(204,))
        self.delete(server)

    def step_tags(self):
        """tags: from 2.26 on and never on /v2, encoded in URLs; what one face writes the other one shows and finds"""
        server = self.server("tagged")["id"]
        self.active(server)
        at = lambda face, tag="": f"{face}/v2.1/servers/{server}/tags{tag}"
        for face, other in zip(self.faces, reversed(self.faces)):
            tags = lambda base=face, end="": self.call("GET", at(base, end), minor=26)["tags"]
            self.call("PUT", at(face), {"tags": ["blue", "k=v"]}, minor=26, expect=(200,))
            for minor, expect in ((None, 404), (25, 404), (26, 204), (96, 204)):
                self.call("GET", at(face, "/blue"), minor=minor, expect=(expect,))
            self.call("GET", at(face).replace("/v2.1/", "/v2/"), minor=26, expect=(404,))
            for method, tag, body in (("GET", "", None), ("PUT", "", {"tags": []}), ("DELETE", "", None), ("PUT", "/x", None), ("DELETE", "/blue", None)):
                self.call(method, at(face, tag), body, minor=25, expect=(404,))
            assert tags(other) == ["blue", "k=v"] and tags(end="/") == tags()
            accept = {"X-OpenStack-Nova-API-Version": "2.26", "Accept": "application/json"}
            got = request("PUT", at(face, "/a%20b%25%3F"), self.admin, headers=accept, expect=(201,))[1]
            assert got["Location"].endswith(f"/v2.1/servers/{server}/tags/a%20b%25%3F"), got["Location"]
            self.call("GET", got["Location"], minor=26, expect=(204,))
            self.call("PUT", got["Location"], minor=26, expect=(204,))
            assert tags() == ["a b%?", "blue", "k=v"]
            shown = self.call("GET", f"{other}/v2.1/servers/{server}", minor=26)["server"]
            assert shown["tags"] == tags() and "tags" not in self.call("GET", f"{other}/v2.1/servers/{server}")["server"]
            found = lambda query: [s["id"] for s in self.call("GET", f"{other}/v2.1/servers?{query}", minor=26)["servers"]]
            for query in ("tags=blue,k%3Dv", "tags-any=none,blue", "not-tags=blue,none", "not-tags-any=none"):
                assert found(query) == [server], query
            for query in ("tags=blue,none", "tags-any=none", "not-tags=blue", "not-tags-any=none,blue"):
                assert found(query) == [], query
            self.call("PUT", at(face, f"/{'x' * 81}"), minor=26, expect=(400,))
            self.call("PUT", at(face, "/"), minor=26, expect=(400,))  # of no name: the list, which has a body
            self.call("DELETE", at(face, "/a%20b%25%3F"), minor=26, expect=(204,))
            self.call("DELETE", at(face, "/a%20b%25%3F"), minor=26, expect=(404,))
            self.call("DELETE", at(face, "/"), minor=26, expect=(204,))
            assert tags() == []
        self.delete(server)
        for name in ("list", "check", "add", "replace", "delete", "delete_all"):
            rule(f"nova.server_tags.{name}", "bc776287")
        rule("nova.server_tags.check", "b5bc3a1a")
        rule("nova.server_tags.delete", "1ef307d6", "5002df25")

    def step_groups_of_a_running_server(self):
        """a running server gets a group and loses it, on its ports"""
        group, server = self.group("late")["id"], self.server("guarded")["id"]
        self.active(server)
        groups = lambda: sorted(self.ports_of(server)[0]["security_groups"])
        before = groups()
        for face, name in zip(self.faces, ("late", group)):
            url = f"{face}/v2.1/servers/{server}/action"
            act = lambda action, expect=202: self.call("POST", url, {action: {"name": name}}, expect=(expect,))
            act("addSecurityGroup")
            assert groups() == sorted([*before, group])
            act("removeSecurityGroup")
            assert groups() == before
            act("removeSecurityGroup", 404)
        self.delete(server)
        self.call("DELETE", f"{self.network_url}/security-groups/{group}", expect=(204,))

    def step_quotas(self):
        """quotas of one's own project, for operators of any; of nobody the default ones"""
        for face in self.faces:
            url = f"{face}/v2.1/os-quota-sets"
            quotas = lambda path, **more: self.call("GET", f"{url}/{path}", **more)["quota_set"]
            own = quotas(self.project, token=self.other)
            assert own["id"] == self.project and own["instances"] > 0, own
            assert quotas("nothing") == {**quotas(f"{self.project}/defaults"), "id": "nothing"}
            detail = quotas(f"{self.project}/detail")["instances"]
            assert detail["limit"] == own["instances"] and detail["in_use"] == 0, detail
            self.call("GET", f"{url}/nothing", token=self.other, expect=(403,))

    def step_many(self):
        """as many servers as the quota of disks allows, found by parts"""
        base = f"{self.ecs}/v2.1"
        wanted = {"min_count": 1, "max_count": VOLUMES + 2, "return_reservation_id": True}
        reservation = self.server("Rule_云.X", base, **wanted)["reservation_id"]
        servers = self.call("GET", f"{base}/servers?reservation_id={reservation}")["servers"]
        assert len(servers) == VOLUMES, servers
        refused = self.server("one-more", base, expect=(403,))
        assert "forbidden" in refused, refused
        self.server("too-many", base, expect=(403,), min_count=2, max_count=2)
        addresses = {}
        for server in servers:
            shown = self.active(server["id"])
            (addresses[server["id"]],) = [a["addr"] for network in shown["addresses"].values() for a in network]
            attached = self.call("GET", f"{base}/servers/{server['id']}/os-volume_attachments")["volumeAttachments"]
            assert len(attached) == 1 and attached[0]["device"], attached
            host = self.call("GET", f"{base}/servers/{server['id']}", minor=3)["server"]["OS-EXT-SRV-ATTR:hostname"]
            assert HOST_NAME.fullmatch(host), host
        first = servers[0]
        for path in ("servers", "servers/detail"):
            found = lambda query: {s["id"] for s in self.call("GET", f"{base}/{path}?{query}")["servers"]}
            everyone = set(addresses)
            assert found("flavor=SMALL") == everyone and found("flavor=large") == set()
            assert found(f"name={first['name'][-6:]}".replace("云", "%E4%BA%91")) == {first["id"]} and found("name=%5ERule") == set()
            part = addresses[first["id"]][1:]
            assert found(f"ip={part}") == {i for i, address in addresses.items() if part in address}
            assert found("ip=.0.0.0.0.") == set()
        self.delete(*addresses)
        rule("nova.servers.create", "973b0672", "a36d9edb", "dbb7301a")
        rule("nova.servers.list", "48f93670")
        rule("nova.servers.list_detail", "48f93670")

    def step_walks(self):
        """a list goes on behind a server that was deleted, and a shown time finds what it was shown for"""
        made = {self.server(f"walk.{number}")["id"] for number in range(VOLUMES)}
        servers = {server_id: self.active(server_id) for server_id in made}
        for server_id, server in servers.items():
            time = f"changes-since={server['updated']}&changes-before={server['updated']}"
            found = self.call("GET", f"{self.compute}/servers?{time}", minor=66)["servers"]
            assert server_id in {s["id"] for s in found}, (server["updated"], found)
        address = next(iter(servers[min(made)]["addresses"].values()))[0]["addr"]
        for pattern, expected in ((f"%5E{address}%24".replace(".", "%5C."), {min(made)}), ("%5B0-9.%5D%2B", made), ("none", set())):
            found = self.call("GET", f"{self.compute}/servers?ip={pattern}")["servers"]
            assert {s["id"] for s in found} == expected, (pattern, found)
        seen, marker = set(), ""
        while page := self.call("GET", f"{self.compute}/servers?limit=1{marker}")["servers"]:
            seen.add(page[0]["id"])
            marker = f"&marker={page[0]['id']}"
            self.call("DELETE", f"{self.compute}/servers/{page[0]['id']}", expect=(204,))
            poll(60, lambda: ((left := [s["id"] for s in self.call("GET", f"{self.compute}/servers")["servers"]]),
                              page[0]["id"] not in left)[::-1])
        assert seen == made, (seen, made)

    def step_refusals(self):
        """what is refused is named, and no secret is echoed"""
        for member in ("adminpass", "admin_Pass", "Password", "secret-key"):
            said = self.server("a", expect=(400,), **{member: "hunter2"})
            assert "hunter2" not in str(said) and member in str(said), said
            said = self.call("POST", f"{self.compute}/servers", {"server": {member: "hunter2"}}, expect=(400,))
            assert "hunter2" not in str(said), said
        url = f"{self.compute}/servers/none/action"
        said = self.call("POST", url, {"injectNetworkInfo": None}, expect=(400,))["badRequest"]["message"]
        assert said == "There is no such action: injectNetworkInfo.", said
        said = self.server("x" * 256, expect=(400,))["badRequest"]["message"]
        name = "x" * 256
        assert said == f"Invalid input for field/attribute name. Value: {name}. '{name}' is too long", said

    def step_small_disk(self):
        """a system disk is as large as the image asks"""
        device = {"source_type": "image", "destination_type": "volume", "uuid": self.image, "boot_index": 0}
        for base in (self.compute, f"{self.ecs}/v2.1"):
            small = {**device, "volume_size": 1, "delete_on_termination": True}
            self.server("disk", base, expect=(400,), block_device_mapping_v2=[small])
            server = self.server("disk", base, block_device_mapping_v2=[{**small, "volume_size": 2}])["id"]
            self.active(server)
            self.delete(server)
        rule("nova.servers.create", "b893fdc7")

    def step_data_disk(self):
        """a data disk may begin as an image, and is no smaller than that asks"""
        device = {"source_type": "image", "destination_type": "volume", "uuid": self.image, "boot_index": -1, "delete_on_termination": True}
        for base in (self.compute, f"{self.ecs}/v2.1"):
            self.server("data", base, expect=(400,), block_device_mapping_v2=[{**device, "volume_size": 1}])
            server = self.server("data", base, block_device_mapping_v2=[{**device, "volume_size": 3}])["id"]
            self.active(server)
            attached = self.call("GET", f"{base}/servers/{server}/os-volume_attachments")["volumeAttachments"]
            assert len(attached) == 2, attached
            self.delete(server)

    def step_kinds_of_images(self):
        """images of whole servers and of Windows are refused where that vendor's documents say so"""
        url = f"{self.cloud}/image/v2/images/{self.image}"
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        change = lambda *changes: request("PATCH", url, self.admin, list(changes), headers=patch)
        vendors = f"{self.ecs}/v2.1"
        said = lambda **more: self.server("kind", vendors, expect=(400,), **more)["badRequest"]["message"]
        change({"op": "add", "path": "/__whole_image", "value": "true"})
        assert "use POST /v1/{project_id}/cloudservers" in said()
        self.delete(self.server("kind")["id"])  # upstream gives the property no meaning
        change({"op": "remove", "path": "/__whole_image"}, {"op": "add", "path": "/os_type", "value": "Windows"})
        assert "metadata.admin_pass" in said(adminPass="Pa55-word")
        assert "cannot be set" in said(metadata={"admin_pass": "Pa55-word"})
        self.delete(self.server("kind", vendors)["id"])
        change({"op": "remove", "path": "/os_type"})
        self.delete(self.server("kind", vendors, adminPass="Pa55-word")["id"])
        rule("nova.servers.create", "71925370", "8cbaea11")

    def step_private_flavor(self):
        """a private flavor is for whom it is given to"""
        url = f"{self.compute}/flavors"
        flavor = {"id": "own", "name": "own", "ram": 64, "vcpus": 1, "disk": 2, "os-flavor-access:is_public": False}
        self.call("POST", url, {"flavor": flavor})
        sees = lambda: "own" in {f["id"] for f in self.call("GET", url, token=self.other)["flavors"]}
        act = lambda what, **more: self.call("POST", f"{url}/own/action", {what: {"tenant": self.project}}, **more)
        assert not sees()
        self.call("GET", f"{url}/own", token=self.other, expect=(404,))
        act("addTenantAccess", token=self.other, expect=(403,))
        assert act("addTenantAccess") == {"flavor_access": [{"flavor_id": "own", "tenant_id": self.project}]}
        act("addTenantAccess", expect=(409,))
        assert sees() and self.call("GET", f"{url}/own", token=self.other)["flavor"]["id"] == "own"
        assert self.call("GET", f"{url}/own/os-flavor-access")["flavor_access"][0]["tenant_id"] == self.project
        assert act("removeTenantAccess") == {"flavor_access": []}
        act("removeTenantAccess", expect=(404,))
        assert not sees()
        all_of_them = lambda query: {f["id"] for f in self.call("GET", f"{url}?is_public={query}")["flavors"]}
        assert all_of_them("false") == {"own"} and "own" not in all_of_them("true")
        assert all_of_them("none") == all_of_them("true") | {"own"}
        self.call("DELETE", f"{url}/own", expect=(202,))

    def step_several_networks(self):
        """several networks are a conflict where none is named"""
        identity, call = f"{self.cloud}/identity/v3", self.call
        project = call("POST", f"{identity}/projects", {"project": {"name": "torn", "domain_id": "default"}}, expect=(201,))
        role = call("GET", f"{identity}/roles?name=member")["roles"][0]["id"]
        project = project["project"]["id"]
        call("PUT", f"{identity}/projects/{project}/users/{self.other_id}/roles/{role}", expect=(204,))
        token = self.foreign = self.login("other", self.other_password, "torn")[0]
        role = call("GET", f"{identity}/roles?name=admin")["roles"][0]["id"]
        user = call("GET", f"{identity}/users?name=admin")["users"][0]["id"]
        call("PUT", f"{identity}/projects/{project}/users/{user}/roles/{role}", expect=(204,))
        self.outside = self.login("admin", self.password, "torn")[0]
        for name, cidr in (("one", "10.201.0.0/24"), ("two", "10.202.0.0/24")):
            network = call("POST", f"{self.network_url}/networks", {"network": {"name": name}}, token=token)["network"]["id"]
            subnet = {"network_id": network, "ip_version": 4, "cidr": cidr}
            call("POST", f"{self.network_url}/subnets", {"subnet": subnet}, token=token)
        server = {"name": "where", "flavorRef": self.flavor, "imageRef": self.image}
        create = lambda **more: call("POST", f"{self.compute}/servers", {"server": {**server, **more}}, token=token, minor=37, expect=(409,))
        assert "Multiple possible networks" in create(networks="auto")["conflictingRequest"]["message"]
        call("POST", f"{self.compute}/servers", {"server": server}, token=token, expect=(409,))

    def step_locks(self):
        """a locked server is changed by operators only, until who locked it, or an operator, unlocks it"""
        server = self.server("locked")["id"]
        self.active(server)
        url, volume = f"{self.compute}/servers/{server}", {"volumeAttachment": {"volumeId": server}}

        def act(body, token=self.other, status=202, minor=None, base=self.compute):
            return self.call("POST", f"{base}/servers/{server}/action", body, token=token, minor=minor, expect=(status,))

        for wrong in ("", "x" * 256, 1):
            act({"lock": {"locked_reason": wrong}}, minor=73, status=400)
        for verb in ("lock", "unlock"):
            act({verb: None}, token=self.foreign, status=404)
        act({"lock": {"locked_reason": "audit"}}, minor=73)
        shown = lambda minor: self.call("GET", url, token=self.other, minor=minor)["server"]
        assert "locked" not in shown(8) and shown(9)["locked"] is True and "locked_reason" not in shown(72)
        assert shown(73)["locked_reason"] == "audit" and shown(73)["status"] == "ACTIVE", shown(73)
        listed = lambda query: {one["id"] for one in self.call("GET", f"{self.compute}/servers?{query}", minor=73)["servers"]}
        assert server in listed("locked=True") and server not in listed("locked=False")
        assert listed("locked_by=owner&sort_key=locked") == {server} and not listed("locked_by=admin")
        wants = [{word: None} for word in ("os-start", "os-stop", "pause", "unpause", "suspend", "resume", "confirmResize")]
        wants += [{"reboot": {"type": "HARD"}}, {"resize": {"flavorRef": self.flavor}}, {"forceDelete": None}]
        for want in wants:
            assert act(want, status=409)["conflictingRequest"]["message"] == f"Instance {server} is locked", want
        refused = lambda method, path, body=None: self.call(method, f"{url}{path}", body, token=self.other, expect=(409,))
        refused("DELETE", "")
        refused("POST", "/metadata", {"metadata": {"k": "v"}})
        refused("POST", "/os-volume_attachments", volume)
        refused("DELETE", f"/os-volume_attachments/{server}")
        refused("POST", "/os-interface", {"interfaceAttachment": {"net_id": self.network}})
        refused("DELETE", f"/os-interface/{self.ports_of(server)[0]['id']}")
        refused("DELETE", "/os-server-password")
        self.call("PUT", url, {"server": {"name": "renamed"}}, token=self.other)

        act({"os-stop": None}, token=self.admin)
        poll(60, lambda: ((one := shown(73))["status"] == "SHUTOFF", one))
        act({"unlock": None}, base=f"{self.cloud}/compute/v2")
        assert (shown(73)["locked"], shown(73)["locked_reason"]) == (False, None)
        act({"os-start": None})
        self.active(server)
        act({"lock": None}, token=self.outside)
        assert listed("locked_by=admin") == {server}
        said = act({"unlock": None}, status=403)["forbidden"]["message"]
        assert said == "Policy doesn't allow os_compute_api:os-lock-server:unlock:unlock_override to be performed.", said
        act({"unlock": None}, token=self.admin, base=f"{self.ecs}/v2.1")
        kinds = [one["action"] for one in self.call("GET", f"{url}/os-instance-actions")["instanceActions"]]
        assert (kinds.count("lock"), kinds.count("unlock")) == (2, 2), kinds
        self.delete(server)
        rule("nova.servers.lock", "7ec08d80", "ef6fa479", "2687982f")
        rule("nova.servers.unlock", "af212215")


if __name__ == "__main__":
    quota = f"s/^default-zone = .*/&\\nquotas = {{ volumes = {VOLUMES} }}/"
    sys.exit(harness.main(Rules, [quota]))
