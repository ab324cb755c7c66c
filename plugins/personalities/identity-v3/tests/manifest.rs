//! The manifest against the code, the schemas against bodies, every error code against the envelope.

use crate::support::{call, fault, handle};
use serde_json::{Value, json};
use skyloom_sdk::ErrorCode;
use skyloom_sdk::respond::every_code;
use skyloom_sdk::testing::{FakeCloud, error};

fn operations() -> Vec<toml::Value> {
    let manifest: toml::Value = toml::from_str(include_str!("../plugin.toml")).expect("plugin.toml");
    manifest["operation"].as_array().expect("operations").clone()
}

#[test]
fn every_operation_of_the_manifest_is_served() {
    for operation in operations() {
        let id = operation["id"].as_str().expect("id");
        let response =
            handle(&FakeCloud::default(), call(id, operation["method"].as_str().expect("method"), "/v3/x").build());
        assert_ne!(response.status, 500, "{id}");
        let success = operation["success"][0].as_integer().expect("success");
        if id.starts_with("unsupported.") {
            let method = operation["method"].as_str().expect("method");
            assert_eq!(
                fault(&response),
                (501, format!("The action you have requested has not been implemented: {method} /v3/x."))
            );
            assert_eq!(success, 501);
        }
    }
    let response = handle(&FakeCloud::default(), call("servers.create", "POST", "/v3").build());
    assert_eq!(fault(&response).0, 500, "what the manifest doesn't name");
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("a schema");
    jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a JSON schema")
}

#[test]
fn the_schemas_of_the_manifest_are_there() {
    let mut count = 0;
    for operation in operations() {
        if let Some(file) = operation.get("schema").and_then(toml::Value::as_str) {
            schema(file.strip_prefix("schemas/").and_then(|name| name.strip_suffix(".json")).expect("a schema's file"));
            count += 1;
        }
    }
    assert_eq!(count, 13);
}

#[test]
fn the_schemas_take_what_is_right_and_refuse_the_rest() {
    let long = "n".repeat(65);
    let user = |user: Value| json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}});
    for (name, body, fits) in [
        ("auth", user(json!({"name": "a", "domain": {"id": "d"}, "password": "p"})), true),
        (
            "auth",
            json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}}, "scope": "unscoped"}}),
            true,
        ),
        ("auth", json!({"auth": {"identity": {"methods": []}, "scope": {"system": {"all": true}}}}), true),
        ("auth", json!({}), false),
        ("auth", json!({"auth": {"identity": {}}}), false),
        ("auth", json!({"auth": {"identity": {"methods": [1]}}}), false),
        ("auth", user(json!({"name": 1})), false),
        ("auth", json!({"auth": {"identity": {"methods": []}, "scope": 1}}), false),
        ("project.create", json!({"project": {"name": "a", "options": {}, "tags": [], "parent_id": null}}), true),
        (
            "project.create",
            json!({"project": {"name": "a", "description": null, "enabled": true, "is_domain": false}}),
            true,
        ),
        ("project.create", json!({"project": {}}), false),
        ("project.create", json!({"project": {"name": ""}}), false),
        ("project.create", json!({"project": {"name": " "}}), false),
        ("project.create", json!({"project": {"name": long}}), false),
        ("project.create", json!({"project": {"name": null}}), false),
        ("project.create", json!({"project": {"name": "a", "enabled": "true"}}), false),
        ("project.create", json!({"project": {"name": "a", "tags": ["a,b"]}}), false),
        ("project.create", json!({"project": {"name": "a", "tags": ["a", "a"]}}), false),
        ("project.create", json!({"project": {"name": "a", "unheard-of": {"deep": [1]}}}), true),
        ("project.create", json!({"projects": {"name": "a"}}), false),
        ("project.update", json!({"project": {"enabled": false}}), true),
        ("project.update", json!({"project": {}}), false),
        ("project.tags", json!({"tags": []}), true),
        ("project.tags", json!({"tags": ["a/b"]}), false),
        ("domain.create", json!({"domain": {"name": "a", "enabled": false}}), true),
        ("domain.create", json!({"domain": {"enabled": false}}), false),
        ("domain.create", json!({"domain": {"name": "a", "unheard-of": null, "explicit_domain_id": "d"}}), true),
        ("domain.create", json!({"domain": {"name": "a", "explicit_domain_id": 1}}), false),
        ("domain.update", json!({"domain": {"name": long}}), false),
        ("domain.update", json!({"domain": {"unheard-of": 1}}), true),
        ("domain.update", json!({"domain": {}}), false),
        ("domain.update", json!({"domain": {"enabled": null}}), false),
        (
            "user.create",
            json!({"user": {"name": "a", "password": null, "email": "e", "default_project_id": null}}),
            true,
        ),
        ("user.create", json!({"user": {"name": "a", "password": 1}}), false),
        ("user.create", json!({"user": {"name": "a", "project_id": "p", "email": 1}}), true),
        ("user.update", json!({"user": {"password": "p"}}), true),
        ("user.update", json!({"user": {"password": null}}), true),
        ("user.update", json!({"user": {"password": 1}}), false),
        ("user.update", json!({"user": {}}), false),
        ("user.update", json!({"user": {"enabled": "false"}}), false),
        ("user.update", json!({"user": {"description": 1}}), false),
        ("user.password", json!({"user": {"original_password": "a", "password": "b"}}), true),
        ("user.password", json!({"user": {"password": "b"}}), false),
        (
            "credential.create",
            json!({"credential": {"type": "ec2", "blob": "{}", "user_id": "u", "project_id": "p", "id": "x"}}),
            true,
        ),
        ("credential.create", json!({"credential": {"type": "cert", "blob": "x", "user_id": "u"}}), true),
        ("credential.create", json!({"credential": {"type": "ec2", "blob": {}, "user_id": "u"}}), false),
        ("credential.create", json!({"credential": {"blob": "{}", "user_id": "u"}}), false),
        ("ec2-credential.create", json!({"tenant_id": "p", "unheard-of": 1}), true),
        ("ec2-credential.create", json!({"tenant_id": 1}), false),
        ("role.create", json!({"role": {"name": "a", "options": {}}}), true),
        ("role.create", json!({"role": {"name": 1}}), false),
        ("role.create", json!({"role": {"name": "a", "unheard-of": 1}}), true),
        ("role.update", json!({"role": {"description": "d"}}), true),
        ("role.update", json!({"role": {}}), false),
    ] {
        assert_eq!(schema(name).is_valid(&body), fits, "{name} {body}");
    }
}

