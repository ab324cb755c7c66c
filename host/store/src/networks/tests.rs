use std::collections::BTreeSet;
use std::net::IpAddr;

use skyloom_model::{ErrorCode, Reach, Timestamp, new_id};

use super::*;
use crate::listing::{Filter, Page};
use crate::testing::{TestDatabase, databases};
use crate::{Conn, Db, args};

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) fn a_network(project: &str, shared: bool) -> Network {
    Network {
        id: new_id(),
        project_id: project.to_owned(),
        name: "net".to_owned(),
        description: String::new(),
        shared,
        external: false,
        enabled: true,
        is_default: false,
        port_security: true,
        mtu: 1500,
        zone: None,
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        revision: 1,
        attributes: "{}".to_owned(),
        subnet_ids: vec![],
    }
}

pub(super) fn a_subnet(network: &Network, cidr: &str) -> Subnet {
    let cidr = Cidr::parse(cidr).expect("cidr");
    let gateway = Some(cidr.hosts().start);
    Subnet {
        id: new_id(),
        network_id: network.id.clone(),
        project_id: network.project_id.clone(),
        external: network.external,
        name: String::new(),
        description: String::new(),
        cidr,
        gateway,
        dhcp: true,
        dns: vec!["192.0.2.53".to_owned()],
        pools: cidr.default_pools(gateway),
        host_routes: vec![("198.51.100.0/24".to_owned(), "10.0.0.9".to_owned())],
        created_at: Timestamp(1),
        updated_at: Timestamp(1),
        revision: 0,
        attributes: "{}".to_owned(),
    }
}

/// A network of project `p` with a subnet, committed.
pub(super) async fn made(db: &Db, cidr: &str) -> (Network, Subnet) {
    let (network, mut tx) = (a_network("p", false), db.begin().await.expect("begin"));
    let subnet = a_subnet(&network, cidr);
    insert_network(&mut tx, &network).await.expect("network");
    insert_subnet(&mut tx, &subnet).await.expect("subnet");
    tx.commit().await.expect("commit");
    (network, subnet)
}

pub(super) fn spec(device: &str) -> PortSpec {
    PortSpec {
        id: new_id(),
        project_id: "p".to_owned(),
        device_id: device.to_owned(),
        device_owner: "compute:zone".to_owned(),
        ..PortSpec::default()
    }
}

pub(super) async fn running_server(tx: &mut Conn, id: &str) {
    let texts = [
        "project_id",
        "user_id",
        "name",
        "vm_state",
        "task_state",
        "flavor_id",
        "flavor",
        "image_id",
        "key_name",
        "public_key",
        "zone",
        "node",
        "hostname",
        "access_ipv4",
        "access_ipv6",
        "reservation_id",
        "metadata",
        "attributes",
    ];
    let numbers = [
        "created_at",
        "updated_at",
        "launched_at",
        "terminated_at",
        "deleted",
        "vcpus",
        "memory_mib",
        "locked",
        "progress",
        "config_drive",
        "launch_index",
    ];
    let sql = format!(
        "INSERT INTO servers (id, power_state, {}, {}) VALUES ($1, 'running', {}, {})",
        texts.join(", "),
        numbers.join(", "),
        vec!["''"; texts.len()].join(", "),
        vec!["0"; numbers.len()].join(", "),
    );
    tx.execute(sql, crate::args![id]).await.expect("a server");
}

pub(super) async fn tx(database: &TestDatabase) -> Conn {
    database.db.begin().await.expect("begin")
}

pub(super) async fn allocate(tx: &mut Conn, network: &Network, spec: PortSpec) -> skyloom_model::Result<()> {
    let network = PortNetwork::load(tx, &network.id).await?;
    allocate_port(tx, &network, spec).await
}

pub(super) async fn allocated(tx: &mut Conn, network: &Network, spec: PortSpec) -> skyloom_model::Result<Port> {
    let id = spec.id.clone();
    allocate(tx, network, spec).await?;
    Ok(get_port(tx, &id, &Reach::All).await?.expect("the port"))
}

