//! Host aggregates: groups of compute nodes. One that names a zone puts its nodes into it.

use std::collections::BTreeMap;

use skyloom_model::{Error, ErrorCode, Result, Timestamp};

use crate::listing::{Condition, Listed, Page, Query};
use crate::rows::rows;
use crate::statement::{delete_from, insert_into};
use crate::{Conn, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Aggregate in "aggregates" as "a" {
        /// A number as text, from [`next_id`].
        id: String [sorts, finds],
        uuid: String [finds],
        name: String [changes, sorts, finds],
        /// None: it says nothing of zones.
        zone: Option<String> as OrEmpty [changes, sorts, finds],
        metadata: BTreeMap<String, String> as Json [changes],
        created_at: Timestamp [sorts, finds],
        updated_at: Option<Timestamp> as OrEmpty [changes, sorts],
    }
    beside {
        /// By name. A new aggregate has none.
        nodes: Vec<String> as Json,
    }
}

fn query(postgres: bool) -> Query {
    let nodes = "SELECT m.node FROM aggregate_nodes m WHERE m.aggregate_id = a.id ORDER BY m.node";
    Aggregate::query().beside(&[&dialect::json_list(postgres, "t.node", nodes)])
}

/// A number that no aggregate has or ever had.
pub async fn next_id(tx: &mut Conn) -> Result<String> {
    let next = insert_into("sequences", "(name, number) VALUES ('aggregates', 1)")
        .on_conflict("(name) DO UPDATE SET number = sequences.number + 1 RETURNING number");
    Ok(tx.one(next, &[], |row| row.int(0)).await?.to_string())
}

fn name_taken(name: &str) -> Error {
    Error::new(ErrorCode::AlreadyExists, format!("Aggregate {name} already exists.")).with_field("name")
}

/// `already-exists` when the name is taken.
pub async fn insert(tx: &mut Conn, aggregate: &Aggregate) -> Result<()> {
    let made = aggregate.insert()?.unless_there().run(tx).await?;
    if made { Ok(()) } else { Err(name_taken(&aggregate.name)) }
}

/// Default order: as they were made.
pub async fn list(conn: &mut Conn, conditions: &[Condition], page: &Page) -> Result<Listed<Aggregate>> {
    let mut query = query(conn.is_postgres());
    query.meet(conn.is_postgres(), Aggregate::FIELDS, conditions)?;
    query.page(conn, Aggregate::FIELDS, &[("created-at", false)], page, Aggregate::of_row).await
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Aggregate>> {
    query(conn.is_postgres()).of_id(conn, id, Aggregate::of_row).await
}

/// The aggregate, held until the commit.
pub async fn lock(tx: &mut Conn, id: &str) -> Result<Option<Aggregate>> {
    if tx.lock("aggregates", id).await? { get(tx, id).await } else { Ok(None) }
}

/// Writes all that may change. After [`lock`]; `already-exists` when the name is taken.
pub async fn update(tx: &mut Conn, aggregate: &Aggregate) -> Result<bool> {
    aggregate.update()?.run(tx).await.map_err(|error| match error.code {
        ErrorCode::AlreadyExists => name_taken(&aggregate.name),
        _ => error,
    })
}

/// After [`lock`], of one without nodes.
pub async fn delete(tx: &mut Conn, id: &str) -> Result<()> {
    tx.execute(delete_from("aggregates", "WHERE id = $1"), args![id]).await.map(drop)
}

/// Gives false when the node is in it already.
pub async fn add_node(tx: &mut Conn, id: &str, node: &str) -> Result<bool> {
    let row = insert_into("aggregate_nodes", "(aggregate_id, node) VALUES ($1, $2)").on_conflict("DO NOTHING");
    Ok(tx.execute(row, args![id, node]).await? == 1)
}

/// Gives false when the node is not in it.
pub async fn remove_node(tx: &mut Conn, id: &str, node: &str) -> Result<bool> {
    let row = delete_from("aggregate_nodes", "WHERE aggregate_id = $1 AND node = $2");
    Ok(tx.execute(row, args![id, node]).await? == 1)
}

/// Names of all zones that aggregates name, ascending.
pub async fn zones(conn: &mut Conn) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT a.zone FROM aggregates a WHERE a.zone <> '' ORDER BY a.zone";
    conn.all(sql, &[], |row| row.text(0)).await
}

