use std::collections::BTreeMap;

use serde_json::{Value, json};
use skyloom_model::{Named, Placed, Scope};
use skyloom_runtime::collections::Collections as Compiled;
use skyloom_runtime::context::{SecretVault, Streams};
use skyloom_runtime::manifest::Manifest;

use super::*;
use crate::Settings;
use crate::compute::testing::{World, worlds};
use crate::lists::asked;

/// A plugin with a collection of each scope. `indexed`, `unique`: of all.
fn compiled(plugin: &str, indexed: &str, unique: &str) -> Compiled {
    compiled_as(plugin, indexed, unique, ["project", "domain", "cloud"])
}

fn compiled_as(plugin: &str, indexed: &str, unique: &str, scopes: [&str; 3]) -> Compiled {
    let collection = |name: &str, scope: &str, write: &str| {
        format!(
            "[[collection]]\nname = '{name}s'\ndescription = 'd'\nscope = '{scope}'\nschema = 's.json'\nread = 'reader'\nwrite = '{write}'\n\
             indexed = {indexed}\nunique = {unique}\nlimits = {{ items = 3, item-kib = 1, total-kib = 2 }}\n"
        )
    };
    let text = format!(
        "manifest = 1\nid = '{plugin}'\nversion = '0.1.0'\nkind = 'personality'\ncontract = '0.1'\n\
         [[capability]]\nname = 'collections'\nreason = 'r'\n[api]\ntoken-header = 'X'\n\
         [[operation]]\nid = 'o'\nmethod = 'GET'\npaths = ['/']\naction = '{plugin}:clouds:read'\nsuccess = [200]\n{}{}{}",
        collection("project", scopes[0], "member"),
        collection("domain", scopes[1], "member"),
        collection("cloud", scopes[2], "operator"),
    );
    let schema = json!({ "type": "object", "required": ["name"], "properties": {
        "name": { "type": "string" }, "size": { "type": "integer" }, "open": { "type": "boolean" }, "more": { "type": "string" } } });
    let texts = BTreeMap::from([("s.json".to_owned(), schema.to_string())]);
    Compiled::compile(&Manifest::parse(&text).expect("a manifest"), &texts).expect("collections")
}

fn usual(plugin: &str) -> Compiled {
    compiled(plugin, "['name', 'size', 'open']", "[['name']]")
}

fn context(scope: Scope, role: &str, plugin: &str, collections: Compiled) -> Arc<CallContext> {
    let domain = Named { id: "default".to_owned(), name: "Default".to_owned() };
    let caller = Caller {
        user: Placed { id: "u".to_owned(), name: "u".to_owned(), domain },
        scope,
        roles: vec![Named { id: role.to_owned(), name: role.to_owned() }],
        admin: role == "admin",
    };
    Arc::new(CallContext {
        caller: Some(Arc::new(caller)),
        request_id: "req-1".into(),
        personality: plugin.into(),
        collections,
        secrets: SecretVault::new(),
        client: None,
        streams: Streams::default(),
        retry_after: std::sync::OnceLock::new(),
    })
}

fn project(id: &str, domain: &str) -> Scope {
    let domain = Named { id: domain.to_owned(), name: domain.to_owned() };
    Scope::Project(Placed { id: id.to_owned(), name: id.to_owned(), domain })
}

fn member(id: &str) -> Arc<CallContext> {
    context(project(id, "default"), "member", "face", usual("face"))
}

fn operator() -> Arc<CallContext> {
    context(project("op", "default"), "admin", "face", usual("face"))
}

fn named(name: &str) -> String {
    json!({ "name": name }).to_string()
}

async fn made(world: &World, context: &Arc<CallContext>, collection: &str, body: &str) -> wit::Item {
    world.cloud.create_item(context, collection.to_owned(), body.to_owned()).await.expect(body)
}

async fn refused(
    world: &World,
    context: &Arc<CallContext>,
    collection: &str,
    body: &str,
) -> (ErrorCode, Option<String>) {
    let made = world.cloud.collections.create(context, collection, body).await;
    let error = made.expect_err(body);
    (error.code, error.field)
}

/// The names of what a list has.
async fn names(
    world: &World,
    context: &Arc<CallContext>,
    collection: &str,
    conditions: &[wit::Condition],
    sort: &[(&str, bool)],
) -> Result<Vec<String>, Error> {
    let sort = sort.iter().map(|(field, descending)| wit_sort(field, *descending)).collect::<Vec<_>>();
    let (mut marker, mut found) = (None, Vec::new());
    loop {
        let page = PageRequest { limit: 2, marker, sort: sort.clone() };
        let listed = world.cloud.collections.page_of(context, collection, conditions.to_vec(), page).await?;
        for item in listed.items {
            let body: Value = serde_json::from_str(&item.body).expect("JSON");
            found.push(body["name"].as_str().unwrap_or_default().to_owned());
        }
        marker = listed.next;
        if marker.is_none() {
            return Ok(found);
        }
    }
}

