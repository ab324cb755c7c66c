use serde_json::json;
use skyloom_sdk::cloud::compute::DeleteOptions;
use skyloom_sdk::testing::{FakeCloud, Seen, asked, json_of, not_found};
use skyloom_sdk::{Response, rule};

use super::{JOB, JOB_ON_THE_WIRE, code_of, post};

/// Servers `a` and `b` exist.
fn cloud(changes: &Seen<(Vec<String>, String)>, deletions: &Seen<(Vec<String>, DeleteOptions)>) -> FakeCloud {
    let mut cloud = FakeCloud::default();
    let (changes, deletions) = (changes.clone(), deletions.clone());
    cloud.compute.act_on_servers = Some(Box::new(move |ids, verb, options, as_batch, _| {
        assert!(as_batch);
        if let Some(gone) = ids.iter().find(|id| !["a", "b"].contains(&id.as_str())) {
            return Err(not_found("server", gone));
        }
        changes.push((ids.to_vec(), asked(verb, options)));
        Ok(JOB.to_owned())
    }));
    cloud.compute.delete_servers = Some(Box::new(move |ids, options, as_batch, _| {
        assert!(as_batch);
        deletions.push((ids.to_vec(), options));
        Ok(JOB.to_owned())
    }));
    cloud
}

fn change(operation: &str, body: &serde_json::Value) -> (Response, Seen<(Vec<String>, String)>) {
    let seen = Seen::default();
    let request = post(operation, "/v1/project-1/cloudservers/action", body).build();
    (crate::handle(&cloud(&seen, &Seen::default()), &request), seen)
}

#[test]
fn start_stop_and_reboot_are_one_job_for_all_servers() {
    let ids = json!([{ "id": "a" }, { "id": "b" }, { "id": "a" }]);
    let cases = [
        ("servers.start", json!({ "os-start": { "servers": ids } }), "start"),
        ("servers.stop", json!({ "os-stop": { "servers": ids } }), "stop hard=false"),
        ("servers.stop", json!({ "os-stop": { "type": "HARD", "servers": ids } }), "stop hard=true"),
        ("servers.reboot", json!({ "reboot": { "type": "SOFT", "servers": ids } }), "reboot hard=false"),
        ("servers.reboot", json!({ "reboot": { "type": "HARD", "servers": ids } }), "reboot hard=true"),
    ];
    for (operation, body, expected) in cases {
        let (response, seen) = change(operation, &body);
        assert_eq!(json_of(&response), json!({ "job_id": JOB_ON_THE_WIRE }), "{operation}");
        assert_eq!(seen.only(), (["a", "b", "a"].map(str::to_owned).to_vec(), expected.to_owned()), "{operation}");
    }
    rule!("ecs.servers.batch_start", "58c5bb1e");
    rule!("ecs.servers.batch_stop", "9f616a9e");
    rule!("ecs.servers.batch_stop", "73d5c4c5");
    rule!("ecs.servers.batch_reboot", "815d252a");
    rule!("ecs.servers.batch_reboot", "26e17f1f");
}

#[test]
fn one_unknown_server_fails_the_whole_request_before_anything_is_begun() {
    let (response, seen) =
        change("servers.start", &json!({ "os-start": { "servers": [{ "id": "a" }, { "id": "c" }] } }));
    assert_eq!(code_of(&response), (404, "Ecs.0114".to_owned()));
    assert!(seen.all().is_empty());
}

fn ids(count: usize) -> serde_json::Value {
    (0..count).map(|_| json!({ "id": "a" })).collect()
}

#[test]
fn a_batch_holds_up_to_1000_servers() {
    for (operation, name) in [("servers.start", "os-start"), ("servers.stop", "os-stop"), ("servers.reboot", "reboot")]
    {
        let body = |count| match name {
            "reboot" => json!({ name: { "type": "SOFT", "servers": ids(count) } }),
            _ => json!({ name: { "servers": ids(count) } }),
        };
        assert_eq!(change(operation, &body(1000)).0.status, 200, "{operation}");
        for (count, code) in [(1001, "Ecs.0118"), (0, "Ecs.0005")] {
            assert_eq!(code_of(&change(operation, &body(count)).0), (400, code.to_owned()), "{operation}");
        }
    }
    assert_eq!(delete(&json!({ "servers": ids(1000) })).0.status, 200);
    for (count, code) in [(1001, "Ecs.0118"), (0, "Ecs.0005")] {
        assert_eq!(code_of(&delete(&json!({ "servers": ids(count) })).0), (400, code.to_owned()));
    }
    let without_type = json!({ "reboot": { "servers": ids(1) } });
    assert_eq!(code_of(&change("servers.reboot", &without_type).0), (400, "Ecs.0005".to_owned()));
}

fn delete(body: &serde_json::Value) -> (Response, Seen<(Vec<String>, DeleteOptions)>) {
    let seen = Seen::default();
    let request = post("servers.delete", "/v1/project-1/cloudservers/delete", body).build();
    (crate::handle(&cloud(&Seen::default(), &seen), &request), seen)
}

#[test]
fn a_deletion_says_what_becomes_of_disks_and_addresses() {
    let cases = [
        (json!({ "servers": [{ "id": "a" }] }), false, None),
        (json!({ "servers": [{ "id": "a" }], "delete_publicip": true, "delete_volume": true }), true, Some(true)),
        (json!({ "servers": [{ "id": "a" }], "delete_publicip": false, "delete_volume": false }), false, Some(false)),
    ];
    for (body, volumes, addresses) in cases {
        let (response, seen) = delete(&body);
        assert_eq!(json_of(&response), json!({ "job_id": JOB_ON_THE_WIRE }));
        let (ids, options) = seen.only();
        assert_eq!(ids, ["a"]);
        assert_eq!((options.delete_volumes, options.delete_public_addresses), (volumes, addresses));
    }
    rule!("ecs.servers.delete", "34b70686");
    rule!("ecs.servers.delete", "26762270");
    rule!("ecs.servers.delete", "93527fb5");
}

#[test]
fn a_malformed_deletion_is_told_in_the_documents_words() {
    let (response, seen) = delete(&json!([]));
    assert_eq!(json_of(&response), json!({ "error": { "message": "request body is illegal.", "code": "Ecs.0005" } }));
    assert_eq!(response.status, 400);
    assert!(seen.all().is_empty());
    rule!("ecs.servers.delete", "52546109");
}
