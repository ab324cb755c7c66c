//! Images, which Nova passes on to Glance.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::images::{Image, ImagePage, ImageState, ImageUpdate};
use skyloom_sdk::conditions::told;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, invalid, not_found};
use skyloom_sdk::{Condition, ErrorCode, PageRequest, rule};

const LISTS: [&str; 2] = ["images.list", "images.list_detail"];
const MADE: i64 = NOON + 60_000_000;

fn shot() -> Image {
    Image {
        min_disk_gib: 2,
        min_memory_mib: 64,
        size: Some(20_578_304),
        updated_at: MADE,
        ..image(&[("image_type", "snapshot"), ("instance_uuid", SERVER)])
    }
}

/// A core with this image, and what its lists were asked for.
fn with_image(image: Image) -> (FakeCloud, Seen<(Vec<Condition>, PageRequest)>) {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let keep = seen.clone();
    let listed = image.clone();
    cloud.images.list_images = Some(Box::new(move |conditions, page| {
        keep.push((conditions.to_vec(), page.clone()));
        let next = (page.limit == 1).then(|| IMAGE.to_owned());
        Ok(ImagePage { images: vec![listed.clone()], next })
    }));
    cloud.images.get_image =
        Some(Box::new(move |id| if id == IMAGE { Ok(image.clone()) } else { Err(not_found("image", id)) }));
    (cloud, seen)
}

/// Takes changes of the image; what it was asked to be.
fn with_changes(mut cloud: FakeCloud) -> (FakeCloud, Seen<ImageUpdate>) {
    let seen = Seen::default();
    let keep = seen.clone();
    cloud.images.update_image = Some(Box::new(move |_, update| {
        keep.push(update.clone());
        Ok(Image { properties: update.properties.clone(), ..shot() })
    }));
    (cloud, seen)
}

fn of_image(operation: &str, method: &str) -> Call {
    Call::new(operation, method, "/v2.1/images/x").version(2, 1).param("image_id", IMAGE).param("key", "image_type")
}

fn list(operation: &str) -> Call {
    get(operation, "/v2.1/images")
}

fn links(collection: &str, id: &str) -> Vec<Value> {
    let link = |rel: &str, version: &str| json!({ "rel": rel, "href": format!("http://cloud.test{version}/{collection}/{id}") });
    vec![link("self", "/v2.1"), link("bookmark", "")]
}

fn image_links() -> Vec<Value> {
    let mut links = links("images", IMAGE);
    links.push(json!({ "rel": "alternate", "type": "application/vnd.openstack.image",
        "href": format!("http://cloud.test/images/{IMAGE}") }));
    links
}

#[test]
fn an_image_is_shown_as_upstream_shows_it() {
    let (cloud, _) = with_image(shot());
    let expected = json!({ "id": IMAGE, "name": "image", "links": image_links(), "status": "ACTIVE", "progress": 100,
        "minDisk": 2, "minRam": 64, "created": "2026-01-31T12:00:00Z", "updated": "2026-01-31T12:01:00Z",
        "OS-EXT-IMG-SIZE:size": 20_578_304, "metadata": { "image_type": "snapshot", "instance_uuid": SERVER },
        "server": { "id": SERVER, "links": links("servers", SERVER) } });
    for settings in [upstream, ecs] {
        let (status, body) = ask(&cloud, settings(), of_image("images.show", "GET"));
        assert_eq!((status, &body), (200, &json!({ "image": expected })));
        let (_, body) = ask(&cloud, settings(), list("images.list_detail"));
        assert_eq!(body, json!({ "images": [expected] }));
        let (_, body) = ask(&cloud, settings(), list("images.list"));
        assert_eq!(body, json!({ "images": [{ "id": IMAGE, "name": "image", "links": image_links() }] }));
    }
    let missing = Call::new("images.show", "GET", "/v2.1/images/x").param("image_id", "none");
    assert_eq!(refused(&cloud, upstream(), missing, 404), "Image not found.");
}

#[test]
fn an_image_of_no_server_names_none_and_one_without_bytes_has_size_0() {
    let (cloud, _) = with_image(Image { size: None, ..image(&[("auto_disk_config", "true")]) });
    let (_, body) = ask(&cloud, upstream(), of_image("images.show", "GET"));
    assert!(body["image"].get("server").is_none(), "{body}");
    assert_eq!(
        (&body["image"]["OS-EXT-IMG-SIZE:size"], &body["image"]["OS-DCF:diskConfig"]),
        (&json!(0), &json!("AUTO"))
    );
}

