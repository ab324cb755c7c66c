//! Servers of groups on several compute nodes.

use skyloom_model::{ErrorCode, Result, Timestamp};
use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_store::collisions::again;
use skyloom_store::placements::Amount;
use skyloom_store::servers::{self, Change};

use super::place as places;
use crate::Settings;
use crate::compute::testing::{World, member, worlds};

const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// Worlds with three nodes.
async fn wide() -> Vec<World> {
    let mut settings = Settings::default();
    for quota in ["servers", "vcpus", "volumes"] {
        settings.compute.quotas.insert(quota.to_owned(), -1);
    }
    let worlds = worlds(settings).await;
    for world in &worlds {
        world.attach("node-2", "zone-1").await;
        world.attach("node-3", "zone-1").await;
    }
    worlds
}

async fn group(world: &World, policy: &str, most: Option<u32>) -> String {
    let create =
        wit::ServerGroupCreate { name: policy.to_owned(), policy: policy.to_owned(), max_servers_per_node: most };
    world.cloud.create_server_group(&member("p"), create).await.expect("a group").id
}

/// New servers that have no place yet, of the group.
async fn servers(world: &World, group: &str, count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let create = wit::ServerCreate { group_id: Some(group.to_owned()), ..world.create(&names) };
    world.cloud.create_servers(&member("p"), create).await.expect("servers").server_ids
}

