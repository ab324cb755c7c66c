//! Logins: by password, by a token, or by both; to a project, a domain, the system, or nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::identity::{
    Issue, Login, PlacedReference, Reference, Session, Target, domains, projects, tokens, users,
};

use super::throttle::{Admission, Key, too_many};
use super::{convert, sessions};
use crate::Cloud;

/// Says nothing about what was wrong.
fn refused() -> Error {
    Error::new(ErrorCode::Unauthenticated, "The credentials are not valid.")
}

/// What the methods have shown.
struct Proven {
    user_id: String,
    default_project_id: Option<String>,
    methods: Vec<String>,
    parent_audit_id: Option<String>,
    /// Of the token that it was made from: the new one lasts no longer.
    expires_at: Option<Timestamp>,
}

impl Cloud {
    pub(super) async fn login(&self, context: &CallContext, login: wit::Login) -> Result<wit::Issued> {
        self.permit(context.caller.as_deref(), Action::TokensIssue)?;
        let proven = self.prove(context, &login).await?;
        let scope = self.scopes(&proven, &login.scope).await?;
        let (token, session) = self.issue(&proven, scope).await?;
        let handle = context.secrets.put(token);
        Ok(wit::Issued { token: handle, info: self.token_info(session) })
    }

    async fn prove(&self, context: &CallContext, login: &wit::Login) -> Result<Proven> {
        let has = |method: &str| login.methods.iter().any(|named| named == method);
        let known = |method: &String| method == "password" || method == "token";
        if login.methods.is_empty() || !login.methods.iter().all(known) {
            return Err(refused());
        }
        let mut proven = None;
        if has("password") {
            let part = login.password.as_ref().ok_or_else(|| missing("password"))?;
            let reference = convert::named_reference("user", &part.user)?;
            let password = context.secret("password", &part.password)?;
            let found = self.check_password(context, reference, password).await?;
            proven = Some(Proven {
                user_id: found.user.id,
                default_project_id: found.default_project_id,
                methods: vec!["password".to_owned()],
                parent_audit_id: None,
                expires_at: None,
            });
        }
        if has("token") {
            let part = login.token.as_ref().ok_or_else(|| missing("token"))?;
            proven = Some(self.check_token(context, part, proven).await?);
        }
        proven.ok_or_else(refused)
    }

    /// Whether the password is this user's, and the user may log in; refused alike, in the same time, whatever is wrong.
    pub(super) async fn check_password(
        &self,
        context: &CallContext,
        reference: PlacedReference<'_>,
        password: Arc<str>,
    ) -> Result<Login> {
        let identity = self.identity();
        let key = throttle_key(context, reference);
        let mut turn = identity.passwords.turn().await?;
        // Asked with a turn in hand, so that no more than the turns are under way before a failure counts.
        match identity.throttle.admit(&key, Instant::now()) {
            Admission::Now => {}
            Admission::After(wait) => {
                drop(turn);
                identity.throttle.hold(wait).await?;
                turn = identity.passwords.turn().await?;
            }
            Admission::TooMany => return Err(too_many()),
        }
        let found = {
            let mut conn = self.db().read().await?;
            users::login(&mut conn, reference).await?
        };
        let hash = found.as_ref().filter(|login| login.enabled).and_then(|login| login.password_hash.clone());
        if identity.passwords.verify(turn, password, hash).await?
            && let Some(found) = found
        {
            identity.throttle.succeeded(&key);
            return Ok(found);
        }
        identity.throttle.failed(key, Instant::now());
        Err(refused())
    }

