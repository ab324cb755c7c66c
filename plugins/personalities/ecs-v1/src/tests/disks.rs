//! Disks that a server has, that come to it and that leave it.

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{PowerState, Server, ServerVolume};
use skyloom_sdk::cloud::volumes::{Volume, VolumePage, VolumeType};
use skyloom_sdk::conditions::told;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, asked, error, invalid, json_of, not_found};
use skyloom_sdk::unsupported::Unsupported;
use skyloom_sdk::{Error, ErrorCode, Response, rule};

use super::{JOB, JOB_ON_THE_WIRE, code_of, post};
use crate::unsupported::{ATTACH, CHANGE_OS, DETACH, REINSTALL_OS};

const SYSTEM: &str = "a26887c6-c47b-4654-abb5-000000000000";
const DATA: &str = "a26887c6-c47b-4654-abb5-111111111111";
const COMING: &str = "a26887c6-c47b-4654-abb5-222222222222";
const OTHER: &str = "a26887c6-c47b-4654-abb5-333333333333";
const ATTACH_RULES: &str = "ecs.server_volumes.attach";
const DETACH_RULES: &str = "ecs.server_volumes.detach";

fn disk(id: &str, boot_index: u32, device: &str) -> ServerVolume {
    ServerVolume { id: id.to_owned(), boot_index, device: device.to_owned(), delete_on_termination: false }
}

/// With a system disk, a data disk and one on its way.
fn server() -> Server {
    let volumes = vec![disk(SYSTEM, 0, "/dev/vda"), disk(DATA, 1, "/dev/vdb"), disk(COMING, 2, "/dev/vdc")];
    Server { id: "a".to_owned(), volumes, ..nova::testing::server() }
}

fn volume(id: &str, size_gib: u32, state: &str, server: Option<&str>) -> Volume {
    Volume {
        id: id.to_owned(),
        name: String::new(),
        description: String::new(),
        project_id: "project-1".to_owned(),
        user_id: "user-1".to_owned(),
        size_gib,
        volume_type: "SSD".to_owned(),
        zone: "zone-1".to_owned(),
        bootable: false,
        state: state.to_owned(),
        server_id: server.map(str::to_owned),
        device: String::new(),
        attached_at: None,
        delete_on_termination: false,
        image_id: None,
        snapshot_id: None,
        source_volume_id: None,
        metadata: Vec::new(),
        created_at: 0,
        updated_at: 0,
        attributes: "{}".to_owned(),
    }
}

fn volumes() -> Vec<Volume> {
    vec![
        volume(SYSTEM, 40, "in-use", Some("a")),
        volume(DATA, 10, "detaching", Some("a")),
        volume(COMING, 20, "attaching", Some("a")),
        volume(OTHER, 30, "in-use", Some("b")),
    ]
}

/// A core that knows a server and what it has; where its list of volumes is asked to look, it tells.
fn cloud(server: Server) -> (FakeCloud, Seen<Vec<String>>) {
    let (mut cloud, seen) = (FakeCloud::default(), Seen::default());
    let keep = seen.clone();
    cloud.compute.get_server =
        Some(Box::new(move |id, _| if id == server.id { Ok(server.clone()) } else { Err(not_found("server", id)) }));
    cloud.volumes.get_volume = Some(Box::new(|id| {
        volumes().into_iter().find(|volume| volume.id == id).ok_or_else(|| not_found("volume", id))
    }));
    cloud.volumes.list_volumes = Some(Box::new(move |conditions, page| {
        assert_eq!(told(conditions, "server-id"), ["any-of: a"]);
        keep.push(told(conditions, "project-id"));
        // Two pages, as a core may cut them.
        let (first, second) = (volumes()[1..3].to_vec(), volumes()[..1].to_vec());
        Ok(match page.marker {
            None => VolumePage { volumes: first, next: Some(COMING.to_owned()) },
            Some(_) => VolumePage { volumes: second, next: None },
        })
    }));
    cloud.volumes.list_volume_types = Some(Box::new(|| {
        Ok(["SATA", "SSD"].map(|name| VolumeType { name: name.to_owned(), is_default: name == "SSD" }).to_vec())
    }));
    (cloud, seen)
}

fn devices(of: &str) -> Call {
    Call::new("server_block_devices.list", "GET", "/v2.1/servers/a/block_device").param("server_id", of)
}

fn device(of: &str, id: &str) -> Call {
    let call = Call::new("server_block_devices.get", "GET", "/v2.1/servers/a/block_device/x");
    call.param("server_id", of).param("volume_id", id)
}

fn shown(id: &str, size: u32, device: &str, boot_index: u32) -> Value {
    json!({ "serverId": "a", "volumeId": id, "id": id, "size": size, "device": device, "pciAddress": "",
        "bootIndex": boot_index, "bus": "virtio" })
}

