//! Volumes. A server's system disk is one from its first day.

use std::collections::{BTreeMap, HashSet};

use skyloom_model::{Reach, Result, Timestamp};

use crate::listing::{Filter, Listed, Page};
use crate::rows::{rows, words};
use crate::statement::{delete_from, insert_into, update};
use crate::{Conn, args, dialect, pieces};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Volume in "volumes" as "v" {
        id: String [sorts, finds],
        project_id: String [owner, finds],
        user_id: String [finds],
        name: String [changes, sorts, finds],
        description: String [changes, finds],
        size_gib: u32 [sorts, finds],
        volume_type: String [sorts, finds],
        zone: String [sorts, finds],
        bootable: bool [changes, sorts, finds],
        state: VolumeState [sorts, finds],
        /// Empty: attached to none.
        server_id: String [finds],
        /// 0 is the system disk.
        boot_index: u32,
        /// e.g. `/dev/vda`; empty: not attached.
        device: String,
        attached_at: Option<Timestamp>,
        delete_on_termination: bool,
        /// The image that it began as; empty: none.
        image_id: String [finds],
        /// The snapshot that it began as; empty: none.
        snapshot_id: String [finds],
        /// The other volume that it began as; empty: none.
        source_volume_id: String [finds],
        metadata: BTreeMap<String, String> as Json [changes, finds],
        created_at: Timestamp [sorts, finds],
        updated_at: Timestamp [changes, sorts, finds],
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText [changes],
    }
}

words! {
    VolumeState {
        Creating "creating",
        Available "available",
        Attaching "attaching",
        InUse "in-use",
        Detaching "detaching",
        Growing "growing",
        Deleting "deleting",
        Error "error",
    }
}

pub async fn insert(tx: &mut Conn, volume: &Volume) -> Result<()> {
    volume.insert()?.defer(tx).await
}

pub async fn get(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<Volume>> {
    let mut query = Volume::query();
    query.within(conn.is_postgres(), &[Volume::OWNER], reach, None);
    query.of_id(conn, id, Volume::of_row).await
}

/// Newest first unless sorted otherwise.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Volume>> {
    let mut query = Volume::query();
    query.within(conn.is_postgres(), &[Volume::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Volume::FIELDS, &filter.conditions)?;
    query.page(conn, Volume::FIELDS, &[("created-at", true)], page, Volume::of_row).await
}

/// The newest of a project's (none: of all), or only of those that no server has.
pub async fn newest(conn: &mut Conn, project_id: Option<&str>, free: bool, limit: u32) -> Result<Vec<Volume>> {
    let sql = Volume::select(
        "WHERE ($1 = '' OR v.project_id = $1) AND ($2 = 0 OR v.server_id = '') ORDER BY v.created_at DESC, v.id DESC LIMIT $3",
    );
    conn.all(sql, args![project_id.unwrap_or(""), free, limit], Volume::of_row).await
}

/// A server's, by boot index.
pub async fn of_server(conn: &mut Conn, server_id: &str) -> Result<Vec<Volume>> {
    let sql = Volume::select("WHERE v.server_id = $1 ORDER BY v.boot_index, v.id");
    conn.all(sql, args![server_id], Volume::of_row).await
}

/// Held until the commit, of any project.
pub async fn lock(tx: &mut Conn, id: &str) -> Result<Option<Volume>> {
    let lock = dialect::for_update(tx.is_postgres());
    tx.optional(Volume::select(&format!("WHERE v.id = $1{lock}")), args![id], Volume::of_row).await
}

/// Several, by id, so that two calls can't wait for each other.
pub async fn lock_many(tx: &mut Conn, ids: &[String]) -> Result<()> {
    let (lock, list) = (dialect::for_update(tx.is_postgres()), dialect::placeholders(1, ids.len()));
    let values: Vec<crate::Value<'_>> = ids.iter().map(crate::Value::from).collect();
    tx.all(format!("SELECT id FROM volumes WHERE id IN ({list}) ORDER BY id{lock}"), &values, |_| Ok(()))
        .await
        .map(drop)
}

/// Whether an operation holds it.
pub async fn is_held(conn: &mut Conn, id: &str) -> Result<bool> {
    let sql = "SELECT count(*) FROM operation_locks WHERE resource_kind = 'volume' AND resource_id = $1";
    Ok(conn.one(sql, args![id], |row| row.int(0)).await? > 0)
}

/// What its owner may change.
pub async fn update_own(tx: &mut Conn, volume: &Volume) -> Result<()> {
    volume.update()?.run(tx).await.map(drop)
}

pub async fn set_state(tx: &mut Conn, id: &str, state: VolumeState, now: Timestamp) -> Result<()> {
    let sql = update("volumes", "SET state = $2, updated_at = $3 WHERE id = $1");
    tx.defer(sql, args![id, state.as_str(), now]).await
}

/// Where a server has it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub server_id: &'a str,
    pub boot_index: u32,
    pub device: &'a str,
    pub delete_on_termination: bool,
}

