//! Logins: by password, by a token, or by both; to a project, a domain, the system, or nothing.

use std::sync::Arc;
use std::time::Duration;

use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::identity::{
    Issue, Login, PlacedReference, Reference, Session, Target, domains, projects, tokens, users,
};

use super::Identity;
use super::passwords::Share;
use super::{convert, sessions, throttle};

/// Says nothing about what was wrong; the log does.
fn refused(reason: &str) -> Error {
    Error::new(ErrorCode::Unauthenticated, "The credentials are not valid.").with_internal(reason)
}

/// A wrong password, as good as any other, after too many.
fn too_many(wait: Duration) -> Error {
    Error::new(ErrorCode::RateLimited, "Too many failed logins; try again later.").with_retry_after(wait)
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

impl Identity {
    pub(super) async fn login(&self, context: &CallContext, login: wit::Login) -> Result<wit::Issued> {
        self.permit(context.caller.as_deref(), Action::TokensIssue)?;
        let (token, session) = match self.try_login(context, &login).await {
            Ok(issued) => issued,
            Err(error) => return Err(self.login_failed(context, &user_as_named(&login), error)),
        };
        let handle = context.secrets.put(token);
        Ok(wit::Issued { token: handle, info: self.token_info(session) })
    }

    async fn try_login(&self, context: &CallContext, login: &wit::Login) -> Result<(String, Session)> {
        let proven = self.prove(context, login).await?;
        let scope = self.scopes(&proven, &login.scope).await?;
        self.issue(&proven, scope).await
    }

    async fn prove(&self, context: &CallContext, login: &wit::Login) -> Result<Proven> {
        let has = |method: &str| login.methods.iter().any(|named| named == method);
        let known = |method: &String| method == "password" || method == "token";
        if login.methods.is_empty() || !login.methods.iter().all(known) {
            return Err(refused("an unknown method"));
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
        proven.ok_or_else(|| refused("no method"))
    }

    /// Whether the password is this user's, and the user may log in; refused alike, in the same time, whatever is wrong.
    pub(super) async fn check_password(
        &self,
        context: &CallContext,
        reference: PlacedReference<'_>,
        password: Arc<str>,
    ) -> Result<Login> {
        let identity = self;
        let (found, key) = self.user_of_login(context, reference).await?;
        let hash = found.as_ref().filter(|login| login.enabled).and_then(|login| login.password_hash.clone());
        let share = if identity.throttle.is_slowed(&key) { Share::Rest } else { Share::Fair };
        let turn = identity.passwords.turn(share).await?;
        let right = identity.passwords.verify(turn, password, hash).await?;
        match found {
            Some(found) if right => {
                identity.throttle.succeeded(&key);
                Ok(found)
            }
            found => {
                let reason = why_wrong(found.as_ref());
                Err(identity
                    .throttle
                    .failed(key)
                    .map_or_else(|| refused(reason), |wait| too_many(wait).with_internal(reason)))
            }
        }
    }

    /// The user, and what wrong passwords are counted under: one and the same however the login names the user, and with as
    /// many questions to the database whether there is such a user or not.
    async fn user_of_login(
        &self,
        context: &CallContext,
        reference: PlacedReference<'_>,
    ) -> Result<(Option<Login>, throttle::Key)> {
        let mut conn = self.db().read().await?;
        let domain = match reference {
            PlacedReference::Name(_, Reference::Name(domain)) => {
                domains::find(&mut conn, Reference::Name(domain)).await?.map(|domain| domain.id)
            }
            _ => None,
        };
        let reference = match (reference, &domain) {
            (PlacedReference::Name(name, _), Some(domain)) => PlacedReference::Name(name, Reference::Id(domain)),
            (reference, _) => reference,
        };
        let found = users::login(&mut conn, reference).await?;
        let key = match (&found, reference) {
            (Some(found), _) => throttle::key(&[&found.user.id], context.client),
            (None, PlacedReference::Id(id)) => throttle::key(&[id], context.client),
            (None, PlacedReference::Name(name, Reference::Id(domain) | Reference::Name(domain))) => {
                throttle::key(&[name, domain], context.client)
            }
        };
        Ok((found, key))
    }

    async fn check_token(&self, context: &CallContext, handle: &str, before: Option<Proven>) -> Result<Proven> {
        let token = context.secret("token", handle)?;
        let mut conn = self.db().read().await?;
        let now = Timestamp::now();
        let session = tokens::session(&mut conn, &sessions::hash(&token), now)
            .await?
            .ok_or_else(|| refused("the token is not valid"))?;
        if before.as_ref().is_some_and(|proven| proven.user_id != session.user.id) {
            return Err(refused("the token is another user's"));
        }
        let user = users::get(&mut conn, &session.user.id).await?.ok_or_else(|| refused("no such user"))?;
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
                let project = projects::find(&mut conn, reference).await?.ok_or_else(|| refused("no such project"))?;
                vec![Some(Target::Project(project.id))]
            }
            wit::ScopeRequest::Domain(reference) => {
                let reference = convert::domain_reference("domain", reference)?;
                let mut conn = self.db().read().await?;
                let domain = domains::find(&mut conn, reference).await?.ok_or_else(|| refused("no such domain"))?;
                vec![Some(Target::Domain(domain.id))]
            }
        })
    }

    /// Whether scope and user are enabled and a role is there, the token's own session tells, in the same transaction.
    async fn issue(&self, proven: &Proven, scopes: Vec<Option<Target>>) -> Result<(String, Session)> {
        let now = Timestamp::now();
        let lifetime = Duration::from_secs(u64::from(self.settings.token_lifetime_seconds));
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
                self.welcome(&token, session.clone());
                return Ok((token, session));
            }
        }
        Err(refused("no role in the scope, or it is disabled"))
    }
}

fn why_wrong(found: Option<&Login>) -> &'static str {
    match found {
        None => "no such user",
        Some(login) if !login.enabled => "the user or its domain is disabled",
        Some(login) if login.password_hash.is_none() => "the user has no password",
        Some(_) => "the password is wrong",
    }
}

/// For the log.
fn user_as_named(login: &wit::Login) -> String {
    let Some(part) = &login.password else { return "(by token)".to_owned() };
    let domain = part.user.domain.as_ref().and_then(|domain| domain.id.as_ref().or(domain.name.as_ref()));
    match (&part.user.id, &part.user.name, domain) {
        (Some(id), _, _) => id.clone(),
        (None, Some(name), Some(domain)) => format!("{name} in {domain}"),
        (None, name, _) => name.clone().unwrap_or_default(),
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
