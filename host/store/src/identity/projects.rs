use skyloom_model::{Result, Timestamp};

use super::{Extra, Filter, PlacedReference, Reference};
use crate::listing::{Listed, Owner, Page};
use crate::rows::rows;
use crate::{Conn, args, collections};

rows! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Project in "projects" as "p" {
        id: String [finds],
        domain_id: String [finds],
        name: String [changes, sorts, finds],
        description: Option<String> [changes, finds],
        enabled: bool [changes, finds],
        /// None: directly below the domain.
        parent_id: Option<String>,
        tags: Vec<String> as Json [changes],
        extra: Extra as Json [changes],
    }
    written with { created_at }
    also { "parent-id": Text [finds] "coalesce(p.parent_id, p.domain_id)", }
}

const OWNER: Owner = Owner { project: "p.id", domain: "p.domain_id" };

/// What keeps a project alive: what it is called, and a query that counts it for the project `$1`. Each area with rows that
/// belong to projects adds its own.
const OWNED: &[(&str, &str)] = &[
    ("servers", "SELECT count(*) FROM servers WHERE project_id = $1 AND deleted = 0"),
    ("snapshots", "SELECT count(*) FROM volume_snapshots WHERE project_id = $1"),
    ("volumes", "SELECT count(*) FROM volumes WHERE project_id = $1"),
    ("images", "SELECT count(*) FROM images WHERE owner = $1"),
    ("public addresses", "SELECT count(*) FROM public_addresses WHERE project_id = $1"),
    ("ports", "SELECT count(*) FROM ports WHERE project_id = $1 AND device_owner <> 'public-address'"),
    ("networks", "SELECT count(*) FROM networks WHERE project_id = $1"),
];

pub async fn insert(conn: &mut Conn, project: &Project, now: Timestamp) -> Result<()> {
    project.insert(now)?.run(conn).await.map(drop)
}

pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Project>> {
    find(conn, PlacedReference::Id(id)).await
}

/// Ids of those with this id or name, whatever their domain; at most two, which is one too many.
pub async fn ids_called(conn: &mut Conn, id_or_name: &str) -> Result<Vec<String>> {
    let sql = "SELECT id FROM projects WHERE id = $1 OR name = $1 ORDER BY id LIMIT 2";
    conn.all(sql, args![id_or_name], |row| row.text(0)).await
}

pub async fn find(conn: &mut Conn, reference: PlacedReference<'_>) -> Result<Option<Project>> {
    let base = Project::select("JOIN domains d ON d.id = p.domain_id WHERE");
    match reference {
        PlacedReference::Id(id) => conn.optional(format!("{base} p.id = $1"), args![id], Project::of_row).await,
        PlacedReference::Name(name, Reference::Id(domain)) => {
            conn.optional(format!("{base} p.name = $1 AND d.id = $2"), args![name, domain], Project::of_row).await
        }
        PlacedReference::Name(name, Reference::Name(domain)) => {
            conn.optional(format!("{base} p.name = $1 AND d.name = $2"), args![name, domain], Project::of_row).await
        }
    }
}

/// Holds the project's row until the commit, so that what is counted by project stays true. False: there is none.
pub async fn lock(conn: &mut Conn, id: &str) -> Result<bool> {
    conn.lock("projects", id).await
}

/// By name ascending. A `parent_id` that is a domain's means the projects directly below it.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Project>> {
    let mut query = Project::query();
    query.within(conn.is_postgres(), &[OWNER], &filter.reach, None);
    query.meet(conn.is_postgres(), Project::FIELDS, &filter.conditions)?;
    if let Some(user) = &filter.user_id {
        let user = query.text(user);
        query.scope(format!(
            "p.id IN (SELECT a.target_id FROM assignments a WHERE a.user_id = {user} AND a.target_kind = 'project')"
        ));
    }
    query.page(conn, Project::FIELDS, &[("name", false)], page, Project::of_row).await
}

/// The domain of a project; none: there is no such project.
pub async fn domain_of(conn: &mut Conn, id: &str) -> Result<Option<String>> {
    conn.optional("SELECT domain_id FROM projects WHERE id = $1", args![id], |row| row.text(0)).await
}

/// False: there is no such project.
pub async fn update(conn: &mut Conn, project: &Project) -> Result<bool> {
    project.update()?.run(conn).await
}

/// How many projects stand directly below this one; `enabled`: only those.
pub async fn children(conn: &mut Conn, id: &str, enabled: bool) -> Result<i64> {
    let sql = "SELECT count(*) FROM projects WHERE parent_id = $1 AND enabled >= $2";
    conn.one(sql, args![id, enabled], |row| row.int(0)).await
}

/// Of a domain's projects.
pub async fn ids_of_domain(conn: &mut Conn, domain_id: &str) -> Result<Vec<String>> {
    conn.all("SELECT id FROM projects WHERE domain_id = $1 ORDER BY id", args![domain_id], |row| row.text(0)).await
}

/// What the project still has, e.g. `servers`, and how many; empty: it may go.
pub async fn in_use(conn: &mut Conn, id: &str) -> Result<Vec<(&'static str, i64)>> {
    let mut found = Vec::new();
    for (what, count) in OWNED {
        let count = conn.one(*count, args![id], |row| row.int(0)).await?;
        if count > 0 {
            found.push((*what, count));
        }
    }
    Ok(found)
}

/// What goes with projects, `{these}`: what is granted in them and to them, the tokens and access keys that are for them, and
/// what the core made for them. What they used stays: it is billed.
const BELONGINGS: &[&str] = &[
    "DELETE FROM tokens WHERE scope_kind = 'project' AND scope_id IN ({these})",
    "DELETE FROM access_keys WHERE project_id IN ({these})",
    "DELETE FROM assignments WHERE target_kind = 'project' AND target_id IN ({these})",
    "DELETE FROM flavor_access WHERE project_id IN ({these})",
    "DELETE FROM quotas WHERE project_id IN ({these})",
    "DELETE FROM server_groups WHERE project_id IN ({these})",
    "DELETE FROM routers WHERE project_id IN ({these})",
    // Of other projects, too, where an operator let them name these groups.
    "DELETE FROM port_groups WHERE group_id IN (SELECT id FROM security_groups WHERE project_id IN ({these}))",
    "DELETE FROM security_rules WHERE group_id IN (SELECT id FROM security_groups WHERE project_id IN ({these})) \
     OR remote_group_id IN (SELECT id FROM security_groups WHERE project_id IN ({these}))",
    "DELETE FROM security_groups WHERE project_id IN ({these})",
    "UPDATE users SET default_project_id = NULL WHERE default_project_id IN ({these})",
];

/// `these`: SQL for the ids of projects, made of `$1`.
pub(super) async fn delete_belongings(conn: &mut Conn, these: &str, value: &str) -> Result<()> {
    for statement in BELONGINGS {
        conn.execute(statement.replace("{these}", these), args![value]).await?;
    }
    collections::delete_of_owners(conn, these, value).await
}

/// The project and all that belongs to it alone.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<u64> {
    delete_belongings(conn, "$1", id).await?;
    conn.execute("DELETE FROM projects WHERE id = $1", args![id]).await
}
