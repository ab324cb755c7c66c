use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::identity::{Extra, Filter, Project, assignments, projects, tokens};
use skyloom_store::listing::{Condition, Listed};

use super::Identity;
use super::{MAX_NAME, MAX_PLACE_NAME, check_description, check_name, domains, extra, new_id, taken, users};
use crate::events::{self, Owner};
use crate::lists::{conditions, page};

/// How many projects may stand in a line below a domain.
const MAX_DEPTH: usize = 5;
/// How many tags a project may have.
const MAX_TAGS: usize = 80;

/// One that a caller of this reach sees.
pub(super) async fn found(conn: &mut Conn, reach: &Reach, id: &str) -> Result<Project> {
    let project = projects::get(conn, id).await?.filter(|project| reach.holds(&project.id, &project.domain_id));
    project.ok_or_else(|| Error::not_found("project", id))
}

fn wrong_state(id: &str, text: impl Into<String>) -> Error {
    Error::new(ErrorCode::WrongState, text).with_resource("project", id)
}

fn check_tags(tags: &[String]) -> Result<()> {
    if tags.len() > MAX_TAGS {
        return Err(Error::invalid("tags", format!("A project has at most {MAX_TAGS} tags.")));
    }
    for (index, tag) in tags.iter().enumerate() {
        check_name("tags", tag, MAX_NAME)?;
        if tag.contains([',', '/']) {
            return Err(Error::invalid("tags", "A tag must hold neither a comma nor a slash."));
        }
        if tags[..index].contains(tag) {
            return Err(Error::invalid("tags", format!("The tag {tag} is there twice.")));
        }
    }
    Ok(())
}

/// What an update may change.
fn apply(project: &mut Project, write: wit::ProjectWrite) -> Result<()> {
    if let Some(name) = write.name {
        check_name("name", &name, MAX_PLACE_NAME)?;
        project.name = name;
    }
    if let Some(description) = write.description {
        check_description(description.as_deref())?;
        project.description = description;
    }
    if let Some(tags) = write.tags {
        check_tags(&tags)?;
        project.tags = tags;
    }
    project.enabled = write.enabled.unwrap_or(project.enabled);
    extra::merge(&mut project.extra, write.extra)
}

/// A parent that is the domain means none.
async fn check_parent(conn: &mut Conn, reach: &Reach, project: &Project) -> Result<()> {
    let Some(parent_id) = &project.parent_id else { return Ok(()) };
    let mut above = found(conn, reach, parent_id).await?;
    if above.domain_id != project.domain_id {
        return Err(Error::invalid("parent-id", "The parent is in another domain."));
    }
    if project.enabled && !above.enabled {
        return Err(Error::invalid("parent-id", format!("The parent project {parent_id} is disabled.")));
    }
    for _ in 0..MAX_DEPTH - 1 {
        let Some(next) = &above.parent_id else { return Ok(()) };
        above = found(conn, reach, next).await?;
    }
    let text = format!("Projects stand at most {MAX_DEPTH} deep below their domain.");
    Err(wrong_state(parent_id, text))
}

/// A parent tells the domain, be it a project or the domain itself.
async fn domain_of_parent(conn: &mut Conn, reach: &Reach, parent: &str) -> Result<String> {
    if let Some(domain) = projects::domain_of(conn, parent).await?.filter(|domain| reach.holds(parent, domain)) {
        return Ok(domain);
    }
    match domains::found(conn, reach, parent).await {
        Err(error) if error.code == ErrorCode::NotFound => Err(Error::not_found("project", parent)),
        found => found.map(|domain| domain.id),
    }
}

