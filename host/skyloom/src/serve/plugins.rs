//! Loading the deployment's plugins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};
use skyloom_cloud::documents::PluginDocuments;
use skyloom_cloud::identity::Vocabulary;
use skyloom_runtime::driver::Driver;
use skyloom_runtime::tariff::Tariff;
use skyloom_runtime::{Compiled, LoadError, LoadOptions, Options, Plugin, Runtime, least_mib};

use crate::config::{Deployment, Loaded, PluginEntry};
use crate::failure::Failure;

/// The loaded plugins by id.
pub struct Plugins {
    by_id: BTreeMap<String, Plugin>,
}

impl Plugins {
    /// Compiles what was never compiled before, which takes some seconds and stands in the log; blocks.
    pub fn load(
        loaded: &Loaded,
        compiled: Compiled,
        images: PathBuf,
        documents: skyloom_store::documents::Documents,
    ) -> Result<Self, Failure> {
        let deployment = &loaded.deployment;
        let mut options = Options {
            cache: Some(compiled),
            documents: Some(Arc::new(PluginDocuments(documents))),
            blobs: Some(images),
            ..Options::default()
        };
        if let Some(instances) = deployment.sandbox.instances {
            options.sandboxes = instances;
            options.sandboxes_per_plugin = (instances / 2).max(1);
        }
        if let Some(memory) = deployment.sandbox.memory_mib {
            options.memory_mib = memory;
        }
        let runtime = Runtime::new(options).map_err(|error| Failure::new(error.to_string()))?;
        let mut by_id = BTreeMap::new();
        let (mut defects, mut too_large) = (Vec::new(), Vec::new());
        for entry in &deployment.plugins {
            let path = loaded.path(&entry.file);
            match runtime.load(&path, load_options(loaded, entry)) {
                Ok(plugin) if plugin.id() == entry.id => {
                    by_id.insert(entry.id.clone(), plugin);
                }
                Ok(plugin) => {
                    defects.push(format!("plugin `{}`: {} holds `{}`", entry.id, path.display(), plugin.id()));
                }
                Err(LoadError::Memory { wanted, .. }) => too_large.push((entry.id.as_str(), wanted)),
                Err(error) => defects.push(format!("plugin `{}`: {error}", entry.id)),
            }
        }
        defects.extend(too_little_memory(deployment, &too_large));
        if defects.is_empty() { Ok(Self { by_id }) } else { Err(Failure::config(defects)) }
    }

    /// The deployment file was checked: every id that it names is there.
    pub fn get(&self, id: &str) -> Result<&Plugin, Failure> {
        self.by_id.get(id).ok_or_else(|| Failure::config(vec![format!("there is no plugin `{id}`")]))
    }

    pub fn all(&self) -> Vec<Plugin> {
        self.by_id.values().cloned().collect()
    }

    /// The words that rules of roles may be written in.
    pub fn vocabulary(&self) -> Vocabulary {
        self.by_id.values().flat_map(|plugin| plugin.manifest().vocabulary()).collect()
    }

    pub fn driver(&self, id: &str, node: &str, config: &toml::Table) -> Result<Arc<dyn Driver>, Failure> {
        self.get(id)?
            .driver(node, &json(config))
            .map_err(|error| Failure::config(vec![format!("node `{node}`: {error}")]))
    }

    pub fn tariff(&self, id: &str) -> Result<Arc<dyn Tariff>, Failure> {
        self.get(id)?.tariff().map_err(|error| Failure::config(vec![format!("[tariff]: {error}")]))
    }
}

/// The deployment's tariff without any other plugin; none: it has none.
pub fn tariff_alone(loaded: &Loaded) -> Result<Option<Arc<dyn Tariff>>, Failure> {
    let Some(wanted) = &loaded.deployment.tariff else { return Ok(None) };
    let entry = loaded.deployment.plugins.iter().find(|entry| entry.id == wanted.plugin);
    let entry = entry.ok_or_else(|| Failure::config(vec![format!("there is no plugin `{}`", wanted.plugin)]))?;
    let runtime = Runtime::new(Options::default()).map_err(|error| Failure::new(error.to_string()))?;
    let wrong = |error: LoadError| Failure::config(vec![format!("[tariff]: {error}")]);
    let plugin = runtime.load(&loaded.path(&entry.file), load_options(loaded, entry)).map_err(wrong)?;
    plugin.tariff().map(Some).map_err(wrong)
}

/// A line when the sandboxes together have less than one call of some plugin may have; `wanted`: what those are, with MiB.
pub fn too_little_memory(deployment: &Deployment, wanted: &[(&str, usize)]) -> Option<String> {
    let have = deployment.sandbox.memory_mib.unwrap_or(Options::default().memory_mib);
    let most = wanted.iter().max_by_key(|(_, mib)| *mib);
    let least = least_mib(most.map_or(0, |(_, mib)| mib << 20));
    if have >= least {
        return None;
    }
    let why = most.map(|(id, mib)| format!(", with which one call of plugin `{id}` may have its {mib} MiB"));
    Some(format!("[sandbox] memory-mib is at least {least}{}: {have} is too little", why.unwrap_or_default()))
}

/// What the deployment says about a plugin.
pub fn load_options(loaded: &Loaded, entry: &PluginEntry) -> LoadOptions {
    LoadOptions {
        grants: entry.grants.clone(),
        config: json(&entry.config),
        limits: entry.limits,
        folder: loaded.base.clone(),
    }
}

/// TOML has nothing that JSON lacks but times, which become texts.
pub fn json(table: &toml::Table) -> Map<String, Value> {
    table.iter().map(|(key, value)| (key.clone(), json_value(value))).collect()
}

fn json_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => (*number).into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => Value::Array(items.iter().map(json_value).collect()),
        toml::Value::Table(table) => Value::Object(json(table)),
    }
}
