//! What a subnet and a rule of a security group may say.

use std::net::IpAddr;

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_store::networks::{Cidr, NewRule, Subnet};

use super::Settings;

pub(super) fn address(field: &str, text: &str) -> Result<IpAddr> {
    text.parse().map_err(|_| Error::invalid(field, format!("'{text}' is not a valid IP address.")))
}

/// A subnet's CIDR: strict, and smaller than everything.
pub(super) fn cidr(text: &str) -> Result<Cidr> {
    let cidr = Cidr::parse(text)
        .ok_or_else(|| Error::invalid("cidr", format!("'{text}' isn't a recognized IP subnet cidr.")))?;
    if cidr.prefix == 0 {
        return Err(Error::invalid("cidr", "0 is not allowed as CIDR prefix length."));
    }
    Ok(cidr)
}

/// The gateway of a subnet that names none: the first address, where a machine's is left beside it.
pub(super) fn first_gateway(cidr: &Cidr) -> Option<IpAddr> {
    let hosts = cidr.hosts();
    (hosts.start != hosts.end).then_some(hosts.start)
}

/// All that holds for a subnet by itself.
pub(super) fn check_subnet(settings: &Settings, subnet: &Subnet) -> Result<()> {
    let cidr = &subnet.cidr;
    let hosts = cidr.hosts();
    if subnet.dhcp && hosts.start == cidr.base {
        return Err(Error::invalid(
            "cidr",
            "Subnet has a prefix length that is incompatible with DHCP service enabled.",
        ));
    }
    if subnet.dhcp && (cidr.base.is_multicast() || cidr.base.is_loopback()) {
        return Err(Error::invalid(
            "cidr",
            "Multicast and loopback IP subnets are not supported if enable_dhcp is True.",
        ));
    }
    if let Some(gateway) = subnet.gateway {
        let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local()) && cidr.ip_version() == 6;
        if !hosts.contains(gateway) && !link_local {
            return Err(Error::invalid("gateway", format!("Gateway {gateway} is not valid on subnet {cidr}.")));
        }
        if let Some(pool) = subnet.pools.iter().find(|pool| pool.contains(gateway)) {
            let (start, end) = (pool.start, pool.end);
            return Err(conflict(
                "gateway",
                format!("Gateway ip {gateway} conflicts with allocation pool {start}-{end}."),
            ));
        }
    }
    check_pools(subnet)?;
    check_texts(settings, subnet)
}

fn conflict(field: &str, message: String) -> Error {
    Error::new(ErrorCode::WrongState, message).with_field(field)
}

fn check_pools(subnet: &Subnet) -> Result<()> {
    let hosts = subnet.cidr.hosts();
    for (at, pool) in subnet.pools.iter().enumerate() {
        let (start, end) = (pool.start, pool.end);
        if start.is_ipv6() != end.is_ipv6() || start > end {
            return Err(Error::invalid("pools", format!("The allocation pool {start}-{end} is not valid.")));
        }
        if !hosts.contains(start) || !hosts.contains(end) {
            let message = format!("The allocation pool {start}-{end} spans beyond the subnet cidr {}.", subnet.cidr);
            return Err(Error::invalid("pools", message));
        }
        if let Some(other) = subnet.pools[..at].iter().find(|other| other.overlaps(pool)) {
            let message = format!(
                "Found overlapping allocation pools: {}-{}, {start}-{end} for subnet {}.",
                other.start, other.end, subnet.cidr
            );
            return Err(conflict("pools", message));
        }
    }
    Ok(())
}

fn check_texts(settings: &Settings, subnet: &Subnet) -> Result<()> {
    if subnet.dns.len() > settings.max_dns_servers {
        let message = format!(
            "Unable to complete operation for {}. The number of DNS nameservers exceeds the limit {}.",
            subnet.id, settings.max_dns_servers
        );
        return Err(Error::invalid("dns", message));
    }
    for (at, server) in subnet.dns.iter().enumerate() {
        address("dns", server)?;
        if subnet.dns[..at].contains(server) {
            return Err(Error::invalid("dns", format!("Duplicate nameserver '{server}'.")));
        }
    }
    if subnet.host_routes.len() > settings.max_host_routes {
        let message = format!(
            "Unable to complete operation for {}. The number of host routes exceeds the limit {}.",
            subnet.id, settings.max_host_routes
        );
        return Err(Error::invalid("host-routes", message));
    }
    for (at, route) in subnet.host_routes.iter().enumerate() {
        if Cidr::parse(&route.0).is_none() {
            return Err(Error::invalid("host-routes", format!("'{}' isn't a recognized IP subnet cidr.", route.0)));
        }
        address("host-routes", &route.1)?;
        if subnet.host_routes[..at].contains(route) {
            return Err(Error::invalid("host-routes", format!("Duplicate hostroute '{}'.", route.0)));
        }
    }
    Ok(())
}

