//! Networks.

use skyloom_sdk::cloud::networks::{Network, NetworkWrite};
use skyloom_sdk::conditions::{all_of, any_of, none_of, not_all_of};
use skyloom_sdk::{Networks, Request, respond};

use crate::attributes::{FLAG, NUMBER, Picked, Reads, attributes, write_time};
use crate::body::{self, Creation, Given};
use crate::unset::Form;
use crate::{Answer, Fault, lists};

attributes! {
    NETWORKS of "network" in "networks": Network as network;
    "id" Read { finds sorts "id" } => string(&network.id);
    "name" Write { finds sorts "name" } => string(&network.name);
    "description" Write { finds "description" } => string(&network.description);
    "project_id" Create { finds sorts "project-id" } => string(&network.project_id);
    "tenant_id" Create { finds sorts "project-id" } => string(&network.project_id);
    "admin_state_up" Write { finds sorts "enabled" as FLAG } => boolean(network.enabled);
    "status" Read { finds sorts "" as Reads::Constant(Some("ACTIVE")) } => string("ACTIVE");
    "shared" Write { finds "shared" as FLAG } => boolean(network.shared);
    "router:external" Write { finds "external" as FLAG } => boolean(network.external);
    "is_default" Write { finds "is-default" as FLAG } => boolean(network.is_default);
    "mtu" Write { finds sorts "mtu" as NUMBER } => unsigned(network.mtu.into());
    "port_security_enabled" Write { finds "port-security" as FLAG } => boolean(network.port_security);
    "subnets" Read => strings(&network.subnet_ids);
    "availability_zone_hints" Unset(Form::List) { sorts "" };
    "ipv4_address_scope" Read => null();
    "ipv6_address_scope" Read => null();
    "dns_domain" Unset(Form::Text);
    "ha" Unset(Form::Flag);
    "provider:network_type" Unset(Form::Word);
    "provider:physical_network" Unset(Form::Word);
    "provider:segmentation_id" Unset(Form::Number);
    "qinq" Unset(Form::Flag);
    "qos_policy_id" Unset(Form::Uuid);
    "segments" Unset(Form::List);
    "vlan_transparent" Unset(Form::Flag);
    "tags" Unset(Form::List) { finds "tags" as Reads::List(all_of) } => strings(&network.tags);
    "tags-any" Query { finds "tags" as Reads::List(any_of) };
    "not-tags" Query { finds "tags" as Reads::List(not_all_of) };
    "not-tags-any" Query { finds "tags" as Reads::List(none_of) };
    "created_at" Read { sorts "created-at" } by |writer, network| write_time(writer, network.created_at);
    "updated_at" Read { sorts "updated-at" } by |writer, network| write_time(writer, network.updated_at);
    "revision_number" Read { finds "revision" as NUMBER } => unsigned(network.revision);
}

fn id(request: &Request) -> &str {
    respond::param(request, "network_id")
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    lists::list(request, &NETWORKS, |conditions, page| {
        cloud.list_networks(conditions, page).map(|page| (page.networks, page.next))
    })
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(request, &NETWORKS, &cloud.get_network(id(request))?))
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
        attributes: None,
    })
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, &NETWORKS)?;
    let writes = items.iter().map(write).collect::<Result<Vec<_>, _>>()?;
    lists::created(&NETWORKS, bulk, &cloud.create_networks(&writes)?)
}

pub fn update<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let given = body::change(request, &NETWORKS)?;
    Ok(lists::answer(200, &NETWORKS, &cloud.update_network(id(request), &write(&given)?)?, &Picked::default()))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_network(id(request))?;
    Ok(respond::empty(204))
}
