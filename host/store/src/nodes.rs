//! Compute nodes: what each platform offers. What servers hold of them stands in `placements`.

use skyloom_model::{Result, Timestamp};

use crate::rows::rows;
use crate::statement::{delete_from, reading};
use crate::{Conn, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Node in "nodes" as "n" {
        name: String,
        /// The one in which it takes servers: that of its aggregates, and where they name none, its own.
        zone: String,
        /// Id of the driver's plugin.
        driver: String,
        hypervisor: String,
        hypervisor_version: i64,
        vcpus: i64,
        memory_mib: i64,
        disk_gib: i64,
        /// False: takes no new servers.
        enabled: bool,
        updated_at: Timestamp,
        /// What the deployment says.
        own_zone: String,
        /// Where its process answers what other processes ask about it, `host:port`; empty: nowhere.
        internal_address: String,
    }
}

/// Writes the node, new or again. Its zone is what its aggregates and its own zone make it.
pub async fn put(tx: &mut Conn, node: &Node) -> Result<()> {
    let again = "(name) DO UPDATE SET driver = $3, hypervisor = $4, hypervisor_version = $5, vcpus = $6, \
                 memory_mib = $7, disk_gib = $8, enabled = $9, updated_at = $10, own_zone = $11, internal_address = $12";
    node.insert()?.on_conflict(again).run(tx).await?;
    // The row is held now, so no aggregate changes meanwhile.
    settle_zones(tx, std::slice::from_ref(&node.name)).await
}

/// Those of these names that are there, by name, held until the commit: nothing new is placed on them meanwhile.
pub async fn locked(tx: &mut Conn, names: &[String]) -> Result<Vec<Node>> {
    let postgres = tx.is_postgres();
    let (is_one, lock) = (dialect::is_listed(postgres, "n.name", true, "$1"), dialect::for_update(postgres));
    let sql = Node::select(&format!("WHERE {is_one} ORDER BY n.name{lock}"));
    tx.all(sql, args![&serde_json::Value::from(names).to_string()], Node::of_row).await
}

/// Puts these nodes into the zone that their aggregates name, and where they name none, into their own.
pub async fn settle_zones(tx: &mut Conn, names: &[String]) -> Result<()> {
    let is_one = dialect::is_listed(tx.is_postgres(), "nodes.name", true, "$1");
    let sql = format!(
        "UPDATE nodes SET zone = coalesce((SELECT min(a.zone) FROM aggregate_nodes m \
         JOIN aggregates a ON a.id = m.aggregate_id WHERE m.node = nodes.name AND a.zone <> ''), own_zone) \
         WHERE {is_one}"
    );
    tx.execute(sql, args![&serde_json::Value::from(names).to_string()]).await.map(drop)
}

/// Whether the node is still in this zone; if so, it stays there until the commit.
pub async fn stays_in(tx: &mut Conn, name: &str, zone: &str) -> Result<bool> {
    let lock = dialect::for_key_share(tx.is_postgres());
    let sql = format!("SELECT n.name FROM nodes n WHERE n.name = $1 AND n.zone = $2{lock}");
    Ok(tx.optional(reading(&["nodes"], sql), args![name, zone], |row| row.text(0)).await?.is_some())
}

pub async fn get(conn: &mut Conn, name: &str) -> Result<Option<Node>> {
    conn.optional(Node::select("WHERE n.name = $1"), args![name], Node::of_row).await
}

/// All, by zone and name.
pub async fn all(conn: &mut Conn) -> Result<Vec<Node>> {
    conn.all(Node::select("ORDER BY n.zone, n.name"), &[], Node::of_row).await
}

/// A process says that it still drives the node, and where it is asked about it.
pub async fn beat(tx: &mut Conn, name: &str, enabled: bool, internal_address: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE nodes SET enabled = $2, internal_address = $3, updated_at = $4 WHERE name = $1";
    tx.execute(sql, args![name, enabled, internal_address, now]).await?;
    Ok(())
}

/// Nodes of which nobody has said anything since before `before`, other than `names`, take no new servers. Gives how many. They are
/// as old as the last word about them; where nobody says any, since now.
pub async fn disable_others(tx: &mut Conn, names: &[String], before: Timestamp, now: Timestamp) -> Result<u64> {
    let list = dialect::placeholders(3, names.len());
    let mut values: Vec<crate::Value<'_>> = vec![now.into(), before.into()];
    values.extend(names.iter().map(crate::Value::from));
    let other = if names.is_empty() { String::new() } else { format!(" AND name NOT IN ({list})") };
    let sql = format!(
        "UPDATE nodes SET enabled = 0, \
         updated_at = CASE WHEN $2 = 9223372036854775807 THEN $1 ELSE updated_at END \
         WHERE enabled = 1 AND updated_at < $2{other}"
    );
    tx.execute(sql, &values).await
}

