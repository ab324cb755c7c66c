//! The steps of the contract in terms of the platform.

use serde::Deserialize;
use skyloom_sdk::driver::libvirt::{DomainInfo, DomainState, VolumeSource};
use skyloom_sdk::driver::servers::StopMode;
use skyloom_sdk::driver::types::{Disk, DiskSource, Domain, DomainSpec, Nic, NodeCapacity, Power, Progress, StepKey};
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

use crate::platform::Platform;
use crate::record::{Record, leases};
use crate::seed;
use crate::xml::{self, Files, Machine};

/// Token of a soft stop that waits for the guest; the server's id follows.
const SOFT_STOP: &str = "soft-stop ";
/// Token of a start, also from kept memory, that libvirt has not ended; the server's id follows.
const STARTING: &str = "starting ";
/// Token of a guest whose memory is being saved; the server's id follows.
const SAVING: &str = "saving ";
/// Token of a disk that its guest keeps; ids of server and disk follow.
const DETACHING: &str = "detaching ";
/// Token of a card that its guest keeps; the server's id and the hardware address follow.
const DETACHING_NIC: &str = "detaching-nic ";
/// Token of a copy that goes on; the size, the ids of the disk and of the one it is a copy of follow.
const COPYING: &str = "copying ";
/// Token of a copy of a blob; the size, the disk's id, the blob and its format follow.
const FILLING: &str = "filling ";
/// Token of an export that goes on; the disk's id and the blob follow.
const EXPORTING: &str = "exporting ";
/// The guest has its host name by its first card.
const NO_NAME: &str = "";
/// Ends the name of a server's seed; a disk is named by its id.
const SEED: &str = ".seed";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Config {
    domain_type: Option<String>,
    machine: Option<String>,
}

pub struct Libvirt<P> {
    platform: P,
    config: Config,
}

impl<P: Platform> Libvirt<P> {
    pub fn new(platform: P) -> Result<Self, Error> {
        let config = serde_json::from_str(&platform.config())
            .map_err(|error| failure(ErrorCode::Invalid, &format!("configuration: {error}")))?;
        Ok(Self { platform, config })
    }

    pub fn create_disk(&self, disk: &Disk) -> Result<Progress, Error> {
        let source = match &disk.source {
            DiskSource::Empty => VolumeSource::Empty,
            DiskSource::Image(image) => VolumeSource::Image((image.blob.clone(), image.format.clone())),
            DiskSource::Disk(other) => return self.copy(&disk.id, disk.size_gib, other),
            DiskSource::Copy(image) => return self.fill(&disk.id, disk.size_gib, &image.blob, &image.format),
        };
        self.platform.create_volume(&disk.id, disk.size_gib, &source)?;
        Ok(Progress::Done)
    }

    fn copy(&self, id: &str, size_gib: u32, of: &str) -> Result<Progress, Error> {
        let whole = self.platform.create_volume(id, size_gib, &VolumeSource::Volume(of.to_owned()))?;
        Ok(if whole { Progress::Done } else { Progress::Pending(format!("{COPYING}{size_gib} {id} {of}")) })
    }

    fn fill(&self, id: &str, size_gib: u32, blob: &str, format: &str) -> Result<Progress, Error> {
        let source = VolumeSource::Copy((blob.to_owned(), format.to_owned()));
        let whole = self.platform.create_volume(id, size_gib, &source)?;
        Ok(if whole { Progress::Done } else { Progress::Pending(format!("{FILLING}{size_gib} {id} {blob} {format}")) })
    }

    pub fn export_disk(&self, id: &str, blob: &str) -> Result<Progress, Error> {
        let whole = self.platform.export_volume(id, blob)?;
        Ok(if whole { Progress::Done } else { Progress::Pending(format!("{EXPORTING}{id} {blob}")) })
    }

    pub fn grow_disk(&self, id: &str, size_gib: u32) -> Result<Progress, Error> {
        self.platform.grow_volume(id, size_gib)?;
        Ok(Progress::Done)
    }

    pub fn remove_disk(&self, id: &str) -> Result<Progress, Error> {
        self.platform.delete_volume(id)?;
        Ok(Progress::Done)
    }

    /// Other files in the folder are not ours.
    pub fn disks(&self, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        let mut ids = self.platform.list_volumes("")?;
        ids.retain(|id| is_uuid(id) && after.is_none_or(|after| id.as_str() > after));
        ids.truncate(limit as usize);
        Ok(ids)
    }

