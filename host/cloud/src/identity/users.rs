use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::identity::{self as store, Extra, Filter, Login, PlacedReference, User, assignments, tokens, users};
use skyloom_store::listing::Listed;

use super::Identity;
use super::assignments::GIVEN;
use super::{MAX_NAME, check_length, check_name, domains, extra, new_id, passwords, taken};
use crate::events::{self, Owner};
use crate::lists::{conditions, page};

/// One that a caller of this reach sees.
pub(super) async fn found(conn: &mut Conn, reach: &Reach, id: &str) -> Result<User> {
    let user = users::get(conn, id).await?.filter(|user| reach.holds("", &user.domain_id));
    user.ok_or_else(|| Error::not_found("user", id))
}

/// All but domain and password.
fn apply(user: &mut User, write: wit::UserWrite) -> Result<()> {
    if let Some(name) = write.name {
        check_name("name", &name, MAX_NAME)?;
        user.name = name;
    }
    // Whether the project is there and open to the user is asked at each login: one that isn't counts as none.
    if let Some(project) = write.default_project_id {
        check_length("default-project-id", &project, MAX_NAME)?;
        user.default_project_id = Some(project).filter(|id| !id.is_empty());
    }
    user.enabled = write.enabled.unwrap_or(user.enabled);
    extra::merge(&mut user.extra, write.extra)
}

async fn check_default_project(conn: &mut Conn, reach: &Reach, write: &wit::UserWrite) -> Result<()> {
    match &write.default_project_id {
        Some(id) if reach.holds("", id) && store::domains::get(conn, id).await?.is_some() => {
            Err(Error::invalid("default-project-id", format!("The default project must not be a domain: {id}.")))
        }
        _ => Ok(()),
    }
}

