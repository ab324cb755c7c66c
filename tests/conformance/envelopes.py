"""What a refusal of each personality looks like. One checker a personality: gives what is wrong, or None."""

import html
import json
import re

# Words that a client must never see, whatever the status.
INTERNALS = re.compile(
    rb"panicked at|stack backtrace|wasm trap|wasmtime|sqlx|SQLITE_|UNIQUE constraint|INSERT INTO|SELECT .* FROM|\.rs:\d+|secret:"
)

NOVA = {
    400: "badRequest", 403: "forbidden", 404: "itemNotFound", 405: "badMethod", 406: "computeFault",
    409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
}


def is_json(answer):
    kind = answer.headers.get("Content-Type", "")
    if not kind.startswith("application/json"):
        return None, f"content type {kind!r}"
    try:
        return answer.json(), None
    except ValueError:
        return None, "no JSON"


def keystone_error(answer, body):
    """{"error": {"code", "title", "message"}}: Keystone's, and what its middleware says for the others at 401."""
    error = body.get("error") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(error, dict) or error.get("code") != answer.status:
        return "not {error: {code: status}}"
    if not error.get("message") or not error.get("title"):
        return "no message or no title"
    return None


def identity(answer):
    body, wrong = is_json(answer)
    if wrong:
        return wrong
    if answer.status == 401 and "WWW-Authenticate" not in answer.headers:
        return "401 without WWW-Authenticate"
    return keystone_error(answer, body)


def compute(answer):
    body, wrong = is_json(answer)
    if wrong:
        return wrong
    if answer.status == 401:
        return keystone_error(answer, body)
    name = NOVA.get(answer.status, "computeFault")
    if not isinstance(body, dict) or list(body) != [name]:
        return f"not {{{name}: ...}}"
    if body[name].get("code") != answer.status or not body[name].get("message"):
        return "code or message"
    return None


def image(answer):
    if answer.status == 401:
        body, wrong = is_json(answer)
        return wrong or keystone_error(answer, body)
    kind, text = answer.headers.get("Content-Type", ""), html.unescape(answer.text())
    # As the client accepts it: HTML, the same in JSON, or plain text.
    if kind.startswith("text/html"):
        return None if f"<h1>{answer.status} " in text else "no <h1>STATUS"
    if kind.startswith("application/json"):
        body = json.loads(text)
        return None if body.get("code", "").startswith(f"{answer.status} ") and body.get("message") else "code or message"
    if kind.startswith("text/plain"):
        return None if text.startswith(f"{answer.status} ") else "no status in the text"
    return f"content type {kind!r}"


def network(answer):
    body, wrong = is_json(answer)
    if wrong:
        return wrong
    if answer.status == 401:
        return keystone_error(answer, body)
    error = body.get("NeutronError") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(error, dict) or set(error) != {"type", "message", "detail"}:
        return "not {NeutronError: {type, message, detail}}"
    return None if error["type"] and error["message"] else "no type or no message"


def ecs(answer):
    body, wrong = is_json(answer)
    if wrong:
        return wrong
    # The query of a job has what it failed with at the top: its page of the document says so.
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict) or set(error) != {"code", "message"}:
        return "not {error: {code, message}}"
    if not re.fullmatch(r"(Ecs|Common|Pdp)\.\d{4}", str(error["code"])) or not error["message"]:
        return "code or message"
    return None


def keystone(answer):
    body, wrong = is_json(answer)
    return wrong or keystone_error(answer, body)


def cloudos(answer):
    body, wrong = is_json(answer)
    if wrong:
        return wrong
    if not isinstance(body, dict) or set(body) != {"code", "msg", "data", "total"}:
        return "not {code, msg, data, total}"
    if body["data"] is not None or body["total"] != 0:
        return "data or total"
    return None if body["code"] and body["msg"] else "no code or no msg"


CHECKERS = {
    "identity-v3": identity, "compute-v2": compute, "image-v2": image, "network-v2": network, "ecs-v1": ecs,
    "volume-v3": compute, "billing-v1": keystone, "easystack": keystone, "cloudos": cloudos,
}


def check(plugin, api, answer):
    """Of any answer from 400 on."""
    if plugin not in CHECKERS:
        return f"no checker for {plugin}: add one to {__file__}"
    for name in api.get("request-id-headers", []):
        if not answer.headers.get(name):
            return f"no {name}"
    if found := INTERNALS.search(answer.body):
        return f"internals: {found[0]!r}"
    return CHECKERS[plugin](answer)
