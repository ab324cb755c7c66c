//! Slows failed logins. What is remembered is bounded: pairs of user and address, as the login named them, whether they exist
//! or not. A process remembers for itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;
use skyloom_model::{Error, ErrorCode, Result};
use tokio::sync::Semaphore;

use super::Slowdown;

/// A hash of user and address.
pub(super) type Key = [u8; 32];

pub(super) struct Throttle {
    settings: Slowdown,
    entries: Cache<Key, Arc<Mutex<Entry>>>,
    held: Semaphore,
}

struct Entry {
    failures: u32,
    /// No login goes on before this.
    next: Instant,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    /// A place is kept: after this time it may go on without asking again.
    After(Duration),
    TooMany,
}

impl Throttle {
    pub(super) fn new(settings: Slowdown) -> Self {
        Self {
            entries: Cache::builder()
                .max_capacity(u64::from(settings.remembered))
                .time_to_idle(Duration::from_secs(u64::from(settings.forget_seconds)))
                .build(),
            held: Semaphore::new(settings.held as usize),
            settings,
        }
    }

    /// Keeps a place for one login.
    pub(super) fn admit(&self, key: &Key, now: Instant) -> Admission {
        let Some(entry) = self.entries.get(key) else { return Admission::Now };
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if entry.failures < self.settings.free_failures {
            return Admission::Now;
        }
        let wait = entry.next.saturating_duration_since(now);
        if wait > self.longest() {
            return Admission::TooMany;
        }
        entry.next = now + wait + self.gap(entry.failures);
        if wait.is_zero() { Admission::Now } else { Admission::After(wait) }
    }

    pub(super) fn failed(&self, key: Key, now: Instant) {
        let entry = self.entries.get_with(key, || Arc::new(Mutex::new(Entry { failures: 0, next: now })));
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        entry.failures = entry.failures.saturating_add(1);
        if entry.failures >= self.settings.free_failures {
            entry.next = entry.next.max(now + self.gap(entry.failures));
        }
    }

    pub(super) fn succeeded(&self, key: &Key) {
        self.entries.invalidate(key);
    }

    /// Holds a login for its time.
    pub(super) async fn hold(&self, wait: Duration) -> Result<()> {
        let _place = self.held.try_acquire().map_err(|_| too_many())?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(u64::from(self.settings.longest_delay_ms))
    }

    fn gap(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(self.settings.free_failures).min(20);
        (Duration::from_millis(u64::from(self.settings.first_delay_ms)) * (1 << doublings)).min(self.longest())
    }
}

pub(super) fn too_many() -> Error {
    Error::new(ErrorCode::RateLimited, "Too many failed logins; try again later.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(Slowdown { free_failures: 2, first_delay_ms: 100, longest_delay_ms: 350, ..Slowdown::default() })
    }

    const KEY: Key = [1; 32];

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_first_failures_are_free_then_each_waits_longer_up_to_the_limit() {
        let (throttle, start) = (throttle(), Instant::now());
        for _ in 0..2 {
            assert_eq!(throttle.admit(&KEY, start), Admission::Now);
            throttle.failed(KEY, start);
        }
        let mut now = start;
        for expected in [100, 200, 350, 350] {
            assert_eq!(throttle.admit(&KEY, now), Admission::After(ms(expected)));
            now += ms(expected);
            throttle.failed(KEY, now);
        }
        assert_eq!(throttle.admit(&[2; 32], now), Admission::Now, "another user or address is not slowed");
    }

    #[test]
    fn many_at_once_queue_up_and_the_rest_is_refused() {
        let (throttle, now) = (throttle(), Instant::now());
        throttle.failed(KEY, now);
        throttle.failed(KEY, now);
        let answers: Vec<Admission> = (0..5).map(|_| throttle.admit(&KEY, now)).collect();
        use Admission::{After, TooMany};
        assert_eq!(answers, [After(ms(100)), After(ms(200)), After(ms(300)), TooMany, TooMany]);
    }

    #[test]
    fn success_forgets_the_failures() {
        let (throttle, now) = (throttle(), Instant::now());
        for _ in 0..3 {
            throttle.failed(KEY, now);
        }
        throttle.succeeded(&KEY);
        assert_eq!(throttle.admit(&KEY, now), Admission::Now);
    }

    #[tokio::test]
    async fn only_so_many_are_held() {
        let throttle = Throttle::new(Slowdown { held: 0, ..Slowdown::default() });
        assert_eq!(throttle.hold(Duration::ZERO).await.expect_err("no place").code, ErrorCode::RateLimited);
        assert!(self::throttle().hold(Duration::ZERO).await.is_ok());
    }
}
