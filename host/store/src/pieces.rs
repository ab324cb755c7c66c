//! Long lists of ids, asked for in pieces: a statement has a bounded number of parameters.

use std::collections::HashSet;

use skyloom_model::Result;

use crate::{Conn, Value, dialect};

/// Ids a statement.
const AT_ONCE: usize = 200;

/// What the statement finds for any of the ids: `sql` makes it of the piece's list. The values that are the same for all pieces
/// are its first parameters.
pub(crate) async fn found(
    conn: &mut Conn,
    same: &[Value<'_>],
    ids: &[String],
    sql: impl Fn(&str) -> String,
) -> Result<HashSet<String>> {
    let mut found = HashSet::new();
    for piece in ids.chunks(AT_ONCE) {
        let list = dialect::placeholders(same.len() + 1, piece.len());
        let values: Vec<Value<'_>> = same.iter().cloned().chain(piece.iter().map(Value::from)).collect();
        found.extend(conn.all(sql(&list), &values, |row| row.text(0)).await?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::args;

    #[tokio::test]
    async fn a_long_list_takes_a_statement_for_many_ids() {
        for database in crate::testing::databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            let ids: Vec<String> = (0..450).map(|number| format!("id-{number:03}")).collect();
            for id in ids.iter().step_by(2) {
                let sql =
                    "INSERT INTO operation_locks (resource_kind, resource_id, operation_id) VALUES ('server', $1, 'o')";
                tx.execute(sql, args![id]).await.expect(sql);
            }
            let statements = Cell::new(0);
            let sql = |list: &str| {
                statements.set(statements.get() + 1);
                format!("SELECT resource_id FROM operation_locks WHERE resource_kind = $1 AND resource_id IN ({list})")
            };
            let locked = found(&mut tx, args!["server"], &ids, sql).await.expect("found");
            assert_eq!(locked, ids.iter().step_by(2).cloned().collect(), "{}", database.name);
            assert_eq!(statements.get(), 3, "450 ids, 200 a statement");
            assert!(found(&mut tx, args!["volume"], &ids, sql).await.expect("found").is_empty());
            assert!(found(&mut tx, &[], &[], |_| unreachable!("nothing is asked for")).await.expect("none").is_empty());
        }
    }
}
