use skyloom_model::{Result, Timestamp};

use super::Extra;
use crate::listing::{Condition, Listed, Page};
use crate::rows::rows;
use crate::{Conn, args};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Role in "roles" as "r" {
        id: String [finds],
        name: String [changes, sorts, finds],
        description: Option<String> [changes, finds],
        immutable: bool [finds],
        extra: Extra as Json [changes],
    }
    written with { created_at }
    // Roles belong to no domain.
    also { "domain-id": Text [finds] "CAST(NULL AS TEXT)", }
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
pub async fn list(conn: &mut Conn, conditions: &[Condition], page: &Page) -> Result<Listed<Role>> {
    let mut query = Role::query();
    query.meet(conn.is_postgres(), Role::FIELDS, conditions)?;
    query.page(conn, Role::FIELDS, &[("name", false)], page, Role::of_row).await
}

/// Of all there are.
pub async fn names(conn: &mut Conn) -> Result<Vec<String>> {
    conn.all("SELECT name FROM roles ORDER BY name", &[], |row| row.text(0)).await
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
