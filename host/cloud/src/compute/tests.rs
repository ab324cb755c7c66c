//! Rules of servers that exist, on both databases.

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, FlavorsApi, OperationsApi};
use skyloom_runtime::bindings::cloud::operations::OperationState;
use skyloom_runtime::bindings::cloud::{compute as wit, flavors};
use skyloom_runtime::bindings::types::common::{PageRequest, SortKey};

use super::testing::{Kind, World, member, operator, page, worlds};
use crate::Settings;
use crate::lists::{all_parts, asked};

async fn made(world: &World, names: &[&str]) -> Vec<String> {
    let create = world.create(names);
    world.cloud.create_servers(&member("p"), create).await.expect("creation").server_ids
}

#[tokio::test]
async fn a_foreign_server_is_not_found() {
    for world in worlds(Settings::default()).await {
        let (cloud, stranger) = (&world.cloud, member("q"));
        let id = made(&world, &["a"]).await.remove(0);
        world.make_active(&id).await;
        let ids = vec![id.clone()];
        let options = wit::DeleteOptions { delete_volumes: false, delete_public_addresses: None };
        let update = wit::ServerUpdate {
            name: Some("mine".to_owned()),
            description: None,
            hostname: None,
            access_ipv4: None,
            access_ipv6: None,
            attributes: None,
        };
        let refused = [
            cloud.get_server(&stranger, id.clone(), all_parts()).await.err(),
            cloud.update_server(&stranger, id.clone(), update).await.err(),
            cloud.act_on_servers(&stranger, ids.clone(), "stop".to_owned(), Vec::new(), false, true).await.err(),
            cloud.delete_servers(&stranger, ids, options, false, true).await.err(),
            cloud.console_output(&stranger, id.clone(), None).await.err(),
            cloud.set_metadata(&stranger, id.clone(), vec![], wit::MetadataMode::Merge).await.err(),
            cloud.delete_metadata(&stranger, id.clone(), "k".to_owned()).await.err(),
            cloud.set_tags(&stranger, id.clone(), vec![], wit::MetadataMode::Merge).await.err(),
            cloud.exchange_tags(&stranger, id.clone(), vec![], vec![]).await.err(),
            cloud.delete_tag(&stranger, id.clone(), "a".to_owned()).await.err(),
        ];
        for (number, error) in refused.into_iter().enumerate() {
            let error = error.unwrap_or_else(|| panic!("call {number} reached a foreign server"));
            assert_eq!(error.kind(), ErrorCode::NotFound, "call {number} on {}", world.database.name);
        }
        assert!(
            cloud
                .list_servers(&stranger, Vec::new(), all_parts(), page(0, None))
                .await
                .expect("list")
                .servers
                .is_empty()
        );
        let all = vec![asked("all-projects", "any-of", &["true"])];
        let error =
            cloud.list_servers(&stranger, all.clone(), all_parts(), page(0, None)).await.expect_err("all projects");
        assert_eq!(error.kind(), ErrorCode::Forbidden);
        let seen =
            cloud.list_servers(&operator("x"), all, all_parts(), page(0, None)).await.expect("an operator's list");
        assert_eq!((seen.servers.len(), seen.servers[0].node.as_str()), (1, "node-1"));
        assert_eq!(cloud.get_server(&member("p"), id, all_parts()).await.expect("own").node, "");
    }
}

