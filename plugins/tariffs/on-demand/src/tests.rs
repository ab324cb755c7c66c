use super::*;
use skyloom_sdk::tariff::rating::Tier;

fn piece(meter: &str, class: &str, quantity: u64, start: i64, end: i64) -> Piece {
    Piece {
        project_id: "p".into(),
        resource_kind: "server".into(),
        resource_id: "s".into(),
        meter: meter.into(),
        class: class.into(),
        server_state: "active".into(),
        quantity,
        start,
        end,
    }
}

fn price(meter: &str, class: &str, server_state: &str, tiers: &[(u64, &str)]) -> Price {
    let tier = |(from, price): &(u64, &str)| Tier { from: *from, per_unit_hour: (*price).into() };
    Price {
        meter: meter.into(),
        class: class.into(),
        server_state: server_state.into(),
        tiers: tiers.iter().map(tier).collect(),
    }
}

fn sheet_of(prices: Vec<Price>) -> Sheet {
    Sheet { id: "1".into(), currency: "USD".into(), prices }
}

fn sheet(prices: &[(&str, &str, &str)]) -> Sheet {
    sheet_of(prices.iter().map(|(meter, class, flat)| price(meter, class, "", &[(0, flat)])).collect())
}

fn charges(pieces: &[Piece], sheet: &Sheet) -> Vec<Charge> {
    rate(pieces, sheet, &[]).unwrap().charges
}

#[test]
fn an_hour_of_two_units_costs_twice_the_price() {
    let rated = rate(&[piece("vcpu", "m1", 2, 0, 3600 * MICROS)], &sheet(&[("vcpu", "", "0.0125")]), &[]).unwrap();
    assert_eq!((rated.charges[0].amount.as_str(), rated.charges[0].seconds), ("0.025", 3600));
    assert!(rated.tallies.is_empty(), "one price needs no quantities");
}

#[test]
fn the_price_that_says_most_goes_before_the_others() {
    let mut prices = sheet(&[("vcpu", "", "1"), ("vcpu", "m1", "2")]);
    prices.prices.push(price("vcpu", "", "paused", &[(0, "3")]));
    prices.prices.push(price("vcpu", "m3", "paused", &[(0, "4")]));
    let hour =
        |class: &str, state: &str| Piece { server_state: state.into(), ..piece("vcpu", class, 1, 0, 3600 * MICROS) };
    let pieces = [
        hour("m1", "active"),
        hour("m2", "active"),
        hour("m1", "paused"),
        hour("m2", "paused"),
        hour("m3", "paused"),
        hour("m3", "active"),
    ];
    let amounts: Vec<_> = charges(&pieces, &prices).into_iter().map(|charge| charge.amount).collect();
    assert_eq!(amounts, ["2", "1", "2", "3", "4", "1"]);
}

#[test]
fn a_meter_without_a_price_is_free() {
    assert!(charges(&[piece("image-gib", "", 1, 0, MICROS)], &sheet(&[("vcpu", "", "1")])).is_empty());
}

#[test]
fn cutting_a_span_changes_neither_its_seconds_nor_its_sum() {
    let prices = sheet(&[("vcpu", "", "3.6")]);
    let whole = charges(&[piece("vcpu", "", 1, 500_000, 10_700_000)], &prices);
    let parts =
        charges(&[piece("vcpu", "", 1, 500_000, 4_900_000), piece("vcpu", "", 1, 4_900_000, 10_700_000)], &prices);
    assert_eq!(whole[0].seconds, parts[0].seconds + parts[1].seconds);
    let sum: u128 = parts.iter().map(|charge| money::parse(&charge.amount).unwrap()).sum();
    assert_eq!(money::parse(&whole[0].amount), Some(sum));
}

#[test]
fn each_unit_costs_what_the_month_has_reached() {
    let tiers = price("vcpu", "", "", &[(0, "1"), (10, "0.5"), (20, "0")]);
    let sheet = sheet_of(vec![tiers, price("vcpu", "m2", "", &[(0, "2")])]);
    let hours = |class: &str, units: u64| piece("vcpu", class, units, 0, 3600 * MICROS);
    let rated = rate(&[hours("m1", 4), hours("m3", 8), hours("m2", 9)], &sheet, &[]).unwrap();
    let lines = |rated: &Rated| {
        let line = |charge: &Charge| (charge.piece, charge.unit_price.clone(), charge.amount.clone());
        rated.charges.iter().map(line).collect::<Vec<_>>()
    };
    let line = |piece, price: &str, amount: &str| (piece, price.to_owned(), amount.to_owned());
    assert_eq!(lines(&rated), [line(0, "1", "4"), line(1, "0.5", "7"), line(2, "2", "18")]);
    assert_eq!((rated.tallies[0].key.as_str(), rated.tallies[0].quantity.as_str()), ("vcpu//", "43200"));
    // The next call goes on where this one ended, whatever lies between.
    let next = rate(&[hours("m1", 10), hours("m1", 1)], &sheet, &rated.tallies).unwrap();
    assert_eq!(lines(&next), [line(0, "0", "4")]);
    // All in one call is the same.
    let whole = rate(&[hours("m1", 4), hours("m3", 8), hours("m1", 10), hours("m1", 1)], &sheet, &[]).unwrap();
    assert_eq!(whole.tallies[0].quantity, next.tallies[0].quantity);
    assert_eq!(whole.charges[2].amount, "4");
    // Every tier at once.
    assert_eq!(charges(&[hours("m1", 30)], &sheet)[0].amount, "15");
}

#[test]
fn no_digit_of_a_large_amount_is_lost() {
    let quantity = 1_000_000_000_000_000_001;
    let large = charges(&[piece("vcpu", "", quantity, 0, 86_400 * MICROS)], &sheet(&[("vcpu", "", "1.000000001")]));
    assert_eq!(large[0].amount, "24000000024000000024.000000024");
    // The longest piece of the largest quantity.
    let whole = [piece("vcpu", "", u64::MAX, i64::MIN, i64::MAX)];
    assert_eq!(charges(&whole, &sheet(&[("vcpu", "", "0.000000001")]))[0].seconds, 18_446_744_073_709);
}

#[test]
fn thirds_are_rounded_at_the_ninth_digit() {
    let third = charges(&[piece("vcpu", "", 1, 0, MICROS)], &sheet(&[("vcpu", "", "1")]));
    assert_eq!(third[0].amount, "0.000277778");
}

#[test]
fn rubbish_is_an_error_not_a_charge() {
    let second = [piece("vcpu", "", 1, 0, MICROS)];
    let fails = |pieces: &[Piece], price: &str, tallies: &[Tally]| {
        rate(pieces, &sheet(&[("vcpu", "", price)]), tallies).is_err()
    };
    assert!(fails(&second, "cheap", &[]) && fails(&second, "-1", &[]));
    assert!(fails(&[piece("vcpu", "", 1, MICROS, 0)], "1", &[]));
    assert!(fails(&[piece("vcpu", "", u64::MAX, 0, i64::MAX)], "79228162514264337593543950335", &[]));
    assert!(fails(&second, "1", &[Tally { key: "vcpu//".into(), quantity: "many".into() }]));
}
