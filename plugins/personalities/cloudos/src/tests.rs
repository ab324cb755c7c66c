use serde_json::{Value, json};
use skyloom_sdk::cloud::collections::{Item, ItemPage};
use skyloom_sdk::testing::{self, Call, FakeCloud, Seen, json_of};
use skyloom_sdk::{Condition, ErrorCode};

use super::*;

/// 2026-03-15T12:00:00Z.
const NOW: i64 = 1_773_576_000_000_000;

fn body() -> Value {
    json!({
        "imageTypeName": "Asianux Server 4 (64 bit)", "description": 1111, "virtType": "Xen", "osType": "Linux",
        "operatingSystem": "Debian GNU/Linux 4 (64 bit)", "addType": 1,
    })
}

fn item(id: &str, body: &str, version: u64) -> Item {
    Item {
        id: id.to_owned(),
        owner: String::new(),
        body: body.to_owned(),
        schema_version: 1,
        version,
        created_at: NOW,
        updated_at: NOW,
    }
}

/// A core that keeps what it is given.
fn keeping() -> (FakeCloud, Seen<String>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let created = seen.clone();
    cloud.collections.create_item = Some(Box::new(move |collection, body| {
        assert_eq!(collection, "image-types");
        created.push(body.to_owned());
        Ok(item("new", body, 1))
    }));
    let updated = seen.clone();
    cloud.collections.update_item = Some(Box::new(move |_, id, body, expected| {
        assert_eq!(expected, None);
        updated.push(body.to_owned());
        Ok(item(id, body, 2))
    }));
    (cloud, seen)
}

fn create(body: &Value) -> Response {
    let call = Call::new("image_types.create", "POST", "/os/kinton/v1/cloudos/imagetype").body(body);
    handle(&keeping().0, &call.build())
}

#[test]
fn the_documents_example_is_taken_and_shown_as_the_document_shows_one() {
    let (cloud, seen) = keeping();
    let call = Call::new("image_types.create", "POST", "/os/kinton/v1/cloudos/imagetype").body(&body());
    let response = handle(&cloud, &call.build());
    assert_eq!(response.status, 200);
    let shown = json!({
        "uuid": "new", "imageTypeName": "Asianux Server 4 (64 bit)", "description": "1111", "virtType": "Xen", "osType": "Linux",
        "operatingSystem": "Debian GNU/Linux 4 (64 bit)", "addType": 1, "updateTime": null,
    });
    assert_eq!(json_of(&response), shown);
    let kept: Value = serde_json::from_str(&seen.only()).expect("JSON");
    assert_eq!((kept["addType"].clone(), kept.get("uuid")), (json!(1), None));
}

#[test]
fn a_change_names_the_type_in_its_body_and_tells_its_time() {
    let (cloud, _) = keeping();
    let changed = json!({
        "uuid": "u", "imageTypeName": "n", "virtType": "cas", "osType": "LINUX", "operatingSystem": "linux|Asianux 4(32-bit)",
        "addType": "0", "updateTime": null,
    });
    let call = Call::new("image_types.update", "PUT", "/os/kinton/v1/cloudos/imagetype").body(&changed);
    let shown = json_of(&handle(&cloud, &call.build()));
    assert_eq!((&shown["uuid"], &shown["updateTime"]), (&json!("u"), &json!("2026-03-15 12:00:00")));
    assert_eq!((&shown["virtType"], &shown["osType"], &shown["addType"]), (&json!("CAS"), &json!("Linux"), &json!(0)));
}

#[test]
fn a_platform_knows_its_own_names_of_systems() {
    for (virt_type, system, field) in [
        ("Hyper-V", "x", Some("virtType")),
        ("CAS", "Asianux 4(32-bit)", Some("operatingSystem")),
        ("CAS", "|Asianux", Some("operatingSystem")),
        ("CAS", "linux|", Some("operatingSystem")),
        ("CAS", "linux|a|b", Some("operatingSystem")),
        ("CAS", "linux|Asianux 4(32-bit)", None),
        ("VMware", "Ubuntu Linux (64-bit)", Some("operatingSystem")),
        ("VMware", "ubuntu64Guest", None),
    ] {
        let mut body = body();
        body["virtType"] = virt_type.into();
        body["operatingSystem"] = system.into();
        let response = create(&body);
        let answer = json_of(&response);
        match field {
            None => assert_eq!(response.status, 200, "{virt_type} {system}"),
            Some(field) => {
                assert_eq!((response.status, &answer["code"]), (400, &json!("invalid")), "{virt_type} {system}");
                assert!(answer["msg"].as_str().unwrap().starts_with(field), "{answer}");
            }
        }
    }
}

