//! Drivers and tariffs that misbehave, beside ones that don't.

use std::sync::Arc;
use std::time::Duration;

use hostile_tests::{PIECE, grants, growing_tariff, load, manifest, packed, root, runtime};
use serde_json::Map;
use skyloom_model::ErrorCode;
use skyloom_runtime::Plugin;
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Driver, Power, Progress, StepKey, StopMode};
use skyloom_runtime::limits::TABLE_ELEMENTS;
use skyloom_runtime::manifest::LimitsTable;
use skyloom_runtime::tariff::{Piece, Price, Sheet, Tariff, Tier};

const LIMITS: LimitsTable = LimitsTable {
    memory_mib: None,
    cpu_ms: Some(200),
    wait_ms: Some(400),
    output_kib: None,
    log_lines_per_second: None,
};

fn key() -> StepKey {
    StepKey { operation: "op-1".into(), step: "start".into() }
}

fn hostile_driver() -> Arc<dyn Driver> {
    let bytes = packed("hostile-driver", &manifest("hostile", "driver", &["documents"], ""));
    let plugin = load(&runtime(|_| {}), bytes, grants(&["documents"]), LIMITS).unwrap();
    plugin.driver("node-1", &Map::new()).unwrap()
}

/// A plugin of ours, with its own manifest.
fn ours(package: &str, folder: &str, given: &[&str]) -> Plugin {
    let text = std::fs::read_to_string(root().join(folder).join("plugin.toml")).unwrap();
    load(&runtime(|_| {}), packed(package, &text), grants(given), LimitsTable::default()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_driver_is_an_error_of_its_step() {
    let driver = hostile_driver();
    let started = async |server: &str| driver.start(&key(), server).await.map_err(|error| error.code);
    assert!(matches!(started("trap").await, Err(ErrorCode::DriverFailed)));
    assert!(matches!(started("loop").await, Err(ErrorCode::TimedOut)));
    assert!(matches!(started("stall").await, Err(ErrorCode::TimedOut)));
    assert!(matches!(started("new-code").await, Err(ErrorCode::Internal)));
    assert!(matches!(started("ok").await, Ok(Progress::Done)));
    let error = driver.inspect("trap").await.unwrap_err();
    assert!(!error.message.contains("unreachable"), "{}", error.message);
    assert!(error.internal_text().is_some());
    assert_eq!(driver.inspect("ok").await.unwrap().unwrap().server_id, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_driver_does_not_export_is_not_supported() {
    let error = hostile_driver().console_output("ok", 100).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotSupported);
    let simulator = ours("driver-simulator", "plugins/drivers/simulator", &["documents", "clock", "config"]);
    let error = simulator.driver("n", &Map::new()).unwrap().console_output("none", 100).await.err();
    assert_ne!(error.map(|error| error.code), Some(ErrorCode::NotSupported));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_has_a_world_of_its_own() {
    let plugin = ours("driver-simulator", "plugins/drivers/simulator", &["documents", "clock", "config"]);
    let (one, other) = (plugin.driver("one", &Map::new()).unwrap(), plugin.driver("other", &Map::new()).unwrap());
    let spec = skyloom_runtime::driver::DomainSpec {
        server_id: "s".into(),
        name: "s".into(),
        hostname: "s".into(),
        vcpus: 1,
        memory_mib: 64,
        disks: Vec::new(),
        nics: Vec::new(),
        kernel_blob: None,
        ramdisk_blob: None,
        kernel_arguments: None,
        authorized_keys: Vec::new(),
        user_data: None,
        admin_password: None,
        metadata: Vec::new(),
    };
    assert!(matches!(one.define(&key(), &spec, &SecretVault::default()).await.unwrap(), Progress::Done));
    assert!(matches!(one.start(&key(), "s").await.unwrap(), Progress::Done));
    assert_eq!(one.inspect("s").await.unwrap().unwrap().power, Power::Running);
    assert!(other.inspect("s").await.unwrap().is_none());
    assert!(other.servers(None, 10).await.unwrap().is_empty());
    assert!(matches!(one.stop(&key(), "s", StopMode::Hard).await.unwrap(), Progress::Done));
    assert_eq!(one.servers(None, 10).await.unwrap()[0].power, Power::Stopped);
    assert!(one.digest().starts_with("sha256:"));
}

fn sheet(currency: &str) -> Sheet {
    Sheet { id: "s".into(), currency: currency.into(), prices: Vec::new() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_tariff_gives_no_charges() {
    let bytes = packed("hostile-tariff", &manifest("hostile", "tariff", &[], ""));
    // However little of a processor the test gets, the bound of its time in the sandbox comes first.
    let limits = LimitsTable { wait_ms: Some(60_000), ..LIMITS };
    let plugin = load(&runtime(|_| {}), bytes, Vec::new(), limits).unwrap();
    let tariff: Arc<dyn Tariff> = plugin.tariff().unwrap();
    let rated = async |currency: &str| tariff.rate(Vec::new(), sheet(currency), Vec::new()).await;
    assert_eq!(rated("loop").await.unwrap_err().code, ErrorCode::TimedOut);
    assert_eq!(rated("trap").await.unwrap_err().code, ErrorCode::Internal);
    let refused = rated("refuse").await.unwrap_err();
    assert!(refused.internal_text().unwrap().contains("no such currency"));
    assert!(!refused.message.contains("currency"));
    assert!(rated("EUR").await.unwrap().charges.is_empty());
    let counters = plugin.counters();
    assert_eq!((counters.calls, counters.cpu_exhausted, counters.traps), (4, 1, 1));
    assert!(Duration::from_secs_f64(counters.seconds) >= Duration::from_millis(150));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_without_end_are_refused() {
    let neighbour = ours("tariff-on-demand", "plugins/tariffs/on-demand", &[]).tariff().unwrap();
    let several = load(&runtime(|_| {}), growing_tariff(2), Vec::new(), LIMITS).err().unwrap().to_string();
    assert!(several.contains("table"), "a module has one table: {several}");
    let plugin = load(&runtime(|_| {}), growing_tariff(1), Vec::new(), LIMITS).unwrap();
    let tariff = plugin.tariff().unwrap();
    let grown = async |pieces: usize| tariff.rate(Vec::new(), sheet(&"x".repeat(pieces)), Vec::new()).await;
    let allowed = TABLE_ELEMENTS / usize::try_from(PIECE).unwrap();
    assert!(grown(allowed).await.unwrap().charges.is_empty(), "up to the limit");
    // One piece more, and without end: the guest is told no, takes it for its end, and only its own call is over.
    for pieces in [allowed + 1, 0] {
        let error = grown(pieces).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Internal, "{}", error.for_log());
        assert!(error.internal_text().unwrap().contains("unreachable"), "{}", error.for_log());
        assert!(neighbour.rate(Vec::new(), sheet("EUR"), Vec::new()).await.unwrap().charges.is_empty());
    }
    assert_eq!(plugin.counters().traps, 2);
    // Nothing of it counts against the next call.
    for _ in 0..40 {
        assert!(grown(allowed).await.unwrap().charges.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_usage_gives_the_same_charges() {
    let plugin = ours("tariff-on-demand", "plugins/tariffs/on-demand", &[]);
    let tariff = plugin.tariff().unwrap();
    let piece = Piece {
        project_id: "p".into(),
        resource_kind: "server".into(),
        resource_id: "r".into(),
        meter: "vcpu".into(),
        class: String::new(),
        server_state: String::new(),
        quantity: 2,
        start: 0,
        end: 3_600_000_000,
    };
    let mut sheet = sheet("EUR");
    sheet.prices.push(Price {
        meter: "vcpu".into(),
        class: String::new(),
        server_state: String::new(),
        tiers: vec![Tier { from: 0, per_unit_hour: "0.0125".into() }, Tier { from: 3, per_unit_hour: "0.01".into() }],
    });
    let rated = tariff.rate(vec![piece.clone()], sheet.clone(), Vec::new()).await.unwrap();
    let charges = &rated.charges;
    assert_eq!(charges.len(), 1);
    assert_eq!(charges[0].seconds, 3600);
    assert_eq!(charges[0].amount.trim_end_matches('0'), "0.025");
    let again = tariff.rate(vec![piece.clone()], sheet.clone(), Vec::new()).await.unwrap();
    assert_eq!(format!("{again:?}"), format!("{rated:?}"));
    // What the month has counted so far decides about the next call.
    let next = tariff.rate(vec![piece], sheet, rated.tallies).await.unwrap();
    assert_eq!(next.charges[0].amount, "0.0225");
}
