//! What Nova passes on to other services: security groups, networks, volumes, snapshots.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::networks::{GroupPage, Network, NetworkPage, RuleCreate, SecurityGroup, SecurityGroupRule};
use skyloom_sdk::cloud::volumes::{Snapshot, SnapshotPage, Volume, VolumeCreate, VolumePage};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, not_found};
use skyloom_sdk::{ErrorCode, rule};

const GROUP: &str = "5b1a1b44-4cd2-4f5a-9c7a-1d0c1f2d3e01";
const OTHER: &str = "5b1a1b44-4cd2-4f5a-9c7a-1d0c1f2d3e02";

fn group_rule(ingress: bool, protocol: Option<&str>, ports: (Option<i32>, Option<i32>)) -> SecurityGroupRule {
    SecurityGroupRule {
        id: "rule-1".to_owned(),
        group_id: GROUP.to_owned(),
        project_id: "project-1".to_owned(),
        ingress,
        ip_version: 4,
        protocol: protocol.map(ToOwned::to_owned),
        port_min: ports.0,
        port_max: ports.1,
        remote_cidr: None,
        remote_group_id: None,
        description: String::new(),
        created_at: NOON,
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

fn group(id: &str, rules: Vec<SecurityGroupRule>) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        name: format!("name of {id}"),
        description: "front".to_owned(),
        project_id: "project-1".to_owned(),
        stateful: true,
        rules,
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

/// A core with two groups; what rules it was asked for.
fn with_groups() -> (FakeCloud, Seen<RuleCreate>) {
    let of_group = SecurityGroupRule {
        remote_group_id: Some(OTHER.to_owned()),
        ..group_rule(true, Some("udp"), (Some(53), Some(53)))
    };
    let ping = group_rule(true, Some("icmp"), (Some(8), Some(0)));
    let groups =
        vec![group(GROUP, vec![of_group, ping, group_rule(false, None, (None, None))]), group(OTHER, Vec::new())];
    let mut cloud = FakeCloud::default();
    let known = groups.clone();
    cloud.networks.get_security_group = Some(Box::new(move |id| {
        known.iter().find(|group| group.id == id).cloned().ok_or_else(|| not_found("security-group", id))
    }));
    cloud.networks.list_security_groups = Some(Box::new(move |conditions, page| {
        let named = conditions.iter().find(|condition| condition.field == "id");
        let wanted = |group: &&SecurityGroup| named.is_none_or(|named| named.values.contains(&group.id));
        let groups: Vec<_> = groups.iter().filter(wanted).take(page.limit as usize).cloned().collect();
        Ok(GroupPage { groups, next: None })
    }));
    let seen = Seen::default();
    let keep = seen.clone();
    cloud.networks.create_security_group_rules = Some(Box::new(move |creates| {
        keep.push(creates[0].clone());
        let made = group_rule(true, creates[0].protocol.as_deref(), (creates[0].port_min, creates[0].port_max));
        let RuleCreate { remote_cidr, remote_group_id, .. } = creates[0].clone();
        Ok(vec![SecurityGroupRule { remote_cidr, remote_group_id, ..made }])
    }));
    (cloud, seen)
}

fn list(operation: &str) -> Call {
    get(operation, "/v2.1/x")
}

#[test]
fn a_group_is_shown_with_what_it_lets_in() {
    let (cloud, _) = with_groups();
    let (status, body) = ask(
        &cloud,
        upstream(),
        get("security_groups.show", "/v2.1/os-security-groups/x").param("security_group_id", GROUP),
    );
    assert_eq!(status, 200);
    let of_group = json!({ "id": "rule-1", "parent_group_id": GROUP, "ip_protocol": "udp", "from_port": 53, "to_port": 53,
        "group": { "name": format!("name of {OTHER}"), "tenant_id": "project-1" }, "ip_range": {} });
    let ping = json!({ "id": "rule-1", "parent_group_id": GROUP, "ip_protocol": "icmp", "from_port": 8, "to_port": 0,
        "group": {}, "ip_range": { "cidr": "0.0.0.0/0" } });
    let expected = json!({ "id": GROUP, "name": format!("name of {GROUP}"), "description": "front",
        "tenant_id": "project-1", "rules": [of_group, ping] });
    assert_eq!(body["security_group"], expected);
    let (_, body) = ask(&cloud, upstream(), list("security_groups.list"));
    assert_eq!(body["security_groups"][0], expected);
    rule!("nova.security_groups.show", "c7025f1b", "ae8f8695", "83fe7214");
    rule!("nova.security_groups.list", "ae8f8695", "83fe7214");
    let missing = get("security_groups.show", "/v2.1/os-security-groups/x").param("security_group_id", "none");
    assert_eq!(refused(&cloud, upstream(), missing, 404), "Security group none not found.");
}

#[test]
fn upstream_cuts_lists_of_groups_and_the_vendor_does_not() {
    let (cloud, _) = with_groups();
    let cut = || list("security_groups.list").query("limit", "1").query("offset", "1");
    let ids = |body: &Value| -> Vec<String> {
        body["security_groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| group["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&ask(&cloud, upstream(), cut()).1), [OTHER]);
    assert_eq!(ids(&ask(&cloud, ecs(), cut()).1), [GROUP, OTHER]);
    rule!("nova.security_groups.list", "e6bc8a89");
    let wrong = list("security_groups.list").query("offset", "x");
    assert!(refused(&cloud, upstream(), wrong, 400).contains("offset"));
    let beyond = list("security_groups.list").query("offset", "99999999999999999999999");
    assert!(ids(&ask(&cloud, upstream(), beyond).1).is_empty());
}

fn rule_call(members: Value) -> Call {
    let mut body = json!({ "parent_group_id": GROUP });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let body = json!({ "security_group_rule": body });
    post("security_group_rules.create", "/v2.1/os-security-group-rules", &body)
}

#[test]
fn a_rule_lets_in_a_range_or_a_groups_ports() {
    let (cloud, seen) = with_groups();
    let ports = json!({ "ip_protocol": "tcp", "from_port": "80", "to_port": 88, "cidr": "10.0.0.0/8" });
    let (status, body) = ask(&cloud, upstream(), rule_call(ports));
    assert_eq!((status, &body["security_group_rule"]["ip_range"]), (200, &json!({ "cidr": "10.0.0.0/8" })), "{body}");
    let create = seen.all().pop().unwrap();
    assert_eq!((create.port_min, create.port_max, create.ingress, create.ip_version), (Some(80), Some(88), true, 4));

    let both =
        json!({ "ip_protocol": "icmp", "from_port": -1, "to_port": -1, "cidr": "10.0.0.0/8", "group_id": OTHER });
    let (_, body) = ask(&cloud, upstream(), rule_call(both.clone()));
    assert_eq!(body["security_group_rule"]["group"]["name"], format!("name of {OTHER}"), "{body}");
    let create = seen.all().pop().unwrap();
    assert_eq!((create.remote_cidr, create.remote_group_id.as_deref()), (None, Some(OTHER)));
    assert_eq!((create.port_min, create.port_max), (None, None));
    let (_, body) = ask(&cloud, ecs(), rule_call(both));
    assert_eq!(body["security_group_rule"]["group"], json!({}));
    rule!("nova.security_group_rules.create", "8322310e", "42d9c193", "a9e44854");

    let all_of_group = json!({ "group_id": OTHER });
    assert_eq!(ask(&cloud, upstream(), rule_call(all_of_group)).0, 200);
    let v6 = json!({ "ip_protocol": "udp", "from_port": 1, "to_port": 1, "cidr": "2001:db8::/32" });
    assert_eq!(ask(&cloud, upstream(), rule_call(v6)).0, 200);
    assert_eq!(seen.all().pop().unwrap().ip_version, 6);
}

#[test]
fn what_a_rule_cannot_be_is_told() {
    let (cloud, seen) = with_groups();
    for (members, says) in [
        (json!({}), "Not enough parameters"),
        (json!({ "ip_protocol": "tcp", "cidr": "10.0.0.0/8" }), "from_port and to_port are required"),
        (json!({ "ip_protocol": "tcp", "from_port": 2, "to_port": 1 }), "Invalid port range 2:1. Former"),
        (json!({ "ip_protocol": "udp", "from_port": 0, "to_port": 1 }), "Valid UDP ports should be between 1-65535"),
        (json!({ "ip_protocol": "icmp", "from_port": 256, "to_port": 1 }), "the type:code must be valid"),
        (json!({ "ip_protocol": "icmp", "from_port": "x", "to_port": 1 }), "Type and Code must be integers"),
        (json!({ "ip_protocol": "tcp", "from_port": "x", "to_port": 1 }), "To and From ports must be integers"),
        (json!({ "ip_protocol": "gre", "from_port": 1, "to_port": 1 }), "Invalid IP protocol gre."),
        (json!({ "ip_protocol": "gre", "group_id": OTHER }), "Invalid IP protocol gre."),
        (
            json!({ "ip_protocol": "tcp", "from_port": 1, "to_port": 1, "cidr": "10.0.0.0/33" }),
            "Invalid cidr 10.0.0.0/33.",
        ),
        (json!({ "ip_protocol": "tcp", "from_port": 1, "to_port": 1, "cidr": "somewhere" }), "Invalid cidr somewhere."),
    ] {
        let told = refused(&cloud, upstream(), rule_call(members.clone()), 400);
        assert!(told.contains(says), "{members}: {told}");
    }
    let gone = refused(&cloud, upstream(), rule_call(json!({ "group_id": "none" })), 404);
    assert_eq!(gone, "Security group none not found.");
    assert!(seen.all().is_empty());
}

#[test]
fn networks_are_ids_and_names() {
    let mut cloud = FakeCloud::default();
    cloud.networks.list_networks = Some(Box::new(|_, _| Ok(NetworkPage { networks: vec![network()], next: None })));
    let (status, body) = ask(&cloud, upstream(), list("networks.list"));
    let shown = body["networks"][0].as_object().unwrap();
    assert_eq!((status, &shown["id"], &shown["label"]), (200, &json!(NETWORK), &json!("private")));
    assert!(shown.iter().all(|(name, value)| value.is_null() || name == "id" || name == "label"), "{shown:?}");
    assert_eq!(shown.len(), 12);
    let (_, body) = ask(&cloud, upstream(), list("networks.list").admin());
    assert_eq!(body["networks"][0].as_object().unwrap().len(), 32);
    rule!("nova.networks.list", "a451f77b", "ee3c74fa");
}

fn network() -> Network {
    Network {
        id: NETWORK.to_owned(),
        name: "private".to_owned(),
        description: String::new(),
        project_id: "project-1".to_owned(),
        shared: false,
        external: false,
        enabled: true,
        mtu: 1500,
        port_security: true,
        is_default: false,
        subnet_ids: Vec::new(),
        zone: None,
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

fn volume(state: &str, server: Option<&str>) -> Volume {
    Volume {
        id: "vol-1".to_owned(),
        name: "data".to_owned(),
        description: "more".to_owned(),
        project_id: "project-1".to_owned(),
        user_id: "user-1".to_owned(),
        size_gib: 3,
        volume_type: "default".to_owned(),
        zone: "nova".to_owned(),
        bootable: false,
        state: state.to_owned(),
        server_id: server.map(ToOwned::to_owned),
        device: "/dev/vdb".to_owned(),
        attached_at: server.map(|_| NOON),
        delete_on_termination: false,
        image_id: None,
        snapshot_id: None,
        source_volume_id: None,
        metadata: vec![("a".to_owned(), "b".to_owned())],
        created_at: NOON,
        updated_at: NOON,
        attributes: "{}".to_owned(),
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        id: "snap-1".to_owned(),
        name: "before".to_owned(),
        description: String::new(),
        project_id: "project-1".to_owned(),
        user_id: "user-1".to_owned(),
        volume_id: "vol-1".to_owned(),
        size_gib: 3,
        state: "creating".to_owned(),
        metadata: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        attributes: "{}".to_owned(),
    }
}

#[test]
fn both_lists_of_volumes_show_all() {
    let mut cloud = FakeCloud::default();
    cloud.volumes.list_volumes = Some(Box::new(|_, _| {
        Ok(VolumePage { volumes: vec![volume("growing", None), volume("in-use", Some(SERVER))], next: None })
    }));
    let free = json!({ "id": "vol-1", "status": "extending", "size": 3, "availabilityZone": "nova",
        "createdAt": "2026-01-31T12:00:00.500000", "attachments": [{}], "displayName": "data",
        "displayDescription": "more", "volumeType": "default", "snapshotId": null, "metadata": { "a": "b" } });
    let attached = json!([{ "id": "vol-1", "volumeId": "vol-1", "serverId": SERVER, "device": "/dev/vdb" }]);
    for operation in ["volumes.list", "volumes.list_detail"] {
        let (status, body) = ask(&cloud, upstream(), list(operation));
        assert_eq!((status, &body["volumes"][0]), (200, &free));
        assert_eq!(body["volumes"][1]["attachments"], attached);
    }
    rule!("nova.volumes.list", "0f32074c");
}

#[test]
fn a_list_is_read_page_by_page_and_ends_before_it_is_too_large() {
    let mut cloud = FakeCloud::default();
    let asked: Seen<(Option<String>, u32)> = Seen::default();
    let keep = asked.clone();
    cloud.volumes.list_volumes = Some(Box::new(move |_, page| {
        keep.push((page.marker.clone(), page.limit));
        let large = Volume { description: "x".repeat(1 << 20), ..volume("available", None) };
        Ok(VolumePage { volumes: vec![large; 5], next: Some("next".to_owned()) })
    }));
    let count = |limit: &str| {
        let (status, body) = ask(&cloud, upstream(), list("volumes.list").query("limit", limit).query("offset", "3"));
        assert_eq!(status, 200);
        body["volumes"].as_array().unwrap().len()
    };
    assert_eq!(count("4"), 4);
    assert_eq!(asked.all(), [(None, 7), (Some("next".to_owned()), 2)]);
    // Pages of five MiB, of which three rows are passed over: after the third there are more than eight.
    assert_eq!(count("1000"), 12);
}

#[test]
fn a_volume_begins_empty_or_as_a_snapshot() {
    let seen: Seen<VolumeCreate> = Seen::default();
    let keep = seen.clone();
    let mut cloud = FakeCloud::default();
    cloud.volumes.create_volume = Some(Box::new(move |create| {
        keep.push(create.clone());
        match create.source_id.as_deref() {
            Some("none") => Err(not_found("snapshot", "none")),
            _ => Ok(volume("creating", None)),
        }
    }));
    let create = |members: Value| post("volumes.create", "/v2.1/os-volumes", &json!({ "volume": members }));
    let (status, body) = ask(&cloud, upstream(), create(json!({ "size": "3", "display_name": "data" })));
    assert_eq!((status, &body["volume"]["status"]), (200, &json!("creating")), "{body}");
    let asked = seen.all().pop().unwrap();
    assert_eq!((asked.size_gib, asked.source.as_str(), asked.name.as_str()), (Some(3), "empty", "data"));
    assert_eq!(ask(&cloud, upstream(), create(json!({ "snapshot_id": "snap-1" }))).0, 200);
    let asked = seen.all().pop().unwrap();
    assert_eq!((asked.size_gib, asked.source.as_str(), asked.source_id.as_deref()), (None, "snapshot", Some("snap-1")));
    assert!(refused(&cloud, upstream(), create(json!({ "display_name": "data" })), 400).contains("'size'"));
    let gone = refused(&cloud, upstream(), create(json!({ "snapshot_id": "none" })), 404);
    assert_eq!(gone, "Snapshot none could not be found.");
    rule!("nova.volumes.create", "d6646424", "9e6cbe37");
    let without = || create(json!({ "size": 1 }));
    assert!(refused(&cloud, ecs(), without(), 400).contains("'availability_zone'"));
    assert_eq!(ask(&cloud, upstream(), without()).0, 200);
    let with = create(json!({ "size": 1, "availability_zone": "az1" }));
    assert_eq!(ask(&cloud, ecs(), with).0, 200);
    assert_eq!(seen.all().pop().unwrap().zone.as_deref(), Some("az1"));
    rule!("nova.volumes.create", "ef9da7ca");
}

#[test]
fn a_snapshot_is_of_a_volume_that_no_server_has() {
    let mut cloud = FakeCloud::default();
    cloud.volumes.create_snapshot = Some(Box::new(|create| match create.volume_id.as_str() {
        "vol-1" => Ok(snapshot()),
        "in-use" => Err(error(ErrorCode::WrongState, "The volume is in-use, not available.")),
        id => Err(not_found("volume", id)),
    }));
    let create = |members: Value| {
        let mut body = json!({ "volume_id": "vol-1", "display_name": "before" });
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        post("snapshots.create", "/v2.1/os-snapshots", &json!({ "snapshot": body }))
    };
    let (status, body) = ask(&cloud, upstream(), create(json!({ "force": "True" })));
    assert_eq!(
        (status, &body["snapshot"]["status"], &body["snapshot"]["volumeId"]),
        (200, &json!("creating"), &json!("vol-1"))
    );
    rule!("nova.snapshots.create", "eac47881");
    for force in [json!(false), json!(true), json!(null)] {
        let told = refused(&cloud, upstream(), create(json!({ "volume_id": "in-use", "force": force })), 400);
        assert_eq!(told, "Invalid input received: The volume is in-use, not available.");
    }
    assert!(refused(&cloud, upstream(), create(json!({ "force": "perhaps" })), 400).contains("force"));
    let gone = refused(&cloud, upstream(), create(json!({ "volume_id": "none" })), 404);
    assert_eq!(gone, "Volume none could not be found.");
    let reserved = || create(json!({ "display_name": "autobk_snapshot_1" }));
    assert_eq!(ask(&cloud, upstream(), reserved()).0, 200);
    assert!(refused(&cloud, ecs(), reserved(), 400).contains("display_name"));
    rule!("nova.snapshots.create", "6d6b88e7");
}

#[test]
fn what_a_state_forbids_is_a_bad_request() {
    let mut cloud = FakeCloud::default();
    cloud.volumes.delete_volume = Some(Box::new(|_| Err(error(ErrorCode::InUse, "A server has it."))));
    cloud.volumes.list_snapshots = Some(Box::new(|_, _| Ok(SnapshotPage { snapshots: vec![snapshot()], next: None })));
    let delete = Call::new("volumes.delete", "DELETE", "/v2.1/os-volumes/x").version(2, 1).param("volume_id", "vol-1");
    assert_eq!(refused(&cloud, upstream(), delete, 400), "Invalid input received: A server has it.");
    let (status, body) = ask(&cloud, upstream(), list("snapshots.list"));
    assert_eq!((status, &body["snapshots"][0]["displayName"]), (200, &json!("before")));
}

#[test]
fn all_of_it_ends_with_2_35() {
    let (cloud, _) = with_groups();
    for operation in ["networks.list", "security_groups.list", "volumes.list", "snapshots.list"] {
        // Whatever else is wrong.
        let at = |minor| get(operation, "/v2.1/x").version(2, minor).query("limit", "-1");
        assert_eq!(refused(&cloud, upstream(), at(36), 404), "The resource could not be found.");
    }
    assert_eq!(ask(&cloud, upstream(), list("security_groups.list").version(2, 35)).0, 200);
}
