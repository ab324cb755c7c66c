//! What was consumed in a stretch of time: from the ledger where periods are rated, computed with the same tariff where they
//! aren't yet. Open spans count up to now.

use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::api::BillingApi;
use skyloom_runtime::bindings::cloud::billing as wit;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_runtime::tariff::Tariff;
use skyloom_store::metering::{self, Select, Span};
use skyloom_store::periods::{self, Period, PeriodState, Tallies};
use skyloom_store::{Conn, charges, prices};

use super::rating::all_of;
use super::report::{Rows, line};
use super::settings::{Calendar, month_of};
use super::timeline::{Lists, segments};
use super::walk::{Failure, Walk};
use super::{Billing, money};
use crate::reach;

/// The most rows of one report; the total counts all.
const MAX_ROWS: usize = 10_000;

/// A part of the time asked for, of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Rated periods, whole, one after the other.
    Ledger { start: Timestamp, end: Timestamp, digest: String },
    /// Not rated yet, or only a part of a period; within a month. `revision_id`: of a period that is older than time lines.
    Computed { start: Timestamp, end: Timestamp, revision_id: String, month: String },
}

/// Cuts `start..end` at the periods' bounds. Neighbours that are rated alike become one part.
fn parts(calendar: &Calendar, periods: &[Period], start: Timestamp, end: Timestamp) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut at = start;
    let mut periods = periods.iter().peekable();
    while at < end {
        while periods.next_if(|period| period.ended_at <= at).is_some() {}
        let known = periods.peek().filter(|period| period.started_at <= at);
        let part = match known {
            Some(period) if period.state == PeriodState::Rated && at == period.started_at && period.ended_at <= end => {
                Part::Ledger { start: at, end: period.ended_at, digest: period.rule_digest.clone() }
            }
            Some(period) => Part::Computed {
                start: at,
                end: period.ended_at.min(end),
                revision_id: period.revision_id.clone(),
                month: month_of(&period.day).to_owned(),
            },
            None => {
                let unknown = calendar.period_of(at)?;
                // It ends at the latest where a known one begins.
                let next = periods.peek().map_or(unknown.end, |period| period.started_at);
                Part::Computed {
                    start: at,
                    end: unknown.end.min(next).min(end),
                    revision_id: String::new(),
                    month: month_of(&unknown.day).to_owned(),
                }
            }
        };
        at = match &part {
            Part::Ledger { end, .. } | Part::Computed { end, .. } => *end,
        };
        push(&mut parts, part);
    }
    Ok(parts)
}

fn push(parts: &mut Vec<Part>, part: Part) {
    match (parts.last_mut(), part) {
        (Some(Part::Ledger { end: last, digest: rule, .. }), Part::Ledger { end, digest, .. }) => {
            *last = end;
            *rule = digest;
        }
        (
            Some(Part::Computed { end: last, revision_id: before, month: of, .. }),
            Part::Computed { end, revision_id, month, .. },
        ) if *before == revision_id && *of == month => *last = end,
        (_, part) => parts.push(part),
    }
}

/// What is gathered of all accounts.
struct Gathering {
    rows: Rows,
    /// Of the tariff that the last part was rated with.
    rule: String,
    currency: Option<String>,
    lists: Lists,
}

impl Billing {
    async fn consumption(&self, context: &CallContext, query: wit::ConsumptionQuery) -> Result<wit::ConsumptionReport> {
        let mut conn = self.db().read().await?;
        let reach = self.payers(&mut conn, context, &query).await?;
        if query.start < 0 {
            return Err(Error::invalid("start", "The period begins before 1970."));
        }
        if query.start >= query.end {
            return Err(Error::invalid("start", "The period doesn't begin before its end."));
        }
        let now = Timestamp::now();
        let end = Timestamp(query.end).min(now);
        let wanted = Select {
            account: None,
            reach,
            resource_id: query.resource_id,
            meter: query.meter,
            start: Timestamp(query.start),
            end,
        };
        let accounts = metering::accounts_of(&mut conn, &wanted).await?;
        drop(conn);
        let rule = self.tariff().map(|tariff| tariff.digest().to_owned()).unwrap_or_default();
        let mut found = Gathering { rows: Rows::of(MAX_ROWS), rule, currency: None, lists: Lists::default() };
        for account in accounts {
            self.gather(&mut found, Select { account: Some(account), ..wanted.clone() }).await?;
        }
        let currency = match found.currency {
            Some(currency) => currency,
            None => self.currency_of_now(now).await?,
        };
        let total = money::format(found.rows.total);
        let (rows, truncated) = found.rows.view(end);
        Ok(wit::ConsumptionReport { currency, as_of: now.0, rule_digest: found.rule, total, truncated, rows })
    }

