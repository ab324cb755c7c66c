//! Spans, cut to pieces in which nothing changes that their price depends on.

use std::collections::HashMap;
use std::sync::Arc;

use skyloom_model::{Timestamp, VmState};
use skyloom_store::metering::Span;

/// A part of a span.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) span: Arc<Span>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    /// Of the server that it belongs to; empty: it belongs to none that is there.
    pub(super) server_state: String,
}

/// States of servers, each from its time on, as the store gives them.
#[derive(Debug, Default)]
pub(super) struct States(HashMap<String, Vec<(Timestamp, String)>>);

impl States {
    pub(super) fn of(rows: Vec<(String, Timestamp, String)>) -> Self {
        let mut states: HashMap<String, Vec<(Timestamp, String)>> = HashMap::new();
        for (server_id, at, state) in rows {
            let state = if state == VmState::Deleted.as_str() { String::new() } else { state };
            let of_server = states.entry(server_id).or_default();
            // The same again changes nothing.
            if of_server.last().is_none_or(|(_, before)| *before != state) {
                of_server.push((at, state));
            }
        }
        Self(states)
    }
}

/// The parts of the spans within `start..end`, in the order of the spans and of time.
pub(super) fn cut(spans: Vec<Span>, states: &States, start: Timestamp, end: Timestamp) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(spans.len());
    for span in spans {
        let Some((from, to)) = span.cut(start, end) else { continue };
        let span = Arc::new(span);
        let changes = states.0.get(&span.server_id).map(Vec::as_slice).unwrap_or_default();
        let holding = changes.iter().rev().find(|(at, _)| *at <= from).map_or("", |(_, state)| state);
        let within = changes.iter().filter(|(at, _)| from < *at && *at < to);
        let mut begin = (from, holding);
        for (at, state) in within.map(|(at, state)| (*at, state.as_str())).chain([(to, "")]) {
            let (start, state_then) = begin;
            pieces.push(Piece { span: span.clone(), start, end: at, server_state: state_then.to_owned() });
            begin = (at, state);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(server_id: &str, from: i64, to: i64) -> Span {
        Span {
            id: "s".to_owned(),
            project_id: "p".to_owned(),
            resource_kind: "volume".to_owned(),
            resource_id: "v".to_owned(),
            meter: "volume-gib".to_owned(),
            class: String::new(),
            server_id: server_id.to_owned(),
            quantity: 1,
            started_at: Timestamp(from),
            ended_at: Timestamp(to),
        }
    }

    fn found(server_id: &str, from: i64, to: i64) -> Vec<(i64, i64, String)> {
        let states = [(10, "building"), (20, "active"), (30, "active"), (40, "stopped"), (60, "deleted")];
        let rows = states.iter().map(|(at, state)| ("one".to_owned(), Timestamp(*at), (*state).to_owned()));
        let pieces = cut(vec![span(server_id, from, to)], &States::of(rows.collect()), Timestamp(15), Timestamp(70));
        pieces.into_iter().map(|piece| (piece.start.0, piece.end.0, piece.server_state)).collect()
    }

    #[test]
    fn a_span_is_cut_where_its_servers_state_changes() {
        let pieces = |of: &[(i64, i64, &str)]| -> Vec<_> {
            of.iter().map(|(from, to, state)| (*from, *to, (*state).to_owned())).collect()
        };
        let all = pieces(&[(15, 20, "building"), (20, 40, "active"), (40, 60, "stopped"), (60, 70, "")]);
        assert_eq!(found("one", 5, i64::MAX), all);
        assert_eq!(found("one", 20, 40), pieces(&[(20, 40, "active")]));
        assert_eq!(found("", 20, 50), pieces(&[(20, 50, "")]));
        assert_eq!(found("unknown", 20, 50), pieces(&[(20, 50, "")]));
        assert_eq!(found("one", 80, 90), pieces(&[]), "out of the stretch");
    }
}
