//! Rules of security groups.

use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{RuleCreate, RuleFilter, SecurityGroupRule};
use skyloom_sdk::{Networks, Request, respond, time};

use crate::body::{self, Attributes, Use};
use crate::lists::{Wanted, shown};
use crate::networks::object;
use crate::{Answer, Fault, Object, one};

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
    ("remote_address_group_id", Use::Unset),
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
        _ => Err(Fault::invalid("ethertype", &format!("'{text}' is not in ['IPv4', 'IPv6']"))),
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
    let given = body::read(request, "security_group_rule", ATTRIBUTES, true)?;
    let port = |name: &str| -> Result<Option<i32>, Fault> {
        given
            .integer(name)?
            .map(|port| i32::try_from(port).map_err(|_| Fault::invalid(name, &format!("Invalid port: {port}"))))
            .transpose()
    };
    let protocol = match given.value("protocol") {
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => given.text_or_null("protocol")?,
    };
    let create = RuleCreate {
        group_id: given.required("security_group_id")?,
        project_id: given.project()?,
        ingress: ingress(&given.required("direction")?)?,
        ip_version: ip_version(given.text_or_null("ethertype")?.as_deref().unwrap_or("IPv4"))?,
        protocol,
        port_min: port("port_range_min")?,
        port_max: port("port_range_max")?,
        remote_cidr: given.text_or_null("remote_ip_prefix")?,
        remote_group_id: given.text_or_null("remote_group_id")?,
        description: given.text_or_null("description")?.unwrap_or_default(),
    };
    Ok(one(201, "security_group_rule", view(cloud.create_security_group_rule(&create)?)))
}

pub fn delete<C: Networks>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_security_group_rule(id(request))?;
    Ok(respond::empty(204))
}
