//! What a fresh cloud begins with.

use std::sync::Arc;

use skyloom_model::{Error, Result, Timestamp};
use skyloom_store::Conn;
use skyloom_store::identity::{
    Domain, Extra, Project, Role, Target, User, assignments, domains, projects, roles, users,
};
use skyloom_store::listing::{Condition, Page};
use skyloom_store::statement::reading;

use super::{ADMIN, Identity, MANAGER, MEMBER, READER, SERVICE, new_id, passwords};

/// The `[seed.identity]` table: the first domain, its projects, and the first operator.
#[derive(Clone, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    pub domain_id: String,
    pub domain_name: String,
    pub admin_user: String,
    /// Without it nobody can log in until a password is set in another way.
    pub admin_password: Option<String>,
    /// The project in which the first operator is one.
    pub admin_project: String,
    /// More projects; the first operator gets the same role in each.
    pub projects: Vec<String>,
}

impl std::fmt::Debug for Seed {
    /// Without the password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Seed").field("admin_user", &self.admin_user).finish_non_exhaustive()
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            domain_id: "default".to_owned(),
            domain_name: "Default".to_owned(),
            admin_user: "admin".to_owned(),
            admin_password: None,
            admin_project: "admin".to_owned(),
            projects: vec!["demo".to_owned()],
        }
    }
}

pub(super) async fn seed(identity: &Identity, tx: &mut Conn, seed: &Seed) -> Result<()> {
    let now = Timestamp::now();
    let domain = Domain {
        id: seed.domain_id.clone(),
        name: seed.domain_name.clone(),
        description: Some("The default domain".to_owned()),
        enabled: true,
        extra: Extra::new(),
    };
    domains::insert(tx, &domain, now).await?;
    ensure_roles(tx).await?;
    let admin_role = roles::list(tx, &[Condition::is("name", ADMIN)], &Page::default()).await?.items.pop();
    let admin_role = admin_role.ok_or_else(|| Error::internal("the first role is missing"))?.id;
    let admin = admin(identity, tx, seed, now).await?;
    for name in std::iter::once(&seed.admin_project).chain(&seed.projects) {
        let project = Project {
            id: new_id(),
            domain_id: seed.domain_id.clone(),
            name: name.clone(),
            description: Some(String::new()),
            enabled: true,
            parent_id: None,
            tags: Vec::new(),
            extra: Extra::new(),
        };
        projects::insert(tx, &project, now).await?;
        assignments::grant(tx, &admin, &Target::Project(project.id), &admin_role).await?;
    }
    assignments::grant(tx, &admin, &Target::System, &admin_role).await
}

/// One that is there already, perhaps made by an operator, stays as it is.
pub(super) async fn ensure_roles(tx: &mut Conn) -> Result<()> {
    let now = Timestamp::now();
    for name in [READER, MEMBER, MANAGER, ADMIN, SERVICE] {
        let name = name.to_owned();
        let role = Role { id: new_id(), name, description: None, immutable: true, extra: Extra::new() };
        roles::ensure(tx, &role, now).await?;
    }
    Ok(())
}

impl Seed {
    /// The id of the project, one of this seed's, that another table below `[seed]` names as the owner of what it lays down.
    pub(crate) async fn project(&self, tx: &mut Conn, table: &str, name: &str) -> Result<String> {
        let sql = reading(&["projects"], "SELECT id FROM projects WHERE name = $1 AND domain_id = $2");
        tx.optional(sql, skyloom_store::args![name, &self.domain_id], |row| row.text(0)).await?.ok_or_else(|| {
            let message = format!("[{table}] project = \"{name}\": there is no such project");
            skyloom_model::Error::invalid(format!("{table}.project"), message)
        })
    }
}

/// Gives the id of the first operator.
async fn admin(identity: &Identity, tx: &mut Conn, seed: &Seed, now: Timestamp) -> Result<String> {
    let user = User {
        id: new_id(),
        domain_id: seed.domain_id.clone(),
        name: seed.admin_user.clone(),
        enabled: true,
        default_project_id: None,
        password_changed_at: None,
        extra: Extra::new(),
    };
    users::insert(tx, &user, now).await?;
    if let Some(password) = &seed.admin_password {
        passwords::check("admin-password", password)?;
        let hash = identity.passwords.hash(Arc::from(password.as_str())).await?;
        users::set_password(tx, &user.id, Some(&hash), now).await?;
    } else {
        tracing::warn!(user = seed.admin_user, "the first operator has no password");
    }
    Ok(user.id)
}
