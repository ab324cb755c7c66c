//! The way of a request, with a core and a personality of the test's own.

use std::convert::Infallible;

use crate::support::{MANIFEST, World, handler, mount, mount_with, ok, read};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::StreamBody;
use hyper::body::Frame;
use skyloom_gateway::{Body, Response, Settings};
use skyloom_runtime::RunError;

#[tokio::test]
async fn a_request_reaches_its_operation() {
    let world = World::new(|_, _| {
        Ok(Response { status: 202, headers: vec![("X-Own".into(), "1".into())], body: Body::Bytes(b"{}".to_vec()) })
    });
    let reply = world.call("GET", "/api/p1/things?name=a%20b&name=c", "").await;
    assert_eq!((reply.status, reply.body.as_str()), (202, "{}"));
    assert_eq!(reply.headers["x-own"], "1");
    assert_eq!(reply.headers["api-version"], "things 2.1");
    assert_eq!(reply.headers["vary"], "Api-Version");
    let request = world.last();
    assert_eq!(request.operation, "things.list");
    assert_eq!(request.path, "/p1/things");
    assert_eq!(request.params, [("project_id".to_owned(), "p1".to_owned())]);
    assert_eq!(request.query, [("name".to_owned(), "a b".to_owned()), ("name".to_owned(), "c".to_owned())]);
    assert_eq!(request.base_url, "http://cloud.test/api");
    assert_eq!(request.version, Some((2, 1)));
    assert_eq!(request.caller.unwrap().roles, ["member"]);
    assert_eq!(reply.headers["x-request-id"], *request.request_id);
    assert!(request.request_id.starts_with("req-") && request.request_id.len() == 40);
    assert!(request.headers.iter().all(|(name, _)| name != "x-token"), "credentials stay in the host");
}

#[tokio::test]
async fn a_literal_beats_a_parameter_but_for_its_method() {
    let world = World::echo();
    assert_eq!(world.call("GET", "/api/things/detail", "").await.body, "things.detail");
    assert_eq!(world.call("GET", "/api/things/other", "").await.body, "things.show");
    assert_eq!(world.call("DELETE", "/api/things/detail", "").await.body, "things.delete");
    assert_eq!(world.call("GET", "/api//things/a%2Fb/", "").await.body, "things.show");
    assert_eq!(world.last().params, [("id".to_owned(), "a/b".to_owned())]);
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_vendors_words() {
    let world = World::echo();
    let reply = world.call("GET", "/api/nothing", "").await;
    assert_eq!((reply.status, reply.why().as_str()), (404, "not-found"));
    assert!(reply.body.contains("\"message\":\"GET /api/nothing is not served here.\""), "{}", reply.body);
    assert!(reply.headers.contains_key("x-request-id"));
    let reply = world.call("PATCH", "/api/things/x", "").await;
    assert_eq!((reply.status, reply.why().as_str()), (405, "method-not-allowed"));
    let words = "PATCH /api/things/x is not served here; the path has DELETE, GET, HEAD.";
    assert!(reply.body.contains(words), "{}", reply.body);
    assert_eq!(reply.headers["allow"], "DELETE, GET, HEAD");
    // Outside of every mount: neutral words.
    let reply = world.call("GET", "/elsewhere/%22/x", "").await;
    assert_eq!(reply.status, 404);
    assert!(reply.body.starts_with("{\"error\":"), "{}", reply.body);
    assert!(reply.body.contains("\"GET /elsewhere/%22/x is not served here.\""), "{}", reply.body);
    let reply = world.call("GET", "/api/things/%ff", "").await;
    assert_eq!(reply.status, 400);
    assert!(reply.headers.contains_key("x-request-id"), "in the words of the mount that it was meant for");
    assert_eq!(world.call("GET", "/%ff", "").await.status, 400, "nobody's path");
    assert_eq!(world.call("GET", "/api/things?a=%ff", "").await.status, 400);
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let world = World::new(|_, request| Ok(ok(&format!("was {}", request.method))));
    let reply = world.call("HEAD", "/api/things/x", "").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(reply.headers["content-length"], "8");
}

#[tokio::test]
async fn callers_are_known_and_allowed_or_refused() {
    let world = World::echo();
    let none = http::Request::builder().uri("/api/things").body(axum::body::Body::empty()).unwrap();
    let reply = world.send(none).await;
    assert_eq!((reply.status, reply.why().as_str()), (401, "unauthenticated"));
    for (token, method, path, status) in [
        ("", "GET", "/api/things", 401),
        ("forged", "GET", "/api/things", 401),
        ("broken", "GET", "/api/things", 503),
        ("reader", "GET", "/api/things", 200),
        ("reader", "DELETE", "/api/things/x", 403),
        ("member", "DELETE", "/api/things/x", 200),
        ("member", "POST", "/api/wipe", 403),
        ("admin", "POST", "/api/wipe", 200),
        ("member@p2", "GET", "/api/p1/things", 400),
        ("admin@p2", "GET", "/api/p1/things", 400),
        ("member@p2", "GET", "/api/p2/things", 200),
    ] {
        assert_eq!(world.call_as(token, method, path, "").await.status, status, "{token} {method} {path}");
    }
    // In the vendor's words, with its name of the permission; the guest is told it too.
    let message = |reply: &crate::support::Reply| {
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        body["fault"]["message"].as_str().unwrap().to_owned()
    };
    let reply = world.call_as("reader", "DELETE", "/api/things/x", "").await;
    assert_eq!(message(&reply), "Not \"things:delete\", says the policy.");
    let reply = world.call_as("member", "POST", "/api/wipe", "").await;
    assert_eq!(message(&reply), "The policy does not allow this to be performed.", "it has none");
    world.call_as("member", "DELETE", "/api/things/x", "").await;
    assert_eq!(world.last().rule.as_deref(), Some("things:delete"));
    // Nobody is asked who they are where everybody may.
    let reply = world.call_as("forged", "GET", "/api", "").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "versions"));
    assert!(world.last().caller.is_none());
}

