//! What a server is made of: cards on networks, addresses, groups, disks.

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, NetworksApi, VolumesApi};
use skyloom_runtime::bindings::cloud::{compute as wit, networks, volumes};
use skyloom_store::placements;

use super::tests::empty;
use crate::Settings;
use crate::compute::testing::{Kind as _, World, disk_of, member, operator, page, volume, worlds};
use crate::identity::RoleRules;
use crate::lists::{all_parts, asked};

#[tokio::test]
async fn ports_and_networks_are_the_callers_and_free() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let private = vec![asked("name", "any-of", &["private"])];
        let page = page(0, None);
        let network = cloud.list_networks(&context, private, page).await.expect("list").networks.remove(0);
        let port = networks::PortWrite {
            name: None,
            description: None,
            project_id: None,
            network_id: Some(network.id.clone()),
            mac: None,
            enabled: None,
            fixed_ips: None,
            security_group_ids: None,
            device_id: None,
            device_owner: None,
            port_security: None,
            attributes: None,
        };
        let port = cloud.create_port(&context, port).await.expect("a port");
        let nic = wit::NicRequest {
            port_id: Some(port.id.clone()),
            network_id: None,
            subnet_id: None,
            address: None,
            security_groups: None,
        };
        let on = |nic: &wit::NicRequest, names: &[&str]| wit::ServerCreate {
            networks: wit::NetworkChoice::Nics(vec![nic.clone()]),
            ..world.create(names)
        };
        let error = cloud.create_servers(&member("q"), on(&nic, &["a"])).await.expect_err("foreign port");
        assert_eq!(error.kind(), ErrorCode::NotFound);
        let error = cloud.create_servers(&context, on(&nic, &["a", "b"])).await.expect_err("one port for two");
        assert_eq!(error.kind(), ErrorCode::Invalid);
        let made = cloud.create_servers(&context, on(&nic, &["a"])).await.expect("creation");
        let server = cloud.get_server(&context, made.server_ids[0].clone(), all_parts()).await.expect("the server");
        assert_eq!((server.nics.len(), &server.nics[0].port_id), (1, &port.id));
        assert_eq!(server.nics[0].addresses[0].address, port.fixed_ips[0].address);
        let error = cloud.create_servers(&context, on(&nic, &["b"])).await.expect_err("port in use");
        assert_eq!(error.kind(), ErrorCode::InUse);
        let nic = wit::NicRequest {
            port_id: None,
            network_id: Some(network.id),
            address: Some(port.fixed_ips[0].address.clone()),
            ..nic
        };
        let error = cloud.create_servers(&operator("p"), on(&nic, &["b"])).await.expect_err("address in use");
        assert_eq!(error.kind(), ErrorCode::AddressInUse, "{}", world.database.name);
        // The refused ones left nothing.
        assert_eq!((world.count("servers").await, world.count("volumes").await), (1, 1));
    }
}

