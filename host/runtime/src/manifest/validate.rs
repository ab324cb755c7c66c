//! What the types of a manifest cannot say: one line for each defect, all of them at once.

use std::collections::{BTreeMap, BTreeSet};

use skyloom_model::{Action, ErrorCode};

use super::api::{Api, ApiErrors, Versioning};
use super::{ApiVersion, Asked, BodyKind, CONTRACTS, Capability, Kind, Manifest, Method, Operation};

/// Refusals of the host that are no error of the core; keys of `[api.errors.overrides]` beside error codes and statuses.
pub const HOST_REFUSALS: &[&str] = &[
    "malformed-body",
    "missing-body",
    "body-key",
    "version-malformed",
    "version-unsupported",
    "project-mismatch",
    "project-header-mismatch",
    "bad-signature",
    "method-not-allowed",
    "unsupported-media-type",
];

/// What a refusal's template may hold.
pub const PLACEHOLDERS: &[&str] = &["status", "code", "message", "request_id", "title", "base_url"];

pub(super) fn defects(manifest: &Manifest) -> Vec<String> {
    let mut defects = Vec::new();
    header(manifest, &mut defects);
    capabilities(manifest, &mut defects);
    match (manifest.kind, &manifest.api) {
        (Kind::Personality, Some(api)) => {
            self::api(api, &mut defects);
            own_actions(manifest, &mut defects);
            super::collection::defects(manifest, &mut defects);
            rules(api, &mut defects);
            operations(manifest, api, &mut defects);
        }
        (Kind::Personality, None) => defects.push("a personality needs an [api] table".to_owned()),
        (kind, api) => {
            if api.is_some() {
                defects.push(format!("[api] is for personalities, not for a {kind}"));
            }
            if !manifest.operations.is_empty() {
                defects.push(format!("[[operation]] is for personalities, not for a {kind}"));
            }
            if !manifest.actions.is_empty() {
                defects.push(format!("[[action]] is for personalities, not for a {kind}"));
            }
            if !manifest.collections.is_empty() {
                defects.push(format!("[[collection]] is for personalities, not for a {kind}"));
            }
        }
    }
    if let Some(config) = &manifest.config
        && !config.schema.is_object()
    {
        defects.push("[config] schema must be a table".to_owned());
    }
    defects
}

fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && text.starts_with(|first: char| first.is_ascii_lowercase())
}

fn header(manifest: &Manifest, defects: &mut Vec<String>) {
    if manifest.manifest != 1 {
        defects.push(format!("manifest = {} is not served; this host reads 1", manifest.manifest));
    }
    if !is_id(&manifest.id) {
        defects.push(format!(
            "id `{}`: 1 to 64 lower-case letters, digits and `-`, beginning with a letter",
            manifest.id.escape_debug()
        ));
    }
    if !CONTRACTS.contains(&manifest.contract.as_str()) {
        defects.push(format!(
            "contract `{}` is not served; this host serves {}",
            manifest.contract.escape_debug(),
            CONTRACTS.join(", ")
        ));
    }
}

fn capabilities(manifest: &Manifest, defects: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for asked in &manifest.capabilities {
        if !seen.insert(asked.name) {
            defects.push(format!("capability `{}` is asked for twice", asked.name));
        }
        if asked.reason.trim().is_empty() {
            defects.push(format!("capability `{}` needs a reason", asked.name));
        }
        if !asked.name.allowed_for(manifest.kind) {
            defects.push(format!("capability `{}` is not for a {}", asked.name, manifest.kind));
        }
        labels(asked, defects);
    }
}

fn labels(asked: &Asked, defects: &mut Vec<String>) {
    match (asked.name == Capability::Http, asked.labels.is_empty()) {
        (true, true) => defects.push(format!("capability `{}` needs labels", asked.name)),
        (false, false) => defects.push(format!("capability `{}` has no labels", asked.name)),
        _ => {}
    }
    for (label, reason) in &asked.labels {
        if !is_id(label) {
            defects.push(format!(
                "label `{}`: 1 to 64 lower-case letters, digits and `-`, beginning with a letter",
                label.escape_debug()
            ));
        }
        if reason.trim().is_empty() {
            defects.push(format!("label `{label}` needs a reason"));
        }
    }
}

