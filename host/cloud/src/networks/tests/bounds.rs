//! What one resource holds at most.

use skyloom_model::Timestamp;
use skyloom_store::networks::{self as store, NewRule};

use super::*;

#[tokio::test]
async fn what_one_resource_holds_is_bounded_and_the_field_is_named() {
    for world in worlds().await {
        let (cloud, context) = (&world.cloud, member("p"));
        let (network, made) = made(cloud, &context, "10.9.0.0/16").await;
        let range =
            |number: u32| wit::AddressRange { start: format!("10.9.{number}.1"), end: format!("10.9.{number}.9") };
        let pools = |count| wit::SubnetWrite { pools: Some((1..=count).map(range).collect()), ..same_subnet() };
        refused!(cloud.update_subnet(&context, made.id.clone(), pools(101)), Invalid, "pools");
        cloud.update_subnet(&context, made.id.clone(), pools(100)).await.expect("as many as there may be");
        let destination = format!("10.0.0.0/{:0>300}", 8);
        let routes = vec![wit::HostRoute { destination, next_hop: "10.9.0.1".to_owned() }];
        let routes = wit::SubnetWrite { host_routes: Some(routes), ..same_subnet() };
        refused!(cloud.update_subnet(&context, made.id, routes), Invalid, "host-routes");

        let group = cloud.list_security_groups(&context, Vec::new(), page()).await.expect("list");
        let group = group.groups[0].id.clone();
        let groups = wit::PortWrite { security_group_ids: Some(vec![group.clone(); 129]), ..port(&network.id) };
        refused!(cloud.create_port(&context, groups), Invalid, "security-group-ids");
        let rule = |protocol: &str| wit::RuleCreate {
            group_id: group.clone(),
            project_id: None,
            ingress: true,
            ip_version: 4,
            protocol: Some(protocol.to_owned()),
            port_min: None,
            port_max: None,
            remote_cidr: None,
            remote_group_id: None,
            description: String::new(),
            attributes: "{}".to_owned(),
        };
        refused!(cloud.create_security_group_rule(&context, rule(&format!("{:0>300}", 6))), Invalid, "protocol");
        let mut tx = world.database.db.begin().await.expect("begin");
        for number in 4..1000 {
            let new = NewRule { ingress: true, ip_version: 4, description: number.to_string(), ..NewRule::default() };
            let id = skyloom_model::new_id();
            store::insert_rule(&mut tx, &id, &group, "p", &new, Timestamp::now()).await.expect("a rule");
        }
        tx.commit().await.expect("commit");
        refused!(cloud.create_security_group_rule(&context, rule("tcp")), Invalid, "security-group-rules");
    }
}