#[tokio::test]
async fn several_networks_are_a_conflict() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        for (name, cidr) in [("one", "10.8.0.0/24"), ("two", "10.9.0.0/24")] {
            let network = networks::NetworkWrite {
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
            };
            let network = cloud.create_network(&context, network).await.expect("a network");
            // A network without a subnet is no candidate: with the first one alone there is no doubt.
            let made = cloud.create_servers(&context, world.create(&[name])).await;
            assert!(made.is_ok(), "{made:?}");
            let subnet = networks::SubnetWrite {
                name: None,
                description: None,
                project_id: None,
                network_id: Some(network.id),
                ip_version: None,
                cidr: Some(cidr.to_owned()),
                gateway: None,
                dhcp: None,
                dns: None,
                pools: None,
                host_routes: None,
                attributes: None,
            };
            cloud.create_subnet(&context, subnet).await.expect("a subnet");
        }
        let error = cloud.create_servers(&context, world.create(&["c"])).await.expect_err("two networks");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::WrongState, Some("networks")));
        let none = wit::ServerCreate { networks: wit::NetworkChoice::None, ..world.create(&["d"]) };
        cloud.create_servers(&context, none).await.expect("no network is wanted");
        assert_eq!(world.count("servers").await, 3, "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_server_has_up_to_62_disks_and_a_data_disk_may_begin_as_an_image() {
    let mut settings = Settings::default();
    settings.compute.quotas = [("volumes".to_owned(), -1), ("volume-gib".to_owned(), -1)].into();
    for world in worlds(settings).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let with =
            |disks| wit::ServerCreate { disks: [vec![disk_of(&world.image)], disks].concat(), ..world.create(&["a"]) };
        let error = cloud.create_servers(&context, with(vec![empty(1); 60])).await.expect_err("60 data disks");
        assert_eq!(error.field.as_deref(), Some("disks"));
        let made = cloud.create_servers(&context, with(vec![empty(1); 59])).await.expect("59 data disks");
        let server = cloud.get_server(&context, made.server_ids[0].clone(), all_parts()).await.expect("the server");
        let devices: Vec<&str> = server.volumes.iter().map(|volume| volume.device.as_str()).collect();
        assert_eq!((devices.len(), devices[25], devices[26], devices[59]), (60, "/dev/vdz", "/dev/vdaa", "/dev/vdbh"));

        let from = |id: &str| wit::DiskRequest { size_gib: Some(1), ..disk_of(id) };
        let error = cloud.create_servers(&context, with(vec![from("none")])).await.expect_err("no such image");
        assert_eq!(error.kind(), ErrorCode::NotFound);
        cloud.create_servers(&context, with(vec![from(&world.image)])).await.expect("a disk of an image");
        let mut conn = world.database.db.read().await.expect("a connection");
        let sql = "SELECT count(*) FROM volumes WHERE image_id = $1 AND boot_index = 1";
        let found = conn.one(sql, skyloom_store::args![&world.image], |row| row.int(0)).await.expect(sql);
        assert_eq!(found, 1, "{}", world.database.name);
        drop(conn);

        let mut tx = world.database.db.begin().await.expect("begin");
        let sql = "UPDATE images SET min_disk_gib = 2 WHERE id = $1";
        tx.execute(sql, skyloom_store::args![&world.image]).await.expect(sql);
        tx.commit().await.expect("commit");
        let large = wit::ServerCreate { flavor_id: "2".to_owned(), ..with(vec![from(&world.image)]) };
        let error = cloud.create_servers(&context, large).await.expect_err("smaller than its image");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("disks")));
        assert_eq!(error.resource, Some(("disk".to_owned(), "1".to_owned())));
    }
}

#[tokio::test]
async fn an_address_beside_its_network_names_the_network() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let shown = cloud.create_servers(&context, world.create(&["a"])).await.expect("creation");
        let server = cloud.get_server(&context, shown.server_ids[0].clone(), all_parts()).await.expect("the server");
        let network = server.nics[0].network_id.clone();
        for address in ["192.0.2.1", "10.0.0.1"] {
            let nic = wit::NicRequest {
                port_id: None,
                network_id: Some(network.clone()),
                subnet_id: None,
                address: Some(address.to_owned()),
                security_groups: None,
            };
            let create = wit::ServerCreate { networks: wit::NetworkChoice::Nics(vec![nic]), ..world.create(&["b"]) };
            let error = cloud.create_servers(&operator("p"), create).await.expect_err(address);
            assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("address")));
            assert_eq!(error.resource, Some(("network".to_owned(), network.clone())), "{}", world.database.name);
        }
    }
}

#[tokio::test]
async fn a_public_address_has_actions_of_its_own() {
    let mut settings = Settings::default();
    let without = RoleRules { deny: vec!["public-addresses:*".to_owned()], ..RoleRules::default() };
    settings.identity.policy = [("member".to_owned(), without)].into();
    for world in worlds(settings).await {
        let with = |id: Option<&str>| wit::ServerCreate {
            public_address: Some(wit::PublicAddressRequest {
                id: id.map(ToOwned::to_owned),
                bandwidth_mbit: 1,
                delete_on_termination: true,
            }),
            ..world.create(&["a"])
        };
        for id in [None, Some("any")] {
            let error = world.cloud.create_servers(&member("p"), with(id)).await.expect_err("denied");
            assert_eq!(error.kind(), ErrorCode::Forbidden, "{}", world.database.name);
        }
        world.cloud.create_servers(&operator("p"), with(None)).await.expect("an operator");
        world.cloud.create_servers(&member("p"), world.create(&["b"])).await.expect("without an address");
    }
}

#[tokio::test]
async fn a_card_with_an_empty_list_of_groups_has_none() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let made = cloud.create_servers(&context, world.create(&["a"])).await.expect("creation");
        let server = cloud.get_server(&context, made.server_ids[0].clone(), all_parts()).await.expect("the server");
        let nic = |groups: Option<Vec<String>>| wit::NicRequest {
            port_id: None,
            network_id: Some(server.nics[0].network_id.clone()),
            subnet_id: None,
            address: None,
            security_groups: groups,
        };
        let nics = wit::NetworkChoice::Nics(vec![nic(None), nic(Some(Vec::new()))]);
        let create = wit::ServerCreate { networks: nics, ..world.create(&["b"]) };
        cloud.create_servers(&context, create).await.expect("creation");
        assert_eq!((world.count("ports").await, world.count("port_groups").await), (3, 2), "{}", world.database.name);
    }
}

