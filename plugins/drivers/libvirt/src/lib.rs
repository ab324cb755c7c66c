//! QEMU and KVM through libvirt. Stateless: what a later call needs stands in the domain's own metadata element.

mod platform;
mod record;
mod seed;
mod steps;
mod xml;

use skyloom_sdk::Error;
use skyloom_sdk::driver::lifecycle::StopMode;
use skyloom_sdk::driver::types::{Domain, DomainSpec, NodeCapacity, Progress, StepKey};
use skyloom_sdk::driver::{console, inventory, lifecycle};

use platform::HostPlatform;
use steps::Libvirt;

/// The component.
pub struct Component;

impl lifecycle::Guest for Component {
    fn create_disks(_key: StepKey, spec: DomainSpec) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.create_disks(&spec)
    }

    fn delete_disks(_key: StepKey, server_id: String, disks: Vec<String>) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.delete_disks(&server_id, &disks)
    }

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

    fn poll(_key: StepKey, server_id: String, token: String) -> Result<Progress, Error> {
        Libvirt::new(HostPlatform)?.poll(&server_id, &token)
    }

    fn inspect(server_id: String) -> Result<Option<Domain>, Error> {
        Libvirt::new(HostPlatform)?.inspect(&server_id)
    }
}

impl inventory::Guest for Component {
    fn capacity() -> Result<NodeCapacity, Error> {
        Libvirt::new(HostPlatform)?.capacity()
    }

    fn list(after: Option<String>, limit: u32) -> Result<Vec<Domain>, Error> {
        Libvirt::new(HostPlatform)?.list(after.as_deref(), limit)
    }
}

impl console::Guest for Component {
    fn output(server_id: String, max_bytes: u32) -> Result<String, Error> {
        Libvirt::new(HostPlatform)?.console(&server_id, max_bytes)
    }
}

skyloom_sdk::driver!(Component, console);
