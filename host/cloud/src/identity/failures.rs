//! Failed logins in the log: a line each, and under a flood of them no more than a disk can take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use skyloom_model::{Error, ErrorCode, Limiter};
use skyloom_runtime::context::CallContext;

use super::Identity;

/// Lines a second under a flood: some 40 MB a day.
const RATE: u32 = 2;
/// As many at once: what a person does by hand is there line by line.
const BURST: u32 = 100;
/// Bytes of the user's name that are shown.
const SHOWN: usize = 128;

pub(super) struct Failures {
    lines: Option<Limiter>,
    suppressed: AtomicU64,
}

impl Failures {
    pub(super) fn new() -> Self {
        Self { lines: Limiter::new(RATE, BURST), suppressed: AtomicU64::new(0) }
    }

    /// Whether there may be a line now; then how many there were none for since the last one.
    fn line(&self) -> Option<u64> {
        if self.lines.as_ref().is_some_and(|lines| lines.take(&()).is_err()) {
            self.suppressed.fetch_add(1, Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Relaxed))
    }
}

impl Identity {
    /// The error as the client may see it; why it is refused stands in the log. `user` is as the login named it.
    pub(super) fn login_failed(&self, context: &CallContext, user: &str, mut error: Error) -> Error {
        if let Some(wait) = error.retry_after {
            let _ = context.retry_after.set(wait);
        }
        if !matches!(error.code, ErrorCode::Unauthenticated | ErrorCode::RateLimited) {
            return error;
        }
        let reason = error.take_internal().unwrap_or_default();
        if let Some(suppressed) = self.failures.line() {
            tracing::info!(
                request_id = &*context.request_id,
                user = &user[..user.floor_char_boundary(SHOWN)],
                client = context.client.map(tracing::field::display),
                reason,
                suppressed,
                "a login failed"
            );
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_flood_leaves_few_lines_and_their_number() {
        let (failures, start) = (Failures::new(), Instant::now());
        let (mut failed, mut lines, mut suppressed) = (0, 0, 0);
        while lines <= u64::from(BURST) {
            failed += 1;
            if let Some(before) = failures.line() {
                lines += 1;
                suppressed += before;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "one more line half a second after the burst");
        }
        assert!(suppressed > 0);
        assert_eq!(lines + suppressed, failed);
    }
}
