//! Security groups that a running server gets and loses.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, ServerNic};
use skyloom_sdk::cloud::networks::{GroupPage, Port, PortPage, SecurityGroup};
use skyloom_sdk::conditions::{any_of, is};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, not_found};
use skyloom_sdk::{ErrorCode, rule};

fn group(id: &str, name: &str) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        project_id: "project-1".to_owned(),
        stateful: true,
        rules: Vec::new(),
        tags: Vec::new(),
        created_at: NOON,
        updated_at: NOON,
        revision: 1,
        attributes: "{}".to_owned(),
    }
}

/// A server on these ports, in a project of four groups, of which two are called `twin`; which port gets which groups is kept.
fn with_groups(ports: Vec<Port>) -> (FakeCloud, Seen<(String, Vec<String>)>) {
    let nic = |port: &Port| ServerNic { port_id: port.id.clone(), ..server().nics[0].clone() };
    let mut cloud = with_server(Server { nics: ports.iter().map(nic).collect(), ..server() });
    cloud.networks.list_ports = Some(Box::new(move |conditions, _| {
        assert_eq!(conditions, [any_of("id", ports.iter().map(|port| &port.id))]);
        Ok(PortPage { ports: ports.clone(), next: None })
    }));
    cloud.networks.list_security_groups = Some(Box::new(|conditions, _| {
        let known = [group("group-1", "default"), group("group-2", "web"), group("a", "twin"), group("b", "twin")];
        let asked = |group: &SecurityGroup| {
            [("id", &group.id), ("name", &group.name)]
                .iter()
                .any(|(field, value)| *conditions == [is("project-id", "project-1"), is(field, value.as_str())])
        };
        Ok(GroupPage { groups: known.into_iter().filter(asked).collect(), next: None })
    }));
    let seen = Seen::default();
    let kept: Seen<(String, Vec<String>)> = seen.clone();
    cloud.networks.update_port = Some(Box::new(move |id, write| {
        let groups = write.security_group_ids.clone().expect("groups");
        kept.push((id.to_owned(), groups.clone()));
        assert!(write.name.is_none() && write.fixed_ips.is_none() && write.attributes.is_none());
        Ok(Port { id: id.to_owned(), security_group_ids: groups, ..port() })
    }));
    (cloud, seen)
}

fn called(id: &str, groups: &[&str]) -> Port {
    Port { id: id.to_owned(), security_group_ids: texts(groups), ..port() }
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn act_on(action: &str, name: &str) -> Call {
    let operation =
        if action == "addSecurityGroup" { "server_security_groups.add" } else { "server_security_groups.remove" };
    post(operation, "/v2.1/servers/x/action", &json!({ action: { "name": name } }))
}

#[test]
fn a_group_is_added_to_every_port_or_to_none() {
    for name in ["web", "group-2"] {
        let has = called("has", &["group-2"]);
        let (cloud, seen) = with_groups(vec![called("one", &["group-1"]), has, called("two", &[])]);
        assert_eq!(ask(&cloud, ecs(), act_on("addSecurityGroup", name)), (202, Value::Null));
        let expected = [("one", &["group-1", "group-2"][..]), ("two", &["group-2"])];
        assert_eq!(seen.all(), expected.map(|(port, groups)| (port.to_owned(), texts(groups))));
    }
    for unguarded in
        [Port { port_security: false, ..called("open", &[]) }, Port { fixed_ips: Vec::new(), ..called("bare", &[]) }]
    {
        let (cloud, seen) = with_groups(vec![called("one", &[]), unguarded]);
        assert!(refused(&cloud, upstream(), act_on("addSecurityGroup", "web"), 400).contains("port_security_enabled"));
        assert!(seen.all().is_empty());
    }
    // More than are recommended are no error.
    let (cloud, seen) = with_groups(vec![called("one", &["c", "d", "e", "f", "g"])]);
    assert_eq!(ask(&cloud, ecs(), act_on("addSecurityGroup", "web")).0, 202);
    assert_eq!(seen.only().1.len(), 6);
    rule!("nova.server_security_groups.add", "f5662163", "c0ce5c4c");
}

#[test]
fn a_group_is_removed_from_every_port_that_has_it() {
    for name in ["web", "group-2"] {
        let ports =
            vec![called("one", &["group-1", "group-2"]), called("two", &["group-1"]), called("three", &["group-2"])];
        let (cloud, seen) = with_groups(ports);
        assert_eq!(ask(&cloud, ecs(), act_on("removeSecurityGroup", name)), (202, Value::Null));
        let expected = [("one", &["group-1"][..]), ("three", &[])];
        assert_eq!(seen.all(), expected.map(|(port, groups)| (port.to_owned(), texts(groups))));
    }
    rule!("nova.server_security_groups.remove", "d132a211");
    let (cloud, seen) = with_groups(vec![called("one", &["group-1"])]);
    let message = refused(&cloud, upstream(), act_on("removeSecurityGroup", "web"), 404);
    assert_eq!(message, format!("Security group group-2 not associated with the instance {SERVER}"));
    assert!(seen.all().is_empty());
}

#[test]
fn a_group_must_be_one_of_the_servers_project() {
    for action in ["addSecurityGroup", "removeSecurityGroup"] {
        let (mut cloud, seen) = with_groups(vec![called("one", &["a"])]);
        let message = refused(&cloud, upstream(), act_on(action, "nothing"), 404);
        assert_eq!(message, "Security group nothing is not found for project project-1");
        let message = refused(&cloud, upstream(), act_on(action, "twin"), 409);
        assert_eq!(message, "Multiple security_group matches found for name 'twin', use an ID to be more specific.");
        for body in [json!({ action: {} }), json!({ action: { "name": 1 } }), json!({ action: null })] {
            let operation = act_on(action, "web").build().operation;
            refused(&cloud, upstream(), post(&operation, "/v2.1/servers/x/action", &body), 400);
        }
        assert!(seen.all().is_empty());
        let name = if action == "addSecurityGroup" { "b" } else { "a" };
        cloud.networks.update_port = Some(Box::new(|_, _| Err(error(ErrorCode::WrongState, "Not now."))));
        assert_eq!(refused(&cloud, upstream(), act_on(action, name), 409), "Not now.");
        let (cloud, _) = with_groups(Vec::new());
        let message = refused(&cloud, upstream(), act_on(action, "web"), 404);
        assert_eq!(message, format!("instance_id {SERVER} could not be found as device id on any ports"));
        let mut cloud = cloud;
        cloud.compute.get_server = Some(Box::new(|id, _| Err(not_found("server", id))));
        let message = refused(&cloud, upstream(), act_on(action, "web"), 404);
        assert_eq!(message, format!("Instance {SERVER} could not be found."));
    }
}
