//! Image types: which guests a virtualization platform knows, and what it calls them.

use serde_json::{Value, json};
use skyloom_sdk::cloud::collections::Item;
use skyloom_sdk::json::Writer;
use skyloom_sdk::paging::every_page;
use skyloom_sdk::{Collections, Condition, Error, PageRequest, Request, Response, SortKey, key, respond, time};

use crate::Answer;
use crate::envelope::{Fault, check};

const COLLECTION: &str = "image-types";

/// The virtualization types that the document's images have.
pub const VIRT_TYPES: &[&str] = &["KVM", "CAS", "VMware", "Xen", "PowerVM", "BareMetal"];
/// The document shows the first alone, and takes any text.
pub const OS_TYPES: &[&str] = &["Linux", "Windows"];

const FORMS: &[(&str, &str)] = &[
    ("uuid", "is a text of 1 to 36 characters."),
    (
        "imageTypeName",
        "is a text of 1 to 128 characters, not only blanks, none of them Chinese, full-width, for control or one of / \\ : * ? \" < > |, without '.' at its ends.",
    ),
    ("description", "is a text of at most 85 characters."),
    ("virtType", "is a text of 1 to 255 characters."),
    ("osType", "is a text of 1 to 255 characters."),
    ("operatingSystem", "is a text of 1 to 64 characters, none of them Chinese or full-width."),
    ("addType", "is 0 (built in) or 1 (newly created)."),
];

/// The document leaves the answer's body open: it is the new image type, so that its id is known.
pub fn create<C: Collections>(cloud: &C, request: &Request) -> Answer {
    let (_, record) = record(request)?;
    Ok(one(&cloud.create_item(COLLECTION, &record)?))
}

pub fn update<C: Collections>(cloud: &C, request: &Request) -> Answer {
    let (id, record) = record(request)?;
    Ok(one(&cloud.update_item(COLLECTION, &id, &record, None).map_err(missing)?))
}

pub fn show<C: Collections>(cloud: &C, request: &Request) -> Answer {
    Ok(one(&cloud.get_item(COLLECTION, respond::param(request, "image_type_id")).map_err(missing)?))
}

pub fn delete<C: Collections>(cloud: &C, request: &Request) -> Answer {
    cloud.delete_item(COLLECTION, respond::param(request, "image_type_id"), None).map_err(missing)?;
    Ok(respond::empty(200))
}

pub fn list<C: Collections>(cloud: &C) -> Answer {
    Ok(several(&found(cloud, &[])?))
}

pub fn list_by_virt_type<C: Collections>(cloud: &C, request: &Request) -> Answer {
    let wanted = spelled(VIRT_TYPES, respond::param(request, "virtual_type"));
    Ok(several(&found(cloud, &[is("virtType", wanted)])?))
}

/// The document's samples of an operating system type are values of `operatingSystem`: either may be named.
pub fn list_by_os_type<C: Collections>(cloud: &C, request: &Request) -> Answer {
    let wanted = respond::param(request, "os_type");
    let os_type = spelled(OS_TYPES, wanted);
    let mut items = found(cloud, &[is("osType", os_type)])?;
    let by_system = found(cloud, &[is("operatingSystem", wanted)])?;
    items.extend(by_system.into_iter().filter(|item| member(item, "osType") != os_type));
    items.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
    Ok(several(&items))
}

pub fn list_words(words: &[&str]) -> Response {
    respond::json(200, json!(words).to_string().into_bytes())
}

fn wrong(member: &str) -> Fault {
    let form = FORMS.iter().find(|(name, _)| *name == member).map_or("", |(_, form)| form);
    Fault::invalid(member, form)
}

