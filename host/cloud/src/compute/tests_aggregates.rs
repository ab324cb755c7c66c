//! Rules of host aggregates, on both databases.

use std::sync::Arc;

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, VolumesApi};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

use super::testing::{Kind, World, member, operator, page, volume, worlds};
use crate::Settings;
use crate::lists::asked;

fn text(text: &str) -> String {
    text.to_owned()
}

fn unchanged() -> wit::AggregateUpdate {
    wit::AggregateUpdate { name: None, zone: None, metadata: Vec::new() }
}

fn to_zone(zone: &str) -> wit::AggregateUpdate {
    wit::AggregateUpdate { zone: Some(text(zone)), ..unchanged() }
}

fn change(key: &str, value: Option<&str>) -> wit::MetadataChange {
    wit::MetadataChange { key: text(key), value: value.map(text) }
}

/// Code and reason.
fn why(error: &Error) -> (ErrorCode, Option<&str>) {
    (error.kind(), error.reason.as_deref())
}

struct Operator<'w> {
    world: &'w World,
    context: Arc<CallContext>,
}

impl Operator<'_> {
    async fn make(&self, name: &str, zone: Option<&str>) -> String {
        let made = self.world.cloud.create_aggregate(&self.context, text(name), zone.map(text)).await;
        made.expect("an aggregate").id
    }

    async fn add(&self, id: &str, node: &str) -> Result<wit::Aggregate, Error> {
        self.world.cloud.add_aggregate_node(&self.context, text(id), text(node)).await
    }

    async fn remove(&self, id: &str, node: &str) -> Result<wit::Aggregate, Error> {
        self.world.cloud.remove_aggregate_node(&self.context, text(id), text(node)).await
    }

    async fn update(&self, id: &str, update: wit::AggregateUpdate) -> Result<wit::Aggregate, Error> {
        self.world.cloud.update_aggregate(&self.context, text(id), update).await
    }

    async fn get(&self, id: &str) -> Result<wit::Aggregate, Error> {
        self.world.cloud.get_aggregate(&self.context, text(id)).await
    }

    /// Each zone with whether it takes servers and its nodes, joined.
    async fn zones(&self) -> Vec<(String, bool, String)> {
        let zones = self.world.cloud.list_zones(&self.context).await.expect("zones");
        zones.into_iter().map(|zone| (zone.name, zone.available, zone.nodes.join(" "))).collect()
    }
}

/// Worlds with the nodes `node-1` to `node-3`, all in `zone-1`.
async fn with_nodes(check: impl AsyncFn(&Operator<'_>)) {
    for world in worlds(Settings::default()).await {
        for name in ["node-2", "node-3"] {
            world.attach(name, "zone-1").await;
        }
        check(&Operator { world: &world, context: operator("op") }).await;
    }
}

#[tokio::test]
async fn only_operators_reach_aggregates() {
    with_nodes(async |operator| {
        let id = operator.make("fast", None).await;
        let (cloud, nobody) = (&operator.world.cloud, member("p"));
        let refused = [
            cloud.list_aggregates(&nobody, Vec::new(), page(0, None)).await.err(),
            cloud.get_aggregate(&nobody, id.clone()).await.err(),
            cloud.create_aggregate(&nobody, text("mine"), None).await.err(),
            cloud.update_aggregate(&nobody, id.clone(), to_zone("east")).await.err(),
            cloud.add_aggregate_node(&nobody, id.clone(), text("node-1")).await.err(),
            cloud.remove_aggregate_node(&nobody, id.clone(), text("node-1")).await.err(),
            cloud.delete_aggregate(&nobody, id.clone()).await.err(),
        ];
        for (number, error) in refused.into_iter().enumerate() {
            assert_eq!(error.expect("refused").kind(), ErrorCode::Forbidden, "call {number}");
        }
        assert_eq!(operator.get(&id).await.expect("as it was").zone, None);
    })
    .await;
}

#[tokio::test]
async fn an_aggregate_is_made_changed_listed_and_deleted() {
    with_nodes(async |operator| {
        let (cloud, context) = (&operator.world.cloud, &operator.context);
        let (fast, slow) = (operator.make("fast", Some("east")).await, operator.make("slow", None).await);
        let made = operator.get(&fast).await.expect("it is there");
        assert_eq!((made.name.as_str(), made.zone.as_deref(), made.updated_at), ("fast", Some("east"), None));
        assert!(made.nodes.is_empty() && made.metadata.is_empty() && !made.uuid.is_empty());
        let metadata = vec![change("ssd", Some("yes")), change("rack", Some("7"))];
        operator.update(&fast, wit::AggregateUpdate { metadata, ..unchanged() }).await.expect("metadata");
        let metadata = vec![change("rack", None), change("none", None), change("ssd", Some("no"))];
        let update = wit::AggregateUpdate { name: Some(text("faster")), metadata, zone: Some(text("west")) };
        let changed = operator.update(&fast, update).await.expect("all of it");
        assert_eq!((changed.name.as_str(), changed.zone.as_deref()), ("faster", Some("west")));
        assert_eq!(changed.metadata, [(text("ssd"), text("no"))]);
        assert!(changed.updated_at.is_some());
        assert_eq!(operator.get(&fast).await.expect("it").metadata, changed.metadata);
        let listed = cloud.list_aggregates(context, Vec::new(), page(0, None)).await.expect("list").aggregates;
        assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [&fast, &slow]);
        let wanted = vec![asked("name", "any-of", &["slow"])];
        let listed = cloud.list_aggregates(context, wanted, page(0, None)).await.expect("list").aggregates;
        assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), [&slow]);
        cloud.delete_aggregate(context, fast.clone()).await.expect("deletion");
        let gone = [
            operator.get(&fast).await.err(),
            operator.update(&fast, to_zone("east")).await.err(),
            operator.add(&fast, "node-1").await.err(),
            operator.remove(&fast, "node-1").await.err(),
            cloud.delete_aggregate(context, fast.clone()).await.err(),
        ];
        for error in gone {
            let error = error.expect("it is gone");
            assert_eq!((error.kind(), error.resource), (ErrorCode::NotFound, Some((text("aggregate"), fast.clone()))));
        }
    })
    .await;
}

