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

use crate::bare::Bare;
use crate::client::{self, Connection, Figures, Plan};
use crate::deployment::Deployment;
use crate::process::{cpu_seconds, resident_mib};
use crate::table::Table;

const READ: &str = "/compute/v2.1/flavors/detail";
/// Who holds heads open waits so long before the next one where the server has closed one: at least, and so much longer at most,
/// so that many don't come in step.
const AGAIN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];
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
    /// Without a flood, with one against a bare listener, with one against the server, in turn; the medians are shown.
    pub rounds: usize,
    pub load: Plan,
}

pub async fn run(run: &Run) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut deployment = Deployment::new(folder.path(), &run.binary, &run.plugins, "sqlite")?;
    deployment.start().await?;
    let (token, _) = deployment.login().await?;
    let read = client::request("GET", READ, &token, None);
    let head = [
        "flood",
        "connections",
        "p50 us",
        "p99 us",
        "p50 ratio",
        "p99 ratio",
        "to bare",
        "CPU %",
        "MiB",
        "answers to the flood",
    ];
    let mut table = Table::new(&head);
    for (name, connections, what, verifies) in [
        ("logins", run.requests, What::Requests(login()), true),
        ("guessed tokens", run.requests, What::Requests(client::request("GET", READ, "guessed", None)), false),
        ("half-sent heads", run.heads, What::HalfHeads, false),
    ] {
        let (mut calm, mut beside, mut flooded) = (Vec::new(), Vec::new(), Vec::new());
        let (mut answers, mut cpu) = (Answers::new(), Vec::new());
        for _ in 0..run.rounds {
            calm.push(client::run(deployment.api, run.load, &read, 200).await?);
            let bare = Bare::start(verifies)?;
            let flood = Flood::begin(bare.address, connections, what.clone()).await?;
            beside.push(client::run(deployment.api, run.load, &read, 200).await?);
            flood.end().await?;
            bare.end().await?;
            let (began, before) = (Instant::now(), cpu_seconds(deployment.id())?);
            let flood = Flood::begin(deployment.api, connections, what.clone()).await?;
            flooded.push(client::run(deployment.api, run.load, &read, 200).await?);
            add(&mut answers, flood.end().await?);
            cpu.push((cpu_seconds(deployment.id())? - before) / began.elapsed().as_secs_f64());
        }
        let [calm, beside, flooded] = [calm, beside, flooded].map(|figures| Medians::of(&figures));
        table.row(vec![
            name.to_owned(),
            connections.to_string(),
            format!("{} {} {}", calm.p50, beside.p50, flooded.p50),
            format!("{} {} {}", calm.p99, beside.p99, flooded.p99),
            format!("{:.2}", flooded.p50 as f64 / calm.p50 as f64),
            format!("{:.2}", flooded.p99 as f64 / calm.p99 as f64),
            format!("{:.2}", flooded.p99 as f64 / beside.p99 as f64),
            format!("{:.0}", cpu.iter().sum::<f64>() / cpu.len() as f64 * 100.0),
            format!("{:.0}", resident_mib(deployment.id())?),
            answers.iter().map(|(answer, count)| format!("{count} {answer}")).collect::<Vec<_>>().join(", "),
        ]);
    }
    table.print();
    deployment.stop().await
}

struct Medians {
    p50: u64,
    p99: u64,
}

impl Medians {
    fn of(figures: &[Figures]) -> Self {
        let median = |of: fn(&Figures) -> u64| {
            let mut values: Vec<u64> = figures.iter().map(of).collect();
            values.sort_unstable();
            values[values.len() / 2]
        };
        Self { p50: median(|figures| figures.p50), p99: median(|figures| figures.p99) }
    }
}

fn add(answers: &mut Answers, more: Answers) {
    for (answer, count) in more {
        *answers.entry(answer).or_default() += count;
    }
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
        let one = One { address, stop: stop.clone(), opened: opened.clone(), again: AGAIN[0], answers: Answers::new() };
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

    async fn end(self) -> Result<Answers> {
        self.stop.store(true, Relaxed);
        let thread = self.thread;
        let Ok(answers) = tokio::task::spawn_blocking(|| thread.join()).await? else { bail!("the flood broke off") };
        answers
    }
}

async fn flood(one: &One, connections: usize, what: &What) -> Answers {
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let share = number as f64 / connections as f64;
        let (one, what) = (One { again: AGAIN[0] + AGAIN[1].mul_f64(share), ..one.clone() }, what.clone());
        tasks.spawn(async move {
            match what {
                What::Requests(request) => one.requests(&request).await,
                What::HalfHeads => one.half_heads().await,
            }
        });
    }
    let mut answers = Answers::new();
    tasks.join_all().await.into_iter().for_each(|more| add(&mut answers, more));
    answers
}

/// One connection of a flood; it is opened again when it is closed.
#[derive(Clone)]
struct One {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    /// See [`AGAIN`].
    again: Duration,
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
                    tokio::time::sleep(self.again).await;
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
