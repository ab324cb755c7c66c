//! A hypervisor driver as the core sees it: what has an effect goes through one function, what only looks through another. Faults,
//! logs and fakes wrap these two.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_model::{Error, Result};

use crate::context::SecretVault;

pub use crate::bindings::driver::exports::skyloom::driver::servers::StopMode;
pub use crate::bindings::driver::skyloom::driver::types::{
    Disk, DiskSource, Domain, DomainSpec, ImageBlob, Nic, NodeCapacity, Power, Progress, StepKey,
};

/// A call with an effect; see `skyloom:driver` for what each promises. `secrets` holds the values of the handles in `spec`. One of an
/// interface that the driver doesn't export is `not-supported`.
#[derive(Clone, Copy)]
pub enum StepCall<'a> {
    Define { spec: &'a DomainSpec, secrets: &'a SecretVault },
    Reconfigure { spec: &'a DomainSpec },
    Undefine { server_id: &'a str },
    Start { server_id: &'a str },
    Stop { server_id: &'a str, mode: StopMode },
    Pause { server_id: &'a str },
    Unpause { server_id: &'a str },
    Suspend { server_id: &'a str },
    Resume { server_id: &'a str },
    CreateDisk { disk: &'a Disk },
    GrowDisk { id: &'a str, size_gib: u32 },
    ExportDisk { id: &'a str, blob: &'a str },
    RemoveDisk { id: &'a str },
    AttachDisk { server_id: &'a str, disk: &'a Disk },
    DetachDisk { server_id: &'a str, id: &'a str },
    AttachNic { server_id: &'a str, nic: &'a Nic },
    DetachNic { server_id: &'a str, nic: &'a Nic },
    Poll { token: &'a str },
}

/// A call that only looks.
#[derive(Clone, Copy)]
pub enum ReadCall<'a> {
    Inspect {
        server_id: &'a str,
    },
    Capacity,
    Servers {
        after: Option<&'a str>,
        limit: u32,
    },
    Disks {
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
    Ids(Vec<String>),
    Text(String),
}

/// Implemented by a loaded component; the fault harness wraps it.
#[async_trait]
pub trait Driver: Send + Sync {
    async fn step(&self, key: &StepKey, call: StepCall<'_>) -> Result<Progress>;
    async fn read(&self, call: ReadCall<'_>) -> Result<Reading>;
    /// Digest of the component, `sha256:<hex>`; stands in the step log.
    fn digest(&self) -> &str;
    /// Whether disks and network cards come to servers that run, and leave them.
    fn hotplugs(&self) -> bool;
}

/// What looks only, wherever the driver is: here, or in the process that drives the node.
#[async_trait]
pub trait Reader: Send + Sync {
    async fn read(&self, call: ReadCall<'_>) -> Result<Reading>;
}

/// The driver is here.
#[async_trait]
impl Reader for Arc<dyn Driver> {
    async fn read(&self, call: ReadCall<'_>) -> Result<Reading> {
        Driver::read(&**self, call).await
    }
}

/// The read of this kind, typed.
macro_rules! reading {
    ($reader:ident, $call:expr, $kind:ident) => {
        match $reader.read($call).await? {
            Reading::$kind(found) => Ok(found),
            other => Err(Error::internal(format!("a driver answered with {other:?}"))),
        }
    };
}

/// Each read by its name.
macro_rules! reads {
    ($($reader:ident)*) => {$(
        impl dyn $reader + '_ {
            pub async fn inspect(&self, server_id: &str) -> Result<Option<Domain>> {
                reading!(self, ReadCall::Inspect { server_id }, Domain)
            }

            pub async fn capacity(&self) -> Result<NodeCapacity> {
                reading!(self, ReadCall::Capacity, Capacity)
            }

            pub async fn servers(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>> {
                reading!(self, ReadCall::Servers { after, limit }, Domains)
            }

            pub async fn disks(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>> {
                reading!(self, ReadCall::Disks { after, limit }, Ids)
            }

            pub async fn console_output(&self, server_id: &str, max_bytes: u32) -> Result<String> {
                reading!(self, ReadCall::ConsoleOutput { server_id, max_bytes }, Text)
            }
        }
    )*};
}

reads!(Driver Reader);

/// Each call with an effect by its name.
impl dyn Driver + '_ {
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

    pub async fn pause(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.step(key, StepCall::Pause { server_id }).await
    }

    pub async fn unpause(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.step(key, StepCall::Unpause { server_id }).await
    }

    pub async fn suspend(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.step(key, StepCall::Suspend { server_id }).await
    }

    pub async fn resume(&self, key: &StepKey, server_id: &str) -> Result<Progress> {
        self.step(key, StepCall::Resume { server_id }).await
    }

    pub async fn create_disk(&self, key: &StepKey, disk: &Disk) -> Result<Progress> {
        self.step(key, StepCall::CreateDisk { disk }).await
    }

    pub async fn grow_disk(&self, key: &StepKey, id: &str, size_gib: u32) -> Result<Progress> {
        self.step(key, StepCall::GrowDisk { id, size_gib }).await
    }

    pub async fn export_disk(&self, key: &StepKey, id: &str, blob: &str) -> Result<Progress> {
        self.step(key, StepCall::ExportDisk { id, blob }).await
    }

    pub async fn remove_disk(&self, key: &StepKey, id: &str) -> Result<Progress> {
        self.step(key, StepCall::RemoveDisk { id }).await
    }

    pub async fn attach_disk(&self, key: &StepKey, server_id: &str, disk: &Disk) -> Result<Progress> {
        self.step(key, StepCall::AttachDisk { server_id, disk }).await
    }

    pub async fn detach_disk(&self, key: &StepKey, server_id: &str, id: &str) -> Result<Progress> {
        self.step(key, StepCall::DetachDisk { server_id, id }).await
    }

    pub async fn attach_nic(&self, key: &StepKey, server_id: &str, nic: &Nic) -> Result<Progress> {
        self.step(key, StepCall::AttachNic { server_id, nic }).await
    }

    pub async fn detach_nic(&self, key: &StepKey, server_id: &str, nic: &Nic) -> Result<Progress> {
        self.step(key, StepCall::DetachNic { server_id, nic }).await
    }

    pub async fn poll(&self, key: &StepKey, token: &str) -> Result<Progress> {
        self.step(key, StepCall::Poll { token }).await
    }
}
