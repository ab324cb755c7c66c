//! What a request for a new system disk refuses and holds, on both databases. What its operation does the fault harness sees.

use std::sync::Arc;

use skyloom_model::{ErrorCode, PowerState, Timestamp, VmState};
use skyloom_runtime::api::{ComputeApi as _, ImagesApi as _, KeypairsApi as _};
use skyloom_runtime::bindings::cloud::{compute as wit, keypairs};
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;
use skyloom_store::rebuilds;
use skyloom_store::servers::{self, Change};

use super::testing::{Kind, World, member, operator, worlds};
use crate::Settings;

async fn active(world: &World) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    let id = made.server_ids.into_iter().next().expect("one");
    world.make_active(&id).await;
    id
}

/// Nothing changes but the disk.
fn plain() -> wit::ServerRebuild {
    wit::ServerRebuild {
        image_id: None,
        name: None,
        description: None,
        hostname: None,
        metadata: None,
        access_ipv4: None,
        access_ipv6: None,
        key_name: None,
        key_user_id: None,
        user_data: None,
        admin_password: wit::PasswordChoice::Keep,
        attributes: None,
    }
}

fn of_image(id: &str) -> wit::ServerRebuild {
    wit::ServerRebuild { image_id: Some(id.to_owned()), ..plain() }
}

async fn ask(
    world: &World,
    who: &Arc<CallContext>,
    id: &str,
    asked: wit::ServerRebuild,
) -> Result<wit::ServerRebuilt, Error> {
    world.cloud.rebuild_server(who, id.to_owned(), asked).await
}

fn said(error: &Error) -> (ErrorCode, Option<&str>, Option<&str>) {
    (error.kind(), error.field.as_deref(), error.reason.as_deref())
}

async fn change(world: &World, sql: &'static str) {
    let mut tx = world.database.db.begin().await.expect("begin");
    tx.execute(sql, &[]).await.expect(sql);
    tx.commit().await.expect("commit");
}

async fn nothing_held(world: &World) {
    assert_eq!(
        (world.count("rebuilds").await, world.count("operation_locks").await),
        (0, 0),
        "{}",
        world.database.name
    );
}

#[tokio::test]
async fn an_image_that_does_not_fit_is_refused_and_nothing_stays() {
    for world in worlds(Settings::default()).await {
        let (id, name) = (active(&world).await, world.database.name);
        let foreign = world.upload(&member("q"), &[]).await.id;
        let queued = world.queued(&member("p"), &[]).await.id;
        let bootless = world.upload(&member("p"), &[("kernel_id", foreign.as_str())]).await.id;
        let own = world.upload(&member("p"), &[]).await.id;
        for (image, code, field) in [
            (foreign.as_str(), ErrorCode::NotFound, None),
            ("nowhere", ErrorCode::NotFound, None),
            (queued.as_str(), ErrorCode::Invalid, Some("image-id")),
            (bootless.as_str(), ErrorCode::Invalid, Some("image-id")),
        ] {
            let error = ask(&world, &member("p"), &id, of_image(image)).await.expect_err(image);
            assert_eq!((error.kind(), error.field.as_deref()), (code, field), "{name} {image}");
        }
        for (sql, reason) in [
            ("UPDATE images SET min_memory_mib = 4096, min_disk_gib = 0", None),
            ("UPDATE images SET min_memory_mib = 0, min_disk_gib = 2", Some("disk-too-small")),
            ("UPDATE images SET min_disk_gib = 0, virtual_size = 1073741825", Some("disk-too-small")),
        ] {
            change(&world, sql).await;
            // The own image too: it says more by now.
            for asked in [of_image(&own), plain()] {
                let error = ask(&world, &member("p"), &id, asked).await.expect_err(sql);
                assert_eq!(said(&error), (ErrorCode::Invalid, Some("image-id"), reason), "{name} {sql}");
            }
        }
        nothing_held(&world).await;
        change(&world, "UPDATE images SET virtual_size = 1073741824").await;
        ask(&world, &member("p"), &id, of_image(&own)).await.expect("it fits exactly");
    }
}

#[tokio::test]
async fn what_the_request_says_of_the_server_is_checked_by_its_field() {
    for world in worlds(Settings::default()).await {
        let id = active(&world).await;
        let text = |text: &str| Some(text.to_owned());
        for (field, wrong) in [
            ("name", wit::ServerRebuild { name: text(" "), ..plain() }),
            ("description", wit::ServerRebuild { description: Some(Some("x".repeat(256))), ..plain() }),
            ("hostname", wit::ServerRebuild { hostname: text("a_b"), ..plain() }),
            ("access-ipv4", wit::ServerRebuild { access_ipv4: text("::1"), ..plain() }),
            ("access-ipv6", wit::ServerRebuild { access_ipv6: text("1.2.3.4"), ..plain() }),
            ("user-data", wit::ServerRebuild { user_data: Some(text("#!/bin/sh")), ..plain() }),
            ("key-name", wit::ServerRebuild { key_name: Some(text("none")), ..plain() }),
            ("metadata", wit::ServerRebuild { metadata: Some(vec![(String::new(), String::new())]), ..plain() }),
            ("attributes", wit::ServerRebuild { attributes: text("[]"), ..plain() }),
        ] {
            let error = ask(&world, &member("p"), &id, wrong).await.expect_err(field);
            assert_eq!(
                (error.kind(), error.field.as_deref()),
                (ErrorCode::Invalid, Some(field)),
                "{}",
                world.database.name
            );
        }
        let many = (0..129).map(|number| (number.to_string(), String::new())).collect();
        let many = wit::ServerRebuild { metadata: Some(many), ..plain() };
        let error = ask(&world, &member("p"), &id, many).await.expect_err("too many");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::QuotaExceeded, Some("metadata-items")));
        nothing_held(&world).await;
    }
}

