//! The query of a list: filters, operators, order, page.

use skyloom_sdk::cloud::images::ImageFilter;
use skyloom_sdk::query::Query;
use skyloom_sdk::{PageRequest, Pair, SortKey, Timestamp, time};

use crate::{Fault, views};

/// What a list's query asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub filter: ImageFilter,
    pub limit: Option<u32>,
    marker: Option<String>,
    sort: Vec<SortKey>,
    /// No image can be meant.
    pub nothing: bool,
}

impl Wanted {
    pub fn page(&self, limit: u32) -> PageRequest {
        PageRequest { limit, marker: self.marker.clone(), sort: self.sort.clone() }
    }
}

/// At most this many items a page.
const MAX_LIMIT: u32 = 1000;
const SECOND: i64 = 1_000_000;

pub fn parse(query: &[Pair], admin: bool) -> Result<Wanted, Fault> {
    // Administrators see the images of all projects, as upstream.
    let everything = ImageFilter { all_projects: admin, ..skyloom_sdk::any::images() };
    let mut wanted = Wanted { filter: everything, limit: None, marker: None, sort: Vec::new(), nothing: false };
    for (name, value) in query {
        match name.as_str() {
            "limit" => wanted.limit = Some(limit(value)?),
            "marker" => wanted.marker = Some(value.clone()),
            "sort" | "sort_key" | "sort_dir" => {}
            _ => filter(&mut wanted, name, value)?,
        }
    }
    wanted.nothing |= wanted.limit == Some(0);
    wanted.sort = order(&Query(query))?;
    Ok(wanted)
}

fn filter(wanted: &mut Wanted, name: &str, value: &str) -> Result<(), Fault> {
    let filter = &mut wanted.filter;
    match name {
        "id" => filter.ids = any(value)?,
        "name" => filter.names = any(value)?,
        "status" => {
            let words = any(value)?;
            filter.states = words.iter().filter_map(|word| views::parse_state(word)).collect();
            // A word that no image has matches none.
            wanted.nothing |= filter.states.is_empty();
        }
        "disk_format" => filter.disk_formats = any(value)?,
        "container_format" => filter.container_formats = any(value)?,
        "visibility" if value == "all" => filter.community = true,
        "visibility" => {
            let known = views::parse_visibility(value);
            filter.visibility =
                Some(known.ok_or_else(|| Fault::bad_request(format!("Invalid visibility value: {value}")))?);
        }
        "owner" => filter.owner = Some(value.to_owned()),
        "protected" => filter.protected = Some(flag("protected", value)?),
        "os_hidden" => filter.hidden = Some(flag("os_hidden", value)?),
        "size" | "size_min" | "size_max" => range(name, value, &mut filter.min_size, &mut filter.max_size)?,
        "virtual_size" | "virtual_size_min" | "virtual_size_max" => {
            range(name, value, &mut filter.min_virtual_size, &mut filter.max_virtual_size)?;
        }
        "min_disk" => filter.min_disk_gib = Some(small("min_disk", value)?),
        "min_ram" => filter.min_memory_mib = Some(small("min_ram", value)?),
        "checksum" => filter.checksum = Some(value.to_owned()),
        "os_hash_value" => filter.hash_value = Some(value.to_owned()),
        "tag" => filter.tags.push(value.to_owned()),
        "created_at" => {
            span(name, value, &mut filter.created_since, &mut filter.created_before, &mut filter.created_outside)?;
        }
        "updated_at" => {
            span(name, value, &mut filter.updated_since, &mut filter.updated_before, &mut filter.updated_outside)?;
        }
        // Checked, and without effect on images that aren't shared with the caller, which are all here.
        "member_status" => {
            if !matches!(value, "pending" | "accepted" | "rejected" | "all") {
                return Err(Fault::bad_request(format!(
                    "Invalid status value: {value}. Status must be one of: pending, accepted, rejected, all"
                )));
            }
        }
        "deleted" | "changes-since" => {
            return Err(Fault::bad_request(format!("The filter {name} is not supported by this version of the API.")));
        }
        _ => filter.properties.push((name.to_owned(), value.to_owned())),
    }
    Ok(())
}

fn limit(text: &str) -> Result<u32, Fault> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::bad_request("limit param must be an integer"));
    }
    if text.starts_with('-') {
        return Err(Fault::bad_request("limit param must be positive"));
    }
    Ok(text.parse().unwrap_or(MAX_LIMIT).min(MAX_LIMIT))
}

fn flag(name: &str, text: &str) -> Result<bool, Fault> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Fault::bad_request(format!(
            "Invalid value '{text}' for '{name}' filter. Valid values are case-insensitive 'true' or 'false'."
        ))),
    }
}

fn size(name: &str, text: &str) -> Result<u64, Fault> {
    let number: Option<i64> = text.parse().ok();
    let number = number.ok_or_else(|| Fault::bad_request(format!("Filter {name} must be an integer.")))?;
    u64::try_from(number).map_err(|_| Fault::bad_request(format!("Filter {name} must be a non-negative integer.")))
}

/// Of a number: what it is, its least (`_min`), its most (`_max`).
fn range(name: &str, text: &str, least: &mut Option<u64>, most: &mut Option<u64>) -> Result<(), Fault> {
    let number = size(name, text)?;
    if !name.ends_with("_max") {
        *least = Some(least.map_or(number, |old| old.max(number)));
    }
    if !name.ends_with("_min") {
        *most = Some(most.map_or(number, |old| old.min(number)));
    }
    Ok(())
}

