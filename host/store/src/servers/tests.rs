//! Rows of servers and what belongs to them, on both databases.

use std::collections::BTreeMap;

use skyloom_model::{PowerState, Reach, TaskState, Timestamp, VmState};

use super::*;
use crate::listing::Page;
use crate::networks::{self, Network, NewPort};
use crate::testing::databases;
use crate::volumes::{self, Volume, VolumeState};
use crate::{Conn, metering};

pub(crate) fn server(number: i64) -> Server {
    Server {
        id: format!("server-{number:06}"),
        project_id: "p".to_owned(),
        user_id: "u".to_owned(),
        name: format!("name {number}"),
        description: None,
        vm_state: VmState::Building,
        task_state: Some(TaskState::Scheduling),
        power_state: PowerState::NoState,
        created_at: Timestamp(1_000 + number / 2),
        updated_at: Timestamp(1_000 + number / 2),
        launched_at: None,
        terminated_at: None,
        purge_at: None,
        deleted: false,
        flavor_id: "1".to_owned(),
        vcpus: 2,
        memory_mib: 512,
        flavor: FlavorCopy {
            name: "small".to_owned(),
            disk_gib: 1,
            ephemeral_gib: 0,
            swap_mib: 0,
            extra_specs: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        },
        image_id: Some("image".to_owned()),
        key_name: None,
        public_key: String::new(),
        zone: "zone-1".to_owned(),
        node: String::new(),
        hostname: "host".to_owned(),
        locked: false,
        locked_by: None,
        locked_reason: None,
        progress: 0,
        access_ipv4: String::new(),
        access_ipv6: String::new(),
        config_drive: true,
        reservation_id: "r-1".to_owned(),
        launch_index: 0,
        group_id: None,
        fault: None,
        metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        attributes: r#"{"face":"{}"}"#.to_owned(),
        user_data: Some("ZGF0YQ==".to_owned()),
    }
}

async fn with_port_and_volume(tx: &mut Conn, server_id: &str) {
    let now = Timestamp(1);
    let network = Network {
        id: "network".to_owned(),
        project_id: "p".to_owned(),
        name: "private".to_owned(),
        description: String::new(),
        shared: false,
        external: false,
        enabled: true,
        is_default: false,
        port_security: true,
        mtu: 1500,
        zone: None,
        created_at: now,
        updated_at: now,
        revision: 1,
        attributes: "{}".to_owned(),
        subnet_ids: vec![],
    };
    networks::insert_network(tx, &network).await.expect("network");
    let group = networks::default_group(tx, "p", now).await.expect("group");
    for (port, position) in [("port-b", 0), ("port-a", 1)] {
        let port = NewPort {
            id: port.to_owned(),
            project_id: "p".to_owned(),
            network_id: network.id.clone(),
            enabled: true,
            port_security: true,
            device_id: server_id.to_owned(),
            device_owner: "compute:zone-1".to_owned(),
            of_core: true,
            with_device: true,
            position,
            fixed_ips: Some(vec![]),
            security_group_ids: vec![group.clone()],
            ..NewPort::default()
        };
        networks::insert_port(tx, &port).await.expect("port");
    }
    let volume = Volume {
        id: "volume".to_owned(),
        project_id: "p".to_owned(),
        user_id: "u".to_owned(),
        name: "disk".to_owned(),
        size_gib: 3,
        volume_type: "standard".to_owned(),
        bootable: true,
        state: VolumeState::Creating,
        server_id: server_id.to_owned(),
        boot_index: 0,
        device: "/dev/vda".to_owned(),
        delete_on_termination: true,
        image_id: "image".to_owned(),
        created_at: now,
        updated_at: now,
        attributes: "{}".to_owned(),
        description: String::new(),
        zone: String::new(),
        attached_at: None,
        snapshot_id: String::new(),
        source_volume_id: String::new(),
        metadata: BTreeMap::new(),
    };
    volumes::insert(tx, &volume).await.expect("volume");
    assert_eq!(volumes::of_server(tx, server_id).await.expect("volumes"), [volume]);
}

