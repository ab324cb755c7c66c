//! Reads between two processes, and what each of them refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::header::AUTHORIZATION;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use skyloom_cloud::compute::Processes;
use skyloom_cloud::secrets::{Authenticator, Sealer};
use skyloom_model::{Error, ErrorCode, Result};
use skyloom_runtime::driver::{ReadCall, Reading};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::answering::MAX_BODY;
use super::wire::{PATH, Proof};
use super::{Answering, Asking, DrivenNodes, INTERNAL_READS, InternalLimits, clock, router};

fn key(of: u8) -> Authenticator {
    Sealer::new(&[of; 32]).authenticator(INTERNAL_READS)
}

/// The driver of `node-1`. What a server's console has is its id, but for some.
#[derive(Default)]
struct Consoles {
    reads: AtomicUsize,
    now: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl DrivenNodes for Consoles {
    async fn read(&self, node: &str, call: ReadCall<'_>) -> Option<Result<Reading>> {
        let ReadCall::ConsoleOutput { server_id, max_bytes } = call else { panic!("only consoles are read") };
        if node != "node-1" {
            return None;
        }
        self.reads.fetch_add(1, Relaxed);
        Some(match server_id {
            "broken" => Err(Error::new(ErrorCode::DriverFailed, "It failed.").with_internal("the hidden half")),
            "controls" => Ok(Reading::Text("\u{1}".repeat(max_bytes as usize))),
            "endless" => Ok(Reading::Text("x".repeat(1 << 20))),
            "silent" => std::future::pending().await,
            "slow" => {
                self.most_at_once.fetch_max(self.now.fetch_add(1, Relaxed) + 1, Relaxed);
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                self.now.fetch_sub(1, Relaxed);
                Ok(Reading::Text("slow".to_owned()))
            }
            other => Ok(Reading::Text(other.to_owned())),
        })
    }
}

/// A process that answers.
struct There {
    nodes: Arc<Consoles>,
    address: String,
    router: Router,
}

/// It listens, too.
async fn process(limits: InternalLimits) -> There {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (nodes, address) = (Arc::new(Consoles::default()), socket.local_addr().unwrap().to_string());
    let answering = Answering { key: key(1), address: address.clone(), limits, nodes: nodes.clone() };
    let router = router(answering);
    tokio::spawn(axum::serve(socket, router.clone()).into_future());
    There { nodes, address, router }
}

fn asking(limits: InternalLimits) -> Asking {
    Asking::new(key(1), limits)
}

fn console(server_id: &str) -> ReadCall<'_> {
    ReadCall::ConsoleOutput { server_id, max_bytes: 1000 }
}

