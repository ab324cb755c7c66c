//! Who holds an operation: one run of it at a time, whatever happens to the request, the lease or the database meanwhile.

mod toy;

use std::sync::Arc;
use std::time::Duration;

use skyloom_jobs::faults::{self, LostCommit};
use skyloom_jobs::{Engine, NewOperation, Settings, State, enqueue};
use skyloom_model::Timestamp;
use skyloom_store::testing::{TestDatabase, databases};
use skyloom_store::{Db, args, operations, operations_log as log};
use toy::{World, counted, locks, make, start_with, supersede, until, wait};

/// Calls may take as long as the test wants.
fn patient() -> Settings {
    Settings { call_timeout: Duration::from_mins(1), ..Settings::quick() }
}

async fn start(db: &Db, world: &Arc<World>) -> Engine {
    start_with(db, world, patient(), faults::Settings::default()).await
}

/// An engine of a process with these nodes.
async fn start_on(db: &Db, world: &Arc<World>, nodes: &'static [&'static str]) -> Engine {
    let engine = Engine::new(db.clone(), patient(), Arc::default());
    engine.set_nodes(move || nodes.iter().map(ToString::to_string).collect());
    engine.start(toy::sagas(world)).await.expect("the engine starts");
    engine
}

/// Some rounds of each engine: what it wanted to lease it has leased then.
async fn rounds(db: &Db, engines: &[&Engine], name: &str) {
    for round in 0..6 {
        for (number, engine) in engines.iter().enumerate() {
            let id = make(db, engine, &format!("probe-{name}-{round}-{number}")).await;
            wait(db, &id, &[State::Succeeded]).await;
        }
    }
}

fn sum(engines: &[&Engine], counter: &str) -> u64 {
    engines.iter().map(|engine| counted(engine, counter)).sum()
}

/// The call of step two is under way when the resource is deleted, through the last of the engines.
async fn delete_during_a_call(db: &Db, name: &str, world: &World, engines: &[&Engine]) {
    world.block("a/two");
    let id = make(db, engines[0], "a").await;
    until("step two is called", || world.calls_of("two") == 1).await;
    let waiting = supersede(db, engines[engines.len() - 1], "a").await;
    rounds(db, engines, "cancelled").await;
    let probes = 6 * engines.len();
    assert_eq!(world.calls_of("two/undo"), 0, "{name}: undone while it is being done");
    assert_eq!(world.calls_of("two"), 1 + probes, "{name}: done a second time");
    world.release("a/two");
    wait(db, &id, &[State::Cancelled]).await;
    wait(db, waiting.id(), &[State::Succeeded]).await;
    for step in ["one/undo", "two/undo", "three/undo"] {
        assert_eq!(world.calls_of(step), 1, "{name}: {step}");
    }
    let calls = world.calls();
    let at = |wanted: &str| calls.iter().position(|call| call == wanted).expect(wanted);
    assert!(at("a/two/ended") < at("two/undo"), "{name}: {calls:?}");
    assert_eq!(sum(engines, "leases_lost"), 0, "{name}");
    assert_eq!(sum(engines, "leased"), 2 + probes as u64, "{name}: each operation is leased once");
    assert_eq!(locks(db).await, 0, "{name}");
}

#[tokio::test]
async fn a_delete_waits_for_the_call_that_is_under_way() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world).await;
        delete_during_a_call(db, name, &world, &[&engine]).await;
        engine.drain().await;
    }
}

#[tokio::test]
async fn a_delete_waits_for_the_call_of_another_process() {
    for TestDatabase { db, name, .. } in databases().await.iter().filter(|database| database.db.is_postgres()) {
        let world = Arc::<World>::default();
        let (one, two) = (start(db, &world).await, start(db, &world).await);
        delete_during_a_call(db, name, &world, &[&one, &two]).await;
        one.drain().await;
        two.drain().await;
    }
}