fn given(id: &str) -> wit::DiskRequest {
    wit::DiskRequest { source: "volume".to_owned(), source_id: Some(id.to_owned()), size_gib: None, ..empty(1) }
}

#[tokio::test]
async fn a_volume_that_is_there_is_taken_as_it_is() {
    let mut settings = Settings::default();
    settings.compute.quotas = [("volumes".to_owned(), 2), ("volume-gib".to_owned(), 6)].into();
    for world in worlds(settings).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (system, data) =
            (volume(&world, &member("p"), "node-1").await, volume(&world, &member("p"), "node-1").await);
        let with = |disks: Vec<wit::DiskRequest>, names: &[&str]| wit::ServerCreate { disks, ..world.create(names) };
        let foreign = volume(&world, &member("q"), "node-1").await;
        for (disks, names, expected) in [
            (vec![given(&foreign)], &["a"][..], (ErrorCode::NotFound, None)),
            (vec![given("nowhere")], &["a"], (ErrorCode::NotFound, None)),
            (vec![copied("nowhere")], &["a"], (ErrorCode::NotFound, None)),
            (vec![given(&system), given(&system)], &["a"], (ErrorCode::Invalid, None)),
            (vec![given(&system)], &["a", "b"], (ErrorCode::Invalid, None)),
            (vec![wit::DiskRequest { size_gib: Some(5), ..given(&system) }], &["a"], (ErrorCode::Invalid, None)),
        ] {
            let error = cloud.create_servers(&context, with(disks, names)).await.expect_err("refused");
            assert_eq!((error.kind(), error.reason.as_deref()), expected, "{} {}", world.database.name, error.message);
            assert_eq!(error.field.as_deref(), Some("disks"), "{}", error.message);
        }
        let elsewhere = wit::ServerCreate { zone: Some("zone-2".to_owned()), ..with(vec![given(&system)], &["a"]) };
        let error = cloud.create_servers(&context, elsewhere).await.expect_err("another zone");
        assert_eq!(error.field.as_deref(), Some("zone"));
        // A server has one node: that of its volumes, and of the request where it names one.
        let sql = "UPDATE placements SET node = $2 WHERE holder_id = $1";
        let place = async |node: &str| {
            let mut tx = world.database.db.begin().await.expect("begin");
            tx.execute(sql, skyloom_store::args![&data, node]).await.expect(sql);
            tx.commit().await.expect("commit");
        };
        place("node-9").await;
        let there = wit::ServerCreate { node: Some("node-1".to_owned()), ..with(vec![given(&data)], &["a"]) };
        for (caller, create) in
            [(member("p"), with(vec![given(&system), given(&data)], &["a"])), (operator("p"), there)]
        {
            let error = cloud.create_servers(&caller, create).await.expect_err("two nodes");
            let said = (error.kind(), error.field.as_deref(), error.reason.as_deref());
            assert_eq!(said, (ErrorCode::WrongState, Some("disks"), Some("other-node")), "{}", error.message);
        }
        place("node-1").await;
        for (least, fits) in [(100_000_i64, false), (0, true)] {
            let mut tx = world.database.db.begin().await.expect("begin");
            let sql = "UPDATE images SET min_memory_mib = $1";
            tx.execute(sql, skyloom_store::args![least]).await.expect(sql);
            tx.commit().await.expect("commit");
            let dry = wit::ServerCreate { dry_run: true, ..with(vec![given(&system)], &["a"]) };
            let tried = cloud.create_servers(&context, dry).await;
            assert_eq!(tried.is_ok(), fits, "{} {least}", world.database.name);
            assert!(tried.err().is_none_or(|error| error.field.as_deref() == Some("flavor-id")));
        }
        assert_eq!(world.count("servers").await, 0, "{}", world.database.name);

        // Two volumes are all that the quota has: those that are there count once.
        let made = cloud.create_servers(&context, with(vec![given(&system), given(&data)], &["a"])).await;
        let id = made.expect("accepted").server_ids.remove(0);
        let server = cloud.get_server(&context, id, all_parts()).await.expect("the server");
        let volumes: Vec<(&str, &str)> =
            server.volumes.iter().map(|volume| (volume.id.as_str(), volume.device.as_str())).collect();
        assert_eq!(volumes, [(system.as_str(), "/dev/vda"), (data.as_str(), "/dev/vdb")], "{}", world.database.name);
        assert_eq!(server.image_id.as_deref(), Some(world.image.as_str()));
        let error = cloud.create_servers(&context, with(vec![given(&system)], &["b"])).await.expect_err("taken");
        assert_eq!((error.kind(), error.reason.as_deref()), (ErrorCode::WrongState, Some("not-available")));
        let error = cloud.delete_volume(&context, system.clone()).await.expect_err("the creation holds it");
        assert_eq!(error.kind(), ErrorCode::InUse, "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_system_disk_is_a_bootable_volume_and_giving_one_is_an_action_of_its_own() {
    let mut settings = Settings::default();
    let deny = ["volumes:attach", "volumes:create"].map(ToOwned::to_owned).to_vec();
    let without = RoleRules { deny, ..RoleRules::default() };
    settings.identity.policy = [("member".to_owned(), without)].into();
    for world in worlds(settings).await {
        let id = volume(&world, &operator("p"), "node-1").await;
        let create = wit::ServerCreate { disks: vec![given(&id)], ..world.create(&["a"]) };
        for denied in [create.clone(), wit::ServerCreate { disks: vec![copied(&id)], ..create.clone() }] {
            let error = world.cloud.create_servers(&member("p"), denied).await.expect_err("denied");
            assert_eq!(error.kind(), ErrorCode::Forbidden, "{}", world.database.name);
        }
        let mut tx = world.database.db.begin().await.expect("begin");
        tx.execute("UPDATE volumes SET bootable = 0", &[]).await.expect("change");
        tx.commit().await.expect("commit");
        let error = world.cloud.create_servers(&operator("p"), create).await.expect_err("not bootable");
        assert_eq!((error.kind(), error.reason.as_deref()), (ErrorCode::Invalid, Some("not-bootable")));
        assert_eq!(error.resource, Some(("volume".to_owned(), id)), "{}", world.database.name);
    }
}

fn copied(id: &str) -> wit::DiskRequest {
    wit::DiskRequest { source: "snapshot".to_owned(), ..given(id) }
}

/// A snapshot that is there, as large as its volume.
async fn snapshot(world: &World, volume: &str) -> String {
    let create = volumes::SnapshotCreate {
        volume_id: volume.to_owned(),
        name: "s".to_owned(),
        description: String::new(),
        metadata: Vec::new(),
        attributes: "{}".to_owned(),
    };
    let made = world.cloud.create_snapshot(&member("p"), create).await.expect("a snapshot").id;
    let mut tx = world.database.db.begin().await.expect("begin");
    for sql in [
        "DELETE FROM operation_locks WHERE resource_id IN ($1, $2)",
        "UPDATE operations SET state = 'succeeded', runnable = 0 WHERE resource_id IN ($1, $2)",
        "UPDATE volume_snapshots SET state = 'available' WHERE id IN ($1, $2)",
    ] {
        tx.execute(sql, skyloom_store::args![&made, volume]).await.expect(sql);
    }
    tx.execute("DELETE FROM placements WHERE holder_id = $1", skyloom_store::args![&made]).await.expect("a place");
    let held = placements::Amount { disk_gib: 3, ..placements::Amount::default() };
    let holder = (placements::HolderKind::Snapshot, made.as_str());
    placements::hold(&mut tx, holder, placements::Purpose::Home, "node-1", held).await.expect("a place");
    tx.commit().await.expect("commit");
    made
}

#[tokio::test]
async fn a_disk_may_begin_as_a_snapshot() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let origin = volume(&world, &member("p"), "node-1").await;
        let id = snapshot(&world, &origin).await;
        let with = |disks: Vec<wit::DiskRequest>| wit::ServerCreate { disks, ..world.create(&["a"]) };
        let small = wit::DiskRequest { size_gib: Some(2), ..copied(&id) };
        let error = cloud.create_servers(&context, with(vec![small])).await.expect_err("smaller than the snapshot");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("disks")));
        let larger = wit::DiskRequest { size_gib: Some(5), ..copied(&id) };
        let made = cloud.create_servers(&context, with(vec![larger])).await.expect("accepted");
        let server = cloud.get_server(&context, made.server_ids[0].clone(), all_parts()).await.expect("the server");
        let made = cloud.get_volume(&context, server.volumes[0].id.clone()).await.expect("a new one");
        assert_ne!(made.id, origin);
        assert_eq!((made.size_gib, made.snapshot_id.as_deref()), (5, Some(id.as_str())), "{}", world.database.name);
        let error = cloud.create_servers(&context, with(vec![copied(&id)])).await.expect_err("it is being copied");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Busy, Some("disks")), "{}", error.message);
        let error = cloud.delete_snapshot(&context, id.clone()).await.expect_err("it is being copied");
        assert_eq!(error.kind(), ErrorCode::Busy, "{}", world.database.name);
    }
}
