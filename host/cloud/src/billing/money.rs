//! Money: whole nano-units inside, decimal text outside. Amounts have 128 bits, a price per unit and hour has 64.

use skyloom_model::{Error, Result};

/// Digits after the point.
const SCALE: usize = 9;
/// Nano-units in one unit.
const NANO: i128 = 1_000_000_000;

/// A decimal text with at most nine digits after the point, not negative.
pub(crate) fn parse(text: &str) -> Result<i128> {
    read(text).ok_or_else(|| {
        Error::invalid("amount", format!("{text:.64} is not an amount with at most nine decimal places, or too large."))
    })
}

/// [`parse`] of a price per unit and hour: at most 9223372036.854775807.
pub(crate) fn parse_price(text: &str) -> Result<i64> {
    i64::try_from(parse(text)?)
        .map_err(|_| Error::invalid("amount", format!("{text:.64} is more than {}.", format(i64::MAX.into()))))
}

fn read(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(fraction)?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > SCALE {
        return None;
    }
    let nano = digits(&format!("{fraction:0<SCALE$}"))?;
    digits(whole)?.checked_mul(NANO)?.checked_add(nano)
}

/// None: not digits only, or too many.
fn digits(text: &str) -> Option<i128> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Without needless zeros: `0.0125`, `3`, `0`.
pub(crate) fn format(nano: i128) -> String {
    let sign = if nano < 0 { "-" } else { "" };
    let (whole, rest) = (nano.unsigned_abs() / NANO.unsigned_abs(), nano.unsigned_abs() % NANO.unsigned_abs());
    if rest == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{rest:0SCALE$}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_both_ways() {
        let largest = "170141183460469231731687303715.884105727";
        for (text, nano) in [
            ("0.0125", 12_500_000),
            ("3", 3 * NANO),
            ("0", 0),
            ("0.000000001", 1),
            ("10", 10 * NANO),
            (largest, i128::MAX),
        ] {
            assert_eq!(parse(text).expect(text), nano);
            assert_eq!(format(nano), text);
        }
        assert_eq!(parse("1.500").expect("zeros"), 1_500_000_000);
        assert_eq!(parse("1.5000000000000").expect("zeros"), 1_500_000_000);
        assert_eq!(format(-12_500_000), "-0.0125");
        let too_large = "170141183460469231731687303715.884105728";
        for text in ["", ".", "1.", ".5", "-1", "+1", "0.0000000001", "1e3", "x", "1_0", " 1", "1.2.3", too_large] {
            parse(text).expect_err(text);
        }
    }

    #[test]
    fn a_price_has_64_bits() {
        assert_eq!(parse_price("9223372036.854775807").expect("the largest"), i64::MAX);
        let error = parse_price("9223372036.854775808").expect_err("too large");
        assert_eq!(error.message, "9223372036.854775808 is more than 9223372036.854775807.");
    }
}
