//! What the guest finds: passwords, user data, disks, metadata.

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::PasswordChoice;
use skyloom_sdk::cloud::images::Image;
use skyloom_sdk::rule;
use skyloom_sdk::testing::Seen;

use super::creation::{asked, changed, cloud, create, image, refused, set};
use super::{code_of, creation, post};

/// As the host hands it over: a handle in the password's place.
const PASSWORD: &str = "Handle-1";

/// So many bytes in base64.
fn encoded(bytes: usize) -> String {
    let mut text = "YWFh".repeat(bytes / 3);
    match bytes % 3 {
        1 => text.push_str("YQ=="),
        2 => text.push_str("YWE="),
        _ => {}
    }
    text
}

#[test]
fn login_is_by_key_by_password_or_as_the_image_has_it() {
    let by_key = asked(&changed("/key_name", json!("key")));
    assert_eq!((by_key.key_name.as_deref(), by_key.admin_password), (Some("key"), PasswordChoice::Keep));
    let by_password = asked(&changed("/adminPass", json!(PASSWORD)));
    assert_eq!(by_password.key_name, None);
    assert_eq!(by_password.admin_password, PasswordChoice::Given(PASSWORD.to_owned()));
    rule!("ecs.servers.create", "356d3a16");
    let neither = asked(&creation());
    assert_eq!((neither.key_name, neither.admin_password), (None, PasswordChoice::Keep));
    rule!("ecs.servers.create", "687b7c68");
}

#[test]
fn a_simple_password_is_refused() {
    for weak in ["Short-1", "lower-only", "Letters0nlyNoooooooooooooooo", "Root-Pass-1", "My-tooR-12"] {
        assert_eq!(refused(&changed("/adminPass", json!(weak))), (400, "Ecs.0011".to_owned()), "{weak}");
    }
}

#[test]
fn user_data_goes_through_as_it_is_and_takes_the_passwords_place() {
    let alone = asked(&changed("/user_data", json!(encoded(40))));
    assert_eq!((alone.user_data, alone.admin_password), (Some(encoded(40)), PasswordChoice::Keep));
    rule!("ecs.servers.create", "3923641c");
    let mut both = changed("/user_data", json!(encoded(40)));
    set(&mut both["server"], "/adminPass", json!(PASSWORD));
    assert_eq!(asked(&both).admin_password, PasswordChoice::Keep);
    rule!("ecs.servers.create", "130a1dfa");

    let largest = encoded(32 * 1024);
    assert_eq!(asked(&changed("/user_data", json!(largest))).user_data, Some(largest));
    for bad in [encoded(32 * 1024 + 1), "%%%".to_owned(), "YQ".to_owned()] {
        assert_eq!(refused(&changed("/user_data", json!(bad))), (400, "Ecs.0005".to_owned()), "{}", bad.len());
    }
    rule!("ecs.servers.create", "86e45e80");
}

#[test]
fn a_password_of_windows_is_taken_from_its_reserved_key_and_not_kept_there() {
    let metadata = json!({ "admin_pass": PASSWORD, "a": "b" });
    let create = asked(&changed("/metadata", metadata.clone()));
    assert_eq!(create.admin_password, PasswordChoice::Given(PASSWORD.to_owned()));
    assert_eq!(create.metadata, [("a".to_owned(), "b".to_owned())]);

    let seen = Seen::default();
    let mut cloud = cloud(&seen);
    let windows = Image { properties: vec![("os_type".into(), "Windows".into())], ..image(4) };
    cloud.images.get_image = Some(Box::new(move |_| Ok(windows.clone())));
    let answer = |body: &Value| {
        let response = crate::handle(&cloud, &post("servers.create", "/v1/project-1/cloudservers", body).build());
        (code_of(&response), skyloom_sdk::testing::json_of(&response)["error"]["message"].to_string())
    };
    let (code, message) = answer(&changed("/adminPass", json!(PASSWORD)));
    assert_eq!(code, (400, "Ecs.0005".to_owned()));
    assert!(message.contains("missing: server.metadata.admin_pass"), "{message}");
    let (code, message) = answer(&changed("/metadata", metadata));
    assert_eq!(code, (400, "Ecs.0005".to_owned()));
    assert!(message.contains("(Windows image)"), "{message}");
    assert!(seen.all().is_empty());
    assert_eq!(answer(&creation()).0.0, 200, "the image's own password");
    rule!("ecs.servers.create", "c53afb3a");
}

