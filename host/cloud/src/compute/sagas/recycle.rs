//! Into the recycle bin and out of it. In the bin a server keeps its disks, ports and place, and is off; what is charged for it there,
//! the prices of its state say.

use std::time::Duration;

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{PowerState, Result, Timestamp, VmState};
use skyloom_runtime::driver::Power;
use skyloom_store::servers::{self, Brief, Change, Recycled};
use skyloom_store::{Conn, metering, schedules};

use super::context::{Context, Platform};
use super::moving::Places;
use super::resize::{decided, locked};
use super::server_saga::ServerSaga;
use super::{guest, settle};

/// The second step on the way into the bin.
const LEAVE: usize = 1;

/// What a schedule does with a server that nobody takes out again.
const PURGE: &str = "purge";

pub(super) struct Recycle {
    context: Context,
    /// Into the bin, or out of it.
    goes: bool,
    steps: Vec<Step>,
}

impl Recycle {
    pub fn goes(context: Context) -> Self {
        let times = &context.times;
        let stop = step("stop", times.soft_stop + times.power);
        // One between two flavors keeps the one that it has, and gives up what it left on another node for it.
        let leave = Step { no_return: true, ..step("leave", times.define + times.disks) };
        Self { goes: true, steps: vec![stop, leave], context }
    }

    pub fn comes_back(context: Context) -> Self {
        Self { goes: false, steps: vec![step("start", context.times.power)], context }
    }

    /// A server between two flavors keeps the one that it has.
    async fn gone(&self, tx: &mut Conn, id: &str, now: Timestamp) -> Result<()> {
        let seconds = self.context.compute.settings.recycle_bin_seconds;
        let until = (seconds > 0).then(|| now.plus(Duration::from_secs(seconds.into())));
        decided(tx, id).await?;
        metering::close_running(tx, id, now).await?;
        let recycled = Some(Some(Recycled { since: now, until }));
        servers::change(tx, id, &Change { recycled, ..IN_THE_BIN }, now).await?;
        match until {
            Some(until) => schedules::put(tx, ("server", id), PURGE, until).await,
            None => Ok(()),
        }
    }

    async fn back(tx: &mut Conn, id: &str, now: Timestamp) -> Result<()> {
        schedules::remove_of(tx, id).await?;
        let server = Brief { vm_state: VmState::Active, terminated_at: None, ..locked(tx, id).await? };
        settle::settle(tx, &server, Some(Power::Running), now).await?;
        servers::change(tx, id, &Change { recycled: Some(None), ..Change::default() }, now).await
    }
}

const IN_THE_BIN: Change<'static> = Change {
    vm_state: Some(VmState::SoftDeleted),
    task_state: Some(None),
    power_state: Some(PowerState::ShutDown),
    node: None,
    launched_at: None,
    recycled: None,
    progress: None,
    fault: Some(None),
    forget_password: false,
};

fn step(name: &'static str, deadline: Duration) -> Step {
    Step { name, retry: Retry::Passing, deadline, no_return: false }
}

#[async_trait]
impl ServerSaga for Recycle {
    type Plan = Places;

    fn kind(&self) -> &'static str {
        if self.goes { "server.recycle" } else { "server.restore" }
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn plan(&self, run: &Run) -> Result<Places> {
        Places::load(&self.context, run, self.kind()).await
    }

    fn platform<'p>(&self, places: &'p Places, step: usize) -> &'p Platform {
        if step == LEAVE { places.leaving() } else { &places.home }
    }

    async fn act(&self, run: &Run, places: &Places, step: usize, token: Option<&str>) -> Result<Outcome> {
        let platform = &places.home;
        if !self.goes {
            return guest::switch_on(run, platform, "start", token).await;
        }
        if step == LEAVE {
            return places.leave(&self.context, run, "leave", token).await;
        }
        if token.is_none() && guest::is_off(platform).await? {
            return Ok(Outcome::Done);
        }
        guest::switch_off(&self.context, run, platform, ("stop", false), token).await
    }

    async fn undo(&self, run: &Run, places: &Places, _step: usize, token: Option<&str>) -> Result<Outcome> {
        let platform = &places.home;
        if !self.goes {
            return platform.hard_stop(run, "start/undo", token).await;
        }
        // As with every stop: what is there is what counts.
        platform.look().await.map(|_| Outcome::Done)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            Event::Succeeded if self.goes => self.gone(tx, id, now).await,
            Event::Succeeded => Self::back(tx, id, now).await,
            Event::Failed(_) | Event::Cancelled if self.goes => {
                let places = run.kept::<Places>();
                settle::as_seen(tx, run, places.as_ref().map(|places| &places.home), now).await
            }
            // It lies in the bin as before, also when the operation was stuck meanwhile.
            Event::Failed(_) | Event::Cancelled => servers::change(tx, id, &IN_THE_BIN, now).await,
            _ => Ok(()),
        }
    }
}
