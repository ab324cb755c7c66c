//! Putting compute nodes to use. A platform that doesn't answer is asked again and again, while everything else goes on.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use skyloom_jobs::milliseconds;
use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::driver::{Driver, NodeCapacity};
use skyloom_store::{node_records, nodes as store};
use tokio::task::{JoinHandle, JoinSet};

use super::Compute;
use super::{Node, NodeSettings};

/// How platforms are asked for what they have: the table `[compute.attach]`, in milliseconds.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AttachTimes {
    /// One answer; a platform that hangs must not keep the others, and the start, waiting for longer.
    #[serde(rename = "answer-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub answer: Duration,
    /// Pause after the first answer that failed to come; it doubles with each further one.
    #[serde(rename = "retry-first-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub retry_first: Duration,
    /// The pauses grow up to this: how late a platform that is back takes servers again.
    #[serde(rename = "retry-max-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub retry_max: Duration,
    /// Where several processes share a database: how often each says that it drives its nodes.
    #[serde(rename = "beat-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub beat: Duration,
    /// A node of which no process has said so for this long takes no new servers. Longer than a restart takes, and than the
    /// processes' clocks differ.
    #[serde(rename = "away-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub away: Duration,
}

impl Default for AttachTimes {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            retry_first: Duration::from_secs(1),
            retry_max: Duration::from_mins(1),
            beat: Duration::from_secs(10),
            away: Duration::from_mins(1),
        }
    }
}

impl Compute {
    /// Puts a node to use, or gives one that is in use another driver or other settings. Asks the platform for its capacity;
    /// where it doesn't answer the node takes no servers until [`Compute::start_attaching`] has got an answer.
    pub async fn attach_node(&self, settings: NodeSettings, driver: Arc<dyn Driver>) -> Result<()> {
        self.attach(settings, driver, false).await
    }

    /// As [`Compute::attach_node`], of a node that a record has. `not-found` where the record is gone meanwhile.
    pub async fn attach_recorded(&self, settings: NodeSettings, driver: Arc<dyn Driver>) -> Result<()> {
        self.attach(settings, driver, true).await
    }

    /// Drops a node: this process drives it no longer. False: it didn't.
    pub fn detach_node(&self, name: &str) -> bool {
        self.nodes_mut(|nodes| nodes.remove(name)).is_some()
    }

    async fn attach(&self, settings: NodeSettings, driver: Arc<dyn Driver>, recorded: bool) -> Result<()> {
        let capacity = self.ask_capacity(&*driver).await;
        if let Err(error) = &capacity {
            let (node, error) = (&settings.name, error.for_log());
            tracing::warn!(node, error, "the node's platform doesn't answer: it takes no new servers");
        }
        let capacity = capacity.ok();
        let node = Node { settings: Arc::new(settings), driver, answered: capacity.is_some(), recorded };
        self.put_node(&node, capacity).await
    }

    /// Gives a node in use another driver, for every call from now on. It must answer: otherwise the node keeps the one that
    /// it has.
    pub async fn change_driver(&self, name: &str, driver: Arc<dyn Driver>) -> Result<()> {
        let node = self.node(name)?;
        let capacity = self.ask_capacity(&*driver).await?;
        self.put_node(&Node { driver, answered: true, ..node }, Some(capacity)).await
    }

    /// Asks the platforms that have not answered yet, until each of them has; then the task ends.
    #[must_use]
    pub fn start_attaching(self: &Arc<Self>) -> JoinHandle<()> {
        let compute = self.clone();
        tokio::spawn(async move {
            // Dropping the set, when the task is aborted, ends them all.
            let mut waited = JoinSet::new();
            for node in compute.attached_nodes().into_iter().filter(|node| !node.answered) {
                let compute = compute.clone();
                waited.spawn(async move { compute.attach_later(node).await });
            }
            while waited.join_next().await.is_some() {}
        })
    }

    async fn attach_later(&self, node: Node) {
        let times = &self.settings.attach;
        let name = &node.settings.name;
        let mut pause = times.retry_first;
        loop {
            tokio::time::sleep(pause).await;
            if self.node(name).map_or(true, |node| node.answered) {
                return; // With another driver, by the operator's call, or it is dropped.
            }
            let attached = async {
                let capacity = self.ask_capacity(&*node.driver).await?;
                self.put_node(&Node { answered: true, ..node.clone() }, Some(capacity)).await
            };
            match attached.await {
                Ok(()) => {
                    tracing::info!(node = name, "the node's platform answers: it takes servers again");
                    return;
                }
                Err(error) => {
                    pause = (pause * 2).min(times.retry_max);
                    let (error, next) = (error.for_log(), pause.as_millis());
                    tracing::warn!(node = name, error, next_ms = next, "the node's platform still doesn't answer");
                }
            }
        }
    }

    async fn ask_capacity(&self, driver: &dyn Driver) -> Result<NodeCapacity> {
        match tokio::time::timeout(self.settings.attach.answer, driver.capacity()).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(ErrorCode::TimedOut, "The compute node's platform did not answer in time.")),
        }
    }

    /// Writes the node's row. Without an answer what an earlier one said stays: another process may well reach the platform.
    async fn put_node(&self, node: &Node, capacity: Option<NodeCapacity>) -> Result<()> {
        let settings = &node.settings;
        let mut tx = self.db().begin().await?;
        // Who removes the record forgets the node.
        if node.recorded && !node_records::stays(&mut tx, &settings.name).await? {
            return Err(Error::not_found("node", &settings.name));
        }
        let before = store::get(&mut tx, &settings.name).await?;
        let mut row = before.unwrap_or_else(|| blank(&settings.name));
        row.own_zone = settings.zone.clone();
        row.driver = settings.driver.clone();
        row.updated_at = Timestamp::now();
        if let Some(capacity) = capacity {
            row.hypervisor = capacity.hypervisor;
            row.hypervisor_version = clamp(capacity.hypervisor_version);
            row.vcpus = clamp(u64::from(settings.vcpus.unwrap_or(capacity.vcpus)));
            row.memory_mib = clamp(settings.memory_mib.unwrap_or(capacity.memory_mib));
            row.disk_gib = clamp(settings.disk_gib.unwrap_or(capacity.disk_gib));
            row.enabled = settings.enabled;
            row.internal_address = self.own_address().to_owned();
        } else {
            row.enabled &= settings.enabled;
        }
        store::put(&mut tx, &row).await?;
        tx.commit().await?;
        self.nodes_mut(|nodes| nodes.insert(row.name.clone(), node.clone()));
        Ok(())
    }
}

/// A node of which nothing is known yet.
fn blank(name: &str) -> store::Node {
    store::Node {
        name: name.to_owned(),
        zone: String::new(),
        driver: String::new(),
        hypervisor: String::new(),
        hypervisor_version: 0,
        vcpus: 0,
        memory_mib: 0,
        disk_gib: 0,
        enabled: false,
        updated_at: Timestamp::now(),
        own_zone: String::new(),
        internal_address: String::new(),
    }
}

fn clamp(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
