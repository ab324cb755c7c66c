//! Each operation over a fake core: what it asks the core for, what it answers, what it refuses.

use image_v2::handle;
use serde_json::json;
use skyloom_sdk::cloud::images::{Download, Image, ImagePage, ImageState, Visibility};
use skyloom_sdk::conditions::{any_of, before, from, is, outside, pairs};
use skyloom_sdk::testing::{FakeCloud, Seen, error, header_of, json_of, not_permitted};
use skyloom_sdk::{Body, Condition, ErrorCode, PageRequest, Response, Upload};

use crate::support::*;

#[test]
fn a_body_of_the_wrong_form_is_told_in_upstreams_words() {
    let said = |operation: &str, body: &[u8]| {
        let response = handle(&FakeCloud::default(), call(operation, "POST").raw_body(body).build());
        (response.status, json_of(&response)["message"].as_str().unwrap_or_default().to_owned())
    };
    for (operation, body, expected) in [
        ("images.create", &b"[]"[..], "Request body must be a JSON object."),
        ("images.create", b"", "Body expected in request."),
        ("images.update", b"", "Body expected in request."),
        ("images.update", b"{}", "Request body must be a JSON array of operation objects."),
    ] {
        let (status, message) = said(operation, body);
        assert!(status == 400 && message.starts_with(expected), "{operation}: {status} {message}");
    }
}

#[test]
fn versions_lead_to_the_api() {
    let response = handle(&FakeCloud::default(), call("versions.list", "GET").anonymous().build());
    assert_eq!(response.status, 300);
    let versions = json_of(&response);
    assert_eq!(versions["versions"][0]["status"], "CURRENT");
    assert_eq!(versions["versions"][0]["links"][0]["href"], "http://cloud.test/image/v2/");
}

#[test]
fn an_image_is_shown_whole() {
    let mut cloud = FakeCloud::default();
    cloud.images.get_image = Some(Box::new(|id| {
        assert_eq!(id, ID);
        Ok(image())
    }));
    let response = handle(&cloud, call("images.show", "GET").build());
    assert_eq!(response.status, 200);
    let expected = json!({
        "id": ID, "name": "cirros", "owner": "project-1", "status": "active", "visibility": "shared", "protected": false,
        "os_hidden": false, "disk_format": "qcow2", "container_format": "bare", "min_disk": 1, "min_ram": 64, "size": 7,
        "virtual_size": 1024, "checksum": "md5", "os_hash_algo": "sha512", "os_hash_value": "sha",
        "created_at": "2026-01-01T12:00:00Z", "updated_at": "2026-01-01T12:00:01Z", "tags": ["a"], "os_distro": "x",
        "self": format!("/v2/images/{ID}"), "file": format!("/v2/images/{ID}/file"), "schema": "/v2/schemas/image",
    });
    assert_eq!(json_of(&response), expected);
}

/// What a list's query makes of the filter and the page.
fn listed(query: &[(&str, &str)], admin: bool) -> (Response, Vec<(Vec<Condition>, PageRequest)>) {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let log = seen.clone();
    cloud.images.list_images = Some(Box::new(move |conditions, page| {
        log.push((conditions.to_vec(), page.clone()));
        Ok(ImagePage { images: vec![image()], next: Some(ID.to_owned()) })
    }));
    let mut request = call("images.list", "GET");
    for (name, value) in query {
        request = request.query(name, value);
    }
    let request = if admin { request.admin() } else { request };
    (handle(&cloud, request.build()), seen.all())
}

