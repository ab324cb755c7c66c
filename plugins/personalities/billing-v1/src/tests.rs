use serde_json::json;
use skyloom_sdk::testing::{self, Call, FakeCloud, Seen, json_of};

use super::*;

/// 2026-03-15T12:00:00Z.
const NOW: Timestamp = 1_773_576_000_000_000;

fn report() -> ConsumptionReport {
    ConsumptionReport {
        currency: "USD".into(),
        as_of: NOW,
        rule_digest: "sha256:00".into(),
        total: "0.025".into(),
        rows: vec![Consumption {
            project_id: "project-1".into(),
            resource_kind: "server".into(),
            resource_id: "s".into(),
            meter: "vcpu".into(),
            class: "m1.tiny".into(),
            quantity: 2,
            start: NOW - 3_600_000_000,
            end: NOW,
            seconds: 3600,
            unit_price: "0.0125".into(),
            amount: "0.025".into(),
            provisional: true,
        }],
        truncated: false,
    }
}

fn ask(call: Call) -> (Response, Seen<ConsumptionQuery>) {
    let seen = Seen::default();
    let mut cloud = FakeCloud::default();
    let asked = seen.clone();
    cloud.billing.get_consumption = Some(Box::new(move |query| {
        asked.push(query.clone());
        Ok(report())
    }));
    (handle(&cloud, &call.build(), NOW), seen)
}

fn call() -> Call {
    Call::new("consumption.list", "GET", "/consumption-records")
}

#[test]
fn a_period_without_bounds_is_this_month_until_now() {
    let (response, seen) = ask(call());
    let body = json_of(&response);
    assert_eq!(body["consumption"]["start_time"], "2026-03-01T00:00:00.000000Z");
    assert_eq!(body["consumption"]["end_time"], "2026-03-15T12:00:00.000000Z");
    assert_eq!(body["consumption"]["total"], "0.025");
    assert_eq!(
        body["consumption"]["records"][0],
        json!({
            "project_id": "project-1", "resource_type": "server", "resource_id": "s", "meter": "vcpu", "class": "m1.tiny",
            "quantity": 2, "start_time": "2026-03-15T11:00:00.000000Z", "end_time": "2026-03-15T12:00:00.000000Z",
            "seconds": 3600, "unit_price": "0.0125", "amount": "0.025", "provisional": true,
        })
    );
    assert!(!seen.only().all_projects);
}

#[test]
fn a_period_that_ends_with_a_month_begins_with_it() {
    let (response, _) = ask(call().query("end_time", "2026-03-01T00:00:00Z"));
    assert_eq!(json_of(&response)["consumption"]["start_time"], "2026-02-01T00:00:00.000000Z");
}

#[test]
fn every_parameter_reaches_the_core() {
    let (_, seen) = ask(call()
        .query("start_time", "2026-01-01")
        .query("end_time", "2026-02-01T00:00:00+00:00")
        .query("project_id", "p")
        .query("resource_id", "r")
        .query("meter", "vcpu")
        .query("all_projects", "true"));
    let asked = seen.only();
    assert_eq!(
        (asked.project_id.as_deref(), asked.resource_id.as_deref(), asked.meter.as_deref()),
        (Some("p"), Some("r"), Some("vcpu"))
    );
    assert!(asked.all_projects);
    assert_eq!(asked.end - asked.start, 31 * 86_400_000_000);
}

#[test]
fn what_is_no_time_no_period_or_no_parameter_is_refused() {
    let cases = [
        call().query("start_time", "yesterday"),
        call().query("end_time", "2026-13-01"),
        call().query("start_time", "2026-03-02").query("end_time", "2026-03-01"),
        call().query("start_time", "2026-03-01").query("end_time", "2026-03-01"),
        call().query("all_projects", "yes"),
        call().query("limit", "1"),
    ];
    for case in cases {
        let (response, seen) = ask(case);
        assert_eq!(response.status, 400);
        assert_eq!(json_of(&response)["error"]["title"], "Bad Request");
        assert!(seen.all().is_empty());
    }
}

#[test]
fn a_refused_time_is_named() {
    let outside =
        ["1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00+00:01", "0000-01-01", "9999-12-31T23:59:59-00:01"];
    let no_time =
        ["10000-01-01", "-1000-01-01", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+99:99", "0", "\u{e9}"];
    for (name, value) in ["start_time", "end_time"]
        .into_iter()
        .flat_map(|name| outside.iter().chain(&no_time).map(move |value| (name, *value)))
    {
        let (response, seen) = ask(call().query(name, value));
        let body = json_of(&response);
        let words = body["error"]["message"].as_str().unwrap();
        assert!(response.status == 400 && words.contains(&format!("The parameter {name} ")), "{name}={value}: {words}");
        assert!(words.contains("1970 to 9999") == outside.contains(&value), "{name}={value}: {words}");
        assert!(seen.all().is_empty());
    }
    let (response, _) = ask(call().query("end_time", "1970-01-01"));
    assert_eq!(json_of(&response)["error"]["message"], "The parameter end_time must lie after the begin of 1970.");
    let (response, seen) = ask(call().query("start_time", "1970-01-01").query("end_time", "9999-12-31T23:59:59Z"));
    assert_eq!((response.status, seen.only().start), (200, 0));
}

#[test]
fn what_the_core_refuses_has_the_parameters_name() {
    let mut cloud = FakeCloud::default();
    cloud.billing.get_consumption = Some(Box::new(|_| {
        Err(Error { field: Some("end".to_owned()), ..testing::error(ErrorCode::Invalid, "The currency changed.") })
    }));
    let response = handle(&cloud, &call().build(), NOW);
    let body = json_of(&response);
    assert_eq!(body["error"]["message"], "The parameter end_time is refused: The currency changed.");
}

#[test]
fn every_core_code_has_the_envelope() {
    for code in skyloom_sdk::respond::every_code() {
        let mut cloud = FakeCloud::default();
        let told = testing::error(code.clone(), "told to the client");
        cloud.billing.get_consumption = Some(Box::new(move |_| Err(told.clone())));
        let response = handle(&cloud, &call().build(), NOW);
        let body = json_of(&response);
        assert_eq!(body["error"]["code"], response.status, "{code:?}");
        assert_eq!(body["error"]["message"], "told to the client", "{code:?}");
    }
}
