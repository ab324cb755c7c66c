//! Start, stop and reboot. A reboot is a stop, then a start. What fails leaves the server as the platform has it.

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Result, Timestamp};
use skyloom_store::Conn;

use super::context::{Context, Platform};
use super::server_saga::ServerSaga;
use super::{guest, settle};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Start,
    Stop,
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

    fn new(context: Context, kind: &'static str, actions: &'static [Action]) -> Self {
        let times = &context.times;
        let steps = actions
            .iter()
            .map(|action| {
                let (name, deadline) = match action {
                    Action::Start => ("start", times.power),
                    Action::Stop => ("stop", times.soft_stop + times.power),
                };
                Step { name, retry: Retry::Passing, deadline, no_return: false }
            })
            .collect();
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
        match self.actions[step] {
            Action::Start => guest::switch_on(run, platform, "start", token).await,
            Action::Stop => {
                let hard = run.params::<Params>()?.hard;
                guest::switch_off(&self.context, run, platform, ("stop", hard), token).await
            }
        }
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
