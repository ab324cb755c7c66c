//! Natively, with a core that the test makes up.

use skyloom_sdk::ErrorCode;
use skyloom_sdk::cloud::compute::ServerPage;
use skyloom_sdk::testing::{Call, FakeCloud, error, json_of};

#[test]
fn an_empty_project_has_an_empty_fleet() {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(|_, _, _| Ok(ServerPage { servers: Vec::new(), next: None })));
    let response = fleet::handle(&cloud, &Call::new("fleet.list", "GET", "/fleet").build());
    assert_eq!(json_of(&response), serde_json::json!([]));
}

#[test]
fn an_error_of_the_core_is_worded() {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(|_, _, _| Err(error(ErrorCode::Unavailable, "Not now."))));
    let response = fleet::handle(&cloud, &Call::new("fleet.list", "GET", "/fleet").build());
    assert_eq!((response.status, json_of(&response)), (400, serde_json::json!({ "error": "Not now." })));
}