#[test]
fn a_list_has_links_to_its_pages() {
    let (response, seen) = listed(&[("limit", "1"), ("name", "a b"), ("marker", "old")], false);
    let body = json_of(&response);
    assert_eq!(body["images"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["first"], "/v2/images?limit=1&name=a+b");
    assert_eq!(body["next"], format!("/v2/images?limit=1&name=a+b&marker={ID}"));
    assert_eq!(body["schema"], "/v2/schemas/images");
    let (wanted, page) = &seen[0];
    assert_eq!(*wanted, [is("name", "a b")]);
    assert_eq!((page.limit, page.marker.as_deref()), (1, Some("old")));
    let order: Vec<_> = page.sort.iter().map(|key| (key.field.as_str(), key.descending)).collect();
    assert_eq!(order, [("created-at", true), ("id", true)]);
    assert_eq!(listed(&[], true).1[0].0, [is("all-projects", true)]);
    // Nothing is asked for: nothing is fetched.
    let (response, seen) = listed(&[("limit", "0")], false);
    assert_eq!((json_of(&response)["images"].clone(), seen.len()), (json!([]), 0));
}

/// A query, and what it asks of the core.
type Case<'a> = (&'a [(&'a str, &'a str)], Vec<Condition>);

#[test]
fn filters_reach_the_core() {
    let noon = 1_767_268_800_000_000_i64;
    let second = 1_000_000;
    let cases: Vec<Case> = vec![
        (&[("id", "in:a,b")], vec![any_of("id", ["a", "b"])]),
        (&[("name", "in:\"a,b\",c")], vec![any_of("name", ["a,b", "c"])]),
        (&[("name", "eq:a:b")], vec![is("name", "a:b")]),
        (&[("status", "in:active,queued")], vec![any_of("state", ["active", "queued"])]),
        (&[("visibility", "community")], vec![is("visibility", "community")]),
        (&[("visibility", "all")], vec![is("community", true)]),
        (&[("protected", "True")], vec![is("protected", true)]),
        (&[("os_hidden", "true")], vec![is("hidden", true)]),
        (&[("size_min", "1"), ("size_max", "9")], vec![from("size", 1), before("size", 10)]),
        (
            &[("size", "5"), ("virtual_size", "7"), ("virtual_size_max", "9")],
            vec![is("size", 5), is("virtual-size", 7), before("virtual-size", 10)],
        ),
        (&[("tag", "a"), ("tag", "b")], vec![is("tags", "a"), is("tags", "b")]),
        (&[("os_distro", "x")], vec![pairs("properties", ["os_distro", "x"])]),
        (&[("disk_format", "in:raw,iso")], vec![any_of("disk-format", ["raw", "iso"])]),
        (&[("member_status", "all")], vec![]),
        (&[("created_at", "gte:2026-01-01T12:00:00Z")], vec![from("created-at", noon)]),
        (&[("created_at", "gt:2026-01-01T12:00:00Z")], vec![from("created-at", noon + second)]),
        (&[("updated_at", "lt:2026-01-01T12:00:00Z")], vec![before("updated-at", noon)]),
        (&[("updated_at", "lte:2026-01-01T12:00:00Z")], vec![before("updated-at", noon + second)]),
        (
            &[("created_at", "2026-01-01T12:00:00Z")],
            vec![from("created-at", noon), before("created-at", noon + second)],
        ),
        (&[("updated_at", "neq:2026-01-01T12:00:00Z")], vec![outside("updated-at", [noon, noon + second])]),
    ];
    for (query, expected) in cases {
        assert_eq!(listed(query, false).1.remove(0).0, expected, "{query:?}");
    }
    // A status that no image has matches none.
    assert!(listed(&[("status", "killed")], false).1.is_empty());
}

#[test]
fn orders_reach_the_core() {
    let order = |query: &[(&str, &str)]| {
        let page = listed(query, false).1.remove(0).1;
        page.sort.into_iter().map(|key| (key.field, key.descending)).collect::<Vec<_>>()
    };
    let own = |keys: &[(&str, bool)]| keys.iter().map(|(key, down)| ((*key).to_owned(), *down)).collect::<Vec<_>>();
    assert_eq!(
        order(&[("sort", "name:asc,size")]),
        own(&[("name", false), ("size", true), ("created-at", false), ("id", false)])
    );
    assert_eq!(
        order(&[("sort_key", "status"), ("sort_key", "id"), ("sort_dir", "asc")]),
        own(&[("state", false), ("id", false), ("created-at", false)])
    );
}

