#!/usr/bin/env python3
"""What only CloudOS has, as the host keeps it for that face's plugin: image types, by operators written and by everybody read, each
refusal in the vendor's envelope; and what a role may is said by rules of the deployment.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the
first FAIL ends it. What a step has proven, it tells the coverage report.
"""

import json
import re
import sys
import uuid

import harness
from harness import request, rule

PASSWORD = "Cloudos-1"
# A role that may write image types, and one that may not even read them.
RULES = r"""$a [identity.policy.librarian]\nallow = ["cloudos:image-types:*"]\n[identity.policy.outsider]\ndeny = ["cloudos:image-types:read"]"""
LEAST = {
    "imageTypeName": "Asianux Server 4 (64 bit)", "description": 1111, "virtType": "Xen", "osType": "Linux",
    "operatingSystem": "Debian GNU/Linux 4 (64 bit)", "addType": 1,
}
CAS = {**LEAST, "imageTypeName": "Asianux Server 4 (32 bit)", "virtType": "CAS", "operatingSystem": "linux|Asianux 4(32-bit)"}
VMWARE = {**LEAST, "imageTypeName": "Ubuntu", "virtType": "VMware", "operatingSystem": "ubuntu64Guest", "description": ""}
KEYS = {"uuid", "description", "virtType", "osType", "operatingSystem", "addType", "updateTime", "imageTypeName"}


