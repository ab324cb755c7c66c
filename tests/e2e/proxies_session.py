#!/usr/bin/env python3
"""What Nova passes on to other services, as clients of old ask for it: the records are those services' own.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the first
FAIL ends it. What a passed step proved it says in lines `RULE operation hash`, which the coverage report reads. Both faces are asked.
"""

import sys

import harness
from harness import poll, request, rule
from nova_images import Images


class Proxies(Images):
    def __init__(self, env, _folder):
        self.cloud, self.password = env["SKYLOOM_URL"], env["SKYLOOM_ADMIN_PASSWORD"]
        self.faces = (f"{self.cloud}/compute", env["SKYLOOM_ECS_URL"])
        self.network_url = f"{self.cloud}/network/v2.0"
        self.admin = self.project = None

    def call(self, method, url, body=None, minor=None, **more):
        headers = {"X-OpenStack-Nova-API-Version": f"2.{minor}"} if minor else {}
        return request(method, url, self.admin, body, headers=headers, **more)[0]

    # --- the steps, in order ---

    def step_login(self):
        """a token"""
        domain = {"id": "default"}
        user = {"name": "admin", "password": self.password, "domain": domain}
        scope = {"project": {"name": "admin", "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer, headers = request("POST", f"{self.cloud}/identity/v3/auth/tokens", body=body, expect=(201,))
        self.admin, self.project = headers["X-Subject-Token"], answer["token"]["project"]["id"]

    def step_networks(self):
        """networks through Nova are the network service's"""
        own = {n["id"]: n["name"] for n in self.call("GET", f"{self.network_url}/networks")["networks"]}
        for base in self.faces:
            assert {n["id"]: n["label"] for n in self.call("GET", f"{base}/v2.1/os-networks")["networks"]} == own != {}
            for id, name in own.items():
                assert self.call("GET", f"{base}/v2.1/os-networks/{id}")["network"]["label"] == name

    def step_groups(self):
        """security groups through Nova are the network service's"""
        for face, base in enumerate(self.faces):
            url, own = f"{base}/v2.1/os-security-groups", f"{self.network_url}/security-groups"
            body = {"security_group": {"name": f"old-{face}", "description": "front"}}
            made = self.call("POST", url, body)["security_group"]
            assert made["rules"] == [] and made["tenant_id"] == self.project, made
            at = f"{own}/{made['id']}"
            assert self.call("GET", at)["security_group"]["name"] == f"old-{face}"
            body = {"security_group": {"name": f"older-{face}", "description": ""}}
            self.call("PUT", f"{url}/{made['id']}", body)
            assert self.call("GET", at)["security_group"]["name"] == f"older-{face}"
            long = {"security_group": {"name": "a" * 256, "description": ""}}
            assert "name" in self.call("PUT", f"{url}/{made['id']}", long, expect=(400,))["badRequest"]["message"]
            body = {"parent_group_id": made["id"], "ip_protocol": "icmp", "from_port": "-1", "to_port": "-1", "cidr": "10.0.0.0/8"}
            entry = self.call("POST", f"{base}/v2.1/os-security-group-rules", {"security_group_rule": body})["security_group_rule"]
            own_rule = self.call("GET", f"{self.network_url}/security-group-rules/{entry['id']}")["security_group_rule"]
            assert (own_rule["protocol"], own_rule["port_range_min"], own_rule["direction"]) == ("icmp", None, "ingress"), own_rule
            shown = self.call("GET", f"{url}/{made['id']}")["security_group"]["rules"]
            assert [(r["id"], r["from_port"], r["to_port"], r["group"], r["ip_range"]) for r in shown] == [
                (entry["id"], -1, -1, {}, {"cidr": "10.0.0.0/8"})
            ], shown
            assert made["id"] in {group["id"] for group in self.call("GET", url)["security_groups"]}
            self.call("DELETE", f"{base}/v2.1/os-security-group-rules/{entry['id']}", expect=(202,))
            self.call("GET", f"{self.network_url}/security-group-rules/{entry['id']}", expect=(404,))
            self.call("DELETE", f"{url}/{made['id']}", expect=(202,))
            self.call("GET", at, expect=(404,))
            self.call("GET", url, minor=36, expect=(404,))
        rule("nova.security_groups.create", "da043717", "f1382870")
        rule("nova.security_groups.update", "dc129f77", "e546646b", "c0631730", "6b7009e1")
        for operation, proven in (
            ("security_groups.list", "bb480b3f"), ("security_groups.show", "808eefae"), ("security_groups.delete", "a00bce8c"),
            ("security_group_rules.create", "fc0d7be1"), ("security_group_rules.delete", "a1b8bb85"),
        ):
            rule(f"nova.{operation}", proven)

    def a_server(self, name):
        """Its id once it runs, and its fixed address."""
        nova = f"{self.cloud}/compute/v2.1"
        image = self.call("GET", f"{nova}/images")["images"][0]["id"]
        body = {"name": name, "imageRef": image, "flavorRef": "1"}
        id = self.call("POST", f"{nova}/servers", {"server": body}, expect=(202,))["server"]["id"]

        def runs():
            server = self.call("GET", f"{nova}/servers/{id}")["server"]
            assert server["status"] != "ERROR", server
            return server["status"] == "ACTIVE", server

        (addresses,) = poll(60, runs)["addresses"].values()
        return id, addresses[0]["addr"]

    def step_floating_ips(self):
        """floating IPs through Nova are the network service's, and servers get and lose them"""
        own = f"{self.network_url}/floatingips"
        external = self.call("GET", f"{self.network_url}/networks?router:external=True")["networks"]
        pool = external[0]["name"]
        server, fixed = self.a_server("floats")
        for base in self.faces:
            url, at = f"{base}/v2.1/os-floating-ips", f"{base}/v2.1/servers/{server}/action"
            pools = self.call("GET", f"{base}/v2.1/os-floating-ip-pools")["floating_ip_pools"]
            assert sorted(one["name"] for one in pools) == sorted(network["name"] for network in external), pools
            made = self.call("POST", url, {"pool": pool})["floating_ip"]
            assert (made["pool"], made["fixed_ip"], made["instance_id"]) == (pool, None, None), made
            of_default = self.call("POST", url, {})["floating_ip"]
            assert of_default["pool"] == pool, of_default
            told = self.call("POST", url, {"pool": "none"}, expect=(404,))["itemNotFound"]["message"]
            assert told == "Floating IP pool not found.", told
            of_own = self.call("GET", f"{own}/{made['id']}")["floatingip"]
            assert (of_own["floating_ip_address"], of_own["project_id"]) == (made["ip"], self.project), of_own
            body = {"addFloatingIp": {"address": made["ip"], "fixed_address": fixed}}
            self.call("POST", at, body, minor=44, expect=(404,))
            self.call("POST", at, body, minor=43, expect=(202,))
            of_own = self.call("GET", f"{own}/{made['id']}")["floatingip"]
            assert (of_own["fixed_ip_address"], of_own["status"]) == (fixed, "ACTIVE"), of_own
            shown = self.call("GET", f"{url}/{made['id']}")["floating_ip"]
            assert (shown["fixed_ip"], shown["instance_id"]) == (fixed, server), shown
            (addresses,) = self.call("GET", f"{base}/v2.1/servers/{server}")["server"]["addresses"].values()
            assert {(one["addr"], one["OS-EXT-IPS:type"]) for one in addresses} == {(fixed, "fixed"), (made["ip"], "floating")}, addresses
            other = {"addFloatingIp": {"address": of_default["ip"]}}
            assert "Unable to associate" in self.call("POST", at, other, expect=(400,))["badRequest"]["message"]
            body = {"removeFloatingIp": {"address": made["ip"]}}
            self.call("POST", at, body, minor=44, expect=(404,))
            self.call("POST", at, body, minor=43, expect=(202,))
            assert self.call("GET", f"{own}/{made['id']}")["floatingip"]["port_id"] is None
            self.call("POST", at, body, expect=(409,))
            listed = {one["id"]: one["ip"] for one in self.call("GET", url)["floating_ips"]}
            assert listed == {made["id"]: made["ip"], of_default["id"]: of_default["ip"]}, listed
            for gone in (made["id"], of_default["id"]):
                self.call("DELETE", f"{url}/{gone}", expect=(202,))
                self.call("GET", f"{own}/{gone}", expect=(404,))
            self.call("GET", url, minor=36, expect=(404,))
        rule("nova.floating_ip_pools.list", "c38a3011", "c01a12d8")
        rule("nova.floating_ips.create", "02d0ad07", "0d2ab208", "d6dcf7a4")
        for operation, *proven in (
            ("list", "68525db4"), ("show", "65c31bb2"), ("delete", "c07c2fcc"), ("add_to_server", "519125e8", "97c0ab1f", "0d51e08a"),
            ("remove_from_server", "9ac9d142", "97c0ab1f", "0d51e08a"),
        ):
            rule(f"nova.floating_ips.{operation}", *proven)

    def step_volumes(self):
        """volumes and snapshots through Nova are the volume service's"""
        own = f"{self.cloud}/volume/v3/{self.project}"
        for face, base in enumerate(self.faces):
            url, snapshots = f"{base}/v2.1/os-volumes", f"{base}/v2.1/os-snapshots"
            [zone] = self.call("GET", f"{base}/v2.1/os-availability-zone")["availabilityZoneInfo"]
            zone = {"availability_zone": zone["zoneName"]}
            body = {"volume": {"size": 1, "display_name": f"old-{face}", "metadata": {"a": "b"}, **zone}}
            volume = self.call("POST", url, body)["volume"]
            assert (volume["status"], volume["attachments"]) == ("creating", [{}]), volume
            at = f"{own}/volumes/{volume['id']}"
            is_there = lambda at, kind: poll(60, lambda: ((found := self.call("GET", at)[kind])["status"] == "available", found))
            found = is_there(at, "volume")
            assert (found["name"], found["metadata"]) == (f"old-{face}", {"a": "b"}), found
            for listed in (url, f"{url}/detail"):
                [shown] = [v for v in self.call("GET", listed)["volumes"] if v["id"] == volume["id"]]
                assert (shown["status"], shown["size"], shown["displayName"]) == ("available", 1, f"old-{face}"), shown
            body = {"snapshot": {"volume_id": volume["id"], "display_name": "before"}}
            snapshot = self.call("POST", snapshots, body)["snapshot"]
            is_there(f"{own}/snapshots/{snapshot['id']}", "snapshot")
            assert self.call("GET", f"{snapshots}/{snapshot['id']}")["snapshot"]["volumeId"] == volume["id"]
            told = self.call("DELETE", f"{url}/{volume['id']}", expect=(400,))["badRequest"]["message"]
            assert "snapshot" in told, told
            copied = self.call("POST", url, {"volume": {"snapshot_id": snapshot["id"], **zone}})["volume"]
            is_there(f"{own}/volumes/{copied['id']}", "volume")
            self.call("DELETE", f"{snapshots}/{snapshot['id']}", expect=(202,))
            poll(60, lambda: (request("GET", f"{own}/snapshots/{snapshot['id']}", self.admin, expect=(200, 404))[0].get("snapshot") is None, None))
            for gone in (volume["id"], copied["id"]):
                self.call("DELETE", f"{url}/{gone}", expect=(202,))
                poll(60, lambda: (request("GET", f"{own}/volumes/{gone}", self.admin, expect=(200, 404))[0].get("volume") is None, None))
        for operation, *proven in (
            ("volumes.list", "2279c8d8"), ("volumes.list_detail", "72febb36"), ("volumes.show", "35875f62"), ("volumes.create", "23b153a0"),
            ("volumes.delete", "c0d30768", "ac199387"), ("snapshots.create", "752c050b"), ("snapshots.show", "213b97b0"),
            ("snapshots.delete", "3ed353fc"),
        ):
            rule(f"nova.{operation}", *proven)

    def step_images(self):
        """images through Nova are the image service's"""
        self.images_of_old()


if __name__ == "__main__":
    sys.exit(harness.main(Proxies))
