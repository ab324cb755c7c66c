//! Which prices hold for an account, and when: by what its department is bound to, and by what is in force there.

use std::collections::HashMap;
use std::sync::Arc;

use skyloom_model::{Error, Result, Timestamp};
use skyloom_store::Conn;
use skyloom_store::prices::{self, Binding, PriceList};

/// A stretch of time in which one revision holds. Half open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) revision_id: String,
}

/// Cuts `start..end` where another revision begins to hold. Time in which no sheet is in force is left out: it costs nothing.
pub(super) async fn segments(conn: &mut Conn, account: &str, start: Timestamp, end: Timestamp) -> Result<Vec<Segment>> {
    let bindings = prices::bindings(conn, account, start, end).await?;
    let mut segments: Vec<Segment> = Vec::new();
    for (from, to, template_id) in templates(&bindings, start, end) {
        let moments = prices::moments(conn, template_id, from, to).await?;
        for (place, moment) in moments.iter().enumerate() {
            let until = moments.get(place + 1).map_or(to, |next| next.started_at);
            let segment =
                Segment { start: moment.started_at.max(from), end: until, revision_id: moment.revision_id.clone() };
            match segments.last_mut() {
                // Two templates, or two moments of one, with the same prices.
                Some(last) if last.end == segment.start && last.revision_id == segment.revision_id => {
                    last.end = segment.end;
                }
                _ => segments.push(segment),
            }
        }
    }
    Ok(segments)
}

/// Who holds when, of bindings in their order; before the first it is the default.
fn templates(bindings: &[Binding], start: Timestamp, end: Timestamp) -> Vec<(Timestamp, Timestamp, &str)> {
    let first = bindings.first().map_or(end, |binding| binding.started_at.max(start));
    let mut found = if start < first { vec![(start, first, prices::DEFAULT)] } else { Vec::new() };
    for (place, binding) in bindings.iter().enumerate() {
        let until = bindings.get(place + 1).map_or(end, |next| next.started_at);
        found.push((binding.started_at.max(start), until, binding.template_id.as_str()));
    }
    found
}

/// Revisions that were read: they never change.
#[derive(Default)]
pub(super) struct Lists(HashMap<String, Arc<PriceList>>);

/// Revisions that are kept in memory.
const MOST: usize = 64;

impl Lists {
    pub(super) async fn get(&mut self, conn: &mut Conn, revision_id: &str) -> Result<Arc<PriceList>> {
        if let Some(list) = self.0.get(revision_id) {
            return Ok(list.clone());
        }
        let list = prices::price_list(conn, revision_id).await?;
        let list = Arc::new(list.ok_or_else(|| Error::internal(format!("there are no prices {revision_id}")))?);
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(revision_id.to_owned(), list.clone());
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skyloom_store::prices::Moment;
    use skyloom_store::testing::databases;

    #[tokio::test]
    async fn time_is_cut_where_a_binding_or_a_revision_begins() {
        for database in databases().await {
            let mut tx = database.db.begin().await.expect("begin");
            for (template, at, revision) in
                [(prices::DEFAULT, 10, "a"), ("t", 5, "b"), ("t", 30, "c"), ("u", 50, "c"), ("u", 60, "d")]
            {
                let moment = Moment { started_at: Timestamp(at), revision_id: revision.to_owned() };
                prices::put_moment(&mut tx, template, &moment).await.expect("moment");
            }
            for (at, template) in [(20, "t"), (50, "u"), (70, prices::DEFAULT)] {
                let binding =
                    Binding { domain_id: "d".to_owned(), started_at: Timestamp(at), template_id: template.to_owned() };
                prices::put_binding(&mut tx, &binding).await.expect("binding");
            }
            for (account, start, end, expected) in [
                ("other", 0, 99, &[(10, 99, "a")][..]),
                ("d", 0, 99, &[(10, 20, "a"), (20, 30, "b"), (30, 60, "c"), (60, 70, "d"), (70, 99, "a")]),
                ("d", 25, 30, &[(25, 30, "b")]),
                ("d", 0, 10, &[]),
                ("d", 60, 61, &[(60, 61, "d")]),
            ] {
                let found = segments(&mut tx, account, Timestamp(start), Timestamp(end)).await.expect("segments");
                let found: Vec<_> =
                    found.iter().map(|one| (one.start.0, one.end.0, one.revision_id.as_str())).collect();
                assert_eq!(found, expected, "{}: {account} {start}..{end}", database.name);
            }
        }
    }
}
