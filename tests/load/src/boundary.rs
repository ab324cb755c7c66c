//! What the sandbox costs: the same requests to the component and to its native twin, in turn, in one run.

use std::path::Path;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::canned::SERVER;
use crate::client::{self, Plan};
use crate::process::{Server, cpu_seconds};
use crate::table::Table;

/// Name and path of each measured read; `{id}` is a server's.
const READS: &[(&str, &str)] = &[
    ("show", "/compute/v2.1/servers/{id}"),
    ("detail of 20", "/compute/v2.1/servers/detail?limit=20"),
    ("detail of 1000", "/compute/v2.1/servers/detail?limit=1000"),
];

struct Sample {
    per_second: f64,
    p50: u64,
    p99: u64,
    /// Microseconds of the server's CPU.
    cpu: f64,
}

/// Where the servers come from.
struct Source {
    name: &'static str,
    arguments: Vec<String>,
    server: String,
}

pub async fn run(plugins: &Path, binary: &Path, plan: Plan, rounds: usize) -> Result<()> {
    println!(
        "component in a fresh sandbox / same handler native; {} connections, {} s a figure, medians of {rounds} rounds",
        plan.connections, plan.seconds
    );
    let folder = tempfile::tempdir()?;
    let stored = crate::scale::prepare_sqlite(plugins, binary, folder.path(), 1000).await?;
    let sources = [
        Source { name: "without store", arguments: Vec::new(), server: SERVER.to_owned() },
        Source {
            name: "SQLite, 1000 servers",
            arguments: vec![
                "--database".to_owned(),
                stored.database.to_string_lossy().into_owned(),
                "--project".to_owned(),
                stored.project.clone(),
            ],
            server: stored.server.clone(),
        },
    ];
    let mut table = Table::new(&[
        "read", "store", "req/s", "native", "ratio", "p50 us", "native", "p99 us", "native", "CPU us", "native",
        "added",
    ]);
    for source in &sources {
        for (name, path) in READS {
            let path = path.replace("{id}", &source.server);
            let (component, native) = in_turn(plugins, source, &path, plan, rounds).await?;
            table.row(vec![
                (*name).to_owned(),
                source.name.to_owned(),
                format!("{:.0}", component.per_second),
                format!("{:.0}", native.per_second),
                format!("{:.2}", component.per_second / native.per_second),
                component.p50.to_string(),
                native.p50.to_string(),
                component.p99.to_string(),
                native.p99.to_string(),
                format!("{:.0}", component.cpu),
                format!("{:.0}", native.cpu),
                format!("{:+.0}", component.cpu - native.cpu),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// Both kinds run all the time; only one is asked at a time.
async fn in_turn(plugins: &Path, source: &Source, path: &str, plan: Plan, rounds: usize) -> Result<(Sample, Sample)> {
    let component = start(plugins, source, false).await?;
    let native = start(plugins, source, true).await?;
    let request = client::request("GET", path, "any", None);
    let warm_up = Plan { seconds: (plan.seconds / 5.0).min(1.0), ..plan };
    for server in [&component, &native] {
        client::run(server.address, warm_up, &request, 200).await?;
    }
    let (mut of_component, mut of_native) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        of_component.push(measure(&component, plan, &request).await?);
        of_native.push(measure(&native, plan, &request).await?);
    }
    Ok((median(of_component).context("no round")?, median(of_native).context("no round")?))
}

async fn start(plugins: &Path, source: &Source, native: bool) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("serve").arg("--plugins").arg(plugins).args(&source.arguments);
    if native {
        command.arg("--native");
    }
    Server::start(&mut command).await
}

async fn measure(server: &Server, plan: Plan, request: &[u8]) -> Result<Sample> {
    let before = cpu_seconds(server.id())?;
    let figures = client::run(server.address, plan, request, 200).await?;
    let cpu = (cpu_seconds(server.id())? - before) * 1e6 / figures.requests as f64;
    Ok(Sample { per_second: figures.per_second, p50: figures.p50, p99: figures.p99, cpu })
}

/// The sample in the middle by CPU, which drifts least.
fn median(mut samples: Vec<Sample>) -> Option<Sample> {
    samples.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
    let middle = samples.len() / 2;
    samples.into_iter().nth(middle)
}
