//! The versions of a body, out of one annotated JSON schema.
//!
//! A member of `properties` may say from which version on it is known, up to which, and that it has to be there:
//! `{"type": "string", "x-min": "2.37", "x-max": "2.41", "x-required": true}`. A member that changes is a list of such schemas. What
//! says nothing holds for every version.

use serde_json::{Map, Value};

use crate::manifest::ApiVersion;

const MIN: &str = "x-min";
const MAX: &str = "x-max";
const REQUIRED: &str = "x-required";

/// The plain schemas, each with the first version that it holds for; the first one holds for all below the second, too. Or what
/// is wrong with the annotations.
pub fn of(source: &Value) -> Result<Vec<(Option<ApiVersion>, Value)>, String> {
    let mut starts = vec![None];
    collect(source, &mut starts)?;
    starts.sort_unstable();
    starts.dedup();
    Ok(starts.into_iter().map(|start| (start, plain(source, start))).collect())
}

/// Every version with which something changes.
fn collect(source: &Value, starts: &mut Vec<Option<ApiVersion>>) -> Result<(), String> {
    match source {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    MIN => starts.push(Some(version(value)?)),
                    MAX => {
                        let ApiVersion { major, minor } = version(value)?;
                        starts.push(Some(ApiVersion::new(major, minor + 1)));
                    }
                    REQUIRED if value.is_boolean() => {}
                    REQUIRED => return Err(format!("{REQUIRED} is true or false")),
                    other if other.starts_with("x-") => return Err(format!("nobody knows {other}")),
                    _ => collect(value, starts)?,
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| collect(item, starts)),
        _ => Ok(()),
    }
}

fn version(value: &Value) -> Result<ApiVersion, String> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("{value} is no version"))
}

/// The schema as it is from this version on; none: before every change.
fn plain(source: &Value, at: Option<ApiVersion>) -> Value {
    match source {
        Value::Object(members) => {
            let mut out = Map::new();
            let mut required = Vec::new();
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        out.insert(name.clone(), properties_at(properties, at, &mut required));
                    }
                    (MIN | MAX | REQUIRED, _) => {}
                    _ => {
                        out.insert(name.clone(), plain(value, at));
                    }
                }
            }
            if !required.is_empty() {
                let all = out.entry("required").or_insert_with(|| Value::Array(Vec::new()));
                all.as_array_mut().into_iter().for_each(|all| all.append(&mut required));
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(|item| plain(item, at)).collect(),
        other => other.clone(),
    }
}

fn properties_at(properties: &Map<String, Value>, at: Option<ApiVersion>, required: &mut Vec<Value>) -> Value {
    let mut out = Map::new();
    for (name, value) in properties {
        let choices = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let Some(chosen) = choices.iter().find(|choice| holds(choice, at)) else { continue };
        if chosen.get(REQUIRED) == Some(&Value::Bool(true)) {
            required.push(Value::from(name.as_str()));
        }
        out.insert(name.clone(), plain(chosen, at));
    }
    Value::Object(out)
}

fn holds(schema: &Value, at: Option<ApiVersion>) -> bool {
    let bound = |name: &str| schema.get(name).and_then(|value| version(value).ok());
    bound(MIN).is_none_or(|min| at >= Some(min)) && bound(MAX).is_none_or(|max| at <= Some(max))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_come_change_and_go_with_their_versions() {
        let source = json!({ "type": "object", "required": ["a"], "properties": {
            "a": { "type": "string" },
            "b": [{ "type": "array", "x-max": "2.36" }, { "type": "string", "x-min": "2.37", "x-required": true }],
            "c": [{ "items": { "properties": { "d": { "x-min": "2.42" } } }, "x-min": "2.32", "x-max": "2.32" }, { "x-min": "2.42" }],
            "properties": { "x-max": "2.41" },
        }});
        let made = of(&source).unwrap();
        let starts: Vec<String> = made.iter().map(|(at, _)| at.map_or("-".to_owned(), |at| at.to_string())).collect();
        assert_eq!(starts, ["-", "2.32", "2.33", "2.37", "2.42"]);
        let (a, properties) = (json!({ "type": "string" }), json!({}));
        let body = |required: &[&str], members: Value| json!({ "type": "object", "required": required, "properties": members });
        let schemas: Vec<&Value> = made.iter().map(|(_, schema)| schema).collect();
        let first = json!({ "a": a, "b": { "type": "array" }, "properties": properties });
        assert_eq!(*schemas[0], body(&["a"], first.clone()));
        assert_eq!(*schemas[2], body(&["a"], first));
        let second = json!({ "a": a, "b": { "type": "array" }, "c": { "items": { "properties": {} } }, "properties": properties });
        assert_eq!(*schemas[1], body(&["a"], second));
        let third = json!({ "a": a, "b": { "type": "string" }, "properties": properties });
        assert_eq!(*schemas[3], body(&["a", "b"], third));
        assert_eq!(*schemas[4], body(&["a", "b"], json!({ "a": a, "b": { "type": "string" }, "c": {} })));
    }

    #[test]
    fn a_schema_that_says_nothing_of_versions_is_its_only_one() {
        let source = json!({ "properties": { "a": { "enum": [1, null] } } });
        assert_eq!(of(&source).unwrap(), [(None, source)]);
    }

    #[test]
    fn annotations_that_nobody_understands_are_refused() {
        for (annotation, why) in [
            (json!({ "x-min": "2" }), "\"2\" is no version"),
            (json!({ "x-max": 2.1 }), "2.1 is no version"),
            (json!({ "x-required": "yes" }), "x-required is true or false"),
            (json!({ "x-since": "2.1" }), "nobody knows x-since"),
        ] {
            assert_eq!(of(&json!({ "properties": { "a": annotation } })).unwrap_err(), why);
        }
    }
}
