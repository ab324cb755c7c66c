#!/usr/bin/env bash
# The rarer calls of the unchanged OpenStack client on servers, flavors, key pairs, limits, zones and events, against a Skyloom
# (laptop deployment, simulator) that this script starts and ends. Prints PASS or FAIL with seconds for each step; the first
# FAIL ends it. Exit codes: 0 all passed, 77 something is missing here ("SKIP reason"), other: failed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
support=$root/tests/support
openstack=${SKYLOOM_VENV:-${CARGO_TARGET_DIR:-$root/target}/venv}/bin/openstack
[ -x "$openstack" ] || { echo "SKIP python-openstackclient is missing (.ci/install)"; exit 77; }

work=$(mktemp -d /tmp/skyloom-oc.XXXXXX)
cleanup() {
  local status=$?
  if [ "$status" != 0 ]; then tail -n 40 "$work/sky/log" || true; fi
  "$support/skyloom/stop" "$work/sky" || true
  rm -rf "$work"
}
trap cleanup EXIT
# shellcheck source=tests/e2e/steps.sh
source "$root/tests/e2e/steps.sh"
export OS_CLIENT_CONFIG_FILE=$work/sky/clouds.yaml OS_CLOUD=skyloom

# An expression over the JSON that a command prints, called `it`; false or an error fails the step.
holds() { # EXPRESSION COMMAND...
  local expression=$1
  shift
  os "$@" -f json >"$work/json"
  python3 -c 'import json, sys
it = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), json.dumps(it, indent=1)' "$work/json" "$expression"
}
at() { OS_COMPUTE_API_VERSION=$1 "${@:2}"; } # VERSION COMMAND...

