//! A server between two nodes: what it refuses, and the blobs through which its disks go, on both databases.

use std::collections::BTreeMap;

use skyloom_model::{ErrorCode, Timestamp, VmState};
use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_store::resizes::{self, Move, MovedDisk, Resize};
use skyloom_store::servers::{self, Change, FlavorCopy};

use super::testing::{Kind as _, World, member, worlds};
use crate::Settings;

/// A server that came from this node, with one disk that went through this blob.
async fn resized(world: &World, from: &str, blob: &str) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    let id = made.server_ids.into_iter().next().expect("one");
    world.make_active(&id).await;
    let disk = MovedDisk { id: "v".to_owned(), blob: blob.to_owned(), was_gib: 1 };
    let resize = Resize {
        server_id: id.clone(),
        project_id: "p".to_owned(),
        flavor_id: "2".to_owned(),
        vcpus: 1,
        memory_mib: 2048,
        flavor: FlavorCopy {
            name: "small".to_owned(),
            disk_gib: 20,
            ephemeral_gib: 0,
            swap_mib: 0,
            extra_specs: BTreeMap::new(),
        },
        extra_vcpus: 0,
        extra_memory_mib: 0,
        extra_volume_gib: 0,
        running: true,
        moves: Some(Move { from: from.to_owned(), to: "node-1".to_owned(), disks: vec![disk] }),
    };
    let mut tx = world.database.db.begin().await.expect("begin");
    resizes::insert(&mut tx, &resize).await.expect("a resize");
    let change = Change { vm_state: Some(VmState::Resized), ..Change::default() };
    servers::change(&mut tx, &id, &change, Timestamp::now()).await.expect("change");
    tx.commit().await.expect("commit");
    id
}

async fn ask(world: &World, id: &str, verb: &str, options: &[(&str, &str)]) -> Result<String, Error> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world.cloud.act_on_servers(&member("p"), vec![id.to_owned()], verb.to_owned(), options, false, true).await
}

#[tokio::test]
async fn a_server_between_two_nodes_takes_and_gives_up_no_volumes() {
    for world in worlds(Settings::default()).await {
        let id = resized(&world, "node-1", "b").await;
        for verb in ["attach-volume", "detach-volume"] {
            let error = ask(&world, &id, verb, &[("volume-id", "v")]).await.expect_err(verb);
            let said = (error.kind(), error.reason.as_deref());
            assert_eq!(said, (ErrorCode::WrongState, Some("between-nodes")), "{} {verb}", world.database.name);
        }
        ask(&world, &id, "revert-resize", &[]).await.expect("both nodes are there");
    }
}

#[tokio::test]
async fn nobody_goes_back_to_a_node_that_is_away() {
    for world in worlds(Settings::default()).await {
        let id = resized(&world, "node-9", "b").await;
        let error = ask(&world, &id, "revert-resize", &[]).await.expect_err("its old node is away");
        let said = (error.kind(), error.reason.as_deref());
        assert_eq!(said, (ErrorCode::WrongState, Some("node-away")), "{}", world.database.name);
        ask(&world, &id, "confirm-resize", &[]).await.expect("what is left there waits for its process");
    }
}

#[tokio::test]
async fn a_blob_through_which_a_disk_goes_is_swept_once_nobody_needs_it() {
    for world in worlds(Settings::default()).await {
        let blob = skyloom_model::new_id();
        let file = world.cloud.images.blob_folder().join(&blob);
        std::fs::write(&file, b"a disk").expect("an export");
        let id = resized(&world, "node-1", &blob).await;
        world.cloud.images.sweep_images(true).await.expect("sweep");
        assert!(file.exists(), "{}", world.database.name);
        let mut tx = world.database.db.begin().await.expect("begin");
        resizes::remove(&mut tx, &id).await.expect("decided");
        tx.commit().await.expect("commit");
        world.cloud.images.sweep_images(true).await.expect("sweep");
        assert!(!file.exists(), "{}", world.database.name);
    }
}
