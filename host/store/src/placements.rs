//! Places on compute nodes: what servers and volumes hold of them, each by itself, from placement to removal.

use std::collections::{BTreeMap, HashSet};

use skyloom_model::{Error, Result, Timestamp};

use crate::rows::{Word as _, words};
use crate::statement::{delete_from, insert_into, reading, update};
use crate::{Conn, Row, args, pieces};

words! {
    HolderKind {
        /// Processors and memory.
        Server "server",
        /// The disk.
        Volume "volume",
        Snapshot "snapshot",
    }
}

words! {
    /// What a server's place is for.
    Purpose {
        /// Where it is.
        Home "home",
        /// Where it goes in a resize, or came from, until it is known that it stays.
        Resize "resize",
    }
}

/// An amount of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub vcpus: i64,
    pub memory_mib: i64,
    pub disk_gib: i64,
}

/// A node that takes new servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub name: String,
    /// What the platform has.
    pub capacity: Amount,
    /// What is held of it.
    pub used: Amount,
}

fn amount(row: Row<'_>, from: usize) -> Result<Amount> {
    Ok(Amount { vcpus: row.int(from)?, memory_mib: row.int(from + 1)?, disk_gib: row.int(from + 2)? })
}

/// What placement asks of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    pub zone: String,
    /// Its flavor's processors and memory, and those of its volumes that have no place yet.
    pub amount: Amount,
    /// The node on which it has its place already.
    pub node: Option<String>,
    /// The first and the last of the nodes, by name, on which volumes of it, and the snapshots that they begin as, have theirs.
    pub volumes_on: Option<(String, String)>,
    /// The server group that it is in.
    pub group_id: Option<String>,
}

/// None: there is no such server.
pub async fn need(conn: &mut Conn, server_id: &str) -> Result<Option<Need>> {
    conn.optional(
        "SELECT s.zone, s.vcpus, s.memory_mib, CAST((SELECT coalesce(sum(v.size_gib), 0) FROM volumes v \
         LEFT JOIN placements q ON q.holder_id = v.id WHERE v.server_id = s.id AND q.node IS NULL) AS BIGINT), p.node, \
         (SELECT min(q.node) FROM volumes v JOIN placements q ON q.holder_id IN (v.id, v.snapshot_id) \
         WHERE v.server_id = s.id), \
         (SELECT max(q.node) FROM volumes v JOIN placements q ON q.holder_id IN (v.id, v.snapshot_id) \
         WHERE v.server_id = s.id), s.group_id \
         FROM servers s LEFT JOIN placements p ON p.holder_id = s.id AND p.purpose = 'home' \
         WHERE s.id = $1 AND s.deleted = 0",
        args![server_id],
        |row| {
            let volumes_on = row.opt_text(5)?.zip(row.opt_text(6)?);
            let group_id = Some(row.text(7)?).filter(|id| !id.is_empty());
            Ok(Need { zone: row.text(0)?, amount: amount(row, 1)?, node: row.opt_text(4)?, volumes_on, group_id })
        },
    )
    .await
}

/// The nodes of a zone that take new servers, by name.
pub async fn candidates(conn: &mut Conn, zone: &str) -> Result<Vec<Candidate>> {
    conn.all(
        "SELECT n.name, n.vcpus, n.memory_mib, n.disk_gib, coalesce(u.vcpus, 0), coalesce(u.memory_mib, 0), \
         coalesce(u.disk_gib, 0) FROM nodes n LEFT JOIN node_usage u ON u.node = n.name \
         WHERE n.zone = $1 AND n.enabled = 1 ORDER BY n.name",
        args![zone],
        |row| Ok(Candidate { name: row.text(0)?, capacity: amount(row, 1)?, used: amount(row, 4)? }),
    )
    .await
}

