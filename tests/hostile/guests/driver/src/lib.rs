//! A driver without a console that misbehaves as the server's id says.

#![cfg(target_arch = "wasm32")]

use skyloom_sdk::driver::types::{Disk, Domain, DomainSpec, NodeCapacity, Power, Progress, StepKey};
use skyloom_sdk::driver::{disks, inventory, servers, steps};
use skyloom_sdk::host::documents;
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

struct Driver;

fn misbehave(server_id: &str) -> Result<Progress, Error> {
    match server_id {
        "loop" => loop {
            std::hint::black_box(server_id);
        },
        "trap" => std::process::abort(),
        "panic" => panic!("no platform\n2026-01-01 INFO all is well \u{1b}[2J\u{202e}"),
        "stall" => documents::get("c", "stall").map(|_| Progress::Done),
        "new-code" => Err(Error {
            code: ErrorCode::Other("too-sunny".to_owned()),
            class: ErrorClass::Unavailable,
            retryable: true,
            message: "words".to_owned(),
            resource: None,
            field: None,
            reason: None,
        }),
        _ => Ok(Progress::Done),
    }
}

impl servers::Guest for Driver {
    fn define(_: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        misbehave(&spec.server_id)
    }
    fn reconfigure(_: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        misbehave(&spec.server_id)
    }
    fn undefine(_: StepKey, server_id: String) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn start(_: StepKey, server_id: String) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn stop(_: StepKey, server_id: String, _: servers::StopMode) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn inspect(server_id: String) -> Result<Option<Domain>, Error> {
        misbehave(&server_id)?;
        let operation = String::new();
        Ok(Some(Domain { server_id, power: Power::Unknown, operation }))
    }
}

impl steps::Guest for Driver {
    fn poll(_: StepKey, token: String) -> Result<Progress, Error> {
        misbehave(&token)
    }
}

impl disks::Guest for Driver {
    fn create(_: StepKey, disk: Disk) -> Result<Progress, Error> {
        misbehave(&disk.id)
    }
    fn grow(_: StepKey, id: String, _: u32) -> Result<Progress, Error> {
        misbehave(&id)
    }
    fn export(_: StepKey, id: String, _: String) -> Result<Progress, Error> {
        misbehave(&id)
    }
    fn remove(_: StepKey, id: String) -> Result<Progress, Error> {
        misbehave(&id)
    }
    fn list(_: Option<String>, _: u32) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }
}

impl inventory::Guest for Driver {
    fn capacity() -> Result<NodeCapacity, Error> {
        Ok(NodeCapacity {
            vcpus: 1,
            memory_mib: 1,
            disk_gib: 1,
            hypervisor: "hostile".to_owned(),
            hypervisor_version: 1,
        })
    }
    fn list(_: Option<String>, _: u32) -> Result<Vec<Domain>, Error> {
        Ok(Vec::new())
    }
}

skyloom_sdk::driver!(Driver);
