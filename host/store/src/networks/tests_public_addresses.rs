//! Addresses of the outside: taken from a network, led to ports and away from them, metered.

use skyloom_model::{ErrorCode, Reach, Timestamp, new_id};

use super::tests::{a_network, a_subnet, ip, made, tx};
use super::*;
use crate::identity::testing::a_project;
use crate::listing::{Condition, Filter, Page};
use crate::public_addresses::{self, NewAddress, PublicAddress, Target};
use crate::testing::{TestDatabase, databases, databases_at};
use crate::{Conn, args, metering};

fn new() -> NewAddress {
    NewAddress { project_id: "p".to_owned(), attributes: "{}".to_owned(), ..NewAddress::default() }
}

async fn outside(tx: &mut Conn, cidr: &str) -> PortNetwork {
    let network = Network { external: true, ..a_network("o", false) };
    insert_network(tx, &network).await.expect("network");
    insert_subnet(tx, &a_subnet(&network, cidr)).await.expect("subnet");
    PortNetwork::load(tx, &network.id).await.expect("network")
}

/// A port of project `p` with this address.
async fn a_port(database: &TestDatabase, cidr: &str, address: &str) -> (String, Target) {
    let (network, _) = made(&database.db, cidr).await;
    let mut tx = tx(database).await;
    let new = NewPort {
        id: new_id(),
        project_id: "p".to_owned(),
        network_id: network.id,
        fixed_ips: Some(vec![FixedRequest { subnet_id: None, address: Some(ip(address)) }]),
        ..NewPort::default()
    };
    let port = insert_port(&mut tx, &new).await.expect("port");
    tx.commit().await.expect("commit");
    let target = Target { port_id: port.id.clone(), fixed_address: address.to_owned(), server_id: String::new() };
    (port.id, target)
}

async fn read(tx: &mut Conn, id: &str) -> PublicAddress {
    public_addresses::get(tx, id, &Reach::All).await.expect("get").expect("the address")
}

async fn spans(tx: &mut Conn, id: &str) -> Vec<(i64, String, bool)> {
    let wanted = metering::Select {
        account: None,
        reach: Reach::All,
        resource_id: Some(id.to_owned()),
        meter: None,
        start: Timestamp(0),
        end: Timestamp(99),
    };
    let ids = metering::span_ids(tx, &wanted).await.expect("ids");
    let mut spans = metering::spans(tx, &ids).await.expect("spans");
    spans.sort_by_key(|span| span.started_at);
    spans.into_iter().map(|span| (span.started_at.0, span.server_id.clone(), span.is_open())).collect()
}

#[tokio::test]
async fn an_address_is_used_by_a_server_from_when_it_takes_it_until_it_goes() {
    for database in databases().await {
        let (_, target) = a_port(&database, "10.0.0.0/24", "10.0.0.7").await;
        let mut tx = tx(&database).await;
        let network = outside(&mut tx, "203.0.113.0/24").await;
        let id = public_addresses::make(&mut tx, &network, new(), Timestamp(10)).await.expect("address").id;
        let of_server = |server: &str| Target { server_id: server.to_owned(), ..target.clone() };
        assert!(public_addresses::bind(&mut tx, &id, of_server("s"), false, Timestamp(20)).await.expect("bind"));
        assert!(!public_addresses::bind(&mut tx, &id, of_server("t"), false, Timestamp(30)).await.expect("bound"));
        public_addresses::release_of_server(&mut tx, "s", None, Timestamp(40)).await.expect("it stays");
        let free = read(&mut tx, &id).await;
        assert_eq!((free.port_id.as_str(), free.server_id.as_str(), free.revision), ("", "", 3), "{}", database.name);
        let expected = [(10, "", false), (20, "s", false), (40, "", true)];
        let expected = expected.map(|(at, server, open)| (at, server.to_owned(), open));
        assert_eq!(spans(&mut tx, &id).await, expected, "{}", database.name);
        // Once more it goes with its server.
        assert!(public_addresses::bind(&mut tx, &id, of_server("s"), true, Timestamp(50)).await.expect("bind"));
        public_addresses::release_of_server(&mut tx, "s", None, Timestamp(60)).await.expect("it goes");
        assert!(public_addresses::get(&mut tx, &id, &Reach::All).await.expect("get").is_none());
        assert!(spans(&mut tx, &id).await.iter().all(|(.., open)| !open), "{}", database.name);
    }
}

