//! Volumes. A server's system disk is one from its first day.

use std::collections::HashSet;

use skyloom_model::{Result, Timestamp};

use crate::listing::{Key, Listed, Page, Query};
use crate::{Conn, Row, args, pieces};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: String,
    pub size_gib: u32,
    pub volume_type: String,
    pub bootable: bool,
    pub state: VolumeState,
    /// Empty: attached to none.
    pub server_id: String,
    /// 0 is the system disk.
    pub boot_index: u32,
    /// e.g. `/dev/vda`; empty: not attached.
    pub device: String,
    pub delete_on_termination: bool,
    /// The image that it began as; empty: none.
    pub image_id: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeState {
    Creating,
    Available,
    InUse,
    Deleting,
    Error,
}

impl VolumeState {
    /// The contract's word, and the store's.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::InUse => "in-use",
            Self::Deleting => "deleting",
            Self::Error => "error",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        [Self::Creating, Self::Available, Self::InUse, Self::Deleting, Self::Error]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| skyloom_model::Error::internal(format!("a volume's state is {text}")))
    }
}

const COLUMNS: &str = "v.id, v.project_id, v.user_id, v.name, v.size_gib, v.volume_type, v.bootable, v.state, v.server_id, \
                       v.boot_index, v.device, v.delete_on_termination, v.image_id, v.created_at, v.updated_at";

const KEYS: &[Key] = &[
    Key::int("created-at", "v.created_at"),
    Key::text("id", "v.id"),
    Key::text("name", "v.name"),
    Key::int("size-gib", "v.size_gib"),
    Key::text("state", "v.state"),
];

fn of_row(row: Row<'_>) -> Result<Volume> {
    Ok(Volume {
        id: row.text(0)?,
        project_id: row.text(1)?,
        user_id: row.text(2)?,
        name: row.text(3)?,
        size_gib: row.u32(4)?,
        volume_type: row.text(5)?,
        bootable: row.flag(6)?,
        state: VolumeState::parse(row.text_ref(7)?)?,
        server_id: row.text(8)?,
        boot_index: row.u32(9)?,
        device: row.text(10)?,
        delete_on_termination: row.flag(11)?,
        image_id: row.text(12)?,
        created_at: row.time(13)?,
        updated_at: row.time(14)?,
    })
}

pub async fn insert(tx: &mut Conn, volume: &Volume) -> Result<()> {
    tx.defer(
        "INSERT INTO volumes (id, project_id, user_id, name, size_gib, volume_type, bootable, state, server_id, boot_index, \
         device, delete_on_termination, image_id, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        args![
            &volume.id,
            &volume.project_id,
            &volume.user_id,
            &volume.name,
            volume.size_gib,
            &volume.volume_type,
            volume.bootable,
            volume.state.as_str(),
            &volume.server_id,
            volume.boot_index,
            &volume.device,
            volume.delete_on_termination,
            &volume.image_id,
            volume.created_at,
            volume.updated_at,
        ],
    )
    .await
}

/// `project_id` none: of any project.
pub async fn get(conn: &mut Conn, id: &str, project_id: Option<&str>) -> Result<Option<Volume>> {
    let volume = conn.optional(format!("SELECT {COLUMNS} FROM volumes v WHERE v.id = $1"), args![id], of_row).await?;
    Ok(volume.filter(|volume| project_id.is_none_or(|project| volume.project_id == project)))
}

/// A project's, newest first unless sorted otherwise.
pub async fn list(conn: &mut Conn, project_id: &str, server_id: Option<&str>, page: &Page) -> Result<Listed<Volume>> {
    let mut query = Query::new(COLUMNS, "volumes v", "v.id");
    let project = query.text(project_id);
    query.scope(format!("v.project_id = {project}"));
    query.and_text("v.server_id", server_id);
    query.page(conn, KEYS, &[("created-at", true)], page, of_row).await
}

/// The newest of a project's (none: of all), or only of those that no server has.
pub async fn newest(conn: &mut Conn, project_id: Option<&str>, free: bool, limit: u32) -> Result<Vec<Volume>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM volumes v WHERE ($1 = '' OR v.project_id = $1) AND ($2 = 0 OR v.server_id = '') \
         ORDER BY v.created_at DESC, v.id DESC LIMIT $3"
    );
    conn.all(sql, args![project_id.unwrap_or(""), free, limit], of_row).await
}

/// A server's, by boot index.
pub async fn of_server(conn: &mut Conn, server_id: &str) -> Result<Vec<Volume>> {
    let sql = format!("SELECT {COLUMNS} FROM volumes v WHERE v.server_id = $1 ORDER BY v.boot_index, v.id");
    conn.all(sql, args![server_id], of_row).await
}

/// All of a server's volumes at once.
pub async fn set_state_of_server(tx: &mut Conn, server_id: &str, state: VolumeState, now: Timestamp) -> Result<()> {
    tx.defer(
        "UPDATE volumes SET state = $2, updated_at = $3 WHERE server_id = $1",
        args![server_id, state.as_str(), now],
    )
    .await
}

/// Leaves the volume without its server, available.
pub async fn detach(tx: &mut Conn, id: &str, now: Timestamp) -> Result<()> {
    tx.defer(
        "UPDATE volumes SET state = 'available', server_id = '', device = '', updated_at = $2 WHERE id = $1",
        args![id, now],
    )
    .await
}

/// One that isn't there is no error.
pub async fn remove(tx: &mut Conn, id: &str) -> Result<()> {
    tx.defer("DELETE FROM volumes WHERE id = $1", args![id]).await
}

/// Removes a volume that no server has, and remembers that its disk is to go. False: a server has it, or it wasn't there.
pub async fn discard(tx: &mut Conn, id: &str, now: Timestamp) -> Result<bool> {
    if tx.execute("DELETE FROM volumes WHERE id = $1 AND server_id = ''", args![id]).await? == 0 {
        return Ok(false);
    }
    tx.execute("INSERT INTO discarded_volumes (id, discarded_at) VALUES ($1, $2)", args![id, now]).await?;
    Ok(true)
}

/// Those of the ids that were volumes and whose disks are to go. The list may be long.
pub async fn discarded(conn: &mut Conn, ids: &[String]) -> Result<HashSet<String>> {
    pieces::found(conn, &[], ids, |list| format!("SELECT id FROM discarded_volumes WHERE id IN ({list})")).await
}

/// Forgets discarded volumes whose disks nobody has found since `before`; gives how many.
pub async fn forget_discarded(tx: &mut Conn, before: Timestamp) -> Result<u64> {
    tx.execute("DELETE FROM discarded_volumes WHERE discarded_at < $1", args![before]).await
}

/// Those of the ids that are volumes, of any project. The list may be long.
pub async fn known(conn: &mut Conn, ids: &[String]) -> Result<HashSet<String>> {
    pieces::found(conn, &[], ids, |list| format!("SELECT id FROM volumes WHERE id IN ({list})")).await
}
