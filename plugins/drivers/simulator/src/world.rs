//! The simulated world and its rules.

mod faults;

use serde::{Deserialize, Serialize};
use skyloom_sdk::driver::types::{Domain, DomainSpec, NodeCapacity, Power, Progress, StepKey};
use skyloom_sdk::host::{clock, config, documents};
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

use faults::{Call, Fault};

const COLLECTION: &str = "domains";
/// A write that loses a race is tried again this often before the call fails (retryable).
const RACES: u32 = 8;
/// The console keeps the last so many bytes.
const CONSOLE_LIMIT: usize = 16 * 1024;

/// What the simulator needs of its surroundings; a fake in the tests.
pub trait World {
    fn get(&self, collection: &str, id: &str) -> Result<Option<(String, u64)>, Error>;
    /// False: somebody else wrote first.
    fn put(&self, collection: &str, id: &str, body: &str, version: u64) -> Result<bool, Error>;
    /// False: somebody else wrote first.
    fn delete(&self, collection: &str, id: &str, version: u64) -> Result<bool, Error>;
    fn list(&self, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error>;
    /// Microseconds.
    fn now(&self) -> i64;
    fn config(&self) -> String;
}

/// The world behind the host's capabilities.
pub struct HostWorld;

impl World for HostWorld {
    fn get(&self, collection: &str, id: &str) -> Result<Option<(String, u64)>, Error> {
        Ok(documents::get(collection, id)?.map(|document| (document.body, document.version)))
    }

    fn put(&self, collection: &str, id: &str, body: &str, version: u64) -> Result<bool, Error> {
        in_time(documents::put(collection, id, body, Some(version)))
    }

    fn delete(&self, collection: &str, id: &str, version: u64) -> Result<bool, Error> {
        in_time(documents::delete(collection, id, Some(version)))
    }

    fn list(&self, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        Ok(documents::list(collection, after, limit)?.into_iter().map(|document| document.body).collect())
    }

    fn now(&self) -> i64 {
        clock::now()
    }

