//! The fault harness: what the tests beside it are made of.
//!
//! Two kinds of tests stand on it. Those in one process walk every point of every saga with a hypervisor of the test's own.
//! Those with the real process, `skyloom serve` over a real driver component, kill it with SIGKILL and start it again on the
//! same state. Both end with the same question: [`check`], does the platform, seen without its driver, agree with the records?

pub mod check;
pub mod deployment;
pub mod gate;
pub mod libvirt;
pub mod life;
pub mod machine;
pub mod simulator;
pub mod tool;
pub mod walk;

use std::time::Duration;

/// Longer than anything here takes; a wait that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_mins(1);
