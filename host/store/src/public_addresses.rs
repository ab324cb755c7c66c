//! Addresses of the outside that projects hold. Each stands at a port on an external network, its carrier, so that no other port
//! gets it; it leads to one address of one of the project's own ports, or nowhere.

use skyloom_model::{Error, Reach, Result, Timestamp, new_id};

use crate::listing::{Filter, Listed, Page, Query};
use crate::metering::{self, NewSpan, meter};
use crate::networks::{FixedIp, PortNetwork, PortSpec, allocate_port, lock_port};
use crate::rows::{Members, rows};
use crate::statement::{delete_from, update};
use crate::{Conn, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct PublicAddress in "public_addresses" as "p" {
        id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        /// The external one that it is from.
        network_id: String [sorts, finds],
        address: String [sorts, finds],
        /// The port at which it stands there; device of the port is this record's id.
        carrier_id: String,
        /// The port that it leads to; empty: it leads nowhere.
        port_id: String [changes, sorts, finds],
        /// The address of that port; of version 4.
        fixed_address: String [changes, sorts, finds],
        /// The server that has the port; empty: none.
        server_id: String [changes, sorts, finds],
        description: String [changes, finds],
        bandwidth_mbit: u32,
        /// Ends with the server that it leads to.
        delete_on_termination: bool [changes],
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        revision: i64 [counts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
    also {
        "bound": Flag [sorts, finds] "CAST(CASE WHEN p.port_id = '' THEN 0 ELSE 1 END AS BIGINT)",
        "tags": Many(NO_TAGS) [finds] "",
    }
}

/// As networks have none.
const NO_TAGS: Members = Members::new("''", &[("(SELECT '' AS owner, '' AS tag WHERE 1 = 0) g", "g.owner")], "g.tag");

const BY_ID: &[(&str, bool)] = &[("id", false)];

/// Owner of the ports that carry them.
pub const DEVICE_OWNER: &str = "public-address";

/// A port's address that a public one leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub port_id: String,
    pub fixed_address: String,
    /// Empty: no server has the port.
    pub server_id: String,
}

impl PublicAddress {
    /// It leads there from now on; none: nowhere.
    pub fn lead(&mut self, target: Option<Target>) {
        let nowhere = Target { port_id: String::new(), fixed_address: String::new(), server_id: String::new() };
        let target = target.unwrap_or(nowhere);
        // What a creation said of its server holds for no other one.
        self.delete_on_termination &= target.server_id == self.server_id;
        self.port_id = target.port_id;
        self.fixed_address = target.fixed_address;
        self.server_id = target.server_id;
    }
}

/// An address to take.
#[derive(Clone, Debug, Default)]
pub struct NewAddress {
    pub project_id: String,
    /// None: of any of the network's.
    pub subnet_id: Option<String>,
    /// None: a free one.
    pub address: Option<std::net::IpAddr>,
    pub target: Option<Target>,
    pub description: String,
    pub bandwidth_mbit: u32,
    pub delete_on_termination: bool,
    pub attributes: String,
}

/// Takes an address of version 4 from the network and begins to meter it. `no-address`, `address-in-use`, `invalid` where the
/// network has none such.
pub async fn make(tx: &mut Conn, network: &PortNetwork, new: NewAddress, now: Timestamp) -> Result<PublicAddress> {
    let (id, carrier_id) = (new_id(), new_id());
    let outside = network.of_version_4();
    if outside.is_bare() {
        let text = format!("Network {} does not contain any IPv4 subnet.", network.id());
        return Err(Error::invalid("network-id", text).with_reason("no-subnet"));
    }
    let spec = PortSpec {
        id: carrier_id.clone(),
        project_id: new.project_id.clone(),
        subnet_id: new.subnet_id,
        address: new.address,
        security_groups: Some(Vec::new()),
        device_id: id.clone(),
        device_owner: DEVICE_OWNER.to_owned(),
        ..PortSpec::default()
    };
    allocate_port(tx, &outside, spec).await?;
    let of_carrier = "SELECT address FROM port_addresses WHERE port_id = $1";
    let mut address = PublicAddress {
        id,
        project_id: new.project_id,
        network_id: network.id().to_owned(),
        address: tx.one(of_carrier, args![&carrier_id], |row| row.text(0)).await?,
        carrier_id,
        port_id: String::new(),
        fixed_address: String::new(),
        server_id: String::new(),
        description: new.description,
        bandwidth_mbit: new.bandwidth_mbit,
        delete_on_termination: false,
        created_at: now,
        updated_at: now,
        revision: 1,
        attributes: new.attributes,
    };
    address.lead(new.target);
    address.delete_on_termination = new.delete_on_termination;
    address.insert()?.run(tx).await?;
    open_span(tx, &address, now).await?;
    Ok(address)
}

async fn open_span(tx: &mut Conn, address: &PublicAddress, now: Timestamp) -> Result<()> {
    let span = NewSpan {
        project_id: &address.project_id,
        resource_kind: "public-address",
        resource_id: &address.id,
        meter: meter::PUBLIC_ADDRESS,
        class: "",
        server_id: &address.server_id,
        quantity: 1,
    };
    metering::open_span(tx, &span, now).await
}

fn filtered(conn: &Conn, filter: &Filter) -> Result<Query> {
    let mut query = PublicAddress::query();
    query.within(conn.is_postgres(), &[PublicAddress::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), PublicAddress::FIELDS, &filter.conditions)?;
    Ok(query)
}

pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<PublicAddress>> {
    filtered(conn, filter)?.page(conn, PublicAddress::FIELDS, BY_ID, page, PublicAddress::of_row).await
}

pub async fn get(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<PublicAddress>> {
    let filter = Filter::within(reach).is("id", id);
    Ok(filtered(conn, &filter)?.rows(conn, PublicAddress::of_row).await?.pop())
}

/// The newest of a project's (none: of all), or only of those that no server has.
pub async fn newest(conn: &mut Conn, project_id: Option<&str>, free: bool, limit: u32) -> Result<Vec<PublicAddress>> {
    let sql = PublicAddress::select(
        "WHERE ($1 = '' OR p.project_id = $1) AND ($2 = 0 OR p.server_id = '') \
         ORDER BY p.created_at DESC, p.id DESC LIMIT $3",
    );
    conn.all(sql, args![project_id.unwrap_or(""), free, limit], PublicAddress::of_row).await
}

/// Holds the row until the commit, and reads it. None: there is none that the reach holds.
pub async fn lock(tx: &mut Conn, id: &str, reach: &Reach) -> Result<Option<PublicAddress>> {
    tx.lock("public_addresses", id).await?;
    get(tx, id, reach).await
}

/// Writes what may change of one that is held, and meters it by its server from now on.
pub async fn change(tx: &mut Conn, before: &PublicAddress, after: &PublicAddress) -> Result<()> {
    after.update()?.run(tx).await?;
    if before.server_id != after.server_id {
        metering::close_spans(tx, &after.id, &[], after.updated_at).await?;
        open_span(tx, after, after.updated_at).await?;
    }
    Ok(())
}

async fn lead(tx: &mut Conn, before: &PublicAddress, target: Option<Target>, now: Timestamp) -> Result<()> {
    let mut after = before.clone();
    after.lead(target);
    after.updated_at = now;
    change(tx, before, &after).await
}

/// Leads a free one to a server's port; gives false when it isn't free any more.
pub async fn bind(
    tx: &mut Conn,
    id: &str,
    target: Target,
    delete_on_termination: bool,
    now: Timestamp,
) -> Result<bool> {
    let Some(before) = lock(tx, id, &Reach::All).await?.filter(|address| address.port_id.is_empty()) else {
        return Ok(false);
    };
    let mut after = before.clone();
    after.lead(Some(target));
    after.delete_on_termination = delete_on_termination;
    after.updated_at = now;
    change(tx, &before, &after).await?;
    Ok(true)
}

/// Those that lead to the port `$1`; none where it is empty, which leads the database to the index.
const OF_PORT: &str = "p.port_id = $1 AND p.port_id <> ''";
/// Those of the server `$1`.
const OF_SERVER: &str = "p.server_id = $1 AND p.server_id <> ''";

/// Those that lead to a port, whichever of its addresses.
pub async fn of_port(conn: &mut Conn, port_id: &str) -> Result<Vec<PublicAddress>> {
    let sql = PublicAddress::select(&format!("WHERE {OF_PORT} ORDER BY p.id"));
    conn.all(sql, args![port_id], PublicAddress::of_row).await
}

/// The first address of version 4 of the ports of the server `$1`, in the order of its cards, to which none leads yet.
const FREE_TARGET: &str = "SELECT p.id, a.address FROM ports p JOIN port_addresses a ON a.port_id = p.id \
    JOIN subnets s ON s.id = a.subnet_id WHERE p.device_id = $1 AND p.of_core = 1 AND s.ip_version = 4 \
    AND NOT EXISTS (SELECT 1 FROM public_addresses b WHERE b.port_id = p.id AND b.port_id <> '' \
    AND b.fixed_address = a.address) ORDER BY p.position, p.id, a.number LIMIT 1";

/// Where a public address of a server leads that names no port. None: there is no such address, or one leads to each.
pub async fn free_target(conn: &mut Conn, server_id: &str) -> Result<Option<Target>> {
    let server_id = server_id.to_owned();
    conn.optional(FREE_TARGET, args![&server_id], |row| {
        Ok(Target { port_id: row.text(0)?, fixed_address: row.text(1)?, server_id: server_id.clone() })
    })
    .await
}

/// Those that are so (`these`, of the id), held until the commit: one that another transaction leads elsewhere meanwhile isn't
/// among them.
async fn held(tx: &mut Conn, these: &str, id: &str) -> Result<Vec<PublicAddress>> {
    let lock = dialect::for_update(tx.is_postgres());
    let sql = PublicAddress::select(&format!("WHERE {these} ORDER BY p.id{lock}"));
    tx.all(sql, args![id], PublicAddress::of_row).await
}

/// A server has taken the port: what leads to the port leads to the server.
pub async fn join_server(tx: &mut Conn, port_id: &str, server_id: &str, now: Timestamp) -> Result<()> {
    for address in held(tx, OF_PORT, port_id).await? {
        let target = Target {
            port_id: address.port_id.clone(),
            fixed_address: address.fixed_address.clone(),
            server_id: server_id.to_owned(),
        };
        lead(tx, &address, Some(target), now).await?;
    }
    Ok(())
}

/// A port has these addresses left: what leads to another one of its leads nowhere. The port is held until the commit, so that
/// nobody leads another one there meanwhile.
pub async fn leave_port(tx: &mut Conn, port_id: &str, left: &[FixedIp], now: Timestamp) -> Result<()> {
    lock_port(tx, port_id).await?;
    for address in held(tx, OF_PORT, port_id).await? {
        if !left.iter().any(|fixed| fixed.address == address.fixed_address) {
            lead(tx, &address, None, now).await?;
        }
    }
    Ok(())
}

/// Before the release of a server whose creation failed: the address that was made with it, at this very time, goes with it. One
/// that it took over, or that somebody has led to it since, stays the project's.
pub async fn mark_made_for(tx: &mut Conn, server_id: &str, at: Timestamp) -> Result<()> {
    tx.defer(
        update(
            "public_addresses",
            "SET delete_on_termination = CASE WHEN created_at = $2 THEN 1 ELSE 0 END \
             WHERE server_id = $1",
        ),
        args![server_id, at],
    )
    .await?;
    Ok(())
}

/// The end of a server's hold: those that go with it go, with their carriers and their metering, the others stay the project's.
/// `all`: go or stay whatever each says itself. After the server's ports: who leads an address to one of them holds the port.
/// May be repeated.
pub async fn release_of_server(tx: &mut Conn, server_id: &str, all: Option<bool>, now: Timestamp) -> Result<()> {
    for address in held(tx, OF_SERVER, server_id).await? {
        if all.unwrap_or(address.delete_on_termination) {
            release(tx, &address.id, now).await?;
        } else {
            lead(tx, &address, None, now).await?;
        }
    }
    Ok(())
}

/// The end of an address, with its carrier and its metering, wherever it leads. False: it wasn't there.
pub async fn release(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    if tx.execute(delete_from("public_addresses", "WHERE id = $1"), args![id]).await? == 0 {
        return Ok(false);
    }
    metering::close_spans(tx, id, &[], now).await?;
    crate::networks::release_ports_of_device(tx, id).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the number of addresses.
    #[tokio::test]
    async fn what_leads_to_a_port_is_found_by_an_index() {
        let database = crate::testing::sqlite().await;
        let mut conn = database.db.read().await.expect("read");
        for sql in [PublicAddress::select(&format!("WHERE {OF_PORT}")), FREE_TARGET.to_owned()] {
            let explained = format!("EXPLAIN QUERY PLAN {sql}");
            let plan = conn.all(explained, args!["id"], |row| row.text(3)).await.expect("plan");
            assert!(plan.iter().any(|line| line.contains("public_addresses_by_port")), "{plan:?}");
        }
    }
}