#[tokio::test]
async fn a_subnet_gives_each_address_once_and_then_none() {
    for database in databases().await {
        let (network, subnet) = made(&database.db, "10.0.0.0/28").await;
        let mut tx = tx(&database).await;
        let mut seen = BTreeSet::new();
        for number in 0..13 {
            let port = allocated(&mut tx, &network, spec(&format!("server-{number}"))).await.expect(database.name);
            let [fixed] = port.fixed_ips.as_slice() else { panic!("one address: {port:?}") };
            assert_eq!(fixed.subnet_id, subnet.id);
            assert!(subnet.pools[0].contains(ip(&fixed.address)), "{}", fixed.address);
            assert!(seen.insert(fixed.address.clone()), "{} twice", fixed.address);
        }
        let error = allocate(&mut tx, &network, spec("one-too-many")).await.expect_err("full");
        assert_eq!(error.code, ErrorCode::NoAddress, "{}", database.name);
        // What is given back can be had again.
        for _ in 0..2 {
            release_ports_of_device(&mut tx, "server-5").await.expect("release");
        }
        let again = PortSpec { id: new_id(), ..spec("later") };
        allocate(&mut tx, &network, again).await.expect("the one that came back");
    }
}

#[tokio::test]
async fn transactions_side_by_side_never_get_one_address_twice() {
    for database in databases().await {
        let (network, _) = made(&database.db, "10.1.0.0/26").await;
        let tasks: Vec<_> = (0..40)
            .map(|number| {
                let (db, network, spec) = (database.db.clone(), network.clone(), spec(&format!("server-{number}")));
                tokio::spawn(async move {
                    let mut tx = db.begin().await?;
                    let port = allocated(&mut tx, &network, spec).await?;
                    tx.commit().await?;
                    Ok::<_, skyloom_model::Error>(port.fixed_ips[0].address.clone())
                })
            })
            .collect();
        let mut seen = BTreeSet::new();
        for task in tasks {
            let address = task.await.expect("task").expect(database.name);
            assert!(seen.insert(address.clone()), "{}: {address} twice", database.name);
        }
        assert_eq!(seen.len(), 40);
    }
}

#[tokio::test]
async fn a_wanted_address_is_given_or_refused() {
    for database in databases().await {
        let (network, subnet) = made(&database.db, "10.0.0.0/24").await;
        let mut tx = tx(&database).await;
        let wanted = |address: &str| PortSpec { address: Some(ip(address)), ..spec("s") };
        let port = allocated(&mut tx, &network, wanted("10.0.0.77")).await.expect("free");
        assert_eq!(port.fixed_ips[0].address, "10.0.0.77");
        let taken = allocate(&mut tx, &network, wanted("10.0.0.77")).await.expect_err("taken");
        assert_eq!(taken.code, ErrorCode::AddressInUse);
        for wrong in ["10.0.0.1", "10.0.0.0", "10.0.0.255", "10.0.1.1", "fd00::1"] {
            assert_eq!(
                allocate(&mut tx, &network, wanted(wrong)).await.expect_err(wrong).code,
                ErrorCode::Invalid,
                "{wrong}"
            );
        }
        let elsewhere = PortSpec { subnet_id: Some(new_id()), ..spec("s") };
        assert_eq!(allocate(&mut tx, &network, elsewhere).await.expect_err("subnet").code, ErrorCode::Invalid);
        let mac = |mac: &str| PortSpec { mac: Some(mac.to_owned()), subnet_id: Some(subnet.id.clone()), ..spec("s") };
        allocate(&mut tx, &network, mac("02:00:00:00:00:01")).await.expect("mac");
        let twice = allocate(&mut tx, &network, mac("02:00:00:00:00:01")).await.expect_err("mac twice");
        assert_eq!(twice.code, ErrorCode::AlreadyExists);
    }
}