#[test]
fn queries_that_make_no_sense_are_refused() {
    for query in [
        &[("limit", "x")][..],
        &[("limit", "-1")],
        &[("limit", "")],
        &[("visibility", "nobody")],
        &[("name", "a:b")],
        &[("id", "neq:x")],
        &[("status", "foo:active")],
        &[("disk_format", ":raw")],
        &[("size", "x")],
        &[("size_min", "gt:1")],
        &[("virtual_size", "-1")],
        &[("protected", "maybe")],
        &[("size_min", "-1")],
        &[("size_max", "x")],
        &[("min_ram", "99999999999")],
        &[("created_at", "gte:yesterday")],
        &[("created_at", "foo:2026-01-01T12:00:00Z")],
        &[("created_at", "foo1:2026-01-01T12:00:00Z")],
        &[("updated_at", "ne:2026-01-01T12:00:00Z")],
        &[("updated_at", "in:2026-01-01T12:00:00Z")],
        &[("name", "in:\"a")],
        &[("name", "in:\"a\"b")],
        &[("member_status", "x")],
        &[("changes-since", "2026-01-01")],
        &[("sort", "nothing")],
        &[("sort", "name:up")],
        &[("sort_key", "nothing")],
        &[("sort", "name"), ("sort_key", "id")],
        &[("sort_key", "id"), ("sort_dir", "asc"), ("sort_dir", "desc")],
    ] {
        let (response, seen) = listed(query, false);
        assert_eq!((response.status, seen.len()), (400, 0), "{query:?}");
        assert!(!message(&response).is_empty());
    }
}

#[test]
fn an_image_is_made_of_its_body() {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let log = seen.clone();
    cloud.images.create_image = Some(Box::new(move |create| {
        log.push(create.clone());
        Ok(Image { state: ImageState::Queued, ..image() })
    }));
    let body = json!({
        "id": ID.to_uppercase(), "name": "n", "visibility": "private", "protected": true, "os_hidden": true, "disk_format": "raw",
        "container_format": "bare", "min_disk": 2, "min_ram": 3, "tags": ["t"], "os_distro": "x", "owner": null,
    });
    let response = handle(&cloud, call("images.create", "POST").body(&body).build());
    assert_eq!(response.status, 201);
    assert_eq!(header_of(&response, "Location"), Some(format!("http://cloud.test/image/v2/images/{ID}").as_str()));
    assert_eq!(json_of(&response)["status"], "queued");
    let create = seen.only();
    assert_eq!((create.id.as_deref(), create.name.as_deref()), (Some(ID), Some("n")));
    assert_eq!((create.protected, create.hidden, create.min_disk_gib, create.min_memory_mib), (true, true, 2, 3));
    assert_eq!((create.visibility, create.owner), (Some(Visibility::Private), None));
    assert_eq!(create.properties, [("os_distro".to_owned(), "x".to_owned())]);
    for (body, status) in [
        (json!({"status": "active"}), 403),
        (json!({"size": 5}), 403),
        (json!({"locations": []}), 403),
        (json!({"deleted": "x"}), 403),
        (json!({"os_glance_import_task": "x"}), 403),
        (json!({"name": 5}), 400),
        (json!({"os_distro": null}), 400),
        (json!({"min_disk": -1}), 400),
        (json!({"tags": "x"}), 400),
        (json!([]), 400),
    ] {
        let response = handle(&cloud, call("images.create", "POST").body(&body).build());
        assert_eq!(response.status, status, "{body}");
    }
    let violation =
        call("images.create", "POST").body(&json!({})).violation("/name", "type", "5 is not of type 'string'");
    let response = handle(&cloud, violation.build());
    assert_eq!(response.status, 400);
    let expected = "Provided object does not match schema 'image': 5 is not of type 'string'\n\nOn instance['name']";
    assert_eq!(message(&response), expected);
    let violation = call("images.create", "POST").body(&json!({})).violation("/tags/0", "type", "5 is no text");
    assert!(message(&handle(&cloud, violation.build())).ends_with("5 is no text\n\nOn instance['tags'][0]"));
    let response = handle(&cloud, call("images.create", "POST").body(&json!({"os_distro": null})).build());
    assert!(message(&response).ends_with("None is not of type 'string'\n\nOn instance['os_distro']"));
}

