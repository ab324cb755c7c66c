//! Access keys: a public name and a secret, with which a user signs requests in one project. What a key stands for is looked up and
//! believed as it is of tokens. Its secret lies sealed in the database and is given out once.

use std::sync::Arc;

use ring::hmac;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use skyloom_model::{Action, Caller, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::identity::{AccessKey, Target, access_keys, assignments, projects};
use skyloom_store::listing::Listed;

use super::Identity;
use super::sessions::{Hash, random_bytes};
use crate::events::{self, Owner};
use crate::lists::{conditions, page};

/// Lengths of a public name and of a secret that a user brings along.
const NAME: std::ops::RangeInclusive<usize> = 8..=64;
const SECRET: std::ops::RangeInclusive<usize> = 16..=128;

/// Checks signatures. Whom the key stands for may be believed only of a request whose signature it verified.
#[derive(Debug)]
pub struct SigningKey {
    pub caller: Arc<Caller>,
    mac: hmac::Key,
}

impl SigningKey {
    pub fn new(caller: Arc<Caller>, secret: &str) -> Self {
        Self { caller, mac: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) }
    }

    /// Whether this is the HMAC-SHA256 of the message; takes the same time whatever it is.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.mac, message, signature).is_ok()
    }
}

/// What a user brings along.
#[derive(Deserialize)]
struct Pair {
    access: String,
    secret: String,
}

fn is_name(text: &str) -> bool {
    NAME.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

impl Pair {
    fn read(text: &str) -> Result<Self> {
        let invalid = |message: &str| Error::invalid("pair", message);
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|_| invalid("The pair of an access key is no JSON object."))?;
        if object.iter().any(|(name, value)| !["access", "secret"].contains(&name.as_str()) && !value.is_null()) {
            return Err(invalid("The pair of an access key has other members than access and secret."));
        }
        let pair: Self = serde_json::from_value(object.into())
            .map_err(|_| invalid("The pair of an access key lacks access or secret, or one of them is no text."))?;
        if !is_name(&pair.access) {
            return Err(invalid("The access of a pair is 8 to 64 letters, digits and -._~."));
        }
        if !SECRET.contains(&pair.secret.len()) || !pair.secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("The secret of a pair is 16 to 128 visible ASCII characters."));
        }
        Ok(pair)
    }

    fn new() -> Result<Self> {
        let secret = hex::encode(random_bytes::<32>()?);
        Ok(Self { access: hex::encode(random_bytes::<16>()?), secret })
    }
}

fn unknown_key() -> Error {
    Error::new(ErrorCode::Unauthenticated, "The access key is not valid.")
}

/// What a sealed secret belongs to.
fn owner(key: &str) -> String {
    format!("access-key {key}")
}

impl Identity {
    /// The key of this public name; `unauthenticated` when there is none, or its user or project is disabled, or the user has no
    /// role in the project any more. See [`REVOCATION_BOUND`](super::REVOCATION_BOUND).
    pub async fn signing_key(&self, id: &str) -> Result<Arc<SigningKey>> {
        if !is_name(id) {
            return Err(unknown_key());
        }
        let (hash, cache): (Hash, _) = (Sha256::digest(id).into(), &self.sessions);
        let ask = match cache.recall(&cache.keys, &hash).await? {
            Ok(key) => return Ok(key),
            Err(ask) => ask,
        };
        let mut conn = self.db().read().await?;
        let Some((standing, sealed)) = access_keys::standing(&mut conn, id).await? else {
            cache.keys.invalidate(&hash);
            return Err(unknown_key());
        };
        let secret = self.sealer().open(&owner(id), &sealed)?;
        let caller = self.caller(standing.user, standing.scope, standing.roles);
        Ok(ask.remember(&cache.keys, hash, Arc::new(SigningKey::new(caller, &secret)), Timestamp(i64::MAX)))
    }

    /// Whether the caller may this with everybody's keys, or with the own ones alone.
    fn of_everybody(&self, context: &CallContext, action: Action) -> Result<bool> {
        self.permit(context.caller.as_deref(), action)?;
        Ok(matches!(self.permit(context.caller.as_deref(), Action::AccessKeysOthers), Ok(Reach::All)))
    }