#[tokio::test]
async fn a_network_gives_each_address_once_and_takes_it_back() {
    for database in databases().await {
        let mut tx = tx(&database).await;
        // Beside the gateway there is one.
        let network = outside(&mut tx, "203.0.113.0/30").await;
        let only = public_addresses::make(&mut tx, &network, new(), Timestamp(1)).await.expect("address");
        assert_eq!((only.address.as_str(), only.network_id.as_str()), ("203.0.113.2", network.id()));
        let full = public_addresses::make(&mut tx, &network, new(), Timestamp(1)).await.expect_err("none is left");
        assert_eq!(full.code, ErrorCode::NoAddress, "{}", database.name);
        drop(tx);

        let mut tx = super::tests::tx(&database).await;
        let network = outside(&mut tx, "203.0.113.0/30").await;
        let only = public_addresses::make(&mut tx, &network, new(), Timestamp(1)).await.expect("address");
        assert!(public_addresses::release(&mut tx, &only.id, Timestamp(2)).await.expect("release"));
        assert!(!public_addresses::release(&mut tx, &only.id, Timestamp(2)).await.expect("again"));
        let wanted = NewAddress { address: Some(ip("203.0.113.2")), ..new() };
        let again = public_addresses::make(&mut tx, &network, wanted.clone(), Timestamp(3)).await.expect("again");
        assert_eq!(again.address, only.address);
        let taken = public_addresses::make(&mut tx, &network, wanted, Timestamp(3)).await.expect_err("taken");
        assert_eq!(taken.code, ErrorCode::AddressInUse, "{}", database.name);
    }
}

#[tokio::test]
async fn a_public_address_is_of_version_4() {
    for database in databases().await {
        let mut tx = tx(&database).await;
        let network = outside(&mut tx, "2001:db8::/64").await;
        let none = public_addresses::make(&mut tx, &network, new(), Timestamp(1)).await.expect_err("no such subnet");
        assert_eq!((none.code, none.field.as_deref()), (ErrorCode::Invalid, Some("network-id")), "{}", database.name);
        assert_eq!(external_network(&mut tx).await.expect("networks"), None, "{}", database.name);
        let subnet = a_subnet(&Network { id: network.id().to_owned(), ..a_network("o", false) }, "203.0.113.0/24");
        insert_subnet(&mut tx, &subnet).await.expect("subnet");
        let network = PortNetwork::load(&mut tx, network.id()).await.expect("network");
        let made = public_addresses::make(&mut tx, &network, new(), Timestamp(1)).await.expect("address");
        assert!(made.address.starts_with("203.0.113."), "{}", made.address);
        let default = external_network(&mut tx).await.expect("networks").map(|found| found.id);
        assert_eq!(default.as_deref(), Some(network.id()), "{}", database.name);
    }
}

#[tokio::test]
async fn what_leads_to_a_port_follows_the_port() {
    for database in databases().await {
        let (port, target) = a_port(&database, "10.0.0.0/24", "10.0.0.7").await;
        let mut tx = tx(&database).await;
        let network = outside(&mut tx, "203.0.113.0/24").await;
        let leads = NewAddress { target: Some(target.clone()), ..new() };
        let id = public_addresses::make(&mut tx, &network, leads, Timestamp(1)).await.expect("address").id;
        assert_eq!(public_addresses::of_port(&mut tx, &port).await.expect("of the port").len(), 1);

        take_port(&mut tx, &port, "p", "server", "compute:zone", 0).await.expect("take");
        public_addresses::join_server(&mut tx, &port, "server", Timestamp(2)).await.expect("join");
        let led = read(&mut tx, &id).await;
        assert_eq!((led.server_id.as_str(), led.fixed_address.as_str()), ("server", "10.0.0.7"), "{}", database.name);
        assert_eq!(public_addresses::free_target(&mut tx, "server").await.expect("targets"), None, "it is taken");

        let left = [FixedIp { subnet_id: String::new(), address: "10.0.0.7".to_owned() }];
        public_addresses::leave_port(&mut tx, &port, &left, Timestamp(3)).await.expect("it has it still");
        assert_eq!(read(&mut tx, &id).await.port_id, port);
        public_addresses::leave_port(&mut tx, &port, &[], Timestamp(4)).await.expect("it has it no more");
        let free = read(&mut tx, &id).await;
        assert_eq!((free.port_id.as_str(), free.fixed_address.as_str(), free.server_id.as_str()), ("", "", ""));
        let expected = Target { server_id: "server".to_owned(), ..target };
        assert_eq!(public_addresses::free_target(&mut tx, "server").await.expect("targets"), Some(expected));
    }
}

