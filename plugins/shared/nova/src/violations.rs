//! What the host's JSON schemas found wrong with a body, in Nova's words, which are those of Python's `jsonschema`.

use serde_json::Value;
use skyloom_sdk::Violation;
pub use skyloom_sdk::violations::python;
use skyloom_sdk::violations::{expected, message, python_of};

use crate::context::Context;
use crate::errors::Fault;
use crate::servers::names;

/// The first violation as a refusal. `/v2` overlooks members that it doesn't know, but for those whose names have a pattern, and
/// the blanks at the ends of a new name, which it cuts; every path overlooks what the face knows at every version.
pub fn check<C>(context: &Context<'_, C>) -> Result<(), Fault> {
    let is_known = |violation: &Violation, name: &Value| {
        let mut known = context.rules.unversioned_members.iter();
        known.any(|(at, member)| *at == violation.pointer && name == member)
    };
    let overlooked = |violation: &Violation| match violation.keyword.as_str() {
        "additionalProperties" => {
            let expected = expected(violation);
            let names = expected["unexpected"].as_array().map(Vec::as_slice).unwrap_or_default();
            let all_known = !names.is_empty() && names.iter().all(|name| is_known(violation, name));
            all_known || (context.legacy && expected["patterns"].as_array().is_none_or(Vec::is_empty))
        }
        "pattern" => {
            context.legacy
                && ["/server/name", "/flavor/name", "/keypair/name", "/server_group/name", "/aggregate/name"]
                    .contains(&violation.pointer.as_str())
                && expected(violation) == names::PATTERN
        }
        _ => false,
    };
    match context.request.violations.iter().find(|violation| !overlooked(violation)) {
        None => Ok(()),
        Some(violation) => Err(Fault::bad_request(words(violation))),
    }
}

fn words(violation: &Violation) -> String {
    if violation.keyword == "pattern" && expected(violation) == names::PATTERN {
        return names::INVALID.to_owned();
    }
    let message = message(violation);
    match violation.pointer.rsplit('/').next().filter(|name| !name.is_empty()) {
        None => message,
        Some(name) => of_json_field(&name.replace("~1", "/").replace("~0", "~"), &violation.value, &message),
    }
}

/// A member's value refused: the value stands as it is, a quoted one within the message.
pub fn of_field(name: &str, value: &Value, message: &str) -> String {
    of_json_field(name, &value.to_string(), message)
}

fn of_json_field(name: &str, value: &str, message: &str) -> String {
    let shown = serde_json::from_str::<String>(value).unwrap_or_else(|_| python_of(value));
    format!("Invalid input for field/attribute {name}. Value: {shown}. {message}")
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
}
