"""Tags of servers as ECS v1 has them: steps of `ecs_rules_session.py`."""

from harness import poll, rule

A_MINUTE = 60


class Tags:
    def tagged(self, *tags):
        """Ids of new servers with these tags of Nova's."""
        servers, minor = [], {"X-OpenStack-Nova-API-Version": "2.52"}
        for texts in tags:
            body = {"name": f"tagged-{len(servers)}", "imageRef": self.image, "flavorRef": self.flavor, "tags": texts}
            body["networks"] = [{"uuid": self.network}]
            made = self.call("POST", self.nova("/servers"), {"server": body}, headers=minor)["server"]["id"]
            poll(A_MINUTE, lambda: ((status := self.status(made)) == "ACTIVE", status))
            servers.append(made)
        return servers

    def tags(self, server):
        return {tag["key"]: tag["value"] for tag in self.call("GET", self.v1(f"/servers/{server}/tags"))["tags"]}

    def change_tags(self, server, action, *tags, expect=(204,)):
        """Each tag is a key, or key and value."""
        tags = [{"key": tag} if isinstance(tag, str) else dict(zip(("key", "value"), tag)) for tag in tags]
        url = self.v1(f"/servers/{server}/tags/action")
        answer = self.call("POST", url, {"action": action, "tags": tags}, expect=expect)
        return answer and answer["error"]["code"]

    def by_tag(self, action="filter", **more):
        return self.call("POST", self.v1("/servers/resource_instances/action"), {"action": action, **more})

    def step_tags(self):
        """tags of servers are keys with values, gathered by key over the project and no further"""
        servers = self.tagged(["role=web", "stage=test", "bare"], ["role=db", "stage=test"])
        of_server = self.call("GET", self.v1(f"/servers/{servers[0]}/tags"))["tags"]
        assert {tag["key"]: tag["value"] for tag in of_server} == {"role": "web", "stage": "test", "bare": ""}, of_server
        answer = self.call("GET", self.v1(f"/servers/{self.network}/tags"), expect=(404,))
        assert answer["error"]["code"] == "Ecs.0114", answer
        role, stage = {"key": "role", "values": ["db", "web"]}, {"key": "stage", "values": ["test"]}
        of_project = self.call("GET", self.v1("/servers/tags"))["tags"]
        assert of_project == [{"key": "bare", "values": [""]}, role, stage], of_project

        v3 = f"{self.cloud}/identity/v3"
        other = self.call("POST", f"{v3}/projects", {"project": {"name": "other", "domain_id": "default"}})["project"]["id"]
        users = {user["name"]: user["id"] for user in self.call("GET", f"{v3}/users")["users"]}
        roles = {role["name"]: role["id"] for role in self.call("GET", f"{v3}/roles")["roles"]}
        self.call("PUT", f"{v3}/projects/{other}/users/{users['admin']}/roles/{roles['member']}", expect=(204,))
        token, _ = self.login("admin", self.password, {"id": other})
        assert self.call("GET", f"{self.ecs}/v1/{other}/servers/tags", token=token) == {"tags": []}
        self.call("GET", f"{self.ecs}/v1/{other}/servers/{servers[0]}/tags", token=token, expect=(404,))
        self.delete(servers, delete_volume=True)
        rule("ecs.server_tags.list", "2313ee74")
        rule("ecs.project_tags.list", "e5c0f63c", "54ee9790")

    def step_tag_changes(self):
        """tags are added and deleted, several at once; a key has one value, and a server ten tags"""
        (server,) = self.tagged(["bare", "role=db", "role=web"])
        add = lambda *tags, **more: self.change_tags(server, "create", *tags, **more)
        drop = lambda *tags, **more: self.change_tags(server, "delete", *tags, **more)
        assert add(("role", "app"), ("云", "1.5"), ("note", "")) is None
        assert add(("role", "app"), ("bare", "")) is None
        assert self.tags(server) == {"bare": "", "role": "app", "云": "1.5", "note": ""}, self.tags(server)
        texts = self.call("GET", self.nova(f"/servers/{server}/tags"), headers={"X-OpenStack-Nova-API-Version": "2.26"})
        assert sorted(texts["tags"]) == ["bare", "note", "role=app", "云=1.5"], texts
        assert add(*((f"k{at}", "v") for at in range(6))) is None
        full = self.tags(server)
        refused = {
            "Ecs.0905": [[("more", "1")], [(f"m{at}", "v") for at in range(11)]],
            "Ecs.0906": [[("", "v")], [("k" * 37, "v")], [("k", "v" * 44)]],
            "Ecs.0907": [[("a.b", "v")], [("k", "a/b")]],
            "Ecs.0908": [[("k0", "1"), ("k0", "2")]],
            "Ecs.0005": [["k0"], []],
        }
        for code, bodies in refused.items():
            assert [add(*tags, expect=(400,)) for tags in bodies] == [code] * len(bodies), code
        for action, code in [("Create", "Ecs.0005"), ("DELETE", "Ecs.0005")]:
            assert self.change_tags(server, action, ("k0", "v"), expect=(400,)) == code
        assert self.change_tags(self.network, "create", ("a", "b"), expect=(404,)) == "Ecs.0114"
        assert add(("k0", "v"), ("k1", "other")) is None, "of a full server"
        assert self.tags(server) == {**full, "k1": "other"} and len(full) == 10
        for operation, hashes in [
            ("create", ("81ae7fef", "b1135fd6", "4054ed33", "90f92672", "3121cb38", "6799f969")),
            ("delete", ("6799f969",)),
        ]:
            rule(f"ecs.server_tags.batch_{operation}", *hashes)

        assert drop("none", ("role", "web"), ("k0", "")) is None
        assert self.tags(server) == {**full, "k1": "other"}, "what isn't there is gone already"
        assert drop("k0", ("k1", "other"), ("bare", "")) is None and drop("k0") is None
        assert set(self.tags(server)) == set(full) - {"k0", "k1", "bare"}
        assert drop("a", "a", expect=(400,)) == "Ecs.0908" and drop("", expect=(400,)) == "Ecs.0906"
        assert drop(*(f"m{at}" for at in range(11)), expect=(400,)) == "Ecs.0905"
        assert self.change_tags(self.network, "delete", "a", expect=(404,)) == "Ecs.0114"
        self.delete([server], delete_volume=True)
        rule("ecs.server_tags.batch_delete", "9181f244", "aa970826", "b1135fd6", "5c4144d1")

    def step_tag_queries(self):
        """servers are found and counted by tags, page by page"""
        web, db, bare = self.tagged(["role=web", "stage=test"], ["role=db", "stage=test"], ["bare"])
        role = lambda *values: {"key": "role", **({"values": values} if values else {})}

        def found(**more):
            answer = self.by_tag(**more)
            assert self.by_tag("count", **more) == {"total_count": answer["total_count"]}, answer
            return [one["resource_id"] for one in answer["resources"]], answer["total_count"]

        (one,) = self.by_tag(tags=[role("web")])["resources"]
        tags = [{"key": "role", "value": "web"}, {"key": "stage", "value": "test"}]
        assert one == {"resource_id": web, "resource_name": "tagged-0", "resource_detail": None, "tags": tags}, one
        every, total = found()
        assert (sorted(every), total) == (sorted([web, db, bare]), 3), every
        for more, expected in [
            ({"tags": [role()]}, [web, db]),
            ({"tags": [role("web", "db")]}, [web, db]),
            ({"tags": [role("db"), {"key": "stage", "values": ["test"]}]}, [db]),
            ({"tags": [{"key": "bare", "values": [""]}]}, [bare]),
            ({"not_tags": [role()]}, [bare]),
            ({"not_tags": [role("web"), {"key": "stage"}]}, [db, bare]),
            ({"tags": [{"key": "stage"}], "not_tags": [role("web")]}, [db]),
            ({"matches": [{"key": "resource_name", "value": "TAGGED-1"}]}, [db]),
            ({"matches": [{"key": "resource_name", "value": "agged"}], "tags": [role()]}, [web, db]),
        ]:
            ids, total = found(**more)
            assert (sorted(ids), total) == (sorted(expected), len(expected)), (more, ids)
        pages = [found(limit="1", offset=str(at)) for at in range(4)]
        assert pages == [([one], 3) for one in every] + [([], 3)], pages
        assert found(limit="2") == (every[:2], 3) and found(limit=2, offset=1) == (every[1:], 3)
        assert self.by_tag("count", limit="-1", offset="x") == {"total_count": 3}, "neither has an effect"
        for code, wrong in [
            ("Ecs.0005", {"limit": "1001"}), ("Ecs.0005", {"limit": "-1"}), ("Ecs.0005", {"offset": "x"}),
            ("Ecs.0005", {"tags": [{"key": None}]}), ("Ecs.0906", {"tags": [{"key": ""}]}),
            ("Ecs.0906", {"tags": [role("a", "a")]}), ("Ecs.0908", {"not_tags": [role(), role("a")]}),
            ("Ecs.0005", {"matches": [{"key": "resource_id", "value": web}]}),
            ("Ecs.0005", {"matches": [{"key": "resource_name", "value": "a"}] * 2}),
        ]:
            self.refused(400, code, "/servers/resource_instances/action", {"action": "filter", **wrong})
        self.delete([web, db, bare], delete_volume=True)
        rule("ecs.tags.query_servers", "65b64593", "6ab02e58", "5ebb8c5b", "e7484139", "73050f86", "b822d78e", "970bd90e")
        rule("ecs.tags.query_servers", "95c2decf", "f33d1c76")