    /// Whose use is asked for: the token's project where nothing is said.
    async fn payers(&self, conn: &mut Conn, context: &CallContext, query: &wit::ConsumptionQuery) -> Result<Reach> {
        let caller = context.caller.as_deref();
        let own = context.caller()?.project_id();
        let reach = self.permit_joined(conn, caller, Action::BillingRead).await?;
        match (&query.project_id, own) {
            (Some(project), _) if reach::holds(conn, &reach, project).await? => Ok(Reach::project(project)),
            (Some(project), _) => {
                let reach = self.permit(caller, Action::BillingReadAll)?;
                reach::check(conn, &reach, "project-id", project).await?;
                Ok(Reach::project(project))
            }
            (None, Some(own)) if !query.all_projects => Ok(Reach::project(own)),
            (None, _) => Ok(reach),
        }
    }

    async fn currency_of_now(&self, now: Timestamp) -> Result<String> {
        let mut conn = self.db().read().await?;
        let of_now = segments(&mut conn, prices::DEFAULT, now, Timestamp(now.0.saturating_add(1))).await?;
        let revisions: Vec<String> = of_now.into_iter().map(|segment| segment.revision_id).collect();
        Ok(prices::currencies(&mut conn, &revisions).await?.pop().unwrap_or_default())
    }

    /// What one account's spans cost.
    async fn gather(&self, found: &mut Gathering, wanted: Select) -> Result<()> {
        let mut conn = self.db().read().await?;
        // Nothing was used before the first use.
        let Some(first) = metering::earliest(&mut conn, &wanted).await? else { return Ok(()) };
        let account = wanted.account.clone().unwrap_or_default();
        let start = wanted.start.max(first);
        let periods = periods::within(&mut conn, &account, start, wanted.end).await?;
        // A rated period that the caller asked for whole counts as whole, though the first use lies within it.
        let start = match periods.first() {
            Some(first) if first.started_at <= start => first.started_at.max(wanted.start),
            _ => start,
        };
        let held = segments(&mut conn, &account, start, wanted.end).await?;
        let mut revisions: Vec<String> = held.into_iter().map(|segment| segment.revision_id).collect();
        revisions.extend(periods.iter().map(|period| period.revision_id.clone()).filter(|id| !id.is_empty()));
        revisions.sort_unstable();
        revisions.dedup();
        agree(&mut found.currency, prices::currencies(&mut conn, &revisions).await?)?;
        let graduated = prices::are_graduated(&mut conn, &revisions).await?;
        drop(conn);
        for part in parts(&self.calendar, &periods, start, wanted.end)? {
            match part {
                Part::Ledger { start, end, digest } => {
                    let select = charges::Select {
                        account: account.clone(),
                        reach: wanted.reach.clone(),
                        resource_id: wanted.resource_id.clone(),
                        meter: wanted.meter.clone(),
                        start,
                        end,
                    };
                    let rows = &mut found.rows;
                    charges::each_line(&mut self.db().read().await?, &select, |line| rows.add(line)).await?;
                    found.rule = digest;
                }
                Part::Computed { start, end, revision_id, month } => {
                    let tariff = self.tariff().ok_or_else(|| Error::unavailable("no tariff is loaded"))?;
                    let part = Select { start, end, ..wanted.clone() };
                    let month = graduated.then_some(month);
                    self.compute(found, &tariff, &part, &revision_id, month).await.map_err(not_rated)?;
                    tariff.digest().clone_into(&mut found.rule);
                }
            }
        }
        Ok(())
    }

    /// `month`: what was used in it by the whole account decides about prices.
    async fn compute(
        &self,
        found: &mut Gathering,
        tariff: &Arc<dyn Tariff>,
        wanted: &Select,
        revision_id: &str,
        month: Option<String>,
    ) -> Result<(), Failure> {
        let account = wanted.account.clone().unwrap_or_default();
        let (asked, tallies) = match month {
            Some(month) => {
                let tallies = self.used_before(&mut found.lists, tariff, &account, wanted.start, &month).await?;
                (all_of(&account, wanted.start, wanted.end), tallies)
            }
            None => (wanted.clone(), Tallies::new()),
        };
        let mut walk = Walk::begin((self.db(), tariff, &mut found.lists), asked, revision_id, tallies).await?;
        while let Some(rated) = walk.next().await? {
            for rated in rated {
                if is_wanted(wanted, &rated.span) {
                    found.rows.add(line(rated))?;
                }
            }
        }
        Ok(())
    }