/// As the creation's first step does it.
async fn place(world: &World, id: &str, wanted: Option<&str>) -> Result<String> {
    again(|| async {
        let mut tx = world.database.db.begin().await?;
        servers::lock(&mut tx, id).await?;
        let node = places::home(&mut tx, &world.cloud.compute, id, wanted).await?;
        let change = Change { node: Some(&node), ..Change::default() };
        servers::change(&mut tx, id, &change, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(node)
    })
    .await
}

async fn place_all(world: &World, ids: &[String]) -> Vec<String> {
    let mut nodes = Vec::new();
    for id in ids {
        nodes.push(place(world, id, None).await.expect("a place"));
    }
    nodes
}

#[tokio::test]
async fn servers_that_keep_apart_are_on_different_nodes_or_nowhere() {
    for world in wide().await {
        let ids = servers(&world, &group(&world, "anti-affinity", None).await, 4).await;
        let mut nodes = place_all(&world, &ids[..3]).await;
        nodes.sort();
        assert_eq!(nodes, NODES, "{}", world.database.name);
        let refused = place(&world, &ids[3], None).await.expect_err("there is no fourth node");
        assert_eq!((refused.code, refused.reason.as_deref()), (ErrorCode::NoCapacity, Some("group-policy")));
        assert_eq!(place(&world, &ids[0], None).await.expect("it keeps its place"), place_of(&world, &ids[0]).await);
    }
}

async fn place_of(world: &World, id: &str) -> String {
    let mut conn = world.database.db.read().await.expect("a connection");
    let sql = "SELECT node FROM placements WHERE holder_id = $1";
    conn.one(sql, skyloom_store::args![id], |row| row.text(0)).await.expect("a place")
}

#[tokio::test]
async fn a_resize_that_a_policy_keeps_from_other_nodes_says_so() {
    for world in wide().await {
        let mut ids = servers(&world, &group(&world, "anti-affinity", None).await, 2).await;
        let alone = world.cloud.create_servers(&member("p"), world.create(&["x"])).await.expect("a server");
        ids.extend(alone.server_ids);
        place_all(&world, &ids).await;
        // More than any node has.
        let size = Amount { memory_mib: i64::MAX / 2, ..Amount::default() };
        for (id, reason) in [(&ids[0], Some("group-policy")), (&ids[2], None)] {
            let mut tx = world.database.db.begin().await.expect("begin");
            servers::lock(&mut tx, id).await.expect("the server");
            let full = places::other(&mut tx, &world.cloud.compute, id, size).await.expect_err("no room");
            assert_eq!((full.code, full.reason.as_deref()), (ErrorCode::NoCapacity, reason), "{}", world.database.name);
        }
    }
}

#[tokio::test]
async fn a_rule_says_how_many_servers_of_a_group_one_node_takes() {
    for world in wide().await {
        let ids = servers(&world, &group(&world, "anti-affinity", Some(2)).await, 7).await;
        let nodes = place_all(&world, &ids[..6]).await;
        for name in NODES {
            assert_eq!(nodes.iter().filter(|node| *node == name).count(), 2, "{}: {name}", world.database.name);
        }
        assert_eq!(
            place(&world, &ids[6], None).await.expect_err("three nodes, two on each").code,
            ErrorCode::NoCapacity
        );
    }
}

#[tokio::test]
async fn servers_that_keep_together_are_on_one_node_or_nowhere() {
    for world in wide().await {
        let ids = servers(&world, &group(&world, "affinity", None).await, 3).await;
        let nodes = place_all(&world, &ids[..2]).await;
        assert_eq!(nodes[0], nodes[1], "{}", world.database.name);
        let elsewhere = NODES.into_iter().find(|name| *name != nodes[0]);
        let refused = place(&world, &ids[2], elsewhere).await.expect_err("the others are elsewhere");
        assert_eq!((refused.code, refused.reason.as_deref()), (ErrorCode::NoCapacity, Some("group-policy")));
    }
}

#[tokio::test]
async fn a_soft_policy_gives_way_where_a_hard_one_refuses() {
    for world in wide().await {
        let apart = servers(&world, &group(&world, "soft-anti-affinity", None).await, 4).await;
        let mut nodes = place_all(&world, &apart).await;
        nodes.sort();
        nodes.dedup();
        assert_eq!(nodes, NODES, "{}: apart first, then anywhere", world.database.name);
        let together = servers(&world, &group(&world, "soft-affinity", None).await, 3).await;
        let nodes = place_all(&world, &together[..2]).await;
        assert_eq!(nodes[0], nodes[1], "{}: though others are emptier", world.database.name);
        let other = NODES.into_iter().find(|name| *name != nodes[0]);
        place(&world, &together[2], other).await.expect("elsewhere, if it must be");
    }
}

#[tokio::test]
async fn two_servers_of_a_group_that_are_placed_at_once_keep_apart() {
    for world in wide().await {
        let group = group(&world, "anti-affinity", None).await;
        for _ in 0..3 {
            let ids = servers(&world, &group, 2).await;
            let (one, other) = tokio::join!(place(&world, &ids[0], None), place(&world, &ids[1], None));
            let (one, other) = (one.expect("a place"), other.expect("a place"));
            assert_ne!(one, other, "{}", world.database.name);
            let mut tx = world.database.db.begin().await.expect("begin");
            for id in &ids {
                skyloom_store::placements::release(&mut tx, id).await.expect("release");
            }
            tx.commit().await.expect("commit");
        }
    }
}

#[tokio::test]
async fn servers_of_other_groups_and_of_none_are_nobodys_company() {
    for world in wide().await {
        let (one, other) = (group(&world, "anti-affinity", None).await, group(&world, "anti-affinity", None).await);
        let mut ids = servers(&world, &one, 3).await;
        ids.extend(servers(&world, &other, 3).await);
        let alone = world.cloud.create_servers(&member("p"), world.create(&["x"])).await.expect("a server");
        ids.extend(alone.server_ids);
        assert_eq!(place_all(&world, &ids).await.len(), 7, "{}", world.database.name);
    }
}

#[tokio::test]
async fn who_joins_a_group_keeps_the_others_off_its_node() {
    for world in wide().await {
        let group = group(&world, "anti-affinity", None).await;
        let alone = world.cloud.create_servers(&member("p"), world.create(&["x"])).await.expect("a server");
        let id = &alone.server_ids[0];
        let home = place(&world, id, None).await.expect("a place");
        world.make_stopped(id, &home).await;
        world.cloud.add_server_group_member(&member("p"), group.clone(), id.clone()).await.expect("it joins");
        let nodes = place_all(&world, &servers(&world, &group, 2).await).await;
        assert!(!nodes.contains(&home), "{}: {nodes:?}", world.database.name);
        world.cloud.remove_server_group_member(&member("p"), group.clone(), id.clone()).await.expect("it leaves");
        let nodes = place_all(&world, &servers(&world, &group, 1).await).await;
        assert_eq!(nodes, [home], "{}: the node is free for them again", world.database.name);
    }
}
