//! A driver whose calls fail as the armed faults say.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_jobs::Faults;
use skyloom_jobs::faults::Failure;
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Domain, DomainSpec, Driver, NodeCapacity, Progress, StepKey, StopMode};

/// Any driver, with the faults of one kind of operation. Without armed faults it only passes on.
pub struct FaultyDriver {
    inner: Arc<dyn Driver>,
    faults: Arc<Faults>,
    operation_kind: &'static str,
}

impl FaultyDriver {
    pub fn new(inner: Arc<dyn Driver>, faults: Arc<Faults>, operation_kind: &'static str) -> Self {
        Self { inner, faults, operation_kind }
    }

    async fn call<T, F>(&self, step: &str, call: impl Fn() -> F + Send) -> Result<T>
    where
        F: Future<Output = Result<T>> + Send,
        T: Send,
    {
        match self.faults.of_call(self.operation_kind, step) {
            None => call().await,
            Some(Failure::FailBefore) => Err(struck(step)),
            Some(Failure::FailAfter) => {
                let _ = call().await;
                Err(struck(step))
            }
            Some(Failure::LoseReply) => {
                let _ = call().await;
                std::future::pending().await
            }
            Some(Failure::Repeat) => {
                call().await?;
                call().await
            }
        }
    }
}

fn struck(step: &str) -> Error {
    Error::new(ErrorCode::DriverFailed, "The compute node's platform failed.")
        .with_internal(format!("an armed fault struck step {step}"))
}

#[async_trait]
impl Driver for FaultyDriver {
    async fn create_disks(&self, key: &StepKey, spec: &DomainSpec, secrets: &SecretVault) -> Result<Progress> {
        self.call(&key.step, || self.inner.create_disks(key, spec, secrets)).await
    }

    async fn delete_disks(&self, key: &StepKey, server_id: &str, disks: &[String]) -> Result<Progress> {
        self.call(&key.step, || self.inner.delete_disks(key, server_id, disks)).await
    }

    async fn define(&self, key: &StepKey, spec: &DomainSpec, secrets: &SecretVault) -> Result<Progress> {
        self.call(&key.step, || self.inner.define(key, spec, secrets)).await
    }

    async fn undefine(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.call(&key.step, || self.inner.undefine(key, server_id)).await
    }

    async fn start(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.call(&key.step, || self.inner.start(key, server_id)).await
    }

    async fn stop(&self, key: &StepKey, server_id: &str, mode: StopMode) -> Result<Progress> {
        self.call(&key.step, || self.inner.stop(key, server_id, mode)).await
    }

    async fn poll(&self, key: &StepKey, server_id: &str, token: &str) -> Result<Progress> {
        self.inner.poll(key, server_id, token).await
    }

    async fn inspect(&self, server_id: &str) -> Result<Option<Domain>> {
        self.inner.inspect(server_id).await
    }

    async fn capacity(&self) -> Result<NodeCapacity> {
        self.inner.capacity().await
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>> {
        self.inner.list(after, limit).await
    }

    async fn console_output(&self, server_id: &str, max_bytes: u32) -> Result<String> {
        self.inner.console_output(server_id, max_bytes).await
    }

    fn digest(&self) -> &str {
        self.inner.digest()
    }
}
