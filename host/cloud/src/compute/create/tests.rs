//! Creation of servers, on both databases.

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, KeypairsApi, NetworksApi, OperationsApi, QuotasApi};
use skyloom_runtime::bindings::cloud::{compute as wit, keypairs, networks};
use skyloom_store::quotas::{self, Quota};

use crate::Settings;
use crate::compute::testing::{Kind as _, any_server, context_of, creation, member, operator, page, worlds};

/// An empty disk of the default type that outlives its server.
fn volume(size_gib: u32) -> wit::VolumeRequest {
    wit::VolumeRequest { size_gib, volume_type: None, delete_on_termination: false, image_id: None }
}

#[tokio::test]
async fn a_creation_writes_everything_that_is_meant() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let key = keypairs::KeypairCreate {
            name: "key".to_owned(),
            kind: keypairs::KeyKind::Ssh,
            public_key: None,
            user_id: None,
        };
        let key = cloud.create_keypair(&context, key).await.expect("a key pair");
        let private = context.secrets.get(&key.private_key.expect("a handle")).expect("the private half");
        assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));

        let create = wit::ServerCreate {
            key_name: Some("key".to_owned()),
            metadata: vec![("role".to_owned(), "web".to_owned())],
            tags: vec!["b".to_owned(), "a".to_owned()],
            data_volumes: vec![volume(7)],
            admin_password: wit::PasswordChoice::Generate,
            user_data: Some("I2Nsb3VkLWNvbmZpZwo=".to_owned()),
            public_address: Some(wit::PublicAddressRequest {
                id: None,
                bandwidth_mbit: 10,
                delete_on_termination: true,
            }),
            attributes: r#"{"mine": 1}"#.to_owned(),
            ..world.create(&["Web 1"])
        };
        let made = cloud.create_servers(&context, create).await.expect("creation");
        let [id] = made.server_ids.as_slice() else { panic!("one server") };
        let password = context.secrets.get(&made.admin_password).expect("a password");
        assert_eq!(password.len(), 16);
        let mut conn = world.database.db.read().await.expect("a connection");
        let sealed = skyloom_store::secrets::admin_password(&mut conn, id).await.expect("read").expect("kept");
        drop(conn);
        assert!(!sealed.contains(&*password));
        assert_eq!(cloud.inner.sealer.open(id, &sealed).expect("opens"), *password);

        let server = cloud.get_server(&context, id.clone()).await.expect("the server");
        assert_eq!((server.vm_state, server.task_state), (wit::VmState::Building, Some(wit::TaskState::Scheduling)));
        assert_eq!((server.name.as_str(), server.hostname.as_str()), ("Web 1", "web-1"));
        assert_eq!((server.flavor.name.as_str(), server.flavor.memory_mib), ("m1.tiny", 512));
        assert_eq!(server.security_groups, ["default"]);
        assert_eq!(server.tags, ["a", "b"]);
        assert_eq!(server.metadata, [("role".to_owned(), "web".to_owned())]);
        assert_eq!(server.user_data.as_deref(), Some("I2Nsb3VkLWNvbmZpZwo="));
        assert_eq!(server.attributes, r#"{"mine":1}"#);
        assert_eq!(server.zone, "zone-1");
        let devices: Vec<(&str, bool)> =
            server.volumes.iter().map(|volume| (volume.device.as_str(), volume.delete_on_termination)).collect();
        assert_eq!(devices, [("/dev/vda", true), ("/dev/vdb", false)]);
        let addresses: Vec<bool> = server.nics[0].addresses.iter().map(|address| address.floating).collect();
        assert_eq!((server.nics.len(), addresses), (1, vec![false, true]), "{}", world.database.name);

        // Another face sees the server, but not the first one's attributes.
        let other = context_of("p", false, "other-face");
        assert_eq!(cloud.get_server(&other, id.clone()).await.expect("the server").attributes, "{}");

        let tree = cloud.get_operation(&context, made.operation_id.clone()).await.expect("the operation");
        assert_eq!((tree.operation.kind.as_str(), tree.operation.resource_id.as_str()), ("server.create", id.as_str()));
        assert!(tree.children.is_empty());

        let used = cloud.get_quotas(&context, None).await.expect("quotas");
        let used = |name: &str| used.iter().find(|quota| quota.name == name).expect(name).used;
        assert_eq!((used("servers"), used("vcpus"), used("memory-mib"), used("keypairs")), (1, 1, 512, 1));
        assert_eq!((used("volumes"), used("volume-gib"), used("ports"), used("public-addresses")), (2, 8, 2, 1));
    }
}