#[test]
fn states_of_glance_have_novas_words() {
    for (state, status, progress) in [
        (ImageState::Queued, "SAVING", 25),
        (ImageState::Saving, "SAVING", 50),
        (ImageState::Active, "ACTIVE", 100),
        (ImageState::Deactivated, "UNKNOWN", 0),
        (ImageState::Deleted, "DELETED", 0),
    ] {
        let image = Image { state, ..shot() };
        let (mut cloud, _) = with_image(image.clone());
        cloud.images.list_images =
            Some(Box::new(move |_, _| Ok(ImagePage { images: vec![image.clone()], next: None })));
        let (_, body) = ask(&cloud, upstream(), of_image("images.show", "GET"));
        let (_, list) = ask(&cloud, upstream(), get("images.list_detail", "/v2.1/images/detail"));
        for shown in [&body["image"], &list["images"][0]] {
            assert_eq!((&shown["status"], &shown["progress"]), (&json!(status), &json!(progress)));
        }
    }
    rule!("nova.images.list_detail", "12c36b65");
}

#[test]
fn every_filter_of_a_list_is_a_condition() {
    let address = format!("http://cloud.test/v2.1/servers/{SERVER}");
    let of_server = format!("pairs: instance_uuid, {SERVER}");
    let since = format!("from: {}", NOON - 500_000);
    for (name, value, field, expected) in [
        ("name", "cirros", "name", "any-of: cirros"),
        ("status", "ACTIVE", "state", "any-of: active"),
        ("status", "queued", "state", "any-of: queued"),
        ("status", "SAVING", "state", "any-of: saving"),
        ("minRam", "512", "min-memory-mib", "any-of: 512"),
        ("minDisk", "2", "min-disk-gib", "any-of: 2"),
        ("changes-since", "2026-01-31T12:00:00Z", "updated-at", since.as_str()),
        ("type", "snapshot", "properties", "pairs: image_type, snapshot"),
        ("server", SERVER, "properties", of_server.as_str()),
        ("server", address.as_str(), "properties", of_server.as_str()),
        ("property-os_distro", "none", "properties", "pairs: os_distro, none"),
    ] {
        for operation in LISTS {
            let (cloud, seen) = with_image(shot());
            assert_eq!(ask(&cloud, upstream(), list(operation).query(name, value)).0, 200);
            let (conditions, _) = seen.only();
            assert_eq!((told(&conditions, field), conditions.len()), (vec![expected.to_owned()], 1), "{name}={value}");
        }
    }
    for operation in ["nova.images.list", "nova.images.list_detail"] {
        rule!(operation, "31b18f58");
    }
}

#[test]
fn the_last_of_two_values_holds() {
    let (cloud, seen) = with_image(shot());
    let call =
        list("images.list").query("type", "backup").query("type", "snapshot").query("name", "a").query("name", "b");
    assert_eq!(ask(&cloud, upstream(), call).0, 200);
    let (conditions, _) = seen.only();
    assert_eq!(told(&conditions, "properties"), ["pairs: image_type, snapshot"]);
    assert_eq!(told(&conditions, "name"), ["any-of: b"]);
}

#[test]
fn what_a_filter_cannot_be_is_told() {
    let (cloud, seen) = with_image(shot());
    for (name, value) in [
        ("status", "deleted"),
        ("status", "DELETED"),
        ("minRam", "much"),
        ("minDisk", "-1"),
        ("changes-since", "today"),
        ("limit", "-1"),
    ] {
        for operation in LISTS {
            let said = refused(&cloud, upstream(), list(operation).query(name, value), 400);
            assert!(said.contains(name), "{said}");
        }
    }
    for operation in LISTS {
        let (status, body) = ask(&cloud, upstream(), list(operation).query("status", "ERROR"));
        assert_eq!((status, body), (200, json!({ "images": [] })), "no image has this state");
    }
    assert!(seen.all().is_empty());
    rule!("nova.images.list", "a20612de");
    rule!("nova.images.list_detail", "a20612de");
}

#[test]
fn a_cut_list_links_to_its_rest() {
    let (cloud, seen) = with_image(shot());
    for (operation, path) in [("images.list", "/images"), ("images.list_detail", "/images/detail")] {
        let (_, body) = ask(&cloud, upstream(), list(operation).query("limit", "1").query("status", "active"));
        let href = format!("http://cloud.test/v2.1{path}?limit=1&status=active&marker={IMAGE}");
        assert_eq!(body["images_links"], json!([{ "rel": "next", "href": href }]));
        let (_, body) = ask(&cloud, upstream(), list(operation).query("marker", IMAGE).query("limit", "0"));
        assert!(body.get("images_links").is_none(), "{body}");
        let (_, page) = seen.all().pop().unwrap();
        assert_eq!((page.limit, page.marker.as_deref()), (1000, Some(IMAGE)), "a limit of 0 is none");
        let order: Vec<_> = page.sort.iter().map(|key| (key.field.as_str(), key.descending)).collect();
        assert_eq!(order, [("created-at", true), ("id", true)]);
    }
    rule!("nova.images.list", "30755de4");
    let mut cloud = FakeCloud::default();
    cloud.images.list_images = Some(Box::new(|_, _| Err(invalid("marker", "There is no such row."))));
    let said = refused(&cloud, upstream(), list("images.list").query("marker", "none"), 400);
    assert_eq!(said, "marker [none] not found");
}