/// Names of IP protocols that a rule may use, and whether they are of version 6 only.
const PROTOCOLS: &[(&str, bool)] = &[
    ("ah", false),
    ("dccp", false),
    ("egp", false),
    ("esp", false),
    ("gre", false),
    ("hopopt", false),
    ("icmp", false),
    ("icmpv6", true),
    ("igmp", false),
    ("ip", false),
    ("ipip", false),
    ("ipv6-encap", true),
    ("ipv6-frag", true),
    ("ipv6-icmp", true),
    ("ipv6-nonxt", true),
    ("ipv6-opts", true),
    ("ipv6-route", true),
    ("ospf", false),
    ("pgm", false),
    ("rsvp", false),
    ("sctp", false),
    ("tcp", false),
    ("udp", false),
    ("udplite", false),
    ("vrrp", false),
];

/// Puts a rule into its stored form and checks it by itself.
pub(super) fn check_rule(mut rule: NewRule) -> Result<NewRule> {
    if !matches!(rule.ip_version, 4 | 6) {
        return Err(Error::invalid("ip-version", format!("'{}' is not an IP version; it is 4 or 6.", rule.ip_version)));
    }
    rule.protocol = rule.protocol.map(|protocol| protocol.to_ascii_lowercase()).filter(|protocol| protocol != "any");
    if let Some(protocol) = &rule.protocol {
        check_protocol(protocol, rule.ip_version)?;
    }
    check_ports(&rule)?;
    if rule.remote_cidr.is_some() && rule.remote_group_id.is_some() {
        return Err(Error::invalid("remote-cidr", "Only remote_ip_prefix or remote_group_id may be provided."));
    }
    rule.remote_cidr = rule.remote_cidr.as_deref().map(|text| remote(text, rule.ip_version)).transpose()?;
    Ok(rule)
}

fn check_protocol(protocol: &str, ip_version: u8) -> Result<()> {
    let number = protocol.bytes().all(|byte| byte.is_ascii_digit()).then(|| protocol.parse::<u8>().ok()).flatten();
    if number.is_some() {
        return Ok(());
    }
    match PROTOCOLS.iter().find(|(name, _)| *name == protocol) {
        None => {
            let message = format!(
                "Security group rule protocol {protocol} not supported. Only protocol names and integer representations [0 to \
                 255] are supported."
            );
            Err(Error::invalid("protocol", message))
        }
        Some((_, true)) if ip_version == 4 => {
            Err(Error::invalid("protocol", format!("Invalid ethertype IPv4 for protocol {protocol}.")))
        }
        Some(_) => Ok(()),
    }
}

fn check_ports(rule: &NewRule) -> Result<()> {
    let (min, max) = (rule.port_min, rule.port_max);
    if min.is_none() && max.is_none() {
        return Ok(());
    }
    match rule.protocol.as_deref() {
        None => Err(Error::invalid("protocol", "Must also specify protocol if port range is given.")),
        Some("tcp" | "6" | "udp" | "17" | "sctp" | "132" | "dccp" | "33" | "udplite" | "136") => {
            if let Some(port) = [min, max].into_iter().flatten().find(|port| !(1..=65535).contains(port)) {
                return Err(Error::invalid("port-min", format!("Invalid value for port {port}.")));
            }
            match (min, max) {
                (Some(min), Some(max)) if min <= max => Ok(()),
                _ => {
                    Err(Error::invalid("port-min", "For TCP/UDP protocols, port_range_min must be <= port_range_max."))
                }
            }
        }
        Some("icmp" | "1" | "icmpv6" | "ipv6-icmp" | "58") => {
            for (field, word, value) in [("port-min", "port_range_min", min), ("port-max", "port_range_max", max)] {
                if let Some(value) = value.filter(|value| !(0..=255).contains(value)) {
                    let message = format!("Invalid value for ICMP {word}: {value}. It must be 0 to 255.");
                    return Err(Error::invalid(field, message));
                }
            }
            if min.is_none() {
                let message = "ICMP code (port-range-max) is provided but ICMP type (port-range-min) is missing.";
                return Err(Error::invalid("port-min", message));
            }
            Ok(())
        }
        Some(protocol) => {
            Err(Error::invalid("port-min", format!("Ports cannot be given for the protocol {protocol}; it has none.")))
        }
    }
}

