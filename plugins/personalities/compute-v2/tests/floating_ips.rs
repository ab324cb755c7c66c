//! Floating IPs as clients of old ask Nova for them: lists, pools, what servers get and lose.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Address, Server, ServerNic};
use skyloom_sdk::cloud::networks::{Network, NetworkPage, PublicAddress, PublicAddressPage, PublicAddressWrite};
use skyloom_sdk::conditions::is;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, invalid, not_found, not_permitted};
use skyloom_sdk::{Condition, ErrorCode, rule};

const BOUND: &str = "5b1a1b44-4cd2-4f5a-9c7a-1d0c1f2d3e11";
const FREE: &str = "5b1a1b44-4cd2-4f5a-9c7a-1d0c1f2d3e12";

fn address(id: &str, text: &str) -> PublicAddress {
    let bound = id == BOUND;
    PublicAddress {
        id: id.to_owned(),
        project_id: "project-1".to_owned(),
        network_id: NETWORK.to_owned(),
        address: text.to_owned(),
        port_id: bound.then(|| PORT.to_owned()),
        fixed_address: bound.then(|| "10.0.0.5".to_owned()),
        server_id: bound.then(|| SERVER.to_owned()),
        description: String::new(),
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 1,
        attributes: "{}".to_owned(),
    }
}

