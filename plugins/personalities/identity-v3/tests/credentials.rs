//! Credentials of the type ec2: the core's access keys in upstream's two forms.

use crate::support::{call, fault, handle, ok};
use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{AccessKey, AccessKeyCreate, AccessKeyMade, AccessKeyPage};
use skyloom_sdk::conditions::is;
use skyloom_sdk::testing::{FakeCloud, Seen, error, not_found};
use skyloom_sdk::{Condition, ErrorCode};

const BASE: &str = "http://cloud.test/identity";

fn key(id: &str, user: &str) -> AccessKey {
    AccessKey { id: id.to_owned(), user_id: user.to_owned(), project_id: "p".to_owned(), created_at: 1 }
}

/// The user of a test's request.
fn own() -> String {
    call("x", "GET", "/").build().caller.expect("a caller").user_id
}

/// A core that makes keys; what it was asked for.
fn making() -> (FakeCloud, Seen<AccessKeyCreate>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let seen_by_fake: Seen<AccessKeyCreate> = seen.clone();
    cloud.identity.create_access_key = Some(Box::new(move |create| {
        seen_by_fake.push(create.clone());
        Ok(AccessKeyMade { key: key("k", create.user_id.as_deref().unwrap_or("u")), secret: "secret:made".to_owned() })
    }));
    (cloud, seen)
}

/// A core that has these keys; the conditions that it was asked with.
fn having(keys: Vec<AccessKey>) -> (FakeCloud, Seen<Vec<Condition>>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let seen_by_fake: Seen<Vec<Condition>> = seen.clone();
    let all = keys.clone();
    cloud.identity.list_access_keys = Some(Box::new(move |conditions, _| {
        seen_by_fake.push(conditions.to_vec());
        Ok(AccessKeyPage { keys: all.clone(), next: None })
    }));
    cloud.identity.get_access_key = Some(Box::new(move |id| {
        keys.iter().find(|key| key.id == id).cloned().ok_or_else(|| not_found("credential", id))
    }));
    cloud.identity.delete_access_key = Some(Box::new(|_| Ok(())));
    (cloud, seen)
}

fn ec2(id: &str, user: &str, secret: &Value) -> Value {
    json!({
        "access": id, "secret": secret, "user_id": user, "tenant_id": "p", "trust_id": null,
        "links": {"self": format!("{BASE}/v3/users/{user}/credentials/OS-EC2/{id}")},
    })
}

fn credential(id: &str, user: &str) -> Value {
    json!({
        "id": id, "type": "ec2", "user_id": user, "project_id": "p",
        "blob": json!({"access": id, "secret": null}).to_string(),
        "links": {"self": format!("{BASE}/v3/credentials/{id}")},
    })
}

#[test]
fn a_pair_is_made_for_the_user_of_the_path() {
    let (cloud, seen) = making();
    for (body, project) in
        [(json!({"tenant_id": "p"}), Some("p")), (json!({"tenant_id": null}), None), (json!({}), None)]
    {
        let request = call("ec2-credentials.create", "POST", "/v3/users/u/credentials/OS-EC2");
        let response = handle(&cloud, request.param("user_id", &own()).body(&body).build());
        let made = ok(&response, 201);
        assert_eq!(made, json!({"credential": ec2("k", &own(), &json!("secret:made"))}));
        let asked = seen.all().pop().expect("a call");
        assert_eq!((asked.user_id, asked.project_id.as_deref(), asked.pair), (Some(own()), project, None));
    }
    let request =
        call("ec2-credentials.create", "POST", "/v3/users/other/credentials/OS-EC2").param("user_id", "other");
    let mut cloud = cloud;
    cloud.identity.get_user = Some(Box::new(|id| Err(not_found("user", id))));
    let response = handle(&cloud, request.body(&json!({})).build());
    assert_eq!(fault(&response), (404, "Could not find user: other.".to_owned()));
}

