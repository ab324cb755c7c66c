//! A server gets a new system disk. The guest is switched off, its definition and its old disk go, the new disk is made of the image, and
//! the server is defined on it, so that its guest boots for the first time; it is switched on unless it was off. Until the old disk goes
//! all can be undone: the records have what the server was, and what it becomes stands in `rebuilds`.

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Error, PowerState, Result, TaskState, Timestamp};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Disk, DomainSpec, Power, StepCall};
use skyloom_store::rebuilds::{self, Rebuild};
use skyloom_store::servers::{self, Change};
use skyloom_store::{Conn, metering};
use tokio::sync::OnceCell;

use super::blueprint::Blueprint;
use super::context::{Context, Platform};
use super::resize::locked;
use super::server_saga::ServerSaga;
use super::{guest, settle};

const KIND: &str = "server.rebuild";

const STOP: usize = 0;
const CLEAR: usize = 1;
const DISK: usize = 2;
const DEFINE: usize = 3;

pub(super) struct RebuildSaga {
    context: Context,
    steps: Vec<Step>,
}

pub(super) struct Plan {
    /// As the server becomes.
    blueprint: Blueprint,
    rebuild: Rebuild,
    /// What to define, and the values of the handles in it.
    spec: OnceCell<(DomainSpec, SecretVault)>,
}

impl Plan {
    /// Ids of the system disk: one.
    fn system(&self) -> Vec<String> {
        let system = self.blueprint.volumes.iter().filter(|volume| volume.boot_index == 0);
        system.map(|volume| volume.id.clone()).collect()
    }

    async fn spec(&self, context: &Context) -> Result<&(DomainSpec, SecretVault)> {
        self.spec.get_or_try_init(|| self.blueprint.spec_with_password(context)).await
    }

    /// The new disk.
    async fn disk(&self, context: &Context) -> Result<Vec<Disk>> {
        let ((spec, _), system) = (self.spec(context).await?, self.system());
        Ok(spec.disks.iter().filter(|disk| system.contains(&disk.id)).cloned().collect())
    }
}

impl RebuildSaga {
    pub fn new(context: Context) -> Self {
        let times = &context.times;
        let step = |name, deadline, no_return| Step { name, retry: Retry::Passing, deadline, no_return };
        let steps = vec![
            step("stop", times.soft_stop + times.power, false),
            step("clear", times.define + times.disks, true),
            step("disk", times.disks, true),
            step("define", times.define, true),
            step("start", times.power, true),
        ];
        Self { context, steps }
    }

    async fn done(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        let running = rebuild(tx, id).await?.running;
        let server = locked(tx, id).await?;
        rebuilds::remove(tx, id).await?;
        let change = Change { launched_at: running.then_some(now), progress: Some(100), ..Change::default() };
        servers::change(tx, id, &change, now).await?;
        settle::settle(tx, &server, Some(if running { Power::Running } else { Power::Stopped }), now).await
    }
}

async fn rebuild(conn: &mut Conn, server_id: &str) -> Result<Rebuild> {
    rebuilds::get(conn, server_id).await?.ok_or_else(|| Error::not_found("rebuild", server_id))
}

async fn switched_off(tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
    let change = Change { power_state: Some(PowerState::ShutDown), ..Change::default() };
    servers::change(tx, server_id, &change, now).await?;
    metering::close_running(tx, server_id, now).await
}

#[async_trait]
impl ServerSaga for RebuildSaga {
    type Plan = Plan;

    fn kind(&self) -> &'static str {
        KIND
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn plan(&self, run: &Run) -> Result<Plan> {
        let rebuild = rebuild(&mut self.context.compute.db().read().await?, &run.operation.resource_id).await?;
        let blueprint = Blueprint::load(&self.context, run, KIND).await?.anew(&rebuild);
        Ok(Plan { blueprint, rebuild, spec: OnceCell::new() })
    }

    fn platform<'p>(&self, plan: &'p Plan, _step: usize) -> &'p Platform {
        &plan.blueprint.platform
    }

    async fn act(&self, run: &Run, plan: &Plan, step: usize, token: Option<&str>) -> Result<Outcome> {
        let (platform, name) = (&plan.blueprint.platform, self.steps[step].name);
        match step {
            STOP if token.is_none() && guest::is_off(platform).await? => Ok(Outcome::Done),
            STOP => guest::switch_off(&self.context, run, platform, (name, false), token).await,
            CLEAR => platform.clear(run, name, &plan.system(), token).await,
            DISK => platform.create_disks(run, name, &plan.disk(&self.context).await?, token).await,
            DEFINE => {
                let (spec, secrets) = plan.spec(&self.context).await?;
                platform.step(run, name, token, StepCall::Define { spec, secrets }).await
            }
            _ if plan.rebuild.running => guest::switch_on(run, platform, name, token).await,
            _ => Ok(Outcome::Done),
        }
    }

    /// Of the first step alone; see [`Step::no_return`].
    async fn undo(&self, run: &Run, plan: &Plan, _step: usize, token: Option<&str>) -> Result<Outcome> {
        let platform = &plan.blueprint.platform;
        let found = platform.look().await?;
        // Who deletes the server wants no guest any more; anybody else wants it as it was, and one in error may have none.
        if found.is_none() || !plan.rebuild.running || run.is_cancelled() {
            return Ok(Outcome::Done);
        }
        guest::switch_on(run, platform, "stop/undo", token).await
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            Event::Begun(CLEAR) => settle::task(tx, id, Some(TaskState::RebuildBlockDeviceMapping), now).await,
            Event::Begun(DEFINE) => settle::task(tx, id, Some(TaskState::RebuildSpawning), now).await,
            Event::Done(STOP) => switched_off(tx, id, now).await,
            Event::Done(CLEAR) => {
                let rebuild = rebuild(tx, id).await?;
                rebuilds::apply(tx, &rebuild, now).await
            }
            Event::Succeeded => self.done(tx, run, now).await,
            Event::Failed(_) | Event::Cancelled => {
                rebuilds::remove(tx, id).await?;
                let plan = run.kept::<Plan>();
                settle::as_seen(tx, run, plan.as_ref().map(|plan| &plan.blueprint.platform), now).await
            }
            _ => Ok(()),
        }
    }
}
