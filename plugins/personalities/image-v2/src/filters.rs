//! The query of a list: filters, operators, order, page.

use skyloom_sdk::conditions::{any_of, before, from, is, outside, pairs};
use skyloom_sdk::query::Query;
use skyloom_sdk::{Condition, PageRequest, Pair, SortKey, time};

use crate::{Fault, views};

/// What a list's query asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub conditions: Vec<Condition>,
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
    let conditions = admin.then(|| is("all-projects", true)).into_iter().collect();
    let mut wanted = Wanted { conditions, limit: None, marker: None, sort: Vec::new(), nothing: false };
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

/// Upstream's filters that compare one text, the core's field of each.
const TEXTS: &[(&str, &str)] = &[("owner", "owner"), ("checksum", "checksum"), ("os_hash_value", "hash-value")];

/// Those that take several texts.
const LISTS: &[(&str, &str)] =
    &[("id", "id"), ("name", "name"), ("disk_format", "disk-format"), ("container_format", "container-format")];

fn field(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

impl Wanted {
    /// Of two values of one name the last holds.
    fn put(&mut self, condition: Condition) {
        self.conditions.retain(|known| known.field != condition.field);
        self.conditions.push(condition);
    }
}

fn filter(wanted: &mut Wanted, name: &str, value: &str) -> Result<(), Fault> {
    if let Some(field) = field(TEXTS, name) {
        wanted.put(is(field, value));
        return Ok(());
    }
    if let Some(field) = field(LISTS, name) {
        wanted.put(any_of(field, any(value)?));
        return Ok(());
    }
    match name {
        "status" => {
            let words = any(value)?;
            let known: Vec<&String> = words.iter().filter(|word| views::is_state(word)).collect();
            // A word that no image has matches none.
            wanted.nothing |= known.is_empty();
            wanted.put(any_of("state", known));
        }
        "visibility" if value == "all" => wanted.put(is("community", true)),
        "visibility" => {
            views::parse_visibility(value)
                .ok_or_else(|| Fault::bad_request(format!("Invalid visibility value: {value}")))?;
            wanted.put(is("visibility", value));
        }
        "protected" => wanted.put(is("protected", flag("protected", value)?)),
        "os_hidden" => wanted.put(is("hidden", flag("os_hidden", value)?)),
        "size" | "virtual_size" => wanted.conditions.push(is(&name.replace('_', "-"), size(name, value)?)),
        "size_min" => wanted.conditions.push(from("size", size(name, value)?)),
        "size_max" => wanted.conditions.push(before("size", size(name, value)?.saturating_add(1))),
        "virtual_size_min" => wanted.conditions.push(from("virtual-size", size(name, value)?)),
        "virtual_size_max" => wanted.conditions.push(before("virtual-size", size(name, value)?.saturating_add(1))),
        "min_disk" => wanted.put(is("min-disk-gib", small("min_disk", value)?)),
        "min_ram" => wanted.put(is("min-memory-mib", small("min_ram", value)?)),
        "tag" => wanted.conditions.push(is("tags", value)),
        "created_at" => wanted.conditions.extend(span(name, "created-at", value)?),
        "updated_at" => wanted.conditions.extend(span(name, "updated-at", value)?),
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
        _ => wanted.conditions.push(pairs("properties", [name, value])),
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

fn size(name: &str, text: &str) -> Result<i64, Fault> {
    let number: Option<i64> = text.parse().ok();
    let number = number.ok_or_else(|| Fault::bad_request(format!("Filter {name} must be an integer.")))?;
    match number {
        0.. => Ok(number),
        _ => Err(Fault::bad_request(format!("Filter {name} must be a non-negative integer."))),
    }
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
fn span(name: &str, field: &str, value: &str) -> Result<Vec<Condition>, Fault> {
    let (operator, text) = operator(value);
    let moment = time::parse(text).ok_or_else(|| {
        Fault::bad_request(format!("Unable to filter by {name}: '{text}' is not a time in the form of ISO 8601."))
    })?;
    let second = moment.div_euclid(SECOND) * SECOND;
    Ok(match operator {
        "gte" => vec![from(field, second)],
        "gt" => vec![from(field, second + SECOND)],
        "lte" => vec![before(field, second + SECOND)],
        "lt" => vec![before(field, second)],
        "eq" => vec![from(field, second), before(field, second + SECOND)],
        "neq" => vec![outside(field, [second, second + SECOND])],
        other => return Err(unknown(other)),
    })
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
