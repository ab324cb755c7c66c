//! Who manages a domain: its users, projects and what is granted in them, and nothing else.

use super::*;
use crate::identity::RoleRules;

/// A domain with a manager and one project; the manager's context.
struct Department {
    domain: String,
    project: wit::Project,
    manager: wit::User,
    context: Arc<CallContext>,
}

impl World {
    async fn department(&self, name: &str) -> Department {
        let admin = self.admin().await;
        let domain = self.cloud.create_domain(&admin, domain_write(name)).await.expect("domain").id;
        let project = wit::ProjectWrite { domain_id: Some(domain.clone()), ..project_write(&format!("{name}-work")) };
        let project = self.cloud.create_project(&admin, project).await.expect("project");
        let manager = self.user_in(&admin, &domain, &format!("{name}-manager")).await;
        let target = wit::Target::Domain(domain.clone());
        self.cloud.grant_role(&admin, self.role("manager").await, manager.id.clone(), target).await.expect("grant");
        let user = wit::NamedRef { id: Some(manager.id.clone()), name: None, domain: None };
        let scope = wit::ScopeRequest::Domain(domain_ref(&domain));
        let token = self.login_as(user, PASSWORD, scope).await.expect("login");
        let context = context(Some(self.cloud.identity.caller_of_token(&token.value).await.expect("caller")));
        Department { domain, project, manager, context }
    }

    async fn user_in(&self, context: &Arc<CallContext>, domain: &str, name: &str) -> wit::User {
        let password = Some(Some(context.secrets.put(PASSWORD)));
        let domain_id = Some(domain.to_owned());
        let write = wit::UserWrite { name: Some(name.to_owned()), domain_id, password, ..user_write() };
        self.cloud.create_user(context, write).await.expect("user")
    }
}

#[tokio::test]
async fn a_manager_sees_the_domain_and_nothing_else() {
    for world in worlds().await {
        let (east, west) = (world.department("east").await, world.department("west").await);
        let cloud = &world.cloud;
        let context = &east.context;
        let ids = |users: wit::UserPage| users.users.into_iter().map(|user| user.id).collect::<Vec<_>>();
        let users = ids(cloud.list_users(context, Vec::new(), page()).await.expect("users"));
        assert_eq!(users, [east.manager.id.as_str()]);
        let of_west = vec![asked("domain-id", "any-of", &[&west.domain])];
        assert!(ids(cloud.list_users(context, of_west, page()).await.expect("users")).is_empty());
        let projects = cloud.list_projects(context, Vec::new(), page()).await.expect("projects").projects;
        assert_eq!(projects.iter().map(|project| &project.id).collect::<Vec<_>>(), [&east.project.id]);
        let domains = cloud.list_domains(context, Vec::new(), page()).await.expect("domains").domains;
        assert_eq!(domains.iter().map(|domain| &domain.id).collect::<Vec<_>>(), [&east.domain]);
        let all =
            wit::AssignmentFilter { user_id: None, role_id: None, project_id: None, domain_id: None, effective: false };
        let granted = cloud.list_assignments(context, all, page()).await.expect("assignments").assignments;
        assert_eq!(granted.iter().map(|one| &one.user.id).collect::<Vec<_>>(), [&east.manager.id]);

        assert_code(cloud.get_user(context, west.manager.id.clone()).await, ErrorCode::NotFound);
        assert_code(cloud.get_project(context, west.project.id.clone()).await, ErrorCode::NotFound);
        assert_code(cloud.get_domain(context, west.domain.clone()).await, ErrorCode::NotFound);
        assert_code(cloud.list_user_projects(context, west.manager.id.clone(), page()).await, ErrorCode::NotFound);
        assert!(cloud.get_project(context, east.project.id.clone()).await.is_ok());
        assert!(!cloud.list_roles(context, Vec::new(), page()).await.expect("roles").roles.is_empty());
    }
}

