//! Query parameters: which an operation knows, and what is wrong with those of a request.

use crate::context::Context;
use crate::errors::Fault;
use crate::violations::python;

const PAGING: &[&str] = &["limit", "marker"];
const FLAVORS: &[&str] = &["limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir"];
const IMAGES: &[&str] = &["limit", "marker", "name", "status", "changes-since", "minRam", "minDisk", "server", "type"];
pub(crate) const SERVERS: &[&str] = &[
    "limit",
    "marker",
    "user_id",
    "project_id",
    "tenant_id",
    "launch_index",
    "image_ref",
    "image",
    "kernel_id",
    "ramdisk_id",
    "hostname",
    "key_name",
    "power_state",
    "vm_state",
    "task_state",
    "host",
    "node",
    "flavor",
    "reservation_id",
    "launched_at",
    "terminated_at",
    "availability_zone",
    "name",
    "display_name",
    "description",
    "display_description",
    "locked_by",
    "uuid",
    "root_device_name",
    "config_drive",
    "access_ip_v4",
    "access_ip_v6",
    "auto_disk_config",
    "progress",
    "sort_key",
    "sort_dir",
    "all_tenants",
    "soft_deleted",
    "deleted",
    "status",
    "changes-since",
    "ip",
    "ip6",
    "created_at",
    "tags",
    "tags-any",
    "not-tags",
    "not-tags-any",
    "changes-before",
    "locked",
];

/// What an operation knows; none: any parameter is overlooked at every version.
fn known(operation: &str) -> Option<&'static [&'static str]> {
    Some(match operation {
        "servers.list" | "servers.list_detail" => SERVERS,
        "flavors.list" | "flavors.list_detail" => FLAVORS,
        "keypairs.list" => &["user_id", "limit", "marker"],
        "keypairs.show" | "keypairs.delete" | "quota_sets.show" | "quota_sets.show_detail" => &["user_id"],
        "instance_actions.list" => &["limit", "marker", "changes-since", "changes-before"],
        "server_volumes.list"
        | "networks.list"
        | "security_groups.list"
        | "volumes.list"
        | "volumes.list_detail"
        | "snapshots.list"
        | "snapshots.list_detail" => &["limit", "offset"],
        "images.list" | "images.list_detail" => IMAGES,
        "server_groups.list" => &["limit", "offset", "all_projects"],
        "limits.show" => &["tenant_id", "project_id", "reserved"],
        _ => return None,
    })
}

/// Unknown parameters are refused from 2.75 on; a limit must be a whole number at every version.
pub fn check<C>(context: &Context<'_, C>) -> Result<(), Fault> {
    let Some(known) = known(&context.request.operation) else { return Ok(()) };
    for (name, value) in &context.request.query {
        if context.since(75) && !known.contains(&name.as_str()) {
            return Err(Fault::bad_request(format!("Additional properties are not allowed ('{name}' was unexpected)")));
        }
        let number = PAGING[0] == name || (name == "offset" && known.contains(&"offset"));
        if number && (value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(bad_number(name, value));
        }
    }
    Ok(())
}

fn bad_number(name: &str, value: &str) -> Fault {
    let shown = python(&serde_json::Value::String(value.to_owned()));
    let says = if value.is_empty() { "should be non-empty" } else { "does not match '^[0-9]*$'" };
    Fault::bad_request(format!("Invalid input for query parameters {name}. Value: {value}. {shown} {says}"))
}
