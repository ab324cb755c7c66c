//! Floating IPs, and the pools that they come from: the external networks.

use std::net::IpAddr;

use serde_json::{Map, Value};
use skyloom_sdk::cloud::compute::Server;
use skyloom_sdk::cloud::networks::{Network, PublicAddress, PublicAddressWrite};
use skyloom_sdk::conditions::is;
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::by_id;
use skyloom_sdk::{Cloud, Condition, Error, ErrorCode, PageRequest, Response, key, respond};

use super::{MOST, Rows, each, text};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::servers::fetch;
use crate::violations::of_field;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let pools = pools(context)?;
    let conditions = of_project(context);
    let fetch = |page| {
        let found = context.cloud.list_public_addresses(&conditions, &page)?;
        Ok((found.addresses, found.next))
    };
    let name = |id: &str| pools.iter().find(|network| network.id == id);
    super::list(
        Rows::ALL,
        key!("floating_ips"),
        fetch,
        each(|writer, address: &PublicAddress| write(writer, address, name(&address.network_id))),
    )
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("floating_ip_id");
    one(context, &context.cloud.get_public_address(id).map_err(|error| missing(id, error))?)
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body()?;
    let pool = text(&body, "pool");
    let network_id = pool.as_deref().map(|pool| called(context, pool)).transpose()?;
    let write = PublicAddressWrite { network_id, ..nothing() };
    let made = context.cloud.create_public_addresses(&[write]).map_err(|error| not_made(pool.as_deref(), error))?;
    one(context, made.first().ok_or_else(|| Fault::new(500, "The floating IP was not made."))?)
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("floating_ip_id");
    context.cloud.delete_public_address(id).map_err(|error| missing(id, error))?;
    Ok(respond::empty(202))
}

pub fn list_pools<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let external = [is("external", true)];
    let fetch = |page| {
        let found = context.cloud.list_networks(&external, &page)?;
        Ok((found.networks, found.next))
    };
    super::list(
        Rows::ALL,
        key!("floating_ip_pools"),
        fetch,
        each(|writer, network: &Network| {
            writer.begin_object().key(key!("name")).string(pool_name(network)).end_object();
        }),
    )
}

/// To the fixed address that is named, or to the server's first one of version 4. An address that leads elsewhere leads here then.
pub fn add<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("addFloatingIp")?;
    let address = address_of(&body, "address")?.unwrap_or_default();
    let wanted = address_of(&body, "fixed_address")?;
    let server = fetch(context, &["nics"])?;
    let (port_id, fixed) = target(&server, &address, wanted)?;
    let found = by_address(context, &address)?;
    let bind = PublicAddressWrite { port_id: Some(Some(port_id)), fixed_address: Some(fixed.clone()), ..nothing() };
    let refused = |error: Error| match error.code {
        ErrorCode::NotFound => not_found(),
        ErrorCode::InUse | ErrorCode::Invalid => Fault::bad_request(format!(
            "Unable to associate floating IP {address} to fixed IP {fixed} for instance {}. Error: {}",
            server.id, error.message
        )),
        _ => error.into(),
    };
    context.cloud.update_public_address(&found.id, &bind).map_err(refused)?;
    Ok(respond::empty(202))
}

pub fn remove<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("removeFloatingIp")?;
    let address = address_of(&body, "address")?.unwrap_or_default();
    let found = by_address(context, &address)?;
    let server = fetch(context, &[])?;
    if found.server_id.as_ref() != Some(&server.id) {
        let says = format!("Floating IP {address} is not associated with instance {}.", server.id);
        return Err(Fault::new(409, says));
    }
    let unbind = PublicAddressWrite { port_id: Some(None), ..nothing() };
    context.cloud.update_public_address(&found.id, &unbind).map_err(|error| match error.code {
        ErrorCode::NotFound => not_found(),
        _ => error.into(),
    })?;
    Ok(respond::empty(202))
}

