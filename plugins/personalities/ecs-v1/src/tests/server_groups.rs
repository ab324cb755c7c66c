//! Server groups and their members.

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, ServerGroup, ServerGroupCreate, ServerGroupPage};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, json_of, not_found};
use skyloom_sdk::{Error, ErrorCode, Response, rule};

use super::creation::{asked, changed};
use super::{NETWORK, code_of, creation, post};

const GROUP: &str = "5bbcc3c4-1da2-4437-a48a-66f15b1b13f9";
/// Of Nova's API, with another policy.
const TOGETHER: &str = "5bbcc3c4-1da2-4437-a48a-000000000000";
const SERVER: &str = "34dac9a0-c4a7-457b-bab2-e2c696e0e401";
const XEN: &str = "34dac9a0-c4a7-457b-bab2-000000000000";
const GROUPS: &str = "/v1/project-1/cloudservers/os-server-groups";

fn group(id: &str, policy: &str) -> ServerGroup {
    ServerGroup { members: Vec::new(), ..nova::testing::server_group(id, policy, None) }
}

/// A core with two groups and two servers; what comes and goes is kept.
fn cloud() -> (FakeCloud, Seen<String>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    cloud.compute.get_server_group = Some(Box::new(|id| match id {
        GROUP => Ok(group(GROUP, "anti-affinity")),
        TOGETHER => Ok(group(TOGETHER, "affinity")),
        _ => Err(not_found("server-group", id)),
    }));
    cloud.compute.get_server = Some(Box::new(|id, _| {
        let mut server = Server { id: id.to_owned(), ..nova::testing::server() };
        let platform = match id {
            SERVER => "CloudCompute",
            XEN => "FusionCompute",
            _ => return Err(not_found("server", id)),
        };
        server.flavor.extra_specs = vec![("ecs:virtualization_env_types".to_owned(), platform.to_owned())];
        Ok(server)
    }));
    let keep = seen.clone();
    cloud.compute.add_server_group_member = Some(Box::new(move |group, server| {
        keep.push(format!("{server} joins {group}"));
        Ok(())
    }));
    let keep = seen.clone();
    cloud.compute.remove_server_group_member = Some(Box::new(move |group, server| {
        keep.push(format!("{server} leaves {group}"));
        Ok(())
    }));
    (cloud, seen)
}

fn act(cloud: &FakeCloud, verb: &str, group: &str, server: &str) -> Response {
    let body = json!({ verb: { "instance_uuid": server } });
    let path = format!("{GROUPS}/{group}/action");
    let call = post(&format!("server_groups.{verb}"), &path, &body).param("server_group_id", group);
    crate::handle(cloud, &call.build())
}

fn refused(cloud: &FakeCloud, verb: &str, group: &str, server: &str) -> (u16, String) {
    code_of(&act(cloud, verb, group, server))
}

fn invalid() -> (u16, String) {
    (400, "Ecs.0005".to_owned())
}

fn create(body: &Value) -> (Response, Seen<ServerGroupCreate>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let keep = seen.clone();
    cloud.compute.create_server_group = Some(Box::new(move |create| {
        keep.push(create.clone());
        Ok(group(GROUP, &create.policy))
    }));
    (crate::handle(&cloud, &post("server_groups.create", GROUPS, body).build()), seen)
}

#[test]
fn a_group_is_made_with_the_one_policy() {
    let body = json!({ "server_group": { "name": "test", "policies": ["anti-affinity"] } });
    let (response, seen) = create(&body);
    let shown = json!({ "server_group": {
        "id": GROUP, "name": "test", "policies": ["anti-affinity"], "members": [], "metadata": {},
    }});
    assert_eq!((response.status, json_of(&response)), (200, shown));
    let made = seen.only();
    assert_eq!((made.policy.as_str(), made.max_servers_per_node), ("anti-affinity", None), "one server on a host");
    for policies in [
        json!(["affinity"]),
        json!(["soft-anti-affinity"]),
        json!([]),
        json!(["anti-affinity", "anti-affinity"]),
        json!("anti-affinity"),
    ] {
        let (response, seen) = create(&json!({ "server_group": { "name": "test", "policies": policies } }));
        assert_eq!(code_of(&response), invalid(), "{policies}");
        assert!(seen.all().is_empty(), "{policies} reached the core");
    }
    rule!("ecs.server_groups.create", "28a9d115", "778f4467");
}

