//! A driver that is a component.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use skyloom_model::{Error, ErrorCode, Result};
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::bindings::driver::exports::skyloom::driver::{
    console, disks, hotplug, inventory, servers, steps, suspension,
};
use crate::bindings::types::errors::Error as WitError;
use crate::context::SecretVault;
use crate::driver::{Driver, Progress, ReadCall, Reading, StepCall, StepKey};
use crate::error::{LoadError, RunError};
use crate::guest::{self, GuestState, Sandbox};
use crate::manifest::Kind;
use crate::plugin::Plugin;

/// One node's use of a driver plugin. Each call has a fresh sandbox.
pub struct WasmDriver {
    plugin: Plugin,
    steps: steps::GuestIndices,
    servers: servers::GuestIndices,
    disks: disks::GuestIndices,
    inventory: inventory::GuestIndices,
    /// None: the driver doesn't export it.
    console: Option<console::GuestIndices>,
    hotplug: Option<hotplug::GuestIndices>,
    suspension: Option<suspension::GuestIndices>,
    sandbox: Arc<Sandbox>,
    digest: Arc<str>,
}

impl Plugin {
    /// The driver of one compute node; `config` is the node's own, over the plugin's. Its documents belong to this node.
    pub fn driver(&self, node: &str, config: &Map<String, Value>) -> Result<Arc<dyn Driver>, LoadError> {
        self.expect(Kind::Driver)?;
        let failed = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
        let pre = self.pre();
        Ok(Arc::new(WasmDriver {
            plugin: self.clone(),
            steps: steps::GuestIndices::new(pre).map_err(failed)?,
            servers: servers::GuestIndices::new(pre).map_err(failed)?,
            disks: disks::GuestIndices::new(pre).map_err(failed)?,
            inventory: inventory::GuestIndices::new(pre).map_err(failed)?,
            console: console::GuestIndices::new(pre).ok(),
            hotplug: hotplug::GuestIndices::new(pre).ok(),
            suspension: suspension::GuestIndices::new(pre).ok(),
            sandbox: self.sandbox(None, format!("{}/{node}", self.id()).into(), config)?,
            digest: self.digest_shared(),
        }))
    }
}

impl WasmDriver {
    fn hotplug(&self) -> Result<&hotplug::GuestIndices> {
        let none =
            not_supported("This platform gives a server that runs no disks and no network cards, and takes none away.");
        self.hotplug.as_ref().ok_or_else(none)
    }

    fn suspension(&self) -> Result<&suspension::GuestIndices> {
        let none = not_supported("This platform neither pauses nor suspends servers.");
        self.suspension.as_ref().ok_or_else(none)
    }

    /// What went wrong in the sandbox is the driver's failure; what the driver itself says is passed on.
    async fn call<T>(
        &self,
        request_id: &str,
        operation: &'static str,
        secrets: &SecretVault,
        call: impl AsyncFnOnce(&mut Store<GuestState>, Instance) -> wasmtime::Result<Result<T, WitError>>,
    ) -> Result<T> {
        let context = self.plugin.context(request_id, secrets.clone());
        match guest::run(self.plugin.pre(), &self.sandbox, context, operation, call).await {
            Ok(answer) => answer.map_err(Into::into),
            Err(error @ (RunError::TimedOut(_) | RunError::CpuExhausted(_) | RunError::Busy(_))) => Err(error.into()),
            Err(error) => {
                Err(Error::new(ErrorCode::DriverFailed, "The hypervisor driver failed.").with_internal(error))
            }
        }
    }
}

