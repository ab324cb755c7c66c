//! Tokens: what they stand for, how long a process may believe it, how they end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache as Moka;
use rand::TryRngCore as _;
use sha2::{Digest as _, Sha256};
use skyloom_model::{Action, Caller, Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::identity::{Session, tokens};

use super::convert;
use crate::Cloud;

/// A token that was revoked, or whose user, roles or scope changed, is refused after this time at the latest: at once by the
/// process that did it, after this time by the others.
pub const REVOCATION_BOUND: Duration = Duration::from_secs(1);

/// How many callers a process remembers.
const CACHED: u64 = 10_000;
/// No token is longer.
const MAX_TOKEN: usize = 512;

/// Callers by the hash of their token.
pub(super) struct Cache(Moka<[u8; 32], Known>);

#[derive(Clone)]
struct Known {
    caller: Arc<Caller>,
    expires_at: Timestamp,
    until: Instant,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self(Moka::builder().max_capacity(CACHED).time_to_live(REVOCATION_BOUND).build())
    }

    /// After any change of who may do what.
    pub(super) fn forget_all(&self) {
        self.0.invalidate_all();
    }
}

/// A new token: 256 random bits.
pub(super) fn new_token() -> Result<String> {
    random::<32>()
}

/// Public name of a token, for audits.
pub(super) fn new_audit_id() -> Result<String> {
    random::<16>()
}

fn random<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0; BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The form in which a token is stored.
pub(super) fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token))
}

fn invalid_token() -> Error {
    Error::new(ErrorCode::Unauthenticated, "The token is not valid.")
}

impl Cloud {
    /// Who a token stands for; `unauthenticated` when it isn't valid. See [`REVOCATION_BOUND`].
    pub async fn caller_of_token(&self, token: &str) -> Result<Arc<Caller>> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(invalid_token());
        }
        let key: [u8; 32] = Sha256::digest(token).into();
        let (now, asked) = (Timestamp::now(), Instant::now());
        let cache = &self.identity().sessions.0;
        if let Some(known) = cache.get(&key)
            && asked < known.until
            && now < known.expires_at
        {
            return Ok(known.caller);
        }
        let mut conn = self.db().read().await?;
        let session = tokens::session(&mut conn, &hex::encode(key), now).await?.ok_or_else(invalid_token)?;
        let caller = Arc::new(Caller {
            admin: self.identity().policy.is_operator(&session.scope, &session.roles),
            user: session.user,
            scope: session.scope,
            roles: session.roles,
        });
        // Counted from the question, not from the answer: the answer may have been overtaken.
        let until = asked + REVOCATION_BOUND;
        cache.insert(key, Known { caller: caller.clone(), expires_at: session.expires_at, until });
        Ok(caller)
    }

    pub(super) async fn validate(&self, context: &CallContext, subject: &str) -> Result<wit::TokenInfo> {
        self.permit(context.caller.as_deref(), Action::TokensValidate)?;
        let (_, session) = self.subject(context, subject).await?;
        Ok(self.token_info(session))
    }

    pub(super) async fn revoke(&self, context: &CallContext, subject: &str) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::TokensRevoke)?;
        let (hash, _) = self.subject(context, subject).await?;
        let mut tx = self.db().begin().await?;
        tokens::revoke(&mut tx, &hash).await?;
        tx.commit().await?;
        self.identity().sessions.forget_all();
        Ok(())
    }

    /// A token that the caller asks about: an own one, or any for an operator. Never from the cache.
    async fn subject(&self, context: &CallContext, subject: &str) -> Result<(String, Session)> {
        let token = context.secret("subject", subject)?;
        let hash = hash(&token);
        let mut conn = self.db().read().await?;
        let session = tokens::session(&mut conn, &hash, Timestamp::now()).await?;
        let session = session.ok_or_else(|| Error::new(ErrorCode::NotFound, "The token could not be found."))?;
        let caller = context.caller()?;
        if !caller.admin && caller.user.id != session.user.id {
            let text = "You are not authorized to ask about the token of another user.";
            return Err(Error::new(ErrorCode::Forbidden, text));
        }
        Ok((hash, session))
    }

    pub(super) fn token_info(&self, session: Session) -> wit::TokenInfo {
        let catalog = self.catalog_of(&session.scope);
        convert::token_info(session, catalog)
    }
}
