//! Key pairs.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::keypairs::{KeyKind, Keypair, KeypairCreate, KeypairPage};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, invalid, not_found};
use skyloom_sdk::{ErrorCode, rule};

fn own_keypair(private: bool) -> Keypair {
    Keypair {
        public_key: "ssh-ed25519 AAAA".to_owned(),
        private_key: private.then(|| "secret:9".to_owned()),
        ..keypair("key", 0)
    }
}

fn with_keypairs() -> (FakeCloud, Seen<KeypairCreate>, Seen<Option<String>>) {
    let (seen, users) = (Seen::default(), Seen::default());
    let mut cloud = FakeCloud::default();
    let keep = users.clone();
    cloud.keypairs.list_keypairs = Some(Box::new(move |user, page| {
        keep.push(user.map(str::to_owned));
        Ok(KeypairPage { keypairs: vec![own_keypair(false)], next: (page.limit == 1).then(|| "key".to_owned()) })
    }));
    cloud.keypairs.get_keypair =
        Some(Box::new(|name, _| if name == "key" { Ok(own_keypair(false)) } else { Err(not_found("keypair", name)) }));
    let keep = seen.clone();
    cloud.keypairs.create_keypair = Some(Box::new(move |create| {
        keep.push(create.clone());
        Ok(own_keypair(create.public_key.is_none()))
    }));
    cloud.keypairs.delete_keypair =
        Some(Box::new(|name, _| if name == "key" { Ok(()) } else { Err(not_found("keypair", name)) }));
    (cloud, seen, users)
}

const KEYPAIRS: &str = "/v2.1/os-keypairs";

#[test]
fn key_pairs_are_listed_and_shown() {
    let (cloud, _, users) = with_keypairs();
    let list = |version| Call::new("keypairs.list", "GET", KEYPAIRS).version(2, version);
    let plain = json!({"name": "key", "public_key": "ssh-ed25519 AAAA", "fingerprint": "aa:bb"});
    assert_eq!(ask(&cloud, ecs(), list(1).query("limit", "1")).1, json!({"keypairs": [{"keypair": plain}]}));
    assert_eq!(ask(&cloud, ecs(), list(2)).1["keypairs"][0]["keypair"]["type"], "ssh");
    let (_, body) = ask(&cloud, upstream(), list(35).query("limit", "1").query("user_id", "other"));
    assert_eq!(
        body["keypairs_links"][0]["href"],
        "http://cloud.test/v2.1/os-keypairs?limit=1&user_id=other&marker=key"
    );
    assert_eq!(ask(&cloud, upstream(), list(9).query("user_id", "other")).0, 200);
    // In the vendor's document nobody sees another's.
    assert_eq!(ask(&cloud, ecs(), list(35).query("user_id", "other").admin()).0, 200);
    assert_eq!(users.all(), [None, None, Some("other".to_owned()), None, None]);
    let show = |name: &str| Call::new("keypairs.show", "GET", KEYPAIRS).param("keypair_name", name);
    let (_, body) = ask(&cloud, ecs(), show("key"));
    let shown = &body["keypair"];
    assert_eq!(
        (&shown["created_at"], &shown["deleted"], &shown["user_id"]),
        (&json!("2026-01-31T12:00:00.500000"), &json!(false), &json!("user-1"))
    );
    assert!(shown["id"].as_u64().is_some_and(|id| id > 0) && shown.get("type").is_none());
    assert_eq!(ask(&cloud, ecs(), show("key").version(2, 2)).1["keypair"]["type"], "ssh");
    assert_eq!(refused(&cloud, ecs(), show("q"), 404), "Keypair q not found for user user-1");
    rule!("nova.keypairs.list", "fda28b0a");
    rule!("nova.keypairs.show", "fda28b0a");
}