#[test]
fn what_the_schema_refuses_is_told_by_the_members_rule() {
    let call = || Call::new("image_types.create", "POST", "/os/kinton/v1/cloudos/imagetype").body(&body());
    for (call, words) in [
        (call().violation("/imageTypeName", "pattern", "x"), "imageTypeName is a text of 1 to 128 characters"),
        (call().violation("/addType", "enum", "x"), "addType is 0 (built in) or 1 (newly created)."),
        (call().violation_of("", "required", "x", &json!("osType")), "osType is missing."),
        (
            call().violation_of("", "additionalProperties", "x", &json!({ "unexpected": ["size"], "patterns": [] })),
            "size is not known.",
        ),
    ] {
        let response = handle(&FakeCloud::default(), &call.build());
        let answer = json_of(&response);
        assert_eq!((response.status, &answer["data"], &answer["total"]), (400, &Value::Null, &json!(0)));
        assert!(answer["msg"].as_str().unwrap().starts_with(words), "{answer}");
    }
}

#[test]
fn an_operating_system_type_is_either_of_two_members_and_nothing_is_listed_twice() {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::<Condition>::default());
    let asked = seen.clone();
    cloud.collections.list_items = Some(Box::new(move |_, conditions, page| {
        assert_eq!(page.sort[0].field, "created-at");
        asked.push(conditions[0].clone());
        let items = match conditions[0].field.as_str() {
            "osType" => vec![item("a", r#"{"osType":"Linux","operatingSystem":"Linux"}"#, 1)],
            _ => vec![
                item("a", r#"{"osType":"Linux","operatingSystem":"Linux"}"#, 1),
                item("b", r#"{"osType":"Other","operatingSystem":"Linux"}"#, 1),
            ],
        };
        Ok(ItemPage { items, next: None })
    }));
    let call = Call::new("image_types.list_by_os_type", "GET", "/x").param("os_type", "linux");
    let answer = json_of(&handle(&cloud, &call.build()));
    let ids: Vec<&Value> = answer.as_array().unwrap().iter().map(|one| &one["uuid"]).collect();
    assert_eq!(ids, ["a", "b"]);
    let asked: Vec<_> = seen.all().into_iter().map(|one| (one.field, one.values)).collect();
    // What a platform calls a system has no other spelling.
    let expected = [("osType", "Linux"), ("operatingSystem", "linux")];
    assert_eq!(asked, expected.map(|(field, value)| (field.to_owned(), vec![value.to_owned()])));
}

#[test]
fn the_known_types_are_lists_of_texts() {
    let call = |operation| json_of(&handle(&FakeCloud::default(), &Call::new(operation, "GET", "/x").build()));
    assert_eq!(call("image_types.list_virt_types"), json!(["KVM", "CAS", "VMware", "Xen", "PowerVM", "BareMetal"]));
    assert_eq!(call("image_types.list_os_types"), json!(["Linux", "Windows"]));
}

#[test]
fn every_core_code_has_the_envelope() {
    for code in skyloom_sdk::respond::every_code() {
        let mut cloud = FakeCloud::default();
        let told = testing::error(code.clone(), "told to the client");
        cloud.collections.delete_item = Some(Box::new(move |_, _, _| Err(told.clone())));
        let call = Call::new("image_types.delete", "DELETE", "/x").param("image_type_id", "u");
        let answer = json_of(&handle(&cloud, &call.build()));
        assert_eq!(answer["msg"], "told to the client", "{code:?}");
        assert_eq!((&answer["data"], &answer["total"]), (&Value::Null, &json!(0)), "{code:?}");
        assert!(!answer["code"].as_str().unwrap().is_empty());
    }
    let mut cloud = FakeCloud::default();
    cloud.collections.delete_item = Some(Box::new(|_, id, _| Err(testing::not_found("image-types", id))));
    let call = Call::new("image_types.delete", "DELETE", "/x").param("image_type_id", "u");
    let response = handle(&cloud, &call.build());
    assert_eq!((response.status, json_of(&response)["msg"].as_str()), (404, Some("There is no image type u.")));
    assert_eq!(ErrorCode::NotFound, testing::not_found("x", "y").code);
}
