//! Domains, projects, users, roles: each operation, its links and its filters.

use crate::support::{call, domain, fault, handle, ok, project, role, user};
use serde_json::{Value, json};
use skyloom_sdk::Condition;
use skyloom_sdk::cloud::identity::{
    Domain, DomainPage, DomainWrite, Project, ProjectPage, ProjectWrite, Role, RolePage, RoleWrite, User, UserPage,
    UserWrite,
};
use skyloom_sdk::conditions::is;
use skyloom_sdk::testing::{FakeCloud, Seen, json_of, not_found, not_permitted};

const BASE: &str = "http://cloud.test/identity";

#[test]
fn users_are_not_asked_for_by_a_time_that_is_none() {
    let said = |text: &str| {
        let request = call("users.list", "GET", "/v3/users").query("password_expires_at", text).build();
        let response = handle(&many_users(2), request);
        (response.status, json_of(&response)["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    for fine in ["2030-01-01T00:00:00Z", "lt:2030-01-01T00:00:00Z", "gte:2030-01-01T00:00:00Z"] {
        assert_eq!(said(fine).0, 200, "{fine}");
    }
    for wrong in ["banana", "", "lt:banana", "lt:"] {
        let (status, message) = said(wrong);
        assert!(status == 400 && message.starts_with("Timestamp not in expected format."), "{wrong}: {message}");
    }
    let (status, message) = said("xx:2030-01-01T00:00:00Z");
    assert!(status == 400 && message.starts_with("The given operator xx is not valid."), "{message}");
}

#[test]
fn domains() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<DomainWrite> = Seen::default();
    let (created, updated) = (seen.clone(), seen.clone());
    cloud.identity.create_domain = Some(Box::new(move |write| {
        created.push(write.clone());
        Ok(domain("east"))
    }));
    cloud.identity.update_domain = Some(Box::new(move |id, write| {
        assert_eq!(id, "id-east");
        updated.push(write.clone());
        Ok(domain("east"))
    }));
    cloud.identity.get_domain = Some(Box::new(|id| Err(not_found("domain", id))));
    cloud.identity.delete_domain = Some(Box::new(|_| Ok(())));
    let body = json!({"domain": {"name": "east", "description": "what", "enabled": false, "options": {}}});
    let answer = ok(&handle(&cloud, call("domains.create", "POST", "/v3/domains").body(&body).build()), 201);
    let expected = json!({"domain": {
        "id": "id-east", "name": "east", "description": "what", "enabled": true, "tags": [], "options": {},
        "links": {"self": format!("{BASE}/v3/domains/id-east")},
    }});
    assert_eq!(answer, expected);
    let body = json!({"domain": {"description": null}});
    let update = call("domains.update", "PATCH", "/v3/domains/id-east").param("domain_id", "id-east").body(&body);
    assert_eq!(ok(&handle(&cloud, update.build()), 200), expected);
    let seen = seen.all();
    assert_eq!((seen[0].name.as_deref(), seen[0].enabled), (Some("east"), Some(false)));
    assert_eq!((seen[1].name.as_deref(), &seen[1].description, seen[1].enabled), (None, &Some(None), None));
    let show = call("domains.show", "GET", "/v3/domains/x").param("domain_id", "x").build();
    assert_eq!(fault(&handle(&cloud, show)), (404, "Could not find domain: x.".to_owned()));
    let delete = call("domains.delete", "DELETE", "/v3/domains/x").param("domain_id", "x").build();
    assert_eq!(handle(&cloud, delete).status, 204);
}

#[test]
fn no_description_is_told_from_an_empty_one() {
    for description in [None, Some(String::new()), Some("what".to_owned())] {
        let mut cloud = FakeCloud::default();
        let given = description.clone();
        cloud.identity.update_domain =
            Some(Box::new(|_, write| Ok(Domain { description: write.description.clone().flatten(), ..domain("x") })));
        cloud.identity.update_project =
            Some(Box::new(|_, write| Ok(Project { description: write.description.clone().flatten(), ..project("x") })));
        cloud.identity.update_role =
            Some(Box::new(|_, write| Ok(Role { description: write.description.clone().flatten(), ..role("x") })));
        cloud.identity.update_user = Some(Box::new(move |_, write| {
            let extra = write.extra.clone().unwrap_or_default();
            assert_eq!(extra, json!({ "description": given }).to_string());
            Ok(User { extra, ..user("x") })
        }));
        for kind in ["domain", "project", "role", "user"] {
            let request = call(&format!("{kind}s.update"), "PATCH", "/v3").param(&format!("{kind}_id"), "x");
            let body = json!({ kind: {"description": description} });
            let shown = ok(&handle(&cloud, request.body(&body).build()), 200);
            assert_eq!(shown[kind]["description"], json!(description), "{kind}");
        }
    }
}

#[test]
fn projects() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<ProjectWrite> = Seen::default();
    let created = seen.clone();
    cloud.identity.create_project = Some(Box::new(move |write| {
        created.push(write.clone());
        Ok(Project { parent_id: write.parent_id.clone(), ..project("demo") })
    }));
    cloud.identity.get_project = Some(Box::new(|_| Ok(project("demo"))));
    cloud.identity.update_project = Some(Box::new(|_, write| {
        assert_eq!((write.name.as_deref(), write.tags.is_none()), (Some("new"), true));
        Ok(project("new"))
    }));
    cloud.identity.delete_project = Some(Box::new(|_| Ok(())));
    let body = json!({"project": {"name": "demo", "domain_id": "default", "parent_id": "up", "tags": ["a"],
        "is_domain": false, "enabled": true, "description": ""}});
    let answer = ok(&handle(&cloud, call("projects.create", "POST", "/v3/projects").body(&body).build()), 201);
    assert_eq!(
        answer,
        json!({"project": {
            "id": "id-demo", "name": "demo", "domain_id": "default", "description": "", "enabled": true,
            "parent_id": "up", "is_domain": false, "tags": ["blue", "green"], "options": {},
            "links": {"self": format!("{BASE}/v3/projects/id-demo")},
        }})
    );
    assert_eq!(seen.only().tags, Some(vec!["a".to_owned()]));
    for refused in [json!({"name": "x", "is_domain": true}), json!({"name": "x", "options": {"immutable": true}})] {
        let request = call("projects.create", "POST", "/v3/projects").body(&json!({"project": refused})).build();
        assert_eq!(fault(&handle(&cloud, request)).0, 501, "{refused}");
    }
    let show = call("projects.show", "GET", "/v3/projects/id-demo").param("project_id", "id-demo").build();
    assert_eq!(ok(&handle(&cloud, show), 200)["project"]["parent_id"], "default");
    let body = json!({"project": {"name": "new"}});
    let update = call("projects.update", "PATCH", "/v3/projects/p").param("project_id", "p").body(&body).build();
    assert_eq!(ok(&handle(&cloud, update), 200)["project"]["name"], "new");
    let delete = call("projects.delete", "DELETE", "/v3/projects/p").param("project_id", "p").build();
    assert_eq!(handle(&cloud, delete).status, 204);
}

