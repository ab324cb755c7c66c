//! Access keys: who makes them, whom they stand for, and that it ends at once.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use ring::hmac;
use skyloom_store::args;

use super::*;
use crate::identity::{REVOCATION_BOUND, SigningKey};

fn create() -> wit::AccessKeyCreate {
    wit::AccessKeyCreate { user_id: None, project_id: None, pair: None }
}

fn mac(secret: &str, message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message).as_ref().to_vec()
}

impl World {
    /// A new key of the caller, and its secret.
    async fn new_key(&self, context: &Arc<CallContext>) -> (wit::AccessKey, String) {
        let made = self.cloud.create_access_key(context, create()).await.expect("a key");
        let secret = context.secrets.get(&made.secret).expect("the secret").to_string();
        (made.key, secret)
    }

    async fn key(&self, id: &str) -> Result<Arc<SigningKey>> {
        self.cloud.identity.signing_key(id).await
    }

    async fn is_key(&self, id: &str) -> bool {
        match self.key(id).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::Unauthenticated, "{}", error.for_log());
                false
            }
        }
    }

    async fn ids(&self, context: &Arc<CallContext>, conditions: Vec<wit::Condition>) -> Vec<String> {
        let found = self.cloud.list_access_keys(context, conditions, page()).await.expect("keys");
        found.keys.into_iter().map(|key| key.id).collect()
    }
}

#[tokio::test]
async fn a_key_stands_for_its_user_in_the_project_of_its_making() {
    for world in worlds().await {
        let user = world.new_user("ann", "member", "demo").await;
        let ann = world.caller("ann", "demo").await;
        let (key, secret) = world.new_key(&ann).await;
        assert_eq!((&key.user_id, Some(key.project_id.as_str())), (&user.id, ann.caller().unwrap().project_id()));
        let found = world.key(&key.id).await.expect("the key");
        assert_eq!(&found.caller, ann.caller().unwrap(), "as a token's");
        assert!(found.verifies(b"message", &mac(&secret, b"message")));
        for (message, signature) in [
            (&b"another"[..], mac(&secret, b"message")),
            (b"message", mac("another", b"message")),
            (b"message", mac(&secret, b"message")[1..].to_vec()),
            (b"message", Vec::new()),
        ] {
            assert!(!found.verifies(message, &signature));
        }
        for unknown in ["", "nobodys-key", &key.id[1..], &format!("{}x", key.id), &"x".repeat(100), "a b c d e f"] {
            assert!(!world.is_key(unknown).await, "{unknown}");
        }
    }
}

#[tokio::test]
async fn a_secret_lies_sealed_and_is_told_once() {
    for world in worlds().await {
        world.new_user("ann", "member", "demo").await;
        let ann = world.caller("ann", "demo").await;
        let (key, secret) = world.new_key(&ann).await;
        let mut conn = world.database.db.read().await.expect("read");
        let read = "SELECT secret FROM access_keys WHERE id = $1";
        let sealed = conn.one(read, args![&key.id], |row| row.text(0)).await.expect("the secret");
        assert!(!sealed.contains(&secret) && sealed.len() > secret.len());
        drop(conn);
        // It opens for its own row alone.
        let (other, _) = world.new_key(&ann).await;
        let mut tx = world.database.db.begin().await.expect("begin");
        let forge = "UPDATE access_keys SET secret = $1 WHERE id = $2";
        tx.execute(forge, args![&sealed, &other.id]).await.expect("update");
        tx.commit().await.expect("commit");
        assert!(world.is_key(&key.id).await);
        let error = world.key(&other.id).await.expect_err("another's secret");
        assert_eq!(error.code, ErrorCode::Internal);
        assert!(!error.message.contains("key"), "for the operator only: {}", error.message);
    }
}

