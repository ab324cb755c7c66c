//! One call about a domain at a time. Who gives up waiting for the daemon doesn't end the call: it goes on on its thread, and
//! may still make what the next call is to remove. So a turn lasts until the call has really ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

#[derive(Debug, Default)]
pub struct Turns {
    /// Only of what somebody has or waits for.
    of: Mutex<HashMap<String, Weak<Turn<()>>>>,
}

impl Turns {
    /// Waits for the turn at this thing; it ends when the guard is dropped.
    pub async fn take(&self, thing: &str) -> OwnedMutexGuard<()> {
        let turn = self.turn(thing);
        turn.lock_owned().await
    }

    fn turn(&self, thing: &str) -> Arc<Turn<()>> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        of.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = of.get(thing).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        of.insert(thing.to_owned(), Arc::downgrade(&turn));
        turn
    }
}
