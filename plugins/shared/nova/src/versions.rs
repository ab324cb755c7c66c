//! The versions of the API: a list at the mount's root, each with its microversions at its own path. Both are for everybody.

use skyloom_sdk::json::Writer;
use skyloom_sdk::{Response, key, respond};

use crate::context::Context;
use crate::microversions::MAX;

struct Version {
    id: &'static str,
    path: &'static str,
    status: &'static str,
    updated: &'static str,
    microversions: bool,
}

static V2: Version =
    Version { id: "v2.0", path: "/v2/", status: "SUPPORTED", updated: "2011-01-21T11:33:21Z", microversions: false };
static V21: Version =
    Version { id: "v2.1", path: "/v2.1/", status: "CURRENT", updated: "2013-07-23T11:33:21Z", microversions: true };

pub fn list<C>(context: &Context<'_, C>) -> Response {
    let mut writer = Writer::with_capacity(512);
    writer.begin_object().key(key!("versions")).begin_array();
    for version in [&V2, &V21] {
        write(&mut writer, version, &context.request.base_url, false);
    }
    writer.end_array().end_object();
    respond::json(200, writer.finish())
}

pub fn show<C>(context: &Context<'_, C>) -> Response {
    let mut writer = Writer::with_capacity(512);
    writer.begin_object().key(key!("version"));
    write(&mut writer, if context.legacy { &V2 } else { &V21 }, &context.request.base_url, true);
    writer.end_object();
    respond::json(200, writer.finish())
}

fn write(writer: &mut Writer, version: &Version, base: &str, whole: bool) {
    writer.begin_object();
    writer.key(key!("id")).string(version.id);
    writer.key(key!("status")).string(version.status);
    writer.key(key!("version"));
    if version.microversions {
        writer.joined(&["2.", &MAX.to_string()]);
    } else {
        writer.string("");
    }
    writer.key(key!("min_version")).string(if version.microversions { "2.1" } else { "" });
    writer.key(key!("updated")).string(version.updated);
    writer.key(key!("links")).begin_array();
    writer.begin_object().key(key!("rel")).string("self");
    writer.key(key!("href")).joined(&[base, version.path]).end_object();
    if whole {
        writer.begin_object().key(key!("rel")).string("describedby");
        writer.key(key!("type")).string("text/html");
        writer.key(key!("href")).string("http://docs.openstack.org/").end_object();
    }
    writer.end_array();
    if whole {
        writer.key(key!("media-types")).begin_array().begin_object();
        writer.key(key!("base")).string("application/json");
        writer.key(key!("type")).joined(&[
            "application/vnd.openstack.compute+json;version=",
            version.id.trim_start_matches('v').trim_end_matches(".0"),
        ]);
        writer.end_object().end_array();
    }
    writer.end_object();
}
