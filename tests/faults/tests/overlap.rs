//! A delete while a call to the platform is under way: the call ends first, then it is undone, once.

use std::time::Duration;

use skyloom_jobs::faults::Settings;
use skyloom_jobs::{Engine, State};
use skyloom_runtime::bindings::cloud::compute::OnFailure;
use skyloom_store::testing;

use crate::fixture::{Fixture, times};
use crate::kinds::Kind;

fn leases_lost(engine: &Engine) -> u64 {
    engine.metrics().snapshot().into_iter().find(|(name, ..)| *name == "leases_lost").expect("a counter").2
}

/// The call hangs before it has its effect. With several engines any of them may have it; each has looked for work again
/// when the other servers are made.
async fn during_the_call(fixture: &Fixture, engines: &[Engine], step: &str) {
    let case = format!("{} delete while {step} is under way", fixture.name);
    fixture.world.hang(step);
    let (server, operation) = fixture.create(OnFailure::Keep).await;
    fixture.called(&operation, step).await;
    let delete = fixture.ask(Kind::Delete, &server).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        engines.iter().for_each(Engine::wake);
        let (other, created) = fixture.create(OnFailure::Keep).await;
        assert_eq!(fixture.rest(&created).await.unwrap().state, State::Succeeded, "{case}");
        others.push(other);
    }
    let calls = fixture.world.calls_for(&operation);
    assert_eq!(calls.iter().filter(|call| *call == step).count(), 1, "{case}: called again: {calls:?}");
    assert!(!calls.iter().any(|call| call.ends_with("/undo")), "{case}: undone meanwhile: {calls:?}");
    fixture.world.go_on();
    assert_eq!(fixture.rest(&operation).await.unwrap().state, State::Cancelled, "{case}");
    assert_eq!(fixture.rest(&delete).await.unwrap().state, State::Succeeded, "{case}");
    let calls = fixture.world.calls_for(&operation);
    for undo in calls.iter().filter(|call| call.ends_with("/undo")) {
        let times = calls.iter().filter(|call| *call == undo).count();
        // Each of the two disks by itself.
        let once = if undo == "disks/undo" { 2 } else { 1 };
        assert_eq!(times, once, "{case}: undone twice: {calls:?}");
    }
    fixture.check(&server, &case).await;
    for other in others {
        let operation = fixture.ask(Kind::Delete, &other).await;
        assert_eq!(fixture.rest(&operation).await.unwrap().state, State::Succeeded, "{case}");
    }
    for engine in engines {
        assert_eq!(leases_lost(engine), 0, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_waits_for_the_platform_and_undoes_once() {
    // The call may hang for as long as the rest takes.
    let patient = skyloom_jobs::Settings { call_timeout: Duration::from_mins(1), ..times() };
    for database in testing::databases().await {
        let processes = if database.db.is_postgres() { 2 } else { 1 };
        let fixture = Fixture::new(database).await;
        let mut engines = Vec::new();
        for _ in 0..processes {
            engines.push(fixture.run(patient.clone(), Settings::default()).await);
        }
        *fixture.engine.lock().unwrap() = engines.last().cloned();
        for step in ["disks", "define", "start"] {
            during_the_call(&fixture, &engines, step).await;
        }
        engines.iter().for_each(Engine::abort);
        fixture.check_everything().await;
    }
}
