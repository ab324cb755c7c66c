//! Durable operations. The request's transaction writes the operation beside the change that it begins ([`enqueue`]); a worker
//! leases it and walks its steps ([`Engine`]). The worker may die anywhere; another one goes on from the step log.
//!
//! Durability: what the log says survives the process's death always, and power loss unless `sync-on-commit` is off.

mod drive;
mod engine;
mod enqueue;
pub mod faults;
mod log;
mod metrics;
mod operator;
mod saga;
mod settings;

pub use engine::Engine;
pub use enqueue::{
    NewOperation, Superseded, enqueue, enqueue_done, enqueue_failed, enqueue_superseding, lock_new_resource,
    lock_resource, settle_parent,
};
pub use faults::Faults;
pub use metrics::Metrics;
pub use saga::{Event, Outcome, Retry, Run, Saga, Step};
pub use settings::{Settings, milliseconds};
pub use skyloom_store::listing::Page;
pub use skyloom_store::operations::{Filter, OnFailure, Operation, State, Step as StepRow};
