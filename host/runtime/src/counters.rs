//! What happened in a plugin's calls, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::RunError;

#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls: AtomicU64,
    traps: AtomicU64,
    out_of_memory: AtomicU64,
    cpu_exhausted: AtomicU64,
    timeouts: AtomicU64,
    bad_answers: AtomicU64,
    denials: AtomicU64,
    busy: AtomicU64,
    dropped_log_lines: AtomicU64,
    micros: AtomicU64,
    /// Second of the window and lines in it: the upper and the lower half.
    log_window: AtomicU64,
}

/// Since the plugin was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CountersSnapshot {
    pub calls: u64,
    /// Calls that ended in a trap other than the ones below.
    pub traps: u64,
    pub out_of_memory: u64,
    /// Calls whose own code ran too long.
    pub cpu_exhausted: u64,
    /// Calls that waited too long.
    pub timeouts: u64,
    /// Answers that were too large or made no sense.
    pub bad_answers: u64,
    /// Calls of host functions without a permit.
    pub denials: u64,
    /// Calls that found no free sandbox.
    pub busy: u64,
    pub dropped_log_lines: u64,
    /// All calls together, from asking for a sandbox to the answer.
    pub seconds: f64,
}

impl Counters {
    pub fn call(&self, took: Duration, error: Option<&RunError>) {
        self.calls.fetch_add(1, Relaxed);
        self.micros.fetch_add(took.as_micros() as u64, Relaxed);
        let counter = match error {
            None => return,
            Some(RunError::Trapped(_)) => &self.traps,
            Some(RunError::OutOfMemory(_)) => &self.out_of_memory,
            Some(RunError::CpuExhausted(_)) => &self.cpu_exhausted,
            Some(RunError::TimedOut(_)) => &self.timeouts,
            Some(RunError::OutputTooLarge { .. } | RunError::Rubbish(_)) => &self.bad_answers,
            Some(RunError::Denied(_)) => &self.denials,
            Some(RunError::Busy(_)) => &self.busy,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// An answer that came, but is none.
    pub fn bad_answer(&self) {
        self.bad_answers.fetch_add(1, Relaxed);
    }

    /// Whether one more line may be written in this second.
    pub fn log_line(&self, per_second: u32) -> bool {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() as u32;
        let allowed = self
            .log_window
            .fetch_update(Relaxed, Relaxed, |window| {
                let (of, lines) = ((window >> 32) as u32, window as u32);
                let lines = if of == second { lines.checked_add(1)? } else { 1 };
                (lines <= per_second).then_some(u64::from(second) << 32 | u64::from(lines))
            })
            .is_ok();
        if !allowed {
            self.dropped_log_lines.fetch_add(1, Relaxed);
        }
        allowed
    }

    pub fn snapshot(&self) -> CountersSnapshot {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        CountersSnapshot {
            calls: get(&self.calls),
            traps: get(&self.traps),
            out_of_memory: get(&self.out_of_memory),
            cpu_exhausted: get(&self.cpu_exhausted),
            timeouts: get(&self.timeouts),
            bad_answers: get(&self.bad_answers),
            denials: get(&self.denials),
            busy: get(&self.busy),
            dropped_log_lines: get(&self.dropped_log_lines),
            seconds: get(&self.micros) as f64 / 1e6,
        }
    }
}
