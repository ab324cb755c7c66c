//! What every saga of servers needs: the core, the faults, and the server's platform.

use std::sync::{Arc, Mutex, PoisonError};

use skyloom_jobs::{Faults, Outcome, Run};
use skyloom_model::{Error, ErrorCode, Reach, Result};
use skyloom_runtime::driver::{Disk, Domain, Driver, Power, Progress, StepCall, StepKey, StopMode};
use skyloom_store::resizes::MovedDisk;
use skyloom_store::servers;

use super::super::Compute;
use super::faulty::FaultyDriver;
use super::times::Times;
use crate::images::Images;

/// Shared by the sagas.
#[derive(Clone)]
pub(super) struct Context {
    pub compute: Arc<Compute>,
    pub faults: Arc<Faults>,
    pub times: Times,
    /// For the blobs through which disks go.
    pub images: Arc<Images>,
}

/// One thing's part of a compute node.
pub(super) struct Platform {
    kind: &'static str,
    pub id: String,
    at: At,
    seen: Mutex<Seen>,
}

enum At {
    /// It has no place.
    Nowhere,
    Here(Arc<dyn Driver>),
    /// Another process drives this node.
    Elsewhere(String),
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
    /// A part of a node, with the faults of this kind of operation. None: the resource has no place.
    pub fn platform(
        &self,
        (kind, id): (&'static str, &str),
        node: Option<&str>,
        operation_kind: &'static str,
    ) -> Result<Platform> {
        let at = match node.map(|name| (name, self.compute.node(name))) {
            None => At::Nowhere,
            Some((_, Ok(node))) => {
                At::Here(Arc::new(FaultyDriver::new(node.driver, self.faults.clone(), operation_kind)))
            }
            Some((name, Err(_))) if self.compute.db().is_postgres() => At::Elsewhere(name.to_owned()),
            // Without another process there is nobody to wait for.
            Some((_, Err(error))) => return Err(error),
        };
        Ok(Platform { kind, id: id.to_owned(), at, seen: Mutex::default() })
    }

    /// The platform of the run's server.
    pub async fn platform_of(&self, run: &Run, kind: &'static str) -> Result<Platform> {
        let server_id = &run.operation.resource_id;
        let found = servers::brief(&mut self.compute.db().read().await?, server_id, &Reach::All).await?;
        let node = found.map(|server| server.node).filter(|node| !node.is_empty());
        self.platform(("server", server_id), node.as_deref(), kind)
    }
}

fn outcome(progress: Progress) -> Outcome {
    match progress {
        Progress::Done => Outcome::Done,
        Progress::Pending(token) => Outcome::Pending(token),
    }
}

/// What isn't there needs no removing.
fn absent_is_done(result: Result<Outcome>) -> Result<Outcome> {
    match result {
        Err(error) if error.code == ErrorCode::NotFound => Ok(Outcome::Done),
        other => other,
    }
}

impl Platform {
    /// The node to which the work is to be passed on.
    pub fn elsewhere(&self) -> Option<&str> {
        if let At::Elsewhere(node) = &self.at { Some(node) } else { None }
    }

    pub fn driver(&self) -> Option<&Arc<dyn Driver>> {
        if let At::Here(driver) = &self.at { Some(driver) } else { None }
    }

    /// Does the step, or with a token looks at how it stands. What has no place is `wrong-state`.
    pub async fn step(&self, run: &Run, name: &str, token: Option<&str>, call: StepCall<'_>) -> Result<Outcome> {
        let driver = self.driver().ok_or_else(|| {
            Error::new(ErrorCode::WrongState, format!("The {} {} is on no compute node.", self.kind, self.id))
                .with_resource(self.kind, &self.id)
        })?;
        let key = StepKey { operation: run.operation.id.clone(), step: name.to_owned() };
        let call = token.map_or(call, |token| StepCall::Poll { token });
        driver.step(&key, call).await.map(outcome)
    }

