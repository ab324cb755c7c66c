//! Two processes on one database, each with a node of its own.

use std::sync::Arc;

use skyloom_cloud::Cloud;
use skyloom_model::Timestamp;
use skyloom_runtime::driver::Driver;
use skyloom_store::{args, nodes, testing};

use crate::fixture::{Fixture, node};
use crate::world::World;

/// Another process with the node `node-2`.
async fn neighbour(fixture: &Fixture) -> (Cloud, Arc<World>) {
    let cloud = Cloud::new(fixture.db.clone(), fixture.settings.clone()).unwrap();
    let world = Arc::new(World::default());
    cloud.attach_node(node("node-2"), world.clone() as Arc<dyn Driver>).await.expect("attached");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_leaves_the_nodes_of_other_processes_in_use() {
    let Some(database) = testing::postgres().await else { return };
    let fixture = Fixture::new(database).await;
    let (other, _world) = neighbour(&fixture).await;
    assert_eq!(other.retire_other_nodes().await.unwrap(), 0);
    // One that only takes requests has no nodes at all.
    let requests = Cloud::new(fixture.db.clone(), fixture.settings.clone()).unwrap();
    assert_eq!(requests.retire_other_nodes().await.unwrap(), 0);
    assert!(enabled(&fixture, "node-1").await && enabled(&fixture, "node-2").await);
    // A process that is gone says nothing any more; when it is back its node takes servers again.
    change(&fixture, "UPDATE nodes SET updated_at = 0 WHERE name = $1", "node-2").await;
    assert_eq!(fixture.cloud.retire_other_nodes().await.unwrap(), 1);
    assert!(enabled(&fixture, "node-1").await && !enabled(&fixture, "node-2").await);
    other.beat().await.unwrap();
    assert!(enabled(&fixture, "node-2").await);
}

/// The single process of a database knows at once which nodes there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_other_processes_a_node_that_is_not_named_is_retired_at_once() {
    let fixture = Fixture::new(testing::sqlite().await).await;
    let before = Timestamp::now();
    let (other, _world) = neighbour(&fixture).await;
    assert_eq!(other.retire_other_nodes().await.unwrap(), 1);
    assert!(!enabled(&fixture, "node-1").await && enabled(&fixture, "node-2").await);
    let row = nodes::get(&mut fixture.db.read().await.unwrap(), "node-1").await.unwrap().unwrap();
    assert!(row.updated_at >= before, "how long it is shown is counted from here");
}
