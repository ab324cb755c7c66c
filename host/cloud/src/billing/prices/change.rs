//! A change of one price as the operator writes it.

use std::str::FromStr;

use skyloom_model::{Error, Result};
use skyloom_store::prices::Price;

use super::check_text;
use crate::billing::money;

/// Tiers of one price.
const MAX_TIERS: usize = 50;
/// Meter, class and state together: a tariff counts quantities under names made of them.
const MAX_NAME: usize = 200;

/// `METER[/CLASS][@STATE]=PRICE[,FROM:PRICE...]`: the price of a unit for an hour, and those from so many unit-hours of the month on.
/// `=none` takes the price away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceChange {
    meter: String,
    class: String,
    server_state: String,
    /// From which quantity, and how much.
    tiers: Vec<(i64, i64)>,
}

impl PriceChange {
    fn is_of(&self, price: &Price) -> bool {
        self.meter == price.meter && self.class == price.class && self.server_state == price.server_state
    }

    fn prices(&self) -> impl Iterator<Item = Price> {
        self.tiers.iter().map(|(from_units, nano_per_unit_hour)| Price {
            meter: self.meter.clone(),
            class: self.class.clone(),
            server_state: self.server_state.clone(),
            from_units: *from_units,
            nano_per_unit_hour: *nano_per_unit_hour,
        })
    }
}

impl FromStr for PriceChange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::invalid("prices", format!("{text:.128}: {what}"));
        let (name, prices) = text.rsplit_once('=').ok_or_else(|| wrong("METER[/CLASS][@STATE]=PRICE is wanted"))?;
        let (name, server_state) = name.rsplit_once('@').unwrap_or((name, ""));
        let (meter, class) = name.split_once('/').unwrap_or((name, ""));
        if meter.is_empty() {
            return Err(wrong("it names no meter"));
        }
        check_text("prices", name, MAX_NAME)?;
        check_text("prices", server_state, MAX_NAME)?;
        if name.len() + server_state.len() > MAX_NAME {
            return Err(wrong(&format!("meter, class and state have at most {MAX_NAME} bytes together")));
        }
        let tiers = if prices == "none" { Vec::new() } else { tiers(prices).map_err(|error| wrong(&error))? };
        Ok(Self { meter: meter.to_owned(), class: class.to_owned(), server_state: server_state.to_owned(), tiers })
    }
}

fn tiers(text: &str) -> Result<Vec<(i64, i64)>, String> {
    let mut tiers: Vec<(i64, i64)> = Vec::new();
    for (place, tier) in text.split(',').enumerate() {
        let (from, price) = match tier.split_once(':') {
            None if place == 0 => (0, tier),
            Some((from, price)) if place > 0 => {
                let from: u32 = from.parse().map_err(|_| format!("{from:?} is no number of unit-hours"))?;
                (i64::from(from), price)
            }
            _ => return Err("the first price holds from 0, each other one is FROM:PRICE".to_owned()),
        };
        if tiers.last().is_some_and(|(last, _)| *last >= from) {
            return Err(format!("{from} isn't more than the quantity before it"));
        }
        tiers.push((from, money::parse_price(price).map_err(|error| error.message)?));
    }
    if tiers.len() > MAX_TIERS { Err(format!("a price has {MAX_TIERS} tiers at most")) } else { Ok(tiers) }
}

/// The prices as they then are.
pub(super) fn changed(mut prices: Vec<Price>, changes: &[PriceChange]) -> Result<Vec<Price>> {
    if changes.is_empty() {
        return Err(Error::invalid("prices", "No price is said."));
    }
    for (place, change) in changes.iter().enumerate() {
        let same = |other: &PriceChange| {
            (&other.meter, &other.class, &other.server_state) == (&change.meter, &change.class, &change.server_state)
        };
        if changes[..place].iter().any(same) {
            return Err(Error::invalid("prices", format!("The price of {} stands twice.", change.meter)));
        }
        let before = prices.len();
        prices.retain(|price| !change.is_of(price));
        if change.tiers.is_empty() && prices.len() == before {
            return Err(Error::invalid("prices", format!("There is no such price of {} to take away.", change.meter)));
        }
        prices.extend(change.prices());
    }
    prices.sort_unstable();
    Ok(prices)
}