fn api(api: &Api, defects: &mut Vec<String>) {
    header_names(std::slice::from_ref(&api.token_header), "token-header", defects);
    token_scheme(api, defects);
    if let Some(signature) = &api.signature {
        super::signature::check(signature, &api.token_header, defects);
    }
    header_names(&api.request_id_headers, "request-id-headers", defects);
    header_names(api.project_header.as_slice(), "project-header", defects);
    if api.max_body_kib == 0 {
        defects.push("max-body-kib must be at least 1".to_owned());
    }
    if !api.endpoint_path.is_empty() && (!api.endpoint_path.starts_with('/') || api.endpoint_path.ends_with('/')) {
        defects.push(format!("endpoint-path `{}` must begin with `/` and not end with it", api.endpoint_path));
    }
    if let Some(versioning) = &api.versioning {
        self::versioning(versioning, defects);
    }
    errors(&api.errors, defects);
}

fn token_scheme(api: &Api, defects: &mut Vec<String>) {
    match &api.token_scheme {
        Some(scheme) if !is_token(scheme) => {
            defects.push(format!("token-scheme `{}` is no word as `Bearer`", scheme.escape_debug()));
        }
        None if api.token_header.eq_ignore_ascii_case("authorization") => {
            defects.push("token-header `Authorization` needs a token-scheme, e.g. `Bearer`".to_owned());
        }
        _ => {}
    }
}

fn versioning(versioning: &Versioning, defects: &mut Vec<String>) {
    if versioning.headers.is_empty() {
        defects.push("versioning needs at least one header".to_owned());
    }
    let names: Vec<String> = versioning.headers.iter().map(|header| header.name.clone()).collect();
    header_names(&names, "versioning headers", defects);
    if !(versioning.min <= versioning.default && versioning.default <= versioning.max) {
        defects.push(format!(
            "versioning: min {} <= default {} <= max {} does not hold",
            versioning.min, versioning.default, versioning.max
        ));
    }
}

fn errors(errors: &ApiErrors, defects: &mut Vec<String>) {
    placeholders(&errors.body, "errors.body", defects);
    if errors.forbidden.as_ref().is_some_and(|text| !text.contains("{rule}")) {
        defects.push("errors.forbidden: {rule} stands nowhere in it".to_owned());
    }
    for form in &errors.forms {
        let place = format!("errors.forms of {}", form.accept.escape_debug());
        if !form.accept.split_once('/').is_some_and(|(kind, subtype)| is_header_name(kind) && is_header_name(subtype)) {
            defects.push(format!("{place}: accept is a media type such as text/html"));
        }
        placeholders(&form.body, &place, defects);
    }
    for (key, change) in &errors.overrides {
        let code = ErrorCode::ALL.iter().any(|code| code.as_str() == key) || HOST_REFUSALS.contains(&key.as_str());
        let status = key.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
        if !code && !status {
            defects.push(format!("errors.overrides.{key} is neither an error code nor a status from 400 to 599"));
        }
        if change.status.is_some_and(|status| !(400..600).contains(&status)) {
            defects.push(format!("errors.overrides.{key}: status must be 400 to 599"));
        }
        if let Some(body) = &change.body {
            placeholders(body, &format!("errors.overrides.{key}.body"), defects);
        }
        let names: Vec<String> = change.headers.keys().cloned().collect();
        header_names(&names, &format!("errors.overrides.{key}.headers"), defects);
    }
}

/// A JSON template is full of braces; only `{word}` is a placeholder.
fn placeholders(template: &str, place: &str, defects: &mut Vec<String>) {
    for (start, _) in template.match_indices('{') {
        let rest = &template[start + 1..];
        let end = rest.find(|next: char| !next.is_ascii_lowercase() && next != '_').unwrap_or(rest.len());
        let word = &rest[..end];
        if !word.is_empty() && rest[end..].starts_with('}') && !PLACEHOLDERS.contains(&word) {
            defects.push(format!("{place}: placeholder {{{word}}} is unknown; known are {}", PLACEHOLDERS.join(", ")));
        }
    }
}

