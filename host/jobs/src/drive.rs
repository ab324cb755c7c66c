//! One operation in a worker's hands: its steps, forwards and, where it fails or is cancelled, backwards.

use std::sync::Arc;
use std::time::Instant;

use skyloom_model::{Error, ErrorClass, ErrorCode, Timestamp};
use skyloom_store::operations::Phase;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::log::{Answer, Change, Write};
use crate::saga::{Outcome, Retry, Run, Saga, Step};
use crate::settings::Settings;

/// What all operations of an engine share.
pub(crate) struct Worker {
    pub settings: Settings,
    pub calls: Semaphore,
    pub writes: mpsc::Sender<Write>,
    /// True: the process stops.
    pub draining: watch::Receiver<bool>,
}

/// It isn't known how the operation stands, or another worker has it: this one must not touch it any more.
#[derive(Debug)]
pub(crate) struct Lost(pub String);

/// How an attempt at a step went.
enum Verdict {
    Done,
    Failed(Error),
    Cancelled,
    /// This process stops: another one goes on.
    GiveBack,
    /// The step is for this node, which another process drives.
    PassOn(String),
}

/// What to do next.
enum Next {
    Go(At),
    /// Ended, or put off, or stuck.
    Rest,
}

/// Where the operation stands.
#[derive(Clone, Debug)]
struct At {
    phase: Phase,
    step: usize,
    /// Failed attempts of this step in this phase.
    attempt: i64,
    /// What made it unwind; none: cancelled.
    error: Option<Error>,
}

pub(crate) struct Drive {
    pub worker: Arc<Worker>,
    pub run: Arc<Run>,
    pub saga: Arc<dyn Saga>,
}

impl Drive {
    /// Walks the operation until it ends, is put off or is stuck.
    pub async fn walk(self) -> Result<(), Lost> {
        let operation = &self.run.operation;
        let mut at = At {
            phase: operation.phase,
            step: usize::try_from(operation.step).unwrap_or(0).min(self.saga.steps().len().saturating_sub(1)),
            attempt: operation.attempt,
            error: operation.error.clone().filter(|_| operation.phase == Phase::Undo),
        };
        loop {
            let verdict = self.attempt(&at).await;
            let next = match at.phase {
                Phase::Do => self.after_do(at, verdict).await?,
                Phase::Undo => self.after_undo(at, verdict).await?,
            };
            match next {
                Next::Go(next) => at = next,
                Next::Rest => return Ok(()),
            }
        }
    }

    /// Whether the operation can only go forward at this step.
    fn committed(&self, step: usize) -> bool {
        self.saga.steps().iter().take(step + 1).any(|step| step.no_return)
    }

    fn step(&self, at: &At) -> Step {
        self.saga.steps()[at.step]
    }

    async fn attempt(&self, at: &At) -> Verdict {
        let undo = at.phase == Phase::Undo;
        let may_cancel = !undo && !self.committed(at.step);
        let deadline = self.step(at).deadline;
        let began = Instant::now();
        let mut pause = self.worker.settings.pending_first;
        let mut token: Option<String> = None;
        let mut draining = self.worker.draining.clone();
        loop {
            if may_cancel && self.run.is_cancelled() {
                return Verdict::Cancelled;
            }
            if *draining.borrow() {
                return Verdict::GiveBack;
            }
            match self.call(at, undo, token.as_deref()).await {
                Ok(Outcome::Done) => return Verdict::Done,
                Ok(Outcome::Pending(next)) => token = Some(next),
                Ok(Outcome::Elsewhere(node)) => return Verdict::PassOn(node),
                Err(error) => return Verdict::Failed(error),
            }
            // Where the operation may still unwind the deadline holds over all attempts and crashes, else over each attempt.
            let age = if may_cancel { self.run.step_age() } else { began.elapsed() };
            if age >= deadline {
                return Verdict::Failed(timed_out(self.step(at).name));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.run.changed.notified() => {}
                _ = draining.changed() => {}
            }
            pause = (pause * 3 / 2).min(self.worker.settings.pending_max);
        }
    }

    async fn call(&self, at: &At, undo: bool, token: Option<&str>) -> skyloom_model::Result<Outcome> {
        let _permit = self.worker.calls.acquire().await.map_err(Error::unavailable)?;
        let call =
            if undo { self.saga.undo(&self.run, at.step, token) } else { self.saga.act(&self.run, at.step, token) };
        match tokio::time::timeout(self.worker.settings.call_timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(timed_out(self.step(at).name).with_internal("no reply to a call within call-timeout-ms")),
        }
    }

