//! The rules of networks through the face that personalities see, on both databases.

mod bounds;
mod groups;
mod ports;
mod public_addresses;

use std::sync::Arc;

use skyloom_runtime::api::{ComputeApi as _, NetworksApi as _};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::{Error, ErrorCode};
use skyloom_runtime::context::CallContext;

use crate::compute::testing::{World, member, operator};
use crate::lists::asked;
use crate::{Cloud, Settings};

async fn worlds() -> Vec<World> {
    crate::compute::testing::worlds(Settings::default()).await
}

fn page() -> PageRequest {
    PageRequest { limit: 0, marker: None, sort: Vec::new() }
}

fn network(name: &str) -> wit::NetworkWrite {
    wit::NetworkWrite {
        name: Some(name.to_owned()),
        description: None,
        project_id: None,
        shared: None,
        external: None,
        enabled: None,
        mtu: None,
        port_security: None,
        is_default: None,
        attributes: None,
    }
}

fn subnet(network_id: &str, cidr: &str) -> wit::SubnetWrite {
    wit::SubnetWrite {
        name: None,
        description: None,
        project_id: None,
        network_id: Some(network_id.to_owned()),
        ip_version: None,
        cidr: Some(cidr.to_owned()),
        gateway: None,
        dhcp: None,
        dns: None,
        pools: None,
        host_routes: None,
        attributes: None,
    }
}

/// Changes nothing.
fn same_subnet() -> wit::SubnetWrite {
    wit::SubnetWrite { network_id: None, cidr: None, ..subnet("", "") }
}

fn port(network_id: &str) -> wit::PortWrite {
    wit::PortWrite {
        name: None,
        description: None,
        project_id: None,
        network_id: Some(network_id.to_owned()),
        mac: None,
        enabled: None,
        fixed_ips: None,
        security_group_ids: None,
        device_id: None,
        device_owner: None,
        port_security: None,
        attributes: None,
    }
}

fn same_port() -> wit::PortWrite {
    wit::PortWrite { network_id: None, ..port("") }
}

fn is(field: &str, value: &str) -> Vec<wit::Condition> {
    vec![asked(field, "any-of", &[value])]
}

/// A network of the caller with one subnet.
async fn made(cloud: &Cloud, context: &Arc<CallContext>, cidr: &str) -> (wit::Network, wit::Subnet) {
    let network = cloud.create_network(context, network("net")).await.expect("network");
    let subnet = cloud.create_subnet(context, subnet(&network.id, cidr)).await.expect("subnet");
    (network, subnet)
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> (ErrorCode, Option<String>) {
    let error = answer.expect_err("a refusal");
    (error.code, error.field)
}

macro_rules! refused {
    ($answer:expr, $code:ident) => {{
        let (code, field) = code($answer.await);
        assert!(matches!(code, ErrorCode::$code), "{code:?} ({field:?}) instead of {}", stringify!($code));
    }};
    ($answer:expr, $code:ident, $field:literal) => {{
        let (code, field) = code($answer.await);
        assert!(matches!(code, ErrorCode::$code), "{code:?} ({field:?}) instead of {}", stringify!($code));
        assert_eq!(field.as_deref(), Some($field));
    }};
}
use refused;

#[tokio::test]
async fn the_seeds_are_there_for_every_project() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let seen = cloud.list_networks(&context, Vec::new(), page()).await.expect("list").networks;
        let private = seen.iter().find(|network| network.shared).expect("the shared network");
        assert_eq!((private.name.as_str(), private.subnet_ids.len()), ("private", 1), "{}", world.database.name);
        assert!(seen.iter().any(|network| network.external && network.name == "public"));
        let port = cloud.create_port(&context, port(&private.id)).await.expect("a port on the shared network");
        assert_eq!((port.fixed_ips.len(), port.active, port.project_id.as_str()), (1, false, "p"));
        // The external network's addresses are not for everybody.
        let public = seen.iter().find(|network| network.external).expect("the external network");
        refused!(cloud.create_port(&context, super::tests::port(&public.id)), Forbidden);
        let routers = cloud.list_routers(&context, Vec::new(), page()).await.expect("routers").routers;
        assert_eq!(routers.len(), 1);
        assert_eq!(cloud.list_routers(&context, Vec::new(), page()).await.expect("again").routers[0].id, routers[0].id);
        refused!(cloud.get_router(&member("q"), routers[0].id.clone()), NotFound);
    }
}

