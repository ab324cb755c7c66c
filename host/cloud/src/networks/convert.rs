//! Between the contract's records and the store's.

use skyloom_model::Result;
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::networks::{Group, Network, Port, Router, Rule, Subnet};
use skyloom_store::public_addresses::PublicAddress;

use crate::attributes;

fn revision(value: i64) -> u64 {
    u64::try_from(value).unwrap_or_default()
}

pub(super) fn network(context: &CallContext, row: Network) -> Result<wit::Network> {
    Ok(wit::Network {
        id: row.id,
        name: row.name,
        description: row.description,
        project_id: row.project_id,
        shared: row.shared,
        external: row.external,
        enabled: row.enabled,
        mtu: row.mtu,
        zone: row.zone,
        is_default: row.is_default,
        port_security: row.port_security,
        subnet_ids: row.subnet_ids,
        tags: Vec::new(),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        revision: revision(row.revision),
        attributes: attributes::own(context, &row.attributes)?,
    })
}

pub(super) fn subnet(context: &CallContext, row: Subnet) -> Result<wit::Subnet> {
    Ok(wit::Subnet {
        id: row.id,
        name: row.name,
        description: row.description,
        network_id: row.network_id,
        project_id: row.project_id,
        external: row.external,
        ip_version: row.cidr.ip_version(),
        cidr: row.cidr.to_string(),
        gateway: row.gateway.map(|gateway| gateway.to_string()),
        dhcp: row.dhcp,
        dns: row.dns,
        pools: row
            .pools
            .iter()
            .map(|pool| wit::AddressRange { start: pool.start.to_string(), end: pool.end.to_string() })
            .collect(),
        host_routes: row
            .host_routes
            .into_iter()
            .map(|(destination, next_hop)| wit::HostRoute { destination, next_hop })
            .collect(),
        tags: Vec::new(),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        revision: revision(row.revision),
        attributes: attributes::own(context, &row.attributes)?,
    })
}

pub(super) fn port(context: &CallContext, row: Port) -> Result<wit::Port> {
    Ok(wit::Port {
        id: row.id,
        name: row.name,
        description: row.description,
        network_id: row.network_id,
        project_id: row.project_id,
        mac: row.mac,
        enabled: row.enabled,
        active: row.active,
        fixed_ips: row
            .fixed_ips
            .into_iter()
            .map(|fixed| wit::FixedIp { subnet_id: fixed.subnet_id, address: fixed.address })
            .collect(),
        security_group_ids: row.security_group_ids,
        device_id: row.device_id,
        device_owner: row.device_owner,
        node: row.node,
        port_security: row.port_security,
        tags: Vec::new(),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        revision: revision(row.revision),
        attributes: attributes::own(context, &row.attributes)?,
    })
}

pub(super) fn rule(context: &CallContext, row: Rule) -> Result<wit::SecurityGroupRule> {
    // The store's ports are checked before they are written; another value cannot stand there.
    let port = |value: Option<i64>| value.and_then(|value| i32::try_from(value).ok());
    Ok(wit::SecurityGroupRule {
        id: row.id,
        group_id: row.group_id,
        project_id: row.project_id,
        ingress: row.ingress,
        ip_version: row.ip_version,
        protocol: row.protocol,
        port_min: port(row.port_min),
        port_max: port(row.port_max),
        remote_cidr: row.remote_cidr,
        remote_group_id: row.remote_group_id,
        description: row.description,
        created_at: row.created_at.0,
        revision: revision(row.revision),
        attributes: attributes::own(context, &row.attributes)?,
    })
}

pub(super) fn group(context: &CallContext, row: Group) -> Result<wit::SecurityGroup> {
    Ok(wit::SecurityGroup {
        id: row.id,
        name: row.name,
        description: row.description,
        project_id: row.project_id,
        stateful: row.stateful,
        rules: row.rules.into_iter().map(|row| rule(context, row)).collect::<Result<_>>()?,
        tags: Vec::new(),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        revision: revision(row.revision),
        attributes: attributes::own(context, &row.attributes)?,
    })
}

pub(super) fn public_address(context: &CallContext, row: PublicAddress) -> Result<wit::PublicAddress> {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    Ok(wit::PublicAddress {
        id: row.id,
        project_id: row.project_id,
        network_id: row.network_id,
        address: row.address,
        port_id: some(row.port_id),
        fixed_address: some(row.fixed_address),
        server_id: some(row.server_id),
        description: row.description,
        tags: Vec::new(),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        revision: revision(row.revision),
        attributes: attributes::own(context, &row.attributes)?,
    })
}

pub(super) fn router(row: Router) -> wit::Router {
    wit::Router {
        id: row.id,
        name: row.name,
        description: row.description,
        project_id: row.project_id,
        enabled: row.enabled,
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
    }
}
