//! Money of tariffs: decimal text in the contract, whole nano-units in 128 bits to calculate with.

/// Digits after the point, of prices and amounts.
const SCALE: usize = 9;
const NANO: u128 = 1_000_000_000;

/// Nano-units of a decimal text. None: not digits with at most nine after the point, or more than 128 bits.
#[must_use]
pub fn parse(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    digits(fraction)?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > SCALE {
        return None;
    }
    let nano = digits(&format!("{fraction:0<SCALE$}"))?;
    digits(whole)?.checked_mul(NANO)?.checked_add(nano)
}

fn digits(text: &str) -> Option<u128> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The decimal text, without needless zeros: `0.0125`, `3`.
#[must_use]
pub fn format(nano: u128) -> String {
    let (whole, rest) = (nano / NANO, nano % NANO);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:0SCALE$}").trim_end_matches('0').to_owned() }
}

/// `amount * price / divisor`, rounded half to even, exact whatever the size of the product. None: the result has more than 128
/// bits, or the divisor times the price has, or the divisor is 0.
#[must_use]
pub fn share(amount: u128, price: u128, divisor: u128) -> Option<u128> {
    let (whole, rest) = (amount.checked_div(divisor)?, amount.checked_rem(divisor)?);
    let part = rest.checked_mul(price)?;
    let floor = whole.checked_mul(price)?.checked_add(part / divisor)?;
    // Twice what was cut off, against the divisor.
    let up = match (part % divisor).checked_mul(2)?.cmp(&divisor) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => floor % 2,
        std::cmp::Ordering::Greater => 1,
    };
    floor.checked_add(up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_both_ways() {
        let largest = "340282366920938463463374607431.768211455";
        for (text, nano) in
            [("0.0125", 12_500_000), ("3", 3 * NANO), ("0", 0), ("0.000000001", 1), (largest, u128::MAX)]
        {
            assert_eq!(parse(text), Some(nano), "{text}");
            assert_eq!(format(nano), text);
        }
        assert_eq!(parse("1.500"), Some(1_500_000_000));
        for text in
            ["", "cheap", "-1", "+1", ".5", "1.", "1e3", "0.0000000001", "340282366920938463463374607431.768211456"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_exact_and_rounded_half_to_even() {
        assert_eq!(share(1, 1, 2), Some(0));
        assert_eq!(share(3, 1, 2), Some(2));
        assert_eq!(share(5, 1, 2), Some(2));
        assert_eq!(share(2, 1, 3), Some(1));
        // The product has 200 bits.
        let (amount, price) = (3600 * 10_u128.pow(27), 10_u128.pow(10));
        assert_eq!(share(amount, price, 3600), Some(10_u128.pow(37)));
        assert_eq!(share(amount + 1, 7200, 3600), Some(7200 * 10_u128.pow(27) + 2));
        assert_eq!(share(u128::MAX, 3601, 3600), None);
        assert_eq!(share(1, 1, 0), None);
    }
}
