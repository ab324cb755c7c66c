//! One call of a plugin: what its sandbox may use and reach, and what it used.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{ResourceLimiterAsync, Store, UpdateDeadline};

use crate::api::CloudApi;
use crate::context::CallContext;
use crate::counters::Counters;
use crate::documents::Documents;
use crate::engine::TICK;
use crate::error::RunError;
use crate::grants::{Labels, Permits};
use crate::limits::{self, Limits};
use crate::manifest::Capability;
use crate::memory::{self, Memory, Share};

/// What a function of the core may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Changes,
}

/// What all calls of one use of a plugin (a mount, a node) share.
pub(crate) struct Sandbox {
    pub plugin: Arc<str>,
    pub permits: Permits,
    pub limits: Limits,
    pub counters: Arc<Counters>,
    /// The deployment's configuration as JSON.
    pub config: Arc<str>,
    pub cloud: Option<Arc<dyn CloudApi>>,
    pub documents: Option<Arc<dyn Documents>>,
    /// Owner of the documents.
    pub owner: Arc<str>,
    /// Where each label of requests to the outside leads.
    pub http: Labels,
    #[cfg(feature = "libvirt")]
    pub libvirt: Option<Arc<crate::capabilities::libvirt::Libvirt>>,
    pub host_slots: Arc<Semaphore>,
    pub plugin_slots: Arc<Semaphore>,
    pub memory: Arc<Memory>,
}

/// The host's side of a sandbox while a call lasts.
pub struct GuestState {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) context: Arc<CallContext>,
    /// What was called, for the log: the manifest's operation, or the contract's function.
    pub(crate) operation: Cow<'static, str>,
    used: Used,
}

/// What the call has used, and why it was stopped.
struct Used {
    memory: usize,
    share: Share,
    /// It may have changed something that stays: its client must hear of that, so it waits for memory as long as it may last.
    changed: bool,
    table_elements: usize,
    cpu: Duration,
    /// When the guest's own code last began to run, as far as it is known.
    running_since: Instant,
    stopped: Option<RunError>,
}

impl GuestState {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        context: Arc<CallContext>,
        operation: Cow<'static, str>,
        share: Share,
    ) -> Self {
        let used = Used {
            memory: 0,
            share,
            changed: false,
            table_elements: 0,
            cpu: Duration::ZERO,
            running_since: Instant::now(),
            stopped: None,
        };
        Self { sandbox, context, operation, used }
    }

    /// The one choke point: every host function passes here first. Without a permit the call traps. Stops the guest's clock,
    /// see [`GuestState::resume`].
    pub(crate) fn permit(&mut self, capability: Capability) -> wasmtime::Result<()> {
        if !self.sandbox.permits.has(capability) {
            tracing::warn!(
                plugin = &*self.sandbox.plugin, operation = &*self.operation, request_id = &*self.context.request_id,
                %capability,
                "a plugin called what it was not granted"
            );
            return Err(self.stop(RunError::Denied(capability)));
        }
        self.used.cpu += self.ran();
        Ok(())
    }

    /// The core and the request, for a permitted call.
    pub(crate) fn cloud(
        &mut self,
        capability: Capability,
        effect: Effect,
    ) -> wasmtime::Result<(&dyn CloudApi, &Arc<CallContext>)> {
        self.permit(capability)?;
        self.may_change(effect);
        let cloud = self.sandbox.cloud.as_deref();
        Ok((cloud.ok_or_else(|| wasmtime::Error::msg("this plugin has no core"))?, &self.context))
    }

    pub(crate) fn may_change(&mut self, effect: Effect) {
        self.used.changed |= effect == Effect::Changes;
    }

    /// The guest's code goes on after a host function.
    pub(crate) fn resume(&mut self) {
        self.used.running_since = Instant::now();
    }

    /// Code that runs is interrupted each tick, so whatever is longer was waiting for a processor.
    fn ran(&self) -> Duration {
        self.used.running_since.elapsed().min(TICK)
    }

    fn stop(&mut self, error: RunError) -> wasmtime::Error {
        let text = wasmtime::Error::msg(error.to_string());
        self.used.stopped.get_or_insert(error);
        text
    }

    /// At each tick in which the guest's own code runs.
    fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.used.cpu += self.ran();
        self.resume();
        if self.used.cpu >= self.sandbox.limits.cpu {
            return Err(self.stop(RunError::CpuExhausted(self.sandbox.limits.cpu)));
        }
        Ok(UpdateDeadline::Yield(1))
    }
}

