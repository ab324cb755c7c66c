//! What a request for another flavor refuses and holds, and what is done at its time, on both databases.

use skyloom_model::{ErrorCode, Timestamp, VmState};
use skyloom_runtime::api::{ComputeApi, FlavorsApi};
use skyloom_runtime::bindings::cloud::flavors;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_store::schedules;
use skyloom_store::servers::{self, Change};

use super::testing::{Kind, World, member, operator, worlds};
use crate::Settings;

/// With 512 MiB and a disk of 1 GiB.
const SMALLEST: &str = "1";
/// With 2048 MiB and 20 GiB.
const LARGER: &str = "2";

async fn active(world: &World) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    let id = made.server_ids.into_iter().next().expect("one");
    world.make_active(&id).await;
    id
}

async fn ask(world: &World, project: &str, id: &str, verb: &str, options: &[(&str, &str)]) -> Result<String, Error> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    world.cloud.act_on_servers(&member(project), vec![id.to_owned()], verb.to_owned(), options, false, true).await
}

async fn resize(world: &World, id: &str, flavor: &str) -> Result<String, Error> {
    ask(world, "p", id, "resize", &[("flavor-id", flavor)]).await
}

async fn flavor(world: &World, id: &str, memory_mib: u32, disk_gib: u32, is_public: bool) {
    let create = flavors::FlavorCreate {
        id: Some(id.to_owned()),
        name: id.to_owned(),
        description: None,
        vcpus: 1,
        memory_mib,
        disk_gib,
        ephemeral_gib: 0,
        swap_mib: 0,
        rxtx_factor_milli: 1000,
        is_public,
        attributes: "{}".to_owned(),
    };
    world.cloud.create_flavor(&operator("o"), create).await.expect("a flavor");
}

async fn change(world: &World, sql: &'static str) {
    let mut tx = world.database.db.begin().await.expect("begin");
    tx.execute(sql, &[]).await.expect(sql);
    tx.commit().await.expect("commit");
}

/// Field and reason, for comparing.
fn said(error: &Error) -> (ErrorCode, Option<&str>, Option<&str>) {
    (error.kind(), error.field.as_deref(), error.reason.as_deref())
}

#[tokio::test]
async fn a_flavor_that_does_not_fit_is_refused_and_nothing_stays() {
    for world in worlds(Settings::default()).await {
        let id = active(&world).await;
        flavor(&world, "private", 1024, 1, false).await;
        flavor(&world, "diskless", 1024, 0, true).await;
        flavor(&world, "withdrawn", 1024, 1, true).await;
        change(&world, "UPDATE flavors SET disabled = 1 WHERE id = 'withdrawn'").await;
        let invalid = |reason| (ErrorCode::Invalid, Some("flavor-id"), Some(reason));
        for (wanted, expected) in [
            (SMALLEST, invalid("unchanged")),
            ("withdrawn", invalid("disabled")),
            ("diskless", invalid("disk-too-small")),
            ("private", (ErrorCode::NotFound, None, None)),
            ("nowhere", (ErrorCode::NotFound, None, None)),
        ] {
            let error = resize(&world, &id, wanted).await.expect_err(wanted);
            assert_eq!(said(&error), expected, "{} {wanted}", world.database.name);
        }
        change(&world, "UPDATE images SET min_memory_mib = 4096").await;
        let error = resize(&world, &id, LARGER).await.expect_err("its image needs more");
        assert_eq!(said(&error), (ErrorCode::Invalid, Some("flavor-id"), None), "{}", world.database.name);
        for (options, field) in [
            (&[][..], "flavor-id"),
            (&[("flavor-id", LARGER), ("color", "red")], "color"),
            (&[("flavor-id", LARGER), ("confirmed", "yes")], "confirmed"),
            (&[("flavor-id", LARGER), ("flavor-id", "3")], "flavor-id"),
        ] {
            let error = ask(&world, "p", &id, "resize", options).await.expect_err(field);
            assert_eq!(said(&error), (ErrorCode::Invalid, Some(field), None), "{}", world.database.name);
        }
        let error = ask(&world, "p", &id, "paint", &[]).await.expect_err("no such verb");
        assert_eq!(said(&error).1, Some("verb"));
        assert_eq!((world.count("resizes").await, world.count("operation_locks").await), (0, 0));
    }
}

