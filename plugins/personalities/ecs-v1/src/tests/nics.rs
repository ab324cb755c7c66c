//! Network cards that come to a server and leave it.

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, ServerFlavor, ServerNic};
use skyloom_sdk::cloud::operations::{OperationState, OperationTree};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, invalid, json_of, not_found};
use skyloom_sdk::{Error, ErrorCode, Response, rule};

use super::reads::operation;
use super::{JOB, JOB_ON_THE_WIRE, NETWORK, code_of, post};

const ADD: &str = "server_nics.batch_add";
const DELETE: &str = "server_nics.batch_delete";
const ADD_RULES: &str = "ecs.server_nics.batch_add";
const DELETE_RULES: &str = "ecs.server_nics.batch_delete";
const PRIMARY: &str = "d32019d3-bc6e-4319-9c1d-000000000000";
const SECOND: &str = "d32019d3-bc6e-4319-9c1d-111111111111";
const THIRD: &str = "d32019d3-bc6e-4319-9c1d-222222222222";
const GROUP: &str = "f0ac4394-7e4a-4409-9701-ba8be283dbc3";

/// With three cards, and room for four.
fn server() -> Server {
    let own = nova::testing::server();
    let nic = |id: &str| ServerNic { port_id: id.to_owned(), ..own.nics[0].clone() };
    let flavor = ServerFlavor {
        extra_specs: vec![("instance_vnic:max_count".to_owned(), "4".to_owned())],
        ..own.flavor.clone()
    };
    Server { nics: [PRIMARY, SECOND, THIRD].map(nic).to_vec(), flavor, ..own.clone() }
}

fn ask(operation: &str, nics: &Value, refusal: Option<Error>) -> (Response, Seen<String>) {
    let (mut cloud, seen) = nova::testing::with_interfaces(server(), refusal);
    let attach = cloud.compute.attach_nics.take().expect("a core that gives cards");
    cloud.compute.attach_nics = Some(Box::new(move |id, nics, dry_run| {
        attach(id, nics, dry_run)
            .map(|attached| skyloom_sdk::cloud::compute::NicsAttached { operation_id: JOB.to_owned(), ..attached })
    }));
    let detach = cloud.compute.detach_nics.take().expect("a core that takes cards");
    cloud.compute.detach_nics = Some(Box::new(move |id, ports| detach(id, ports).map(|_| JOB.to_owned())));
    let path = "/v1/project-1/cloudservers/x/nics";
    let call = post(operation, path, &json!({ "nics": nics })).param("server_id", nova::testing::SERVER);
    (crate::handle(&cloud, &call.build()), seen)
}

#[test]
fn cards_come_as_one_job() {
    for (nics, asked) in [
        (json!([{ "subnet_id": NETWORK }]), format!("attach network={NETWORK}")),
        (
            json!([{ "subnet_id": NETWORK, "ip_address": "", "security_groups": null }]),
            format!("attach network={NETWORK}"),
        ),
        (
            json!([{ "subnet_id": NETWORK, "ip_address": "10.0.0.9", "security_groups": [{ "id": GROUP }] }]),
            format!("attach network={NETWORK} address=10.0.0.9 groups={GROUP}"),
        ),
    ] {
        let (response, seen) = ask(ADD, &nics, None);
        assert_eq!((response.status, json_of(&response)), (200, json!({ "job_id": JOB_ON_THE_WIRE })), "{nics}");
        assert_eq!(seen.only(), asked);
    }
    rule!(ADD_RULES, "574c903b", "bc1ce787");
}

#[test]
fn what_is_wrong_with_a_card_to_come_has_the_vendors_codes() {
    let on = json!({ "subnet_id": NETWORK, "ip_address": "10.9.0.9" });
    let (response, seen) = ask(ADD, &json!([on, on]), None);
    assert_eq!((code_of(&response), seen.all().len()), ((400, "Ecs.0050".to_owned()), 0), "the flavor has four");
    let of = |kind: &str, error: Error| Error { resource: Some((kind.to_owned(), NETWORK.to_owned())), ..error };
    let full = Error { field: Some("nics".to_owned()), ..error(ErrorCode::QuotaExceeded, "64 cards") };
    for (refusal, expected) in [
        (full, (400, "Ecs.0050")),
        (not_found("network", NETWORK), (400, "Ecs.0038")),
        (invalid("network-id", "It has no subnet."), (400, "Ecs.0038")),
        (not_found("security-group", GROUP), (400, "Ecs.0014")),
        (of("network", error(ErrorCode::Forbidden, "It is external.")), (400, "Ecs.0014")),
        (error(ErrorCode::AddressInUse, "taken"), (400, "Ecs.0010")),
        (error(ErrorCode::NoAddress, "full"), (400, "Ecs.0012")),
        (not_found("server", nova::testing::SERVER), (404, "Ecs.0114")),
        (error(ErrorCode::Locked, "locked"), (400, "Ecs.0605")),
        (error(ErrorCode::WrongState, "being built"), (400, "Ecs.0100")),
        (error(ErrorCode::Busy, "busy"), (501, "Ecs.0603")),
    ] {
        let (response, _) = ask(ADD, &json!([on]), Some(refusal.clone()));
        assert_eq!(code_of(&response), (expected.0, expected.1.to_owned()), "{refusal:?}");
    }
    let outside = of("network", invalid("address", "It is outside."));
    let (response, _) = ask(ADD, &json!([on]), Some(outside));
    let body = json_of(&response)["error"].clone();
    assert_eq!((&body["code"], &body["details"][0]["code"]), (&json!("Ecs.0005"), &json!("Ecs.0039")), "{body}");
    assert!(
        body["message"].to_string().contains("10.9.0.9") && body["message"].to_string().contains(NETWORK),
        "{body}"
    );
}

