//! The smallest tariff: a fee for each piece of use.

use skyloom_sdk::tariff::rating::{Charge, Guest, Piece, Rated, Sheet, Tally};

pub struct Component;

impl Guest for Component {
    fn rate(pieces: Vec<Piece>, sheet: Sheet, tallies: Vec<Tally>) -> Result<Rated, String> {
        let charge = |(piece, of): (u32, &Piece)| {
            let price = sheet.prices.iter().find(|price| price.meter == of.meter)?;
            let seconds = u64::try_from((of.end - of.start) / 1_000_000).ok()?;
            // Decimal text, at most nine digits after the point.
            let fee = &price.tiers.first()?.per_unit_hour;
            Some(Charge { piece, seconds, unit_price: fee.clone(), amount: fee.clone() })
        };
        // It counts nothing over the month, so the tallies stay as they are.
        Ok(Rated { charges: (0..).zip(&pieces).filter_map(charge).collect(), tallies })
    }
}

skyloom_sdk::tariff!(Component);
