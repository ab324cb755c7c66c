use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{PasswordChoice, Server, ServerRebuild, VmState};
use skyloom_sdk::testing::{FakeCloud, Seen, error, json_of, not_found};
use skyloom_sdk::unsupported::Unsupported;
use skyloom_sdk::{Error, ErrorCode, Response, rule};

use super::{JOB_ON_THE_WIRE, code_of, post};
use crate::unsupported::{CHANGE_OS, REINSTALL_OS};

const IMAGE: &str = nova::testing::IMAGE;

/// A server in this state, whose image and every other one has this property, and what the core says to a rebuild of it.
fn cloud(state: VmState, refusal: Option<Error>, property: (&str, &str)) -> (FakeCloud, Seen<ServerRebuild>) {
    let server = Server { vm_state: state, ..nova::testing::server() };
    let (mut cloud, seen) = nova::testing::with_rebuild(server, refusal);
    let image = nova::testing::image(&[property]);
    cloud.images.get_image =
        Some(Box::new(move |id| if id == IMAGE { Ok(image.clone()) } else { Err(not_found("image", id)) }));
    (cloud, seen)
}

fn body(operation: &str, guest: &Value) -> Value {
    let mut guest = guest.clone();
    if operation == CHANGE_OS && guest.get("imageid").is_none() {
        guest["imageid"] = json!(IMAGE);
    }
    let name = if operation == CHANGE_OS { "os-change" } else { "os-reinstall" };
    json!({ name: guest })
}

fn ask(cloud: &FakeCloud, operation: &str, body: &Value) -> Response {
    let call = post(operation, "/v2/project-1/cloudservers/x/y", body).param("server_id", nova::testing::SERVER);
    crate::handle(cloud, &call.build())
}

fn rebuilt(operation: &str, guest: &Value) -> ServerRebuild {
    let (cloud, seen) = cloud(VmState::Stopped, None, ("os_type", "Linux"));
    let response = ask(&cloud, operation, &body(operation, guest));
    assert_eq!((response.status, json_of(&response)), (200, json!({ "job_id": JOB_ON_THE_WIRE })), "{guest}");
    seen.only()
}

const NO_MARK: (&str, &str) = ("os_type", "Linux");

#[test]
fn a_reinstall_is_of_the_servers_own_image_and_a_change_of_the_named_one() {
    assert_eq!(rebuilt(REINSTALL_OS, &json!({})).image_id, None);
    assert_eq!(rebuilt(CHANGE_OS, &json!({})).image_id.as_deref(), Some(IMAGE));
    for operation in [REINSTALL_OS, CHANGE_OS] {
        let guest = json!({ "keyname": "key", "userid": "somebody", "metadata": { "user_data": "aGVsbG8=" } });
        let wanted = rebuilt(operation, &guest);
        assert_eq!(wanted.key_name, Some(Some("key".to_owned())));
        assert_eq!(wanted.key_user_id.as_deref(), Some("somebody"), "{operation}");
        assert_eq!(wanted.user_data, Some(Some("aGVsbG8=".to_owned())));
        assert_eq!(wanted.admin_password, PasswordChoice::Keep);
        for nobody in [json!({ "keyname": "key" }), json!({ "keyname": "key", "userid": "" })] {
            assert_eq!(rebuilt(operation, &nobody).key_user_id.as_deref(), Some("user-1"), "the caller");
        }
        // Who logs in with a password has no key; who says neither keeps what there is.
        let wanted = rebuilt(operation, &json!({ "adminpass": "Handle-1" }));
        let given = PasswordChoice::Given("Handle-1".to_owned());
        assert_eq!((wanted.key_name, wanted.admin_password), (Some(None), given));
        assert_eq!(rebuilt(operation, &json!({})).key_name, None);
    }
    rule!("ecs.servers.change_os", "f6a23353");
}

#[test]
fn only_a_server_that_is_off_or_failed_gets_a_new_system_unless_it_may_be_stopped() {
    for operation in [REINSTALL_OS, CHANGE_OS] {
        let plain = body(operation, &json!({}));
        for (state, taken) in [
            (VmState::Stopped, true),
            (VmState::Error, true),
            (VmState::Active, false),
            (VmState::Paused, false),
            (VmState::Building, false),
        ] {
            let (cloud, seen) = cloud(state, None, NO_MARK);
            let response = ask(&cloud, operation, &plain);
            let expected = if taken { (200, String::new()) } else { (400, "Ecs.0100".to_owned()) };
            assert_eq!((code_of(&response), seen.all().len()), (expected, usize::from(taken)), "{operation} {state:?}");
        }
        let stops = body(operation, &json!({ "mode": "withStopServer" }));
        for (state, status) in [(VmState::Active, 200), (VmState::Paused, 400)] {
            let (cloud, _) = cloud(state, None, NO_MARK);
            assert_eq!(ask(&cloud, operation, &stops).status, status, "{operation} {state:?}");
        }
    }
    rule!("ecs.servers.reinstall_os", "6c7d2508");
    rule!("ecs.servers.change_os", "4da588c5");
}

