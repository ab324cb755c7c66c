//! The smallest driver that keeps every rule: a server is a note.

use serde::{Deserialize, Serialize};
use skyloom_sdk::driver::lifecycle::StopMode;
use skyloom_sdk::driver::types::{Domain, DomainSpec, NodeCapacity, Power, Progress, StepKey};
use skyloom_sdk::driver::{inventory, lifecycle};
use skyloom_sdk::host::documents;
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

const NOTES: &str = "servers";

/// What is known of one server. There is a note as long as anything of the server exists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Note {
    server: String,
    disks: Vec<String>,
    /// The operation that defined it; empty: there are only disks.
    operation: String,
    on: bool,
}

fn failure(code: ErrorCode, class: ErrorClass, message: &str) -> Error {
    let retryable = class == ErrorClass::Unavailable;
    Error { code, class, retryable, message: message.to_owned(), resource: None, field: None, reason: None }
}

fn parse(text: &str) -> Result<Note, Error> {
    serde_json::from_str(text).map_err(|error| failure(ErrorCode::Internal, ErrorClass::Bug, &error.to_string()))
}

fn read(server: &str) -> Result<Option<(Note, u64)>, Error> {
    documents::get(NOTES, server)?.map(|found| Ok((parse(&found.body)?, found.version))).transpose()
}

/// Changes a note in one write, which fails (and may be repeated) when another call was quicker.
fn change(server: &str, apply: impl FnOnce(&mut Note) -> Result<(), Error>) -> Result<Progress, Error> {
    let found = read(server)?;
    let version = found.as_ref().map_or(0, |(_, version)| *version);
    let before = found.map_or_else(|| Note { server: server.to_owned(), ..Note::default() }, |(note, _)| note);
    let mut note = before.clone();
    apply(&mut note)?;
    let quicker = |_| failure(ErrorCode::Unavailable, ErrorClass::Unavailable, "another call was quicker");
    if note == before {
        // Repeated, or nothing to remove.
    } else if note.disks.is_empty() && note.operation.is_empty() {
        documents::delete(NOTES, server, Some(version)).map_err(quicker)?;
    } else {
        let text = serde_json::to_string(&note)
            .map_err(|error| failure(ErrorCode::Internal, ErrorClass::Bug, &error.to_string()))?;
        documents::put(NOTES, server, &text, Some(version)).map_err(quicker)?;
    }
    Ok(Progress::Done) // or Progress::Pending(token), to be asked again by `poll`
}

fn defined(note: &Note) -> Result<(), Error> {
    if note.operation.is_empty() {
        return Err(failure(ErrorCode::NotFound, ErrorClass::Caller, "there is no such domain"));
    }
    Ok(())
}

fn domain(note: Note) -> Domain {
    let power = if note.on { Power::Running } else { Power::Stopped };
    Domain { server_id: note.server, power, operation: note.operation, disks: note.disks }
}

pub struct Component;

impl lifecycle::Guest for Component {
    fn create_disks(_: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        change(&spec.server_id, |note| {
            note.disks = spec.disks.iter().map(|disk| disk.id.clone()).collect();
            Ok(())
        })
    }

    fn delete_disks(_: StepKey, server: String, disks: Vec<String>) -> Result<Progress, Error> {
        change(&server, |note| {
            note.disks.retain(|disk| !disks.contains(disk));
            Ok(())
        })
    }

    fn define(key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        change(&spec.server_id, |note| {
            if spec.disks.iter().any(|disk| !note.disks.contains(&disk.id)) {
                return Err(failure(ErrorCode::WrongState, ErrorClass::Conflict, "a disk isn't there"));
            }
            note.operation = key.operation;
            Ok(())
        })
    }

    /// Paper has neither processors nor memory.
    fn reconfigure(_: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        change(&spec.server_id, |note| defined(note))
    }

    fn undefine(_: StepKey, server: String) -> Result<Progress, Error> {
        change(&server, |note| {
            *note = Note { server: note.server.clone(), disks: note.disks.clone(), ..Note::default() };
            Ok(())
        })
    }

    fn start(_: StepKey, server: String) -> Result<Progress, Error> {
        change(&server, |note| {
            defined(note)?;
            note.on = true;
            Ok(())
        })
    }

    fn stop(_: StepKey, server: String, _: StopMode) -> Result<Progress, Error> {
        change(&server, |note| {
            defined(note)?;
            note.on = false;
            Ok(())
        })
    }

    fn poll(_: StepKey, _server: String, _token: String) -> Result<Progress, Error> {
        Err(failure(ErrorCode::Invalid, ErrorClass::Bug, "no step of this driver is ever pending"))
    }

    fn inspect(server: String) -> Result<Option<Domain>, Error> {
        Ok(read(&server)?.map(|(note, _)| domain(note)))
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
        let found = documents::list(NOTES, after.as_deref(), limit)?;
        found.iter().map(|document| parse(&document.body).map(domain)).collect()
    }
}

skyloom_sdk::driver!(Component);
