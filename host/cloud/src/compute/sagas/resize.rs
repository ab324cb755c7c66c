//! A server takes another flavor, and goes back to the one that it had. The guest is switched off, its domain changed, and the guest
//! switched on again if it ran. Where its node has no room it goes to another one with its disks (`moving.rs`). The flavor that the
//! server does not have stands in `resizes`, its room in a place beside the home. On the way there both change sides in the write that
//! ends the operation, so that all before it can be undone by the server's own record; on the way back, which is not undone, as soon as
//! the domain is changed.

use std::time::Duration;

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Error, PowerState, Result, TaskState, Timestamp, VmState};
use skyloom_runtime::driver::{DomainSpec, StepCall};
use skyloom_store::placements::{self, Amount};
use skyloom_store::resizes::{self, Resize};
use skyloom_store::servers::{self, Brief, Change};
use skyloom_store::volumes::{self, Volume};
use skyloom_store::{Conn, metering, schedules};

use super::blueprint::Blueprint;
use super::context::{Context, Platform};
use super::moving::Target;
use super::server_saga::ServerSaga;
use super::{guest, moving, place, settle};

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Takes room for the new flavor.
    Place,
    SwitchOff,
    /// Writes the disks into blobs, where the server goes to another node.
    Export,
    /// Makes the disks of the blobs there.
    Import,
    /// The system disk, where the new flavor's is larger.
    Grow,
    Reconfigure,
    SwitchOn,
    /// Takes away what was left on the old node, where nobody is asked.
    Leave,
}

impl Act {
    /// What people see while it is under way to a new flavor.
    fn task(self) -> TaskState {
        match self {
            Self::Place => TaskState::ResizePrep,
            Self::SwitchOff | Self::Export | Self::Import => TaskState::ResizeMigrating,
            Self::Grow | Self::Reconfigure => TaskState::ResizeMigrated,
            Self::SwitchOn | Self::Leave => TaskState::ResizeFinish,
        }
    }
}

const THERE: &[Act] =
    &[Act::Place, Act::SwitchOff, Act::Export, Act::Import, Act::Grow, Act::Reconfigure, Act::SwitchOn, Act::Leave];
const BACK: &[Act] = &[Act::SwitchOff, Act::Reconfigure, Act::SwitchOn];

/// What a schedule does with a server that nobody confirms.
const CONFIRM: &str = "confirm-resize";

pub(super) struct ResizeSaga {
    context: Context,
    kind: &'static str,
    acts: &'static [Act],
    steps: Vec<Step>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Params {
    /// The new flavor stays; nobody is asked.
    confirmed: bool,
}

pub(super) struct Plan {
    /// On the node where the server was when the resize was asked for.
    blueprint: Blueprint,
    resize: Resize,
    /// None: it stays there.
    target: Option<Target>,
}

impl ResizeSaga {
    /// To the new flavor, until somebody confirms it or goes back.
    pub fn there(context: Context) -> Self {
        Self::new(context, "server.resize", THERE)
    }

    /// To the old flavor. Once the domain is being changed, or is taken from the new node, it only goes forward.
    pub fn back(context: Context) -> Self {
        Self::new(context, "server.revert-resize", BACK)
    }

    fn new(context: Context, kind: &'static str, acts: &'static [Act]) -> Self {
        let times = &context.times;
        let steps = acts.iter().map(|act| {
            let (name, retry, deadline) = match act {
                Act::Place => ("place", Retry::Never, times.records),
                Act::SwitchOff => ("stop", Retry::Passing, times.soft_stop + times.power),
                Act::Export => ("export", Retry::Passing, times.disks),
                Act::Import => ("disks", Retry::Passing, times.disks),
                Act::Grow => ("grow", Retry::Passing, times.disks),
                Act::Reconfigure => ("reconfigure", Retry::Passing, times.define),
                Act::SwitchOn => ("start", Retry::Passing, times.power),
                Act::Leave => ("leave", Retry::Passing, times.define + times.disks),
            };
            let back = acts[0] != Act::Place;
            Step { name, retry, deadline, no_return: *act == Act::Leave || (back && *act != Act::SwitchOff) }
        });
        Self { kind, acts, steps: steps.collect(), context }
    }

