//! Network cards that come to a server and leave it.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, ServerNic, TaskState};
use skyloom_sdk::testing::{Call, error, invalid, not_found};
use skyloom_sdk::{Error, ErrorCode, rule};

const CREATE: &str = "nova.server_interfaces.create";
const DELETE: &str = "nova.server_interfaces.delete";
const SECOND: &str = "5b6b1a34-5aa4-4f8f-9d2a-3b8f0c6c1a10";

fn create(attachment: &Value) -> Call {
    post("server_interfaces.create", "/v2.1/servers/x/os-interface", &json!({ "interfaceAttachment": attachment }))
}

fn delete(port: &str) -> Call {
    let call = Call::new("server_interfaces.delete", "DELETE", "/v2.1/servers/x/os-interface/y");
    call.version(2, 1).param("server_id", SERVER).param("port_id", port)
}

/// With a second card.
fn server_of_two() -> Server {
    let second = ServerNic { port_id: SECOND.to_owned(), ..server().nics.remove(0) };
    Server { nics: [server().nics, vec![second]].concat(), ..server() }
}

#[test]
fn a_card_comes_on_a_network_or_with_a_port_and_is_shown() {
    let shown = json!({ "port_id": PORT, "net_id": NETWORK, "mac_addr": "fa:16:3e:00:00:01", "port_state": "ACTIVE",
        "fixed_ips": [{ "subnet_id": "subnet-1", "ip_address": "10.0.0.5" }] });
    for (attachment, asked) in [
        (json!({ "net_id": NETWORK }), format!("attach network={NETWORK}")),
        (json!({ "port_id": PORT }), format!("attach port={PORT}")),
        (
            json!({ "net_id": NETWORK, "fixed_ips": [{ "ip_address": "10.0.0.5" }] }),
            format!("attach network={NETWORK} address=10.0.0.5"),
        ),
        // As a client sends what it has nothing for.
        (json!({ "port_id": PORT, "net_id": null, "fixed_ips": null, "tag": null }), format!("attach port={PORT}")),
        (json!({}), "attach ".to_owned()),
    ] {
        for settings in [upstream(), ecs()] {
            let (cloud, seen) = with_interfaces(server(), None);
            let (status, body) = ask(&cloud, settings, create(&attachment));
            assert_eq!((status, &body), (200, &json!({ "interfaceAttachment": shown })), "{attachment}");
            assert_eq!(seen.only(), asked);
        }
    }
    let (cloud, _) = with_interfaces(server(), None);
    let (_, body) = ask(&cloud, upstream(), create(&json!({ "net_id": NETWORK })).version(2, 70));
    assert_eq!(body["interfaceAttachment"]["tag"], Value::Null);
    rule!(CREATE, "69198698");
}

#[test]
fn what_excludes_each_other_is_refused_by_name() {
    let one = json!({ "ip_address": "10.0.0.9" });
    for (attachment, named) in [
        (json!({ "net_id": NETWORK, "port_id": PORT }), "net_id and port_id"),
        (json!({ "port_id": PORT, "fixed_ips": [one] }), "fixed_ips"),
        (json!({ "fixed_ips": [one] }), "fixed_ips"),
        (json!({ "net_id": NETWORK, "fixed_ips": [one, { "ip_address": "10.0.0.8" }] }), "fixed_ips"),
        (json!({ "net_id": NETWORK, "fixed_ips": [] }), "fixed_ips"),
        (json!({ "net_id": NETWORK, "fixed_ips": "10.0.0.9" }), "fixed_ips"),
        (json!({ "net_id": NETWORK, "fixed_ips": [{ "ip_address": "10.0.0" }] }), "ip_address"),
        (json!({ "net_id": NETWORK, "fixed_ips": [{}] }), "ip_address"),
        (json!({ "net_id": NETWORK, "tag": "data" }), "tag"),
    ] {
        let (cloud, seen) = with_interfaces(server(), None);
        for settings in [upstream(), ecs()] {
            let message = refused(&cloud, settings, create(&attachment).version(2, 49), 400);
            assert!(message.contains(named), "{attachment}: {message}");
        }
        assert!(seen.all().is_empty(), "{attachment} reached the core");
    }
    rule!(CREATE, "cbface91", "52df8345", "5df85d3e");
}

