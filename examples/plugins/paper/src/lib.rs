//! The smallest driver that keeps every rule: a server is a note, a disk is another.

use serde::{Deserialize, Serialize};
use skyloom_sdk::driver::servers::StopMode;
use skyloom_sdk::driver::types::{Disk, DiskSource, Domain, DomainSpec, NodeCapacity, Power, Progress, StepKey};
use skyloom_sdk::driver::{disks, inventory, servers, steps};
use skyloom_sdk::host::documents;
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

const SERVERS: &str = "servers";
const DISKS: &str = "disks";

/// What is known of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    server: String,
    /// The operation that defined it.
    operation: String,
    on: bool,
}

fn failure(code: ErrorCode, class: ErrorClass, message: &str) -> Error {
    let retryable = class == ErrorClass::Unavailable;
    Error { code, class, retryable, message: message.to_owned(), resource: None, field: None, reason: None }
}

fn broken(error: serde_json::Error) -> Error {
    failure(ErrorCode::Internal, ErrorClass::Bug, &error.to_string())
}

fn read(server: &str) -> Result<Option<(Note, u64)>, Error> {
    let found = documents::get(SERVERS, server)?;
    found.map(|found| Ok((serde_json::from_str(&found.body).map_err(broken)?, found.version))).transpose()
}

/// Changes a note in one write, which fails (and may be repeated) when another call was quicker.
fn change(server: &str, apply: impl FnOnce(&mut Option<Note>) -> Result<(), Error>) -> Result<Progress, Error> {
    let (before, version) = read(server)?.map_or((None, 0), |(note, version)| (Some(note), version));
    let mut note = before.clone();
    apply(&mut note)?;
    let quicker = |_| failure(ErrorCode::Unavailable, ErrorClass::Unavailable, "another call was quicker");
    match &note {
        // Repeated, or nothing to remove.
        _ if note == before => {}
        None => drop(documents::delete(SERVERS, server, Some(version)).map_err(quicker)?),
        Some(note) => {
            let text = serde_json::to_string(note).map_err(broken)?;
            documents::put(SERVERS, server, &text, Some(version)).map_err(quicker)?;
        }
    }
    Ok(Progress::Done) // or Progress::Pending(token), to be asked again by `poll`
}

fn defined(note: &mut Option<Note>) -> Result<&mut Note, Error> {
    note.as_mut().ok_or_else(|| failure(ErrorCode::NotFound, ErrorClass::Caller, "there is no such domain"))
}

fn require_disk(id: &str) -> Result<(), Error> {
    match documents::get(DISKS, id)? {
        Some(_) => Ok(()),
        None => Err(failure(ErrorCode::WrongState, ErrorClass::Conflict, "a disk isn't there")),
    }
}

fn require_disks(spec: &DomainSpec) -> Result<(), Error> {
    spec.disks.iter().try_for_each(|disk| require_disk(&disk.id))
}

fn domain(note: Note) -> Domain {
    let power = if note.on { Power::Running } else { Power::Stopped };
    Domain { server_id: note.server, power, operation: note.operation }
}

pub struct Component;

impl steps::Guest for Component {
    fn poll(_: StepKey, _token: String) -> Result<Progress, Error> {
        Err(failure(ErrorCode::Invalid, ErrorClass::Bug, "no step of this driver is ever pending"))
    }
}

impl servers::Guest for Component {
    fn define(key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        require_disks(&spec)?;
        change(&spec.server_id, |note| {
            let on = note.as_ref().is_some_and(|note| note.on);
            *note = Some(Note { server: spec.server_id.clone(), operation: key.operation, on });
            Ok(())
        })
    }

    /// Paper has neither processors nor memory.
    fn reconfigure(_: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        change(&spec.server_id, |note| defined(note).map(drop))?;
        require_disks(&spec)?;
        Ok(Progress::Done)
    }

    fn undefine(_: StepKey, server: String) -> Result<Progress, Error> {
        change(&server, |note| {
            *note = None;
            Ok(())
        })
    }

    fn start(_: StepKey, server: String) -> Result<Progress, Error> {
        change(&server, |note| {
            defined(note)?.on = true;
            Ok(())
        })
    }

    fn stop(_: StepKey, server: String, _: StopMode) -> Result<Progress, Error> {
        change(&server, |note| {
            defined(note)?.on = false;
            Ok(())
        })
    }

    fn inspect(server: String) -> Result<Option<Domain>, Error> {
        Ok(read(&server)?.map(|(note, _)| domain(note)))
    }
}

/// Paper is as large as one wants, and a copy of it is another sheet.
impl disks::Guest for Component {
    fn create(_: StepKey, disk: Disk) -> Result<Progress, Error> {
        if let DiskSource::Disk(other) = &disk.source {
            require_disk(other)?;
        }
        if documents::get(DISKS, &disk.id)?.is_none() {
            let id = serde_json::to_string(&disk.id).map_err(broken)?;
            documents::put(DISKS, &disk.id, &id, None)?;
        }
        Ok(Progress::Done)
    }

    fn grow(_: StepKey, id: String, _size_gib: u32) -> Result<Progress, Error> {
        match documents::get(DISKS, &id)? {
            Some(_) => Ok(Progress::Done),
            None => Err(failure(ErrorCode::NotFound, ErrorClass::Caller, "there is no such disk")),
        }
    }

    /// Nothing is written on it: a copy needs no blob.
    fn export(_: StepKey, id: String, _blob: String) -> Result<Progress, Error> {
        require_disk(&id)?;
        Ok(Progress::Done)
    }

    fn remove(_: StepKey, id: String) -> Result<Progress, Error> {
        documents::delete(DISKS, &id, None)?;
        Ok(Progress::Done)
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<String>, Error> {
        let found = documents::list(DISKS, after.as_deref(), limit)?;
        found.iter().map(|document| serde_json::from_str(&document.body).map_err(broken)).collect()
    }
}

impl inventory::Guest for Component {
    fn capacity() -> Result<NodeCapacity, Error> {
        Ok(NodeCapacity {
            vcpus: 1000,
            memory_mib: 1_000_000,
            disk_gib: 1_000_000,
            hypervisor: "paper".to_owned(),
            hypervisor_version: 1,
        })
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<Domain>, Error> {
        let found = documents::list(SERVERS, after.as_deref(), limit)?;
        found.iter().map(|document| serde_json::from_str(&document.body).map_err(broken).map(domain)).collect()
    }
}

skyloom_sdk::driver!(Component);
