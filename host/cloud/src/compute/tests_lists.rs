//! Lists of servers and operations while servers come and go, on both databases.

use skyloom_model::Timestamp;
use skyloom_runtime::api::{ComputeApi, OperationsApi};
use skyloom_runtime::bindings::cloud::compute as wit;

use super::testing::{Kind, World, disk_of, member, operator, page, worlds};
use crate::Settings;
use crate::lists::{all_parts, asked};

async fn made(world: &World, project: &str, names: &[&str]) -> Vec<String> {
    let create = world.create(names);
    world.cloud.create_servers(&member(project), create).await.expect("creation").server_ids
}

async fn deleted(world: &World, id: &str) {
    let mut tx = world.database.db.begin().await.expect("begin");
    assert!(skyloom_store::servers::mark_deleted(&mut tx, id, Timestamp::now()).await.expect("deletion"));
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn a_list_goes_on_behind_a_server_that_was_deleted_meanwhile() {
    for world in worlds(Settings::default()).await {
        let cloud = &world.cloud;
        made(&world, "p", &["a", "b", "c", "d", "e"]).await;
        let (mut seen, mut marker, mut turn) = (Vec::new(), None, 0);
        loop {
            turn += 1;
            let wanted = if turn % 2 == 0 { vec![asked("name", "pattern", &["^[a-e]"])] } else { Vec::new() };
            let listed = cloud.list_servers(&member("p"), wanted, all_parts(), page(1, marker)).await.expect("page");
            for server in listed.servers {
                deleted(&world, &server.id).await;
                seen.push(server.name);
            }
            match listed.next {
                Some(next) => marker = Some(next),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, ["a", "b", "c", "d", "e"], "{}", world.database.name);
    }
}

/// A pattern is looked for beside the database, then the page is read: both ways end it at its bytes.
#[tokio::test]
async fn a_page_that_ends_at_its_bytes_has_its_marker_where_names_are_patterns_too() {
    for world in worlds(Settings::default()).await {
        made(&world, "p", &["a", "b", "c", "d", "e", "f"]).await;
        let mut tx = world.database.db.begin().await.expect("begin");
        let large = format!("{{\"k\":\"{}\"}}", "x".repeat(1 << 20));
        tx.execute("UPDATE servers SET metadata = $1", skyloom_store::args![&large]).await.expect("metadata");
        tx.commit().await.expect("commit");
        for wanted in [Vec::new(), vec![asked("name", "pattern", &["^[a-f]"])]] {
            let (mut seen, mut pages, mut marker) = (Vec::new(), 0, None);
            loop {
                let listed = world
                    .cloud
                    .list_servers(&member("p"), wanted.clone(), all_parts(), page(0, marker))
                    .await
                    .expect("page");
                seen.extend(listed.servers.into_iter().map(|server| server.name));
                pages += 1;
                marker = listed.next;
                if marker.is_none() {
                    break;
                }
            }
            seen.sort();
            assert_eq!((seen.join(""), pages), ("abcdef".to_owned(), 2), "{}", world.database.name);
        }
    }
}

#[tokio::test]
async fn a_foreign_marker_is_one_that_is_not_there() {
    for world in worlds(Settings::default()).await {
        let cloud = &world.cloud;
        let foreign = made(&world, "q", &["a"]).await;
        let unknown = |id: &str| format!("The marker {id} could not be found.");
        deleted(&world, &made(&world, "q", &["b"]).await[0]).await;
        for id in [foreign[0].as_str(), "none"] {
            let marked = || page(1, Some(id.to_owned()));
            let error = cloud
                .list_servers(&member("p"), Vec::new(), all_parts(), marked())
                .await
                .expect_err("a foreign server");
            assert_eq!((error.field.as_deref(), error.message), (Some("marker"), unknown(id)));
        }
        let operations = cloud.list_operations(&member("q"), Vec::new(), page(0, None)).await.expect("list").operations;
        for id in [operations[0].id.as_str(), "none"] {
            let marked = || page(1, Some(id.to_owned()));
            let error =
                cloud.list_operations(&member("p"), Vec::new(), marked()).await.expect_err("a foreign operation");
            assert_eq!((error.field.as_deref(), error.message), (Some("marker"), unknown(id)));
        }
        let own = page(0, Some(operations[0].id.clone()));
        cloud.list_operations(&member("q"), Vec::new(), own).await.expect("an own marker");
    }
}

#[tokio::test]
async fn a_foreign_reference_is_one_that_is_not_there() {
    for world in worlds(Settings::default()).await {
        let cloud = &world.cloud;
        let image = world.upload(&member("q"), &[]).await.id;
        let refused = async |change: &dyn Fn(&mut wit::ServerCreate, String), id: &str| {
            let mut create = world.create(&["a"]);
            change(&mut create, id.to_owned());
            let error = cloud.create_servers(&member("p"), create).await.expect_err(id);
            (error.kind(), error.field, error.message.replace(id, "it"))
        };
        let port = made(&world, "q", &["b"]).await.remove(0);
        let port = cloud.get_server(&member("q"), port, all_parts()).await.expect("the server").nics.remove(0).port_id;
        let nic = |create: &mut wit::ServerCreate, id: String| {
            create.networks = wit::NetworkChoice::Nics(vec![wit::NicRequest {
                port_id: Some(id),
                network_id: None,
                subnet_id: None,
                address: None,
                security_groups: None,
            }]);
        };
        let boots = |create: &mut wit::ServerCreate, id: String| create.disks = vec![disk_of(&id)];
        assert_eq!(refused(&boots, &image).await, refused(&boots, "none").await, "{}", world.database.name);
        assert_eq!(refused(&nic, &port).await, refused(&nic, "none").await, "{}", world.database.name);
    }
}

#[tokio::test]
async fn both_ends_of_a_time_of_changes_are_in_it() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let id = made(&world, "p", &["a"]).await.remove(0);
        let changed = cloud.get_server(&context, id.clone(), all_parts()).await.expect("the server").updated_at;
        for (since, before, count) in [(0, 0, 1), (0, 1, 1), (-1, 0, 1), (1, 1, 0), (-1, -1, 0)] {
            let (from, end) = ((changed + since).to_string(), (changed + before + 1).to_string());
            let mut wanted = vec![asked("updated-at", "from", &[&from]), asked("updated-at", "before", &[&end])];
            let found =
                cloud.list_servers(&context, wanted.clone(), all_parts(), page(0, None)).await.expect("list").servers;
            assert_eq!(found.len(), count, "{since} {before} on {}", world.database.name);
            wanted.push(asked("resource-id", "any-of", &[&id]));
            let found = cloud.list_operations(&context, wanted, page(0, None)).await.expect("list").operations;
            assert_eq!(found.len(), count, "operations {since} {before} on {}", world.database.name);
        }
    }
}

