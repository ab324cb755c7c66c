//! The face of this area towards personalities; the rules stand in the files beside it.

use std::sync::Arc;

use skyloom_runtime::api::IdentityApi;
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::context::CallContext;

use super::Identity;
use super::convert;

/// A page of the store as a page of the contract.
macro_rules! page {
    ($page:ident { $items:ident: $convert:ident }, $listed:expr) => {{
        let listed = $listed.await?;
        let $items = listed.items.into_iter().map(convert::$convert).collect();
        Ok(wit::$page { $items, next: listed.next })
    }};
}

#[async_trait::async_trait]
impl IdentityApi for Identity {
    async fn authenticate(&self, context: &Arc<CallContext>, login: wit::Login) -> Result<wit::Issued, Error> {
        Ok(self.login(context, login).await?)
    }

    async fn validate_token(&self, context: &Arc<CallContext>, subject: String) -> Result<wit::TokenInfo, Error> {
        Ok(self.validate(context, &subject).await?)
    }

    async fn revoke_token(&self, context: &Arc<CallContext>, subject: String) -> Result<(), Error> {
        self.revoke(context, &subject).await?;
        Ok(())
    }

    async fn catalog(
        &self,
        context: &Arc<CallContext>,
        project_id: Option<String>,
    ) -> Result<Vec<wit::Service>, Error> {
        Ok(Self::catalog(self, context, project_id.as_deref())?)
    }

