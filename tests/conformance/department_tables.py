"""What each operation of each API needs so that it can succeed, whose ids it takes, and who may ask for it. An operation
without an entry fails the walk; several entries are several ways to ask for it."""

import dataclasses
import itertools
from collections.abc import Callable

MANAGER = "manager"  # whoever manages, in what is his
OPERATORS = "operators"  # the cloud's operators only
EVERYBODY = "everybody"  # no role is needed, nothing of anybody is shown
OWN = "own"  # what belongs to the user who asks and to no project
NOBODY = "nobody"  # refused whoever asks
EITHER = "either"  # nothing says it: the answer may be a refusal
COUNT = itertools.count(1)
ALL = "?limit=1000"


@dataclasses.dataclass
class Entry:
    may: str = MANAGER
    body: Callable | None = None  # of the values
    refs: tuple = ()  # names of the values that must be the caller's
    ready: Callable | None = None  # of place and caller: makes what the operation needs or uses up, gives changed values
    seen: tuple = ()  # names of the values that a list has of every project
    shares: tuple = ()  # names of what the cloud shares with everybody, which a list has too
    asks: tuple = ()  # a list's filters: (parameter, name of the value)
    query: str = ""
    headers: Callable | None = None  # of the values
    then: Callable | None = None  # of place and answer: what is wrong after success
    alias: dict = dataclasses.field(default_factory=dict)  # a parameter's name -> the value's
    note: str = ""
    in_project: bool = False  # makes what belongs to a project that only token or URL can name
    where: str = ""  # "department": only for tokens of a department whose URL names no project
    for_anybody: bool = False  # asks for no more than a token


def new(place):
    return f"{place.mark}-{next(COUNT)}"


def fixed(body):
    return lambda values: body


def named(kind, **more):
    return lambda v: {kind: {"name": f"{v['mark']}-{next(COUNT)}", **more}}


# --- servers, as Nova and the faces over it have them ---

AT = ("server_id",)
POWERED = {"ready": lambda place, caller: place.power("ACTIVE")}
STOPPED = {"ready": lambda place, caller: place.power("SHUTOFF")}
STILL = {**POWERED, "then": lambda place, answer: place.power("ACTIVE")}
PAUSED_SERVER = {"ready": lambda place, caller: {"server_id": place.still(place.server(), "pause", "PAUSED")}}
SUSPENDED_SERVER = {"ready": lambda place, caller: {"server_id": place.still(place.server(), "suspend", "SUSPENDED")}}
FRESH_SERVER = {"ready": lambda place, caller: {"server_id": place.server()}}
RESIZED_SERVER = {"ready": lambda place, caller: {"server_id": place.resized(place.server())}}
RECYCLED_SERVER = {"ready": lambda place, caller: {"server_id": place.recycled(place.server())}}
PROJECT_FILTERS = (("project_id", "project_id"), ("tenant_id", "project_id"))
SERVER_FILTERS = (("marker", "server_id"), ("uuid", "server_id"), ("image", "image_id"), ("user_id", "user_id"))
ITEM = fixed({"meta": {"key": "changed"}})
METADATA = fixed({"metadata": {"key": "changed", "other": "x"}})


def nova_server(**more):
    def body(v):
        own = {name: make(v) for name, make in more.items()}
        least = {"name": f"{v['mark']}-{next(COUNT)}", "flavorRef": v["flavor_id"], "imageRef": v["image_id"]}
        return {"server": {**least, "networks": [{"uuid": v["network_id"]}], **own}}

    return body


def disk(v):
    return [{"boot_index": 0, "destination_type": "volume", "source_type": "image", "uuid": v["image_id"], "volume_size": 1}]


def lands(place, answer):
    """The new server is the project's: its member sees it."""
    place.call("GET", f"{place.world.nova}/servers/{answer.json()['server']['id']}")


