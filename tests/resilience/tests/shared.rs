//! Several processes on one PostgreSQL.

use serde_json::Value;
use skyloom_resilience::{Cluster, Server, World, skip, until};

use crate::database::count;

#[test]
fn processes_on_one_server_share_what_plugins_keep() {
    let Some(cluster) = Cluster::new() else { return skip("shared documents", "package postgresql-15 is missing") };
    // What the one seals the other opens.
    let key = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&key, "5a".repeat(32)).expect("the key");
    let database = format!("url = \"{}\"\nsecret-key = \"{}\"", cluster.url, key.path().display());
    let changes = format!("[database]\n{database}\n[reconcile]\ninterval-ms = 100\n");
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
    let console = serde_json::json!({ "os-getConsoleOutput": {} });
    other.good("compute-v2", "POST", &format!("/v2.1/servers/{server}/action"), &console);
    other.delete_server(&server);
    assert_eq!(count(&cluster.url, documents), 0, "both are gone");
    assert_eq!(other.good("compute-v2", "GET", "/v2.1/servers", &Value::Null)["servers"], Value::Array(Vec::new()));
    for file in ["skyloom.db", "documents.db"] {
        assert!(!world.state(file).exists() && !world.state("../other").join(file).exists(), "{file} of its own");
    }
}