#[tokio::test]
async fn only_a_server_at_rest_is_rebuilt_and_another_projects_is_not_there() {
    for world in worlds(Settings::default()).await {
        let (id, name) = (active(&world).await, world.database.name);
        assert_eq!(ask(&world, &member("q"), &id, plain()).await.expect_err("foreign").kind(), ErrorCode::NotFound);
        let be = async |vm_state: VmState| {
            let mut tx = world.database.db.begin().await.expect("begin");
            let state =
                Change { vm_state: Some(vm_state), power_state: Some(PowerState::ShutDown), ..Change::default() };
            servers::change(&mut tx, &id, &state, Timestamp::now()).await.expect("change");
            tx.commit().await.expect("commit");
        };
        for state in VmState::ALL.iter().copied().filter(|state| *state != VmState::Deleted) {
            if matches!(state, VmState::Active | VmState::Stopped | VmState::Error) {
                continue;
            }
            be(state).await;
            let error = ask(&world, &member("p"), &id, plain()).await.expect_err(state.as_str());
            assert_eq!(error.kind(), ErrorCode::WrongState, "{name} {state:?}");
        }
        be(VmState::Active).await;
        change(&world, "UPDATE servers SET locked = 1, locked_by = 'operator'").await;
        assert_eq!(
            ask(&world, &member("p"), &id, plain()).await.expect_err("locked").kind(),
            ErrorCode::Locked,
            "{name}"
        );
        change(&world, "UPDATE servers SET locked = 0, locked_by = ''").await;
        change(&world, "UPDATE servers SET node = 'node-9'").await;
        let error = ask(&world, &member("p"), &id, plain()).await.expect_err("nobody could do it");
        assert_eq!(said(&error), (ErrorCode::WrongState, None, Some("node-away")), "{name}");
        change(&world, "UPDATE servers SET node = 'node-1'").await;
        nothing_held(&world).await;
        // In error it is mended so, and it is off no more afterwards.
        be(VmState::Error).await;
        ask(&world, &member("p"), &id, plain()).await.expect("accepted");
        let mut conn = world.database.db.read().await.expect("read");
        assert!(rebuilds::get(&mut conn, &id).await.expect("read").expect("a rebuild").running, "{name}");
        let error = ask(&world, &operator("p"), &id, plain()).await.expect_err("it is under way");
        assert_eq!(error.kind(), ErrorCode::Busy, "{name}");
    }
}

#[tokio::test]
async fn a_server_without_a_system_disk_or_between_two_flavors_is_not_rebuilt() {
    for world in worlds(Settings::default()).await {
        let (id, name) = (active(&world).await, world.database.name);
        let sql = "INSERT INTO resizes SELECT id, project_id, flavor_id, vcpus, memory_mib, flavor, 0, 0, 0, 1, NULL FROM servers";
        change(&world, sql).await;
        change(&world, "UPDATE servers SET vm_state = 'error'").await;
        let error = ask(&world, &member("p"), &id, plain()).await.expect_err("between two flavors");
        assert_eq!(error.kind(), ErrorCode::WrongState, "{name}");
        change(&world, "DELETE FROM resizes").await;
        change(&world, "UPDATE volumes SET image_id = ''").await;
        let error = ask(&world, &member("p"), &id, plain()).await.expect_err("it began as no image");
        assert_eq!(said(&error), (ErrorCode::Invalid, Some("image-id"), None), "{name}");
        change(&world, "DELETE FROM volumes").await;
        let error = ask(&world, &member("p"), &id, of_image(&world.image)).await.expect_err("no disk");
        assert_eq!(said(&error), (ErrorCode::WrongState, None, Some("no-system-disk")), "{name}");
        nothing_held(&world).await;
    }
}