CREATIONS = [
    Entry(body=nova_server(), refs=("image_id", "network_id", "flavor_id"), in_project=True, then=lands),
    Entry(
        body=nova_server(networks=lambda v: [{"uuid": v["shared_network_id"]}], imageRef=lambda v: v["public_image_id"]),
        in_project=True, then=lands, note="on what is shared",
    ),
    Entry(
        body=nova_server(networks=lambda v: [{"port": v["port_id"]}]), refs=("port_id",), in_project=True, note="on a port",
        ready=lambda place, caller: {"port_id": place.port(place.values["network_id"])},
    ),
    Entry(
        body=nova_server(security_groups=lambda v: [{"name": v["security_group_id"]}]), refs=("security_group_id",),
        in_project=True, note="in a group",
    ),
    Entry(
        body=nova_server(key_name=lambda v: v["keypair_name"]), refs=("keypair_name",), in_project=True, note="with a key",
        ready=lambda place, caller: {"keypair_name": own_keypair(place, caller)},
    ),
    Entry(
        body=lambda v: {**nova_server()(v), "os:scheduler_hints": {"group": v["server_group_id"]}}, refs=("server_group_id",),
        in_project=True, then=lands, note="in a server group",
        ready=lambda place, caller: {"server_group_id": place.server_group("soft-affinity")},
    ),
    Entry(
        body=nova_server(block_device_mapping_v2=disk, imageRef=lambda v: ""), refs=("image_id",), in_project=True,
        note="from a volume",
    ),
]


def own_keypair(place, caller):
    """Key pairs are their users', so it is the caller's."""
    name, world = new(place), place.world
    world.call(caller.token, "POST", f"{world.nova}/os-keypairs", {"keypair": {"name": name}})
    return name


GROUP = ("server_group_id",)


def groups(policy, **more):
    """The entries of server groups on an API that makes them with this policy, said as its newest version says it."""
    body = lambda v: {"server_group": {"name": f"{v['mark']}-{next(COUNT)}", **policy}}
    return {
        "server_groups.list": Entry(seen=GROUP, query=ALL),
        "server_groups.create": Entry(body=body, in_project=True),
        "server_groups.delete": Entry(refs=GROUP, ready=lambda place, caller: {"server_group_id": place.server_group()}),
        **more,
    }


KEYPAIRS = {
    "keypairs.list": Entry(OWN, asks=(("user_id", "user_id"), ("marker", "keypair_name"))),
    "keypairs.show": Entry(
        OWN, refs=("keypair_name",), ready=lambda place, caller: {"keypair_name": own_keypair(place, caller)}
    ),
    "keypairs.create": Entry(
        OWN, body=lambda v: {"keypair": {"name": f"{v['mark']}-{next(COUNT)}", "type": "ssh", "public_key": v["public_key"]}}
    ),
    "keypairs.delete": Entry(
        OWN, refs=("keypair_name",), ready=lambda place, caller: {"keypair_name": own_keypair(place, caller)}
    ),
}
SERVERS = {
    "servers.create": CREATIONS,
    "servers.show": Entry(refs=AT),
    "servers.start": Entry(body=fixed({"os-start": None}), refs=AT, **STOPPED),
    "servers.stop": Entry(body=fixed({"os-stop": None}), refs=AT, **POWERED),
    "servers.reboot": Entry(body=fixed({"reboot": {"type": "HARD"}}), refs=AT, **POWERED),
    "servers.pause": Entry(body=fixed({"pause": None}), refs=AT, **STILL),
    "servers.unpause": Entry(body=fixed({"unpause": None}), refs=AT, **PAUSED_SERVER),
    "servers.suspend": Entry(body=fixed({"suspend": None}), refs=AT, **STILL),
    "servers.resume": Entry(body=fixed({"resume": None}), refs=AT, **SUSPENDED_SERVER),
    "servers.resize": Entry(
        body=lambda v: {"resize": {"flavorRef": v["flavor_id"]}}, refs=(*AT, "flavor_id"), **FRESH_SERVER
    ),
    "servers.rebuild": Entry(
        body=lambda v: {"rebuild": {"imageRef": v["image_id"]}}, refs=(*AT, "image_id"), **FRESH_SERVER
    ),
    "servers.delete": Entry(refs=AT, **FRESH_SERVER),
    "servers.restore": Entry(body=fixed({"restore": None}), refs=AT, **RECYCLED_SERVER),
    "servers.force_delete": Entry(body=fixed({"forceDelete": None}), refs=AT, **FRESH_SERVER),
}
LISTED = Entry(seen=AT, query=ALL, asks=(*SERVER_FILTERS, *PROJECT_FILTERS))
EVERYWHERE = Entry(seen=AT, asks=PROJECT_FILTERS, query=f"{ALL}&all_tenants=1", where="department", note="all projects")
AN_ITEM = lambda place, caller: place.call(
    "POST", f"{place.world.nova}/servers/{place.values['server_id']}/metadata", {"metadata": {"key": place.mark}}
) and {}
A_TAG = lambda place, caller: place.call(
    "PUT", f"{place.world.nova}/servers/{place.values['server_id']}/tags/to-lose", headers={"X-OpenStack-Nova-API-Version": "2.26"}
) or {"tag": "to-lose"}
IN_GROUP = lambda action: lambda v: {action: {"name": v["security_group_id"]}}
QUOTA_OF = {"target_project_id": "project_id"}
FLAVOR = ("flavor_id",)
FLAVORS = Entry(seen=FLAVOR, shares=("public_flavor_id",), asks=(("marker", "flavor_id"),), query=ALL)
TENANT = lambda kind: lambda v: {kind: {"tenant": v["project_id"]}}
A_HOST = lambda action: Entry(OPERATORS, body=fixed({action: {"host": "node-1"}}))
AGGREGATES = {
    "aggregates.list": Entry(OPERATORS),
    "aggregates.create": Entry(OPERATORS, body=named("aggregate")),
    "aggregates.update": Entry(OPERATORS, body=named("aggregate")),
    "aggregates.delete": Entry(OPERATORS),
    "aggregates.add_host": A_HOST("add_host"),
    "aggregates.remove_host": A_HOST("remove_host"),
}

