//! Values that vendors take in more than one form, as the libraries of upstream read them.

use serde_json::Value;

/// `true`, or a text as [`boolean_text`] takes it.
#[must_use]
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => boolean_text(text),
        _ => None,
    }
}

/// `true`, `1`, `on`, `yes`, `t`, `y` and their opposites, in any case of letters, with blanks at the ends.
#[must_use]
pub fn boolean_text(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" | "t" | "y" => Some(true),
        "false" | "0" | "off" | "no" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// `5` or `"5"`; `-1` too.
#[must_use]
pub fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// A count that the core takes; beyond its range is none.
#[must_use]
pub fn count(value: &Value) -> Option<u32> {
    integer(value).and_then(|number| u32::try_from(number).ok())
}

/// A UUID with or without dashes.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    let digits = text.bytes().filter(|byte| *byte != b'-').count();
    digits == 32
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
        && (text.len() == 32 || (text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-')))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_come_in_many_forms() {
        assert_eq!(boolean(&json!("True")), Some(true));
        assert_eq!(boolean(&json!(" off ")), Some(false));
        assert_eq!(boolean(&json!("maybe")), None);
        assert_eq!(boolean(&json!(1)), None);
        assert_eq!(integer(&json!("40")), Some(40));
        assert_eq!(integer(&json!(-1)), Some(-1));
        assert_eq!(integer(&json!("4x")), None);
        assert_eq!(count(&json!(-1)), None);
        assert!(is_uuid("70a599e0-31e7-49b7-b260-868f441e862b"));
        assert!(is_uuid("70a599e031e749b7b260868f441e862b"));
        assert!(!is_uuid("70a599e0-31e7-49b7-b260-868f441e862") && !is_uuid("x0a599e0-31e7-49b7-b260-868f441e862b"));
    }
}
