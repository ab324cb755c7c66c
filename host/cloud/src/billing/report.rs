//! The rows of a report: what spans cost at their prices.

use std::collections::BTreeMap;

use skyloom_model::{Error, Result, Timestamp};
use skyloom_runtime::bindings::cloud::billing as wit;
use skyloom_store::charges::Line;
use skyloom_store::listing::PAGE_BYTES;

use super::money;
use super::walk::Rated;

/// Rows by span and price; the same span at the same price in neighbouring pieces is one row. Pieces are added in the order of
/// time, so only the rows that begin first have to be kept: what begins later than those can be in no view.
pub(super) struct Rows {
    kept: BTreeMap<(String, i64), Line>,
    /// Of all rows, kept or not.
    pub(super) total: i128,
    truncated: bool,
    /// The most rows of the view.
    most: usize,
}

impl Rows {
    pub(super) fn of(most: usize) -> Self {
        Self { kept: BTreeMap::new(), total: 0, truncated: false, most }
    }

    pub(super) fn add(&mut self, line: Line) -> Result<()> {
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
    pub(super) fn view(mut self, end: Timestamp) -> (Vec<wit::Consumption>, bool) {
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

pub(super) fn line(rated: Rated) -> Line {
    Line {
        open: rated.span.is_open(),
        span_id: rated.span.id.clone(),
        project_id: rated.span.project_id.clone(),
        resource_kind: rated.span.resource_kind.clone(),
        resource_id: rated.span.resource_id.clone(),
        meter: rated.span.meter.clone(),
        class: rated.span.class.clone(),
        quantity: rated.span.quantity,
        started_at: rated.started_at,
        ended_at: rated.ended_at,
        seconds: rated.seconds,
        nano_unit_price: rated.nano_unit_price,
        nano_amount: rated.nano_amount,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
