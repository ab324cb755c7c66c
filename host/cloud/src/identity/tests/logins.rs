use std::time::Duration;

use super::*;

#[tokio::test]
async fn every_scope_by_id_and_by_name() {
    for world in worlds().await {
        let admin = world.admin().await.caller.clone().expect("caller");
        let project = world.project("demo").await;
        let by_id = wit::NamedRef { id: Some(admin.user.id.clone()), name: None, domain: None };
        let by_domain_name = wit::NamedRef {
            domain: Some(wit::DomainRef { id: None, name: Some("Default".to_owned()) }),
            ..user_ref("admin")
        };
        let project_by_id =
            wit::ScopeRequest::Project(wit::NamedRef { id: Some(project.id.clone()), name: None, domain: None });
        for user in [by_id, by_domain_name, user_ref("admin")] {
            let token = world.login_as(user, PASSWORD, project_by_id.clone()).await.expect("login");
            assert!(matches!(&token.info.scope, wit::Scope::Project(found) if found.name == "demo"));
            assert_eq!(token.info.roles[0].name, "admin");
            assert_eq!(token.info.methods, ["password"]);
            assert_eq!(token.info.expires_at - token.info.issued_at, 24 * 3600 * 1_000_000);
            assert_eq!((token.value.len(), token.info.audit_ids.len()), (43, 1));
        }
        let token = world.login("admin", PASSWORD, wit::ScopeRequest::System).await.expect("system");
        assert!(matches!(token.info.scope, wit::Scope::System));
        assert!(world.cloud.identity.caller_of_token(&token.value).await.expect("caller").admin);

        let token = world.login("admin", PASSWORD, wit::ScopeRequest::Unspecified).await.expect("unscoped");
        assert!(matches!(token.info.scope, wit::Scope::Unscoped) && token.info.roles.is_empty());
        assert!(!world.cloud.identity.caller_of_token(&token.value).await.expect("caller").admin);

        let admin = world.admin().await;
        let target = wit::Target::Domain("default".to_owned());
        let user_id = admin.caller().expect("caller").user.id.clone();
        world.cloud.grant_role(&admin, world.role("admin").await, user_id, target).await.expect("grant");
        let scope = wit::ScopeRequest::Domain(domain_ref("default"));
        let token = world.login("admin", PASSWORD, scope).await.expect("domain");
        assert!(matches!(&token.info.scope, wit::Scope::Domain(found) if found.name == "Default"));
    }
}

#[tokio::test]
async fn the_default_project_is_taken_when_it_can_be() {
    for world in worlds().await {
        let user = world.new_user("ann", "member", "demo").await;
        let demo = world.project("demo").await;
        let other = world.project("admin").await;
        let admin = world.admin().await;
        for (default, scoped) in [(demo.id.as_str(), true), (other.id.as_str(), false), ("gone", false), ("", false)] {
            let write = wit::UserWrite { default_project_id: Some(default.to_owned()), ..user_write() };
            world.cloud.update_user(&admin, user.id.clone(), write).await.expect("update");
            let token = world.login("ann", PASSWORD, wit::ScopeRequest::Unspecified).await.expect("login");
            assert_eq!(matches!(token.info.scope, wit::Scope::Project(_)), scoped, "{default}");
            let token = world.login("ann", PASSWORD, wit::ScopeRequest::Unscoped).await.expect("login");
            assert!(matches!(token.info.scope, wit::Scope::Unscoped));
        }
    }
}

