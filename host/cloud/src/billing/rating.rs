//! The rating run: walks through what each account used in a period, and keeps the charges that the tariff gives. A period is
//! rated once, and after those before it in its month; a tariff that fails parks it, and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skyloom_model::{Error, Reach, Result, Timestamp};
use skyloom_runtime::tariff::Tariff;
use skyloom_store::Conn;
use skyloom_store::charges::{self, Charge, Day};
use skyloom_store::metering::{self, Select};
use skyloom_store::periods::{self, Period, PeriodState, Tallies};

use super::Billing;
use super::settings::month_of;
use super::timeline::Lists;
use super::walk::{Failure, Rated, Walk};

/// A period that nobody touched for so long has lost its process.
const STALE: Duration = Duration::from_mins(5);
/// Waiting periods that are read at once; few in tests, so that those turn pages.
const PAGE: u32 = if cfg!(test) { 2 } else { 1000 };
/// Periods of an account that one run begins.
const MAX_NEW: usize = 10_000;

/// What a rating run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RatingReport {
    pub rated: u32,
    pub parked: u32,
}

/// All that an account used in a time.
pub(super) fn all_of(account: &str, start: Timestamp, end: Timestamp) -> Select {
    Select { account: Some(account.to_owned()), reach: Reach::All, resource_id: None, meter: None, start, end }
}

/// What the month had counted when a period began. None: a period before it in the month isn't rated yet.
pub(super) async fn carried(conn: &mut Conn, period: &Period) -> Result<Option<Tallies>> {
    let month = month_of(&period.day);
    match periods::before(conn, &period.domain_id, period.started_at).await? {
        Some(before) if !month.is_empty() && month_of(&before.day) == month => {
            Ok((before.state == PeriodState::Rated).then_some(before.tallies))
        }
        _ => Ok(Some(Tallies::new())),
    }
}

impl Billing {
    /// Rates every period that is over, oldest first. Parked ones are tried again once there is another tariff.
    pub async fn rate_due(&self, now: Timestamp) -> Result<RatingReport> {
        let Some(tariff) = self.tariff() else { return Ok(RatingReport::default()) };
        self.open_periods(now).await?;
        let mut report = RatingReport::default();
        let mut lists = Lists::default();
        let mut after = (Timestamp(i64::MIN), String::new());
        loop {
            let mut conn = self.db().read().await?;
            let waiting = periods::due(&mut conn, tariff.digest(), (after.0, &after.1), PAGE).await?;
            drop(conn);
            // Those that wait for one before them stay, and hold nobody else up.
            let Some(last) = waiting.last() else { return Ok(report) };
            after = (last.started_at, last.domain_id.clone());
            for period in &waiting {
                match self.rate_period(&tariff, &mut lists, period, now).await? {
                    Some(PeriodState::Rated) => report.rated += 1,
                    Some(PeriodState::Parked) => report.parked += 1,
                    Some(PeriodState::Rating) | None => {}
                }
            }
        }
    }

