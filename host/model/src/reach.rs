//! Whose resources a caller reaches.

/// What the policy gives with a permission. It never exceeds the scope of the caller's token, but for actions that say so.
/// What is outside is not there for the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// An operator's.
    All,
    /// What belongs to any project of this domain: a manager's of a department.
    Domain(String),
    /// What belongs to these projects; none: nothing.
    Projects(Vec<String>),
}

impl Reach {
    /// Of one project.
    pub fn project(id: impl Into<String>) -> Self {
        Self::Projects(vec![id.into()])
    }

    /// Whether what belongs to this project of this domain is within it.
    #[must_use]
    pub fn holds(&self, project_id: &str, domain_id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Domain(domain) => domain == domain_id,
            Self::Projects(projects) => projects.iter().any(|project| project == project_id),
        }
    }

    /// What lists show where nothing is said: the token's project; all of this for a token that is for more.
    #[must_use]
    pub fn narrowed(self, project: Option<&str>) -> Self {
        project.map_or(self, Self::project)
    }

    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }
}
