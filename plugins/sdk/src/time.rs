//! The forms of ISO 8601 that vendors write and read. Times are microseconds since 1970-01-01T00:00:00Z, UTC.

use crate::Timestamp;

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// `2026-01-31T12:00:00Z`.
#[must_use]
pub fn seconds_z(time: Timestamp) -> String {
    text(|out| write_seconds_z(out, time))
}

/// `2026-01-31T12:00:00.000000`.
#[must_use]
pub fn micros(time: Timestamp) -> String {
    text(|out| write_micros(out, time))
}

/// `2026-01-31T12:00:00.000000Z`.
#[must_use]
pub fn micros_z(time: Timestamp) -> String {
    text(|out| {
        write_micros(out, time);
        out.push(b'Z');
    })
}

/// `2026-01-31T12:00:00.000Z`.
#[must_use]
pub fn millis_z(time: Timestamp) -> String {
    text(|out| {
        let micros = write_seconds(out, time);
        out.push(b'.');
        write_digits::<3>(out, micros / 1000);
        out.push(b'Z');
    })
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::with_capacity(32);
    write(&mut out);
    // Only ASCII was written.
    String::from_utf8(out).unwrap_or_default()
}

/// [`seconds_z`] into a buffer.
pub fn write_seconds_z(out: &mut Vec<u8>, time: Timestamp) {
    write_seconds(out, time);
    out.push(b'Z');
}

/// [`micros`] into a buffer.
pub fn write_micros(out: &mut Vec<u8>, time: Timestamp) {
    let micros = write_seconds(out, time);
    out.push(b'.');
    write_digits::<6>(out, micros);
}

/// Writes up to the seconds and gives the microseconds that are left.
fn write_seconds(out: &mut Vec<u8>, time: Timestamp) -> u32 {
    let seconds = time.div_euclid(MICROS);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY) as u32;
    write_digits::<4>(out, u32::try_from(year.clamp(0, 9999)).unwrap_or(0));
    out.push(b'-');
    write_digits::<2>(out, month);
    out.push(b'-');
    write_digits::<2>(out, day);
    out.push(b'T');
    write_digits::<2>(out, second / 3600);
    out.push(b':');
    write_digits::<2>(out, second / 60 % 60);
    out.push(b':');
    write_digits::<2>(out, second % 60);
    time.rem_euclid(MICROS) as u32
}

fn write_digits<const WIDTH: usize>(out: &mut Vec<u8>, number: u32) {
    let mut digits = [b'0'; WIDTH];
    let mut rest = number;
    for slot in digits.iter_mut().rev() {
        *slot = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&digits);
}

/// Year, month and day of a day number since the epoch (proleptic Gregorian; eras of 400 years begin in March).
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = (if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 }) as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn month_length(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Reads `2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00`, with a fraction of a second (`.` or `,`), with `Z`, `+08:00`,
/// `+0800` or `+08`, with a blank for the `T`. No zone means UTC. None: it is none of these, or no such day or time.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let mut reader = Reader { rest: text.trim().as_bytes() };
    let year = i64::from(reader.number(4)?);
    reader.expect(b'-')?;
    let month = reader.number(2)?;
    reader.expect(b'-')?;
    let day = reader.number(2)?;
    if !(1..=12).contains(&month) || day == 0 || day > month_length(year, month) {
        return None;
    }
    let midnight = days_of(year, month, day) * DAY;
    if reader.rest.is_empty() {
        return Some(midnight * MICROS);
    }
    if !matches!(reader.next()?, b'T' | b't' | b' ') {
        return None;
    }
    let hour = reader.number(2)?;
    reader.expect(b':')?;
    let minute = reader.number(2)?;
    let mut second = 0;
    let mut micros = 0;
    if reader.peek() == Some(b':') {
        reader.expect(b':')?;
        second = reader.number(2)?;
        if matches!(reader.peek(), Some(b'.' | b',')) {
            reader.next()?;
            micros = reader.fraction()?;
        }
    }
    let offset = reader.offset()?;
    if hour > 23 || minute > 59 || second > 59 || !reader.rest.is_empty() {
        return None;
    }
    let seconds = midnight + i64::from(hour * 3600 + minute * 60 + second) - offset;
    Some(seconds * MICROS + i64::from(micros))
}

/// The moments that a text means, from the first to the last: it is as exact as it is written, so that without a fraction of a
/// second it means the whole second. None as for [`parse`].
#[must_use]
pub fn parse_span(text: &str) -> Option<(Timestamp, Timestamp)> {
    let first = parse(text)?;
    let fraction = text.find(['.', ',']).map_or("", |at| &text[at + 1..]);
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    let length = 10_i64.pow(6_u32.saturating_sub(u32::try_from(digits).unwrap_or(6)));
    Some((first, first.saturating_add(length - 1)))
}

