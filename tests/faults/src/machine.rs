//! What a platform holds, seen without its driver.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::walk::Doom;

/// One server's part of a platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Ids of the disks in its definition.
    pub disks: BTreeSet<String>,
    /// Hardware addresses of the network cards in its definition.
    pub nics: BTreeSet<String>,
    /// The operation that defined it.
    pub operation: String,
    /// It has its memory on the node.
    pub running: bool,
    /// While it is running: its guest stands still.
    pub paused: bool,
    /// While it is off: its memory is kept.
    pub suspended: bool,
    /// What its definition has.
    pub memory_mib: u32,
    /// How often it changed from off to on: a boot too many is a loss of the guest's work.
    pub boots: u32,
    /// The addresses that the platform hands out for it, as (MAC, address). None: this platform hands out none.
    pub leases: Option<BTreeSet<(String, String)>>,
}

/// Everything that a platform holds.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// By the server's id.
    pub machines: BTreeMap<String, Machine>,
    /// Ids of the disks that exist.
    pub disks: BTreeSet<String>,
    /// What belongs to no machine, or is there twice, in words: always a defect.
    pub strays: Vec<String>,
}

/// A platform that can be looked at without its driver.
#[async_trait]
pub trait Platform: Send + Sync {
    async fn look(&self) -> Sight;

    /// Whether its machines count their boots.
    fn counts_boots(&self) -> bool {
        false
    }

    /// Makes ready what is to happen during the next operation of the process. Writes of the step log are the process's own.
    fn arm(&self, doom: Doom, pid: u32) {
        assert!(matches!(doom, Doom::None | Doom::Write(..)), "this platform has no such point: {doom:?} {pid}");
    }

    /// Whether what was armed has happened; nothing is armed any more.
    fn struck(&self) -> bool {
        false
    }

    /// Lets go on what was to wait until the operation had ended, and waits for its end.
    async fn let_go(&self, _doom: Doom) {}

    /// Tables of the deployment file: the driver's plugin and the node `node-1`.
    fn tables(&self) -> String;
}
