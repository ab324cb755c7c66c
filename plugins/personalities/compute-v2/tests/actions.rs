//! Power, console, metadata and the parts of a server.

use std::cell::RefCell;
use std::rc::Rc;

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{MetadataMode, Server, TaskState, VmState};
use skyloom_sdk::cloud::networks::{GroupPage, PortPage, SecurityGroup, SecurityGroupRule};
use skyloom_sdk::cloud::operations::{Operation, OperationPage, OperationState, Step};
use skyloom_sdk::conditions::{is, told};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, not_permitted};
use skyloom_sdk::{ErrorCode, rule};

#[test]
fn power_is_changed_of_one_server() {
    for body in [json!({ "os-start": null }), json!({ "os-start": {} })] {
        assert_eq!(act("servers.start", body, ecs()), "start");
    }
    rule!("nova.servers.start", "241a52c1");
    for (body, hard) in [
        (json!({ "os-stop": null }), false),
        (json!({ "os-stop": {} }), false),
        (json!({ "os-stop": { "type": "SOFT" } }), false),
        (json!({ "os-stop": { "type": "HARD" } }), true),
    ] {
        assert_eq!(act("servers.stop", body.clone(), ecs()), format!("stop hard={hard}"));
        // Upstream knows no type here and overlooks it.
        assert_eq!(act("servers.stop", body, upstream()), "stop hard=false");
    }
    rule!("nova.servers.stop", "10309fa8", "2c767fc6");
    for (kind, hard) in [("SOFT", false), ("HARD", true), ("Hard", true), ("soft", false)] {
        assert_eq!(act("servers.reboot", json!({ "reboot": { "type": kind } }), ecs()), format!("reboot hard={hard}"));
    }
    rule!("nova.servers.reboot", "1308b488", "f4574120");
    let (cloud, seen) = with_actions();
    for body in [json!({ "reboot": {} }), json!({ "reboot": { "type": "WARM" } }), json!({ "reboot": null })] {
        refused(&cloud, upstream(), post("servers.reboot", "/v2.1/servers/x/action", &body), 400);
    }
    refused(&cloud, ecs(), post("servers.stop", "/v2.1/servers/x/action", &json!({ "os-stop": { "type": 1 } })), 400);
    assert!(seen.all().is_empty());
}

#[test]
fn a_server_stands_still_and_goes_on() {
    for settings in [upstream(), ecs()] {
        for word in ["pause", "unpause", "suspend", "resume"] {
            for value in [Value::Null, json!({})] {
                assert_eq!(act(&format!("servers.{word}"), json!({ word: value }), settings), word);
            }
        }
    }
    let (mut cloud, _) = with_actions();
    cloud.compute.act_on_servers = Some(Box::new(|_, _, _, _, _| Err(error(ErrorCode::WrongState, "no"))));
    cloud.compute.get_server = with_server(Server { vm_state: VmState::Suspended, ..server() }).compute.get_server;
    let pause = post("servers.pause", "/v2.1/servers/x/action", &json!({ "pause": null }));
    let message = refused(&cloud, upstream(), pause, 409);
    assert_eq!(message, format!("Cannot 'pause' instance {SERVER} while it is in vm_state suspended"));
}

#[test]
fn a_lock_has_a_reason_from_2_73_on() {
    let reason = || json!({ "lock": { "locked_reason": "audit" } });
    for (body, version, expected) in [
        (json!({ "lock": null }), 1, "lock"),
        (json!({ "lock": null }), 73, "lock"),
        (json!({ "lock": {} }), 96, "lock"),
        (reason(), 72, "lock"),
        (reason(), 73, "lock reason=audit"),
    ] {
        let (cloud, seen) = with_acts(server());
        let lock = post("servers.lock", "/v2.1/servers/x/action", &body).version(2, version);
        assert_eq!(call(&cloud, upstream(), lock).status, 202, "{body}");
        assert_eq!(seen.only(), expected, "{body} at 2.{version}");
    }
    assert_eq!(act("servers.unlock", json!({ "unlock": null }), ecs()), "unlock");
    let (cloud, seen) = with_acts(server());
    let wrong = post("servers.lock", "/v2.1/servers/x/action", &json!({ "lock": { "locked_reason": 1 } }));
    let message = refused(&cloud, upstream(), wrong.version(2, 73), 400);
    assert_eq!(message, "Invalid input for field/attribute locked_reason. It is not of type 'string'");
    assert!(seen.all().is_empty());
}

