//! Server groups: servers that are placed with a view to one another. The group that a server is in stands in the server's row.

use std::collections::BTreeMap;

use skyloom_model::{Reach, Result, Timestamp};

use crate::listing::{Filter, Listed, Page, Query};
use crate::rows::{Word as _, rows, words};
use crate::statement::{delete_from, reading, update};
use crate::{Conn, args, dialect};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct ServerGroup in "server_groups" as "g" {
        id: String [sorts, finds],
        project_id: String [sorts, finds, owner],
        user_id: String [finds],
        name: String [sorts, finds],
        policy: Policy [sorts, finds],
        /// Of its servers on one compute node. None: what the policy says by itself.
        max_servers_per_node: Option<i64>,
        created_at: Timestamp [sorts, finds],
    }
    beside {
        /// Ids of its servers, the oldest first.
        members: Vec<String> as Json,
    }
}

words! {
    /// Where the servers of a group are placed.
    Policy {
        /// All on one compute node, or not at all.
        Affinity "affinity",
        /// At most so many on one compute node, or not at all.
        AntiAffinity "anti-affinity",
        /// Together as far as there is room.
        SoftAffinity "soft-affinity",
        /// Apart as far as there is room.
        SoftAntiAffinity "soft-anti-affinity",
    }
}

/// What the group asks of the place of its servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub policy: Policy,
    pub max_servers_per_node: Option<i64>,
}

fn query(postgres: bool) -> Query {
    // That the group isn't empty leads the database to the index.
    let rows = "SELECT s.id FROM servers s WHERE s.group_id = g.id AND s.group_id <> '' ORDER BY s.created_at, s.id";
    ServerGroup::query().beside(&[&dialect::json_list(postgres, "t.id", rows)])
}

pub async fn insert(tx: &mut Conn, group: &ServerGroup) -> Result<()> {
    group.insert()?.run(tx).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: &str, reach: &Reach) -> Result<Option<ServerGroup>> {
    let mut query = query(conn.is_postgres());
    query.within(conn.is_postgres(), &[ServerGroup::OWNER], reach, None);
    query.of_id(conn, id, ServerGroup::of_row).await
}

/// Oldest first unless sorted otherwise.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<ServerGroup>> {
    let mut query = query(conn.is_postgres());
    query.within(conn.is_postgres(), &[ServerGroup::OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), ServerGroup::FIELDS, &filter.conditions)?;
    query.page(conn, ServerGroup::FIELDS, &[("created-at", false)], page, ServerGroup::of_row).await
}

/// As [`Conn::lock`]: nobody else places a server of the group, or changes which there are, until the commit.
pub async fn lock(tx: &mut Conn, id: &str) -> Result<bool> {
    tx.lock("server_groups", id).await
}

/// Takes the group as [`lock`] does. None: there is no such group any more.
pub async fn terms_locked(tx: &mut Conn, id: &str) -> Result<Option<Terms>> {
    let lock = dialect::for_update(tx.is_postgres());
    let sql = format!("SELECT policy, max_servers_per_node FROM server_groups WHERE id = $1{lock}");
    tx.optional(reading(&["server_groups"], sql), args![id], |row| {
        Ok(Terms { policy: Policy::of_row(row.text_ref(0)?)?, max_servers_per_node: row.opt_int(1)? })
    })
    .await
}

/// How many of the group's other servers have a place on each compute node; nodes without one are left out. A server that waits between
/// two nodes may end on either.
pub async fn others_by_node(tx: &mut Conn, id: &str, server_id: &str) -> Result<BTreeMap<String, i64>> {
    let sql = "SELECT p.node, count(DISTINCT s.id) FROM servers s JOIN placements p ON p.holder_id = s.id \
               WHERE s.group_id = $1 AND s.group_id <> '' AND s.id <> $2 GROUP BY p.node";
    let rows = tx
        .all(reading(&["servers", "placements"], sql), args![id, server_id], |row| Ok((row.text(0)?, row.int(1)?)))
        .await?;
    Ok(rows.into_iter().collect())
}

