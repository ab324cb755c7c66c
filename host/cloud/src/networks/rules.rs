//! What a subnet may say.

use std::net::IpAddr;

use skyloom_model::{Error, ErrorCode, Result};
use skyloom_store::networks::{Cidr, Prefixed, Subnet};

use super::{MAX_POOLS, MAX_TEXT, Settings, at_most};

pub(super) fn address(field: &str, text: &str) -> Result<IpAddr> {
    let malformed = |_| Error::invalid(field, format!("'{text}' is not a valid IP address.")).with_reason("malformed");
    text.parse().map_err(malformed)
}

/// A subnet's CIDR: bits beyond the prefix are cut off; smaller than everything.
pub(super) fn cidr(text: &str) -> Result<Cidr> {
    let cidr = Prefixed::parse(text).ok_or_else(|| malformed_cidr("cidr", text))?.network();
    if cidr.prefix == 0 {
        return Err(Error::invalid("cidr", "0 is not allowed as CIDR prefix length."));
    }
    Ok(cidr)
}

fn malformed_cidr(field: &str, text: &str) -> Error {
    Error::invalid(field, format!("'{text}' isn't a recognized IP subnet cidr.")).with_reason("malformed")
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
        check_gateway(subnet, gateway)?;
    }
    check_pools(subnet)?;
    check_texts(settings, subnet)
}

/// It may stand outside of its subnet.
fn check_gateway(subnet: &Subnet, gateway: IpAddr) -> Result<()> {
    let cidr = &subnet.cidr;
    if gateway.is_ipv6() != cidr.base.is_ipv6() {
        let message = format!("gateway_ip '{gateway}' does not match the ip_version '{}'.", cidr.ip_version());
        return Err(Error::invalid("gateway", message));
    }
    // Version 4 keeps the first and the last address for itself.
    if cidr.ip_version() == 4 && cidr.contains(gateway) && !cidr.hosts().contains(gateway) {
        return Err(Error::invalid("gateway", format!("Gateway {gateway} is not valid on subnet {cidr}.")));
    }
    if let Some(pool) = subnet.pools.iter().find(|pool| pool.contains(gateway)) {
        let (start, end) = (pool.start, pool.end);
        return Err(conflict("gateway", format!("Gateway ip {gateway} conflicts with allocation pool {start}-{end}.")));
    }
    Ok(())
}

fn conflict(field: &str, message: String) -> Error {
    Error::new(ErrorCode::WrongState, message).with_field(field)
}

fn check_pools(subnet: &Subnet) -> Result<()> {
    at_most("pools", subnet.pools.len(), MAX_POOLS)?;
    let hosts = subnet.cidr.hosts();
    for (at, pool) in subnet.pools.iter().enumerate() {
        let (start, end) = (pool.start, pool.end);
        if start.is_ipv6() != end.is_ipv6() || start > end {
            let message = format!("The allocation pool {start}-{end} is not valid.");
            return Err(Error::invalid("pools", message).with_reason("order"));
        }
        if !hosts.contains(start) || !hosts.contains(end) {
            let message = format!("The allocation pool {start}-{end} spans beyond the subnet cidr {}.", subnet.cidr);
            return Err(Error::invalid("pools", message).with_reason("out-of-range"));
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

/// What stands in a subnet is of its IP version. `part`: what of the field it is.
fn same_version(subnet: &Subnet, field: &str, part: &str, text: &str, is_ipv6: bool) -> Result<()> {
    let version = subnet.cidr.ip_version();
    if is_ipv6 == (version == 6) {
        return Ok(());
    }
    Err(Error::invalid(field, format!("{part} '{text}' does not match the ip_version '{version}'.")))
}

fn check_texts(settings: &Settings, subnet: &Subnet) -> Result<()> {
    if subnet.dns.len() > settings.max_dns_servers {
        let message = format!(
            "Unable to complete operation for {}. The number of DNS nameservers exceeds the limit {}.",
            subnet.id, settings.max_dns_servers
        );
        return Err(Error::invalid("dns", message).with_reason("too-many"));
    }
    for (at, server) in subnet.dns.iter().enumerate() {
        same_version(subnet, "dns", "dns_nameserver", server, address("dns", server)?.is_ipv6())?;
        if subnet.dns[..at].contains(server) {
            return Err(Error::invalid("dns", format!("Duplicate nameserver '{server}'.")).with_reason("duplicate"));
        }
    }
    if subnet.host_routes.len() > settings.max_host_routes {
        let message = format!(
            "Unable to complete operation for {}. The number of host routes exceeds the limit {}.",
            subnet.id, settings.max_host_routes
        );
        return Err(Error::invalid("host-routes", message).with_reason("too-many"));
    }
    for (at, route) in subnet.host_routes.iter().enumerate() {
        let destination = Some(&route.0).filter(|text| text.len() <= MAX_TEXT).and_then(|text| Cidr::parse(text));
        let destination = destination.ok_or_else(|| malformed_cidr("host-routes", &route.0))?;
        same_version(subnet, "host-routes", "destination", &route.0, destination.base.is_ipv6())?;
        same_version(subnet, "host-routes", "nexthop", &route.1, address("host-routes", &route.1)?.is_ipv6())?;
        if subnet.host_routes[..at].contains(route) {
            let message = format!("Duplicate hostroute '{}'.", route.0);
            return Err(Error::invalid("host-routes", message).with_reason("duplicate"));
        }
    }
    Ok(())
}
