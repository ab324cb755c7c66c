//! The rating run: hands what was used in a period, and the prices in force, to the tariff component, and keeps the charges
//! that it gives. A period is rated once; a tariff that fails parks it, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use skyloom_model::{Error, Reach, Result, Timestamp};
use skyloom_runtime::tariff as wit;
use skyloom_runtime::tariff::Tariff;
use skyloom_store::charges::{self, Charge, Period, PeriodState};
use skyloom_store::metering::{self, Select, Span};
use skyloom_store::prices::{self, Sheet};

use super::Billing;
use super::money;

/// Spans of one call to the tariff, which has bounded memory and time.
const BATCH: usize = 500;
/// A period that nobody touched for so long has lost its process.
const STALE: Duration = Duration::from_mins(5);

/// A span's part of the time that is rated, with what it costs.
#[derive(Clone, Debug)]
pub(super) struct Rated {
    pub(super) span: Span,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) seconds: i64,
    pub(super) nano_unit_price: i64,
    pub(super) nano_amount: i128,
}

/// What a rating run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RatingReport {
    pub rated: u32,
    pub parked: u32,
}

/// The sheet in force at a time.
pub(super) fn sheet_at(sheets: &[Sheet], time: Timestamp) -> Option<&Sheet> {
    sheets.iter().rev().find(|sheet| sheet.effective_from <= time)
}

