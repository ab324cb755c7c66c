//! Ports: a place on a network, with its addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use skyloom_model::{Error, ErrorCode, Result, Timestamp};

use super::addresses::{exhausted, take};
use super::subnets::{Subnet, subnets_of_network};
use super::{BY_ID, PORT_KEYS, default_group};
use crate::listing::{Listed, Page, Query};
use crate::{Conn, Row, args, dialect};

/// Locally administered, unicast.
const MAC_PREFIX: &str = "fa:16:3e";
/// How many random hardware addresses are tried; a network of a million ports meets a taken one once in 17 draws.
const MAC_ATTEMPTS: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub id: String,
    pub network_id: String,
    pub project_id: String,
    pub name: String,
    pub description: String,
    pub mac: String,
    pub enabled: bool,
    pub port_security: bool,
    /// Empty: nothing uses it.
    pub device_id: String,
    pub device_owner: String,
    /// Made for its device, and goes with it.
    pub with_device: bool,
    /// Empty: not bound.
    pub node: String,
    /// Bound, and its device's power is on.
    pub active: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: i64,
    pub fixed_ips: Vec<FixedIp>,
    pub security_group_ids: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedIp {
    pub subnet_id: String,
    pub address: String,
}

/// All that are set must hold; lists mean any of them.
#[derive(Clone, Debug, Default)]
pub struct PortFilter {
    /// The project that looks. None: all.
    pub viewer: Option<String>,
    pub ids: Vec<String>,
    pub names: Vec<String>,
    pub project_id: Option<String>,
    pub network_ids: Vec<String>,
    pub device_ids: Vec<String>,
    pub device_owner: Option<String>,
    pub macs: Vec<String>,
    pub address: Option<String>,
    pub subnet_id: Option<String>,
    pub security_group_ids: Vec<String>,
}

/// An address to get: neither says any, the subnet alone says a free one of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FixedRequest {
    pub subnet_id: Option<String>,
    pub address: Option<IpAddr>,
}

/// A port to make.
#[derive(Clone, Debug, Default)]
pub struct NewPort {
    pub id: String,
    pub project_id: String,
    pub network_id: String,
    pub name: String,
    pub description: String,
    /// None: a random one.
    pub mac: Option<String>,
    pub enabled: bool,
    pub port_security: bool,
    pub device_id: String,
    pub device_owner: String,
    pub with_device: bool,
    pub position: u32,
    /// None: one of each IP version that the network's subnets have.
    pub fixed_ips: Option<Vec<FixedRequest>>,
    pub security_group_ids: Vec<String>,
}

/// A port that a server asks for.
#[derive(Clone, Debug, Default)]
pub struct PortSpec {
    /// Minted before; a second call with the same id and device gives the port that the first one made.
    pub id: String,
    pub project_id: String,
    pub network_id: String,
    pub subnet_id: Option<String>,
    pub address: Option<IpAddr>,
    /// Ids; empty: the project's default group.
    pub security_groups: Vec<String>,
    pub device_id: String,
    /// e.g. `compute:zone-1`.
    pub device_owner: String,
    pub mac: Option<String>,
    /// The place among the server's cards.
    pub position: u32,
}

/// What a port's owner may change.
#[derive(Clone, Debug, Default)]
pub struct PortUpdate {
    pub name: Option<String>,
    pub description: Option<String>,
    pub mac: Option<String>,
    pub enabled: Option<bool>,
    pub port_security: Option<bool>,
    pub device_id: Option<String>,
    pub device_owner: Option<String>,
    /// The whole list as it shall be: addresses that stand in it stay.
    pub fixed_ips: Option<Vec<FixedRequest>>,
    pub security_group_ids: Option<Vec<String>>,
}