#[tokio::test]
async fn pages_join_to_the_whole_list() {
    for world in worlds(Settings::default()).await {
        let cloud = &world.cloud;
        let mut ids = made(&world, &["web-1", "web-2", "db-1"]).await;
        ids.extend(made(&world, &["Web-3", "db-2"]).await);
        let walk = async |conditions: Vec<wit::Condition>, limit| {
            let (mut seen, mut marker) = (Vec::new(), None);
            loop {
                let listed = cloud
                    .list_servers(&member("p"), conditions.clone(), all_parts(), page(limit, marker))
                    .await
                    .expect("page");
                assert!(listed.servers.len() <= limit as usize);
                seen.extend(listed.servers.into_iter().map(|server| server.name));
                match listed.next {
                    Some(next) => marker = Some(next),
                    None => return seen,
                }
            }
        };
        let whole = walk(Vec::new(), 100).await;
        assert_eq!(whole.len(), 5);
        for limit in [1, 2, 5] {
            assert_eq!(walk(Vec::new(), limit).await, whole, "{} {limit}", world.database.name);
        }
        for (name, count) in [("^web", 3), ("web", 3), ("-[12]$", 4), ("none", 0)] {
            for limit in [1, 10] {
                let found = walk(vec![asked("name", "pattern", &[name])], limit).await;
                assert_eq!(found.len(), count, "{name} {limit} on {}", world.database.name);
                let expected: Vec<&String> = whole.iter().filter(|one| found.contains(one)).collect();
                assert_eq!(found.iter().collect::<Vec<_>>(), expected, "the order is the list's");
            }
        }
        assert_eq!(walk(vec![asked("name", "part", &["web"])], 10).await.len(), 2);
        let error = cloud.list_servers(&member("p"), Vec::new(), all_parts(), page(1, Some("none".to_owned()))).await;
        assert_eq!(error.expect_err("marker").field.as_deref(), Some("marker"));
    }
}

#[tokio::test]
async fn conditions_hold_together() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let tagged = |name: &str, tags: &[&str], key: &str| wit::ServerCreate {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            metadata: vec![("key.with dots".to_owned(), key.to_owned())],
            description: Some(format!("of {name}")),
            config_drive: name == "three",
            access_ipv4: if name == "one" { "192.0.2.1".to_owned() } else { String::new() },
            access_ipv6: if name == "one" { "2001:DB8:0:0::01".to_owned() } else { String::new() },
            ..world.create(&[name])
        };
        for (name, tags, key) in [("one", &["a", "b"][..], "x"), ("two", &["a"], "y"), ("three", &[], "x")] {
            cloud.create_servers(&context, tagged(name, tags, key)).await.expect("creation");
        }
        let first = cloud.list_servers(&context, Vec::new(), all_parts(), page(0, None)).await.expect("list").servers;
        let created = first[1].created_at;
        let created = created.to_string();
        let all = || vec!["three", "two", "one"];
        let cases: Vec<(wit::Condition, Vec<&str>)> = vec![
            (asked("tags", "all-of", &["a", "b"]), vec!["one"]),
            (asked("tags", "any-of", &["b", "c", "a"]), vec!["two", "one"]),
            (asked("tags", "not-all-of", &["a", "b"]), vec!["three", "two"]),
            (asked("tags", "none-of", &["b"]), vec!["three", "two"]),
            (asked("metadata", "pairs", &["key.with dots", "x"]), vec!["three", "one"]),
            (asked("metadata", "pairs", &["key.with dots", "x", "key.with dots", "y"]), vec![]),
            (asked("metadata", "pairs", &["$[", "x"]), vec![]),
            (asked("vm-state", "any-of", &["active"]), vec![]),
            (asked("vm-state", "none-of", &["active", "error"]), all()),
            (asked("task-state", "any-of", &["scheduling"]), all()),
            (asked("task-state", "set", &["false"]), vec![]),
            (asked("locked", "any-of", &["false"]), all()),
            (asked("flavor-id", "any-of", &["2"]), vec![]),
            (asked("flavor-id", "part-any-case", &["1"]), all()),
            (asked("flavor-id", "part-any-case", &["11"]), vec![]),
            (asked("updated-at", "from", &["9223372036854775807"]), vec![]),
            (asked("description", "any-of", &["of two"]), vec!["two"]),
            (asked("config-drive", "any-of", &["true"]), vec!["three"]),
            (asked("launch-index", "any-of", &["1"]), vec![]),
            (asked("progress", "any-of", &["0"]), all()),
            (asked("access-ipv4", "any-of", &["192.0.2.1"]), vec!["one"]),
            // Whatever form it has, it is one address.
            (asked("access-ipv6", "any-of", &["2001:db8::1"]), vec!["one"]),
            (asked("access-ipv6", "any-of", &["2001:0db8::0001"]), vec!["one"]),
            (asked("power-state", "any-of", &["running"]), vec![]),
            (asked("power-state", "any-of", &["running", "no-state"]), all()),
            (asked("created-at", "before", &[&created]), vec!["one"]),
            // Never launched, never terminated: in no span.
            (asked("launched-at", "before", &["9223372036854775807"]), vec![]),
            (asked("launched-at", "from", &["0"]), vec![]),
            (asked("launched-at", "set", &["false"]), all()),
            (asked("terminated-at", "before", &["9223372036854775807"]), vec![]),
            (asked("project-id", "any-of", &["p"]), all()),
        ];
        for (condition, expected) in cases {
            let listed = cloud
                .list_servers(&context, vec![condition.clone()], all_parts(), page(0, None))
                .await
                .expect("list")
                .servers;
            let names: Vec<&str> = listed.iter().map(|server| server.name.as_str()).collect();
            assert_eq!(names, expected, "{condition:?} on {}", world.database.name);
        }
        let together = vec![asked("tags", "any-of", &["a"]), asked("metadata", "pairs", &["key.with dots", "y"])];
        let listed = cloud.list_servers(&context, together, all_parts(), page(0, None)).await.expect("list").servers;
        assert_eq!(listed.into_iter().map(|server| server.name).collect::<Vec<_>>(), ["two"]);
    }
}

