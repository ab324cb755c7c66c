//! A server.

use skyloom_sdk::cloud::compute::VmState;
use skyloom_sdk::json::Writer;
use skyloom_sdk::servers::{NicRow, Row};
use skyloom_sdk::{key, time};

use super::Links;
use crate::attributes::Attributes;
use crate::rules::Rules;
use crate::status::{shows_fault, shows_progress, status, task_word, vm_word};

const SERVERS: &str = "/servers/";

/// What an answer shows of a server.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub links: &'a Links,
    pub rules: &'static Rules,
    pub minor: u32,
    /// The caller is an operator.
    pub admin: bool,
    /// False: only the plain half, as an update's answer has it below 2.75.
    pub whole: bool,
    /// The answer to a rebuild, which has a few things more; none: another one.
    pub rebuilt: Option<Rebuilt<'a>>,
    /// One server asked for by its id.
    pub single: bool,
    /// Nodes that are known to be up; none: `host_status` isn't shown.
    pub hosts_up: Option<&'a [String]>,
}

/// What the answer to a rebuild shows beside the server.
#[derive(Clone, Copy, Debug)]
pub struct Rebuilt<'a> {
    /// Empty: it shows none.
    pub admin_password: &'a str,
}

/// Bytes that a server takes at most, but for what people wrote themselves.
pub fn size(server: &Row<'_>) -> usize {
    let own: usize =
        server.metadata.iter().chain(&server.flavor.extra_specs).map(|(key, value)| key.len() + value.len() + 8).sum();
    2200 + own + server.nics.len() * 200 + server.user_data.map_or(0, str::len)
}

/// `id`, `name`, `links`.
pub fn write_short(writer: &mut Writer, server: &Row<'_>, links: &Links) {
    writer.begin_object();
    writer.key(key!("id")).string(server.id);
    writer.key(key!("name")).string(server.name);
    links.write(writer, SERVERS, server.id);
    writer.end_object();
}

pub fn write(writer: &mut Writer, server: &Row<'_>, view: &View<'_>) {
    let attributes = Attributes::read(server.attributes);
    let (vm, task) = (server.vm_state, server.task_state);
    let word = if (view.rules.unlisted)(vm, task) { "UNKNOWN" } else { status(vm, task) };
    writer.begin_object();
    writer.key(key!("id")).string(server.id);
    writer.key(key!("name")).string(server.name);
    writer.key(key!("status")).string(word);
    writer.key(key!("tenant_id")).string(server.project_id);
    writer.key(key!("user_id")).string(server.user_id);
    writer.key(key!("metadata")).string_map(&server.metadata);
    writer.key(key!("hostId")).string(server.host_id);
    write_image(writer, server, &attributes, view);
    write_flavor(writer, server, view);
    writer.key(key!("created")).plain(|out| time::write_seconds_z(out, server.created_at));
    writer.key(key!("updated")).plain(|out| time::write_seconds_z(out, server.updated_at));
    writer.key(key!("addresses"));
    // Addresses are not shown while the server is being built.
    write_addresses(writer, if server.vm_state == VmState::Building { &[] } else { &server.nics }, view.whole);
    writer.key(key!("accessIPv4")).string(server.access_ipv4);
    writer.key(key!("accessIPv6")).string(server.access_ipv6);
    view.links.write(writer, SERVERS, server.id);
    writer.key(key!("OS-DCF:diskConfig")).string(attributes.disk_config());
    if shows_progress(word) {
        writer.key(key!("progress")).unsigned(u64::from(server.progress));
    }
    if shows_fault(word) {
        write_fault(writer, server);
    }
    if view.whole {
        write_extensions(writer, server, view);
    }
    write_later(writer, server, &attributes, view);
    if let Some(rebuilt) = &view.rebuilt {
        write_rebuilt(writer, server, rebuilt, view);
    }
    if view.whole && view.rules.shows_deletion && matches!(server.vm_state, VmState::SoftDeleted | VmState::Deleted) {
        write_deletion(writer, server);
    }
    writer.end_object();
}

fn write_deletion(writer: &mut Writer, server: &Row<'_>) {
    for (name, at) in [(key!("deleted"), server.terminated_at), (key!("estimated_deleted"), server.purge_at)] {
        writer.key(name);
        match at {
            Some(at) => writer.plain(|out| time::write_seconds_z(out, at)),
            None => writer.raw("\"\""),
        };
    }
}

