//! What a request for network cards refuses, and what it takes, on both databases.

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, NetworksApi, OperationsApi};
use skyloom_runtime::bindings::cloud::compute::{NicRequest, NicsAttached};
use skyloom_runtime::bindings::cloud::networks as wit;
use skyloom_runtime::bindings::types::errors::Error;
use skyloom_store::networks as store;
use skyloom_store::quotas::{self, Quota};

use super::create::MAX_NICS;
use super::testing::{Kind as _, World, member, operator, page, worlds};
use crate::Settings;
use crate::lists::{all_parts, asked};

const NOTHING: NicRequest =
    NicRequest { port_id: None, network_id: None, subnet_id: None, address: None, security_groups: None };

/// A server of the project with one card, at rest.
async fn active(world: &World) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    let id = made.server_ids.into_iter().next().expect("one");
    world.make_active(&id).await;
    id
}

async fn attach(world: &World, server: &str, nics: Vec<NicRequest>) -> Result<NicsAttached, Error> {
    world.cloud.attach_nics(&member("p"), server.to_owned(), nics, false).await
}

/// The attachment's operation is as good as done.
async fn done(world: &World, server: &str) {
    world.make_active(server).await;
}

async fn cards(world: &World, server: &str) -> Vec<String> {
    let server = world.cloud.get_server(&member("p"), server.to_owned(), all_parts()).await.expect("the server");
    server.nics.into_iter().map(|nic| nic.port_id).collect()
}

/// Behind the core's back; the value is SQL.
async fn set(world: &World, server: &str, column: &str, value: &str) {
    let mut tx = world.database.db.begin().await.expect("begin");
    let sql = format!("UPDATE servers SET {column} = {value} WHERE id = $1");
    tx.execute(sql, skyloom_store::args![server]).await.expect("change");
    tx.commit().await.expect("commit");
}

/// The shared network that everybody has.
async fn shared(world: &World) -> wit::Network {
    let named = vec![asked("name", "any-of", &["private"])];
    world.cloud.list_networks(&member("p"), named, page(0, None)).await.expect("list").networks.remove(0)
}

fn on(network: &str) -> NicRequest {
    NicRequest { network_id: Some(network.to_owned()), ..NOTHING }
}

/// A port of the project, which nothing has.
async fn port(world: &World, project: &str) -> wit::Port {
    let network = shared(world).await.id;
    let write = wit::PortWrite {
        name: None,
        description: None,
        project_id: None,
        network_id: Some(network),
        mac: None,
        enabled: None,
        fixed_ips: None,
        security_group_ids: None,
        device_id: None,
        device_owner: None,
        port_security: None,
        attributes: None,
    };
    world.cloud.create_port(&member(project), write).await.expect("a port")
}

fn given(port: &wit::Port) -> NicRequest {
    NicRequest { port_id: Some(port.id.clone()), ..NOTHING }
}