#[tokio::test]
async fn of_a_server_that_failed_only_the_address_that_was_made_with_it_goes() {
    for database in databases().await {
        let (_, target) = a_port(&database, "10.0.0.0/24", "10.0.0.7").await;
        let mut tx = tx(&database).await;
        let network = outside(&mut tx, "203.0.113.0/24").await;
        let mut ids = Vec::new();
        // Before the server, with it, and since.
        for (time, fixed_address) in [(1, "10.0.0.7"), (2, "10.0.0.8"), (3, "10.0.0.9")] {
            let fixed_address = fixed_address.to_owned();
            let target = Target { fixed_address, server_id: "s".to_owned(), ..target.clone() };
            let leads = NewAddress { target: Some(target), ..new() };
            ids.push(public_addresses::make(&mut tx, &network, leads, Timestamp(time)).await.expect("address").id);
        }
        public_addresses::mark_made_for(&mut tx, "s", Timestamp(2)).await.expect("mark");
        public_addresses::release_of_server(&mut tx, "s", None, Timestamp(4)).await.expect("release");
        let mut stays = Vec::new();
        for id in &ids {
            stays.push(public_addresses::get(&mut tx, id, &Reach::All).await.expect("get").is_some());
        }
        assert_eq!(stays, [true, false, true], "{}", database.name);
    }
}

