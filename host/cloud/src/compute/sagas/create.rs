//! The creation of a server: place, disks, definition, start.

use async_trait::async_trait;
use skyloom_jobs::{Event, OnFailure, Outcome, Retry, Run, Step};
use skyloom_model::{Error, PowerState, Result, TaskState, Timestamp, VmState};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Disk, DomainSpec, StepCall};
use skyloom_store::servers::{self, Brief, Change};
use skyloom_store::volumes::{self, Volume, VolumeState};
use skyloom_store::{Conn, metering, networks, operations, public_addresses};
use tokio::sync::OnceCell;

use super::blueprint::Blueprint;
use super::context::{Context, Platform};
use super::server_saga::ServerSaga;
use super::{place, release, settle};

pub(super) const KIND: &str = "server.create";

const PLACE: usize = 0;
const DISKS: usize = 1;
const DEFINE: usize = 2;
const START: usize = 3;

pub(super) struct Create {
    context: Context,
    steps: Vec<Step>,
}

/// What the request said beside the server's own record.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Params {
    /// Only this node.
    node: Option<String>,
}

/// Loaded after the server was placed.
pub(super) struct Plan {
    blueprint: Blueprint,
    spec: OnceCell<(DomainSpec, SecretVault)>,
}

impl Create {
    pub fn new(context: Context) -> Self {
        let times = &context.times;
        let step = |name, retry, deadline| Step { name, retry, deadline, no_return: false };
        let steps = vec![
            step("place", Retry::Never, times.records),
            step("disks", Retry::Passing, times.disks),
            step("define", Retry::Passing, times.define),
            step("start", Retry::Passing, times.power),
        ];
        Self { context, steps }
    }

    /// What to make, and the values of the handles in it.
    async fn spec<'p>(&self, plan: &'p Plan) -> Result<&'p (DomainSpec, SecretVault)> {
        plan.spec.get_or_try_init(|| plan.blueprint.spec_with_password(&self.context)).await
    }

    async fn place(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        let params: Params = run.params()?;
        let node = place::home(tx, &self.context.compute, id, params.node.as_deref()).await?;
        let task = Some(Some(TaskState::BlockDeviceMapping));
        let change = Change { node: Some(&node), task_state: task, ..Change::default() };
        servers::change(tx, id, &change, now).await?;
        networks::bind_ports_of_device(tx, id, &node).await
    }

    async fn disks_made(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        volumes::had_from(tx, id, VolumeState::Creating, now).await?;
        for volume in volumes_of(tx, run).await?.iter().filter(|volume| volume.state != VolumeState::Attaching) {
            metering::open_volume(tx, volume, volume.size_gib, now).await?;
        }
        Ok(())
    }

    /// What was given to the server is its own once it runs; what it costs may depend on the server's state from then on.
    async fn take_given(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        let volumes = volumes_of(tx, run).await?;
        let is_given = |volume: &&Volume| volume.state == VolumeState::Attaching;
        if !volumes.iter().any(|volume| is_given(&volume)) {
            return Ok(());
        }
        for volume in volumes.iter().filter(is_given) {
            metering::close_spans(tx, &volume.id, &[], now).await?;
            metering::open_volume(tx, volume, volume.size_gib, now).await?;
        }
        volumes::had_from(tx, id, VolumeState::Attaching, now).await
    }

    async fn launched(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let server = locked(tx, run).await?;
        let change = Change {
            vm_state: Some(VmState::Active),
            task_state: Some(None),
            power_state: Some(PowerState::Running),
            launched_at: Some(now),
            progress: Some(100),
            fault: Some(None),
            forget_password: true,
            ..Change::default()
        };
        servers::change(tx, &server.id, &change, now).await?;
        self.take_given(tx, run, now).await?;
        settle::spans(tx, &server, true, now).await
    }

    async fn release(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        public_addresses::mark_made_for(tx, id, run.operation.created_at).await?;
        release::all_of_server(tx, id, release::Volumes::All, None, now).await
    }

    /// Everything outside is undone: frees what the records hold. The server stays, in error, or goes.
    async fn failed(&self, tx: &mut Conn, run: &Run, error: &Error, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        self.release(tx, run, now).await?;
        if run.operation.on_failure == OnFailure::Remove {
            servers::remove(tx, id).await?;
            return Ok(());
        }
        let change = Change {
            vm_state: Some(VmState::Error),
            task_state: Some(None),
            power_state: Some(PowerState::NoState),
            node: Some(""),
            fault: Some(Some(settle::fault(error, now))),
            forget_password: true,
            ..Change::default()
        };
        servers::change(tx, id, &change, now).await
    }

    /// A delete waits: it finds the server as one that was never placed.
    async fn cancelled(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        self.release(tx, run, now).await?;
        // The deletion that has the locks by now needs the server alone; who had the volumes may use them.
        operations::release_locks_beside(tx, "server", id).await?;
        let change = Change {
            power_state: Some(PowerState::NoState),
            node: Some(""),
            forget_password: true,
            ..Change::default()
        };
        servers::change(tx, id, &change, now).await
    }
}