COMPUTE = {
    "versions.list": Entry(EVERYBODY),
    "versions.show": Entry(EVERYBODY),
    **SERVERS,
    "servers.list": [LISTED, EVERYWHERE],
    "servers.list_detail": [LISTED, EVERYWHERE],
    "servers.update": Entry(body=named("server"), refs=AT),
    "servers.lock": Entry(body=fixed({"lock": None}), refs=AT, **FRESH_SERVER),
    "servers.unlock": Entry(body=fixed({"unlock": None}), refs=AT, **FRESH_SERVER),
    "servers.confirm_resize": Entry(body=fixed({"confirmResize": None}), refs=AT, **RESIZED_SERVER),
    "servers.revert_resize": Entry(body=fixed({"revertResize": None}), refs=AT, **RESIZED_SERVER),
    "servers.get_console_output": Entry(body=fixed({"os-getConsoleOutput": {}}), refs=AT, **POWERED),
    "server_metadata.list": Entry(refs=AT),
    "server_metadata.update": Entry(body=METADATA, refs=AT),
    "server_metadata.replace": Entry(body=METADATA, refs=AT),
    "server_metadata.show_item": Entry(refs=AT, ready=AN_ITEM),
    "server_metadata.update_item": Entry(body=ITEM, refs=AT),
    "server_metadata.delete_item": Entry(refs=AT, ready=AN_ITEM),
    "server_tags.list": Entry(refs=AT),
    "server_tags.replace": Entry(body=fixed({"tags": ["changed", "key=value"]}), refs=AT),
    "server_tags.delete_all": Entry(refs=AT),
    "server_tags.check": Entry(refs=AT, ready=A_TAG),
    "server_tags.add": Entry(refs=AT, ready=lambda place, caller: {"tag": "added"}),
    "server_tags.delete": Entry(refs=AT, ready=A_TAG),
    "server_password.show": Entry(refs=AT),
    "server_password.clear": Entry(refs=AT),
    "server_ips.list": Entry(refs=AT),
    "server_ips.show": Entry(refs=(*AT, "network_name")),
    "server_interfaces.list": Entry(refs=AT),
    "server_interfaces.show": Entry(refs=(*AT, "port_id"), alias={"port_id": "nic_id"}),
    "server_interfaces.create": Entry(
        body=lambda v: {"interfaceAttachment": {"net_id": v["network_id"]}}, refs=(*AT, "network_id"),
        then=lambda place, answer: place.card_came(answer.json()["interfaceAttachment"]["port_id"]), **POWERED,
    ),
    "server_interfaces.delete": Entry(
        refs=AT, ready=lambda place, caller: {"port_id": place.new_card()}, then=lambda place, answer: place.card_went(),
    ),
    "server_volumes.list": Entry(refs=AT),
    "server_volumes.show": Entry(refs=(*AT, "volume_id")),
    "server_volumes.attach": Entry(
        body=lambda v: {"volumeAttachment": {"volumeId": v.get("spare_volume_id", v["data_volume_id"])}}, refs=AT,
        ready=lambda place, caller: (place.settle(), {"spare_volume_id": place.volume()})[1],
    ),
    "server_volumes.detach": Entry(refs=AT, ready=lambda place, caller: {"volume_id": place.attached()}),
    "server_security_groups.list": Entry(refs=AT),
    "server_security_groups.add": Entry(body=IN_GROUP("addSecurityGroup"), refs=(*AT, "security_group_id")),
    "server_security_groups.remove": Entry(
        body=IN_GROUP("removeSecurityGroup"), refs=(*AT, "security_group_id"),
        ready=lambda place, caller: place.call(
            "POST", f"{place.world.nova}/servers/{place.values['server_id']}/action", IN_GROUP("addSecurityGroup")(place.values)
        ),
    ),
    "instance_actions.list": Entry(refs=AT),
    "instance_actions.show": Entry(refs=(*AT, "request_id")),
    "flavors.list": FLAVORS,
    "flavors.list_detail": FLAVORS,
    "flavors.show": [Entry(refs=FLAVOR), Entry(alias={"flavor_id": "public_flavor_id"}, note="public")],
    "flavors.create": Entry(OPERATORS, body=named("flavor", ram=512, vcpus=1, disk=1)),
    "flavors.update": Entry(OPERATORS, body=fixed({"flavor": {"description": "x"}})),
    "flavors.delete": Entry(OPERATORS),
    "flavors.list_extra_specs": Entry(refs=FLAVOR),
    "flavors.create_extra_specs": Entry(OPERATORS, body=fixed({"extra_specs": {"key": "x"}})),
    "flavors.show_extra_spec": Entry(refs=FLAVOR),
    "flavors.update_extra_spec": Entry(OPERATORS, body=fixed({"key": "x"})),
    "flavors.delete_extra_spec": Entry(OPERATORS),
    "flavors.list_access": Entry(OPERATORS),
    "flavors.add_access": Entry(OPERATORS, body=TENANT("addTenantAccess")),
    "flavors.remove_access": Entry(OPERATORS, body=TENANT("removeTenantAccess")),
    **KEYPAIRS,
    **groups({"policy": "anti-affinity"}, **{"server_groups.show": Entry(refs=GROUP)}),
    "limits.show": Entry(EITHER, asks=PROJECT_FILTERS),
    "quota_sets.show": Entry(EITHER, alias=QUOTA_OF, asks=(("user_id", "user_id"),)),
    "quota_sets.show_detail": Entry(EITHER, alias=QUOTA_OF, asks=(("user_id", "user_id"),)),
    "quota_sets.show_defaults": Entry(alias=QUOTA_OF),
    "availability_zones.list": Entry(),
    "availability_zones.list_detail": Entry(OPERATORS),
    **AGGREGATES,
    "aggregates.show": Entry(OPERATORS),
    "aggregates.set_metadata": Entry(OPERATORS, body=fixed({"set_metadata": {"metadata": {"key": "x"}}})),
}

