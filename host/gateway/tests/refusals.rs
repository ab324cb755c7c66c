//! What a refusal says: which project, which version, and never more than can be read.

use crate::support::{Reply, World, ok};
use serde_json::Value;
use skyloom_gateway::{Body, Response};

fn get(path: &str, headers: &[(&str, &str)]) -> axum::extract::Request {
    let mut request = http::Request::builder().uri(path).header("x-token", "member");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(axum::body::Body::empty()).unwrap()
}

fn message(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{}", reply.body));
    body["fault"]["message"].as_str().expect("a message").to_owned()
}

#[tokio::test]
async fn a_header_that_names_a_project_names_the_callers() {
    let world = World::echo();
    for path in ["/api/things", "/api/p1/things"] {
        for own in [&[("x-project", "p1")][..], &[("x-project", "")], &[], &[("x-project", "p1"), ("x-project", "p1")]]
        {
            assert_eq!(world.send(get(path, own)).await.status, 200, "{own:?}");
        }
        for foreign in [&[("x-project", "p2")][..], &[("x-project", "p1"), ("x-project", "p2")]] {
            let reply = world.send(get(path, foreign)).await;
            assert_eq!((reply.status, reply.why().as_str()), (400, "project-header-mismatch"), "{foreign:?}");
            assert_eq!(message(&reply), "The project of the header x-project is not the project of the token.");
        }
    }
    // Nobody has no project.
    assert_eq!(world.send(get("/api", &[("x-project", "p2")])).await.status, 200);
}

#[tokio::test]
async fn who_may_act_in_other_projects_acts_in_the_one_that_a_header_names() {
    let world = World::echo();
    let ask = async |path: &str, project: &str| {
        let request = http::Request::builder().uri(path).header("x-token", "manager").header("x-project", project);
        world.send(request.body(axum::body::Body::empty()).unwrap()).await.status
    };
    for path in ["/api/things", "/api/p7/things"] {
        assert_eq!(ask(path, "p7").await, 200, "{path}");
        assert_eq!(world.last().caller.unwrap().project_id.as_deref(), Some("p7"), "{path}");
    }
    assert_eq!(ask("/api/p7/things", "p8").await, 400, "two projects are none");
}

#[tokio::test]
async fn a_version_that_is_not_there_is_named_with_those_that_are() {
    let world = World::echo();
    let said = async |version: &str| {
        let reply = world.send(get("/api/things", &[("api-version", version)])).await;
        (reply.status, message(&reply))
    };
    let range = "is not supported by the API. Minimum is 2.1 and maximum is 2.30.";
    assert_eq!(said("things 2.31").await, (406, format!("Version 2.31 {range}")));
    let form = "is of invalid format. Must be of format MajorNum.MinorNum.";
    assert_eq!(said("things two").await, (400, format!("API Version String two {form}")));
    let (status, long) = said(&format!("things {}", "9".repeat(10_000))).await;
    assert!(status == 400 && long.len() < 2100 && long.ends_with(form) && long.contains("9...9"), "{long}");
}

#[tokio::test]
async fn an_error_is_short_whoever_words_it() {
    let world = World::new(|_, request| {
        let name = String::from_utf8(request.body.clone()).unwrap();
        let status = if request.operation == "things.start" { 400 } else { 200 };
        let body = serde_json::json!({ "fault": { "message": format!("The name {name} is taken.") } }).to_string();
        Ok(Response { status, headers: vec![], body: Body::Bytes(body.into_bytes()) })
    });
    let body = format!(r#"{{"start":"{}"}}"#, "é".repeat(300));
    let reply = world.call("POST", "/api/things/x/action", &body).await;
    assert_eq!(
        (reply.status, message(&reply)),
        (400, format!("The name {body} is taken.")),
        "no longer than it may be"
    );
    let world = World::new(|_, request| {
        let text = "é".repeat(30_000);
        let body = serde_json::json!({ "fault": { "message": format!("The name {text} is taken.") } }).to_string();
        let status = if request.operation == "things.list" { 200 } else { 409 };
        Ok(Response { status, ..ok(&body) })
    });
    let reply = world.call("GET", "/api/things/x", "").await;
    let said = message(&reply);
    assert!(said.len() < 2100 && said.starts_with("The name é") && said.ends_with("é is taken."), "{said}");
    assert_eq!(reply.headers.get("content-length"), None, "none but the server's");
    assert!(message(&world.call("GET", "/api/things", "").await).len() > 60_000, "what is no error stays");
}
