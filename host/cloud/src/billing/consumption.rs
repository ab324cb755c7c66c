//! What was consumed in a stretch of time: from the ledger where periods are rated, computed with the same tariff where they
//! aren't yet. Open spans count up to now.

use std::collections::BTreeMap;
use std::sync::Arc;

use skyloom_model::{Action, Error, ErrorCode, Reach, Result, Timestamp};
use skyloom_runtime::api::BillingApi;
use skyloom_runtime::bindings::cloud::billing as wit;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::charges::{self, Line, Period, PeriodState};
use skyloom_store::listing::PAGE_BYTES;
use skyloom_store::metering::{self, Select};
use skyloom_store::prices::{self, Sheet};

use super::Billing;
use super::rating::{Rated, rate, sheet_at};
use super::{Settings, money};
use crate::reach;

/// The most rows of one report; the total counts all.
const MAX_ROWS: usize = 10_000;
/// Spans of one call to the tariff.
const BATCH: usize = 500;

/// A part of the time asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Rated periods, whole, one after the other.
    Ledger { start: Timestamp, end: Timestamp, sheet_id: String, digest: String },
    /// Not rated yet, or only a part of a period.
    Computed { start: Timestamp, end: Timestamp, sheet_id: String },
}

/// Cuts `start..end` at the periods' bounds. Neighbours of one kind and sheet become one piece.
fn pieces(
    settings: &Settings,
    periods: &[Period],
    sheets: &[Sheet],
    start: Timestamp,
    end: Timestamp,
) -> Result<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut at = start;
    while at < end {
        let known = periods.iter().find(|period| period.started_at <= at && at < period.ended_at);
        let (from, to) = known.map_or_else(|| settings.period_of(at), |period| (period.started_at, period.ended_at));
        // An unknown period ends at the latest where a known one begins.
        let next = periods.iter().map(|period| period.started_at).find(|known| *known > at);
        let stop = to.min(end).min(next.unwrap_or(to));
        match known {
            Some(period) if period.state == PeriodState::Rated && at == from && stop == to => {
                let piece = Piece::Ledger {
                    start: at,
                    end: stop,
                    sheet_id: period.sheet_id.clone(),
                    digest: period.rule_digest.clone(),
                };
                push(&mut pieces, piece);
            }
            _ => {
                let sheet_id = match known {
                    Some(period) => period.sheet_id.clone(),
                    None => sheet_at(sheets, from).ok_or_else(no_prices)?.id.clone(),
                };
                push(&mut pieces, Piece::Computed { start: at, end: stop, sheet_id });
            }
        }
        at = stop;
    }
    Ok(pieces)
}

fn no_prices() -> Error {
    Error::new(ErrorCode::Unavailable, "There are no prices for this time.")
}

fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (
            Some(Piece::Ledger { end: last, sheet_id: before, digest: rule, .. }),
            Piece::Ledger { end, sheet_id, digest, .. },
        ) if *before == sheet_id => {
            *last = end;
            *rule = digest;
        }
        (Some(Piece::Computed { end: last, sheet_id: before, .. }), Piece::Computed { end, sheet_id, .. })
            if *before == sheet_id =>
        {
            *last = end;
        }
        (_, piece) => pieces.push(piece),
    }
}

/// Rows by span and price; the same span at the same price in neighbouring pieces is one row. Pieces are added in the order of
/// time, so only the rows that begin first have to be kept: what begins later than those can be in no view.
struct Rows {
    kept: BTreeMap<(String, i64), Line>,
    /// Of all rows, kept or not.
    total: i128,
    truncated: bool,
    /// The most rows of the view.
    most: usize,
}

impl Rows {
    fn of(most: usize) -> Self {
        Self { kept: BTreeMap::new(), total: 0, truncated: false, most }
    }

    fn add(&mut self, line: Line) -> Result<()> {
        let too_much = || Error::internal("the sum of charges is too large");
        self.total = self.total.checked_add(line.nano_amount).ok_or_else(too_much)?;
        match self.kept.entry((line.span_id.clone(), line.nano_unit_price)) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(line);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let row = entry.get_mut();
                row.started_at = row.started_at.min(line.started_at);
                row.ended_at = row.ended_at.max(line.ended_at);
                row.seconds = row.seconds.checked_add(line.seconds).ok_or_else(too_much)?;
                row.nano_amount = row.nano_amount.checked_add(line.nano_amount).ok_or_else(too_much)?;
            }
        }
        if self.kept.len() > 2 * self.most {
            self.cut();
        }
        Ok(())
    }

    /// Keeps the rows that begin first.
    fn cut(&mut self) {
        if self.kept.len() <= self.most {
            return;
        }
        let mut rows: Vec<_> = std::mem::take(&mut self.kept).into_iter().collect();
        rows.sort_by(|(key, line), (other_key, other)| (line.started_at, key).cmp(&(other.started_at, other_key)));
        rows.truncate(self.most);
        self.kept = rows.into_iter().collect();
        self.truncated = true;
    }

    /// What is shown, and whether that isn't all: not more text than a page of a list has. `end`: of the time asked for, up to
    /// now.
    fn view(mut self, end: Timestamp) -> (Vec<wit::Consumption>, bool) {
        self.cut();
        let mut rows: Vec<Line> = self.kept.into_values().collect();
        // A span's prices stand in their order already.
        rows.sort_by(|one, other| (one.started_at, &one.span_id).cmp(&(other.started_at, &other.span_id)));
        let mut left = PAGE_BYTES;
        let fitting = rows.iter().take_while(|line| {
            let fits = text(line) <= left;
            left = left.saturating_sub(text(line));
            fits
        });
        let fitting = fitting.count();
        let truncated = self.truncated || fitting < rows.len();
        rows.truncate(fitting);
        (rows.into_iter().map(|line| row(line, end)).collect(), truncated)
    }
}

