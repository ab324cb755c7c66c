//! What the driver keeps in the domain's metadata element: enough to undo the definition without asking the core.

use serde::{Deserialize, Serialize};
use skyloom_sdk::driver::types::{DomainSpec, Nic};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The operation that defined the domain.
    pub operation: String,
    /// Addresses that libvirt's DHCP gives because of this domain.
    pub leases: Vec<Lease>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    pub network: String,
    pub mac: String,
    pub address: String,
}

/// A NIC on this pseudo-network uses QEMU's own user networking: no libvirt network, no DHCP entry.
pub const USER_NETWORK: &str = "user";

/// What libvirt's DHCP gives a card.
pub fn leases(nic: &Nic) -> Vec<Lease> {
    if nic.platform_network == USER_NETWORK {
        return Vec::new();
    }
    let lease = |address: &String| Lease {
        network: nic.platform_network.clone(),
        mac: nic.mac.clone(),
        address: address.clone(),
    };
    nic.addresses.iter().map(lease).collect()
}

impl Record {
    pub fn of(operation: &str, spec: &DomainSpec) -> Self {
        Self { operation: operation.to_owned(), leases: spec.nics.iter().flat_map(leases).collect() }
    }

    /// With these leases, each once.
    pub fn with(&self, more: &[Lease]) -> Self {
        let mut leases = self.leases.clone();
        leases.extend(more.iter().filter(|lease| !self.leases.contains(lease)).cloned());
        Self { operation: self.operation.clone(), leases }
    }

    /// Without those of the card with this hardware address.
    pub fn without(&self, mac: &str) -> Self {
        let leases = self.leases.iter().filter(|lease| lease.mac != mac).cloned().collect();
        Self { operation: self.operation.clone(), leases }
    }

    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A domain whose record can't be read is still ours; it has nothing to release.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}
