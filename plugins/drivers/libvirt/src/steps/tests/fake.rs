//! A platform in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use skyloom_sdk::driver::libvirt::HostInfo;

use super::*;

/// libvirt in memory. `fail_at` makes the call of that name fail once, before its effect.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) domains: RefCell<BTreeMap<String, (String, DomainState)>>,
    pub(super) volumes: RefCell<BTreeMap<String, VolumeSource>>,
    pub(super) leases: RefCell<Vec<(String, String, String)>>,
    /// What disks were written into.
    pub(super) blobs: RefCell<BTreeMap<String, VolumeSource>>,
    pub(super) fail_at: RefCell<Option<&'static str>>,
    /// A start takes its time, and so does a save.
    pub(super) slow: bool,
    /// Sizes that disks were grown to.
    pub(super) grown: RefCell<BTreeMap<String, u32>>,
    /// Answers that a copy goes on, and that a guest keeps its disk, still to come.
    pub(super) goes_on: Cell<u32>,
    pub(super) attached: RefCell<BTreeMap<String, String>>,
}

impl Fake {
    pub(super) fn pass(&self, call: &'static str) -> Result<(), Error> {
        if *self.fail_at.borrow() == Some(call) {
            self.fail_at.replace(None);
            return Err(failure(ErrorCode::DriverFailed, call));
        }
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.domains.borrow().is_empty() && self.volumes.borrow().is_empty() && self.leases.borrow().is_empty()
    }

    pub(super) fn is_going_on(&self) -> bool {
        let left = self.goes_on.get();
        self.goes_on.set(left.saturating_sub(1));
        left > 0
    }

    pub(super) fn set_state(&self, uuid: &str, state: DomainState) {
        if let Some(domain) = self.domains.borrow_mut().get_mut(uuid) {
            domain.1 = state;
        }
    }
}

impl Platform for &Fake {
    fn config(&self) -> String {
        r#"{"domain-type":"qemu"}"#.to_owned()
    }

    fn define(&self, xml: &str) -> Result<(), Error> {
        self.pass("define")?;
        let uuid = between(xml, "<uuid>", "</uuid>").to_owned();
        self.domains.borrow_mut().insert(uuid, (xml.to_owned(), DomainState::ShutOff));
        Ok(())
    }

    fn undefine(&self, uuid: &str) -> Result<(), Error> {
        self.pass("undefine")?;
        self.domains.borrow_mut().remove(uuid);
        Ok(())
    }

    fn start(&self, uuid: &str) -> Result<(), Error> {
        self.pass("start")?;
        let runs = self.domains.borrow().get(uuid).is_some_and(|(_, state)| *state == DomainState::Paused);
        if !runs {
            self.set_state(uuid, if self.slow { DomainState::Other } else { DomainState::Running });
        }
        Ok(())
    }

    /// A guest that doesn't hear the button.
    fn shutdown(&self, _uuid: &str) -> Result<(), Error> {
        self.pass("shutdown")
    }

    fn destroy(&self, uuid: &str) -> Result<(), Error> {
        self.pass("destroy")?;
        self.set_state(uuid, DomainState::ShutOff);
        Ok(())
    }

    fn pause(&self, uuid: &str) -> Result<(), Error> {
        self.pass("pause")?;
        self.set_state(uuid, DomainState::Paused);
        Ok(())
    }

    fn unpause(&self, uuid: &str) -> Result<(), Error> {
        self.pass("unpause")?;
        self.set_state(uuid, DomainState::Running);
        Ok(())
    }

    fn save(&self, uuid: &str) -> Result<(), Error> {
        self.pass("save")?;
        self.set_state(uuid, if self.slow { DomainState::Other } else { DomainState::Saved });
        Ok(())
    }

    fn inspect(&self, uuid: &str) -> Result<Option<DomainInfo>, Error> {
        self.pass("inspect")?;
        Ok(self.domains.borrow().get(uuid).map(|(xml, state)| {
            let text = between(xml, "'urn:skyloom:server'>", "</skyloom:server>");
            DomainInfo {
                name: format!("skyloom-{uuid}"),
                uuid: uuid.to_owned(),
                state: *state,
                metadata: text.replace("&quot;", "\"").replace("&amp;", "&"),
            }
        }))
    }

    fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<DomainInfo>, Error> {
        let mut uuids: Vec<_> = self.domains.borrow().keys().cloned().collect();
        uuids.retain(|uuid| after.is_none_or(|after| uuid.as_str() > after));
        uuids.iter().take(limit as usize).map(|uuid| Ok(self.inspect(uuid)?.unwrap())).collect()
    }