#[tokio::test]
async fn another_projects_network_is_not_there() {
    for world in worlds().await {
        let (cloud, owner, other) = (&world.cloud, member("p"), member("q"));
        let (network, subnet_made) = made(cloud, &owner, "10.9.0.0/24").await;
        refused!(cloud.get_network(&other, network.id.clone()), NotFound);
        refused!(cloud.update_network(&other, network.id.clone(), super::tests::network("x")), NotFound);
        refused!(cloud.delete_network(&other, network.id.clone()), NotFound);
        refused!(cloud.get_subnet(&other, subnet_made.id.clone()), NotFound);
        refused!(cloud.create_subnet(&other, subnet(&network.id, "10.8.0.0/24")), NotFound);
        refused!(cloud.create_port(&other, port(&network.id)), NotFound);
        let port = cloud.create_port(&owner, port(&network.id)).await.expect("port");
        refused!(cloud.get_port(&other, port.id.clone()), NotFound);
        refused!(cloud.delete_port(&other, port.id.clone()), NotFound);
        // Operators see all; others see no foreign project, even if they name it.
        assert_eq!(cloud.get_network(&operator("admin"), network.id.clone()).await.expect("operator").id, network.id);
        let named = cloud.list_networks(&other, is("project-id", "p"), page()).await.expect("list");
        assert!(named.networks.is_empty());
        // What is shared is seen, but changed by its owner only.
        let private = cloud.list_networks(&other, Vec::new(), page()).await.expect("list").networks;
        let private = private.iter().find(|network| network.shared).expect("shared");
        refused!(cloud.delete_network(&other, private.id.clone()), Forbidden);
        refused!(cloud.create_subnet(&other, subnet(&private.id, "10.77.0.0/24")), Forbidden);
    }
}

#[tokio::test]
async fn only_operators_share() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        for (named, write) in [
            ("shared", wit::NetworkWrite { shared: Some(true), ..network("n") }),
            ("external", wit::NetworkWrite { external: Some(true), ..network("n") }),
            ("is-default", wit::NetworkWrite { is_default: Some(true), ..network("n") }),
            ("project-id", wit::NetworkWrite { project_id: Some("q".to_owned()), ..network("n") }),
        ] {
            let refused = cloud.create_network(&context, write.clone()).await.expect_err("a member may not");
            assert!(matches!(refused.code, ErrorCode::Forbidden), "{:?}", refused.code);
            assert_eq!(refused.field.as_deref(), Some(named));
            assert_eq!(refused.message, "The policy does not allow this to be performed.");
            cloud.create_network(&operator("admin"), write).await.expect("an operator may");
        }
        refused!(cloud.create_network(&context, wit::NetworkWrite { mtu: Some(67), ..network("n") }), Invalid, "mtu");
        refused!(cloud.create_network(&context, network(&"x".repeat(256))), Invalid, "name");
        let shared = wit::NetworkWrite { shared: Some(true), ..network("n") };
        let (own, _) = made(cloud, &operator("admin"), "10.9.0.0/24").await;
        cloud.update_network(&operator("admin"), own.id.clone(), shared).await.expect("share");
        cloud.create_port(&context, port(&own.id)).await.expect("a port of another project");
        let unshared = wit::NetworkWrite { shared: Some(false), ..network("n") };
        refused!(cloud.update_network(&operator("admin"), own.id.clone(), unshared), InUse);
    }
}

