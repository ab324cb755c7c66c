//! Key pairs: public keys of users, by name.

use skyloom_model::{Error, ErrorCode, Result, Timestamp};

use crate::args;
use crate::listing::{Key, Listed, Page, Query};
use crate::{Conn, Row};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keypair {
    pub user_id: String,
    pub name: String,
    /// `ssh` or `x509`.
    pub kind: String,
    pub public_key: String,
    /// MD5 in colon form.
    pub fingerprint: String,
    pub created_at: Timestamp,
}

const COLUMNS: &str = "k.name, k.user_id, k.kind, k.public_key, k.fingerprint, k.created_at";
const KEYS: &[Key] = &[Key::text("name", "k.name")];

fn of_row(row: Row<'_>) -> Result<Keypair> {
    Ok(Keypair {
        name: row.text(0)?,
        user_id: row.text(1)?,
        kind: row.text(2)?,
        public_key: row.text(3)?,
        fingerprint: row.text(4)?,
        created_at: row.time(5)?,
    })
}

/// `already-exists` when the user has one of this name.
pub async fn insert(tx: &mut Conn, keypair: &Keypair) -> Result<()> {
    let done = tx
        .execute(
            "INSERT INTO keypairs (user_id, name, kind, public_key, fingerprint, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            args![
                &keypair.user_id,
                &keypair.name,
                &keypair.kind,
                &keypair.public_key,
                &keypair.fingerprint,
                keypair.created_at,
            ],
        )
        .await?;
    if done == 1 {
        return Ok(());
    }
    let message = format!("Key pair '{}' already exists.", keypair.name);
    Err(Error::new(ErrorCode::AlreadyExists, message).with_field("name").with_resource("keypair", &keypair.name))
}

pub async fn get(conn: &mut Conn, user_id: &str, name: &str) -> Result<Option<Keypair>> {
    let sql = format!("SELECT {COLUMNS} FROM keypairs k WHERE k.user_id = $1 AND k.name = $2");
    conn.optional(sql, args![user_id, name], of_row).await
}

/// By name ascending unless sorted otherwise; the name is the id.
pub async fn list(conn: &mut Conn, user_id: &str, page: &Page) -> Result<Listed<Keypair>> {
    let mut query = Query::new(COLUMNS, "keypairs k", "k.name");
    let user = query.text(user_id);
    query.scope(format!("k.user_id = {user}"));
    query.page(conn, KEYS, &[("name", false)], page, of_row).await
}

/// Gives false when there is none.
pub async fn delete(tx: &mut Conn, user_id: &str, name: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM keypairs WHERE user_id = $1 AND name = $2", args![user_id, name]).await? == 1)
}
