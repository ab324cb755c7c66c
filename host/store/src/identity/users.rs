use skyloom_model::{Named, Placed, Result, Timestamp};

use super::{Extra, Filter, PlacedReference, Reference};
use crate::listing::{Listed, Owner, Page};
use crate::rows::rows;
use crate::{Conn, Row, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct User in "users" as "u" {
        id: String [finds],
        domain_id: String [finds],
        name: String [changes, sorts, finds],
        enabled: bool [changes, finds],
        default_project_id: Option<String> [changes, finds],
        password_changed_at: Option<Timestamp>,
        extra: Extra as Json [changes],
    }
    written with { created_at }
}

/// No project has users.
const OWNER: Owner = Owner { project: "''", domain: "u.domain_id" };

/// What a login needs to know of a user.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: Placed,
    /// The user and the domain are enabled.
    pub enabled: bool,
    pub password_hash: Option<String>,
    pub default_project_id: Option<String>,
}

pub async fn insert(conn: &mut Conn, user: &User, now: Timestamp) -> Result<()> {
    user.insert(now)?.run(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<User>> {
    conn.optional(User::select("WHERE u.id = $1"), args![id], User::of_row).await
}

/// By name ascending.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<User>> {
    let mut query = User::query();
    query.within(conn.is_postgres(), &[OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), User::FIELDS, &filter.conditions)?;
    query.page(conn, User::FIELDS, &[("name", false)], page, User::of_row).await
}

/// All but the password.
pub async fn update(conn: &mut Conn, user: &User) -> Result<bool> {
    user.update()?.run(conn).await
}

pub async fn set_password(conn: &mut Conn, id: &str, hash: Option<&str>, now: Timestamp) -> Result<u64> {
    let sql = "UPDATE users SET password_hash = $2, password_changed_at = $3 WHERE id = $1";
    conn.execute(sql, args![id, hash, now]).await
}

/// The user, what is granted to it, its tokens, access keys and key pairs.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    conn.execute("DELETE FROM tokens WHERE user_id = $1", args![id]).await?;
    conn.execute("DELETE FROM access_keys WHERE user_id = $1", args![id]).await?;
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
