//! The security groups of a server, with rules in the form that Nova's own networks once had.

use skyloom_sdk::cloud::compute::Server;
use skyloom_sdk::cloud::networks::{Port, PortWrite, SecurityGroup, SecurityGroupRule};
use skyloom_sdk::conditions::{any_of, is};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::{Cloud, PageRequest, key, respond};

use super::{fetch, parts};
use crate::context::{Answer, Context};
use crate::errors::Fault;

/// Groups that are looked up at once.
const PAGE: usize = 1000;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let server = fetch(context, &["nics"])?;
    let mut ids: Vec<String> =
        parts::ports(context, &server)?.into_iter().flat_map(|port| port.security_group_ids).collect();
    ids.sort_unstable();
    ids.dedup();
    let groups = groups(context, ids)?;
    let others = remote(context, &groups)?;
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().key(key!("security_groups")).begin_array();
    for group in &groups {
        write(&mut writer, group, &[&groups, &others]);
    }
    writer.end_array().end_object();
    Ok(respond::json(200, writer.finish()))
}

/// The groups that rules of these name as their source and that are none of these.
pub(crate) fn remote<C: Cloud>(context: &Context<'_, C>, of: &[SecurityGroup]) -> Result<Vec<SecurityGroup>, Fault> {
    let named = of.iter().flat_map(|group| &group.rules).filter_map(|rule| rule.remote_group_id.as_ref());
    let mut missing: Vec<String> = named.filter(|id| !of.iter().any(|group| group.id == **id)).cloned().collect();
    missing.sort_unstable();
    missing.dedup();
    groups(context, missing)
}

/// `known`: where the sources of its rules are looked up.
pub(crate) fn write(writer: &mut Writer, group: &SecurityGroup, known: &[&[SecurityGroup]]) {
    writer.begin_object();
    writer.key(key!("id")).string(&group.id);
    writer.key(key!("name")).string(&group.name);
    writer.key(key!("description")).string(&group.description);
    writer.key(key!("tenant_id")).string(&group.project_id);
    writer.key(key!("rules")).begin_array();
    for rule in group.rules.iter().filter(|rule| rule.ingress) {
        let named = |id: &String| known.iter().copied().flatten().find(|group| group.id == *id);
        write_rule(writer, rule, rule.remote_group_id.as_ref().and_then(named));
    }
    writer.end_array().end_object();
}

/// On each of the server's ports that doesn't have it. One that can't have groups refuses all of it.
pub fn add<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (_, group, ports) = named(context, "addSecurityGroup")?;
    if ports.iter().any(|port| !port.port_security || port.fixed_ips.is_empty()) {
        return Err(Fault::bad_request(
            "Network requires port_security_enabled and subnet associated in order to apply security groups.",
        ));
    }
    for port in ports {
        if !port.security_group_ids.contains(&group) {
            let mut ids = port.security_group_ids;
            ids.push(group.clone());
            put(context, &port.id, ids)?;
        }
    }
    Ok(respond::empty(202))
}

/// From each of the server's ports that has it.
pub fn remove<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (server, group, ports) = named(context, "removeSecurityGroup")?;
    let (having, _): (Vec<Port>, Vec<Port>) =
        ports.into_iter().partition(|port| port.security_group_ids.contains(&group));
    if having.is_empty() {
        let id = server.id;
        return Err(Fault::not_found(format!("Security group {group} not associated with the instance {id}")));
    }
    for mut port in having {
        port.security_group_ids.retain(|known| *known != group);
        put(context, &port.id, port.security_group_ids)?;
    }
    Ok(respond::empty(202))
}

/// The server, the id of the group that the action names, and the server's ports.
fn named<C: Cloud>(context: &Context<'_, C>, action: &str) -> Result<(Server, String, Vec<Port>), Fault> {
    let body = context.body_member(action)?;
    let name = Fields::new(&body, &[]).str("name")?;
    let server = fetch(context, &["nics"])?;
    let group = group_called(context, name, &server.project_id)?;
    let ports = parts::ports(context, &server)?;
    if ports.is_empty() {
        let id = &server.id;
        return Err(Fault::not_found(format!("instance_id {id} could not be found as device id on any ports")));
    }
    Ok((server, group, ports))
}

/// The id of the project's group that has this id, or else this name.
fn group_called<C: Cloud>(context: &Context<'_, C>, name: &str, project: &str) -> Result<String, Fault> {
    for field in ["id", "name"] {
        let page = PageRequest { limit: 2, marker: None, sort: Vec::new() };
        let conditions = [is("project-id", project), is(field, name)];
        let mut found = context.cloud.list_security_groups(&conditions, &page)?.groups;
        if found.len() > 1 {
            let says =
                format!("Multiple security_group matches found for name '{name}', use an ID to be more specific.");
            return Err(Fault::new(409, says));
        }
        if let Some(group) = found.pop() {
            return Ok(group.id);
        }
    }
    Err(Fault::not_found(format!("Security group {name} is not found for project {project}")))
}

/// Gives the port these groups and leaves the rest of it.
fn put<C: Cloud>(context: &Context<'_, C>, port: &str, groups: Vec<String>) -> Result<(), Fault> {
    let write = PortWrite {
        name: None,
        description: None,
        project_id: None,
        network_id: None,
        mac: None,
        enabled: None,
        fixed_ips: None,
        security_group_ids: Some(groups),
        device_id: None,
        device_owner: None,
        port_security: None,
        attributes: None,
    };
    context.cloud.update_port(port, &write)?;
    Ok(())
}

fn groups<C: Cloud>(context: &Context<'_, C>, ids: Vec<String>) -> Result<Vec<SecurityGroup>, Fault> {
    let page = PageRequest { limit: PAGE as u32, marker: None, sort: Vec::new() };
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(PAGE) {
        found.extend(context.cloud.list_security_groups(&[any_of("id", ids)], &page)?.groups);
    }
    Ok(found)
}

/// A rule has a source group or a source range, never both.
pub(crate) fn write_rule(writer: &mut Writer, rule: &SecurityGroupRule, remote: Option<&SecurityGroup>) {
    writer.begin_object();
    writer.key(key!("id")).string(&rule.id);
    writer.key(key!("parent_group_id")).string(&rule.group_id);
    writer.key(key!("ip_protocol")).optional_string(rule.protocol.as_deref());
    let (from, to) = ports(rule);
    for (name, port) in [(key!("from_port"), from), (key!("to_port"), to)] {
        writer.key(name);
        match port {
            Some(port) => writer.integer(i64::from(port)),
            None => writer.null(),
        };
    }
    writer.key(key!("group")).begin_object();
    if let Some(group) = remote {
        writer.key(key!("name")).string(&group.name);
        writer.key(key!("tenant_id")).string(&group.project_id);
    }
    writer.end_object();
    writer.key(key!("ip_range")).begin_object();
    if rule.remote_group_id.is_none() {
        let anywhere = if rule.ip_version == 6 { "::/0" } else { "0.0.0.0/0" };
        writer.key(key!("cidr")).string(rule.remote_cidr.as_deref().unwrap_or(anywhere));
    }
    writer.end_object().end_object();
}

/// A protocol without ports means all of them; for ICMP that is written -1.
fn ports(rule: &SecurityGroupRule) -> (Option<i32>, Option<i32>) {
    match (rule.protocol.as_deref(), rule.port_min, rule.port_max) {
        (None, ..) => (None, None),
        (Some("tcp" | "udp"), None, None) => (Some(1), Some(65_535)),
        (Some(_), None, None) => (Some(-1), Some(-1)),
        (Some(_), from, to) => (from, to),
    }
}
