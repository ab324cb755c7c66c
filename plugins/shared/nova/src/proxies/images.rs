//! Images.

use std::collections::BTreeMap;

use skyloom_sdk::cloud::images::{Image, ImagePage};
use skyloom_sdk::conditions::{from, is, pairs};
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::Paging;
use skyloom_sdk::{Cloud, Condition, Error, ErrorCode, SortKey, key, respond};

use super::{MOST, one};
use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::servers::list::{number, span};
use crate::views::Links;
use crate::views::image::{SERVER, write, write_short};

/// The states that a list is asked for: Glance's words, which are the core's too.
const STATES: &[&str] = &["queued", "saving", "active", "deactivated"];

pub fn list<C: Cloud>(context: &Context<'_, C>) -> Answer {
    listed(context, "/images", write_short)
}

pub fn list_detail<C: Cloud>(context: &Context<'_, C>) -> Answer {
    listed(context, "/images/detail", write)
}

fn listed<C: Cloud>(context: &Context<'_, C>, path: &str, write: fn(&mut Writer, &Image, &Links)) -> Answer {
    let page = fetch_page(context)?;
    let mut writer = Writer::with_capacity(256 + page.images.len() * 1024);
    writer.begin_object().key(key!("images")).begin_array();
    for image in &page.images {
        write(&mut writer, image, &context.links);
    }
    writer.end_array();
    if let Some(next) = &page.next {
        writer.key(key!("images_links"));
        context.links.write_next(&mut writer, path, &context.request.query, next);
    }
    writer.end_object();
    Ok(respond::json(200, writer.finish()))
}

pub fn show<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let image = fetch(context)?;
    Ok(one(key!("image"), |writer| write(writer, &image, &context.links)))
}

pub fn delete<C: Cloud>(context: &Context<'_, C>) -> Answer {
    context.cloud.delete_image(context.param("image_id")).map_err(|error| match error.code {
        ErrorCode::Forbidden if respond::denied(&error).is_none() => {
            Fault::new(403, format!("You are not allowed to delete the image. {}", error.message))
        }
        _ => refused(error),
    })?;
    Ok(respond::empty(204))
}

/// The image that the path names.
pub(super) fn fetch<C: Cloud>(context: &Context<'_, C>) -> Result<Image, Fault> {
    context.cloud.get_image(context.param("image_id")).map_err(refused)
}

/// In Nova's words.
pub(super) fn refused(error: Error) -> Fault {
    match error.code {
        ErrorCode::NotFound => Fault::not_found("Image not found."),
        _ => error.into(),
    }
}

/// The youngest first, as Glance lists them. A limit of 0 is none.
fn fetch_page<C: Cloud>(context: &Context<'_, C>) -> Result<ImagePage, Fault> {
    let Some(conditions) = wanted(context)? else { return Ok(ImagePage { images: Vec::new(), next: None }) };
    let Paging { limit, marker } = Paging::from_query(&context.query())
        .map_err(|bad| Fault::bad_request(format!("limit '{}' is no number", bad.0)))?;
    let key = |field: &str| SortKey { field: field.to_owned(), descending: true };
    let paging = Paging { limit: limit.filter(|limit| *limit > 0), marker: marker.clone() };
    let page = paging.request(MOST, MOST, vec![key("created-at"), key("id")]);
    context.cloud.list_images(&conditions, &page).map_err(|error| match (&error.code, error.field.as_deref()) {
        (ErrorCode::Invalid | ErrorCode::NotFound, Some("marker")) => {
            Fault::bad_request(format!("marker [{}] not found", marker.unwrap_or_default()))
        }
        _ => error.into(),
    })
}

/// None: no image can match.
fn wanted<C>(context: &Context<'_, C>) -> Result<Option<Vec<Condition>>, Fault> {
    let query = context.query();
    // To operators Glance shows the images of all projects.
    let mut wanted: Vec<Condition> = context.admin().then(|| is("all-projects", true)).into_iter().collect();
    wanted.extend(query.last("name").map(|name| is("name", name)));
    // What the image itself says that it needs: Glance compares for equality.
    for (name, field) in [("minRam", "min-memory-mib"), ("minDisk", "min-disk-gib")] {
        if let Some(value) = query.last(name) {
            wanted.push(is(field, number::<u32>(name, value)?));
        }
    }
    if let Some(time) = query.last("changes-since") {
        wanted.push(from("updated-at", span("changes-since", time)?.0));
    }
    wanted
        .extend(properties(&context.request.query).into_iter().map(|(name, value)| pairs("properties", [name, value])));
    if let Some(word) = query.last("status").map(str::to_ascii_lowercase) {
        if word == "deleted" {
            return Err(Fault::bad_request("Invalid status filter [deleted]: deleted images are not listed."));
        }
        if !STATES.contains(&word.as_str()) {
            return Ok(None);
        }
        wanted.push(is("state", word));
    }
    Ok(Some(wanted))
}

/// The properties that images must have; of two values of one name the last holds. A server may be named by its address.
fn properties(query: &[(String, String)]) -> BTreeMap<&str, &str> {
    query
        .iter()
        .filter_map(|(name, value)| match name.as_str() {
            "server" => Some((SERVER, value.rsplit('/').next().unwrap_or_default())),
            "type" => Some(("image_type", value.as_str())),
            other => other.strip_prefix("property-").map(|name| (name, value.as_str())),
        })
        .collect()
}
