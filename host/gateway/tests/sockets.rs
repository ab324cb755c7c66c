//! Real sockets: TLS, limits of slow and large clients, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::sockets::{connect, is_closed, until};
use crate::support::{FakeNodes, World, ok};
use skyloom_gateway::{Body, Network, Response, Server, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

struct Running {
    api: SocketAddr,
    operator: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    done: JoinHandle<bool>,
    world: Arc<World>,
}

async fn serve(world: World) -> Running {
    serve_with(world, true).await
}

async fn serve_with(world: World, turns_clock: bool) -> Running {
    let server = Server::new(world.shared.clone()).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = socket.local_addr().unwrap();
    server.listen(socket, None, &world.gateway).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let operator = socket.local_addr().unwrap();
    server.listen_operator(socket, Vec::new(), Arc::new(FakeNodes::default()), turns_clock).unwrap();
    let (stop, stopped) = oneshot::channel();
    let done = tokio::spawn(server.run(async move { drop(stopped.await) }));
    Running { api, operator, stop: Some(stop), done, world: Arc::new(world) }
}

/// Sends bytes, reads to the end.
async fn talk(address: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nX-Token: member\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn an_answer_over_a_socket() {
    let running = serve(World::echo()).await;
    let answer = talk(running.api, &get("/api/things")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nthings.list"), "{answer}");
    let answer = talk(running.api, &get("/api/things").replace("GET", "HEAD")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 11") && body.len() < 11 && !body.contains("HTTP"), "{answer}");
}

#[tokio::test]
async fn heads_that_are_too_large_or_too_slow_are_cut_off() {
    let settings = Settings { max_head_kib: 8, max_headers: 10, head_timeout_ms: 100, ..Settings::default() };
    let running = serve(World::with(settings, |_, _| Ok(ok("{}")))).await;
    let large = get(&format!("/api/things?x={}", "y".repeat(20_000)));
    let answer = talk(running.api, &large).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    let many = get("/api/things").replace("Host: x", &"A: b\r\n".repeat(20));
    assert!(!talk(running.api, &many).await.starts_with("HTTP/1.1 200"));
    // A head that never ends: the connection does.
    talk(running.api, "GET /api/things HTTP/1.1\r\nHost:").await;
    assert_eq!(running.world.calls(), 0);
    assert!(talk(running.api, &get("/api/things")).await.starts_with("HTTP/1.1 200"));
}

/// hyper refuses these before anybody else sees them.
#[tokio::test]
async fn heads_that_cannot_be_read_are_told_why() {
    let settings = Settings { max_head_kib: 128, max_headers: 10, ..Settings::default() };
    let running = serve(World::with(settings, |_, _| Ok(ok("{}")))).await;
    let long = |length: usize| get(&format!("/api/things?x={}", "y".repeat(length)));
    for (request, status, said) in [
        (get("/api/things").replace("Host: x", &"A: b\r\n".repeat(20)), 431, "there may be 10 fields"),
        (
            get("/api/things").replace("Host: x", &format!("A: {}", "b".repeat(300_000))),
            431,
            "may have 131072 bytes together",
        ),
        (long(1 << 20), 431, "may have 131072 bytes together"),
        (long(65_600), 414, "it may have 65534 bytes"),
        ("GET /api/th\u{1}ings HTTP/1.1\r\n\r\n".to_owned(), 400, "malformed"),
    ] {
        for _ in 0..5 {
            let mut stream = TcpStream::connect(running.api).await.unwrap();
            stream.write_all(request.as_bytes()).await.expect("the head is taken");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("no reset");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains("content-type: application/json"), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["error"]["code"], status);
            assert!(body["error"]["message"].as_str().unwrap().contains(said), "{body}");
        }
    }
    assert_eq!(running.world.calls(), 0);
    // After a request that was served, on the same connection.
    let first = get("/api/things").replace("Connection: close\r\n", "");
    let answer = talk(running.api, &format!("{first}{}", long(300_000))).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"code\":431"), "{answer}");
}

/// What is left of the body when the refusal is written would reset the connection, and the answer with it.
#[tokio::test]
async fn a_refusal_arrives_whatever_of_the_body_was_not_read() {
    let running = serve(World::echo()).await;
    for (head, status) in [
        ("POST /api/things HTTP/1.1\r\nX-Token: member\r\n", "413"),
        ("POST /api/nothing HTTP/1.1\r\nX-Token: member\r\n", "404"),
        ("POST /api/things HTTP/1.1\r\n", "401"),
    ] {
        for _ in 0..5 {
            let mut stream = TcpStream::connect(running.api).await.unwrap();
            let length = 4 << 20;
            let head = format!("{head}Host: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&vec![b'x'; length]).await.expect("the body is taken");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("no reset");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    }
}

/// A client that has been told to go on sends its body, whatever is found in it.
#[tokio::test]
async fn a_refusal_arrives_after_the_client_was_told_to_go_on() {
    let running = serve(World::echo()).await;
    for _ in 0..5 {
        let mut stream = TcpStream::connect(running.api).await.unwrap();
        let head = "POST /api/things HTTP/1.1\r\nX-Token: member\r\nHost: x\r\nConnection: close\r\n\
                    Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
        for _ in 0..6 {
            stream.write_all(&chunk).await.expect("the body is taken");
        }
        stream.write_all(b"0\r\n\r\n").await.expect("the body's end is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("no reset");
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
}

#[tokio::test]
async fn a_stored_file_that_is_too_short_breaks_the_connection() {
    let world = World::new(|_, request| {
        Ok(Response { status: 200, headers: vec![], body: Body::Blob(request.params[0].1.clone()) })
    });
    for name in ["whole", "short"] {
        world.core.blobs.lock().unwrap().insert(name.to_owned(), b"0123456789".to_vec());
    }
    let running = serve(world).await;
    let keep = |name: &str| get(&format!("/api/things/{name}/file")).replace("Connection: close\r\n", "");
    // The connection outlives a whole file: a second request is answered on it.
    let answer = talk(running.api, &(keep("whole") + &get("/api/things/whole/file"))).await;
    assert_eq!(answer.matches("content-length: 10\r\n").count(), 2, "{answer}");
    let request = keep("short");
    let ended = tokio::time::timeout(Duration::from_secs(10), talk(running.api, &request)).await;
    let answer = ended.expect("the connection ends");
    // How much of it still went out is not certain.
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    assert!(body.len() < 11, "{answer}");
}

#[tokio::test]
async fn a_connection_too_many_waits_for_one_that_ends() {
    let running = serve(World::with(Settings { max_connections: 1, ..Settings::default() }, |_, _| Ok(ok("{}")))).await;
    let mut first = TcpStream::connect(running.api).await.unwrap();
    let mut second = TcpStream::connect(running.api).await.unwrap();
    second.write_all(get("/api/things").as_bytes()).await.unwrap();
    let request = get("/api/things").replace("Connection: close\r\n", "");
    let mut piece = [0; 4096];
    // Time enough to be served, were there room.
    for _ in 0..50 {
        first.write_all(request.as_bytes()).await.unwrap();
        assert!(first.read(&mut piece).await.unwrap() > 0);
    }
    assert_eq!(running.world.calls(), 50);
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn the_operators_listener_answers_reads_of_what_it_has() {
    let running = serve(World::echo()).await;
    let status = async |head: &str| {
        let answer = talk(running.operator, &format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        (answer[9..12].to_owned(), answer)
    };
    let (code, answer) = status("HEAD /healthz").await;
    assert!(code == "200" && answer.contains("content-length: 3\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let (code, answer) = status("POST /healthz").await;
    assert!(code == "405" && answer.contains("allow: GET,HEAD\r\n"), "{answer}");
    assert_eq!(status("GET /elsewhere").await.0, "404");
}

/// What it does is proven where a process of its own is turned: tests/e2e/resize_session.py.
#[tokio::test]
async fn only_an_administrator_turns_the_clock_and_only_on() {
    let fixed = serve_with(World::echo(), false).await;
    let ask = "PATCH /clock HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer admin\r\n";
    let answer = talk(fixed.operator, &format!("{ask}Content-Length: 13\r\n\r\n{{\"seconds\":0}}")).await;
    assert_eq!(&answer[9..12], "404", "a deployment that says nothing of it");
    let running = serve(World::echo()).await;
    let ask = async |token: &str, body: &str| {
        let head = format!("PATCH /clock HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}");
        let answer = talk(running.operator, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
        answer[9..12].to_owned()
    };
    for (token, wanted) in [("", "401"), ("Authorization: Bearer member\r\n", "403")] {
        assert_eq!(ask(token, r#"{"seconds":0}"#).await, wanted, "{token}");
    }
    let admin = "Authorization: Bearer admin\r\n";
    for body in ["", "{}", r#"{"seconds":-1}"#, r#"{"seconds":"1"}"#, r#"{"seconds":0,"back":true}"#] {
        assert_eq!(ask(admin, body).await, "400", "{body}");
    }
    assert_eq!(ask(admin, &format!(r#"{{"seconds":0{}}}"#, " ".repeat(2000))).await, "413");
    assert_eq!(ask(admin, r#"{"seconds":0}"#).await, "200");
}

#[tokio::test]
async fn only_an_administrator_configures_a_nodes_driver() {
    let running = serve(World::echo()).await;
    let ask = async |method: &str, node: &str, token: &str, body: &str| {
        let length = body.len();
        let head = format!("{method} /nodes/{node}/config HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}");
        let answer = talk(running.operator, &format!("{head}Content-Length: {length}\r\n\r\n{body}")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].to_owned(), head.to_owned(), body.to_owned())
    };
    const ADMIN: &str = "Authorization: Bearer admin\r\n";
    let refused = [
        ("", "401"),
        ("X-Token: admin\r\n", "401"),
        ("Authorization: Basic admin\r\n", "401"),
        ("Authorization: Bearer nobody\r\n", "401"),
        ("Authorization: Bearer member\r\n", "403"),
        ("Authorization: bearer broken\r\n", "503"),
    ];
    for (token, wanted) in refused {
        for (method, node) in [("GET", "node-1"), ("PATCH", "node-1"), ("PATCH", "other")] {
            let (code, head, body) = ask(method, node, token, r#"{"delay":1}"#).await;
            assert_eq!(code, wanted, "{method} {token}: {body}");
            assert_eq!(head.contains("www-authenticate: Bearer"), wanted == "401", "{head}");
            assert_eq!(body.lines().count(), 1, "{body}");
        }
    }
    let (code, head, body) = ask("GET", "node-1", ADMIN, "").await;
    assert!(code == "200" && head.contains("content-type: application/json") && body == "{}\n", "{head}\n{body}");
    let large = format!(r#"{{"x":"{}"}}"#, "y".repeat(70_000));
    for (node, body, wanted, words) in [
        ("node-1", "[]", "400", "no JSON object"),
        ("node-1", "{", "400", "no JSON object"),
        ("node-1", r#"{"delay":"x"}"#, "400", "config/delay: no number"),
        ("other", r#"{"delay":1}"#, "404", "Node other"),
        ("node-1", &large, "413", ""),
    ] {
        let (code, _, text) = ask("PATCH", node, ADMIN, body).await;
        assert!(code == wanted && text.contains(words), "{body:.40}: {code} {text}");
    }
    assert_eq!(ask("GET", "node-1", ADMIN, "").await.2, "{}\n", "what was refused changed nothing");
    assert_eq!(ask("PATCH", "node-1", ADMIN, r#"{"delay":5}"#).await.2, "{\"delay\":5}\n");
    assert_eq!(ask("GET", "node-1", ADMIN, "").await.2, "{\"delay\":5}\n");
    assert_eq!(ask("POST", "node-1", ADMIN, "{}").await.0, "405");
}

#[tokio::test]
async fn a_change_goes_on_when_its_client_hangs_up() {
    let world = World::new(|_, request| match &request.upload {
        None => Ok(Response { status: 200, headers: vec![], body: Body::AcceptUpload(1000) }),
        Some(_) => Ok(Response { status: 204, headers: vec![], body: Body::Empty }),
    });
    let running = serve(world).await;
    let mut stream = TcpStream::connect(running.api).await.unwrap();
    let head = "PUT /api/things/x/file HTTP/1.1\r\nHost: x\r\nX-Token: member\r\nContent-Length: 100\r\n\r\nhalf";
    stream.write_all(head.as_bytes()).await.unwrap();
    let world = running.world.clone();
    until(async || world.calls() == 1).await;
    drop(stream);
    until(async || world.core.aborted.lock().unwrap().len() == 1).await;
    assert!(world.core.blobs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_drain_lets_requests_end_and_takes_no_new_ones() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(std::sync::Barrier::new(2)));
    let (inside, gate) = (entered.clone(), go.clone());
    let world = World::new(move |_, _| {
        inside.notify_one();
        tokio::task::block_in_place(|| gate.wait());
        Ok(ok("late"))
    });
    let (done, answer) = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut running = serve(world).await;
            let api = running.api;
            let request = tokio::spawn(async move { talk(api, &get("/api/things")).await });
            entered.notified().await;
            assert!(talk(running.operator, &get("/readyz")).await.starts_with("HTTP/1.1 200"));
            running.stop.take().unwrap().send(()).unwrap();
            let operator = running.operator;
            until(async || talk(operator, &get("/readyz")).await.starts_with("HTTP/1.1 503")).await;
            until(async || TcpStream::connect(api).await.is_err()).await;
            assert!(talk(operator, &get("/healthz")).await.starts_with("HTTP/1.1 200"));
            tokio::task::spawn_blocking(move || go.wait()).await.unwrap();
            (running.done.await.unwrap(), request.await.unwrap())
        })
    })
    .await
    .unwrap();
    assert!(done, "everything in flight ended");
    assert!(answer.ends_with("late"), "{answer}");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_heads_that_are_half_there() {
    let settings = Settings { drain_ms: 60_000, head_timeout_ms: 60_000, ..Settings::default() };
    let mut running = serve(World::with(settings, |_, _| Ok(ok("{}")))).await;
    let half = "GET /api/things HTTP/1.1\r\nHost:";
    let mut open = vec![connect(running.api, "").await, connect(running.api, half).await];
    let kept = get("/api/things").replace("Connection: close\r\n", "");
    for more in ["", half] {
        let mut stream = connect(running.api, &kept).await;
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(more.as_bytes()).await.unwrap();
        open.push(stream);
    }
    running.stop.take().unwrap().send(()).unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(20), running.done).await.expect("at once").unwrap());
    for stream in &mut open {
        assert!(is_closed(stream).await);
    }
}

/// Nothing else runs here while the test waits for the peer: it has no other thread.
#[tokio::test]
async fn half_sent_heads_are_timed_while_nobody_serves() {
    use std::io::{Read, Write};
    let settings = Settings { head_timeout_ms: 50, ..Settings::default() };
    let running = serve(World::with(settings, |_, _| Ok(ok("{}")))).await;
    let mut half = std::net::TcpStream::connect(running.api).unwrap();
    half.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    half.write_all(b"GET /api/things HTTP/1.1\r\nHost:").unwrap();
    assert_eq!(half.read(&mut [0; 64]).unwrap(), 0, "it is closed");
    let metrics = running.world.shared.metrics.clone();
    until(async || metrics.connections.get() == 0).await;
    assert!(talk(running.api, &get("/api/things")).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn half_sent_heads_of_an_address_give_way_to_its_requests() {
    let settings = Settings { max_connections_per_address: 3, head_timeout_ms: 60_000, ..Settings::default() };
    let running = serve(World::with(settings, |_, _| Ok(ok("{}")))).await;
    let mut half = Vec::new();
    for _ in 0..20 {
        half.push(connect(running.api, "GET /api/things HTTP/1.1\r\nHost:").await);
        assert!(talk(running.api, &get("/api/things")).await.starts_with("HTTP/1.1 200"));
    }
    for stream in &mut half[..16] {
        assert!(is_closed(stream).await);
    }
}

#[tokio::test]
async fn an_address_whose_connections_are_all_within_requests_gets_no_more_but_others_do() {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(std::sync::Barrier::new(2)));
    let (inside, gate) = (entered.clone(), go.clone());
    let settings = Settings { max_connections_per_address: 1, ..Settings::default() };
    let world = World::with(settings, move |_, request| {
        if request.operation == "things.detail" {
            inside.notify_one();
            tokio::task::block_in_place(|| gate.wait());
        }
        Ok(ok("{}"))
    });
    let refused = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap();
        runtime.block_on(async move {
            let running = serve(world).await;
            let api = running.api;
            let busy = tokio::spawn(async move { talk(api, &get("/api/things/detail")).await });
            entered.notified().await;
            let refused = is_closed(&mut TcpStream::connect(api).await.unwrap()).await;
            let other = tokio::net::TcpSocket::new_v4().unwrap();
            other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let mut other = other.connect(api).await.unwrap();
            other.write_all(get("/api/things").as_bytes()).await.unwrap();
            let mut answer = String::new();
            other.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            tokio::task::spawn_blocking(move || go.wait()).await.unwrap();
            assert!(busy.await.unwrap().starts_with("HTTP/1.1 200"));
            let metrics = talk(running.operator, &get("/metrics")).await;
            assert!(metrics.contains("skyloom_http_connections_refused_total 1"), "{metrics}");
            refused
        })
    })
    .await
    .unwrap();
    assert!(refused);
}

#[tokio::test]
async fn a_trusted_proxy_has_as_many_connections_as_it_likes_and_says_who_its_client_is() {
    let settings = Settings {
        max_connections_per_address: 1,
        trusted_proxies: vec![Network::try_from("127.0.0.0/8".to_owned()).unwrap()],
        ..Settings::default()
    };
    let world = World::with(settings, |context, _| Ok(ok(&context.client.unwrap().to_string())));
    let running = serve(world).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(connect(running.api, "GET /api/things HTTP/1.1\r\nHost: x\r\nX-Token: member\r\n").await);
    }
    for stream in &mut open {
        stream.write_all(b"X-Forwarded-For: 192.0.2.9\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("\r\n\r\n192.0.2.9"), "{answer}");
    }
}

#[tokio::test]
async fn readiness_follows_the_core() {
    let running = serve(World::echo()).await;
    assert!(talk(running.operator, &get("/readyz")).await.starts_with("HTTP/1.1 200"));
    running.world.core.down.store(true, Ordering::Relaxed);
    assert!(talk(running.operator, &get("/readyz")).await.starts_with("HTTP/1.1 503"));
    assert!(talk(running.operator, &get("/healthz")).await.starts_with("HTTP/1.1 200"));
    let metrics = talk(running.operator, &get("/metrics")).await;
    assert!(metrics.contains("skyloom_http_connections"), "{metrics}");
}
