//! Start, stop, reboot, and what lets a guest stand still and go on. A reboot is a stop, then a start. What fails leaves the server as the
//! platform has it.

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Result, Timestamp};
use skyloom_runtime::driver::{Power, StepCall};
use skyloom_store::Conn;

use super::context::{Context, Platform};
use super::server_saga::ServerSaga;
use super::times::Times;
use super::{guest, settle};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Start,
    Stop,
    Pause,
    Unpause,
    Suspend,
    Resume,
}

impl Action {
    fn step(self, times: &Times) -> Step {
        let (name, deadline) = match self {
            Self::Start => ("start", times.power),
            Self::Stop => ("stop", times.soft_stop + times.power),
            Self::Pause => ("pause", times.power),
            Self::Unpause => ("unpause", times.power),
            // The memory is written, or read, as a disk is.
            Self::Suspend => ("suspend", times.disks),
            Self::Resume => ("resume", times.disks),
        };
        Step { name, retry: Retry::Passing, deadline, no_return: false }
    }
}

pub(super) struct PowerSaga {
    context: Context,
    kind: &'static str,
    actions: &'static [Action],
    steps: Vec<Step>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Params {
    /// Pull the plug at once.
    hard: bool,
}

impl PowerSaga {
    pub fn start(context: Context) -> Self {
        Self::new(context, "server.start", &[Action::Start])
    }

    pub fn stop(context: Context) -> Self {
        Self::new(context, "server.stop", &[Action::Stop])
    }

    pub fn reboot(context: Context) -> Self {
        Self::new(context, "server.reboot", &[Action::Stop, Action::Start])
    }

    pub fn pause(context: Context) -> Self {
        Self::new(context, "server.pause", &[Action::Pause])
    }

    pub fn unpause(context: Context) -> Self {
        Self::new(context, "server.unpause", &[Action::Unpause])
    }

    pub fn suspend(context: Context) -> Self {
        Self::new(context, "server.suspend", &[Action::Suspend])
    }

    pub fn resume(context: Context) -> Self {
        Self::new(context, "server.resume", &[Action::Resume])
    }

    fn new(context: Context, kind: &'static str, actions: &'static [Action]) -> Self {
        let steps = actions.iter().map(|action| action.step(&context.times)).collect();
        Self { context, kind, actions, steps }
    }
}

#[async_trait]
impl ServerSaga for PowerSaga {
    type Plan = Platform;

    fn kind(&self) -> &'static str {
        self.kind
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn plan(&self, run: &Run) -> Result<Platform> {
        self.context.platform_of(run, self.kind).await
    }

    fn platform<'p>(&self, platform: &'p Platform, _step: usize) -> &'p Platform {
        platform
    }

    async fn act(&self, run: &Run, platform: &Platform, step: usize, token: Option<&str>) -> Result<Outcome> {
        let (server_id, name) = (&platform.id, self.steps[step].name);
        let (call, wanted) = match self.actions[step] {
            Action::Start => return guest::switch_on(run, platform, name, token).await,
            Action::Stop => {
                let hard = run.params::<Params>()?.hard;
                return guest::switch_off(&self.context, run, platform, (name, hard), token).await;
            }
            Action::Pause => (StepCall::Pause { server_id }, Power::Paused),
            Action::Unpause => (StepCall::Unpause { server_id }, Power::Running),
            Action::Suspend => (StepCall::Suspend { server_id }, Power::Suspended),
            Action::Resume => (StepCall::Resume { server_id }, Power::Running),
        };
        let called = platform.step(run, name, token, call).await?;
        guest::judged(platform, called, wanted).await
    }

    async fn undo(&self, _run: &Run, platform: &Platform, _step: usize, _token: Option<&str>) -> Result<Outcome> {
        // A guest that lost its power can't get it back unharmed, and one that runs must not lose it: what is there is what
        // counts.
        platform.look().await?;
        Ok(Outcome::Done)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        match event {
            Event::Succeeded | Event::Failed(_) | Event::Cancelled => {
                settle::as_seen(tx, run, run.kept::<Platform>().as_deref(), now).await
            }
            _ => Ok(()),
        }
    }
}
