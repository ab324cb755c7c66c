use skyloom_model::{Result, Timestamp};

use super::Extra;
use crate::listing::{Listed, Page};
use crate::rows::rows;
use crate::{Conn, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Role in "roles" as "r" {
        id: String,
        name: String [changes, sorts],
        description: Option<String> [changes],
        immutable: bool,
        extra: Extra as Json [changes],
    }
    written with { created_at }
}

pub async fn insert(conn: &mut Conn, role: &Role, now: Timestamp) -> Result<()> {
    role.insert(now)?.run(conn).await.map(drop)
}

/// Unless there is one of this name.
pub async fn ensure(conn: &mut Conn, role: &Role, now: Timestamp) -> Result<()> {
    role.insert(now)?.on_conflict("(name) DO NOTHING").run(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Role>> {
    conn.optional(Role::select("WHERE r.id = $1"), args![id], Role::of_row).await
}

/// By name ascending.
pub async fn list(conn: &mut Conn, name: Option<&str>, page: &Page) -> Result<Listed<Role>> {
    let mut query = Role::query();
    query.and_text("r.name", name);
    query.page(conn, Role::FIELDS, &[("name", false)], page, Role::of_row).await
}

/// False: there is no such role.
pub async fn update(conn: &mut Conn, role: &Role) -> Result<bool> {
    role.update()?.run(conn).await
}

/// The role and every grant of it.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    conn.execute("DELETE FROM assignments WHERE role_id = $1", args![id]).await?;
    conn.execute("DELETE FROM roles WHERE id = $1", args![id]).await
}
