//! The checks of disks that travel, and of those that a server is given and gives up.

use skyloom_model::ErrorCode;
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Disk, DiskSource, DomainSpec, ImageBlob, Power, StepKey, StopMode};

use crate::Bench;
use crate::checks::{booted, expect, finish, key, make, make_disks, remove, remove_disks, said, start, twice};

/// Disks go through blobs to another node, here this one again, and grow on the way, every call twice; they are whole without the
/// blobs.
pub async fn export(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let blobs: Vec<String> = spec.disks.iter().map(|_| uuid::Uuid::new_v4().to_string()).collect();
    let refused = driver.export_disk(&key("export-disk"), &spec.disks[0].id, &blobs[0]).await.expect_err("no disk");
    assert_eq!(refused.code, ErrorCode::WrongState, "{}", refused.for_log());
    make_disks(bench, driver, &spec.disks).await;
    let mut moved = spec.clone();
    for (disk, blob) in moved.disks.iter_mut().zip(&blobs) {
        let export = async |key: &StepKey| driver.export_disk(key, &disk.id, blob).await;
        twice(bench, driver, spec, &key("export-disk"), export).await;
        disk.source = DiskSource::Copy(ImageBlob { blob: blob.clone(), format: "qcow2".to_owned() });
        disk.size_gib += 1;
    }
    remove_disks(bench, driver, &spec.disks).await;
    for disk in &moved.disks {
        twice(bench, driver, &moved, &key("create-disk"), async |key| driver.create_disk(key, disk).await).await;
    }
    for blob in &blobs {
        bench.remove_blob(blob);
    }
    make(bench, driver, &moved).await;
    bench.assert_size(&moved).await;
    start(bench, driver, &moved.server_id).await;
    booted(bench, driver, &moved.server_id, 1).await;
    remove(bench, driver, &moved).await;
}

/// A disk comes to a server that runs, and goes, every call twice; what a running server writes to is not copied.
pub async fn hotplug(bench: &dyn Bench) {
    let driver = bench.load().await;
    assert!(driver.hotplugs());
    let (driver, spec) = (&*driver, &bench.spec());
    let id = &spec.server_id;
    let disk = &Disk {
        id: uuid::Uuid::new_v4().to_string(),
        size_gib: 1,
        source: DiskSource::Empty,
        device: "/dev/vdc".to_owned(),
    };
    let all = &DomainSpec { disks: [spec.disks.as_slice(), std::slice::from_ref(disk)].concat(), ..spec.clone() };
    make(bench, driver, spec).await;
    let refused = async |what: &str, code: ErrorCode| {
        let attach = driver.attach_disk(&key("attach"), id, disk).await.expect_err(what);
        let detach = driver.detach_disk(&key("detach"), id, &disk.id).await.expect_err(what);
        assert_eq!((attach.code, detach.code), (code, code), "{what}");
    };
    refused("it is off", ErrorCode::WrongState).await;
    start(bench, driver, id).await;
    booted(bench, driver, id, 1).await;
    let missing = driver.attach_disk(&key("attach"), id, disk).await.expect_err("no disk");
    assert_eq!(missing.code, ErrorCode::WrongState, "{}", missing.for_log());
    make_disks(bench, driver, std::slice::from_ref(disk)).await;
    twice(bench, driver, all, &key("attach"), async |key| driver.attach_disk(key, id, disk).await).await;
    said(bench, driver, id, &bench.seen_text(disk, true)).await;
    let copy = Disk { id: uuid::Uuid::new_v4().to_string(), source: DiskSource::Disk(disk.id.clone()), ..disk.clone() };
    let written = driver.create_disk(&key("create-disk"), &copy).await.expect_err("a guest writes to it");
    assert_eq!(written.code, ErrorCode::WrongState, "{}", written.for_log());
    let written = driver.export_disk(&key("export-disk"), &disk.id, &copy.id).await.expect_err("a guest writes to it");
    assert_eq!(written.code, ErrorCode::WrongState, "{}", written.for_log());
    twice(bench, driver, all, &key("detach"), async |key| driver.detach_disk(key, id, &disk.id).await).await;
    said(bench, driver, id, &bench.seen_text(disk, false)).await;
    bench.assert_size(spec).await;
    remove(bench, driver, spec).await;
    refused("there is no server", ErrorCode::NotFound).await;
    remove_disks(bench, driver, std::slice::from_ref(disk)).await;
    assert_eq!(bench.evidence(all).await, Vec::<String>::new());
}

/// A server gets a new system disk: its domain and its old disk go, and a disk of the same id is made anew, on which another operation
/// defines the server. The guest boots it, and says nothing of its earlier boots.
pub async fn new_system_disk(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let (id, system) = (&spec.server_id, &spec.disks[0]);
    make(bench, driver, spec).await;
    start(bench, driver, id).await;
    booted(bench, driver, id, 1).await;
    let stop = key("stop");
    finish(bench, driver, &stop, driver.stop(&stop, id, StopMode::Hard).await).await;
    // By its size the old disk is told from the new one.
    let grow = key("grow-disk");
    finish(bench, driver, &grow, driver.grow_disk(&grow, &system.id, system.size_gib + 1).await).await;
    let anew = key("clear");
    twice(bench, driver, spec, &anew, async |key| driver.undefine(key, id).await).await;
    twice(bench, driver, spec, &anew, async |key| driver.remove_disk(key, &system.id).await).await;
    let step = |step: &str| StepKey { step: step.to_owned(), ..anew.clone() };
    twice(bench, driver, spec, &step("disk"), async |key| driver.create_disk(key, system).await).await;
    let define = async |key: &StepKey| driver.define(key, spec, &SecretVault::default()).await;
    twice(bench, driver, spec, &step("define"), define).await;
    expect(driver, spec, Power::Stopped, &anew.operation).await;
    bench.assert_size(spec).await;
    start(bench, driver, id).await;
    booted(bench, driver, id, 1).await;
    if let Some(ready) = bench.ready_text() {
        let console = driver.console_output(id, 1 << 20).await.expect("a console");
        assert_eq!(console.matches(ready).count(), 1, "{console}");
    }
    remove(bench, driver, spec).await;
}

/// A server that is off takes and gives up disks by a change of its definition.
pub async fn other_disks(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let fewer = &DomainSpec { disks: spec.disks[..1].to_vec(), ..spec.clone() };
    make_disks(bench, driver, &fewer.disks).await;
    let define = key("define");
    finish(bench, driver, &define, driver.define(&define, fewer, &SecretVault::default()).await).await;
    let step = key("reconfigure");
    let refused = driver.reconfigure(&step, spec).await.expect_err("a disk isn't there");
    assert_eq!(refused.code, ErrorCode::WrongState, "{}", refused.for_log());
    make_disks(bench, driver, &spec.disks).await;
    for spec in [spec, fewer] {
        twice(bench, driver, spec, &step, async |key| driver.reconfigure(key, spec).await).await;
        bench.assert_size(spec).await;
    }
    remove(bench, driver, spec).await;
}
