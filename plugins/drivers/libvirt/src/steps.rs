//! The steps of the contract in terms of the platform.

use std::collections::BTreeMap;

use serde::Deserialize;
use skyloom_sdk::driver::libvirt::{DomainInfo, DomainState};
use skyloom_sdk::driver::lifecycle::StopMode;
use skyloom_sdk::driver::types::{Domain, DomainSpec, NodeCapacity, Power, Progress, StepKey};
use skyloom_sdk::{Error, ErrorClass, ErrorCode};

use crate::platform::Platform;
use crate::record::Record;
use crate::seed;
use crate::xml::{self, Files, Machine};

/// Token of a soft stop that waits for the guest.
const SOFT_STOP: &str = "soft-stop";
/// Token of a start that libvirt has not ended.
const STARTING: &str = "starting";
/// Ends the name of the seed's volume; disks end with their id.
const SEED: &str = "seed";

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

    pub fn create_disks(&self, spec: &DomainSpec) -> Result<Progress, Error> {
        for disk in &spec.disks {
            let name = volume_name(&spec.server_id, &disk.id);
            self.platform.create_volume(
                &name,
                disk.size_gib,
                disk.image_blob.as_deref(),
                disk.image_format.as_deref(),
            )?;
        }
        let files = seed::files(spec).map_err(|text| failure(ErrorCode::Invalid, &text))?;
        self.platform.create_seed(&volume_name(&spec.server_id, SEED), &files)?;
        Ok(Progress::Done)
    }

    pub fn delete_disks(&self, server_id: &str, disks: &[String]) -> Result<Progress, Error> {
        for disk in disks {
            self.platform.delete_volume(&volume_name(server_id, disk))?;
        }
        self.platform.delete_volume(&volume_name(server_id, SEED))?;
        Ok(Progress::Done)
    }

    /// The definition goes first: it carries the list of addresses that `undefine` releases.
    pub fn define(&self, key: &StepKey, spec: &DomainSpec) -> Result<Progress, Error> {
        let record = Record::of(&key.operation, spec);
        self.put(spec, &record)?;
        for lease in &record.leases {
            self.platform.add_dhcp_host(&lease.network, &lease.mac, &lease.address, &spec.hostname)?;
        }
        Ok(Progress::Done)
    }

    /// The record stays: what it says of the domain's leases and of who defined it is still true.
    pub fn reconfigure(&self, spec: &DomainSpec) -> Result<Progress, Error> {
        let info = self.platform.inspect(&spec.server_id)?.ok_or_else(|| no_domain(&spec.server_id))?;
        for disk in &spec.disks {
            self.platform.grow_volume(&volume_name(&spec.server_id, &disk.id), disk.size_gib)?;
        }
        self.put(spec, &Record::parse(&info.metadata))?;
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
        Ok(Progress::Done)
    }

    /// The start of an earlier call whose reply was lost may still be under way; then this one has nothing to do but wait.
    pub fn start(&self, server_id: &str) -> Result<Progress, Error> {
        self.platform.start(server_id)?;
        self.started(server_id)
    }

    /// Done means that libvirt has ended it, well or not: a guest that switched itself off at once must not be started again.
    fn started(&self, server_id: &str) -> Result<Progress, Error> {
        let info = self.platform.inspect(server_id)?.ok_or_else(|| no_domain(server_id))?;
        Ok(if power(&info) == Power::Unknown { Progress::Pending(STARTING.to_owned()) } else { Progress::Done })
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

    /// A guest that boots misses the button, so each poll presses it again.
    pub fn poll(&self, server_id: &str, token: &str) -> Result<Progress, Error> {
        match token {
            SOFT_STOP => self.ask_to_stop(server_id),
            STARTING => self.started(server_id),
            _ => Err(failure(ErrorCode::Invalid, &format!("token {token:?} is not ours"))),
        }
    }

    fn ask_to_stop(&self, server_id: &str) -> Result<Progress, Error> {
        let info = self.platform.inspect(server_id)?.ok_or_else(|| no_domain(server_id))?;
        if power(&info) == Power::Stopped {
            return Ok(Progress::Done);
        }
        self.platform.shutdown(server_id)?;
        Ok(Progress::Pending(SOFT_STOP.to_owned()))
    }

    pub fn inspect(&self, server_id: &str) -> Result<Option<Domain>, Error> {
        let info = self.platform.inspect(server_id)?;
        let disks = self.disks(server_id)?;
        if info.is_none() && disks.is_empty() {
            return Ok(None);
        }
        Ok(Some(describe(server_id, info.as_ref(), disks)))
    }

    pub fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Domain>, Error> {
        let mut servers: BTreeMap<String, (Option<DomainInfo>, Vec<String>)> = BTreeMap::new();
        for info in self.platform.list(after, limit)? {
            servers.insert(info.uuid.clone(), (Some(info), Vec::new()));
        }
        for name in self.platform.list_volumes("")? {
            let Some((server, disk)) = name.split_once('.') else { continue };
            if disk != SEED && is_uuid(server) && after.is_none_or(|after| server > after) {
                servers.entry(server.to_owned()).or_default().1.push(disk.to_owned());
            }
        }
        let page = servers.into_iter().take(limit as usize);
        Ok(page.map(|(id, (info, disks))| describe(&id, info.as_ref(), disks)).collect())
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

    fn files(&self, spec: &DomainSpec) -> Result<Files, Error> {
        let mut disks: Vec<_> = spec.disks.iter().collect();
        disks.sort_by_key(|disk| disk.boot_index);
        let volume = |name: &str| self.platform.file_reference("volume", &volume_name(&spec.server_id, name));
        let blob =
            |name: &Option<String>| name.as_ref().map(|name| self.platform.file_reference("blob", name)).transpose();
        Ok(Files {
            disks: disks.iter().map(|disk| volume(&disk.id)).collect::<Result<_, _>>()?,
            seed: volume(SEED)?,
            console: self.platform.file_reference("console", &spec.server_id)?,
            kernel: blob(&spec.kernel_blob)?,
            ramdisk: blob(&spec.ramdisk_blob)?,
        })
    }

    /// Ids of the disks that exist, the seed apart.
    fn disks(&self, server_id: &str) -> Result<Vec<String>, Error> {
        let prefix = volume_name(server_id, "");
        let names = self.platform.list_volumes(&prefix)?;
        let ids = names.iter().filter_map(|name| name.strip_prefix(&prefix)).filter(|id| *id != SEED);
        Ok(ids.map(ToOwned::to_owned).collect())
    }
}

fn volume_name(server_id: &str, disk: &str) -> String {
    format!("{server_id}.{disk}")
}

/// Whether a server can be named so: other files in the folder are not ours.
fn is_uuid(text: &str) -> bool {
    let dashed = |at| matches!(at, 8 | 13 | 18 | 23);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, letter)| {
            if dashed(at) { letter == b'-' } else { letter.is_ascii_digit() || matches!(letter, b'a'..=b'f') }
        })
}

fn describe(server_id: &str, info: Option<&DomainInfo>, disks: Vec<String>) -> Domain {
    Domain {
        server_id: server_id.to_owned(),
        power: info.map_or(Power::Stopped, power),
        operation: info.map(|info| Record::parse(&info.metadata).operation).unwrap_or_default(),
        disks,
    }
}

fn power(info: &DomainInfo) -> Power {
    match info.state {
        DomainState::Running | DomainState::Blocked | DomainState::ShuttingDown => Power::Running,
        DomainState::Paused | DomainState::Suspended => Power::Paused,
        DomainState::ShutOff => Power::Stopped,
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
