//! The simulated world and its rules.

mod disks;
mod faults;
mod servers;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use skyloom_sdk::driver::types::{NodeCapacity, Progress};
use skyloom_sdk::host::{clock, config, documents};
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

pub use faults::Call;
use faults::Fault;

/// A write that loses a race is tried again this often before the call fails (retryable).
const RACES: u32 = 8;

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
    delay_ms: BTreeMap<Call, i64>,
    ignore_soft_stop: bool,
    capacity: Capacity,
    faults: Vec<Fault>,
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

/// What the world keeps of one thing.
trait Kept: Clone + PartialEq + Serialize + DeserializeOwned {
    const COLLECTION: &'static str;
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

    /// A token is the time at which the step is over, or says that a guest ignores a soft stop.
    pub fn poll(&self, token: &str) -> Result<Progress, Error> {
        if let Some(server_id) = token.strip_prefix(servers::IGNORED) {
            let running = self.server(server_id)?.is_some_and(|server| server.is_awake());
            return Ok(if running { Progress::Pending(token.to_owned()) } else { Progress::Done });
        }
        let until: i64 = token
            .parse()
            .map_err(|_| failure(ErrorCode::Invalid, ErrorClass::Bug, &format!("token {token:?} is not ours")))?;
        Ok(if self.world.now() >= until { Progress::Done } else { Progress::Pending(token.to_owned()) })
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

    fn read<T: Kept>(&self, id: &str) -> Result<Option<(T, u64)>, Error> {
        self.world.get(T::COLLECTION, id)?.map(|(body, version)| Ok((parse(&body)?, version))).transpose()
    }

    fn page<T: Kept>(&self, after: Option<&str>, limit: u32) -> Result<Vec<T>, Error> {
        self.world.list(T::COLLECTION, after, limit)?.iter().map(|body| parse(body)).collect()
    }

    /// A call on one thing, with its faults. `apply` gets it as it is (none: it isn't there) and leaves it as it becomes.
    fn change<T: Kept>(
        &self,
        call: Call,
        id: &str,
        apply: impl Fn(&mut Option<T>) -> Result<(), Error>,
    ) -> Result<Progress, Error> {
        let delay_ms = self.config.delay_ms.get(&call).copied().unwrap_or(0);
        self.faulty(call, id, || self.write(id, delay_ms, apply))
    }

    /// The effect is there at once; a delay only keeps the step pending, as a platform does that accepts a task.
    fn write<T: Kept>(
        &self,
        id: &str,
        delay_ms: i64,
        apply: impl Fn(&mut Option<T>) -> Result<(), Error>,
    ) -> Result<Progress, Error> {
        for _ in 0..RACES {
            let (before, version) = self.read(id)?.map_or((None, 0), |(found, version)| (Some(found), version));
            let mut now = before.clone();
            apply(&mut now)?;
            if now == before {
                return Ok(Progress::Done);
            }
            let written = match now {
                None => self.world.delete(T::COLLECTION, id, version)?,
                Some(now) => {
                    let body = serde_json::to_string(&now)
                        .map_err(|error| failure(ErrorCode::Internal, ErrorClass::Bug, &error.to_string()))?;
                    self.world.put(T::COLLECTION, id, &body, version)?
                }
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
}

fn parse<T: Kept>(body: &str) -> Result<T, Error> {
    serde_json::from_str(body)
        .map_err(|error| failure(ErrorCode::Internal, ErrorClass::Bug, &format!("document: {error}")))
}

fn written_by_many() -> Error {
    failure(ErrorCode::Unavailable, ErrorClass::Unavailable, "the simulated thing is written by many at once")
}

fn absent(what: &str, id: &str) -> Error {
    let mut error = failure(ErrorCode::NotFound, ErrorClass::Caller, &format!("the platform has no {what} {id}"));
    error.resource = Some((what.to_owned(), id.to_owned()));
    error
}

fn wrong_state(message: &str) -> Error {
    failure(ErrorCode::WrongState, ErrorClass::Conflict, message)
}

fn failure(code: ErrorCode, class: ErrorClass, message: &str) -> Error {
    let retryable = class == ErrorClass::Unavailable;
    Error { code, class, retryable, message: message.to_owned(), resource: None, field: None, reason: None }
}

#[cfg(test)]
mod tests;