fn network(id: &str, name: &str) -> Network {
    Network {
        id: id.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        project_id: "project-2".to_owned(),
        shared: false,
        external: true,
        enabled: true,
        mtu: 1500,
        port_security: true,
        is_default: false,
        subnet_ids: Vec::new(),
        zone: None,
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

fn met(conditions: &[Condition], field: &str, value: &str) -> bool {
    conditions.iter().filter(|condition| condition.field == field).all(|condition| *condition == is(field, value))
}

/// A core with a bound and a free address of one pool, two pools of one name and one without a name; what is written is kept.
fn with_addresses() -> (FakeCloud, Seen<(String, PublicAddressWrite)>) {
    let mut cloud = with_server(server());
    let known = [address(BOUND, "203.0.113.7"), address(FREE, "203.0.113.8")];
    let shown = known.clone();
    cloud.networks.get_public_address = Some(Box::new(move |id| {
        shown.iter().find(|one| one.id == id).cloned().ok_or_else(|| not_found("public-address", id))
    }));
    cloud.networks.list_public_addresses = Some(Box::new(move |conditions, _| {
        assert!(conditions.contains(&is("project-id", "project-1")));
        let addresses = known.iter().filter(|one| met(conditions, "address", &one.address)).cloned().collect();
        Ok(PublicAddressPage { addresses, next: None })
    }));
    let networks = [network(NETWORK, "external"), network("a", "twin"), network("b", "twin"), network("bare", "")];
    let pools = networks.clone();
    cloud.networks.get_network = Some(Box::new(move |id| {
        networks.iter().find(|network| network.id == id).cloned().ok_or_else(|| not_found("network", id))
    }));
    cloud.networks.list_networks = Some(Box::new(move |conditions, _| {
        assert!(conditions.contains(&is("external", true)));
        let wanted = |network: &&Network| met(conditions, "id", &network.id) && met(conditions, "name", &network.name);
        Ok(NetworkPage { networks: pools.iter().filter(wanted).cloned().collect(), next: None })
    }));
    let seen: Seen<(String, PublicAddressWrite)> = Seen::default();
    let (made, changed) = (seen.clone(), seen.clone());
    cloud.networks.create_public_addresses = Some(Box::new(move |writes| {
        made.push((String::new(), writes[0].clone()));
        Ok(vec![address(FREE, "203.0.113.8")])
    }));
    cloud.networks.update_public_address = Some(Box::new(move |id, write| {
        changed.push((id.to_owned(), write.clone()));
        Ok(address(id, "203.0.113.8"))
    }));
    (cloud, seen)
}

fn of_one(operation: &str, method: &str, id: &str) -> Call {
    Call::new(operation, method, "/v2.1/os-floating-ips/x").version(2, 1).param("floating_ip_id", id)
}

fn create(body: &Value) -> Call {
    post("floating_ips.create", "/v2.1/os-floating-ips", body)
}

fn act(action: &str, members: &Value) -> Call {
    let operation = if action == "addFloatingIp" { "server_floating_ips.add" } else { "server_floating_ips.remove" };
    post(operation, "/v2.1/servers/x/action", &json!({ action: members }))
}

#[test]
fn floating_ips_are_shown_with_their_pool_and_their_server() {
    let (cloud, _) = with_addresses();
    let bound =
        json!({ "id": BOUND, "ip": "203.0.113.7", "pool": "external", "fixed_ip": "10.0.0.5", "instance_id": SERVER });
    let free = json!({ "id": FREE, "ip": "203.0.113.8", "pool": "external", "fixed_ip": null, "instance_id": null });
    let (status, body) = ask(&cloud, ecs(), get("floating_ips.list", "/v2.1/os-floating-ips"));
    assert_eq!((status, &body), (200, &json!({ "floating_ips": [bound, free] })));
    for (id, expected) in [(BOUND, &bound), (FREE, &free)] {
        let (status, body) = ask(&cloud, upstream(), of_one("floating_ips.show", "GET", id));
        assert_eq!((status, &body["floating_ip"]), (200, expected));
    }
    let gone = refused(&cloud, upstream(), of_one("floating_ips.show", "GET", "none"), 404);
    assert_eq!(gone, "Floating IP not found for ID none");
}

#[test]
fn who_may_not_look_at_networks_sees_the_ids_of_pools() {
    let (mut cloud, seen) = with_addresses();
    cloud.networks.list_networks = Some(Box::new(|_, _| Err(not_permitted("networks:read"))));
    cloud.networks.get_network = Some(Box::new(|_| Err(not_permitted("networks:read"))));
    let (status, body) = ask(&cloud, upstream(), get("floating_ips.list", "/v2.1/os-floating-ips"));
    assert_eq!((status, &body["floating_ips"][0]["pool"]), (200, &json!(NETWORK)));
    for call in [of_one("floating_ips.show", "GET", FREE), create(&json!({}))] {
        let (status, body) = ask(&cloud, upstream(), call);
        assert_eq!((status, &body["floating_ip"]["pool"]), (200, &json!(NETWORK)));
    }
    assert_eq!(seen.all().len(), 1, "made, and told so");
    // Who asks for the pools themselves is refused.
    assert_eq!(ask(&cloud, upstream(), get("floating_ip_pools.list", "/v2.1/os-floating-ip-pools")).0, 403);
}

#[test]
fn pools_are_the_external_networks() {
    let (cloud, _) = with_addresses();
    let (status, body) = ask(&cloud, upstream(), get("floating_ip_pools.list", "/v2.1/os-floating-ip-pools"));
    let names = ["external", "twin", "twin", "bare"].map(|name| json!({ "name": name }));
    assert_eq!((status, body), (200, json!({ "floating_ip_pools": names })));
    rule!("nova.floating_ip_pools.list", "c38a3011");
}

#[test]
fn one_is_made_in_the_pool_that_is_named_or_in_the_default_one() {
    let (cloud, seen) = with_addresses();
    for (body, network) in [
        (json!({ "pool": "external" }), Some(NETWORK)),
        (json!({ "pool": NETWORK }), Some(NETWORK)),
        (json!({ "pool": "bare" }), Some("bare")),
        (json!({ "pool": null }), None),
        (json!({}), None),
    ] {
        let (status, answer) = ask(&cloud, upstream(), create(&body));
        assert_eq!((status, &answer["floating_ip"]["ip"]), (200, &json!("203.0.113.8")), "{body}");
        let write = seen.all().pop().expect("a creation").1;
        assert_eq!((write.network_id.as_deref(), write.port_id), (network, None), "{body}");
    }
    rule!("nova.floating_ips.create", "02d0ad07", "0d2ab208");
    let twice = refused(&cloud, upstream(), create(&json!({ "pool": "twin" })), 409);
    assert_eq!(twice, "Multiple floating IP pools matches found for name 'twin'");
    let none = "Floating IP pool not found.";
    assert_eq!(refused(&cloud, upstream(), create(&json!({ "pool": "none" })), 404), none);
    assert_eq!(seen.all().len(), 5);

    let (mut cloud, _) = with_addresses();
    for (code, pool, status, says) in [
        (ErrorCode::NoAddress, json!("external"), 404, "No more floating IPs in pool external."),
        (ErrorCode::NoAddress, json!(null), 404, "No more floating IPs available."),
        (ErrorCode::QuotaExceeded, json!("external"), 403, "IP allocation over quota in pool external."),
        (ErrorCode::QuotaExceeded, json!(null), 403, "IP allocation over quota."),
        (ErrorCode::NotSupported, json!(null), 404, none),
    ] {
        let full = error(code, "x");
        cloud.networks.create_public_addresses = Some(Box::new(move |_| Err(full.clone())));
        assert_eq!(refused(&cloud, upstream(), create(&json!({ "pool": pool })), status), says);
    }
}

#[test]
fn one_is_given_back() {
    let (mut cloud, _) = with_addresses();
    cloud.networks.delete_public_address = Some(Box::new(|id| match id {
        BOUND => Ok(()),
        _ => Err(not_found("public-address", id)),
    }));
    assert_eq!(ask(&cloud, upstream(), of_one("floating_ips.delete", "DELETE", BOUND)), (202, Value::Null));
    let gone = refused(&cloud, upstream(), of_one("floating_ips.delete", "DELETE", FREE), 404);
    assert_eq!(gone, format!("Floating IP not found for ID {FREE}"));
}

#[test]
fn a_server_gets_a_floating_ip_at_the_address_that_is_named_or_at_its_first() {
    let (cloud, seen) = with_addresses();
    for members in [
        json!({ "address": "203.0.113.8" }),
        json!({ "address": "203.0.113.8", "fixed_address": "10.0.0.5" }),
        // One that leads elsewhere leads here then.
        json!({ "address": "203.0.113.7" }),
    ] {
        assert_eq!(ask(&cloud, ecs(), act("addFloatingIp", &members)), (202, Value::Null));
        let (id, write) = seen.all().pop().expect("a change");
        assert_eq!(id, if members["address"] == "203.0.113.7" { BOUND } else { FREE });
        let led = (write.port_id.flatten(), write.fixed_address);
        assert_eq!(led, (Some(PORT.to_owned()), Some("10.0.0.5".to_owned())));
        assert_eq!((write.network_id, write.description), (None, None));
    }
    rule!("nova.floating_ips.add_to_server", "519125e8");
    let said = |members: Value, status| refused(&cloud, upstream(), act("addFloatingIp", &members), status);
    assert_eq!(said(json!({ "address": "203.0.113.9" }), 404), "floating IP not found");
    for other in ["10.0.0.6", "203.0.113.7"] {
        let wrong = json!({ "address": "203.0.113.8", "fixed_address": other });
        assert_eq!(said(wrong, 400), "Specified fixed address not assigned to instance");
    }
    assert!(said(json!({ "address": "x" }), 400).contains("address. Value: x."));
    assert!(said(json!({ "address": "203.0.113.8", "fixed_address": "x" }), 400).contains("fixed_address. Value: x."));
    assert_eq!(seen.all().len(), 3);
}

#[test]
fn a_server_that_no_floating_ip_can_lead_to_gets_none() {
    let (mut cloud, _) = with_addresses();
    let with = |addresses: Vec<Address>| {
        let nic = ServerNic { addresses, ..server().nics[0].clone() };
        with_server(Server { nics: vec![nic], ..server() }).compute.get_server
    };
    let said =
        |cloud: &FakeCloud| refused(cloud, upstream(), act("addFloatingIp", &json!({ "address": "203.0.113.8" })), 400);
    let address = |text: &str, ip_version, floating| Address { address: text.to_owned(), ip_version, floating };
    cloud.compute.get_server = with(vec![address("203.0.113.7", 4, true)]);
    assert_eq!(said(&cloud), "No fixed IPs associated to instance");
    cloud.compute.get_server = with(vec![address("2001:db8::5", 6, false)]);
    let expected = format!(
        "Unable to associate floating IP 203.0.113.8 to any fixed IPs for instance {SERVER}. Instance has no fixed IPv4 \
         addresses to associate."
    );
    assert_eq!(said(&cloud), expected);

    let (mut cloud, _) = with_addresses();
    let unable =
        format!("Unable to associate floating IP 203.0.113.8 to fixed IP 10.0.0.5 for instance {SERVER}. Error: No.");
    for refusal in [error(ErrorCode::InUse, "No."), invalid("port-id", "No.")] {
        cloud.networks.update_public_address = Some(Box::new(move |_, _| Err(refusal.clone())));
        assert_eq!(said(&cloud), unable);
    }
    cloud.networks.update_public_address = Some(Box::new(|_, _| Err(not_permitted("public-addresses:bind"))));
    let call = act("addFloatingIp", &json!({ "address": "203.0.113.8" })).rule("os_compute_api:os-floating-ips:add");
    let denied = "Policy doesn't allow os_compute_api:os-floating-ips:add to be performed.";
    assert_eq!(refused(&cloud, upstream(), call, 403), denied);
}

#[test]
fn a_server_loses_the_floating_ip_that_it_has() {
    let (cloud, seen) = with_addresses();
    let remove = |address: &str| act("removeFloatingIp", &json!({ "address": address }));
    assert_eq!(ask(&cloud, upstream(), remove("203.0.113.7")), (202, Value::Null));
    let (id, write) = seen.only();
    assert_eq!((id.as_str(), write.port_id, write.fixed_address), (BOUND, Some(None), None));
    rule!("nova.floating_ips.remove_from_server", "9ac9d142");
    assert_eq!(refused(&cloud, upstream(), remove("203.0.113.9"), 404), "floating IP not found");
    let free = format!("Floating IP 203.0.113.8 is not associated with instance {SERVER}.");
    assert_eq!(refused(&cloud, upstream(), remove("203.0.113.8"), 409), free);
    let gone = Call::new("server_floating_ips.remove", "POST", "/v2.1/servers/x/action").version(2, 1);
    let gone = gone.param("server_id", "none").body(&json!({ "removeFloatingIp": { "address": "203.0.113.7" } }));
    assert!(refused(&cloud, upstream(), gone, 404).contains("could not be found"));
    assert_eq!(seen.all().len(), 1);
}

#[test]
fn the_lists_end_with_2_35_and_the_actions_with_2_43() {
    let (cloud, _) = with_addresses();
    let ended = "The resource could not be found.";
    for operation in ["floating_ips.list", "floating_ip_pools.list"] {
        assert_eq!(ask(&cloud, upstream(), get(operation, "/v2.1/x").version(2, 35)).0, 200);
        assert_eq!(refused(&cloud, upstream(), get(operation, "/v2.1/x").version(2, 36), 404), ended);
    }
    for (action, operation) in [("addFloatingIp", "add_to_server"), ("removeFloatingIp", "remove_from_server")] {
        for settings in [upstream(), ecs()] {
            let at = |minor| act(action, &json!({ "address": "203.0.113.7" })).version(2, minor);
            assert_eq!(ask(&cloud, settings, at(43)).0, 202);
            assert_eq!(refused(&cloud, settings, at(44), 404), ended);
        }
        rule!(format!("nova.floating_ips.{operation}"), "97c0ab1f");
    }
}
