//! Turns for calls into sandboxes. Callers have theirs, nobody has others: a flood of logins keeps no caller waiting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use skyloom_model::origin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::refusal::{Refusal, Refused};
use crate::settings::{Settings, millis};

/// A turn lasts until this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'t> {
    _call: SemaphorePermit<'t>,
    _own: Option<OwnedSemaphorePermit>,
    _held: Option<Place<'t>>,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Caller,
    /// A version list must not wait for logins, so reads are apart.
    NobodyReading(Option<IpAddr>),
    Nobody(Option<IpAddr>),
}

#[derive(Debug)]
pub(crate) struct Turns {
    callers: Semaphore,
    reading: Anonymous,
    others: Anonymous,
    wait: Duration,
}

impl Turns {
    pub fn new(settings: &Settings) -> Self {
        Self {
            callers: Semaphore::new(settings.max_calls as usize),
            reading: Anonymous::new(settings),
            others: Anonymous::new(settings),
            wait: millis(settings.queue_ms),
        }
    }

    pub async fn take(&self, who: Who) -> Result<Turn<'_>, Refused> {
        let (calls, place, full) = match who {
            Who::Caller => (&self.callers, None, Refusal::Unavailable),
            Who::NobodyReading(client) => {
                (&self.reading.calls, Some(self.reading.enter(client)?), Refusal::RateLimited)
            }
            Who::Nobody(client) => (&self.others.calls, Some(self.others.enter(client)?), Refusal::RateLimited),
        };
        let own = place.as_ref().and_then(|place| place.own.clone());
        let turn = async {
            let own = match own {
                Some(own) => Some(own.acquire_owned().await.ok()?),
                None => None,
            };
            Some(Turn { _call: calls.acquire().await.ok()?, _own: own, _held: place })
        };
        tokio::time::timeout(self.wait, turn).await.ok().flatten().ok_or_else(|| Refused::again(full))
    }
}

/// Calls of nobody and a short queue for them. An address has half of both at most, so that one flood leaves room for others.
#[derive(Debug)]
struct Anonymous {
    calls: Semaphore,
    /// For those who are called and those who wait.
    places: Semaphore,
    /// Of one address: calls, and places.
    shares: (usize, usize),
    taken: Mutex<HashMap<IpAddr, Taken>>,
}

/// By one address.
#[derive(Debug)]
struct Taken {
    places: usize,
    calls: Arc<Semaphore>,
}

#[derive(Debug)]
struct Place<'t> {
    of: &'t Anonymous,
    client: Option<IpAddr>,
    /// The address's calls.
    own: Option<Arc<Semaphore>>,
    _held: SemaphorePermit<'t>,
}

impl Anonymous {
    fn new(settings: &Settings) -> Self {
        let (calls, queue) = (settings.anonymous_calls as usize, settings.anonymous_queue as usize);
        let places = calls.saturating_add(queue).min(Semaphore::MAX_PERMITS);
        Self {
            calls: Semaphore::new(calls),
            places: Semaphore::new(places),
            shares: (calls.div_ceil(2), places.div_ceil(2)),
            taken: Mutex::default(),
        }
    }

    fn enter(&self, client: Option<IpAddr>) -> Result<Place<'_>, Refused> {
        let client = client.map(origin);
        let place = self.places.try_acquire().map_err(|_| Refused::again(Refusal::RateLimited))?;
        let mut own = None;
        if let Some(client) = client {
            let (calls, places) = self.shares;
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Taken { places: 0, calls: Arc::new(Semaphore::new(calls)) };
            let taken = taken.entry(client).or_insert_with(new);
            if taken.places >= places {
                return Err(Refused::again(Refusal::RateLimited));
            }
            taken.places += 1;
            own = Some(taken.calls.clone());
        }
        Ok(Place { of: self, client, own, _held: place })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut taken = self.of.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_client) = taken.get_mut(&client) {
            of_client.places -= 1;
            if of_client.places == 0 {
                taken.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn turns(anonymous_calls: u32, anonymous_queue: u32) -> Turns {
        Turns::new(&Settings { max_calls: 1, anonymous_calls, anonymous_queue, queue_ms: 20, ..Settings::default() })
    }

    fn login(last: u8) -> Who {
        Who::Nobody(Some(IpAddr::from([192, 0, 2, last])))
    }

    #[tokio::test]
    async fn nobody_takes_no_callers_turn_and_logins_take_no_reads() {
        let turns = turns(1, 0);
        let _login = turns.take(login(1)).await.unwrap();
        let full = turns.take(login(2)).await.unwrap_err();
        assert_eq!(full, Refused::again(Refusal::RateLimited));
        let _read = turns.take(Who::NobodyReading(Some(IpAddr::from([192, 0, 2, 1])))).await.unwrap();
        let caller = turns.take(Who::Caller).await.unwrap();
        assert_eq!(turns.take(Who::Caller).await.unwrap_err().refusal, Refusal::Unavailable);
        drop(caller);
        turns.take(Who::Caller).await.unwrap();
    }

    #[tokio::test]
    async fn who_waits_is_called_next_and_one_too_many_is_refused_at_once() {
        let turns =
            Turns::new(&Settings { queue_ms: 60_000, anonymous_calls: 1, anonymous_queue: 1, ..Settings::default() });
        let first = turns.take(Who::Nobody(None)).await.unwrap();
        let mut second = std::pin::pin!(turns.take(Who::Nobody(None)));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(turns.take(Who::Nobody(None)).await.unwrap_err().refusal, Refusal::RateLimited);
        drop(first);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn one_address_has_half_of_the_calls_however_many_of_its_own_wait() {
        let turns =
            Turns::new(&Settings { queue_ms: 60_000, anonymous_calls: 4, anonymous_queue: 8, ..Settings::default() });
        let held = [turns.take(login(1)).await.unwrap(), turns.take(login(1)).await.unwrap()];
        let mut third = std::pin::pin!(turns.take(login(1)));
        assert!(third.as_mut().now_or_never().is_none(), "it waits for its own address");
        let _others = [turns.take(login(2)).await.unwrap(), turns.take(login(3)).await.unwrap()];
        drop(held);
        third.await.unwrap();
    }

    #[tokio::test]
    async fn one_address_has_half_of_the_places() {
        let turns = turns(4, 0);
        let held = [turns.take(login(1)).await.unwrap(), turns.take(login(1)).await.unwrap()];
        assert_eq!(turns.take(login(1)).await.unwrap_err().refusal, Refusal::RateLimited);
        turns.take(login(2)).await.unwrap();
        drop(held);
        turns.take(login(1)).await.unwrap();
        assert!(turns.others.taken.lock().unwrap().is_empty());
    }
}