    async fn check_token(&self, context: &CallContext, handle: &str, before: Option<Proven>) -> Result<Proven> {
        let token = context.secret("token", handle)?;
        let mut conn = self.db().read().await?;
        let now = Timestamp::now();
        let session = tokens::session(&mut conn, &sessions::hash(&token), now).await?.ok_or_else(refused)?;
        if before.as_ref().is_some_and(|proven| proven.user_id != session.user.id) {
            return Err(refused());
        }
        let user = users::get(&mut conn, &session.user.id).await?.ok_or_else(refused)?;
        let mut methods = before.map(|proven| proven.methods).unwrap_or_default();
        for method in session.methods.into_iter().chain(["token".to_owned()]) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        Ok(Proven {
            user_id: session.user.id,
            default_project_id: user.default_project_id,
            methods,
            parent_audit_id: session.audit_ids.into_iter().next(),
            expires_at: Some(session.expires_at),
        })
    }

    /// The scopes to try, in order; the first that the user has a role in is taken.
    async fn scopes(&self, proven: &Proven, request: &wit::ScopeRequest) -> Result<Vec<Option<Target>>> {
        Ok(match request {
            wit::ScopeRequest::Unspecified => {
                proven.default_project_id.iter().map(|id| Some(Target::Project(id.clone()))).chain([None]).collect()
            }
            wit::ScopeRequest::Unscoped => vec![None],
            wit::ScopeRequest::System => vec![Some(Target::System)],
            wit::ScopeRequest::Project(reference) => {
                let reference = convert::named_reference("project", reference)?;
                let mut conn = self.db().read().await?;
                let project = projects::find(&mut conn, reference).await?.ok_or_else(refused)?;
                vec![Some(Target::Project(project.id))]
            }
            wit::ScopeRequest::Domain(reference) => {
                let reference = convert::domain_reference("domain", reference)?;
                let mut conn = self.db().read().await?;
                let domain = domains::find(&mut conn, reference).await?.ok_or_else(refused)?;
                vec![Some(Target::Domain(domain.id))]
            }
        })
    }

    /// Whether scope and user are enabled and a role is there, the token's own session tells, in the same transaction.
    async fn issue(&self, proven: &Proven, scopes: Vec<Option<Target>>) -> Result<(String, Session)> {
        let now = Timestamp::now();
        let lifetime = Duration::from_secs(u64::from(self.identity().settings.token_lifetime_seconds));
        let token = sessions::new_token()?;
        let hash = sessions::hash(&token);
        let mut tx = self.db().begin().await?;
        for scope in scopes {
            let issue = Issue {
                hash: hash.clone(),
                user_id: proven.user_id.clone(),
                scope,
                methods: proven.methods.clone(),
                audit_id: sessions::new_audit_id()?,
                parent_audit_id: proven.parent_audit_id.clone(),
                issued_at: now,
                expires_at: proven.expires_at.unwrap_or_else(|| now.plus(lifetime)),
            };
            if let Some(session) = try_issue(&mut tx, &issue).await? {
                tx.commit().await?;
                return Ok((token, session));
            }
        }
        Err(refused())
    }
}

/// Leaves no row when the token would be worth nothing.
async fn try_issue(tx: &mut Conn, issue: &Issue) -> Result<Option<Session>> {
    if users::get(tx, &issue.user_id).await?.is_none() {
        return Ok(None);
    }
    tokens::insert(tx, issue).await?;
    let session = tokens::session(tx, &issue.hash, issue.issued_at).await?;
    if session.is_none() {
        tokens::revoke(tx, &issue.hash).await?;
    }
    Ok(session)
}

fn missing(method: &str) -> Error {
    Error::invalid("methods", format!("The method {method} has no part of its own."))
}

/// The user as the login named it, and the address that it came from.
fn throttle_key(context: &CallContext, reference: PlacedReference<'_>) -> Key {
    let words = match reference {
        PlacedReference::Id(id) => ["id", id, "", ""],
        PlacedReference::Name(name, Reference::Id(domain)) => ["name", name, "id", domain],
        PlacedReference::Name(name, Reference::Name(domain)) => ["name", name, "name", domain],
    };
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.len().to_le_bytes());
        hash.update(word);
    }
    hash.update(context.client.map(|address| address.to_string()).unwrap_or_default());
    hash.finalize().into()
}