#[tokio::test]
async fn a_port_changes_its_addresses_and_keeps_what_stays() {
    for database in databases().await {
        let (network, subnet) = made(&database.db, "10.0.0.0/24").await;
        let mut tx = tx(&database).await;
        let port = allocated(&mut tx, &network, spec("")).await.expect("port");
        let kept = port.fixed_ips[0].clone();
        let update = |requests: Vec<FixedRequest>| PortUpdate { fixed_ips: Some(requests), ..PortUpdate::default() };
        let keep = FixedRequest { subnet_id: Some(subnet.id.clone()), address: Some(ip(&kept.address)) };
        let any = FixedRequest { subnet_id: Some(subnet.id.clone()), address: None };
        let both = update_port(&mut tx, &port.id, &update(vec![keep.clone(), any])).await.expect("two");
        assert_eq!(both.fixed_ips.len(), 2);
        assert!(both.fixed_ips.contains(&kept));
        assert_eq!(both.revision, port.revision + 1);
        let one = update_port(&mut tx, &port.id, &update(vec![keep])).await.expect("one");
        assert_eq!(one.fixed_ips, [kept]);
        let none = update_port(&mut tx, &port.id, &update(vec![])).await.expect("none");
        assert_eq!(none.fixed_ips, []);
        assert!(delete_port(&mut tx, &port.id).await.expect("delete"));
        assert!(!delete_port(&mut tx, &port.id).await.expect("again"));
    }
}

/// Pages of one, so that each key is compared with the marker's too.
macro_rules! ordered {
    ($tx:expr, $resource:ident, $list:ident, $filter:expr) => {
        for field in $resource::FIELDS.iter().filter(|field| field.order.is_some()) {
            for down in [false, true] {
                let page = Page { limit: 1, sort: vec![(field.word.to_owned(), down)], marker: None };
                let first = $list(&mut $tx, &$filter, &page).await.expect(field.word);
                let next = Page { marker: first.next.clone(), ..page };
                let second = $list(&mut $tx, &$filter, &next).await.expect(field.word);
                assert_ne!(first.items[0].id, second.items[0].id, "{}", field.word);
            }
        }
    };
}

#[tokio::test]
async fn lists_are_ordered_by_each_of_their_keys() {
    for database in databases().await {
        let mut tx = tx(&database).await;
        for mtu in [1500, 1400] {
            let network = Network { mtu, ..a_network("p", false) };
            insert_network(&mut tx, &network).await.expect("network");
            insert_subnet(&mut tx, &a_subnet(&network, "10.0.0.0/24")).await.expect("subnet");
            let port =
                NewPort { network_id: network.id, project_id: "p".to_owned(), id: new_id(), ..NewPort::default() };
            insert_port(&mut tx, &port).await.expect("port");
            default_router(&mut tx, &mtu.to_string(), Timestamp(1)).await.expect("router");
            default_group(&mut tx, &mtu.to_string(), Timestamp(1)).await.expect("group");
        }
        ordered!(tx, Network, list_networks, Filter::all());
        ordered!(tx, Subnet, list_subnets, Filter::all());
        ordered!(tx, Port, list_ports, Filter::all());
        ordered!(tx, Router, list_routers, Filter::all());
        ordered!(tx, Group, list_groups, Filter::all());
        ordered!(tx, Rule, list_rules, Filter::all());
        let small = Page { sort: vec![("mtu".to_owned(), false)], ..Page::default() };
        let listed = list_networks(&mut tx, &Filter::all(), &small).await.expect("list");
        assert_eq!(listed.items.iter().map(|network| network.mtu).collect::<Vec<_>>(), [1400, 1500]);
    }
}

