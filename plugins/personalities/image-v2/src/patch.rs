//! Changes of an image: RFC 6902 as upstream narrows it (add, replace, remove; one level deep), and its older form.

use serde_json::Value;
use skyloom_sdk::cloud::images::{Image, ImageUpdate, Visibility};

use crate::{Fault, images, views};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Add,
    /// Of the older form: nothing of that name may be there.
    AddNew,
    Replace,
    Remove,
}

#[derive(Clone, Debug)]
pub struct Change {
    pub verb: Verb,
    pub name: String,
    /// `null` for a removal.
    pub value: Value,
}

/// `older`: `[{"replace": "/name", "value": ..}]` instead of `[{"op": "replace", "path": "/name", "value": ..}]`.
pub fn parse(body: &[u8], older: bool) -> Result<Vec<Change>, Fault> {
    let Value::Array(items) = images::read(body)? else {
        return Err(Fault::bad_request("Request body must be a JSON array of operation objects."));
    };
    items.iter().map(|item| change(item, older)).collect()
}

fn change(item: &Value, older: bool) -> Result<Change, Fault> {
    let Value::Object(item) = item else {
        return Err(Fault::bad_request("Operations must be JSON objects."));
    };
    let verbs = [("add", Verb::Add), ("replace", Verb::Replace), ("remove", Verb::Remove)];
    let (verb, path) = if older {
        let verbs = [("add", Verb::AddNew), verbs[1], verbs[2]];
        let found: Vec<_> = verbs.iter().filter(|(word, _)| item.contains_key(*word)).collect();
        match found.as_slice() {
            [(word, verb)] => (*verb, item.get(*word)),
            [] => {
                return Err(Fault::bad_request(
                    "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".",
                ));
            }
            _ => {
                return Err(Fault::bad_request(
                    "Operation objects must contain only one member named \"add\", \"remove\", or \"replace\".",
                ));
            }
        }
    } else {
        let op = item
            .get("op")
            .and_then(Value::as_str)
            .ok_or_else(|| Fault::bad_request("Unable to find 'op' in JSON Schema change"))?;
        let verb = verbs.iter().find(|(word, _)| *word == op).map(|(_, verb)| *verb);
        let verb = verb.ok_or_else(|| {
            Fault::bad_request(format!(
                "Invalid operation: `{op}`. It must be one of the following: add, remove, replace."
            ))
        })?;
        let path = item.get("path").ok_or_else(|| Fault::bad_request("Unable to find 'path' in JSON Schema change"))?;
        (verb, Some(path))
    };
    let path =
        path.and_then(Value::as_str).ok_or_else(|| Fault::bad_request("The path of an operation must be a string."))?;
    let name = pointer(path)?;
    let value = match (verb, item.get("value")) {
        (Verb::Remove, _) => Value::Null,
        (_, Some(value)) => value.clone(),
        (_, None) => {
            let word = if verb == Verb::Replace { "replace" } else { "add" };
            return Err(Fault::bad_request(format!("Operation \"{word}\" requires a member named \"value\".")));
        }
    };
    Ok(Change { verb, name, value })
}

/// A JSON pointer of one level.
fn pointer(path: &str) -> Result<String, Fault> {
    let Some(name) = path.strip_prefix('/') else {
        return Err(Fault::bad_request(format!("Pointer `{path}` does not start with \"/\".")));
    };
    if name.is_empty() {
        return Err(Fault::bad_request(format!("Pointer `{path}` does not contain valid token.")));
    }
    if name.contains('/') {
        return Err(Fault::bad_request(format!("Invalid JSON pointer for this resource: '{path}'")));
    }
    if name.match_indices('~').any(|(at, _)| !matches!(name.as_bytes().get(at + 1), Some(b'0' | b'1'))) {
        return Err(Fault::bad_request(format!(
            "Pointer `{path}` contains \"~\" not part of a recognized escape sequence."
        )));
    }
    Ok(name.replace("~1", "/").replace("~0", "~"))
}

