//! Servers as views read them: every text stays where it came, so that a list of a thousand copies none.

use serde::Deserialize;

use crate::cloud::compute::{self, PowerState, ServerPage, TaskState, VmState};
use crate::packed::{Packed, unpack};
use crate::{Error, Timestamp};

/// A `server-page` of the contract.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Rows<'a> {
    pub servers: Vec<Row<'a>>,
    pub next: Option<&'a str>,
}

/// A `server`, field by field in the contract's order, which is what it is unpacked by.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Row<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub description: Option<&'a str>,
    pub project_id: &'a str,
    pub user_id: &'a str,
    pub vm_state: VmState,
    pub task_state: Option<TaskState>,
    pub power_state: PowerState,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub launched_at: Option<Timestamp>,
    pub terminated_at: Option<Timestamp>,
    pub purge_at: Option<Timestamp>,
    pub flavor: FlavorRow<'a>,
    pub image_id: Option<&'a str>,
    pub key_name: Option<&'a str>,
    pub zone: &'a str,
    pub node: &'a str,
    pub host_id: &'a str,
    pub hostname: &'a str,
    pub locked: bool,
    pub locked_reason: Option<&'a str>,
    pub progress: u8,
    pub access_ipv4: &'a str,
    pub access_ipv6: &'a str,
    pub config_drive: bool,
    pub reservation_id: &'a str,
    pub launch_index: u32,
    pub group_id: Option<&'a str>,
    pub user_data: Option<&'a str>,
    pub metadata: Vec<(&'a str, &'a str)>,
    pub tags: Vec<&'a str>,
    pub nics: Vec<NicRow<'a>>,
    pub security_groups: Vec<&'a str>,
    pub volumes: Vec<VolumeRow<'a>>,
    pub fault: Option<FaultRow<'a>>,
    pub attributes: &'a str,
}

/// A `server-flavor`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FlavorRow<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub vcpus: u32,
    pub memory_mib: u32,
    pub disk_gib: u32,
    pub ephemeral_gib: u32,
    pub swap_mib: u32,
    pub extra_specs: Vec<(&'a str, &'a str)>,
}

/// A `server-nic`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct NicRow<'a> {
    pub port_id: &'a str,
    pub position: u32,
    pub network_id: &'a str,
    pub network_name: &'a str,
    pub mac: &'a str,
    pub addresses: Vec<AddressRow<'a>>,
}

/// An `address`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct AddressRow<'a> {
    pub address: &'a str,
    pub ip_version: u8,
    pub floating: bool,
}

/// A `server-volume`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct VolumeRow<'a> {
    pub id: &'a str,
    pub boot_index: u32,
    pub device: &'a str,
    pub delete_on_termination: bool,
}

/// A `fault`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct FaultRow<'a> {
    pub message: &'a str,
    pub code: u16,
    pub created_at: Timestamp,
}

impl Packed<ServerPage> {
    /// The page to look at.
    pub fn rows(&self) -> Result<Rows<'_>, Error> {
        match self {
            Self::Bytes(bytes) => unpack(bytes),
            Self::Whole(page) => {
                Ok(Rows { servers: page.servers.iter().map(Row::from).collect(), next: page.next.as_deref() })
            }
        }
    }
}

impl<'a> From<&'a compute::Server> for Row<'a> {
    fn from(server: &'a compute::Server) -> Self {
        Self {
            id: &server.id,
            name: &server.name,
            description: server.description.as_deref(),
            project_id: &server.project_id,
            user_id: &server.user_id,
            vm_state: server.vm_state,
            task_state: server.task_state,
            power_state: server.power_state,
            created_at: server.created_at,
            updated_at: server.updated_at,
            launched_at: server.launched_at,
            terminated_at: server.terminated_at,
            purge_at: server.purge_at,
            flavor: FlavorRow::from(&server.flavor),
            image_id: server.image_id.as_deref(),
            key_name: server.key_name.as_deref(),
            zone: &server.zone,
            node: &server.node,
            host_id: &server.host_id,
            hostname: &server.hostname,
            locked: server.locked,
            locked_reason: server.locked_reason.as_deref(),
            progress: server.progress,
            access_ipv4: &server.access_ipv4,
            access_ipv6: &server.access_ipv6,
            config_drive: server.config_drive,
            reservation_id: &server.reservation_id,
            launch_index: server.launch_index,
            group_id: server.group_id.as_deref(),
            user_data: server.user_data.as_deref(),
            metadata: pairs(&server.metadata),
            tags: texts(&server.tags),
            nics: server.nics.iter().map(NicRow::from).collect(),
            security_groups: texts(&server.security_groups),
            volumes: server.volumes.iter().map(VolumeRow::from).collect(),
            fault: server.fault.as_ref().map(FaultRow::from),
            attributes: &server.attributes,
        }
    }
}

impl<'a> From<&'a compute::ServerFlavor> for FlavorRow<'a> {
    fn from(flavor: &'a compute::ServerFlavor) -> Self {
        Self {
            id: &flavor.id,
            name: &flavor.name,
            vcpus: flavor.vcpus,
            memory_mib: flavor.memory_mib,
            disk_gib: flavor.disk_gib,
            ephemeral_gib: flavor.ephemeral_gib,
            swap_mib: flavor.swap_mib,
            extra_specs: pairs(&flavor.extra_specs),
        }
    }
}

impl<'a> From<&'a compute::ServerNic> for NicRow<'a> {
    fn from(nic: &'a compute::ServerNic) -> Self {
        let addresses = nic.addresses.iter().map(|address| AddressRow {
            address: &address.address,
            ip_version: address.ip_version,
            floating: address.floating,
        });
        Self {
            port_id: &nic.port_id,
            position: nic.position,
            network_id: &nic.network_id,
            network_name: &nic.network_name,
            mac: &nic.mac,
            addresses: addresses.collect(),
        }
    }
}

impl<'a> From<&'a compute::ServerVolume> for VolumeRow<'a> {
    fn from(volume: &'a compute::ServerVolume) -> Self {
        Self {
            id: &volume.id,
            boot_index: volume.boot_index,
            device: &volume.device,
            delete_on_termination: volume.delete_on_termination,
        }
    }
}

impl<'a> From<&'a compute::Fault> for FaultRow<'a> {
    fn from(fault: &'a compute::Fault) -> Self {
        Self { message: &fault.message, code: fault.code, created_at: fault.created_at }
    }
}

fn pairs(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