pub(super) fn header_names(names: &[String], place: &str, defects: &mut Vec<String>) {
    for name in names {
        if !is_header_name(name) {
            defects.push(format!("{place}: `{}` is no header name", name.escape_debug()));
        }
    }
}

pub(crate) fn is_header_name(name: &str) -> bool {
    is_token(name)
}

/// A token of RFC 9110.
pub(super) fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn own_actions(manifest: &Manifest, defects: &mut Vec<String>) {
    let word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let mut names = BTreeSet::new();
    for own in &manifest.actions {
        let name = own.name.escape_debug();
        if !own.name.split_once(':').is_some_and(|(resource, verb)| word(resource) && word(verb)) {
            defects.push(format!("action `{name}`: a name is a resource and a verb, e.g. `reports:read`"));
        }
        if !names.insert(own.name.as_str()) {
            defects.push(format!("action `{name}` stands twice"));
        }
        if !manifest.operations.iter().any(|operation| operation.action == own.word(&manifest.id)) {
            let word = own.word(&manifest.id);
            defects.push(format!("action `{name}`: no operation has it; they name it `{}`", word.escape_debug()));
        }
    }
}

fn rules(api: &Api, defects: &mut Vec<String>) {
    for (rule, action) in &api.rules {
        if Action::parse(action).is_none() {
            let (rule, action) = (rule.escape_debug(), action.escape_debug());
            defects.push(format!("[api.rules] `{rule}`: action `{action}` is unknown"));
        }
    }
}

fn operations(manifest: &Manifest, api: &Api, defects: &mut Vec<String>) {
    let operations = &manifest.operations;
    if operations.is_empty() {
        defects.push("a personality needs at least one [[operation]]".to_owned());
    }
    let mut ids = BTreeSet::new();
    for operation in operations {
        if !ids.insert(operation.id.as_str()) {
            defects.push(format!("operation `{}` stands twice", operation.id));
        }
        one_operation(manifest, operation, api, defects);
    }
    colliding(operations, defects);
}

fn one_operation(manifest: &Manifest, operation: &Operation, api: &Api, defects: &mut Vec<String>) {
    let id = operation.id.escape_debug();
    if operation.id.is_empty() || operation.id.contains(char::is_whitespace) {
        defects.push(format!("operation `{id}`: an id is a word without spaces"));
    }
    if manifest.permission(operation).is_none() {
        defects.push(format!("operation `{id}`: action `{}` is unknown", operation.action.escape_debug()));
    }
    for rule in operation.requires.iter().filter(|rule| !api.rules.contains_key(*rule)) {
        defects.push(format!("operation `{id}`: requires `{}`, which [api.rules] lacks", rule.escape_debug()));
    }
    // 501 alone marks what the vendor has and this cloud has not: a route of its own, so that clients are told so.
    let success = &operation.success;
    if success.is_empty() || (*success != [501] && success.iter().any(|status| !(200..400).contains(status))) {
        defects.push(format!("operation `{id}`: success needs status codes from 200 to 399, or 501 alone"));
    }
    if operation.paths.is_empty() {
        defects.push(format!("operation `{id}` has no path"));
    }
    for path in &operation.paths {
        if let Err(reason) = template(path) {
            defects.push(format!("operation `{id}`: path `{}`: {reason}", path.escape_debug()));
        }
    }
    if operation.body_key.is_some() && operation.body() != BodyKind::Json {
        defects.push(format!("operation `{id}`: body-key needs a JSON body"));
    }
    if operation.body() != BodyKind::Json && (operation.schema.is_some() || !operation.secrets.is_empty()) {
        defects.push(format!("operation `{id}`: a schema and secrets need a JSON body"));
    }
    if operation.body() == BodyKind::None && !operation.content_types.is_empty() {
        defects.push(format!("operation `{id}`: content-types need a body"));
    }
    for pointer in operation.secrets.iter().chain(&operation.answer_secrets) {
        if !pointer.starts_with('/') {
            defects.push(format!("operation `{id}`: `{}` is no JSON pointer", pointer.escape_debug()));
        }
    }
    header_names(&operation.secret_headers, &format!("operation `{id}`: secret-headers"), defects);
    header_names(&operation.answer_secret_headers, &format!("operation `{id}`: answer-secret-headers"), defects);
    versions(operation, api, defects);
}

