//! The memory of all sandboxes together. A call begins with a small share, which most calls never exceed. One that needs more takes
//! all that its limit allows, once: who waits for that holds nothing that another one waits for, so they never wait for each
//! other, and those with small shares go on meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const MIB: usize = 1 << 20;

/// What each call may use of the first half: the stack and data of a guest, a request of common size, its answer.
const FIRST: usize = 4 * MIB;

/// A call waits this long for its share before it is refused: longer than the large answers of others take, shorter than clients'
/// patience.
pub(crate) const WAIT: Duration = Duration::from_secs(2);

/// Permits are MiB.
#[derive(Debug)]
pub(crate) struct Memory {
    first: Arc<Semaphore>,
    rest: Arc<Semaphore>,
    wait: Duration,
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
        let held = take(&memory.first, covers, memory.wait).await?;
        Some(Self { memory: memory.clone(), held: vec![held], covers })
    }

    /// Whether it covers `total`; else it waits until it covers all of `limit`. False: others have it for too long.
    pub async fn cover(&mut self, total: usize, limit: usize) -> bool {
        if total <= self.covers {
            return true;
        }
        let missing = limit.saturating_sub(self.covers);
        let Some(permits) = take(&self.memory.rest, missing, self.memory.wait).await else { return false };
        self.held.push(permits);
        self.covers = limit;
        true
    }
}

async fn take(pool: &Arc<Semaphore>, bytes: usize, wait: Duration) -> Option<OwnedSemaphorePermit> {
    let mib = u32::try_from(bytes.div_ceil(MIB)).unwrap_or(u32::MAX);
    if let Ok(permits) = pool.clone().try_acquire_many_owned(mib) {
        return Some(permits);
    }
    tokio::time::timeout(wait, pool.clone().acquire_many_owned(mib)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 32 * MIB;

    #[tokio::test]
    async fn who_needs_more_waits_for_who_has_it_and_small_calls_go_on() {
        let memory = Arc::new(Memory { wait: Duration::from_millis(20), ..Memory::new(64) });
        let mut large = Share::first(&memory, LIMIT).await.unwrap();
        assert!(
            large.cover(FIRST, LIMIT).await && large.cover(FIRST + 1, LIMIT).await && large.cover(LIMIT, LIMIT).await
        );
        let mut second = Share::first(&memory, LIMIT).await.unwrap();
        assert!(!second.cover(LIMIT, LIMIT).await, "the other half is taken");
        // The first half goes on: eight shares of 4 MiB.
        let small: Vec<_> = futures_util::future::join_all((0..7).map(|_| Share::first(&memory, LIMIT))).await;
        assert_eq!(small.iter().flatten().count(), 6);
        let (waiting, ()) = tokio::join!(second.cover(LIMIT, LIMIT), async { drop(large) });
        assert!(waiting, "it comes to who waits");
        drop((second, small));
        assert_eq!((memory.first.available_permits(), memory.rest.available_permits()), (32, 32));
    }
}
