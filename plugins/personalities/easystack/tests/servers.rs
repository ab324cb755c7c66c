//! What is done to servers: power, volumes, the recycle bin.

use nova::testing::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, VmState, Zone};
use skyloom_sdk::conditions::told;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error};
use skyloom_sdk::{ErrorCode, rule};

use crate::api::{ask, refused, send};

#[test]
fn the_recycle_bin_is_everybodys_and_shows_what_is_restored_until_when() {
    let bin = || get("servers.list_detail", "/v2.1/servers/detail").query("deleted", "True");
    let recycled = Server {
        vm_state: VmState::SoftDeleted,
        terminated_at: Some(1_649_746_585_000_000),
        purge_at: Some(1_650_351_385_000_000),
        ..server()
    };
    let (cloud, seen) = with_list(vec![recycled], None);
    let (status, body) = ask(&cloud, bin());
    let shown = &body["servers"][0];
    assert_eq!(
        (status, &shown["status"], &shown["OS-EXT-STS:vm_state"]),
        (200, &json!("SOFT_DELETED"), &json!("soft-delete"))
    );
    let times = (&shown["deleted"], &shown["estimated_deleted"]);
    assert_eq!(times, (&json!("2022-04-12T06:56:25Z"), &json!("2022-04-19T06:56:25Z")));
    assert_eq!(told(&seen.only().0, "life"), ["any-of: recycled"]);
    rule!("easystack.servers.list_deleted", "40e57265", "69eb949e");
    // Who sees what is gone for good sees it too.
    let gone = Server { vm_state: VmState::Deleted, terminated_at: Some(1_649_746_585_000_000), ..server() };
    let (cloud, seen) = with_list(vec![gone], None);
    let (_, body) = ask(&cloud, bin().query("all_tenants", "1").admin());
    assert_eq!(
        (&body["servers"][0]["status"], &body["servers"][0]["estimated_deleted"]),
        (&json!("DELETED"), &json!(""))
    );
    let (conditions, _) = seen.only();
    assert_eq!(told(&conditions, "life"), ["any-of: recycled, deleted"]);
    assert_eq!(told(&conditions, "all-projects"), ["any-of: true"]);
    rule!("easystack.servers.list_deleted", "f3e5c6c9");
    let (cloud, _) = with_list(vec![server()], None);
    let (_, body) = ask(&cloud, get("servers.list_detail", "/v2.1/servers/detail"));
    assert_eq!(body["servers"][0].get("deleted"), None, "what lives was not deleted");
}

#[test]
fn a_deletion_goes_into_the_bin_unless_the_mount_has_none() {
    let mut cloud = with_server(server());
    let seen = Seen::default();
    let (keep, also) = (seen.clone(), seen.clone());
    cloud.compute.act_on_servers = Some(Box::new(move |ids, verb, _, _, _| {
        assert_eq!(ids, [SERVER]);
        keep.push(verb.to_owned());
        Ok("operation".to_owned())
    }));
    cloud.compute.delete_servers = Some(Box::new(move |_, _, _, _| {
        also.push("delete".to_owned());
        Ok("operation".to_owned())
    }));
    let delete = || Call::new("servers.delete", "DELETE", "/v2.1/servers/x").param("server_id", SERVER);
    assert_eq!(ask(&cloud, delete()), (204, Value::Null));
    let without = easystack::Settings { recycle_bin: false };
    assert_eq!(easystack::handle_with(&cloud, without, &delete().build()).status, 204);
    let restore = send("servers.restore", "POST", "/v2.1/servers/x/action", &json!({ "restore": null }));
    assert_eq!(ask(&cloud, restore), (202, Value::Null));
    assert_eq!(seen.all(), ["recycle", "delete", "restore"]);
    rule!("easystack.servers.restore", "ae6f3f73", "af5b755a");
}

#[test]
fn a_volume_comes_to_a_server_and_leaves_it() {
    let (cloud, seen) = with_acts(server());
    let volume = server().volumes[0].id.clone();
    let body = json!({ "volumeAttachment": { "volumeId": volume, "device": "/dev/vdc" } });
    let (status, answer) =
        ask(&cloud, send("server_volumes.attach", "POST", "/v2.1/servers/x/os-volume_attachments", &body));
    assert_eq!((status, &answer["volumeAttachment"]["volumeId"]), (200, &json!(volume)), "{answer}");
    let detach = Call::new("server_volumes.detach", "DELETE", "/v2.1/servers/x/os-volume_attachments/v");
    let detach = detach.version(2, 1).param("server_id", SERVER).param("volume_id", &volume);
    assert_eq!(ask(&cloud, detach).0, 202);
    assert_eq!(
        seen.all(),
        [
            format!("attach-volume volume-id={volume} delete-on-termination=false"),
            format!("detach-volume volume-id={volume}"),
        ]
    );
}

#[test]
fn a_network_comes_to_a_server_and_leaves_it() {
    let (cloud, seen) = with_interfaces(server(), None);
    let path = "/v2.1/servers/x/os-interface";
    let body = json!({ "interfaceAttachment": { "net_id": NETWORK, "fixed_ips": [{ "ip_address": "10.0.0.5" }] } });
    let (status, answer) = ask(&cloud, send("server_interfaces.attach", "POST", path, &body));
    assert_eq!((status, &answer["interfaceAttachment"]["port_id"]), (200, &json!(PORT)), "{answer}");
    let (_, listed) = ask(&cloud, get("server_interfaces.list", path));
    assert_eq!(listed["interfaceAttachments"], json!([answer["interfaceAttachment"]]));
    let (_, shown) = ask(&cloud, get("server_interfaces.show", path).param("port_id", PORT));
    assert_eq!(shown, answer);
    // The document names no card that stays.
    let detach = Call::new("server_interfaces.detach", "DELETE", path).version(2, 1).param("server_id", SERVER);
    assert_eq!(ask(&cloud, detach.param("port_id", PORT)), (202, Value::Null));
    assert_eq!(seen.all(), [format!("attach network={NETWORK} address=10.0.0.5"), format!("detach {PORT}")]);
}

