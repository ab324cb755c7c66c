use std::cell::Cell;

use nova::testing::{SERVER, server, with_tags};
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::Server;
use skyloom_sdk::testing::{FakeCloud, Seen, error, invalid, json_of};
use skyloom_sdk::{Body, Error, ErrorCode, Response, rule};

use super::{code_of, post};

const CREATE: &str = "ecs.server_tags.batch_create";
const DELETE: &str = "ecs.server_tags.batch_delete";

fn tagged(tags: &[&str]) -> Server {
    Server { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), ..server() }
}

fn ask(cloud: &FakeCloud, id: &str, body: &Value) -> Response {
    let call = post("server_tags.change", "/v1/project-1/servers/a/tags/action", body);
    crate::handle(cloud, &call.param("server_id", id).build())
}

/// The answer to a server with these tags, and the tags that it then has.
fn changed(before: &[&str], action: &str, tags: &Value) -> (Response, Vec<String>) {
    let (cloud, after) = with_tags(tagged(before));
    let response = ask(&cloud, SERVER, &json!({ "action": action, "tags": tags }));
    let after = after.borrow().clone();
    (response, after)
}

fn done(before: &[&str], action: &str, tags: &Value) -> Vec<String> {
    let (response, after) = changed(before, action, tags);
    assert_eq!(response.status, 204, "{tags}");
    assert!(matches!(response.body, Body::Empty));
    after
}

/// Code and message; nothing has changed.
fn refused(before: &[&str], action: &str, tags: &Value) -> (String, String) {
    let (response, after) = changed(before, action, tags);
    assert_eq!(after, before, "{tags}");
    let (status, code) = code_of(&response);
    assert_eq!(status, 400, "{tags}");
    (code, json_of(&response)["error"]["message"].as_str().unwrap().to_owned())
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number}=v")).collect()
}

fn texts(tags: &[String]) -> Vec<&str> {
    tags.iter().map(String::as_str).collect()
}

#[test]
fn tags_are_added_to_those_that_are_there() {
    let new = json!([{ "key": "key1", "value": "value1" }, { "key": "云-_9", "value": "1.5-云_a" }, { "key": "bare", "value": "" }]);
    assert_eq!(done(&["key0=value0"], "create", &new), ["bare", "key0=value0", "key1=value1", "云-_9=1.5-云_a"]);
    rule!(CREATE, "81ae7fef");
}

#[test]
fn a_tag_that_is_there_already_is_a_success() {
    let same = json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "" }]);
    assert_eq!(done(&["a=1", "b", "c"], "create", &same), ["a=1", "b", "c"]);
    let full = many(10);
    assert_eq!(done(&texts(&full), "create", &json!([{ "key": "k9", "value": "v" }])), full);
    rule!(CREATE, "4054ed33");
}

#[test]
fn another_value_overwrites_the_keys_old_one() {
    for (before, value, after) in [
        (&["a=1", "ab=1"][..], "2", ["a=2", "ab=1"]),
        (&["a", "ab=1"][..], "2", ["a=2", "ab=1"]),
        (&["a=1", "ab=1"][..], "", ["a", "ab=1"]),
        // Nova's clients may give a key several values.
        (&["a", "a=", "a=1", "a=x=y", "ab=1"][..], "2", ["a=2", "ab=1"]),
    ] {
        assert_eq!(done(before, "create", &json!([{ "key": "a", "value": value }])), after, "{before:?}");
    }
    let full = many(10);
    let after = done(&texts(&full), "create", &json!([{ "key": "k0", "value": "new" }]));
    assert_eq!((after.len(), after[0].as_str()), (10, "k0=new"), "a server that is full, too");
    rule!(CREATE, "90f92672", "3121cb38");
}

#[test]
fn a_server_has_ten_tags_at_most() {
    let one_more = json!([{ "key": "more", "value": "1" }]);
    assert_eq!(done(&texts(&many(9)), "create", &one_more).len(), 10);
    assert_eq!(refused(&texts(&many(10)), "create", &one_more).0, "Ecs.0905");
    let eleven: Vec<Value> = (0..11).map(|number| json!({ "key": format!("k{number}"), "value": "v" })).collect();
    assert_eq!(done(&[], "create", &json!(eleven[..10])).len(), 10);
    for action in ["create", "delete"] {
        assert_eq!(refused(&["a=1"], action, &json!(eleven)).0, "Ecs.0905");
    }
    // What came to be more through Nova's interface may still change, and not become more.
    let (twelve, change) = (many(12), json!([{ "key": "k0", "value": "w" }]));
    assert_eq!(done(&texts(&twelve), "create", &change).len(), 12);
    let mut before = texts(&twelve);
    before.sort_unstable();
    assert_eq!(refused(&before, "create", &one_more).0, "Ecs.0905");
    rule!(CREATE, "b1135fd6");
    rule!(DELETE, "b1135fd6");
}

