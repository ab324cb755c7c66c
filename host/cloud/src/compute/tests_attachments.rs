//! What a request for a volume at a server refuses, and where the volume comes, on both databases.

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, VolumesApi};
use skyloom_runtime::bindings::types::errors::Error;

use super::testing::{Kind as _, World, member, volume, worlds};
use crate::Settings;
use crate::lists::all_parts;

/// A server with its system disk, at `/dev/vda`.
async fn active(world: &World) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    let id = made.server_ids.into_iter().next().expect("one");
    world.make_active(&id).await;
    id
}

async fn attach(world: &World, server: &str, options: &[(&str, &str)]) -> Result<String, Error> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world
        .cloud
        .act_on_servers(&member("p"), vec![server.to_owned()], "attach-volume".to_owned(), options, false, true)
        .await
}

async fn devices(world: &World, server: &str) -> Vec<String> {
    let server = world.cloud.get_server(&member("p"), server.to_owned(), all_parts()).await.expect("the server");
    server.volumes.into_iter().map(|volume| volume.device).collect()
}

#[tokio::test]
async fn a_device_is_the_next_free_one_or_refused() {
    for world in worlds(Settings::default()).await {
        let (server, data) = (active(&world).await, volume(&world, &member("p"), "node-1").await);
        for (device, reason) in [("/dev/vda", Some("used")), ("/dev/vdc", None), ("/dev/sdb", None), ("", None)] {
            let error = attach(&world, &server, &[("volume-id", &data), ("device", device)]).await.expect_err(device);
            assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("device")), "{device}");
            assert_eq!(error.reason.as_deref(), reason, "{}", error.message);
            assert!(error.message.contains("/dev/vdb"), "{}", error.message);
        }
        attach(&world, &server, &[("volume-id", &data), ("device", "/dev/vdb")]).await.expect("the next free one");
        assert_eq!(devices(&world, &server).await, ["/dev/vda", "/dev/vdb"], "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_dry_run_says_what_is_wrong_and_attaches_nothing() {
    for world in worlds(Settings::default()).await {
        let (server, data) = (active(&world).await, volume(&world, &member("p"), "node-1").await);
        let dry = async |volume: &str, device: &str| {
            let options = [("volume-id", volume), ("device", device), ("dry-run", "true")];
            attach(&world, &server, &options).await
        };
        let operations = world.count("operations").await;
        assert_eq!(dry(&data, "/dev/vdb").await.expect("it fits"), "", "{}", world.database.name);
        // What the server has no place for is said first.
        assert_eq!(dry("nowhere", "/dev/vdb").await.expect_err("no volume").kind(), ErrorCode::NotFound);
        assert_eq!(dry("nowhere", "/dev/vda").await.expect_err("no device").kind(), ErrorCode::Invalid);
        let error = attach(&world, &server, &[("volume-id", &data), ("dry-run", "maybe")]).await.expect_err("no flag");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("dry-run")));
        assert_eq!(devices(&world, &server).await, ["/dev/vda"], "{}", world.database.name);
        let seen = world.cloud.get_volume(&member("p"), data.clone()).await.expect("the volume");
        assert_eq!((seen.state.as_str(), seen.server_id), ("available", None), "{}", world.database.name);
        assert_eq!(world.count("operations").await, operations, "{}", world.database.name);
        attach(&world, &server, &[("volume-id", &data)]).await.expect("nothing holds it");
    }
}
