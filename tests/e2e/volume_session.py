#!/usr/bin/env python3
"""Volumes and snapshots through the unchanged OpenStack client, and over the wire where the client doesn't show it.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the first FAIL
ends it. Exit code 77: the client is missing here.
"""

import sys

import client
from client import names, same
from harness import poll, request, rule


class Volumes(client.Members):
    def api(self, path):
        return f"{self.url}/volume/v3{path}"

    def token(self, who):
        return who("token", "issue")["id"]

    def call(self, method, path, body=None, minor=0, expect=(200, 202), nova=False, who=None):
        token = self.tokens[who or "ann"]
        url = f"{self.url}/compute/v2.1{path}" if nova else self.api(path)
        headers = {"OpenStack-API-Version": f"volume 3.{minor}"} if minor else {}
        return request(method, url, token, body, headers=headers, expect=expect)[0]

    def rests(self, volume, status="available"):
        return poll(60, lambda: ((one := self.ann("volume", "show", volume))["status"] == status, one))

    def snapshot_rests(self, snapshot):
        return poll(60, lambda: ((one := self.ann("volume", "snapshot", "show", snapshot))["status"] == "available", one))

    def gone(self, *words):
        poll(60, lambda: (not (rows := self.ann(*words)), rows))

    def step_found(self):
        """the service is found in the catalogue, with its versions, types and limits"""
        self.tokens = {"ann": self.token(self.ann), "bob": self.token(self.bob)}
        versions, _ = request("GET", f"{self.url}/volume/", expect=(300,))
        same("the newest version", versions["versions"][0]["version"], "3.71")
        same("types", names(self.ann("volume", "type", "list")), ["SATA", "SSD"])
        same("the default type", self.call("GET", "/types/default")["volume_type"]["name"], "SSD")
        zones = self.call("GET", "/os-availability-zone")["availabilityZoneInfo"]
        same("zones", zones, [{"zoneName": "zone-1", "zoneState": {"available": True}}])
        limits = self.call("GET", "/limits")["limits"]["absolute"]
        same("use", (limits["totalVolumesUsed"], limits["maxTotalVolumes"]), (0, 10))

    def step_made(self):
        """an empty volume: made, shown, listed, changed"""
        made = self.ann("volume", "create", "--size", 1, "--description", "of Ann's", "--property", "a=b", "data")
        same("the new one", (made["status"], made["size"], made["type"], made["bootable"]), ("creating", 1, "SSD", False))
        self.volume = made["id"]
        self.rests("data")
        self.ann.text("volume", "set", "--name", "data-1", "--property", "c=d", "--bootable", "data")
        seen = self.ann("volume", "show", self.volume)
        same("changed", (seen["name"], seen["bootable"], seen["properties"]), ("data-1", True, {"a": "b", "c": "d"}))
        self.ann.text("volume", "unset", "--property", "a", "data-1")
        same("the map", self.call("GET", f"/volumes/{self.volume}/metadata"), {"metadata": {"c": "d"}})
        self.ann.text("volume", "set", "--non-bootable", "data-1")
        same("the list", names(self.ann("volume", "list", "--long")), ["data-1"])
        for query in ("name=data-1", "status=available&name=data-1", "metadata={'c': 'd'}", "bootable=false", "sort=size:asc,name"):
            found = self.call("GET", f"/volumes/detail?{query.replace(' ', '%20')}")["volumes"]
            same(query, [one["id"] for one in found], [self.volume])
        same("none", self.call("GET", "/volumes?name=other")["volumes"], [])
        # A full page has a link, whether anything is behind it or not.
        full = self.call("GET", "/volumes?limit=1")
        (link,) = full["volumes_links"]
        same("a full page", (len(full["volumes"]), link["rel"]), (1, "next"))
        behind = request("GET", link["href"], self.tokens["ann"])[0]
        same("behind it", behind, {"volumes": []})
        assert "volumes_links" not in self.call("GET", "/volumes?limit=2")

    def step_extended(self):
        """what upstream's extensions add stands in answers to reads, not in those to changes"""
        path = f"/volumes/{self.volume}"
        added = lambda one: sorted(key for key in one if key.startswith("os-"))
        same("a change", added(self.call("PUT", path, {"volume": {"description": "hers"}})["volume"]), [])
        same("a read", added(self.call("GET", path)["volume"]), ["os-vol-tenant-attr:tenant_id"])
        body = {"snapshot": {"volume_id": self.volume, "name": "short"}}
        made = self.call("POST", "/snapshots", body, expect=(202,))["snapshot"]
        same("a new one", added(made), [])
        self.snapshot_rests("short")
        extended = [f"os-extended-snapshot-attributes:{name}" for name in ("progress", "project_id")]
        same("a read of it", added(self.call("GET", f"/snapshots/{made['id']}")["snapshot"]), extended)
        self.ann.text("volume", "snapshot", "delete", "short")
        poll(60, lambda: (not (left := self.call("GET", "/snapshots")["snapshots"]), left))

    def step_refused(self):
        """what is wrong is said with the field's name"""
        for body, said in (
            ({"size": 0}, "size"), ({"size": "x"}, "size"), ({}, "size"), ({"size": 1, "name": "x" * 256}, "name"),
            ({"size": 1, "availability_zone": "nowhere"}, "availability_zone"), ({"size": 1, "colour": "red"}, "colour"),
            ({"size": 1, "multiattach": True}, "multiattach"), ({"size": 1, "backup_id": "x"}, "backup_id"),
            ({"size": 1, "metadata": {"": "x"}}, "metadata"), ({"size": 1, "imageRef": "nothing"}, "nothing"),
        ):
            answer = self.call("POST", "/volumes", {"volume": body}, expect=(400,))
            assert said in answer["badRequest"]["message"], f"{body}: {answer}"
        missing = self.call("POST", "/volumes", {"volume": {"size": 1, "volume_type": "gold"}}, expect=(404,))
        assert "gold" in missing["itemNotFound"]["message"], missing
        full = self.call("POST", "/volumes", {"volume": {"size": 2000}}, expect=(413,))
        assert "volume-gib" in full["overLimit"]["message"], full
        self.call("GET", "/volumes/nothing", expect=(404,))
        self.call("POST", "/snapshots", {"snapshot": {"volume_id": None}}, expect=(404,))
        self.call("POST", f"/volumes/{self.volume}/action", {"os-extend": {"new_size": 1}}, expect=(400,))

    def step_grown(self):
        """a volume grows"""
        self.ann.text("volume", "set", "--size", 3, "data-1")
        same("size", self.rests("data-1")["size"], 3)
        limits = self.call("GET", "/limits")["limits"]["absolute"]
        same("use", limits["totalGigabytesUsed"], 3)

    def step_snapshots(self):
        """a snapshot, and a volume from it; from another volume; from an image"""
        self.ann.text("volume", "snapshot", "create", "--volume", "data-1", "--property", "k=v", "before")
        seen = self.snapshot_rests("before")
        same("the snapshot", (seen["size"], seen["volume_id"], seen["properties"]), (3, self.volume, {"k": "v"}))
        self.ann.text("volume", "snapshot", "set", "--name", "kept", "before")
        same("snapshots", names(self.ann("volume", "snapshot", "list")), ["kept"])
        self.ann.fails("snapshots", "volume", "delete", "data-1")
        self.ann.text("volume", "create", "--snapshot", "kept", "again")
        self.ann.text("volume", "create", "--source", "data-1", "--size", 4, "copy")
        image = self.ann("image", "list")[0]["ID"]
        self.ann.text("volume", "create", "--image", image, "--size", 1, "root")
        wanted = {"again": (3, False), "copy": (4, False), "root": (1, True)}
        for name, (size, bootable) in wanted.items():
            seen = self.rests(name)
            same(name, (seen["size"], seen["bootable"]), (size, bootable))
        same("origin", self.ann("volume", "show", "copy")["source_volid"], self.volume)
        limits = self.call("GET", "/limits")["limits"]["absolute"]
        same("use", (limits["totalVolumesUsed"], limits["totalSnapshotsUsed"], limits["totalGigabytesUsed"]), (4, 1, 14))
        page = self.call("GET", "/volumes?limit=3&sort=name:asc")
        same("a page", [one["name"] for one in page["volumes"]], ["again", "copy", "data-1"])
        rest, _ = request("GET", page["volumes_links"][0]["href"], self.tokens["ann"])
        same("the next", [one["name"] for one in rest["volumes"]], ["root"])

    def console(self):
        return self.ann.text("console", "log", "show", "guest")

    def step_attached(self):
        """a running server is given a volume; its guest sees it come and go"""
        network = next(row["ID"] for row in self.ann("network", "list") if row["Name"] == "private")
        image = self.ann("image", "list")[0]["ID"]
        self.ann.text("server", "create", "--flavor", "m1.tiny", "--image", image, "--nic", f"net-id={network}", "--wait", "guest")
        self.server = self.ann("server", "show", "guest")["id"]
        self.ann.text("server", "add", "volume", "guest", "data-1")
        seen = self.rests("data-1", "in-use")
        (attachment,) = seen["attachments"]
        same("attachment", (attachment["server_id"], attachment["device"]), (self.server, "/dev/vdb"))
        old = self.call("DELETE", f"/os-volumes/{self.volume}", nova=True, expect=(400,))
        same("through Nova as well", "in use" in old["badRequest"]["message"], True)
        rule("nova.volumes.delete", "fd46d3f3", "22feff9c")
        assert f"disk {self.volume} is /dev/vdb" in self.console(), self.console()
        same("disks", len(self.ann("server", "volume", "list", "guest")), 2)
        self.ann.fails("in use", "volume", "delete", "data-1")
        refused = self.call("POST", f"/volumes/{self.volume}/action", {"os-extend": {"new_size": 9}}, expect=(400,))
        assert "in-use" in refused["badRequest"]["message"], refused
        self.ann.fails("available", "server", "add", "volume", "guest", "data-1")
        at = f"/servers/{self.server}/os-volume_attachments"
        system = next(one for one in self.call("GET", at, nova=True)["volumeAttachments"] if one["device"] == "/dev/vda")
        self.call("DELETE", f"{at}/{system['id']}", nova=True, expect=(400,))
        self.ann.text("server", "remove", "volume", "guest", "data-1")
        self.rests("data-1")
        assert f"disk {self.volume} is gone" in self.console(), self.console()
        old = f"{self.url}/compute/v2{at}"
        body = {"volumeAttachment": {"volumeId": self.volume}}
        given, _ = request("POST", old, self.tokens["ann"], body, expect=(200,))
        same("through /v2", given["volumeAttachment"]["device"], "/dev/vdb")
        self.rests("data-1", "in-use")
        request("DELETE", f"{old}/{self.volume}", self.tokens["ann"], expect=(202,))
        self.rests("data-1")
        rule("nova.server_volumes.attach", "15c1d8ed", "93a8bc16")
        rule("nova.server_volumes.detach", "8b47f964", "93a8bc16")

    def step_off(self):
        """a server that is off is given one, and keeps it; its system disk stays with it"""
        self.ann.text("server", "stop", "guest")
        poll(60, lambda: ((one := self.ann("server", "show", "guest"))["status"] == "SHUTOFF", one))
        at = f"/servers/{self.server}/os-volume_attachments"
        body = {"volumeAttachment": {"volumeId": self.volume, "device": "/dev/vdc"}}
        given = self.call("POST", at, body, nova=True)["volumeAttachment"]
        same("given", (given["volumeId"], given["serverId"], given["device"]), (self.volume, self.server, "/dev/vdb"))
        self.rests("data-1", "in-use")
        system = next(one for one in self.call("GET", at, nova=True)["volumeAttachments"] if one["device"] == "/dev/vda")
        self.call("DELETE", f"{at}/{system['id']}", nova=True, expect=(400,))
        self.call("DELETE", f"{at}/nothing", nova=True, expect=(404,))
        self.call("POST", at, {"volumeAttachment": {"volumeId": "x"}}, nova=True, expect=(400,))
        self.ann.text("server", "start", "guest")
        last_boot = lambda: self.console().rsplit("boot with", 1)[-1]
        poll(60, lambda: (f"disk {self.volume} is /dev/vdb" in (seen := last_boot()) and "login" in seen, seen))
        poll(60, lambda: ((one := self.ann("server", "show", "guest"))["status"] == "ACTIVE", one))
        self.ann.text("server", "delete", "--wait", "guest")
        same("it outlives its server", self.rests("data-1")["attachments"], [])
        rule("nova.server_volumes.attach", "4e56eab1")

    def step_booted(self):
        """a server boots from a volume that is there, with another one beside it; both outlive it, and boot the next one"""
        network = next(row["ID"] for row in self.ann("network", "list") if row["Name"] == "private")
        least = ("--flavor", "m1.tiny", "--nic", f"net-id={network}", "--wait")
        beside = f"uuid={self.volume},source_type=volume,destination_type=volume"
        self.ann.text("server", "create", *least, "--volume", "root", "--block-device", beside, "first")
        seen = self.ann("server", "show", "first")
        same("its image", seen["image"], "N/A (booted from volume)")
        for name, device in (("root", "/dev/vda"), ("data-1", "/dev/vdb")):
            (attachment,) = self.rests(name, "in-use")["attachments"]
            same(name, (attachment["server_id"], attachment["device"]), (seen["id"], device))
        self.ann.fails("not bootable", "server", "create", *least, "--volume", "again", "none")
        self.ann.fails("available", "server", "create", *least, "--volume", "root", "none")
        kept = self.ann("volume", "snapshot", "show", "kept")["id"]
        copied = f"uuid={kept},source_type=snapshot,destination_type=volume,volume_size=4,delete_on_termination=true"
        for following in ("second", None):
            self.ann.text("server", "delete", "--wait", "first" if following else "second")
            for name in ("root", "data-1"):
                same(f"{name} outlives its server", self.rests(name)["attachments"], [])
            if following:
                self.ann.text("server", "create", *least, "--volume", "root", "--block-device", copied, following)
                second = self.ann("server", "show", following)["id"]
                made = [one for one in self.ann("volume", "list", "--long") if one["Size"] == 4 and one["Name"] != "copy"]
                same("the copy", [one["Attached to"][0]["server_id"] for one in made], [second])
        same("volumes", len(self.ann("volume", "list")), 4)

    def step_strangers(self):
        """another project sees and touches none of it"""
        same("volumes", self.bob("volume", "list"), [])
        same("snapshots", self.bob("volume", "snapshot", "list"), [])
        snapshot = self.ann("volume", "snapshot", "show", "kept")["id"]
        for path in (f"/volumes/{self.volume}", f"/snapshots/{snapshot}"):
            for method in ("GET", "DELETE"):
                self.call(method, path, expect=(404,), who="bob")
        for body in ({"source_volid": self.volume}, {"snapshot_id": snapshot}):
            self.call("POST", "/volumes", {"volume": {"size": 5, **body}}, expect=(404,), who="bob")
        self.call("GET", "/volumes?all_tenants=1", expect=(403,), who="bob")
        assert len(self.admin("volume", "list", "--all-projects")) == 4

    def step_removed(self):
        """all of it is removed"""
        self.ann.text("volume", "snapshot", "delete", "kept")
        self.gone("volume", "snapshot", "list")
        for name in ("data-1", "again", "copy", "root"):
            self.ann.text("volume", "delete", name)
        self.gone("volume", "list")
        limits = self.call("GET", "/limits")["limits"]["absolute"]
        same("use", (limits["totalVolumesUsed"], limits["totalGigabytesUsed"]), (0, 0))


if __name__ == "__main__":
    sys.exit(client.main(Volumes))
