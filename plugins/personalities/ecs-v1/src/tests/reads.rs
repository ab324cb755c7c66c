use serde_json::json;
use skyloom_sdk::cloud::flavors::{Flavor, FlavorPage};
use skyloom_sdk::cloud::operations::{Operation, OperationState, OperationTree, Step};
use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::testing::{self, Call, FakeCloud, json_of, not_found};
use skyloom_sdk::{ErrorCode, Response, rule};

use super::{JOB, JOB_ON_THE_WIRE};

pub fn operation(id: &str, kind: &str, state: OperationState, server: &str) -> Operation {
    let ended = matches!(state, OperationState::Succeeded | OperationState::Failed | OperationState::Cancelled);
    Operation {
        id: id.into(),
        kind: kind.into(),
        state,
        progress: 0,
        resource_kind: "server".into(),
        resource_id: server.into(),
        port_ids: vec![],
        project_id: "project-1".into(),
        user_id: "user-1".into(),
        request_id: "req-1".into(),
        parent_id: None,
        created_at: 1_461_614_674_604_000,
        started_at: None,
        ended_at: ended.then_some(1_461_614_921_593_000),
        error: None,
        steps: vec![],
    }
}

fn job(tree: OperationTree) -> Response {
    let mut cloud = FakeCloud::default();
    cloud.operations.get_operation = Some(Box::new(move |id| {
        assert_eq!(id, JOB, "the wire's form reached the core");
        Ok(tree.clone())
    }));
    let request = Call::new("jobs.get", "GET", "/v1/project-1/jobs/x").param("job_id", JOB_ON_THE_WIRE).build();
    crate::handle(&cloud, &request)
}

#[test]
fn a_batch_shows_its_sub_jobs() {
    let child =
        operation("2c9eb2c5-544c-4f61-8154-4f0635672b60", "server.create", OperationState::Succeeded, "server-1");
    let parent = operation(JOB, "batch.server.create", OperationState::Succeeded, "");
    let response = job(OperationTree { operation: parent, children: vec![child] });
    assert_eq!(
        json_of(&response),
        json!({
            "status": "SUCCESS",
            "job_id": JOB_ON_THE_WIRE,
            "job_type": "createServer",
            "begin_time": "2016-04-25T20:04:34.604Z",
            "end_time": "2016-04-25T20:08:41.593Z",
            "error_code": null,
            "fail_reason": null,
            "entities": { "sub_jobs_total": 1, "sub_jobs": [{
                "status": "SUCCESS",
                "job_id": "2c9eb2c5544c4f6181544f0635672b60",
                "job_type": "createSingleServer",
                "begin_time": "2016-04-25T20:04:34.604Z",
                "end_time": "2016-04-25T20:08:41.593Z",
                "error_code": null,
                "fail_reason": null,
                "entities": { "server_id": "server-1" },
            }]},
        })
    );
    let mut card = operation(JOB, "port.attach", OperationState::Succeeded, "port-1");
    card.resource_kind = "port".into();
    let response = job(OperationTree { operation: card, children: vec![] });
    assert_eq!(json_of(&response)["entities"], json!({ "nic_id": "port-1" }));
    rule!("ecs.jobs.get", "6d15b573");
    rule!("ecs.jobs.get", "1558aeb0");
}

#[test]
fn a_failed_sub_job_says_why_and_its_parent_says_so() {
    let mut child =
        operation("2c9eb2c5-544c-4f61-8154-4f0635672b60", "server.create", OperationState::Failed, "server-1");
    child.error = Some(testing::error(ErrorCode::DriverFailed, "The disk could not be made."));
    let parent = operation(JOB, "batch.server.create", OperationState::Failed, "");
    let body = json_of(&job(OperationTree { operation: parent, children: vec![child] }));
    assert_eq!((&body["status"], &body["error_code"]), (&json!("FAIL"), &json!("Common.0021")));
    let sub_job = &body["entities"]["sub_jobs"][0];
    assert_eq!(
        (&sub_job["error_code"], &sub_job["fail_reason"]),
        (&json!("Ecs.0204"), &json!("The disk could not be made."))
    );
    assert_eq!(sub_job["entities"]["errorcode_message"], "The disk could not be made.");
    rule!("ecs.jobs.get", "64cf79a1");
}

