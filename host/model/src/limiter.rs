//! So many requests a second, with a burst, of each key: a project, an address.

use std::hash::{BuildHasher, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Requests between two looks at how many keys are remembered.
const LOOK: u32 = 1024;
/// So many keys stay whether they are needed or not. Beyond it those that have their whole burst again are forgotten.
const CROWDED: usize = 65_536;

#[derive(Debug)]
pub struct Limiter {
    /// By the hash of a key, so that to ask copies none.
    keys: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
    clock: DefaultClock,
    asked: AtomicU32,
}

impl Limiter {
    /// None where `rate` is 0: no limit.
    pub fn new(rate: u32, burst: u32) -> Option<Self> {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(NonZeroU32::new(rate)?).allow_burst(burst);
        Some(Self {
            keys: DefaultKeyedRateLimiter::keyed(quota),
            hasher: RandomState::new(),
            clock: DefaultClock::default(),
            asked: AtomicU32::new(0),
        })
    }

    /// One request more, or in how long there may be one.
    pub fn take(&self, key: &(impl Hash + ?Sized)) -> Result<(), Duration> {
        if self.asked.fetch_add(1, Relaxed).is_multiple_of(LOOK) && self.keys.len() > CROWDED {
            self.keys.retain_recent();
        }
        let taken = self.keys.check_key(&self.hasher.hash_one(key));
        taken.map_err(|refused| refused.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_burst_then_waits_for_the_rate() {
        let limiter = Limiter::new(1, 3).unwrap();
        for _ in 0..3 {
            limiter.take("a").unwrap();
        }
        let wait = limiter.take("a").unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        limiter.take("b").unwrap();
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert!(Limiter::new(0, 5).is_none());
    }
}