/// What the server has after the request, into which others come once, between its look and its change.
fn disturbed(before: &[&str], others: &'static [&'static str], body: &Value) -> (Response, Vec<String>) {
    let (mut cloud, tags) = with_tags(tagged(before));
    let (written, exchange) = (tags.clone(), cloud.compute.exchange_tags.take().unwrap());
    let comes = Cell::new(true);
    cloud.compute.exchange_tags = Some(Box::new(move |id, old, new| {
        if comes.replace(false) {
            *written.borrow_mut() = others.iter().map(|tag| (*tag).to_owned()).collect();
        }
        exchange(id, old, new)
    }));
    let response = ask(&cloud, SERVER, body);
    let after = tags.borrow().clone();
    (response, after)
}

#[test]
fn what_others_change_meanwhile_is_not_lost() {
    let add = json!({ "action": "create", "tags": [{ "key": "a", "value": "3" }] });
    let (response, after) = disturbed(&["a=1"], &["a=2", "b=1"], &add);
    assert_eq!((response.status, texts(&after)), (204, vec!["a=3", "b=1"]));
    // Who asks for what is there already loses nothing either.
    let (response, after) = disturbed(&["a=3"], &["a=1"], &add);
    assert_eq!((response.status, texts(&after)), (204, vec!["a=3"]));
    let delete = json!({ "action": "delete", "tags": [{ "key": "a" }, { "key": "b" }] });
    let (response, after) = disturbed(&["a=1", "b=1"], &["b=1", "c=1"], &delete);
    assert_eq!((response.status, texts(&after)), (204, vec!["c=1"]));
}

#[test]
fn others_who_fill_the_server_meanwhile_count() {
    let full: &'static [&'static str] = &["a=1", "b=1", "c=1", "d=1", "e=1", "f=1", "g=1", "h=1", "i=1", "j=1"];
    let add = json!({ "action": "create", "tags": [{ "key": "more", "value": "1" }] });
    let (response, after) = disturbed(&["a=1"], full, &add);
    assert_eq!((code_of(&response), texts(&after)), ((400, "Ecs.0905".to_owned()), full.to_vec()));
}

#[test]
fn a_server_that_always_changes_is_given_up() {
    let (mut cloud, _) = with_tags(tagged(&["a=1"]));
    let asked: Seen<()> = Seen::default();
    let keep = asked.clone();
    cloud.compute.exchange_tags = Some(Box::new(move |_, _, _| {
        keep.push(());
        Err(Error { reason: Some("changed".to_owned()), ..error(ErrorCode::WrongState, "Others changed it.") })
    }));
    let response = ask(&cloud, SERVER, &json!({ "action": "create", "tags": [{ "key": "a", "value": "3" }] }));
    assert_eq!((code_of(&response), asked.all().len()), ((400, "Ecs.0100".to_owned()), 5));
}

#[test]
fn keys_and_values_to_add_have_bounds_and_a_character_set() {
    let (longest_key, longest_value) = ("云".repeat(36), "v".repeat(43));
    let longest = json!([{ "key": longest_key, "value": longest_value }]);
    assert_eq!(done(&[], "create", &longest), [format!("{longest_key}={longest_value}")]);
    for (key, value, code, field) in [
        ("", "v", "Ecs.0906", "tags.0.key"),
        ("__type_virtual", "", "Ecs.0906", "tags.0.key"),
        ("k".repeat(37).as_str(), "v", "Ecs.0906", "tags.0.key"),
        ("k".repeat(128).as_str(), "v", "Ecs.0906", "tags.0.key"),
        ("k", "v".repeat(44).as_str(), "Ecs.0906", "tags.0.value"),
        ("k", "v".repeat(256).as_str(), "Ecs.0906", "tags.0.value"),
        ("a.b", "v", "Ecs.0907", "tags.0.key"),
        ("a=b", "v", "Ecs.0907", "tags.0.key"),
        ("a b", "v", "Ecs.0907", "tags.0.key"),
        ("ä", "v", "Ecs.0907", "tags.0.key"),
        ("k", "a,b", "Ecs.0907", "tags.0.value"),
        ("k", "a/b", "Ecs.0907", "tags.0.value"),
        ("k", "\u{A000}", "Ecs.0907", "tags.0.value"),
    ] {
        let (said, message) = refused(&["a=1"], "create", &json!([{ "key": key, "value": value }]));
        assert_eq!(said, code, "{key} {value}");
        assert!(message.contains(field), "{message}");
    }
    rule!(CREATE, "3121cb38");
}

