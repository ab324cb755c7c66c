//! The whole server at several sizes, on each database.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use skyloom_store::Db;

use crate::client::{self, Connection, Plan};
use crate::deployment::Deployment;
use crate::process::resident_mib;
use crate::seed::Place;
use crate::table::Table;

const READS: &[(&str, &str)] = &[
    ("show", "/compute/v2.1/servers/{id}"),
    ("detail of 20", "/compute/v2.1/servers/detail?limit=20"),
    ("detail of 1000", "/compute/v2.1/servers/detail?limit=1000"),
];
/// A creation on the simulator takes far less; a server that isn't there by then will not come.
const FINISH_DEADLINE: Duration = Duration::from_mins(5);

pub struct Run {
    pub binary: PathBuf,
    pub plugins: PathBuf,
    pub sizes: Vec<u32>,
    pub postgres: Option<String>,
    pub creations: u32,
    pub load: Plan,
}

pub async fn run(run: &Run) -> Result<()> {
    let mut table = Table::new(&["database", "servers", "measure", "per second", "p50 us", "p99 us", "resident MiB"]);
    let folder = tempfile::tempdir()?;
    measure(run, &folder.path().join("sqlite"), None, &mut table).await?;
    match &run.postgres {
        Some(url) => measure(run, &folder.path().join("postgres"), Some(url), &mut table).await?,
        None => println!("PostgreSQL is not measured: no --postgres"),
    }
    table.print();
    Ok(())
}

async fn measure(run: &Run, folder: &Path, postgres: Option<&String>, table: &mut Table) -> Result<()> {
    let name = if postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    let url = match postgres {
        Some(server) => fresh_database(server).await?,
        None => "sqlite".to_owned(),
    };
    let mut deployment = Deployment::new(folder, &run.binary, &run.plugins, &url)?;
    deployment.start().await?;
    let server = first_server(&deployment).await?;
    create_many(run, &deployment, name, table).await?;
    let mut have = run.creations + 1;
    for size in &run.sizes {
        deployment.stop().await?;
        let place = open(&deployment, postgres.map(|_| url.as_str())).await?;
        crate::seed::grow(&place, &server, have, *size).await?;
        place.close().await;
        have = have.max(*size);
        deployment.start().await?;
        let (token, _) = deployment.login().await?;
        for (read, path) in READS {
            let request = client::request("GET", &path.replace("{id}", &server), &token, None);
            let figures = client::run(deployment.api, run.load, &request, 200).await?;
            let memory = format!("{:.0}", resident_mib(deployment.id())?);
            row(table, name, have, read, figures.per_second, Some((figures.p50, figures.p99)), memory);
        }
    }
    deployment.stop().await
}

fn row(
    table: &mut Table,
    database: &str,
    servers: u32,
    measure: &str,
    rate: f64,
    times: Option<(u64, u64)>,
    memory: String,
) {
    let (p50, p99) = times.map_or((String::new(), String::new()), |(p50, p99)| (p50.to_string(), p99.to_string()));
    table.row(vec![
        database.to_owned(),
        servers.to_string(),
        measure.to_owned(),
        format!("{rate:.1}"),
        p50,
        p99,
        memory,
    ]);
}

