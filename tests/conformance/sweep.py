"""The attacks on one operation. Each gives (what, request, judge), where the judge says what is wrong with an answer."""

import json
import re
import uuid

import bodies
import envelopes
import tables
from wire import send
from world import MARKER

# What a path parameter can be besides an id that isn't there. None of it may be more than not found or malformed.
STRANGE_IDS = [
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a%2fb", "%00", "%ff%fe", "%E5%90%8D", "x" * 300, "x" * 6000, "-1", "0",
    "%27%20OR%201%3D1--", "%3Cscript%3E", "null", "1e309", "%20", "%0d%0aX-Injected:%201", "*", "%25", "{id}",
]
# The same for any path as a whole.
STRANGE_QUERIES = [
    "?limit=-1", "?limit=abc", "?limit=99999999999999999999", "?marker=%00", "?marker=" + "x" * 5000, "?%ff=%fe", "?a=1&a=2",
    "?sort_key=%27", "?sort=x:y:z", "?" + "&".join(f"k{n}=v" for n in range(300)), "?=&=&", "?limit=", "?fields=%00",
]


class Sweep:
    def __init__(self, world, operations):
        self.world = world
        self.methods = tables.methods_by_path(operations)

    # --- what a request needs to be right but for one thing ---

    def token(self, operation):
        """Of alpha's member where that is enough, else the operator's: a refused caller would hide what is tried."""
        needs_admin = self.world.least.get(operation.table["action"]) in ("Manager", "Operator") or operation.plugin == "identity-v3"
        return self.world.admin if needs_admin else self.world.alpha

    def values(self, operation, **changed):
        world = self.world
        values = dict(world.own)
        if operation.plugin == "identity-v3":
            values.update(world.spare)
        else:
            # A token acts in its own project.
            admin = self.token(operation) == world.admin
            values["project_id"] = world.admin_project if admin else world.projects["alpha"]
        if operation.plugin == "volume-v3":
            # What has a snapshot stays, whatever is asked; a snapshot is one that may go.
            values["volume_id"] = world.own["data_volume_id"]
            if operation.id == "snapshots.delete":
                values["snapshot_id"] = world.snapshot_to_lose()
        if operation.id == "servers.force_delete":
            values["server_id"] = world.server_to_lose()
        for name in operation.parameters:
            values.setdefault(name, str(uuid.uuid4()))
        return {**values, **changed}

    def headers(self, operation, token, content_type=None):
        headers = operation.version_headers()
        if token is not None:
            headers["X-Auth-Token"] = token
        if operation.body != "none":
            headers["Content-Type"] = content_type or operation.content_type
        return headers

    def sample(self, operation):
        if operation.schema:
            return bodies.Schema(operation.schema).sample(operation.schema)
        key = operation.table.get("body-key")
        return {key: {}} if key else {}

    def payload(self, operation):
        if operation.body == "stream":
            return b"bytes"
        return None if operation.body == "none" else self.sample(operation)

    # --- judges ---

    def judge(self, operation, *statuses):
        """Exactly one of these statuses, in the vendor's envelope."""

        def wrong(answer):
            if answer.status not in statuses and not (operation.is_absent and answer.status == 501):
                return f"{answer.status} and not {' or '.join(map(str, statuses))}: {answer.text()[:200]}"
            return envelopes.check(operation.plugin, operation.api, answer) if answer.status >= 400 else None

        return wrong

    def no_failure(self, operation):
        """Whatever it answers, it is neither a failure of the server nor a leak, and an error is the vendor's."""

        def wrong(answer):
            if answer.status >= 500 and not (answer.status == 501 and operation.is_absent):
                return f"{answer.status}: {answer.text()[:200]}"
            if found := envelopes.INTERNALS.search(answer.body):
                return f"internals: {found[0]!r}"
            return envelopes.check(operation.plugin, operation.api, answer) if answer.status >= 400 else None

        return wrong

    def nothing_of_alpha(self, operation, *statuses):
        inner = self.judge(operation, *statuses) if statuses else self.no_failure(operation)

        def wrong(answer):
            if MARKER in answer.text() and MARKER not in operation.url(self.values(operation)):
                return f"another project's data: {answer.text()[:200]}"
            return inner(answer)

        return wrong

    # --- the attacks ---

    def attacks(self, operation):
        yield from self.tokens(operation)
        yield from self.methods_and_types(operation)
        yield from self.paths(operation)
        yield from self.foreign(operation)
        if operation.body == "json":
            yield from self.json_bodies(operation)
            yield from self.schema_bodies(operation)
        if operation.body != "stream":
            yield from self.oversized(operation)

    def request(self, operation, url=None, method=None, body=..., token=..., content_type=None):
        body = self.payload(operation) if body is ... else body
        token = self.token(operation) if token is ... else token
        url = operation.url(self.values(operation)) if url is None else url
        headers = self.headers(operation, token, content_type)
        return lambda: send(method or operation.method, url, body, headers)

    def tokens(self, operation):
        for what, token in self.world.bad_tokens.items():
            judge = self.no_failure(operation) if operation.is_open else self.judge(operation, 401)
            yield f"token: {what}", self.request(operation, token=token), judge

    def methods_and_types(self, operation):
        served = set()
        for path in operation.table["paths"][:1]:
            key = (operation.base, re.sub(r"{\w+}", "{}", path))
            served |= self.methods.get(key, set())
        url = operation.url(self.values(operation))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE"):
            # GET's route serves HEAD; a literal path that another template also fits may serve more.
            if method not in served and not self.fits_another(operation, url, method):
                yield f"method {method}", self.request(operation, method=method, body=None), self.judge(operation, 405, 404)
        if operation.body == "json" or operation.table.get("content-types"):
            for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", "multipart/form-data", "/", "\xff"):
                yield f"type {kind!r}", self.request(operation, content_type=kind), self.judge(operation, 415)

    def fits_another(self, operation, url, method):
        for (base, path), methods in self.methods.items():
            pattern = re.escape(base + path).replace(r"\{\}", "[^/]+")
            if method in methods and re.fullmatch(pattern, url):
                return True
        return False

    def paths(self, operation):
        for name in operation.parameters:
            # The last parameter is what is asked for; those before it lead there.
            unknown = self.values(operation, **{name: tables.NUMBERS.get(name, str(uuid.uuid4()))})
            if name == "project_id" and operation.api.get("project-param") == name:
                mismatch = self.judge(operation, 400)
                yield "foreign project in the URL", self.request(operation, operation.url(unknown)), mismatch
                continue
            if not (operation.method == "PUT" and operation.body == "none"):
                unknown_too = name in tables.FILTERS
                judge = self.no_failure(operation) if unknown_too else self.judge(operation, *self.unknown_statuses(operation))
                yield f"unknown {name}", self.request(operation, operation.url(unknown)), judge
            for text in STRANGE_IDS:
                url = operation.url(self.values(operation, **{name: text}))
                yield f"{name} {text[:20]!r}", self.request(operation, url), self.no_failure(operation)
        if operation.method in ("GET", "DELETE") and not operation.is_open:
            nowhere = self.values(operation, **{name: str(uuid.uuid4()) for name in operation.parameters if name != "project_id"})
            for query in STRANGE_QUERIES:
                url = operation.url(nowhere if operation.method == "DELETE" else self.values(operation)) + query
                yield f"query {query[:20]!r}", self.request(operation, url), self.no_failure(operation)

    @staticmethod
    def unknown_statuses(operation):
        if refused := tables.refused(operation):
            return (refused, 404)
        if operation.plugin == "ecs-v1":
            # The vendor's word for a server that isn't there, and for a job.
            return (404, 400) if "{server_id}" in operation.table["paths"][0] else (400,)
        # The sample of a body may be wrong in itself, and that may be seen first.
        return (404,) if operation.body == "none" else (404, 400)

    def foreign(self, operation):
        """Alpha's ids in beta's hands, and the lists of beta."""
        least = self.world.least.get(operation.table["action"])
        values = self.values(operation)
        if operation.plugin == "identity-v3":
            values.update(project_id=self.world.projects["alpha"], user_id=self.world.users["alpha"])
        elif "project_id" in operation.parameters:
            values["project_id"] = self.world.projects["beta"]
        owned = [name for name in operation.parameters if name not in tables.NOBODYS]
        request = self.request(operation, operation.url(values), token=self.world.beta)
        if least in ("Manager", "Operator"):
            yield "a member asks for what is an operator's", request, self.judge(operation, 403, 404)
        elif least in ("Anyone", None) or operation.is_absent:
            return
        elif owned and operation.body == "none":
            statuses = (403, 404) if operation.plugin == "identity-v3" else self.unknown_statuses(operation)
            yield "foreign ids", request, self.nothing_of_alpha(operation, *statuses)
        elif operation.method == "GET":
            yield "beta's list", request, self.nothing_of_alpha(operation)
        else:
            yield "foreign ids", request, self.nothing_of_alpha(operation)
        if operation.schema:
            yield from self.foreign_bodies(operation, operation.url(values))

    def foreign_bodies(self, operation, url):
        """Alpha's ids wherever the schema has a field for an id."""
        schema = bodies.Schema(operation.schema)
        for path, node in schema.fields():
            if not path or "string" not in (schema.kinds(node) or ()):
                continue
            if not re.search(r"(^|_)(id|uuid|port)$|Ref$|^(network|id|vpcid|key_name|fixed_ip)$", str(path[-1])):
                continue
            for name in ("server_id", "image_id", "network_id", "subnet_id", "port_id", "keypair_name"):
                body = schema.with_value(path, self.world.own[name])
                what = f"alpha's {name} as {bodies.pointer(path)}"
                yield what, self.request(operation, url, body=body, token=self.world.beta), self.no_failure(operation)

    def json_bodies(self, operation):
        sample = self.sample(operation)
        for what, body in bodies.malformed(sample):
            yield f"body: {what}", self.request(operation, body=body), self.judge(operation, 400)
        nothing = 400 if operation.schema else tables.refused(operation) or 400
        yield "body: none", self.request(operation, body=b""), self.judge(operation, nothing)
        # Where the body is free (a map of anything), what is strange may still be right.
        for body in bodies.strange(sample):
            yield f"body: {str(body)[:30]}", self.request(operation, body=body), self.no_failure(operation)

    def schema_bodies(self, operation):
        if not operation.schema:
            judge = self.judge(operation, tables.refused(operation) or 400)
            # A patch is a list of changes, and none of them is one too.
            for body in ([{}] if "patch" in operation.content_type else [], None, True, 7, "x"):
                yield f"body: {body!r}", self.request(operation, body=self.json(body)), judge
            yield from self.shown_attributes(operation)
            return
        schema = bodies.Schema(operation.schema)
        for what, body in schema.wrong_types():
            yield what, self.request(operation, body=self.json(body)), self.judge(operation, 400)
        for what, body in schema.missing():
            yield what, self.request(operation, body=self.json(body)), self.judge(operation, 400)

    def shown_attributes(self, operation):
        """Without a schema, what the resource shows says of which type its attributes are."""
        for path in (operation.path, f"{operation.path}/{{{operation.id.split('.')[0].rstrip('s').replace('-', '_')}_id}}"):
            try:
                answer = self.request(operation, operation.url(self.values(operation), path), "GET", None)()
            except KeyError:
                continue
            shown = answer.json() if answer.status == 200 else None
            if isinstance(shown, dict) and len(shown) == 1 and isinstance(next(iter(shown.values())), dict):
                (key, attributes), = shown.items()
                for name, value in attributes.items():
                    for wrong in ({"x": {}}, [[{}]], {"string": 1.5, "boolean": "x", "integer": "x"}.get(bodies.kind(value), "x")):
                        body = self.json({key: {name: wrong}})
                        yield f"/{key}/{name} = {wrong!r}", self.request(operation, body=body), self.judge(operation, 400, 403)
                return

    @staticmethod
    def json(value):
        return json.dumps(value).encode()

    def oversized(self, operation):
        size = operation.api.get("max-body-kib", 1024) * 1024 + 1
        body = b'{"x":"' + b"x" * size + b'"}'
        if operation.body == "json":
            yield "oversized", self.request(operation, body=body), self.judge(operation, 413)
