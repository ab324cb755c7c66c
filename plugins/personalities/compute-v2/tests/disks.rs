//! POST /servers: images and disks.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::testing::error;
use skyloom_sdk::{Error, ErrorCode, rule};

const CREATE: &str = "nova.servers.create";

#[test]
fn a_system_disk_may_be_asked_for_as_a_volume() {
    let (cloud, seen) = with_create();
    let devices = json!([
        { "source_type": "image", "destination_type": "volume", "uuid": IMAGE, "boot_index": "0", "volume_size": "40",
          "volume_type": "SSD", "delete_on_termination": "True", "device_name": "/dev/xvdq" },
        { "source_type": "blank", "destination_type": "volume", "volume_size": 10 },
    ]);
    let (status, body) =
        ask(&cloud, ecs(), create_call(1, json!({ "imageRef": "ABSENT", "block_device_mapping_v2": devices })));
    assert_eq!(status, 202, "{body}");
    let create = seen.only();
    let [root, data] = create.disks.as_slice() else { panic!("two disks: {:?}", create.disks) };
    assert_eq!((root.source.as_str(), root.source_id.as_deref()), ("image", Some(IMAGE)));
    assert_eq!((root.size_gib, root.volume_type.as_deref(), root.delete_on_termination), (Some(40), Some("SSD"), true));
    assert_eq!((data.source.as_str(), data.source_id.as_deref()), ("empty", None));
    assert_eq!((data.size_gib, data.delete_on_termination), (Some(10), false));
    rule!(CREATE, "a674e115");
}

#[test]
fn clients_name_the_image_twice() {
    let (cloud, seen) = with_create();
    // As the command line client does when it adds disks.
    let devices = json!([{ "source_type": "image", "destination_type": "local", "uuid": IMAGE, "boot_index": 0,
                           "delete_on_termination": true }]);
    assert_eq!(ask(&cloud, upstream(), create_call(42, json!({ "block_device_mapping_v2": devices }))).0, 202);
    let create = seen.only();
    assert_eq!((create.disks.len(), create.disks[0].size_gib), (1, None), "as the flavor has it");
}

#[test]
fn devices_without_a_capability_are_refused_by_name() {
    let (cloud, seen) = with_create();
    for (device, words) in [
        (json!({ "source_type": "volume", "uuid": "v", "boot_index": 0 }), "failed to get volume v"),
        (json!({ "source_type": "volume", "boot_index": 0 }), "needs a uuid"),
        (json!({ "source_type": "volume", "destination_type": "local", "uuid": NETWORK, "boot_index": 0 }), "to local"),
        (json!({ "source_type": "snapshot", "uuid": "s", "boot_index": 0 }), "failed to get snapshot s"),
        (json!({ "source_type": "blank", "destination_type": "local", "volume_size": 1 }), "destination_type local"),
        (
            json!({ "source_type": "image", "destination_type": "volume", "uuid": IMAGE, "boot_index": 0 }),
            "non-zero size",
        ),
        (json!({ "source_type": "blank", "destination_type": "volume" }), "non-zero size"),
        (
            json!({ "source_type": "blank", "destination_type": "volume", "boot_index": 0, "volume_size": 1 }),
            "blank device",
        ),
        (json!({ "source_type": "other" }), "source_type"),
        (json!({ "source_type": "image", "uuid": NETWORK, "boot_index": 0 }), "differs from imageRef"),
    ] {
        let message = refused(&cloud, upstream(), create_call(42, json!({ "block_device_mapping_v2": [device] })), 400);
        assert!(message.contains(words), "{message}");
    }
    let legacy = json!({ "block_device_mapping": [{ "volume_id": "v" }] });
    assert!(refused(&cloud, upstream(), create_call(1, legacy), 400).contains("block_device_mapping"));
    let device =
        json!([{ "source_type": "blank", "destination_type": "volume", "volume_size": 1, "volume_type": "SSD" }]);
    refused(&cloud, upstream(), create_call(66, json!({ "block_device_mapping_v2": device })), 400);
    assert!(seen.all().is_empty());
    assert_eq!(ask(&cloud, upstream(), create_call(67, json!({ "block_device_mapping_v2": device }))).0, 202);
    rule!(CREATE, "ca5f8224");
}