#[tokio::test]
async fn a_server_is_read_whole_in_one_query() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        let written = server(1);
        insert(&mut tx, &written, "sealed").await.expect("insert");
        for tag in ["b", "a", "b"] {
            insert_tag(&mut tx, &written.id, tag).await.expect("tag");
        }
        with_port_and_volume(&mut tx, &written.id).await;
        let full = get(&mut tx, &written.id, &Reach::project("p"), Parts::ALL).await.expect("get").expect("server");
        assert_eq!(full.server, written, "{}", database.name);
        assert_eq!(full.tags, ["a", "b"]);
        let cards: Vec<(&str, &str, Option<&str>)> = full
            .nics
            .iter()
            .map(|nic| (nic.port_id.as_str(), nic.network_name.as_str(), nic.address.as_deref()))
            .collect();
        assert_eq!(cards, [("port-b", "private", None), ("port-a", "private", None)]);
        assert_eq!(full.security_groups, ["default"]);
        assert_eq!((full.volumes[0].device.as_str(), full.volumes[0].delete_on_termination), ("/dev/vda", 1));
        assert!(get(&mut tx, &written.id, &Reach::project("q"), Parts::ALL).await.expect("get").is_none());

        // A list gives the same but for the user data.
        let listed = list(&mut tx, &Filter::all(), Parts::USUAL, &Page::default()).await.expect("list");
        let expected = Full { server: Server { user_data: None, ..written.clone() }, ..full.clone() };
        assert_eq!(listed.items, [expected], "{}", database.name);
        let parts = |words: &[&str]| {
            Parts::of_words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).expect("parts")
        };
        let bare = list(&mut tx, &Filter::all(), parts(&[]), &Page::default()).await.expect("list").items.remove(0);
        assert!(bare.nics.is_empty() && bare.volumes.is_empty() && bare.tags.is_empty(), "{}", database.name);
        assert!(bare.security_groups.is_empty() && bare.server.metadata.is_empty());
        assert_eq!((bare.server.attributes.as_str(), bare.server.flavor), ("{}", written.flavor.clone()));
        for part in ["nics", "volumes", "security-groups", "tags", "metadata", "attributes", "user-data"] {
            let some = get(&mut tx, &written.id, &Reach::All, parts(&[part])).await.expect("get").expect("server");
            let own = [
                ("nics", some.nics == full.nics),
                ("volumes", some.volumes == full.volumes),
                ("security-groups", some.security_groups == full.security_groups),
                ("tags", some.tags == full.tags),
                ("metadata", some.server.metadata == written.metadata),
                ("attributes", some.server.attributes == written.attributes),
                ("user-data", some.server.user_data == written.user_data),
            ];
            for (name, is_there) in own {
                assert_eq!(is_there, name == part, "{name} where {part} is asked for on {}", database.name);
            }
        }
        let unknown = Parts::of_words(&["colour".to_owned()]).expect_err("no such part");
        assert_eq!(unknown.field.as_deref(), Some("parts"));
    }
}

#[tokio::test]
async fn changes_touch_only_what_they_name() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        let mut expected = server(1);
        insert(&mut tx, &expected, "").await.expect("insert");
        let fault = Fault { message: "broken".to_owned(), code: 500, created_at: Timestamp(5) };
        let first = Change {
            vm_state: Some(VmState::Error),
            task_state: Some(None),
            node: Some("n"),
            launched_at: Some(Timestamp(7)),
            fault: Some(Some(fault.clone())),
            ..Change::default()
        };
        change(&mut tx, &expected.id, &first, Timestamp(9)).await.expect("change");
        expected.vm_state = VmState::Error;
        expected.task_state = None;
        expected.node = "n".to_owned();
        expected.launched_at = Some(Timestamp(7));
        expected.updated_at = Timestamp(9);
        expected.fault = Some(fault);
        let now = get(&mut tx, &expected.id, &Reach::All, Parts::ALL).await.expect("get").expect("server").server;
        assert_eq!(now, expected, "{}", database.name);
        let second = Change { fault: Some(None), progress: Some(40), ..Change::default() };
        change(&mut tx, &expected.id, &second, Timestamp(10)).await.expect("change");
        let now = get(&mut tx, &expected.id, &Reach::All, Parts::ALL).await.expect("get").expect("server").server;
        assert_eq!((now.fault, now.progress, now.vm_state), (None, 40, VmState::Error));

        assert!(mark_deleted(&mut tx, &expected.id, Timestamp(20)).await.expect("delete"));
        assert!(!mark_deleted(&mut tx, &expected.id, Timestamp(21)).await.expect("again"));
        change(&mut tx, &expected.id, &first, Timestamp(22)).await.expect("change");
        let now = get(&mut tx, &expected.id, &Reach::All, Parts::ALL).await.expect("get").expect("server").server;
        assert_eq!((now.vm_state, now.updated_at), (VmState::Deleted, Timestamp(20)), "a deleted one stays as it is");
        let count = async |tx: &mut Conn, life| {
            list(tx, &Filter { life, ..Filter::all() }, Parts::USUAL, &Page::default()).await.expect("list").items.len()
        };
        assert_eq!(count(&mut tx, Life::LIVING).await, 0);
        assert_eq!((count(&mut tx, Life::DELETED).await, count(&mut tx, Life::ALL).await), (1, 1));
        assert_eq!(remove_deleted(&mut tx, Timestamp(20), 10).await.expect("sweep"), 0);
        assert_eq!(remove_deleted(&mut tx, Timestamp(21), 10).await.expect("sweep"), 1);
    }
}

