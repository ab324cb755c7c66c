//! Host aggregates.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{AggregateUpdate, MetadataChange};
use skyloom_sdk::testing::{Call, FakeCloud, error, not_found};
use skyloom_sdk::{Error, ErrorCode};

const PATH: &str = "/v2.1/os-aggregates";

fn of(operation: &str, method: &str, id: &str) -> Call {
    Call::new(operation, method, PATH).version(2, 1).param("aggregate_id", id).admin()
}

fn sent(operation: &str, body: &Value) -> Call {
    of(operation, "POST", "1").body(body)
}

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
    })
}

fn wrong(reason: &str) -> Error {
    Error { reason: Some(reason.to_owned()), ..error(ErrorCode::WrongState, "It doesn't go.") }
}

fn of_node(code: ErrorCode) -> Error {
    Error { field: Some("node".to_owned()), ..error(code, "In the core's words.") }
}

#[test]
fn an_aggregate_is_shown_and_has_a_uuid_from_2_41_on() {
    let (cloud, _) = with_aggregate();
    let show = |minor| ask(&cloud, upstream(), of("aggregates.show", "GET", "1").version(2, minor));
    assert_eq!(show(40), (200, json!({ "aggregate": shown() })));
    let mut with_uuid = shown();
    with_uuid["uuid"] = json!("6ba28ba7-f29b-45cc-a30b-6e3a40c2fb14");
    assert_eq!(show(41), (200, json!({ "aggregate": with_uuid })));
    let (status, listed) = ask(&cloud, upstream(), of("aggregates.list", "GET", ""));
    let ids: Vec<&Value> = listed["aggregates"].as_array().expect("a list").iter().map(|one| &one["id"]).collect();
    assert_eq!((status, ids), (200, vec![&json!(1), &json!(2), &json!(10)]));
    assert_eq!(listed["aggregates"][0], shown());
}

#[test]
fn ids_are_numbers_of_aggregates_that_are_there() {
    let (cloud, _) = with_aggregate();
    let host = json!({ "add_host": { "host": "a" }, "remove_host": { "host": "a" } });
    let metadata = json!({ "set_metadata": { "metadata": {} } });
    for (operation, method, body) in [
        ("aggregates.show", "GET", Value::Null),
        ("aggregates.update", "PUT", json!({ "aggregate": { "name": "a" } })),
        ("aggregates.delete", "DELETE", Value::Null),
        ("aggregates.add_host", "POST", host.clone()),
        ("aggregates.remove_host", "POST", host),
        ("aggregates.set_metadata", "POST", metadata),
    ] {
        let call = |id: &str| of(operation, method, id).body(&body);
        assert_eq!(refused(&cloud, upstream(), call("9"), 404), "Aggregate 9 could not be found.", "{operation}");
        let message = "Invalid input received: id must be an integer";
        assert_eq!(refused(&cloud, upstream(), call("fast"), 400), message, "{operation}");
    }
}

#[test]
fn a_new_aggregate_is_shown_without_hosts_and_metadata() {
    let (cloud, _) = with_aggregate();
    let create = |aggregate: Value| sent("aggregates.create", &json!({ "aggregate": aggregate }));
    let (status, made) = ask(&cloud, upstream(), create(json!({ "name": "a", "availability_zone": "east" })));
    let made = &made["aggregate"];
    assert_eq!((status, &made["name"], &made["availability_zone"]), (200, &json!("a"), &json!("east")));
    assert_eq!((made.get("hosts"), made.get("metadata")), (None, None));
    for without in [json!({ "name": "a" }), json!({ "name": "a", "availability_zone": null })] {
        assert_eq!(ask(&cloud, upstream(), create(without)).1["aggregate"]["availability_zone"], Value::Null);
    }
    let twin = refused(&cloud, upstream(), create(json!({ "name": "twin" })), 409);
    assert_eq!(twin, "Aggregate twin already exists.");
    for (wrong, says) in [
        (json!({}), "'name' is a required property"),
        (json!({ "name": " a" }), "An invalid 'name' value was provided."),
        (json!({ "name": 1 }), "attribute name. It is not of type 'string'"),
        (json!({ "name": "a", "availability_zone": 1 }), "availability_zone. It is not of type 'string'"),
    ] {
        assert!(refused(&cloud, upstream(), create(wrong), 400).contains(says), "{says}");
    }
    // `/v2` cuts the blanks.
    let legacy = Call::new("aggregates.create", "POST", "/v2/os-aggregates").admin();
    let legacy = legacy.body(&json!({ "aggregate": { "name": " a " } }));
    assert_eq!(ask(&cloud, upstream(), legacy).1["aggregate"]["name"], "a");
}

#[test]
fn name_and_zone_are_changed_and_a_zone_is_never_taken_away() {
    let (cloud, seen) = with_aggregate();
    let update = |aggregate: Value| of("aggregates.update", "PUT", "1").body(&json!({ "aggregate": aggregate }));
    let (status, changed) = ask(&cloud, upstream(), update(json!({ "name": "b", "availability_zone": "east" })));
    let changed = &changed["aggregate"];
    assert_eq!(
        (status, &changed["name"], &changed["metadata"]["availability_zone"]),
        (200, &json!("b"), &json!("east"))
    );
    assert_eq!(changed["updated_at"], "2026-01-31T12:01:00.500000");
    ask(&cloud, upstream(), update(json!({ "name": "c" })));
    ask(&cloud, upstream(), update(json!({ "availability_zone": "west" })));
    let asked = |name: Option<&str>, zone: Option<&str>| AggregateUpdate {
        name: name.map(str::to_owned),
        zone: zone.map(str::to_owned),
        metadata: Vec::new(),
    };
    assert_eq!(seen.all(), [asked(Some("b"), Some("east")), asked(Some("c"), None), asked(None, Some("west"))]);
    for empty in [Value::Null, json!("")] {
        let message = refused(&cloud, upstream(), update(json!({ "availability_zone": empty })), 400);
        let reason = "Aggregate 1 does not support empty named availability zone.";
        assert_eq!(message, format!("Cannot update aggregate 1. Reason: {reason}"));
    }
    assert!(refused(&cloud, upstream(), update(json!({})), 400).contains("attribute aggregate"));
    assert_eq!(seen.all().len(), 3);
}

