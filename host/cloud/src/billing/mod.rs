//! What use costs: price sheets, the rating run, and what each project consumed.

mod consumption;
mod money;
mod operator;
mod pieces;
pub mod prices;
mod rating;
mod replay;
mod report;
mod run;
mod settings;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_departments;
#[cfg(test)]
mod tests_ledger;
mod timeline;
mod walk;

use std::sync::{Arc, PoisonError, RwLock};

use skyloom_model::{Result, Timestamp};
use skyloom_runtime::tariff::Tariff;
use skyloom_store::{Conn, prices as store};

use crate::base::{Base, stands_on_base};

pub use operator::{retry, unrated};
pub use rating::RatingReport;
pub use replay::{Checked, check};
pub use settings::{Seed, SeedPrice, Settings};

/// The area's own state.
pub struct Billing {
    base: Base,
    pub(crate) settings: Settings,
    calendar: settings::Calendar,
    tariff: RwLock<Option<Arc<dyn Tariff>>>,
}

stands_on_base!(Billing);

impl Billing {
    pub(crate) fn new(base: Base, settings: Settings) -> Result<Self> {
        settings.check()?;
        let calendar = settings.calendar()?;
        Ok(Self { base, settings, calendar, tariff: RwLock::default() })
    }

    /// The first price sheet, in force for all that ever was.
    pub(crate) async fn seed(&self, tx: &mut Conn, seed: &Seed) -> Result<()> {
        let sheet = prices::new_sheet(store::DEFAULT, 1, &seed.currency);
        let revision_id = prices::write_sheet(tx, &sheet, &seed.prices()?).await?;
        let moment = store::Moment { started_at: Timestamp(0), revision_id };
        store::put_moment(tx, store::DEFAULT, &moment).await
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