fn wit_sort(field: &str, descending: bool) -> skyloom_runtime::bindings::types::common::SortKey {
    skyloom_runtime::bindings::types::common::SortKey { field: field.to_owned(), descending }
}

const BY_NAME: &[(&str, bool)] = &[("name", false)];

#[tokio::test]
async fn a_projects_records_are_its_own_and_its_domains_managers() {
    for world in worlds(Settings::default()).await {
        let (p, q) = (member("p"), member("q"));
        let item = made(&world, &p, "projects", &named("a")).await;
        assert_eq!((item.owner.as_str(), item.version, item.schema_version), ("p", 1, 1));
        made(&world, &q, "projects", &named("a")).await;
        assert_eq!(names(&world, &p, "projects", &[], &[]).await.unwrap(), ["a"]);
        let manager = |domain: &str| {
            let domain = Named { id: domain.to_owned(), name: domain.to_owned() };
            context(Scope::Domain(domain), "manager", "face", usual("face"))
        };
        assert_eq!(names(&world, &manager("default"), "projects", &[], &[]).await.unwrap(), ["a", "a"]);
        assert_eq!(names(&world, &manager("other"), "projects", &[], &[]).await.unwrap(), [""; 0]);
        assert_eq!(names(&world, &operator(), "projects", &[], &[]).await.unwrap(), [""; 0], "the token's project");
        for stranger in [q, manager("other")] {
            let core = &world.cloud.collections;
            for error in [
                core.update(&stranger, "projects", &item.id, &named("b"), None).await.expect_err("an update"),
                core.delete(&stranger, "projects", &item.id, None).await.expect_err("a deletion"),
                core.delete(&stranger, "projects", &item.id, Some(7)).await.expect_err("a deletion"),
            ] {
                assert_eq!(error, Error::not_found("projects", &item.id), "as one that never was");
            }
        }
        for insider in [p.clone(), manager("default"), operator()] {
            world.cloud.get_item(&insider, "projects".to_owned(), item.id.clone()).await.expect("a record");
        }
        let reader = context(project("p", "default"), "reader", "face", usual("face"));
        assert_eq!(refused(&world, &reader, "projects", &named("b")).await.0, ErrorCode::Forbidden);
        world.cloud.delete_item(&p, "projects".to_owned(), item.id, None).await.expect("a deletion");
    }
}

#[tokio::test]
async fn a_domains_records_are_its_projects_together_and_the_clouds_are_for_all_to_see() {
    for world in worlds(Settings::default()).await {
        let item = made(&world, &member("p"), "domains", &named("a")).await;
        assert_eq!(item.owner, "default");
        assert_eq!(names(&world, &member("q"), "domains", &[], &[]).await.unwrap(), ["a"]);
        let elsewhere = context(project("z", "other"), "member", "face", usual("face"));
        assert_eq!(names(&world, &elsewhere, "domains", &[], &[]).await.unwrap(), [""; 0]);
        let foreign = world.cloud.collections.delete(&elsewhere, "domains", &item.id, None).await;
        assert_eq!(foreign.expect_err("a deletion"), Error::not_found("domains", &item.id));
        let unscoped = context(Scope::Unscoped, "admin", "face", usual("face"));
        assert_eq!(refused(&world, &unscoped, "domains", &named("b")).await.0, ErrorCode::Forbidden);

        assert_eq!(refused(&world, &member("p"), "clouds", &named("a")).await.0, ErrorCode::Forbidden);
        let item = made(&world, &operator(), "clouds", &named("a")).await;
        assert_eq!(item.owner, "");
        assert_eq!(names(&world, &elsewhere, "clouds", &[], &[]).await.unwrap(), ["a"]);
        let other = context(project("p", "default"), "member", "other-face", usual("other-face"));
        assert_eq!(
            names(&world, &other, "clouds", &[], &[]).await.unwrap(),
            [""; 0],
            "another plugin's of the same name"
        );
        let error =
            world.cloud.collections.page_of(&other, "no", Vec::new(), crate::compute::testing::page(0, None)).await;
        let error = error.expect_err("a collection");
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::NotFound, Some("collection")));
    }
}

