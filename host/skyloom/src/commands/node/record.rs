//! Nodes by records: what their driver's plugin takes is asked of its schema, and what it calls secret is never shown.

use serde_json::{Map, Value, json};
use skyloom_cloud::compute::NodeSettings;
use skyloom_cloud::compute::node_records::{self, RecordedNode};
use skyloom_cloud::secrets::Sealer;
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::manifest::Kind;
use skyloom_runtime::{LoadError, Package, Runtime};
use skyloom_store::{Db, nodes};

use super::super::{or_dash, print_json, print_table};
use crate::cli::NodeChanges;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::serve::load_options;
use crate::state::sealer_beside;

/// The most of a file with a driver's config.
const CONFIG_BYTES: u64 = 64 << 10;

type Named = (Option<String>, Option<String>);

pub async fn add(
    loaded: &Loaded,
    db: &Db,
    name: &str,
    (driver, zone): (String, String),
    changes: &NodeChanges,
) -> Result<(), Failure> {
    if loaded.deployment.nodes.iter().any(|node| node.name == name) {
        return Err(Failure::new(format!(
            "the deployment file names the node {name}: a record can't stand for it, too"
        )));
    }
    let mut node = RecordedNode::new(NodeSettings {
        name: name.to_owned(),
        driver,
        zone,
        vcpus: None,
        memory_mib: None,
        disk_gib: None,
        platform_networks: std::collections::BTreeMap::new(),
        enabled: true,
    });
    apply(&mut node, (None, None), changes)?;
    check(loaded, &node)?;
    node_records::add(db, &sealer(loaded)?, &loaded.deployment.compute.attach, &node).await?;
    say!("node {name} is recorded; a running skyloom that takes recorded nodes puts it to use with its next look");
    Ok(())
}

pub async fn set(loaded: &Loaded, db: &Db, name: &str, named: Named, changes: &NodeChanges) -> Result<(), Failure> {
    let sealer = sealer(loaded)?;
    node_records::change(db, &sealer, name, |node| {
        apply(node, named, changes)?;
        check(loaded, node)
    })
    .await?;
    say!("node {name} is changed; a running skyloom has it with its next look");
    Ok(())
}

pub async fn show(loaded: &Loaded, db: &Db, name: &str, json: bool) -> Result<(), Failure> {
    let status = nodes::get(&mut db.read().await?, name).await?;
    let record = match node_records::get(db, &sealer(loaded)?, name).await {
        Err(error) if error.code == ErrorCode::NotFound && status.is_some() => None,
        found => Some(found?),
    };
    let record = record.map(|node| shown(loaded, &node));
    if json {
        let takes = status.as_ref().is_some_and(|status| status.enabled);
        print_json(&json!({ "name": name, "takes-servers": takes, "record": record }));
        return Ok(());
    }
    let mut rows = vec![vec!["node".to_owned(), name.to_owned()]];
    if let Some(status) = status {
        let takes = if status.enabled { "yes" } else { "no" };
        rows.push(vec!["takes servers".to_owned(), takes.to_owned()]);
        rows.push(vec!["hypervisor".to_owned(), or_dash(&status.hypervisor)]);
    }
    match record {
        None => rows.push(vec!["from".to_owned(), "a deployment file".to_owned()]),
        Some(record) => rows.extend(record.as_object().into_iter().flatten().map(|(key, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            vec![key.clone(), or_dash(&text)]
        })),
    }
    print_table(&rows);
    Ok(())
}

fn shown(loaded: &Loaded, node: &RecordedNode) -> Value {
    let settings = &node.settings;
    // Without its plugin nobody knows which of it is secret.
    let config = match schema(loaded, &settings.driver) {
        Ok(schema) => without_secrets(&schema, &Value::Object(node.config.clone())),
        Err(_) => json!(HIDDEN),
    };
    json!({
        "driver": settings.driver,
        "zone": settings.zone,
        "vcpus": settings.vcpus,
        "memory-mib": settings.memory_mib,
        "disk-gib": settings.disk_gib,
        "enabled": settings.enabled,
        "platform-networks": settings.platform_networks,
        "config": config,
        "process": node.process,
        "revision": node.revision,
        "driven": !node.driven_by.is_empty(),
    })
}

const HIDDEN: &str = "(hidden)";

/// The config without what its schema calls `writeOnly`, at whatever depth.
fn without_secrets(schema: &Value, config: &Value) -> Value {
    if schema["writeOnly"] == true {
        return json!(HIDDEN);
    }
    match config {
        Value::Object(fields) => {
            let shown = |(key, value): (&String, &Value)| {
                let below = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
                (key.clone(), without_secrets(below, value))
            };
            Value::Object(fields.iter().map(shown).collect())
        }
        Value::Array(items) => items.iter().map(|item| without_secrets(&schema["items"], item)).collect(),
        plain => plain.clone(),
    }
}

