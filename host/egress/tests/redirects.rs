//! Redirections: each is a request of its own, within the same grant.

use skyloom_egress::{Login, Request, Rules};
use skyloom_model::ErrorCode;

use crate::requests::{egress, refused, rules};
use crate::support::{Host, ok, redirect};

fn first_line(asked: &str) -> &str {
    asked.lines().next().unwrap_or_default()
}

#[tokio::test]
async fn within_the_grant_they_are_followed() {
    let other = Host::start(|_| ok("there")).await;
    let to = other.url("/there");
    let host = Host::start(move |asked| match first_line(asked) {
        line if line.contains("/relative") => redirect(302, "/again"),
        line if line.contains("/again") => redirect(307, &to),
        _ => ok(""),
    })
    .await;
    let hosts = vec![host.address.to_string(), other.address.to_string()];
    let egress = egress(&Rules { hosts, methods: vec!["GET".to_owned(), "POST".to_owned()], ..rules(&host) });
    let request = Request {
        method: "POST".to_owned(),
        headers: vec![("Authorization".to_owned(), "mine".to_owned()), ("X-Kept".to_owned(), "yes".to_owned())],
        body: b"body".to_vec(),
        ..Request::get(&host.url("/relative"))
    };
    assert_eq!(egress.send(request).await.unwrap().body, b"there");
    let asked = host.asked();
    assert_eq!(
        asked.iter().map(|asked| first_line(asked)).collect::<Vec<_>>(),
        ["POST /relative HTTP/1.1", "GET /again HTTP/1.1"]
    );
    assert!(asked[1].contains("authorization: mine") && !asked[1].contains("body"), "{}", asked[1]);
    let there = other.asked().concat();
    assert!(there.starts_with("GET /there") && there.contains("x-kept: yes"), "{there}");
    assert!(!there.contains("mine"), "a login for one host went to another: {there}");
}

#[tokio::test]
async fn the_grants_login_goes_along_within_its_origin_only() {
    let folder = tempfile::tempdir().unwrap();
    let secret_file = folder.path().join("secret");
    std::fs::write(&secret_file, "word").unwrap();
    let other = Host::start(|_| ok("there")).await;
    let to = other.url("/there");
    let host = Host::start(move |asked| match first_line(asked) {
        line if line.contains("/first") => redirect(302, "/second"),
        _ => redirect(307, &to),
    })
    .await;
    let login = Login { user: None, header: Some("X-Api-Key".to_owned()), secret_file };
    let hosts = vec![host.address.to_string(), other.address.to_string()];
    let egress = egress(&Rules { hosts, login: Some(login), ..rules(&host) });
    assert_eq!(egress.send(Request::get(&host.url("/first"))).await.unwrap().body, b"there");
    let asked = host.asked();
    assert!(asked.len() == 2 && asked.iter().all(|asked| asked.contains("x-api-key: word")), "{asked:?}");
    let there = other.asked().concat();
    assert!(there.starts_with("GET /there") && !there.contains("word"), "{there}");
}

#[tokio::test]
async fn a_body_goes_again_where_the_method_stays() {
    let host = Host::start(|asked| if asked.contains("/first") { redirect(308, "/second") } else { ok("") }).await;
    let egress = egress(&Rules { methods: vec!["PUT".to_owned()], ..rules(&host) });
    let request = Request { method: "PUT".to_owned(), body: b"body".to_vec(), ..Request::get(&host.url("/first")) };
    egress.send(request).await.unwrap();
    let second = host.asked().pop().unwrap();
    assert!(second.starts_with("PUT /second") && second.ends_with("body"), "{second}");
}

#[tokio::test]
async fn out_of_the_grant_they_are_not() {
    let other = Host::start(|_| ok("")).await;
    for (to, methods) in [
        (other.url("/"), vec!["GET"]),
        ("file:///etc/passwd".to_owned(), vec!["GET"]),
        ("http://169.254.169.254/latest".to_owned(), vec!["GET"]),
        // Another method than was granted.
        ("/".to_owned(), vec!["POST"]),
    ] {
        let target = to.clone();
        let host = Host::start(move |_| redirect(303, &target)).await;
        let method = methods[0].to_owned();
        let egress = egress(&Rules { methods: vec![method.clone()], ..rules(&host) });
        let answer = egress.send(Request { method, ..Request::get(&host.url("/")) }).await;
        assert_eq!(refused(answer).0, ErrorCode::Forbidden, "{to}");
        assert_eq!(host.asked().len(), 1);
    }
    assert_eq!(other.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn they_come_to_an_end() {
    let host = Host::start(|_| redirect(302, "/round")).await;
    let round = egress(&Rules { redirects: 2, ..rules(&host) });
    assert_eq!(refused(round.send(Request::get(&host.url("/"))).await), (ErrorCode::Forbidden, "url".to_owned()));
    assert_eq!(host.asked().len(), 3);
    let none = egress(&Rules { redirects: 0, ..rules(&host) });
    assert_eq!(none.send(Request::get(&host.url("/"))).await.unwrap().status, 302);
    assert_eq!(host.asked().len(), 4);
}