    async fn after_do(&self, at: At, verdict: Verdict) -> Result<Next, Lost> {
        match verdict {
            Verdict::Done => match self.write(Change::Done { step: at.step }).await? {
                Ok(()) if at.step + 1 == self.saga.steps().len() => Ok(Next::Rest),
                Ok(()) => {
                    self.run.begin_step(Timestamp::now());
                    Ok(Next::Go(At { step: at.step + 1, attempt: 0, ..at }))
                }
                Err(error) => self.failed(at, error).await,
            },
            Verdict::Failed(error) => self.failed(at, error).await,
            Verdict::Cancelled => self.unwind(at, None).await,
            Verdict::GiveBack => self.give_back(&at).await,
            Verdict::PassOn(node) => self.pass_on(node).await,
        }
    }

    /// A step failed on the way forward.
    async fn failed(&self, at: At, error: Error) -> Result<Next, Lost> {
        let settings = &self.worker.settings;
        let attempts = at.attempt + 1;
        let step = self.step(&at);
        tracing::info!(
            operation = self.run.operation.id,
            kind = self.run.operation.kind,
            step = step.name,
            attempts,
            error = error.for_log(),
            "a step failed"
        );
        if self.committed(at.step) {
            return self.again_or_stuck(&at, error).await;
        }
        let passing = step.retry == Retry::Passing && error.class() == ErrorClass::Unavailable;
        let time_left = self.run.step_age() < step.deadline;
        if passing && time_left && attempts < i64::from(settings.attempts) && !self.run.is_cancelled() {
            return self.put_off(&at, error).await;
        }
        self.unwind(at, Some(error)).await
    }

    async fn unwind(&self, at: At, error: Option<Error>) -> Result<Next, Lost> {
        match self.write(Change::Unwind { step: at.step, error: error.clone() }).await? {
            Ok(()) => Ok(Next::Go(At { phase: Phase::Undo, attempt: 0, error, ..at })),
            Err(refused) => self.again_or_stuck(&at, refused).await,
        }
    }

    async fn after_undo(&self, at: At, verdict: Verdict) -> Result<Next, Lost> {
        let refused = match verdict {
            Verdict::Done => match self.write(Change::Undone { step: at.step, error: at.error.clone() }).await? {
                Ok(()) if at.step == 0 => return Ok(Next::Rest),
                Ok(()) => return Ok(Next::Go(At { step: at.step - 1, attempt: 0, ..at })),
                Err(refused) => refused,
            },
            Verdict::Failed(error) => error,
            Verdict::Cancelled | Verdict::GiveBack => return self.give_back(&at).await,
            Verdict::PassOn(node) => return self.pass_on(node).await,
        };
        self.again_or_stuck(&at, refused).await
    }

    async fn again_or_stuck(&self, at: &At, error: Error) -> Result<Next, Lost> {
        if at.attempt + 1 < i64::from(self.worker.settings.undo_attempts) {
            return self.put_off(at, error).await;
        }
        let operation = &self.run.operation;
        tracing::error!(
            alarm = "operation-stuck",
            operation = operation.id,
            kind = operation.kind,
            resource = operation.resource_id,
            step = self.step(at).name,
            phase = at.phase.as_str(),
            error = error.for_log(),
            "an operation is stuck: mend the cause, then `skyloom operation retry`"
        );
        // A refusal of the saga's own record must not keep the alarm from being stored.
        self.write(Change::Stick { step: at.step, error }).await?.map_err(|error| Lost(error.for_log()))?;
        Ok(Next::Rest)
    }

    async fn put_off(&self, at: &At, error: Error) -> Result<Next, Lost> {
        let attempt = at.attempt + 1;
        let at_time = Timestamp::now().plus(self.worker.settings.pause_after(attempt));
        let change = Change::PutOff { step: at.step, attempt, error, at: at_time };
        self.write(change).await?.map_err(|error| Lost(error.for_log()))?;
        Ok(Next::Rest)
    }

    async fn give_back(&self, at: &At) -> Result<Next, Lost> {
        self.write(Change::GiveBack { attempt: at.attempt }).await?.map_err(|error| Lost(error.for_log()))?;
        Ok(Next::Rest)
    }

    async fn pass_on(&self, node: String) -> Result<Next, Lost> {
        self.write(Change::PassOn { node }).await?.map_err(|error| Lost(error.for_log()))?;
        Ok(Next::Rest)
    }

    /// The inner error: the saga refused its part.
    async fn write(&self, change: Change) -> Result<Result<(), Error>, Lost> {
        let (answer, answered) = oneshot::channel();
        let write = Write { run: self.run.clone(), saga: self.saga.clone(), change, answer };
        self.worker.writes.send(write).await.map_err(|_| Lost("the step log is closed".to_owned()))?;
        match answered.await {
            Ok(Answer::Stored { cancel }) => {
                if cancel {
                    self.run.cancel();
                }
                Ok(Ok(()))
            }
            Ok(Answer::Refused(error)) => Ok(Err(error)),
            Ok(Answer::Lost(why)) => Err(Lost(why)),
            Err(_) => Err(Lost("the step log was closed over a write".to_owned())),
        }
    }
}

fn timed_out(step: &str) -> Error {
    Error::new(ErrorCode::TimedOut, format!("The step {step} did not end in time."))
}
