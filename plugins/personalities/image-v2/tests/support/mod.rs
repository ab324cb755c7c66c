//! What the tests of this personality share.
use skyloom_sdk::Response;
use skyloom_sdk::cloud::images::{Image, ImageState, Visibility};
use skyloom_sdk::testing::{Call, json_of};

pub const ID: &str = "11111111-2222-4333-8444-555555555555";

pub fn image() -> Image {
    Image {
        id: ID.to_owned(),
        name: Some("cirros".to_owned()),
        owner: "project-1".to_owned(),
        state: ImageState::Active,
        visibility: Visibility::Shared,
        protected: false,
        hidden: false,
        disk_format: Some("qcow2".to_owned()),
        container_format: Some("bare".to_owned()),
        min_disk_gib: 1,
        min_memory_mib: 64,
        size: Some(7),
        virtual_size: Some(1024),
        checksum: Some("md5".to_owned()),
        hash_algorithm: Some("sha512".to_owned()),
        hash_value: Some("sha".to_owned()),
        created_at: 1_767_268_800_123_456,
        updated_at: 1_767_268_801_000_000,
        tags: vec!["a".to_owned()],
        properties: vec![("os_distro".to_owned(), "x".to_owned())],
        attributes: "{}".to_owned(),
    }
}

pub fn call(operation: &str, method: &str) -> Call {
    Call::new(operation, method, "/v2/images")
        .param("image_id", ID)
        .header("Accept", "application/json")
        .base_url("http://cloud.test/image")
}

pub fn message(response: &Response) -> String {
    json_of(response)["message"].as_str().unwrap_or_default().trim_end_matches("<br /><br />\n\n\n").to_owned()
}
