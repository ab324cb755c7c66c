//! Resizes that go to another node, and what is done to a server between two nodes: every point of them.

use skyloom_jobs::State;
use skyloom_jobs::faults::Settings;
use skyloom_store::testing;

use crate::fixture::Fixture;
use crate::kinds::Kind;
use crate::points::{FAILURES, MOMENTS, crashes, driver_faults, during, steps, undo_faults};
use crate::walk::{clear, crash, fault, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_fails_in_every_way_at_every_step_between_two_nodes() {
    let fixture = Fixture::with_two_nodes(testing::sqlite().await).await;
    let mut points = 0;
    for &kind in Kind::MOVING {
        points += driver_faults(&fixture, kind, &FAILURES).await;
        points += undo_faults(&fixture, kind, &FAILURES).await;
    }
    fixture.check_everything().await;
    println!("driver faults between two nodes: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_at_every_write_between_two_nodes() {
    let fixture = Fixture::with_two_nodes(testing::sqlite().await).await;
    let mut points = 0;
    for &kind in Kind::MOVING {
        points += crashes(&fixture, kind, None).await;
        for step in steps(&fixture, kind).iter().filter(|step| !step.no_return) {
            points += crashes(&fixture, kind, Some(step.name)).await;
        }
    }
    fixture.check_everything().await;
    println!("crashes between two nodes: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_comes_during_every_step_between_two_nodes() {
    let fixture = Fixture::with_two_nodes(testing::sqlite().await).await;
    for &kind in Kind::MOVING.iter().filter(|kind| **kind != Kind::DeleteResized) {
        for step in steps(&fixture, kind) {
            during(&fixture, kind, step).await;
        }
    }
    fixture.check_everything().await;
}

/// Each kind once on the other database: a failure of its first call, and a death.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_between_two_nodes_on_postgresql() {
    let Some(database) = testing::postgres().await else { return };
    let fixture = Fixture::with_two_nodes(database).await;
    for &kind in Kind::MOVING {
        let first = steps(&fixture, kind)[0];
        let case = format!("{kind:?} {} fails once", first.name);
        let driver = vec![fault(kind, first.name, FAILURES[0], 1)];
        let rest = run(&fixture, kind, Settings { driver, ..Settings::default() }, true, &case).await;
        assert_eq!(rest.operation.state, State::Succeeded, "{case}");
        for moment in MOMENTS {
            let case = format!("{kind:?} dies {moment:?} write 1");
            let faults = Settings { crash: vec![crash(kind, 1, moment)], ..Settings::default() };
            let rest = run(&fixture, kind, faults, true, &case).await;
            assert_eq!(rest.operation.state, State::Succeeded, "{case}");
        }
    }
    fixture.check_everything().await;
}

/// A deletion ends a resize that is stuck while it unwinds, and takes what it left on both nodes, blobs included.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_ends_a_resize_that_is_stuck_between_two_nodes() {
    let fixture = Fixture::with_two_nodes(testing::sqlite().await).await;
    let kind = Kind::Resize { running: true };
    for (failing, undone) in [("start", "reconfigure/undo"), ("reconfigure", "disks/undo"), ("disks", "stop/undo")] {
        let server = fixture.prepare(kind).await;
        let driver = vec![fault(kind, failing, FAILURES[1], 0), fault(kind, undone, FAILURES[0], 0)];
        fixture.start(Settings { driver, ..Settings::default() }).await;
        let operation = fixture.ask(kind, &server).await;
        assert_eq!(fixture.rest(&operation).await.unwrap().state, State::Stuck, "{undone}");
        fixture.kill();
        clear(&fixture, &server, undone).await;
    }
    fixture.check_everything().await;
}
