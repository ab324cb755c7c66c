//! Of security groups and their rules.

use super::*;

#[tokio::test]
async fn security_groups_keep_their_rules() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let write = |name: &str| wit::GroupWrite {
            name: Some(name.to_owned()),
            description: None,
            project_id: None,
            stateful: None,
            attributes: None,
        };
        let groups = cloud.list_security_groups(&context, Vec::new(), page()).await.expect("list").groups;
        assert_eq!(groups.len(), 1, "the default one is made when somebody looks");
        let default = groups[0].clone();
        refused!(cloud.create_security_group(&context, write("Default")), AlreadyExists, "name");
        refused!(cloud.update_security_group(&context, default.id.clone(), write("other")), WrongState, "name");
        refused!(cloud.delete_security_group(&context, default.id.clone()), WrongState, "default");
        cloud.delete_security_group(&operator("o"), default.id.clone()).await.expect("an operator");
        let again = cloud.list_security_groups(&context, Vec::new(), page()).await.expect("list").groups;
        assert_eq!((again.len(), again[0].id != default.id), (1, true), "the next look makes a new one");

        let web = cloud.create_security_group(&context, write("web")).await.expect("create");
        assert_eq!((web.rules.len(), web.stateful), (2, true));
        let rule = wit::RuleCreate {
            group_id: web.id.clone(),
            project_id: None,
            ingress: true,
            ip_version: 4,
            protocol: Some("tcp".to_owned()),
            port_min: Some(80),
            port_max: Some(80),
            remote_cidr: Some("192.0.2.7/24".to_owned()),
            remote_group_id: None,
            description: String::new(),
            attributes: "{}".to_owned(),
        };
        let made = cloud.create_security_group_rule(&context, rule.clone()).await.expect("rule");
        assert_eq!(made.remote_cidr.as_deref(), Some("192.0.2.7/24"));
        refused!(cloud.create_security_group_rule(&context, rule.clone()), AlreadyExists);
        let numbered =
            wit::RuleCreate { protocol: Some("6".to_owned()), description: "the same".to_owned(), ..rule.clone() };
        refused!(cloud.create_security_group_rule(&context, numbered), AlreadyExists);
        let all = |cidr: Option<&str>| wit::RuleCreate { remote_cidr: cidr.map(ToOwned::to_owned), ..rule.clone() };
        let open = cloud.create_security_group_rule(&context, all(None)).await.expect("from everywhere");
        for cidr in ["", "0.0.0.0/0"] {
            refused!(cloud.create_security_group_rule(&context, all(Some(cidr))), AlreadyExists);
        }
        cloud.delete_security_group_rule(&context, open.id).await.expect("delete");
        refused!(cloud.create_security_group_rule(&member("q"), rule.clone()), NotFound);
        let bad = wit::RuleCreate { port_min: Some(81), ..rule.clone() };
        refused!(cloud.create_security_group_rule(&context, bad), Invalid, "port-min");
        refused!(cloud.get_security_group_rule(&member("q"), made.id.clone()), NotFound);
        refused!(cloud.delete_security_group_rule(&member("q"), made.id.clone()), NotFound);
        cloud.delete_security_group_rule(&context, made.id.clone()).await.expect("delete");
        refused!(cloud.delete_security_group_rule(&context, made.id), NotFound);

        let (net, _) = super::made(cloud, &context, "10.9.0.0/24").await;
        let member_of = wit::PortWrite { security_group_ids: Some(vec![web.id.clone()]), ..port(&net.id) };
        let port = cloud.create_port(&context, member_of).await.expect("port");
        refused!(cloud.delete_security_group(&context, web.id.clone()), InUse);
        cloud.delete_port(&context, port.id).await.expect("delete the port");
        cloud.delete_security_group(&context, web.id.clone()).await.expect("delete");
        refused!(cloud.get_security_group(&context, web.id), NotFound);
    }
}

#[tokio::test]
async fn rules_are_found_however_their_values_are_written() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let group = cloud.list_security_groups(&context, Vec::new(), page()).await.expect("list").groups.remove(0);
        for (field, value) in [("protocol", "TCP"), ("remote-cidr", "FD00:5::/32")] {
            let rule = wit::RuleCreate {
                group_id: group.id.clone(),
                project_id: None,
                ingress: true,
                ip_version: if field == "protocol" { 4 } else { 6 },
                protocol: (field == "protocol").then(|| value.to_owned()),
                port_min: None,
                port_max: None,
                remote_cidr: (field != "protocol").then(|| value.to_owned()),
                remote_group_id: None,
                description: String::new(),
                attributes: "{}".to_owned(),
            };
            let made = cloud.create_security_group_rule(&context, rule).await.expect("rule");
            let found = cloud.list_security_group_rules(&context, is(field, value), page()).await.expect("list").rules;
            assert_eq!(found.iter().map(|rule| &rule.id).collect::<Vec<_>>(), [&made.id], "{field} {value}");
            cloud.delete_security_group_rule(&context, made.id).await.expect("delete");
        }
    }
}
