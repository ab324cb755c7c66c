//! The kit over the simulator, and what only a simulator has.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use driver_tests::simulator::Simulator;
use driver_tests::{Bench, checks, kit};
use serde_json::json;
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Power, Progress, StepKey, StopMode};

kit!(|_| Some(Simulator::new(json!({}))), admin_password, hotplug, hotplug_nics, suspension);

/// Every kind of step takes its time: pending until then, done after, and the kit goes through all the same.
#[tokio::test]
async fn steps_that_take_time() {
    let names = ["create-disk", "grow-disk", "remove-disk", "define", "reconfigure", "undefine", "start", "stop"];
    let delays: serde_json::Map<String, serde_json::Value> =
        names.iter().map(|name| ((*name).to_owned(), 60.into())).collect();
    let bench = Simulator::new(json!({ "delay-ms": delays }));
    let (driver, spec) = (bench.load().await, bench.spec());
    let (key, begun) = (checks::key("create-disk"), Instant::now());
    let progress = driver.create_disk(&key, &spec.disks[0]).await.unwrap();
    assert!(matches!(progress, Progress::Pending(_)), "{progress:?}");
    checks::finish(&bench, &*driver, &key, Ok(progress)).await;
    assert!(begun.elapsed() >= Duration::from_millis(60));
    checks::life(&bench).await;
}

/// A guest that doesn't hear the button: a soft stop stays pending, a hard one ends it.
#[tokio::test]
async fn a_deaf_guest() {
    let bench = Simulator::new(json!({ "ignore-soft-stop": true }));
    let (driver, spec) = (bench.load().await, bench.spec());
    let id = &spec.server_id;
    checks::make(&bench, &*driver, &spec).await;
    checks::start(&bench, &*driver, id).await;
    let key = checks::key("stop");
    let Progress::Pending(token) = driver.stop(&key, id, StopMode::Soft).await.unwrap() else { panic!("not pending") };
    assert!(matches!(driver.poll(&key, &token).await.unwrap(), Progress::Pending(_)));
    assert_eq!(checks::inspect(&*driver, id).await.unwrap().power, Power::Running);
    driver.stop(&key, id, StopMode::Hard).await.unwrap();
    assert!(matches!(driver.poll(&key, &token).await.unwrap(), Progress::Done), "off, however it came");
    assert_eq!(checks::inspect(&*driver, id).await.unwrap().power, Power::Stopped);
}

#[tokio::test]
async fn capacity_is_configuration() {
    let bench = Simulator::new(json!({ "capacity": { "vcpus": 7, "memory-mib": 9, "disk-gib": 11 } }));
    let capacity = bench.load().await.capacity().await.unwrap();
    assert_eq!((capacity.vcpus, capacity.memory_mib, capacity.disk_gib), (7, 9, 11));
}

/// The world outlives the host's process, whichever way that ends.
#[tokio::test]
async fn a_record_survives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let server = uuid::Uuid::new_v4().to_string();
    let mut victim = Command::new(env!("CARGO_BIN_EXE_driver-victim"))
        .args([folder.path().to_str().unwrap(), &server, "operation-1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    victim.kill().unwrap(); // SIGKILL: no chance to write anything
    victim.wait().unwrap();

    let bench = Simulator::at(folder.path());
    let (driver, spec) = (bench.load().await, Simulator::spec_of(&server));
    let domain = checks::inspect(&*driver, &server).await.expect("survived");
    assert_eq!((domain.power, domain.operation.as_str()), (Power::Running, "operation-1"));
    let before = bench.evidence(&spec).await;
    let key = StepKey { operation: "operation-1".to_owned(), step: "define".to_owned() };
    driver.define(&key, &spec, &SecretVault::default()).await.unwrap();
    driver.start(&StepKey { step: "start".to_owned(), ..key }, &server).await.unwrap();
    assert_eq!(before, bench.evidence(&spec).await, "the new process repeats without a second effect");
    checks::remove(&bench, &*driver, &spec).await;
}
