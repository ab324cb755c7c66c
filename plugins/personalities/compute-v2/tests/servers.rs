//! Servers listed, shown, changed, deleted.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Fault, PowerState, Server, ServerUpdate, TaskState, VmState, Zone};
use skyloom_sdk::conditions::{any_of, is, told};
use skyloom_sdk::states::{TASK_STATES, VM_STATES};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, invalid, json_of, not_found};
use skyloom_sdk::{ErrorCode, rule};

const LISTS: [(&str, &str, &str); 2] = [
    ("servers.list", "/v2.1/servers", "nova.servers.list"),
    ("servers.list_detail", "/v2.1/servers/detail", "nova.servers.list_detail"),
];

fn show(server: Server, version: u32, settings: compute_v2::Settings, admin: bool) -> Value {
    let mut cloud = with_server(server);
    cloud.compute.list_zones = Some(Box::new(|| {
        Ok(vec![Zone { name: "nova".to_owned(), available: true, nodes: vec!["node-1".to_owned()] }])
    }));
    let call = get("servers.show", "/v2.1/servers/x").version(2, version);
    let (status, body) = ask(&cloud, settings, if admin { call.admin() } else { call });
    assert_eq!(status, 200, "{body}");
    body["server"].clone()
}

#[test]
fn a_server_is_shown_as_its_document_says() {
    let shown = show(server(), 1, upstream(), false);
    assert_eq!(
        shown,
        json!({
            "id": SERVER, "name": "web-1", "status": "ACTIVE", "tenant_id": "project-1", "user_id": "user-1",
            "metadata": {"role": "web"}, "hostId": "abc",
            "image": {"id": IMAGE, "links": [{"rel": "bookmark", "href": format!("http://cloud.test/images/{IMAGE}")}]},
            "flavor": {"id": "1", "links": [{"rel": "bookmark", "href": "http://cloud.test/flavors/1"}]},
            "created": "2026-01-31T12:00:00Z", "updated": "2026-01-31T12:01:00Z",
            "addresses": {"private": [
                {"version": 4, "addr": "10.0.0.5", "OS-EXT-IPS:type": "fixed", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"},
                {"version": 4, "addr": "203.0.113.7", "OS-EXT-IPS:type": "floating", "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"},
            ]},
            "accessIPv4": "", "accessIPv6": "", "OS-DCF:diskConfig": "MANUAL", "progress": 100,
            "links": [
                {"rel": "self", "href": format!("http://cloud.test/v2.1/servers/{SERVER}")},
                {"rel": "bookmark", "href": format!("http://cloud.test/servers/{SERVER}")},
            ],
            "OS-EXT-AZ:availability_zone": "nova", "config_drive": "", "key_name": "key",
            "OS-SRV-USG:launched_at": "2026-01-31T12:00:00.500000", "OS-SRV-USG:terminated_at": null,
            "security_groups": [{"name": "default"}],
            "OS-EXT-STS:task_state": null, "OS-EXT-STS:vm_state": "active", "OS-EXT-STS:power_state": 1,
            "os-extended-volumes:volumes_attached": [{"id": "vol-1"}],
        })
    );
}

/// Members that microversions add and take away: each at the version, and not before.
#[test]
fn members_come_with_their_versions() {
    for (since, member, value) in [
        (9, "locked", json!(false)),
        (19, "description", json!("front")),
        (26, "tags", json!(["a=b", "c"])),
        (63, "trusted_image_certificates", json!(null)),
        (71, "server_groups", json!([])),
        (73, "locked_reason", json!(null)),
        (90, "OS-EXT-SRV-ATTR:hostname", json!("web-1")),
        (96, "pinned_availability_zone", json!(null)),
    ] {
        assert!(show(server(), since - 1, upstream(), false).get(member).is_none(), "{member}");
        assert_eq!(show(server(), since, upstream(), false)[member], value, "{member}");
    }
    let operator = |version| show(server(), version, upstream(), true);
    assert!(operator(15).get("host_status").is_none());
    assert_eq!(operator(16)["host_status"], "UP");
    assert_eq!(operator(1)["OS-EXT-SRV-ATTR:host"], "node-1");
    assert!(operator(2).get("OS-EXT-SRV-ATTR:reservation_id").is_none());
    assert_eq!(operator(3)["OS-EXT-SRV-ATTR:reservation_id"], "r-1");
    assert_eq!(operator(3)["OS-EXT-SRV-ATTR:user_data"], "aGVsbG8=");
    assert_eq!(operator(3)["OS-EXT-SRV-ATTR:root_device_name"], "/dev/vda");
    assert_eq!(operator(3)["os-extended-volumes:volumes_attached"][0]["delete_on_termination"], true);
    let plain = show(server(), 96, upstream(), false);
    assert!(plain.get("OS-EXT-SRV-ATTR:host").is_none() && plain.get("host_status").is_none());
    // The vendor's document has the extended attributes for everybody.
    assert!(show(server(), 2, ecs(), false).get("OS-EXT-SRV-ATTR:hostname").is_none());
    assert_eq!(show(server(), 3, ecs(), false)["OS-EXT-SRV-ATTR:hostname"], "web-1");
    assert!(show(server(), 96, ecs(), false).get("os:scheduler_hints").is_none());
    for operation in ["nova.servers.show", "nova.servers.list_detail"] {
        rule!(operation, "309951e6", "de697ec5", "b5c6fce8");
    }
    rule!("nova.servers.show", "4b345e18");
}

#[test]
fn the_flavor_changes_with_2_47() {
    let flavor = |version| show(server(), version, upstream(), false)["flavor"].clone();
    assert_eq!(flavor(46)["id"], "1");
    assert_eq!(
        flavor(47),
        json!({"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0, "original_name": "m1.tiny", "extra_specs": {"hw:cpu": "x"}})
    );
}

#[test]
fn what_was_asked_for_is_remembered() {
    let mut it = server();
    it.attributes = r#"{"disk_config":"AUTO","zone":"z1","from_volume":true}"#.to_owned();
    let shown = show(it, 96, upstream(), false);
    assert_eq!(
        (&shown["OS-DCF:diskConfig"], &shown["pinned_availability_zone"], &shown["image"]),
        (&json!("AUTO"), &json!("z1"), &json!(""))
    );
}

#[test]
fn a_fault_shows_with_an_error_only() {
    let mut failed = server();
    failed.fault = Some(Fault { message: "No valid host was found.".to_owned(), code: 500, created_at: NOON });
    assert!(show(failed.clone(), 1, upstream(), false).get("fault").is_none());
    failed.vm_state = VmState::Error;
    let shown = show(failed.clone(), 1, ecs(), false);
    assert_eq!(shown["status"], "ERROR");
    assert_eq!(
        shown["fault"],
        json!({"code": 500, "created": "2026-01-31T12:00:00Z", "message": "No valid host was found."})
    );
    assert!(shown.get("progress").is_none());
    failed.fault = None;
    assert!(show(failed, 1, ecs(), false).get("fault").is_none());
    for operation in ["nova.servers.show", "nova.servers.list_detail"] {
        rule!(operation, "d3d9e067");
    }
}

#[test]
fn a_server_under_construction_has_no_addresses() {
    let mut building = server();
    building.vm_state = VmState::Building;
    building.task_state = Some(TaskState::Spawning);
    let shown = show(building, 1, upstream(), false);
    assert_eq!((&shown["addresses"], &shown["status"]), (&json!({}), &json!("BUILD")));
    assert_eq!(shown["OS-EXT-STS:task_state"], "spawning");
}

#[test]
fn each_dialect_has_its_power_states() {
    for (state, upstreams, vendors) in [
        (PowerState::NoState, 0, 0),
        (PowerState::Running, 1, 1),
        (PowerState::Paused, 3, 2),
        (PowerState::ShutDown, 4, 3),
        (PowerState::Crashed, 6, 4),
        (PowerState::Suspended, 7, 3),
    ] {
        let mut it = server();
        it.power_state = state;
        assert_eq!(show(it.clone(), 1, upstream(), false)["OS-EXT-STS:power_state"], upstreams);
        assert_eq!(show(it, 1, ecs(), false)["OS-EXT-STS:power_state"], vendors);
    }
}

#[test]
fn what_people_wrote_is_escaped() {
    let mut it = server();
    it.name = "a\"b\\c\u{1}云".to_owned();
    it.metadata = vec![("k\"".to_owned(), "v\n".to_owned())];
    let shown = show(it, 1, upstream(), false);
    assert_eq!(shown["name"], "a\"b\\c\u{1}云");
    assert_eq!(shown["metadata"]["k\""], "v\n");
}

#[test]
fn a_missing_server_is_not_found() {
    let cloud = with_server(server());
    for operation in
        ["servers.show", "server_metadata.list", "server_ips.list", "server_volumes.list", "instance_actions.list"]
    {
        let call = skyloom_sdk::testing::Call::new(operation, "GET", "/v2.1/servers/x").param("server_id", "x");
        assert_eq!(refused(&cloud, upstream(), call, 404), "Instance x could not be found.");
    }
}

#[test]
fn lists_have_pages_and_an_order() {
    for (operation, path, id) in LISTS {
        let (cloud, seen) = with_list(vec![server()], Some(SERVER));
        let call = get(operation, path).query("limit", "1").query("name", "w b").query("marker", "m-1");
        let (status, body) = ask(&cloud, ecs(), call);
        assert_eq!(status, 200);
        let next = format!("http://cloud.test{path}?limit=1&name=w+b&marker={SERVER}");
        assert_eq!(body["servers_links"], json!([{"rel": "next", "href": next}]));
        assert_eq!(body["servers"][0]["id"], SERVER);
        let (_, page) = seen.only();
        assert_eq!((page.limit, page.marker.as_deref()), (1, Some("m-1")));

        let (cloud, seen) = with_list(Vec::new(), None);
        assert_eq!(ask(&cloud, ecs(), get(operation, path)).1, json!({"servers": []}));
        assert_eq!(ask(&cloud, ecs(), get(operation, path).query("limit", "5000")).0, 200);
        assert_eq!(ask(&cloud, upstream(), get(operation, path)).0, 200);
        let asked: Vec<_> = seen.all().into_iter().map(|(_, page)| (page.limit, page.sort)).collect();
        // The core's own order is the newest first.
        assert_eq!(asked, [(25, Vec::new()), (1000, Vec::new()), (1000, Vec::new())]);

        assert_eq!(ask(&cloud, ecs(), get(operation, path).query("limit", "0")).1, json!({"servers": []}));
        for bad in ["-1", "a", ""] {
            refused(&cloud, ecs(), get(operation, path).query("limit", bad), 400);
        }
        let mut cloud = FakeCloud::default();
        cloud.compute.list_servers = Some(Box::new(|_, _, _| Err(invalid("marker", "no such server"))));
        let message = refused(&cloud, ecs(), get(operation, path).query("marker", "m-2"), 400);
        assert_eq!(message, "marker [m-2] not found");
        rule!(id, "ca0aab8f", "f60d6d6d", "404f2258", "05e2a85d");
    }
}

#[test]
fn the_vendors_image_filter_finds_nothing_and_beats_the_others() {
    for (operation, path, id) in LISTS {
        let (cloud, seen) = with_list(vec![server()], None);
        let call = get(operation, path).query("image", IMAGE).query("name", "web").query("limit", "1");
        assert_eq!(ask(&cloud, ecs(), call.clone()), (200, json!({"servers": []})));
        assert!(seen.all().is_empty());
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        assert!(seen.only().0.contains(&is("image-id", IMAGE)));
        rule!(id, "7764ae11", "9d85abfe");
        rule!("nova.servers.create", "3960e6be");
    }
}

#[test]
fn an_unknown_status_is_refused_from_2_38_on() {
    for (operation, path, id) in LISTS {
        for (settings, word) in [(upstream(), "NONSENSE"), (ecs(), "PAUSED"), (ecs(), "DELETED")] {
            let (cloud, seen) = with_list(vec![server()], None);
            let call = |version| get(operation, path).version(2, version).query("status", word);
            assert_eq!(ask(&cloud, settings, call(37)), (200, json!({"servers": []})));
            assert_eq!(refused(&cloud, settings, call(38), 400), "Invalid status value");
            assert!(seen.all().is_empty());
        }
        let (cloud, seen) = with_list(Vec::new(), None);
        let known = get(operation, path).version(2, 38).query("status", "RESIZE");
        assert_eq!(ask(&cloud, ecs(), known), (200, json!({"servers": []})));
        assert!(told(&seen.only().0, "task-state")[0].contains("resize-prep"));
        rule!(id, "e4409a96");
    }
}

#[test]
fn deleted_servers_are_for_operators() {
    let (cloud, seen) = with_list(Vec::new(), None);
    let call = || get("servers.list", "/v2.1/servers").query("status", "DELETED");
    refused(&cloud, upstream(), call(), 403);
    assert_eq!(ask(&cloud, upstream(), call().admin()).0, 200);
    assert!(seen.only().0.contains(&any_of("life", ["deleted"])));
    let all = get("servers.list", "/v2.1/servers").query("all_tenants", "1").query("deleted", "true");
    assert_eq!(ask(&cloud, upstream(), all.admin()).0, 200);
    let (wanted, _) = seen.all().pop().expect("a call");
    assert_eq!(wanted, [is("all-projects", true), any_of("life", ["recycled", "deleted"])]);
}

#[test]
fn the_recycle_bin_is_listed_by_its_state_and_by_upstreams_filters() {
    let (cloud, seen) = with_list(Vec::new(), None);
    let life = |query: &[(&str, &str)], admin: bool| {
        let call =
            query.iter().fold(get("servers.list", "/v2.1/servers"), |call, (name, value)| call.query(name, value));
        let call = if admin { call.admin() } else { call };
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        told(&seen.all().pop().expect("a call").0, "life")
    };
    assert_eq!(life(&[], true), [""; 0]);
    assert_eq!(life(&[("status", "SOFT_DELETED")], false), ["any-of: recycled"]);
    assert_eq!(life(&[("soft_deleted", "1")], true), ["any-of: living, recycled"]);
    assert_eq!(life(&[("deleted", "1"), ("soft_deleted", "0")], true), ["any-of: deleted"]);
    assert_eq!(life(&[("deleted", "0"), ("changes-since", "2026-01-01T00:00:00Z")], true), ["any-of: living"]);
    // Nova overlooks both in a member's query.
    assert_eq!(life(&[("deleted", "1"), ("soft_deleted", "1")], false), [""; 0]);
}

#[test]
fn sort_keys_are_translated_refused_or_overlooked() {
    let (cloud, seen) = with_list(Vec::new(), None);
    let call = |key: &str| get("servers.list", "/v2.1/servers").query("sort_key", key);
    for (key, field) in [
        ("display_name", "name"),
        ("uuid", "id"),
        ("availability_zone", "zone"),
        ("vm_state", "vm-state"),
        ("progress", "progress"),
        ("instance_type_id", "flavor-id"),
        ("display_description", "description"),
    ] {
        assert_eq!(ask(&cloud, upstream(), call(key).query("sort_dir", "asc")).0, 200);
        let (_, page) = seen.all().pop().expect("a call");
        assert_eq!((page.sort[0].field.as_str(), page.sort[0].descending), (field, false));
    }
    assert_eq!(ask(&cloud, upstream(), call("locked").version(2, 73)).0, 200);
    assert_eq!(seen.all().pop().expect("a call").1.sort[0].field, "locked");
    assert_eq!(ask(&cloud, upstream(), call("locked").version(2, 72)).0, 200);
    assert!(seen.all().pop().expect("a call").1.sort.is_empty());
    assert_eq!(ask(&cloud, upstream(), call("memory_mb")).0, 200);
    assert!(seen.all().pop().expect("a call").1.sort.is_empty());
    assert!(refused(&cloud, upstream(), call("auto_disk_config"), 400).contains("not supported"));
    refused(&cloud, upstream(), call("nonsense"), 400);
    refused(&cloud, upstream(), call("host"), 403);
    refused(&cloud, upstream(), call("uuid").query("sort_dir", "up"), 400);
    refused(&cloud, upstream(), call("uuid").query("sort_dir", "asc").query("sort_dir", "asc"), 400);
}

/// Upstream's schema of the query lists these: at every version, and until 2.74.
#[test]
fn a_sort_key_is_known_where_upstream_knows_it() {
    let (cloud, _) = with_list(Vec::new(), None);
    let ask_at = |settings, key: &str, minor| {
        ask(&cloud, settings, get("servers.list", "/v2.1/servers").query("sort_key", key).version(2, minor).admin()).0
    };
    for key in [
        "access_ip_v4 access_ip_v6 availability_zone config_drive created_at display_description display_name host",
        "hostname image_ref instance_type_id kernel_id key_name launch_index launched_at locked_by node power_state",
        "progress project_id ramdisk_id root_device_name task_state terminated_at updated_at user_id uuid vm_state locked",
    ]
    .into_iter()
    .flat_map(|keys| keys.split(' '))
    {
        assert_eq!([1, 74, 75, 96].map(|minor| ask_at(upstream(), key, minor)), [200; 4], "{key}");
    }
    for key in ["id", "memory_mb", "reservation_id", "vcpus", "deleted", "user_data", "vm_mode"] {
        assert_eq!([1, 74, 75, 96].map(|minor| ask_at(upstream(), key, minor)), [200, 200, 400, 400], "{key}");
    }
    for key in ["host_name", "name", "flavor", "tenant_id", "zone", "display-name", "UUID", "", "metadata"] {
        assert_eq!([1, 96].map(|minor| ask_at(upstream(), key, minor)), [400; 2], "{key}");
    }
}

/// The vendor's table of them has two that upstream doesn't.
#[test]
fn the_vendors_sort_keys_are_taken() {
    for version in [1, 75] {
        let (cloud, seen) = with_list(Vec::new(), None);
        let call = |key: &str| get("servers.list", "/v2.1/servers").query("sort_key", key).version(2, version);
        assert_eq!(ask(&cloud, ecs(), call("host_name")).0, 200);
        assert_eq!(ask(&cloud, ecs(), call("reservation_id")).0, 200);
        let asked: Vec<_> = seen.all().into_iter().map(|(_, page)| page.sort).collect();
        assert_eq!((asked[0][0].field.as_str(), asked[1].len()), ("hostname", 0));
    }
}

#[test]
fn strange_filters_are_refused_by_name() {
    let (cloud, _) = with_list(Vec::new(), None);
    let call = |name: &str, value: &str| get("servers.list", "/v2.1/servers").query(name, value).version(2, 96).admin();
    assert!(refused(&cloud, upstream(), call("auto_disk_config", "1"), 400).contains("auto_disk_config"));
    for name in ["power_state", "launched_at", "launch_index", "progress", "config_drive"] {
        assert!(refused(&cloud, upstream(), call(name, "x"), 400).contains(name));
    }
    refused(&cloud, upstream(), call("changes-since", "yesterday"), 400);
    refused(&cloud, upstream(), call("metadata", "x"), 400);
    refused(&cloud, upstream(), call("unknown", "x"), 400);
    assert_eq!(
        ask(&cloud, upstream(), get("servers.list", "/v2.1/servers").version(2, 74).query("unknown", "x")).0,
        200
    );
    let turned = call("changes-since", "2026-02-01T00:00:00Z").query("changes-before", "2026-01-01T00:00:00Z");
    refused(&cloud, upstream(), turned, 400);
}

fn with_update() -> (FakeCloud, Seen<ServerUpdate>) {
    let seen = Seen::default();
    let keep = seen.clone();
    let mut cloud = with_server(server());
    cloud.compute.update_server = Some(Box::new(move |_, update| {
        keep.push(update.clone());
        Ok(server())
    }));
    (cloud, seen)
}

#[test]
fn an_update_changes_what_may_change() {
    let update =
        |version, body: Value| put("servers.update", "/v2.1/servers/x", &json!({ "server": body })).version(2, version);
    let (cloud, seen) = with_update();
    let (status, body) = ask(&cloud, ecs(), update(19, json!({ "name": "new", "description": "d" })));
    assert_eq!(status, 200);
    assert_eq!(seen.only().name.as_deref(), Some("new"));
    assert_eq!(seen.only().description, Some(Some("d".to_owned())));
    assert!(body["server"].get("OS-EXT-STS:vm_state").is_none() && body["server"]["flavor"].get("id").is_some());
    let (_, body) = ask(&cloud, ecs(), update(47, json!({ "name": "new" })));
    assert!(body["server"]["flavor"].get("id").is_none() && body["server"]["flavor"]["original_name"] == "m1.tiny");
    let (_, body) = ask(&cloud, upstream(), update(75, json!({ "name": "new" })));
    assert_eq!(body["server"]["OS-EXT-STS:vm_state"], "active");
    for (version, field) in
        [(18, "description"), (19, "accessIPv4"), (19, "hostname"), (96, "hostname"), (96, "flavorRef")]
    {
        refused(&cloud, ecs(), update(version, json!({ field: "192.0.2.1" })), 400);
    }
    refused(&cloud, upstream(), update(89, json!({ "hostname": "h" })), 400);
    let (cloud, seen) = with_update();
    let whole =
        json!({ "accessIPv4": "192.0.2.1", "hostname": "h1", "description": null, "OS-DCF:diskConfig": "AUTO" });
    assert_eq!(ask(&cloud, upstream(), update(90, whole)).0, 200);
    assert_eq!(seen.only().description, Some(None));
    assert_eq!((seen.only().access_ipv4.as_deref(), seen.only().hostname.as_deref()), (Some("192.0.2.1"), Some("h1")));
    assert!(seen.only().attributes.is_some_and(|attributes| attributes.contains("AUTO")));
    rule!("nova.servers.update", "4c97fd9d", "69fca093", "7008315a");
}

#[test]
fn a_mount_with_a_recycle_bin_puts_deleted_servers_into_it() {
    let (cloud, seen) = with_acts(server());
    let settings = compute_v2::Settings { recycle_bin: true, ..upstream() };
    let delete = Call::new("servers.delete", "DELETE", "/v2.1/servers/x").param("server_id", SERVER);
    assert_eq!(ask(&cloud, settings, delete), (204, Value::Null));
    let restore = Call::new("servers.restore", "POST", "/v2.1/servers/x/action").param("server_id", SERVER);
    assert_eq!(ask(&cloud, settings, restore.body(&json!({ "restore": null }))), (202, Value::Null));
    assert_eq!(seen.all(), ["recycle", "restore"]);
    // Once more is no error; what is busy in another way is one.
    for (vm_state, task_state, status) in [
        (VmState::SoftDeleted, None, 204),
        (VmState::Active, Some(TaskState::SoftDeleting), 204),
        (VmState::Active, Some(TaskState::Rebooting), 409),
    ] {
        let mut cloud = with_server(Server { vm_state, task_state, ..server() });
        cloud.compute.act_on_servers = Some(Box::new(|_, _, _, _, _| Err(error(ErrorCode::Busy, "It is busy."))));
        let delete = Call::new("servers.delete", "DELETE", "/v2.1/servers/x").param("server_id", SERVER);
        assert_eq!(ask(&cloud, settings, delete).0, status, "{vm_state:?} {task_state:?}");
    }
}

#[test]
fn a_deletion_names_one_server() {
    let seen = Seen::default();
    let keep = seen.clone();
    let mut cloud = FakeCloud::default();
    cloud.compute.delete_servers = Some(Box::new(move |ids, _, as_batch, strict| {
        keep.push((ids.to_vec(), as_batch, strict));
        Ok("operation-1".to_owned())
    }));
    let call_it =
        || skyloom_sdk::testing::Call::new("servers.delete", "DELETE", "/v2.1/servers/x").param("server_id", SERVER);
    let response = call(&cloud, upstream(), call_it());
    assert_eq!((response.status, json_of(&response)), (204, Value::Null));
    assert_eq!(seen.only(), (vec![SERVER.to_owned()], false, true));
    cloud.compute.delete_servers = Some(Box::new(|ids, _, _, _| Err(not_found("server", &ids[0]))));
    refused(&cloud, upstream(), call_it(), 404);
    cloud.compute.delete_servers = Some(Box::new(|_, _, _, _| Err(error(ErrorCode::Internal, "An unexpected error"))));
    refused(&cloud, upstream(), call_it(), 500);
    rule!("nova.servers.delete", "6e2dd386");
}

#[test]
fn a_page_of_a_hundred_is_taken_as_such() {
    let (cloud, seen) = with_list((0..100).map(|_| server()).collect(), Some(SERVER));
    let call = get("servers.list_detail", "/v2.1/servers/detail").query("limit", "100");
    let (_, body) = ask(&cloud, ecs(), call);
    assert_eq!((seen.only().1.limit, body["servers"].as_array().map(Vec::len)), (100, Some(100)));
    assert!(body["servers_links"][0]["href"].as_str().is_some_and(|href| href.contains("limit=100")));
    rule!("nova.servers.list_detail", "4dd4a166");
}

/// The three words of a state go together in a list as they do in the table.
#[test]
fn lists_tell_states_by_the_table() {
    for vm in VM_STATES {
        for task in TASK_STATES.into_iter().map(Some).chain([None]) {
            let (cloud, _) = with_list(vec![Server { vm_state: vm, task_state: task, ..server() }], None);
            let (_, body) = ask(&cloud, ecs(), get("servers.list_detail", "/v2.1/servers/detail"));
            let shown = &body["servers"][0];
            let listed = !(ecs().dialect.rules().unlisted)(vm, task);
            assert_eq!(shown["status"], if listed { nova::status::status(vm, task) } else { "UNKNOWN" });
            assert_eq!(shown["OS-EXT-STS:vm_state"], nova::status::vm_word(vm));
            assert_eq!(shown["OS-EXT-STS:task_state"], json!(task.map(nova::status::task_word)));
        }
    }
    rule!("nova.servers.list_detail", "ca0ab605");
}
