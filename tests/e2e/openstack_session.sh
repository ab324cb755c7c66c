#!/usr/bin/env bash
# A user's session with the unchanged OpenStack client against a Skyloom that this script starts and ends.
#
#   openstack_session.sh [laptop|libvirt]
#
# laptop: the simulator. libvirt: real QEMU guests under a libvirt of the test's own; what Skyloom says is then held
# against what the guest and libvirt say. Prints PASS or FAIL with seconds for each step; the first FAIL ends it.
# Exit codes: 0 all passed, 77 something is missing here ("SKIP reason"), other: failed.
set -euo pipefail

variant=${1:-laptop}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
support=$root/tests/support
target=${CARGO_TARGET_DIR:-$root/target}
guest=${SKYLOOM_GUEST:-$target/guest}
openstack=${SKYLOOM_VENV:-$target/venv}/bin/openstack
name=web-1
secret='Pa$$ "w: {x}'$RANDOM$RANDOM # the administrator's password of the guest

skip() { echo "SKIP $*"; exit 77; }
[ -x "$openstack" ] || skip "python-openstackclient is missing (.ci/install)"
case $variant in laptop | libvirt) ;; *) echo "no such variant: $variant" >&2; exit 2 ;; esac

work=$(mktemp -d /tmp/skyloom-os.XXXXXX) # short: sockets have short paths
uri=""
cleanup() {
  local status=$?
  if [ "$status" != 0 ] && [ "$status" != 77 ]; then
    echo "-- the server's last lines"
    tail -n 40 "$work/sky/log" || true
    if [ -n "$uri" ]; then echo "-- the guests' consoles" && find "$work/sky" -name '*console*' -type f -exec tail -n 20 {} +; fi
  fi
  "$support/skyloom/stop" "$work/sky" || true
  if [ -n "$uri" ]; then "$support/libvirt/stop" "$work/lv" || true; fi
  rm -rf "$work"
}
trap cleanup EXIT

# --- steps -----------------------------------------------------------------------------------------------------------

# shellcheck source=tests/e2e/steps.sh
source "$root/tests/e2e/steps.sh"
# The client takes seconds to start; polling asks the API itself.
server_field() { # FIELD
  curl -fsS -m 10 -H "X-Auth-Token: $(cat "$work/token")" "$(cat "$work/compute")/servers/$(cat "$work/server")" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["server"].get(sys.argv[1]))' "$1"
}
status_is() { same status "$(server_field status)" "$1"; }

# --- the machine's side ----------------------------------------------------------------------------------------------

if [ "$variant" = libvirt ]; then
  status=0
  "$support/guest/build-guest" "$guest" >"$work/reason" 2>&1 || status=$?
  if [ $status = 77 ]; then skip "$(cat "$work/reason")"; fi
  [ $status = 0 ] || { cat "$work/reason"; exit 1; }
  if uri=$("$support/libvirt/start" "$work/lv" 10.77.0.0/24 2>"$work/reason"); then
    echo "   libvirt at $uri"
  elif [ $? = 77 ]; then
    uri=""
    skip "$(cat "$work/reason")"
  else
    cat "$work/reason"
    exit 1
  fi
  # Where the deployment says qemu:///system the test means its own; & would be sed's own sign.
  edits=("s#qemu:///system#${uri//&/\\&}#g" "s#\"/var/lib/skyloom/#\"$work/sky/#g" 's#"kvm"#"qemu"#g')
  boot_deadline=120 # seconds; measured 3 on an idle machine without KVM
else
  edits=()
  boot_deadline=30
fi
start_server() { "$support/skyloom/start" "examples/deployments/$variant/skyloom.toml" "$work/sky" "${edits[@]}"; }
export OS_CLIENT_CONFIG_FILE=$work/sky/clouds.yaml OS_CLOUD=skyloom

# --- the session -----------------------------------------------------------------------------------------------------

