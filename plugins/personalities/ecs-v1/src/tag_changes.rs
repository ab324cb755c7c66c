//! A server's tags added and deleted, several at once. A key has one value; the core, whose tags are texts, doesn't know that.

use std::collections::BTreeSet;

use serde::Deserialize;
use skyloom_sdk::conditions::parts;
use skyloom_sdk::{Cloud, Error, ErrorCode, Request, Response, respond};

use crate::body;
use crate::errors::{Failure, bad_tag, bad_tag_characters, too_many_tags};
use crate::tags::{check_keys, join, split};

const MOST: usize = 10;
const LONGEST_KEY: usize = 36;
const LONGEST_VALUE: usize = 43;
/// How often a change is made anew of tags that others change at the same time.
const ATTEMPTS: u32 = 5;

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

fn add<C: Cloud>(cloud: &C, id: &str, new: &BTreeSet<String>) -> Result<(), Failure> {
    let keys: BTreeSet<&str> = new.iter().map(|tag| split(tag).0).collect();
    change_all(cloud, id, |there| {
        let others = there.iter().filter(|tag| !keys.contains(split(tag).0));
        let all: BTreeSet<String> = others.chain(new).cloned().collect();
        // Through Nova's interface a server may have come to more than the vendor's most; then it must not become more still.
        if all.len() > MOST.max(there.len()) { Err(too_many_tags()) } else { Ok(all) }
    })
}

/// A value that is given must be the tag's; otherwise the key alone decides. What isn't there is gone already.
fn delete<C: Cloud>(cloud: &C, id: &str, tags: &[Tag]) -> Result<(), Failure> {
    let is_meant = |text: &str| {
        let (key, value) = split(text);
        tags.iter().any(|tag| tag.key == key && tag.value.as_deref().is_none_or(|wanted| wanted == value))
    };
    change_all(cloud, id, |there| Ok(there.iter().filter(|text| !is_meant(text)).cloned().collect()))
}

/// The core gives the server these tags only instead of those that were read, so that nothing is lost which others change
/// meanwhile: then the change is made anew.
fn change_all<C: Cloud>(
    cloud: &C,
    id: &str,
    change: impl Fn(&BTreeSet<String>) -> Result<BTreeSet<String>, Failure>,
) -> Result<(), Failure> {
    let mut attempt = 1;
    loop {
        let read = cloud.get_server(id, &parts(&["tags"]))?.tags;
        let new: Vec<String> = change(&read.iter().cloned().collect())?.into_iter().collect();
        match cloud.exchange_tags(id, &read, &new) {
            Err(error) if error.reason.as_deref() == Some("changed") && attempt < ATTEMPTS => attempt += 1,
            done => return done.map_err(refused),
        }
    }
}

/// The texts were looked at; what the core still finds wrong is their number.
fn refused(error: Error) -> Failure {
    match (&error.code, error.field.as_deref()) {
        (ErrorCode::Invalid, Some("tags")) => too_many_tags(),
        _ => error.into(),
    }
}