pub fn text(name: &str, value: &Value) -> Result<Option<String>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(Fault::attribute(name, &format!("{other} is not of type 'string'"))),
    }
}

pub fn present(name: &str, value: &Value) -> Result<String, Fault> {
    text(name, value)?.ok_or_else(|| Fault::attribute(name, "None is not of type 'string'"))
}

pub fn texts(name: &str, value: &Value) -> Result<Vec<String>, Fault> {
    let wrong = || Fault::attribute(name, &format!("{value} is not a list of strings"));
    let Value::Array(items) = value else { return Err(wrong()) };
    items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

pub fn flag(name: &str, value: &Value) -> Result<bool, Fault> {
    value.as_bool().ok_or_else(|| Fault::attribute(name, &format!("{value} is not of type 'boolean'")))
}

pub fn number(name: &str, value: &Value) -> Result<u32, Fault> {
    let number =
        value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| i32::try_from(*number).is_ok());
    number.ok_or_else(|| Fault::attribute(name, &format!("{value} is not an integer from 0 to 2147483647")))
}

pub fn visibility(value: &Value) -> Result<Visibility, Fault> {
    value.as_str().and_then(views::parse_visibility).ok_or_else(|| {
        Fault::attribute("visibility", &format!("{value} is not one of ['community', 'public', 'private', 'shared']"))
    })
}

/// The image as it shall be.
pub fn apply(image: &Image, changes: &[Change]) -> Result<ImageUpdate, Fault> {
    let mut update = ImageUpdate {
        read_at: image.updated_at,
        name: image.name.clone(),
        visibility: image.visibility,
        protected: image.protected,
        hidden: image.hidden,
        disk_format: image.disk_format.clone(),
        container_format: image.container_format.clone(),
        min_disk_gib: image.min_disk_gib,
        min_memory_mib: image.min_memory_mib,
        tags: image.tags.clone(),
        properties: image.properties.clone(),
        owner: image.owner.clone(),
        attributes: None,
    };
    for change in changes {
        one(&mut update, change)?;
    }
    Ok(update)
}

fn one(update: &mut ImageUpdate, change: &Change) -> Result<(), Fault> {
    let (name, value) = (change.name.as_str(), &change.value);
    if name == "id" {
        return Err(Fault::new(403, format!("Attribute '{name}' is read-only.")));
    }
    views::settable(name)?;
    if change.verb == Verb::Remove && glance::BASE.contains(&name) {
        return Err(Fault::new(403, format!("Property {name} may not be removed.")));
    }
    let there = glance::BASE.contains(&name) || update.properties.iter().any(|(known, _)| known == name);
    if change.verb == Verb::AddNew && there {
        return Err(Fault::new(409, format!("Property {name} already present.")));
    }
    match name {
        "name" => update.name = text(name, value)?,
        "visibility" => update.visibility = visibility(value)?,
        "protected" => update.protected = flag(name, value)?,
        "os_hidden" => update.hidden = flag(name, value)?,
        "disk_format" => update.disk_format = text(name, value)?,
        "container_format" => update.container_format = text(name, value)?,
        "min_disk" => update.min_disk_gib = number(name, value)?,
        "min_ram" => update.min_memory_mib = number(name, value)?,
        "tags" => update.tags = texts(name, value)?,
        "owner" => {
            update.owner = present(name, value)?;
        }
        _ => property(update, change)?,
    }
    Ok(())
}

fn property(update: &mut ImageUpdate, change: &Change) -> Result<(), Fault> {
    let name = &change.name;
    let at = update.properties.iter().position(|(known, _)| known == name);
    if change.verb == Verb::Remove {
        let at = at.ok_or_else(|| Fault::new(409, format!("Property {name} does not exist.")))?;
        update.properties.remove(at);
        return Ok(());
    }
    let value = present(name, &change.value)?;
    match at {
        Some(at) => update.properties[at].1 = value,
        None if change.verb == Verb::Replace => {
            return Err(Fault::new(409, format!("Property {name} does not exist.")));
        }
        None => update.properties.push((name.clone(), value)),
    }
    Ok(())
}
