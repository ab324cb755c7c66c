//! The rules of networks through the face that personalities see, on both databases.

use std::sync::Arc;

use skyloom_runtime::api::{ComputeApi as _, NetworksApi as _};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::{Error, ErrorCode};
use skyloom_runtime::context::CallContext;

use crate::compute::testing::{World, member, operator};
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
    }
}

fn same_port() -> wit::PortWrite {
    wit::PortWrite { network_id: None, ..port("") }
}

fn networks_of(project: Option<&str>) -> wit::NetworkFilter {
    wit::NetworkFilter { project_id: project.map(ToOwned::to_owned), ..Default::default() }
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

#[tokio::test]
async fn the_seeds_are_there_for_every_project() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let seen = cloud.list_networks(&context, networks_of(None), page()).await.expect("list").networks;
        let private = seen.iter().find(|network| network.shared).expect("the shared network");
        assert_eq!((private.name.as_str(), private.subnet_ids.len()), ("private", 1), "{}", world.database.name);
        assert!(seen.iter().any(|network| network.external && network.name == "public"));
        let port = cloud.create_port(&context, port(&private.id)).await.expect("a port on the shared network");
        assert_eq!((port.fixed_ips.len(), port.active, port.project_id.as_str()), (1, false, "p"));
        // The external network's addresses are not for everybody.
        let public = seen.iter().find(|network| network.external).expect("the external network");
        refused!(cloud.create_port(&context, super::tests::port(&public.id)), Forbidden);
        let routers = cloud.list_routers(&context, None).await.expect("routers");
        assert_eq!(routers.len(), 1);
        assert_eq!(cloud.list_routers(&context, None).await.expect("again")[0].id, routers[0].id);
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
        let named = cloud.list_networks(&other, networks_of(Some("p")), page()).await.expect("list");
        assert!(named.networks.is_empty());
        // What is shared is seen, but changed by its owner only.
        let private = cloud.list_networks(&other, networks_of(None), page()).await.expect("list").networks;
        let private = private.iter().find(|network| network.shared).expect("shared");
        refused!(cloud.delete_network(&other, private.id.clone()), Forbidden);
        refused!(cloud.create_subnet(&other, subnet(&private.id, "10.77.0.0/24")), Forbidden);
    }
}

