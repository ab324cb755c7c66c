//! Lists: filters, order, pages, fields; and the answers of other requests. A filter that isn't known is refused, as upstream does with its extension
//! `filter-validation`.

use serde_json::json;
use skyloom_sdk::conditions::any_of;
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::query::{self, Query};
use skyloom_sdk::violations::python;
use skyloom_sdk::{Condition, Error, ErrorCode, PageRequest, Request, Response, SortKey, key, respond};

use crate::attributes::{Attribute, Picked, Reads, Resource, flag};
use crate::{Answer, Fault};

/// The largest page of the core.
const MAX_PAGE: u32 = 1000;

/// Items of one answer without a limit; more don't fit the sandbox's memory.
const MOST: usize = 4000;
/// What isn't a filter.
const OWN: &[&str] = &["fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir"];

/// Why there is no page.
enum NoPage {
    /// Nobody knows where the marker stood.
    Marker,
    Refused(Fault),
}

impl From<Error> for NoPage {
    fn from(error: Error) -> Self {
        match (&error.code, error.field.as_deref()) {
            (ErrorCode::Invalid, Some("marker")) => Self::Marker,
            _ => Self::Refused(error.into()),
        }
    }
}

/// Reads all pages, or the one that was asked for, and writes the answer. `fetch` gives a page of the core.
///
/// In the order of the ids, which is upstream's, a list goes on behind a marker that was deleted meanwhile: so clients can
/// list and delete. (Upstream refuses it or begins anew.) In another order nobody knows where it stood: 404, as upstream.
pub fn list<T>(
    request: &Request,
    of: &Resource<T>,
    fetch: impl Fn(&[Condition], &PageRequest) -> Result<(Vec<T>, Option<String>), Error>,
) -> Answer {
    let query = Query(&request.query);
    let wanted = conditions(query, of.attributes)?;
    let limit = limit(query)?;
    let reverse = match query.last("page_reverse") {
        None => false,
        Some(text) => boolean_text(text).unwrap_or(false) && limit.is_some(),
    };
    let page = PageRequest {
        limit: limit.unwrap_or(MAX_PAGE),
        marker: query.last("marker").map(str::to_owned),
        sort: sort(query, of.attributes, reverse)?,
    };
    let marked = page.marker.is_some();
    let (mut items, more) = walk(of, page, limit.is_some(), |page| Ok(fetch(&wanted, page)?))?;
    if reverse {
        items.reverse();
    }
    let name = of.collection.replace('-', "_");
    let mut writer = Writer::with_capacity(256 + items.len() * 1024);
    writer.begin_object();
    if limit.is_some() || more {
        let (next, previous) = if reverse { (marked, more) } else { (more, marked) };
        let (last, first) = (items.last().filter(|_| next), items.first().filter(|_| previous));
        write_links(&mut writer, request, of.collection, last.map(of.id), first.map(of.id));
    }
    let picked = picked(request);
    writer.dynamic_key(&name).begin_array();
    for item in &items {
        of.write(&mut writer, item, &picked);
    }
    writer.end_array().end_object();
    Ok(respond::json(200, writer.finish()))
}

/// What the query's filters ask of the core.
fn conditions(query: Query<'_>, attributes: &'static [Attribute]) -> Result<Vec<Condition>, Fault> {
    let known = |name: &str| attributes.iter().find(|attribute| attribute.finds && attribute.name == name);
    for (name, _) in query.0 {
        if !OWN.contains(&name.as_str()) && known(name).is_none() {
            let message = format!("{} is invalid attribute for filtering", python(&json!([name])));
            return Err(Fault::bad_request(message));
        }
    }
    let mut conditions = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.finds) {
        let texts: Vec<&str> = query.all(attribute.name).collect();
        if !texts.is_empty() {
            asked(attribute, &texts, &mut conditions)?;
        }
    }
    Ok(conditions)
}

fn asked(attribute: &Attribute, texts: &[&str], conditions: &mut Vec<Condition>) -> Result<(), Fault> {
    let Attribute { name, field, .. } = *attribute;
    match attribute.reads {
        Reads::Text => conditions.push(any_of(field, texts)),
        Reads::By(read) => {
            let values = texts.iter().map(|text| read(name, text)).collect::<Result<Vec<_>, _>>()?;
            conditions.push(any_of(field, values.into_iter().flatten()));
        }
        Reads::Words(words) => {
            let value = |text: &&str| words.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
            conditions.push(any_of(field, texts.iter().filter_map(value)));
        }
        Reads::Constant(value) if texts.iter().any(|text| Some(*text) == value) => {}
        Reads::Constant(_) => conditions.push(nothing()),
        Reads::ConstantFlag(value) => {
            let flags = texts.iter().map(|text| flag(name, text)).collect::<Result<Vec<_>, _>>()?;
            conditions.extend((!flags.contains(&value)).then(nothing));
        }
        Reads::List(test) => {
            let items = texts.iter().flat_map(|text| text.split(',')).filter(|item| !item.is_empty());
            conditions.push(test(field, items.map(str::to_owned).collect()));
        }
        Reads::All(read) => conditions.extend(read(texts)?),
    }
    Ok(())
}

/// What no row meets.
fn nothing() -> Condition {
    any_of::<&str>("id", [])
}

