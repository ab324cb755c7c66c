use skyloom_model::{Named, Placed, Result, Timestamp};

use super::{Extra, Filter, PlacedReference, Reference, json};
use crate::listing::{Key, Listed, Page, Query};
use crate::{Conn, Row, args};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: String,
    pub domain_id: String,
    pub name: String,
    pub enabled: bool,
    pub default_project_id: Option<String>,
    pub password_changed_at: Option<Timestamp>,
    pub extra: Extra,
}

/// What a login needs to know of a user.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: Placed,
    /// The user and the domain are enabled.
    pub enabled: bool,
    pub password_hash: Option<String>,
    pub default_project_id: Option<String>,
}

const COLUMNS: &str = "u.id, u.domain_id, u.name, u.enabled, u.default_project_id, u.password_changed_at, u.extra";

fn user(row: Row<'_>) -> Result<User> {
    Ok(User {
        id: row.text(0)?,
        domain_id: row.text(1)?,
        name: row.text(2)?,
        enabled: row.flag(3)?,
        default_project_id: row.opt_text(4)?,
        password_changed_at: row.opt_time(5)?,
        extra: row.json(6)?,
    })
}

pub async fn insert(conn: &mut Conn, user: &User, now: Timestamp) -> Result<()> {
    conn.execute(
        "INSERT INTO users (id, domain_id, name, enabled, default_project_id, extra, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        args![&user.id, &user.domain_id, &user.name, user.enabled, &user.default_project_id, &json(&user.extra)?, now],
    )
    .await?;
    Ok(())
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<User>> {
    conn.optional(format!("SELECT {COLUMNS} FROM users u WHERE u.id = $1"), args![id], user).await
}

/// By name ascending.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<User>> {
    let mut query = Query::new(COLUMNS, "users u", "u.id");
    query.and_text("u.name", filter.name.as_deref());
    query.and_text("u.domain_id", filter.domain_id.as_deref());
    query.and_flag("u.enabled", filter.enabled);
    query.page(conn, &[Key::text("name", "u.name")], &[("name", false)], page, user).await
}

/// All but the password.
pub async fn update(conn: &mut Conn, user: &User) -> Result<u64> {
    conn.execute(
        "UPDATE users SET name = $2, enabled = $3, default_project_id = $4, extra = $5 WHERE id = $1",
        args![&user.id, &user.name, user.enabled, &user.default_project_id, &json(&user.extra)?],
    )
    .await
}

pub async fn set_password(conn: &mut Conn, id: &str, hash: Option<&str>, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE users SET password_hash = $2, password_changed_at = $3 WHERE id = $1";
    conn.execute(sql, args![id, hash, now]).await
}

/// The user, what is granted to it, its tokens and key pairs.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    conn.execute("DELETE FROM tokens WHERE user_id = $1", args![id]).await?;
    conn.execute("DELETE FROM assignments WHERE user_id = $1", args![id]).await?;
    conn.execute("DELETE FROM keypairs WHERE user_id = $1", args![id]).await?;
    conn.execute("DELETE FROM users WHERE id = $1", args![id]).await
}

/// One query of the same shape whether the user is there or not.
pub async fn login(conn: &mut Conn, reference: PlacedReference<'_>) -> Result<Option<Login>> {
    let base = "SELECT u.id, u.name, d.id, d.name, u.enabled * d.enabled, u.password_hash, u.default_project_id
                FROM users u JOIN domains d ON d.id = u.domain_id WHERE";
    match reference {
        PlacedReference::Id(id) => conn.optional(format!("{base} u.id = $1"), args![id], found).await,
        PlacedReference::Name(name, Reference::Id(domain)) => {
            conn.optional(format!("{base} u.name = $1 AND d.id = $2"), args![name, domain], found).await
        }
        PlacedReference::Name(name, Reference::Name(domain)) => {
            conn.optional(format!("{base} u.name = $1 AND d.name = $2"), args![name, domain], found).await
        }
    }
}

fn found(row: Row<'_>) -> Result<Login> {
    Ok(Login {
        user: Placed { id: row.text(0)?, name: row.text(1)?, domain: Named { id: row.text(2)?, name: row.text(3)? } },
        enabled: row.flag(4)?,
        password_hash: row.opt_text(5)?,
        default_project_id: row.opt_text(6)?,
    })
}
