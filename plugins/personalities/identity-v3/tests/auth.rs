//! Tokens, the catalogue, versions.

use crate::support::{call, fault, handle, named, ok, placed, project, token_info};
use serde_json::{Value, json};
use skyloom_sdk::cloud::identity::{DomainPage, Endpoint, Issued, Login, ProjectPage, Scope, ScopeRequest, Service};
use skyloom_sdk::testing::{FakeCloud, Seen, error, header_of};
use skyloom_sdk::{ErrorCode, Response};

fn services() -> Vec<Service> {
    let endpoint = |id: &str, interface: &str, region: &str| Endpoint {
        id: id.to_owned(),
        interface: interface.to_owned(),
        url: "http://cloud.test/compute".to_owned(),
        region: region.to_owned(),
    };
    vec![
        Service {
            id: "s1".to_owned(),
            kind: "compute".to_owned(),
            name: "compute".to_owned(),
            endpoints: vec![endpoint("e1", "public", "RegionOne"), endpoint("e2", "internal", "RegionOne")],
        },
        Service {
            id: "s2".to_owned(),
            kind: "image".to_owned(),
            name: "image".to_owned(),
            endpoints: vec![endpoint("e3", "public", "RegionTwo")],
        },
    ]
}

/// Logs in with this body; gives the answer and what the core was asked for.
fn login(body: &Value) -> (Response, Vec<Login>) {
    let seen = Seen::default();
    let mut cloud = FakeCloud::default();
    let seen_by_fake: Seen<Login> = seen.clone();
    cloud.identity.authenticate = Some(Box::new(move |login| {
        seen_by_fake.push(login.clone());
        let info = token_info(Scope::Project(placed("demo")));
        Ok(Issued { token: "secret:token".to_owned(), info })
    }));
    let response = handle(&cloud, call("tokens.issue", "POST", "/v3/auth/tokens").anonymous().body(body).build());
    (response, seen.all())
}

fn with_password(user: &Value, scope: &Value) -> Value {
    json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
}

#[test]
fn a_login_by_password_gives_a_token() {
    let user = json!({"name": "ann", "domain": {"name": "Default"}, "password": "secret:pw"});
    let (response, seen) =
        login(&with_password(&user, &json!({"project": {"name": "demo", "domain": {"id": "default"}}})));
    let body = ok(&response, 201);
    assert_eq!(header_of(&response, "X-Subject-Token"), Some("secret:token"));
    assert_eq!(header_of(&response, "Vary"), Some("X-Auth-Token"));
    assert_eq!(
        body,
        json!({"token": {
            "methods": ["password"],
            "user": {"id": "id-ann", "name": "ann", "domain": {"id": "id-Default", "name": "Default"},
                     "password_expires_at": null},
            "audit_ids": ["audit"],
            "issued_at": "2026-01-01T00:00:00.000001Z",
            "expires_at": "2026-01-02T00:00:00.000001Z",
            "project": {"id": "id-demo", "name": "demo", "domain": {"id": "id-Default", "name": "Default"}},
            "is_domain": false,
            "roles": [{"id": "id-member", "name": "member"}],
            "catalog": [],
        }})
    );
    let asked = seen[0].password.as_ref().expect("a password");
    assert_eq!(asked.password, "secret:pw");
    assert_eq!(asked.user.domain.as_ref().and_then(|domain| domain.name.as_deref()), Some("Default"));
    assert!(matches!(&seen[0].scope, ScopeRequest::Project(project) if project.name.as_deref() == Some("demo")));
}

#[test]
fn every_scope_is_understood() {
    let user = json!({"id": "u", "password": "secret:pw"});
    for (scope, expected) in [
        (Value::Null, "unspecified"),
        (json!("unscoped"), "unscoped"),
        (json!({"unscoped": {}}), "unscoped"),
        (json!({"project": {"id": "p"}}), "project"),
        (json!({"domain": {"id": "d"}}), "domain"),
        (json!({"domain": {"name": "d"}}), "domain"),
        (json!({"system": {"all": true}}), "system"),
    ] {
        let (response, seen) = login(&with_password(&user, &scope));
        ok(&response, 201);
        let found = match &seen[0].scope {
            ScopeRequest::Unspecified => "unspecified",
            ScopeRequest::Unscoped => "unscoped",
            ScopeRequest::Project(_) => "project",
            ScopeRequest::Domain(_) => "domain",
            ScopeRequest::System => "system",
        };
        assert_eq!(found, expected, "{scope}");
    }
}