#[test]
fn metadata_is_merged_and_its_zone_is_the_aggregates() {
    let (cloud, seen) = with_aggregate();
    let set = |metadata: Value| sent("aggregates.set_metadata", &json!({ "set_metadata": { "metadata": metadata } }));
    let items = json!({ "availability_zone": "east", "rack": "7", "ssd": null });
    let (status, changed) = ask(&cloud, upstream(), set(items));
    assert_eq!((status, &changed["aggregate"]["availability_zone"]), (200, &json!("east")));
    let change =
        |key: &str, value: Option<&str>| MetadataChange { key: key.to_owned(), value: value.map(str::to_owned) };
    let asked = seen.only();
    assert_eq!((asked.name, asked.zone.as_deref()), (None, Some("east")));
    assert_eq!(asked.metadata, [change("rack", Some("7")), change("ssd", None)]);
    let message = refused(&cloud, upstream(), set(json!({ "availability_zone": null })), 400);
    assert!(message.starts_with("Cannot update metadata of aggregate 1. Reason: "), "{message}");
    assert!(refused(&cloud, upstream(), set(json!({ "rack": 7 })), 400).contains("attribute rack"));
    assert!(refused(&cloud, upstream(), sent("aggregates.set_metadata", &json!({})), 400).contains("set_metadata"));
    assert_eq!(seen.all().len(), 1);
}

#[test]
fn hosts_are_added_and_removed() {
    let (cloud, _) = with_aggregate();
    let (status, added) = ask(&cloud, upstream(), sent("aggregates.add_host", &json!({ "add_host": { "host": "b" } })));
    assert_eq!((status, &added["aggregate"]["hosts"]), (200, &json!(["compute", "b"])));
    let remove = json!({ "remove_host": { "host": "compute" } });
    let (status, removed) = ask(&cloud, upstream(), sent("aggregates.remove_host", &remove));
    assert_eq!((status, &removed["aggregate"]["hosts"]), (200, &json!([])));
    for operation in ["add_host", "remove_host"] {
        for wrong in [json!({}), json!({ operation: {} }), json!({ operation: { "host": 1 } })] {
            refused(&cloud, upstream(), sent(&format!("aggregates.{operation}"), &wrong), 400);
        }
    }
    let response = call(&cloud, upstream(), of("aggregates.delete", "DELETE", "1"));
    assert_eq!((response.status, response.body), (200, skyloom_sdk::Body::Empty));
}

#[test]
fn what_hosts_and_zones_do_not_allow_is_said_in_upstreams_words() {
    let add = || sent("aggregates.add_host", &json!({ "add_host": { "host": "b" } }));
    let remove = || sent("aggregates.remove_host", &json!({ "remove_host": { "host": "b" } }));
    let update = || of("aggregates.update", "PUT", "1").body(&json!({ "aggregate": { "availability_zone": "east" } }));
    let set =
        || sent("aggregates.set_metadata", &json!({ "set_metadata": { "metadata": { "availability_zone": "a" } } }));
    for (refusal, call, status, message) in [
        (wrong("other-zone"), add(), 409, "Cannot add host to aggregate 1. Reason: One or more hosts already in"),
        (wrong("in-use"), add(), 409, "Cannot add host to aggregate 1. Reason: One or more hosts contain instances"),
        (wrong("in-use"), remove(), 409, "Cannot remove host from aggregate 1. Reason: One or more hosts contain"),
        (wrong("other-zone"), update(), 400, "Cannot update aggregate 1. Reason: One or more hosts already in"),
        (wrong("in-use"), update(), 400, "Cannot update aggregate 1. Reason: One or more hosts contain instances"),
        (wrong("other-zone"), set(), 400, "Cannot update metadata of aggregate 1. Reason: One or more hosts already"),
        (wrong("has-nodes"), of("aggregates.delete", "DELETE", "1"), 400, "Cannot remove aggregate 1. Reason: Host"),
        (of_node(ErrorCode::AlreadyExists), add(), 409, "Aggregate 1 already has host b."),
        (of_node(ErrorCode::NotFound), remove(), 404, "Aggregate 1 has no host b."),
        (not_found("node", "b"), add(), 404, "Compute host b could not be found."),
        (not_found("node", "b"), remove(), 404, "Compute host b could not be found."),
    ] {
        let said = refused(&with_refused_aggregates(&refusal), upstream(), call, status);
        assert!(said.starts_with(message), "{said}");
    }
    let taken = error(ErrorCode::AlreadyExists, "Aggregate b already exists.");
    assert_eq!(refused(&with_refused_aggregates(&taken), upstream(), update(), 409), "Aggregate b already exists.");
}

#[test]
fn whom_the_policy_refuses_is_told_the_rule() {
    let denied = skyloom_sdk::testing::not_permitted("aggregates:read");
    let mut cloud = FakeCloud::default();
    cloud.compute.get_aggregate = Some(Box::new(move |_| Err(denied.clone())));
    let show = of("aggregates.show", "GET", "1").rule("os_compute_api:os-aggregates:show");
    let message = "Policy doesn't allow os_compute_api:os-aggregates:show to be performed.";
    assert_eq!(refused(&cloud, upstream(), show, 403), message);
}
