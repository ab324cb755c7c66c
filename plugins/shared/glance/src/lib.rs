//! Names that no property of an image may have: those of its own attributes, and those that the image service keeps for itself.

/// What only the service says.
pub const READ_ONLY: &[&str] = &[
    "created_at",
    "updated_at",
    "status",
    "checksum",
    "os_hash_algo",
    "os_hash_value",
    "size",
    "virtual_size",
    "direct_url",
    "self",
    "file",
    "schema",
    "stores",
];
/// Words that nobody may use as a property.
pub const RESERVED: &[&str] =
    &["deleted", "deleted_at", "location", "locations", "is_public", "metadata", "checksum_alg"];
/// Begins the names that are the service's own.
const RESERVED_BEGIN: &str = "os_glance";

/// What every image has, and its owner may set.
pub const BASE: &[&str] = &[
    "id",
    "name",
    "visibility",
    "protected",
    "os_hidden",
    "owner",
    "container_format",
    "disk_format",
    "min_ram",
    "min_disk",
    "tags",
];

/// Why no client may set it, in upstream's words; none: it may be set.
#[must_use]
pub fn forbidden(name: &str) -> Option<String> {
    if READ_ONLY.contains(&name) {
        return Some(format!("Attribute '{name}' is read-only."));
    }
    let is_reserved = RESERVED.contains(&name) || name.starts_with(RESERVED_BEGIN);
    is_reserved.then(|| format!("Attribute '{name}' is reserved."))
}

/// Whether a name is the image's own and no property's.
#[must_use]
pub fn is_own(name: &str) -> bool {
    READ_ONLY.contains(&name) || RESERVED.contains(&name) || BASE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_attributes_the_services_or_free() {
        for (name, own, refusal) in [
            ("status", true, Some("Attribute 'status' is read-only.")),
            ("location", true, Some("Attribute 'location' is reserved.")),
            ("os_glance_x", false, Some("Attribute 'os_glance_x' is reserved.")),
            ("min_ram", true, None),
            ("os_distro", false, None),
        ] {
            assert_eq!((is_own(name), forbidden(name).as_deref()), (own, refusal), "{name}");
        }
    }
}
