//! What a project used in a period, and what it costs.
//!
//! `GET /consumption-records?start_time=&end_time=&project_id=&resource_id=&meter=&all_projects=`: times in ISO 8601, half open; a
//! period without a start begins with the month of its end, one without an end lasts until now. Times lie in the years 1970 to
//! 9999. Amounts are decimal strings.

use keystone::error_response;
use skyloom_sdk::cloud::billing::{Consumption, ConsumptionQuery, ConsumptionReport};
use skyloom_sdk::host::clock;
use skyloom_sdk::json::Writer;
use skyloom_sdk::query::Query;
use skyloom_sdk::{Billing, Error, ErrorCode, Imports, Personality, Request, Response, Timestamp, key, respond, time};

/// 10000-01-01T00:00:00Z.
const YEAR_10000: Timestamp = 253_402_300_800_000_000;
const PARAMETERS: &[&str] = &["start_time", "end_time", "project_id", "resource_id", "meter", "all_projects"];

/// The component.
pub struct Component;

impl Personality for Component {
    fn handle(request: Request) -> Response {
        handle(&Imports, &request, clock::now())
    }
}

skyloom_sdk::personality!(Component);

/// Answers one request.
pub fn handle<C: Billing>(cloud: &C, request: &Request, now: Timestamp) -> Response {
    match consumption(cloud, request, now) {
        Ok(response) => response,
        Err((status, message)) => error_response(status, &message),
    }
}

type Failure = (u16, String);

fn consumption<C: Billing>(cloud: &C, request: &Request, now: Timestamp) -> Result<Response, Failure> {
    let query = query(request, now)?;
    let report = cloud.get_consumption(&query).map_err(|error| (status_of(&error), words_of(error)))?;
    Ok(respond::json(200, write(&query, &report)))
}

fn query(request: &Request, now: Timestamp) -> Result<ConsumptionQuery, Failure> {
    if let Some((name, _)) = request.query.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
        return Err((400, format!("The parameter {name} is not known.")));
    }
    let parameters = Query(&request.query);
    let text = |name: &str| parameters.last(name).filter(|value| !value.is_empty()).map(ToOwned::to_owned);
    let moment = |name: &str| text(name).map(|value| moment(name, &value)).transpose();
    let end = moment("end_time")?.unwrap_or(now);
    if end == 0 {
        return Err((400, "The parameter end_time must lie after the begin of 1970.".to_owned()));
    }
    let start = moment("start_time")?.unwrap_or_else(|| month_of(end));
    if start >= end {
        return Err((400, "The parameter start_time must lie before end_time.".to_owned()));
    }
    let all_projects = match text("all_projects").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err((400, "The parameter all_projects is true or false.".to_owned())),
    };
    Ok(ConsumptionQuery {
        project_id: text("project_id"),
        all_projects,
        start,
        end,
        resource_id: text("resource_id"),
        meter: text("meter"),
    })
}

/// What is asked about lies in the years that a time of four digits names, from the first that the core knows.
fn moment(name: &str, value: &str) -> Result<Timestamp, Failure> {
    let time = time::parse(value).ok_or_else(|| (400, format!("The parameter {name} is no ISO 8601 time.")))?;
    if !(0..YEAR_10000).contains(&time) {
        return Err((400, format!("The parameter {name} must lie in the years 1970 to 9999.")));
    }
    Ok(time)
}

/// The first moment of the month that holds the last moment before `end`.
fn month_of(end: Timestamp) -> Timestamp {
    let text = time::seconds_z(end - 1);
    time::parse(&format!("{}-01T00:00:00Z", &text[..7])).unwrap_or(0)
}

fn write(query: &ConsumptionQuery, report: &ConsumptionReport) -> Vec<u8> {
    let mut out = Writer::with_capacity(512 + report.rows.len() * 448);
    out.begin_object().key(key!("consumption")).begin_object();
    out.key(key!("currency")).string(&report.currency);
    out.key(key!("start_time")).string(&time::micros_z(query.start));
    out.key(key!("end_time")).string(&time::micros_z(query.end));
    out.key(key!("as_of")).string(&time::micros_z(report.as_of));
    out.key(key!("rule_digest")).string(&report.rule_digest);
    out.key(key!("total")).string(&report.total);
    out.key(key!("truncated")).boolean(report.truncated);
    out.key(key!("records")).begin_array();
    for row in &report.rows {
        write_row(&mut out, row);
    }
    out.end_array().end_object().end_object();
    out.finish()
}

fn write_row(out: &mut Writer, row: &Consumption) {
    out.begin_object();
    out.key(key!("project_id")).string(&row.project_id);
    out.key(key!("resource_type")).string(&row.resource_kind);
    out.key(key!("resource_id")).string(&row.resource_id);
    out.key(key!("meter")).string(&row.meter);
    out.key(key!("class")).string(&row.class);
    out.key(key!("quantity")).unsigned(row.quantity);
    out.key(key!("start_time")).string(&time::micros_z(row.start));
    out.key(key!("end_time")).string(&time::micros_z(row.end));
    out.key(key!("seconds")).unsigned(row.seconds);
    out.key(key!("unit_price")).string(&row.unit_price);
    out.key(key!("amount")).string(&row.amount);
    out.key(key!("provisional")).boolean(row.provisional);
    out.end_object();
}

/// HTTP status of a core error. Total over the core's codes.
fn status_of(error: &Error) -> u16 {
    match &error.code {
        ErrorCode::Invalid | ErrorCode::BadContent => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::Forbidden | ErrorCode::QuotaExceeded => 403,
        ErrorCode::NotFound => 404,
        ErrorCode::AlreadyExists
        | ErrorCode::InUse
        | ErrorCode::WrongState
        | ErrorCode::Busy
        | ErrorCode::Locked
        | ErrorCode::AddressInUse
        | ErrorCode::NoAddress
        | ErrorCode::NoCapacity
        | ErrorCode::Cancelled => 409,
        ErrorCode::TooLarge => 413,
        ErrorCode::RateLimited => 429,
        ErrorCode::NotSupported => 501,
        ErrorCode::DriverFailed | ErrorCode::Unavailable => 503,
        ErrorCode::TimedOut => 504,
        ErrorCode::Internal | ErrorCode::Other(_) => 500,
    }
}

/// The core's words, with the parameter's name where the core named its own.
fn words_of(error: Error) -> String {
    let parameter = match error.field.as_deref() {
        Some("start") => "start_time",
        Some("end") => "end_time",
        _ => return error.message,
    };
    format!("The parameter {parameter} is refused: {}", error.message)
}

#[cfg(test)]
mod tests;
