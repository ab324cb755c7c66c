//! Servers and what they are made of: flavors, key pairs, volumes, zones, quotas; and the operations on them.

mod api;
mod attach;
mod common;
mod console;
mod create;
mod flavors;
mod image;
mod keypairs;
pub mod leftovers;
mod list;
mod nodes;
mod operations;
mod patterns;
mod power;
pub mod quotas;
mod rules;
pub mod sagas;
mod settings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_flavors;
#[cfg(test)]
mod tests_lists;
mod update;
mod view;
mod volumes;
mod zones;

use std::collections::HashMap;
use std::sync::RwLock;

use skyloom_model::Result;
use skyloom_store::Conn;

pub use attach::AttachTimes;
pub use nodes::{Node, NodeSettings};
pub use settings::{Seed, SeedFlavor, Settings};

/// The area's own state; everything durable stands in the store.
pub(crate) struct Compute {
    pub(crate) settings: Settings,
    /// Compute nodes by name, with their drivers.
    pub(crate) nodes: RwLock<HashMap<String, Node>>,
}

impl Compute {
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        settings.check()?;
        Ok(Self { settings, nodes: RwLock::default() })
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
