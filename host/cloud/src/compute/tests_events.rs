//! What calls tell of what they changed, and that it costs no way to the database, on both of them.

use std::sync::Arc;

use skyloom_runtime::api::{ComputeApi, KeypairsApi, NetworksApi};
use skyloom_runtime::bindings::cloud::{compute as wit, keypairs, networks};
use skyloom_runtime::context::CallContext;
use skyloom_store::events::{self, Event, Filter, Outcome};
use skyloom_store::listing::Page;
use skyloom_store::testing::SENT;

use super::testing::{World, member, operator, volume, worlds};
use crate::Settings;

async fn listed(world: &World, filter: Filter) -> Vec<Event> {
    let mut conn = world.database.db.read().await.expect("a connection");
    events::list(&mut conn, &filter, &Page::default()).await.expect("events").items
}

/// Action, resource and outcome of what was told of the request, sorted.
async fn told(world: &World, request: &CallContext) -> Vec<String> {
    let of_request = |event: &Event| event.request_id == *request.request_id;
    let all = listed(world, Filter::default()).await.into_iter().filter(of_request);
    let words = |event: Event| format!("{} {} {}", event.action, event.resource_kind, event.outcome.as_str());
    let mut told: Vec<String> = all.map(|event| words(event).trim_end().to_owned()).collect();
    told.sort();
    told
}

async fn active(world: &World) -> String {
    let made = world.cloud.create_servers(&member("p"), world.create(&["a"])).await.expect("creation");
    let id = made.server_ids.into_iter().next().expect("one");
    world.make_active(&id).await;
    id
}

async fn act(world: &World, caller: &Arc<CallContext>, ids: &[&String], verb: &str, options: &[(&str, &str)]) -> bool {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let ids: Vec<String> = ids.iter().map(|id| (*id).clone()).collect();
    let as_batch = ids.len() > 1;
    world.cloud.act_on_servers(caller, ids, verb.to_owned(), options, as_batch, false).await.is_ok()
}

fn update(name: &str) -> wit::ServerUpdate {
    wit::ServerUpdate {
        name: Some(name.to_owned()),
        description: None,
        hostname: None,
        access_ipv4: None,
        access_ipv6: None,
        attributes: None,
    }
}

#[tokio::test]
async fn a_creation_is_told_with_who_asked_and_its_operation() {
    for world in worlds(Settings::default()).await {
        let request = member("p");
        let made = world.cloud.create_servers(&request, world.create(&["a"])).await.expect("creation");
        let filter = Filter { resource_id: Some(made.server_ids[0].clone()), ..Filter::default() };
        let [event] = listed(&world, filter).await.try_into().expect("one event");
        let expected = Event {
            id: event.id.clone(),
            at: event.at,
            project_id: "p".to_owned(),
            domain_id: "default".to_owned(),
            user_id: "user-of-p".to_owned(),
            resource_kind: "server".to_owned(),
            resource_id: made.server_ids[0].clone(),
            action: "servers:create".to_owned(),
            request_id: request.request_id.to_string(),
            operation_id: made.operation_id,
            outcome: Outcome::Accepted,
        };
        assert_eq!(event, expected, "{}", world.database.name);
        let batch = member("p");
        world.cloud.create_servers(&batch, world.create(&["b", "c"])).await.expect("creation");
        let each = vec!["servers:create server accepted"; 2];
        assert_eq!(told(&world, &batch).await, each, "{}: each part, and not the whole", world.database.name);
    }
}

#[tokio::test]
async fn a_call_that_names_more_than_the_server_is_told_of_each_with_the_operation() {
    for world in worlds(Settings::default()).await {
        let (server, data) = (active(&world).await, volume(&world, &member("p"), "node-1").await);
        let request = member("p");
        assert!(act(&world, &request, &[&server], "attach-volume", &[("volume-id", &data)]).await);
        let each = ["volumes:attach server accepted", "volumes:attach volume accepted"];
        assert_eq!(told(&world, &request).await, each, "{}", world.database.name);
        let of = async |id: &str| {
            let filter = Filter { resource_id: Some(id.to_owned()), ..Filter::default() };
            listed(&world, filter).await.into_iter().next().expect("the newest").operation_id
        };
        assert_eq!(of(&server).await, of(&data).await, "{}", world.database.name);
    }
}

