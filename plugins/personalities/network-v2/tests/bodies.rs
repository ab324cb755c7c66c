//! What bodies say to the core, and which are refused.

use network_v2::handle;
use serde_json::json;
use skyloom_sdk::cloud::networks::{AddressRange, FixedIpRequest, HostRoute};
use skyloom_sdk::testing::{FakeCloud, Seen, json_of};

use crate::support::*;

#[test]
fn bodies_reach_the_core() {
    let mut cloud = FakeCloud::default();
    let networks = Seen::default();
    let (create, update) = (networks.clone(), networks.clone());
    cloud.networks.create_networks = Some(Box::new(move |writes| {
        for write in writes {
            create.push(write.clone());
        }
        Ok(vec![network("n")])
    }));
    cloud.networks.update_network = Some(Box::new(move |_, write| {
        update.push(write.clone());
        Ok(network("n"))
    }));
    let body = json!({"network": {"name": "x", "admin_state_up": "false", "shared": 1, "router:external": true, "mtu": "1400",
        "tenant_id": "p", "port_security_enabled": false, "availability_zone_hints": []}});
    assert_eq!(handle(&cloud, call("networks.create").body(&body).build()).status, 201);
    let write = networks.only();
    assert_eq!(
        (write.name.as_deref(), write.enabled, write.shared, write.external),
        (Some("x"), Some(false), Some(true), Some(true))
    );
    assert_eq!((write.mtu, write.project_id.as_deref(), write.port_security), (Some(1400), Some("p"), Some(false)));
    let body = json!({"network": {"description": ""}});
    let response = handle(&cloud, call("networks.update").param("network_id", "n").body(&body).build());
    assert_eq!((response.status, networks.all()[1].description.as_deref()), (200, Some("")));

    let subnets = Seen::default();
    let log = subnets.clone();
    cloud.networks.create_subnets = Some(Box::new(move |writes| {
        for write in writes {
            log.push(write.clone());
        }
        Ok(vec![subnet()])
    }));
    let body = json!({"subnet": {"network_id": "n", "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": null,
        "dns_nameservers": ["192.0.2.53"], "allocation_pools": [{"start": "a", "end": "b"}],
        "host_routes": [{"destination": "d", "nexthop": "h"}], "enable_dhcp": false, "subnetpool_id": null}});
    assert_eq!(handle(&cloud, call("subnets.create").body(&body).build()).status, 201);
    let write = subnets.only();
    assert_eq!((write.gateway, write.dhcp), (Some(None), Some(false)));
    assert_eq!(write.pools, Some(vec![AddressRange { start: "a".to_owned(), end: "b".to_owned() }]));
    assert_eq!(write.host_routes, Some(vec![HostRoute { destination: "d".to_owned(), next_hop: "h".to_owned() }]));

    let ports = Seen::default();
    let log = ports.clone();
    cloud.networks.create_ports = Some(Box::new(move |writes| {
        for write in writes {
            log.push(write.clone());
        }
        Ok(vec![port(false)])
    }));
    let body = json!({"port": {"network_id": "n", "fixed_ips": [{"subnet_id": "s"}, {"ip_address": "10.0.0.7"}],
        "security_groups": ["g"], "allowed_address_pairs": []}});
    assert_eq!(handle(&cloud, call("ports.create").body(&body).build()).status, 201);
    let write = ports.only();
    let fixed = |subnet: Option<&str>, address: Option<&str>| FixedIpRequest {
        subnet_id: subnet.map(ToOwned::to_owned),
        address: address.map(ToOwned::to_owned),
    };
    assert_eq!(write.fixed_ips, Some(vec![fixed(Some("s"), None), fixed(None, Some("10.0.0.7"))]));
    assert_eq!(write.security_group_ids, Some(vec!["g".to_owned()]));

    let rules = Seen::default();
    let log = rules.clone();
    cloud.networks.create_security_group_rules = Some(Box::new(move |creates| {
        for create in creates {
            log.push(create.clone());
        }
        Ok(vec![rule()])
    }));
    let body = json!({"security_group_rule": {"security_group_id": "g", "direction": "ingress", "ethertype": "ipv6",
        "protocol": 6, "port_range_min": "22", "port_range_max": 23, "remote_ip_prefix": "::/0"}});
    assert_eq!(handle(&cloud, call("security-group-rules.create").body(&body).build()).status, 201);
    let create = rules.only();
    assert_eq!((create.ingress, create.ip_version, create.protocol.as_deref()), (true, 6, Some("6")));
    assert_eq!((create.port_min, create.port_max, create.remote_cidr.as_deref()), (Some(22), Some(23), Some("::/0")));
}

