//! The ports that a device has.

use skyloom_model::{ErrorCode, Reach, Timestamp, new_id};

use super::tests::{a_subnet, allocated, made, running_server, spec, tx};
use super::*;
use crate::args;
use crate::testing::databases;

#[tokio::test]
async fn a_device_sees_its_ports_and_leaves_those_it_took() {
    for database in databases().await {
        let (network, subnet) = made(&database.db, "10.0.0.0/24").await;
        let mut tx = tx(&database).await;
        insert_subnet(&mut tx, &a_subnet(&network, "fd00::/64")).await.expect("v6");
        let group = default_group(&mut tx, "p", Timestamp(5)).await.expect("group");
        let own =
            NewPort { id: new_id(), project_id: "p".to_owned(), network_id: network.id.clone(), ..NewPort::default() };
        let own = insert_port(&mut tx, &own).await.expect("own");
        let mine = allocated(&mut tx, &network, PortSpec { position: 1, ..spec("server") }).await.expect("allocated");
        assert_eq!(mine.security_group_ids, [group]);
        take_port(&mut tx, &own.id, "p", "server", "compute:zone", 0).await.expect("take");
        let foreign = take_port(&mut tx, &own.id, "q", "server", "compute:zone", 0).await.expect_err("foreign");
        assert_eq!(foreign.code, ErrorCode::NotFound);
        let second = take_port(&mut tx, &own.id, "p", "other", "compute:zone", 0).await.expect_err("taken");
        assert_eq!(second.code, ErrorCode::InUse);
        // That a port's text names the server makes it none of the server's.
        let named = NewPort {
            id: new_id(),
            project_id: "q".to_owned(),
            network_id: network.id.clone(),
            device_id: "server".to_owned(),
            device_owner: "Compute:zone".to_owned(),
            ..NewPort::default()
        };
        let named = insert_port(&mut tx, &named).await.expect("named");
        bind_ports_of_device(&mut tx, "server", "node-1").await.expect("bind");

        // A bound port is active while its server runs.
        assert!(!get_port(&mut tx, &mine.id, &Reach::All).await.expect("get").expect("there").active);
        running_server(&mut tx, "server").await;
        let ports = ports_of_device(&mut tx, "server").await.expect("ports");
        let ids: Vec<&str> = ports.iter().map(|port| port.port.id.as_str()).collect();
        assert_eq!(ids, [&own.id, &mine.id], "{}", database.name);
        assert!(ports.iter().all(|port| port.network_name == "net" && port.port.active && port.mtu == 1500));
        let versions: Vec<u8> = ports[1].addresses.iter().map(|address| address.ip_version).collect();
        assert_eq!(versions, [4, 6]);
        assert_eq!(ports[1].addresses[0].prefix, 24);
        assert_eq!(ports[1].addresses[0].gateway, subnet.gateway.map(|gateway| gateway.to_string()));
        assert_eq!(ports[1].addresses[0].dns, ["192.0.2.53"]);
        assert_eq!(ports_of_device(&mut tx, "").await.expect("none").len(), 0);
        for (power, active) in [("paused", true), ("suspended", false), ("shut-down", false)] {
            let sql = "UPDATE servers SET power_state = $2 WHERE id = $1";
            tx.execute(sql, crate::args!["server", power]).await.expect("power");
            let port = get_port(&mut tx, &mine.id, &Reach::All).await.expect("get").expect("there");
            assert_eq!(port.active, active, "{} {power}", database.name);
        }
        let places = places_of_device(&mut tx, "server").await.expect("places");
        assert_eq!(places, [(own.id.clone(), 0), (mine.id.clone(), 1)], "{}", database.name);

        release_ports_of_device(&mut tx, "server").await.expect("release");
        let left =
            get_port(&mut tx, &own.id, &Reach::project("p")).await.expect("get").expect("the port that was taken");
        assert_eq!((left.device_id.as_str(), left.node.as_str(), left.fixed_ips.len()), ("", "", 2));
        assert_eq!(get_port(&mut tx, &mine.id, &Reach::All).await.expect("get"), None);
        assert_eq!(get_port(&mut tx, &named.id, &Reach::All).await.expect("get"), Some(named));
    }
}

#[tokio::test]
async fn a_device_gives_back_one_of_its_ports() {
    for database in databases().await {
        let (network, _) = made(&database.db, "10.0.0.0/24").await;
        let mut tx = tx(&database).await;
        let new =
            NewPort { id: new_id(), project_id: "p".to_owned(), network_id: network.id.clone(), ..NewPort::default() };
        let given = insert_port(&mut tx, &new).await.expect("a port of the project");
        let stays = allocated(&mut tx, &network, spec("server")).await.expect("stays");
        let goes = PortSpec { id: new_id(), position: 1, ..spec("server") };
        let goes = allocated(&mut tx, &network, goes).await.expect("goes");
        take_port(&mut tx, &given.id, "p", "server", "compute:zone", 2).await.expect("take");
        for id in [&goes.id, &given.id, &goes.id, "", "nobody"] {
            release_port_of_device(&mut tx, "server", id).await.expect("release");
        }
        // Another device's.
        release_port_of_device(&mut tx, "other", &stays.id).await.expect("release");
        let places = places_of_device(&mut tx, "server").await.expect("places");
        assert_eq!(places, [(stays.id.clone(), 0)], "{}", database.name);
        assert_eq!(get_port(&mut tx, &goes.id, &Reach::All).await.expect("get"), None, "{}", database.name);
        let free = get_port(&mut tx, &given.id, &Reach::All).await.expect("get").expect("it stays");
        assert_eq!((free.device_id.as_str(), free.of_core, free.fixed_ips.len()), ("", false, 1));
        let sql = "SELECT count(*) FROM port_addresses WHERE port_id = $1";
        let left = tx.one(sql, args![&goes.id], |row| row.int(0)).await.expect("addresses");
        assert_eq!(left, 0, "{}: its address is free", database.name);
    }
}