#[test]
fn operators_see_the_images_of_all_projects() {
    let (cloud, seen) = with_image(shot());
    assert_eq!(ask(&cloud, upstream(), list("images.list").admin()).0, 200);
    assert_eq!(told(&seen.only().0, "all-projects"), ["any-of: true"]);
}

#[test]
fn who_may_not_delete_an_image_is_told_so() {
    let delete = || of_image("images.delete", "DELETE");
    let (mut cloud, _) = with_image(shot());
    cloud.images.delete_image = Some(Box::new(|_| Ok(())));
    assert_eq!(call(&cloud, upstream(), delete()).status, 204);
    for (code, status, says) in [
        (ErrorCode::Forbidden, 403, "You are not allowed to delete the image. It is protected."),
        (ErrorCode::NotFound, 404, "Image not found."),
        (ErrorCode::InUse, 409, "It is protected."),
    ] {
        cloud.images.delete_image = Some(Box::new(move |_| Err(error(code.clone(), "It is protected."))));
        assert_eq!(refused(&cloud, upstream(), delete(), status), says);
    }
}

#[test]
fn metadata_is_read_whole_or_by_item() {
    let (cloud, _) = with_image(shot());
    let (status, body) = ask(&cloud, upstream(), of_image("images.list_metadata", "GET"));
    assert_eq!((status, body), (200, json!({ "metadata": { "image_type": "snapshot", "instance_uuid": SERVER } })));
    let (status, body) = ask(&cloud, upstream(), of_image("images.show_metadata_item", "GET"));
    assert_eq!((status, body), (200, json!({ "meta": { "image_type": "snapshot" } })));
    let call = |operation: &str, id: &str, key: &str| {
        Call::new(operation, "GET", "/v2.1/images/x").param("image_id", id).param("key", key)
    };
    refused(&cloud, upstream(), call("images.show_metadata_item", IMAGE, "none"), 404);
    let said = refused(&cloud, upstream(), call("images.list_metadata", "none", ""), 404);
    assert_eq!(said, "Image not found.");
}

#[test]
fn metadata_is_changed_and_all_else_stays() {
    let item = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let of_server = item("instance_uuid", SERVER);
    let several = json!({ "metadata": { "image_type": "backup", "os": "none" } });
    let single = json!({ "meta": { "image_type": "backup" } });
    for (operation, method, body, properties, answer) in [
        (
            "images.update_metadata",
            "POST",
            Some(&several),
            vec![item("image_type", "backup"), of_server.clone(), item("os", "none")],
            json!({ "metadata": { "image_type": "backup", "instance_uuid": SERVER, "os": "none" } }),
        ),
        (
            "images.replace_metadata",
            "PUT",
            Some(&several),
            vec![item("image_type", "backup"), item("os", "none")],
            several.clone(),
        ),
        (
            "images.update_metadata_item",
            "PUT",
            Some(&single),
            vec![item("image_type", "backup"), of_server.clone()],
            single.clone(),
        ),
        ("images.delete_metadata_item", "DELETE", None, vec![of_server.clone()], Value::Null),
    ] {
        let (cloud, seen) = with_changes(with_image(shot()).0);
        let it = of_image(operation, method);
        let response = call(&cloud, upstream(), body.map_or(it.clone(), |body| it.body(body)));
        if answer.is_null() {
            assert_eq!(response.status, 204);
        } else {
            assert_eq!((response.status, skyloom_sdk::testing::json_of(&response)), (200, answer));
        }
        let update = seen.only();
        assert_eq!(update.properties, properties, "{operation}");
        assert_eq!((update.read_at, update.name.as_deref(), update.min_disk_gib), (MADE, Some("image"), 2));
        assert_eq!((update.owner.as_str(), update.attributes), ("project-1", None));
    }
}

