//! Who may use a private flavor, and what an update changes, on both databases.

use skyloom_model::ErrorCode;
use skyloom_runtime::api::{ComputeApi, FlavorsApi};
use skyloom_runtime::bindings::cloud::{compute as wit, flavors};

use super::testing::{Kind, World, member, operator, page, worlds};
use crate::Settings;
use crate::lists::{all_parts, asked};

const PRIVATE: &str = "small";

fn flavor(id: &str, is_public: bool) -> flavors::FlavorCreate {
    flavors::FlavorCreate {
        id: Some(id.to_owned()),
        name: format!("name of {id}"),
        description: None,
        vcpus: 1,
        memory_mib: 64,
        disk_gib: 1,
        ephemeral_gib: 0,
        swap_mib: 0,
        rxtx_factor_milli: 1000,
        is_public,
        attributes: "{}".to_owned(),
    }
}

async fn listed(world: &World, project: &str, admin: bool, is_public: Option<bool>, all: bool) -> bool {
    let context = if admin { operator(project) } else { member(project) };
    let mut wanted = vec![asked("all-projects", "any-of", &[&all.to_string()])];
    wanted.extend(is_public.map(|public| asked("is-public", "any-of", &[&public.to_string()])));
    let found = world.cloud.list_flavors(&context, wanted, page(0, None)).await.expect("list").flavors;
    assert!(found.len() >= usize::from(is_public != Some(false)) * 5);
    found.iter().any(|flavor| flavor.id == PRIVATE)
}

#[tokio::test]
async fn a_private_flavor_is_for_the_projects_it_is_given_to() {
    for world in worlds(Settings::default()).await {
        let (cloud, admin) = (&world.cloud, operator("op"));
        cloud.create_flavor(&admin, flavor(PRIVATE, false)).await.expect("a flavor");
        let server = |name: &str| wit::ServerCreate { flavor_id: PRIVATE.to_owned(), ..world.create(&[name]) };

        // Before: nobody's but the operators'.
        assert!(!listed(&world, "p", false, None, false).await);
        assert_eq!(
            cloud.create_servers(&member("p"), server("a")).await.expect_err("private").kind(),
            ErrorCode::NotFound
        );
        let id = || PRIVATE.to_owned();
        cloud.add_flavor_access(&admin, id(), "p".to_owned()).await.expect("given");
        cloud.add_flavor_access(&admin, id(), "q".to_owned()).await.expect("given");
        assert_eq!(cloud.list_flavor_access(&admin, id()).await.expect("access"), ["p", "q"]);
        assert!(listed(&world, "p", false, None, false).await);
        // What others ask for beyond that is overlooked.
        assert!(listed(&world, "p", false, Some(false), true).await);
        assert!(!listed(&world, "r", false, None, false).await, "{}", world.database.name);
        // An operator's list of public ones has those that the operator's own project was given.
        assert!(!listed(&world, "op", true, Some(true), false).await);
        assert!(listed(&world, "p", true, Some(true), false).await);
        assert!(listed(&world, "op", true, Some(false), false).await);
        assert!(listed(&world, "op", true, None, true).await);
        assert_eq!(cloud.get_flavor(&member("p"), id()).await.expect("given").id, PRIVATE);
        assert_eq!(cloud.get_flavor(&member("r"), id()).await.expect_err("not given").kind(), ErrorCode::NotFound);
        let made = cloud.create_servers(&member("p"), server("a")).await.expect("creation").server_ids;

        // Taken away: the server stays, no new one comes.
        cloud.remove_flavor_access(&admin, id(), "p".to_owned()).await.expect("taken");
        assert!(!listed(&world, "p", false, None, false).await);
        assert_eq!(
            cloud.create_servers(&member("p"), server("b")).await.expect_err("taken").kind(),
            ErrorCode::NotFound
        );
        cloud.get_server(&member("p"), made[0].clone(), all_parts()).await.expect("the server");
    }
}

#[tokio::test]
async fn a_private_flavor_as_a_marker_is_one_that_nobody_has() {
    for world in worlds(Settings::default()).await {
        let (cloud, admin) = (&world.cloud, operator("op"));
        cloud.create_flavor(&admin, flavor(PRIVATE, false)).await.expect("a flavor");
        let marked = |id: &str| page(0, Some(id.to_owned()));
        for id in [PRIVATE, "none"] {
            let error = cloud.list_flavors(&member("p"), Vec::new(), marked(id)).await.expect_err("not the caller's");
            assert_eq!(
                (error.field.as_deref(), error.message),
                (Some("marker"), format!("The marker {id} could not be found."))
            );
        }
        // The operator may see it even where the list is one of public flavors.
        let public = vec![asked("is-public", "any-of", &["true"])];
        cloud.list_flavors(&admin, public, marked(PRIVATE)).await.expect("an operator's");
        cloud.add_flavor_access(&admin, PRIVATE.to_owned(), "p".to_owned()).await.expect("given");
        cloud.list_flavors(&member("p"), Vec::new(), marked(PRIVATE)).await.expect("the caller's");
    }
}

