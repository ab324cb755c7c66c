use skyloom_model::{Result, Timestamp};

use super::{Extra, json};
use crate::listing::{Key, Listed, Page, Query};
use crate::{Conn, Row, args};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// The cloud is made with it, so it can neither be changed nor deleted.
    pub immutable: bool,
    pub extra: Extra,
}

const COLUMNS: &str = "r.id, r.name, r.description, r.immutable, r.extra";

fn role(row: Row<'_>) -> Result<Role> {
    Ok(Role {
        id: row.text(0)?,
        name: row.text(1)?,
        description: row.opt_text(2)?,
        immutable: row.flag(3)?,
        extra: row.json(4)?,
    })
}

const INSERT: &str =
    "INSERT INTO roles (id, name, description, immutable, extra, created_at) VALUES ($1, $2, $3, $4, $5, $6)";

pub async fn insert(conn: &mut Conn, role: &Role, now: Timestamp) -> Result<()> {
    let extra = json(&role.extra)?;
    conn.execute(INSERT, args![&role.id, &role.name, &role.description, role.immutable, &extra, now]).await?;
    Ok(())
}

/// Unless there is one of this name.
pub async fn ensure(conn: &mut Conn, role: &Role, now: Timestamp) -> Result<()> {
    let (sql, extra) = (format!("{INSERT} ON CONFLICT (name) DO NOTHING"), json(&role.extra)?);
    conn.execute(sql, args![&role.id, &role.name, &role.description, role.immutable, &extra, now]).await?;
    Ok(())
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Role>> {
    conn.optional(format!("SELECT {COLUMNS} FROM roles r WHERE r.id = $1"), args![id], role).await
}

/// By name ascending.
pub async fn list(conn: &mut Conn, name: Option<&str>, page: &Page) -> Result<Listed<Role>> {
    let mut query = Query::new(COLUMNS, "roles r", "r.id");
    query.and_text("r.name", name);
    query.page(conn, &[Key::text("name", "r.name")], &[("name", false)], page, role).await
}

pub async fn update(conn: &mut Conn, role: &Role) -> Result<u64> {
    conn.execute(
        "UPDATE roles SET name = $2, description = $3, extra = $4 WHERE id = $1",
        args![&role.id, &role.name, &role.description, &json(&role.extra)?],
    )
    .await
}

/// The role and every grant of it.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    conn.execute("DELETE FROM assignments WHERE role_id = $1", args![id]).await?;
    conn.execute("DELETE FROM roles WHERE id = $1", args![id]).await
}
