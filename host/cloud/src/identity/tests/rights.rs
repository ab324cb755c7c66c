//! Who may ask for what: every function as nobody, as a member, and of what is one's own.

use super::*;

/// The codes that every function of the interface answers; none for success.
async fn all_calls(cloud: &Cloud, context: &Arc<CallContext>) -> Vec<(&'static str, Option<ErrorCode>)> {
    let id = || "0123".to_owned();
    let role = || role_write("x");
    let target = || wit::Target::System;
    let user = || wit::UserWrite { name: Some("x".to_owned()), ..user_write() };
    let filter =
        wit::AssignmentFilter { user_id: None, role_id: None, project_id: None, domain_id: None, effective: false };
    macro_rules! codes {
        ($($call:ident($($argument:expr),*);)*) => {
            vec![$((
                stringify!($call),
                skyloom_runtime::api::IdentityApi::$call(cloud, context, $($argument),*).await.err().map(|error| error.code.into()),
            ),)*]
        };
    }
    codes! {
        list_domains(Vec::new(), page());
        get_domain(id());
        create_domain(domain_write("x"));
        update_domain(id(), domain_write("x"));
        delete_domain(id());
        list_projects(Vec::new(), page());
        list_user_projects(id(), page());
        get_project(id());
        create_project(project_write("x"));
        update_project(id(), project_write("x"));
        delete_project(id());
        list_users(Vec::new(), page());
        get_user(id());
        create_user(user());
        update_user(id(), user());
        delete_user(id());
        list_roles(Vec::new(), page());
        get_role(id());
        create_role(role());
        update_role(id(), role());
        delete_role(id());
        list_assignments(filter, page());
        grant_role(id(), id(), target());
        revoke_role(id(), id(), target());
        has_role(id(), id(), target());
    }
}

#[tokio::test]
async fn nobody_is_told_to_log_in_and_a_member_is_refused() {
    for world in worlds().await {
        world.new_user("ann", "member", "demo").await;
        world.new_user("rob", "reader", "demo").await;
        for (call, code) in all_calls(&world.cloud, &context(None)).await {
            assert_eq!(code, Some(ErrorCode::Unauthenticated), "{call}");
        }
        for user in ["ann", "rob"] {
            let context = world.caller(user, "demo").await;
            for (call, code) in all_calls(&world.cloud, &context).await {
                assert_eq!(code, Some(ErrorCode::Forbidden), "{call} by {user}");
            }
        }
        assert!(world.cloud.list_own_projects(&context(None), page()).await.is_err());
        assert!(world.cloud.list_own_domains(&context(None), page()).await.is_err());
    }
}

#[tokio::test]
async fn everybody_sees_what_is_their_own() {
    for world in worlds().await {
        let ann = world.new_user("ann", "member", "demo").await;
        let cloud = &world.cloud;
        let context = world.caller("ann", "demo").await;
        let demo = world.project("demo").await;
        assert_eq!(cloud.get_user(&context, ann.id.clone()).await.expect("user").name, "ann");
        assert_eq!(cloud.get_project(&context, demo.id.clone()).await.expect("project").name, "demo");
        assert_eq!(cloud.get_domain(&context, "default".to_owned()).await.expect("domain").name, "Default");
        let own = cloud.list_own_projects(&context, page()).await.expect("own").projects;
        assert_eq!(own.iter().map(|project| project.name.as_str()).collect::<Vec<_>>(), ["demo"]);
        assert_eq!(cloud.list_user_projects(&context, ann.id.clone(), page()).await.expect("own").projects.len(), 1);
        assert!(cloud.list_own_domains(&context, page()).await.expect("own").domains.is_empty());
        // Of others, whether they are there or not, the same.
        let other = world.project("admin").await;
        for id in [other.id, "none".to_owned()] {
            assert_code(cloud.get_project(&context, id).await, ErrorCode::Forbidden);
        }

        let admin = world.admin().await;
        assert_eq!(cloud.list_user_projects(&admin, ann.id.clone(), page()).await.expect("of ann").projects.len(), 1);
        assert_code(cloud.list_user_projects(&admin, "none".to_owned(), page()).await, ErrorCode::NotFound);
        let disable = wit::ProjectWrite { name: None, enabled: Some(false), ..project_write("") };
        cloud.update_project(&admin, demo.id, disable).await.expect("disable");
        assert!(
            cloud.list_own_projects(&context, page()).await.expect("own").projects.is_empty(),
            "nobody can log in to it"
        );
        assert_eq!(cloud.list_user_projects(&admin, ann.id, page()).await.expect("of ann").projects.len(), 1);
    }
}
