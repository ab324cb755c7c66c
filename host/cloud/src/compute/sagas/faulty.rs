//! A driver whose calls fail as the armed faults say.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_jobs::Faults;
use skyloom_jobs::faults::Failure;
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{Driver, Progress, ReadCall, Reading, StepCall, StepKey};

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
}

fn struck(step: &str) -> Error {
    Error::new(ErrorCode::DriverFailed, "The compute node's platform failed.")
        .with_internal(format!("an armed fault struck step {step}"))
}

#[async_trait]
impl Driver for FaultyDriver {
    async fn step(&self, key: &StepKey, call: StepCall<'_>) -> Result<Progress> {
        let polls = matches!(call, StepCall::Poll { .. });
        let failure = if polls { None } else { self.faults.of_call(self.operation_kind, &key.step) };
        match failure {
            None => self.inner.step(key, call).await,
            Some(Failure::FailBefore) => Err(struck(&key.step)),
            Some(Failure::FailAfter) => {
                let _ = self.inner.step(key, call).await;
                Err(struck(&key.step))
            }
            Some(Failure::LoseReply) => {
                let _ = self.inner.step(key, call).await;
                std::future::pending().await
            }
            Some(Failure::Repeat) => {
                self.inner.step(key, call).await?;
                self.inner.step(key, call).await
            }
        }
    }

    async fn read(&self, call: ReadCall<'_>) -> Result<Reading> {
        self.inner.read(call).await
    }

    fn digest(&self) -> &str {
        self.inner.digest()
    }

    fn hotplugs(&self) -> bool {
        self.inner.hotplugs()
    }
}
