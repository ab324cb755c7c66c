//! The versions that are served. The largest is the one whose differences exist on every operation here: hidden images and
//! the sha512 of the bytes.

use skyloom_sdk::json::Writer;
use skyloom_sdk::{Request, Response, key, respond};

const VERSIONS: [&str; 8] = ["v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"];

/// 300 at the root, 200 at `/versions`, as upstream has it.
pub fn list(request: &Request) -> Response {
    let mut json = Writer::with_capacity(1024);
    json.begin_object().key(key!("versions")).begin_array();
    for version in VERSIONS {
        json.begin_object().key(key!("id")).string(version);
        json.key(key!("status")).string(if version == VERSIONS[0] { "CURRENT" } else { "SUPPORTED" });
        json.key(key!("links")).begin_array().begin_object().key(key!("rel")).string("self");
        json.key(key!("href")).joined(&[&request.base_url, "/v2/"]).end_object().end_array().end_object();
    }
    json.end_array().end_object();
    respond::json(if request.path.ends_with("/versions") { 200 } else { 300 }, json.finish())
}
