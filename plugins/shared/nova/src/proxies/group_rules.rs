//! Rules of security groups: what is let in, from a range of addresses or from the ports of a group.

use serde_json::{Map, Value};
use skyloom_sdk::cloud::networks::RuleCreate;
use skyloom_sdk::lenient::integer;
use skyloom_sdk::{Cloud, ErrorCode, key, respond};

use super::security_groups::refused;
use super::{one, text};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::servers::groups::write_rule;

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let body = context.body_member("security_group_rule")?;
    let group_id = text(&body, "parent_group_id").unwrap_or_default();
    let group = context.cloud.get_security_group(&group_id).map_err(|error| refused(&group_id, error))?;
    // Where both are given, the group counts.
    let from = text(&body, "group_id").filter(|id| !id.is_empty());
    let source = from.as_deref().map(|id| context.cloud.get_security_group(id).map_err(|error| refused(id, error)));
    let source = source.transpose()?;
    let (cidr, ip_version) = match &source {
        Some(_) => (None, 4),
        None => range(text(&body, "cidr").filter(|cidr| !cidr.is_empty()).unwrap_or_else(|| "0.0.0.0/0".to_owned()))?,
    };
    let Filter { protocol, from_port, to_port } = filter(&body, source.is_some())?;
    let create = RuleCreate {
        group_id,
        project_id: Some(group.project_id),
        ingress: true,
        ip_version,
        protocol,
        port_min: from_port,
        port_max: to_port,
        remote_cidr: cidr,
        remote_group_id: source.as_ref().map(|group| group.id.clone()),
        description: String::new(),
        attributes: "{}".to_owned(),
    };
    let made = context.cloud.create_security_group_rules(&[create]).map_err(|error| refused(&group.id, error))?;
    let rule = made.first().ok_or_else(|| Fault::new(500, "The rule was not made."))?;
    let shown = source.as_ref().filter(|_| !context.rules.new_rules_hide_their_group);
    Ok(one(key!("security_group_rule"), |writer| write_rule(writer, rule, shown)))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("security_group_rule_id");
    context.cloud.delete_security_group_rule(id).map_err(|error| match error.code {
        ErrorCode::NotFound => Fault::not_found(format!("Security group rule {id} not found.")),
        _ => refused("", error),
    })?;
    Ok(respond::empty(202))
}

/// A range as it was given; the core checks it. The colon of IPv6 says which of the two it is.
fn range(cidr: String) -> Result<(Option<String>, u8), Fault> {
    let (address, bits) = cidr.split_once('/').unwrap_or((&cidr, ""));
    let version = if address.parse::<std::net::Ipv4Addr>().is_ok() {
        4
    } else if address.parse::<std::net::Ipv6Addr>().is_ok() {
        6
    } else {
        return Err(Fault::bad_request(format!("Invalid cidr {cidr}.")));
    };
    let longest = if version == 4 { 32 } else { 128 };
    match bits.parse::<u8>() {
        Ok(bits) if bits <= longest => Ok((Some(cidr), version)),
        _ => Err(Fault::bad_request(format!("Invalid cidr {cidr}."))),
    }
}

/// What of a source's traffic is let in; none: all of it.
struct Filter {
    protocol: Option<String>,
    from_port: Option<i32>,
    to_port: Option<i32>,
}

fn filter(body: &Map<String, Value>, of_group: bool) -> Result<Filter, Fault> {
    let given = |name: &str| body.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""));
    let protocol = given("ip_protocol").map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    let Some(protocol) = protocol.map(|protocol| protocol.to_ascii_lowercase()) else {
        // Only a group's ports may be let in whatever they send.
        return if of_group {
            Ok(Filter { protocol: None, from_port: None, to_port: None })
        } else {
            Err(too_little())
        };
    };
    if !matches!(protocol.as_str(), "tcp" | "udp" | "icmp") {
        return Err(Fault::bad_request(format!("Invalid IP protocol {protocol}.")));
    }
    let (from, to) = match (given("from_port"), given("to_port")) {
        (None, None) if of_group => return Ok(Filter { protocol: Some(protocol), from_port: None, to_port: None }),
        (Some(from), Some(to)) => (from, to),
        _ => return Err(too_little()),
    };
    let (Some(from), Some(to)) = (integer(from), integer(to)) else {
        return Err(Fault::bad_request(if protocol == "icmp" {
            "Invalid input received: Type and Code must be integers for ICMP protocol type"
        } else {
            "Invalid input received: To and From ports must be integers"
        }));
    };
    let wrong = |why: &str| Err(Fault::bad_request(format!("Invalid port range {from}:{to}. {why}")));
    match protocol.as_str() {
        "tcp" | "udp" if from > to => wrong("Former value cannot be greater than the later"),
        "tcp" | "udp" if from < 1 || to > 65_535 => {
            wrong(&format!("Valid {} ports should be between 1-65535", protocol.to_uppercase()))
        }
        "icmp" if !(-1..=255).contains(&from) || !(-1..=255).contains(&to) => {
            wrong("For ICMP, the type:code must be valid")
        }
        _ => {
            // -1 is any message.
            let port = |port: i64| i32::try_from(port).ok().filter(|port| *port != -1);
            Ok(Filter { protocol: Some(protocol), from_port: port(from), to_port: port(to) })
        }
    }
}

fn too_little() -> Fault {
    Fault::bad_request("Not enough parameters to build a valid rule: ip_protocol, from_port and to_port are required.")
}