#[test]
fn cards_leave_as_one_job_and_the_first_one_stays() {
    for (nics, asked) in [
        (json!([{ "id": SECOND }]), format!("detach {SECOND}")),
        (json!([{ "id": THIRD }, { "id": SECOND }]), format!("detach {THIRD} {SECOND}")),
    ] {
        let (response, seen) = ask(DELETE, &nics, None);
        assert_eq!((response.status, json_of(&response)), (200, json!({ "job_id": JOB_ON_THE_WIRE })), "{nics}");
        assert_eq!(seen.only(), asked);
    }
    for nics in [json!([{ "id": PRIMARY }]), json!([{ "id": SECOND }, { "id": PRIMARY }])] {
        let (response, seen) = ask(DELETE, &nics, None);
        assert_eq!((code_of(&response), seen.all().len()), ((403, "Ecs.0507".to_owned()), 0), "{nics}");
        assert!(json_of(&response)["error"]["message"].to_string().contains(PRIMARY));
    }
    rule!(DELETE_RULES, "a60a4b6a");
    for (refusal, expected) in [
        (not_found("port", SECOND), (400, "Ecs.0085")),
        (not_found("server", nova::testing::SERVER), (404, "Ecs.0114")),
        (error(ErrorCode::Locked, "locked"), (400, "Ecs.0605")),
    ] {
        let (response, _) = ask(DELETE, &json!([{ "id": SECOND }]), Some(refusal.clone()));
        assert_eq!(code_of(&response), (expected.0, expected.1.to_owned()), "{refusal:?}");
    }
}

#[test]
fn a_malformed_list_of_cards_names_its_parameter() {
    let many = vec![json!({ "subnet_id": NETWORK }); 13];
    for (operation, nics, code, named) in [
        (ADD, json!([]), "Ecs.0005", "nics"),
        (ADD, json!("x"), "Ecs.0005", "nics"),
        (ADD, json!(many), "Ecs.0050", "NICs"),
        (ADD, json!([{}]), "Ecs.0005", "nics.0.subnet_id"),
        (ADD, json!([{ "subnet_id": "x" }]), "Ecs.0005", "nics.0.subnet_id"),
        (ADD, json!([{ "subnet_id": NETWORK, "ip_address": 5 }]), "Ecs.0005", "nics.0.ip_address"),
        (ADD, json!([{ "subnet_id": NETWORK, "security_groups": [{}] }]), "Ecs.0005", "nics.0.security_groups.0.id"),
        (ADD, json!([{ "subnet_id": NETWORK, "other": 1 }]), "Ecs.0005", "nics.0.other"),
        (DELETE, json!([]), "Ecs.0005", "nics"),
        (DELETE, json!([{}]), "Ecs.0005", "nics.0.id"),
        (DELETE, json!([{ "id": SECOND }, { "id": SECOND }]), "Ecs.0005", "nics"),
        (DELETE, json!([{ "id": 1 }]), "Ecs.0005", "nics.0.id"),
    ] {
        let (response, seen) = ask(operation, &nics, None);
        assert_eq!((code_of(&response), seen.all().len()), ((400, code.to_owned()), 0), "{nics}");
        assert!(json_of(&response)["error"]["message"].to_string().contains(named), "{nics}");
    }
}

fn job(ports: &[&str], state: OperationState) -> Value {
    let mut cloud = FakeCloud::default();
    let mut found = operation(JOB, "server.attach-nic", state, "server-1");
    found.port_ids = ports.iter().map(|id| (*id).to_owned()).collect();
    if state == OperationState::Failed {
        found.error = Some(error(ErrorCode::DriverFailed, "why"));
    }
    let tree = OperationTree { operation: found, children: vec![] };
    cloud.operations.get_operation = Some(Box::new(move |_| Ok(tree.clone())));
    let call = Call::new("jobs.get", "GET", "/v1/project-1/jobs/x").param("job_id", JOB_ON_THE_WIRE);
    json_of(&crate::handle(&cloud, &call.build()))
}

#[test]
fn a_job_names_its_card_and_of_several_has_a_sub_job_for_each() {
    let one = job(&[SECOND], OperationState::Succeeded);
    assert_eq!((&one["job_type"], &one["entities"]), (&json!("attachNic"), &json!({ "nic_id": SECOND })), "{one}");
    let two = job(&[SECOND, THIRD], OperationState::Failed);
    assert_eq!((&two["status"], &two["error_code"]), (&json!("FAIL"), &json!("Ecs.0217")), "{two}");
    assert_eq!(two["entities"]["sub_jobs_total"], 2);
    for (part, id) in two["entities"]["sub_jobs"].as_array().expect("sub-jobs").iter().zip([SECOND, THIRD]) {
        assert_eq!((&part["status"], &part["error_code"]), (&json!("FAIL"), &json!("Ecs.0217")), "{part}");
        assert_eq!(part["entities"], json!({ "nic_id": id, "errorcode_message": "why" }));
    }
}
