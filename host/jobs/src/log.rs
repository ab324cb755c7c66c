//! The step log's writer: one task that puts the writes of many operations into one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use skyloom_model::{Error, ErrorClass, Result, Timestamp};
use skyloom_store::operations::{self as store, Phase, State, StepState};
use skyloom_store::operations_log::{self as log, Ending, Position};
use skyloom_store::{Conn, Db, events};
use tokio::sync::{mpsc, oneshot};

use crate::faults::{self, Faults, Moment};
use crate::metrics::Metrics;
use crate::saga::{Event, Run, Saga};

/// One write about one operation.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A step is done; the next one has begun, or, after the last, the operation has succeeded.
    Done { step: usize },
    /// An attempt failed; the next one is made at `at`.
    PutOff { step: usize, attempt: i64, error: Error, at: Timestamp },
    /// The steps up to this one are undone from here on. No error: cancelled.
    Unwind { step: usize, error: Option<Error> },
    /// A step is undone; the one before it is next, or, before the first, the operation has ended.
    Undone { step: usize, error: Option<Error> },
    /// The operator must help.
    Stick { step: usize, error: Error },
    /// Another process goes on.
    GiveBack { attempt: i64 },
    /// A process that drives this node goes on.
    PassOn { node: String },
}

/// What a write came to.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is stored, and the operation is asked to unwind or not.
    Stored { cancel: bool },
    /// The saga's own part of it failed; nothing is stored.
    Refused(Error),
    /// The lease is another worker's, or it isn't known what is stored: nothing more may be written.
    Lost(String),
}

pub(crate) struct Write {
    pub run: Arc<Run>,
    pub saga: Arc<dyn Saga>,
    pub change: Change,
    pub answer: oneshot::Sender<Answer>,
}

pub(crate) struct Writer {
    pub db: Db,
    pub faults: Arc<Faults>,
    pub metrics: Arc<Metrics>,
    pub batch: usize,
}

/// Holds the rows of all resources of the batch, where transactions run beside each other.
async fn hold(tx: &mut Conn, batch: &[Write]) -> Result<()> {
    if !tx.is_postgres() {
        return Ok(());
    }
    let mut resources: BTreeMap<&str, (&dyn Saga, Vec<String>)> = BTreeMap::new();
    for write in batch {
        let operation = &write.run.operation;
        let (_, ids) = resources.entry(&operation.resource_kind).or_insert((&*write.saga, Vec::new()));
        ids.push(operation.resource_id.clone());
    }
    for (saga, ids) in resources.into_values() {
        saga.hold(tx, &ids).await?;
    }
    Ok(())
}

impl Writer {
    /// Writes until every sender is gone, or the engine is dead.
    pub async fn run(self, mut writes: mpsc::Receiver<Write>) {
        let mut batch = Vec::new();
        while writes.recv_many(&mut batch, self.batch).await > 0 {
            // One order in every process, so that two of them can't wait for one another.
            batch.sort_by(|one, other| one.run.operation.resource_id.cmp(&other.run.operation.resource_id));
            self.write(std::mem::take(&mut batch)).await;
            if self.faults.is_dead() {
                return;
            }
        }
    }

    async fn write(&self, batch: Vec<Write>) {
        if self.crash_at(&batch, Moment::Before) {
            return;
        }
        let answers = self.answers(&batch).await;
        if self.crash_at(&batch, Moment::After) {
            return;
        }
        for (write, answer) in batch.into_iter().zip(answers) {
            // Nobody listens when the worker was stopped: what is stored stays true.
            let _ = write.answer.send(answer);
        }
    }

    /// One deadlock or one refused write must not take its neighbours along: what can't be made together is made one by one.
    async fn answers(&self, batch: &[Write]) -> Vec<Answer> {
        match self.commit(batch).await {
            Ok(answers) => answers,
            Err(error) if batch.len() > 1 => {
                tracing::debug!(error = error.for_log(), "log writes are made one by one");
                let mut answers = Vec::with_capacity(batch.len());
                for write in batch {
                    answers.extend(Box::pin(self.answers(std::slice::from_ref(write))).await);
                }
                answers
            }
            // Another attempt may well succeed.
            Err(error) if error.class() == ErrorClass::Unavailable => vec![Answer::Lost(error.for_log())],
            Err(error) => vec![Answer::Refused(error)],
        }
    }

