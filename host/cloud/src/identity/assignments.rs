use skyloom_model::{Action, Error, ErrorCode, Reach, Result};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::identity::{Assignment, Role, Target, assignments};
use skyloom_store::listing::Listed;

use super::Identity;
use super::{MANAGER, MEMBER, READER, domains, projects, roles, users};
use crate::events::{self, Owner};
use crate::lists::page;

/// What a manager may give to others.
pub(super) const GIVEN: [&str; 3] = [MANAGER, MEMBER, READER];

/// What is asked of the policy about a target.
fn of(target: &Target, below: Action, system: Action) -> Action {
    if *target == Target::System { system } else { below }
}

/// Where a change of the user's roles is told.
fn owner(target: &Target) -> Owner<'_> {
    match target {
        Target::Project(id) => Owner::Project(id),
        Target::Domain(id) => Owner::Domain(id),
        Target::System => Owner::Cloud,
    }
}

/// Role, user and target are there. Gives the role.
async fn check(conn: &mut Conn, reach: &Reach, role_id: &str, user_id: &str, target: &Target) -> Result<Role> {
    let role = roles::found(conn, role_id).await?;
    users::found(conn, reach, user_id).await?;
    check_target(conn, reach, target).await?;
    Ok(role)
}

async fn check_target(conn: &mut Conn, reach: &Reach, target: &Target) -> Result<()> {
    match target {
        Target::Project(id) => projects::found(conn, reach, id).await.map(drop),
        Target::Domain(id) => domains::found(conn, reach, id).await.map(drop),
        Target::System => Ok(()),
    }
}

impl Identity {
    /// Assignments are to users and to nothing below a target, so the effective ones are the same.
    pub(super) async fn assignment_list(
        &self,
        context: &CallContext,
        filter: wit::AssignmentFilter,
        request: PageRequest,
    ) -> Result<Listed<Assignment>> {
        let reach = self.permit(context.caller.as_deref(), Action::AssignmentsRead)?;
        let target = match (filter.project_id, filter.domain_id) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("domain-id", "A project and a domain cannot both be asked for."));
            }
            (Some(project), None) => Some(Target::Project(project)),
            (None, Some(domain)) => Some(Target::Domain(domain)),
            (None, None) => None,
        };
        let filter = assignments::Filter { reach, user_id: filter.user_id, role_id: filter.role_id, target };
        assignments::list(&mut self.db().read().await?, &filter, &page(request)).await
    }

    pub(super) async fn role_grant(
        &self,
        context: &CallContext,
        role_id: &str,
        user_id: &str,
        target: Target,
    ) -> Result<()> {
        let action = of(&target, Action::AssignmentsGrant, Action::SystemAssignmentsGrant);
        let reach = self.permit(context.caller.as_deref(), action)?;
        let mut tx = self.db().begin().await?;
        let role = check(&mut tx, &reach, role_id, user_id, &target).await?;
        self.check_given(context, &mut tx, &role, user_id).await?;
        events::changed(&mut tx, context, action, ("user", user_id), owner(&target)).await?;
        assignments::grant(&mut tx, user_id, &target, role_id).await?;
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }

    /// Nobody gives or takes a role that may more than a manager, but operators; nor any role of theirs: its rules may deny.
    async fn check_given(&self, context: &CallContext, conn: &mut Conn, role: &Role, user_id: &str) -> Result<()> {
        if let Err(refused) = self.permit(context.caller.as_deref(), Action::AssignmentsGrantAny) {
            let held = assignments::held_by(conn, user_id).await?.into_iter().map(|held| held.role);
            if !GIVEN.contains(&role.name.as_str()) || self.policy().names_operator(&held.collect::<Vec<_>>()) {
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Whose the target is may take what a user of another domain was given in it.
    pub(super) async fn role_revoke(
        &self,
        context: &CallContext,
        role_id: &str,
        user_id: &str,
        target: Target,
    ) -> Result<()> {
        let action = of(&target, Action::AssignmentsRevoke, Action::SystemAssignmentsRevoke);
        let reach = self.permit(context.caller.as_deref(), action)?;
        let mut tx = self.db().begin().await?;
        let role = roles::found(&mut tx, role_id).await?;
        check_target(&mut tx, &reach, &target).await?;
        if !assignments::has(&mut tx, user_id, &target, role_id).await? {
            users::found(&mut tx, &reach, user_id).await?;
        }
        self.check_given(context, &mut tx, &role, user_id).await?;
        events::changed(&mut tx, context, action, ("user", user_id), owner(&target)).await?;
        if assignments::revoke(&mut tx, user_id, &target, role_id).await? == 0 {
            let text = format!("The user {user_id} does not have the role {role_id} there.");
            return Err(Error::new(ErrorCode::NotFound, text).with_resource("role", role_id));
        }
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }

    /// Of a role, user or target that isn't there: `not-found`.
    pub(super) async fn role_check(
        &self,
        context: &CallContext,
        role_id: &str,
        user_id: &str,
        target: Target,
    ) -> Result<bool> {
        let reach = self
            .permit(context.caller.as_deref(), of(&target, Action::AssignmentsRead, Action::SystemAssignmentsRead))?;
        let mut conn = self.db().read().await?;
        check(&mut conn, &reach, role_id, user_id, &target).await?;
        assignments::has(&mut conn, user_id, &target, role_id).await
    }
}
