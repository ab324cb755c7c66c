//! What hangs on a server: addresses, interfaces, disks.

use skyloom_sdk::cloud::compute::{Server, ServerVolume};
use skyloom_sdk::cloud::networks::Port;
use skyloom_sdk::conditions::any_of;
use skyloom_sdk::json::Writer;
use skyloom_sdk::servers::Row;
use skyloom_sdk::{Cloud, PageRequest, key, respond};

use super::fetch;
use crate::attributes::{Attributes, tag_at};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::views::server::{write_addresses, write_network};

pub fn ips<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = fetch(context, &["nics"])?;
    let mut writer = Writer::with_capacity(512);
    writer.begin_object().key(key!("addresses"));
    write_addresses(&mut writer, &Row::from(&server).nics, false);
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn ips_of_network<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let network = context.param("network_name");
    let server = fetch(context, &["nics"])?;
    if !server.nics.iter().any(|nic| nic.network_name == network) {
        return Err(Fault::not_found("Instance is not a member of specified network"));
    }
    let mut writer = Writer::with_capacity(256);
    writer.begin_object().dynamic_key(network);
    write_network(&mut writer, &Row::from(&server).nics, network, false);
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

/// The ports of a server; it has few. By its own list of them: any port's text may name it as the device.
pub(super) fn ports<C: Cloud>(context: &Context<'_, C>, server: &Server) -> Result<Vec<Port>, Fault> {
    if server.nics.is_empty() {
        return Ok(Vec::new());
    }
    let these = any_of("id", server.nics.iter().map(|nic| &nic.port_id));
    let page = PageRequest { limit: 1000, marker: None, sort: Vec::new() };
    Ok(context.cloud.list_ports(&[these], &page)?.ports)
}

pub fn interfaces<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = fetch(context, &["nics", "attributes"])?;
    let ports = ports(context, &server)?;
    let mut writer = Writer::with_capacity(512);
    writer.begin_object().key(key!("interfaceAttachments")).begin_array();
    for port in &ports {
        write_interface(&mut writer, context, &server, port);
    }
    writer.end_array().end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn interface<C: Cloud>(context: &Context<'_, C>) -> Answer {
    interface_of(context, context.param("port_id"))
}

/// The server's card with this port.
pub(super) fn interface_of<C: Cloud>(context: &Context<'_, C>, id: &str) -> Answer {
    let server = fetch(context, &["nics", "attributes"])?;
    let ports = ports(context, &server)?;
    let Some(port) = ports.iter().find(|port| port.id == id) else {
        return Err(Fault::not_found(format!("Instance {} does not have a port with id {id}", server.id)));
    };
    let mut writer = Writer::with_capacity(512);
    writer.begin_object().key(key!("interfaceAttachment"));
    write_interface(&mut writer, context, &server, port);
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

fn write_interface<C>(writer: &mut Writer, context: &Context<'_, C>, server: &Server, port: &Port) {
    writer.begin_object();
    writer.key(key!("port_id")).string(&port.id);
    writer.key(key!("net_id")).string(&port.network_id);
    writer.key(key!("mac_addr")).string(&port.mac);
    writer.key(key!("port_state")).string(if port.active { "ACTIVE" } else { "DOWN" });
    writer.key(key!("fixed_ips")).begin_array();
    for ip in &port.fixed_ips {
        writer.begin_object().key(key!("subnet_id")).string(&ip.subnet_id);
        writer.key(key!("ip_address")).string(&ip.address).end_object();
    }
    writer.end_array();
    if context.since(70) {
        let attributes = Attributes::read(&server.attributes);
        let nic = server.nics.iter().find(|nic| nic.port_id == port.id);
        let tag = nic.and_then(|nic| tag_at(&attributes.nic_tags, usize::try_from(nic.position).ok()?));
        writer.key(key!("tag")).optional_string(tag);
    }
    writer.end_object();
}

pub fn volumes<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = fetch(context, &["volumes", "attributes"])?;
    let number = |name: &str| context.query().last(name).map(|text| text.parse().unwrap_or(usize::MAX));
    let mut writer = Writer::with_capacity(512);
    writer.begin_object().key(key!("volumeAttachments")).begin_array();
    let skipped = server.volumes.iter().enumerate().skip(number("offset").unwrap_or(0));
    for (place, volume) in skipped.take(number("limit").unwrap_or(1000).min(1000)) {
        write_volume(&mut writer, context, &server, volume, place);
    }
    writer.end_array().end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn volume<C: Cloud>(context: &Context<'_, C>) -> Answer {
    attachment(context, context.param("volume_id"))
}

/// The server's disk with this id.
pub(super) fn attachment<C: Cloud>(context: &Context<'_, C>, id: &str) -> Answer {
    let server = fetch(context, &["volumes", "attributes"])?;
    let Some((place, volume)) = server.volumes.iter().enumerate().find(|(_, volume)| volume.id == id) else {
        return Err(Fault::not_found(format!("Instance {} is not attached to volume {id}", server.id)));
    };
    let mut writer = Writer::with_capacity(256);
    writer.begin_object().key(key!("volumeAttachment"));
    write_volume(&mut writer, context, &server, volume, place);
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

fn write_volume<C>(
    writer: &mut Writer,
    context: &Context<'_, C>,
    server: &Server,
    volume: &ServerVolume,
    place: usize,
) {
    writer.begin_object();
    writer.key(key!("volumeId")).string(&volume.id);
    writer.key(key!("serverId")).string(&server.id);
    writer.key(key!("device")).string(&volume.device);
    if context.since(89) {
        // A volume is attached once at most, so its id names the attachment too.
        writer.key(key!("attachment_id")).string(&volume.id);
        writer.key(key!("bdm_uuid")).string(&volume.id);
    } else {
        writer.key(key!("id")).string(&volume.id);
    }
    if context.since(70) {
        let attributes = Attributes::read(&server.attributes);
        writer.key(key!("tag")).optional_string(tag_at(&attributes.disk_tags, place));
    }
    if context.since(79) {
        writer.key(key!("delete_on_termination")).boolean(volume.delete_on_termination);
    }
    writer.end_object();
}