#[test]
fn metadata_that_others_change_meanwhile_is_read_again() {
    let (mut cloud, _) = with_image(shot());
    let (read, seen): (Seen<()>, Seen<i64>) = Default::default();
    cloud.images.get_image = Some(Box::new(move |_| {
        read.push(());
        Ok(Image { updated_at: NOON + i64::try_from(read.all().len()).unwrap(), ..shot() })
    }));
    let keep = seen.clone();
    cloud.images.update_image = Some(Box::new(move |_, update| {
        keep.push(update.read_at);
        if keep.all().len() < 3 { Err(error(ErrorCode::WrongState, "Changed.")) } else { Ok(shot()) }
    }));
    let update = || of_image("images.update_metadata", "POST").body(&json!({ "metadata": { "a": "b" } }));
    assert_eq!(ask(&cloud, upstream(), update()).0, 200);
    assert_eq!(seen.all(), [NOON + 1, NOON + 2, NOON + 3]);
    cloud.images.update_image = Some(Box::new(|_, _| Err(error(ErrorCode::WrongState, "Changed."))));
    assert_eq!(refused(&cloud, upstream(), update(), 409), "Changed.");
}

#[test]
fn names_that_the_image_service_keeps_are_refused() {
    let (cloud, seen) = with_changes(with_image(shot()).0);
    for (name, says) in [
        ("status", "Attribute 'status' is read-only."),
        ("location", "Attribute 'location' is reserved."),
        ("os_glance_x", "Attribute 'os_glance_x' is reserved."),
        ("min_ram", "Attribute 'min_ram' is the image's own."),
    ] {
        let metadata = json!({ "metadata": { name: "x" } });
        for (operation, method) in [("images.update_metadata", "POST"), ("images.replace_metadata", "PUT")] {
            let call = of_image(operation, method).body(&metadata);
            assert_eq!(refused(&cloud, upstream(), call, 403), says);
        }
        let call = Call::new("images.update_metadata_item", "PUT", "/v2.1/images/x").version(2, 1);
        let call = call.param("image_id", IMAGE).param("key", name);
        assert_eq!(refused(&cloud, upstream(), call.body(&json!({ "meta": { name: "x" } })), 403), says);
    }
    assert!(seen.all().is_empty());
}

#[test]
fn metadata_that_cannot_be_is_told() {
    let (mut cloud, seen) = with_changes(with_image(shot()).0);
    for (operation, method, body, says) in [
        ("images.update_metadata", "POST", json!({ "metadata": { "a/b": "c" } }), "a/b"),
        ("images.update_metadata", "POST", json!({ "metadata": { "a": "c".repeat(256) } }), "is too long"),
        ("images.replace_metadata", "PUT", json!({ "meta": {} }), "'metadata' is a required property"),
        ("images.update_metadata_item", "PUT", json!({ "meta": { "other": "c" } }), "Request body and URI mismatch"),
        (
            "images.update_metadata_item",
            "PUT",
            json!({ "meta": { "image_type": "c", "d": "e" } }),
            "Request body contains too many items",
        ),
    ] {
        let said = refused(&cloud, upstream(), of_image(operation, method).body(&body), 400);
        assert!(said.contains(says), "{said}");
    }
    let gone = Call::new("images.delete_metadata_item", "DELETE", "/v2.1/images/x");
    let gone = gone.param("image_id", IMAGE).param("key", "none");
    assert_eq!(refused(&cloud, upstream(), gone, 404), "Invalid metadata key");
    assert!(seen.all().is_empty());
    let update = || of_image("images.update_metadata", "POST").body(&json!({ "metadata": { "a": "b" } }));
    cloud.images.update_image = Some(Box::new(|_, _| {
        let full = error(ErrorCode::QuotaExceeded, "Too many.");
        Err(skyloom_sdk::Error { field: Some("properties".to_owned()), ..full })
    }));
    assert_eq!(refused(&cloud, upstream(), update(), 403), "Image metadata limit exceeded");
    cloud.images.update_image = Some(Box::new(|_, _| Err(error(ErrorCode::Forbidden, "It is not yours."))));
    assert_eq!(refused(&cloud, upstream(), update(), 403), "It is not yours.");
}

#[test]
fn images_end_with_2_35_and_their_metadata_with_2_38() {
    let (cloud, _) = with_image(shot());
    for (operation, last) in [
        ("images.list", 35),
        ("images.list_detail", 35),
        ("images.show", 35),
        ("images.list_metadata", 38),
        ("images.show_metadata_item", 38),
    ] {
        let at = |minor| of_image(operation, "GET").version(2, minor);
        assert_eq!(ask(&cloud, upstream(), at(last)).0, 200, "{operation}");
        assert_eq!(refused(&cloud, upstream(), at(last + 1), 404), "The resource could not be found.");
    }
    refused(&cloud, upstream(), of_image("images.delete", "DELETE").version(2, 36), 404);
}