#[tokio::test]
async fn a_project_sees_its_own_and_shared_networks() {
    for database in databases().await {
        let mut tx = tx(&database).await;
        let (own, foreign, shared) = (a_network("p", false), a_network("q", false), a_network("q", true));
        for network in [&own, &foreign, &shared] {
            insert_network(&mut tx, network).await.expect("network");
            insert_subnet(&mut tx, &a_subnet(network, "10.0.0.0/24")).await.expect("subnet");
        }
        let filter = Filter::within(&Reach::project("p"));
        let seen = list_networks(&mut tx, &filter, &Page::default()).await.expect("list").items;
        let ids: BTreeSet<&str> = seen.iter().map(|network| network.id.as_str()).collect();
        assert_eq!(ids, BTreeSet::from([own.id.as_str(), shared.id.as_str()]), "{}", database.name);
        assert!(seen.iter().all(|network| network.subnet_ids.len() == 1));
        assert_eq!(list_subnets(&mut tx, &filter, &Page::default()).await.expect("subnets").items.len(), 2);
        assert_eq!(get_network(&mut tx, &foreign.id, &Reach::project("p")).await.expect("get"), None);
        assert!(get_network(&mut tx, &foreign.id, &Reach::All).await.expect("get").is_some());
        let marked = Page { marker: Some(foreign.id.clone()), ..Page::default() };
        let error = list_networks(&mut tx, &filter, &marked).await.expect_err("a foreign marker");
        assert_eq!(error.field.as_deref(), Some("marker"));

        // A server of the project goes to its own network, one of a project without networks to the shared one.
        let chosen = networks_for_servers(&mut tx, "p").await.expect("own");
        assert_eq!(chosen.iter().map(|network| &network.id).collect::<Vec<_>>(), [&own.id]);
        let chosen = networks_for_servers(&mut tx, "r").await.expect("shared");
        assert_eq!(chosen.iter().map(|network| &network.id).collect::<Vec<_>>(), [&shared.id]);
    }
}

#[tokio::test]
async fn default_group_and_router_are_made_once() {
    for database in databases().await {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let db = database.db.clone();
                tokio::spawn(async move {
                    let mut tx = db.begin().await.expect("begin");
                    let group = default_group(&mut tx, "p", Timestamp(1)).await.expect("group");
                    let router = default_router(&mut tx, "p", Timestamp(1)).await.expect("router");
                    tx.commit().await.expect("commit");
                    (group, router.id)
                })
            })
            .collect();
        let mut made = BTreeSet::new();
        for task in tasks {
            made.insert(task.await.expect("task"));
        }
        assert_eq!(made.len(), 1, "{}", database.name);
        let (group, router) = made.pop_first().expect("one");
        let mut tx = tx(&database).await;
        let group = get_group(&mut tx, &group, &Reach::project("p")).await.expect("get").expect("there");
        assert_eq!(group.rules.len(), 4);
        let inbound = group.rules.iter().filter(|rule| rule.ingress);
        assert!(inbound.clone().all(|rule| rule.remote_group_id.as_ref() == Some(&group.id)));
        assert_eq!(inbound.count(), 2);
        assert_eq!(get_router(&mut tx, &router, &Reach::All).await.expect("get").expect("there").project_id, "p");
    }
}