    async fn list_domains(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::DomainPage, Error> {
        page!(DomainPage { domains: domain }, self.domain_list(context, conditions, page))
    }

    async fn get_domain(&self, context: &Arc<CallContext>, id: String) -> Result<wit::Domain, Error> {
        Ok(convert::domain(self.domain_get(context, &id).await?))
    }

    async fn create_domain(&self, context: &Arc<CallContext>, write: wit::DomainWrite) -> Result<wit::Domain, Error> {
        Ok(convert::domain(self.domain_create(context, write).await?))
    }

    async fn update_domain(
        &self,
        context: &Arc<CallContext>,
        id: String,
        write: wit::DomainWrite,
    ) -> Result<wit::Domain, Error> {
        Ok(convert::domain(self.domain_update(context, &id, write).await?))
    }

    async fn delete_domain(&self, context: &Arc<CallContext>, id: String) -> Result<(), Error> {
        self.domain_delete(context, &id).await?;
        Ok(())
    }

    async fn list_projects(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::ProjectPage, Error> {
        page!(ProjectPage { projects: project }, self.project_list(context, conditions, page))
    }

    async fn list_own_projects(
        &self,
        context: &Arc<CallContext>,
        page: PageRequest,
    ) -> Result<wit::ProjectPage, Error> {
        page!(ProjectPage { projects: project }, self.project_list_own(context, page))
    }

    async fn list_own_domains(&self, context: &Arc<CallContext>, page: PageRequest) -> Result<wit::DomainPage, Error> {
        page!(DomainPage { domains: domain }, self.domain_list_own(context, page))
    }

    async fn list_user_projects(
        &self,
        context: &Arc<CallContext>,
        user_id: String,
        page: PageRequest,
    ) -> Result<wit::ProjectPage, Error> {
        page!(ProjectPage { projects: project }, self.project_list_of_user(context, &user_id, page))
    }

    async fn get_project(&self, context: &Arc<CallContext>, id: String) -> Result<wit::Project, Error> {
        Ok(convert::project(self.project_get(context, &id).await?))
    }

    async fn create_project(
        &self,
        context: &Arc<CallContext>,
        write: wit::ProjectWrite,
    ) -> Result<wit::Project, Error> {
        Ok(convert::project(self.project_create(context, write).await?))
    }

    async fn update_project(
        &self,
        context: &Arc<CallContext>,
        id: String,
        write: wit::ProjectWrite,
    ) -> Result<wit::Project, Error> {
        Ok(convert::project(self.project_update(context, &id, write).await?))
    }

    async fn delete_project(&self, context: &Arc<CallContext>, id: String) -> Result<(), Error> {
        self.project_delete(context, &id).await?;
        Ok(())
    }

    async fn list_users(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::UserPage, Error> {
        page!(UserPage { users: user }, self.user_list(context, conditions, page))
    }

    async fn get_user(&self, context: &Arc<CallContext>, id: String) -> Result<wit::User, Error> {
        Ok(convert::user(self.user_get(context, &id).await?))
    }

    async fn create_user(&self, context: &Arc<CallContext>, write: wit::UserWrite) -> Result<wit::User, Error> {
        Ok(convert::user(self.user_create(context, write).await?))
    }

    async fn update_user(
        &self,
        context: &Arc<CallContext>,
        id: String,
        write: wit::UserWrite,
    ) -> Result<wit::User, Error> {
        Ok(convert::user(self.user_update(context, &id, write).await?))
    }

    async fn delete_user(&self, context: &Arc<CallContext>, id: String) -> Result<(), Error> {
        self.user_delete(context, &id).await?;
        Ok(())
    }

    async fn change_password(
        &self,
        context: &Arc<CallContext>,
        user_id: String,
        original: String,
        password: String,
    ) -> Result<(), Error> {
        self.password_change(context, &user_id, &original, &password).await?;
        Ok(())
    }

    async fn list_roles(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::RolePage, Error> {
        page!(RolePage { roles: role }, self.role_list(context, conditions, page))
    }

    async fn get_role(&self, context: &Arc<CallContext>, id: String) -> Result<wit::Role, Error> {
        Ok(convert::role(self.role_get(context, &id).await?))
    }

    async fn create_role(&self, context: &Arc<CallContext>, write: wit::RoleWrite) -> Result<wit::Role, Error> {
        Ok(convert::role(self.role_create(context, write).await?))
    }

    async fn update_role(
        &self,
        context: &Arc<CallContext>,
        id: String,
        write: wit::RoleWrite,
    ) -> Result<wit::Role, Error> {
        Ok(convert::role(self.role_update(context, &id, write).await?))
    }

    async fn delete_role(&self, context: &Arc<CallContext>, id: String) -> Result<(), Error> {
        self.role_delete(context, &id).await?;
        Ok(())
    }

    async fn list_assignments(
        &self,
        context: &Arc<CallContext>,
        filter: wit::AssignmentFilter,
        page: PageRequest,
    ) -> Result<wit::AssignmentPage, Error> {
        page!(AssignmentPage { assignments: assignment }, self.assignment_list(context, filter, page))
    }

    async fn grant_role(
        &self,
        context: &Arc<CallContext>,
        role_id: String,
        user_id: String,
        target: wit::Target,
    ) -> Result<(), Error> {
        self.role_grant(context, &role_id, &user_id, convert::target(target)).await?;
        Ok(())
    }

    async fn revoke_role(
        &self,
        context: &Arc<CallContext>,
        role_id: String,
        user_id: String,
        target: wit::Target,
    ) -> Result<(), Error> {
        self.role_revoke(context, &role_id, &user_id, convert::target(target)).await?;
        Ok(())
    }

    async fn has_role(
        &self,
        context: &Arc<CallContext>,
        role_id: String,
        user_id: String,
        target: wit::Target,
    ) -> Result<bool, Error> {
        Ok(self.role_check(context, &role_id, &user_id, convert::target(target)).await?)
    }

    async fn list_access_keys(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::AccessKeyPage, Error> {
        page!(AccessKeyPage { keys: access_key }, self.access_key_list(context, conditions, page))
    }

    async fn get_access_key(&self, context: &Arc<CallContext>, id: String) -> Result<wit::AccessKey, Error> {
        Ok(convert::access_key(self.access_key_get(context, &id).await?))
    }

    async fn create_access_key(
        &self,
        context: &Arc<CallContext>,
        create: wit::AccessKeyCreate,
    ) -> Result<wit::AccessKeyMade, Error> {
        let (key, secret) = self.access_key_create(context, create).await?;
        Ok(wit::AccessKeyMade { key: convert::access_key(key), secret })
    }

    async fn delete_access_key(&self, context: &Arc<CallContext>, id: String) -> Result<(), Error> {
        self.access_key_delete(context, &id).await?;
        Ok(())
    }
}
