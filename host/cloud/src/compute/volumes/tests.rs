//! Requests about volumes and snapshots, on both databases; what their operations do is the fault harness'.

use std::sync::Arc;

use skyloom_model::{ErrorCode, Timestamp};
use skyloom_runtime::api::VolumesApi as _;
use skyloom_runtime::bindings::cloud::volumes as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::snapshots::{self, SnapshotState};
use skyloom_store::volumes::{self as store, VolumeState};

use crate::Settings;
use crate::compute::testing::{Kind as _, World, member, worlds};

fn empty(size_gib: Option<u32>) -> wit::VolumeCreate {
    wit::VolumeCreate {
        name: "data".to_owned(),
        description: String::new(),
        size_gib,
        source: "empty".to_owned(),
        source_id: None,
        volume_type: None,
        zone: None,
        metadata: Vec::new(),
        attributes: "{}".to_owned(),
    }
}

fn from(source: &str, id: &str) -> wit::VolumeCreate {
    wit::VolumeCreate { source: source.to_owned(), source_id: Some(id.to_owned()), ..empty(None) }
}

/// A volume whose operation has ended.
async fn made(world: &World, context: &Arc<CallContext>) -> String {
    let volume = world.cloud.create_volume(context, empty(Some(2))).await.expect("accepted");
    assert_eq!(volume.state, "creating");
    rest(world, &volume.id, VolumeState::Available).await;
    volume.id
}

async fn rest(world: &World, id: &str, state: VolumeState) {
    let mut tx = world.database.db.begin().await.expect("begin");
    tx.execute("DELETE FROM operation_locks", &[]).await.expect("no operation holds it");
    store::set_state(&mut tx, id, state, Timestamp::now()).await.expect("state");
    tx.commit().await.expect("commit");
}

fn snapshot_of(volume: &str) -> wit::SnapshotCreate {
    wit::SnapshotCreate {
        volume_id: volume.to_owned(),
        name: "then".to_owned(),
        description: String::new(),
        metadata: Vec::new(),
        attributes: "{}".to_owned(),
    }
}

async fn snapped(world: &World, context: &Arc<CallContext>, volume: &str) -> String {
    let snapshot = world.cloud.create_snapshot(context, snapshot_of(volume)).await.expect("accepted");
    rest(world, volume, VolumeState::Available).await;
    let mut tx = world.database.db.begin().await.expect("begin");
    snapshots::set_state(&mut tx, &snapshot.id, SnapshotState::Available, Timestamp::now()).await.expect("state");
    tx.commit().await.expect("commit");
    snapshot.id
}

#[tokio::test]
async fn a_request_that_is_wrong_names_its_field() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let long = "x".repeat(256);
        for (create, field) in [
            (empty(None), "size-gib"),
            (empty(Some(0)), "size-gib"),
            (empty(Some(70_000)), "size-gib"),
            (wit::VolumeCreate { name: long.clone(), ..empty(Some(1)) }, "name"),
            (wit::VolumeCreate { description: long, ..empty(Some(1)) }, "description"),
            (wit::VolumeCreate { volume_type: Some("gold".to_owned()), ..empty(Some(1)) }, "volume-type"),
            (wit::VolumeCreate { zone: Some("nowhere".to_owned()), ..empty(Some(1)) }, "zone"),
            (wit::VolumeCreate { source_id: Some("x".to_owned()), ..empty(Some(1)) }, "source-id"),
            (wit::VolumeCreate { source_id: None, ..from("volume", "x") }, "source-id"),
            (from("backup", "x"), "source"),
            (wit::VolumeCreate { metadata: vec![(String::new(), String::new())], ..empty(Some(1)) }, "metadata"),
            (wit::VolumeCreate { attributes: "[]".to_owned(), ..empty(Some(1)) }, "attributes"),
        ] {
            let error = cloud.create_volume(&context, create).await.expect_err(field);
            assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some(field)), "{}", error.message);
        }
        let mine = made(&world, &context).await;
        let smaller = wit::VolumeCreate { size_gib: Some(1), ..from("volume", &mine) };
        let error = cloud.create_volume(&context, smaller).await.expect_err("too small");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("size-gib")));
        let error = cloud.grow_volume(&context, mine, 2).await.expect_err("no larger");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("size-gib")));
    }
}

