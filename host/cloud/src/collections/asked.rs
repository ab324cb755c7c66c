//! What lists of records are asked for: members by their names, in the form of the stored keys.

use skyloom_model::{Error, Result};
use skyloom_runtime::bindings::types::common::{Condition, PageRequest};
use skyloom_runtime::collections::{Collection, Member, MemberKind};
use skyloom_store::collections::KEY_WORDS;
use skyloom_store::listing::{self, Page, Test};

use crate::lists;

/// Fields of every record.
const COMMON: [&str; 3] = ["id", "created-at", "updated-at"];

/// A member with the word of its key.
fn key<'c>(collection: &'c Collection, field: &str) -> Option<(&'c Member, &'static str)> {
    let place = collection.indexed.iter().position(|member| member.name == field)?;
    Some((&collection.indexed[place], KEY_WORDS[place]))
}

pub(super) fn conditions(collection: &Collection, asked: Vec<Condition>) -> Result<Vec<listing::Condition>> {
    let mut conditions = lists::conditions(asked)?;
    for condition in &mut conditions {
        let Some((member, word)) = key(collection, &condition.field) else {
            known(&condition.field)?;
            continue;
        };
        if matches!(condition.test, Test::AnyOf | Test::NoneOf) {
            let keys = condition.values.iter().map(|value| member.key_of(value).ok_or_else(|| wrong(member)));
            condition.values = keys.collect::<Result<_>>()?;
        } else if member.kind != MemberKind::Text && condition.test != Test::Set {
            return Err(Error::invalid(&*member.name, format!("{} cannot be looked for in this way.", member.name)));
        }
        condition.field = word.into();
    }
    Ok(conditions)
}

pub(super) fn page(collection: &Collection, request: PageRequest) -> Result<Page> {
    let mut page = lists::page(request);
    for (field, _) in &mut page.sort {
        match key(collection, field) {
            Some((_, word)) => *field = word.to_owned(),
            None => known(field)?,
        }
    }
    Ok(page)
}

fn known(field: &str) -> Result<()> {
    if COMMON.contains(&field) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{field} is not a field to look for.")))
}

fn wrong(member: &Member) -> Error {
    Error::invalid(&*member.name, format!("{} cannot have such a value.", member.name)).with_reason("malformed")
}

/// An error of the store with the member's name.
pub(super) fn named(collection: &Collection, mut error: Error) -> Error {
    let place = KEY_WORDS.iter().position(|word| error.field.as_deref() == Some(word));
    if let Some(member) = place.and_then(|place| collection.indexed.get(place)) {
        error.message = error.message.replace(error.field.as_deref().unwrap_or_default(), &member.name);
        error.field = Some(member.name.clone());
    }
    error
}
