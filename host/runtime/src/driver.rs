//! A hypervisor driver as the core sees it.

use async_trait::async_trait;
use skyloom_model::Result;

use crate::context::SecretVault;

pub use crate::bindings::driver::exports::skyloom::driver::lifecycle::StopMode;
pub use crate::bindings::driver::skyloom::driver::types::{
    Disk, Domain, DomainSpec, Nic, NodeCapacity, Power, Progress, StepKey,
};

impl Domain {
    /// The domain's power; none: there are only disks.
    #[must_use]
    pub fn defined(&self) -> Option<Power> {
        (!self.operation.is_empty()).then_some(self.power)
    }
}

/// The functions of `skyloom:driver`, see there for what each promises. Implemented by a loaded component; the fault harness
/// wraps it. `secrets` holds the values of the handles in `spec`.
#[async_trait]
pub trait Driver: Send + Sync {
    async fn create_disks(&self, key: &StepKey, spec: &DomainSpec, secrets: &SecretVault) -> Result<Progress>;
    async fn delete_disks(&self, key: &StepKey, server_id: &str, disks: &[String]) -> Result<Progress>;
    async fn define(&self, key: &StepKey, spec: &DomainSpec, secrets: &SecretVault) -> Result<Progress>;
    async fn undefine(&self, key: &StepKey, server_id: &str) -> Result<Progress>;
    async fn start(&self, key: &StepKey, server_id: &str) -> Result<Progress>;
    async fn stop(&self, key: &StepKey, server_id: &str, mode: StopMode) -> Result<Progress>;
    async fn poll(&self, key: &StepKey, server_id: &str, token: &str) -> Result<Progress>;
    async fn inspect(&self, server_id: &str) -> Result<Option<Domain>>;
    async fn capacity(&self) -> Result<NodeCapacity>;
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>>;
    /// `not-supported` when the driver doesn't export `console`.
    async fn console_output(&self, server_id: &str, max_bytes: u32) -> Result<String>;
    /// Digest of the component, `sha256:<hex>`; stands in the step log.
    fn digest(&self) -> &str;
}