#[tokio::test]
async fn another_projects_volumes_and_snapshots_are_not_there() {
    for world in worlds(Settings::default()).await {
        let (cloud, stranger) = (&world.cloud, member("q"));
        let volume = made(&world, &member("p")).await;
        let snapshot = snapped(&world, &member("p"), &volume).await;
        let update =
            wit::VolumeUpdate { name: None, description: None, bootable: None, metadata: None, attributes: None };
        let of_snapshot = wit::SnapshotUpdate { name: None, description: None, metadata: None, attributes: None };
        let refused = [
            cloud.get_volume(&stranger, volume.clone()).await.map(drop),
            cloud.update_volume(&stranger, volume.clone(), update).await.map(drop),
            cloud.grow_volume(&stranger, volume.clone(), 9).await.map(drop),
            cloud.delete_volume(&stranger, volume.clone()).await,
            cloud.create_snapshot(&stranger, snapshot_of(&volume)).await.map(drop),
            cloud.create_volume(&stranger, from("volume", &volume)).await.map(drop),
            cloud.create_volume(&stranger, from("snapshot", &snapshot)).await.map(drop),
            cloud.get_snapshot(&stranger, snapshot.clone()).await.map(drop),
            cloud.update_snapshot(&stranger, snapshot.clone(), of_snapshot).await.map(drop),
            cloud.delete_snapshot(&stranger, snapshot.clone()).await,
        ];
        for (place, answer) in refused.into_iter().enumerate() {
            assert_eq!(answer.expect_err("foreign").kind(), ErrorCode::NotFound, "{}: {place}", world.database.name);
        }
    }
}

#[tokio::test]
async fn what_something_is_done_to_is_left_alone() {
    for world in worlds(Settings::default()).await {
        let (cloud, context, name) = (&world.cloud, member("p"), world.database.name);
        let volume = made(&world, &context).await;
        for state in [VolumeState::Creating, VolumeState::InUse, VolumeState::Growing, VolumeState::Deleting] {
            rest(&world, &volume, state).await;
            let refused = [
                cloud.grow_volume(&context, volume.clone(), 9).await.map(drop),
                cloud.delete_volume(&context, volume.clone()).await,
                cloud.create_snapshot(&context, snapshot_of(&volume)).await.map(drop),
                cloud.create_volume(&context, from("volume", &volume)).await.map(drop),
            ];
            for answer in refused {
                assert_eq!(answer.expect_err("busy").kind(), ErrorCode::WrongState, "{name}: {state:?}");
            }
        }
        rest(&world, &volume, VolumeState::Available).await;
        // While it is copied it stays available, and the copy holds it.
        cloud.create_volume(&context, from("volume", &volume)).await.expect("a copy");
        let error = cloud.delete_volume(&context, volume.clone()).await.expect_err("held");
        assert_eq!(error.kind(), ErrorCode::Busy, "{name}");
        rest(&world, &volume, VolumeState::Available).await;
        let snapshot = snapped(&world, &context, &volume).await;
        let error = cloud.delete_volume(&context, volume.clone()).await.expect_err("snapshots");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::InUse, Some("snapshots")), "{name}");
        cloud.create_volume(&context, from("snapshot", &snapshot)).await.expect("from the snapshot");
        let error = cloud.delete_snapshot(&context, snapshot).await.expect_err("held");
        assert_eq!(error.kind(), ErrorCode::Busy, "{name}");
    }
}

#[tokio::test]
async fn volumes_and_snapshots_count_in_the_quota() {
    let mut settings = Settings::default();
    settings.compute.quotas.insert("volume-gib".to_owned(), 5);
    settings.compute.quotas.insert("snapshots".to_owned(), 1);
    for world in worlds(settings).await {
        let (cloud, context, name) = (&world.cloud, member("p"), world.database.name);
        let volume = made(&world, &context).await;
        snapped(&world, &context, &volume).await;
        let full = |error: skyloom_runtime::bindings::types::errors::Error, field: &str| {
            assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::QuotaExceeded, Some(field)), "{name}");
        };
        full(cloud.create_volume(&context, empty(Some(2))).await.expect_err("2 + 2 of 5 are used"), "volume-gib");
        full(cloud.grow_volume(&context, volume.clone(), 4).await.expect_err("2 more"), "volume-gib");
        full(cloud.create_snapshot(&context, snapshot_of(&volume)).await.expect_err("a second one"), "snapshots");
        cloud.grow_volume(&context, volume, 3).await.expect("1 more");
    }
}

#[tokio::test]
async fn a_map_is_replaced_merged_and_thinned_out() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let volume = made(&world, &context).await;
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let change = async |change: wit::MetadataChange| {
            let update = wit::VolumeUpdate {
                name: None,
                description: None,
                bootable: None,
                metadata: Some(change),
                attributes: None,
            };
            cloud.update_volume(&context, volume.clone(), update).await.map(|volume| volume.metadata)
        };
        let all = change(wit::MetadataChange::Replace(vec![pair("a", "1")])).await.expect("replaced");
        assert_eq!(all, [pair("a", "1")]);
        let all = change(wit::MetadataChange::Merge(vec![pair("b", "2"), pair("a", "3")])).await.expect("merged");
        assert_eq!(all, [pair("a", "3"), pair("b", "2")]);
        assert_eq!(change(wit::MetadataChange::Remove("a".to_owned())).await.expect("removed"), [pair("b", "2")]);
        let error = change(wit::MetadataChange::Remove("a".to_owned())).await.expect_err("it isn't there");
        assert_eq!(error.kind(), ErrorCode::NotFound);
    }
}