#[tokio::test]
async fn another_projects_server_is_not_there() {
    for world in worlds(Settings::default()).await {
        let id = active(&world).await;
        for (verb, options) in
            [("resize", &[("flavor-id", LARGER)][..]), ("confirm-resize", &[]), ("revert-resize", &[])]
        {
            let error = ask(&world, "q", &id, verb, options).await.expect_err(verb);
            assert_eq!(error.kind(), ErrorCode::NotFound, "{} {verb}", world.database.name);
            let error = ask(&world, "p", &id, "confirm-resize", &[]).await.expect_err("not resized");
            assert_eq!(error.kind(), ErrorCode::WrongState, "{}", world.database.name);
        }
    }
}

#[tokio::test]
async fn the_larger_of_two_flavors_counts_and_a_dry_run_holds_nothing() {
    let mut settings = Settings::default();
    settings.compute.quotas.insert("memory-mib".to_owned(), 3000);
    settings.compute.quotas.insert("volume-gib".to_owned(), 21);
    for world in worlds(settings).await {
        let (one, two) = (active(&world).await, active(&world).await);
        let dry = ask(&world, "p", &one, "resize", &[("flavor-id", LARGER), ("dry-run", "true")]).await;
        assert_eq!(dry.expect("it would do"), "");
        assert_eq!((world.count("resizes").await, world.count("operation_locks").await), (0, 0));
        let quota = |name| (ErrorCode::QuotaExceeded, Some(name), None);
        let error = resize(&world, &one, "3").await.expect_err("4096 MiB are too many");
        assert_eq!(said(&error), quota("memory-mib"), "{}", world.database.name);
        flavor(&world, "wide", 1024, 30, true).await;
        let error = resize(&world, &one, "wide").await.expect_err("its disk grows");
        assert_eq!(said(&error), quota("volume-gib"), "{}", world.database.name);
        resize(&world, &one, LARGER).await.expect("there is room for one");
        let error = resize(&world, &two, LARGER).await.expect_err("what the first one needs is held");
        assert_eq!(said(&error).0, ErrorCode::QuotaExceeded, "{}", world.database.name);
        let error = resize(&world, &one, "4").await.expect_err("it is on its way");
        assert_eq!(error.kind(), ErrorCode::Busy, "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_system_disk_that_was_there_before_the_server_stays_as_large_as_it_is() {
    for world in worlds(Settings::default()).await {
        let id = active(&world).await;
        flavor(&world, "diskless", 1024, 0, true).await;
        change(&world, "UPDATE volumes SET created_at = created_at - 1").await;
        let dry = ask(&world, "p", &id, "resize", &[("flavor-id", "diskless"), ("dry-run", "true")]).await;
        dry.expect("the flavor's disk says nothing about it");
        resize(&world, &id, LARGER).await.expect("accepted");
        let mut conn = world.database.db.read().await.expect("read");
        let sql = "SELECT extra_volume_gib FROM resizes";
        assert_eq!(conn.one(sql, &[], |row| row.int(0)).await.expect(sql), 0, "{}", world.database.name);
    }
}

#[tokio::test]
async fn what_is_due_is_begun_once_and_only_where_the_server_allows_it() {
    for world in worlds(Settings::default()).await {
        let id = active(&world).await;
        let due = async |resource: (&str, &str), verb: &str, at: i64| {
            let mut tx = world.database.db.begin().await.expect("begin");
            schedules::put(&mut tx, resource, verb, Timestamp(at)).await.expect("a schedule");
            tx.commit().await.expect("commit");
        };
        // Nobody knows what this one means: it keeps nobody waiting.
        due(("server", &id), "paint", 1).await;
        due(("server", "gone"), "stop", 1).await;
        due(("comet", "halley"), "stop", 1).await;
        due(("server", &id), "confirm-resize", 2).await;
        due(("server", &id), "stop", i64::MAX).await;
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 0, "{}: it isn't resized", world.database.name);
        assert_eq!(world.count("schedules").await, 1, "{}: what isn't due stays", world.database.name);

        let mut tx = world.database.db.begin().await.expect("begin");
        let resized = Change { vm_state: Some(VmState::Resized), ..Change::default() };
        servers::change(&mut tx, &id, &resized, Timestamp::now()).await.expect("change");
        tx.commit().await.expect("commit");
        due(("server", &id), "confirm-resize", 2).await;
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 1, "{}", world.database.name);
        let found = "SELECT count(*) FROM operations WHERE kind = 'server.confirm-resize' AND project_id = 'p'";
        let mut conn = world.database.db.read().await.expect("read");
        assert_eq!(conn.one(found, &[], |row| row.int(0)).await.expect("operations"), 1);
        drop(conn);
        // Busy now: it is looked at again later.
        due(("server", &id), "revert-resize", 3).await;
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 0, "{}", world.database.name);
        assert_eq!(world.count("schedules").await, 3, "{}: what was begun stays until it is done", world.database.name);
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 0, "{}", world.database.name);
    }
}
