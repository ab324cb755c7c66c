//! Plain types of the cloud: errors, states, callers, times. No I/O, no async, no vendor's word.

mod action;
mod caller;
mod error;
mod state;
mod time;

pub use action::{Action, Least};
pub use caller::{Caller, Named, Placed, Scope};
pub use error::{Error, ErrorClass, ErrorCode, Result};
pub use state::{PowerState, ServerStatus, TaskState, VmState};
pub use time::Timestamp;

/// A new random id in the form that the store holds: a dashed, lower-case version 4 UUID.
#[must_use]
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
