//! An OpenAPI document of what a personality serves, from its manifest and schemas.

use serde_json::{Map, Value, json};
use skyloom_model::Least;
use skyloom_runtime::Package;
use skyloom_runtime::manifest::{Api, BodyKind, Manifest, Operation};

/// OpenAPI 3.1. Operations that share a route by a key of the body become one, with their bodies as alternatives.
pub fn document(package: &Package, base_url: &str) -> Result<Value, String> {
    let manifest = &package.manifest;
    let api = manifest.api.as_ref().ok_or("only personalities serve an API")?;
    let mut paths: Map<String, Value> = Map::new();
    for operation in &manifest.operations {
        let body = body(package, operation);
        for path in &operation.paths {
            let methods = paths.entry(path.clone()).or_insert_with(|| parameters(path));
            let entry = &mut methods[operation.method.as_str().to_ascii_lowercase()];
            if entry.is_null() {
                *entry = describe(manifest, api, operation, body.as_ref());
            } else {
                join(entry, operation, body.as_ref());
            }
        }
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": manifest.id,
            "version": manifest.version.to_string(),
            "description": manifest.description,
            "license": { "name": manifest.license },
        },
        "servers": [{ "url": if base_url.is_empty() { "/" } else { base_url } }],
        "components": { "securitySchemes": schemes(api) },
        "paths": paths,
    }))
}

/// By token, and by signature where the manifest has one.
fn schemes(api: &Api) -> Value {
    let mut schemes = json!({ "token": token(api) });
    if let Some(signature) = &api.signature {
        let [key, headers, mac] =
            [&signature.key_parameter, &signature.headers_parameter, &signature.signature_parameter];
        schemes["signature"] = json!({
            "type": "apiKey", "in": "header", "name": signature.header,
            "description": format!("{} {key}=KEY, {headers}=host;..., {mac}=HEX", signature.scheme),
        });
    }
    schemes
}

/// How the token is sent. OpenAPI's `http` is the header `Authorization` with a scheme.
fn token(api: &Api) -> Value {
    match &api.token_scheme {
        Some(scheme) if api.token_header.eq_ignore_ascii_case("authorization") => {
            json!({ "type": "http", "scheme": scheme.to_ascii_lowercase() })
        }
        Some(scheme) => json!({
            "type": "apiKey", "in": "header", "name": api.token_header, "description": format!("{scheme} TOKEN"),
        }),
        None => json!({ "type": "apiKey", "in": "header", "name": api.token_header }),
    }
}

fn parameters(path: &str) -> Value {
    let names = path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    let list: Vec<Value> = names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    json!({ "parameters": list })
}

fn describe(manifest: &Manifest, api: &Api, operation: &Operation, body: Option<&Value>) -> Value {
    let open = manifest.permission(operation).is_some_and(|asked| asked.least == Least::Anyone);
    let mut entry = json!({
        "operationId": operation.id,
        "x-action": operation.action,
        "responses": responses(operation),
        "security": match (open, &api.signature) {
            (true, _) => json!([]),
            (false, None) => json!([{ "token": [] }]),
            (false, Some(_)) => json!([{ "token": [] }, { "signature": [] }]),
        },
    });
    if let Some(versioning) = &api.versioning {
        let headers = versioning.headers.iter().map(
            |header| json!({ "name": header.name, "in": "header", "required": false, "schema": { "type": "string" } }),
        );
        entry["parameters"] = headers.collect();
    }
    if let Some(version) = &operation.min_version {
        entry["x-min-version"] = version.to_string().into();
    }
    if let Some(version) = &operation.max_version {
        entry["x-max-version"] = version.to_string().into();
    }
    if let Some(body) = body {
        entry["requestBody"] = body.clone();
    }
    entry
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for status in &operation.success {
        responses.insert(status.to_string(), json!({ "description": "as asked for" }));
    }
    responses.insert("default".to_owned(), json!({ "description": "refused; the body says why" }));
    Value::Object(responses)
}

/// Another operation of the same route: its id, answers and body beside what is there.
fn join(entry: &mut Value, operation: &Operation, body: Option<&Value>) {
    let ids = format!("{},{}", entry["operationId"].as_str().unwrap_or_default(), operation.id);
    entry["operationId"] = ids.into();
    if let (Some(known), Value::Object(more)) = (entry["responses"].as_object_mut(), responses(operation)) {
        known.extend(more);
    }
    let Some(added) = body.and_then(|body| body.pointer("/content/application~1json/schema")) else { return };
    match entry.pointer_mut("/requestBody/content/application~1json/schema") {
        Some(Value::Object(schema)) if schema.contains_key("oneOf") => {
            if let Some(list) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
                list.push(added.clone());
            }
        }
        Some(schema) => *schema = json!({ "oneOf": [schema.take(), added] }),
        None => entry["requestBody"] = body.cloned().unwrap_or_default(),
    }
}

fn body(package: &Package, operation: &Operation) -> Option<Value> {
    let (kind, schema) = match operation.body() {
        BodyKind::None => return None,
        BodyKind::Stream => ("application/octet-stream", json!({ "type": "string", "format": "binary" })),
        BodyKind::Json => {
            (operation.content_types.first().map_or("application/json", String::as_str), schema(package, operation))
        }
    };
    Some(json!({ "content": { kind: { "schema": schema } } }))
}

/// That of the newest version; others are alternatives.
fn schema(package: &Package, operation: &Operation) -> Value {
    let mut schemas = package.body_schemas(operation);
    schemas.reverse();
    match (schemas.len(), &operation.body_key) {
        (0, Some(key)) => json!({ "type": "object", "required": [key] }),
        (0, None) => json!({ "type": "object" }),
        (1, _) => schemas.remove(0),
        _ => json!({ "anyOf": schemas }),
    }
}
