//! What a list of ports can be looked through for beside its columns.

use skyloom_model::Reach;

use super::tests::{a_subnet, ip, made, tx};
use super::*;
use crate::Conn;
use crate::listing::{Condition, Filter, Page, Test};
use crate::testing::databases;

fn test(field: &'static str, test: Test, values: &[&str]) -> Condition {
    Condition { field: field.into(), test, values: values.iter().map(|value| (*value).to_owned()).collect() }
}

/// A port of project `p` with these addresses.
async fn with_addresses(tx: &mut Conn, id: &str, network: &Network, addresses: &[&str]) {
    let fixed = addresses.iter().map(|text| FixedRequest { subnet_id: None, address: Some(ip(text)) });
    let port = NewPort {
        id: id.to_owned(),
        project_id: "p".to_owned(),
        network_id: network.id.clone(),
        enabled: id != "off",
        fixed_ips: Some(fixed.collect()),
        ..NewPort::default()
    };
    insert_port(tx, &port).await.expect("port");
}

#[tokio::test]
async fn conditions_look_at_what_belongs_to_a_port() {
    for database in databases().await {
        let (network, one) = made(&database.db, "10.0.0.0/24").await;
        let mut tx = tx(&database).await;
        let two = a_subnet(&network, "10.1.0.0/24");
        insert_subnet(&mut tx, &two).await.expect("subnet");
        with_addresses(&mut tx, "both", &network, &["10.0.0.7", "10.1.0.7"]).await;
        with_addresses(&mut tx, "off", &network, &["10.0.0.8"]).await;
        with_addresses(&mut tx, "bare", &network, &[]).await;
        let any = Test::AnyOf;
        for (conditions, expected) in [
            (vec![test("address", any, &["10.0.0.7"])], &["both"][..]),
            (vec![test("address", any, &["10.0.0.7", "10.0.0.8", "10.0.0.9"])], &["both", "off"]),
            (vec![test("subnet-id", any, &[&one.id])], &["both", "off"]),
            (vec![test("subnet-id", any, &[&two.id])], &["both"]),
            // Of one address both hold.
            (vec![test("address", any, &["10.0.0.7"]), test("subnet-id", any, &[&one.id])], &["both"]),
            (vec![test("address", any, &["10.0.0.7"]), test("subnet-id", any, &[&two.id])], &[]),
            (vec![test("address", Test::NoneOf, &["10.0.0.7"])], &["bare", "off"]),
            (vec![test("addressed", any, &["false"])], &["bare"]),
            (vec![test("addressed", any, &["true", "false"])], &["bare", "both", "off"]),
            (vec![test("down", any, &["true"]), test("enabled", any, &["true"])], &["bare", "both"]),
            (vec![test("enabled", Test::NoneOf, &["true"])], &["off"]),
            (vec![test("security-group-ids", any, &["none"])], &[]),
            (vec![test("tags", Test::AllOf, &["a"])], &[]),
            (vec![test("tags", Test::NotAllOf, &["a"])], &["bare", "both", "off"]),
            (vec![test("tags", Test::NoneOf, &["a"])], &["bare", "both", "off"]),
        ] {
            let filter = Filter::new(&Reach::project("p"), conditions);
            let found = list_ports(&mut tx, &filter, &Page::default()).await.expect("list").items;
            let ids: Vec<&str> = found.iter().map(|port| port.id.as_str()).collect();
            assert_eq!(ids, expected, "{}: {:?}", database.name, filter.conditions);
        }
        let foreign = Filter::new(&Reach::project("q"), vec![test("address", any, &["10.0.0.7"])]);
        assert!(list_ports(&mut tx, &foreign, &Page::default()).await.expect("list").items.is_empty());
    }
}