    fn crash_at(&self, batch: &[Write], moment: Moment) -> bool {
        batch.iter().any(|write| self.faults.crash(&write.run.operation.kind, &write.run.operation.id, moment))
    }

    /// All writes in one transaction, or none: an error says that nothing is stored.
    async fn commit(&self, batch: &[Write]) -> Result<Vec<Answer>> {
        let mut tx = self.db.begin().await?;
        let now = Timestamp::now();
        hold(&mut tx, batch).await?;
        let mut answers = Vec::with_capacity(batch.len());
        let mut parents = BTreeSet::new();
        for write in batch {
            answers.push(match self.apply(&mut tx, write, now).await? {
                Some(cancel) => {
                    parents.extend(write.run.operation.parent_id.clone());
                    Answer::Stored { cancel }
                }
                None => Answer::Lost("the lease is another worker's".to_owned()),
            });
        }
        for parent in parents {
            store::settle_parent(&mut tx, &parent, now).await?;
        }
        // What is wrong with a write is told here: of a commit that fails it isn't known what it did.
        tx.flush().await?;
        let lost = batch.iter().any(|write| {
            let operation = &write.run.operation;
            self.faults.loses_commit(&operation.kind, &operation.id)
        });
        let committed = faults::commit(tx, lost).await;
        if let Err(error) = committed {
            // Stored or not: whoever leases them next reads how they stand. Written again, they could be stored twice.
            return Ok(batch.iter().map(|_| Answer::Lost(error.for_log())).collect());
        }
        Metrics::add(&self.metrics.commits, 1);
        Metrics::add(&self.metrics.writes, batch.len());
        for (write, answer) in batch.iter().zip(&answers) {
            if matches!(answer, Answer::Stored { .. }) {
                self.count(write);
            }
        }
        Ok(answers)
    }

    fn count(&self, write: &Write) {
        let metrics = &*self.metrics;
        let counters: &[&AtomicU64] = match &write.change {
            Change::Done { step } if step + 1 == write.saga.steps().len() => &[&metrics.steps_done, &metrics.succeeded],
            Change::Done { .. } => &[&metrics.steps_done],
            Change::PutOff { .. } => &[&metrics.retries],
            Change::Undone { step: 0, error: Some(_) } => &[&metrics.steps_undone, &metrics.failed],
            Change::Undone { step: 0, error: None } => &[&metrics.steps_undone, &metrics.cancelled],
            Change::Undone { .. } => &[&metrics.steps_undone],
            Change::Stick { .. } => &[&metrics.stuck],
            Change::Unwind { .. } | Change::GiveBack { .. } | Change::PassOn { .. } => &[],
        };
        for counter in counters {
            Metrics::add(counter, 1);
        }
    }

    /// None: the lease is lost, and nothing is written.
    async fn apply(&self, tx: &mut Conn, write: &Write, now: Timestamp) -> Result<Option<bool>> {
        let (run, saga) = (&*write.run, &*write.saga);
        let lease = run.lease();
        match &write.change {
            Change::Done { step } => self.done(tx, run, saga, *step, now).await,
            Change::PutOff { step, attempt, error, at } => {
                if !log::pause(tx, lease, *attempt, *at, now).await? {
                    return Ok(None);
                }
                log::note_error(tx, lease.id, *step as i64, error).await?;
                Ok(Some(false))
            }
            Change::Unwind { step, error } => {
                let number = *step as i64;
                let position = Position {
                    state: State::Unwinding,
                    phase: Phase::Undo,
                    step: number,
                    attempt: 0,
                    progress: progress(saga, *step),
                    error: error.as_ref(),
                };
                let Some(cancel) = log::advance(tx, lease, position, now).await? else { return Ok(None) };
                if let Some(error) = error {
                    let ending = Ending { state: StepState::Failed, error: Some(error), digest: None };
                    log::end_step(tx, lease.id, number, ending, now).await?;
                }
                saga.record(tx, run, Event::Unwinding(*step, error.as_ref()), now).await?;
                Ok(Some(cancel))
            }
            Change::Undone { step, error } => self.undone(tx, run, saga, *step, error.as_ref(), now).await,
            Change::Stick { step, error } => {
                if !log::stick(tx, lease, *step as i64, error, now).await? {
                    return Ok(None);
                }
                let event = if log::give_way(tx, lease.id, now).await? {
                    Event::HandedOver
                } else {
                    events::of_operation(tx, &run.operation, State::Stuck, now).await?;
                    Event::Stuck(error)
                };
                saga.record(tx, run, event, now).await?;
                Ok(Some(false))
            }
            Change::GiveBack { attempt } => Ok(log::pause(tx, lease, *attempt, now, now).await?.then_some(false)),
            Change::PassOn { node } => Ok(log::pass_on(tx, lease, node, now).await?.then_some(false)),
        }
    }