const POOL: &str = "11111111-2222-4333-8444-555555555555";

#[test]
fn bodies_that_make_no_sense_are_refused() {
    let cloud = FakeCloud::default();
    for (operation, body, part) in [
        ("networks.create", json!([]), "Body contains invalid data"),
        ("networks.create", json!({}), "Resource body required"),
        ("networks.create", json!({"network": 5}), "Unable to find 'network' in request body"),
        ("networks.create", json!({"networks": []}), "Resources required"),
        ("networks.create", json!({"networks": {}}), "'networks' is not a list"),
        ("networks.create", json!({"networks": [5]}), "'networks' holds what is not an object"),
        ("networks.create", json!({"networks": [{"network": 5}]}), "Unable to find 'network' in request body"),
        (
            "networks.create",
            json!({"networks": [{"name": "n"}, {"nonsense": "x"}]}),
            "Unrecognized attribute(s) 'nonsense'",
        ),
        ("networks.update", json!({"networks": [{"name": "n"}]}), "Unable to find 'network' in request body"),
        ("networks.create", json!({"network": {"nonsense": "x"}}), "Unrecognized attribute(s) 'nonsense'"),
        ("networks.create", json!({"network": {"qos_policy_id": "x"}}), "Invalid input for qos_policy_id"),
        (
            "networks.create",
            json!({"network": {"availability_zones": []}}),
            "Unrecognized attribute(s) 'availability_zones'",
        ),
        (
            "networks.create",
            json!({"network": {"mtu": null}}),
            "Invalid input for mtu. Reason: 'None' is not an integer.",
        ),
        (
            "networks.update",
            json!({"network": {"mtu": null}}),
            "Invalid input for mtu. Reason: 'None' is not an integer.",
        ),
        ("networks.create", json!({"network": {"id": "x"}}), "Attribute 'id' not allowed in POST"),
        ("networks.create", json!({"network": {"name": 5}}), "'5' is not a valid string"),
        ("networks.create", json!({"network": {"shared": "maybe"}}), "'maybe' cannot be converted to boolean"),
        ("networks.create", json!({"network": {"mtu": -1}}), "non-negative"),
        ("networks.create", json!({"network": {"availability_zone_hints": ["z"]}}), "does not support"),
        ("networks.create", json!({"network": {"project_id": "a", "tenant_id": "b"}}), "do not match"),
        ("networks.update", json!({"network": {"project_id": "a"}}), "Cannot update read-only attribute project_id"),
        ("networks.update", json!({"network": {"status": "DOWN"}}), "Cannot update read-only attribute status"),
        ("subnets.create", json!({"subnet": {"cidr": "x", "ip_version": 4}}), "'network_id' not specified"),
        ("subnets.create", json!({"subnet": {"network_id": "n", "cidr": "x"}}), "'ip_version' not specified"),
        ("subnets.create", json!({"subnet": {"network_id": "n", "ip_version": 5, "cidr": "x"}}), "not in [4, 6]"),
        ("subnets.create", json!({"subnet": {"network_id": "n", "ip_version": 4}}), "a subnetpool must be specified"),
        (
            "subnets.create",
            json!({"subnet": {"network_id": "n", "ip_version": 4, "subnetpool_id": POOL}}),
            "does not support",
        ),
        (
            "subnets.create",
            json!({"subnet": {"network_id": "n", "ip_version": 4, "allocation_pools": [{"start": "a"}]}}),
            "allocation_pools",
        ),
        ("subnets.update", json!({"subnet": {"cidr": "10.0.0.0/8"}}), "Cannot update read-only attribute cidr"),
        ("ports.create", json!({"port": {}}), "'network_id' not specified"),
        ("ports.create", json!({"port": {"network_id": "n", "fixed_ips": [5]}}), "fixed_ips"),
        ("ports.create", json!({"port": {"network_id": "n", "fixed_ips": [{"x": "y"}]}}), "fixed_ips"),
        ("ports.create", json!({"port": {"network_id": "n", "security_groups": "g"}}), "is not a list"),
        (
            "ports.create",
            json!({"port": {"network_id": "n", "binding:host_id": "h"}}),
            "Invalid input for binding:host_id. Reason: this cloud does not support it",
        ),
        (
            "ports.create",
            json!({"port": {"network_id": "n", "binding:vnic_type": "direct"}}),
            "Invalid input for binding:vnic_type. Reason: this cloud does not support it",
        ),
        (
            "ports.create",
            json!({"port": {"network_id": "n", "allowed_address_pairs": [{"ip_address": "a"}]}}),
            "does not support",
        ),
        ("security-groups.update", json!({"security_group": {"security_group_rules": []}}), "read-only"),
        (
            "security-group-rules.create",
            json!({"security_group_rule": {"direction": "ingress"}}),
            "'security_group_id' not specified",
        ),
        (
            "security-group-rules.create",
            json!({"security_group_rule": {"security_group_id": "g", "direction": "up"}}),
            "direction",
        ),
        (
            "security-group-rules.create",
            json!({"security_group_rule": {"security_group_id": "g", "direction": "egress", "ethertype": "X"}}),
            "ethertype",
        ),
    ] {
        let (status, kind, message) = fault(&handle(&cloud, call(operation).body(&body).build()));
        let expected = match part {
            "ethertype" => "SecurityGroupRuleInvalidEtherType",
            part if part.contains("a subnetpool must") => "BadRequest",
            _ => "HTTPBadRequest",
        };
        assert_eq!((status, kind.as_str()), (400, expected), "{body}: {message}");
        assert!(message.contains(part), "{body}: {message}");
        if message.contains("not support") {
            println!("UNSUPPORTED network-v2 {operation} {body}: {message}");
        }
    }
    for (body, said) in [
        (&b""[..], "Resource body required"),
        (b"{}", "Resource body required"),
        (b"{", "Body contains invalid data"),
        (b"[]", "Body contains invalid data"),
    ] {
        let answer = fault(&handle(&cloud, call("networks.create").raw_body(body).build()));
        assert_eq!(answer, (400, "HTTPBadRequest".to_owned(), said.to_owned()));
    }
}

