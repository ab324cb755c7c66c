//! A hypervisor that exists only as documents. Every call reads one document, changes it and writes it back (or removes
//! it) against the version that it read, so two calls that race cannot lose one another's effect.

mod world;

use skyloom_sdk::Error;
use skyloom_sdk::driver::servers::StopMode;
use skyloom_sdk::driver::types::{Disk, Domain, DomainSpec, Nic, NodeCapacity, Progress, StepKey};
use skyloom_sdk::driver::{console, disks, hotplug, inventory, servers, steps, suspension};

use world::{HostWorld, Simulator};

/// The component.
pub struct Component;

impl steps::Guest for Component {
    fn poll(_key: StepKey, token: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.poll(&token)
    }
}

impl servers::Guest for Component {
    fn define(key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.define(&key, &spec)
    }

    fn reconfigure(_key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.reconfigure(&spec)
    }

    fn undefine(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.undefine(&server_id)
    }

    fn start(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.start(&server_id)
    }

    fn stop(_key: StepKey, server_id: String, mode: StopMode) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.stop(&server_id, mode == StopMode::Soft)
    }

    fn inspect(server_id: String) -> Result<Option<Domain>, Error> {
        Simulator::new(HostWorld)?.inspect(&server_id)
    }
}

impl disks::Guest for Component {
    fn create(_key: StepKey, disk: Disk) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.create_disk(&disk)
    }

    fn grow(_key: StepKey, id: String, size_gib: u32) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.grow_disk(&id, size_gib)
    }

    fn export(_key: StepKey, id: String, blob: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.export_disk(&id, &blob)
    }

    fn remove(_key: StepKey, id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.remove_disk(&id)
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<String>, Error> {
        Simulator::new(HostWorld)?.disks(after.as_deref(), limit)
    }
}

impl hotplug::Guest for Component {
    fn attach_disk(_key: StepKey, server_id: String, disk: Disk) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.attach_disk(&server_id, &disk)
    }

    fn detach_disk(_key: StepKey, server_id: String, id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.detach_disk(&server_id, &id)
    }

    fn attach_nic(_key: StepKey, server_id: String, nic: Nic) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.attach_nic(&server_id, &nic)
    }

    fn detach_nic(_key: StepKey, server_id: String, nic: Nic) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.detach_nic(&server_id, &nic)
    }
}

impl suspension::Guest for Component {
    fn pause(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.pause(&server_id)
    }

    fn unpause(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.unpause(&server_id)
    }

    fn suspend(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.suspend(&server_id)
    }

    fn resume(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Simulator::new(HostWorld)?.resume(&server_id)
    }
}

impl inventory::Guest for Component {
    fn capacity() -> Result<NodeCapacity, Error> {
        Ok(Simulator::new(HostWorld)?.capacity())
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<Domain>, Error> {
        Simulator::new(HostWorld)?.servers(after.as_deref(), limit)
    }
}

impl console::Guest for Component {
    fn output(server_id: String, max_bytes: u32) -> Result<String, Error> {
        Simulator::new(HostWorld)?.console(&server_id, max_bytes)
    }
}

skyloom_sdk::driver!(Component, console, hotplug, suspension);