#[tokio::test]
async fn addresses_are_looked_for_by_patterns_or_parts() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, operator("p"));
        made(&world, "p", &["one", "two", "three"]).await;
        let all = cloud.list_servers(&context, Vec::new(), all_parts(), page(0, None)).await.expect("list").servers;
        let address = all[1].nics[0].addresses[0].address.clone();
        let found = async |test: &str, versions_and_texts: &[&str], limit: u32| {
            let wanted = vec![asked("addresses", test, versions_and_texts)];
            let listed = cloud.list_servers(&context, wanted, all_parts(), page(limit, None)).await.expect("list");
            listed.servers.into_iter().map(|server| server.name).collect::<Vec<String>>()
        };
        let own = [all[1].name.clone()];
        let escaped = format!("^{}$", address.replace('.', "\\."));
        let last = format!("[0-9.]*{}$", &address[address.len() - 4..]);
        // Another server's address may have it as a part too.
        let half = &address[2..];
        assert_eq!(found("pattern", &["4", &escaped], 0).await, own, "{escaped} on {}", world.database.name);
        assert!(found("part", &["4", half], 0).await.contains(&own[0]));
        assert!(!found("pattern", &["4", half], 0).await.contains(&own[0]), "not from the beginning");
        assert!(found("pattern", &["4", &last], 0).await.contains(&own[0]), "{last} on {}", world.database.name);
        assert!(found("pattern", &["6", &escaped], 0).await.is_empty(), "another version");
        assert_eq!(found("pattern", &["6", "^none", "4", &escaped], 0).await, own, "one of two is enough");
        assert_eq!(found("pattern", &["4", "(x|[0-9]+)"], 0).await.len(), 3);
        assert_eq!(found("pattern", &["4", "(x|[0-9]+)"], 1).await.len(), 1);
        assert_eq!(found("pattern", &["4", "."], 0).await.len(), 3);
        assert_eq!(found("any-of", &[&address], 0).await, own);
        assert_eq!(found("none-of", &[&address], 0).await.len(), 2);
        let broken = vec![asked("addresses", "pattern", &["4", "("])];
        let error = cloud.list_servers(&context, broken, all_parts(), page(0, None)).await.expect_err("broken");
        assert_eq!(error.field.as_deref(), Some("addresses"));
    }
}
