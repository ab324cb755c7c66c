//! Attributes that upstream doesn't know: kept on creation and update, shown wherever the resource is.

use crate::support::{call, domain, fault, handle, ok, project, role, user};
use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Domain, DomainPage, Project, ProjectPage, Role, RolePage, User, UserPage};
use skyloom_sdk::testing::{FakeCloud, Seen, error};
use skyloom_sdk::{Error, ErrorCode, Response};

/// What the core has of each resource.
const KEPT: &str = r#"{"floor": {"deep": [1, null]}, "gone": null, "name": "hidden", "email": "a@example.org"}"#;

/// A core that shows [`KEPT`] of each resource, and what it was given to keep.
fn keeping() -> (FakeCloud, Seen<Option<String>>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::<Option<String>>::default());
    macro_rules! keep {
        ($($create:ident $update:ident $get:ident $type:ident $make:ident;)*) => {$(
            let made = || $type { extra: KEPT.to_owned(), ..$make("x") };
            let (created, updated) = (seen.clone(), seen.clone());
            cloud.identity.$create = Some(Box::new(move |write| {
                created.push(write.extra.clone());
                Ok(made())
            }));
            cloud.identity.$update = Some(Box::new(move |_, write| {
                updated.push(write.extra.clone());
                Ok(made())
            }));
            cloud.identity.$get = Some(Box::new(move |_| Ok(made())));
        )*};
    }
    keep! {
        create_domain update_domain get_domain Domain domain;
        create_project update_project get_project Project project;
        create_user update_user get_user User user;
        create_role update_role get_role Role role;
    }
    cloud.identity.list_domains = Some(Box::new(|_, _| {
        Ok(DomainPage { domains: vec![Domain { extra: KEPT.to_owned(), ..domain("x") }], next: None })
    }));
    cloud.identity.list_projects = Some(Box::new(|_, _| {
        Ok(ProjectPage { projects: vec![Project { extra: KEPT.to_owned(), ..project("x") }], next: None })
    }));
    cloud.identity.list_users =
        Some(Box::new(|_, _| Ok(UserPage { users: vec![User { extra: KEPT.to_owned(), ..user("x") }], next: None })));
    cloud.identity.list_roles =
        Some(Box::new(|_, _| Ok(RolePage { roles: vec![Role { extra: KEPT.to_owned(), ..role("x") }], next: None })));
    (cloud, seen)
}

const KINDS: [&str; 4] = ["domain", "project", "user", "role"];

fn send(cloud: &FakeCloud, kind: &str, what: &str, body: Option<&Value>) -> Response {
    let (method, path) = match what {
        "create" => ("POST", format!("/v3/{kind}s")),
        "update" => ("PATCH", format!("/v3/{kind}s/x")),
        "list" => ("GET", format!("/v3/{kind}s")),
        _ => ("GET", format!("/v3/{kind}s/x")),
    };
    let mut request = call(&format!("{kind}s.{what}"), method, &path).param(&format!("{kind}_id"), "x");
    if let Some(body) = body {
        request = request.body(&json!({ kind: body }));
    }
    handle(cloud, request.build())
}

#[test]
fn what_is_unknown_is_given_to_the_core_as_it_is() {
    for kind in KINDS {
        let (cloud, seen) = keeping();
        let body = json!({"name": "x", "floor": {"deep": [1, null]}, "gone": null, "a-b:c": 1, "enabled-for": []});
        ok(&send(&cloud, kind, "create", Some(&body)), 201);
        ok(&send(&cloud, kind, "update", Some(&body)), 200);
        let seen: Vec<Value> = seen
            .all()
            .iter()
            .map(|extra| serde_json::from_str(extra.as_ref().expect("extra")).expect("JSON"))
            .collect();
        // Names are made fit for Python on creation only.
        let created = json!({"floor": {"deep": [1, null]}, "gone": null, "a_b_c": 1, "enabled_for": []});
        let updated = json!({"floor": {"deep": [1, null]}, "gone": null, "a-b:c": 1, "enabled-for": []});
        assert_eq!(seen, [created, updated], "{kind}");
    }
}

#[test]
fn what_the_server_makes_itself_is_not_kept() {
    for (kind, more) in [
        (
            "domain",
            json!({"enabled": true, "description": null, "domain_id": "d", "parent_id": null, "is_domain": true}),
        ),
        (
            "project",
            json!({"enabled": true, "description": null, "domain_id": "d", "parent_id": "d", "is_domain": false, "tags": []}),
        ),
        (
            "user",
            json!({"enabled": true, "domain_id": "d", "password": "secret:pw", "default_project_id": null,
            "original_password": "secret", "password_expires_at": "2030-01-01T00:00:00Z", "federated": [], "groups": [], "tenants": []}),
        ),
        ("role", json!({"description": null, "domain_id": null})),
    ] {
        let (cloud, seen) = keeping();
        let mut body =
            json!({"name": "x", "id": "x", "links": {"self": "http://elsewhere"}, "options": {}, "extra": {"a": 1}});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        ok(&send(&cloud, kind, "create", Some(&body)), 201);
        ok(&send(&cloud, kind, "update", Some(&body)), 200);
        assert_eq!(seen.all(), [None, None], "{kind}");
    }
}