    /// Writes down the periods that are over, of each account from its first use on.
    async fn open_periods(&self, now: Timestamp) -> Result<()> {
        let over = now.minus(Duration::from_secs(u64::from(self.settings.delay_seconds)));
        let accounts = metering::accounts(&mut self.db().read().await?).await?;
        for account in accounts {
            let mut conn = self.db().read().await?;
            let last = periods::before(&mut conn, &account, Timestamp(i64::MAX)).await?;
            let known = last.map_or(Timestamp(0), |period| period.ended_at);
            // Time without use needs no rating.
            let Some(first) = metering::earliest(&mut conn, &all_of(&account, known, over)).await? else { continue };
            drop(conn);
            let mut start = self.calendar.period_of(first.max(known))?.start.max(known);
            let mut new = Vec::new();
            while new.len() < MAX_NEW {
                let period = self.calendar.period_of(start)?;
                if period.end > over {
                    break;
                }
                new.push((start, period.end, period.day));
                start = period.end;
            }
            if new.is_empty() {
                continue;
            }
            let mut tx = self.db().begin().await?;
            for (start, end, day) in &new {
                periods::insert(&mut tx, &account, (*start, *end), day).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// None: it is rated already, in another process's hand, or waits for one before it.
    async fn rate_period(
        &self,
        tariff: &Arc<dyn Tariff>,
        lists: &mut Lists,
        period: &Period,
        now: Timestamp,
    ) -> Result<Option<PeriodState>> {
        let mut tx = self.db().begin().await?;
        let Some(tallies) = carried(&mut tx, period).await? else { return Ok(None) };
        let key = (period.domain_id.as_str(), period.started_at);
        let claimed = periods::claim(&mut tx, key, now.minus(STALE), now).await?;
        tx.commit().await?;
        let Some(mut period) = claimed else { return Ok(None) };
        tariff.digest().clone_into(&mut period.rule_digest);
        let mut days = Vec::new();
        match self.charge_period(tariff, lists, &period, tallies).await {
            Ok(Some((tallies, found))) => {
                period.state = PeriodState::Rated;
                period.tallies = tallies;
                days = found;
            }
            Ok(None) => return Ok(None),
            Err(Failure::Tariff(error)) => {
                let text = error.for_log();
                let (account, start) = (&period.domain_id, period.started_at.0);
                tracing::error!(account, period = start, error = text, "the tariff failed; the period is parked");
                period.state = PeriodState::Parked;
                period.error = text;
            }
            Err(Failure::Store(error)) => return Err(error),
        }
        let mut tx = self.db().begin().await?;
        let ours = periods::touch(&mut tx, &period, Timestamp::now()).await?;
        if ours {
            for day in &days {
                charges::insert_day(&mut tx, &period.domain_id, period.started_at, day).await?;
            }
        }
        tx.commit().await?;
        Ok(ours.then_some(period.state))
    }

    /// Gives the month's quantities at the period's end and what each resource cost; none when another attempt has taken the
    /// period meanwhile.
    async fn charge_period(
        &self,
        tariff: &Arc<dyn Tariff>,
        lists: &mut Lists,
        period: &Period,
        tallies: Tallies,
    ) -> Result<Option<(Tallies, Vec<Day>)>, Failure> {
        let wanted = all_of(&period.domain_id, period.started_at, period.ended_at);
        let mut days = Days::of(period);
        let mut walk = Walk::begin((self.db(), tariff, lists), wanted, &period.revision_id, tallies).await?;
        while let Some(rated) = walk.next().await? {
            let now = Timestamp::now();
            let mut tx = self.db().begin().await?;
            if !periods::touch(&mut tx, period, now).await? {
                return Ok(None);
            }
            for rated in &rated {
                charges::insert(&mut tx, &charge(rated, period, now)).await?;
                days.add(rated).map_err(Failure::Tariff)?;
            }
            tx.commit().await?;
        }
        Ok(Some((walk.tallies, days.found.into_values().collect())))
    }
}

pub(super) fn charge(rated: &Rated, period: &Period, now: Timestamp) -> Charge {
    Charge {
        span_id: rated.span.id.clone(),
        revision_id: rated.revision_id.clone(),
        domain_id: period.domain_id.clone(),
        period_start: period.started_at,
        project_id: rated.span.project_id.clone(),
        started_at: rated.started_at,
        ended_at: rated.ended_at,
        server_state: rated.server_state.clone(),
        seconds: rated.seconds,
        nano_unit_price: rated.nano_unit_price,
        nano_amount: rated.nano_amount,
        rule_digest: period.rule_digest.clone(),
        created_at: now,
    }
}

/// A period's charges, added up by resource and meter. A period without a local day has none.
struct Days<'p> {
    period: &'p Period,
    found: BTreeMap<(String, String), Day>,
}

impl<'p> Days<'p> {
    fn of(period: &'p Period) -> Self {
        Self { period, found: BTreeMap::new() }
    }

    fn add(&mut self, rated: &Rated) -> Result<()> {
        if self.period.day.is_empty() {
            return Ok(());
        }
        let span = &rated.span;
        let day = self.found.entry((span.resource_id.clone(), span.meter.clone())).or_insert_with(|| Day {
            resource_id: span.resource_id.clone(),
            meter: span.meter.clone(),
            day: self.period.day.clone(),
            project_id: span.project_id.clone(),
            resource_kind: span.resource_kind.clone(),
            seconds: 0,
            nano_amount: 0,
        });
        let too_much = || Error::internal(format!("{} costs more than the ledger holds for a day", span.resource_id));
        let amount = day.nano_amount.checked_add(rated.nano_amount).filter(|sum| *sum <= charges::MAX_NANO_AMOUNT);
        day.nano_amount = amount.ok_or_else(too_much)?;
        day.seconds = day.seconds.checked_add(rated.seconds).ok_or_else(too_much)?;
        Ok(())
    }
}