#[tokio::test]
async fn nobody_takes_a_deleted_flavors_id_again_and_servers_keep_what_they_were_made_of() {
    for world in worlds(Settings::default()).await {
        let (cloud, admin) = (&world.cloud, operator("op"));
        cloud.create_flavor(&admin, flavor(PRIVATE, true)).await.expect("a flavor");
        let create = wit::ServerCreate { flavor_id: PRIVATE.to_owned(), ..world.create(&["a"]) };
        let made = cloud.create_servers(&member("p"), create).await.expect("creation").server_ids.remove(0);
        cloud.delete_flavor(&admin, PRIVATE.to_owned()).await.expect("delete");
        let other = flavors::FlavorCreate { vcpus: 7, name: "other".to_owned(), ..flavor(PRIVATE, true) };
        let error = cloud.create_flavor(&member("p"), other.clone()).await.expect_err("a stranger");
        assert_eq!(error.kind(), ErrorCode::Forbidden);
        let error = cloud.create_flavor(&admin, other.clone()).await.expect_err("an operator");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::AlreadyExists, Some("id")));
        assert_eq!(error.message, "A flavor with ID small was deleted, and its ID stays taken.");
        // Its name is free.
        let again = flavors::FlavorCreate { id: None, name: "name of small".to_owned(), ..other };
        cloud.create_flavor(&admin, again.clone()).await.expect("the name again");
        let error = cloud.create_flavor(&admin, again).await.expect_err("the name is taken");
        assert_eq!((error.kind(), error.field.as_deref()), (ErrorCode::AlreadyExists, Some("name")));
        let server = cloud.get_server(&member("p"), made, all_parts()).await.expect("the server");
        assert_eq!((server.flavor.vcpus, server.flavor.name.as_str()), (1, "name of small"), "{}", world.database.name);
    }
}

#[tokio::test]
async fn wrong_access_is_refused() {
    for world in worlds(Settings::default()).await {
        let (cloud, admin) = (&world.cloud, operator("op"));
        cloud.create_flavor(&admin, flavor(PRIVATE, false)).await.expect("a flavor");
        let add = async |flavor: &str, project: &str| {
            let error = cloud.add_flavor_access(&admin, flavor.to_owned(), project.to_owned()).await.err();
            error.map(|error| (error.kind(), error.field.unwrap_or_default()))
        };
        assert_eq!(add("1", "p").await, Some((ErrorCode::WrongState, String::new())));
        assert_eq!(add("none", "p").await, Some((ErrorCode::NotFound, String::new())));
        assert_eq!(add(PRIVATE, "nobody").await, Some((ErrorCode::Invalid, "project-id".to_owned())));
        assert_eq!(add(PRIVATE, "p").await, None);
        assert_eq!(add(PRIVATE, "p").await, Some((ErrorCode::AlreadyExists, String::new())));
        let remove = async |flavor: &str, project: &str| {
            let error = cloud.remove_flavor_access(&admin, flavor.to_owned(), project.to_owned()).await.err();
            error.map(|error| (error.kind(), error.field.unwrap_or_default()))
        };
        assert_eq!(remove("none", "p").await, Some((ErrorCode::NotFound, String::new())));
        assert_eq!(remove(PRIVATE, "q").await, Some((ErrorCode::NotFound, "project-id".to_owned())));
        assert_eq!(remove(PRIVATE, "p").await, None);
        let member = member("p");
        let refused = [
            cloud.list_flavor_access(&member, PRIVATE.to_owned()).await.err(),
            cloud.add_flavor_access(&member, PRIVATE.to_owned(), "p".to_owned()).await.err(),
            cloud.remove_flavor_access(&member, PRIVATE.to_owned(), "p".to_owned()).await.err(),
        ];
        assert!(refused.into_iter().all(|error| error.is_some_and(|error| error.kind() == ErrorCode::Forbidden)));
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    for world in worlds(Settings::default()).await {
        let (cloud, admin) = (&world.cloud, operator("op"));
        let made = flavors::FlavorCreate { description: Some("old".to_owned()), ..flavor(PRIVATE, true) };
        cloud.create_flavor(&admin, made).await.expect("a flavor");
        cloud.set_extra_specs(&admin, PRIVATE.to_owned(), vec![("a".to_owned(), "1".to_owned())]).await.expect("specs");
        for (description, expected) in [(None, Some("old")), (Some(Some("new")), Some("new")), (Some(None), None)] {
            let description = description.map(|text: Option<&str>| text.map(ToOwned::to_owned));
            let update = flavors::FlavorUpdate { description, attributes: None };
            let changed = cloud.update_flavor(&admin, PRIVATE.to_owned(), update).await.expect("update");
            assert_eq!((changed.description.as_deref(), changed.extra_specs.len()), (expected, 1));
            let shown = cloud.get_flavor(&admin, PRIVATE.to_owned()).await.expect("get");
            assert_eq!(shown.description, changed.description);
        }
        let update = flavors::FlavorUpdate { description: None, attributes: None };
        let missing = cloud.update_flavor(&admin, "none".to_owned(), update).await.expect_err("no such flavor");
        assert_eq!(missing.kind(), ErrorCode::NotFound);
    }
}
