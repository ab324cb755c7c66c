//! Tokens: what they stand for, how long a process may believe it, how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache as Moka;
use rand::TryRngCore as _;
use sha2::{Digest as _, Sha256};
use skyloom_model::{Action, Caller, Error, ErrorCode, Placed, Result, Scope, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::identity::{Session, projects, tokens};
use tokio::sync::Semaphore;

use super::Identity;
use super::convert;

/// A token that was revoked, or whose user, roles or scope changed, is refused after this time at the latest: at once by the
/// process that did it, after this time by the others.
pub const REVOCATION_BOUND: Duration = Duration::from_secs(1);

/// How many callers a process remembers.
const CACHED: u64 = 10_000;
/// After this time without a request a caller is forgotten.
const FORGET: Duration = Duration::from_mins(15);
/// How many tokens that this process hasn't seen are looked up at once: who guesses tokens waits for others who do, not for a
/// reader of the database that callers need.
const STRANGERS: usize = 2;
/// No token is longer.
const MAX_TOKEN: usize = 512;

/// Callers by the hash of their token. One that is no longer believed is still no stranger.
pub(super) struct Cache {
    callers: Moka<[u8; 32], Known>,
    pub(super) strangers: Semaphore,
    /// Of what is known; counts the changes of who may do what.
    edition: AtomicU64,
}

#[derive(Clone)]
struct Known {
    caller: Arc<Caller>,
    expires_at: Timestamp,
    until: Instant,
    edition: u64,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            callers: Moka::builder().max_capacity(CACHED).time_to_idle(FORGET).build(),
            strangers: Semaphore::new(STRANGERS),
            edition: AtomicU64::new(0),
        }
    }

    /// Nobody is believed any more without being looked up: after any change of who may do what.
    pub(super) fn forget_all(&self) {
        self.edition.fetch_add(1, SeqCst);
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

impl Identity {
    /// Who a token stands for; `unauthenticated` when it isn't valid. See [`REVOCATION_BOUND`].
    pub async fn caller_of_token(&self, token: &str) -> Result<Arc<Caller>> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return Err(invalid_token());
        }
        let key: [u8; 32] = Sha256::digest(token).into();
        let (now, asked) = (Timestamp::now(), Instant::now());
        let cache = &self.sessions;
        let edition = cache.edition.load(SeqCst);
        let known = cache.callers.get(&key);
        let _turn = match known {
            Some(known) if asked < known.until && now < known.expires_at && edition == known.edition => {
                return Ok(known.caller);
            }
            Some(_) => None,
            None => Some(cache.strangers.acquire().await.map_err(Error::internal)?),
        };
        let mut conn = self.db().read().await?;
        let Some(session) = tokens::session(&mut conn, &hex::encode(key), now).await? else {
            cache.callers.invalidate(&key);
            return Err(invalid_token());
        };
        Ok(self.remember(key, session, asked, edition))
    }

    /// Remembers whose token it is. Counted from the question, not from the answer: the answer may have been overtaken.
    fn remember(&self, key: [u8; 32], session: Session, asked: Instant, edition: u64) -> Arc<Caller> {
        let caller = Arc::new(Caller {
            admin: self.policy().is_operator(&session.scope, &session.roles),
            user: session.user,
            scope: session.scope,
            roles: session.roles,
        });
        let known =
            Known { caller: caller.clone(), expires_at: session.expires_at, until: asked + REVOCATION_BOUND, edition };
        self.sessions.callers.insert(key, known);
        caller
    }

    /// A token that this process has just made is no stranger.
    pub(super) fn welcome(&self, token: &str, session: Session) {
        let edition = self.sessions.edition.load(SeqCst);
        // Believed from the next look at the database on.
        let long_ago = Instant::now().checked_sub(REVOCATION_BOUND).unwrap_or_else(Instant::now);
        self.remember(Sha256::digest(token).into(), session, long_ago, edition);
    }

    /// The caller of a token for a whole domain as one who acts in one of its enabled projects. None: there is no such project, or
    /// the token isn't for a domain.
    pub async fn act_in(&self, caller: &Caller, project_id: &str) -> Result<Option<Arc<Caller>>> {
        let Scope::Domain(domain) = &caller.scope else { return Ok(None) };
        let project = projects::get(&mut self.db().read().await?, project_id).await?;
        let Some(project) = project.filter(|project| project.enabled && project.domain_id == domain.id) else {
            return Ok(None);
        };
        let place = Placed { id: project.id, name: project.name, domain: domain.clone() };
        Ok(Some(Arc::new(Caller { scope: Scope::ProjectOfDomain(place), ..caller.clone() })))
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
        self.sessions.forget_all();
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