#[test]
fn a_failed_part_has_the_code_of_what_it_did() {
    let failed = |kind: &str, code: ErrorCode, step: &str| {
        let mut child = operation(JOB, kind, OperationState::Failed, "server-1");
        let error = testing::error(code, "why");
        child.steps = vec![
            Step { name: "place".into(), started_at: 0, ended_at: Some(1), error: None },
            Step { name: step.into(), started_at: 1, ended_at: Some(2), error: Some(error.clone()) },
        ];
        child.error = Some(error);
        json_of(&job(OperationTree { operation: child, children: vec![] }))["error_code"].as_str().unwrap().to_owned()
    };
    for (kind, code, step, expected) in [
        ("server.create", ErrorCode::DriverFailed, "disks", "Ecs.0202"),
        ("server.create", ErrorCode::DriverFailed, "define", "Ecs.0204"),
        ("server.create", ErrorCode::NoCapacity, "place", "Ecs.0319"),
        ("server.delete", ErrorCode::DriverFailed, "undefine", "Ecs.0501"),
        ("server.start", ErrorCode::DriverFailed, "start", "Ecs.0226"),
        ("server.start", ErrorCode::WrongState, "start", "Ecs.0100"),
        ("server.stop", ErrorCode::Locked, "stop", "Ecs.0605"),
        ("server.stop", ErrorCode::Busy, "stop", "Ecs.0603"),
        ("server.reboot", ErrorCode::DriverFailed, "start", "Ecs.0227"),
        ("server.reboot", ErrorCode::TimedOut, "stop", "Ecs.1002"),
        ("server.attach-volume", ErrorCode::DriverFailed, "attach", "Ecs.0205"),
        ("server.attach-nic", ErrorCode::DriverFailed, "attach", "Ecs.0217"),
        ("server.detach-nic", ErrorCode::DriverFailed, "detach", "Ecs.0507"),
        ("server.attach-volume", ErrorCode::NotSupported, "attach", "Ecs.0205"),
    ] {
        assert_eq!(failed(kind, code, step), expected, "{kind} {step}");
    }
    for (kind, expected) in [("batch.server.stop", "Ecs.0611"), ("batch.server.delete", "Common.0021")] {
        let parent = operation(JOB, kind, OperationState::Failed, "");
        let body = json_of(&job(OperationTree { operation: parent, children: vec![] }));
        assert_eq!(body["error_code"], expected, "{kind}");
    }
}

#[test]
fn each_state_has_one_of_the_four_words() {
    let cases = [
        (OperationState::Queued, "INIT"),
        (OperationState::Running, "RUNNING"),
        (OperationState::Unwinding, "RUNNING"),
        (OperationState::Stuck, "RUNNING"),
        (OperationState::Succeeded, "SUCCESS"),
        (OperationState::Failed, "FAIL"),
        (OperationState::Cancelled, "FAIL"),
    ];
    for (state, word) in cases {
        let operation = operation(JOB, "server.start", state, "server-1");
        let body = json_of(&job(OperationTree { operation, children: vec![] }));
        assert_eq!(body["status"], word);
        assert_eq!(body["end_time"].is_null(), word == "INIT" || word == "RUNNING");
        assert_eq!(body["error_code"].is_null(), word != "FAIL");
        assert_eq!(body["entities"]["server_id"], "server-1");
    }
}

#[test]
fn a_query_that_fails_is_told_at_the_top() {
    let mut cloud = FakeCloud::default();
    cloud.operations.get_operation = Some(Box::new(|id| Err(not_found("operation", id))));
    for id in [JOB_ON_THE_WIRE, "no-such-form"] {
        let request = Call::new("jobs.get", "GET", "/v1/project-1/jobs/x").param("job_id", id).build();
        let response = crate::handle(&cloud, &request);
        assert_eq!(response.status, 400);
        assert_eq!(json_of(&response)["code"], "Common.0011");
        assert!(json_of(&response)["message"].is_string());
    }
    rule!("ecs.jobs.get", "723150a1");
    cloud.operations.get_operation = Some(Box::new(|_| Err(testing::error(ErrorCode::Unavailable, "it is away"))));
    let request = Call::new("jobs.get", "GET", "/v1/project-1/jobs/x").param("job_id", JOB_ON_THE_WIRE).build();
    let response = crate::handle(&cloud, &request);
    assert_eq!(response.status, 503);
    let expected = json!({ "code": "Common.0025", "message": "Query job Error because it is away" });
    assert_eq!(json_of(&response), expected);
}

