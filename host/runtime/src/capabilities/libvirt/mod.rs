//! Capability `libvirt`: what a driver may do with the libvirt daemon that the deployment grants. Names come in, paths stay
//! here; only domains that carry Skyloom's metadata element are seen or touched.

mod answers;
mod connection;
mod copies;
mod domains;
mod hotplug;
mod making;
mod networks;
mod seed;
mod storage;
mod turns;
mod xml;

use std::path::PathBuf;
use std::sync::Arc;

use skyloom_model::{Error, ErrorCode, Result};
use tokio::sync::Semaphore;

pub use crate::bindings::driver::skyloom::libvirt::libvirt::{DomainInfo, DomainState, HostInfo, VolumeSource};

use crate::context::SecretVault;

use connection::Connections;
use storage::Storage;

/// Namespace of the metadata element by which a domain is known as ours.
const METADATA_NAMESPACE: &str = "urn:skyloom:server";
/// Its prefix.
const METADATA_PREFIX: &str = "skyloom";
/// So many guests' memories are kept at once; each holds a connection to the daemon for as long.
const SAVES_AT_ONCE: usize = 2;

/// What the deployment grants.
#[derive(Clone, Debug)]
pub struct LibvirtGrant {
    /// e.g. `qemu:///system`.
    pub uri: String,
    /// Folder of disks and console logs; made if it isn't there.
    pub storage: PathBuf,
    /// Folder of the images' blobs; only new ones are written there.
    pub blobs: PathBuf,
    /// libvirt networks that NICs may use; `user` stands for QEMU's own user networking.
    pub networks: Vec<String>,
}

/// The capability, shared by all calls of one driver.
#[derive(Debug)]
pub struct Libvirt {
    connections: Connections,
    storage: Storage,
    networks: Vec<String>,
    saves: Arc<Semaphore>,
}

impl Libvirt {
    /// Opens no connection yet: the daemon may come later.
    pub fn new(grant: LibvirtGrant) -> Result<Self> {
        Ok(Self {
            connections: Connections::new(grant.uri),
            storage: Storage::new(&grant.storage, grant.blobs)?,
            networks: grant.networks,
            saves: Arc::new(Semaphore::new(SAVES_AT_ONCE)),
        })
    }

    pub async fn describe_host(&self) -> Result<HostInfo> {
        let disk_gib = self.storage.capacity_gib()?;
        self.connections
            .run(move |connection| {
                let node = connection.get_node_info()?;
                Ok(HostInfo {
                    vcpus: node.cpus,
                    memory_mib: node.memory / 1024,
                    disk_gib,
                    hypervisor: connection.get_type()?,
                    hypervisor_version: u64::from(connection.get_hyp_version()?),
                })
            })
            .await
    }

    pub async fn create_volume(&self, name: &str, size_gib: u32, source: &VolumeSource) -> Result<bool> {
        self.storage.create_volume(name, size_gib, source).await
    }

    pub async fn grow_volume(&self, name: &str, size_gib: u32) -> Result<()> {
        self.storage.grow_volume(name, size_gib).await
    }

    pub async fn export_volume(&self, name: &str, blob: &str) -> Result<bool> {
        self.storage.export_volume(name, blob).await
    }

    pub async fn delete_volume(&self, name: &str) -> Result<()> {
        self.storage.delete_volume(name)
    }

    pub async fn list_volumes(&self, prefix: &str) -> Result<Vec<String>> {
        self.storage.list_volumes(prefix)
    }

    pub async fn create_seed(&self, name: &str, files: Vec<(String, Vec<u8>)>, secrets: &SecretVault) -> Result<()> {
        let files = seed::with_hashes(name, files, secrets)?;
        self.storage.write_disk(name, &seed::image(&files)?)
    }

    pub async fn file_reference(&self, kind: &str, name: &str) -> Result<String> {
        self.storage.resolve(kind, name)?;
        Ok(xml::reference(kind, name))
    }

    pub async fn console_tail(&self, name: &str, max_bytes: u32) -> Result<Vec<u8>> {
        self.storage.console_tail(name, max_bytes)
    }

    pub async fn delete_console(&self, name: &str) -> Result<()> {
        self.storage.delete_console(name)
    }

    fn permit_network(&self, network: &str) -> Result<()> {
        if self.networks.iter().any(|granted| granted == network) {
            return Ok(());
        }
        Err(Error::new(ErrorCode::Forbidden, format!("The network {network:?} is not granted to this driver.")))
    }
}