#[test]
fn a_port_that_is_none_is_refused_in_upstreams_words() {
    let cloud = FakeCloud::default();
    for (value, shown) in
        [(json!("x"), "x"), (json!(65536), "65536"), (json!(-1), "-1"), (json!(99_999_999_999_i64), "99999999999")]
    {
        let body =
            json!({"security_group_rule": {"security_group_id": "g", "direction": "egress", "port_range_min": value}});
        let answer = fault(&handle(&cloud, call("security-group-rules.create").body(&body).build()));
        let message = format!("Invalid value for port {shown}");
        assert_eq!(answer, (400, "SecurityGroupInvalidPortValue".to_owned(), message));
    }
}

#[test]
fn a_value_of_the_wrong_type_is_shown_in_upstreams_words() {
    let cloud = FakeCloud::default();
    let not = |what: &str, shown: &str| format!("'{shown}' is not a valid {what}");
    let text = |shown: &str| not("string", shown);
    for (resource, attribute) in [
        ("network", "name"),
        ("network", "description"),
        ("network", "tenant_id"),
        ("subnet", "name"),
        ("subnet", "description"),
        ("port", "name"),
        ("port", "description"),
        ("port", "device_id"),
        ("port", "device_owner"),
        ("security_group", "name"),
        ("security_group", "description"),
    ] {
        for (value, shown) in [
            (json!(null), "None"),
            (json!(true), "True"),
            (json!(1), "1"),
            (json!([null, "a", "it's"]), "[None, 'a', \"it's\"]"),
            (json!({"a": false}), "{'a': False}"),
        ] {
            let mut body = match resource {
                "port" => json!({"port": {"network_id": "n"}}),
                "subnet" => json!({"subnet": {"network_id": "n", "ip_version": 4}}),
                _ => json!({resource: {}}),
            };
            body[resource][attribute] = value;
            let operation = format!("{}s.create", resource.replace('_', "-"));
            let (status, kind, message) = fault(&handle(&cloud, call(&operation).body(&body).build()));
            let expected = format!("Invalid input for {attribute}. Reason: {}.", text(shown));
            assert_eq!((status, kind.as_str(), message), (400, "HTTPBadRequest", expected), "{body}");
        }
    }
    for (operation, attribute, value, reason) in [
        ("ports.update", "mac_address", json!(null), not("MAC address", "None")),
        ("ports.update", "fixed_ips", json!(null), "Invalid data format for fixed IP: 'None'".to_owned()),
        ("ports.update", "fixed_ips", json!([5]), "Invalid data format for fixed IP: '5'".to_owned()),
        ("ports.update", "fixed_ips", json!([{"ip_address": 5}]), not("IP address", "5")),
        ("ports.update", "fixed_ips", json!([{"subnet_id": null}]), not("UUID", "None")),
        ("ports.update", "security_groups", json!({"a": true}), "'{'a': True}' is not a list".to_owned()),
        ("subnets.update", "allocation_pools", json!("x"), "Invalid data format for IP pool: 'x'".to_owned()),
        (
            "subnets.update",
            "allocation_pools",
            json!([true]),
            "Invalid input. 'True' must be a dictionary with keys: ['start', 'end']".to_owned(),
        ),
        (
            "subnets.update",
            "host_routes",
            json!([{"nexthop": "a"}]),
            "Validation of dictionary's keys failed. Expected keys: ['destination', 'nexthop'] Provided keys: ['nexthop']"
                .to_owned(),
        ),
        ("subnets.update", "enable_dhcp", json!(null), "'None' cannot be converted to boolean".to_owned()),
        ("networks.update", "mtu", json!([]), "'[]' is not an integer".to_owned()),
    ] {
        let resource = operation.trim_end_matches("s.update");
        let body = json!({resource: {attribute: value}});
        let (status, _, message) = fault(&handle(&cloud, call(operation).body(&body).build()));
        assert_eq!((status, message), (400, format!("Invalid input for {attribute}. Reason: {reason}.")), "{body}");
    }
}