#[test]
fn what_the_core_refuses_is_said_in_upstreams_words() {
    let of = |kind: &str, error: Error| Error { resource: Some((kind.to_owned(), "x".to_owned())), ..error };
    let address = |reason: &str| Error {
        reason: Some(reason.to_owned()),
        ..of("network", invalid("address", "It doesn't fit."))
    };
    let ambiguous = Error { field: Some("networks".to_owned()), ..error(ErrorCode::WrongState, "Multiple networks.") };
    for (refusal, status, words) in [
        (not_found("port", "x"), 404, "Port id x could not be found."),
        (not_found("network", "x"), 404, "x could not be found"),
        (not_found("server", SERVER), 404, "Instance"),
        (of("port", error(ErrorCode::InUse, "Port x is still in use.")), 409, "Port x is still in use."),
        (error(ErrorCode::AddressInUse, "10.0.0.5 is taken."), 409, "10.0.0.5 is taken."),
        (error(ErrorCode::NoAddress, "No more addresses."), 400, "No more addresses."),
        (address("not-of-network"), 400, "fixed_ips. It doesn't fit."),
        (address("missing"), 400, "net_id. It doesn't fit."),
        (ambiguous, 400, "Multiple networks."),
        (invalid("networks", "No network is available."), 400, "No network is available."),
        (error(ErrorCode::QuotaExceeded, "Quota exceeded for ports."), 403, "Quota exceeded"),
        (error(ErrorCode::Locked, "It is locked."), 409, "It is locked."),
        (error(ErrorCode::WrongState, "Cannot."), 409, "Cannot 'attach_interface' instance"),
    ] {
        let (cloud, _) = with_interfaces(server(), Some(refusal.clone()));
        let message = refused(&cloud, upstream(), create(&json!({ "net_id": NETWORK })), status);
        assert!(message.contains(words), "{refusal:?}: {message}");
    }
    let busy = error(ErrorCode::Busy, "Cannot.");
    let (cloud, _) = with_interfaces(Server { task_state: Some(TaskState::Rebooting), ..server_of_two() }, Some(busy));
    let message = refused(&cloud, upstream(), delete(SECOND), 409);
    assert!(message.contains("Cannot 'detach_interface' instance") && message.contains("rebooting"), "{message}");
}

#[test]
fn a_card_leaves_and_the_vendors_first_one_stays() {
    for (settings, port, status) in [(upstream(), PORT, 202), (upstream(), SECOND, 202), (ecs(), SECOND, 202)] {
        let (cloud, seen) = with_interfaces(server_of_two(), None);
        assert_eq!(call(&cloud, settings, delete(port)).status, status);
        assert_eq!(seen.only(), format!("detach {port}"));
    }
    let (cloud, seen) = with_interfaces(server_of_two(), None);
    let message = refused(&cloud, ecs(), delete(PORT), 403);
    assert!(message.contains(PORT) && message.contains("primary"), "{message}");
    assert!(seen.all().is_empty());
    rule!(DELETE, "921b9030");
    let (cloud, _) = with_interfaces(server_of_two(), Some(not_found("port", "x")));
    assert_eq!(refused(&cloud, upstream(), delete("x"), 404), "Port id x could not be found.");
}

#[test]
fn a_tag_stays_with_its_card_when_others_leave_and_come() {
    let attributes = r#"{"nic_tags":["first","second"]}"#.to_owned();
    for (position, tag) in [(0, json!("first")), (1, json!("second")), (64, Value::Null)] {
        let nics = vec![ServerNic { position, ..server().nics.remove(0) }];
        let (cloud, _) = with_interfaces(Server { nics, attributes: attributes.clone(), ..server() }, None);
        let show =
            get("server_interfaces.show", "/v2.1/servers/x/os-interface/y").param("port_id", PORT).version(2, 70);
        assert_eq!(ask(&cloud, upstream(), show).1["interfaceAttachment"]["tag"], tag, "{position}");
    }
}
