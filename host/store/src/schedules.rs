//! What the core does with a resource at its time, once.

use skyloom_model::{Result, Timestamp, new_id};

use crate::rows::rows;
use crate::statement::{delete_from, insert_into, update};
use crate::{Conn, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Schedule in "schedules" as "s" {
        id: String,
        resource_kind: String,
        resource_id: String,
        /// What is done, by the contract's word.
        verb: String,
        due_at: Timestamp,
    }
}

/// Lays down what is to be done; a time that was laid down before for the same is forgotten.
pub async fn put(tx: &mut Conn, (kind, id): (&str, &str), verb: &str, due_at: Timestamp) -> Result<()> {
    let row = "(id, resource_kind, resource_id, verb, due_at) VALUES ($1, $2, $3, $4, $5)";
    let again = "(resource_id, verb) DO UPDATE SET due_at = $5";
    let schedule_id = new_id();
    tx.defer(insert_into("schedules", row).on_conflict(again), args![&schedule_id, kind, id, verb, due_at]).await
}

/// The first that are due. On PostgreSQL their rows are held until the commit, and rows that another process holds are left out.
pub async fn due(tx: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<Schedule>> {
    let free = if tx.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = Schedule::select(&format!("WHERE s.due_at <= $1 ORDER BY s.due_at LIMIT $2{free}"));
    tx.all(sql, args![now, limit], Schedule::of_row).await
}

pub async fn remove(tx: &mut Conn, id: &str) -> Result<()> {
    tx.defer(delete_from("schedules", "WHERE id = $1"), args![id]).await
}

/// It is looked at again at this time.
pub async fn put_off(tx: &mut Conn, id: &str, until: Timestamp) -> Result<()> {
    tx.defer(update("schedules", "SET due_at = $2 WHERE id = $1"), args![id, until]).await
}

/// Nothing more is done with the resource.
pub async fn remove_of(tx: &mut Conn, resource_id: &str) -> Result<()> {
    tx.defer(delete_from("schedules", "WHERE resource_id = $1"), args![resource_id]).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::databases;

    #[tokio::test]
    async fn what_is_due_is_given_in_its_order_until_it_is_done_or_put_off() {
        for database in databases().await {
            let mut tx = database.db.begin().await.unwrap();
            for (id, verb, at) in [("a", "start", 3), ("b", "start", 1), ("c", "start", 9), ("a", "start", 2)] {
                put(&mut tx, ("server", id), verb, Timestamp(at)).await.unwrap();
            }
            let due_at = async |tx: &mut Conn, now: i64| due(tx, Timestamp(now), 10).await.unwrap();
            let found = due_at(&mut tx, 3).await;
            let ids: Vec<&str> = found.iter().map(|schedule| schedule.resource_id.as_str()).collect();
            assert_eq!(ids, ["b", "a"], "{}: a later time for the same is all that counts", database.name);
            assert_eq!(due(&mut tx, Timestamp(9), 1).await.unwrap().len(), 1, "{}", database.name);
            remove(&mut tx, &found[0].id).await.unwrap();
            put_off(&mut tx, &found[1].id, Timestamp(5)).await.unwrap();
            assert!(due_at(&mut tx, 4).await.is_empty(), "{}", database.name);
            assert_eq!(due_at(&mut tx, 5).await.len(), 1, "{}", database.name);
            put(&mut tx, ("server", "a"), "stop", Timestamp(1)).await.unwrap();
            remove_of(&mut tx, "a").await.unwrap();
            assert_eq!(due_at(&mut tx, 9).await.len(), 1, "{}: only the last server's", database.name);
        }
    }
}