    /// What the month has counted before a time: up to the last rated period by the ledger, from there on computed.
    async fn used_before(
        &self,
        lists: &mut Lists,
        tariff: &Arc<dyn Tariff>,
        account: &str,
        time: Timestamp,
        month: &str,
    ) -> Result<Tallies, Failure> {
        let begin = self.calendar.month_begin(time)?;
        let known = periods::within(&mut self.db().read().await?, account, begin, time).await?;
        let rated = known.into_iter().take_while(|period| period.state == PeriodState::Rated);
        let last = rated.filter(|period| month_of(&period.day) == month && period.ended_at <= time).last();
        let (from, tallies) = last.map_or((begin, Tallies::new()), |period| (period.ended_at, period.tallies));
        if from >= time {
            return Ok(tallies);
        }
        let mut walk = Walk::begin((self.db(), tariff, lists), all_of(account, from, time), "", tallies).await?;
        while walk.next().await?.is_some() {}
        Ok(walk.tallies)
    }
}

/// Whether a span of the account is one of those asked for.
fn is_wanted(wanted: &Select, span: &Span) -> bool {
    let is = |asked: &Option<String>, own: &String| asked.as_ref().is_none_or(|asked| asked == own);
    let reached = match &wanted.reach {
        Reach::All => true,
        Reach::Domain(domain) => wanted.account.as_ref() == Some(domain),
        Reach::Projects(projects) => projects.contains(&span.project_id),
    };
    reached && is(&wanted.resource_id, &span.resource_id) && is(&wanted.meter, &span.meter)
}

/// The tariff's words are for the operator.
fn not_rated(failure: Failure) -> Error {
    match failure {
        Failure::Tariff(error) => {
            Error::new(ErrorCode::Unavailable, "The consumption of this time can't be rated at the moment.")
                .with_internal(error.for_log())
        }
        Failure::Store(error) => error,
    }
}

/// Amounts of different currencies have no sum.
fn agree(currency: &mut Option<String>, others: Vec<String>) -> Result<()> {
    for other in others {
        if currency.as_ref().is_some_and(|currency| *currency != other) {
            return Err(Error::invalid("end", "The currency changed within this time; ask for each part by itself."));
        }
        *currency = Some(other);
    }
    Ok(())
}

#[async_trait::async_trait]
impl BillingApi for Billing {
    async fn get_consumption(
        &self,
        context: &Arc<CallContext>,
        query: wit::ConsumptionQuery,
    ) -> Result<wit::ConsumptionReport, WitError> {
        Ok(self.consumption(context, query).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::Settings;

    const MINUTE: i64 = 60_000_000;

    fn period(start: i64, state: PeriodState) -> Period {
        Period {
            domain_id: "d".to_owned(),
            started_at: Timestamp(start * MINUTE),
            ended_at: Timestamp((start + 10) * MINUTE),
            day: "1970-01-01".to_owned(),
            revision_id: String::new(),
            state,
            attempts: 1,
            rule_digest: "d".to_owned(),
            error: String::new(),
            tallies: Tallies::new(),
            updated_at: Timestamp(0),
        }
    }

    fn cut(periods: &[Period], start: i64, end: i64) -> Vec<(&'static str, i64, i64)> {
        let settings = Settings { period_minutes: 10, ..Settings::default() };
        let calendar = settings.calendar().expect("UTC");
        parts(&calendar, periods, Timestamp(start * MINUTE), Timestamp(end * MINUTE))
            .expect("parts")
            .into_iter()
            .map(|part| match part {
                Part::Ledger { start, end, .. } => ("ledger", start.0 / MINUTE, end.0 / MINUTE),
                Part::Computed { start, end, .. } => ("computed", start.0 / MINUTE, end.0 / MINUTE),
            })
            .collect()
    }

    #[test]
    fn whole_rated_periods_come_from_the_ledger() {
        let periods = [period(10, PeriodState::Rated), period(20, PeriodState::Rated), period(30, PeriodState::Parked)];
        assert_eq!(cut(&periods, 10, 30), [("ledger", 10, 30)]);
        assert_eq!(cut(&periods, 15, 30), [("computed", 15, 20), ("ledger", 20, 30)]);
        assert_eq!(cut(&periods, 10, 25), [("ledger", 10, 20), ("computed", 20, 25)]);
        assert_eq!(cut(&periods, 5, 47), [("computed", 5, 10), ("ledger", 10, 30), ("computed", 30, 47)]);
        assert_eq!(cut(&[], 5, 47), [("computed", 5, 47)]);
        assert_eq!(cut(&periods, 10, 10), []);
    }

    #[test]
    fn what_is_computed_lies_within_one_month_and_is_rated_in_one_way() {
        const DAY: i64 = 24 * 60;
        assert_eq!(cut(&[], 30 * DAY, 32 * DAY), [("computed", 30 * DAY, 31 * DAY), ("computed", 31 * DAY, 32 * DAY)]);
        let old = Period { revision_id: "one".to_owned(), day: String::new(), ..period(10, PeriodState::Parked) };
        let apart = [("computed", 5, 10), ("computed", 10, 20), ("computed", 20, 25)];
        assert_eq!(cut(&[old], 5, 25), apart);
    }
}
