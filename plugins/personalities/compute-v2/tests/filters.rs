//! Filters of server lists: what of a query reaches the core.

use crate::support::*;
use skyloom_sdk::cloud::operations::OperationPage;
use skyloom_sdk::conditions::{
    all_of, any_of, before, from, is, none_of, not_all_of, part, part_any_case, pattern, told,
};
use skyloom_sdk::testing::{FakeCloud, Seen, invalid};
use skyloom_sdk::{Condition, rule};

const LISTS: [(&str, &str, &str); 2] = [
    ("servers.list", "/v2.1/servers", "nova.servers.list"),
    ("servers.list_detail", "/v2.1/servers/detail", "nova.servers.list_detail"),
];

#[test]
fn filters_reach_the_core() {
    for (operation, path, id) in LISTS {
        let (cloud, seen) = with_list(Vec::new(), None);
        let call = get(operation, path)
            .query("reservation_id", "r-1")
            .query("flavor", "1")
            .query("name", "web")
            .query("ip", "10.0.0")
            .query("changes-since", "2026-01-31T20:00:00+08:00")
            .query("status", "reboot")
            .query("host", "node-9");
        assert_eq!(ask(&cloud, ecs(), call.clone()).0, 200);
        // Another caller's filter by host is overlooked, an operator's is not.
        assert_eq!(
            seen.only().0,
            [
                is("reservation-id", "r-1"),
                part_any_case("flavor-id", "1"),
                part("name", ["web"]),
                from("updated-at", 1_769_860_800_000_000_i64),
                part("addresses", ["4", "10.0.0"]),
                is("vm-state", "active"),
                any_of("task-state", ["rebooting", "reboot-pending", "reboot-started"]),
            ]
        );
        assert_eq!(ask(&cloud, upstream(), call.admin()).0, 200);
        let (wanted, _) = seen.all().pop().expect("a second call");
        assert!(wanted.contains(&is("node", "node-9")) && wanted.contains(&pattern("name", ["web"])));
        rule!(id, "613821c0");
    }
}

#[test]
fn every_filter_of_the_record_reaches_the_core() {
    let (cloud, seen) = with_list(vec![server()], None);
    let ask_for = |name: &str, value: &str| {
        let call = get("servers.list", "/v2.1/servers").version(2, 96).query(name, value).admin();
        let (status, body) = ask(&cloud, upstream(), call);
        assert_eq!(status, 200, "{name} {body}");
        (seen.all().pop(), body["servers"].as_array().expect("servers").len())
    };
    let wanted = |name: &str, value: &str| ask_for(name, value).0.expect("a call").0;
    for (name, value, expected) in [
        ("description", "front", is("description", "front")),
        ("config_drive", "True", is("config-drive", true)),
        ("config_drive", "", is("config-drive", false)),
        ("launch_index", "2", is("launch-index", 2)),
        ("progress", "100", is("progress", 100)),
        ("locked_by", "owner", is("locked-by", "owner")),
        ("locked_by", "admin", is("locked-by", "operator")),
        ("power_state", "4", is("power-state", "shut-down")),
        ("access_ip_v4", "192.0.2.1", is("access-ipv4", "192.0.2.1")),
        ("access_ip_v6", "2001:db8::1", is("access-ipv6", "2001:db8::1")),
        ("tags", "a,b", all_of("tags", ["a", "b"])),
        ("tags-any", "a,b", any_of("tags", ["a", "b"])),
        ("not-tags", "a,b", not_all_of("tags", ["a", "b"])),
        ("not-tags-any", "a,b", none_of("tags", ["a", "b"])),
    ] {
        assert_eq!(wanted(name, value), [expected], "{name}={value}");
    }
    for (name, field, value, first, end) in [
        ("created_at", "created-at", "2026-01-31T12:00:00Z", NOON - 500_000, NOON + 500_000),
        ("launched_at", "launched-at", "2026-01-31T12:00:00.500000", NOON, NOON + 1),
        ("terminated_at", "terminated-at", "2026-01-31T12:00:00.500000", NOON, NOON + 1),
    ] {
        assert_eq!(wanted(name, value), [from(field, first), before(field, end)], "{name}");
    }
    // What is the same for every server finds all of them, or none without a question.
    let calls = seen.all().len();
    for (name, value, count) in [
        ("root_device_name", "/dev/vda", 1),
        ("root_device_name", "/dev/sda", 0),
        ("kernel_id", "x", 0),
        ("ramdisk_id", "x", 0),
        ("locked_by", "nobody", 0),
        ("power_state", "9", 0),
    ] {
        assert_eq!(ask_for(name, value).1, count, "{name} {value}");
    }
    assert_eq!(seen.all().len(), calls + 1);
}

