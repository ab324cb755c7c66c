//! What the host's JSON schemas found wrong with a body, in the words of Python's `jsonschema`, which clients of several vendors
//! know.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::Violation;

/// What the schema asks for.
#[must_use]
pub fn expected(violation: &Violation) -> Value {
    serde_json::from_str(&violation.expected).unwrap_or_default()
}

/// A violation in the words of Python's `jsonschema`, without where it is.
#[must_use]
pub fn message(violation: &Violation) -> String {
    let expected = &expected(violation);
    let (shown, wanted) = (python_of(&violation.value), python(expected));
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

/// A value as Python would print it.
#[must_use]
pub fn python(value: &Value) -> String {
    python_of(&value.to_string())
}

/// A text of JSON as Python would print its value, members in their order.
#[must_use]
pub fn python_of(json: &str) -> String {
    let mut out = String::new();
    let read = Printed(&mut out).deserialize(&mut serde_json::Deserializer::from_str(json));
    if read.is_ok() { out } else { "None".to_owned() }
}

/// Writes what it reads.
struct Printed<'t>(&'t mut String);

impl<'de> DeserializeSeed<'de> for Printed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Printed<'_> {
    fn plain(self, text: &str) {
        self.0.push_str(text);
    }
}

impl<'de> Visitor<'de> for Printed<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.plain("None");
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.plain(if value { "True" } else { "False" });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.plain(&value.to_string());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.plain(&value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.plain(&Value::from(value).to_string());
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        quoted(self.0, text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.push('[');
        let mut end = self.0.len();
        while seq.next_element_seed(Printed(self.0))?.is_some() {
            end = self.0.len();
            self.0.push_str(", ");
        }
        self.0.truncate(end);
        self.0.push(']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.push('{');
        let mut end = self.0.len();
        while let Some(name) = map.next_key::<String>()? {
            quoted(self.0, &name);
            self.0.push_str(": ");
            map.next_value_seed(Printed(self.0))?;
            end = self.0.len();
            self.0.push_str(", ");
        }
        self.0.truncate(end);
        self.0.push('}');
        Ok(())
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

    #[test]
    fn values_are_printed_as_python_does() {
        assert_eq!(python(&json!([1, null, false, "it's", {"a": 1.5}])), "[1, None, False, \"it's\", {'a': 1.5}]");
        assert_eq!(python(&json!("'\"\\\n\u{7}é")), "'\\'\"\\\\\\n\\x07é'");
        assert_eq!(
            python_of(r#"{"z": {"b": [], "a": {}}, "y": -1, "x": ["b", "a"]}"#),
            "{'z': {'b': [], 'a': {}}, 'y': -1, 'x': ['b', 'a']}"
        );
        assert_eq!((python_of(""), python_of("{")), ("None".to_owned(), "None".to_owned()));
    }
}