#[test]
fn of_an_id_and_a_name_the_name_is_taken() {
    let by_id = |id: &str| (Some(id.to_owned()), None, None);
    let by_name = |name: &str, domain: (Option<&str>, Option<&str>)| {
        let domain = (domain.0.map(str::to_owned), domain.1.map(str::to_owned));
        (None, Some(name.to_owned()), Some(domain))
    };
    for (reference, expected) in [
        (json!({"id": "i", "domain": {"id": "wrong"}}), by_id("i")),
        (json!({"id": "i", "name": ""}), by_id("i")),
        (json!({"id": "", "domain": {"name": "d"}}), by_id("")),
        (json!({"id": "i", "name": "n", "domain": {"id": "d"}}), by_name("n", (Some("d"), None))),
        (json!({"name": "n", "domain": {"id": "d", "name": "e"}}), by_name("n", (None, Some("e")))),
        (json!({"name": "n", "domain": {"id": "d", "name": ""}}), by_name("n", (Some("d"), None))),
    ] {
        let mut user = reference.clone();
        user["password"] = json!("secret:pw");
        let (response, seen) = login(&with_password(&user, &json!({"project": reference, "moon": {}})));
        ok(&response, 201);
        let ScopeRequest::Project(project) = &seen[0].scope else { panic!("{reference}") };
        for found in [project, &seen[0].password.as_ref().expect("a password").user] {
            let domain = found.domain.as_ref().map(|domain| (domain.id.clone(), domain.name.clone()));
            assert_eq!((found.id.clone(), found.name.clone(), domain), expected, "{reference}");
        }
    }
    let user = json!({"id": "u", "password": "secret:pw"});
    let (_, seen) = login(&with_password(&user, &json!({"domain": {"id": "d", "name": "e"}})));
    assert!(
        matches!(&seen[0].scope, ScopeRequest::Domain(domain) if domain.id.is_none() && domain.name.as_deref() == Some("e"))
    );
}

#[test]
fn a_login_by_token() {
    let body = json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "secret:t"}}}});
    let (response, seen) = login(&body);
    ok(&response, 201);
    assert_eq!(seen[0].token.as_deref(), Some("secret:t"));
    assert!(seen[0].password.is_none());
}

#[test]
fn a_malformed_login_never_reaches_the_core() {
    let user = json!({"id": "u", "password": "secret:pw"});
    let identity = |identity: Value| json!({"auth": {"identity": identity}});
    for (body, status, word) in [
        (json!({}), 400, "auth"),
        (json!([]), 400, "object"),
        (json!({"auth": 1}), 400, "auth"),
        (json!({"auth": {}}), 400, "identity"),
        (identity(json!({})), 400, "methods"),
        (identity(json!({"methods": "password"})), 400, "methods"),
        (identity(json!({"methods": [1]})), 400, "methods"),
        (identity(json!({"methods": ["password"]})), 400, "password"),
        (identity(json!({"methods": ["password"], "password": {}})), 400, "user"),
        (identity(json!({"methods": ["password"], "password": {"user": {"id": "u"}}})), 400, "password"),
        (identity(json!({"methods": ["token"]})), 400, "token"),
        (identity(json!({"methods": ["token"], "token": {"id": 5}})), 400, "token"),
        (identity(json!({"methods": ["totp"], "totp": {}})), 401, "unsupported method"),
        (identity(json!({"methods": ["application_credential"]})), 400, "find application_credential in identity"),
        (with_password(&json!({"password": "x"}), &Value::Null), 400, "identity/password/user: id or name"),
        (with_password(&json!({"name": "n", "password": "x"}), &Value::Null), 400, "find domain in user"),
        (with_password(&json!({"name": "n", "domain": {}, "password": "x"}), &Value::Null), 400, "user/domain: id or"),
        (with_password(&user, &json!({})), 400, "in scope"),
        (with_password(&user, &json!("all")), 400, "in scope"),
        (with_password(&user, &json!({"moon": {}})), 400, "in scope"),
        (with_password(&user, &json!({"project": {"id": "p"}, "domain": {"id": "d"}})), 400, "in scope"),
        (with_password(&user, &json!({"project": {}})), 400, "scope/project"),
        (with_password(&user, &json!({"project": {"name": "p"}})), 400, "find domain in project"),
        (with_password(&user, &json!({"project": {"id": "p", "name": "q"}})), 400, "find domain in project"),
        (with_password(&user, &json!({"project": {"id": "p", "domain": {}}})), 400, "scope/project/domain"),
        (with_password(&user, &json!({"unscoped": {}, "system": {"all": true}})), 400, "in scope"),
        (with_password(&json!({"id": "u", "name": "n", "password": "x"}), &Value::Null), 400, "find domain in user"),
        (with_password(&user, &json!({"domain": {}})), 400, "scope/domain"),
        (with_password(&user, &json!({"system": {"all": false}})), 400, "system"),
        (with_password(&user, &json!({"OS-TRUST:trust": {"id": "t"}})), 501, "not been implemented"),
    ] {
        let (response, seen) = login(&body);
        let (found, message) = fault(&response);
        assert_eq!(found, status, "{body}: {message}");
        assert!(message.contains(word), "{body}: {message}");
        assert!(seen.is_empty(), "{body}");
    }
}

