#!/usr/bin/env python3
"""A new system disk for a server, through every face that has it: Nova at upstream's mount and at the ECS listener, ECS v1, EasyStack.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the first FAIL
ends it. What a passed step proved it says in lines `RULE operation hash`.
"""

import base64
import os
import sys

import harness
from harness import poll, request, rule

SMALL = "1"
PASSWORD = "Correct-Horse-9"
NOBODY = "00000000-0000-0000-0000-000000000000"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43 + " somebody"


class Rebuilds(harness.Session):
    def act(self, at, action, expect=(202,), minor=None, server=None, **more):
        headers = {"X-OpenStack-Nova-API-Version": f"2.{minor}"} if minor else {}
        return self.call("POST", f"{at}/servers/{server or self.first}/action", action, headers=headers, expect=expect, **more)

    def rebuild(self, at, image, expect=(202,), minor=None, server=None, **fields):
        return self.act(at, {"rebuild": {"imageRef": image, **fields}}, expect, minor, server)

    def shown(self, server=None, minor=None):
        headers = {"X-OpenStack-Nova-API-Version": f"2.{minor}"} if minor else {}
        return self.call("GET", self.nova(f"/servers/{server or self.first}"), headers=headers)["server"]

    def settled(self, status, server=None):
        """Once nothing is being done to it; its status must then be this one."""
        def rest():
            seen = self.shown(server)
            return seen["OS-EXT-STS:task_state"] is None and seen["status"] == status, seen

        return poll(60, rest)

    def used(self):
        limits = self.call("GET", self.nova("/limits"))["limits"]["absolute"]
        return limits["totalInstancesUsed"], limits["totalCoresUsed"], limits["totalRAMUsed"]

    def console(self, server=None):
        return self.act(self.faces[0], {"os-getConsoleOutput": {}}, (200,), server=server)["output"]

    def disks(self, server=None):
        volumes = self.shown(server)["os-extended-volumes:volumes_attached"]
        return [self.call("GET", self.cinder(f"/volumes/{volume['id']}"))["volume"] for volume in volumes]

    def make(self, name, **more):
        server = {"name": name, "flavorRef": SMALL, "imageRef": self.image, "networks": [{"uuid": self.network}], **more}
        made = self.call("POST", self.nova("/servers"), {"server": server}, expect=(202,))["server"]["id"]
        self.settled("ACTIVE", made)
        return made

    def new_image(self, name, token=None, **more):
        url = f"{self.cloud}/image/v2/images"
        body = {"name": name, "disk_format": "raw", "container_format": "bare", **more}
        image = self.call("POST", url, body, expect=(201,), token=token or self.token)["id"]
        stream = {"Content-Type": "application/octet-stream"}
        self.call("PUT", f"{url}/{image}/file", os.urandom(65536), headers=stream, expect=(204,), token=token or self.token)
        return image

    def ecs_anew(self, word, expect=(200,), server=None, **guest):
        name = {"reinstallos": "os-reinstall", "changeos": "os-change"}[word]
        url = f"{self.ecs}/v2/{self.project}/cloudservers/{server or self.first}/{word}"
        return self.call("POST", url, {name: guest}, expect=expect)

    # --- the steps ---

    def step_server(self):
        """a server with a data disk, and another image"""
        self.first = self.make("first")
        self.faces = (f"{self.cloud}/compute/v2.1", f"{self.cloud}/compute/v2", f"{self.ecs}/v2.1", f"{self.ecs}/v2")
        self.es = f"{self.easystack}/v2.1/{self.project}"
        self.other = self.new_image("other")
        data = self.volume(1)
        self.act_volume(data)
        self.was = self.disks()
        assert len(self.was) == 2 and self.used() == (1, 1, 512), (self.was, self.used())

    def act_volume(self, volume):
        self.call("POST", self.nova(f"/servers/{self.first}/os-volume_attachments"), {"volumeAttachment": {"volumeId": volume}})
        poll(30, lambda: ((status := self.volume_status(volume)) == "in-use", status))

    def step_nova(self):
        """rebuilt through each path of Nova: another image, the same name of its disks, nothing else of what it holds changes"""
        for at, image in zip(self.faces, (self.other, self.image, self.other, self.image), strict=True):
            before = self.shown()
            said = self.rebuild(at, image, name=f"via-{len(at)}", metadata={"rebuilt": "yes"})["server"]
            assert said["id"] == self.first and said["image"]["id"] == image and said["name"] == f"via-{len(at)}", said
            assert said["status"] == "REBUILD" and said["metadata"] == {"rebuilt": "yes"}, said
            # The vendor sets no password.
            assert ("adminPass" in said) == at.startswith(self.cloud), said
            seen = self.settled("ACTIVE")
            assert seen["image"]["id"] == image and seen["name"] == f"via-{len(at)}", seen
            for kept in ("addresses", "flavor", "created", "OS-EXT-SRV-ATTR:host", "key_name", "user_id"):
                assert seen[kept] == before[kept], (kept, seen, before)
            assert seen["OS-SRV-USG:launched_at"] > before["OS-SRV-USG:launched_at"] and seen["progress"] == 100, seen
            same = lambda disks: [(disk["id"], disk["size"], disk["status"]) for disk in disks]
            assert same(self.disks()) == same(self.was) and self.used() == (1, 1, 512), (self.disks(), self.used())
            password = "a password" if at.startswith(self.cloud) else "no password"
            console = self.console()
            # What the guest said before went with its domain.
            assert console.count("boot with") == 1 and password in console, console
        root = next(disk for disk in self.disks() if disk["bootable"] == "true")
        assert root["volume_image_metadata"]["image_id"] == self.image, root
        actions = self.call("GET", self.nova(f"/servers/{self.first}/os-instance-actions"))["instanceActions"]
        assert [action["action"] for action in actions].count("rebuild") == 4, actions
        # The calls that are recommended instead are there too: step_ecs.
        rule("nova.servers.rebuild", "868f1227", "93a8bc16")

    def step_versions(self):
        """description, key pair, user data and host name come with their versions; the guest finds them at its first boot"""
        at, key = self.faces[0], {"keypair": {"name": "key", "public_key": PUBLIC_KEY}}
        self.call("POST", self.nova("/os-keypairs"), key)
        data = base64.b64encode(b"#!/bin/sh\n").decode()
        fields = {"description": "new", "key_name": "key", "user_data": data, "hostname": "inside"}
        for minor, name in ((18, "description"), (53, "key_name"), (56, "user_data"), (89, "hostname")):
            told = self.rebuild(at, self.image, (400,), minor, **{name: fields[name]})
            assert name in str(told), told
        said = self.rebuild(at, self.image, minor=90, **fields)["server"]
        assert (said["key_name"], said["OS-EXT-SRV-ATTR:user_data"], said["description"]) == ("key", data, "new"), said
        self.settled("ACTIVE")
        seen = self.shown(minor=90)
        assert (seen["description"], seen["key_name"], seen["OS-EXT-SRV-ATTR:hostname"]) == ("new", "key", "inside"), seen
        console = self.console()
        assert "host name inside, 1 keys, a password, user data" in console, console
        self.rebuild(at, self.image, minor=90, description=None, key_name=None, user_data=None)
        self.settled("ACTIVE")
        seen = self.shown(minor=90)
        assert (seen["description"], seen["key_name"], seen["OS-EXT-SRV-ATTR:user_data"]) == (None, None, None), seen
        assert "0 keys, a password\n" in self.console(), self.console()
        told = self.rebuild(at, self.image, (400,), 63, trusted_image_certificates=["c"])
        assert "trusted_image_certificates" in str(told), told
        assert "key_name" in str(self.rebuild(at, self.image, (400,), 54, key_name="none"))

    def step_off(self):
        """a server that is off stays off"""
        self.act(self.faces[0], {"os-stop": None})
        self.settled("SHUTOFF")
        self.rebuild(self.faces[0], self.other)
        seen = self.settled("SHUTOFF")
        assert seen["image"]["id"] == self.other and seen["OS-EXT-STS:power_state"] == 4, seen
        self.act(self.faces[0], {"os-start": None})
        self.settled("ACTIVE")
        assert self.console().count("boot with") == 1, self.console()

    def step_images_in_use(self):
        """the image that a server leaves is free, the one that it takes is not"""
        url = f"{self.cloud}/image/v2/images"
        brief = self.new_image("brief")
        self.rebuild(self.faces[0], brief)
        self.settled("ACTIVE")
        self.call("DELETE", f"{url}/{brief}", expect=(409,))
        self.rebuild(self.faces[0], self.image)
        self.settled("ACTIVE")
        self.call("DELETE", f"{url}/{brief}", expect=(204,))

    def step_refusals(self):
        """what is wrong is told and named, and the server stays as it is"""
        at, before = self.faces[0], self.shown()
        says = lambda code, image=self.image, **more: str(self.rebuild(at, image, (code,), **more))
        assert "Cannot find image for rebuild" in says(400, NOBODY)
        assert "imageRef" in str(self.act(at, {"rebuild": {}}, (400,)))
        assert "color" in says(400, color="red")
        queued = {"name": "queued", "disk_format": "raw", "container_format": "bare"}
        queued = self.call("POST", f"{self.cloud}/image/v2/images", queued, expect=(201,))["id"]
        assert "is not active" in says(400, queued)
        assert "memory is too small" in says(400, self.new_image("hungry", min_ram=4096))
        assert "disk is too small" in says(400, self.new_image("vast", min_disk=2))
        assert "metadata items" in says(403, metadata={str(number): "x" for number in range(129)})
        self.rebuild(at, self.image, (404,), server=NOBODY)
        self.act(at, {"lock": None})
        member = self.foreign(self.project, "member")
        assert "is locked" in str(self.act(at, {"rebuild": {"imageRef": self.image}}, (409,), token=member))
        self.act(at, {"unlock": None})
        self.act(at, {"pause": None})
        self.settled("PAUSED")
        assert "vm_state paused" in says(409)
        self.act(at, {"unpause": None})
        self.settled("ACTIVE")
        after = self.shown()
        assert all(after[name] == before[name] for name in ("name", "image", "metadata", "OS-SRV-USG:launched_at")), after

    def foreign(self, project, name):
        """A token of a new member of the project."""
        v3 = f"{self.cloud}/identity/v3"
        user = {"user": {"name": name, "password": PASSWORD, "domain_id": "default"}}
        user = self.call("POST", f"{v3}/users", user, expect=(201,))["user"]["id"]
        role = self.call("GET", f"{v3}/roles?name=member")["roles"][0]["id"]
        self.call("PUT", f"{v3}/projects/{project}/users/{user}/roles/{role}", expect=(204,))
        return self.login(name, PASSWORD, {"id": project})[0]

    def step_foreign(self):
        """another project has neither the server nor the image"""
        v3 = f"{self.cloud}/identity/v3"
        project = self.call("POST", f"{v3}/projects", {"project": {"name": "elsewhere", "domain_id": "default"}}, expect=(201,))
        project = project["project"]["id"]
        token = self.foreign(project, "stranger")
        for at in self.faces:
            self.act(at, {"rebuild": {"imageRef": self.image}}, (404,), token=token)
        self.act(f"{self.easystack}/v2.1/{project}", {"rebuild": {"imageRef": self.image}}, (404,), token=token)
        theirs = self.new_image("theirs", token=token, visibility="private")
        member = self.login("member", PASSWORD, {"id": self.project})[0]
        assert "Cannot find image" in str(self.act(self.faces[0], {"rebuild": {"imageRef": theirs}}, (400,), token=member))
        for word, guest in (("reinstallos", {}), ("changeos", {"imageid": self.image})):
            url = f"{self.ecs}/v2/{project}/cloudservers/{self.first}/{word}"
            body = {"os-reinstall" if word == "reinstallos" else "os-change": guest}
            answer = self.call("POST", url, body, token=token, expect=(404,))
            assert answer["error"]["code"] == "Ecs.0114", answer

    def step_volume(self):
        """a server whose system disk is a volume is rebuilt from 2.93 on, in its volume"""
        body = {"volume": {"size": 1, "imageRef": self.image}}
        root = self.call("POST", self.cinder("/volumes"), body)["volume"]["id"]
        poll(30, lambda: ((status := self.volume_status(root)) == "available", status))
        device = {"source_type": "volume", "destination_type": "volume", "uuid": root, "boot_index": 0}
        body = {"name": "on-volume", "flavorRef": SMALL, "block_device_mapping_v2": [device], "networks": [{"uuid": self.network}]}
        server = self.call("POST", self.nova("/servers"), {"server": body}, expect=(202,))["server"]["id"]
        self.settled("ACTIVE", server)
        assert "different image" in str(self.rebuild(self.faces[0], self.other, (400,), 92, server))
        self.rebuild(self.faces[0], self.other, minor=93, server=server)
        seen = self.settled("ACTIVE", server)
        assert seen["image"] == "" and [disk["id"] for disk in self.disks(server)] == [root], seen
        assert self.disks(server)[0]["volume_image_metadata"]["image_id"] == self.other, self.disks(server)
        self.call("DELETE", self.nova(f"/servers/{server}"), expect=(204,))
        poll(60, lambda: ((status := self.volume_status(root)) == "available", status))

    def step_ecs(self):
        """ECS: reinstalled from its own image and changed to another, each as one job, of a server that is off"""
        refused = self.ecs_anew("reinstallos", (400,))
        assert refused["error"]["code"] == "Ecs.0100", refused
        self.act(self.faces[0], {"os-stop": None})
        self.settled("SHUTOFF")
        same = lambda disks: [(disk["id"], disk["size"]) for disk in disks]
        mine = self.call("GET", f"{self.cloud}/identity/v3/auth/tokens", headers={"X-Subject-Token": self.token})["token"]["user"]["id"]
        for word, guest, image in (
            ("changeos", {"imageid": self.other, "keyname": "key", "userid": mine}, self.other),
            ("reinstallos", {"keyname": "key", "userid": mine}, self.other),
            ("changeos", {"imageid": self.image, "keyname": "key"}, self.image),
        ):
            job = self.job(self.ecs_anew(word, **guest)["job_id"])
            assert job["entities"]["server_id"] == self.first, job
            seen = self.settled("SHUTOFF")
            assert seen["image"]["id"] == image and seen["key_name"] == "key", seen
            assert same(self.disks()) == same(self.was), self.disks()
        data = base64.b64encode(b"#!/bin/sh\n").decode()
        self.job(self.ecs_anew("reinstallos", adminpass=PASSWORD, metadata={"user_data": data})["job_id"])
        self.act(self.faces[0], {"os-start": None})
        seen = self.settled("ACTIVE")
        assert seen["key_name"] is None and "0 keys, a password, user data" in self.console(), (seen, self.console())
        # One that runs, where the request says that it may be stopped.
        self.job(self.ecs_anew("reinstallos", mode="withStopServer")["job_id"])
        self.settled("ACTIVE")
        rule("ecs.servers.reinstall_os", "d2cce358", "7f419595", "cd4a340a")
        rule("ecs.servers.change_os", "0d3cd45b", "f7aa3ec3", "c0cd1f2b")
        rule("nova.servers.rebuild", "99260a64")

    def step_ecs_refusals(self):
        """ECS: what is wrong has the vendor's codes"""
        self.act(self.faces[0], {"os-stop": None})
        self.settled("SHUTOFF")
        code = lambda word, status=400, **guest: self.ecs_anew(word, (status,), **guest)["error"]["code"]
        assert code("changeos", imageid=NOBODY) == "Ecs.0031"
        assert code("reinstallos", keyname="none") == "Ecs.0314"
        assert code("reinstallos", keyname="key", userid="f" * 32) == "Ecs.0314"
        assert code("reinstallos", metadata={"user_data": "not base64!"}) == "Ecs.0005"
        assert code("reinstallos", adminpass="weak") == "Ecs.0011"
        assert code("changeos", imageid=self.new_image("bare", __support_fc_inject="true")) == "Ecs.0032"
        assert code("reinstallos", 404, server=NOBODY) == "Ecs.0114"

    def step_easystack(self):
        """EasyStack: as Nova does it"""
        self.rebuild(self.es, self.other, name="last", adminPass="another one")
        seen = self.settled("SHUTOFF")
        assert (seen["image"]["id"], seen["name"]) == (self.other, "last"), seen
        told = self.rebuild(self.es, NOBODY, (400,))
        assert told["error"]["message"] == "Cannot find image for rebuild", told
        self.call("DELETE", self.nova(f"/servers/{self.first}"), expect=(204,))
        url = self.nova(f"/servers/{self.first}")
        poll(60, lambda: ((r := request("GET", url, self.token, expect=(200, 404))[0]).get("itemNotFound"), r))
        assert self.used() == (0, 0, 0), self.used()


if __name__ == "__main__":
    sys.exit(harness.main(Rebuilds))
