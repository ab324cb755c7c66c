//! What has ended is kept for its stated time and not longer. The test moves records into the past instead of waiting: a little
//! more than the time that the settings' defaults say, and a little less.

use std::time::{Duration, SystemTime};

use skyloom_resilience::{World, until};
use skyloom_store::{Db, args};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

struct Records {
    db: Db,
    runtime: tokio::runtime::Runtime,
}

impl Records {
    fn open(world: &World) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let options = skyloom_store::db::Options::default();
        let db = runtime.block_on(Db::sqlite(&world.state("skyloom.db"), options)).expect("the database");
        Self { db, runtime }
    }

    /// Moves a time of one record back.
    fn age(&self, table: &str, column: &str, key: &str, id: &str, by: i64) {
        let sql = format!("UPDATE {table} SET {column} = {column} - $1 WHERE {key} = $2");
        self.runtime.block_on(async {
            let mut tx = self.db.begin().await.expect("begin");
            assert!(tx.execute(sql, args![by, id]).await.expect("a change") > 0, "{table} {id}");
            tx.commit().await.expect("commit");
        });
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let read = async { self.db.read().await?.all(sql, &[], |row| row.text(0)).await };
        self.runtime.block_on(read).expect("texts")
    }
}

fn nodes(names: &[&str]) -> String {
    let node = |name: &&str| {
        format!(
            "[[node]]\nname = \"{name}\"\ndriver = \"simulator\"\nzone = \"zone-1\"\n\
             platform-networks = {{ \"*\" = \"simulated\" }}\n"
        )
    };
    names.iter().map(node).collect()
}

#[test]
fn what_has_ended_is_kept_for_its_time_and_not_longer() {
    let Some(mut world) = World::new("retention", &nodes(&["node-1", "old", "young"])) else { return };
    let server = world.start();
    let image = server.image();
    let deleted = ["old", "young"].map(|name| {
        let id = server.create_server(name, &image);
        server.wait_for(&id, "ACTIVE");
        server.delete_server(&id);
        id
    });
    let kept = server.create_server("kept", &image);
    server.wait_for(&kept, "ACTIVE");
    for _ in 0..2 {
        assert_eq!(server.ask_for_a_token().status, 201);
    }
    server.stop();
    // Two nodes leave.
    world.change(&nodes(&["node-1"]));
    world.start().stop();

    let records = Records::open(&world);
    let tokens = records.texts("SELECT hash FROM tokens ORDER BY issued_at LIMIT 2");
    for (number, more) in [(0, HOUR), (1, -HOUR)] {
        let server = &deleted[number];
        records.age("servers", "terminated_at", "id", server, 30 * DAY + more);
        for column in ["ended_at", "updated_at"] {
            records.age("operations", column, "resource_id", server, 30 * DAY + more);
        }
        // A token ends 24 hours after it was made, and is kept for as long again.
        records.age("tokens", "expires_at", "hash", &tokens[number], 2 * DAY + more);
        records.age("nodes", "updated_at", "name", ["old", "young"][number], 30 * DAY + more);
    }
    world.change("[reconcile]\ninterval-ms = 100\nsweep-ms = 200\n");
    let server = world.start();
    // Orphans among the images: at the start all go, later those that no upload can still be writing.
    let folder = world.state("images");
    for (name, hours) in [("0198c0de-0000-7000-8000-000000000001", 25), ("0198c0de-0000-7000-8000-000000000002", 23)] {
        let file = std::fs::File::create(folder.join(name)).expect("a file");
        file.set_modified(SystemTime::now() - Duration::from_hours(hours)).expect("a time");
    }
    until("the old file goes", || (!folder.join("0198c0de-0000-7000-8000-000000000001").exists()).then_some(()));
    assert!(folder.join("0198c0de-0000-7000-8000-000000000002").exists(), "it may still be written");
    // Two servers, their four operations, a token, a node; each sweep takes all that is due, so nothing comes later.
    let swept = "skyloom_reconcile_swept_total";
    until("all is swept", || server.metric(swept).filter(|number| *number > 0.0));
    let looks = || server.metric("skyloom_reconcile_looks_total").expect("a metric");
    let now = looks();
    until("it has looked and swept again", || (looks() > now + 5.0).then_some(()));

    let names = records.texts("SELECT id FROM servers ORDER BY id");
    assert!(!names.contains(&deleted[0]) && names.contains(&deleted[1]) && names.contains(&kept), "{names:?}");
    let operations = records.texts("SELECT DISTINCT resource_id FROM operations WHERE resource_kind = 'server'");
    assert!(!operations.contains(&deleted[0]), "{operations:?}");
    assert!(operations.contains(&deleted[1]) && operations.contains(&kept), "{operations:?}");
    let left = records.texts("SELECT hash FROM tokens");
    assert!(!left.contains(&tokens[0]) && left.contains(&tokens[1]), "{left:?}");
    assert_eq!(records.texts("SELECT name FROM nodes ORDER BY name"), ["node-1", "young"]);
    assert_eq!(records.texts("SELECT node FROM node_usage WHERE node = 'old'"), [""; 0]);
    server.stop();

    // At a start every orphan goes: nobody else can be writing it.
    let server = world.start();
    assert!(!folder.join("0198c0de-0000-7000-8000-000000000002").exists());
    assert_eq!(server.servers(), ["kept"]);
}
