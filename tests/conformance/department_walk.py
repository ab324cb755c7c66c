"""What a manager may in a department, and in a project, asked of one operation: all of his own, nothing of anybody else's."""

import dataclasses
import json
import re
import uuid

import envelopes
from department_ecs import ECS
from department_identity import IDENTITY
from department_networks import NETWORKS
from department_proxies import PROXIES
from department_tables import DIALECTS, EITHER, EVERYBODY, NOBODY, OPERATORS, OWN, TABLES
from department_volumes import VOLUMES
from wire import send

ALL_TABLES = {
    **TABLES, "compute-v2": TABLES["compute-v2"] | PROXIES, "ecs-v1": ECS, "identity-v3": IDENTITY, "network-v2": NETWORKS,
    "volume-v3": VOLUMES,
}

# What two answers to the same question may differ in.
PASSING = re.compile(r"req-[0-9a-f-]{36}|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)?")
PASSING_HEADERS = {"date", "content-length", "x-request-id", "x-openstack-request-id", "x-compute-request-id", "requestid"}


@dataclasses.dataclass
class Caller:
    name: str
    token: str
    places: list  # the projects that he reaches
    is_domain: bool


@dataclasses.dataclass
class View:
    """One way to write the URL, the projects that it reaches, and those that it doesn't."""

    path: str
    names_project: bool
    own: list
    foreign: list


def never(value):
    """An id of the same form that never was; in an order of ids it would stand beside this one."""
    is_id = re.fullmatch(r"(req-)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", value)
    return value[:-8] + uuid.uuid4().hex[:8] if is_id else f"never-{uuid.uuid4().hex}"


