//! Bytes that are held for clients: bodies from their first byte to the end of their request, large answers until they are taken.
//! Each has a budget for all, of which one project, or one address of nobody, has half: whoever is slow leaves room for others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use skyloom_model::{Caller, origin};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::refusal::{Refusal, Refused};
use crate::settings::{Settings, millis};

const KIB: usize = 1024;

/// Answers up to this size aren't counted, nor are stored files, of which a piece is held: connections are counted, too.
pub(crate) const SMALL_ANSWER: usize = 64 * KIB;

/// Who fills it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whose {
    /// Of a caller without a project it is the user.
    Project(String),
    Nobody(Option<IpAddr>),
    /// Who names an access key.
    Unproven(Option<IpAddr>),
}

impl Whose {
    pub fn of(caller: Option<&Caller>, client: Option<IpAddr>) -> Self {
        match caller {
            Some(caller) => Self::Project(caller.project_id().unwrap_or(&caller.user.id).to_owned()),
            None => Self::Nobody(client.map(origin)),
        }
    }

    pub fn unproven(client: Option<IpAddr>) -> Self {
        Self::Unproven(client.map(origin))
    }
}

#[derive(Debug)]
pub(crate) struct Budgets {
    callers_bodies: Arc<Budget>,
    nobodys_bodies: Arc<Budget>,
    unproven_bodies: Arc<Budget>,
    answers: Arc<Budget>,
}

impl Budgets {
    pub fn new(settings: &Settings) -> Self {
        let wait = millis(settings.queue_ms);
        let budget = |mib: u32| Arc::new(Budget::new(mib as usize * KIB, wait));
        Self {
            callers_bodies: budget(settings.held_bodies_mib),
            nobodys_bodies: budget(settings.anonymous_bodies_mib),
            unproven_bodies: budget(settings.unproven_bodies_mib),
            answers: budget(settings.held_answers_mib),
        }
    }

    /// Before a body of at most so many bytes is read.
    pub async fn body(&self, whose: Whose, bytes: usize) -> Result<Held, Refused> {
        let (budget, full) = match whose {
            Whose::Project(_) => (&self.callers_bodies, Refusal::Unavailable),
            Whose::Nobody(_) => (&self.nobodys_bodies, Refusal::RateLimited),
            Whose::Unproven(_) => (&self.unproven_bodies, Refusal::RateLimited),
        };
        budget.take(whose, bytes).await.ok_or_else(|| Refused::again(full))
    }

    /// Before an answer goes to a client that may take it slowly. None: it is small.
    pub async fn answer(&self, whose: Whose, bytes: usize) -> Result<Option<Held>, Refused> {
        if bytes <= SMALL_ANSWER {
            return Ok(None);
        }
        self.answers.take(whose, bytes).await.map(Some).ok_or_else(|| Refused::again(Refusal::Unavailable))
    }
}

/// Permits are KiB.
#[derive(Debug)]
struct Budget {
    all: Arc<Semaphore>,
    /// As much again may wait, because answers that wait are there already.
    queue: Semaphore,
    /// What one has at most.
    share: usize,
    shares: Mutex<HashMap<Whose, Weak<Semaphore>>>,
    wait: Duration,
}

impl Budget {
    fn new(kib: usize, wait: Duration) -> Self {
        let kib = kib.min(u32::MAX as usize);
        Self {
            all: Arc::new(Semaphore::new(kib)),
            queue: Semaphore::new(kib),
            share: (kib / 2).max(1),
            shares: Mutex::default(),
            wait,
        }
    }

    /// None: it was full for too long. What is larger than a share takes all of it.
    async fn take(self: &Arc<Self>, whose: Whose, bytes: usize) -> Option<Held> {
        let kib = bytes.div_ceil(KIB).clamp(1, self.share) as u32;
        let mut held = Held { budget: self.clone(), own: self.share_of(&whose), whose, kib: Vec::with_capacity(2) };
        let pools = [held.own.clone(), self.all.clone()];
        held.kib.extend(pools.iter().map_while(|pool| pool.clone().try_acquire_many_owned(kib).ok()));
        if held.kib.len() == pools.len() {
            return Some(held);
        }
        let _place = self.queue.try_acquire_many(kib).ok()?;
        let missing = pools.into_iter().skip(held.kib.len());
        tokio::time::timeout(self.wait, async move {
            for pool in missing {
                held.kib.push(pool.acquire_many_owned(kib).await.ok()?);
            }
            Some(held)
        })
        .await
        .ok()?
    }

