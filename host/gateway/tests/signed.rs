//! Requests that are signed with an access key: what is taken, and each way to be refused.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::support::{KEY, MANIFEST, Reply, SECRET, World, handler, mount, ok, read};
use axum::body::Body;
use futures_util::{StreamExt as _, stream};
use ring::hmac;
use sha2::{Digest as _, Sha256};
use skyloom_gateway::{Gateway, Metrics, Request, Response, Settings, Shared};
use skyloom_runtime::RunError;
use skyloom_runtime::context::CallContext;

const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest() -> String {
    let signature = include_str!("../../runtime/src/manifest/samples/signature.toml");
    let signature = format!("\n{signature}unsigned-payload = \"NONE\"\nmax-body-kib = 1\n\n[[operation]]");
    MANIFEST.replacen("\n[[operation]]", &signature, 1)
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A request as a client signs it; each part may be changed afterwards.
#[derive(Clone)]
struct Signed {
    method: &'static str,
    path: &'static str,
    /// In canonical form.
    query: &'static str,
    headers: Vec<(&'static str, String)>,
    body: &'static str,
    key: &'static str,
    secret: &'static str,
    /// Instead of the body's own hash.
    payload: Option<String>,
}

fn at(seconds: i64) -> String {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

impl Signed {
    fn new(method: &'static str, path: &'static str, body: &'static str) -> Self {
        let headers = vec![("host", "cloud.test".to_owned()), ("x-date", at(0))];
        Self { method, path, query: "", headers, body, key: KEY, secret: SECRET, payload: None }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self.headers.sort_unstable();
        self
    }

    fn authorization(&self) -> String {
        let lines: String = self.headers.iter().flat_map(|(name, value)| [*name, ":", value, "\n"]).collect();
        let names = self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let payload = self.payload.clone().unwrap_or_else(|| hash(self.body.as_bytes()));
        let canonical = format!("{}\n{}/\n{}\n{lines}\n{names}\n{payload}", self.method, self.path, self.query);
        let date = self.headers.iter().find(|(name, _)| *name == "x-date").map_or("", |(_, date)| date);
        let message = format!("MAC-1\n{date}\n{}", hash(canonical.as_bytes()));
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes()), message.as_bytes());
        format!("MAC-1 Key={}, Headers={names}, Mac={}", self.key, hex::encode(mac))
    }

    fn request(&self) -> http::request::Builder {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let mut request = http::Request::builder().method(self.method).uri(format!("{}{query}", self.path));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.header("authorization", self.authorization())
    }

    fn build(&self) -> axum::extract::Request {
        self.request().body(self.body.to_owned().into()).unwrap()
    }
}

fn get() -> Signed {
    Signed::new("GET", "/api/things", "")
}

fn post() -> Signed {
    Signed::new("POST", "/api/things", r#"{"thing":{"name":"a"}}"#)
}

/// A gateway that takes signatures.
fn world_of(
    settings: Settings,
    script: impl Fn(&CallContext, &Request) -> Result<Response, RunError> + Send + Sync + 'static,
) -> World {
    let mut world = World::echo();
    let shared = Shared::new(world.core.clone(), settings, Arc::new(Metrics::default()));
    world.handler = handler(script);
    let mount = mount(&manifest(), "/api", world.handler.clone()).unwrap();
    world.gateway = Gateway::new(shared.clone(), vec![mount], false).unwrap();
    world.shared = shared;
    world
}

fn world(settings: Settings) -> World {
    world_of(settings, |_, request| Ok(ok(&request.operation)))
}

fn usual() -> World {
    world(Settings::default())
}

#[track_caller]
fn assert_refused(reply: &Reply, what: &str, said: &str) {
    assert_eq!((reply.status, reply.why().as_str()), (401, "bad-signature"), "{what}: {}", reply.body);
    assert!(reply.body.contains(said), "{what}: {}", reply.body);
}

const WRONG: &str = "The access key or the signature is not valid.";

#[tokio::test]
async fn a_signed_request_is_its_keys_users() {
    let world = usual();
    assert_eq!(world.send(get().build()).await.body, "things.list");
    let caller = world.last().caller.unwrap();
    assert_eq!((caller.project_id.as_deref(), caller.roles), (Some("p1"), vec!["member".to_owned()]));
    assert!(world.last().headers.iter().all(|(name, _)| name != "authorization"), "credentials stay in the host");
    let mut odd = get();
    odd.query = "%2A=&a=%20b&a=c";
    let sent = odd.request().uri("/api/things?a=c&a=+b&*").body(Body::empty()).unwrap();
    assert_eq!(world.send(sent).await.status, 200, "a query in another order and spelling is the same");
    assert_eq!(world.send(post().build()).await.status, 200);
    assert_eq!(world.last().body, post().body.as_bytes());
    assert_eq!(world.send(get().with("x-project", "p1").build()).await.status, 200);
    let reply = world.send(get().with("x-project", "p2").build()).await;
    assert_eq!((reply.status, reply.why().as_str()), (400, "project-header-mismatch"));
    assert_eq!(world.send(Signed::new("POST", "/api/wipe", "").build()).await.status, 403, "permissions are as ever");
    assert_eq!(world.send(Signed::new("GET", "/api/p1/things", "").build()).await.status, 200);
    assert_eq!(world.send(Signed::new("GET", "/api/p2/things", "").build()).await.why(), "project-mismatch");
}

#[tokio::test]
async fn a_token_wins_over_a_signature() {
    let world = usual();
    let request = Signed { secret: "another", ..get() }.request().header("x-token", "member@p7");
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.status, 200);
    assert_eq!(world.last().caller.unwrap().project_id.as_deref(), Some("p7"));
}

#[tokio::test]
async fn a_mount_without_the_scheme_takes_no_signature() {
    let reply = World::echo().send(get().build()).await;
    assert_eq!((reply.status, reply.why().as_str()), (401, "unauthenticated"));
    let reply =
        usual().send(get().request().header("authorization", "x").method("GET").body(Body::empty()).unwrap()).await;
    assert_refused(&reply, "two headers", "The header authorization is not of the form MAC-1 Key=");
    let other = http::Request::get("/api/things").header("authorization", "MAC-2 Key=k").body(Body::empty()).unwrap();
    assert_eq!(usual().send(other).await.why(), "unauthenticated");
}

#[tokio::test]
async fn a_wrong_key_secret_or_date_is_refused_before_the_body() {
    let world = usual();
    let never = || Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
    for (what, signed, said) in [
        ("an unknown key", Signed { key: "nobodys-key", ..post() }, WRONG),
        ("an old date", post().with("x-date", &at(-905)), "is more than 900 seconds from this clock's, which shows 2"),
        ("a future date", post().with("x-date", &at(905)), "is more than 900 seconds from this clock's, which shows 2"),
        ("no date", post().with("x-date", "yesterday"), "The header x-date is no time such as 20260131T235959Z."),
    ] {
        let reply = world.send(signed.request().body(never()).unwrap()).await;
        assert_refused(&reply, what, said);
    }
    for signed in [get(), post()] {
        let reply = world.send(Signed { secret: "another", ..signed }.build()).await;
        assert_refused(&reply, "another secret", WRONG);
    }
    for (off, status) in [(-890, 200), (890, 200)] {
        assert_eq!(world.send(get().with("x-date", &at(off)).build()).await.status, status, "{off}");
    }
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn what_was_altered_on_the_way_is_refused() {
    let world = usual();
    let altered = |change: fn(&mut axum::extract::Request), signed: Signed| {
        let mut request = signed.build();
        change(&mut request);
        request
    };
    let mut queried = get();
    queried.query = "a=1";
    let project = get().with("x-project", "p1");
    for (what, request) in [
        ("the body", altered(|request| *request.body_mut() = r#"{"thing":{"name":"b"}}"#.into(), post())),
        ("no body", altered(|request| *request.body_mut() = Body::empty(), post())),
        ("a body", altered(|request| *request.body_mut() = "x".into(), get())),
        ("the query", altered(|request| *request.uri_mut() = "/api/things?a=2".parse().unwrap(), queried.clone())),
        ("no query", altered(|request| *request.uri_mut() = "/api/things".parse().unwrap(), queried)),
        ("the path", altered(|request| *request.uri_mut() = "/api/things/x".parse().unwrap(), get())),
        ("a slash", altered(|request| *request.uri_mut() = "/api%2fthings".parse().unwrap(), get())),
        (
            "the method",
            altered(|request| *request.method_mut() = http::Method::DELETE, Signed::new("GET", "/api/things/x", "")),
        ),
        (
            "the host",
            altered(|request| drop(request.headers_mut().insert("host", "evil.test".parse().unwrap())), get()),
        ),
        ("the date", altered(|request| drop(request.headers_mut().insert("x-date", at(1).parse().unwrap())), get())),
        (
            "a header",
            altered(|request| drop(request.headers_mut().insert("x-project", "p2".parse().unwrap())), project),
        ),
    ] {
        let reply = world.send(request).await;
        if what == "a slash" {
            assert_eq!(reply.status, 404, "an encoded slash is none");
        } else {
            assert_refused(&reply, what, WRONG);
        }
    }
    let more = get().request().header("x-project", "p2").body(Body::empty()).unwrap();
    assert_refused(&world.send(more).await, "another header", "The signature does not cover the header x-project.");
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_hash_in_a_header_proves_the_request_before_its_body() {
    let world = usual();
    let hashed = |hash: &str| Signed { payload: Some(hash.to_owned()), ..post().with("x-hash", hash) };
    assert_eq!(world.send(hashed(&hash(post().body.as_bytes())).build()).await.status, 200);
    let reply = world.send(hashed(&hash(b"another")).build()).await;
    assert_refused(&reply, "another hash", "The body is not the one that was signed.");
    let reply = world.send(Signed { secret: "another", ..hashed(&hash(post().body.as_bytes())) }.build()).await;
    assert_refused(&reply, "another secret", WRONG);
    let reply = world.send(hashed("NONE").build()).await;
    assert_refused(&reply, "unsigned", "The body of this request must be signed.");
    // Where there is nothing to sign, clients say so in two ways.
    for payload in [NOTHING, "NONE"] {
        let nothing = Signed { payload: Some(payload.to_owned()), ..get().with("x-hash", "NONE") };
        assert_eq!(world.send(nothing.build()).await.status, 200, "{payload}");
    }
    assert_eq!(world.calls(), 3);
}

#[tokio::test]
async fn a_stream_is_sent_unsigned() {
    let world = usual();
    let put = || Signed::new("PUT", "/api/things/x/file", "bytes");
    let unsigned = Signed { payload: Some("NONE".to_owned()), ..put().with("x-hash", "NONE") };
    assert_eq!(world.send(unsigned.build()).await.status, 200);
    let said = "The body of this request is a stream, which is sent unsigned.";
    assert_refused(&world.send(put().build()).await, "a signed one", said);
    assert_refused(&world.send(put().with("x-hash", &hash(b"bytes")).build()).await, "a hashed one", said);
}

#[tokio::test]
async fn a_signed_body_is_no_larger_than_the_scheme_has_it() {
    let world = usual();
    let large: &'static str = Box::leak(format!("\"{}\"", "x".repeat(1100)).into_boxed_str());
    let reply = world.send(Signed::new("POST", "/api/things", large).build()).await;
    assert_eq!((reply.status, reply.why().as_str()), (413, "too-large"));
    let put = Signed::new("PUT", "/api/things/x/file", large).with("x-hash", "NONE");
    let put = Signed { payload: Some("NONE".to_owned()), ..put };
    let declared = put.request().header("content-length", large.len()).body(large.into()).unwrap();
    assert_eq!(world.send(declared).await.why(), "too-large", "a stream too");
    let accepting = world_of(Settings::default(), |context, _| {
        context.streams.grant_upload(u64::MAX);
        Ok(Response { status: 200, headers: vec![], body: skyloom_gateway::Body::AcceptUpload(u64::MAX) })
    });
    assert_eq!(accepting.send(put.build()).await.why(), "too-large", "and one that doesn't say so");
}

#[tokio::test]
async fn a_request_that_changes_something_is_taken_once() {
    let world = usual();
    let (first, second) = (post(), Signed::new("DELETE", "/api/things/x", ""));
    for signed in [&first, &second] {
        assert_eq!(world.send(signed.build()).await.status, 200);
        assert_refused(
            &world.send(signed.build()).await,
            "again",
            "This signed request was taken before; sign it anew.",
        );
    }
    let read = get();
    for _ in 0..3 {
        assert_eq!(world.send(read.build()).await.status, 200, "a read may be repeated");
    }
    // One that was refused for its signature leaves nothing.
    let mut forged = Signed { secret: "another", ..Signed::new("DELETE", "/api/things/y", "") };
    assert_refused(&world.send(forged.build()).await, "forged", WRONG);
    forged.secret = SECRET;
    assert_eq!(world.send(forged.build()).await.status, 200);
    let full = world_of_one();
    assert_eq!(full.send(post().build()).await.status, 200);
    let reply = full.send(Signed::new("DELETE", "/api/things/x", "").build()).await;
    assert_eq!(
        (reply.why().as_str(), &reply.headers["retry-after"]),
        ("rate-limited", &http::HeaderValue::from_static("1"))
    );
}

fn world_of_one() -> World {
    world(Settings { remembered_signatures: 1, ..Settings::default() })
}

#[tokio::test]
async fn guessed_keys_and_signatures_are_nobodys_requests() {
    let world = world(Settings { anonymous_rate: 1, anonymous_burst: 2, ..Settings::default() });
    let ask = async |signed: Signed| {
        let request = signed.build();
        read(world.gateway.serve(Some(IpAddr::from([192, 0, 2, 1])), request).await).await.why_or_ok()
    };
    let guess = |mark| Signed { key: mark, ..get() };
    assert_eq!(ask(guess("a-key-1")).await, "bad-signature");
    assert_eq!(ask(Signed { secret: "another", ..get() }).await, "bad-signature");
    assert_eq!(ask(guess("a-key-2")).await, "rate-limited");
    assert_eq!(ask(get()).await, "ok", "who proves the key isn't held up");
}

#[tokio::test]
async fn bodies_that_prove_nothing_yet_have_a_budget_of_their_own() {
    let world = world(Settings { unproven_bodies_mib: 1, queue_ms: 20, ..Settings::default() });
    // A budget of 1 MiB in all: one address has half of it, which 512 bodies of 1 KiB take.
    let slow = || {
        let first = stream::once(async { Ok::<_, std::io::Error>("{") });
        Body::from_stream(first.chain(stream::pending()))
    };
    let waiting: Vec<_> = (0..512)
        .map(|_| {
            let request = post().request().body(slow()).unwrap();
            let gateway = world.gateway.clone();
            tokio::spawn(async move { gateway.serve(Some(IpAddr::from([192, 0, 2, 1])), request).await })
        })
        .collect();
    let mut sent = 0;
    let mut ask = async |client: u8| {
        sent += 1;
        let request = post().with("x-n", &sent.to_string()).build();
        read(world.gateway.serve(Some(IpAddr::from([192, 0, 2, client])), request).await).await.why_or_ok()
    };
    let started = std::time::Instant::now();
    while ask(1).await == "ok" {
        assert!(started.elapsed().as_secs() < 20, "the budget never fills");
    }
    assert_eq!(ask(1).await, "rate-limited");
    assert_eq!(ask(2).await, "ok", "another address");
    assert_eq!(world.call("POST", "/api/things", post().body).await.status, 200, "who has a token");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn what_cannot_be_known_is_told_so() {
    let world = usual();
    let reply = world.send(Signed { key: "broken-key", ..get() }.build()).await;
    assert_eq!((reply.status, reply.why().as_str()), (503, "unavailable"));
    assert!(!world.core.down.load(Relaxed));
}
