"""A Skyloom of the sweep's own with two projects: what is alpha's must never show up at beta's."""

import hashlib
import os
import pathlib
import re
import secrets
import sqlite3
import subprocess
import time
import tomllib

import tables
from wire import send

SUPPORT = tables.ROOT / "tests/support"
CONFIG = tables.ROOT / "examples/deployments/laptop/skyloom.toml"
# Stands in the name of everything that is alpha's.
MARKER = f"alpha-{secrets.token_hex(6)}"


def poll(what, predicate, seconds=30):
    deadline = time.monotonic() + seconds
    while not (seen := predicate()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return seen


def least_roles():
    """Action -> who needs to ask at least, out of the one table that says so; a collection's out of its plugin's manifest."""
    text = (tables.ROOT / "host/model/src/action.rs").read_text(encoding="utf-8")
    least = dict(re.findall(r'"([a-z:-]+)" (Anyone|Authenticated|Reader|Member|Manager|Operator)', text))
    for file in (tables.ROOT / "plugins/personalities").glob("*/plugin.toml"):
        manifest = tomllib.loads(file.read_text(encoding="utf-8"))
        for one in manifest.get("collection", ()):
            for verb in ("read", "create", "update", "delete"):
                role = one["read" if verb == "read" else "write"].capitalize()
                least[f"{manifest['id']}:{one['name']}:{verb}"] = role
    return least


class World:
    def __init__(self, work, limits):
        """`limits`: lines of the deployment's table of that name, which the laptop's leaves out."""
        self.work = pathlib.Path(work)
        edit = "$a " + "\\n".join(["[limits]", *limits])
        subprocess.run([SUPPORT / "skyloom/start", CONFIG, work, edit], check=True, stdin=subprocess.DEVNULL)
        env = dict(line.split("=", 1) for line in (self.work / "env").read_text().splitlines())
        self.deployment = tomllib.loads((self.work / "skyloom.toml").read_text(encoding="utf-8"))
        self.cloud, self.password = env["SKYLOOM_URL"], env["SKYLOOM_ADMIN_PASSWORD"]
        # The copy says port 0; the server picked.
        for listener in self.deployment["listener"]:
            url = self.cloud if listener["name"] == "cloud" else env[f"SKYLOOM_{listener['name'].upper()}_URL"]
            listener["address"] = url.removeprefix("http://")
        self.identity, self.nova = f"{self.cloud}/identity/v3", f"{self.cloud}/compute/v2.1"
        self.glance, self.neutron = f"{self.cloud}/image/v2", f"{self.cloud}/network/v2.0"
        self.cinder = f"{self.cloud}/volume/v3"
        self.cloudos = f"{env['SKYLOOM_CLOUDOS_URL']}/os/kinton/v1/cloudos"
        self.least = least_roles()

    def stop(self):
        return subprocess.run([SUPPORT / "skyloom/stop", self.work], stdin=subprocess.DEVNULL).returncode

    def log(self):
        return (self.work / "log").read_text(errors="replace")

    # --- people ---

    def login(self, user, password, project):
        who = {"name": user, "password": password, "domain": {"id": "default"}}
        scope = {"project": {"name": project, "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}}
        answer = send("POST", f"{self.identity}/auth/tokens", body)
        assert answer.status == 201, answer
        return answer.headers["X-Subject-Token"]

    def call(self, token, method, url, body=None, headers=(), expect=(200, 201, 202, 204)):
        answer = send(method, url, body, {"X-Auth-Token": token, **dict(headers)})
        assert answer.status in expect, f"{method} {url}: {answer.status} {answer.body[:500]!r}"
        return answer.json() if answer.body else None

    def make_people(self):
        home = os.environ.get("SKYLOOM_PROJECT", "admin")
        self.admin = self.login("admin", self.password, home)
        (own,) = self.call(self.admin, "GET", f"{self.identity}/projects?name={home}")["projects"]
        self.admin_project = own["id"]
        make = lambda kind, **fields: self.call(self.admin, "POST", f"{self.identity}/{kind}s", {kind: fields})[kind]["id"]
        roles = self.call(self.admin, "GET", f"{self.identity}/roles?name=member")["roles"]
        self.projects, self.users = {}, {}
        for name in ("alpha", "beta"):
            label = MARKER if name == "alpha" else "beta"
            self.projects[name] = make("project", name=label, domain_id="default")
            password = secrets.token_urlsafe(12)
            self.users[name] = make("user", name=label, password=password, domain_id="default")
            grant = f"{self.identity}/projects/{self.projects[name]}/users/{self.users[name]}/roles/{roles[0]['id']}"
            self.call(self.admin, "PUT", grant)
            setattr(self, name, self.login(label, password, label))
            if name == "alpha":
                self.revoked, self.expired = (self.login(label, password, label) for _ in range(2))
        self.spare = {
            "project_id": make("project", name="spare", domain_id="default"),
            "user_id": make("user", name="spare", password=secrets.token_urlsafe(12), domain_id="default"),
            "domain_id": make("domain", name="spare"),
            "role_id": make("role", name="spare"),
        }

    def spoil_tokens(self):
        """One token revoked by its owner, one whose time is over, one that nobody gave out."""
        headers = {"X-Auth-Token": self.alpha, "X-Subject-Token": self.revoked}
        assert send("DELETE", f"{self.identity}/auth/tokens", headers=headers).status == 204
        digest = hashlib.sha256(self.expired.encode()).hexdigest()
        database = sqlite3.connect(self.work / "state/skyloom.db", timeout=30)
        with database:
            changed = database.execute("UPDATE tokens SET expires_at = issued_at + 1 WHERE hash = ?", (digest,))
            assert changed.rowcount == 1, "the token's row"
        database.close()
        self.bad_tokens = {
            "no token": None,
            "forged": secrets.token_urlsafe(32),
            "cut": self.alpha[:-1],
            "empty": "",
            "long": "x" * 4000,
            "strange": "' OR 1=1 --",
            "revoked": self.revoked,
            "expired": self.expired,
        }
        # A revocation may take a second to be known.
        for token in (self.revoked, self.expired):
            refused = lambda: send("GET", f"{self.nova}/servers", headers={"X-Auth-Token": token}).status == 401
            poll("the token is refused", refused, 5)

    # --- what is alpha's ---

    def make_resources(self):
        call = lambda *arguments, **more: self.call(self.alpha, *arguments, **more)
        network = call("POST", f"{self.neutron}/networks", {"network": {"name": MARKER}})["network"]["id"]
        subnet = {"network_id": network, "name": MARKER, "ip_version": 4, "cidr": "192.168.77.0/24"}
        subnet = call("POST", f"{self.neutron}/subnets", {"subnet": subnet})["subnet"]["id"]
        port = call("POST", f"{self.neutron}/ports", {"port": {"network_id": network, "name": MARKER}})["port"]["id"]
        group = call("POST", f"{self.neutron}/security-groups", {"security_group": {"name": MARKER}})["security_group"]
        image = {"name": MARKER, "disk_format": "raw", "container_format": "bare"}
        image = call("POST", f"{self.glance}/images", image)["id"]
        stream = {"Content-Type": "application/octet-stream"}
        call("PUT", f"{self.glance}/images/{image}/file", MARKER.encode() * 100, headers=stream)
        call("POST", f"{self.nova}/os-keypairs", {"keypair": {"name": MARKER}})
        flavors = call("GET", f"{self.nova}/flavors/detail")["flavors"]
        flavor = min(flavors, key=lambda one: (one["ram"], one["vcpus"], one["disk"]))["id"]
        server = {
            "name": MARKER, "flavorRef": flavor, "imageRef": image, "networks": [{"uuid": network}], "metadata": {"key": MARKER},
        }
        image_type = {
            "imageTypeName": "everybody's", "virtType": "KVM", "osType": "Linux", "operatingSystem": "any", "addType": 1,
        }
        image_type = self.call(self.admin, "POST", f"{self.cloudos}/imagetype", image_type)["uuid"]
        self.server_body, self.to_lose = {"server": server}, None
        server = self.make_server()
        volume = call("GET", f"{self.nova}/servers/{server}/os-volume_attachments")["volumeAttachments"]
        action = call("GET", f"{self.nova}/servers/{server}/os-instance-actions")["instanceActions"][0]
        routers = call("GET", f"{self.neutron}/routers")["routers"]
        data = {"name": MARKER, "size": 1, "metadata": {"key": MARKER}}
        data = call("POST", f"{self.cinder}/volumes", {"volume": data})["volume"]["id"]
        ready = lambda kind, id: call("GET", f"{self.cinder}/{kind}s/{id}")[kind]["status"] == "available"
        poll("the volume is available", lambda: ready("volume", data))
        snapshot = {"volume_id": data, "name": MARKER, "metadata": {"key": MARKER}}
        snapshot = call("POST", f"{self.cinder}/snapshots", {"snapshot": snapshot})["snapshot"]["id"]
        poll("the snapshot is available", lambda: ready("snapshot", snapshot))
        self.own = {
            "server_id": server, "image_id": image, "network_id": network, "subnet_id": subnet, "port_id": port,
            "security_group_id": group["id"], "rule_id": group["security_group_rules"][0]["id"],
            "security_group_rule_id": group["security_group_rules"][0]["id"], "keypair_name": MARKER,
            "key": "key", "tag": MARKER, "network_name": MARKER, "request_id": action["request_id"],
            "volume_id": volume[0]["id"] if volume else "none", "member_id": self.projects["alpha"],
            "router_id": routers[0]["id"] if routers else "none", "flavor_id": flavor,
            "image_type_id": image_type, "virtual_type": "KVM", "os_type": "Linux", "snapshot_id": snapshot,
            "data_volume_id": data, "type_id": "SSD", "target_id": self.projects["alpha"],
            "target_project_id": self.projects["alpha"],
        }

    def make_server(self):
        server = self.call(self.alpha, "POST", f"{self.nova}/servers", self.server_body)["server"]["id"]
        shown = lambda: self.call(self.alpha, "GET", f"{self.nova}/servers/{server}")["server"]
        poll("the server is ACTIVE", lambda: (one := shown())["status"] == "ACTIVE" and one)
        return server

    def server_to_lose(self):
        """One of alpha's for requests that may take it away: another one where the last went."""
        url = f"{self.nova}/servers/{self.to_lose}"
        if self.to_lose is None or send("GET", url, headers={"X-Auth-Token": self.alpha}).status != 200:
            self.to_lose = self.make_server()
        return self.to_lose

    def snapshot_to_lose(self):
        """One of alpha's for requests that may take it away: another one where the last went."""
        url = f"{self.cinder}/snapshots/{getattr(self, 'lost_snapshot', None)}"
        if send("GET", url, headers={"X-Auth-Token": self.alpha}).status != 200:
            body = {"snapshot": {"volume_id": self.own["data_volume_id"], "name": MARKER}}
            self.lost_snapshot = self.call(self.alpha, "POST", f"{self.cinder}/snapshots", body)["snapshot"]["id"]
            url = f"{self.cinder}/snapshots/{self.lost_snapshot}"
            shown = lambda: send("GET", url, headers={"X-Auth-Token": self.alpha}).json()["snapshot"]["status"] == "available"
            poll("the snapshot is available", shown)
        return self.lost_snapshot

    def state(self):
        """What must be the same after all that was tried."""
        get = lambda url: send("GET", url, headers={"X-Auth-Token": self.alpha})
        own, seen = self.own, {}
        for name, url in {
            "server": f"{self.nova}/servers/{own['server_id']}",
            "keypair": f"{self.nova}/os-keypairs/{own['keypair_name']}",
            "image": f"{self.glance}/images/{own['image_id']}",
            "file": f"{self.glance}/images/{own['image_id']}/file",
            "network": f"{self.neutron}/networks/{own['network_id']}",
            "subnet": f"{self.neutron}/subnets/{own['subnet_id']}",
            "port": f"{self.neutron}/ports/{own['port_id']}",
            "security group": f"{self.neutron}/security-groups/{own['security_group_id']}",
            "volume": f"{self.cinder}/volumes/{own['data_volume_id']}",
            "snapshot": f"{self.cinder}/snapshots/{own['snapshot_id']}",
        }.items():
            answer = get(url)
            seen[name] = (answer.status, MARKER in answer.text())
        return seen
