//! Refusals of nobody leave one after the other. A client that sends again as soon as it is refused could else keep a processor
//! busy with refusals alone, and many of them would come back together.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two refusals: 400 a second are a few hundredths of a processor.
const APART: Duration = Duration::from_micros(2500);
/// Longest wait of one, which is also what it is told to wait before it comes back.
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Spacing(Mutex<Instant>);

impl Spacing {
    pub fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Until the next refusal may leave: at once where there was none of late.
    pub async fn wait(&self) {
        tokio::time::sleep_until(self.reserve(Instant::now())).await;
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let reserved = (*next).clamp(now, now + LONGEST);
        *next = reserved + APART;
        reserved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lone_refusal_leaves_at_once_and_many_leave_apart_but_within_a_second() {
        let spacing = Spacing::new();
        let now = Instant::now() + Duration::from_secs(5);
        let reserved: Vec<_> = (0..1000).map(|_| spacing.reserve(now) - now).collect();
        assert_eq!(reserved[..3], [Duration::ZERO, APART, APART * 2]);
        assert!(reserved.is_sorted());
        assert_eq!(reserved[999], LONGEST);
        let later = now + Duration::from_secs(3);
        assert_eq!(spacing.reserve(later), later, "nothing is owed");
    }
}