/// Bytes of a row's text.
fn text(line: &Line) -> usize {
    [&line.project_id, &line.resource_kind, &line.resource_id, &line.meter, &line.class]
        .iter()
        .map(|text| text.len())
        .sum()
}

fn row(line: Line, end: Timestamp) -> wit::Consumption {
    wit::Consumption {
        provisional: line.open && line.ended_at >= end,
        project_id: line.project_id,
        resource_kind: line.resource_kind,
        resource_id: line.resource_id,
        meter: line.meter,
        class: line.class,
        quantity: u64::try_from(line.quantity).unwrap_or(0),
        start: line.started_at.0,
        end: line.ended_at.0,
        seconds: u64::try_from(line.seconds).unwrap_or(0),
        unit_price: money::format(line.nano_unit_price.into()),
        amount: money::format(line.nano_amount),
    }
}

fn line(rated: Rated) -> Line {
    Line {
        open: rated.span.is_open(),
        span_id: rated.span.id,
        project_id: rated.span.project_id,
        resource_kind: rated.span.resource_kind,
        resource_id: rated.span.resource_id,
        meter: rated.span.meter,
        class: rated.span.class,
        quantity: rated.span.quantity,
        started_at: rated.started_at,
        ended_at: rated.ended_at,
        seconds: rated.seconds,
        nano_unit_price: rated.nano_unit_price,
        nano_amount: rated.nano_amount,
    }
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
        let mut wanted =
            Select { reach, resource_id: query.resource_id, meter: query.meter, start: Timestamp(query.start), end };
        let sheets = prices::sheets(&mut conn).await?;
        let first = metering::earliest(&mut conn, &wanted).await?;
        let cuts = match first {
            // Nothing was used before the first use.
            Some(first) => {
                wanted.start = wanted.start.max(first);
                self.cuts(&mut conn, &sheets, &wanted, Timestamp(query.start)).await?
            }
            None => Vec::new(),
        };
        drop(conn);
        let currency = currency(&sheets, &cuts, now)?;
        let (rows, digest) = self.gather(&sheets, &cuts, &wanted).await?;
        let total = money::format(rows.total);
        let (rows, truncated) = rows.view(end);
        Ok(wit::ConsumptionReport { currency, as_of: now.0, rule_digest: digest, total, truncated, rows })
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

    /// The pieces from the first use on. A rated period that the caller asked for whole counts as whole, though the first use
    /// lies within it.
    async fn cuts(&self, conn: &mut Conn, sheets: &[Sheet], wanted: &Select, asked: Timestamp) -> Result<Vec<Piece>> {
        let periods = charges::periods(conn, wanted.start, wanted.end).await?;
        let start = match periods.first() {
            Some(first) if first.started_at <= wanted.start => first.started_at.max(asked),
            _ => wanted.start,
        };
        pieces(&self.settings, &periods, sheets, start, wanted.end)
    }

    /// The rows of all pieces, and the digest of the rule that the last of them was rated with.
    async fn gather(&self, sheets: &[Sheet], cuts: &[Piece], wanted: &Select) -> Result<(Rows, String)> {
        let tariff = self.tariff();
        let mut rows = Rows::of(MAX_ROWS);
        let mut rule = tariff.as_ref().map(|tariff| tariff.digest().to_owned()).unwrap_or_default();
        for piece in cuts {
            match piece {
                Piece::Ledger { start, end, digest, .. } => {
                    let select = charges::Select {
                        reach: wanted.reach.clone(),
                        resource_id: wanted.resource_id.clone(),
                        meter: wanted.meter.clone(),
                        start: *start,
                        end: *end,
                    };
                    charges::each_line(&mut self.db().read().await?, &select, |line| rows.add(line)).await?;
                    rule.clone_from(digest);
                }
                Piece::Computed { start, end, sheet_id } => {
                    let tariff = tariff.as_ref().ok_or_else(|| Error::unavailable("no tariff is loaded"))?;
                    let sheet = sheets.iter().find(|sheet| sheet.id == *sheet_id).ok_or_else(no_prices)?;
                    let part = Select { start: *start, end: *end, ..wanted.clone() };
                    let ids = metering::span_ids(&mut self.db().read().await?, &part).await?;
                    for ids in ids.chunks(BATCH) {
                        let spans = metering::spans(&mut self.db().read().await?, ids).await?;
                        for rated in rate(tariff, sheet, spans, *start, *end).await.map_err(not_rated)? {
                            rows.add(line(rated))?;
                        }
                    }
                    tariff.digest().clone_into(&mut rule);
                }
            }
        }
        Ok((rows, rule))
    }
}