#[test]
fn a_name_has_1_to_255_bytes() {
    let named = |name: &str| {
        let (response, seen) = create(&json!({ "server_group": { "name": name, "policies": ["anti-affinity"] } }));
        assert_eq!(seen.all().is_empty(), response.status == 400);
        (response.status, json_of(&response)["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(named(&"x".repeat(255)).0, 200);
    assert_eq!(named(&"\u{4e91}".repeat(85)).0, 200);
    for wrong in [String::new(), "x".repeat(256), "\u{4e91}".repeat(86)] {
        let (status, message) = named(&wrong);
        assert!(status == 400 && message.contains("server_group.name"), "{message}");
    }
    let (response, _) = create(&json!({ "server_group": { "policies": ["anti-affinity"] } }));
    let message = "A required parameter is missing: server_group.name.";
    assert_eq!(json_of(&response)["error"], json!({ "code": "Ecs.0005", "message": message }));
}

#[test]
fn a_full_quota_of_groups_has_its_code() {
    for quota in ["server-groups", "server-group-members"] {
        let full = Error { field: Some(quota.to_owned()), ..error(ErrorCode::QuotaExceeded, "It is full.") };
        let response = crate::errors::Failure::from(full).response();
        assert_eq!(code_of(&response), (400, "Ecs.0022".to_owned()));
    }
}

#[test]
fn a_group_is_shown_and_deleted() {
    let (mut cloud, _) = cloud();
    cloud.compute.delete_server_group =
        Some(Box::new(|id| if id == GROUP { Ok(()) } else { Err(not_found("server-group", id)) }));
    let ask = |operation: &str, method: &str, id: &str| {
        let call = Call::new(operation, method, GROUPS).param("server_group_id", id);
        crate::handle(&cloud, &call.build())
    };
    let shown = ask("server_groups.get", "GET", GROUP);
    let expected = json!({ "server_group": {
        "id": GROUP, "name": "test", "policies": ["anti-affinity"], "members": [], "metadata": {},
    }});
    assert_eq!((shown.status, json_of(&shown)), (200, expected));
    let deleted = ask("server_groups.delete", "DELETE", GROUP);
    assert_eq!((deleted.status, deleted.body), (204, skyloom_sdk::Body::Empty));
    for (operation, method) in [("server_groups.get", "GET"), ("server_groups.delete", "DELETE")] {
        assert_eq!(code_of(&ask(operation, method, NETWORK)), (400, "Ecs.0313".to_owned()));
    }
    rule!("ecs.server_groups.get", "8d099912");
    rule!("ecs.server_groups.delete", "163004b1");
}

#[test]
fn a_server_joins_and_leaves() {
    let (cloud, seen) = cloud();
    for verb in ["add_member", "remove_member"] {
        let response = act(&cloud, verb, GROUP, SERVER);
        assert_eq!((response.status, response.body), (200, skyloom_sdk::Body::Empty), "{verb}");
    }
    assert_eq!(seen.all(), [format!("{SERVER} joins {GROUP}"), format!("{SERVER} leaves {GROUP}")]);
    rule!("ecs.server_groups.add_member", "a74d8a36");
    rule!("ecs.server_groups.remove_member", "a74d8a36");
}

#[test]
fn only_groups_that_keep_apart_have_members() {
    let (cloud, seen) = cloud();
    for verb in ["add_member", "remove_member"] {
        let response = act(&cloud, verb, TOGETHER, SERVER);
        assert_eq!(code_of(&response), invalid());
        let message = json_of(&response)["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.ends_with("has the policy affinity: only anti-affinity is supported."), "{message}");
        assert_eq!(refused(&cloud, verb, NETWORK, SERVER), (400, "Ecs.0313".to_owned()), "there is no such group");
        assert_eq!(refused(&cloud, verb, GROUP, "no-uuid"), invalid());
    }
    assert!(seen.all().is_empty());
    rule!("ecs.server_groups.add_member", "ff23cada");
    rule!("ecs.server_groups.remove_member", "ad9225e6");
}

#[test]
fn only_servers_of_kvm_join() {
    let (cloud, seen) = cloud();
    let response = act(&cloud, "add_member", GROUP, XEN);
    assert_eq!(code_of(&response), invalid());
    assert!(json_of(&response)["error"]["message"].as_str().is_some_and(|message| message.contains("KVM")));
    assert!(seen.all().is_empty());
    assert_eq!(act(&cloud, "add_member", GROUP, SERVER).status, 200);
    rule!("ecs.server_groups.add_member", "c0f986af");
}

#[test]
fn what_the_core_says_of_a_member_has_the_vendors_codes() {
    let (mut cloud, _) = cloud();
    assert_eq!(refused(&cloud, "add_member", GROUP, NETWORK), (404, "Ecs.0114".to_owned()), "there is no such server");
    for (code, expected) in [
        (ErrorCode::WrongState, (400, "Ecs.0100")),
        (ErrorCode::Busy, (501, "Ecs.0603")),
        (ErrorCode::Locked, (400, "Ecs.0605")),
        (ErrorCode::InUse, (400, "Ecs.0005")),
    ] {
        let refusal = error(code, "told to the client");
        cloud.compute.add_server_group_member = Some(Box::new(move |_, _| Err(refusal.clone())));
        let (status, code) = refused(&cloud, "add_member", GROUP, SERVER);
        assert_eq!((status, code.as_str()), expected);
    }
    let absent = Error { field: Some("server-id".to_owned()), ..not_found("server", SERVER) };
    cloud.compute.remove_server_group_member = Some(Box::new(move |_, _| Err(absent.clone())));
    let response = act(&cloud, "remove_member", GROUP, SERVER);
    assert_eq!(code_of(&response), invalid());
    assert!(json_of(&response).to_string().contains("remove_member.instance_uuid"));
    cloud.compute.remove_server_group_member = Some(Box::new(|_, server| Err(not_found("server", server))));
    assert_eq!(refused(&cloud, "remove_member", GROUP, SERVER), (404, "Ecs.0114".to_owned()));
}

fn listing(query: &[(&str, &str)]) -> Response {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_server_groups = Some(Box::new(|conditions, page| {
        assert!(conditions.is_empty(), "the caller's project alone");
        let ids = [GROUP, TOGETHER, NETWORK];
        let from =
            page.marker.as_deref().and_then(|marker| ids.iter().position(|id| *id == marker)).map_or(0, |at| at + 1);
        let groups = ids[from..].iter().take(page.limit as usize).map(|id| group(id, "anti-affinity")).collect();
        Ok(ServerGroupPage { groups, next: None })
    }));
    let call = Call::new("server_groups.list", "GET", GROUPS);
    let call = query.iter().fold(call, |call, (name, value)| call.query(name, value));
    crate::handle(&cloud, &call.build())
}

fn ids(body: &Value) -> Vec<&str> {
    body["server_groups"].as_array().unwrap().iter().map(|group| group["id"].as_str().unwrap()).collect()
}

#[test]
fn a_list_has_pages_where_a_limit_is_named() {
    let whole = json_of(&listing(&[]));
    assert_eq!(ids(&whole), [GROUP, TOGETHER, NETWORK]);
    assert!(whole.get("page_info").is_none(), "only with paging");
    let group = json!({ "id": GROUP, "name": "test", "policies": ["anti-affinity"], "members": [], "metadata": {} });
    assert_eq!(whole["server_groups"][0], group);
    let first = json_of(&listing(&[("limit", "2")]));
    assert_eq!((ids(&first), &first["page_info"]), (vec![GROUP, TOGETHER], &json!({ "next_marker": TOGETHER })));
    let second = json_of(&listing(&[("limit", "2"), ("marker", TOGETHER)]));
    assert_eq!((ids(&second), &second["page_info"]), (vec![NETWORK], &json!({ "next_marker": NETWORK })));
    let end = json_of(&listing(&[("limit", "2"), ("marker", NETWORK)]));
    assert!(ids(&end).is_empty() && end.get("page_info").is_none());
    rule!("ecs.server_groups.list", "421cabe5", "f7bbb09c");
}

#[test]
fn limit_and_marker_are_checked() {
    assert_eq!(listing(&[("limit", "1000")]).status, 200);
    for limit in ["1001", "0", "-1", "x", ""] {
        let response = listing(&[("limit", limit)]);
        assert_eq!(code_of(&response), invalid(), "{limit}");
        assert!(json_of(&response)["error"]["message"].as_str().unwrap().contains("limit"));
    }
    for query in [&[("marker", GROUP)][..], &[("limit", "1"), ("marker", "no-uuid")]] {
        let response = listing(query);
        assert_eq!(code_of(&response), invalid());
        assert!(json_of(&response)["error"]["message"].as_str().unwrap().contains("marker"));
    }
    rule!("ecs.server_groups.list", "81e68dfc", "a24ab0f4");
}

#[test]
fn a_server_is_made_in_the_group_of_its_hint() {
    assert_eq!(asked(&changed("/os:scheduler_hints", json!({ "group": GROUP }))).group_id.as_deref(), Some(GROUP));
    assert_eq!(asked(&creation()).group_id, None);
    // The document's word is that it should keep apart, not that it must: the core is asked for what the group is.
    rule!("ecs.servers.create", "7f9f34dd");
    let response = crate::errors::Failure::from(not_found("server-group", GROUP)).response();
    assert_eq!(code_of(&response), (400, "Ecs.0313".to_owned()));
}
