//! Points at which an operation may be made to fail, for tests: always compiled in, armed by the deployment's table `[faults]`,
//! which only a deployment that listens on loopback addresses may have.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use skyloom_model::{Error, Result};
use skyloom_store::Conn;
use tokio::sync::Notify;

/// The table `[faults]`.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Failures of driver calls.
    pub driver: Vec<DriverFault>,
    /// Where the process kills itself.
    pub crash: Vec<Crash>,
    /// Writes that are stored while this process is told that they failed.
    pub lost_commit: Vec<LostCommit>,
}

/// What happens to a driver's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// It fails and has no effect.
    FailBefore,
    /// It has its effect and fails.
    FailAfter,
    /// It has its effect, and the reply never comes.
    LoseReply,
    /// It is made twice, and the second reply counts.
    Repeat,
}

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DriverFault {
    /// Kind of the operation, e.g. `server.create`; none: any.
    #[serde(default)]
    pub operation: Option<String>,
    /// The step; its undo is `<step>/undo`.
    pub step: String,
    pub failure: Failure,
    /// So many calls; 0: every one.
    #[serde(default = "once")]
    pub times: u32,
}

fn once() -> u32 {
    1
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Moment {
    Before,
    After,
}

/// One death, before or after a write of the step log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Crash {
    /// Kind of the operation whose write it is.
    pub operation: String,
    /// Number of the operation's write in this process: 0 is the lease, 1 the first step's end. A lease after a pause counts too.
    pub write: u32,
    pub moment: Moment,
}

/// The commit of one write of the step log takes effect, and its answer is lost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LostCommit {
    /// Kind of the operation whose write it is.
    pub operation: String,
    /// Number of the operation's write in this process, counted as for a death.
    pub write: u32,
}

/// The armed faults of one process.
pub struct Faults {
    settings: Settings,
    /// Calls left, by fault.
    left: Vec<AtomicU32>,
    crashed: Vec<AtomicBool>,
    lost: Vec<AtomicBool>,
    /// Writes so far, by operation; kept only where a fault of a write is armed.
    writes: Mutex<HashMap<String, u32>>,
    in_process: bool,
    dead: AtomicBool,
    died: Notify,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Faults").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Faults {
    /// A crash point kills the process with SIGKILL.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            left: settings.driver.iter().map(|fault| AtomicU32::new(fault.times)).collect(),
            crashed: settings.crash.iter().map(|_| AtomicBool::new(false)).collect(),
            lost: settings.lost_commit.iter().map(|_| AtomicBool::new(false)).collect(),
            writes: Mutex::default(),
            settings,
            in_process: false,
            dead: AtomicBool::new(false),
            died: Notify::new(),
        }
    }

    /// A crash point stops the engine: it writes nothing more and calls no driver any more, as if the process had died.
    #[must_use]
    pub fn in_process(settings: Settings) -> Self {
        Self { in_process: true, ..Self::new(settings) }
    }

    /// Refuses armed faults where somebody from outside could meet them. `loopback`: all listeners are loopback addresses.
    pub fn validate(settings: &Settings, loopback: bool) -> Result<()> {
        let none = settings.driver.is_empty() && settings.crash.is_empty() && settings.lost_commit.is_empty();
        if loopback || none {
            return Ok(());
        }
        Err(Error::invalid(
            "faults",
            "faults are for tests: the table [faults] is allowed only where every listener is a loopback address",
        ))
    }

    /// What must happen to this call of a driver.
    pub fn of_call(&self, operation_kind: &str, step: &str) -> Option<Failure> {
        for (fault, left) in self.settings.driver.iter().zip(&self.left) {
            if fault.step != step || fault.operation.as_deref().is_some_and(|kind| kind != operation_kind) {
                continue;
            }
            let unlimited = fault.times == 0;
            let taken =
                unlimited || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            if taken {
                tracing::warn!(operation_kind, step, failure = ?fault.failure, "an armed fault strikes");
                return Some(fault.failure);
            }
        }
        None
    }

    /// Dies here if that is armed. True: the engine is dead (in-process only, else this doesn't return).
    pub(crate) fn crash(&self, operation_kind: &str, operation: &str, moment: Moment) -> bool {
        if self.settings.crash.is_empty() && self.settings.lost_commit.is_empty() {
            return false;
        }
        let write = self.number(operation, moment);
        for (crash, done) in self.settings.crash.iter().zip(&self.crashed) {
            let here = crash.operation == operation_kind && crash.write == write && crash.moment == moment;
            if here && !done.swap(true, Ordering::SeqCst) {
                tracing::warn!(operation_kind, write, ?moment, "an armed fault kills the engine");
                self.kill();
            }
        }
        self.is_dead()
    }

    /// Whether the answer of the commit that is about to be made gets lost.
    pub(crate) fn loses_commit(&self, operation_kind: &str, operation: &str) -> bool {
        if self.settings.lost_commit.is_empty() {
            return false;
        }
        let write = self.number(operation, Moment::Before);
        let mut faults = self.settings.lost_commit.iter().zip(&self.lost);
        faults.any(|(fault, done)| {
            let here = fault.operation == operation_kind && fault.write == write;
            let here = here && !done.swap(true, Ordering::SeqCst);
            if here {
                tracing::warn!(operation_kind, write, "an armed fault loses the answer of a commit");
            }
            here
        })
    }

    /// The number of the write that is about to be made, or was just made.
    fn number(&self, operation: &str, moment: Moment) -> u32 {
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let next = writes.entry(operation.to_owned()).or_default();
        let number = *next;
        if moment == Moment::After {
            *next += 1;
        }
        number
    }

    fn kill(&self) {
        if !self.in_process {
            // SIGKILL, not abort: no handler, no flush, as when the machine's operator or its memory guard kills us.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_waiters();
    }

    /// Whether an in-process crash has struck.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// Returns once an in-process crash has struck.
    pub async fn death(&self) {
        loop {
            let died = self.died.notified();
            if self.is_dead() {
                return;
            }
            died.await;
        }
    }
}

