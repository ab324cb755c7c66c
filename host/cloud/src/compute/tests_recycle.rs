//! What requests about the recycle bin refuse, and what is counted and listed of it, on both databases.

use skyloom_model::{ErrorCode, TaskState, Timestamp, VmState};
use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::bindings::cloud::compute::{DeleteOptions, VmState as Shown};
use skyloom_runtime::bindings::types::common::Condition;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::driver::Power;
use skyloom_store::servers::{self, Change};
use skyloom_store::{args, nodes, schedules};

use super::sagas::settle;
use super::testing::{Kind, World, member, operator, page, worlds};
use crate::Settings;

async fn created(world: &World) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    made.server_ids.into_iter().next().expect("one")
}

async fn ask(world: &World, project: &str, id: &str, verb: &str) -> Result<String, Error> {
    world.cloud.act_on_servers(&member(project), vec![id.to_owned()], verb.to_owned(), Vec::new(), false, true).await
}

/// As if the operation that holds the server had ended like this.
async fn rests(world: &World, id: &str, state: VmState) {
    world.make_active(id).await;
    let mut tx = world.database.db.begin().await.expect("begin");
    let change = Change { vm_state: Some(state), ..Change::default() };
    servers::change(&mut tx, id, &change, Timestamp::now()).await.expect("change");
    tx.commit().await.expect("commit");
}

async fn kind(world: &World, operation: &str) -> String {
    let mut conn = world.database.db.read().await.expect("read");
    let sql = "SELECT kind FROM operations WHERE id = $1";
    conn.one(sql, args![operation], |row| row.text(0)).await.expect("an operation")
}

async fn state(world: &World, operation: &str) -> String {
    let mut conn = world.database.db.read().await.expect("read");
    let sql = "SELECT state FROM operations WHERE id = $1";
    conn.one(sql, args![operation], |row| row.text(0)).await.expect("an operation")
}

async fn listed(world: &World, life: &[&str]) -> Result<usize, Error> {
    let words = life.iter().map(|word| (*word).to_owned()).collect();
    let life = Condition { field: "life".to_owned(), test: "any-of".to_owned(), values: words };
    let page = world.cloud.list_servers(&member("p"), vec![life], Vec::new(), page(0, None)).await?;
    Ok(page.servers.len())
}

#[tokio::test]
async fn what_never_ran_is_deleted_for_good_and_what_is_busy_waits() {
    for world in worlds(Settings::default()).await {
        let building = created(&world).await;
        let operation = ask(&world, "p", &building, "recycle").await.expect("accepted");
        assert_eq!(kind(&world, &operation).await, "server.delete", "{}", world.database.name);

        let ran = created(&world).await;
        rests(&world, &ran, VmState::Active).await;
        let operation = ask(&world, "p", &ran, "recycle").await.expect("accepted");
        assert_eq!(kind(&world, &operation).await, "server.recycle");
        let mut conn = world.database.db.read().await.expect("read");
        let brief = servers::brief(&mut conn, &ran, &skyloom_model::Reach::All).await.expect("read").expect("a server");
        assert_eq!(brief.task_state, Some(TaskState::SoftDeleting));
        drop(conn);
        // What it would end might leave half of something that is to come back; a deletion for good goes over it.
        let error = ask(&world, "p", &ran, "recycle").await.expect_err("it goes already");
        assert_eq!(error.kind(), ErrorCode::Busy, "{}", world.database.name);
        let options = DeleteOptions { delete_volumes: false, delete_public_addresses: None };
        let deletes = world.cloud.delete_servers(&member("p"), vec![ran.clone()], options, false, true).await;
        assert_ne!(deletes.expect("accepted"), operation);
    }
}

#[tokio::test]
async fn each_word_has_its_states() {
    for world in worlds(Settings::default()).await {
        let id = created(&world).await;
        rests(&world, &id, VmState::Active).await;
        for verb in ["restore", "purge"] {
            let error = ask(&world, "p", &id, verb).await.expect_err(verb);
            assert_eq!(error.kind(), ErrorCode::WrongState, "{} {verb}", world.database.name);
        }
        rests(&world, &id, VmState::SoftDeleted).await;
        for verb in ["recycle", "start", "stop", "reboot"] {
            let error = ask(&world, "p", &id, verb).await.expect_err(verb);
            assert_eq!(error.kind(), ErrorCode::WrongState, "{} {verb}", world.database.name);
        }
        for verb in ["recycle", "restore", "purge"] {
            let error = ask(&world, "q", &id, verb).await.expect_err(verb);
            assert_eq!(error.kind(), ErrorCode::NotFound, "{} {verb}", world.database.name);
        }
        ask(&world, "p", &id, "purge").await.expect("accepted");
        let error = ask(&world, "p", &id, "restore").await.expect_err("it goes");
        assert_eq!(error.kind(), ErrorCode::Busy, "{}", world.database.name);
    }
}