    fn describe_host(&self) -> Result<HostInfo, Error> {
        Err(failure(ErrorCode::NotSupported, "not in this fake"))
    }

    fn grow_volume(&self, name: &str, size_gib: u32) -> Result<(), Error> {
        self.pass("grow-volume")?;
        self.grown.borrow_mut().insert(name.to_owned(), size_gib);
        Ok(())
    }

    fn attach_disk(&self, uuid: &str, xml: &str) -> Result<(), Error> {
        self.pass("attach-disk")?;
        self.attached.borrow_mut().insert(uuid.to_owned(), xml.to_owned());
        Ok(())
    }

    fn detach_disk(&self, uuid: &str, _volume: &str) -> Result<bool, Error> {
        self.pass("detach-disk")?;
        if self.is_going_on() {
            return Ok(false);
        }
        self.attached.borrow_mut().remove(uuid);
        Ok(true)
    }

    fn attach_interface(&self, uuid: &str, xml: &str) -> Result<(), Error> {
        self.pass("attach-interface")?;
        self.attached.borrow_mut().insert(uuid.to_owned(), xml.to_owned());
        Ok(())
    }

    fn detach_interface(&self, uuid: &str, _mac: &str) -> Result<bool, Error> {
        self.pass("detach-interface")?;
        if self.is_going_on() {
            return Ok(false);
        }
        self.attached.borrow_mut().remove(uuid);
        Ok(true)
    }

    fn set_metadata(&self, uuid: &str, text: &str) -> Result<(), Error> {
        self.pass("set-metadata")?;
        let mut domains = self.domains.borrow_mut();
        let xml = &mut domains.get_mut(uuid).unwrap().0;
        let old = between(xml, "'urn:skyloom:server'>", "</skyloom:server>").to_owned();
        *xml = xml.replace(&old, &text.replace('&', "&amp;").replace('"', "&quot;"));
        Ok(())
    }

    fn create_volume(&self, name: &str, _size: u32, source: &VolumeSource) -> Result<bool, Error> {
        self.pass("create-volume")?;
        if matches!(source, VolumeSource::Volume(_) | VolumeSource::Copy(_)) && self.is_going_on() {
            return Ok(false);
        }
        self.volumes.borrow_mut().insert(name.to_owned(), source.clone());
        Ok(true)
    }

    fn export_volume(&self, name: &str, blob: &str) -> Result<bool, Error> {
        self.pass("export-volume")?;
        if self.is_going_on() {
            return Ok(false);
        }
        let volume = self.volumes.borrow().get(name).cloned();
        let volume = volume.ok_or_else(|| failure(ErrorCode::WrongState, "no volume"))?;
        self.blobs.borrow_mut().insert(blob.to_owned(), volume);
        Ok(true)
    }

    fn delete_volume(&self, name: &str) -> Result<(), Error> {
        self.pass("delete-volume")?;
        self.volumes.borrow_mut().remove(name);
        Ok(())
    }

    fn list_volumes(&self, prefix: &str) -> Result<Vec<String>, Error> {
        Ok(self.volumes.borrow().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn create_seed(&self, name: &str, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        self.pass("create-seed")?;
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["meta-data", "network-config", "user-data", "vendor-data"]);
        self.volumes.borrow_mut().insert(name.to_owned(), VolumeSource::Empty);
        Ok(())
    }

    fn file_reference(&self, kind: &str, name: &str) -> Result<String, Error> {
        Ok(format!("{kind}:{name}"))
    }

    fn console_tail(&self, _name: &str, _max_bytes: u32) -> Result<Vec<u8>, Error> {
        Ok(b"ready \xff".to_vec())
    }

    fn delete_console(&self, _name: &str) -> Result<(), Error> {
        self.pass("delete-console")
    }

    fn add_dhcp_host(&self, network: &str, mac: &str, address: &str, _hostname: &str) -> Result<(), Error> {
        self.pass("add-dhcp-host")?;
        let lease = (network.to_owned(), mac.to_owned(), address.to_owned());
        if !self.leases.borrow().contains(&lease) {
            self.leases.borrow_mut().push(lease);
        }
        Ok(())
    }

    fn remove_dhcp_host(&self, network: &str, mac: &str, address: &str) -> Result<(), Error> {
        self.pass("remove-dhcp-host")?;
        let lease = (network.to_owned(), mac.to_owned(), address.to_owned());
        self.leases.borrow_mut().retain(|kept| *kept != lease);
        Ok(())
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}