/// As the run has read them, where it has.
async fn volumes_of(tx: &mut Conn, run: &Run) -> Result<Vec<Volume>> {
    match run.kept::<Plan>() {
        Some(plan) => Ok(plan.blueprint.volumes.clone()),
        None => volumes::of_server(tx, &run.operation.resource_id).await,
    }
}

async fn locked(tx: &mut Conn, run: &Run) -> Result<Brief> {
    let id = &run.operation.resource_id;
    servers::lock(tx, id).await?.ok_or_else(|| Error::not_found("server", id))
}

#[async_trait]
impl ServerSaga for Create {
    type Plan = Plan;

    fn kind(&self) -> &'static str {
        KIND
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn in_records(&self, step: usize) -> bool {
        step == PLACE
    }

    async fn plan(&self, run: &Run) -> Result<Plan> {
        let blueprint = Blueprint::load(&self.context, run, KIND).await?;
        Ok(Plan { blueprint, spec: OnceCell::new() })
    }

    fn platform<'p>(&self, plan: &'p Plan, _step: usize) -> &'p Platform {
        &plan.blueprint.platform
    }

    async fn act(&self, run: &Run, plan: &Plan, step: usize, token: Option<&str>) -> Result<Outcome> {
        let platform = &plan.blueprint.platform;
        let call = match step {
            DISKS => {
                let (spec, _) = self.spec(plan).await?;
                let is_made = |disk: &&Disk| plan.blueprint.made().any(|volume| volume.id == disk.id);
                let made: Vec<Disk> = spec.disks.iter().filter(is_made).cloned().collect();
                return platform.create_disks(run, self.steps[DISKS].name, &made, token).await;
            }
            DEFINE => {
                let (spec, secrets) = self.spec(plan).await?;
                StepCall::Define { spec, secrets }
            }
            _ => StepCall::Start { server_id: &platform.id },
        };
        platform.step(run, self.steps[step].name, token, call).await
    }

    async fn undo(&self, run: &Run, plan: &Plan, step: usize, token: Option<&str>) -> Result<Outcome> {
        let platform = &plan.blueprint.platform;
        match step {
            START => platform.hard_stop(run, "start/undo", token).await,
            DEFINE => platform.undefine(run, "define/undo", token).await,
            PLACE => Ok(Outcome::Done),
            _ => {
                let made: Vec<String> = plan.blueprint.made().map(|volume| volume.id.clone()).collect();
                platform.remove_disks(run, "disks/undo", &made, token).await
            }
        }
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            Event::Done(PLACE) => self.place(tx, run, now).await,
            Event::Done(DISKS) => self.disks_made(tx, run, now).await,
            Event::Begun(DEFINE) => settle::task(tx, id, Some(TaskState::Spawning), now).await,
            Event::Succeeded => self.launched(tx, run, now).await,
            Event::Failed(error) => self.failed(tx, run, error, now).await,
            Event::Cancelled => self.cancelled(tx, run, now).await,
            _ => Ok(()),
        }
    }
}
