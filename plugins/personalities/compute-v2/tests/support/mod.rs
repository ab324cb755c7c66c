//! What the tests of this personality share: a server, and calls in both dialects.
use compute_v2::Settings;
use compute_v2::dialects::Dialect;
pub use nova::testing::*;
use serde_json::Value;
use skyloom_sdk::Response;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, asked, json_of};

pub fn upstream() -> Settings {
    Settings::default()
}

pub fn ecs() -> Settings {
    Settings { dialect: Dialect::Ecs, ..Settings::default() }
}

pub const BOTH: [Dialect; 2] = [Dialect::Upstream, Dialect::Ecs];

pub fn call(cloud: &FakeCloud, settings: Settings, call: Call) -> Response {
    compute_v2::handle_with(cloud, settings, &call.build())
}

/// Status and body.
pub fn ask(cloud: &FakeCloud, settings: Settings, it: Call) -> (u16, Value) {
    let response = call(cloud, settings, it);
    (response.status, json_of(&response))
}

/// The message of a refusal, whose envelope must go with its status.
pub fn refused(cloud: &FakeCloud, settings: Settings, it: Call, status: u16) -> String {
    let (got, body) = ask(cloud, settings, it);
    assert_eq!(got, status, "{body}");
    let name = match status {
        400 => "badRequest",
        403 => "forbidden",
        404 => "itemNotFound",
        409 => "conflictingRequest",
        _ => "computeFault",
    };
    assert_eq!(body[name]["code"], status, "{body}");
    body[name]["message"].as_str().expect("a message").to_owned()
}

/// A server, and what is asked of it: ids, then verb and options.
pub fn with_actions() -> (FakeCloud, Seen<(Vec<String>, String)>) {
    let seen = Seen::default();
    let keep = seen.clone();
    let mut cloud = with_server(server());
    cloud.compute.act_on_servers = Some(Box::new(move |ids, verb, options, _, _| {
        keep.push((ids.to_vec(), asked(verb, options)));
        Ok("operation-1".to_owned())
    }));
    (cloud, seen)
}

/// What the action asks of the core.
pub fn act(operation: &str, body: Value, settings: compute_v2::Settings) -> String {
    let (cloud, seen) = with_actions();
    let response = call(&cloud, settings, post(operation, "/v2.1/servers/x/action", &body));
    assert_eq!(response.status, 202, "{body}");
    let (ids, change) = seen.only();
    assert_eq!(ids, [SERVER]);
    change
}