#[tokio::test]
async fn names_zones_and_metadata_are_checked() {
    with_nodes(async |operator| {
        let (cloud, context) = (&operator.world.cloud, &operator.context);
        let id = operator.make("fast", None).await;
        let taken = cloud.create_aggregate(context, text("fast"), None).await.expect_err("a twin");
        assert_eq!((taken.kind(), taken.field.as_deref()), (ErrorCode::AlreadyExists, Some("name")));
        let other = operator.make("slow", None).await;
        let rename = wit::AggregateUpdate { name: Some(text("fast")), ..unchanged() };
        assert_eq!(operator.update(&other, rename).await.expect_err("a twin").kind(), ErrorCode::AlreadyExists);
        let long = "x".repeat(256);
        let long = long.as_str();
        for (name, zone, field) in
            [("", None, "name"), (long, None, "name"), ("a", Some(""), "zone"), ("a", Some("b:c"), "zone")]
        {
            let wrong = cloud.create_aggregate(context, text(name), zone.map(text)).await.expect_err(field);
            assert_eq!((wrong.kind(), wrong.field.as_deref()), (ErrorCode::Invalid, Some(field)));
        }
        assert_eq!(operator.update(&id, to_zone("b:c")).await.expect_err("a colon").field.as_deref(), Some("zone"));
        for (key, value) in [("", "x"), (long, "x"), ("x", long)] {
            let metadata = vec![change(key, Some(value))];
            let wrong = operator.update(&id, wit::AggregateUpdate { metadata, ..unchanged() }).await;
            assert_eq!(wrong.expect_err("metadata").field.as_deref(), Some("metadata"));
        }
    })
    .await;
}

#[tokio::test]
async fn an_aggregates_zone_is_its_nodes_zone() {
    with_nodes(async |operator| {
        let row = |zone: &str, available, nodes: &str| (text(zone), available, text(nodes));
        let fast = operator.make("fast", Some("east")).await;
        // Everybody sees the zone at once, though nothing can be placed there.
        assert_eq!(operator.zones().await, [row("east", false, ""), row("zone-1", true, "node-1 node-2 node-3")]);
        let world = operator.world;
        let create = || wit::ServerCreate { zone: Some(text("east")), ..world.create(&["a"]) };
        let early = world.cloud.create_servers(&member("p"), create()).await.expect_err("no node");
        assert_eq!(early.field.as_deref(), Some("zone"));
        assert_eq!(operator.add(&fast, "node-2").await.expect("node-2").nodes, ["node-2"]);
        assert_eq!(operator.add(&fast, "node-1").await.expect("node-1").nodes, ["node-1", "node-2"]);
        assert_eq!(operator.zones().await, [row("east", true, "node-1 node-2"), row("zone-1", true, "node-3")]);
        world.cloud.create_servers(&member("p"), create()).await.expect("a server there");
        // What the deployment says again changes nothing; what it says is the node's own.
        world.attach("node-1", "zone-2").await;
        assert_eq!(operator.zones().await[0], row("east", true, "node-1 node-2"));
        operator.update(&fast, to_zone("west")).await.expect("another zone");
        assert_eq!(operator.zones().await, [row("west", true, "node-1 node-2"), row("zone-1", true, "node-3")]);
        operator.remove(&fast, "node-1").await.expect("node-1");
        let zones = [row("west", true, "node-2"), row("zone-1", true, "node-3"), row("zone-2", true, "node-1")];
        assert_eq!(operator.zones().await, zones, "{}", world.database.name);
        let seen = world.cloud.list_zones(&member("p")).await.expect("zones");
        assert!(seen.iter().all(|zone| zone.nodes.is_empty()) && seen.len() == 3);
    })
    .await;
}