#[tokio::test]
async fn a_manager_changes_the_domains_users_and_projects_and_no_others() {
    for world in worlds().await {
        let (east, west) = (world.department("east").await, world.department("west").await);
        let cloud = &world.cloud;
        let context = &east.context;
        let ann = world.user_in(context, &east.domain, "ann").await;
        let update = || wit::UserWrite { enabled: Some(false), ..user_write() };
        cloud.update_user(context, ann.id.clone(), update()).await.expect("update");
        cloud.delete_user(context, ann.id).await.expect("delete");
        let elsewhere = wit::UserWrite { name: Some("x".into()), domain_id: Some(west.domain.clone()), ..user_write() };
        assert_code(cloud.create_user(context, elsewhere).await, ErrorCode::NotFound);
        assert_code(cloud.update_user(context, west.manager.id.clone(), update()).await, ErrorCode::NotFound);
        assert_code(cloud.delete_user(context, west.manager.id.clone()).await, ErrorCode::NotFound);

        let made = cloud.create_project(context, project_write("more")).await.expect("in the token's domain");
        assert_eq!(made.domain_id, east.domain);
        let below = wit::ProjectWrite { parent_id: Some(west.project.id.clone()), ..project_write("below") };
        assert_code(cloud.create_project(context, below).await, ErrorCode::NotFound);
        let in_west = wit::ProjectWrite { domain_id: Some(west.domain.clone()), ..project_write("in-west") };
        assert_code(cloud.create_project(context, in_west).await, ErrorCode::NotFound);
        cloud.update_project(context, made.id.clone(), project_write("less")).await.expect("update");
        cloud.delete_project(context, made.id).await.expect("delete");
        assert_code(
            cloud.update_project(context, west.project.id.clone(), project_write("y")).await,
            ErrorCode::NotFound,
        );
        assert_code(cloud.delete_project(context, west.project.id.clone()).await, ErrorCode::NotFound);
        assert_code(cloud.delete_domain(context, east.domain.clone()).await, ErrorCode::Forbidden);
    }
}