#[test]
fn tags_of_a_project() {
    let mut cloud = FakeCloud::default();
    cloud.identity.get_project = Some(Box::new(|_| Ok(project("demo"))));
    let seen: Seen<Vec<String>> = Seen::default();
    let written = seen.clone();
    cloud.identity.update_project = Some(Box::new(move |_, write| {
        let tags = write.tags.clone().expect("tags only");
        written.push(tags.clone());
        Ok(Project { tags, ..project("demo") })
    }));
    let on = |operation: &str, method: &str, tag: &str| {
        let path = format!("/v3/projects/p/tags/{tag}");
        handle(&cloud, call(operation, method, &path).param("project_id", "p").param("tag", tag).build())
    };
    let list =
        handle(&cloud, call("projects.tags.list", "GET", "/v3/projects/p/tags").param("project_id", "p").build());
    assert_eq!(ok(&list, 200)["tags"], json!(["blue", "green"]));
    let replace = call("projects.tags.replace", "PUT", "/v3/projects/p/tags").param("project_id", "p");
    let replace = handle(&cloud, replace.body(&json!({"tags": [" red"]})).build());
    assert_eq!(ok(&replace, 200)["tags"], json!(["red"]));
    assert_eq!(on("projects.tags.check", "GET", "blue").status, 204);
    assert_eq!(fault(&on("projects.tags.check", "GET", "red")), (404, "Could not find project tag: red.".to_owned()));
    assert_eq!(on("projects.tags.add", "PUT", " red ").status, 201);
    assert_eq!(on("projects.tags.add", "PUT", "blue").status, 201);
    assert_eq!(on("projects.tags.remove", "DELETE", "blue").status, 204);
    assert_eq!(fault(&on("projects.tags.remove", "DELETE", "red")).0, 404);
    assert_eq!(on("projects.tags.clear", "DELETE", "").status, 204);
    let expected: [&[&str]; 4] = [&["red"], &["blue", "green", "red"], &["green"], &[]];
    assert_eq!(seen.all(), expected);
    let bad = call("projects.tags.replace", "PUT", "/v3/projects/p/tags").body(&json!({"tags": [1]})).build();
    assert_eq!(fault(&handle(&cloud, bad)).0, 400);
}

