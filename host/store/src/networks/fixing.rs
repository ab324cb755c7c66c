//! Which addresses a port gets.

use std::net::IpAddr;

use skyloom_model::{Error, ErrorCode, Result};

use super::addresses::{exhausted, take};
use super::subnets::{Subnet, subnets_of_network};
use crate::statement::delete_from;
use crate::{Conn, args};

/// The order of the fields is the order of a port's query: it brings its addresses as JSON arrays.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct FixedIp {
    pub subnet_id: String,
    pub address: String,
}

/// An address to get: neither says any, the subnet alone says a free one of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixedRequest {
    pub subnet_id: Option<String>,
    pub address: Option<IpAddr>,
}

/// One address of each IP version: of the first subnet, by age, that has one free.
pub(super) async fn fix_default(tx: &mut Conn, subnets: &[Subnet], port_id: &str) -> Result<()> {
    for version in [4, 6] {
        let mut full = None;
        let mut given = false;
        for subnet in subnets.iter().filter(|subnet| subnet.cidr.ip_version() == version) {
            match take(tx, &subnet.id, &subnet.pools, None, port_id).await {
                Ok(_) => {
                    given = true;
                    break;
                }
                Err(error) if error.code == ErrorCode::NoAddress => full = Some(subnet),
                Err(error) => return Err(error),
            }
        }
        if let (false, Some(subnet)) = (given, full) {
            return Err(Error::new(
                ErrorCode::NoAddress,
                format!("No more IP addresses available on network {}.", subnet.network_id),
            )
            .with_resource("network", &subnet.network_id));
        }
    }
    Ok(())
}

/// Gives what one request asks for.
pub(super) async fn fix(tx: &mut Conn, subnets: &[Subnet], request: &FixedRequest, port_id: &str) -> Result<()> {
    let fitting: Vec<&Subnet> = subnets
        .iter()
        .filter(|subnet| request.subnet_id.as_ref().is_none_or(|id| *id == subnet.id))
        .filter(|subnet| request.address.is_none_or(|address| subnet.cidr.contains(address)))
        .collect();
    let Some(first) = fitting.first() else {
        return Err(misfit(subnets, request));
    };
    if let Some(address) = request.address {
        if !first.cidr.hosts().contains(address) {
            return Err(Error::invalid(
                "fixed-ips",
                format!("IP address {address} is not a valid IP for the specified subnet."),
            )
            .with_reason("not-of-subnet"));
        }
        if first.gateway == Some(address) {
            return Err(Error::invalid(
                "fixed-ips",
                format!("IP address {address} is the gateway of subnet {}.", first.id),
            )
            .with_reason("used"));
        }
        take(tx, &first.id, &first.pools, Some(address), port_id).await?;
        return Ok(());
    }
    for subnet in &fitting {
        match take(tx, &subnet.id, &subnet.pools, None, port_id).await {
            Err(error) if error.code == ErrorCode::NoAddress => {}
            other => return other.map(drop),
        }
    }
    Err(exhausted(&first.id))
}

fn misfit(subnets: &[Subnet], request: &FixedRequest) -> Error {
    let (reason, message) = match (&request.subnet_id, request.address) {
        (Some(id), Some(address)) if subnets.iter().any(|subnet| subnet.id == *id) => {
            ("not-of-subnet", format!("IP address {address} is not a valid IP for subnet {id}."))
        }
        (Some(id), _) => ("unknown", format!("Subnet {id} could not be found on the port's network.")),
        (None, Some(address)) => {
            let message =
                format!("IP address {address} is not a valid IP for any of the subnets on the port's network.");
            ("not-of-network", message)
        }
        (None, None) => ("missing", "The port's network has no subnet.".to_owned()),
    };
    Error::invalid("fixed-ips", message).with_reason(reason)
}

/// Whether the requests name what a port has.
#[must_use]
pub fn same_addresses(has: &[FixedIp], requests: &[FixedRequest]) -> bool {
    let (gone, wanted) = changes(has, requests);
    gone.is_empty() && wanted.is_empty()
}

/// What of a port's addresses the requests don't name, and what they ask for beyond them.
fn changes<'a>(has: &'a [FixedIp], requests: &[FixedRequest]) -> (Vec<&'a FixedIp>, Vec<FixedRequest>) {
    let mut wanted = requests.to_vec();
    let mut gone = Vec::new();
    for fixed in has {
        let fits = |request: &FixedRequest| request.subnet_id.as_ref().is_none_or(|id| *id == fixed.subnet_id);
        let by_address = wanted.iter().position(|request| {
            fits(request) && request.address.is_some_and(|address| address.to_string() == fixed.address)
        });
        let by_subnet =
            wanted.iter().position(|request| fits(request) && request.address.is_none() && request.subnet_id.is_some());
        match by_address.or(by_subnet) {
            Some(at) => {
                wanted.remove(at);
            }
            None => gone.push(fixed),
        }
    }
    (gone, wanted)
}

/// Gives back what the requests don't name of what the port has, and takes what they name anew.
pub(super) async fn refix(
    tx: &mut Conn,
    port_id: &str,
    network_id: &str,
    has: &[FixedIp],
    requests: &[FixedRequest],
) -> Result<()> {
    let (gone, wanted) = changes(has, requests);
    for fixed in gone {
        tx.execute(
            delete_from("port_addresses", "WHERE subnet_id = $1 AND address = $2 AND port_id = $3"),
            args![&fixed.subnet_id, &fixed.address, port_id],
        )
        .await?;
    }
    let subnets = subnets_of_network(tx, network_id).await?;
    for request in &wanted {
        fix(tx, &subnets, request, port_id).await?;
    }
    Ok(())
}

/// Whether a port has this address in the subnet; none: any address of it.
pub async fn address_taken(conn: &mut Conn, subnet_id: &str, address: Option<IpAddr>) -> Result<bool> {
    let found = match address {
        Some(address) => {
            conn.optional(
                "SELECT port_id FROM port_addresses WHERE subnet_id = $1 AND address = $2",
                args![subnet_id, &address.to_string()],
                |row| row.text(0),
            )
            .await?
        }
        None => {
            conn.optional("SELECT port_id FROM port_addresses WHERE subnet_id = $1 LIMIT 1", args![subnet_id], |row| {
                row.text(0)
            })
            .await?
        }
    };
    Ok(found.is_some())
}
