use serde_json::json;
use skyloom_sdk::ErrorCode;
use skyloom_sdk::cloud::identity::{Project, ProjectPage};
use skyloom_sdk::testing::{Call, FakeCloud, error, json_of};

use super::code_of;

fn project(id: &str, name: &str, enabled: bool) -> Project {
    Project {
        id: id.to_owned(),
        name: name.to_owned(),
        domain_id: "d".to_owned(),
        description: Some(String::new()),
        enabled,
        parent_id: None,
        is_domain: false,
        tags: Vec::new(),
        extra: "{}".to_owned(),
    }
}

fn own() -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.identity.list_own_projects = Some(Box::new(|_| {
        let projects = vec![project("p1", "eu-west-0", true), project("p2", "eu-west-1", true)];
        Ok(ProjectPage { projects, next: None })
    }));
    cloud
}

#[test]
fn a_callers_projects_are_found_by_name() {
    let ask = |filters: &[(&str, &str)]| {
        let call = Call::new("projects.list", "GET", "/v3/projects");
        let call = filters.iter().fold(call, |call, (name, value)| call.query(name, value));
        let response = crate::handle(&own(), &call.build());
        assert_eq!(response.status, 200);
        let body = json_of(&response);
        body["projects"].as_array().unwrap().iter().map(|found| found["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ask(&[]), ["p1", "p2"]);
    assert_eq!(ask(&[("name", "eu-west-1")]), ["p2"]);
    assert_eq!(ask(&[("name", "eu-west-0"), ("domain_id", "d"), ("enabled", "true")]), ["p1"]);
    assert!(ask(&[("domain_id", "e")]).is_empty() && ask(&[("enabled", "false")]).is_empty());
    let response = crate::handle(&own(), &Call::new("projects.list", "GET", "/v3/projects").build());
    let expected = json!({
        "id": "p1", "name": "eu-west-0", "domain_id": "d", "parent_id": "d", "enabled": true, "is_domain": false,
        "description": "", "tags": [], "options": {}, "links": {"self": "http://cloud.test/v3/projects/p1"},
    });
    assert_eq!(json_of(&response)["projects"][0], expected);
}

#[test]
fn what_the_core_refuses_is_in_the_vendors_words() {
    for (code, told) in
        [(ErrorCode::Unavailable, (503, "Ecs.1002")), (ErrorCode::Unauthenticated, (401, "Common.0013"))]
    {
        let mut cloud = FakeCloud::default();
        cloud.identity.list_own_projects = Some(Box::new(move |_| Err(error(code.clone(), "what is wrong"))));
        let response = crate::handle(&cloud, &Call::new("projects.list", "GET", "/v3/projects").build());
        assert_eq!(code_of(&response), (told.0, told.1.to_owned()));
    }
}