#[test]
fn a_name_has_no_blanks_at_its_ends() {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let log = seen.clone();
    cloud.networks.update_network = Some(Box::new(move |_, write| {
        log.push(write.name.clone());
        Ok(network("n"))
    }));
    for name in ["", "a b", "a  b", "\u{1f600}"] {
        let body = json!({"network": {"name": name}});
        assert_eq!(handle(&cloud, call("networks.update").body(&body).build()).status, 200, "{name:?}");
        assert_eq!(seen.all().pop(), Some(Some(name.to_owned())));
    }
    for resource in ["network", "subnet", "port"] {
        for name in [" a", "a ", " ", "a\n", "a\u{7}b", "\u{a0}a", "a\u{2028}b"] {
            let body = json!({resource: {"name": name}});
            let (status, kind, message) =
                fault(&handle(&cloud, call(&format!("{resource}s.update")).body(&body).build()));
            let expected = format!("Invalid input for name. Reason: '{name}' is not a valid string.");
            assert_eq!((status, kind.as_str(), message), (400, "HTTPBadRequest", expected));
        }
    }
}

#[test]
fn a_flag_has_each_of_the_words_that_upstream_takes() {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let log = seen.clone();
    cloud.networks.update_network = Some(Box::new(move |_, write| {
        log.push(write.enabled);
        Ok(network("n"))
    }));
    for (word, flag) in [
        ("yes", true),
        ("on", true),
        (" T ", true),
        ("Y", true),
        ("off", false),
        ("no", false),
        ("N", false),
        ("f", false),
    ] {
        let body = json!({"network": {"admin_state_up": word}});
        assert_eq!(handle(&cloud, call("networks.update").body(&body).build()).status, 200, "{word}");
        assert_eq!(seen.all().pop(), Some(Some(flag)), "{word}");
    }
}

