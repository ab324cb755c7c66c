use std::time::{Duration, Instant};

use futures_util::FutureExt as _;

use super::*;
use crate::identity::REVOCATION_BOUND;

async fn by_token(world: &World, token: &str, scope: wit::ScopeRequest) -> Result<Token, Error> {
    let context = context(None);
    let login = wit::Login {
        methods: vec!["token".to_owned()],
        password: None,
        token: Some(context.secrets.put(token)),
        scope,
    };
    let issued = world.cloud.authenticate(&context, login).await?;
    let value = context.secrets.get(&issued.token).expect("the token's value").to_string();
    Ok(Token { value, info: issued.info })
}

/// Polls until the token is refused; gives how long it took.
async fn until_refused(cloud: &Cloud, token: &str) -> Duration {
    let start = Instant::now();
    while cloud.identity.caller_of_token(token).await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(20), "the token is never refused");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

#[tokio::test]
async fn a_token_makes_others_that_last_no_longer() {
    for world in worlds().await {
        let first = world.login("admin", PASSWORD, wit::ScopeRequest::Unscoped).await.expect("login");
        let second = by_token(&world, &first.value, in_project("demo")).await.expect("a scoped one");
        assert_eq!(second.info.expires_at, first.info.expires_at);
        assert_eq!(second.info.methods, ["password", "token"]);
        assert_eq!(second.info.audit_ids.len(), 2);
        assert_eq!(second.info.audit_ids[1], first.info.audit_ids[0]);
        assert_ne!(second.value, first.value);
        for bad in ["", "forged", &first.value[1..], &format!("{}x", first.value)] {
            let answer = by_token(&world, bad, wit::ScopeRequest::Unscoped).await.map(drop);
            assert_code(answer, ErrorCode::Unauthenticated);
            assert!(!world.is_valid(bad).await, "{bad}");
        }
        assert_code(by_token(&world, &first.value, in_project("none")).await.map(drop), ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn password_and_token_must_be_of_one_user() {
    for world in worlds().await {
        world.new_user("ann", "member", "demo").await;
        for (user, allowed) in [("admin", true), ("ann", false)] {
            let token = world.login("admin", PASSWORD, wit::ScopeRequest::Unscoped).await.expect("login");
            let context = context(None);
            let login = wit::Login {
                methods: vec!["password".to_owned(), "token".to_owned()],
                password: Some(wit::PasswordLogin { user: user_ref(user), password: context.secrets.put(PASSWORD) }),
                token: Some(context.secrets.put(token.value)),
                scope: wit::ScopeRequest::Unscoped,
            };
            assert_eq!(world.cloud.authenticate(&context, login).await.is_ok(), allowed, "{user}");
        }
    }
}

#[tokio::test]
async fn a_token_survives_a_restart_and_ends_in_time() {
    for world in worlds_with(Settings { token_lifetime_seconds: 2, ..settings() }).await {
        let token = world.login("admin", PASSWORD, in_project("admin")).await.expect("login");
        let restarted = cloud(&world.database, settings());
        assert!(restarted.identity.caller_of_token(&token.value).await.is_ok());
        until_refused(&restarted, &token.value).await;
        let now = skyloom_model::Timestamp::now().0;
        assert!(now >= token.info.expires_at, "refused before its time");
        // By then the cache of the first process has nothing to say either.
        assert!(!world.is_valid(&token.value).await);
    }
}

#[tokio::test]
async fn revocation_holds_at_once_here_and_soon_elsewhere() {
    for world in worlds().await {
        let token = world.login("admin", PASSWORD, in_project("admin")).await.expect("login");
        let neighbour = world.login("admin", PASSWORD, in_project("admin")).await.expect("login");
        let elsewhere = cloud(&world.database, settings());
        assert!(elsewhere.identity.caller_of_token(&token.value).await.is_ok() && world.is_valid(&token.value).await);
        let admin = world.admin().await;
        let handle = admin.secrets.put(token.value.clone());
        world.cloud.revoke_token(&admin, handle.clone()).await.expect("revoke");
        assert!(!world.is_valid(&token.value).await);
        let took = until_refused(&elsewhere, &token.value).await;
        // The bound, and what a busy machine needs for one more look.
        assert!(took < REVOCATION_BOUND + Duration::from_secs(2), "{took:?}");
        assert_code(world.cloud.revoke_token(&admin, handle.clone()).await, ErrorCode::NotFound);
        assert_code(world.cloud.validate_token(&admin, handle).await, ErrorCode::NotFound);
        assert!(world.is_valid(&neighbour.value).await, "another token of the same user stays");
    }
}

#[tokio::test]
async fn only_own_tokens_are_shown_but_to_operators() {
    for world in worlds().await {
        world.new_user("ann", "member", "demo").await;
        world.new_user("bob", "member", "demo").await;
        let token = world.login("ann", PASSWORD, in_project("demo")).await.expect("login");
        for (user, project, allowed) in [("ann", "demo", true), ("admin", "admin", true), ("bob", "demo", false)] {
            let context = world.caller(user, project).await;
            let handle = context.secrets.put(token.value.clone());
            let answer = world.cloud.validate_token(&context, handle.clone()).await;
            if allowed {
                let info = answer.expect("shown");
                assert_eq!((info.user.name.as_str(), info.audit_ids), ("ann", token.info.audit_ids.clone()));
            } else {
                assert_code(answer, ErrorCode::Forbidden);
                assert_code(world.cloud.revoke_token(&context, handle).await, ErrorCode::Forbidden);
            }
        }
        assert_code(world.cloud.validate_token(&context(None), "x".to_owned()).await, ErrorCode::Unauthenticated);
        let ann = world.caller("ann", "demo").await;
        assert_invalid(world.cloud.validate_token(&ann, token.value).await, "subject");
    }
}

#[tokio::test]
async fn what_is_disabled_or_taken_away_ends_tokens_for_good() {
    for world in worlds().await {
        let admin = world.admin().await;
        let ann = world.new_user("ann", "member", "demo").await;
        let demo = world.project("demo").await;
        let token = async || world.login("ann", PASSWORD, in_project("demo")).await.expect("login").value;

        let first = token().await;
        for enabled in [false, true] {
            let write = wit::UserWrite { enabled: Some(enabled), ..user_write() };
            world.cloud.update_user(&admin, ann.id.clone(), write).await.expect("user");
            assert!(!world.is_valid(&first).await, "user, enabled: {enabled}");
        }
        let second = token().await;
        for enabled in [false, true] {
            let write = wit::ProjectWrite { name: None, enabled: Some(enabled), ..project_write("") };
            world.cloud.update_project(&admin, demo.id.clone(), write).await.expect("project");
            assert!(!world.is_valid(&second).await, "project, enabled: {enabled}");
        }
        let third = token().await;
        let (role, target) = (world.role("member").await, wit::Target::Project(demo.id.clone()));
        world.cloud.revoke_role(&admin, role.clone(), ann.id.clone(), target.clone()).await.expect("revoke");
        assert!(!world.is_valid(&third).await, "role");
        world.cloud.grant_role(&admin, role, ann.id.clone(), target).await.expect("grant");
        let fourth = token().await;
        let write = wit::UserWrite { password: Some(Some(admin.secrets.put("other"))), ..user_write() };
        world.cloud.update_user(&admin, ann.id.clone(), write).await.expect("password");
        assert!(!world.is_valid(&fourth).await, "password");
        let fifth = world.login("ann", "other", in_project("demo")).await.expect("login").value;
        // Without a password nobody logs in any more; who did stays.
        let write = wit::UserWrite { password: Some(None), ..user_write() };
        world.cloud.update_user(&admin, ann.id.clone(), write).await.expect("no password");
        for password in ["other", ""] {
            let answer = world.login("ann", password, in_project("demo")).await.map(drop);
            assert_code(answer, ErrorCode::Unauthenticated);
        }
        assert!(world.is_valid(&fifth).await, "no password");
        world.cloud.delete_user(&admin, ann.id.clone()).await.expect("delete");
        assert!(!world.is_valid(&fifth).await, "deleted");
        assert_code(world.cloud.delete_user(&admin, ann.id).await, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn a_disabled_domain_ends_all_tokens_in_it() {
    for world in worlds().await {
        let admin = world.admin().await;
        let domain = world.cloud.create_domain(&admin, domain_write("east")).await.expect("domain");
        let write = wit::ProjectWrite { domain_id: Some(domain.id.clone()), ..project_write("there") };
        let project = world.cloud.create_project(&admin, write).await.expect("project");
        let admin_id = admin.caller().expect("caller").user.id.clone();
        let target = wit::Target::Project(project.id.clone());
        world.cloud.grant_role(&admin, world.role("member").await, admin_id, target).await.expect("grant");
        let scope = wit::ScopeRequest::Project(wit::NamedRef { id: Some(project.id), name: None, domain: None });
        let token = world.login("admin", PASSWORD, scope.clone()).await.expect("login").value;
        assert!(world.is_valid(&token).await);
        let write = wit::DomainWrite { name: None, enabled: Some(false), ..domain_write("") };
        world.cloud.update_domain(&admin, domain.id, write).await.expect("disable");
        assert!(!world.is_valid(&token).await);
        assert_code(world.login("admin", PASSWORD, scope).await.map(drop), ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn the_catalogue_is_filled_for_the_scope() {
    for world in worlds().await {
        let endpoint = |id: &str, url: &str| wit::Endpoint {
            id: id.to_owned(),
            interface: "public".to_owned(),
            url: url.to_owned(),
            region: "RegionOne".to_owned(),
        };
        world.cloud.identity.set_catalog(vec![wit::Service {
            id: "s".to_owned(),
            kind: "compute".to_owned(),
            name: "compute".to_owned(),
            endpoints: vec![endpoint("a", "http://c/v1/{project_id}"), endpoint("b", "http://c/v2")],
        }]);
        let demo = world.project("demo").await;
        let token = world.login("admin", PASSWORD, in_project("demo")).await.expect("login");
        let urls: Vec<&str> = token.info.catalog[0].endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
        assert_eq!(urls, [format!("http://c/v1/{}", demo.id).as_str(), "http://c/v2"]);
        let token = world.login("admin", PASSWORD, wit::ScopeRequest::System).await.expect("login");
        assert_eq!(token.info.catalog[0].endpoints.len(), 1, "an endpoint without its project is left out");
        let token = world.login("admin", PASSWORD, wit::ScopeRequest::Unscoped).await.expect("login");
        assert!(token.info.catalog.is_empty());
        assert_code(world.cloud.catalog(&context(None), None).await, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn who_guesses_tokens_waits_for_others_who_do_and_no_caller_waits_for_them() {
    for world in worlds().await {
        let token = world.login("admin", PASSWORD, in_project("admin")).await.expect("login").value;
        let lane = &world.cloud.identity.sessions.strangers;
        let taken = lane.acquire_many(lane.available_permits() as u32).await.expect("all turns of strangers");
        assert!(world.is_valid(&token).await, "a token that was just made");
        world.cloud.identity.sessions.forget_all();
        assert!(world.is_valid(&token).await, "one that has to be looked up again");
        let mut guess = std::pin::pin!(world.cloud.identity.caller_of_token("guess"));
        assert!(guess.as_mut().now_or_never().is_none());
        drop(taken);
        assert_eq!(guess.await.expect_err("a guess").code, ErrorCode::Unauthenticated);
    }
}