#[tokio::test]
async fn a_lock_keeps_its_reason_until_there_is_another_or_none() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        insert(&mut tx, &server(1), "").await.expect("insert");
        let id = "server-000001";
        let shown = async |tx: &mut Conn| {
            let server = get(tx, id, &Reach::All, Parts::ALL).await.expect("get").expect("a server").server;
            (server.locked, server.locked_by, server.locked_reason, server.updated_at.0)
        };
        set_lock(&mut tx, id, LockedBy::Owner, Some("audit"), Timestamp(2_000)).await.expect("locked");
        let owner = (true, Some(LockedBy::Owner), Some("audit".to_owned()), 2_000);
        assert_eq!(shown(&mut tx).await, owner, "{}", database.name);
        set_lock(&mut tx, id, LockedBy::Operator, None, Timestamp(3_000)).await.expect("locked");
        let operator = (true, Some(LockedBy::Operator), Some("audit".to_owned()), 3_000);
        assert_eq!(shown(&mut tx).await, operator, "{}", database.name);
        let brief = lock(&mut tx, id).await.expect("row").expect("a server");
        assert_eq!((brief.locked, brief.locked_by), (true, Some(LockedBy::Operator)), "{}", database.name);
        clear_lock(&mut tx, id, Timestamp(4_000)).await.expect("unlocked");
        assert_eq!(shown(&mut tx).await, (false, None, None, 4_000), "{}", database.name);
    }
}

