//! The engine over a toy saga.

mod toy;

use std::sync::Arc;
use std::time::{Duration, Instant};

use skyloom_jobs::faults::{self, Crash, Moment};
use skyloom_jobs::{
    Filter, NewOperation, Settings, State, Superseded, enqueue, enqueue_failed, lock_resource, settle_parent,
};
use skyloom_model::{Error, ErrorCode, Timestamp};
use skyloom_store::listing::Page;
use skyloom_store::testing::{TestDatabase, databases};
use skyloom_store::{args, operations};
use toy::{World, counted, locks, make, recorded, start, start_with, supersede, until, wait};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn steps_are_done_in_order_and_logged() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        let id = make(db, &engine, "a").await;
        let done = wait(db, &id, &[State::Succeeded]).await;
        assert_eq!((done.progress, done.error, done.runnable), (100, None, false), "{name}");
        assert_eq!(world.marks(), ["a/one", "a/three", "a/two"], "{name}");
        let steps = operations::steps(&mut db.read().await.unwrap(), &id).await.unwrap();
        let told: Vec<_> = steps.iter().map(|step| (step.name.as_str(), step.state.as_str())).collect();
        assert_eq!(told, [("one", "done"), ("two", "done"), ("three", "done")], "{name}");
        assert!(recorded(db, "a:toy.make:succeeded").await, "{name}");
        assert_eq!(locks(db).await, 0, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_and_another_one_unwinds() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        world.fail("two", ErrorCode::DriverFailed, 2);
        let id = make(db, &engine, "a").await;
        wait(db, &id, &[State::Succeeded]).await;
        assert_eq!(world.calls_of("two"), 3, "{name}");
        world.fail("three", ErrorCode::NoCapacity, 1);
        world.fail("two/undo", ErrorCode::DriverFailed, 2);
        let id = make(db, &engine, "b").await;
        let failed = wait(db, &id, &[State::Failed]).await;
        assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::NoCapacity), "{name}");
        assert_eq!(world.marks(), ["a/one", "a/three", "a/two"], "{name}");
        assert_eq!(world.calls_of("two/undo"), 3, "{name}");
        assert!(recorded(db, "b:toy.make:failed").await, "{name}");
        assert_eq!(locks(db).await, 0, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn a_record_that_refuses_makes_its_step_fail() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        let good = make(db, &engine, "good").await;
        let id = make(db, &engine, "refused").await;
        let failed = wait(db, &id, &[State::Failed]).await;
        assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::NoCapacity), "{name}");
        wait(db, &good, &[State::Succeeded]).await;
        assert_eq!(world.marks(), ["good/one", "good/three", "good/two"], "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn refused_writes_take_no_neighbour_along() {
    const RESOURCES: [&str; 6] = ["a", "refused", "b", "taken", "c", "d"];
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        // The steps stand for as long as the test needs: none is given up and made again.
        let patient = Settings { call_timeout: PATIENCE, lease: PATIENCE, ..Settings::quick() };
        let engine = start_with(db, &world, patient, faults::Settings::default()).await;
        for resource in RESOURCES {
            world.block(&format!("{resource}/three"));
        }
        let mut tx = db.begin().await.unwrap();
        tx.execute("INSERT INTO seeded (area, seeded_at) VALUES ('taken', 0)", &[]).await.unwrap();
        tx.commit().await.unwrap();
        let mut ids = Vec::new();
        for resource in RESOURCES {
            ids.push(make(db, &engine, resource).await);
        }
        until("all stand in their last step", || world.calls_of("three") == RESOURCES.len()).await;
        // The first of the last writes waits for this, so that the others come together.
        let mut held = db.begin().await.unwrap();
        if held.is_postgres() {
            held.execute("LOCK TABLE operations IN EXCLUSIVE MODE", &[]).await.unwrap();
        }
        for resource in RESOURCES {
            world.release(&format!("{resource}/three"));
        }
        until("all steps are done", || world.marks().iter().filter(|mark| mark.ends_with("three")).count() == 6).await;
        drop(held);
        for (id, resource) in ids.iter().zip(RESOURCES) {
            let (state, code) = match resource {
                "refused" => (State::Failed, Some(ErrorCode::NoCapacity)),
                "taken" => (State::Failed, Some(ErrorCode::AlreadyExists)),
                _ => (State::Succeeded, None),
            };
            let ended = wait(db, id, &[State::Succeeded, State::Failed]).await;
            assert_eq!((ended.state, ended.error.map(|error| error.code)), (state, code), "{resource} on {name}");
        }
        assert_eq!(world.calls_of("three"), RESOURCES.len(), "no step was done twice on {name}");
        assert_eq!(locks(db).await, 0, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn what_cannot_be_undone_is_stuck_until_the_operator_says_so() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        world.fail("two", ErrorCode::Invalid, 1);
        world.fail("one/undo", ErrorCode::DriverFailed, 6);
        let id = make(db, &engine, "a").await;
        let stuck = wait(db, &id, &[State::Stuck]).await;
        assert!(!stuck.runnable, "{name}");
        assert_eq!(locks(db).await, 1, "{name}: a stuck operation keeps its resource");
        // It is stored before it is counted.
        until("the stuck one is counted", || counted(&engine, "stuck") == 1).await;
        let filter = Filter { states: vec![State::Stuck], ..Filter::all() };
        assert_eq!(engine.list(&filter, &Page::default()).await.unwrap().items.len(), 1, "{name}");
        engine.retry(&id).await.unwrap();
        let failed = wait(db, &id, &[State::Failed]).await;
        assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::Invalid), "{name}: why it unwound is kept");
        assert_eq!(world.marks(), [""; 0], "{name}");
        let refused = engine.retry(&id).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::WrongState, "{name}");
        assert_eq!(engine.retry("nobody").await.unwrap_err().code, ErrorCode::NotFound, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn who_takes_a_resource_away_waits_for_no_operator() {
    for TestDatabase { db, name, .. } in &databases().await {
        // It comes once the other one is stuck, and while that one still tries.
        for comes_late in [true, false] {
            let world = Arc::<World>::default();
            let engine = start(db, &world, faults::Settings::default()).await;
            world.fail("two", ErrorCode::Invalid, 1);
            world.fail("one/undo", ErrorCode::DriverFailed, 6);
            let resource = format!("late-{comes_late}");
            let id = make(db, &engine, &resource).await;
            let wanted = if comes_late { State::Stuck } else { State::Unwinding };
            wait(db, &id, &[wanted, State::Stuck]).await;
            let taken = supersede(db, &engine, &resource).await.id().to_owned();
            wait(db, &taken, &[State::Succeeded]).await;
            wait(db, &id, &[State::Failed, State::Cancelled]).await;
            assert_eq!(locks(db).await, 0, "{name}");
            engine.drain().await;
        }
    }
}

/// Its parent must not wait for ever for a part that nobody mends any more.
#[tokio::test]
async fn a_parent_ends_with_a_stuck_part_that_gave_way() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        world.fail("two", ErrorCode::Invalid, 1);
        world.fail("one/undo", ErrorCode::DriverFailed, 6);
        let parent = NewOperation::parent("batch.toy.make", "toy");
        let part = NewOperation { parent_id: Some(parent.id.clone()), ..NewOperation::new("toy.make", "toy", "part") };
        let (parent_id, part_id) = (parent.id.clone(), part.id.clone());
        let mut tx = db.begin().await.unwrap();
        enqueue(&mut tx, parent).await.unwrap();
        lock_resource(&mut tx, "toy", "part", &part_id).await.unwrap();
        enqueue(&mut tx, part).await.unwrap();
        settle_parent(&mut tx, &parent_id).await.unwrap();
        tx.commit().await.unwrap();
        engine.wake();
        wait(db, &part_id, &[State::Stuck]).await;
        let taken = supersede(db, &engine, "part").await.id().to_owned();
        wait(db, &taken, &[State::Succeeded]).await;
        assert_eq!(wait(db, &parent_id, &[State::Failed]).await.progress, 100, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn after_the_point_of_no_return_it_only_goes_forward() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        world.fail("three", ErrorCode::Invalid, 5);
        let id = supersede(db, &engine, "a").await.id().to_owned();
        wait(db, &id, &[State::Succeeded]).await;
        assert_eq!(world.calls_of("three"), 6, "{name}");
        world.fail("two", ErrorCode::Invalid, 6);
        let id = supersede(db, &engine, "b").await.id().to_owned();
        wait(db, &id, &[State::Stuck]).await;
        assert_eq!(world.calls_of("one/undo"), 0, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn a_superseding_operation_goes_after_the_unwinding() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        world.pending.lock().unwrap().insert("two".to_owned());
        let id = make(db, &engine, "a").await;
        let end = Instant::now() + Duration::from_secs(10);
        while world.calls_of("two") < 2 {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let mut tx = db.begin().await.unwrap();
        let busy = lock_resource(&mut tx, "toy", "a", "another").await.unwrap_err();
        assert_eq!(busy.code, ErrorCode::Busy, "{name}");
        drop(tx);
        let waiting = supersede(db, &engine, "a").await;
        assert!(matches!(waiting, Superseded::Waiting(_)), "{name}: {waiting:?}");
        let joined = supersede(db, &engine, "a").await;
        assert_eq!(joined, Superseded::Joined(waiting.id().to_owned()), "{name}");
        wait(db, &id, &[State::Cancelled]).await;
        // The toy's drop has a step of the same name: let it end.
        world.pending.lock().unwrap().clear();
        wait(db, waiting.id(), &[State::Succeeded]).await;
        assert!(recorded(db, "a:toy.make:cancelled").await, "{name}");
        assert_eq!(locks(db).await, 0, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn a_parent_ends_with_its_children() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        let parent = NewOperation::parent("batch.toy.make", "toy");
        let parent_id = parent.id.clone();
        let child = |resource: &str, position| NewOperation {
            parent_id: Some(parent_id.clone()),
            position,
            ..NewOperation::new("toy.make", "toy", resource)
        };
        let mut tx = db.begin().await.unwrap();
        enqueue(&mut tx, parent.clone()).await.unwrap();
        enqueue_failed(&mut tx, child("c0", 0), Error::not_found("toy", "c0")).await.unwrap();
        for position in 1..30 {
            enqueue(&mut tx, child(&format!("c{position}"), position)).await.unwrap();
        }
        settle_parent(&mut tx, &parent_id).await.unwrap();
        tx.commit().await.unwrap();
        engine.wake();
        let ended = wait(db, &parent_id, &[State::Failed, State::Succeeded]).await;
        assert_eq!((ended.state, ended.progress), (State::Failed, 100), "{name}");
        assert_eq!(ended.error.map(|error| error.code), Some(ErrorCode::NotFound), "{name}");
        let children = operations::children(&mut db.read().await.unwrap(), &parent_id).await.unwrap();
        assert_eq!(children.iter().filter(|child| child.state == State::Succeeded).count(), 29, "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn after_a_crash_at_any_write_the_next_engine_goes_on() {
    for TestDatabase { db, name, .. } in &databases().await {
        for write in 0..=3 {
            for moment in [Moment::Before, Moment::After] {
                let world = Arc::<World>::default();
                let crash = Crash { operation: "toy.make".to_owned(), write, moment };
                let faults = faults::Settings { crash: vec![crash], ..faults::Settings::default() };
                let engine = start(db, &world, faults).await;
                let id = make(db, &engine, &format!("{write}{moment:?}")).await;
                let end = Instant::now() + Duration::from_secs(10);
                while !engine.faults().is_dead() {
                    assert!(Instant::now() < end, "{name}: the crash at write {write} {moment:?} never came");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                engine.abort();
                let engine = start(db, &world, faults::Settings::default()).await;
                wait(db, &id, &[State::Succeeded]).await;
                assert_eq!(world.marks().len(), 3, "{name}");
                assert_eq!(locks(db).await, 0, "{name}");
                engine.drain().await;
            }
        }
    }
}

#[tokio::test]
async fn a_write_of_a_lost_lease_changes_nothing() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        world.pending.lock().unwrap().insert("two".to_owned());
        let id = make(db, &engine, "a").await;
        let end = Instant::now() + Duration::from_secs(10);
        while world.calls_of("two") < 1 {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Another process has leased it.
        let mut tx = db.begin().await.unwrap();
        let sql = "UPDATE operations SET fence = fence + 1, lease_owner = 'another', next_run_at = $2 WHERE id = $1";
        tx.execute(sql, args![&id, i64::MAX]).await.unwrap();
        tx.commit().await.unwrap();
        world.pending.lock().unwrap().clear();
        let end = Instant::now() + Duration::from_secs(10);
        while engine.in_hand() > 0 {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let left = operations::get(&mut db.read().await.unwrap(), &id).await.unwrap().unwrap();
        assert_eq!((left.step, left.lease_owner.as_str()), (1, "another"), "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn ended_operations_are_swept() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world, faults::Settings::default()).await;
        let id = make(db, &engine, "a").await;
        wait(db, &id, &[State::Succeeded]).await;
        assert_eq!(engine.sweep(Timestamp::now().minus(Duration::from_mins(1))).await.unwrap(), 0, "{name}");
        assert_eq!(engine.sweep(Timestamp::now().plus(Duration::from_secs(1))).await.unwrap(), 1, "{name}");
        assert!(operations::get(&mut db.read().await.unwrap(), &id).await.unwrap().is_none(), "{name}");
        assert!(operations::steps(&mut db.read().await.unwrap(), &id).await.unwrap().is_empty(), "{name}");
        engine.drain().await;
    }
}

#[tokio::test]
async fn two_engines_share_one_postgresql() {
    for TestDatabase { db, name, .. } in databases().await.iter().filter(|database| database.db.is_postgres()) {
        let world = Arc::<World>::default();
        let one = start(db, &world, faults::Settings::default()).await;
        let two = start(db, &world, faults::Settings::default()).await;
        let mut ids = Vec::new();
        for number in 0..40 {
            ids.push(make(db, if number % 2 == 0 { &one } else { &two }, &format!("r{number}")).await);
        }
        for id in &ids {
            wait(db, id, &[State::Succeeded]).await;
        }
        assert_eq!(world.calls_of("two"), 40, "{name}: no step was done by both");
        // One dies with an operation in hand; the other one takes it when the lease is over.
        world.pending.lock().unwrap().insert("three".to_owned());
        let id = make(db, &one, "orphan").await;
        let end = Instant::now() + Duration::from_secs(10);
        while world.calls_of("three") < 41 {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let dead = if one.in_hand() == 1 { &one } else { &two };
        dead.abort();
        world.pending.lock().unwrap().clear();
        wait(db, &id, &[State::Succeeded]).await;
        one.abort();
        two.abort();
    }
}
