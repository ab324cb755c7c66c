//! The ledger: which periods are rated, and what each span cost in each. Money is whole nano-units. An amount has more bits
//! than a column of either database: it lies in two, and is summed in pieces that no count of rows can overflow.

use skyloom_model::{Error, Reach, Result, Timestamp};

use crate::listing::Query;
use crate::rows::{rows, words};
use crate::{Conn, args};

words! {
    PeriodState {
        /// Being rated, or was when its process ended.
        Rating "rating",
        Rated "rated",
        /// The tariff failed; it waits for the operator or for another tariff.
        Parked "parked",
    }
}

rows! {
    /// A stretch of time that is rated at once. Half open.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Period in "rating_periods" as "p" {
        started_at: Timestamp,
        ended_at: Timestamp,
        sheet_id: String,
        state: PeriodState,
        /// Grows with each attempt; a write of an older one changes nothing.
        attempts: i64,
        /// Of the tariff that rated it, or failed at it.
        rule_digest: String,
        /// Why it is parked; empty: it isn't.
        error: String,
        updated_at: Timestamp,
    }
}

/// Those that share time with `start..end`, in order.
pub async fn periods(conn: &mut Conn, start: Timestamp, end: Timestamp) -> Result<Vec<Period>> {
    let sql = Period::select("WHERE p.started_at < $2 AND p.ended_at > $1 ORDER BY p.started_at");
    conn.all(sql, args![start, end], Period::of_row).await
}

/// Those that are not rated, in order.
pub async fn unrated(conn: &mut Conn) -> Result<Vec<Period>> {
    conn.all(Period::select("WHERE p.state <> 'rated' ORDER BY p.started_at"), &[], Period::of_row).await
}

/// The one that begins at this time.
pub async fn period_at(conn: &mut Conn, start: Timestamp) -> Result<Option<Period>> {
    conn.optional(Period::select("WHERE p.started_at = $1"), args![start], Period::of_row).await
}

/// The end of the last one.
pub async fn last_end(conn: &mut Conn) -> Result<Option<Timestamp>> {
    conn.optional("SELECT ended_at FROM rating_periods ORDER BY started_at DESC LIMIT 1", &[], |row| row.time(0)).await
}

/// A new period, to be rated. Another process may have written it already.
pub async fn insert_period(tx: &mut Conn, start: Timestamp, end: Timestamp, sheet_id: &str) -> Result<()> {
    let period = Period {
        started_at: start,
        ended_at: end,
        sheet_id: sheet_id.to_owned(),
        state: PeriodState::Rating,
        attempts: 0,
        rule_digest: String::new(),
        error: String::new(),
        // Nobody has it in hand: as if its last touch lay far back.
        updated_at: Timestamp(0),
    };
    period.insert()?.on_conflict("(started_at) DO NOTHING").run(tx).await.map(drop)
}

/// Takes an unrated period that nobody touched since `stale`, and takes back what an attempt before wrote. Gives it with its
/// new count of attempts; none: it is rated, or in another's hand.
pub async fn claim(tx: &mut Conn, start: Timestamp, stale: Timestamp, now: Timestamp) -> Result<Option<Period>> {
    let taken = tx
        .execute(
            "UPDATE rating_periods SET state = 'rating', attempts = attempts + 1, error = '', updated_at = $3 \
             WHERE started_at = $1 AND (state = 'parked' OR (state = 'rating' AND updated_at < $2))",
            args![start, stale, now],
        )
        .await?;
    if taken == 0 {
        return Ok(None);
    }
    tx.execute("DELETE FROM charges WHERE period_start = $1", args![start]).await?;
    period_at(tx, start).await
}

/// The period as it then is; gives false when another attempt has taken it meanwhile.
pub async fn touch(tx: &mut Conn, period: &Period, now: Timestamp) -> Result<bool> {
    let done = tx
        .execute(
            "UPDATE rating_periods SET state = $3, rule_digest = $4, error = $5, updated_at = $6 \
             WHERE started_at = $1 AND attempts = $2",
            args![period.started_at, period.attempts, period.state.as_str(), &period.rule_digest, &period.error, now,],
        )
        .await?;
    Ok(done == 1)
}

/// Lets a parked period be rated anew by whoever comes next. False: there is none, or it isn't parked.
pub async fn unpark(tx: &mut Conn, start: Timestamp) -> Result<bool> {
    let sql = "UPDATE rating_periods SET state = 'rating', rule_digest = '', error = '', updated_at = $2 \
               WHERE started_at = $1 AND state = 'parked'";
    Ok(tx.execute(sql, args![start, Timestamp(0)]).await? == 1)
}

/// Bits of an amount in the lower column.
const LOW_BITS: u32 = 63;
/// The most that one charge may be: what two columns hold.
pub const MAX_NANO_AMOUNT: i128 = (1 << (2 * LOW_BITS)) - 1;

