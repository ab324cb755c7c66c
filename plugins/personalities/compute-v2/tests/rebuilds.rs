//! A new system disk for a server.

use crate::support::*;
use nova::servers::rebuild::REBUILD;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{PasswordChoice, Server, ServerRebuild, VmState};
use skyloom_sdk::testing::{Call, error, header_of, invalid, not_found};
use skyloom_sdk::{Error, ErrorCode, rule};

fn rebuild(minor: u32, members: &Value) -> Call {
    let mut body = json!({ "imageRef": IMAGE });
    for (name, value) in members.as_object().expect("members") {
        body[name] = value.clone();
    }
    post(REBUILD, "/v2.1/servers/x/action", &json!({ "rebuild": body })).version(2, minor)
}

/// What the core is asked for.
fn asked_for(settings: compute_v2::Settings, call: Call) -> ServerRebuild {
    let (cloud, seen) = with_rebuild(server(), None);
    let (status, body) = ask(&cloud, settings, call);
    assert_eq!(status, 202, "{body}");
    seen.only()
}

#[test]
fn an_image_is_named_by_its_id_or_its_address_and_nothing_else_changes() {
    for image in [IMAGE.to_owned(), format!("http://here/v2.1/images/{IMAGE}")] {
        let wanted = asked_for(upstream(), rebuild(1, &json!({ "imageRef": image })));
        assert_eq!(wanted.image_id.as_deref(), Some(IMAGE));
        assert_eq!(wanted.admin_password, PasswordChoice::Generate);
        assert!(wanted.name.is_none() && wanted.metadata.is_none() && wanted.description.is_none());
        assert!(wanted.key_name.is_none() && wanted.user_data.is_none() && wanted.attributes.is_none());
        assert!(wanted.hostname.is_none() && wanted.access_ipv4.is_none() && wanted.access_ipv6.is_none());
    }
    let all = json!({
        "name": "new", "metadata": { "a": "b" }, "adminPass": "secret:2", "accessIPv4": "192.0.2.1", "accessIPv6": "::1",
        "OS-DCF:diskConfig": "AUTO", "preserve_ephemeral": false,
    });
    let wanted = asked_for(upstream(), rebuild(1, &all));
    assert_eq!(wanted.name.as_deref(), Some("new"));
    assert_eq!(wanted.metadata, Some(vec![("a".to_owned(), "b".to_owned())]));
    assert_eq!(wanted.admin_password, PasswordChoice::Given("secret:2".to_owned()));
    assert_eq!((wanted.access_ipv4.as_deref(), wanted.access_ipv6.as_deref()), (Some("192.0.2.1"), Some("::1")));
    assert!(wanted.attributes.is_some_and(|text| text.contains("AUTO")));
}

#[test]
fn each_version_brought_something_that_a_rebuild_changes() {
    let text = |text: &str| Some(Some(text.to_owned()));
    for (minor, name, value) in [
        (19, "description", json!("d")),
        (19, "description", Value::Null),
        (54, "key_name", json!("k")),
        (54, "key_name", Value::Null),
        (57, "user_data", json!("aGVsbG8=")),
        (57, "user_data", Value::Null),
        (90, "hostname", json!("h-1")),
    ] {
        let read = |wanted: ServerRebuild| match name {
            "description" => wanted.description,
            "key_name" => wanted.key_name,
            "user_data" => wanted.user_data,
            _ => wanted.hostname.map(Some),
        };
        let members = json!({ name: value });
        let expected = value.as_str().map_or(Some(None), text);
        assert_eq!(read(asked_for(upstream(), rebuild(minor, &members))), expected, "2.{minor} {name}");
        assert_eq!(read(asked_for(upstream(), rebuild(minor - 1, &members))), None, "2.{} {name}", minor - 1);
    }
    let (cloud, seen) = with_rebuild(server(), None);
    let told = refused(&cloud, upstream(), rebuild(63, &json!({ "trusted_image_certificates": ["c"] })), 400);
    assert!(told.contains("trusted_image_certificates"), "{told}");
    for wrong in
        [json!({ "user_data": "not base64!" }), json!({ "name": "a\u{7}" }), json!({ "description": "d".repeat(256) })]
    {
        refused(&cloud, upstream(), rebuild(57, &wrong), 400);
    }
    assert!(seen.all().is_empty());
    assert_eq!(ask(&cloud, upstream(), rebuild(63, &json!({ "trusted_image_certificates": null }))).0, 202);
}