LOGIN = lambda v: {"auth": {
    "identity": {"methods": ["password"], "password": {"user": {"id": v["user_id"], "password": v["password"]}}},
    "scope": {"project": {"id": v["project_id"]}},
}}
EASYSTACK = {
    **SERVERS,
    **KEYPAIRS,
    **groups({"policy": "soft-affinity"}),
    "tokens.create": Entry(EVERYBODY, body=LOGIN),
    "servers.list": LISTED,
    "servers.list_detail": LISTED,
    "servers.metadata.list": Entry(refs=AT),
    "servers.metadata.replace": Entry(body=METADATA, refs=AT),
    **{id: entry for id, entry in COMPUTE.items() if id.startswith("server_volumes.")},
    "server_interfaces.list": COMPUTE["server_interfaces.list"],
    "server_interfaces.show": COMPUTE["server_interfaces.show"],
    "server_interfaces.attach": COMPUTE["server_interfaces.create"],
    "server_interfaces.detach": COMPUTE["server_interfaces.delete"],
    "availability_zones.list_detail": COMPUTE["availability_zones.list_detail"],
    **AGGREGATES,
}

# --- images ---

MEMBER = {"member_id": "project_id"}
IMAGE = ("image_id",)
PUBLIC = {"image_id": "public_image_id"}
FRESH_IMAGE = {"ready": lambda place, caller: {"image_id": place.image()}}
EMPTY_IMAGE = {"ready": lambda place, caller: {"image_id": place.image(filled=False)}}
PATCH = lambda path, value: lambda v: [{"op": "replace", "path": path, "value": v.get(value, value)}]
NO_IMAGE = {"disk_format": "raw", "container_format": "bare"}


def belongs(*kind):
    """What was made belongs to the project that the body named."""
    def then(place, answer):
        made = answer.json()
        for name in kind:
            made = made[name]
        owner = made.get("project_id", made.get("owner"))
        return None if owner == place.project_id else f"it belongs to {owner}"

    return then


def inactive(place, caller):
    image = place.image()
    place.call("POST", f"{place.world.glance}/images/{image}/actions/deactivate")
    return {"image_id": image}