#[tokio::test]
async fn a_pair_may_be_brought_along() {
    for world in worlds().await {
        world.new_user("ann", "member", "demo").await;
        let ann = world.caller("ann", "demo").await;
        let bring = async |text: &str| {
            let pair = Some(ann.secrets.put(text));
            world.cloud.create_access_key(&ann, wit::AccessKeyCreate { pair, ..create() }).await
        };
        let made = bring(r#"{"access": "my-own-key", "secret": "sixteen letters!", "trust_id": null}"#).await;
        assert_invalid(made, "pair");
        let made =
            bring(r#"{"access": "my-own-key", "secret": "sixteen-letters!", "trust_id": null}"#).await.expect("a key");
        assert_eq!(made.key.id, "my-own-key");
        let found = world.key("my-own-key").await.expect("the key");
        assert!(found.verifies(b"m", &mac("sixteen-letters!", b"m")));
        let good = r#"{"access": "another-key", "secret": "sixteen-letters!"}"#;
        for wrong in [
            "x".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            good.replace("access", "acces"),
            good.replace("\"another-key\"", "1"),
            good.replace("another-key", "another"),
            good.replace("another-key", "another/key"),
            good.replace("another-key", &"x".repeat(65)),
            good.replace("sixteen-letters!", "fifteen-letters"),
            good.replace("sixteen-letters!", &"x".repeat(129)),
            good.replace('{', r#"{"trust_id": "t", "#),
        ] {
            assert_invalid(bring(&wrong).await, "pair");
        }
        assert_code(bring(&good.replace("another-key", "my-own-key")).await, ErrorCode::AlreadyExists);
        let no_handle = wit::AccessKeyCreate { pair: Some(good.to_owned()), ..create() };
        assert_invalid(world.cloud.create_access_key(&ann, no_handle).await, "pair");
    }
}

#[tokio::test]
async fn a_key_is_made_by_its_user_for_the_project_of_the_token_or_by_an_operator() {
    for world in worlds().await {
        let (ann, bob) = (world.new_user("ann", "member", "demo").await, world.new_user("bob", "member", "demo").await);
        let target = wit::Target::Project(world.project("admin").await.id);
        let admin = world.admin().await;
        world.cloud.grant_role(&admin, world.role("member").await, ann.id.clone(), target).await.expect("grant");
        let (demo, other) = (world.project("demo").await.id, world.project("admin").await.id);
        let member = world.caller("ann", "demo").await;
        let ask = async |context: &Arc<CallContext>, user: &str, project: &str| {
            let create = wit::AccessKeyCreate {
                user_id: Some(user.to_owned()),
                project_id: Some(project.to_owned()),
                pair: None,
            };
            world.cloud.create_access_key(context, create).await.map(|made| made.key.id)
        };
        let own = ask(&member, &ann.id, &demo).await.expect("an own key");
        assert_code(ask(&member, &bob.id, &demo).await, ErrorCode::Forbidden);
        assert_code(ask(&member, &ann.id, &other).await, ErrorCode::Forbidden);
        let token = world.login("ann", PASSWORD, wit::ScopeRequest::Unscoped).await.expect("login").value;
        let nowhere = context(Some(world.cloud.identity.caller_of_token(&token).await.expect("caller")));
        assert_invalid(world.cloud.create_access_key(&nowhere, create()).await, "project-id");
        assert_code(ask(&nowhere, &ann.id, &demo).await, ErrorCode::Forbidden);
        assert_code(world.cloud.create_access_key(&context(None), create()).await, ErrorCode::Unauthenticated);
        let given = ask(&admin, &bob.id, &demo).await.expect("another's");
        assert_invalid(ask(&admin, &bob.id, &other).await, "project-id");
        assert_code(ask(&admin, "nobody", &demo).await, ErrorCode::NotFound);
        assert_code(ask(&admin, &bob.id, "nowhere").await, ErrorCode::NotFound);
        // Who sees and removes which.
        assert_eq!(world.ids(&member, Vec::new()).await, [own.as_str()]);
        let of = |user: &str| vec![asked("user-id", "any-of", &[user])];
        assert_eq!(world.ids(&member, of(&ann.id)).await, [own.as_str()]);
        assert_code(world.cloud.list_access_keys(&member, of(&bob.id), page()).await, ErrorCode::Forbidden);
        assert_eq!(world.ids(&admin, of(&bob.id)).await, [given.as_str()]);
        assert_eq!(world.ids(&admin, Vec::new()).await.len(), 2);
        assert_code(world.cloud.get_access_key(&member, given.clone()).await, ErrorCode::NotFound);
        assert_code(world.cloud.delete_access_key(&member, given.clone()).await, ErrorCode::NotFound);
        assert_eq!(world.cloud.get_access_key(&admin, given.clone()).await.expect("the key").user_id, bob.id);
        world.cloud.delete_access_key(&admin, given.clone()).await.expect("delete");
        assert_code(world.cloud.delete_access_key(&admin, given).await, ErrorCode::NotFound);
        world.cloud.delete_access_key(&member, own).await.expect("delete");
        assert!(world.ids(&admin, Vec::new()).await.is_empty());
    }
}

#[tokio::test]
async fn a_user_has_so_many_keys_and_no_more() {
    for world in worlds_with(Settings { access_keys_per_user: 2, ..settings() }).await {
        for name in ["ann", "bob"] {
            world.new_user(name, "member", "demo").await;
        }
        let (ann, bob) = (world.caller("ann", "demo").await, world.caller("bob", "demo").await);
        let (first, _) = world.new_key(&ann).await;
        let all = futures_util::future::join_all((0..3).map(|_| world.cloud.create_access_key(&ann, create()))).await;
        assert_eq!(all.iter().filter(|made| made.is_ok()).count(), 1, "{}", world.database.name);
        assert_code(world.cloud.create_access_key(&ann, create()).await, ErrorCode::QuotaExceeded);
        world.new_key(&bob).await;
        world.cloud.delete_access_key(&ann, first.id).await.expect("delete");
        world.new_key(&ann).await;
    }
}

/// What ends a key, and what brings it back where that can be.
#[tokio::test]
async fn a_key_ends_with_its_user_project_role_or_by_itself_at_once() {
    for world in worlds().await {
        let admin = world.admin().await;
        let project = world.cloud.create_project(&admin, project_write("keys")).await.expect("project");
        let user = world.new_user("ann", "member", "keys").await;
        let ann = world.caller("ann", "keys").await;
        let (key, _) = world.new_key(&ann).await;
        let (member, target) = (world.role("member").await, wit::Target::Project(project.id.clone()));
        assert!(world.is_key(&key.id).await);
        for enabled in [false, true] {
            let write = wit::UserWrite { enabled: Some(enabled), ..user_write() };
            world.cloud.update_user(&admin, user.id.clone(), write).await.expect("user");
            assert_eq!(world.is_key(&key.id).await, enabled, "a disabled user");
        }
        for enabled in [false, true] {
            let write = wit::ProjectWrite { name: None, enabled: Some(enabled), ..project_write("") };
            world.cloud.update_project(&admin, project.id.clone(), write).await.expect("project");
            assert_eq!(world.is_key(&key.id).await, enabled, "a disabled project");
        }
        let (user_id, role) = (user.id.clone(), member.clone());
        world.cloud.revoke_role(&admin, role.clone(), user_id.clone(), target.clone()).await.expect("revoke");
        assert!(!world.is_key(&key.id).await, "a role that is gone");
        world.cloud.grant_role(&admin, role, user_id, target).await.expect("grant");
        assert!(world.is_key(&key.id).await);
        let ann = world.caller("ann", "keys").await;
        let (second, _) = world.new_key(&ann).await;
        assert!(world.is_key(&second.id).await);
        world.cloud.delete_access_key(&ann, second.id.clone()).await.expect("delete");
        assert!(!world.is_key(&second.id).await, "a key that is gone");
        world.cloud.delete_user(&admin, user.id).await.expect("delete");
        assert!(!world.is_key(&key.id).await, "a user who is gone");
    }
}

#[tokio::test]
async fn what_ends_a_key_is_soon_known_elsewhere() {
    for world in worlds().await {
        let admin = world.admin().await;
        let (key, _) = world.new_key(&admin).await;
        // The same deployment's key seals there, too.
        let settings = crate::Settings {
            identity: settings(),
            sealer: world.cloud.sealer().clone(),
            ..crate::Settings::default()
        };
        let elsewhere = Cloud::new(world.database.db.clone(), settings).expect("a cloud");
        assert!(elsewhere.identity.signing_key(&key.id).await.is_ok());
        world.cloud.delete_access_key(&admin, key.id.clone()).await.expect("delete");
        let start = Instant::now();
        while elsewhere.identity.signing_key(&key.id).await.is_ok() {
            assert!(start.elapsed() < REVOCATION_BOUND + Duration::from_secs(2), "never refused");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn who_guesses_keys_waits_for_others_who_do_and_no_caller_waits_for_them() {
    for world in worlds().await {
        let (key, _) = world.new_key(&world.admin().await).await;
        assert!(world.is_key(&key.id).await);
        let lane = &world.cloud.identity.sessions.strangers;
        let taken = lane.acquire_many(lane.available_permits() as u32).await.expect("all turns of strangers");
        world.cloud.identity.sessions.forget_all();
        assert!(world.is_key(&key.id).await, "one that has to be looked up again");
        let mut guess = std::pin::pin!(world.cloud.identity.signing_key("a-guessed-key"));
        assert!(guess.as_mut().now_or_never().is_none());
        assert!(!world.is_key("no").await, "what no key is called needs no look");
        drop(taken);
        assert_eq!(guess.await.expect_err("a guess").code, ErrorCode::Unauthenticated);
    }
}
