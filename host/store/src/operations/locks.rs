//! At most one operation holds a resource.

use skyloom_model::{Error, ErrorCode, Result};

use crate::statement::{delete_from, insert_into};
use crate::{Conn, Row, args, dialect};

/// Takes the resource's lock for the operation. `busy` when another operation holds it.
pub async fn lock(tx: &mut Conn, resource_kind: &str, resource_id: &str, operation_id: &str) -> Result<()> {
    let taken = insert(tx, resource_kind, resource_id, operation_id).await?;
    if taken || holder(tx, resource_kind, resource_id).await?.as_deref() == Some(operation_id) {
        return Ok(());
    }
    Err(busy(resource_kind, resource_id))
}

/// Takes the lock of a resource that this transaction makes, which nobody can hold.
pub async fn lock_new(tx: &mut Conn, resource_kind: &str, resource_id: &str, operation_id: &str) -> Result<()> {
    tx.defer(
        insert_into("operation_locks", "(resource_kind, resource_id, operation_id) VALUES ($1, $2, $3)"),
        args![resource_kind, resource_id, operation_id],
    )
    .await
}

/// Lets go of all that the holder of this resource holds beside it.
pub async fn release_locks_beside(tx: &mut Conn, resource_kind: &str, resource_id: &str) -> Result<()> {
    let sql = delete_from(
        "operation_locks",
        "WHERE operation_id = (SELECT l.operation_id FROM operation_locks l WHERE l.resource_kind = $1 \
         AND l.resource_id = $2) AND NOT (resource_kind = $1 AND resource_id = $2)",
    );
    tx.defer(sql, args![resource_kind, resource_id]).await
}

/// The operation that holds the resource.
pub async fn holder(conn: &mut Conn, resource_kind: &str, resource_id: &str) -> Result<Option<String>> {
    conn.optional(
        "SELECT operation_id FROM operation_locks WHERE resource_kind = $1 AND resource_id = $2",
        args![resource_kind, resource_id],
        |row| row.text(0),
    )
    .await
}

/// The kind and id of an operation that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub id: String,
    pub kind: String,
}

/// Takes the resource's lock for the operation where it is free; else gives who holds it, whose row is then held by this
/// transaction, so that it can't end meanwhile.
pub async fn take_over(
    tx: &mut Conn,
    resource_kind: &str,
    resource_id: &str,
    operation_id: &str,
) -> Result<Option<Holder>> {
    let sql = format!(
        "SELECT o.id, o.kind FROM operation_locks l JOIN operations o ON o.id = l.operation_id \
         WHERE l.resource_kind = $1 AND l.resource_id = $2{}",
        dialect::for_update(tx.is_postgres())
    );
    let holder = |row: Row<'_>| Ok(Holder { id: row.text(0)?, kind: row.text(1)? });
    // The holder may end between the two statements on PostgreSQL: then the lock is free at the second attempt.
    for _ in 0..3 {
        if let Some(holder) = tx.optional(sql.as_str(), args![resource_kind, resource_id], holder).await? {
            return Ok(Some(holder));
        }
        if insert(tx, resource_kind, resource_id, operation_id).await? {
            return Ok(None);
        }
    }
    Err(busy(resource_kind, resource_id))
}

/// False: another operation, or this one already, holds the resource.
async fn insert(tx: &mut Conn, resource_kind: &str, resource_id: &str, operation_id: &str) -> Result<bool> {
    let taken = tx
        .execute(
            insert_into("operation_locks", "(resource_kind, resource_id, operation_id) VALUES ($1, $2, $3)")
                .on_conflict("(resource_kind, resource_id) DO NOTHING"),
            args![resource_kind, resource_id, operation_id],
        )
        .await?;
    Ok(taken == 1)
}

fn busy(resource_kind: &str, resource_id: &str) -> Error {
    let message = format!("Another operation is in progress on {resource_kind} {resource_id}.");
    Error::new(ErrorCode::Busy, message).with_resource(resource_kind, resource_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::databases;

    #[tokio::test]
    async fn what_an_operation_holds_beside_a_resource_is_let_go() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            let held =
                [("server", "s", "one"), ("volume", "v", "one"), ("snapshot", "s", "one"), ("volume", "w", "two")];
            for (kind, id, operation) in held {
                lock(&mut tx, kind, id, operation).await.expect("free");
            }
            for _ in 0..2 {
                release_locks_beside(&mut tx, "server", "s").await.expect("let go");
            }
            let mut holders = Vec::new();
            for (kind, id, _) in held {
                holders.push(holder(&mut tx, kind, id).await.expect("a holder"));
            }
            let told: Vec<Option<&str>> = holders.iter().map(Option::as_deref).collect();
            assert_eq!(told, [Some("one"), None, None, Some("two")], "{}", database.name);
            release_locks_beside(&mut tx, "server", "nobody's").await.expect("nothing to let go");
            assert_eq!(holder(&mut tx, "volume", "w").await.expect("a holder").as_deref(), Some("two"));
        }
    }
}
