//! The version that is served.

use skyloom_sdk::json::Writer;
use skyloom_sdk::{Request, Response, key, respond};

/// 300 at the root, 200 below the version, as upstream has it.
pub fn list(request: &Request) -> Response {
    let mut json = Writer::with_capacity(512);
    json.begin_object().key(key!("versions")).begin_array().begin_object();
    json.key(key!("id")).string("v3.0").key(key!("status")).string("CURRENT");
    json.key(key!("version")).string("3.71").key(key!("min_version")).string("3.0");
    json.key(key!("updated")).string("2023-08-31T00:00:00Z");
    json.key(key!("links")).begin_array().begin_object().key(key!("rel")).string("self");
    json.key(key!("href")).joined(&[&request.base_url, "/v3/"]).end_object().end_array();
    json.key(key!("media-types")).begin_array().begin_object().key(key!("base")).string("application/json");
    json.key(key!("type")).string("application/vnd.openstack.volume+json;version=3").end_object().end_array();
    json.end_object().end_array().end_object();
    respond::json(if request.operation == "versions.list" { 300 } else { 200 }, json.finish())
}

/// What upstream serves by extensions is either here or unknown.
pub fn extensions() -> Response {
    respond::json(200, br#"{"extensions":[]}"#.to_vec())
}