#[tokio::test]
async fn only_operators_share() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        for write in [
            wit::NetworkWrite { shared: Some(true), ..network("n") },
            wit::NetworkWrite { external: Some(true), ..network("n") },
            wit::NetworkWrite { is_default: Some(true), ..network("n") },
            wit::NetworkWrite { project_id: Some("q".to_owned()), ..network("n") },
        ] {
            refused!(cloud.create_network(&context, write.clone()), Forbidden);
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
        let new = || subnet(&net.id, "10.10.0.0/24");
        for (write, field) in [
            (subnet(&net.id, "10.9.0.128/25"), "cidr"),
            (subnet(&net.id, "10.9.0.1/16"), "cidr"),
            (subnet(&net.id, "10.10.0.0/31"), "cidr"),
            (subnet(&net.id, "0.0.0.0/0"), "cidr"),
            (wit::SubnetWrite { cidr: None, ..new() }, "cidr"),
            (wit::SubnetWrite { network_id: None, ..new() }, "network-id"),
            (wit::SubnetWrite { ip_version: Some(6), ..new() }, "ip-version"),
            (wit::SubnetWrite { gateway: Some(Some("10.11.0.1".to_owned())), ..new() }, "gateway"),
            (wit::SubnetWrite { gateway: Some(Some("x".to_owned())), ..new() }, "gateway"),
            (wit::SubnetWrite { pools: Some(vec![range("10.10.0.9", "10.10.0.5")]), ..new() }, "pools"),
            (wit::SubnetWrite { pools: Some(vec![range("10.10.0.9", "10.11.0.5")]), ..new() }, "pools"),
            (wit::SubnetWrite { dns: Some(vec!["192.0.2.1".to_owned(); 2]), ..new() }, "dns"),
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
async fn ports_get_what_their_owner_may_choose() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, subnet) = made(cloud, &context, "10.9.0.0/24").await;
        let fixed = |address: &str| {
            Some(vec![wit::FixedIpRequest { subnet_id: Some(subnet.id.clone()), address: Some(address.to_owned()) }])
        };
        let write = wit::PortWrite {
            fixed_ips: fixed("10.9.0.50"),
            mac: Some("02-00-00-00-00-0A".to_owned()),
            ..port(&net.id)
        };
        let made = cloud.create_port(&context, write.clone()).await.expect("port");
        assert_eq!((made.fixed_ips[0].address.as_str(), made.mac.as_str()), ("10.9.0.50", "02:00:00:00:00:0a"));
        assert_eq!(made.security_group_ids.len(), 1);
        refused!(cloud.create_port(&context, wit::PortWrite { mac: None, ..write.clone() }), AddressInUse);
        refused!(cloud.create_port(&context, wit::PortWrite { fixed_ips: None, ..write }), AlreadyExists, "mac");
        refused!(
            cloud.create_port(&context, wit::PortWrite { mac: Some("x".to_owned()), ..port(&net.id) }),
            Invalid,
            "mac"
        );
        refused!(
            cloud.create_port(&context, wit::PortWrite { fixed_ips: fixed("10.9.0.1"), ..port(&net.id) }),
            Invalid,
            "fixed-ips"
        );
        refused!(
            cloud.create_port(&context, wit::PortWrite { fixed_ips: fixed("10.8.0.1"), ..port(&net.id) }),
            Invalid,
            "fixed-ips"
        );
        let unknown = wit::PortWrite { security_group_ids: Some(vec!["none".to_owned()]), ..port(&net.id) };
        refused!(cloud.create_port(&context, unknown), NotFound);
        // Nobody makes a port look like a server's, and on a shared network an address is not for choosing.
        let disguised = wit::PortWrite { device_owner: Some("compute:zone".to_owned()), ..port(&net.id) };
        refused!(cloud.create_port(&context, disguised), Forbidden);
        let shared = cloud.list_networks(&context, networks_of(None), page()).await.expect("list").networks;
        let shared = shared.iter().find(|network| network.shared).expect("shared");
        let chosen = wit::FixedIpRequest { subnet_id: None, address: Some("10.0.0.77".to_owned()) };
        refused!(
            cloud.create_port(&context, wit::PortWrite { fixed_ips: Some(vec![chosen]), ..port(&shared.id) }),
            Forbidden
        );

        let open = wit::PortWrite { port_security: Some(false), ..same_port() };
        refused!(cloud.update_port(&context, made.id.clone(), open), WrongState, "security-group-ids");
        let open = wit::PortWrite { port_security: Some(false), security_group_ids: Some(Vec::new()), ..same_port() };
        let opened = cloud.update_port(&context, made.id.clone(), open).await.expect("without groups");
        assert!(!opened.port_security && opened.security_group_ids.is_empty());
        let disabled = wit::PortWrite { enabled: Some(false), name: Some("n".to_owned()), ..same_port() };
        let disabled = cloud.update_port(&context, made.id.clone(), disabled).await.expect("update");
        assert_eq!((disabled.enabled, disabled.name.as_str(), disabled.fixed_ips.len()), (false, "n", 1));
    }
}

#[tokio::test]
async fn a_servers_port_stays_with_its_server() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
        let mut tx = world.database.db.begin().await.expect("begin");
        let port = skyloom_model::new_id();
        let spec = skyloom_store::networks::PortSpec {
            id: port.clone(),
            project_id: "p".to_owned(),
            device_id: "server".to_owned(),
            device_owner: "compute:zone".to_owned(),
            ..Default::default()
        };
        let network = skyloom_store::networks::PortNetwork::load(&mut tx, &net.id).await.expect("network");
        skyloom_store::networks::allocate_port(&mut tx, &network, spec).await.expect("allocate");
        tx.commit().await.expect("commit");
        refused!(cloud.delete_port(&context, port.clone()), InUse);
        let away = wit::PortWrite { device_id: Some(String::new()), ..same_port() };
        refused!(cloud.update_port(&context, port.clone(), away), InUse);
        let named = wit::PortWrite { name: Some("web".to_owned()), ..same_port() };
        assert_eq!(cloud.update_port(&context, port.clone(), named).await.expect("name").name, "web");
    }
}

