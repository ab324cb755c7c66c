//! Networks.

use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{Network, NetworkFilter, NetworkWrite};
use skyloom_sdk::{Networks, Request, respond, time};

use crate::body::{self, Attributes, Creation, Given, Use};
use crate::lists::{Wanted, shown};
use crate::unset::Form;
use crate::{Answer, Fault, Object, created, one};

const ATTRIBUTES: Attributes = &[
    ("name", Use::Write),
    ("description", Use::Write),
    ("admin_state_up", Use::Write),
    ("shared", Use::Write),
    ("router:external", Use::Write),
    ("mtu", Use::Write),
    ("port_security_enabled", Use::Write),
    ("is_default", Use::Write),
    ("project_id", Use::Create),
    ("tenant_id", Use::Create),
    ("availability_zone_hints", Use::Unset(Form::List)),
    ("dns_domain", Use::Unset(Form::Text)),
    ("ha", Use::Unset(Form::Flag)),
    ("provider:network_type", Use::Unset(Form::Word)),
    ("provider:physical_network", Use::Unset(Form::Word)),
    ("provider:segmentation_id", Use::Unset(Form::Number)),
    ("qinq", Use::Unset(Form::Flag)),
    ("qos_policy_id", Use::Unset(Form::Uuid)),
    ("segments", Use::Unset(Form::List)),
    ("tags", Use::Unset(Form::List)),
    ("vlan_transparent", Use::Unset(Form::Flag)),
    ("id", Use::Read),
    ("status", Use::Read),
    ("subnets", Use::Read),
    ("ipv4_address_scope", Use::Read),
    ("ipv6_address_scope", Use::Read),
    ("created_at", Use::Read),
    ("updated_at", Use::Read),
    ("revision_number", Use::Read),
];

pub fn view(network: Network) -> Object {
    let value = json!({
        "id": network.id,
        "name": network.name,
        "description": network.description,
        "project_id": network.project_id,
        "tenant_id": network.project_id,
        "admin_state_up": network.enabled,
        "status": "ACTIVE",
        "shared": network.shared,
        "router:external": network.external,
        "is_default": network.is_default,
        "mtu": network.mtu,
        "port_security_enabled": network.port_security,
        "subnets": network.subnet_ids,
        "ipv4_address_scope": null,
        "ipv6_address_scope": null,
        "tags": network.tags,
        "created_at": time::seconds_z(network.created_at),
        "updated_at": time::seconds_z(network.updated_at),
        "revision_number": network.revision,
    });
    object(value)
}

/// The members of a value that is an object.
pub fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

fn id(request: &Request) -> &str {
    respond::param(request, "network_id")
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let mut wanted = Wanted::new(request);
    let status = wanted.any("status");
    let filter = NetworkFilter {
        ids: wanted.any("id"),
        names: wanted.any("name"),
        project_id: wanted.project()?,
        shared: wanted.flag("shared")?,
        external: wanted.flag("router:external")?,
        enabled: wanted.flag("admin_state_up")?,
        is_default: wanted.flag("is_default")?,
        tags: wanted.any("tags"),
    };
    let fetch = |page: &skyloom_sdk::PageRequest| {
        if !status.is_empty() && !status.iter().any(|status| status == "ACTIVE") {
            return Ok((Vec::new(), None));
        }
        let page = cloud.list_networks(&filter, page)?;
        Ok((page.networks, page.next))
    };
    wanted.answer(request, "networks", fetch, view)
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(one(200, "network", shown(request, view(cloud.get_network(id(request))?))))
}

fn write(given: &Given) -> Result<NetworkWrite, Fault> {
    let mtu = given
        .integer("mtu")?
        .map(|mtu| u32::try_from(mtu).map_err(|_| Fault::invalid("mtu", &format!("'{mtu}' should be non-negative"))));
    Ok(NetworkWrite {
        name: given.name()?,
        description: given.text("description")?,
        project_id: given.project()?,
        shared: given.flag("shared")?,
        external: given.flag("router:external")?,
        enabled: given.flag("admin_state_up")?,
        // 0 asks for the default.
        mtu: mtu.transpose()?.filter(|mtu| *mtu > 0),
        port_security: given.flag("port_security_enabled")?,
        is_default: given.flag("is_default")?,
    })
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, "network", ATTRIBUTES)?;
    let writes = items.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    created("network", bulk, cloud.create_networks(&writes)?.into_iter().map(view).collect())
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, "network", ATTRIBUTES)?;
    Ok(one(200, "network", view(cloud.update_network(id(request), &write(&given)?)?)))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_network(id(request))?;
    Ok(respond::empty(204))
}
