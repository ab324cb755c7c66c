//! Servers and what they are made of: flavors, key pairs, volumes, zones, quotas; and the operations on them.

mod actions;
mod aggregates;
mod api;
mod attach;
mod attachments;
mod common;
mod console;
mod create;
pub mod flavors;
mod image;
pub mod keypairs;
pub mod leftovers;
mod list;
mod locks;
mod nics;
pub mod node_records;
mod nodes;
pub mod operations;
mod patterns;
pub mod quotas;
mod readers;
mod rebuild;
mod resize;
mod rules;
pub mod sagas;
mod server_groups;
mod settings;
mod tags;
mod taken;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_aggregates;
#[cfg(test)]
mod tests_attachments;
#[cfg(test)]
mod tests_events;
#[cfg(test)]
mod tests_flavors;
#[cfg(test)]
mod tests_groups;
#[cfg(test)]
mod tests_lists;
#[cfg(test)]
mod tests_moving;
#[cfg(test)]
mod tests_nics;
#[cfg(test)]
mod tests_readers;
#[cfg(test)]
mod tests_rebuild;
#[cfg(test)]
mod tests_recycle;
#[cfg(test)]
mod tests_resize;
#[cfg(test)]
mod tests_suspension;
mod update;
mod view;
pub mod volumes;
mod zones;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

use skyloom_model::Result;
use skyloom_store::Conn;

use crate::base::{Base, stands_on_base};

pub use attach::AttachTimes;
pub use nodes::{Node, NodeSettings};
pub use readers::{Processes, out_of_reach};
pub use settings::{Seed, SeedFlavor, Settings};

/// The area's own state; everything durable stands in the store.
pub struct Compute {
    base: Base,
    quotas: Arc<quotas::Quotas>,
    flavors: Arc<flavors::Flavors>,
    pub(crate) settings: Arc<Settings>,
    /// Compute nodes by name, with their drivers.
    pub(crate) nodes: RwLock<HashMap<String, Node>>,
    /// None: no wiring has said how other processes are reached.
    processes: OnceLock<readers::Reached>,
}

stands_on_base!(Compute);

impl Compute {
    pub(crate) fn new(
        base: Base,
        quotas: Arc<quotas::Quotas>,
        flavors: Arc<flavors::Flavors>,
        settings: Arc<Settings>,
    ) -> Result<Self> {
        settings.check()?;
        Ok(Self { base, quotas, flavors, settings, nodes: RwLock::default(), processes: OnceLock::new() })
    }

    /// The flavors that a fresh cloud offers.
    pub(crate) async fn seed(&self, tx: &mut Conn, seed: &Seed) -> Result<()> {
        let now = skyloom_model::Timestamp::now();
        for flavor in &seed.flavors {
            skyloom_store::flavors::insert(tx, &flavor.row(now)).await?;
        }
        Ok(())
    }
}