/// The first by name of these nodes that hold anything.
pub async fn first_in_use(conn: &mut Conn, nodes: &[&str]) -> Result<Option<String>> {
    let is_one = crate::dialect::is_listed(conn.is_postgres(), "p.node", true, "$1");
    let sql = format!("SELECT min(p.node) FROM placements p WHERE {is_one}");
    conn.one(sql, args![&serde_json::Value::from(nodes).to_string()], |row| row.opt_text(0)).await
}

/// What holds something of the node: each kind of holder, how many there are, and the first by its id.
pub async fn holders(conn: &mut Conn, node: &str) -> Result<Vec<(String, i64, String)>> {
    let sql = "SELECT p.holder_kind, count(DISTINCT p.holder_id), min(p.holder_id) FROM placements p WHERE p.node = $1 \
               GROUP BY p.holder_kind ORDER BY p.holder_kind";
    conn.all(sql, args![node], |row| Ok((row.text(0)?, row.int(1)?, row.text(2)?))).await
}

/// What is reserved on each node that has ever held anything, by its name.
pub async fn used(conn: &mut Conn) -> Result<BTreeMap<String, Amount>> {
    let sql = "SELECT node, vcpus, memory_mib, disk_gib FROM node_usage";
    let rows = conn.all(sql, &[], |row| Ok((row.text(0)?, amount(row, 1)?))).await?;
    Ok(rows.into_iter().collect())
}

/// The node on which the holder has its place for the purpose.
pub async fn place_of(conn: &mut Conn, holder_id: &str, purpose: Purpose) -> Result<Option<String>> {
    let sql = "SELECT node FROM placements WHERE holder_id = $1 AND purpose = $2";
    conn.optional(sql, args![holder_id, purpose.as_str()], |row| row.text(0)).await
}

/// Nodes with operations that nobody has taken since before `before`, and how many: nobody drives those nodes.
pub async fn waiting(conn: &mut Conn, before: Timestamp) -> Result<Vec<(String, i64)>> {
    conn.all(
        "SELECT o.node, count(*) FROM operations o WHERE o.runnable = 1 AND o.node <> '' AND o.lease_owner = '' \
         AND o.next_run_at < $1 GROUP BY o.node ORDER BY o.node",
        args![before],
        |row| Ok((row.text(0)?, row.int(1)?)),
    )
    .await
}

/// Takes the amount out of the node, where it fits below `limit`; places that say whose it is have to follow. False: the node has
/// become too full.
pub async fn take(tx: &mut Conn, node: &str, need: Amount, limit: Amount) -> Result<bool> {
    let fits = tx
        .execute(
            insert_into(
                "node_usage",
                "(node, vcpus, memory_mib, disk_gib) \
                 SELECT $1, $2, $3, $4 WHERE $2 <= $5 AND $3 <= $6 AND $4 <= $7",
            )
            .on_conflict(
                "(node) DO UPDATE SET vcpus = node_usage.vcpus + $2, memory_mib = node_usage.memory_mib + $3, \
                 disk_gib = node_usage.disk_gib + $4 WHERE node_usage.vcpus + $2 <= $5 \
                 AND node_usage.memory_mib + $3 <= $6 AND node_usage.disk_gib + $4 <= $7",
            ),
            args![node, need.vcpus, need.memory_mib, need.disk_gib, limit.vcpus, limit.memory_mib, limit.disk_gib],
        )
        .await?;
    Ok(fits > 0)
}

/// Says whose a part of what was taken out of the node is.
pub async fn hold(
    tx: &mut Conn,
    (kind, id): (HolderKind, &str),
    purpose: Purpose,
    node: &str,
    held: Amount,
) -> Result<()> {
    let row =
        "(holder_kind, holder_id, purpose, node, vcpus, memory_mib, disk_gib) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let (vcpus, memory_mib, disk_gib) = (held.vcpus, held.memory_mib, held.disk_gib);
    tx.defer(
        insert_into("placements", row),
        args![kind.as_str(), id, purpose.as_str(), node, vcpus, memory_mib, disk_gib],
    )
    .await
}

