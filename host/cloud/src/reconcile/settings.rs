//! The table `[reconcile]`: how often is looked, what may be mended, how long what has ended is kept.

use std::time::Duration;

use skyloom_jobs::milliseconds;
use skyloom_model::{Error, Result};

#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Between two looks at every platform's inventory: how late a guest that switched itself off is known to be off. A look
    /// takes at most a twentieth of the time, however many servers there are.
    #[serde(rename = "interval-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub interval: Duration,
    /// True: a server's record follows its platform's power. False: differences are only reported.
    pub follow_power: bool,
    /// True: a domain or a disk that no record knows is removed, once two looks have found it. Default false: it may be
    /// somebody's work.
    pub remove_orphans: bool,
    /// True: a server whose domain is gone goes to error and is no longer charged as running.
    pub mend_missing: bool,
    /// Between two sweeps.
    #[serde(rename = "sweep-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub sweep: Duration,
    /// Days for which ended operations can be shown. Deleted servers have their own time in `[compute]`.
    pub keep_operations_days: u32,
    /// Days for which events are kept: who changed what, and how it ended.
    pub keep_events_days: u32,
    /// Hours for which expired tokens are kept, so that a late caller is told `expired`.
    pub keep_tokens_hours: u32,
    /// Days for which a node is shown that no deployment file names any longer. One that still holds servers, deleted ones
    /// that are kept included, stays until they are gone.
    pub keep_nodes_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            follow_power: true,
            remove_orphans: false,
            mend_missing: true,
            sweep: Duration::from_hours(1),
            keep_operations_days: 30,
            keep_events_days: 30,
            keep_tokens_hours: 24,
            keep_nodes_days: 30,
        }
    }
}

impl Settings {
    /// `invalid` where a look or a sweep would follow the last one without a pause.
    pub fn check(&self) -> Result<()> {
        if self.interval.is_zero() || self.sweep.is_zero() {
            return Err(Error::invalid("reconcile", "[reconcile] interval-ms and sweep-ms are at least 1"));
        }
        Ok(())
    }
}
