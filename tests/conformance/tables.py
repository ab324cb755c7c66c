"""What the deployment mounts, and what each mounted plugin serves, out of its operation table."""

import dataclasses
import json
import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Operations whose policy lets anyone through (`Anyone` in host/model/src/action.rs).
OPEN_ACTIONS = {"public", "tokens:issue", "users:change-password"}
# Upstream's functions that aren't there answer 501 in upstream's own words.
ABSENT = re.compile(r"^unsupported\.")
# What Nova passes on to other services ends with these versions; `/v2`, which has none, has it whatever a header says.
PASSED_ON = {
    "2.35": re.compile(r"(networks|security_groups|security_group_rules|floating_ips|floating_ip_pools|volumes|snapshots|images)\."),
    "2.43": re.compile(r"server_floating_ips\."),
}
# (plugin, operation): the one status with which everything is refused that got past the token. Each is a deviation that is
# known and said: an image has no members yet; whoever doesn't know a user's password isn't told whether the user exists.
REFUSED = [
    ("image-v2", re.compile(r"^members\.(create|update|delete|show)$"), 403),
    ("identity-v3", re.compile(r"^users\.password$"), 401),
]
# Parameters that narrow a list: of an unknown one the list is empty.
FILTERS = {"virtual_type", "os_type", "target_id", "target_project_id"}
# And those that name what is no project's own, or may be asked for by anybody.
NOBODYS = {"project_id", "flavor_id", "schema", "alias", "router_id", "image_type_id", "type_id", *FILTERS}
# Ids that are numbers; of these one that is unknown is none that was ever given.
NUMBERS = {"aggregate_id": "987654321"}


@dataclasses.dataclass
class Operation:
    plugin: str
    mount: str  # e.g. "compute-v2 (ecs)"
    base: str  # URL of the mount
    api: dict
    table: dict
    schema: dict | None

    @property
    def id(self):
        return self.table["id"]

    @property
    def method(self):
        return self.table["method"]

    @property
    def path(self):
        return self.table["paths"][0]

    @property
    def parameters(self):
        return re.findall(r"{(\w+)}", self.path)

    @property
    def is_open(self):
        return self.table["action"] in OPEN_ACTIONS

    @property
    def is_absent(self):
        return bool(ABSENT.match(self.id))

    @property
    def body(self):
        usual = "none" if self.method in ("GET", "HEAD", "DELETE") else "json"
        return self.table.get("body", usual)

    @property
    def content_type(self):
        return self.table.get("content-types", ["application/json"])[0]

    def version_headers(self):
        """The newest version that the operation has: its schema is the one that is tried."""
        versioning = self.api.get("versioning")
        if not versioning:
            return {}
        header = versioning["headers"][0]
        version = self.table.get("max-version", versioning["max"])
        if self.plugin == "compute-v2":
            version = next((last for last, ids in PASSED_ON.items() if ids.match(self.id)), version)
        prefix = header.get("prefix")
        return {header["name"]: f"{prefix} {version}" if prefix else version}

    def url(self, values, path=None):
        return self.base + re.sub(r"{(\w+)}", lambda found: values[found[1]], path or self.path)


def refused(operation):
    """See REFUSED; None for every other operation."""
    return next((status for plugin, id, status in REFUSED if plugin == operation.plugin and id.match(operation.id)), None)


def newest_schema(folder, table):
    file = table.get("schema")
    return newest(json.loads((folder / file).read_text(encoding="utf-8"))) if file else None


def newest(source):
    """The newest version of an annotated schema (host/runtime/src/schema_versions.rs); no annotation has an end in the future."""
    if isinstance(source, list):
        return [newest(item) for item in source]
    if not isinstance(source, dict):
        return source
    out = {name: newest(value) for name, value in source.items() if not name.startswith("x-") and name != "properties"}
    for name, choices in source.get("properties", {}).items():
        choices = choices if isinstance(choices, list) else [choices]
        for chosen in (choice for choice in choices if "x-max" not in choice):
            out.setdefault("properties", {})[name] = newest(chosen)
            if chosen.get("x-required"):
                out["required"] = [*out.get("required", []), name]
    return out


def operations(deployment):
    """Every operation of every mounted personality."""
    listeners = {one["name"]: one.get("public-url", f"http://{one['address']}") for one in deployment["listener"]}
    for mount in deployment["mount"]:
        folder = ROOT / "plugins/personalities" / mount["plugin"]
        manifest = tomllib.loads((folder / "plugin.toml").read_text(encoding="utf-8"))
        base = listeners[mount["listener"]] + mount["prefix"].rstrip("/")
        dialect = mount.get("config", {}).get("dialect")
        name = f"{mount['plugin']} ({dialect})" if dialect else mount["plugin"]
        for table in manifest["operation"]:
            yield Operation(mount["plugin"], name, base, manifest["api"], table, newest_schema(folder, table))


def methods_by_path(all_operations):
    """(base, path with parameters made equal) -> methods, so that a wrong one can be chosen."""
    found = {}
    for operation in all_operations:
        for path in operation.table["paths"]:
            key = (operation.base, re.sub(r"{\w+}", "{}", path))
            found.setdefault(key, set()).add(operation.method)
    return found
