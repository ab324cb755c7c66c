//! Which version is served.

use serde_json::{Value, json};
use skyloom_sdk::{Request, Response};

fn version(request: &Request) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/v3/", request.base_url)}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}],
    })
}

pub fn list(request: &Request) -> Response {
    crate::json(300, &json!({"versions": {"values": [version(request)]}}))
}

pub fn show(request: &Request) -> Response {
    crate::json(200, &json!({"version": version(request)}))
}