/// Id (of an update) and record of a body.
fn record(request: &Request) -> Result<(String, String), Fault> {
    check(request, FORMS)?;
    let body: Value =
        serde_json::from_slice(&request.body).map_err(|_| Fault::invalid("The body", "is a JSON object."))?;
    let text = |name: &str| match &body[name] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        // The document's own example describes by a number.
        other => other.to_string(),
    };
    let virt_type = text("virtType");
    let virt_type = spelled(VIRT_TYPES, &virt_type);
    if !VIRT_TYPES.contains(&virt_type) {
        return Err(Fault::invalid("virtType", &format!("is one of {}.", VIRT_TYPES.join(", "))));
    }
    if body["description"].is_number() && body["description"].as_i64().is_none() {
        return Err(wrong("description"));
    }
    let (os_type, system) = (text("osType"), text("operatingSystem"));
    check_system(virt_type, &system)?;
    let record = json!({
        "imageTypeName": text("imageTypeName"),
        "description": text("description"),
        "virtType": virt_type,
        "osType": spelled(OS_TYPES, &os_type),
        "operatingSystem": system,
        // A text or a number, as the document has both.
        "addType": u8::from(body["addType"] == "1" || body["addType"].as_f64() == Some(1.0)),
    });
    Ok((text("uuid"), record.to_string()))
}

/// What a platform calls a guest system has its own form. Of the others the document shows none.
fn check_system(virt_type: &str, system: &str) -> Result<(), Fault> {
    let is_part = |part: &str| !part.trim().is_empty() && !part.contains('|');
    let (good, form) = match virt_type {
        "CAS" => (
            system.split_once('|').is_some_and(|(family, version)| is_part(family) && is_part(version)),
            "has the form '<family>|<version>' for CAS, e.g. 'linux|Asianux 4(32-bit)'.",
        ),
        "VMware" => (
            system.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            "is a guest's identifier for VMware, e.g. 'ubuntu64Guest'.",
        ),
        _ => (true, ""),
    };
    if good { Ok(()) } else { Err(Fault::invalid("operatingSystem", form)) }
}

/// A known word in its own spelling; the document doesn't say that case counts.
fn spelled<'a>(words: &[&'a str], given: &'a str) -> &'a str {
    words.iter().find(|word| word.eq_ignore_ascii_case(given)).copied().unwrap_or(given)
}

fn is(field: &str, value: &str) -> Condition {
    Condition { field: field.to_owned(), test: "any-of".to_owned(), values: vec![value.to_owned()] }
}

/// The oldest first.
fn found<C: Collections>(cloud: &C, conditions: &[Condition]) -> Result<Vec<Item>, Error> {
    every_page(|page| {
        let sort = vec![SortKey { field: "created-at".to_owned(), descending: false }];
        let listed = cloud.list_items(COLLECTION, conditions, &PageRequest { sort, ..page })?;
        Ok((listed.items, listed.next))
    })
}

fn missing(error: Error) -> Fault {
    match error.resource {
        Some((kind, id)) if kind == COLLECTION && error.code == skyloom_sdk::ErrorCode::NotFound => {
            Fault { status: 404, code: "not-found", message: format!("There is no image type {id}.") }
        }
        resource => Error { resource, ..error }.into(),
    }
}

fn member(item: &Item, name: &str) -> String {
    let body: Value = serde_json::from_str(&item.body).unwrap_or_default();
    body[name].as_str().unwrap_or_default().to_owned()
}

fn one(item: &Item) -> Response {
    let mut out = Writer::with_capacity(512);
    write(&mut out, item);
    respond::json(200, out.finish())
}

fn several(items: &[Item]) -> Response {
    let mut out = Writer::with_capacity(16 + items.len() * 320);
    out.begin_array();
    for item in items {
        write(&mut out, item);
    }
    out.end_array();
    respond::json(200, out.finish())
}

fn write(out: &mut Writer, item: &Item) {
    let body: Value = serde_json::from_str(&item.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    out.begin_object().key(key!("uuid")).string(&item.id);
    out.key(key!("description")).string(text("description"));
    out.key(key!("virtType")).string(text("virtType"));
    out.key(key!("osType")).string(text("osType"));
    out.key(key!("operatingSystem")).string(text("operatingSystem"));
    out.key(key!("addType")).integer(body["addType"].as_i64().unwrap_or_default());
    // Null until it was changed, as in the document's example.
    let updated = (item.version > 1).then(|| time::seconds_z(item.updated_at).replace('T', " ").replace('Z', ""));
    out.key(key!("updateTime")).optional_string(updated.as_deref());
    out.key(key!("imageTypeName")).string(text("imageTypeName")).end_object();
}
