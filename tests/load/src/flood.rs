//! What floods by nobody do to a caller: the same read with and without them, in one run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{self, Connection, Figures, Plan};
use crate::deployment::Deployment;
use crate::process::resident_mib;
use crate::table::Table;

const READ: &str = "/compute/v2.1/flavors/detail";
/// Who holds heads open waits so long before the next one where the server has closed one.
const AGAIN: Duration = Duration::from_secs(1);
/// Of the thread that floods: a flood from elsewhere takes none of the processors that the server and the caller share here.
const NICENESS: i32 = 19;
/// A flood that isn't there by then never will be.
const GATHER: Duration = Duration::from_secs(30);

pub struct Run {
    pub binary: PathBuf,
    pub plugins: PathBuf,
    /// Connections that send requests without a valid token, each the next one as soon as it is answered.
    pub requests: usize,
    /// Connections with the half of a head.
    pub heads: usize,
    pub load: Plan,
}

pub async fn run(run: &Run) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut deployment = Deployment::new(folder.path(), &run.binary, &run.plugins, "sqlite")?;
    deployment.start().await?;
    let (token, _) = deployment.login().await?;
    let read = client::request("GET", READ, &token, None);
    let head = ["flood", "connections", "p50 us", "p99 us", "p99 ratio", "resident MiB", "answers to the flood"];
    let mut table = Table::new(&head);
    let calm = client::run(deployment.api, run.load, &read, 200).await?;
    let mut row = |name: &str, connections: usize, figures: &Figures, answers: String| {
        table.row(vec![
            name.to_owned(),
            connections.to_string(),
            figures.p50.to_string(),
            figures.p99.to_string(),
            format!("{:.2}", figures.p99 as f64 / calm.p99 as f64),
            format!("{:.0}", resident_mib(deployment.id())?),
            answers,
        ]);
        Ok::<_, anyhow::Error>(())
    };
    row("none", 0, &calm, String::new())?;
    for (name, connections, what) in [
        ("logins", run.requests, What::Requests(login())),
        ("guessed tokens", run.requests, What::Requests(client::request("GET", READ, "guessed", None))),
        ("half-sent heads", run.heads, What::HalfHeads),
    ] {
        let flood = Flood::begin(deployment.api, connections, what).await?;
        let figures = client::run(deployment.api, run.load, &read, 200).await?;
        row(name, connections, &figures, flood.end().await?)?;
    }
    table.print();
    deployment.stop().await
}

/// With a wrong password.
fn login() -> Vec<u8> {
    let user = json!({ "name": "admin", "domain": { "id": "default" }, "password": "wrong" });
    let identity = json!({ "methods": ["password"], "password": { "user": user } });
    let body = json!({ "auth": { "identity": identity } });
    client::request("POST", "/identity/v3/auth/tokens", "", Some(&body.to_string()))
}

#[derive(Clone)]
enum What {
    Requests(Vec<u8>),
    HalfHeads,
}

type Answers = BTreeMap<String, u64>;

struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Answers>>,
}

impl Flood {
    /// Gives it when every connection has been opened once.
    async fn begin(address: SocketAddr, connections: usize, what: What) -> Result<Self> {
        let (stop, opened) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let one = One { address, stop: stop.clone(), opened: opened.clone(), answers: Answers::new() };
        // The caller's own thread must not wait for the flood's tasks.
        let thread = std::thread::Builder::new().name("flood".to_owned()).spawn(move || {
            rustix::process::setpriority_process(None, NICENESS)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            Ok(runtime.block_on(flood(&one, connections, &what)))
        })?;
        let until = Instant::now() + GATHER;
        while opened.load(Relaxed) < connections {
            if Instant::now() > until {
                bail!("the flood's connections cannot be opened");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Self { stop, thread })
    }

    async fn end(self) -> Result<String> {
        self.stop.store(true, Relaxed);
        let thread = self.thread;
        let Ok(answers) = tokio::task::spawn_blocking(|| thread.join()).await? else { bail!("the flood broke off") };
        Ok(answers?.iter().map(|(answer, count)| format!("{count} {answer}")).collect::<Vec<_>>().join(", "))
    }
}

async fn flood(one: &One, connections: usize, what: &What) -> Answers {
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (one, what) = (one.clone(), what.clone());
        tasks.spawn(async move {
            match what {
                What::Requests(request) => one.requests(&request).await,
                What::HalfHeads => one.half_heads().await,
            }
        });
    }
    let mut answers = Answers::new();
    for (answer, count) in tasks.join_all().await.into_iter().flatten() {
        *answers.entry(answer).or_default() += count;
    }
    answers
}

/// One connection of a flood; it is opened again when it is closed.
#[derive(Clone)]
struct One {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    answers: Answers,
}

impl One {
    async fn requests(mut self, request: &[u8]) -> Answers {
        let mut first = true;
        while !self.stop.load(Relaxed) {
            let Ok(mut connection) = Connection::open(self.address).await else { continue };
            if std::mem::take(&mut first) {
                self.opened.fetch_add(1, Relaxed);
            }
            while !self.stop.load(Relaxed) {
                let Ok((status, _)) = connection.send(request).await else {
                    self.count("closed");
                    break;
                };
                self.count(&status.to_string());
            }
        }
        self.answers
    }

    async fn half_heads(mut self) -> Answers {
        let mut first = true;
        while !self.stop.load(Relaxed) {
            let Ok(mut stream) = TcpStream::connect(self.address).await else { continue };
            if std::mem::take(&mut first) {
                self.opened.fetch_add(1, Relaxed);
            }
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost:").await;
            while !self.stop.load(Relaxed) {
                let closed = tokio::time::timeout(Duration::from_millis(500), stream.readable()).await;
                if closed.is_ok() {
                    self.count("closed");
                    tokio::time::sleep(AGAIN).await;
                    break;
                }
            }
        }
        self.answers
    }

    fn count(&mut self, answer: &str) {
        *self.answers.entry(answer.to_owned()).or_default() += 1;
    }
}
