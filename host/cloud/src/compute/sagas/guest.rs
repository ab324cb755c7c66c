//! A guest switched on and off, judged by what its platform then says.

use skyloom_jobs::{Outcome, Run};
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{Power, StepCall, StopMode};

use super::context::{Context, Platform};

/// Marks tokens of the two ways to stop.
const SOFT: &str = "soft:";
const HARD: &str = "hard:";

/// Done when the guest runs.
pub(super) async fn switch_on(run: &Run, platform: &Platform, step: &str, token: Option<&str>) -> Result<Outcome> {
    let started = platform.step(run, step, token, StepCall::Start { server_id: &platform.id }).await?;
    judged(platform, started, Power::Running).await
}

/// Done when the guest is off. Asks it first, unless told otherwise, and pulls the plug when it has had its time.
pub(super) async fn switch_off(
    context: &Context,
    run: &Run,
    platform: &Platform,
    (step, hard): (&str, bool),
    token: Option<&str>,
) -> Result<Outcome> {
    let stop = |mode| StepCall::Stop { server_id: &platform.id, mode };
    if let Some(token) = token.and_then(|token| token.strip_prefix(HARD)) {
        let polled = platform.remove(run, step, Some(token), stop(StopMode::Hard)).await?;
        return marked(platform, polled, HARD).await;
    }
    if hard || run.step_age() >= context.times.soft_stop {
        let stopped = platform.remove(run, step, None, stop(StopMode::Hard)).await?;
        return marked(platform, stopped, HARD).await;
    }
    let token = token.and_then(|token| token.strip_prefix(SOFT));
    match platform.remove(run, step, token, stop(StopMode::Soft)).await {
        // A platform that can't ask its guest.
        Err(error) if error.code == ErrorCode::NotSupported => {
            let stopped = platform.remove(run, step, None, stop(StopMode::Hard)).await?;
            marked(platform, stopped, HARD).await
        }
        asked => marked(platform, asked?, SOFT).await,
    }
}

/// Whether the platform says that the guest is off, or that there is none.
pub(super) async fn is_off(platform: &Platform) -> Result<bool> {
    let power = platform.look().await?.map(|domain| domain.power);
    Ok(power.is_none_or(off))
}

fn off(power: Power) -> bool {
    matches!(power, Power::Stopped | Power::Crashed)
}

/// Done only when the platform shows the power that was wanted.
pub(super) async fn judged(platform: &Platform, outcome: Outcome, wanted: Power) -> Result<Outcome> {
    if outcome != Outcome::Done {
        return Ok(outcome);
    }
    let power = platform.look().await?.map(|domain| domain.power);
    if power.is_some_and(|power| power == wanted || (off(wanted) && off(power))) {
        return Ok(Outcome::Done);
    }
    Err(Error::new(ErrorCode::DriverFailed, "The server did not come to the power state that was asked for.")
        .with_resource("server", &platform.id)
        .with_internal(format!("wanted {wanted:?}, found {power:?}")))
}

async fn marked(platform: &Platform, stopped: Outcome, mark: &str) -> Result<Outcome> {
    match stopped {
        Outcome::Pending(token) => Ok(Outcome::Pending(format!("{mark}{token}"))),
        other => judged(platform, other, Power::Stopped).await,
    }
}
