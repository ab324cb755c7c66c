//! Whether the world and the records agree.

use skyloom_model::{PowerState, VmState};
use skyloom_store::{metering, networks, operations_nodes, volumes};

use crate::fixture::Fixture;

/// Everything about one server: domain, disks, ports with their addresses, place, spans.
pub async fn server(fixture: &Fixture, id: &str, case: &str) {
    let case = format!("{} {case}", fixture.name);
    let mut conn = fixture.db.read().await.unwrap();
    let record = skyloom_store::servers::get(&mut conn, id, None).await.unwrap().map(|full| full.server);
    let machine = fixture.world.machine(id);
    let volumes = volumes::of_server(&mut conn, id).await.unwrap();
    let ports = networks::ports_of_device(&mut conn, id).await.unwrap();
    let place = operations_nodes::place_of(&mut conn, id).await.unwrap();
    let mut meters: Vec<String> =
        metering::open_of(&mut conn, id).await.unwrap().into_iter().map(|span| span.meter).collect();
    meters.sort();
    drop(conn);
    let lives = record.as_ref().filter(|server| matches!(server.vm_state, VmState::Active | VmState::Stopped));
    let Some(server) = lives else {
        let state = record.map(|server| server.vm_state);
        assert!(
            matches!(state, None | Some(VmState::Deleted | VmState::Error)),
            "{case}: the server came to rest in {state:?}"
        );
        assert_eq!(machine, None, "{case}: {state:?}, and the world still has it");
        assert!(volumes.is_empty() && ports.is_empty(), "{case}: {state:?}, and {volumes:?} {ports:?} are left");
        assert_eq!((place, meters), (None, Vec::new()), "{case}: {state:?}, and a place or open spans are left");
        return;
    };
    let running = server.vm_state == VmState::Active;
    let machine = machine.unwrap_or_else(|| panic!("{case}: the server is {:?} without a domain", server.vm_state));
    assert!(machine.defined.is_some(), "{case}: there are only disks");
    assert_eq!(machine.running, running, "{case}: the world's power differs from {:?}", server.vm_state);
    let power = if running { PowerState::Running } else { PowerState::ShutDown };
    assert_eq!(server.power_state, power, "{case}");
    assert_eq!(server.task_state, None, "{case}: a task is left");
    let disks: Vec<String> = machine.disks.into_iter().collect();
    let mut wanted: Vec<String> = volumes.iter().map(|volume| volume.id.clone()).collect();
    wanted.sort();
    assert_eq!(disks, wanted, "{case}: the disks differ from the volumes");
    assert_eq!(volumes.len(), 2, "{case}");
    for volume in &volumes {
        assert_eq!(volume.state, volumes::VolumeState::InUse, "{case}");
        let open = "SELECT count(*) FROM spans WHERE resource_id = $1 AND ended_at = 9223372036854775807";
        assert_eq!(fixture.count(open, &volume.id).await, 1, "{case}: spans of volume {}", volume.id);
    }
    assert_eq!(ports.len(), 1, "{case}: {ports:?}");
    assert_eq!(ports[0].addresses.len(), 1, "{case}: {ports:?}");
    assert_eq!(ports[0].port.node, "node-1", "{case}");
    assert_eq!(place.as_deref(), Some("node-1"), "{case}");
    assert_eq!(server.node, "node-1", "{case}");
    let expected: &[&str] = if running { &["memory-mib", "vcpu"] } else { &[] };
    let mut expected: Vec<&str> = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(meters, expected, "{case}: the spans don't fit {:?}", server.vm_state);
}

/// What no case may leave behind.
pub async fn everything(fixture: &Fixture) {
    let mut conn = fixture.db.read().await.unwrap();
    assert_eq!(operations_nodes::differences(&mut conn).await.unwrap(), [], "{}", fixture.name);
    assert_eq!(operations_nodes::orphans(&mut conn).await.unwrap(), [""; 0], "{}", fixture.name);
    drop(conn);
    for (what, sql) in [
        ("locks", "SELECT count(*) FROM operation_locks WHERE $1 = ''"),
        ("open operations", "SELECT count(*) FROM operations WHERE ended_at IS NULL AND $1 = ''"),
        ("leases", "SELECT count(*) FROM operations WHERE lease_owner <> '' AND $1 = ''"),
        ("volumes", "SELECT count(*) FROM volumes WHERE $1 = ''"),
        ("ports", "SELECT count(*) FROM ports WHERE device_id <> '' AND device_owner LIKE 'compute:%' AND $1 = ''"),
        (
            "addresses",
            "SELECT count(*) FROM port_addresses a WHERE $1 = '' AND NOT EXISTS (SELECT 1 FROM ports p WHERE p.id = a.port_id)",
        ),
        (
            "open spans",
            "SELECT count(*) FROM spans WHERE ended_at = 9223372036854775807 AND resource_kind <> 'image' AND $1 = ''",
        ),
        ("reservations", "SELECT count(*) FROM node_reservations WHERE $1 = ''"),
        ("servers", "SELECT count(*) FROM servers WHERE deleted = 0 AND $1 = ''"),
    ] {
        assert_eq!(fixture.count(sql, "").await, 0, "{}: {what} are left", fixture.name);
    }
    assert!(fixture.world.machines().is_empty(), "{}: the world holds {:?}", fixture.name, fixture.world.machines());
    quota(fixture).await;
}

/// The quota's figures are those of the records: nothing is used any more.
async fn quota(fixture: &Fixture) {
    use skyloom_runtime::api::QuotasApi;
    let quotas = fixture.cloud.get_quotas(&fixture.context(), None).await.expect("quotas");
    for quota in quotas {
        if ["servers", "vcpus", "memory-mib", "volumes", "volume-gib", "ports"].contains(&quota.name.as_str()) {
            assert_eq!(quota.used, 0, "{}: {} are still used", fixture.name, quota.name);
        }
    }
}
