//! Pay for what was used: `quantity × seconds × price per unit and hour ÷ 3600`, rounded half to even at nine digits. Whole
//! seconds count: a piece is charged for the seconds that it has begun and ended, so pieces that touch never charge one twice.
//! Of a price with tiers each unit costs what the tier says that the month's quantity has reached.

use std::collections::BTreeMap;

use skyloom_sdk::money;
use skyloom_sdk::tariff::rating::{Charge, Guest, Piece, Price, Rated, Sheet, Tally};

const MICROS: i64 = 1_000_000;
const SECONDS_PER_HOUR: u128 = 3600;

/// The component.
pub struct Component;

impl Guest for Component {
    fn rate(pieces: Vec<Piece>, sheet: Sheet, tallies: Vec<Tally>) -> Result<Rated, String> {
        rate(&pieces, &sheet, &tallies)
    }
}

skyloom_sdk::tariff!(Component);

/// Unit-seconds of the month by price.
type Tallies = BTreeMap<String, u128>;

fn rate(pieces: &[Piece], sheet: &Sheet, tallies: &[Tally]) -> Result<Rated, String> {
    let mut reached = read(tallies)?;
    let mut charges = Vec::with_capacity(pieces.len());
    for (place, piece) in (0..).zip(pieces) {
        let Some(price) = price_of(sheet, piece) else { continue };
        charges.extend(charge(place, piece, price, &mut reached)?);
    }
    let tally = |(key, quantity): (String, u128)| Tally { key, quantity: quantity.to_string() };
    Ok(Rated { charges, tallies: reached.into_iter().map(tally).collect() })
}

fn read(tallies: &[Tally]) -> Result<Tallies, String> {
    let read = |tally: &Tally| {
        let quantity = tally.quantity.parse().map_err(|_| format!("{:?} is no quantity", tally.quantity))?;
        Ok((tally.key.clone(), quantity))
    };
    tallies.iter().map(read).collect()
}

/// The price that says most about the piece. None: it is free.
fn price_of<'a>(sheet: &'a Sheet, piece: &Piece) -> Option<&'a Price> {
    let fits = |own: &str, of_piece: &str| own.is_empty() || own == of_piece;
    let fitting = sheet.prices.iter().filter(|price| {
        price.meter == piece.meter && fits(&price.class, &piece.class) && fits(&price.server_state, &piece.server_state)
    });
    fitting.max_by_key(|price| (!price.class.is_empty(), !price.server_state.is_empty()))
}

fn charge(place: u32, piece: &Piece, price: &Price, reached: &mut Tallies) -> Result<Option<Charge>, String> {
    let name = || format!("the {} of {}", piece.meter, piece.resource_id);
    if piece.end < piece.start {
        return Err(format!("{} ends before it begins", name()));
    }
    // Seconds of the clock, so that a span which is cut at a period's edge charges the same in total.
    let seconds = (piece.end.div_euclid(MICROS) - piece.start.div_euclid(MICROS)).unsigned_abs();
    // 64 bits times 44: the product of the quantity and its seconds always fits.
    let units = u128::from(piece.quantity) * u128::from(seconds);
    let mut graduated = 0;
    // Only what tiers need is kept.
    let from = if price.tiers.len() > 1 { reached.entry(key(price)).or_default() } else { &mut graduated };
    let to = from.checked_add(units).ok_or_else(|| format!("{} is too much for one month", name()))?;
    let (unit_price, amount) = cost(price, *from, to)?.ok_or_else(|| format!("{} costs too much", name()))?;
    *from = to;
    if amount == 0 {
        return Ok(None);
    }
    Ok(Some(Charge { piece: place, seconds, unit_price: money::format(unit_price), amount: money::format(amount) }))
}

/// One quantity for all that a price is for.
fn key(price: &Price) -> String {
    [&*price.meter, &price.class, &price.server_state].join("/")
}

/// The last unit's price and the amount of the unit-seconds `from..to` of the month. None: it is too large.
fn cost(price: &Price, from: u128, to: u128) -> Result<Option<(u128, u128)>, String> {
    let (mut last, mut sum) = (0, Some(0_u128));
    for (at, tier) in price.tiers.iter().enumerate() {
        let unit_price = money::parse(&tier.per_unit_hour)
            .ok_or_else(|| format!("the price {:?} of {} is no amount", tier.per_unit_hour, price.meter))?;
        let begin = u128::from(tier.from) * SECONDS_PER_HOUR;
        let end = price.tiers.get(at + 1).map_or(u128::MAX, |next| u128::from(next.from) * SECONDS_PER_HOUR);
        let units = to.min(end).saturating_sub(from.max(begin));
        if units > 0 || at == 0 {
            last = unit_price;
            let part = money::share(units, unit_price, SECONDS_PER_HOUR);
            sum = sum.zip(part).and_then(|(sum, part)| sum.checked_add(part));
        }
    }
    Ok(sum.map(|sum| (last, sum)))
}

#[cfg(test)]
mod tests;
