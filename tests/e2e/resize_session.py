#!/usr/bin/env python3
"""Another flavor for a server, through every face that has it: Nova at upstream's mount and at the ECS listener, ECS v1, EasyStack.

Starts a Skyloom of its own (laptop deployment, simulator, two nodes with little memory) and ends it. Prints PASS or FAIL with seconds
for each step; the first FAIL ends it. What a passed step proved it says in lines `RULE operation hash`.
"""

import sys

import harness
from harness import poll, request, rule

MEMORY_MIB = 6000
OTHER_MEMORY_MIB = 4300
# Seconds; much less than a token lasts.
CONFIRM_AFTER = 600
SMALL, LARGER, MEDIUM, TOO_LARGE = "1", "2", "3", "4"


OTHER_NODE = "\\n".join((
    "[[node]]",
    'name = "node-2"',
    'driver = "simulator"',
    'zone = "zone-1"',
    f"memory-mib = {OTHER_MEMORY_MIB}",
    'platform-networks = { "*" = "simulated" }',
))


class Resizes(harness.Session):
    def __init__(self, env, folder):
        super().__init__(env, folder)
        self.operator = env["SKYLOOM_OPERATOR_URL"]

    def act(self, at, action, expect=(202,), minor=None, server=None):
        headers = {"X-OpenStack-Nova-API-Version": f"2.{minor}"} if minor else {}
        return self.call("POST", f"{at}/servers/{server or self.first}/action", action, headers=headers, expect=expect)

    def shown(self, server=None):
        return self.call("GET", self.nova(f"/servers/{server or self.first}"))["server"]

    def settled(self, status, server=None):
        """Once nothing is being done to it; its status must then be this one."""
        def rest():
            seen = self.shown(server)
            return seen["OS-EXT-STS:task_state"] is None and seen["status"] == status, seen

        return poll(60, rest)

    def used(self):
        limits = self.call("GET", self.nova("/limits"))["limits"]["absolute"]
        return limits["totalCoresUsed"], limits["totalRAMUsed"]

    def make(self, name):
        server = {"name": name, "flavorRef": SMALL, "imageRef": self.image, "networks": [{"uuid": self.network}]}
        made = self.call("POST", self.nova("/servers"), {"server": server}, expect=(202,))["server"]["id"]
        self.settled("ACTIVE", made)
        return made

    def step_server(self):
        """a server of the small flavor"""
        self.first = self.make("first")
        flavor = {"id": "between", "name": "between", "ram": 1024, "vcpus": 1, "disk": 20}
        self.call("POST", self.nova("/flavors"), {"flavor": flavor})
        assert self.used() == (1, 512)
        self.faces = (f"{self.cloud}/compute/v2.1", f"{self.cloud}/compute/v2", f"{self.ecs}/v2.1", f"{self.ecs}/v2")

    def step_there_and_kept(self):
        """resized, looked at and confirmed, through each face"""
        for at, target in zip(self.faces, (LARGER, "between", LARGER, "between"), strict=True):
            self.act(at, {"resize": {"flavorRef": target}})
            seen = self.settled("VERIFY_RESIZE")
            assert seen["flavor"]["id"] == target and seen["OS-EXT-STS:vm_state"] == "resized", seen
            assert seen["OS-EXT-STS:power_state"] == 1, seen
            for refused in ({"os-stop": None}, {"resize": {"flavorRef": SMALL}}, {"reboot": {"type": "HARD"}}):
                self.act(at, refused, expect=(409,))
            self.act(at, {"confirmResize": None}, expect=(204,))
            self.settled("ACTIVE")
            for late in ("confirmResize", "revertResize"):
                self.act(at, {late: None}, expect=(409,))
        assert self.used() == (1, 1024), self.used()
        rule("nova.servers.resize", "002c002f", "847f2137", "93a8bc16")
        rule("nova.servers.confirm_resize", "2f3174f7", "a7349c89", "93a8bc16")

    def step_back(self):
        """resized and reverted: both flavors are held until then"""
        for at in self.faces:
            self.act(at, {"resize": {"flavorRef": LARGER}})
            self.settled("VERIFY_RESIZE")
            assert self.used() == (1, 2048), self.used()
            self.act(at, {"revertResize": None})
            seen = self.settled("ACTIVE")
            assert seen["flavor"]["id"] == "between", seen
            assert self.used() == (1, 1024), self.used()
        rule("nova.servers.revert_resize", "9a8d26f7", "a7349c89", "93a8bc16")

    def step_off(self):
        """a server that is off stays off"""
        self.act(self.faces[0], {"os-stop": None})
        self.settled("SHUTOFF")
        for end, status in (("revertResize", (202,)), ("confirmResize", (204,))):
            self.act(self.faces[0], {"resize": {"flavorRef": LARGER}})
            seen = self.settled("VERIFY_RESIZE")
            assert seen["OS-EXT-STS:power_state"] == 4, seen
            self.act(self.faces[0], {end: None}, expect=status)
            self.settled("SHUTOFF")
        self.act(self.faces[0], {"os-start": None})
        assert self.settled("ACTIVE")["flavor"]["id"] == LARGER

    def step_no_room(self):
        """where the node has no room the server is as it was"""
        self.act(self.faces[0], {"resize": {"flavorRef": TOO_LARGE}})
        seen = self.settled("ACTIVE")
        assert seen["flavor"]["id"] == LARGER and self.used() == (1, 2048), seen
        rule("nova.servers.resize", "6d42f611")

    def host(self, server=None):
        return self.shown(server)["OS-EXT-SRV-ATTR:host"]

    def disk_gib(self, server=None):
        volumes = self.shown(server)["os-extended-volumes:volumes_attached"]
        return [self.call("GET", self.cinder(f"/volumes/{volume['id']}"))["volume"]["size"] for volume in volumes]

    def step_elsewhere(self):
        """where its node has no room it goes to the other one: back with what it had, or for good with nothing left behind"""
        at, was = self.faces[0], self.disk_gib()
        assert self.host() == "node-1", self.host()
        self.act(at, {"resize": {"flavorRef": MEDIUM}})
        seen = self.settled("VERIFY_RESIZE")
        assert (self.host(), seen["flavor"]["id"], self.disk_gib()) == ("node-2", MEDIUM, [40]), seen
        assert seen["OS-EXT-STS:power_state"] == 1, seen
        self.act(at, {"revertResize": None})
        seen = self.settled("ACTIVE")
        assert (self.host(), seen["flavor"]["id"], self.disk_gib()) == ("node-1", LARGER, was), seen
        assert self.used() == (1, 2048), self.used()

        body = {"id": "wide", "name": "wide", "ram": 3900, "vcpus": 1, "disk": 20}
        self.call("POST", self.nova("/flavors"), {"flavor": body})
        mover = self.make("mover")
        assert self.host(mover) == "node-2", "the emptier one"
        self.act(at, {"resize": {"flavorRef": "wide"}}, server=mover)
        self.settled("VERIFY_RESIZE", mover)
        self.act(at, {"confirmResize": None}, expect=(204,), server=mover)
        self.settled("ACTIVE", mover)
        assert self.host(mover) == "node-1", self.host(mover)
        self.call("DELETE", self.nova(f"/servers/{mover}"), expect=(204,))
        url = self.nova(f"/servers/{mover}")
        poll(60, lambda: ((r := request("GET", url, self.token, expect=(200, 404))[0]).get("itemNotFound"), r))
        assert self.used() == (1, 2048), self.used()

    def step_refusals(self):
        """what is wrong is told and named"""
        at = self.faces[0]
        says = lambda action, code: str(self.act(at, action, expect=(code,)))
        assert "instances must change flavor" in says({"resize": {"flavorRef": LARGER}}, 400)
        assert "nowhere could not be found" in says({"resize": {"flavorRef": "nowhere"}}, 400)
        assert "flavorRef" in says({"resize": {}}, 400)
        assert "disks do not shrink" in says({"resize": {"flavorRef": SMALL}}, 400)
        url = f"{self.cloud}/image/v2/images/{self.image}"
        needs = lambda memory: self.call(
            "PATCH", url, [{"op": "replace", "path": "/min_ram", "value": memory}],
            headers={"Content-Type": "application/openstack-images-v2.1-json-patch"},
        )
        needs(3000)
        assert "memory is too small" in says({"resize": {"flavorRef": "between"}}, 400)
        needs(0)
        assert "color" in says({"resize": {"flavorRef": "3", "color": "red"}}, 400)
        body = {"id": "vast", "name": "vast", "ram": 10_000_000, "vcpus": 1, "disk": 20}
        self.call("POST", self.nova("/flavors"), {"flavor": body})
        assert "ram" in says({"resize": {"flavorRef": "vast"}}, 403)
        self.act(at, {"resize": {"flavorRef": "3"}}, expect=(404,), server="00000000-0000-0000-0000-000000000000")
        assert self.shown()["status"] == "ACTIVE"

    def step_kinds(self):
        """the vendor's dialect keeps the kind of resource of a server that an image made"""
        body = {"id": "metal", "name": "metal", "ram": 1024, "vcpus": 1, "disk": 20}
        self.call("POST", self.nova("/flavors"), {"flavor": body})
        specs = {"extra_specs": {"resource_type": "metal"}}
        self.call("POST", self.nova("/flavors/metal/os-extra_specs"), specs)
        refused = self.act(self.faces[2], {"resize": {"flavorRef": "metal"}}, expect=(400,))
        assert "resource_type" in str(refused), refused
        self.act(self.faces[0], {"resize": {"flavorRef": "metal"}})
        self.settled("VERIFY_RESIZE")
        self.act(self.faces[0], {"revertResize": None})
        self.settled("ACTIVE")
        rule("nova.servers.resize", "22f3db57")

    def step_deleted_between(self):
        """a server between two flavors can be deleted, and so can one on its way"""
        for wait in (True, False):
            server = self.make("short")
            self.act(self.faces[0], {"resize": {"flavorRef": LARGER}}, server=server)
            if wait:
                self.settled("VERIFY_RESIZE", server)
            self.call("DELETE", self.nova(f"/servers/{server}"), expect=(204,))
            url = self.nova(f"/servers/{server}")
            poll(60, lambda: ((r := request("GET", url, self.token, expect=(200, 404))[0]).get("itemNotFound"), r))
        assert self.used() == (1, 2048), self.used()

    def step_confirmed_by_time(self):
        """what nobody confirms is confirmed at its time, and not before"""
        at = self.faces[0]
        self.act(at, {"resize": {"flavorRef": "metal"}})
        self.settled("VERIFY_RESIZE")
        self.act(at, {"revertResize": None})
        self.settled("ACTIVE")
        # The schedule of a resize that was taken back is gone with it.
        self.turn_clock(CONFIRM_AFTER + 60)
        self.act(at, {"resize": {"flavorRef": "metal"}})
        self.settled("VERIFY_RESIZE")
        self.turn_clock(CONFIRM_AFTER - 120)
        assert self.shown()["status"] == "VERIFY_RESIZE"
        self.turn_clock(180)
        assert self.settled("ACTIVE")["flavor"]["id"] == "metal"
        self.act(at, {"resize": {"flavorRef": LARGER}})
        self.settled("VERIFY_RESIZE")
        self.act(at, {"confirmResize": None}, expect=(204,))
        self.settled("ACTIVE")
        actions = self.call("GET", self.nova(f"/servers/{self.first}/os-instance-actions"))["instanceActions"]
        assert {"resize", "confirmResize", "revertResize"} <= {action["action"] for action in actions}, actions

    def step_ecs(self):
        """ECS: one job does all of it, for a server that is off; a dry run changes nothing"""
        resize = lambda flavor, expect, **more: self.call(
            "POST", self.v1(f"/cloudservers/{self.first}/resize"), {"resize": {"flavorRef": flavor}, **more}, expect=expect
        )
        assert resize("between", (400,))["error"]["code"] == "Ecs.0100"
        self.act(self.faces[0], {"os-stop": None})
        self.settled("SHUTOFF")
        for flavor, code in ((LARGER, "Ecs.0810"), ("nowhere", "Ecs.0029")):
            for dry_run in (True, False):
                assert resize(flavor, (400,), dry_run=dry_run)["error"]["code"] == code, (flavor, code)
        assert resize("between", (202,), dry_run=True) is None
        assert self.shown()["flavor"]["id"] == LARGER and self.shown()["status"] == "SHUTOFF"
        job = self.job(resize("between", (200,), dry_run=False)["job_id"])
        assert job["entities"]["server_id"] == self.first, job
        assert self.settled("SHUTOFF")["flavor"]["id"] == "between"
        rule("ecs.servers.resize", "36fcc955", "c51dd64f", "1ff59086", "5d583732", "f6ee11ab")
        self.job(resize(TOO_LARGE, (200,))["job_id"], state="FAIL")
        assert self.settled("SHUTOFF")["flavor"]["id"] == "between"

    def step_easystack(self):
        """EasyStack: resized, and nobody is asked"""
        self.act(f"{self.easystack}/v2.1/{self.project}", {"resize": {"flavorRef": LARGER}})
        assert self.settled("SHUTOFF")["flavor"]["id"] == LARGER
        assert self.used() == (1, 2048), self.used()


if __name__ == "__main__":
    edits = (
        f's/^name = "node-1"/&\\nmemory-mib = {MEMORY_MIB}/',
        f's/^# --- the APIs/{OTHER_NODE}\\n\\n&/',
        f"s/^default-zone = .*/&\\nconfirm-resizes-after-seconds = {CONFIRM_AFTER}/",
        r"s/^\[operator\]/&\nturns-clock = true/",
    )
    sys.exit(harness.main(Resizes, edits))
