//! Ports: a place on a network, with its addresses.

use std::net::IpAddr;

use skyloom_model::{Error, ErrorCode, Reach, Result, Timestamp};

use super::fixing::{FixedIp, FixedRequest, fix, fix_default, refix};
use super::subnets::{Subnet, network_with_subnets, subnets_of_network};
use super::{BY_ID, NO_TAGS, active, default_group};
use crate::listing::{Filter, Listed, Page, Query};
use crate::rows::{Members, rows};
use crate::statement::{delete_from, insert_into};
use crate::{Conn, Value, args, dialect};

/// Locally administered, unicast.
const MAC_PREFIX: &str = "fa:16:3e";
/// How many random hardware addresses are tried; a network of a million ports meets a taken one once in 17 draws.
const MAC_ATTEMPTS: usize = 32;

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Port in "ports" as "p" {
        id: String [sorts, finds],
        network_id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        name: String [changes, sorts, finds],
        description: String [changes, finds],
        mac: String [changes, sorts, finds],
        enabled: bool [changes, sorts, finds],
        port_security: bool [changes, finds],
        /// Empty: nothing uses it.
        device_id: String [changes, sorts, finds],
        device_owner: String [changes, sorts, finds],
        /// A server has it, or it carries a public address: then the core alone says what its device is.
        of_core: bool,
        /// Made for its device, and goes with it.
        with_device: bool,
        /// Empty: not bound.
        node: String,
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        revision: i64 [counts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
    beside {
        /// Bound, and its device's power is on.
        active: bool,
        fixed_ips: Vec<FixedIp> as Json,
        security_group_ids: Vec<String> as Json,
    }
    written with { position }
    also {
        "down": Flag [sorts, finds] concat!("CAST(CASE WHEN p.enabled = 1 AND ", active!(), " THEN 0 ELSE 1 END AS BIGINT)"),
        "addressed": Flag [finds]
            "CAST(CASE WHEN EXISTS (SELECT 1 FROM port_addresses a WHERE a.port_id = p.id) THEN 1 ELSE 0 END AS BIGINT)",
        "address": Many(Members::new("p.id", ADDRESSES, "a.address").selects()) [finds] "",
        "subnet-id": Many(Members::new("p.id", ADDRESSES, "a.subnet_id").selects()) [finds] "",
        "security-group-ids":
            Many(Members::new("p.id", &[("port_groups m", "m.port_id")], "m.group_id").selects()) [finds] "",
        "tags": Many(NO_TAGS) [finds] "",
    }
}

/// One table for the conditions of addresses and their subnets: both hold for one address.
const ADDRESSES: &[(&str, &str)] = &[("port_addresses a", "a.port_id")];

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
    pub of_core: bool,
    pub with_device: bool,
    pub position: u32,
    /// None: one of each IP version that the network's subnets have.
    pub fixed_ips: Option<Vec<FixedRequest>>,
    pub security_group_ids: Vec<String>,
    /// As [`Port::attributes`]; none: nobody's.
    pub attributes: Option<String>,
}

/// A port that a server asks for.
#[derive(Clone, Debug, Default)]
pub struct PortSpec {
    /// Minted before; a second call with the same id and device gives the port that the first one made.
    pub id: String,
    pub project_id: String,
    pub subnet_id: Option<String>,
    pub address: Option<IpAddr>,
    /// Ids; none: the project's default group.
    pub security_groups: Option<Vec<String>>,
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
    pub attributes: Option<String>,
}

pub(super) fn query(postgres: bool) -> Query {
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
    let active = concat!("CAST(CASE WHEN ", active!(), " THEN 1 ELSE 0 END AS BIGINT)");
    Port::query().beside(&[active, &addresses, &groups])
}