/// A remote network: an address alone is its own network, bits beyond the prefix are cut off.
fn remote(text: &str, ip_version: u8) -> Result<String> {
    let wrong = || Error::invalid("remote-cidr", format!("'{text}' isn't a recognized IP subnet cidr."));
    let (base, prefix) = match text.split_once('/') {
        Some((base, prefix)) => (base.parse::<IpAddr>().map_err(|_| wrong())?, Some(prefix)),
        None => (text.parse::<IpAddr>().map_err(|_| wrong())?, None),
    };
    let width: u8 = if base.is_ipv6() { 128 } else { 32 };
    let prefix = match prefix {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().map_err(|_| wrong())?,
        Some(_) => return Err(wrong()),
        None => width,
    };
    if prefix > width {
        return Err(wrong());
    }
    if base.is_ipv6() != (ip_version == 6) {
        let message = format!("Conflicting value ethertype IPv{ip_version} for CIDR {text}.");
        return Err(Error::invalid("remote-cidr", message));
    }
    Ok(match base {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            format!("{}/{prefix}", std::net::Ipv4Addr::from(u32::from(v4) & mask))
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            format!("{}/{prefix}", std::net::Ipv6Addr::from(u128::from(v6) & mask))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(protocol: Option<&str>, min: Option<i64>, max: Option<i64>) -> NewRule {
        NewRule {
            ip_version: 4,
            protocol: protocol.map(ToOwned::to_owned),
            port_min: min,
            port_max: max,
            ..NewRule::default()
        }
    }

    #[test]
    fn rules_are_checked_by_protocol() {
        for (protocol, min, max, field) in [
            (Some("tcp"), Some(1), Some(65535), None),
            (Some("TCP"), Some(22), Some(22), None),
            (Some("6"), Some(22), Some(21), Some("port-min")),
            (Some("udp"), Some(0), Some(1), Some("port-min")),
            (Some("udp"), None, Some(1), Some("port-min")),
            (Some("tcp"), Some(1), Some(65536), Some("port-min")),
            (Some("icmp"), Some(8), None, None),
            (Some("icmp"), Some(8), Some(256), Some("port-max")),
            (Some("icmp"), None, Some(0), Some("port-min")),
            (Some("vrrp"), Some(1), Some(1), Some("port-min")),
            (Some("icmpv6"), None, None, Some("protocol")),
            (Some("255"), None, None, None),
            (Some("256"), None, None, Some("protocol")),
            (Some("nonsense"), None, None, Some("protocol")),
            (Some(""), None, None, Some("protocol")),
            (None, Some(1), Some(1), Some("protocol")),
            (Some("any"), None, None, None),
            (None, None, None, None),
        ] {
            let answer = check_rule(rule(protocol, min, max)).map_err(|error| error.field);
            let expected = field.map(|field| Some(field.to_owned()));
            assert_eq!(answer.err(), expected, "{protocol:?} {min:?} {max:?}");
        }
    }

    #[test]
    fn a_remote_network_is_brought_into_one_form() {
        for (given, version, stored) in [
            ("10.1.2.3/8", 4, Some("10.0.0.0/8")),
            ("10.1.2.3", 4, Some("10.1.2.3/32")),
            ("0.0.0.0/0", 4, Some("0.0.0.0/0")),
            ("::/0", 6, Some("::/0")),
            ("fd00::1/64", 6, Some("fd00::/64")),
            ("fd00::1", 4, None),
            ("10.0.0.0/33", 4, None),
            ("10.0.0.0/-1", 4, None),
            ("x", 4, None),
        ] {
            let checked =
                check_rule(NewRule { ip_version: version, remote_cidr: Some(given.to_owned()), ..NewRule::default() });
            assert_eq!(checked.ok().and_then(|rule| rule.remote_cidr).as_deref(), stored, "{given}");
        }
        let both = NewRule {
            ip_version: 4,
            remote_cidr: Some("10.0.0.0/8".to_owned()),
            remote_group_id: Some("group".to_owned()),
            ..NewRule::default()
        };
        assert_eq!(check_rule(both).expect_err("both").code, ErrorCode::Invalid);
    }
}
