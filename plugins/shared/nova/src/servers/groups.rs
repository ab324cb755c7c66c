//! The security groups of a server, with rules in the form that Nova's own networks once had.

use skyloom_sdk::cloud::networks::{SecurityGroup, SecurityGroupRule};
use skyloom_sdk::conditions::any_of;
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, PageRequest, key, respond};

use super::{fetch, parts};
use crate::context::{Answer, Context};
use crate::errors::Fault;

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

fn groups<C: Cloud>(context: &Context<'_, C>, ids: Vec<String>) -> Result<Vec<SecurityGroup>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let page = PageRequest { limit: 1000, marker: None, sort: Vec::new() };
    Ok(context.cloud.list_security_groups(&[any_of("id", ids)], &page)?.groups)
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