    pub fn attach_disk(&self, server_id: &str, disk: &Disk) -> Result<Progress, Error> {
        let file = self.platform.file_reference("volume", &disk.id)?;
        self.platform.attach_disk(server_id, &xml::disk(disk, &file))?;
        Ok(Progress::Done)
    }

    /// A guest that boots misses the request, so each poll asks again.
    pub fn detach_disk(&self, server_id: &str, id: &str) -> Result<Progress, Error> {
        let gone = self.platform.detach_disk(server_id, id)?;
        Ok(if gone { Progress::Done } else { Progress::Pending(format!("{DETACHING}{server_id} {id}")) })
    }

    /// The record goes before the addresses, and these before the card: the guest asks for them as soon as it has it. A card that comes
    /// later isn't on the seed disk, which a guest reads at its first boot.
    pub fn attach_nic(&self, server_id: &str, nic: &Nic) -> Result<Progress, Error> {
        let info = self.platform.inspect(server_id)?.ok_or_else(|| no_domain(server_id))?;
        if matches!(power(&info), Power::Stopped | Power::Suspended) {
            return Err(failure(ErrorCode::WrongState, &format!("server {server_id} does not run")));
        }
        let (before, leases) = (Record::parse(&info.metadata), leases(nic));
        self.keep(server_id, &before, &before.with(&leases))?;
        for lease in &leases {
            self.platform.add_dhcp_host(&lease.network, &lease.mac, &lease.address, NO_NAME)?;
        }
        self.platform.attach_interface(server_id, &xml::nic(nic))?;
        Ok(Progress::Done)
    }

    /// As [`Libvirt::detach_disk`]; the addresses stay while the guest has the card.
    pub fn detach_nic(&self, server_id: &str, mac: &str) -> Result<Progress, Error> {
        if !self.platform.detach_interface(server_id, mac)? {
            return Ok(Progress::Pending(format!("{DETACHING_NIC}{server_id} {mac}")));
        }
        let info = self.platform.inspect(server_id)?.ok_or_else(|| no_domain(server_id))?;
        let before = Record::parse(&info.metadata);
        for lease in before.leases.iter().filter(|lease| lease.mac == mac) {
            self.platform.remove_dhcp_host(&lease.network, &lease.mac, &lease.address)?;
        }
        self.keep(server_id, &before, &before.without(mac))?;
        Ok(Progress::Done)
    }

    fn keep(&self, server_id: &str, before: &Record, after: &Record) -> Result<(), Error> {
        if before == after { Ok(()) } else { self.platform.set_metadata(server_id, &after.text()) }
    }

    /// The definition goes before the addresses: it carries their list, by which `undefine` releases them.
    pub fn define(&self, key: &StepKey, spec: &DomainSpec) -> Result<Progress, Error> {
        let files = seed::files(spec).map_err(|text| failure(ErrorCode::Invalid, &text))?;
        self.require_disks(spec)?;
        self.platform.create_seed(&seed_name(&spec.server_id), &files)?;
        let record = Record::of(&key.operation, spec);
        self.put(spec, &record)?;
        for lease in &record.leases {
            self.platform.add_dhcp_host(&lease.network, &lease.mac, &lease.address, &spec.hostname)?;
        }
        Ok(Progress::Done)
    }

    /// Who defined it stays. While addresses come and go the record has them all, so that `undefine` releases each.
    pub fn reconfigure(&self, spec: &DomainSpec) -> Result<Progress, Error> {
        let info = self.platform.inspect(&spec.server_id)?.ok_or_else(|| no_domain(&spec.server_id))?;
        let before = Record::parse(&info.metadata);
        let after = Record::of(&before.operation, spec);
        if before.leases != after.leases {
            self.put(spec, &after.with(&before.leases))?;
        }
        // Also those that the record has already: an earlier call may have failed between the two.
        for lease in &after.leases {
            self.platform.add_dhcp_host(&lease.network, &lease.mac, &lease.address, &spec.hostname)?;
        }
        for lease in before.leases.iter().filter(|lease| !after.leases.contains(lease)) {
            self.platform.remove_dhcp_host(&lease.network, &lease.mac, &lease.address)?;
        }
        self.put(spec, &after)?;
        Ok(Progress::Done)
    }

    fn put(&self, spec: &DomainSpec, record: &Record) -> Result<(), Error> {
        let machine = Machine {
            domain_type: self.config.domain_type.as_deref().unwrap_or("kvm"),
            machine: self.config.machine.as_deref(),
        };
        self.platform.define(&xml::domain(spec, record, &self.files(spec)?, &machine))
    }