#[test]
fn an_image_is_a_uuid() {
    let (cloud, _) = with_create();
    for image in ["cirros", "11111111-2222-3333-4444", "http://images/x"] {
        assert!(refused(&cloud, ecs(), create_call(1, json!({ "imageRef": image })), 400).contains("uuid"));
    }
    refused(&cloud, ecs(), create_call(1, json!({ "imageRef": "" })), 400);
    refused(&cloud, ecs(), create_call(1, json!({ "imageRef": "ABSENT" })), 400);
    let disk = json!([{ "source_type": "image", "destination_type": "volume", "uuid": IMAGE, "boot_index": 0, "volume_size": 1 }]);
    let from_disk = create_call(1, json!({ "imageRef": "ABSENT", "block_device_mapping_v2": disk }));
    assert_eq!(ask(&cloud, ecs(), from_disk).0, 202);
    rule!(CREATE, "e031672b");
}

#[test]
fn a_data_disk_may_begin_as_an_image() {
    let (cloud, seen) = with_create();
    let of = |uuid: Value| {
        json!([{ "source_type": "image", "destination_type": "volume", "uuid": uuid, "boot_index": -1, "volume_size": 3,
                 "delete_on_termination": true }])
    };
    for settings in [upstream(), ecs()] {
        let devices = json!({ "block_device_mapping_v2": of(json!(NETWORK)) });
        assert_eq!(ask(&cloud, settings, create_call(1, devices)).0, 202);
    }
    for create in seen.all() {
        let [system, disk] = create.disks.as_slice() else { panic!("two disks: {:?}", create.disks) };
        assert_eq!(system.source_id.as_deref(), Some(IMAGE));
        assert_eq!(
            (disk.source_id.as_deref(), disk.size_gib, disk.delete_on_termination),
            (Some(NETWORK), Some(3), true)
        );
    }
    for (devices, words) in [
        (of(json!("cirros")), "failed to get image"),
        (of(Value::Null), "needs a uuid"),
        (
            json!([{ "source_type": "image", "uuid": NETWORK, "boot_index": -1, "volume_size": 3 }]),
            "destination_type local",
        ),
    ] {
        let message = refused(&cloud, ecs(), create_call(1, json!({ "block_device_mapping_v2": devices })), 400);
        assert!(message.contains(words), "{message}");
    }
}

/// The message with which these devices are refused.
fn devices_refused(members: Value) -> String {
    let (cloud, seen) = with_create();
    let message = refused(&cloud, ecs(), create_call(1, members.clone()), 400);
    assert_eq!(message, refused(&cloud, upstream(), create_call(1, members), 400));
    assert!(seen.all().is_empty());
    message
}

fn volume(boot_index: i64) -> Value {
    json!({ "source_type": "volume", "destination_type": "volume", "uuid": PORT, "boot_index": boot_index })
}

#[test]
fn an_existing_volume_is_not_for_several_servers() {
    for devices in [json!([volume(0)]), json!([volume(-1)]), json!([{ "volume_id": PORT }])] {
        let message = devices_refused(json!({ "max_count": 2, "block_device_mapping_v2": devices }));
        assert_eq!(message, "Cannot attach one or more volumes to multiple instances");
    }
    // New disks are made for each.
    let (cloud, seen) = with_create();
    let disk = json!([{ "source_type": "blank", "destination_type": "volume", "volume_size": 1 }]);
    let several = json!({ "max_count": 2, "block_device_mapping_v2": disk });
    assert_eq!(ask(&cloud, ecs(), create_call(1, several)).0, 202);
    assert_eq!(seen.only().names.len(), 2);
    rule!(CREATE, "087e60d0");
}