/// Spans cut to `start..end`, priced. What costs nothing is left out. The tariff's answer is not trusted: charges of other
/// spans, twice, out of order or for more seconds than there were are its defect.
pub(super) async fn rate(
    tariff: &Arc<dyn Tariff>,
    sheet: &Sheet,
    spans: Vec<Span>,
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<Rated>> {
    let mut asked = Vec::with_capacity(spans.len());
    let mut cuts: HashMap<String, (Span, Timestamp, Timestamp)> = HashMap::with_capacity(spans.len());
    for span in spans {
        let Some((from, to)) = span.cut(start, end) else { continue };
        asked.push(wit::Span {
            id: span.id.clone(),
            project_id: span.project_id.clone(),
            resource_kind: span.resource_kind.clone(),
            resource_id: span.resource_id.clone(),
            meter: span.meter.clone(),
            class: span.class.clone(),
            quantity: span.quantity()?,
            start: from.0,
            end: to.0,
        });
        cuts.insert(span.id.clone(), (span, from, to));
    }
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let order: HashMap<String, usize> = asked.iter().enumerate().map(|(at, span)| (span.id.clone(), at)).collect();
    let charges = tariff.rate(asked, price_list(sheet)).await?;
    let defect = |what: &str| Error::internal(format!("the tariff {} {what}", tariff.digest()));
    let mut last = None;
    let mut rated = Vec::with_capacity(charges.len());
    for charge in charges {
        let place = order.get(&charge.span_id).copied();
        if place.is_none() || place <= last {
            return Err(defect("charged spans that it wasn't given, twice or out of order"));
        }
        last = place;
        let (span, from, to) = cuts.remove(&charge.span_id).ok_or_else(|| defect("charged a span twice"))?;
        let seconds = i64::try_from(charge.seconds).map_err(|_| defect("counted too many seconds"))?;
        if seconds > (to.0 - from.0) / 1_000_000 + 1 {
            return Err(defect("charged more seconds than there were"));
        }
        rated.push(Rated {
            span,
            started_at: from,
            ended_at: to,
            seconds,
            nano_unit_price: money::parse_price(&charge.unit_price).map_err(|_| defect("gave a price that is none"))?,
            nano_amount: amount(&charge.amount).ok_or_else(|| defect("gave an amount that is none"))?,
        });
    }
    Ok(rated)
}

/// None: no amount, or more than the ledger takes for one charge.
fn amount(text: &str) -> Option<i128> {
    money::parse(text).ok().filter(|nano| *nano <= charges::MAX_NANO_AMOUNT)
}

fn price_list(sheet: &Sheet) -> wit::Sheet {
    let price = |price: &prices::Price| wit::Price {
        meter: price.meter.clone(),
        class: price.class.clone(),
        per_unit_hour: money::format(price.nano_per_unit_hour.into()),
    };
    wit::Sheet {
        id: sheet.id.clone(),
        currency: sheet.currency.clone(),
        prices: sheet.prices.iter().map(price).collect(),
    }
}

impl Billing {
    /// Rates every period that is over, oldest first. Parked ones are tried again once there is another tariff.
    pub async fn rate_due(&self, now: Timestamp) -> Result<RatingReport> {
        let Some(tariff) = self.tariff() else { return Ok(RatingReport::default()) };
        self.open_periods(now).await?;
        let waiting = charges::unrated(&mut self.db().read().await?).await?;
        let mut report = RatingReport::default();
        for period in waiting {
            if period.state == PeriodState::Parked && period.rule_digest == tariff.digest() {
                continue;
            }
            match self.rate_period(&tariff, period.started_at, now).await? {
                Some(PeriodState::Rated) => report.rated += 1,
                Some(PeriodState::Parked) => report.parked += 1,
                Some(PeriodState::Rating) | None => {}
            }
        }
        Ok(report)
    }

    /// Writes down the periods that are over, from the first use on.
    async fn open_periods(&self, now: Timestamp) -> Result<()> {
        let settings = &self.settings;
        let over = now.minus(Duration::from_secs(u64::from(settings.delay_seconds)));
        let mut conn = self.db().read().await?;
        let sheets = prices::sheets(&mut conn).await?;
        let mut start = if let Some(end) = charges::last_end(&mut conn).await? {
            end
        } else {
            let all = Select { reach: Reach::All, resource_id: None, meter: None, start: Timestamp(0), end: over };
            let Some(first) = metering::earliest(&mut conn, &all).await? else { return Ok(()) };
            settings.period_of(first).0
        };
        drop(conn);
        let mut new = Vec::new();
        loop {
            let (_, end) = settings.period_of(start);
            if end > over {
                break;
            }
            // Without prices nothing can be said yet.
            let Some(sheet) = sheet_at(&sheets, start) else { break };
            new.push((start, end, sheet.id.clone()));
            start = end;
        }
        if new.is_empty() {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        for (start, end, sheet_id) in &new {
            charges::insert_period(&mut tx, *start, *end, sheet_id).await?;
        }
        tx.commit().await
    }

    /// None: it is rated already, or in another process's hand.
    async fn rate_period(
        &self,
        tariff: &Arc<dyn Tariff>,
        started_at: Timestamp,
        now: Timestamp,
    ) -> Result<Option<PeriodState>> {
        let mut tx = self.db().begin().await?;
        let claimed = charges::claim(&mut tx, started_at, now.minus(STALE), now).await?;
        tx.commit().await?;
        let Some(mut period) = claimed else { return Ok(None) };
        tariff.digest().clone_into(&mut period.rule_digest);
        match self.charge_period(tariff, &period).await {
            Ok(true) => period.state = PeriodState::Rated,
            Ok(false) => return Ok(None),
            Err(Failure::Tariff(error)) => {
                let text = error.for_log();
                tracing::error!(period = started_at.0, error = text, "the tariff failed; the period is parked");
                period.state = PeriodState::Parked;
                period.error = text;
            }
            Err(Failure::Store(error)) => return Err(error),
        }
        let mut tx = self.db().begin().await?;
        let ours = charges::touch(&mut tx, &period, Timestamp::now()).await?;
        tx.commit().await?;
        Ok(ours.then_some(period.state))
    }

    /// Gives false when another attempt has taken the period meanwhile.
    async fn charge_period(&self, tariff: &Arc<dyn Tariff>, period: &Period) -> Result<bool, Failure> {
        let (start, end) = (period.started_at, period.ended_at);
        let mut conn = self.db().read().await?;
        let sheets = prices::sheets(&mut conn).await?;
        let sheet = sheets
            .iter()
            .find(|sheet| sheet.id == period.sheet_id)
            .ok_or_else(|| Error::internal(format!("there is no price sheet {}", period.sheet_id)))?;
        let all = Select { reach: Reach::All, resource_id: None, meter: None, start, end };
        let ids = metering::span_ids(&mut conn, &all).await?;
        drop(conn);
        for ids in ids.chunks(BATCH) {
            let spans = metering::spans(&mut self.db().read().await?, ids).await?;
            let rated = rate(tariff, sheet, spans, start, end).await.map_err(Failure::Tariff)?;
            let now = Timestamp::now();
            let mut tx = self.db().begin().await?;
            if !charges::touch(&mut tx, period, now).await? {
                return Ok(false);
            }
            for rated in &rated {
                charges::insert(&mut tx, &charge(rated, period, now)).await?;
            }
            tx.commit().await?;
        }
        Ok(true)
    }
}

fn charge(rated: &Rated, period: &Period, now: Timestamp) -> Charge {
    Charge {
        span_id: rated.span.id.clone(),
        period_start: period.started_at,
        sheet_id: period.sheet_id.clone(),
        project_id: rated.span.project_id.clone(),
        started_at: rated.started_at,
        ended_at: rated.ended_at,
        seconds: rated.seconds,
        nano_unit_price: rated.nano_unit_price,
        nano_amount: rated.nano_amount,
        rule_digest: period.rule_digest.clone(),
        created_at: now,
    }
}

/// Whose failure it was: the tariff's parks the period, the store's leaves it for the next run.
enum Failure {
    Tariff(Error),
    Store(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}
