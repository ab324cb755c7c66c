//! Secrets that wait in the database for an operation's step, sealed with the deployment's key; and how its processes prove to one
//! another that they have that key.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use sha2::{Digest, Sha256};
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_store::Conn;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a message's HMAC.
pub const MAC_BYTES: usize = 32;

/// Seals and opens. The default has a key of its own that nobody else will ever have: what it sealed is lost with the process.
#[derive(Clone)]
pub struct Sealer {
    key: Arc<LessSafeKey>,
    /// What other keys are made from.
    root: hkdf::Prk,
    fingerprint: Arc<str>,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Sealer")
    }
}

impl Default for Sealer {
    fn default() -> Self {
        Self::new(&rand::random())
    }
}

impl Sealer {
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let fingerprint =
            hex::encode(&Sha256::new().chain_update("skyloom sealing key").chain_update(key).finalize()[..8]);
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"skyloom").extract(key);
        let key = match UnboundKey::new(&CHACHA20_POLY1305, key) {
            Ok(key) => LessSafeKey::new(key),
            Err(_) => unreachable!("a key of this algorithm has 32 bytes"),
        };
        Self { key: Arc::new(key), root, fingerprint: fingerprint.into() }
    }

    /// For this purpose alone: its key is made from the deployment's, and tells nothing of that one or of another purpose's.
    pub fn authenticator(&self, purpose: &str) -> Authenticator {
        match self.root.expand(&[purpose.as_bytes()], hmac::HMAC_SHA256) {
            Ok(made) => Authenticator { key: made.into() },
            Err(_) => unreachable!("a key of this algorithm can be made"),
        }
    }

    /// Base64 of nonce and sealed bytes. It opens only for the same `owner`: a row's secret is worth nothing in another row.
    pub fn seal(&self, owner: &str, secret: &str) -> Result<String> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = secret.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner), &mut sealed)
            .map_err(|_| Error::internal("a secret could not be sealed"))?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    pub fn open(&self, owner: &str, sealed: &str) -> Result<String> {
        let wrong = || Error::internal(format!("the secret of {owner} was not sealed with this deployment's key"));
        let bytes = STANDARD.decode(sealed).map_err(|_| wrong())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let mut sealed = sealed.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::from(owner), &mut sealed).map_err(|_| wrong())?;
        String::from_utf8(opened.to_vec()).map_err(|_| wrong())
    }

    /// All processes on a database have one key, or one could not do what another accepted.
    pub(crate) async fn agree(&self, tx: &mut Conn) -> Result<()> {
        if *skyloom_store::secrets::sealing_key(tx, &self.fingerprint).await? == *self.fingerprint {
            return Ok(());
        }
        Err(Error::new(
            ErrorCode::WrongState,
            "the secrets in this database are sealed with another key: give this process the file `secret-key` of the state \
             folder that the database was first started with, by copying it or as `[database] secret-key`",
        ))
    }
}

/// Proves that a message comes from a process that has the deployment's key.
#[derive(Clone, Debug)]
pub struct Authenticator {
    key: hmac::Key,
}

impl Authenticator {
    /// HMAC-SHA256 of the message.
    pub fn sign(&self, message: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(hmac::sign(&self.key, message).as_ref());
        mac
    }

    /// Takes the same time whatever `mac` is.
    pub fn verifies(&self, message: &[u8], mac: &[u8; MAC_BYTES]) -> bool {
        hmac::verify(&self.key, message, mac).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use skyloom_store::testing::databases;

    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_owner_only() {
        let sealer = Sealer::new(&[7; KEY_BYTES]);
        let sealed = sealer.seal("server-1", "pass wörd").unwrap();
        assert!(!sealed.contains("pass") && sealed != sealer.seal("server-1", "pass wörd").unwrap());
        assert_eq!(sealer.open("server-1", &sealed).unwrap(), "pass wörd");
        assert_eq!(Sealer::new(&[7; KEY_BYTES]).open("server-1", &sealed).unwrap(), "pass wörd");
        let mut forged = STANDARD.decode(&sealed).unwrap();
        forged[NONCE_LEN] ^= 1;
        for (sealer, owner, text) in [
            (&sealer, "server-2", sealed.as_str()),
            (&Sealer::new(&[8; KEY_BYTES]), "server-1", &sealed),
            (&sealer, "server-1", &STANDARD.encode(forged)),
            (&sealer, "server-1", "AAAA"),
            (&sealer, "server-1", "no base64"),
        ] {
            let error = sealer.open(owner, text).unwrap_err();
            assert_eq!(error.code, ErrorCode::Internal);
            assert!(!error.message.contains("key"), "for the operator only: {}", error.message);
        }
    }

    #[test]
    fn a_message_is_proven_by_who_has_the_key_and_for_one_purpose_only() {
        let reads = Sealer::new(&[7; KEY_BYTES]).authenticator("reads");
        let mac = reads.sign(b"message");
        assert!(Sealer::new(&[7; KEY_BYTES]).authenticator("reads").verifies(b"message", &mac));
        assert!(!reads.verifies(b"another", &mac));
        assert!(!Sealer::new(&[8; KEY_BYTES]).authenticator("reads").verifies(b"message", &mac));
        assert!(!Sealer::new(&[7; KEY_BYTES]).authenticator("writes").verifies(b"message", &mac));
        let mut forged = mac;
        forged[0] ^= 1;
        assert!(!reads.verifies(b"message", &forged));
    }

    #[tokio::test]
    async fn a_database_has_one_key() {
        for database in databases().await {
            for (key, agreed) in [(1, true), (1, true), (2, false), (1, true)] {
                let mut tx = database.db.begin().await.unwrap();
                assert_eq!(Sealer::new(&[key; KEY_BYTES]).agree(&mut tx).await.is_ok(), agreed, "{}", database.name);
                tx.commit().await.unwrap();
            }
        }
    }
}