    /// The definition goes last: a repeated call finds in it what is still to release.
    pub fn undefine(&self, server_id: &str) -> Result<Progress, Error> {
        if let Some(info) = self.platform.inspect(server_id)? {
            self.platform.destroy(server_id)?;
            for lease in Record::parse(&info.metadata).leases {
                self.platform.remove_dhcp_host(&lease.network, &lease.mac, &lease.address)?;
            }
        }
        self.platform.delete_console(server_id)?;
        self.platform.undefine(server_id)?;
        self.platform.delete_volume(&seed_name(server_id))?;
        Ok(Progress::Done)
    }

    /// The start of an earlier call whose reply was lost may still be under way; then this one has nothing to do but wait.
    pub fn start(&self, server_id: &str) -> Result<Progress, Error> {
        self.platform.start(server_id)?;
        let power = self.power_of(server_id)?;
        if power == Power::Paused {
            self.platform.unpause(server_id)?;
        }
        Ok(begun(server_id, power))
    }

    fn power_of(&self, server_id: &str) -> Result<Power, Error> {
        let info = self.platform.inspect(server_id)?.ok_or_else(|| no_domain(server_id))?;
        Ok(power(&info))
    }

    /// Done means that libvirt has ended it, well or not: a guest that switched itself off at once must not be started again.
    fn started(&self, server_id: &str) -> Result<Progress, Error> {
        Ok(begun(server_id, self.power_of(server_id)?))
    }

    pub fn stop(&self, server_id: &str, mode: StopMode) -> Result<Progress, Error> {
        match mode {
            StopMode::Hard => {
                self.platform.destroy(server_id)?;
                Ok(Progress::Done)
            }
            StopMode::Soft => self.ask_to_stop(server_id),
        }
    }

    pub fn pause(&self, server_id: &str) -> Result<Progress, Error> {
        self.platform.pause(server_id)?;
        Ok(Progress::Done)
    }

    pub fn unpause(&self, server_id: &str) -> Result<Progress, Error> {
        self.platform.unpause(server_id)?;
        Ok(Progress::Done)
    }

    /// A large memory is saved long after the call that began it; each poll looks, and begins again what came to nothing.
    pub fn suspend(&self, server_id: &str) -> Result<Progress, Error> {
        let mut power = self.power_of(server_id)?;
        if !matches!(power, Power::Suspended | Power::Unknown) {
            self.platform.save(server_id)?;
            power = self.power_of(server_id)?;
        }
        let saved = power == Power::Suspended;
        Ok(if saved { Progress::Done } else { Progress::Pending(format!("{SAVING}{server_id}")) })
    }

    pub fn resume(&self, server_id: &str) -> Result<Progress, Error> {
        match self.power_of(server_id)? {
            Power::Running => Ok(Progress::Done),
            Power::Suspended => {
                self.platform.start(server_id)?;
                self.started(server_id)
            }
            // An earlier call's start.
            Power::Unknown => self.started(server_id),
            Power::Paused | Power::Stopped | Power::Crashed => {
                Err(failure(ErrorCode::WrongState, &format!("server {server_id} is not suspended")))
            }
        }
    }

    /// A guest that boots misses the button, so each poll presses it again.
    pub fn poll(&self, token: &str) -> Result<Progress, Error> {
        let not_ours = || failure(ErrorCode::Invalid, &format!("token {token:?} is not ours"));
        let rest = |kind: &str| token.strip_prefix(kind);
        if let Some(server_id) = rest(SOFT_STOP) {
            self.ask_to_stop(server_id)
        } else if let Some(server_id) = rest(STARTING) {
            self.started(server_id)
        } else if let Some(server_id) = rest(SAVING) {
            self.suspend(server_id)
        } else if let Some((server_id, disk)) = rest(DETACHING).and_then(|rest| rest.split_once(' ')) {
            self.detach_disk(server_id, disk)
        } else if let Some((server_id, mac)) = rest(DETACHING_NIC).and_then(|rest| rest.split_once(' ')) {
            self.detach_nic(server_id, mac)
        } else if let Some((size, ids)) = rest(COPYING).and_then(|rest| rest.split_once(' ')) {
            let (id, of) = ids.split_once(' ').ok_or_else(not_ours)?;
            self.copy(id, size.parse().map_err(|_| not_ours())?, of)
        } else if let Some(words) = rest(FILLING) {
            let [size, id, blob, format] = words.splitn(4, ' ').collect::<Vec<_>>()[..] else { return Err(not_ours()) };
            self.fill(id, size.parse().map_err(|_| not_ours())?, blob, format)
        } else if let Some((id, blob)) = rest(EXPORTING).and_then(|rest| rest.split_once(' ')) {
            self.export_disk(id, blob)
        } else {
            Err(not_ours())
        }
    }

