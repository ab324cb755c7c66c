//! A hypervisor of the test's own. It survives the engine's deaths, as a real one would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock};

use async_trait::async_trait;
use skyloom_faults::machine::{Machine, Sight};
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{
    DiskSource, Domain, DomainSpec, Driver, NodeCapacity, Power, Progress, ReadCall, Reading, StepCall, StepKey,
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

/// What the platform holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    pub machines: BTreeMap<String, Machine>,
    pub disks: BTreeSet<String>,
    /// Those that began as blobs.
    copied: BTreeSet<String>,
    /// Blobs that were written.
    exported: BTreeSet<String>,
}

#[derive(Default)]
pub struct World {
    /// Where blobs are.
    blobs: OnceLock<PathBuf>,
    presence: Mutex<Presence>,
    holds: Mutex<Holds>,
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
    pub fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap()
    }

    pub fn machine(&self, server_id: &str) -> Option<Machine> {
        self.holds().machines.get(server_id).cloned()
    }

    pub fn keep_blobs_in(&self, folder: &Path) {
        self.blobs.set(folder.to_owned()).expect("one folder");
    }

    /// A blob holds the id of the disk that was written into it.
    fn blob(&self, name: &str) -> PathBuf {
        self.blobs.get().expect("a folder for blobs").join(name)
    }

    fn export(&self, holds: &mut Holds, id: &str, blob: &str) -> Result<()> {
        require(holds, [&id.to_owned()])?;
        if holds.machines.values().any(|machine| machine.running && machine.disks.contains(id)) {
            return Err(failure(ErrorCode::WrongState, "a domain writes to the disk"));
        }
        std::fs::write(self.blob(blob), id).map_err(Error::internal)?;
        holds.exported.insert(blob.to_owned());
        Ok(())
    }

    /// What is there needs its source no more.
    fn copy(&self, holds: &mut Holds, id: &str, blob: &str) -> Result<()> {
        if holds.disks.contains(id) {
            return Ok(());
        }
        match std::fs::read_to_string(self.blob(blob)) {
            Ok(of) if of == id => {}
            found => return Err(failure(ErrorCode::WrongState, &format!("the blob has not the disk: {found:?}"))),
        }
        holds.copied.insert(id.to_owned());
        Ok(())
    }

    pub fn be(&self, presence: Presence) {
        *self.presence.lock().unwrap() = presence;
    }

    pub fn sight(&self) -> Sight {
        let Holds { machines, disks, .. } = self.holds().clone();
        Sight { machines, disks, strays: Vec::new() }
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

    /// Notes the call, and has its effect. The first reply is `pending`, so that every step is polled too.
    async fn change(&self, key: &StepKey, call: StepCall<'_>) -> Result<Progress> {
        self.calls.lock().unwrap().push(format!("{} {}", key.operation, key.step));
        let hangs = self.hanging.lock().unwrap().take_if(|step| *step == key.step).is_some();
        if hangs {
            self.go_on.notified().await;
            self.calls.lock().unwrap().push(format!("{} {}: goes on", key.operation, key.step));
        }
        let mut holds = self.holds();
        let before = holds.clone();
        match call {
            StepCall::ExportDisk { id, blob } => self.export(&mut holds, id, blob)?,
            StepCall::CreateDisk { disk } => {
                if let DiskSource::Copy(image) = &disk.source {
                    self.copy(&mut holds, &disk.id, &image.blob)?;
                }
            }
            _ => {}
        }
        effect(key, call, &mut holds)?;
        let held = self.held.lock().unwrap().contains(&key.step);
        Ok(if *holds != before || held { Progress::Pending("more".to_owned()) } else { Progress::Done })
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

fn power(machine: &Machine) -> Power {
    match (machine.running, machine.paused, machine.suspended) {
        (true, false, _) => Power::Running,
        (true, true, _) => Power::Paused,
        (false, _, true) => Power::Suspended,
        (false, _, false) => Power::Stopped,
    }
}

fn domain(server_id: &str, machine: &Machine) -> Domain {
    Domain { server_id: server_id.to_owned(), power: power(machine), operation: machine.operation.clone() }
}

/// The domain, if it is there; only then can it be changed.
fn defined<'h>(holds: &'h mut Holds, server_id: &str) -> Result<&'h mut Machine> {
    holds.machines.get_mut(server_id).ok_or_else(|| failure(ErrorCode::NotFound, "there is no such domain"))
}

fn require<'d>(holds: &Holds, disks: impl IntoIterator<Item = &'d String>) -> Result<()> {
    match disks.into_iter().find(|disk| !holds.disks.contains(*disk)) {
        Some(_) => Err(failure(ErrorCode::WrongState, "a disk isn't there")),
        None => Ok(()),
    }
}

fn ids(spec: &DomainSpec) -> BTreeSet<String> {
    spec.disks.iter().map(|disk| disk.id.clone()).collect()
}

fn macs(spec: &DomainSpec) -> BTreeSet<String> {
    spec.nics.iter().map(|nic| nic.mac.clone()).collect()
}

fn define(holds: &mut Holds, operation: &str, spec: &DomainSpec) -> Result<()> {
    require(holds, &ids(spec))?;
    let machine = holds.machines.entry(spec.server_id.clone()).or_default();
    if !machine.operation.is_empty() && machine.operation != operation {
        return Err(failure(ErrorCode::AlreadyExists, "another operation has defined it"));
    }
    machine.operation = operation.to_owned();
    (machine.memory_mib, machine.disks, machine.nics) = (spec.memory_mib, ids(spec), macs(spec));
    Ok(())
}

