//! Where connections go: the address is checked each time, and is the one that is used.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use skyloom_egress::{Request, Resolve, Rules};
use skyloom_model::ErrorCode;

use crate::requests::{egress, refused, rules};
use crate::support::{Host, ok};

/// Says one list after the other, and remembers which names it was asked for.
#[derive(Default)]
struct Told {
    answers: Mutex<Vec<Vec<&'static str>>>,
    names: Mutex<Vec<String>>,
}

impl Told {
    fn new(answers: &[&[&'static str]]) -> Arc<Self> {
        let answers = answers.iter().rev().map(|answer| answer.to_vec()).collect();
        Arc::new(Self { answers: Mutex::new(answers), names: Mutex::default() })
    }
}

#[async_trait::async_trait]
impl Resolve for Told {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.names.lock().unwrap().push(name.to_owned());
        let answer = self.answers.lock().unwrap().pop().expect("one question more than expected");
        Ok(answer.into_iter().map(|address| address.parse().unwrap()).collect())
    }
}

fn named(host: &Host, addresses: &[&str]) -> (Rules, String) {
    let place = format!("cloud.test:{}", host.address.port());
    let addresses = addresses.iter().map(ToString::to_string).collect();
    (Rules { plain: true, addresses, ..Rules::to(vec![place.clone()]) }, format!("http://{place}/"))
}

#[tokio::test]
async fn a_name_at_an_address_that_is_not_granted_is_refused() {
    let host = Host::start(|_| ok("secret")).await;
    for address in ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "10.0.0.1", "::1", "fd00:ec2::254"] {
        let (rules, url) = named(&host, &[]);
        let told = Told::new(&[&[address]]);
        let answer = egress(&rules).with_resolver(told).send(Request::get(&url)).await;
        assert_eq!(refused(answer), (ErrorCode::Forbidden, "url".to_owned()), "{address}");
    }
    assert_eq!(host.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn the_machines_own_name_is_refused_too() {
    let host = Host::start(|_| ok("secret")).await;
    let place = format!("localhost:{}", host.address.port());
    let rules = Rules { plain: true, ..Rules::to(vec![place.clone()]) };
    let url = format!("http://{place}/");
    assert_eq!(refused(egress(&rules).send(Request::get(&url)).await).0, ErrorCode::Forbidden);
    let granted = Rules { addresses: vec!["127.0.0.0/8".to_owned()], ..rules };
    assert_eq!(egress(&granted).send(Request::get(&url)).await.unwrap().body, b"secret");
}

#[tokio::test]
async fn what_was_checked_is_what_is_connected_to() {
    let host = Host::start(|_| ok("")).await;
    let (rules, url) = named(&host, &["127.0.0.1"]);
    // A second question would get another answer: there is none.
    let told = Told::new(&[&["169.254.169.254", "127.0.0.1"]]);
    egress(&rules).with_resolver(told.clone()).send(Request::get(&url)).await.unwrap();
    assert_eq!(*told.names.lock().unwrap(), ["cloud.test"]);
    assert!(host.asked()[0].contains(&format!("host: cloud.test:{}", host.address.port())));
    // Each request asks anew: one that was let through once isn't from then on.
    let told = Told::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let egress = egress(&rules).with_resolver(told);
    egress.send(Request::get(&url)).await.unwrap();
    assert_eq!(refused(egress.send(Request::get(&url)).await).0, ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_name_without_address_does_not_answer() {
    let host = Host::start(|_| ok("")).await;
    let (rules, url) = named(&host, &[]);
    let answer = egress(&rules).with_resolver(Told::new(&[&[]])).send(Request::get(&url)).await;
    assert_eq!(refused(answer).0, ErrorCode::Unavailable);
}

#[tokio::test]
async fn other_hosts_ports_and_plain_text_are_refused() {
    let host = Host::start(|_| ok("")).await;
    let egress_of = |rules: Rules| egress(&rules);
    let plain = egress_of(rules(&host));
    for url in ["http://127.0.0.1:1/", "http://other.test/", "http://127.0.0.2/"] {
        assert_eq!(refused(plain.send(Request::get(url)).await), (ErrorCode::Forbidden, "url".to_owned()), "{url}");
        assert_eq!(plain.check(url).unwrap_err().code, ErrorCode::Forbidden);
    }
    plain.check(&host.url("/")).unwrap();
    let tls_only = egress_of(Rules { plain: false, ..rules(&host) });
    assert_eq!(refused(tls_only.send(Request::get(&host.url("/"))).await), (ErrorCode::Forbidden, "url".to_owned()));
    assert_eq!(host.asked(), Vec::<String>::new());
}