/// None: everything. 0 means everything too, as upstream.
fn limit(query: Query<'_>) -> Result<Option<u32>, Fault> {
    let Some(text) = query.last("limit") else { return Ok(None) };
    let wrong = || Fault::bad_request(format!("Limit must be an integer 0 or greater and not '{text}'"));
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let limit: u32 = text.parse().unwrap_or(u32::MAX);
    Ok((limit > 0).then(|| limit.min(MAX_PAGE)))
}

fn sort(query: Query<'_>, attributes: &[Attribute], reverse: bool) -> Result<Vec<SortKey>, Fault> {
    let said = |name| query.all(name).filter(|text| !text.is_empty());
    let (keys, directions): (Vec<&str>, Vec<&str>) = (said("sort_key").collect(), said("sort_dir").collect());
    if keys.len() != directions.len() && !(directions.is_empty() && keys.len() == 1) {
        return Err(Fault::bad_request("The number of sort_keys and sort_dirs must be same"));
    }
    let mut sort = Vec::new();
    for (at, name) in keys.iter().enumerate() {
        let known = attributes.iter().find(|attribute| attribute.sorts && attribute.name == *name);
        let known = known.ok_or_else(|| {
            Fault::bad_request(format!("{} is invalid attribute for sort_keys", python(&json!([name]))))
        })?;
        let descending = match directions.get(at) {
            None | Some(&"asc") => false,
            Some(&"desc") => true,
            Some(other) => {
                return Err(Fault::bad_request(format!(
                    "{} is invalid value for sort_dirs, valid value is 'asc' and 'desc'",
                    python(&json!([other]))
                )));
            }
        };
        // Where all rows have the same value there is nothing to order.
        if !known.field.is_empty() {
            sort.push(SortKey { field: known.field.to_owned(), descending: descending != reverse });
        }
    }
    if !sort.iter().any(|key| key.field == "id") {
        sort.push(SortKey { field: "id".to_owned(), descending: reverse });
    }
    Ok(sort)
}

/// The one page, or from it on the whole list; and whether there is more of it.
fn walk<T>(
    of: &Resource<T>,
    mut page: PageRequest,
    one: bool,
    mut fetch: impl FnMut(&PageRequest) -> Result<(Vec<T>, Option<String>), NoPage>,
) -> Result<(Vec<T>, bool), Fault> {
    let first = page.marker.clone();
    let mut items: Vec<T> = Vec::new();
    loop {
        match fetch(&page) {
            Ok((found, next)) => {
                // A page that was cut at its bytes, and so many items, are all that an answer holds: what is left is behind
                // the link to the next page.
                let cut = found.len() < MAX_PAGE as usize;
                items.extend(found);
                if one || cut || next.is_none() || items.len() >= MOST {
                    return Ok((items, next.is_some()));
                }
                page.marker = next;
            }
            // Deleted since it was read: no part of the list any more, which goes on behind the one before.
            Err(NoPage::Marker) if items.pop().is_some() => {
                page.marker = items.last().map(|last| (of.id)(last).to_owned()).or_else(|| first.clone());
            }
            Err(NoPage::Marker) => return Err(Fault::no_marker(of.collection, first.as_deref().unwrap_or_default())),
            Err(NoPage::Refused(fault)) => return Err(fault),
        }
    }
}

/// Links to the neighbouring pages, where there are such, from the last and the first item of this one.
fn write_links(writer: &mut Writer, request: &Request, collection: &str, last: Option<&str>, first: Option<&str>) {
    let links = [(last, "next", ""), (first, "previous", "&page_reverse=True")];
    let links = links.into_iter().filter_map(|(marker, rel, reverse)| Some((marker?, rel, reverse)));
    let mut links = links.peekable();
    if links.peek().is_none() {
        return;
    }
    let own: Vec<_> = request.query.iter().filter(|(name, _)| name != "page_reverse").cloned().collect();
    writer.dynamic_key(&format!("{}_links", collection.replace('-', "_"))).begin_array();
    for (marker, rel, reverse) in links {
        let href = format!("{}/v2.0/{collection}?{}{reverse}", request.base_url, query::with_marker(&own, marker));
        writer.begin_object().key(key!("rel")).string(rel).key(key!("href")).string(&href).end_object();
    }
    writer.end_array();
}

fn picked(request: &Request) -> Picked<'_> {
    Picked(Query(&request.query).all("fields").filter(|name| !name.is_empty()).collect())
}

/// The answer to a request for one resource.
pub fn one<T>(request: &Request, of: &Resource<T>, item: &T) -> Response {
    answer(200, of, item, &picked(request))
}

/// `{"<name>": {..}}`.
pub fn answer<T>(status: u16, of: &Resource<T>, item: &T, picked: &Picked<'_>) -> Response {
    let mut writer = Writer::with_capacity(1024);
    writer.begin_object().dynamic_key(of.name);
    of.write(&mut writer, item, picked);
    writer.end_object();
    respond::json(status, writer.finish())
}

/// What was created: as it was asked for, one or a list.
pub fn created<T>(of: &Resource<T>, bulk: bool, items: &[T]) -> Answer {
    let all = Picked::default();
    if !bulk {
        let item = items.last().ok_or_else(|| Fault::new(500, "HTTPInternalServerError", "Nothing was created."))?;
        return Ok(answer(201, of, item, &all));
    }
    let mut writer = Writer::with_capacity(64 + items.len() * 1024);
    writer.begin_object().dynamic_key(&format!("{}s", of.name)).begin_array();
    for item in items {
        of.write(&mut writer, item, &all);
    }
    writer.end_array().end_object();
    Ok(respond::json(201, writer.finish()))
}
