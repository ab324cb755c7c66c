//! Money: whole nano-units inside, decimal text outside. Amounts have 128 bits, a price per unit and hour has 64.

use bigdecimal::{BigDecimal, ToPrimitive as _};
use skyloom_model::{Error, Result};

/// Digits after the point.
const SCALE: i64 = 9;
/// Letters of an amount: all that 128 bits hold, and as much again for needless zeros.
const MAX_TEXT: usize = 80;

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
    // The library reads signs, exponents and bare points too.
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > MAX_TEXT || !plain(whole) || !plain(fraction) {
        return None;
    }
    let amount: BigDecimal = text.parse().ok()?;
    let nano = amount.with_scale(SCALE);
    if nano == amount { nano.into_bigint_and_scale().0.to_i128() } else { None }
}

/// Without needless zeros: `0.0125`, `3`, `0`.
pub(crate) fn format(nano: i128) -> String {
    BigDecimal::from_bigint(nano.into(), SCALE).normalized().to_plain_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_both_ways() {
        let largest = "170141183460469231731687303715.884105727";
        for (text, nano) in [
            ("0.0125", 12_500_000),
            ("3", 3_000_000_000),
            ("0", 0),
            ("0.000000001", 1),
            ("10", 10_000_000_000),
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
