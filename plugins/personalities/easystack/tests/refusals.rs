//! A refusal names the field of the client's own body.

use nova::testing::*;
use serde_json::{Value, json};
use skyloom_sdk::testing::{Call, FakeCloud, error, json_of};
use skyloom_sdk::{Error, ErrorCode};

fn refused(cloud: &FakeCloud, call: Call) -> String {
    let response = easystack::handle(cloud, &call.build());
    let body = json_of(&response);
    assert_eq!((response.status, &body["error"]["code"]), (400, &json!(400)), "{body}");
    body["error"]["message"].as_str().expect("a message").to_owned()
}

fn creation(nic: &Value) -> Call {
    let server = json!({ "name": "a", "flavorRef": "7", "imageRef": IMAGE, "networks": [nic] });
    Call::new("servers.create", "POST", "/v2.1/servers").version(2, 1).body(&json!({ "server": server }))
}

/// As the core refuses an interface, whatever was asked for.
fn with_refusal(reason: &str) -> FakeCloud {
    let wrong = Error {
        field: Some("address".to_owned()),
        reason: Some(reason.to_owned()),
        resource: Some(("network".to_owned(), NETWORK.to_owned())),
        ..error(ErrorCode::Invalid, "It doesn't fit.")
    };
    let mut cloud = FakeCloud::default();
    cloud.compute.create_servers = Some(Box::new(move |_| Err(wrong.clone())));
    cloud
}

#[test]
fn an_interface_is_refused_by_the_name_of_what_is_wrong_with_it() {
    let nic = json!({ "uuid": NETWORK, "subnet_id": PORT, "fixed_ip": "10.0.0.9" });
    for (reason, name) in [
        ("unknown", "subnet_id"),
        ("not-of-subnet", "fixed_ip"),
        ("not-of-network", "fixed_ip"),
        ("used", "fixed_ip"),
        ("missing", "uuid"),
    ] {
        let message = refused(&with_refusal(reason), creation(&nic));
        assert_eq!(message, format!("Invalid input for field/attribute {name}. It doesn't fit."));
    }
}

#[test]
fn a_login_of_the_wrong_form_names_its_member() {
    let login = |body: Value| Call::new("tokens.create", "POST", "/v3/auth/tokens").anonymous().body(&body);
    let auth = login(json!({ "auth": "x" })).violation_of("/auth", "type", "x", &json!("object"));
    assert!(refused(&FakeCloud::default(), auth).starts_with("Invalid input for field 'auth': "));
    let scope = login(json!({ "auth": {} })).violation_of("/auth/scope", "type", "x", &json!(["object", "string"]));
    assert!(refused(&FakeCloud::default(), scope).starts_with("Invalid input for field 'scope': "));
    let lacking = login(json!({ "auth": {} })).violation_of("/auth", "required", "x", &json!("identity"));
    assert_eq!(refused(&FakeCloud::default(), lacking), "'identity' is a required property");
}
