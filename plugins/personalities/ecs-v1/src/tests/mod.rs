//! The vendor's rules, over a core that the test makes up. The schemas are the host's to apply; [`post`] does it as the host does.

mod batches;
mod creation;
mod disks;
mod guests;
mod nics;
mod projects;
mod reads;
mod rebuilds;
mod refusals;
mod resizes;
mod server_groups;
mod tag_changes;
mod tag_queries;
mod tags;

use serde_json::{Value, json};
use skyloom_sdk::Response;
use skyloom_sdk::testing::{Call, json_of};

use crate::errors;

pub const VPC: &str = "0dae26c9-9a70-4392-93f3-87d53115d171";
pub const NETWORK: &str = "157ee789-03ea-45b1-a698-76c92660dd83";
pub const JOB: &str = "ff808082-889b-4969-8189-061140c235fe";
pub const JOB_ON_THE_WIRE: &str = "ff808082889b49698189061140c235fe";

/// The smallest creation.
pub fn creation() -> Value {
    json!({ "server": {
        "name": "web",
        "imageRef": "1189efbf-d48b-46ad-a823-94b942e2a000",
        "flavorRef": "m1.tiny",
        "vpcid": VPC,
        "nics": [{ "subnet_id": NETWORK }],
        "root_volume": { "volumetype": "SSD" },
    }})
}

/// A request with what the operation's schema finds wrong with its body.
pub fn post(operation: &str, path: &str, body: &Value) -> Call {
    let call = Call::new(operation, "POST", path).param("project_id", "project-1").body(body);
    let schema = schema(operation);
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(body).fold(call, |call, error| {
        let pointer = error.instance_path().to_string();
        call.violation(&pointer, error.kind().keyword(), &error.masked().to_string())
    })
}

fn schema(operation: &str) -> Value {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let manifest: toml::Table = toml::from_str(&read("plugin.toml")).unwrap();
    let operations = manifest["operation"].as_array().unwrap();
    let operation = operations.iter().find(|entry| entry["id"].as_str() == Some(operation)).unwrap();
    serde_json::from_str(&read(operation["schema"].as_str().unwrap())).unwrap()
}

pub fn code_of(response: &Response) -> (u16, String) {
    let code = json_of(response)["error"]["code"].as_str().unwrap_or_default().to_owned();
    (response.status, code)
}

#[test]
fn every_core_code_has_the_vendors_envelope() {
    for code in skyloom_sdk::respond::every_code() {
        let error = skyloom_sdk::testing::error(code.clone(), "told to the client");
        let response = errors::Failure::from(error).response();
        assert!((400..=504).contains(&response.status), "{code:?}");
        let body = json_of(&response);
        let words = match code {
            skyloom_sdk::ErrorCode::Forbidden => "Policy doesn't allow this operation to be performed.",
            _ => "told to the client",
        };
        assert_eq!(body["error"]["message"], words, "{code:?}");
        assert!(!body["error"]["code"].as_str().unwrap().is_empty(), "{code:?}");
    }
}

#[test]
fn a_violation_is_told_without_the_value() {
    let secret = Call::new("servers.create", "POST", "/").violation(
        "/server/adminPass",
        "pattern",
        "\"hunter2\" does not match",
    );
    let response = crate::handle(&skyloom_sdk::testing::FakeCloud::default(), &secret.build());
    assert_eq!(code_of(&response), (400, "Ecs.0011".to_owned()));
    assert!(!json_of(&response).to_string().contains("hunter2"));
}

#[test]
fn violations_have_the_codes_of_their_fields() {
    let cases = [
        ("", "type", "Ecs.0005"),
        ("/server", "required", "Ecs.0005"),
        ("/server/count", "maximum", "Ecs.0913"),
        ("/server/nics", "maxItems", "Ecs.0050"),
        ("/server/data_volumes", "maxItems", "Ecs.0042"),
        ("/server/data_volumes/0/volumetype", "enum", "Ecs.0043"),
        ("/server/publicip/eip/bandwidth/size", "maximum", "Ecs.0045"),
        ("/servers", "maxItems", "Ecs.0118"),
        ("/server/vpcid", "pattern", "Ecs.0005"),
        ("/tags", "maxItems", "Ecs.0905"),
        ("/not_tags", "maxItems", "Ecs.0905"),
        ("/tags/0/key", "minLength", "Ecs.0906"),
        ("/not_tags/0/values", "uniqueItems", "Ecs.0906"),
    ];
    for (pointer, keyword, code) in cases {
        let request =
            Call::new("servers.create", "POST", "/").violation(pointer, keyword, "\"imageRef\" is a required property");
        let response = crate::handle(&skyloom_sdk::testing::FakeCloud::default(), &request.build());
        assert_eq!(code_of(&response), (400, code.to_owned()), "{pointer} {keyword}");
    }
}
