//! What the tests of this personality share: a server, and calls in both dialects.
use compute_v2::Settings;
use compute_v2::dialects::Dialect;
pub use nova::testing::*;
use serde_json::Value;
use skyloom_sdk::Response;
use skyloom_sdk::cloud::quotas::Quota;
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

/// What two projects may have; all others have as much as the first.
pub fn with_quotas() -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.quotas.get_quotas = Some(Box::new(|project| {
        let quota = |name: &str, limit, used| Quota { name: name.to_owned(), limit, used };
        let servers = if project == Some("other") { 7 } else { 10 };
        Ok(vec![
            quota("servers", servers, 2),
            quota("vcpus", -1, 3),
            quota("memory-mib", 51_200, 1024),
            quota("keypairs", 100, 0),
            quota("security-groups", 10, 1),
            quota("security-group-rules", 100, 4),
            quota("public-addresses", 5, 0),
            quota("metadata-items", 128, 0),
            quota("server-groups", 10, 0),
            quota("server-group-members", 10, 0),
        ])
    }));
    cloud
}