/// The contract's function, of the name that the bindings gave it.
fn function(bound: &'static str) -> &'static str {
    bound.strip_prefix("call_").unwrap_or(bound)
}

/// `request_id` of the log lines: the operation, or what is asked about.
macro_rules! call {
    ($self:ident, $request_id:expr, $interface:ident.$function:ident($($arg:expr),*)) => {
        call!($self, $request_id, &SecretVault::default(), ($self.$interface).$function($($arg),*))
    };
    ($self:ident, $request_id:expr, $secrets:expr, $interface:ident.$function:ident($($arg:expr),*)) => {
        call!($self, $request_id, $secrets, ($self.$interface).$function($($arg),*))
    };
    ($self:ident, $request_id:expr, $secrets:expr, ($interface:expr).$function:ident($($arg:expr),*)) => {
        $self
            .call($request_id, function(stringify!($function)), $secrets, async |store: &mut Store<GuestState>, instance: Instance| {
                let guest = $interface.load(&mut *store, &instance)?;
                guest.$function(&mut *store, $($arg),*).await
            })
            .await
    };
}

#[async_trait]
impl Driver for WasmDriver {
    async fn step(&self, key: &StepKey, call: StepCall<'_>) -> Result<Progress> {
        let operation = &key.operation;
        match call {
            StepCall::Define { spec, secrets } => call!(self, operation, secrets, servers.call_define(key, spec)),
            StepCall::Reconfigure { spec } => call!(self, operation, servers.call_reconfigure(key, spec)),
            StepCall::Undefine { server_id } => call!(self, operation, servers.call_undefine(key, server_id)),
            StepCall::Start { server_id } => call!(self, operation, servers.call_start(key, server_id)),
            StepCall::Stop { server_id, mode } => call!(self, operation, servers.call_stop(key, server_id, mode)),
            StepCall::Pause { server_id } => {
                let suspension = self.suspension()?;
                call!(self, operation, &SecretVault::default(), (suspension).call_pause(key, server_id))
            }
            StepCall::Unpause { server_id } => {
                let suspension = self.suspension()?;
                call!(self, operation, &SecretVault::default(), (suspension).call_unpause(key, server_id))
            }
            StepCall::Suspend { server_id } => {
                let suspension = self.suspension()?;
                call!(self, operation, &SecretVault::default(), (suspension).call_suspend(key, server_id))
            }
            StepCall::Resume { server_id } => {
                let suspension = self.suspension()?;
                call!(self, operation, &SecretVault::default(), (suspension).call_resume(key, server_id))
            }
            StepCall::CreateDisk { disk } => call!(self, operation, disks.call_create(key, disk)),
            StepCall::GrowDisk { id, size_gib } => call!(self, operation, disks.call_grow(key, id, size_gib)),
            StepCall::ExportDisk { id, blob } => call!(self, operation, disks.call_export(key, id, blob)),
            StepCall::RemoveDisk { id } => call!(self, operation, disks.call_remove(key, id)),
            StepCall::AttachDisk { server_id, disk } => {
                let hotplug = self.hotplug()?;
                call!(self, operation, &SecretVault::default(), (hotplug).call_attach_disk(key, server_id, disk))
            }
            StepCall::DetachDisk { server_id, id } => {
                let hotplug = self.hotplug()?;
                call!(self, operation, &SecretVault::default(), (hotplug).call_detach_disk(key, server_id, id))
            }
            StepCall::AttachNic { server_id, nic } => {
                let hotplug = self.hotplug()?;
                call!(self, operation, &SecretVault::default(), (hotplug).call_attach_nic(key, server_id, nic))
            }
            StepCall::DetachNic { server_id, nic } => {
                let hotplug = self.hotplug()?;
                call!(self, operation, &SecretVault::default(), (hotplug).call_detach_nic(key, server_id, nic))
            }
            StepCall::Poll { token } => call!(self, operation, steps.call_poll(key, token)),
        }
    }

    async fn read(&self, call: ReadCall<'_>) -> Result<Reading> {
        match call {
            ReadCall::Inspect { server_id } => {
                call!(self, server_id, servers.call_inspect(server_id)).map(Reading::Domain)
            }
            ReadCall::Capacity => call!(self, "capacity", inventory.call_capacity()).map(Reading::Capacity),
            ReadCall::Servers { after, limit } => {
                call!(self, "inventory", inventory.call_list(after, limit)).map(Reading::Domains)
            }
            ReadCall::Disks { after, limit } => {
                call!(self, "inventory", disks.call_list(after, limit)).map(Reading::Ids)
            }
            ReadCall::ConsoleOutput { server_id, max_bytes } => {
                let Some(console) = &self.console else {
                    return Err(Error::new(ErrorCode::NotSupported, "This platform keeps no console log."));
                };
                call!(self, server_id, &SecretVault::default(), (console).call_output(server_id, max_bytes))
                    .map(Reading::Text)
            }
        }
    }

    fn hotplugs(&self) -> bool {
        self.hotplug.is_some()
    }

    fn digest(&self) -> &str {
        &self.digest
    }
}

fn not_supported(message: &str) -> impl Fn() -> Error {
    move || Error::new(ErrorCode::NotSupported, message)
}
