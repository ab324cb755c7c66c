//! Every limit of the HTTP side, with its default and the reason for it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use skyloom_model::{Error, Result};

/// Limits of the HTTP side: the deployment's `[limits]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Connections of one listener at once; more wait in the kernel. Default 4096: below the usual limit of open files.
    pub max_connections: u32,
    /// Calls into sandboxes at once. Default 256: more only queue for the same processors and hold memory.
    pub max_calls: u32,
    /// A call waits this long for its turn before the client is told to come back. Default 2000: longer than any burst that
    /// can still be served, shorter than clients' patience.
    pub queue_ms: u32,
    /// Requests a second of one project; 0: no limit. Default 20000: a loop gone wild is stopped, a busy tool is not.
    pub project_rate: u32,
    /// Requests above the rate that a project may send at once. Default 40000: two seconds' worth.
    pub project_burst: u32,
    /// Requests a second of one listener; 0: no limit. Default 0: the machine is the limit.
    pub listener_rate: u32,
    pub listener_burst: u32,
    /// Logins and other requests of nobody, a second and client address; 0: no limit. Default 100: password hashing is dear.
    pub anonymous_rate: u32,
    /// Default 500: test suites start with many logins.
    pub anonymous_burst: u32,
    /// Time for the whole head of a request, also the longest idle time between two requests. Default 75000: above the 60 s
    /// that proxies keep idle connections.
    pub head_timeout_ms: u32,
    /// Time for a whole body that isn't a stream. Default 30000: 1 MiB over a bad line.
    pub body_timeout_ms: u32,
    /// Longest silence within a streamed body, and of a client that doesn't take its answer. Default 60000.
    pub stall_timeout_ms: u32,
    /// Line and headers of a request. Default 64: tokens and long queries fit several times.
    pub max_head_kib: u32,
    /// Number of headers. Default 100.
    pub max_headers: u32,
    /// Nesting of a JSON body. Default 32: the deepest body of the known APIs has 8.
    pub max_json_depth: u32,
    /// Requests in flight finish within this at shutdown, then they are cut. Default 30000.
    pub drain_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_calls: 256,
            queue_ms: 2000,
            project_rate: 20_000,
            project_burst: 40_000,
            listener_rate: 0,
            listener_burst: 0,
            anonymous_rate: 100,
            anonymous_burst: 500,
            head_timeout_ms: 75_000,
            body_timeout_ms: 30_000,
            stall_timeout_ms: 60_000,
            max_head_kib: 64,
            max_headers: 100,
            max_json_depth: 32,
            drain_ms: 30_000,
        }
    }
}

impl Settings {
    /// `invalid` for a limit that would let nothing through.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("max-connections", self.max_connections),
            ("max-calls", self.max_calls),
            ("head-timeout-ms", self.head_timeout_ms),
            ("body-timeout-ms", self.body_timeout_ms),
            ("stall-timeout-ms", self.stall_timeout_ms),
            ("max-headers", self.max_headers),
            ("max-json-depth", self.max_json_depth),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(Error::invalid(format!("limits.{name}"), format!("[limits] {name} is at least 1"))),
            None => Ok(()),
        }
    }
}

pub(crate) fn millis(value: u32) -> Duration {
    Duration::from_millis(u64::from(value))
}
