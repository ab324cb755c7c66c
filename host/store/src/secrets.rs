//! Sealed secrets. The store sees only what the key made of them.

use skyloom_model::Result;

use crate::Conn;
use crate::args;

/// Lays down what the sealing key is known by, if nobody did before; gives the fingerprint that counts.
pub async fn sealing_key(tx: &mut Conn, fingerprint: &str) -> Result<String> {
    tx.execute(
        "INSERT INTO sealing_key (only_one, fingerprint) VALUES (1, $1) ON CONFLICT (only_one) DO NOTHING",
        args![fingerprint],
    )
    .await?;
    tx.one("SELECT fingerprint FROM sealing_key WHERE only_one = 1", &[], |row| row.text(0)).await
}

/// The administrator's password of a server that is being made, sealed.
pub async fn admin_password(conn: &mut Conn, server_id: &str) -> Result<Option<String>> {
    let sql = "SELECT admin_password FROM servers WHERE id = $1";
    let found = conn.optional(sql, args![server_id], |row| row.text(0)).await?;
    Ok(found.filter(|sealed| !sealed.is_empty()))
}
