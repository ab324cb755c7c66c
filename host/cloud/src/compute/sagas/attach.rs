//! A volume comes to a server, or goes: while the guest runs, where the platform can, else by a change of the definition.

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::driver::{Disk, Power, StepCall};
use skyloom_store::volumes::{self, VolumeState};
use skyloom_store::{Conn, metering};

use super::blueprint::Blueprint;
use super::context::{Context, Platform};
use super::server_saga::ServerSaga;
use super::settle;

pub(super) struct Attachment {
    context: Context,
    comes: bool,
    steps: [Step; 1],
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Params {
    volume_id: String,
}

pub(super) struct Plan {
    blueprint: Blueprint,
    volume_id: String,
}

impl Attachment {
    pub fn attach(context: Context) -> Self {
        Self::new(context, true)
    }

    pub fn detach(context: Context) -> Self {
        Self::new(context, false)
    }

    fn new(context: Context, comes: bool) -> Self {
        let (name, deadline) = if comes {
            ("attach", context.times.define)
        } else {
            // The guest has to let go of it.
            ("detach", context.times.soft_stop + context.times.define)
        };
        Self { context, comes, steps: [Step { name, retry: Retry::Passing, deadline, no_return: false }] }
    }

    /// The server with the volume, or without it. A token goes on with the call that gave it.
    async fn bring(&self, run: &Run, plan: &Plan, with: bool, step: &str, token: Option<&str>) -> Result<Outcome> {
        let platform = &plan.blueprint.platform;
        let found = platform.look().await?;
        let runs = found.is_some_and(|domain| matches!(domain.power, Power::Running | Power::Paused));
        let mark = if runs { PLUG } else { DEFINE };
        let token = token.and_then(|token| token.strip_prefix(mark));
        let outcome = if runs {
            self.plug(run, plan, with, step, token).await?
        } else {
            let mut spec = plan.blueprint.spec(&self.context).await?;
            spec.disks.retain(|disk| with || disk.id != plan.volume_id);
            platform.step(run, step, token, StepCall::Reconfigure { spec: &spec }).await?
        };
        Ok(match outcome {
            Outcome::Pending(token) => Outcome::Pending(format!("{mark}{token}")),
            other => other,
        })
    }

    /// While the guest runs.
    async fn plug(&self, run: &Run, plan: &Plan, with: bool, step: &str, token: Option<&str>) -> Result<Outcome> {
        let platform = &plan.blueprint.platform;
        if platform.driver().is_some_and(|driver| !driver.plugs_disks()) {
            let message = "The server's platform takes disks only to and from servers that are off.";
            return Err(Error::new(ErrorCode::NotSupported, message).with_resource("server", &platform.id));
        }
        let (server_id, id) = (&platform.id, &plan.volume_id);
        if !with {
            return platform.step(run, step, token, StepCall::DetachDisk { server_id, id }).await;
        }
        let spec = plan.blueprint.spec(&self.context).await?;
        let gone = || Error::internal(format!("volume {id} is not among those of its server"));
        let disk: &Disk = spec.disks.iter().find(|disk| disk.id == *id).ok_or_else(gone)?;
        platform.step(run, step, token, StepCall::AttachDisk { server_id, disk }).await
    }
}

/// Marks of tokens: of calls about a server that runs, and about one that is off.
const PLUG: &str = "plug:";
const DEFINE: &str = "define:";

#[async_trait]
impl ServerSaga for Attachment {
    type Plan = Plan;

    fn kind(&self) -> &'static str {
        if self.comes { "server.attach-volume" } else { "server.detach-volume" }
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn plan(&self, run: &Run) -> Result<Plan> {
        let blueprint = Blueprint::load(&self.context, run, self.kind()).await?;
        Ok(Plan { blueprint, volume_id: run.params::<Params>()?.volume_id })
    }

    fn platform<'p>(&self, plan: &'p Plan, _step: usize) -> &'p Platform {
        &plan.blueprint.platform
    }

    async fn act(&self, run: &Run, plan: &Plan, _step: usize, token: Option<&str>) -> Result<Outcome> {
        self.bring(run, plan, self.comes, self.steps[0].name, token).await
    }

    async fn undo(&self, run: &Run, plan: &Plan, _step: usize, token: Option<&str>) -> Result<Outcome> {
        let step = if self.comes { "attach/undo" } else { "detach/undo" };
        match self.bring(run, plan, !self.comes, step, token).await {
            // Where there is no domain, or one that takes no disks while it runs, the step had no effect.
            Err(error) if matches!(error.code, ErrorCode::NotFound | ErrorCode::NotSupported) => Ok(Outcome::Done),
            undone => undone,
        }
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let has_it = match event {
            Event::Succeeded => self.comes,
            Event::Failed(_) | Event::Cancelled => !self.comes,
            _ => return Ok(()),
        };
        let plan = run.kept::<Plan>();
        settle::as_seen(tx, run, plan.as_ref().map(|plan| &plan.blueprint.platform), now).await?;
        let id = run.params::<Params>()?.volume_id;
        match (has_it, self.comes) {
            (true, true) => volumes::attached(tx, &id, now).await?,
            (true, false) => return volumes::set_state(tx, &id, VolumeState::InUse, now).await,
            (false, _) => volumes::detach(tx, &id, now).await?,
        }
        // What it costs may depend on its server's state.
        let Some(volume) = volumes::get(tx, &id, &Reach::All).await? else { return Ok(()) };
        metering::close_spans(tx, &id, &[], now).await?;
        metering::open_volume(tx, &volume, volume.size_gib, now).await
    }
}