#[tokio::test]
async fn the_bin_takes_no_quota_and_its_way_out_does() {
    let mut settings = Settings::default();
    settings.compute.quotas.insert("servers".to_owned(), 1);
    for world in worlds(settings).await {
        let one = created(&world).await;
        rests(&world, &one, VmState::SoftDeleted).await;
        let two = created(&world).await;
        rests(&world, &two, VmState::Active).await;
        let error = ask(&world, "p", &one, "restore").await.expect_err("the second one has its place in the quota");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::QuotaExceeded, Some("servers")));
        rests(&world, &two, VmState::SoftDeleted).await;
        ask(&world, "p", &one, "restore").await.expect("there is room");
        let error = ask(&world, "p", &two, "restore").await.expect_err("the first one is on its way");
        assert_eq!(error.kind(), ErrorCode::QuotaExceeded, "{}", world.database.name);
    }
}

#[tokio::test]
async fn what_the_node_has_to_do_is_refused_while_it_is_away() {
    for world in worlds(Settings::default()).await {
        let id = created(&world).await;
        for (verb, state) in [
            ("restore", VmState::SoftDeleted),
            ("start", VmState::Stopped),
            ("stop", VmState::Active),
            ("reboot", VmState::Active),
        ] {
            rests(&world, &id, state).await;
            let mut tx = world.database.db.begin().await.expect("begin");
            let away = Change { node: Some("node-9"), ..Change::default() };
            servers::change(&mut tx, &id, &away, Timestamp::now()).await.expect("change");
            tx.commit().await.expect("commit");
            let error = ask(&world, "p", &id, verb).await.expect_err("nobody could do it");
            assert_eq!((error.kind(), error.reason.as_deref()), (ErrorCode::WrongState, Some("node-away")), "{verb}");
            assert_eq!(world.count("operation_locks").await, 0, "{} {verb}", world.database.name);
        }
        let larger = vec![("flavor-id".to_owned(), "2".to_owned())];
        let resize = ("resize".to_owned(), larger);
        let error = world.cloud.act_on_servers(&member("p"), vec![id.clone()], resize.0, resize.1, false, true).await;
        assert_eq!(error.expect_err("nobody could do it").reason.as_deref(), Some("node-away"));
        assert_eq!((world.count("resizes").await, world.count("operation_locks").await), (0, 0));
        let stop = ("stop".to_owned(), Vec::new());
        let batch = world.cloud.act_on_servers(&member("p"), vec![id.clone()], stop.0, stop.1, true, false).await;
        assert_eq!(state(&world, &batch.expect("accepted")).await, "failed", "{}", world.database.name);
        // What takes it away waits.
        ask(&world, "p", &id, "recycle").await.expect("accepted");
    }
}

/// Where processes share a database, a node is up as long as one of them says so.
#[tokio::test]
async fn a_node_of_another_process_is_up_while_that_says_so() {
    for world in worlds(Settings::default()).await {
        let shared = world.database.db.is_postgres();
        let id = created(&world).await;
        rests(&world, &id, VmState::Active).await;
        let copy = "INSERT INTO nodes (name, zone, driver, hypervisor, hypervisor_version, vcpus, memory_mib, disk_gib, \
                    enabled, updated_at) SELECT 'node-9', zone, driver, hypervisor, hypervisor_version, vcpus, memory_mib, \
                    disk_gib, enabled, updated_at FROM nodes WHERE name = 'node-1'";
        for (at, up) in [(Timestamp(1), false), (Timestamp::now(), shared)] {
            let mut tx = world.database.db.begin().await.expect("begin");
            tx.execute("DELETE FROM nodes WHERE name = 'node-9'", &[]).await.expect("delete");
            tx.execute(copy, &[]).await.expect("a node");
            let sql = "UPDATE nodes SET updated_at = $1 WHERE name = 'node-9'";
            tx.execute(sql, args![at]).await.expect(sql);
            let there = Change { node: Some("node-9"), ..Change::default() };
            servers::change(&mut tx, &id, &there, Timestamp::now()).await.expect("change");
            // Nobody else is there: what is given up is as old as the last word about it.
            let now = Timestamp::now();
            let given_up = nodes::disable_others(&mut tx, &["node-1".to_owned()], now, now).await.expect("retired");
            assert_eq!(given_up, 1, "{}", world.database.name);
            tx.commit().await.expect("commit");
            assert_eq!(ask(&world, "p", &id, "stop").await.is_ok(), up, "{}: {at:?}", world.database.name);
        }
    }
}

