use skyloom_model::{Error, Named, Placed, Result, Scope, Timestamp};

use super::Target;
use crate::{Conn, Row, args, dialect};

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
    let roles = dialect::json_rows(
        conn.is_postgres(),
        &["t.id", "t.name"],
        "SELECT r.id, r.name FROM assignments a JOIN roles r ON r.id = a.role_id
         WHERE a.user_id = k.user_id AND a.target_kind = k.scope_kind AND a.target_id = k.scope_id ORDER BY r.name",
    );
    let sql = format!(
        "SELECT u.id, u.name, d.id, d.name, k.scope_kind, k.methods, k.audit_id, k.parent_audit_id, k.issued_at, k.expires_at,
                p.id, p.name, pd.id, pd.name, sd.id, sd.name, {roles}
         FROM tokens k
         JOIN users u ON u.id = k.user_id AND u.enabled = 1
         JOIN domains d ON d.id = u.domain_id AND d.enabled = 1
         LEFT JOIN projects p ON k.scope_kind = 'project' AND p.id = k.scope_id AND p.enabled = 1
         LEFT JOIN domains pd ON pd.id = p.domain_id AND pd.enabled = 1
         LEFT JOIN domains sd ON k.scope_kind = 'domain' AND sd.id = k.scope_id AND sd.enabled = 1
         WHERE k.hash = $1 AND k.expires_at > $2"
    );
    Ok(conn.optional(sql, args![hash, now], row_to_session).await?.flatten())
}

fn row_to_session(row: Row<'_>) -> Result<Option<Session>> {
    let scope = match row.text_ref(4)? {
        "unscoped" => Some(Scope::Unscoped),
        "system" => Some(Scope::System),
        "project" => match (named(row, 10)?, named(row, 12)?) {
            (Some(project), Some(domain)) => {
                Some(Scope::Project(Placed { id: project.id, name: project.name, domain }))
            }
            _ => None,
        },
        "domain" => named(row, 14)?.map(Scope::Domain),
        other => return Err(Error::internal(format!("a token of the scope kind {other}"))),
    };
    let Some(scope) = scope else { return Ok(None) };
    let roles: Vec<(String, String)> = row.json(16)?;
    if roles.is_empty() && scope != Scope::Unscoped {
        return Ok(None);
    }
    Ok(Some(Session {
        user: Placed { id: row.text(0)?, name: row.text(1)?, domain: Named { id: row.text(2)?, name: row.text(3)? } },
        scope,
        roles: roles.into_iter().map(|(id, name)| Named { id, name }).collect(),
        methods: row.json(5)?,
        audit_ids: std::iter::once(row.text(6)?).chain(row.opt_text(7)?).collect(),
        issued_at: row.time(8)?,
        expires_at: row.time(9)?,
    }))
}

/// An id and its name in two columns of a LEFT JOIN.
fn named(row: Row<'_>, column: usize) -> Result<Option<Named>> {
    Ok(row.opt_text(column)?.zip(row.opt_text(column + 1)?).map(|(id, name)| Named { id, name }))
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
