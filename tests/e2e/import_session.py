#!/usr/bin/env python3
"""Images that the cloud fetches by itself, with the unchanged OpenStack client: Glance's interoperable import, web-download.

Starts a Skyloom of its own (laptop deployment) that may fetch from one local HTTP server, and ends it. Prints PASS or FAIL with
seconds for each step; the first FAIL ends it. Exit code 77: the client is missing here.
"""

import hashlib
import http.server
import os
import sys
import threading

from client import Members, inside_venv, main, names, same
from harness import poll, request

DISK = os.urandom(3 * (1 << 20) + 17)
LIAR = b"# x\nversion=1\nRW 2048 FLAT \"/etc/passwd\" 0\n"


class Web(http.server.BaseHTTPRequestHandler):
    """The host of the images."""

    hangs, fails = threading.Event(), 0

    def do_GET(self):
        if self.path == "/moved":
            return self.say(302, b"", Location="/disk.raw")
        if self.path == "/out":
            return self.say(302, b"", Location="http://169.254.169.254/latest/meta-data")
        if self.path == "/slow":
            self.say(200, DISK[:1000], length=len(DISK))
            return Web.hangs.wait(60)
        if self.path == "/busy" and Web.fails > 0:
            Web.fails -= 1
            return self.say(503, b"")
        found = {"/disk.raw": DISK, "/busy": DISK, "/liar": LIAR, "/half": DISK[:5000]}.get(self.path)
        length = len(DISK) if self.path == "/half" else None
        return self.say(404, b"") if found is None else self.say(200, found, length=length)

    def say(self, status, body, length=None, **headers):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body) if length is None else length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        pass


class Imports(Members):
    web = None

    def image(self, name, disk_format="raw"):
        return self.ann("image", "create", "--disk-format", disk_format, "--container-format", "bare", name)["id"]

    def fetch(self, image, path):
        self.ann.text("image", "import", "--method", "web-download", "--uri", f"{self.web}{path}", image)

    def status(self, image):
        return self.ann("image", "show", image)["status"]

    def comes_to(self, image, status):
        poll(60, lambda: ((seen := self.status(image)) == status, seen))

    def files(self):
        return {path.name for path in (self.folder / "state/images").iterdir()}

    def post(self, image, body, expect):
        url = f"{self.url}/image/v2/images/{image}/import"
        return request("POST", url, self.token, body, headers={"Accept": "application/json"}, expect=expect)[0]

    def step_methods(self):
        """the method is on, and a creation invites to it"""
        self.token = self.ann("token", "issue")["id"]
        info, _ = request("GET", f"{self.url}/image/v2/info/import", self.token)
        same("methods", info["import-methods"]["value"], ["web-download"])
        made, headers = request("POST", f"{self.url}/image/v2/images", self.token, {"name": "invited"}, expect=(201,))
        same("invitation", headers["OpenStack-image-import-methods"], "web-download")
        self.ann.text("image", "delete", made["id"])

    def step_import(self):
        """import --method web-download, also over a redirection and a host that is busy first"""
        Web.fails = 1
        for path in ("/disk.raw", "/moved", "/busy"):
            image = self.image(f"web{path.replace('/', '-')}")
            self.fetch(image, path)
            self.comes_to(image, "active")
            shown = self.ann("image", "show", image)
            same("size", shown["size"], len(DISK))
            same("checksum", shown["checksum"], hashlib.md5(DISK).hexdigest())
            same("hash", shown["properties"]["os_hash_value"], hashlib.sha512(DISK).hexdigest())
        back = self.folder / "back.raw"
        self.ann.text("image", "save", "--file", back, image)
        assert back.read_bytes() == DISK, "other bytes"
        self.active = image

    def step_failures(self):
        """what is missing, broken off, elsewhere or not what it claims to be leaves the image queued, and it can be tried again"""
        before = self.files()
        image = self.image("unlucky")
        for path in ("/nothing", "/half", "/out", "/liar"):
            self.fetch(image, path)
            self.comes_to(image, "queued")
        same("files", self.files(), before)
        self.fetch(image, "/disk.raw")
        self.comes_to(image, "active")
        wrong = self.image("no qcow2", "qcow2")
        self.fetch(wrong, "/disk.raw")
        self.comes_to(wrong, "queued")

    def step_refused(self):
        """other hosts, methods, states and people"""
        image = self.image("refused")
        for uri in ("http://127.0.0.1:1/disk", "https://example.org/disk", "http://169.254.169.254/", "file:///etc/passwd"):
            body = {"method": {"name": "web-download", "uri": uri}}
            said = self.post(image, body, (400,))
            assert f"does not pass filtering: {uri}" in said["message"], said
        for body in ({}, {"method": {"name": "glance-direct"}}, {"method": {"name": "web-download"}}):
            self.post(image, body, (400,))
        good = {"method": {"name": "web-download", "uri": f"{self.web}/disk.raw"}}
        self.post(self.active, good, (409,))
        bare, _ = request("POST", f"{self.url}/image/v2/images", self.token, {"name": "bare"}, expect=(201,))
        self.post(bare["id"], good, (409,))
        token, self.token = self.token, self.bob("token", "issue")["id"]
        self.post(image, good, (404,))
        self.token = token
        same("status", self.status(image), "queued")

    def step_delete(self):
        """an image that is deleted ends its import"""
        before = self.files()
        image = self.image("slow")
        self.fetch(image, "/slow")
        same("status", self.status(image), "importing")
        poll(30, lambda: (len(self.files()) > len(before), self.files()))
        self.post(image, {"method": {"name": "web-download", "uri": f"{self.web}/disk.raw"}}, (409,))
        self.ann.text("image", "delete", image)
        poll(30, lambda: ((files := self.files()) == before, files))
        assert "slow" not in names(self.ann("image", "list")), "it is there"
        Web.hangs.set()


if __name__ == "__main__":
    inside_venv()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    place = f"127.0.0.1:{web.server_port}"
    Imports.web = f"http://{place}"
    sys.exit(main(Imports, [f'$a [images.import]\\nhosts = ["{place}"]\\nplain = true']))
