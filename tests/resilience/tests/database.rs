//! A database that is gone, broken or newer.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skyloom_resilience::{Answer, Cluster, PATIENCE, Server, Upload, World, skip, until};

/// What a client waits at most for the answer that the database is gone.
const QUICKLY: Duration = Duration::from_secs(5);
/// What no client may read: whose fault it is inside, and where.
const INTERNALS: &[&str] = &[
    "sqlx",
    "postgres",
    "sqlite",
    "pool",
    "connection refused",
    "os error",
    "admin shutdown",
    "terminating",
    "skyloom.db",
];

/// 503 in the words of each vendor.
pub fn refused_with_503(plugin: &str, answer: &Answer) {
    let told = answer.json();
    assert_eq!(answer.status, 503, "{plugin}: {}", answer.text);
    let whole = match plugin {
        "identity-v3" | "billing-v1" => told["error"]["code"] == 503 && told["error"]["message"].is_string(),
        "compute-v2" => told["serviceUnavailable"]["code"] == 503 && told["serviceUnavailable"]["message"].is_string(),
        "network-v2" => told["NeutronError"]["message"].is_string() && told["NeutronError"]["type"].is_string(),
        "ecs-v1" => told["error"]["code"].as_str().is_some_and(|code| code.starts_with("Ecs.")),
        // That vendor answers errors as pages or as plain text.
        _ => answer.text.contains("503 Service Unavailable"),
    };
    assert!(whole, "{plugin}: {}", answer.text);
    let text = answer.text.to_lowercase();
    for word in INTERNALS {
        assert!(!text.contains(word), "{plugin} tells `{word}`: {}", answer.text);
    }
}

/// Reads and writes of each vendor: plugin, method, path, body.
pub fn requests(image: &str, running: &str) -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let server = json!({ "server": { "name": "refused", "flavorRef": "1", "imageRef": image } });
    let stop = json!({ "os-stop": { "type": "HARD", "servers": [{ "id": running }] } });
    vec![
        ("identity-v3", "GET", "/v3/projects", Value::Null),
        ("compute-v2", "GET", "/v2.1/servers/detail", Value::Null),
        ("image-v2", "GET", "/v2/images", Value::Null),
        ("network-v2", "GET", "/v2.0/networks", Value::Null),
        ("billing-v1", "GET", "/consumption-records", Value::Null),
        ("identity-v3", "POST", "/v3/projects", json!({ "project": { "name": "refused" } })),
        ("compute-v2", "POST", "/v2.1/servers", server),
        ("compute-v2", "POST", "/v2.1/os-keypairs", json!({ "keypair": { "name": "refused" } })),
        ("image-v2", "POST", "/v2/images", json!({ "name": "refused" })),
        ("network-v2", "POST", "/v2.0/networks", json!({ "network": { "name": "refused" } })),
        ("ecs-v1", "POST", "/v1/{project}/cloudservers/action", stop),
    ]
}

fn refused_quickly(server: &Server, image: &str, running: &str, project: &str) {
    for (plugin, method, path, body) in requests(image, running) {
        let began = Instant::now();
        let answer = server.call(plugin, method, &path.replace("{project}", project), &body);
        assert!(began.elapsed() < QUICKLY, "{plugin} {method} {path} took {:?}", began.elapsed());
        refused_with_503(plugin, &answer);
    }
    let began = Instant::now();
    refused_with_503("identity-v3", &server.ask_for_a_token());
    assert!(began.elapsed() < QUICKLY, "a login took {:?}", began.elapsed());
}

/// Id of the administrator's project.
pub fn project(server: &Server) -> String {
    let projects = server.good("identity-v3", "GET", "/v3/projects?name=admin", &Value::Null);
    projects["projects"][0]["id"].as_str().expect("a project").to_owned()
}

