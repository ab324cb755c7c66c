//! The order of a list of servers.

use skyloom_sdk::SortKey;

use super::list::LIST;
use crate::context::Context;
use crate::errors::Fault;
use crate::unsupported::{is_listed, refuse};

/// Nova's sort keys, the core's word for each.
const SORT_KEYS: &[(&str, &str)] = &[
    ("created_at", "created-at"),
    ("updated_at", "updated-at"),
    ("launched_at", "launched-at"),
    ("display_name", "name"),
    ("uuid", "id"),
    ("availability_zone", "zone"),
    ("host", "node"),
    ("node", "node"),
    ("key_name", "key-name"),
    ("project_id", "project-id"),
    ("user_id", "user-id"),
    ("image_ref", "image-id"),
    ("vm_state", "vm-state"),
    ("task_state", "task-state"),
    ("hostname", "hostname"),
    ("terminated_at", "terminated-at"),
    ("display_description", "description"),
    ("instance_type_id", "flavor-id"),
    ("access_ip_v4", "access-ipv4"),
    ("access_ip_v6", "access-ipv6"),
    ("config_drive", "config-drive"),
    ("launch_index", "launch-index"),
    ("locked", "locked"),
    ("locked_by", "locked-by"),
    ("power_state", "power-state"),
    ("progress", "progress"),
];

/// Those whose value is the same for every server here.
const CONSTANT: &[&str] = &["kernel_id", "ramdisk_id", "root_device_name"];

/// Those that Nova overlooks, and refuses from 2.75 on.
const OVERLOOKED: &[&str] = &[
    "architecture",
    "cell_name",
    "cleaned",
    "default_ephemeral_device",
    "default_swap_device",
    "deleted",
    "deleted_at",
    "disable_terminate",
    "ephemeral_gb",
    "ephemeral_key_uuid",
    "id",
    "key_data",
    "launched_on",
    "memory_mb",
    "os_type",
    "reservation_id",
    "root_gb",
    "shutdown_terminate",
    "user_data",
    "vcpus",
    "vm_mode",
];

pub fn sort<C>(context: &Context<'_, C>) -> Result<Vec<SortKey>, Fault> {
    let query = context.query();
    let directions: Vec<&str> = query.all("sort_dir").collect();
    let names: Vec<&str> = query.all("sort_key").collect();
    if directions.len() > names.len().max(1) {
        return Err(Fault::bad_request("Sort direction size exceeds sort key size"));
    }
    if let Some(bad) = directions.iter().find(|direction| !matches!(**direction, "asc" | "desc")) {
        return Err(Fault::bad_request(format!("Unknown sort direction '{bad}', must be one of: asc, desc")));
    }
    let descending = |at: usize| directions.get(at).or(directions.first()).is_none_or(|direction| *direction == "desc");
    if names.is_empty() {
        let ascending = !directions.is_empty() && !descending(0);
        let key = |field: &str| SortKey { field: field.to_owned(), descending: false };
        return Ok(if ascending { vec![key("created-at"), key("id")] } else { Vec::new() });
    }
    let mut keys = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        if let Some(field) = field(context, name)? {
            keys.push(SortKey { field: field.to_owned(), descending: descending(at) });
        }
    }
    // Never the id alone: Nova refuses a marker that no server has, and knows those that were deleted.
    if let [key] = keys.as_slice()
        && key.field == "id"
    {
        keys.push(SortKey { field: "created-at".to_owned(), descending: key.descending });
    }
    Ok(keys)
}

/// The core's field; none: the key orders nothing.
fn field<C>(context: &Context<'_, C>, name: &str) -> Result<Option<&'static str>, Fault> {
    if matches!(name, "host" | "node") && !context.admin() {
        return Err(Fault::new(403, format!("Only administrators can sort servers by {name}")));
    }
    if name == "locked" && !context.since(73) {
        return Ok(None);
    }
    if let Some((_, field)) = context.rules.sort_keys.iter().find(|(own, _)| *own == name) {
        return Ok(*field);
    }
    if let Some((_, field)) = SORT_KEYS.iter().find(|(nova, _)| *nova == name) {
        return Ok(Some(field));
    }
    let unsupported = format!("sort_key {name}");
    if is_listed(LIST, &unsupported) {
        return Err(refuse(LIST, &unsupported));
    }
    if CONSTANT.contains(&name) || (OVERLOOKED.contains(&name) && !context.since(75)) {
        return Ok(None);
    }
    Err(Fault::bad_request(format!(
        "Invalid input for query parameters sort_key. Value: {name}. '{name}' is not a sort key"
    )))
}