    fn shares(&self) -> MutexGuard<'_, HashMap<Whose, Weak<Semaphore>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share_of(&self, whose: &Whose) -> Arc<Semaphore> {
        let mut shares = self.shares();
        if let Some(share) = shares.get(whose).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(Semaphore::new(self.share));
        shares.insert(whose.clone(), Arc::downgrade(&share));
        share
    }
}

/// Given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    whose: Whose,
    own: Arc<Semaphore>,
    kib: Vec<OwnedSemaphorePermit>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.kib.clear();
        let mut shares = self.budget.shares();
        // Only look-ups under the same lock make another one.
        if Arc::strong_count(&self.own) == 1 {
            shares.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const MIB: usize = KIB * KIB;

    fn budgets() -> Budgets {
        Budgets::new(&Settings {
            held_bodies_mib: 4,
            anonymous_bodies_mib: 2,
            held_answers_mib: 4,
            queue_ms: 20,
            ..Settings::default()
        })
    }

    fn project(name: &str) -> Whose {
        Whose::Project(name.to_owned())
    }

    fn nobody(last: u8) -> Whose {
        Whose::Nobody(Some(IpAddr::from([192, 0, 2, last])))
    }

    #[tokio::test]
    async fn one_project_has_half_and_all_together_have_no_more_than_the_budget() {
        let budgets = budgets();
        let first = [budgets.body(project("a"), MIB).await.unwrap(), budgets.body(project("a"), MIB).await.unwrap()];
        let full = budgets.body(project("a"), 1).await.unwrap_err();
        assert_eq!((full.refusal, full.retry_after.is_some()), (Refusal::Unavailable, true));
        let second = budgets.body(project("b"), 2 * MIB).await.unwrap();
        assert!(budgets.body(project("c"), 1).await.is_err());
        budgets.body(nobody(1), MIB).await.unwrap();
        drop(first);
        budgets.body(project("c"), 2 * MIB).await.unwrap();
        drop(second);
        assert!(budgets.callers_bodies.shares().is_empty() && budgets.nobodys_bodies.shares().is_empty());
        assert_eq!(budgets.callers_bodies.all.available_permits(), 4 * KIB);
    }

    #[tokio::test]
    async fn nobody_takes_nothing_of_the_callers_and_is_told_as_at_the_turns() {
        let budgets = budgets();
        let _flood = [budgets.body(nobody(1), MIB).await.unwrap(), budgets.body(nobody(2), MIB).await.unwrap()];
        assert_eq!(budgets.body(nobody(3), 1).await.unwrap_err().refusal, Refusal::RateLimited);
        budgets.body(project("a"), 2 * MIB).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_larger_than_a_share_takes_the_share_and_who_waits_comes_next() {
        let budgets = budgets();
        let large = budgets.answer(project("a"), 64 * MIB).await.unwrap().unwrap();
        assert!(budgets.answer(project("a"), SMALL_ANSWER).await.unwrap().is_none(), "small ones aren't counted");
        let mut next = std::pin::pin!(budgets.answer(project("a"), MIB));
        assert!(next.as_mut().now_or_never().is_none());
        drop(large);
        assert!(next.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn no_more_wait_than_the_budget_has() {
        let budgets = Arc::new(Budgets::new(&Settings { held_answers_mib: 2, ..Settings::default() }));
        let _large = budgets.answer(project("a"), MIB).await.unwrap();
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(budgets.answer(project("a"), MIB))).collect();
        assert!(waiting.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
        let one_too_many = budgets.answer(project("a"), MIB).now_or_never().expect("an answer at once");
        assert_eq!(one_too_many.unwrap_err().refusal, Refusal::Unavailable);
    }
}
