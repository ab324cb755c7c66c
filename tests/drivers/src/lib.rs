//! What `skyloom:driver` promises, asked of a driver component through the runtime, and a bench for each driver: where the
//! component runs and how to see its platform without it. A new driver adds a [`Bench`] and a file under `tests/` with one
//! line: [`kit!`] makes a test of each of the [`checks`].

pub mod checks;
mod disks;
pub mod libvirt;
mod nics;
pub mod simulator;
mod suspension;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use skyloom_runtime::driver::{Disk, DomainSpec, Driver};
use skyloom_runtime::{LoadError, LoadOptions, Options, Runtime};

/// One driver over one platform.
#[async_trait]
pub trait Bench: Send + Sync {
    /// The driver from its file, in an engine of its own: as after a restart of the host.
    async fn load(&self) -> Arc<dyn Driver>;
    /// A server that the platform can boot. All ids and addresses in it are new.
    fn spec(&self) -> DomainSpec;
    /// What the platform itself says of the server, not asked through the driver: empty when nothing of it is left, equal
    /// before and after a call that has no effect.
    async fn evidence(&self, spec: &DomainSpec) -> Vec<String>;
    /// The guest of a server that has come up has this password for its administrator, and nobody else holds it: neither the
    /// driver's records nor the disks. Panics where that isn't so.
    async fn assert_password(&self, driver: &dyn Driver, spec: &DomainSpec, password: &str);
    /// The platform has given the server the processors, the memory and the disks of the spec. Panics where that isn't so.
    async fn assert_size(&self, spec: &DomainSpec);
    /// Removes the blob of an exported disk from the host's store. Panics where it isn't there; disks that have no bytes have no
    /// blobs either.
    fn remove_blob(&self, _blob: &str) {}
    /// The platform gives the server the network cards of the spec, if it runs now, and after its next start, and hands out their
    /// addresses. Panics where that isn't so.
    async fn assert_nics(&self, spec: &DomainSpec);
    /// The console says this when the guest sees that the disk comes, or that it goes.
    fn seen_text(&self, disk: &Disk, comes: bool) -> String;
    /// The console says this each time when the guest is up, last and alone: what the guest says of itself stands before it. None: the
    /// platform keeps no console log.
    fn ready_text(&self) -> Option<&'static str>;
    /// For a guest to come up or to go down.
    fn deadline(&self) -> Duration;
}

/// The [`checks`] as tests of a file. `$bench` is a function from a test's name to its bench, or None where the machine has no
/// such platform; then come the checks of what not every driver can do.
#[macro_export]
macro_rules! kit {
    ($bench:expr $(, $more:ident)*) => {
        $crate::kit!(
            @tests $bench, life, console, removal_of_a_running_server, definition_without_disks, disks, export, new_system_disk,
            other_disks, other_nics, absence, list, capacity, reload, at_once, hostile_names $(, $more)*
        );
    };
    (@tests $bench:expr $(, $check:ident)+) => {
        $(#[tokio::test]
        async fn $check() {
            let bench = $bench;
            if let Some(bench) = bench(stringify!($check)) {
                $crate::checks::$check(&bench).await;
            }
        })+
    };
}

/// The packed component of a driver.
pub fn plugin_file(id: &str) -> PathBuf {
    let packed = std::env::var_os("SKYLOOM_PLUGINS").map_or_else(|| root().join("target/plugins"), PathBuf::from);
    let file = packed.join(format!("{id}.wasm"));
    assert!(file.exists(), "{} is missing: make build", file.display());
    file
}

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Loads a driver plugin with grants as a deployment file gives them, for a node with this configuration.
pub fn load(id: &str, options: Options, grants: Value, config: Value) -> Result<Arc<dyn Driver>, LoadError> {
    let grants = serde_json::from_value(grants).expect("grants");
    let config: Map<String, Value> = serde_json::from_value(config).expect("configuration");
    let plugin = Runtime::new(options)?.load(&plugin_file(id), LoadOptions { grants, ..LoadOptions::default() })?;
    plugin.driver(NODE, &config)
}

/// The node that the drivers work for.
pub const NODE: &str = "node-1";

/// Asks again and again until there is an answer; the deadline's message says what was waited for.
pub async fn eventually<T>(what: &str, deadline: Duration, ask: impl AsyncFn() -> Option<T>) -> T {
    tokio::time::timeout(deadline, asked(ask)).await.unwrap_or_else(|_| panic!("not within {deadline:?}: {what}"))
}

/// Asks again and again until there is an answer.
async fn asked<T>(ask: impl AsyncFn() -> Option<T>) -> T {
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    loop {
        pace.tick().await;
        if let Some(answer) = ask().await {
            return answer;
        }
    }
}

/// Counts a test as skipped; run-tests names it at its end.
pub fn skip(test: &str, reason: &str) {
    use std::io::Write;
    println!("SKIPPED {test}: {reason}");
    if let Some(file) = std::env::var_os("SKYLOOM_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).expect("SKYLOOM_TEST_SKIPS");
        writeln!(file, "{test}: {reason}").expect("SKYLOOM_TEST_SKIPS");
    }
}