#[test]
fn a_failed_login_says_where_to_log_in_and_nothing_else() {
    let mut cloud = FakeCloud::default();
    cloud.identity.authenticate = Some(Box::new(|_| Err(error(ErrorCode::Unauthenticated, "the password of ann"))));
    let body = with_password(&json!({"id": "u", "password": "x"}), &Value::Null);
    let response = handle(&cloud, call("tokens.issue", "POST", "/v3/auth/tokens").anonymous().body(&body).build());
    assert_eq!(fault(&response), (401, "The request you have made requires authentication.".to_owned()));
    assert_eq!(header_of(&response, "WWW-Authenticate"), Some("Keystone uri=\"http://cloud.test/identity/v3\""));
}

#[test]
fn what_a_token_says_goes_with_its_scope() {
    for (scope, there, absent) in [
        (Scope::Unscoped, vec![], vec!["project", "domain", "system", "roles", "catalog", "is_domain"]),
        (Scope::Domain(named("Default")), vec!["domain", "roles", "catalog"], vec!["project", "system"]),
        (Scope::System, vec!["system", "roles", "catalog"], vec!["project", "domain"]),
    ] {
        let mut cloud = FakeCloud::default();
        cloud.identity.validate_token = Some(Box::new(move |_| Ok(token_info(scope.clone()))));
        let request = call("tokens.validate", "GET", "/v3/auth/tokens").header("X-Subject-Token", "secret:s");
        let response = handle(&cloud, request.build());
        let token = ok(&response, 200)["token"].clone();
        assert_eq!(header_of(&response, "X-Subject-Token"), Some("secret:s"));
        assert!(there.iter().all(|name| token.get(name).is_some()), "{token}");
        assert!(absent.iter().all(|name| token.get(name).is_none()), "{token}");
    }
}

#[test]
fn a_token_is_shown_without_the_catalogue_and_revoked() {
    let mut cloud = FakeCloud::default();
    cloud.identity.validate_token = Some(Box::new(|_| Ok(token_info(Scope::Project(placed("demo"))))));
    let seen: Seen<String> = Seen::default();
    let seen_by_fake = seen.clone();
    cloud.identity.revoke_token = Some(Box::new(move |subject| {
        seen_by_fake.push(subject.to_owned());
        Ok(())
    }));
    let show =
        call("tokens.validate", "GET", "/v3/auth/tokens").header("X-Subject-Token", "secret:s").query("nocatalog", "");
    assert!(ok(&handle(&cloud, show.build()), 200)["token"].get("catalog").is_none());
    let revoke = call("tokens.revoke", "DELETE", "/v3/auth/tokens").header("X-Subject-Token", "secret:s");
    assert_eq!(handle(&cloud, revoke.build()).status, 204);
    assert_eq!(seen.only(), "secret:s");
    for (operation, method) in [("tokens.validate", "GET"), ("tokens.revoke", "DELETE")] {
        let request = call(operation, method, "/v3/auth/tokens").build();
        assert_eq!(fault(&handle(&cloud, request)).0, 400, "without the header");
    }
    cloud.identity.validate_token = Some(Box::new(|_| Err(error(ErrorCode::NotFound, "gone"))));
    let show = call("tokens.validate", "GET", "/v3/auth/tokens").header("X-Subject-Token", "secret:s").build();
    assert_eq!(fault(&handle(&cloud, show)), (404, "Failed to validate token".to_owned()));
}