/// Forgets nodes that take no new servers since before `before`, hold nothing, and are none of `names` (those that are in use
/// here). Gives how many.
pub async fn remove_retired(tx: &mut Conn, names: &[String], before: Timestamp) -> Result<u64> {
    let list = dialect::placeholders(2, names.len());
    let mut values: Vec<crate::Value<'_>> = vec![before.into()];
    values.extend(names.iter().map(crate::Value::from));
    let other = if names.is_empty() { String::new() } else { format!(" AND name NOT IN ({list})") };
    let sql = format!(
        "DELETE FROM nodes WHERE enabled = 0 AND updated_at < $1{other} \
         AND NOT EXISTS (SELECT 1 FROM servers s WHERE s.node = nodes.name) \
         AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.node = nodes.name)"
    );
    let gone = tx.execute(sql, &values).await?;
    if gone > 0 {
        // The sums of those that hold nothing are nothing.
        let sums = "DELETE FROM node_usage WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.name = node_usage.node) \
                    AND NOT EXISTS (SELECT 1 FROM placements p WHERE p.node = node_usage.node)";
        tx.execute(sums, &[]).await?;
        let left =
            "DELETE FROM aggregate_nodes WHERE NOT EXISTS (SELECT 1 FROM nodes n WHERE n.name = aggregate_nodes.node)";
        tx.execute(left, &[]).await?;
    }
    Ok(gone)
}

/// Forgets a node that holds nothing, in this transaction that has [`locked`] it.
pub async fn forget(tx: &mut Conn, name: &str) -> Result<()> {
    for sql in [
        delete_from("aggregate_nodes", "WHERE node = $1"),
        delete_from("node_usage", "WHERE node = $1"),
        delete_from("nodes", "WHERE name = $1"),
    ] {
        tx.execute(sql, args![name]).await?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::aggregates;

    /// One that takes servers.
    pub(crate) fn node(name: &str, own_zone: &str) -> Node {
        Node {
            name: name.to_owned(),
            zone: own_zone.to_owned(),
            driver: "d".to_owned(),
            hypervisor: String::new(),
            hypervisor_version: 0,
            vcpus: 1,
            memory_mib: 1,
            disk_gib: 1,
            enabled: true,
            updated_at: Timestamp(1),
            own_zone: own_zone.to_owned(),
            internal_address: String::new(),
        }
    }

    #[tokio::test]
    async fn a_process_says_with_each_word_about_a_node_where_it_is_asked() {
        for database in crate::testing::databases().await {
            let mut tx = database.db.begin().await.unwrap();
            put(&mut tx, &Node { internal_address: "a:1".to_owned(), ..node("n", "z") }).await.unwrap();
            put(&mut tx, &node("other", "z")).await.unwrap();
            let moved = Node { internal_address: "b:2".to_owned(), ..node("n", "z") };
            put(&mut tx, &moved).await.unwrap();
            assert_eq!(get(&mut tx, "n").await.unwrap(), Some(moved), "{}", database.name);
            beat(&mut tx, "n", false, "c:3", Timestamp(7)).await.unwrap();
            let told =
                Node { enabled: false, updated_at: Timestamp(7), internal_address: "c:3".to_owned(), ..node("n", "z") };
            assert_eq!(get(&mut tx, "n").await.unwrap(), Some(told), "{}", database.name);
            assert_eq!(get(&mut tx, "other").await.unwrap(), Some(node("other", "z")), "{}", database.name);
        }
    }

    #[tokio::test]
    async fn only_what_is_left_empty_and_unused_for_long_is_forgotten() {
        for database in crate::testing::databases().await {
            let mut tx = database.db.begin().await.unwrap();
            for (name, enabled, updated_at) in [
                ("old", false, 1),
                ("young", false, 10),
                ("serving", true, 1),
                ("holding", false, 1),
                ("here", false, 1),
            ] {
                let node = Node { enabled, updated_at: Timestamp(updated_at), ..node(name, "z") };
                put(&mut tx, &node).await.unwrap();
                tx.execute(
                    "INSERT INTO node_usage (node, vcpus, memory_mib, disk_gib) VALUES ($1, 0, 0, 0)",
                    args![name],
                )
                .await
                .unwrap();
                assert!(aggregates::add_node(&mut tx, "1", name).await.unwrap());
            }
            let sql = "INSERT INTO placements (holder_kind, holder_id, purpose, node, vcpus, memory_mib, disk_gib) \
                       VALUES ('server', 's', 'home', 'holding', 1, 1, 1)";
            tx.execute(sql, &[]).await.unwrap();
            let here = ["here".to_owned()];
            assert_eq!(remove_retired(&mut tx, &here, Timestamp(1)).await.unwrap(), 0, "{}", database.name);
            assert_eq!(remove_retired(&mut tx, &here, Timestamp(10)).await.unwrap(), 1, "{}", database.name);
            let names: Vec<String> = all(&mut tx).await.unwrap().into_iter().map(|node| node.name).collect();
            assert_eq!(names, ["here", "holding", "serving", "young"], "{}", database.name);
            let sums = tx.all("SELECT node FROM node_usage ORDER BY node", &[], |row| row.text(0)).await.unwrap();
            assert_eq!(sums, names, "{}", database.name);
            let members = "SELECT node FROM aggregate_nodes ORDER BY node";
            let members = tx.all(members, &[], |row| row.text(0)).await.unwrap();
            assert_eq!(members, names, "they leave their aggregates: {}", database.name);
            // Where this process uses none.
            assert_eq!(remove_retired(&mut tx, &[], Timestamp(10)).await.unwrap(), 1, "{}", database.name);
        }
    }
}