#[tokio::test]
async fn broken_bodies_never_reach_the_guest() {
    let world = World::echo();
    let deep = format!("{{\"thing\":{}1{}}}", "[".repeat(40), "]".repeat(40));
    let reply = world.call("POST", "/api/things", "").await;
    assert_eq!((reply.status, reply.why().as_str()), (400, "missing-body"));
    for body in ["{", "{\"thing\":{},\"thing\":{}}", "\u{feff}{}", "{\"thing\":1} trailing", &deep] {
        let reply = world.call("POST", "/api/things", body).await;
        assert_eq!((reply.status, reply.why().as_str()), (400, "malformed-body"), "{body}");
    }
    let reply = world.call("POST", "/api/things", &format!("\"{}\"", "x".repeat(2000))).await;
    assert_eq!((reply.status, reply.why().as_str()), (413, "too-large"));
    let typed = http::Request::builder().method("POST").uri("/api/things").header("x-token", "member");
    let reply = world.send(typed.header("content-type", "text/xml").body("{}".into()).unwrap()).await;
    assert_eq!((reply.status, reply.why().as_str()), (415, "unsupported-media-type"));
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_body_has_a_type_that_its_operation_lists() {
    let operation = "\n[[operation]]\nid = \"things.patch\"\nmethod = \"PATCH\"\npaths = [\"/things/{id}\"]\n\
                     action = \"images:update\"\nsuccess = [200]\ncontent-types = [\"application/x-patch\", \"application/y-patch\"]\n";
    let listed =
        MANIFEST.replace("body = \"stream\"", "body = \"stream\"\ncontent-types = [\"application/octet-stream\"]");
    let world = World::echo();
    let mount = mount(&(listed + operation), "/api", handler(|_, request| Ok(ok(&request.operation)))).unwrap();
    let gateway = skyloom_gateway::Gateway::new(world.shared.clone(), vec![mount], false).unwrap();
    let patch = Some("application/x-patch, application/y-patch");
    for (method, path, kind, body, status, accept) in [
        ("PATCH", "/api/things/x", Some("application/y-patch"), "[]", 200, None),
        ("PATCH", "/api/things/x", Some("application/json"), "[]", 415, patch),
        ("PATCH", "/api/things/x", Some("application/json"), "", 415, patch),
        ("PATCH", "/api/things/x", None, "[]", 415, patch),
        ("PUT", "/api/things/x/file", Some("Application/Octet-Stream"), "abc", 200, None),
        ("PUT", "/api/things/x/file", Some("application/json"), "abc", 415, None),
        ("PUT", "/api/things/x/file", None, "", 415, None),
    ] {
        let mut request = http::Request::builder().method(method).uri(path).header("x-token", "member");
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let reply = read(gateway.serve(None, request.body(body.into()).unwrap()).await).await;
        let found = reply.headers.get("accept-patch").map(|value| value.to_str().unwrap());
        assert_eq!((reply.status, found), (status, accept), "{method} {kind:?}");
    }
}

#[tokio::test]
async fn a_body_of_very_many_values_is_refused_with_the_reason() {
    let settings = Settings { max_json_nodes: 100, ..Settings::default() };
    let world = World::with(settings, |_, request| Ok(ok(&request.operation)));
    let body = |objects: usize| format!("{{\"thing\":[{}]}}", vec!["{\"\":0}"; objects].join(","));
    let reply = world.call("POST", "/api/things", &body(50)).await;
    assert_eq!((reply.status, reply.why().as_str()), (400, "malformed-body"));
    assert!(reply.body.contains("has more than 100 values"), "{}", reply.body);
    assert_eq!(world.calls(), 0);
    assert_eq!(world.call("POST", "/api/things", &body(49)).await.status, 200);
}

#[tokio::test]
async fn what_the_schema_finds_reaches_the_guest_without_secrets() {
    let world = World::echo();
    let reply = world.call("POST", "/api/things", r#"{"thing":{"name":"too long","password":"hunter2hunter2"}}"#).await;
    assert_eq!(reply.status, 200);
    let violations = world.last().violations;
    let found: Vec<_> = violations.iter().map(|one| (one.pointer.as_str(), one.keyword.as_str())).collect();
    assert_eq!(found, [("/thing/name", "maxLength"), ("/thing/password", "maxLength")]);
    assert!(violations.iter().all(|one| !one.message.contains("hunter2")), "{violations:?}");
}

#[tokio::test]
async fn secrets_cross_as_handles_both_ways() {
    let world = World::new(|context, request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let handle = body["thing"]["password"].as_str().unwrap();
        assert!(handle.starts_with("secret:"), "{handle}");
        assert_eq!(context.secrets.get(handle).as_deref(), Some("hunter2"));
        let header = &request.headers.iter().find(|(name, _)| name == "x-secret").unwrap().1;
        assert_eq!(context.secrets.get(header).as_deref(), Some("whisper"));
        let made = context.secrets.put("made by the host \"quoted\"");
        let body = serde_json::json!({"thing": {"password": made, "name": handle}});
        Ok(Response {
            status: 202,
            headers: vec![("X-Answer".into(), header.clone()), ("X-Other".into(), handle.to_owned())],
            body: Body::Bytes(body.to_string().into_bytes()),
        })
    });
    let request = http::Request::builder()
        .method("POST")
        .uri("/api/things")
        .header("x-token", "member")
        .header("x-secret", "whisper")
        .body(r#"{"thing":{"name":"n","password":"hunter2"}}"#.into())
        .unwrap();
    let reply = world.send(request).await;
    assert_eq!(reply.status, 202);
    assert_eq!(reply.headers["x-answer"], "whisper");
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(body["thing"]["password"], "made by the host \"quoted\"");
    // Handles elsewhere stay handles.
    assert!(body["thing"]["name"].as_str().unwrap().starts_with("secret:"));
    assert!(reply.headers["x-other"].to_str().unwrap().starts_with("secret:"));
}

#[tokio::test]
async fn a_secret_of_any_kind_crosses_as_a_handle() {
    let world = World::new(|context, request| {
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        Ok(ok(&match &body["thing"]["password"] {
            serde_json::Value::String(handle) => context.secrets.get(handle).expect("a handle").to_string(),
            other => other.to_string(),
        }))
    });
    for (sent, behind) in
        [("4711", "4711"), ("[4711]", "[4711]"), (r#"{"a":4711}"#, r#"{"a":4711}"#), ("true", "true"), ("null", "null")]
    {
        let reply =
            world.call("POST", "/api/things", &format!(r#"{{"thing":{{"name":"n","password":{sent}}}}}"#)).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, behind));
        let request = world.last();
        assert!(!String::from_utf8(request.body).unwrap().contains("4711"), "{sent}");
        // The schema still judges what was sent.
        let found = request.violations.iter().find(|one| one.pointer == "/thing/password").expect(sent);
        assert_eq!(found.keyword, "type");
        assert!(!found.message.contains("4711"), "{found:?}");
    }
}

#[tokio::test]
async fn a_key_of_the_body_selects_the_operation() {
    let world = World::echo();
    let path = "/api/things/x/action";
    assert_eq!(world.call("POST", path, r#"{"start":null}"#).await.body, "things.start");
    let wrong = "body-key";
    for (body, why) in [("{}", wrong), ("[]", wrong), (r#"{"nap":{}}"#, wrong), ("", "missing-body")] {
        let reply = world.call("POST", path, body).await;
        assert_eq!((reply.status, reply.why().as_str()), (400, why), "{body}");
    }
    for (body, message) in [
        (r#"{"nap":{}}"#, "There is no such action: nap."),
        (r#"{"nap":{},"rest":{}}"#, "There is no such action: nap, rest."),
        ("{}", "The request body must have exactly one action."),
    ] {
        let reply = world.call("POST", path, body).await;
        assert!(reply.body.contains(message), "{body}: {}", reply.body);
    }
    let at = |version: &str, body: &str| {
        let request = http::Request::builder().method("POST").uri(path).header("x-token", "member");
        let body = body.to_owned().into();
        request.header("api-version", format!("things {version}")).body(body).unwrap()
    };
    // Not yet there at 2.8.
    assert_eq!(world.send(at("2.8", r#"{"stop":null}"#)).await.status, 400);
    assert_eq!(world.send(at("2.9", r#"{"stop":null}"#)).await.body, "things.stop");
    let reply = world.send(at("2.9", r#"{"stop":null,"start":null}"#)).await;
    assert_eq!((reply.status, reply.why().as_str()), (400, "body-key"));
    assert_eq!(world.send(at("2.31", r#"{"stop":null}"#)).await.status, 406);
    assert_eq!(world.send(at("two", r#"{"stop":null}"#)).await.why(), "version-malformed");
}

#[tokio::test]
async fn a_plugin_that_fails_harms_its_own_request_only() {
    let world = World::new(|_, request| match request.params[0].1.as_str() {
        "trap" => Err(RunError::Trapped("unreachable".to_owned())),
        "slow" => Err(RunError::TimedOut(std::time::Duration::from_secs(1))),
        "busy" => Err(RunError::Busy(std::time::Duration::from_secs(1))),
        "status" => Ok(Response { status: 42, headers: vec![], body: Body::Empty }),
        "header" => Ok(Response { status: 200, headers: vec![("a b".into(), "c".into())], body: Body::Empty }),
        "split" => Ok(Response { status: 200, headers: vec![("a".into(), "c\r\nx: y".into())], body: Body::Empty }),
        "bodied" => Ok(Response { status: 204, headers: vec![], body: Body::Bytes(b"x".to_vec()) }),
        "upload" => Ok(Response { status: 200, headers: vec![], body: Body::AcceptUpload(5) }),
        "panic" => panic!("on purpose"),
        _ => Ok(ok("fine")),
    });
    for (id, status) in [
        ("trap", 500),
        ("slow", 504),
        ("busy", 503),
        ("status", 500),
        ("header", 500),
        ("split", 500),
        ("bodied", 500),
        ("upload", 500),
        ("panic", 500),
        ("other", 200),
    ] {
        let reply = world.call("GET", &format!("/api/things/{id}"), "").await;
        assert_eq!(reply.status, status, "{id}");
        assert!(!reply.body.contains("unreachable"), "{id}");
    }
}

fn accepting(limit: u64) -> World {
    World::new(move |_, request| match (&request.upload, request.params[0].1.as_str()) {
        (None, _) => Ok(Response { status: 200, headers: vec![], body: Body::AcceptUpload(limit) }),
        (Some(_), "trap") => Err(RunError::Trapped("second call".to_owned())),
        (Some(_), "liar") => Ok(Response { status: 415, headers: vec![], body: Body::Empty }),
        (Some(_), _) => Ok(Response { status: 204, headers: vec![], body: Body::Empty }),
    })
}

#[tokio::test]
async fn an_upload_is_stored_between_two_calls() {
    let world = accepting(100);
    let reply = world.call("PUT", "/api/things/x/file", "some bytes").await;
    assert_eq!(reply.status, 204);
    let request = world.last();
    let upload = request.upload.unwrap();
    assert_eq!((upload.blob.as_str(), upload.size), ("blob-10", 10));
    assert!(request.body.is_empty());
    assert_eq!(world.core.blobs.lock().unwrap()["blob-10"], b"some bytes");
    assert!(world.core.aborted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_that_comes_to_nothing_is_told_to_the_core() {
    let world = accepting(5);
    let reply = world.call("PUT", "/api/things/x/file", "too many").await;
    assert_eq!((reply.status, reply.why().as_str()), (413, "too-large"));
    assert_eq!(world.calls(), 1);
    assert_eq!(world.call("PUT", "/api/things/trap/file", "abc").await.status, 500);
    assert_eq!(world.call("PUT", "/api/things/liar/file", "abc").await.status, 415);
    // The client goes away in the middle.
    let pieces: Vec<Result<Frame<Bytes>, std::io::Error>> =
        vec![Ok(Frame::data(Bytes::from_static(b"ab"))), Err(std::io::ErrorKind::ConnectionReset.into())];
    let body = axum::body::Body::new(StreamBody::new(futures_util::stream::iter(pieces)));
    let request = http::Request::builder().method("PUT").uri("/api/things/x/file").header("x-token", "member");
    let reply = read(world.gateway.serve(None, request.body(body).unwrap()).await).await;
    assert_eq!(reply.status, 400);
    assert_eq!(world.core.aborted.lock().unwrap().len(), 4);
    // Only what the plugin then refused was whole.
    assert_eq!(world.core.blobs.lock().unwrap().keys().collect::<Vec<_>>(), ["blob-3"]);
}

#[tokio::test]
async fn an_upload_that_was_begun_but_not_taken_is_told_to_the_core() {
    let world = World::new(|context, request| {
        if request.params[0].1 != "early" {
            context.streams.grant_upload(5);
        }
        match request.params[0].1.as_str() {
            "trap" => Err(RunError::Trapped("first call".to_owned())),
            _ => Ok(Response { status: 409, headers: vec![], body: Body::Empty }),
        }
    });
    for (id, status, aborted) in [("early", 409, 0), ("late", 409, 1), ("trap", 500, 2)] {
        assert_eq!(world.call("PUT", &format!("/api/things/{id}/file"), "abc").await.status, status);
        assert_eq!(world.core.aborted.lock().unwrap().len(), aborted, "{id}");
    }
}

#[tokio::test]
async fn a_stored_file_is_streamed() {
    let world = World::new(|_, _| Ok(Response { status: 200, headers: vec![], body: Body::Blob("b1".to_owned()) }));
    let bytes = "0123456789".repeat(100_000);
    world.core.blobs.lock().unwrap().insert("b1".to_owned(), bytes.clone().into_bytes());
    let reply = world.call("GET", "/api/things/x/file", "").await;
    assert_eq!(reply.status, 200);
    assert!(reply.body == bytes);
    let reply = world.call("HEAD", "/api/things/x/file", "").await;
    assert_eq!(reply.headers["content-length"], "1000000");
    assert_eq!(reply.body, "");
}

#[tokio::test]
async fn too_many_requests_of_one_project_are_refused_and_others_go_on() {
    let world = World::with(Settings { project_rate: 1, project_burst: 2, ..Settings::default() }, |_, _| Ok(ok("{}")));
    for status in [200, 200, 413] {
        let reply = world.call_as("member@p1", "GET", "/api/things", "").await;
        assert_eq!(reply.status, status);
        if status == 413 {
            assert_eq!(reply.why(), "rate-limited");
            assert_eq!(reply.headers["retry-after"], "1");
        }
    }
    assert_eq!(world.call_as("member@p2", "GET", "/api/things", "").await.status, 200);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let world = World::with(Settings { body_timeout_ms: 20, ..Settings::default() }, |_, _| Ok(ok("{}")));
    let first = futures_util::stream::iter([Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"{")))]);
    let body = axum::body::Body::new(StreamBody::new(first.chain(futures_util::stream::pending())));
    let request = http::Request::builder().method("POST").uri("/api/things").header("x-token", "member");
    let reply = read(world.gateway.serve(None, request.body(body).unwrap()).await).await;
    assert_eq!(reply.status, 408);
}

#[tokio::test]
async fn draining_turns_new_requests_away() {
    let world = World::echo();
    world.shared.drain();
    let reply = world.call("GET", "/api/things", "").await;
    assert_eq!((reply.status, reply.why().as_str()), (503, "unavailable"));
}

#[tokio::test]
async fn two_plugins_that_claim_one_route_are_named() {
    let world = World::echo();
    let one = mount(MANIFEST, "/api", world.handler.clone()).unwrap();
    let two = mount(&MANIFEST.replace("things-v1", "others-v1"), "/api", handler(|_, _| Ok(ok("")))).unwrap();
    let far = mount(&MANIFEST.replace("things-v1", "others-v1"), "/api2", handler(|_, _| Ok(ok("")))).unwrap();
    let defects = skyloom_gateway::Gateway::new(world.shared.clone(), vec![one.clone(), two], false).err().unwrap();
    let told = "mounts `/api` of plugin `things-v1` and `/api` of plugin `others-v1` both claim GET /api and ";
    assert!(matches!(&defects[..], [one] if one.starts_with(told)), "{defects:?}");
    assert!(skyloom_gateway::Gateway::new(world.shared.clone(), vec![one, far], false).is_ok());
}

#[tokio::test]
async fn an_operation_needs_what_it_requires_where_its_mount_says_so() {
    let world = World::echo();
    for (dependent_actions, status, told) in [(false, 200, "things.bless"), (true, 403, "flavors:make")] {
        let mount = mount_with(MANIFEST, "/api", world.handler.clone(), dependent_actions).unwrap();
        let gateway = skyloom_gateway::Gateway::new(world.shared.clone(), vec![mount], false).unwrap();
        let request = http::Request::post("/api/things/x/bless").header("x-token", "member");
        let reply = read(gateway.serve(None, request.body("{}".to_owned().into()).unwrap()).await).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        assert!(reply.body.contains(told), "{}", reply.body);
    }
}

#[tokio::test]
async fn requests_are_counted() {
    let world = World::echo();
    world.call("GET", "/api/things", "").await;
    world.call("GET", "/api/nothing", "").await;
    let text = world.shared.metrics.text().await;
    for line in [
        "skyloom_http_requests_total{plugin=\"things-v1\",operation=\"things.list\",status=\"200\"} 1",
        "skyloom_http_requests_total{plugin=\"things-v1\",operation=\"-\",status=\"404\"} 1",
        "skyloom_http_request_seconds_count{plugin=\"things-v1\",operation=\"things.list\"} 1",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn guessing_tokens_is_limited_by_address() {
    let world =
        World::with(Settings { anonymous_rate: 1, anonymous_burst: 2, ..Settings::default() }, |_, _| Ok(ok("{}")));
    let client = Some(std::net::IpAddr::from([192, 0, 2, 1]));
    let send = async |token: &str| {
        let request = http::Request::builder().uri("/api/things").header("x-token", token);
        let body = axum::body::Body::empty();
        read(world.gateway.serve(client, request.body(body).unwrap()).await).await.status
    };
    assert_eq!([send("guess").await, send("guess").await, send("guess").await], [401, 401, 413]);
    assert_eq!(send("member").await, 200, "who is known is not held back");
    let text = world.shared.metrics.text().await;
    assert!(text.contains("skyloom_http_requests_in_flight 0"), "{text}");
}
