//! Quotas of projects.

use crate::support::*;
use serde_json::json;
use skyloom_sdk::cloud::identity::User;
use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::testing::{Call, FakeCloud, error, not_found, not_permitted};
use skyloom_sdk::{ErrorCode, rule};

fn user(id: &str) -> User {
    User {
        id: id.to_owned(),
        name: id.to_owned(),
        domain_id: "default".to_owned(),
        enabled: true,
        default_project_id: None,
        password_changed_at: None,
        extra: "{}".to_owned(),
    }
}

/// A project of its own quotas, none of another, and one user beside the caller.
fn with_default_quotas() -> FakeCloud {
    let mut cloud = with_quotas();
    let known = cloud.quotas.get_quotas.take().expect("quotas");
    cloud.quotas.get_quotas = Some(Box::new(move |project| match project {
        Some("project-1" | "other") => known(project),
        Some("refused") => Err(not_permitted("quotas:read-all")),
        other => Err(not_found("project", other.unwrap_or_default())),
    }));
    cloud.quotas.default_quotas = Some(Box::new(|| Ok(vec![Quota { name: "servers".to_owned(), limit: 3, used: 0 }])));
    cloud.identity.get_user = Some(Box::new(|id| match id {
        "user-2" => Ok(user(id)),
        "hidden" => Err(not_permitted("users:read")),
        "broken" => Err(error(ErrorCode::Unavailable, "Nobody can look now.")),
        other => Err(not_found("user", other)),
    }));
    cloud
}

fn quota_call(operation: &str, project: &str) -> Call {
    Call::new(operation, "GET", "/v2.1/os-quota-sets/x").param("target_project_id", project).version(2, 1)
}

#[test]
fn a_projects_quotas_are_shown_by_their_names() {
    let cloud = with_default_quotas();
    let (status, body) = ask(&cloud, upstream(), quota_call("quota_sets.show", "project-1"));
    let expected = json!({ "quota_set": {
        "id": "project-1", "instances": 10, "cores": -1, "ram": 51200, "fixed_ips": -1, "floating_ips": 5,
        "metadata_items": 128, "injected_files": 0, "injected_file_content_bytes": 0, "injected_file_path_bytes": 0,
        "security_groups": 10, "security_group_rules": 100, "key_pairs": 100, "server_groups": 10,
        "server_group_members": 10,
    } });
    assert_eq!((status, body), (200, expected));
    let (_, body) = ask(&cloud, upstream(), quota_call("quota_sets.show_detail", "project-1").version(2, 96));
    let mut names: Vec<&String> = body["quota_set"].as_object().expect("quotas").keys().collect();
    names.sort_unstable();
    let shown =
        ["cores", "id", "instances", "key_pairs", "metadata_items", "ram", "server_group_members", "server_groups"];
    assert_eq!(names, shown);
    assert_eq!(body["quota_set"]["instances"], json!({ "limit": 10, "in_use": 2, "reserved": 0 }));
    assert_eq!(body["quota_set"]["cores"], json!({ "limit": -1, "in_use": 3, "reserved": 0 }));
    let (_, body) = ask(&cloud, ecs(), quota_call("quota_sets.show_defaults", "anything"));
    assert_eq!((&body["quota_set"]["id"], &body["quota_set"]["instances"]), (&json!("anything"), &json!(3)));
}

#[test]
fn quotas_lose_what_is_the_networks_and_files() {
    let cloud = with_default_quotas();
    for operation in ["quota_sets.show", "quota_sets.show_detail", "quota_sets.show_defaults"] {
        for (gone, names) in [
            (36, ["fixed_ips", "floating_ips", "security_groups", "security_group_rules"].as_slice()),
            (57, ["injected_files", "injected_file_content_bytes", "injected_file_path_bytes"].as_slice()),
        ] {
            let at = |minor| ask(&cloud, upstream(), quota_call(operation, "project-1").version(2, minor)).1;
            for name in names {
                assert!(at(gone - 1)["quota_set"].get(name).is_some(), "{operation} {name}");
                assert!(at(gone)["quota_set"].get(name).is_none(), "{operation} {name}");
            }
        }
    }
}

#[test]
fn quotas_of_nobody_are_the_default_ones() {
    let cloud = with_default_quotas();
    let servers = |settings, call: Call| ask(&cloud, settings, call).1["quota_set"]["instances"].clone();
    for settings in [upstream(), ecs()] {
        for operation in ["quota_sets.show", "quota_sets.show_detail"] {
            let limit = |project: &str| {
                let shown = servers(settings, quota_call(operation, project).admin());
                shown.get("limit").cloned().unwrap_or(shown)
            };
            assert_eq!((limit("other"), limit("nobody")), (json!(7), json!(3)));
        }
        let refusal = refused(&cloud, settings, quota_call("quota_sets.show", "refused").rule("the:rule"), 403);
        assert_eq!(refusal, "Policy doesn't allow the:rule to be performed.");
    }
    rule!("nova.quota_sets.show", "b857a124");
    let of = |user: &str| quota_call("quota_sets.show", "project-1").query("user_id", user);
    for (user, limit) in [("user-2", 10), ("nobody", 3), ("hidden", 3)] {
        assert_eq!(servers(ecs(), of(user)), limit, "{user}");
        // Upstream looks for no user.
        assert_eq!(servers(upstream(), of(user)), 10, "{user}");
    }
    assert_eq!(ask(&cloud, ecs(), of("broken")).0, 503);
    refused(&cloud, ecs(), quota_call("quota_sets.show", "refused").query("user_id", "user-2").rule("r"), 403);
    rule!("nova.quota_sets.show", "088ef5d2");
}

#[test]
fn quotas_know_no_other_parameter_from_2_75_on() {
    let cloud = with_default_quotas();
    let call = |minor| quota_call("quota_sets.show", "project-1").version(2, minor).query("usage", "1");
    assert_eq!(ask(&cloud, upstream(), call(74)).0, 200);
    let message = refused(&cloud, upstream(), call(75), 400);
    assert_eq!(message, "Additional properties are not allowed ('usage' was unexpected)");
}