/// [`hold`] for those of a server's volumes that have no place yet.
pub async fn hold_volumes_of(tx: &mut Conn, server_id: &str, node: &str) -> Result<()> {
    let rows = "(holder_kind, holder_id, purpose, node, vcpus, memory_mib, disk_gib) \
                SELECT 'volume', v.id, 'home', $2, 0, 0, v.size_gib FROM volumes v WHERE v.server_id = $1 \
                AND NOT EXISTS (SELECT 1 FROM placements q WHERE q.holder_id = v.id)";
    tx.defer(insert_into("placements", rows).reading(&["volumes", "placements"]), args![server_id, node]).await
}

/// A volume's place becomes larger by what was taken out of the node for it.
pub async fn grow(tx: &mut Conn, volume_id: &str, gib: i64) -> Result<()> {
    let sql = "SET disk_gib = disk_gib + $2 WHERE holder_id = $1 AND purpose = 'home'";
    tx.defer(update("placements", sql), args![volume_id, gib]).await
}

/// A volume's place becomes as large as the volume, whatever was taken out of the node for it.
pub async fn fit(tx: &mut Conn, volume_id: &str, size_gib: u32) -> Result<()> {
    let held = held(tx, volume_id).await?;
    let Some(held) = held.first() else { return Ok(()) };
    let more = i64::from(size_gib) - held.amount.disk_gib;
    grow(tx, volume_id, more).await?;
    tx.defer(update("node_usage", "SET disk_gib = disk_gib + $2 WHERE node = $1"), args![&held.node, more]).await
}

/// What a holder has on a node.
struct Held {
    purpose: Purpose,
    node: String,
    amount: Amount,
}

async fn held(conn: &mut Conn, holder_id: &str) -> Result<Vec<Held>> {
    let sql = "SELECT purpose, node, vcpus, memory_mib, disk_gib FROM placements WHERE holder_id = $1 ORDER BY purpose";
    conn.all(reading(&["placements"], sql), args![holder_id], |row| {
        Ok(Held { purpose: Purpose::of_row(row.text_ref(0)?)?, node: row.text(1)?, amount: amount(row, 2)? })
    })
    .await
}

/// Frees all that the holder has; nothing is no error.
pub async fn release(tx: &mut Conn, holder_id: &str) -> Result<()> {
    for held in held(tx, holder_id).await? {
        free(tx, holder_id, &held).await?;
    }
    Ok(())
}

/// Frees the place that is not the server's home.
pub async fn release_other(tx: &mut Conn, server_id: &str) -> Result<()> {
    for held in held(tx, server_id).await?.iter().filter(|held| held.purpose != Purpose::Home) {
        free(tx, server_id, held).await?;
    }
    Ok(())
}

async fn free(tx: &mut Conn, holder_id: &str, held: &Held) -> Result<()> {
    let gone = delete_from("placements", "WHERE holder_id = $1 AND purpose = $2");
    if tx.execute(gone, args![holder_id, held.purpose.as_str()]).await? == 1 {
        let (node, amount) = (&held.node, held.amount);
        let less = "SET vcpus = vcpus - $2, memory_mib = memory_mib - $3, disk_gib = disk_gib - $4 WHERE node = $1";
        tx.defer(update("node_usage", less), args![node, amount.vcpus, amount.memory_mib, amount.disk_gib]).await?;
    }
    Ok(())
}

/// The disk that was reserved with the server's other place, on the home's node, is the volume's from here on.
pub async fn disk_grown(tx: &mut Conn, server_id: &str, volume_id: &str, gib: u32) -> Result<()> {
    grow(tx, volume_id, gib.into()).await?;
    let less = update("placements", "SET disk_gib = disk_gib - $2 WHERE holder_id = $1 AND purpose = 'resize'");
    tx.defer(less, args![server_id, gib]).await
}

