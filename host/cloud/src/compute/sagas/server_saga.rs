//! What the operations on servers have in common.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Run, Saga, Step};
use skyloom_model::{Result, TaskState, Timestamp};
use skyloom_store::{Conn, servers};

use super::context::Platform;
use super::settle;

/// One kind of operation on servers; [`OfServers`] makes a saga of it.
#[async_trait]
pub(super) trait ServerSaga: Send + Sync + 'static {
    /// What a run knows of its server. Loaded once, at the first step that has to do with a platform.
    type Plan: Send + Sync + 'static;

    fn kind(&self) -> &'static str;

    fn steps(&self) -> &[Step];

    /// Whether the step is done by the write that ends it.
    fn in_records(&self, _step: usize) -> bool {
        false
    }

    async fn plan(&self, run: &Run) -> Result<Self::Plan>;

    /// The platform that the step is for.
    fn platform<'p>(&self, plan: &'p Self::Plan, step: usize) -> &'p Platform;

    /// As [`Saga::act`].
    async fn act(&self, run: &Run, plan: &Self::Plan, step: usize, token: Option<&str>) -> Result<Outcome>;

    /// As [`Saga::undo`].
    async fn undo(&self, run: &Run, plan: &Self::Plan, step: usize, token: Option<&str>) -> Result<Outcome>;

    /// As [`Saga::record`]; it is not asked about `Stuck` and `HandedOver`, which mean the same in all of them.
    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()>;
}

pub(super) struct OfServers<S>(pub S);

impl<S: ServerSaga> OfServers<S> {
    async fn plan(&self, run: &Run) -> Result<Arc<S::Plan>> {
        run.keep(Box::pin(self.0.plan(run))).await
    }
}

fn passed_on(platform: &Platform) -> Option<Outcome> {
    platform.elsewhere().map(|node| Outcome::Elsewhere(node.to_owned()))
}

#[async_trait]
impl<S: ServerSaga> Saga for OfServers<S> {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn steps(&self) -> &[Step] {
        self.0.steps()
    }

    async fn act(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        if self.0.in_records(step) {
            return Ok(Outcome::Done);
        }
        let plan = self.plan(run).await?;
        match passed_on(self.0.platform(&plan, step)) {
            Some(elsewhere) => Ok(elsewhere),
            None => self.0.act(run, &plan, step, token).await,
        }
    }

    async fn undo(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        let plan = self.plan(run).await?;
        match passed_on(self.0.platform(&plan, step)) {
            Some(elsewhere) => Ok(elsewhere),
            None => self.0.undo(run, &plan, step, token).await,
        }
    }

    async fn hold(&self, tx: &mut Conn, resources: &[String]) -> Result<()> {
        servers::lock_many(tx, resources).await.map(drop)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            // Only a deletion goes after another operation.
            Event::HandedOver => settle::task(tx, id, Some(TaskState::Deleting), now).await,
            Event::Stuck(error) => settle::stuck(tx, id, error, now).await,
            event => self.0.record(tx, run, event, now).await,
        }
    }

    fn digest(&self, run: &Run, step: usize) -> Option<String> {
        let plan = run.kept::<S::Plan>()?;
        Some(self.0.platform(&plan, step).driver()?.digest().to_owned())
    }
}
