//! What several tests of this plugin need.
use serde_json::Value;
use skyloom_sdk::cloud::identity::{Domain, Named, Placed, Project, Role, Scope, TokenInfo, User};
use skyloom_sdk::testing::{Call, FakeCloud, json_of};
use skyloom_sdk::{Request, Response};

pub fn call(operation: &str, method: &str, path: &str) -> Call {
    Call::new(operation, method, path).base_url("http://cloud.test/identity")
}

pub fn handle(cloud: &FakeCloud, request: Request) -> Response {
    identity_v3::handle(cloud, request)
}

/// Status and message of a refusal; checks the envelope.
#[track_caller]
pub fn fault(response: &Response) -> (u16, String) {
    let body = json_of(response);
    let error = &body["error"];
    assert_eq!(error["code"], response.status, "{body}");
    assert!(error["title"].is_string(), "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(1));
    (response.status, error["message"].as_str().expect("a message").to_owned())
}

#[track_caller]
pub fn ok(response: &Response, status: u16) -> Value {
    assert_eq!(response.status, status, "{}", json_of(response));
    json_of(response)
}

pub fn named(name: &str) -> Named {
    Named { id: format!("id-{name}"), name: name.to_owned() }
}

pub fn placed(name: &str) -> Placed {
    Placed { id: format!("id-{name}"), name: name.to_owned(), domain: named("Default") }
}

/// No attributes but those that are known.
fn none() -> String {
    "{}".to_owned()
}

pub fn domain(name: &str) -> Domain {
    Domain {
        id: format!("id-{name}"),
        name: name.to_owned(),
        description: Some("what".to_owned()),
        enabled: true,
        extra: none(),
    }
}

pub fn project(name: &str) -> Project {
    Project {
        id: format!("id-{name}"),
        name: name.to_owned(),
        domain_id: "default".to_owned(),
        description: Some(String::new()),
        enabled: true,
        parent_id: None,
        is_domain: false,
        tags: vec!["blue".to_owned(), "green".to_owned()],
        extra: none(),
    }
}

pub fn user(name: &str) -> User {
    User {
        id: format!("id-{name}"),
        name: name.to_owned(),
        domain_id: "default".to_owned(),
        enabled: true,
        default_project_id: None,
        password_changed_at: Some(1),
        extra: none(),
    }
}

pub fn role(name: &str) -> Role {
    Role {
        id: format!("id-{name}"),
        name: name.to_owned(),
        domain_id: None,
        description: None,
        immutable: false,
        extra: none(),
    }
}

/// 2026-01-01T00:00:00.000001Z.
pub const ISSUED: i64 = 1_767_225_600_000_001;

pub fn token_info(scope: Scope) -> TokenInfo {
    TokenInfo {
        user: placed("ann"),
        scope,
        roles: vec![named("member")],
        methods: vec!["password".to_owned()],
        issued_at: ISSUED,
        expires_at: ISSUED + 86_400_000_000,
        audit_ids: vec!["audit".to_owned()],
        is_domain: false,
        catalog: Vec::new(),
    }
}