fn small(name: &str, text: &str) -> Result<u32, Fault> {
    u32::try_from(size(name, text)?).map_err(|_| Fault::bad_request(format!("Filter {name} is out of range.")))
}

fn unknown(operator: &str) -> Fault {
    Fault::bad_request(format!("Unable to filter by unknown operator '{operator}'."))
}

/// What stands before a colon is an operator, unless the whole is a time.
fn operator(value: &str) -> (&str, &str) {
    value.split_once(':').filter(|_| time::parse(value).is_none()).unwrap_or(("eq", value))
}

/// One value, or several behind `in:`, separated by commas; a value with a comma stands in double quotes.
fn any(value: &str) -> Result<Vec<String>, Fault> {
    let list = match operator(value) {
        ("in", list) => list,
        ("eq", value) => return Ok(vec![value.to_owned()]),
        (other, _) => return Err(unknown(other)),
    };
    let wrong = || {
        Fault::bad_request(format!("Invalid filter value {list}. The quote is not closed or not followed by a comma."))
    };
    let mut values = Vec::new();
    let mut rest = list;
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (inner, after) = quoted.split_once('"').ok_or_else(wrong)?;
            values.push(inner.to_owned());
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None if after.is_empty() => return Ok(values),
                None => return Err(wrong()),
            }
        } else {
            let (plain, next) = match rest.split_once(',') {
                Some((plain, next)) => (plain, Some(next)),
                None => (rest, None),
            };
            if plain.contains('"') {
                return Err(wrong());
            }
            values.push(plain.to_owned());
            match next {
                Some(next) => rest = next,
                None => return Ok(values),
            }
        }
    }
}

/// Times are shown in whole seconds, so they are compared in whole seconds: a second is the half-open interval from it to the
/// next one.
fn span(
    name: &str,
    value: &str,
    since: &mut Option<Timestamp>,
    before: &mut Option<Timestamp>,
    outside: &mut Vec<(Timestamp, Timestamp)>,
) -> Result<(), Fault> {
    let (operator, text) = operator(value);
    let moment = time::parse(text).ok_or_else(|| {
        Fault::bad_request(format!("Unable to filter by {name}: '{text}' is not a time in the form of ISO 8601."))
    })?;
    let second = moment.div_euclid(SECOND) * SECOND;
    let mut later = |time: Timestamp| *since = Some(since.map_or(time, |old| old.max(time)));
    let mut earlier = |time: Timestamp| *before = Some(before.map_or(time, |old| old.min(time)));
    match operator {
        "gte" => later(second),
        "gt" => later(second + SECOND),
        "lte" => earlier(second + SECOND),
        "lt" => earlier(second),
        "eq" => {
            later(second);
            earlier(second + SECOND);
        }
        "neq" => outside.push((second, second + SECOND)),
        other => return Err(unknown(other)),
    }
    Ok(())
}

/// Upstream's sort keys with the core's.
const KEYS: &[(&str, &str)] = &[
    ("name", "name"),
    ("status", "state"),
    ("container_format", "container-format"),
    ("disk_format", "disk-format"),
    ("size", "size"),
    ("id", "id"),
    ("created_at", "created-at"),
    ("updated_at", "updated-at"),
    ("min_disk", "min-disk-gib"),
    ("min_ram", "min-memory-mib"),
    ("owner", "owner"),
    ("visibility", "visibility"),
];

fn key(name: &str) -> Result<String, Fault> {
    KEYS.iter().find(|(known, _)| *known == name).map(|(_, core)| (*core).to_owned()).ok_or_else(|| {
        let known: Vec<&str> = KEYS.iter().map(|(known, _)| *known).collect();
        Fault::bad_request(format!("Invalid sort key: {name}. It must be one of the following: {}.", known.join(", ")))
    })
}

fn descending(word: &str) -> Result<bool, Fault> {
    match word {
        "asc" => Ok(false),
        "desc" => Ok(true),
        _ => Err(Fault::bad_request(format!(
            "Invalid sort direction: {word}. It must be one of the following: asc, desc."
        ))),
    }
}

/// The old form names keys and directions apart, the new one together; without any the youngest comes first. Unless it is
/// named, creation and id break ties.
fn order(query: &Query<'_>) -> Result<Vec<SortKey>, Fault> {
    let mut sort: Vec<SortKey> = Vec::new();
    if let Some(text) = query.last("sort") {
        if query.has("sort_key") || query.has("sort_dir") {
            return Err(Fault::bad_request("Old and new sorting syntax cannot be combined"));
        }
        for part in text.split(',').map(str::trim) {
            let (name, direction) = part.split_once(':').unwrap_or((part, "desc"));
            sort.push(SortKey { field: key(name)?, descending: descending(direction)? });
        }
    } else {
        let keys: Vec<&str> = query.all("sort_key").collect();
        let directions: Vec<&str> = query.all("sort_dir").collect();
        if directions.len() > 1 && directions.len() != keys.len() {
            return Err(Fault::bad_request("Number of sort dirs does not match the number of sort keys"));
        }
        let keys = if keys.is_empty() { vec!["created_at"] } else { keys };
        for (at, name) in keys.iter().enumerate() {
            let direction = directions.get(at).or(directions.first()).copied().unwrap_or("desc");
            sort.push(SortKey { field: key(name)?, descending: descending(direction)? });
        }
    }
    let down = sort.first().is_none_or(|first| first.descending);
    for field in ["created-at", "id"] {
        if !sort.iter().any(|key| key.field == field) {
            sort.push(SortKey { field: field.to_owned(), descending: down });
        }
    }
    Ok(sort)
}
