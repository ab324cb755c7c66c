//! Compute nodes that no deployment file names: a process that takes such nodes drives each while nobody else does. What their
//! platforms offer stands in `nodes`, as of all nodes.

use std::collections::BTreeMap;

use skyloom_model::{Result, Timestamp};

use crate::rows::rows;
use crate::statement::{delete_from, update};
use crate::{Conn, Value, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct NodeRecord in "node_records" as "r" {
        name: String,
        /// Id of the driver's plugin.
        driver: String [changes],
        zone: String [changes],
        /// None: what the platform says.
        vcpus: Option<i64> [changes],
        memory_mib: Option<i64> [changes],
        disk_gib: Option<i64> [changes],
        /// False: takes no new servers.
        enabled: bool [changes],
        /// Names of the platform's networks by the cloud's.
        platform_networks: BTreeMap<String, String> as Json [changes],
        /// JSON of the driver's config, sealed.
        config: String [changes],
        /// The process that takes it; empty: any.
        process: String [changes],
        revision: i64 [counts],
        /// The process that drives it; empty: none does.
        driven_by: String,
        driven_until: Timestamp,
    }
}

/// `already-exists` where there is one of this name.
pub async fn insert(tx: &mut Conn, record: &NodeRecord) -> Result<()> {
    record.insert()?.run(tx).await.map(drop)
}

/// Writes what may change; it has the next revision then.
pub async fn update_record(tx: &mut Conn, record: &NodeRecord) -> Result<bool> {
    record.update()?.run(tx).await
}

pub async fn get(conn: &mut Conn, name: &str) -> Result<Option<NodeRecord>> {
    conn.optional(NodeRecord::select("WHERE r.name = $1"), args![name], NodeRecord::of_row).await
}

/// As [`get`], held until the commit.
pub async fn lock(tx: &mut Conn, name: &str) -> Result<Option<NodeRecord>> {
    let lock = dialect::for_update(tx.is_postgres());
    tx.optional(NodeRecord::select(&format!("WHERE r.name = $1{lock}")), args![name], NodeRecord::of_row).await
}

/// Whether there is one of this name; if so, it stays until the commit.
pub async fn stays(tx: &mut Conn, name: &str) -> Result<bool> {
    let sql =
        format!("SELECT r.name FROM node_records r WHERE r.name = $1{}", dialect::for_key_share(tx.is_postgres()));
    Ok(tx.optional(sql, args![name], |row| row.text(0)).await?.is_some())
}

/// All, by name.
pub async fn all(conn: &mut Conn) -> Result<Vec<NodeRecord>> {
    conn.all(NodeRecord::select("ORDER BY r.name"), &[], NodeRecord::of_row).await
}

/// The first by name of these that is a record's.
pub async fn first_of(conn: &mut Conn, names: &[String]) -> Result<Option<String>> {
    let is_one = dialect::is_listed(conn.is_postgres(), "r.name", true, "$1");
    let sql = format!("SELECT min(r.name) FROM node_records r WHERE {is_one}");
    conn.one(sql, args![&serde_json::Value::from(names).to_string()], |row| row.opt_text(0)).await
}

/// False: there was none.
pub async fn remove(tx: &mut Conn, name: &str) -> Result<bool> {
    Ok(tx.execute(delete_from("node_records", "WHERE name = $1"), args![name]).await? == 1)
}

/// Who takes nodes, and which.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a> {
    /// The process; new at each start.
    pub owner: &'a str,
    /// What the deployment calls it; empty: it has no name.
    pub process: &'a str,
    /// Ids of the drivers that it has.
    pub drivers: &'a [String],
}

/// Takes what nobody drives, keeps what the taker drives, each until `until`; gives all that it drives then, by name. `alone`:
/// there is no other process, so whoever drove them before is gone.
pub async fn take(
    tx: &mut Conn,
    taker: Taker<'_>,
    (now, until): (Timestamp, Timestamp),
    alone: bool,
) -> Result<Vec<NodeRecord>> {
    let mut values: Vec<Value<'_>> =
        vec![taker.owner.into(), taker.process.into(), now.into(), until.into(), alone.into()];
    values.extend(taker.drivers.iter().map(Value::from));
    let drivers = dialect::placeholders(6, taker.drivers.len());
    let free = "(driven_by = '' OR driven_by = $1 OR driven_until < $3 OR $5 = 1)";
    let sql =
        format!("SET driven_by = $1, driven_until = $4 WHERE process IN ('', $2) AND driver IN ({drivers}) AND {free}");
    tx.execute(update("node_records", &sql), &values).await?;
    // One that was given to another process, or another driver, meanwhile.
    let other = format!(
        "driven_by = $1 AND NOT (process IN ('', $2) AND driver IN ({}))",
        dialect::placeholders(3, taker.drivers.len())
    );
    let mut values: Vec<Value<'_>> = vec![taker.owner.into(), taker.process.into()];
    values.extend(taker.drivers.iter().map(Value::from));
    let leave = format!("SET driven_by = '', driven_until = 0 WHERE {other}");
    tx.execute(update("node_records", &leave), &values).await?;
    let sql = NodeRecord::select("WHERE r.driven_by = $1 ORDER BY r.name");
    tx.all(sql, args![taker.owner], NodeRecord::of_row).await
}

