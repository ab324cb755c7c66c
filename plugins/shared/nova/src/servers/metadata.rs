//! A server's metadata.

use serde_json::{Map, Value, json};
use skyloom_sdk::cloud::compute::{MetadataMode, VmState};
use skyloom_sdk::json::{Fields, Writer};
use skyloom_sdk::{Cloud, Error, ErrorCode, Pair, Response, key, respond};

use super::fetch;
use crate::context::{Answer, Context};
use crate::errors::{Fault, of_server};
use crate::status::{task_word, vm_word};
use crate::violations::{of_field, python};

pub(crate) const NO_ITEM: &str = "Metadata item was not found";
const LONGEST: usize = 255;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    Ok(whole(&fetch(context, &["metadata"])?.metadata))
}

pub fn update<C: Cloud>(context: &Context<'_, C>) -> Answer {
    write(context, MetadataMode::Merge)
}

pub fn replace<C: Cloud>(context: &Context<'_, C>) -> Answer {
    write(context, MetadataMode::Replace)
}

fn write<C: Cloud>(context: &Context<'_, C>, mode: MetadataMode) -> Answer {
    write_items(context, given(context)?, mode)
}

/// The items of a body, as they are.
pub(crate) fn given<C>(context: &Context<'_, C>) -> Result<Vec<Pair>, Fault> {
    let body = context.body()?;
    let items = Fields::new(&body, &[]).optional_pairs("metadata")?;
    items.ok_or_else(|| Fault::bad_request("'metadata' is a required property"))
}

/// Writes what a body said.
pub fn write_items<C: Cloud>(context: &Context<'_, C>, items: Vec<Pair>, mode: MetadataMode) -> Answer {
    check(&items)?;
    check_state(context, "update metadata of")?;
    let id = context.param("server_id");
    let all = context.cloud.set_metadata(id, &items, mode).map_err(|error| refusal(context, error))?;
    Ok(whole(&all))
}

pub fn show_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let name = context.param("key");
    let server = fetch(context, &["metadata"])?;
    let item = server.metadata.iter().find(|(key, _)| key == name).ok_or_else(|| Fault::not_found(NO_ITEM))?;
    Ok(one(item))
}

pub fn update_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let items = [given_item(context)?];
    check_state(context, "update metadata of")?;
    context
        .cloud
        .set_metadata(context.param("server_id"), &items, MetadataMode::Merge)
        .map_err(|error| refusal(context, error))?;
    Ok(one(&items[0]))
}

/// The one item of a body, which the path names too; checked.
pub(crate) fn given_item<C>(context: &Context<'_, C>) -> Result<Pair, Fault> {
    let name = context.param("key");
    let meta: Map<String, Value> = context.body_member("meta")?;
    let Some(value) = meta.get(name) else { return Err(Fault::bad_request("Request body and URI mismatch")) };
    if meta.len() > 1 {
        return Err(Fault::bad_request("Request body contains too many items"));
    }
    let Some(value) = value.as_str() else { return Err(Fault::invalid_type(name, "string")) };
    let item = (name.to_owned(), value.to_owned());
    check(std::slice::from_ref(&item))?;
    Ok(item)
}

pub fn delete_item<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let name = context.param("key");
    let items = check_state(context, "delete metadata of")?;
    if !items.iter().any(|(key, _)| key == name) {
        return Err(Fault::not_found(NO_ITEM));
    }
    let id = context.param("server_id");
    context.cloud.delete_metadata(id, name).map_err(|error| match (&error.code, error.field.as_deref()) {
        (ErrorCode::NotFound, Some("key")) => Fault::not_found(NO_ITEM),
        _ => refusal(context, error),
    })?;
    Ok(respond::empty(204))
}

pub(crate) fn check(items: &[Pair]) -> Result<(), Fault> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | ':' | '.' | ' ');
    for (name, value) in items {
        if name.is_empty() || name.chars().count() > LONGEST || !name.chars().all(fits) {
            let says =
                format!("{} does not match any of the regexes: '^[a-zA-Z0-9-_:. ]{{1,255}}$'", python(&json!(name)));
            return Err(Fault::bad_request(of_field("metadata", &json!({name: value}), &says)));
        }
        if value.chars().count() > LONGEST {
            let says = format!("{} is too long", python(&json!(value)));
            return Err(Fault::bad_request(of_field(name, &json!(value), &says)));
        }
    }
    Ok(())
}

/// Metadata may be written while the server is at rest in a state of its own life; gives the items as they are.
fn check_state<C: Cloud>(context: &Context<'_, C>, action: &str) -> Result<Vec<Pair>, Fault> {
    let server = fetch(context, &["metadata"])?;
    let conflict = |state: String| {
        Err(Fault::new(
            409,
            format!("Cannot '{}' instance {} while it is in {state}", action.trim_end_matches(" of"), server.id),
        ))
    };
    if !matches!(server.vm_state, VmState::Active | VmState::Stopped | VmState::Paused | VmState::Suspended) {
        return conflict(format!("vm_state {}", vm_word(server.vm_state)));
    }
    if let Some(task) = server.task_state {
        return conflict(format!("task_state {}", task_word(task)));
    }
    Ok(server.metadata)
}

fn refusal<C: Cloud>(context: &Context<'_, C>, error: Error) -> Fault {
    of_server(context.param("server_id"))(error)
}

pub(crate) fn whole(items: &[Pair]) -> Response {
    let mut writer = Writer::with_capacity(256);
    writer.begin_object().key(key!("metadata")).string_map(items).end_object();
    respond::json(200, writer.finish())
}

pub(crate) fn one(item: &Pair) -> Response {
    let mut writer = Writer::with_capacity(128);
    writer.begin_object().key(key!("meta")).string_map([item]).end_object();
    respond::json(200, writer.finish())
}
