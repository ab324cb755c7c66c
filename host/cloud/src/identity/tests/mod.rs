//! The rules of this area through the face that personalities see, on both databases.

mod access_keys;
mod extra;
mod logins;
mod managers;
mod places;
mod rights;
mod tokens;

use std::sync::Arc;

use skyloom_model::{Caller, ErrorCode, Result};
use skyloom_runtime::api::IdentityApi as _;
use skyloom_runtime::bindings::cloud::identity as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_runtime::collections::Collections;
use skyloom_runtime::context::{CallContext, SecretVault, Streams};
use skyloom_store::testing::{TestDatabase, databases};

use super::{Seed, Settings, Slowdown};
use crate::Cloud;
use crate::lists::asked;

const PASSWORD: &str = "correct horse";

/// A cloud with the seeds of this area only; user `admin` with [`PASSWORD`].
struct World {
    cloud: Cloud,
    database: TestDatabase,
}

fn settings() -> Settings {
    Settings { insecure_test_password_cost: true, ..Settings::default() }
}

fn cloud(database: &TestDatabase, settings: Settings) -> Cloud {
    Cloud::new(database.db.clone(), crate::Settings { identity: settings, ..crate::Settings::default() })
        .expect("a cloud")
}

async fn worlds_with(settings: Settings) -> Vec<World> {
    let mut worlds = Vec::new();
    for database in databases().await {
        let cloud = cloud(&database, settings.clone());
        let mut tx = database.db.begin().await.expect("begin");
        let seed = Seed { admin_password: Some(PASSWORD.to_owned()), ..Seed::default() };
        cloud.identity.seed(&mut tx, &seed).await.expect("seed");
        tx.commit().await.expect("commit");
        worlds.push(World { cloud, database });
    }
    worlds
}

async fn worlds() -> Vec<World> {
    worlds_with(settings()).await
}

fn context_from(caller: Option<Arc<Caller>>, client: &str) -> Arc<CallContext> {
    Arc::new(CallContext {
        caller,
        request_id: "req-test".into(),
        personality: "test".into(),
        collections: Collections::default(),
        secrets: SecretVault::new(),
        client: Some(client.parse().expect("an address")),
        streams: Streams::default(),
        retry_after: std::sync::OnceLock::new(),
    })
}

fn context(caller: Option<Arc<Caller>>) -> Arc<CallContext> {
    context_from(caller, "192.0.2.1")
}

fn user_ref(name: &str) -> wit::NamedRef {
    wit::NamedRef { id: None, name: Some(name.to_owned()), domain: Some(domain_ref("default")) }
}

fn domain_ref(id: &str) -> wit::DomainRef {
    wit::DomainRef { id: Some(id.to_owned()), name: None }
}

fn in_project(name: &str) -> wit::ScopeRequest {
    wit::ScopeRequest::Project(user_ref(name))
}

fn page() -> PageRequest {
    PageRequest { limit: 0, marker: None, sort: Vec::new() }
}

fn named(name: &str) -> Vec<wit::Condition> {
    vec![asked("name", "any-of", &[name])]
}

fn user_write() -> wit::UserWrite {
    wit::UserWrite { name: None, domain_id: None, enabled: None, password: None, default_project_id: None, extra: None }
}

fn project_write(name: &str) -> wit::ProjectWrite {
    wit::ProjectWrite {
        name: Some(name.to_owned()),
        domain_id: None,
        description: None,
        enabled: None,
        parent_id: None,
        tags: None,
        extra: None,
    }
}

fn domain_write(name: &str) -> wit::DomainWrite {
    wit::DomainWrite { id: None, name: Some(name.to_owned()), description: None, enabled: None, extra: None }
}

fn role_write(name: &str) -> wit::RoleWrite {
    wit::RoleWrite { name: Some(name.to_owned()), description: None, extra: None }
}

/// A token by value, and what it says.
struct Token {
    value: String,
    info: wit::TokenInfo,
}

impl World {
    async fn login_as(&self, user: wit::NamedRef, password: &str, scope: wit::ScopeRequest) -> Result<Token, Error> {
        let context = context(None);
        let login = wit::Login {
            methods: vec!["password".to_owned()],
            password: Some(wit::PasswordLogin { user, password: context.secrets.put(password) }),
            token: None,
            scope,
        };
        let issued = self.cloud.authenticate(&context, login).await?;
        let value = context.secrets.get(&issued.token).expect("the token's value").to_string();
        Ok(Token { value, info: issued.info })
    }

    async fn login(&self, user: &str, password: &str, scope: wit::ScopeRequest) -> Result<Token, Error> {
        self.login_as(user_ref(user), password, scope).await
    }

    /// A context of this user in this project.
    async fn caller(&self, user: &str, project: &str) -> Arc<CallContext> {
        let token = self.login(user, PASSWORD, in_project(project)).await.expect("login");
        context(Some(self.cloud.identity.caller_of_token(&token.value).await.expect("caller")))
    }

    async fn admin(&self) -> Arc<CallContext> {
        self.caller("admin", "admin").await
    }

    /// A user with [`PASSWORD`] and one role in one project.
    async fn new_user(&self, name: &str, role: &str, project: &str) -> wit::User {
        let admin = self.admin().await;
        let password = Some(Some(admin.secrets.put(PASSWORD)));
        let write = wit::UserWrite { name: Some(name.to_owned()), password, ..user_write() };
        let user = self.cloud.create_user(&admin, write).await.expect("user");
        let target = wit::Target::Project(self.project(project).await.id);
        self.cloud.grant_role(&admin, self.role(role).await, user.id.clone(), target).await.expect("grant");
        user
    }

    async fn project(&self, name: &str) -> wit::Project {
        let found = self.cloud.list_projects(&self.admin().await, named(name), page()).await.expect("projects");
        found.projects.into_iter().next().expect("the project")
    }

    async fn role(&self, name: &str) -> String {
        let admin = self.admin().await;
        let found = self.cloud.list_roles(&admin, named(name), page()).await.expect("roles");
        found.roles.into_iter().next().expect("the role").id
    }

    async fn is_valid(&self, token: &str) -> bool {
        match self.cloud.identity.caller_of_token(token).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::Unauthenticated, "{}", error.for_log());
                false
            }
        }
    }
}

#[track_caller]
fn assert_code<T>(answer: Result<T, Error>, code: ErrorCode) {
    match answer {
        Ok(_) => panic!("expected {code:?}"),
        Err(error) => {
            let error = skyloom_model::Error::from(error);
            assert_eq!(error.code, code, "{}", error.message);
        }
    }
}

#[track_caller]
fn assert_invalid<T>(answer: Result<T, Error>, field: &str) {
    match answer {
        Ok(_) => panic!("expected an invalid {field}"),
        Err(error) => {
            let error = skyloom_model::Error::from(error);
            assert_eq!(error.code, ErrorCode::Invalid, "{}", error.message);
            assert_eq!(error.field.as_deref(), Some(field), "{}", error.message);
        }
    }
}

#[tokio::test]
async fn what_a_cloud_begins_with_may_stand_in_a_domain_of_another_name() {
    for database in databases().await {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = crate::Settings { identity: settings(), ..crate::Settings::default() };
        settings.images.folder = folder.path().to_owned();
        let cloud = Cloud::new(database.db.clone(), settings).expect("a cloud");
        let home = Seed { domain_id: "home".to_owned(), domain_name: "Home".to_owned(), ..Seed::default() };
        let seed = crate::Seed { identity: home, ..crate::Seed::default() };
        assert!(cloud.seed(&seed).await.expect("seed"), "{}", database.name);
    }
}