pub fn flavor(id: &str, specs: &[(&str, &str)]) -> Flavor {
    Flavor {
        id: id.into(),
        name: id.into(),
        description: None,
        vcpus: 8,
        memory_mib: 16384,
        disk_gib: 0,
        ephemeral_gib: 0,
        swap_mib: 0,
        rxtx_factor_milli: 1000,
        is_public: true,
        disabled: false,
        extra_specs: specs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        created_at: 0,
        attributes: "{}".to_owned(),
    }
}

fn flavors(zone: Option<&str>) -> serde_json::Value {
    let mut cloud = FakeCloud::default();
    cloud.flavors.list_flavors = Some(Box::new(|_, page| {
        // Two pages, as a core may cut them.
        let (first, second) = (
            vec![flavor("plain", &[]), flavor("gone", &[("cond:operation:status", "abandon")])],
            vec![flavor(
                "mixed",
                &[("cond:operation:status", " sellout "), ("cond:operation:az", "az1(promotion), az2()")],
            )],
        );
        Ok(match page.marker {
            None => FlavorPage { flavors: first, next: Some("gone".into()) },
            Some(_) => FlavorPage { flavors: second, next: None },
        })
    }));
    let call = Call::new("flavors.list", "GET", "/v1/project-1/cloudservers/flavors").param("project_id", "project-1");
    let call = zone.map_or(call.clone(), |zone| call.query("availability_zone", zone));
    json_of(&crate::handle(&cloud, &call.build()))
}

fn names(body: &serde_json::Value) -> Vec<&str> {
    body["flavors"].as_array().unwrap().iter().map(|flavor| flavor["id"].as_str().unwrap()).collect()
}

#[test]
fn flavors_are_shown_as_the_zone_sells_them() {
    assert_eq!(names(&flavors(None)), ["plain", "mixed"]);
    assert_eq!(names(&flavors(Some("az1"))), ["plain", "mixed"]);
    // Sold out in the region: on sale only where the zone says so, and empty parentheses say nothing.
    assert_eq!(names(&flavors(Some("az2"))), ["plain"]);
    assert_eq!(names(&flavors(Some("az3"))), ["plain"]);
    rule!("ecs.flavors.list", "95c75f74");
    rule!("ecs.flavors.list", "570f28aa");
    rule!("ecs.flavors.list", "ddeaa4a6");
    rule!("ecs.flavors.list", "bde56759");
    rule!("ecs.flavors.list", "5401fc02");
    rule!("ecs.flavors.list", "c9c2e11f");
}

#[test]
fn a_flavor_has_the_documents_members_and_types() {
    let body = flavors(None);
    assert_eq!(
        body["flavors"][0],
        json!({
            "id": "plain", "name": "plain", "vcpus": "8", "ram": 16384, "disk": "0", "swap": "",
            "OS-FLV-EXT-DATA:ephemeral": 0, "OS-FLV-DISABLED:disabled": false,
            "rxtx_factor": 1, "rxtx_quota": null, "rxtx_cap": null, "os-flavor-access:is_public": true,
            "links": [
                { "rel": "self", "href": "http://cloud.test/v1.0/project-1/flavors/plain", "type": null },
                { "rel": "bookmark", "href": "http://cloud.test/project-1/flavors/plain", "type": null },
            ],
            "os_extra_specs": {},
        })
    );
    rule!("ecs.flavors.list", "77d2d928");
}

#[test]
fn limits_show_quotas_and_use() {
    let mut cloud = FakeCloud::default();
    cloud.quotas.get_quotas = Some(Box::new(|_| {
        let quota = |name: &str, limit, used| Quota { name: name.into(), limit, used };
        Ok(vec![quota("servers", 10, 3), quota("memory-mib", 51200, 1536), quota("keypairs", -1, 0)])
    }));
    let body = json_of(&crate::handle(&cloud, &Call::new("limits.get", "GET", "/").build()));
    let absolute = &body["absolute"];
    assert_eq!((&absolute["maxTotalInstances"], &absolute["totalInstancesUsed"]), (&json!(10), &json!(3)));
    assert_eq!((&absolute["maxTotalRAMSize"], &absolute["totalRAMUsed"]), (&json!(51200), &json!(1536)));
    assert_eq!(absolute["maxTotalKeypairs"], -1);
    assert_eq!(absolute.as_object().unwrap().len(), 19);
    rule!("ecs.quotas.get", "8ce5e727");
}
