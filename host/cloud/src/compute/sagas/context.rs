//! What every saga of servers needs: the core, the faults, and the server's platform.

use std::sync::{Arc, Mutex, PoisonError};

use skyloom_jobs::{Faults, Outcome, Run};
use skyloom_model::{Error, ErrorCode, Reach, Result};
use skyloom_runtime::driver::{Domain, Driver, Power, Progress, StepKey, StopMode};
use skyloom_store::servers;

use super::super::Compute;
use super::faulty::FaultyDriver;
use super::times::Times;

/// Shared by the sagas.
#[derive(Clone)]
pub(super) struct Context {
    pub compute: Arc<Compute>,
    pub faults: Arc<Faults>,
    pub times: Times,
}

/// The platform that a run's server is on.
pub(super) struct Platform {
    /// None: the server was never placed.
    pub driver: Option<Arc<dyn Driver>>,
    pub server_id: String,
    seen: Mutex<Seen>,
}

/// What the last `inspect` of a run said.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Seen {
    /// Nobody looked.
    #[default]
    Nothing,
    /// None: the platform has nothing of the server.
    Power(Option<Power>),
}

impl Context {
    /// The driver of a node, with this operation's faults.
    pub fn driver(&self, node: &str, kind: &'static str) -> Result<Arc<dyn Driver>> {
        let node = self.compute.node(node)?;
        Ok(Arc::new(FaultyDriver::new(node.driver, self.faults.clone(), kind)))
    }

    /// The platform of the run's server, looked up once a run.
    pub async fn platform(&self, run: &Run, kind: &'static str) -> Result<Arc<Platform>> {
        run.keep(Box::pin(async {
            let server_id = run.operation.resource_id.clone();
            let found = servers::brief(&mut self.compute.db().read().await?, &server_id, &Reach::All).await?;
            let node = found.map(|server| server.node).unwrap_or_default();
            let driver = if node.is_empty() { None } else { Some(self.driver(&node, kind)?) };
            Ok(Platform::new(driver, server_id))
        }))
        .await
    }
}

/// Names a call to the platform.
pub(super) fn key(run: &Run, step: &str) -> StepKey {
    StepKey { operation: run.operation.id.clone(), step: step.to_owned() }
}

pub(super) fn outcome(progress: Progress) -> Outcome {
    match progress {
        Progress::Done => Outcome::Done,
        Progress::Pending(token) => Outcome::Pending(token),
    }
}

/// What isn't there needs no removing.
pub(super) fn absent_is_done(result: Result<Progress>) -> Result<Outcome> {
    match result {
        Err(error) if error.code == ErrorCode::NotFound => Ok(Outcome::Done),
        other => other.map(outcome),
    }
}

impl Platform {
    pub fn new(driver: Option<Arc<dyn Driver>>, server_id: String) -> Self {
        Self { driver, server_id, seen: Mutex::default() }
    }

    /// The driver, for a server that must have one.
    pub fn driver(&self) -> Result<&Arc<dyn Driver>> {
        self.driver.as_ref().ok_or_else(|| {
            Error::new(ErrorCode::WrongState, format!("Server {} is on no compute node.", self.server_id))
                .with_resource("server", &self.server_id)
        })
    }

    /// What the platform has of the server; what it says of its power is kept for the records.
    pub async fn look(&self) -> Result<Option<Domain>> {
        let found = match &self.driver {
            Some(driver) => driver.inspect(&self.server_id).await?,
            None => None,
        };
        let power = found.as_ref().and_then(Domain::defined);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::Power(power);
        Ok(found)
    }

    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pulls the plug; a server that is off or gone is done.
    pub async fn hard_stop(&self, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        let Some(driver) = &self.driver else { return Ok(Outcome::Done) };
        let key = key(run, step);
        if let Some(token) = token {
            return absent_is_done(driver.poll(&key, &self.server_id, token).await);
        }
        absent_is_done(driver.stop(&key, &self.server_id, StopMode::Hard).await)
    }

    /// Removes the definition.
    pub async fn undefine(&self, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        let Some(driver) = &self.driver else { return Ok(Outcome::Done) };
        let key = key(run, step);
        if let Some(token) = token {
            return absent_is_done(driver.poll(&key, &self.server_id, token).await);
        }
        absent_is_done(driver.undefine(&key, &self.server_id).await)
    }

    /// Removes disks.
    pub async fn delete_disks(&self, run: &Run, step: &str, disks: &[String], token: Option<&str>) -> Result<Outcome> {
        let Some(driver) = &self.driver else { return Ok(Outcome::Done) };
        let key = key(run, step);
        if let Some(token) = token {
            return absent_is_done(driver.poll(&key, &self.server_id, token).await);
        }
        absent_is_done(driver.delete_disks(&key, &self.server_id, disks).await)
    }
}