#[test]
fn what_is_kept_stands_beside_what_is_known() {
    let (cloud, _) = keeping();
    for kind in KINDS {
        let list = ok(&send(&cloud, kind, "list", None), 200)[format!("{kind}s")][0].clone();
        for (what, status) in [("create", 201), ("update", 200), ("show", 200)] {
            let mut view = ok(&send(&cloud, kind, what, Some(&json!({"name": "x"}))), status)[kind].clone();
            let twice = view.as_object_mut().expect("an object").remove("extra");
            assert_eq!(twice.is_some(), what == "update" && (kind == "user" || kind == "project"), "{kind} {what}");
            assert_eq!(view, list, "{kind} {what}");
            assert_eq!(view["floor"], json!({"deep": [1, null]}));
            assert_eq!(view.get("gone"), Some(&Value::Null));
            assert_eq!((view["name"].as_str(), view["email"].as_str()), (Some("x"), Some("a@example.org")));
        }
    }
}

#[test]
fn an_id_in_an_update_is_that_of_the_resource() {
    let (cloud, _) = keeping();
    for kind in ["project", "user", "role"] {
        for id in [json!("y"), json!(1)] {
            let answer = send(&cloud, kind, "update", Some(&json!({"name": "x", "id": id})));
            assert_eq!(fault(&answer), (400, "Cannot change ID".to_owned()), "{kind} {id}");
        }
    }
    let answer = send(&cloud, "project", "update", Some(&json!({"is_domain": true})));
    assert_eq!(fault(&answer), (400, "Update of `is_domain` is not allowed.".to_owned()));
    let answer = send(&cloud, "user", "update", Some(&json!({"federated": [{"idp_id": "x", "protocols": []}]})));
    assert_eq!(fault(&answer).0, 501);
    for bad in [json!({"description": 1}), json!({"federated": 1})] {
        assert_eq!(fault(&send(&cloud, "user", "update", Some(&bad))).0, 400, "{bad}");
    }
}

#[test]
fn a_domain_has_tags_and_may_be_given_an_id() {
    let (mut cloud, seen) = keeping();
    let tags = json!({"name": "x", "tags": ["a"]});
    ok(&send(&cloud, "domain", "create", Some(&tags)), 201);
    assert_eq!(seen.only().as_deref(), Some(r#"{"tags":["a"]}"#));
    assert_eq!(fault(&send(&cloud, "domain", "update", Some(&json!({"tags": [1]})))).0, 400);
    let ids: Seen<Option<String>> = Seen::default();
    let given = ids.clone();
    cloud.identity.create_domain = Some(Box::new(move |write| {
        given.push(write.id.clone());
        let field = |code, field: &str| Error { field: Some(field.to_owned()), ..error(code, "what the core says") };
        match write.id.as_deref() {
            Some("bad") => Err(field(ErrorCode::Invalid, "id")),
            Some(id) => Err(Error {
                resource: Some(("domain".to_owned(), id.to_owned())),
                ..field(ErrorCode::AlreadyExists, "id")
            }),
            None => Ok(domain("x")),
        }
    }));
    let create = |id: &str| send(&cloud, "domain", "create", Some(&json!({"name": "x", "explicit_domain_id": id})));
    let (status, message) = fault(&create("bad"));
    assert!(status == 400 && message.contains("explicit_domain_id"), "{message}");
    let taken = "Conflict occurred attempting to store domain - Duplicate entry found with ID 0123.";
    assert_eq!(fault(&create("0123")), (409, taken.to_owned()));
    ok(&send(&cloud, "domain", "create", Some(&json!({"name": "x", "explicit_domain_id": null}))), 201);
    assert_eq!(ids.all(), [Some("bad".to_owned()), Some("0123".to_owned()), None]);
}

#[test]
fn a_place_that_is_not_there_is_a_fault_of_the_body_that_names_it() {
    let mut cloud = FakeCloud::default();
    cloud.identity.create_project = Some(Box::new(|_| Err(skyloom_sdk::testing::not_found("domain", "none"))));
    let answer = send(&cloud, "project", "create", Some(&json!({"name": "x", "domain_id": "none"})));
    assert_eq!(fault(&answer), (400, "Could not find domain: none.".to_owned()));
}
