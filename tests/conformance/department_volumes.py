"""The entries of Cinder's operations: a project's volumes, their snapshots and the maps of both."""

from department_tables import ALL, COUNT, EITHER, EVERYBODY, ITEM, METADATA, Entry, fixed

DATA, OF_DATA = ("data_volume_id",), {"volume_id": "data_volume_id"}
SNAPSHOT = ("snapshot_id",)
FRESH_VOLUME = {"ready": lambda place, caller: {"data_volume_id": place.volume()}}
FRESH_SNAPSHOT = {"ready": lambda place, caller: {"snapshot_id": place.snapshot(place.volume())}}


def with_item(place, kind, name):
    """The map has an item that may go."""
    at = f"{place.world.cinder}/{kind}/{place.values[name]}/metadata"
    place.call("POST", at, {"metadata": {"to-lose": place.mark}})
    return {"key": "to-lose"}


def of_map(kind, refs, alias):
    """A map of texts on a volume or a snapshot."""
    at = {"refs": refs, "alias": alias}
    known = {"alias": alias, "refs": refs, "ready": lambda place, caller: {"key": "key"}}
    return {
        f"{kind}.metadata": Entry(**at),
        f"{kind}.metadata_merge": Entry(body=METADATA, **at),
        f"{kind}.metadata_replace": Entry(body=METADATA, **at),
        f"{kind}.metadata_item": Entry(**known),
        f"{kind}.metadata_put": Entry(body=ITEM, **known),
        f"{kind}.metadata_delete": Entry(refs=refs, alias=alias, ready=lambda place, caller: with_item(place, kind, alias.get(refs[0], refs[0]))),
    }


VOLUMES = {
    "versions.list": Entry(EVERYBODY),
    "versions.show": Entry(EVERYBODY),
    "extensions.list": Entry(),
    "limits.show": Entry(EITHER),
    "quotas.show": Entry(EITHER, alias={"target_id": "project_id"}),
    "quotas.defaults": Entry(alias={"target_id": "project_id"}),
    "zones.list": Entry(),
    "types.list": Entry(),
    "types.show": Entry(),
    "volumes.list": Entry(seen=DATA, query=ALL, asks=(("marker", "data_volume_id"), ("id", "data_volume_id"))),
    "volumes.detail": Entry(seen=DATA, query=ALL, asks=(("id", "data_volume_id"), ("all_tenants=1&project_id", "project_id"))),
    "volumes.create": [
        Entry(body=lambda v: {"volume": {"size": 1, "name": f"{v['mark']}-{next(COUNT)}"}}, in_project=True),
        Entry(body=lambda v: {"volume": {"source_volid": v["data_volume_id"]}}, refs=DATA, in_project=True, note="a copy", **FRESH_VOLUME),
        Entry(body=lambda v: {"volume": {"snapshot_id": v["snapshot_id"]}}, refs=SNAPSHOT, in_project=True, note="from a snapshot", **FRESH_SNAPSHOT),
    ],
    "volumes.show": Entry(refs=("volume_id",), alias=OF_DATA),
    "volumes.update": Entry(body=fixed({"volume": {"description": "changed"}}), refs=("volume_id",), alias=OF_DATA),
    "volumes.delete": Entry(refs=("volume_id",), ready=lambda place, caller: {"volume_id": place.volume()}),
    "volumes.extend": Entry(
        body=fixed({"os-extend": {"new_size": 2}}), refs=("volume_id",),
        ready=lambda place, caller: {"volume_id": place.volume()},
    ),
    "volumes.set_bootable": Entry(body=fixed({"os-set_bootable": {"bootable": True}}), refs=("volume_id",), alias=OF_DATA),
    "snapshots.list": Entry(seen=SNAPSHOT, query=ALL, asks=(("id", "snapshot_id"), ("volume_id", "data_volume_id"))),
    "snapshots.detail": Entry(seen=SNAPSHOT, query=ALL, asks=(("marker", "snapshot_id"),)),
    "snapshots.create": Entry(body=lambda v: {"snapshot": {"volume_id": v["data_volume_id"]}}, refs=DATA, **FRESH_VOLUME),
    "snapshots.show": Entry(refs=SNAPSHOT),
    "snapshots.update": Entry(body=fixed({"snapshot": {"description": "changed"}}), refs=SNAPSHOT),
    "snapshots.delete": Entry(refs=SNAPSHOT, **FRESH_SNAPSHOT),
    **of_map("volumes", ("volume_id",), OF_DATA),
    **of_map("snapshots", SNAPSHOT, {}),
}