#[tokio::test]
async fn subnets_are_sane_and_never_overlap() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, first) = made(cloud, &context, "10.9.0.0/24").await;
        assert_eq!(first.gateway.as_deref(), Some("10.9.0.1"));
        assert_eq!((first.pools[0].start.as_str(), first.pools[0].end.as_str()), ("10.9.0.2", "10.9.0.254"));
        let range = |start: &str, end: &str| wit::AddressRange { start: start.to_owned(), end: end.to_owned() };
        let route = |destination: &str, next_hop: &str| {
            Some(vec![wit::HostRoute { destination: destination.to_owned(), next_hop: next_hop.to_owned() }])
        };
        let new = || subnet(&net.id, "10.10.0.0/24");
        for (write, field) in [
            (subnet(&net.id, "10.9.0.128/25"), "cidr"),
            (subnet(&net.id, "10.9.0.1/16"), "cidr"),
            (subnet(&net.id, "10.10.0.0/31"), "cidr"),
            (subnet(&net.id, "0.0.0.0/0"), "cidr"),
            (wit::SubnetWrite { cidr: None, ..new() }, "cidr"),
            (wit::SubnetWrite { network_id: None, ..new() }, "network-id"),
            (wit::SubnetWrite { ip_version: Some(6), ..new() }, "ip-version"),
            (wit::SubnetWrite { gateway: Some(Some("10.10.0.0".to_owned())), ..new() }, "gateway"),
            (wit::SubnetWrite { gateway: Some(Some("10.10.0.255".to_owned())), ..new() }, "gateway"),
            (wit::SubnetWrite { gateway: Some(Some("fd00::1".to_owned())), ..new() }, "gateway"),
            (wit::SubnetWrite { gateway: Some(Some("x".to_owned())), ..new() }, "gateway"),
            (wit::SubnetWrite { pools: Some(vec![range("10.10.0.9", "10.10.0.5")]), ..new() }, "pools"),
            (wit::SubnetWrite { pools: Some(vec![range("10.10.0.9", "10.11.0.5")]), ..new() }, "pools"),
            (wit::SubnetWrite { dns: Some(vec!["192.0.2.1".to_owned(); 2]), ..new() }, "dns"),
            (wit::SubnetWrite { dns: Some(vec!["2001:db8::5".to_owned()]), ..new() }, "dns"),
            (wit::SubnetWrite { host_routes: route("2001:db8::/64", "192.0.2.1"), ..new() }, "host-routes"),
            (wit::SubnetWrite { host_routes: route("198.51.100.0/24", "2001:db8::1"), ..new() }, "host-routes"),
            (wit::SubnetWrite { dns: Some((1..=6).map(|n| format!("192.0.2.{n}")).collect()), ..new() }, "dns"),
        ] {
            let (code, named) = code(cloud.create_subnet(&context, write).await);
            assert!(matches!(code, ErrorCode::Invalid), "{field}: {code:?}");
            assert_eq!(named.as_deref(), Some(field));
        }
        let overlapping = vec![range("10.10.0.5", "10.10.0.9"), range("10.10.0.9", "10.10.0.12")];
        refused!(
            cloud.create_subnet(&context, wit::SubnetWrite { pools: Some(overlapping), ..new() }),
            WrongState,
            "pools"
        );
        let with_gateway = vec![range("10.10.0.1", "10.10.0.9")];
        refused!(
            cloud.create_subnet(&context, wit::SubnetWrite { pools: Some(with_gateway), ..new() }),
            WrongState,
            "gateway"
        );

        let none = wit::SubnetWrite { gateway: Some(None), ..new() };
        let second = cloud.create_subnet(&context, none).await.expect("without a gateway");
        assert_eq!(second.gateway, None);
        let renamed = wit::SubnetWrite { name: Some("new".to_owned()), ..same_subnet() };
        let after = cloud.update_subnet(&context, second.id.clone(), renamed).await.expect("rename");
        assert_eq!((after.name.as_str(), after.revision), ("new", second.revision + 1));
        let read = cloud.get_subnet(&context, second.id.clone()).await.expect("get");
        assert_eq!(format!("{read:?}"), format!("{after:?}"));
        let moved = wit::SubnetWrite { cidr: Some("10.12.0.0/24".to_owned()), ..same_subnet() };
        refused!(cloud.update_subnet(&context, second.id.clone(), moved), Invalid, "cidr");
        // An address that a port has is no gateway's.
        let port = cloud.create_port(&context, port(&net.id)).await.expect("port");
        let taken = port.fixed_ips[0].clone();
        let gateway = wit::SubnetWrite { gateway: Some(Some(taken.address)), pools: Some(Vec::new()), ..same_subnet() };
        refused!(cloud.update_subnet(&context, taken.subnet_id.clone(), gateway), InUse, "gateway");
        refused!(cloud.delete_subnet(&context, taken.subnet_id), InUse);
        refused!(cloud.delete_network(&context, net.id.clone()), InUse);
        cloud.delete_port(&context, port.id).await.expect("delete the port");
        cloud.delete_subnet(&context, second.id).await.expect("delete a subnet");
        cloud.delete_network(&context, net.id.clone()).await.expect("delete the network with the other one");
        refused!(cloud.get_subnet(&context, first.id), NotFound);
    }
}

