//! A resized server keeps its new flavor: the old one and its room are free, and what it has on the node that it came from goes.

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Result, Timestamp};
use skyloom_store::Conn;
use skyloom_store::servers::{self, Change};

use super::context::{Context, Platform};
use super::moving::Places;
use super::resize::{at_rest, decided, locked};
use super::server_saga::ServerSaga;
use super::settle;

const KIND: &str = "server.confirm-resize";

pub(super) struct Confirm {
    context: Context,
    steps: [Step; 1],
}

impl Confirm {
    pub fn new(context: Context) -> Self {
        let deadline = context.times.define + context.times.disks;
        Self { steps: [Step { name: "release", retry: Retry::Passing, deadline, no_return: true }], context }
    }
}

#[async_trait]
impl ServerSaga for Confirm {
    type Plan = Places;

    fn kind(&self) -> &'static str {
        KIND
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn plan(&self, run: &Run) -> Result<Places> {
        Places::left(&self.context, run, KIND).await
    }

    fn platform<'p>(&self, places: &'p Places, _step: usize) -> &'p Platform {
        places.leaving()
    }

    async fn act(&self, run: &Run, places: &Places, step: usize, token: Option<&str>) -> Result<Outcome> {
        places.leave(&self.context, run, self.steps[step].name, token).await
    }

    async fn undo(&self, _run: &Run, _plan: &Places, _step: usize, _token: Option<&str>) -> Result<Outcome> {
        Ok(Outcome::Done)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            Event::Succeeded => {
                decided(tx, id).await?;
                let vm_state = at_rest(locked(tx, id).await?.power_state);
                // It may have been stuck meanwhile.
                let fault = Some(None);
                let change = Change { vm_state: Some(vm_state), task_state: Some(None), fault, ..Change::default() };
                servers::change(tx, id, &change, now).await
            }
            Event::Failed(_) | Event::Cancelled => settle::task(tx, id, None, now).await,
            _ => Ok(()),
        }
    }
}
