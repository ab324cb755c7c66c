//! Filters of server lists: what of a query reaches the core.

mod support;

use skyloom_sdk::cloud::compute::{AddressFilter, PowerState, TaskState, TimeRange, VmState};
use skyloom_sdk::cloud::operations::{OperationFilter, OperationPage};
use skyloom_sdk::rule;
use skyloom_sdk::testing::{FakeCloud, Seen, invalid};
use support::*;

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
        let (filter, _) = seen.only();
        assert_eq!(filter.reservation_id.as_deref(), Some("r-1"));
        assert_eq!(
            (filter.flavor_id.as_deref(), filter.name.as_deref(), filter.name_is_pattern),
            (Some("1"), Some("web"), false)
        );
        assert_eq!(filter.addresses, [address(4, "10.0.0", true)]);
        assert_eq!(filter.changed_since, Some(1_769_860_800_000_000));
        assert_eq!((filter.vm_states, filter.task_states), (vec![VmState::Active], vec![TaskState::Rebooting]));
        // Another caller's filter is overlooked, an operator's is not.
        assert!(filter.node.is_none());
        assert_eq!(ask(&cloud, upstream(), call.admin()).0, 200);
        let (filter, _) = seen.all().pop().expect("a second call");
        assert_eq!((filter.node.as_deref(), filter.name_is_pattern), (Some("node-9"), true));
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
    let filter = |name: &str, value: &str| ask_for(name, value).0.expect("a call").0;
    assert_eq!(filter("description", "front").description.as_deref(), Some("front"));
    assert_eq!(filter("config_drive", "True").config_drive, Some(true));
    assert_eq!(filter("config_drive", "").config_drive, Some(false));
    assert_eq!(filter("launch_index", "2").launch_index, Some(2));
    assert_eq!(filter("progress", "100").progress, Some(100));
    assert_eq!(filter("power_state", "4").power_states, [PowerState::ShutDown]);
    assert_eq!(filter("access_ip_v4", "192.0.2.1").access_ipv4.as_deref(), Some("192.0.2.1"));
    assert_eq!(filter("access_ip_v6", "2001:db8::1").access_ipv6.as_deref(), Some("2001:db8::1"));
    let range = |range: Option<TimeRange>| range.map(|range| (range.since, range.before));
    assert_eq!(range(filter("created_at", "2026-01-31T12:00:00Z").created), Some((NOON - 500_000, NOON + 500_000)));
    assert_eq!(range(filter("launched_at", "2026-01-31T12:00:00.500000").launched), Some((NOON, NOON + 1)));
    assert_eq!(range(filter("terminated_at", "2026-01-31T12:00:00.500000").terminated), Some((NOON, NOON + 1)));
    // What is the same for every server finds all of them, or none without a question.
    let calls = seen.all().len();
    for (name, value, count) in [
        ("root_device_name", "/dev/vda", 1),
        ("root_device_name", "/dev/sda", 0),
        ("kernel_id", "x", 0),
        ("ramdisk_id", "x", 0),
        ("locked_by", "admin", 0),
        ("power_state", "9", 0),
    ] {
        assert_eq!(ask_for(name, value).1, count, "{name} {value}");
    }
    assert_eq!(seen.all().len(), calls + 1);
}

fn address(version: u8, text: &str, is_part: bool) -> AddressFilter {
    AddressFilter { version, text: text.to_owned(), is_part }
}

#[test]
fn a_broken_address_pattern_is_named() {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_servers = Some(Box::new(|_, _| Err(invalid("addresses", "'(' is not a regular expression"))));
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
        let (filter, _) = seen.all().pop().expect("a call");
        assert!(filter.changed_since <= Some(NOON) && Some(NOON) <= filter.changed_before, "{shown}");
        assert_eq!(filter.changed_before, Some(NOON + 499_999), "{shown}");
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
            assert_eq!(seen.all().pop().expect("a call").0.project_id.as_deref(), project, "{name}");
        }
    }
}

#[test]
fn everybody_may_filter_by_host_name_from_2_90_on() {
    let (cloud, seen) = with_list(Vec::new(), None);
    for (minor, hostname) in [(89, None), (90, Some("web"))] {
        let call = get("servers.list", "/v2.1/servers").version(2, minor).query("hostname", "web");
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        assert_eq!(seen.all().pop().expect("a call").0.hostname.as_deref(), hostname);
    }
}

#[test]
fn the_vendor_looks_for_parts() {
    for (operation, path, _) in LISTS {
        let (cloud, seen) = with_list(Vec::new(), None);
        let call = get(operation, path).query("flavor", "s3").query("name", "^w").query("ip", ".0.5");
        assert_eq!(ask(&cloud, ecs(), call.clone()).0, 200);
        let (filter, _) = seen.only();
        assert_eq!((filter.flavor_id.as_deref(), filter.flavor_id_is_part), (Some("s3"), true));
        assert_eq!((filter.name.as_deref(), filter.name_is_pattern), (Some("^w"), false));
        assert_eq!(filter.addresses, [address(4, ".0.5", true)]);
        let call =
            get(operation, path).query("flavor", "s3").query("ip", "^10\\.0[12]").query("ip6", "fd").version(2, 5);
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        let (filter, _) = seen.all().pop().expect("a call");
        assert!(!filter.flavor_id_is_part);
        assert_eq!(filter.addresses, [address(4, "^10\\.0[12]", false), address(6, "fd", false)]);
    }
}

#[test]
fn actions_are_looked_for_by_times_as_exact_as_they_are_written() {
    let mut cloud = with_server(server());
    let seen: Seen<OperationFilter> = Seen::default();
    let keep = seen.clone();
    cloud.operations.list_operations = Some(Box::new(move |filter, _| {
        keep.push(filter.clone());
        Ok(OperationPage { operations: Vec::new(), next: None })
    }));
    let list = get("instance_actions.list", "/v2.1/servers/x/os-instance-actions").version(2, 66);
    for (written, first, last) in
        [("2026-01-31T12:00:00", NOON - 500_000, NOON + 499_999), ("2026-01-31T12:00:00.500000", NOON, NOON)]
    {
        let call = list.clone().query("changes-since", written).query("changes-before", written);
        assert_eq!(ask(&cloud, upstream(), call).0, 200);
        let filter = seen.all().pop().expect("a call");
        assert_eq!((filter.changed_since, filter.changed_before), (Some(first), Some(last)), "{written}");
    }
}
