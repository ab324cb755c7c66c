//! Files for clients: the deployment's texts with the endpoints and the login filled in.

use std::path::PathBuf;

use super::mounts::{Bound, Place};
use crate::config::{Address, ClientFile, Deployment};
use crate::failure::Failure;
use crate::state::{AdminPassword, StateDir};

/// Where this process is reached.
#[derive(Clone, Copy, Debug)]
pub struct Reached<'a> {
    pub places: &'a [Place],
    pub bound: &'a [Bound],
    /// As this machine reaches it.
    pub operator: Option<&'a Address>,
}

/// Writes them into the state folder. Where the password isn't known, files that hold it stay as they are.
pub fn write<'d>(
    deployment: &'d Deployment,
    reached: Reached<'_>,
    state: &StateDir,
    admin: Option<&AdminPassword>,
) -> Result<Vec<(&'d ClientFile, PathBuf)>, Failure> {
    let mut written = Vec::new();
    for file in &deployment.client_files {
        if admin.is_none() && file.text.contains("{password}") {
            continue;
        }
        let text = fill(&file.text, deployment, reached, admin.map_or("", |admin| &admin.value));
        written.push((file, state.write(&file.name, &text)?));
    }
    Ok(written)
}

fn fill(text: &str, deployment: &Deployment, reached: Reached<'_>, password: &str) -> String {
    let identity = &deployment.seed.identity;
    let region = reached.places.first().map_or("", |place| &place.region);
    let mut filled = String::with_capacity(text.len() + 128);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        filled.push_str(&rest[..open]);
        rest = &rest[open..];
        let close = rest.find('}').unwrap_or(0);
        let word = rest.get(1..close).unwrap_or_default();
        let value = match word {
            "user" => Some(escaped(&identity.admin_user)),
            "password" => Some(escaped(password)),
            "project" => Some(escaped(&identity.admin_project)),
            "domain" => Some(escaped(&identity.domain_name)),
            "region" => Some(escaped(region)),
            "operator" => reached.operator.map(|address| format!("http://{address}")),
            _ => url(reached, word),
        };
        let Some(value) = value else {
            filled.push('{');
            rest = &rest[1..];
            continue;
        };
        filled.push_str(&value);
        rest = &rest[close + 1..];
    }
    filled.push_str(rest);
    filled
}

/// `url:<plugin>` or `listener:<name>`.
fn url(reached: Reached<'_>, word: &str) -> Option<String> {
    match word.split_once(':')? {
        ("url", id) => reached.places.iter().find(|place| place.plugin == id).map(Place::endpoint),
        ("listener", name) => reached.bound.iter().find(|bound| bound.name == name).map(|bound| bound.base.clone()),
        _ => None,
    }
}

/// As the inside of a double-quoted text of JSON, YAML or TOML.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}
