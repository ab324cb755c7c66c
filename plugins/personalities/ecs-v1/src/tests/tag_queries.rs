use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, ServerPage};
use skyloom_sdk::conditions::told;
use skyloom_sdk::testing::{FakeCloud, Seen, error, json_of};
use skyloom_sdk::{Condition, ErrorCode, Response, rule};

use super::{code_of, post};

const QUERY: &str = "ecs.tags.query_servers";

/// Id and tags of the servers that there are.
type Servers = &'static [(&'static str, &'static [&'static str])];

const SERVERS: Servers = &[
    ("a", &["role=web", "stage=test"]),
    ("b", &["role=db", "stage=test"]),
    ("c", &["role=web", "bare"]),
    ("d", &["bare=", "rolex=web"]),
    ("e", &[]),
];

/// A core that gives two servers a page, those that its conditions of tags let pass.
fn with(servers: Servers) -> (FakeCloud, Seen<Vec<Condition>>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let keep = seen.clone();
    cloud.compute.list_servers = Some(Box::new(move |conditions, parts, page| {
        assert_eq!(parts, ["tags"]);
        keep.push(conditions.to_vec());
        let sets = conditions.iter().filter(|condition| condition.field == "tags").collect::<Vec<_>>();
        let passes =
            |tags: &[&str]| sets.iter().all(|set| set.values.iter().any(|value| tags.contains(&value.as_str())));
        let passing: Vec<_> = servers.iter().filter(|(_, tags)| passes(tags)).collect();
        let from = page.marker.as_ref().map_or(0, |marker| marker.parse::<usize>().unwrap());
        let of_page = passing.iter().skip(from).take(2).map(|(id, tags)| Server {
            id: (*id).to_owned(),
            name: format!("server-{id}"),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..nova::testing::server()
        });
        let next = (from + 2 < passing.len()).then(|| (from + 2).to_string());
        Ok(ServerPage { servers: of_page.collect(), next })
    }));
    (cloud, seen)
}

fn answer(body: &Value) -> (Response, Vec<Vec<Condition>>) {
    let (cloud, seen) = with(SERVERS);
    let call = post("tags.query_servers", "/v1/project-1/servers/resource_instances/action", body);
    (crate::handle(&cloud, &call.build()), seen.all())
}