#[tokio::test]
async fn a_port_is_a_servers_only_by_the_servers_creation() {
    for world in worlds().await {
        let cloud = &world.cloud;
        let made_servers = cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
        let server = &made_servers.server_ids[0];
        let before = cloud.get_server(&member("p"), server.clone()).await.expect("server");
        for context in [member("q"), member("p"), operator("q")] {
            let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
            let of_server = || Some(server.clone());
            let claiming = wit::PortWrite { device_id: of_server(), ..port(&net.id) };
            refused!(cloud.create_port(&context, claiming), Invalid, "device-id");
            let other = wit::PortWrite { device_id: Some("a router".to_owned()), ..port(&net.id) };
            let other = cloud.create_port(&context, other).await.expect("another device");
            let claiming = wit::PortWrite { device_id: of_server(), ..same_port() };
            refused!(cloud.update_port(&context, other.id, claiming), Invalid, "device-id");
        }
        let after = cloud.get_server(&member("p"), server.clone()).await.expect("server");
        assert_eq!((after.nics.len(), before.nics.len()), (1, 1), "{}", world.database.name);
        // A client that sends the whole port back changes nothing.
        let own = before.nics[0].port_id.clone();
        let same = wit::PortWrite { device_id: Some(server.clone()), ..same_port() };
        assert_eq!(&cloud.update_port(&member("p"), own, same).await.expect("the same").device_id, server);
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
        refused!(cloud.update_network(&member("p"), own.id.clone(), renamed()), Forbidden);
        let described = wit::NetworkWrite { name: None, description: Some("d".to_owned()), ..network("") };
        cloud.update_network(&member("p"), own.id.clone(), described).await.expect("the rest stays the owner's");
        let same = wit::NetworkWrite { name: Some("shared".to_owned()), ..network("") };
        cloud.update_network(&member("p"), own.id.clone(), same).await.expect("the same name");
        cloud.update_network(&operator("o"), own.id, renamed()).await.expect("an operator");
    }
}

#[tokio::test]
async fn security_groups_keep_their_rules() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let write = |name: &str| wit::GroupWrite {
            name: Some(name.to_owned()),
            description: None,
            project_id: None,
            stateful: None,
        };
        let none = wit::GroupFilter::default();
        let groups = cloud.list_security_groups(&context, none.clone(), page()).await.expect("list").groups;
        assert_eq!(groups.len(), 1, "the default one is made when somebody looks");
        let default = groups[0].clone();
        refused!(cloud.create_security_group(&context, write("Default")), AlreadyExists, "name");
        refused!(cloud.update_security_group(&context, default.id.clone(), write("other")), WrongState, "name");
        refused!(cloud.delete_security_group(&context, default.id.clone()), WrongState, "default");

        let web = cloud.create_security_group(&context, write("web")).await.expect("create");
        assert_eq!((web.rules.len(), web.stateful), (2, true));
        let rule = wit::RuleCreate {
            group_id: web.id.clone(),
            project_id: None,
            ingress: true,
            ip_version: 4,
            protocol: Some("tcp".to_owned()),
            port_min: Some(80),
            port_max: Some(80),
            remote_cidr: Some("192.0.2.7/24".to_owned()),
            remote_group_id: None,
            description: String::new(),
        };
        let made = cloud.create_security_group_rule(&context, rule.clone()).await.expect("rule");
        assert_eq!(made.remote_cidr.as_deref(), Some("192.0.2.0/24"));
        refused!(cloud.create_security_group_rule(&context, rule.clone()), AlreadyExists);
        refused!(cloud.create_security_group_rule(&member("q"), rule.clone()), NotFound);
        let bad = wit::RuleCreate { port_min: Some(81), ..rule.clone() };
        refused!(cloud.create_security_group_rule(&context, bad), Invalid, "port-min");
        refused!(cloud.get_security_group_rule(&member("q"), made.id.clone()), NotFound);
        refused!(cloud.delete_security_group_rule(&member("q"), made.id.clone()), NotFound);
        cloud.delete_security_group_rule(&context, made.id.clone()).await.expect("delete");
        refused!(cloud.delete_security_group_rule(&context, made.id), NotFound);

        let (net, _) = super::tests::made(cloud, &context, "10.9.0.0/24").await;
        let member_of = wit::PortWrite { security_group_ids: Some(vec![web.id.clone()]), ..port(&net.id) };
        let port = cloud.create_port(&context, member_of).await.expect("port");
        refused!(cloud.delete_security_group(&context, web.id.clone()), InUse);
        cloud.delete_port(&context, port.id).await.expect("delete the port");
        cloud.delete_security_group(&context, web.id.clone()).await.expect("delete");
        refused!(cloud.get_security_group(&context, web.id), NotFound);
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

/// Creations and the deletion of what they need, side by side: each is done or refused, none meets a fault of the database.
#[tokio::test]
async fn a_network_is_deleted_while_ports_are_made_on_it() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        for _ in 0..20 {
            let (net, _) = made(cloud, &context, "10.9.0.0/24").await;
            let make = || cloud.create_port(&context, port(&net.id));
            let (one, two, gone, three) =
                tokio::join!(make(), make(), cloud.delete_network(&context, net.id.clone()), make());
            for answer in [one.map(drop), two.map(drop), three.map(drop), gone] {
                let code = answer.err().map(|error| error.code);
                let fine = matches!(code, None | Some(ErrorCode::NotFound | ErrorCode::InUse));
                assert!(fine, "{}: {code:?}", world.database.name);
            }
        }
    }
}