/// Commits. `lost`: an armed fault makes of it one that took effect and whose answer never came.
pub(crate) async fn commit(tx: Conn, lost: bool) -> Result<()> {
    tx.commit().await?;
    if lost { Err(Error::unavailable("the commit's answer is lost")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            driver: vec![DriverFault {
                operation: Some("server.create".to_owned()),
                step: "define".to_owned(),
                failure: Failure::FailAfter,
                times: 2,
            }],
            crash: vec![Crash { operation: "server.stop".to_owned(), write: 1, moment: Moment::After }],
            lost_commit: Vec::new(),
        }
    }

    #[test]
    fn only_loopback_deployments_may_have_faults() {
        assert!(Faults::validate(&settings(), true).is_ok());
        assert!(Faults::validate(&settings(), false).is_err());
        assert!(Faults::validate(&Settings::default(), false).is_ok());
    }

    #[test]
    fn a_fault_strikes_as_often_as_told() {
        let faults = Faults::in_process(settings());
        assert_eq!(faults.of_call("server.delete", "define"), None);
        assert_eq!(faults.of_call("server.create", "start"), None);
        assert_eq!(faults.of_call("server.create", "define"), Some(Failure::FailAfter));
        assert_eq!(faults.of_call("server.create", "define"), Some(Failure::FailAfter));
        assert_eq!(faults.of_call("server.create", "define"), None);
    }

    #[test]
    fn a_crash_strikes_once_and_at_its_point_only() {
        let faults = Faults::in_process(settings());
        let write =
            |kind, operation| [Moment::Before, Moment::After].map(|moment| faults.crash(kind, operation, moment));
        assert_eq!(write("server.stop", "one"), [false, false], "the lease");
        assert_eq!(write("server.start", "two"), [false, false]);
        assert_eq!(write("server.start", "two"), [false, false], "another kind");
        assert_eq!(write("server.stop", "three"), [false, false], "another operation has its own numbers");
        assert_eq!(write("server.stop", "one"), [false, true]);
        assert!(faults.is_dead());
    }
}
