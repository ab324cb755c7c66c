//! Attributes whose capability isn't there: a value of the right form that says nothing is taken, because clients send it unasked.

use serde_json::{Value, json};
use skyloom_sdk::lenient::{boolean_text, is_uuid};
use skyloom_sdk::violations::python;

use crate::body::shown;

/// What upstream takes for such an attribute; `null` says nothing of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An empty one says nothing.
    Text,
    /// A text that is never empty.
    Word,
    /// A number, whichever.
    Number,
    /// `false` says nothing.
    Flag,
    /// An empty one says nothing.
    List,
    /// An empty one says nothing.
    Dictionary,
    Uuid,
    /// One of these, whichever.
    Choice(&'static [&'static str]),
    /// One of these; the first one is how it is here.
    Default(&'static [&'static str]),
    /// How it is here; `false` says nothing.
    True,
}

impl Form {
    /// Why upstream refuses the value, whatever is served.
    pub fn refusal(self, value: &Value) -> Option<String> {
        let (fits, otherwise) = match self {
            _ if value.is_null() => return None,
            Self::Text | Self::Word => (value.is_string(), "is not a valid string"),
            Self::Number => (is_number(value), "is not an integer"),
            Self::Flag | Self::True => (flag(value).is_some(), "cannot be converted to boolean"),
            Self::List => (value.is_array(), "is not a list"),
            Self::Dictionary => (value.is_object(), "is not a dictionary"),
            Self::Uuid => (value.as_str().is_some_and(is_uuid), "is not a valid UUID"),
            Self::Choice(words) | Self::Default(words) => {
                let fits = value.as_str().is_some_and(|text| words.contains(&text));
                return (!fits).then(|| format!("{} is not in {}", shown(value), python(&json!(words))));
            }
        };
        (!fits).then(|| format!("{} {otherwise}", shown(value)))
    }

    /// Whether a value that isn't refused asks for nothing that isn't there.
    pub fn says_nothing(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::String(text) if self == Self::Text => text.is_empty(),
            _ => match self {
                Self::Flag => flag(value) == Some(false),
                Self::True => true,
                Self::Default(words) => words.first().copied() == value.as_str(),
                _ => false,
            },
        }
    }
}

/// As upstream converts it.
pub fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) => boolean_text(text),
        _ => None,
    }
}

fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::String(text) => text.trim().parse::<i64>().is_ok(),
        _ => false,
    }
}