    fn ask_to_stop(&self, server_id: &str) -> Result<Progress, Error> {
        match self.power_of(server_id)? {
            Power::Stopped => Ok(Progress::Done),
            // It hears nothing.
            Power::Paused | Power::Suspended => self.stop(server_id, StopMode::Hard),
            Power::Running | Power::Crashed | Power::Unknown => {
                self.platform.shutdown(server_id)?;
                Ok(Progress::Pending(format!("{SOFT_STOP}{server_id}")))
            }
        }
    }

    pub fn inspect(&self, server_id: &str) -> Result<Option<Domain>, Error> {
        Ok(self.platform.inspect(server_id)?.as_ref().map(describe))
    }

    pub fn servers(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>, Error> {
        Ok(self.platform.list(after, limit)?.iter().map(describe).collect())
    }

    pub fn capacity(&self) -> Result<NodeCapacity, Error> {
        let host = self.platform.describe_host()?;
        Ok(NodeCapacity {
            vcpus: host.vcpus,
            memory_mib: host.memory_mib,
            disk_gib: host.disk_gib,
            hypervisor: host.hypervisor,
            hypervisor_version: host.hypervisor_version,
        })
    }

    pub fn console(&self, server_id: &str, max_bytes: u32) -> Result<String, Error> {
        if self.platform.inspect(server_id)?.is_none() {
            return Err(no_domain(server_id));
        }
        let bytes = self.platform.console_tail(server_id, max_bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The seed is written before the definition is judged, so what would be refused is looked at first.
    fn require_disks(&self, spec: &DomainSpec) -> Result<(), Error> {
        for disk in &spec.disks {
            if !self.platform.list_volumes(&disk.id)?.contains(&disk.id) {
                return Err(failure(ErrorCode::WrongState, &format!("disk {} isn't there", disk.id)));
            }
        }
        Ok(())
    }

    fn files(&self, spec: &DomainSpec) -> Result<Files, Error> {
        let volume = |name: &str| self.platform.file_reference("volume", name);
        let blob =
            |name: &Option<String>| name.as_ref().map(|name| self.platform.file_reference("blob", name)).transpose();
        Ok(Files {
            disks: spec.disks.iter().map(|disk| volume(&disk.id)).collect::<Result<_, _>>()?,
            seed: volume(&seed_name(&spec.server_id))?,
            console: self.platform.file_reference("console", &spec.server_id)?,
            kernel: blob(&spec.kernel_blob)?,
            ramdisk: blob(&spec.ramdisk_blob)?,
        })
    }
}

fn begun(server_id: &str, power: Power) -> Progress {
    if power == Power::Unknown { Progress::Pending(format!("{STARTING}{server_id}")) } else { Progress::Done }
}

fn seed_name(server_id: &str) -> String {
    format!("{server_id}{SEED}")
}

/// Whether a disk can be named so.
fn is_uuid(text: &str) -> bool {
    let dashed = |at| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, letter)| {
            if dashed(at) { letter == b'-' } else { letter.is_ascii_digit() || matches!(letter, b'a'..=b'f') }
        })
}

fn describe(info: &DomainInfo) -> Domain {
    Domain { server_id: info.uuid.clone(), power: power(info), operation: Record::parse(&info.metadata).operation }
}

fn power(info: &DomainInfo) -> Power {
    match info.state {
        DomainState::Running | DomainState::Blocked | DomainState::ShuttingDown => Power::Running,
        DomainState::Paused | DomainState::Suspended => Power::Paused,
        DomainState::ShutOff => Power::Stopped,
        DomainState::Saved => Power::Suspended,
        DomainState::Crashed => Power::Crashed,
        DomainState::NoState | DomainState::Other => Power::Unknown,
    }
}

fn no_domain(server_id: &str) -> Error {
    let mut error = failure(ErrorCode::NotFound, &format!("the platform has no domain of server {server_id}"));
    error.resource = Some(("domain".to_owned(), server_id.to_owned()));
    error
}

fn failure(code: ErrorCode, message: &str) -> Error {
    Error {
        code,
        class: ErrorClass::Caller,
        retryable: false,
        message: message.to_owned(),
        resource: None,
        field: None,
        reason: None,
    }
}

#[cfg(test)]
mod tests;