fn reconfigure(holds: &mut Holds, spec: &DomainSpec) -> Result<()> {
    require(holds, &ids(spec))?;
    let machine = defined(holds, &spec.server_id)?;
    if machine.running {
        return Err(failure(ErrorCode::WrongState, "the domain runs"));
    }
    (machine.memory_mib, machine.disks, machine.nics) = (spec.memory_mib, ids(spec), macs(spec));
    Ok(())
}

fn running<'h>(holds: &'h mut Holds, server_id: &str) -> Result<&'h mut Machine> {
    let machine = defined(holds, server_id)?;
    if machine.running { Ok(machine) } else { Err(failure(ErrorCode::WrongState, "the domain is off")) }
}

fn resume(machine: &mut Machine) -> Result<()> {
    match power(machine) {
        Power::Running => Ok(()),
        Power::Suspended => {
            (machine.running, machine.suspended) = (true, false);
            Ok(())
        }
        _ => Err(failure(ErrorCode::WrongState, "the domain is not suspended")),
    }
}

/// What a call does to what the platform holds.
fn effect(key: &StepKey, call: StepCall<'_>, holds: &mut Holds) -> Result<()> {
    match call {
        StepCall::Define { spec, .. } => define(holds, &key.operation, spec)?,
        StepCall::Reconfigure { spec } => reconfigure(holds, spec)?,
        StepCall::Undefine { server_id } => drop(holds.machines.remove(server_id)),
        StepCall::Start { server_id } => {
            let machine = defined(holds, server_id)?;
            machine.boots += u32::from(power(machine) == Power::Stopped);
            (machine.running, machine.paused, machine.suspended) = (true, false, false);
        }
        StepCall::Stop { server_id, .. } => {
            let machine = defined(holds, server_id)?;
            (machine.running, machine.paused, machine.suspended) = (false, false, false);
        }
        StepCall::Pause { server_id } => running(holds, server_id)?.paused = true,
        StepCall::Unpause { server_id } => running(holds, server_id)?.paused = false,
        StepCall::Suspend { server_id } if power(defined(holds, server_id)?) == Power::Suspended => {}
        StepCall::Suspend { server_id } => {
            let machine = running(holds, server_id)?;
            (machine.running, machine.paused, machine.suspended) = (false, false, true);
        }
        StepCall::Resume { server_id } => resume(defined(holds, server_id)?)?,
        StepCall::CreateDisk { disk } => {
            if let DiskSource::Disk(other) = &disk.source {
                require(holds, [other])?;
            }
            holds.disks.insert(disk.id.clone());
        }
        StepCall::GrowDisk { id, .. } => require(holds, [&id.to_owned()])?,
        StepCall::RemoveDisk { id } if holds.machines.values().any(|machine| machine.disks.contains(id)) => {
            return Err(failure(ErrorCode::DriverFailed, "the disk is in use by a domain"));
        }
        StepCall::RemoveDisk { id } => {
            holds.disks.remove(id);
            holds.copied.remove(id);
        }
        StepCall::AttachDisk { server_id, disk } => {
            require(holds, [&disk.id])?;
            running(holds, server_id)?.disks.insert(disk.id.clone());
        }
        StepCall::DetachDisk { server_id, id } => drop(running(holds, server_id)?.disks.remove(id)),
        StepCall::AttachNic { server_id, nic } => drop(running(holds, server_id)?.nics.insert(nic.mac.clone())),
        StepCall::DetachNic { server_id, nic } => drop(running(holds, server_id)?.nics.remove(&nic.mac)),
        StepCall::ExportDisk { .. } | StepCall::Poll { .. } => {}
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
        // A guest whose disks come from another node has its password already.
        if let StepCall::Define { spec, secrets } = call
            && !spec.disks.iter().all(|disk| self.holds().copied.contains(&disk.id))
            && spec.admin_password.as_deref().and_then(|handle| secrets.get(handle)).is_none()
        {
            return Err(failure(ErrorCode::Invalid, "the administrator's password got lost"));
        }
        self.change(key, call).await
    }

    async fn read(&self, call: ReadCall<'_>) -> Result<Reading> {
        match call {
            ReadCall::Inspect { server_id } => {
                Ok(Reading::Domain(self.machine(server_id).map(|machine| domain(server_id, &machine))))
            }
            ReadCall::Capacity => self.capacity().await.map(Reading::Capacity),
            ReadCall::Servers { after, limit } => {
                let holds = self.holds();
                let later = holds.machines.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
                let page = later.take(limit as usize).map(|(id, machine)| domain(id, machine));
                Ok(Reading::Domains(page.collect()))
            }
            ReadCall::Disks { after, limit } => {
                let holds = self.holds();
                let later = holds.disks.iter().filter(|id| after.is_none_or(|after| id.as_str() > after));
                Ok(Reading::Ids(later.take(limit as usize).cloned().collect()))
            }
            ReadCall::ConsoleOutput { .. } => Ok(Reading::Text(String::new())),
        }
    }

    fn digest(&self) -> &'static str {
        "sha256:world"
    }

    fn hotplugs(&self) -> bool {
        true
    }
}