#[tokio::test]
async fn a_refusal_never_says_what_was_wrong() {
    for world in worlds().await {
        let ann = world.new_user("ann", "member", "demo").await;
        world.new_user("off", "member", "demo").await;
        let admin = world.admin().await;
        let off = world.cloud.list_users(&admin, named("off"), page()).await.expect("users").users.remove(0);
        let write = wit::UserWrite { enabled: Some(false), ..user_write() };
        world.cloud.update_user(&admin, off.id, write).await.expect("disable");
        let bare = wit::UserWrite { name: Some("bare".to_owned()), ..user_write() };
        world.cloud.create_user(&admin, bare).await.expect("a user without a password");

        let unscoped = wit::ScopeRequest::Unscoped;
        let elsewhere = wit::NamedRef { domain: Some(domain_ref("nowhere")), ..user_ref("ann") };
        let no_id = wit::NamedRef { id: Some("0123".to_owned()), name: None, domain: None };
        let domain = wit::ScopeRequest::Domain(domain_ref("default"));
        let cases = [
            (user_ref("ann"), "wrong", unscoped.clone()),
            (user_ref("ann"), "", unscoped.clone()),
            (user_ref("nobody"), PASSWORD, unscoped.clone()),
            (elsewhere, PASSWORD, unscoped.clone()),
            (no_id, PASSWORD, unscoped.clone()),
            (user_ref("off"), PASSWORD, unscoped.clone()),
            (user_ref("bare"), "", unscoped.clone()),
            (user_ref("bare"), PASSWORD, unscoped),
            (user_ref("ann"), PASSWORD, in_project("admin")),
            (user_ref("ann"), PASSWORD, in_project("nothing")),
            (user_ref("ann"), PASSWORD, domain),
            (user_ref("ann"), PASSWORD, wit::ScopeRequest::System),
        ];
        let mut texts = Vec::new();
        for (user, password, scope) in cases {
            let error = world.login_as(user, password, scope).await.err().expect("a refusal");
            let error = skyloom_model::Error::from(error);
            assert_eq!(error.code, ErrorCode::Unauthenticated);
            texts.push((error.message, error.resource, error.field));
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "{texts:?}");
        world.login("ann", PASSWORD, in_project("demo")).await.expect("the neighbour");
        assert!(ann.password_changed_at.is_some());
    }
}

#[tokio::test]
async fn methods_need_their_parts() {
    for world in worlds().await {
        let context = context(None);
        let login = |methods: &[&str]| wit::Login {
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            password: None,
            token: None,
            scope: wit::ScopeRequest::Unscoped,
        };
        for methods in [&[][..], &["magic"], &["password", "magic"]] {
            assert_code(world.cloud.authenticate(&context, login(methods)).await, ErrorCode::Unauthenticated);
        }
        for methods in [["password"], ["token"]] {
            assert_invalid(world.cloud.authenticate(&context, login(&methods)).await, "methods");
        }
        let user = wit::NamedRef { id: None, name: Some("admin".to_owned()), domain: None };
        let password = context.secrets.put(PASSWORD);
        let with = |user: wit::NamedRef, password: String| wit::Login {
            password: Some(wit::PasswordLogin { user, password }),
            ..login(&["password"])
        };
        assert_invalid(world.cloud.authenticate(&context, with(user, password)).await, "user");
        // A guest that makes a value up has none.
        let made_up = with(user_ref("admin"), PASSWORD.to_owned());
        assert_invalid(world.cloud.authenticate(&context, made_up).await, "password");
    }
}

/// A login by password from an address; the error with the time to wait that the request was told.
async fn attempt(
    world: &World,
    user: wit::NamedRef,
    password: &str,
    client: &str,
) -> Result<(), (Error, Option<Duration>)> {
    let context = context_from(None, client);
    let login = wit::Login {
        methods: vec!["password".to_owned()],
        password: Some(wit::PasswordLogin { user, password: context.secrets.put(password) }),
        token: None,
        scope: wit::ScopeRequest::Unscoped,
    };
    let done = world.cloud.authenticate(&context, login).await;
    done.map(drop).map_err(|error| (error, context.retry_after.get().copied()))
}

