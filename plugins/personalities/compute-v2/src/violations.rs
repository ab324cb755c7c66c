//! What the host's JSON schemas found wrong with a body, in Nova's words, which are those of Python's `jsonschema`.

use std::fmt::Write as _;

use serde_json::Value;
use skyloom_sdk::Violation;

use crate::context::Context;
use crate::errors::Fault;
use crate::servers::names;

/// The first violation as a refusal. `/v2` overlooks members that it doesn't know.
pub fn check<C>(context: &Context<'_, C>) -> Result<(), Fault> {
    let counts = |violation: &&Violation| !(context.legacy && violation.keyword == "additionalProperties");
    match context.request.violations.iter().find(counts) {
        None => Ok(()),
        Some(violation) => Err(Fault::bad_request(words(violation))),
    }
}

fn words(violation: &Violation) -> String {
    let parse = |text: &str| serde_json::from_str(text).unwrap_or_default();
    let (value, expected) = (parse(&violation.value), parse(&violation.expected));
    if violation.keyword == "pattern" && expected == names::PATTERN {
        return names::INVALID.to_owned();
    }
    let message = message(violation, &value, &expected);
    match violation.pointer.rsplit('/').next().filter(|name| !name.is_empty()) {
        None => message,
        Some(name) => of_field(&name.replace("~1", "/").replace("~0", "~"), &value, &message),
    }
}

/// A member's value refused: the value stands as it is, a quoted one within the message.
pub fn of_field(name: &str, value: &Value, message: &str) -> String {
    let shown = match value {
        Value::String(text) => text.clone(),
        other => python(other),
    };
    format!("Invalid input for field/attribute {name}. Value: {shown}. {message}")
}

fn message(violation: &Violation, value: &Value, expected: &Value) -> String {
    let (shown, wanted) = (python(value), python(expected));
    // One is worded as "not empty", none as "empty".
    let least = |otherwise: &str| if *expected == 1 { "should be non-empty".to_owned() } else { otherwise.to_owned() };
    let most =
        |otherwise: &str| if *expected == 0 { "is expected to be empty".to_owned() } else { otherwise.to_owned() };
    let known = !expected.is_null();
    let says = match violation.keyword.as_str() {
        "maxLength" => "is too long".to_owned(),
        "maxItems" => most("is too long"),
        "maxProperties" => most("has too many properties"),
        "minLength" | "minItems" => least("is too short"),
        "minProperties" => least("does not have enough properties"),
        "uniqueItems" => "has non-unique elements".to_owned(),
        "oneOf" | "anyOf" => "is not valid under any of the given schemas".to_owned(),
        "type" if known => format!("is not of type {}", listed(expected)),
        "enum" if known => format!("is not one of {wanted}"),
        "pattern" if known => format!("does not match {wanted}"),
        "format" if known => format!("is not a {wanted}"),
        "minimum" if known => format!("is less than the minimum of {wanted}"),
        "maximum" if known => format!("is greater than the maximum of {wanted}"),
        "exclusiveMinimum" if known => format!("is less than or equal to the minimum of {wanted}"),
        "exclusiveMaximum" if known => format!("is greater than or equal to the maximum of {wanted}"),
        "const" if known => return format!("{wanted} was expected"),
        "required" if known => return format!("{wanted} is a required property"),
        "additionalProperties" if known => return unexpected(expected),
        _ => return violation.message.replace('"', "'"),
    };
    format!("{shown} {says}")
}

fn unexpected(expected: &Value) -> String {
    let (names, patterns) = (&expected["unexpected"], &expected["patterns"]);
    let one = names.as_array().is_none_or(|names| names.len() == 1);
    if patterns.as_array().is_none_or(Vec::is_empty) {
        let verb = if one { "was" } else { "were" };
        return format!("Additional properties are not allowed ({} {verb} unexpected)", listed(names));
    }
    let verb = if one { "does" } else { "do" };
    format!("{} {verb} not match any of the regexes: {}", listed(names), listed(patterns))
}

/// Quoted, with commas between.
fn listed(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().map(python).collect::<Vec<_>>().join(", "),
        other => python(other),
    }
}

/// A value as Python would print it, which is how Nova shows it.
pub fn python(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => quoted(text, string),
        Value::Array(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                write(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                quoted(text, name);
                text.push_str(": ");
                write(text, member);
            }
            text.push('}');
        }
    }
}