/// As upstream has them: nothing is cut, when a name is given and when it is looked for.
#[test]
fn a_names_blanks_at_its_ends_stay() {
    let name = " two  blanks\t";
    let mut cloud = FakeCloud::default();
    let (made, changed) = (Seen::default(), Seen::default());
    let (keep, log) = (made.clone(), changed.clone());
    cloud.images.create_image = Some(Box::new(move |create| {
        keep.push(create.name.clone());
        Ok(Image { name: create.name.clone(), ..image() })
    }));
    cloud.images.get_image = Some(Box::new(|_| Ok(image())));
    cloud.images.update_image = Some(Box::new(move |_, update| {
        log.push(update.name.clone());
        Ok(image())
    }));
    let response = handle(&cloud, call("images.create", "POST").body(&json!({ "name": name })).build());
    assert_eq!((response.status, &json_of(&response)["name"]), (201, &json!(name)));
    let body = json!([{ "op": "replace", "path": "/name", "value": name }]);
    let patch = "application/openstack-images-v2.1-json-patch";
    let response = handle(&cloud, call("images.update", "PATCH").header("Content-Type", patch).body(&body).build());
    assert_eq!(response.status, 200);
    assert_eq!((made.only().as_deref(), changed.only().as_deref()), (Some(name), Some(name)));
    assert_eq!(listed(&[("name", name)], false).1[0].0, [is("name", name)]);
}

#[test]
fn an_image_for_another_project_is_refused_in_upstreams_words() {
    let mut cloud = FakeCloud::default();
    cloud.images.create_image = Some(Box::new(|_| Err(not_permitted("images:read-all"))));
    let response = handle(&cloud, call("images.create", "POST").body(&json!({"owner": "other"})).build());
    let expected = "You are not permitted to create images owned by 'other'";
    assert_eq!((response.status, message(&response).as_str()), (403, expected));
    cloud.images.create_image = Some(Box::new(|_| Err(not_permitted("images:publish"))));
    let response = handle(&cloud, call("images.create", "POST").body(&json!({"visibility": "public"})).build());
    let expected = "You are not authorized to complete publicize_image action.";
    assert_eq!((response.status, message(&response).as_str()), (403, expected));
}

#[test]
fn bytes_are_taken_in_two_calls() {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let log = seen.clone();
    cloud.images.begin_upload = Some(Box::new(|_| Ok(99)));
    cloud.images.finish_upload = Some(Box::new(move |id, blob| {
        log.push((id.to_owned(), blob.to_owned()));
        Ok(())
    }));
    let response = handle(&cloud, call("images.upload", "PUT").build());
    assert_eq!(response.body, Body::AcceptUpload(99));
    let mut second = call("images.upload", "PUT").build();
    second.upload = Some(Upload { blob: "b".to_owned(), size: 7 });
    let response = handle(&cloud, second);
    assert_eq!((response.status, response.body), (204, Body::Empty));
    assert_eq!(seen.only(), (ID.to_owned(), "b".to_owned()));
    cloud.images.begin_upload = Some(Box::new(|_| Err(error(ErrorCode::WrongState, "not queued"))));
    assert_eq!(handle(&cloud, call("images.upload", "PUT").build()).status, 409);
    cloud.images.begin_upload = Some(Box::new(|_| Err(error(ErrorCode::BadContent, "a lie"))));
    assert_eq!(handle(&cloud, call("images.upload", "PUT").build()).status, 415);
}

#[test]
fn bytes_go_out_by_name() {
    let mut cloud = FakeCloud::default();
    let download = Download { blob: "b".to_owned(), size: 7, checksum: "md5".to_owned() };
    cloud.images.open_download = Some(Box::new(move |_| Ok(Some(download.clone()))));
    let response = handle(&cloud, call("images.download", "GET").build());
    assert_eq!((response.status, &response.body), (200, &Body::Blob("b".to_owned())));
    assert_eq!(header_of(&response, "Content-MD5"), Some("md5"));
    assert_eq!(header_of(&response, "Content-Type"), Some("application/octet-stream"));
    cloud.images.open_download = Some(Box::new(|_| Ok(None)));
    assert_eq!(handle(&cloud, call("images.download", "GET").build()).status, 204);
}

