//! What the process is told by signals. SIGTERM, SIGINT and SIGQUIT: the first drains, the second ends at once. SIGHUP: files
//! that may change while it serves are read again; it never ends the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
}

impl Signals {
    /// From here on they are ours: before, each of them ended the process.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The name of the next signal that asks for the end. `read_again` is called at each SIGHUP until then.
    pub async fn end(&mut self, read_again: impl Fn()) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.quit.recv() => return "SIGQUIT",
                _ = self.hangup.recv() => read_again(),
            }
        }
    }
}
