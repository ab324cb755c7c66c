//! Server groups, and servers that are made in one.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, ServerGroupCreate, ServerGroupPage};
use skyloom_sdk::conditions::told;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, not_found};
use skyloom_sdk::{Error, ErrorCode, rule};

const GROUPS: &str = "/v2.1/os-server-groups";

fn with_groups() -> (FakeCloud, Seen<ServerGroupCreate>, Seen<Vec<String>>) {
    let (seen, lists) = (Seen::default(), Seen::default());
    let mut cloud = FakeCloud::default();
    let keep = lists.clone();
    cloud.compute.list_server_groups = Some(Box::new(move |conditions, page| {
        keep.push(told(conditions, "all-projects"));
        let groups = ["a", "b", "c"].map(|id| server_group(id, "affinity", None));
        let from =
            page.marker.as_ref().map_or(0, |marker| groups.iter().position(|group| group.id == *marker).unwrap() + 1);
        let page: Vec<_> = groups[from..].iter().take(page.limit as usize).cloned().collect();
        let next = (from + page.len() < 3).then(|| page.last().map(|group| group.id.clone())).flatten();
        Ok(ServerGroupPage { groups: page, next })
    }));
    cloud.compute.get_server_group = Some(Box::new(|id| match id {
        GROUP => Ok(server_group(GROUP, "anti-affinity", Some(2))),
        _ => Err(not_found("server-group", id)),
    }));
    let keep = seen.clone();
    cloud.compute.create_server_group = Some(Box::new(move |create| {
        keep.push(create.clone());
        Ok(server_group(GROUP, &create.policy, create.max_servers_per_node))
    }));
    cloud.compute.delete_server_group =
        Some(Box::new(|id| if id == GROUP { Ok(()) } else { Err(not_found("server-group", id)) }));
    (cloud, seen, lists)
}

fn show(id: &str) -> Call {
    Call::new("server_groups.show", "GET", GROUPS).param("server_group_id", id)
}

fn create(version: u32, group: &Value) -> Call {
    post("server_groups.create", GROUPS, &json!({ "server_group": group })).version(2, version)
}

/// Members come and go with their versions.
#[test]
fn a_group_is_shown_as_its_version_has_it() {
    let (cloud, ..) = with_groups();
    let shown = |version| ask(&cloud, upstream(), show(GROUP).version(2, version)).1["server_group"].clone();
    let first = json!({
        "id": GROUP, "name": "test", "policies": ["anti-affinity"], "metadata": {}, "members": [SERVER],
    });
    assert_eq!(shown(12), first);
    let mut owned = first.clone();
    owned["project_id"] = json!("project-1");
    owned["user_id"] = json!("user-1");
    assert_eq!((shown(13), shown(63)), (owned.clone(), owned));
    let last = json!({
        "id": GROUP, "name": "test", "policy": "anti-affinity", "rules": { "max_server_per_host": 2 },
        "members": [SERVER], "project_id": "project-1", "user_id": "user-1",
    });
    assert_eq!(shown(64), last);
    let list = |version| Call::new("server_groups.list", "GET", GROUPS).version(2, version);
    for version in [12, 13] {
        let (_, body) = ask(&cloud, ecs(), list(version));
        assert_eq!(body["server_groups"][0].get("project_id").is_some(), version == 13, "{body}");
        assert_eq!(body["server_groups"][0].get("user_id").is_some(), version == 13, "{body}");
        let (_, body) = ask(&cloud, ecs(), create(version, &json!({ "name": "test", "policies": ["anti-affinity"] })));
        assert_eq!(body["server_group"].get("project_id").is_some(), version == 13, "{body}");
        assert_eq!(body["server_group"].get("user_id").is_some(), version == 13, "{body}");
    }
    let message = refused(&cloud, upstream(), show("none"), 404);
    assert_eq!(message, "Instance group none could not be found.");
    for operation in ["nova.server_groups.show", "nova.server_groups.list", "nova.server_groups.create"] {
        rule!(operation, "94fc6a3a");
    }
}

