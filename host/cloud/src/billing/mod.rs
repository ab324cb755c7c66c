//! What use costs: price sheets, the rating run, and what each project consumed.

mod consumption;
mod money;
mod operator;
mod rating;
mod run;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};

use skyloom_model::Result;
use skyloom_runtime::tariff::Tariff;
use skyloom_store::Conn;

use crate::base::{Base, stands_on_base};

pub use operator::{retry, unrated};
pub use rating::RatingReport;
pub use settings::{Seed, SeedPrice, Settings};

/// The area's own state.
pub struct Billing {
    base: Base,
    pub(crate) settings: Settings,
    tariff: RwLock<Option<Arc<dyn Tariff>>>,
}

stands_on_base!(Billing);

impl Billing {
    pub(crate) fn new(base: Base, settings: Settings) -> Result<Self> {
        settings.check()?;
        Ok(Self { base, settings, tariff: RwLock::default() })
    }

    /// The first price sheet.
    pub(crate) async fn seed(&self, tx: &mut Conn, seed: &Seed) -> Result<()> {
        skyloom_store::prices::insert_sheet(tx, &seed.sheet()?).await
    }
}

impl Billing {
    /// The tariff component that rates from now on.
    pub fn set_tariff(&self, tariff: Arc<dyn Tariff>) {
        *self.tariff.write().unwrap_or_else(PoisonError::into_inner) = Some(tariff);
    }

    pub(crate) fn tariff(&self) -> Option<Arc<dyn Tariff>> {
        self.tariff.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
