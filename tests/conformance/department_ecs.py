"""The entries of ECS: batches, and jobs."""

import dataclasses

from department_tables import (
    AT, COMPUTE, COUNT, FLAVOR, FRESH_SERVER, GROUP, OWN, POWERED, STOPPED, Entry, fixed, groups,
)
from world import poll


def ecs_server(v):
    nics, root = [{"subnet_id": v["network_id"]}], {"volumetype": "SSD", "size": 1}
    least = {"name": f"{v['mark']}-{next(COUNT)}", "imageRef": v["image_id"], "flavorRef": v["flavor_id"]}
    groups = [{"id": v["security_group_id"]}]
    return {"server": {**least, "vpcid": v["router_id"], "nics": nics, "root_volume": root, "security_groups": groups}}


def batch(key=None, **more):
    def body(v):
        servers = {"servers": [{"id": v["server_id"]}], **more}
        return {key: servers} if key else servers

    return body


def two(v):
    """One's own server beside the one that is asked about."""
    return {"reboot": {"type": "HARD", "servers": [{"id": v["beside"]}, {"id": v["server_id"]}]}}


def job_lands(place, answer):
    """The job is the project's: its member sees it end well."""
    url = f"{place.world.ecs}/v1/{place.project_id}/jobs/{answer.json()['job_id']}"
    job = poll("the job's end", lambda: (job := place.call("GET", url))["status"] in ("SUCCESS", "FAIL") and job)
    return None if job["status"] == "SUCCESS" else f"the job failed: {job}"


def member(verb):
    return lambda v: {verb: {"instance_uuid": v["server_id"]}}


def outside(place, caller):
    """A server that may join a group."""
    return {"server_id": place.stopped(place.server())}


def inside(place, caller):
    """A group and its server."""
    values = outside(place, caller)
    url = f"{place.world.ecs}/v1/{place.project_id}/cloudservers/os-server-groups/{place.values['server_group_id']}/action"
    place.call("POST", url, member("add_member")(values))
    return values


FRESH_STOPPED = {"ready": lambda place, caller: {"server_id": place.stopped(place.server())}}
ECS = {
    "servers.create": Entry(
        body=ecs_server, refs=("image_id", "network_id", "router_id", "security_group_id", "flavor_id"), then=job_lands
    ),
    "servers.delete": Entry(body=batch(), refs=AT, **FRESH_SERVER),
    "servers.start": Entry(body=batch("os-start"), refs=AT, **STOPPED),
    "servers.stop": Entry(body=batch("os-stop", type="HARD"), refs=AT, **POWERED),
    "servers.reboot": [
        Entry(body=batch("reboot", type="HARD"), refs=AT, **POWERED),
        Entry(body=two, refs=AT, then=job_lands, note="beside one's own", **FRESH_SERVER),
    ],
    "servers.resize": Entry(
        body=lambda v: {"resize": {"flavorRef": v["flavor_id"]}}, refs=(*AT, "flavor_id"), then=job_lands,
        **FRESH_STOPPED,
    ),
    "servers.reinstall_os": Entry(body=fixed({"os-reinstall": {}}), refs=AT, then=job_lands, **FRESH_STOPPED),
    "servers.change_os": Entry(
        body=lambda v: {"os-change": {"imageid": v["image_id"]}}, refs=(*AT, "image_id"), then=job_lands, **FRESH_STOPPED
    ),
    "server_volumes.attach": dataclasses.replace(COMPUTE["server_volumes.attach"], then=job_lands),
    "server_volumes.detach": dataclasses.replace(COMPUTE["server_volumes.detach"], then=job_lands),
    "server_nics.batch_add": Entry(
        body=lambda v: {"nics": [{"subnet_id": v["network_id"]}]}, refs=(*AT, "network_id"), then=job_lands, **POWERED
    ),
    "server_nics.batch_delete": Entry(
        body=lambda v: {"nics": [{"id": v.get("new_card", v["nic_id"])}]}, refs=AT, then=job_lands,
        ready=lambda place, caller: {"new_card": place.new_card()},
    ),
    "server_block_devices.list": Entry(refs=AT),
    "server_block_devices.get": Entry(refs=(*AT, "volume_id")),
    "server_tags.list": Entry(refs=AT),
    "project_tags.list": Entry(),
    "server_tags.change": [
        Entry(body=fixed({"action": "create", "tags": [{"key": "added", "value": "1"}]}), refs=AT),
        Entry(body=fixed({"action": "delete", "tags": [{"key": "added"}]}), refs=AT, note="taking some away"),
    ],
    "tags.query_servers": Entry(body=fixed({"action": "filter"})),
    **groups({"policies": ["anti-affinity"]}),
    "server_groups.get": Entry(refs=GROUP),
    "server_groups.add_member": Entry(body=member("add_member"), refs=(*GROUP, *AT), ready=outside),
    "server_groups.remove_member": Entry(body=member("remove_member"), refs=(*GROUP, *AT), ready=inside),
    "jobs.get": Entry(refs=("job_id",)),
    "flavors.list": Entry(seen=FLAVOR, shares=("public_flavor_id",)),
    "limits.get": Entry(),
    "projects.list": Entry(OWN),
}
