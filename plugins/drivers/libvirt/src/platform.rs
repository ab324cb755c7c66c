//! libvirt as this driver sees it: the host's capability, or a fake in the tests.

use skyloom_sdk::Error;
use skyloom_sdk::driver::libvirt;
use skyloom_sdk::driver::libvirt::{DomainInfo, HostInfo, VolumeSource};
use skyloom_sdk::host::config;

/// See `wit/libvirt` for what each function promises.
pub trait Platform {
    fn config(&self) -> String;
    fn define(&self, xml: &str) -> Result<(), Error>;
    fn undefine(&self, uuid: &str) -> Result<(), Error>;
    fn start(&self, uuid: &str) -> Result<(), Error>;
    fn shutdown(&self, uuid: &str) -> Result<(), Error>;
    fn destroy(&self, uuid: &str) -> Result<(), Error>;
    fn pause(&self, uuid: &str) -> Result<(), Error>;
    fn unpause(&self, uuid: &str) -> Result<(), Error>;
    fn save(&self, uuid: &str) -> Result<(), Error>;
    fn inspect(&self, uuid: &str) -> Result<Option<DomainInfo>, Error>;
    fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<DomainInfo>, Error>;
    fn describe_host(&self) -> Result<HostInfo, Error>;
    fn attach_disk(&self, uuid: &str, xml: &str) -> Result<(), Error>;
    fn detach_disk(&self, uuid: &str, volume: &str) -> Result<bool, Error>;
    fn attach_interface(&self, uuid: &str, xml: &str) -> Result<(), Error>;
    fn detach_interface(&self, uuid: &str, mac: &str) -> Result<bool, Error>;
    fn set_metadata(&self, uuid: &str, text: &str) -> Result<(), Error>;
    fn create_volume(&self, name: &str, size_gib: u32, source: &VolumeSource) -> Result<bool, Error>;
    fn grow_volume(&self, name: &str, size_gib: u32) -> Result<(), Error>;
    fn export_volume(&self, name: &str, blob: &str) -> Result<bool, Error>;
    fn delete_volume(&self, name: &str) -> Result<(), Error>;
    fn list_volumes(&self, prefix: &str) -> Result<Vec<String>, Error>;
    fn create_seed(&self, name: &str, files: &[(String, Vec<u8>)]) -> Result<(), Error>;
    fn file_reference(&self, kind: &str, name: &str) -> Result<String, Error>;
    fn console_tail(&self, name: &str, max_bytes: u32) -> Result<Vec<u8>, Error>;
    fn delete_console(&self, name: &str) -> Result<(), Error>;
    fn add_dhcp_host(&self, network: &str, mac: &str, address: &str, hostname: &str) -> Result<(), Error>;
    fn remove_dhcp_host(&self, network: &str, mac: &str, address: &str) -> Result<(), Error>;
}

/// The capability that the host gives.
pub struct HostPlatform;

impl Platform for HostPlatform {
    fn config(&self) -> String {
        config::get()
    }

    fn define(&self, xml: &str) -> Result<(), Error> {
        libvirt::define(xml)
    }

    fn undefine(&self, uuid: &str) -> Result<(), Error> {
        libvirt::undefine(uuid)
    }

    fn start(&self, uuid: &str) -> Result<(), Error> {
        libvirt::start(uuid)
    }

    fn shutdown(&self, uuid: &str) -> Result<(), Error> {
        libvirt::shutdown(uuid)
    }

    fn destroy(&self, uuid: &str) -> Result<(), Error> {
        libvirt::destroy(uuid)
    }

    fn pause(&self, uuid: &str) -> Result<(), Error> {
        libvirt::pause(uuid)
    }

    fn unpause(&self, uuid: &str) -> Result<(), Error> {
        libvirt::unpause(uuid)
    }

    fn save(&self, uuid: &str) -> Result<(), Error> {
        libvirt::save(uuid)
    }

    fn inspect(&self, uuid: &str) -> Result<Option<DomainInfo>, Error> {
        libvirt::inspect(uuid)
    }

    fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<DomainInfo>, Error> {
        libvirt::list(after, limit)
    }

    fn describe_host(&self) -> Result<HostInfo, Error> {
        libvirt::describe_host()
    }

    fn attach_disk(&self, uuid: &str, xml: &str) -> Result<(), Error> {
        libvirt::attach_disk(uuid, xml)
    }

    fn detach_disk(&self, uuid: &str, volume: &str) -> Result<bool, Error> {
        libvirt::detach_disk(uuid, volume)
    }

    fn attach_interface(&self, uuid: &str, xml: &str) -> Result<(), Error> {
        libvirt::attach_interface(uuid, xml)
    }

    fn detach_interface(&self, uuid: &str, mac: &str) -> Result<bool, Error> {
        libvirt::detach_interface(uuid, mac)
    }

    fn set_metadata(&self, uuid: &str, text: &str) -> Result<(), Error> {
        libvirt::set_metadata(uuid, text)
    }

    fn create_volume(&self, name: &str, size_gib: u32, source: &VolumeSource) -> Result<bool, Error> {
        libvirt::create_volume(name, size_gib, source)
    }

    fn grow_volume(&self, name: &str, size_gib: u32) -> Result<(), Error> {
        libvirt::grow_volume(name, size_gib)
    }

    fn export_volume(&self, name: &str, blob: &str) -> Result<bool, Error> {
        libvirt::export_volume(name, blob)
    }

    fn delete_volume(&self, name: &str) -> Result<(), Error> {
        libvirt::delete_volume(name)
    }

    fn list_volumes(&self, prefix: &str) -> Result<Vec<String>, Error> {
        libvirt::list_volumes(prefix)
    }

    fn create_seed(&self, name: &str, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        libvirt::create_seed(name, files)
    }

    fn file_reference(&self, kind: &str, name: &str) -> Result<String, Error> {
        libvirt::file_reference(kind, name)
    }

    fn console_tail(&self, name: &str, max_bytes: u32) -> Result<Vec<u8>, Error> {
        libvirt::console_tail(name, max_bytes)
    }

    fn delete_console(&self, name: &str) -> Result<(), Error> {
        libvirt::delete_console(name)
    }

    fn add_dhcp_host(&self, network: &str, mac: &str, address: &str, hostname: &str) -> Result<(), Error> {
        libvirt::add_dhcp_host(network, mac, address, hostname)
    }

    fn remove_dhcp_host(&self, network: &str, mac: &str, address: &str) -> Result<(), Error> {
        libvirt::remove_dhcp_host(network, mac, address)
    }
}