fn write_image(writer: &mut Writer, server: &Row<'_>, attributes: &Attributes<'_>, view: &View<'_>) {
    writer.key(key!("image"));
    match server.image_id {
        Some(id) if !attributes.from_volume => {
            writer.begin_object().key(key!("id")).string(id).key(key!("links")).begin_array();
            view.links.write_bookmark(writer, "/images/", id);
            writer.end_array().end_object();
        }
        _ => {
            writer.raw("\"\"");
        }
    }
}

fn write_flavor(writer: &mut Writer, server: &Row<'_>, view: &View<'_>) {
    let flavor = &server.flavor;
    writer.key(key!("flavor")).begin_object();
    if view.minor < 47 {
        writer.key(key!("id")).string(flavor.id).key(key!("links")).begin_array();
        view.links.write_bookmark(writer, "/flavors/", flavor.id);
        writer.end_array();
    } else {
        writer.key(key!("vcpus")).unsigned(u64::from(flavor.vcpus));
        writer.key(key!("ram")).unsigned(u64::from(flavor.memory_mib));
        writer.key(key!("disk")).unsigned(u64::from(flavor.disk_gib));
        writer.key(key!("ephemeral")).unsigned(u64::from(flavor.ephemeral_gib));
        writer.key(key!("swap")).unsigned(u64::from(flavor.swap_mib));
        writer.key(key!("original_name")).string(flavor.name);
        writer.key(key!("extra_specs")).string_map(&flavor.extra_specs);
    }
    writer.end_object();
}