/// The tariff's words are for the operator.
fn not_rated(error: Error) -> Error {
    Error::new(ErrorCode::Unavailable, "The consumption of this time can't be rated at the moment.")
        .with_internal(error.for_log())
}

/// Amounts of different currencies have no sum.
fn currency(sheets: &[Sheet], cuts: &[Piece], now: Timestamp) -> Result<String> {
    let mut found: Option<&str> = None;
    for piece in cuts {
        let (Piece::Ledger { sheet_id, .. } | Piece::Computed { sheet_id, .. }) = piece;
        let Some(sheet) = sheets.iter().find(|sheet| sheet.id == *sheet_id) else { continue };
        if found.is_some_and(|currency| currency != sheet.currency) {
            return Err(Error::invalid("end", "The currency changed within this time; ask for each part by itself."));
        }
        found = Some(&sheet.currency);
    }
    let of_now = || sheet_at(sheets, now).map(|sheet| sheet.currency.as_str());
    Ok(found.or_else(of_now).unwrap_or_default().to_owned())
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

    const MINUTE: i64 = 60_000_000;

    fn period(start: i64, state: PeriodState) -> Period {
        Period {
            started_at: Timestamp(start * MINUTE),
            ended_at: Timestamp((start + 10) * MINUTE),
            sheet_id: "one".to_owned(),
            state,
            attempts: 1,
            rule_digest: "d".to_owned(),
            error: String::new(),
            updated_at: Timestamp(0),
        }
    }

    fn cut(periods: &[Period], start: i64, end: i64) -> Vec<(&'static str, i64, i64)> {
        let settings = Settings { period_minutes: 10, ..Settings::default() };
        let sheet = Sheet {
            id: "one".to_owned(),
            currency: "EUR".to_owned(),
            effective_from: Timestamp(0),
            created_at: Timestamp(0),
            prices: vec![],
        };
        pieces(&settings, periods, &[sheet], Timestamp(start * MINUTE), Timestamp(end * MINUTE))
            .expect("pieces")
            .into_iter()
            .map(|piece| match piece {
                Piece::Ledger { start, end, .. } => ("ledger", start.0 / MINUTE, end.0 / MINUTE),
                Piece::Computed { start, end, .. } => ("computed", start.0 / MINUTE, end.0 / MINUTE),
            })
            .collect()
    }

    /// Spans of one second at a price of 1 that begin at these times, each with the span's number.
    fn rows(most: usize, spans: &[(i64, i64)]) -> Rows {
        let mut rows = Rows::of(most);
        for (start, number) in spans {
            let line = Line {
                span_id: format!("span-{number}"),
                project_id: String::new(),
                resource_kind: String::new(),
                resource_id: number.to_string(),
                meter: String::new(),
                class: String::new(),
                quantity: 1,
                started_at: Timestamp(*start),
                ended_at: Timestamp(start + 1),
                seconds: 1,
                nano_unit_price: 1,
                nano_amount: 1,
                open: false,
            };
            rows.add(line).expect("row");
        }
        rows.cut();
        rows
    }

    #[test]
    fn a_report_keeps_the_rows_that_begin_first_and_the_total_of_all() {
        // The last of them goes on in a later piece.
        let spans: Vec<(i64, i64)> = (0..9).rev().map(|number| (number, number)).chain([(20, 8), (20, 0)]).collect();
        let cut = rows(3, &spans);
        assert!(cut.truncated && cut.kept.len() <= 3, "{} rows", cut.kept.len());
        assert_eq!(cut.total, 11, "what isn't shown counts");
        let (seen, truncated) = cut.view(Timestamp(30));
        assert!(truncated);
        let seen: Vec<(String, u64)> = seen.into_iter().map(|row| (row.resource_id, row.seconds)).collect();
        assert_eq!(seen, [("0".to_owned(), 2), ("1".to_owned(), 1), ("2".to_owned(), 1)]);
        let whole = rows(9, &spans);
        assert!(!whole.truncated);
        assert_eq!((whole.total, whole.kept.len()), (11, 9));
    }

    #[test]
    fn a_report_has_no_more_text_than_a_page() {
        let mut all = rows(3, &[(1, 1), (2, 2), (3, 3)]);
        for line in all.kept.values_mut() {
            line.class = "x".repeat(PAGE_BYTES / 2 - 10);
        }
        let (seen, truncated) = all.view(Timestamp(30));
        assert_eq!((seen.len(), truncated), (2, true));
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
}