/// Creations over all connections: how many are accepted a second, and how many are running a second.
async fn create_many(run: &Run, deployment: &Deployment, database: &str, table: &mut Table) -> Result<()> {
    let (token, _) = deployment.login().await?;
    let body = creation(deployment, &token).await?;
    let request = client::request("POST", "/compute/v2.1/servers", &token, Some(&body));
    let started = Instant::now();
    let each = run.creations as usize / run.load.connections.max(1);
    let tasks: Vec<_> = (0..run.load.connections)
        .map(|_| {
            let (request, address) = (request.clone(), deployment.api);
            tokio::spawn(async move {
                let mut connection = Connection::open(address).await?;
                for _ in 0..each {
                    let (status, body) = connection.send(&request).await?;
                    if status != 202 {
                        bail!("create: {status} {}", String::from_utf8_lossy(&body[..body.len().min(300)]));
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let made = (each * run.load.connections) as f64;
    let accepted = started.elapsed().as_secs_f64();
    wait_until_none_builds(deployment, &token).await?;
    let finished = started.elapsed().as_secs_f64();
    let memory = format!("{:.0}", resident_mib(deployment.id())?);
    row(table, database, run.creations, "creations accepted", made / accepted, None, String::new());
    row(table, database, run.creations, "creations finished", made / finished, None, memory);
    Ok(())
}

async fn wait_until_none_builds(deployment: &Deployment, token: &str) -> Result<()> {
    let until = Instant::now() + FINISH_DEADLINE;
    loop {
        let building = get(deployment, token, "/compute/v2.1/servers?status=BUILD&limit=1").await?;
        if building["servers"].as_array().is_some_and(Vec::is_empty) {
            break;
        }
        if Instant::now() > until {
            bail!("servers are still being built after {FINISH_DEADLINE:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let failed = get(deployment, token, "/compute/v2.1/servers?status=ERROR&limit=1").await?;
    if failed["servers"].as_array().is_some_and(|servers| !servers.is_empty()) {
        bail!("a creation failed: {failed}");
    }
    Ok(())
}

async fn get(deployment: &Deployment, token: &str, path: &str) -> Result<Value> {
    let mut connection = Connection::open(deployment.api).await?;
    let (status, body) = connection.send(&client::request("GET", path, token, None)).await?;
    if status != 200 {
        bail!("GET {path}: {status} {}", String::from_utf8_lossy(body));
    }
    Ok(serde_json::from_slice(body)?)
}

/// The smallest server that the seeds allow.
async fn creation(deployment: &Deployment, token: &str) -> Result<String> {
    let images = get(deployment, token, "/image/v2/images?limit=1").await?;
    let image = images["images"][0]["id"].as_str().context("the laptop has no image")?;
    // Without `networks` the project's only network is taken.
    Ok(json!({ "server": { "name": "load", "flavorRef": "1", "imageRef": image } }).to_string())
}

/// Makes one server and waits for it; the copies are made of it.
async fn first_server(deployment: &Deployment) -> Result<String> {
    let (token, _) = deployment.login().await?;
    let body = creation(deployment, &token).await?;
    let mut connection = Connection::open(deployment.api).await?;
    let request = client::request("POST", "/compute/v2.1/servers", &token, Some(&body));
    let (status, answer) = connection.send(&request).await?;
    let answer: Value = serde_json::from_slice(answer)?;
    if status != 202 {
        bail!("create: {status} {answer}");
    }
    wait_until_none_builds(deployment, &token).await?;
    Ok(answer["server"]["id"].as_str().context("id")?.to_owned())
}

async fn open(deployment: &Deployment, url: Option<&str>) -> Result<Place> {
    let options = skyloom_store::db::Options { sync_on_commit: false, ..Default::default() };
    let shown = |error: skyloom_model::Error| anyhow::anyhow!(error.for_log());
    if let Some(url) = url {
        let db = Db::postgres(url, options).await.map_err(shown)?;
        return Ok(Place { world: db.clone(), db, documents: "skyloom_documents.documents" });
    }
    let db = Db::sqlite(&deployment.state_file("skyloom.db"), options).await.map_err(shown)?;
    let world = Db::sqlite(&deployment.state_file("documents.db"), options).await.map_err(shown)?;
    Ok(Place { db, world, documents: "documents" })
}

/// A database of this run's own on the server.
async fn fresh_database(server: &str) -> Result<String> {
    let name = format!("load_{}", uuid::Uuid::new_v4().simple());
    let shown = |error: skyloom_model::Error| anyhow::anyhow!(error.for_log());
    let admin = Db::postgres(server, skyloom_store::db::Options::default()).await.map_err(shown)?;
    let mut connection = admin.read().await.map_err(shown)?;
    connection.execute(format!("CREATE DATABASE {name}"), &[]).await.map_err(shown)?;
    drop(connection);
    admin.close().await;
    let (base, query) = server.split_once('?').map_or((server, None), |(base, query)| (base, Some(query)));
    let (host, _) = base.rsplit_once('/').context("the URL names no database")?;
    Ok(query.map_or(format!("{host}/{name}"), |query| format!("{host}/{name}?{query}")))
}

/// What `boundary` reads: a database of the given size.
pub struct Prepared {
    pub database: PathBuf,
    pub project: String,
    pub server: String,
}

pub async fn prepare_sqlite(plugins: &Path, binary: &Path, folder: &Path, size: u32) -> Result<Prepared> {
    prepare(plugins, binary, folder, None, size).await
}

/// What `reads` reads, with its URL: a new database of this server.
pub async fn prepare_postgres(
    plugins: &Path,
    binary: &Path,
    folder: &Path,
    server: &str,
    size: u32,
) -> Result<(String, Prepared)> {
    let url = fresh_database(server).await?;
    let prepared = prepare(plugins, binary, folder, Some(&url), size).await?;
    Ok((url, prepared))
}

async fn prepare(plugins: &Path, binary: &Path, folder: &Path, postgres: Option<&str>, size: u32) -> Result<Prepared> {
    let mut deployment = Deployment::new(folder, binary, plugins, postgres.unwrap_or("sqlite"))?;
    deployment.start().await?;
    let (_, project) = deployment.login().await?;
    let server = first_server(&deployment).await?;
    deployment.stop().await?;
    let place = open(&deployment, postgres).await?;
    crate::seed::grow(&place, &server, 1, size).await?;
    place.close().await;
    Ok(Prepared { database: deployment.state_file("skyloom.db"), project, server })
}
