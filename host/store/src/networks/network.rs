//! Networks.

use skyloom_model::{Reach, Result, Timestamp};

use super::{BY_ID, NO_TAGS};
use crate::listing::{Filter, Listed, Page, Query};
use crate::public_addresses::DEVICE_OWNER;
use crate::rows::rows;
use crate::{Conn, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Network in "networks" as "n" {
        id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        name: String [changes, sorts, finds],
        description: String [changes, finds],
        /// Every project may use it.
        shared: bool [changes, finds],
        /// Leads outside.
        external: bool [changes, finds],
        enabled: bool [changes, sorts, finds],
        is_default: bool [changes, finds],
        /// What new ports get.
        port_security: bool [changes, finds],
        mtu: u32 [changes, sorts, finds],
        zone: Option<String>,
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        revision: i64 [counts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
    beside {
        /// By time of creation.
        subnet_ids: Vec<String> as Json,
    }
    also { "tags": Many(NO_TAGS) [finds] "", }
}

fn query(postgres: bool) -> Query {
    let subnets = dialect::json_list(
        postgres,
        "t.id",
        "SELECT s.id FROM subnets s WHERE s.network_id = n.id ORDER BY s.created_at, s.id",
    );
    Network::query().beside(&[&subnets])
}

/// A project sees its own, shared and external networks.
fn filtered(conn: &Conn, filter: &Filter) -> Result<Query> {
    let mut query = query(conn.is_postgres());
    query.within(conn.is_postgres(), &[Network::OWNER], &filter.reach, Some("n.shared = 1 OR n.external = 1"));
    query.meet(conn.is_postgres(), Network::FIELDS, &filter.conditions)?;
    Ok(query)
}

pub async fn list_networks(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Network>> {
    filtered(conn, filter)?.page(conn, Network::FIELDS, BY_ID, page, Network::of_row).await
}

pub async fn get_network(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Network>> {
    let filter = Filter::within(reach).is("id", id);
    Ok(filtered(conn, &filter)?.rows(conn, Network::of_row).await?.pop())
}

/// The networks that a server of the project goes to when nothing is said: its own, and where it has none the shared ones,
/// the default one alone if there is one. Only enabled ones with a subnet.
pub async fn networks_for_servers(conn: &mut Conn, project_id: &str) -> Result<Vec<Network>> {
    let mut query = query(conn.is_postgres());
    let project = query.text(project_id);
    query.and(format!("(n.project_id = {project} OR n.shared = 1)"));
    query.and("n.external = 0");
    query.and("n.enabled = 1");
    query.and("EXISTS (SELECT 1 FROM subnets s WHERE s.network_id = n.id)");
    let all = query.rows(conn, Network::of_row).await?;
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|network| network.project_id == project_id);
    let candidates = if own.is_empty() { others } else { own };
    Ok(match candidates.iter().find(|network| network.is_default) {
        Some(default) => vec![default.clone()],
        None => candidates,
    })
}

pub async fn insert_network(tx: &mut Conn, network: &Network) -> Result<()> {
    network.insert()?.run(tx).await.map(drop)
}

/// Writes all that may change; the revision grows by one. False: there is no such network.
pub async fn update_network(tx: &mut Conn, network: &Network) -> Result<bool> {
    network.update()?.run(tx).await
}

/// Holds the network's row until the commit, so that its subnets stay what they are; its revision grows. False: there is no
/// such network.
pub async fn touch_network(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    let changed = tx
        .execute("UPDATE networks SET updated_at = $2, revision = revision + 1 WHERE id = $1", args![id, now])
        .await?;
    Ok(changed == 1)
}

/// As [`Conn::lock`], against whoever makes a port or a subnet on it.
pub async fn lock_network(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.lock("networks", id).await
}

/// The network that public addresses come from: the oldest enabled external one with a subnet of IP version 4, as they are.
pub async fn external_network(conn: &mut Conn) -> Result<Option<Network>> {
    let mut query = query(conn.is_postgres());
    query.and("n.external = 1");
    query.and("n.enabled = 1");
    query.and("EXISTS (SELECT 1 FROM subnets s WHERE s.network_id = n.id AND s.ip_version = 4)");
    let mut found = query.rows(conn, Network::of_row).await?;
    found.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
    Ok(found.into_iter().next())
}

/// Whether a port is on it, or one of another project than `project_id` where that is given.
pub async fn network_in_use(conn: &mut Conn, id: &str, by_others_than: Option<&str>) -> Result<bool> {
    let sql = match by_others_than {
        Some(_) => "SELECT id FROM ports WHERE network_id = $1 AND project_id <> $2 LIMIT 1",
        None => "SELECT id FROM ports WHERE network_id = $1 LIMIT 1",
    };
    let found = match by_others_than {
        Some(project) => conn.optional(sql, args![id, project], |row| row.text(0)).await?,
        None => conn.optional(sql, args![id], |row| row.text(0)).await?,
    };
    Ok(found.is_some())
}

/// Whether a public address is from it.
pub async fn network_gives_addresses(conn: &mut Conn, id: &str) -> Result<bool> {
    let sql = "SELECT id FROM ports WHERE network_id = $1 AND of_core = 1 AND device_owner = $2 LIMIT 1";
    Ok(conn.optional(sql, args![id, DEVICE_OWNER], |row| row.text(0)).await?.is_some())
}

/// With its subnets; a port on it makes that fail (`in-use`). After [`lock_network`]: a new port takes the network before its
/// subnet, so who took the subnets first could wait for one that waits for them.
pub async fn delete_network(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.execute("DELETE FROM subnets WHERE network_id = $1", args![id]).await?;
    Ok(tx.execute("DELETE FROM networks WHERE id = $1", args![id]).await? == 1)
}
