//! Natively: a tariff is a function.

use flat_fee::Component;
use skyloom_sdk::tariff::rating::{Guest, Price, Sheet, Span};

fn span(id: &str, meter: &str, seconds: i64) -> Span {
    Span {
        id: id.into(),
        project_id: "p".into(),
        resource_kind: "server".into(),
        resource_id: "s".into(),
        meter: meter.into(),
        class: String::new(),
        quantity: 4,
        start: 0,
        end: seconds * 1_000_000,
    }
}

#[test]
fn every_span_costs_the_same_and_what_has_no_price_nothing() {
    let price = Price { meter: "vcpu".into(), class: String::new(), per_unit_hour: "0.5".into() };
    let sheet = Sheet { id: "1".into(), currency: "USD".into(), prices: vec![price] };
    let spans = vec![span("a", "vcpu", 1), span("b", "image-gib", 10), span("c", "vcpu", 7200)];
    let charges = Component::rate(spans, sheet).unwrap();
    let lines: Vec<_> =
        charges.iter().map(|charge| (charge.span_id.as_str(), charge.seconds, charge.amount.as_str())).collect();
    assert_eq!(lines, [("a", 1, "0.5"), ("c", 7200, "0.5")]);
}
