//! Versions, resources, extensions, zones.

use serde_json::{Value, json};
use skyloom_sdk::{Compute, Request, Response, respond};

use crate::{Answer, Fault};

fn answer(body: &Value) -> Response {
    respond::json(200, body.to_string().into_bytes())
}

pub fn list(request: &Request) -> Response {
    let href = format!("{}/v2.0/", request.base_url);
    answer(&json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": href}]}]}))
}

pub fn resources(request: &Request) -> Response {
    let resource = |name: &str, collection: &str| {
        let href = format!("{}/v2.0/{collection}", request.base_url);
        json!({"name": name, "collection": collection, "links": [{"rel": "self", "href": href}]})
    };
    answer(
        &json!({"resources": [resource("network", "networks"), resource("subnet", "subnets"), resource("port", "ports")]}),
    )
}

/// What is served beyond the core of the API: alias, name, description.
const EXTENSIONS: &[(&str, &str, &str)] = &[
    ("availability_zone", "Availability Zone", "The availability zones of the cloud."),
    ("empty-string-filtering", "Empty String Filtering Extension", "A filter without a text finds what has none."),
    ("external-net", "Neutron external network", "Marks networks that lead outside."),
    ("filter-validation", "Filter parameters validation", "Refuses filters that are not known."),
    ("ip_allocation", "IP Allocation", "Ports tell when their addresses are given."),
    ("net-mtu", "Network MTU", "Shows the largest packet of a network."),
    ("net-mtu-writable", "Network MTU (writable)", "Lets the largest packet of a network be chosen."),
    ("pagination", "Pagination support", "Lists come in pages."),
    ("port-security", "Port Security", "Lets the filtering of a port be switched."),
    ("project-id", "project_id field enabled", "Resources name their project."),
    ("router", "Neutron L3 Router", "Shows the routers of a project; floating IPs."),
    ("security-group", "security-group", "Groups of rules for the traffic of ports."),
    ("sorting", "Sorting support", "Lists can be ordered."),
    ("standard-attr-description", "standard-attr-description", "Resources have a description."),
    ("standard-attr-revisions", "Resource revision numbers", "Resources count their changes."),
    ("standard-attr-timestamp", "Resource timestamps", "Resources tell when they were made and changed."),
    ("stateful-security-group", "Stateful security group", "A security group may be stateless."),
    (
        "subnet-external-network",
        "Subnet belongs to an external network",
        "Everybody sees the subnets of external networks.",
    ),
];

fn shown((alias, name, description): &(&str, &str, &str)) -> Value {
    json!({"alias": alias, "name": name, "description": description, "updated": "2026-01-01T00:00:00-00:00", "links": []})
}

pub fn extensions() -> Response {
    answer(&json!({"extensions": EXTENSIONS.iter().map(shown).collect::<Vec<_>>()}))
}

pub fn extension(request: &Request) -> Answer {
    let alias = respond::param(request, "alias");
    let found = EXTENSIONS.iter().find(|(known, ..)| *known == alias);
    let found = found
        .ok_or_else(|| Fault::new(404, "ExtensionNotFound", format!("Extension with alias {alias} does not exist")))?;
    Ok(answer(&json!({"extension": shown(found)})))
}

pub fn zones<C: Compute>(cloud: &C, request: &Request) -> Answer {
    let query = skyloom_sdk::query::Query(&request.query);
    let zones = cloud.list_zones()?;
    let zones: Vec<Value> = zones
        .iter()
        .map(|zone| {
            let state = if zone.available { "available" } else { "unavailable" };
            json!({"name": zone.name, "resource": "network", "state": state})
        })
        .filter(|zone| {
            ["name", "resource", "state"].iter().all(|key| {
                let mut wanted = query.all(key).peekable();
                wanted.peek().is_none() || wanted.any(|value| zone[*key] == value)
            })
        })
        .collect();
    Ok(answer(&json!({"availability_zones": zones})))
}
