//! Ports of devices: taken, bound to a node, shown to the machine, given back.

use skyloom_model::{Error, ErrorCode, Reach, Result, Timestamp};

use super::OF_CORE;
use super::ports::{Port, get_port, query};
use crate::rows::{Columns, Source as _, Stored as _};
use crate::statement::{delete_from, update};
use crate::{Conn, Row, args, dialect};

/// A device's port with what its machine must know of the network.
#[derive(Clone, Debug)]
pub struct DevicePort {
    pub port: Port,
    pub network_name: String,
    /// Shared or external, so that its name is an operator's word.
    pub of_operators: bool,
    pub mtu: u32,
    pub addresses: Vec<NicAddress>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicAddress {
    pub address: String,
    /// 4 or 6.
    pub ip_version: u8,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    pub gateway: Option<String>,
    pub dns: Vec<String>,
    pub dhcp: bool,
}

/// A server takes a port that its project made before. `in-use` where another device has it, `not-found` where it is another
/// project's.
pub async fn take_port(
    tx: &mut Conn,
    id: &str,
    project_id: &str,
    device_id: &str,
    device_owner: &str,
    position: u32,
) -> Result<Port> {
    let take = "SET device_id = $3, device_owner = $4, of_core = 1, position = $5, updated_at = $6, revision = revision + 1 \
                WHERE id = $1 AND project_id = $2 AND device_id IN ('', $3)";
    let values = args![id, project_id, device_id, device_owner, position, Timestamp::now()];
    let taken = tx.execute(update("ports", take), values).await?;
    let port = get_port(tx, id, &Reach::project(project_id)).await?.ok_or_else(|| Error::not_found("port", id))?;
    if taken == 0 {
        return Err(Error::new(ErrorCode::InUse, format!("Port {id} is still in use.")).with_resource("port", id));
    }
    if port.fixed_ips.is_empty() {
        return Err(Error::invalid("port-id", format!("Port {id} requires a FixedIP in order to be used.")));
    }
    Ok(port)
}

/// Address, IP version, CIDR, gateway, DNS servers as JSON, DHCP.
type AddressRow = (String, u8, String, Option<String>, String, u8);

fn nic_address((address, ip_version, cidr, gateway, dns, dhcp): AddressRow) -> Result<NicAddress> {
    let prefix = cidr.rsplit_once('/').and_then(|(_, prefix)| prefix.parse().ok());
    Ok(NicAddress {
        address,
        ip_version,
        prefix: prefix.ok_or_else(|| Error::internal("the store holds a subnet without a prefix"))?,
        gateway,
        dns: serde_json::from_str(&dns).map_err(Error::internal)?,
        dhcp: dhcp != 0,
    })
}

/// The device's ports in their order, with what the machine must know of their networks: one query.
pub async fn ports_of_device(conn: &mut Conn, device_id: &str) -> Result<Vec<DevicePort>> {
    if device_id.is_empty() {
        return Ok(Vec::new());
    }
    let addresses = dialect::json_rows(
        conn.is_postgres(),
        &["t.address", "t.ip_version", "t.cidr", "t.gateway", "t.dns", "t.dhcp"],
        "SELECT a.address, s.ip_version, s.cidr, s.gateway, s.dns, s.dhcp FROM port_addresses a \
         JOIN subnets s ON s.id = a.subnet_id WHERE a.port_id = p.id ORDER BY s.ip_version, a.number",
    );
    let mut query = query(conn.is_postgres());
    let device = query.text(device_id);
    query.and(format!("p.device_id = {device} AND {OF_CORE}"));
    let columns = format!("p.position, n.name, n.shared + n.external, n.mtu, {addresses}");
    let networks = query.joined(&columns, "ports p JOIN networks n ON n.id = p.network_id");
    let mut found = networks
        .rows(conn, |row| {
            let mut columns = Columns::of(row);
            let port = Port::read(&mut columns)?;
            let position: i64 = columns.read()?;
            let port = DevicePort {
                port,
                network_name: columns.read()?,
                of_operators: columns.read()?,
                mtu: columns.read()?,
                addresses: columns.json::<Vec<AddressRow>>()?.into_iter().map(nic_address).collect::<Result<_>>()?,
            };
            Ok((position, port))
        })
        .await?;
    found.sort_by(|one, other| (one.0, &one.1.port.id).cmp(&(other.0, &other.1.port.id)));
    Ok(found.into_iter().map(|(_, port)| port).collect())
}

/// Ids of the device's ports with their places among its cards, in their order.
pub async fn places_of_device(conn: &mut Conn, device_id: &str) -> Result<Vec<(String, u32)>> {
    let sql = format!("SELECT id, position FROM ports WHERE device_id = $1 AND {OF_CORE} ORDER BY position, id");
    let place = |row: Row<'_>| Ok((row.text(0)?, u32::try_from(row.int(1)?).map_err(Error::internal)?));
    conn.all(sql, args![device_id], place).await
}

/// Gives back the device's ports: those that were made for it go with their addresses, the others are free again. Nothing to
/// give back is no error.
pub async fn release_ports_of_device(tx: &mut Conn, device_id: &str) -> Result<()> {
    release(tx, device_id, "").await
}

/// [`release_ports_of_device`] for one of them.
pub async fn release_port_of_device(tx: &mut Conn, device_id: &str, id: &str) -> Result<()> {
    if id.is_empty() {
        return Ok(());
    }
    release(tx, device_id, id).await
}

/// `only`: this port; empty: all.
async fn release(tx: &mut Conn, device_id: &str, only: &str) -> Result<()> {
    if device_id.is_empty() {
        return Ok(());
    }
    let these = format!("device_id = $1 AND ($2 = '' OR id = $2) AND {OF_CORE}");
    let made_for_it = format!("{these} AND with_device = 1");
    for table in ["port_addresses", "port_groups"] {
        let of_device = format!("WHERE port_id IN (SELECT id FROM ports WHERE {made_for_it})");
        tx.defer(delete_from(table, &of_device).reading(&["ports"]), args![device_id, only]).await?;
    }
    tx.defer(delete_from("ports", &format!("WHERE {made_for_it}")), args![device_id, only]).await?;
    let free = format!(
        "SET device_id = '', device_owner = '', of_core = 0, node = '', position = 0, updated_at = $3, \
         revision = revision + 1 WHERE {these}"
    );
    tx.defer(update("ports", &free), args![device_id, only, Timestamp::now()]).await
}

/// Says which compute node the port's device runs on; empty: none. False: there is no such port.
pub async fn bind_port(tx: &mut Conn, id: &str, node: &str) -> Result<bool> {
    let changed = tx
        .execute(
            update("ports", "SET node = $2, updated_at = $3, revision = revision + 1 WHERE id = $1"),
            args![id, node, Timestamp::now()],
        )
        .await?;
    Ok(changed == 1)
}

/// [`bind_port`] for all ports of a device.
pub async fn bind_ports_of_device(tx: &mut Conn, device_id: &str, node: &str) -> Result<()> {
    if device_id.is_empty() {
        return Ok(());
    }
    tx.defer(
        update(
            "ports",
            &format!("SET node = $2, updated_at = $3, revision = revision + 1 WHERE device_id = $1 AND {OF_CORE}"),
        ),
        args![device_id, node, Timestamp::now()],
    )
    .await
}
