//! Key pairs. The host makes them and hands the private half out once, by handle; it keeps the public half only.

use std::fmt::Write as _;
use std::sync::Arc;

use md5::Digest as _;
use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::api::KeypairsApi;
use skyloom_runtime::bindings::cloud::keypairs as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::keypairs as store;
use skyloom_store::quotas::{self, Quota};
use ssh_key::{Algorithm, LineEnding, PrivateKey, PublicKey};

use super::Settings;
use super::common::check_name;
use crate::attributes;
use crate::base::{Base, stands_on_base};
use crate::events::{self, Owner};
use crate::lists::page;

/// The longest public key, in bytes: an RSA key of 16384 bits with a long comment is below it.
const MAX_PUBLIC_KEY: usize = 16 * 1024;

fn view(context: &CallContext, keypair: store::Keypair, private_key: Option<String>) -> Result<wit::Keypair> {
    Ok(wit::Keypair {
        attributes: attributes::own(context, &keypair.attributes)?,
        name: keypair.name,
        kind: if keypair.kind == "x509" { wit::KeyKind::X509 } else { wit::KeyKind::Ssh },
        user_id: keypair.user_id,
        public_key: keypair.public_key,
        fingerprint: keypair.fingerprint,
        created_at: keypair.created_at.0,
        private_key,
    })
}

/// MD5 of the key's binary form, in colon form.
fn fingerprint(key: &PublicKey) -> Result<String> {
    let blob = key.to_bytes().map_err(Error::internal)?;
    let mut text = String::with_capacity(47);
    for (index, byte) in md5::Md5::digest(&blob).iter().enumerate() {
        let separator = if index == 0 { "" } else { ":" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{byte:02x}");
    }
    Ok(text)
}

/// The fingerprint of a public key in OpenSSH form, with which the text begins. The text is kept as it is: what stands on lines
/// behind the key is its owner's, as in a file of keys.
fn import(text: &str) -> Result<String> {
    let wrong = || Error::invalid("public-key", "the public key is not in OpenSSH form.");
    let odd = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if text.len() > MAX_PUBLIC_KEY || text.contains(odd) {
        return Err(wrong());
    }
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with(char::is_whitespace) {
        return Err(wrong());
    }
    let key = PublicKey::from_openssh(first.trim_end()).map_err(|_| wrong())?;
    fingerprint(&key)
}

/// A new pair: private half in OpenSSH form, public half, fingerprint.
fn generate(comment: &str) -> Result<(String, String, String)> {
    let mut key = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519).map_err(Error::internal)?;
    key.set_comment(comment);
    let private = key.to_openssh(LineEnding::LF).map_err(Error::internal)?.to_string();
    let public = key.public_key().to_openssh().map_err(Error::internal)?;
    Ok((private, public, fingerprint(key.public_key())?))
}

/// Public keys of users.
pub struct Keypairs {
    base: Base,
    settings: Arc<Settings>,
}

stands_on_base!(Keypairs);

impl Keypairs {
    pub(crate) fn new(base: Base, settings: Arc<Settings>) -> Self {
        Self { base, settings }
    }

    /// The user whose key pairs are meant.
    fn owner_of_keys(&self, context: &CallContext, action: Action, user_id: Option<String>) -> Result<String> {
        self.permit(context.caller.as_deref(), action)?;
        let own = &context.caller()?.user.id;
        match user_id {
            Some(other) if other != *own => {
                self.permit(context.caller.as_deref(), Action::KeypairsOthers)?;
                Ok(other)
            }
            _ => Ok(own.clone()),
        }
    }

    async fn keypair_page(
        &self,
        context: &CallContext,
        user_id: Option<String>,
        request: PageRequest,
    ) -> Result<wit::KeypairPage> {
        let user = self.owner_of_keys(context, Action::KeypairsRead, user_id)?;
        let mut conn = self.db().read().await?;
        let listed = store::list(&mut conn, &user, &page(request)).await?;
        let keypairs = listed.items.into_iter().map(|keypair| view(context, keypair, None)).collect::<Result<_>>()?;
        Ok(wit::KeypairPage { keypairs, next: listed.next })
    }

