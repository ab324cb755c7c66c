#!/usr/bin/env python3
"""Everything an administrator does with identities, with the unchanged OpenStack client, and what others may not.

Starts a Skyloom of its own (laptop deployment) and ends it. Prints PASS or FAIL with seconds for each step; the first
FAIL ends it. Exit code 77: the client is missing here.
"""

import sys

from client import Client, main, names, same


class Session:
    def __init__(self, env, _folder):
        self.url, self.password = f"{env['SKYLOOM_URL']}/identity/v3", env["SKYLOOM_ADMIN_PASSWORD"]
        self.admin = self.login(project_name="admin", project_domain_name="Default")
        self.ids = {}

    def login(self, username="admin", password=None, user_domain_name="Default", **scope):
        user = {"user_domain_name": user_domain_name, "username": username} if username else {}
        return Client(
            auth_url=self.url, password=password or self.password, identity_api_version=3, **user, **scope
        )

    # --- tokens and logins ---

    def step_token(self):
        """token issue, scoped to a project by names"""
        token = self.admin("token", "issue")
        assert token["id"] and token["expires"] and token["project_id"] and token["user_id"], token
        self.ids["admin"], self.ids["admin-project"] = token["user_id"], token["project_id"]

    def step_scopes(self):
        """login by ids, scoped to a domain, to the system, unscoped"""
        by_id = self.login(username=None, user_id=self.ids["admin"], project_id=self.ids["admin-project"])
        same("project", by_id("token", "issue")["project_id"], self.ids["admin-project"])
        self.admin.text("role", "add", "--user", "admin", "--domain", "default", "admin")
        same("domain", self.login(domain_name="Default")("token", "issue")["domain_id"], "default")
        same("domain by id", self.login(domain_id="default")("token", "issue")["domain_id"], "default")
        unscoped = self.login()("token", "issue")
        assert not unscoped.get("project_id") and not unscoped.get("domain_id"), unscoped
        system = self.login(system_scope="all")("token", "issue")
        assert not system.get("project_id"), system

    def step_bad_logins(self):
        """logins that are refused say nothing about what exists"""
        refusals = [
            dict(password="wrong", project_name="admin", project_domain_name="Default"),
            dict(username="nobody", project_name="admin", project_domain_name="Default"),
            dict(project_name="none", project_domain_name="Default"),
            dict(user_domain_name="None"),
        ]
        for login in refusals:
            self.login(**login).fails("HTTP 401", "token", "issue")

    def step_token_login(self):
        """login with a token, and its end"""
        token = self.admin("token", "issue")["id"]
        with_token = Client(
            auth_url=self.url, auth_type="v3token", token=token, project_id=self.ids["admin-project"], identity_api_version=3
        )
        renewed = with_token("token", "issue")
        same("project", renewed["project_id"], self.ids["admin-project"])
        self.admin.text("token", "revoke", token)
        with_token.fails("HTTP 401", "token", "issue")
        self.admin.fails("404", "token", "revoke", "no-such-token")

    # --- the catalogue ---

    def step_catalog(self):
        """catalog list and show, service, endpoint and region list"""
        catalog = self.admin("catalog", "list")
        assert {"identity", "compute", "image", "network"} <= set(names(catalog, "Type")), catalog
        shown = self.admin("catalog", "show", "identity")
        assert any(endpoint["url"].startswith(self.url.removesuffix("/v3")) for endpoint in shown["endpoints"]), shown
        services = self.admin("service", "list", "--long")
        assert {"identity", "compute"} <= set(names(services, "Type")), services
        # Under these names clients look services up.
        usual = {"nova", "glance", "neutron", "keystone"}
        assert usual <= set(names(services)) and usual <= set(names(catalog)), (services, catalog)
        self.admin("service", "show", "nova")
        endpoints = self.admin("endpoint", "list", "--service", "image", "--interface", "public")
        same("endpoints", len(endpoints), 1)
        self.admin("endpoint", "show", endpoints[0]["ID"])
        regions = self.admin("region", "list")
        self.admin("region", "show", regions[0]["Region"])

    # --- domains ---

    def step_domains(self):
        """domain create, list, show, set"""
        made = self.admin("domain", "create", "--description", "The works", "works")
        assert made["enabled"] is True and made["description"] == "The works", made
        self.ids["works"] = made["id"]
        same("again", self.admin("domain", "create", "--or-show", "works")["id"], made["id"])
        self.admin.fails("409", "domain", "create", "works")
        assert {"Default", "works"} <= set(names(self.admin("domain", "list"))), "domain list"
        same("by name", names(self.admin("domain", "list", "--name", "works")), ["works"])
        self.admin.text("domain", "set", "--description", "Their works", "--name", "factory", "works")
        shown = self.admin("domain", "show", "factory")
        same("shown", (shown["id"], shown["description"]), (made["id"], "Their works"))
        self.admin.text("domain", "set", "--disable", "factory")
        same("disabled", names(self.admin("domain", "list", "--enabled")), ["Default"])
        self.admin.text("domain", "set", "--enable", "factory")

    # --- projects ---

    def step_projects(self):
        """project create, list, show, set, with properties and tags"""
        made = self.admin(
            "project", "create", "--domain", "factory", "--description", "A hall", "--tag", "hot", "--tag", "loud",
            "hall",
        )
        self.ids["hall"] = made["id"]
        same("made", (made["domain_id"], made["enabled"], sorted(made["tags"])), (self.ids["works"], True, ["hot", "loud"]))
        self.admin.fails("409", "project", "create", "--domain", "factory", "hall")
        same("again", self.admin("project", "create", "--domain", "factory", "--or-show", "hall")["id"], made["id"])
        same("of the domain", names(self.admin("project", "list", "--domain", "factory")), ["hall"])
        same("by tags", names(self.admin("project", "list", "--tags", "hot,loud")), ["hall"])
        same("not by tags", names(self.admin("project", "list", "--domain", "factory", "--not-tags", "hot")), [])
        assert "hall" in names(self.admin("project", "list", "--long", "--sort", "name:desc")), "sorted"
        self.admin.text(
            "project", "set", "--domain", "factory", "--name", "hall 2", "--description", "Another", "--tag", "cold", "hall"
        )
        self.admin.text("project", "set", "--remove-tag", "hot", made["id"])
        shown = self.admin("project", "show", "--domain", "factory", "hall 2")
        same("shown", (shown["id"], shown["description"], sorted(shown["tags"])), (made["id"], "Another", ["cold", "loud"]))
        self.admin.text("project", "set", "--disable", made["id"])
        same("disabled", self.admin("project", "show", made["id"])["enabled"], False)
        self.admin.text("project", "set", "--enable", made["id"])
        domain = self.admin("domain", "show", "factory")["id"]
        same("parents", self.admin("project", "show", "--parents", made["id"])["parents"], {domain: None})
        below = self.admin(
            "project", "create", "--domain", "factory", "--parent", made["id"], "--property", "floor=2", "--property", "lit=",
            "corner",
        )
        same("properties", (below["floor"], below["lit"]), ("2", ""))
        self.admin.text("project", "set", "--property", "floor=3", below["id"])
        shown = self.admin("project", "show", below["id"])
        same("properties", (shown["floor"], shown["lit"]), ("3", ""))
        shown = self.admin("project", "show", "--parents", "--children", below["id"])
        same("nested", (shown["parents"], shown["subtree"]), ({made["id"]: {domain: None}}, None))
        shown = self.admin("project", "show", "--children", made["id"])
        same("children", shown["subtree"], {below["id"]: None})
        self.admin.text("project", "delete", below["id"])
        self.admin.fails("no-such-project", "project", "show", "no-such-project")

    # --- users ---

    def step_users(self):
        """user create, list, show, set"""
        made = self.admin(
            "user", "create", "--domain", "factory", "--project", self.ids["hall"], "--password", "first pass",
            "--email", "ann@example.org", "--description", "A smith", "ann",
        )
        self.ids["ann"] = made["id"]
        same("made", (made["domain_id"], made["enabled"], made["email"]), (self.ids["works"], True, "ann@example.org"))
        assert "password" not in made, made
        self.admin.fails("409", "user", "create", "--domain", "factory", "ann")
        same("again", self.admin("user", "create", "--domain", "factory", "--or-show", "ann")["id"], made["id"])
        same("of the domain", names(self.admin("user", "list", "--domain", "factory")), ["ann"])
        assert {"ann", "admin"} <= set(names(self.admin("user", "list", "--long"))), "user list"
        self.admin.text(
            "user", "set", "--domain", "factory", "--name", "anna", "--email", "a@example.org", "--description", "Chief", "ann"
        )
        shown = self.admin("user", "show", "--domain", "factory", "anna")
        same("shown", (shown["id"], shown["email"], shown["description"]), (made["id"], "a@example.org", "Chief"))
        self.admin.text("user", "set", "--disable", made["id"])
        self.anna("first pass", user_domain_name="factory").fails("HTTP 401", "token", "issue")
        self.admin.text("user", "set", "--enable", made["id"])
        self.admin.fails("No User found", "user", "show", "nobody")

    def anna(self, password, **scope):
        return self.login(username="anna", password=password, **{"user_domain_name": "factory", **scope})

    # --- roles and assignments ---

    def step_roles(self):
        """role create, list, show, set; add and remove on projects, domains, the system"""
        made = self.admin("role", "create", "--description", "May look", "viewer")
        self.admin.fails("409", "role", "create", "viewer")
        same("again", self.admin("role", "create", "--or-show", "viewer")["id"], made["id"])
        self.admin.text("role", "set", "--name", "watcher", "--description", "May watch", "viewer")
        same("shown", self.admin("role", "show", "watcher")["id"], made["id"])
        assert {"admin", "manager", "member", "reader", "service", "watcher"} <= set(names(self.admin("role", "list"))), "role list"
        hall = ("--user", "anna", "--user-domain", "factory", "--project", "hall 2", "--project-domain", "factory")
        for role in ("member", "watcher"):
            self.admin.text("role", "add", *hall, role)
        self.admin.text("role", "add", *hall, "member")  # again is no error
        found = self.admin("role", "assignment", "list", *hall, "--names")
        same("roles", names(found, "Role"), ["member", "watcher"])
        same("names", {(row["User"], row["Project"]) for row in found}, {("anna@factory", "hall 2@factory")})
        by_id = self.admin("role", "assignment", "list", "--user", self.ids["ann"], "--project", self.ids["hall"])
        same("ids", {(row["User"], row["Project"]) for row in by_id}, {(self.ids["ann"], self.ids["hall"])})
        self.admin.text("role", "remove", *hall, "watcher")
        self.admin.text("role", "remove", *hall, "watcher")  # again: the client takes the 404 for done
        domain = ("--user", self.ids["ann"], "--domain", "factory")
        self.admin.text("role", "add", *domain, "watcher")
        same("on the domain", names(self.admin("role", "assignment", "list", *domain, "--names"), "Role"), ["watcher"])
        self.admin.text("role", "remove", *domain, "watcher")
        system = ("--user", self.ids["ann"], "--system", "all")
        self.admin.text("role", "add", *system, "watcher")
        same("on the system", len(self.admin("role", "assignment", "list", *system)), 1)
        self.admin.text("role", "remove", *system, "watcher")
        left = self.admin("role", "assignment", "list", "--user", self.ids["ann"], "--effective", "--names")
        same("left", names(left, "Role"), ["member"])
        of_role = self.admin("role", "assignment", "list", "--role", "member", "--user", self.ids["ann"])
        same("of the role", len(of_role), 1)

    # --- a user of one's own ---

    def step_member(self):
        """a member logs in, sees its own and nobody else's"""
        self.member = self.anna("first pass", project_name="hall 2", project_domain_name="factory")
        token = self.member("token", "issue")
        same("scope", (token["project_id"], token["user_id"]), (self.ids["hall"], self.ids["ann"]))
        same("my projects", names(self.member("project", "list", "--my-projects")), ["hall 2"])
        self.member("catalog", "list")
        self.member("user", "show", self.ids["ann"])
        for words in (
            ("role", "assignment", "list", "--auth-user", "--auth-project"), ("domain", "list"), ("domain", "create", "x"),
            ("project", "create", "x"), ("user", "list"), ("user", "create", "x"), ("role", "create", "x"),
            ("user", "delete", self.ids["admin"]),
        ):
            self.member.fails("403", *words)
        # The client says nothing of a refusal.
        role = self.admin("role", "show", "admin")["id"]
        self.member.text("role", "add", "--user", self.ids["ann"], "--project", self.ids["hall"], role)
        given = self.admin("role", "assignment", "list", "--user", self.ids["ann"], "--project", self.ids["hall"], "--role", role)
        same("the role", given, [])

    def step_password(self):
        """user password set: the old one and its tokens are over"""
        token = self.member("token", "issue")["id"]
        self.member.fails("401", "user", "password", "set", "--original-password", "guess", "--password", "second pass")
        self.member.text("user", "password", "set", "--original-password", "first pass", "--password", "second pass")
        self.member.fails("HTTP 401", "token", "issue")
        old = Client(auth_url=self.url, auth_type="v3token", token=token, project_id=self.ids["hall"], identity_api_version=3)
        old.fails("HTTP 401", "token", "issue")
        self.anna("second pass", project_id=self.ids["hall"])("token", "issue")
        # An administrator needs no old one.
        self.admin.text("user", "set", "--password", "third pass", self.ids["ann"])
        self.anna("third pass", project_id=self.ids["hall"])("token", "issue")

    # --- the end of it ---

    def step_delete(self):
        """delete: what is left, what is refused"""
        self.admin.text("role", "delete", "watcher")
        gone = self.anna("third pass", project_id=self.ids["hall"])
        self.admin.text("project", "delete", self.ids["hall"])
        gone.fails("HTTP 401", "token", "issue")
        same("assignments", self.admin("role", "assignment", "list", "--user", self.ids["ann"]), [])
        self.admin.text("user", "delete", "--domain", "factory", "anna")
        self.anna("third pass").fails("HTTP 401", "token", "issue")
        self.admin.fails("403", "domain", "delete", "factory")  # an enabled one is in use
        self.admin.text("domain", "set", "--disable", "factory")
        self.admin.text("domain", "delete", "factory")
        self.admin.fails("factory", "domain", "show", "factory")
        same("users", [name for name in names(self.admin("user", "list")) if name == "anna"], [])

    def step_unsupported(self):
        """what is not there is refused in words"""
        for words in (("group", "list"), ("application", "credential", "list"), ("trust", "list")):
            self.admin.fails("501", *words)


if __name__ == "__main__":
    sys.exit(main(Session))