#[tokio::test]
async fn a_password_is_bounded_and_an_empty_one_is_none() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let with = |password: String| wit::ServerCreate {
            admin_password: wit::PasswordChoice::Given(context.secrets.put(password)),
            ..world.create(&["a"])
        };
        for wrong in ["x".repeat(1025), "a\0b".to_owned()] {
            let error = cloud.create_servers(&context, with(wrong)).await.expect_err("refused");
            assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("admin-password")));
        }
        for (password, kept) in [("x".repeat(1024), true), (String::new(), false)] {
            let made = cloud.create_servers(&context, with(password)).await.expect("creation");
            let mut conn = world.database.db.read().await.expect("a connection");
            let sealed = skyloom_store::secrets::admin_password(&mut conn, &made.server_ids[0]).await.expect("read");
            assert_eq!(sealed.is_some(), kept, "{}", world.database.name);
        }
    }
}

#[tokio::test]
async fn several_servers_are_one_operation_with_parts() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let made = cloud.create_servers(&context, world.create(&["a", "b", "c"])).await.expect("creation");
        let tree = cloud.get_operation(&context, made.operation_id).await.expect("the operation");
        assert_eq!(tree.operation.kind, "batch.server.create");
        let parts: Vec<&String> = tree.children.iter().map(|child| &child.resource_id).collect();
        assert_eq!(parts, made.server_ids.iter().collect::<Vec<_>>());
        let filter = wit::ServerFilter { reservation_id: Some(made.reservation_id), ..any_server() };
        let listed = cloud.list_servers(&context, filter, page(0, None)).await.expect("list").servers;
        let mut indexes: Vec<u32> = listed.iter().map(|server| server.launch_index).collect();
        indexes.sort_unstable();
        assert_eq!(indexes, [0, 1, 2], "{}", world.database.name);
    }
}

#[tokio::test]
async fn a_quota_bounds_what_is_made() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let mut tx = world.database.db.begin().await.expect("begin");
        quotas::set_limit(&mut tx, "p", Quota::Servers, 2).await.expect("limit");
        tx.commit().await.expect("commit");

        let error = cloud.create_servers(&context, world.create(&["a", "b", "c"])).await.expect_err("three");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::QuotaExceeded, Some("servers")));
        assert_eq!((world.count("servers").await, world.count("ports").await), (0, 0));
        let fewer = wit::ServerCreate { min_count: 1, ..world.create(&["a", "b", "c"]) };
        let made = cloud.create_servers(&context, fewer).await.expect("as many as fit");
        assert_eq!(made.server_ids.len(), 2);
        cloud.create_servers(&context, world.create(&["d"])).await.expect_err("none is left");
        // Another project has its own.
        cloud.create_servers(&member("q"), world.create(&["a", "b", "c"])).await.expect("another project");
        // So many processors: 21 of 20.
        let large = wit::ServerCreate { flavor_id: "5".to_owned(), ..world.create(&["a", "b", "c"]) };
        let error = cloud.create_servers(&member("r"), large).await.expect_err("too many processors");
        assert_eq!(error.field.as_deref(), Some("vcpus"), "{}", world.database.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_at_once_never_pass_the_quota_together() {
    for world in worlds(Settings::default()).await {
        // PostgreSQL holds the project's row; so there must be one.
        let mut tx = world.database.db.begin().await.expect("begin");
        let project = tx
            .one("SELECT id FROM projects WHERE name = 'demo'", &[], |row| row.text(0))
            .await
            .expect("the seeded project");
        quotas::set_limit(&mut tx, &project, Quota::Servers, 5).await.expect("limit");
        tx.commit().await.expect("commit");
        let tasks: Vec<_> = (0..12)
            .map(|number| {
                let (cloud, context) = (world.cloud.clone(), member(&project));
                let create = world.create(&[&format!("s{number}")]);
                tokio::spawn(async move { cloud.create_servers(&context, create).await.is_ok() })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            made += i64::from(task.await.expect("task"));
        }
        assert_eq!((made, world.count("servers").await), (5, 5), "{}", world.database.name);
        // Nothing of the refused ones stayed.
        assert_eq!((world.count("ports").await, world.count("operations").await), (5, 5));
    }
}

#[tokio::test]
async fn a_dry_run_checks_all_and_leaves_nothing() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let dry = wit::ServerCreate { dry_run: true, ..world.create(&["a", "b"]) };
        let made = cloud.create_servers(&context, dry).await.expect("dry run");
        assert!(made.server_ids.is_empty() && made.operation_id.is_empty());
        for table in ["servers", "volumes", "ports", "operations", "operation_locks"] {
            assert_eq!(world.count(table).await, 0, "{table} on {}", world.database.name);
        }
        let dry = wit::ServerCreate { dry_run: true, flavor_id: "9".to_owned(), ..world.create(&["a"]) };
        assert_eq!(cloud.create_servers(&context, dry).await.expect_err("flavor").kind(), ErrorCode::NotFound);
    }
}

