//! Ports.

use serde_json::Value;
use skyloom_sdk::cloud::networks::{FixedIpRequest, Port, PortWrite};
use skyloom_sdk::conditions::{all_of, any_of, none_of, not_all_of};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Condition, Networks, Request, key, respond};

use crate::attributes::{FLAG, NUMBER, Picked, Reads, attributes, write_time};
use crate::body::{self, Creation, Given};
use crate::unset::Form;
use crate::{Answer, Fault, lists};

/// Upstream's, in its order.
const VNIC_TYPES: &[&str] = &[
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
];

attributes! {
    PORTS of "port" in "ports": Port as port;
    "id" Read { finds sorts "id" } => string(&port.id);
    "name" Write { finds sorts "name" } => string(&port.name);
    "description" Write { finds "description" } => string(&port.description);
    "project_id" Create { finds sorts "project-id" } => string(&port.project_id);
    "tenant_id" Create { finds sorts "project-id" } => string(&port.project_id);
    "network_id" Create { finds sorts "network-id" } => string(&port.network_id);
    "mac_address" Write { finds sorts "mac" } => string(&port.mac);
    "admin_state_up" Write { finds sorts "enabled" as FLAG } => boolean(port.enabled);
    "status" Read { finds sorts "down" as Reads::Words(&[("ACTIVE", "false"), ("DOWN", "true")]) } => string(status(port));
    "fixed_ips" Write { finds "" as Reads::All(fixed_ips) } by write_fixed_ips;
    "ip_allocation" Read { finds "addressed" as Reads::Words(&[("immediate", "true"), ("none", "false")]) } => string(allocation(port));
    "security_groups" Write { finds "security-group-ids" } => strings(&port.security_group_ids);
    "security_group_ids" Query { finds "security-group-ids" };
    "device_id" Write { finds sorts "device-id" } => string(&port.device_id);
    "device_owner" Write { finds sorts "device-owner" } => string(&port.device_owner);
    "port_security_enabled" Write { finds "port-security" as FLAG } => boolean(port.port_security);
    "allowed_address_pairs" Unset(Form::List) => raw("[]");
    "extra_dhcp_opts" Unset(Form::List) => raw("[]");
    "binding:host_id" Unset(Form::Text);
    "binding:profile" Unset(Form::Dictionary);
    "binding:vnic_type" Unset(Form::Default(VNIC_TYPES));
    "data_plane_status" Unset(Form::Choice(&["ACTIVE", "DOWN"]));
    "device_profile" Unset(Form::Text);
    "dns_domain" Unset(Form::Text);
    "dns_name" Unset(Form::Text);
    "hardware_offload_type" Unset(Form::Choice(&["switchdev"]));
    "hints" Unset(Form::Dictionary);
    "mac_learning_enabled" Unset(Form::Flag);
    "numa_affinity_policy" Unset(Form::Choice(&["required", "preferred", "legacy"]));
    "propagate_uplink_status" Unset(Form::True);
    "qos_policy_id" Unset(Form::Uuid);
    "trusted" Unset(Form::Flag);
    "tags" Unset(Form::List) { finds "tags" as Reads::List(all_of) } => strings(&port.tags);
    "tags-any" Query { finds "tags" as Reads::List(any_of) };
    "not-tags" Query { finds "tags" as Reads::List(not_all_of) };
    "not-tags-any" Query { finds "tags" as Reads::List(none_of) };
    "created_at" Read { sorts "created-at" } by |writer, port| write_time(writer, port.created_at);
    "updated_at" Read { sorts "updated-at" } by |writer, port| write_time(writer, port.updated_at);
    "revision_number" Read { finds "revision" as NUMBER } => unsigned(port.revision);
}

fn status(port: &Port) -> &'static str {
    if port.active && port.enabled { "ACTIVE" } else { "DOWN" }
}

/// Addresses are given at once.
fn allocation(port: &Port) -> &'static str {
    if port.fixed_ips.is_empty() { "none" } else { "immediate" }
}

/// `fixed_ips=ip_address=10.0.0.3`, `fixed_ips=subnet_id=..`: one of the addresses, in one of the subnets.
fn fixed_ips(texts: &[&str]) -> Result<Vec<Condition>, Fault> {
    let (mut addresses, mut subnets) = (Vec::new(), Vec::new());
    for text in texts {
        match text.split_once('=') {
            Some(("ip_address", value)) => addresses.push(value),
            Some(("subnet_id", value)) => subnets.push(value),
            _ => {
                let reason = format!("'{text}' is neither ip_address=.. nor subnet_id=..");
                return Err(Fault::invalid("fixed_ips", &reason));
            }
        }
    }
    let both = [("address", addresses), ("subnet-id", subnets)].into_iter();
    Ok(both.filter(|(_, values)| !values.is_empty()).map(|(field, values)| any_of(field, values)).collect())
}

fn write_fixed_ips(writer: &mut Writer, port: &Port) {
    writer.begin_array();
    for fixed in &port.fixed_ips {
        writer.begin_object().key(key!("subnet_id")).string(&fixed.subnet_id);
        writer.key(key!("ip_address")).string(&fixed.address).end_object();
    }
    writer.end_array();
}

fn id(request: &Request) -> &str {
    respond::param(request, "port_id")
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    lists::list(request, &PORTS, |conditions, page| {
        cloud.list_ports(conditions, page).map(|page| (page.ports, page.next))
    })
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(request, &PORTS, &cloud.get_port(id(request))?))
}

fn write(given: &Given) -> Result<PortWrite, Fault> {
    let fixed = given.objects("fixed_ips", &["subnet_id", "ip_address"])?;
    let fixed = fixed.map(|fixed| {
        let request = |item: Vec<Option<String>>| {
            let mut parts = item.into_iter();
            FixedIpRequest { subnet_id: parts.next().flatten(), address: parts.next().flatten() }
        };
        fixed.into_iter().map(request).collect()
    });
    Ok(PortWrite {
        name: given.name()?,
        description: given.text("description")?,
        project_id: given.project()?,
        network_id: given.text("network_id")?,
        mac: mac(given)?,
        enabled: given.flag("admin_state_up")?,
        fixed_ips: fixed,
        security_group_ids: given.texts("security_groups")?,
        device_id: given.text("device_id")?,
        device_owner: given.text("device_owner")?,
        port_security: given.flag("port_security_enabled")?,
        attributes: None,
    })
}

fn mac(given: &Given) -> Result<Option<String>, Fault> {
    match given.value("mac_address") {
        None | Some(Value::String(_)) => given.text("mac_address"),
        Some(other) => {
            Err(Fault::invalid("mac_address", &format!("{} is not a valid MAC address", body::shown(other))))
        }
    }
}

fn new(given: &Given) -> Result<PortWrite, Fault> {
    given.required("network_id")?;
    let mut write = write(given)?;
    // Nothing said, not none.
    if given.value("security_groups") == Some(&Value::Null) {
        write.security_group_ids = None;
    }
    Ok(write)
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, &PORTS)?;
    let writes = items.iter().map(new).collect::<Result<Vec<_>, _>>()?;
    lists::created(&PORTS, bulk, &cloud.create_ports(&writes)?)
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, &PORTS)?;
    Ok(lists::answer(200, &PORTS, &cloud.update_port(id(request), &write(&given)?)?, &Picked::default()))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_port(id(request))?;
    Ok(respond::empty(204))
}
