//! Routes that are replaced while requests run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use skyloom_gateway::{Handler, Mount, Request, Response};
use skyloom_runtime::RunError;
use skyloom_runtime::context::CallContext;
use tokio::sync::Semaphore;

use crate::support::sockets::until;
use crate::support::{MANIFEST, World, handler, mount, ok, read};

/// Requests a second, swaps while they run, and requests between two swaps.
const RATE: u64 = 200;
const SWAPS: usize = 40;
const EACH: usize = 5;

/// A plugin that says which of its versions answers; the second one has a route more.
fn version(word: &'static str) -> Arc<Mount> {
    let more = "[[operation]]\nid = \"things.count\"\nmethod = \"GET\"\npaths = [\"/count\"]\naction = \"public\"\nsuccess = [200]\n";
    let manifest = if word == "second" { format!("{MANIFEST}\n{more}") } else { MANIFEST.to_owned() };
    mount(&manifest, "/api", handler(move |_, _| Ok(ok(word)))).unwrap()
}

async fn ask(world: &World, path: &str) -> (u16, String) {
    let request = http::Request::builder().uri(path).header("x-token", "member");
    let reply = read(world.gateway.serve(None, request.body(axum::body::Body::empty()).unwrap()).await).await;
    (reply.status, reply.body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_a_plugins_routes_are_replaced() {
    let world = Arc::new(World::echo());
    world.gateway.replace(vec![version("first")]).unwrap();
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (asking, end, count) = (world.clone(), over.clone(), answered.clone());
    let asked = tokio::spawn(async move {
        let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
        let mut requests = Vec::new();
        while !end.load(Ordering::Relaxed) {
            pace.tick().await;
            let (world, count) = (asking.clone(), count.clone());
            requests.push(tokio::spawn(async move {
                let answer = ask(&world, "/api/things").await;
                count.fetch_add(1, Ordering::Relaxed);
                answer
            }));
        }
        requests
    });
    for swap in 0..SWAPS {
        let word = if swap % 2 == 0 { "second" } else { "first" };
        world.gateway.replace(vec![version(word)]).unwrap();
        // From here on nobody meets the old one.
        assert_eq!(ask(&world, "/api/things").await, (200, word.to_owned()));
        assert_eq!(ask(&world, "/api/count").await.0, if word == "second" { 200 } else { 404 });
        let more = answered.load(Ordering::Relaxed) + EACH;
        until(async || answered.load(Ordering::Relaxed) >= more).await;
    }
    over.store(true, Ordering::Relaxed);
    let mut answers: BTreeMap<(u16, String), usize> = BTreeMap::new();
    for request in asked.await.unwrap() {
        *answers.entry(request.await.unwrap()).or_default() += 1;
    }
    let words: Vec<&str> = answers.keys().map(|(_, word)| word.as_str()).collect();
    assert_eq!(words, ["first", "second"], "{answers:?}");
    assert!(answers.keys().all(|(status, _)| *status == 200), "{answers:?}");
}

/// Answers when it is let.
struct Held {
    begun: Semaphore,
    gate: Semaphore,
}

#[async_trait]
impl Handler for Held {
    async fn handle(&self, _: Arc<CallContext>, _: Request) -> Result<Response, RunError> {
        self.begun.add_permits(1);
        self.gate.acquire().await.unwrap().forget();
        Ok(ok("old"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_ends_where_it_began() {
    let world = Arc::new(World::echo());
    let held = Arc::new(Held { begun: Semaphore::new(0), gate: Semaphore::new(0) });
    world.gateway.replace(vec![mount(MANIFEST, "/api", held.clone()).unwrap()]).unwrap();
    let asking = world.clone();
    let flight = tokio::spawn(async move { ask(&asking, "/api/things").await });
    held.begun.acquire().await.unwrap().forget();
    world.gateway.replace(vec![version("first")]).unwrap();
    assert_eq!(ask(&world, "/api/things").await, (200, "first".to_owned()));
    held.gate.add_permits(1);
    assert_eq!(flight.await.unwrap(), (200, "old".to_owned()));
}

#[tokio::test]
async fn routes_that_clash_change_nothing() {
    let world = World::echo();
    world.gateway.replace(vec![version("first")]).unwrap();
    let other = mount(&MANIFEST.replace("things-v1", "others-v1"), "/api", handler(|_, _| Ok(ok("other")))).unwrap();
    let defects = world.gateway.replace(vec![version("second"), other]).unwrap_err();
    assert!(defects.iter().any(|defect| defect.contains("others-v1")), "{defects:?}");
    assert_eq!(ask(&world, "/api/things").await, (200, "first".to_owned()));
}