    pub(super) async fn access_key_list(
        &self,
        context: &CallContext,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<Listed<AccessKey>> {
        let everybody = self.of_everybody(context, Action::AccessKeysRead)?;
        let own = context.caller()?.user.id.as_str();
        let others = |asked: &wit::Condition| asked.field == "user-id" && asked.values.iter().any(|user| user != own);
        if !everybody && wanted.iter().any(others) {
            self.permit(context.caller.as_deref(), Action::AccessKeysOthers)?;
        }
        let mut conn = self.db().read().await?;
        access_keys::list(&mut conn, (!everybody).then_some(own), &conditions(wanted)?, &page(request)).await
    }

    pub(super) async fn access_key_get(&self, context: &CallContext, id: &str) -> Result<AccessKey> {
        let everybody = self.of_everybody(context, Action::AccessKeysRead)?;
        let own = &context.caller()?.user.id;
        let key = access_keys::get(&mut self.db().read().await?, id).await?;
        key.filter(|key| everybody || key.user_id == *own).ok_or_else(|| Error::not_found("credential", id))
    }

    /// The key and a handle of its secret.
    pub(super) async fn access_key_create(
        &self,
        context: &CallContext,
        create: wit::AccessKeyCreate,
    ) -> Result<(AccessKey, String)> {
        let everybody = self.of_everybody(context, Action::AccessKeysCreate)?;
        let caller = context.caller()?;
        let user_id = create.user_id.unwrap_or_else(|| caller.user.id.clone());
        let project_id = create.project_id.or_else(|| caller.project_id().map(str::to_owned));
        let Some(project_id) = project_id else {
            return Err(Error::invalid("project-id", "An access key is for one project, and the token is for none."));
        };
        if !everybody && user_id != caller.user.id {
            self.permit(context.caller.as_deref(), Action::AccessKeysOthers)?;
        }
        if !everybody && (user_id != caller.user.id || caller.project_id() != Some(&project_id)) {
            let text = "An access key is made by its own user, with a token for its project.";
            return Err(Error::new(ErrorCode::Forbidden, text));
        }
        let pair = match &create.pair {
            Some(handle) => Pair::read(&context.secret("pair", handle)?)?,
            None => Pair::new()?,
        };
        let key = AccessKey { id: pair.access, user_id, project_id, created_at: Timestamp::now() };
        let sealed = self.sealer().seal(&owner(&key.id), &pair.secret)?;
        let mut tx = self.db().begin().await?;
        // Of two at once one waits for the other, and counts it.
        if !tx.lock("users", &key.user_id).await? {
            return Err(Error::not_found("user", &key.user_id));
        }
        if projects::get(&mut tx, &key.project_id).await?.is_none() {
            return Err(Error::not_found("project", &key.project_id));
        }
        if !assignments::any(&mut tx, &key.user_id, &Target::Project(key.project_id.clone())).await? {
            return Err(Error::invalid("project-id", "The user has no role in the project of the access key."));
        }
        let limit = self.settings.access_keys_per_user;
        if access_keys::count_of_user(&mut tx, &key.user_id).await? >= i64::from(limit) {
            let text = format!("The user has as many access keys as one may have: {limit}.");
            return Err(Error::new(ErrorCode::QuotaExceeded, text).with_field("access-keys"));
        }
        events::changed(
            &mut tx,
            context,
            Action::AccessKeysCreate,
            ("access-key", &key.id),
            Owner::Project(&key.project_id),
        )
        .await?;
        access_keys::insert(&mut tx, &key, &sealed).await?;
        tx.commit().await?;
        Ok((key, context.secrets.put(pair.secret.as_str())))
    }

    pub(super) async fn access_key_delete(&self, context: &CallContext, id: &str) -> Result<()> {
        let everybody = self.of_everybody(context, Action::AccessKeysDelete)?;
        let own = &context.caller()?.user.id;
        let mut tx = self.db().begin().await?;
        let key = access_keys::get(&mut tx, id).await?.filter(|key| everybody || key.user_id == *own);
        let key = key.ok_or_else(|| Error::not_found("credential", id))?;
        let owner = Owner::Project(&key.project_id);
        events::changed(&mut tx, context, Action::AccessKeysDelete, ("access-key", id), owner).await?;
        if access_keys::delete(&mut tx, id).await? == 0 {
            return Err(Error::not_found("credential", id));
        }
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }
}
