//! The smallest tariff: a fee for each span of use.

use skyloom_sdk::tariff::rating::{Charge, Guest, Sheet, Span};

pub struct Component;

impl Guest for Component {
    fn rate(spans: Vec<Span>, sheet: Sheet) -> Result<Vec<Charge>, String> {
        let charge = |span: Span| {
            let price = sheet.prices.iter().find(|price| price.meter == span.meter)?;
            let seconds = u64::try_from((span.end - span.start) / 1_000_000).ok()?;
            Some(Charge {
                span_id: span.id,
                seconds,
                unit_price: price.per_unit_hour.clone(),
                amount: price.per_unit_hour.clone(), // decimal text, at most nine digits after the point
            })
        };
        Ok(spans.into_iter().filter_map(charge).collect())
    }
}

skyloom_sdk::tariff!(Component);
