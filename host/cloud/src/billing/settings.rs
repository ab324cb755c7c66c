//! The `[billing]` table of the deployment file, and the first price sheet.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};
use skyloom_model::{Error, Result, Timestamp};
use skyloom_store::prices::Price;

use super::money;

/// Rating periods are at most a day: each lies in one local day, and so in one tariff month.
const MAX_PERIOD_MINUTES: u32 = 24 * 60;

/// When use is rated.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Length of a rating period, at most a day (1440); periods are counted from local midnight and end with the day.
    pub period_minutes: u32,
    /// How long after its end a period is rated, so that every transaction of that time has been committed.
    pub delay_seconds: u32,
    /// How often the rating run looks for periods to rate.
    pub interval_seconds: u32,
    /// Whose days and months count, e.g. `Asia/Shanghai`. What is rated already stays in the days that it was rated in.
    pub time_zone: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            period_minutes: MAX_PERIOD_MINUTES,
            delay_seconds: 120,
            interval_seconds: 60,
            time_zone: "UTC".to_owned(),
        }
    }
}

impl Settings {
    pub fn check(&self) -> Result<()> {
        if self.period_minutes == 0 || self.interval_seconds == 0 {
            return Err(Error::invalid("billing", "[billing] period-minutes and interval-seconds are at least 1"));
        }
        if self.period_minutes > MAX_PERIOD_MINUTES {
            let text = format!("[billing] period-minutes is at most {MAX_PERIOD_MINUTES}, a day");
            return Err(Error::invalid("billing", text));
        }
        self.calendar().map(drop)
    }

    pub(crate) fn calendar(&self) -> Result<Calendar> {
        let zone = TimeZone::get(&self.time_zone).map_err(|_| {
            Error::invalid("billing", format!("[billing] time-zone: {:.64} is no time zone", self.time_zone))
        })?;
        let part = self.period_minutes < MAX_PERIOD_MINUTES;
        let period = part.then(|| SignedDuration::from_mins(self.period_minutes.into()));
        Ok(Calendar { zone, period })
    }
}

/// A stretch of time within one local day. Half open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// e.g. `2026-11-29`.
    pub(crate) day: String,
}

/// The tariff month of a local day: `2026-11`. Empty: of a day that nobody knows.
pub(super) fn month_of(day: &str) -> &str {
    day.get(..7).unwrap_or_default()
}

/// The days of the billing time zone, and the rating periods in them.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: TimeZone,
    /// None: the whole day, also one with an hour more or less.
    period: Option<SignedDuration>,
}

impl Calendar {
    /// The period that a time lies in.
    pub(crate) fn period_of(&self, time: Timestamp) -> Result<Stretch> {
        let local = self.local(time)?;
        let midnight = local.start_of_day().map_err(out_of_time)?;
        let next = midnight.tomorrow().and_then(|day| day.start_of_day()).map_err(out_of_time)?;
        let (midnight, next) = (i128::from(micros(&midnight)), i128::from(micros(&next)));
        // Counted in time that passes, not by what the clock says.
        let length = self.period.map_or(next - midnight, |period| period.as_micros());
        let start = midnight + (i128::from(time.0) - midnight) / length * length;
        let end = (start + length).min(next);
        let at = |time: i128| i64::try_from(time).map(Timestamp).map_err(out_of_time);
        Ok(Stretch { start: at(start)?, end: at(end)?, day: local.date().to_string() })
    }

    /// When the tariff month of a time begins.
    pub(super) fn month_begin(&self, time: Timestamp) -> Result<Timestamp> {
        let first = self.local(time)?.first_of_month().and_then(|day| day.start_of_day()).map_err(out_of_time)?;
        Ok(Timestamp(micros(&first)))
    }

    fn local(&self, time: Timestamp) -> Result<Zoned> {
        let time = jiff::Timestamp::from_microsecond(time.0).map_err(out_of_time)?;
        Ok(time.to_zoned(self.zone.clone()))
    }
}

fn micros(time: &Zoned) -> i64 {
    time.timestamp().as_microsecond()
}

fn out_of_time(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("a time has no place in the calendar: {error}"))
}

/// The `[seed.billing]` table.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    pub currency: String,
    pub prices: Vec<SeedPrice>,
}

