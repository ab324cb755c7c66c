"""The entries of what Nova passes on to other services, up to 2.35; floating IPs of servers, up to 2.43."""

from department_tables import ALL, COUNT, FRESH_IMAGE, IMAGE, ITEM, METADATA, NOBODY, PUBLIC, Entry

A_VOLUME = lambda place, caller: {"volume_id": place.volume()}
A_SNAPSHOT = lambda place, caller: {"snapshot_id": place.snapshot(place.volume())}


def labelled(place, caller):
    image = place.image()
    place.call("POST", f"{place.world.nova}/images/{image}/metadata", {"metadata": {"key": place.mark}})
    return {"image_id": image}


LABELLED_IMAGE = {"ready": labelled}
OLD_IMAGES = Entry(
    seen=IMAGE, shares=("public_image_id",), query=ALL, asks=(("marker", "image_id"), ("server", "server_id"))
)
# The laptop deployment's.
ZONE = {"availability_zone": "zone-1"}
OPENED = {"ip_protocol": "tcp", "from_port": 22, "to_port": 22}
FLOATING = ("floating_ip_id",)


def floating(action):
    """A floating IP of its own where one is made for it, else one that nobody has."""
    return lambda v: {action: {"address": v.get("floating_address", "192.0.2.254")}}


def unbound(place, caller):
    return {"floating_address": place.floating_ip()[1]}


def bound(place, caller):
    values = unbound(place, caller)
    at = f"{place.world.nova}/servers/{place.values['server_id']}/action"
    place.call("POST", at, floating("addFloatingIp")(values))
    return values


PROXIES = {
    "floating_ips.list": Entry(seen=FLOATING),
    "floating_ips.show": Entry(refs=FLOATING),
    "floating_ips.create": Entry(body=lambda v: {"pool": None}, in_project=True),
    "floating_ips.delete": Entry(
        refs=FLOATING, ready=lambda place, caller: {"floating_ip_id": place.floating_ip()[0]}
    ),
    "floating_ip_pools.list": Entry(),
    "server_floating_ips.add": Entry(body=floating("addFloatingIp"), refs=("server_id",), ready=unbound),
    "server_floating_ips.remove": Entry(body=floating("removeFloatingIp"), refs=("server_id",), ready=bound),
    "networks.list": Entry(seen=("network_id",), query=ALL),
    "networks.show": Entry(refs=("network_id",)),
    "security_groups.list": Entry(seen=("security_group_id",), query=ALL),
    "security_groups.show": Entry(refs=("security_group_id",)),
    "security_groups.create": Entry(
        body=lambda v: {"security_group": {"name": f"{v['mark']}-{next(COUNT)}", "description": ""}}, in_project=True
    ),
    "security_groups.update": Entry(
        body=lambda v: {"security_group": {"name": f"{v['mark']}-{next(COUNT)}", "description": "changed"}},
        refs=("security_group_id",),
    ),
    "security_groups.delete": Entry(
        refs=("security_group_id",), ready=lambda place, caller: {"security_group_id": place.group()[0]}
    ),
    "security_group_rules.create": Entry(
        body=lambda v: {"security_group_rule": {"parent_group_id": v["security_group_id"], "cidr": f"10.9.{next(COUNT) % 250}.0/24", **OPENED}},
        refs=("security_group_id",),
    ),
    "security_group_rules.delete": Entry(
        refs=("security_group_rule_id",), alias={"security_group_rule_id": "rule_id"},
        ready=lambda place, caller: {"security_group_rule_id": place.group()[1]},
    ),
    "volumes.list": Entry(seen=("data_volume_id",), query=ALL),
    "volumes.list_detail": Entry(seen=("data_volume_id",), query=ALL),
    "volumes.show": Entry(refs=("volume_id",)),
    "volumes.create": [
        Entry(
            body=lambda v: {"volume": {"size": 1, "display_name": f"{v['mark']}-{next(COUNT)}", **ZONE}}, in_project=True
        ),
        Entry(
            body=lambda v: {"volume": {"snapshot_id": v["snapshot_id"], **ZONE}}, refs=("snapshot_id",), in_project=True,
            ready=A_SNAPSHOT, note="from a snapshot",
        ),
    ],
    "volumes.delete": Entry(refs=("volume_id",), ready=A_VOLUME),
    "snapshots.list": Entry(seen=("snapshot_id",), query=ALL),
    "snapshots.list_detail": Entry(seen=("snapshot_id",), query=ALL),
    "snapshots.show": Entry(refs=("snapshot_id",)),
    "snapshots.create": Entry(
        body=lambda v: {"snapshot": {"volume_id": v["volume_id"]}}, refs=("volume_id",), ready=A_VOLUME
    ),
    "snapshots.delete": Entry(refs=("snapshot_id",), ready=A_SNAPSHOT),
    "images.list": OLD_IMAGES,
    "images.list_detail": OLD_IMAGES,
    "images.show": [Entry(refs=IMAGE), Entry(alias=PUBLIC, note="public")],
    "images.delete": [Entry(refs=IMAGE, **FRESH_IMAGE), Entry(NOBODY, alias=PUBLIC, note="public")],
    "images.list_metadata": Entry(refs=IMAGE),
    "images.update_metadata": [
        Entry(body=METADATA, refs=IMAGE, **FRESH_IMAGE), Entry(NOBODY, body=METADATA, alias=PUBLIC, note="public"),
    ],
    "images.replace_metadata": Entry(body=METADATA, refs=IMAGE, **FRESH_IMAGE),
    "images.show_metadata_item": Entry(refs=IMAGE, **LABELLED_IMAGE),
    "images.update_metadata_item": Entry(body=ITEM, refs=IMAGE, **FRESH_IMAGE),
    "images.delete_metadata_item": Entry(refs=IMAGE, **LABELLED_IMAGE),
}
