//! Host aggregates as the vendor's document has them.

use nova::testing::*;
use serde_json::{Value, json};
use skyloom_sdk::testing::{Call, error, not_found};
use skyloom_sdk::{Error, ErrorCode, rule};

use crate::api::{ask, refused};

fn of(operation: &str, method: &str, body: &Value) -> Call {
    let call = Call::new(operation, method, "/v2.1/p/os-aggregates/1").version(2, 1);
    call.param("project_id", "p").param("aggregate_id", "1").admin().body(body)
}

/// As the document's example, of the core's aggregate.
fn shown() -> Value {
    json!({
        "availability_zone": "london",
        "created_at": "2026-01-31T12:00:00.500000",
        "deleted": false,
        "deleted_at": null,
        "hosts": ["compute"],
        "id": 1,
        "metadata": { "availability_zone": "london", "ssd": "yes" },
        "name": "fast",
        "updated_at": null,
        "uuid": "6ba28ba7-f29b-45cc-a30b-6e3a40c2fb14",
    })
}

#[test]
fn all_aggregates_are_listed_with_id_name_and_zone() {
    let (cloud, _) = with_aggregate();
    let (status, listed) = ask(&cloud, of("aggregates.list", "GET", &Value::Null));
    assert_eq!((status, &listed["aggregates"][0]), (200, &shown()));
    assert_eq!(listed["aggregates"].as_array().map(Vec::len), Some(3), "of every page");
    rule!("easystack.aggregates.list", "a9795736");
}

#[test]
fn an_aggregate_is_made() {
    let (cloud, _) = with_aggregate();
    let body = json!({ "aggregate": { "name": "name", "availability_zone": "beijing" } });
    let (status, made) = ask(&cloud, of("aggregates.create", "POST", &body));
    let mut expected = shown();
    let members = expected.as_object_mut().expect("an object");
    members.retain(|name, _| !["hosts", "metadata"].contains(&name.as_str()));
    members.insert("name".to_owned(), json!("name"));
    members.insert("availability_zone".to_owned(), json!("beijing"));
    assert_eq!((status, made), (200, json!({ "aggregate": expected })));
    let twin = json!({ "aggregate": { "name": "twin" } });
    assert_eq!(refused(&cloud, of("aggregates.create", "POST", &twin), 409), "Aggregate twin already exists.");
    let nameless = json!({ "aggregate": { "availability_zone": "beijing" } });
    assert!(refused(&cloud, of("aggregates.create", "POST", &nameless), 400).contains("'name' is a required property"));
    rule!("easystack.aggregates.create", "1e560729");
}

#[test]
fn name_zone_or_both_are_changed_where_the_hosts_allow_it() {
    let (cloud, seen) = with_aggregate();
    for body in [
        json!({ "name": "newname", "availability_zone": "nova2" }),
        json!({ "name": "newname" }),
        json!({ "availability_zone": "nova2" }),
    ] {
        let (status, changed) = ask(&cloud, of("aggregates.update", "PUT", &json!({ "aggregate": body })));
        let changed = &changed["aggregate"];
        assert_eq!((status, &changed["availability_zone"]), (200, &changed["metadata"]["availability_zone"]));
        assert_eq!(changed["updated_at"], "2026-01-31T12:01:00.500000");
        let asked = seen.all().pop().expect("an update");
        assert_eq!(
            (asked.name.as_deref(), asked.zone.as_deref()),
            (body["name"].as_str(), body["availability_zone"].as_str())
        );
    }
    let other = Error { reason: Some("other-zone".to_owned()), ..error(ErrorCode::WrongState, "It is in another.") };
    let body = json!({ "aggregate": { "availability_zone": "nova2" } });
    let said = refused(&with_refused_aggregates(&other), of("aggregates.update", "PUT", &body), 400);
    assert!(said.starts_with("Cannot update aggregate 1. Reason: One or more hosts already in"), "{said}");
    let missing = with_refused_aggregates(&not_found("aggregate", "1"));
    assert_eq!(refused(&missing, of("aggregates.update", "PUT", &body), 404), "Aggregate 1 could not be found.");
    rule!("easystack.aggregates.update", "b8b6b778", "2f684e4e");
}

#[test]
fn a_deleted_aggregate_leaves_no_answer() {
    let (cloud, _) = with_aggregate();
    assert_eq!(ask(&cloud, of("aggregates.delete", "DELETE", &Value::Null)), (200, Value::Null));
    let full = Error { reason: Some("has-nodes".to_owned()), ..error(ErrorCode::WrongState, "It has nodes.") };
    let said = refused(&with_refused_aggregates(&full), of("aggregates.delete", "DELETE", &Value::Null), 400);
    assert_eq!(said, "Cannot remove aggregate 1. Reason: Host aggregate is not empty.");
    rule!("easystack.aggregates.delete", "a28ec09a", "485afd79");
}

#[test]
fn a_body_names_the_action_and_the_host() {
    let (cloud, _) = with_aggregate();
    let act = |action: &str, host: &str| {
        ask(&cloud, of(&format!("aggregates.{action}"), "POST", &json!({ action: { "host": host } })))
    };
    let (status, added) = act("add_host", "b");
    assert_eq!((status, &added["aggregate"]["hosts"]), (200, &json!(["compute", "b"])));
    let (status, removed) = act("remove_host", "compute");
    assert_eq!((status, &removed["aggregate"]["hosts"]), (200, &json!([])));
    for action in ["add_host", "remove_host"] {
        let operation = format!("aggregates.{action}");
        let lacking = of(&operation, "POST", &json!({ action: {} }));
        assert!(refused(&cloud, lacking, 400).contains("'host' is a required property"));
        let used = Error { reason: Some("in-use".to_owned()), ..error(ErrorCode::WrongState, "It has servers.") };
        let call = || of(&operation, "POST", &json!({ action: { "host": "b" } }));
        assert!(refused(&with_refused_aggregates(&used), call(), 409).contains("contain instances"));
        let unknown = with_refused_aggregates(&not_found("node", "b"));
        assert_eq!(refused(&unknown, call(), 404), "Compute host b could not be found.");
    }
    rule!("easystack.aggregates.add_host", "cc6a2eb4");
    rule!("easystack.aggregates.remove_host", "13ec861e");
}

#[test]
fn a_cloud_that_does_not_work_says_so() {
    let away = error(ErrorCode::Unavailable, "The database does not answer.");
    let mut cloud = with_refused_aggregates(&away);
    let told = away.clone();
    cloud.compute.list_aggregates = Some(Box::new(move |_, _| Err(told.clone())));
    cloud.compute.create_aggregate = Some(Box::new(move |_, _| Err(away.clone())));
    for (operation, method, body) in [
        ("list", "GET", Value::Null),
        ("create", "POST", json!({ "aggregate": { "name": "a" } })),
        ("update", "PUT", json!({ "aggregate": { "name": "a" } })),
        ("delete", "DELETE", Value::Null),
        ("remove_host", "POST", json!({ "remove_host": { "host": "a" } })),
    ] {
        let call = of(&format!("aggregates.{operation}"), method, &body);
        assert_eq!(refused(&cloud, call, 503), "The database does not answer.");
        rule!(format!("easystack.aggregates.{operation}"), "f952f374");
    }
}