IMAGES = {
    "versions.list": Entry(EVERYBODY),
    "schemas.show": Entry(),
    "images.list": Entry(
        seen=IMAGE, shares=("public_image_id",), query=ALL,
        asks=(
            ("marker", "image_id"), ("owner", "project_id"), ("id", "image_id"), ("tag", "mark"),
            ("visibility=all&owner", "project_id"),
        ),
    ),
    "images.create": [
        Entry(body=lambda v: {"name": v["mark"], "owner": v["project_id"], **NO_IMAGE}, refs=("project_id",), then=belongs()),
        Entry(body=lambda v: {"name": v["mark"], **NO_IMAGE}, in_project=True, note="of no owner"),
        Entry(
            OPERATORS, body=lambda v: {"name": v["mark"], "owner": v["project_id"], "visibility": "public"}, note="public"
        ),
    ],
    "images.show": [Entry(refs=IMAGE), Entry(alias=PUBLIC, note="public")],
    "images.update": [
        Entry(body=PATCH("/name", "mark"), refs=IMAGE),
        Entry(OPERATORS, body=PATCH("/visibility", "public"), note="public"),
        Entry(EITHER, body=PATCH("/owner", "project_id"), refs=("project_id",), note="given away"),
    ],
    "images.delete": [Entry(refs=IMAGE, **FRESH_IMAGE), Entry(NOBODY, alias=PUBLIC, note="public")],
    "images.upload": Entry(refs=IMAGE, body=lambda v: v["mark"].encode(), **EMPTY_IMAGE),
    # The deployment names one host, at which nobody listens: what is accepted comes to nothing later.
    "images.import": Entry(
        refs=IMAGE, body=fixed({"method": {"name": "web-download", "uri": "http://127.0.0.1:9/disk"}}), **EMPTY_IMAGE
    ),
    "images.download": Entry(refs=IMAGE),
    "images.deactivate": Entry(refs=IMAGE, **FRESH_IMAGE),
    "images.reactivate": Entry(refs=IMAGE, ready=inactive),
    "tags.add": Entry(refs=IMAGE, **FRESH_IMAGE),
    "tags.remove": Entry(refs=IMAGE, **FRESH_IMAGE),
    # Images have no members yet, and there is neither a choice of stores nor a task.
    "members.list": Entry(NOBODY, refs=IMAGE),
    "members.create": Entry(NOBODY, body=lambda v: {"member": v["project_id"]}, refs=IMAGE),
    "members.show": Entry(NOBODY, refs=IMAGE, alias=MEMBER),
    "members.update": Entry(NOBODY, body=fixed({"status": "accepted"}), refs=IMAGE, alias=MEMBER),
    "members.delete": Entry(NOBODY, refs=IMAGE, alias=MEMBER),
    "info.import": Entry(),
    "info.stores": Entry(NOBODY),
    "tasks.list": Entry(NOBODY),
}

# --- what use costs ---

BILLING = {
    "consumption.list": [
        Entry(seen=AT, asks=(("project_id", "project_id"), ("resource_id", "server_id"))),
        Entry(seen=AT, query="?all_projects=true", asks=(("resource_id", "server_id"),), note="all projects"),
    ],
}

# --- what only CloudOS has ---


def image_type(v, **more):
    name = f"{v['mark']}-{next(COUNT)}"
    return {"imageTypeName": name, "virtType": "KVM", "osType": "Linux", "operatingSystem": name, "addType": 1, **more}


CLOUDOS = {
    "image_types.create": Entry(OPERATORS, body=image_type),
    "image_types.update": Entry(OPERATORS, body=lambda v: image_type(v, uuid=v["image_type_id"])),
    "image_types.delete": Entry(OPERATORS),
    "image_types.list": Entry(shares=("image_type_id",)),
    "image_types.list_by_virt_type": Entry(shares=("image_type_id",)),
    "image_types.list_by_os_type": Entry(shares=("image_type_id",)),
    "image_types.list_virt_types": Entry(),
    "image_types.list_os_types": Entry(),
    "image_types.show": Entry(),
}

TABLES = {
    "compute-v2": COMPUTE, "easystack": EASYSTACK, "image-v2": IMAGES,
    "billing-v1": BILLING, "cloudos": CLOUDOS,
}


# What a mount's dialect has otherwise.
DIALECTS = {
    "compute-v2 (ecs)": {
        "servers.get_console_output": Entry(NOBODY, body=fixed({"os-getConsoleOutput": {}}), refs=AT),
    },
}