/// The higher and the lower column of an amount.
fn columns_of(nano: i128) -> Result<(i64, i64)> {
    let wrong = |_| Error::internal(format!("a charge of {nano} nano-units has no place in the ledger"));
    let low = nano & ((1 << LOW_BITS) - 1);
    Ok((i64::try_from(nano >> LOW_BITS).map_err(wrong)?, i64::try_from(low).map_err(wrong)?))
}

/// Two sums of a column that is never negative, of its upper and lower 32 bits: 2^31 rows fit.
fn sums_of(column: &str) -> String {
    format!("CAST(sum({column} / 4294967296) AS BIGINT), CAST(sum({column} % 4294967296) AS BIGINT)")
}

/// What [`sums_of`] gave of both columns of an amount.
fn amount_of(sums: [i64; 4]) -> Result<i128> {
    let [high, middle, low, lowest] = sums.map(i128::from);
    // The upper sum may be so large that only the product overflows.
    let upper = ((high << 32) + middle).checked_mul(1 << LOW_BITS);
    let lower = (low << 32) + lowest;
    upper.and_then(|upper| upper.checked_add(lower)).ok_or_else(|| Error::internal("the sum of charges is too large"))
}

/// What a span cost in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub span_id: String,
    pub period_start: Timestamp,
    pub sheet_id: String,
    pub project_id: String,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub seconds: i64,
    pub nano_unit_price: i64,
    /// At most [`MAX_NANO_AMOUNT`], not negative.
    pub nano_amount: i128,
    pub rule_digest: String,
    pub created_at: Timestamp,
}

/// A span is charged once for a period and sheet: a second charge changes nothing.
pub async fn insert(tx: &mut Conn, charge: &Charge) -> Result<()> {
    let (high, low) = columns_of(charge.nano_amount)?;
    tx.execute(
        "INSERT INTO charges (span_id, period_start, sheet_id, project_id, started_at, ended_at, seconds, nano_unit_price, \
         nano_amount_high, nano_amount, rule_digest, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (span_id, period_start, sheet_id) DO NOTHING",
        args![
            &charge.span_id,
            charge.period_start,
            &charge.sheet_id,
            &charge.project_id,
            charge.started_at,
            charge.ended_at,
            charge.seconds,
            charge.nano_unit_price,
            high,
            low,
            &charge.rule_digest,
            charge.created_at,
        ],
    )
    .await?;
    Ok(())
}

/// What one span cost over several periods at one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub span_id: String,
    pub project_id: String,
    pub resource_kind: String,
    pub resource_id: String,
    pub meter: String,
    pub class: String,
    pub quantity: i64,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    pub seconds: i64,
    pub nano_unit_price: i64,
    pub nano_amount: i128,
    /// Whether the span is still open.
    pub open: bool,
}

/// Which charges: of the periods that begin in `start..end`.
#[derive(Clone, Debug)]
pub struct Select {
    pub reach: Reach,
    pub resource_id: Option<String>,
    pub meter: Option<String>,
    pub start: Timestamp,
    pub end: Timestamp,
}

/// Gives the lines to `each` as they come, by span: a large cloud's are never all in memory.
pub async fn each_line(conn: &mut Conn, select: &Select, mut each: impl FnMut(Line) -> Result<()>) -> Result<()> {
    let columns = format!(
        "c.span_id, p.project_id, p.resource_kind, p.resource_id, p.meter, p.class, p.quantity, min(c.started_at), \
         max(c.ended_at), CAST(sum(c.seconds) AS BIGINT), c.nano_unit_price, p.ended_at, {}, {}",
        sums_of("c.nano_amount_high"),
        sums_of("c.nano_amount"),
    );
    let mut query = Query::new(columns, "charges c JOIN spans p ON p.id = c.span_id", "c.span_id");
    query.within(conn.is_postgres(), &[crate::metering::OWNER], &select.reach, None);
    query.and_text("p.resource_id", select.resource_id.as_deref());
    query.and_text("p.meter", select.meter.as_deref());
    query.and_int("c.period_start", ">=", Some(select.start.0));
    query.and_int("c.period_start", "<", Some(select.end.0));
    let group = "c.span_id, p.project_id, p.resource_kind, p.resource_id, p.meter, p.class, p.quantity, p.ended_at, \
                 c.nano_unit_price";
    query
        .each_group(conn, group, |row| {
            each(Line {
                span_id: row.text(0)?,
                project_id: row.text(1)?,
                resource_kind: row.text(2)?,
                resource_id: row.text(3)?,
                meter: row.text(4)?,
                class: row.text(5)?,
                quantity: row.int(6)?,
                started_at: row.time(7)?,
                ended_at: row.time(8)?,
                seconds: row.int(9)?,
                nano_unit_price: row.int(10)?,
                nano_amount: amount_of([row.int(12)?, row.int(13)?, row.int(14)?, row.int(15)?])?,
                open: row.time(11)? == crate::metering::OPEN,
            })
        })
        .await
}
