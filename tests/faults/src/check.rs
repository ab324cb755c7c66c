//! Whether the world and the records agree. The same for every platform and both databases.

use skyloom_model::{PowerState, Reach, VmState};
use skyloom_store::placements::{self, Purpose};
use skyloom_store::volumes::{self, Volume};
use skyloom_store::{Conn, Db, args, metering, networks, resizes, servers};

use crate::machine::{Machine, Sight};

/// Everything about one server at rest: domain, disks, ports with their addresses, place, spans, lock. `disks`: how many a
/// living one has.
pub async fn server(db: &Db, sight: &Sight, disks: usize, id: &str, case: &str) {
    let machine = sight.machines.get(id);
    let mut conn = db.read().await.unwrap();
    let record = servers::get(&mut conn, id, &Reach::All, servers::Parts::ALL).await.unwrap().map(|full| full.server);
    let locks = "SELECT count(*) FROM operation_locks WHERE resource_id = $1";
    let locked: i64 = conn.one(locks, args![id], |row| row.int(0)).await.unwrap();
    assert_eq!(locked, 0, "{case}: the server is locked");
    let lives = record
        .as_ref()
        .filter(|server| !matches!(server.vm_state, VmState::Deleted | VmState::Error | VmState::Building));
    match lives {
        Some(server) => living(&mut conn, sight, disks, server, case).await,
        None => gone(&mut conn, machine, id, record.map(|server| server.vm_state), case).await,
    }
}

/// A server that was deleted, or is in error, holds nothing.
async fn gone(conn: &mut Conn, machine: Option<&Machine>, id: &str, state: Option<VmState>, case: &str) {
    assert!(
        matches!(state, None | Some(VmState::Deleted | VmState::Error)),
        "{case}: the server came to rest in {state:?}"
    );
    assert_eq!(machine, None, "{case}: {state:?}, and the world still has it");
    let volumes = volumes::of_server(conn, id).await.unwrap();
    let ports = networks::ports_of_device(conn, id).await.unwrap();
    assert!(volumes.is_empty() && ports.is_empty(), "{case}: {state:?}, and {volumes:?} {ports:?} are left");
    let place = placements::place_of(conn, id, Purpose::Home).await.unwrap();
    assert_eq!((place, meters(conn, id).await), (None, Vec::new()), "{case}: {state:?}, and a place or spans are left");
}

async fn living(conn: &mut Conn, sight: &Sight, disks: usize, server: &servers::Server, case: &str) {
    let resized = server.vm_state == VmState::Resized;
    let state = server.vm_state;
    let (paused, suspended) = (state == VmState::Paused, state == VmState::Suspended);
    let running = state == VmState::Active || paused || (resized && server.power_state == PowerState::Running);
    let machine = sight.machines.get(&server.id);
    let machine = machine.unwrap_or_else(|| panic!("{case}: the server is {:?} without a domain", server.vm_state));
    assert!(!machine.operation.is_empty(), "{case}: nobody has defined it");
    assert_eq!(machine.memory_mib, server.memory_mib, "{case}: the domain has another flavor's memory");
    let found = (machine.running, machine.paused, machine.suspended);
    assert_eq!(found, (running, paused, suspended), "{case}: the world's power differs from {state:?}");
    let power = match state {
        VmState::Paused => PowerState::Paused,
        VmState::Suspended => PowerState::Suspended,
        _ if running => PowerState::Running,
        _ => PowerState::ShutDown,
    };
    assert_eq!(server.power_state, power, "{case}");
    assert_eq!(server.task_state, None, "{case}: a task is left");
    let volumes = volumes::of_server(conn, &server.id).await.unwrap();
    assert_eq!(volumes.len(), disks, "{case}: {volumes:?}");
    let node = server.node.as_str();
    same_disks(conn, machine, sight, (&volumes, node), case).await;
    same_nics(conn, machine, (&server.id, node), case).await;
    let place = placements::place_of(conn, &server.id, Purpose::Home).await.unwrap();
    assert_eq!(place.as_deref(), Some(node), "{case}");
    let other = placements::place_of(conn, &server.id, Purpose::Resize).await.unwrap();
    let between = resizes::get(conn, &server.id).await.unwrap().is_some();
    assert_eq!((other.is_some(), between), (resized, resized), "{case}: the other flavor and its room");
    for span in metering::open_of(conn, &server.id).await.unwrap() {
        let quantity = if span.meter == "vcpu" { server.vcpus } else { server.memory_mib };
        let charged = (span.class.as_str(), span.quantity);
        assert_eq!(charged, (server.flavor_id.as_str(), i64::from(quantity)), "{case}: {}", span.meter);
    }
    let expected: &[&str] = if running || suspended { &["memory-mib", "vcpu"] } else { &[] };
    assert_eq!(meters(conn, &server.id).await, expected, "{case}: the spans don't fit {:?}", server.vm_state);
}