#[test]
fn a_server_shows_the_disks_that_it_has() {
    let (cloud, looked) = cloud(server());
    let (system, data) = (shown(SYSTEM, 40, "/dev/vda", 0), shown(DATA, 10, "/dev/vdb", 1));
    let response = crate::handle(&cloud, &devices("a").build());
    assert_eq!(response.status, 200);
    assert_eq!(json_of(&response), json!({ "volumeAttachments": [system, data] }), "one that comes isn't there yet");
    assert_eq!(looked.all(), [Vec::<String>::new(), Vec::new()]);
    for (id, expected) in [(SYSTEM, &system), (DATA, &data)] {
        let response = crate::handle(&cloud, &device("a", id).build());
        assert_eq!((response.status, json_of(&response)), (200, json!({ "volumeAttachment": expected })));
    }
    rule!("ecs.server_block_devices.list", "bcdb3c07", "cd063c9f", "007b7ab7");
    rule!("ecs.server_block_devices.get", "d1c709be", "cd063c9f", "007b7ab7");
}

#[test]
fn a_disk_or_server_that_is_not_there_has_the_vendors_code() {
    let (cloud, _) = cloud(server());
    for (call, expected) in [
        (devices("b"), (404, "Ecs.0114")),
        (device("b", DATA), (404, "Ecs.0114")),
        (device("a", OTHER), (400, "Ecs.0111")),
        (device("a", COMING), (400, "Ecs.0111")),
    ] {
        assert_eq!(code_of(&crate::handle(&cloud, &call.build())), (expected.0, expected.1.to_owned()));
    }
}

#[test]
fn an_operator_sees_the_disks_of_another_projects_server() {
    let (cloud, looked) = cloud(Server { project_id: "project-2".to_owned(), ..server() });
    let response = crate::handle(&cloud, &devices("a").admin().build());
    assert_eq!(json_of(&response)["volumeAttachments"].as_array().map(Vec::len), Some(2));
    assert_eq!(looked.all()[0], ["any-of: project-2"]);
}

#[test]
fn the_bus_is_told_by_the_device() {
    let (cloud, _) = cloud(Server { volumes: vec![disk(SYSTEM, 0, "/dev/sda")], ..server() });
    assert_eq!(json_of(&crate::handle(&cloud, &device("a", SYSTEM).build()))["volumeAttachment"]["bus"], "scsi");
}

/// What the core is asked for, and its answer.
fn with_acts(cloud: &mut FakeCloud, answer: Result<String, Error>) -> Seen<String> {
    let seen = Seen::default();
    let keep = seen.clone();
    cloud.compute.act_on_servers = Some(Box::new(move |ids, verb, options, as_batch, strict| {
        assert_eq!((ids, as_batch, strict), (&["a".to_owned()][..], false, true));
        keep.push(asked(verb, options));
        answer.clone()
    }));
    seen
}

fn attach(answer: Result<String, Error>, body: &Value) -> (Response, Seen<String>) {
    let mut cloud = cloud(server()).0;
    let seen = with_acts(&mut cloud, answer);
    let call = post(ATTACH, "/v1/project-1/cloudservers/a/attachvolume", body).param("server_id", "a");
    (crate::handle(&cloud, &call.build()), seen)
}

/// A body about the volume, with more in its attachment; `dry_run` beside it.
fn about(volume: &str, more: &Value) -> Value {
    let mut body = json!({ "volumeAttachment": { "volumeId": volume } });
    for (name, value) in more.as_object().into_iter().flatten() {
        if name == "dry_run" { body[name] = value.clone() } else { body["volumeAttachment"][name] = value.clone() }
    }
    body
}

#[test]
fn a_disk_comes_as_a_job() {
    let planned = json!({ "volume_type": "none", "count": 100, "hw:passthrough": "true" });
    for more in [json!({}), json!({ "dry_run": false }), json!({ "device": "" }), json!({ "device": null }), planned] {
        let (response, seen) = attach(Ok(JOB.to_owned()), &about(OTHER, &more));
        assert_eq!((response.status, json_of(&response)), (200, json!({ "job_id": JOB_ON_THE_WIRE })), "{more}");
        assert_eq!(seen.only(), format!("attach-volume volume-id={OTHER} dry-run=false"), "{more}");
    }
    rule!(ATTACH_RULES, "bbb61a8b");
}