#[tokio::test]
async fn what_the_schema_or_a_unique_key_refuses_is_named_and_a_key_is_free_again_when_its_record_changes_or_goes() {
    for world in worlds(Settings::default()).await {
        let p = member("p");
        let core = &world.cloud.collections;
        assert_eq!(
            refused(&world, &p, "projects", r#"{"name": 1}"#).await,
            (ErrorCode::Invalid, Some("name".to_owned()))
        );
        let taken = (ErrorCode::AlreadyExists, Some("name".to_owned()));
        let item = made(&world, &p, "projects", &named("a")).await;
        assert_eq!(refused(&world, &p, "projects", &named("a")).await, taken);
        let own = json!({ "name": "a", "size": 1 }).to_string();
        let own = core.update(&p, "projects", &item.id, &own, Some(1)).await.expect("its own name");
        assert_eq!((own.version, own.created_at.0), (2, item.created_at));
        let error = core.update(&p, "projects", &item.id, &named("b"), Some(1)).await.expect_err("an old version");
        assert_eq!(error.code, ErrorCode::WrongState);
        core.update(&p, "projects", &item.id, &named("b"), None).await.expect("another name");
        let second = made(&world, &p, "projects", &named("a")).await;
        let error = core.update(&p, "projects", &item.id, &named("a"), None).await.expect_err("a taken name");
        assert_eq!((error.code, error.field), taken);
        core.delete(&p, "projects", &second.id, None).await.expect("a deletion");
        made(&world, &p, "projects", &named("a")).await;
        assert_eq!(
            names(&world, &p, "projects", &[], BY_NAME).await.unwrap(),
            ["a", "b"],
            "nothing of what was refused"
        );
    }
}

#[tokio::test]
async fn an_owner_has_so_many_records_and_bytes() {
    for world in worlds(Settings::default()).await {
        let (p, core) = (member("p"), &world.cloud.collections);
        let full = (ErrorCode::QuotaExceeded, Some("projects".to_owned()));
        let mut items = Vec::new();
        for name in ["a", "b", "c"] {
            items.push(made(&world, &p, "projects", &named(name)).await);
        }
        assert_eq!(refused(&world, &p, "projects", &named("d")).await, full);
        made(&world, &member("q"), "projects", &named("d")).await;
        let fat = |name: &str| json!({ "name": name, "more": "x".repeat(900) }).to_string();
        core.update(&p, "projects", &items[0].id, &fat("a"), None).await.expect("within the bytes");
        core.update(&p, "projects", &items[1].id, &fat("b"), None).await.expect("within the bytes");
        let error = core.update(&p, "projects", &items[2].id, &fat("c"), None).await.expect_err("beyond the bytes");
        assert_eq!((error.code, error.field), full);
        core.delete(&p, "projects", &items[0].id, None).await.expect("a deletion");
        core.update(&p, "projects", &items[2].id, &fat("c"), None).await.expect("room again");
        made(&world, &p, "projects", &named("d")).await;
        assert_eq!(refused(&world, &p, "projects", &named("e")).await, full);
    }
}

#[tokio::test]
async fn lists_are_filtered_and_ordered_by_indexed_members_under_their_own_names() {
    for world in worlds(Settings::default()).await {
        let p = member("p");
        for body in [
            json!({ "name": "ten", "size": 10, "open": true }),
            json!({ "name": "nine", "size": 9, "open": false }),
            json!({ "name": "minus", "size": -1 }),
        ] {
            made(&world, &p, "projects", &body.to_string()).await;
        }
        let list = async |conditions: &[wit::Condition], sort: &[(&str, bool)]| {
            names(&world, &p, "projects", conditions, sort).await
        };
        assert_eq!(list(&[], &[("size", true)]).await.unwrap(), ["ten", "nine", "minus"]);
        assert_eq!(list(&[], &[("open", false), ("name", true)]).await.unwrap(), ["minus", "nine", "ten"]);
        for (field, test, values, expected) in [
            ("size", "any-of", vec!["9", "-1"], vec!["minus", "nine"]),
            ("size", "none-of", vec!["9"], vec!["minus", "ten"]),
            ("open", "any-of", vec!["true"], vec!["ten"]),
            ("open", "set", vec!["false"], vec!["minus"]),
            ("name", "part", vec!["in"], vec!["minus", "nine"]),
            ("name", "part-any-case", vec!["TE"], vec!["ten"]),
            ("created-at", "from", vec!["1"], vec!["minus", "nine", "ten"]),
        ] {
            assert_eq!(list(&[asked(field, test, &values)], BY_NAME).await.unwrap(), expected, "{field} {test}");
        }
        for (field, test, values) in [
            ("size", "any-of", ["x"]),
            ("size", "from", ["1"]),
            ("open", "part", ["t"]),
            ("name", "from", ["1"]),
            ("more", "any-of", ["x"]),
            ("key-0", "any-of", ["x"]),
        ] {
            let error = list(&[asked(field, test, &values)], &[]).await.expect_err(field);
            assert_eq!((error.code, error.field.as_deref()), (ErrorCode::Invalid, Some(field)), "{test}");
            assert!(error.message.contains(field), "{}", error.message);
        }
        assert_eq!(list(&[], &[("more", false)]).await.expect_err("an order").field.as_deref(), Some("more"));
    }
}

#[tokio::test]
async fn records_are_found_by_what_a_newer_declaration_indexes() {
    for world in worlds(Settings::default()).await {
        let (core, old) = (&world.cloud.collections, usual("face"));
        core.settle("face", &old).await.expect("the first one");
        for name in ["a", "b"] {
            made(&world, &member("p"), "projects", &json!({ "name": name, "more": "same" }).to_string()).await;
        }
        let newer = compiled("face", "['more', 'name']", "[]");
        core.settle("face", &newer).await.expect("the newer one");
        let p = context(project("p", "default"), "member", "face", newer);
        let same = asked("more", "any-of", &["same"]);
        assert_eq!(names(&world, &p, "projects", &[same], BY_NAME).await.unwrap(), ["a", "b"]);
        made(&world, &p, "projects", &named("a")).await;
        for (unique, member) in [("[['more']]", "more"), ("[['name']]", "name")] {
            let error = core.settle("face", &compiled("face", "['more', 'name']", unique)).await.expect_err(unique);
            assert_eq!(error.code, ErrorCode::WrongState);
            assert!(error.message.contains("projects") && error.message.contains(member), "{}", error.message);
        }
        let same = asked("name", "any-of", &["b"]);
        assert_eq!(names(&world, &p, "projects", &[same], &[]).await.unwrap(), ["b"], "as before what was refused");
        let moved = compiled_as("face", "['more', 'name']", "[]", ["domain", "project", "cloud"]);
        let error = core.settle("face", &moved).await.expect_err("another scope");
        assert_eq!(error.code, ErrorCode::WrongState);
        assert!(error.message.contains("scope `project`"), "{}", error.message);
    }
}

#[tokio::test]
async fn what_an_old_record_has_and_cannot_be_indexed_is_no_key_and_keeps_no_cloud_from_starting() {
    for world in worlds(Settings::default()).await {
        let core = &world.cloud.collections;
        core.settle("face", &usual("face")).await.expect("the first one");
        let body = json!({ "name": "a", "more": format!("{}\0", "x".repeat(900)) }).to_string();
        made(&world, &member("p"), "projects", &body).await;
        let newer = compiled("face", "['name', 'more']", "[]");
        core.settle("face", &newer).await.expect("the newer one");
        let p = context(project("p", "default"), "member", "face", newer);
        let without = asked("more", "set", &["false"]);
        assert_eq!(names(&world, &p, "projects", &[without], &[]).await.unwrap(), ["a"]);
    }
}

#[tokio::test]
async fn a_process_with_another_declaration_than_the_one_served_last_neither_reads_nor_writes() {
    for world in worlds(Settings::default()).await {
        let core = &world.cloud.collections;
        core.settle("face", &usual("face")).await.expect("the one");
        let item = made(&world, &member("p"), "projects", &named("a")).await;
        core.settle("face", &compiled("face", "['size', 'name']", "[]")).await.expect("the other process's");
        let p = member("p");
        for error in [
            core.create(&p, "projects", &named("b")).await.expect_err("a creation"),
            core.update(&p, "projects", &item.id, &named("b"), None).await.expect_err("an update"),
            core.delete(&p, "projects", &item.id, None).await.expect_err("a deletion"),
            names(&world, &p, "projects", &[], &[]).await.expect_err("a list"),
        ] {
            assert_eq!(error.code, ErrorCode::Unavailable, "{}", error.message);
        }
        world.cloud.get_item(&p, "projects".to_owned(), item.id).await.expect("an id means the same to both");
    }
}

#[tokio::test]
async fn nobody_keeps_records_for_a_project_that_is_gone_and_ids_that_cannot_be_are_not_there() {
    for world in worlds(Settings::default()).await {
        assert_eq!(refused(&world, &member("gone"), "projects", &named("a")).await.0, ErrorCode::Forbidden);
        let nul = world.cloud.collections.delete(&member("p"), "projects", "\0", None).await.expect_err("an id");
        assert_eq!(nul.code, ErrorCode::NotFound, "{}", nul.for_log());
    }
}
