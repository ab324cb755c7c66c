//! Access keys: what users sign requests with, each in one project. The store has their secrets sealed.

use skyloom_model::{Error, ErrorCode, Result, Timestamp};

use super::Standing;
use super::standing;
use crate::listing::{Condition, Listed, Page};
use crate::rows::rows;
use crate::{Conn, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct AccessKey in "access_keys" as "k" {
        id: String [finds],
        user_id: String [finds],
        project_id: String [finds],
        created_at: Timestamp,
    }
}

/// `already-exists` when there is one of this id.
pub async fn insert(tx: &mut Conn, key: &AccessKey, sealed: &str) -> Result<()> {
    let sql = "INSERT INTO access_keys (id, user_id, project_id, created_at, secret) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (id) DO NOTHING";
    let values = args![&key.id, &key.user_id, &key.project_id, key.created_at, sealed];
    if tx.execute(sql, values).await? == 1 {
        return Ok(());
    }
    let message = format!("There is an access key {} already.", key.id);
    Err(Error::new(ErrorCode::AlreadyExists, message).with_field("id").with_resource("credential", &key.id))
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<AccessKey>> {
    conn.optional(AccessKey::select("WHERE k.id = $1"), args![id], AccessKey::of_row).await
}

/// By id. `user_id`: only this user's.
pub async fn list(
    conn: &mut Conn,
    user_id: Option<&str>,
    conditions: &[Condition],
    page: &Page,
) -> Result<Listed<AccessKey>> {
    let mut query = AccessKey::query();
    query.and_text("k.user_id", user_id);
    query.meet(conn.is_postgres(), AccessKey::FIELDS, conditions)?;
    query.page(conn, AccessKey::FIELDS, &[], page, AccessKey::of_row).await
}

pub async fn count_of_user(conn: &mut Conn, user_id: &str) -> Result<i64> {
    conn.one("SELECT count(*) FROM access_keys WHERE user_id = $1", args![user_id], |row| row.int(0)).await
}

/// Gives 0 when there is none.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    conn.execute("DELETE FROM access_keys WHERE id = $1", args![id]).await
}

/// Whom a key stands for, and its sealed secret. None: there is no such key, its user or project is disabled or gone, or the user
/// has no role left in the project.
pub async fn standing(conn: &mut Conn, id: &str) -> Result<Option<(Standing, String)>> {
    let keys = "(SELECT id, user_id, secret, 'project' AS scope_kind, project_id AS scope_id FROM access_keys)";
    let sql = format!("{} WHERE k.id = $1", standing::select(conn, "k.secret", keys));
    let found = conn.optional(sql, args![id], |row| Ok((Standing::of_row(row)?, row.text(standing::COLUMNS)?))).await?;
    Ok(found.and_then(|(standing, secret)| Some((standing?, secret))))
}