class Walk:
    def __init__(self, world):
        self.world = world
        east = world.east
        self.callers = [
            Caller("the department's manager", east.manager, east.places, True),
            Caller("a project's manager", east.places[0].head, east.places[:1], False),
        ]
        self.before, self.asked = self.west_state(), 0

    def west_state(self):
        return {key: seen for place in self.world.west.places for key, seen in place.state().items()}

    @staticmethod
    def entries(operation):
        table = ALL_TABLES.get(operation.plugin, {}) | DIALECTS.get(operation.mount, {})
        found = table.get(operation.id, [])
        return found if isinstance(found, list) else [found]

    def wrong(self, operation):
        """All that is wrong with this operation, in words."""
        self.asked = 0
        entries = self.entries(operation)
        if not entries:
            yield f"{operation.plugin} {operation.id} is not in the tables of this walk"
        for entry in entries:
            for caller in self.callers:
                if operation.plugin == "identity-v3" and not caller.is_domain:
                    continue  # people are a department's
                for view in self.views(operation, caller):
                    if entry.where == "department" and not (caller.is_domain and not view.names_project):
                        continue
                    where = f"{entry.note + ', ' if entry.note else ''}{caller.name}, {view.path}"
                    for reason in self.of_view(operation, entry, caller, view):
                        yield f"{where}: {reason}"
            yield from self.of_domain_member(operation, entry)
        if (after := self.west_state()) != self.before:
            changed = [(key, self.before.get(key), seen) for key, seen in after.items() if seen != self.before.get(key)]
            yield f"west changed: {changed[:2]}"
            self.before = after

    # --- requests ---

    def views(self, operation, caller):
        paths, scoped = operation.table["paths"], operation.api.get("project-param") == "project_id"
        named = [path for path in paths if scoped and "{project_id}" in path][:1]
        bare = [path for path in paths if path not in named and not (scoped and "{project_id}" in path)][:1]
        others = lambda own: [place for place in self.world.places if place not in own]
        for path in bare:
            yield View(path, False, caller.places, others(caller.places))
        for path in named:
            for place in caller.places:
                yield View(path, True, [place], others([place]))

    def ask(self, operation, entry, token, path, values, query=""):
        # What isn't there at all has ids too.
        there = {name: uuid.uuid4().hex for name in re.findall(r"{(\w+)}", path)} | values
        url = operation.url(there, path) + (query or entry.query)
        body = entry.body(values) if entry.body else None
        headers = {**operation.version_headers(), "X-Auth-Token": token}
        if operation.body != "none":
            headers["Content-Type"] = operation.content_type
        headers |= entry.headers(values) if entry.headers else {}
        self.asked += 1
        answer = send(operation.method, url, body, headers)
        sent = f"{url} {json.dumps(body) if not isinstance(body, bytes) else body!r} {headers}"
        return answer, sent

    def values(self, entry, place, caller=None):
        """With what the operation needs or uses up where a caller is named."""
        values = {**self.world.common, **place.values}
        values |= {name: values[source] for name, source in entry.alias.items()}
        if caller and entry.ready:
            values |= entry.ready(place, caller) or {}
        return values

    # --- judges ---

    @staticmethod
    def shape(operation, answer):
        if answer.status >= 500 and answer.status != 501:
            return f"{answer.status}: {answer.text()[:200]}"
        return envelopes.check(operation.plugin, operation.api, answer) if answer.status >= 400 else None

    @staticmethod
    def leak(answer, sent, own, foreign):
        seen = f"{answer.text()} {answer.headers}"
        known = set().union(*(place.words() for place in own))
        for place in foreign:
            for word in place.words() - known:
                if word in seen and word not in sent:
                    return f"{place.mark}'s {word!r} is seen: {answer.status} {answer.text()[:300]}"
        return None

    @staticmethod
    def normal(answer, value):
        tidy = lambda text: PASSING.sub("*", text.replace(value, "{id}"))
        headers = {(name.lower(), tidy(text)) for name, text in answer.headers.items() if name.lower() not in PASSING_HEADERS}
        return answer.status, tidy(answer.text()), sorted(headers)

    # --- the questions ---

    def of_view(self, operation, entry, caller, view):
        if entry.may == OWN:
            foreign = [place for place in view.foreign if place not in caller.places]
            view = dataclasses.replace(view, foreign=foreign)
        for place in view.own:
            yield from self.of_own(operation, entry, caller, view, place)
        here = view.own[0]
        for name in entry.refs:
            yield from self.of_foreign(operation, entry, caller, view, here, name)
        for parameter, name in entry.asks:
            yield from self.of_filter(operation, entry, caller, view, here, parameter, name)
        if view.names_project:
            yield from self.of_mismatch(operation, entry, caller, view)

    def expected(self, operation, entry, caller, view):
        if entry.may == OPERATORS:
            return (403,)
        if entry.may == NOBODY:
            return (403, 404)
        success = tuple(operation.table["success"])
        if entry.in_project and caller.is_domain and not view.names_project:
            return (403,)
        return (*success, 403) if entry.may == EITHER else success

    def of_own(self, operation, entry, caller, view, place):
        answer, sent = self.ask(operation, entry, caller.token, view.path, self.values(entry, place, caller))
        statuses = self.expected(operation, entry, caller, view)
        if answer.status not in statuses:
            yield f"{answer.status} and not {' or '.join(map(str, statuses))} in {place.mark}: {answer.text()[:300]}"
        elif answer.status == 403 and entry.in_project and "project" not in answer.text():
            yield f"nothing says that a project is needed: {answer.text()[:200]}"
        elif answer.status < 300:
            for name in entry.seen:
                if missing := [each.mark for each in view.own if each.values[name] not in answer.text()]:
                    yield f"the {name} of {missing} is missing"
            if missing := [name for name in entry.shares if self.world.common[name] not in answer.text()]:
                yield f"what everybody shares is missing: {missing}"
            if operation.id.startswith("servers."):
                place.settle()
            if entry.then and (reason := entry.then(place, answer)):
                yield reason
        yield from filter(None, (self.shape(operation, answer), self.leak(answer, sent, view.own, view.foreign)))

    def of_foreign(self, operation, entry, caller, view, here, name):
        """Foreign is not there: the same answer but for the id."""
        base = self.values(entry, here)
        for place in view.foreign:
            value = self.values(entry, place)[name]
            if value in here.words() or value == base[name]:
                continue
            theirs, sent = self.ask(operation, entry, caller.token, view.path, {**base, name: value})
            nobodys = never(value)
            none, _ = self.ask(operation, entry, caller.token, view.path, {**base, name: nobodys})
            is_refused = theirs.status in (401, 403, 404) if name == "subject" else theirs.status >= 400
            if not is_refused:
                yield f"{place.mark}'s {name}: {theirs.status} {theirs.text()[:200]}"
            elif name != "subject" and self.normal(theirs, value) != self.normal(none, nobodys):
                yield (
                    f"{place.mark}'s {name} is told from none: {theirs.status} {theirs.text()[:150]} / "
                    f"{none.status} {none.text()[:150]}"
                )
            yield from filter(None, (self.shape(operation, theirs), self.leak(theirs, sent, view.own, view.foreign)))

    def of_filter(self, operation, entry, caller, view, here, parameter, name):
        """A list narrowed by what is foreign is what it is when narrowed by nothing that ever was."""
        base = self.values(entry, here)
        for place in view.foreign:
            value = self.values(entry, place)[name]
            if value in here.words():
                continue
            join = f"{entry.query}{'&' if entry.query else '?'}{parameter}="
            nobodys = never(value)
            theirs, sent = self.ask(operation, entry, caller.token, view.path, base, join + value)
            none, _ = self.ask(operation, entry, caller.token, view.path, base, join + nobodys)
            if self.normal(theirs, value) != self.normal(none, nobodys):
                yield (
                    f"{parameter}={place.mark}'s is told from none: {theirs.status} {theirs.text()[:150]} / "
                    f"{none.status} {none.text()[:150]}"
                )
            yield from filter(None, (self.shape(operation, theirs), self.leak(theirs, sent, view.own, view.foreign)))

    def of_mismatch(self, operation, entry, caller, view):
        """A project in the URL that the token doesn't reach is refused as none is, in the face's words."""
        refusal = operation.api["errors"]["overrides"]["project-mismatch"]
        base = self.values(entry, view.own[0])
        projects = [place.project_id for place in self.world.places if place not in caller.places]
        for project in (*projects, uuid.uuid4().hex):
            answer, sent = self.ask(operation, entry, caller.token, view.path, {**base, "project_id": project})
            if (answer.status, answer.text()) != (refusal["status"], refusal["body"]):
                # {status} is filled in; whom the policy refuses the operation anywhere may be told that first.
                is_told = answer.status == refusal["status"] and "project" in answer.text()
                if not is_told and not (entry.may == OPERATORS and answer.status == 403):
                    yield f"a foreign project in the URL: {answer.status} {answer.text()[:200]}"
            if reason := self.leak(answer, sent, view.own, view.foreign):
                yield reason

    def of_domain_member(self, operation, entry):
        """A member of a department, by a token of the department, may nothing that needs a manager."""
        if entry.may in (EVERYBODY, OWN):
            return
        east = self.world.east
        caller = Caller("a department's member", east.member, east.places, True)
        for view in self.views(operation, caller):
            answer, sent = self.ask(operation, entry, caller.token, view.path, self.values(entry, view.own[0]))
            # One's own user, project and domain are shown to anybody; others are not there.
            statuses = (403, 404) if entry.may == NOBODY or operation.plugin == "identity-v3" else (403,)
            statuses = (*statuses, 400) if view.names_project else statuses
            statuses = (*statuses, *operation.table["success"]) if entry.for_anybody or entry.may == EITHER else statuses
            if answer.status not in statuses:
                yield f"{caller.name}, {view.path}: {answer.status} {answer.text()[:200]}"
            if reason := self.leak(answer, sent, view.own, view.foreign):
                yield f"{caller.name}, {view.path}: {reason}"
