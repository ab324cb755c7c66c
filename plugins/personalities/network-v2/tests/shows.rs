//! How resources, versions and extensions are shown.

use network_v2::handle;
use serde_json::json;
use skyloom_sdk::cloud::compute::Zone;
use skyloom_sdk::testing::{FakeCloud, json_of, not_found};

use crate::support::*;

#[test]
fn versions_extensions_and_zones() {
    let mut cloud = FakeCloud::default();
    let response = handle(&cloud, call("versions.list").anonymous().build());
    assert_eq!(json_of(&response)["versions"][0]["links"][0]["href"], "http://cloud.test/network/v2.0/");
    assert_eq!(json_of(&handle(&cloud, call("resources.list").build()))["resources"].as_array().map(Vec::len), Some(3));
    let extensions = json_of(&handle(&cloud, call("extensions.list").build()));
    for extension in extensions["extensions"].as_array().expect("a list") {
        let alias = extension["alias"].as_str().expect("an alias");
        let one = handle(&cloud, call("extensions.show").param("alias", alias).build());
        assert_eq!(json_of(&one)["extension"], *extension);
    }
    // Neither is a network asked for in a zone, though there are zones.
    for alias in ["trunk", "network_availability_zone"] {
        assert_eq!(handle(&cloud, call("extensions.show").param("alias", alias).build()).status, 404, "{alias}");
    }
    cloud.compute.list_zones = Some(Box::new(|| {
        let zone = |name: &str, available| Zone { name: name.to_owned(), available, nodes: Vec::new() };
        Ok(vec![zone("a", true), zone("b", false)])
    }));
    let zones = json_of(&handle(&cloud, call("zones.list").build()));
    assert_eq!(zones["availability_zones"][1], json!({"name": "b", "resource": "network", "state": "unavailable"}));
    let one = json_of(&handle(&cloud, call("zones.list").query("state", "available").build()));
    assert_eq!(one["availability_zones"].as_array().map(Vec::len), Some(1));
}

#[test]
fn resources_are_shown_whole() {
    let mut cloud = FakeCloud::default();
    cloud.networks.get_network = Some(Box::new(|id| Ok(network(id))));
    cloud.networks.get_subnet = Some(Box::new(|_| Ok(subnet())));
    cloud.networks.get_port = Some(Box::new(|_| Ok(port(true))));
    cloud.networks.get_security_group = Some(Box::new(|_| Ok(group())));
    cloud.networks.get_security_group_rule = Some(Box::new(|_| Ok(rule())));
    cloud.networks.get_router = Some(Box::new(|id| Ok(router(id, "r"))));
    let at = "2026-01-01T12:00:00Z";
    let rule = json!({
        "id": "rule-1", "security_group_id": "group-1", "project_id": "project-1", "tenant_id": "project-1",
        "direction": "ingress", "ethertype": "IPv6", "protocol": "tcp", "port_range_min": 22, "port_range_max": 23,
        "remote_ip_prefix": null, "remote_group_id": "group-1", "remote_address_group_id": null, "description": "",
        "created_at": at, "updated_at": at, "revision_number": 0,
    });
    for (operation, param, name, expected) in [
        (
            "networks.show",
            "network_id",
            "network",
            json!({
                "id": "x", "name": "private", "description": "", "project_id": "project-1", "tenant_id": "project-1",
                "admin_state_up": true, "status": "ACTIVE", "shared": true, "router:external": false, "is_default": true,
                "mtu": 1500, "port_security_enabled": true, "subnets": ["subnet-1"],
                "ipv4_address_scope": null, "ipv6_address_scope": null, "tags": [], "created_at": at,
                "updated_at": at, "revision_number": 2,
            }),
        ),
        (
            "subnets.show",
            "subnet_id",
            "subnet",
            json!({
                "id": "subnet-1", "name": "s", "description": "", "project_id": "project-1", "tenant_id": "project-1",
                "network_id": "net-1", "ip_version": 4, "cidr": "10.0.0.0/24", "gateway_ip": null, "enable_dhcp": true,
                "dns_nameservers": ["192.0.2.53"], "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.254"}],
                "host_routes": [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.9"}], "subnetpool_id": null, "router:external": false,
                "ipv6_ra_mode": null, "ipv6_address_mode": null, "service_types": [], "tags": [], "created_at": at,
                "updated_at": at, "revision_number": 0,
            }),
        ),
        (
            "ports.show",
            "port_id",
            "port",
            json!({
                "id": "port-1", "name": "p", "description": "", "project_id": "project-1", "tenant_id": "project-1",
                "network_id": "net-1", "mac_address": "fa:16:3e:00:00:01", "admin_state_up": true, "status": "ACTIVE",
                "fixed_ips": [{"subnet_id": "subnet-1", "ip_address": "10.0.0.7"}], "security_groups": ["group-1"],
                "device_id": "server-1", "device_owner": "compute:zone-1", "ip_allocation": "immediate", "port_security_enabled": true,
                "allowed_address_pairs": [], "extra_dhcp_opts": [], "tags": [], "created_at": at, "updated_at": at,
                "revision_number": 1,
            }),
        ),
        (
            "security-groups.show",
            "security_group_id",
            "security_group",
            json!({
                "id": "group-1", "name": "web", "description": "d", "project_id": "project-1", "tenant_id": "project-1",
                "stateful": true, "shared": false, "security_group_rules": [rule.clone()], "tags": [], "created_at": at,
                "updated_at": at, "revision_number": 1,
            }),
        ),
        ("security-group-rules.show", "rule_id", "security_group_rule", rule.clone()),
        (
            "routers.show",
            "router_id",
            "router",
            json!({
                "id": "x", "name": "r", "description": "", "project_id": "project-1", "tenant_id": "project-1",
                "admin_state_up": true, "status": "ACTIVE", "external_gateway_info": null, "routes": [],
                "tags": [], "created_at": at, "updated_at": at, "revision_number": 0,
            }),
        ),
    ] {
        let response = handle(&cloud, call(operation).param(param, "x").build());
        assert_eq!((response.status, json_of(&response)), (200, json!({name: expected})), "{operation}");
        let picked = call(operation).param(param, "x").query("fields", "id").query("fields", "nothing").build();
        assert_eq!(json_of(&handle(&cloud, picked))[name].as_object().map(serde_json::Map::len), Some(1));
    }
    cloud.networks.get_port = Some(Box::new(|_| Ok(port(false))));
    let response = handle(&cloud, call("ports.show").param("port_id", "x").build());
    assert_eq!(json_of(&response)["port"]["status"], "DOWN");
    cloud.networks.get_port = Some(Box::new(|id| Err(not_found("port", id))));
    let response = handle(&cloud, call("ports.show").param("port_id", "x").build());
    assert_eq!(fault(&response), (404, "PortNotFound".to_owned(), "Port x could not be found.".to_owned()));
}
