//! POST /servers: what one vendor's document asks beyond upstream.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::testing::{error, not_found};
use skyloom_sdk::{ErrorCode, rule};

#[test]
fn the_vendor_sells_no_flavor_that_is_sold_out() {
    let (mut cloud, seen) = with_create();
    cloud.flavors.get_flavor = Some(Box::new(|id| {
        let specs = [("cond:operation:status", "normal"), ("cond:operation:az", "az1(sellout), az2(obt)")];
        let mut flavor = flavor(id);
        flavor.extra_specs = specs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        Ok(flavor)
    }));
    let in_zone = |zone: &str| create_call(1, json!({ "availability_zone": zone }));
    assert!(refused(&cloud, ecs(), in_zone("az1"), 400).contains("sellout"));
    assert!(seen.all().is_empty());
    for call in [in_zone("az2"), in_zone("az3"), create_call(1, json!({}))] {
        assert_eq!(ask(&cloud, ecs(), call).0, 202);
    }
    // Upstream gives these extra specs no meaning.
    assert_eq!(ask(&cloud, upstream(), in_zone("az1")).0, 202);
    rule!("nova.flavors.list_extra_specs", "2f3fe017", "e5492a08");
}

#[test]
fn the_vendor_injects_no_long_key() {
    let (mut cloud, seen) = with_create();
    cloud.keypairs.get_keypair = Some(Box::new(|name, user| {
        assert!(user.is_none());
        match name {
            "long" => Ok(keypair(name, 1025)),
            "short" => Ok(keypair(name, 1024)),
            _ => Err(not_found("keypair", name)),
        }
    }));
    let with_key = |name: &str| create_call(1, json!({ "key_name": name }));
    assert!(refused(&cloud, ecs(), with_key("long"), 400).contains("1024"));
    assert!(seen.all().is_empty());
    assert_eq!(ask(&cloud, ecs(), with_key("short")).0, 202);
    assert_eq!(ask(&cloud, upstream(), with_key("long")).0, 202);
    // What isn't there is the core's to refuse.
    assert_eq!(ask(&cloud, ecs(), with_key("none")).0, 202);
    rule!("nova.keypairs.create", "4ad3cc8c");
}

/// A call over an image with this property.
fn over(name: &str, value: &str, members: Value) -> Result<Value, String> {
    let (mut cloud, seen) = with_create();
    let image = image(&[(name, value)]);
    cloud.images.get_image = Some(Box::new(move |id| {
        assert_eq!(id, IMAGE);
        Ok(image.clone())
    }));
    // Upstream gives neither the properties nor the metadata a meaning.
    assert_eq!(ask(&cloud, upstream(), create_call(1, members.clone())).0, 202);
    let (status, body) = ask(&cloud, ecs(), create_call(1, members));
    assert_eq!(seen.all().len(), if status == 202 { 2 } else { 1 });
    if status == 202 { Ok(body) } else { Err(body["badRequest"]["message"].as_str().expect("a refusal").to_owned()) }
}

#[test]
fn the_vendor_makes_whole_servers_by_its_other_call() {
    let refusal = over("__whole_image", "true", json!({})).expect_err("refused");
    assert_eq!(refusal, "Full-ECS images are not supported; use POST /v1/{project_id}/cloudservers.");
    over("__whole_image", "false", json!({})).expect("an image of a system disk");
    rule!("nova.servers.create", "71925370");
}

#[test]
fn the_vendor_takes_the_password_of_windows_from_the_metadata_only() {
    let refusal = over("os_type", "Windows", json!({ "adminPass": "secret:7" })).expect_err("the other key");
    assert!(refusal.starts_with("metadata.admin_pass is required for a Windows server"), "{refusal}");
    over("os_type", "Windows", json!({})).expect("as the image has it");
    over("os_type", "Windows", json!({ "key_name": "key" })).expect("with a key");
    let reserved = json!({ "metadata": { "admin_pass": "x" } });
    let refusal = over("os_type", "Windows", reserved.clone()).expect_err("not there yet");
    assert!(refusal.contains("the password of a Windows guest cannot be set"), "{refusal}");
    let refusal = over("os_type", "Linux", reserved).expect_err("not for Linux");
    assert!(refusal.contains("adminPass sets it"), "{refusal}");
    over("os_type", "Linux", json!({ "adminPass": "secret:7" })).expect("Linux");
    rule!("nova.servers.create", "8cbaea11");
}

/// The answer is the core's where the image isn't there, and no guess where the core can't say.
#[test]
fn an_image_that_cannot_be_read_lets_nothing_slip_through() {
    let (mut cloud, seen) = with_create();
    cloud.images.get_image = Some(Box::new(|id| Err(not_found("image", id))));
    assert_eq!(ask(&cloud, ecs(), create_call(1, json!({}))).0, 202);
    cloud.images.get_image = Some(Box::new(|_| Err(error(ErrorCode::Unavailable, "the database does not answer"))));
    assert_eq!(ask(&cloud, ecs(), create_call(1, json!({}))).0, 503);
    assert_eq!(seen.all().len(), 1);
}