#[tokio::test]
async fn cards_come_together_in_their_order_and_the_operation_names_them() {
    for world in worlds(Settings::default()).await {
        let (server, own) = (active(&world).await, port(&world, "p").await);
        let first = cards(&world, &server).await;
        let network = shared(&world).await.id;
        let asked = vec![on(&network), given(&own), NicRequest { security_groups: Some(Vec::new()), ..on(&network) }];
        let came = attach(&world, &server, asked).await.expect("attached");
        assert_eq!((came.port_ids.len(), &came.port_ids[1]), (3, &own.id), "{}", world.database.name);
        assert_eq!(cards(&world, &server).await, [first.as_slice(), &came.port_ids].concat());
        let operation = world.cloud.get_operation(&member("p"), came.operation_id.clone()).await.expect("operation");
        assert_eq!(operation.operation.kind, "server.attach-nic");
        assert_eq!(operation.operation.port_ids, came.port_ids, "{}", world.database.name);
        for (id, groups) in came.port_ids.iter().zip([1, 1, 0]) {
            let port = world.cloud.get_port(&member("p"), id.clone()).await.expect("a port");
            assert_eq!(port.device_id, server, "{}", world.database.name);
            assert_eq!((port.security_group_ids.len(), port.fixed_ips.len(), port.active), (groups, 1, false));
        }
        // The server is taken.
        let busy = attach(&world, &server, vec![on(&network)]).await.expect_err("busy");
        assert_eq!(busy.kind(), ErrorCode::Busy, "{}", world.database.name);
        let busy = world.cloud.detach_nics(&member("p"), server.clone(), vec![own.id.clone()]).await.expect_err("busy");
        assert_eq!(busy.kind(), ErrorCode::Busy, "{}", world.database.name);
        done(&world, &server).await;
        // One that names nothing is on the project's only network.
        let more = attach(&world, &server, vec![NOTHING]).await.expect("anywhere");
        assert_eq!(cards(&world, &server).await.len(), 5, "{}", world.database.name);
        done(&world, &server).await;
        let went = world.cloud.detach_nics(&member("p"), server.clone(), more.port_ids.clone()).await.expect("detach");
        let operation = world.cloud.get_operation(&member("p"), went).await.expect("the operation");
        assert_eq!(
            (operation.operation.kind.as_str(), operation.operation.port_ids),
            ("server.detach-nic", more.port_ids)
        );
        assert_eq!(cards(&world, &server).await.len(), 5, "{}: they go with the operation's end", world.database.name);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_card_leaves_nothing() {
    for world in worlds(Settings::default()).await {
        let server = active(&world).await;
        let (used, foreign) = (cards(&world, &server).await.remove(0), port(&world, "q").await);
        let (network, ports) = (shared(&world).await, world.count("ports").await);
        let mut conn = world.database.db.read().await.expect("a connection");
        let subnet = store::subnets_of_network(&mut conn, &network.id).await.expect("subnets").remove(0);
        drop(conn);
        let at = |address: &str| NicRequest { address: Some(address.to_owned()), ..on(&network.id) };
        let groups = |named: &str| NicRequest { security_groups: Some(vec![named.to_owned()]), ..on(&network.id) };
        let with_port = |id: &str| NicRequest { port_id: Some(id.to_owned()), ..NOTHING };
        let (twice, none) = (port(&world, "p").await, "nowhere");
        for (nics, code, field) in [
            (vec![], ErrorCode::Invalid, Some("nics")),
            (vec![on(&network.id); MAX_NICS + 1], ErrorCode::Invalid, Some("nics")),
            (vec![on(&network.id); MAX_NICS], ErrorCode::QuotaExceeded, Some("nics")),
            (vec![NOTHING, on(&network.id)], ErrorCode::Invalid, Some("networks")),
            (vec![on(none)], ErrorCode::NotFound, None),
            (vec![with_port(none)], ErrorCode::NotFound, None),
            (vec![with_port(&foreign.id)], ErrorCode::NotFound, None),
            (vec![with_port(&used)], ErrorCode::InUse, None),
            (vec![given(&twice), given(&twice)], ErrorCode::Invalid, Some("networks")),
            (vec![NicRequest { subnet_id: Some(none.to_owned()), ..NOTHING }], ErrorCode::NotFound, None),
            (vec![at("10.0.0")], ErrorCode::Invalid, Some("address")),
            // Whose network it is says who has which address.
            (vec![at(&subnet.pools[0].end.to_string())], ErrorCode::Forbidden, None),
            (vec![groups(none)], ErrorCode::NotFound, Some("security-groups")),
            (
                vec![NicRequest { security_groups: Some(vec![String::new(); 129]), ..on(&network.id) }],
                ErrorCode::Invalid,
                Some("security-groups"),
            ),
            // The first one alone would do.
            (vec![on(&network.id), on(none)], ErrorCode::NotFound, None),
        ] {
            let error = attach(&world, &server, nics).await.expect_err("refused");
            assert_eq!((error.kind(), error.field.as_deref()), (code, field), "{}", error.message);
        }
        for (address, code) in [("192.0.2.1", ErrorCode::Invalid), ("0.0.0.0", ErrorCode::Invalid)] {
            let refused = world.cloud.attach_nics(&operator("p"), server.clone(), vec![at(address)], false).await;
            let error = refused.expect_err("outside");
            assert_eq!((error.kind(), error.field.as_deref()), (code, Some("address")), "{}", error.message);
        }
        let taken =
            world.cloud.get_port(&member("p"), used.clone()).await.expect("a port").fixed_ips[0].address.clone();
        let refused = world.cloud.attach_nics(&operator("p"), server.clone(), vec![at(&taken)], false).await;
        assert_eq!(refused.expect_err("taken").kind(), ErrorCode::AddressInUse, "{}", world.database.name);
        assert_eq!(cards(&world, &server).await, [used], "{}", world.database.name);
        assert_eq!(world.count("ports").await, ports + 1, "{}: only the one that was made here", world.database.name);
        attach(&world, &server, vec![given(&twice)]).await.expect("nothing holds it");
    }
}

#[tokio::test]
async fn a_dry_run_takes_and_makes_no_port() {
    for world in worlds(Settings::default()).await {
        let (server, own, network) = (active(&world).await, port(&world, "p").await, shared(&world).await.id);
        let before = (world.count("ports").await, world.count("operations").await);
        let nics = vec![on(&network), given(&own)];
        let came = world.cloud.attach_nics(&member("p"), server.clone(), nics, true).await.expect("it fits");
        assert_eq!((came.operation_id.as_str(), came.port_ids.len()), ("", 0), "{}", world.database.name);
        assert_eq!((world.count("ports").await, world.count("operations").await), before, "{}", world.database.name);
        assert_eq!(cards(&world, &server).await.len(), 1);
        let nowhere = world.cloud.attach_nics(&member("p"), server.clone(), vec![on("nowhere")], true).await;
        assert_eq!(nowhere.expect_err("no network").kind(), ErrorCode::NotFound);
        attach(&world, &server, vec![given(&own)]).await.expect("nothing holds it");
    }
}

#[tokio::test]
async fn cards_are_those_of_the_server_and_the_server_is_the_callers() {
    for world in worlds(Settings::default()).await {
        let server = active(&world).await;
        let (own, network) = (cards(&world, &server).await.remove(0), shared(&world).await.id);
        let spare = port(&world, "p").await.id;
        let detach = async |caller: &str, ids: Vec<&str>| {
            let ids = ids.into_iter().map(ToOwned::to_owned).collect();
            world.cloud.detach_nics(&member(caller), server.clone(), ids).await
        };
        for (ids, code, field) in [
            (vec![], ErrorCode::Invalid, "port-ids"),
            (vec![own.as_str(), own.as_str()], ErrorCode::Invalid, "port-ids"),
            (vec!["nowhere"], ErrorCode::NotFound, "port-ids"),
            (vec![own.as_str(), spare.as_str()], ErrorCode::NotFound, "port-ids"),
        ] {
            let error = detach("p", ids).await.expect_err("refused");
            assert_eq!((error.kind(), error.field.as_deref()), (code, Some(field)), "{}", world.database.name);
        }
        // Another project's people see nothing.
        let error = detach("q", vec![own.as_str()]).await.expect_err("foreign");
        assert_eq!((error.kind(), error.resource), (ErrorCode::NotFound, Some(("server".to_owned(), server.clone()))));
        let foreign = world.cloud.attach_nics(&member("q"), server.clone(), vec![on(&network)], false).await;
        let error = foreign.expect_err("foreign");
        assert_eq!((error.kind(), error.resource), (ErrorCode::NotFound, Some(("server".to_owned(), server.clone()))));
        set(&world, &server, "locked", "1").await;
        assert_eq!(detach("p", vec![own.as_str()]).await.expect_err("locked").kind(), ErrorCode::Locked);
        let locked = attach(&world, &server, vec![on(&network)]).await.expect_err("locked");
        assert_eq!(locked.kind(), ErrorCode::Locked, "{}", world.database.name);
        set(&world, &server, "locked", "0").await;
        detach("p", vec![own.as_str()]).await.expect("the only card, too");
    }
}

#[tokio::test]
async fn the_quota_of_ports_and_the_servers_state_hold() {
    for world in worlds(Settings::default()).await {
        let (server, own, network) = (active(&world).await, port(&world, "p").await, shared(&world).await.id);
        let mut tx = world.database.db.begin().await.expect("begin");
        quotas::set_limit(&mut tx, "p", Quota::Ports, 2).await.expect("limit");
        tx.commit().await.expect("commit");
        let error = attach(&world, &server, vec![on(&network)]).await.expect_err("two are there");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::QuotaExceeded, Some("ports")));
        attach(&world, &server, vec![given(&own)]).await.expect("it is counted already");
        done(&world, &server).await;
        for (state, code) in [("building", ErrorCode::WrongState), ("resized", ErrorCode::WrongState)] {
            set(&world, &server, "vm_state", &format!("'{state}'")).await;
            let error = attach(&world, &server, vec![on(&network)]).await.expect_err(state);
            assert_eq!(error.kind(), code, "{state}");
            let refused = world.cloud.detach_nics(&member("p"), server.clone(), vec![own.id.clone()]).await;
            assert_eq!(refused.expect_err(state).kind(), code, "{state}");
        }
    }
}
