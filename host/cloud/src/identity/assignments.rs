use skyloom_model::{Action, Error, ErrorCode, Result};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::identity::{Assignment, Target, assignments};
use skyloom_store::listing::Listed;

use super::Identity;
use super::{domains, projects, roles, users};
use crate::lists::page;

/// Role, user and target are there.
async fn check(conn: &mut Conn, role_id: &str, user_id: &str, target: &Target) -> Result<()> {
    roles::found(conn, role_id).await?;
    users::found(conn, user_id).await?;
    match target {
        Target::Project(id) => projects::found(conn, id).await.map(drop),
        Target::Domain(id) => domains::found(conn, id).await.map(drop),
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
        self.permit(context.caller.as_deref(), Action::IdentityRead)?;
        let target = match (filter.project_id, filter.domain_id) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("domain-id", "A project and a domain cannot both be asked for."));
            }
            (Some(project), None) => Some(Target::Project(project)),
            (None, Some(domain)) => Some(Target::Domain(domain)),
            (None, None) => None,
        };
        let filter = assignments::Filter { user_id: filter.user_id, role_id: filter.role_id, target };
        assignments::list(&mut self.db().read().await?, &filter, &page(request)).await
    }

    pub(super) async fn role_grant(
        &self,
        context: &CallContext,
        role_id: &str,
        user_id: &str,
        target: Target,
    ) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::IdentityWrite)?;
        let mut tx = self.db().begin().await?;
        check(&mut tx, role_id, user_id, &target).await?;
        assignments::grant(&mut tx, user_id, &target, role_id).await?;
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }

    pub(super) async fn role_revoke(
        &self,
        context: &CallContext,
        role_id: &str,
        user_id: &str,
        target: Target,
    ) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::IdentityWrite)?;
        let mut tx = self.db().begin().await?;
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
        self.permit(context.caller.as_deref(), Action::IdentityRead)?;
        let mut conn = self.db().read().await?;
        check(&mut conn, role_id, user_id, &target).await?;
        assignments::has(&mut conn, user_id, &target, role_id).await
    }
}
