//! Two processes on one database, each with a node of its own.

use std::sync::Arc;

use skyloom_cloud::Cloud;
use skyloom_jobs::faults::Settings;
use skyloom_jobs::{Engine, State};
use skyloom_model::Timestamp;
use skyloom_runtime::bindings::cloud::compute::OnFailure;
use skyloom_runtime::driver::Driver;
use skyloom_store::{args, nodes, placements, testing};

use crate::fixture::{Fixture, node, run, times};
use crate::kinds::Kind;
use crate::world::World;

/// Another process with the node `node-2`.
async fn neighbour(fixture: &Fixture) -> (Cloud, Arc<World>) {
    let cloud = Cloud::new(fixture.db.clone(), fixture.settings.clone()).unwrap();
    let world = Arc::new(World::default());
    world.keep_blobs_in(&fixture.settings.images.folder);
    cloud.compute.attach_node(node("node-2"), world.clone() as Arc<dyn Driver>).await.expect("attached");
    (cloud, world)
}

async fn enabled(fixture: &Fixture, name: &str) -> bool {
    nodes::get(&mut fixture.db.read().await.unwrap(), name).await.unwrap().expect("the node's row").enabled
}

async fn change(fixture: &Fixture, sql: &str, name: &str) {
    let mut tx = fixture.db.begin().await.unwrap();
    assert_eq!(tx.execute(sql, args![name]).await.unwrap(), 1, "{sql}");
    tx.commit().await.unwrap();
}

fn retries(engine: &Engine) -> u64 {
    engine.metrics().snapshot().into_iter().find(|(name, ..)| *name == "retries").expect("a counter").2
}

/// Whoever has room gets the server; whoever has the node does its operations, for as long as that takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_the_work_of_the_process_that_has_its_node() {
    let Some(database) = testing::postgres().await else { return };
    let fixture = Fixture::new(database).await;
    let (cloud, world) = neighbour(&fixture).await;
    change(&fixture, "UPDATE nodes SET memory_mib = 100 WHERE name = $1", "node-1").await;
    // The request comes to the process that has no room; the other one is away for the moment.
    let here = fixture.start(Settings::default()).await;
    let (server, created) = fixture.create(OnFailure::Keep).await;
    let placed = "SELECT count(*) FROM placements WHERE holder_id = $1 AND node = 'node-2'";
    while fixture.count(placed, &server).await == 0 {
        tokio::task::yield_now().await;
    }
    while !fixture.operation(&created).await.lease_owner.is_empty() {
        tokio::task::yield_now().await;
    }
    let waiting = async || placements::waiting(&mut fixture.db.read().await.unwrap(), Timestamp::now()).await.unwrap();
    assert_eq!(waiting().await, [("node-2".to_owned(), 1)], "what the operator is told of");
    let there = run(&cloud, times(), Settings::default()).await;
    let done = fixture.rest(&created).await.unwrap();
    assert_eq!(waiting().await, []);
    assert_eq!((done.state, done.attempt), (State::Succeeded, 0), "{:?}", done.error);
    assert!(world.machine(&server).is_some_and(|machine| machine.running), "it runs on the other node");
    let life = [
        Kind::Stop { hard: true },
        Kind::Start,
        Kind::Reboot { hard: true },
        Kind::Pause,
        Kind::Unpause,
        Kind::Suspend,
        Kind::Resume,
        Kind::Resize { running: true },
        Kind::Revert { running: true },
        Kind::Resize { running: true },
        Kind::Confirm,
        Kind::Recycle,
        Kind::Restore,
        Kind::Delete,
    ];
    for kind in life {
        cloud.compute.beat().await.expect("its process says that it is there");
        let operation = fixture.ask(kind, &server).await;
        let done = fixture.rest(&operation).await.unwrap();
        assert_eq!((done.state, done.attempt), (State::Succeeded, 0), "{kind:?}: {:?}", done.error);
    }
    assert!(world.machine(&server).is_none());
    assert_eq!((retries(&here), retries(&there)), (0, 0), "no attempt was made in vain");
    there.abort();
    fixture.kill();
    fixture.check_everything().await;
}