/// A console's log that must be there.
fn text(read: Result<Reading>) -> String {
    match read {
        Ok(Reading::Text(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Refused as something that cannot be reached, with this in the log and not in the message.
fn refused_with(read: Result<Reading>, part: &str) {
    let error = read.expect_err(part);
    assert_eq!(error.code, ErrorCode::Unavailable, "{}", error.for_log());
    assert!(error.internal_text().is_some_and(|text| text.contains(part)), "{part} in {}", error.for_log());
    assert_eq!(error.message, "The compute node is not available at the moment.");
}

const ASKED: &str = r#"{"node":"node-1","read":{"console-output":{"server-id":"s","max-bytes":1000}}}"#;

impl There {
    fn proof(&self, body: &str) -> Proof {
        Proof::new(&key(1), &self.address, body.as_bytes(), clock())
    }

    /// Status and line.
    async fn send(&self, proof: Option<&Proof>, body: &str) -> (StatusCode, String) {
        let mut request = Request::post(PATH);
        if let Some(proof) = proof {
            request = request.header(AUTHORIZATION, proof.header());
        }
        let answer = self.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (status, body) = (answer.status(), answer.into_body().collect().await.unwrap().to_bytes());
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn refuses(&self, proof: Option<&Proof>, body: &str, status: StatusCode, part: &str) {
        let reads = self.nodes.reads.load(Relaxed);
        let (got, line) = self.send(proof, body).await;
        assert_eq!(got, status, "{line}");
        assert!(line.contains(part), "{part} in {line}");
        assert_eq!(self.nodes.reads.load(Relaxed), reads, "nothing is read: {part}");
    }
}

#[tokio::test]
async fn another_process_reads_what_the_driver_gives() {
    let (there, here) = (process(InternalLimits::default()).await, asking(InternalLimits::default()));
    let odd = "s \"\u{1b}\\\n\u{fffd}";
    for server in ["s", "", odd] {
        assert_eq!(text(here.read(&there.address, "node-1", console(server)).await), server);
    }
    let controls = text(here.read(&there.address, "node-1", console("controls")).await);
    assert_eq!(controls, "\u{1}".repeat(1000), "the most that may be asked for, in its longest form");
}

#[tokio::test]
async fn what_the_driver_refuses_keeps_its_code_and_leaves_its_internal_half() {
    let (there, here) = (process(InternalLimits::default()).await, asking(InternalLimits::default()));
    let error = here.read(&there.address, "node-1", console("broken")).await.expect_err("it fails");
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::DriverFailed, "It failed."));
    assert_eq!(error.internal_text(), None);
    let asked = ASKED.replace("\"s\"", "\"broken\"");
    let (status, body) = there.send(Some(&there.proof(&asked)), &asked).await;
    assert!(status == StatusCode::OK && body.contains("driver-failed") && !body.contains("hidden"), "{body}");
}

#[tokio::test]
async fn who_has_another_key_is_refused_and_not_believed() {
    let there = process(InternalLimits::default()).await;
    let stranger = Asking::new(key(2), InternalLimits::default());
    refused_with(stranger.read(&there.address, "node-1", console("s")).await, "401");
    let unauthorized = StatusCode::UNAUTHORIZED;
    there.refuses(None, ASKED, unauthorized, "sign what they ask").await;
    let mut forged = there.proof(ASKED);
    forged.mac[0] ^= 1;
    there.refuses(Some(&forged), ASKED, unauthorized, "deployment's key").await;
    let elsewhere = Proof::new(&key(1), "127.0.0.1:1", ASKED.as_bytes(), clock());
    there.refuses(Some(&elsewhere), ASKED, unauthorized, "another address").await;
    let another = ASKED.replace("\"s\"", "\"t\"");
    there.refuses(Some(&there.proof(ASKED)), &another, unauthorized, "the body is not").await;
    assert_eq!(there.send(Some(&there.proof(ASKED)), ASKED).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_read_is_answered_at_its_time_and_once() {
    let there = process(InternalLimits::default()).await;
    let window = i64::from(InternalLimits::default().window_seconds);
    let at = |seconds: i64| Proof::new(&key(1), &there.address, ASKED.as_bytes(), clock() + seconds);
    for seconds in [-window - 60, window + 60] {
        there.refuses(Some(&at(seconds)), ASKED, StatusCode::UNAUTHORIZED, "more than 30 seconds").await;
    }
    for seconds in [10 - window, window - 10, 0] {
        let proof = at(seconds);
        assert_eq!(there.send(Some(&proof), ASKED).await.0, StatusCode::OK, "{seconds}");
        there.refuses(Some(&proof), ASKED, StatusCode::UNAUTHORIZED, "was answered before").await;
    }
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let there = process(InternalLimits { remembered: 2, ..InternalLimits::default() }).await;
    assert_eq!(there.send(Some(&there.proof(ASKED)), ASKED).await.0, StatusCode::OK);
    there.refuses(Some(&there.proof(ASKED)), ASKED, StatusCode::TOO_MANY_REQUESTS, "remembered").await;
}

#[tokio::test]
async fn a_node_that_is_not_driven_there_is_refused() {
    let (there, here) = (process(InternalLimits::default()).await, asking(InternalLimits::default()));
    refused_with(here.read(&there.address, "node-2", console("s")).await, "does not drive node node-2");
    let asked = ASKED.replace("node-1", "node-2");
    there.refuses(Some(&there.proof(&asked)), &asked, StatusCode::MISDIRECTED_REQUEST, "node-2").await;
}

#[tokio::test]
async fn only_reads_that_are_known_cross() {
    let (there, here) = (process(InternalLimits::default()).await, asking(InternalLimits::default()));
    for asked in [
        r#"{"node":"node-1","read":{"stop":{"server-id":"s"}}}"#,
        r#"{"node":"node-1","read":"capacity"}"#,
        r#"{"node":"node-1","read":{"console-output":{"server-id":"s","max-bytes":-1}}}"#,
        r#"{"node":"node-1","read":{"console-output":{"server-id":"s","max-bytes":1,"more":1}}}"#,
        r#"{"node":"node-1"}"#,
        "[]",
        "",
    ] {
        there.refuses(Some(&there.proof(asked)), asked, StatusCode::BAD_REQUEST, "no read that is known").await;
    }
    let error = here.read(&there.address, "node-1", ReadCall::Capacity).await.expect_err("it doesn't cross");
    assert_eq!(error.code, ErrorCode::Internal);
}

#[tokio::test]
async fn what_is_too_large_is_refused_on_both_sides() {
    let (there, here) = (process(InternalLimits::default()).await, asking(InternalLimits::default()));
    let large = ASKED.replace("\"s\"", &format!("\"{}\"", "x".repeat(MAX_BODY)));
    there.refuses(Some(&there.proof(&large)), &large, StatusCode::PAYLOAD_TOO_LARGE, "bytes").await;
    let error = here.read(&there.address, "node-1", console("endless")).await.expect_err("more than was asked for");
    assert_eq!(error.code, ErrorCode::DriverFailed);
    let endless = replying(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1 << 20))).await;
    refused_with(here.read(&endless, "node-1", console("s")).await, "at most");
}

/// Answers one request with these bytes, whatever it is.
async fn replying(bytes: String) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}}}") {
            assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0, "the request's end");
        }
        // Who asked may have heard enough.
        let _ = stream.write_all(bytes.as_bytes()).await;
    });
    address
}

