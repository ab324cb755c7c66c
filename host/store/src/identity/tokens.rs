use skyloom_model::{Error, Named, Placed, Result, Scope, Timestamp};

use super::{Standing, Target, standing};
use crate::{Conn, Row, args};

/// A token to be kept.
#[derive(Clone, Debug)]
pub struct Issue {
    /// SHA-256 of the token, hex.
    pub hash: String,
    pub user_id: String,
    /// None: unscoped.
    pub scope: Option<Target>,
    pub methods: Vec<String>,
    pub audit_id: String,
    /// Of the token that it was made from.
    pub parent_audit_id: Option<String>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What a token stands for at this moment: names and roles are those of now, not those of its issue.
#[derive(Clone, Debug)]
pub struct Session {
    pub user: Placed,
    pub scope: Scope,
    pub roles: Vec<Named>,
    pub methods: Vec<String>,
    pub audit_ids: Vec<String>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

pub async fn insert(conn: &mut Conn, issue: &Issue) -> Result<()> {
    let methods = serde_json::to_string(&issue.methods).map_err(Error::internal)?;
    let (kind, id) = issue.scope.as_ref().map_or(("unscoped", ""), |target| (target.kind(), target.id()));
    conn.execute(
        "INSERT INTO tokens (hash, user_id, scope_kind, scope_id, methods, audit_id, parent_audit_id, issued_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        args![
            &issue.hash,
            &issue.user_id,
            kind,
            id,
            &methods,
            &issue.audit_id,
            &issue.parent_audit_id,
            issue.issued_at,
            issue.expires_at
        ],
    )
    .await?;
    Ok(())
}

/// None: there is no such token, it is past its time, its user or scope is disabled or gone, or no role is left in the scope.
pub async fn session(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<Option<Session>> {
    let own = "k.methods, k.audit_id, k.parent_audit_id, k.issued_at, k.expires_at";
    let sql = format!("{} WHERE k.hash = $1 AND k.expires_at > $2", standing::select(conn, own, "tokens"));
    Ok(conn.optional(sql, args![hash, now], row_to_session).await?.flatten())
}

fn row_to_session(row: Row<'_>) -> Result<Option<Session>> {
    const OWN: usize = standing::COLUMNS;
    let Some(Standing { user, scope, roles }) = Standing::of_row(row)? else { return Ok(None) };
    Ok(Some(Session {
        user,
        scope,
        roles,
        methods: row.json(OWN)?,
        audit_ids: std::iter::once(row.text(OWN + 1)?).chain(row.opt_text(OWN + 2)?).collect(),
        issued_at: row.time(OWN + 3)?,
        expires_at: row.time(OWN + 4)?,
    }))
}

/// Gives 0 when there is no such token.
pub async fn revoke(conn: &mut Conn, hash: &str) -> Result<u64> {
    conn.execute("DELETE FROM tokens WHERE hash = $1", args![hash]).await
}

pub async fn revoke_of_user(conn: &mut Conn, user_id: &str) -> Result<u64> {
    conn.execute("DELETE FROM tokens WHERE user_id = $1", args![user_id]).await
}

/// Those that are scoped to the project.
pub async fn revoke_of_project(conn: &mut Conn, project_id: &str) -> Result<u64> {
    conn.execute("DELETE FROM tokens WHERE scope_kind = 'project' AND scope_id = $1", args![project_id]).await
}

/// Those that are scoped to the domain or to a project in it, and those of its users.
pub async fn revoke_of_domain(conn: &mut Conn, domain_id: &str) -> Result<u64> {
    conn.execute(
        "DELETE FROM tokens WHERE (scope_kind = 'domain' AND scope_id = $1)
         OR (scope_kind = 'project' AND scope_id IN (SELECT id FROM projects WHERE domain_id = $1))
         OR user_id IN (SELECT id FROM users WHERE domain_id = $1)",
        args![domain_id],
    )
    .await
}

/// Removes at most `limit` tokens that ended before this time.
pub async fn sweep(conn: &mut Conn, before: Timestamp, limit: u32) -> Result<u64> {
    conn.execute(
        "DELETE FROM tokens WHERE hash IN (SELECT hash FROM tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        args![before, limit],
    )
    .await
}
