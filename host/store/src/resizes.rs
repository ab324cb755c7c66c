//! Servers between two flavors: each with the flavor that it does not have, from the request of a resize to its confirmation or
//! the way back.

use serde::{Deserialize, Serialize};
use skyloom_model::{Error, Result, Timestamp};

use crate::rows::rows;
use crate::servers::FlavorCopy;
use crate::statement::{delete_from, update};
use crate::{Conn, Row, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Resize in "resizes" as "r" {
        server_id: String,
        project_id: String,
        flavor_id: String,
        vcpus: u32,
        memory_mib: u32,
        flavor: FlavorCopy as Json,
        /// Held of the quota above what the server's own row says.
        extra_vcpus: u32,
        extra_memory_mib: u32,
        /// By which the system disk will grow; it never shrinks.
        extra_volume_gib: u32,
        /// The guest ran when the resize was asked for.
        running: bool,
        /// None: the server stays on its node.
        moves: Option<Move> as JsonOrNull,
    }
}

/// The way to another node. What the server has on the old one stays there until it is known that it stays on the new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Move {
    pub from: String,
    pub to: String,
    pub disks: Vec<MovedDisk>,
}

/// One of the server's disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MovedDisk {
    /// Of its volume.
    pub id: String,
    /// Through which it goes.
    pub blob: String,
    /// Its size on the old node.
    pub was_gib: u32,
}

/// The flavor that a server has, as it was when it took it.
pub async fn own_flavor(conn: &mut Conn, server_id: &str) -> Result<FlavorCopy> {
    conn.one("SELECT flavor FROM servers WHERE id = $1", args![server_id], |row| row.json(0)).await
}

pub async fn insert(tx: &mut Conn, resize: &Resize) -> Result<()> {
    resize.insert()?.defer(tx).await
}

pub async fn get(conn: &mut Conn, server_id: &str) -> Result<Option<Resize>> {
    conn.optional(Resize::select("WHERE r.server_id = $1"), args![server_id], Resize::of_row).await
}

/// The resize goes to another node.
pub async fn put_move(tx: &mut Conn, server_id: &str, moves: &Move) -> Result<()> {
    let text = serde_json::to_string(moves).map_err(Error::internal)?;
    tx.defer(update("resizes", "SET moves = $2 WHERE server_id = $1"), args![server_id, &text]).await
}

/// The names of all blobs through which disks go at the moment.
pub async fn blobs(conn: &mut Conn) -> Result<Vec<String>> {
    let moving = conn.all(Resize::select("WHERE r.moves IS NOT NULL"), &[], Resize::of_row).await?;
    let disks = moving.into_iter().filter_map(|resize| resize.moves).flat_map(|moves| moves.disks);
    Ok(disks.map(|disk| disk.blob).collect())
}

/// The system disk has grown: its volume says so from here on.
pub async fn disk_grown(tx: &mut Conn, server_id: &str) -> Result<()> {
    tx.defer(update("resizes", "SET extra_volume_gib = 0 WHERE server_id = $1"), args![server_id]).await
}

/// One that isn't there is no error.
pub async fn remove(tx: &mut Conn, server_id: &str) -> Result<()> {
    tx.defer(delete_from("resizes", "WHERE server_id = $1"), args![server_id]).await
}

/// The server takes the other flavor, and the other one is now what it had. The server's row is held already.
pub async fn exchange(tx: &mut Conn, server_id: &str, now: Timestamp) -> Result<()> {
    let other = get(tx, server_id).await?.ok_or_else(|| Error::not_found("resize", server_id))?;
    let sql = "SELECT flavor_id, vcpus, memory_mib, flavor FROM servers WHERE id = $1";
    let own = |row: Row<'_>| Ok((row.text(0)?, row.int(1)?, row.int(2)?, row.text(3)?));
    let (flavor_id, vcpus, memory_mib, flavor) = tx.one(sql, args![server_id], own).await?;
    let new = serde_json::to_string(&other.flavor).map_err(Error::internal)?;
    tx.execute(
        update(
            "servers",
            "SET flavor_id = $2, vcpus = $3, memory_mib = $4, flavor = $5, updated_at = $6 WHERE id = $1",
        ),
        args![server_id, &other.flavor_id, other.vcpus, other.memory_mib, &new, now],
    )
    .await?;
    let extra = |of_other: i64, own: u32| (of_other - i64::from(own)).max(0);
    tx.execute(
        update(
            "resizes",
            "SET flavor_id = $2, vcpus = $3, memory_mib = $4, flavor = $5, extra_vcpus = $6, extra_memory_mib = $7 \
             WHERE server_id = $1",
        ),
        args![
            server_id,
            &flavor_id,
            vcpus,
            memory_mib,
            &flavor,
            extra(vcpus, other.vcpus),
            extra(memory_mib, other.memory_mib),
        ],
    )
    .await?;
    Ok(())
}
