//! Signed requests that are taken once each, for as long as their date would let them in again: those that change something, and what
//! other processes ask. In the memory of this process, which is bounded.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Why a request isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    Again,
    /// There is no room: one user, or one node that others ask about, has half of it.
    Full,
}

#[derive(Debug)]
pub(crate) struct Replays {
    most: usize,
    taken: Mutex<Taken>,
}

/// Signatures by the minute of their end, then by user; of a signature half of its bytes.
#[derive(Debug, Default)]
struct Taken {
    by_minute: BTreeMap<i64, HashMap<String, HashSet<u128>>>,
    all: usize,
}

impl Replays {
    pub fn new(most: u32) -> Self {
        Self { most: most as usize, taken: Mutex::default() }
    }

    /// `until`: when its date lets it in no more; `now`: both seconds.
    pub fn take(&self, user: &str, signature: &[u8; 32], until: i64, now: i64) -> Result<(), Untaken> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let Taken { by_minute, all } = &mut *taken;
        // A minute late: others may have looked at the clock before.
        while let Some(first) = by_minute.first_entry().filter(|first| (first.key() + 2) * 60 <= now) {
            *all -= first.remove().values().map(HashSet::len).sum::<usize>();
        }
        let (first, _) = signature.split_at(size_of::<u128>());
        let mark = u128::from_be_bytes(first.try_into().unwrap_or_default());
        let minute = until.div_euclid(60);
        if by_minute.get(&minute).and_then(|users| users.get(user)).is_some_and(|marks| marks.contains(&mark)) {
            return Err(Untaken::Again);
        }
        let own: usize = by_minute.values().filter_map(|users| users.get(user)).map(HashSet::len).sum();
        if *all >= self.most || own >= self.most.div_ceil(2) {
            return Err(Untaken::Full);
        }
        by_minute.entry(minute).or_default().entry(user.to_owned()).or_default().insert(mark);
        *all += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    #[test]
    fn a_signature_is_taken_once_until_its_date_ends_it() {
        let replays = Replays::new(100);
        assert_eq!(replays.take("u", &[1; 32], NOW + 900, NOW), Ok(()));
        assert_eq!(replays.take("u", &[1; 32], NOW + 900, NOW), Err(Untaken::Again));
        assert_eq!(replays.take("u", &[2; 32], NOW + 900, NOW), Ok(()));
        assert_eq!(replays.take("u", &[1; 32], NOW + 900, NOW + 900), Err(Untaken::Again), "to its last second");
        assert_eq!(replays.take("u", &[3; 32], NOW + 1900, NOW + 1060), Ok(()));
        assert_eq!(replays.taken.lock().unwrap().all, 1, "what is over is forgotten");
    }

    #[test]
    fn one_user_has_half_of_the_room_and_gets_it_back() {
        let replays = Replays::new(4);
        let take = |user: &str, mark: u8, now: i64| replays.take(user, &[mark; 32], now + 900, now);
        assert_eq!([take("a", 1, NOW), take("a", 2, NOW), take("a", 3, NOW)], [Ok(()), Ok(()), Err(Untaken::Full)]);
        assert_eq!([take("b", 4, NOW), take("c", 5, NOW), take("d", 6, NOW)], [Ok(()), Ok(()), Err(Untaken::Full)]);
        assert_eq!(take("a", 1, NOW), Err(Untaken::Again), "a full memory still knows");
        assert_eq!(take("a", 3, NOW + 1060), Ok(()));
    }
}
