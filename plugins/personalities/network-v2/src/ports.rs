//! Ports.

use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{FixedIpRequest, Port, PortFilter, PortWrite};
use skyloom_sdk::{Networks, Request, respond, time};

use crate::body::{self, Attributes, Creation, Given, Use};
use crate::lists::{Wanted, shown};
use crate::networks::object;
use crate::unset::Form;
use crate::{Answer, Fault, Object, created, one};

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

const ATTRIBUTES: Attributes = &[
    ("name", Use::Write),
    ("description", Use::Write),
    ("admin_state_up", Use::Write),
    ("mac_address", Use::Write),
    ("fixed_ips", Use::Write),
    ("security_groups", Use::Write),
    ("device_id", Use::Write),
    ("device_owner", Use::Write),
    ("port_security_enabled", Use::Write),
    ("network_id", Use::Create),
    ("project_id", Use::Create),
    ("tenant_id", Use::Create),
    ("allowed_address_pairs", Use::Unset(Form::List)),
    ("extra_dhcp_opts", Use::Unset(Form::List)),
    ("binding:host_id", Use::Unset(Form::Text)),
    ("binding:profile", Use::Unset(Form::Dictionary)),
    ("binding:vnic_type", Use::Unset(Form::Default(VNIC_TYPES))),
    ("data_plane_status", Use::Unset(Form::Choice(&["ACTIVE", "DOWN"]))),
    ("device_profile", Use::Unset(Form::Text)),
    ("dns_domain", Use::Unset(Form::Text)),
    ("dns_name", Use::Unset(Form::Text)),
    ("hardware_offload_type", Use::Unset(Form::Choice(&["switchdev"]))),
    ("hints", Use::Unset(Form::Dictionary)),
    ("mac_learning_enabled", Use::Unset(Form::Flag)),
    ("numa_affinity_policy", Use::Unset(Form::Choice(&["required", "preferred", "legacy"]))),
    ("propagate_uplink_status", Use::Unset(Form::True)),
    ("qos_policy_id", Use::Unset(Form::Uuid)),
    ("tags", Use::Unset(Form::List)),
    ("trusted", Use::Unset(Form::Flag)),
    ("id", Use::Read),
    ("status", Use::Read),
    ("created_at", Use::Read),
    ("updated_at", Use::Read),
    ("revision_number", Use::Read),
];

pub fn view(port: Port) -> Object {
    let fixed: Vec<Value> =
        port.fixed_ips.iter().map(|fixed| json!({"subnet_id": fixed.subnet_id, "ip_address": fixed.address})).collect();
    object(json!({
        "id": port.id,
        "name": port.name,
        "description": port.description,
        "project_id": port.project_id,
        "tenant_id": port.project_id,
        "network_id": port.network_id,
        "mac_address": port.mac,
        "admin_state_up": port.enabled,
        "status": if port.active && port.enabled { "ACTIVE" } else { "DOWN" },
        "fixed_ips": fixed,
        "security_groups": port.security_group_ids,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "port_security_enabled": port.port_security,
        "allowed_address_pairs": [],
        "extra_dhcp_opts": [],
        "tags": port.tags,
        "created_at": time::seconds_z(port.created_at),
        "updated_at": time::seconds_z(port.updated_at),
        "revision_number": port.revision,
    }))
}

fn id(request: &Request) -> &str {
    respond::param(request, "port_id")
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let mut wanted = Wanted::new(request);
    // `fixed_ips=ip_address=10.0.0.3`, `fixed_ips=subnet_id=..`; both may stand.
    let (mut address, mut subnet_id) = (None, None);
    for text in wanted.any("fixed_ips") {
        match text.split_once('=') {
            Some(("ip_address", value)) if address.is_none() => address = Some(value.to_owned()),
            Some(("subnet_id", value)) if subnet_id.is_none() => subnet_id = Some(value.to_owned()),
            Some(("ip_address" | "subnet_id", _)) => {
                return Err(Fault::bad_request("Filtering by several values of fixed_ips is not supported."));
            }
            _ => {
                return Err(Fault::invalid(
                    "fixed_ips",
                    &format!("'{text}' is neither ip_address=.. nor subnet_id=.."),
                ));
            }
        }
    }
    let mut security_group_ids = wanted.any("security_groups");
    security_group_ids.extend(wanted.any("security_group_ids"));
    let filter = PortFilter {
        ids: wanted.any("id"),
        names: wanted.any("name"),
        project_id: wanted.project()?,
        network_ids: wanted.any("network_id"),
        device_ids: wanted.any("device_id"),
        device_owner: wanted.one("device_owner")?,
        macs: wanted.any("mac_address"),
        address,
        subnet_id,
        security_group_ids,
        tags: wanted.any("tags"),
    };
    let fetch = |page: &skyloom_sdk::PageRequest| {
        let page = cloud.list_ports(&filter, page)?;
        Ok((page.ports, page.next))
    };
    wanted.answer(request, "ports", fetch, view)
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(one(200, "port", shown(request, view(cloud.get_port(id(request))?))))
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
    let Creation { items, bulk } = body::creation(request, "port", ATTRIBUTES)?;
    let writes = items.iter().map(new).collect::<Result<Vec<_>, _>>()?;
    created("port", bulk, cloud.create_ports(&writes)?.into_iter().map(view).collect())
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, "port", ATTRIBUTES)?;
    Ok(one(200, "port", view(cloud.update_port(id(request), &write(&given)?)?)))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_port(id(request))?;
    Ok(respond::empty(204))
}