#[tokio::test]
async fn an_address_that_is_led_to_another_server_outlives_the_one_that_goes() {
    let Some(database) = crate::testing::postgres().await else { return };
    let (_, target) = a_port(&database, "10.0.0.0/24", "10.0.0.7").await;
    let of_server = |server: &str| Target { server_id: server.to_owned(), ..target.clone() };
    let mut open = tx(&database).await;
    let network = outside(&mut open, "203.0.113.0/24").await;
    let leads = NewAddress { target: Some(of_server("goes")), ..new() };
    let id = public_addresses::make(&mut open, &network, leads, Timestamp(1)).await.expect("address").id;
    open.commit().await.expect("commit");

    let mut led = tx(&database).await;
    let before = public_addresses::lock(&mut led, &id, &Reach::All).await.expect("lock").expect("the address");
    let mut after = before.clone();
    after.lead(Some(of_server("stays")));
    public_addresses::change(&mut led, &before, &after).await.expect("change");
    let end = tokio::spawn({
        let db = database.db.clone();
        async move {
            let mut tx = db.begin().await?;
            public_addresses::release_of_server(&mut tx, "goes", Some(true), Timestamp(2)).await?;
            tx.commit().await
        }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut conn = database.db.read().await.expect("a connection");
    while conn.one(waits, &[], |row| row.int(0)).await.expect("activity") == 0 {}
    led.commit().await.expect("commit");
    end.await.expect("a task").expect("the end");
    assert_eq!(read(&mut conn, &id).await.server_id, "stays");
}

#[tokio::test]
async fn addresses_are_listed_within_a_reach_by_what_they_are() {
    for database in databases().await {
        let (port, target) = a_port(&database, "10.0.0.0/24", "10.0.0.7").await;
        let mut tx = tx(&database).await;
        a_project(&mut tx, "east", "p").await;
        a_project(&mut tx, "west", "q").await;
        let network = outside(&mut tx, "203.0.113.0/24").await;
        let mut ids = Vec::new();
        for new in [
            NewAddress { target: Some(target), address: Some(ip("203.0.113.7")), ..new() },
            NewAddress { description: "spare".to_owned(), ..new() },
            NewAddress { project_id: "q".to_owned(), ..new() },
        ] {
            ids.push(public_addresses::make(&mut tx, &network, new, Timestamp(1)).await.expect("address").id);
        }
        let all: &[usize] = &[0, 1, 2];
        for (reach, condition, expected) in [
            (Reach::All, None, all),
            (Reach::project("p"), None, &all[..2]),
            (Reach::Domain("west".into()), None, &all[2..]),
            (Reach::All, Some(Condition::is("network-id", network.id())), all),
            (Reach::All, Some(Condition::is("address", "203.0.113.7")), &all[..1]),
            (Reach::All, Some(Condition::is("port-id", &port)), &all[..1]),
            (Reach::All, Some(Condition::is("fixed-address", "10.0.0.7")), &all[..1]),
            (Reach::All, Some(Condition::is("bound", true)), &all[..1]),
            (Reach::All, Some(Condition::is("bound", false)), &all[1..]),
            (Reach::All, Some(Condition::is("description", "spare")), &all[1..2]),
            (Reach::project("q"), Some(Condition::is("bound", true)), &[]),
        ] {
            let filter = Filter::new(&reach, condition.into_iter().collect());
            let listed = public_addresses::list(&mut tx, &filter, &Page::default()).await.expect("list").items;
            let mut found: Vec<String> = listed.into_iter().map(|address| address.id).collect();
            let mut wanted: Vec<String> = expected.iter().map(|at| ids[*at].clone()).collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{}: {filter:?}", database.name);
        }
        assert!(public_addresses::lock(&mut tx, &ids[0], &Reach::project("q")).await.expect("lock").is_none());
    }
}

/// Before they were a resource: one led to a server, whichever of its ports, one was free.
#[tokio::test]
async fn addresses_of_before_lead_to_the_first_port_of_their_server() {
    const BEFORE: i64 = 27;
    for database in databases_at(BEFORE).await {
        let mut tx = tx(&database).await;
        tx.execute(
            "INSERT INTO networks (id, project_id, name, description, shared, external, enabled, is_default, port_security, \
             mtu, created_at, updated_at, revision) VALUES ('n', 'p', '', '', 0, 1, 1, 0, 1, 1500, 1, 1, 1)",
            &[],
        )
        .await
        .expect("network");
        for (subnet, version) in [("four", 4_i64), ("six", 6)] {
            tx.execute(
                "INSERT INTO subnets (id, network_id, project_id, name, description, ip_version, cidr, dhcp, dns, pools, \
                 host_routes, created_at, updated_at, revision) \
                 VALUES ($1, 'n', 'p', '', '', $2, '', 0, '[]', '[]', '[]', 1, 1, 1)",
                args![subnet, version],
            )
            .await
            .expect("subnet");
        }
        for (at, (port, device, addresses)) in [
            ("bare", "s", &["six"][..]),
            ("card", "s", &["four", "six"]),
            ("carrier", "bound", &["six", "four"]),
            ("other", "free", &["four"]),
        ]
        .into_iter()
        .enumerate()
        {
            tx.execute(
                "INSERT INTO ports (id, network_id, project_id, name, description, mac, enabled, port_security, device_id, \
                 device_owner, with_device, position, node, created_at, updated_at, revision, of_core) \
                 VALUES ($1, 'n', 'p', '', '', $1, 1, 1, $2, '', 1, $3, '', 1, 1, 1, 1)",
                args![port, device, i64::try_from(at).expect("few")],
            )
            .await
            .expect("port");
            for subnet in addresses {
                let text = format!("{subnet} of {port}");
                tx.execute("INSERT INTO port_addresses VALUES ($1, $2, $2, $3)", args![*subnet, &text, port])
                    .await
                    .expect("address");
            }
        }
        for (id, carrier, server) in [("bound", "carrier", "s"), ("free", "other", "")] {
            tx.execute(
                "INSERT INTO public_addresses (id, project_id, port_id, server_id, bandwidth_mbit, \
                 delete_on_termination, created_at) VALUES ($1, 'p', $2, $3, 1, 0, 5)",
                args![id, carrier, server],
            )
            .await
            .expect("public address");
        }
        tx.commit().await.expect("commit");
        crate::migrate::migrate(&database.db).await.expect("the schema of now");
        let mut conn = database.db.read().await.expect("read");
        let bound = read(&mut conn, "bound").await;
        let told = [&bound.network_id, &bound.address, &bound.port_id, &bound.fixed_address, &bound.server_id];
        assert_eq!(told, ["n", "four of carrier", "card", "four of card", "s"], "{}", database.name);
        assert_eq!((bound.carrier_id.as_str(), bound.updated_at, bound.revision), ("carrier", Timestamp(5), 1));
        let free = read(&mut conn, "free").await;
        assert_eq!([&free.address, &free.port_id, &free.fixed_address], ["four of other", "", ""], "{}", database.name);
    }
}