/// Whatever the size of the table, a page in the default order is read from an index and never sorted.
#[tokio::test]
async fn the_default_order_is_an_index() {
    let database = crate::testing::sqlite().await;
    let mut tx = database.db.begin().await.expect("begin");
    let living = "s.deleted = 0 AND s.vm_state <> 'soft-deleted'";
    for filter in [format!("s.project_id = 'p' AND {living}"), living.to_owned()] {
        for page in ["", " AND (s.created_at, s.id) < (5, 'x')"] {
            let sql = format!(
                "EXPLAIN QUERY PLAN SELECT {} FROM servers s WHERE {filter}{page} \
                 ORDER BY s.created_at DESC, s.id DESC LIMIT 21",
                packed(false, Parts::USUAL)
            );
            let plan = tx.all(sql, &[], |row| Ok((row.int(1)?, row.text(3)?))).await.expect("plan");
            // The steps of the page itself; the sub-collections hang below their sub-queries.
            let mut outer = plan.iter().filter(|(parent, _)| *parent == 0).map(|(_, step)| step.as_str());
            let first = outer.next().unwrap_or_default();
            assert!(first.starts_with("SEARCH s USING INDEX servers_"), "{filter}{page}: {plan:?}");
            assert!(outer.all(|step| step.starts_with("CORRELATED SCALAR SUBQUERY")), "{filter}{page}: {plan:?}");
            // `t` is a sub-query's own result.
            assert!(
                !plan.iter().any(|(_, step)| step.starts_with("SCAN") && step != "SCAN t"),
                "{filter}{page}: {plan:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_states_that_prices_depend_on_are_written_down_as_they_come() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        let mut one = server(1);
        one.created_at = Timestamp(100);
        insert(&mut tx, &one, "").await.expect("server");
        for (state, now) in [(Some(VmState::Active), 110), (None, 120), (Some(VmState::Stopped), 130)] {
            let step = Change { vm_state: state, ..Change::default() };
            change(&mut tx, &one.id, &step, Timestamp(now)).await.expect("change");
        }
        mark_deleted(&mut tx, &one.id, Timestamp(140)).await.expect("deleted");
        let late = Change { vm_state: Some(VmState::Error), ..Change::default() };
        change(&mut tx, &one.id, &late, Timestamp(150)).await.expect("too late");
        let within = async |tx: &mut Conn, start, end| {
            let ids = [one.id.clone(), "unknown".to_owned()];
            let found = metering::server_states(tx, &ids, Timestamp(start), Timestamp(end)).await.expect("states");
            found.into_iter().map(|(_, at, state)| (at.0, state)).collect::<Vec<_>>()
        };
        let all = [(100, "building"), (110, "active"), (130, "stopped"), (140, "deleted")];
        let all = all.map(|(at, state)| (at, state.to_owned()));
        assert_eq!(within(&mut tx, 0, 999).await, all, "{}", database.name);
        assert_eq!(within(&mut tx, 115, 140).await, all[1..3], "{}: the first began before", database.name);
        assert_eq!(within(&mut tx, 0, 100).await, [], "{}", database.name);
        assert_eq!(metering::server_states(&mut tx, &[], Timestamp(0), Timestamp(9)).await.expect("none"), []);
    }
}

#[tokio::test]
async fn a_use_is_metered_once_and_ends_once() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        for now in [100, 200] {
            metering::open_running(&mut tx, "p", "s", "1", 2, 512, Timestamp(now)).await.expect("open");
        }
        let open = metering::open_of(&mut tx, "s").await.expect("open");
        assert_eq!(open.len(), 2, "{}", database.name);
        assert!(open.iter().all(|span| span.started_at == Timestamp(100) && span.is_open()));
        let disk = metering::NewSpan {
            project_id: "p",
            resource_kind: "volume",
            resource_id: "s",
            meter: metering::meter::VOLUME_GIB,
            class: "standard",
            server_id: "s",
            quantity: 5,
        };
        metering::open_span(&mut tx, &disk, Timestamp(150)).await.expect("open");
        for now in [300, 400] {
            metering::close_running(&mut tx, "s", Timestamp(now)).await.expect("close");
        }
        assert_eq!(metering::open_of(&mut tx, "s").await.expect("open").len(), 1);
        // Without its server the disk goes on, at a price of its own.
        for now in [420, 430] {
            metering::leave_server(&mut tx, "s", Timestamp(now)).await.expect("leave");
        }
        let alone = metering::open_of(&mut tx, "s").await.expect("open");
        let said: Vec<_> = alone.iter().map(|span| (&*span.server_id, span.quantity, span.started_at)).collect();
        assert_eq!(said, [("", 5, Timestamp(420))], "{}", database.name);
        // Used again: another span. A clock that was set back ends nothing before its begin.
        metering::open_running(&mut tx, "p", "s", "1", 2, 512, Timestamp(500)).await.expect("open");
        metering::close_running(&mut tx, "s", Timestamp(450)).await.expect("close");
        let ids = async |tx: &mut Conn, start, end| {
            let wanted = metering::Select {
                account: None,
                reach: Reach::project("p"),
                resource_id: None,
                meter: Some("vcpu".to_owned()),
                start: Timestamp(start),
                end: Timestamp(end),
            };
            metering::span_ids(tx, &wanted).await.expect("ids")
        };
        assert_eq!(ids(&mut tx, 0, 1000).await.len(), 1, "the span of no time is left out");
        assert_eq!((ids(&mut tx, 300, 400).await.len(), ids(&mut tx, 0, 100).await.len()), (0, 0), "half open");
        assert_eq!((ids(&mut tx, 299, 300).await.len(), ids(&mut tx, 0, 101).await.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_password_stays_until_it_is_forgotten_or_the_server_is_deleted() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        for (number, delete) in [(1, false), (2, true)] {
            let server = server(number);
            let kept = async |tx: &mut crate::Conn| {
                let made_of = for_platform(tx, &server.id).await.expect("the server").expect("a server");
                Some(made_of.admin_password).filter(|sealed| !sealed.is_empty())
            };
            insert(&mut tx, &server, "sealed").await.expect("insert");
            change(&mut tx, &server.id, &Change::default(), Timestamp(9)).await.expect("change");
            assert_eq!(kept(&mut tx).await.as_deref(), Some("sealed"), "{}", database.name);
            if delete {
                assert!(mark_deleted(&mut tx, &server.id, Timestamp(9)).await.expect("deleted"));
            } else {
                let forget = Change { forget_password: true, ..Change::default() };
                change(&mut tx, &server.id, &forget, Timestamp(9)).await.expect("change");
            }
            assert_eq!(kept(&mut tx).await, None, "{}", database.name);
        }
    }
}
