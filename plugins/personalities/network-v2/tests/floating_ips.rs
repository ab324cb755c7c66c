//! Floating IPs: what is shown, asked for, made, bound and refused.

use network_v2::handle;
use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{PublicAddress, PublicAddressPage, PublicAddressWrite};
use skyloom_sdk::conditions::{any_of, is};
use skyloom_sdk::testing::{FakeCloud, Seen, error, invalid, json_of, not_found, not_permitted};
use skyloom_sdk::{Error, ErrorCode};

use crate::support::*;

const ID: &str = "00000000-2222-3333-4444-555555555501";
const OUTSIDE: &str = "00000000-2222-3333-4444-555555555502";
const PORT: &str = "00000000-2222-3333-4444-555555555503";

fn address(bound: bool) -> PublicAddress {
    PublicAddress {
        id: ID.to_owned(),
        project_id: "project-1".to_owned(),
        network_id: OUTSIDE.to_owned(),
        address: "203.0.113.7".to_owned(),
        port_id: bound.then(|| PORT.to_owned()),
        fixed_address: bound.then(|| "10.0.0.7".to_owned()),
        server_id: None,
        description: "front".to_owned(),
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 3,
        attributes: "{}".to_owned(),
    }
}

/// A core that makes and changes all that it is asked for, which is kept.
fn writing() -> (FakeCloud, Seen<PublicAddressWrite>) {
    let seen = Seen::default();
    let (made, changed) = (seen.clone(), seen.clone());
    let mut cloud = FakeCloud::default();
    cloud.networks.create_public_addresses = Some(Box::new(move |writes| {
        for write in writes {
            made.push(write.clone());
        }
        Ok(writes.iter().map(|_| address(false)).collect())
    }));
    cloud.networks.update_public_address = Some(Box::new(move |id, write| {
        assert_eq!(id, ID);
        changed.push(write.clone());
        Ok(address(matches!(write.port_id, Some(Some(_)))))
    }));
    (cloud, seen)
}

fn create(body: &Value) -> skyloom_sdk::Request {
    call("floatingips.create").body(&json!({ "floatingip": body })).build()
}

fn update(body: &Value) -> skyloom_sdk::Request {
    call("floatingips.update").param("floatingip_id", ID).body(&json!({ "floatingip": body })).build()
}

#[test]
fn one_is_shown_whole() {
    for bound in [false, true] {
        let mut cloud = FakeCloud::default();
        cloud.networks.get_public_address = Some(Box::new(move |id| match id {
            ID => Ok(address(bound)),
            _ => Err(not_found("public-address", id)),
        }));
        let show = |id: &str| handle(&cloud, call("floatingips.show").param("floatingip_id", id).build());
        let (port, fixed, status) =
            if bound { (json!(PORT), json!("10.0.0.7"), "ACTIVE") } else { (Value::Null, Value::Null, "DOWN") };
        let at = "2026-01-01T12:00:00Z";
        let expected = json!({ "id": ID, "description": "front", "project_id": "project-1", "tenant_id": "project-1",
            "floating_network_id": OUTSIDE, "floating_ip_address": "203.0.113.7", "port_id": port,
            "fixed_ip_address": fixed, "router_id": null, "status": status, "tags": [], "created_at": at,
            "updated_at": at, "revision_number": 3 });
        assert_eq!(json_of(&show(ID))["floatingip"], expected);
        let gone = (404, "FloatingIPNotFound".to_owned(), "Floating IP none could not be found".to_owned());
        assert_eq!(fault(&show("none")), gone);
    }
}

