use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, VmState};
use skyloom_sdk::testing::{FakeCloud, Seen, asked, error, json_of, not_found};
use skyloom_sdk::{Error, ErrorCode, Response};

use super::{JOB, JOB_ON_THE_WIRE, code_of, post};

/// A server in this state, and what the core says to a resize of it.
fn resize(state: VmState, answer: Result<String, Error>, body: &Value) -> (Response, Seen<String>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let keep = seen.clone();
    cloud.compute.get_server = Some(Box::new(move |id, _| {
        if id != "a" {
            return Err(not_found("server", id));
        }
        Ok(Server { vm_state: state, ..nova::testing::server() })
    }));
    cloud.compute.act_on_servers = Some(Box::new(move |ids, verb, options, as_batch, strict| {
        assert_eq!((ids, as_batch, strict), (&["a".to_owned()][..], false, true));
        keep.push(asked(verb, options));
        answer.clone()
    }));
    let call = post("servers.resize", "/v1/project-1/cloudservers/a/resize", body).param("server_id", "a");
    (crate::handle(&cloud, &call.build()), seen)
}

fn body(more: &Value) -> Value {
    let mut body = json!({ "resize": { "flavorRef": "c3.large.2" } });
    for (name, value) in more.as_object().into_iter().flatten() {
        if name == "mode" { body["resize"]["mode"] = value.clone() } else { body[name] = value.clone() }
    }
    body
}

#[test]
fn a_server_that_is_off_is_resized_in_one_job() {
    let asked = |dry_run: bool| format!("resize flavor-id=c3.large.2 confirmed=true dry-run={dry_run}");
    for more in [json!({}), json!({ "dry_run": false })] {
        let (response, seen) = resize(VmState::Stopped, Ok(JOB.to_owned()), &body(&more));
        assert_eq!((response.status, json_of(&response)), (200, json!({ "job_id": JOB_ON_THE_WIRE })));
        assert_eq!(seen.only(), asked(false));
    }
    let (response, seen) = resize(VmState::Stopped, Ok(String::new()), &body(&json!({ "dry_run": true })));
    assert_eq!((response.status, json_of(&response)), (202, Value::Null));
    assert_eq!(seen.only(), asked(true));
}

#[test]
fn a_server_that_runs_is_resized_only_where_it_may_be_stopped() {
    for dry_run in [true, false] {
        let (response, seen) = resize(VmState::Active, Ok(JOB.to_owned()), &body(&json!({ "dry_run": dry_run })));
        assert_eq!(code_of(&response), (400, "Ecs.0100".to_owned()));
        assert!(seen.all().is_empty());
    }
    let stops = body(&json!({ "mode": "withStopServer" }));
    let (response, seen) = resize(VmState::Active, Ok(JOB.to_owned()), &stops);
    assert_eq!((response.status, seen.all().len()), (200, 1));
}

#[test]
fn what_is_wrong_with_a_resize_has_the_vendors_codes() {
    let unchanged = Error { reason: Some("unchanged".to_owned()), ..error(ErrorCode::Invalid, "the same") };
    for (refusal, code) in [
        (unchanged, (400, "Ecs.0810")),
        (not_found("flavor", "c3.large.2"), (400, "Ecs.0029")),
        (not_found("server", "a"), (404, "Ecs.0114")),
        (error(ErrorCode::WrongState, "it is being built"), (400, "Ecs.0100")),
    ] {
        let (response, _) = resize(VmState::Stopped, Err(refusal), &body(&json!({})));
        assert_eq!(code_of(&response), (code.0, code.1.to_owned()));
    }
    for wrong in
        [json!({}), json!({ "resize": {} }), body(&json!({ "mode": "now" })), body(&json!({ "dry_run": "yes" }))]
    {
        let (response, seen) = resize(VmState::Stopped, Ok(JOB.to_owned()), &wrong);
        assert_eq!(code_of(&response), (400, "Ecs.0005".to_owned()), "{wrong}");
        assert!(seen.all().is_empty());
    }
}
