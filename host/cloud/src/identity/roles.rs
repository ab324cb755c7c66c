use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::identity::{Extra, Role, roles};
use skyloom_store::listing::Listed;

use super::Identity;
use super::{MAX_NAME, check_description, check_name, extra, new_id, taken};
use crate::events::{self, Owner};
use crate::lists::{conditions, page};

pub(super) async fn found(conn: &mut Conn, id: &str) -> Result<Role> {
    roles::get(conn, id).await?.ok_or_else(|| Error::not_found("role", id))
}

fn apply(role: &mut Role, write: wit::RoleWrite) -> Result<()> {
    if let Some(name) = write.name {
        check_name("name", &name, MAX_NAME)?;
        role.name = name;
    }
    if let Some(description) = write.description {
        check_description(description.as_deref())?;
        role.description = description;
    }
    extra::merge(&mut role.extra, write.extra)
}

/// A role that may be changed.
async fn changeable(conn: &mut Conn, id: &str) -> Result<Role> {
    conn.lock("roles", id).await?;
    let role = found(conn, id).await?;
    if role.immutable {
        let text = format!("The role {} is immutable: every cloud has it.", role.name);
        return Err(Error::new(ErrorCode::WrongState, text).with_resource("role", id));
    }
    Ok(role)
}

impl Identity {
    /// Rules go by names: one that they use is an operator's to give.
    fn check_name_free(&self, context: &CallContext, name: &str) -> Result<()> {
        if self.policy().names(name) {
            self.permit(context.caller.as_deref(), Action::AssignmentsGrantAny)?;
        }
        Ok(())
    }

    /// Roles that the deployment has rules for and that aren't there (yet), by name: a misspelt rule holds for nobody.
    pub async fn missing_roles(&self) -> Result<Vec<String>> {
        let there = roles::names(&mut self.db().read().await?).await?;
        let missing = self.policy().ruled().into_iter().filter(|role| !there.iter().any(|known| known == role));
        Ok(missing.map(ToOwned::to_owned).collect())
    }

    pub(super) async fn role_list(
        &self,
        context: &CallContext,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<Listed<Role>> {
        self.permit(context.caller.as_deref(), Action::RolesRead)?;
        let wanted = conditions(wanted)?;
        let mut conn = self.db().read().await?;
        roles::list(&mut conn, &wanted, &page(request)).await
    }

    pub(super) async fn role_get(&self, context: &CallContext, id: &str) -> Result<Role> {
        self.permit(context.caller.as_deref(), Action::RolesRead)?;
        found(&mut self.db().read().await?, id).await
    }

    pub(super) async fn role_create(&self, context: &CallContext, write: wit::RoleWrite) -> Result<Role> {
        self.permit(context.caller.as_deref(), Action::RolesCreate)?;
        if write.name.is_none() {
            return Err(Error::invalid("name", "The name is missing."));
        }
        let mut role =
            Role { id: new_id(), name: String::new(), description: None, immutable: false, extra: Extra::new() };
        apply(&mut role, write)?;
        self.check_name_free(context, &role.name)?;
        let mut tx = self.db().begin().await?;
        events::changed(&mut tx, context, Action::RolesCreate, ("role", &role.id), Owner::Cloud).await?;
        roles::insert(&mut tx, &role, Timestamp::now()).await.map_err(taken("role", &role.name))?;
        tx.commit().await?;
        Ok(role)
    }

    pub(super) async fn role_update(&self, context: &CallContext, id: &str, write: wit::RoleWrite) -> Result<Role> {
        self.permit(context.caller.as_deref(), Action::RolesUpdate)?;
        let mut tx = self.db().begin().await?;
        let mut role = changeable(&mut tx, id).await?;
        let before = role.name.clone();
        apply(&mut role, write)?;
        if role.name != before {
            self.check_name_free(context, &before)?;
            self.check_name_free(context, &role.name)?;
        }
        events::changed(&mut tx, context, Action::RolesUpdate, ("role", id), Owner::Cloud).await?;
        roles::update(&mut tx, &role).await.map_err(taken("role", &role.name))?;
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(role)
    }

    /// With every grant of it.
    pub(super) async fn role_delete(&self, context: &CallContext, id: &str) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::RolesDelete)?;
        let mut tx = self.db().begin().await?;
        let role = changeable(&mut tx, id).await?;
        self.check_name_free(context, &role.name)?;
        events::changed(&mut tx, context, Action::RolesDelete, ("role", id), Owner::Cloud).await?;
        roles::delete(&mut tx, id).await?;
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }
}
