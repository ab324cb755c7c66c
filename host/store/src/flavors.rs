//! Flavors: sizes of servers.

use std::collections::BTreeMap;

use skyloom_model::{Error, ErrorCode, Reach, Result, Timestamp};

use crate::listing::{Condition, Listed, Owner, Page, Query};
use crate::rows::rows;
use crate::servers::FlavorCopy;
use crate::{Conn, args, retired_ids};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Flavor in "flavors" as "f" {
        id: String [sorts, finds],
        name: String [sorts, finds],
        description: Option<String> [changes, sorts_as("coalesce(f.description, '')"), finds],
        vcpus: u32 [sorts, finds],
        memory_mib: u32 [sorts, finds],
        disk_gib: u32 [sorts, finds],
        ephemeral_gib: u32 [sorts, finds],
        swap_mib: u32 [sorts, finds],
        rxtx_factor_milli: u32 [sorts, finds],
        is_public: bool [sorts],
        disabled: bool [sorts, finds],
        extra_specs: BTreeMap<String, String> as Json [changes],
        created_at: Timestamp [sorts],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
}

impl Flavor {
    /// What a server keeps of it, whatever becomes of it.
    #[must_use]
    pub fn copy(&self) -> FlavorCopy {
        FlavorCopy {
            name: self.name.clone(),
            disk_gib: self.disk_gib,
            ephemeral_gib: self.ephemeral_gib,
            swap_mib: self.swap_mib,
            extra_specs: self.extra_specs.clone(),
        }
    }
}

/// All that are set must hold.
#[derive(Clone, Debug)]
pub struct Filter {
    pub is_public: Option<bool>,
    /// With `is_public`: also the private ones that projects within this were given.
    pub given: Reach,
    /// Whoever asks may see every flavor; else what `is_public` and `given` let through is all there is.
    pub sees_all: bool,
    /// Only those that one of these nodes could hold when empty: vcpus, memory, disk each.
    pub fits: Option<Vec<(i64, i64, i64)>>,
    pub conditions: Vec<Condition>,
}

/// Whom a private flavor was given to.
const GIVEN: Owner =
    Owner { project: "x.project_id", domain: "(SELECT j.domain_id FROM projects j WHERE j.id = x.project_id)" };

/// In `retired_ids`.
const KIND: &str = "flavor";

/// `already-exists` when the name is taken, or a flavor has the id or ever had it.
pub async fn insert(tx: &mut Conn, flavor: &Flavor) -> Result<()> {
    let made = flavor.insert()?.unless_there().run(tx).await?;
    let Flavor { id, name, .. } = flavor;
    let (field, message) = if retired_ids::is_retired(tx, KIND, id).await? {
        ("id", format!("A flavor with ID {id} was deleted, and its ID stays taken."))
    } else if made {
        return Ok(());
    } else if get(tx, id).await?.is_some() {
        ("id", format!("Flavor with ID {id} already exists."))
    } else {
        ("name", format!("Flavor with name {name} already exists."))
    };
    Err(Error::new(ErrorCode::AlreadyExists, message).with_field(field))
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Flavor>> {
    conn.optional(Flavor::select("WHERE f.id = $1"), args![id], Flavor::of_row).await
}

/// Default order: id ascending.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Flavor>> {
    let mut query = Flavor::query();
    let usable = match filter.is_public {
        Some(true) => {
            let given =
                query.reached(conn.is_postgres(), &[GIVEN], &filter.given).unwrap_or_else(|| "1 = 1".to_owned());
            let given = format!("SELECT 1 FROM flavor_access x WHERE x.flavor_id = f.id AND {given}");
            Some(format!("(f.is_public = 1 OR EXISTS ({given}))"))
        }
        is_public => is_public.map(|public| format!("f.is_public = {}", i64::from(public))),
    };
    match usable {
        Some(usable) if filter.sees_all => query.and(usable),
        Some(usable) => query.scope(usable),
        None => {}
    }
    query.meet(conn.is_postgres(), Flavor::FIELDS, &filter.conditions)?;
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
    query.page(conn, Flavor::FIELDS, &[("id", false)], page, Flavor::of_row).await
}

/// The flavor, held until the commit.
pub async fn lock(tx: &mut Conn, id: &str) -> Result<Option<Flavor>> {
    let lock = crate::dialect::for_update(tx.is_postgres());
    tx.optional(Flavor::select(&format!("WHERE f.id = $1{lock}")), args![id], Flavor::of_row).await
}

/// Writes all that may change. After [`lock`]; false: there is no such flavor.
pub async fn update(tx: &mut Conn, flavor: &Flavor) -> Result<bool> {
    flavor.update()?.run(tx).await
}

/// Ids of the projects that may use a private flavor, ascending.
pub async fn access(conn: &mut Conn, id: &str) -> Result<Vec<String>> {
    let sql = "SELECT project_id FROM flavor_access WHERE flavor_id = $1 ORDER BY project_id";
    conn.all(sql, args![id], |row| row.text(0)).await
}

/// Whether any project within the reach may use a private flavor.
pub async fn has_access(conn: &mut Conn, id: &str, reach: &Reach) -> Result<bool> {
    let mut query = Query::new("x.project_id", "flavor_access x", "x.project_id");
    query.within(conn.is_postgres(), &[GIVEN], reach, None);
    query.and_text("x.flavor_id", Some(id));
    Ok(query.first_by(conn, "x.project_id", |row| row.text(0)).await?.is_some())
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

/// Nobody may take its id again. Gives false when there is no such flavor.
pub async fn delete(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.execute("DELETE FROM flavor_access WHERE flavor_id = $1", args![id]).await?;
    if tx.execute("DELETE FROM flavors WHERE id = $1", args![id]).await? == 0 {
        return Ok(false);
    }
    retired_ids::retire(tx, KIND, id).await?;
    Ok(true)
}