#[tokio::test]
async fn a_networks_name_is_an_operators_once_others_use_it() {
    for world in worlds().await {
        let cloud = &world.cloud;
        let renamed = || wit::NetworkWrite { name: Some("private".to_owned()), ..network("") };
        let (own, _) = made(cloud, &member("p"), "10.9.0.0/24").await;
        cloud.update_network(&member("p"), own.id.clone(), renamed()).await.expect("an own network");
        let shared = wit::NetworkWrite { name: Some("shared".to_owned()), shared: Some(true), ..network("") };
        cloud.update_network(&operator("o"), own.id.clone(), shared).await.expect("an operator shares it");
        refused!(cloud.update_network(&member("p"), own.id.clone(), renamed()), Forbidden, "name");
        let described = wit::NetworkWrite { name: None, description: Some("d".to_owned()), ..network("") };
        cloud.update_network(&member("p"), own.id.clone(), described).await.expect("the rest stays the owner's");
        let same = wit::NetworkWrite { name: Some("shared".to_owned()), ..network("") };
        cloud.update_network(&member("p"), own.id.clone(), same).await.expect("the same name");
        cloud.update_network(&operator("o"), own.id, renamed()).await.expect("an operator");
    }
}

#[tokio::test]
async fn a_projects_quota_holds() {
    let mut settings = Settings::default();
    settings.compute.quotas.insert("networks".to_owned(), 1);
    for world in crate::compute::testing::worlds(settings).await {
        let (cloud, context) = (&world.cloud, member("p"));
        cloud.create_network(&context, network("one")).await.expect("the first");
        refused!(cloud.create_network(&context, network("two")), QuotaExceeded, "networks");
        cloud.create_network(&member("q"), network("other")).await.expect("another project's");
    }
}

#[tokio::test]
async fn a_request_makes_all_of_a_list_or_nothing() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let made = cloud.create_networks(&context, vec![network("a"), network("b")]).await.expect("two networks");
        assert_eq!(made.iter().map(|network| network.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let net = &made[0].id;
        let subnets = vec![subnet(net, "10.9.0.0/24"), subnet(net, "10.9.1.0/24")];
        assert_eq!(cloud.create_subnets(&context, subnets).await.expect("two subnets").len(), 2);
        assert_eq!(cloud.create_ports(&context, vec![port(net), port(net)]).await.expect("two ports").len(), 2);
        let count =
            || async { (world.count("networks").await, world.count("subnets").await, world.count("ports").await) };
        let before = count().await;
        refused!(cloud.create_networks(&context, vec![network("c"), network(&"x".repeat(256))]), Invalid, "name");
        let overlapping = vec![subnet(net, "10.9.2.0/24"), subnet(net, "10.9.2.0/25")];
        refused!(cloud.create_subnets(&context, overlapping), Invalid, "cidr");
        refused!(cloud.create_ports(&context, vec![port(net), port("none")]), NotFound);
        refused!(cloud.create_networks(&context, Vec::new()), Invalid, "networks");
        refused!(cloud.create_ports(&context, vec![port(net); 129]), Invalid, "ports");
        assert_eq!(count().await, before, "{}", world.database.name);

        let write = |name: &str| wit::GroupWrite {
            name: Some(name.to_owned()),
            description: None,
            project_id: None,
            stateful: None,
            attributes: None,
        };
        let groups = cloud.create_security_groups(&context, vec![write("a"), write("b")]).await.expect("two groups");
        let rule = |group: usize, protocol: &str| wit::RuleCreate {
            group_id: groups[group].id.clone(),
            project_id: None,
            ingress: true,
            ip_version: 4,
            protocol: Some(protocol.to_owned()),
            port_min: None,
            port_max: None,
            remote_cidr: None,
            remote_group_id: None,
            description: String::new(),
            attributes: "{}".to_owned(),
        };
        let rules = world.count("security_rules").await;
        let twice = vec![rule(0, "tcp"), rule(0, "6")];
        refused!(cloud.create_security_group_rules(&context, twice), AlreadyExists, "security-group-rules");
        let scattered = vec![rule(0, "tcp"), rule(1, "tcp")];
        refused!(cloud.create_security_group_rules(&context, scattered), Invalid, "group-id");
        assert_eq!(world.count("security_rules").await, rules);
        let both = vec![rule(0, "tcp"), rule(0, "udp")];
        assert_eq!(cloud.create_security_group_rules(&context, both).await.expect("two rules").len(), 2);
    }
}

