//! What lists are asked for, in the store's words, for all areas.

use std::net::IpAddr;

use skyloom_model::{Error, Result};
use skyloom_runtime::bindings::types::common::{self as wit, PageRequest};
use skyloom_store::listing::{Condition, Page, Test};

/// Which part of a list.
pub(crate) fn page(request: PageRequest) -> Page {
    Page {
        limit: request.limit,
        marker: request.marker,
        sort: request.sort.into_iter().map(|key| (key.field, key.descending)).collect(),
    }
}

/// What the items are like. The store knows the fields, and which tests each has.
pub(crate) fn conditions(asked: Vec<wit::Condition>) -> Result<Vec<Condition>> {
    let condition = |asked: wit::Condition| {
        let test = Test::of_word(&asked.test);
        let test = test.ok_or_else(|| Error::invalid(&*asked.field, format!("{} is not a test.", asked.test)))?;
        Ok(Condition { field: asked.field.into(), test, values: asked.values })
    };
    asked.into_iter().map(condition).collect()
}

/// Whether there is a condition of the field.
pub(crate) fn names(conditions: &[Condition], field: &str) -> bool {
    conditions.iter().any(|condition| condition.field == field)
}

/// Brings the values of a field's conditions into the form that rows have; what `spelling` doesn't know stays.
pub(crate) fn spell(conditions: &mut [Condition], field: &str, spelling: impl Fn(&str) -> Option<String>) {
    for condition in conditions.iter_mut().filter(|condition| condition.field == field) {
        for value in &mut condition.values {
            if let Some(spelled) = spelling(value) {
                *value = spelled;
            }
        }
    }
}

/// An address in its one form.
pub(crate) fn spelled_address(text: &str) -> Option<String> {
    text.parse::<IpAddr>().ok().map(|address| address.to_string())
}

/// As a guest asks.
#[cfg(test)]
pub(crate) fn asked(field: &str, test: &str, values: &[&str]) -> wit::Condition {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    wit::Condition { field: field.to_owned(), test: test.to_owned(), values }
}

#[cfg(test)]
pub(crate) fn all_parts() -> Vec<String> {
    ["nics", "volumes", "security-groups", "tags", "metadata", "attributes", "user-data"].map(str::to_owned).to_vec()
}
