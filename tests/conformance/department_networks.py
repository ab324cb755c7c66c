"""The entries of networks: what Neutron has."""

from department_tables import ALL, COUNT, EVERYBODY, NOBODY, OPERATORS, PROJECT_FILTERS, Entry, belongs, fixed, named

PROJECT = ("project_id",)


def of_project(kind, **more):
    """A body that names its project, and one that doesn't."""
    def body(v, with_project=True):
        known = {name: make(v) if callable(make) else make for name, make in more.items()}
        known |= {"project_id": v["project_id"]} if with_project else {}
        return {kind: {"name": f"{v['mark']}-{next(COUNT)}", **known}}

    return body


def made(kind, refs=(), in_project=True, **more):
    body = of_project(kind, **more)
    return [
        Entry(body=body, refs=(*PROJECT, *refs), then=belongs(kind)),
        Entry(body=lambda v: body(v, with_project=False), in_project=in_project, note="of no project"),
    ]


def a_rule(v, with_project=True):
    port = next(COUNT)
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": port, "port_range_max": port}
    rule |= {"security_group_id": v["security_group_id"]}
    rule |= {"remote_group_id": v["remote_group_id"]} if "remote_group_id" in v else {}
    return {"security_group_rule": {**rule, **({"project_id": v["project_id"]} if with_project else {})}}


def a_floating_ip(v, with_project=True, **more):
    own = {"floating_network_id": v["external_network_id"], "description": v["mark"], **more}
    return {"floatingip": {**own, **({"project_id": v["project_id"]} if with_project else {})}}


def listed(name, *filters, shares=()):
    own = (("id", name), ("marker", name), ("sort_key=id&marker", name), *PROJECT_FILTERS)
    return Entry(seen=(name,), shares=shares, query=ALL, asks=(*own, *filters))


def several(v):
    return {"networks": [{"name": v["mark"], "project_id": project} for project in (v["home"], v["project_id"])]}


SHARED, ON_SHARED = ("shared_network_id", "external_network_id"), {"network_id": "shared_network_id"}
DESCRIBED = lambda kind: fixed({kind: {"description": "changed"}})
CIDR = lambda v: f"10.{next(COUNT) % 250}.0.0/24"
FIXED = lambda v: [{"subnet_id": v["subnet_id"]}]
GROUPS = lambda v: [v["security_group_id"]]
ON = lambda v: v["network_id"]
NETWORKS = {
    "versions.list": Entry(EVERYBODY),
    "resources.list": Entry(),
    "extensions.list": Entry(),
    "extensions.show": Entry(),
    "zones.list": Entry(),
    "networks.list": listed("network_id", ("name", "network_name"), ("description", "mark"), shares=SHARED),
    "networks.show": [
        Entry(refs=("network_id",)), *(Entry(alias={"network_id": name}, note=name) for name in SHARED),
    ],
    "networks.create": [
        *made("network"), Entry(body=several, refs=PROJECT, note="several"),
        Entry(OPERATORS, body=of_project("network", shared=True), note="shared"),
        Entry(OPERATORS, body=of_project("network", **{"router:external": True}), note="external"),
    ],
    "networks.update": [
        Entry(body=DESCRIBED("network"), refs=("network_id",)),
        Entry(OPERATORS, body=fixed({"network": {"shared": True}}), note="shared"),
        Entry(NOBODY, body=DESCRIBED("network"), alias=ON_SHARED, note="of everybody"),
    ],
    "networks.delete": [
        Entry(refs=("network_id",), ready=lambda place, caller: {"network_id": place.network()}),
        Entry(NOBODY, alias=ON_SHARED, note="of everybody"),
    ],
    "subnets.list": listed("subnet_id", ("network_id", "network_id"), shares=("shared_subnet_id",)),
    "subnets.show": [Entry(refs=("subnet_id",)), Entry(alias={"subnet_id": "shared_subnet_id"}, note="shared")],
    "subnets.create": made("subnet", ("network_id",), in_project=False, ip_version=4, cidr=CIDR, network_id=ON),
    "subnets.update": Entry(body=named("subnet"), refs=("subnet_id",)),
    "subnets.delete": Entry(
        refs=("subnet_id",), ready=lambda place, caller: {"subnet_id": place.subnet(place.network(), 99)}
    ),
    "ports.list": listed(
        "port_id", ("network_id", "network_id"), ("device_id", "server_id"), ("security_groups", "security_group_id")
    ),
    "ports.show": Entry(refs=("port_id",)),
    "ports.create": [
        *made(
            "port", ("network_id", "subnet_id", "security_group_id"), network_id=ON, fixed_ips=FIXED, security_groups=GROUPS
        ),
        Entry(body=of_project("port", network_id=ON), alias=ON_SHARED, then=belongs("port"), note="on a shared network"),
    ],
    "ports.update": [
        Entry(body=named("port"), refs=("port_id",)),
        Entry(
            body=lambda v: {"port": {"security_groups": [v["security_group_id"]]}}, refs=("security_group_id",),
            note="in a group",
        ),
    ],
    "ports.delete": Entry(
        refs=("port_id",), ready=lambda place, caller: {"port_id": place.port(place.values["network_id"])}
    ),
    "security-groups.list": listed("security_group_id"),
    "security-groups.show": Entry(refs=("security_group_id",)),
    "security-groups.create": made("security_group"),
    "security-groups.update": Entry(body=named("security_group"), refs=("security_group_id",)),
    "security-groups.delete": Entry(
        refs=("security_group_id",), ready=lambda place, caller: {"security_group_id": place.group()[0]}
    ),
    "security-group-rules.list": listed(
        "rule_id", ("security_group_id", "security_group_id"), ("remote_group_id", "security_group_id")
    ),
    "security-group-rules.show": Entry(refs=("rule_id",)),
    "security-group-rules.create": [
        Entry(body=a_rule, refs=(*PROJECT, "security_group_id")),
        Entry(body=lambda v: a_rule(v, with_project=False), note="of no project"),
        Entry(body=a_rule, refs=("remote_group_id",), alias={"remote_group_id": "security_group_id"}, note="from a group"),
    ],
    "security-group-rules.delete": Entry(refs=("rule_id",), ready=lambda place, caller: {"rule_id": place.group()[1]}),
    "floatingips.list": listed("floatingip_id", ("port_id", "port_id")),
    "floatingips.show": Entry(refs=("floatingip_id",)),
    "floatingips.create": [
        Entry(body=a_floating_ip, refs=PROJECT, then=belongs("floatingip")),
        Entry(body=lambda v: a_floating_ip(v, with_project=False), in_project=True, note="of no project"),
        Entry(
            body=lambda v: a_floating_ip(v, port_id=v["port_id"]), refs=("port_id",), then=belongs("floatingip"), note="on a port",
            ready=lambda place, caller: {"port_id": place.port(place.values["network_id"])},
        ),
    ],
    "floatingips.update": [
        Entry(body=fixed({"floatingip": {"description": "changed"}}), refs=("floatingip_id",)),
        Entry(
            body=lambda v: {"floatingip": {"port_id": v["port_id"]}}, refs=("floatingip_id", "port_id"), note="to a port",
            ready=lambda place, caller: {"floatingip_id": place.floating_ip()[0], "port_id": place.port(place.values["network_id"])},
        ),
    ],
    "floatingips.delete": Entry(
        refs=("floatingip_id",), ready=lambda place, caller: {"floatingip_id": place.floating_ip()[0]}
    ),
    "routers.list": listed("router_id"),
    "routers.show": Entry(refs=("router_id",)),
}
