//! Natively: a tariff is a function.

use flat_fee::Component;
use skyloom_sdk::tariff::rating::{Guest, Piece, Price, Sheet, Tier};

fn piece(meter: &str, seconds: i64) -> Piece {
    Piece {
        project_id: "p".into(),
        resource_kind: "server".into(),
        resource_id: "s".into(),
        meter: meter.into(),
        class: String::new(),
        server_state: String::new(),
        quantity: 4,
        start: 0,
        end: seconds * 1_000_000,
    }
}

#[test]
fn every_piece_costs_the_same_and_what_has_no_price_nothing() {
    let tiers = vec![Tier { from: 0, per_unit_hour: "0.5".into() }];
    let price = Price { meter: "vcpu".into(), class: String::new(), server_state: String::new(), tiers };
    let sheet = Sheet { id: "1".into(), currency: "USD".into(), prices: vec![price] };
    let pieces = vec![piece("vcpu", 1), piece("image-gib", 10), piece("vcpu", 7200)];
    let charges = Component::rate(pieces, sheet, Vec::new()).unwrap().charges;
    let lines: Vec<_> = charges.iter().map(|charge| (charge.piece, charge.seconds, charge.amount.as_str())).collect();
    assert_eq!(lines, [(0, 1, "0.5"), (2, 7200, "0.5")]);
}
