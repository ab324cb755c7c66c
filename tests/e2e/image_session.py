#!/usr/bin/env python3
"""What people do with images, with the unchanged OpenStack client: bytes, properties, tags, visibility, sharing, paging.

Starts a Skyloom of its own (laptop deployment) and ends it. Prints PASS or FAIL with seconds for each step; the first
FAIL ends it. Exit code 77: the client is missing here.
"""

import hashlib
import os
import sys

from client import Members, main, names, same

MIB = 1 << 20


class Images(Members):
    def file(self, name, size):
        path = self.folder / name
        path.write_bytes(os.urandom(size))
        return path

    # --- making ---

    def step_create(self):
        """create --file with everything that can be said"""
        self.raw = self.file("disk.raw", 3 * MIB + 17)
        made = self.ann(
            "image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", self.raw, "--min-disk", "2",
            "--min-ram", "64", "--property", "os_distro=none", "--property", "colour=blue", "--tag", "new", "--tag", "small",
            "--protected", "alpha",
        )
        self.ids["alpha"] = made["id"]
        shown = self.ann("image", "show", "alpha")
        same("status", (shown["status"], shown["size"]), ("active", 3 * MIB + 17))
        same("checksum", shown["checksum"], hashlib.md5(self.raw.read_bytes()).hexdigest())
        same("hash", shown["properties"]["os_hash_value"], hashlib.sha512(self.raw.read_bytes()).hexdigest())
        same("algorithm", shown["properties"]["os_hash_algo"], "sha512")
        same("needs", (shown["min_disk"], shown["min_ram"], shown["protected"]), (2, 64, True))
        same("properties", (shown["properties"]["os_distro"], shown["properties"]["colour"]), ("none", "blue"))
        same("tags", sorted(shown["tags"]), ["new", "small"])
        same("visibility", (shown["visibility"], shown["owner"]), ("shared", self.ids["ann"]))

    def step_save(self):
        """save gives the bytes back"""
        back = self.folder / "back.raw"
        self.ann.text("image", "save", "--file", back, "alpha")
        assert back.read_bytes() == self.raw.read_bytes(), "other bytes"

    def step_no_bytes(self):
        """a file without bytes is one like another"""
        made = self.ann("image", "create", "--disk-format", "raw", "--file", self.file("empty.raw", 0), "empty")
        shown = self.ann("image", "show", made["id"])
        same("status", (shown["status"], shown["size"]), ("active", 0))
        self.ann.text("image", "delete", made["id"])

    def step_refused(self):
        """what an image cannot be"""
        descriptor = self.folder / "descriptor.raw"
        descriptor.write_text('# x\nversion=1\nRW 2048 FLAT "/etc/passwd" 0\n')
        self.ann.fails("415", "image", "create", "--disk-format", "raw", "--file", descriptor, "liar")
        self.ann.fails("415", "image", "create", "--disk-format", "qcow2", "--file", self.raw, "liar")
        self.ann.fails("403", "image", "create", "--public", "loud")
        self.ann.fails("403", "image", "delete", "alpha")  # protected
        self.ann.fails("invalid choice", "image", "create", "--disk-format", "none", "odd")
        assert "odd" not in names(self.ann("image", "list")), "it is there"

    # --- finding ---

    def step_list(self):
        """list by property, tag, status, name; sorted; a page after the other"""
        for number in range(1, 6):
            path = self.file("small.raw", 1000 * number)
            self.ann.text(
                "image", "create", "--disk-format", "raw", "--file", path, "--private", "--property",
                f"colour={'red' if number % 2 else 'green'}", "--tag", f"t{number}", f"many-{number}",
            )
        self.ann.text("image", "create", "--private", "queued")
        red = ["many-1", "many-3", "many-5"]
        same("property", names(self.ann("image", "list", "--property", "colour=red")), red)
        same("two", names(self.ann("image", "list", "--private", "--property", "colour=red", "--tag", "t3")), ["many-3"])
        same("status", names(self.ann("image", "list", "--status", "queued")), ["queued"])
        same("name", names(self.ann("image", "list", "--name", "many-2")), ["many-2"])
        same("shared", names(self.ann("image", "list", "--shared")), ["alpha"])
        order = [row["Name"] for row in self.ann("image", "list", "--private", "--status", "active", "--sort", "size:desc,name:asc")]
        same("sorted", order, ["many-5", "many-4", "many-3", "many-2", "many-1"])
        order = [row["Name"] for row in self.ann("image", "list", "--private", "--sort", "name:asc")]
        same("sorted", order, ["many-1", "many-2", "many-3", "many-4", "many-5", "queued"])
        # The client sorts what it got; the server's own order is the newest first.
        newest = ["queued", *order[4::-1]]
        ids = {row["Name"]: row["ID"] for row in self.ann("image", "list", "--private")}
        page = self.ann("image", "list", "--private", "--limit", "2")
        same("page", sorted(row["Name"] for row in page), sorted(newest[:2]))
        page = self.ann("image", "list", "--private", "--limit", "2", "--marker", ids[newest[1]])
        same("next page", sorted(row["Name"] for row in page), sorted(newest[2:4]))
        long = self.ann("image", "list", "--long", "--name", "alpha")
        same("long", (long[0]["Size"], long[0]["Status"]), (3 * MIB + 17, "active"))

    # --- changing ---

    def step_set(self):
        """set and unset: name, needs, properties, tags, protection, formats' details"""
        self.ann.text(
            "image", "set", "--name", "beta", "--min-disk", "3", "--min-ram", "128", "--property", "colour=black", "--property",
            "os_version=1", "--tag", "old", "--unprotected", "--os-distro", "debian", "--architecture", "x86_64", "alpha",
        )
        shown = self.ann("image", "show", "beta")
        same("id", shown["id"], self.ids["alpha"])
        same("needs", (shown["min_disk"], shown["min_ram"], shown["protected"]), (3, 128, False))
        properties = {key: shown["properties"].get(key) for key in ("colour", "os_version", "os_distro", "architecture")}
        same("properties", properties, {"colour": "black", "os_version": "1", "os_distro": "debian", "architecture": "x86_64"})
        same("tags", sorted(shown["tags"]), ["new", "old", "small"])
        self.ann.text("image", "unset", "--tag", "old", "--tag", "new", "--property", "colour", "beta")
        shown = self.ann("image", "show", "beta")
        same("tags", shown["tags"], ["small"])
        assert "colour" not in shown["properties"], shown
        self.ann.fails("", "image", "unset", "--property", "colour", "beta")

    def step_activation(self):
        """deactivated bytes are not to be had"""
        self.bob.fails("", "image", "set", "--deactivate", self.ids["alpha"])
        self.ann.text("image", "set", "--deactivate", "beta")
        same("status", self.ann("image", "show", "beta")["status"], "deactivated")
        # The client doesn't look at the status; it sees that what came isn't the image.
        self.ann.fails("checksum mismatch", "image", "save", "--file", self.folder / "none.raw", "beta")
        self.ann.text("image", "set", "--activate", "beta")
        same("status", self.ann("image", "show", "beta")["status"], "active")

    # --- who sees it ---

    def step_visibility(self):
        """private, shared, community and public"""
        self.bob.fails("No Image found", "image", "show", self.ids["alpha"])
        self.ann.text("image", "set", "--community", "beta")
        self.bob("image", "show", self.ids["alpha"])
        assert "beta" not in names(self.bob("image", "list")), "not among one's own"
        same("community", names(self.bob("image", "list", "--community")), ["beta"])
        self.bob.fails("403", "image", "set", "--name", "mine", self.ids["alpha"])
        self.bob.fails("403", "image", "delete", self.ids["alpha"])
        self.ann.fails("403", "image", "set", "--public", "beta")
        self.admin.text("image", "set", "--public", self.ids["alpha"])
        assert "beta" in names(self.bob("image", "list", "--public")), "public"
        self.admin.text("image", "set", "--private", self.ids["alpha"])
        self.bob.fails("No Image found", "image", "show", self.ids["alpha"])

    # --- the end of it ---

    def step_delete(self):
        """delete: one, many, none of others'"""
        self.bob.fails("", "image", "delete", self.ids["alpha"])
        mine = [row["ID"] for row in self.ann("image", "list", "--private")]
        same("mine", len(mine), 7)
        self.ann.text("image", "delete", *mine)
        same("left", names(self.ann("image", "list", "--private")), [])
        self.ann.fails("No Image found", "image", "show", self.ids["alpha"])
        for who in (self.bob, self.ann):
            who.fails("409", "image", "create", "--id", self.ids["alpha"], "alpha")
        blobs = [path for path in (self.folder / "state/images").iterdir() if path.stat().st_size in (3 * MIB + 17, 1000, 5000)]
        same("bytes left", blobs, [])


if __name__ == "__main__":
    sys.exit(main(Images))
