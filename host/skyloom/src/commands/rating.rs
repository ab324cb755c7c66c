//! `skyloom rating ...`: periods whose use has no charges yet, beside a running `skyloom serve` or without one.

use serde_json::{Value, json};
use skyloom_cloud::billing;
use skyloom_model::Timestamp;
use skyloom_store::charges::{Period, PeriodState};

use super::{print_json, print_table, time, with_database};
use crate::cli::RatingCommand;
use crate::failure::Failure;

pub fn run(command: RatingCommand) -> Result<(), Failure> {
    match command {
        RatingCommand::List { deployment, state, json } => {
            let state = state.as_deref().map(wanted).transpose()?;
            with_database(&deployment, async |_, db| {
                let periods = billing::unrated(db).await?;
                let shown = periods.iter().filter(|period| state.is_none_or(|state| period.state == state));
                list(&shown.collect::<Vec<_>>(), json);
                Ok(())
            })
        }
        RatingCommand::Retry { start, deployment } => {
            let at: jiff::Timestamp =
                start.parse().map_err(|error| Failure::config(vec![format!("{start} is no time: {error}")]))?;
            with_database(&deployment, async |_, db| {
                billing::retry(db, Timestamp(at.as_microsecond()), &start).await?;
                say!("the period that begins at {start} is rated again at the next run of a running skyloom");
                Ok(())
            })
        }
    }
}

fn wanted(text: &str) -> Result<PeriodState, Failure> {
    let known = [PeriodState::Rating, PeriodState::Parked];
    known.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
        let known = known.map(PeriodState::as_str).join(", ");
        Failure::config(vec![format!("--state {text}: one of {known}")])
    })
}

fn list(periods: &[&Period], json: bool) {
    if json {
        print_json(&periods.iter().map(|period| period_json(period)).collect());
        return;
    }
    let header = ["START", "END", "STATE", "ATTEMPTS", "ERROR"].map(str::to_owned).to_vec();
    let rows = periods.iter().map(|period| {
        vec![
            time(Some(period.started_at)),
            time(Some(period.ended_at)),
            period.state.as_str().to_owned(),
            period.attempts.to_string(),
            period.error.clone(),
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

fn period_json(period: &Period) -> Value {
    json!({
        "start": time(Some(period.started_at)),
        "end": time(Some(period.ended_at)),
        "state": period.state.as_str(),
        "attempts": period.attempts,
        "price-sheet": period.sheet_id,
        "tariff-digest": period.rule_digest,
        "error": period.error,
    })
}
