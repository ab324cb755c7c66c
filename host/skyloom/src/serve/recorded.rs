//! Nodes by records: each look takes what this process is to drive, puts what is new or changed to use, and drops what is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skyloom_cloud::Cloud;
use skyloom_cloud::compute::node_records::RecordedNode;
use skyloom_model::{Error, ErrorCode, Result, new_id};
use skyloom_runtime::Plugin;
use skyloom_runtime::manifest::Kind;
use skyloom_store::node_records::Taker;
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use super::nodes::Nodes;
use super::plugins::Plugins;
use crate::config::Deployment;

pub struct Recorded {
    cloud: Cloud,
    /// For the operator's calls.
    nodes: Arc<Nodes>,
    /// The drivers, by id.
    plugins: BTreeMap<String, Plugin>,
    drivers: Vec<String>,
    /// Of this start.
    owner: String,
    process: String,
    beat: Duration,
    /// The revision of each that is in use, or cannot be used as it stands, by name.
    known: Mutex<BTreeMap<String, i64>>,
}

impl Recorded {
    /// None: the deployment says that this process takes none.
    pub fn of(deployment: &Deployment, plugins: &Plugins, cloud: Cloud, nodes: Arc<Nodes>) -> Option<Arc<Self>> {
        if !deployment.takes_recorded_nodes() {
            return None;
        }
        let drivers = plugins.all().into_iter().filter(|plugin| plugin.manifest().kind == Kind::Driver);
        let plugins: BTreeMap<String, Plugin> = drivers.map(|plugin| (plugin.id().to_owned(), plugin)).collect();
        Some(Arc::new(Self {
            cloud,
            nodes,
            drivers: plugins.keys().cloned().collect(),
            plugins,
            owner: new_id(),
            process: deployment.recorded_nodes.process.clone(),
            beat: deployment.compute.attach.beat,
            known: Mutex::default(),
        }))
    }

    /// `first`: since the start; where no other process can be there, what an earlier one drove is taken at once.
    pub async fn look(self: &Arc<Self>, first: bool) -> Result<()> {
        let taker = Taker { owner: &self.owner, process: &self.process, drivers: &self.drivers };
        let records = self.cloud.compute.take_recorded(taker, first).await?;
        let mut known = self.known.lock().await;
        let gone: Vec<String> =
            known.keys().filter(|name| !records.iter().any(|node| node.settings.name == **name)).cloned().collect();
        for name in gone {
            known.remove(&name);
            self.nodes.forget(&name).await;
            if self.cloud.compute.detach_node(&name) {
                tracing::info!(node = name, "the node is no longer this process's: its record is gone, or another's");
            }
        }
        // Beside one another: a platform that hangs keeps no other waiting.
        let mut attaching = JoinSet::new();
        for node in records {
            let name = &node.settings.name;
            let answers = self.cloud.compute.node(name).is_ok_and(|node| node.answered);
            let is_new = known.insert(name.clone(), node.revision) != Some(node.revision);
            if is_new || (!answers && self.cloud.compute.node(name).is_ok()) {
                let this = self.clone();
                attaching.spawn(async move { this.attach(node, is_new).await });
            }
        }
        while let Some(attached) = attaching.join_next().await {
            if let Ok(Err(again)) = attached {
                known.remove(&again);
            }
        }
        Ok(())
    }

    /// Err: the name of a node that the next look tries again. What can't be used until it is changed is told once.
    async fn attach(&self, node: RecordedNode, is_new: bool) -> Result<(), String> {
        let name = node.settings.name.clone();
        match self.put(node).await {
            Ok(()) => {
                if is_new {
                    tracing::info!(node = name, "the node is in use as its record has it");
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(node = name, error = error.for_log(), "the node's record can't be put to use");
                if error.code == ErrorCode::Invalid { Ok(()) } else { Err(name) }
            }
        }
    }

    async fn put(&self, node: RecordedNode) -> Result<()> {
        let (name, id) = (&node.settings.name, &node.settings.driver);
        let plugin = self.plugins.get(id).ok_or_else(|| Error::not_found("plugin", id))?;
        let driver = plugin.driver(name, &node.config).map_err(|error| Error::invalid("config", error.to_string()))?;
        self.cloud.compute.attach_recorded(node.settings.clone(), driver).await?;
        self.nodes.put(name, plugin, &node.config).await;
        Ok(())
    }

    /// Looks with each beat.
    #[must_use]
    pub fn start(self: &Arc<Self>) -> JoinHandle<()> {
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(this.beat).await;
                if let Err(error) = this.look(false).await {
                    tracing::warn!(error = error.for_log(), "the recorded nodes could not be looked at");
                }
            }
        })
    }

    /// Another process, or the next start, need not wait until it is clear that this one is gone.
    pub async fn give_back(&self) {
        if let Err(error) = self.cloud.compute.give_recorded_back(&self.owner).await {
            tracing::warn!(error = error.for_log(), "the recorded nodes could not be given back");
        }
    }
}