impl Identity {
    pub(super) async fn user_list(
        &self,
        context: &CallContext,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<Listed<User>> {
        let reach = self.permit(context.caller.as_deref(), Action::UsersRead)?;
        let filter = Filter::new(reach, conditions(wanted)?);
        let mut conn = self.db().read().await?;
        users::list(&mut conn, &filter, &page(request)).await
    }

    /// Everybody sees the own user.
    pub(super) async fn user_get(&self, context: &CallContext, id: &str) -> Result<User> {
        self.permit(context.caller.as_deref(), Action::IdentityReadOwn)?;
        let reach = if context.caller()?.user.id == id {
            Reach::All
        } else {
            self.permit(context.caller.as_deref(), Action::UsersRead)?
        };
        found(&mut self.db().read().await?, &reach, id).await
    }

    /// The hash of a password that the write brings; none at all for one that it takes away. Made before the transaction: it
    /// takes long.
    #[allow(clippy::option_option)]
    async fn hash_of(&self, context: &CallContext, write: &wit::UserWrite) -> Result<Option<Option<String>>> {
        let Some(handle) = &write.password else { return Ok(None) };
        let Some(handle) = handle else { return Ok(Some(None)) };
        let password = context.secret("password", handle)?;
        passwords::check("password", &password)?;
        self.passwords.hash(password).await.map(|hash| Some(Some(hash)))
    }

    pub(super) async fn user_create(&self, context: &CallContext, mut write: wit::UserWrite) -> Result<User> {
        let reach = self.permit(context.caller.as_deref(), Action::UsersCreate)?;
        if write.name.is_none() {
            return Err(Error::invalid("name", "The name is missing."));
        }
        let caller = context.caller()?;
        let domain_id = write.domain_id.take().unwrap_or_else(|| domains::domain_of(caller).to_owned());
        let hash = self.hash_of(context, &write).await?;
        let mut user = User {
            id: new_id(),
            domain_id,
            name: String::new(),
            enabled: true,
            default_project_id: None,
            password_changed_at: None,
            extra: Extra::new(),
        };
        let now = Timestamp::now();
        let mut tx = self.db().begin().await?;
        domains::found(&mut tx, &reach, &user.domain_id).await?;
        check_default_project(&mut tx, &reach, &write).await?;
        apply(&mut user, write)?;
        events::changed(&mut tx, context, Action::UsersCreate, ("user", &user.id), Owner::Domain(&user.domain_id))
            .await?;
        users::insert(&mut tx, &user, now).await.map_err(taken("user", &user.name))?;
        if let Some(Some(hash)) = hash {
            users::set_password(&mut tx, &user.id, Some(&hash), now).await?;
            user.password_changed_at = Some(now);
        }
        tx.commit().await?;
        Ok(user)
    }

    /// The domain cannot change. Disabling the user or setting a password revokes the user's tokens.
    pub(super) async fn user_update(&self, context: &CallContext, id: &str, write: wit::UserWrite) -> Result<User> {
        let reach = self.permit(context.caller.as_deref(), Action::UsersUpdate)?;
        let hash = self.hash_of(context, &write).await?;
        let mut tx = self.db().begin().await?;
        tx.lock("users", id).await?;
        let mut user = found(&mut tx, &reach, id).await?;
        self.check_holds_little(context, &mut tx, &reach, id).await?;
        if write.domain_id.as_ref().is_some_and(|domain| *domain != user.domain_id) {
            return Err(Error::invalid("domain-id", "The domain of a user cannot be changed."));
        }
        check_default_project(&mut tx, &reach, &write).await?;
        apply(&mut user, write)?;
        events::changed(&mut tx, context, Action::UsersUpdate, ("user", id), Owner::Domain(&user.domain_id)).await?;
        users::update(&mut tx, &user).await.map_err(taken("user", &user.name))?;
        if let Some(hash) = &hash {
            let now = Timestamp::now();
            users::set_password(&mut tx, id, hash.as_deref(), now).await?;
            user.password_changed_at = Some(now);
        }
        if hash.flatten().is_some() || !user.enabled {
            tokens::revoke_of_user(&mut tx, id).await?;
        }
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(user)
    }

    /// Whoever sets a user's password has all that the user may, so nobody changes a user who holds more than they could give:
    /// a role of more than a manager, or one outside of their reach.
    async fn check_holds_little(&self, context: &CallContext, conn: &mut Conn, reach: &Reach, id: &str) -> Result<()> {
        if self.permit(context.caller.as_deref(), Action::AssignmentsGrantAny).is_ok() {
            return Ok(());
        }
        for held in assignments::held_by(conn, id).await? {
            if !GIVEN.contains(&held.role.as_str()) || !reach.holds(&held.project_id, &held.domain_id) {
                let text = "The user has roles that only operators give, so only operators change the user.";
                return Err(Error::new(ErrorCode::Forbidden, text).with_resource("user", id));
            }
        }
        Ok(())
    }

    pub(super) async fn user_delete(&self, context: &CallContext, id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::UsersDelete)?;
        let mut tx = self.db().begin().await?;
        let user = found(&mut tx, &reach, id).await?;
        self.check_holds_little(context, &mut tx, &reach, id).await?;
        events::changed(&mut tx, context, Action::UsersDelete, ("user", id), Owner::Domain(&user.domain_id)).await?;
        if users::delete(&mut tx, id).await? == 0 {
            return Err(Error::not_found("user", id));
        }
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }

    /// By anybody who knows the old one, which is worth a login: a wrong one is slowed and refused as there.
    pub(super) async fn password_change(
        &self,
        context: &CallContext,
        user_id: &str,
        original: &str,
        password: &str,
    ) -> Result<()> {
        self.permit(context.caller.as_deref(), Action::UsersChangePassword)?;
        let original = context.secret("original", original)?;
        let password: Arc<str> = context.secret("password", password)?;
        passwords::check("password", &password)?;
        let checked = self.check_password(context, PlacedReference::Id(user_id), original).await;
        let Login { user, .. } = checked.map_err(|error| self.login_failed(context, user_id, error))?;
        let hash = self.passwords.hash(password).await?;
        let mut tx = self.db().begin().await?;
        let (action, owner) = (Action::UsersChangePassword, Owner::Domain(&user.domain.id));
        events::changed_by(&mut tx, (context, user_id), action, ("user", user_id), owner).await?;
        if users::set_password(&mut tx, user_id, Some(&hash), Timestamp::now()).await? == 0 {
            return Err(Error::not_found("user", user_id));
        }
        tokens::revoke_of_user(&mut tx, user_id).await?;
        tx.commit().await?;
        self.sessions.forget_all();
        Ok(())
    }
}
