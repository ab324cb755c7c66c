#!/usr/bin/env python3
"""Rules of ECS v1 that only a whole cloud can show: what a guest finds, whom addresses belong to, batches of a thousand.

The deployment is the laptop's with other quotas and the policies of two roles. What a step has proven, it tells the coverage
report.
"""

import re
import sys
import time

import harness
from ecs_tags import Tags
from harness import poll, request, rule

MANY = 1000
A_MINUTE = 60
GROUPS, RULES = 4, 20
PASSWORD = "Correct-Horse-9"
EDITS = [
    "$a[compute.quotas]\\nservers = -1\\nvcpus = -1\\nmemory-mib = -1\\nports = -1\\nvolumes = -1\\nvolume-gib = -1\\n"
    f"security-groups = {GROUPS}\\nsecurity-group-rules = {RULES}",
    '$a[identity.policy.builder]\\nallow = ["ecs:cloudServers:create"]',
    '$a[identity.policy.address-keeper]\\nallow = ["vpc:publicIps:create", "public-addresses:bind"]',
]
CREATE, DELETE = "ecs.servers.create", "ecs.servers.delete"
ATTACH, DETACH = "ecs.server_volumes.attach", "ecs.server_volumes.detach"


class Session(Tags, harness.Session):
    # --- helpers ---

    def create(self, name, **more):
        """Ids of the new servers, in the order of their sub-jobs."""
        job = self.job(self.call("POST", self.v1("/cloudservers"), self.server(name, **more))["job_id"], A_MINUTE * 2)
        return [sub["entities"]["server_id"] for sub in job["entities"]["sub_jobs"]]

    def refused(self, status, code, path, body, token=None):
        answer = self.call("POST", self.v1(path), body, token=token or self.token, expect=(status,))
        assert answer["error"]["code"] == code, answer
        return answer["error"]

    def delete(self, servers, **options):
        body = {"servers": [{"id": server} for server in servers], **options}
        return self.job(self.call("POST", self.v1("/cloudservers/delete"), body)["job_id"], A_MINUTE)

    def change(self, servers, key, state="SUCCESS", **options):
        body = {key: {"servers": [{"id": server} for server in servers], **options}}
        return self.job(self.call("POST", self.v1("/cloudservers/action"), body)["job_id"], A_MINUTE, state)

    def seed(self, server):
        """What the simulated guest says that it found at its first boot: host name, keys, password."""
        body = {"os-getConsoleOutput": {}}
        text = self.call("POST", self.nova(f"/servers/{server}/action"), body)["output"]
        found = re.search(r"simulated guest: host name (\S+), (\d+) keys, (.+)", text)
        assert found, text
        return found.groups()

    def addresses(self):
        """Public addresses that there are: id -> address."""
        ports = self.call("GET", self.neutron("/ports?device_owner=public-address"))["ports"]
        return {port["device_id"]: port["fixed_ips"][0]["ip_address"] for port in ports}

    def floating(self, server):
        nets = self.call("GET", self.nova(f"/servers/{server}"))["server"]["addresses"].values()
        return [a["addr"] for net in nets for a in net if a["OS-EXT-IPS:type"] == "floating"]

    def disks(self, server):
        """Mount point -> disk, of what the server has."""
        at = f"{self.ecs}/v2.1/servers/{server}/block_device"
        listed = self.call("GET", at)["volumeAttachments"]
        for one in listed:
            assert one["id"] == one["volumeId"] and one["serverId"] == server, one
            assert self.call("GET", f"{at}/{one['id']}") == {"volumeAttachment": one}
        return {one["device"]: one for one in listed}

    def attach(self, server, volume, expect=(200,), dry_run=None, **more):
        body = {"volumeAttachment": {"volumeId": volume, **more}} | ({} if dry_run is None else {"dry_run": dry_run})
        return self.call("POST", self.v1(f"/cloudservers/{server}/attachvolume"), body, expect=expect)

    def detach(self, server, volume, query="", expect=(200,)):
        return self.call("DELETE", self.v1(f"/cloudservers/{server}/detachvolume/{volume}{query}"), expect=expect)

    def statuses(self):
        listed = self.call("GET", self.nova("/servers/detail?limit=1000"))["servers"]
        return sorted(server["id"] for server in listed), {server["status"] for server in listed}

    # --- the steps, in order ---

    def step_guest(self):
        """a guest finds its name, its key or its password"""
        self.call("POST", self.nova("/os-keypairs"), {"keypair": {"name": "key"}})
        user_data = "I2Nsb3VkLWNvbmZpZwo="
        wanted = [
            ({"name": "云Web_1.a", "adminPass": PASSWORD}, ("0", "a password")),
            ({"name": "with-key", "key_name": "key"}, ("1", "no password")),
            ({"name": "with-neither"}, ("0", "no password")),
            ({"name": "with-both", "adminPass": PASSWORD, "user_data": user_data}, ("0", "no password, user data")),
            ({"name": "云"}, ("0", "no password")),
        ]
        servers = []
        for more, found in wanted:
            (server,) = self.create(**more)
            servers.append(server)
            host, *login = self.seed(server)
            assert tuple(login) == found, (more, login)
            # RFC 952 and 1123: labels of letters, digits and hyphens, none at their ends.
            assert re.fullmatch(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", host), host
        self.delete(servers, delete_volume=True)
        rule(CREATE, "a010e10c", "356d3a16", "687b7c68", "130a1dfa")

    def step_cards(self):
        """a card may go without groups, the others have the default one; an address fits its subnet"""
        nics = [{"subnet_id": self.network}, {"subnet_id": self.network}]
        nics[1]["binding:profile"] = {"disable_security_groups": True}
        servers = self.create("cards", nics=nics) + self.create("entry", security_groups=[{}])
        ports = [self.call("GET", self.neutron(f"/ports?device_id={server}"))["ports"] for server in servers]
        names = {g["id"]: g["name"] for g in self.call("GET", self.neutron("/security-groups"))["security_groups"]}
        groups = sorted([names[g] for g in port["security_groups"]] for port in ports[0])
        assert groups == [[], ["default"]], groups
        assert [names[g] for g in ports[1][0]["security_groups"]] == ["default"]
        rule(CREATE, "fa3f5d52", "e8f3bec4")
        taken = ports[1][0]["fixed_ips"][0]["ip_address"]
        on = lambda address: self.server("x", nics=[{"subnet_id": self.network, "ip_address": address}])
        self.refused(400, "Ecs.0010", "/cloudservers", on(taken))
        error = self.refused(400, "Ecs.0005", "/cloudservers", on("192.0.2.1"))
        assert error["message"] == f"privateIp [192.0.2.1] is not in this subnet [{self.network}]", error
        assert error["details"][0]["code"] == "Ecs.0039", error
        rule(CREATE, "030815d1", "aebb855e")
        outside = self.call("GET", self.neutron("/networks?router:external=true"))["networks"][0]["id"]
        self.refused(400, "Ecs.0064", "/cloudservers", self.server("x", nics=[{"subnet_id": outside}]))
        rule(CREATE, "91ed587b")
        self.delete(servers, delete_volume=True)

    def step_permissions(self):
        """making a server, an address for it, and taking one over are permissions of their own"""
        v3 = f"{self.cloud}/identity/v3"
        roles = {role["name"]: role["id"] for role in self.call("GET", f"{v3}/roles")["roles"]}
        builder, keeper = (
            self.call("POST", f"{v3}/roles", {"role": {"name": name}})["role"]["id"] for name in ("builder", "address-keeper")
        )
        user = {"name": "maker", "password": PASSWORD, "domain_id": "default"}
        user = self.call("POST", f"{v3}/users", {"user": user})["user"]["id"]
        grant = lambda role: self.call("PUT", f"{v3}/projects/{self.project}/users/{user}/roles/{role}", expect=(204,))
        eip = {"iptype": "5_bgp", "bandwidth": {"size": 10, "sharetype": "PER", "chargemode": "traffic"}}
        plain, new = self.server("x"), self.server("x", publicip={"eip": eip})
        bound = self.server("x", publicip={"id": self.network})
        for body in (plain, new, bound):
            body["dry_run"] = True
        login = lambda: self.login("maker", PASSWORD, {"id": self.project})[0]

        def outcomes(token):
            for body in (plain, new, bound):
                url = self.v1("/cloudservers")
                answer, _ = request("POST", url, token, body, expect=(202, 400, 403))
                yield answer and answer["error"]["code"]

        grant(roles["reader"])
        assert list(outcomes(login())) == ["Pdp.0001"] * 3
        grant(builder)
        assert list(outcomes(login())) == [None, "Pdp.0001", "Pdp.0001"]
        grant(keeper)
        # The address to bind is none: that is said to those only who may bind one.
        assert list(outcomes(login())) == [None, None, "Ecs.0005"]
        assert self.statuses()[0] == [], "a dry run makes nothing"
        rule(CREATE, "5f8a0ab4", "9036eb04")

    def step_addresses(self):
        """an address is made, kept, taken over and released as the requests say"""
        eip = {"iptype": "5_bgp", "bandwidth": {"size": 10, "sharetype": "PER", "chargemode": "traffic"}}
        (goes,) = self.create("goes", publicip={"eip": eip, "delete_on_termination": True})
        (stays,) = self.create("stays", publicip={"eip": eip})
        first = self.addresses()
        assert len(first) == 2 and sorted(first.values()) == sorted(self.floating(goes) + self.floating(stays)), first
        rule(CREATE, "fb6c62a0", "a5c7e9e2")
        for address in first:
            self.refused(400, "Ecs.0005", "/cloudservers", self.server("x", publicip={"id": address}))
        kept_address = self.floating(stays)
        self.delete([goes, stays])
        kept = self.addresses()
        assert list(kept.values()) == kept_address, (first, kept)
        rule(DELETE, "a01c1816")
        rule(CREATE, "64e31852")
        (address,) = kept

        (taker,) = self.create("taker", publicip={"id": address, "delete_on_termination": True})
        assert self.floating(taker) == kept_address
        rule(CREATE, "b70d325b")
        self.delete([taker], delete_publicip=False)
        assert self.addresses() == kept
        rule(DELETE, "26762270")
        (last,) = self.create("last", publicip={"id": address, "delete_on_termination": False})
        self.delete([last], delete_publicip=True)
        assert self.addresses() == {}
        rule(DELETE, "34b70686")

    def step_limits(self):
        """the limits of security groups are those that the network service keeps to"""
        def fill(what, body, url):
            made = 0
            while True:
                answer, _ = request("POST", url, self.token, body(made), expect=(201, 409))
                if "NeutronError" in answer:
                    return len(self.call("GET", url)[what])
                made += 1
                assert made <= RULES, made

        group = lambda at: {"security_group": {"name": f"group-{at}"}}
        groups = fill("security_groups", group, self.neutron("/security-groups"))
        group_id = self.call("GET", self.neutron("/security-groups"))["security_groups"][-1]["id"]
        of_port = {"direction": "ingress", "protocol": "tcp", "security_group_id": group_id}
        open_port = lambda at: {"security_group_rule": {**of_port, "port_range_min": at + 1, "port_range_max": at + 1}}
        rules = fill("security_group_rules", open_port, self.neutron("/security-group-rules"))
        limits = self.call("GET", self.v1("/cloudservers/limits"))["absolute"]
        assert (groups, rules) == (GROUPS, RULES), (groups, rules)
        assert (limits["maxSecurityGroups"], limits["maxSecurityGroupRules"]) == (GROUPS, RULES), limits
        assert limits["totalSecurityGroupsUsed"] == GROUPS, limits
        rule("ecs.quotas.get", "6bcd0f55")

    def step_partial(self):
        """one server's state fails its sub-job, and no server at all the request"""
        one, other = self.create("part", count=2)
        self.change([one], "os-stop")
        job = self.change([one, other], "os-stop", state="FAIL")
        codes = [sub["error_code"] for sub in job["entities"]["sub_jobs"]]
        assert (job["error_code"], codes) == ("Ecs.0611", ["Ecs.0100", None]), job
        assert job["entities"]["sub_jobs"][0]["entities"]["errorcode_message"], job
        nobody = {"servers": [{"id": one}, {"id": self.project}]}
        self.refused(404, "Ecs.0114", "/cloudservers/action", {"os-start": nobody})
        self.refused(404, "Ecs.0114", "/cloudservers/delete", nobody)
        answer, _ = request("POST", self.v1("/cloudservers"), self.token, b"", expect=(400,))
        assert answer["error"]["code"] == "Common.0002", answer
        answer, _ = request("POST", self.v1("/cloudservers/action"), self.token, b"", expect=(400,))
        assert answer["error"]["code"] == "Common.0002", answer
        self.delete([one, other], delete_volume=True)

    def step_attach(self):
        """a disk comes to a server at its mount point, a dry run attaches none, and the job's end is the work's end"""
        (self.holder,) = self.create("holder")
        self.data = [self.volume(2), self.volume(3)]
        one, other = self.data
        (system,) = self.disks(self.holder).values()
        assert (system["device"], system["bootIndex"], system["size"], system["bus"]) == ("/dev/vda", 0, 1, "virtio"), system
        code = lambda volume, **more: self.attach(self.holder, volume, expect=(400, 404), **more)["error"]["code"]
        assert {code(one, device=device) for device in ("/dev/vda", "/dev/sda", "/dev/vdc", "/dev/xvdb")} == {"Ecs.0005"}
        assert code(self.network) == "Ecs.0103"
        unknown = self.v1(f"/cloudservers/{self.network}/attachvolume")
        answer = self.call("POST", unknown, {"volumeAttachment": {"volumeId": one}}, expect=(404,))
        assert answer["error"]["code"] == "Ecs.0114", answer

        assert self.attach(self.holder, one, expect=(202,), dry_run=True, device="/dev/sdb") is None
        planned = {"volume_type": "SSD", "hw:passthrough": "false"}
        assert self.attach(self.holder, self.network, expect=(202,), dry_run=True, count=59, **planned) is None
        for wrong, expected in [
            ({}, "Ecs.0005"), ({**planned, "volume_type": "gold"}, "Ecs.0043"), ({**planned, "count": 60}, "Ecs.0042"),
            ({**planned, "hw:passthrough": "true"}, "Ecs.0037"), ({**planned, "device": "/dev/vda"}, "Ecs.0005"),
        ]:
            assert code(self.network, dry_run=True, **wrong) == expected, wrong
        assert list(self.disks(self.holder)) == ["/dev/vda"] and self.volume_status(one) == "available"

        for volume, more, device in [(one, {"device": "/dev/sdb"}, "/dev/vdb"), (other, {"dry_run": False}, "/dev/vdc")]:
            job = self.job(self.attach(self.holder, volume, **more)["job_id"])
            assert (job["job_type"], job["entities"]) == ("attachVolume", {"server_id": self.holder}), job
            disk = self.disks(self.holder)[device]
            assert disk["id"] == volume and disk["bootIndex"] > 0, disk
            assert self.volume_status(volume) == "in-use"
        assert [disk["size"] for disk in self.disks(self.holder).values()] == [1, 2, 3]
        assert code(one) == "Ecs.0057"
        rule(ATTACH, "b7c6871a", "33adc945", "37c3f5f1", "617d2528", "52f90689", "bbb61a8b", "4017eb6d")
        rule("ecs.server_block_devices.list", "bcdb3c07", "cd063c9f", "007b7ab7")
        rule("ecs.server_block_devices.get", "d1c709be", "cd063c9f", "007b7ab7")

    def step_detach(self):
        """a disk leaves a server; by force where no guest runs"""
        one, other = self.data
        system = self.disks(self.holder)["/dev/vda"]["id"]
        code = lambda volume, query="": self.detach(self.holder, volume, query, expect=(400,))["error"]["code"]
        assert (code(system), code(self.network), code(one, "?delete_flag=2")) == ("Ecs.0102", "Ecs.0111", "Ecs.0005")
        assert code(one, "?delete_flag=1") == "Ecs.0005", "its guest runs"
        job = self.job(self.detach(self.holder, one)["job_id"])
        assert (job["job_type"], job["entities"]) == ("detachVolume", {"server_id": self.holder}), job
        assert list(self.disks(self.holder)) == ["/dev/vda", "/dev/vdc"] and self.volume_status(one) == "available"
        gone = self.call("GET", f"{self.ecs}/v2.1/servers/{self.holder}/block_device/{one}", expect=(400,))
        assert gone["error"]["code"] == code(one) == "Ecs.0111", gone
        self.change([self.holder], "os-stop", type="HARD")
        assert code(system, "?delete_flag=1") == "Ecs.0102"
        self.job(self.detach(self.holder, other, "?delete_flag=1")["job_id"])
        assert list(self.disks(self.holder)) == ["/dev/vda"] and self.volume_status(other) == "available"
        self.delete([self.holder], delete_volume=True)
        for volume in self.data:
            self.call("DELETE", self.cinder(f"/volumes/{volume}"))
        rule(DETACH, "3ef558f5", "f0f29e88", "259c2b7f")

    def step_nics(self):
        """network cards come to a server together, and leave it; the first one stays"""
        (server,) = self.create("cards")
        at = f"/cloudservers/{server}/nics"
        listed = lambda: self.call("GET", self.nova(f"/servers/{server}/os-interface"))["interfaceAttachments"]
        cards = lambda: {one["port_id"]: one["fixed_ips"][0]["ip_address"] for one in listed()}
        (primary,) = cards()
        add = lambda *nics: self.job(self.call("POST", self.v1(at), {"nics": list(nics)})["job_id"])
        on = {"subnet_id": self.network}
        job = add(on)
        assert job["job_type"] == "attachNic" and list(job["entities"]) == ["nic_id"], job
        one = job["entities"]["nic_id"]
        assert set(cards()) == {primary, one} and cards()[one]

        pools = self.call("GET", self.neutron(f"/subnets?network_id={self.network}"))["subnets"][0]["allocation_pools"]
        groups = self.call("GET", self.neutron("/security-groups"))["security_groups"]
        last, group = pools[0]["end"], next(one["id"] for one in groups if one["name"] != "default")
        job = add({**on, "security_groups": [{"id": group}]}, {**on, "ip_address": last})
        assert job["entities"]["sub_jobs_total"] == 2, job
        grouped, addressed = [sub["entities"]["nic_id"] for sub in job["entities"]["sub_jobs"]]
        assert cards()[addressed] == last and set(cards()) == {primary, one, grouped, addressed}
        assert self.call("GET", self.neutron(f"/ports/{grouped}"))["port"]["security_groups"] == [group]

        for nic, code in [
            ({"subnet_id": server}, "Ecs.0038"), ({**on, "ip_address": last}, "Ecs.0010"), ({"subnet_id": "x"}, "Ecs.0005"),
            ({**on, "security_groups": [{"id": server}]}, "Ecs.0014"),
        ]:
            self.refused(400, code, at, {"nics": [nic]})
        outside = self.refused(400, "Ecs.0005", at, {"nics": [{**on, "ip_address": "192.0.2.9"}]})
        assert outside["details"][0]["code"] == "Ecs.0039", outside
        self.refused(404, "Ecs.0114", f"/cloudservers/{self.network}/nics", {"nics": [on]})
        assert len(cards()) == 4

        ids = lambda *ports: {"nics": [{"id": port} for port in ports]}
        for ports in ((primary,), (one, primary)):
            self.refused(403, "Ecs.0507", f"{at}/delete", ids(*ports))
        self.refused(400, "Ecs.0085", f"{at}/delete", ids(one, self.network))
        self.refused(404, "Ecs.0114", f"/cloudservers/{self.network}/nics/delete", ids(one))
        self.job(self.call("POST", self.v1(f"{at}/delete"), ids(one, grouped))["job_id"])
        assert set(cards()) == {primary, addressed}
        for port in (one, grouped):
            self.call("GET", self.neutron(f"/ports/{port}"), expect=(404,))
        self.change([server], "os-stop", type="HARD")
        job = self.job(self.call("POST", self.v1(f"{at}/delete"), ids(addressed))["job_id"])
        assert (job["job_type"], job["entities"], set(cards())) == ("detachNic", {"nic_id": addressed}, {primary}), job
        self.delete([server], delete_volume=True)
        rule("ecs.server_nics.batch_add", "574c903b", "af5af9a7", "bc1ce787")
        rule("ecs.server_nics.batch_delete", "2b798db1", "37f240b6", "a60a4b6a")

    def step_many(self):
        """a thousand servers stop, start, reboot and go, each within a minute"""
        half = MANY // 2
        servers = self.create("many", count=half) + self.create(f"many-{half:04}", count=half)
        assert self.statuses() == (sorted(servers), {"ACTIVE"})

        def timed(operation, hashes, act, expected):
            start = time.monotonic()
            job = act()
            seconds = time.monotonic() - start
            assert seconds < A_MINUTE, seconds
            assert job["entities"]["sub_jobs_total"] == len(job["entities"]["sub_jobs"]) == MANY
            assert self.statuses() == expected, "the job's end is the work's end"
            print(f"   {operation}: {seconds:.1f} s", flush=True)
            rule(operation, *hashes)

        there = sorted(servers)
        stop = lambda: self.change(servers, "os-stop", type="HARD")
        timed("ecs.servers.batch_stop", ("5221b7e1", "2009507c"), stop, (there, {"SHUTOFF"}))
        start = lambda: self.change(servers, "os-start")
        timed("ecs.servers.batch_start", ("654c1497", "8403a825"), start, (there, {"ACTIVE"}))
        reboot = lambda: self.change(servers, "reboot", type="SOFT")
        timed("ecs.servers.batch_reboot", ("9afd74cd", "edcb0416"), reboot, (there, {"ACTIVE"}))
        gone = lambda: self.delete(servers, delete_volume=True)
        timed(DELETE, ("59058085", "c60b08e3"), gone, ([], set()))
        rule(CREATE, "d3fd991c", "da99047f")


if __name__ == "__main__":
    sys.exit(harness.main(Session, EDITS))
