"""Two departments, east and west, with two projects each, and one of everything in each project. Whatever is west's has a name
that says so, so that it is found wherever it leaks."""

import base64
import os
import secrets
import struct
import uuid

from wire import send
from world import World, poll

PASSWORD = "Correct-Horse-9"
ROLES = ("manager", "member", "reader")  # those that a manager may give
STREAM = {"Content-Type": "application/octet-stream"}


def public_key():
    """Nobody's, in the form that OpenSSH has."""
    parts = (b"ssh-ed25519", os.urandom(32))
    blob = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} nobody@nowhere"


def fresh(prefix="new"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


class Department:
    """A domain, and the people whose tokens are of the domain itself."""

    def __init__(self, world, name):
        self.world, self.mark, self.places = world, f"{name}-{secrets.token_hex(5)}", []
        self.domain_id = world.make("domain", name=self.mark)
        self.people = {role: world.make_user(f"{self.mark}-{role}", self.domain_id) for role in ("manager", "member")}
        for role, user in self.people.items():
            world.grant(role, user, domain=self.domain_id)
        self.manager, self.member = (self.login(role) for role in ("manager", "member"))

    def login(self, role):
        return self.world.token(self.people[role], {"domain": {"id": self.domain_id}})


class Place:
    """A project, its people and what is in it. `values` has the ids by the names that paths and bodies have for them."""

    def __init__(self, world, department, number):
        self.world, self.department, self.mark = world, department, f"{department.mark}-{number}"
        domain = department.domain_id
        self.project_id = world.make("project", name=self.mark, domain_id=domain, tags=[self.mark])
        self.user_id, self.head_id = (world.make_user(f"{self.mark}-{who}", domain) for who in ("member", "head"))
        world.grant("member", self.user_id, project=self.project_id)
        world.grant("manager", self.head_id, project=self.project_id)
        scope = {"project": {"id": self.project_id}}
        self.token, self.head = world.token(self.user_id, scope), world.token(self.head_id, scope)
        self.values = {
            "project_id": self.project_id, "domain_id": domain, "user_id": self.user_id, "role_id": world.roles["member"],
            "tag": self.mark, "mark": self.mark, "key": "key", "password": PASSWORD, "subject": self.token,
            "public_key": public_key(),
        }
        department.places.append(self)

    def call(self, *arguments, **more):
        return self.world.call(self.token, *arguments, **more)

    def words(self):
        """What nobody else may see."""
        known = {"key", "password", "public_key", "role_id"}
        return {value for name, value in self.values.items() if name not in known} | {self.head_id, self.department.mark}

    # --- what is in it ---

    def network(self):
        network = {"name": fresh(self.mark), "description": self.mark}
        return self.call("POST", f"{self.world.neutron}/networks", {"network": network})["network"]["id"]

    def subnet(self, network, third=77):
        subnet = {"network_id": network, "name": fresh(self.mark), "ip_version": 4, "cidr": f"192.168.{third}.0/24"}
        return self.call("POST", f"{self.world.neutron}/subnets", {"subnet": subnet})["subnet"]["id"]

    def port(self, network):
        port = {"network_id": network, "name": fresh(self.mark)}
        return self.call("POST", f"{self.world.neutron}/ports", {"port": port})["port"]["id"]

    def group(self):
        group = {"name": fresh(self.mark)}
        group = self.call("POST", f"{self.world.neutron}/security-groups", {"security_group": group})["security_group"]
        return group["id"], group["security_group_rules"][0]["id"]

    def server_group(self, policy="anti-affinity"):
        """At the version that knows all policies."""
        group, newer = {"name": fresh(self.mark), "policies": [policy]}, {"X-OpenStack-Nova-API-Version": "2.15"}
        at = f"{self.world.nova}/os-server-groups"
        return self.call("POST", at, {"server_group": group}, headers=newer)["server_group"]["id"]

    def floating_ip(self):
        """Id and address of a new one; those that were made before, but for the first, are given back."""
        at = f"{self.world.neutron}/floatingips"
        for one in self.call("GET", at)["floatingips"]:
            if one["id"] != self.values.get("floatingip_id"):
                self.call("DELETE", f"{at}/{one['id']}")
        body = {"floating_network_id": self.world.common["external_network_id"], "description": self.mark}
        made = self.call("POST", at, {"floatingip": body})["floatingip"]
        return made["id"], made["floating_ip_address"]

    def image(self, filled=True):
        image = {"name": fresh(self.mark), "disk_format": "raw", "container_format": "bare", "tags": [self.mark]}
        image = self.call("POST", f"{self.world.glance}/images", image)["id"]
        if filled:
            self.call("PUT", f"{self.world.glance}/images/{image}/file", self.mark.encode() * 100, headers=STREAM)
        return image

    def keypair(self):
        name = fresh(self.mark)
        self.call("POST", f"{self.world.nova}/os-keypairs", {"keypair": {"name": name}})
        return name

    def server(self, **more):
        """Active; from a volume made of the image, so that there is a volume too."""
        values = self.values
        disk = {"boot_index": 0, "destination_type": "volume", "source_type": "image", "volume_size": 1}
        disk |= {"uuid": values["image_id"]}
        server = {
            "name": fresh(self.mark), "flavorRef": self.world.flavor, "networks": [{"uuid": values["network_id"]}],
            "metadata": {"key": self.mark}, "block_device_mapping_v2": [disk], **more,
        }
        server = self.call("POST", f"{self.world.nova}/servers", {"server": server})["server"]["id"]
        self.settle(server, "ACTIVE")
        return server

    def made(self, kind, body):
        """A volume or a snapshot, once it is available."""
        id = self.call("POST", f"{self.world.cinder}/{kind}s", {kind: body})[kind]["id"]
        at = f"{self.world.cinder}/{kind}s/{id}"
        poll(f"the {kind} is available", lambda: self.call("GET", at)[kind]["status"] == "available")
        return id

    def volume(self):
        return self.made("volume", {"name": fresh(self.mark), "size": 1, "metadata": {"key": self.mark}})

    def snapshot(self, volume):
        return self.made("snapshot", {"name": fresh(self.mark), "volume_id": volume, "metadata": {"key": self.mark}})

    def attached(self):
        """A volume that the server has."""
        volume, at = self.volume(), f"{self.world.nova}/servers/{self.values['server_id']}/os-volume_attachments"
        self.settle()
        self.call("POST", at, {"volumeAttachment": {"volumeId": volume}})
        shown = lambda: self.call("GET", f"{self.world.cinder}/volumes/{volume}")["volume"]["status"]
        poll("the volume is in use", lambda: shown() == "in-use")
        return volume

    def cards(self):
        """Port -> state, of the server's network cards."""
        at = f"{self.world.nova}/servers/{self.values['server_id']}/os-interface"
        return {one["port_id"]: one["port_state"] for one in self.call("GET", at)["interfaceAttachments"]}

    def new_card(self):
        """The port of a network card that the server was given, and that may leave it."""
        self.power("ACTIVE")
        at = f"{self.world.nova}/servers/{self.values['server_id']}/os-interface"
        made = self.call("POST", at, {"interfaceAttachment": {"net_id": self.values["network_id"]}})
        self.card = made["interfaceAttachment"]["port_id"]
        self.card_came(self.card)
        return self.card

    def card_came(self, port):
        poll("the guest has the card", lambda: self.cards().get(port) == "ACTIVE")

    def card_went(self):
        poll("the guest has given the card back", lambda: self.card not in self.cards())

    def settle(self, server=None, status=None):
        """Until nothing is being done to it, and it has this status."""
        url = f"{self.world.nova}/servers/{server or self.values['server_id']}"

        def seen():
            one = self.call("GET", url)["server"]
            assert one["status"] != "ERROR", one
            return one["OS-EXT-STS:task_state"] is None and status in (None, one["status"]) and one

        return poll(f"the server is {status or 'settled'}", seen)

    def power(self, status):
        """The server has this status, whatever was done to it before."""
        found = self.settle()["status"]
        if found != status:
            goes_on = {"SHUTOFF": "os-start", "PAUSED": "unpause", "SUSPENDED": "resume"}
            action = "os-stop" if status == "SHUTOFF" else goes_on[found]
            self.still(self.values["server_id"], action, status)

    def still(self, server, action, status):
        """The server, once the action has brought it there."""
        self.call("POST", f"{self.world.nova}/servers/{server}/action", {action: None})
        self.settle(server, status)
        return server

    def stopped(self, server):
        return self.still(server, "os-stop", "SHUTOFF")

    def recycled(self, server):
        """The server, once it lies in the recycle bin, which EasyStack's face has."""
        self.call("DELETE", f"{self.world.easystack}/v2.1/{self.values['project_id']}/servers/{server}")
        self.settle(server, "SOFT_DELETED")
        return server

    def resized(self, server):
        """The server, once it waits for its confirmation."""
        at = f"{self.world.nova}/servers/{server}"
        self.call("POST", f"{at}/action", {"resize": {"flavorRef": self.values["flavor_id"]}})
        poll("the server is resized", lambda: self.call("GET", at)["server"]["status"] == "VERIFY_RESIZE")
        return server

    def furnish(self):
        world, values = self.world, self.values
        values["network_id"] = network = self.network()
        values["subnet_id"], values["port_id"] = self.subnet(network), self.port(network)
        values["security_group_id"], values["rule_id"] = self.group()
        values["floatingip_id"] = values["floating_ip_id"] = self.floating_ip()[0]
        values["image_id"], values["keypair_name"] = self.image(), self.keypair()
        values["flavor_id"], values["server_group_id"] = world.private_flavor(self), self.server_group()
        values["server_id"] = server = self.server()
        at = f"{world.nova}/servers/{server}"
        values["volume_id"] = self.call("GET", f"{at}/os-volume_attachments")["volumeAttachments"][0]["id"]
        values["nic_id"] = self.call("GET", f"{at}/os-interface")["interfaceAttachments"][0]["port_id"]
        values["request_id"] = self.call("GET", f"{at}/os-instance-actions")["instanceActions"][0]["request_id"]
        (values["network_name"],) = self.call("GET", f"{at}/ips")["addresses"]
        routers = self.call("GET", f"{world.neutron}/routers")["routers"]
        values["router_id"] = routers[0]["id"]
        values["data_volume_id"] = self.volume()
        values["snapshot_id"] = self.snapshot(values["data_volume_id"])
        values["home"], values["beside"] = self.project_id, server
        ecs = f"{world.ecs}/v1/{self.project_id}/cloudservers/action"
        values["job_id"] = self.call("POST", ecs, {"reboot": {"type": "HARD", "servers": [{"id": server}]}})["job_id"]
        self.settle(status="ACTIVE")

    def state(self):
        """Everything in it, as its own people read it."""
        world, own = self.world, self.values
        urls = [
            *(f"{world.nova}/servers/{own['server_id']}{part}" for part in ("", "/metadata", "/ips", "/os-interface")),
            *(f"{world.nova}/{part}" for part in ("os-keypairs", "os-server-groups", "servers", "limits", f"flavors/{own['flavor_id']}")),
            f"{world.glance}/images/{own['image_id']}", f"{world.glance}/images/{own['image_id']}/file",
            *(f"{world.neutron}/{kind}" for kind in ("networks", "subnets", "ports", "security-groups", "floatingips")),
            f"{world.neutron}/security-group-rules",
            f"{world.cinder}/volumes/{own['data_volume_id']}", f"{world.cinder}/snapshots/{own['snapshot_id']}",
        ]
        seen = {url: self.world.read(self.token, url) for url in urls}
        everything = (
            f"/users/{self.user_id}", f"/projects/{self.project_id}", f"/domains/{own['domain_id']}",
            f"/role_assignments?user.id={self.user_id}", f"/role_assignments?scope.project.id={self.project_id}",
            f"/role_assignments?scope.domain.id={own['domain_id']}",
            f"/users?domain_id={own['domain_id']}", f"/projects?domain_id={own['domain_id']}",
        )
        return seen | {path: self.world.read(world.admin, world.identity + path) for path in everything}


class Departments(World):
    def found(self):
        """Everybody and everything."""
        listener = lambda name: next(f"http://{one['address']}" for one in self.deployment["listener"] if one["name"] == name)
        self.ecs, self.easystack = listener("ecs"), listener("easystack")
        self.admin = self.login("admin", self.password, "admin")
        roles = self.call(self.admin, "GET", f"{self.identity}/roles")["roles"]
        self.roles = {role["name"]: role["id"] for role in roles}
        flavors = self.call(self.admin, "GET", f"{self.nova}/flavors/detail")["flavors"]
        self.flavor = min(flavors, key=lambda one: (one["ram"], one["vcpus"], one["disk"]))["id"]
        first = lambda kind: self.call(self.admin, "GET", f"{self.identity}/{kind}s")[f"{kind}s"][0]["id"]
        # What is the cloud's, and so in everybody's values.
        self.common = {f"{kind}_id": first(kind) for kind in ("service", "endpoint", "region")}
        self.common |= {"schema": "image", "alias": "router", **self.shared()}
        self.east, self.west = (Department(self, name) for name in ("east", "west"))
        self.places = [Place(self, department, number) for department in (self.east, self.west) for number in ("one", "two")]
        for place in self.places:
            place.furnish()

    # --- people ---

    def make(self, kind, **fields):
        return self.call(self.admin, "POST", f"{self.identity}/{kind}s", {kind: fields})[kind]["id"]

    def make_user(self, name, domain_id):
        return self.make("user", name=name, password=PASSWORD, domain_id=domain_id)

    def grant(self, role, user_id, project=None, domain=None):
        where = f"projects/{project}" if project else f"domains/{domain}"
        self.call(self.admin, "PUT", f"{self.identity}/{where}/users/{user_id}/roles/{self.roles[role]}")

    def token(self, user_id, scope):
        login = {"methods": ["password"], "password": {"user": {"id": user_id, "password": PASSWORD}}}
        answer = send("POST", f"{self.identity}/auth/tokens", {"auth": {"identity": login, "scope": scope}})
        assert answer.status == 201, answer
        return answer.headers["X-Subject-Token"]

    # --- things ---

    def shared(self):
        """What the cloud shares with everybody."""
        call = lambda *arguments, **more: self.call(self.admin, *arguments, **more)
        external = call("GET", f"{self.neutron}/networks?router:external=true")["networks"][0]["id"]
        network = call("POST", f"{self.neutron}/networks", {"network": {"name": "shared", "shared": True}})["network"]["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": "172.16.0.0/16"}
        subnet = call("POST", f"{self.neutron}/subnets", {"subnet": subnet})["subnet"]["id"]
        image = {"name": "public", "disk_format": "raw", "container_format": "bare", "visibility": "public"}
        image = call("POST", f"{self.glance}/images", image)["id"]
        call("PUT", f"{self.glance}/images/{image}/file", b"public", headers=STREAM)
        guest = {"imageTypeName": "guest", "virtType": "KVM", "osType": "Linux", "operatingSystem": "any", "addType": 1}
        guest = call("POST", f"{self.cloudos}/imagetype", guest)["uuid"]
        return {
            "type_id": "SSD", "image_type_id": guest, "virtual_type": "KVM", "os_type": "Linux", "shared_network_id": network, "shared_subnet_id": subnet, "external_network_id": external,
            "public_image_id": image, "public_flavor_id": self.flavor,
        }

    def private_flavor(self, place):
        flavor = {"name": f"{place.mark}-flavor", "ram": 512, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
        flavor = self.call(self.admin, "POST", f"{self.nova}/flavors", {"flavor": flavor})["flavor"]["id"]
        at = f"{self.nova}/flavors/{flavor}"
        self.call(self.admin, "POST", f"{at}/action", {"addTenantAccess": {"tenant": place.project_id}})
        self.call(self.admin, "POST", f"{at}/os-extra_specs", {"extra_specs": {"key": place.mark}})
        return flavor

    def read(self, token, url):
        answer = send("GET", url, headers={"X-Auth-Token": token})
        return answer.status, answer.body
