use skyloom_model::{Result, Timestamp};

use super::{Extra, Filter, Reference, projects};
use crate::listing::{Listed, Owner, Page};
use crate::rows::rows;
use crate::{Conn, args, collections, retired_ids};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Domain in "domains" as "d" {
        id: String [finds],
        name: String [changes, sorts, finds],
        description: Option<String> [changes, finds],
        enabled: bool [changes, finds],
        extra: Extra as Json [changes],
    }
    written with { created_at }
}

/// No project has domains.
const OWNER: Owner = Owner { project: "''", domain: "d.id" };

/// In `retired_ids`.
pub const KIND: &str = "domain";

pub async fn insert(conn: &mut Conn, domain: &Domain, now: Timestamp) -> Result<()> {
    domain.insert(now)?.run(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Domain>> {
    find(conn, Reference::Id(id)).await
}

pub async fn find(conn: &mut Conn, reference: Reference<'_>) -> Result<Option<Domain>> {
    let (column, value) = match reference {
        Reference::Id(id) => ("id", id),
        Reference::Name(name) => ("name", name),
    };
    conn.optional(Domain::select(&format!("WHERE d.{column} = $1")), args![value], Domain::of_row).await
}

/// By name ascending.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Domain>> {
    let mut query = Domain::query();
    query.within(conn.is_postgres(), &[OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Domain::FIELDS, &filter.conditions)?;
    if let Some(user) = &filter.user_id {
        let user = query.text(user);
        query.scope(format!(
            "d.id IN (SELECT a.target_id FROM assignments a WHERE a.user_id = {user} AND a.target_kind = 'domain')"
        ));
    }
    query.page(conn, Domain::FIELDS, &[("name", false)], page, Domain::of_row).await
}

/// False: there is no such domain.
pub async fn update(conn: &mut Conn, domain: &Domain) -> Result<bool> {
    domain.update()?.run(conn).await
}

/// The domain with its users, projects, and all that is granted to or in them. Whether its projects are empty the caller
/// has asked before.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    projects::delete_belongings(conn, "SELECT id FROM projects WHERE domain_id = $1", id).await?;
    collections::delete_of_owners(conn, "$1", id).await?;
    for statement in [
        "DELETE FROM tokens WHERE user_id IN (SELECT id FROM users WHERE domain_id = $1)",
        "DELETE FROM tokens WHERE scope_kind = 'domain' AND scope_id = $1",
        "DELETE FROM access_keys WHERE user_id IN (SELECT id FROM users WHERE domain_id = $1)",
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
