//! Creation of servers, on both databases.

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, ImagesApi, KeypairsApi, OperationsApi, QuotasApi};
use skyloom_runtime::bindings::cloud::{compute as wit, keypairs};
use skyloom_store::quotas::{self, Quota};
use skyloom_store::{Conn, networks, servers};

use crate::Settings;
use crate::compute::testing::{Kind as _, context_of, creation, disk_of, member, operator, page, worlds};
use crate::lists::{all_parts, asked};

/// An empty disk of the default type that outlives its server.
pub(super) fn empty(size_gib: u32) -> wit::DiskRequest {
    wit::DiskRequest {
        source: "empty".to_owned(),
        source_id: None,
        size_gib: Some(size_gib),
        volume_type: None,
        delete_on_termination: false,
        attributes: "{}".to_owned(),
    }
}

/// Of the server's administrator; empty: none.
async fn sealed_password(conn: &mut Conn, server: &str) -> String {
    servers::for_platform(conn, server).await.expect("read").expect("a server").admin_password
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
            attributes: "{}".to_owned(),
        };
        let key = cloud.create_keypair(&context, key).await.expect("a key pair");
        let private = context.secrets.get(&key.private_key.expect("a handle")).expect("the private half");
        assert!(private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));

        let create = wit::ServerCreate {
            key_name: Some("key".to_owned()),
            metadata: vec![("role".to_owned(), "web".to_owned())],
            tags: vec!["b".to_owned(), "a".to_owned()],
            disks: vec![disk_of(&world.image), empty(7)],
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
        let sealed = sealed_password(&mut conn, id).await;
        drop(conn);
        assert!(!sealed.contains(&*password));
        assert_eq!(cloud.sealer().open(id, &sealed).expect("opens"), *password);

        let server = cloud.get_server(&context, id.clone(), all_parts()).await.expect("the server");
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
        assert_eq!(cloud.get_server(&other, id.clone(), all_parts()).await.expect("the server").attributes, "{}");

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
            let sealed = sealed_password(&mut conn, &made.server_ids[0]).await;
            assert_eq!(!sealed.is_empty(), kept, "{}", world.database.name);
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
        let reserved = vec![asked("reservation-id", "any-of", &[&made.reservation_id])];
        let listed = cloud.list_servers(&context, reserved, all_parts(), page(0, None)).await.expect("list").servers;
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
        let mut tx = world.database.db.begin().await.expect("begin");
        quotas::set_limit(&mut tx, "p", Quota::Servers, 5).await.expect("limit");
        tx.commit().await.expect("commit");
        let tasks: Vec<_> = (0..12)
            .map(|number| {
                let (cloud, context) = (world.cloud.clone(), member("p"));
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

/// Its members' tokens end with it; a request that was let in before may still be on its way.
#[tokio::test]
async fn nothing_is_made_for_a_project_that_is_gone() {
    for world in worlds(Settings::default()).await {
        for names in [&["a"][..], &["a", "b"]] {
            let error = world.cloud.create_servers(&member("gone"), world.create(names)).await.expect_err("no project");
            assert_eq!(error.kind(), ErrorCode::NotFound, "{}", world.database.name);
        }
        for table in ["servers", "volumes", "ports", "operations"] {
            assert_eq!(world.count(table).await, 0, "{table} on {}", world.database.name);
        }
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
        ("", |create| create.disks = vec![disk_of("none")], ErrorCode::NotFound),
        ("image-id", |create| create.disks = vec![], ErrorCode::Invalid),
        ("image-id", |create| create.disks = vec![empty(1)], ErrorCode::Invalid),
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
        ("disks", |create| create.disks[0].size_gib = Some(0), ErrorCode::Invalid),
        (
            "disks",
            |create| create.disks.push(wit::DiskRequest { volume_type: Some("none".to_owned()), ..empty(1) }),
            ErrorCode::Invalid,
        ),
        ("disks", |create| create.disks.push(wit::DiskRequest { size_gib: None, ..empty(1) }), ErrorCode::Invalid),
        (
            "disks",
            |create| create.disks.push(wit::DiskRequest { source_id: Some("x".to_owned()), ..empty(1) }),
            ErrorCode::Invalid,
        ),
        (
            "disks",
            |create| create.disks.push(wit::DiskRequest { source: "snapshot".to_owned(), ..empty(1) }),
            ErrorCode::Invalid,
        ),
        (
            "disks",
            |create| create.disks.push(wit::DiskRequest { source: "backup".to_owned(), ..empty(1) }),
            ErrorCode::NotSupported,
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
async fn addresses_on_anothers_shared_network_are_chosen_by_its_owner_only() {
    for world in worlds(Settings::default()).await {
        let mut conn = world.database.db.read().await.expect("a connection");
        let network = networks::networks_for_servers(&mut conn, "p").await.expect("networks").remove(0);
        let subnet = networks::subnets_of_network(&mut conn, &network.id).await.expect("subnets").remove(0);
        drop(conn);
        assert!(network.shared && network.project_id != "p");
        let with = |address: Option<String>| {
            let (network_id, subnet_id) = (Some(network.id.clone()), Some(subnet.id.clone()));
            let nic = wit::NicRequest { port_id: None, network_id, subnet_id, address, security_groups: None };
            wit::ServerCreate { networks: wit::NetworkChoice::Nics(vec![nic]), ..world.create(&["a"]) }
        };
        let address = Some(subnet.pools[0].end.to_string());
        let error = world.cloud.create_servers(&member("p"), with(address.clone())).await.expect_err("a member");
        assert_eq!(error.kind(), ErrorCode::Forbidden, "{}", error.message);
        world.cloud.create_servers(&member("p"), with(None)).await.expect("any address");
        world.cloud.create_servers(&operator("p"), with(address)).await.expect("an operator");
    }
}

#[tokio::test]
async fn a_server_boots_only_with_images_that_its_creator_may_use() {
    for world in worlds(Settings::default()).await {
        let (cloud, owner, other) = (&world.cloud, member("p"), member("q"));
        let secret = world.upload(&owner, &[]).await.id;
        let empty = world.queued(&other, &[]).await.id;
        let on = async |context, property, named: &str| {
            let image = world.upload(context, &[(property, named)]).await.id;
            let create = wit::ServerCreate { disks: vec![disk_of(&image)], ..creation(&["a"]) };
            cloud.create_servers(context, create).await
        };
        for property in ["kernel_id", "ramdisk_id"] {
            for named in [secret.as_str(), empty.as_str(), "none"] {
                let error = on(&other, property, named).await.expect_err(named);
                assert_eq!(error.kind(), ErrorCode::Invalid, "{property} {named} on {}", world.database.name);
                assert_eq!(error.field.as_deref(), Some("image-id"));
            }
        }
        assert_eq!(world.count("servers").await, 0);
        // Nobody else's image holds the owner's.
        cloud.delete_image(&owner, secret).await.expect("delete");
        let own = world.upload(&owner, &[]).await.id;
        on(&owner, "kernel_id", &own).await.expect("an own kernel");
        on(&other, "kernel_id", &world.image).await.expect("a public kernel");
        on(&other, "kernel_id", "").await.expect("no kernel");
    }
}

#[test]
fn a_host_name_is_made_of_latin_letters_digits_and_dashes() {
    for (name, made) in [
        ("web-1", "web-1"),
        ("Web 1_b", "web-1-b"),
        ("-web.", "web"),
        ("云web服务器", "web"),
        ("Café_Ünïque½", "café-ünïque½"),
        ("naïve—web", "naïveweb"),
        ("w!e@b", "web"),
        ("云服务器", "Server-id-1"),
        ("...", "Server-id-1"),
        ("web.example.org", "web-example-org"),
        ("a..b", "a--b"),
        (".a.", "a"),
        (&"a".repeat(80), &"a".repeat(63)),
        (&format!("{}.b", "a".repeat(62)), &"a".repeat(62)),
        (&format!("!{}", "a".repeat(80)), &"a".repeat(62)),
    ] {
        assert_eq!(super::checks::hostname(&creation(&[name]), 0, name, "id-1"), made);
    }
    let long = "a".repeat(70);
    let names = [format!("{long}-1"), format!("{long}-0010"), "云-3".to_owned(), "b.c-4".to_owned()];
    let create = creation(&names.each_ref().map(String::as_str));
    let made = |at: usize| super::checks::hostname(&create, at, &names[at], "id-1");
    assert_eq!(made(0), format!("{}-1", "a".repeat(61)));
    assert_eq!(made(1), format!("{}-0010", "a".repeat(58)));
    assert_eq!((made(2).as_str(), made(3).as_str()), ("Server-id-1", "b-c-4"));
}

#[tokio::test]
async fn an_images_own_password_is_kept_and_windows_takes_none() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let with = |choice| wit::ServerCreate { admin_password: choice, ..world.create(&["a"]) };
        let made = cloud.create_servers(&context, with(wit::PasswordChoice::Keep)).await.expect("creation");
        assert_eq!(made.admin_password, "", "{}", world.database.name);
        let mut conn = world.database.db.read().await.expect("a connection");
        let sealed = sealed_password(&mut conn, &made.server_ids[0]).await;
        assert_eq!(sealed, "", "{}", world.database.name);
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
