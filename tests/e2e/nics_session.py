#!/usr/bin/env python3
"""Network cards that come to a server and leave it, through the unchanged OpenStack client, and over the wire where the client doesn't
show it.

Starts a Skyloom of its own (laptop deployment, simulator) and ends it. Prints PASS or FAIL with seconds for each step; the first FAIL
ends it. Exit code 77: the client is missing here.
"""

import sys

import client
from client import same
from harness import poll, request, rule

CREATE, DELETE = "nova.server_interfaces.create", "nova.server_interfaces.delete"


class Nics(client.Members):
    def nova(self, method, path, body=None, expect=(200, 202), version="/v2.1", minor=None, who="ann"):
        headers = {"X-OpenStack-Nova-API-Version": minor} if minor else {}
        url = f"{self.url}/compute{version}{path}"
        return request(method, url, self.tokens[who], body, headers=headers, expect=expect)[0]

    def port(self, id, expect=(200,)):
        return request("GET", f"{self.url}/network/v2.0/ports/{id}", self.tokens["ann"], expect=expect)[0]

    def cards(self):
        """Port -> card, of what the server has."""
        listed = self.nova("GET", f"{self.at}/os-interface")["interfaceAttachments"]
        return {one["port_id"]: one for one in listed}

    def comes(self, before):
        """The one card more, once the guest has it."""
        def there():
            new = [one for port, one in self.cards().items() if port not in before]
            return len(new) == 1 and new[0]["port_state"] == "ACTIVE", new

        return poll(60, there)[0]

    def goes(self, port):
        poll(60, lambda: (port not in (left := self.cards()), left))

    def console(self):
        return self.ann.text("console", "log", "show", "guest")

    def step_server(self):
        """a server on one network, and another network beside it"""
        self.tokens = {name: who("token", "issue")["id"] for name, who in (("ann", self.ann), ("bob", self.bob))}
        image = self.ann("image", "list")[0]["ID"]
        private = next(row["ID"] for row in self.ann("network", "list") if row["Name"] == "private")
        self.ann.text("server", "create", "--flavor", "m1.tiny", "--image", image, "--nic", f"net-id={private}", "--wait", "guest")
        self.at = f"/servers/{self.ann('server', 'show', 'guest')['id']}"
        self.side = self.ann("network", "create", "side")["id"]
        self.ann.text("subnet", "create", "--network", "side", "--subnet-range", "10.77.0.0/24", "side-subnet")
        (self.first,) = self.cards()

    def step_network(self):
        """a card on a network has a port of its own, which goes with it"""
        before = self.cards()
        self.ann.text("server", "add", "network", "guest", "side")
        card = self.comes(before)
        same("its network", (card["net_id"], len(card["fixed_ips"])), (self.side, 1))
        assert f"card {card['mac_addr']} is on" in self.console(), self.console()
        same("its addresses", self.ann("server", "show", "guest")["addresses"]["side"], [card["fixed_ips"][0]["ip_address"]])
        actions = self.nova("GET", f"{self.at}/os-instance-actions")["instanceActions"]
        same("the action", actions[0]["action"], "attach_interface")
        self.ann.text("server", "remove", "network", "guest", "side")
        self.goes(card["port_id"])
        self.port(card["port_id"], expect=(404,))
        assert f"card {card['mac_addr']} is gone" in self.console(), self.console()
        rule(CREATE, "69198698")

    def step_address(self):
        """an address of one's own network is chosen"""
        given = self.ann("server", "add", "fixed", "ip", "guest", "side", "--fixed-ip-address", "10.77.0.50")
        same("the answer", given["Network ID"], self.side)
        card = self.cards()[given["Port ID"]]
        same("the address", [ip["ip_address"] for ip in card["fixed_ips"]], ["10.77.0.50"])
        poll(60, lambda: ((seen := self.cards()[given["Port ID"]])["port_state"] == "ACTIVE", seen))
        self.ann.fails("10.77.0.50", "server", "add", "fixed", "ip", "guest", "side", "--fixed-ip-address", "10.77.0.50")
        self.ann.fails("fixed_ips", "server", "add", "fixed", "ip", "guest", "side", "--fixed-ip-address", "10.78.0.50")
        self.ann.text("server", "remove", "port", "guest", given["Port ID"])
        self.goes(given["Port ID"])

    def step_port(self):
        """a port that is there stays when its card goes, at a server that is off, too"""
        self.spare = self.ann("port", "create", "--network", "side", "spare")["id"]
        for off in (False, True):
            if off:
                self.ann.text("server", "stop", "guest")
                poll(60, lambda: ((one := self.ann("server", "show", "guest"))["status"] == "SHUTOFF", one))
            self.ann.text("server", "add", "port", "guest", "spare")
            same("its server", self.port(self.spare)["port"]["device_id"], self.at.split("/")[-1])
            self.rests()
            self.ann.fails("still in use", "server", "add", "port", "guest", "spare")
            self.ann.fails("attached", "port", "delete", "spare")
            self.ann.text("server", "remove", "port", "guest", "spare")
            self.goes(self.spare)
            seen = self.port(self.spare)["port"]
            same("it is free", (seen["device_id"], len(seen["fixed_ips"])), ("", 1))
        self.ann.text("server", "start", "guest")
        poll(60, lambda: ((one := self.ann("server", "show", "guest"))["status"] == "ACTIVE", one))
        rule(DELETE, "5e21ebf4")

    def rests(self):
        """The server's last action has ended: with its last event, of which everybody sees the end from 2.51 on."""
        actions = f"{self.at}/os-instance-actions"

        def ended():
            last = self.nova("GET", actions)["instanceActions"][0]["request_id"]
            events = self.nova("GET", f"{actions}/{last}", minor="2.51")["instanceAction"]["events"]
            return events and all(event["finish_time"] for event in events), events

        poll(60, ended)

    def step_refused(self):
        """what is wrong is said by its name, and a foreign project sees nothing"""
        path = f"{self.at}/os-interface"
        one = {"ip_address": "10.77.0.9"}
        for attachment, status, named in (
            ({"net_id": self.side, "port_id": self.spare}, 400, "net_id and port_id"),
            ({"port_id": self.spare, "fixed_ips": [one]}, 400, "fixed_ips"),
            ({"net_id": self.side, "fixed_ips": [one, {"ip_address": "10.77.0.8"}]}, 400, "fixed_ips"),
            ({"net_id": self.side, "fixed_ips": []}, 400, "fixed_ips"),
            ({"net_id": "side"}, 400, "net_id"),
            ({"net_id": self.spare}, 404, self.spare),
            ({"port_id": self.side}, 404, self.side),
            ({"net_id": self.side, "colour": "red"}, 400, "colour"),
            ({"net_id": self.side, "tag": "x"}, 400, "tag"),
        ):
            answer = self.nova("POST", path, {"interfaceAttachment": attachment}, expect=(status,))
            assert named in str(answer), f"{attachment}: {answer}"
        tagged = {"interfaceAttachment": {"net_id": self.side, "tag": "x"}}
        answer = self.nova("POST", path, tagged, expect=(400,), minor="2.49")
        assert "tag" in answer["badRequest"]["message"], answer
        self.nova("POST", path, {"interfaceAttachment": {"net_id": self.side}}, expect=(404,), who="bob")
        self.nova("DELETE", f"{path}/{self.first}", expect=(404,), who="bob")
        self.nova("DELETE", f"{path}/{self.spare}", expect=(404,))
        same("as it was", list(self.cards()), [self.first])
        rule(CREATE, "cbface91", "52df8345", "5df85d3e")

    def step_old_path(self):
        """/v2 has both; a server takes its cards with it"""
        path = f"{self.at}/os-interface"
        body = {"interfaceAttachment": {"net_id": self.side}}
        made = self.nova("POST", path, body, version="/v2")["interfaceAttachment"]["port_id"]
        poll(60, lambda: ((seen := self.cards()[made])["port_state"] == "ACTIVE", seen))
        self.nova("DELETE", f"{path}/{made}", version="/v2", expect=(202,))
        self.goes(made)
        for add in (("network", "side"), ("port", "spare")):
            before = self.cards()
            self.ann.text("server", "add", add[0], "guest", add[1])
            last = self.comes(before)["port_id"]
        same("both", len(self.cards()), 3)
        kept = [port for port in self.cards() if port != self.spare]
        same("the given one", last, self.spare)
        self.ann.text("server", "delete", "--wait", "guest")
        for port in kept:
            self.port(port, expect=(404,))
        same("it is free", self.port(self.spare)["port"]["device_id"], "")
        self.ann.text("port", "delete", "spare")
        rule(CREATE, "93a8bc16")
        rule(DELETE, "93a8bc16")


if __name__ == "__main__":
    sys.exit(client.main(Nics))
