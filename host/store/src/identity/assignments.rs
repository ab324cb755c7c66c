use skyloom_model::{Error, Named, Placed, Reach, Result};

use crate::fields::{Field, Kind};
use crate::listing::{Listed, Owner, Page, Query};
use crate::{Conn, Row, args};

/// Where a role is granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Project(String),
    Domain(String),
    System,
}

impl Target {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Project(_) => "project",
            Self::Domain(_) => "domain",
            Self::System => "system",
        }
    }

    /// Empty for the system.
    pub fn id(&self) -> &str {
        match self {
            Self::Project(id) | Self::Domain(id) => id,
            Self::System => "",
        }
    }
}

/// A role of a user in a target, with all names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    pub role: Named,
    pub user: Placed,
    pub target: Target,
    pub target_name: String,
    /// Of a project.
    pub target_domain: Option<Named>,
}

/// Conditions of a list; none: no condition.
#[derive(Clone, Debug)]
pub struct Filter {
    /// What is granted in projects and domains within it.
    pub reach: Reach,
    pub user_id: Option<String>,
    pub role_id: Option<String>,
    pub target: Option<Target>,
}

impl Filter {
    /// Every one.
    #[must_use]
    pub fn all() -> Self {
        Self { reach: Reach::All, user_id: None, role_id: None, target: None }
    }
}

/// Granting what is granted changes nothing.
pub async fn grant(conn: &mut Conn, user_id: &str, target: &Target, role_id: &str) -> Result<()> {
    conn.execute(
        "INSERT INTO assignments (user_id, target_kind, target_id, role_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, target_kind, target_id, role_id) DO NOTHING",
        args![user_id, target.kind(), target.id(), role_id],
    )
    .await?;
    Ok(())
}

/// Gives 0 when it wasn't granted.
pub async fn revoke(conn: &mut Conn, user_id: &str, target: &Target, role_id: &str) -> Result<u64> {
    conn.execute(
        "DELETE FROM assignments WHERE user_id = $1 AND target_kind = $2 AND target_id = $3 AND role_id = $4",
        args![user_id, target.kind(), target.id(), role_id],
    )
    .await
}

pub async fn has(conn: &mut Conn, user_id: &str, target: &Target, role_id: &str) -> Result<bool> {
    let sql = "SELECT role_id FROM assignments
               WHERE user_id = $1 AND target_kind = $2 AND target_id = $3 AND role_id = $4";
    let found = conn.optional(sql, args![user_id, target.kind(), target.id(), role_id], |row| row.text(0)).await?;
    Ok(found.is_some())
}

