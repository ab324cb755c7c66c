//! What an operation is made of: steps that can be done, looked at again, and undone.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use skyloom_model::{Error, Result, Timestamp};
use skyloom_store::Conn;
use skyloom_store::operations::Operation;
use skyloom_store::operations_log::Lease;
use tokio::sync::{Notify, OnceCell};

/// What a step's failure leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The operation unwinds.
    Never,
    /// Tried again where a part was away for the moment (class `unavailable`), then the operation unwinds.
    Passing,
}

/// One step of a saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub retry: Retry,
    /// From its begin to its end, all attempts together.
    pub deadline: Duration,
    /// Once this step has begun the operation only goes forward: it is retried, whatever the error, and then stuck.
    pub no_return: bool,
}

/// How far a call brought its step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Look again, with this token.
    Pending(String),
    /// Only a process that drives this node can do it: this one passes it on, and no attempt is counted.
    Elsewhere(String),
}

/// What a log write says; the saga writes its own records in the same transaction.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The first step's is written with the lease, where no row of the resource may be taken: that is the request's to do.
    Begun(usize),
    /// An error here makes the step fail: a step without outside effect does its work in this event.
    Done(usize),
    /// The steps up to this one are undone from here on. No error: it was cancelled.
    Unwinding(usize, Option<&'a Error>),
    Undone(usize),
    Succeeded,
    /// Failed, and everything is undone.
    Failed(&'a Error),
    /// Cancelled, and everything is undone.
    Cancelled,
    /// After one of the three above: another operation, which was waiting, has the resource now.
    HandedOver,
    /// The operator must help; the resource stays locked.
    Stuck(&'a Error),
}

/// The steps of one kind of operation and how they are done. A step is named to the platform by the operation's id and the
/// step's name, so every call may be repeated.
#[async_trait]
pub trait Saga: Send + Sync {
    /// Kind of the operations that it runs, e.g. `server.create`.
    fn kind(&self) -> &'static str;

    fn steps(&self) -> &[Step];

    /// Does the step, or with a token looks at how it stands. Repeated after a crash or a failure.
    async fn act(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome>;

    /// Undoes a step that may have run, wholly, partly or not at all: what isn't there is no error.
    async fn undo(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome>;

    /// Takes the rows of these resources that requests take before they look at a resource's operations, in the order that
    /// they have; all sagas of a kind of resource do it alike. Only where transactions run beside each other: without it a
    /// request and a log write could wait for one another.
    async fn hold(&self, _tx: &mut Conn, _resources: &[String]) -> Result<()> {
        Ok(())
    }

    /// Writes what the event means for the resource, in the transaction of the log write.
    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()>;

    /// Digest of the driver component that does the step, for the log.
    fn digest(&self, _run: &Run, _step: usize) -> Option<String> {
        None
    }
}

/// One operation in a worker's hands.
#[derive(Debug)]
pub struct Run {
    /// As it was when it was leased.
    pub operation: Operation,
    cancelled: AtomicBool,
    pub(crate) changed: Notify,
    /// When the present step began, in microseconds.
    step_began: AtomicI64,
    data: OnceCell<Arc<dyn Any + Send + Sync>>,
}

impl Run {
    pub(crate) fn new(operation: Operation, step_began: Timestamp) -> Self {
        Self {
            cancelled: AtomicBool::new(operation.cancel),
            operation,
            changed: Notify::new(),
            step_began: AtomicI64::new(step_began.0),
            data: OnceCell::new(),
        }
    }

    pub(crate) fn lease(&self) -> Lease<'_> {
        Lease { id: &self.operation.id, fence: self.operation.fence }
    }

    /// What the saga was told at the request, as JSON.
    pub fn params<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.operation.params)
            .map_err(|error| Error::internal(format!("parameters of operation {}: {error}", self.operation.id)))
    }

    /// Something that the saga loads once a run and keeps, e.g. the server's specification.
    pub async fn keep<T, F>(&self, load: F) -> Result<Arc<T>>
    where
        T: Any + Send + Sync,
        F: Future<Output = Result<T>> + Send,
    {
        if let Some(kept) = self.data.get() {
            return kept.clone().downcast().map_err(|_| Error::internal("a run keeps one kind of value only"));
        }
        let loaded = Arc::new(load.await?);
        let _ = self.data.set(loaded.clone());
        Ok(loaded)
    }

    /// What [`Run::keep`] has loaded.
    pub fn kept<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.data.get()?.clone().downcast().ok()
    }

    /// How long the present step has been going on, crashes included.
    pub fn step_age(&self) -> Duration {
        let age = Timestamp::now().0.saturating_sub(self.step_began.load(Ordering::Relaxed));
        Duration::from_micros(u64::try_from(age).unwrap_or(0))
    }

    pub(crate) fn begin_step(&self, now: Timestamp) {
        self.step_began.store(now.0, Ordering::Relaxed);
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// Another request wants this operation to unwind.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}