    fn goes_back(&self) -> bool {
        self.acts[0] != Act::Place
    }

    /// The domain as it is without the change.
    async fn as_it_was(&self, plan: &Plan) -> Result<DomainSpec> {
        plan.blueprint.spec(&self.context).await
    }

    async fn as_it_becomes(&self, plan: &Plan) -> Result<DomainSpec> {
        let Resize { vcpus, memory_mib, .. } = plan.resize;
        Ok(DomainSpec { vcpus, memory_mib, ..self.as_it_was(plan).await? })
    }

    async fn grow(&self, run: &Run, plan: &Plan, token: Option<&str>) -> Result<Outcome> {
        let system = plan.blueprint.volumes.iter().find(|volume| volume.boot_index == 0);
        match (system, plan.resize.extra_volume_gib) {
            (Some(Volume { id, size_gib, .. }), more) if more > 0 => {
                let call = StepCall::GrowDisk { id, size_gib: size_gib + more };
                plan.blueprint.platform.step(run, "grow", token, call).await
            }
            _ => Ok(Outcome::Done),
        }
    }

    async fn place(&self, tx: &mut Conn, run: &Run) -> Result<()> {
        let id = &run.operation.resource_id;
        let resize = resizes::get(tx, id).await?.ok_or_else(|| Error::not_found("resize", id))?;
        let size = Amount {
            vcpus: resize.vcpus.into(),
            memory_mib: resize.memory_mib.into(),
            disk_gib: resize.extra_volume_gib.into(),
        };
        let node = place::other(tx, &self.context.compute, id, size).await?;
        if node == locked(tx, id).await?.node { Ok(()) } else { moving::begin(tx, id, node).await }
    }

    /// The node on which the step is done, where that is the one that the server goes to, or comes back from.
    fn target<'p>(&self, plan: &'p Plan, step: usize) -> Option<&'p Target> {
        let there = match self.acts[step] {
            Act::SwitchOff => self.goes_back(),
            Act::SwitchOn => !self.goes_back(),
            Act::Import | Act::Reconfigure => true,
            Act::Place | Act::Export | Act::Grow | Act::Leave => false,
        };
        plan.target.as_ref().filter(|_| there)
    }

    /// What is done otherwise where the server goes to another node, or comes back from it. None: nothing is.
    async fn act_elsewhere(&self, run: &Run, plan: &Plan, step: usize, token: Option<&str>) -> Result<Option<Outcome>> {
        let Some(target) = &plan.target else { return Ok(None) };
        let (context, name, home) = (&self.context, self.steps[step].name, &plan.blueprint.platform);
        let outcome = match self.acts[step] {
            Act::Export => home.export_disks(run, name, &target.moves().disks, token).await,
            Act::Import => target.import(context, run, (name, plan.resize.extra_volume_gib), token).await,
            Act::Reconfigure if self.goes_back() => target.clear(run, name, token).await,
            Act::Reconfigure => target.define(context, run, (name, &plan.resize), token).await,
            Act::Leave if run.params::<Params>()?.confirmed => target.leave(home, run, name, token).await,
            Act::Grow | Act::Leave => Ok(Outcome::Done),
            Act::Place | Act::SwitchOff | Act::SwitchOn => return Ok(None),
        };
        outcome.map(Some)
    }

    /// As [`ResizeSaga::act_elsewhere`].
    async fn undo_elsewhere(
        &self,
        run: &Run,
        plan: &Plan,
        step: usize,
        token: Option<&str>,
    ) -> Result<Option<Outcome>> {
        let Some(target) = &plan.target else { return Ok(None) };
        let outcome = match self.acts[step] {
            Act::Reconfigure => target.platform().undefine(run, "reconfigure/undo", token).await,
            Act::Import => target.undo_import(&self.context, run, "disks/undo", token).await,
            Act::Export => {
                moving::forget_blobs(&self.context, target.moves());
                Ok(Outcome::Done)
            }
            _ => return Ok(None),
        };
        outcome.map(Some)
    }

    /// The domain has the other flavor. On the way back that is so for good, whatever becomes of the guest; on the way there the
    /// server's record has it at the end only.
    async fn reconfigured(&self, tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
        if self.goes_back() { exchange(tx, server_id, now).await } else { Ok(()) }
    }

    /// The domain is changed, and the guest is as it was.
    async fn done(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        if !self.goes_back() {
            exchange(tx, id, now).await?;
        }
        let server = locked(tx, id).await?;
        let resize = resizes::get(tx, id).await?.ok_or_else(|| Error::not_found("resize", id))?;
        let power_state = if resize.running { PowerState::Running } else { PowerState::ShutDown };
        let is_final = self.goes_back() || run.params::<Params>()?.confirmed;
        let vm_state = if is_final { at_rest(power_state) } else { VmState::Resized };
        let change = Change {
            vm_state: Some(vm_state),
            task_state: Some(None),
            power_state: Some(power_state),
            launched_at: resize.running.then_some(now),
            fault: Some(None),
            ..Change::default()
        };
        servers::change(tx, id, &change, now).await?;
        settle::spans(tx, &server, resize.running, now).await?;
        if is_final {
            return decided(tx, id).await;
        }
        match self.context.compute.settings.confirm_resizes_after_seconds {
            0 => Ok(()),
            seconds => {
                let due_at = now.plus(Duration::from_secs(seconds.into()));
                schedules::put(tx, ("server", id), CONFIRM, due_at).await
            }
        }
    }

    async fn switched_off(&self, tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
        let vm_state = (!self.goes_back()).then_some(VmState::Stopped);
        let change = Change { vm_state, power_state: Some(PowerState::ShutDown), ..Change::default() };
        servers::change(tx, server_id, &change, now).await?;
        metering::close_running(tx, server_id, now).await
    }

    async fn failed(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        if !self.goes_back() {
            decided(tx, &run.operation.resource_id).await?;
        }
        let plan = run.kept::<Plan>();
        settle::as_seen(tx, run, plan.as_ref().map(|plan| self.platform(plan, 0)), now).await
    }
}

