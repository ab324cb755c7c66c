//! Every limit of the HTTP side, with its default and the reason for it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use skyloom_model::{Error, Result};

use crate::json;
use crate::proxies::Network;

/// Limits of the HTTP side: the deployment's `[limits]` table.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Connections of one listener at once; more wait in the kernel. Default 4096: below the usual limit of open files.
    pub max_connections: u32,
    /// Those of one address (of IPv6: of one /64) among them. Beyond it the oldest that is between two requests ends, or where there
    /// is none, the new one. Default 1024: a quarter, so that four addresses at least are needed to take all.
    pub max_connections_per_address: u32,
    /// Addresses and networks of proxies in front of the listeners. They have as many connections as they like, and
    /// `X-Forwarded-For` in what they pass on names the client. Default: none.
    pub trusted_proxies: Vec<Network>,
    /// Calls into sandboxes at once. Default 256: more only queue for the same processors and hold memory.
    pub max_calls: u32,
    /// Calls of nobody at once (logins, and so many reads such as version lists), apart from `max-calls`. Default 16: hashing
    /// keeps fewer processors busy, and who has a token is never behind them.
    pub anonymous_calls: u32,
    /// So many more of each wait for their turn, then 429. One address has half of both. Default 48: about a second's
    /// hashing of one processor.
    pub anonymous_queue: u32,
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
    /// Largest body of a request of nobody. Default 64: a login has less than one.
    pub anonymous_body_kib: u32,
    /// MiB of callers' bodies that are held at once, from their first byte to the end of their request, each by the length that it
    /// declares. One project has half of it. Who waits for longer than `queue-ms` is answered 503. Default 256: as many bodies
    /// of the largest size as `max-calls`.
    pub held_bodies_mib: u32,
    /// The same of nobody's bodies, apart from it; one address has half of it, and beyond it is 429. Default 16: 256 of the
    /// largest size.
    pub anonymous_bodies_mib: u32,
    /// MiB of bodies of signed requests that are held until the signature is checked, one address half of it: apart from both, because
    /// whoever knows the public name of a key may send them. Beyond it is 429. Default 32: two of the largest size.
    pub unproven_bodies_mib: u32,
    /// Signatures of requests that change something, which are remembered for as long as their date is good, so that each request is
    /// taken once. One user has half of it; beyond it is 429. Default 1000000: a thousand such requests a second for a quarter of an
    /// hour, about 40 MB.
    pub remembered_signatures: u32,
    /// MiB of answers that wait for their clients, and as much again of those that wait for that, of reads and larger than 64 KiB.
    /// One project has half of it. Who waits for longer than `queue-ms` is answered 503. Default 256: 64 of the largest pages. Beside
    /// it each connection holds one smaller answer or 256 KiB of a stored file at most.
    pub held_answers_mib: u32,
    /// Time for the whole head of a request from its first byte, of a new connection from its beginning. Default 10000: 64 KiB
    /// over a bad line.
    pub head_timeout_ms: u32,
    /// Longest idle time between two requests. Default 75000: above the 60 s that proxies keep idle connections.
    pub idle_timeout_ms: u32,
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
    /// Values in a JSON body, all levels together. Default 20000: a bulk creation of 1000 networks or ports fits; a value takes
    /// up to 700 bytes where the body is read.
    pub max_json_nodes: u32,
    /// Requests in flight finish within this at shutdown, then they are cut. Default 30000.
    pub drain_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 1024,
            trusted_proxies: Vec::new(),
            max_calls: 256,
            anonymous_calls: 16,
            anonymous_queue: 48,
            queue_ms: 2000,
            project_rate: 20_000,
            project_burst: 40_000,
            listener_rate: 0,
            listener_burst: 0,
            anonymous_rate: 100,
            anonymous_burst: 500,
            anonymous_body_kib: 64,
            held_bodies_mib: 256,
            anonymous_bodies_mib: 16,
            unproven_bodies_mib: 32,
            remembered_signatures: 1_000_000,
            held_answers_mib: 256,
            head_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            body_timeout_ms: 30_000,
            stall_timeout_ms: 60_000,
            max_head_kib: 64,
            max_headers: 100,
            max_json_depth: 32,
            max_json_nodes: 20_000,
            drain_ms: 30_000,
        }
    }
}

impl Settings {
    pub(crate) fn json_bounds(&self) -> json::Bounds {
        json::Bounds { depth: self.max_json_depth, nodes: self.max_json_nodes }
    }

    /// `invalid` for a limit that would let nothing through.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("max-connections", self.max_connections),
            ("max-connections-per-address", self.max_connections_per_address),
            ("max-calls", self.max_calls),
            ("anonymous-calls", self.anonymous_calls),
            ("anonymous-body-kib", self.anonymous_body_kib),
            ("held-bodies-mib", self.held_bodies_mib),
            ("anonymous-bodies-mib", self.anonymous_bodies_mib),
            ("unproven-bodies-mib", self.unproven_bodies_mib),
            ("remembered-signatures", self.remembered_signatures),
            ("held-answers-mib", self.held_answers_mib),
            ("idle-timeout-ms", self.idle_timeout_ms),
            ("head-timeout-ms", self.head_timeout_ms),
            ("body-timeout-ms", self.body_timeout_ms),
            ("stall-timeout-ms", self.stall_timeout_ms),
            ("max-headers", self.max_headers),
            ("max-json-depth", self.max_json_depth),
            ("max-json-nodes", self.max_json_nodes),
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