pub async fn count_members(conn: &mut Conn, id: &str) -> Result<i64> {
    let sql = "SELECT count(*) FROM servers WHERE group_id = $1 AND group_id <> ''";
    conn.one(reading(&["servers"], sql), args![id], |row| row.int(0)).await
}

/// The server is in this group from here on; none: in no group.
pub async fn put_server(tx: &mut Conn, server_id: &str, group_id: Option<&str>, now: Timestamp) -> Result<()> {
    let sql = update("servers", "SET group_id = $2, updated_at = $3 WHERE id = $1");
    tx.defer(sql, args![server_id, group_id.unwrap_or_default(), now]).await
}

/// Its servers stay, in no group. False: there is no such group.
pub async fn delete(tx: &mut Conn, id: &str) -> Result<bool> {
    let left = update("servers", "SET group_id = '' WHERE group_id = $1 AND group_id <> ''");
    tx.execute(left, args![id]).await?;
    Ok(tx.execute(delete_from("server_groups", "WHERE id = $1"), args![id]).await? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placements::{Amount, HolderKind, Purpose, hold};
    use crate::servers::tests::server as row;
    use crate::servers::{Server, insert as insert_server, mark_deleted};
    use crate::testing::databases;

    fn group(id: &str, project: &str) -> ServerGroup {
        ServerGroup {
            id: id.to_owned(),
            project_id: project.to_owned(),
            user_id: "u".to_owned(),
            name: format!("group {id}"),
            policy: Policy::AntiAffinity,
            max_servers_per_node: Some(2),
            created_at: Timestamp(1),
            members: Vec::new(),
        }
    }

    async fn server(tx: &mut Conn, id: &str, group_id: &str, node: Option<&str>) {
        let server = Server { id: id.to_owned(), group_id: Some(group_id.to_owned()), ..row(0) };
        insert_server(tx, &server, "").await.unwrap();
        if let Some(node) = node {
            hold(tx, (HolderKind::Server, id), Purpose::Home, node, Amount::default()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_group_knows_its_servers_and_where_they_are() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            insert(&mut tx, &group("g", "p")).await.unwrap();
            insert(&mut tx, &group("h", "q")).await.unwrap();
            for (id, node) in [("a", Some("n")), ("b", Some("n")), ("c", Some("m")), ("d", None)] {
                server(&mut tx, id, "g", node).await;
            }
            let found = get(&mut tx, "g", &Reach::project("p")).await.unwrap().unwrap();
            assert_eq!(found.members, ["a", "b", "c", "d"], "{}", database.name);
            assert_eq!(get(&mut tx, "g", &Reach::project("q")).await.unwrap(), None, "{}", database.name);
            let by_node = others_by_node(&mut tx, "g", "a").await.unwrap();
            assert_eq!(by_node, BTreeMap::from([("m".to_owned(), 1), ("n".to_owned(), 1)]), "{}", database.name);
            let terms = Terms { policy: Policy::AntiAffinity, max_servers_per_node: Some(2) };
            assert_eq!(terms_locked(&mut tx, "g").await.unwrap(), Some(terms), "{}", database.name);
            put_server(&mut tx, "d", None, Timestamp(5)).await.unwrap();
            assert_eq!(count_members(&mut tx, "g").await.unwrap(), 3, "{}", database.name);
            assert!(mark_deleted(&mut tx, "a", Timestamp(5)).await.unwrap());
            assert_eq!(count_members(&mut tx, "g").await.unwrap(), 2, "{}", database.name);
            let listed = list(&mut tx, &Filter::within(&Reach::project("p")), &Page::default()).await.unwrap();
            assert_eq!(listed.items.len(), 1, "{}", database.name);
            assert_eq!(listed.items[0].members, ["b", "c"], "{}", database.name);
            assert!(delete(&mut tx, "g").await.unwrap());
            assert!(!delete(&mut tx, "g").await.unwrap(), "{}", database.name);
            let left =
                tx.one("SELECT count(*) FROM servers WHERE group_id <> ''", &[], |row| row.int(0)).await.unwrap();
            assert_eq!(left, 0, "{}: the servers stay, in no group", database.name);
            assert_eq!(terms_locked(&mut tx, "g").await.unwrap(), None, "{}", database.name);
        }
    }
}