    async fn done(
        &self,
        tx: &mut Conn,
        run: &Run,
        saga: &dyn Saga,
        step: usize,
        now: Timestamp,
    ) -> Result<Option<bool>> {
        let lease = run.lease();
        let next = saga.steps().get(step + 1);
        let cancel = if next.is_some() {
            let position = Position {
                state: State::Running,
                phase: Phase::Do,
                step: step as i64 + 1,
                attempt: 0,
                progress: progress(saga, step + 1),
                error: None,
            };
            log::advance(tx, lease, position, now).await?
        } else {
            end(tx, run, State::Succeeded, None, now).await?
        };
        let Some(cancel) = cancel else { return Ok(None) };
        let digest = saga.digest(run, step);
        let ending = Ending { state: StepState::Done, error: None, digest: digest.as_deref() };
        log::end_step(tx, lease.id, step as i64, ending, now).await?;
        saga.record(tx, run, Event::Done(step), now).await?;
        if let Some(next) = next {
            log::begin_step(tx, lease.id, step as i64 + 1, next.name, now).await?;
            saga.record(tx, run, Event::Begun(step + 1), now).await?;
        } else {
            saga.record(tx, run, Event::Succeeded, now).await?;
            if cancel {
                saga.record(tx, run, Event::HandedOver, now).await?;
            }
        }
        Ok(Some(cancel))
    }

    async fn undone(
        &self,
        tx: &mut Conn,
        run: &Run,
        saga: &dyn Saga,
        step: usize,
        error: Option<&Error>,
        now: Timestamp,
    ) -> Result<Option<bool>> {
        let lease = run.lease();
        let moved = if step > 0 {
            let position = Position {
                state: State::Unwinding,
                phase: Phase::Undo,
                step: step as i64 - 1,
                attempt: 0,
                progress: progress(saga, step),
                error,
            };
            log::advance(tx, lease, position, now).await?
        } else {
            let state = if error.is_some() { State::Failed } else { State::Cancelled };
            end(tx, run, state, error, now).await?
        };
        let Some(cancel) = moved else { return Ok(None) };
        let ending = Ending { state: StepState::Undone, error: None, digest: None };
        log::end_step(tx, lease.id, step as i64, ending, now).await?;
        saga.record(tx, run, Event::Undone(step), now).await?;
        if step == 0 {
            let event = error.map_or(Event::Cancelled, Event::Failed);
            saga.record(tx, run, event, now).await?;
            if cancel {
                saga.record(tx, run, Event::HandedOver, now).await?;
            }
        }
        Ok(Some(cancel))
    }
}

/// As [`log::end`], with the event that tells of it.
async fn end(tx: &mut Conn, run: &Run, state: State, error: Option<&Error>, now: Timestamp) -> Result<Option<bool>> {
    let ended = log::end(tx, run.lease(), state, error, now).await?;
    if ended.is_some() {
        events::of_operation(tx, &run.operation, state, now).await?;
    }
    Ok(ended)
}

fn progress(saga: &dyn Saga, done: usize) -> i64 {
    (done * 100 / saga.steps().len().max(1)) as i64
}