fn filtered(conn: &Conn, filter: &Filter) -> Result<Query> {
    let mut query = query(conn.is_postgres());
    query.within(conn.is_postgres(), &[Port::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Port::FIELDS, &filter.conditions)?;
    Ok(query)
}

pub async fn list_ports(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Port>> {
    filtered(conn, filter)?.page(conn, Port::FIELDS, BY_ID, page, Port::of_row).await
}

pub async fn get_port(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Port>> {
    let filter = Filter::within(reach).is("id", id);
    Ok(filtered(conn, &filter)?.rows(conn, Port::of_row).await?.pop())
}

async fn existing(conn: &mut Conn, id: &str) -> Result<Port> {
    get_port(conn, id, &Reach::All).await?.ok_or_else(|| Error::not_found("port", id))
}

/// Makes a port for a server and gives it its addresses. `no-address`, `address-in-use`, `invalid` where the network has no
/// subnet.
pub async fn allocate_port(tx: &mut Conn, network: &PortNetwork, spec: PortSpec) -> Result<()> {
    let security_group_ids = match spec.security_groups {
        Some(groups) => groups,
        None if network.port_security => vec![default_group(tx, &spec.project_id, Timestamp::now()).await?],
        None => Vec::new(),
    };
    let fixed_ips = (spec.subnet_id.is_some() || spec.address.is_some())
        .then(|| vec![FixedRequest { subnet_id: spec.subnet_id, address: spec.address }]);
    let new = NewPort {
        id: spec.id,
        project_id: spec.project_id,
        network_id: network.id.clone(),
        mac: spec.mac,
        enabled: true,
        port_security: network.port_security,
        device_id: spec.device_id,
        device_owner: spec.device_owner,
        of_core: true,
        with_device: true,
        position: spec.position,
        fixed_ips,
        security_group_ids,
        ..NewPort::default()
    };
    place(tx, &new, &network.subnets).await?;
    if network.subnets.is_empty() {
        let text = format!("Network {} requires a subnet in order to boot instances on.", network.id);
        return Err(Error::invalid("network-id", text));
    }
    Ok(())
}

/// What new ports of servers must know of their network.
#[derive(Clone, Debug)]
pub struct PortNetwork {
    id: String,
    port_security: bool,
    subnets: Vec<Subnet>,
}

impl PortNetwork {
    pub async fn load(conn: &mut Conn, id: &str) -> Result<Self> {
        let (port_security, subnets) =
            network_with_subnets(conn, id).await?.ok_or_else(|| Error::not_found("network", id))?;
        Ok(Self { id: id.to_owned(), port_security, subnets })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The network with its subnets of IP version 4 alone.
    #[must_use]
    pub fn of_version_4(&self) -> Self {
        let subnets = self.subnets.iter().filter(|subnet| subnet.cidr.ip_version() == 4).cloned().collect();
        Self { id: self.id.clone(), port_security: self.port_security, subnets }
    }

    /// It has no subnet.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.subnets.is_empty()
    }
}

/// Makes a port with its addresses and groups.
pub async fn insert_port(tx: &mut Conn, new: &NewPort) -> Result<Port> {
    let subnets = subnets_of_network(tx, &new.network_id).await?;
    place(tx, new, &subnets).await?;
    existing(tx, &new.id).await
}

/// `subnets`: all of its network.
async fn place(tx: &mut Conn, new: &NewPort, subnets: &[Subnet]) -> Result<()> {
    insert_row(tx, new, Timestamp::now()).await?;
    match &new.fixed_ips {
        Some(requests) => {
            for request in requests {
                fix(tx, subnets, request, &new.id).await?;
            }
        }
        None => fix_default(tx, subnets, &new.id).await?,
    }
    insert_groups(tx, &new.id, &new.security_group_ids).await
}

async fn insert_row(tx: &mut Conn, new: &NewPort, now: Timestamp) -> Result<()> {
    let mut port = Port {
        id: new.id.clone(),
        network_id: new.network_id.clone(),
        project_id: new.project_id.clone(),
        name: new.name.clone(),
        description: new.description.clone(),
        mac: new.mac.clone().unwrap_or_else(random_mac),
        enabled: new.enabled,
        port_security: new.port_security,
        device_id: new.device_id.clone(),
        device_owner: new.device_owner.clone(),
        of_core: new.of_core,
        with_device: new.with_device,
        node: String::new(),
        created_at: now,
        updated_at: now,
        revision: 1,
        attributes: new.attributes.clone().unwrap_or_else(|| "{}".to_owned()),
        active: false,
        fixed_ips: Vec::new(),
        security_group_ids: Vec::new(),
    };
    for _ in 0..MAC_ATTEMPTS {
        if port.insert(new.position)?.unless_there().run(tx).await? {
            return Ok(());
        }
        if new.mac.is_some() {
            return Err(mac_in_use(&port.mac, &port.network_id));
        }
        port.mac = random_mac();
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

async fn set_groups(tx: &mut Conn, port_id: &str, groups: &[String]) -> Result<()> {
    tx.defer(delete_from("port_groups", "WHERE port_id = $1"), args![port_id]).await?;
    insert_groups(tx, port_id, groups).await
}

async fn insert_groups(tx: &mut Conn, port_id: &str, groups: &[String]) -> Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> = (2..groups.len() + 2).map(|number| format!("($1, ${number})")).collect();
    let sql = insert_into("port_groups", &format!("(port_id, group_id) VALUES {}", rows.join(", ")))
        .on_conflict("DO NOTHING");
    let values: Vec<Value<'_>> = std::iter::once(port_id.into()).chain(groups.iter().map(Value::from)).collect();
    tx.defer(sql, &values).await
}

fn put<T: Clone>(field: &mut T, new: Option<&T>) {
    if let Some(new) = new {
        field.clone_from(new);
    }
}

/// As [`Conn::lock`].
pub async fn lock_port(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.lock("ports", id).await
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
    let mut port = old.clone();
    put(&mut port.name, update.name.as_ref());
    put(&mut port.description, update.description.as_ref());
    put(&mut port.mac, update.mac.as_ref());
    put(&mut port.enabled, update.enabled.as_ref());
    put(&mut port.port_security, update.port_security.as_ref());
    put(&mut port.device_id, update.device_id.as_ref());
    put(&mut port.device_owner, update.device_owner.as_ref());
    put(&mut port.attributes, update.attributes.as_ref());
    port.updated_at = Timestamp::now();
    port.update()?.run(tx).await?;
    if let Some(requests) = &update.fixed_ips {
        refix(tx, &old.id, &old.network_id, &old.fixed_ips, requests).await?;
    }
    if let Some(groups) = &update.security_group_ids {
        set_groups(tx, id, groups).await?;
    }
    existing(tx, id).await
}

/// With its addresses. False: there is no such port.
pub async fn delete_port(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.defer(delete_from("port_addresses", "WHERE port_id = $1"), args![id]).await?;
    tx.defer(delete_from("port_groups", "WHERE port_id = $1"), args![id]).await?;
    Ok(tx.execute(delete_from("ports", "WHERE id = $1"), args![id]).await? == 1)
}