fn with_catalog() -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.identity.catalog = Some(Box::new(|project| {
        assert!(project.is_some());
        Ok(services())
    }));
    cloud
}

#[test]
fn the_catalogue_needs_a_project() {
    let cloud = with_catalog();
    let body = ok(&handle(&cloud, call("auth.catalog", "GET", "/v3/auth/catalog").build()), 200);
    assert_eq!(
        body["catalog"][0],
        json!({"id": "s1", "type": "compute", "name": "compute", "endpoints": [
            {"id": "e1", "interface": "public", "region": "RegionOne", "region_id": "RegionOne", "url": "http://cloud.test/compute"},
            {"id": "e2", "interface": "internal", "region": "RegionOne", "region_id": "RegionOne", "url": "http://cloud.test/compute"},
        ]})
    );
    let mut request = call("auth.catalog", "GET", "/v3/auth/catalog").build();
    request.caller.as_mut().expect("caller").project_id = None;
    assert_eq!(fault(&handle(&cloud, request)).0, 403);
}

#[test]
fn services_endpoints_and_regions_are_read_one_by_one() {
    let cloud = with_catalog();
    let ids = |operation: &str, key: &str, filters: &[(&str, &str)]| {
        let request =
            filters.iter().fold(call(operation, "GET", "/v3/x"), |call, (name, value)| call.query(name, value));
        let body = ok(&handle(&cloud, request.build()), 200);
        let items = body[key].as_array().expect("a list").clone();
        items.iter().map(|item| item["id"].as_str().expect("id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("services.list", "services", &[]), ["s1", "s2"]);
    assert_eq!(ids("services.list", "services", &[("type", "image")]), ["s2"]);
    assert_eq!(ids("endpoints.list", "endpoints", &[("service_id", "s1"), ("interface", "public")]), ["e1"]);
    assert_eq!(ids("endpoints.list", "endpoints", &[("region_id", "RegionTwo")]), ["e3"]);
    assert_eq!(ids("regions.list", "regions", &[]), ["RegionOne", "RegionTwo"]);
    assert!(ids("regions.list", "regions", &[("parent_region_id", "x")]).is_empty());
    for (operation, param, id, key) in [
        ("services.show", "service_id", "s2", "service"),
        ("endpoints.show", "endpoint_id", "e2", "endpoint"),
        ("regions.show", "region_id", "RegionTwo", "region"),
    ] {
        let show = |id: &str| handle(&cloud, call(operation, "GET", "/v3/x").param(param, id).build());
        assert_eq!(ok(&show(id), 200)[key]["id"], id);
        assert_eq!(fault(&show("none")), (404, format!("Could not find {key}: none.")));
    }
}

#[test]
fn own_projects_and_domains() {
    let mut cloud = FakeCloud::default();
    cloud.identity.list_own_projects =
        Some(Box::new(|_| Ok(ProjectPage { projects: vec![project("demo")], next: None })));
    cloud.identity.list_own_domains =
        Some(Box::new(|_| Ok(DomainPage { domains: vec![crate::support::domain("east")], next: None })));
    let body = ok(&handle(&cloud, call("auth.projects", "GET", "/v3/auth/projects").build()), 200);
    assert_eq!(body["projects"][0]["id"], "id-demo");
    assert_eq!(body["links"]["self"], "http://cloud.test/identity/v3/auth/projects");
    let body = ok(&handle(&cloud, call("auth.domains", "GET", "/v3/auth/domains").build()), 200);
    assert_eq!(body["domains"][0]["name"], "east");
}

#[test]
fn versions_lead_to_v3() {
    let cloud = FakeCloud::default();
    let list = ok(&handle(&cloud, call("versions.list", "GET", "/").anonymous().build()), 300);
    let show = ok(&handle(&cloud, call("versions.show", "GET", "/v3").anonymous().build()), 200);
    assert_eq!(list["versions"]["values"], json!([show["version"]]));
    assert_eq!(show["version"]["links"][0]["href"], "http://cloud.test/identity/v3/");
    assert_eq!((show["version"]["id"].as_str(), show["version"]["status"].as_str()), (Some("v3.14"), Some("stable")));
}