#[tokio::test]
async fn a_node_is_in_the_zone_of_one_aggregate_at_most() {
    with_nodes(async |operator| {
        let (east, west) = (operator.make("e", Some("east")).await, operator.make("w", Some("west")).await);
        let (also, plain) = (operator.make("e2", Some("east")).await, operator.make("plain", None).await);
        for id in [&east, &also, &plain] {
            operator.add(id, "node-1").await.expect("it fits");
        }
        let other = Some("other-zone");
        assert_eq!(why(&operator.add(&west, "node-1").await.expect_err("east")), (ErrorCode::WrongState, other));
        assert_eq!(
            why(&operator.update(&also, to_zone("west")).await.expect_err("east")),
            (ErrorCode::WrongState, other)
        );
        assert_eq!(
            why(&operator.update(&plain, to_zone("west")).await.expect_err("east")),
            (ErrorCode::WrongState, other)
        );
        operator.update(&plain, to_zone("east")).await.expect("the same zone");
        operator.remove(&east, "node-1").await.expect("removal");
        let zones = operator.zones().await;
        assert_eq!((zones[0].0.as_str(), zones[0].2.as_str()), ("east", "node-1"), "by the other ones still");
    })
    .await;
}

#[tokio::test]
async fn a_node_that_holds_anything_keeps_its_zone() {
    with_nodes(async |operator| {
        let world = operator.world;
        let (east, home) = (operator.make("e", Some("east")).await, operator.make("h", Some("zone-1")).await);
        let plain = operator.make("plain", None).await;
        let held = volume(world, &member("p"), "node-1").await;
        let used = (ErrorCode::WrongState, Some("in-use"));
        assert_eq!(why(&operator.add(&east, "node-1").await.expect_err("it moves")), used);
        assert!(operator.get(&east).await.expect("it").nodes.is_empty(), "nothing is stored");
        operator.add(&plain, "node-1").await.expect("no zone");
        assert_eq!(why(&operator.update(&plain, to_zone("east")).await.expect_err("it moves")), used);
        assert_eq!(operator.get(&plain).await.expect("it").zone, None);
        operator.add(&home, "node-1").await.expect("the zone that it is in");
        operator.remove(&home, "node-1").await.expect("the zone stays");
        operator.add(&east, "node-2").await.expect("another node is free");
        let mut tx = world.database.db.begin().await.expect("begin");
        skyloom_store::placements::release(&mut tx, &held).await.expect("release");
        tx.commit().await.expect("commit");
        world.cloud.get_volume(&member("p"), held.clone()).await.expect("a volume without a place");
        operator.add(&east, "node-1").await.expect("it holds nothing any more");
    })
    .await;
}

#[tokio::test]
async fn nodes_are_known_and_stand_in_an_aggregate_once() {
    with_nodes(async |operator| {
        let id = operator.make("fast", None).await;
        let unknown = [operator.add(&id, "node-9").await.err(), operator.remove(&id, "node-9").await.err()];
        for error in unknown {
            let error = error.expect("there is no such node");
            assert_eq!((error.kind(), error.resource), (ErrorCode::NotFound, Some((text("node"), text("node-9")))));
        }
        operator.add(&id, "node-1").await.expect("a node");
        let twice = operator.add(&id, "node-1").await.expect_err("it is there");
        assert_eq!((twice.kind(), twice.field.as_deref()), (ErrorCode::AlreadyExists, Some("node")));
        let absent = operator.remove(&id, "node-2").await.expect_err("it isn't there");
        assert_eq!((absent.kind(), absent.field.as_deref()), (ErrorCode::NotFound, Some("node")));
        let (cloud, context) = (&operator.world.cloud, &operator.context);
        let full = cloud.delete_aggregate(context, id.clone()).await.expect_err("it has a node");
        assert_eq!(why(&full), (ErrorCode::WrongState, Some("has-nodes")));
        assert!(operator.remove(&id, "node-1").await.expect("removal").nodes.is_empty());
        cloud.delete_aggregate(context, id).await.expect("it is empty");
    })
    .await;
}