#[test]
fn no_groups_are_the_default_ones_at_creation_and_none_later() {
    let mut cloud = FakeCloud::default();
    let (made, changed) = (Seen::default(), Seen::default());
    let (made_log, changed_log) = (made.clone(), changed.clone());
    cloud.networks.create_ports = Some(Box::new(move |writes| {
        made_log.push(writes[0].security_group_ids.clone());
        Ok(vec![port(false)])
    }));
    cloud.networks.update_port = Some(Box::new(move |_, write| {
        changed_log.push(write.security_group_ids.clone());
        Ok(port(false))
    }));
    for (groups, create, update) in [(json!(null), None, Some(vec![])), (json!([]), Some(vec![]), Some(vec![]))] {
        let body = json!({"port": {"network_id": "n", "security_groups": groups}});
        assert_eq!(handle(&cloud, call("ports.create").body(&body).build()).status, 201);
        let body = json!({"port": {"security_groups": groups}});
        assert_eq!(handle(&cloud, call("ports.update").param("port_id", "p").body(&body).build()).status, 200);
        assert_eq!((made.all().pop(), changed.all().pop()), (Some(create), Some(update)));
    }
}

#[test]
fn several_are_created_by_one_request() {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    let log = seen.clone();
    cloud.networks.create_networks = Some(Box::new(move |writes| {
        for write in writes {
            log.push(write.name.clone().unwrap_or_default());
        }
        Ok(vec![network("one"), network("two")])
    }));
    // Upstream takes items in an object of their own, too.
    let body = json!({"networks": [{"name": "a"}, {"network": {"name": "b"}}]});
    let response = handle(&cloud, call("networks.create").body(&body).build());
    assert_eq!((response.status, seen.all()), (201, vec!["a".to_owned(), "b".to_owned()]));
    let answer = json_of(&response);
    assert_eq!(
        (answer["networks"][0]["id"].as_str(), answer["networks"][1]["id"].as_str()),
        (Some("one"), Some("two"))
    );
    // A list of one is answered by a list.
    cloud.networks.create_security_group_rules = Some(Box::new(|_| Ok(vec![rule()])));
    let body = json!({"security_group_rules": [{"security_group_id": "g", "direction": "ingress"}]});
    let answer = json_of(&handle(&cloud, call("security-group-rules.create").body(&body).build()));
    assert_eq!(answer["security_group_rules"].as_array().map(Vec::len), Some(1), "{answer}");
}

#[test]
fn what_is_deleted_answers_204() {
    let mut cloud = FakeCloud::default();
    let seen = Seen::default();
    macro_rules! deleting {
        ($($function:ident)*) => { $(
            let log = seen.clone();
            cloud.networks.$function = Some(Box::new(move |id| Ok(log.push(format!("{} {id}", stringify!($function))))));
        )* };
    }
    deleting! {
        delete_network delete_subnet delete_port delete_security_group delete_security_group_rule delete_public_address
    }
    for (operation, param) in [
        ("networks.delete", "network_id"),
        ("subnets.delete", "subnet_id"),
        ("ports.delete", "port_id"),
        ("security-groups.delete", "security_group_id"),
        ("security-group-rules.delete", "rule_id"),
        ("floatingips.delete", "floatingip_id"),
    ] {
        assert_eq!(handle(&cloud, call(operation).param(param, "x").build()).status, 204, "{operation}");
    }
    let expected = ["network", "subnet", "port", "security_group", "security_group_rule", "public_address"]
        .map(|name| format!("delete_{name} x"));
    assert_eq!(seen.all(), expected);
    // The path may end with the format.
    assert_eq!(handle(&cloud, call("networks.delete").param("network_id", "x.json").build()).status, 204);
    assert_eq!(seen.all().pop().as_deref(), Some("delete_network x"));
    assert_eq!(handle(&cloud, call("unknown").build()).status, 404);
}