#[test]
fn users() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<UserWrite> = Seen::default();
    let (created, updated) = (seen.clone(), seen.clone());
    cloud.identity.create_user = Some(Box::new(move |write| {
        created.push(write.clone());
        Ok(User { default_project_id: Some("p".to_owned()), ..user("ann") })
    }));
    cloud.identity.update_user = Some(Box::new(move |_, write| {
        updated.push(write.clone());
        Ok(user("ann"))
    }));
    cloud.identity.get_user = Some(Box::new(|_| Ok(user("ann"))));
    cloud.identity.delete_user = Some(Box::new(|_| Ok(())));
    let body = json!({"user": {"name": " ann ", "password": "secret:pw", "default_project_id": "p", "email": "a@example.org"}});
    let answer = ok(&handle(&cloud, call("users.create", "POST", "/v3/users").body(&body).build()), 201);
    assert_eq!(
        answer,
        json!({"user": {
            "id": "id-ann", "name": "ann", "domain_id": "default", "enabled": true, "default_project_id": "p",
            "password_expires_at": null, "options": {},
            "links": {"self": format!("{BASE}/v3/users/id-ann")},
        }})
    );
    let body = json!({"user": {"default_project_id": null, "enabled": false}});
    let update = call("users.update", "PATCH", "/v3/users/u").param("user_id", "u").body(&body).build();
    assert!(ok(&handle(&cloud, update), 200)["user"].get("default_project_id").is_none());
    let body = json!({"user": {"password": null}});
    ok(&handle(&cloud, call("users.update", "PATCH", "/v3/users/u").param("user_id", "u").body(&body).build()), 200);
    let seen = seen.all();
    assert_eq!((&seen[1].password, &seen[2].password), (&None, &Some(None)));
    assert_eq!((seen[0].name.as_deref(), &seen[0].password), (Some("ann"), &Some(Some("secret:pw".to_owned()))));
    assert_eq!((seen[1].default_project_id.as_deref(), seen[1].enabled), (Some(""), Some(false)));
    let with = |options: &Value| {
        let body = json!({"user": {"name": "x", "options": options}});
        handle(&cloud, call("users.create", "POST", "/v3/users").body(&body).build())
    };
    for (name, set) in [
        ("ignore_change_password_upon_first_use", json!(true)),
        ("ignore_lockout_failure_attempts", json!(true)),
        ("ignore_password_expiry", json!(true)),
        ("ignore_user_inactivity", json!(true)),
        ("lock_password", json!(true)),
        ("multi_factor_auth_enabled", json!(true)),
        ("multi_factor_auth_rules", json!([["password", "totp"]])),
    ] {
        // Shown as set it would be an untruth; not set it is what holds.
        let refused = (501, format!("The option '{name}' has not been implemented."));
        assert_eq!(fault(&with(&json!({ name: set }))), refused);
        assert_eq!(ok(&with(&json!({ name: null })), 201)["user"]["options"], json!({}), "{name}");
    }
    ok(&with(&json!({"lock_password": false, "multi_factor_auth_rules": []})), 201);
    assert_eq!(
        fault(&with(&json!({"immutable": true}))),
        (
            400,
            "Invalid input for field 'options': Additional properties are not allowed ('immutable' was unexpected)"
                .to_owned()
        )
    );
    let show = call("users.show", "GET", "/v3/users/u").param("user_id", "u").build();
    assert_eq!(ok(&handle(&cloud, show), 200)["user"]["id"], "id-ann");
    assert_eq!(handle(&cloud, call("users.delete", "DELETE", "/v3/users/u").param("user_id", "u").build()).status, 204);
}

