//! Networks: their ids and names. All else that Nova's own networks had is null.

use skyloom_sdk::cloud::networks::Network;
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, ErrorCode, key};

use super::{Rows, each, one};
use crate::context::{Answer, Context};
use crate::errors::Fault;

const NULL: &[&str] =
    &["broadcast", "cidr", "cidr_v6", "dns1", "dns2", "gateway", "gateway_v6", "netmask", "netmask_v6", "bridge"];
/// For operators.
const NULL_TOO: &[&str] = &[
    "created_at",
    "updated_at",
    "deleted_at",
    "deleted",
    "injected",
    "vlan",
    "vpn_public_address",
    "vpn_public_port",
    "vpn_private_address",
    "dhcp_start",
    "project_id",
    "host",
    "bridge_interface",
    "multi_host",
    "priority",
    "rxtx_base",
    "mtu",
    "dhcp_server",
    "enable_dhcp",
    "share_address",
];

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let fetch = |page| {
        let found = context.cloud.list_networks(&[], &page)?;
        Ok((found.networks, found.next))
    };
    super::list(Rows::asked(context), key!("networks"), fetch, each(|writer, network| write(writer, context, network)))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let network = context.cloud.get_network(context.param("network_id")).map_err(|error| match error.code {
        ErrorCode::NotFound => Fault::not_found("Network not found"),
        _ => error.into(),
    })?;
    Ok(one(key!("network"), |writer| write(writer, context, &network)))
}

fn write<C>(writer: &mut Writer, context: &Context<'_, C>, network: &Network) {
    writer.begin_object().key(key!("id")).string(&network.id).key(key!("label")).string(&network.name);
    let more = if context.admin() { NULL_TOO } else { &[] };
    for name in NULL.iter().chain(more) {
        writer.dynamic_key(name).null();
    }
    writer.end_object();
}