#[test]
fn a_list_is_looked_through_for_what_they_are() {
    let seen = Seen::default();
    let keep = seen.clone();
    let mut cloud = FakeCloud::default();
    cloud.networks.list_public_addresses = Some(Box::new(move |conditions, page| {
        keep.push((conditions.to_vec(), page.sort.iter().map(|key| key.field.clone()).collect::<Vec<_>>()));
        Ok(PublicAddressPage { addresses: vec![address(true)], next: None })
    }));
    for (name, value, expected) in [
        ("floating_network_id", OUTSIDE, is("network-id", OUTSIDE)),
        ("floating_ip_address", "203.0.113.7", is("address", "203.0.113.7")),
        ("fixed_ip_address", "10.0.0.7", is("fixed-address", "10.0.0.7")),
        ("port_id", PORT, is("port-id", PORT)),
        ("project_id", "p", is("project-id", "p")),
        ("tenant_id", "p", is("project-id", "p")),
        ("status", "ACTIVE", is("bound", "true")),
        ("status", "DOWN", is("bound", "false")),
        ("description", "front", is("description", "front")),
    ] {
        let list = handle(&cloud, call("floatingips.list").query(name, value).build());
        assert_eq!(json_of(&list)["floatingips"][0]["id"], ID);
        assert_eq!(seen.all().pop().expect("a call").0, [expected], "{name}");
    }
    // None has a router.
    handle(&cloud, call("floatingips.list").query("router_id", "x").build());
    assert_eq!(seen.all().pop().expect("a call").0, [any_of("id", Vec::<String>::new())]);
    for (key, field) in [("floating_ip_address", "address"), ("status", "bound"), ("port_id", "port-id")] {
        assert_eq!(handle(&cloud, call("floatingips.list").query("sort_key", key).build()).status, 200, "{key}");
        assert_eq!(seen.all().pop().expect("a call").1, [field, "id"]);
    }
    assert_eq!(handle(&cloud, call("floatingips.list").query("subnet_id", "x").build()).status, 400);
    cloud.networks.list_public_addresses = Some(Box::new(|_, _| Err(invalid("marker", "It is nowhere."))));
    let lost = call("floatingips.list").query("marker", "x").query("sort_key", "status");
    assert_eq!(fault(&handle(&cloud, lost.build())).1, "FloatingIPNotFound");
}

#[test]
fn bodies_reach_the_core() {
    let (cloud, seen) = writing();
    let whole = json!({ "floating_network_id": OUTSIDE, "subnet_id": PORT, "floating_ip_address": "203.0.113.7",
        "description": "front", "port_id": PORT, "fixed_ip_address": "10.0.0.7", "tenant_id": "p", "dns_name": "",
        "qos_policy_id": null, "tags": [] });
    let response = handle(&cloud, create(&whole));
    assert_eq!((response.status, &json_of(&response)["floatingip"]["id"]), (201, &json!(ID)));
    let some = |text: &str| Some(text.to_owned());
    let asked = PublicAddressWrite {
        project_id: some("p"),
        network_id: some(OUTSIDE),
        subnet_id: some(PORT),
        address: some("203.0.113.7"),
        description: some("front"),
        port_id: Some(some(PORT)),
        fixed_address: some("10.0.0.7"),
        attributes: None,
    };
    assert_eq!(seen.only(), asked);
    // What is null is not said; of a port it says that there is none.
    let least = json!({ "floating_network_id": OUTSIDE, "subnet_id": null, "port_id": null, "fixed_ip_address": null });
    assert_eq!(handle(&cloud, create(&least)).status, 201);
    let write = seen.all().pop().expect("a call");
    assert_eq!((write.subnet_id, write.port_id, write.fixed_address), (None, Some(None), None));
    for (body, port) in [
        (json!({ "port_id": PORT }), Some(some(PORT))),
        (json!({ "port_id": null }), Some(None)),
        (json!({}), Some(None)),
        (json!({ "description": "" }), None),
    ] {
        let response = handle(&cloud, update(&body));
        let status = if matches!(port, Some(Some(_))) { "ACTIVE" } else { "DOWN" };
        assert_eq!((response.status, &json_of(&response)["floatingip"]["status"]), (200, &json!(status)));
        assert_eq!(seen.all().pop().expect("a call").port_id, port);
    }
    let both = json!({ "floatingips": [{ "floating_network_id": OUTSIDE }, { "floating_network_id": OUTSIDE }] });
    let made = handle(&cloud, call("floatingips.create").body(&both).build());
    assert_eq!(json_of(&made)["floatingips"].as_array().map(Vec::len), Some(2));
}