/// A change to a good request, the field that is blamed, and the code.
type Wrong = (&'static str, fn(&mut wit::ServerCreate), ErrorCode);

#[tokio::test]
async fn each_wrong_reference_is_named() {
    let wrong: &[Wrong] = &[
        ("", |create| create.flavor_id = "none".to_owned(), ErrorCode::NotFound),
        ("", |create| create.image_id = Some("none".to_owned()), ErrorCode::NotFound),
        ("image-id", |create| create.image_id = None, ErrorCode::Invalid),
        ("key-name", |create| create.key_name = Some("none".to_owned()), ErrorCode::Invalid),
        ("zone", |create| create.zone = Some("none".to_owned()), ErrorCode::Invalid),
        ("security-groups", |create| create.security_groups = vec!["none".to_owned()], ErrorCode::NotFound),
        ("user-data", |create| create.user_data = Some("#".to_owned()), ErrorCode::Invalid),
        ("name", |create| create.names = vec![String::new()], ErrorCode::Invalid),
        ("name", |create| create.names = vec!["x".repeat(256)], ErrorCode::Invalid),
        ("names", |create| create.names = vec![], ErrorCode::Invalid),
        ("min-count", |create| create.min_count = 0, ErrorCode::Invalid),
        ("tags", |create| create.tags = vec!["a/b".to_owned()], ErrorCode::Invalid),
        ("access-ipv4", |create| create.access_ipv4 = "::1".to_owned(), ErrorCode::Invalid),
        ("access-ipv6", |create| create.access_ipv6 = "10.0.0.1".to_owned(), ErrorCode::Invalid),
        ("hostname", |create| create.hostname = Some("a b".to_owned()), ErrorCode::Invalid),
        ("attributes", |create| create.attributes = "[]".to_owned(), ErrorCode::Invalid),
        (
            "admin-password",
            |create| create.admin_password = wit::PasswordChoice::Given("guessed".to_owned()),
            ErrorCode::Invalid,
        ),
        (
            "root-volume",
            |create| {
                create.root_volume = Some(volume(0));
            },
            ErrorCode::Invalid,
        ),
        (
            "data-volumes",
            |create| {
                create.data_volumes = vec![wit::VolumeRequest { volume_type: Some("none".to_owned()), ..volume(1) }];
            },
            ErrorCode::Invalid,
        ),
        (
            "metadata",
            |create| create.metadata = vec![("k".to_owned(), String::new()), ("k".to_owned(), String::new())],
            ErrorCode::Invalid,
        ),
        (
            "metadata-items",
            |create| create.metadata = (0..129).map(|number| (format!("k{number}"), String::new())).collect(),
            ErrorCode::QuotaExceeded,
        ),
    ];
    for world in worlds(Settings::default()).await {
        for (field, spoil, code) in wrong {
            let mut create = world.create(&["good"]);
            spoil(&mut create);
            let error = world.cloud.create_servers(&member("p"), create).await.expect_err(field);
            assert_eq!(
                (error.field.as_deref().unwrap_or_default(), error.kind()),
                (*field, *code),
                "{}",
                error.message
            );
        }
        let mut create = world.create(&["good"]);
        create.node = Some("node-1".to_owned());
        let error = world.cloud.create_servers(&member("p"), create.clone()).await.expect_err("node");
        assert_eq!(error.kind(), ErrorCode::Forbidden);
        world.cloud.create_servers(&operator("p"), create).await.expect("an operator names a node");
        assert_eq!(world.count("servers").await, 1, "{}", world.database.name);
    }
}

#[tokio::test]
async fn ports_and_networks_are_the_callers_and_free() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let everything = networks::NetworkFilter {
            ids: vec![],
            names: vec!["private".to_owned()],
            project_id: None,
            shared: None,
            external: None,
            enabled: None,
            is_default: None,
            tags: vec![],
        };
        let page = page(0, None);
        let network = cloud.list_networks(&context, everything, page).await.expect("list").networks.remove(0);
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
        let server = cloud.get_server(&context, made.server_ids[0].clone()).await.expect("the server");
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
        let error = cloud.create_servers(&context, on(&nic, &["b"])).await.expect_err("address in use");
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

#[test]
fn a_host_name_is_made_of_letters_digits_and_dashes() {
    for (name, made) in [
        ("web-1", "web-1"),
        ("Web 1_b", "web-1-b"),
        ("-web.", "web"),
        ("云web服务器", "web"),
        ("云服务器", "server-id-1"),
        (&"a".repeat(80), &"a".repeat(63)),
    ] {
        assert_eq!(super::checks::hostname(&creation(&[name]), 0, name, "id-1"), made);
    }
}

#[tokio::test]
async fn an_images_own_password_is_kept_and_windows_takes_none() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let with = |choice| wit::ServerCreate { admin_password: choice, ..world.create(&["a"]) };
        let made = cloud.create_servers(&context, with(wit::PasswordChoice::Keep)).await.expect("creation");
        assert_eq!(made.admin_password, "", "{}", world.database.name);
        let mut conn = world.database.db.read().await.expect("a connection");
        let sealed = skyloom_store::secrets::admin_password(&mut conn, &made.server_ids[0]).await.expect("read");
        assert_eq!(sealed, None, "{}", world.database.name);
        drop(conn);

        let mut tx = world.database.db.begin().await.expect("begin");
        let sql = "INSERT INTO image_properties (image_id, name, value) VALUES ($1, 'os_type', 'Windows')";
        tx.execute(sql, skyloom_store::args![&world.image]).await.expect(sql);
        tx.commit().await.expect("commit");
        let given = wit::PasswordChoice::Given(context.secrets.put("Pa55-word".to_owned()));
        let error = cloud.create_servers(&context, with(given)).await.expect_err("Windows");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::NotSupported, Some("admin-password")));
    }
}

