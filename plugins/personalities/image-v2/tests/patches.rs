//! Changes of an image.

use image_v2::handle;
use serde_json::{Value, json};
use skyloom_sdk::cloud::images::{Image, Visibility};
use skyloom_sdk::testing::{FakeCloud, Seen, error};
use skyloom_sdk::{ErrorCode, Response};

use crate::support::*;

const PATCH: &str = "application/openstack-images-v2.1-json-patch";

fn patched(body: &Value, content_type: &str) -> (Response, Vec<skyloom_sdk::cloud::images::ImageUpdate>) {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let log = seen.clone();
    cloud.images.get_image = Some(Box::new(|_| Ok(image())));
    cloud.images.update_image = Some(Box::new(move |id, update| {
        assert_eq!(id, ID);
        log.push(update.clone());
        Ok(image())
    }));
    let request = call("images.update", "PATCH").header("Content-Type", content_type).body(body).build();
    (handle(&cloud, request), seen.all())
}

#[test]
fn a_patch_becomes_the_image_as_it_shall_be() {
    let body = json!([
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "replace", "path": "/visibility", "value": "private"},
        {"op": "add", "path": "/tags", "value": ["x", "y"]},
        {"op": "add", "path": "/a~1b~0c", "value": "v"},
        {"op": "remove", "path": "/os_distro"},
    ]);
    let (response, seen) = patched(&body, PATCH);
    assert_eq!(response.status, 200);
    let update = &seen[0];
    assert_eq!(update.read_at, image().updated_at);
    assert_eq!((update.name.as_deref(), update.visibility), (Some("new"), Visibility::Private));
    assert_eq!(update.tags, ["x", "y"]);
    assert_eq!(update.properties, [("a/b~c".to_owned(), "v".to_owned())]);
    assert_eq!((update.min_disk_gib, update.owner.as_str()), (1, "project-1"));
    let older = json!([{"replace": "/name", "value": "old form"}]);
    let (_, seen) = patched(&older, "application/openstack-images-v2.0-json-patch");
    assert_eq!(seen[0].name.as_deref(), Some("old form"));
    for name in ["/name", "/os_distro"] {
        let (response, seen) =
            patched(&json!([{"add": name, "value": "x"}]), "application/openstack-images-v2.0-json-patch");
        assert_eq!((response.status, seen.len()), (409, 0), "{name} is there");
    }
    // Nothing to change: nothing is written.
    let (response, seen) = patched(&json!([]), PATCH);
    assert_eq!((response.status, seen.len()), (200, 0));
}

#[test]
fn a_patch_is_applied_again_to_an_image_that_another_one_changed() {
    let change = json!([{"op": "add", "path": "/tags", "value": ["mine"]}, {"op": "add", "path": "/x", "value": "y"}]);
    let answer = |changed_meanwhile: usize| {
        let mut cloud = FakeCloud::default();
        let seen = Seen::default();
        let (reads, log) = (seen.clone(), seen.clone());
        // Each reader finds what another one has made of it.
        cloud.images.get_image = Some(Box::new(move |_| {
            let version = reads.all().len();
            Ok(Image { updated_at: i64::try_from(version).unwrap(), name: Some(format!("name {version}")), ..image() })
        }));
        cloud.images.update_image = Some(Box::new(move |_, update| {
            log.push(update.clone());
            let tried = log.all().len();
            if tried > changed_meanwhile { Ok(image()) } else { Err(error(ErrorCode::WrongState, "Read it again.")) }
        }));
        let request = call("images.update", "PATCH").header("Content-Type", PATCH).body(&change).build();
        (handle(&cloud, request).status, seen.all())
    };
    let (status, seen) = answer(4);
    assert_eq!((status, seen.len()), (200, 5));
    for (version, update) in seen.iter().enumerate() {
        assert_eq!(
            (update.read_at, update.name.clone()),
            (i64::try_from(version).unwrap(), Some(format!("name {version}")))
        );
        assert_eq!((update.tags.as_slice(), update.properties.len()), (&["mine".to_owned()][..], 2));
    }
    let (status, seen) = answer(usize::MAX);
    assert_eq!((status, seen.len()), (409, 5), "not for ever");
}

#[test]
fn a_patch_that_may_not_be_is_refused() {
    let change = |op: &str, path: &str, value: Value| json!([{"op": op, "path": path, "value": value}]);
    for (body, status) in [
        (json!({}), 400),
        (json!([5]), 400),
        (json!([{"path": "/name"}]), 400),
        (json!([{"op": "move", "path": "/name"}]), 400),
        (json!([{"op": "replace", "value": 1}]), 400),
        (json!([{"op": "replace", "path": "/name"}]), 400),
        (change("replace", "name", json!("x")), 400),
        (change("replace", "/", json!("x")), 400),
        (change("replace", "/a/b", json!("x")), 400),
        (change("replace", "/a~2", json!("x")), 400),
        (change("replace", "/protected", json!("yes")), 400),
        (change("replace", "/min_ram", json!(-1)), 400),
        (change("replace", "/visibility", json!("x")), 400),
        (change("add", "/tags", json!([5])), 400),
        (change("add", "/x", json!(5)), 400),
        (change("replace", "/id", json!("x")), 403),
        (change("replace", "/status", json!("x")), 403),
        (change("add", "/locations", json!([])), 403),
        (change("add", "/os_glance_x", json!("x")), 403),
        (json!([{"op": "remove", "path": "/os_glance_x"}]), 403),
        (change("add", "/x", json!(null)), 400),
        (json!([{"op": "remove", "path": "/name"}]), 403),
        (change("replace", "/unknown", json!("x")), 409),
        (json!([{"op": "remove", "path": "/unknown"}]), 409),
    ] {
        let (response, seen) = patched(&body, PATCH);
        assert_eq!((response.status, seen.len()), (status, 0), "{body}: {}", message(&response));
    }
}