#[test]
fn what_is_missing_or_unknown_is_named() {
    for (action, tags, field) in [
        ("create", json!([{ "value": "v" }]), "tags.0.key"),
        ("create", json!([{ "key": "a", "value": "v" }, { "key": "b" }]), "tags.1.value"),
        ("create", json!([{ "key": null, "value": "v" }]), "tags.0.key"),
        ("create", json!([]), "tags"),
        ("create", json!([{ "key": "a", "value": "v", "more": 1 }]), "tags.0.more"),
        ("delete", json!([{ "value": "v" }]), "tags.0.key"),
    ] {
        let (code, message) = refused(&["a=1"], action, &tags);
        assert_eq!(code, "Ecs.0005", "{tags}");
        assert!(message.contains(field), "{message}");
    }
}

#[test]
fn keys_of_one_request_differ() {
    let twice = json!([{ "key": "a", "value": "1" }, { "key": "b", "value": "1" }, { "key": "a", "value": "1" }]);
    for action in ["create", "delete"] {
        let (code, message) = refused(&["a=1"], action, &twice);
        assert_eq!(code, "Ecs.0908");
        assert!(message.contains("tags.2.key"), "{message}");
    }
    assert_eq!(refused(&["a=1"], "delete", &json!([{ "key": "" }])).0, "Ecs.0906");
    rule!(CREATE, "3121cb38");
    rule!(DELETE, "5c4144d1");
}

#[test]
fn the_action_is_in_lower_case() {
    for action in ["Create", "CREATE", "Delete", "update", ""] {
        let (code, message) = refused(&["a=1"], action, &json!([{ "key": "a", "value": "2" }]));
        assert_eq!(code, "Ecs.0005", "{action}");
        assert!(message.contains("action"), "{message}");
    }
    rule!(CREATE, "6799f969");
    rule!(DELETE, "6799f969");
}

#[test]
fn tags_are_deleted_by_key_or_by_key_and_value() {
    let before = ["a=1", "a=2", "ab=1", "b", "c=1", "d="];
    for (tags, after) in [
        (json!([{ "key": "a" }, { "key": "b" }]), &["ab=1", "c=1", "d="][..]),
        (json!([{ "key": "a", "value": "1" }]), &["a=2", "ab=1", "b", "c=1", "d="][..]),
        (json!([{ "key": "b", "value": "" }, { "key": "d", "value": "" }]), &["a=1", "a=2", "ab=1", "c=1"][..]),
        (json!([{ "key": "c", "value": null }]), &["a=1", "a=2", "ab=1", "b", "d="][..]),
    ] {
        assert_eq!(done(&before, "delete", &tags), after, "{tags}");
    }
    rule!(DELETE, "9181f244");
}

#[test]
fn a_tag_that_is_not_there_is_deleted_already() {
    for tags in [
        json!([{ "key": "none" }]),
        json!([{ "key": "a", "value": "2" }]),
        json!([{ "key": "a", "value": "" }]),
        json!([{ "key": "a=1" }]),
        json!([{ "key": "k/, ".repeat(31), "value": "v".repeat(255) }]),
    ] {
        assert_eq!(done(&["a=1"], "delete", &tags), ["a=1"], "{tags}");
    }
    rule!(DELETE, "aa970826");
}

#[test]
fn the_cores_refusals_have_the_vendors_codes() {
    let told = |failure: Error| {
        let (mut cloud, _) = with_tags(tagged(&["a=1"]));
        cloud.compute.exchange_tags = Some(Box::new(move |_, _, _| Err(failure.clone())));
        ["create", "delete"].map(|action| {
            code_of(&ask(&cloud, SERVER, &json!({ "action": action, "tags": [{ "key": "a", "value": "1" }] })))
        })
    };
    let twice = |status: u16, code: &str| [(status, code.to_owned()), (status, code.to_owned())];
    assert_eq!(told(error(ErrorCode::WrongState, "being built")), twice(400, "Ecs.0100"));
    assert_eq!(told(error(ErrorCode::Forbidden, "no")), twice(403, "Pdp.0001"));
    // The core's own most, which tags of Nova's clients may have filled.
    assert_eq!(told(invalid("tags", "A server has at most 50 tags."))[0], (400, "Ecs.0905".to_owned()));
    let (cloud, _) = with_tags(tagged(&[]));
    for action in ["create", "delete"] {
        let response = ask(&cloud, "none", &json!({ "action": action, "tags": [{ "key": "a", "value": "1" }] }));
        assert_eq!(code_of(&response), (404, "Ecs.0114".to_owned()));
    }
}
