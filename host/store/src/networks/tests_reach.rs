//! What belongs to a project belongs to the project's domain.

use skyloom_model::{Reach, Timestamp, new_id};

use super::tests::{a_network, a_subnet, tx};
use super::*;
use crate::identity::testing::a_project;
use crate::listing::{Condition, Filter, Page};
use crate::testing::databases;

#[tokio::test]
async fn a_reach_holds_what_belongs_to_its_projects_or_to_the_projects_of_its_domain() {
    for database in databases().await {
        let mut tx = tx(&database).await;
        let mut made = Vec::new();
        for (domain, project) in [("east", "e1"), ("east", "e2"), ("west", "w1")] {
            a_project(&mut tx, domain, project).await;
            let network = a_network(project, false);
            insert_network(&mut tx, &network).await.expect("network");
            let subnet = a_subnet(&network, "10.0.0.0/24");
            insert_subnet(&mut tx, &subnet).await.expect("subnet");
            let port = new_id();
            let new = NewPort {
                network_id: network.id.clone(),
                project_id: project.to_owned(),
                id: port.clone(),
                ..NewPort::default()
            };
            insert_port(&mut tx, &new).await.expect("port");
            let group = default_group(&mut tx, project, Timestamp(1)).await.expect("group");
            let router = default_router(&mut tx, project, Timestamp(1)).await.expect("router").id;
            made.push((network.id, subnet.id, port, group, router));
        }
        let cases = [
            (Reach::All, vec![0, 1, 2]),
            (Reach::Domain("east".into()), vec![0, 1]),
            (Reach::Domain("nowhere".into()), vec![]),
            (Reach::project("e2"), vec![1]),
            (Reach::Projects(vec!["e1".into(), "w1".into()]), vec![0, 2]),
            (Reach::Projects(Vec::new()), vec![]),
        ];
        for (reach, seen) in cases {
            let ids: Vec<String> = made.iter().map(|(network, ..)| network.clone()).collect();
            let filter = Filter::new(&reach, vec![Condition::any_of("id", ids)]);
            let all = Filter::within(&reach);
            let page = Page::default();
            let expected = |of: fn(&(String, String, String, String, String)) -> &String| {
                let mut ids: Vec<String> = seen.iter().map(|at: &usize| of(&made[*at]).clone()).collect();
                ids.sort();
                ids
            };
            macro_rules! seen {
                ($list:ident, $filter:expr, $of:expr) => {
                    let listed = $list(&mut tx, $filter, &page).await.expect("list").items;
                    let ids: Vec<String> = listed.into_iter().map(|item| item.id).collect();
                    assert_eq!(ids, expected($of), "{} {} {reach:?}", database.name, stringify!($list));
                };
            }
            seen!(list_networks, &filter, |made| &made.0);
            seen!(list_subnets, &all, |made| &made.1);
            seen!(list_ports, &all, |made| &made.2);
            seen!(list_groups, &all, |made| &made.3);
            seen!(list_routers, &all, |made| &made.4);
            let rules = list_rules(&mut tx, &all, &page).await.expect("list").items;
            assert!(rules.iter().all(|rule| expected(|made| &made.3).contains(&rule.group_id)), "{reach:?}");
            assert_eq!(rules.is_empty(), seen.is_empty(), "{reach:?}");
            for (at, (network, subnet, port, group, router)) in made.iter().enumerate() {
                let held = seen.contains(&at);
                assert_eq!(get_network(&mut tx, network, &reach).await.expect("get").is_some(), held, "{reach:?}");
                assert_eq!(get_subnet(&mut tx, subnet, &reach).await.expect("get").is_some(), held, "{reach:?}");
                assert_eq!(get_port(&mut tx, port, &reach).await.expect("get").is_some(), held, "{reach:?}");
                assert_eq!(get_group(&mut tx, group, &reach).await.expect("get").is_some(), held, "{reach:?}");
                assert_eq!(get_router(&mut tx, router, &reach).await.expect("get").is_some(), held, "{reach:?}");
            }
        }
    }
}
