//! Domains, projects, users, roles, assignments, tokens and access keys.

pub mod access_keys;
pub mod assignments;
pub mod domains;
pub mod projects;
pub mod roles;
mod standing;
pub mod tokens;
pub mod users;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use access_keys::AccessKey;
pub use assignments::{Assignment, Target};
pub use domains::Domain;
pub use projects::Project;
pub use roles::Role;
pub use standing::Standing;
pub use tokens::{Issue, Session};
pub use users::{Login, User};

use skyloom_model::Reach;

use crate::listing::Condition;

/// Attributes that a face keeps and the core gives no meaning to.
pub type Extra = serde_json::Map<String, serde_json::Value>;

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