/// Names of the zones into which aggregates other than `id` put any of these nodes, ascending.
pub async fn other_zones(conn: &mut Conn, id: &str, nodes: &[String]) -> Result<Vec<String>> {
    let list = serde_json::Value::from(nodes).to_string();
    let is_one = dialect::is_listed(conn.is_postgres(), "m.node", true, "$2");
    let sql = format!(
        "SELECT DISTINCT a.zone FROM aggregate_nodes m JOIN aggregates a ON a.id = m.aggregate_id \
         WHERE a.id <> $1 AND a.zone <> '' AND {is_one} ORDER BY a.zone"
    );
    conn.all(sql, args![id, &list], |row| row.text(0)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::{self, tests::node};
    use crate::testing::databases;

    async fn made(tx: &mut Conn, name: &str, zone: Option<&str>) -> String {
        let aggregate = Aggregate {
            id: next_id(tx).await.expect("a number"),
            uuid: skyloom_model::new_id(),
            name: name.to_owned(),
            zone: zone.map(str::to_owned),
            metadata: BTreeMap::from([("ssd".to_owned(), "yes".to_owned())]),
            created_at: Timestamp(1),
            updated_at: None,
            nodes: Vec::new(),
        };
        insert(tx, &aggregate).await.expect("an aggregate");
        assert_eq!(get(tx, &aggregate.id).await.expect("get"), Some(aggregate.clone()));
        aggregate.id
    }

    #[tokio::test]
    async fn numbers_rise_and_are_never_given_twice() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            assert_eq!(made(&mut tx, "a", None).await, "1", "{}", database.name);
            assert_eq!(made(&mut tx, "b", None).await, "2");
            delete(&mut tx, "2").await.expect("delete");
            assert_eq!(made(&mut tx, "b", None).await, "3");
            let listed = list(&mut tx, &[], &Page::default()).await.expect("list").items;
            assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["1", "3"]);
        }
    }

    #[tokio::test]
    async fn a_name_is_one_aggregates() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            let (one, other) = (made(&mut tx, "a", None).await, made(&mut tx, "b", None).await);
            let there = lock(&mut tx, &one).await.expect("lock").expect("it is there");
            let twin = Aggregate { id: "9".to_owned(), ..there.clone() };
            let taken = insert(&mut tx, &twin).await.expect_err("a twin");
            assert_eq!((taken.code, taken.field.as_deref()), (ErrorCode::AlreadyExists, Some("name")));
            let renamed = Aggregate { name: "c".to_owned(), updated_at: Some(Timestamp(5)), ..there };
            assert!(update(&mut tx, &renamed).await.expect("a new name"));
            assert_eq!(get(&mut tx, &one).await.expect("get"), Some(renamed.clone()));
            tx.commit().await.expect("commit");
            let mut tx = database.db.begin().await.expect("begin");
            let taken = update(&mut tx, &Aggregate { id: other, ..renamed }).await.expect_err("a taken name");
            assert_eq!((taken.code, taken.field.as_deref()), (ErrorCode::AlreadyExists, Some("name")));
            drop(tx);
            let mut tx = database.db.begin().await.expect("begin");
            assert_eq!(lock(&mut tx, "7").await.expect("lock"), None, "{}", database.name);
        }
    }

    #[tokio::test]
    async fn nodes_are_in_the_zone_of_their_aggregate_and_else_in_their_own() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            for name in ["n1", "n2"] {
                nodes::put(&mut tx, &node(name, "own")).await.expect("a node");
            }
            let (fast, plain) = (made(&mut tx, "fast", Some("east")).await, made(&mut tx, "plain", None).await);
            assert!(add_node(&mut tx, &fast, "n1").await.expect("add"));
            assert!(!add_node(&mut tx, &fast, "n1").await.expect("there already"));
            assert!(add_node(&mut tx, &plain, "n1").await.expect("add"));
            let names = ["n1".to_owned(), "n2".to_owned()];
            nodes::settle_zones(&mut tx, &names).await.expect("settle");
            let zones = async |tx: &mut Conn| -> Vec<String> {
                nodes::locked(tx, &names).await.expect("nodes").into_iter().map(|node| node.zone).collect()
            };
            assert_eq!(zones(&mut tx).await, ["east", "own"], "{}", database.name);
            assert_eq!(get(&mut tx, &plain).await.expect("get").expect("it").nodes, ["n1"]);
            assert_eq!(other_zones(&mut tx, &plain, &names).await.expect("zones"), ["east"]);
            assert!(other_zones(&mut tx, &fast, &names).await.expect("zones").is_empty());
            assert_eq!(super::zones(&mut tx).await.expect("zones"), ["east"]);
            // What the deployment says later is the node's own, and changes nothing while an aggregate says a zone.
            nodes::put(&mut tx, &node("n1", "moved")).await.expect("a node");
            assert_eq!(zones(&mut tx).await, ["east", "own"], "{}", database.name);
            assert!(remove_node(&mut tx, &fast, "n1").await.expect("remove"));
            assert!(!remove_node(&mut tx, &fast, "n1").await.expect("gone already"));
            nodes::settle_zones(&mut tx, &names).await.expect("settle");
            assert_eq!(zones(&mut tx).await, ["moved", "own"], "{}", database.name);
        }
    }
}
