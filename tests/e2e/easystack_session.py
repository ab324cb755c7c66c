#!/usr/bin/env python3
"""EasyStack's API from its own token on: servers from an image and from a volume, power, metadata, key pairs, each refusal in
the document's form; and the same server through Nova and ECS.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the
first FAIL ends it. What a step has proven, it tells the coverage report.
"""

import json
import sys

import harness
from harness import poll, request, rule

PASSWORD = "Easystack-1"
VERSION = "X-OpenStack-Nova-API-Version"
TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}
TITLES[405] = "Method Not Allowed"
HARD = {"reboot": {"type": "HARD"}}
NOWHERE = "c2f762aa-5497-4c84-ac15-211ff402fca4"
ISO, ORDER = f"nodeinfo.com:iso-{NOWHERE}", "nodeinfo.com:bootorder"


class Session(harness.Session):
    # --- helpers ---

    def es(self, path):
        return f"{self.base}{path}"

    def refused(self, status, method, path, body=None, token=None, **more):
        """The message of a refusal, whose form is looked at."""
        url = path if path.startswith("http") else self.es(path)
        answer, headers = request(method, url, self.token if token is None else token, body, expect=(status,), **more)
        error = answer["error"]
        assert list(answer) == ["error"] and set(error) == {"message", "code", "title"}, answer
        assert (error["code"], error["title"]) == (status, TITLES[status]) and error["message"], answer
        assert headers["RequestId"], dict(headers)
        return error["message"]

    def becomes(self, server, status):
        def shown():
            found = self.call("GET", self.es(f"/servers/{server}"))["server"]
            assert status == "ERROR" or found["status"] != "ERROR", found
            return found["status"] == status, found

        return poll(60, shown)

    def act(self, server, body, status):
        self.call("POST", self.es(f"/servers/{server}/action"), body, expect=(202,))
        return self.becomes(server, status)

    def stranger(self, name, role, project=None):
        """A new user's token of this project, or of a new one, and the project."""
        identity = f"{self.cloud}/identity/v3"

        def make(kind, **fields):
            fields |= {"name": name, "domain_id": "default"}
            return self.call("POST", f"{identity}/{kind}s", {kind: fields}, expect=(201,))[kind]["id"]

        project, user = project or make("project"), make("user", password=PASSWORD)
        role = self.call("GET", f"{identity}/roles?name={role}")["roles"][0]["id"]
        self.call("PUT", f"{identity}/projects/{project}/users/{user}/roles/{role}", expect=(204,))
        login = {"methods": ["password"], "password": {"user": {"id": user, "password": PASSWORD}}}
        body = {"auth": {"scope": {"project": {"id": project}}, "identity": login}}
        _, headers = request("POST", f"{self.easystack}/v3/auth/tokens", body=body, expect=(201,))
        return headers["X-Subject-Token"], project

    # --- the steps, in order ---

    def step_own_token(self):
        """a token of its own, of a project; its catalogue leads to the API"""
        admin = self.call("GET", f"{self.cloud}/identity/v3/users?name=admin")["users"][0]["id"]
        domain = {"domain": {"name": "Default"}}
        login = lambda password: {"methods": ["password"], "password": {"user": {"password": password, "id": admin}}}
        identity = login(self.password)
        auth = {"scope": {"project": {**domain, "name": "admin"}}, "identity": identity}
        tokens = f"{self.easystack}/v3/auth/tokens"
        answer, headers = request("POST", tokens, body={"auth": auth}, expect=(201,))
        self.token = headers["X-Subject-Token"]
        assert headers["RequestId"] and answer["token"]["project"]["id"] == self.project, answer
        compute = [entry for entry in answer["token"]["catalog"] if entry["type"] == "compute"]
        self.base = compute[0]["endpoints"][0]["url"]
        assert self.base == f"{self.easystack}/v2.1/{self.project}", compute
        # The cloud's own catalogue goes on naming its own.
        there = self.call("GET", f"{self.cloud}/identity/v3/auth/catalog")["catalog"]
        urls = [end["url"] for entry in there if entry["type"] == "compute" for end in entry["endpoints"]]
        assert urls and all(url.startswith(self.cloud) for url in urls), urls

        message = self.refused(401, "POST", tokens, {"auth": {**auth, "identity": login("no")}}, token="")
        assert message == "The request you have made requires authentication.", message
        for scope in ({}, {"scope": {"domain": {"id": "default"}}}, {"scope": "unscoped"}):
            assert "project" in self.refused(400, "POST", tokens, {"auth": {"identity": identity, **scope}}, token="")
        self.refused(400, "POST", tokens, {"auth": {}}, token="")
        for token in ("", "forged"):
            self.refused(401, "GET", "/servers", token=token)
        proven = "87082d8f", "7240366e", "a7cef592", "376859af", "8d1c96a4", "b7f40b7a", "a683ab75", "14d88c50"
        rule("easystack.tokens.create", *proven)

    def step_from_image(self):
        """a server from an image, on a subnet that the request names"""
        subnet = self.call("GET", self.neutron(f"/subnets?network_id={self.network}"))["subnets"][0]["id"]
        body = {"name": "from-image", "imageRef": self.image, "flavorRef": self.flavor, "metadata": {"role": "web"}}
        networks = [{"uuid": self.network, "subnet_id": subnet}]
        answer, headers = request(
            "POST", self.es("/servers"), self.token, {"server": {**body, "networks": networks}}, expect=(202,)
        )
        self.first, made = answer["server"]["id"], answer["server"]
        assert headers["RequestId"] and made["adminPass"] and made["security_groups"] == [{"name": "default"}], answer
        self.becomes(self.first, "ACTIVE")
        port = self.call("GET", self.neutron(f"/ports?device_id={self.first}"))["ports"][0]
        assert [ip["subnet_id"] for ip in port["fixed_ips"]] == [subnet], port

        other = self.call("POST", self.neutron("/networks"), {"network": {"name": "other"}})["network"]["id"]
        beside = {**body, "networks": [{"uuid": other, "subnet_id": subnet}]}
        self.refused(400, "POST", "/servers", {"server": beside})
        for wrong in ({"flavorRef": "none"}, {"imageRef": NOWHERE}, {"networks": [{"uuid": NOWHERE}]}, {"name": ""}):
            self.refused(400, "POST", "/servers", {"server": {**body, "networks": networks, **wrong}})
        rule("easystack.servers.create", "e842b1c9", "058b1d1c")

    def step_from_volume(self):
        """a server that boots from a volume, as the document's example asks for it, by the paths that it writes"""
        device = {"boot_index": 0, "destination_type": "volume", "source_type": "image", "uuid": self.image}
        device |= {"volume_size": "2", "volume_type": "SSD"}
        body = {"name": "bfv", "imageRef": "", "flavorRef": self.flavor, "adminPass": PASSWORD, "OS-DCF:diskConfig": "AUTO"}
        body |= {"availability_zone": "zone-1", "networks": [{"uuid": self.network}]}
        body |= {"security_groups": [{"name": "default"}], "block_device_mapping_v2": [device]}
        sent = {"server": body}
        made = self.call("POST", f"{self.easystack}/v2.1/servers", sent, headers={VERSION: "2.67"}, expect=(202,))["server"]
        self.second = made["id"]
        assert (made["adminPass"], made["OS-DCF:diskConfig"]) == (PASSWORD, "AUTO"), made
        links = [link["href"] for link in made["links"]]
        assert links == [f"{self.easystack}{version}/servers/{self.second}" for version in ("/v2.1", "")], links
        shown = self.becomes(self.second, "ACTIVE")
        assert shown["image"] == "" and len(shown["os-extended-volumes:volumes_attached"]) == 1, shown
        third = self.call("POST", f"{self.easystack}/v1/{self.project}/servers", sent, expect=(202,))["server"]["id"]
        self.becomes(third, "ACTIVE")
        self.call("DELETE", self.nova(f"/servers/{third}"), expect=(204,))
        poll(60, lambda: (third not in (left := str(self.call("GET", self.es("/servers")))), left))
        proven = "e539dab7", "beb07f74", "75e49023", "3e505d74", "9d8ca781", "a867b568", "d41041f3", "c0401919"
        rule("easystack.servers.create_bfv", *proven)

    def step_lists(self):
        """both are listed and shown, and found by what the document names"""
        ids = lambda query, detail="": {s["id"] for s in self.call("GET", self.es(f"/servers{detail}?{query}"))["servers"]}
        both = {self.first, self.second}
        assert ids("") == ids("", "/detail") == both, ids("")
        assert ids("power_state=1&vm_state=active&availability_zone=zone-1") == both
        assert ids("status=SHUTOFF") == set() and ids("changes-before=2000-01-01T00:00:00Z") == set()
        page = self.call("GET", self.es("/servers?limit=1"))
        assert len(page["servers"]) == 1 and page["servers_links"][0]["rel"] == "next", page
        following = self.call("GET", page["servers_links"][0]["href"])
        assert {page["servers"][0]["id"], following["servers"][0]["id"]} == both, following
        shown = self.call("GET", f"{self.easystack}/v2.1/servers/{self.first}")["server"]
        assert (shown["name"], shown["metadata"]) == ("from-image", {"role": "web"}), shown
        self.refused(400, "GET", "/servers?limit=x")
        self.refused(400, "GET", "/servers?changes-before=yesterday")
        rule("easystack.servers.list", "d4eb905c", "a16c0c46")
        rule("easystack.servers.show", "556b2434")

    def step_power(self):
        """stop, start, soft and hard reboot; what its state doesn't allow is a conflict"""
        self.act(self.first, {"os-stop": None}, "SHUTOFF")
        assert "vm_state stopped" in self.refused(409, "POST", f"/servers/{self.first}/action", {"os-stop": {}})
        self.act(self.first, {"os-start": {}}, "ACTIVE")
        for kind in ("SOFT", "HARD"):
            self.act(self.first, {"reboot": {"type": kind}}, "ACTIVE")
        for wrong in ({"reboot": {}}, {"reboot": {"type": "WARM"}}, {"injectNetworkInfo": None}, {}):
            self.refused(400, "POST", f"/servers/{self.first}/action", wrong)

    def step_stands_still(self):
        """pause, unpause, suspend, resume; one that stands still is neither stopped nor resized nor paused again"""
        for action, goes_on, status in (("pause", "unpause", "PAUSED"), ("suspend", "resume", "SUSPENDED")):
            self.act(self.first, {action: None}, status)
            for wrong in ({"os-stop": {}}, {"pause": None}, {"suspend": None}, {"resize": {"flavorRef": self.flavor}}):
                message = self.refused(409, "POST", f"/servers/{self.first}/action", wrong)
                assert f"vm_state {status.lower()}" in message, message
            other = {"unpause": "resume", "resume": "unpause"}[goes_on]
            self.refused(409, "POST", f"/servers/{self.first}/action", {other: None})
            self.act(self.first, {goes_on: None}, "ACTIVE")
            self.act(self.first, {action: None}, status)
            self.act(self.first, HARD, "ACTIVE")
        kinds = {one["action"] for one in self.call("GET", self.nova(f"/servers/{self.first}/os-instance-actions"))["instanceActions"]}
        assert {"pause", "unpause", "suspend", "resume"} <= kinds, kinds

    def step_networks(self):
        """a network comes to a server and leaves it, and with it goes its port"""
        at = f"/servers/{self.first}/os-interface"
        cards = lambda: {one["port_id"]: one for one in self.call("GET", self.es(at))["interfaceAttachments"]}
        (own,) = cards()
        body = {"interfaceAttachment": {"net_id": self.network}}
        made = self.call("POST", self.es(at), body, expect=(200,))["interfaceAttachment"]
        port = made["port_id"]
        assert made["net_id"] == self.network and len(made["fixed_ips"]) == 1, made
        poll(60, lambda: ((seen := cards())[port]["port_state"] == "ACTIVE", seen))
        assert set(cards()) == {own, port}
        assert self.call("GET", self.es(f"{at}/{port}"))["interfaceAttachment"] == cards()[port]
        for wrong in ({"net_id": "x"}, {"net_id": self.network, "port_id": port}, {"port_id": port, "fixed_ips": []}):
            self.refused(400, "POST", at, {"interfaceAttachment": wrong})
        self.refused(404, "POST", at, {"interfaceAttachment": {"net_id": NOWHERE}})
        self.refused(404, "DELETE", f"{at}/{NOWHERE}")
        self.call("DELETE", self.es(f"{at}/{port}"), expect=(202,))
        poll(60, lambda: (set(seen := cards()) == {own}, seen))
        self.call("GET", self.neutron(f"/ports/{port}"), expect=(404,))

    def step_metadata(self):
        """metadata and with it the boot order, whose values may be objects, is replaced as a whole"""
        shown = lambda: self.call("GET", self.es(f"/servers/{self.first}"))["server"]
        poll(30, lambda: ((server := shown())["OS-EXT-STS:task_state"] is None, server))
        url = f"{self.easystack}/v2.1/servers/{self.first}/metadata"
        assert self.call("GET", url) == {"metadata": {"role": "web"}}
        iso = {"image_uuid": NOWHERE, "boot_order": 1, "image_name": "test-iso"}
        self.call("PUT", url, {"metadata": {ISO: iso, ORDER: {"order": ["cdrom", "hd"]}}}, expect=(200,))
        kept = self.call("GET", url)["metadata"]
        assert set(kept) == {ISO, ORDER} and json.loads(kept[ISO]) == iso, kept
        assert json.loads(kept[ORDER]) == {"order": ["cdrom", "hd"]}, kept
        self.call("PUT", url, {"metadata": kept}, expect=(200,))
        assert "no ISO image" in self.refused(400, "PUT", url, {"metadata": {ORDER: {"order": ["cdrom", "hd"]}}})
        self.refused(400, "PUT", url, {"metadata": {"a": {}}})
        assert self.call("GET", url)["metadata"] == kept
        self.act(self.first, HARD, "ACTIVE")
        rule("easystack.servers.metadata.list", "50520bd5")
        rule("easystack.servers.metadata.replace", "a78f2ac5", "2e174214")

    def step_keypairs(self):
        """key pairs: made, imported, listed, deleted, with each version's status"""
        url, new = self.es("/os-keypairs"), {VERSION: "2.2"}
        made = self.call("POST", url, {"keypair": {"name": "made"}}, expect=(200,))["keypair"]
        assert "PRIVATE KEY" in made["private_key"] and made["type"] == "ssh", made
        body = {"name": "imported", "type": "ssh", "public_key": made["public_key"]}
        imported = self.call("POST", url, {"keypair": body}, headers=new, expect=(201,))["keypair"]
        assert "private_key" not in imported and imported["fingerprint"] == made["fingerprint"], imported
        # What upstream knows from 2.2 and 2.10 on, the document has at every version.
        whole = {**body, "name": "whole", "user_id": made["user_id"]}
        assert self.call("POST", url, {"keypair": whole}, expect=(200,))["keypair"]["type"] == "ssh"
        request("DELETE", f"{url}/whole", self.token, expect=(200,))
        names = lambda query: [one["keypair"]["name"] for one in self.call("GET", f"{url}{query}")["keypairs"]]
        assert (names(""), names("?limit=1"), names("?marker=imported")) == (["imported", "made"], ["imported"], ["made"])
        self.refused(409, "POST", "/os-keypairs", {"keypair": body})
        self.refused(400, "POST", "/os-keypairs", {"keypair": {**body, "name": "bad", "public_key": "no key"}})
        answer, _ = request("DELETE", f"{url}/made", self.token, expect=(200,))
        assert answer is None
        request("DELETE", f"{url}/imported", self.token, headers=new, expect=(204,))
        self.refused(404, "DELETE", "/os-keypairs/made")
        rule("easystack.keypairs.list", "88153e7d")
        rule("easystack.keypairs.create", "7f6d99f8", "682c34a6")
        rule("easystack.keypairs.import", "cdbb3567", "682c34a6")
        rule("easystack.keypairs.delete", "95312fcb", "485afd79", "e23c197e")

    def step_other_faces(self):
        """the same servers through Nova and ECS, and what they do is seen here"""
        shown = self.call("GET", self.nova(f"/servers/{self.second}"))["server"]
        assert (shown["name"], shown["status"]) == ("bfv", "ACTIVE"), shown
        self.call("POST", self.nova(f"/servers/{self.second}/action"), {"os-stop": None}, expect=(202,))
        self.becomes(self.second, "SHUTOFF")
        job = self.call("POST", self.v1("/cloudservers/action"), {"os-start": {"servers": [{"id": self.second}]}})["job_id"]
        self.job(job)
        self.becomes(self.second, "ACTIVE")
        listed = self.call("GET", f"{self.ecs}/v2.1/{self.project}/servers?name=from-image")["servers"]
        assert [one["id"] for one in listed] == [self.first], listed

    def step_foreign(self):
        """another project sees nothing of it"""
        token, project = self.stranger("stranger", "member")
        at = f"{self.easystack}/v2.1/{project}/servers"
        assert self.call("GET", at, token=token) == {"servers": []}
        for method, path, body in (
            ("GET", "", None), ("POST", "/action", {"os-stop": None}), ("POST", "/action", {"os-start": None}),
            ("POST", "/action", HARD), ("GET", "/metadata", None), ("PUT", "/metadata", {"metadata": {}}),
        ):
            self.refused(404, method, f"{at}/{self.first}{path}", body, token=token)
        self.refused(400, "GET", "/servers", token=token)
        self.refused(404, "GET", f"{self.easystack}/v2.1/nothing", token=token)
        self.refused(405, "PUT", at, {}, token=token)

    def step_reader(self):
        """a reader of the project sees and changes nothing"""
        token, _ = self.stranger("reader", "reader", self.project)
        self.call("GET", self.es(f"/servers/{self.first}"), token=token)
        for verb, body in (("stop", {"os-stop": None}), ("start", {"os-start": None}), ("reboot", HARD)):
            message = self.refused(403, "POST", f"/servers/{self.first}/action", body, token=token)
            assert message == f"Policy doesn't allow os_compute_api:servers:{verb} to be performed.", message

    def step_deletion(self):
        """deleted through Nova, gone here"""
        for server in (self.first, self.second):
            self.call("DELETE", self.nova(f"/servers/{server}"), expect=(204,))
        poll(60, lambda: (not (left := self.call("GET", self.es("/servers"))["servers"]), left))
        self.refused(404, "GET", f"/servers/{self.first}")


if __name__ == "__main__":
    sys.exit(harness.main(Session))
