#!/usr/bin/env python3
"""The vendor's own SDK by access key and signature: the ECS operations, the look-up of the project, each way to be refused. The keys
are made and removed by the OpenStack client.
"""

import datetime
import json
import pathlib
import sys

import client
import harness

client.inside_venv()

import ecs_sdk_session  # noqa: E402: it wants the environment that has the SDK
from huaweicloudsdkcore.auth.credentials import BasicCredentials  # noqa: E402
from huaweicloudsdkcore.region.region import Region  # noqa: E402
from huaweicloudsdkcore.sdk_request import SdkRequest  # noqa: E402
from huaweicloudsdkecs.v2 import model  # noqa: E402

WRONG = "The access key or the signature is not valid."
OWN_KEY, OWN_SECRET = "a-key-of-my-own", "a-secret-of-my-own-choice"


def at(**off):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**off)).strftime("%Y%m%dT%H%M%SZ")


class Session(ecs_sdk_session.Session):
    def __init__(self, env, folder):
        super().__init__(env, folder)
        self.people, self.folder = client.Session(env, folder), pathlib.Path(folder)

    def connect(self):
        made = self.people.admin("ec2", "credentials", "create")
        assert made["project_id"] == self.project and made["trust_id"] is None, made
        self.key, self.secret = made["access"], made["secret"]
        # The SDK asks for the project that is called as the region is.
        credentials = BasicCredentials(self.key, self.secret).with_iam_endpoint(self.ecs)
        connected = self.client_of(credentials).with_region(Region("admin", self.ecs)).build()
        assert credentials.project_id == self.project, "the project that the SDK found"
        return connected

    # --- raw requests, signed by the SDK's signer ---

    def signed(self, method, path, query=(), body=None, key=None, secret=None, **headers):
        """URL, headers and body as the SDK sends them."""
        where = self.ecs.split("//")[1]
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = SdkRequest(
            method=method, schema="http", host=where, resource_path=path, query_params=list(query), body=body,
            header_params={"Content-Type": "application/json", **more},
        )
        credentials = BasicCredentials(key or self.key, secret or self.secret, self.project)
        asked = credentials.sign_request(asked)
        return asked.url, dict(asked.header_params), asked.body

    @staticmethod
    def send(method, url, headers, body, status=200):
        return harness.request(method, url, body=body or None, headers=headers.items(), expect=(status,))[0]

    def denied(self, method, url, headers, body, said=WRONG):
        error = self.send(method, url, headers, body, 401)["error"]
        assert error["code"] == "Common.0013" and said in error["message"], error

    @property
    def limits(self):
        return f"/v1/{self.project}/cloudservers/limits"

    def may(self, key, secret):
        """Whether a signed request is let in."""
        asked = self.signed("GET", self.limits, key=key, secret=secret)
        answer = harness.request("GET", asked[0], headers=asked[1].items(), expect=(200, 401))[0]
        return "absolute" in answer

    # --- the steps, in order, behind those of the SDK by token ---

    def step_nova(self):
        """servers of the other API on the same endpoint are listed and shown, signed"""
        job = self.client.create_post_paid_servers(self.creation(name="nova", count=1))
        [server] = self.found(self.sdk_ended(job))
        shown = self.client.nova_show_server(model.NovaShowServerRequest(server_id=server)).server
        assert (shown.id, shown.status) == (server, "ACTIVE"), shown
        listed = self.client.nova_list_servers(model.NovaListServersRequest()).servers
        assert [found.id for found in listed] == [server], listed
        body = model.DeleteServersRequestBody(servers=[model.ServerId(id=server)], delete_volume=True)
        self.sdk_ended(self.client.delete_servers(model.DeleteServersRequest(body=body)))

    def sdk_ended(self, response):
        ask = lambda: self.client.show_job(model.ShowJobRequest(job_id=response.job_id))
        return harness.poll(60, lambda: ((job := ask()).status == "SUCCESS", job))

    def step_altered(self):
        """a wrong key, secret, date, body, query, header, host, path or method is refused"""
        get = lambda **more: ("GET", *self.signed("GET", self.limits, **more))
        assert self.send(*get())["absolute"]
        self.denied(*get(key="0" * 32))
        self.denied(*get(secret="0" * 64))
        for off in (-16, 16):
            self.denied(*get(X_Sdk_Date=at(minutes=off)), "is more than 900 seconds from this clock's")
        for off in (-14, 14):
            assert self.send(*get(X_Sdk_Date=at(minutes=off)))["absolute"]
        method, url, headers, body = get(query=[("availability_zone", "zone-1")])
        assert self.send(method, url, headers, body)["absolute"]
        self.denied(method, url.replace("zone-1", "zone-2"), headers, body)
        self.denied(method, url.replace("/limits", "/flavors"), headers, body)
        self.denied(method, url, {**headers, "X-Project-Id": "0" * 32}, body)
        self.denied(method, url, {**headers, "Host": "elsewhere.test"}, body)
        self.denied("POST", url.replace("/limits", "/delete"), headers, b"{}")
        stop = json.dumps({"os-stop": {"servers": [{"id": "0" * 32}]}})
        method, path = "POST", f"/v1/{self.project}/cloudservers/action"
        url, headers, body = self.signed(method, path, body=stop)
        self.denied(method, url, headers, body.replace(b"stop", b"start"))
        unsigned = self.signed(method, path, body=stop, X_Sdk_Content_Sha256="UNSIGNED-PAYLOAD")
        self.denied(method, *unsigned, "The body of this request must be signed.")
        # The same body is taken as it was signed, which finds no such server.
        self.send(method, url, headers, body, 404)
        self.denied(method, url, headers, body, "This signed request was taken before; sign it anew.")

    def step_other_project(self):
        """a key is for its project"""
        url, headers, body = self.signed("GET", self.limits.replace(self.project, "0" * 32))
        assert self.send("GET", url, headers, body, 400)["error"]["code"] == "Ecs.0023"
        url, headers, body = self.signed("GET", "/v3/projects", query=[("name", "demo")])
        assert [project["name"] for project in self.send("GET", url, headers, body)["projects"]] == ["demo"]

    def step_secret(self):
        """a secret is told once and lies sealed"""
        shown = self.people.admin("ec2", "credentials", "show", self.key)
        assert (shown["access"], shown["secret"], shown["project_id"]) == (self.key, None, self.project), shown
        [row] = self.people.admin("ec2", "credentials", "list")
        assert (row["Access"], row["Secret"]) == (self.key, None), row
        [row] = self.people.admin("credential", "list", "--type", "ec2")
        assert row["ID"] == self.key and self.secret not in json.dumps(row), row
        shown = self.people.admin("credential", "show", self.key)
        assert json.loads(shown["blob"]) == {"access": self.key, "secret": None}, shown
        files = [file for file in self.folder.rglob("*") if file.is_file() and file.name.startswith("skyloom.db")]
        assert files and all(self.secret.encode() not in file.read_bytes() for file in files)

    def step_member(self):
        """a member's key does what the member may, until the role, the user or the key is gone"""
        admin, create = self.people.admin, lambda *more: json.dumps({"access": OWN_KEY, "secret": OWN_SECRET, **dict(more)})
        admin.text("user", "create", "--password", "ann's pass", "ann")
        admin.text("role", "add", "--user", "ann", "--project", "admin", "reader")
        ann = self.people.login("ann", "ann's pass", "admin")
        own = ("credential", "create", "--type", "ec2", "--project", self.project, ann("token", "issue")["user_id"])
        admin.fails("501", *own[:3], "cert", *own[4:], create())
        admin.fails("400", *own, create(("trust_id", "t")))
        made = admin(*own, create())
        assert json.loads(made["blob"]) == {"access": OWN_KEY, "secret": OWN_SECRET}, made
        admin.fails("409", *own, create())
        assert self.may(OWN_KEY, OWN_SECRET)
        body = {"server": {"name": "x"}}
        asked = self.signed("POST", f"/v1/{self.project}/cloudservers", body=json.dumps(body), key=OWN_KEY, secret=OWN_SECRET)
        assert self.send("POST", *asked, 403)["error"]["code"] == "Pdp.0001", "a reader makes none"
        [row] = ann("ec2", "credentials", "list")
        assert row["Access"] == OWN_KEY, row
        ann.fails("404", "ec2", "credentials", "delete", self.key)
        admin.text("role", "remove", "--user", "ann", "--project", "admin", "reader")
        assert not self.may(OWN_KEY, OWN_SECRET), "without a role"
        admin.text("role", "add", "--user", "ann", "--project", "admin", "reader")
        assert self.may(OWN_KEY, OWN_SECRET)
        admin.text("user", "set", "--disable", "ann")
        assert not self.may(OWN_KEY, OWN_SECRET), "of a disabled user"
        admin.text("user", "set", "--enable", "ann")
        assert self.may(OWN_KEY, OWN_SECRET)
        admin.text("credential", "delete", OWN_KEY)
        assert not self.may(OWN_KEY, OWN_SECRET), "a key that is gone"

    def step_end(self):
        """a user has ten keys at most, and a removed one opens nothing any more"""
        for _ in range(9):
            self.people.admin("ec2", "credentials", "create")
        self.people.admin.fails("403", "ec2", "credentials", "create")
        assert self.may(self.key, self.secret)
        self.people.admin.text("ec2", "credentials", "delete", self.key)
        assert not self.may(self.key, self.secret)


if __name__ == "__main__":
    sys.exit(client.main(Session))
