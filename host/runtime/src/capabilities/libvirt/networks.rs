//! DHCP host entries: libvirt hands the guest the address that the core chose.

use skyloom_model::{Error, Result};
use virt::error::ErrorNumber;
use virt::network::Network;
use virt::sys;

use super::connection::Failure;
use super::{Libvirt, xml};

impl Libvirt {
    pub async fn add_dhcp_host(&self, network: &str, mac: &str, address: &str, hostname: &str) -> Result<()> {
        let entry = entry(mac, address, Some(hostname))?;
        self.update(network, sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, entry, |error| {
            // libvirt says so of an entry that is there already, in whichever words of its version.
            error.code() == ErrorNumber::OperationInvalid && error.message().contains("existing")
        })
        .await
    }

    pub async fn remove_dhcp_host(&self, network: &str, mac: &str, address: &str) -> Result<()> {
        let entry = entry(mac, address, None)?;
        self.update(network, sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, entry, |error| {
            error.code() == ErrorNumber::NoNetwork
                || (error.code() == ErrorNumber::OperationInvalid && error.message().contains("locate a matching"))
        })
        .await
    }

    async fn update(
        &self,
        network: &str,
        command: sys::virNetworkUpdateCommand,
        entry: String,
        is_done_already: fn(&virt::error::Error) -> bool,
    ) -> Result<()> {
        self.permit_network(network)?;
        let name = network.to_owned();
        self.connections
            .run(move |connection| {
                let network = match Network::lookup_by_name(connection, &name) {
                    Ok(network) => network,
                    Err(error) if is_done_already(&error) => return Ok(()),
                    Err(error) => return Err(Failure::Libvirt(error)),
                };
                let mut flags = sys::VIR_NETWORK_UPDATE_AFFECT_CONFIG;
                if network.is_active()? {
                    flags |= sys::VIR_NETWORK_UPDATE_AFFECT_LIVE;
                }
                match network.update(command, sys::VIR_NETWORK_SECTION_IP_DHCP_HOST, -1, &entry, flags) {
                    Err(error) if !is_done_already(&error) => Err(error.into()),
                    _ => Ok(()),
                }
            })
            .await
    }
}

fn entry(mac: &str, address: &str, hostname: Option<&str>) -> Result<String> {
    let is_mac = mac.len() == 17
        && mac.split(':').count() == 6
        && mac.split(':').all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !is_mac {
        return Err(Error::invalid("mac", format!("{mac:?} is no MAC address")));
    }
    let address: std::net::IpAddr =
        address.parse().map_err(|_| Error::invalid("address", format!("{address:?} is no address")))?;
    let name = hostname.map(|name| format!(" name='{}'", xml::escape(name))).unwrap_or_default();
    Ok(if address.is_ipv6() {
        // IPv6 leases are found by name: libvirt knows no MAC there.
        format!("<host{name} ip='{address}'/>")
    } else {
        format!("<host mac='{mac}'{name} ip='{address}'/>")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_holds_only_what_it_claims() {
        assert!(entry("52:54:00:00:00:01' ip='1", "10.0.0.2", None).is_err());
        assert!(entry("52:54:00:00:00:01", "10.0.0.2'/><x", None).is_err());
        let text = entry("52:54:00:00:00:01", "10.0.0.2", Some("a'b")).unwrap();
        assert_eq!(text, "<host mac='52:54:00:00:00:01' name='a&apos;b' ip='10.0.0.2'/>");
    }
}
