//! Interoperable import. The one method is `web-download`, where the cloud fetches images at all; there is one place for bytes, so what a
//! client says of stores can only mean that one.

use serde_json::{Map, Value, json};
use skyloom_sdk::{ErrorCode, Images, Request, Response, respond};

use crate::images::read;
use crate::{Answer, Fault};

const WEB_DOWNLOAD: &str = "web-download";

/// The methods that are on.
fn methods<C: Images>(cloud: &C) -> Result<Vec<&'static str>, Fault> {
    Ok(if cloud.list_import_schemes()?.is_empty() { Vec::new() } else { vec![WEB_DOWNLOAD] })
}

pub fn info<C: Images>(cloud: &C) -> Answer {
    let methods = methods(cloud)?;
    let body =
        json!({"import-methods": {"description": "Import methods available.", "type": "array", "value": methods}});
    Ok(respond::json(200, body.to_string().into_bytes()))
}

/// Upstream says in the answer to a creation which methods are on, where one is.
pub fn invited<C: Images>(cloud: &C, created: Response) -> Response {
    // The image is made, whatever becomes of the invitation.
    let methods = methods(cloud).unwrap_or_default();
    if methods.is_empty() {
        return created;
    }
    respond::with_header(created, "OpenStack-image-import-methods", methods.join(","))
}

pub fn import<C: Images>(cloud: &C, request: &Request) -> Answer {
    let Value::Object(body) = read(&request.body)? else {
        return Err(Fault::bad_request("Request body must be a JSON object."));
    };
    let uri = asked(&body, &methods(cloud)?)?;
    cloud.import_image(respond::param(request, "image_id"), uri).map_err(|error| match error.field.as_deref() {
        // Upstream's words for a host, scheme or port that the site doesn't take.
        Some("url") => Fault::bad_request(format!("URI for web-download does not pass filtering: {uri}")),
        Some("disk-format") => Fault::new(409, "'disk_format' and 'container_format' need to be set before import"),
        _ if error.code == ErrorCode::WrongState => {
            Fault::new(409, "Image needs to be in 'queued' state to use 'web-download' method")
        }
        _ => error.into(),
    })?;
    Ok(respond::empty(202))
}

/// From where, once the body is one that can be meant.
fn asked<'b>(body: &'b Map<String, Value>, methods: &[&str]) -> Result<&'b str, Fault> {
    let wrong = |message: &str| Fault::bad_request(message);
    let method = body.get("method").ok_or_else(|| wrong("Import request requires a 'method' field."))?;
    let method = method.as_object().ok_or_else(|| wrong("The 'method' of an import request must be an object."))?;
    let name = method.get("name").ok_or_else(|| wrong("Import request requires a 'name' field."))?;
    let name = name.as_str().ok_or_else(|| wrong("The 'name' of an import method must be a string."))?;
    if !methods.contains(&name) {
        return Err(Fault::bad_request(format!("Unknown import method name '{name}'.")));
    }
    for flag in ["all_stores", "all_stores_must_succeed"] {
        if !matches!(body.get(flag), None | Some(Value::Null | Value::Bool(_))) {
            return Err(Fault::bad_request(format!("'{flag}' must be boolean value only")));
        }
    }
    match body.get("stores") {
        None | Some(Value::Null) => {}
        Some(Value::Array(stores)) if stores.is_empty() => {}
        Some(_) => return Err(wrong("Stores parameter is not supported, multi backend is not enabled.")),
    }
    match method.get("uri") {
        Some(Value::String(uri)) => Ok(uri),
        Some(_) => Err(wrong("The 'uri' of the import method web-download must be a string.")),
        None => Err(wrong("The import method web-download requires a 'uri' field.")),
    }
}