#[tokio::test]
async fn a_server_has_up_to_62_disks_and_a_data_disk_may_begin_as_an_image() {
    let mut settings = Settings::default();
    settings.compute.quotas = [("volumes".to_owned(), -1), ("volume-gib".to_owned(), -1)].into();
    for world in worlds(settings).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let with = |disks| wit::ServerCreate { data_volumes: disks, ..world.create(&["a"]) };
        let error = cloud.create_servers(&context, with(vec![volume(1); 60])).await.expect_err("60 data disks");
        assert_eq!(error.field.as_deref(), Some("data-volumes"));
        let made = cloud.create_servers(&context, with(vec![volume(1); 59])).await.expect("59 data disks");
        let server = cloud.get_server(&context, made.server_ids[0].clone()).await.expect("the server");
        let devices: Vec<&str> = server.volumes.iter().map(|volume| volume.device.as_str()).collect();
        assert_eq!((devices.len(), devices[25], devices[26], devices[59]), (60, "/dev/vdz", "/dev/vdaa", "/dev/vdbh"));

        let from = |id: &str| wit::VolumeRequest { image_id: Some(id.to_owned()), ..volume(1) };
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
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("data-volumes")));
    }
}

#[tokio::test]
async fn an_address_beside_its_network_names_the_network() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let shown = cloud.create_servers(&context, world.create(&["a"])).await.expect("creation");
        let server = cloud.get_server(&context, shown.server_ids[0].clone()).await.expect("the server");
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
            let error = cloud.create_servers(&context, create).await.expect_err(address);
            assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some("address")));
            assert_eq!(error.resource, Some(("network".to_owned(), network.clone())), "{}", world.database.name);
        }
    }
}

#[tokio::test]
async fn a_public_address_has_actions_of_its_own() {
    let mut settings = Settings::default();
    let keepers = |action: &str| (action.to_owned(), vec!["address-keeper".to_owned()]);
    settings.identity.policy = [keepers("public-addresses:create"), keepers("public-addresses:bind")].into();
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
            let error = world.cloud.create_servers(&member("p"), with(id)).await.expect_err("no keeper");
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
        let server = cloud.get_server(&context, made.server_ids[0].clone()).await.expect("the server");
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