/// Price of one unit of a meter for one hour, at most 9223372036.854775807: decimal with at most nine digits after the point.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeedPrice {
    pub meter: String,
    /// What it is of (flavor, volume type); empty: every one without a price of its own.
    #[serde(default)]
    pub class: String,
    pub per_unit_hour: String,
}

impl Seed {
    pub(super) fn prices(&self) -> Result<Vec<Price>> {
        let price = |price: &SeedPrice| {
            Ok(Price {
                meter: price.meter.clone(),
                class: price.class.clone(),
                server_state: String::new(),
                from_units: 0,
                nano_per_unit_hour: money::parse_price(&price.per_unit_hour)?,
            })
        };
        self.prices.iter().map(price).collect()
    }
}

impl Default for Seed {
    fn default() -> Self {
        let price = |meter: &str, per_unit_hour: &str| SeedPrice {
            meter: meter.to_owned(),
            class: String::new(),
            per_unit_hour: per_unit_hour.to_owned(),
        };
        Self {
            currency: "EUR".to_owned(),
            prices: vec![
                price("vcpu", "0.012"),
                price("memory-mib", "0.000004"),
                price("volume-gib", "0.0001"),
                price("image-gib", "0.00005"),
                price("public-address", "0.005"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(zone: &str, minutes: u32, at: &str) -> (String, String, String) {
        let settings = Settings { period_minutes: minutes, time_zone: zone.to_owned(), ..Settings::default() };
        let time: jiff::Timestamp = at.parse().expect("a time");
        let found = settings.calendar().expect("a zone").period_of(Timestamp(time.as_microsecond())).expect("a period");
        let text = |time: Timestamp| jiff::Timestamp::from_microsecond(time.0).expect("a time").to_string();
        (text(found.start), text(found.end), found.day)
    }

    #[test]
    fn periods_are_counted_from_local_midnight_and_end_with_the_day() {
        for (zone, minutes, at, start, end, day) in [
            ("UTC", 1440, "2026-11-29T13:00:00Z", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z", "2026-11-29"),
            (
                "Asia/Shanghai",
                1440,
                "2026-11-29T16:00:00Z",
                "2026-11-29T16:00:00Z",
                "2026-11-30T16:00:00Z",
                "2026-11-30",
            ),
            ("Asia/Kolkata", 60, "2026-11-29T18:45:00Z", "2026-11-29T18:30:00Z", "2026-11-29T19:30:00Z", "2026-11-30"),
            // Seven hours thrice, then what is left of the day.
            ("UTC", 420, "2026-11-29T22:00:00Z", "2026-11-29T21:00:00Z", "2026-11-30T00:00:00Z", "2026-11-29"),
            // The days on which the clock is put on and back.
            (
                "Europe/Berlin",
                1440,
                "2026-03-29T12:00:00Z",
                "2026-03-28T23:00:00Z",
                "2026-03-29T22:00:00Z",
                "2026-03-29",
            ),
            (
                "Europe/Berlin",
                1440,
                "2026-10-25T12:00:00Z",
                "2026-10-24T22:00:00Z",
                "2026-10-25T23:00:00Z",
                "2026-10-25",
            ),
            ("Europe/Berlin", 60, "2026-10-25T22:59:00Z", "2026-10-25T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-25"),
        ] {
            let expected = (start.to_owned(), end.to_owned(), day.to_owned());
            assert_eq!(period(zone, minutes, at), expected, "{zone} {minutes} {at}");
        }
    }

    #[test]
    fn a_month_begins_at_its_first_local_midnight() {
        let settings = Settings { time_zone: "Asia/Shanghai".to_owned(), ..Settings::default() };
        let time = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().expect("a time").as_microsecond());
        let begin = settings.calendar().expect("a zone").month_begin(time("2026-11-30T16:00:00Z")).expect("a month");
        assert_eq!(begin, time("2026-11-30T16:00:00Z"), "there it is December");
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let says = |settings: Settings| settings.check().expect_err("refused").message;
        let default = Settings::default;
        assert!(says(Settings { period_minutes: 1441, ..default() }).contains("at most 1440"));
        assert!(says(Settings { period_minutes: 0, ..default() }).contains("at least 1"));
        assert!(
            says(Settings { time_zone: "Mars/Base".to_owned(), ..default() }).contains("Mars/Base is no time zone")
        );
        default().check().expect("sound");
    }
}
