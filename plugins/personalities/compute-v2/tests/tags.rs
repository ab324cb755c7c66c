//! The tags of a server.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, TaskState, VmState};
use skyloom_sdk::testing::{Call, FakeCloud, error, header_of};
use skyloom_sdk::{Body, ErrorCode, Response, rule};

const TAGS: &str = "/v2.1/servers/x/tags";

fn of(operation: &str, method: &str) -> Call {
    Call::new(operation, method, TAGS).version(2, 26).param("server_id", SERVER)
}

fn one(operation: &str, method: &str, tag: &str) -> Call {
    of(operation, method).param("tag", tag)
}

fn add(tag: &str) -> Call {
    one("server_tags.add", "PUT", tag)
}

fn replace(tags: &Value) -> Call {
    of("server_tags.replace", "PUT").body(&json!({ "tags": tags }))
}

fn delete(tag: &str) -> Call {
    one("server_tags.delete", "DELETE", tag)
}

/// Every call that writes.
fn writes() -> [Call; 4] {
    [add("new"), replace(&json!(["new"])), delete("c"), of("server_tags.delete_all", "DELETE")]
}

#[test]
fn tags_are_listed_and_looked_for() {
    let (cloud, _) = with_tags(server());
    for settings in [upstream(), ecs()] {
        let (status, body) = ask(&cloud, settings, of("server_tags.list", "GET"));
        assert_eq!((status, body), (200, json!({ "tags": ["a=b", "c"] })));
        assert_eq!(ask(&cloud, settings, one("server_tags.check", "GET", "c")), (204, Value::Null));
        let message = refused(&cloud, settings, one("server_tags.check", "GET", "a"), 404);
        assert_eq!(message, format!("Server {SERVER} has no tag 'a'"));
    }
    rule!("nova.server_tags.list", "94f03f5c");
}

#[test]
fn a_tag_is_added_once_and_has_an_address() {
    let (cloud, tags) = with_tags(server());
    let response = call(&cloud, upstream(), add("k=v w"));
    assert!(response.status == 201 && matches!(response.body, Body::Empty), "{response:?}");
    let at = format!("http://cloud.test/v2.1/servers/{SERVER}/tags/k%3Dv%20w");
    assert_eq!(header_of(&response, "location"), Some(at.as_str()));
    assert_eq!(*tags.borrow(), ["a=b", "c", "k=v w"]);
    let response = call(&cloud, upstream(), add("c"));
    assert!(response.status == 204 && header_of(&response, "location").is_none(), "{response:?}");
    let response = call(&cloud, upstream(), add("d").param("project_id", "project-1"));
    let at = format!("http://cloud.test/v2.1/project-1/servers/{SERVER}/tags/d");
    assert_eq!(header_of(&response, "location"), Some(at.as_str()));
}

#[test]
fn the_vendors_answer_to_an_added_tag_is_a_page_or_json() {
    let (cloud, tags) = with_tags(server());
    let added = |accept: Option<&str>| -> Response {
        tags.borrow_mut().clear();
        let call_of_it = accept.iter().fold(add("new"), |call, accept| call.header("Accept", accept));
        let response = call(&cloud, ecs(), call_of_it);
        assert_eq!(response.status, 201);
        assert!(header_of(&response, "location").is_some());
        response
    };
    for accept in [None, Some("*/*"), Some("text/html,application/json")] {
        let response = added(accept);
        assert_eq!(header_of(&response, "content-type"), Some("text/html; charset=UTF-8"), "{accept:?}");
        let Body::Bytes(page) = response.body else { panic!("a page") };
        assert!(String::from_utf8(page).unwrap().contains("<title>201 Created</title>"), "{accept:?}");
    }
    let (status, body) = ask(&cloud, ecs(), {
        tags.borrow_mut().clear();
        add("new").header("Accept", "application/json")
    });
    let expected = json!({ "message": "<br /><br />\n\n\n", "code": "201 Created", "title": "Created" });
    assert_eq!((status, body), (201, expected));
    rule!("nova.server_tags.add", "1b8a31f9");
}

#[test]
fn tags_are_replaced_and_deleted() {
    for settings in [upstream(), ecs()] {
        let (cloud, tags) = with_tags(server());
        let (status, body) = ask(&cloud, settings, replace(&json!(["qux", "foo", "qux"])));
        assert_eq!((status, body), (200, json!({ "tags": ["foo", "qux"] })));
        assert_eq!(ask(&cloud, settings, delete("foo")), (204, Value::Null));
        assert_eq!(refused(&cloud, settings, delete("foo"), 404), format!("Instance {SERVER} has no tag 'foo'"));
        assert_eq!(*tags.borrow(), ["qux"]);
        assert_eq!(ask(&cloud, settings, of("server_tags.delete_all", "DELETE")), (204, Value::Null));
        assert!(tags.borrow().is_empty());
        assert_eq!(ask(&cloud, settings, replace(&json!([]))), (200, json!({ "tags": [] })));
    }
    rule!("nova.server_tags.delete_all", "f9dcf1e1");
}

