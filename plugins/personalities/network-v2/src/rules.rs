//! Rules of security groups.

use serde_json::Value;
use skyloom_sdk::cloud::networks::{RuleCreate, SecurityGroupRule};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Networks, Request, respond};

use crate::attributes::{NUMBER, Reads, attributes, write_time};
use crate::body::{self, Creation, Given};
use crate::unset::Form;
use crate::{Answer, Fault, lists};

attributes! {
    RULES of "security_group_rule" in "security-group-rules": SecurityGroupRule as rule;
    "id" Read { finds sorts "id" } => string(&rule.id);
    "security_group_id" Create { finds sorts "group-id" } => string(&rule.group_id);
    "project_id" Create { finds sorts "project-id" } => string(&rule.project_id);
    "tenant_id" Create { finds sorts "project-id" } => string(&rule.project_id);
    "direction" Create { finds sorts "ingress" as Reads::By(ingress_text) } => string(direction(rule));
    "ethertype" Create { finds sorts "ip-version" as Reads::By(version_text) } => string(ethertype(rule));
    "protocol" Create { finds sorts "protocol" } => optional_string(rule.protocol.as_deref());
    "port_range_min" Create { finds sorts "port-min" as NUMBER } by |writer, rule| write_port(writer, rule.port_min);
    "port_range_max" Create { finds sorts "port-max" as NUMBER } by |writer, rule| write_port(writer, rule.port_max);
    "remote_ip_prefix" Create { finds sorts "remote-cidr" } => optional_string(rule.remote_cidr.as_deref());
    "remote_group_id" Create { finds sorts "remote-group-id" } => optional_string(rule.remote_group_id.as_deref());
    "remote_address_group_id" Unset(Form::Uuid) { finds "" as Reads::Constant(None) } => null();
    "description" Create { finds "description" } => string(&rule.description);
    "normalized_cidr" Read;
    "belongs_to_default_sg" Read;
    "created_at" Read { sorts "created-at" } by |writer, rule| write_time(writer, rule.created_at);
    "updated_at" Read { sorts "updated-at" } by |writer, rule| write_time(writer, rule.created_at);
    "revision_number" Read { finds "revision" as NUMBER } => unsigned(rule.revision);
}

fn direction(rule: &SecurityGroupRule) -> &'static str {
    if rule.ingress { "ingress" } else { "egress" }
}

fn ethertype(rule: &SecurityGroupRule) -> &'static str {
    if rule.ip_version == 6 { "IPv6" } else { "IPv4" }
}

fn write_port(writer: &mut Writer, port: Option<i32>) {
    match port {
        Some(port) => writer.integer(port.into()),
        None => writer.null(),
    };
}

fn ingress_text(_: &str, text: &str) -> Result<Option<String>, Fault> {
    ingress(text).map(|ingress| Some(ingress.to_string()))
}

fn version_text(_: &str, text: &str) -> Result<Option<String>, Fault> {
    ip_version(text).map(|version| Some(version.to_string()))
}

fn id(request: &Request) -> &str {
    respond::param(request, "rule_id")
}

fn ingress(text: &str) -> Result<bool, Fault> {
    match text {
        "ingress" => Ok(true),
        "egress" => Ok(false),
        other => Err(Fault::invalid("direction", &format!("'{other}' is not in ['ingress', 'egress']"))),
    }
}

/// Upstream compares without regard to case.
fn ip_version(text: &str) -> Result<u8, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "ipv4" => Ok(4),
        "ipv6" => Ok(6),
        _ => {
            let message = format!(
                "Security group rule for ethertype '{text}' not supported. Allowed values are ['IPv4', 'IPv6']."
            );
            Err(Fault::new(400, "SecurityGroupRuleInvalidEtherType", message))
        }
    }
}

pub fn list<C: Networks>(cloud: &C, request: &Request) -> Answer {
    lists::list(request, &RULES, |conditions, page| {
        cloud.list_security_group_rules(conditions, page).map(|page| (page.rules, page.next))
    })
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(lists::one(request, &RULES, &cloud.get_security_group_rule(id(request))?))
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, &RULES)?;
    let creates = items.iter().map(new).collect::<Result<Vec<_>, _>>()?;
    lists::created(&RULES, bulk, &cloud.create_security_group_rules(&creates)?)
}

/// A port, or what a protocol without ports has in its place.
fn port(given: &Given, name: &str) -> Result<Option<i32>, Fault> {
    let wrong = || {
        let value = given.value(name).map(body::shown).unwrap_or_default();
        let message = format!("Invalid value for port {}", value.trim_matches('\''));
        Fault::new(400, "SecurityGroupInvalidPortValue", message)
    };
    let number = given.integer_or_null(name).map_err(|_| wrong())?;
    number
        .map(|number| i32::try_from(number).ok().filter(|port| (0..=65535).contains(port)).ok_or_else(wrong))
        .transpose()
}

fn new(given: &Given) -> Result<RuleCreate, Fault> {
    let protocol = match given.value("protocol") {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => given.text_or_null("protocol")?,
    };
    Ok(RuleCreate {
        group_id: given.required("security_group_id")?,
        project_id: given.project()?,
        ingress: ingress(&given.required("direction")?)?,
        ip_version: ip_version(given.text_or_null("ethertype")?.as_deref().unwrap_or("IPv4"))?,
        protocol,
        port_min: port(given, "port_range_min")?,
        port_max: port(given, "port_range_max")?,
        remote_cidr: given.text_or_null("remote_ip_prefix")?,
        remote_group_id: given.text_or_null("remote_group_id")?,
        description: given.text("description")?.unwrap_or_default(),
        attributes: "{}".into(),
    })
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_security_group_rule(id(request))?;
    Ok(respond::empty(204))
}
