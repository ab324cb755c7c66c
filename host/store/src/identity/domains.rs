use skyloom_model::{Result, Timestamp};

use super::{Extra, Filter, Reference, json, projects};
use crate::listing::{Key, Listed, Page, Query};
use crate::{Conn, Row, args, retired_ids};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    pub extra: Extra,
}

/// In `retired_ids`.
pub const KIND: &str = "domain";

const COLUMNS: &str = "d.id, d.name, d.description, d.enabled, d.extra";

fn domain(row: Row<'_>) -> Result<Domain> {
    Ok(Domain {
        id: row.text(0)?,
        name: row.text(1)?,
        description: row.opt_text(2)?,
        enabled: row.flag(3)?,
        extra: row.json(4)?,
    })
}

pub async fn insert(conn: &mut Conn, domain: &Domain, now: Timestamp) -> Result<()> {
    conn.execute(
        "INSERT INTO domains (id, name, description, enabled, extra, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        args![&domain.id, &domain.name, &domain.description, domain.enabled, &json(&domain.extra)?, now],
    )
    .await?;
    Ok(())
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Domain>> {
    find(conn, Reference::Id(id)).await
}

pub async fn find(conn: &mut Conn, reference: Reference<'_>) -> Result<Option<Domain>> {
    let (column, value) = match reference {
        Reference::Id(id) => ("id", id),
        Reference::Name(name) => ("name", name),
    };
    conn.optional(format!("SELECT {COLUMNS} FROM domains d WHERE d.{column} = $1"), args![value], domain).await
}

/// By name ascending.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Domain>> {
    let mut query = Query::new(COLUMNS, "domains d", "d.id");
    query.and_text("d.name", filter.name.as_deref());
    query.and_flag("d.enabled", filter.enabled);
    if let Some(user) = &filter.user_id {
        let user = query.text(user);
        query.scope(format!(
            "d.id IN (SELECT a.target_id FROM assignments a WHERE a.user_id = {user} AND a.target_kind = 'domain')"
        ));
    }
    query.page(conn, &[Key::text("name", "d.name")], &[("name", false)], page, domain).await
}

pub async fn update(conn: &mut Conn, domain: &Domain) -> Result<u64> {
    conn.execute(
        "UPDATE domains SET name = $2, description = $3, enabled = $4, extra = $5 WHERE id = $1",
        args![&domain.id, &domain.name, &domain.description, domain.enabled, &json(&domain.extra)?],
    )
    .await
}

/// The domain with its users, projects, and all that is granted to or in them. Whether its projects are empty the caller
/// has asked before.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    projects::delete_belongings(conn, "SELECT id FROM projects WHERE domain_id = $1", id).await?;
    for statement in [
        "DELETE FROM tokens WHERE user_id IN (SELECT id FROM users WHERE domain_id = $1)",
        "DELETE FROM tokens WHERE scope_kind = 'domain' AND scope_id = $1",
        "DELETE FROM assignments WHERE user_id IN (SELECT id FROM users WHERE domain_id = $1)",
        "DELETE FROM assignments WHERE target_kind = 'domain' AND target_id = $1",
        "DELETE FROM keypairs WHERE user_id IN (SELECT id FROM users WHERE domain_id = $1)",
        "DELETE FROM users WHERE domain_id = $1",
        // One statement: the foreign key between parents and children is looked at when it ends.
        "DELETE FROM projects WHERE domain_id = $1",
    ] {
        conn.execute(statement, args![id]).await?;
    }
    retired_ids::retire(conn, KIND, id).await?;
    conn.execute("DELETE FROM domains WHERE id = $1", args![id]).await
}