/// The server's home has the processors and the memory of its other place from here on, and the other way round.
pub async fn exchange(tx: &mut Conn, server_id: &str) -> Result<()> {
    let held = held(tx, server_id).await?;
    let [one, two] = held.as_slice() else {
        return Err(Error::internal(format!("server {server_id} has {} places instead of two", held.len())));
    };
    for (to, from) in [(one, two), (two, one)] {
        let sql = "SET vcpus = $3, memory_mib = $4 WHERE holder_id = $1 AND purpose = $2";
        let amount = from.amount;
        let values = args![server_id, to.purpose.as_str(), amount.vcpus, amount.memory_mib];
        tx.defer(update("placements", sql), values).await?;
    }
    Ok(())
}

/// The server is at home on the node of its other place from here on, and its volumes, which have the sizes of their disks there, with
/// it. The other place is where it was, with all that it has there.
pub async fn exchange_nodes(tx: &mut Conn, server_id: &str) -> Result<()> {
    let held = held(tx, server_id).await?;
    let [home, other] = held.as_slice() else {
        return Err(Error::internal(format!("server {server_id} has {} places instead of two", held.len())));
    };
    let disks = "SELECT CAST(coalesce(sum(p.disk_gib), 0) AS BIGINT) FROM placements p \
                 JOIN volumes v ON v.id = p.holder_id WHERE v.server_id = $1";
    let left: i64 = tx.one(reading(&["placements", "volumes"], disks), args![server_id], |row| row.int(0)).await?;
    let with_it = "SET node = $2, disk_gib = (SELECT v.size_gib FROM volumes v WHERE v.id = placements.holder_id) \
                   WHERE holder_id IN (SELECT v.id FROM volumes v WHERE v.server_id = $1)";
    tx.defer(update("placements", with_it).reading(&["volumes"]), args![server_id, &other.node]).await?;
    for (to, from, disk_gib) in [(home, other, 0), (other, home, left)] {
        let sql = "SET node = $3, vcpus = $4, memory_mib = $5, disk_gib = $6 WHERE holder_id = $1 AND purpose = $2";
        let (purpose, amount) = (to.purpose.as_str(), from.amount);
        let values = args![server_id, purpose, &from.node, amount.vcpus, amount.memory_mib, disk_gib];
        tx.defer(update("placements", sql), values).await?;
    }
    Ok(())
}

/// Nodes whose sum is not what the places on them come to: node, sum, places. For the reconciler and the tests.
pub async fn differences(conn: &mut Conn) -> Result<Vec<(String, Amount, Amount)>> {
    let rows = conn
        .all(
            "SELECT u.node, u.vcpus, u.memory_mib, u.disk_gib, CAST(coalesce(sum(r.vcpus), 0) AS BIGINT), \
             CAST(coalesce(sum(r.memory_mib), 0) AS BIGINT), CAST(coalesce(sum(r.disk_gib), 0) AS BIGINT) \
             FROM node_usage u LEFT JOIN placements r ON r.node = u.node \
             GROUP BY u.node, u.vcpus, u.memory_mib, u.disk_gib ORDER BY u.node",
            &[],
            |row| Ok((row.text(0)?, amount(row, 1)?, amount(row, 4)?)),
        )
        .await?;
    Ok(rows.into_iter().filter(|(_, sum, reserved)| sum != reserved).collect())
}

/// Places whose holder is gone. For the reconciler and the tests.
pub async fn orphans(conn: &mut Conn) -> Result<Vec<String>> {
    conn.all(
        "SELECT p.holder_id FROM placements p WHERE CASE p.holder_kind \
         WHEN 'server' THEN NOT EXISTS (SELECT 1 FROM servers s WHERE s.id = p.holder_id AND s.deleted = 0) \
         WHEN 'volume' THEN NOT EXISTS (SELECT 1 FROM volumes v WHERE v.id = p.holder_id) \
         ELSE NOT EXISTS (SELECT 1 FROM volume_snapshots n WHERE n.id = p.holder_id) END \
         ORDER BY p.holder_id",
        &[],
        |row| row.text(0),
    )
    .await
}

/// What the records say of a server on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnNode {
    pub id: String,
    pub vm_state: String,
    pub power_state: String,
    pub updated_at: Timestamp,
    /// An operation holds it.
    pub busy: bool,
}

