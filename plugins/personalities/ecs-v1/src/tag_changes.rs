//! A server's tags added and deleted, several at once. A key has one value; the core, whose tags are texts, doesn't know that.

use std::collections::BTreeSet;

use serde::Deserialize;
use skyloom_sdk::cloud::compute::MetadataMode;
use skyloom_sdk::conditions::parts;
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, respond};

use crate::body;
use crate::errors::{Failure, bad_tag, bad_tag_characters, too_many_tags};
use crate::tags::{check_keys, join, split};

const MOST: usize = 10;
const LONGEST_KEY: usize = 36;
const LONGEST_VALUE: usize = 43;

#[derive(Deserialize)]
struct Tag {
    key: String,
    value: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Create,
    Delete,
}

#[derive(Deserialize)]
struct Change {
    action: Action,
    tags: Vec<Tag>,
}

pub fn change<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let Change { action, tags } = body(request)?;
    check_keys("tags", tags.iter().map(|tag| tag.key.as_str()))?;
    let id = respond::param(request, "server_id");
    match action {
        Action::Create => add(cloud, id, &checked(&tags)?)?,
        Action::Delete => delete(cloud, id, &tags)?,
    }
    Ok(respond::empty(204))
}

/// The core's texts of tags to add. What is deleted or looked for may be anything: then it isn't there.
fn checked(tags: &[Tag]) -> Result<BTreeSet<String>, Failure> {
    let text = |(place, tag): (usize, &Tag)| {
        let name = |member: &str| format!("tags.{place}.{member}");
        let Some(value) = &tag.value else {
            return Err(Failure::invalid(format!("A required parameter is missing: {}.", name("value"))));
        };
        if !(1..=LONGEST_KEY).contains(&tag.key.chars().count()) {
            return Err(bad_tag(&format!("{} must have 1 to {LONGEST_KEY} characters", name("key"))));
        }
        if value.chars().count() > LONGEST_VALUE {
            return Err(bad_tag(&format!("{} must have at most {LONGEST_VALUE} characters", name("value"))));
        }
        let known = "letters, digits, hyphens, underscores and Chinese characters";
        if !tag.key.chars().all(is_of_keys) {
            return Err(bad_tag_characters(&format!("{} may have {known}", name("key"))));
        }
        if !value.chars().all(|letter| letter == '.' || is_of_keys(letter)) {
            return Err(bad_tag_characters(&format!("{} may have {known}, and dots", name("value"))));
        }
        let text = join(&tag.key, value);
        if ecs_rules::RESERVED_TAGS.contains(&text.as_str()) {
            return Err(bad_tag(&format!("{} is reserved", name("key"))));
        }
        Ok(text)
    };
    tags.iter().enumerate().map(text).collect()
}

fn is_of_keys(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '\u{4E00}'..='\u{9FFF}')
}

/// First adds, then takes away what other values the keys have, so that tags which others change meanwhile stay.
fn add<C: Cloud>(cloud: &C, id: &str, new: &BTreeSet<String>) -> Result<(), Failure> {
    let before = of_server(cloud, id)?;
    check_count(&before.union(new).cloned().collect(), new, before.len())?;
    let texts: Vec<String> = new.iter().cloned().collect();
    let all: BTreeSet<String> = cloud.set_tags(id, &texts, MetadataMode::Merge).map_err(refused)?.into_iter().collect();
    if let Err(full) = check_count(&all, new, before.len()) {
        // Others added theirs meanwhile.
        remove(cloud, id, new.difference(&before))?;
        return Err(full);
    }
    remove(cloud, id, overwritten(&all, new))
}

/// A value that is given must be the tag's; otherwise the key alone decides.
fn delete<C: Cloud>(cloud: &C, id: &str, tags: &[Tag]) -> Result<(), Failure> {
    let there = of_server(cloud, id)?;
    let is_meant = |text: &&String| {
        let (key, value) = split(text);
        tags.iter().any(|tag| tag.key == key && tag.value.as_deref().is_none_or(|wanted| wanted == value))
    };
    remove(cloud, id, there.iter().filter(is_meant))
}

fn of_server<C: Cloud>(cloud: &C, id: &str) -> Result<BTreeSet<String>, Failure> {
    Ok(cloud.get_server(id, &parts(&["tags"]))?.tags.into_iter().collect())
}

/// What has a key of the new ones, and another value.
fn overwritten<'a>(all: &'a BTreeSet<String>, new: &'a BTreeSet<String>) -> impl Iterator<Item = &'a String> {
    let keys: BTreeSet<&str> = new.iter().map(|tag| split(tag).0).collect();
    all.difference(new).filter(move |tag| keys.contains(split(tag).0))
}

/// Through Nova's interface a server may have come to more than the vendor's most; then it must not become more still.
fn check_count(all: &BTreeSet<String>, new: &BTreeSet<String>, before: usize) -> Result<(), Failure> {
    let count = all.len() - overwritten(all, new).count();
    if count > MOST.max(before) { Err(too_many_tags()) } else { Ok(()) }
}

/// What isn't there any more is gone as it was meant to be.
fn remove<'a, C: Cloud>(cloud: &C, id: &str, tags: impl Iterator<Item = &'a String>) -> Result<(), Failure> {
    for tag in tags {
        match cloud.delete_tag(id, tag) {
            Err(error) if error.code == ErrorCode::NotFound && error.field.as_deref() == Some("tag") => {}
            done => done?,
        }
    }
    Ok(())
}

/// The texts were looked at; what the core still finds wrong is their number.
fn refused(error: Error) -> Failure {
    match (&error.code, error.field.as_deref()) {
        (ErrorCode::Invalid, Some("tags")) => too_many_tags(),
        _ => error.into(),
    }
}
