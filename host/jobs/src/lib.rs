//! Durable operations. The request's transaction writes the operation beside the change that it begins ([`enqueue`]); a worker
//! leases it and walks its steps ([`Engine`]). The worker may die anywhere; another one goes on from the step log.

mod enqueue;

pub use enqueue::{
    NewOperation, Superseded, enqueue, enqueue_failed, enqueue_superseding, lock_resource, settle_parent,
};
pub use skyloom_store::operations::{Filter, OnFailure, Operation, State, Step};