/// In single quotes, unless that would need a backslash where double ones need none.
fn quoted(text: &mut String, string: &str) {
    let quote = if string.contains('\'') && !string.contains('"') { '"' } else { '\'' };
    text.push(quote);
    for letter in string.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if letter == quote => text.extend(['\\', letter]),
            letter if letter.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\x{:02x}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text.push(quote);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn worded(pointer: &str, keyword: &str, value: &Value, expected: &Value) -> String {
        words(&Violation {
            pointer: pointer.to_owned(),
            keyword: keyword.to_owned(),
            message: "\"x\" in the host's words".to_owned(),
            value: value.to_string(),
            expected: expected.to_string(),
        })
    }

    #[test]
    fn violations_are_worded_as_nova_does() {
        let name = |rest: &str| format!("Invalid input for field/attribute name. Value: {rest}");
        let long = "a".repeat(300);
        for (keyword, value, expected, words) in [
            ("minLength", json!(""), json!(1), ". '' should be non-empty".to_owned()),
            ("minLength", json!("a"), json!(2), "a. 'a' is too short".to_owned()),
            ("maxLength", json!(long), json!(255), format!("{long}. '{long}' is too long")),
            ("maxItems", json!([1]), json!(0), "[1]. [1] is expected to be empty".to_owned()),
            ("type", json!(5), json!("string"), "5. 5 is not of type 'string'".to_owned()),
            ("type", json!(true), json!(["string", "null"]), "True. True is not of type 'string', 'null'".to_owned()),
            ("enum", json!("it's"), json!(["a", null]), "it's. \"it's\" is not one of ['a', None]".to_owned()),
            ("pattern", json!("-"), json!("^[0-9]+$"), "-. '-' does not match '^[0-9]+$'".to_owned()),
            ("format", json!("x"), json!("uuid"), "x. 'x' is not a 'uuid'".to_owned()),
            ("minimum", json!(-1), json!(0), "-1. -1 is less than the minimum of 0".to_owned()),
            ("maximum", json!(9), json!(1), "9. 9 is greater than the maximum of 1".to_owned()),
            ("uniqueItems", json!([1, 1]), json!(true), "[1, 1]. [1, 1] has non-unique elements".to_owned()),
            (
                "anyOf",
                json!({"a": null}),
                json!(null),
                "{'a': None}. {'a': None} is not valid under any of the given schemas".to_owned(),
            ),
            ("dependentRequired", json!(1), json!(null), "1. 'x' in the host's words".to_owned()),
        ] {
            assert_eq!(worded("/server/name", keyword, &value, &expected), name(&words));
        }
        assert_eq!(worded("/servers/0", "type", &json!(1), &json!("object")).find("attribute 0. Value: 1."), Some(24));
    }

    #[test]
    fn a_name_with_blanks_at_its_ends_is_an_invalid_name() {
        let words = worded("/server/name", "pattern", &json!(" a"), &json!(names::PATTERN));
        assert!(words.starts_with("An invalid 'name' value was provided."), "{words}");
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        let server = json!({"flavorRef": true, "name": ""});
        assert_eq!(
            worded("/server", "required", &server, &json!("imageRef")),
            "Invalid input for field/attribute server. Value: {'flavorRef': True, 'name': ''}. 'imageRef' is a required property"
        );
        assert_eq!(worded("", "required", &json!({}), &json!("server")), "'server' is a required property");
        let more = |names: &[&str], patterns: &[&str]| {
            worded("", "additionalProperties", &json!({}), &json!({ "unexpected": names, "patterns": patterns }))
        };
        assert_eq!(more(&["a"], &[]), "Additional properties are not allowed ('a' was unexpected)");
        assert_eq!(more(&["a", "b"], &[]), "Additional properties are not allowed ('a', 'b' were unexpected)");
        assert_eq!(more(&["!"], &["^[a-z]$"]), "'!' does not match any of the regexes: '^[a-z]$'");
        assert_eq!(more(&["!", "?"], &["^[a-z]$"]), "'!', '?' do not match any of the regexes: '^[a-z]$'");
    }

    #[test]
    fn values_are_printed_as_python_does() {
        assert_eq!(python(&json!([1, null, false, "it's", {"a": 1.5}])), "[1, None, False, \"it's\", {'a': 1.5}]");
        assert_eq!(python(&json!("'\"\\\n\u{7}é")), "'\\'\"\\\\\\n\\x07é'");
    }
}
