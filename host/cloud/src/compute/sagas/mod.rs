//! The operations on servers, each a saga: its steps call the server's platform, its records are written together with the
//! step log.

mod attach;
mod blueprint;
mod company;
mod confirm;
mod context;
mod create;
mod delete;
mod faulty;
mod guest;
mod moving;
mod place;
mod power;
mod rebuild;
mod recycle;
mod release;
mod resize;
mod server_saga;
pub(crate) mod settle;
mod spec;
#[cfg(test)]
mod tests_place;
mod times;
mod volumes;

use std::sync::Arc;

use skyloom_jobs::{Faults, Saga};

pub use faulty::FaultyDriver;
pub use times::Times;

pub(crate) use volumes::kinds as volume_kinds;

use crate::Cloud;
use attach::{Attachment, Part};
use confirm::Confirm;
use context::Context;
use create::Create;
use delete::Delete;
use power::PowerSaga;
use rebuild::RebuildSaga;
use recycle::Recycle;
use resize::ResizeSaga;
use server_saga::{OfServers, ServerSaga};
use volumes::{DiskSaga, Work};

/// All of them, for `skyloom_jobs::Engine::start`. Every call to a driver goes through the faults.
pub fn all(cloud: &Cloud, faults: Arc<Faults>) -> Vec<Arc<dyn Saga>> {
    let compute = cloud.compute.clone();
    let context = Context { times: compute.settings.times.clone(), compute, faults, images: cloud.images.clone() };
    let of_disks = Work::ALL.map(|work| Arc::new(DiskSaga::new(context.clone(), work)) as Arc<dyn Saga>);
    let of_servers = vec![
        saga(Create::new(context.clone())),
        saga(Delete::new(context.clone())),
        saga(PowerSaga::start(context.clone())),
        saga(PowerSaga::stop(context.clone())),
        saga(PowerSaga::reboot(context.clone())),
        saga(PowerSaga::pause(context.clone())),
        saga(PowerSaga::unpause(context.clone())),
        saga(PowerSaga::suspend(context.clone())),
        saga(PowerSaga::resume(context.clone())),
        saga(ResizeSaga::there(context.clone())),
        saga(ResizeSaga::back(context.clone())),
        saga(RebuildSaga::new(context.clone())),
        saga(Attachment::attach(context.clone(), Part::Volume)),
        saga(Attachment::detach(context.clone(), Part::Volume)),
        saga(Attachment::attach(context.clone(), Part::Nics)),
        saga(Attachment::detach(context.clone(), Part::Nics)),
        saga(Recycle::goes(context.clone())),
        saga(Recycle::comes_back(context.clone())),
        saga(Confirm::new(context)),
    ];
    of_servers.into_iter().chain(of_disks).collect()
}

fn saga(of_servers: impl ServerSaga) -> Arc<dyn Saga> {
    Arc::new(OfServers(of_servers))
}
