//! Which client an address belongs to.

use std::net::{IpAddr, Ipv6Addr};

/// What one client has of addresses: one of IPv4, a /64 of IPv6 (every machine may choose freely within it). Everything that is
/// bounded or counted by address counts by this.
#[must_use]
pub fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_network_of_ipv6_is_one_client_and_so_is_an_address_of_ipv4_in_either_form() {
        let origin = |text: &str| super::origin(text.parse().unwrap()).to_string();
        assert_eq!(origin("192.0.2.7"), "192.0.2.7");
        assert_eq!(origin("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(origin("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(origin("2001:db8:1:2::9"), "2001:db8:1:2::");
        assert_ne!(origin("2001:db8:1:3::9"), "2001:db8:1:2::");
    }
}
