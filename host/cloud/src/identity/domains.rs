use skyloom_model::{Action, Caller, Error, ErrorCode, Reach, Result, Scope, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::identity::{Domain, Extra, Filter, domains, projects, tokens};
use skyloom_store::listing::{Condition, Listed};
use skyloom_store::{Conn, retired_ids};

use super::Identity;
use super::{MAX_PLACE_NAME, check_description, check_name, extra, new_id, taken};
use crate::events::{self, Owner};
use crate::lists::{conditions, page};

/// One that a caller of this reach sees.
pub(super) async fn found(conn: &mut Conn, reach: &Reach, id: &str) -> Result<Domain> {
    let domain = domains::get(conn, id).await?.filter(|domain| reach.holds("", &domain.id));
    domain.ok_or_else(|| Error::not_found("domain", id))
}

fn apply(domain: &mut Domain, write: wit::DomainWrite) -> Result<()> {
    if let Some(name) = write.name {
        check_name("name", &name, MAX_PLACE_NAME)?;
        domain.name = name;
    }
    if let Some(description) = write.description {
        check_description(description.as_deref())?;
        domain.description = description;
    }
    domain.enabled = write.enabled.unwrap_or(domain.enabled);
    extra::merge(&mut domain.extra, write.extra)
}

/// An id that a caller chose has the form that all ids here have.
fn check_id(id: &str) -> Result<()> {
    if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return Ok(());
    }
    Err(Error::invalid("id", "The id must be 32 lower-case hexadecimal digits."))
}

async fn is_taken(conn: &mut Conn, id: &str) -> Result<bool> {
    Ok(domains::get(conn, id).await?.is_some() || projects::get(conn, id).await?.is_some())
}

fn id_taken(id: &str) -> Error {
    let text = format!("The id {id} is or was another one's.");
    Error::new(ErrorCode::AlreadyExists, text).with_field("id").with_resource("domain", id)
}

/// The domain of somebody who doesn't name one: that of the token's scope, else the user's.
pub(super) fn domain_of(caller: &Caller) -> &str {
    match &caller.scope {
        Scope::Domain(domain) => &domain.id,
        Scope::Project(project) | Scope::ProjectOfDomain(project) => &project.domain.id,
        Scope::Unscoped | Scope::System => &caller.user.domain.id,
    }
}

pub(super) async fn check_unused(conn: &mut Conn, id: &str) -> Result<()> {
    let left = projects::in_use(conn, id).await?;
    if left.is_empty() {
        return Ok(());
    }
    let left: Vec<String> = left.into_iter().map(|(what, count)| format!("{what} ({count})")).collect();
    let text = format!("The project {id} cannot be deleted: it still has {}.", left.join(", "));
    Err(Error::new(ErrorCode::InUse, text).with_resource("project", id))
}

impl Identity {
    pub(super) async fn domain_list(
        &self,
        context: &CallContext,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<Listed<Domain>> {
        let reach = self.permit(context.caller.as_deref(), Action::DomainsRead)?;
        let filter = Filter::new(reach, conditions(wanted)?);
        let mut conn = self.db().read().await?;
        domains::list(&mut conn, &filter, &page(request)).await
    }

    /// Enabled ones in which the caller has a role.
    pub(super) async fn domain_list_own(&self, context: &CallContext, request: PageRequest) -> Result<Listed<Domain>> {
        self.permit(context.caller.as_deref(), Action::IdentityReadOwn)?;
        let filter = Filter::joined(&context.caller()?.user.id, vec![Condition::is("enabled", true)]);
        let mut conn = self.db().read().await?;
        domains::list(&mut conn, &filter, &page(request)).await
    }

    /// Everybody sees the domain of the own token.
    pub(super) async fn domain_get(&self, context: &CallContext, id: &str) -> Result<Domain> {
        self.permit(context.caller.as_deref(), Action::IdentityReadOwn)?;
        let own = match &context.caller()?.scope {
            Scope::Domain(domain) => domain.id == id,
            Scope::Project(project) | Scope::ProjectOfDomain(project) => project.domain.id == id,
            Scope::Unscoped | Scope::System => false,
        };
        let reach = if own {
            Reach::Domain(id.to_owned())
        } else {
            self.permit(context.caller.as_deref(), Action::DomainsRead)?
        };
        found(&mut self.db().read().await?, &reach, id).await
    }

    pub(super) async fn domain_create(&self, context: &CallContext, mut write: wit::DomainWrite) -> Result<Domain> {
        self.permit(context.caller.as_deref(), Action::DomainsCreate)?;
        if write.name.is_none() {
            return Err(Error::invalid("name", "The name is missing."));
        }
        let chosen = write.id.take();
        if let Some(id) = &chosen {
            check_id(id)?;
        }
        let id = chosen.clone().unwrap_or_else(new_id);
        let mut domain =
            Domain { id, name: String::new(), description: Some(String::new()), enabled: true, extra: Extra::new() };
        apply(&mut domain, write)?;
        let mut tx = self.db().begin().await?;
        if chosen.is_some() && is_taken(&mut tx, &domain.id).await? {
            return Err(id_taken(&domain.id));
        }
        events::changed(&mut tx, context, Action::DomainsCreate, ("domain", &domain.id), Owner::Domain(&domain.id))
            .await?;
        domains::insert(&mut tx, &domain, Timestamp::now()).await.map_err(taken("domain", &domain.name))?;
        if chosen.is_some() && retired_ids::is_retired(&mut tx, domains::KIND, &domain.id).await? {
            return Err(id_taken(&domain.id));
        }
        tx.commit().await?;
        Ok(domain)
    }

    /// Disabling it revokes the tokens of its users and those that are scoped to it or its projects.
    pub(super) async fn domain_update(
        &self,
        context: &CallContext,
        id: &str,
        write: wit::DomainWrite,
    ) -> Result<Domain> {
        let reach = self.permit(context.caller.as_deref(), Action::DomainsUpdate)?;
        let mut tx = self.db().begin().await?;
        tx.lock("domains", id).await?;
        let mut domain = found(&mut tx, &reach, id).await?;
        apply(&mut domain, write)?;
        events::changed(&mut tx, context, Action::DomainsUpdate, ("domain", id), Owner::Domain(id)).await?;
        domains::update(&mut tx, &domain).await.map_err(taken("domain", &domain.name))?;
        if !domain.enabled {
            tokens::revoke_of_domain(&mut tx, id).await?;
        }
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(domain)
    }

    pub(super) async fn domain_delete(&self, context: &CallContext, id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::DomainsDelete)?;
        let mut tx = self.db().begin().await?;
        tx.lock("domains", id).await?;
        if found(&mut tx, &reach, id).await?.enabled {
            let text = "A domain that is enabled cannot be deleted; disable it first.";
            return Err(Error::new(ErrorCode::WrongState, text).with_resource("domain", id));
        }
        for project in projects::ids_of_domain(&mut tx, id).await? {
            projects::lock(&mut tx, &project).await?;
            check_unused(&mut tx, &project).await?;
        }
        events::changed(&mut tx, context, Action::DomainsDelete, ("domain", id), Owner::Domain(id)).await?;
        domains::delete(&mut tx, id).await?;
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }
}