#[async_trait]
impl ResourceLimiterAsync for GuestState {
    async fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let limit = self.sandbox.limits.memory;
        let total = self.used.memory.saturating_add(desired.saturating_sub(current));
        if total > limit {
            self.stop(RunError::OutOfMemory(limit));
            return Ok(false);
        }
        self.used.cpu += self.ran();
        let patience = if self.used.changed { None } else { Some(self.sandbox.memory.wait) };
        let covered = self.used.share.cover(total, limit, patience).await;
        self.resume();
        if !covered {
            self.stop(RunError::Busy(memory::WAIT));
            return Ok(false);
        }
        self.used.memory = total;
        Ok(true)
    }

    async fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.used.table_elements.saturating_add(desired.saturating_sub(current));
        if total > limits::TABLE_ELEMENTS {
            return Ok(false);
        }
        self.used.table_elements = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        limits::CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        limits::TABLES
    }

    fn memories(&self) -> usize {
        limits::MEMORIES
    }
}

/// Runs `call` in a fresh sandbox, under every limit; the log names it `operation`. Dropping the future ends the call.
pub(crate) async fn run<T>(
    pre: &InstancePre<GuestState>,
    sandbox: &Arc<Sandbox>,
    context: Arc<CallContext>,
    operation: impl Into<Cow<'static, str>>,
    call: impl AsyncFnOnce(&mut Store<GuestState>, Instance) -> wasmtime::Result<T>,
) -> Result<T, RunError> {
    let operation = operation.into();
    let begun = Instant::now();
    let wait = sandbox.limits.wait;
    let mut started = false;
    let (request_id, named) = (context.request_id.clone(), operation.clone());
    let answer = tokio::time::timeout(wait, async {
        // The plugin's own first: who waits for it holds nothing that others need.
        let _slots = (acquire(&sandbox.plugin_slots).await?, acquire(&sandbox.host_slots).await?);
        let share = Share::first(&sandbox.memory, sandbox.limits.memory).await.ok_or(RunError::Busy(memory::WAIT))?;
        started = true;
        in_sandbox(pre, GuestState::new(sandbox.clone(), context, named, share), call).await
    })
    .await
    .unwrap_or_else(|_| Err(if started { RunError::TimedOut(wait) } else { RunError::Busy(wait) }));
    sandbox.counters.call(begun.elapsed(), answer.as_ref().err());
    if let Err(error) = &answer {
        let (plugin, operation, request_id) = (&*sandbox.plugin, &*operation, &*request_id);
        tracing::warn!(plugin, operation, request_id, %error, "a plugin's call failed");
    }
    answer
}

async fn acquire(slots: &Semaphore) -> Result<tokio::sync::SemaphorePermit<'_>, RunError> {
    slots.acquire().await.map_err(|_| RunError::Busy(Duration::ZERO))
}

async fn in_sandbox<T>(
    pre: &InstancePre<GuestState>,
    state: GuestState,
    call: impl AsyncFnOnce(&mut Store<GuestState>, Instance) -> wasmtime::Result<T>,
) -> Result<T, RunError> {
    let mut store = Store::new(pre.engine(), state);
    store.limiter_async(|state| state);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| store.data_mut().tick());
    let answer = match pre.instantiate_async(&mut store).await {
        Ok(instance) => call(&mut store, instance).await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| {
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return RunError::Busy(Duration::ZERO);
        }
        store.data_mut().used.stopped.take().unwrap_or_else(|| RunError::Trapped(reason(&error)))
    })
}

/// The innermost cause; the backtrace stands in the outer ones.
fn reason(error: &wasmtime::Error) -> String {
    tracing::debug!(error = format!("{error:?}"), "trap");
    crate::error::one_line(&error.root_cause())
}

#[cfg(test)]
#[path = "guest_tests.rs"]
mod tests;
