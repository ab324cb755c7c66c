//! Who calls, as the host authenticated it. A plugin never chooses it.

use crate::Reach;

/// An id with its name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Named {
    pub id: String,
    pub name: String,
}

/// A project or user within its domain.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Placed {
    pub id: String,
    pub name: String,
    pub domain: Named,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Scope {
    Unscoped,
    Project(Placed),
    /// One project of the domain that the token is for: what the roles there allow, in this project.
    ProjectOfDomain(Placed),
    Domain(Named),
    System,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Caller {
    pub user: Placed,
    pub scope: Scope,
    /// In the scope.
    pub roles: Vec<Named>,
    /// Whether the policy counts the caller as an operator of the whole cloud.
    pub admin: bool,
}

impl Caller {
    /// The project that the caller acts in, if there is one.
    pub fn place(&self) -> Option<&Placed> {
        match &self.scope {
            Scope::Project(project) | Scope::ProjectOfDomain(project) => Some(project),
            _ => None,
        }
    }

    pub fn project_id(&self) -> Option<&str> {
        self.place().map(|project| project.id.as_str())
    }

    /// The domain that the token is for, or of the project that it is for.
    pub fn place_domain(&self) -> Option<&str> {
        match &self.scope {
            Scope::Domain(domain) => Some(&domain.id),
            _ => self.place().map(|project| project.domain.id.as_str()),
        }
    }

    /// Like [`Caller::project_id`]; `forbidden` when the token is not scoped to a project.
    pub fn project(&self) -> crate::Result<&str> {
        self.project_id().ok_or_else(|| {
            crate::Error::new(crate::ErrorCode::Forbidden, "This needs a token that is scoped to a project.")
        })
    }

    /// The scope of the token; an operator's is the cloud.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match &self.scope {
            _ if self.admin => Reach::All,
            Scope::System => Reach::All,
            Scope::Domain(domain) => Reach::Domain(domain.id.clone()),
            Scope::Project(project) | Scope::ProjectOfDomain(project) => Reach::project(&project.id),
            Scope::Unscoped => Reach::Projects(Vec::new()),
        }
    }

    pub fn has_role(&self, name: &str) -> bool {
        self.roles.iter().any(|role| role.name == name)
    }
}