#[test]
fn what_is_locked_is_a_conflict_and_an_operators_lock_forbidden_to_others() {
    let (mut cloud, _) = with_actions();
    cloud.compute.act_on_servers = Some(Box::new(|_, verb, _, _, _| {
        if verb == "unlock" {
            return Err(not_permitted("servers:unlock-any"));
        }
        let resource = Some(("server".to_owned(), SERVER.to_owned()));
        Err(skyloom_sdk::Error { resource, ..error(ErrorCode::Locked, "It is locked.") })
    }));
    for settings in [upstream(), ecs()] {
        let stop = post("servers.stop", "/v2.1/servers/x/action", &json!({ "os-stop": null }));
        assert_eq!(refused(&cloud, settings, stop, 409), format!("Instance {SERVER} is locked"));
        let unlock = post("servers.unlock", "/v2.1/servers/x/action", &json!({ "unlock": null }));
        let rule = "os_compute_api:os-lock-server:unlock:unlock_override";
        let expected = format!("Policy doesn't allow {rule} to be performed.");
        assert_eq!(refused(&cloud, settings, unlock, 403), expected);
    }
}

#[test]
fn a_locked_server_says_so_and_why() {
    let cloud = with_server(Server { locked: true, locked_reason: Some("audit".to_owned()), ..server() });
    for (version, locked, reason) in [
        (8, Value::Null, Value::Null),
        (9, json!(true), Value::Null),
        (72, json!(true), Value::Null),
        (73, json!(true), json!("audit")),
    ] {
        let (_, body) = ask(&cloud, upstream(), get("servers.show", "/v2.1/servers/x").version(2, version));
        let shown = (body["server"]["locked"].clone(), body["server"]["locked_reason"].clone());
        assert_eq!(shown, (locked, reason), "2.{version}");
    }
    rule!("nova.servers.lock", "2687982f");
}

#[test]
fn a_state_in_the_way_is_named() {
    let (mut cloud, _) = with_actions();
    cloud.compute.act_on_servers = Some(Box::new(|_, _, _, _, _| Err(error(ErrorCode::WrongState, "no"))));
    let start = || post("servers.start", "/v2.1/servers/x/action", &json!({ "os-start": null }));
    let message = refused(&cloud, upstream(), start(), 409);
    assert_eq!(message, format!("Cannot 'start' instance {SERVER} while it is in vm_state active"));
    let mut busy = server();
    busy.task_state = Some(TaskState::PoweringOff);
    cloud.compute.get_server = with_server(busy).compute.get_server;
    cloud.compute.act_on_servers = Some(Box::new(|_, _, _, _, _| Err(error(ErrorCode::Busy, "no"))));
    let message = refused(&cloud, upstream(), start(), 409);
    assert_eq!(message, format!("Cannot 'start' instance {SERVER} while it is in task_state powering-off"));
}

#[test]
fn the_console_is_read_by_lines() {
    let seen: Seen<Option<u32>> = Seen::default();
    let keep = seen.clone();
    let mut cloud = with_server(server());
    cloud.compute.console_output = Some(Box::new(move |_, lines| {
        keep.push(lines);
        Ok("boot\r\n\u{1b}[0mlogin:".to_owned())
    }));
    let ask_console = |length: Value, settings, version| {
        let body = json!({ "os-getConsoleOutput": length });
        ask(&cloud, settings, post("servers.get_console_output", "/v2.1/servers/x/action", &body).version(2, version))
    };
    for (length, lines) in [
        (json!({}), None),
        (json!({ "length": null }), None),
        (json!({ "length": -1 }), None),
        (json!({ "length": "50" }), Some(50)),
        (json!({ "length": 5 }), Some(5)),
    ] {
        assert_eq!(ask_console(length, ecs(), 5), (200, json!({ "output": "boot\n[0mlogin:" })));
        assert_eq!(seen.all().pop(), Some(lines));
    }
    assert_eq!(ask_console(json!({ "length": 0 }), upstream(), 1), (200, json!({ "output": "" })));
    assert_eq!(ask_console(json!({ "length": "x" }), upstream(), 1).0, 400);
    assert_eq!(ask_console(json!({ "length": -2 }), upstream(), 1).0, 400);
    assert_eq!(ask_console(json!({}), ecs(), 6).0, 404);
    assert_eq!(ask_console(json!({}), upstream(), 96).0, 200);
    rule!("nova.servers.get_console_output", "f4614c28");
}

