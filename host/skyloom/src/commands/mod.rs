//! One file per group of commands.

pub mod check;
pub mod db;
mod openapi;
pub mod operation;
pub mod plugin;

use crate::failure::Failure;

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

/// `2026-11-21T10:00:00Z`, or `-`.
fn time(at: Option<skyloom_model::Timestamp>) -> String {
    let Some(at) = at else { return "-".to_owned() };
    let days = at.0.div_euclid(86_400_000_000);
    let seconds = at.0.rem_euclid(86_400_000_000) / 1_000_000;
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Days since 1970-01-01 to a date of the Gregorian calendar; years begin in March, so that leap days come last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
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
