#!/usr/bin/env python3
"""The recycle bin: a deletion through EasyStack keeps the server, out of lists, quota and processors' charges; restored through either
face, deleted for good by force or by its time.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it; the clock is turned to the end of a server's time in the bin.
Prints PASS or FAIL with seconds for each step; the first FAIL ends it.
"""

import datetime
import json
import sys

import harness
from harness import poll, request, rule

KEPT = 3600
CHEAPER_IN_THE_BIN = ("vcpu=2", "memory-mib=none", "volume-gib=1", "volume-gib@soft-deleted=0.5")


class Recycling(harness.Session):
    def es(self, path):
        return f"{self.easystack}/v2.1/{self.project}{path}"

    def make(self, name):
        server = {"name": name, "flavorRef": "1", "imageRef": self.image, "networks": [{"uuid": self.network}]}
        made = self.call("POST", self.nova("/servers"), {"server": server}, expect=(202,))["server"]["id"]
        return self.becomes(made, "ACTIVE")["id"]

    def becomes(self, server, status):
        def shown():
            found = self.call("GET", self.nova(f"/servers/{server}"))["server"]
            assert status == "ERROR" or found["status"] != "ERROR", found
            return found["status"] == status and found["OS-EXT-STS:task_state"] is None, found

        return poll(60, shown)

    def goes(self, server):
        url = self.nova(f"/servers/{server}")
        poll(60, lambda: ("itemNotFound" in (found := request("GET", url, self.token, expect=(200, 404))[0]), found))

    def recycle(self, server):
        self.call("DELETE", self.es(f"/servers/{server}"), expect=(204,))
        return self.becomes(server, "SOFT_DELETED")

    def restore(self, url, server):
        self.call("POST", f"{url}/servers/{server}/action", {"restore": None}, expect=(202,))
        return self.becomes(server, "ACTIVE")

    def ids(self, url):
        return [server["id"] for server in self.call("GET", url)["servers"]]

    def used(self):
        used = self.call("GET", self.nova("/limits"))["limits"]["absolute"]
        return used["totalInstancesUsed"], used["totalCoresUsed"], used["totalRAMUsed"]

    # --- the steps ---

    def step_into_the_bin(self):
        """deleted through EasyStack: off, out of every list and of the quota, and in the bin's list with its times"""
        self.kept = self.make("kept")
        before = self.call("GET", self.nova(f"/servers/{self.kept}"))["server"]
        shown = self.recycle(self.kept)
        assert shown["OS-EXT-STS:power_state"] == 4 and shown["addresses"] == before["addresses"], shown
        assert self.used() == (0, 0, 0), self.used()
        for url in (self.nova("/servers"), self.es("/servers"), f"{self.ecs}/v2.1/{self.project}/servers"):
            assert self.ids(url) == [], url
        (found,) = self.call("GET", self.es("/servers/detail?deleted=True"))["servers"]
        times = [datetime.datetime.fromisoformat(found[name]) for name in ("deleted", "estimated_deleted")]
        assert (found["id"], times[1] - times[0]) == (self.kept, datetime.timedelta(seconds=KEPT)), found
        assert self.ids(self.nova("/servers?status=SOFT_DELETED")) == [self.kept]
        assert self.ids(self.nova("/servers?soft_deleted=1")) == [self.kept]
        rule("easystack.servers.list_deleted", "40e57265", "69eb949e")

    def step_states(self):
        """in the bin nothing is done to it but restoring and deleting"""
        for body in ({"os-start": None}, {"os-stop": None}, {"reboot": {"type": "HARD"}}):
            answer, _ = request("POST", self.nova(f"/servers/{self.kept}/action"), self.token, body, expect=(409,))
            assert "vm_state soft-delete" in answer["conflictingRequest"]["message"], answer
        request("DELETE", self.es(f"/servers/{self.kept}"), self.token, expect=(204,))
        assert self.becomes(self.kept, "SOFT_DELETED")["OS-EXT-STS:vm_state"] == "soft-delete"

    def step_volume_back(self):
        """a volume of a server in the bin is taken from it; its own disk is not"""
        volumes = f"{self.cloud}/volume/v3/{self.project}/volumes"
        volume = self.call("POST", volumes, {"volume": {"size": 1, "name": "data"}}, expect=(202,))["volume"]["id"]
        rests = lambda wanted: poll(60, lambda: ((v := self.call("GET", f"{volumes}/{volume}")["volume"])["status"] == wanted, v))
        rests("available")
        self.restore(self.es(""), self.kept)
        at = self.es(f"/servers/{self.kept}/os-volume_attachments")
        self.call("POST", at, {"volumeAttachment": {"volumeId": volume}}, expect=(200,))
        rests("in-use")
        self.becomes(self.kept, "ACTIVE")
        self.recycle(self.kept)
        request("DELETE", f"{at}/{volume}", self.token, expect=(202,))
        rests("available")
        self.becomes(self.kept, "SOFT_DELETED")
        own = self.call("GET", at)["volumeAttachments"]
        assert len(own) == 1, own
        request("DELETE", f"{at}/{own[0]['volumeId']}", self.token, expect=(400,))
        self.call("DELETE", f"{volumes}/{volume}", expect=(202,))

    def step_restored(self):
        """restored through Nova and through EasyStack: on, counted, with its disk and addresses; one that lives isn't restored"""
        before = self.call("GET", self.nova(f"/servers/{self.kept}"))["server"]
        for url in (self.nova(""), self.es("")):
            after = self.restore(url, self.kept)
            for name in ("addresses", "os-extended-volumes:volumes_attached"):
                assert after[name] == before[name], (after, before)
            assert after["OS-SRV-USG:terminated_at"] is None and self.used() == (1, 1, 512), (after, self.used())
            request("POST", f"{url}/servers/{self.kept}/action", self.token, {"restore": None}, expect=(409,))
            self.recycle(self.kept)
        actions = self.call("GET", self.nova(f"/servers/{self.kept}/os-instance-actions"))["instanceActions"]
        assert [action["action"] for action in actions[:4]] == ["delete", "restore", "delete", "restore"], actions
        rule("easystack.servers.restore", "ae6f3f73", "af5b755a")

    def step_no_purge_holds_it(self):
        """what is taken out a moment before its time lives on after it"""
        self.turn_clock(KEPT - 60)
        self.restore(self.es(""), self.kept)
        self.turn_clock(120)
        witness = self.make("witness")
        self.recycle(witness)
        self.turn_clock(KEPT + 60)
        self.goes(witness)
        self.becomes(self.kept, "ACTIVE")

    def step_by_force(self):
        """forceDelete in the bin deletes for good, at once"""
        self.recycle(self.kept)
        self.call("POST", self.es(f"/servers/{self.kept}/action"), {"forceDelete": None}, expect=(202,))
        self.goes(self.kept)
        gone = self.call("GET", self.es("/servers/detail?all_tenants=1&deleted=True"))["servers"]
        assert {server["status"] for server in gone} == {"DELETED"} and len(gone) == 2, gone
        rule("easystack.servers.force_delete", "bdd61d75", "af5b755a")
        rule("easystack.servers.list_deleted", "f3e5c6c9")

    def step_upstream(self):
        """Nova's own deletion has no bin here"""
        server = self.make("plain")
        self.call("DELETE", self.nova(f"/servers/{server}"), expect=(204,))
        self.goes(server)

    def step_charges(self):
        """in the bin no processor is charged, and a disk what the price of the state says"""
        begun = datetime.datetime.now(datetime.timezone.utc)
        self.cli("price", "create", "bin")
        self.cli("price", "set", "bin", "1", *CHEAPER_IN_THE_BIN)
        self.cli("price", "use", "bin", "1")
        self.cli("price", "bind", "default", "bin")
        server = self.make("charged")
        self.recycle(server)
        start = (begun + datetime.timedelta(seconds=2 * KEPT)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        url = f"{self.cloud}/billing/v1/consumption-records?start_time={start}"
        self.turn_clock(60)
        records = self.call("GET", url)["consumption"]["records"]
        disks = {float(record["unit_price"]) for record in records if record["meter"] == "volume-gib"}
        in_the_bin = {record["meter"] for record in records if record["provisional"]} - {"image-gib"}
        assert 0.5 in disks and in_the_bin == {"volume-gib"}, records

    def step_nothing_is_left(self):
        """once it is purged there is neither disk nor place"""
        self.turn_clock(KEPT)
        poll(60, lambda: (not (left := self.call("GET", f"{self.cloud}/volume/v3/{self.project}/volumes")["volumes"]), left))
        nodes = json.loads(self.cli("node", "list", "--json"))
        assert all(set(node["used"].values()) == {0} for node in nodes), nodes


if __name__ == "__main__":
    edits = (
        f"s/^default-zone = .*/&\\nrecycle-bin-seconds = {KEPT}/",
        r"s/^\[operator\]/&\nturns-clock = true/",
    )
    sys.exit(harness.main(Recycling, edits))