/// Networks that share a name share a list, as in Nova.
pub fn write_addresses(writer: &mut Writer, nics: &[NicRow<'_>], extended: bool) {
    writer.begin_object();
    for (at, nic) in nics.iter().enumerate() {
        if nics[..at].iter().any(|earlier| earlier.network_name == nic.network_name) {
            continue;
        }
        writer.dynamic_key(nic.network_name);
        write_network(writer, nics, nic.network_name, extended);
    }
    writer.end_object();
}

/// The list of one network's addresses.
pub fn write_network(writer: &mut Writer, nics: &[NicRow<'_>], network: &str, extended: bool) {
    writer.begin_array();
    for nic in nics.iter().filter(|nic| nic.network_name == network) {
        for address in &nic.addresses {
            writer.begin_object();
            writer.key(key!("version")).unsigned(u64::from(address.ip_version));
            writer.key(key!("addr")).string(address.address);
            if extended {
                writer.key(key!("OS-EXT-IPS:type")).raw(if address.floating { "\"floating\"" } else { "\"fixed\"" });
                writer.key(key!("OS-EXT-IPS-MAC:mac_addr")).string(nic.mac);
            }
            writer.end_object();
        }
    }
    writer.end_array();
}

fn write_fault(writer: &mut Writer, server: &Row<'_>) {
    let Some(fault) = &server.fault else { return };
    writer.key(key!("fault")).begin_object();
    writer.key(key!("code")).unsigned(u64::from(fault.code));
    writer.key(key!("created")).plain(|out| time::write_seconds_z(out, fault.created_at));
    writer.key(key!("message")).string(fault.message).end_object();
}

/// The members that once were extensions.
fn write_extensions(writer: &mut Writer, server: &Row<'_>, view: &View<'_>) {
    writer.key(key!("OS-EXT-AZ:availability_zone")).string(server.zone);
    writer.key(key!("config_drive")).raw(if server.config_drive { "\"True\"" } else { "\"\"" });
    writer.key(key!("key_name")).optional_string(server.key_name);
    writer.key(key!("OS-SRV-USG:launched_at"));
    write_time(writer, server.launched_at);
    writer.key(key!("OS-SRV-USG:terminated_at"));
    write_time(writer, server.terminated_at);
    // Before the interfaces exist there is nothing that a group could guard.
    if !server.security_groups.is_empty() {
        writer.key(key!("security_groups")).begin_array();
        for name in &server.security_groups {
            writer.begin_object().key(key!("name")).string(name).end_object();
        }
        writer.end_array();
    }
    if extended_attributes(view) {
        write_extended_attributes(writer, server, view);
    }
    writer.key(key!("OS-EXT-STS:task_state")).optional_string(server.task_state.map(task_word));
    writer.key(key!("OS-EXT-STS:vm_state")).string(vm_word(server.vm_state));
    writer.key(key!("OS-EXT-STS:power_state")).unsigned(view.rules.power_state(server.power_state));
    writer.key(key!("os-extended-volumes:volumes_attached")).begin_array();
    for volume in &server.volumes {
        writer.begin_object().key(key!("id")).string(volume.id);
        if view.minor >= 3 {
            writer.key(key!("delete_on_termination")).boolean(volume.delete_on_termination);
        }
        writer.end_object();
    }
    writer.end_array();
}

fn extended_attributes(view: &View<'_>) -> bool {
    view.admin || view.rules.extended_attributes_for_all
}

/// Whether a server is shown with its user data.
pub fn shows_user_data(rules: &Rules, admin: bool, minor: u32) -> bool {
    (admin || rules.extended_attributes_for_all) && minor >= 3
}

fn write_extended_attributes(writer: &mut Writer, server: &Row<'_>, view: &View<'_>) {
    let node = (!server.node.is_empty()).then_some(server.node);
    writer.key(key!("OS-EXT-SRV-ATTR:host")).optional_string(node);
    writer.key(key!("OS-EXT-SRV-ATTR:instance_name")).joined(&["instance-", server.id]);
    writer.key(key!("OS-EXT-SRV-ATTR:hypervisor_hostname")).optional_string(node);
    if view.minor < 3 {
        return;
    }
    writer.key(key!("OS-EXT-SRV-ATTR:reservation_id")).string(server.reservation_id);
    writer.key(key!("OS-EXT-SRV-ATTR:launch_index")).unsigned(u64::from(server.launch_index));
    writer.key(key!("OS-EXT-SRV-ATTR:hostname")).string(server.hostname);
    // Kernel and ramdisk belong to the image here, not to the server.
    writer.key(key!("OS-EXT-SRV-ATTR:kernel_id")).raw("\"\"");
    writer.key(key!("OS-EXT-SRV-ATTR:ramdisk_id")).raw("\"\"");
    let root = server.volumes.iter().find(|volume| volume.boot_index == 0).map(|volume| volume.device);
    writer.key(key!("OS-EXT-SRV-ATTR:root_device_name")).optional_string(root);
    writer.key(key!("OS-EXT-SRV-ATTR:user_data")).optional_string(server.user_data);
}

/// What microversions added.
fn write_later(writer: &mut Writer, server: &Row<'_>, attributes: &Attributes<'_>, view: &View<'_>) {
    if view.minor >= 9 {
        writer.key(key!("locked")).boolean(server.locked);
    }
    if view.minor >= 16
        && view.whole
        && let Some(up) = view.hosts_up
    {
        writer.key(key!("host_status")).string(host_status(server.node, up));
    }
    if view.minor >= 19 {
        writer.key(key!("description")).optional_string(server.description);
    }
    if view.minor >= 26 {
        writer.key(key!("tags")).strings(&server.tags);
    }
    if view.minor >= 63 {
        // Refused at creation, so no server has any.
        writer.key(key!("trusted_image_certificates")).null();
    }
    if view.minor >= 71 && view.single {
        writer.key(key!("server_groups")).strings(&server.group_id);
    }
    if view.minor >= 73 {
        writer.key(key!("locked_reason")).optional_string(server.locked_reason);
    }
    if view.minor >= 90 && !(view.whole && extended_attributes(view)) {
        writer.key(key!("OS-EXT-SRV-ATTR:hostname")).string(server.hostname);
    }
    if view.minor >= 96 && view.whole {
        writer.key(key!("pinned_availability_zone")).optional_string(attributes.zone.as_deref());
    }
}

/// What a rebuild may change is in its answer from the version on that brought it, before all of the server is.
fn write_rebuilt(writer: &mut Writer, server: &Row<'_>, rebuilt: &Rebuilt<'_>, view: &View<'_>) {
    if view.minor >= 54 && !view.whole {
        writer.key(key!("key_name")).optional_string(server.key_name);
    }
    if view.minor >= 57 && !(view.whole && extended_attributes(view)) {
        writer.key(key!("OS-EXT-SRV-ATTR:user_data")).optional_string(server.user_data);
    }
    if !rebuilt.admin_password.is_empty() {
        writer.key(key!("adminPass")).string(rebuilt.admin_password);
    }
}

fn host_status(node: &str, up: &[String]) -> &'static str {
    if node.is_empty() {
        ""
    } else if up.iter().any(|name| name == node) {
        "UP"
    } else {
        "UNKNOWN"
    }
}

fn write_time(writer: &mut Writer, time: Option<i64>) {
    match time {
        Some(time) => writer.plain(|out| time::write_micros(out, time)),
        None => writer.null(),
    };
}
