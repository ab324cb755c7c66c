//! Subnets.

use skyloom_model::{Error, Result, Timestamp};

use super::addresses::{Cidr, Range};
use super::{BY_ID, SUBNET_KEYS};
use crate::listing::{Listed, Page, Query};
use crate::{Conn, Row, args};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    pub id: String,
    pub network_id: String,
    pub project_id: String,
    /// Its network is.
    pub external: bool,
    pub name: String,
    pub description: String,
    pub cidr: Cidr,
    pub gateway: Option<std::net::IpAddr>,
    pub dhcp: bool,
    pub dns: Vec<String>,
    /// What is handed out.
    pub pools: Vec<Range>,
    /// Destination and next hop.
    pub host_routes: Vec<(String, String)>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: i64,
}

/// All that are set must hold; lists mean any of them.
#[derive(Clone, Debug, Default)]
pub struct SubnetFilter {
    /// The project that looks: its own ones and those of shared and external networks. None: all.
    pub viewer: Option<String>,
    pub ids: Vec<String>,
    pub names: Vec<String>,
    pub project_id: Option<String>,
    pub network_ids: Vec<String>,
    pub cidr: Option<String>,
    pub ip_version: Option<u8>,
    pub gateway: Option<String>,
    pub dhcp: Option<bool>,
    pub external: Option<bool>,
}

const COLUMNS: &str = "s.id, s.network_id, s.project_id, s.name, s.description, s.cidr, s.gateway, s.dhcp, s.dns, s.pools, \
                       s.host_routes, s.created_at, s.updated_at, s.revision, n.external";

fn query() -> Query {
    Query::new(COLUMNS, "subnets s JOIN networks n ON n.id = s.network_id", "s.id")
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::internal(format!("the store holds {text:?} as an address")))
}

fn subnet(row: Row<'_>) -> Result<Subnet> {
    let cidr = row.text_ref(5)?;
    let pools: Vec<(String, String)> = row.json(9)?;
    Ok(Subnet {
        id: row.text(0)?,
        network_id: row.text(1)?,
        project_id: row.text(2)?,
        name: row.text(3)?,
        description: row.text(4)?,
        cidr: Cidr::parse(cidr).ok_or_else(|| Error::internal(format!("the store holds {cidr:?} as a subnet")))?,
        gateway: row.opt_text(6)?.as_deref().map(parsed).transpose()?,
        dhcp: row.flag(7)?,
        dns: row.json(8)?,
        pools: pools
            .iter()
            .map(|(start, end)| Ok(Range { start: parsed(start)?, end: parsed(end)? }))
            .collect::<Result<_>>()?,
        host_routes: row.json(10)?,
        created_at: row.time(11)?,
        updated_at: row.time(12)?,
        revision: row.int(13)?,
        external: row.flag(14)?,
    })
}

fn filtered(filter: &SubnetFilter) -> Query {
    let mut query = query();
    if let Some(viewer) = &filter.viewer {
        let viewer = query.text(viewer);
        query.scope(format!("(s.project_id = {viewer} OR n.project_id = {viewer} OR n.shared = 1 OR n.external = 1)"));
    }
    query.and_any("s.id", &filter.ids);
    query.and_any("s.name", &filter.names);
    query.and_text("s.project_id", filter.project_id.as_deref());
    query.and_any("s.network_id", &filter.network_ids);
    query.and_text("s.cidr", filter.cidr.as_deref());
    query.and_int("s.ip_version", "=", filter.ip_version.map(i64::from));
    query.and_text("s.gateway", filter.gateway.as_deref());
    query.and_flag("s.dhcp", filter.dhcp);
    query.and_flag("n.external", filter.external);
    query
}

pub async fn list_subnets(conn: &mut Conn, filter: &SubnetFilter, page: &Page) -> Result<Listed<Subnet>> {
    filtered(filter).page(conn, SUBNET_KEYS, BY_ID, page, subnet).await
}

