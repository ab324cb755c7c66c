//! DHCP host entries: libvirt hands the guest the address that the core chose.

use skyloom_model::{Error, ErrorCode, Result};
use virt::error::ErrorNumber;
use virt::network::Network;
use virt::sys;

use super::connection::Failure;
use super::{Libvirt, answers, xml};

impl Libvirt {
    pub async fn add_dhcp_host(&self, network: &str, mac: &str, address: &str, hostname: &str) -> Result<()> {
        let name = Some(hostname).filter(|name| !name.is_empty());
        let (named, nameless) = (entry(mac, address, name)?, entry(mac, address, None)?);
        let (mac, address) = (mac.to_owned(), address.to_owned());
        self.with_network(network, &mac.clone(), move |network| {
            let network = network.map_err(Failure::Libvirt)?;
            let add = |entry: &str| update(&network, sys::VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, entry);
            match add(&named) {
                Err(error) if is_taken(&error) => {}
                other => return Ok(other?),
            }
            if answers::holds_host(&network.get_xml_desc(0)?, &mac, &address)? {
                return Ok(());
            }
            // Names needn't be unique, libvirt's entries must: then this guest gets its address without a name.
            match add(&nameless) {
                Err(error) if is_taken(&error) => Err(Failure::Ours(
                    Error::new(ErrorCode::DriverFailed, "The server's address is taken on the platform's network.")
                        .with_internal(format!("libvirt: {}", error.message())),
                )),
                other => Ok(other?),
            }
        })
        .await
    }

    pub async fn remove_dhcp_host(&self, network: &str, mac: &str, address: &str) -> Result<()> {
        let entry = entry(mac, address, None)?;
        self.with_network(network, mac, move |network| {
            let network = match network {
                Err(error) if error.code() == ErrorNumber::NoNetwork => return Ok(()),
                other => other.map_err(Failure::Libvirt)?,
            };
            match update(&network, sys::VIR_NETWORK_UPDATE_COMMAND_DELETE, &entry) {
                Err(error) if is_absent(&error) => Ok(()),
                other => Ok(other?),
            }
        })
        .await
    }

    /// For the entry of this card.
    async fn with_network(
        &self,
        network: &str,
        mac: &str,
        work: impl FnOnce(std::result::Result<Network, virt::error::Error>) -> std::result::Result<(), Failure>
        + Send
        + 'static,
    ) -> Result<()> {
        self.permit_network(network)?;
        let name = network.to_owned();
        let thing = format!("{network}/{mac}");
        self.connections.in_turn(&thing, move |connection| work(Network::lookup_by_name(connection, &name))).await
    }
}

fn update(
    network: &Network,
    command: sys::virNetworkUpdateCommand,
    entry: &str,
) -> std::result::Result<(), virt::error::Error> {
    let mut flags = sys::VIR_NETWORK_UPDATE_AFFECT_CONFIG;
    if network.is_active()? {
        flags |= sys::VIR_NETWORK_UPDATE_AFFECT_LIVE;
    }
    network.update(command, sys::VIR_NETWORK_SECTION_IP_DHCP_HOST, -1, entry, flags).map(drop)
}

/// libvirt says so, in whichever words of its version, where an entry has the MAC, the address or the name already.
fn is_taken(error: &virt::error::Error) -> bool {
    error.code() == ErrorNumber::OperationInvalid && error.message().contains("existing")
}

fn is_absent(error: &virt::error::Error) -> bool {
    error.code() == ErrorNumber::OperationInvalid && error.message().contains("locate a matching")
}

/// In the one form in which libvirt shows it: digits in pairs with colons between.
pub(super) fn check_mac(mac: &str) -> Result<()> {
    let is_mac = mac.len() == 17
        && mac.split(':').count() == 6
        && mac.split(':').all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_mac { Ok(()) } else { Err(Error::invalid("mac", format!("{mac:?} is no MAC address"))) }
}

fn entry(mac: &str, address: &str, hostname: Option<&str>) -> Result<String> {
    check_mac(mac)?;
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