#[test]
fn what_the_guest_could_not_take_is_refused() {
    for operation in [REINSTALL_OS, CHANGE_OS] {
        let without = ("__support_fc_inject", "true");
        let (cloud, seen) = cloud(VmState::Stopped, None, without);
        let response = ask(&cloud, operation, &body(operation, &json!({ "keyname": "key" })));
        assert_eq!(code_of(&response), (400, "Ecs.0032".to_owned()), "{operation}");
        assert!(json_of(&response)["error"]["message"].as_str().unwrap().contains("Cloud-init"));
        let (most, more) = ("A".repeat(43_688) + "QQ==", "A".repeat(43_692));
        for (data, code) in [("not base64!", "Ecs.0005"), (more.as_str(), "Ecs.0005"), (most.as_str(), "Ecs.0032")] {
            let guest = json!({ "metadata": { "user_data": data } });
            let (cloud, _) = self::cloud(VmState::Stopped, None, if code == "Ecs.0032" { without } else { NO_MARK });
            assert_eq!(
                code_of(&ask(&cloud, operation, &body(operation, &guest))),
                (400, code.to_owned()),
                "{}",
                data.len()
            );
        }
        assert!(seen.all().is_empty());
        rule!(operation_of(operation), "285bdae6", "e299b704");
    }
    let exactly = "A".repeat(43_688) + "AAA=";
    assert!(rebuilt(REINSTALL_OS, &json!({ "metadata": { "user_data": exactly } })).user_data.is_some());
    // A reinstall of a server whose image the caller doesn't see any more is the core's.
    let (mut cloud, seen) = self::cloud(VmState::Stopped, None, NO_MARK);
    cloud.images.get_image = Some(Box::new(|id| Err(not_found("image", id))));
    assert_eq!(ask(&cloud, REINSTALL_OS, &body(REINSTALL_OS, &json!({}))).status, 200);
    assert_eq!(code_of(&ask(&cloud, CHANGE_OS, &body(CHANGE_OS, &json!({})))), (400, "Ecs.0031".to_owned()));
    assert_eq!(seen.all().len(), 1);
}

/// The catalogue's name.
fn operation_of(operation: &str) -> String {
    format!("ecs.{operation}")
}

#[test]
fn what_is_wrong_with_a_rebuild_has_the_vendors_codes() {
    let reason = |reason: &str| Error { reason: Some(reason.to_owned()), ..error(ErrorCode::WrongState, "no") };
    let invalid = |field: &str| Error { field: Some(field.to_owned()), ..error(ErrorCode::Invalid, "no") };
    for operation in [REINSTALL_OS, CHANGE_OS] {
        for (refusal, code) in [
            (reason("no-system-disk"), (400, "Ecs.0105")),
            (reason("node-away"), (400, "Ecs.0100")),
            (error(ErrorCode::Busy, "it is resized"), (501, "Ecs.0603")),
            (error(ErrorCode::Locked, "locked"), (400, "Ecs.0605")),
            (invalid("key-name"), (400, "Ecs.0314")),
            (invalid("key-user-id"), (400, "Ecs.0314")),
            (invalid("image-id"), (400, "Ecs.0005")),
            (not_found("image", "i"), (400, "Ecs.0031")),
        ] {
            let (cloud, _) = cloud(VmState::Stopped, Some(refusal.clone()), NO_MARK);
            let response = ask(&cloud, operation, &body(operation, &json!({})));
            assert_eq!(code_of(&response), (code.0, code.1.to_owned()), "{operation} {refusal:?}");
        }
        let (cloud, seen) = cloud(VmState::Stopped, None, NO_MARK);
        for wrong in [
            json!({}),
            body(operation, &json!({ "mode": "now" })),
            body(operation, &json!({ "color": "red" })),
            body(operation, &json!({ "metadata": { "color": "red" } })),
        ] {
            assert_eq!(code_of(&ask(&cloud, operation, &wrong)), (400, "Ecs.0005".to_owned()), "{wrong}");
        }
        let weak = body(operation, &json!({ "adminpass": "short" }));
        assert_eq!(code_of(&ask(&cloud, operation, &weak)), (400, "Ecs.0011".to_owned()));
        assert!(seen.all().is_empty());
    }
    rule!("ecs.servers.reinstall_os", "d612dc56", "2b847686");
    rule!("ecs.servers.change_os", "7ab12333", "c4190782");
}

/// A refused request of the table.
pub fn refusal(entry: &Unsupported) -> Response {
    let windows = Error { field: Some("admin-password".to_owned()), ..error(ErrorCode::NotSupported, "no") };
    let (guest, refusal, property) = match entry.what {
        "adminpass (Windows image)" => (json!({ "adminpass": "Handle-1" }), Some(windows), NO_MARK),
        "os-change.imageid (full-server image)" => (json!({}), None, ("__whole_image", "true")),
        other => panic!("no request asks for {other}"),
    };
    let (cloud, _) = cloud(VmState::Stopped, refusal, property);
    ask(&cloud, entry.operation, &body(entry.operation, &guest))
}
