//! Subnets.

use skyloom_model::{Reach, Result, Timestamp};

use super::addresses::{Cidr, Range};
use super::network::Network;
use super::{BY_ID, NO_TAGS};
use crate::listing::{Filter, Listed, Page, Query};
use crate::rows::{Columns, Stored as _, rows};
use crate::{Conn, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Subnet in "subnets" as "s" {
        id: String [sorts, finds],
        network_id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        name: String [changes, sorts, finds],
        description: String [changes, finds],
        cidr: Cidr [sorts, finds],
        gateway: Option<std::net::IpAddr> [changes, sorts_as("coalesce(s.gateway, '')"), finds],
        dhcp: bool [changes, sorts, finds],
        dns: Vec<String> as Json [changes],
        /// What is handed out.
        pools: Vec<Range> as Json [changes],
        /// Destination and next hop.
        host_routes: Vec<(String, String)> as Json [changes],
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        revision: i64 [counts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
    beside {
        /// Its network is.
        external: bool,
    }
    written with { ip_version }
    also {
        "ip-version": Int [sorts, finds] "s.ip_version",
        "external": Flag [finds] "n.external",
        "tags": Many(NO_TAGS) [finds] "",
    }
}

fn query() -> Query {
    Subnet::query().joined("n.external", "subnets s JOIN networks n ON n.id = s.network_id")
}

/// A project sees its own ones and those of its, shared and external networks.
fn filtered(conn: &Conn, filter: &Filter) -> Result<Query> {
    let mut query = query();
    query.within(
        conn.is_postgres(),
        &[Subnet::OWNER, Network::OWNER],
        &filter.reach,
        Some("n.shared = 1 OR n.external = 1"),
    );
    query.meet(conn.is_postgres(), Subnet::FIELDS, &filter.conditions)?;
    Ok(query)
}

pub async fn list_subnets(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Subnet>> {
    filtered(conn, filter)?.page(conn, Subnet::FIELDS, BY_ID, page, Subnet::of_row).await
}

pub async fn get_subnet(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Subnet>> {
    let filter = Filter::within(reach).is("id", id);
    Ok(filtered(conn, &filter)?.rows(conn, Subnet::of_row).await?.pop())
}

/// By time of creation.
pub async fn subnets_of_network(conn: &mut Conn, network_id: &str) -> Result<Vec<Subnet>> {
    let mut query = query();
    query.and_text("s.network_id", Some(network_id));
    let mut found = query.rows(conn, Subnet::of_row).await?;
    in_order(&mut found);
    Ok(found)
}

fn in_order(subnets: &mut [Subnet]) {
    subnets.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
}

/// Whether ports of the network have port security, and its subnets as [`subnets_of_network`] gives them: one query. None: there
/// is no such network.
pub(super) async fn network_with_subnets(conn: &mut Conn, network_id: &str) -> Result<Option<(bool, Vec<Subnet>)>> {
    let sql = format!(
        "SELECT n.port_security, s.id, {}, n.external FROM networks n LEFT JOIN subnets s ON s.network_id = n.id WHERE n.id = $1",
        Subnet::COLUMNS
    );
    let rows = conn
        .all(sql, args![network_id], |row| {
            let mut columns = Columns::of(row);
            let port_security: bool = columns.read()?;
            let found: Option<String> = columns.read()?;
            Ok((port_security, found.map(|_| Subnet::read(&mut columns)).transpose()?))
        })
        .await?;
    let Some(port_security) = rows.first().map(|(port_security, _)| *port_security) else { return Ok(None) };
    let mut subnets: Vec<Subnet> = rows.into_iter().filter_map(|(_, subnet)| subnet).collect();
    in_order(&mut subnets);
    Ok(Some((port_security, subnets)))
}

pub async fn insert_subnet(tx: &mut Conn, subnet: &Subnet) -> Result<()> {
    subnet.insert(i64::from(subnet.cidr.ip_version()))?.run(tx).await.map(drop)
}

/// Writes all that may change; the revision grows by one. False: there is no such subnet.
pub async fn update_subnet(tx: &mut Conn, subnet: &Subnet) -> Result<bool> {
    subnet.update()?.run(tx).await
}

/// An address that a port has makes that fail (`in-use`). False: there is no such subnet.
pub async fn delete_subnet(tx: &mut Conn, id: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM subnets WHERE id = $1", args![id]).await? == 1)
}
