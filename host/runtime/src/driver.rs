//! A hypervisor driver as the core sees it: what has an effect goes through one function, what only looks through another. Faults,
//! logs and fakes wrap these two.

use async_trait::async_trait;
use skyloom_model::{Error, Result};

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

/// A call with an effect; see `skyloom:driver` for what each promises. `secrets` holds the values of the handles in `spec`.
#[derive(Clone, Copy)]
pub enum StepCall<'a> {
    CreateDisks { spec: &'a DomainSpec, secrets: &'a SecretVault },
    DeleteDisks { server_id: &'a str, disks: &'a [String] },
    Define { spec: &'a DomainSpec, secrets: &'a SecretVault },
    Reconfigure { spec: &'a DomainSpec },
    Undefine { server_id: &'a str },
    Start { server_id: &'a str },
    Stop { server_id: &'a str, mode: StopMode },
    Poll { server_id: &'a str, token: &'a str },
}

impl StepCall<'_> {
    /// The server that it is about.
    #[must_use]
    pub fn server_id(&self) -> &str {
        match self {
            Self::CreateDisks { spec, .. } | Self::Define { spec, .. } | Self::Reconfigure { spec } => &spec.server_id,
            Self::DeleteDisks { server_id, .. }
            | Self::Undefine { server_id }
            | Self::Start { server_id }
            | Self::Stop { server_id, .. }
            | Self::Poll { server_id, .. } => server_id,
        }
    }
}

/// A call that only looks.
#[derive(Clone, Copy)]
pub enum ReadCall<'a> {
    Inspect {
        server_id: &'a str,
    },
    Capacity,
    List {
        after: Option<&'a str>,
        limit: u32,
    },
    /// `not-supported` when the driver doesn't export `console`.
    ConsoleOutput {
        server_id: &'a str,
        max_bytes: u32,
    },
}

/// The answer to a [`ReadCall`].
#[derive(Clone, Debug)]
pub enum Reading {
    Domain(Option<Domain>),
    Capacity(NodeCapacity),
    Domains(Vec<Domain>),
    Text(String),
}

/// Implemented by a loaded component; the fault harness wraps it.
#[async_trait]
pub trait Driver: Send + Sync {
    async fn step(&self, key: &StepKey, call: StepCall<'_>) -> Result<Progress>;
    async fn read(&self, call: ReadCall<'_>) -> Result<Reading>;
    /// Digest of the component, `sha256:<hex>`; stands in the step log.
    fn digest(&self) -> &str;
}

/// The read of this kind, typed.
macro_rules! reading {
    ($driver:ident, $call:expr, $kind:ident) => {
        match $driver.read($call).await? {
            Reading::$kind(found) => Ok(found),
            other => Err(Error::internal(format!("a driver answered with {other:?}"))),
        }
    };
}

/// Each call by its name.
impl dyn Driver + '_ {
    pub async fn create_disks(&self, key: &StepKey, spec: &DomainSpec, secrets: &SecretVault) -> Result<Progress> {
        self.step(key, StepCall::CreateDisks { spec, secrets }).await
    }

    pub async fn delete_disks(&self, key: &StepKey, server_id: &str, disks: &[String]) -> Result<Progress> {
        self.step(key, StepCall::DeleteDisks { server_id, disks }).await
    }

    pub async fn define(&self, key: &StepKey, spec: &DomainSpec, secrets: &SecretVault) -> Result<Progress> {
        self.step(key, StepCall::Define { spec, secrets }).await
    }

    pub async fn reconfigure(&self, key: &StepKey, spec: &DomainSpec) -> Result<Progress> {
        self.step(key, StepCall::Reconfigure { spec }).await
    }

    pub async fn undefine(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.step(key, StepCall::Undefine { server_id }).await
    }

    pub async fn start(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.step(key, StepCall::Start { server_id }).await
    }

    pub async fn stop(&self, key: &StepKey, server_id: &str, mode: StopMode) -> Result<Progress> {
        self.step(key, StepCall::Stop { server_id, mode }).await
    }

    pub async fn poll(&self, key: &StepKey, server_id: &str, token: &str) -> Result<Progress> {
        self.step(key, StepCall::Poll { server_id, token }).await
    }

    pub async fn inspect(&self, server_id: &str) -> Result<Option<Domain>> {
        reading!(self, ReadCall::Inspect { server_id }, Domain)
    }

    pub async fn capacity(&self) -> Result<NodeCapacity> {
        reading!(self, ReadCall::Capacity, Capacity)
    }

    pub async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>> {
        reading!(self, ReadCall::List { after, limit }, Domains)
    }

    pub async fn console_output(&self, server_id: &str, max_bytes: u32) -> Result<String> {
        reading!(self, ReadCall::ConsoleOutput { server_id, max_bytes }, Text)
    }
}
