//! Compute nodes: each a driver with its settings.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use skyloom_model::{Result, Timestamp};
use skyloom_runtime::driver::Driver;
use skyloom_store::networks::DevicePort;
use skyloom_store::{Conn, nodes as store, placements};
use tokio::task::JoinHandle;

use super::{Compute, out_of_reach};

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
    /// Names of the platform's networks by the cloud's network: its id; its name, for shared and external networks only, because
    /// a project may call its own as it likes; or `*` for every other one, those of the projects too: they then meet on one
    /// network of the platform unless its driver keeps them apart.
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
    /// A record has it, and no deployment file.
    pub recorded: bool,
}

impl Node {
    /// The platform's name of the network that a port is on.
    pub fn platform_network(&self, port: &DevicePort) -> Option<&str> {
        let names = &self.settings.platform_networks;
        let by_name = || names.get(&port.network_name).filter(|_| port.of_operators);
        names.get(&port.port.network_id).or_else(by_name).or_else(|| names.get("*")).map(String::as_str)
    }
}

impl Compute {
    /// To be called once all nodes of the deployment are attached: those that it no longer names take no new servers. Where
    /// other processes share the database, only those of which none of them has said anything for `[compute.attach] away-ms`.
    pub async fn retire_other_nodes(&self) -> Result<u64> {
        let names = self.node_names();
        let mut tx = self.db().begin().await?;
        let now = Timestamp::now();
        let away = self.settings.attach.away;
        let before = if tx.is_postgres() { now.minus(away) } else { Timestamp(i64::MAX) };
        let retired = store::disable_others(&mut tx, &names, before, now).await?;
        tx.commit().await?;
        Ok(retired)
    }

    /// Says that this process drives the nodes whose platforms have answered, and where it is asked about them. One that was held for
    /// lost takes servers again.
    pub async fn beat(&self) -> Result<()> {
        let mut tx = self.db().begin().await?;
        // By name in every process, so that two of them can't wait for one another.
        for node in self.attached_nodes().iter().filter(|node| node.answered) {
            let NodeSettings { name, enabled, .. } = &*node.settings;
            store::beat(&mut tx, name, *enabled, self.own_address(), Timestamp::now()).await?;
        }
        tx.commit().await
    }

    /// Where processes share a database: tells the others about this one's nodes, and retires those of processes that are
    /// gone. Ends at once where there is only this one.
    #[must_use]
    pub fn start_beating(self: &Arc<Self>) -> JoinHandle<()> {
        let compute = self.clone();
        tokio::spawn(async move {
            while compute.db().is_postgres() {
                tokio::time::sleep(compute.settings.attach.beat).await;
                if let Err(error) = compute.tell_of_nodes().await {
                    tracing::warn!(error = error.for_log(), "the nodes could not be told of");
                }
            }
        })
    }

    async fn tell_of_nodes(&self) -> Result<()> {
        self.beat().await?;
        let retired = self.retire_other_nodes().await?;
        if retired > 0 {
            tracing::warn!(nodes = retired, "nodes that no process drives take no new servers");
        }
        let before = Timestamp::now().minus(self.settings.attach.away);
        for (node, operations) in placements::waiting(&mut self.db().read().await?, before).await? {
            tracing::error!(
                alarm = "node-without-process",
                node,
                operations,
                "operations wait for a process with their node"
            );
        }
        Ok(())
    }

    /// The node of this name. `unavailable` when this process has no driver for it. What only looks asks [`Compute::reader`].
    pub fn node(&self, name: &str) -> Result<Node> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        nodes.get(name).cloned().ok_or_else(|| out_of_reach(format!("no driver is attached for node {name}")))
    }

    /// Whether a process drives the node: this one, or one that said so lately.
    pub(super) async fn is_driven(&self, conn: &mut Conn, name: &str, now: Timestamp) -> Result<bool> {
        if self.node(name).is_ok_and(|node| node.answered) {
            return Ok(true);
        }
        let found = if conn.is_postgres() { store::get(conn, name).await? } else { None };
        Ok(found.is_some_and(|node| node.updated_at >= now.minus(self.settings.attach.away)))
    }

    /// Names of the nodes that this process has a driver for.
    pub fn node_names(&self) -> Vec<String> {
        self.attached_nodes().iter().map(|node| node.settings.name.clone()).collect()
    }

    /// All nodes that this process has a driver for, by name.
    pub fn attached_nodes(&self) -> Vec<Node> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Node> = nodes.values().cloned().collect();
        all.sort_by(|a, b| a.settings.name.cmp(&b.settings.name));
        all
    }

    pub(super) fn nodes_mut<T>(&self, change: impl FnOnce(&mut std::collections::HashMap<String, Node>) -> T) -> T {
        change(&mut self.nodes.write().unwrap_or_else(PoisonError::into_inner))
    }
}