impl Identity {
    pub(super) async fn project_list(
        &self,
        context: &CallContext,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<Listed<Project>> {
        let reach = self.permit(context.caller.as_deref(), Action::ProjectsRead)?;
        let filter = Filter::new(reach, conditions(wanted)?);
        let mut conn = self.db().read().await?;
        projects::list(&mut conn, &filter, &page(request)).await
    }

    /// Enabled ones in which the caller has a role.
    pub(super) async fn project_list_own(
        &self,
        context: &CallContext,
        request: PageRequest,
    ) -> Result<Listed<Project>> {
        self.permit(context.caller.as_deref(), Action::IdentityReadOwn)?;
        let filter = Filter::joined(&context.caller()?.user.id, vec![Condition::is("enabled", true)]);
        projects::list(&mut self.db().read().await?, &filter, &page(request)).await
    }

    pub(super) async fn project_list_of_user(
        &self,
        context: &CallContext,
        user_id: &str,
        request: PageRequest,
    ) -> Result<Listed<Project>> {
        self.permit(context.caller.as_deref(), Action::IdentityReadOwn)?;
        let reach = if context.caller()?.user.id == user_id {
            Reach::All
        } else {
            self.permit(context.caller.as_deref(), Action::ProjectsRead)?
        };
        let mut conn = self.db().read().await?;
        users::found(&mut conn, &reach, user_id).await?;
        let filter = Filter { reach, ..Filter::joined(user_id, Vec::new()) };
        projects::list(&mut conn, &filter, &page(request)).await
    }

    /// Everybody sees the project of the own token.
    pub(super) async fn project_get(&self, context: &CallContext, id: &str) -> Result<Project> {
        self.permit(context.caller.as_deref(), Action::IdentityReadOwn)?;
        let reach = if context.caller()?.project_id() == Some(id) {
            Reach::project(id)
        } else {
            self.permit(context.caller.as_deref(), Action::ProjectsRead)?
        };
        found(&mut self.db().read().await?, &reach, id).await
    }

    pub(super) async fn project_create(&self, context: &CallContext, mut write: wit::ProjectWrite) -> Result<Project> {
        let reach = self.permit(context.caller.as_deref(), Action::ProjectsCreate)?;
        if write.name.is_none() {
            return Err(Error::invalid("name", "The name is missing."));
        }
        let mut tx = self.db().begin().await?;
        let domain_id = match (write.domain_id.take(), &write.parent_id) {
            (Some(domain), _) => domain,
            (None, Some(parent)) => domain_of_parent(&mut tx, &reach, parent).await?,
            (None, None) => domains::domain_of(context.caller()?).to_owned(),
        };
        domains::found(&mut tx, &reach, &domain_id).await?;
        let parent_id = write.parent_id.take().filter(|parent| *parent != domain_id);
        let mut project = Project {
            id: new_id(),
            domain_id,
            name: String::new(),
            description: Some(String::new()),
            enabled: true,
            parent_id,
            tags: Vec::new(),
            extra: Extra::new(),
        };
        apply(&mut project, write)?;
        check_parent(&mut tx, &reach, &project).await?;
        events::changed(
            &mut tx,
            context,
            Action::ProjectsCreate,
            ("project", &project.id),
            Owner::Domain(&project.domain_id),
        )
        .await?;
        projects::insert(&mut tx, &project, Timestamp::now()).await.map_err(taken("project", &project.name))?;
        tx.commit().await?;
        Ok(project)
    }

    /// Neither domain nor parent can change. Disabling it revokes the tokens that are scoped to it.
    pub(super) async fn project_update(
        &self,
        context: &CallContext,
        id: &str,
        write: wit::ProjectWrite,
    ) -> Result<Project> {
        let reach = self.permit(context.caller.as_deref(), Action::ProjectsUpdate)?;
        let mut tx = self.db().begin().await?;
        projects::lock(&mut tx, id).await?;
        let mut project = found(&mut tx, &reach, id).await?;
        let renamed = write.name.as_ref().is_some_and(|name| *name != project.name);
        if renamed || write.enabled == Some(false) {
            self.check_no_operators(context, &mut tx, id).await?;
        }
        if write.domain_id.as_ref().is_some_and(|domain| *domain != project.domain_id) {
            return Err(Error::invalid("domain-id", "The domain of a project cannot be changed."));
        }
        let parent = project.parent_id.as_ref().unwrap_or(&project.domain_id);
        if write.parent_id.as_ref().is_some_and(|wanted| wanted != parent) {
            return Err(wrong_state(id, "The parent of a project cannot be changed."));
        }
        let was_enabled = project.enabled;
        apply(&mut project, write)?;
        if !project.enabled && projects::children(&mut tx, id, true).await? > 0 {
            return Err(wrong_state(
                id,
                format!("The project {id} has enabled projects below it; disable them first."),
            ));
        }
        // The only thing that can have changed about the parent.
        if project.enabled && !was_enabled && check_parent(&mut tx, &reach, &project).await.is_err() {
            return Err(wrong_state(id, format!("The project {id} cannot be enabled: its parent is disabled.")));
        }
        events::changed(&mut tx, context, Action::ProjectsUpdate, ("project", id), Owner::Domain(&project.domain_id))
            .await?;
        projects::update(&mut tx, &project).await.map_err(taken("project", &project.name))?;
        if !project.enabled {
            tokens::revoke_of_project(&mut tx, id).await?;
        }
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(project)
    }

    /// A project that an operator acts in is an operator's to rename, disable or delete: without it the operator couldn't act.
    async fn check_no_operators(&self, context: &CallContext, conn: &mut Conn, id: &str) -> Result<()> {
        if self.permit(context.caller.as_deref(), Action::AssignmentsGrantAny).is_err()
            && self.policy().names_operator(&assignments::roles_in(conn, id).await?)
        {
            let text = "An operator of the cloud has a role in the project, so only operators change it.";
            return Err(Error::new(ErrorCode::Forbidden, text).with_resource("project", id));
        }
        Ok(())
    }

    pub(super) async fn project_delete(&self, context: &CallContext, id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::ProjectsDelete)?;
        let mut tx = self.db().begin().await?;
        projects::lock(&mut tx, id).await?;
        let project = found(&mut tx, &reach, id).await?;
        self.check_no_operators(context, &mut tx, id).await?;
        if projects::children(&mut tx, id, false).await? > 0 {
            return Err(wrong_state(id, format!("The project {id} has projects below it.")));
        }
        domains::check_unused(&mut tx, id).await?;
        events::changed(&mut tx, context, Action::ProjectsDelete, ("project", id), Owner::Domain(&project.domain_id))
            .await?;
        projects::delete(&mut tx, id).await?;
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }
}