    async fn show_keypair(&self, context: &CallContext, name: &str, user_id: Option<String>) -> Result<wit::Keypair> {
        let user = self.owner_of_keys(context, Action::KeypairsRead, user_id)?;
        let mut conn = self.db().read().await?;
        let keypair = store::get(&mut conn, &user, name).await?;
        view(context, keypair.ok_or_else(|| Error::not_found("keypair", name))?, None)
    }

    async fn add_keypair(&self, context: &CallContext, create: wit::KeypairCreate) -> Result<wit::Keypair> {
        let user_id = self.owner_of_keys(context, Action::KeypairsCreate, create.user_id)?;
        check_name("name", &create.name)?;
        if create.name.trim() != create.name {
            return Err(Error::invalid("name", "The name of a key pair neither begins nor ends with a space."));
        }
        if create.kind == wit::KeyKind::X509 {
            return Err(
                Error::new(ErrorCode::NotSupported, "Key pairs of type x509 are not supported.").with_field("kind")
            );
        }
        let attributes = attributes::with(context, attributes::NONE, &create.attributes)?;
        let (private, public_key, fingerprint) = if let Some(text) = &create.public_key {
            (None, text.clone(), import(text)?)
        } else {
            let (private, public, fingerprint) = generate("generated")?;
            (Some(private), public, fingerprint)
        };
        let keypair = store::Keypair {
            user_id,
            name: create.name,
            kind: "ssh".to_owned(),
            public_key,
            fingerprint,
            created_at: Timestamp::now(),
            attributes,
        };
        let mut tx = self.db().begin().await?;
        // Inserted first: of two at once, one waits for the other, and then counts it.
        events::changed(&mut tx, context, Action::KeypairsCreate, ("keypair", &keypair.name), own(context)).await?;
        store::insert(&mut tx, &keypair).await?;
        self.check_keypairs(&mut tx, context, &keypair.user_id).await?;
        tx.commit().await?;
        view(context, keypair, private.map(|private| context.secrets.put(private)))
    }

    /// Counts the user's key pairs, the new one among them.
    async fn check_keypairs(&self, tx: &mut skyloom_store::Conn, context: &CallContext, user_id: &str) -> Result<()> {
        let mut limit = self.settings.default_limit(Quota::Keypairs);
        if let Some(project) = context.caller()?.project_id() {
            quotas::lock_project(tx, project).await?;
            limit = quotas::limits(tx, project).await?.get(&Quota::Keypairs).copied().unwrap_or(limit);
        }
        if limit >= 0 && quotas::keypairs_of(tx, user_id).await? > limit {
            let message = format!("Quota exceeded, too many key pairs: {limit} are allowed.");
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field(Quota::Keypairs.as_str()));
        }
        Ok(())
    }

    async fn remove_keypair(&self, context: &CallContext, name: &str, user_id: Option<String>) -> Result<()> {
        let user = self.owner_of_keys(context, Action::KeypairsDelete, user_id)?;
        let mut tx = self.db().begin().await?;
        events::changed(&mut tx, context, Action::KeypairsDelete, ("keypair", name), own(context)).await?;
        if !store::delete(&mut tx, &user, name).await? {
            return Err(Error::not_found("keypair", name));
        }
        tx.commit().await
    }
}

/// Where the event of a user's key pair is told: in the user's domain.
fn own(context: &CallContext) -> Owner<'_> {
    context.caller.as_ref().map_or(Owner::Cloud, |caller| Owner::Domain(&caller.user.domain.id))
}

#[async_trait::async_trait]
impl KeypairsApi for Keypairs {
    async fn list_keypairs(
        &self,
        context: &Arc<CallContext>,
        user_id: Option<String>,
        page: PageRequest,
    ) -> Result<wit::KeypairPage, WitError> {
        Ok(self.keypair_page(context, user_id, page).await?)
    }

