//! Each part of the load tool runs for a moment, without thresholds: the figures are for `make load`.

use std::path::PathBuf;
use std::process::Command;

/// A folder of the build, or where the test runner says that it is.
fn built(variable: &str, default: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::var_os(variable).map_or_else(|| root.join(default), PathBuf::from)
}

fn run(arguments: &[&str]) -> String {
    let plugins = built("SKYLOOM_PLUGINS", "target/plugins");
    let output = Command::new(env!("CARGO_BIN_EXE_skyloom-load"))
        .args(["--seconds", "0.2", "--connections", "2", "--plugins"])
        .arg(&plugins)
        .args(arguments)
        .arg("--binary")
        .arg(built("SKYLOOM_BIN", "target/debug/skyloom"))
        .output()
        .expect("the load tool starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn the_component_and_its_native_twin_answer_the_same_reads() {
    let text = run(&["boundary", "--rounds", "1"]);
    for line in ["show", "detail of 20", "detail of 1000"] {
        assert_eq!(text.lines().filter(|row| row.starts_with(line)).count(), 2, "{text}");
    }
}

#[test]
fn a_caller_is_served_during_floods() {
    let text = run(&["flood", "--requests", "30", "--heads", "50", "--rounds", "1"]);
    for flood in ["logins", "guessed tokens", "half-sent heads"] {
        assert_eq!(text.lines().filter(|row| row.starts_with(flood)).count(), 1, "{text}");
    }
    let logins = text.lines().find(|row| row.starts_with("logins")).expect("the row");
    assert!(logins.contains(" 401") || logins.contains(" 429"), "{text}");
}

#[test]
fn the_whole_server_is_measured_on_each_database_that_is_there() {
    let text = run(&["scale", "--sizes", "100,200", "--creations", "20"]);
    let databases = if std::env::var_os("SKYLOOM_TEST_POSTGRES").is_some() { 2 } else { 1 };
    let finished = text.lines().filter(|row| row.contains("creations finished")).count();
    assert_eq!(finished, databases, "{text}");
    assert_eq!(text.lines().filter(|row| row.contains("detail of 1000")).count(), 2 * databases, "{text}");
}

#[test]
fn the_stores_reads_stand_beside_those_of_pgbench() {
    if std::env::var_os("SKYLOOM_TEST_POSTGRES").is_none() {
        return;
    }
    let text = run(&["reads", "--servers", "50", "--rounds", "1"]);
    for read in ["show", "list of 20", "list of 1000"] {
        assert_eq!(text.lines().filter(|row| row.starts_with(read)).count(), 1, "{text}");
    }
}
