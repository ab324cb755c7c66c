//! Attributes that are known, but whose capability isn't there.

use network_v2::handle;
use serde_json::json;
use skyloom_sdk::testing::{FakeCloud, json_of};

use crate::support::*;

#[test]
fn what_is_not_served_is_told_from_what_is_no_value_of_it() {
    let cloud = FakeCloud::default();
    let no_support = "this cloud does not support it";
    for (resource, attribute, value, reason) in [
        ("network", "availability_zone_hints", json!(""), "'' is not a list"),
        ("network", "availability_zone_hints", json!({}), "'{}' is not a list"),
        ("network", "availability_zone_hints", json!(["z"]), no_support),
        ("network", "provider:network_type", json!({}), "'{}' is not a valid string"),
        ("network", "provider:network_type", json!(""), no_support),
        ("network", "provider:network_type", json!("vlan"), no_support),
        ("network", "provider:physical_network", json!([]), "'[]' is not a valid string"),
        ("network", "provider:physical_network", json!(false), "'False' is not a valid string"),
        ("network", "provider:segmentation_id", json!(""), "'' is not an integer"),
        ("network", "provider:segmentation_id", json!({}), "'{}' is not an integer"),
        ("network", "provider:segmentation_id", json!("12"), no_support),
        ("network", "segments", json!({}), "'{}' is not a list"),
        ("network", "vlan_transparent", json!(""), "'' cannot be converted to boolean"),
        ("network", "vlan_transparent", json!("true"), no_support),
        ("network", "qos_policy_id", json!(""), "'' is not a valid UUID"),
        ("network", "dns_domain", json!({}), "'{}' is not a valid string"),
        ("port", "binding:profile", json!(""), "'' is not a dictionary"),
        ("port", "binding:profile", json!([]), "'[]' is not a dictionary"),
        ("port", "binding:profile", json!({"a": 1}), no_support),
        ("port", "binding:host_id", json!({}), "'{}' is not a valid string"),
        ("port", "binding:host_id", json!(false), "'False' is not a valid string"),
        ("port", "binding:vnic_type", json!("direct"), no_support),
        ("port", "allowed_address_pairs", json!(""), "'' is not a list"),
        ("port", "extra_dhcp_opts", json!({}), "'{}' is not a list"),
        ("port", "numa_affinity_policy", json!("all"), "'all' is not in ['required', 'preferred', 'legacy']"),
        ("port", "propagate_uplink_status", json!({}), "'{}' cannot be converted to boolean"),
        ("subnet", "subnetpool_id", json!(""), "'' is not a valid UUID"),
        ("subnet", "ipv6_ra_mode", json!(""), "'' is not in ['dhcpv6-stateful', 'dhcpv6-stateless', 'slaac']"),
        ("subnet", "ipv6_address_mode", json!("slaac"), no_support),
        ("subnet", "service_types", json!(""), "'' is not a list"),
        ("subnet", "prefixlen", json!({}), "'{}' is not an integer"),
    ] {
        let mut body = match resource {
            "port" => json!({"port": {"network_id": "n"}}),
            "subnet" => json!({"subnet": {"network_id": "n", "ip_version": 4, "cidr": "10.0.0.0/24"}}),
            _ => json!({resource: {}}),
        };
        body[resource][attribute] = value;
        let (status, kind, message) = fault(&handle(&cloud, call(&format!("{resource}s.create")).body(&body).build()));
        let expected = format!("Invalid input for {attribute}. Reason: {reason}.");
        assert_eq!((status, kind.as_str(), message), (400, "HTTPBadRequest", expected), "{body}");
    }
    for (value, shown) in [(json!(""), "''"), (json!({}), "'{}'"), (json!("normale"), "'normale'")] {
        let body = json!({"port": {"network_id": "n", "binding:vnic_type": value}});
        let (status, _, message) = fault(&handle(&cloud, call("ports.create").body(&body).build()));
        let begins = format!("Invalid input for binding:vnic_type. Reason: {shown} is not in ['normal', 'direct', ");
        assert!(status == 400 && message.starts_with(&begins), "{message}");
    }
}

/// What the common clients put into a creation without being asked, or because a form has it.
#[test]
fn what_is_not_served_may_have_the_value_that_says_so() {
    let mut cloud = FakeCloud::default();
    cloud.networks.create_networks = Some(Box::new(|_| Ok(vec![network("n")])));
    cloud.networks.create_subnets = Some(Box::new(|_| Ok(vec![subnet()])));
    cloud.networks.create_ports = Some(Box::new(|_| Ok(vec![port(false)])));
    cloud.networks.update_port = Some(Box::new(|_, _| Ok(port(false))));
    cloud.networks.create_security_groups = Some(Box::new(|_| Ok(vec![group()])));
    cloud.networks.create_security_group_rules = Some(Box::new(|_| Ok(vec![rule()])));
    let port = json!({"port": {"network_id": "n", "name": "", "description": "", "admin_state_up": true,
        "binding:vnic_type": "normal", "binding:profile": {}, "binding:host_id": "", "dns_name": "", "dns_domain": "",
        "extra_dhcp_opts": [], "allowed_address_pairs": [], "qos_policy_id": null, "device_id": "", "device_owner": "",
        "port_security_enabled": true, "propagate_uplink_status": true, "numa_affinity_policy": null, "hints": null,
        "device_profile": null, "trusted": null, "mac_learning_enabled": false, "tags": [], "security_groups": null}});
    for (operation, body) in [
        (
            "networks.create",
            json!({"network": {"name": "n", "description": "", "admin_state_up": true, "shared": false, "router:external": false,
                "is_default": false, "port_security_enabled": true, "mtu": 0, "availability_zone_hints": [], "dns_domain": "",
                "qos_policy_id": null, "provider:network_type": null, "provider:physical_network": null,
                "provider:segmentation_id": null, "vlan_transparent": false, "segments": [], "tags": []}}),
        ),
        (
            "subnets.create",
            json!({"subnet": {"network_id": "n", "ip_version": 4, "cidr": "10.0.0.0/24", "subnetpool_id": null,
                "use_default_subnetpool": false, "segment_id": null, "service_types": [], "dns_publish_fixed_ip": false,
                "ipv6_ra_mode": null, "ipv6_address_mode": null, "host_routes": [], "dns_nameservers": [],
                "allocation_pools": [], "tags": []}}),
        ),
        ("ports.create", port),
        (
            "security-groups.create",
            json!({"security_group": {"name": "g", "description": "", "stateful": true, "tags": []}}),
        ),
        (
            "security-group-rules.create",
            json!({"security_group_rule": {"security_group_id": "g", "direction": "ingress", "ethertype": "IPv4",
                "protocol": null, "port_range_min": null, "port_range_max": null, "remote_ip_prefix": "",
                "remote_group_id": null, "remote_address_group_id": null, "description": ""}}),
        ),
    ] {
        let response = handle(&cloud, call(operation).body(&body).build());
        assert_eq!(response.status, 201, "{operation}: {}", json_of(&response));
    }
    let changed = json!({"port": {"binding:vnic_type": "normal", "dns_name": "", "binding:profile": null}});
    assert_eq!(handle(&cloud, call("ports.update").param("port_id", "p").body(&changed).build()).status, 200);
}
