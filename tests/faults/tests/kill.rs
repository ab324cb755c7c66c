//! The real process, killed with SIGKILL at every write of the step log: `skyloom serve` with the compute API and the
//! simulator's component.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skyloom_store::{Db, args};

const PATIENCE: Duration = Duration::from_mins(1);
const PASSWORD: &str = "the-test's-own-password";

/// `target/release`, where this test was built.
fn target() -> PathBuf {
    let exe = std::env::current_exe().expect("a path of this test");
    exe.ancestors().nth(2).expect("target/release").to_owned()
}

fn plugin(id: &str) -> PathBuf {
    target().with_file_name("plugins").join(format!("{id}.wasm"))
}

fn config(folder: &Path, faults: &str) -> PathBuf {
    let file = |id: &str| plugin(id).display().to_string();
    let text = format!(
        r#"
[state]
dir = "{state}"
[[listener]]
name = "cloud"
address = "127.0.0.1:0"
[[plugin]]
id = "simulator"
file = "{simulator}"
grants = ["documents", "clock", "config"]
[[node]]
name = "node-1"
driver = "simulator"
zone = "zone-1"
platform-networks = {{ "*" = "simulated" }}
[[plugin]]
id = "identity-v3"
file = "{identity}"
grants = ["identity"]
[[plugin]]
id = "compute-v2"
file = "{compute}"
grants = ["config", "compute", "flavors", "keypairs", "operations", "quotas", "images", "networks", "volumes"]
[[mount]]
plugin = "identity-v3"
listener = "cloud"
prefix = "/identity"
[[mount]]
plugin = "compute-v2"
listener = "cloud"
prefix = "/compute"
{faults}
"#,
        state = folder.join("state").display(),
        simulator = file("simulator"),
        identity = file("identity-v3"),
        compute = file("compute-v2"),
    );
    let path = folder.join("skyloom.toml");
    std::fs::write(&path, text).expect("the deployment file");
    path
}

/// One life of the process.
struct Life {
    child: Child,
    /// Kept open: a process whose output nobody takes dies of it.
    _stdout: BufReader<ChildStdout>,
    port: u16,
    token: String,
}

impl Drop for Life {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Life {
    fn begin(folder: &Path, faults: &str) -> Self {
        let mut child = Command::new(target().join("skyloom"))
            .args(["serve", "--config"])
            .arg(config(folder, faults))
            .env("SKYLOOM_ADMIN_PASSWORD", PASSWORD)
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(folder.join("log")).expect("a log file")))
            .spawn()
            .expect("skyloom starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut port = None;
        for line in stdout.by_ref().lines().map_while(Result::ok) {
            let told = line.split_once("http://127.0.0.1:").map(|(_, rest)| rest);
            let digits = told.map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
            port = port.or(digits.and_then(|digits| digits.parse().ok()));
            if line.starts_with("administrator") {
                break;
            }
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        let port = port.unwrap_or_else(|| panic!("skyloom did not say where it listens: {}", log()));
        let mut life = Self { child, _stdout: stdout, port, token: String::new() };
        let login = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": "admin", "domain": { "id": "default" }, "password": PASSWORD } } },
            "scope": { "project": { "name": "admin", "domain": { "id": "default" } } },
        }});
        let (status, head, _) = life.call("POST", "/identity/v3/auth/tokens", &login).expect("an answer to the login");
        assert_eq!(status, 201, "{head}");
        let token = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("x-subject-token").then(|| value.trim().to_owned())
        });
        life.token = token.expect("a token");
        life
    }

    /// None: the process has died over it. Status, head and body.
    fn call(&self, method: &str, path: &str, body: &Value) -> Option<(u16, String, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-auth-token: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// True: it killed itself; false: it lives, and the operation has ended.
    async fn outcome(&mut self, db: &Db, operation: &str) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child's state") {
                assert_eq!(status.signal(), Some(9), "the process ended otherwise: {status}");
                return true;
            }
            if state(db, operation).await.is_some_and(|state| state == "succeeded") {
                return false;
            }
            assert!(Instant::now() < end, "neither dead nor done");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn state(db: &Db, operation: &str) -> Option<String> {
    let sql = "SELECT state FROM operations WHERE id = $1";
    db.read().await.unwrap().optional(sql, args![operation], |row| row.text(0)).await.unwrap()
}

async fn text(db: &Db, sql: &str) -> String {
    db.read().await.unwrap().one(sql, &[], |row| row.text(0)).await.unwrap()
}