#[tokio::test]
async fn a_condition_that_the_core_does_not_know_is_named() {
    for world in worlds(Settings::default()).await {
        let many: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for condition in [
            asked("colour", "any-of", &["red"]),
            // Not for conditions.
            asked("user-data", "any-of", &["x"]),
            asked("zone", "like", &["x"]),
            asked("zone", "from", &["x"]),
            asked("zone", "pattern", &["x"]),
            asked("locked", "any-of", &["maybe"]),
            asked("progress", "any-of", &["half"]),
            asked("created-at", "from", &["yesterday"]),
            asked("created-at", "from", &["1", "2"]),
            asked("created-at", "outside", &["1"]),
            asked("metadata", "pairs", &["key"]),
            asked("metadata", "any-of", &["key"]),
            asked("tags", "part", &["a", "b"]),
            asked("addresses", "part", &["4"]),
            asked("addresses", "pattern", &["4", "1|2", "6"]),
            asked("addresses", "all-of", &["10.0.0.1"]),
            asked("all-projects", "any-of", &["maybe"]),
            asked("life", "none-of", &["deleted"]),
            asked("life", "any-of", &["living", "dead"]),
            asked("id", "any-of", &many),
        ] {
            let field = condition.field.clone();
            let error =
                world.cloud.list_servers(&operator("op"), vec![condition.clone()], all_parts(), page(0, None)).await;
            let error = error.expect_err(&format!("{} {}", condition.field, condition.test));
            assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::Invalid, Some(field.as_str())));
        }
        let long = vec![asked("zone", "any-of", &["x".repeat(1 << 20).as_str(), "y"])];
        let error = world.cloud.list_servers(&member("p"), long, all_parts(), page(0, None)).await;
        assert_eq!(error.expect_err("too long").reason.as_deref(), Some("too-many"));
        let most = vec![asked("zone", "any-of", &["x"]); 65];
        let error =
            world.cloud.list_servers(&member("p"), most, all_parts(), page(0, None)).await.expect_err("too many");
        assert_eq!(error.reason.as_deref(), Some("too-many"));
        let by_node =
            PageRequest { sort: vec![SortKey { field: "node".to_owned(), descending: false }], ..page(0, None) };
        let error =
            world.cloud.list_servers(&member("p"), Vec::new(), all_parts(), by_node).await.expect_err("an order");
        assert_eq!(error.kind(), ErrorCode::Forbidden);
        let node = vec![asked("node", "any-of", &["node-1"])];
        let error =
            world.cloud.list_servers(&member("p"), node, all_parts(), page(0, None)).await.expect_err("an operator's");
        assert_eq!(error.kind(), ErrorCode::Forbidden);
    }
}