/// A resize goes to another process's node and back: each process does the steps of its own node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_goes_to_the_node_of_another_process_and_back() {
    let Some(database) = testing::postgres().await else { return };
    let fixture = Fixture::new(database).await;
    let (cloud, world) = neighbour(&fixture).await;
    let here = fixture.start(Settings::default()).await;
    let there = run(&cloud, times(), Settings::default()).await;
    let (server, created) = fixture.create(OnFailure::Keep).await;
    assert_eq!(fixture.rest(&created).await.unwrap().state, State::Succeeded);
    assert!(fixture.world.machine(&server).is_some_and(|machine| machine.running), "the first of two empty nodes");
    change(&fixture, "UPDATE nodes SET memory_mib = 1000 WHERE name = $1", "node-1").await;
    let life = [
        (Kind::Resize { running: true }, true),
        (Kind::Revert { running: true }, false),
        (Kind::Resize { running: true }, true),
        (Kind::Confirm, true),
    ];
    for (kind, away) in life {
        fixture.cloud.compute.beat().await.expect("both say that they are there");
        cloud.compute.beat().await.expect("both say that they are there");
        let operation = fixture.ask(kind, &server).await;
        let done = fixture.rest(&operation).await.unwrap();
        assert_eq!((done.state, done.attempt), (State::Succeeded, 0), "{kind:?}: {:?}", done.error);
        let runs = [&fixture.world, &world].map(|world| world.machine(&server).is_some_and(|machine| machine.running));
        assert_eq!(runs, [!away, away], "{kind:?}: on which node it runs");
    }
    assert_eq!(fixture.world.machine(&server), None, "confirmed, and nothing is left");
    let operation = fixture.ask(Kind::Delete, &server).await;
    assert_eq!(fixture.rest(&operation).await.unwrap().state, State::Succeeded);
    assert!(world.sight().disks.is_empty(), "{:?}", world.sight());
    assert_eq!((retries(&here), retries(&there)), (0, 0), "no attempt was made in vain");
    there.abort();
    fixture.kill();
    fixture.check_everything().await;
}

/// A delete while the creation waits for the process of its node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_waits_for_another_process_is_unwound_there() {
    let Some(database) = testing::postgres().await else { return };
    let fixture = Fixture::new(database).await;
    let (cloud, _world) = neighbour(&fixture).await;
    change(&fixture, "UPDATE nodes SET memory_mib = 100 WHERE name = $1", "node-1").await;
    fixture.start(Settings::default()).await;
    let (server, created) = fixture.create(OnFailure::Keep).await;
    let waits = "SELECT count(*) FROM operations WHERE id = $1 AND step = 1 AND lease_owner = ''";
    while fixture.count(waits, &created).await == 0 {
        tokio::task::yield_now().await;
    }
    let deleted = fixture.ask(Kind::Delete, &server).await;
    let there = run(&cloud, times(), Settings::default()).await;
    assert_eq!(fixture.rest(&created).await.unwrap().state, State::Cancelled);
    assert_eq!(fixture.rest(&deleted).await.unwrap().state, State::Succeeded);
    there.abort();
    fixture.kill();
    fixture.check_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_leaves_the_nodes_of_other_processes_in_use() {
    let Some(database) = testing::postgres().await else { return };
    let fixture = Fixture::new(database).await;
    let (other, _world) = neighbour(&fixture).await;
    assert_eq!(other.compute.retire_other_nodes().await.unwrap(), 0);
    // One that only takes requests has no nodes at all.
    let requests = Cloud::new(fixture.db.clone(), fixture.settings.clone()).unwrap();
    assert_eq!(requests.compute.retire_other_nodes().await.unwrap(), 0);
    assert!(enabled(&fixture, "node-1").await && enabled(&fixture, "node-2").await);
    // A process that is gone says nothing any more; when it is back its node takes servers again.
    change(&fixture, "UPDATE nodes SET updated_at = 0 WHERE name = $1", "node-2").await;
    assert_eq!(fixture.cloud.compute.retire_other_nodes().await.unwrap(), 1);
    assert!(enabled(&fixture, "node-1").await && !enabled(&fixture, "node-2").await);
    other.compute.beat().await.unwrap();
    assert!(enabled(&fixture, "node-2").await);
}

/// The single process of a database knows at once which nodes there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_other_processes_a_node_that_is_not_named_is_retired_at_once() {
    let fixture = Fixture::new(testing::sqlite().await).await;
    let before = Timestamp::now();
    let (other, _world) = neighbour(&fixture).await;
    assert_eq!(other.compute.retire_other_nodes().await.unwrap(), 1);
    assert!(!enabled(&fixture, "node-1").await && enabled(&fixture, "node-2").await);
    let row = nodes::get(&mut fixture.db.read().await.unwrap(), "node-1").await.unwrap().unwrap();
    assert!(row.updated_at >= before, "how long it is shown is counted from here");
}
