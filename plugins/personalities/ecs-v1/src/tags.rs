//! Tags of servers. The core's are texts: `key=value`, and the key alone where the value is empty.

use std::collections::{BTreeMap, BTreeSet};

use skyloom_sdk::conditions::parts;
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::every_page;
use skyloom_sdk::{Cloud, Request, Response, key, respond};

use crate::errors::Failure;

pub fn of_server<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let server = cloud.get_server(respond::param(request, "server_id"), &parts(&["tags"]))?;
    let mut out = Writer::with_capacity(64 + server.tags.len() * 96);
    out.begin_object().key(key!("tags")).begin_array();
    for (name, value) in server.tags.iter().map(|tag| split(tag)) {
        out.begin_object().key(key!("key")).string(name).key(key!("value")).string(value).end_object();
    }
    out.end_array().end_object();
    Ok(respond::json(200, out.finish()))
}

/// The values of all servers by key.
pub fn of_project<C: Cloud>(cloud: &C) -> Result<Response, Failure> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // The vendor's list is not paged. Of a page's servers nothing but their tags is kept.
    every_page(|page| {
        let found = cloud.list_servers(&[], &parts(&["tags"]), &page)?;
        for (name, value) in found.servers.iter().flat_map(|server| &server.tags).map(|tag| split(tag)) {
            values.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
        Ok::<_, Failure>((Vec::<()>::new(), found.next))
    })?;
    let mut out = Writer::with_capacity(64 + values.len() * 128);
    out.begin_object().key(key!("tags")).begin_array();
    for (name, values) in &values {
        out.begin_object().key(key!("key")).string(name).key(key!("values")).begin_array();
        for value in values {
            out.string(value);
        }
        out.end_array().end_object();
    }
    out.end_array().end_object();
    Ok(respond::json(200, out.finish()))
}

fn split(tag: &str) -> (&str, &str) {
    tag.split_once('=').unwrap_or((tag, ""))
}
