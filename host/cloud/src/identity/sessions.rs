//! Tokens: what they stand for, how they end. How long a process may believe what a credential stands for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::sync::Cache as Moka;
use rand::TryRngCore as _;
use sha2::{Digest as _, Sha256};
use skyloom_model::{Action, Caller, Error, ErrorCode, Named, Placed, Result, Scope, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::identity::{Session, projects, tokens};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Identity;
use super::access_keys::SigningKey;
use super::convert;

/// A token or an access key that was revoked, or whose user, roles or scope changed, is refused after this time at the latest: at
/// once by the process that did it, after this time by the others.
pub const REVOCATION_BOUND: Duration = Duration::from_secs(1);

/// How many tokens, and as many access keys, a process remembers.
const CACHED: u64 = 10_000;
/// After this time without a request a caller is forgotten.
const FORGET: Duration = Duration::from_mins(15);
/// How many tokens and access keys that this process hasn't seen are looked up at once: who guesses waits for others who do, not
/// for a reader of the database that callers need.
const STRANGERS: usize = 2;
/// No token is longer.
const MAX_TOKEN: usize = 512;

pub(super) type Hash = [u8; 32];

/// What credentials stand for, by their hashes. One that is no longer believed is still no stranger.
pub(super) struct Cache {
    pub(super) callers: Moka<Hash, Known<Arc<Caller>>>,
    pub(super) keys: Moka<Hash, Known<Arc<SigningKey>>>,
    pub(super) strangers: Semaphore,
    /// Of what is known; counts the changes of who may do what.
    edition: AtomicU64,
}

#[derive(Clone)]
pub(super) struct Known<T> {
    what: T,
    expires_at: Timestamp,
    until: Instant,
    edition: u64,
}

/// A credential must be looked up.
pub(super) struct Ask<'c> {
    pub now: Timestamp,
    asked: Instant,
    edition: u64,
    _turn: Option<SemaphorePermit<'c>>,
}

impl Ask<'_> {
    /// Remembers what the credential stands for. Counted from the question, not from the answer: the answer may have been overtaken.
    pub(super) fn remember<T: Clone + Send + Sync + 'static>(
        &self,
        among: &Moka<Hash, Known<T>>,
        hash: Hash,
        what: T,
        expires_at: Timestamp,
    ) -> T {
        let until = self.asked + REVOCATION_BOUND;
        among.insert(hash, Known { what: what.clone(), expires_at, until, edition: self.edition });
        what
    }
}

impl Cache {
    pub(super) fn new() -> Self {
        Self {
            callers: Moka::builder().max_capacity(CACHED).time_to_idle(FORGET).build(),
            keys: Moka::builder().max_capacity(CACHED).time_to_idle(FORGET).build(),
            strangers: Semaphore::new(STRANGERS),
            edition: AtomicU64::new(0),
        }
    }

    /// Nobody is believed any more without being looked up: after any change of who may do what.
    pub(super) fn forget_all(&self) {
        self.edition.fetch_add(1, SeqCst);
    }

    /// What a credential stands for, as far as it is believed. Else the turn to look it up.
    pub(super) async fn recall<T: Clone + Send + Sync + 'static>(
        &self,
        among: &Moka<Hash, Known<T>>,
        hash: &Hash,
    ) -> Result<Result<T, Ask<'_>>> {
        let (now, asked) = (Timestamp::now(), Instant::now());
        let edition = self.edition.load(SeqCst);
        let turn = match among.get(hash) {
            Some(known) if asked < known.until && now < known.expires_at && edition == known.edition => {
                return Ok(Ok(known.what));
            }
            Some(_) => None,
            None => Some(self.strangers.acquire().await.map_err(Error::internal)?),
        };
        Ok(Err(Ask { now, asked, edition, _turn: turn }))
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
    Ok(URL_SAFE_NO_PAD.encode(random_bytes::<BYTES>()?))
}

pub(super) fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
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
        let (key, cache) = (Sha256::digest(token).into(), &self.sessions);
        let ask = match cache.recall(&cache.callers, &key).await? {
            Ok(caller) => return Ok(caller),
            Err(ask) => ask,
        };
        let mut conn = self.db().read().await?;
        let Some(session) = tokens::session(&mut conn, &hex::encode(key), ask.now).await? else {
            cache.callers.invalidate(&key);
            return Err(invalid_token());
        };
        let expires_at = session.expires_at;
        let caller = self.caller(session.user, session.scope, session.roles);
        Ok(ask.remember(&cache.callers, key, caller, expires_at))
    }

    pub(super) fn caller(&self, user: Placed, scope: Scope, roles: Vec<Named>) -> Arc<Caller> {
        Arc::new(Caller { admin: self.policy().is_operator(&scope, &roles), user, scope, roles })
    }

    /// A token that this process has just made is no stranger.
    pub(super) fn welcome(&self, token: &str, session: Session) {
        let cache = &self.sessions;
        // Believed from the next look at the database on.
        let asked = Instant::now().checked_sub(REVOCATION_BOUND).unwrap_or_else(Instant::now);
        let ask = Ask { now: Timestamp::now(), asked, edition: cache.edition.load(SeqCst), _turn: None };
        let expires_at = session.expires_at;
        let caller = self.caller(session.user, session.scope, session.roles);
        ask.remember(&cache.callers, Sha256::digest(token).into(), caller, expires_at);
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
