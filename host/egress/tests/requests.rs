//! Methods, headers, login, bytes, time and number.

use std::sync::Arc;

use skyloom_egress::{Answer, Egress, Login, Request, Rules};
use skyloom_model::{ErrorCode, Result};

use crate::support::{Host, SILENCE, ok};

/// Rules for a host on loopback, without TLS.
pub fn rules(host: &Host) -> Rules {
    Rules { plain: true, ..Rules::to(vec![host.address.to_string()]) }
}

pub fn egress(rules: &Rules) -> Egress {
    Egress::new(rules, &|path, _| std::fs::read(path)).unwrap()
}

fn post(url: &str, body: &str) -> Request {
    Request { method: "POST".to_owned(), body: body.into(), ..Request::get(url) }
}

/// Code and field of the refusal.
pub fn refused(answer: Result<Answer>) -> (ErrorCode, String) {
    let error = answer.unwrap_err();
    (error.code, error.field.unwrap_or_default())
}

#[tokio::test]
async fn a_granted_request_is_answered() {
    let host = Host::start(|_| ok("hello")).await;
    let rules = Rules { methods: vec!["GET".to_owned(), "POST".to_owned()], ..rules(&host) };
    let egress = egress(&rules);
    let mut asked = post(&host.url("/a%20b?c=d#e"), "what?");
    asked.headers = vec![("X-One".to_owned(), "1".to_owned()), ("x-one".to_owned(), "2".to_owned())];
    let answer = egress.send(asked).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
    assert!(answer.headers.contains(&("x-kind".to_owned(), "test".to_owned())), "{:?}", answer.headers);
    let seen = host.asked().concat();
    assert!(seen.starts_with("POST /a%20b?c=d HTTP/1.1\r\n") && seen.ends_with("what?"), "{seen}");
    let place = format!("host: {}", host.address);
    for line in [place.as_str(), "x-one: 1", "x-one: 2", "user-agent: skyloom", "connection: close"] {
        assert!(seen.lines().any(|sent| sent == line), "{line} in {seen}");
    }
}

#[tokio::test]
async fn the_login_is_the_hosts_to_give() {
    let folder = tempfile::tempdir().unwrap();
    let secret_file = folder.path().join("secret");
    std::fs::write(&secret_file, "pass word\n").unwrap();
    let host = Host::start(|_| ok("")).await;
    let basic = Login { user: Some("me".to_owned()), header: None, secret_file: secret_file.clone() };
    let header = Login { user: None, header: Some("X-Api-Key".to_owned()), secret_file };
    for (login, name, line) in [
        (basic, "Authorization", "authorization: Basic bWU6cGFzcyB3b3Jk"),
        (header, "x-api-key", "x-api-key: pass word"),
    ] {
        let egress = egress(&Rules { login: Some(login), ..rules(&host) });
        egress.send(Request::get(&host.url("/"))).await.unwrap();
        let seen = host.asked();
        assert!(seen.last().unwrap().lines().any(|sent| sent == line), "{seen:?}");
        let mut own = Request::get(&host.url("/"));
        own.headers.push((name.to_owned(), "mine".to_owned()));
        assert_eq!(refused(egress.send(own).await), (ErrorCode::Invalid, "headers".to_owned()));
        assert!(!format!("{egress:?}").contains("pass"), "{egress:?}");
    }
    assert_eq!(host.asked().len(), 2);
}