#[test]
fn a_password_is_changed_with_the_old_one() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<(String, String, String)> = Seen::default();
    let changed = seen.clone();
    cloud.identity.change_password = Some(Box::new(move |user, original, password| {
        changed.push((user.to_owned(), original.to_owned(), password.to_owned()));
        Ok(())
    }));
    let change = |body: &Value| {
        let request = call("users.password", "POST", "/v3/users/u/password").param("user_id", "u").body(body);
        handle(&cloud, request.build())
    };
    assert_eq!(change(&json!({"user": {"original_password": "secret:a", "password": "secret:b"}})).status, 204);
    assert_eq!(seen.only(), ("u".to_owned(), "secret:a".to_owned(), "secret:b".to_owned()));
    for body in [json!({"user": {"password": "b"}}), json!({"user": {"original_password": "a"}}), json!({})] {
        assert_eq!(fault(&change(&body)).0, 400, "{body}");
    }
}

#[test]
fn roles() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<RoleWrite> = Seen::default();
    let created = seen.clone();
    cloud.identity.create_role = Some(Box::new(move |write| {
        created.push(write.clone());
        Ok(role("auditor"))
    }));
    cloud.identity.get_role = Some(Box::new(|_| {
        let mut role = role("admin");
        role.immutable = true;
        Ok(role)
    }));
    cloud.identity.update_role = Some(Box::new(|_, _| Ok(role("auditor"))));
    cloud.identity.delete_role = Some(Box::new(|_| Ok(())));
    cloud.identity.list_roles = Some(Box::new(|conditions, _| {
        assert_eq!(conditions, [is("name", "auditor")]);
        Ok(RolePage { roles: vec![role("auditor")], next: None })
    }));
    let body = json!({"role": {"name": "auditor", "description": "reads", "options": {}, "domain_id": null}});
    let answer = ok(&handle(&cloud, call("roles.create", "POST", "/v3/roles").body(&body).build()), 201);
    assert_eq!(
        answer,
        json!({"role": {
            "id": "id-auditor", "name": "auditor", "domain_id": null, "description": null, "options": {},
            "links": {"self": format!("{BASE}/v3/roles/id-auditor")},
        }})
    );
    assert_eq!(seen.only().description, Some(Some("reads".to_owned())));
    let of_domain = json!({"role": {"name": "x", "domain_id": "default"}});
    assert_eq!(fault(&handle(&cloud, call("roles.create", "POST", "/v3/roles").body(&of_domain).build())).0, 501);
    let show = call("roles.show", "GET", "/v3/roles/r").param("role_id", "r").build();
    assert_eq!(ok(&handle(&cloud, show), 200)["role"]["options"], json!({"immutable": true}));
    let body = json!({"role": {"name": "auditor"}});
    let update = call("roles.update", "PATCH", "/v3/roles/r").param("role_id", "r").body(&body).build();
    assert_eq!(ok(&handle(&cloud, update), 200)["role"]["name"], "auditor");
    assert_eq!(handle(&cloud, call("roles.delete", "DELETE", "/v3/roles/r").param("role_id", "r").build()).status, 204);
    let list = call("roles.list", "GET", "/v3/roles").query("name", "auditor").build();
    assert_eq!(ok(&handle(&cloud, list), 200)["roles"][0]["id"], "id-auditor");
}

/// A core with this many users, u0000 and on.
fn many_users(count: usize) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.identity.list_users = Some(Box::new(move |_, page| {
        let start = page.marker.as_ref().map_or(0, |marker| marker["id-u".len()..].parse::<usize>().expect("ours") + 1);
        let end = count.min(start + page.limit as usize);
        let users: Vec<User> = (start..end).map(|number| user(&format!("u{number:04}"))).collect();
        let next = (end < count).then(|| format!("id-u{:04}", end - 1));
        Ok(UserPage { users, next })
    }));
    cloud
}

