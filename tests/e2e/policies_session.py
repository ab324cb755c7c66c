#!/usr/bin/env python3
"""Policies of roles, written once in the deployment: what they deny is refused by every API in its vendor's words, however the
action was spelled, and what they allow goes through every API.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the
first FAIL ends it.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
import uuid

import harness
from harness import ROOT, SKYLOOM, poll, request, rule

sys.path.insert(0, str(ROOT / "tests/coverage"))
from index import rule_hash

COMPUTE = tomllib.loads((ROOT / "plugins/personalities/compute-v2/plugin.toml").read_text(encoding="utf-8"))
MEANT = COMPUTE["api"]["rules"]
# By action that operations of that plugin depend on: the role that lacks it, as the vendor's name of it says.
LACKS = {action: ("without-" + action.replace(":", "-"), name) for name, action in MEANT.items()}
PASSWORD = "Correct-Horse-9"
# The same denial in the words of the core and of two vendors, and roles that the default table doesn't know.
POLICIES = {
    "member": 'deny = ["servers:delete"]',
    "tied": 'deny = ["ecs:cloudServers:delete"]',
    "bound": 'deny = ["os_compute_api:servers:delete"]',
    "auditor": 'allow = ["*:read"]',
    "stopper": 'allow = ["servers:stop"]',
    "vendor-stopper": 'allow = ["os_compute_api:servers:stop"]',
    "caged": 'allow = ["*"]\\ndeny = ["servers:st*"]',
    **{role: f'deny = ["{name}"]' for role, name in LACKS.values()},
}
EDITS = ["$a" + "\\n".join(f"[identity.policy.{role}]\\n{words}" for role, words in POLICIES.items())]
# Who may not delete: the roles that each user has in the project.
HELD = {
    "ann": ["member"], "mia": ["member", "manager"], "ada": ["member", "admin"], "tess": ["manager", "tied"],
    "bea": ["manager", "bound"],
}
OTHERS = {
    "boss": ["manager"], "audrey": ["auditor"], "stan": ["stopper"], "vera": ["vendor-stopper"], "cain": ["caged"],
    "nobody": ["blank"], **{role: ["manager", role] for role, _ in LACKS.values()},
}


class Session(harness.Session):
    def __init__(self, env, folder):
        super().__init__(env, folder)
        self.config, self.tokens = folder / "skyloom.toml", {}

    # --- helpers ---

    def es(self, path):
        return f"{self.easystack}/v2.1/{self.project}{path}"

    def becomes(self, server, status):
        """Until the server has this status and nothing is being done to it; an administrator looks."""
        def shown():
            found = self.call("GET", self.nova(f"/servers/{server}"))["server"]
            return found["status"] == status and found["OS-EXT-STS:task_state"] is None, found

        return poll(60, shown)

    def create(self, name):
        least = {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}]}
        server = self.call("POST", self.nova("/servers"), {"server": least})["server"]["id"]
        self.becomes(server, "ACTIVE")
        return server

    def faces(self, server, verb):
        """How each API is asked for it: face -> (method, URL, body, statuses of success)."""
        at, batch = f"/servers/{server}", {"servers": [{"id": server}]}
        if verb == "delete":
            return {
                "Nova": ("DELETE", self.nova(at), None, (204,)),
                "ECS": ("POST", self.v1("/cloudservers/delete"), batch, (200,)),
                "EasyStack": ("POST", self.es(f"{at}/action"), {"forceDelete": None}, (202,)),
            }
        action = {"start": {"os-start": None}, "stop": {"os-stop": None}, "reboot": {"reboot": {"type": "HARD"}}}[verb]
        (key,) = action
        many = {key: {**batch, **({"type": "HARD"} if verb != "start" else {})}}
        return {
            "Nova": ("POST", self.nova(f"{at}/action"), action, (202,)),
            "ECS": ("POST", self.v1("/cloudservers/action"), many, (200,)),
            "EasyStack": ("POST", self.es(f"{at}/action"), action, (202,)),
        }

    def refused_everywhere(self, who, server, verb):
        for face, (method, url, body, _) in self.faces(server, verb).items():
            self.refused(face, who, method, url, body, verb)

    def refused(self, face, who, method, url, body=None, verb=""):
        """403 in the vendor's envelope and words, which name the vendor's permission: its end is the verb."""
        answer, _ = request(method, url, self.tokens[who], body, expect=(403,))
        error = answer["forbidden" if face == "Nova" else "error"]
        code = "Pdp.0001" if face == "ECS" else 403
        members = {"code", "message", *(["title"] if face == "EasyStack" else [])}
        assert len(answer) == 1 and set(error) == members and error["code"] == code, (who, answer)
        assert error.get("title", "Forbidden") == "Forbidden", (who, answer)
        action = "ecs:cloudServers:" if face == "ECS" else "os_compute_api:servers:"
        action = f"{action}{verb}" if verb else r"ecs:\w+:\w+"
        # EasyStack's deletion is what Nova calls that of a deferred one.
        action = "os_compute_api:os-deferred-delete:force" if (face, verb) == ("EasyStack", "delete") else action
        assert re.fullmatch(f"Policy doesn't allow {action} to be performed.", error["message"]), (who, error)

    def act(self, who, server, verb, face, becomes=None):
        method, url, body, success = self.faces(server, verb)[face]
        answer = self.call(method, url, body, token=self.tokens[who], expect=success)
        if face == "ECS":
            self.job(answer["job_id"])
        else:
            assert answer is None, answer
        if becomes:
            self.becomes(server, becomes)

    def gone(self, server):
        shown = lambda: self.call("GET", self.nova(f"/servers/{server}"), expect=(200, 404))
        poll(60, lambda: ("itemNotFound" in (left := shown()), left))

    # --- the steps, in order ---

    def step_people(self):
        """users with roles that the deployment's policies name"""
        v3 = f"{self.cloud}/identity/v3"
        self.roles = roles = {role["name"]: role["id"] for role in self.call("GET", f"{v3}/roles")["roles"]}
        for who, names in {**HELD, **OTHERS}.items():
            user = {"name": who, "password": PASSWORD, "domain_id": "default"}
            user = self.call("POST", f"{v3}/users", {"user": user})["user"]["id"]
            for name in names:
                if name not in roles:
                    roles[name] = self.call("POST", f"{v3}/roles", {"role": {"name": name}})["role"]["id"]
                self.call("PUT", f"{v3}/projects/{self.project}/users/{user}/roles/{roles[name]}", expect=(204,))
            self.tokens[who], _ = self.login(who, PASSWORD, {"id": self.project})
        self.tokens["admin"] = self.token
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        public = [{"op": "replace", "path": "/visibility", "value": "public"}]
        self.call("PATCH", f"{self.cloud}/image/v2/images/{self.image}", public, headers=patch, expect=(200,))
        self.server_id = self.create("held")

    def step_member_denied(self):
        """a member's deletion is refused by every API, each in its vendor's words"""
        self.refused_everywhere("ann", self.server_id, "delete")

    def step_deny_wins(self):
        """a denial wins over every other role, an administrator's too"""
        for who in ("mia", "ada"):
            self.refused_everywhere(who, self.server_id, "delete")

    def step_vendors_spelling(self):
        """a denial in a vendor's own name of the action is the same denial"""
        for who in ("tess", "bea"):
            self.refused_everywhere(who, self.server_id, "delete")

    def step_lives_on(self):
        """the server lives on, and who may not delete it sees, stops and starts it"""
        for who in HELD:
            token = self.tokens[who]
            shown = self.call("GET", self.nova(f"/servers/{self.server_id}"), token=token)["server"]
            assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None), (who, shown)
            for url in (self.nova("/servers"), self.es("/servers")):
                listed = self.call("GET", url, token=token)["servers"]
                assert [one["id"] for one in listed] == [self.server_id], (who, listed)
        for face in ("Nova", "ECS", "EasyStack"):
            self.act("ann", self.server_id, "stop", face, "SHUTOFF")
            self.act("ann", self.server_id, "start", face, "ACTIVE")
        self.act("tess", self.server_id, "stop", "ECS", "SHUTOFF")
        self.act("tess", self.server_id, "start", "Nova", "ACTIVE")

    def step_others_delete(self):
        """an administrator and a manager without those roles delete through every API"""
        for who, face in (("admin", "Nova"), ("boss", "ECS"), ("admin", "EasyStack"), ("boss", "EasyStack")):
            server = self.create(f"{who}-{face}")
            self.act(who, server, "delete", face)
            self.gone(server)
        rule("easystack.servers.force_delete", "af5b755a")

    def step_auditor(self):
        """a role that may read reads through every API and changes nothing"""
        token, at = self.tokens["audrey"], f"/servers/{self.server_id}"
        images, networks = f"{self.cloud}/image/v2/images", self.neutron("/networks")
        for url in (
            self.nova("/servers"), self.nova(at), self.nova("/flavors"), self.es("/servers"), self.es(at), images,
            networks, self.neutron("/ports"), self.neutron("/security-groups"), self.v1("/cloudservers/flavors"),
            self.v1("/cloudservers/limits"),
        ):
            self.call("GET", url, token=token, expect=(200,))
        for verb in ("start", "stop", "reboot", "delete"):
            self.refused_everywhere("audrey", self.server_id, verb)
        server = {"name": "x", "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}]}
        self.refused("Nova", "audrey", "POST", self.nova("/servers"), {"server": server}, "create")
        self.refused("EasyStack", "audrey", "POST", self.es("/servers"), {"server": server}, "create")
        self.refused("ECS", "audrey", "POST", self.v1("/cloudservers"), self.server("x"), "create")
        answer = self.call("POST", networks, {"network": {"name": "x"}}, token=token, expect=(403,))
        assert answer["NeutronError"]["type"] == "PolicyNotAuthorized", answer
        body = {"name": "x", "disk_format": "raw", "container_format": "bare"}
        request("POST", images, token, body, headers={"Accept": "application/json"}, expect=(403,))

    def step_stopper(self):
        """a role that may only stop servers stops them through every API, by either spelling, and sees none"""
        at = f"/servers/{self.server_id}"
        for who in ("stan", "vera"):
            for face in ("Nova", "ECS", "EasyStack"):
                method, url, body, success = self.faces(self.server_id, "stop")[face]
                self.call(method, url, body, token=self.tokens[who], expect=success)
                self.becomes(self.server_id, "SHUTOFF")
                self.act("admin", self.server_id, "start", face, "ACTIVE")
            for face, url in (("Nova", self.nova(at)), ("EasyStack", self.es(at))):
                self.refused(face, who, "GET", url, verb="show")
            self.refused("Nova", who, "GET", self.nova("/servers"), verb="index")
            self.refused("ECS", who, "GET", self.v1("/cloudservers/flavors"))
            for verb in ("start", "reboot", "delete"):
                self.refused_everywhere(who, self.server_id, verb)

    def step_wildcards(self):
        """patterns allow and deny by their wildcards; a role without a policy that the table doesn't know has nothing"""
        self.call("GET", self.nova(f"/servers/{self.server_id}"), token=self.tokens["cain"])
        self.act("cain", self.server_id, "reboot", "Nova", "ACTIVE")
        for verb in ("start", "stop"):
            self.refused_everywhere("cain", self.server_id, verb)
        for verb in ("start", "stop", "reboot", "delete"):
            self.refused_everywhere("nobody", self.server_id, verb)
        self.refused("Nova", "nobody", "GET", self.nova(f"/servers/{self.server_id}"), verb="show")
        self.act("cain", self.server_id, "delete", "ECS")
        self.gone(self.server_id)

    def ask(self, operation, who, base):
        """Status and text of the operation's answer, asked about something that isn't there."""
        path = next(path for path in operation["paths"] if path.startswith("/v2.1/{project_id}/"))
        path = re.sub(r"{(\w+)}", lambda named: self.project if named[1] == "project_id" else str(uuid.uuid4()), path)
        body = {operation["body-key"]: None} if "body-key" in operation else {}
        body = body if operation["method"] in ("POST", "PUT") else None
        version = {"OpenStack-API-Version": f"compute {operation.get('min-version', '2.1')}"}
        answer, _ = request(
            operation["method"], f"{base}{path}", self.tokens[who], body, headers=version, expect=set(range(200, 500)) - {429}
        )
        return json.dumps(answer)

    def step_dependent_actions(self):
        """where the mount says so an operation needs what the vendor's document names beside its own permission"""
        catalog = json.loads((ROOT / "tests/coverage/catalog.json").read_text(encoding="utf-8"))
        for operation in (one for one in COMPUTE["operation"] if "requires" in one):
            told = {operation["action"]: operation["rule"]}
            for name in operation["requires"]:
                told.setdefault(MEANT[name], name)
            for action, name in told.items():
                refused = f"Policy doesn't allow {name} to be performed."
                if action in LACKS:
                    who = LACKS[action][0]
                    assert refused in self.ask(operation, who, self.ecs), (operation["id"], action)
                    if action != operation["action"]:
                        assert refused not in self.ask(operation, who, f"{self.cloud}/compute"), (operation["id"], action)
                assert refused not in self.ask(operation, "boss", self.ecs), (operation["id"], action)
            text = rule_hash(f"Fine-grained authorization additionally requires: {', '.join(operation['requires'])}.")
            proven = [name for name in operation["catalog"] if text in catalog[name]]
            assert proven, f"{operation['id']}: the document says otherwise"
            for name in proven:
                rule(name, text)

    def step_department(self):
        """a denial holds for who manages a department, in all of its projects; its other managers delete"""
        v3, home = f"{self.cloud}/identity/v3", self.project
        make = lambda kind, **fields: self.call("POST", f"{v3}/{kind}s", {kind: fields}, expect=(201,))[kind]["id"]
        domain = make("domain", name="works")
        self.project = make("project", name="hall", domain_id=domain)
        for who, roles in (("chief", ["manager"]), ("held", ["manager", "tied"])):
            user = make("user", name=who, password=PASSWORD, domain_id=domain)
            for role in roles:
                self.call("PUT", f"{v3}/domains/{domain}/users/{user}/roles/{self.roles[role]}", expect=(204,))
            login = {"methods": ["password"], "password": {"user": {"id": user, "password": PASSWORD}}}
            body = {"auth": {"identity": login, "scope": {"domain": {"id": domain}}}}
            self.tokens[who] = request("POST", f"{v3}/auth/tokens", body=body, expect=(201,))[1]["X-Subject-Token"]
        networks = {"network": {"name": "hall", "project_id": self.project}}
        network = self.call("POST", self.neutron("/networks"), networks, token=self.tokens["held"])["network"]["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": "192.168.7.0/24", "project_id": self.project}
        self.call("POST", self.neutron("/subnets"), {"subnet": subnet}, token=self.tokens["held"])
        server = {"name": "x", "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": network}]}
        made = self.call("POST", self.es("/servers"), {"server": server}, token=self.tokens["held"])["server"]["id"]
        self.becomes(made, "ACTIVE")
        self.refused_everywhere("held", made, "delete")
        # The vendor's clients may name the project beside the path.
        everywhere = f"{self.easystack}/v2.1/servers"
        for project, expected in ((self.project, (200,)), (home, (400,))):
            headers = {"X-Project-Id": project}
            seen = self.call("GET", everywhere, token=self.tokens["held"], headers=headers, expect=expected)
            assert expected == (400,) or [one["id"] for one in seen["servers"]] == [made], seen
        self.act("held", made, "stop", "Nova", "SHUTOFF")
        self.act("chief", made, "delete", "Nova")
        self.gone(made)
        self.project = home

    def step_malformed(self):
        """a policy with an unknown word is refused before anything starts; word and role are named"""
        whole, state = self.config.read_text(encoding="utf-8"), self.config.parent / "checked"
        copy = self.config.with_name("malformed.toml")

        def check(policy):
            copy.write_text(f"{whole}\n{policy}\n", encoding="utf-8")
            command = [SKYLOOM, "check", "--config", copy, "--state-dir", state]
            return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)

        sound = check('[identity.policy.night-watch]\nallow = ["servers:st*", "ecs:cloudServers:delete"]')
        assert sound.returncode == 0, sound
        for key, word in (("deny", "servers:fly"), ("allow", "servers:fly"), ("deny", "ecs:cloudServers:fly")):
            refused = check(f'[identity.policy.night-watch]\n{key} = ["servers:read", "{word}"]')
            assert refused.returncode == 2, (word, refused)
            assert word in refused.stderr and "night-watch" in refused.stderr, (word, refused.stderr)
        for policy in ("allow = 7", 'forbid = ["servers:read"]'):
            refused = check(f"[identity.policy.night-watch]\n{policy}")
            assert refused.returncode == 2 and policy.split()[0] in refused.stderr, (policy, refused)


if __name__ == "__main__":
    sys.exit(harness.main(Session, EDITS))
