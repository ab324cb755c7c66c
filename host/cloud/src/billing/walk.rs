//! The way through an account's time: segment by segment, spans in batches, each batch cut to pieces and handed to the tariff with
//! the month's quantities so far. The same records and the same tariff give the same charges, whenever and how often it is walked.

use std::collections::VecDeque;
use std::sync::Arc;

use skyloom_model::{Error, Result, Timestamp};
use skyloom_runtime::tariff as wit;
use skyloom_runtime::tariff::Tariff;
use skyloom_store::Db;
use skyloom_store::charges::MAX_NANO_AMOUNT;
use skyloom_store::metering::{self, Select, Span};
use skyloom_store::periods::Tallies;
use skyloom_store::prices::PriceList;

use super::money;
use super::pieces::{Piece, States, cut};
use super::timeline::{Lists, Segment, segments};

/// Spans that are read at once, and pieces of one call to the tariff, which has bounded memory and time.
const BATCH: usize = 500;
/// Quantities that a tariff may keep, and bytes and digits of each.
const MAX_TALLIES: usize = 1000;
const MAX_KEY: usize = 256;
const MAX_DIGITS: usize = 39;

/// A piece with what it costs.
#[derive(Clone, Debug)]
pub(super) struct Rated {
    pub(super) span: Arc<Span>,
    pub(super) revision_id: String,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) server_state: String,
    pub(super) seconds: i64,
    pub(super) nano_unit_price: i64,
    pub(super) nano_amount: i128,
}

/// Whose failure it was: the tariff's parks the period, the store's leaves it for the next run.
pub(super) enum Failure {
    Tariff(Error),
    Store(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

/// What is walked: an account's spans within a time.
pub(super) struct Walk<'b> {
    db: &'b Db,
    tariff: &'b Arc<dyn Tariff>,
    lists: &'b mut Lists,
    wanted: Select,
    /// Whether prices may depend on servers' states.
    by_state: bool,
    /// Of the month so far.
    pub(super) tallies: Tallies,
    segments: VecDeque<Segment>,
    ids: VecDeque<Vec<String>>,
    pieces: VecDeque<Vec<Piece>>,
    prices: Option<(Segment, Arc<PriceList>)>,
}

impl<'b> Walk<'b> {
    /// `revision_id`: that of a period that is older than time lines, all of which it rates; else empty.
    pub(super) async fn begin(
        (db, tariff, lists): (&'b Db, &'b Arc<dyn Tariff>, &'b mut Lists),
        wanted: Select,
        revision_id: &str,
        tallies: Tallies,
    ) -> Result<Self> {
        let (start, end) = (wanted.start, wanted.end);
        let segments = if revision_id.is_empty() {
            let account = wanted.account.as_deref().ok_or_else(|| Error::internal("a walk is one account's"))?;
            segments(&mut db.read().await?, account, start, end).await?.into()
        } else {
            [Segment { start, end, revision_id: revision_id.to_owned() }].into()
        };
        Ok(Self {
            db,
            tariff,
            lists,
            wanted,
            by_state: revision_id.is_empty(),
            tallies,
            segments,
            ids: VecDeque::new(),
            pieces: VecDeque::new(),
            prices: None,
        })
    }

    /// The next charges; none: the end is reached.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Rated>>, Failure> {
        loop {
            if let Some(pieces) = self.pieces.pop_front() {
                return self.rate(pieces).await.map(Some).map_err(Failure::Tariff);
            }
            if let Some(ids) = self.ids.pop_front() {
                self.cut(&ids).await?;
                continue;
            }
            let Some(segment) = self.segments.pop_front() else { return Ok(None) };
            let mut conn = self.db.read().await?;
            let part = Select { start: segment.start, end: segment.end, ..self.wanted.clone() };
            // All at once: a span that is closed meanwhile must not slip between two batches.
            let ids = metering::span_ids(&mut conn, &part).await?;
            self.ids = ids.chunks(BATCH).map(<[String]>::to_vec).collect();
            let list = self.lists.get(&mut conn, &segment.revision_id).await?;
            self.prices = Some((segment, list));
        }
    }

    async fn cut(&mut self, ids: &[String]) -> Result<()> {
        let Some((segment, _)) = &self.prices else { return Ok(()) };
        let (start, end) = (segment.start, segment.end);
        let mut conn = self.db.read().await?;
        let spans = metering::spans(&mut conn, ids).await?;
        let mut states = States::default();
        if self.by_state {
            let mut servers: Vec<String> = spans.iter().map(|span| span.server_id.clone()).collect();
            servers.retain(|id| !id.is_empty());
            servers.sort_unstable();
            servers.dedup();
            states = States::of(metering::server_states(&mut conn, &servers, start, end).await?);
        }
        let pieces = cut(spans, &states, start, end);
        self.pieces = pieces.chunks(BATCH).map(<[Piece]>::to_vec).collect();
        Ok(())
    }