/// A device's port with what its machine must know of the network.
#[derive(Clone, Debug)]
pub struct DevicePort {
    pub port: Port,
    pub network_name: String,
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

const COLUMNS: &str = "p.id, p.network_id, p.project_id, p.name, p.description, p.mac, p.enabled, p.port_security, p.device_id, \
                       p.device_owner, p.with_device, p.node, p.created_at, p.updated_at, p.revision";

fn query(postgres: bool) -> Query {
    let addresses = dialect::json_rows(
        postgres,
        &["t.subnet_id", "t.address"],
        "SELECT a.subnet_id, a.address FROM port_addresses a JOIN subnets s ON s.id = a.subnet_id WHERE a.port_id = p.id \
         ORDER BY s.ip_version, a.number, a.subnet_id",
    );
    let groups = dialect::json_list(
        postgres,
        "t.group_id",
        "SELECT m.group_id FROM port_groups m WHERE m.port_id = p.id ORDER BY m.group_id",
    );
    // The truth about a port's activity is its server's power.
    let active = "CASE WHEN p.node <> '' AND EXISTS (SELECT 1 FROM servers v WHERE v.id = p.device_id AND v.power_state = \
                  'running') THEN 1 ELSE 0 END";
    Query::new(format!("{COLUMNS}, {addresses}, {groups}, CAST({active} AS BIGINT)"), "ports p", "p.id")
}

fn port(row: Row<'_>) -> Result<Port> {
    let addresses: Vec<(String, String)> = row.json(15)?;
    Ok(Port {
        id: row.text(0)?,
        network_id: row.text(1)?,
        project_id: row.text(2)?,
        name: row.text(3)?,
        description: row.text(4)?,
        mac: row.text(5)?,
        enabled: row.flag(6)?,
        port_security: row.flag(7)?,
        device_id: row.text(8)?,
        device_owner: row.text(9)?,
        with_device: row.flag(10)?,
        node: row.text(11)?,
        active: row.flag(17)?,
        created_at: row.time(12)?,
        updated_at: row.time(13)?,
        revision: row.int(14)?,
        fixed_ips: addresses.into_iter().map(|(subnet_id, address)| FixedIp { subnet_id, address }).collect(),
        security_group_ids: row.json(16)?,
    })
}

fn filtered(conn: &Conn, filter: &PortFilter) -> Query {
    let mut query = query(conn.is_postgres());
    if let Some(viewer) = &filter.viewer {
        let viewer = query.text(viewer);
        query.scope(format!("p.project_id = {viewer}"));
    }
    query.and_any("p.id", &filter.ids);
    query.and_any("p.name", &filter.names);
    query.and_text("p.project_id", filter.project_id.as_deref());
    query.and_any("p.network_id", &filter.network_ids);
    query.and_any("p.device_id", &filter.device_ids);
    query.and_text("p.device_owner", filter.device_owner.as_deref());
    query.and_any("p.mac", &filter.macs);
    // Both must hold for one address.
    let mut address = Vec::new();
    if let Some(wanted) = &filter.address {
        address.push(format!("a.address = {}", query.text(wanted)));
    }
    if let Some(wanted) = &filter.subnet_id {
        address.push(format!("a.subnet_id = {}", query.text(wanted)));
    }
    if !address.is_empty() {
        query.and(format!("p.id IN (SELECT a.port_id FROM port_addresses a WHERE {})", address.join(" AND ")));
    }
    if !filter.security_group_ids.is_empty() {
        let list = query.list(&filter.security_group_ids);
        query.and(format!("p.id IN (SELECT m.port_id FROM port_groups m WHERE m.group_id IN ({list}))"));
    }
    query
}

pub async fn list_ports(conn: &mut Conn, filter: &PortFilter, page: &Page) -> Result<Listed<Port>> {
    filtered(conn, filter).page(conn, PORT_KEYS, BY_ID, page, port).await
}

/// `viewer`: the project that looks; none: any.
pub async fn get_port(conn: &mut Conn, id: &str, viewer: Option<&str>) -> Result<Option<Port>> {
    let filter =
        PortFilter { viewer: viewer.map(ToOwned::to_owned), ids: vec![id.to_owned()], ..PortFilter::default() };
    Ok(filtered(conn, &filter).rows(conn, port).await?.pop())
}

async fn existing(conn: &mut Conn, id: &str) -> Result<Port> {
    get_port(conn, id, None).await?.ok_or_else(|| Error::not_found("port", id))
}

/// Makes a port for a server and gives it its addresses. `no-address`, `address-in-use`, `invalid` where the network has no
/// subnet.
pub async fn allocate_port(tx: &mut Conn, spec: PortSpec) -> Result<Port> {
    if let Some(made) = get_port(tx, &spec.id, None).await? {
        return if made.device_id == spec.device_id {
            Ok(made)
        } else {
            Err(Error::new(ErrorCode::AlreadyExists, format!("Port {} already exists.", spec.id)))
        };
    }
    let port_security = port_security_of(tx, &spec.network_id).await?;
    let security_group_ids = if spec.security_groups.is_empty() && port_security {
        vec![default_group(tx, &spec.project_id, Timestamp::now()).await?]
    } else {
        spec.security_groups
    };
    let fixed_ips = (spec.subnet_id.is_some() || spec.address.is_some())
        .then(|| vec![FixedRequest { subnet_id: spec.subnet_id, address: spec.address }]);
    let new = NewPort {
        id: spec.id,
        project_id: spec.project_id,
        network_id: spec.network_id,
        mac: spec.mac,
        enabled: true,
        port_security,
        device_id: spec.device_id,
        device_owner: spec.device_owner,
        with_device: true,
        position: spec.position,
        fixed_ips,
        security_group_ids,
        ..NewPort::default()
    };
    let port = insert_port(tx, &new).await?;
    if port.fixed_ips.is_empty() {
        return Err(Error::invalid(
            "network-id",
            format!("Network {} requires a subnet in order to boot instances on.", port.network_id),
        ));
    }
    Ok(port)
}

async fn port_security_of(conn: &mut Conn, network_id: &str) -> Result<bool> {
    conn.optional("SELECT port_security FROM networks WHERE id = $1", args![network_id], |row| row.flag(0))
        .await?
        .ok_or_else(|| Error::not_found("network", network_id))
}

/// Makes a port with its addresses and groups.
pub async fn insert_port(tx: &mut Conn, new: &NewPort) -> Result<Port> {
    let now = Timestamp::now();
    insert_row(tx, new, now).await?;
    let subnets = subnets_of_network(tx, &new.network_id).await?;
    match &new.fixed_ips {
        Some(requests) => {
            for request in requests {
                fix(tx, &subnets, request, &new.id).await?;
            }
        }
        None => fix_default(tx, &subnets, &new.id).await?,
    }
    set_groups(tx, &new.id, &new.security_group_ids).await?;
    existing(tx, &new.id).await
}

async fn insert_row(tx: &mut Conn, new: &NewPort, now: Timestamp) -> Result<()> {
    for _ in 0..MAC_ATTEMPTS {
        let mac = new.mac.clone().unwrap_or_else(random_mac);
        let made = tx
            .execute(
                "INSERT INTO ports (id, network_id, project_id, name, description, mac, enabled, port_security, device_id, \
                 device_owner, with_device, position, node, created_at, updated_at, revision) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', $13, $13, 1) ON CONFLICT DO NOTHING",
                args![
                    &new.id,
                    &new.network_id,
                    &new.project_id,
                    &new.name,
                    &new.description,
                    &mac,
                    new.enabled,
                    new.port_security,
                    &new.device_id,
                    &new.device_owner,
                    new.with_device,
                    new.position,
                    now,
                ],
            )
            .await?;
        if made == 1 {
            return Ok(());
        }
        if new.mac.is_some() {
            return Err(mac_in_use(&mac, &new.network_id));
        }
    }
    Err(Error::internal(format!("no free hardware address on network {}", new.network_id)))
}

fn random_mac() -> String {
    let random = uuid::Uuid::new_v4();
    let [one, two, three, ..] = random.as_bytes();
    format!("{MAC_PREFIX}:{one:02x}:{two:02x}:{three:02x}")
}

fn mac_in_use(mac: &str, network_id: &str) -> Error {
    Error::new(
        ErrorCode::AlreadyExists,
        format!("Unable to complete operation for network {network_id}. The mac address {mac} is in use."),
    )
    .with_field("mac")
}

/// One address of each IP version: of the first subnet, by age, that has one free.
async fn fix_default(tx: &mut Conn, subnets: &[Subnet], port_id: &str) -> Result<()> {
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
async fn fix(tx: &mut Conn, subnets: &[Subnet], request: &FixedRequest, port_id: &str) -> Result<()> {
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
            ));
        }
        if first.gateway == Some(address) {
            return Err(Error::invalid(
                "fixed-ips",
                format!("IP address {address} is the gateway of subnet {}.", first.id),
            ));
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
    let message = match (&request.subnet_id, request.address) {
        (Some(id), Some(address)) if subnets.iter().any(|subnet| subnet.id == *id) => {
            format!("IP address {address} is not a valid IP for subnet {id}.")
        }
        (Some(id), _) => format!("Subnet {id} could not be found on the port's network."),
        (None, Some(address)) => {
            format!("IP address {address} is not a valid IP for any of the subnets on the port's network.")
        }
        (None, None) => "The port's network has no subnet.".to_owned(),
    };
    Error::invalid("fixed-ips", message)
}

