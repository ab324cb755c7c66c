//! Counts wrong passwords, so that who goes on guessing is told to wait. What is remembered is bounded: pairs of user and
//! client, whether the user exists or not. A process remembers for itself.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use skyloom_model::origin;

use super::Slowdown;

/// A hash of user and client.
pub(super) type Key = [u8; 32];

pub(super) struct Throttle {
    settings: Slowdown,
    failures: Cache<Key, Arc<AtomicU32>>,
}

impl Throttle {
    pub(super) fn new(settings: Slowdown) -> Self {
        Self {
            failures: Cache::builder()
                .max_capacity(u64::from(settings.remembered))
                .time_to_idle(Duration::from_secs(u64::from(settings.forget_seconds)))
                .build(),
            settings,
        }
    }

    /// One more wrong password. None: it is one of the free ones; else how long to wait before the next.
    pub(super) fn failed(&self, key: Key) -> Option<Duration> {
        let counter = self.failures.get_with(key, Arc::default);
        let failures = counter.fetch_add(1, Relaxed).saturating_add(1);
        let beyond = failures.checked_sub(self.settings.free_failures)?.checked_sub(1)?;
        let first = Duration::from_millis(u64::from(self.settings.first_delay_ms));
        let longest = Duration::from_millis(u64::from(self.settings.longest_delay_ms));
        Some((first * (1 << beyond.min(20))).min(longest))
    }

    /// Whether one more wrong password would have to wait.
    pub(super) fn is_slowed(&self, key: &Key) -> bool {
        let failures = self.failures.get(key).map_or(0, |counter| counter.load(Relaxed));
        failures >= self.settings.free_failures
    }

    pub(super) fn succeeded(&self, key: &Key) {
        self.failures.invalidate(key);
    }
}

/// `words` say which user, in one way however the login named it.
pub(super) fn key(words: &[&str], client: Option<IpAddr>) -> Key {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word.len().to_le_bytes());
        hash.update(word);
    }
    hash.update(client.map(|address| origin(address).to_string()).unwrap_or_default());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = [1; 32];

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn the_first_failures_are_free_then_each_waits_longer_up_to_the_limit() {
        let settings = Slowdown { free_failures: 2, first_delay_ms: 100, longest_delay_ms: 350, ..Slowdown::default() };
        let throttle = Throttle::new(settings);
        let slowed: Vec<_> = (0..3).map(|_| (throttle.is_slowed(&KEY), throttle.failed(KEY).is_some())).collect();
        assert_eq!(slowed, [(false, false), (false, false), (true, true)]);
        throttle.succeeded(&KEY);
        let waits: Vec<_> = (0..6).map(|_| throttle.failed(KEY)).collect();
        assert_eq!(waits, [None, None, Some(ms(100)), Some(ms(200)), Some(ms(350)), Some(ms(350))]);
        assert_eq!(throttle.failed([2; 32]), None, "another user or client");
        throttle.succeeded(&KEY);
        assert_eq!(throttle.failed(KEY), None, "a success forgets the failures");
    }

    #[test]
    fn a_key_is_of_user_and_client() {
        let from = |address: &str| Some(address.parse().expect("an address"));
        let here = key(&["u", "x"], from("192.0.2.1"));
        assert_eq!(here, key(&["u", "x"], from("::ffff:192.0.2.1")));
        for other in [key(&["ux"], from("192.0.2.1")), key(&["u", "x"], from("192.0.2.2")), key(&["u", "x"], None)] {
            assert_ne!(here, other);
        }
        assert_eq!(key(&["u"], from("2001:db8::1")), key(&["u"], from("2001:db8::2")), "one network");
    }
}
