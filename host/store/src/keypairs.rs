//! Key pairs: public keys of users, by name.

use skyloom_model::{Error, ErrorCode, Result, Timestamp};

use crate::listing::{Listed, Page};
use crate::rows::rows;
use crate::{Conn, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Keypair in "keypairs" as "k" {
        /// The id among its user's.
        name: String [sorts],
        user_id: String,
        /// `ssh` or `x509`.
        kind: String,
        public_key: String,
        /// MD5 in colon form.
        fingerprint: String,
        created_at: Timestamp,
        /// JSON object of personality to its own JSON object, as text.
        attributes: String as JsonText,
    }
}

/// `already-exists` when the user has one of this name.
pub async fn insert(tx: &mut Conn, keypair: &Keypair) -> Result<()> {
    if keypair.insert()?.unless_there().run(tx).await? {
        return Ok(());
    }
    let message = format!("Key pair '{}' already exists.", keypair.name);
    Err(Error::new(ErrorCode::AlreadyExists, message).with_field("name").with_resource("keypair", &keypair.name))
}

pub async fn get(conn: &mut Conn, user_id: &str, name: &str) -> Result<Option<Keypair>> {
    let sql = Keypair::select("WHERE k.user_id = $1 AND k.name = $2");
    conn.optional(sql, args![user_id, name], Keypair::of_row).await
}

/// By name ascending unless sorted otherwise; the name is the id.
pub async fn list(conn: &mut Conn, user_id: &str, page: &Page) -> Result<Listed<Keypair>> {
    let mut query = Keypair::query();
    let user = query.text(user_id);
    query.scope(format!("k.user_id = {user}"));
    query.page(conn, Keypair::FIELDS, &[("name", false)], page, Keypair::of_row).await
}

/// Gives false when there is none.
pub async fn delete(tx: &mut Conn, user_id: &str, name: &str) -> Result<bool> {
    Ok(tx.execute("DELETE FROM keypairs WHERE user_id = $1 AND name = $2", args![user_id, name]).await? == 1)
}