#[test]
fn wrong_bodies_reach_no_core() {
    let (cloud, seen) = writing();
    let message = |request| {
        let (status, kind, message) = fault(&handle(&cloud, request));
        assert_eq!((status, kind.as_str()), (400, "HTTPBadRequest"), "{message}");
        message
    };
    let missing = message(create(&json!({})));
    assert_eq!(missing, "Failed to parse request. Required attribute 'floating_network_id' not specified");
    for (name, value) in [("floating_network_id", json!("x")), ("port_id", json!(7)), ("subnet_id", json!(""))] {
        let mut body = json!({ "floating_network_id": OUTSIDE });
        body[name] = value;
        assert!(message(create(&body)).ends_with("is not a valid UUID."), "{name}");
    }
    for name in ["router_id", "status", "id"] {
        let body = json!({ "floating_network_id": OUTSIDE, name: "x" });
        assert_eq!(message(create(&body)), format!("Attribute '{name}' not allowed in POST"));
        assert_eq!(message(update(&json!({ name: "x" }))), format!("Cannot update read-only attribute {name}"));
    }
    for name in ["floating_network_id", "floating_ip_address", "project_id", "subnet_id"] {
        assert_eq!(message(update(&json!({ name: PORT }))), format!("Cannot update read-only attribute {name}"));
    }
    let other = message(create(&json!({ "floating_network_id": OUTSIDE, "name": "x" })));
    assert_eq!(other, "Unrecognized attribute(s) 'name'");
    let alone = json!({ "fixed_ip_address": "10.0.0.7", "port_id": null });
    let (status, kind, message) = fault(&handle(&cloud, update(&alone)));
    let expected = "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.";
    assert_eq!((status, kind.as_str(), message.as_str()), (400, "BadRequest", expected));
    assert!(seen.all().is_empty());
}

#[test]
fn refusals_have_upstreams_words() {
    let said = |refused: Error| {
        let (mut cloud, _) = writing();
        cloud.networks.update_public_address = Some(Box::new(move |_, _| Err(refused.clone())));
        fault(&handle(&cloud, update(&json!({ "port_id": PORT }))))
    };
    let because = |field: &str, reason: &str| Error { reason: Some(reason.to_owned()), ..invalid(field, "It is so.") };
    for (field, reason) in [
        ("network-id", "not-external"),
        ("network-id", "no-subnet"),
        ("port-id", "other-project"),
        ("port-id", "external"),
        ("port-id", "no-address"),
        ("fixed-address", "not-of-port"),
        ("fixed-address", "ambiguous"),
    ] {
        let expected = (400, "BadRequest".to_owned(), "Bad floatingip request: It is so.".to_owned());
        assert_eq!(said(because(field, reason)), expected, "{reason}");
    }
    let malformed = "Invalid input for fixed_ip_address. Reason: It is so.";
    assert_eq!(said(because("fixed-address", "malformed")).2, malformed);
    let taken = said(error(ErrorCode::InUse, "It is led to."));
    assert_eq!((taken.0, taken.1.as_str()), (409, "FloatingIPPortAlreadyAssociated"));
    let no_port = (404, "PortNotFound".to_owned(), format!("Port {PORT} could not be found."));
    assert_eq!(said(not_found("port", PORT)), no_port);

    let (mut cloud, _) = writing();
    let made = |cloud: &FakeCloud| {
        let rule = "rule:create_floatingip";
        let body = json!({ "floatingip": { "floating_network_id": OUTSIDE } });
        fault(&handle(cloud, call("floatingips.create").rule(rule).body(&body).build()))
    };
    let full = Error { field: Some("public-addresses".to_owned()), ..error(ErrorCode::QuotaExceeded, "x") };
    cloud.networks.create_public_addresses = Some(Box::new(move |_| Err(full.clone())));
    let quota = (409, "OverQuota".to_owned(), "Quota exceeded for resources: ['floatingip'].".to_owned());
    assert_eq!(made(&cloud), quota);
    let chosen = Error { field: Some("address".to_owned()), ..not_permitted("networks:write-all") };
    cloud.networks.create_public_addresses = Some(Box::new(move |_| Err(chosen.clone())));
    let rule = "(rule:create_floatingip and rule:create_floatingip:floating_ip_address) is disallowed by policy";
    assert_eq!(made(&cloud), (403, "PolicyNotAuthorized".to_owned(), rule.to_owned()));
}