/// The schema of a driver's config; none: null.
fn schema(loaded: &Loaded, driver: &str) -> Result<Value> {
    let entry = loaded.deployment.plugins.iter().find(|entry| entry.id == driver);
    let entry = entry.ok_or_else(|| Error::not_found("plugin", driver))?;
    let package = Package::read(&loaded.path(&entry.file)).map_err(|error| Error::internal(error.to_string()))?;
    Ok(package.manifest.config.map(|config| config.schema).unwrap_or_default())
}

fn sealer(loaded: &Loaded) -> Result<Sealer, Failure> {
    let key = loaded.deployment.database.secret_key.as_ref().map(|file| loaded.path(file));
    sealer_beside(&loaded.state_dir, key.as_deref())
}

/// What the command line says.
fn apply(node: &mut RecordedNode, (driver, zone): Named, changes: &NodeChanges) -> Result<()> {
    let settings = &mut node.settings;
    settings.driver = driver.unwrap_or_else(|| settings.driver.clone());
    settings.zone = zone.unwrap_or_else(|| settings.zone.clone());
    if let Some(vcpus) = changes.vcpus {
        settings.vcpus = vcpus.0.map(|vcpus| u32::try_from(vcpus).unwrap_or(u32::MAX));
    }
    settings.memory_mib = changes.memory_mib.map_or(settings.memory_mib, |given| given.0);
    settings.disk_gib = changes.disk_gib.map_or(settings.disk_gib, |given| given.0);
    settings.enabled = changes.enabled.unwrap_or(settings.enabled);
    for network in &changes.platform_networks {
        let (cloud, platform) = network.split_once('=').ok_or_else(|| {
            Error::invalid("platform-network", format!("--platform-network {network}: NETWORK=NAME is wanted"))
        })?;
        if platform.is_empty() {
            settings.platform_networks.remove(cloud);
        } else {
            settings.platform_networks.insert(cloud.to_owned(), platform.to_owned());
        }
    }
    if let Some(process) = &changes.process {
        node.process.clone_from(process);
    }
    if let Some(config) = config(changes)? {
        node.config = config;
    }
    Ok(())
}

fn config(changes: &NodeChanges) -> Result<Option<Map<String, Value>>> {
    let text = match (&changes.driver_config, &changes.driver_config_file) {
        (Some(text), _) => text.clone(),
        (None, Some(file)) => skyloom_runtime::files::read_text(file, CONFIG_BYTES)
            .map_err(|error| Error::invalid("config", format!("--driver-config-file {}: {error}", file.display())))?,
        (None, None) => return Ok(None),
    };
    let config = serde_json::from_str(&text);
    config
        .map(Some)
        .map_err(|error| Error::invalid("config", format!("the driver's config is no JSON object: {error}")))
}

/// The driver is one of the deployment's, and takes what it is given.
fn check(loaded: &Loaded, node: &RecordedNode) -> Result<()> {
    let id = &node.settings.driver;
    let entry = loaded.deployment.plugins.iter().find(|entry| entry.id == *id).ok_or_else(|| {
        let known: Vec<&str> = loaded.deployment.plugins.iter().map(|entry| entry.id.as_str()).collect();
        let known = known.join(", ");
        Error::invalid("driver", format!("driver: the deployment has no plugin `{id}`; it has {known}"))
    })?;
    let mut options = load_options(loaded, entry);
    options.config.extend(node.config.clone());
    let found = Runtime::check(&loaded.path(&entry.file), &options);
    let (manifest, found) = found.map_err(|error| Error::invalid("driver", format!("plugin `{id}`: {error}")))?;
    if manifest.kind != Kind::Driver {
        return Err(Error::invalid("driver", format!("driver: plugin `{id}` is a {}", manifest.kind)));
    }
    let defects: Vec<String> =
        found.iter().filter(|error| matches!(error, LoadError::Config { .. })).map(ToString::to_string).collect();
    if defects.is_empty() { Ok(()) } else { Err(Error::invalid("config", defects.join("; "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_schema_calls_secret_is_hidden_at_any_depth() {
        let schema = json!({
            "type": "object",
            "properties": {
                "uri": { "type": "string" },
                "login": { "type": "object", "properties": { "user": {}, "password": { "writeOnly": true } } },
                "keys": { "type": "array", "items": { "writeOnly": true } },
                "whole": { "type": "object", "writeOnly": true },
            },
            "additionalProperties": { "writeOnly": true },
        });
        let config = json!({
            "uri": "a", "login": { "user": "u", "password": "p" }, "keys": ["k", "l"], "whole": { "x": 1 }, "other": 2,
        });
        let shown = json!({
            "uri": "a", "login": { "user": "u", "password": HIDDEN }, "keys": [HIDDEN, HIDDEN], "whole": HIDDEN, "other": HIDDEN,
        });
        assert_eq!(without_secrets(&schema, &config), shown);
        assert_eq!(without_secrets(&Value::Null, &config), config, "a schema that says nothing");
    }
}
