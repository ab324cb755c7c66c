use skyloom_model::{Result, Timestamp};

use crate::listing::{Key, Listed, Page, Query};
use crate::{Conn, Row, args};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    /// The policy names it, so it can neither be changed nor deleted.
    pub immutable: bool,
}

const COLUMNS: &str = "r.id, r.name, r.description, r.immutable";

fn role(row: Row<'_>) -> Result<Role> {
    Ok(Role { id: row.text(0)?, name: row.text(1)?, description: row.opt_text(2)?, immutable: row.flag(3)? })
}

pub async fn insert(conn: &mut Conn, role: &Role, now: Timestamp) -> Result<()> {
    conn.execute(
        "INSERT INTO roles (id, name, description, immutable, created_at) VALUES ($1, $2, $3, $4, $5)",
        args![&role.id, &role.name, &role.description, role.immutable, now],
    )
    .await?;
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
        "UPDATE roles SET name = $2, description = $3 WHERE id = $1",
        args![&role.id, &role.name, &role.description],
    )
    .await
}

/// The role and every grant of it.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    conn.execute("DELETE FROM assignments WHERE role_id = $1", args![id]).await?;
    conn.execute("DELETE FROM roles WHERE id = $1", args![id]).await
}
