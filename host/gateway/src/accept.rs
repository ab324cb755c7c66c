//! What a client accepts (RFC 9110, section 12.5.1).

use mime::Mime;

/// Which of the offers the client likes best, the first of equal ones. None: it takes none of them, or says nothing.
pub(crate) fn best<'o, T>(accept: &str, offers: impl Iterator<Item = (&'o Mime, T)>) -> Option<T> {
    let ranges: Vec<Mime> = accept.split(',').filter_map(|range| range.trim().parse().ok()).collect();
    let mut best = None;
    for (offer, it) in offers {
        let weight = weight(&ranges, offer);
        if weight > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((weight, it));
        }
    }
    best.map(|(_, it)| it)
}

/// Thousandths; the most exact range decides.
fn weight(ranges: &[Mime], offer: &Mime) -> u32 {
    let exactness = |range: &Mime| match (range.type_(), range.subtype()) {
        (mime::STAR, _) => 1,
        (kind, mime::STAR) if kind == offer.type_() => 2,
        (kind, subtype) if kind == offer.type_() && subtype == offer.subtype() => 3,
        _ => 0,
    };
    let range = ranges.iter().max_by_key(|range| exactness(range)).filter(|range| exactness(range) > 0);
    range.map_or(0, |range| {
        let quality = range.get_param("q").map_or(Some(1.0), |text| text.as_str().parse::<f64>().ok());
        (quality.unwrap_or(0.0).clamp(0.0, 1.0) * 1000.0) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_range_and_its_weight_decide() {
        let offers = [mime::TEXT_HTML, mime::APPLICATION_JSON];
        let best = |accept: &str| best(accept, offers.iter().map(|offer| (offer, offer.subtype().as_str())));
        for (accept, expected) in [
            ("*/*", Some("html")),
            ("application/json", Some("json")),
            ("Application/JSON; charset=utf-8", Some("json")),
            ("text/html;q=0.5, application/*;q=0.6", Some("json")),
            ("*/*, text/html;q=0", Some("json")),
            ("application/json;q=0.2, */*;q=0.1", Some("json")),
            ("text/plain", None),
            ("application/json;q=x", None),
            ("", None),
            (";;,,/", None),
        ] {
            assert_eq!(best(accept), expected, "{accept}");
        }
    }
}
