//! What the vendor's document has and the core has no capability for yet: each entry is refused with a 400 and a code of the
//! vendor's. Most of it belongs to the creation of servers.

use skyloom_sdk::unsupported::{Table, Unsupported};

use crate::errors::Failure;

pub const CREATE: &str = "servers.create";
pub const ATTACH: &str = "server_volumes.attach";
pub const DETACH: &str = "server_volumes.detach";
pub const REINSTALL_OS: &str = "servers.reinstall_os";
pub const CHANGE_OS: &str = "servers.change_os";

/// `what` as the document's tables name it; a value in parentheses.
const fn entry(what: &'static str, code: &'static str, why: &'static str) -> Unsupported {
    entry_of(CREATE, what, code, why)
}

const fn entry_of(operation: &'static str, what: &'static str, code: &'static str, why: &'static str) -> Unsupported {
    Unsupported { operation, what, code, why }
}

const NO_FULL_IMAGES: &str = "there are no images of whole servers";
const NO_SCSI: &str = "no flavor has SCSI disks";
const NO_POOLS: &str = "there are no storage pools";
const NO_KEYS: &str = "disks are not encrypted";
const NO_WINDOWS_PASSWORD: &str = "the password of a Windows guest cannot be set";
const NO_HOSTS: &str = "there are no dedicated hosts";

pub static UNSUPPORTED: Table = Table(&[
    entry("server.imageRef (full-server image)", "Ecs.0048", NO_FULL_IMAGES),
    entry("server.nics[].extra_dhcp_opts", "Ecs.0005", "a port has no DHCP options of its own"),
    entry("server.root_volume.hw:passthrough", "Ecs.0037", NO_SCSI),
    entry("server.root_volume.cluster_id", "Ecs.0911", NO_POOLS),
    entry("server.data_volumes[].hw:passthrough", "Ecs.0037", NO_SCSI),
    entry("server.data_volumes[].cluster_id", "Ecs.0911", NO_POOLS),
    entry("server.data_volumes[].multiattach", "Ecs.0005", "a disk belongs to one server"),
    entry("server.data_volumes[].extendparam.snapshotId", "Ecs.0005", NO_FULL_IMAGES),
    entry("server.data_volumes[].metadata.__system__encrypted", "Ecs.0912", NO_KEYS),
    entry("server.data_volumes[].metadata.__system__cmkid", "Ecs.0912", NO_KEYS),
    entry("server.data_volumes[].metadata", "Ecs.0005", "disks have no metadata beside that of encryption"),
    entry("server.publicip.eip.bandwidth.sharetype (WHOLE)", "Ecs.0005", "each public address has its own bandwidth"),
    entry("server.metadata.admin_pass (Windows image)", "Ecs.0005", NO_WINDOWS_PASSWORD),
    entry("server.metadata.agency_name", "Ecs.0005", "there are no agencies"),
    entry("server.metadata.BYOL (True)", "Ecs.0090", "licences are not managed"),
    entry("server.os:scheduler_hints.tenancy (dedicated)", "Ecs.0005", NO_HOSTS),
    entry_of(REINSTALL_OS, "adminpass (Windows image)", "Ecs.0005", NO_WINDOWS_PASSWORD),
    entry_of(CHANGE_OS, "adminpass (Windows image)", "Ecs.0005", NO_WINDOWS_PASSWORD),
    entry_of(CHANGE_OS, "os-change.imageid (full-server image)", "Ecs.0048", NO_FULL_IMAGES),
    entry_of(ATTACH, "volumeAttachment.hw:passthrough", "Ecs.0037", NO_SCSI),
    entry_of(DETACH, "delete_flag (1, of a running ECS)", "Ecs.0005", "a running guest gives its disk back itself"),
]);

/// The refusal of an entry of the table that belongs to the creation; `what` must stand in it.
pub fn refuse(what: &str) -> Failure {
    refuse_of(CREATE, what)
}

pub fn refuse_of(operation: &str, what: &str) -> Failure {
    let Unsupported { code, why, .. } = UNSUPPORTED.get(operation, what);
    Failure::new(400, code, format!("The parameter {what} is not supported by this platform: {why}."))
}

/// Refuses when it was asked for.
pub fn refuse_if(asked: bool, what: &str) -> Result<(), Failure> {
    if asked { Err(refuse(what)) } else { Ok(()) }
}
