//! What requests to pause, suspend and go on refuse, on both databases.

use skyloom_model::{ErrorCode, TaskState, Timestamp, VmState};
use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_store::servers::{self, Change};

use super::testing::{Kind, World, member, worlds};
use crate::Settings;

/// The verb, the state that it needs, and what is then being done.
const VERBS: [(&str, VmState, TaskState); 4] = [
    ("pause", VmState::Active, TaskState::Pausing),
    ("unpause", VmState::Paused, TaskState::Unpausing),
    ("suspend", VmState::Active, TaskState::Suspending),
    ("resume", VmState::Suspended, TaskState::Resuming),
];

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

#[tokio::test]
async fn each_word_has_its_state_and_its_task() {
    for world in worlds(Settings::default()).await {
        let id = created(&world).await;
        for (verb, needs, task) in VERBS {
            for state in [VmState::Active, VmState::Stopped, VmState::Paused, VmState::Suspended, VmState::Error] {
                rests(&world, &id, state).await;
                let error = ask(&world, "q", &id, verb).await.expect_err("of another project");
                assert_eq!(error.kind(), ErrorCode::NotFound, "{} {verb}", world.database.name);
                if state != needs {
                    let error = ask(&world, "p", &id, verb).await.expect_err(verb);
                    assert_eq!(error.kind(), ErrorCode::WrongState, "{} {verb} {state:?}", world.database.name);
                    continue;
                }
                ask(&world, "p", &id, verb).await.expect("accepted");
                let mut conn = world.database.db.read().await.expect("read");
                let brief = servers::brief(&mut conn, &id, &skyloom_model::Reach::All).await.expect("read");
                assert_eq!(brief.expect("a server").task_state, Some(task), "{}", world.database.name);
                drop(conn);
                let error = ask(&world, "p", &id, verb).await.expect_err("it is under way");
                assert_eq!(error.kind(), ErrorCode::Busy, "{} {verb}", world.database.name);
            }
        }
    }
}

#[tokio::test]
async fn a_guest_that_stands_still_is_rebooted_hard_recycled_or_deleted_and_nothing_else() {
    for world in worlds(Settings::default()).await {
        let id = created(&world).await;
        for state in [VmState::Paused, VmState::Suspended] {
            for (verb, option) in [
                ("start", None),
                ("stop", None),
                ("reboot", None),
                ("resize", Some(("flavor-id", "2"))),
                ("attach-volume", Some(("volume-id", "v"))),
            ] {
                rests(&world, &id, state).await;
                let options = option.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
                let (ids, verb) = (vec![id.clone()], verb.to_owned());
                let asked = world.cloud.act_on_servers(&member("p"), ids, verb.clone(), options, false, true).await;
                let error = asked.expect_err(&verb);
                assert_eq!(error.kind(), ErrorCode::WrongState, "{} {verb} {state:?}", world.database.name);
            }
            let hard = vec![("hard".to_owned(), "true".to_owned())];
            let (ids, verb) = (vec![id.clone()], "reboot".to_owned());
            world.cloud.act_on_servers(&member("p"), ids, verb, hard, false, true).await.expect("accepted");
            rests(&world, &id, state).await;
            ask(&world, "p", &id, "recycle").await.expect("accepted");
        }
    }
}

#[tokio::test]
async fn none_of_them_begins_while_the_node_is_away() {
    for world in worlds(Settings::default()).await {
        let id = created(&world).await;
        for (verb, needs, _) in VERBS {
            rests(&world, &id, needs).await;
            let mut tx = world.database.db.begin().await.expect("begin");
            let away = Change { node: Some("node-9"), ..Change::default() };
            servers::change(&mut tx, &id, &away, Timestamp::now()).await.expect("change");
            tx.commit().await.expect("commit");
            let error = ask(&world, "p", &id, verb).await.expect_err(verb);
            let said = (error.kind(), error.reason.as_deref());
            assert_eq!(said, (ErrorCode::WrongState, Some("node-away")), "{} {verb}", world.database.name);
        }
    }
}
