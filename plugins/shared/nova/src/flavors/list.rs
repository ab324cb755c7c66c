//! Lists of flavors.

use skyloom_sdk::cloud::flavors::FlavorPage;
use skyloom_sdk::conditions::{from, is};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::paging::Paging;
use skyloom_sdk::{Cloud, Condition, ErrorCode, Response, SortKey, key, respond};

use crate::context::{Answer, Context};
use crate::errors::Fault;
use crate::unsupported::refuse;
use crate::views::flavor::{write, write_short};

const MOST: u32 = 1000;

pub fn index<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let page = fetch(context)?;
    let mut writer = Writer::with_capacity(256 + page.flavors.len() * 400);
    writer.begin_object().key(key!("flavors")).begin_array();
    for flavor in &page.flavors {
        write_short(&mut writer, flavor, &context.links, context.minor);
    }
    Ok(finish(context, writer, &page, "/flavors"))
}

pub fn detail<C: Cloud>(context: &Context<'_, C>) -> Answer {
    let page = fetch(context)?;
    let mut writer = Writer::with_capacity(256 + page.flavors.len() * 800);
    writer.begin_object().key(key!("flavors")).begin_array();
    for flavor in &page.flavors {
        write(&mut writer, flavor, &context.links, context.minor);
    }
    Ok(finish(context, writer, &page, "/flavors/detail"))
}

fn finish<C>(context: &Context<'_, C>, mut writer: Writer, page: &FlavorPage, collection: &str) -> Response {
    writer.end_array();
    if let Some(next) = &page.next {
        writer.key(key!("flavors_links"));
        context.links.write_next(&mut writer, collection, &context.request.query, next);
    }
    writer.end_object();
    respond::json(200, writer.finish())
}

fn fetch<C: Cloud>(context: &Context<'_, C>) -> Result<FlavorPage, Fault> {
    let paging = Paging::from_query(&context.query())
        .map_err(|bad| Fault::bad_request(format!("limit '{}' is no number", bad.0)))?;
    if paging.limit == Some(0) {
        return Ok(FlavorPage { flavors: Vec::new(), next: None });
    }
    let marker = paging.marker.clone().unwrap_or_default();
    let page = paging.request(MOST, MOST, sort(context)?);
    context.cloud.list_flavors(&wanted(context)?, &page).map_err(|error| match (&error.code, error.field.as_deref()) {
        (ErrorCode::Invalid | ErrorCode::NotFound, Some("marker")) => {
            Fault::bad_request(format!("Marker {marker} could not be found."))
        }
        _ => error.into(),
    })
}

fn wanted<C>(context: &Context<'_, C>) -> Result<Vec<Condition>, Fault> {
    let query = context.query();
    let mut wanted = Vec::new();
    for (name, field) in [("minRam", "memory-mib"), ("minDisk", "disk-gib")] {
        if let Some(text) = query.last(name) {
            let least: u32 = text.parse().map_err(|_| Fault::bad_request(format!("Invalid {name} filter [{text}]")))?;
            wanted.push(from(field, least));
        }
    }
    // Only operators may look beyond what they can use; from others it is overlooked.
    match query.last("is_public") {
        Some(word) if word.eq_ignore_ascii_case("none") => {
            wanted.extend(context.admin().then(|| is("all-projects", true)));
        }
        Some(word) => {
            let public =
                boolean_text(word).ok_or_else(|| Fault::bad_request(format!("Invalid is_public filter [{word}]")))?;
            wanted.extend(context.admin().then(|| is("is-public", public)));
        }
        None => {}
    }
    Ok(wanted)
}

/// By the flavor's id ascending, unless the query says otherwise. Never the id alone: Nova refuses a marker that no flavor has.
fn sort<C>(context: &Context<'_, C>) -> Result<Vec<SortKey>, Fault> {
    let query = context.query();
    let field = match query.last("sort_key").unwrap_or("flavorid") {
        // The weight is the same for every flavor: none.
        "flavorid" | "vcpu_weight" => "id",
        "name" => "name",
        "memory_mb" => "memory-mib",
        "vcpus" => "vcpus",
        "root_gb" => "disk-gib",
        "ephemeral_gb" => "ephemeral-gib",
        "swap" => "swap-mib",
        // Nova's own number rises with time.
        "created_at" | "id" => "created-at",
        "disabled" => "disabled",
        "is_public" => "is-public",
        "rxtx_factor" => "rxtx-factor-milli",
        "description" => "description",
        "updated_at" => return Err(refuse("flavors.list", "sort_key updated_at")),
        other => {
            return Err(Fault::bad_request(format!(
                "Invalid input for query parameters sort_key. Value: {other}. '{other}' is not a sort key"
            )));
        }
    };
    let descending = match query.last("sort_dir").unwrap_or("asc") {
        "asc" => false,
        "desc" => true,
        other => {
            return Err(Fault::bad_request(format!("Unknown sort direction '{other}', must be one of: asc, desc")));
        }
    };
    let key = |field: &str| SortKey { field: field.to_owned(), descending };
    Ok(if field == "id" { vec![key("id"), key("created-at")] } else { vec![key(field)] })
}
