//! The operator's verbs: `skyloom rating list | retry`. They only ask and mark; a running process rates.

use std::fmt::Display;

use skyloom_model::{Error, ErrorCode, Result, Timestamp};
use skyloom_store::Db;
use skyloom_store::charges::{self, Period};

/// Periods that are not rated yet, oldest first: waiting, being rated, or parked with their reason.
pub async fn unrated(db: &Db) -> Result<Vec<Period>> {
    charges::unrated(&mut db.read().await?).await
}

/// Lets a parked period be rated again at the next run, whatever tariff it was parked by. `not-found`, `wrong-state` for one
/// that isn't parked; `name` is how the operator called it.
pub async fn retry(db: &Db, started_at: Timestamp, name: impl Display) -> Result<()> {
    let mut tx = db.begin().await?;
    if charges::unpark(&mut tx, started_at).await? {
        return tx.commit().await;
    }
    let name = name.to_string();
    let Some(period) = charges::period_at(&mut tx, started_at).await? else {
        return Err(Error::not_found("rating period", name));
    };
    let message = format!("The period is {}; only a parked one can be retried.", period.state.as_str());
    Err(Error::new(ErrorCode::WrongState, message).with_resource("rating period", name))
}
