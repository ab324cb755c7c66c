//! What the driver keeps in the domain's metadata element: enough to undo the definition without asking the core.

use serde::{Deserialize, Serialize};
use skyloom_sdk::driver::types::DomainSpec;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The operation that defined the domain.
    pub operation: String,
    /// Addresses that libvirt's DHCP gives because of this domain.
    pub leases: Vec<Lease>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    pub network: String,
    pub mac: String,
    pub address: String,
}

/// A NIC on this pseudo-network uses QEMU's own user networking: no libvirt network, no DHCP entry.
pub const USER_NETWORK: &str = "user";

impl Record {
    pub fn of(operation: &str, spec: &DomainSpec) -> Self {
        let nics = spec.nics.iter().filter(|nic| nic.platform_network != USER_NETWORK);
        let leases = nics.flat_map(|nic| {
            nic.addresses.iter().map(|address| Lease {
                network: nic.platform_network.clone(),
                mac: nic.mac.clone(),
                address: address.clone(),
            })
        });
        Self { operation: operation.to_owned(), leases: leases.collect() }
    }

    /// A domain whose record can't be read is still ours; it has nothing to release.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}
