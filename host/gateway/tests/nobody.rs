//! Requests of nobody: they keep no caller waiting, and what they may do is bounded.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::{MANIFEST, Reply, World, mount, ok, read};
use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};
use skyloom_gateway::{Gateway, Handler, Metrics, Request, Response, Settings, Shared};
use skyloom_runtime::RunError;
use skyloom_runtime::context::CallContext;
use tokio::sync::Semaphore;

/// With a login, and with tokens as most of the web sends them.
fn manifest() -> String {
    let login = "\n[[operation]]\nid = \"login\"\nmethod = \"POST\"\npaths = [\"/login\"]\naction = \"tokens:issue\"\nsuccess = [201]\n";
    let bearer = "token-header = \"Authorization\"\ntoken-scheme = \"Bearer\"";
    MANIFEST.replace("token-header = \"X-Token\"", bearer) + login
}

/// Logins wait until they are let through; everything else is answered at once.
struct Gate {
    waiting: Semaphore,
    open: Semaphore,
    wait: Option<Duration>,
}

#[async_trait]
impl Handler for Gate {
    async fn handle(&self, context: Arc<CallContext>, request: Request) -> Result<Response, RunError> {
        if request.operation == "login" {
            self.waiting.add_permits(1);
            self.open.acquire().await.unwrap().forget();
            if let Some(wait) = self.wait {
                context.retry_after.set(wait).unwrap();
                return Ok(Response { status: 429, ..ok("{}") });
            }
        }
        assert!(request.headers.iter().all(|(name, _)| name != "authorization"), "credentials stay in the host");
        Ok(ok(&request.operation))
    }
}

struct Place {
    gateway: Arc<Gateway>,
    gate: Arc<Gate>,
    shared: Arc<Shared>,
    _world: World,
}

impl Place {
    fn new(settings: Settings, wait: Option<Duration>) -> Self {
        let world = World::echo();
        let shared = Shared::new(world.core.clone(), settings, Arc::new(Metrics::default()));
        let gate = Arc::new(Gate { waiting: Semaphore::new(0), open: Semaphore::new(0), wait });
        let mount = mount(&manifest(), "/api", gate.clone()).unwrap();
        Self { gateway: Gateway::new(shared.clone(), vec![mount], false).unwrap(), gate, shared, _world: world }
    }

    async fn send(&self, client: u8, method: &str, path: &str, authorization: Option<&str>, body: &str) -> Reply {
        let mut request = http::Request::builder().method(method).uri(path);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        let request = request.body(body.to_owned().into()).unwrap();
        read(self.gateway.serve(Some(IpAddr::from([192, 0, 2, client])), request).await).await
    }

    async fn login(&self, client: u8) -> Reply {
        self.send(client, "POST", "/api/login", None, "{}").await
    }

    async fn list(&self, authorization: &str) -> Reply {
        self.send(1, "GET", "/api/things", Some(authorization), "").await
    }
}

#[tokio::test]
async fn a_flood_of_logins_keeps_neither_callers_nor_reads_waiting_and_is_told_early_to_come_back() {
    let settings =
        Settings { max_calls: 1, anonymous_calls: 2, anonymous_queue: 2, anonymous_rate: 0, ..Settings::default() };
    let place = Arc::new(Place::new(settings, None));
    let logins: Vec<_> = (0..4)
        .map(|client| {
            let place = place.clone();
            tokio::spawn(async move { place.login(client).await })
        })
        .collect();
    place.gate.waiting.acquire_many(2).await.unwrap().forget();
    let asked = Instant::now();
    let one_too_many = loop {
        // The queue fills when the tasks above have run.
        match tokio::time::timeout(Duration::from_millis(500), place.login(9)).await {
            Ok(reply) => break reply,
            Err(_) => assert!(asked.elapsed() < Duration::from_secs(10)),
        }
    };
    assert_eq!((one_too_many.status, one_too_many.why().as_str()), (413, "rate-limited"));
    assert_eq!(one_too_many.headers["retry-after"], "1");
    assert_eq!(place.list("Bearer member").await.status, 200);
    assert_eq!(place.send(1, "GET", "/api/", None, "").await.body, "versions");
    place.gate.open.add_permits(1000);
    for login in logins {
        let reply = login.await.unwrap();
        assert!(reply.status == 200 || reply.why() == "rate-limited", "{}", reply.body);
    }
    assert_eq!(place.login(9).await.status, 200);
}

#[tokio::test]
async fn what_the_core_says_about_coming_back_is_a_header_of_the_answer() {
    let place = Place::new(Settings::default(), Some(Duration::from_millis(1500)));
    place.gate.open.add_permits(1);
    let reply = place.login(1).await;
    assert_eq!((reply.status, &reply.headers["retry-after"]), (429, &http::HeaderValue::from_static("2")));
}

#[tokio::test]
async fn nobody_sends_less_than_a_caller() {
    let place = Place::new(Settings { anonymous_body_kib: 1, ..Settings::default() }, None);
    place.gate.open.add_permits(10);
    let body = |bytes: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(bytes));
    assert_eq!(place.send(1, "POST", "/api/login", None, &body(900)).await.status, 200);
    let reply = place.send(1, "POST", "/api/login", None, &body(1100)).await;
    assert_eq!((reply.status, reply.why().as_str()), (413, "too-large"));
}

#[tokio::test]
async fn a_bearer_token_is_taken_with_its_scheme_in_either_case() {
    let place = Place::new(Settings::default(), None);
    for value in ["Bearer member", "bearer member", "BEARER  member"] {
        assert_eq!(place.list(value).await.body, "things.list", "{value}");
    }
    for value in ["member", "Basic member", "Bearer", "Bearer ", "Bearermember", "Bearer nobody"] {
        let reply = place.list(value).await;
        assert_eq!((reply.status, reply.why().as_str()), (401, "unauthenticated"), "{value}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
    }
    assert_eq!(place.send(1, "GET", "/api/things", None, "").await.status, 401);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_the_bodies_of_nobody() {
    let place = Arc::new(Place::new(Settings { body_timeout_ms: 60_000, ..Settings::default() }, None));
    let (polled, is_read) = tokio::sync::oneshot::channel();
    let first = stream::once(async move {
        polled.send(()).unwrap();
        Ok::<_, std::io::Error>("{")
    });
    let body = axum::body::Body::from_stream(first.chain(stream::pending()));
    let request = http::Request::post("/api/login").header("content-length", 1000).body(body).unwrap();
    let sender = place.clone();
    let answer = tokio::spawn(async move { read(sender.gateway.serve(None, request).await).await });
    is_read.await.unwrap();
    place.shared.drain();
    let reply = tokio::time::timeout(Duration::from_secs(20), answer).await.expect("at once").unwrap();
    assert_eq!(reply.why(), "unavailable");
    assert_eq!(reply.headers["retry-after"], "1");
}