#[test]
fn a_lost_database_is_told_at_once_and_everything_goes_on_when_it_is_back() {
    let Some(cluster) = Cluster::new() else { return skip("a lost database", "package postgresql-15 is missing") };
    // Steps that take a while, so that the database goes in the middle of one.
    let changes = format!(
        "[database]\nurl = \"{}\"\n[jobs]\nlease-ms = 1000\n[reconcile]\ninterval-ms = 200\n[[node]]\nname = \"node-1\"\n\
         driver = \"simulator\"\nzone = \"zone-1\"\nplatform-networks = {{ \"*\" = \"simulated\" }}\n\
         config = {{ delay-ms = {{ define = 1500 }} }}\n",
        cluster.url
    );
    let Some(world) = World::new("a lost database", &changes) else { return };
    let server = world.start();
    assert!(!world.state("documents.db").exists() && !world.state("skyloom.db").exists(), "no database of its own");
    let (image, project) = (server.image(), project(&server));
    let before = server.create_server("before", &image);
    server.wait_for(&before, "ACTIVE");
    let queued = server.good(
        "image-v2",
        "POST",
        "/v2/images",
        &json!({ "name": "sent-meanwhile", "disk_format": "raw", "container_format": "bare" }),
    );
    let queued = format!("/v2/images/{}", queued["id"].as_str().expect("an id"));

    for round in 0..2 {
        let path = format!("{queued}/file");
        let (address, target) = server.place("image-v2", &path);
        let mut upload = Upload::begin(address, &target, &server.token, 8192);
        assert!(upload.send(&[1; 4096]));
        let state = || server.good("image-v2", "GET", &queued, &Value::Null)["status"].clone();
        until("the upload begins", || (state() == "saving").then_some(()));
        let during = server.create_server(&format!("during-{round}"), &image);
        cluster.stop();

        refused_quickly(&server, &image, &before, &project);
        assert_eq!(server.ready(), (503, "the database does not answer\n".to_owned()));
        assert_eq!(server.alive(), 200);
        // It cannot be kept, and what it left cannot be written down now.
        assert!(upload.send(&[1; 4096]));
        assert_eq!(upload.answer().status, 503);

        cluster.start().expect("it was here before");
        until("it is ready again", || (server.ready().0 == 200).then_some(()));
        // No request meets a connection of the time before.
        for _ in 0..40 {
            assert_eq!(server.servers().len(), 2 + round);
        }
        server.wait_for(&during, "ACTIVE");
        until("the image is queued again", || (state() == "queued").then_some(()));
    }
    let after = server.create_server("after", &image);
    server.wait_for(&after, "ACTIVE");
    assert_eq!(server.servers(), ["after", "before", "during-0", "during-1"], "nothing lost, nothing doubled");
    let ids = server.good("compute-v2", "GET", "/v2.1/servers", &Value::Null);
    for one in ids["servers"].as_array().expect("servers") {
        server.delete_server(one["id"].as_str().expect("an id"));
    }
    assert_eq!(count(&cluster.url, "SELECT count(*) FROM skyloom_documents.documents"), 0, "a domain is left");
    assert_eq!(count(&cluster.url, "SELECT count(*) FROM placements"), 0, "a place is left");
    assert_eq!(count(&cluster.url, "SELECT count(*) FROM operations WHERE ended_at IS NULL"), 0, "one has not ended");
    server.stop();
}

/// What a statement counts on a PostgreSQL.
pub fn count(url: &str, sql: &str) -> i64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let db = skyloom_store::Db::postgres(url, skyloom_store::db::Options::default()).await.expect("the database");
        let counted = db.read().await.expect("a connection").one(sql, &[], |row| row.int(0)).await.expect("a number");
        db.close().await;
        counted
    })
}

#[test]
fn a_database_that_cannot_be_used_is_told_at_the_start() {
    let Some(mut world) = World::new("an unusable database", "") else { return };
    world.start().stop();
    let said = |world: &World, verb: &[&str]| {
        let began = Instant::now();
        let output = world.run(verb);
        assert!(began.elapsed() < PATIENCE);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (file, name) in [(world.state("skyloom.db"), "skyloom.db"), (world.state("documents.db"), "documents.db")] {
        let kept = std::fs::read(&file).expect("the database");
        // Replaced by something else.
        std::fs::write(&file, vec![b'x'; 8192]).expect("rubbish");
        let (code, text) = said(&world, &["serve"]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(name) && text.contains("file is not a database"), "{text}");
        // Something that is no file.
        std::fs::remove_file(&file).expect("removed");
        std::fs::create_dir(&file).expect("a folder in its place");
        let (code, text) = said(&world, &["serve"]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(name) && text.contains("is no regular file of its own"), "{text}");
        std::fs::remove_dir(&file).expect("removed");
        std::fs::write(&file, kept).expect("as it was");
    }
    world.start().stop();
    // A server that isn't there: the password of the URL stays unsaid.
    world.change("[database]\nurl = \"postgres://skyloom:hunter2@127.0.0.1:1/none\"\n");
    let (code, text) = said(&world, &["serve"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("[database] url") && !text.contains("hunter2"), "{text}");
}

#[test]
fn a_newer_schema_is_refused_by_every_verb_that_writes() {
    let Some(cluster) = Cluster::new() else { return skip("a newer schema", "package postgresql-15 is missing") };
    let changes = format!("[database]\nurl = \"{}\"\n", cluster.url);
    let Some(world) = World::new("a newer schema", &changes) else { return };
    world.start().stop();
    let newer = "WITH newer AS (INSERT INTO schema_version (version, name) VALUES (9999, 'future') RETURNING version) \
                 SELECT count(*) FROM newer";
    assert_eq!(count(&cluster.url, newer), 1);
    for verb in [
        &["serve"][..],
        &["db", "migrate"],
        &["operation", "retry", "none"],
        &["rating", "retry", "1970-01-01T00:00:00Z"],
    ] {
        let output = world.run(verb);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{verb:?}: {text}");
        assert!(text.contains("schema 9999"), "{verb:?}: {text}");
    }
}
