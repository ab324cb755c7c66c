#!/usr/bin/env python3
"""One cloud, two faces: servers made and deleted through ECS v1, seen and stopped through Nova.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step;
the first FAIL ends it. Only the standard library, so that it tells what goes over the wire and no client's view of it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests/support"
COUNT = 3


def request(method, url, token=None, body=None, headers=(), expect=(200, 201, 202, 204)):
    """Sends JSON (or bytes as they are), gives (answer, headers); any status but the expected ones is an error."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **dict(headers)}
    if token:
        sent["X-Auth-Token"] = token
    call = urllib.request.Request(url, data=data, method=method, headers=sent)
    try:
        with urllib.request.urlopen(call, timeout=30) as answer:
            status, raw, got = answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        status, raw, got = error.code, error.read(), error.headers
    assert status in expect, f"{method} {url}: {status} {raw[:500]!r}"
    return (json.loads(raw) if raw else None), got


def poll(seconds, predicate):
    """Asks until the predicate gives something true; what it gave last explains a missed deadline."""
    deadline = time.monotonic() + seconds
    while True:
        done, seen = predicate()
        if done:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds} s: {seen}"
        time.sleep(0.1)


class Session:
    def __init__(self, env):
        self.cloud, self.ecs, self.password = (env[k] for k in ("SKYLOOM_URL", "SKYLOOM_ECS_URL", "SKYLOOM_ADMIN_PASSWORD"))
        self.token = self.project = self.image = self.flavor = self.network = self.vpc = None
        self.servers = []

    # --- helpers ---

    def call(self, method, url, body=None, **more):
        return request(method, url, self.token, body, **more)[0]

    def nova(self, path):
        return f"{self.cloud}/compute/v2.1{path}"

    def v1(self, path):
        return f"{self.ecs}/v1/{self.project}{path}"

    def job(self, job_id, seconds=60):
        def ended():
            job = self.call("GET", self.v1(f"/jobs/{job_id}"))
            assert job["status"] in ("INIT", "RUNNING", "SUCCESS", "FAIL"), job
            assert job["status"] != "FAIL", job
            return job["status"] == "SUCCESS", job

        job = poll(seconds, ended)
        assert job["job_id"] == job_id and job["error_code"] is None and job["fail_reason"] is None, job
        assert job["begin_time"] and job["end_time"], job
        return job

    def status(self, server_id):
        return self.call("GET", self.nova(f"/servers/{server_id}"))["server"]["status"]

    # --- the steps, in order ---

    def step_token(self):
        """token of the project"""
        domain = {"id": "default"}
        user = {"name": "admin", "password": self.password, "domain": domain}
        scope = {"project": {"name": os.environ.get("SKYLOOM_PROJECT", "admin"), "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer, headers = request("POST", f"{self.cloud}/identity/v3/auth/tokens", body=body, expect=(201,))
        self.token = headers["X-Subject-Token"]
        self.project = answer["token"]["project"]["id"]
        assert self.token and self.project

    def step_image(self):
        """image uploaded through Glance"""
        body = {"name": "ecs-guest", "disk_format": "raw", "container_format": "bare", "min_disk": 1}
        image = self.call("POST", f"{self.cloud}/image/v2/images", body, expect=(201,))
        self.image = image["id"]
        url = f"{self.cloud}/image/v2/images/{self.image}"
        stream = {"Content-Type": "application/octet-stream"}
        self.call("PUT", f"{url}/file", os.urandom(65536), headers=stream, expect=(204,))
        poll(30, lambda: ((i := self.call("GET", url))["status"] == "active", i))

    def step_network(self):
        """flavor, network and VPC are there"""
        flavors = self.call("GET", self.v1("/cloudservers/flavors"))["flavors"]
        self.flavor = min(flavors, key=lambda f: (int(f["ram"]), int(f["vcpus"])))["id"]
        self.network = self.call("GET", f"{self.cloud}/network/v2.0/networks?router:external=false")["networks"][0]["id"]
        # A VPC is Neutron's router of the project.
        self.vpc = self.call("GET", f"{self.cloud}/network/v2.0/routers")["routers"][0]["id"]

    def step_create(self):
        """ECS creates three, job and sub-jobs succeed"""
        server = {
            "name": "ecs",
            "imageRef": self.image,
            "flavorRef": self.flavor,
            "vpcid": self.vpc,
            "nics": [{"subnet_id": self.network}],
            "root_volume": {"volumetype": "SSD", "size": 1},
            "count": COUNT,
        }
        job = self.job(self.call("POST", self.v1("/cloudservers"), {"server": server})["job_id"])
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


def run(name, step):
    start = time.monotonic()
    try:
        step()
    except Exception as error:  # the reason is the report, whatever it is
        print(f"FAIL {name} ({time.monotonic() - start:.2f} s)\n   {type(error).__name__}: {error}", flush=True)
        return False
    print(f"PASS {name} ({time.monotonic() - start:.2f} s)", flush=True)
    return True


def main():
    work = pathlib.Path(tempfile.mkdtemp(prefix="skyloom-ecs."))
    config = ROOT / "examples/deployments/laptop/skyloom.toml"
    ok = False

    def start():
        subprocess.run([SUPPORT / "skyloom/start", config, work], check=True, stdin=subprocess.DEVNULL)

    def stop():
        subprocess.run([SUPPORT / "skyloom/stop", work], check=True, stdin=subprocess.DEVNULL)

    try:
        ok = run("server starts and is ready", start)
        if ok:
            session = Session(dict(line.split("=", 1) for line in (work / "env").read_text().splitlines()))
            steps = [getattr(session, name) for name in vars(Session) if name.startswith("step_")]
            ok = all(run(step.__doc__, step) for step in steps)
            log = (work / "log").read_text(errors="replace").splitlines()
            if not ok:
                print("-- the server's last lines", *log[-40:], sep="\n")
            ok = run("SIGTERM ends the server with 0", stop) and ok
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
