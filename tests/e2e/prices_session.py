#!/usr/bin/env python3
"""Prices by department: two domains with a template each, a price that is edited in the middle of a use, a graduated tariff, a
department that changes its template; and the ledger, rated again to the same bytes.

Starts a Skyloom of its own (laptop deployment, simulator, rating periods of an hour) and ends it. The clock is turned on, so prices
are laid down for times to come. Prints PASS or FAIL with seconds for each step; the first FAIL ends it.
"""

import datetime
import decimal
import json
import sys

import harness
from harness import poll

HOUR = 3600
PASSWORD = "correct horse battery"
# Per unit and hour. Each is a whole number of billionths a second, so that sums are exact whatever is cut.
NORTH, EDITED = decimal.Decimal("0.72"), decimal.Decimal("1.44")
# South's, and what each unit costs beyond two unit-hours of the month.
SOUTH, BEYOND, AFTER = decimal.Decimal("0.36"), decimal.Decimal("0.18"), 2


def micros(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds(start, end):
    """Whole seconds of the clock between two times."""
    return int(end.timestamp()) - int(start.timestamp())


class Prices(harness.Session):
    def __init__(self, env, folder):
        super().__init__(env, folder)
        self.turned = 0

    def clock(self, ahead):
        """Turns the server's clock on, to so many seconds after the begin."""
        self.turn_clock(ahead - self.turned)
        self.turned = ahead

    def v3(self, path):
        return f"{self.cloud}/identity/v3{path}"

    def made(self, kind, **fields):
        return self.call("POST", self.v3(f"/{kind}s"), {kind: fields}, expect=(201,))[kind]["id"]

    def token_of(self, name):
        user = {"name": name, "password": PASSWORD, "domain": {"name": name}}
        scope = {"project": {"name": name, "domain": {"name": name}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        return harness.request("POST", self.v3("/auth/tokens"), body=body, expect=(201,))[1]["X-Subject-Token"]

    def records(self, name, meter="vcpu", start=None, end=None):
        """What a department used: (price, seconds, amount, start, end) by price, and the total."""
        query = f"meter={meter}&start_time={(start or self.day).strftime('%Y-%m-%dT%H:%M:%S.%fZ')}"
        if end:
            query += f"&end_time={end.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}"
        answer = self.call("GET", f"{self.cloud}/billing/v1/consumption-records?{query}", token=self.tokens[name])
        found = answer["consumption"]
        assert not found["truncated"], found
        rows = [
            (decimal.Decimal(r["unit_price"]), r["seconds"], decimal.Decimal(r["amount"]), micros(r["start_time"]), micros(r["end_time"]))
            for r in found["records"]
        ]
        return rows, decimal.Decimal(found["total"])

    def rated(self):
        """Once all that is over is rated."""
        poll(60, lambda: ((p := json.loads(self.cli("rating", "list", "--json"))) == [] and self.periods_are_there(), p))

    def periods_are_there(self):
        """The last hour that is over has a period: its charges come from the ledger."""
        checked = json.loads(self.cli("rating", "check", "--json"))
        return checked["charges"] >= 2 * 2 * (self.turned // HOUR)

    # --- the steps ---

    def step_departments(self):
        """two domains, each with a project and somebody in it"""
        self.tokens = {}
        role = next(r["id"] for r in self.call("GET", self.v3("/roles"))["roles"] if r["name"] == "member")
        for name in ("north", "south"):
            domain = self.made("domain", name=name)
            project = self.made("project", name=name, domain_id=domain)
            user = self.made("user", name=name, domain_id=domain, password=PASSWORD)
            self.call("PUT", self.v3(f"/projects/{project}/users/{user}/roles/{role}"), expect=(204,))
            self.tokens[name] = self.token_of(name)
        url = f"{self.cloud}/image/v2/images/{self.image}"
        kind = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        self.call("PATCH", url, [{"op": "replace", "path": "/visibility", "value": "public"}], headers=kind)

    def step_templates(self):
        """a template of its own for each, one of them with tiers; only one that is in force can be bound"""
        for name, price in (("northern", f"vcpu={NORTH}"), ("southern", f"vcpu={SOUTH},{AFTER}:{BEYOND}")):
            self.cli("price", "create", name, "--description", "of a department")
            self.cli("price", "set", name, "1", price, "memory-mib=none")
            refused = self.cli("price", "bind", name[:5], name, expect=1)
            assert "No sheet" in refused, refused
            self.cli("price", "use", name, "1")
            self.cli("price", "bind", name[:5], name)
        assert "at most nine" in self.cli("price", "set", "northern", "1", "vcpu=cheap", expect=2)
        assert "is over" in self.cli("price", "bind", "north", "southern", "--at", "2026-01-01T00:00:00Z", expect=1)
        templates = {t["name"]: t["id"] for t in json.loads(self.cli("price", "list", "--json"))}
        assert set(templates) == {"Default", "northern", "southern"}, templates
        shown = json.loads(self.cli("price", "show", "southern", "1", "--json"))
        tiers = [(p["from-unit-hours"], p["per-unit-hour"]) for p in shown["prices"] if p["meter"] == "vcpu"]
        assert (shown["state"], tiers) == ("in-use", [(0, str(SOUTH)), (AFTER, str(BEYOND))]), shown
        assert len(json.loads(self.cli("price", "bindings", "--json"))) == 2
        assert "northern" in self.cli("price", "bindings") and "in-use" in self.cli("price", "show", "northern")

    def step_servers(self):
        """a server of one processor for each"""
        self.day = datetime.datetime.now(datetime.timezone.utc)
        for name, token in self.tokens.items():
            network = self.call("POST", self.neutron("/networks"), {"network": {"name": name}}, token=token)["network"]["id"]
            subnet = {"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24"}
            self.call("POST", self.neutron("/subnets"), {"subnet": subnet}, token=token, expect=(201,))
            server = {"name": name, "flavorRef": "1", "imageRef": self.image, "networks": [{"uuid": network}]}
            made = self.call("POST", self.nova("/servers"), {"server": server}, token=token, expect=(202,))["server"]["id"]
            url = self.nova(f"/servers/{made}")
            poll(60, lambda url=url, token=token: ((s := self.call("GET", url, token=token)["server"])["status"] == "ACTIVE", s))

    def step_edits(self):
        """an edit in the middle of the use, and a department that changes its template, both laid down for a time"""
        now = datetime.datetime.now(datetime.timezone.utc)
        self.edit = (now + datetime.timedelta(minutes=90)).replace(microsecond=0)
        self.change = (now + datetime.timedelta(minutes=210)).replace(microsecond=0)
        at = lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.cli("price", "set", "northern", "1", f"vcpu={EDITED}", "--at", at(self.edit))
        self.cli("price", "bind", "south", "northern", "--at", at(self.change))
        assert json.loads(self.cli("price", "show", "northern", "1", "--json"))["revision"] == 3

    def step_north(self):
        """the edit holds from its second on, for what is used already"""
        self.clock(3 * HOUR)
        self.rated()
        rows, total = self.records("north")
        (first, second) = sorted(rows)
        assert (first[0], second[0]) == (NORTH, EDITED), rows
        assert first[4] == second[3] == self.edit, rows
        for price, counted, amount, start, end in (first, second):
            assert counted == seconds(start, end) and amount == price * counted / HOUR, rows
        assert total == first[2] + second[2], (rows, total)

    def step_south(self):
        """the tiers go on over periods and batches, and end with the department's binding"""
        self.clock(5 * HOUR)
        self.rated()
        rows, total = self.records("south")
        begin = min(row[3] for row in rows)
        graduated = seconds(begin, self.change)
        later = max(row[4] for row in rows)
        below = AFTER * HOUR
        expected = (below * SOUTH + (graduated - below) * BEYOND + seconds(self.change, later) * EDITED) / HOUR
        assert total == expected == sum(row[2] for row in rows), (rows, total, expected)
        assert sum(row[1] for row in rows) == seconds(begin, later), rows
        assert {row[0] for row in rows} == {SOUTH, BEYOND, EDITED}, rows
        # The same of the ledger alone, and of a part that begins within a period.
        cut = begin + datetime.timedelta(minutes=150)
        whole = self.records("south", end=self.change)[1]
        parts = [self.records("south", end=cut)[1], self.records("south", start=cut, end=self.change)[1]]
        assert whole == sum(parts) == (below * SOUTH + (graduated - below) * BEYOND) / HOUR, (whole, parts)

    def step_ledger(self):
        """rated again it is the same, and its days are its sums; rated time takes no prices"""
        checked = json.loads(self.cli("rating", "check", "--json"))
        assert checked["differing"] == 0 and checked["charges"] > 10, checked
        assert ": 0 differences" in self.cli("rating", "check")
        assert "charged already" in self.cli("price", "set", "northern", "1", "vcpu=1", expect=1)
        assert "bound to" in self.cli("price", "delete", "southern", expect=1)


def zone():
    """A time zone whose month doesn't end while the session lasts: quantities begin anew with each."""
    there = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=5, minutes=30)
    ends = (there + datetime.timedelta(hours=6)).month != there.month
    return r"Pacific\/Honolulu" if ends else r"Asia\/Kolkata"


if __name__ == "__main__":
    billing = rf'[billing]\nperiod-minutes = 60\ndelay-seconds = 0\ninterval-seconds = 1\ntime-zone = "{zone()}"\n'
    sys.exit(harness.main(Prices, (rf"s/^\[operator\]/{billing}\n&\nturns-clock = true/",)))
