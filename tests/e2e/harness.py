"""What the sessions in Python share: a Skyloom of their own, requests over the wire, polls with a deadline, steps.

A session is a class over `Session` whose methods `step_*` run in order; `main` prints PASS or FAIL with seconds for each, and the
first FAIL ends it. Only the standard library, so that it tells what goes over the wire and no client's view of it.
"""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests/support"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
SKYLOOM = pathlib.Path(os.environ.get("SKYLOOM_BIN", TARGET / "debug/skyloom"))
VENV = pathlib.Path(os.environ.get("SKYLOOM_VENV", TARGET / "venv"))


def request(method, url, token=None, body=None, headers=(), expect=(200, 201, 202, 204)):
    """Sends JSON (or bytes as they are), gives (answer, headers), an answer that is no JSON as its text; any status but the expected ones is an error."""
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
    if raw and "json" not in got.get("Content-Type", ""):
        return raw.decode(errors="replace"), got
    return (json.loads(raw) if raw else None), got


def poll(seconds, predicate):
    """Asks until the predicate gives something true; what it gave last explains a missed deadline."""
    deadline = time.monotonic() + seconds
    while True:
        done, seen = predicate()
        if done:
            return seen
        assert time.monotonic() < deadline, f"not within {seconds} s: {str(seen)[:1000]}"
        time.sleep(0.1)


def rule(operation, *hashes):
    """Tells the coverage report what the step has proven; call it at the step's end."""
    for rule_hash in hashes:
        print(f"RULE {operation} {rule_hash}", flush=True)


class Session:
    """An administrator's token, and what ECS and its neighbours need to make servers."""

    def __init__(self, env, folder):
        self.cloud, self.ecs, self.password = (env[k] for k in ("SKYLOOM_URL", "SKYLOOM_ECS_URL", "SKYLOOM_ADMIN_PASSWORD"))
        self.easystack, self.cloudos = env.get("SKYLOOM_EASYSTACK_URL"), env.get("SKYLOOM_CLOUDOS_URL")
        self.operator, self.folder = env.get("SKYLOOM_OPERATOR_URL"), folder
        self.token = self.project = self.image = self.flavor = self.network = self.vpc = None

    def call(self, method, url, body=None, **more):
        return request(method, url, more.pop("token", self.token), body, **more)[0]

    def cli(self, *words, expect=0):
        """What `skyloom` prints of this deployment; where it must fail, its error."""
        command = [SKYLOOM, *words, "--config", self.folder / "skyloom.toml", "--state-dir", self.folder / "state"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == expect, f"{words}: {done.returncode} {done.stdout} {done.stderr}"
        return done.stdout if expect == 0 else done.stderr

    def turn_clock(self, seconds):
        """On by so many seconds, where the deployment lets its clock be turned."""
        url, headers = f"{self.operator}/clock", {"Authorization": f"Bearer {self.token}"}
        self.call("PATCH", url, {"seconds": seconds}, headers=headers)

    def nova(self, path):
        return f"{self.cloud}/compute/v2.1{path}"

    def neutron(self, path):
        return f"{self.cloud}/network/v2.0{path}"

    def cinder(self, path):
        return f"{self.cloud}/volume/v3{path}"

    def v1(self, path):
        return f"{self.ecs}/v1/{self.project}{path}"

    def login(self, name, password, project):
        """A token of the project (id, or a name in the default domain), and the project's id."""
        domain = {"id": "default"}
        user = {"name": name, "password": password, "domain": domain}
        scope = {"project": project if "id" in project else {**project, "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer, headers = request("POST", f"{self.cloud}/identity/v3/auth/tokens", body=body, expect=(201,))
        return headers["X-Subject-Token"], answer["token"]["project"]["id"]

    def job(self, job_id, seconds=60, state="SUCCESS"):
        """The job once it has ended, which must be in this state."""
        def ended():
            job = self.call("GET", self.v1(f"/jobs/{job_id}"))
            assert job["status"] in ("INIT", "RUNNING", "SUCCESS", "FAIL"), job
            return job["status"] in ("SUCCESS", "FAIL"), job

        job = poll(seconds, ended)
        assert job["status"] == state and job["job_id"] == job_id, job
        assert (job["error_code"] is None) == (job["fail_reason"] is None) == (state == "SUCCESS"), job
        assert job["begin_time"] and job["end_time"], job
        return job

    def status(self, server_id):
        return self.call("GET", self.nova(f"/servers/{server_id}"))["server"]["status"]

    def volume_status(self, volume_id):
        return self.call("GET", self.cinder(f"/volumes/{volume_id}"))["volume"]["status"]

    def volume(self, gib):
        """A volume of its own, once a server may have it."""
        made = self.call("POST", self.cinder("/volumes"), {"volume": {"size": gib}})["volume"]["id"]
        poll(30, lambda: ((status := self.volume_status(made)) == "available", status))
        return made

    def server(self, name, **more):
        """The smallest body of a creation, with more."""
        root = {"volumetype": "SSD", "size": 1}
        nics = [{"subnet_id": self.network}]
        least = {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "vpcid": self.vpc, "nics": nics}
        return {"server": {**least, "root_volume": root, **more}}

    # --- the steps that every session begins with, in order ---

    def step_token(self):
        """token of the project"""
        name = os.environ.get("SKYLOOM_PROJECT", "admin")
        self.token, self.project = self.login("admin", self.password, {"name": name})

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
        self.network = self.call("GET", self.neutron("/networks?router:external=false"))["networks"][0]["id"]
        # A VPC is Neutron's router of the project.
        self.vpc = self.call("GET", self.neutron("/routers"))["routers"][0]["id"]


def run(name, step):
    start = time.monotonic()
    try:
        step()
    except Exception as error:  # the reason is the report, whatever it is
        print(f"FAIL {name} ({time.monotonic() - start:.2f} s)\n   {type(error).__name__}: {error}", flush=True)
        return False
    print(f"PASS {name} ({time.monotonic() - start:.2f} s)", flush=True)
    return True


def main(kind, edits=(), deployment="laptop"):
    """Runs the methods `step_*` of `kind(env, folder)` in their order, those of the classes above it first, over a deployment of
    its own, changed by these expressions of sed. Gives the exit code."""
    work = pathlib.Path(tempfile.mkdtemp(prefix="skyloom-session."))
    config = ROOT / "examples/deployments" / deployment / "skyloom.toml"

    def start():
        subprocess.run([SUPPORT / "skyloom/start", config, work, *edits], check=True, stdin=subprocess.DEVNULL)

    def stop(check=True):
        subprocess.run([SUPPORT / "skyloom/stop", work], check=check, stdin=subprocess.DEVNULL, capture_output=not check)

    try:
        ok = run("server starts and is ready", start)
        if ok:
            session = kind(dict(line.split("=", 1) for line in (work / "env").read_text().splitlines()), work)
            names = [name for owner in reversed(kind.__mro__) for name in vars(owner) if name.startswith("step_")]
            results = (run(step.__doc__, step) for step in (getattr(session, name) for name in names))
            # For work on a session: all its failures at once.
            ok = all(list(results) if "SKYLOOM_KEEP_GOING" in os.environ else results)
            if not ok:
                print("-- the server's last lines", *(work / "log").read_text(errors="replace").splitlines()[-40:], sep="\n")
            ok = run("SIGTERM ends the server with 0", stop) and ok
    finally:
        stop(check=False)
        shutil.rmtree(work, ignore_errors=True)
    return 0 if ok else 1