start_server() { "$support/skyloom/start" examples/deployments/laptop/skyloom.toml "$work/sky"; }
flavor_private() {
  os project create friends -f value -c id >"$work/friends"
  os flavor create --private --ram 64 --disk 1 --vcpus 1 --property a=b --property hw:numa=1 --id own --project friends own
  holds 'it["os-flavor-access:is_public"] is False and it["properties"] == {"a": "b", "hw:numa": "1"}' flavor show own
  holds "it['access_project_ids'] == ['$(cat "$work/friends")']" flavor show own
  os flavor unset --property a own
  os flavor set --property c=d own
  holds 'it["properties"] == {"c": "d", "hw:numa": "1"}' flavor show own
  holds '"own" not in [f["Name"] for f in it]' flavor list
  holds '[f["Name"] for f in it] == ["own"]' flavor list --private
  holds '"own" in [f["Name"] for f in it] and len(it) > 1' flavor list --all --long
  os flavor set --project admin own
  holds 'len(it["access_project_ids"]) == 2' flavor show own
  os flavor unset --project friends own
  holds 'len(it["access_project_ids"]) == 1' flavor show own
  at 2.55 os flavor set --description "for one" own
  at 2.61 holds 'it["description"] == "for one"' flavor show own
}
server_create() {
  os image list -f value -c ID >"$work/images"
  os network list --internal -f value -c ID >"$work/networks"
  at 2.52 os server create --flavor own --image "$(sed -n 1p "$work/images")" --nic net-id="$(sed -n 1p "$work/networks")" \
    --property k=v --property gone=soon --description first --tag blue --wait web-1
}
server_set() {
  os server set --name web-2 --property p=q web-1
  at 2.19 os server set --description second web-2
  os server unset --property gone web-2
  holds 'it["name"] == "web-2" and it["properties"] == {"k": "v", "p": "q"}' server show web-2
  at 2.19 holds 'it["description"] == "second"' server show web-2
  at 2.19 os server unset --description web-2
  at 2.19 holds 'it["description"] in ("", None)' server show web-2
}
server_versions() { # what each version tells of one server
  local minor
  for minor in 1 50 96; do
    at 2.$minor holds 'it["name"] == "web-2" and it["status"] == "ACTIVE" and it["OS-EXT-STS:power_state"] in (1, "Running")' \
      server show web-2
    at 2.$minor holds '[(s["Name"], s["Status"], s["Host"], s["Availability Zone"]) for s in it] == [("web-2", "ACTIVE", "node-1", "zone-1")]' \
      server list --long --all-projects
  done
  at 2.96 holds 'it["tags"] == ["blue"]' server show web-2
}
server_filters() {
  holds 'len(it) == 1' server list --name '^web-[0-9]$' --status ACTIVE --flavor own
  holds 'len(it) == 0' server list --name '^eb' --all-projects
  at 2.96 holds 'len(it) == 1' server list --tags blue --sort-column name --sort-ascending --limit 1
  at 2.96 holds 'len(it) == 1' server list --power-state running --host node-1 --project admin
  at 2.96 holds 'len(it) == 0' server list --config-drive
}
keypairs() {
  os keypair create --private-key "$work/key" one
  os keypair show --public-key one >"$work/key.pub"
  os keypair create --public-key "$work/key.pub" --type ssh two
  at 2.2 holds 'it["id"] == "two" and it["type"] == "ssh" and it["user_id"]' keypair show two
  same fingerprints "$(os keypair show two -f value -c fingerprint)" "$(os keypair show one -f value -c fingerprint)"
  # Another user's, as operators may.
  os user create friend -f value -c id >"$work/friend"
  at 2.10 os keypair create --public-key "$work/key.pub" --user friend three
  at 2.10 holds '[k["Name"] for k in it] == ["three"]' keypair list --user friend
  at 2.10 os keypair delete --user friend three
  holds 'sorted(k["Name"] for k in it) == ["one", "two"]' keypair list
  at 2.35 holds '[k["Name"] for k in it] == ["one"]' keypair list --limit 1 --max-items 1
  os keypair delete one two
  holds 'it == []' keypair list
}
limits() {
  holds '{"instances": 10, "instances_used": 1}.items() <= {limit["Name"]: limit["Value"] for limit in it}.items()' limits show --absolute
  holds 'it == []' limits show --rate
}
quotas() {
  local kinds
  for kinds in "" --usage --default; do
    # shellcheck disable=SC2086
    holds '("instances", 10) in [(q["Resource"], q["Limit"]) for q in it]' quota show --compute $kinds
  done
  holds '[q["In Use"] for q in it if q["Resource"] == "instances"] == [1]' quota show --compute --usage
}
server_tags() { # and groups, of a running server
  at 2.26 os server set --tag green --tag "size=a b" web-2
  at 2.96 holds 'it["tags"] == ["blue", "green", "size=a b"]' server show web-2
  at 2.26 os server unset --tag green --tag "size=a b" web-2
  at 2.96 holds 'it["tags"] == ["blue"]' server show web-2
  os security group create late
  os server add security group web-2 late
  holds '"late" in {g["name"] for g in it["security_groups"]}' server show web-2
  os server remove security group web-2 late
  holds '"late" not in {g["name"] for g in it["security_groups"]}' server show web-2
  os security group delete late
}
server_groups() { # and servers that are made in one
  at 2.15 os server group create --policy soft-anti-affinity loose
  at 2.64 holds 'it["policy"] == "anti-affinity" and "2" in str(it["rules"])' \
    server group create --policy anti-affinity --rule max_server_per_host=2 apart
  at 2.15 holds 'sorted((g["Name"], g["Policies"]) for g in it) == [("apart", ["anti-affinity"]), ("loose", ["soft-anti-affinity"])]' \
    server group list
  at 2.64 holds '{g["Policy"] for g in it} == {"anti-affinity", "soft-anti-affinity"}' server group list --all-projects --long
  local group number
  group=$(os server group show apart -f value -c id)
  for number in 3 4; do
    local into=(--server-group apart)
    if [ $number = 4 ]; then into=(--hint "group=$group"); fi
    os server create --flavor own --image "$(sed -n 1p "$work/images")" --nic net-id="$(sed -n 1p "$work/networks")" \
      "${into[@]}" --wait "web-$number"
  done
  at 2.13 holds 'it["policies"] == ["anti-affinity"] and len(it["members"]) == 2 and it["project_id"]' server group show apart
  # By its id: a name is looked up in the list, which doesn't tell groups.
  at 2.71 holds "it['server_groups'] == ['$group']" server show "$(os server show web-3 -f value -c id)"
  os server delete --wait web-3 web-4
  holds 'it["members"] == []' server group show apart
  os server group delete apart loose
  holds 'it == []' server group list
}
zones() {
  holds '[(z["Zone Name"], z["Zone Status"]) for z in it] == [("zone-1", "available")]' availability zone list --compute
  holds '{z["Host Name"] for z in it} == {"node-1"}' availability zone list --compute --long
}
stand_still() { # and go on
  os server pause web-2
  poll 60 holds 'it["status"] == "PAUSED"' server show web-2
  os server unpause web-2
  poll 60 holds 'it["status"] == "ACTIVE"' server show web-2
  os server suspend web-2
  poll 60 holds 'it["status"] == "SUSPENDED"' server show web-2
  os server resume web-2
  poll 60 holds 'it["status"] == "ACTIVE"' server show web-2
}
locks() {
  at 2.73 os server lock --reason "under audit" web-2
  at 2.73 holds 'it["locked"] is True and it["locked_reason"] == "under audit"' server show web-2
  at 2.73 holds '[s["Name"] for s in it] == ["web-2"]' server list --locked
  at 2.73 holds 'it == []' server list --unlocked
  os server unlock web-2
  at 2.73 holds 'it["locked"] is False and it["locked_reason"] is None' server show web-2
  os server lock web-2
  at 2.9 holds 'it["locked"] is True' server show web-2
  os server unlock web-2
}
events() {
  holds 'sorted(e["Action"] for e in it) == ["create", "lock", "lock", "pause", "resume", "suspend", "unlock", "unlock", "unpause"]' server event list web-2
  local request
  request=$(os server event list web-2 -f value -c "Request ID" -c Action | sed -n 's/ create$//p')
  holds "it['request_id'] == '$request' and it['action'] == 'create'" server event show web-2 "$request"
  at 2.96 holds 'all(e["result"] == "Success" for e in it["events"]) and it["events"]' server event show web-2 "$request"
  at 2.66 holds 'len(it) == 1' server event list web-2 --long --limit 1
}
refusals() { # what the client shows of a refusal
  if os server show nothing >"$work/refused" 2>&1; then echo "a missing server is shown" && return 1; fi
  grep -i "No Server found for nothing" "$work/refused"
  if at 2.97 os server list >"$work/refused" 2>&1; then echo "an unknown version is served" && return 1; fi
  grep "maximum of 2.96" "$work/refused"
}
server_delete() {
  os server delete --wait web-2
  at 2.21 holds '{e["Action"] for e in it} > {"create", "delete"}' server event list "$(cat "$work/server")"
  os flavor delete own
  holds '"own" not in [f["Name"] for f in it]' flavor list --all
}

step "server starts and is ready" start_server
step "a private flavor: create, show, list, set, unset" flavor_private
step "server create with description, tag, properties" server_create
step "server set and unset" server_set
step "server show and list at 2.1, 2.50 and 2.96" server_versions
step "server list by filters" server_filters
step "keypair create, show, list, delete" keypairs
step "limits show" limits
step "quota show" quotas
step "server set and unset of tags and security groups" server_tags
step "server group create, list, show, delete; servers made in one" server_groups
step "availability zone list" zones
step "server pause, unpause, suspend, resume" stand_still
step "server lock and unlock" locks
step "server event list and show" events
step "refusals in the client's words" refusals
os server show web-2 -f value -c id >"$work/server"
step "server delete; its events stay" server_delete
step "SIGTERM ends the server with 0" "$support/skyloom/stop" "$work/sky"
