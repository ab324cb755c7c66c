//! A `qemu-img` that is found before the machine's own, and kills the process that calls it, before or after it has done its
//! work: so the process dies between the files of one disk. Like any child it survives that.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use skyloom_jobs::faults::Moment;

use crate::PATIENCE;

/// `late` kills first and works only when it is told to go: a child that the dead process has left behind.
const SCRIPT: &str = r#"#!/bin/sh
orders=$(dirname "$0")/../orders
real=REAL
take() { mv "$orders/$1" "$orders/taken" 2>/dev/null; }
if take "before-$1"; then kill -9 $PPID; exit 1; fi
if take "late-$1"; then
  kill -9 $PPID
  until [ -e "$orders/go" ]; do sleep 0.02; done
  "$real" "$@" # into the folder of the dead one, which may be gone
  mv "$orders/go" "$orders/gone"
  exit
fi
status=0
"$real" "$@" || status=$?
if take "after-$1"; then kill -9 $PPID; fi
exit $status
"#;

/// The program and its orders.
#[derive(Clone, Debug)]
pub struct Tool {
    folder: PathBuf,
}

impl Tool {
    /// None: the machine has no `qemu-img`.
    pub fn install(folder: &Path) -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let real = std::env::split_paths(&path).map(|folder| folder.join("qemu-img")).find(|file| file.exists())?;
        for name in ["programs", "orders"] {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
        }
        let script = folder.join("programs/qemu-img");
        std::fs::write(&script, SCRIPT.replace("REAL", &real.display().to_string())).expect("a script");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("a script");
        Some(Self { folder: folder.to_owned() })
    }

    /// For [`crate::deployment::Deployment::programs`].
    pub fn programs(&self) -> PathBuf {
        self.folder.join("programs")
    }

    /// The next call of this kind (`create`, `info`, `resize`) is the caller's last.
    pub fn arm(&self, call: &str, moment: Moment) {
        let moment = if moment == Moment::Before { "before" } else { "after" };
        self.order(&format!("{moment}-{call}"));
    }

    /// The next call of this kind is the caller's last, and is made when [`Tool::let_go`] says so.
    pub fn arm_late(&self, call: &str) {
        self.order(&format!("late-{call}"));
    }

    /// Lets a late call go on and waits until it is made.
    pub async fn let_go(&self) {
        self.order("go");
        let end = Instant::now() + PATIENCE;
        while !self.folder.join("orders/gone").exists() {
            assert!(Instant::now() < end, "the late call was never made");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        std::fs::remove_file(self.folder.join("orders/gone")).expect("a file");
    }

    /// Whether an order was taken; forgets it.
    pub fn struck(&self) -> bool {
        std::fs::remove_file(self.folder.join("orders/taken")).is_ok()
    }

    fn order(&self, name: &str) {
        std::fs::write(self.folder.join("orders").join(name), "").expect("a file");
    }
}