#[tokio::test]
async fn what_is_not_granted_is_refused_before_anything_is_sent() {
    let host = Host::start(|_| ok("")).await;
    let egress = egress(&Rules { request_kib: 1, methods: vec!["GET".to_owned(), "PUT".to_owned()], ..rules(&host) });
    let send = |request| async { refused(egress.send(request).await) };
    let url = host.url("/");
    assert_eq!(send(post(&url, "")).await, (ErrorCode::Forbidden, "method".to_owned()));
    assert_eq!(
        send(Request { method: "G T".to_owned(), ..post(&url, "") }).await,
        (ErrorCode::Invalid, "method".to_owned())
    );
    let put = Request { method: "PUT".to_owned(), ..post(&url, &"x".repeat(1025)) };
    assert_eq!(send(put).await, (ErrorCode::TooLarge, "body".to_owned()));
    for (name, value) in [
        ("Host", "other"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "upgrade"),
        ("a b", "c"),
        ("x-a", "b\r\nx-c: d"),
        ("x-long", &"x".repeat(17 << 10)),
    ] {
        let mut request = Request::get(&url);
        request.headers.push((name.to_owned(), value.to_owned()));
        assert_eq!(send(request).await, (ErrorCode::Invalid, "headers".to_owned()), "{name}");
    }
    assert_eq!(host.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_has_its_bound() {
    let host = Host::start(|asked| ok(&"x".repeat(if asked.contains("/large") { 1025 } else { 1024 }))).await;
    let egress = egress(&Rules { answer_kib: 1, ..rules(&host) });
    assert_eq!(egress.send(Request::get(&host.url("/"))).await.unwrap().body.len(), 1024);
    assert_eq!(refused(egress.send(Request::get(&host.url("/large"))).await), (ErrorCode::TooLarge, String::new()));
    let head = "x".repeat(300 << 10);
    let wordy = Host::start(move |_| format!("HTTP/1.1 200 OK\r\nX: {head}\r\n\r\n")).await;
    let egress = self::egress(&rules(&wordy));
    assert_eq!(refused(egress.send(Request::get(&wordy.url("/"))).await), (ErrorCode::Unavailable, String::new()));
}

#[tokio::test]
async fn a_silent_host_is_given_up() {
    let host = Host::start(|asked| {
        let begun = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome".to_owned();
        if asked.contains("/broken") { begun } else { SILENCE.to_owned() }
    })
    .await;
    let egress = egress(&Rules { timeout_ms: 100, ..rules(&host) });
    assert_eq!(refused(egress.send(Request::get(&host.url("/"))).await), (ErrorCode::TimedOut, String::new()));
    assert_eq!(refused(egress.send(Request::get(&host.url("/broken"))).await), (ErrorCode::Unavailable, String::new()));
    let gone = Host::start(|_| ok("")).await;
    let (url, rules) = (gone.url("/"), rules(&gone));
    drop(gone);
    let answer = self::egress(&Rules { timeout_ms: 2000, ..rules }).send(Request::get(&url)).await;
    assert!(matches!(answer.unwrap_err().code, ErrorCode::Unavailable | ErrorCode::TimedOut));
}

#[tokio::test]
async fn so_many_go_out_and_no_more() {
    let host = Host::start(|_| ok("")).await;
    let egress = egress(&Rules { rate: 1, burst: 2, ..rules(&host) });
    for _ in 0..2 {
        egress.send(Request::get(&host.url("/"))).await.unwrap();
    }
    let error = egress.send(Request::get(&host.url("/"))).await.unwrap_err();
    assert!(error.code == ErrorCode::RateLimited && error.retry_after.is_some(), "{error:?}");
    assert_eq!(host.asked().len(), 2);
}

#[tokio::test]
async fn who_finds_all_turns_taken_waits() {
    let host = Host::start(|asked| if asked.contains("/silent") { SILENCE.to_owned() } else { ok("") }).await;
    let egress = Arc::new(egress(&Rules { at_once: 1, timeout_ms: 300, ..rules(&host) }));
    let (holds, silent) = (egress.clone(), host.url("/silent"));
    let first = tokio::spawn(async move { holds.send(Request::get(&silent)).await });
    while host.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    let second = egress.send(Request::get(&host.url("/"))).await;
    assert_eq!(first.await.unwrap().unwrap_err().code, ErrorCode::TimedOut);
    // It began within the first one's time, so it got its turn, or its time was over.
    assert!(second.map_or_else(|error| error.code == ErrorCode::TimedOut, |answer| answer.status == 200));
    egress.send(Request::get(&host.url("/"))).await.unwrap();
}

#[tokio::test]
async fn an_answer_may_be_taken_in_pieces() {
    let host = Host::start(|asked| {
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned();
        if asked.contains("/chunked") { chunked } else { ok(&"y".repeat(100_000)) }
    })
    .await;
    // Larger than what may be held at once.
    let egress = egress(&Rules { answer_kib: 1, ..rules(&host) });
    for (path, length, size) in [("/", Some(100_000), 100_000), ("/chunked", None, 5)] {
        let mut opened = egress.open(Request::get(&host.url(path))).await.unwrap();
        assert_eq!(opened.length(), length);
        let mut taken = 0;
        while let Some(piece) = opened.next().await.unwrap() {
            taken += piece.len();
        }
        assert_eq!(taken, size);
    }
}

#[test]
fn what_is_wrong_with_rules_is_told_with_its_key() {
    let base = || Rules::to(vec!["example.org".to_owned()]);
    let login = |user: Option<&str>, header: Option<&str>| Login {
        user: user.map(str::to_owned),
        header: header.map(str::to_owned),
        secret_file: "/none".into(),
    };
    let some = |text: &str| Some(text.to_owned());
    let wrong = [
        (Rules { hosts: Vec::new(), ..base() }, "hosts"),
        (Rules::to(vec!["a b".to_owned()]), "hosts"),
        (Rules { methods: vec!["get".to_owned()], ..base() }, "methods"),
        (Rules { methods: vec!["CONNECT".to_owned()], ..base() }, "methods"),
        (Rules { addresses: vec!["home".to_owned()], ..base() }, "addresses"),
        (Rules { ca: Some("/none".into()), ..base() }, "ca"),
        (Rules { ca: Some("/none".into()), pin: some("00"), ..base() }, "pin"),
        (Rules { pin: some("00"), ..base() }, "pin"),
        (Rules { login: Some(login(some("me").as_deref(), None)), ..base() }, "login: /none"),
        (Rules { at_once: 0, ..base() }, "at-once"),
        (Rules { timeout_ms: 600_001, ..base() }, "timeout-ms"),
        (Rules { answer_kib: 16_385, ..base() }, "answer-kib"),
        (Rules { redirects: 11, ..base() }, "redirects"),
    ];
    for (rules, key) in wrong {
        let said = Egress::new(&rules, &|path, _| std::fs::read(path)).unwrap_err();
        assert!(said.starts_with(key), "{key}: {said}");
    }
    for (user, header) in [(None, None), (Some("me"), Some("X")), (Some("a:b"), None), (None, Some("Host"))] {
        let rules = Rules { login: Some(login(user, header)), ..base() };
        let said = Egress::new(&rules, &|_, _| Ok(b"secret".to_vec())).unwrap_err();
        assert!(said.starts_with("login"), "{said}");
    }
    let unknown = toml::from_str::<Rules>("hosts = [\"a\"]\nverify = false").unwrap_err();
    assert!(unknown.message().contains("verify"), "{unknown}");
}
