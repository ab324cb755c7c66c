//! The check of the ledger: each rated period is walked again, and the days are added up again. The same records, prices and tariff
//! give the same charges. A ledger that another version of the tariff wrote has to have the same ones too.

use std::sync::Arc;

use skyloom_model::{Result, Timestamp};
use skyloom_runtime::tariff::Tariff;
use skyloom_store::Db;
use skyloom_store::charges::{self, Charge};
use skyloom_store::metering;
use skyloom_store::periods::{self, Period, PeriodState, Tallies};

use super::rating::{all_of, carried, charge};
use super::timeline::Lists;
use super::walk::{Failure, Walk};

/// Differences that are told; all are counted.
const MAX_TOLD: usize = 100;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub periods: u64,
    pub charges: u64,
    /// How many differences there are.
    pub differing: u64,
    /// The first of them, in words for the operator.
    pub told: Vec<String>,
}

impl Checked {
    fn tell(&mut self, period: &Period, what: String) {
        self.differing += 1;
        if self.told.len() < MAX_TOLD {
            let (account, start) = (&period.domain_id, period.started_at.0);
            self.told.push(format!("account {account:?}, period {start}: {what}"));
        }
    }
}

/// Compares the rated periods that share time with `start..end` to what the records say. Without a tariff only the days are.
pub async fn check(db: &Db, tariff: Option<Arc<dyn Tariff>>, start: Timestamp, end: Timestamp) -> Result<Checked> {
    let mut checked = Checked::default();
    let mut lists = Lists::default();
    let accounts = metering::accounts(&mut db.read().await?).await?;
    for account in accounts {
        let known = periods::within(&mut db.read().await?, &account, start, end).await?;
        for period in known.iter().filter(|period| period.state == PeriodState::Rated) {
            checked.periods += 1;
            check_days(db, &mut checked, period).await?;
            if let Some(tariff) = &tariff {
                check_charges((db, tariff, &mut lists), &mut checked, period).await?;
            }
        }
    }
    Ok(checked)
}

async fn check_days(db: &Db, checked: &mut Checked, period: &Period) -> Result<()> {
    // A period that is older than local days has none.
    if period.day.is_empty() {
        return Ok(());
    }
    let mut conn = db.read().await?;
    let days = charges::days_of_period(&mut conn, &period.domain_id, period.started_at).await?;
    let ledger = charges::days_by_ledger(&mut conn, &period.domain_id, period.started_at, &period.day).await?;
    for (kept, said) in differing(&days, &ledger, |day| (day.resource_id.clone(), day.meter.clone())) {
        checked.tell(period, format!("the day says {kept:?}, the ledger {said:?}"));
    }
    Ok(())
}

async fn check_charges(
    (db, tariff, lists): (&Db, &Arc<dyn Tariff>, &mut Lists),
    checked: &mut Checked,
    period: &Period,
) -> Result<()> {
    let mut conn = db.read().await?;
    let kept = charges::of_period(&mut conn, &period.domain_id, period.started_at).await?;
    checked.charges += kept.len() as u64;
    let tallies = carried(&mut conn, period).await?.unwrap_or_default();
    drop(conn);
    match again((db, tariff, lists), period, tallies).await {
        Ok((found, tallies)) => {
            for (kept, found) in differing(&kept, &found, key) {
                checked.tell(period, format!("the ledger says {kept:?}, the tariff {found:?}"));
            }
            if tallies != period.tallies {
                checked.tell(period, format!("the ledger counted {:?}, the tariff {tallies:?}", period.tallies));
            }
        }
        Err(Failure::Tariff(error)) => checked.tell(period, error.for_log()),
        Err(Failure::Store(error)) => return Err(error),
    }
    Ok(())
}

/// What the tariff says of a period now, in the ledger's order.
async fn again(
    with: (&Db, &Arc<dyn Tariff>, &mut Lists),
    period: &Period,
    tallies: Tallies,
) -> Result<(Vec<Charge>, Tallies), Failure> {
    let wanted = all_of(&period.domain_id, period.started_at, period.ended_at);
    let mut found = Vec::new();
    let mut walk = Walk::begin(with, wanted, &period.revision_id, tallies).await?;
    while let Some(rated) = walk.next().await? {
        found.extend(rated.iter().map(|rated| charge(rated, period, Timestamp(0))));
    }
    found.sort_unstable_by_key(key);
    Ok((found, walk.tallies))
}

fn key(charge: &Charge) -> (String, Timestamp, String) {
    (charge.span_id.clone(), charge.started_at, charge.revision_id.clone())
}

/// Pairs of what two lists in the order of one key don't have alike. When a charge was written is no difference.
fn differing<'l, T: Same, K: Ord>(
    one: &'l [T],
    other: &'l [T],
    key: impl Fn(&T) -> K,
) -> Vec<(Option<&'l T>, Option<&'l T>)> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    let mut pairs = Vec::new();
    loop {
        let order = match (one.peek(), other.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => key(one).cmp(&key(other)),
        };
        let pair = (one.next_if(|_| order.is_le()), other.next_if(|_| order.is_ge()));
        if !matches!(pair, (Some(one), Some(other)) if one.is_same(other)) {
            pairs.push(pair);
        }
    }
}

/// Alike in all that counts.
trait Same {
    fn is_same(&self, other: &Self) -> bool;
}

impl Same for charges::Day {
    fn is_same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Same for Charge {
    fn is_same(&self, other: &Self) -> bool {
        *self == Self { created_at: self.created_at, ..other.clone() }
    }
}
