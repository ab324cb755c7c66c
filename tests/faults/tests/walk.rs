//! One operation with its faults, to its rest; then the comparison.

use skyloom_jobs::faults::{Crash, DriverFault, Failure, Moment, Settings};
use skyloom_jobs::{Operation, State};
use skyloom_runtime::bindings::cloud::compute::OnFailure;

use crate::fixture::{Fixture, told};
use crate::kinds::Kind;
use crate::rebuilds;

/// How an operation came to rest.
pub struct Rest {
    pub operation: Operation,
    /// Whether the armed crash came.
    pub crashed: bool,
}

pub fn fault(kind: Kind, step: &str, failure: Failure, times: u32) -> DriverFault {
    DriverFault { operation: Some(kind.name().to_owned()), step: step.to_owned(), failure, times }
}

pub fn crash(kind: Kind, write: u32, moment: Moment) -> Crash {
    Crash { operation: kind.name().to_owned(), write, moment }
}

/// Runs one operation under the faults, compares, and clears the server away. A stuck operation is retried by the operator
/// once the faults are over.
pub async fn run(fixture: &Fixture, kind: Kind, faults: Settings, keep: bool, case: &str) -> Rest {
    // After a crash the same driver faults stand again: the platform's trouble doesn't end with our process.
    let again = Settings { driver: faults.driver.clone(), ..Settings::default() };
    let prepared = if kind.creates() { None } else { Some(fixture.prepare(kind).await) };
    fixture.start(faults).await;
    let (server, operation) = match prepared {
        Some(server) => {
            let operation = fixture.ask(kind, &server).await;
            (server, operation)
        }
        None => fixture.begin(kind, if keep { OnFailure::Keep } else { OnFailure::Remove }).await,
    };
    let rested = fixture.rest(&operation).await;
    let crashed = fixture.engine.lock().unwrap().as_ref().is_some_and(|engine| engine.faults().is_dead());
    let mut operation = match rested {
        Some(operation) if !crashed => operation,
        _ => {
            fixture.kill();
            fixture.start(again).await;
            fixture.rest(&operation).await.expect("no crash is armed any more")
        }
    };
    if operation.state == State::Stuck {
        fixture.kill();
        let engine = fixture.start(Settings::default()).await;
        engine.retry(&operation.id).await.expect("a stuck operation can be retried");
        operation = fixture.rest(&operation.id).await.expect("no crash is armed any more");
        assert!(operation.state.ended(), "{case}: still stuck: {}", told(operation.error.as_ref()));
    }
    fixture.check(&server, case).await;
    fixture.check_given(kind, &server, case).await;
    rebuilds::check(fixture, kind, &operation, &server, case).await;
    clear(fixture, &server, case).await;
    Rest { operation, crashed }
}

/// Deletes the server without faults and compares again.
pub async fn clear(fixture: &Fixture, server: &str, case: &str) {
    fixture.kill();
    fixture.start(Settings::default()).await;
    if fixture.server(server).await.is_some_and(|server| !server.deleted) {
        let operation = fixture.ask(Kind::Delete, server).await;
        let deleted = fixture.rest(&operation).await.expect("no crash is armed");
        assert_eq!(deleted.state, State::Succeeded, "{case}: {}", told(deleted.error.as_ref()));
        fixture.check(server, &format!("{case}, deleted")).await;
    }
    fixture.remove_spare().await;
    fixture.kill();
}