class Session(harness.Session):
    # --- helpers ---

    def at(self, path=""):
        return f"{self.cloudos}/os/kinton/v1/cloudos/imagetype{path}"

    def names(self, path="", token=None):
        found, headers = request("GET", self.at(path), token or self.token)
        assert isinstance(found, list) and headers["Content-Type"] == "application/json", found
        for one in found:
            assert set(one) == KEYS, one
            assert one["updateTime"] is None or re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", one["updateTime"]), one
        return [one["imageTypeName"] for one in found]

    def refused(self, status, method, path, body=None, token=None, names=""):
        answer, headers = request(method, self.at(path), self.token if token is None else token, body, expect=(status,))
        assert set(answer) == {"code", "msg", "data", "total"}, answer
        assert answer["data"] is None and answer["total"] == 0 and answer["code"] and names in answer["msg"], answer
        assert headers["X-Request-Id"], dict(headers)
        return answer["code"]

    def person(self, role):
        """A new user's token, with this role in a new project."""
        v3, name = f"{self.cloud}/identity/v3", f"{role}-{uuid.uuid4().hex[:6]}"

        def make(kind, **fields):
            return self.call("POST", f"{v3}/{kind}s", {kind: {"name": name, **fields}}, expect=(201,))[kind]["id"]

        roles = self.call("GET", f"{v3}/roles?name={role}")["roles"] or [{"id": make("role", name=role)}]
        project, user = make("project", domain_id="default"), make("user", domain_id="default", password=PASSWORD)
        self.call("PUT", f"{v3}/projects/{project}/users/{user}/roles/{roles[0]['id']}", expect=(204,))
        return self.login(name, PASSWORD, {"id": project})[0]

    # --- the steps, in order ---

    def step_made(self):
        """image types are made, with the document's example among them"""
        self.ids = {}
        for body in (LEAST, CAS, VMWARE):
            made = self.call("POST", self.at(), body, expect=(200,))
            assert set(made) == KEYS and made["updateTime"] is None and made["addType"] == 1, made
            assert made["description"] == str(body["description"]), made
            self.ids[body["virtType"]] = made["uuid"]
        built_in = self.call("POST", self.at(), {**LEAST, "virtType": "kvm", "addType": "0"}, expect=(200,))
        assert (built_in["addType"], built_in["virtType"]) == (0, "KVM"), built_in
        self.call("DELETE", self.at(f"/uuid/{built_in['uuid']}"), expect=(200,))
        rule("cloudos.image_types.create", "ac77466d")
        rule("cloudos.image_types.delete", "e3f2b7a4")

    def step_lists(self):
        """lists are bare arrays, whole, by virtualization type, by operating system type"""
        everything = [body["imageTypeName"] for body in (LEAST, CAS, VMWARE)]
        assert self.names() == everything
        assert self.names("/virt/CAS") == self.names("/virt/cas") == [CAS["imageTypeName"]]
        assert self.names("/opsys/Linux") == everything and self.names("/opsys/ubuntu64Guest") == [VMWARE["imageTypeName"]]
        other = self.call("POST", self.at(), {**LEAST, "virtType": "KVM", "osType": "\U0001f4bb" * 255, "operatingSystem": "linux"})
        assert self.names("/opsys/linux")[-1] == other["imageTypeName"] and len(self.names("/opsys/Linux")) == 3
        self.call("DELETE", self.at(f"/uuid/{other['uuid']}"))
        assert self.names("/virt/Xen2") == self.names("/opsys/none") == []
        assert self.call("GET", self.at("/virtType")) == ["KVM", "CAS", "VMware", "Xen", "PowerVM", "BareMetal"]
        assert "Linux" in self.call("GET", self.at("/osType"))
        rule("cloudos.image_types.list", "21109e86", "9ed6f312", "20bd2762")
        rule("cloudos.image_types.list_by_virt_type", "a89b8d9d", "21109e86", "20bd2762")
        rule("cloudos.image_types.list_by_os_type", "e04bc5eb", "21109e86", "20bd2762")
        rule("cloudos.image_types.list_virt_types", "bd66726a", "9ed6f312")
        rule("cloudos.image_types.list_os_types", "878f355c", "9ed6f312")

    def step_shown_and_changed(self):
        """one is shown, and changed by the id in the body"""
        uuid_of = self.ids["Xen"]
        shown = self.call("GET", self.at(f"/uuid/{uuid_of}"))
        assert set(shown) == KEYS and (shown["uuid"], shown["updateTime"]) == (uuid_of, None), shown
        # As a client sends back what it has read.
        changed = self.call("PUT", self.at(), {**shown, "imageTypeName": "renamed", "description": None}, expect=(200,))
        assert (changed["uuid"], changed["imageTypeName"], changed["description"]) == (uuid_of, "renamed", ""), changed
        assert self.call("GET", self.at(f"/uuid/{uuid_of}")) == changed and changed["updateTime"], changed
        whole = {**LEAST, "uuid": uuid_of}
        for name in ("uuid", "imageTypeName", "virtType", "osType", "operatingSystem", "addType"):
            self.refused(400, "PUT", "", {key: value for key, value in whole.items() if key != name}, names=f"{name} is missing")
        self.call("PUT", self.at(), {key: value for key, value in whole.items() if key != "description"}, expect=(200,))
        rule("cloudos.image_types.show", "a2a1879d", "20bd2762")
        rule("cloudos.image_types.update", "5a6cd790", "b55b2f89")

    def step_bounds(self):
        """what a member may not be is refused by its name, at creation and change alike"""
        wrong = [
            *(("imageTypeName", name) for name in ("", "x" * 129, ".a", "a.", "a.\n", "\t", " ", "中", "Ａ", "\ufe55", 7, *(f"a{c}" for c in '/\\:*?"<>|：'))),
            ("description", "x" * 86), ("description", ["x"]), ("description", 10**30),
            *(("operatingSystem", system) for system in ("", "x" * 65, "中文", "Ａ")),
            *(("addType", kind) for kind in (2, "2", None, True, "")),
            ("virtType", ""), ("virtType", "x" * 256), ("virtType", "Hyper-V"), ("osType", ""), ("osType", "x" * 256), ("size", 1),
        ]
        for method, more in (("POST", {}), ("PUT", {"uuid": self.ids["VMware"]})):
            for name, value in wrong:
                assert self.refused(400, method, "", {**LEAST, **more, name: value}, names=name) == "invalid", (name, value)
            for virt_type, system in (("CAS", "Asianux 4"), ("VMware", "Ubuntu Linux")):
                body = {**LEAST, **more, "virtType": virt_type, "operatingSystem": system}
                self.refused(400, method, "", body, names="operatingSystem")
            self.refused(409, method, "", {**CAS, **more}, names="imageTypeName")
        longest = {**VMWARE, "uuid": self.ids["VMware"], "imageTypeName": "x" * 128, "description": "x" * 85, "operatingSystem": "x" * 64}
        assert self.call("PUT", self.at(), longest, expect=(200,))["description"] == "x" * 85
        for operation in ("create", "update"):
            rule(f"cloudos.image_types.{operation}", "7317327f", "41dbc988", "1f4c4b88")
        rule("cloudos.image_types.update", "ac77466d")

    def step_nowhere(self):
        """what isn't there, and what is no body, is refused in the envelope"""
        nowhere = str(uuid.uuid4())
        for method, path, body in (("GET", f"/uuid/{nowhere}", None), ("DELETE", f"/uuid/{nowhere}", None), ("PUT", "", {**LEAST, "uuid": nowhere})):
            assert self.refused(404, method, path, body, names=nowhere) == "not-found"
        for body in (b"{", b"[]", b"null", b'"x"', json.dumps([LEAST]).encode()):
            self.refused(400, "POST", "", body)
        self.refused(401, "GET", "", token="forged")
        self.refused(405, "PATCH", "", {})

    def step_people(self):
        """everybody with a role reads them, operators write them, and rules of roles say otherwise"""
        member, librarian, outsider = (self.person(role) for role in ("member", "librarian", "outsider"))
        assert len(self.names(token=member)) == 3
        spare = {**LEAST, "imageTypeName": "of the librarian"}
        for method, path, body in (("POST", "", spare), ("PUT", "", {**spare, "uuid": self.ids["CAS"]}), ("DELETE", f"/uuid/{self.ids['CAS']}", None)):
            assert self.refused(403, method, path, body, token=member) == "forbidden"
        made = request("POST", self.at(), librarian, spare, expect=(200,))[0]
        assert spare["imageTypeName"] in self.names(token=member)
        request("DELETE", self.at(f"/uuid/{made['uuid']}"), librarian, expect=(200,))
        assert self.refused(403, "GET", "", token=outsider) == "forbidden"
        assert len(self.names()) == 3


if __name__ == "__main__":
    sys.exit(harness.main(Session, [RULES]))
