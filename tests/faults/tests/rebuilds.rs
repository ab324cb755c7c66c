//! Servers that get a new system disk: every point of it.

use skyloom_jobs::{Operation, State};
use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_store::testing;

use crate::fixture::Fixture;
use crate::kinds::Kind;
use crate::points::{FAILURES, crashes, driver_faults, during, steps, undo_faults};

/// The name that a server takes with it.
const NAME: &str = "rebuilt";

/// Of the image that it has, with a new name and a new password; gives the operation.
pub async fn ask(fixture: &Fixture, server: &str) -> String {
    let rebuild = wit::ServerRebuild {
        image_id: Some(fixture.image_id.clone()),
        name: Some(NAME.to_owned()),
        description: None,
        hostname: None,
        metadata: None,
        access_ipv4: None,
        access_ipv6: None,
        key_name: None,
        key_user_id: None,
        user_data: None,
        admin_password: wit::PasswordChoice::Generate,
        attributes: None,
    };
    let rebuilt = fixture.cloud.rebuild_server(&fixture.context(), server.to_owned(), rebuild).await;
    rebuilt.expect("accepted").operation_id
}

/// A server has its new name, and a domain that the rebuild defined, exactly where its disk was made anew.
pub async fn check(fixture: &Fixture, kind: Kind, operation: &Operation, server: &str, case: &str) {
    if !matches!(kind, Kind::Rebuild { .. }) {
        return;
    }
    let (case, is_new) = (format!("{} {case}", fixture.name), operation.state == State::Succeeded);
    let record = fixture.server(server).await.expect("the server");
    assert_eq!(record.name == NAME, is_new, "{case}: {}", record.name);
    let machine = fixture.world.machine(server).unwrap_or_else(|| panic!("{case}: the domain is gone"));
    assert_eq!(machine.operation == operation.id, is_new, "{case}: who defined it");
    let calls = fixture.world.calls_for(&operation.id);
    assert_eq!(calls.iter().any(|call| call == "disk"), is_new, "{case}: {calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_fails_in_every_way_at_every_step_of_a_rebuild() {
    let fixture = Fixture::new(testing::sqlite().await).await;
    let mut points = 0;
    for &kind in Kind::REBUILDING {
        points += driver_faults(&fixture, kind, &FAILURES).await;
        points += undo_faults(&fixture, kind, &FAILURES).await;
    }
    fixture.check_everything().await;
    println!("driver faults of rebuilds: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_at_every_write_of_a_rebuild() {
    let fixture = Fixture::new(testing::sqlite().await).await;
    let mut points = 0;
    for &kind in Kind::REBUILDING {
        points += crashes(&fixture, kind, None).await;
        for step in steps(&fixture, kind).iter().filter(|step| !step.no_return) {
            points += crashes(&fixture, kind, Some(step.name)).await;
        }
    }
    fixture.check_everything().await;
    println!("crashes of rebuilds: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_comes_during_every_step_of_a_rebuild() {
    let fixture = Fixture::new(testing::sqlite().await).await;
    for &kind in Kind::REBUILDING {
        for step in steps(&fixture, kind) {
            during(&fixture, kind, step).await;
        }
    }
    fixture.check_everything().await;
}