#[test]
fn a_list_is_whole_unless_a_limit_is_asked_for() {
    for count in [0, 3, 999, 1000, 1001, 2500] {
        let body = ok(&handle(&many_users(count), call("users.list", "GET", "/v3/users").build()), 200);
        assert_eq!(body["users"].as_array().map(Vec::len), Some(count));
        assert_eq!(body["links"], json!({"self": format!("{BASE}/v3/users"), "previous": null, "next": null}));
    }
    // More than an answer holds are behind a link.
    let body = ok(&handle(&many_users(6500), call("users.list", "GET", "/v3/users").build()), 200);
    assert_eq!(body["users"].as_array().map(Vec::len), Some(5000));
    assert_eq!(
        (&body["truncated"], &body["links"]["next"]),
        (&json!(true), &json!(format!("{BASE}/v3/users?marker=id-u4999")))
    );
    let page = ok(&handle(&many_users(5), call("users.list", "GET", "/v3/users").query("limit", "2").build()), 200);
    assert!(page["links"]["next"].is_string() && page.get("truncated").is_none(), "who asks for a page gets one");
    let cloud = many_users(5);
    let (mut query, mut seen) = (vec![("limit".to_owned(), "2".to_owned())], Vec::new());
    loop {
        let request =
            query.iter().fold(call("users.list", "GET", "/v3/users"), |call, (name, value)| call.query(name, value));
        let body = ok(&handle(&cloud, request.build()), 200);
        seen.extend(body["users"].as_array().expect("users").iter().map(|user| user["name"].clone()));
        let Some(next) = body["links"]["next"].as_str() else { break };
        let (_, rest) = next.split_once('?').expect("a query");
        query = rest
            .split('&')
            .map(|pair| pair.split_once('=').expect("a pair"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    }
    assert_eq!(seen, ["u0000", "u0001", "u0002", "u0003", "u0004"]);
    for bad in ["-1", "many", ""] {
        let request = call("users.list", "GET", "/v3/users").query("limit", bad).build();
        assert_eq!(fault(&handle(&cloud, request)).0, 400, "{bad}");
    }
}

#[test]
fn users_that_one_answer_does_not_hold_are_behind_a_link() {
    let mut cloud = FakeCloud::default();
    let large = |name: &str| User { extra: format!("{{\"description\":\"{}\"}}", "x".repeat(60_000)), ..user(name) };
    // The core ends a page at its bytes.
    cloud.identity.list_users = Some(Box::new(move |_, page| {
        Ok(match page.marker.as_deref() {
            None => {
                let users = (0..5).map(|number| large(&format!("u{number}"))).collect();
                UserPage { users, next: Some("id-u4".to_owned()) }
            }
            Some(marker) => {
                assert_eq!(marker, "id-u4");
                UserPage { users: vec![user("u5")], next: None }
            }
        })
    }));
    let first = ok(&handle(&cloud, call("users.list", "GET", "/v3/users").build()), 200);
    assert_eq!(first["users"].as_array().map(Vec::len), Some(5));
    assert_eq!(first["links"]["next"], format!("{BASE}/v3/users?marker=id-u4"));
    let last = ok(&handle(&cloud, call("users.list", "GET", "/v3/users").query("marker", "id-u4").build()), 200);
    assert_eq!((&last["users"][0]["name"], &last["links"]["next"]), (&json!("u5"), &Value::Null));
}

#[test]
fn filters_reach_the_core_or_are_applied_here() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<Vec<Condition>> = Seen::default();
    let asked = seen.clone();
    cloud.identity.list_projects = Some(Box::new(move |conditions, _| {
        asked.push(conditions.to_vec());
        let projects = vec![project("alpha"), Project { tags: vec!["red".to_owned()], ..project("beta") }];
        Ok(ProjectPage { projects, next: None })
    }));
    cloud.identity.list_domains = Some(Box::new(|_, _| Ok(DomainPage { domains: vec![domain("east")], next: None })));
    let names = |filters: &[(&str, &str)]| {
        let request = filters
            .iter()
            .fold(call("projects.list", "GET", "/v3/projects"), |call, (name, value)| call.query(name, value));
        let body = ok(&handle(&cloud, request.build()), 200);
        let items = body["projects"].as_array().expect("a list").clone();
        items.iter().map(|item| item["name"].as_str().expect("name").to_owned()).collect::<Vec<_>>()
    };
    let all = [("name", "n"), ("domain_id", "d"), ("enabled", "false"), ("parent_id", "p")];
    assert_eq!(names(&all), ["alpha", "beta"]);
    let wanted = [is("name", "n"), is("domain-id", "d"), is("enabled", false), is("parent-id", "p")];
    assert_eq!(seen.only(), wanted);
    for (name, value, expected) in [
        ("name__contains", "lph", &["alpha"][..]),
        ("name__contains", "LPH", &[]),
        ("name__icontains", "LPH", &["alpha"]),
        ("name__startswith", "be", &["beta"]),
        ("name__endswith", "a", &["alpha", "beta"]),
        ("tags", "blue,green", &["alpha"]),
        ("tags", "blue,red", &[]),
        ("tags-any", "blue,red", &["alpha", "beta"]),
        ("not-tags", "blue,green", &["beta"]),
        ("not-tags-any", "blue,red", &[]),
        ("is_domain", "true", &["east"]),
        ("is_domain", "false", &["alpha", "beta"]),
    ] {
        assert_eq!(names(&[(name, value)]), expected, "{name}={value}");
    }
    let request = call("projects.list", "GET", "/v3/projects").query("name", "a b&c").build();
    let body = ok(&handle(&cloud, request), 200);
    assert_eq!(body["links"]["self"], format!("{BASE}/v3/projects?name=a+b%26c"));
}

#[test]
fn projects_of_a_user() {
    let mut cloud = FakeCloud::default();
    cloud.identity.list_user_projects = Some(Box::new(|id, _| {
        assert_eq!(id, "u");
        let projects = vec![project("alpha"), Project { enabled: false, ..project("beta") }];
        Ok(ProjectPage { projects, next: None })
    }));
    let list = |name: &str, value: &str| {
        let request = call("users.projects", "GET", "/v3/users/u/projects").param("user_id", "u").query(name, value);
        ok(&handle(&cloud, request.build()), 200)["projects"].as_array().map(Vec::len)
    };
    assert_eq!(list("x", "y"), Some(2));
    assert_eq!(list("enabled", "True"), Some(1));
    assert_eq!(list("name", "beta"), Some(1));
    assert_eq!(list("domain_id", "other"), Some(0));
}

#[test]
fn bodies_that_slip_through_the_schema_are_refused_all_the_same() {
    let cloud = FakeCloud::default();
    for (operation, key) in [
        ("domains.create", "domain"),
        ("projects.create", "project"),
        ("users.create", "user"),
        ("roles.create", "role"),
    ] {
        for body in
            [json!({}), json!([]), json!({ key: 1 }), json!({ key: {"name": 1} }), json!({ key: {"options": []} })]
        {
            let response = handle(&cloud, call(operation, "POST", "/v3/x").body(&body).build());
            assert_eq!(fault(&response).0, 400, "{operation} {body}");
        }
        let response = handle(&cloud, call(operation, "POST", "/v3/x").raw_body(b"{").build());
        assert_eq!(fault(&response).0, 400, "{operation}");
    }
}

/// Upstream cuts them off what people call users and places, not off roles.
#[test]
fn blanks_at_the_ends_of_names() {
    let mut cloud = FakeCloud::default();
    let seen: Seen<Option<String>> = Seen::default();
    let [users, places, domains, roles] = [(); 4].map(|()| seen.clone());
    cloud.identity.create_user = Some(Box::new(move |write| {
        users.push(write.name.clone());
        Ok(user("x"))
    }));
    cloud.identity.create_project = Some(Box::new(move |write| {
        places.push(write.name.clone());
        Ok(project("x"))
    }));
    cloud.identity.create_domain = Some(Box::new(move |write| {
        domains.push(write.name.clone());
        Ok(domain("x"))
    }));
    cloud.identity.create_role = Some(Box::new(move |write| {
        roles.push(write.name.clone());
        Ok(role("x"))
    }));
    for (resource, made) in [("user", "a  b"), ("project", "a  b"), ("domain", "a  b"), ("role", " a  b ")] {
        let request =
            call(&format!("{resource}s.create"), "POST", "/v3/x").body(&json!({resource: {"name": " a  b "}}));
        assert_eq!(handle(&cloud, request.build()).status, 201, "{resource}");
        assert_eq!(seen.all().pop(), Some(Some(made.to_owned())), "{resource}");
    }
}

#[test]
fn a_refusal_of_the_policy_names_its_rule() {
    let mut cloud = FakeCloud::default();
    cloud.identity.get_user = Some(Box::new(|_| Err(not_permitted("users:read"))));
    let request = call("users.show", "GET", "/v3/users/x").param("user_id", "x").rule("identity:get_user");
    let expected = "You are not authorized to perform the requested action: identity:get_user.";
    assert_eq!(fault(&handle(&cloud, request.build())), (403, expected.to_owned()));
}
