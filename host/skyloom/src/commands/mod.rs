//! One file per group of commands.

pub mod address;
pub mod check;
pub mod db;
pub mod event;
pub mod node;
mod openapi;
pub mod operation;
pub mod plugin;
pub mod price;
pub mod quota;
pub mod rating;
pub mod volume;

use skyloom_store::Db;

use crate::cli::DeploymentArgs;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::state;

/// `skyloom version`.
pub fn version(json: bool) {
    let libvirt = cfg!(feature = "libvirt");
    if json {
        print_json(&serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "contracts": skyloom_runtime::manifest::CONTRACTS,
            "libvirt": libvirt,
        }));
    } else {
        say!("skyloom {}", env!("CARGO_PKG_VERSION"));
        say!("contracts: {}", skyloom_runtime::manifest::CONTRACTS.join(", "));
        say!("libvirt: {}", if libvirt { "yes" } else { "no (not found when this program was built)" });
    }
}

pub fn print_json(value: &serde_json::Value) {
    say!("{value:#}");
}

/// Rows in columns as wide as their widest cell.
fn print_table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        say!("{}", cells.join("  ").trim_end());
    }
}

/// A runtime for commands that ask the database something.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(work)
}

/// Asks the database of a deployment, beside a running `skyloom serve` or without one.
fn with_database(
    args: &DeploymentArgs,
    work: impl AsyncFnOnce(&Loaded, &Db) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let loaded = Loaded::read(&args.config, args.state_dir.as_deref()).map_err(Failure::config)?;
    if loaded.deployment.database.url == "sqlite" && !loaded.state_dir.join("skyloom.db").exists() {
        return Err(Failure::new(format!("{} holds no database yet", loaded.state_dir.display())));
    }
    state::close_to_others();
    state::inspect(&loaded.state_dir)?;
    block_on(async {
        let db = crate::serve::connect(&loaded.deployment, &loaded.state_dir).await?;
        let result = async {
            skyloom_store::migrate::status(&mut db.read().await?).await?;
            work(&loaded, &db).await
        };
        let result = result.await;
        db.close().await;
        result
    })
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

/// `2026-11-21T10:00:00Z`, as the operator writes it.
fn parse_time(text: &str) -> Result<skyloom_model::Timestamp, Failure> {
    let at: jiff::Timestamp =
        text.parse().map_err(|error| Failure::config(vec![format!("{text} is no time: {error}")]))?;
    Ok(skyloom_model::Timestamp(at.as_microsecond()))
}

/// `2026-11-21T10:00:00Z`, or `-`.
fn time(at: Option<skyloom_model::Timestamp>) -> String {
    // What jiff can't hold lies beyond the year 9999.
    let at = at.and_then(|at| jiff::Timestamp::from_second(at.0.div_euclid(1_000_000)).ok());
    at.map_or_else(|| "-".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use skyloom_model::Timestamp;

    #[test]
    fn times_are_readable() {
        let at = |seconds: i64| super::time(Some(Timestamp(seconds * 1_000_000)));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_258_745), "2026-11-21T10:59:05Z");
        assert_eq!(super::time(None), "-");
    }
}
