//! Several processes on one PostgreSQL.

use serde_json::{Value, json};
use skyloom_resilience::{Cluster, Server, World, skip, until};

use crate::database::count;

/// The key of all processes of a test: what the one seals the other opens.
fn key() -> tempfile::NamedTempFile {
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&key, "5a".repeat(32)).expect("the key");
    key
}

/// The table `[database]` of all processes of a test.
fn database(cluster: &Cluster, key: &tempfile::NamedTempFile) -> String {
    format!("[database]\nurl = \"{}\"\nsecret-key = \"{}\"\n", cluster.url, key.path().display())
}

#[test]
fn processes_on_one_server_share_what_plugins_keep() {
    let Some(cluster) = Cluster::new() else { return skip("shared documents", "package postgresql-15 is missing") };
    let key = key();
    let changes = format!("{}[reconcile]\ninterval-ms = 100\n", database(&cluster, &key));
    let Some(world) = World::new("shared documents", &changes) else { return };
    let one = world.start();
    let other = world.start_beside(&world.state("../other"));
    let image = one.image();
    let server = one.create_server("shared", &image);
    // Each sees what the other's driver made: its looks at the platform find the domain, and it may do the next step.
    other.wait_for(&server, "ACTIVE");
    let documents = "SELECT count(*) FROM skyloom_documents.documents";
    assert_eq!(count(&cluster.url, documents), 2, "the domain and its disk");
    one.stop();
    let looks = |other: &Server| other.metric("skyloom_reconcile_looks_total").expect("a metric");
    let (before, missing) = (looks(&other), "skyloom_reconcile_missing_total");
    until("it looks again", || (looks(&other) > before + 1.0).then_some(()));
    assert_eq!(other.metric(missing), Some(0.0), "it finds the domain that the first one made");
    let console = json!({ "os-getConsoleOutput": {} });
    other.good("compute-v2", "POST", &format!("/v2.1/servers/{server}/action"), &console);
    other.delete_server(&server);
    assert_eq!(count(&cluster.url, documents), 0, "both are gone");
    assert_eq!(other.good("compute-v2", "GET", "/v2.1/servers", &Value::Null)["servers"], Value::Array(Vec::new()));
    for file in ["skyloom.db", "documents.db"] {
        assert!(!world.state(file).exists() && !world.state("../other").join(file).exists(), "{file} of its own");
    }
}

/// The deployment's only node.
fn node(name: &str) -> String {
    let networks = "platform-networks = { \"*\" = \"simulated\" }";
    format!("[[node]]\nname = \"{name}\"\ndriver = \"simulator\"\nzone = \"zone-1\"\n{networks}\n")
}

#[test]
fn a_console_is_read_through_any_process_while_the_one_with_its_node_runs() {
    let Some(cluster) = Cluster::new() else { return skip("shared consoles", "package postgresql-15 is missing") };
    let key = key();
    let changes = format!("{}{}[internal]\naddress = \"127.0.0.1:0\"\n", database(&cluster, &key), node("node-1"));
    let Some(mut world) = World::new("shared consoles", &changes) else { return };
    let one = world.start();
    let server = one.create_server("shared", &one.image());
    one.wait_for(&server, "ACTIVE");
    world.change(&node("node-2"));
    let other = world.start_beside(&world.state("../other"));
    let path = format!("/v2.1/servers/{server}/action");
    let console = json!({ "os-getConsoleOutput": {} });
    let read = |process: &Server| process.good("compute-v2", "POST", &path, &console)["output"].clone();
    let log = read(&one);
    assert!(log.as_str().is_some_and(|log| log.contains(&server)), "{log}");
    assert_eq!(read(&other), log);

    one.stop();
    let refused = other.call("compute-v2", "POST", &path, &console);
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(!refused.text.contains("127.0.0.1") && !refused.text.contains("node-1"), "{}", refused.text);
    let said = other.log();
    assert!(said.contains("asked about node node-1"), "{said}");

    // It has another port now.
    world.change(&node("node-1"));
    let one = world.start();
    assert_eq!(read(&other), log);
    assert_eq!(read(&one), log);
}