#[test]
fn small_changes_answer_204() {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let (add, remove, active, delete) = (seen.clone(), seen.clone(), seen.clone(), seen.clone());
    cloud.images.add_tag = Some(Box::new(move |id, tag| {
        add.push(format!("add {id} {tag}"));
        Ok(())
    }));
    cloud.images.remove_tag = Some(Box::new(move |id, tag| {
        remove.push(format!("remove {id} {tag}"));
        Ok(())
    }));
    cloud.images.set_active = Some(Box::new(move |id, on| {
        active.push(format!("active {id} {on}"));
        Ok(())
    }));
    cloud.images.delete_image = Some(Box::new(move |id| {
        delete.push(format!("delete {id}"));
        Ok(())
    }));
    for (operation, method) in [
        ("tags.add", "PUT"),
        ("tags.remove", "DELETE"),
        ("images.deactivate", "POST"),
        ("images.reactivate", "POST"),
        ("images.delete", "DELETE"),
    ] {
        let response = handle(&cloud, call(operation, method).param("tag", "t").build());
        assert_eq!((response.status, response.body), (204, Body::Empty), "{operation}");
    }
    let expected = ["add ID t", "remove ID t", "active ID false", "active ID true", "delete ID"]
        .map(|text| text.replace("ID", ID));
    assert_eq!(seen.all(), expected);
}

#[test]
fn an_image_without_bytes_is_forbidden_to_be_deactivated() {
    let mut cloud = FakeCloud::default();
    cloud.images.set_active = Some(Box::new(|_, _| Err(error(ErrorCode::WrongState, "queued"))));
    assert_eq!(handle(&cloud, call("images.deactivate", "POST").build()).status, 403);
    cloud.images.set_active = Some(Box::new(|_, _| Err(error(ErrorCode::NotFound, "none"))));
    assert_eq!(handle(&cloud, call("images.reactivate", "POST").build()).status, 404);
}

#[test]
fn what_is_not_built_says_so() {
    let mut cloud = FakeCloud::default();
    cloud.images.get_image = Some(Box::new(|_| Ok(image())));
    for operation in ["members.list", "members.create", "members.show", "members.update", "members.delete"] {
        let response = handle(&cloud, call(operation, "GET").build());
        assert_eq!(response.status, 403, "{operation}");
        assert!(message(&response).contains("not supported"));
        println!("UNSUPPORTED image-v2 {operation} members: an image is shared by its visibility only");
    }
    for (operation, status) in [("info.stores", 404), ("tasks.list", 404), ("unknown", 404)] {
        assert_eq!(handle(&cloud, call(operation, "GET").build()).status, status, "{operation}");
    }
    // Of an image that the caller doesn't see nothing is told.
    cloud.images.get_image = Some(Box::new(|_| Err(error(ErrorCode::NotFound, "No image found"))));
    assert_eq!(handle(&cloud, call("members.list", "GET").build()).status, 404);
}

#[test]
fn schemas_describe_what_is_shown() {
    let mut cloud = FakeCloud::default();
    cloud.images.get_image = Some(Box::new(|_| Ok(image())));
    let shown = json_of(&handle(&cloud, call("images.show", "GET").build()));
    let schema = json_of(&handle(&cloud, call("schemas.show", "GET").param("schema", "image").build()));
    assert_eq!(schema["name"], "image");
    for name in shown.as_object().expect("an object").keys().filter(|name| *name != "os_distro") {
        assert!(schema["properties"].get(name).is_some(), "{name}");
    }
    let list = json_of(&handle(&cloud, call("schemas.show", "GET").param("schema", "images").build()));
    assert_eq!(list["properties"]["images"]["items"], schema);
    assert_eq!(handle(&cloud, call("schemas.show", "GET").param("schema", "x").build()).status, 404);
}