#[test]
fn key_pairs_are_made_once_and_deleted() {
    let (mut cloud, seen, _) = with_keypairs();
    let create =
        |version, body: Value| post("keypairs.create", KEYPAIRS, &json!({ "keypair": body })).version(2, version);
    let (status, body) = ask(&cloud, ecs(), create(1, json!({ "name": "key" })));
    assert_eq!((status, &body["keypair"]["private_key"]), (200, &json!("secret:9")));
    let (status, body) = ask(
        &cloud,
        ecs(),
        create(10, json!({ "name": "key", "public_key": "ssh-rsa A", "type": "ssh", "user_id": "u" })),
    );
    assert_eq!(status, 201);
    assert!(body["keypair"].get("private_key").is_none());
    let made = &seen.all()[1];
    assert_eq!(
        (made.public_key.as_deref(), made.kind, made.user_id.as_deref()),
        (Some("ssh-rsa A"), KeyKind::Ssh, Some("u"))
    );
    let certificate = create(2, json!({ "name": "key", "type": "x509" }));
    assert!(refused(&cloud, upstream(), certificate, 400).contains("not supported"));
    refused(&cloud, ecs(), create(1, json!({ "name": "key", "type": "ssh" })), 400);
    refused(&cloud, ecs(), create(9, json!({ "name": "key", "user_id": "u" })), 400);
    refused(&cloud, upstream(), create(92, json!({ "name": "key" })), 400);
    for (version, name, fine) in [
        (1, "a@b.c", false),
        (92, "a@b.c", true),
        (1, "a b_-", true),
        (1, "a/b", false),
        (1, "", false),
        (1, " a", false),
    ] {
        let (status, _) = ask(&cloud, upstream(), create(version, json!({ "name": name, "public_key": "ssh-rsa A" })));
        assert_eq!(status < 400, fine, "{name}");
    }
    let delete = |name: &str, version| {
        Call::new("keypairs.delete", "DELETE", KEYPAIRS).param("keypair_name", name).version(2, version)
    };
    assert_eq!((ask(&cloud, ecs(), delete("key", 1)).0, ask(&cloud, ecs(), delete("key", 2)).0), (202, 204));
    refused(&cloud, ecs(), delete("q", 1), 404);
    cloud.keypairs.create_keypair = Some(Box::new(|_| Err(error(ErrorCode::AlreadyExists, "exists"))));
    assert_eq!(refused(&cloud, ecs(), create(1, json!({ "name": "key" })), 409), "Key pair 'key' already exists.");
    cloud.keypairs.create_keypair = Some(Box::new(|_| Err(invalid("public-key", "no key"))));
    refused(&cloud, ecs(), create(1, json!({ "name": "key", "public_key": "x" })), 400);
    rule!("nova.keypairs.create", "f667f018", "de56eb42", "f81913e4", "03690b4b");
    rule!("nova.keypairs.delete", "7b326e33");
}

/// `/v2` cuts blanks at the ends, `/v2.1` refuses them; within a name they stand as they are.
#[test]
fn blanks_in_names() {
    let (cloud, created, _) = with_keypairs();
    let ask_for = |path: &str, name: &str| {
        let body = json!({ "keypair": { "name": name } });
        let it = Call::new("keypairs.create", "POST", path).body(&body).version(2, 1);
        let fits = name.trim() == name;
        let pattern = json!(r"^$|^\S(.*\S)?$");
        let it = if fits { it } else { it.violation_of("/keypair/name", "pattern", "no match", &pattern) };
        ask(&cloud, upstream(), it)
    };
    for (path, name, made) in [
        ("/v2.1/os-keypairs", "a  b", "a  b"),
        ("/v2/os-keypairs", "a  b", "a  b"),
        ("/v2/os-keypairs", " a  b ", "a  b"),
    ] {
        assert_eq!(ask_for(path, name).0, 200, "{path} {name}");
        assert_eq!(created.all().pop().unwrap().name, made);
    }
    let (status, body) = ask_for("/v2.1/os-keypairs", " a");
    assert_eq!(status, 400);
    assert_eq!(
        body["badRequest"]["message"],
        "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace."
    );
    assert_eq!(ask_for("/v2/os-keypairs", "  ").0, 400, "nothing is left");
}