#[tokio::test]
async fn what_a_call_changes_alone_is_told_and_what_is_refused_or_tried_is_not() {
    for world in worlds(Settings::default()).await {
        let (cloud, server, name) = (&world.cloud, active(&world).await, world.database.name);
        let request = member("p");
        cloud.update_server(&request, server.clone(), update("other")).await.expect("another name");
        assert_eq!(told(&world, &request).await, ["servers:update server"], "{name}");
        let request = member("p");
        assert!(act(&world, &request, &[&server], "lock", &[]).await);
        assert_eq!(told(&world, &request).await, ["servers:lock server succeeded"], "{name}");
        let request = member("p");
        assert!(!act(&world, &request, &[&server], "stop", &[]).await, "it is locked");
        assert!(told(&world, &request).await.is_empty(), "{name}");
        let foreign = member("q");
        assert!(cloud.update_server(&foreign, server.clone(), update("mine")).await.is_err());
        assert!(told(&world, &foreign).await.is_empty(), "{name}");
        let request = member("p");
        let dry = wit::ServerCreate { dry_run: true, ..world.create(&["b"]) };
        cloud.create_servers(&request, dry).await.expect("it would do");
        assert!(told(&world, &request).await.is_empty(), "{name}");
        let request = member("p");
        let pair = keypairs::KeypairCreate {
            name: "k".to_owned(),
            kind: keypairs::KeyKind::Ssh,
            public_key: None,
            user_id: None,
            attributes: "{}".to_owned(),
        };
        cloud.create_keypair(&request, pair).await.expect("a key pair");
        assert_eq!(told(&world, &request).await, ["keypairs:create keypair"], "{name}");
    }
}

#[tokio::test]
async fn a_part_of_a_batch_that_is_refused_is_told_as_failed() {
    for world in worlds(Settings::default()).await {
        let (one, locked) = (active(&world).await, active(&world).await);
        assert!(act(&world, &operator("p"), &[&locked], "lock", &[]).await);
        let request = member("p");
        assert!(act(&world, &request, &[&one, &locked], "stop", &[]).await);
        let each = ["servers:stop server accepted", "servers:stop server failed"];
        assert_eq!(told(&world, &request).await, each, "{}", world.database.name);
    }
}

/// How often the call hands statements to the database.
async fn sent(call: impl Future<Output = ()>) -> usize {
    let before = SENT.get();
    call.await;
    SENT.get() - before
}

/// The numbers are those of before there were events.
#[tokio::test]
async fn an_event_goes_with_a_statement_that_is_sent_anyway() {
    for world in worlds(Settings::default()).await {
        let (cloud, name) = (&world.cloud, world.database.name);
        let server = active(&world).await;
        let create = sent(async { drop(cloud.create_servers(&member("p"), world.create(&["b"])).await.expect("one")) });
        let create = create.await;
        let stop = sent(async { assert!(act(&world, &member("p"), &[&server], "stop", &[]).await) }).await;
        let network = networks::NetworkWrite {
            project_id: None,
            name: Some("n".to_owned()),
            description: None,
            shared: None,
            external: None,
            enabled: None,
            is_default: None,
            port_security: None,
            mtu: None,
            attributes: None,
        };
        let network = sent(async { drop(cloud.create_networks(&member("p"), vec![network]).await.expect("one")) });
        let found = (create, stop, network.await);
        let expected = if name == "sqlite" { (11, 3, 3) } else { (12, 3, 3) };
        assert_eq!(found, expected, "{name}: creation, action, network");
    }
}