#[test]
fn zones_have_their_hosts_and_the_services_of_each() {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_zones = Some(Box::new(|| {
        let zone = |name: &str, available| Zone { name: name.to_owned(), available, nodes: vec![format!("{name}-1")] };
        Ok(vec![zone("a", true), zone("b", false)])
    }));
    let (status, body) =
        ask(&cloud, get("availability_zones.list_detail", "/v2.1/os-availability-zone/detail").admin());
    let service = |up: bool| json!({ "nova-compute": { "active": true, "available": up, "updated_at": null } });
    let zones = json!([
        { "zoneName": "a", "zoneState": { "available": true }, "hosts": { "a-1": service(true) } },
        { "zoneName": "b", "zoneState": { "available": false }, "hosts": { "b-1": service(false) } },
    ]);
    assert_eq!((status, &body["availabilityZoneInfo"]), (200, &zones));
    rule!("easystack.availability_zones.list_detail", "7e9e67ee", "7a4728c8");
}

#[test]
fn what_the_node_has_to_do_is_a_conflict_while_it_is_away() {
    let mut cloud = with_server(server());
    cloud.compute.act_on_servers = Some(Box::new(|_, _, _, _, _| {
        Err(skyloom_sdk::Error {
            message: "The compute node of the server is not up.".to_owned(),
            reason: Some("node-away".to_owned()),
            ..error(ErrorCode::WrongState, "")
        })
    }));
    for (operation, body) in [
        ("servers.restore", json!({ "restore": null })),
        ("servers.start", json!({ "os-start": null })),
        ("servers.stop", json!({ "os-stop": {} })),
        ("servers.reboot", json!({ "reboot": { "type": "HARD" } })),
        ("servers.pause", json!({ "pause": null })),
        ("servers.unpause", json!({ "unpause": null })),
        ("servers.suspend", json!({ "suspend": null })),
        ("servers.resume", json!({ "resume": null })),
        ("servers.resize", json!({ "resize": { "flavorRef": "2" } })),
        ("server_volumes.attach", json!({ "volumeAttachment": { "volumeId": NETWORK } })),
        ("server_volumes.detach", Value::Null),
    ] {
        let message = refused(&cloud, send(operation, "POST", "/v2.1/servers/x/action", &body), 409);
        assert_eq!(message, "The compute node of the server is not up.");
    }
    let away = skyloom_sdk::Error {
        message: "The compute node of the server is not up.".to_owned(),
        reason: Some("node-away".to_owned()),
        ..error(ErrorCode::WrongState, "")
    };
    let (cloud, _) = with_interfaces(server(), Some(away.clone()));
    for (operation, body) in [
        ("server_interfaces.attach", json!({ "interfaceAttachment": { "net_id": NETWORK } })),
        ("server_interfaces.detach", Value::Null),
    ] {
        let message = refused(&cloud, send(operation, "POST", "/v2.1/servers/x/os-interface", &body), 409);
        assert_eq!(message, "The compute node of the server is not up.");
    }
    let (cloud, _) = with_rebuild(server(), Some(away));
    let body = json!({ "rebuild": { "imageRef": IMAGE } });
    let message = refused(&cloud, send("servers.rebuild", "POST", "/v2.1/servers/x/action", &body), 409);
    assert_eq!(message, "The compute node of the server is not up.");
    rule!("easystack.servers.rebuild", "1a87a528");
    rule!("easystack.server_interfaces.attach", "1a87a528");
    rule!("easystack.server_interfaces.detach", "1a87a528");
    rule!("easystack.servers.restore", "d190079c", "0fd61f0f");
    rule!("easystack.servers.start", "1a87a528");
    rule!("easystack.servers.stop", "1a87a528");
    rule!("easystack.servers.reboot", "84e5e3c5", "f0c9339d");
    for word in ["pause", "unpause", "suspend", "resume"] {
        rule!(format!("easystack.servers.{word}"), "1a87a528");
    }
    rule!("easystack.servers.resize", "1a87a528");
    rule!("easystack.server_volumes.attach", "1a87a528");
    rule!("easystack.server_volumes.detach", "1a87a528");
}

#[test]
fn power_is_changed() {
    let (cloud, seen) = with_acts(server());
    for (operation, body) in [
        ("servers.start", json!({ "os-start": null })),
        ("servers.stop", json!({ "os-stop": {} })),
        ("servers.reboot", json!({ "reboot": { "type": "HARD" } })),
        ("servers.reboot", json!({ "reboot": { "type": "SOFT" } })),
        ("servers.pause", json!({ "pause": null })),
        ("servers.unpause", json!({ "unpause": {} })),
        ("servers.suspend", json!({ "suspend": null })),
        ("servers.resume", json!({ "resume": null })),
        ("servers.resize", json!({ "resize": { "flavorRef": "2" } })),
    ] {
        assert_eq!(ask(&cloud, send(operation, "POST", "/v2.1/servers/x/action", &body)), (202, Value::Null));
    }
    assert_eq!(
        seen.all(),
        [
            "start",
            "stop hard=false",
            "reboot hard=true",
            "reboot hard=false",
            "pause",
            "unpause",
            "suspend",
            "resume",
            "resize flavor-id=2 confirmed=true",
        ]
    );
}