#[tokio::test]
async fn power_asks_the_state_and_takes_the_server() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let ids = made(&world, &["a", "b"]).await;
        let stop = |ids: &[String], as_batch, strict| {
            let (ids, context) = (ids.to_vec(), context.clone());
            async move { cloud.act_on_servers(&context, ids, "stop".to_owned(), Vec::new(), as_batch, strict).await }
        };
        let error = stop(&ids[..1], false, true).await.expect_err("it is being built");
        assert_eq!(error.kind(), ErrorCode::WrongState);
        world.make_active(&ids[0]).await;
        let start =
            cloud.act_on_servers(&context, vec![ids[0].clone()], "start".to_owned(), Vec::new(), false, true).await;
        assert_eq!(start.expect_err("it runs").kind(), ErrorCode::WrongState);

        // All or nothing.
        let both = [ids[0].clone(), ids[1].clone()];
        let before = world.count("operations").await;
        stop(&both, true, true).await.expect_err("one is being built");
        let with_none = [ids[0].clone(), "none".to_owned()];
        for strict in [true, false] {
            let error = stop(&with_none, true, strict).await.expect_err("one isn't there");
            assert_eq!((error.kind(), error.resource), (ErrorCode::NotFound, Some(("server".into(), "none".into()))));
        }
        assert_eq!(world.count("operations").await, before);
        // Or each by itself.
        let parent = stop(&both, true, false).await.expect("a batch");
        let tree = cloud.get_operation(&context, parent).await.expect("the batch");
        assert_eq!(tree.operation.kind, "batch.server.stop");
        let parts: Vec<(OperationState, Option<ErrorCode>)> =
            tree.children.iter().map(|child| (child.state, child.error.as_ref().map(Kind::kind))).collect();
        let failed = |code| (OperationState::Failed, Some(code));
        assert_eq!(parts, [(OperationState::Queued, None), failed(ErrorCode::WrongState)]);
        let server = cloud.get_server(&context, ids[0].clone(), all_parts()).await.expect("the server");
        assert_eq!(server.task_state, Some(wit::TaskState::PoweringOff));
        assert_eq!(stop(&ids[..1], false, true).await.expect_err("under way").kind(), ErrorCode::Busy);
        assert_eq!(stop(&[], false, true).await.expect_err("nobody").field.as_deref(), Some("ids"));
    }
}

#[tokio::test]
async fn a_delete_goes_before_a_creation_and_joins_another_delete() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let id = made(&world, &["a"]).await.remove(0);
        let options = || wit::DeleteOptions { delete_volumes: false, delete_public_addresses: None };
        let first = cloud.delete_servers(&context, vec![id.clone()], options(), false, true).await.expect("delete");
        let second = cloud.delete_servers(&context, vec![id.clone()], options(), false, true).await.expect("again");
        assert_eq!(first, second);
        let mut conn = world.database.db.read().await.expect("a connection");
        let cancelled = conn
            .one("SELECT count(*) FROM operations WHERE kind = 'server.create' AND cancel = 1", &[], |row| row.int(0))
            .await
            .expect("count");
        assert_eq!(cancelled, 1, "{}", world.database.name);
        let server = cloud.get_server(&context, id, all_parts()).await.expect("the server");
        assert_eq!(server.task_state, Some(wit::TaskState::Deleting));
    }
}

