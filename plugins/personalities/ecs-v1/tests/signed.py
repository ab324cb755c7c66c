#!/usr/bin/env python3
"""Makes signed.json: requests signed by the vendor's own SDK, as its HTTP library sends them. The host's tests take them in.

    target/venv/bin/python plugins/personalities/ecs-v1/tests/signed.py >plugins/personalities/ecs-v1/tests/signed.json
"""

import json

import requests
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.sdk_request import SdkRequest

KEY, SECRET, DATE = "AKIDEXAMPLE0000001", "SECRETexample0123456789abcdefghijklmnop", "20260131T235959Z"
JSON, AGENT = {"Content-Type": "application/json"}, {"User-Agent": "a client/3.0"}
ODD = [("name", "a b+c~*/é"), ("limit", 10), ("flag", True), ("tag", ["b", "a.b", "a/b"]), ("empty", "")]
HASH = {"X-Sdk-Content-Sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
CASES = {
    "no query, no body": ("GET", "/v1/p1/cloudservers/flavors", [], {**AGENT, **JSON}, None),
    "a query of odd signs, lists, numbers and flags": ("GET", "/v1/p1/cloudservers/detail", ODD, {**AGENT, **JSON}, None),
    "a path of odd signs": ("GET", "/v2.1/p1/os-keypairs/k%20%C3%A9~x", [], AGENT, None),
    "a slash at the end of the path": ("DELETE", "/v1/p1/x/", [], JSON, None),
    "a body and a header of UTF-8": ("POST", "/v1/p1/x", [], {**JSON, "X-Odd": "  wëird  "}, '{"id":"é"}'),
    "the body's hash in a header": ("POST", "/v1/p1/x", [], {**JSON, **HASH}, "{}"),
    "a body of another type, unsigned": ("POST", "/v1/p1/x", [], {"Content-Type": "text/plain"}, "anything"),
}


def signed(name, method, path, query, headers, body):
    request = SdkRequest(
        method=method, schema="http", host="ecs.test:7001", resource_path=path, query_params=query,
        header_params={"X-Sdk-Date": DATE, **headers}, body=body,
    )
    request = BasicCredentials(KEY, SECRET, "p1").sign_request(request)
    sent = requests.Request(method, request.url, headers=request.header_params, data=request.body).prepare()
    # Headers are the bytes of UTF-8, each a sign of its own.
    headers = {header: value.encode("latin-1").decode() for header, value in request.header_params.items()}
    return {"name": name, "method": method, "target": sent.path_url, "headers": headers, "body": body or ""}


if __name__ == "__main__":
    cases = [signed(name, *case) for name, case in CASES.items()]
    print(json.dumps({"key": KEY, "secret": SECRET, "requests": cases}, indent=1, ensure_ascii=False))
