//! Flavors: sizes of servers.

use std::collections::BTreeMap;

use skyloom_model::{Error, ErrorCode, Result, Timestamp};

use crate::args;
use crate::listing::{Key, Listed, Page, Query};
use crate::{Conn, Row};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flavor {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub vcpus: u32,
    pub memory_mib: u32,
    pub disk_gib: u32,
    pub ephemeral_gib: u32,
    pub swap_mib: u32,
    pub rxtx_factor_milli: u32,
    pub is_public: bool,
    pub disabled: bool,
    pub extra_specs: BTreeMap<String, String>,
    pub created_at: Timestamp,
}

/// All that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub is_public: Option<bool>,
    /// With `is_public`: also the private ones that this project was given.
    pub project_id: Option<String>,
    /// Whoever asks may see every flavor; else what `is_public` and `project_id` let through is all there is.
    pub sees_all: bool,
    pub min_memory_mib: Option<u32>,
    pub min_disk_gib: Option<u32>,
    /// Only those that one of these nodes could hold when empty: vcpus, memory, disk each.
    pub fits: Option<Vec<(i64, i64, i64)>>,
}

const COLUMNS: &str = "f.id, f.name, f.description, f.vcpus, f.memory_mib, f.disk_gib, f.ephemeral_gib, f.swap_mib, \
                       f.rxtx_factor_milli, f.is_public, f.disabled, f.extra_specs, f.created_at";

const KEYS: &[Key] = &[
    Key::text("id", "f.id"),
    Key::text("name", "f.name"),
    Key::int("memory-mib", "f.memory_mib"),
    Key::int("vcpus", "f.vcpus"),
    Key::int("disk-gib", "f.disk_gib"),
    Key::int("ephemeral-gib", "f.ephemeral_gib"),
    Key::int("swap-mib", "f.swap_mib"),
    Key::int("created-at", "f.created_at"),
    Key::int("is-public", "f.is_public"),
    Key::int("disabled", "f.disabled"),
    Key::int("rxtx-factor-milli", "f.rxtx_factor_milli"),
    Key::text("description", "coalesce(f.description, '')"),
];

fn of_row(row: Row<'_>) -> Result<Flavor> {
    Ok(Flavor {
        id: row.text(0)?,
        name: row.text(1)?,
        description: row.opt_text(2)?,
        vcpus: row.u32(3)?,
        memory_mib: row.u32(4)?,
        disk_gib: row.u32(5)?,
        ephemeral_gib: row.u32(6)?,
        swap_mib: row.u32(7)?,
        rxtx_factor_milli: row.u32(8)?,
        is_public: row.flag(9)?,
        disabled: row.flag(10)?,
        extra_specs: row.json(11)?,
        created_at: row.time(12)?,
    })
}

