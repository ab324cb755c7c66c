//! What the area's calls share: pages, names, small maps.

use std::collections::BTreeMap;

use skyloom_model::{Error, Result};
use skyloom_runtime::bindings::types::common::Pair;

use crate::bounds;
pub(super) use crate::lists::page;

/// The longest name, key or value, in characters.
pub(super) const MAX_TEXT: usize = 255;

/// A name for people: 1 to 255 characters, none of them a control character, not only spaces.
pub(super) fn check_name(field: &str, name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid(field, "A text must not be empty.").with_reason("malformed"));
    }
    check_text(field, name)
}

/// At most 255 characters, none of them a control character.
pub(super) fn check_text(field: &str, text: &str) -> Result<()> {
    if text.chars().count() > MAX_TEXT {
        let message = format!("A text is longer than {MAX_TEXT} characters.");
        return Err(Error::invalid(field, message).with_reason("too-long"));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::invalid(field, "A text has a character that is not allowed.").with_reason("malformed"));
    }
    Ok(())
}

pub(super) fn pairs(map: &BTreeMap<String, String>) -> Vec<Pair> {
    map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Items of a map: keys of 1 to 255 characters, each once; values of at most 255.
pub(super) fn items(field: &str, items: Vec<Pair>) -> Result<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for (key, value) in items {
        let long = key.chars().count() > MAX_TEXT || value.chars().count() > MAX_TEXT;
        if key.is_empty() || long || key.chars().chain(value.chars()).any(|letter| letter == '\0') {
            let message =
                format!("A key has 1 to {MAX_TEXT} characters, a value at most {MAX_TEXT}, none of them NUL.");
            return Err(Error::invalid(field, message).with_reason("malformed"));
        }
        if map.insert(key, value).is_some() {
            return Err(Error::invalid(field, "A key stands twice.").with_reason("duplicate"));
        }
    }
    bounds::pairs(field, bounds::PAIRS, &map)?;
    Ok(map)
}