/// The run that looks again and again at a pending step is in one process, the request in another.
#[tokio::test]
async fn a_process_hears_of_a_cancellation_in_another_one() {
    for TestDatabase { db, name, .. } in databases().await.iter().filter(|database| database.db.is_postgres()) {
        let world = Arc::<World>::default();
        let (one, two) = (start(db, &world).await, start(db, &world).await);
        world.pending.lock().unwrap().insert("two".to_owned());
        let id = make(db, &one, "a").await;
        until("step two is looked at", || world.calls_of("two") > 1).await;
        let (holder, other) = if one.in_hand() == 1 { (&one, &two) } else { (&two, &one) };
        // Only the other one is told that there is something new.
        supersede(db, other, "a").await;
        wait(db, &id, &[State::Cancelled]).await;
        until("it unwinds where it is in hand", || counted(holder, "cancelled") == 1).await;
        assert_eq!(sum(&[holder, other], "leases_lost"), 0, "{name}");
        one.abort();
        two.abort();
    }
}

/// As after a time without a database, in which no lease could be prolonged.
#[tokio::test]
async fn a_process_does_not_lease_what_it_has_in_hand() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world).await;
        world.block("a/two");
        let id = make(db, &engine, "a").await;
        until("step two is called", || world.calls_of("two") == 1).await;
        let mut tx = db.begin().await.unwrap();
        tx.execute("UPDATE operations SET next_run_at = 0, lease_until = 0 WHERE id = $1", args![&id]).await.unwrap();
        tx.commit().await.unwrap();
        rounds(db, &[&engine], "late").await;
        let held = operations::get(&mut db.read().await.unwrap(), &id).await.unwrap().unwrap();
        assert_eq!(held.fence, 1, "{name}: leased a second time");
        assert!(held.next_run_at.0 > 0, "{name}: its lease is prolonged");
        world.release("a/two");
        wait(db, &id, &[State::Succeeded]).await;
        assert_eq!(counted(&engine, "leases_lost"), 0, "{name}");
        engine.drain().await;
    }
}

/// Its rows are being written, so its process lives; two that wait for each other's rows would be a deadlock.
#[tokio::test]
async fn prolonging_leases_waits_for_no_row() {
    for TestDatabase { db, name, .. } in &databases().await {
        // On SQLite a transaction has no other beside it.
        if !db.is_postgres() {
            continue;
        }
        let world = Arc::<World>::default();
        let engine = start(db, &world).await;
        world.block("a/two");
        world.block("b/two");
        let ids = [make(db, &engine, "a").await, make(db, &engine, "b").await];
        until("step two of both is called", || world.calls_of("two") == 2).await;
        let mut written = db.begin().await.unwrap();
        written.execute("UPDATE operations SET progress = 1 WHERE id = $1", args![&ids[0]]).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        let owner = operations::get(&mut tx, &ids[0]).await.unwrap().unwrap().lease_owner;
        let beat = log::heartbeat(&mut tx, &owner, &ids, Timestamp(i64::MAX));
        let prolonged = tokio::time::timeout(Duration::from_secs(5), beat).await.expect("it waits").unwrap();
        assert_eq!(prolonged, 1, "{name}");
        assert_eq!(
            operations::get(&mut tx, &ids[1]).await.unwrap().unwrap().lease_until,
            Timestamp(i64::MAX),
            "{name}"
        );
        drop((tx, written));
        engine.abort();
    }
}

/// A worker that has lost its lease can't free the one that came after it.
#[tokio::test]
async fn a_later_lease_is_not_given_back() {
    for TestDatabase { db, name, .. } in &databases().await {
        let world = Arc::<World>::default();
        let engine = start(db, &world).await;
        world.block("a/two");
        let id = make(db, &engine, "a").await;
        until("step two is called", || world.calls_of("two") == 1).await;
        let mut tx = db.begin().await.unwrap();
        for (fence, held) in [(0, true), (1, false)] {
            log::give_back(&mut tx, log::Lease { id: &id, fence }, Timestamp::now()).await.unwrap();
            let now = operations::get(&mut tx, &id).await.unwrap().unwrap();
            assert_eq!(!now.lease_owner.is_empty(), held, "{name}: given back by fence {fence}");
        }
        drop(tx);
        engine.abort();
    }
}

