//! Pay for what was used: `quantity × seconds × price per unit and hour ÷ 3600`, rounded half to even at nine digits. Whole
//! seconds count: a span is charged for the seconds that it has begun and ended, so spans that touch never charge one twice.

use skyloom_sdk::money;
use skyloom_sdk::tariff::rating::{Charge, Guest, Price, Sheet, Span};

const MICROS: i64 = 1_000_000;
const SECONDS_PER_HOUR: u128 = 3600;

/// The component.
pub struct Component;

impl Guest for Component {
    fn rate(spans: Vec<Span>, sheet: Sheet) -> Result<Vec<Charge>, String> {
        rate(&spans, &sheet)
    }
}

skyloom_sdk::tariff!(Component);

fn rate(spans: &[Span], sheet: &Sheet) -> Result<Vec<Charge>, String> {
    let mut charges = Vec::with_capacity(spans.len());
    for span in spans {
        let Some(price) = price_of(sheet, span) else { continue };
        if let Some(charge) = charge(span, price)? {
            charges.push(charge);
        }
    }
    Ok(charges)
}

/// The price of the span's class, else that of its meter for every class. None: the meter is free.
fn price_of<'a>(sheet: &'a Sheet, span: &Span) -> Option<&'a Price> {
    let of_meter = |class: &str| sheet.prices.iter().find(|price| price.meter == span.meter && price.class == class);
    of_meter(&span.class).or_else(|| of_meter(""))
}

fn charge(span: &Span, price: &Price) -> Result<Option<Charge>, String> {
    if span.end < span.start {
        return Err(format!("span {} ends before it begins", span.id));
    }
    // Seconds of the clock, so that a span which is cut at a period's edge charges the same in total.
    let seconds = (span.end.div_euclid(MICROS) - span.start.div_euclid(MICROS)).unsigned_abs();
    let unit_price = money::parse(&price.per_unit_hour)
        .ok_or_else(|| format!("the price {:?} of {} is no amount", price.per_unit_hour, price.meter))?;
    // 64 bits times 44: the product of the quantity and its seconds always fits.
    let units = u128::from(span.quantity) * u128::from(seconds);
    let amount = money::share(units, unit_price, SECONDS_PER_HOUR)
        .ok_or_else(|| format!("the amount of span {} is too large", span.id))?;
    if amount == 0 {
        return Ok(None);
    }
    Ok(Some(Charge {
        span_id: span.id.clone(),
        seconds,
        unit_price: money::format(unit_price),
        amount: money::format(amount),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(meter: &str, class: &str, quantity: u64, start: i64, end: i64) -> Span {
        Span {
            id: format!("{meter}-{start}"),
            project_id: "p".into(),
            resource_kind: "server".into(),
            resource_id: "s".into(),
            meter: meter.into(),
            class: class.into(),
            quantity,
            start,
            end,
        }
    }

    fn sheet(prices: &[(&str, &str, &str)]) -> Sheet {
        let price = |(meter, class, price): &(&str, &str, &str)| Price {
            meter: (*meter).into(),
            class: (*class).into(),
            per_unit_hour: (*price).into(),
        };
        Sheet { id: "1".into(), currency: "USD".into(), prices: prices.iter().map(price).collect() }
    }

    #[test]
    fn an_hour_of_two_units_costs_twice_the_price() {
        let charges = rate(&[span("vcpu", "m1", 2, 0, 3600 * MICROS)], &sheet(&[("vcpu", "", "0.0125")])).unwrap();
        assert_eq!(charges[0].amount, "0.025");
        assert_eq!(charges[0].seconds, 3600);
    }

    #[test]
    fn the_price_of_the_class_goes_before_that_of_the_meter() {
        let prices = sheet(&[("vcpu", "", "1"), ("vcpu", "m1", "2")]);
        let charges =
            rate(&[span("vcpu", "m1", 1, 0, 3600 * MICROS), span("vcpu", "m2", 1, 1, 3600 * MICROS)], &prices);
        let amounts: Vec<_> = charges.unwrap().into_iter().map(|charge| charge.amount).collect();
        assert_eq!(amounts, ["2", "1"]);
    }

    #[test]
    fn a_meter_without_a_price_is_free() {
        assert!(rate(&[span("image-gib", "", 1, 0, MICROS)], &sheet(&[("vcpu", "", "1")])).unwrap().is_empty());
    }

    #[test]
    fn cutting_a_span_changes_neither_its_seconds_nor_its_sum() {
        let prices = sheet(&[("vcpu", "", "3.6")]);
        let whole = rate(&[span("vcpu", "", 1, 500_000, 10_700_000)], &prices).unwrap();
        let parts =
            rate(&[span("vcpu", "", 1, 500_000, 4_900_000), span("vcpu", "", 1, 4_900_000, 10_700_000)], &prices)
                .unwrap();
        assert_eq!(whole[0].seconds, parts[0].seconds + parts[1].seconds);
        let sum: u128 = parts.iter().map(|charge| money::parse(&charge.amount).unwrap()).sum();
        assert_eq!(money::parse(&whole[0].amount), Some(sum));
    }

    #[test]
    fn no_digit_of_a_large_amount_is_lost() {
        let quantity = 1_000_000_000_000_000_001;
        let charges = rate(&[span("vcpu", "", quantity, 0, 86_400 * MICROS)], &sheet(&[("vcpu", "", "1.000000001")]));
        assert_eq!(charges.unwrap()[0].amount, "24000000024000000024.000000024");
        // The longest span of the largest quantity.
        let whole = [span("vcpu", "", u64::MAX, i64::MIN, i64::MAX)];
        let charges = rate(&whole, &sheet(&[("vcpu", "", "0.000000001")])).unwrap();
        assert_eq!(charges[0].seconds, 18_446_744_073_709);
    }

    #[test]
    fn thirds_are_rounded_at_the_ninth_digit() {
        let charges = rate(&[span("vcpu", "", 1, 0, MICROS)], &sheet(&[("vcpu", "", "1")])).unwrap();
        assert_eq!(charges[0].amount, "0.000277778");
    }

    #[test]
    fn rubbish_is_an_error_not_a_charge() {
        assert!(rate(&[span("vcpu", "", 1, 0, MICROS)], &sheet(&[("vcpu", "", "cheap")])).is_err());
        assert!(rate(&[span("vcpu", "", 1, 0, MICROS)], &sheet(&[("vcpu", "", "-1")])).is_err());
        assert!(rate(&[span("vcpu", "", 1, MICROS, 0)], &sheet(&[("vcpu", "", "1")])).is_err());
        let many = [span("vcpu", "", u64::MAX, 0, i64::MAX)];
        assert!(rate(&many, &sheet(&[("vcpu", "", "79228162514264337593543950335")])).is_err());
    }
}
