//! Lists: filters, order, pages. A filter that isn't known is overlooked, as upstream overlooks those that nobody configured.

use std::collections::BTreeMap;

use skyloom_sdk::conditions::{any_of, before, from, is, part_any_case};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::query::{self, Query};
use skyloom_sdk::{Condition, Error, PageRequest, Request, Response, SortKey, key, respond, time};

use crate::{Answer, Fault, minor};

/// The largest page, upstream's `osapi_max_limit`.
const MAX_PAGE: u32 = 1000;

/// How the text of a filter becomes the core's.
#[derive(Clone, Copy, Debug)]
pub enum Reads {
    Text,
    Flag,
    State,
    Map,
    Time,
}

/// A filter or sort key: Cinder's name, the core's field, how a filter's text is read (none: it is no filter), whether it sorts.
pub type Field = (&'static str, &'static str, Option<Reads>, bool);

/// The states whose words differ: Cinder's, the core's.
const STATES: &[(&str, &str)] = &[("extending", "growing")];

pub fn state(core: &str) -> &str {
    STATES.iter().find(|(_, own)| *own == core).map_or(core, |(word, _)| word)
}

pub fn conditions(request: &Request, fields: &[Field]) -> Result<Vec<Condition>, Fault> {
    let query = Query(&request.query);
    let mut found = Vec::new();
    if query.last("all_tenants").is_some_and(|text| boolean_text(text).unwrap_or(false)) {
        found.push(is("all-projects", true));
        if let Some(project) = query.last("project_id") {
            found.push(any_of("project-id", [project]));
        }
    }
    for (name, text) in query.0 {
        // From 3.31 on a tilde asks for a part of the text.
        let (name, part) = name.strip_suffix('~').map_or((name.as_str(), false), |name| (name, minor(request) >= 31));
        let known = fields.iter().find(|(known, ..)| *known == name).and_then(|field| Some((field.1, field.2?)));
        match known {
            Some((field, Reads::Text)) if part => found.push(part_any_case(field, text)),
            Some((field, reads)) => read(name, field, reads, text, &mut found)?,
            None => {}
        }
    }
    Ok(found)
}

fn read(name: &str, field: &str, reads: Reads, text: &str, found: &mut Vec<Condition>) -> Result<(), Fault> {
    match reads {
        Reads::Text => found.push(any_of(field, [text])),
        Reads::Flag => {
            let flag = boolean_text(text).ok_or_else(|| Fault::invalid(name, &format!("'{text}' is no boolean.")))?;
            found.push(is(field, flag));
        }
        Reads::State => {
            let core = STATES.iter().find(|(word, _)| *word == text).map_or(text, |(_, core)| core);
            found.push(any_of(field, [core.to_lowercase()]));
        }
        Reads::Map => found.push(Condition { field: field.to_owned(), test: "pairs".to_owned(), values: map(text)? }),
        Reads::Time => {
            for part in text.split(',') {
                let marked =
                    part.split_once(':').filter(|(test, _)| test.bytes().all(|byte| byte.is_ascii_lowercase()));
                let (test, time) = marked.unwrap_or(("eq", part));
                let wrong = || Fault::invalid(name, &format!("'{part}' is no comparison of a time."));
                let (begin, end) = time::parse_span(time).ok_or_else(wrong)?;
                match test {
                    "gt" => found.push(from(field, end)),
                    "gte" => found.push(from(field, begin)),
                    "lt" => found.push(before(field, begin)),
                    "lte" => found.push(before(field, end)),
                    "eq" => found.extend([from(field, begin), before(field, end)]),
                    "neq" => {
                        let values = vec![begin.to_string(), end.to_string()];
                        found.push(Condition { field: field.to_owned(), test: "outside".to_owned(), values });
                    }
                    _ => return Err(wrong()),
                }
            }
        }
    }
    Ok(())
}

/// A map as Python writes it, `{'key': 'value'}`, or as JSON does: keys and values in turn.
fn map(text: &str) -> Result<Vec<String>, Fault> {
    let json = text.replace('\'', "\"");
    let map: BTreeMap<String, String> = serde_json::from_str(&json)
        .map_err(|_| Fault::invalid("metadata", &format!("'{text}' is no map of texts.")))?;
    Ok(map.into_iter().flat_map(|(key, value)| [key, value]).collect())
}

/// `sort=key:dir,...`, or the older `sort_key` and `sort_dir`. Newest first unless said otherwise.
fn sort(query: Query<'_>, fields: &[Field]) -> Result<Vec<SortKey>, Fault> {
    let mut keys: Vec<(String, String)> = Vec::new();
    if let Some(text) = query.last("sort") {
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, direction) = part.split_once(':').unwrap_or((part, "desc"));
            keys.push((name.trim().to_owned(), direction.trim().to_owned()));
        }
    } else if let Some(name) = query.last("sort_key") {
        keys.push((name.to_owned(), query.last("sort_dir").unwrap_or("desc").to_owned()));
    } else if let Some(direction) = query.last("sort_dir") {
        keys.push(("created_at".to_owned(), direction.to_owned()));
    }
    let mut sort = Vec::with_capacity(keys.len());
    for (name, direction) in keys {
        let known = fields.iter().find(|(known, _, _, sorts)| *known == name && *sorts);
        let (_, field, ..) =
            known.ok_or_else(|| Fault::bad_request(format!("Invalid input received: Invalid sort key: {name}")))?;
        if !["asc", "desc"].contains(&direction.as_str()) {
            return Err(Fault::bad_request(format!(
                "Invalid input received: Invalid sort direction: {direction}. Valid directions are: 'asc', 'desc'."
            )));
        }
        sort.push(SortKey { field: (*field).to_owned(), descending: direction == "desc" });
    }
    Ok(sort)
}

