//! What a list is asked for. Which fields a list has, and with which tests, stands in `wit/cloud` (FIELDS.md); what the core doesn't
//! know it refuses by name.
//!
//! ```
//! use skyloom_sdk::conditions::{before, is};
//!
//! let small_and_active = [is("vm-state", "active"), before("memory-mib", 512)];
//! assert_eq!(small_and_active[1].test, "before");
//! ```

use crate::Condition;

fn condition(field: &str, test: &str, values: Vec<String>) -> Condition {
    Condition { field: field.to_owned(), test: test.to_owned(), values }
}

/// The field is the value; of a set: the value is in it.
#[must_use]
pub fn is(field: &str, value: impl ToString) -> Condition {
    condition(field, "any-of", vec![value.to_string()])
}

macro_rules! of_values {
    ($($(#[$meta:meta])* $name:ident $test:literal,)+) => {
        $(
            $(#[$meta])*
            #[must_use]
            pub fn $name<T: ToString>(field: &str, values: impl IntoIterator<Item = T>) -> Condition {
                condition(field, $test, values.into_iter().map(|value| value.to_string()).collect())
            }
        )+
    };
}

of_values! {
    /// The field is one of the values; of a set: one of them is in it. Of no values: nothing passes.
    any_of "any-of",
    /// The field is none of the values; of a set: none of them is in it.
    none_of "none-of",
    /// All of them are in the set.
    all_of "all-of",
    /// Not all of them are in the set.
    not_all_of "not-all-of",
    /// Starts and ends in turn: the field is in none of these spans, each without its end.
    outside "outside",
    /// Keys and values in turn: the map has them all.
    pairs "pairs",
    /// The first value is part of the text; of addresses: IP version and part in turn.
    part "part",
    /// The first value is a regular expression that the text passes; of addresses: IP version and expression in turn.
    pattern "pattern",
}

/// The value is part of the text, ASCII case aside.
#[must_use]
pub fn part_any_case(field: &str, value: impl ToString) -> Condition {
    condition(field, "part-any-case", vec![value.to_string()])
}

/// A number or time: this one or more.
#[must_use]
pub fn from(field: &str, value: impl ToString) -> Condition {
    condition(field, "from", vec![value.to_string()])
}

/// A number or time: less than this one.
#[must_use]
pub fn before(field: &str, value: impl ToString) -> Condition {
    condition(field, "before", vec![value.to_string()])
}

/// The field has a value, or has none.
#[must_use]
pub fn set(field: &str, is_set: bool) -> Condition {
    condition(field, "set", vec![is_set.to_string()])
}

/// The words of a resource's parts.
#[must_use]
pub fn parts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The conditions of one field, as `test: value, value`: for tests of what a face asked for.
#[must_use]
pub fn told(conditions: &[Condition], field: &str) -> Vec<String> {
    let of_field = conditions.iter().filter(|condition| condition.field == field);
    of_field.map(|condition| format!("{}: {}", condition.test, condition.values.join(", "))).collect()
}
