#!/usr/bin/env python3
"""Host aggregates and the zones that come from them: through the unchanged OpenStack client, through EasyStack's API, and where
servers then go.

Starts a Skyloom of its own (laptop deployment, simulator, three nodes) and ends it. Prints PASS or FAIL with seconds for each step;
the first FAIL ends it. What a step has proven, it tells the coverage report. Exit code 77: the client is missing here.
"""

import sys

import client
from client import same
from harness import poll, request, rule

NODE = '[[node]]\\nname = "{}"\\ndriver = "simulator"\\nzone = "zone-1"\\nplatform-networks = { "*" = "simulated" }\\n\\n'
MORE_NODES = "".join(NODE.replace("{}", name, 1) for name in ("node-2", "node-3"))
TITLES = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict"}


class Aggregates(client.Members):
    def __init__(self, env, folder):
        super().__init__(env, folder)
        self.easystack = env["SKYLOOM_EASYSTACK_URL"]

    # --- helpers ---

    def nova(self, method, path, body=None, who="ann", expect=(200, 202, 204)):
        return request(method, f"{self.url}/compute/v2.1{path}", self.tokens[who], body, expect=expect)[0]

    def es(self, method, path="", body=None, who="admin", expect=200):
        """EasyStack's answer, or the message of its refusal, whose form is looked at."""
        url = f"{self.easystack}/v2.1/{self.projects[who]}/os-aggregates{path}"
        answer, headers = request(method, url, self.tokens[who], body, expect=(expect,))
        if expect == 200:
            return answer
        same("the refusal", (answer["error"]["code"], answer["error"]["title"]), (expect, TITLES[expect]))
        assert headers["RequestId"], dict(headers)
        return answer["error"]["message"]

    def zones(self, who="admin"):
        """Each zone that the client lists with whether it takes servers."""
        rows = getattr(self, who)("availability", "zone", "list", "--compute")
        return sorted((row["Zone Name"], row["Zone Status"]) for row in rows)

    def hosts(self, zone):
        rows = self.admin("availability", "zone", "list", "--compute", "--long")
        return sorted(row["Host Name"] for row in rows if row["Zone Name"] == zone)

    def server(self, name, zone, expect=(202,)):
        least = {"name": name, "flavorRef": self.flavor, "imageRef": self.image, "networks": [{"uuid": self.network}]}
        body = {"server": {**least, "availability_zone": zone}}
        answer = self.nova("POST", "/servers", body, expect=expect)
        return answer["server"]["id"] if expect == (202,) else answer["badRequest"]["message"]

    def node_of(self, server):
        def ended():
            one = self.nova("GET", f"/servers/{server}", who="admin")["server"]
            assert one["status"] != "ERROR", one
            return one["status"] == "ACTIVE", one

        return poll(60, ended)["OS-EXT-SRV-ATTR:host"]

    def delete(self, *servers):
        for server in servers:
            self.nova("DELETE", f"/servers/{server}")
        poll(60, lambda: (not (left := self.nova("GET", "/servers")["servers"]), left))

    # --- the steps, in order ---

    def step_things(self):
        """tokens, an image that everybody may use, flavor and network"""
        logins = {"ann": self.ann, "bob": self.bob, "admin": self.admin}
        issued = {who: login("token", "issue") for who, login in logins.items()}
        self.tokens = {who: token["id"] for who, token in issued.items()}
        self.projects = {who: token["project_id"] for who, token in issued.items()}
        images, stream = f"{self.url}/image/v2/images", {"Content-Type": "application/octet-stream"}
        image = {"name": "guest", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        self.image = request("POST", images, self.tokens["admin"], image)[0]["id"]
        request("PUT", f"{images}/{self.image}/file", self.tokens["admin"], b"\0" * 65536, headers=stream)
        flavors = self.nova("GET", "/flavors/detail")["flavors"]
        self.flavor = min(flavors, key=lambda one: (one["ram"], one["disk"]))["id"]
        networks = request("GET", f"{self.url}/network/v2.0/networks?router:external=false", self.tokens["ann"])[0]
        self.network = networks["networks"][0]["id"]

    def step_made(self):
        """aggregate create, list, show; everybody sees the zone at once, and no server goes there yet"""
        made = self.admin("aggregate", "create", "--zone", "east", "--property", "ssd=yes", "fast")
        same("the new one", (made["name"], made["availability_zone"], made["hosts"]), ("fast", "east", []))
        assert made["properties"]["ssd"] == "yes", made
        self.admin("aggregate", "create", "plain")
        self.admin.fails("already exists", "aggregate", "create", "plain")
        listed = self.admin("aggregate", "list", "--long")
        rows = [(row["Name"], row["Availability Zone"], row["Properties"], row["Hosts"]) for row in listed]
        same("the list", rows, [("fast", "east", {"ssd": "yes"}, []), ("plain", None, {}, [])])
        same("shown", self.admin("aggregate", "show", "fast")["id"], made["id"])
        for who in ("admin", "ann"):
            same("zones", self.zones(who), [("east", "not available"), ("zone-1", "available")])
        assert "not available" in self.server("early", "east", expect=(400,))

    def step_hosts(self):
        """aggregate add host: a server goes to the zone's host; what is wrong is told"""
        same("hosts", self.admin("aggregate", "add", "host", "fast", "node-2")["hosts"], ["node-2"])
        self.admin.fails("already has host node-2", "aggregate", "add", "host", "fast", "node-2")
        self.admin.fails("node-9 could not be found", "aggregate", "add", "host", "fast", "node-9")
        same("zones", self.zones("ann"), [("east", "available"), ("zone-1", "available")])
        same("hosts", (self.hosts("east"), self.hosts("zone-1")), (["node-2"], ["node-1", "node-3"]))
        self.first, self.second = self.server("there", "east"), self.server("here", "zone-1")
        same("its host", self.node_of(self.first), "node-2")
        assert self.node_of(self.second) in ("node-1", "node-3")
        same("its zone", self.nova("GET", f"/servers/{self.first}")["server"]["OS-EXT-AZ:availability_zone"], "east")

    def step_in_use(self):
        """a host with servers keeps its zone"""
        used = "contain instances"
        self.admin.fails(used, "aggregate", "remove", "host", "fast", "node-2")
        self.admin.fails(used, "aggregate", "set", "--zone", "west", "fast")
        self.admin("aggregate", "create", "--zone", "west", "other")
        self.admin.fails("already in availability zone", "aggregate", "add", "host", "other", "node-2")
        same("hosts", self.admin("aggregate", "add", "host", "plain", "node-2")["hosts"], ["node-2"])
        self.admin.fails("already in availability zone", "aggregate", "set", "--zone", "west", "plain")
        self.admin.text("aggregate", "set", "--zone", "east", "plain")
        self.admin.fails("1 of 1 aggregates failed to delete", "aggregate", "delete", "plain")
        self.admin("aggregate", "remove", "host", "plain", "node-2")
        self.admin.fails("has no host node-2", "aggregate", "remove", "host", "plain", "node-2")
        self.admin.text("aggregate", "delete", "plain", "other")
        self.delete(self.first, self.second)

    def step_changed(self):
        """aggregate set and unset: name, zone, properties"""
        self.admin.text("aggregate", "set", "--name", "faster", "--zone", "west", "--property", "rack=7", "fast")
        shown = self.admin("aggregate", "show", "faster")
        same("changed", (shown["availability_zone"], shown["properties"]), ("west", {"ssd": "yes", "rack": "7"}))
        same("zones", self.zones(), [("west", "available"), ("zone-1", "available")])
        self.admin.text("aggregate", "unset", "--property", "ssd", "faster")
        same("properties", self.admin("aggregate", "show", "faster")["properties"], {"rack": "7"})
        self.admin("aggregate", "remove", "host", "faster", "node-2")
        same("its own zone", self.hosts("zone-1"), ["node-1", "node-2", "node-3"])
        self.admin.text("aggregate", "delete", "faster")
        same("none is left", (self.admin("aggregate", "list"), self.zones()), ([], [("zone-1", "available")]))

    def step_easystack(self):
        """EasyStack's six operations, and a server of its zone"""
        new = {"aggregate": {"name": "name", "availability_zone": "beijing"}}
        made = self.es("POST", body=new)["aggregate"]
        assert "hosts" not in made and "metadata" not in made and made["uuid"] and made["updated_at"] is None, made
        at = f"/{made['id']}"
        assert "already exists" in self.es("POST", body=new, expect=409)
        assert ("beijing", "not available") in self.zones("ann"), "ordinary users see it"
        rule("easystack.aggregates.create", "1e560729", "56077f24")
        act = lambda action, host, **more: self.es("POST", f"{at}/action", {action: {"host": host}}, **more)
        same("hosts", act("add_host", "node-3")["aggregate"]["hosts"], ["node-3"])
        for body in ({"add_host": {}}, {"add_host": {"host": 1}}, {"shake_host": {"host": "node-3"}}):
            self.es("POST", f"{at}/action", body, expect=400)
        act("add_host", "node-3", expect=409)
        act("add_host", "node-9", expect=404)
        server = self.server("in-beijing", "beijing")
        same("its host", self.node_of(server), "node-3")
        assert "contain instances" in act("remove_host", "node-3", expect=409)
        rule("easystack.aggregates.add_host", "cc6a2eb4")

        [listed] = self.es("GET")["aggregates"]
        same("listed", (listed["id"], listed["name"], listed["availability_zone"]), (made["id"], "name", "beijing"))
        rule("easystack.aggregates.list", "a9795736")
        other = self.es("POST", body={"aggregate": {"name": "other"}})["aggregate"]["id"]
        self.es("POST", f"/{other}/action", {"add_host": {"host": "node-3"}})
        to = lambda **fields: {"aggregate": fields}
        assert "already in" in self.es("PUT", f"/{other}", to(availability_zone="nova2"), expect=400)
        self.es("POST", f"/{other}/action", {"remove_host": {"host": "node-3"}})
        self.delete(server)
        for fields in ({"name": "newname", "availability_zone": "nova2"}, {"name": "again"}, {"availability_zone": "nova3"}):
            changed = self.es("PUT", at, to(**fields))["aggregate"]
            assert fields.items() <= changed.items() and changed["updated_at"], changed
            same("both", changed["metadata"]["availability_zone"], changed["availability_zone"])
        for fields in ({}, {"name": ""}, {"availability_zone": None}, {"availability_zone": "a:b"}, {"color": "red"}):
            self.es("PUT", at, to(**fields), expect=400)
        self.es("PUT", at, to(name="other"), expect=409)
        rule("easystack.aggregates.update", "b8b6b778", "2f684e4e")

        assert "not empty" in self.es("DELETE", at, expect=400)
        same("hosts", act("remove_host", "node-3")["aggregate"]["hosts"], [])
        act("remove_host", "node-3", expect=404)
        rule("easystack.aggregates.remove_host", "13ec861e")
        for one in (at, f"/{other}"):
            assert self.es("DELETE", one) is None
            self.es("DELETE", one, expect=404)
        self.es("DELETE", "/fast", expect=400)
        rule("easystack.aggregates.delete", "a28ec09a", "485afd79")

    def step_foreign(self):
        """only operators see and change aggregates"""
        self.admin("aggregate", "create", "fast")
        for method, path, body, action in (
            ("GET", "", None, "index"), ("POST", "", {"aggregate": {"name": "a"}}, "create"),
            ("PUT", "/9", {"aggregate": {"name": "a"}}, "update"), ("DELETE", "/9", None, "delete"),
            ("POST", "/9/action", {"add_host": {"host": "node-1"}}, "add_host"),
            ("POST", "/9/action", {"remove_host": {"host": "node-1"}}, "remove_host"),
        ):
            message = f"Policy doesn't allow os_compute_api:os-aggregates:{action} to be performed."
            same("the refusal", self.es(method, path, body, who="bob", expect=403), message)
        self.bob.fails("os-aggregates", "aggregate", "list")
        self.admin.text("aggregate", "delete", "fast")


if __name__ == "__main__":
    sys.exit(client.main(Aggregates, (f"s/^# --- the APIs.*/{MORE_NODES}&/",)))
