#!/usr/bin/env python3
"""What use costs in the projects that a user has joined: asked for by a token of one of them, and of no other project.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the
first FAIL ends it.
"""

import sys
import urllib.parse

import harness
from harness import poll, request

PASSWORD = "Correct-Horse-9"
NOWHERE = "0" * 32
# user -> project -> role. Carl only makes what is used.
GRANTS = {
    "ann": {"works": "member", "yard": "reader"},
    "bob": {"harbour": "member"},
    "carl": {"works": "member", "yard": "member", "harbour": "member", "empty": "member"},
}


class Session(harness.Session):
    # --- helpers ---

    def v3(self, path):
        return f"{self.cloud}/identity/v3{path}"

    def grant(self, method, user, project, role):
        where = f"/projects/{self.projects[project]}/users/{self.users[user]}/roles/{self.roles[role]}"
        self.call(method, self.v3(where), expect=(204,))

    def token_of(self, user, project):
        return self.login(user, PASSWORD, {"id": self.projects[project]})[0]

    def ask(self, token, expect=200, **query):
        url = f"{self.cloud}/billing/v1/consumption-records?{urllib.parse.urlencode(query)}"
        return request("GET", url, token, expect=(expect,))[0]

    def payers(self, token, **query):
        """Names of the projects whose use is answered."""
        records = self.ask(token, **query)["consumption"]["records"]
        names = {project: name for name, project in self.projects.items()}
        return {names.get(record["project_id"], record["project_id"]) for record in records}

    def refused(self, token, **query):
        answer = self.ask(token, expect=403, **query)
        error = answer["error"]
        assert list(answer) == ["error"] and (error["code"], error["title"]) == (403, "Forbidden"), answer
        return error["message"]

    # --- the steps, in order ---

    def step_people(self):
        """users, and the projects that each has joined"""
        self.roles = {role["name"]: role["id"] for role in self.call("GET", self.v3("/roles"))["roles"]}

        def make(kind, **fields):
            return self.call("POST", self.v3(f"/{kind}s"), {kind: {**fields, "domain_id": "default"}})[kind]["id"]

        self.projects = {name: make("project", name=name) for name in GRANTS["carl"]}
        self.users = {name: make("user", name=name, password=PASSWORD) for name in GRANTS}
        for user, grants in GRANTS.items():
            for project, role in grants.items():
                self.grant("PUT", user, project, role)
        self.ann = self.token_of("ann", "works")

    def step_use(self):
        """a server in each project but one, and its use"""
        patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        public = [{"op": "replace", "path": "/visibility", "value": "public"}]
        self.call("PATCH", f"{self.cloud}/image/v2/images/{self.image}", public, headers=patch, expect=(200,))
        for project in ("works", "yard", "harbour"):
            token = self.token_of("carl", project)
            least = {"name": project, "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}]}
            self.call("POST", self.nova("/servers"), {"server": least}, token=token)
            poll(60, lambda: ((payers := self.payers(token)) == {project}, payers))

    def step_own(self):
        """without a project, and with one's own, the token's project and nothing else"""
        assert self.payers(self.ann) == {"works"}
        assert self.payers(self.ann, project_id=self.projects["works"]) == {"works"}
        assert self.payers(self.ann, all_projects="false") == {"works"}

    def step_joined(self):
        """another project that the user has joined, though the token is not of it, by either token"""
        assert self.payers(self.ann, project_id=self.projects["yard"]) == {"yard"}
        reader = self.token_of("ann", "yard")
        assert self.payers(reader, project_id=self.projects["works"]) == {"works"}
        carl = self.token_of("carl", "empty")
        assert self.payers(carl) == set()
        assert self.payers(carl, project_id=self.projects["harbour"]) == {"harbour"}

    def step_strangers(self):
        """a project that the user has not joined is refused like one that isn't there"""
        words = self.refused(self.ann, project_id=self.projects["harbour"])
        assert words == self.refused(self.ann, project_id=NOWHERE) == self.refused(self.ann, project_id=self.projects["empty"])
        bob = self.token_of("bob", "harbour")
        assert words == self.refused(bob, project_id=self.projects["works"])
        # A name is no id.
        assert words == self.refused(self.ann, project_id="yard")

    def step_together(self):
        """all projects are those that the caller has joined, together, and an operator's are everybody's"""
        together = lambda token, **more: self.payers(token, all_projects="true", **more)
        assert together(self.ann) == together(self.token_of("ann", "yard")) == {"works", "yard"}
        assert together(self.token_of("bob", "harbour")) == {"harbour"}
        assert together(self.token_of("carl", "empty")) == {"works", "yard", "harbour"}
        assert together(self.ann, project_id=self.projects["yard"]) == {"yard"}
        assert {"works", "yard", "harbour"} <= together(self.token)
        server = self.ask(self.token, project_id=self.projects["harbour"])["consumption"]["records"][0]["resource_id"]
        assert together(self.ann, resource_id=server) == set()
        self.refused(self.ann, all_projects="true", project_id=self.projects["harbour"])

    def step_other_faces(self):
        """only what use costs is read beyond the token's project"""
        project = self.projects["yard"]
        listed = lambda query: self.call("GET", self.nova(f"/servers{query}"), token=self.ann)["servers"]
        assert [one["name"] for one in listed("")] == ["works"]
        request("GET", self.nova("/servers?all_tenants=1"), self.ann, expect=(403,))
        request("GET", f"{self.ecs}/v1/{project}/cloudservers/limits", self.ann, expect=(400,))
        request("GET", f"{self.easystack}/v2.1/{project}/servers", self.ann, expect=(400,))

    def step_left(self):
        """a project that the user has left is refused, and gone from all of them"""
        self.grant("DELETE", "ann", "yard", "reader")
        # The token's own project is as it was; a role that is gone may take a second to be known.
        poll(5, lambda: ((payers := self.payers(self.ann, all_projects="true")) == {"works"}, payers))
        self.refused(self.ann, project_id=self.projects["yard"])


if __name__ == "__main__":
    sys.exit(harness.main(Session))
