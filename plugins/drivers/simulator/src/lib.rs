//! A hypervisor that exists only as documents. Every call reads one document, changes it and writes it back (or removes
//! it) against the version that it read, so two calls that race cannot lose one another's effect.

mod world;

use skyloom_sdk::Error;
use skyloom_sdk::driver::lifecycle::StopMode;
use skyloom_sdk::driver::types::{Domain, DomainSpec, NodeCapacity, Progress, StepKey};
use skyloom_sdk::driver::{console, inventory, lifecycle};

use world::{HostWorld, Simulator};

/// The component.
pub struct Component;

impl lifecycle::Guest for Component {
    fn create_disks(key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.create_disks(&key, &spec)
    }

    fn delete_disks(key: StepKey, server_id: String, disks: Vec<String>) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.delete_disks(&key, &server_id, &disks)
    }

    fn define(key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.define(&key, &spec)
    }

    fn reconfigure(key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.reconfigure(&key, &spec)
    }

    fn undefine(key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.undefine(&key, &server_id)
    }

    fn start(key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.start(&key, &server_id)
    }

    fn stop(key: StepKey, server_id: String, mode: StopMode) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.stop(&key, &server_id, mode == StopMode::Soft)
    }

    fn poll(key: StepKey, server_id: String, token: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.poll(&key, &server_id, &token)
    }

    fn inspect(server_id: String) -> Result<Option<Domain>, Error> {
        Simulator::new(HostWorld)?.inspect(&server_id)
    }
}

impl inventory::Guest for Component {
    fn capacity() -> Result<NodeCapacity, Error> {
        Ok(Simulator::new(HostWorld)?.capacity())
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<Domain>, Error> {
        Simulator::new(HostWorld)?.list(after.as_deref(), limit)
    }
}

impl console::Guest for Component {
    fn output(server_id: String, max_bytes: u32) -> Result<String, Error> {
        Simulator::new(HostWorld)?.console(&server_id, max_bytes)
    }
}

skyloom_sdk::driver!(Component, console);