#[test]
fn of_volumes_alone_one_boots() {
    let of = |devices: Value| devices_refused(json!({ "imageRef": "ABSENT", "block_device_mapping_v2": devices }));
    for devices in [json!([volume(-1)]), json!([volume(-1), volume(-1)]), json!([volume(0), volume(0)])] {
        assert!(of(devices).contains("Boot sequence"));
    }
    let (cloud, seen) = with_create();
    let both = json!({ "imageRef": "ABSENT", "block_device_mapping_v2": [volume(0), volume(-1)] });
    assert_eq!(ask(&cloud, ecs(), create_call(1, both)).0, 202);
    assert!(seen.only().disks.iter().all(|disk| disk.source == "volume"));
    rule!(CREATE, "dd81b257");
}

#[test]
fn a_volume_that_is_there_boots_the_server_or_is_a_disk_of_it() {
    let (cloud, seen) = with_create();
    let device = |index: i64| {
        json!({ "source_type": "volume", "destination_type": "volume", "uuid": NETWORK, "boot_index": index,
                "volume_size": 7, "delete_on_termination": index == 0 })
    };
    let root = json!({ "imageRef": "ABSENT", "block_device_mapping_v2": [device(0)] });
    assert_eq!(ask(&cloud, upstream(), create_call(42, root)).0, 202);
    // Named by the kind of its id alone.
    let by_id = json!({ "imageRef": "", "block_device_mapping_v2": [{ "volume_id": NETWORK, "boot_index": 0 }] });
    assert_eq!(ask(&cloud, upstream(), create_call(1, by_id)).0, 202);
    let data = json!({ "block_device_mapping_v2": [device(-1)] });
    assert_eq!(ask(&cloud, upstream(), create_call(42, data)).0, 202);
    let created = seen.all();
    for (create, (count, place, goes)) in created.iter().zip([(1, 0, true), (1, 0, false), (2, 1, false)]) {
        let disk = &create.disks[place];
        let said = (create.disks.len(), disk.source.as_str(), disk.source_id.as_deref(), disk.delete_on_termination);
        assert_eq!(said, (count, "volume", Some(NETWORK), goes));
        assert_eq!(disk.size_gib, None, "it has its size");
    }
    let copy = json!([{ "source_type": "snapshot", "destination_type": "volume", "uuid": NETWORK, "boot_index": 0,
                        "volume_size": 9 }]);
    let copy = json!({ "imageRef": "ABSENT", "block_device_mapping_v2": copy });
    assert_eq!(ask(&cloud, upstream(), create_call(42, copy)).0, 202);
    let copied = seen.all().pop().expect("a creation").disks.remove(0);
    assert_eq!(
        (copied.source.as_str(), copied.source_id.as_deref(), copied.size_gib),
        ("snapshot", Some(NETWORK), Some(9))
    );
    let many = json!({ "block_device_mapping_v2": [device(-1)], "max_count": 2 });
    assert!(refused(&cloud, upstream(), create_call(42, many), 400).contains("multiple instances"));
}

#[test]
fn what_is_wrong_with_a_volume_is_a_bad_request_in_upstreams_words() {
    let (mut cloud, _) = with_create();
    let root =
        || json!({ "imageRef": "ABSENT", "block_device_mapping_v2": [{ "volume_id": NETWORK, "boot_index": 0 }] });
    let of_volume = |code: ErrorCode, reason: Option<&str>| Error {
        resource: Some(("volume".to_owned(), NETWORK.to_owned())),
        reason: reason.map(str::to_owned),
        ..error(code, "The volume is in-use; it has to be available.")
    };
    for (refusal, words) in [
        (
            of_volume(ErrorCode::NotFound, None),
            format!("Block Device Mapping is Invalid: failed to get volume {NETWORK}."),
        ),
        (of_volume(ErrorCode::Invalid, Some("not-bootable")), format!("Block Device {NETWORK} is not bootable.")),
        (
            of_volume(ErrorCode::WrongState, Some("not-available")),
            "Block Device Mapping is Invalid: The volume is in-use; it has to be available.".to_owned(),
        ),
    ] {
        cloud.compute.create_servers = Some(Box::new(move |_| Err(refusal.clone())));
        assert_eq!(refused(&cloud, upstream(), create_call(42, root()), 400), words);
    }
}