/// What a user is in the enabled projects that it has a role in: each project with those roles.
pub async fn joined(conn: &mut Conn, user_id: &str) -> Result<Vec<(Placed, Vec<Named>)>> {
    let sql = "SELECT p.id, p.name, d.id, d.name, r.id, r.name FROM assignments a
               JOIN projects p ON p.id = a.target_id JOIN domains d ON d.id = p.domain_id JOIN roles r ON r.id = a.role_id
               WHERE a.user_id = $1 AND a.target_kind = 'project' AND p.enabled = 1 AND d.enabled = 1 ORDER BY p.id";
    let mut found: Vec<(Placed, Vec<Named>)> = Vec::new();
    conn.each(sql, args![user_id], |row| {
        let id = row.text(0)?;
        if found.last().is_none_or(|(project, _)| project.id != id) {
            let domain = Named { id: row.text(2)?, name: row.text(3)? };
            found.push((Placed { id, name: row.text(1)?, domain }, Vec::new()));
        }
        if let Some((_, roles)) = found.last_mut() {
            roles.push(Named { id: row.text(4)?, name: row.text(5)? });
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// A role by name, and where it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub role: String,
    /// Empty: in no project.
    pub project_id: String,
    /// The project's, or the one that it is held in; empty: it is held in the system.
    pub domain_id: String,
}

/// All that a user holds anywhere.
pub async fn held_by(conn: &mut Conn, user_id: &str) -> Result<Vec<Held>> {
    let sql = "SELECT r.name, coalesce(p.id, ''), coalesce(p.domain_id, d.id, '') FROM assignments a
               JOIN roles r ON r.id = a.role_id
               LEFT JOIN projects p ON a.target_kind = 'project' AND p.id = a.target_id
               LEFT JOIN domains d ON a.target_kind = 'domain' AND d.id = a.target_id
               WHERE a.user_id = $1";
    let held = |row: Row<'_>| Ok(Held { role: row.text(0)?, project_id: row.text(1)?, domain_id: row.text(2)? });
    conn.all(sql, args![user_id], held).await
}

/// The names of the roles that anybody holds in a project.
pub async fn roles_in(conn: &mut Conn, project_id: &str) -> Result<Vec<String>> {
    let sql = "SELECT DISTINCT r.name FROM assignments a JOIN roles r ON r.id = a.role_id
               WHERE a.target_kind = 'project' AND a.target_id = $1";
    conn.all(sql, args![project_id], |row| row.text(0)).await
}

/// Whether the user has any role there.
pub async fn any(conn: &mut Conn, user_id: &str, target: &Target) -> Result<bool> {
    let sql = "SELECT role_id FROM assignments WHERE user_id = $1 AND target_kind = $2 AND target_id = $3 LIMIT 1";
    Ok(conn.optional(sql, args![user_id, target.kind(), target.id()], |row| row.text(0)).await?.is_some())
}

const NAMES: &str = "r.id, r.name, u.id, u.name, ud.id, ud.name, a.target_kind, a.target_id, coalesce(p.name, d.name, 'all'), \
                     pd.id, pd.name";

/// What a page's marker is: an assignment has no id by itself.
const ID: &str = "a.user_id || ' ' || a.target_kind || ' ' || a.target_id || ' ' || a.role_id";
/// Of the primary key, in its order.
const FIELDS: &[Field] = &[
    Field::new("user-id", "user_id", "a.user_id", Kind::Text).sorts(),
    Field::new("target-kind", "target_kind", "a.target_kind", Kind::Text).sorts(),
    Field::new("target-id", "target_id", "a.target_id", Kind::Text).sorts(),
    Field::new("role-id", "role_id", "a.role_id", Kind::Text).sorts(),
];

/// Whose the target is.
const OWNER: Owner = Owner { project: "coalesce(p.id, '')", domain: "coalesce(p.domain_id, d.id, '')" };

/// In the order of user, target, role.
pub async fn list(conn: &mut Conn, filter: &Filter, page: &Page) -> Result<Listed<Assignment>> {
    let mut query = Query::new(
        format!("{ID}, {NAMES}"),
        "assignments a
         JOIN roles r ON r.id = a.role_id
         JOIN users u ON u.id = a.user_id
         JOIN domains ud ON ud.id = u.domain_id
         LEFT JOIN projects p ON a.target_kind = 'project' AND p.id = a.target_id
         LEFT JOIN domains pd ON pd.id = p.domain_id
         LEFT JOIN domains d ON a.target_kind = 'domain' AND d.id = a.target_id",
        ID,
    );
    query.within(conn.is_postgres(), &[OWNER], &filter.reach, None);
    query.and_text("a.user_id", filter.user_id.as_deref());
    query.and_text("a.role_id", filter.role_id.as_deref());
    if let Some(target) = &filter.target {
        query.and_text("a.target_kind", Some(target.kind()));
        query.and_text("a.target_id", Some(target.id()));
    }
    let order: Vec<(&str, bool)> = FIELDS.iter().map(|field| (field.word, false)).collect();
    query.page(conn, FIELDS, &order, page, assignment).await
}

fn assignment(row: Row<'_>) -> Result<Assignment> {
    let id = row.text(8)?;
    Ok(Assignment {
        role: Named { id: row.text(1)?, name: row.text(2)? },
        user: Placed { id: row.text(3)?, name: row.text(4)?, domain: Named { id: row.text(5)?, name: row.text(6)? } },
        target: match row.text_ref(7)? {
            "project" => Target::Project(id),
            "domain" => Target::Domain(id),
            "system" => Target::System,
            other => return Err(Error::internal(format!("an assignment to the target kind {other}"))),
        },
        target_name: row.text(9)?,
        target_domain: row.opt_text(10)?.zip(row.opt_text(11)?).map(|(id, name)| Named { id, name }),
    })
}