/// Nobody drives them any more.
pub async fn give_back(tx: &mut Conn, owner: &str) -> Result<()> {
    let free = update("node_records", "SET driven_by = '', driven_until = 0 WHERE driven_by = $1");
    tx.execute(free, args![owner]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::databases;

    fn record(name: &str, driver: &str, process: &str) -> NodeRecord {
        NodeRecord {
            name: name.to_owned(),
            driver: driver.to_owned(),
            zone: "z".to_owned(),
            vcpus: Some(4),
            memory_mib: None,
            disk_gib: None,
            enabled: true,
            platform_networks: BTreeMap::from([("*".to_owned(), "net".to_owned())]),
            config: "sealed".to_owned(),
            process: process.to_owned(),
            revision: 1,
            driven_by: String::new(),
            driven_until: Timestamp(0),
        }
    }

    async fn taken(tx: &mut Conn, owner: &str, process: &str, now: i64, alone: bool) -> String {
        let taker = Taker { owner, process, drivers: &["d".to_owned()] };
        let found = take(tx, taker, (Timestamp(now), Timestamp(now + 10)), alone).await.unwrap();
        found.into_iter().map(|record| record.name).collect::<Vec<_>>().join(" ")
    }

    #[tokio::test]
    async fn a_record_is_as_it_was_written_and_each_change_counts() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            insert(&mut tx, &record("a", "d", "")).await.unwrap();
            assert_eq!(get(&mut tx, "a").await.unwrap(), Some(record("a", "d", "")), "{}", database.name);
            let changed = NodeRecord { zone: "other".to_owned(), vcpus: None, ..record("a", "d", "north") };
            assert!(update_record(&mut tx, &changed).await.unwrap());
            let found = lock(&mut tx, "a").await.unwrap();
            assert_eq!(found, Some(NodeRecord { revision: 2, ..changed }), "{}", database.name);
            let names = ["b".to_owned(), "a".to_owned()];
            assert_eq!(first_of(&mut tx, &names).await.unwrap().as_deref(), Some("a"), "{}", database.name);
            assert!(stays(&mut tx, "a").await.unwrap() && remove(&mut tx, "a").await.unwrap());
            assert!(!stays(&mut tx, "a").await.unwrap() && !remove(&mut tx, "a").await.unwrap());
            assert_eq!(first_of(&mut tx, &names).await.unwrap(), None, "{}", database.name);
        }
    }

    #[tokio::test]
    async fn one_process_drives_a_node_until_it_is_silent_or_gives_it_back() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            for (name, driver, process) in [("any", "d", ""), ("north", "d", "north"), ("odd", "other", "")] {
                insert(&mut tx, &record(name, driver, process)).await.unwrap();
            }
            let name = database.name;
            assert_eq!(taken(&mut tx, "one", "", 1, false).await, "any", "{name}");
            assert_eq!(taken(&mut tx, "two", "north", 2, false).await, "north", "{name}: the other one is driven");
            assert_eq!(taken(&mut tx, "one", "", 9, false).await, "any", "{name}: still");
            assert_eq!(taken(&mut tx, "two", "north", 12, false).await, "north", "{name}: it was told of at 9");
            assert_eq!(taken(&mut tx, "two", "north", 20, false).await, "any north", "{name}: nobody told of it since");
            assert_eq!(taken(&mut tx, "one", "", 21, false).await, "", "{name}: who was silent has lost it");
            give_back(&mut tx, "two").await.unwrap();
            assert_eq!(taken(&mut tx, "one", "", 22, false).await, "any", "{name}");
            assert_eq!(
                taken(&mut tx, "three", "north", 23, true).await,
                "any north",
                "{name}: who is alone waits for nobody"
            );
            let moved = NodeRecord { process: "south".to_owned(), ..record("any", "d", "") };
            update_record(&mut tx, &moved).await.unwrap();
            assert_eq!(taken(&mut tx, "three", "north", 24, false).await, "north", "{name}: it is another's now");
            assert_eq!(taken(&mut tx, "four", "south", 25, false).await, "any", "{name}: given up at once");
        }
    }
}