fn number(query: Query<'_>, name: &str) -> Result<Option<u32>, Fault> {
    let Some(text) = query.last(name) else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(number) => Ok(Some(number)),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(u32::MAX)),
        Err(_) => Err(Fault::bad_request(format!("{name} param must be an integer"))),
    }
}

/// What a list needs to know of its resource.
pub struct Of<'a, T> {
    /// In paths and bodies.
    pub collection: &'static str,
    pub fields: &'a [Field],
    pub id: fn(&T) -> &str,
    pub write: &'a dyn Fn(&mut Writer, &T),
}

/// One page, and its link to the next one.
pub fn list<T>(
    request: &Request,
    of: &Of<'_, T>,
    fetch: impl Fn(&[Condition], &PageRequest) -> Result<(Vec<T>, Option<String>), Error>,
) -> Answer {
    let query = Query(&request.query);
    let wanted = conditions(request, of.fields)?;
    let (limit, offset) =
        (number(query, "limit")?.unwrap_or(MAX_PAGE).min(MAX_PAGE), number(query, "offset")?.unwrap_or(0));
    let sort = sort(query, of.fields)?;
    let mut page = PageRequest { limit: 1, marker: query.last("marker").map(str::to_owned), sort };
    let mut skip = offset;
    let (mut items, mut next) = (Vec::new(), page.marker.clone());
    while skip > 0 {
        page.limit = skip.min(MAX_PAGE);
        let (found, more) = fetch(&wanted, &page).map_err(|error| no_marker(error, page.marker.as_deref()))?;
        skip -= u32::try_from(found.len()).unwrap_or(skip).min(skip);
        let Some(more) = more.filter(|_| !found.is_empty()) else { return Ok(answer(request, of, &[], false)) };
        page.marker = Some(more);
    }
    if limit > 0 {
        page.limit = limit;
        (items, next) = fetch(&wanted, &page).map_err(|error| no_marker(error, page.marker.as_deref()))?;
    }
    // Upstream doesn't look whether anything is behind a full page, and its clients go on to an empty one.
    let goes_on = limit > 0 && (next.is_some() || items.len() == limit as usize);
    Ok(answer(request, of, &items, goes_on))
}

fn no_marker(error: Error, marker: Option<&str>) -> Fault {
    match (error.field.as_deref(), marker) {
        (Some("marker"), Some(marker)) => Fault::new(404, format!("marker {marker} could not be found.")),
        _ => error.into(),
    }
}

fn answer<T>(request: &Request, of: &Of<'_, T>, items: &[T], goes_on: bool) -> Response {
    let mut json = Writer::with_capacity(128 + items.len() * 1024);
    json.begin_object().dynamic_key(of.collection).begin_array();
    for item in items {
        (of.write)(&mut json, item);
    }
    json.end_array();
    if let (true, Some(last)) = (goes_on, items.last()) {
        let query: Vec<_> = request.query.iter().filter(|(name, _)| name != "offset").cloned().collect();
        json.dynamic_key(&format!("{}_links", of.collection)).begin_array().begin_object();
        json.key(key!("rel")).string("next").key(key!("href"));
        json.joined(&[&request.base_url, &request.path, "?", &query::with_marker(&query, (of.id)(last))]);
        json.end_object().end_array();
    }
    json.end_object();
    respond::json(200, json.finish())
}

/// `links` of a resource, as upstream has them: its own place, and the same without a version.
pub fn write_links(json: &mut Writer, request: &Request, collection: &str, id: &str) {
    let project = request.caller.as_ref().and_then(|caller| caller.project_id.as_deref());
    let project = project.map(|id| format!("{id}/")).unwrap_or_default();
    json.key(key!("links")).begin_array();
    for (rel, version) in [("self", "/v3/"), ("bookmark", "/")] {
        json.begin_object().key(key!("rel")).string(rel).key(key!("href"));
        json.joined(&[&request.base_url, version, &project, collection, "/", id]).end_object();
    }
    json.end_array();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_as_clients_write_it() {
        assert_eq!(map("{'a': 'b', \"c\": 'd'}").unwrap(), ["a", "b", "c", "d"]);
        for wrong in ["a=b", "{'a': 1}", "['a', 'b']"] {
            assert_eq!(map(wrong).unwrap_err().status, 400, "{wrong}");
        }
    }

    #[test]
    fn times_are_compared_as_they_are_shown() {
        let tests = |text: &str| -> Vec<String> {
            let mut found = Vec::new();
            read("created_at", "created-at", Reads::Time, text, &mut found).unwrap();
            found.into_iter().map(|condition| condition.test).collect()
        };
        assert_eq!(tests("gt:2026-01-01T00:00:00,lt:2026-01-02T00:00:00"), ["from", "before"]);
        assert_eq!(tests("2026-01-01T00:00:00"), ["from", "before"]);
        assert_eq!(tests("neq:2026-01-01T00:00:00"), ["outside"]);
        let wrong =
            |text: &str| read("created_at", "created-at", Reads::Time, text, &mut Vec::new()).unwrap_err().status;
        assert_eq!([wrong("about:2026-01-01T00:00:00"), wrong("gt:yesterday")], [400, 400]);
    }
}
