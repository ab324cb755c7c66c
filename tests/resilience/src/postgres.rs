//! A PostgreSQL of the test's own, which it may stop and start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What `tests/support/postgres/start` answers when the package is missing.
const MISSING: i32 = 77;

/// Its data go with this value.
pub struct Cluster {
    folder: tempfile::TempDir,
    pub url: String,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../support/postgres").join(name)
}

impl Cluster {
    /// None: there is no PostgreSQL here.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn new() -> Option<Self> {
        let mut cluster = Self { folder: tempfile::tempdir().expect("a temporary folder"), url: String::new() };
        cluster.url = cluster.start()?;
        Some(cluster)
    }

    /// At the port of the last time.
    ///
    /// # Panics
    /// When it doesn't start.
    pub fn start(&self) -> Option<String> {
        // A server would keep a pipe open for ever.
        let log = self.folder.path().join("script-log");
        let output = Command::new(script("start"))
            .arg(self.folder.path().join("cluster"))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(&log).expect("a log file"))
            .output()
            .expect("tests/support/postgres/start");
        if output.status.code() == Some(MISSING) {
            return None;
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        assert!(output.status.success(), "tests/support/postgres/start: {said}");
        let url = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(self.url.is_empty() || self.url == url, "another port: {url}");
        Some(url)
    }

    fn end(&self, keep: &[&str]) -> bool {
        let stopped = Command::new(script("stop")).arg(self.folder.path().join("cluster")).args(keep).status();
        stopped.is_ok_and(|status| status.success())
    }

    /// Its data stay for the next start.
    ///
    /// # Panics
    /// When it doesn't stop.
    pub fn stop(&self) {
        assert!(self.end(&["--keep"]), "tests/support/postgres/stop");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end(&[]);
    }
}
