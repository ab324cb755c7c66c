//! What the host's JSON schemas found wrong with a body, in Nova's words.

use serde_json::Value;
use skyloom_sdk::Violation;

use crate::context::Context;
use crate::errors::Fault;

/// The first violation as a refusal. `/v2` overlooks members that it doesn't know.
pub fn check<C>(context: &Context<'_, C>) -> Result<(), Fault> {
    let counts = |violation: &&Violation| !(context.legacy && violation.keyword == "additionalProperties");
    match context.request.violations.iter().find(counts) {
        None => Ok(()),
        Some(violation) => Err(Fault::bad_request(words(violation, &context.request.body))),
    }
}

/// The one member of a body that is a secret: what stands there is a handle, which says nothing to the client.
const SECRET: &str = "/server/adminPass";

fn words(violation: &Violation, body: &[u8]) -> String {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(secret) = body.pointer_mut(SECRET) {
        *secret = Value::from("***");
    }
    let value = body.pointer(&violation.pointer).unwrap_or(&Value::Null);
    let message = message(violation, value);
    match violation.pointer.rsplit('/').next().filter(|name| !name.is_empty()) {
        None => message,
        Some(name) => {
            let name = name.replace("~1", "/").replace("~0", "~");
            format!("Invalid input for field/attribute {name}. Value: {}. {message}", python(value))
        }
    }
}

fn message(violation: &Violation, value: &Value) -> String {
    let value = python(value);
    match violation.keyword.as_str() {
        "maxLength" | "maxItems" => format!("{value} is too long"),
        "minLength" | "minItems" => format!("{value} is too short"),
        "oneOf" | "anyOf" => format!("{value} is not valid under any of the given schemas"),
        "maxProperties" => format!("{value} has too many properties"),
        "minProperties" => format!("{value} does not have enough properties"),
        _ => violation.message.replace('"', "'"),
    }
}

/// A value as Python would print it, which is how Nova shows it; long ones are cut.
pub fn python(value: &Value) -> String {
    const LONGEST: usize = 256;
    let mut text = String::new();
    write(&mut text, value);
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("...");
    }
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

fn quoted(text: &mut String, string: &str) {
    text.push('\'');
    for letter in string.chars() {
        match letter {
            '\'' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            letter if letter.is_control() => text.extend(letter.escape_unicode()),
            letter => text.push(letter),
        }
    }
    text.push('\'');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn violation(pointer: &str, keyword: &str, message: &str) -> Violation {
        Violation { pointer: pointer.to_owned(), keyword: keyword.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn violations_are_worded_as_nova_does() {
        let body = json!({"server": {"name": "", "flavorRef": true}}).to_string();
        assert_eq!(
            words(&violation("/server/name", "minLength", "\"\" is shorter than 1 character"), body.as_bytes()),
            "Invalid input for field/attribute name. Value: ''. '' is too short"
        );
        assert_eq!(
            words(&violation("/server", "required", "\"imageRef\" is a required property"), body.as_bytes()),
            "Invalid input for field/attribute server. Value: {'flavorRef': True, 'name': ''}. 'imageRef' is a required property"
        );
        assert_eq!(
            words(&violation("", "required", "\"server\" is a required property"), b"{}"),
            "'server' is a required property"
        );
    }

    #[test]
    fn neither_a_secret_nor_its_handle_is_shown() {
        let body = json!({"server": {"adminPass": "secret:0011:0"}}).to_string();
        for pointer in ["/server/adminPass", "/server", ""] {
            for keyword in ["type", "maxLength"] {
                let words = words(&violation(pointer, keyword, "value is not of type \"string\""), body.as_bytes());
                assert!(!words.contains("secret:"), "{words}");
            }
        }
    }

    #[test]
    fn values_are_printed_as_python_does_and_cut() {
        assert_eq!(python(&json!([1, null, false, "it's", {"a": 1.5}])), "[1, None, False, 'it\\'s', {'a': 1.5}]");
        let long = python(&Value::String("é".repeat(1000)));
        assert!(long.len() <= 260 && long.ends_with("..."));
    }
}