#[tokio::test]
async fn a_manager_gives_no_more_than_managers_have_and_only_within_the_domain() {
    for world in worlds().await {
        let (east, west) = (world.department("east").await, world.department("west").await);
        let cloud = &world.cloud;
        let context = &east.context;
        let ann = world.user_in(context, &east.domain, "ann").await;
        let own = || wit::Target::Project(east.project.id.clone());
        for role in ["reader", "member", "manager"] {
            let role = world.role(role).await;
            cloud.grant_role(context, role.clone(), ann.id.clone(), own()).await.expect("grant");
            assert!(cloud.has_role(context, role.clone(), ann.id.clone(), own()).await.expect("check"));
            cloud.revoke_role(context, role, ann.id.clone(), own()).await.expect("revoke");
        }
        let (admin, member) = (world.role("admin").await, world.role("member").await);
        assert_code(cloud.grant_role(context, admin, ann.id.clone(), own()).await, ErrorCode::Forbidden);
        let foreign = wit::Target::Project(west.project.id.clone());
        assert_code(cloud.grant_role(context, member.clone(), ann.id.clone(), foreign).await, ErrorCode::NotFound);
        let system = wit::Target::System;
        assert_code(cloud.grant_role(context, member.clone(), ann.id.clone(), system).await, ErrorCode::Forbidden);
        assert_code(cloud.grant_role(context, member, west.manager.id.clone(), own()).await, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn a_manager_takes_what_a_user_of_another_domain_was_given_in_the_own_one() {
    for world in worlds().await {
        let (east, west) = (world.department("east").await, world.department("west").await);
        let (cloud, operator) = (&world.cloud, world.admin().await);
        let (role, guest) = (world.role("member").await, west.manager.id.clone());
        let own = || wit::Target::Project(east.project.id.clone());
        assert_code(cloud.revoke_role(&east.context, role.clone(), guest.clone(), own()).await, ErrorCode::NotFound);
        cloud.grant_role(&operator, role.clone(), guest.clone(), own()).await.expect("grant");
        cloud.revoke_role(&east.context, role.clone(), guest.clone(), own()).await.expect("revoke");
        let theirs = wit::Target::Domain(west.domain.clone());
        let manager = world.role("manager").await;
        assert_code(cloud.revoke_role(&east.context, manager, guest, theirs).await, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn rules_for_roles_that_are_not_there_are_told() {
    let policy = [("membr".to_owned(), RoleRules::default()), ("member".to_owned(), RoleRules::default())].into();
    for world in worlds_with(Settings { policy, ..settings() }).await {
        assert_eq!(world.cloud.identity.missing_roles().await.expect("asked"), ["membr"]);
    }
}

#[tokio::test]
async fn a_manager_of_the_operators_domain_does_not_become_an_operator() {
    for world in worlds().await {
        let operator = world.admin().await;
        let user = world.new_user("dora", "member", "demo").await;
        let target = wit::Target::Domain("default".to_owned());
        world.cloud.grant_role(&operator, world.role("manager").await, user.id, target).await.expect("grant");
        let scope = wit::ScopeRequest::Domain(domain_ref("default"));
        let token = world.login("dora", PASSWORD, scope).await.expect("login");
        let dora = context(Some(world.cloud.identity.caller_of_token(&token.value).await.expect("caller")));
        let admin = world.cloud.list_users(&dora, named("admin"), page()).await.expect("users").users.remove(0);
        let password = Some(Some(dora.secrets.put("mine now, all of it")));
        let write = wit::UserWrite { password, ..user_write() };
        assert_code(world.cloud.update_user(&dora, admin.id.clone(), write).await, ErrorCode::Forbidden);
        assert_code(world.cloud.delete_user(&dora, admin.id).await, ErrorCode::Forbidden);
        assert!(world.login("admin", PASSWORD, in_project("admin")).await.is_ok());
    }
}

#[tokio::test]
async fn a_managers_token_acts_in_any_project_of_the_domain() {
    for world in worlds().await {
        let (east, west) = (world.department("east").await, world.department("west").await);
        let caller = east.context.caller.clone().expect("a caller");
        let acting = world.cloud.identity.act_in(&caller, &east.project.id).await.expect("asked").expect("acting");
        assert_eq!(acting.project_id(), Some(east.project.id.as_str()));
        assert!(acting.has_role("manager") && matches!(acting.scope, skyloom_model::Scope::ProjectOfDomain(_)));
        assert!(world.cloud.identity.act_in(&caller, &west.project.id).await.expect("asked").is_none());
        assert!(world.cloud.identity.act_in(&acting, &east.project.id).await.expect("asked").is_none());
    }
}

#[tokio::test]
async fn nobody_below_an_operator_changes_users_who_hold_more_than_they_could_give() {
    let allow = vec!["users:*".to_owned(), "assignments:*ant".to_owned()];
    let rules = RoleRules { allow, ..RoleRules::default() };
    let settings = Settings { policy: [("keeper".to_owned(), rules)].into(), ..settings() };
    for world in worlds_with(settings).await {
        let (east, west) = (world.department("east").await, world.department("west").await);
        let (cloud, operator) = (&world.cloud, world.admin().await);
        let ann = world.user_in(&operator, &east.domain, "ann").await;
        let change = || wit::UserWrite { enabled: Some(true), ..user_write() };
        cloud.update_user(&east.context, ann.id.clone(), change()).await.expect("she holds nothing");
        let foreign = wit::Target::Project(west.project.id.clone());
        cloud.grant_role(&operator, world.role("member").await, ann.id.clone(), foreign).await.expect("grant");
        assert_code(cloud.update_user(&east.context, ann.id.clone(), change()).await, ErrorCode::Forbidden);
        assert_code(cloud.delete_user(&east.context, ann.id).await, ErrorCode::Forbidden);

        // A role of the deployment's own, in the system.
        cloud.create_role(&operator, role_write("keeper")).await.expect("role");
        let kim = world.new_user("kim", "member", "demo").await;
        let keeper = world.role("keeper").await;
        cloud.grant_role(&operator, keeper, kim.id, wit::Target::System).await.expect("grant");
        let token = world.login("kim", PASSWORD, wit::ScopeRequest::System).await.expect("login");
        let kim = context(Some(cloud.identity.caller_of_token(&token.value).await.expect("caller")));
        let admin = cloud.list_users(&kim, named("admin"), page()).await.expect("users").users.remove(0);
        let password = Some(Some(kim.secrets.put("mine now, all of it")));
        let write = wit::UserWrite { password, ..user_write() };
        assert_code(cloud.update_user(&kim, admin.id.clone(), write).await, ErrorCode::Forbidden);
        let own = wit::Target::Project(world.project("admin").await.id);
        assert_code(cloud.grant_role(&kim, world.role("member").await, admin.id, own).await, ErrorCode::Forbidden);
    }
}

#[tokio::test]
async fn a_project_in_which_an_operator_has_a_role_is_the_operators_to_change() {
    for world in worlds().await {
        let east = world.department("east").await;
        let (cloud, operator) = (&world.cloud, world.admin().await);
        let admin = cloud.list_users(&operator, named("admin"), page()).await.expect("users").users.remove(0);
        let target = wit::Target::Project(east.project.id.clone());
        cloud.grant_role(&operator, world.role("admin").await, admin.id, target).await.expect("grant");
        let off = || wit::ProjectWrite { enabled: Some(false), ..project_write("off") };
        assert_code(cloud.update_project(&east.context, east.project.id.clone(), off()).await, ErrorCode::Forbidden);
        assert_code(cloud.delete_project(&east.context, east.project.id.clone()).await, ErrorCode::Forbidden);
        cloud.update_project(&operator, east.project.id, off()).await.expect("an operator");
    }
}

#[tokio::test]
async fn names_of_roles_that_rules_go_by_are_operators_to_give() {
    let rules = |allow: &str| RoleRules { allow: vec![allow.to_owned()], ..RoleRules::default() };
    let policy = [("clerk".to_owned(), rules("roles:*")), ("strong".to_owned(), rules("*"))].into();
    for world in worlds_with(Settings { policy, ..settings() }).await {
        let (cloud, operator) = (&world.cloud, world.admin().await);
        cloud.create_role(&operator, role_write("clerk")).await.expect("role");
        world.new_user("cleo", "clerk", "demo").await;
        let cleo = world.caller("cleo", "demo").await;
        cloud.create_role(&cleo, role_write("plain")).await.expect("a name that no rule goes by");
        assert_code(cloud.create_role(&cleo, role_write("strong")).await, ErrorCode::Forbidden);
        let (plain, own) = (world.role("plain").await, world.role("clerk").await);
        assert_code(cloud.update_role(&cleo, plain, role_write("strong")).await, ErrorCode::Forbidden);
        assert_code(cloud.update_role(&cleo, own.clone(), role_write("other")).await, ErrorCode::Forbidden);
        assert_code(cloud.delete_role(&cleo, own).await, ErrorCode::Forbidden);
    }
}

#[tokio::test]
async fn joined_projects_are_those_in_which_the_callers_roles_there_allow_it() {
    let rules = RoleRules { deny: vec!["billing:read".to_owned()], ..RoleRules::default() };
    let settings = Settings { policy: [("tied".to_owned(), rules)].into(), ..settings() };
    for world in worlds_with(settings).await {
        let (cloud, operator) = (&world.cloud, world.admin().await);
        cloud.create_role(&operator, role_write("tied")).await.expect("role");
        let ann = world.new_user("ann", "member", "demo").await;
        for (project, roles) in [("open", &["reader"][..]), ("tied", &["member", "tied"]), ("other", &["service"])] {
            let project = cloud.create_project(&operator, project_write(project)).await.expect("project").id;
            for role in roles {
                let target = wit::Target::Project(project.clone());
                cloud.grant_role(&operator, world.role(role).await, ann.id.clone(), target).await.expect("grant");
            }
        }
        cloud.create_project(&operator, project_write("strange")).await.expect("project");
        let ann = world.caller("ann", "demo").await;
        let mut conn = cloud.db().read().await.expect("a connection");
        let action = skyloom_model::Action::BillingRead;
        let reach = cloud.permit_joined(&mut conn, ann.caller.as_deref(), action).await.expect("allowed");
        drop(conn);
        let mut expected = Vec::new();
        for project in ["demo", "open"] {
            expected.push(world.project(project).await.id);
        }
        assert_eq!(reach, skyloom_model::Reach::Projects(expected), "{}", world.database.name);
    }
}
