//! A driver without a console that misbehaves as the server's id says.

// The generated glue is the contract, not our style.
#![allow(unsafe_code)]
#![cfg(target_arch = "wasm32")]

#[allow(clippy::all, clippy::pedantic, unsafe_code)]
mod bindings {
    wit_bindgen::generate!({
        inline: r"
            package hostile:driver;
            world driver {
              import skyloom:host/documents@0.1.0;
              export skyloom:driver/lifecycle@0.1.0;
              export skyloom:driver/inventory@0.1.0;
            }
        ",
        path: [
            "../../../../wit/types/0.1.0", "../../../../wit/host/0.1.0", "../../../../wit/libvirt/0.1.0",
            "../../../../wit/driver/0.1.0",
        ],
        world: "hostile:driver/driver",
        generate_all,
    });
}

use bindings::exports::skyloom::driver::{inventory, lifecycle};
use bindings::skyloom::driver::types::{Domain, DomainSpec, NodeCapacity, Power, Progress, StepKey};
use bindings::skyloom::host::documents;
use bindings::skyloom::types::errors::{Error, ErrorClass, ErrorCode};

struct Driver;

fn misbehave(server_id: &str) -> Result<Progress, Error> {
    match server_id {
        "loop" => loop {
            std::hint::black_box(server_id);
        },
        "trap" => std::process::abort(),
        "stall" => documents::get("c", "stall").map(|_| Progress::Done),
        "new-code" => Err(Error {
            code: ErrorCode::Other("too-sunny".to_owned()),
            class: ErrorClass::Unavailable,
            retryable: true,
            message: "words".to_owned(),
            resource: None,
            field: None,
        }),
        _ => Ok(Progress::Done),
    }
}

impl lifecycle::Guest for Driver {
    fn create_disks(_: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        misbehave(&spec.server_id)
    }
    fn delete_disks(_: StepKey, server_id: String, _: Vec<String>) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn define(_: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        misbehave(&spec.server_id)
    }
    fn undefine(_: StepKey, server_id: String) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn start(_: StepKey, server_id: String) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn stop(_: StepKey, server_id: String, _: lifecycle::StopMode) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn poll(_: StepKey, server_id: String, _: String) -> Result<Progress, Error> {
        misbehave(&server_id)
    }
    fn inspect(server_id: String) -> Result<Option<Domain>, Error> {
        misbehave(&server_id)?;
        let operation = String::new();
        Ok(Some(Domain { server_id, power: Power::Unknown, operation, disks: Vec::new() }))
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

bindings::export!(Driver with_types_in bindings);
