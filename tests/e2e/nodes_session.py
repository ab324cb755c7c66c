#!/usr/bin/env python3
"""Nodes by records: one is added, takes a server through Nova, is there after a restart, and goes once it is empty; `skyloom event
list` tells of all of it.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the first FAIL
ends it.
"""

import json
import re
import subprocess
import sys

import harness
from harness import SUPPORT, poll

CONFIG = {"capacity": {"vcpus": 4, "memory-mib": 8192, "disk-gib": 50}}
# A look that a test need not wait for.
EDITS = ("$a [compute.attach]\\nbeat-ms = 200\\n",)


class Nodes(harness.Session):
    def __init__(self, env, folder):
        super().__init__(env, folder)
        self.made = None

    # --- helpers ---

    def node(self, name="rack-7"):
        nodes = {one["name"]: one for one in json.loads(self.cli("node", "list", "--json"))}
        return nodes.get(name)

    def record(self, name="rack-7"):
        return json.loads(self.cli("node", "show", name, "--json"))["record"]

    def taken(self, **want):
        """The node once a look has put it to use so."""
        def seen():
            one = self.node() or {}
            return all(one.get(key) == value for key, value in want.items()), one

        return poll(30, seen)

    def nova_server(self):
        return self.call("GET", self.nova(f"/servers/{self.made}"))["server"]

    def events(self, *words):
        return json.loads(self.cli("event", "list", "--json", *words))

    # --- the steps, in order ---

    def step_refused(self):
        """what is wrong with a record is named by its field; a deployment file's node stands for itself"""
        add = lambda name, *words, driver="simulator", zone="zone-1": self.cli(
            "node", "add", name, "--driver", driver, "--zone", zone, *words, expect=1)
        wrong = add("rack-7", "--driver-config", '{"capacity": {"vcpus": 0}}')
        assert "config/capacity/vcpus" in wrong, wrong
        wrong = add("rack-7", "--driver-config", '{"speed": 1}')
        assert "speed" in wrong, wrong
        assert "no JSON object" in add("rack-7", "--driver-config", "[1]")
        assert "driver" in add("rack-7", driver="compute-v2")
        assert "no plugin `vax`" in add("rack-7", driver="vax")
        assert "zone" in add("rack-7", zone=" z")
        assert "vcpus is at least 1" in add("rack-7", "--vcpus", "0")
        assert "the deployment file names the node node-1" in add("node-1")
        assert "number" in self.cli("node", "add", "n", "--driver", "d", "--zone", "z", "--vcpus", "many", expect=2)
        assert self.node() is None, "nothing of it stays"
        for verb in ("set", "remove", "show"):
            assert "rack-7" in self.cli("node", verb, "rack-7", expect=1)

    def step_added(self):
        """a record is put to use without a restart, and lies sealed"""
        self.cli("node", "add", "rack-7", "--driver", "simulator", "--zone", "zone-7", "--platform-network", "*=simulated",
                 "--driver-config", json.dumps(CONFIG))
        one = self.taken(**{"takes-servers": True})
        assert (one["vcpus"], one["memory-mib"], one["disk-gib"], one["recorded"]) == (4, 8192, 50, True), one
        assert self.record()["config"] == CONFIG and self.record()["driven"] is True, self.record()
        assert not self.node("node-1")["recorded"]
        assert "already" in self.cli("node", "add", "rack-7", "--driver", "simulator", "--zone", "zone-7", expect=1)
        with_wal = (self.folder / "state").glob("skyloom.db*")
        assert not any(b'"memory-mib":8192' in file.read_bytes() for file in with_wal), "the config lies open"

    def step_set(self):
        """a change of the record is there with the next look"""
        self.cli("node", "set", "rack-7", "--vcpus", "2", "--enabled", "false")
        self.taken(vcpus=2, **{"takes-servers": False})
        self.cli("node", "set", "rack-7", "--vcpus", "platform", "--enabled", "true")
        self.taken(vcpus=4, **{"takes-servers": True})
        assert "config/capacity" in self.cli("node", "set", "rack-7", "--driver-config", '{"capacity": 1}', expect=1)
        assert self.record()["config"] == CONFIG

    def step_server(self):
        """a server is made there through Nova, which its events tell"""
        body = {"name": "there", "flavorRef": self.flavor, "imageRef": self.image, "networks": [{"uuid": self.network}],
                "availability_zone": "zone-7"}
        self.made = self.call("POST", self.nova("/servers"), {"server": body})["server"]["id"]
        poll(60, lambda: ((one := self.nova_server())["status"] == "ACTIVE", one))
        assert self.nova_server()["OS-EXT-SRV-ATTR:host"] == "rack-7"
        told = self.events("--resource", self.made)["events"]
        assert [event["outcome"] for event in told] == ["succeeded", "accepted"], told
        first = told[-1]
        assert first["action"] == "servers:create" and first["project-id"] == self.project, first
        assert first["operation-id"] == told[0]["operation-id"] and re.match("req-", first["request-id"]), first

    def step_events(self):
        """events are looked through by project and time, page by page"""
        everything = self.events("--project", self.project, "--limit", "1000")
        assert everything["next"] is None and len(everything["events"]) > 3, everything
        pages, marker = [], ()
        while True:
            page = self.events("--project", self.project, "--limit", "2", *marker)
            pages += page["events"]
            if page["next"] is None:
                break
            marker = ("--marker", page["next"])
        assert pages == everything["events"], (pages, everything)
        assert self.events("--since", "2999-01-01T00:00:00Z")["events"] == []
        assert self.events("--project", "nobody's")["events"] == []
        assert "servers:create" in self.cli("event", "list", "--resource", self.made)
        self.cli("event", "list", "--since", "yesterday", expect=2)
        self.cli("event", "list", "--limit", "0", expect=2)
        assert "marker" in self.cli("event", "list", "--marker", "nothing", expect=1)

    def step_restart(self):
        """after a restart the node is there at once, and its server with it"""
        subprocess.run([SUPPORT / "skyloom/stop", self.folder], check=True, stdin=subprocess.DEVNULL)
        assert self.record()["driven"] is False, "given back"
        config = harness.ROOT / "examples/deployments/laptop/skyloom.toml"
        subprocess.run([SUPPORT / "skyloom/start", config, self.folder, *EDITS], check=True, stdin=subprocess.DEVNULL)
        env = dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())
        self.cloud, self.ecs = env["SKYLOOM_URL"], env["SKYLOOM_ECS_URL"]
        self.password = (self.folder / "state/admin-password").read_text().strip()
        self.step_token()
        assert self.node()["takes-servers"] is True, self.node()
        self.call("POST", self.nova(f"/servers/{self.made}/action"), {"reboot": {"type": "HARD"}})
        poll(60, lambda: ((one := self.nova_server())["status"] == "ACTIVE" and not one["OS-EXT-STS:task_state"], one))
        assert self.nova_server()["OS-EXT-SRV-ATTR:host"] == "rack-7"

    def step_held(self):
        """a node that holds a server stays, with its zone, and says what it holds"""
        told = self.cli("node", "remove", "rack-7", expect=1)
        assert f"the server {self.made}" in told, told
        told = self.cli("node", "set", "rack-7", "--zone", "zone-8", expect=1)
        assert "its zone stays" in told, told
        self.taken(**{"takes-servers": True, "zone": "zone-7"})

    def step_removed(self):
        """without its server it goes, and the running process drops it"""
        self.call("DELETE", self.nova(f"/servers/{self.made}"))
        poll(60, lambda: (not (left := self.call("GET", self.nova("/servers"))["servers"]), left))
        # The disk goes with the deletion's last step.
        poll(30, lambda: (not any((used := self.node()["used"]).values()), used))
        self.cli("node", "remove", "rack-7")
        assert self.node() is None
        headers = {"Authorization": f"Bearer {self.token}"}
        url = dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())["SKYLOOM_OPERATOR_URL"]

        def dropped():
            answer, _ = harness.request("GET", f"{url}/nodes/rack-7/config", headers=headers, expect=(200, 404))
            metrics, _ = harness.request("GET", f"{url}/metrics")
            return "config" not in str(answer) and 'node="rack-7"' not in metrics, answer

        poll(30, dropped)
        zones = self.call("GET", self.nova("/os-availability-zone"))["availabilityZoneInfo"]
        assert [zone["zoneName"] for zone in zones] == ["zone-1"], zones
        told = [event["action"] for event in self.events("--resource", "rack-7")["events"]]
        assert told == ["nodes:configure"] * 4, told


if __name__ == "__main__":
    sys.exit(harness.main(Nodes, edits=EDITS))