/// `viewer`: the project that looks; none: any.
pub async fn get_subnet(conn: &mut Conn, id: &str, viewer: Option<&str>) -> Result<Option<Subnet>> {
    let filter =
        SubnetFilter { viewer: viewer.map(ToOwned::to_owned), ids: vec![id.to_owned()], ..SubnetFilter::default() };
    Ok(filtered(&filter).rows(conn, subnet).await?.pop())
}

/// By time of creation.
pub async fn subnets_of_network(conn: &mut Conn, network_id: &str) -> Result<Vec<Subnet>> {
    let filter = SubnetFilter { network_ids: vec![network_id.to_owned()], ..SubnetFilter::default() };
    let mut found = filtered(&filter).rows(conn, subnet).await?;
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
        "SELECT {COLUMNS}, n.port_security FROM networks n LEFT JOIN subnets s ON s.network_id = n.id WHERE n.id = $1"
    );
    let rows = conn
        .all(sql, args![network_id], |row| {
            let found = if row.opt_text(0)?.is_some() { Some(subnet(row)?) } else { None };
            Ok((row.flag(15)?, found))
        })
        .await?;
    let Some(port_security) = rows.first().map(|(port_security, _)| *port_security) else { return Ok(None) };
    let mut subnets: Vec<Subnet> = rows.into_iter().filter_map(|(_, subnet)| subnet).collect();
    in_order(&mut subnets);
    Ok(Some((port_security, subnets)))
}

struct Texts {
    cidr: String,
    gateway: Option<String>,
    dns: String,
    pools: String,
    host_routes: String,
}

fn texts(subnet: &Subnet) -> Result<Texts> {
    let pools: Vec<_> = subnet.pools.iter().map(|pool| (pool.start.to_string(), pool.end.to_string())).collect();
    Ok(Texts {
        cidr: subnet.cidr.to_string(),
        gateway: subnet.gateway.map(|gateway| gateway.to_string()),
        dns: serde_json::to_string(&subnet.dns).map_err(Error::internal)?,
        pools: serde_json::to_string(&pools).map_err(Error::internal)?,
        host_routes: serde_json::to_string(&subnet.host_routes).map_err(Error::internal)?,
    })
}

pub async fn insert_subnet(tx: &mut Conn, subnet: &Subnet) -> Result<()> {
    let texts = texts(subnet)?;
    tx.execute(
        "INSERT INTO subnets (id, network_id, project_id, name, description, ip_version, cidr, gateway, dhcp, dns, pools, \
         host_routes, created_at, updated_at, revision) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        args![
            &subnet.id,
            &subnet.network_id,
            &subnet.project_id,
            &subnet.name,
            &subnet.description,
            i64::from(subnet.cidr.ip_version()),
            &texts.cidr,
            &texts.gateway,
            subnet.dhcp,
            &texts.dns,
            &texts.pools,
            &texts.host_routes,
            subnet.created_at,
            subnet.updated_at,
            subnet.revision,
        ],
    )
    .await?;
    Ok(())
}

/// Writes all that may change; the revision grows by one. False: there is no such subnet.
pub async fn update_subnet(tx: &mut Conn, subnet: &Subnet) -> Result<bool> {
    let texts = texts(subnet)?;
    let changed = tx
        .execute(
            "UPDATE subnets SET name = $2, description = $3, gateway = $4, dhcp = $5, dns = $6, pools = $7, host_routes = $8, \
             updated_at = $9, revision = revision + 1 WHERE id = $1",
            args![
                &subnet.id,
                &subnet.name,
                &subnet.description,
                &texts.gateway,
                subnet.dhcp,
                &texts.dns,
                &texts.pools,
                &texts.host_routes,
                subnet.updated_at,
            ],
        )
        .await?;
    Ok(changed == 1)
}

/// An address that a port has makes that fail (`in-use`). False: there is no such subnet.
pub async fn delete_subnet(tx: &mut Conn, id: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM subnets WHERE id = $1", args![id]).await? == 1)
}
