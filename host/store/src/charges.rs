//! The ledger: what each span cost, and what that makes for a resource and local day. Money is whole nano-units. An amount has
//! more bits than a column of either database: it lies in two, and is summed in pieces that no count of rows can overflow.

use skyloom_model::{Error, Reach, Result, Timestamp};

use crate::listing::Query;
use crate::statement::{delete_from, insert_into};
use crate::{Conn, Row, args};

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

/// The inverse.
fn of_columns(high: i64, low: i64) -> i128 {
    (i128::from(high) << LOW_BITS) + i128::from(low)
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

/// What a span cost by a revision of prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub span_id: String,
    pub revision_id: String,
    /// The account.
    pub domain_id: String,
    pub period_start: Timestamp,
    pub project_id: String,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// Of the server that the use belongs to; empty: of none.
    pub server_state: String,
    pub seconds: i64,
    pub nano_unit_price: i64,
    /// At most [`MAX_NANO_AMOUNT`], not negative.
    pub nano_amount: i128,
    pub rule_digest: String,
    pub created_at: Timestamp,
}

const CHARGE: &str = "c.span_id, c.revision_id, c.domain_id, c.period_start, c.project_id, c.started_at, c.ended_at, c.seconds, \
                      c.nano_unit_price, c.nano_amount_high, c.nano_amount, c.rule_digest, c.created_at, c.server_state";

fn charge(row: Row<'_>) -> Result<Charge> {
    Ok(Charge {
        span_id: row.text(0)?,
        revision_id: row.text(1)?,
        domain_id: row.text(2)?,
        period_start: row.time(3)?,
        project_id: row.text(4)?,
        started_at: row.time(5)?,
        ended_at: row.time(6)?,
        seconds: row.int(7)?,
        nano_unit_price: row.int(8)?,
        nano_amount: of_columns(row.int(9)?, row.int(10)?),
        rule_digest: row.text(11)?,
        created_at: row.time(12)?,
        server_state: row.text(13)?,
    })
}

/// Of a span and from one time on there is one charge by a revision.
pub async fn insert(tx: &mut Conn, charge: &Charge) -> Result<()> {
    let (high, low) = columns_of(charge.nano_amount)?;
    let row = insert_into(
        "charges",
        "(span_id, revision_id, domain_id, period_start, project_id, started_at, ended_at, seconds, nano_unit_price, \
         nano_amount_high, nano_amount, rule_digest, created_at, server_state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    );
    let values = args![
        &charge.span_id,
        &charge.revision_id,
        &charge.domain_id,
        charge.period_start,
        &charge.project_id,
        charge.started_at,
        charge.ended_at,
        charge.seconds,
        charge.nano_unit_price,
        high,
        low,
        &charge.rule_digest,
        charge.created_at,
        &charge.server_state,
    ];
    tx.defer(row, values).await
}

/// Takes back what a period's rating wrote.
pub async fn remove_of_period(tx: &mut Conn, domain_id: &str, period_start: Timestamp) -> Result<()> {
    for table in ["charges", "charge_days"] {
        let rows = delete_from(table, "WHERE domain_id = $1 AND period_start = $2");
        tx.defer(rows, args![domain_id, period_start]).await?;
    }
    Ok(())
}

/// A period's, by span and time.
pub async fn of_period(conn: &mut Conn, domain_id: &str, period_start: Timestamp) -> Result<Vec<Charge>> {
    let sql = format!(
        "SELECT {CHARGE} FROM charges c WHERE c.domain_id = $1 AND c.period_start = $2 \
         ORDER BY c.span_id, c.started_at, c.revision_id"
    );
    conn.all(sql, args![domain_id, period_start], charge).await
}

/// What a resource cost in a period: the ledger, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    pub resource_id: String,
    pub meter: String,
    /// The local day that the period lies in, e.g. `2026-11-29`.
    pub day: String,
    pub project_id: String,
    pub resource_kind: String,
    pub seconds: i64,
    pub nano_amount: i128,
}

pub async fn insert_day(tx: &mut Conn, domain_id: &str, period_start: Timestamp, day: &Day) -> Result<()> {
    let (high, low) = columns_of(day.nano_amount)?;
    let row = insert_into(
        "charge_days",
        "(domain_id, period_start, resource_id, meter, day, project_id, resource_kind, seconds, nano_amount_high, nano_amount) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    );
    let values = args![
        domain_id,
        period_start,
        &day.resource_id,
        &day.meter,
        &day.day,
        &day.project_id,
        &day.resource_kind,
        day.seconds,
        high,
        low,
    ];
    tx.defer(row, values).await
}

/// A period's, by resource and meter.
pub async fn days_of_period(conn: &mut Conn, domain_id: &str, period_start: Timestamp) -> Result<Vec<Day>> {
    let sql = "SELECT d.resource_id, d.meter, d.day, d.project_id, d.resource_kind, d.seconds, d.nano_amount_high, d.nano_amount \
               FROM charge_days d WHERE d.domain_id = $1 AND d.period_start = $2 ORDER BY d.resource_id, d.meter";
    let day = |row: Row<'_>| {
        Ok(Day {
            resource_id: row.text(0)?,
            meter: row.text(1)?,
            day: row.text(2)?,
            project_id: row.text(3)?,
            resource_kind: row.text(4)?,
            seconds: row.int(5)?,
            nano_amount: of_columns(row.int(6)?, row.int(7)?),
        })
    };
    conn.all(sql, args![domain_id, period_start], day).await
}

/// The same as the ledger says it.
pub async fn days_by_ledger(
    conn: &mut Conn,
    domain_id: &str,
    period_start: Timestamp,
    local_day: &str,
) -> Result<Vec<Day>> {
    let sql = format!(
        "SELECT p.resource_id, p.meter, min(c.project_id), min(p.resource_kind), CAST(sum(c.seconds) AS BIGINT), {}, {} \
         FROM charges c JOIN spans p ON p.id = c.span_id WHERE c.domain_id = $1 AND c.period_start = $2 \
         GROUP BY p.resource_id, p.meter ORDER BY p.resource_id, p.meter",
        sums_of("c.nano_amount_high"),
        sums_of("c.nano_amount"),
    );
    let day = |row: Row<'_>| {
        Ok(Day {
            resource_id: row.text(0)?,
            meter: row.text(1)?,
            day: local_day.to_owned(),
            project_id: row.text(2)?,
            resource_kind: row.text(3)?,
            seconds: row.int(4)?,
            nano_amount: amount_of([row.int(5)?, row.int(6)?, row.int(7)?, row.int(8)?])?,
        })
    };
    conn.all(sql, args![domain_id, period_start], day).await
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
    pub account: String,
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
    query.and_text("c.domain_id", Some(&select.account));
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