    fn config(&self) -> String {
        config::get()
    }
}

/// Whether a write came before everybody else's.
fn in_time<T>(written: Result<T, Error>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.code, ErrorCode::AlreadyExists | ErrorCode::WrongState) => Ok(false),
        Err(error) => Err(error),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Config {
    delay_ms: Delays,
    ignore_soft_stop: bool,
    capacity: Capacity,
    faults: Vec<Fault>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Delays {
    create_disks: i64,
    delete_disks: i64,
    define: i64,
    reconfigure: i64,
    undefine: i64,
    start: i64,
    stop: i64,
}

impl Delays {
    fn of(&self, call: Call) -> i64 {
        match call {
            Call::CreateDisks => self.create_disks,
            Call::DeleteDisks => self.delete_disks,
            Call::Define => self.define,
            Call::Reconfigure => self.reconfigure,
            Call::Undefine => self.undefine,
            Call::Start => self.start,
            Call::Stop => self.stop,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Capacity {
    vcpus: u32,
    memory_mib: u64,
    disk_gib: u64,
}

impl Default for Capacity {
    /// A large machine: the core's quota is what a laptop's user meets first.
    fn default() -> Self {
        Self { vcpus: 100_000, memory_mib: 1_000_000_000, disk_gib: 100_000_000 }
    }
}

/// One server's part of the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    server_id: String,
    /// The operation that defined the domain; empty while there are only disks.
    operation: String,
    defined: bool,
    running: bool,
    disks: Vec<String>,
    /// The guest was given an administrator's password.
    #[serde(default)]
    has_password: bool,
    vcpus: u32,
    memory_mib: u32,
    /// What a guest would find on its seed disk.
    #[serde(default)]
    seed: String,
    console: String,
}

impl Record {
    fn to_domain(&self) -> Domain {
        Domain {
            server_id: self.server_id.clone(),
            power: if self.running { Power::Running } else { Power::Stopped },
            operation: self.operation.clone(),
            disks: self.disks.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        !self.defined && self.disks.is_empty()
    }

    fn print(&mut self, line: &str) {
        self.console.push_str(line);
        self.console.push('\n');
        if self.console.len() > CONSOLE_LIMIT {
            let mut from = self.console.len() - CONSOLE_LIMIT;
            while !self.console.is_char_boundary(from) {
                from += 1;
            }
            self.console.drain(..from);
        }
    }
}

pub struct Simulator<W> {
    world: W,
    config: Config,
}

impl<W: World> Simulator<W> {
    pub fn new(world: W) -> Result<Self, Error> {
        let config = serde_json::from_str(&world.config())
            .map_err(|error| failure(ErrorCode::Invalid, ErrorClass::Bug, &format!("configuration: {error}")))?;
        Ok(Self { world, config })
    }

    pub fn create_disks(&self, _key: &StepKey, spec: &DomainSpec) -> Result<Progress, Error> {
        self.change(Call::CreateDisks, &spec.server_id, Some(spec), |record| {
            for disk in &spec.disks {
                if !record.disks.contains(&disk.id) {
                    record.disks.push(disk.id.clone());
                }
            }
            record.has_password = spec.admin_password.is_some();
            Ok(())
        })
    }

    pub fn delete_disks(&self, _key: &StepKey, server_id: &str, disks: &[String]) -> Result<Progress, Error> {
        self.change(Call::DeleteDisks, server_id, None, |record| {
            record.disks.retain(|disk| !disks.contains(disk));
            Ok(())
        })
    }

    pub fn define(&self, key: &StepKey, spec: &DomainSpec) -> Result<Progress, Error> {
        self.change(Call::Define, &spec.server_id, Some(spec), |record| {
            if let Some(disk) = spec.disks.iter().find(|disk| !record.disks.contains(&disk.id)) {
                let text = format!("disk {} of server {} isn't there", disk.id, spec.server_id);
                return Err(failure(ErrorCode::WrongState, ErrorClass::Conflict, &text));
            }
            record.defined = true;
            record.operation.clone_from(&key.operation);
            record.vcpus = spec.vcpus;
            record.memory_mib = spec.memory_mib;
            record.seed = seed(spec);
            Ok(())
        })
    }

    pub fn reconfigure(&self, _key: &StepKey, spec: &DomainSpec) -> Result<Progress, Error> {
        self.require_domain(&spec.server_id)?;
        self.change(Call::Reconfigure, &spec.server_id, None, |record| {
            record.vcpus = spec.vcpus;
            record.memory_mib = spec.memory_mib;
            Ok(())
        })
    }

    pub fn undefine(&self, _key: &StepKey, server_id: &str) -> Result<Progress, Error> {
        self.change(Call::Undefine, server_id, None, |record| {
            record.running = false;
            record.defined = false;
            record.operation.clear();
            Ok(())
        })
    }

    pub fn start(&self, _key: &StepKey, server_id: &str) -> Result<Progress, Error> {
        self.require_domain(server_id)?;
        self.change(Call::Start, server_id, None, |record| {
            if !record.running {
                record.running = true;
                let text =
                    format!("simulated guest {server_id}: boot with {} vCPU, {} MiB", record.vcpus, record.memory_mib);
                record.print(&text);
                let seed = format!("simulated guest: {}", record.seed);
                record.print(&seed);
                record.print("simulated guest: login: ");
            }
            Ok(())
        })
    }

    pub fn stop(&self, _key: &StepKey, server_id: &str, soft: bool) -> Result<Progress, Error> {
        self.require_domain(server_id)?;
        if soft && self.config.ignore_soft_stop && self.read(server_id)?.is_some_and(|(record, _)| record.running) {
            return Ok(Progress::Pending("ignored".to_owned()));
        }
        self.change(Call::Stop, server_id, None, |record| {
            if record.running {
                record.running = false;
                record.print("simulated guest: power down");
            }
            Ok(())
        })
    }

    /// A token is the time at which the step is over, or `ignored`.
    pub fn poll(&self, _key: &StepKey, server_id: &str, token: &str) -> Result<Progress, Error> {
        if token == "ignored" {
            let running = self.read(server_id)?.is_some_and(|(record, _)| record.running);
            return Ok(if running { Progress::Pending(token.to_owned()) } else { Progress::Done });
        }
        let until: i64 = token
            .parse()
            .map_err(|_| failure(ErrorCode::Invalid, ErrorClass::Bug, &format!("token {token:?} is not ours")))?;
        Ok(if self.world.now() >= until { Progress::Done } else { Progress::Pending(token.to_owned()) })
    }

    pub fn inspect(&self, server_id: &str) -> Result<Option<Domain>, Error> {
        Ok(self.read(server_id)?.map(|(record, _)| record.to_domain()))
    }

    pub fn capacity(&self) -> NodeCapacity {
        let capacity = &self.config.capacity;
        NodeCapacity {
            vcpus: capacity.vcpus,
            memory_mib: capacity.memory_mib,
            disk_gib: capacity.disk_gib,
            hypervisor: "simulator".to_owned(),
            hypervisor_version: 1_000_000,
        }
    }

    pub fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>, Error> {
        self.world.list(COLLECTION, after, limit)?.iter().map(|body| Ok(parse(body)?.to_domain())).collect()
    }

    pub fn console(&self, server_id: &str, max_bytes: u32) -> Result<String, Error> {
        let Some((record, _)) = self.read(server_id)? else {
            return Err(no_domain(server_id));
        };
        let mut from = record.console.len().saturating_sub(max_bytes as usize);
        while !record.console.is_char_boundary(from) {
            from += 1;
        }
        Ok(record.console[from..].to_owned())
    }

    /// A call on one server, with its faults.
    fn change(
        &self,
        call: Call,
        server_id: &str,
        spec: Option<&DomainSpec>,
        apply: impl Fn(&mut Record) -> Result<(), Error>,
    ) -> Result<Progress, Error> {
        let delay_ms = self.config.delay_ms.of(call);
        self.faulty(call, server_id, || self.write(server_id, spec, delay_ms, apply))
    }

    /// Reads, changes and writes one server's record. The effect is there at once; a delay only keeps the step pending, as
    /// a platform does that accepts a task.
    fn write(
        &self,
        server_id: &str,
        spec: Option<&DomainSpec>,
        delay_ms: i64,
        apply: impl Fn(&mut Record) -> Result<(), Error>,
    ) -> Result<Progress, Error> {
        for _ in 0..RACES {
            let (before, version) = match (self.read(server_id)?, spec) {
                (Some((record, version)), _) => (Some(record), version),
                (None, Some(_)) => (None, 0),
                // Removing what isn't there is no error.
                (None, None) => return Ok(Progress::Done),
            };
            let mut record = before.clone().unwrap_or_else(|| new_record(server_id));
            apply(&mut record)?;
            if before.as_ref() == Some(&record) {
                return Ok(Progress::Done);
            }
            let written = if record.is_empty() {
                self.world.delete(COLLECTION, server_id, version)?
            } else {
                let body = serde_json::to_string(&record)
                    .map_err(|error| failure(ErrorCode::Internal, ErrorClass::Bug, &error.to_string()))?;
                self.world.put(COLLECTION, server_id, &body, version)?
            };
            if written {
                return Ok(self.after(delay_ms));
            }
        }
        Err(written_by_many())
    }

    fn after(&self, delay_ms: i64) -> Progress {
        if delay_ms == 0 {
            return Progress::Done;
        }
        Progress::Pending((self.world.now() + delay_ms * 1000).to_string())
    }

    fn read(&self, server_id: &str) -> Result<Option<(Record, u64)>, Error> {
        match self.world.get(COLLECTION, server_id)? {
            Some((body, version)) => Ok(Some((parse(&body)?, version))),
            None => Ok(None),
        }
    }

    fn require_domain(&self, server_id: &str) -> Result<(), Error> {
        match self.read(server_id)? {
            Some((record, _)) if record.defined => Ok(()),
            _ => Err(no_domain(server_id)),
        }
    }
}

fn new_record(server_id: &str) -> Record {
    Record {
        server_id: server_id.to_owned(),
        operation: String::new(),
        defined: false,
        running: false,
        disks: Vec::new(),
        has_password: false,
        vcpus: 0,
        memory_mib: 0,
        seed: String::new(),
        console: String::new(),
    }
}

/// How one can log in.
fn seed(spec: &DomainSpec) -> String {
    let password = if spec.admin_password.is_some() { "a password" } else { "no password" };
    let user_data = if spec.user_data.is_some() { ", user data" } else { "" };
    format!("host name {}, {} keys, {password}{user_data}", spec.hostname, spec.authorized_keys.len())
}

fn parse(body: &str) -> Result<Record, Error> {
    serde_json::from_str(body)
        .map_err(|error| failure(ErrorCode::Internal, ErrorClass::Bug, &format!("document: {error}")))
}

fn written_by_many() -> Error {
    failure(ErrorCode::Unavailable, ErrorClass::Unavailable, "the simulated server is written by many at once")
}

fn no_domain(server_id: &str) -> Error {
    let mut error =
        failure(ErrorCode::NotFound, ErrorClass::Caller, &format!("the platform has no domain of server {server_id}"));
    error.resource = Some(("domain".to_owned(), server_id.to_owned()));
    error
}

fn failure(code: ErrorCode, class: ErrorClass, message: &str) -> Error {
    let retryable = class == ErrorClass::Unavailable;
    Error { code, class, retryable, message: message.to_owned(), resource: None, field: None, reason: None }
}

#[cfg(test)]
mod tests;