/// The server and its room take the other flavor, on the other node where it goes to one.
async fn exchange(tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
    let resize = resizes::get(tx, server_id).await?.ok_or_else(|| Error::not_found("resize", server_id))?;
    resizes::exchange(tx, server_id, now).await?;
    match &resize.moves {
        Some(moves) => moving::exchange(tx, &resize, moves, now).await,
        None => placements::exchange(tx, server_id).await,
    }
}

/// What has grown stays so, whatever becomes of the resize: a smaller disk would lose what is written at its end.
async fn disk_grown(tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
    let resize = resizes::get(tx, server_id).await?.filter(|resize| resize.moves.is_none());
    let gib = resize.map_or(0, |resize| resize.extra_volume_gib);
    if gib == 0 {
        return Ok(());
    }
    let volumes = volumes::of_server(tx, server_id).await?;
    let Some(system) = volumes.iter().find(|volume| volume.boot_index == 0) else { return Ok(()) };
    let size_gib = system.size_gib + gib;
    volumes::grow(tx, &system.id, size_gib, now).await?;
    metering::close_spans(tx, &system.id, &[], now).await?;
    metering::open_volume(tx, system, size_gib, now).await?;
    placements::disk_grown(tx, server_id, &system.id, gib).await?;
    resizes::disk_grown(tx, server_id).await
}

/// A server that is no longer between two flavors is what its power says. Somebody may have paused it on the platform meanwhile.
pub(super) fn at_rest(power: PowerState) -> VmState {
    match power {
        PowerState::Running => VmState::Active,
        PowerState::Paused => VmState::Paused,
        PowerState::Suspended => VmState::Suspended,
        _ => VmState::Stopped,
    }
}

/// The server keeps the flavor that it has: the other one and its room are free.
pub(super) async fn decided(tx: &mut Conn, server_id: &str) -> Result<()> {
    resizes::remove(tx, server_id).await?;
    schedules::remove_of(tx, server_id).await?;
    placements::release_other(tx, server_id).await
}

pub(super) async fn locked(tx: &mut Conn, id: &str) -> Result<Brief> {
    servers::lock(tx, id).await?.ok_or_else(|| Error::not_found("server", id))
}

