//! Server groups: whose they are, how many, and which servers are in them.

use std::sync::Arc;

use skyloom_model::ErrorCode;
use skyloom_runtime::api::ComputeApi;
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::quotas::Quota;

use super::quotas;
use super::testing::{Kind, World, member, operator, page, worlds};
use crate::Settings;
use crate::lists::asked;

fn wanted(policy: &str, most: Option<u32>) -> wit::ServerGroupCreate {
    wit::ServerGroupCreate { name: "group".to_owned(), policy: policy.to_owned(), max_servers_per_node: most }
}

async fn group(world: &World, context: &Arc<CallContext>) -> String {
    world.cloud.create_server_group(context, wanted("anti-affinity", None)).await.expect("a group").id
}

async fn server(world: &World, group: Option<&str>) -> String {
    let create = wit::ServerCreate { group_id: group.map(str::to_owned), ..world.create(&["a"]) };
    let made = world.cloud.create_servers(&member("p"), create).await.expect("a server");
    made.server_ids.into_iter().next().expect("a server")
}

#[tokio::test]
async fn a_group_is_made_shown_and_removed() {
    for world in worlds(Settings::default()).await {
        let (cloud, context) = (&world.cloud, member("p"));
        for (policy, most) in
            [("affinity", None), ("anti-affinity", Some(3)), ("soft-affinity", None), ("soft-anti-affinity", None)]
        {
            let made = cloud.create_server_group(&context, wanted(policy, most)).await.expect(policy);
            assert_eq!((made.policy.as_str(), made.max_servers_per_node), (policy, most), "{}", world.database.name);
            assert_eq!((made.project_id.as_str(), made.user_id.as_str()), ("p", "user-of-p"));
            let shown = cloud.get_server_group(&context, made.id.clone()).await.expect("the group");
            assert_eq!((shown.id, shown.name, shown.policy), (made.id.clone(), made.name, made.policy));
            cloud.delete_server_group(&context, made.id.clone()).await.expect("removal");
            let gone = cloud.delete_server_group(&context, made.id).await.expect_err("gone");
            assert_eq!(gone.kind(), ErrorCode::NotFound);
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_group_names_its_field() {
    for world in worlds(Settings::default()).await {
        for (create, field) in [
            (wanted("near", None), "policy"),
            (wanted("", None), "policy"),
            (wanted("affinity", Some(1)), "max-servers-per-node"),
            (wanted("soft-anti-affinity", Some(2)), "max-servers-per-node"),
            (wanted("anti-affinity", Some(0)), "max-servers-per-node"),
            (wit::ServerGroupCreate { name: " ".to_owned(), ..wanted("affinity", None) }, "name"),
            (wit::ServerGroupCreate { name: "x".repeat(256), ..wanted("affinity", None) }, "name"),
        ] {
            let refused = world.cloud.create_server_group(&member("p"), create).await.expect_err(field);
            assert_eq!((refused.kind(), refused.field.as_deref()), (ErrorCode::Invalid, Some(field)));
        }
    }
}

#[tokio::test]
async fn a_foreign_projects_group_is_not_there() {
    for world in worlds(Settings::default()).await {
        let (cloud, foreign) = (&world.cloud, member("q"));
        let id = group(&world, &member("p")).await;
        let own = server(&world, None).await;
        let create = wit::ServerCreate { group_id: Some(id.clone()), ..world.create(&["a"]) };
        let refusals = [
            cloud.get_server_group(&foreign, id.clone()).await.map(drop),
            cloud.delete_server_group(&foreign, id.clone()).await,
            cloud.create_servers(&foreign, create).await.map(drop),
            cloud.add_server_group_member(&foreign, id.clone(), own.clone()).await,
            cloud.remove_server_group_member(&foreign, id.clone(), own.clone()).await,
        ];
        for refused in refusals {
            let refused = refused.expect_err("another project's");
            assert_eq!(refused.kind(), ErrorCode::NotFound);
            assert_eq!(refused.resource.map(|(kind, _)| kind).as_deref(), Some("server-group"));
        }
        // Nor may a server of one project be in the group of another, whoever asks.
        let theirs = group(&world, &foreign).await;
        world.make_stopped(&own, "node-1").await;
        let refused = cloud.add_server_group_member(&operator("op"), theirs, own.clone()).await.expect_err("foreign");
        assert_eq!((refused.kind(), refused.resource), (ErrorCode::NotFound, Some(("server".to_owned(), own))));
    }
}

#[tokio::test]
async fn a_list_holds_the_own_groups_page_by_page_and_all_for_operators() {
    for world in worlds(Settings::default()).await {
        let cloud = &world.cloud;
        let mut own = Vec::new();
        for _ in 0..3 {
            own.push(group(&world, &member("p")).await);
        }
        let other = group(&world, &member("q")).await;
        let list = async |context: &Arc<CallContext>, conditions, request| {
            let listed = cloud.list_server_groups(context, conditions, request).await?;
            Ok::<_, WitError>((listed.groups.into_iter().map(|group| group.id).collect::<Vec<_>>(), listed.next))
        };
        let (first, next) = list(&member("p"), vec![], page(2, None)).await.expect("a page");
        assert_eq!(first, own[..2], "{}: the oldest first", world.database.name);
        let (second, next) = list(&member("p"), vec![], page(2, next)).await.expect("a page");
        assert_eq!((second.as_slice(), next), (&own[2..], None), "{}", world.database.name);
        let everything = || vec![asked("all-projects", "any-of", &["true"])];
        let refused = list(&member("p"), everything(), page(0, None)).await.expect_err("for operators");
        assert_eq!(refused.kind(), ErrorCode::Forbidden);
        let theirs = vec![asked("project-id", "any-of", &["q"])];
        assert_eq!(list(&member("p"), theirs.clone(), page(0, None)).await.expect_err("").kind(), ErrorCode::Forbidden);
        let (all, _) = list(&operator("op"), everything(), page(0, None)).await.expect("all");
        assert_eq!(all.len(), 4, "{}", world.database.name);
        assert_eq!(list(&operator("op"), theirs, page(0, None)).await.expect("theirs").0, [other]);
        assert!(list(&operator("op"), vec![], page(0, None)).await.expect("its own").0.is_empty());
    }
}

#[tokio::test]
async fn groups_and_their_servers_are_bounded_by_quotas() {
    for world in worlds(Settings::default()).await {
        let (cloud, kind) = (&world.cloud, world.database.name);
        let limits = [(Quota::ServerGroups, Some(1)), (Quota::ServerGroupMembers, Some(2))];
        quotas::change(&world.database.db, "p", &limits).await.expect("limits");
        let id = group(&world, &member("p")).await;
        let full = cloud.create_server_group(&member("p"), wanted("affinity", None)).await.expect_err("one too many");
        assert_eq!((full.kind(), full.field.as_deref()), (ErrorCode::QuotaExceeded, Some("server-groups")), "{kind}");
        server(&world, Some(&id)).await;
        let of = |names: &[&str], least| wit::ServerCreate {
            group_id: Some(id.clone()),
            min_count: least,
            ..world.create(names)
        };
        let full = cloud.create_servers(&member("p"), of(&["b", "c"], 2)).await.expect_err("one of them too many");
        let told = (full.kind(), full.field.as_deref());
        assert_eq!(told, (ErrorCode::QuotaExceeded, Some("server-group-members")), "{kind}");
        let made = cloud.create_servers(&member("p"), of(&["b", "c"], 1)).await.expect("as many as there is room for");
        assert_eq!(made.server_ids.len(), 1, "{kind}");
        let late = server(&world, None).await;
        world.make_stopped(&late, "node-1").await;
        let full = cloud.add_server_group_member(&member("p"), id.clone(), late).await.expect_err("it is full");
        assert_eq!(full.kind(), ErrorCode::QuotaExceeded, "{kind}");
        let told = skyloom_runtime::api::QuotasApi::get_quotas(cloud, &member("p"), None).await.expect("quotas");
        let groups = told.into_iter().find(|quota| quota.name == "server-groups").expect("the quota");
        assert_eq!((groups.limit, groups.used), (1, 1), "{kind}");
    }
}

#[tokio::test]
async fn a_server_is_in_one_group_until_it_or_the_group_goes() {
    for world in worlds(Settings::default()).await {
        let (cloud, context, kind) = (&world.cloud, member("p"), world.database.name);
        let members =
            async |id: &str| cloud.get_server_group(&context, id.to_owned()).await.expect("the group").members;
        let group_of =
            async |id: &str| cloud.get_server(&context, id.to_owned(), Vec::new()).await.expect("the server").group_id;
        let (one, other) = (group(&world, &context).await, group(&world, &context).await);
        let made = server(&world, Some(&one)).await;
        assert_eq!(members(&one).await, std::slice::from_ref(&made), "{kind}");
        assert_eq!(group_of(&made).await, Some(one.clone()), "{kind}");
        let joins = async |group: &str, server: &str| {
            cloud.add_server_group_member(&context, group.to_owned(), server.to_owned()).await
        };
        world.make_active(&made).await;
        assert_eq!(joins(&other, &made).await.expect_err("it runs").kind(), ErrorCode::WrongState, "{kind}");
        world.make_stopped(&made, "node-1").await;
        assert_eq!(joins(&other, &made).await.expect_err("it is in one").kind(), ErrorCode::InUse, "{kind}");
        joins(&one, &made).await.expect("it is there already");
        let leaves =
            async |group: &str| cloud.remove_server_group_member(&context, group.to_owned(), made.clone()).await;
        let absent = leaves(&other).await.expect_err("it isn't in there");
        assert_eq!((absent.kind(), absent.field.as_deref()), (ErrorCode::NotFound, Some("server-id")), "{kind}");
        leaves(&one).await.expect("it leaves");
        assert!(members(&one).await.is_empty(), "{kind}");
        joins(&other, &made).await.expect("it joins");
        assert_eq!(members(&other).await, std::slice::from_ref(&made), "{kind}");
        let gone = joins("none", &made).await.expect_err("there is none");
        assert_eq!(gone.resource, Some(("server-group".to_owned(), "none".to_owned())), "{kind}");
        // The group goes, the server stays.
        cloud.delete_server_group(&context, other).await.expect("removal");
        assert_eq!(group_of(&made).await, None, "{kind}");
        // The server goes, the group stays.
        joins(&one, &made).await.expect("it joins");
        let mut tx = world.database.db.begin().await.expect("begin");
        let now = skyloom_model::Timestamp::now();
        assert!(skyloom_store::servers::mark_deleted(&mut tx, &made, now).await.expect("deletion"));
        tx.commit().await.expect("commit");
        assert!(members(&one).await.is_empty(), "{kind}");
    }
}