#[test]
fn tags_are_short_texts_without_slash_and_comma() {
    for (settings, longest) in [(upstream(), 60), (ecs(), 80)] {
        let (cloud, tags) = with_tags(server());
        let long = "ä".repeat(longest + 1);
        for (bad, says) in [
            ("", "'' should be non-empty".to_owned()),
            ("a,b", "'a,b' does not match '^[^,/]*$'".to_owned()),
            ("a/b", "'a/b' does not match '^[^,/]*$'".to_owned()),
            (&long, format!("'{long}' is too long")),
        ] {
            let message = refused(&cloud, settings, add(bad), 400);
            assert!(message.starts_with(&format!("Tag '{bad}' is invalid.")) && message.ends_with(&says), "{message}");
            let message = refused(&cloud, settings, replace(&json!(["good", bad])), 400);
            assert_eq!(message, format!("Invalid input for field/attribute 1. Value: {bad}. {says}"));
        }
        for bad in [json!("a"), json!([1]), json!(null), json!({})] {
            refused(&cloud, settings, replace(&bad), 400);
        }
        refused(&cloud, settings, of("server_tags.replace", "PUT").body(&json!({})), 400);
        assert_eq!(*tags.borrow(), ["a=b", "c"]);
        // As long as it may be, it is taken; a longer one is never there.
        assert_eq!(call(&cloud, settings, add(&"ä".repeat(longest))).status, 201);
        assert_eq!(ask(&cloud, settings, delete(&"ä".repeat(longest))).0, 204);
        refused(&cloud, settings, delete(&long), 404);
    }
    rule!("nova.server_tags.add", "d2fe7e43", "892bddd1");
    rule!("nova.server_tags.delete", "d2fe7e43");
}

#[test]
fn a_server_has_fifty_tags_at_most() {
    for settings in [upstream(), ecs()] {
        let (cloud, tags) = with_tags(server());
        let many = |count: usize| Value::from((0..count).map(|number| format!("t{number}")).collect::<Vec<_>>());
        let message = refused(&cloud, settings, replace(&many(51)), 400);
        assert!(message.starts_with("Invalid input for field/attribute tags. Value: ['t0', "), "{message}");
        assert!(message.ends_with("is too long"), "{message}");
        assert_eq!(ask(&cloud, settings, replace(&many(49))).0, 200);
        assert_eq!(call(&cloud, settings, add("last")).status, 201);
        for tag in ["one-more", "last"] {
            let message = refused(&cloud, settings, add(tag), 400);
            assert_eq!(message, "The number of tags exceeded the per-server limit 50");
        }
        assert_eq!(tags.borrow().len(), 50);
    }
    rule!("nova.server_tags.add", "270abcd8");
    rule!("nova.server_tags.replace", "abb7d4cc");
}

#[test]
fn what_marks_a_kind_of_server_is_nobodys_to_give() {
    for tag in ["__type_baremetal", "__type_virtual"] {
        let (cloud, tags) = with_tags(server());
        let expected = format!("Tag '{tag}' is reserved.");
        assert_eq!(refused(&cloud, ecs(), add(tag), 400), expected);
        assert_eq!(refused(&cloud, ecs(), replace(&json!(["a", tag])), 400), expected);
        let (creating, seen) = with_create();
        let creation = || create_call(52, json!({ "tags": [tag] }));
        assert_eq!(refused(&creating, ecs(), creation(), 400), expected);
        assert_eq!(*tags.borrow(), ["a=b", "c"]);
        // Upstream reserves none.
        assert_eq!(call(&cloud, upstream(), add(tag)).status, 201);
        assert_eq!(ask(&creating, upstream(), creation()).0, 202);
        assert_eq!(seen.only().tags, [tag]);
    }
    rule!("nova.server_tags.replace", "47966ae0");
}

#[test]
fn tags_change_in_a_state_of_the_servers_own_life() {
    for state in skyloom_sdk::states::VM_STATES {
        let allowed = matches!(state, VmState::Active | VmState::Stopped | VmState::Paused | VmState::Suspended);
        for call in writes() {
            // What is being done to it doesn't matter.
            let (cloud, tags) =
                with_tags(Server { vm_state: state, task_state: Some(TaskState::Rebooting), ..server() });
            let (status, body) = ask_status(&cloud, call);
            assert_eq!(status == 409, !allowed, "{state:?} {body}");
            assert_eq!(*tags.borrow() != server().tags, allowed, "{state:?}");
        }
    }
    let (cloud, _) = with_tags(Server { vm_state: VmState::Building, ..server() });
    let said = writes().map(|call| refused(&cloud, upstream(), call, 409));
    let expected = ["update tag", "update tags", "delete tag", "delete tags"]
        .map(|action| format!("Cannot '{action}' instance {SERVER} while it is in vm_state building"));
    assert_eq!(said, expected);
}

/// Status and body, of an answer that is no JSON, too.
fn ask_status(cloud: &FakeCloud, it: Call) -> (u16, String) {
    let response = call(cloud, upstream(), it);
    (response.status, format!("{response:?}"))
}

#[test]
fn tags_of_no_server_are_not_found() {
    let (cloud, _) = with_tags(server());
    let missing = |operation: &str, method: &str| {
        Call::new(operation, method, TAGS).version(2, 26).param("server_id", "nothing").param("tag", "a")
    };
    for (operation, method) in [
        ("server_tags.list", "GET"),
        ("server_tags.check", "GET"),
        ("server_tags.add", "PUT"),
        ("server_tags.delete", "DELETE"),
        ("server_tags.delete_all", "DELETE"),
    ] {
        let message = refused(&cloud, upstream(), missing(operation, method), 404);
        assert_eq!(message, "Instance nothing could not be found.", "{operation}");
    }
    let call = missing("server_tags.replace", "PUT").body(&json!({ "tags": [] }));
    refused(&cloud, upstream(), call, 404);
}

#[test]
fn what_the_core_refuses_of_tags_is_told() {
    let (mut cloud, _) = with_tags(server());
    cloud.compute.set_tags = Some(Box::new(|_, _, _| Err(error(ErrorCode::WrongState, "It is too late."))));
    assert_eq!(refused(&cloud, upstream(), add("new"), 409), "It is too late.");
    assert_eq!(refused(&cloud, upstream(), replace(&json!(["new"])), 409), "It is too late.");
}
