//! `skyloom rating ...`: periods whose use has no charges yet, beside a running `skyloom serve` or without one.

use serde_json::{Value, json};
use skyloom_cloud::billing;
use skyloom_cloud::billing::Checked;
use skyloom_model::Timestamp;
use skyloom_store::periods::{Period, PeriodState};

use super::{or_dash, parse_time, print_json, print_table, time, with_database};
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
            let at = parse_time(&start)?;
            with_database(&deployment, async |_, db| {
                billing::retry(db, at, &start).await?;
                say!("the period that begins at {start} is rated again at the next run of a running skyloom");
                Ok(())
            })
        }
        RatingCommand::Check { deployment, from, until, json } => {
            let from = from.as_deref().map_or(Ok(Timestamp(0)), parse_time)?;
            let until = until.as_deref().map_or(Ok(Timestamp(i64::MAX)), parse_time)?;
            with_database(&deployment, async |loaded, db| {
                let tariff = crate::serve::tariff_alone(loaded)?;
                let checked = billing::check(db, tariff, from, until).await?;
                tell(&checked, json)
            })
        }
    }
}

/// What a check found; a difference is a failure.
fn tell(checked: &Checked, json: bool) -> Result<(), Failure> {
    let Checked { periods, charges, differing, told } = checked;
    if json {
        print_json(&json!({ "periods": periods, "charges": charges, "differing": differing, "told": told }));
    } else {
        for line in told {
            say!("{line}");
        }
        say!("{periods} periods with {charges} charges: {differing} differences");
    }
    if *differing == 0 { Ok(()) } else { Err(Failure::new("the ledger is not what its records say")) }
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
    let header = ["START", "END", "ACCOUNT", "STATE", "ATTEMPTS", "ERROR"].map(str::to_owned).to_vec();
    let rows = periods.iter().map(|period| {
        vec![
            time(Some(period.started_at)),
            time(Some(period.ended_at)),
            or_dash(&period.domain_id),
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
        "account": period.domain_id,
        "state": period.state.as_str(),
        "attempts": period.attempts,
        "tariff-digest": period.rule_digest,
        "error": period.error,
    })
}