#[async_trait]
impl ServerSaga for ResizeSaga {
    type Plan = Plan;

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    fn in_records(&self, step: usize) -> bool {
        self.acts[step] == Act::Place
    }

    async fn plan(&self, run: &Run) -> Result<Plan> {
        let id = &run.operation.resource_id;
        let blueprint = Blueprint::load(&self.context, run, self.kind).await?;
        let found = resizes::get(&mut self.context.compute.db().read().await?, id).await?;
        let resize = found.ok_or_else(|| Error::not_found("resize", id))?;
        let Some(moves) = resize.moves.clone() else { return Ok(Plan { blueprint, resize, target: None }) };
        let blueprint = Blueprint::on(&self.context, run, self.kind, &moves.from).await?;
        let target = Some(Target::load(&self.context, run, self.kind, moves).await?);
        Ok(Plan { blueprint, resize, target })
    }

    fn platform<'p>(&self, plan: &'p Plan, step: usize) -> &'p Platform {
        self.target(plan, step).map_or(&plan.blueprint.platform, Target::platform)
    }

    async fn act(&self, run: &Run, plan: &Plan, step: usize, token: Option<&str>) -> Result<Outcome> {
        if let Some(outcome) = self.act_elsewhere(run, plan, step, token).await? {
            return Ok(outcome);
        }
        let (platform, name) = (self.platform(plan, step), self.steps[step].name);
        match self.acts[step] {
            Act::SwitchOff if token.is_none() && guest::is_off(platform).await? => Ok(Outcome::Done),
            Act::SwitchOff => guest::switch_off(&self.context, run, platform, (name, false), token).await,
            Act::Grow => self.grow(run, plan, token).await,
            Act::Reconfigure => {
                let spec = self.as_it_becomes(plan).await?;
                platform.step(run, name, token, StepCall::Reconfigure { spec: &spec }).await
            }
            Act::SwitchOn if plan.resize.running => guest::switch_on(run, platform, name, token).await,
            Act::SwitchOn | Act::Place | Act::Export | Act::Import | Act::Leave => Ok(Outcome::Done),
        }
    }

    async fn undo(&self, run: &Run, plan: &Plan, step: usize, token: Option<&str>) -> Result<Outcome> {
        if let Some(outcome) = self.undo_elsewhere(run, plan, step, token).await? {
            return Ok(outcome);
        }
        let platform = self.platform(plan, step);
        match self.acts[step] {
            Act::SwitchOn => platform.hard_stop(run, "start/undo", token).await,
            Act::Reconfigure => {
                let spec = self.as_it_was(plan).await?;
                platform.remove(run, "reconfigure/undo", token, StepCall::Reconfigure { spec: &spec }).await
            }
            // Who deletes the server wants no guest any more; anybody else wants it as it was.
            Act::SwitchOff if plan.resize.running && !run.is_cancelled() => {
                guest::switch_on(run, platform, "stop/undo", token).await
            }
            // The records of a server that is as it was are written from what is seen here, by whichever process comes last.
            _ => platform.look().await.map(|_| Outcome::Done),
        }
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            Event::Begun(step) if !self.goes_back() => settle::task(tx, id, Some(self.acts[step].task()), now).await,
            Event::Done(step) => match self.acts[step] {
                Act::Place => self.place(tx, run).await,
                Act::SwitchOff => self.switched_off(tx, id, now).await,
                Act::Grow => disk_grown(tx, id, now).await,
                Act::Reconfigure => self.reconfigured(tx, id, now).await,
                Act::Export | Act::Import | Act::SwitchOn | Act::Leave => Ok(()),
            },
            Event::Succeeded => self.done(tx, run, now).await,
            Event::Failed(_) | Event::Cancelled => self.failed(tx, run, now).await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use skyloom_runtime::driver::Power;

    use super::*;

    #[test]
    fn a_server_at_rest_is_what_the_platform_says() {
        for power in [Power::Running, Power::Stopped, Power::Paused, Power::Suspended, Power::Crashed] {
            let (vm_state, power_state) = settle::judge(Some(power));
            assert_eq!(at_rest(power_state), vm_state, "{power:?}");
        }
    }
}