#[tokio::test]
async fn lists_say_which_lives_they_mean() {
    for world in worlds(Settings::default()).await {
        let (living, bin) = (created(&world).await, created(&world).await);
        rests(&world, &living, VmState::Active).await;
        rests(&world, &bin, VmState::SoftDeleted).await;
        let all = world.cloud.list_servers(&member("p"), Vec::new(), Vec::new(), page(0, None)).await.expect("a list");
        assert_eq!(all.servers.iter().map(|server| &server.id).collect::<Vec<_>>(), [&living]);
        for (life, count) in [(&["living"][..], 1), (&["recycled"], 1), (&["living", "recycled"], 2)] {
            assert_eq!(listed(&world, life).await.expect("a list"), count, "{} {life:?}", world.database.name);
        }
        let error = listed(&world, &["recycled", "deleted"]).await.expect_err("an operator's");
        assert_eq!(error.kind(), ErrorCode::Forbidden, "{}", world.database.name);
        let shown = world.cloud.get_server(&member("p"), bin.clone(), Vec::new()).await.expect("its owner sees it");
        assert_eq!(shown.id, bin);
        let deleted =
            Condition { field: "life".to_owned(), test: "any-of".to_owned(), values: vec!["deleted".to_owned()] };
        let none = world.cloud.list_servers(&operator("p"), vec![deleted], Vec::new(), page(0, None)).await;
        assert!(none.expect("a list").servers.is_empty(), "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_purge_that_is_due_begins_only_in_the_bin() {
    for world in worlds(Settings::default()).await {
        let id = created(&world).await;
        rests(&world, &id, VmState::SoftDeleted).await;
        let due = async || {
            let mut tx = world.database.db.begin().await.expect("begin");
            schedules::put(&mut tx, ("server", &id), "purge", Timestamp(1)).await.expect("a schedule");
            tx.commit().await.expect("commit");
        };
        due().await;
        // It holds nothing: the way out is open.
        ask(&world, "p", &id, "restore").await.expect("accepted");
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 0, "{}: it is busy", world.database.name);
        rests(&world, &id, VmState::Active).await;
        due().await;
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 0, "{}: it lives", world.database.name);
        assert_eq!(world.count("schedules").await, 0, "{}", world.database.name);
        rests(&world, &id, VmState::SoftDeleted).await;
        due().await;
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 1, "{}", world.database.name);
        assert_eq!(world.count("schedules").await, 1, "{}: it is made again if it fails", world.database.name);
        let found = "SELECT count(*) FROM operations WHERE kind = 'server.delete' AND project_id = 'p'";
        let mut conn = world.database.db.read().await.expect("read");
        assert_eq!(conn.one(found, &[], |row| row.int(0)).await.expect("operations"), 1);
    }
}

#[tokio::test]
async fn a_server_in_the_bin_whose_operation_is_stuck_keeps_its_time() {
    for world in worlds(Settings::default()).await {
        let id = created(&world).await;
        rests(&world, &id, VmState::Error).await;
        let mut tx = world.database.db.begin().await.expect("begin");
        let recycled = servers::Recycled { since: Timestamp::now(), until: None };
        let change = Change { recycled: Some(Some(recycled)), ..Change::default() };
        servers::change(&mut tx, &id, &change, Timestamp::now()).await.expect("change");
        schedules::put(&mut tx, ("server", &id), "purge", Timestamp(1)).await.expect("a schedule");
        tx.commit().await.expect("commit");
        assert_eq!(world.cloud.run_schedules().await.expect("a look"), 0, "{}", world.database.name);
        assert_eq!(world.count("schedules").await, 1, "{}: looked at again", world.database.name);
        // What the platform says then doesn't bring it back to life.
        let mut tx = world.database.db.begin().await.expect("begin");
        let server = servers::lock(&mut tx, &id).await.expect("lock").expect("a server");
        settle::settle(&mut tx, &server, Some(Power::Stopped), Timestamp::now()).await.expect("settled");
        tx.commit().await.expect("commit");
        let shown = world.cloud.get_server(&member("p"), id, Vec::new()).await.expect("shown");
        assert_eq!(shown.vm_state, Shown::SoftDeleted, "{}", world.database.name);
    }
}
