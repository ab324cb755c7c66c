//! Where disks lie while they are made: a folder for each life of a process.
//!
//! A killed process leaves its `qemu-img` running. In a folder that only the dead process used it can do no harm: the next
//! process removes that folder, so a late child has nowhere to write to, and never touches a disk that was made again.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{FlockOperation, flock};
use skyloom_model::{Error, Result};

#[derive(Debug)]
pub struct Making {
    pub folder: Dir,
    pub path: PathBuf,
    /// Says that the folder's owner lives; the kernel lets go of it when the process dies, however it dies.
    _lock: File,
}

impl Making {
    /// A new folder below `parent`, and away with those whose owners are dead.
    pub fn new(parent: &Path) -> Result<Self> {
        std::fs::create_dir_all(parent).map_err(|error| broken(&error))?;
        sweep(parent).map_err(|error| broken(&error))?;
        let path = parent.join(uuid::Uuid::new_v4().to_string());
        // The lock first: a folder without one is taken for a dead process's.
        let lock = File::create(lock_of(&path)).map_err(|error| broken(&error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| broken(&error.into()))?;
        let (folder, path) = open(&path)?;
        Ok(Self { folder, path, _lock: lock })
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension("lock")
}

fn sweep(parent: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(parent)? {
        let folder = entry?.path();
        if !folder.is_dir() {
            continue;
        }
        let lock = lock_of(&folder);
        let dead = match File::open(&lock) {
            Ok(file) => flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        // Another process may sweep beside us: what is gone is gone.
        if dead {
            absent_is_fine(std::fs::remove_dir_all(&folder))?;
            absent_is_fine(std::fs::remove_file(&lock))?;
        }
    }
    Ok(())
}

fn absent_is_fine(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The folder, made if it isn't there.
pub fn open(path: &Path) -> Result<(Dir, PathBuf)> {
    make(path).map_err(|error| broken(&error))?;
    Ok((Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| broken(&error))?, path.to_owned()))
}

/// QEMU may run as a user of its own: others pass through a folder that we make to a file whose name they were told, and cannot
/// list it. The process's umask has no say, which else keeps all others out. A folder that is there keeps its rights.
fn make(path: &Path) -> std::io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o711))
}

pub fn broken(error: &std::io::Error) -> Error {
    Error::unavailable(format!("storage of the libvirt capability: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_left_is_swept_and_what_a_living_one_makes_is_not() {
        let parent = tempfile::tempdir().unwrap();
        let (living, dead) = (Making::new(parent.path()).unwrap(), Making::new(parent.path()).unwrap());
        std::fs::write(living.path.join("disk"), b"half").unwrap();
        std::fs::write(dead.path.join("disk"), b"half").unwrap();
        let (left, lock) = (dead.path.clone(), lock_of(&dead.path));
        drop(dead);
        let _next = Making::new(parent.path()).unwrap();
        assert!(living.path.join("disk").exists());
        assert!(!left.exists() && !lock.exists());
        // A late child of the dead one finds no folder to write to.
        assert!(std::fs::write(left.join("disk"), b"late").is_err());
    }
}