const ON_NODE: &str = "s.id, s.vm_state, s.power_state, s.updated_at, (SELECT count(*) FROM operation_locks l \
                       WHERE l.resource_kind = 'server' AND l.resource_id = s.id)";

fn on_node(row: Row<'_>) -> Result<OnNode> {
    Ok(OnNode {
        id: row.text(0)?,
        vm_state: row.text(1)?,
        power_state: row.text(2)?,
        updated_at: row.time(3)?,
        busy: row.flag(4)?,
    })
}

/// The living servers on the node with ids after `after`, up to and with `until` (none: to the end), ascending.
pub async fn servers_between(
    conn: &mut Conn,
    node: &str,
    after: Option<&str>,
    until: Option<&str>,
) -> Result<Vec<OnNode>> {
    let mut sql = format!("SELECT {ON_NODE} FROM servers s WHERE s.node = $1 AND s.deleted = 0");
    let mut values: Vec<crate::Value<'_>> = vec![node.into()];
    for (comparison, id) in [(">", after), ("<=", until)] {
        if let Some(id) = id {
            values.push(id.into());
            let condition = format!(" AND s.id {comparison} ${}", values.len());
            sql.push_str(&condition);
        }
    }
    sql.push_str(" ORDER BY s.id");
    conn.all(sql, &values, on_node).await
}

/// A living server wherever it is, as it now stands.
pub async fn server_now(conn: &mut Conn, id: &str) -> Result<Option<OnNode>> {
    let sql = format!("SELECT {ON_NODE} FROM servers s WHERE s.id = $1 AND s.deleted = 0");
    conn.optional(sql, args![id], on_node).await
}

/// Those of the servers whose domains may be on the node: living ones with their place there, and those that an operation holds,
/// be there a record of them or not. The list may be long.
pub async fn expected_on(conn: &mut Conn, node: &str, ids: &[String]) -> Result<HashSet<String>> {
    pieces::found(conn, args![node], ids, |list| {
        format!(
            "SELECT s.id FROM servers s JOIN placements p ON p.holder_id = s.id \
             WHERE s.deleted = 0 AND p.node = $1 AND s.id IN ({list}) UNION \
             SELECT l.resource_id FROM operation_locks l WHERE l.resource_kind = 'server' AND l.resource_id IN ({list})"
        )
    })
    .await
}

