//! Start, stop and reboot. A reboot is a stop, then a start. Each step is judged by what the platform then says, and what
//! fails leaves the server as the platform has it.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Saga, Step};
use skyloom_model::{Error, ErrorCode, Result, TaskState, Timestamp};
use skyloom_runtime::driver::{Domain, Power, Progress, StopMode};
use skyloom_store::{Conn, servers};

use super::context::{Context, Platform, Seen, absent_is_done, key, outcome};
use super::settle;

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

/// Marks tokens of the two ways to stop.
const SOFT: &str = "soft:";
const HARD: &str = "hard:";

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

    async fn platform(&self, run: &Run) -> Result<Arc<Platform>> {
        self.context.platform(run, self.kind).await
    }

    async fn power_on(&self, run: &Run, platform: &Platform, token: Option<&str>) -> Result<Outcome> {
        let (driver, server, key) = (platform.driver()?, &platform.server_id, key(run, "start"));
        let progress = match token {
            Some(token) => driver.poll(&key, server, token).await?,
            None => driver.start(&key, server).await?,
        };
        judged(platform, progress, Power::Running).await
    }

    /// Asks the guest first, unless told otherwise, and pulls the plug when it has had its time.
    async fn power_off(&self, run: &Run, platform: &Platform, token: Option<&str>) -> Result<Outcome> {
        let (driver, server) = (platform.driver()?, &platform.server_id);
        if let Some(token) = token.and_then(|token| token.strip_prefix(HARD)) {
            let polled = absent_is_done(driver.poll(&key(run, "stop"), server, token).await)?;
            return marked(platform, polled, HARD).await;
        }
        let soft = !run.params::<Params>()?.hard && run.step_age() < self.context.times.soft_stop;
        if !soft {
            let stopped = absent_is_done(driver.stop(&key(run, "stop"), server, StopMode::Hard).await)?;
            return marked(platform, stopped, HARD).await;
        }
        let key = key(run, "stop");
        let asked = match token.and_then(|token| token.strip_prefix(SOFT)) {
            Some(token) => driver.poll(&key, server, token).await,
            None => driver.stop(&key, server, StopMode::Soft).await,
        };
        match asked {
            // A platform that can't ask its guest.
            Err(error) if error.code == ErrorCode::NotSupported => {
                let stopped = absent_is_done(driver.stop(&key, server, StopMode::Hard).await)?;
                marked(platform, stopped, HARD).await
            }
            asked => marked(platform, absent_is_done(asked)?, SOFT).await,
        }
    }

    async fn settle(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        let seen = run.kept::<Platform>().map(|platform| platform.seen()).unwrap_or_default();
        if let (Some(server), Seen::Power(power)) = (servers::lock(tx, id).await?, seen) {
            return settle::settle(tx, &server, power, now).await;
        }
        settle::task(tx, id, None, now).await
    }
}

/// Done only when the platform shows the power that was wanted.
async fn judged(platform: &Platform, progress: Progress, wanted: Power) -> Result<Outcome> {
    if let Progress::Pending(_) = progress {
        return Ok(outcome(progress));
    }
    let power = platform.look().await?.as_ref().and_then(Domain::defined);
    let off = |power| matches!(power, Power::Stopped | Power::Crashed);
    if power.is_some_and(|power| power == wanted || (off(wanted) && off(power))) {
        return Ok(Outcome::Done);
    }
    Err(Error::new(ErrorCode::DriverFailed, "The server did not come to the power state that was asked for.")
        .with_resource("server", &platform.server_id)
        .with_internal(format!("wanted {wanted:?}, found {power:?}")))
}

async fn marked(platform: &Platform, stopped: Outcome, mark: &str) -> Result<Outcome> {
    match stopped {
        Outcome::Pending(token) => Ok(Outcome::Pending(format!("{mark}{token}"))),
        Outcome::Elsewhere => Ok(Outcome::Elsewhere),
        Outcome::Done => judged(platform, Progress::Done, Power::Stopped).await,
    }
}

#[async_trait]
impl Saga for PowerSaga {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn act(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        let platform = self.platform(run).await?;
        match self.actions[step] {
            Action::Start => self.power_on(run, &platform, token).await,
            Action::Stop => self.power_off(run, &platform, token).await,
        }
    }

    async fn undo(&self, run: &Run, _step: usize, _token: Option<&str>) -> Result<Outcome> {
        // A guest that lost its power can't get it back unharmed, and one that runs must not lose it: what is there is what
        // counts.
        self.platform(run).await?.look().await?;
        Ok(Outcome::Done)
    }

    async fn hold(&self, tx: &mut Conn, resources: &[String]) -> Result<()> {
        servers::lock_many(tx, resources).await.map(drop)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        match event {
            Event::Succeeded | Event::Failed(_) | Event::Cancelled => self.settle(tx, run, now).await,
            Event::HandedOver => settle::task(tx, &run.operation.resource_id, Some(TaskState::Deleting), now).await,
            Event::Stuck(error) => settle::stuck(tx, &run.operation.resource_id, error, now).await,
            Event::Begun(_) | Event::Done(_) | Event::Unwinding(..) | Event::Undone(_) => Ok(()),
        }
    }

    fn digest(&self, run: &Run) -> Option<String> {
        Some(run.kept::<Platform>()?.driver.as_ref()?.digest().to_owned())
    }
}