fn versions(operation: &Operation, api: &Api, defects: &mut Vec<String>) {
    let id = &operation.id;
    let versioned = operation.min_version.is_some() || operation.max_version.is_some();
    if versioned && api.versioning.is_none() {
        defects.push(format!("operation `{id}` has versions, but [api.versioning] is missing"));
    }
    if empty((operation.min_version, operation.max_version)) {
        defects.push(format!("operation `{id}`: min-version is above max-version"));
    }
    if let Some(file) = &operation.schema
        && (file.is_empty() || file.starts_with('/') || file.split('/').any(|part| part == ".."))
    {
        defects.push(format!("operation `{id}`: schema `{file}` must lie below the manifest's folder"));
    }
}

type Range = (Option<ApiVersion>, Option<ApiVersion>);

fn empty((min, max): Range) -> bool {
    matches!((min, max), (Some(min), Some(max)) if min > max)
}

fn overlap(one: Range, other: Range) -> bool {
    let below =
        |max: Option<ApiVersion>, min: Option<ApiVersion>| matches!((max, min), (Some(max), Some(min)) if max < min);
    !below(one.1, other.0) && !below(other.1, one.0)
}

/// The normalised form of a path template, parameters as `{}`; or what is wrong with it.
pub(crate) fn template(path: &str) -> Result<String, &'static str> {
    if !path.starts_with('/') {
        return Err("must begin with `/`");
    }
    // The router ignores a trailing slash.
    let path = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
    if path == "/" {
        return Ok(path.to_owned());
    }
    let mut normal = String::new();
    let mut names = BTreeSet::new();
    for segment in path[1..].split('/') {
        normal.push('/');
        if let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err("a parameter's name is letters, digits and `_`");
            }
            if !names.insert(name) {
                return Err("a parameter stands twice");
            }
            normal.push_str("{}");
        } else if segment.is_empty() {
            return Err("has an empty segment");
        } else if segment.contains(['{', '}']) {
            return Err("a parameter fills a whole segment");
        } else {
            normal.push_str(segment);
        }
    }
    Ok(normal)
}

/// Two operations at one method, template and action key, in a version that both exist in; or one with an action key
/// beside one without.
fn colliding(operations: &[Operation], defects: &mut Vec<String>) {
    let mut routes: BTreeMap<(&str, String), Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        for path in operation.paths.iter().filter_map(|path| template(path).ok()) {
            let others = routes.entry((operation.method.as_str(), path)).or_default();
            for other in others.iter() {
                if !overlap((operation.min_version, operation.max_version), (other.min_version, other.max_version)) {
                    continue;
                }
                let place = operation.paths.iter().find(|text| {
                    template(text)
                        .is_ok_and(|normal| other.paths.iter().any(|path| template(path) == Ok(normal.clone())))
                });
                let place = format!("{} {}", operation.method.as_str(), place.map_or("", String::as_str));
                if operation.body_key == other.body_key {
                    defects.push(format!("operations `{}` and `{}` claim {place}", other.id, operation.id));
                } else if operation.body_key.is_some() != other.body_key.is_some() {
                    defects.push(format!(
                        "operations `{}` and `{}` share {place}, but only one of them has a body-key",
                        other.id, operation.id
                    ));
                }
            }
            others.push(operation);
        }
    }
    for operation in operations.iter().filter(|operation| operation.method == Method::Head) {
        if operation.body() != BodyKind::None {
            defects.push(format!("operation `{}`: HEAD has no body", operation.id));
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
