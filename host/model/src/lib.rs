//! Plain types of the cloud: errors, states, callers, times. No I/O, no async, no vendor's word.

mod action;
mod caller;
mod error;
mod limiter;
mod origin;
mod reach;
mod state;
mod time;

pub use action::{Action, Least, Permission};
pub use caller::{Caller, Named, Placed, Scope};
pub use error::{Error, ErrorClass, ErrorCode, Result};
pub use limiter::Limiter;
pub use origin::origin;
pub use reach::Reach;
pub use state::{PowerState, TaskState, VmState};
pub use time::Timestamp;

/// A new id in the form that the store holds: a dashed, lower-case version 7 UUID. What is made together lies together in an
/// index, so that a page of a list needs few pages of the database.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