#[tokio::test]
async fn wrong_passwords_are_counted_by_user_however_the_user_is_named_and_by_address() {
    let slowdown =
        Slowdown { free_failures: 2, first_delay_ms: 60_000, longest_delay_ms: 60_000, ..Slowdown::default() };
    for world in worlds_with(Settings { slowdown, ..settings() }).await {
        let id = world.admin().await.caller().expect("caller").user.id.clone();
        let by_id = || wit::NamedRef { id: Some(id.clone()), name: None, domain: None };
        let in_domain_named = |user: &str| wit::NamedRef {
            domain: Some(wit::DomainRef { id: None, name: Some("Default".to_owned()) }),
            ..user_ref(user)
        };
        let wrong = async |user: wit::NamedRef, client: &str| {
            let (error, wait) = attempt(&world, user, "wrong", client).await.expect_err("a wrong password");
            (skyloom_model::Error::from(error).code, wait)
        };
        let free = (ErrorCode::Unauthenticated, None);
        let slowed = (ErrorCode::RateLimited, Some(Duration::from_mins(1)));
        let (here, there) = ("192.0.2.7", "192.0.2.8");
        // Whether the user is there makes no difference.
        for user in ["admin", "nobody"] {
            assert_eq!(wrong(user_ref(user), here).await, free);
            assert_eq!(wrong(in_domain_named(user), here).await, free);
            assert_eq!(wrong(user_ref(user), here).await, slowed);
            assert_eq!(wrong(in_domain_named(user), here).await, slowed);
            assert_eq!(wrong(user_ref(user), there).await, free, "another address");
        }
        assert_eq!(wrong(by_id(), here).await, slowed);
        assert_eq!(wrong(user_ref("other"), here).await, free);
        // IPv6 counts by network.
        for (client, expected) in [("2001:db8::1", free), ("2001:db8::2", free), ("2001:db8::3", slowed)] {
            assert_eq!(wrong(by_id(), client).await, expected);
        }
    }
}

#[tokio::test]
async fn a_right_password_is_let_in_whatever_wrong_ones_came_from_its_address() {
    let slowdown = Slowdown { free_failures: 1, ..Slowdown::default() };
    for world in worlds_with(Settings { slowdown, ..settings() }).await {
        let here = "192.0.2.7";
        let flood = (0..50).map(|_| attempt(&world, user_ref("admin"), "wrong", here));
        let (answers, owner) =
            tokio::join!(futures_util::future::join_all(flood), attempt(&world, user_ref("admin"), PASSWORD, here));
        assert!(answers.iter().all(Result::is_err));
        owner.expect("the owner, while others guess");
        attempt(&world, user_ref("admin"), PASSWORD, here).await.expect("the owner, after them");
        // A success begins anew.
        let (error, _) = attempt(&world, user_ref("admin"), "wrong", here).await.expect_err("wrong");
        assert_eq!(skyloom_model::Error::from(error).code, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn a_password_is_changed_by_whoever_knows_it_and_ends_the_tokens() {
    for world in worlds().await {
        let ann = world.new_user("ann", "member", "demo").await;
        let bob = world.new_user("bob", "member", "demo").await;
        let token = world.login("ann", PASSWORD, in_project("demo")).await.expect("login");
        let caller = world.cloud.identity.caller_of_token(&token.value).await.expect("caller");
        let change_as = async |context: &Arc<CallContext>, user: &str, original: &str, password: &str| {
            let (original, password) = (context.secrets.put(original), context.secrets.put(password));
            world.cloud.change_password(context, user.to_owned(), original, password).await
        };
        let own = context(Some(caller));
        for (user, original) in [(ann.id.as_str(), "wrong"), (bob.id.as_str(), "wrong"), ("nobody", PASSWORD)] {
            for context in [&own, &world.admin().await, &context(None)] {
                assert_code(change_as(context, user, original, "new").await, ErrorCode::Unauthenticated);
            }
        }
        assert_invalid(change_as(&own, &ann.id, PASSWORD, "").await, "password");
        assert_invalid(change_as(&own, &ann.id, PASSWORD, &"x".repeat(1025)).await, "password");
        assert!(world.is_valid(&token.value).await);

        change_as(&own, &ann.id, PASSWORD, "new").await.expect("by the user");
        assert!(!world.is_valid(&token.value).await);
        assert_code(world.login("ann", PASSWORD, in_project("demo")).await.map(drop), ErrorCode::Unauthenticated);
        world.login("ann", "new", in_project("demo")).await.expect("the new one");
        world.login("bob", PASSWORD, in_project("demo")).await.expect("the neighbour");
        let admin = world.admin().await;
        change_as(&admin, &bob.id, PASSWORD, "second").await.expect("by an operator");
        change_as(&context(None), &bob.id, "second", "third").await.expect("by nobody that is known");
        change_as(&own, &bob.id, "third", "third").await.expect("by somebody else, to the same");
        world.login("bob", "third", in_project("demo")).await.expect("the last one");

        let off = wit::UserWrite { enabled: Some(false), ..user_write() };
        world.cloud.update_user(&admin, bob.id.clone(), off).await.expect("disable");
        assert_code(change_as(&admin, &bob.id, "third", "new").await, ErrorCode::Unauthenticated);
    }
}