#[test]
fn a_pair_may_be_brought_along() {
    let (cloud, seen) = making();
    let create = |credential: Value| {
        let request = call("credentials.create", "POST", "/v3/credentials").body(&json!({ "credential": credential }));
        handle(&cloud, request.build())
    };
    let whole = json!({"type": "ec2", "blob": "secret:blob", "user_id": "u", "project_id": "p"});
    let mut expected = credential("k", "u");
    expected["blob"] = json!("secret:blob");
    assert_eq!(ok(&create(whole.clone()), 201), json!({ "credential": expected }), "the blob as it came");
    let asked = seen.only();
    assert_eq!(asked.pair.as_deref(), Some("secret:blob"));
    assert_eq!((asked.user_id.as_deref(), asked.project_id.as_deref()), (Some("u"), Some("p")));
    let without = |name: &str| {
        let mut less = whole.clone();
        less.as_object_mut().expect("an object").remove(name);
        less
    };
    let needs = "'project_id' is a required property".to_owned();
    assert_eq!(fault(&create(without("project_id"))), (400, needs));
    assert_eq!(fault(&create(without("blob"))).0, 400);
    let mut cert = whole.clone();
    cert["type"] = json!("cert");
    let said = "The action you have requested has not been implemented: a credential of the type cert.".to_owned();
    assert_eq!(fault(&create(cert)), (501, said));
    assert_eq!(seen.all().len(), 1);
}

#[test]
fn lists_and_shows_tell_no_secret() {
    let (cloud, seen) = having(vec![key("a", "u"), key("b", &own())]);
    let body = ok(&handle(&cloud, call("credentials.list", "GET", "/v3/credentials").build()), 200);
    assert_eq!(body["credentials"], json!([credential("a", "u"), credential("b", &own())]));
    let request = call("credentials.list", "GET", "/v3/credentials").query("user_id", "u").query("type", "ec2");
    ok(&handle(&cloud, request.build()), 200);
    let request = call("credentials.list", "GET", "/v3/credentials").query("type", "totp");
    assert_eq!(ok(&handle(&cloud, request.build()), 200)["credentials"], json!([]), "there is no other type");
    let request = call("ec2-credentials.list", "GET", "/v3/users/u/credentials/OS-EC2").param("user_id", &own());
    let body = ok(&handle(&cloud, request.build()), 200);
    assert_eq!(body["credentials"][0], ec2("a", "u", &Value::Null));
    let asked: Vec<Vec<String>> =
        seen.all().into_iter().map(|all| all.into_iter().flat_map(|condition| condition.values).collect()).collect();
    assert_eq!(asked, [vec![], vec!["u".to_owned()], vec![own()]]);
    assert_eq!(is("user-id", "u").field, "user-id");
    let show = call("credentials.show", "GET", "/v3/credentials/a").param("credential_id", "a");
    assert_eq!(ok(&handle(&cloud, show.build()), 200), json!({"credential": credential("a", "u")}));
    let show = call("credentials.show", "GET", "/v3/credentials/c").param("credential_id", "c");
    assert_eq!(fault(&handle(&cloud, show.build())), (404, "Could not find credential: c.".to_owned()));
}

#[test]
fn a_key_below_another_user_is_not_there() {
    let (cloud, _) = having(vec![key("a", "u"), key("b", "v")]);
    for (operation, method) in [("ec2-credentials.show", "GET"), ("ec2-credentials.delete", "DELETE")] {
        let ask = |id: &str| {
            let request = call(operation, method, "/v3/users/u/credentials/OS-EC2/x");
            handle(&cloud, request.param("user_id", "u").param("credential_id", id).build())
        };
        assert!(ask("a").status < 300, "{operation}");
        assert_eq!(fault(&ask("b")), (404, "Could not find credential: b.".to_owned()), "{operation}");
        assert_eq!(fault(&ask("c")).0, 404, "{operation}");
    }
    let delete = call("credentials.delete", "DELETE", "/v3/credentials/a").param("credential_id", "a");
    assert_eq!(handle(&cloud, delete.build()).status, 204);
}

#[test]
fn what_the_core_refuses_is_told() {
    for (code, status) in [(ErrorCode::QuotaExceeded, 403), (ErrorCode::AlreadyExists, 409), (ErrorCode::Invalid, 400)]
    {
        let mut cloud = FakeCloud::default();
        let answer = code.clone();
        cloud.identity.create_access_key = Some(Box::new(move |_| Err(error(answer.clone(), "what is wrong"))));
        let request = call("ec2-credentials.create", "POST", "/v3/users/u/credentials/OS-EC2").param("user_id", &own());
        assert_eq!(fault(&handle(&cloud, request.body(&json!({})).build())), (status, "what is wrong".to_owned()));
    }
}
