//! What the operator's call changes: the configuration of a node's driver, until the process ends.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Map, Value};
use skyloom_cloud::Cloud;
use skyloom_model::{Error, Result};
use skyloom_runtime::Plugin;
use tokio::sync::Mutex;

use super::plugins::{Plugins, json};
use crate::config::Deployment;
use crate::failure::Failure;

pub struct Nodes {
    cloud: Cloud,
    /// By the node's name. Held while a driver is changed, so that changes come one after the other.
    present: Mutex<BTreeMap<String, Present>>,
}

/// A node's driver and what it is configured with: the plugin's table, over it the node's.
struct Present {
    plugin: Plugin,
    config: Map<String, Value>,
}

impl Nodes {
    pub fn new(deployment: &Deployment, plugins: &Plugins, cloud: Cloud) -> Result<Self, Failure> {
        let mut present = BTreeMap::new();
        for node in &deployment.nodes {
            let plugin = plugins.get(&node.driver)?.clone();
            let config = plugin.config_with(&json(&node.config));
            present.insert(node.name.clone(), Present { plugin, config });
        }
        Ok(Self { cloud, present: Mutex::new(present) })
    }

    /// A record has the node; what its driver was told before is forgotten.
    pub async fn put(&self, name: &str, plugin: &Plugin, config: &Map<String, Value>) {
        let present = Present { config: plugin.config_with(config), plugin: plugin.clone() };
        self.present.lock().await.insert(name.to_owned(), present);
    }

    /// This process has it no longer.
    pub async fn forget(&self, name: &str) {
        self.present.lock().await.remove(name);
    }
}

#[async_trait]
impl skyloom_gateway::Nodes for Nodes {
    async fn config(&self, node: &str) -> Result<Map<String, Value>> {
        let present = self.present.lock().await;
        present.get(node).map(|present| present.config.clone()).ok_or_else(|| Error::not_found("node", node))
    }

    async fn change_config(&self, node: &str, changes: Map<String, Value>) -> Result<Map<String, Value>> {
        let mut nodes = self.present.lock().await;
        let present = nodes.get_mut(node).ok_or_else(|| Error::not_found("node", node))?;
        let mut config = present.config.clone();
        merge(&mut config, changes);
        let driver =
            present.plugin.driver(node, &config).map_err(|error| Error::invalid("config", error.to_string()))?;
        self.cloud.compute.change_driver(node, driver).await?;
        present.config = present.plugin.config_with(&config);
        Ok(present.config.clone())
    }
}

/// A JSON merge patch (RFC 7396): objects key by key, `null` removes, anything else replaces.
fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match value {
            Value::Null => drop(under.remove(&key)),
            Value::Object(over) => {
                let slot = under.entry(key).or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(under) = slot {
                    merge(under, over);
                }
            }
            value => drop(under.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_merged_key_by_key_and_null_removes() {
        let mut config = json!({ "a": { "b": 1, "c": 2 }, "list": [1], "gone": true, "text": "x" });
        let changes = json!({ "a": { "b": null, "d": { "e": null, "f": 3 } }, "list": [2], "gone": null, "text": {} });
        merge(config.as_object_mut().unwrap(), changes.as_object().unwrap().clone());
        assert_eq!(config, json!({ "a": { "c": 2, "d": { "f": 3 } }, "list": [2], "text": {} }));
    }
}
