//! The capability `libvirt` as guests call it: the permit, then the capability, then its errors in the contract's form.

use crate::bindings::driver::skyloom::libvirt::libvirt as wit;
use crate::bindings::types::errors::Error;
use crate::capabilities::libvirt::Libvirt;
use crate::guest::GuestState;
use crate::manifest::Capability;

impl GuestState {
    fn libvirt(&mut self) -> wasmtime::Result<&Libvirt> {
        self.permit(Capability::Libvirt)?;
        self.sandbox.libvirt.as_deref().ok_or_else(|| wasmtime::Error::msg("this plugin has no libvirt"))
    }
}

macro_rules! calls {
    ($(fn $function:ident($($arg:ident: $kind:ty => $pass:expr),*) -> $answer:ty;)* + $($by_hand:tt)*) => {
        impl wit::Host for GuestState {
            $($by_hand)*
            $(async fn $function(&mut self, $($arg: $kind),*) -> wasmtime::Result<Result<$answer, Error>> {
                let answer = self.libvirt()?.$function($($pass),*).await;
                self.resume();
                Ok(answer.map_err(Into::into))
            })*
        }
    };
}

calls! {
    fn define(xml: String => &xml) -> ();
    fn attach_disk(uuid: String => &uuid, xml: String => &xml) -> ();
    fn detach_disk(uuid: String => &uuid, volume: String => &volume) -> bool;
    fn attach_interface(uuid: String => &uuid, xml: String => &xml) -> ();
    fn detach_interface(uuid: String => &uuid, mac: String => &mac) -> bool;
    fn set_metadata(uuid: String => &uuid, text: String => &text) -> ();
    fn undefine(uuid: String => &uuid) -> ();
    fn start(uuid: String => &uuid) -> ();
    fn shutdown(uuid: String => &uuid) -> ();
    fn destroy(uuid: String => &uuid) -> ();
    fn pause(uuid: String => &uuid) -> ();
    fn unpause(uuid: String => &uuid) -> ();
    fn save(uuid: String => &uuid) -> ();
    fn inspect(uuid: String => &uuid) -> Option<wit::DomainInfo>;
    fn list(after: Option<String> => after.as_deref(), limit: u32 => limit) -> Vec<wit::DomainInfo>;
    fn describe_host() -> wit::HostInfo;
    fn create_volume(name: String => &name, size_gib: u32 => size_gib, source: wit::VolumeSource => &source) -> bool;
    fn grow_volume(name: String => &name, size_gib: u32 => size_gib) -> ();
    fn export_volume(name: String => &name, blob: String => &blob) -> bool;
    fn delete_volume(name: String => &name) -> ();
    fn list_volumes(prefix: String => &prefix) -> Vec<String>;
    fn file_reference(kind: String => &kind, name: String => &name) -> String;
    fn console_tail(name: String => &name, max_bytes: u32 => max_bytes) -> Vec<u8>;
    fn delete_console(name: String => &name) -> ();
    fn add_dhcp_host(
        network: String => &network, mac: String => &mac, address: String => &address, hostname: String => &hostname
    ) -> ();
    fn remove_dhcp_host(network: String => &network, mac: String => &mac, address: String => &address) -> ();
    +
    /// The one place where secrets of a driver's call leave the host: as hashes, on the disk of the server that they are for.
    async fn create_seed(&mut self, name: String, files: Vec<(String, Vec<u8>)>) -> wasmtime::Result<Result<(), Error>> {
        let secrets = self.context.secrets.clone();
        let answer = self.libvirt()?.create_seed(&name, files, &secrets).await;
        self.resume();
        Ok(answer.map_err(Into::into))
    }
}