async fn wait(db: &Db, operation: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let state = state(db, operation).await.expect("the operation");
        if state == "succeeded" {
            return;
        }
        assert!(Instant::now() < end, "the operation stays {state}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The operation that was written last; each request writes one.
async fn newest(db: &Db) -> (String, String) {
    let sql = "SELECT id, resource_id FROM operations ORDER BY created_at DESC, id LIMIT 1";
    db.read().await.unwrap().one(sql, &[], |row| Ok((row.text(0)?, row.text(1)?))).await.unwrap()
}

/// Sends a request of this kind; the process may die before it answers. Gives operation and server.
async fn ask(life: &Life, db: &Db, kind: &str, server: &str, image: &str) -> (String, String) {
    let before = newest_or_none(db).await;
    let action = format!("/compute/v2.1/servers/{server}/action");
    let answer = match kind {
        "server.create" => {
            let body = json!({ "server": { "name": "guest", "flavorRef": "1", "imageRef": image } });
            life.call("POST", "/compute/v2.1/servers", &body)
        }
        "server.delete" => life.call("DELETE", &format!("/compute/v2.1/servers/{server}"), &Value::Null),
        "server.start" => life.call("POST", &action, &json!({ "os-start": null })),
        "server.stop" => life.call("POST", &action, &json!({ "os-stop": null })),
        _ => life.call("POST", &action, &json!({ "reboot": { "type": "HARD" } })),
    };
    if let Some((status, head, body)) = &answer {
        assert!((200..300).contains(status), "{kind}: {head} {body}");
    }
    let asked = newest(db).await;
    assert_ne!(Some(&asked.0), before.as_ref(), "{kind}: nothing was written, and the answer was {answer:?}");
    asked
}

async fn newest_or_none(db: &Db) -> Option<String> {
    let sql = "SELECT id FROM operations ORDER BY created_at DESC, id LIMIT 1";
    db.read().await.unwrap().optional(sql, &[], |row| row.text(0)).await.unwrap()
}

/// What the server must be after an operation of this kind.
async fn check(db: &Db, kind: &str, server: &str, case: &str) {
    let wanted = match kind {
        "server.delete" => "deleted",
        "server.stop" => "stopped",
        _ => "active",
    };
    let mut conn = db.read().await.unwrap();
    let sql = "SELECT vm_state, task_state, (SELECT count(*) FROM spans p WHERE p.resource_id = s.id \
               AND p.ended_at = 9223372036854775807), (SELECT count(*) FROM operation_locks l \
               WHERE l.resource_id = s.id), (SELECT count(*) FROM ports p WHERE p.device_id = s.id), \
               (SELECT count(*) FROM volumes v WHERE v.server_id = s.id) FROM servers s WHERE s.id = $1";
    let found = conn
        .one(sql, args![server], |row| {
            Ok((row.text(0)?, row.text(1)?, row.int(2)?, row.int(3)?, row.int(4)?, row.int(5)?))
        })
        .await
        .unwrap();
    let (spans, kept) = match wanted {
        "active" => (2, 1),
        "stopped" => (0, 1),
        _ => (0, 0),
    };
    assert_eq!(found, (wanted.to_owned(), String::new(), spans, 0, kept, kept), "{case}");
}

/// What the simulator holds, from its own database.
async fn domains(folder: &Path) -> Vec<Value> {
    let documents =
        Db::sqlite(&folder.join("state/documents.db"), skyloom_store::db::Options::default()).await.unwrap();
    let mut conn = documents.read().await.unwrap();
    let bodies = conn.all("SELECT body FROM documents", &[], |row| row.text(0)).await.unwrap();
    drop(conn);
    documents.close().await;
    bodies.iter().map(|body| serde_json::from_str(body).expect("a document")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_every_write_leaves_nothing_undone() {
    let needed = [target().join("skyloom"), plugin("simulator"), plugin("identity-v3"), plugin("compute-v2")];
    if let Some(missing) = needed.iter().find(|file| !file.exists()) {
        println!("SKIPPED: kill -9 of the real process: {} is not built (make build)", missing.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut life = Life::begin(folder, "");
    let db = Db::sqlite(&folder.join("state/skyloom.db"), skyloom_store::db::Options::default()).await.unwrap();
    let image = text(&db, "SELECT id FROM images").await;
    let mut points = 0;
    for kind in ["server.create", "server.delete", "server.start", "server.stop", "server.reboot"] {
        for write in 0.. {
            let mut came = false;
            for moment in ["before", "after"] {
                let case = format!("{kind} killed {moment} write {write}");
                let mut server = String::new();
                if kind != "server.create" {
                    let (operation, made) = ask(&life, &db, "server.create", "", &image).await;
                    wait(&db, &operation).await;
                    server = made;
                }
                if kind == "server.start" {
                    let (operation, _) = ask(&life, &db, "server.stop", &server, &image).await;
                    wait(&db, &operation).await;
                }
                drop(life);
                let faults =
                    format!("[[faults.crash]]\noperation = \"{kind}\"\nwrite = {write}\nmoment = \"{moment}\"\n");
                let mut doomed = Life::begin(folder, &faults);
                let (operation, server) = ask(&doomed, &db, kind, &server, &image).await;
                let killed = doomed.outcome(&db, &operation).await;
                drop(doomed);
                came |= killed;
                points += u32::from(killed);
                life = Life::begin(folder, "");
                wait(&db, &operation).await;
                check(&db, kind, &server, &case).await;
                let held = domains(folder).await;
                let wanted = usize::from(kind != "server.delete");
                assert_eq!(held.len(), wanted, "{case}: the simulator holds {held:?}");
                if kind != "server.delete" {
                    assert_eq!(held[0]["running"], json!(kind != "server.stop"), "{case}");
                    let (operation, _) = ask(&life, &db, "server.delete", &server, &image).await;
                    wait(&db, &operation).await;
                    check(&db, "server.delete", &server, &case).await;
                    assert!(domains(folder).await.is_empty(), "{case}: a domain is left");
                }
            }
            if !came {
                assert!(write > 1, "{kind}: it was never killed");
                break;
            }
        }
    }
    println!("kill -9: {points} points");
}
