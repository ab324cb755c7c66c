//! Money: whole nano-units inside, decimal text outside.

use rust_decimal::Decimal;
use skyloom_model::{Error, Result};

/// Nano-units in one unit.
const NANO: i64 = 1_000_000_000;

/// A decimal text with at most nine digits after the point, not negative.
pub(crate) fn parse(text: &str) -> Result<i64> {
    let wrong = || Error::invalid("amount", format!("{text} is not an amount with at most nine decimal places."));
    let decimal: Decimal = Decimal::from_str_exact(text).map_err(|_| wrong())?;
    let nano = decimal.checked_mul(Decimal::from(NANO)).ok_or_else(wrong)?;
    if nano.is_sign_negative() && !nano.is_zero() || !nano.fract().is_zero() {
        return Err(wrong());
    }
    i64::try_from(nano.trunc()).map_err(|_| wrong())
}

/// Without needless zeros: `0.0125`, `3`, `0`.
pub(crate) fn format(nano: i64) -> String {
    Decimal::from_i128_with_scale(i128::from(nano), 9).normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_both_ways() {
        for (text, nano) in [("0.0125", 12_500_000), ("3", 3 * NANO), ("0", 0), ("0.000000001", 1)] {
            assert_eq!(parse(text).expect(text), nano);
            assert_eq!(format(nano), text);
        }
        assert_eq!(parse("1.500").expect("zeros"), 1_500_000_000);
        for text in ["", "-1", "0.0000000001", "1e3", "x", "99999999999999999999"] {
            parse(text).expect_err(text);
        }
    }
}
