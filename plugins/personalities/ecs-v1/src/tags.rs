//! Tags of servers. The core's are texts: `key=value`, and the key alone where the value is empty.

use std::collections::{BTreeMap, BTreeSet};

use skyloom_sdk::conditions::parts;
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::every_page;
use skyloom_sdk::{Cloud, Request, Response, key, respond};

use crate::errors::{Failure, repeated_tag_key};

pub fn of_server<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let server = cloud.get_server(respond::param(request, "server_id"), &parts(&["tags"]))?;
    let mut out = Writer::with_capacity(64 + server.tags.len() * 96);
    out.begin_object();
    write(&mut out, &server.tags);
    out.end_object();
    Ok(respond::json(200, out.finish()))
}

/// The values of all servers by key.
pub fn of_project<C: Cloud>(cloud: &C) -> Result<Response, Failure> {
    let mut values: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // The vendor's list is not paged. Of a page's servers nothing but their tags is kept.
    every_page(|page| {
        let found = cloud.list_servers(&[], &parts(&["tags"]), &page)?;
        let found = found.rows()?;
        for (name, value) in found.servers.iter().flat_map(|server| &server.tags).map(|tag| split(tag)) {
            values.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
        Ok::<_, Failure>((Vec::<()>::new(), found.next.map(str::to_owned)))
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

/// The member `tags` of a server.
pub fn write(out: &mut Writer, tags: &[String]) {
    out.key(key!("tags")).begin_array();
    for (name, value) in tags.iter().map(|tag| split(tag)) {
        out.begin_object().key(key!("key")).string(name).key(key!("value")).string(value).end_object();
    }
    out.end_array();
}

/// Key and value of a tag of the core.
pub fn split(tag: &str) -> (&str, &str) {
    tag.split_once('=').unwrap_or((tag, ""))
}

/// The core's text; an empty value leaves the key alone, so that it is the tag that Nova's clients know.
pub fn join(key: &str, value: &str) -> String {
    if value.is_empty() { key.to_owned() } else { format!("{key}={value}") }
}

/// Names the first key that stands there twice; `list` is the parameter.
pub fn check_keys<'a>(list: &str, keys: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for (place, key) in keys.enumerate() {
        if !seen.insert(key) {
            return Err(repeated_tag_key(&format!("{list}.{place}.key")));
        }
    }
    Ok(())
}
