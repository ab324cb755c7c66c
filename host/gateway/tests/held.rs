//! Bytes that are held for clients, over real sockets: slow ones fill their own share, and who comes too many is told when to come
//! again.

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::{World, ok};
use skyloom_gateway::{Server, Settings};
use skyloom_runtime::RunError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Each budget has 1 MiB, so a project has 512 KiB of it.
fn settings() -> Settings {
    Settings {
        held_bodies_mib: 1,
        anonymous_bodies_mib: 1,
        held_answers_mib: 1,
        queue_ms: 20,
        anonymous_rate: 0,
        ..Settings::default()
    }
}

/// It listens for as long as what this gives.
async fn listen(world: &World) -> (SocketAddr, Server) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server = Server::new(world.shared.clone()).unwrap();
    server.listen(socket, None, &world.gateway).unwrap();
    (address, server)
}

async fn connected(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn whole(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// Asks until the answer is as wanted.
async fn until(address: SocketAddr, request: &str, wanted: &str) -> String {
    let limit = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let answer = whole(connected(address, request).await).await;
        if answer.starts_with(wanted) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < limit, "it never came true: {}", &answer[..answer.len().min(500)]);
    }
}

/// The test's manifest takes bodies of 1 KiB.
fn create(token: &str, length: usize, body: &str) -> String {
    format!(
        "POST /api/things HTTP/1.1\r\nHost: x\r\nX-Token: {token}\r\nContent-Type: application/json\r\nContent-Length: \
         {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

fn list(token: &str) -> String {
    format!("GET /api/things HTTP/1.1\r\nHost: x\r\nX-Token: {token}\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn slow_bodies_fill_the_share_of_their_project_only() {
    let world = World::with(settings(), |_, _| Ok(ok("{}")));
    let (address, _server) = listen(&world).await;
    let body = r#"{"thing":{"name":"x"}}"#;
    let quick = |token: &str| create(token, body.len(), body);
    let mut slow = Vec::new();
    for _ in 0..512 {
        slow.push(connected(address, &create("member@p1", 1024, "{")).await);
    }
    let full = until(address, &quick("member@p1"), "HTTP/1.1 503").await;
    assert!(full.contains("retry-after: 1\r\n") && full.contains(r#""why":"unavailable""#), "{full}");
    for served in [quick("member@p2"), list("member@p1")] {
        let answer = whole(connected(address, &served).await).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(slow);
    until(address, &quick("member@p1"), "HTTP/1.1 200").await;
}

#[tokio::test]
async fn answers_that_nobody_takes_fill_the_share_of_their_project_only() {
    const LARGE: usize = 16 << 20;
    let world = World::with(settings(), |_, request| {
        let large = request.headers.iter().any(|(name, _)| name == "x-large");
        Ok(ok(&"x".repeat(if large { LARGE } else { 1000 })))
    });
    let (address, _server) = listen(&world).await;
    let large = |token: &str| list(token).replace("Host: x", "Host: x\r\nX-Large: 1");
    // More than the buffers of a socket hold, and its client doesn't read. Its answer has begun before anybody else asks.
    let stalled = connected(address, &large("member@p1")).await;
    let mut begun = [0; 12];
    stalled.peek(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200");
    let full = until(address, &large("member@p1"), "HTTP/1.1 503").await;
    assert!(full.contains("retry-after: 1\r\n") && full.contains(r#""why":"unavailable""#), "{full}");
    let small = whole(connected(address, &list("member@p1")).await).await;
    assert!(small.starts_with("HTTP/1.1 200"), "{small}");
    for answer in [whole(connected(address, &large("member@p2")).await).await, whole(stalled).await] {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains(&format!("content-length: {LARGE}")), "{head}");
        assert!(body.len() == LARGE && body.bytes().all(|byte| byte == b'x'));
    }
    until(address, &large("member@p1"), "HTTP/1.1 200").await;
}

#[tokio::test]
async fn a_call_that_finds_no_memory_is_told_when_to_come_again() {
    let world = World::new(|_, _| Err(RunError::Busy(Duration::from_secs(2))));
    let reply = world.call("GET", "/api/things", "").await;
    assert_eq!((reply.status, reply.why().as_str()), (503, "unavailable"));
    assert_eq!(reply.headers["retry-after"], "1");
}
