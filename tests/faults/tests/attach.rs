//! A platform that doesn't answer when its node is put to use: nothing waits for it, and it is asked again.

use std::sync::Arc;

use skyloom_faults::PATIENCE;
use skyloom_jobs::{State, faults};
use skyloom_model::ErrorCode;
use skyloom_runtime::bindings::cloud::compute::OnFailure;
use skyloom_runtime::driver::Driver;
use skyloom_store::{nodes, testing};

use crate::fixture::{Fixture, node};
use crate::walk::clear;
use crate::world::{Presence, World};

async fn attach(fixture: &Fixture, name: &str) {
    fixture.cloud.compute.attach_node(node(name), fixture.world.clone() as Arc<dyn Driver>).await.expect("attached");
}

fn answered(fixture: &Fixture) -> Vec<bool> {
    fixture.cloud.compute.attached_nodes().into_iter().map(|node| node.answered).collect()
}

/// As after a restart while the platform is away: no server is placed there, and none is told to be, until it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_is_away_at_the_start_is_attached_when_it_is_back() {
    for presence in [Presence::Refuses, Presence::Hangs] {
        let fixture = Fixture::new(testing::sqlite().await).await;
        fixture.world.be(presence);
        attach(&fixture, "node-1").await;
        assert_eq!(answered(&fixture), [false], "{presence:?}");
        let attaching = fixture.cloud.compute.start_attaching();
        fixture.start(faults::Settings::default()).await;

        let (server, operation) = fixture.create(OnFailure::Keep).await;
        let failed = fixture.rest(&operation).await.unwrap();
        assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::NoCapacity), "{presence:?}");
        let fault = fixture.server(&server).await.unwrap().fault.expect("people are told why");
        assert_eq!(fault.message, "No compute node is available for the server at the moment.");
        fixture.check(&server, "no platform").await;
        clear(&fixture, &server, "no platform").await;
        assert!(!attaching.is_finished(), "{presence:?}: it is still asked");

        fixture.world.be(Presence::Answers);
        tokio::time::timeout(PATIENCE, attaching).await.expect("attached in time").unwrap();
        assert_eq!(answered(&fixture), [true], "{presence:?}");
        fixture.start(faults::Settings::default()).await;
        let (server, operation) = fixture.create(OnFailure::Keep).await;
        assert_eq!(fixture.rest(&operation).await.unwrap().state, State::Succeeded, "{presence:?}");
        fixture.check(&server, "attached again").await;
        clear(&fixture, &server, "attached again").await;
        fixture.check_everything().await;
    }
}

/// What an earlier answer said stays, because another process may reach the platform; a node of which nothing was ever known
/// has no room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_the_earlier_one_stays() {
    for database in testing::databases().await {
        let fixture = Fixture::new(database).await;
        let row = async |name: &str| {
            nodes::get(&mut fixture.db.read().await.unwrap(), name).await.unwrap().expect("the node's row")
        };
        let before = row("node-1").await;
        fixture.world.be(Presence::Refuses);
        attach(&fixture, "node-1").await;
        attach(&fixture, "node-2").await;
        let after = row("node-1").await;
        assert!(after.enabled && after.memory_mib == before.memory_mib && after.vcpus == before.vcpus, "{after:?}");
        let unknown = row("node-2").await;
        assert!(!unknown.enabled && unknown.memory_mib == 0 && unknown.zone == "zone-1", "{unknown:?}");
        fixture.world.be(Presence::Answers);
        let attaching = fixture.cloud.compute.start_attaching();
        tokio::time::timeout(PATIENCE, attaching).await.expect("attached in time").unwrap();
        let known = row("node-2").await;
        assert!(known.enabled && known.memory_mib == before.memory_mib, "{known:?}");
    }
}

/// An operator gives a node another driver: one that doesn't answer is refused, one that does is the node's from then on, and
/// nobody puts the earlier one back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_keeps_its_driver_until_another_one_answers() {
    let fixture = Fixture::new(testing::sqlite().await).await;
    let drives = |world: &Arc<World>| {
        let driver = fixture.cloud.compute.node("node-1").unwrap().driver;
        std::ptr::addr_eq(Arc::as_ptr(&driver), Arc::as_ptr(world))
    };
    let other = Arc::new(World::default());
    other.be(Presence::Refuses);
    fixture.cloud.compute.change_driver("node-1", other.clone()).await.unwrap_err();
    assert!(drives(&fixture.world) && answered(&fixture) == [true]);

    fixture.world.be(Presence::Refuses);
    attach(&fixture, "node-1").await;
    let attaching = fixture.cloud.compute.start_attaching();
    other.be(Presence::Answers);
    fixture.cloud.compute.change_driver("node-1", other.clone()).await.unwrap();
    tokio::time::timeout(PATIENCE, attaching).await.expect("nothing is left to be asked").unwrap();
    assert!(drives(&other) && answered(&fixture) == [true]);
    let error = fixture.cloud.compute.change_driver("node-2", other).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
}
