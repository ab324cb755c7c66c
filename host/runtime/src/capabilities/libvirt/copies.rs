//! Copies of disks, which take as long as the disks are large: they go on between the calls that ask for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skyloom_model::{Error, ErrorCode, Result};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

/// So many at once; the others wait for their turn.
const AT_ONCE: usize = 2;
/// So long a call waits for its copy before it answers that it goes on.
const PATIENCE: Duration = Duration::from_millis(200);
/// What nobody has asked for since is given up. Who waits asks every few seconds; whoever gave it up starts the guest again, which
/// cannot while its disk is read.
const UNASKED: Duration = Duration::from_mins(1);

/// One copy: what is read, as what, and where to.
#[derive(Debug)]
pub struct Copying {
    pub from: PathBuf,
    pub format: &'static str,
    pub to: PathBuf,
}

/// Removes what isn't whole when it is dropped.
#[derive(Debug)]
struct Part(Option<PathBuf>);

impl Drop for Part {
    fn drop(&mut self) {
        // What cannot be removed is swept later, with what a dead process left.
        let _ = self.0.take().map(std::fs::remove_file);
    }
}

/// The file goes after the task that writes it.
#[derive(Debug)]
struct Going {
    task: AbortOnDropHandle<Result<()>>,
    part: Part,
    asked: Instant,
    /// Gives it up when nobody asks.
    _watch: AbortOnDropHandle<()>,
}

type ByName = BTreeMap<String, Going>;

fn locked(going: &Mutex<ByName>) -> MutexGuard<'_, ByName> {
    going.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch(going: Arc<Mutex<ByName>>, name: String) {
    loop {
        tokio::time::sleep(UNASKED).await;
        let mut going = locked(&going);
        if going.get(&name).is_some_and(|one| one.asked.elapsed() >= UNASKED) {
            going.remove(&name);
        }
    }
}

/// The copies that are under way, by the names of what they make. A process that dies takes them with it: what it left half made is
/// swept, and the next call begins again.
#[derive(Debug)]
pub struct Copies {
    going: Arc<Mutex<ByName>>,
    places: Arc<Semaphore>,
}

impl Default for Copies {
    fn default() -> Self {
        Self { going: Arc::default(), places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Copies {
    fn going(&self) -> MutexGuard<'_, ByName> {
        locked(&self.going)
    }

    /// Whether the copy of this name is under way.
    pub fn is_going(&self, name: &str) -> bool {
        self.going().contains_key(name)
    }

    fn begin(&self, name: &str, copy: Copying) -> Going {
        let (places, part) = (self.places.clone(), Part(Some(copy.to.clone())));
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let _place = places.acquire().await.map_err(Error::internal)?;
            copied(copy).await
        }));
        let watch = AbortOnDropHandle::new(tokio::spawn(watch(self.going.clone(), name.to_owned())));
        Going { task, part, asked: Instant::now(), _watch: watch }
    }

    /// Begins the copy, or goes on waiting for the one of this name. Gives the file when it is whole; none: ask again. One call at a
    /// time of one name.
    pub async fn made(&self, name: &str, copy: Copying) -> Result<Option<PathBuf>> {
        let begun = self.going().remove(name);
        let mut going = begun.unwrap_or_else(|| self.begin(name, copy));
        if let Ok(ended) = tokio::time::timeout(PATIENCE, &mut going.task).await {
            ended.map_err(Error::internal)??;
            return Ok(going.part.0.take());
        }
        going.asked = Instant::now();
        self.going().insert(name.to_owned(), going);
        Ok(None)
    }

    /// Nobody wants it any more.
    pub fn stop(&self, name: &str) {
        self.going().remove(name);
    }
}

/// Whole, without a backing file, and on the disk: what it is a copy of may go. QEMU's lock keeps a disk that a guest writes to from
/// being read.
async fn copied(Copying { from, format, to }: Copying) -> Result<()> {
    let mut command = Command::new("qemu-img");
    command.args(["convert", "-q", "-t", "writeback", "-f", format, "-O", "qcow2"]);
    command.arg(from).arg(to).stdin(Stdio::null());
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| Error::unavailable(format!("qemu-img cannot be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(refused(String::from_utf8_lossy(&output.stderr).trim()))
}

/// By what `qemu-img` says of a copy that it didn't make.
fn refused(text: &str) -> Error {
    let internal = format!("qemu-img: {text}");
    if text.contains("No space left") {
        return Error::full(internal);
    }
    // The word alone: what it says of a block that cannot be read has it in it.
    let (code, message) = if text.contains(" lock") {
        (ErrorCode::WrongState, "The disk is in use by a server that runs.")
    } else {
        (ErrorCode::DriverFailed, "The disk could not be copied.")
    };
    Error::new(code, message).with_internal(internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_cannot_be_read_is_no_lock() {
        for (text, code) in [
            ("Could not open 'd': Failed to get shared \"write\" lock", ErrorCode::WrongState),
            ("error while reading block status at offset 0: Input/output error", ErrorCode::DriverFailed),
            ("error while writing at byte 0: No space left on device", ErrorCode::Unavailable),
        ] {
            assert_eq!(refused(text).code, code, "{text}");
        }
    }
}
