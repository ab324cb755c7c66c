//! A flavor's extra specs: a map that placement and guests may read.

use serde_json::{Map, Value};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Cloud, ErrorCode, Pair, Response, key, respond};

use super::refusal;
use crate::context::{Answer, Context};
use crate::errors::Fault;

const LONGEST: usize = 255;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    let flavor = context.cloud.get_flavor(id).map_err(refusal(id))?;
    Ok(whole(&flavor.extra_specs))
}

pub fn create<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let id = context.param("flavor_id");
    let items = pairs(&context.body_member("extra_specs")?)?;
    context.cloud.set_extra_specs(id, &items).map_err(refusal(id))?;
    Ok(whole(&items))
}

pub fn show_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, name) = (context.param("flavor_id"), context.param("key"));
    let flavor = context.cloud.get_flavor(id).map_err(refusal(id))?;
    match flavor.extra_specs.iter().find(|(key, _)| key == name) {
        Some(item) => Ok(one(item)),
        None => Err(missing(id, name)),
    }
}

pub fn update_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, name) = (context.param("flavor_id"), context.param("key"));
    let body = context.body()?;
    if !body.contains_key(name) || body.len() != 1 {
        return Err(Fault::bad_request("Request body and URI mismatch"));
    }
    let items = pairs(&body)?;
    context.cloud.set_extra_specs(id, &items).map_err(refusal(id))?;
    Ok(one(&items[0]))
}

pub fn delete_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, name) = (context.param("flavor_id"), context.param("key"));
    context.cloud.delete_extra_spec(id, name).map_err(|error| match (&error.code, error.field.as_deref()) {
        (ErrorCode::NotFound, Some("key")) => missing(id, name),
        _ => refusal(id)(error),
    })?;
    Ok(respond::empty(200))
}

fn missing(id: &str, name: &str) -> Fault {
    Fault::not_found(format!("Flavor {id} has no extra specs with key {name}."))
}

/// Names have 1 to 255 letters, digits, `-`, `_`, `.`, `:` and blanks; values are strings or numbers.
fn pairs(items: &Map<String, Value>) -> Result<Vec<Pair>, Fault> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | ':' | ' ');
    items
        .iter()
        .map(|(name, value)| {
            if name.is_empty() || name.chars().count() > LONGEST || !name.chars().all(fits) {
                return Err(Fault::bad_request(format!(
                    "Invalid input for field/attribute extra_specs. '{name}' does not match '^[a-zA-Z0-9-_:. ]{{1,255}}$'"
                )));
            }
            let value = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(Fault::invalid_type(name, "string")),
            };
            if value.chars().count() > LONGEST {
                return Err(Fault::bad_request(format!("Invalid input for field/attribute {name}. Its value is too long")));
            }
            Ok((name.clone(), value))
        })
        .collect()
}

fn whole(items: &[Pair]) -> Response {
    let mut writer = Writer::with_capacity(512);
    writer.begin_object().key(key!("extra_specs")).string_map(items).end_object();
    respond::json(200, writer.finish())
}

fn one(item: &Pair) -> Response {
    let mut writer = Writer::with_capacity(128);
    writer.string_map([item]);
    respond::json(200, writer.finish())
}
