//! A full disk: what cannot be written is refused in each vendor's words, and everything goes on once there is room.

use std::path::Path;

use serde_json::{Value, json};
use skyloom_resilience::{SmallDisk, Upload, World, binary, skip, until};

use crate::database::{project, refused_with_503, requests};

const MIB: u64 = 1 << 20;

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of the images");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name")).collect()
}

/// What a statement counts in a SQLite file of a process at rest. SQLite resolves every link in a path, also the one that leads
/// into the process's own mounts: a copy, then.
fn count(file: &Path, sql: &str) -> i64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("copy.db");
    for ending in ["", "-wal"] {
        let with = |path: &Path| std::path::PathBuf::from(format!("{}{ending}", path.display()));
        std::fs::copy(with(file), with(&copy)).expect("a copy");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let db = skyloom_store::Db::sqlite(&copy, skyloom_store::db::Options::default()).await.expect("the database");
        let counted = db.read().await.expect("a connection").one(sql, &[], |row| row.int(0)).await.expect("a number");
        db.close().await;
        counted
    })
}

#[test]
fn a_full_disk_is_told_clearly_and_recovered_from() {
    let Some(disk) = SmallDisk::new(160) else {
        return skip("a full disk", "no mount namespaces for this user");
    };
    // A step that takes a while, so that the disk fills in the middle of an operation.
    let changes = "[state]\nmin-free-mib = 8\n[[node]]\nname = \"node-1\"\ndriver = \"simulator\"\nzone = \"zone-1\"\n\
                   platform-networks = { \"*\" = \"simulated\" }\nconfig = { delay-ms = { define = 2000 } }\n";
    let Some(world) = World::new("a full disk", changes) else { return };
    let server = world.start_with(disk.command(binary()), &disk.path().join("state"));
    let state = disk.seen_from_outside(server.id()).join("state");
    let (image, project) = (server.image(), project(&server));
    let seeded = files(&state.join("images"));
    let before = server.create_server("before", &image);
    server.wait_for(&before, "ACTIVE");
    assert_eq!(server.ready(), (200, "ok\n".to_owned()));
    let room = server.metric("skyloom_disk_free_bytes{folder=\"state\"}").expect("a metric");
    assert!(room > 0.0 && room < (160 * MIB) as f64, "{room}");
    let body = json!({ "name": "large", "disk_format": "raw", "container_format": "bare" });
    let queued = server.good("image-v2", "POST", "/v2/images", &body);
    let queued = format!("/v2/images/{}", queued["id"].as_str().expect("an id"));
    let image_state = || server.good("image-v2", "GET", &queued, &Value::Null)["status"].clone();
    let path = format!("{queued}/file");
    let (address, target) = server.place("image-v2", &path);

    // An upload that is larger than what is left.
    let ballast = disk.fill(server.id(), 16 * MIB);
    let mut upload = Upload::begin(address, &target, &server.token, 64 * MIB);
    let piece = vec![1; MIB as usize];
    while upload.send(&piece) {}
    assert!(matches!(upload.last_words(), None | Some(503)), "what else?");
    until("the image is queued again", || (image_state() == "queued").then_some(()));
    until("its file goes", || (files(&state.join("images")) == seeded).then_some(()));

    // One that is cut off by others, and an operation.
    let mut upload = Upload::begin(address, &target, &server.token, 8192);
    assert!(upload.send(&[1; 4096]));
    until("the upload begins", || (image_state() == "saving").then_some(()));
    let during = server.create_server("during", &image);
    std::fs::remove_file(&ballast).expect("the ballast goes");
    let ballast = disk.fill(server.id(), 0);
    let (status, said) = server.ready();
    assert_eq!((status, said.as_str()), (503, "the disk of the state folder has 0 MiB left, 8 are wanted\n"));
    assert_eq!(server.alive(), 200);
    let mut accepted = Vec::new();
    until("a write is refused", || {
        let name = format!("key-{}", accepted.len());
        let answer = server.call("compute-v2", "POST", "/v2.1/os-keypairs", &json!({ "keypair": { "name": name } }));
        if (200..300).contains(&answer.status) {
            accepted.push(name);
            return None;
        }
        refused_with_503("compute-v2", &answer);
        Some(())
    });
    for (plugin, method, path, body) in requests(&image, &before) {
        let answer = server.call(plugin, method, &path.replace("{project}", &project), &body);
        if method == "GET" {
            assert_eq!(answer.status, 200, "{plugin} {path}: reads go on: {}", answer.text);
        } else {
            refused_with_503(plugin, &answer);
        }
    }
    refused_with_503("identity-v3", &server.ask_for_a_token());
    assert!(upload.send(&[1; 4096]));
    refused_with_503("image-v2", &upload.answer());

    // Room again: no restart.
    std::fs::remove_file(&ballast).expect("the ballast goes");
    until("it is ready again", || (server.ready().0 == 200).then_some(()));
    server.wait_for(&during, "ACTIVE");
    until("the image is queued again", || (image_state() == "queued").then_some(()));
    assert_eq!(files(&state.join("images")), seeded, "nothing of the uploads is left");
    assert_eq!(server.servers(), ["before", "during"], "what was accepted is there once, what was refused is not");
    let keys = server.good("compute-v2", "GET", "/v2.1/os-keypairs", &Value::Null);
    let keys: Vec<_> = keys["keypairs"].as_array().expect("keys").iter().map(|key| &key["keypair"]["name"]).collect();
    accepted.sort();
    assert_eq!(keys, accepted.iter().collect::<Vec<_>>());
    for (plugin, method, path, body) in requests(&image, &before) {
        server.good(plugin, method, &path.replace("{project}", &project), &body);
    }
    assert_eq!(server.ask_for_a_token().status, 201);
    let mut upload = Upload::begin(address, &target, &server.token, 8192);
    assert!(upload.send(&[1; 8192]));
    assert_eq!(upload.answer().status, 204);

    server.wait_for(&before, "SHUTOFF");
    assert_eq!(server.servers(), ["before", "during", "refused"]);
    let all = server.good("compute-v2", "GET", "/v2.1/servers", &Value::Null);
    for one in all["servers"].as_array().expect("servers") {
        server.delete_server(one["id"].as_str().expect("an id"));
    }
    assert_eq!(count(&state.join("documents.db"), "SELECT count(*) FROM documents"), 0, "a domain is left");
    let database = state.join("skyloom.db");
    let open = "SELECT count(*) FROM spans WHERE ended_at = 9223372036854775807 AND resource_kind <> 'image'";
    for (left, sql) in [
        ("a place", "SELECT count(*) FROM placements"),
        ("a port", "SELECT count(*) FROM ports WHERE device_id <> ''"),
        ("an open span", open),
        ("an operation", "SELECT count(*) FROM operations WHERE ended_at IS NULL"),
    ] {
        assert_eq!(count(&database, sql), 0, "{left} is left");
    }
    server.stop();
}