#[tokio::test]
async fn an_answer_of_somebody_else_is_not_believed() {
    let here = asking(InternalLimits::default());
    let text = r#"{"text":"forged"}"#;
    for proof in [String::new(), "skyloom-answer: 00\r\n".to_owned(), format!("skyloom-answer: {}\r\n", "0".repeat(64))]
    {
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{proof}\r\n{text}", text.len());
        refused_with(here.read(&replying(reply).await, "node-1", console("s")).await, "not signed");
    }
    for (reply, part) in [
        ("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", "302"),
        ("HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nwhy", "why"),
        ("SSH-2.0\r\n\r\n", "asked about node node-1"),
        ("", "asked about node node-1"),
    ] {
        refused_with(here.read(&replying(reply.to_owned()).await, "node-1", console("s")).await, part);
    }
}

#[tokio::test]
async fn a_process_that_is_gone_or_silent_is_not_waited_for() {
    let limits = InternalLimits { timeout_ms: 100, ..InternalLimits::default() };
    let here = asking(limits.clone());
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    // The kernel takes the connection; nobody answers.
    let error = here.read(&address, "node-1", console("s")).await.expect_err("silence");
    assert_eq!(error.code, ErrorCode::TimedOut, "{}", error.for_log());
    drop(socket);
    refused_with(here.read(&address, "node-1", console("s")).await, &address);
    let there = process(limits).await;
    let patient = asking(InternalLimits::default());
    let error = patient.read(&there.address, "node-1", console("silent")).await.expect_err("a silent platform");
    assert_eq!(error.code, ErrorCode::TimedOut, "{}", error.for_log());
}

#[tokio::test]
async fn a_silent_process_keeps_nobody_from_another() {
    let here = Arc::new(asking(InternalLimits { reads: 2, ..InternalLimits::default() }));
    let (silent, there) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), process(InternalLimits::default()).await);
    let address = silent.local_addr().unwrap().to_string();
    for _ in 0..3 {
        let (here, address) = (here.clone(), address.clone());
        tokio::spawn(async move { here.read(&address, "node-1", console("s")).await });
    }
    let _held = silent.accept().await.unwrap();
    let read = here.read(&there.address, "node-1", console("s"));
    let read = tokio::time::timeout(std::time::Duration::from_secs(5), read).await.expect("it has a turn");
    assert_eq!(text(read), "s");
}

#[tokio::test]
async fn no_more_reads_than_the_limit_are_made_at_once() {
    let one = InternalLimits { reads: 1, ..InternalLimits::default() };
    for (asks, answers) in [(InternalLimits::default(), one.clone()), (one, InternalLimits::default())] {
        let (there, here) = (process(answers).await, Arc::new(asking(asks)));
        let reads: Vec<_> = (0..5)
            .map(|_| {
                let (here, address) = (here.clone(), there.address.clone());
                tokio::spawn(async move { text(here.read(&address, "node-1", console("slow")).await) })
            })
            .collect();
        for read in reads {
            assert_eq!(read.await.unwrap(), "slow");
        }
        assert_eq!(there.nodes.most_at_once.load(Relaxed), 1);
    }
}

#[test]
fn limits_that_let_nothing_through_are_refused() {
    assert!(InternalLimits::default().check().is_ok());
    let all = InternalLimits::default();
    for (limits, name) in [
        (InternalLimits { reads: 0, ..all.clone() }, "reads"),
        (InternalLimits { timeout_ms: 0, ..all.clone() }, "timeout-ms"),
        (InternalLimits { window_seconds: 0, ..all.clone() }, "window-seconds"),
        (InternalLimits { remembered: 0, ..all.clone() }, "remembered"),
    ] {
        let error = limits.check().expect_err(name);
        assert_eq!(error.message, format!("[internal.limits] {name} is at least 1"));
    }
}