/// Resources that are gone, whose spans are still open: they would be charged for ever.
pub async fn spans_of_nothing(conn: &mut Conn) -> Result<Vec<String>> {
    conn.all(
        "SELECT DISTINCT p.resource_id FROM spans p LEFT JOIN servers s ON s.id = p.resource_id AND s.deleted = 0 \
         LEFT JOIN volumes v ON v.id = p.resource_id LEFT JOIN volume_snapshots n ON n.id = p.resource_id \
         WHERE p.ended_at = 9223372036854775807 AND p.resource_kind IN ('server', 'volume', 'snapshot') \
         AND s.id IS NULL AND v.id IS NULL AND n.id IS NULL ORDER BY p.resource_id LIMIT 100",
        &[],
        |row| row.text(0),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::databases;

    fn held_of(vcpus: i64, memory_mib: i64, disk_gib: i64) -> Amount {
        Amount { vcpus, memory_mib, disk_gib }
    }

    async fn amounts(tx: &mut Conn, holder: &str) -> Vec<Amount> {
        held(tx, holder).await.unwrap().into_iter().map(|held| held.amount).collect()
    }

    #[tokio::test]
    async fn a_server_between_two_flavors_holds_both_and_its_disks_once() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            let limit = held_of(10, 100, 100);
            let taken = [
                ((HolderKind::Server, "s"), Purpose::Home, held_of(1, 10, 0)),
                ((HolderKind::Volume, "v"), Purpose::Home, held_of(0, 0, 5)),
                ((HolderKind::Server, "s"), Purpose::Resize, held_of(4, 40, 3)),
            ];
            for (holder, purpose, need) in taken {
                assert!(take(&mut tx, "n", need, limit).await.unwrap(), "{}", database.name);
                hold(&mut tx, holder, purpose, "n", need).await.unwrap();
            }
            assert!(!take(&mut tx, "n", held_of(6, 0, 0), limit).await.unwrap(), "both count");
            disk_grown(&mut tx, "s", "v", 3).await.unwrap();
            assert_eq!(amounts(&mut tx, "s").await, [held_of(1, 10, 0), held_of(4, 40, 0)], "{}", database.name);
            assert_eq!(amounts(&mut tx, "v").await, [held_of(0, 0, 8)], "{}", database.name);
            exchange(&mut tx, "s").await.unwrap();
            assert_eq!(amounts(&mut tx, "s").await, [held_of(4, 40, 0), held_of(1, 10, 0)], "{}", database.name);
            release_other(&mut tx, "s").await.unwrap();
            assert_eq!(amounts(&mut tx, "s").await, [held_of(4, 40, 0)], "{}", database.name);
            assert!(exchange(&mut tx, "s").await.is_err(), "{}: there is no other place", database.name);
            assert_eq!(used(&mut tx).await.unwrap()["n"], held_of(4, 40, 8), "{}", database.name);
            assert_eq!(differences(&mut tx).await.unwrap(), [], "{}", database.name);
            assert_eq!(orphans(&mut tx).await.unwrap(), ["s", "v"], "{}: neither server nor volume", database.name);
            for holder in ["s", "s", "v"] {
                release(&mut tx, holder).await.unwrap();
            }
            assert_eq!(used(&mut tx).await.unwrap()["n"], Amount::default(), "{}", database.name);
        }
    }

    #[tokio::test]
    async fn a_server_that_goes_to_another_node_takes_its_volumes_along_and_holds_what_it_left() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            let limit = held_of(10, 100, 100);
            let volume = "INSERT INTO volumes (id, project_id, user_id, name, size_gib, volume_type, bootable, state, \
                          server_id, boot_index, device, delete_on_termination, image_id, created_at, updated_at) \
                          VALUES ('v', 'p', 'u', '', 5, '', 1, 'in-use', 's', 0, '/dev/vda', 1, '', 1, 1)";
            tx.execute(volume, &[]).await.unwrap();
            let taken = [
                ((HolderKind::Server, "s"), Purpose::Home, "old", held_of(1, 10, 0)),
                ((HolderKind::Volume, "v"), Purpose::Home, "old", held_of(0, 0, 5)),
                ((HolderKind::Server, "s"), Purpose::Resize, "new", held_of(4, 40, 8)),
            ];
            for (holder, purpose, node, need) in taken {
                assert!(take(&mut tx, node, need, limit).await.unwrap(), "{}", database.name);
                hold(&mut tx, holder, purpose, node, need).await.unwrap();
            }
            for (size_gib, home, sizes) in [(8, "new", [0, 5, 8]), (5, "old", [0, 8, 5])] {
                crate::volumes::set_size(&mut tx, "v", size_gib, Timestamp(1)).await.unwrap();
                exchange_nodes(&mut tx, "s").await.unwrap();
                for (holder, purpose) in [("s", Purpose::Home), ("v", Purpose::Home)] {
                    let place = place_of(&mut tx, holder, purpose).await.unwrap();
                    assert_eq!(place.as_deref(), Some(home), "{} {holder}", database.name);
                }
                let amounts = [amounts(&mut tx, "s").await, amounts(&mut tx, "v").await].concat();
                assert_eq!(amounts.iter().map(|held| held.disk_gib).collect::<Vec<_>>(), sizes, "{}", database.name);
                assert_eq!(differences(&mut tx).await.unwrap(), [], "{}", database.name);
            }
            release_other(&mut tx, "s").await.unwrap();
            let used = used(&mut tx).await.unwrap();
            assert_eq!((used["old"], used["new"]), (held_of(1, 10, 5), Amount::default()), "{}", database.name);
        }
    }
}