#[test]
fn a_broken_address_pattern_is_named() {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(|_, _, _| Err(invalid("addresses", "'(' is not a regular expression"))));
    let message = refused(&cloud, upstream(), get("servers.list", "/v2.1/servers").query("ip", "("), 400);
    assert_eq!(message, "Invalid input for query parameters ip. Value: (. '(' is not a 'regex'");
}

#[test]
fn a_shown_time_includes_what_it_was_shown_for() {
    let (cloud, seen) = with_list(Vec::new(), None);
    let call = get("servers.list", "/v2.1/servers").version(2, 66);
    for shown in ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z", "2026-01-31T20:00:00+08:00"] {
        let call = call.clone().query("changes-since", shown).query("changes-before", shown);
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        let (wanted, _) = seen.all().pop().expect("a call");
        assert_eq!(wanted, [from("updated-at", NOON - 500_000), before("updated-at", NOON + 500_000)], "{shown}");
    }
}

#[test]
fn a_project_is_one_among_all_or_overlooked() {
    let (cloud, seen) = with_list(Vec::new(), None);
    for name in ["project_id", "tenant_id"] {
        let call = get("servers.list", "/v2.1/servers").query(name, "other");
        for (call, project) in [
            (call.clone(), None),
            (call.clone().admin(), None),
            (call.clone().query("all_tenants", "0").admin(), None),
            (call.clone().query("all_tenants", "1").admin(), Some("other")),
            (call.query("all_tenants", "").admin(), Some("other")),
        ] {
            assert_eq!(ask(&cloud, upstream(), call).0, 200);
            let asked = told(&seen.all().pop().expect("a call").0, "project-id");
            assert_eq!(asked, project.map(|id| format!("any-of: {id}")).into_iter().collect::<Vec<_>>(), "{name}");
        }
    }
}

#[test]
fn whoever_sees_several_projects_names_one() {
    let (cloud, seen) = with_list(Vec::new(), None);
    for name in ["project_id", "tenant_id"] {
        let mut call = get("servers.list", "/v2.1/servers").query(name, "other").build();
        call.caller.as_mut().expect("a caller").project_id = None;
        assert_eq!(compute_v2::handle_with(&cloud, upstream(), &call).status, 200);
        let asked = told(&seen.all().pop().expect("a call").0, "project-id");
        assert_eq!(asked, ["any-of: other"], "{name}");
    }
}

#[test]
fn everybody_may_filter_by_host_name_from_2_90_on() {
    let (cloud, seen) = with_list(Vec::new(), None);
    for (minor, expected) in [(89, vec![]), (90, vec![is("hostname", "web")])] {
        let call = get("servers.list", "/v2.1/servers").version(2, minor).query("hostname", "web");
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        assert_eq!(seen.all().pop().expect("a call").0, expected);
    }
}

#[test]
fn the_vendor_looks_for_parts() {
    for (operation, path, _) in LISTS {
        let (cloud, seen) = with_list(Vec::new(), None);
        let call = get(operation, path).query("flavor", "s3").query("name", "^w").query("ip", ".0.5");
        assert_eq!(ask(&cloud, ecs(), call.clone()).0, 200);
        let parts = [part_any_case("flavor-id", "s3"), part("name", ["^w"]), part("addresses", ["4", ".0.5"])];
        assert_eq!(seen.only().0, parts);
        let call =
            get(operation, path).query("flavor", "s3").query("ip", "^10\\.0[12]").query("ip6", "fd").version(2, 5);
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        let (wanted, _) = seen.all().pop().expect("a call");
        assert_eq!(wanted, [is("flavor-id", "s3"), pattern("addresses", ["4", "^10\\.0[12]", "6", "fd"])]);
    }
}

#[test]
fn actions_are_looked_for_by_times_as_exact_as_they_are_written() {
    let mut cloud = with_server(server());
    let seen: Seen<Vec<Condition>> = Seen::default();
    let keep = seen.clone();
    cloud.operations.list_operations = Some(Box::new(move |conditions, _| {
        keep.push(conditions.to_vec());
        Ok(OperationPage { operations: Vec::new(), next: None })
    }));
    let list = get("instance_actions.list", "/v2.1/servers/x/os-instance-actions").version(2, 66);
    for (written, first, last) in
        [("2026-01-31T12:00:00", NOON - 500_000, NOON + 499_999), ("2026-01-31T12:00:00.500000", NOON, NOON)]
    {
        let call = list.clone().query("changes-since", written).query("changes-before", written);
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        let wanted = seen.all().pop().expect("a call");
        assert_eq!(wanted[1..], [from("updated-at", first), before("updated-at", last + 1)], "{written}");
    }
}
