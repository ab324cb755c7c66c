//! A server's tags.

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{MetadataMode, VmState};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{Body, Cloud, Error, ErrorCode, Response, key, query, respond};

use super::fetch;
use crate::context::{Answer, Context};
use crate::errors::{Fault, of_server};
use crate::status::vm_word;
use crate::violations::{of_field, python};

const MOST: usize = 50;

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    Ok(whole(&fetch(context, &["tags"])?.tags))
}

/// Whether the server has the tag.
pub fn check<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (server, tag) = (fetch(context, &["tags"])?, context.param("tag"));
    if !server.tags.iter().any(|known| known == tag) {
        return Err(Fault::not_found(format!("Server {} has no tag '{tag}'", server.id)));
    }
    Ok(respond::empty(204))
}

pub fn replace<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let tags = read(context, context.body()?.get("tags"))?;
    at_rest(context, "update tags")?;
    let id = context.param("server_id");
    let all = context.cloud.set_tags(id, &tags, MetadataMode::Replace).map_err(of_server(id))?;
    Ok(whole(&all))
}

pub fn delete_all<C: Cloud>(context: &Context<'_, C>) -> Answer {
    at_rest(context, "delete tags")?;
    let id = context.param("server_id");
    context.cloud.set_tags(id, &[], MetadataMode::Replace).map_err(of_server(id))?;
    Ok(respond::empty(204))
}

/// A server that is full takes not even a tag that it has, as upstream's.
pub fn add<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, tag) = (context.param("server_id"), context.param("tag"));
    let tags = at_rest(context, "update tag")?;
    if let Some(says) = wrong(context, tag) {
        return Err(Fault::bad_request(format!(
            "Tag '{tag}' is invalid. It must be a non empty string without characters '/' and ','. \
             Validation error message: {says}"
        )));
    }
    check_reserved(context, tag)?;
    if tags.len() >= MOST {
        return Err(Fault::bad_request(format!("The number of tags exceeded the per-server limit {MOST}")));
    }
    if tags.iter().any(|known| known == tag) {
        return Ok(respond::empty(204));
    }
    context.cloud.set_tags(id, &[tag.to_owned()], MetadataMode::Merge).map_err(of_server(id))?;
    let mut location = format!("{}/servers/{id}/tags/", context.links.own);
    query::encode_segment(&mut location, tag);
    Ok(respond::with_header(
        (context.rules.tag_added)(respond::header(context.request, "accept")),
        "Location",
        location,
    ))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let (id, tag) = (context.param("server_id"), context.param("tag"));
    at_rest(context, "delete tag")?;
    context.cloud.delete_tag(id, tag).map_err(|error: Error| match (&error.code, error.field.as_deref()) {
        (ErrorCode::NotFound, Some("tag")) => Fault::not_found(format!("Instance {id} has no tag '{tag}'")),
        _ => of_server(id)(error),
    })?;
    Ok(respond::empty(204))
}

/// The tags of a body, which a schema has looked at.
pub(super) fn read<C>(context: &Context<'_, C>, tags: Option<&Value>) -> Result<Vec<String>, Fault> {
    let Some(tags) = tags else { return Err(Fault::bad_request("'tags' is a required property")) };
    let Some(tags) = tags.as_array() else { return Err(Fault::invalid_type("tags", "array")) };
    let one = |(place, value): (usize, &Value)| {
        let Some(tag) = value.as_str() else { return Err(Fault::invalid_type("tags", "string")) };
        if let Some(says) = wrong(context, tag) {
            return Err(Fault::bad_request(of_field(&place.to_string(), value, &says)));
        }
        check_reserved(context, tag)?;
        Ok(tag.to_owned())
    };
    let tags: Vec<String> = tags.iter().enumerate().map(one).collect::<Result<_, _>>()?;
    if tags.len() > MOST {
        let value = json!(tags);
        return Err(Fault::bad_request(of_field("tags", &value, &format!("{} is too long", python(&value)))));
    }
    Ok(tags)
}

/// What is wrong with a tag, in the words of Python's `jsonschema`.
fn wrong<C>(context: &Context<'_, C>, tag: &str) -> Option<String> {
    let shown = python(&json!(tag));
    if tag.is_empty() {
        Some(format!("{shown} should be non-empty"))
    } else if tag.chars().count() > context.rules.longest_tag {
        Some(format!("{shown} is too long"))
    } else if tag.contains([',', '/']) {
        Some(format!("{shown} does not match '^[^,/]*$'"))
    } else {
        None
    }
}

/// What marks a kind of server is nobody's to give.
fn check_reserved<C>(context: &Context<'_, C>, tag: &str) -> Result<(), Fault> {
    if context.rules.reserved_tags.contains(&tag) {
        return Err(Fault::bad_request(format!("Tag '{tag}' is reserved.")));
    }
    Ok(())
}

/// Tags change in a state of the server's own life, whatever is being done to it; gives them as they are.
fn at_rest<C: Cloud>(context: &Context<'_, C>, action: &str) -> Result<Vec<String>, Fault> {
    let server = fetch(context, &["tags"])?;
    if matches!(server.vm_state, VmState::Active | VmState::Stopped | VmState::Paused | VmState::Suspended) {
        return Ok(server.tags);
    }
    let (id, state) = (&server.id, vm_word(server.vm_state));
    Err(Fault::new(409, format!("Cannot '{action}' instance {id} while it is in vm_state {state}")))
}

fn whole(tags: &[String]) -> Response {
    let mut writer = Writer::with_capacity(256);
    writer.begin_object().key(key!("tags")).strings(tags).end_object();
    respond::json(200, writer.finish())
}

/// Upstream's answer to a tag that was added: no body.
pub fn added(_accept: Option<&str>) -> Response {
    respond::empty(201)
}

/// The page that others have, or the same as JSON for who takes neither a page nor anything.
pub fn added_as_page(accept: Option<&str>) -> Response {
    const SAID: &str = "<br /><br />\n\n\n";
    let any = |accept: &str| accept.contains("html") || accept.contains("*/*");
    if accept.is_some_and(|accept| !any(accept)) {
        let mut writer = Writer::with_capacity(128);
        writer.begin_object().key(key!("message")).string(SAID);
        writer.key(key!("code")).string("201 Created");
        writer.key(key!("title")).string("Created").end_object();
        return respond::json(201, writer.finish());
    }
    let page = format!(
        "<html>\n <head>\n  <title>201 Created</title>\n </head>\n <body>\n  <h1>201 Created</h1>\n  {SAID}\n </body>\n</html>"
    );
    Response {
        status: 201,
        headers: vec![("Content-Type".to_owned(), "text/html; charset=UTF-8".to_owned())],
        body: Body::Bytes(page.into_bytes()),
    }
}
