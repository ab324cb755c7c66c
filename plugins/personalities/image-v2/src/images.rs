//! Images: list, create, show, change, delete, tags.

use serde_json::{Map, Value};
use skyloom_sdk::cloud::images::{Image, ImageCreate};
use skyloom_sdk::json::Writer;
use skyloom_sdk::query;
use skyloom_sdk::{ErrorCode, Images, Request, Response, key, respond};

use crate::{Answer, Fault, filters, import, patch, views};

/// Of a list that names no limit.
const DEFAULT_LIMIT: u32 = 25;
/// How often a patch is applied anew to an image that others change at the same time.
const ATTEMPTS: u32 = 5;

fn shown(status: u16, image: &Image) -> Response {
    let mut json = Writer::with_capacity(1024);
    views::image(&mut json, image);
    respond::json(status, json.finish())
}

fn id(request: &Request) -> &str {
    respond::param(request, "image_id")
}

pub fn list<C: Images>(cloud: &C, request: &Request) -> Answer {
    let admin = request.caller.as_ref().is_some_and(|caller| caller.admin);
    let wanted = filters::parse(&request.query, admin)?;
    let page = if wanted.nothing {
        skyloom_sdk::cloud::images::ImagePage { images: Vec::new(), next: None }
    } else {
        let limit = wanted.limit.unwrap_or(DEFAULT_LIMIT);
        cloud.list_images(&wanted.conditions, &wanted.page(limit))?
    };
    let mut json = Writer::with_capacity(1024 * (page.images.len() + 1));
    json.begin_object().key(key!("images")).begin_array();
    for image in &page.images {
        views::image(&mut json, image);
    }
    json.end_array();
    let own: Vec<_> = request.query.iter().filter(|(name, _)| name != "marker").cloned().collect();
    let first: String = own.iter().fold(String::new(), |mut text, (name, value)| {
        text.push(if text.is_empty() { '?' } else { '&' });
        query::encode(&mut text, name);
        text.push('=');
        query::encode(&mut text, value);
        text
    });
    json.key(key!("first")).joined(&["/v2/images", &first]);
    if let Some(next) = &page.next {
        json.key(key!("next")).joined(&["/v2/images?", &query::with_marker(&request.query, next)]);
    }
    json.key(key!("schema")).string("/v2/schemas/images").end_object();
    Ok(respond::json(200, json.finish()))
}

pub fn show<C: Images>(cloud: &C, request: &Request) -> Answer {
    Ok(shown(200, &cloud.get_image(id(request))?))
}

/// A body, which the host has parsed before.
pub fn read(body: &[u8]) -> Result<Value, Fault> {
    let what = if body.is_empty() { "Body expected in request." } else { "Malformed JSON in request body." };
    serde_json::from_slice(body).map_err(|_| Fault::bad_request(what))
}

pub fn create<C: Images>(cloud: &C, request: &Request) -> Answer {
    let Value::Object(body) = read(&request.body)? else {
        let expected = || Fault::bad_request("Request body must be a JSON object.");
        return Err(request.violations.first().map_or_else(expected, Fault::schema));
    };
    body.keys().try_for_each(|name| views::settable(name))?;
    if let Some(violation) = request.violations.first() {
        return Err(Fault::schema(violation));
    }
    let create = new_image(&body)?;
    let image = cloud.create_image(&create).map_err(|error| match (&error.resource, &create.owner) {
        (Some((kind, action)), Some(owner)) if kind == "action" && action == "images:read-all" => {
            Fault::new(403, format!("You are not permitted to create images owned by '{owner}'"))
        }
        _ => error.into(),
    })?;
    let location = format!("{}/v2/images/{}", request.base_url, image.id);
    Ok(import::invited(cloud, respond::with_header(shown(201, &image), "Location", location)))
}

/// The body as the core takes it; the schema has checked it already, what it cannot see is told in its words.
fn new_image(body: &Map<String, Value>) -> Result<ImageCreate, Fault> {
    let mut create = ImageCreate {
        id: None,
        name: None,
        visibility: None,
        protected: false,
        hidden: false,
        disk_format: None,
        container_format: None,
        min_disk_gib: 0,
        min_memory_mib: 0,
        tags: Vec::new(),
        properties: Vec::new(),
        owner: None,
        attributes: "{}".into(),
    };
    for (name, value) in body {
        match name.as_str() {
            "id" => create.id = patch::text(name, value)?.map(|id| id.to_ascii_lowercase()),
            "name" => create.name = patch::text(name, value)?,
            "visibility" => create.visibility = Some(patch::visibility(value)?),
            "protected" => create.protected = patch::flag(name, value)?,
            "os_hidden" => create.hidden = patch::flag(name, value)?,
            "disk_format" => create.disk_format = patch::text(name, value)?,
            "container_format" => create.container_format = patch::text(name, value)?,
            "min_disk" => create.min_disk_gib = patch::number(name, value)?,
            "min_ram" => create.min_memory_mib = patch::number(name, value)?,
            "tags" => create.tags = patch::texts(name, value)?,
            "owner" => create.owner = patch::text(name, value)?,
            _ => {
                create.properties.push((name.clone(), patch::present(name, value)?));
            }
        }
    }
    Ok(create)
}

pub fn update<C: Images>(cloud: &C, request: &Request) -> Answer {
    let older = respond::header(request, "content-type").is_some_and(|kind| kind.contains("-v2.0-json-patch"));
    let changes = patch::parse(&request.body, older)?;
    let mut attempt = 1;
    loop {
        let image = cloud.get_image(id(request))?;
        if changes.is_empty() {
            return Ok(shown(200, &image));
        }
        let update = patch::apply(&image, &changes)?;
        match cloud.update_image(&image.id, &update) {
            // Another one changed it since it was read: a patch holds of the image as it is then.
            Err(error) if error.code == ErrorCode::WrongState && attempt < ATTEMPTS => attempt += 1,
            updated => return Ok(shown(200, &updated?)),
        }
    }
}

pub fn delete<C: Images>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_image(id(request))?;
    Ok(respond::empty(204))
}

pub fn set_active<C: Images>(cloud: &C, request: &Request, active: bool) -> Answer {
    cloud.set_active(id(request), active).map_err(|error| match error.code {
        // Upstream forbids here what is a conflict elsewhere.
        ErrorCode::WrongState => Fault::new(403, error.message),
        _ => error.into(),
    })?;
    Ok(respond::empty(204))
}

pub fn add_tag<C: Images>(cloud: &C, request: &Request) -> Answer {
    cloud.add_tag(id(request), respond::param(request, "tag"))?;
    Ok(respond::empty(204))
}

pub fn remove_tag<C: Images>(cloud: &C, request: &Request) -> Answer {
    cloud.remove_tag(id(request), respond::param(request, "tag"))?;
    Ok(respond::empty(204))
}

/// Members are not kept yet. A list of a visible image is refused as well: an empty one would say that nobody has it.
pub fn members<C: Images>(cloud: &C, request: &Request) -> Answer {
    cloud.get_image(id(request))?;
    Err(Fault::new(403, "Sharing an image with members is not supported by this cloud."))
}