#[test]
fn the_answer_is_the_server_as_it_becomes() {
    let (cloud, _) = with_rebuild(server(), None);
    for (minor, key_name, user_data, zone) in [
        (1, false, false, false),
        (53, false, false, false),
        (54, true, false, false),
        (57, true, true, false),
        (74, true, true, false),
        (75, true, true, true),
    ] {
        let response = call(&cloud, upstream(), rebuild(minor, &json!({ "name": "new" })));
        let expected = format!("/v2.1/servers/{SERVER}");
        assert!(header_of(&response, "Location").is_some_and(|location| location.ends_with(&expected)));
        let body = skyloom_sdk::testing::json_of(&response);
        let server = &body["server"];
        assert_eq!((&server["status"], &server["name"]), (&json!("REBUILD"), &json!("new")));
        assert_eq!((&server["image"]["id"], &server["adminPass"]), (&json!(IMAGE), &json!("secret:1")));
        assert_eq!(server.get("key_name").is_some(), key_name, "2.{minor}");
        assert_eq!(server.get("OS-EXT-SRV-ATTR:user_data").is_some(), user_data, "2.{minor}");
        assert_eq!(server.get("OS-EXT-AZ:availability_zone").is_some(), zone, "2.{minor}");
    }
}

#[test]
fn a_server_that_began_as_a_volume_is_rebuilt_from_2_93_on() {
    let of_volume = Server { attributes: r#"{"from_volume":true}"#.to_owned(), ..server() };
    let (cloud, seen) = with_rebuild(of_volume, None);
    let told = refused(&cloud, upstream(), rebuild(92, &json!({ "imageRef": PORT })), 400);
    assert_eq!(told, "Unable to rebuild with a different image for a volume-backed server.");
    let told = refused(&cloud, upstream(), rebuild(92, &json!({})), 400);
    assert_eq!(told, "Unable to rebuild a volume-backed server before microversion 2.93.");
    assert!(seen.all().is_empty());
    assert_eq!(ask(&cloud, upstream(), rebuild(93, &json!({ "imageRef": PORT }))).0, 202);
    assert_eq!(seen.only().image_id.as_deref(), Some(PORT));
}

#[test]
fn what_is_wrong_with_a_rebuild_is_told_in_novas_words() {
    let small = Error { reason: Some("disk-too-small".to_owned()), ..invalid("image-id", "It is too small.") };
    for (refusal, status, told) in [
        (not_found("server", SERVER), 404, "could not be found"),
        (not_found("image", IMAGE), 400, "Cannot find image for rebuild"),
        (invalid("image-id", "Image x is not active."), 400, "Image x is not active."),
        (invalid("key-name", "Invalid key_name provided."), 400, "Invalid key_name provided."),
        (small, 400, "It is too small."),
        (error(ErrorCode::WrongState, "no"), 409, "Cannot 'rebuild' instance"),
        (error(ErrorCode::Locked, "no"), 409, "no"),
    ] {
        let (cloud, _) = with_rebuild(server(), Some(refusal));
        let message = refused(&cloud, upstream(), rebuild(1, &json!({})), status);
        assert!(message.contains(told), "{message}");
    }
    let (cloud, seen) = with_rebuild(server(), None);
    for body in [json!({ "rebuild": null }), json!({ "rebuild": {} })] {
        refused(&cloud, upstream(), post(REBUILD, "/v2.1/servers/x/action", &body), 400);
    }
    assert!(seen.all().is_empty());
}

#[test]
fn the_vendor_sets_no_password_and_leaves_a_server_in_error_as_it_is() {
    for members in [json!({ "adminPass": "secret:2" }), json!({})] {
        assert_eq!(asked_for(ecs(), rebuild(1, &members)).admin_password, PasswordChoice::Keep);
    }
    let broken = Server { vm_state: VmState::Error, ..server() };
    let (cloud, seen) = with_rebuild(broken, None);
    let told = refused(&cloud, ecs(), rebuild(1, &json!({})), 409);
    assert!(told.ends_with("while it is in vm_state error"), "{told}");
    assert!(seen.all().is_empty());
    assert_eq!(ask(&cloud, upstream(), rebuild(1, &json!({}))).0, 202);
    rule!("nova.servers.rebuild", "d58b8b9c", "3cc98dab");
}
