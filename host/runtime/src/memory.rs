//! The memory of all sandboxes together. A call begins with a small share, which most calls never exceed. One that needs more takes
//! all that its limit allows, once: who waits for that holds nothing that another one waits for, so they never wait for each
//! other, and those with small shares go on meanwhile. A call that may have changed something isn't refused for that, since its
//! client would take it for undone: it waits for those before it, however long they last, within its own time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const MIB: usize = 1 << 20;

/// What each call may use of the first half: the stack and data of a guest, a request of common size, its answer.
const FIRST: usize = 4 * MIB;

/// MiB of all sandboxes together with which one call may have `limit` bytes.
#[must_use]
pub fn least_mib(limit: usize) -> u32 {
    let rest = limit.saturating_sub(FIRST).max(FIRST).div_ceil(MIB);
    u32::try_from(rest * 2).unwrap_or(u32::MAX)
}

/// A call waits this long for its share before it is refused: longer than the large answers of others take, shorter than clients'
/// patience.
pub(crate) const WAIT: Duration = Duration::from_secs(2);

/// Permits are MiB.
#[derive(Debug)]
pub(crate) struct Memory {
    pub first: Arc<Semaphore>,
    pub rest: Arc<Semaphore>,
    pub wait: Duration,
    /// Bytes that one call may have at most.
    pub most: usize,
}

impl Memory {
    /// Half of it is for calls' first shares, half for those that need more.
    pub fn new(mib: u32) -> Self {
        let half = (mib as usize / 2).max(FIRST / MIB);
        Self {
            first: Arc::new(Semaphore::new(half)),
            rest: Arc::new(Semaphore::new(half)),
            wait: WAIT,
            most: FIRST + half * MIB,
        }
    }
}

/// What one call has of it; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    memory: Arc<Memory>,
    held: Vec<OwnedSemaphorePermit>,
    /// Bytes that it covers.
    covers: usize,
}

impl Share {
    /// The first share of a call that may use `limit` bytes. None: others have all of it for too long.
    pub async fn first(memory: &Arc<Memory>, limit: usize) -> Option<Self> {
        let covers = FIRST.min(limit);
        let held = take(&memory.first, covers, Some(memory.wait)).await?;
        Some(Self { memory: memory.clone(), held: vec![held], covers })
    }

    /// Whether it covers `total`; else it waits until it covers all of `limit`. False: others have it for longer than `patience`.
    pub async fn cover(&mut self, total: usize, limit: usize, patience: Option<Duration>) -> bool {
        if total <= self.covers {
            return true;
        }
        let missing = limit.saturating_sub(self.covers);
        let Some(permits) = take(&self.memory.rest, missing, patience).await else { return false };
        self.held.push(permits);
        self.covers = limit;
        true
    }
}

async fn take(pool: &Arc<Semaphore>, bytes: usize, patience: Option<Duration>) -> Option<OwnedSemaphorePermit> {
    let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX);
    if let Ok(permits) = pool.clone().try_acquire_many_owned(mib) {
        return Some(permits);
    }
    let taking = pool.clone().acquire_many_owned(mib);
    match patience {
        Some(patience) => tokio::time::timeout(patience, taking).await.ok()?.ok(),
        None => taking.await.ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 32 * MIB;

    /// How long who may be refused waits in these tests.
    const SHORT: Option<Duration> = Some(Duration::from_millis(20));

    fn memory() -> Arc<Memory> {
        Arc::new(Memory { wait: SHORT.unwrap(), ..Memory::new(64) })
    }

    #[test]
    fn the_least_memory_is_enough_and_no_less_is() {
        for limit in [1, FIRST, 8 * MIB, LIMIT, 33 * MIB + 1, 1024 * MIB] {
            let least = least_mib(limit);
            assert!(Memory::new(least).most >= limit, "{limit}");
            assert!(least == least_mib(0) || Memory::new(least - 2).most < limit, "{limit}");
        }
        assert_eq!((least_mib(0), least_mib(LIMIT)), (8, 56));
    }

    #[tokio::test]
    async fn who_needs_more_waits_for_who_has_it_and_small_calls_go_on() {
        let memory = memory();
        let mut large = Share::first(&memory, LIMIT).await.unwrap();
        for total in [FIRST, FIRST + 1, LIMIT] {
            assert!(large.cover(total, LIMIT, SHORT).await);
        }
        let mut second = Share::first(&memory, LIMIT).await.unwrap();
        assert!(!second.cover(LIMIT, LIMIT, SHORT).await, "the other half is taken");
        // The first half goes on: eight shares of 4 MiB.
        let small: Vec<_> = futures_util::future::join_all((0..7).map(|_| Share::first(&memory, LIMIT))).await;
        assert_eq!(small.iter().flatten().count(), 6);
        let (waiting, ()) = tokio::join!(second.cover(LIMIT, LIMIT, SHORT), async { drop(large) });
        assert!(waiting, "it comes to who waits");
        drop((second, small));
        assert_eq!((memory.first.available_permits(), memory.rest.available_permits()), (32, 32));
    }

    #[tokio::test]
    async fn who_may_not_be_refused_waits_until_it_is_free() {
        let memory = memory();
        let mut large = Share::first(&memory, LIMIT).await.unwrap();
        assert!(large.cover(LIMIT, LIMIT, SHORT).await);
        let mut late = Share::first(&memory, LIMIT).await.unwrap();
        let mut waiting = std::pin::pin!(late.cover(LIMIT, LIMIT, None));
        assert!(tokio::time::timeout(SHORT.unwrap() * 4, waiting.as_mut()).await.is_err(), "it isn't refused");
        drop(large);
        assert!(waiting.await);
    }
}