    async fn get_keypair(
        &self,
        context: &Arc<CallContext>,
        name: String,
        user_id: Option<String>,
    ) -> Result<wit::Keypair, WitError> {
        Ok(self.show_keypair(context, &name, user_id).await?)
    }

    async fn create_keypair(
        &self,
        context: &Arc<CallContext>,
        create: wit::KeypairCreate,
    ) -> Result<wit::Keypair, WitError> {
        Ok(self.add_keypair(context, create).await?)
    }

    async fn delete_keypair(
        &self,
        context: &Arc<CallContext>,
        name: String,
        user_id: Option<String>,
    ) -> Result<(), WitError> {
        Ok(self.remove_keypair(context, &name, user_id).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::compute::testing::{member, worlds};

    /// Made with `ssh-keygen`; the fingerprints are what `ssh-keygen -l -E md5` says.
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDJkY6QYyezEZZYz/Bt1s+swoiSRL/w4Kt1851Q0TSHD me@example.org";
    const RSA: &str = concat!(
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCkZmJP2Iq8VSuzorAkPXMOzjcDzbsUu+O5MnfyhlRpy8wkNz1n/1m3tzjnF76rTLbc3p56tc4+",
        "VSpHdhINcIeMSLiwQF0w7oizSkyB9FgKTehAkop6PE7E/p43KyAMdnSaSJ7axUziM4LbAsukA+ut/DEbATZirzdVXdEopKoU7lPpUNVr1CGGt1YD",
        "phZUwyEEjOnydYrqIL6rrzrInUbaO+iruGuJCihwJxw06DkYbCkgJ/Y2R591pdPLtYMQRza6Bd/q5UT0weMPIuHWLYA+QvdIo2kca6JyZ6kLya2W",
        "zNTKL+gGeyW0k/D+Ja9nNjXi1zjPjqXcDI9SSJ7scbef rsa"
    );

    #[test]
    fn a_public_key_is_read_whole_or_refused() {
        let own = "46:d9:c0:e9:2b:4e:3a:9d:fa:47:58:74:29:c2:34:a5";
        for text in
            [KEY, &format!("{KEY}\n"), &format!("{KEY}\r\n"), &format!("{KEY}\n{RSA}\n"), &format!("{KEY}{KEY}")]
        {
            assert_eq!(import(text).expect("a key"), own, "{text:?}");
        }
        assert_eq!(import(RSA).expect("a key"), "88:0b:a5:95:51:68:dd:47:78:b0:e6:6d:f8:aa:3b:de");
        for wrong in [
            "",
            "\n",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "rubbish",
            &KEY[..60],
            &format!("x\n{KEY}"),
            &format!(" {KEY}"),
            &format!("\t{KEY}"),
            &format!("\n{KEY}"),
            &format!("{KEY}\0"),
        ] {
            assert_eq!(import(wrong).expect_err(wrong).field.as_deref(), Some("public-key"));
        }
    }

    #[tokio::test]
    async fn a_public_key_comes_back_byte_for_byte() {
        for world in worlds(Settings::default()).await {
            for (name, text) in [("one", format!("{KEY}\n")), ("two", format!("{KEY}\r\n{RSA}\n\n"))] {
                let create = wit::KeypairCreate {
                    name: name.to_owned(),
                    kind: wit::KeyKind::Ssh,
                    public_key: Some(text.clone()),
                    user_id: None,
                    attributes: "{}".to_owned(),
                };
                let made = world.cloud.create_keypair(&member("p"), create).await.expect("a key pair");
                let shown = world.cloud.get_keypair(&member("p"), name.to_owned(), None).await.expect("the key pair");
                assert_eq!((made.public_key, shown.public_key), (text.clone(), text));
            }
        }
    }

    #[test]
    fn a_generated_pair_belongs_together() {
        let (private, public, made) = generate("x").expect("a pair");
        assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        let read = PrivateKey::from_openssh(&private).expect("private half");
        assert_eq!(read.public_key().to_openssh().expect("public half"), public);
        assert_eq!(import(&public).expect("import"), made);
        assert_eq!(made.len(), 47);
        assert_eq!(made.matches(':').count(), 15);
    }
}