fn volumes(disks: &[Value]) -> Value {
    changed("/data_volumes", json!(disks))
}

#[test]
fn disks_have_the_documents_bounds() {
    let disk = json!({ "volumetype": "SATA", "size": 10 });
    assert_eq!(asked(&volumes(&vec![disk.clone(); 59])).disks.len(), 60);
    assert_eq!(refused(&volumes(&vec![disk; 60])), (400, "Ecs.0042".to_owned()));
    rule!("ecs.servers.create", "8d212f49");
    for (size, fits) in [(9, false), (10, true), (32_768, true), (32_769, false)] {
        let (response, _) = create(&volumes(&[json!({ "volumetype": "SSD", "size": size })]));
        assert_eq!(response.status, if fits { 200 } else { 400 }, "{size}");
    }
    for (size, fits) in [(0, true), (3, false), (4, true), (1024, true), (1025, false)] {
        let (response, _) = create(&changed("/root_volume/size", json!(size)));
        assert_eq!(response.status, if fits { 200 } else { 400 }, "{size}");
    }
    assert_eq!(refused(&changed("/root_volume/volumetype", json!("SAS"))), (400, "Ecs.0043".to_owned()));
    assert_eq!(refused(&volumes(&[json!({ "volumetype": "SAS", "size": 10 })])), (400, "Ecs.0043".to_owned()));
}

#[test]
fn a_data_disk_may_begin_as_an_image() {
    let of_image = json!({ "volumetype": "SSD", "size": 10, "data_image_id": "image-2" });
    let create = asked(&volumes(&[of_image.clone(), json!({ "volumetype": "SSD", "size": 10, "data_image_id": "" })]));
    let images: Vec<Option<&str>> = create.disks[1..].iter().map(|disk| disk.source_id.as_deref()).collect();
    assert_eq!(images, [Some("image-2"), None]);
    let mut with_metadata = of_image;
    with_metadata["metadata"] = json!({ "__system__encrypted": "0" });
    assert_eq!(refused(&volumes(&[with_metadata])), (400, "Ecs.0005".to_owned()));
    // That it isn't smaller than its image is the core's to see.
    let mut cloud = cloud(&Seen::default());
    let small = skyloom_sdk::testing::invalid("disks", "too small");
    cloud.compute.create_servers = Some(Box::new(move |_| Err(small.clone())));
    let body = volumes(&[json!({ "volumetype": "SSD", "size": 10, "data_image_id": "image-2" })]);
    let response = crate::handle(&cloud, &post("servers.create", "/v1/project-1/cloudservers", &body).build());
    assert_eq!(code_of(&response), (400, "Ecs.0005".to_owned()));
    rule!("ecs.servers.create", "c3a34e7b");
}

#[test]
fn what_asks_for_nothing_special_is_a_plain_disk() {
    let plain = asked(&volumes(&[json!({ "volumetype": "SSD", "size": 10 })]));
    for disk in [
        json!({ "volumetype": "SSD", "size": 10, "hw:passthrough": "true" }),
        json!({ "volumetype": "SSD", "size": 10, "hw:passthrough": false }),
        json!({ "volumetype": "SSD", "size": 10, "cluster_type": "DSS" }),
        json!({ "volumetype": "SSD", "size": 10, "cluster_type": "DSS", "cluster_id": "" }),
        json!({ "volumetype": "SSD", "size": 10, "metadata": { "__system__encrypted": "0" } }),
        json!({ "volumetype": "SSD", "size": 10, "multiattach": false, "extendparam": {} }),
    ] {
        assert_eq!(asked(&volumes(std::slice::from_ref(&disk))), plain, "{disk}");
    }
    let root = json!({ "volumetype": "SSD", "cluster_type": "DSS", "cluster_id": "" });
    assert_eq!(asked(&changed("/root_volume", root)), asked(&changed("/root_volume", json!({ "volumetype": "SSD" }))));
    // With a pool it would be one of that type, which is refused: see the table of what isn't supported.
    rule!("ecs.servers.create", "aa2e665c");
}

