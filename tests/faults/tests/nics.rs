//! Network cards that come to a server and leave it: one with a port that is there and stays, one with a port of its own.

use skyloom_runtime::api::{ComputeApi, NetworksApi};
use skyloom_runtime::bindings::cloud::compute::NicRequest;
use skyloom_runtime::bindings::cloud::networks::PortWrite;
use skyloom_store::args;

use crate::fixture::Fixture;

const SPARE: &str = "spare";

async fn network(fixture: &Fixture) -> String {
    let sql = "SELECT id FROM networks WHERE name = 'private'";
    fixture.db.read().await.unwrap().one(sql, &[], |row| row.text(0)).await.unwrap()
}

async fn spare(fixture: &Fixture) -> Option<String> {
    let sql = "SELECT id FROM ports WHERE name = $1";
    fixture.db.read().await.unwrap().optional(sql, args![SPARE], |row| row.text(0)).await.unwrap()
}

pub async fn make_spare(fixture: &Fixture) {
    let write = PortWrite {
        name: Some(SPARE.to_owned()),
        description: None,
        project_id: None,
        network_id: Some(network(fixture).await),
        mac: None,
        enabled: None,
        fixed_ips: None,
        security_group_ids: None,
        device_id: None,
        device_owner: None,
        port_security: None,
        attributes: None,
    };
    fixture.cloud.create_ports(&fixture.context(), vec![write]).await.expect("a port");
}

/// No server has it.
pub async fn remove_spare(fixture: &Fixture) {
    if let Some(id) = spare(fixture).await {
        fixture.cloud.delete_port(&fixture.context(), id).await.expect("it is free");
    }
}

/// Both cards, by one operation.
pub async fn attach(fixture: &Fixture, server: &str) -> String {
    let nothing = NicRequest { port_id: None, network_id: None, subnet_id: None, address: None, security_groups: None };
    let given = NicRequest { port_id: spare(fixture).await, ..nothing.clone() };
    let made = NicRequest { network_id: Some(network(fixture).await), ..nothing };
    let attached = fixture.cloud.attach_nics(&fixture.context(), server.to_owned(), vec![given, made], false).await;
    attached.expect("accepted").operation_id
}

/// All but the server's own.
pub async fn detach(fixture: &Fixture, server: &str) -> String {
    let sql = "SELECT id FROM ports WHERE device_id = $1 AND position > 0";
    let ports = fixture.db.read().await.unwrap().all(sql, args![server], |row| row.text(0)).await.unwrap();
    assert_eq!(ports.len(), 2, "{}: both cards", fixture.name);
    fixture.cloud.detach_nics(&fixture.context(), server.to_owned(), ports).await.expect("accepted")
}

/// A server at rest has all the cards or its own alone; what it doesn't have is gone, or free as it was.
pub async fn check(fixture: &Fixture, server: &str, case: &str) {
    let has = fixture.count("SELECT count(*) FROM ports WHERE device_id = $1", server).await;
    let given = fixture.count("SELECT count(*) FROM ports WHERE name = 'spare' AND device_id = $1", server).await;
    assert_eq!(has == 3, given == 1, "{case}: {has} cards, {given} of them given");
    assert!(matches!(has, 0 | 1 | 3), "{case}: {has} cards");
    let Some(id) = spare(fixture).await else { return };
    let free = "SELECT count(*) FROM ports WHERE id = $1 AND device_id = '' AND node = '' AND of_core = 0";
    assert_eq!(fixture.count(free, &id).await, 1 - given, "{case}: a port of nobody's is not free");
    let addresses = fixture.count("SELECT count(*) FROM port_addresses WHERE port_id = $1", &id).await;
    assert_eq!(addresses, 1, "{case}: it keeps its address");
}
