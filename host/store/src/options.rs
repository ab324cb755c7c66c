//! How the connections are made.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub readers: u32,
    /// Of pages that each connection to SQLite keeps.
    pub cache_kib: u32,
    pub acquire_timeout: Duration,
    /// True: an answered write survives power loss, not only the process's death.
    pub sync_on_commit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { readers: 4, cache_kib: 4096, acquire_timeout: Duration::from_secs(10), sync_on_commit: true }
    }
}
