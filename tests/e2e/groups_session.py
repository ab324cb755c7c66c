#!/usr/bin/env python3
"""Server groups on three compute nodes: made through each API, their servers together or apart as the policy says, members that come
and go, and who may do it.

Starts a Skyloom of its own (laptop deployment with two nodes more, simulator) and ends it. Prints PASS or FAIL with seconds for each
step; the first FAIL ends it. What a step has proven, it tells the coverage report.
"""

import sys

import harness
from harness import poll, request, rule

PASSWORD = "Correct-Horse-9"
VERSION = "X-OpenStack-Nova-API-Version"
NODES = {"node-1", "node-2", "node-3"}
NODE = '$a[[node]]\\nname = "{}"\\ndriver = "simulator"\\nzone = "zone-1"\\nplatform-networks = {{ "*" = "simulated" }}'
EDITS = [
    NODE.format("node-2"),
    NODE.format("node-3"),
    '$a[identity.policy.builder]\\nallow = ["ecs:cloudServers:create"]',
    '$a[identity.policy.remover]\\nallow = ["ecs:cloudServers:delete"]',
]
GROUPS = "ecs.server_groups"
POLICIES = ["anti-affinity"]


class Session(harness.Session):
    # --- helpers ---

    def group(self, policy, **rules):
        """A new group's id, through Nova."""
        body = {"server_group": {"name": policy, "policy": policy, **({"rules": rules} if rules else {})}}
        made = self.call("POST", self.nova("/os-server-groups"), body, headers={VERSION: "2.64"}, expect=(200,))
        return made["server_group"]["id"]

    def members(self, group):
        return self.call("GET", self.nova(f"/os-server-groups/{group}"))["server_group"]["members"]

    def begin(self, name, group=None, node=None):
        least = {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}]}
        if node:
            least["availability_zone"] = f"zone-1:{node}"
        hints = {"os:scheduler_hints": {"group": group}} if group else {}
        return self.call("POST", self.nova("/servers"), {"server": least, **hints}, expect=(202,))["server"]["id"]

    def becomes(self, server, *statuses):
        def shown():
            found = self.call("GET", self.nova(f"/servers/{server}"), headers={VERSION: "2.71"})["server"]
            return found["status"] in statuses and found["OS-EXT-STS:task_state"] is None, found

        return poll(60, shown)

    def node(self, server):
        shown = self.becomes(server, "ACTIVE", "SHUTOFF", "ERROR")
        assert shown["status"] != "ERROR", shown
        return shown["OS-EXT-SRV-ATTR:host"]

    def nowhere(self, server, policy):
        """The creation failed for the policy."""
        shown = self.becomes(server, "ACTIVE", "ERROR")
        assert shown["status"] == "ERROR" and f"the {policy} policy" in shown["fault"]["message"], shown

    def clear(self):
        """No server is left."""
        listed = lambda: [server["id"] for server in self.call("GET", self.nova("/servers"))["servers"]]
        for server in listed():
            self.call("DELETE", self.nova(f"/servers/{server}"), expect=(204,))
        poll(60, lambda: (not (left := listed()), left))

    def at(self, path=""):
        return self.v1(f"/cloudservers/os-server-groups{path}")

    def ecs_group(self, token=None):
        body = {"server_group": {"name": "test", "policies": POLICIES}}
        made = self.call("POST", self.at(), body, token=token or self.token, expect=(200,))["server_group"]
        assert (made["policies"], made["members"], made["metadata"]) == (POLICIES, [], {}), made
        return made["id"]

    def act(self, verb, group, server, expect=(200,), token=None):
        url, body = self.at(f"/{group}/action"), {verb: {"instance_uuid": server}}
        answer = self.call("POST", url, body, expect=expect, token=token or self.token)
        return answer and answer["error"]

    # --- the steps, in order ---

    def step_apart(self):
        """servers of one creation are on different hosts, and one too many fails"""
        vendors = f"{self.ecs}/v2.1/{self.project}/os-server-groups"
        wrong = {"server_group": {"name": "x", "policies": ["affinity"]}}
        answer = self.call("POST", vendors, wrong, expect=(400,))
        assert "is not one of ['anti-affinity']" in answer["badRequest"]["message"], answer
        body = {"server_group": {"name": "apart", "policies": POLICIES}}
        group = self.call("POST", vendors, body, expect=(200,))["server_group"]["id"]
        hints = {"os:scheduler_hints": {"group": group}}
        job = self.job(self.call("POST", self.v1("/cloudservers"), self.server("apart", count=3, **hints))["job_id"])
        servers = [sub["entities"]["server_id"] for sub in job["entities"]["sub_jobs"]]
        assert {self.node(server) for server in servers} == NODES, servers
        failed = self.call("POST", self.v1("/cloudservers"), self.server("more", **hints))["job_id"]
        job = self.job(failed, state="FAIL")
        assert job["entities"]["sub_jobs"][0]["error_code"] == "Ecs.0319", job
        shown = self.call("GET", self.at(f"/{group}"))["server_group"]
        assert sorted(shown["members"]) == sorted(servers), shown
        (listed,) = self.call("GET", self.at())["server_groups"]
        assert listed == shown, listed
        assert all(self.becomes(server, "ACTIVE")["server_groups"] == [group] for server in servers)
        es = f"{self.easystack}/v2.1/{self.project}/os-server-groups"
        (seen,) = self.call("GET", es, headers={VERSION: "2.64"})["server_groups"]
        assert (seen["id"], seen["policy"], seen["rules"]) == (group, "anti-affinity", {}), seen
        rule("nova.server_groups.create", "b603741a")
        rule(f"{GROUPS}.create", "1fbe1a2b")
        rule("easystack.server_groups.list", "747f14b9")
        rule("easystack.server_groups.create", "747f14b9")

    def step_goes(self):
        """a deleted server leaves its group, and a deleted group leaves its servers"""
        (group,) = (one["id"] for one in self.call("GET", self.at())["server_groups"])
        first, *others = self.members(group)
        self.call("DELETE", self.nova(f"/servers/{first}"), expect=(204,))
        poll(60, lambda: (sorted(left := self.members(group)) == sorted(others), left))
        self.call("DELETE", self.at(f"/{group}"), expect=(204,))
        assert all(self.becomes(server, "ACTIVE")["server_groups"] == [] for server in others)
        answer = self.call("GET", self.at(f"/{group}"), expect=(400,))
        assert answer["error"]["code"] == "Ecs.0313", answer
        self.clear()

    def step_policies(self):
        """together or nowhere, so many on a host, and soft policies that give way"""
        group = self.group("affinity")
        one = self.begin("together", group, "node-2")
        assert {self.node(one), self.node(self.begin("together", group))} == {"node-2"}
        self.nowhere(self.begin("elsewhere", group, "node-1"), "affinity")
        self.clear()
        group = self.group("anti-affinity", max_server_per_host=2)
        servers = [self.begin("two", group, "node-3") for _ in range(2)]
        assert [self.node(server) for server in servers] == ["node-3"] * 2
        self.nowhere(self.begin("third", group, "node-3"), "anti-affinity")
        self.clear()
        es = f"{self.easystack}/v2.1/{self.project}/os-server-groups"
        for policy, others in (("soft-affinity", 0), ("soft-anti-affinity", 2)):
            body = {"server_group": {"name": policy, "policies": [policy]}}
            group = self.call("POST", es, body, headers={VERSION: "2.15"}, expect=(200,))["server_group"]["id"]
            nodes = [self.node(self.begin(policy, group)) for _ in range(4)]
            assert len(set(nodes)) == 1 + others, (policy, nodes)
            self.clear()
            self.call("DELETE", f"{es}/{group}", headers={VERSION: "2.15"}, expect=(204,))
        rule("easystack.server_groups.create", "8c6caebc")

    def step_members(self):
        """a stopped server joins: the others keep off its host until it leaves"""
        group, late = self.ecs_group(), self.begin("late", node="node-1")
        assert self.node(late) == "node-1"
        assert self.act("add_member", group, late, expect=(400,))["code"] == "Ecs.0100"
        self.call("POST", self.nova(f"/servers/{late}/action"), {"os-stop": None}, expect=(202,))
        self.becomes(late, "SHUTOFF")
        assert self.act("add_member", group, late) is None and self.members(group) == [late]
        nodes = {self.node(self.begin("beside", group)) for _ in range(2)}
        assert nodes == NODES - {"node-1"}, nodes
        self.nowhere(self.begin("more", group), "anti-affinity")
        assert self.act("remove_member", group, late) is None and late not in self.members(group)
        assert self.act("remove_member", group, late, expect=(400,))["code"] == "Ecs.0005"
        assert self.node(self.begin("now", group)) == "node-1"
        assert self.act("add_member", group, self.project, expect=(404,))["code"] == "Ecs.0114"
        rule(f"{GROUPS}.add_member", "0f5dcd5e", "1ff59086")
        rule(f"{GROUPS}.remove_member", "000a0bef")
        self.clear()

    def step_permissions(self):
        """making and removing are permissions of their own, for groups and for members"""
        v3 = f"{self.cloud}/identity/v3"
        roles = {role["name"]: role["id"] for role in self.call("GET", f"{v3}/roles")["roles"]}
        for name in ("builder", "remover"):
            roles[name] = self.call("POST", f"{v3}/roles", {"role": {"name": name}})["role"]["id"]
        tokens = {}
        for name in ("reader", "builder", "remover"):
            user = {"name": f"{name}-of-groups", "password": PASSWORD, "domain_id": "default"}
            user_id = self.call("POST", f"{v3}/users", {"user": user})["user"]["id"]
            for role in {"reader", name}:
                self.call("PUT", f"{v3}/projects/{self.project}/users/{user_id}/roles/{roles[role]}", expect=(204,))
            tokens[name] = self.login(user["name"], PASSWORD, {"id": self.project})[0]
        group, server = self.ecs_group(), self.begin("member")
        self.becomes(server, "ACTIVE")
        self.call("POST", self.nova(f"/servers/{server}/action"), {"os-stop": None}, expect=(202,))
        self.becomes(server, "SHUTOFF")
        body = {"server_group": {"name": "test", "policies": POLICIES}}
        asks = {
            "create": [("POST", self.at(), body), ("POST", self.at(f"/{group}/action"), {"add_member": {"instance_uuid": server}})],
            "delete": [
                ("POST", self.at(f"/{group}/action"), {"remove_member": {"instance_uuid": server}}),
                ("DELETE", self.at(f"/{group}"), None),
            ],
        }

        def refused(who, verb):
            for method, url, sent in asks[verb]:
                answer, _ = request(method, url, tokens[who], sent, expect=(403,))
                message = f"Policy doesn't allow ecs:cloudServers:{verb} to be performed."
                assert answer["error"] == {"code": "Pdp.0001", "message": message}, answer

        for who in ("reader", "remover"):
            refused(who, "create")
        for who in ("reader", "builder"):
            refused(who, "delete")
        for who, verb in (("builder", "create"), ("remover", "delete")):
            for method, url, sent in asks[verb]:
                request(method, url, tokens[who], sent, expect=(200, 204))
        rule(f"{GROUPS}.create", "11aeb367")
        rule(f"{GROUPS}.delete", "11aeb367")
        rule(f"{GROUPS}.add_member", "82492f05")
        rule(f"{GROUPS}.remove_member", "149a22a7")

    def step_foreign(self):
        """another project sees no group of this one"""
        v3 = f"{self.cloud}/identity/v3"
        make = lambda kind, **fields: self.call("POST", f"{v3}/{kind}s", {kind: fields})[kind]["id"]
        project = make("project", name="strangers", domain_id="default")
        user = make("user", name="stranger", password=PASSWORD, domain_id="default")
        member = self.call("GET", f"{v3}/roles?name=member")["roles"][0]["id"]
        self.call("PUT", f"{v3}/projects/{project}/users/{user}/roles/{member}", expect=(204,))
        token, _ = self.login("stranger", PASSWORD, {"id": project})
        group = self.ecs_group()
        assert self.call("GET", self.nova("/os-server-groups"), token=token) == {"server_groups": []}
        for method in ("GET", "DELETE"):
            self.call(method, self.nova(f"/os-server-groups/{group}"), token=token, expect=(404,))
            foreign = f"{self.ecs}/v1/{project}/cloudservers/os-server-groups/{group}"
            answer = self.call(method, foreign, token=token, expect=(400,))
            assert answer["error"]["code"] == "Ecs.0313", answer
        # Who is no administrator is overlooked by Nova and refused by EasyStack.
        everything = "/os-server-groups?all_projects=True"
        assert self.call("GET", self.nova(everything), token=token) == {"server_groups": []}
        answer = self.call("GET", f"{self.easystack}/v2.1/{project}{everything}", token=token, expect=(403,))
        assert answer["error"]["code"] == 403, answer
        for url in (self.nova(everything), f"{self.easystack}/v2.1/{self.project}{everything}"):
            assert group in [one["id"] for one in self.call("GET", url)["server_groups"]]


if __name__ == "__main__":
    sys.exit(harness.main(Session, EDITS))
