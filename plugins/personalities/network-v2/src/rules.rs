//! Rules of security groups.

use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{RuleCreate, RuleFilter, SecurityGroupRule};
use skyloom_sdk::{Networks, Request, respond, time};

use crate::body::{self, Attributes, Creation, Given, Use};
use crate::lists::{Wanted, shown};
use crate::networks::object;
use crate::unset::Form;
use crate::{Answer, Fault, Object, created, one};

const ATTRIBUTES: Attributes = &[
    ("security_group_id", Use::Create),
    ("direction", Use::Create),
    ("ethertype", Use::Create),
    ("protocol", Use::Create),
    ("port_range_min", Use::Create),
    ("port_range_max", Use::Create),
    ("remote_ip_prefix", Use::Create),
    ("remote_group_id", Use::Create),
    ("description", Use::Create),
    ("project_id", Use::Create),
    ("tenant_id", Use::Create),
    ("remote_address_group_id", Use::Unset(Form::Uuid)),
    ("normalized_cidr", Use::Read),
    ("belongs_to_default_sg", Use::Read),
    ("id", Use::Read),
    ("created_at", Use::Read),
    ("updated_at", Use::Read),
    ("revision_number", Use::Read),
];

pub fn view(rule: SecurityGroupRule) -> Object {
    object(json!({
        "id": rule.id,
        "security_group_id": rule.group_id,
        "project_id": rule.project_id,
        "tenant_id": rule.project_id,
        "direction": if rule.ingress { "ingress" } else { "egress" },
        "ethertype": if rule.ip_version == 6 { "IPv6" } else { "IPv4" },
        "protocol": rule.protocol,
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        "remote_ip_prefix": rule.remote_cidr,
        "remote_group_id": rule.remote_group_id,
        "remote_address_group_id": null,
        "description": rule.description,
        "created_at": time::seconds_z(rule.created_at),
        "updated_at": time::seconds_z(rule.created_at),
        "revision_number": rule.revision,
    }))
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
    let mut wanted = Wanted::new(request);
    let filter = RuleFilter {
        ids: wanted.any("id"),
        group_id: wanted.one("security_group_id")?,
        project_id: wanted.project()?,
        ingress: wanted.one("direction")?.as_deref().map(ingress).transpose()?,
        ip_version: wanted.one("ethertype")?.as_deref().map(ip_version).transpose()?,
        protocol: wanted.one("protocol")?,
        remote_cidr: wanted.one("remote_ip_prefix")?,
        remote_group_id: wanted.one("remote_group_id")?,
    };
    let fetch = |page: &skyloom_sdk::PageRequest| {
        let page = cloud.list_security_group_rules(&filter, page)?;
        Ok((page.rules, page.next))
    };
    wanted.answer(request, "security-group-rules", fetch, view)
}

pub fn show<C: Networks>(cloud: &C, request: &Request) -> Answer {
    Ok(one(200, "security_group_rule", shown(request, view(cloud.get_security_group_rule(id(request))?))))
}

pub fn create<C: Networks>(cloud: &C, request: &Request) -> Answer {
    let Creation { items, bulk } = body::creation(request, "security_group_rule", ATTRIBUTES)?;
    let creates = items.iter().map(new).collect::<Result<Vec<_>, _>>()?;
    created("security_group_rule", bulk, cloud.create_security_group_rules(&creates)?.into_iter().map(view).collect())
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
    })
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_security_group_rule(id(request))?;
    Ok(respond::empty(204))
}
