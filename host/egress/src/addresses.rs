//! The addresses that a connection may go to: public ones, and those that the deployment names.
//!
//! A name is the granted host's, its address is whoever's who answers for the name. So it is the address that is checked, each time,
//! and the connection goes to the very address that was.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

/// Special-purpose ranges of IPv4: this machine's and this network's, private, link-local (where clouds keep their metadata), shared,
/// for documentation and tests, multicast and reserved.
const SPECIAL_4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// What is public of IPv6: the rest is loopback, link-local, private, multicast, or holds an address of IPv4.
const PUBLIC_6: &str = "2000::/3";
/// Of that again: tunnels, which hold an address of IPv4, and documentation.
const SPECIAL_6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

#[derive(Debug)]
pub struct Addresses {
    granted: Vec<IpNet>,
    special: Vec<IpNet>,
    public_6: IpNet,
}

impl Addresses {
    /// `granted`: networks or single addresses. Err: the first that is neither.
    pub fn new(granted: &[String]) -> Result<Self, String> {
        let granted = granted.iter().map(|text| {
            parsed(text)
                .ok_or_else(|| format!("addresses: `{text}` is neither an address nor a network such as 10.0.0.0/8"))
        });
        let fixed = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
        Ok(Self {
            granted: granted.collect::<Result<_, _>>()?,
            special: SPECIAL_4.iter().chain(&SPECIAL_6).map(|text| fixed(text)).collect::<Result<_, _>>()?,
            public_6: fixed(PUBLIC_6)?,
        })
    }

    /// An address that a granted host is written as.
    pub fn grant(&mut self, address: IpAddr) {
        self.granted.push(address.to_canonical().into());
    }

    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        let public = address.is_ipv4() || self.public_6.contains(&address);
        within(&self.granted) || public && !within(&self.special)
    }
}

fn parsed(text: &str) -> Option<IpNet> {
    let network: Option<IpNet> = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Into::into));
    // One that is written as IPv6 and means IPv4 would never be met.
    network.filter(|network| match network {
        IpNet::V4(_) => true,
        IpNet::V6(network) => Ipv6Addr::to_ipv4_mapped(&network.addr()).is_none(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(granted: &[&str], address: &str) -> bool {
        let granted: Vec<String> = granted.iter().map(ToString::to_string).collect();
        Addresses::new(&granted).unwrap().allow(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_need_no_word() {
        for address in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(allow(&[], address), "{address}");
        }
    }

    #[test]
    fn others_are_refused_in_every_spelling() {
        for address in [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.31.0.1",
            "192.168.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:1::",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!allow(&[], address), "{address}");
        }
    }

    #[test]
    fn what_the_deployment_names_is_reached_and_no_more() {
        assert!(allow(&["10.0.0.0/8"], "10.1.2.3"));
        assert!(allow(&["10.0.0.5"], "::ffff:10.0.0.5"));
        assert!(!allow(&["10.0.0.5"], "10.0.0.6"));
        assert!(allow(&["::1"], "::1"));
        for wrong in ["ten", "10.0.0.0/33", "::ffff:10.0.0.0/104"] {
            assert!(Addresses::new(&[wrong.to_owned()]).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
