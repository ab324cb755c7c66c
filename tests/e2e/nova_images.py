"""Images as clients of old ask Nova for them: what a step of `proxies_session.py` does."""

from harness import request, rule


class Images:
    def images_of_old(self):
        own = f"{self.cloud}/image/v2/images"
        for face, base in enumerate(self.faces):
            url = f"{base}/v2.1/images"
            body = {
                "name": f"old-{face}", "disk_format": "raw", "container_format": "bare", "min_disk": 3, "min_ram": 96,
                "instance_uuid": f"server-{face}", "image_type": "snapshot",
            }
            made = self.call("POST", own, body, expect=(201,))
            at, image = f"{own}/{made['id']}", made["id"]
            listed = lambda query="", **more: [i["id"] for i in self.call("GET", url + query, **more)["images"]]
            of_glance = [i["id"] for i in self.call("GET", f"{own}?limit=1000")["images"]]
            assert listed() == listed("/detail") == of_glance, "the same, in the same order"
            assert self.call("GET", f"{url}/{image}")["image"]["status"] == "SAVING", "without bytes"
            for path in ("", "/detail"):
                found = {
                    query: listed(f"{path}?{query}")
                    for query in (
                        f"name=old-{face}", f"server=server-{face}", f"server={base}/v2.1/servers/server-{face}", "minRam=96", "minDisk=3",
                        "status=queued", "status=QUEUED", f"changes-since={made['updated_at']}", "type=snapshot",
                    )
                }
                assert set(map(tuple, found.values())) == {(image,)}, found
                for query in ("name=none", "status=saving", "minRam=95", "type=backup", "changes-since=2100-01-01T00:00:00Z"):
                    assert listed(f"{path}?{query}") == [], query
                said = self.call("GET", f"{url}{path}?status=deleted", expect=(400,))["badRequest"]["message"]
                assert "status" in said, said
                self.walk_images(url, path, of_glance)
            self.change_images_metadata(f"{url}/{image}", at)
            self.call("GET", url, minor=36, expect=(404,))
            self.call("GET", f"{url}/{image}/metadata", minor=38)
            self.call("GET", f"{url}/{image}/metadata", minor=39, expect=(404,))
            self.call("GET", f"{base}/v2/images/{image}", minor=36)
            self.lose_image(url, own, image)
        for operation, *proven in (
            ("list", "a694963e", "7f951ae8", "a20612de", "31b18f58", "30755de4"),
            ("list_detail", "1de21383", "97d71381", "a20612de", "31b18f58"),
            ("show", "26f068e8"), ("list_metadata", "97d71381"), ("delete", "8026c99f", "f2981fb7"),
        ):
            rule(f"nova.images.{operation}", *proven)

    def walk_images(self, url, path, expected):
        """Page by page, by the links that the pages have."""
        seen, page = [], f"{url}{path}?limit=1"
        while page:
            answer = self.call("GET", page)
            seen += [image["id"] for image in answer["images"]]
            page = next((link["href"] for link in answer.get("images_links", []) if link["rel"] == "next"), None)
        assert seen == expected, (seen, expected)

    def change_images_metadata(self, url, at):
        """What Nova changes, Glance shows; all else stays."""
        before = self.call("GET", at)
        assert self.call("GET", f"{url}/metadata")["metadata"]["image_type"] == "snapshot"
        changed = self.call("POST", f"{url}/metadata", {"metadata": {"image_type": "backup", "colour": "blue"}})["metadata"]
        shown = self.call("GET", at)
        assert changed["colour"] == shown["colour"] == "blue" and shown["image_type"] == "backup", (changed, shown)
        self.call("PUT", f"{url}/metadata/colour", {"meta": {"colour": "red"}})
        assert self.call("GET", f"{url}/metadata/colour")["meta"] == {"colour": "red"}
        self.call("DELETE", f"{url}/metadata/colour", expect=(204,))
        self.call("GET", f"{url}/metadata/colour", expect=(404,))
        kept = {name: before[name] for name in ("instance_uuid", "image_type")}
        assert self.call("PUT", f"{url}/metadata", {"metadata": kept})["metadata"] == kept
        assert {**self.call("GET", at), "updated_at": before["updated_at"]} == before

    def lose_image(self, url, own, image):
        """A protected image stays; a deleted one is gone for both services, and its id is no image's again."""
        patch = lambda protected: request(
            "PATCH", f"{own}/{image}", self.admin, [{"op": "replace", "path": "/protected", "value": protected}],
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        )
        patch(True)
        said = self.call("DELETE", f"{url}/{image}", expect=(403,))["forbidden"]["message"]
        assert "protected" in said, said
        patch(False)
        self.call("DELETE", f"{url}/{image}", expect=(204,))
        for gone in (f"{url}/{image}", f"{url}/{image}/metadata", f"{own}/{image}"):
            self.call("GET", gone, expect=(404,))
        self.call("DELETE", f"{url}/{image}", expect=(404,))
        assert image not in {i["id"] for i in self.call("GET", url)["images"]}
        self.call("POST", own, {"id": image, "name": "again"}, expect=(409,))
