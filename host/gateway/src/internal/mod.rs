//! What processes that share a database ask one another: reads of the compute nodes that the other one drives. Who asks has looked
//! already whether its client may know; who answers believes whoever has the deployment's key.

mod answering;
mod asking;
#[cfg(test)]
mod tests;
mod wire;

use schemars::JsonSchema;
use serde::Deserialize;
use skyloom_model::{Error, Result};

pub(crate) use answering::router;
pub use answering::{Answering, DrivenNodes};
pub use asking::Asking;

/// What the key of these reads is made for; see [`skyloom_cloud::Base::authenticator`].
pub const INTERNAL_READS: &str = "internal reads";

/// Limits of reads between processes: the deployment's `[internal.limits]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct InternalLimits {
    /// Reads at once that this process asks of others, and as many that it answers; more wait for their turn. Default 16: each holds the
    /// log of a console, mostly 1 MiB.
    pub reads: u32,
    /// Time for a read, its turn and the way included. Default 10000: as long as a platform has to answer when it is attached.
    pub timeout_ms: u32,
    /// A read is answered whose time is no further than this from the clock here, before or behind. Default 30: more than clocks
    /// differ that are set by a time service.
    pub window_seconds: u32,
    /// Reads that are remembered for as long as their time is good, so that each is answered once; those of one node have half of it,
    /// and beyond it is refused. Default 100000: several hundred a second, about 4 MB.
    pub remembered: u32,
}

impl Default for InternalLimits {
    fn default() -> Self {
        Self { reads: 16, timeout_ms: 10_000, window_seconds: 30, remembered: 100_000 }
    }
}

impl InternalLimits {
    /// `invalid` for a limit that would let nothing through.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("reads", self.reads),
            ("timeout-ms", self.timeout_ms),
            ("window-seconds", self.window_seconds),
            ("remembered", self.remembered),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(Error::invalid(
                format!("internal.limits.{name}"),
                format!("[internal.limits] {name} is at least 1"),
            )),
            None => Ok(()),
        }
    }
}

/// Seconds since the epoch by the machine's clock, which tests that turn the core's leave alone.
fn clock() -> i64 {
    jiff::Timestamp::now().as_second()
}
