//! The operations on servers, each a saga: its steps call the server's platform, its records are written together with the
//! step log.

mod context;
mod create;
mod delete;
mod faulty;
mod place;
mod power;
mod release;
pub(crate) mod settle;
mod spec;
mod times;

use std::sync::Arc;

use skyloom_jobs::{Faults, Saga};

pub use faulty::FaultyDriver;
pub use times::Times;

use crate::Cloud;
use context::Context;

/// All of them, for `skyloom_jobs::Engine::start`. Every call to a driver goes through the faults.
pub fn all(cloud: &Cloud, faults: Arc<Faults>) -> Vec<Arc<dyn Saga>> {
    let compute = cloud.compute.clone();
    let context = Context { times: compute.settings.times.clone(), compute, faults };
    vec![
        Arc::new(create::Create::new(context.clone())),
        Arc::new(delete::Delete::new(context.clone())),
        Arc::new(power::PowerSaga::start(context.clone())),
        Arc::new(power::PowerSaga::stop(context.clone())),
        Arc::new(power::PowerSaga::reboot(context)),
    ]
}