#[test]
fn a_list_has_pages_by_offset_and_all_projects_for_operators() {
    let (cloud, _, lists) = with_groups();
    let list = |query: &[(&str, &str)]| {
        query.iter().fold(Call::new("server_groups.list", "GET", GROUPS).version(2, 15), |call, (name, value)| {
            call.query(name, value)
        })
    };
    let ids = |call| {
        let (status, body) = ask(&cloud, upstream(), call);
        assert_eq!(status, 200, "{body}");
        let groups = body["server_groups"].as_array().expect("groups").clone();
        groups.iter().map(|group| group["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(list(&[])), ["a", "b", "c"]);
    assert_eq!(ids(list(&[("limit", "2")])), ["a", "b"]);
    assert_eq!(ids(list(&[("limit", "1"), ("offset", "2")])), ["c"]);
    assert_eq!(ids(list(&[("offset", "5")])), Vec::<String>::new());
    assert!(lists.all().iter().all(Vec::is_empty));
    for (name, value) in [("limit", "-1"), ("limit", "x"), ("offset", "x"), ("offset", "")] {
        assert!(refused(&cloud, upstream(), list(&[(name, value)]), 400).contains(name));
    }
    refused(&cloud, upstream(), list(&[("name", "x")]).version(2, 75), 400);
    assert_eq!(ids(list(&[("name", "x")])).len(), 3, "overlooked before");
    let (cloud, _, lists) = with_groups();
    // Upstream overlooks who is no operator.
    assert_eq!(ask(&cloud, upstream(), list(&[("all_projects", "True")])).0, 200);
    assert_eq!(ask(&cloud, upstream(), list(&[("all_projects", "True")]).admin()).0, 200);
    assert_eq!(lists.all(), [vec![], vec!["any-of: true".to_owned()]]);
}

#[test]
fn a_group_is_made_with_a_policy_that_its_version_knows() {
    let (cloud, seen, _) = with_groups();
    for (version, policy, known) in [
        (1, "affinity", true),
        (1, "anti-affinity", true),
        (14, "soft-affinity", false),
        (15, "soft-affinity", true),
        (63, "soft-anti-affinity", true),
        (63, "near", false),
    ] {
        let call = create(version, &json!({ "name": "test", "policies": [policy] }));
        if known {
            let (status, body) = ask(&cloud, upstream(), call);
            assert_eq!((status, &body["server_group"]["policies"]), (200, &json!([policy])), "{body}");
        } else {
            let message = refused(&cloud, upstream(), call, 400);
            assert!(message.contains(&format!("'{policy}' is not one of ['anti-affinity', 'affinity'")), "{message}");
        }
    }
    assert_eq!(seen.all().len(), 4);
    for policies in [json!([]), json!(["affinity", "anti-affinity"]), json!([1]), json!("affinity")] {
        refused(&cloud, upstream(), create(1, &json!({ "name": "test", "policies": policies })), 400);
    }
    for name in ["", " a", "a\u{0}"] {
        refused(&cloud, upstream(), create(1, &json!({ "name": name, "policies": ["affinity"] })), 400);
    }
    refused(&cloud, upstream(), create(1, &json!({ "name": "test" })), 400);
    assert_eq!(seen.all().len(), 4, "none of them reached the core");
}

#[test]
fn the_last_versions_have_one_policy_with_a_rule() {
    let (cloud, seen, _) = with_groups();
    let with = |policy: &str, rules: Value| create(64, &json!({ "name": "test", "policy": policy, "rules": rules }));
    for (rules, most) in [
        (json!({ "max_server_per_host": 3 }), Some(3)),
        (json!({ "max_server_per_host": "3" }), Some(3)),
        (json!({}), None),
    ] {
        assert_eq!(ask(&cloud, upstream(), with("anti-affinity", rules)).0, 200);
        assert_eq!(seen.all().last().expect("a group").max_servers_per_node, most);
    }
    assert_eq!(ask(&cloud, upstream(), create(64, &json!({ "name": "test", "policy": "soft-affinity" }))).0, 200);
    let message = refused(&cloud, upstream(), with("affinity", json!({ "max_server_per_host": 3 })), 400);
    assert_eq!(message, "Only anti-affinity policy supports rules.");
    for wrong in [json!(0), json!("x")] {
        let message = refused(&cloud, upstream(), with("anti-affinity", json!({ "max_server_per_host": wrong })), 400);
        assert!(message.contains("max_server_per_host"), "{message}");
    }
    refused(&cloud, upstream(), create(64, &json!({ "name": "test", "policies": ["affinity"] })), 400);
}

#[test]
fn the_vendor_makes_groups_that_keep_apart_only() {
    let (cloud, seen, _) = with_groups();
    let with = |name: &str, policy: &str| create(15, &json!({ "name": name, "policies": [policy] }));
    for policy in ["affinity", "soft-affinity", "soft-anti-affinity"] {
        let message = refused(&cloud, ecs(), with("test", policy), 400);
        assert!(message.contains("is not one of ['anti-affinity']"), "{message}");
    }
    assert_eq!(ask(&cloud, ecs(), with(&"x".repeat(255), "anti-affinity")).0, 200);
    // Its names are counted in bytes.
    refused(&cloud, ecs(), with(&"\u{4e91}".repeat(86), "anti-affinity"), 400);
    assert_eq!(ask(&cloud, upstream(), with(&"\u{4e91}".repeat(86), "anti-affinity")).0, 200);
    assert!(seen.all().iter().all(|create| create.policy == "anti-affinity"));
}

#[test]
fn a_group_is_deleted_once() {
    let (cloud, ..) = with_groups();
    let delete = |id: &str| Call::new("server_groups.delete", "DELETE", GROUPS).param("server_group_id", id);
    let response = call(&cloud, upstream(), delete(GROUP));
    assert_eq!((response.status, response.body), (204, skyloom_sdk::Body::Empty));
    assert_eq!(refused(&cloud, upstream(), delete("none"), 404), "Instance group none could not be found.");
    rule!("nova.server_groups.delete", "4c45932d");
}

#[test]
fn full_quotas_of_groups_are_told_in_novas_words() {
    let (mut cloud, ..) = with_groups();
    let full = |quota: &str| Error { field: Some(quota.to_owned()), ..error(ErrorCode::QuotaExceeded, "It is full.") };
    let groups = full("server-groups");
    cloud.compute.create_server_group = Some(Box::new(move |_| Err(groups.clone())));
    let one = json!({ "name": "test", "policies": ["affinity"] });
    assert_eq!(refused(&cloud, upstream(), create(1, &one), 403), "Quota exceeded, too many server groups.");
    let members = full("server-group-members");
    cloud.compute.create_servers = Some(Box::new(move |_| Err(members.clone())));
    assert_eq!(refused(&cloud, upstream(), in_group(&json!(GROUP)), 403), "Quota exceeded, too many servers in group");
}

fn in_group(group: &Value) -> Call {
    let server = json!({ "name": "w", "flavorRef": "1", "imageRef": IMAGE });
    post("servers.create", "/v2.1/servers", &json!({ "server": server, "os:scheduler_hints": { "group": group } }))
}

#[test]
fn a_server_is_made_in_the_group_of_its_hint() {
    for settings in [upstream(), ecs()] {
        let (cloud, seen) = with_create();
        assert_eq!(ask(&cloud, settings, in_group(&json!(GROUP))).0, 202);
        let create = seen.only();
        assert_eq!(create.group_id.as_deref(), Some(GROUP));
        assert_eq!(create.attributes, "{}", "a hint with an effect is kept by the core");
        for wrong in [json!("a group"), json!([GROUP]), json!(7)] {
            let (cloud, seen) = with_create();
            assert!(refused(&cloud, settings, in_group(&wrong), 400).contains("group"));
            assert!(seen.all().is_empty());
        }
    }
    let (mut cloud, _) = with_create();
    cloud.compute.create_servers = Some(Box::new(|_| Err(not_found("server-group", GROUP))));
    let message = refused(&cloud, upstream(), in_group(&json!(GROUP)), 400);
    assert_eq!(message, format!("Instance group {GROUP} could not be found."));
    // The vendor's word is that it should keep apart, not that it must: what other groups do is theirs.
    rule!("nova.servers.create", "a33fdb24");
}

#[test]
fn a_server_tells_its_group() {
    let cloud = with_server(Server { group_id: Some(GROUP.to_owned()), ..server() });
    let show =
        |version| Call::new("servers.show", "GET", "/v2.1/servers/x").param("server_id", SERVER).version(2, version);
    assert!(ask(&cloud, upstream(), show(70)).1["server"].get("server_groups").is_none());
    assert_eq!(ask(&cloud, upstream(), show(71)).1["server"]["server_groups"], json!([GROUP]));
}
