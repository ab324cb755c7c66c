//! Domains, projects, users, roles, assignments and tokens.

pub mod assignments;
pub mod domains;
pub mod projects;
pub mod roles;
pub mod tokens;
pub mod users;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use assignments::{Assignment, Target};
pub use domains::Domain;
pub use projects::Project;
pub use roles::Role;
pub use tokens::{Issue, Session};
pub use users::{Login, User};

use skyloom_model::{Reach, Result};

use crate::listing::Condition;
use crate::{Conn, args, dialect};

/// Attributes that a face keeps and the core gives no meaning to.
pub type Extra = serde_json::Map<String, serde_json::Value>;

/// Holds a row of `table` (`domains`, `projects`, `users` or `roles`) until the commit. False: there is none of this id.
pub async fn lock(conn: &mut Conn, table: &'static str, id: &str) -> Result<bool> {
    let sql = format!("SELECT id FROM {table} WHERE id = $1{}", dialect::for_update(conn.is_postgres()));
    Ok(conn.optional(sql, args![id], |row| row.text(0)).await?.is_some())
}

/// By id, or by name.
#[derive(Clone, Copy, Debug)]
pub enum Reference<'a> {
    Id(&'a str),
    Name(&'a str),
}

/// By id, or by name within a domain.
#[derive(Clone, Copy, Debug)]
pub enum PlacedReference<'a> {
    Id(&'a str),
    Name(&'a str, Reference<'a>),
}

/// What a list holds.
#[derive(Clone, Debug)]
pub struct Filter {
    pub reach: Reach,
    /// Only what this user has a role in.
    pub user_id: Option<String>,
    pub conditions: Vec<Condition>,
}

impl Filter {
    #[must_use]
    pub fn new(reach: Reach, conditions: Vec<Condition>) -> Self {
        Self { reach, user_id: None, conditions }
    }

    /// What this user has a role in, whatever the reach.
    #[must_use]
    pub fn joined(user_id: impl Into<String>, conditions: Vec<Condition>) -> Self {
        Self { reach: Reach::All, user_id: Some(user_id.into()), conditions }
    }
}
