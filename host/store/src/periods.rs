//! Which stretches of time are rated: each is one account's and lies in one local day.

use std::collections::BTreeMap;

use skyloom_model::{Result, Timestamp};

use crate::rows::{rows, words};
use crate::{Conn, args, charges};

/// The most periods that are read at once.
const MOST: u32 = 10_000;

words! {
    PeriodState {
        /// Being rated, or was when its process ended.
        Rating "rating",
        Rated "rated",
        /// The tariff failed; it waits for the operator or for another tariff.
        Parked "parked",
    }
}

/// What the tariff counts over a month, by its own keys: whole numbers as text.
pub type Tallies = BTreeMap<String, String>;

rows! {
    /// A stretch of an account's time that is rated at once. Half open.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Period in "rating_periods" as "p" {
        /// The account; empty: of projects that were gone before accounts were written down.
        domain_id: String,
        started_at: Timestamp,
        ended_at: Timestamp,
        /// The local day, e.g. `2026-11-29`; empty: the period is older than local days.
        day: String,
        /// Empty: rated by the time lines. Else all of it by this revision: the period is older than those.
        revision_id: String,
        state: PeriodState,
        /// Grows with each attempt; a write of an older one changes nothing.
        attempts: i64,
        /// Of the tariff that rated it, or failed at it.
        rule_digest: String,
        /// Why it is parked; empty: it isn't.
        error: String,
        /// At its end; none while it isn't rated.
        tallies: Tallies as Json,
        updated_at: Timestamp,
    }
}

/// An account's that share time with `start..end`, in order.
pub async fn within(conn: &mut Conn, domain_id: &str, start: Timestamp, end: Timestamp) -> Result<Vec<Period>> {
    let sql = Period::select("WHERE p.domain_id = $1 AND p.started_at < $3 AND p.ended_at > $2 ORDER BY p.started_at");
    conn.all(sql, args![domain_id, start, end], Period::of_row).await
}

/// Those that are not rated, the oldest 10,000 in order.
pub async fn unrated(conn: &mut Conn) -> Result<Vec<Period>> {
    let sql = Period::select("WHERE p.state <> 'rated' ORDER BY p.started_at, p.domain_id LIMIT $1");
    conn.all(sql, args![MOST], Period::of_row).await
}

/// A page of those that a tariff of this digest may rate, in order, after the one that begins at `after.0` for the account
/// `after.1`. It isn't asked again for what it failed at.
pub async fn due(conn: &mut Conn, digest: &str, after: (Timestamp, &str), limit: u32) -> Result<Vec<Period>> {
    let sql = Period::select(
        "WHERE (p.state = 'rating' OR (p.state = 'parked' AND p.rule_digest <> $1)) \
         AND (p.started_at, p.domain_id) > ($2, $3) ORDER BY p.started_at, p.domain_id LIMIT $4",
    );
    conn.all(sql, args![digest, after.0, after.1, limit], Period::of_row).await
}

/// The account's that begins at this time.
pub async fn at(conn: &mut Conn, domain_id: &str, start: Timestamp) -> Result<Option<Period>> {
    let sql = Period::select("WHERE p.domain_id = $1 AND p.started_at = $2");
    conn.optional(sql, args![domain_id, start], Period::of_row).await
}

/// Those that begin at this time, by account.
pub async fn beginning(conn: &mut Conn, start: Timestamp) -> Result<Vec<Period>> {
    let sql = Period::select("WHERE p.started_at = $1 ORDER BY p.domain_id LIMIT $2");
    conn.all(sql, args![start, MOST], Period::of_row).await
}

/// The account's last one that begins before this time.
pub async fn before(conn: &mut Conn, domain_id: &str, start: Timestamp) -> Result<Option<Period>> {
    let sql = Period::select("WHERE p.domain_id = $1 AND p.started_at < $2 ORDER BY p.started_at DESC LIMIT 1");
    conn.optional(sql, args![domain_id, start], Period::of_row).await
}

/// The end of the last one of any account.
pub async fn last_end(conn: &mut Conn) -> Result<Option<Timestamp>> {
    conn.one("SELECT max(ended_at) FROM rating_periods", &[], |row| row.opt_time(0)).await
}

/// A new period, to be rated. Another process may have written it already.
pub async fn insert(tx: &mut Conn, domain_id: &str, (start, end): (Timestamp, Timestamp), day: &str) -> Result<()> {
    let period = Period {
        domain_id: domain_id.to_owned(),
        started_at: start,
        ended_at: end,
        day: day.to_owned(),
        revision_id: String::new(),
        state: PeriodState::Rating,
        attempts: 0,
        rule_digest: String::new(),
        error: String::new(),
        tallies: Tallies::new(),
        // Nobody has it in hand: as if its last touch lay far back.
        updated_at: Timestamp(0),
    };
    period.insert()?.unless_there().run(tx).await.map(drop)
}

/// Takes an unrated period that nobody touched since `stale`, and takes back what an attempt before wrote. Gives it with its
/// new count of attempts; none: it is rated, or in another's hand.
pub async fn claim(
    tx: &mut Conn,
    (domain_id, start): (&str, Timestamp),
    stale: Timestamp,
    now: Timestamp,
) -> Result<Option<Period>> {
    let taken = tx
        .execute(
            "UPDATE rating_periods SET state = 'rating', attempts = attempts + 1, error = '', updated_at = $4 \
             WHERE domain_id = $1 AND started_at = $2 AND (state = 'parked' OR (state = 'rating' AND updated_at < $3))",
            args![domain_id, start, stale, now],
        )
        .await?;
    if taken == 0 {
        return Ok(None);
    }
    charges::remove_of_period(tx, domain_id, start).await?;
    at(tx, domain_id, start).await
}

/// The period as it then is; gives false when another attempt has taken it meanwhile.
pub async fn touch(tx: &mut Conn, period: &Period, now: Timestamp) -> Result<bool> {
    let tallies = serde_json::to_string(&period.tallies).map_err(skyloom_model::Error::internal)?;
    let done = tx
        .execute(
            "UPDATE rating_periods SET state = $4, rule_digest = $5, error = $6, tallies = $7, updated_at = $8 \
             WHERE domain_id = $1 AND started_at = $2 AND attempts = $3",
            args![
                &period.domain_id,
                period.started_at,
                period.attempts,
                period.state.as_str(),
                &period.rule_digest,
                &period.error,
                &tallies,
                now,
            ],
        )
        .await?;
    Ok(done == 1)
}

/// Lets the parked periods that begin at this time be rated anew by whoever comes next. Gives how many there were.
pub async fn unpark(tx: &mut Conn, start: Timestamp) -> Result<u64> {
    let sql = "UPDATE rating_periods SET state = 'rating', rule_digest = '', error = '', updated_at = $2 \
               WHERE started_at = $1 AND state = 'parked'";
    tx.execute(sql, args![start, Timestamp(0)]).await
}