/// The first and the last moment of the second that a moment is in: what a face means that shows whole seconds.
#[must_use]
pub fn second_of(time: Timestamp) -> (Timestamp, Timestamp) {
    let first = time.div_euclid(MICROS).saturating_mul(MICROS);
    (first, first.saturating_add(MICROS - 1))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn number(&mut self, width: usize) -> Option<u32> {
        let mut number = 0;
        for _ in 0..width {
            let byte = self.next()?;
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + u32::from(byte - b'0');
        }
        Some(number)
    }

    /// Microseconds; further digits are cut.
    fn fraction(&mut self) -> Option<u32> {
        let (mut micros, mut digits) = (0, 0);
        while let Some(byte) = self.peek().filter(u8::is_ascii_digit) {
            if digits < 6 {
                micros = micros * 10 + u32::from(byte - b'0');
            }
            digits += 1;
            self.next();
        }
        if digits == 0 {
            return None;
        }
        Some(micros * 10_u32.pow(6_u32.saturating_sub(digits)))
    }

    /// Seconds east of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.peek() {
            None => return Some(0),
            Some(b'Z' | b'z') => {
                self.next();
                return Some(0);
            }
            // A `+` that came unescaped in a query has become a blank.
            Some(b'+' | b' ') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        self.next();
        let hours = self.number(2)?;
        let minutes = match self.peek() {
            None => 0,
            Some(b':') => {
                self.next();
                self.number(2)?
            }
            Some(_) => self.number(2)?,
        };
        (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_the_forms() {
        let time = 1_767_225_599_123_456;
        assert_eq!(seconds_z(time), "2025-12-31T23:59:59Z");
        assert_eq!(micros(time), "2025-12-31T23:59:59.123456");
        assert_eq!(micros_z(time), "2025-12-31T23:59:59.123456Z");
        assert_eq!(millis_z(time), "2025-12-31T23:59:59.123Z");
        assert_eq!(seconds_z(0), "1970-01-01T00:00:00Z");
        assert_eq!(seconds_z(-1), "1969-12-31T23:59:59Z");
        assert_eq!(seconds_z(951_782_400_000_000), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn reads_what_it_writes_over_the_years() {
        let mut time: Timestamp = -62_000_000_000_000_000;
        while time < 250_000_000_000_000_000 {
            assert_eq!(parse(&micros_z(time)), Some(time), "{}", micros_z(time));
            time += 12_345_678_901_234;
        }
    }

    #[test]
    fn reads_the_forms() {
        let noon = 1_767_268_800_000_000;
        for text in [
            "2026-01-01T12:00:00Z",
            "2026-01-01T12:00:00",
            "2026-01-01 12:00:00",
            "2026-01-01T12:00",
            "2026-01-01T20:00:00+08:00",
            "2026-01-01T20:00:00+0800",
            "2026-01-01T20:00:00+08",
            "2026-01-01T12:00:00.000000",
            "2026-01-01T07:00:00-05:00",
            "2026-01-01T20:00:00 08:00",
        ] {
            assert_eq!(parse(text), Some(noon), "{text}");
        }
        assert_eq!(parse("2026-01-01T12:00:00.5Z"), Some(noon + 500_000));
        assert_eq!(parse("2026-01-01T12:00:00.1234567Z"), Some(noon + 123_456));
        for text in [
            "",
            "yesterday",
            "2026-02-29",
            "2026-13-01",
            "2026-01-01T24:00:00Z",
            "2026-01-01T12:00:00Zx",
            "2026-1-1",
            "2026-01-01T",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_as_exact_as_it_is_written() {
        let noon = 1_767_268_800_000_000;
        for (text, length) in [
            ("2026-01-01T12:00:00Z", 1_000_000),
            ("2026-01-01T12:00:00.0Z", 100_000),
            ("2026-01-01T12:00:00.000+00:00", 1_000),
            ("2026-01-01T12:00:00.000000", 1),
            ("2026-01-01T12:00:00,0000000Z", 1),
        ] {
            assert_eq!(parse_span(text), Some((noon, noon + length - 1)), "{text}");
        }
        assert_eq!(parse_span("noon"), None);
        assert_eq!(second_of(noon + 999_999), (noon, noon + 999_999));
        assert_eq!(second_of(-1), (-1_000_000, -1));
    }
}
