//! Lists: whole by default, as upstream gives them; by page where the query names a limit.

use serde_json::{Map, Value, json};
use skyloom_sdk::cloud::identity::{AccessKey, Assignment, Domain, Project, Role, User};
use skyloom_sdk::conditions::is;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::paging::{Paging, by_id};
use skyloom_sdk::query::{Query, encode, with_marker};
use skyloom_sdk::{Condition, Error, PageRequest, Request, Response};

use crate::Fault;

/// The core gives at most this many at once.
const PAGE: u32 = 1000;

/// One answer holds about this many, so that it fits the sandbox.
const MOST: usize = 4000;

/// And about so many bytes of text.
const TEXT: usize = 2 << 20;

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

impl Text for AccessKey {
    fn text(&self) -> usize {
        self.id.len()
    }
}

impl Text for Assignment {
    fn text(&self) -> usize {
        self.target_name.len() + self.user.name.len() + self.role.name.len()
    }
}

/// Items and the marker of the next page.
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

pub fn flag(text: &str) -> bool {
    boolean_text(text) != Some(false)
}

pub fn query(request: &Request) -> Query<'_> {
    Query(&request.query)
}

/// A flag of the query: there without a value, or with one that isn't "no".
pub fn asks(request: &Request, name: &str) -> bool {
    query(request).last(name).is_some_and(flag)
}

/// Upstream's filters, the core's field of each.
const FIELDS: &[(&str, &str)] =
    &[("name", "name"), ("domain_id", "domain-id"), ("enabled", "enabled"), ("parent_id", "parent-id")];

/// Those of the named filters that the query has.
pub fn conditions(request: &Request, filters: &[&str]) -> Vec<Condition> {
    let query = query(request);
    let asked = |(name, field): &(&str, &str)| {
        let value = query.last(name).filter(|_| filters.contains(name))?;
        Some(if *name == "enabled" { is(field, flag(value)) } else { is(field, value) })
    };
    FIELDS.iter().filter_map(asked).collect()
}

/// All items, or the page that the query asks for, in upstream's order. A list goes on behind a marker that was deleted
/// meanwhile, where upstream refuses it: so clients can list and delete. What doesn't fit an answer is behind the link to the
/// next page. `list` gives a page of the core and the marker of its next one.
pub fn fetch<T: Text>(
    request: &Request,
    id: impl Fn(&T) -> &str,
    keep: impl Fn(&T) -> bool,
    list: impl FnMut(&PageRequest) -> Result<(Vec<T>, Option<String>), Error>,
) -> Result<Page<T>, Fault> {
    let paging = Paging::from_query(&query(request))
        .map_err(|bad| Fault::bad_request(format!("Invalid input for field 'limit': '{}' is not an integer", bad.0)))?;
    let wanted = paging.limit.filter(|limit| *limit > 0).map_or(MOST, |limit| limit.min(PAGE) as usize);
    let mut page = walk(paging.marker, wanted, keep, list)?;
    if paging.limit.is_some_and(|limit| limit > 0) && page.items.len() > wanted {
        page.items.truncate(wanted);
        page.next = page.items.last().map(|item| id(item).to_owned());
    }
    Ok(page)
}

/// As [`fetch`], of what upstream gives no limit to.
pub fn whole<T: Text>(
    request: &Request,
    keep: impl Fn(&T) -> bool,
    list: impl FnMut(&PageRequest) -> Result<(Vec<T>, Option<String>), Error>,
) -> Result<Page<T>, Fault> {
    walk(query(request).last("marker").map(str::to_owned), MOST, keep, list)
}

/// Pages of the core until there are more items than wanted, or a page ended at its bytes.
fn walk<T: Text>(
    mut marker: Option<String>,
    wanted: usize,
    keep: impl Fn(&T) -> bool,
    mut list: impl FnMut(&PageRequest) -> Result<(Vec<T>, Option<String>), Error>,
) -> Result<Page<T>, Fault> {
    let (mut items, mut text) = (Vec::new(), 0);
    loop {
        let (found, next) = list(&PageRequest { limit: PAGE, marker, sort: by_id() })?;
        let cut = found.len() < PAGE as usize;
        items.extend(found.into_iter().filter(|item| keep(item)).inspect(|item| text += item.text()));
        let full = items.len() > wanted || text >= TEXT || (cut && !items.is_empty());
        if next.is_none() || full {
            return Ok(Page { items, next });
        }
        marker = next;
    }
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
    // Who asked for no page must see that this is not all; upstream's word for a list that its own limit cut.
    if next.is_some() && !query(request).has("limit") {
        body.insert("truncated".to_owned(), Value::Bool(true));
    }
    body.insert("links".to_owned(), json!({"self": format!("{own}{text}"), "previous": null, "next": next}));
    crate::json(200, &Value::Object(body))
}

/// `{"<key>": {..., "links": {"self": ...}}}`.
pub fn one(status: u16, key: &str, item: &Value) -> Response {
    crate::json(status, &json!({ key: item }))
}