#[tokio::test]
async fn a_subnet_is_normalised_and_found_by_any_spelling() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, _) = made(cloud, &context, "10.9.0.5/24").await;
        let v6 = cloud.create_subnet(&context, subnet(&net.id, "FD00:0::9/64")).await.expect("version 6");
        assert_eq!((v6.cidr.as_str(), v6.gateway.as_deref()), ("fd00::/64", Some("fd00::1")));
        for (spelling, cidr) in
            [("10.9.0.0/24", "10.9.0.0/24"), ("10.9.0.77/24", "10.9.0.0/24"), ("fd00:0:0:0:0::/64", "fd00::/64")]
        {
            let found = cloud.list_subnets(&context, is("cidr", spelling), page()).await.expect("list").subnets;
            assert_eq!(found.iter().map(|subnet| subnet.cidr.as_str()).collect::<Vec<_>>(), [cidr], "{spelling}");
        }
        assert_eq!(
            cloud.list_subnets(&context, is("gateway", "FD00:0::1"), page()).await.expect("list").subnets.len(),
            1
        );
        let same = wit::SubnetWrite { cidr: Some("10.9.0.9/24".to_owned()), ..same_subnet() };
        let first = [is("ip-version", "4"), is("network-id", &net.id)].concat();
        let first = cloud.list_subnets(&context, first, page()).await.expect("list").subnets.remove(0);
        cloud.update_subnet(&context, first.id, same).await.expect("the same cidr");
        // A gateway may stand outside.
        let outside =
            wit::SubnetWrite { gateway: Some(Some("192.0.2.1".to_owned())), ..subnet(&net.id, "10.10.0.0/24") };
        let outside = cloud.create_subnet(&context, outside).await.expect("a gateway outside");
        assert_eq!((outside.gateway.as_deref(), outside.pools[0].start.as_str()), (Some("192.0.2.1"), "10.10.0.1"));
    }
}

#[tokio::test]
async fn everybody_sees_the_subnets_of_external_networks_and_that_they_are() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        made(cloud, &context, "10.9.0.0/24").await;
        let of = |external: bool| is("external", &external.to_string());
        let outside = cloud.list_subnets(&context, of(true), page()).await.expect("list").subnets;
        assert!(outside.len() == 1 && outside[0].external, "{}", world.database.name);
        let inside = cloud.list_subnets(&context, of(false), page()).await.expect("list").subnets;
        assert!(inside.len() == 2 && inside.iter().all(|subnet| !subnet.external));
        assert!(cloud.get_subnet(&context, outside[0].id.clone()).await.expect("get").external);
    }
}

#[tokio::test]
async fn an_operator_may_name_a_project_that_nobody_knows() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, operator("o"));
        let project = || Some("not-there-yet".to_owned());
        let net = wit::NetworkWrite { project_id: project(), ..network("n") };
        let net = cloud.create_network(&context, net).await.expect("network");
        let subnet = wit::SubnetWrite { project_id: project(), ..subnet(&net.id, "10.9.0.0/24") };
        cloud.create_subnet(&context, subnet).await.expect("subnet");
        let port = wit::PortWrite { project_id: project(), ..port(&net.id) };
        let port = cloud.create_port(&context, port).await.expect("port");
        let group = wit::GroupWrite {
            name: Some("g".to_owned()),
            description: None,
            project_id: project(),
            stateful: None,
            attributes: None,
        };
        let group = cloud.create_security_group(&context, group).await.expect("group");
        for made in [net.project_id, port.project_id, group.project_id] {
            assert_eq!(made, "not-there-yet", "{}", world.database.name);
        }
        let own = wit::NetworkWrite { project_id: project(), ..network("n") };
        refused!(cloud.create_network(&member("p"), own), Forbidden, "project-id");
        let endless = wit::NetworkWrite { project_id: Some("x".repeat(256)), ..network("n") };
        refused!(cloud.create_network(&context, endless), Invalid, "project-id");
    }
}