/// The process is busy all the time, so that its leases are prolonged.
#[tokio::test]
async fn an_operation_goes_on_when_the_answer_of_a_commit_is_lost() {
    for TestDatabase { db, name, .. } in &databases().await {
        for write in 0..=3 {
            let world = Arc::<World>::default();
            let lost_commit = vec![LostCommit { operation: "toy.make".to_owned(), write }];
            let faults = faults::Settings { lost_commit, ..faults::Settings::default() };
            let engine = start_with(db, &world, patient(), faults).await;
            let other = format!("busy{write}");
            world.block(&format!("{other}/one"));
            let busy = supersede(db, &engine, &other).await;
            until("it is busy", || world.calls_of("one") == 1).await;
            let id = make(db, &engine, &format!("a{write}")).await;
            wait(db, &id, &[State::Succeeded]).await;
            let done = world.marks().iter().filter(|mark| mark.starts_with('a')).count();
            assert_eq!(done, 3, "{name}: after a lost answer to write {write}");
            world.release(&format!("{other}/one"));
            wait(db, busy.id(), &[State::Succeeded]).await;
            assert_eq!(locks(db).await, 0, "{name}");
            engine.drain().await;
        }
    }
}

/// A commit that took effect only after the lease was given back, as it may over a broken connection.
#[tokio::test]
async fn a_lease_that_nobody_has_in_hand_runs_out() {
    for TestDatabase { db, name, .. } in databases().await.iter().filter(|database| database.db.is_postgres()) {
        let world = Arc::<World>::default();
        let engine = start(db, &world).await;
        world.block("busy/two");
        let busy = make(db, &engine, "busy").await;
        until("it is busy", || world.calls_of("two") == 1).await;
        let mut tx = db.begin().await.unwrap();
        let operation = NewOperation::new("toy.make", "toy", "a");
        let id = enqueue(&mut tx, operation).await.unwrap();
        let soon = Timestamp::now().plus(Duration::from_secs(1));
        let sql = "UPDATE operations SET lease_owner = (SELECT lease_owner FROM operations WHERE id = $2), lease_until = $3, \
                   next_run_at = $3, fence = 1, state = 'running' WHERE id = $1";
        tx.execute(sql, args![&id, &busy, soon]).await.unwrap();
        tx.commit().await.unwrap();
        wait(db, &id, &[State::Succeeded]).await;
        let other = operations::get(&mut db.read().await.unwrap(), &busy).await.unwrap().unwrap();
        assert_eq!((other.state, other.fence), (State::Running, 1), "{name}: it was busy all the time");
        world.release("busy/two");
        wait(db, &busy, &[State::Succeeded]).await;
        engine.drain().await;
    }
}

/// Many servers of a node whose process is away don't keep the others waiting.
#[tokio::test]
async fn a_process_leaves_the_servers_of_other_nodes_alone() {
    for TestDatabase { db, name, .. } in databases().await.iter().filter(|database| database.db.is_postgres()) {
        let world = Arc::<World>::default();
        let mut foreign = Vec::new();
        let mut tx = db.begin().await.unwrap();
        for number in 0..100 {
            let resource = format!("theirs{number}");
            let operation =
                NewOperation { node: "theirs".to_owned(), ..NewOperation::new("toy.make", "toy", &resource) };
            foreign.push(enqueue(&mut tx, operation).await.unwrap());
        }
        tx.commit().await.unwrap();
        let ours = start_on(db, &world, &["ours"]).await;
        let nowhere = start_on(db, &world, &[]).await;
        rounds(db, &[&ours, &nowhere], "ours").await;
        for id in &foreign {
            let operation = operations::get(&mut db.read().await.unwrap(), id).await.unwrap().unwrap();
            assert_eq!((operation.state, operation.fence), (State::Queued, 0), "{name}");
        }
        let theirs = start_on(db, &world, &["theirs"]).await;
        for id in &foreign {
            wait(db, id, &[State::Succeeded]).await;
        }
        assert!(counted(&theirs, "succeeded") >= 100, "{name}");
        for engine in [ours, nowhere, theirs] {
            engine.drain().await;
        }
    }
}