token_issue() {
  os token issue -f value -c id >"$work/token"
  [ -s "$work/token" ]
  os catalog show compute -f json >"$work/catalog"
  python3 -c 'import json, sys
print(next(e["url"] for e in json.load(sys.stdin)["endpoints"] if e["interface"] == "public").rstrip("/"))' \
    <"$work/catalog" >"$work/compute"
}
flavor_list() {
  os flavor list -f json >"$work/flavors"
  # The smallest: QEMU without KVM is slow enough.
  python3 -c 'import json, sys
all = json.load(sys.stdin)
assert len(all) >= 1, "no flavor"
print(min(all, key=lambda f: (f["RAM"], f["VCPUs"], f["Disk"]))["ID"])' <"$work/flavors" >"$work/flavor"
}
image_is_active() { # NAME SIZE
  os image list -f value -c Name -c Status | grep -x "$1 active" >/dev/null || { os image list; return 1; }
  same size "$(os image show "$1" -f value -c size)" "$2"
}
image_create() {
  if [ "$variant" = libvirt ]; then
    os image create --container-format aki --disk-format aki --file "$guest/vmlinuz" kernel
    os image create --container-format ari --disk-format ari --file "$guest/initramfs.gz" ramdisk
    os image create --container-format bare --disk-format qcow2 --file "$guest/disk.qcow2" \
      --property "kernel_id=$(os image show kernel -f value -c id)" \
      --property "ramdisk_id=$(os image show ramdisk -f value -c id)" guest
  else
    head -c 1048576 /dev/urandom >"$work/disk.raw"
    os image create --container-format bare --disk-format raw --file "$work/disk.raw" guest
  fi
}
image_list() {
  if [ "$variant" = libvirt ]; then
    image_is_active kernel "$(stat -c %s "$guest/vmlinuz")"
    image_is_active guest "$(stat -c %s "$guest/disk.qcow2")"
  else
    image_is_active guest 1048576
    # What comes back is what was sent.
    os image save --file "$work/back.raw" guest
    cmp "$work/disk.raw" "$work/back.raw"
  fi
}
network_list() {
  # All of them, then the one that servers are for: `head` would end the client's pipe early.
  os network list --internal -f value -c ID >"$work/networks"
  sed -n 1p "$work/networks" >"$work/network"
  [ -s "$work/network" ] || { echo "no network"; return 1; }
}
keypair_create() {
  os keypair create --private-key "$work/key" key-1
  grep -q 'PRIVATE KEY' "$work/key"
  os keypair list -f value -c Name | grep -x key-1 >/dev/null
}
server_create() {
  os server create --flavor "$(cat "$work/flavor")" --image guest --network "$(cat "$work/network")" \
    --key-name key-1 --password "$secret" --wait "$name"
  os server show "$name" -f value -c id >"$work/server" # --wait's progress is in the way of its own output
  status_is ACTIVE
}
# A secret of the user's is nowhere but in the guest, as a hash; the gone server's row and the database's own log count too.
told_nobody() {
  if grep -rlaF "$secret" "$work/sky/state" "$work/sky/log" "$work/sky/servers" 2>/dev/null; then
    echo "the password is kept in these files" && return 1
  fi
}
password_in_guest() {
  local hash salt
  hash=$(sed -n 's/.*SKYLOOM-GUEST-PASSWORD \([^ \r]*\).*/\1/p' "$work/console" | head -n 1)
  salt=$(cut -d'$' -f3 <<<"$hash")
  [ -n "$salt" ] || { echo "the guest has no password: $hash" && return 1; }
  same "the guest's password" "$hash" "$(openssl passwd -6 -salt "$salt" "$secret")"
}
server_list() { same servers "$(os server list -f value -c ID -c Name -c Status)" "$(cat "$work/server") $name ACTIVE"; }
booted() { # TIMES: the console holds the guest's last word so many times
  os console log show "$name" >"$work/console"
  [ "$(grep -c "SKYLOOM-GUEST-READY" "$work/console")" -ge "$1" ] || { tail -n 5 "$work/console"; return 1; }
}
console_log() {
  if [ "$variant" = libvirt ]; then
    poll "$boot_deadline" booted 1
    # The address that the API tells is the one that the guest has.
    local address
    addresses=$(os server show "$name" -f json -c addresses | grep -oE '([0-9]+\.){3}[0-9]+')
    address=${addresses%%$'\n'*}
    grep -Eq "SKYLOOM-GUEST-ADDRESS host=$name ip=${address//./\\.}[^0-9]*$" "$work/console" || { echo "$address?" && grep SKYLOOM "$work/console"; return 1; }
  else
    os console log show "$name" >"$work/console"
    [ -s "$work/console" ] || { echo "the console is empty"; return 1; }
  fi
}
server_stop() {
  os server stop "$name"
  poll 90 status_is SHUTOFF
}
server_start() {
  os server start "$name"
  poll 90 status_is ACTIVE
  if [ "$variant" = libvirt ]; then poll "$boot_deadline" booted 2; fi
}
server_reboot() {
  os server reboot --wait "$name"
  status_is ACTIVE
  if [ "$variant" = libvirt ]; then poll "$boot_deadline" booted 3; fi
}
# Another image, whose disk bears another mark, another name and another password: the guest boots for the first time.
server_rebuild() {
  if [ "$variant" = libvirt ]; then
    printf 'SKYLOOM-NEWX\n' >"$work/new.raw" # as long as the guest reads
    truncate -s 64M "$work/new.raw"
    qemu-img convert -q -f raw -O qcow2 "$work/new.raw" "$work/new.disk"
    os image create --container-format bare --disk-format qcow2 --file "$work/new.disk" \
      --property "kernel_id=$(os image show kernel -f value -c id)" \
      --property "ramdisk_id=$(os image show ramdisk -f value -c id)" newer
  else
    head -c 65536 /dev/urandom >"$work/new.disk"
    os image create --container-format bare --disk-format raw --file "$work/new.disk" newer
  fi
  secret='new "$" {y}'$RANDOM$RANDOM
  os --os-compute-api-version 2.90 server rebuild --image newer --name "$name" --hostname rebuilt --password "$secret" \
    --property kept=no --wait "$name"
  status_is ACTIVE
  os server show "$name" -f json -c image -c properties >"$work/rebuilt"
  grep -q newer "$work/rebuilt" && grep -q kept "$work/rebuilt" || { cat "$work/rebuilt"; return 1; }
  [ "$variant" = libvirt ] || return 0
  poll "$boot_deadline" booted 1
  # Its console is a new one too: what it says is of this boot.
  same "boots of the rebuilt guest" "$(grep -c SKYLOOM-GUEST-READY "$work/console")" 1
  grep -q 'mark=SKYLOOM-NEWX' "$work/console" && grep -q 'SKYLOOM-GUEST-ADDRESS host=rebuilt ' "$work/console" ||
    { grep SKYLOOM "$work/console"; return 1; }
  password_in_guest
}
# MEMORY DISK BOOTS: what the API tells of the server's flavor, libvirt has of its domain and the guest itself sees.
has_size() {
  same "the flavor's memory" "$(os server show "$name" -f json -c flavor | grep -oE '"?ram"?[:=] ?[0-9'"'"']+' | grep -oE '[0-9]+')" "$1"
  [ "$variant" = libvirt ] || return 0
  poll "$boot_deadline" booted "$3"
  local seen
  seen=$(sed -n 's/.*memory_kib=\([0-9]*\) disk_bytes=\([0-9]*\).*/\1 \2/p' "$work/console" | tail -n 1)
  # The kernel keeps some of it for itself.
  [ "${seen% *}" -gt $(($1 * 900)) ] && [ "${seen% *}" -le $(($1 * 1024)) ] || { echo "the guest sees ${seen% *} KiB of $1 MiB" && return 1; }
  same "bytes of the guest's disk" "${seen#* }" $(($2 * 1024 * 1024 * 1024))
}
resized() { # FLAVOR
  os server resize --flavor "$1" --wait "$name"
  status_is VERIFY_RESIZE
}
server_resize() {
  has_size 512 1 1
  resized m1.small
  has_size 2048 20 2
  os server resize confirm "$name"
  poll 60 status_is ACTIVE
}
server_resize_revert() {
  os flavor create --ram 1024 --disk 20 --vcpus 1 m1.between
  resized m1.between
  has_size 1024 20 3
  os server resize revert "$name"
  poll 90 status_is ACTIVE
  has_size 2048 20 4
}
server_delete() {
  os server delete --wait "$name"
  same servers "$(os server list -f value -c ID)" ""
}
volume_is() { same "status of volume $1" "$(os volume show "$1" -f value -c status)" "$2"; }
volumes_are() { same volumes "$(os volume list -f value -c ID)" "$1"; }
volume_boot() {
  os volume create --image guest --size 1 root
  poll 60 volume_is root available
  os server create --flavor m1.tiny --volume root --network "$(cat "$work/network")" --wait "$name"
  volume_is root in-use
  if [ "$variant" = libvirt ]; then
    poll "$boot_deadline" booted 1
    # The guest's disk is the volume: it begins as the image's does.
    grep -q 'mark=SKYLOOM-DISK' "$work/console" || { grep SKYLOOM "$work/console"; return 1; }
  fi
  os server delete --wait "$name"
  poll 60 volume_is root available
  os volume delete root
  poll 60 volumes_are ""
}
nothing_left() {
  local id
  id=$(cat "$work/server")
  same domains "$(virsh -q -c "$uri" list --all --name | tr -d '\n')" ""
  virsh -q -c "$uri" net-dumpxml skyloom >"$work/net.xml"
  if grep '<host ' "$work/net.xml"; then echo "a DHCP entry is left" && return 1; fi
  # Disks, seeds and consoles are in the servers' folder, with the running process's own lock; anything that names the
  # server may lie elsewhere too.
  if find "$work/sky/servers" -type f -not -path '*/making/*.lock' 2>/dev/null | grep .; then echo "files of servers are left" && return 1; fi
  if find "$work/sky" "$work/lv/pool" -name "*$id*" | grep .; then echo "files are left" && return 1; fi
}

step "server starts and is ready" start_server
step "token issue" token_issue
step "flavor list" flavor_list
step "image create --file" image_create
step "image list" image_list
step "network list" network_list
step "keypair create" keypair_create
step "server create --wait" server_create
step "server list" server_list
step "console log show" console_log
if [ "$variant" = libvirt ]; then step "the guest has the administrator's password" password_in_guest; fi
step "neither log nor database nor disk holds the password" told_nobody
step "server stop" server_stop
step "server start" server_start
step "server reboot --wait" server_reboot
step "server rebuild --image --wait: another disk, another password" server_rebuild
step "neither log nor database nor disk holds the new password" told_nobody
step "server resize --wait, resize confirm" server_resize
step "server resize --wait, resize revert" server_resize_revert
step "server delete --wait" server_delete
step "server create --volume --wait; the volume outlives it" volume_boot
if [ "$variant" = libvirt ]; then step "no domain, volume or DHCP entry is left" nothing_left; fi
step "SIGTERM ends the server with 0" "$support/skyloom/stop" "$work/sky"