#[test]
fn a_mount_point_is_one_of_kvm_and_the_next_free_one() {
    for (given, wanted) in [("/dev/vdd", "/dev/vdd"), ("/dev/sdd", "/dev/vdd"), ("/dev/sdaa", "/dev/vdaa")] {
        let (_, seen) = attach(Ok(JOB.to_owned()), &about(OTHER, &json!({ "device": given })));
        assert_eq!(seen.only(), format!("attach-volume volume-id={OTHER} device={wanted} dry-run=false"));
    }
    let used = Error { reason: Some("used".to_owned()), ..invalid("device", "It is another volume's.") };
    for refusal in [used, invalid("device", "It is not the next free one.")] {
        let (response, _) = attach(Err(refusal.clone()), &about(OTHER, &json!({ "device": "/dev/sda" })));
        assert_eq!(code_of(&response), (400, "Ecs.0005".to_owned()));
        let message = json_of(&response)["error"]["message"].to_string();
        assert!(message.contains("volumeAttachment.device") && message.contains(&refusal.message), "{message}");
    }
    rule!(ATTACH_RULES, "617d2528", "37c3f5f1");
}

#[test]
fn a_dry_run_only_checks() {
    let (response, seen) = attach(Ok(String::new()), &about(OTHER, &json!({ "dry_run": true })));
    assert_eq!((response.status, json_of(&response)), (202, Value::Null));
    assert_eq!(seen.only(), format!("attach-volume volume-id={OTHER} dry-run=true"));
    let wrong = error(ErrorCode::WrongState, "it is being built");
    let (response, _) = attach(Err(wrong), &about(OTHER, &json!({ "dry_run": true })));
    assert_eq!(code_of(&response), (400, "Ecs.0100".to_owned()));
    rule!(ATTACH_RULES, "52f90689");
}

#[test]
fn a_dry_run_looks_whether_a_disk_to_come_would_fit() {
    let planned = |more: Value| {
        let mut whole = json!({ "dry_run": true, "volume_type": "SSD", "hw:passthrough": "false" });
        for (name, value) in more.as_object().into_iter().flatten() {
            whole[name] = value.clone();
        }
        attach(Err(not_found("volume", OTHER)), &about(OTHER, &whole)).0
    };
    // Two data disks are there.
    for fits in [json!({}), json!({ "count": null }), json!({ "count": 57 })] {
        assert_eq!(planned(fits.clone()).status, 202, "{fits}");
    }
    for (more, code, named) in [
        (json!({ "volume_type": null }), "Ecs.0005", "volumeAttachment.volume_type"),
        (json!({ "volume_type": "" }), "Ecs.0005", "volumeAttachment.volume_type"),
        (json!({ "hw:passthrough": null }), "Ecs.0005", "volumeAttachment.hw:passthrough"),
        (json!({ "volume_type": "gold" }), "Ecs.0043", "disk type"),
        (json!({ "count": 58 }), "Ecs.0042", "data disks"),
        (json!({ "count": u32::MAX }), "Ecs.0042", "data disks"),
        (json!({ "dry_run": false }), "Ecs.0103", OTHER),
    ] {
        let response = planned(more.clone());
        assert_eq!(code_of(&response), (400, code.to_owned()), "{more}");
        assert!(json_of(&response)["error"]["message"].to_string().contains(named), "{more}");
    }
    rule!(ATTACH_RULES, "4017eb6d");
}

#[test]
fn what_is_wrong_with_a_disk_to_attach_has_the_vendors_codes() {
    let of_volume = |code: ErrorCode, reason: &str| Error {
        resource: Some(("volume".to_owned(), OTHER.to_owned())),
        reason: Some(reason.to_owned()),
        ..error(code, "the core's words")
    };
    let full = Error { field: Some("disks".to_owned()), ..error(ErrorCode::QuotaExceeded, "62 disks") };
    let taken = of_volume(ErrorCode::WrongState, "not-available");
    for (volume, refusal, expected) in [
        (OTHER, not_found("volume", OTHER), (400, "Ecs.0103")),
        (DATA, taken.clone(), (400, "Ecs.0057")),
        (OTHER, taken.clone(), (400, "Ecs.0017")),
        ("a26887c6-c47b-4654-abb5-444444444444", taken, (400, "Ecs.0103")),
        (OTHER, of_volume(ErrorCode::WrongState, "other-node"), (400, "Ecs.0121")),
        (OTHER, full, (400, "Ecs.0104")),
        (OTHER, not_found("server", "a"), (404, "Ecs.0114")),
        (OTHER, error(ErrorCode::WrongState, "it is being built"), (400, "Ecs.0100")),
        (OTHER, error(ErrorCode::Locked, "it is locked"), (400, "Ecs.0605")),
    ] {
        let (response, _) = attach(Err(refusal.clone()), &about(volume, &json!({})));
        assert_eq!(code_of(&response), (expected.0, expected.1.to_owned()), "{refusal:?}");
    }
}

