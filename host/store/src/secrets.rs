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
