//! Compute nodes: each a driver with its settings.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::driver::Driver;
use skyloom_store::nodes as store;

use crate::Cloud;

/// What the deployment says of a node, `[[node]]`.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeSettings {
    pub name: String,
    /// Id of the driver's plugin.
    pub driver: String,
    pub zone: String,
    /// Instead of what the platform says.
    #[serde(default)]
    pub vcpus: Option<u32>,
    #[serde(default)]
    pub memory_mib: Option<u64>,
    #[serde(default)]
    pub disk_gib: Option<u64>,
    /// Names of the platform's networks by the name or id of the cloud's network; `*` for every other one.
    #[serde(default)]
    pub platform_networks: BTreeMap<String, String>,
    /// False: takes no new servers.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// A node with its driver.
#[derive(Clone)]
pub struct Node {
    pub settings: Arc<NodeSettings>,
    pub driver: Arc<dyn Driver>,
    /// Whether the platform has told its capacity. Until then the node takes no new servers from this process.
    pub answered: bool,
}

impl Node {
    /// The platform's name of a network of the cloud.
    pub fn platform_network(&self, id: &str, name: &str) -> Option<&str> {
        let names = &self.settings.platform_networks;
        names.get(id).or_else(|| names.get(name)).or_else(|| names.get("*")).map(String::as_str)
    }
}

impl Cloud {
    /// To be called once all nodes of the deployment are attached: those that it no longer names take no new servers.
    pub async fn retire_other_nodes(&self) -> Result<u64> {
        let names: Vec<String> = self.attached_nodes().iter().map(|node| node.settings.name.clone()).collect();
        let mut tx = self.db().begin().await?;
        let retired = store::disable_others(&mut tx, &names, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(retired)
    }

    /// The node of this name. `unavailable` when this process has no driver for it.
    pub fn node(&self, name: &str) -> Result<Node> {
        let nodes = self.inner.compute.nodes.read().unwrap_or_else(PoisonError::into_inner);
        nodes.get(name).cloned().ok_or_else(|| {
            Error::new(ErrorCode::Unavailable, "The compute node is not available at the moment.")
                .with_internal(format!("no driver is attached for node {name}"))
        })
    }

    /// All nodes that this process has a driver for, by name.
    pub fn attached_nodes(&self) -> Vec<Node> {
        let nodes = self.inner.compute.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Node> = nodes.values().cloned().collect();
        all.sort_by(|a, b| a.settings.name.cmp(&b.settings.name));
        all
    }

    pub(super) fn nodes_mut<T>(&self, change: impl FnOnce(&mut std::collections::HashMap<String, Node>) -> T) -> T {
        change(&mut self.inner.compute.nodes.write().unwrap_or_else(PoisonError::into_inner))
    }
}