/// The server has its own card; how many others came to it, the caller knows.
async fn same_nics(conn: &mut Conn, machine: &Machine, (id, node): (&str, &str), case: &str) {
    let ports = networks::ports_of_device(conn, id).await.unwrap();
    assert!(!ports.is_empty(), "{case}: no card is left");
    let macs = ports.iter().map(|port| port.port.mac.clone()).collect();
    assert_eq!(machine.nics, macs, "{case}: the cards differ from the ports");
    for port in &ports {
        assert_eq!(port.addresses.len(), 1, "{case}: {port:?}");
        assert_eq!(port.port.node, node, "{case}");
    }
    if let Some(leases) = &machine.leases {
        let wanted = ports.iter().map(|port| (port.port.mac.clone(), port.addresses[0].address.clone())).collect();
        assert_eq!(*leases, wanted, "{case}: the platform hands out other addresses than the ports have");
    }
}

async fn same_disks(conn: &mut Conn, machine: &Machine, sight: &Sight, (volumes, node): (&[Volume], &str), case: &str) {
    let found: Vec<&str> = machine.disks.iter().map(String::as_str).collect();
    let mut wanted: Vec<&str> = volumes.iter().map(|volume| volume.id.as_str()).collect();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{case}: the disks differ from the volumes");
    for volume in volumes {
        assert!(sight.disks.contains(&volume.id), "{case}: {} has no disk", volume.id);
        let place = placements::place_of(conn, &volume.id, Purpose::Home).await.unwrap();
        assert_eq!(place.as_deref(), Some(node), "{case}: {}", volume.id);
        assert_eq!(volume.state, volumes::VolumeState::InUse, "{case}");
        let spans = metering::open_of(conn, &volume.id).await.unwrap();
        assert_eq!(spans.len(), 1, "{case}: spans of volume {}", volume.id);
    }
}

/// What is charged for the server itself, sorted.
async fn meters(conn: &mut Conn, id: &str) -> Vec<String> {
    let spans = metering::open_of(conn, id).await.unwrap();
    let mut meters: Vec<String> = spans.into_iter().map(|span| span.meter).collect();
    meters.sort();
    meters
}

/// At rest, whatever servers there are: every operation has ended, the sums are those of their parts.
pub async fn at_rest(db: &Db, case: &str) {
    let mut conn = db.read().await.unwrap();
    assert_eq!(placements::differences(&mut conn).await.unwrap(), [], "{case}");
    assert_eq!(placements::orphans(&mut conn).await.unwrap(), [""; 0], "{case}");
    assert_eq!(placements::spans_of_nothing(&mut conn).await.unwrap(), [""; 0], "{case}");
    zero(&mut conn, AT_REST, case).await;
}

/// What no case may leave behind once its servers are deleted: nothing, neither in the records nor on the platform.
pub async fn nothing_left(db: &Db, sight: &Sight, case: &str) {
    at_rest(db, case).await;
    zero(&mut db.read().await.unwrap(), NOTHING_LEFT, case).await;
    assert!(sight.machines.is_empty(), "{case}: the world holds {:?}", sight.machines);
    assert!(sight.disks.is_empty(), "{case}: the world holds {:?}", sight.disks);
    assert!(sight.strays.is_empty(), "{case}: the world holds {:?}", sight.strays);
}

const AT_REST: &[(&str, &str)] = &[
    ("locks", "SELECT count(*) FROM operation_locks"),
    ("open operations", "SELECT count(*) FROM operations WHERE ended_at IS NULL"),
    (
        "ends of operations that no event tells of, once",
        "SELECT count(*) FROM operations o WHERE o.resource_id <> '' AND 1 <> (SELECT count(*) FROM events e \
         WHERE e.operation_id = o.id AND e.resource_id = o.resource_id AND e.outcome = o.state)",
    ),
    ("leases", "SELECT count(*) FROM operations WHERE lease_owner <> ''"),
    ("passwords", "SELECT count(*) FROM servers WHERE admin_password <> ''"),
    ("rebuilds", "SELECT count(*) FROM rebuilds"),
    (
        "addresses without a port",
        "SELECT count(*) FROM port_addresses a WHERE NOT EXISTS (SELECT 1 FROM ports p WHERE p.id = a.port_id)",
    ),
];

const NOTHING_LEFT: &[(&str, &str)] = &[
    ("volumes", "SELECT count(*) FROM volumes"),
    ("ports", "SELECT count(*) FROM ports WHERE device_id <> '' AND device_owner LIKE 'compute:%'"),
    ("open spans", "SELECT count(*) FROM spans WHERE ended_at = 9223372036854775807 AND resource_kind <> 'image'"),
    ("places", "SELECT count(*) FROM placements"),
    ("resizes", "SELECT count(*) FROM resizes"),
    ("servers", "SELECT count(*) FROM servers WHERE deleted = 0"),
];

async fn zero(conn: &mut Conn, counts: &[(&str, &'static str)], case: &str) {
    for (what, sql) in counts {
        let number: i64 = conn.one(*sql, &[], |row| row.int(0)).await.unwrap();
        assert_eq!(number, 0, "{case}: {what} are left");
    }
}