    /// As [`Platform::step`], for what takes something away: what isn't there is done.
    pub async fn remove(&self, run: &Run, name: &str, token: Option<&str>, call: StepCall<'_>) -> Result<Outcome> {
        match self.at {
            At::Nowhere => Ok(Outcome::Done),
            At::Here(_) | At::Elsewhere(_) => absent_is_done(self.step(run, name, token, call).await),
        }
    }

    /// What the platform has of the server; what it says of its power is kept for the records.
    pub async fn look(&self) -> Result<Option<Domain>> {
        let found = match self.driver() {
            Some(driver) => driver.inspect(&self.id).await?,
            None => None,
        };
        let power = found.as_ref().map(|domain| domain.power);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::Power(power);
        Ok(found)
    }

    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pulls the plug; a server that is off or gone is done.
    pub async fn hard_stop(&self, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        let call = StepCall::Stop { server_id: &self.id, mode: StopMode::Hard };
        self.remove(run, step, token, call).await
    }

    /// Removes the definition.
    pub async fn undefine(&self, run: &Run, step: &str, token: Option<&str>) -> Result<Outcome> {
        self.remove(run, step, token, StepCall::Undefine { server_id: &self.id }).await
    }

    /// Removes disks, one after the other.
    pub async fn remove_disks(&self, run: &Run, step: &str, disks: &[String], token: Option<&str>) -> Result<Outcome> {
        let calls: Vec<StepCall<'_>> = disks.iter().map(|id| StepCall::RemoveDisk { id }).collect();
        self.each(run, step, token, &calls, true).await
    }

    /// Removes the definition, then the disks.
    pub async fn clear(&self, run: &Run, step: &str, disks: &[String], token: Option<&str>) -> Result<Outcome> {
        let undefine = StepCall::Undefine { server_id: &self.id };
        let calls: Vec<_> = [undefine].into_iter().chain(disks.iter().map(|id| StepCall::RemoveDisk { id })).collect();
        self.each(run, step, token, &calls, true).await
    }

    /// Writes disks into their blobs, one after the other.
    pub async fn export_disks(
        &self,
        run: &Run,
        step: &str,
        disks: &[MovedDisk],
        token: Option<&str>,
    ) -> Result<Outcome> {
        let calls: Vec<_> = disks.iter().map(|disk| StepCall::ExportDisk { id: &disk.id, blob: &disk.blob }).collect();
        self.each(run, step, token, &calls, false).await
    }

    /// The disks of a server, one after the other.
    pub async fn create_disks(&self, run: &Run, step: &str, disks: &[Disk], token: Option<&str>) -> Result<Outcome> {
        let calls: Vec<StepCall<'_>> = disks.iter().map(|disk| StepCall::CreateDisk { disk }).collect();
        self.each(run, step, token, &calls, false).await
    }

    /// One call after the other; a token says at which one it stands. `removes`: as [`Platform::remove`].
    pub async fn each(
        &self,
        run: &Run,
        step: &str,
        token: Option<&str>,
        calls: &[StepCall<'_>],
        removes: bool,
    ) -> Result<Outcome> {
        let begun = token.and_then(|token| token.split_once(' '));
        let begun = begun.and_then(|(at, token)| Some((at.parse().ok()?, token)));
        let (first, mut token): (usize, _) = begun.map_or((0, None), |(at, token)| (at, Some(token)));
        for (at, call) in calls.iter().enumerate().skip(first) {
            let outcome = if removes {
                self.remove(run, step, token.take(), *call).await?
            } else {
                self.step(run, step, token.take(), *call).await?
            };
            match outcome {
                Outcome::Done => {}
                Outcome::Pending(token) => return Ok(Outcome::Pending(format!("{at} {token}"))),
                elsewhere @ Outcome::Elsewhere(_) => return Ok(elsewhere),
            }
        }
        Ok(Outcome::Done)
    }
}
