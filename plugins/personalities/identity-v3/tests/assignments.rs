//! Who has which role where.

use crate::support::{call, domain, fault, handle, named, ok, placed, project, role, user};
use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{Assignment, AssignmentFilter, AssignmentPage, RolePage, Target};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, not_found};

const BASE: &str = "http://cloud.test/identity";

fn assignments() -> Vec<Assignment> {
    let one = |target: Target, name: &str, domain: Option<&str>| Assignment {
        role: named("member"),
        user: placed("ann"),
        target,
        target_name: name.to_owned(),
        target_domain: domain.map(named),
    };
    vec![
        one(Target::Project("p".to_owned()), "demo", Some("Default")),
        one(Target::Domain("d".to_owned()), "East", None),
        one(Target::System, "all", None),
    ]
}

/// Operation's prefix, path, parameter, target.
type Place = (&'static str, &'static str, Option<(&'static str, &'static str)>, Target);

/// The three places where a role can be granted.
fn places() -> [Place; 3] {
    [
        ("project-roles", "/v3/projects/p/users/u/roles", Some(("project_id", "p")), Target::Project("p".to_owned())),
        ("domain-roles", "/v3/domains/d/users/u/roles", Some(("domain_id", "d")), Target::Domain("d".to_owned())),
        ("system-roles", "/v3/system/users/u/roles", None, Target::System),
    ]
}

#[test]
fn grants_in_every_place() {
    for (prefix, path, param, target) in places() {
        let mut cloud = FakeCloud::default();
        let seen: Seen<(&str, String, String, Target)> = Seen::default();
        let (granted, revoked, asked) = (seen.clone(), seen.clone(), seen.clone());
        cloud.identity.grant_role = Some(Box::new(move |role, user, target| {
            granted.push(("grant", role.to_owned(), user.to_owned(), target.clone()));
            Ok(())
        }));
        cloud.identity.revoke_role = Some(Box::new(move |role, user, target| {
            revoked.push(("revoke", role.to_owned(), user.to_owned(), target.clone()));
            Ok(())
        }));
        cloud.identity.has_role = Some(Box::new(move |role, user, target| {
            asked.push(("check", role.to_owned(), user.to_owned(), target.clone()));
            Ok(role == "r")
        }));
        let send = |verb: &str, method: &str, role: &str| {
            let mut request = call(&format!("{prefix}.{verb}"), method, &format!("{path}/{role}"))
                .param("user_id", "u")
                .param("role_id", role);
            if let Some((name, value)) = param {
                request = request.param(name, value);
            }
            handle(&cloud, request.build())
        };
        for (verb, method) in [("grant", "PUT"), ("check", "GET"), ("revoke", "DELETE")] {
            assert_eq!(send(verb, method, "r").status, 204);
        }
        let expected = ["grant", "check", "revoke"].map(|verb| (verb, "r".to_owned(), "u".to_owned(), target.clone()));
        assert_eq!(seen.all(), expected);
        assert_eq!(fault(&send("check", "HEAD", "other")).0, 404);
    }
}

#[test]
fn the_roles_of_a_user_in_a_place() {
    for (prefix, path, param, target) in places() {
        let mut cloud = FakeCloud::default();
        cloud.identity.get_user = Some(Box::new(|_| Ok(user("ann"))));
        cloud.identity.get_project = Some(Box::new(|_| Ok(project("demo"))));
        cloud.identity.get_domain = Some(Box::new(|_| Ok(domain("east"))));
        cloud.identity.list_roles =
            Some(Box::new(|_, _| Ok(RolePage { roles: vec![role("admin"), role("member")], next: None })));
        // The core's filter knows no system, so it gives all three there; what it gives is looked at again.
        cloud.identity.list_assignments =
            Some(Box::new(|_, _| Ok(AssignmentPage { assignments: assignments(), next: None })));
        let request = call(&format!("{prefix}.list"), "GET", path).param("user_id", "u");
        let request = match param {
            Some((name, value)) => request.param(name, value),
            None => request,
        };
        let body = ok(&handle(&cloud, request.build()), 200);
        assert_eq!(body["roles"].as_array().map(Vec::len), Some(1), "{target:?}");
        assert_eq!(body["roles"][0]["name"], "member");
        cloud.identity.get_user = Some(Box::new(|id| Err(not_found("user", id))));
        let request = call(&format!("{prefix}.list"), "GET", path).param("user_id", "u").build();
        assert_eq!(fault(&handle(&cloud, request)), (404, "Could not find user: u.".to_owned()));
    }
}

