//! Snapshots of volumes: copies that don't change.

use std::collections::{BTreeMap, HashSet};

use skyloom_model::{Reach, Result, Timestamp};

use crate::listing::{Filter, Listed, Page};
use crate::rows::{rows, words};
use crate::statement::{delete_from, update};
use crate::{Conn, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Snapshot in "volume_snapshots" as "n" {
        id: String [sorts, finds],
        project_id: String [owner, finds],
        user_id: String,
        volume_id: String [finds],
        name: String [changes, sorts, finds],
        description: String [changes, finds],
        size_gib: u32 [sorts, finds],
        state: SnapshotState [sorts, finds],
        metadata: BTreeMap<String, String> as Json [changes, finds],
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
}

words! {
    SnapshotState {
        Creating "creating",
        Available "available",
        Deleting "deleting",
        Error "error",
    }
}

pub async fn insert(tx: &mut Conn, snapshot: &Snapshot) -> Result<()> {
    snapshot.insert()?.defer(tx).await
}

pub async fn get(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Snapshot>> {
    let mut query = Snapshot::query();
    query.within(conn.is_postgres(), &[Snapshot::OWNER], reach, None);
    query.of_id(conn, id, Snapshot::of_row).await
}

/// Newest first unless sorted otherwise.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Snapshot>> {
    let mut query = Snapshot::query();
    query.within(conn.is_postgres(), &[Snapshot::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Snapshot::FIELDS, &filter.conditions)?;
    query.page(conn, Snapshot::FIELDS, &[("created-at", true)], page, Snapshot::of_row).await
}

/// Held until the commit, of any project.
pub async fn lock(tx: &mut Conn, id: &str) -> Result<Option<Snapshot>> {
    let lock = dialect::for_update(tx.is_postgres());
    tx.optional(Snapshot::select(&format!("WHERE n.id = $1{lock}")), args![id], Snapshot::of_row).await
}

/// Several, by id, so that two calls can't wait for each other.
pub async fn lock_many(tx: &mut Conn, ids: &[String]) -> Result<()> {
    let (lock, list) = (dialect::for_update(tx.is_postgres()), dialect::placeholders(1, ids.len()));
    let values: Vec<crate::Value<'_>> = ids.iter().map(crate::Value::from).collect();
    let sql = format!("SELECT id FROM volume_snapshots WHERE id IN ({list}) ORDER BY id{lock}");
    tx.all(sql, &values, |_| Ok(())).await.map(drop)
}

/// What its owner may change.
pub async fn update_own(tx: &mut Conn, snapshot: &Snapshot) -> Result<()> {
    snapshot.update()?.run(tx).await.map(drop)
}

pub async fn set_state(tx: &mut Conn, id: &str, state: SnapshotState, now: Timestamp) -> Result<()> {
    let sql = update("volume_snapshots", "SET state = $2, updated_at = $3 WHERE id = $1");
    tx.defer(sql, args![id, state.as_str(), now]).await
}

/// Those of a server's volumes that snapshots are of.
pub async fn volumes_of_server(conn: &mut Conn, server_id: &str) -> Result<HashSet<String>> {
    let sql = "SELECT DISTINCT n.volume_id FROM volume_snapshots n JOIN volumes v ON v.id = n.volume_id WHERE v.server_id = $1";
    Ok(conn.all(sql, args![server_id], |row| row.text(0)).await?.into_iter().collect())
}

/// How many there are of a volume.
pub async fn count_of(conn: &mut Conn, volume_id: &str) -> Result<i64> {
    conn.one("SELECT count(*) FROM volume_snapshots WHERE volume_id = $1", args![volume_id], |row| row.int(0)).await
}

/// One that isn't there is no error.
pub async fn remove(tx: &mut Conn, id: &str) -> Result<()> {
    tx.defer(delete_from("volume_snapshots", "WHERE id = $1"), args![id]).await
}
