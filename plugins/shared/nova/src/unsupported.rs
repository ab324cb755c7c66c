//! What Nova has and the core has no capability for yet: each entry is refused with a 400 that names it.

use skyloom_sdk::unsupported::{Table, Unsupported};

use crate::errors::Fault;

const fn entry(operation: &'static str, what: &'static str, why: &'static str) -> Unsupported {
    Unsupported { operation, what, code: "", why }
}

const NO_LOCAL_DISKS: &str = "nodes have no local disks beside the system disk";
const NO_PLACEMENT_HINTS: &str = "placement takes no hints yet";
const NOT_IN_THE_CORE: &str = "servers are neither looked for nor ordered by it";

pub static UNSUPPORTED: Table = Table(&[
    entry("servers.create", "personality", "files are not injected; user_data does it"),
    entry("servers.create", "trusted_image_certificates", "image signatures are not checked"),
    entry("servers.rebuild", "personality", "files are not injected; user_data does it"),
    entry("servers.rebuild", "trusted_image_certificates", "image signatures are not checked"),
    entry("servers.create", "block_device_mapping", "block devices are read in their second form only"),
    entry("servers.create", "destination_type local", NO_LOCAL_DISKS),
    entry("servers.create", "guest_format", NO_LOCAL_DISKS),
    entry("servers.create", "source_type snapshot of several servers", "a snapshot is copied once at a time"),
    entry("servers.create", "no_device", "images name no devices that could be left out"),
    entry("servers.create", "os:scheduler_hints.different_host", NO_PLACEMENT_HINTS),
    entry("servers.create", "os:scheduler_hints.same_host", NO_PLACEMENT_HINTS),
    entry("servers.create", "os:scheduler_hints.query", NO_PLACEMENT_HINTS),
    entry("servers.create", "os:scheduler_hints.target_cell", NO_PLACEMENT_HINTS),
    entry("servers.create", "os:scheduler_hints.different_cell", NO_PLACEMENT_HINTS),
    entry("servers.create", "os:scheduler_hints.build_near_host_ip", NO_PLACEMENT_HINTS),
    entry("servers.create", "os:scheduler_hints.cidr", NO_PLACEMENT_HINTS),
    entry("servers.create", "os:scheduler_hints.tenancy dedicated", "there are no dedicated hosts"),
    entry("servers.create", "os:scheduler_hints.dedicated_host_id", "there are no dedicated hosts"),
    entry("servers.list", "sort_key auto_disk_config", NOT_IN_THE_CORE),
    entry("servers.list", "auto_disk_config", NOT_IN_THE_CORE),
    entry("flavors.list", "sort_key updated_at", "the core keeps no time of a flavor's last change"),
    entry("keypairs.create", "type x509", "guests get SSH keys only"),
    entry("flavors.create", "rxtx_factor", "a factor has at most three digits after the point"),
]);

/// The refusal of an entry of the table; `what` must stand in it.
pub fn refuse(operation: &str, what: &str) -> Fault {
    refusal(UNSUPPORTED.get(operation, what))
}

/// The refusal of an entry of any table.
pub fn refusal(entry: Unsupported) -> Fault {
    let Unsupported { what, why, .. } = entry;
    Fault::bad_request(format!("{what} is not supported by this deployment: {why}."))
}

/// Whether the table has the entry.
pub fn is_listed(operation: &str, what: &str) -> bool {
    UNSUPPORTED.find(operation, what).is_some()
}