/// A member of a body that its schema has seen, which must be an address.
fn address_of(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Fault> {
    let Some(value) = text(body, name) else { return Ok(None) };
    if value.parse::<IpAddr>().is_ok() {
        return Ok(Some(value));
    }
    let says = format!("'{value}' is neither an IPv4 nor an IPv6 address");
    Err(Fault::bad_request(of_field(name, &Value::String(value), &says)))
}

/// The card's port and its address to which a floating IP is to lead.
fn target(server: &Server, address: &str, wanted: Option<String>) -> Result<(String, String), Fault> {
    let mut fixed = Vec::new();
    for nic in &server.nics {
        fixed.extend(nic.addresses.iter().filter(|address| !address.floating).map(|address| (&nic.port_id, address)));
    }
    if fixed.is_empty() {
        return Err(Fault::bad_request("No fixed IPs associated to instance"));
    }
    let found = fixed.into_iter().find(|(_, fixed)| match &wanted {
        Some(wanted) => fixed.address == *wanted,
        None => fixed.ip_version == 4,
    });
    found.map(|(port, fixed)| (port.clone(), fixed.address.clone())).ok_or_else(|| match wanted {
        Some(_) => Fault::bad_request("Specified fixed address not assigned to instance"),
        None => Fault::bad_request(format!(
            "Unable to associate floating IP {address} to any fixed IPs for instance {}. Instance has no fixed IPv4 \
             addresses to associate.",
            server.id
        )),
    })
}

/// Those of the caller's project; a token for more than one project sees theirs.
fn of_project<C>(context: &Context<'_, C>) -> Vec<Condition> {
    if context.sees_projects() { Vec::new() } else { vec![is("project-id", context.project())] }
}

/// What a request leaves as it is.
fn nothing() -> PublicAddressWrite {
    PublicAddressWrite {
        project_id: None,
        network_id: None,
        subnet_id: None,
        address: None,
        description: None,
        port_id: None,
        fixed_address: None,
        attributes: None,
    }
}

fn page(limit: u32) -> PageRequest {
    PageRequest { limit, marker: None, sort: by_id() }
}

fn by_address<C: Cloud>(context: &Context<'_, C>, address: &str) -> Result<PublicAddress, Fault> {
    // An operator's servers are everybody's.
    let mut conditions = if context.admin() { Vec::new() } else { of_project(context) };
    conditions.push(is("address", address));
    let mut found = context.cloud.list_public_addresses(&conditions, &page(2))?.addresses;
    if found.len() > 1 {
        return Err(Fault::new(409, format!("Multiple floating IPs are found for address {address}.")));
    }
    found.pop().ok_or_else(not_found)
}

fn not_found() -> Fault {
    Fault::not_found("floating IP not found")
}

fn missing(id: &str, error: Error) -> Fault {
    match error.code {
        ErrorCode::NotFound => Fault::not_found(format!("Floating IP not found for ID {id}")),
        _ => error.into(),
    }
}

fn not_made(pool: Option<&str>, error: Error) -> Fault {
    match (&error.code, pool) {
        (ErrorCode::NoAddress, Some(pool)) => Fault::not_found(format!("No more floating IPs in pool {pool}.")),
        (ErrorCode::NoAddress, None) => Fault::not_found("No more floating IPs available."),
        (ErrorCode::QuotaExceeded, Some(pool)) => Fault::new(403, format!("IP allocation over quota in pool {pool}.")),
        (ErrorCode::QuotaExceeded, None) => Fault::new(403, "IP allocation over quota."),
        // There is no external network.
        (ErrorCode::NotSupported | ErrorCode::NotFound, _) => no_pool(),
        (ErrorCode::Invalid, _) => Fault::bad_request(error.message),
        _ => error.into(),
    }
}

fn no_pool() -> Fault {
    Fault::not_found("Floating IP pool not found.")
}

/// The pools by whose names addresses are shown. Who may not look at networks sees ids instead: the addresses are his.
fn pools<C: Cloud>(context: &Context<'_, C>) -> Result<Vec<Network>, Fault> {
    match context.cloud.list_networks(&[is("external", true)], &page(MOST)) {
        Ok(found) => Ok(found.networks),
        Err(error) if error.code == ErrorCode::Forbidden => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// The id of the pool that has this id, or else this name.
fn called<C: Cloud>(context: &Context<'_, C>, pool: &str) -> Result<String, Fault> {
    for field in ["id", "name"] {
        let mut found = context.cloud.list_networks(&[is("external", true), is(field, pool)], &page(2))?.networks;
        if found.len() > 1 {
            return Err(Fault::new(409, format!("Multiple floating IP pools matches found for name '{pool}'")));
        }
        if let Some(network) = found.pop() {
            return Ok(network.id);
        }
    }
    Err(no_pool())
}

fn pool_name(network: &Network) -> &str {
    if network.name.is_empty() { &network.id } else { &network.name }
}

/// One that was made is not refused any more: as in [`pools`], it has its network's id at least.
fn one<C: Cloud>(context: &Context<'_, C>, address: &PublicAddress) -> Result<Response, Fault> {
    let network = match context.cloud.get_network(&address.network_id) {
        Ok(network) => Some(network),
        Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::Forbidden) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(super::one(key!("floating_ip"), |writer| write(writer, address, network.as_ref())))
}

fn write(writer: &mut Writer, address: &PublicAddress, network: Option<&Network>) {
    writer.begin_object().key(key!("id")).string(&address.id).key(key!("ip")).string(&address.address);
    writer.key(key!("pool")).string(network.map_or(&address.network_id, pool_name));
    writer.key(key!("fixed_ip")).optional_string(address.fixed_address.as_deref());
    writer.key(key!("instance_id")).optional_string(address.server_id.as_deref()).end_object();
}