async fn set_groups(tx: &mut Conn, port_id: &str, groups: &[String]) -> Result<()> {
    tx.execute("DELETE FROM port_groups WHERE port_id = $1", args![port_id]).await?;
    for group in groups {
        tx.execute(
            "INSERT INTO port_groups (port_id, group_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            args![port_id, group],
        )
        .await?;
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

/// Changes what is set.
pub async fn update_port(tx: &mut Conn, id: &str, update: &PortUpdate) -> Result<Port> {
    let old = existing(tx, id).await?;
    if let Some(mac) = update.mac.as_deref().filter(|mac| *mac != old.mac) {
        let taken = tx
            .optional("SELECT id FROM ports WHERE network_id = $1 AND mac = $2", args![&old.network_id, mac], |row| {
                row.text(0)
            })
            .await?;
        if taken.is_some() {
            return Err(mac_in_use(mac, &old.network_id));
        }
    }
    tx.execute(
        "UPDATE ports SET name = $2, description = $3, mac = $4, enabled = $5, port_security = $6, device_id = $7, \
         device_owner = $8, updated_at = $9, revision = revision + 1 WHERE id = $1",
        args![
            id,
            update.name.as_ref().unwrap_or(&old.name),
            update.description.as_ref().unwrap_or(&old.description),
            update.mac.as_ref().unwrap_or(&old.mac),
            update.enabled.unwrap_or(old.enabled),
            update.port_security.unwrap_or(old.port_security),
            update.device_id.as_ref().unwrap_or(&old.device_id),
            update.device_owner.as_ref().unwrap_or(&old.device_owner),
            Timestamp::now(),
        ],
    )
    .await?;
    if let Some(requests) = &update.fixed_ips {
        refix(tx, &old, requests).await?;
    }
    if let Some(groups) = &update.security_group_ids {
        set_groups(tx, id, groups).await?;
    }
    existing(tx, id).await
}

/// Gives back what the requests don't name, and takes what they name anew.
async fn refix(tx: &mut Conn, old: &Port, requests: &[FixedRequest]) -> Result<()> {
    let mut wanted = requests.to_vec();
    let mut gone = Vec::new();
    for fixed in &old.fixed_ips {
        let by_address = wanted
            .iter()
            .position(|request| request.address.is_some_and(|address| address.to_string() == fixed.address));
        let by_subnet = wanted
            .iter()
            .position(|request| request.address.is_none() && request.subnet_id.as_ref() == Some(&fixed.subnet_id));
        match by_address.or(by_subnet) {
            Some(at) => {
                wanted.remove(at);
            }
            None => gone.push(fixed),
        }
    }
    for fixed in gone {
        tx.execute(
            "DELETE FROM port_addresses WHERE subnet_id = $1 AND address = $2 AND port_id = $3",
            args![&fixed.subnet_id, &fixed.address, &old.id],
        )
        .await?;
    }
    let subnets = subnets_of_network(tx, &old.network_id).await?;
    for request in &wanted {
        fix(tx, &subnets, request, &old.id).await?;
    }
    Ok(())
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
    let taken = tx
        .execute(
            "UPDATE ports SET device_id = $3, device_owner = $4, position = $5, updated_at = $6, revision = revision + 1 \
             WHERE id = $1 AND project_id = $2 AND device_id IN ('', $3)",
            args![id, project_id, device_id, device_owner, position, Timestamp::now()],
        )
        .await?;
    let port = get_port(tx, id, Some(project_id)).await?.ok_or_else(|| Error::not_found("port", id))?;
    if taken == 0 {
        return Err(Error::new(ErrorCode::InUse, format!("Port {id} is still in use.")).with_resource("port", id));
    }
    if port.fixed_ips.is_empty() {
        return Err(Error::invalid("port-id", format!("Port {id} requires a FixedIP in order to be used.")));
    }
    Ok(port)
}

/// The device's ports in their order, with what the machine must know of their networks. Two queries.
pub async fn ports_of_device(conn: &mut Conn, device_id: &str) -> Result<Vec<DevicePort>> {
    if device_id.is_empty() {
        return Ok(Vec::new());
    }
    let mut details: BTreeMap<String, Vec<NicAddress>> = BTreeMap::new();
    let addresses = conn
        .all(
            "SELECT a.port_id, a.address, s.ip_version, s.cidr, s.gateway, s.dns, s.dhcp FROM ports p \
             JOIN port_addresses a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id WHERE p.device_id = $1 \
             ORDER BY a.port_id, s.ip_version, a.number",
            args![device_id],
            |row| {
                let prefix = row.text_ref(3)?.rsplit_once('/').and_then(|(_, prefix)| prefix.parse().ok());
                let address = NicAddress {
                    address: row.text(1)?,
                    ip_version: if row.int(2)? == 6 { 6 } else { 4 },
                    prefix: prefix.ok_or_else(|| Error::internal("the store holds a subnet without a prefix"))?,
                    gateway: row.opt_text(4)?,
                    dns: row.json(5)?,
                    dhcp: row.flag(6)?,
                };
                Ok((row.text(0)?, address))
            },
        )
        .await?;
    for (port_id, address) in addresses {
        details.entry(port_id).or_default().push(address);
    }
    let mut query = query(conn.is_postgres());
    let device = query.text(device_id);
    query.and(format!("p.device_id = {device}"));
    let networks = query.joined("n.name, n.mtu, p.position", "ports p JOIN networks n ON n.id = p.network_id");
    let mut found = networks.rows(conn, |row| Ok((row.int(20)?, port(row)?, row.text(18)?, row.u32(19)?))).await?;
    found.sort_by(|one, other| (one.0, &one.1.id).cmp(&(other.0, &other.1.id)));
    Ok(found
        .into_iter()
        .map(|(_, port, network_name, mtu)| DevicePort {
            addresses: details.remove(&port.id).unwrap_or_default(),
            port,
            network_name,
            mtu,
        })
        .collect())
}

/// Gives back the device's ports: those that were made for it go with their addresses, the others are free again. Nothing to
/// give back is no error. Gives how many ports there were.
pub async fn release_ports_of_device(tx: &mut Conn, device_id: &str) -> Result<u64> {
    if device_id.is_empty() {
        return Ok(0);
    }
    for table in ["port_addresses", "port_groups"] {
        tx.execute(
            format!(
                "DELETE FROM {table} WHERE port_id IN (SELECT id FROM ports WHERE device_id = $1 AND with_device = 1)"
            ),
            args![device_id],
        )
        .await?;
    }
    let gone = tx.execute("DELETE FROM ports WHERE device_id = $1 AND with_device = 1", args![device_id]).await?;
    let freed = tx
        .execute(
            "UPDATE ports SET device_id = '', device_owner = '', node = '', position = 0, updated_at = $2, \
             revision = revision + 1 WHERE device_id = $1",
            args![device_id, Timestamp::now()],
        )
        .await?;
    Ok(gone + freed)
}

/// Says which compute node the port's device runs on; empty: none. False: there is no such port.
pub async fn bind_port(tx: &mut Conn, id: &str, node: &str) -> Result<bool> {
    let changed = tx
        .execute(
            "UPDATE ports SET node = $2, updated_at = $3, revision = revision + 1 WHERE id = $1",
            args![id, node, Timestamp::now()],
        )
        .await?;
    Ok(changed == 1)
}

/// [`bind_port`] for all ports of a device; gives how many there are.
pub async fn bind_ports_of_device(tx: &mut Conn, device_id: &str, node: &str) -> Result<u64> {
    if device_id.is_empty() {
        return Ok(0);
    }
    tx.execute(
        "UPDATE ports SET node = $2, updated_at = $3, revision = revision + 1 WHERE device_id = $1",
        args![device_id, node, Timestamp::now()],
    )
    .await
}

/// With its addresses. False: there is no such port.
pub async fn delete_port(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.execute("DELETE FROM port_addresses WHERE port_id = $1", args![id]).await?;
    tx.execute("DELETE FROM port_groups WHERE port_id = $1", args![id]).await?;
    Ok(tx.execute("DELETE FROM ports WHERE id = $1", args![id]).await? == 1)
}