#[tokio::test]
async fn the_answer_is_the_server_as_it_becomes_and_the_records_wait() {
    for world in worlds(Settings::default()).await {
        let (id, name) = (active(&world).await, world.database.name);
        let new = world.upload(&member("p"), &[]).await.id;
        let asked = wit::ServerRebuild {
            name: Some("b".to_owned()),
            description: Some(Some("d".to_owned())),
            metadata: Some(vec![("k".to_owned(), "v".to_owned())]),
            access_ipv6: Some("FD00::0:1".to_owned()),
            user_data: Some(Some("aGVsbG8=".to_owned())),
            admin_password: wit::PasswordChoice::Generate,
            attributes: Some(r#"{"a":1}"#.to_owned()),
            ..of_image(&new)
        };
        let context = member("p");
        let rebuilt = ask(&world, &context, &id, asked).await.expect("accepted");
        let server = &rebuilt.server;
        assert_eq!((server.name.as_str(), server.description.as_deref()), ("b", Some("d")), "{name}");
        assert_eq!((server.image_id.as_deref(), server.user_data.as_deref()), (Some(new.as_str()), Some("aGVsbG8=")));
        assert_eq!((server.access_ipv6.as_str(), server.attributes.as_str()), ("fd00::1", r#"{"a":1}"#));
        assert_eq!(server.metadata, [("k".to_owned(), "v".to_owned())]);
        assert_eq!(server.task_state, Some(wit::TaskState::Rebuilding));
        assert_eq!(context.secret("password", &rebuilt.admin_password).expect("a password").len(), 16);
        let shown = world.cloud.get_server(&member("p"), id.clone(), Vec::new()).await.expect("the server");
        assert_eq!((shown.name.as_str(), shown.image_id.as_deref()), ("a", Some(world.image.as_str())), "{name}");
        // Both images are needed: the old one may have to come back.
        for image in [&new, &world.image] {
            let error = world.cloud.delete_image(&operator("o"), image.clone()).await.expect_err("in use");
            assert_eq!(error.kind(), ErrorCode::InUse, "{name}");
        }
        let mut conn = world.database.db.read().await.expect("read");
        let rebuild = rebuilds::get(&mut conn, &id).await.expect("read").expect("a rebuild");
        drop(conn);
        assert!(rebuild.running && !rebuild.admin_password.is_empty(), "{name}");
        let mut tx = world.database.db.begin().await.expect("begin");
        rebuilds::apply(&mut tx, &rebuild, Timestamp::now()).await.expect("applied");
        rebuilds::remove(&mut tx, &id).await.expect("removed");
        tx.commit().await.expect("commit");
        let parts = ["metadata", "attributes", "user-data"].map(str::to_owned).to_vec();
        let shown = world.cloud.get_server(&member("p"), id.clone(), parts).await.expect("the server");
        let same = |one: &wit::Server| {
            let texts =
                [&one.name, &one.hostname, &one.access_ipv4, &one.access_ipv6, &one.attributes].map(Clone::clone);
            (texts, one.description.clone(), one.metadata.clone(), one.image_id.clone(), one.user_data.clone())
        };
        assert_eq!(same(&shown), same(server), "{name}: the records are what the answer said");
        world.cloud.delete_image(&operator("o"), new).await.expect_err("a disk stands on it");
        world.cloud.delete_image(&operator("o"), world.image.clone()).await.expect("nobody needs it any more");
    }
}

#[tokio::test]
async fn a_key_pair_is_the_callers_or_that_of_who_made_the_server() {
    for world in worlds(Settings::default()).await {
        let (id, name) = (active(&world).await, world.database.name);
        for owner in ["p", "q"] {
            let create = keypairs::KeypairCreate {
                name: "key".to_owned(),
                kind: keypairs::KeyKind::Ssh,
                public_key: Some(format!("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE{} {owner}", "A".repeat(42))),
                user_id: None,
                attributes: "{}".to_owned(),
            };
            world.cloud.create_keypair(&member(owner), create).await.expect("a key pair");
        }
        let with = |user: Option<&str>| wit::ServerRebuild {
            key_name: Some(Some("key".to_owned())),
            key_user_id: user.map(str::to_owned),
            ..plain()
        };
        let error = ask(&world, &member("p"), &id, with(Some("user-of-q"))).await.expect_err("a stranger's");
        assert_eq!(said(&error), (ErrorCode::Invalid, Some("key-user-id"), None), "{name}");
        nothing_held(&world).await;
        ask(&world, &operator("p"), &id, with(Some("user-of-q"))).await.expect("an operator may");
        let mut conn = world.database.db.read().await.expect("read");
        let key = rebuilds::get(&mut conn, &id).await.expect("read").expect("a rebuild").fields.key.expect("a key");
        assert!(key.public_key.ends_with(" q"), "{name}: {key:?}");
        drop(conn);
        let other = active(&world).await;
        ask(&world, &member("p"), &other, with(None)).await.expect("its maker's");
        let gone = active(&world).await;
        let none = wit::ServerRebuild { key_name: Some(None), ..plain() };
        assert_eq!(ask(&world, &member("p"), &gone, none).await.expect("accepted").server.key_name, None);
    }
}

#[tokio::test]
async fn a_server_that_is_off_stays_off() {
    for world in worlds(Settings::default()).await {
        let id = active(&world).await;
        world.make_stopped(&id, "node-1").await;
        ask(&world, &member("p"), &id, plain()).await.expect("accepted");
        let mut conn = world.database.db.read().await.expect("read");
        let rebuild = rebuilds::get(&mut conn, &id).await.expect("read").expect("a rebuild");
        assert_eq!(
            (rebuild.running, rebuild.image_id.as_str()),
            (false, world.image.as_str()),
            "{}",
            world.database.name
        );
        assert_eq!(rebuild.admin_password, "", "the image's is kept");
    }
}
