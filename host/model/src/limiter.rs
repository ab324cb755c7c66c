//! Token buckets: so many requests a second, with a burst.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Buckets by key (a project, an address). Full ones are forgotten when there are many.
#[derive(Debug)]
pub struct Limiter<K> {
    rate: f64,
    burst: f64,
    shards: Vec<Mutex<HashMap<K, Bucket>>>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

const SHARDS: usize = 16;
/// Entries of a shard from which on full buckets are dropped.
const CROWDED: usize = 4096;

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// None where `rate` is 0: no limit.
    pub fn new(rate: u32, burst: u32) -> Option<Self> {
        (rate > 0).then(|| Self {
            rate: f64::from(rate),
            burst: f64::from(burst.max(1)),
            shards: std::iter::repeat_with(Mutex::default).take(SHARDS).collect(),
            hasher: RandomState::new(),
        })
    }

    /// Takes one token, or says in how long there will be one.
    pub fn take<Q>(&self, key: &Q, now: Instant) -> Result<(), Duration>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let shard = &self.shards[(self.hasher.hash_one(key) as usize) % SHARDS];
        let mut buckets = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() > CROWDED {
            buckets.retain(|_, bucket| bucket.filled(self, now) < self.burst);
        }
        if let Some(bucket) = buckets.get_mut(key) {
            return bucket.take(self.rate, self.burst, now);
        }
        buckets.insert(key.to_owned(), Bucket { tokens: self.burst - 1.0, at: now });
        Ok(())
    }
}

impl Bucket {
    fn filled<K>(&self, limiter: &Limiter<K>, now: Instant) -> f64 {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * limiter.rate;
        (self.tokens + gained).min(limiter.burst)
    }

    fn take(&mut self, rate: f64, burst: f64, now: Instant) -> Result<(), Duration> {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        let tokens = (self.tokens + gained).min(burst);
        self.at = now;
        if tokens >= 1.0 {
            self.tokens = tokens - 1.0;
            Ok(())
        } else {
            self.tokens = tokens;
            Err(Duration::from_secs_f64((1.0 - tokens) / rate))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let limiter = Limiter::<String>::new(10, 3).unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            limiter.take("a", start).unwrap();
        }
        let wait = limiter.take("a", start).unwrap_err();
        assert!(wait > Duration::from_millis(90) && wait <= Duration::from_millis(100), "{wait:?}");
        // Another key has its own bucket.
        limiter.take("b", start).unwrap();
        let later = start + Duration::from_millis(100);
        limiter.take("a", later).unwrap();
        limiter.take("a", later).unwrap_err();
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert!(Limiter::<String>::new(0, 5).is_none());
    }
}
