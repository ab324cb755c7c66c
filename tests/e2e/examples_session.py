#!/usr/bin/env python3
"""The example plugins at work in the deployment of their own: what plugins/README.md promises an author.

Starts a Skyloom (examples/deployments/plugins) and ends it. Prints PASS or FAIL with seconds for each step; the first FAIL
ends it. Exit code 77: the OpenStack client is missing here.
"""

import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import urllib.error
import urllib.request

from client import Session, inside_venv, main, same
from harness import SKYLOOM, TARGET

PLUGINS = pathlib.Path(os.environ.get("SKYLOOM_PLUGINS", TARGET / "plugins"))
PASSWORD = "correct horse battery"


class Ledger(http.server.BaseHTTPRequestHandler):
    """The company's: knows who pays for one project, and whom it was asked by."""

    owners, keys = {}, []

    def do_GET(self):
        Ledger.keys.append(self.headers["X-Api-Key"])
        project = self.path.removeprefix("/projects/")
        owner = Ledger.owners.get(project)
        body = json.dumps({"owner": owner}).encode()
        self.send_response(200 if owner else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Plugins(Session):
    def get(self, path, token=None):
        call = urllib.request.Request(self.url + path, headers={"X-Auth-Token": token} if token else {})
        try:
            with urllib.request.urlopen(call, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def step_check(self):
        """plugin check takes each of them"""
        for plugin in ("fleet", "owners", "paper", "flat-fee"):
            subprocess.run([SKYLOOM, "plugin", "check", PLUGINS / f"{plugin}.wasm"], check=True, capture_output=True)

    def step_explain(self):
        """plugin explain says what each may do"""
        config = self.folder / "skyloom.toml"
        for plugin, capability in (("fleet", "compute"), ("paper", "documents"), ("flat-fee", "")):
            words = [SKYLOOM, "plugin", "explain", "--config", config, plugin]
            said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            assert plugin in said and capability in said, said
        said = subprocess.run([*words[:-1], "owners"], check=True, capture_output=True, text=True).stdout
        line = next(line for line in said.splitlines() if line.split()[:1] == ["ledger"])
        for word in ("127.0.0.1:", "GET", "by the host", "asked for and granted", "the company's ledger"):
            assert word in line, said

    def step_outside(self):
        """a face asks a service outside of the cloud, with a login that it doesn't know"""
        token = self.admin("token", "issue")
        same("unknown", self.get("/owners-api/owner", token["id"]), (200, {"owner": None}))
        Ledger.owners[token["project_id"]] = "ann"
        same("owner", self.get("/owners-api/owner", token["id"]), (200, {"owner": "ann"}))
        same("who asked", set(Ledger.keys), {"a-key-of-the-ledgers"})

    def step_fleet(self):
        """the face answers, to those who have a token"""
        self.token = self.admin("token", "issue")["id"]
        same("fleet", self.get("/fleet-api/fleet", self.token), (200, []))
        same("nobody", self.get("/fleet-api/fleet")[0], 401)

    def step_server(self):
        """a server on the example's hypervisor, seen through the example's face"""
        image = self.admin("image", "list")[0]["ID"]
        network = self.admin("network", "list", "--internal")[0]["ID"]
        self.admin.text("server", "create", "--flavor", "1", "--image", image, "--network", network, "--wait", "on-paper")
        same("fleet", self.get("/fleet-api/fleet", self.token), (200, [{"name": "on-paper", "node": "desk-1"}]))
        self.admin.text("server", "reboot", "--hard", "--wait", "on-paper")
        same("status", self.admin("server", "show", "on-paper")["status"], "ACTIVE")
        self.admin.fails("Unable to get console log", "console", "log", "show", "on-paper")

    def step_roles(self):
        """the plugin's own action is allowed and denied to roles by the deployment"""
        self.admin.text("role", "create", "watcher")
        for role in ("watcher", "member"):
            self.admin.text("user", "create", "--password", PASSWORD, role)
            self.admin.text("role", "add", "--project", "demo", "--user", role, role)
        watcher, member = (self.login(role, PASSWORD, "demo")("token", "issue")["id"] for role in ("watcher", "member"))
        same("watcher", self.get("/fleet-api/fleet", watcher), (200, []))
        same("watcher sees servers", self.get("/compute/v2.1/servers", watcher)[0], 200)
        same("watcher sees no limits", self.get("/compute/v2.1/limits", watcher)[0], 403)
        same("member", self.get("/fleet-api/fleet", member)[0], 403)
        same("member sees servers", self.get("/compute/v2.1/servers", member)[0], 200)

    def step_delete(self):
        """it goes without rest"""
        self.admin.text("server", "delete", "--wait", "on-paper")
        same("fleet", self.get("/fleet-api/fleet", self.token), (200, []))

    def step_tariff(self):
        """the example's tariff: one price for each span of use, however short"""
        status, answer = self.get("/billing/v1/consumption-records", self.token)
        assert status == 200, answer
        records = [row for row in answer["consumption"]["records"] if row["meter"] == "vcpu"]
        same("spans", len(records), 1)
        for row in records:
            same("amount", (row["amount"], row["unit_price"]), ("0.012", "0.012"))


if __name__ == "__main__":
    inside_venv()
    ledger = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ledger)
    threading.Thread(target=ledger.serve_forever, daemon=True).start()
    sys.exit(main(Plugins, [f"s/127.0.0.1:7100/127.0.0.1:{ledger.server_port}/"], deployment="plugins"))