/// A query with more members.
fn query(action: &str, more: &Value) -> Value {
    let mut body = json!({ "action": action });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Ids, one letter each, and the number of all; a count says the same number.
fn found(more: &Value) -> (String, u64) {
    let (response, _) = answer(&query("filter", more));
    assert_eq!(response.status, 200, "{more}");
    let body = json_of(&response);
    let total = body["total_count"].as_u64().unwrap();
    let (counted, _) = answer(&query("count", more));
    assert_eq!(json_of(&counted), json!({ "total_count": total }), "{more}");
    let ids = body["resources"].as_array().unwrap().iter().map(|one| one["resource_id"].as_str().unwrap());
    (ids.collect(), total)
}

fn ids(more: &Value) -> String {
    found(more).0
}

/// Code and message; the core is not asked.
fn refused(more: &Value) -> (String, String) {
    let (response, asked) = answer(&query("filter", more));
    assert!(asked.is_empty(), "{more}");
    let (status, code) = code_of(&response);
    assert_eq!(status, 400, "{more}");
    (code, json_of(&response)["error"]["message"].as_str().unwrap().to_owned())
}

#[test]
fn servers_are_shown_with_all_their_tags() {
    let (response, _) = answer(&query("filter", &json!({ "tags": [{ "key": "stage" }], "limit": "1" })));
    let tags = json!([{ "key": "role", "value": "web" }, { "key": "stage", "value": "test" }]);
    let one = json!({ "resource_id": "a", "resource_name": "server-a", "resource_detail": null, "tags": tags });
    assert_eq!(json_of(&response), json!({ "resources": [one], "total_count": 2 }));
    assert_eq!(found(&json!({})), ("abcde".to_owned(), 5));
    rule!(QUERY, "65b64593", "6ab02e58");
}

#[test]
fn all_keys_must_be_there_with_one_of_their_values() {
    let tags = |tags: Value| ids(&json!({ "tags": tags }));
    assert_eq!(tags(json!([{ "key": "role" }])), "abc");
    assert_eq!(tags(json!([{ "key": "role", "values": [] }])), "abc");
    assert_eq!(tags(json!([{ "key": "role", "values": null }])), "abc");
    assert_eq!(tags(json!([{ "key": "role", "values": ["web"] }])), "ac");
    assert_eq!(tags(json!([{ "key": "role", "values": ["web", "db", "other"] }])), "abc");
    assert_eq!(tags(json!([{ "key": "role", "values": ["web"] }, { "key": "stage", "values": ["test"] }])), "a");
    assert_eq!(tags(json!([{ "key": "role", "values": ["web"] }, { "key": "bare" }])), "c");
    assert_eq!(tags(json!([{ "key": "none" }])), "");
    assert_eq!(tags(json!([])), "abcde");
    rule!(QUERY, "5ebb8c5b");
}

#[test]
fn a_text_of_novas_is_a_key_without_a_value() {
    assert_eq!(ids(&json!({ "tags": [{ "key": "bare", "values": [""] }] })), "cd");
    assert_eq!(ids(&json!({ "tags": [{ "key": "role", "values": [""] }] })), "");
    assert_eq!(ids(&json!({ "tags": [{ "key": "role=web", "values": [""] }] })), "", "this is no key");
    assert_eq!(ids(&json!({ "tags": [{ "key": "role=web" }] })), "");
    rule!(QUERY, "f33d1c76");
}

#[test]
fn servers_that_lack_one_of_the_listed_tags_are_found_by_not_tags() {
    let tags = |tags: Value| ids(&json!({ "not_tags": tags }));
    assert_eq!(tags(json!([{ "key": "role" }])), "de");
    assert_eq!(tags(json!([{ "key": "role", "values": ["web"] }])), "bde");
    assert_eq!(tags(json!([{ "key": "role", "values": ["web", "db"] }])), "de");
    assert_eq!(
        tags(json!([{ "key": "role", "values": ["web"] }, { "key": "stage" }])),
        "bcde",
        "only one has them all"
    );
    assert_eq!(tags(json!([])), "abcde");
    let both = json!({ "tags": [{ "key": "role", "values": ["web"] }], "not_tags": [{ "key": "bare" }] });
    assert_eq!(ids(&both), "a");
    rule!(QUERY, "e7484139");
}

#[test]
fn pages_are_cut_out_of_all_that_are_found() {
    let page = |limit: Value, offset: Value| found(&json!({ "limit": limit, "offset": offset })).0;
    assert_eq!(found(&json!({ "limit": "2" })), ("ab".to_owned(), 5), "the first page needs no offset");
    assert_eq!(page(json!("2"), json!("0")), "ab");
    assert_eq!(page(json!("2"), json!("1")), "bc");
    assert_eq!(page(json!(2), json!(4)), "e");
    assert_eq!(page(json!("0"), json!("0")), "");
    assert_eq!(page(json!("1000"), json!("5")), "");
    assert_eq!(page(json!(null), json!("3")), "de");
    let of_tag = json!({ "tags": [{ "key": "role" }], "limit": "1", "offset": "2" });
    assert_eq!(found(&of_tag), ("c".to_owned(), 3), "the number is that of all");
    rule!(QUERY, "6ab02e58", "b822d78e", "970bd90e");
}

#[test]
fn limit_and_offset_are_whole_numbers_with_bounds_unless_one_counts() {
    for bad in [json!("1001"), json!(1001), json!("-1"), json!(-1), json!("a"), json!(""), json!("1.5"), json!(true)] {
        let (code, message) = refused(&json!({ "limit": bad }));
        assert_eq!(code, "Ecs.0005", "{bad}");
        assert!(message.contains("limit"), "{message}");
    }
    for bad in [json!("-1"), json!(-1), json!("b"), json!(""), json!("9".repeat(30)), json!([])] {
        let (code, message) = refused(&json!({ "offset": bad }));
        assert_eq!(code, "Ecs.0005", "{bad}");
        assert!(message.contains("offset"), "{message}");
    }
    let (response, _) = answer(&query("count", &json!({ "limit": "-1", "offset": "x" })));
    assert_eq!(json_of(&response), json!({ "total_count": 5 }));
    rule!(QUERY, "b822d78e");
}

#[test]
fn a_page_that_nobody_asked_to_be_smaller_has_a_thousand() {
    let many: &'static mut Vec<String> = Box::leak(Box::new((0..1001).map(|number| number.to_string()).collect()));
    let servers: Vec<(&'static str, &'static [&'static str])> = many.iter().map(|id| (id.as_str(), &[][..])).collect();
    let (cloud, _) = with(Box::leak(servers.into_boxed_slice()));
    let call =
        post("tags.query_servers", "/v1/project-1/servers/resource_instances/action", &query("filter", &json!({})));
    let body = json_of(&crate::handle(&cloud, &call.build()));
    assert_eq!((body["resources"].as_array().unwrap().len(), &body["total_count"]), (1000, &json!(1001)));
    rule!(QUERY, "b822d78e");
}

#[test]
fn keys_are_no_blanks_and_neither_they_nor_their_values_repeat() {
    let eleven: Vec<Value> = (0..11).map(|number| json!({ "key": number.to_string() })).collect();
    let values: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    for list in ["tags", "not_tags"] {
        for (tags, code, field) in [
            (json!([{ "key": "" }]), "Ecs.0906", "0.key"),
            (json!([{ "key": null }]), "Ecs.0005", "0.key"),
            (json!([{ "values": ["a"] }]), "Ecs.0005", "0.key"),
            (json!([{ "key": "k".repeat(128) }]), "Ecs.0906", "0.key"),
            (json!([{ "key": "k", "values": ["v".repeat(256)] }]), "Ecs.0906", "0.values.0"),
            (json!([{ "key": "k", "values": ["a", "b", "a"] }]), "Ecs.0906", "0.values"),
            (json!([{ "key": "k", "values": values }]), "Ecs.0906", "0.values"),
            (json!([{ "key": "k" }, { "key": "l" }, { "key": "k" }]), "Ecs.0908", "2.key"),
        ] {
            let (said, message) = refused(&json!({ list: tags }));
            assert_eq!(said, code, "{tags}");
            assert!(message.contains(&format!("{list}.{field}")), "{message}");
        }
        assert_eq!(refused(&json!({ list: eleven })).0, "Ecs.0905");
    }
    let longest = json!([{ "key": "云".repeat(127), "values": ["云".repeat(255)] }]);
    assert_eq!(ids(&json!({ "tags": longest })), "");
    // The same key may be wanted and not wanted.
    let both = json!({ "tags": [{ "key": "role" }], "not_tags": [{ "key": "role", "values": ["db"] }] });
    assert_eq!(ids(&both), "ac");
    rule!(QUERY, "73050f86");
}

#[test]
fn a_match_is_one_part_of_the_servers_name() {
    let named = |value: &str| json!({ "matches": [{ "key": "resource_name", "value": value }] });
    let (response, asked) = answer(&query("count", &named("ecs_test")));
    assert_eq!(response.status, 200);
    assert_eq!(told(&asked[0], "name"), ["part-any-case: ecs_test"]);
    let (_, asked) = answer(&query("filter", &named(&"n".repeat(255))));
    assert_eq!(told(&asked[0], "name").len(), 1);
    let twice = json!([{ "key": "resource_name", "value": "a" }, { "key": "resource_name", "value": "b" }]);
    for (more, field) in [
        (json!({ "matches": twice }), "matches.1.key"),
        (json!({ "matches": [{ "key": "resource_id", "value": "a" }] }), "matches.0.key"),
        (json!({ "matches": [{ "key": "", "value": "a" }] }), "matches.0.key"),
        (json!({ "matches": [{ "value": "a" }] }), "matches.0.key"),
        (json!({ "matches": [{ "key": "resource_name" }] }), "matches.0.value"),
        (named(""), "matches.0.value"),
        (named(&"n".repeat(256)), "matches.0.value"),
    ] {
        let (code, message) = refused(&more);
        assert_eq!(code, "Ecs.0005", "{more}");
        assert!(message.contains(field), "{message}");
    }
    rule!(QUERY, "95c2decf");
}

#[test]
fn the_core_looks_for_values_itself() {
    let tags = json!([{ "key": "a", "values": ["1", ""] }, { "key": "b" }]);
    let (_, asked) = answer(&query("filter", &json!({ "tags": tags, "not_tags": [{ "key": "c", "values": ["1"] }] })));
    assert_eq!(asked.len(), 1);
    assert_eq!(told(&asked[0], "tags"), ["any-of: a=1, a, a="]);
    assert_eq!(asked[0].len(), 1);
}

#[test]
fn what_is_asked_for_is_known_by_name() {
    for (body, field) in [
        (json!({ "action": "find" }), "action"),
        (json!({ "action": "Filter" }), "action"),
        (json!({ "tags": [] }), "action"),
        (json!({ "action": "filter", "tags_any": [] }), "tags_any"),
        (json!({ "action": "filter", "not_tags_any": [] }), "not_tags_any"),
        (json!({ "action": "filter", "tags": [{ "key": "a", "value": "b" }] }), "tags.0.value"),
    ] {
        let (response, asked) = answer(&body);
        assert_eq!(code_of(&response), (400, "Ecs.0005".to_owned()), "{body}");
        let message = json_of(&response)["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(field) && asked.is_empty(), "{message}");
    }
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(|_, _, _| Err(error(ErrorCode::Forbidden, "no"))));
    let call =
        post("tags.query_servers", "/v1/project-1/servers/resource_instances/action", &json!({ "action": "count" }));
    assert_eq!(code_of(&crate::handle(&cloud, &call.build())), (403, "Pdp.0001".to_owned()));
}