type Items = Rc<RefCell<Vec<(String, String)>>>;

/// A server whose metadata behaves as the contract says.
fn with_metadata(vm_state: VmState) -> (FakeCloud, Items) {
    let items: Items = Rc::new(RefCell::new(vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]));
    let mut cloud = FakeCloud::default();
    let shown = items.clone();
    cloud.compute.get_server = Some(Box::new(move |_, parts| {
        let metadata = if parts.contains(&"metadata".to_owned()) { shown.borrow().clone() } else { Vec::new() };
        Ok(Server { vm_state, metadata, ..server() })
    }));
    let written = items.clone();
    cloud.compute.set_metadata = Some(Box::new(move |_, pairs, mode| {
        let mut items = written.borrow_mut();
        if mode == MetadataMode::Replace {
            items.clear();
        }
        for (key, value) in pairs {
            items.retain(|(other, _)| other != key);
            items.push((key.clone(), value.clone()));
        }
        Ok(items.clone())
    }));
    let deleted = items.clone();
    cloud.compute.delete_metadata = Some(Box::new(move |_, key| {
        deleted.borrow_mut().retain(|(other, _)| other != key);
        Ok(())
    }));
    (cloud, items)
}

const METADATA: &str = "/v2.1/servers/x/metadata";

fn metadata_calls(body: &Value) -> [(&'static str, Call); 4] {
    let name = body.as_object().and_then(|items| items.keys().next()).cloned().unwrap_or_default();
    let delete = Call::new("server_metadata.delete_item", "DELETE", METADATA).param("server_id", SERVER);
    [
        ("nova.server_metadata.update", post("server_metadata.update", METADATA, &json!({ "metadata": body }))),
        ("nova.server_metadata.replace", put("server_metadata.replace", METADATA, &json!({ "metadata": body }))),
        (
            "nova.server_metadata.update_item",
            put("server_metadata.update_item", METADATA, &json!({ "meta": body })).param("key", &name),
        ),
        ("nova.server_metadata.delete_item", delete.param("key", &name)),
    ]
}

#[test]
fn metadata_is_merged_replaced_and_deleted() {
    let body = json!({ "a": "9", "c": "3" });
    let (cloud, _) = with_metadata(VmState::Active);
    let (status, answer) = ask(&cloud, ecs(), post("server_metadata.update", METADATA, &json!({ "metadata": body })));
    assert_eq!((status, answer), (200, json!({ "metadata": { "a": "9", "b": "2", "c": "3" } })));
    rule!("nova.server_metadata.update", "f048aaa1", "ab2f9418", "c39c5a47");
    let (status, answer) =
        ask(&cloud, ecs(), put("server_metadata.replace", METADATA, &json!({ "metadata": { "z": "1" } })));
    assert_eq!((status, answer), (200, json!({ "metadata": { "z": "1" } })));
    rule!("nova.server_metadata.replace", "663dd91e");
    let item = |key: &str, body: Value| {
        put("server_metadata.update_item", METADATA, &json!({ "meta": body })).param("key", key)
    };
    assert_eq!(ask(&cloud, ecs(), item("z", json!({ "z": "2" }))), (200, json!({ "meta": { "z": "2" } })));
    assert_eq!(ask(&cloud, ecs(), item("n", json!({ "n": "3" }))), (200, json!({ "meta": { "n": "3" } })));
    assert_eq!(
        ask(&cloud, ecs(), get("server_metadata.list", METADATA).query("limit", "1")).1,
        json!({ "metadata": { "z": "2", "n": "3" } })
    );
    rule!("nova.server_metadata.update_item", "732f02c3");
    rule!("nova.server_metadata.list", "e6bc8a89");
    assert_eq!(refused(&cloud, ecs(), item("x", json!({ "z": "2" })), 400), "Request body and URI mismatch");
    refused(&cloud, ecs(), item("z", json!({ "z": "2", "y": "1" })), 400);
    let show = |key: &str| get("server_metadata.show_item", METADATA).param("key", key);
    assert_eq!(ask(&cloud, ecs(), show("z")), (200, json!({ "meta": { "z": "2" } })));
    assert_eq!(refused(&cloud, ecs(), show("q"), 404), "Metadata item was not found");
    let delete = |key: &str| {
        Call::new("server_metadata.delete_item", "DELETE", METADATA).param("server_id", SERVER).param("key", key)
    };
    assert_eq!(ask(&cloud, ecs(), delete("z")), (204, Value::Null));
    assert_eq!(refused(&cloud, ecs(), delete("z"), 404), "Metadata item was not found");
    rule!("nova.server_metadata.delete_item", "7c774898");
}

#[test]
fn metadata_is_written_at_rest_only() {
    for state in skyloom_sdk::states::VM_STATES {
        let allowed = matches!(state, VmState::Active | VmState::Stopped | VmState::Paused | VmState::Suspended);
        for (_, call) in metadata_calls(&json!({ "a": "9" })) {
            let (cloud, items) = with_metadata(state);
            let before = items.borrow().clone();
            let (status, body) = ask(&cloud, upstream(), call);
            assert_eq!(status == 409, !allowed, "{state:?} {body}");
            assert_eq!(*items.borrow() != before, allowed);
        }
    }
    for (operation, _) in metadata_calls(&json!({ "a": "9" })) {
        rule!(operation, "fb1a0290");
    }
}

#[test]
fn metadata_has_short_names_of_few_letters() {
    let long = "k".repeat(256);
    for (operation, _) in metadata_calls(&json!({ "a": "9" })).iter().take(3) {
        let (cloud, items) = with_metadata(VmState::Active);
        let before = items.borrow().clone();
        for body in [
            json!({ "": "v" }),
            json!({ long.as_str(): "v" }),
            json!({ "a/b": "v" }),
            json!({ "ä": "v" }),
            json!({ "a": "v".repeat(256) }),
        ] {
            let call = metadata_calls(&body).into_iter().find(|(other, _)| other == operation).expect("a call").1;
            refused(&cloud, ecs(), call, 400);
        }
        assert_eq!(*items.borrow(), before);
        let fine = json!({ "aZ0-_:.": "云".repeat(255) });
        let call = metadata_calls(&fine).into_iter().find(|(other, _)| other == operation).expect("a call").1;
        assert_eq!(ask(&cloud, ecs(), call).0, 200);
        rule!(*operation, "f43651a4", "0267cded");
    }
}

fn group_rule(id: &str, protocol: Option<&str>, remote: Option<&str>) -> SecurityGroupRule {
    SecurityGroupRule {
        id: id.to_owned(),
        group_id: "group-1".to_owned(),
        project_id: "project-1".to_owned(),
        ingress: true,
        ip_version: 4,
        protocol: protocol.map(str::to_owned),
        port_min: None,
        port_max: None,
        remote_cidr: None,
        remote_group_id: remote.map(str::to_owned),
        description: String::new(),
        created_at: NOON,
        revision: 1,
        attributes: "{}".to_owned(),
    }
}

fn with_ports() -> FakeCloud {
    let mut cloud = with_server(server());
    cloud.networks.list_ports = Some(Box::new(|conditions, _| {
        assert_eq!(conditions, [is("id", PORT)]);
        Ok(PortPage { ports: vec![port()], next: None })
    }));
    cloud.networks.list_security_groups = Some(Box::new(|conditions, _| {
        assert_eq!(conditions, [is("id", "group-1")]);
        let mut https = group_rule("rule-3", Some("tcp"), None);
        (https.port_min, https.port_max, https.remote_cidr) = (Some(443), Some(443), Some("192.0.2.0/24".to_owned()));
        let mut out = group_rule("rule-4", None, None);
        out.ingress = false;
        let rules =
            vec![group_rule("rule-1", None, Some("group-1")), group_rule("rule-2", Some("icmp"), None), https, out];
        Ok(GroupPage {
            groups: vec![SecurityGroup {
                id: "group-1".to_owned(),
                name: "default".to_owned(),
                description: "d".to_owned(),
                project_id: "project-1".to_owned(),
                stateful: true,
                rules,
                tags: Vec::new(),
                created_at: NOON,
                updated_at: NOON,
                revision: 1,
                attributes: "{}".to_owned(),
            }],
            next: None,
        })
    }));
    cloud
}

#[test]
fn security_groups_have_novas_rules() {
    let (status, body) =
        ask(&with_ports(), ecs(), get("server_security_groups.list", "/v2.1/servers/x/os-security-groups"));
    assert_eq!(status, 200);
    let group = json!({"id": "group-1", "name": "default", "description": "d", "tenant_id": "project-1", "rules": [
        {"id": "rule-1", "parent_group_id": "group-1", "ip_protocol": null, "from_port": null, "to_port": null,
         "group": {"name": "default", "tenant_id": "project-1"}, "ip_range": {}},
        {"id": "rule-2", "parent_group_id": "group-1", "ip_protocol": "icmp", "from_port": -1, "to_port": -1,
         "group": {}, "ip_range": {"cidr": "0.0.0.0/0"}},
        {"id": "rule-3", "parent_group_id": "group-1", "ip_protocol": "tcp", "from_port": 443, "to_port": 443,
         "group": {}, "ip_range": {"cidr": "192.0.2.0/24"}},
    ]});
    assert_eq!(body, json!({ "security_groups": [group] }));
    rule!("nova.server_security_groups.list", "530f0484", "03075526");
}

#[test]
fn addresses_interfaces_and_volumes_are_read() {
    let cloud = with_ports();
    let (_, body) = ask(&cloud, upstream(), get("server_ips.list", "/v2.1/servers/x/ips"));
    let list = json!([{"version": 4, "addr": "10.0.0.5"}, {"version": 4, "addr": "203.0.113.7"}]);
    assert_eq!(body, json!({ "addresses": { "private": list } }));
    let of = |network: &str| get("server_ips.show", "/v2.1/servers/x/ips").param("network_name", network);
    assert_eq!(ask(&cloud, upstream(), of("private")).1, json!({ "private": list }));
    refused(&cloud, upstream(), of("other"), 404);

    let interface = json!({"port_id": PORT, "net_id": NETWORK, "mac_addr": "fa:16:3e:00:00:01", "port_state": "ACTIVE",
        "fixed_ips": [{"subnet_id": "subnet-1", "ip_address": "10.0.0.5"}]});
    let (_, body) = ask(&cloud, upstream(), get("server_interfaces.list", "/v2.1/servers/x/os-interface"));
    assert_eq!(body, json!({ "interfaceAttachments": [interface] }));
    let show = |port: &str| get("server_interfaces.show", "/v2.1/servers/x/os-interface").param("port_id", port);
    assert_eq!(ask(&cloud, upstream(), show(PORT)).1, json!({ "interfaceAttachment": interface }));
    assert_eq!(ask(&cloud, upstream(), show(PORT).version(2, 70)).1["interfaceAttachment"]["tag"], Value::Null);
    refused(&cloud, upstream(), show("other"), 404);

    let volumes = |version| {
        ask(&cloud, upstream(), get("server_volumes.list", "/v2.1/servers/x/os-volume_attachments").version(2, version))
            .1
    };
    let plain = json!({"volumeId": "vol-1", "serverId": SERVER, "device": "/dev/vda", "id": "vol-1"});
    assert_eq!(volumes(1), json!({ "volumeAttachments": [plain] }));
    assert_eq!(
        volumes(89)["volumeAttachments"][0],
        json!({"volumeId": "vol-1", "serverId": SERVER, "device": "/dev/vda", "attachment_id": "vol-1", "bdm_uuid": "vol-1",
               "tag": null, "delete_on_termination": true})
    );
    let show = |id: &str| get("server_volumes.show", "/v2.1/servers/x/os-volume_attachments").param("volume_id", id);
    assert_eq!(ask(&cloud, upstream(), show("vol-1")).1, json!({ "volumeAttachment": plain }));
    refused(&cloud, upstream(), show("other"), 404);
}

fn operation() -> Operation {
    let step = |name: &str, end, failed: bool| Step {
        name: name.to_owned(),
        started_at: NOON,
        ended_at: end,
        error: failed.then(|| error(ErrorCode::DriverFailed, "the node is away")),
    };
    Operation {
        id: "operation-1".to_owned(),
        kind: "server.create".to_owned(),
        state: OperationState::Failed,
        progress: 50,
        resource_kind: "server".to_owned(),
        resource_id: SERVER.to_owned(),
        port_ids: Vec::new(),
        project_id: "project-1".to_owned(),
        user_id: "user-1".to_owned(),
        request_id: "req-1".to_owned(),
        parent_id: None,
        created_at: NOON,
        started_at: Some(NOON),
        ended_at: Some(NOON + 1_000_000),
        error: None,
        steps: vec![
            step("create-disks", Some(NOON + 500_000), false),
            step("boot", Some(NOON + 900_000), true),
            step("undo", None, false),
        ],
    }
}

fn with_operations() -> FakeCloud {
    let mut cloud = with_server(server());
    cloud.operations.list_operations = Some(Box::new(|conditions, page| {
        let request = told(conditions, "request-id");
        let known = conditions.contains(&is("resource-id", SERVER))
            && [vec![], vec!["any-of: req-1".to_owned()]].contains(&request);
        assert!(page.marker.as_deref().is_none_or(|marker| marker == "operation-1"));
        let next = (page.limit == 1 && request.is_empty()).then(|| "operation-1".to_owned());
        Ok(OperationPage { operations: if known { vec![operation()] } else { Vec::new() }, next })
    }));
    cloud
}

#[test]
fn actions_are_told() {
    let cloud = with_operations();
    let path = "/v2.1/servers/x/os-instance-actions";
    let list = |version| get("instance_actions.list", path).version(2, version);
    let action = json!({"action": "create", "instance_uuid": SERVER, "request_id": "req-1", "user_id": "user-1",
        "project_id": "project-1", "start_time": "2026-01-31T12:00:00.500000", "message": "Error"});
    assert_eq!(ask(&cloud, ecs(), list(57)).1, json!({ "instanceActions": [action] }));
    let (_, body) = ask(&cloud, upstream(), list(58).query("limit", "1").query("marker", "req-1"));
    assert_eq!(body["instanceActions"][0]["updated_at"], "2026-01-31T12:00:01.500000");
    let next = format!("http://cloud.test/v2.1/servers/{SERVER}/os-instance-actions?limit=1&marker=req-1");
    assert_eq!(body["links"], json!([{"rel": "next", "href": next}]));
    refused(&cloud, upstream(), list(58).query("marker", "req-9"), 400);
    rule!("nova.instance_actions.list", "34b5a075");

    let show = |version| get("instance_actions.show", path).version(2, version).param("request_id", "req-1");
    assert!(ask(&cloud, upstream(), show(50)).1["instanceAction"].get("events").is_none());
    let events = |call| ask(&cloud, upstream(), call).1["instanceAction"]["events"].clone();
    assert_eq!(
        events(show(51)),
        json!([
            {"event": "compute_create_disks", "start_time": "2026-01-31T12:00:00.500000", "finish_time": "2026-01-31T12:00:01.000000", "result": "Success"},
            {"event": "compute_boot", "start_time": "2026-01-31T12:00:00.500000", "finish_time": "2026-01-31T12:00:01.400000", "result": "Error"},
            {"event": "compute_undo", "start_time": "2026-01-31T12:00:00.500000", "finish_time": null, "result": null},
        ])
    );
    assert_eq!(events(show(62))[0]["hostId"], "abc");
    let failed = &events(show(84).admin())[1];
    assert_eq!(
        (&failed["host"], &failed["details"], &failed["traceback"]),
        (&json!("node-1"), &json!("the node is away"), &json!(null))
    );
    refused(&cloud, upstream(), get("instance_actions.show", path).param("request_id", "req-2"), 404);
}

#[test]
fn actions_outlive_their_server() {
    let mut cloud = with_operations();
    cloud.compute.get_server = Some(Box::new(|id, _| Err(skyloom_sdk::testing::not_found("server", id))));
    let list = |version| get("instance_actions.list", "/v2.1/servers/x/os-instance-actions").version(2, version);
    refused(&cloud, upstream(), list(20), 404);
    assert_eq!(ask(&cloud, upstream(), list(21)).0, 200);
    let unknown = Call::new("instance_actions.list", "GET", "/v2.1/servers/x").version(2, 21).param("server_id", "x");
    refused(&cloud, upstream(), unknown, 404);
}
