//! What the fake core holds, and requests.
use skyloom_sdk::Response;
use skyloom_sdk::cloud::networks::{
    AddressRange, FixedIp, HostRoute, Network, Port, Router, SecurityGroup, SecurityGroupRule, Subnet,
};
use skyloom_sdk::testing::{Call, json_of};

pub const NOON: i64 = 1_767_268_800_000_000;

pub fn network(id: &str) -> Network {
    Network {
        id: id.to_owned(),
        name: "private".to_owned(),
        description: String::new(),
        project_id: "project-1".to_owned(),
        shared: true,
        external: false,
        enabled: true,
        mtu: 1500,
        zone: None,
        is_default: true,
        port_security: true,
        subnet_ids: vec!["subnet-1".to_owned()],
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 2,
        attributes: "{}".to_owned(),
    }
}

pub fn subnet() -> Subnet {
    Subnet {
        id: "subnet-1".to_owned(),
        name: "s".to_owned(),
        description: String::new(),
        network_id: "net-1".to_owned(),
        project_id: "project-1".to_owned(),
        external: false,
        ip_version: 4,
        cidr: "10.0.0.0/24".to_owned(),
        gateway: None,
        dhcp: true,
        dns: vec!["192.0.2.53".to_owned()],
        pools: vec![AddressRange { start: "10.0.0.2".to_owned(), end: "10.0.0.254".to_owned() }],
        host_routes: vec![HostRoute { destination: "10.1.0.0/16".to_owned(), next_hop: "10.0.0.9".to_owned() }],
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

pub fn port(active: bool) -> Port {
    Port {
        id: "port-1".to_owned(),
        name: "p".to_owned(),
        description: String::new(),
        network_id: "net-1".to_owned(),
        project_id: "project-1".to_owned(),
        mac: "fa:16:3e:00:00:01".to_owned(),
        enabled: true,
        active,
        fixed_ips: vec![FixedIp { subnet_id: "subnet-1".to_owned(), address: "10.0.0.7".to_owned() }],
        security_group_ids: vec!["group-1".to_owned()],
        device_id: "server-1".to_owned(),
        device_owner: "compute:zone-1".to_owned(),
        node: String::new(),
        port_security: true,
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 1,
        attributes: "{}".to_owned(),
    }
}

pub fn rule() -> SecurityGroupRule {
    SecurityGroupRule {
        id: "rule-1".to_owned(),
        group_id: "group-1".to_owned(),
        project_id: "project-1".to_owned(),
        ingress: true,
        ip_version: 6,
        protocol: Some("tcp".to_owned()),
        port_min: Some(22),
        port_max: Some(23),
        remote_cidr: None,
        remote_group_id: Some("group-1".to_owned()),
        description: String::new(),
        created_at: NOON,
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

pub fn group() -> SecurityGroup {
    SecurityGroup {
        id: "group-1".to_owned(),
        name: "web".to_owned(),
        description: "d".to_owned(),
        project_id: "project-1".to_owned(),
        stateful: true,
        rules: vec![rule()],
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 1,
        attributes: "{}".to_owned(),
    }
}

pub fn router(id: &str, name: &str) -> Router {
    Router {
        id: id.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        project_id: "project-1".to_owned(),
        enabled: true,
        created_at: NOON,
        updated_at: NOON,
    }
}

pub fn call(operation: &str) -> Call {
    Call::new(operation, "GET", "/v2.0").base_url("http://cloud.test/network")
}

pub fn fault(response: &Response) -> (u16, String, String) {
    let body = json_of(response);
    let text = |name: &str| body["NeutronError"][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(body["NeutronError"]["detail"], "", "{body}");
    (response.status, text("type"), text("message"))
}
