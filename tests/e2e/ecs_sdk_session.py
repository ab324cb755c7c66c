#!/usr/bin/env python3
"""The vendor's own Python SDK against ECS v1: create three, follow the job, stop, start, reboot, resize, give disks, delete.

By a token, in the headers that the SDK lets its user preset: a token wins over the signature that the SDK makes of each request.
`signed_session.py` does the same by the signature alone.
"""

import os
import sys

import harness
from harness import poll

try:
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.exceptions import exceptions
    from huaweicloudsdkcore.http.http_config import HttpConfig
    from huaweicloudsdkecs.v2 import EcsClient, model
except ImportError:
    python = harness.VENV / "bin/python"
    if not python.exists() or sys.prefix == str(harness.VENV):
        print("SKIP package huaweicloudsdkecs is missing (.ci/install)")
        sys.exit(77)
    os.execv(python, [python, __file__])

COUNT = 3


class Session(harness.Session):
    def refused(self, call, request):
        try:
            call(request)
        except exceptions.ClientRequestException as error:
            return error.status_code, error.error_code, error.error_msg
        raise AssertionError(f"{request} was not refused")

    def sdk_job(self, response):
        """The whole job, once it succeeded."""
        def ended():
            job = self.client.show_job(model.ShowJobRequest(job_id=response.job_id))
            return job.status in ("SUCCESS", "FAIL"), job

        job = poll(60, ended)
        assert job.status == "SUCCESS", job
        assert job.job_id == response.job_id and job.error_code is None and job.fail_reason is None, job
        assert job.entities.sub_jobs_total == len(job.entities.sub_jobs) == COUNT, job
        assert {sub.entities.server_id for sub in job.entities.sub_jobs} == set(self.servers or self.found(job)), job
        return job

    @staticmethod
    def found(job):
        return [sub.entities.server_id for sub in job.entities.sub_jobs]

    def creation(self, **more):
        nics = [model.PostPaidServerNic(subnet_id=self.network)]
        root = model.PostPaidServerRootVolume(volumetype="SSD", size=1)
        least = {"name": "sdk", "image_ref": self.image, "flavor_ref": self.flavor, "vpcid": self.vpc, "count": COUNT}
        server = model.PostPaidServer(**{**least, **more}, nics=nics, root_volume=root)
        return model.CreatePostPaidServersRequest(body=model.CreatePostPaidServersRequestBody(server=server))

    def ids(self, kind):
        return [kind(id=server) for server in self.servers]

    def statuses(self):
        return {self.status(server) for server in self.servers}

    def shown_tags(self, server):
        return self.client.show_server_tags(model.ShowServerTagsRequest(server_id=server)).tags

    def add_tags(self, server, **tags):
        tags = [model.BatchAddServerTag(key=key, value=value) for key, value in tags.items()]
        body = model.BatchCreateServerTagsRequestBody(action="create", tags=tags)
        self.client.batch_create_server_tags(model.BatchCreateServerTagsRequest(server_id=server, body=body))

    def found_by_tag(self, action="filter", **more):
        body = model.ListServersByTagRequestBody(action=action, **more)
        return self.client.list_servers_by_tag(model.ListServersByTagRequest(body=body))

    def connect(self):
        credentials = BasicCredentials("no-access-key", "no-secret-key", self.project)
        client = self.client_of(credentials).with_endpoint(self.ecs).build()
        status, code, _ = self.refused(client.show_server_limits, model.ShowServerLimitsRequest())
        assert (status, code) == (401, "Common.0013"), "a signature with no key of this cloud is nobody's"
        client.preset_headers = {"X-Auth-Token": self.token}
        return client

    @staticmethod
    def client_of(credentials):
        config = HttpConfig(ignore_ssl_verification=True, timeout=30)
        return EcsClient.new_builder().with_http_config(config).with_credentials(credentials)

    # --- the steps, in order ---

    def step_client(self):
        """the SDK's client is let in"""
        self.servers = []
        self.client = self.connect()

    def step_reads(self):
        """flavors and limits are read"""
        flavors = self.client.list_flavors(model.ListFlavorsRequest()).flavors
        assert self.flavor in [flavor.id for flavor in flavors], flavors
        limits = self.client.show_server_limits(model.ShowServerLimitsRequest()).absolute
        assert limits.max_total_instances >= COUNT and limits.total_instances_used == 0, limits

    def step_create(self):
        """create three, the job and its sub-jobs succeed"""
        job = self.sdk_job(self.client.create_post_paid_servers(self.creation()))
        assert job.job_type == "createServer", job
        assert {sub.job_type for sub in job.entities.sub_jobs} == {"createSingleServer"}, job
        self.servers = self.found(job)
        assert len(set(self.servers)) == COUNT and self.statuses() == {"ACTIVE"}

    def step_stop(self):
        """batch stop"""
        option = model.BatchStopServersOption(servers=self.ids(model.ServerId), type="HARD")
        body = model.BatchStopServersRequestBody(os_stop=option)
        self.sdk_job(self.client.batch_stop_servers(model.BatchStopServersRequest(body=body)))
        assert self.statuses() == {"SHUTOFF"}

    def step_start(self):
        """batch start"""
        option = model.BatchStartServersOption(servers=self.ids(model.ServerId))
        body = model.BatchStartServersRequestBody(os_start=option)
        self.sdk_job(self.client.batch_start_servers(model.BatchStartServersRequest(body=body)))
        assert self.statuses() == {"ACTIVE"}

    def step_reboot(self):
        """batch reboot"""
        option = model.BatchRebootSeversOption(servers=self.ids(model.ServerId), type="SOFT")
        body = model.BatchRebootServersRequestBody(reboot=option)
        self.sdk_job(self.client.batch_reboot_servers(model.BatchRebootServersRequest(body=body)))
        assert self.statuses() == {"ACTIVE"}

    def step_resize(self):
        """a server that is off takes another flavor, in one job"""
        server, flavor = self.servers[0], self.larger()
        option = model.ResizePostPaidServerOption(flavor_ref=flavor)
        # Each another request: one that was signed is taken once.
        body = lambda **more: model.ResizePostPaidServerRequestBody(resize=option, **more)
        resize = lambda **more: model.ResizePostPaidServerRequest(server_id=server, body=body(**more))
        call = self.client.resize_post_paid_server
        assert self.refused(call, resize())[:2] == (400, "Ecs.0100"), "it runs"
        self.call("POST", self.nova(f"/servers/{server}/action"), {"os-stop": None})
        poll(60, lambda: ((s := self.status(server)) == "SHUTOFF", s))
        job = self.job(call(resize(dry_run=False)).job_id)
        assert job["entities"]["server_id"] == server, job
        assert self.call("GET", self.nova(f"/servers/{server}"))["server"]["flavor"]["id"] == flavor
        assert self.refused(call, resize(dry_run=True))[:2] == (400, "Ecs.0810"), "it has the flavor already"

    def larger(self):
        flavors = self.client.list_flavors(model.ListFlavorsRequest()).flavors
        return next(flavor.id for flavor in flavors if int(flavor.ram) == 2048)

    def step_disks(self):
        """a server is given a disk, shows it, and gives it back"""
        server, volume = self.servers[0], self.volume(2)
        option = model.AttachServerVolumeOption(volume_id=volume, device="/dev/vdb")
        body = model.AttachServerVolumeRequestBody(volume_attachment=option)
        attach = model.AttachServerVolumeRequest(server_id=server, body=body)
        self.job(self.client.attach_server_volume(attach).job_id)
        listed = self.client.list_server_block_devices(model.ListServerBlockDevicesRequest(server_id=server))
        assert [disk.device for disk in listed.volume_attachments] == ["/dev/vda", "/dev/vdb"], listed
        one = model.ShowServerBlockDeviceRequest(server_id=server, volume_id=volume)
        disk = self.client.show_server_block_device(one).volume_attachment
        assert (disk.id, disk.size, disk.bus, disk.boot_index > 0) == (volume, 2, "virtio", True), disk
        # The server is off since its resize.
        detach = model.DetachServerVolumeRequest(server_id=server, volume_id=volume, delete_flag="1")
        self.job(self.client.detach_server_volume(detach).job_id)
        assert self.volume_status(volume) == "available"
        self.call("DELETE", self.cinder(f"/volumes/{volume}"))

    def step_tags(self):
        """a server is given tags, is found and counted by them, and loses them"""
        one, other, _ = self.servers
        tags = lambda server: {tag.key: tag.value for tag in self.shown_tags(server)}
        self.add_tags(one, role="web", stage="test")
        self.add_tags(other, role="db")
        self.add_tags(one, stage="live", note="")
        assert tags(one) == {"role": "web", "stage": "live", "note": ""}, tags(one)
        listed = self.client.list_server_tags(model.ListServerTagsRequest()).tags
        assert {tag.key: sorted(tag.values) for tag in listed}["role"] == ["db", "web"], listed
        body = model.BatchCreateServerTagsRequestBody(action="create", tags=[model.BatchAddServerTag(key="a/b", value="c")])
        wrong = model.BatchCreateServerTagsRequest(server_id=one, body=body)
        assert self.refused(self.client.batch_create_server_tags, wrong)[:2] == (400, "Ecs.0907")

        role = model.ServerTags(key="role", values=["web", "db"])
        found = self.found_by_tag(limit="1", offset="1", tags=[role])
        assert (len(found.resources), found.total_count) == (1, 2), found
        name = model.ServerTagMatch(key="resource_name", value="sdk")
        (resource,) = self.found_by_tag(tags=[role], not_tags=[model.ServerTags(key="stage")], matches=[name]).resources
        assert (resource.resource_id, [(tag.key, tag.value) for tag in resource.tags]) == (other, [("role", "db")]), resource
        assert self.found_by_tag("count").total_count == COUNT

        gone = [model.ServerTag(key="role", value="db"), model.ServerTag(key="stage"), model.ServerTag(key="none")]
        body = model.BatchDeleteServerTagsRequestBody(action="delete", tags=gone)
        self.client.batch_delete_server_tags(model.BatchDeleteServerTagsRequest(server_id=one, body=body))
        assert tags(one) == {"role": "web", "note": ""}, "a value that is given must be the tag's"

    def step_errors(self):
        """refusals reach the SDK as its own exceptions, with the vendor's codes"""
        call = self.client.create_post_paid_servers
        assert self.refused(call, self.creation(key_name="none"))[:2] == (400, "Ecs.0314")
        assert self.refused(call, self.creation(description="<"))[:2] == (400, "Ecs.0041")
        status, code, message = self.refused(call, self.creation(auto_terminate_time="2030-01-01T00:00:00Z"))
        assert (status, code) == (400, "Ecs.0005") and "server.auto_terminate_time is not supported" in message, message
        job = model.ShowJobRequest(job_id="0" * 32)
        assert self.refused(self.client.show_job, job)[0] == 400

    def step_delete(self):
        """delete all three with their disks"""
        body = model.DeleteServersRequestBody(servers=self.ids(model.ServerId), delete_publicip=True, delete_volume=True)
        job = self.sdk_job(self.client.delete_servers(model.DeleteServersRequest(body=body)))
        assert job.job_type == "deleteServer", job
        assert self.call("GET", self.nova("/servers"))["servers"] == []


if __name__ == "__main__":
    sys.exit(harness.main(Session))
