#!/usr/bin/env python3
"""Networks, subnets, ports, floating IPs and security groups, with the unchanged OpenStack client.

Starts a Skyloom of its own (laptop deployment) and ends it. Prints PASS or FAIL with seconds for each step; the first
FAIL ends it. Exit code 77: the client is missing here.
"""

import sys

from client import Members, main, names, same


class Networks(Members):
    def step_extensions(self):
        """extension list and show, availability zones, agents are nobody's business"""
        aliases = names(self.ann("extension", "list", "--network"), "Alias")
        assert {"security-group", "external-net"} <= set(aliases), aliases
        self.ann("extension", "show", "security-group")
        self.ann("availability", "zone", "list", "--network")

    # --- networks ---

    def step_networks(self):
        """network create, list, show, set, unset"""
        made = self.ann("network", "create", "--description", "The lab's", "--mtu", "1400", "--disable", "lab")
        self.ids["lab"] = made["id"]
        same("made", (made["name"], made["description"], made["mtu"], made["project_id"]), ("lab", "The lab's", 1400, self.ids["ann"]))
        same("state", (made["admin_state_up"], made["shared"], made["router:external"]), (False, False, False))
        assert "lab" in names(self.ann("network", "list")), "in the list"
        same("by name", names(self.ann("network", "list", "--name", "lab")), ["lab"])
        same("disabled", names(self.ann("network", "list", "--disable")), ["lab"])
        same("of the project", names(self.admin("network", "list", "--project", self.ids["ann"])), ["lab"])
        long = self.ann("network", "list", "--long", "--name", "lab")
        same("long", long[0]["Status"], "ACTIVE" if long[0]["State"] else long[0]["Status"])
        self.ann.text("network", "set", "--name", "lab 2", "--enable", "--description", "", "--mtu", "1450", "lab")
        shown = self.ann("network", "show", "lab 2")
        same("set", (shown["id"], shown["admin_state_up"], shown["description"], shown["mtu"]), (made["id"], True, "", 1450))
        same("external", [row for row in self.ann("network", "list", "--external") if row["Name"] == "lab 2"], [])

    def step_foreign_networks(self):
        """another project's network: not seen, not changed; sharing is an operator's"""
        self.bob.fails("No Network found", "network", "show", self.ids["lab"])
        self.bob.fails("No Network found", "network", "delete", self.ids["lab"])
        self.ann.fails("403", "network", "set", "--share", "lab 2")
        self.ann.fails("403", "network", "create", "--external", "outside")
        self.admin.text("network", "set", "--share", self.ids["lab"])
        assert "lab 2" in names(self.bob("network", "list", "--share")), "shared"
        self.bob.fails("403", "network", "set", "--name", "mine", self.ids["lab"])
        self.admin.text("network", "set", "--no-share", self.ids["lab"])

    # --- subnets ---

    def step_subnets(self):
        """subnet create, list, show, set, unset, for both families"""
        made = self.ann(
            "subnet", "create", "--network", "lab 2", "--subnet-range", "192.0.2.0/24", "--gateway", "192.0.2.254",
            "--allocation-pool", "start=192.0.2.10,end=192.0.2.20", "--dns-nameserver", "192.0.2.53", "--host-route",
            "destination=198.51.100.0/24,gateway=192.0.2.9", "--description", "Four", "four",
        )
        self.ids["four"] = made["id"]
        same("made", (made["cidr"], made["gateway_ip"], made["ip_version"]), ("192.0.2.0/24", "192.0.2.254", 4))
        same("pool", made["allocation_pools"], [{"start": "192.0.2.10", "end": "192.0.2.20"}])
        same("routes", made["host_routes"], [{"destination": "198.51.100.0/24", "nexthop": "192.0.2.9"}])
        six = self.ann(
            "subnet", "create", "--network", "lab 2", "--ip-version", "6", "--subnet-range", "2001:db8::/64", "--gateway",
            "none", "--no-dhcp", "six",
        )
        same("six", (six["cidr"], six["gateway_ip"], six["enable_dhcp"]), ("2001:db8::/64", None, False))
        same("list", names(self.ann("subnet", "list", "--network", "lab 2")), ["four", "six"])
        same("by family", names(self.ann("subnet", "list", "--network", "lab 2", "--ip-version", "6")), ["six"])
        same("by range", names(self.ann("subnet", "list", "--subnet-range", "192.0.2.0/24")), ["four"])
        self.ann.text(
            "subnet", "set", "--name", "4", "--no-dns-nameservers", "--dns-nameserver", "192.0.2.54", "--gateway", "192.0.2.1",
            "--no-allocation-pool", "--allocation-pool", "start=192.0.2.30,end=192.0.2.31", "--description", "", "four",
        )
        shown = self.ann("subnet", "show", "4")
        same("set", (shown["id"], shown["gateway_ip"], shown["dns_nameservers"]), (made["id"], "192.0.2.1", ["192.0.2.54"]))
        same("pool", shown["allocation_pools"], [{"start": "192.0.2.30", "end": "192.0.2.31"}])
        self.ann.text("subnet", "unset", "--dns-nameserver", "192.0.2.54", "4")
        same("unset", self.ann("subnet", "show", "4")["dns_nameservers"], [])
        self.ann.fails("400", "subnet", "create", "--network", "lab 2", "--subnet-range", "192.0.2.128/25", "overlap")
        same("subnets", len(self.ann("network", "show", "lab 2")["subnets"]), 2)

    # --- security groups ---

    def step_groups(self):
        """security group and rule create, list, show, set, delete"""
        made = self.ann("security", "group", "create", "--description", "Web", "web")
        self.ids["web"] = made["id"]
        same("egress is open", len(made["rules"]), 2)
        assert {"default", "web"} <= set(names(self.ann("security", "group", "list"))), "security group list"
        rule = self.ann(
            "security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "80:81", "--remote-ip", "192.0.2.0/24",
            "--description", "http", "web",
        )
        same("rule", (rule["direction"], rule["protocol"], rule["port_range_min"], rule["port_range_max"]), ("ingress", "tcp", 80, 81))
        self.ann("security", "group", "rule", "create", "--egress", "--ethertype", "IPv6", "--protocol", "icmpv6", "web")
        self.ann("security", "group", "rule", "create", "--remote-group", "web", "web")
        self.ann.fails("409", "security", "group", "rule", "create", "--remote-group", "web", "web")
        same("rules", len(self.ann("security", "group", "rule", "list", "web")), 5)
        same("ingress", len(self.ann("security", "group", "rule", "list", "--ingress", "web")), 2)
        same("tcp", [row["ID"] for row in self.ann("security", "group", "rule", "list", "--protocol", "tcp", "web")], [rule["id"]])
        self.ann("security", "group", "rule", "show", rule["id"])
        self.ann.text("security", "group", "rule", "delete", rule["id"])
        self.ann.text("security", "group", "set", "--name", "www", "--description", "", "web")
        same("set", self.ann("security", "group", "show", "www")["id"], made["id"])
        self.bob.fails("No SecurityGroup found", "security", "group", "show", made["id"])

    # --- ports ---

    def step_ports(self):
        """port create, list, show, set, unset"""
        made = self.ann(
            "port", "create", "--network", "lab 2", "--fixed-ip", "subnet=4,ip-address=192.0.2.40", "--mac-address",
            "fa:16:3e:00:00:40", "--security-group", "www", "--description", "A plug", "--device-owner", "test:one", "--device",
            "nothing", "plug",
        )
        self.ids["plug"] = made["id"]
        same("made", (made["mac_address"], made["fixed_ips"]), ("fa:16:3e:00:00:40", [{"subnet_id": self.ids["four"], "ip_address": "192.0.2.40"}]))
        same("groups", made["security_group_ids"], [self.ids["web"]])
        other = self.ann("port", "create", "--network", "lab 2", "--no-security-group", "--disable", "--fixed-ip", "subnet=4", "other")
        address = other["fixed_ips"][0]["ip_address"]
        assert address in ("192.0.2.30", "192.0.2.31"), f"from the pool: {address}"
        same("groups", other["security_group_ids"], [])
        same("list", names(self.ann("port", "list", "--network", "lab 2")), ["other", "plug"])
        for words in (
            ("--mac-address", "fa:16:3e:00:00:40"), ("--fixed-ip", "ip-address=192.0.2.40"), ("--device-owner", "test:one"),
            ("--device-id", "nothing"), ("--name", "plug"), ("--security-group", self.ids["web"]),
        ):
            same(" ".join(words), names(self.ann("port", "list", *words)), ["plug"])
        self.ann.text(
            "port", "set", "--name", "plug 2", "--description", "", "--disable", "--fixed-ip", "subnet=4,ip-address=192.0.2.41", "plug"
        )
        shown = self.ann("port", "show", "plug 2")
        addresses = sorted(fixed["ip_address"] for fixed in shown["fixed_ips"])
        same("set", (shown["id"], shown["admin_state_up"], addresses), (made["id"], False, ["192.0.2.40", "192.0.2.41"]))
        self.ann.text("port", "unset", "--fixed-ip", "subnet=4,ip-address=192.0.2.40", "--security-group", "www", "plug 2")
        shown = self.ann("port", "show", "plug 2")
        same("unset", ([fixed["ip_address"] for fixed in shown["fixed_ips"]], shown["security_group_ids"]), (["192.0.2.41"], []))
        self.ann.text("port", "set", "--security-group", "www", "plug 2")
        self.ann.fails("409", "port", "create", "--network", "lab 2", "--fixed-ip", "ip-address=192.0.2.41", "twice")
        self.ann.fails("409", "port", "create", "--network", "lab 2", "--mac-address", "fa:16:3e:00:00:40", "twice")
        self.bob.fails("No Port found", "port", "show", self.ids["plug"])

    def step_full(self):
        """a pool that is used up says so"""
        self.ann("port", "create", "--network", "lab 2", "--fixed-ip", "subnet=4", "last")
        self.ann.fails("409", "port", "create", "--network", "lab 2", "--fixed-ip", "subnet=4", "none left")

    # --- with a server ---

    def step_server(self):
        """a server on a port of one's own and on a network"""
        image = self.ann("image", "list")[0]["ID"]
        self.ann.text("port", "set", "--enable", "plug 2")
        self.ann.text("port", "unset", "--device", "--device-owner", "plug 2")
        self.ann.text("server", "create", "--flavor", "1", "--image", image, "--port", "plug 2", "--wait", "one")
        same("addresses", self.ann("server", "show", "one")["addresses"], {"lab 2": ["192.0.2.41"]})
        server = self.ann("server", "show", "one")["id"]
        same("its port", names(self.ann("port", "list", "--server", "one")), ["plug 2"])
        same("device", self.ann("port", "show", "plug 2")["device_id"], server)
        self.ann.fails("409", "network", "delete", "lab 2")
        self.ann.text("server", "delete", "--wait", "one")
        same("the port is the user's", self.ann("port", "show", "plug 2")["device_id"], "")

    # --- floating IPs ---

    def floating(self, server):
        """The server's addresses on its network."""
        return sorted(self.ann("server", "show", server)["addresses"]["lab 2"])

    def step_floating_ips(self):
        """floating ip create, list, show, set, unset, delete"""
        (outside,) = names(self.ann("network", "list", "--external"))
        made = self.ann("floating", "ip", "create", "--description", "Front", outside)
        address = made["floating_ip_address"]
        same("made", (made["description"], made["status"], made["port_id"], made["project_id"]), ("Front", "DOWN", None, self.ids["ann"]))
        same("list", names(self.ann("floating", "ip", "list"), "Floating IP Address"), [address])
        same("free", names(self.ann("floating", "ip", "list", "--status", "DOWN"), "ID"), [made["id"]])
        same("by network", names(self.ann("floating", "ip", "list", "--network", outside), "ID"), [made["id"]])
        self.ann.text("floating", "ip", "set", "--port", "plug 2", address)
        shown = self.ann("floating", "ip", "show", address)
        same("set", (shown["port_id"], shown["fixed_ip_address"], shown["status"]), (self.ids["plug"], "192.0.2.41", "ACTIVE"))
        same("by port", names(self.ann("floating", "ip", "list", "--port", "plug 2"), "ID"), [made["id"]])
        same("by fixed", names(self.ann("floating", "ip", "list", "--fixed-ip-address", "192.0.2.41"), "ID"), [made["id"]])
        self.ann.fails("409", "floating", "ip", "create", "--port", "plug 2", outside)
        self.ann.text("floating", "ip", "unset", "--port", address)
        same("unset", self.ann("floating", "ip", "show", address)["port_id"], None)
        self.ann.fails("400", "floating", "ip", "create", "lab 2")
        self.ann.fails("403", "floating", "ip", "create", "--floating-ip-address", address, outside)
        self.bob.fails("No FloatingIP found", "floating", "ip", "show", address)
        self.ids["address"], self.ids["outside"] = address, outside

    def step_floating_ip_of_a_server(self):
        """server add and remove floating ip; what goes with the port and with the server"""
        image, address = self.ann("image", "list")[0]["ID"], self.ids["address"]
        self.ann.text("server", "create", "--flavor", "1", "--image", image, "--port", "plug 2", "--wait", "one")
        self.ann.text("server", "add", "floating", "ip", "one", address)
        same("on the server", self.floating("one"), sorted(["192.0.2.41", address]))
        self.ann.text("server", "remove", "floating", "ip", "one", address)
        same("off the server", self.floating("one"), ["192.0.2.41"])
        self.ann.text("server", "add", "floating", "ip", "--fixed-ip-address", "192.0.2.41", "one", address)
        same("on it again", self.floating("one"), sorted(["192.0.2.41", address]))
        self.ann.text("server", "delete", "--wait", "one")
        same("the address stays", self.ann("floating", "ip", "show", address)["status"], "DOWN")
        self.ann.text("floating", "ip", "set", "--port", "plug 2", address)
        self.ann.text("floating", "ip", "delete", address)
        same("none is left", self.ann("floating", "ip", "list"), [])
        same("the port stays", self.ann("port", "show", "plug 2")["id"], self.ids["plug"])

    # --- the end of it ---

    def step_delete(self):
        """delete: what is in use is refused, then all of it goes"""
        self.ann.fails("409", "subnet", "delete", "4")
        self.ann.fails("409", "security", "group", "delete", "www")
        self.ann.text("port", "delete", "plug 2", "other", "last")
        self.ann.text("security", "group", "delete", "www")
        self.ann.text("subnet", "delete", "4", "six")
        self.ann.text("network", "delete", "lab 2")
        same("ports", self.ann("port", "list"), [])
        self.ann.fails("No Network found", "network", "show", "lab 2")

    def step_routers(self):
        """routers are read: list and show"""
        routers = self.admin("router", "list")
        same("router", self.admin("router", "show", routers[0]["ID"])["id"], routers[0]["ID"])

    def step_unsupported(self):
        """what is not there is refused in words"""
        self.ann.fails("405", "router", "create", "mine")
        self.ann.fails("404", "network", "create", "--tag", "a-tag", "tagged")
        self.ann.text("network", "delete", "tagged")  # the client makes it before it asks for the tag
        self.ann.fails("404", "network", "agent", "list")


if __name__ == "__main__":
    sys.exit(main(Networks))