#[tokio::test]
async fn a_locked_server_is_its_owners_until_an_operator_comes() {
    for world in worlds(Settings::default()).await {
        let cloud = &world.cloud;
        let id = made(&world, &["a"]).await.remove(0);
        world.make_active(&id).await;
        let mut tx = world.database.db.begin().await.expect("begin");
        tx.execute("UPDATE servers SET locked = 1", &[]).await.expect("lock");
        tx.commit().await.expect("commit");
        let (reboot, hard) = ("reboot".to_owned(), vec![("hard".to_owned(), "true".to_owned())]);
        let error = cloud
            .act_on_servers(&member("p"), vec![id.clone()], reboot.clone(), hard.clone(), false, true)
            .await
            .expect_err("locked");
        assert_eq!(error.kind(), ErrorCode::Locked);
        cloud.act_on_servers(&operator("x"), vec![id], reboot, hard, false, true).await.expect("an operator");
    }
}

#[tokio::test]
async fn metadata_and_names_change_as_asked() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        let id = made(&world, &["a"]).await.remove(0);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let merge = wit::MetadataMode::Merge;
        let early = cloud.set_metadata(&context, id.clone(), vec![pair("k", "1")], merge).await;
        assert_eq!(early.expect_err("being built").kind(), ErrorCode::WrongState);
        world.make_active(&id).await;
        let set = async |items, mode| cloud.set_metadata(&context, id.clone(), items, mode).await.expect("metadata");
        assert_eq!(set(vec![pair("k", "1")], merge).await, [pair("k", "1")]);
        assert_eq!(set(vec![pair("l", "2")], merge).await, [pair("k", "1"), pair("l", "2")]);
        assert_eq!(set(vec![pair("l", "3")], wit::MetadataMode::Replace).await, [pair("l", "3")]);
        let gone = cloud.delete_metadata(&context, id.clone(), "k".to_owned()).await.expect_err("gone");
        assert_eq!((gone.kind(), gone.field.as_deref()), (ErrorCode::NotFound, Some("key")));
        cloud.delete_metadata(&context, id.clone(), "l".to_owned()).await.expect("delete");

        let update = wit::ServerUpdate {
            name: Some("new".to_owned()),
            description: Some(Some("text".to_owned())),
            hostname: None,
            access_ipv4: Some("192.0.2.1".to_owned()),
            access_ipv6: None,
            attributes: Some(r#"{"a":true}"#.to_owned()),
        };
        let server = cloud.update_server(&context, id.clone(), update).await.expect("update");
        assert_eq!((server.name.as_str(), server.description.as_deref()), ("new", Some("text")));
        assert_eq!((server.access_ipv4.as_str(), server.attributes.as_str()), ("192.0.2.1", r#"{"a":true}"#));
        assert!(server.metadata.is_empty());
        let log = cloud.console_output(&context, id.clone(), Some(2)).await.expect("console");
        assert_eq!(log, format!("second {id}\n"));
    }
}

#[tokio::test]
async fn private_flavors_and_writing_are_for_operators() {
    for world in worlds(Settings::default()).await {
        let (cloud, context, admin) = (&world.cloud, member("p"), operator("p"));
        let create = |id: &str, name: &str| flavors::FlavorCreate {
            id: Some(id.to_owned()),
            name: name.to_owned(),
            description: None,
            vcpus: 1,
            memory_mib: 64,
            disk_gib: 0,
            ephemeral_gib: 2,
            swap_mib: 100,
            rxtx_factor_milli: 1000,
            is_public: false,
            attributes: "{}".to_owned(),
        };
        let refused = cloud.create_flavor(&context, create("x", "x")).await.expect_err("not an operator");
        assert_eq!(refused.kind(), ErrorCode::Forbidden);
        cloud.create_flavor(&admin, create("x", "x")).await.expect("an operator");
        let taken = cloud.create_flavor(&admin, create("x", "y")).await.expect_err("id");
        assert_eq!((taken.kind(), taken.field.as_deref()), (ErrorCode::AlreadyExists, Some("id")));
        let taken = cloud.create_flavor(&admin, create("y", "x")).await.expect_err("name");
        assert_eq!(taken.field.as_deref(), Some("name"), "{}", world.database.name);
        assert_eq!(cloud.get_flavor(&context, "x".to_owned()).await.expect_err("private").kind(), ErrorCode::NotFound);
        let count = async |context, field: &str, value: &str| {
            let wanted = vec![asked(field, "any-of", &[value]), asked("zone", "any-of", &["zone-1"])];
            cloud.list_flavors(context, wanted, page(0, None)).await.expect("list").flavors.len()
        };
        assert_eq!(count(&context, "is-public", "false").await, 5);
        assert_eq!(count(&context, "all-projects", "true").await, 5);
        assert_eq!(count(&admin, "all-projects", "true").await, 6);
        assert_eq!(count(&admin, "is-public", "false").await, 1);
        let specs = cloud.set_extra_specs(&admin, "x".to_owned(), vec![("a".to_owned(), "1".to_owned())]).await;
        assert_eq!(specs.expect("specs").len(), 1);
        let many = |first: usize| -> Vec<_> {
            (first..first + 128).map(|number| (format!("{number:0>255}"), "v".repeat(255))).collect()
        };
        for first in [0, 128, 256, 384] {
            cloud.set_extra_specs(&admin, "x".to_owned(), many(first)).await.expect("within the bound");
        }
        let error = cloud.set_extra_specs(&admin, "x".to_owned(), many(512)).await.expect_err("too much together");
        assert_eq!(error.field.as_deref(), Some("extra-specs"));
        cloud.delete_extra_spec(&admin, "x".to_owned(), "a".to_owned()).await.expect("delete");
        let error = cloud.delete_extra_spec(&admin, "x".to_owned(), "a".to_owned()).await.expect_err("gone");
        assert_eq!(error.field.as_deref(), Some("key"));

        // The flavor's own disks come with the server, and its copy stays when the flavor goes.
        let small = wit::ServerCreate { flavor_id: "x".to_owned(), ..world.create(&["a"]) };
        let id = cloud.create_servers(&admin, small).await.expect("creation").server_ids.remove(0);
        cloud.delete_flavor(&admin, "x".to_owned()).await.expect("delete");
        let server = cloud.get_server(&admin, id, all_parts()).await.expect("the server");
        assert_eq!((server.flavor.name.as_str(), server.volumes.len()), ("x", 3));
    }
}

#[tokio::test]
async fn every_order_of_servers_is_a_whole_list() {
    for world in worlds(Settings::default()).await {
        made(&world, &["a", "b", "c"]).await;
        for field in [
            "created-at",
            "updated-at",
            "launched-at",
            "name",
            "id",
            "zone",
            "node",
            "key-name",
            "project-id",
            "user-id",
            "image-id",
            "vm-state",
            "task-state",
            "hostname",
            "terminated-at",
            "description",
            "flavor-id",
            "access-ipv4",
            "access-ipv6",
            "config-drive",
            "launch-index",
            "locked",
            "locked-by",
            "progress",
            "power-state",
        ] {
            let sort = vec![SortKey { field: field.to_owned(), descending: true }];
            let caller = if field == "node" { operator("p") } else { member("p") };
            let (mut names, mut marker) = (Vec::new(), None);
            loop {
                let page = PageRequest { limit: 2, marker, sort: sort.clone() };
                let listed = world.cloud.list_servers(&caller, Vec::new(), all_parts(), page).await.expect(field);
                names.extend(listed.servers.into_iter().map(|server| server.name));
                marker = listed.next;
                if marker.is_none() {
                    break;
                }
            }
            names.sort();
            assert_eq!(names, ["a", "b", "c"], "{field} on {}", world.database.name);
        }
    }
}
