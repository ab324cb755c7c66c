//! QEMU and KVM through libvirt. Stateless: what a later call needs stands in the domain's own metadata element.

mod platform;
mod record;
mod seed;
mod steps;
mod xml;

use skyloom_sdk::Error;
use skyloom_sdk::driver::servers::StopMode;
use skyloom_sdk::driver::types::{Disk, Domain, DomainSpec, Nic, NodeCapacity, Progress, StepKey};
use skyloom_sdk::driver::{console, disks, hotplug, inventory, servers, steps as pending, suspension};

use platform::HostPlatform;
use steps::Libvirt;

/// The component.
pub struct Component;

impl pending::Guest for Component {
    fn poll(_key: StepKey, token: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.poll(&token)
    }
}

impl servers::Guest for Component {
    fn define(key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.define(&key, &spec)
    }

    fn reconfigure(_key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.reconfigure(&spec)
    }

    fn undefine(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.undefine(&server_id)
    }

    fn start(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.start(&server_id)
    }

    fn stop(_key: StepKey, server_id: String, mode: StopMode) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.stop(&server_id, mode)
    }

    fn inspect(server_id: String) -> Result<Option<Domain>, Error> {
        Libvirt::new(HostPlatform)?.inspect(&server_id)
    }
}

impl disks::Guest for Component {
    fn create(_key: StepKey, disk: Disk) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.create_disk(&disk)
    }

    fn grow(_key: StepKey, id: String, size_gib: u32) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.grow_disk(&id, size_gib)
    }

    fn export(_key: StepKey, id: String, blob: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.export_disk(&id, &blob)
    }

    fn remove(_key: StepKey, id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.remove_disk(&id)
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<String>, Error> {
        Libvirt::new(HostPlatform)?.disks(after.as_deref(), limit)
    }
}

impl hotplug::Guest for Component {
    fn attach_disk(_key: StepKey, server_id: String, disk: Disk) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.attach_disk(&server_id, &disk)
    }

    fn detach_disk(_key: StepKey, server_id: String, id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.detach_disk(&server_id, &id)
    }

    fn attach_nic(_key: StepKey, server_id: String, nic: Nic) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.attach_nic(&server_id, &nic)
    }

    fn detach_nic(_key: StepKey, server_id: String, nic: Nic) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.detach_nic(&server_id, &nic.mac)
    }
}

impl suspension::Guest for Component {
    fn pause(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.pause(&server_id)
    }

    fn unpause(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.unpause(&server_id)
    }

    fn suspend(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.suspend(&server_id)
    }

    fn resume(_key: StepKey, server_id: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.resume(&server_id)
    }
}

impl inventory::Guest for Component {
    fn capacity() -> Result<NodeCapacity, Error> {
        Libvirt::new(HostPlatform)?.capacity()
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<Domain>, Error> {
        Libvirt::new(HostPlatform)?.servers(after.as_deref(), limit)
    }
}

impl console::Guest for Component {
    fn output(server_id: String, max_bytes: u32) -> Result<String, Error> {
        Libvirt::new(HostPlatform)?.console(&server_id, max_bytes)
    }
}

skyloom_sdk::driver!(Component, console, hotplug, suspension);
