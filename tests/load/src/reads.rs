//! The store's reads on PostgreSQL, beside what `pgbench` does with the very same statements: what the store adds to the database.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use skyloom_model::{Error, Reach};
use skyloom_store::listing::Page;
use skyloom_store::servers::{self, Filter, Parts};
use skyloom_store::{Conn, Db};
use tokio::process::Command;

use crate::client::Plan;
use crate::scale;
use crate::table::Table;

pub struct Run {
    pub binary: PathBuf,
    pub plugins: PathBuf,
    pub postgres: String,
    pub servers: u32,
    pub rounds: usize,
    pub load: Plan,
}

/// What is read, and how often in one read.
#[derive(Clone, Copy)]
enum Read {
    Show,
    List(u32),
}

const READS: &[(&str, Read)] =
    &[("show", Read::Show), ("list of 20", Read::List(20)), ("list of 1000", Read::List(1000))];

/// Whose servers are read.
#[derive(Clone)]
struct Scene {
    project: String,
    server: String,
}

impl Scene {
    async fn read(&self, conn: &mut Conn, read: Read) -> Result<()> {
        let reach = Reach::Projects(vec![self.project.clone()]);
        match read {
            Read::Show => {
                let found = servers::get(conn, &self.server, &reach, Parts::USUAL).await.map_err(shown)?;
                found.context("the server is gone").map(drop)
            }
            Read::List(limit) => {
                let page = Page { limit, ..Page::default() };
                let filter = Filter { reach, ..Filter::all() };
                let found = servers::list(conn, &filter, Parts::USUAL, &page).await.map_err(shown)?;
                anyhow::ensure!(!found.items.is_empty(), "the list is empty");
                Ok(())
            }
        }
    }
}

pub async fn run(run: &Run) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (url, prepared) =
        scale::prepare_postgres(&run.plugins, &run.binary, folder.path(), &run.postgres, run.servers).await?;
    let scene = Scene { project: prepared.project, server: prepared.server };
    println!(
        "the store's reads / pgbench -M prepared with the same statements; {} servers, {} connections, {} s a figure, \
         medians of {} rounds",
        run.servers, run.load.connections, run.load.seconds, run.rounds
    );
    let options = skyloom_store::db::Options { readers: connections(run).div_ceil(2), ..Default::default() };
    let db = Db::postgres(&url, options).await.map_err(shown)?;
    let mut table = Table::new(&["read", "statements", "per second", "pgbench", "ratio"]);
    for (name, read) in READS {
        let statements = statements(&url, &scene, *read).await?;
        let script = folder.path().join("script.sql");
        std::fs::write(&script, statements.join(";\n") + ";\n")?;
        let (mut of_store, mut of_pgbench) = (Vec::new(), Vec::new());
        for _ in 0..run.rounds.max(1) {
            of_store.push(measure(&db, &scene, *read, run.load).await?);
            of_pgbench.push(pgbench(&url, &script, run).await?);
        }
        let (store, pgbench) = (median(of_store), median(of_pgbench));
        table.row(vec![
            (*name).to_owned(),
            statements.len().to_string(),
            format!("{store:.0}"),
            format!("{pgbench:.0}"),
            format!("{:.2}", store / pgbench),
        ]);
    }
    db.close().await;
    table.print();
    Ok(())
}

fn connections(run: &Run) -> u32 {
    u32::try_from(run.load.connections).unwrap_or(1)
}

/// What one read hands to the database, with its parameters as literals: the only texts are the ids that are read, in this order, and
/// each number is the page's.
async fn statements(url: &str, scene: &Scene, read: Read) -> Result<Vec<String>> {
    let db = Db::postgres(url, skyloom_store::db::Options::default()).await.map_err(shown)?;
    let mut conn = db.read().await.map_err(shown)?;
    scene.read(&mut conn, read).await?;
    let sql =
        "SELECT statement, array_to_string(parameter_types, ' ') FROM pg_prepared_statements ORDER BY prepare_time";
    let used = conn.all(sql, &[], |row| Ok((row.text(0)?, row.text(1)?))).await.map_err(shown)?;
    drop(conn);
    db.close().await;
    let used = used.into_iter().filter(|(statement, _)| !statement.contains("pg_prepared_statements"));
    used.map(|(statement, types)| literal(&statement, &types, scene, read)).collect()
}

fn literal(statement: &str, types: &str, scene: &Scene, read: Read) -> Result<String> {
    let mut texts = match read {
        Read::Show => vec![&scene.server, &scene.project],
        Read::List(_) => vec![&scene.project],
    }
    .into_iter();
    let mut sql = statement.to_owned();
    for (at, kind) in types.split_whitespace().enumerate() {
        let value = match (kind, read) {
            ("text", _) => format!("'{}'", texts.next().with_context(|| format!("one text too many: {statement}"))?),
            ("bigint", Read::List(limit)) => (limit + 1).to_string(),
            _ => bail!("a parameter of type {kind}: {statement}"),
        };
        sql = sql.replace(&format!("${}", at + 1), &value);
    }
    Ok(sql)
}

/// Reads a second.
async fn measure(db: &Db, scene: &Scene, read: Read, load: Plan) -> Result<f64> {
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(load.seconds);
    let tasks: Vec<_> = (0..load.connections)
        .map(|_| {
            let (db, scene) = (db.clone(), scene.clone());
            tokio::spawn(async move {
                let mut reads = 0_u32;
                while Instant::now() < until {
                    let mut conn = db.read().await.map_err(shown)?;
                    scene.read(&mut conn, read).await?;
                    reads += 1;
                }
                Ok::<_, anyhow::Error>(reads)
            })
        })
        .collect();
    let mut reads = 0;
    for task in tasks {
        reads += task.await??;
    }
    Ok(f64::from(reads) / started.elapsed().as_secs_f64())
}

async fn pgbench(url: &str, script: &Path, run: &Run) -> Result<f64> {
    let seconds = run.load.seconds.ceil().max(1.0).to_string();
    let connections = run.load.connections.to_string();
    let output = Command::new("pgbench")
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &connections, "-T", &seconds, "-f"])
        .arg(script)
        .arg(url)
        .output()
        .await
        .context("pgbench (package postgresql-contrib)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let figure = line.and_then(|line| line.split(' ').next()).and_then(|figure| figure.parse().ok());
    figure.with_context(|| format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn shown(error: Error) -> anyhow::Error {
    anyhow!(error.for_log())
}