#[test]
fn a_violation_is_worded_as_upstream_does() {
    let cloud = FakeCloud::default();
    let request = call("projects.create", "POST", "/v3/projects").body(&json!({"project": {"name": 1}}));
    let response = handle(&cloud, request.violation("/project/name", "type", "1 is not of type \"string\"").build());
    assert_eq!(fault(&response), (400, "Invalid input for field 'name': 1 is not of type 'string'".to_owned()));
    let request = call("projects.create", "POST", "/v3/projects").body(&json!({}));
    let response = handle(&cloud, request.violation("", "required", "\"project\" is a required property").build());
    assert_eq!(fault(&response), (400, "'project' is a required property".to_owned()));
}

#[test]
fn every_code_of_the_core_has_its_status() {
    for code in every_code() {
        let expected = match &code {
            ErrorCode::Invalid | ErrorCode::BadContent => 400,
            ErrorCode::Unauthenticated => 401,
            ErrorCode::Forbidden | ErrorCode::WrongState | ErrorCode::Locked | ErrorCode::QuotaExceeded => 403,
            ErrorCode::NotFound => 404,
            ErrorCode::TooLarge => 413,
            ErrorCode::RateLimited => 429,
            ErrorCode::NotSupported => 501,
            ErrorCode::Unavailable => 503,
            ErrorCode::TimedOut => 504,
            ErrorCode::DriverFailed | ErrorCode::Internal | ErrorCode::Other(_) => 500,
            _ => 409,
        };
        let mut cloud = FakeCloud::default();
        let answer = code.clone();
        cloud.identity.get_domain = Some(Box::new(move |_| Err(error(answer.clone(), "what happened"))));
        let request = call("domains.show", "GET", "/v3/domains/d").param("domain_id", "d").build();
        let (status, message) = fault(&handle(&cloud, request));
        assert_eq!(status, expected, "{code:?}");
        assert!(!message.is_empty());
    }
    let mut cloud = FakeCloud::default();
    cloud.identity.create_domain = Some(Box::new(|_| {
        let mut taken = error(ErrorCode::AlreadyExists, "taken");
        taken.resource = Some(("domain".to_owned(), "east".to_owned()));
        Err(taken)
    }));
    let request = call("domains.create", "POST", "/v3/domains").body(&json!({"domain": {"name": "east"}})).build();
    let message = "Conflict occurred attempting to store domain - Duplicate entry found with name east.".to_owned();
    assert_eq!(fault(&handle(&cloud, request)), (409, message));
}
