//! What the engine counts, for the operator's page.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $help:literal])* $name:ident,)*) => {
        /// Counters since the start of the process.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $($(#[doc = $help])* pub(crate) $name: AtomicU64,)*
        }

        impl Metrics {
            /// Name, meaning and value of each counter.
            pub fn snapshot(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), concat!($($help),*), self.$name.load(Ordering::Relaxed)),)*]
            }
        }
    };
}

counters! {
    /// Operations leased, again after a retry or a crash.
    leased,
    /// Operations ended as wished.
    succeeded,
    /// Operations ended as failed, everything undone.
    failed,
    /// Operations ended as cancelled, everything undone.
    cancelled,
    /// Operations that needed the operator; each is an alarm.
    stuck,
    /// Steps done.
    steps_done,
    /// Steps undone.
    steps_undone,
    /// Attempts that failed and were put off.
    retries,
    /// Transactions of the step log.
    commits,
    /// Log writes; several share a transaction.
    writes,
    /// Leases found lost to another process.
    leases_lost,
}

impl Metrics {
    pub(crate) fn add(counter: &AtomicU64, number: usize) {
        counter.fetch_add(number as u64, Ordering::Relaxed);
    }
}
