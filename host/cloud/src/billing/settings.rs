//! The `[billing]` table of the deployment file, and the first price sheet.

use skyloom_model::{Error, Result, Timestamp, new_id};
use skyloom_store::prices::{Price, Sheet};

use super::money;

/// When use is rated.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Length of a rating period; periods begin at multiples of it since 1970.
    pub period_minutes: u32,
    /// How long after its end a period is rated, so that every transaction of that time has been committed.
    pub delay_seconds: u32,
    /// How often the rating run looks for periods to rate.
    pub interval_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { period_minutes: 60 * 24, delay_seconds: 120, interval_seconds: 60 }
    }
}

impl Settings {
    pub fn check(&self) -> Result<()> {
        if self.period_minutes == 0 || self.interval_seconds == 0 {
            return Err(Error::invalid("billing", "[billing] period-minutes and interval-seconds are at least 1"));
        }
        Ok(())
    }

    /// The period that a time lies in. Half open.
    pub(crate) fn period_of(&self, time: Timestamp) -> (Timestamp, Timestamp) {
        let length = i64::from(self.period_minutes) * 60_000_000;
        let start = time.0.div_euclid(length) * length;
        (Timestamp(start), Timestamp(start.saturating_add(length)))
    }
}

/// The `[seed.billing]` table.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    pub currency: String,
    pub prices: Vec<SeedPrice>,
}

/// Price of one unit of a meter for one hour, at most 9223372036.854775807: decimal with at most nine digits after the point.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeedPrice {
    pub meter: String,
    /// What it is of (flavor, volume type); empty: every one without a price of its own.
    #[serde(default)]
    pub class: String,
    pub per_unit_hour: String,
}

impl Seed {
    pub(crate) fn sheet(&self) -> Result<Sheet> {
        let prices = self.prices.iter().map(|price| {
            Ok(Price {
                meter: price.meter.clone(),
                class: price.class.clone(),
                nano_per_unit_hour: money::parse_price(&price.per_unit_hour)?,
            })
        });
        Ok(Sheet {
            id: new_id(),
            currency: self.currency.clone(),
            // In force for all that ever was.
            effective_from: Timestamp(0),
            created_at: Timestamp::now(),
            prices: prices.collect::<Result<_>>()?,
        })
    }
}

impl Default for Seed {
    fn default() -> Self {
        let price = |meter: &str, per_unit_hour: &str| SeedPrice {
            meter: meter.to_owned(),
            class: String::new(),
            per_unit_hour: per_unit_hour.to_owned(),
        };
        Self {
            currency: "EUR".to_owned(),
            prices: vec![
                price("vcpu", "0.012"),
                price("memory-mib", "0.000004"),
                price("volume-gib", "0.0001"),
                price("image-gib", "0.00005"),
                price("public-address", "0.005"),
            ],
        }
    }
}
