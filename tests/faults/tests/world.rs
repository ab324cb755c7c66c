//! A hypervisor of the test's own. It survives the engine's deaths, as a real one would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use skyloom_faults::machine::{Machine, Sight};
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{
    Domain, DomainSpec, Driver, NodeCapacity, Power, Progress, ReadCall, Reading, StepCall, StepKey,
};
use tokio::sync::Notify;

/// How the platform answers when it is asked for its capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    #[default]
    Answers,
    Refuses,
    Hangs,
}

#[derive(Default)]
pub struct World {
    presence: Mutex<Presence>,
    machines: Mutex<BTreeMap<String, Machine>>,
    /// Steps that stay pending until they are let go.
    held: Mutex<BTreeSet<String>>,
    calls: Mutex<Vec<String>>,
    /// The step whose next call hangs before it has its effect.
    hanging: Mutex<Option<String>>,
    /// Lets the call that hangs go on.
    go_on: Notify,
}

fn failure(code: ErrorCode, text: &str) -> Error {
    Error::new(code, text)
}

impl World {
    pub fn machines(&self) -> MutexGuard<'_, BTreeMap<String, Machine>> {
        self.machines.lock().unwrap()
    }

    pub fn machine(&self, server_id: &str) -> Option<Machine> {
        self.machines().get(server_id).cloned()
    }

    pub fn be(&self, presence: Presence) {
        *self.presence.lock().unwrap() = presence;
    }

    pub fn sight(&self) -> Sight {
        Sight { machines: self.machines().clone(), strays: Vec::new() }
    }

    pub fn hold(&self, step: &str) {
        self.held.lock().unwrap().insert(step.to_owned());
    }

    pub fn let_go(&self) {
        self.held.lock().unwrap().clear();
    }

    /// The next call of this step hangs until [`World::go_on`]; then it has its effect.
    pub fn hang(&self, step: &str) {
        *self.hanging.lock().unwrap() = Some(step.to_owned());
    }

    pub fn go_on(&self) {
        self.go_on.notify_one();
    }

    /// The steps called for the operation, in order.
    pub fn calls_for(&self, operation: &str) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter_map(|call| call.strip_prefix(operation)).map(|step| step.trim().to_owned()).collect()
    }

    /// Whether the step was called for the operation.
    pub fn called(&self, operation: &str, step: &str) -> bool {
        self.calls.lock().unwrap().contains(&format!("{operation} {step}"))
    }

    /// Notes the call; changes the machine; one that holds nothing any more is gone. The first reply is `pending`, so that
    /// every step is polled too.
    async fn change(
        &self,
        key: &StepKey,
        server_id: &str,
        apply: impl FnOnce(&mut Machine) -> Result<()> + Send,
    ) -> Result<Progress> {
        self.calls.lock().unwrap().push(format!("{} {}", key.operation, key.step));
        let hangs = self.hanging.lock().unwrap().take_if(|step| *step == key.step).is_some();
        if hangs {
            self.go_on.notified().await;
            self.calls.lock().unwrap().push(format!("{} {}: goes on", key.operation, key.step));
        }
        let mut machines = self.machines();
        let mut machine = machines.get(server_id).cloned().unwrap_or_default();
        let before = machine.clone();
        apply(&mut machine)?;
        let changed = machine != before;
        if machine.disks.is_empty() && machine.defined.is_none() {
            machines.remove(server_id);
        } else {
            machines.insert(server_id.to_owned(), machine);
        }
        let held = self.held.lock().unwrap().contains(&key.step);
        Ok(if changed || held { Progress::Pending("more".to_owned()) } else { Progress::Done })
    }
}

impl World {
    async fn capacity(&self) -> Result<NodeCapacity> {
        let presence = *self.presence.lock().unwrap();
        match presence {
            Presence::Answers => {}
            Presence::Refuses => return Err(Error::unavailable("nobody there")),
            Presence::Hangs => std::future::pending().await,
        }
        Ok(NodeCapacity {
            vcpus: 1000,
            memory_mib: 1_000_000,
            disk_gib: 100_000,
            hypervisor: "world".to_owned(),
            hypervisor_version: 1,
        })
    }
}