#[tokio::test]
async fn groups_are_found_by_name_or_id_and_go_with_their_rules() {
    for database in databases().await {
        let mut tx = tx(&database).await;
        let now = Timestamp(1);
        let mut ids = Vec::new();
        for name in ["web", "twin", "twin"] {
            let group = Group {
                id: new_id(),
                project_id: "p".to_owned(),
                name: name.to_owned(),
                description: String::new(),
                stateful: true,
                is_default: false,
                created_at: now,
                updated_at: now,
                revision: 1,
                attributes: "{}".to_owned(),
                rules: vec![],
            };
            insert_group(&mut tx, &group).await.expect("group");
            ids.push(group.id);
        }
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let found = resolve_groups(&mut tx, "p", &names(&["web", &ids[1], "web"])).await.expect("found");
        assert_eq!(found, [ids[0].clone(), ids[1].clone()]);
        let twin = resolve_groups(&mut tx, "p", &names(&["twin"])).await.expect_err("two of them");
        assert_eq!((twin.code, twin.field.as_deref()), (ErrorCode::WrongState, Some("security-groups")));
        let foreign = resolve_groups(&mut tx, "q", &names(&["web"])).await.expect_err("foreign");
        assert_eq!(foreign.code, ErrorCode::NotFound);

        let rule = NewRule {
            ingress: true,
            ip_version: 4,
            protocol: Some("tcp".to_owned()),
            port_min: Some(22),
            port_max: Some(22),
            ..NewRule::default()
        };
        insert_rule(&mut tx, &new_id(), &ids[0], "p", &rule, now).await.expect("rule");
        let from_web =
            NewRule { ingress: true, ip_version: 4, remote_group_id: Some(ids[0].clone()), ..NewRule::default() };
        insert_rule(&mut tx, &new_id(), &ids[1], "p", &from_web, now).await.expect("remote");
        let filter = Filter::within(&Reach::project("p")).is("protocol", "tcp");
        assert_eq!(list_rules(&mut tx, &filter, &Page::default()).await.expect("list").items.len(), 1);
        // The group goes with its rules and those that name it.
        assert!(delete_group(&mut tx, &ids[0]).await.expect("delete"));
        assert_eq!(get_group(&mut tx, &ids[1], &Reach::All).await.expect("get").expect("there").rules.len(), 2);
    }
}

#[tokio::test]
async fn what_is_used_cannot_go() {
    for database in databases().await {
        let (network, subnet) = made(&database.db, "10.0.0.0/24").await;
        let mut open = tx(&database).await;
        let port = allocated(&mut open, &network, spec("server")).await.expect("port");
        assert!(network_in_use(&mut open, &network.id, None).await.expect("in use"));
        assert!(!network_in_use(&mut open, &network.id, Some("p")).await.expect("by others"));
        assert!(group_in_use(&mut open, &port.security_group_ids[0]).await.expect("in use"));
        open.commit().await.expect("commit");
        // The database itself refuses, whoever forgets to ask; each in a transaction of its own, for PostgreSQL.
        let mut open = tx(&database).await;
        assert_eq!(delete_network(&mut open, &network.id).await.expect_err("network").code, ErrorCode::InUse);
        drop(open);
        let mut open = tx(&database).await;
        assert_eq!(delete_subnet(&mut open, &subnet.id).await.expect_err("subnet").code, ErrorCode::InUse);
        drop(open);
        let mut open = tx(&database).await;
        assert_eq!(
            delete_group(&mut open, &port.security_group_ids[0]).await.expect_err("group").code,
            ErrorCode::InUse
        );
        drop(open);
        let mut open = tx(&database).await;
        release_ports_of_device(&mut open, "server").await.expect("release");
        assert!(delete_network(&mut open, &network.id).await.expect("free"));
    }
}

/// A port is being made, its network held and its subnet not yet, when the network is deleted.
#[tokio::test]
async fn a_network_goes_after_the_port_that_is_being_made_on_it() {
    let Some(TestDatabase { db, .. }) = crate::testing::postgres().await else { return };
    let (network, subnet) = made(&db, "10.0.0.0/24").await;
    let mut port = db.begin().await.expect("begin");
    let hold = |table: &str| format!("SELECT id FROM {table} WHERE id = $1 FOR KEY SHARE");
    port.one(hold("networks"), args![&network.id], |row| row.text(0)).await.expect("as a port's row does");
    let deletion = tokio::spawn({
        let (db, id) = (db.clone(), network.id.clone());
        async move {
            let mut tx = db.begin().await?;
            lock_network(&mut tx, &id).await?;
            delete_network(&mut tx, &id).await?;
            tx.commit().await
        }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut conn = db.read().await.expect("a connection");
    while conn.one(waits, &[], |row| row.int(0)).await.expect("activity") == 0 {}
    port.one(hold("subnets"), args![&subnet.id], |row| row.text(0)).await.expect("as a port's address does");
    port.commit().await.expect("the port");
    deletion.await.expect("a task").expect("the deletion");
}
