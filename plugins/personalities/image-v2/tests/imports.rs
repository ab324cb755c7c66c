//! Interoperable import, natively over a core that the test makes up.

use image_v2::handle;
use serde_json::{Value, json};
use skyloom_sdk::cloud::images::{Image, ImageState};
use skyloom_sdk::testing::{FakeCloud, Seen, error, header_of, invalid, json_of, not_found};
use skyloom_sdk::{Error, ErrorCode};

use crate::support::{ID, call, image, message};

const URI: &str = "https://images.test/disk.raw";

/// A core that fetches images, and what it was asked to fetch.
fn cloud() -> (FakeCloud, Seen<(String, String)>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let log = seen.clone();
    cloud.images.list_import_schemes = Some(Box::new(|| Ok(vec!["https".to_owned()])));
    cloud.images.import_image = Some(Box::new(move |id, url| {
        log.push((id.to_owned(), url.to_owned()));
        Ok("operation-1".to_owned())
    }));
    (cloud, seen)
}

fn body(more: Value) -> Value {
    let mut body = json!({"method": {"name": "web-download", "uri": URI}});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    body
}

#[test]
fn an_image_is_fetched_from_the_uri() {
    let (cloud, seen) = cloud();
    let of_client = json!({"all_stores": false, "all_stores_must_succeed": false, "stores": []});
    for more in [json!({}), of_client] {
        let answer = handle(&cloud, call("images.import", "POST").body(&body(more)).build());
        assert_eq!((answer.status, json_of(&answer)), (202, Value::Null));
    }
    assert_eq!(seen.all(), vec![(ID.to_owned(), URI.to_owned()); 2]);
}

#[test]
fn the_methods_are_told_where_they_are_on() {
    for (schemes, value) in [(vec!["https".to_owned()], json!(["web-download"])), (Vec::new(), json!([]))] {
        let on = !schemes.is_empty();
        let mut cloud = FakeCloud::default();
        cloud.images.list_import_schemes = Some(Box::new(move || Ok(schemes.clone())));
        cloud.images.create_image = Some(Box::new(|_| Ok(Image { state: ImageState::Queued, ..image() })));
        let info = handle(&cloud, call("info.import", "GET").build());
        assert_eq!(json_of(&info)["import-methods"]["value"], value);
        let made = handle(&cloud, call("images.create", "POST").body(&json!({})).build());
        assert_eq!(made.status, 201);
        let header = header_of(&made, "OpenStack-image-import-methods");
        assert_eq!(header, on.then_some("web-download"));
        if !on {
            let refused = handle(&cloud, call("images.import", "POST").body(&body(json!({}))).build());
            assert_eq!(
                (refused.status, message(&refused).as_str()),
                (400, "Unknown import method name 'web-download'.")
            );
        }
    }
}

#[test]
fn what_is_no_import_is_told() {
    let (cloud, seen) = cloud();
    for (body, why) in [
        (json!([]), "Request body must be a JSON object."),
        (json!({}), "Import request requires a 'method' field."),
        (json!({"method": "web-download"}), "The 'method' of an import request must be an object."),
        (json!({"method": {}}), "Import request requires a 'name' field."),
        (json!({"method": {"name": 7}}), "The 'name' of an import method must be a string."),
        (json!({"method": {"name": "glance-direct"}}), "Unknown import method name 'glance-direct'."),
        (json!({"method": {"name": "web-download"}}), "The import method web-download requires a 'uri' field."),
        (
            json!({"method": {"name": "web-download", "uri": 7}}),
            "The 'uri' of the import method web-download must be a string.",
        ),
        (body(json!({"all_stores": "yes"})), "'all_stores' must be boolean value only"),
        (body(json!({"all_stores_must_succeed": 1})), "'all_stores_must_succeed' must be boolean value only"),
        (body(json!({"stores": ["fast"]})), "Stores parameter is not supported, multi backend is not enabled."),
    ] {
        let answer = handle(&cloud, call("images.import", "POST").body(&body).build());
        assert_eq!((answer.status, message(&answer).as_str()), (400, why), "{body}");
    }
    assert_eq!(seen.all(), Vec::new());
}

#[test]
fn what_the_core_refuses_has_upstreams_words() {
    let refused = |refusal: Error| {
        let (mut cloud, _) = cloud();
        cloud.images.import_image = Some(Box::new(move |_, _| Err(refusal.clone())));
        let answer = handle(&cloud, call("images.import", "POST").body(&body(json!({}))).build());
        (answer.status, message(&answer))
    };
    let filtered = Error { field: Some("url".to_owned()), ..error(ErrorCode::Forbidden, "Not that host.") };
    let (status, why) = refused(filtered);
    assert_eq!((status, why.as_str()), (400, format!("URI for web-download does not pass filtering: {URI}").as_str()));
    assert_eq!(refused(invalid("disk-format", "Say it.")).0, 409);
    let (status, why) = refused(error(ErrorCode::WrongState, "Not so."));
    assert_eq!((status, why.as_str()), (409, "Image needs to be in 'queued' state to use 'web-download' method"));
    assert_eq!(refused(not_found("image", ID)).0, 404);
    assert_eq!(refused(error(ErrorCode::QuotaExceeded, "Full.")).0, 413);
}
