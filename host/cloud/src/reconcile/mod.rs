//! Compares what the platforms hold with the records, the operations and the spans; reports what differs, and mends what its
//! policy allows. Sweeps what has been kept long enough.
//!
//! A server that an operation holds is that operation's business and is left alone.

mod inventory;
mod settings;
mod sweep;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use skyloom_jobs::Engine;
use skyloom_model::Result;
use skyloom_store::placements;
use tokio::task::JoinHandle;

pub use settings::Settings;

use crate::Cloud;

/// What was found since the start of the process.
#[derive(Debug, Default)]
pub struct Counters {
    looks: AtomicU64,
    followed: AtomicU64,
    orphans: AtomicU64,
    missing: AtomicU64,
    ledger: AtomicU64,
    swept: AtomicU64,
}

impl Counters {
    /// Name, meaning and value of each counter.
    pub fn snapshot(&self) -> Vec<(&'static str, &'static str, u64)> {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![
            ("looks", "Looks at the inventory of a node.", of(&self.looks)),
            ("power_differences", "Servers whose platform had another power state.", of(&self.followed)),
            ("orphans", "Domains and disks that no record knows, at each look.", of(&self.orphans)),
            ("missing", "Servers whose domain is gone, at each look.", of(&self.missing)),
            ("ledger_differences", "Places and spans that belong to nothing, at each look.", of(&self.ledger)),
            ("swept", "Records removed because their time was over.", of(&self.swept)),
        ]
    }
}

fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}

/// Looks and sweeps until it is dropped. Clones share it.
#[derive(Clone)]
pub struct Reconciler {
    inner: Arc<Inner>,
}

struct Inner {
    cloud: Cloud,
    engine: Engine,
    settings: Settings,
    counters: Counters,
    /// Orphans of the last look by node: only one that is met twice is removed, because a creation may just be under way in
    /// another process.
    suspects: Mutex<HashMap<String, HashSet<inventory::Orphan>>>,
}

impl Reconciler {
    #[must_use]
    pub fn new(cloud: Cloud, engine: Engine, settings: Settings) -> Self {
        let inner = Inner { cloud, engine, settings, counters: Counters::default(), suspects: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Works in the background; abort the task to stop it.
    #[must_use]
    pub fn start(&self) -> JoinHandle<()> {
        let this = self.clone();
        tokio::spawn(async move { this.run().await })
    }

    pub fn counters(&self) -> &Counters {
        &self.inner.counters
    }

    async fn run(&self) {
        let settings = &self.inner.settings;
        let mut swept: Option<Instant> = None;
        loop {
            let began = Instant::now();
            if let Err(error) = self.look().await {
                tracing::warn!(error = error.for_log(), "platforms and records could not be compared");
            }
            if swept.is_none_or(|at| at.elapsed() >= settings.sweep) {
                if let Err(error) = self.sweep().await {
                    tracing::warn!(error = error.for_log(), "what has ended could not be swept");
                }
                swept = Some(Instant::now());
            }
            let pause: Duration = settings.interval.max(began.elapsed() * 20);
            tokio::time::sleep(pause).await;
        }
    }

    /// One look at every node and at the ledger. A node that doesn't answer is left to the next look.
    pub async fn look(&self) -> Result<()> {
        // Platforms that have not answered since the start are asked by the one who attaches them.
        for node in self.inner.cloud.compute.attached_nodes().into_iter().filter(|node| node.answered) {
            if let Err(error) = self.inner.look_at(&node).await {
                tracing::warn!(
                    node = node.settings.name,
                    error = error.for_log(),
                    "a node's inventory could not be compared"
                );
            }
            add(&self.inner.counters.looks, 1);
        }
        self.ledger().await
    }

    /// Places and spans that belong to nothing: a defect of ours, so they are reported and never hidden by mending.
    async fn ledger(&self) -> Result<()> {
        let mut conn = self.inner.cloud.db().read().await?;
        let sums = placements::differences(&mut conn).await?;
        for (node, sum, reserved) in &sums {
            tracing::error!(node, ?sum, ?reserved, "a node's sum is not what the places on it come to");
        }
        let places = placements::orphans(&mut conn).await?;
        for holder in &places {
            tracing::error!(holder, "a place on a node is held for something that is gone");
        }
        let spans = placements::spans_of_nothing(&mut conn).await?;
        for resource in &spans {
            tracing::error!(resource, "a span is open for a resource that is gone");
        }
        add(&self.inner.counters.ledger, sums.len() + places.len() + spans.len());
        Ok(())
    }

    /// Removes what has been kept long enough.
    pub async fn sweep(&self) -> Result<()> {
        let removed = self.inner.sweep().await?;
        add(&self.inner.counters.swept, removed);
        Ok(())
    }
}
