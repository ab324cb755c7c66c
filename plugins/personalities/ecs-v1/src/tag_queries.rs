//! Servers found, or counted, by their tags.

use serde::Deserialize;
use serde_json::Value;
use skyloom_sdk::conditions::{any_of, part_any_case, parts};
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::every_page;
use skyloom_sdk::servers::Row;
use skyloom_sdk::{Cloud, Condition, Request, Response, key, lenient, respond};

use crate::body;
use crate::errors::Failure;
use crate::tags::{check_keys, join, split, write};

const LARGEST_PAGE: u64 = 1000;

#[derive(Deserialize)]
struct Wanted {
    key: String,
    /// None: any.
    #[serde(default, deserialize_with = "or_none")]
    values: Vec<String>,
}

#[derive(Deserialize)]
struct Match {
    value: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Action {
    Filter,
    Count,
}

#[derive(Deserialize)]
struct TagQuery {
    action: Action,
    #[serde(default, deserialize_with = "or_none")]
    tags: Vec<Wanted>,
    #[serde(default, deserialize_with = "or_none")]
    not_tags: Vec<Wanted>,
    limit: Option<Value>,
    offset: Option<Value>,
    #[serde(default, deserialize_with = "or_none")]
    matches: Vec<Match>,
}

/// `null` is as good as nothing.
fn or_none<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

pub fn servers<C: Cloud>(cloud: &C, request: &Request) -> Result<Response, Failure> {
    let query: TagQuery = body(request)?;
    query.check()?;
    let (offset, limit) = query.window()?;
    let conditions = query.conditions();
    // The answer has the number of all: every page is looked through, and no more is kept than is shown.
    let mut total = 0;
    let shown = every_page(|page| {
        let found = cloud.list_servers(&conditions, &parts(&["tags"]), &page)?;
        let found = found.rows()?;
        let shown = found.servers.iter().filter(|server| {
            let passes = query.takes(&server.tags);
            let at = total;
            total += u64::from(passes);
            passes && at >= offset && at - offset < limit
        });
        Ok::<_, Failure>((shown.map(Shown::from).collect(), found.next.map(str::to_owned)))
    })?;
    let mut out = Writer::with_capacity(64 + shown.len() * 256);
    out.begin_object();
    if query.action == Action::Filter {
        out.key(key!("resources")).begin_array();
        for server in &shown {
            write_one(&mut out, server);
        }
        out.end_array();
    }
    out.key(key!("total_count")).unsigned(total).end_object();
    Ok(respond::json(200, out.finish()))
}

struct Shown {
    id: String,
    name: String,
    tags: Vec<String>,
}

impl From<&Row<'_>> for Shown {
    fn from(server: &Row<'_>) -> Self {
        let tags = server.tags.iter().map(|tag| (*tag).to_owned()).collect();
        Self { id: server.id.to_owned(), name: server.name.to_owned(), tags }
    }
}

/// The vendor keeps `resource_detail` for what is to come.
fn write_one(out: &mut Writer, server: &Shown) {
    out.begin_object();
    out.key(key!("resource_detail")).null();
    out.key(key!("resource_id")).string(&server.id);
    out.key(key!("resource_name")).string(&server.name);
    write(out, &server.tags);
    out.end_object();
}

impl TagQuery {
    fn check(&self) -> Result<(), Failure> {
        check_keys("tags", self.tags.iter().map(|wanted| wanted.key.as_str()))?;
        check_keys("not_tags", self.not_tags.iter().map(|wanted| wanted.key.as_str()))?;
        // There is one key that a match may have.
        if self.matches.len() > 1 {
            let message = "The value of the parameter matches.1.key is not valid: the keys must not repeat.";
            return Err(Failure::invalid(message));
        }
        Ok(())
    }

    /// How many servers are passed over, and how many shown at most. Who counts is shown none, whatever page was asked for.
    fn window(&self) -> Result<(u64, u64), Failure> {
        if self.action == Action::Count {
            return Ok((0, 0));
        }
        let bounds = format!("from 0 to {LARGEST_PAGE}");
        let limit = number("limit", self.limit.as_ref(), &bounds)?.unwrap_or(LARGEST_PAGE);
        if limit > LARGEST_PAGE {
            return Err(bad_number("limit", &bounds));
        }
        Ok((number("offset", self.offset.as_ref(), "of 0 or more")?.unwrap_or(0), limit))
    }

    /// What the core can look for itself; it knows no keys, so what it finds is looked at again.
    fn conditions(&self) -> Vec<Condition> {
        let valued = self.tags.iter().filter(|wanted| !wanted.values.is_empty());
        let names = self.matches.iter().map(|wanted| part_any_case("name", &wanted.value));
        valued.map(|wanted| any_of("tags", wanted.texts())).chain(names).collect()
    }

    /// Of `not_tags` a server must not have all; it may have some.
    fn takes(&self, tags: &[&str]) -> bool {
        let has = |wanted: &Wanted| wanted.is_among(tags);
        self.tags.iter().all(has) && (self.not_tags.is_empty() || !self.not_tags.iter().all(has))
    }
}

impl Wanted {
    fn is_among(&self, tags: &[&str]) -> bool {
        tags.iter().map(|tag| split(tag)).any(|(key, value)| {
            key == self.key && (self.values.is_empty() || self.values.iter().any(|wanted| wanted == value))
        })
    }

    /// All texts that are one of the key's values in the core; an empty value has two.
    fn texts(&self) -> Vec<String> {
        let valueless = self.values.iter().any(String::is_empty).then(|| format!("{}=", self.key));
        self.values.iter().map(|value| join(&self.key, value)).chain(valueless).collect()
    }
}

/// A number, or a text of digits as the vendor's clients send.
fn number(name: &str, value: Option<&Value>, bounds: &str) -> Result<Option<u64>, Failure> {
    let Some(value) = value else { return Ok(None) };
    let number = lenient::integer(value).and_then(|number| u64::try_from(number).ok());
    number.map(Some).ok_or_else(|| bad_number(name, bounds))
}

fn bad_number(name: &str, bounds: &str) -> Failure {
    Failure::invalid(format!("The value of the parameter {name} is not valid: it must be a whole number {bounds}."))
}
