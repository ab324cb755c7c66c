//! Attributes that upstream doesn't know and keeps all the same: they stand beside the others, and are told by nothing else.

use serde_json::{Map, Value};

fn parse(extra: &str) -> Map<String, Value> {
    serde_json::from_str(extra).unwrap_or_default()
}

/// Puts them beside the attributes that are known, which win.
pub fn beside(extra: &str, known: Value) -> Value {
    match known {
        Value::Object(known) if extra != "{}" => {
            let mut all = parse(extra);
            all.extend(known);
            Value::Object(all)
        }
        known => known,
    }
}

/// The answer to an update of a user or a project has them a second time, in a member of their own.
pub fn twice(extra: &str, mut view: Value) -> Value {
    view["extra"] = Value::Object(parse(extra));
    view
}