fn list(filters: &[(&str, &str)]) -> (skyloom_sdk::Response, Vec<AssignmentFilter>) {
    let mut cloud = FakeCloud::default();
    let seen: Seen<AssignmentFilter> = Seen::default();
    let asked = seen.clone();
    cloud.identity.list_assignments = Some(Box::new(move |filter, _| {
        asked.push(filter.clone());
        Ok(AssignmentPage { assignments: assignments(), next: None })
    }));
    let request = filters
        .iter()
        .fold(call("assignments.list", "GET", "/v3/role_assignments"), |call, (name, value)| call.query(name, value));
    (handle(&cloud, request.build()), seen.all())
}

#[test]
fn the_list_with_and_without_names() {
    let (response, _) = list(&[]);
    let body = ok(&response, 200);
    assert_eq!(
        body["role_assignments"][0],
        json!({
            "scope": {"project": {"id": "p"}}, "user": {"id": "id-ann"}, "role": {"id": "id-member"},
            "links": {"assignment": format!("{BASE}/v3/projects/p/users/id-ann/roles/id-member")},
        })
    );
    assert_eq!(body["role_assignments"][2]["scope"], json!({"system": {"all": true}}));
    let (response, _) = list(&[("include_names", "True")]);
    let body = ok(&response, 200);
    let first = &body["role_assignments"][0];
    assert_eq!(
        first["scope"]["project"],
        json!({"id": "p", "name": "demo", "domain": {"id": "id-Default", "name": "Default"}})
    );
    assert_eq!(
        first["user"],
        json!({"id": "id-ann", "name": "ann", "domain": {"id": "id-Default", "name": "Default"}})
    );
    assert_eq!(first["role"], json!({"id": "id-member", "name": "member"}));
    assert_eq!(body["role_assignments"][1]["scope"]["domain"], json!({"id": "d", "name": "East"}));
}

#[test]
fn the_lists_filters() {
    let (_, seen) = list(&[("user.id", "u"), ("role.id", "r"), ("scope.project.id", "p"), ("effective", "")]);
    let filter = &seen[0];
    assert_eq!((filter.user_id.as_deref(), filter.role_id.as_deref()), (Some("u"), Some("r")));
    assert_eq!((filter.project_id.as_deref(), filter.effective), (Some("p"), true));
    let (response, _) = list(&[("scope.system", "all")]);
    assert_eq!(ok(&response, 200)["role_assignments"].as_array().map(Vec::len), Some(1));
    for nothing in ["group.id", "scope.OS-INHERIT:inherited_to"] {
        let (response, seen) = list(&[(nothing, "projects")]);
        assert_eq!(ok(&response, 200)["role_assignments"], json!([]), "{nothing}");
        assert!(seen.is_empty());
    }
    for (filters, status) in [
        (&[("scope.project.id", "p"), ("scope.domain.id", "d")][..], 400),
        (&[("scope.system", "all"), ("scope.domain.id", "d")], 400),
        (&[("group.id", "g"), ("effective", "")], 400),
        (&[("group.id", "g"), ("user.id", "u")], 400),
        (&[("scope.project.id", "p"), ("include_subtree", "true")], 501),
    ] {
        let (response, seen) = list(filters);
        assert_eq!(fault(&response).0, status, "{filters:?}");
        assert!(seen.is_empty());
    }
}

#[test]
fn assignments_that_one_answer_does_not_hold_are_behind_a_link() {
    let mut cloud = FakeCloud::default();
    cloud.identity.list_assignments = Some(Box::new(|_, page| {
        let next = page.marker.is_none().then(|| "the third".to_owned());
        Ok(AssignmentPage { assignments: assignments(), next })
    }));
    let list = |request: Call| ok(&handle(&cloud, request.build()), 200);
    let first = list(call("assignments.list", "GET", "/v3/role_assignments"));
    assert_eq!(first["links"]["next"], format!("{BASE}/v3/role_assignments?marker=the+third"));
    assert_eq!(first["truncated"], true);
    let last = list(call("assignments.list", "GET", "/v3/role_assignments").query("marker", "the third"));
    assert_eq!((last["role_assignments"].as_array().map(Vec::len), &last["links"]["next"]), (Some(3), &Value::Null));
}