/// The volume is being given to a server.
pub async fn attach(tx: &mut Conn, id: &str, place: Place<'_>, now: Timestamp) -> Result<()> {
    let sql = update(
        "volumes",
        "SET state = 'attaching', server_id = $2, boot_index = $3, device = $4, delete_on_termination = $5, \
         updated_at = $6 WHERE id = $1",
    );
    let Place { server_id, boot_index, device, delete_on_termination } = place;
    tx.defer(sql, args![id, server_id, boot_index, device, delete_on_termination, now]).await
}

/// The server has it.
pub async fn attached(tx: &mut Conn, id: &str, now: Timestamp) -> Result<()> {
    let sql = update("volumes", "SET state = 'in-use', attached_at = $2, updated_at = $2 WHERE id = $1");
    tx.defer(sql, args![id, now]).await
}

/// The server has all of its volumes that are in this state.
pub async fn had_from(tx: &mut Conn, server_id: &str, state: VolumeState, now: Timestamp) -> Result<()> {
    tx.defer(
        update(
            "volumes",
            "SET state = 'in-use', attached_at = $3, updated_at = $3 WHERE server_id = $1 AND state = $2",
        ),
        args![server_id, state.as_str(), now],
    )
    .await
}

pub async fn grow(tx: &mut Conn, id: &str, size_gib: u32, now: Timestamp) -> Result<()> {
    tx.defer(
        update("volumes", "SET size_gib = $2, updated_at = $3 WHERE id = $1 AND size_gib < $2"),
        args![id, size_gib, now],
    )
    .await
}

/// Its disk did not grow, or is another one.
pub async fn set_size(tx: &mut Conn, id: &str, size_gib: u32, now: Timestamp) -> Result<()> {
    tx.defer(update("volumes", "SET size_gib = $2, updated_at = $3 WHERE id = $1"), args![id, size_gib, now]).await
}

/// Leaves the volume without its server, available.
pub async fn detach(tx: &mut Conn, id: &str, now: Timestamp) -> Result<()> {
    tx.defer(
        update(
            "volumes",
            "SET state = 'available', server_id = '', device = '', attached_at = NULL, updated_at = $2 WHERE id = $1",
        ),
        args![id, now],
    )
    .await
}

/// One that isn't there is no error.
pub async fn remove(tx: &mut Conn, id: &str) -> Result<()> {
    tx.defer(delete_from("volumes", "WHERE id = $1"), args![id]).await
}

/// Removes a volume that no server has, and remembers that its disk is to go. False: a server has it, or it wasn't there.
pub async fn discard(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    if tx.execute(delete_from("volumes", "WHERE id = $1 AND server_id = ''"), args![id]).await? == 0 {
        return Ok(false);
    }
    tx.execute(insert_into("discarded_volumes", "(id, discarded_at) VALUES ($1, $2)"), args![id, now]).await?;
    Ok(true)
}

/// Those of the ids that were volumes and whose disks are to go. The list may be long.
pub async fn discarded(conn: &mut Conn, ids: &[String]) -> Result<HashSet<String>> {
    pieces::found(conn, &[], ids, |list| format!("SELECT id FROM discarded_volumes WHERE id IN ({list})")).await
}

/// Forgets discarded volumes whose disks nobody has found since `before`; gives how many.
pub async fn forget_discarded(tx: &mut Conn, before: Timestamp) -> Result<u64> {
    tx.execute(delete_from("discarded_volumes", "WHERE discarded_at < $1"), args![before]).await
}

/// Those of the ids that have a disk: volumes and snapshots of any project. The list may be long.
pub async fn disks_known(conn: &mut Conn, ids: &[String]) -> Result<HashSet<String>> {
    pieces::found(conn, &[], ids, |list| {
        format!(
            "SELECT id FROM volumes WHERE id IN ({list}) UNION SELECT id FROM volume_snapshots WHERE id IN ({list})"
        )
    })
    .await
}
