#!/usr/bin/env python3
"""One cloud, two faces: servers made and deleted through ECS v1, seen and stopped through Nova.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step;
the first FAIL ends it.
"""

import sys

import harness
from harness import poll, request

COUNT = 3


class Session(harness.Session):
    def step_create(self):
        """ECS creates three, job and sub-jobs succeed"""
        body = self.server("ecs", count=COUNT)
        job = self.job(self.call("POST", self.v1("/cloudservers"), body)["job_id"])
        subs = job["entities"]["sub_jobs"]
        assert job["job_type"] == "createServer", job
        assert job["entities"]["sub_jobs_total"] == len(subs) == COUNT, job
        assert all(s["status"] == "SUCCESS" and s["job_type"] == "createSingleServer" for s in subs), subs
        self.servers = sorted(s["entities"]["server_id"] for s in subs)
        assert len(set(self.servers)) == COUNT, self.servers

    def step_list(self):
        """Nova lists the three, ACTIVE, with addresses of their own"""
        listed = self.call("GET", self.nova("/servers/detail"))["servers"]
        assert sorted(s["id"] for s in listed) == self.servers, listed
        assert sorted(s["name"] for s in listed) == ["ecs-0000", "ecs-0001", "ecs-0002"], listed
        assert {s["status"] for s in listed} == {"ACTIVE"}, listed
        assert {s["flavor"].get("id", self.flavor) for s in listed} == {self.flavor}, listed
        addresses = {a["addr"] for s in listed for net in s["addresses"].values() for a in net}
        assert len(addresses) == COUNT, addresses

    def step_stop(self):
        """Nova stops one"""
        first = self.servers[0]
        self.call("POST", self.nova(f"/servers/{first}/action"), {"os-stop": None}, expect=(202,))
        poll(30, lambda: ((s := self.status(first)) == "SHUTOFF", s))
        assert self.status(self.servers[1]) == "ACTIVE"

    def step_delete(self):
        """ECS deletes all in one job"""
        body = {"servers": [{"id": i} for i in self.servers], "delete_publicip": True, "delete_volume": True}
        job = self.job(self.call("POST", self.v1("/cloudservers/delete"), body)["job_id"])
        subs = job["entities"]["sub_jobs"]
        assert job["entities"]["sub_jobs_total"] == len(subs) == COUNT, job
        assert all(s["status"] == "SUCCESS" for s in subs), subs

    def step_gone(self):
        """Nova's list is empty"""
        assert self.call("GET", self.nova("/servers/detail"))["servers"] == []
        for server in self.servers:
            request("GET", self.nova(f"/servers/{server}"), self.token, expect=(404,))


if __name__ == "__main__":
    sys.exit(harness.main(Session))
