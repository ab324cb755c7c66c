//! The check of drivers that can let a guest stand still.

use skyloom_model::ErrorCode;
use skyloom_runtime::driver::{Disk, DiskSource, Driver, Power, StopMode};

use crate::Bench;
use crate::checks::{booted, expect, finish, key, make, make_disks, remove, remove_disks, said, start, twice};

/// What stands still, every call twice: it goes on where it was, and cannot be asked to stop.
pub async fn suspension(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let id = &spec.server_id;
    let operation = &make(bench, driver, spec).await;
    let refused = async |what: &str, code: ErrorCode| {
        let codes = [
            driver.pause(&key("pause"), id).await.expect_err(what).code,
            driver.unpause(&key("unpause"), id).await.expect_err(what).code,
            driver.suspend(&key("suspend"), id).await.expect_err(what).code,
            driver.resume(&key("resume"), id).await.expect_err(what).code,
        ];
        assert_eq!(codes, [code; 4], "{what}");
    };
    refused("it is off", ErrorCode::WrongState).await;
    start(bench, driver, id).await;
    booted(bench, driver, id, 1).await;
    twice(bench, driver, spec, &key("pause"), async |key| driver.pause(key, id).await).await;
    expect(driver, spec, Power::Paused, operation).await;
    let paused = driver.resume(&key("resume"), id).await.expect_err("it is only paused");
    assert_eq!(paused.code, ErrorCode::WrongState, "{}", paused.for_log());
    twice(bench, driver, spec, &key("unpause"), async |key| driver.unpause(key, id).await).await;
    expect(driver, spec, Power::Running, operation).await;
    twice(bench, driver, spec, &key("suspend"), async |key| driver.suspend(key, id).await).await;
    expect(driver, spec, Power::Suspended, operation).await;
    for answer in [driver.pause(&key("pause"), id).await, driver.unpause(&key("unpause"), id).await] {
        assert_eq!(answer.expect_err("it is suspended").code, ErrorCode::WrongState);
    }
    twice(bench, driver, spec, &key("resume"), async |key| driver.resume(key, id).await).await;
    expect(driver, spec, Power::Running, operation).await;
    goes_on(bench, driver, id).await;

    let step = key("suspend");
    finish(bench, driver, &step, driver.suspend(&step, id).await).await;
    twice(bench, driver, spec, &key("stop"), async |key| driver.stop(key, id, StopMode::Soft).await).await;
    expect(driver, spec, Power::Stopped, operation).await;
    start(bench, driver, id).await;
    booted(bench, driver, id, 2).await;
    let step = key("pause");
    finish(bench, driver, &step, driver.pause(&step, id).await).await;
    remove(bench, driver, spec).await;
    refused("there is no server", ErrorCode::NotFound).await;
}

/// The guest that booted once lives: it sees a disk come and go, where it can be given one.
async fn goes_on(bench: &dyn Bench, driver: &dyn Driver, id: &str) {
    if driver.hotplugs() {
        let (source, device) = (DiskSource::Empty, "/dev/vdc".to_owned());
        let disk = Disk { id: uuid::Uuid::new_v4().to_string(), size_gib: 1, source, device };
        make_disks(bench, driver, std::slice::from_ref(&disk)).await;
        let step = key("attach");
        finish(bench, driver, &step, driver.attach_disk(&step, id, &disk).await).await;
        said(bench, driver, id, &bench.seen_text(&disk, true)).await;
        let step = key("detach");
        finish(bench, driver, &step, driver.detach_disk(&step, id, &disk.id).await).await;
        remove_disks(bench, driver, &[disk]).await;
    }
    if let Some(ready) = bench.ready_text() {
        let console = driver.console_output(id, 1 << 20).await.expect("console");
        assert_eq!(console.matches(ready).count(), 1, "it did not boot again:\n{console}");
    }
}
