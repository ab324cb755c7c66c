//! From the store's records to the contract's.

use skyloom_model::{Error, Named, Placed, Result, Scope};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_store::identity as store;

use super::extra;

pub(super) fn named(named: Named) -> wit::Named {
    wit::Named { id: named.id, name: named.name }
}

pub(super) fn placed(placed: Placed) -> wit::Placed {
    wit::Placed { id: placed.id, name: placed.name, domain: named(placed.domain) }
}

pub(super) fn token_info(session: store::Session, catalog: Vec<wit::Service>) -> wit::TokenInfo {
    wit::TokenInfo {
        user: placed(session.user),
        scope: match session.scope {
            Scope::Unscoped => wit::Scope::Unscoped,
            Scope::Project(project) | Scope::ProjectOfDomain(project) => wit::Scope::Project(placed(project)),
            Scope::Domain(domain) => wit::Scope::Domain(named(domain)),
            Scope::System => wit::Scope::System,
        },
        roles: session.roles.into_iter().map(named).collect(),
        methods: session.methods,
        issued_at: session.issued_at.0,
        expires_at: session.expires_at.0,
        audit_ids: session.audit_ids,
        is_domain: false,
        catalog,
    }
}

pub(super) fn domain(domain: store::Domain) -> wit::Domain {
    wit::Domain {
        id: domain.id,
        name: domain.name,
        description: domain.description,
        enabled: domain.enabled,
        extra: extra::text(domain.extra),
    }
}

pub(super) fn project(project: store::Project) -> wit::Project {
    wit::Project {
        id: project.id,
        name: project.name,
        domain_id: project.domain_id,
        description: project.description,
        enabled: project.enabled,
        parent_id: project.parent_id,
        is_domain: false,
        tags: project.tags,
        extra: extra::text(project.extra),
    }
}

pub(super) fn user(user: store::User) -> wit::User {
    wit::User {
        id: user.id,
        name: user.name,
        domain_id: user.domain_id,
        enabled: user.enabled,
        default_project_id: user.default_project_id,
        password_changed_at: user.password_changed_at.map(|time| time.0),
        extra: extra::text(user.extra),
    }
}

pub(super) fn role(role: store::Role) -> wit::Role {
    wit::Role {
        id: role.id,
        name: role.name,
        domain_id: None,
        description: role.description,
        immutable: role.immutable,
        extra: extra::text(role.extra),
    }
}

pub(super) fn access_key(key: store::AccessKey) -> wit::AccessKey {
    wit::AccessKey { id: key.id, user_id: key.user_id, project_id: key.project_id, created_at: key.created_at.0 }
}

pub(super) fn assignment(assignment: store::Assignment) -> wit::Assignment {
    wit::Assignment {
        role: named(assignment.role),
        user: placed(assignment.user),
        target: match assignment.target {
            store::Target::Project(id) => wit::Target::Project(id),
            store::Target::Domain(id) => wit::Target::Domain(id),
            store::Target::System => wit::Target::System,
        },
        target_name: assignment.target_name,
        target_domain: assignment.target_domain.map(named),
    }
}

pub(super) fn target(target: wit::Target) -> store::Target {
    match target {
        wit::Target::Project(id) => store::Target::Project(id),
        wit::Target::Domain(id) => store::Target::Domain(id),
        wit::Target::System => store::Target::System,
    }
}

/// `field` in the error when neither an id nor a name is there.
pub(super) fn domain_reference<'a>(field: &str, reference: &'a wit::DomainRef) -> Result<store::Reference<'a>> {
    match (&reference.id, &reference.name) {
        (Some(id), _) => Ok(store::Reference::Id(id)),
        (None, Some(name)) => Ok(store::Reference::Name(name)),
        (None, None) => Err(Error::invalid(field, "An id or a name is needed.").with_reason("missing")),
    }
}

pub(super) fn named_reference<'a>(field: &str, reference: &'a wit::NamedRef) -> Result<store::PlacedReference<'a>> {
    match (&reference.id, &reference.name, &reference.domain) {
        (Some(id), _, _) => Ok(store::PlacedReference::Id(id)),
        (None, Some(name), Some(domain)) => {
            Ok(store::PlacedReference::Name(name, domain_reference(&format!("{field}-domain"), domain)?))
        }
        _ => Err(Error::invalid(field, "An id, or a name and a domain, is needed.").with_reason("missing")),
    }
}
