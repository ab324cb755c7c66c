//! Databases for tests: every test of the store and of what stands on it runs on each of them.
//!
//! ```text
//! for database in skyloom_store::testing::databases().await {
//!     let mut tx = database.db.begin().await.unwrap();
//!     // ... name `database.name` in the assertions
//! }
//! ```
//!
//! PostgreSQL is one temporary cluster for each test process, started with `tests/support/postgres/start` on first use, or the
//! server that the variable `SKYLOOM_TEST_POSTGRES` names by URL (its user must be allowed to make databases). Where there is
//! neither, the process says `SKIPPED: postgresql` once and uses SQLite only. What a test process leaves open it takes back
//! when it ends, however it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::sync::OnceCell;

use crate::db::{Db, Options};

thread_local! {
    /// How often this thread handed statements to a database: a `#[tokio::test]` counts its own.
    pub static SENT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A fresh database with the whole schema. Its files go when it is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    /// `sqlite` or `postgresql`.
    pub name: &'static str,
    pub db: Db,
    /// Its URL for a process of the test's own: `sqlite:<path>` or `postgres://...`.
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

/// A fresh, migrated database of each kind that there is here.
///
/// # Panics
/// When a database cannot be made: a test has nothing else to do then.
pub async fn databases() -> Vec<TestDatabase> {
    let mut databases = vec![sqlite().await];
    databases.extend(postgres().await);
    databases
}

/// A fresh, migrated SQLite database in a temporary folder.
pub async fn sqlite() -> TestDatabase {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("test.db");
    std::fs::write(&path, migrated_file().await).expect("a database file");
    let db = Db::sqlite(&path, options()).await.expect("a SQLite database");
    TestDatabase { name: "sqlite", db, url: format!("sqlite:{}", path.display()), _folder: Some(folder) }
}

/// A fresh, migrated PostgreSQL database; none where there is no server.
pub async fn postgres() -> Option<TestDatabase> {
    let url = postgres_copy(migrated_template().await?).await?;
    let db = Db::postgres(&url, options()).await.expect("a connection to PostgreSQL");
    Some(TestDatabase { name: "postgresql", db, url, _folder: None })
}

/// A SQLite database with the whole schema: each test gets a copy, which takes less than to migrate anew.
async fn migrated_file() -> &'static [u8] {
    static FILE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let made = FILE.get_or_init(|| async {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("migrated.db");
        let db = Db::sqlite(&path, Options::default()).await.expect("a SQLite database");
        crate::migrate::migrate(&db).await.expect("migrations on SQLite");
        // The last connection that closes leaves all in the one file.
        db.close().await;
        std::fs::read(path).expect("a database file")
    });
    made.await
}

/// Name of a PostgreSQL database with the whole schema, for copies of it. Nobody may be connected to it then.
async fn migrated_template() -> Option<&'static str> {
    static NAME: OnceCell<Option<String>> = OnceCell::const_new();
    let made = NAME.get_or_init(|| async {
        let url = postgres_url().await?;
        let db = Db::postgres(&url, Options::default()).await.expect("a connection to PostgreSQL");
        crate::migrate::migrate(&db).await.expect("migrations on PostgreSQL");
        db.close().await;
        url.rsplit_once('/').map(|(_, name)| name.to_owned())
    });
    made.await.as_deref()
}

/// As [`databases`], with the schema of an older version; [`crate::migrate::migrate`] brings it up.
///
/// # Panics
/// As [`databases`].
pub async fn databases_at(version: i64) -> Vec<TestDatabase> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("test.db");
    let db = Db::sqlite(&path, Options { readers: 2, ..Options::default() }).await.expect("a SQLite database");
    let url = format!("sqlite:{}", path.display());
    let mut databases = vec![TestDatabase { name: "sqlite", db, url, _folder: Some(folder) }];
    if let Some(url) = postgres_url().await {
        let db = Db::postgres(&url, options()).await.expect("a connection to PostgreSQL");
        databases.push(TestDatabase { name: "postgresql", db, url, _folder: None });
    }
    for database in &databases {
        crate::migrate::migrate_to(&database.db, version).await.expect("the schema of then");
    }
    databases
}

/// URL of a fresh, empty PostgreSQL database.
pub async fn postgres_url() -> Option<String> {
    postgres_copy("template0").await
}

async fn postgres_copy(template: &str) -> Option<String> {
    let server = tokio::task::spawn_blocking(server).await.expect("start of PostgreSQL")?;
    let name = format!("test_{}", uuid::Uuid::new_v4().simple());
    let mut connection = sqlx::PgConnection::connect(server).await.expect("a connection to PostgreSQL");
    connection
        .execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {template}")))
        .await
        .expect("a fresh PostgreSQL database");
    connection.close().await.expect("an orderly end of the connection");
    let (base, _) = server.rsplit_once('/').expect("a URL that names a database");
    Some(format!("{base}/{name}"))
}

/// Few connections: many tests share one server. From here on statements are checked.
fn options() -> Options {
    crate::statement::CHECKED.store(true, std::sync::atomic::Ordering::Relaxed);
    Options { readers: 2, ..Options::default() }
}

/// URL of the server of this process, started on first use. Blocks.
fn server() -> Option<&'static str> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER.get_or_init(|| std::env::var("SKYLOOM_TEST_POSTGRES").ok().or_else(start_cluster)).as_deref()
}

/// What `tests/support/postgres/start` answers when the package is missing.
const MISSING: i32 = 77;

fn start_cluster() -> Option<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/support/postgres");
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    // The server inherits the pipe of `stderr` and would keep it open for ever: a file, then.
    let log = folder.join("log");
    let output = Command::new(scripts.join("start"))
        .arg(&folder)
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("a log file"))
        .output()
        .expect("tests/support/postgres/start");
    if output.status.code() == Some(MISSING) {
        eprintln!("SKIPPED: postgresql");
        return None;
    }
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(output.status.success(), "tests/support/postgres/start failed: {text}");
    stop_with_this_process(&scripts, folder);
    Some(String::from_utf8(output.stdout).expect("a URL").trim().to_owned())
}

/// A child waits for the end of its input, which comes when this process ends, even by SIGKILL; then it stops the cluster.
/// In a group of its own, so that Ctrl-C on the tests doesn't hit it first.
fn stop_with_this_process(scripts: &Path, folder: PathBuf) {
    use std::os::unix::process::CommandExt as _;
    let watcher = Command::new("sh")
        .args(["-c", r#"read -r _; "$0"/stop "$1"; rm -rf "$1""#])
        .arg(scripts)
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell");
    // Its input is never closed by us: the kernel closes it.
    std::mem::forget(watcher);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;

    #[tokio::test]
    async fn each_database_is_fresh_and_writable() {
        for database in databases().await {
            let again =
                if database.name == "sqlite" { sqlite().await } else { postgres().await.expect("a second one") };
            for db in [&database.db, &again.db] {
                let mut tx = db.begin().await.expect("begin");
                tx.execute("CREATE TABLE probe (id TEXT PRIMARY KEY)", &[]).await.expect(database.name);
                tx.execute("INSERT INTO probe (id) VALUES ($1)", args!["x"]).await.expect(database.name);
                tx.commit().await.expect("commit");
            }
        }
    }
}