fn domain(server_id: &str, machine: &Machine) -> Domain {
    Domain {
        server_id: server_id.to_owned(),
        power: if machine.running { Power::Running } else { Power::Stopped },
        operation: machine.defined.clone().unwrap_or_default(),
        disks: machine.disks.iter().cloned().collect(),
    }
}

/// Whether the domain is there; only then can it be switched.
fn defined(machine: &Machine) -> Result<()> {
    if machine.defined.is_none() {
        return Err(failure(ErrorCode::NotFound, "there is no such domain"));
    }
    Ok(())
}

fn define(machine: &mut Machine, operation: &str, spec: &DomainSpec) -> Result<()> {
    if spec.disks.iter().any(|disk| !machine.disks.contains(&disk.id)) {
        return Err(failure(ErrorCode::DriverFailed, "a disk isn't there"));
    }
    if machine.defined.as_ref().is_some_and(|by| *by != operation) {
        return Err(failure(ErrorCode::AlreadyExists, "another operation has defined it"));
    }
    machine.defined = Some(operation.to_owned());
    machine.memory_mib = spec.memory_mib;
    Ok(())
}

/// What a call does to a machine.
fn effect(key: &StepKey, call: StepCall<'_>, machine: &mut Machine) -> Result<()> {
    match call {
        StepCall::CreateDisks { spec, .. } => machine.disks.extend(spec.disks.iter().map(|disk| disk.id.clone())),
        StepCall::DeleteDisks { .. } if machine.defined.is_some() => {
            return Err(failure(ErrorCode::DriverFailed, "the disks are in use by a domain"));
        }
        StepCall::DeleteDisks { disks, .. } => machine.disks.retain(|disk| !disks.contains(disk)),
        StepCall::Define { spec, .. } => define(machine, &key.operation, spec)?,
        StepCall::Reconfigure { .. } if machine.running => {
            return Err(failure(ErrorCode::WrongState, "the domain runs"));
        }
        StepCall::Reconfigure { spec } => {
            defined(machine)?;
            machine.memory_mib = spec.memory_mib;
        }
        StepCall::Undefine { .. } => {
            (machine.running, machine.defined, machine.memory_mib) = (false, None, 0);
        }
        StepCall::Start { .. } => {
            defined(machine)?;
            machine.boots += u32::from(!machine.running);
            machine.running = true;
        }
        StepCall::Stop { .. } => {
            defined(machine)?;
            machine.running = false;
        }
        StepCall::Poll { .. } => {}
    }
    Ok(())
}

#[async_trait]
impl Driver for World {
    async fn step(&self, key: &StepKey, call: StepCall<'_>) -> Result<Progress> {
        if let StepCall::Poll { .. } = call {
            let held = self.held.lock().unwrap().contains(&key.step);
            return Ok(if held { Progress::Pending("more".to_owned()) } else { Progress::Done });
        }
        if let StepCall::CreateDisks { spec, secrets } = call
            && spec.admin_password.as_deref().and_then(|handle| secrets.get(handle)).is_none()
        {
            return Err(failure(ErrorCode::Invalid, "the administrator's password got lost"));
        }
        self.change(key, call.server_id(), |machine| effect(key, call, machine)).await
    }

    async fn read(&self, call: ReadCall<'_>) -> Result<Reading> {
        match call {
            // Disks alone are no domain that could run.
            ReadCall::Inspect { server_id } => {
                Ok(Reading::Domain(self.machine(server_id).map(|machine| domain(server_id, &machine))))
            }
            ReadCall::Capacity => self.capacity().await.map(Reading::Capacity),
            ReadCall::List { after, limit } => {
                let machines = self.machines();
                let later = machines.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
                let page = later.take(limit as usize).map(|(id, machine)| domain(id, machine));
                Ok(Reading::Domains(page.collect()))
            }
            ReadCall::ConsoleOutput { .. } => Ok(Reading::Text(String::new())),
        }
    }

    fn digest(&self) -> &'static str {
        "sha256:world"
    }
}
