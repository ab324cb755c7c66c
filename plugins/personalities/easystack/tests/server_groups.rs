//! Server groups, as the vendor's document has them.

use nova::testing::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{ServerGroupCreate, ServerGroupPage};
use skyloom_sdk::conditions::told;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, not_found, not_permitted};
use skyloom_sdk::{ErrorCode, rule};

use crate::api::{ask, refused, send};

const GROUPS: &str = "/v2.1/p/os-server-groups";

fn with_groups() -> (FakeCloud, Seen<ServerGroupCreate>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    // One project's user; groups of all projects are for operators.
    cloud.compute.list_server_groups = Some(Box::new(|conditions, page| {
        if !told(conditions, "all-projects").is_empty() {
            return Err(not_permitted("server-groups:read-all"));
        }
        let groups = [
            server_group("a", "soft-anti-affinity", None),
            server_group("b", "anti-affinity", Some(2)),
            server_group("c", "anti-affinity", None),
        ];
        Ok(ServerGroupPage { groups: groups.into_iter().take(page.limit as usize).collect(), next: None })
    }));
    let keep = seen.clone();
    cloud.compute.create_server_group = Some(Box::new(move |create| {
        keep.push(create.clone());
        Ok(server_group(GROUP, &create.policy, None))
    }));
    cloud.compute.delete_server_group =
        Some(Box::new(|id| if id == GROUP { Ok(()) } else { Err(not_found("server-group", id)) }));
    (cloud, seen)
}

fn list(version: u32) -> Call {
    Call::new("server_groups.list", "GET", GROUPS).version(2, version).rule("os_compute_api:os-server-groups:index")
}

fn create(version: u32, group: &Value) -> Call {
    send("server_groups.create", "POST", GROUPS, &json!({ "server_group": group })).version(2, version)
}

#[test]
fn the_groups_of_the_tenant_are_listed() {
    let (cloud, _) = with_groups();
    let (status, body) = ask(&cloud, list(15));
    let first = json!({
        "id": "a", "name": "test", "policies": ["soft-anti-affinity"], "metadata": {}, "members": [SERVER],
        "project_id": "project-1", "user_id": "user-1",
    });
    assert_eq!((status, &body["server_groups"][0]), (200, &first));
    assert_eq!(body["server_groups"].as_array().map(Vec::len), Some(3));
    assert_eq!(ask(&cloud, list(15).query("limit", "1")).1["server_groups"].as_array().map(Vec::len), Some(1));
    let (_, body) = ask(&cloud, list(15).query("offset", "1"));
    assert_eq!(body["server_groups"][0]["id"], "b");
    refused(&cloud, list(15).query("limit", "x"), 400);
    // The least version shows less.
    assert!(ask(&cloud, list(1)).1["server_groups"][0].get("project_id").is_none());
    // The example's form is that of a later version.
    let (_, body) = ask(&cloud, list(64));
    let groups = body["server_groups"].as_array().expect("groups");
    assert_eq!((&groups[0]["policy"], &groups[0]["rules"]), (&json!("soft-anti-affinity"), &json!({})));
    assert_eq!(groups[1]["rules"], json!({ "max_server_per_host": 2 }));
    assert_eq!(groups[2]["rules"], json!({}), "one server on a node");
    rule!("easystack.server_groups.list", "3d158d16", "4a600ec5");
}

#[test]
fn all_projects_are_for_administrators_only() {
    let (cloud, _) = with_groups();
    let message = refused(&cloud, list(15).query("all_projects", "True"), 403);
    assert_eq!(message, "Policy doesn't allow os_compute_api:os-server-groups:index:all_projects to be performed.");
    assert_eq!(ask(&cloud, list(15).query("all_projects", "False")).0, 200);
    let (mut cloud, _) = with_groups();
    cloud.compute.list_server_groups = Some(Box::new(|conditions, _| {
        assert_eq!(told(conditions, "all-projects"), ["any-of: true"]);
        Ok(ServerGroupPage { groups: vec![server_group("z", "affinity", None)], next: None })
    }));
    assert_eq!(ask(&cloud, list(15).query("all_projects", "True").admin()).1["server_groups"][0]["id"], "z");
    rule!("easystack.server_groups.list", "c8ca15b6");
}

#[test]
fn a_group_is_made_with_a_soft_policy() {
    let (cloud, seen) = with_groups();
    for (version, policy) in [(1, "soft-affinity"), (15, "soft-affinity"), (15, "soft-anti-affinity")] {
        let (status, body) = ask(&cloud, create(version, &json!({ "name": "test", "policies": [policy] })));
        assert_eq!((status, &body["server_group"]["policies"]), (200, &json!([policy])), "{body}");
        assert_eq!(body["server_group"].get("project_id").is_some(), version == 15, "the least version shows less");
    }
    assert_eq!(seen.all().len(), 3);
    for policy in ["affinity", "anti-affinity", "near"] {
        let message = refused(&cloud, create(15, &json!({ "name": "test", "policies": [policy] })), 400);
        assert!(message.contains("is not one of ['soft-anti-affinity', 'soft-affinity']"), "{message}");
    }
    // A rule belongs to a policy that isn't made here.
    let rules = json!({ "name": "test", "policy": "soft-affinity", "rules": { "max_server_per_host": 2 } });
    assert_eq!(refused(&cloud, create(64, &rules), 400), "Only anti-affinity policy supports rules.");
    for wrong in [json!({ "name": "test" }), json!({ "name": "", "policies": ["soft-affinity"] })] {
        refused(&cloud, create(15, &wrong), 400);
    }
    assert_eq!(seen.all().len(), 3);
    rule!("easystack.server_groups.create", "28a9d115", "6681e445", "4a600ec5");
    rule!("easystack.server_groups.create", "8c6caebc");
    rule!("easystack.server_groups.list", "8c6caebc");
}

#[test]
fn a_group_is_deleted_without_an_answer_body() {
    let (cloud, _) = with_groups();
    let delete = |id: &str, version| {
        Call::new("server_groups.delete", "DELETE", GROUPS).param("server_group_id", id).version(2, version)
    };
    for version in [1, 15] {
        assert_eq!(ask(&cloud, delete(GROUP, version)), (204, Value::Null));
    }
    assert_eq!(refused(&cloud, delete("none", 15), 404), "Instance group none could not be found.");
    rule!("easystack.server_groups.delete", "163004b1", "485afd79", "4a600ec5");
}

#[test]
fn a_full_quota_is_told() {
    let (mut cloud, _) = with_groups();
    let field = Some("server-groups".to_owned());
    let full = skyloom_sdk::testing::error(ErrorCode::QuotaExceeded, "It is full.");
    let full = skyloom_sdk::Error { field, ..full };
    cloud.compute.create_server_group = Some(Box::new(move |_| Err(full.clone())));
    let call = create(15, &json!({ "name": "test", "policies": ["soft-affinity"] }));
    assert_eq!(refused(&cloud, call, 403), "Quota exceeded, too many server groups.");
}
