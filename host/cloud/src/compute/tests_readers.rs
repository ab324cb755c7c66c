//! Reads of a node that another process drives, on both databases. The other process is another core over the same database.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use skyloom_model::{ErrorCode, Result, Timestamp};
use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::driver::{ReadCall, Reading};
use skyloom_store::{args, nodes};

use super::readers::{Processes, out_of_reach};
use super::testing::{FakeDriver, Kind, World, member, worlds};
use crate::{Cloud, Settings};

/// Hands reads to the core that stands for the process at the address.
struct Direct {
    at: Mutex<Option<(&'static str, Cloud)>>,
    asked: AtomicUsize,
}

impl Direct {
    fn to(at: Option<(&'static str, Cloud)>) -> Arc<Self> {
        Arc::new(Self { at: Mutex::new(at), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Processes for Direct {
    async fn read(&self, address: &str, node: &str, call: ReadCall<'_>) -> Result<Reading> {
        self.asked.fetch_add(1, Relaxed);
        let at = self.at.lock().expect("the process").clone();
        let (_, cloud) = at.filter(|(known, _)| *known == address).ok_or_else(|| out_of_reach("nobody answers"))?;
        cloud.compute.read_for_another(node, call).await.unwrap_or_else(|| Err(out_of_reach("not driven there")))
    }
}

const ADDRESS: &str = "127.0.0.1:7";

/// The world's own process tells its address; another core without nodes asks.
async fn asking(world: &World, settings: &Settings, address: Option<&str>) -> (Cloud, Arc<Direct>) {
    let compute = &world.cloud.compute;
    compute.set_processes(address.map(str::to_owned), Direct::to(None));
    compute.beat().await.expect("it says that it is there");
    let other = Cloud::new(world.database.db.clone(), settings.clone()).expect("another process");
    let direct = Direct::to(Some((ADDRESS, world.cloud.clone())));
    other.compute.set_processes(None, direct.clone());
    (other, direct)
}

async fn active(world: &World) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    let id = made.server_ids[0].clone();
    world.make_active(&id).await;
    id
}

#[tokio::test]
async fn a_console_is_the_same_whichever_process_is_asked() {
    let settings = Settings::default();
    for world in worlds(settings.clone()).await {
        let (other, direct) = asking(&world, &settings, Some(ADDRESS)).await;
        let id = active(&world).await;
        for lines in [None, Some(2), Some(1)] {
            let here = world.cloud.console_output(&member("p"), id.clone(), lines).await.expect("here");
            let there = other.console_output(&member("p"), id.clone(), lines).await.expect("there");
            assert_eq!(there, here, "{lines:?} on {}", world.database.name);
        }
        assert_eq!(direct.asked.load(Relaxed), 3, "the process that drives it asks nobody");
    }
}

#[tokio::test]
async fn who_may_not_know_is_refused_before_another_process_is_asked() {
    let settings = Settings::default();
    for world in worlds(settings.clone()).await {
        let (other, direct) = asking(&world, &settings, Some(ADDRESS)).await;
        let id = active(&world).await;
        let error = other.console_output(&member("q"), id.clone(), None).await.expect_err("a foreign server");
        assert_eq!(error.kind(), ErrorCode::NotFound, "{}", world.database.name);
        assert_eq!(direct.asked.load(Relaxed), 0);
    }
}

#[tokio::test]
async fn a_process_without_an_address_is_not_asked_and_the_log_says_what_to_set() {
    let settings = Settings::default();
    for world in worlds(settings.clone()).await {
        let (other, direct) = asking(&world, &settings, None).await;
        let error = other.compute.reader("node-1").await.err().expect("no address");
        assert_eq!(error.code, ErrorCode::Unavailable, "{}", world.database.name);
        assert!(error.internal_text().is_some_and(|text| text.contains("`[internal] address`")), "{error:?}");
        assert!(!error.message.contains("node-1") && !error.message.contains("internal"), "{}", error.message);
        let id = active(&world).await;
        let refused = other.console_output(&member("p"), id, None).await.expect_err("no address");
        assert_eq!(refused.kind(), ErrorCode::Unavailable);
        assert_eq!(direct.asked.load(Relaxed), 0);
    }
}

#[tokio::test]
async fn a_process_that_was_not_heard_of_lately_is_not_asked() {
    let settings = Settings::default();
    for world in worlds(settings.clone()).await {
        let (other, direct) = asking(&world, &settings, Some(ADDRESS)).await;
        let ago = Timestamp::now().minus(settings.compute.attach.away * 2);
        let mut tx = world.database.db.begin().await.expect("begin");
        tx.execute("UPDATE nodes SET updated_at = $1", args![ago]).await.expect("an old word");
        tx.commit().await.expect("commit");
        for (node, why) in [("node-1", "an old word"), ("node-2", "no such node")] {
            let error = other.compute.reader(node).await.err().expect(why);
            assert_eq!(error.code, ErrorCode::Unavailable, "{why} on {}", world.database.name);
            assert!(error.internal_text().is_some_and(|text| text.contains(node)), "{error:?}");
        }
        assert_eq!(direct.asked.load(Relaxed), 0);
        world.cloud.compute.beat().await.expect("a new word");
        assert!(other.compute.reader("node-1").await.is_ok(), "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_process_answers_for_its_own_nodes_and_no_longer_than_for_its_clients() {
    let settings = Settings::default();
    let mut small = settings.clone();
    small.compute.console_kib = 0;
    for world in worlds(small).await {
        let call = ReadCall::ConsoleOutput { server_id: "s", max_bytes: 100 };
        assert!(world.cloud.compute.read_for_another("node-2", call).await.is_none());
        let read = world.cloud.compute.read_for_another("node-1", call).await.expect("its node").expect("a log");
        assert!(matches!(&read, Reading::Text(log) if log.is_empty()), "{read:?}");
    }
}

#[tokio::test]
async fn an_address_is_told_with_a_node_and_goes_with_the_setting() {
    for world in worlds(Settings::default()).await {
        let told = async || {
            let mut conn = world.database.db.read().await.expect("a connection");
            nodes::get(&mut conn, "node-1").await.expect("read").expect("the node").internal_address
        };
        assert_eq!(told().await, "", "{}", world.database.name);
        let compute = &world.cloud.compute;
        compute.set_processes(Some(ADDRESS.to_owned()), Direct::to(None));
        compute.change_driver("node-1", Arc::new(FakeDriver)).await.expect("attached");
        assert_eq!(told().await, ADDRESS, "{}", world.database.name);
        // Started again without one.
        let again = Cloud::new(world.database.db.clone(), Settings::default()).expect("the next process");
        let node = (*compute.node("node-1").expect("the node").settings).clone();
        again.compute.attach_node(node, Arc::new(FakeDriver)).await.expect("attached");
        assert_eq!(told().await, "", "{}", world.database.name);
    }
}
