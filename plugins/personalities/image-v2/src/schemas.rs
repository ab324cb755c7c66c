//! The schemas that clients may read.

use serde_json::{Map, Value, json};
use skyloom_sdk::{Request, respond};

use crate::{Answer, Fault};

/// The schema of a new image, which the host checks bodies against; what the service says by itself is added to it.
const CREATE: &str = include_str!("../schemas/image.create.json");

pub fn show(request: &Request) -> Answer {
    let schema = match respond::param(request, "schema") {
        "image" => image()?,
        "images" => json!({
            "name": "images",
            "properties": {
                "images": {"type": "array", "items": image()?},
                "schema": {"type": "string"},
                "next": {"type": "string"},
                "first": {"type": "string"},
            },
            "links": [
                {"rel": "first", "href": "{first}"},
                {"rel": "next", "href": "{next}"},
                {"rel": "describedby", "href": "{schema}"},
            ],
        }),
        other => return Err(Fault::new(404, format!("The schema {other} could not be found."))),
    };
    Ok(respond::json(200, schema.to_string().into_bytes()))
}

fn image() -> Result<Value, Fault> {
    let mut schema: Value = serde_json::from_str(CREATE).map_err(|error| Fault::new(500, error.to_string()))?;
    let properties = schema["properties"].take();
    let mut properties: Map<String, Value> = match properties {
        Value::Object(properties) => properties,
        _ => Map::new(),
    };
    for name in glance::READ_ONLY {
        let kind = match *name {
            "size" | "virtual_size" => json!(["null", "integer"]),
            "checksum" | "os_hash_algo" | "os_hash_value" => json!(["null", "string"]),
            _ => json!("string"),
        };
        properties.insert((*name).to_owned(), json!({"type": kind, "readOnly": true}));
    }
    schema["properties"] = Value::Object(properties);
    schema["name"] = json!("image");
    schema["links"] = json!([
        {"rel": "self", "href": "{self}"},
        {"rel": "enclosure", "href": "{file}"},
        {"rel": "describedby", "href": "{schema}"},
    ]);
    Ok(schema)
}
