//! Lists: whole by default, as upstream gives them; by page where the query names a limit.

use serde_json::{Map, Value, json};
use skyloom_sdk::cloud::identity::{Domain, IdentityFilter, Project, Role, User};
use skyloom_sdk::paging::{Paging, by_id};
use skyloom_sdk::query::{Query, encode, with_marker};
use skyloom_sdk::{Error, PageRequest, Request, Response};

use crate::Fault;

/// The core gives at most this many at once.
const PAGE: u32 = 1000;

/// The core ends a page at its bytes too: one with less text than this was not ended so.
const CUT: usize = 256 * 1024;

/// Bytes of an item's text that people can make long.
pub trait Text {
    fn text(&self) -> usize;
}

impl Text for Domain {
    fn text(&self) -> usize {
        self.description.as_ref().map_or(0, String::len) + self.extra.len()
    }
}

impl Text for Project {
    fn text(&self) -> usize {
        self.description.as_ref().map_or(0, String::len)
            + self.extra.len()
            + self.tags.iter().map(String::len).sum::<usize>()
    }
}

impl Text for User {
    fn text(&self) -> usize {
        self.extra.len()
    }
}

impl Text for Role {
    fn text(&self) -> usize {
        self.description.as_ref().map_or(0, String::len) + self.extra.len()
    }
}

/// Items and the marker of the next page.
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

pub fn flag(text: &str) -> bool {
    !matches!(text.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off" | "f" | "n")
}

pub fn query(request: &Request) -> Query<'_> {
    Query(&request.query)
}

/// A flag of the query: there without a value, or with one that isn't "no".
pub fn asks(request: &Request, name: &str) -> bool {
    query(request).last(name).is_some_and(flag)
}

pub fn filter(request: &Request) -> IdentityFilter {
    let query = query(request);
    let text = |name: &str| query.last(name).map(str::to_owned);
    IdentityFilter {
        name: text("name"),
        domain_id: text("domain_id"),
        enabled: query.last("enabled").map(flag),
        parent_id: text("parent_id"),
    }
}

/// All items, or the page that the query asks for, in upstream's order. A list goes on behind a marker that was deleted
/// meanwhile, where upstream refuses it: so clients can list and delete. What doesn't fit an answer is behind the link to the next page.
pub fn fetch<T: Text>(
    request: &Request,
    id: impl Fn(&T) -> &str,
    keep: impl Fn(&T) -> bool,
    mut list: impl FnMut(&PageRequest) -> Result<Vec<T>, Error>,
) -> Result<Page<T>, Fault> {
    let paging = Paging::from_query(&query(request))
        .map_err(|bad| Fault::bad_request(format!("Invalid input for field 'limit': '{}' is not an integer", bad.0)))?;
    let wanted = paging.limit.filter(|limit| *limit > 0).map(|limit| limit.min(PAGE) as usize);
    let mut marker = paging.marker;
    let mut items = Vec::new();
    loop {
        let page = PageRequest { limit: PAGE, marker: marker.take(), sort: by_id() };
        let found = list(&page)?;
        let large = is_large(&found);
        let last = next(&found, &id);
        items.extend(found.into_iter().filter(|item| keep(item)));
        match wanted {
            Some(wanted) if items.len() > wanted => {
                items.truncate(wanted);
                let next = items.last().map(|item| id(item).to_owned());
                return Ok(Page { items, next });
            }
            _ => {}
        }
        if last.is_none() {
            return Ok(Page { items, next: None });
        }
        if large {
            return Ok(Page { items, next: last });
        }
        marker = last;
    }
}

fn is_large<T: Text>(found: &[T]) -> bool {
    found.iter().map(Text::text).sum::<usize>() >= CUT
}

/// The marker behind a page of the core's that may not be the last one.
pub fn next<T: Text>(found: &[T], id: impl Fn(&T) -> &str) -> Option<String> {
    let full = is_large(found) || found.len() >= PAGE as usize;
    full.then(|| found.last().map(|item| id(item).to_owned())).flatten()
}

/// `name__contains` and its like, which upstream calls inexact filters.
pub fn name_matches(request: &Request, name: &str) -> bool {
    request.query.iter().all(|(key, value)| {
        let Some(comparator) = key.strip_prefix("name__") else { return true };
        let (lower, wanted) = (name.to_lowercase(), value.to_lowercase());
        match comparator {
            "contains" => name.contains(value.as_str()),
            "icontains" => lower.contains(&wanted),
            "startswith" => name.starts_with(value.as_str()),
            "istartswith" => lower.starts_with(&wanted),
            "endswith" => name.ends_with(value.as_str()),
            "iendswith" => lower.ends_with(&wanted),
            _ => true,
        }
    })
}

/// `{"<key>": [...], "links": {...}}`.
pub fn answer(request: &Request, key: &str, items: Vec<Value>, next: Option<&str>) -> Response {
    let own = format!("{}{}", request.base_url, request.path);
    let mut text = String::new();
    for (name, value) in &request.query {
        text.push(if text.is_empty() { '?' } else { '&' });
        encode(&mut text, name);
        text.push('=');
        encode(&mut text, value);
    }
    let next = next.map(|marker| format!("{own}?{}", with_marker(&request.query, marker)));
    let mut body = Map::new();
    body.insert(key.to_owned(), Value::Array(items));
    body.insert("links".to_owned(), json!({"self": format!("{own}{text}"), "previous": null, "next": next}));
    crate::json(200, &Value::Object(body))
}

/// `{"<key>": {..., "links": {"self": ...}}}`.
pub fn one(status: u16, key: &str, item: &Value) -> Response {
    crate::json(status, &json!({ key: item }))
}