    /// The tariff's answer is not trusted: charges of other pieces, twice, out of order or for more seconds than there were are its
    /// defect.
    async fn rate(&mut self, pieces: Vec<Piece>) -> Result<Vec<Rated>> {
        let Some((segment, list)) = &self.prices else { return Ok(Vec::new()) };
        let asked = pieces.iter().map(asked).collect::<Result<Vec<_>>>()?;
        let tallies = std::mem::take(&mut self.tallies);
        let tallies = tallies.into_iter().map(|(key, quantity)| wit::Tally { key, quantity }).collect();
        let answer = self.tariff.rate(asked, price_list(list), tallies).await?;
        let defect = |what: &str| Error::internal(format!("the tariff {} {what}", self.tariff.digest()));
        self.tallies = kept(answer.tallies).ok_or_else(|| defect("gave quantities that are none, or too many"))?;
        let mut last = None;
        let mut rated = Vec::with_capacity(answer.charges.len());
        for charge in answer.charges {
            let piece = usize::try_from(charge.piece).ok().and_then(|place| pieces.get(place));
            let piece = piece.filter(|_| last.is_none_or(|last| last < charge.piece));
            let piece = piece.ok_or_else(|| defect("charged pieces that it wasn't given, twice or out of order"))?;
            last = Some(charge.piece);
            let seconds = i64::try_from(charge.seconds).map_err(|_| defect("counted too many seconds"))?;
            if seconds > (piece.end.0 - piece.start.0) / 1_000_000 + 1 {
                return Err(defect("charged more seconds than there were"));
            }
            rated.push(Rated {
                span: piece.span.clone(),
                revision_id: segment.revision_id.clone(),
                started_at: piece.start,
                ended_at: piece.end,
                server_state: piece.server_state.clone(),
                seconds,
                nano_unit_price: money::parse_price(&charge.unit_price)
                    .map_err(|_| defect("gave a price that is none"))?,
                nano_amount: amount(&charge.amount).ok_or_else(|| defect("gave an amount that is none"))?,
            });
        }
        Ok(rated)
    }
}

fn asked(piece: &Piece) -> Result<wit::Piece> {
    Ok(wit::Piece {
        project_id: piece.span.project_id.clone(),
        resource_kind: piece.span.resource_kind.clone(),
        resource_id: piece.span.resource_id.clone(),
        meter: piece.span.meter.clone(),
        class: piece.span.class.clone(),
        server_state: piece.server_state.clone(),
        quantity: piece.span.quantity()?,
        start: piece.start.0,
        end: piece.end.0,
    })
}

/// None: no amount, or more than the ledger takes for one charge.
fn amount(text: &str) -> Option<i128> {
    money::parse(text).ok().filter(|nano| *nano <= MAX_NANO_AMOUNT)
}

/// None: there are too many, a key twice, or something that is none.
fn kept(tallies: Vec<wit::Tally>) -> Option<Tallies> {
    let number = |text: &str| (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let sound = |tally: &wit::Tally| tally.key.len() <= MAX_KEY && number(&tally.quantity);
    let count = tallies.len();
    if count > MAX_TALLIES || !tallies.iter().all(sound) {
        return None;
    }
    let kept: Tallies = tallies.into_iter().map(|tally| (tally.key, tally.quantity)).collect();
    (kept.len() == count).then_some(kept)
}

/// Prices come by meter, class, state and quantity: the tiers of one stand together.
fn price_list(list: &PriceList) -> wit::Sheet {
    let mut prices: Vec<wit::Price> = Vec::new();
    for price in &list.prices {
        let tier = wit::Tier {
            from: u64::try_from(price.from_units).unwrap_or_default(),
            per_unit_hour: money::format(price.nano_per_unit_hour.into()),
        };
        match prices.last_mut() {
            Some(last)
                if last.meter == price.meter
                    && last.class == price.class
                    && last.server_state == price.server_state =>
            {
                last.tiers.push(tier);
            }
            _ => prices.push(wit::Price {
                meter: price.meter.clone(),
                class: price.class.clone(),
                server_state: price.server_state.clone(),
                tiers: vec![tier],
            }),
        }
    }
    wit::Sheet { id: list.revision_id.clone(), currency: list.currency.clone(), prices }
}