#[test]
fn a_malformed_attachment_names_its_parameter() {
    for (body, named) in [
        (json!({}), "volumeAttachment"),
        (json!({ "volumeAttachment": {} }), "volumeAttachment.volumeId"),
        (about("disk-1", &json!({})), "volumeAttachment.volumeId"),
        (about(OTHER, &json!({ "device": 1 })), "volumeAttachment.device"),
        (about(OTHER, &json!({ "volume_type": 1 })), "volumeAttachment.volume_type"),
        (about(OTHER, &json!({ "count": 0 })), "volumeAttachment.count"),
        (about(OTHER, &json!({ "count": "5" })), "volumeAttachment.count"),
        (about(OTHER, &json!({ "hw:passthrough": true })), "volumeAttachment.hw:passthrough"),
        (about(OTHER, &json!({ "other": 1 })), "volumeAttachment.other"),
        (about(OTHER, &json!({ "dry_run": "yes" })), "dry_run"),
    ] {
        let (response, seen) = attach(Ok(JOB.to_owned()), &body);
        assert_eq!(code_of(&response), (400, "Ecs.0005".to_owned()), "{body}");
        assert!(json_of(&response)["error"]["message"].to_string().contains(named), "{body}");
        assert!(seen.all().is_empty(), "{body}");
    }
}

fn detach(power: PowerState, answer: Result<String, Error>, flag: Option<&str>) -> (Response, Seen<String>) {
    let mut cloud = cloud(Server { power_state: power, ..server() }).0;
    let seen = with_acts(&mut cloud, answer);
    let call = Call::new(DETACH, "DELETE", "/v1/project-1/cloudservers/a/detachvolume/x");
    let call = call.param("server_id", "a").param("volume_id", DATA);
    let call = flag.map_or(call.clone(), |flag| call.query("delete_flag", flag));
    (crate::handle(&cloud, &call.build()), seen)
}

#[test]
fn a_disk_leaves_as_a_job_and_is_taken_by_force_where_no_guest_runs() {
    for (power, flag) in [
        (PowerState::Running, None),
        (PowerState::Running, Some("0")),
        (PowerState::Running, Some("")),
        (PowerState::ShutDown, None),
        (PowerState::ShutDown, Some("1")),
    ] {
        let (response, seen) = detach(power, Ok(JOB.to_owned()), flag);
        assert_eq!((response.status, json_of(&response)), (200, json!({ "job_id": JOB_ON_THE_WIRE })), "{flag:?}");
        assert_eq!(seen.only(), format!("detach-volume volume-id={DATA}"), "{flag:?}");
    }
    rule!(DETACH_RULES, "259c2b7f");
}

#[test]
fn what_is_wrong_with_a_detachment_has_the_vendors_codes() {
    for flag in ["2", "true", "-1"] {
        let (response, seen) = detach(PowerState::ShutDown, Ok(JOB.to_owned()), Some(flag));
        assert_eq!(code_of(&response), (400, "Ecs.0005".to_owned()), "{flag}");
        assert!(json_of(&response)["error"]["message"].to_string().contains("delete_flag"), "{flag}");
        assert!(seen.all().is_empty(), "{flag}");
    }
    let state = |reason: &str| Error { reason: Some(reason.to_owned()), ..error(ErrorCode::WrongState, "no") };
    for (refusal, expected) in [
        (not_found("volume", DATA), (400, "Ecs.0111")),
        (not_found("server", "a"), (404, "Ecs.0114")),
        (state("system-disk"), (400, "Ecs.0102")),
        (state("not-in-use"), (400, "Ecs.0102")),
        (state("node-away"), (400, "Ecs.0100")),
        (error(ErrorCode::Locked, "it is locked"), (400, "Ecs.0605")),
        (error(ErrorCode::Busy, "it is busy"), (501, "Ecs.0603")),
    ] {
        let (response, _) = detach(PowerState::Running, Err(refusal.clone()), None);
        assert_eq!(code_of(&response), (expected.0, expected.1.to_owned()), "{refusal:?}");
    }
}

/// The message with which an entry of the table of what isn't supported is refused.
pub fn refusal(entry: &Unsupported) -> String {
    let response = match entry.operation {
        ATTACH => {
            let planned = json!({ "dry_run": true, "volume_type": "SSD", "hw:passthrough": "true" });
            attach(Err(not_found("volume", OTHER)), &about(OTHER, &planned)).0
        }
        DETACH => {
            let (response, seen) = detach(PowerState::Running, Ok(JOB.to_owned()), Some("1"));
            assert!(seen.all().is_empty(), "{entry:?} reached the core");
            response
        }
        REINSTALL_OS | CHANGE_OS => super::rebuilds::refusal(entry),
        other => panic!("no request asks for {other}"),
    };
    assert_eq!(code_of(&response), (400, entry.code.to_owned()), "{entry:?}");
    json_of(&response)["error"]["message"].as_str().unwrap().to_owned()
}
