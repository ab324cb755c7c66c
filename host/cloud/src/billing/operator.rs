//! The operator's verbs: `skyloom rating list | retry`. They only ask and mark; a running process rates.

use std::fmt::Display;

use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_store::Db;
use skyloom_store::periods::{self, Period};

/// Periods that are not rated yet, oldest first: waiting, being rated, or parked with their reason.
pub async fn unrated(db: &Db) -> Result<Vec<Period>> {
    periods::unrated(&mut db.read().await?).await
}

/// Lets the parked periods that begin at a time be rated again at the next run, of whatever account and whatever tariff they were
/// parked by. `not-found`, `wrong-state` where none is parked; `name` is how the operator called the time.
pub async fn retry(db: &Db, started_at: Timestamp, name: impl Display) -> Result<()> {
    let mut tx = db.begin().await?;
    if periods::unpark(&mut tx, started_at).await? > 0 {
        return tx.commit().await;
    }
    let name = name.to_string();
    let known = periods::beginning(&mut tx, started_at).await?;
    let Some(period) = known.iter().find(|period| period.state == periods::PeriodState::Rating).or(known.first())
    else {
        return Err(Error::not_found("rating period", name));
    };
    let message = format!("The period is {}; only a parked one can be retried.", period.state.as_str());
    Err(Error::new(ErrorCode::WrongState, message).with_resource("rating period", name))
}
