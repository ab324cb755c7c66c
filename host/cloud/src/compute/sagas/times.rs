//! How long the steps of server operations may take: the table `[compute.times]`.

use std::time::Duration;

use serde::Deserialize;
use skyloom_jobs::milliseconds;

/// Deadlines, in milliseconds in the file; each holds over all attempts of its step.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Times {
    /// How long a guest that was asked to power off is waited for before the plug is pulled. A guest that flushes its disks
    /// needs some seconds; one without an answer to the power button never ends.
    #[serde(rename = "soft-stop-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub soft_stop: Duration,
    /// Making or removing disks, and keeping a guest's memory: a large image is copied here at worst.
    #[serde(rename = "disks-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub disks: Duration,
    /// Writing or removing a definition.
    #[serde(rename = "define-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub define: Duration,
    /// Power on, or pulling the plug.
    #[serde(rename = "power-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub power: Duration,
    /// What only the database does; it bounds the retries while the database is away.
    #[serde(rename = "records-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub records: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            soft_stop: Duration::from_mins(1),
            disks: Duration::from_mins(30),
            define: Duration::from_mins(5),
            power: Duration::from_mins(5),
            records: Duration::from_mins(1),
        }
    }
}
