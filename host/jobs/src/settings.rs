//! Times and limits of the engine: the deployment's table `[jobs]`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use skyloom_model::{Error, Result};

/// Every value with its default; the comments say why it is what it is. Durations are milliseconds in the file.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// False: this process takes requests only; another one, on the same database, does the work.
    pub worker: bool,
    /// Driver calls at the same time. Each may hold a sandbox; more than the platform's own parallelism gains nothing.
    pub driver_calls: usize,
    /// Operations in hand at the same time; those that wait for a platform cost only memory.
    pub in_hand: usize,
    /// Operations leased in one write: enough that a burst needs few commits, few enough that the write stays short.
    pub claim_batch: u32,
    /// How long a burst of requests is gathered before it is leased in one write.
    #[serde(rename = "gather-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub gather: Duration,
    /// How often the database is asked for work that nobody in this process has announced (another process, a retry).
    #[serde(rename = "poll-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub poll: Duration,
    /// Life of a lease where several processes share a database: the longest time that work lies after a process died.
    #[serde(rename = "lease-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub lease: Duration,
    /// Log writes in one transaction at most.
    pub write_batch: usize,
    /// One driver call; a reply that takes longer counts as lost.
    #[serde(rename = "call-timeout-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub call_timeout: Duration,
    /// First pause before a pending step is looked at again: most simulated and many real steps are done by then.
    #[serde(rename = "pending-first-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub pending_first: Duration,
    /// The pauses grow by half up to this: a person waiting for a server sees no difference below it.
    #[serde(rename = "pending-max-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub pending_max: Duration,
    /// Attempts of a step whose failure may pass by itself.
    pub attempts: u32,
    /// Attempts of an undo, and of a step after the point of no return, before the operator is called: with the pauses below
    /// about ten minutes.
    pub undo_attempts: u32,
    /// Pause after the first failure; it doubles with each further one, give or take a quarter, so that many operations that
    /// failed together don't come back together.
    #[serde(rename = "retry-first-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub retry_first: Duration,
    #[serde(rename = "retry-max-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub retry_max: Duration,
    /// How long a stopping process waits for the driver calls that it has begun.
    #[serde(rename = "drain-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub drain: Duration,
}

/// Whole milliseconds as a duration.
pub fn milliseconds<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            worker: true,
            driver_calls: 16,
            in_hand: 512,
            claim_batch: 64,
            gather: Duration::from_millis(4),
            poll: Duration::from_millis(500),
            lease: Duration::from_secs(30),
            write_batch: 64,
            call_timeout: Duration::from_mins(1),
            pending_first: Duration::from_millis(50),
            pending_max: Duration::from_secs(2),
            attempts: 4,
            undo_attempts: 24,
            retry_first: Duration::from_millis(200),
            retry_max: Duration::from_secs(30),
            drain: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// `invalid` for a value with which no work would ever be done, or the database be asked without a pause.
    pub fn check(&self) -> Result<()> {
        let rules = [
            ("driver-calls", self.driver_calls > 0),
            ("in-hand", self.in_hand > 0),
            ("claim-batch", self.claim_batch > 0),
            ("write-batch", self.write_batch > 0),
            ("attempts", self.attempts > 0),
            ("undo-attempts", self.undo_attempts > 0),
            ("poll-ms", !self.poll.is_zero()),
            ("lease-ms", !self.lease.is_zero()),
            ("call-timeout-ms", !self.call_timeout.is_zero()),
        ];
        match rules.iter().find(|(_, holds)| !holds) {
            Some((name, _)) => Err(Error::invalid(format!("jobs.{name}"), format!("[jobs] {name} is at least 1"))),
            None => Ok(()),
        }
    }

    /// Short times, for tests: what takes seconds in life takes milliseconds.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            poll: Duration::from_millis(20),
            lease: Duration::from_secs(1),
            call_timeout: Duration::from_millis(150),
            pending_first: Duration::from_millis(2),
            pending_max: Duration::from_millis(10),
            undo_attempts: 6,
            retry_first: Duration::from_millis(3),
            retry_max: Duration::from_millis(20),
            drain: Duration::from_secs(2),
            ..Self::default()
        }
    }

    /// The pause after this many failed attempts (1 and more).
    pub(crate) fn pause_after(&self, attempt: i64) -> Duration {
        let doublings = u32::try_from(attempt.clamp(1, 20) - 1).unwrap_or(0);
        let pause = self.retry_first.saturating_mul(1 << doublings).min(self.retry_max);
        pause.mul_f64(0.75 + rand::random::<f64>() / 2.0)
    }
}