#[test]
fn a_dedicated_host_has_no_effect_without_its_tenancy() {
    let plain = asked(&creation());
    for hints in [json!({ "tenancy": "shared", "dedicated_host_id": "h" }), json!({ "dedicated_host_id": "h" })] {
        assert_eq!(asked(&changed("/os:scheduler_hints", hints)), plain);
    }
    assert_eq!(
        refused(&changed("/os:scheduler_hints", json!({ "tenancy": "dedicated", "dedicated_host_id": "h" }))),
        (400, "Ecs.0005".to_owned())
    );
    rule!("ecs.servers.create", "25345255");
}

#[test]
fn metadata_is_bounded() {
    let pairs =
        |count: usize| (0..count).map(|at| (format!("key {at}"), json!("v"))).collect::<serde_json::Map<_, _>>();
    assert_eq!(asked(&changed("/metadata", pairs(10).into())).metadata.len(), 10);
    let longest = "k".repeat(255);
    let kept = asked(&changed("/metadata", json!({ &longest: "v".repeat(255), "A-Z_:. 9": "" }))).metadata;
    assert!(kept.contains(&(longest.clone(), "v".repeat(255))));
    for bad in [
        pairs(11).into(),
        json!({ format!("{longest}k"): "" }),
        json!({ "": "" }),
        json!({ "a/b": "" }),
        json!({ "é": "" }),
        json!({ "a": "v".repeat(256) }),
        json!({ "a": 1 }),
    ] {
        assert_eq!(refused(&changed("/metadata", bad.clone())), (400, "Ecs.0005".to_owned()), "{bad}");
    }
    rule!("ecs.servers.create", "66dd385e");
}

#[test]
fn a_public_address_is_new_or_an_existing_one() {
    let eip = |chargemode: &str| json!({ "iptype": "5_bgp", "bandwidth": { "size": 1000, "sharetype": "PER", "chargemode": chargemode } });
    let new = asked(&changed("/publicip", json!({ "eip": eip("traffic") }))).public_address.unwrap();
    assert_eq!((new.id, new.bandwidth_mbit, new.delete_on_termination), (None, 1000, false));
    assert_eq!(refused(&changed("/publicip", json!({ "eip": eip("bandwidth") }))), (400, "Ecs.0005".to_owned()));
    rule!("ecs.servers.create", "eceda88d");
    let id = "757ee789-03ea-45b1-a698-76c92660dd83";
    let existing = asked(&changed("/publicip", json!({ "id": id }))).public_address.unwrap();
    assert_eq!(existing.id.as_deref(), Some(id));
    for bad in [json!({}), json!({ "id": id, "eip": eip("traffic") })] {
        assert_eq!(refused(&changed("/publicip", bad)), (400, "Ecs.0005".to_owned()));
    }
    let mut wide = json!({ "eip": eip("traffic") });
    wide["eip"]["bandwidth"]["size"] = json!(1001);
    assert_eq!(refused(&changed("/publicip", wide)), (400, "Ecs.0045".to_owned()));
}

#[test]
fn a_description_is_short_and_without_brackets() {
    assert_eq!(asked(&changed("/description", json!("云".repeat(85)))).description, Some("云".repeat(85)));
    assert_eq!(asked(&changed("/description", json!(""))).description, None);
    for bad in ["a".repeat(86), "<".to_owned(), ">".to_owned()] {
        assert_eq!(refused(&changed("/description", json!(bad))), (400, "Ecs.0041".to_owned()), "{bad}");
    }
}