/// `already-exists` when the id or the name is taken.
pub async fn insert(tx: &mut Conn, flavor: &Flavor) -> Result<()> {
    let specs = serde_json::to_string(&flavor.extra_specs).map_err(Error::internal)?;
    let done = tx
        .execute(
            "INSERT INTO flavors (id, name, description, vcpus, memory_mib, disk_gib, ephemeral_gib, swap_mib, \
             rxtx_factor_milli, is_public, disabled, extra_specs, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
            args![
                &flavor.id,
                &flavor.name,
                &flavor.description,
                flavor.vcpus,
                flavor.memory_mib,
                flavor.disk_gib,
                flavor.ephemeral_gib,
                flavor.swap_mib,
                flavor.rxtx_factor_milli,
                flavor.is_public,
                flavor.disabled,
                &specs,
                flavor.created_at,
            ],
        )
        .await?;
    if done == 1 {
        return Ok(());
    }
    let id_taken = get(tx, &flavor.id).await?.is_some();
    let (field, value) = if id_taken { ("id", &flavor.id) } else { ("name", &flavor.name) };
    Err(Error::new(ErrorCode::AlreadyExists, format!("Flavor with {field} {value} already exists.")).with_field(field))
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Flavor>> {
    conn.optional(format!("SELECT {COLUMNS} FROM flavors f WHERE f.id = $1"), args![id], of_row).await
}

/// Default order: id ascending.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Flavor>> {
    let mut query = Query::new(COLUMNS, "flavors f", "f.id");
    let usable = match (filter.is_public, &filter.project_id) {
        (Some(true), Some(project)) => {
            let project = query.text(project);
            let given = format!("SELECT 1 FROM flavor_access x WHERE x.flavor_id = f.id AND x.project_id = {project}");
            Some(format!("(f.is_public = 1 OR EXISTS ({given}))"))
        }
        (is_public, _) => is_public.map(|public| format!("f.is_public = {}", i64::from(public))),
    };
    match usable {
        Some(usable) if filter.sees_all => query.and(usable),
        Some(usable) => query.scope(usable),
        None => {}
    }
    query.and_int("f.memory_mib", ">=", filter.min_memory_mib.map(i64::from));
    query.and_int("f.disk_gib", ">=", filter.min_disk_gib.map(i64::from));
    if let Some(nodes) = &filter.fits {
        let ways: Vec<String> = nodes
            .iter()
            .map(|(vcpus, memory, disk)| {
                let (vcpus, memory, disk) = (query.int(*vcpus), query.int(*memory), query.int(*disk));
                format!("(f.vcpus <= {vcpus} AND f.memory_mib <= {memory} AND f.disk_gib <= {disk})")
            })
            .collect();
        query.and(if ways.is_empty() { "1 = 0".to_owned() } else { format!("({})", ways.join(" OR ")) });
    }
    query.page(conn, KEYS, &[("id", false)], page, of_row).await
}

/// Gives false when there is no such flavor.
pub async fn set_description(tx: &mut Conn, id: &str, description: Option<&str>) -> Result<bool> {
    let done = tx.execute("UPDATE flavors SET description = $2 WHERE id = $1", args![id, description]).await?;
    Ok(done == 1)
}

/// Gives false when there is no such flavor.
pub async fn set_extra_specs(tx: &mut Conn, id: &str, specs: &BTreeMap<String, String>) -> Result<bool> {
    let specs = serde_json::to_string(specs).map_err(Error::internal)?;
    let done = tx.execute("UPDATE flavors SET extra_specs = $2 WHERE id = $1", args![id, &specs]).await?;
    Ok(done == 1)
}

/// The extra specs, held until the commit; none: no such flavor.
pub async fn lock_extra_specs(tx: &mut Conn, id: &str) -> Result<Option<BTreeMap<String, String>>> {
    let lock = crate::dialect::for_update(tx.is_postgres());
    tx.optional(format!("SELECT extra_specs FROM flavors WHERE id = $1{lock}"), args![id], |row| row.json(0)).await
}

/// Ids of the projects that may use a private flavor, ascending.
pub async fn access(conn: &mut Conn, id: &str) -> Result<Vec<String>> {
    let sql = "SELECT project_id FROM flavor_access WHERE flavor_id = $1 ORDER BY project_id";
    conn.all(sql, args![id], |row| row.text(0)).await
}

pub async fn has_access(conn: &mut Conn, id: &str, project_id: &str) -> Result<bool> {
    let sql = "SELECT project_id FROM flavor_access WHERE flavor_id = $1 AND project_id = $2";
    Ok(conn.optional(sql, args![id, project_id], |row| row.text(0)).await?.is_some())
}

/// Gives false when the project has it already.
pub async fn add_access(tx: &mut Conn, id: &str, project_id: &str) -> Result<bool> {
    let sql = "INSERT INTO flavor_access (flavor_id, project_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(tx.execute(sql, args![id, project_id]).await? == 1)
}

/// Gives false when the project doesn't have it.
pub async fn remove_access(tx: &mut Conn, id: &str, project_id: &str) -> Result<bool> {
    let sql = "DELETE FROM flavor_access WHERE flavor_id = $1 AND project_id = $2";
    Ok(tx.execute(sql, args![id, project_id]).await? == 1)
}

/// Gives false when there is no such flavor.
pub async fn delete(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.execute("DELETE FROM flavor_access WHERE flavor_id = $1", args![id]).await?;
    Ok(tx.execute("DELETE FROM flavors WHERE id = $1", args![id]).await? == 1)
}
