//! A disk that is full when the test says so.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A small file system of its own for a process, in a mount namespace that ends with it.
pub struct SmallDisk {
    folder: tempfile::TempDir,
    mebibytes: u32,
}

impl SmallDisk {
    /// None: this machine gives no mount namespaces to this user.
    ///
    /// # Panics
    /// When there is no temporary folder.
    pub fn new(mebibytes: u32) -> Option<Self> {
        let disk = Self { folder: tempfile::tempdir().expect("a temporary folder"), mebibytes };
        let tried = disk.command("true").stdout(Stdio::null()).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success()).then_some(disk)
    }

    /// Runs a program that sees the disk; its process id is the program's.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("unshare");
        // Who is not root is so within a user namespace of his own.
        command.args(["--mount", "--propagation", "private", "--map-root-user"]);
        command.args(["sh", "-c", r#"mount -t tmpfs -o size="$0"m,mode=700 skyloom-test "$1" && shift && exec "$@""#]);
        command.arg(self.mebibytes.to_string()).arg(self.path()).arg(program);
        command
    }

    /// Where the process sees it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where others see it, by the id of the process.
    pub fn seen_from_outside(&self, process: u32) -> PathBuf {
        let path = self.path().strip_prefix("/").unwrap_or(self.path());
        Path::new("/proc").join(process.to_string()).join("root").join(path)
    }

    /// Takes all but `left` bytes of the room; gives the file that takes them.
    ///
    /// # Panics
    /// When it can't be written for another reason than that the disk is full.
    pub fn fill(&self, process: u32, left: u64) -> PathBuf {
        let path = self.seen_from_outside(process).join("ballast");
        let mut file = std::fs::File::create(&path).expect("a file on the small disk");
        let mut written = 0;
        for size in [1 << 20, 1 << 12] {
            let piece = vec![7; size];
            loop {
                match file.write(&piece) {
                    Ok(0) => break,
                    Ok(number) => written += number as u64,
                    Err(error) => {
                        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
                        break;
                    }
                }
            }
        }
        file.set_len(written.saturating_sub(left)).expect("the file is cut");
        path
    }
}
