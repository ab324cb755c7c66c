//! Ids of what is gone. Where clients may choose the id of a new resource, one that was ever used stays taken: whoever still
//! names it would get a stranger's.

use skyloom_model::Result;

use crate::{Conn, args};

/// For ever; in the transaction that deletes the resource. `kind` is the resource's word, e.g. `image`.
pub async fn retire(tx: &mut Conn, kind: &str, id: &str) -> Result<()> {
    let sql = "INSERT INTO retired_ids (kind, id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.execute(sql, args![kind, id]).await?;
    Ok(())
}

/// Ask after the new resource's row is written, in the same transaction: a deletion that was under way has then ended.
pub async fn is_retired(conn: &mut Conn, kind: &str, id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM retired_ids WHERE kind = $1 AND id = $2";
    Ok(conn.optional(sql, args![kind, id], |_| Ok(())).await?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_id_is_retired_for_its_kind() {
        for database in crate::testing::databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            for _ in 0..2 {
                retire(&mut tx, "image", "one").await.expect("retire");
            }
            for (kind, id, expected) in [("image", "one", true), ("image", "two", false), ("volume", "one", false)] {
                let retired = is_retired(&mut tx, kind, id).await.expect("ask");
                assert_eq!(retired, expected, "{kind} {id} {}", database.name);
            }
        }
    }
}
