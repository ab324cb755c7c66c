//! What the vendor's document has and the core has no capability for yet. Nothing of it is silently dropped: each entry is
//! refused with a 400 and a code of the vendor's that names it. The coverage report prints this table.

use crate::errors::Failure;

#[derive(Debug)]
pub struct Unsupported {
    /// As the document's tables name it; a value in parentheses.
    pub field: &'static str,
    code: &'static str,
    why: &'static str,
}

const fn entry(field: &'static str, code: &'static str, why: &'static str) -> Unsupported {
    Unsupported { field, code, why }
}

const NO_SCSI: &str = "no flavor has SCSI disks";
const NO_POOLS: &str = "there are no storage pools";
const NO_KEYS: &str = "disks are not encrypted";
const NO_HOSTS: &str = "there are no dedicated hosts";

/// All of the creation of servers; the other operations lack nothing.
pub static UNSUPPORTED: &[Unsupported] = &[
    entry("server.nics[].extra_dhcp_opts", "Ecs.0005", "a port has no DHCP options of its own"),
    entry("server.root_volume.hw:passthrough", "Ecs.0037", NO_SCSI),
    entry("server.root_volume.cluster_id", "Ecs.0911", NO_POOLS),
    entry("server.data_volumes[].hw:passthrough", "Ecs.0037", NO_SCSI),
    entry("server.data_volumes[].cluster_id", "Ecs.0911", NO_POOLS),
    entry("server.data_volumes[].multiattach", "Ecs.0005", "a disk belongs to one server"),
    entry("server.data_volumes[].extendparam.snapshotId", "Ecs.0005", "there are no full-server images"),
    entry("server.data_volumes[].metadata.__system__encrypted", "Ecs.0912", NO_KEYS),
    entry("server.data_volumes[].metadata.__system__cmkid", "Ecs.0912", NO_KEYS),
    entry("server.data_volumes[].metadata", "Ecs.0005", "disks have no metadata beside that of encryption"),
    entry("server.publicip.eip.bandwidth.sharetype (WHOLE)", "Ecs.0005", "each public address has its own bandwidth"),
    entry("server.metadata.admin_pass (Windows image)", "Ecs.0005", "the password of a Windows guest cannot be set"),
    entry("server.metadata.agency_name", "Ecs.0005", "there are no agencies"),
    entry("server.metadata.BYOL (True)", "Ecs.0090", "licences are not managed"),
    entry("server.os:scheduler_hints.group", "Ecs.0313", "there are no server groups"),
    entry("server.os:scheduler_hints.tenancy (dedicated)", "Ecs.0005", NO_HOSTS),
];

/// The refusal of an entry of the table; `field` must stand in it.
pub fn refuse(field: &str) -> Failure {
    let entry = UNSUPPORTED.iter().find(|entry| entry.field == field);
    debug_assert!(entry.is_some(), "{field} is missing from the table");
    let (code, why) = entry.map_or(("Ecs.0005", ""), |entry| (entry.code, entry.why));
    Failure::new(400, code, format!("The parameter {field} is not supported by this platform: {why}."))
}

/// Refuses when it was asked for.
pub fn refuse_if(asked: bool, field: &str) -> Result<(), Failure> {
    if asked { Err(refuse(field)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_distinct() {
        for (at, entry) in UNSUPPORTED.iter().enumerate() {
            assert!(!UNSUPPORTED[..at].iter().any(|other| other.field == entry.field), "{entry:?}");
        }
    }
}
