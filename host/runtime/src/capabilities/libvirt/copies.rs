//! Copies of disks, which take as long as the disks are large: they go on between the calls that ask for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skyloom_model::{Error, ErrorCode, Result};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

/// So many at once; the others wait for their turn.
const AT_ONCE: usize = 2;
/// So long a call waits for its copy before it answers that it goes on.
const PATIENCE: Duration = Duration::from_millis(200);

type Going = AbortOnDropHandle<Result<()>>;

/// The copies that are under way, by the names of what they make. A process that dies takes them with it: what it left half made is
/// swept, and the next call begins again.
#[derive(Debug)]
pub struct Copies {
    going: Mutex<BTreeMap<String, Going>>,
    places: Arc<Semaphore>,
}

impl Default for Copies {
    fn default() -> Self {
        Self { going: Mutex::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Copies {
    fn going(&self) -> MutexGuard<'_, BTreeMap<String, Going>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the copy, or goes on waiting for it. True: it is whole. False: ask again. One call at a time of one name.
    pub async fn made(&self, name: &str, from: PathBuf, to: PathBuf) -> Result<bool> {
        let begun = self.going().remove(name);
        let mut going = begun.unwrap_or_else(|| {
            let places = self.places.clone();
            AbortOnDropHandle::new(tokio::spawn(async move {
                let _place = places.acquire().await.map_err(Error::internal)?;
                copy(from, to).await
            }))
        });
        if let Ok(ended) = tokio::time::timeout(PATIENCE, &mut going).await {
            return ended.map_err(Error::internal)?.map(|()| true);
        }
        self.going().insert(name.to_owned(), going);
        Ok(false)
    }

    /// Nobody wants it any more.
    pub fn stop(&self, name: &str) {
        self.going().remove(name);
    }
}

/// Whole and without a backing file. QEMU's lock keeps a disk that a guest writes to from being read.
async fn copy(from: PathBuf, to: PathBuf) -> Result<()> {
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-q", "-f", "qcow2", "-O", "qcow2"]).arg(from).arg(to).stdin(Stdio::null());
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| Error::unavailable(format!("qemu-img cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let (code, message) = if text.contains("lock") {
        (ErrorCode::WrongState, "The disk is in use by a server that runs.")
    } else {
        (ErrorCode::DriverFailed, "The disk could not be copied.")
    };
    Err(Error::new(code, message).with_internal(format!("qemu-img: {text}")))
}
