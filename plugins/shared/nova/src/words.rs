//! Nova's words for what the core names: quotas with their limits, and fields. Faces made after Nova's share them.

use std::borrow::Cow;

/// A quota of the core.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// As the core names it.
    pub core: &'static str,
    /// As a refusal names it.
    pub name: &'static str,
    /// The limit that shows how much there may be.
    pub most: &'static str,
    /// The one that shows how much is used; none: no limit does.
    pub used: Option<&'static str>,
}

const fn quota(core: &'static str, name: &'static str, most: &'static str, used: Option<&'static str>) -> Quota {
    Quota { core, name, most, used }
}

/// Those that the limits show.
pub static QUOTAS: &[Quota] = &[
    quota("servers", "instances", "maxTotalInstances", Some("totalInstancesUsed")),
    quota("vcpus", "cores", "maxTotalCores", Some("totalCoresUsed")),
    quota("memory-mib", "ram", "maxTotalRAMSize", Some("totalRAMUsed")),
    quota("keypairs", "key_pairs", "maxTotalKeypairs", None),
    quota("metadata-items", "metadata_items", "maxServerMeta", None),
    quota("server-groups", "server_groups", "maxServerGroups", Some("totalServerGroupsUsed")),
    quota("server-group-members", "server_group_members", "maxServerGroupMembers", None),
    quota("public-addresses", "public_addresses", "maxTotalFloatingIps", Some("totalFloatingIpsUsed")),
    quota("security-groups", "security_groups", "maxSecurityGroups", Some("totalSecurityGroupsUsed")),
    quota("security-group-rules", "security_group_rules", "maxSecurityGroupRules", None),
];

/// A quota as a refusal names it.
#[must_use]
pub fn quota_name(core: &str) -> Cow<'_, str> {
    match (QUOTAS.iter().find(|quota| quota.core == core), core) {
        (Some(quota), _) => Cow::Borrowed(quota.name),
        (None, "volume-gib") => Cow::Borrowed("gigabytes"),
        (None, other) => Cow::Owned(other.replace('-', "_")),
    }
}

/// What was wrong, as a request names it.
#[must_use]
pub fn attribute(core: &str) -> Cow<'_, str> {
    Cow::Borrowed(match core {
        "memory-mib" => "ram",
        "disk-gib" => "disk",
        "swap-mib" => "swap",
        "ephemeral-gib" => "OS-FLV-EXT-DATA:ephemeral",
        "rxtx-factor-milli" => "rxtx_factor",
        "names" => "name",
        "reason" => "locked_reason",
        "flavor-id" => "flavorRef",
        "image-id" => "imageRef",
        "admin-password" => "adminPass",
        "zone" => "availability_zone",
        "disks" => "block_device_mapping_v2",
        "security-group-ids" => "security_groups",
        other => return Cow::Owned(other.replace('-', "_")),
    })
}
