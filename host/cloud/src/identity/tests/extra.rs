//! What the core keeps without knowing it, ids that callers choose, and the roles that every cloud has.

use serde_json::{Value, json};

use super::*;

/// A write of these attributes.
fn these(extra: Value) -> String {
    extra.to_string()
}

#[track_caller]
fn assert_has(extra: &str, expected: &Value) {
    assert_eq!(&serde_json::from_str::<Value>(extra).expect("JSON"), expected);
}

#[tokio::test]
async fn attributes_that_nobody_knows_are_kept_merged_and_shown() {
    for world in worlds().await {
        let (admin, cloud) = (world.admin().await, &world.cloud);
        let first = || Some(these(json!({"a": {"deep": [1, "\u{0}", null]}, "b": null, "c": "x"})));
        let second = || Some(these(json!({"a": {"other": true}, "c": null, "d": 1.5})));
        let before = json!({"a": {"deep": [1, "\u{0}", null]}, "b": null, "c": "x"});
        let after = json!({"a": {"other": true}, "b": null, "c": null, "d": 1.5});

        let made = cloud.create_domain(&admin, wit::DomainWrite { extra: first(), ..domain_write("x") }).await;
        let made = made.expect("domain");
        assert_has(&made.extra, &before);
        assert_has(&cloud.get_domain(&admin, made.id.clone()).await.expect("get").extra, &before);
        let write = wit::DomainWrite { name: None, extra: second(), ..domain_write("") };
        assert_has(&cloud.update_domain(&admin, made.id, write).await.expect("update").extra, &after);
        let found = cloud.list_domains(&admin, Vec::new(), page()).await.expect("list").domains;
        assert_has(&found[1].extra, &after);
        assert_has(&found[0].extra, &json!({}));

        let made = cloud.create_project(&admin, wit::ProjectWrite { extra: first(), ..project_write("x") }).await;
        let made = made.expect("project");
        assert_has(&made.extra, &before);
        let write = wit::ProjectWrite { name: None, extra: second(), ..project_write("") };
        assert_has(&cloud.update_project(&admin, made.id.clone(), write).await.expect("update").extra, &after);
        assert_has(&cloud.get_project(&admin, made.id).await.expect("get").extra, &after);
        assert_has(&world.project("x").await.extra, &after);

        let write = wit::UserWrite { name: Some("x".to_owned()), extra: first(), ..user_write() };
        let made = cloud.create_user(&admin, write).await.expect("user");
        assert_has(&made.extra, &before);
        let write = wit::UserWrite { extra: second(), ..user_write() };
        assert_has(&cloud.update_user(&admin, made.id.clone(), write).await.expect("update").extra, &after);
        assert_has(&cloud.get_user(&admin, made.id).await.expect("get").extra, &after);
        let found = cloud.list_users(&admin, Vec::new(), page()).await.expect("list").users;
        assert_has(&found.iter().find(|user| user.name == "x").expect("the user").extra, &after);

        let made = cloud.create_role(&admin, wit::RoleWrite { extra: first(), ..role_write("x") }).await;
        let made = made.expect("role");
        assert_has(&made.extra, &before);
        let write = wit::RoleWrite { name: None, extra: second(), ..role_write("") };
        assert_has(&cloud.update_role(&admin, made.id.clone(), write).await.expect("update").extra, &after);
        assert_has(&cloud.get_role(&admin, made.id).await.expect("get").extra, &after);
    }
}

#[tokio::test]
async fn the_attributes_of_a_resource_are_bounded_together() {
    for world in worlds().await {
        let (admin, cloud) = (world.admin().await, &world.cloud);
        let with = |name: &str, bytes: usize| Some(these(json!({ name: "x".repeat(bytes) })));
        let write = wit::UserWrite { name: Some("x".to_owned()), extra: with("a", 40_000), ..user_write() };
        let user = cloud.create_user(&admin, write).await.expect("user");
        let more = |name: &str| wit::UserWrite { extra: with(name, 40_000), ..user_write() };
        assert_invalid(cloud.update_user(&admin, user.id.clone(), more("b")).await, "b");
        cloud.update_user(&admin, user.id.clone(), more("a")).await.expect("in the place of the first");
        for bad in ["[]", "{", "", "1"] {
            let write = wit::UserWrite { extra: Some(bad.to_owned()), ..user_write() };
            assert_invalid(cloud.update_user(&admin, user.id.clone(), write).await, "extra");
        }
        let all = [
            cloud.create_role(&admin, wit::RoleWrite { extra: with("a", 70_000), ..role_write("x") }).await.map(drop),
            cloud
                .create_domain(&admin, wit::DomainWrite { extra: with("a", 70_000), ..domain_write("x") })
                .await
                .map(drop),
            cloud
                .create_project(&admin, wit::ProjectWrite { extra: with("a", 70_000), ..project_write("x") })
                .await
                .map(drop),
        ];
        for answer in all {
            assert_invalid(answer, "a");
        }
    }
}

#[tokio::test]
async fn an_id_that_was_chosen_is_never_another_ones() {
    for world in worlds().await {
        let (admin, cloud) = (world.admin().await, &world.cloud);
        let chosen = |id: &str| wit::DomainWrite { id: Some(id.to_owned()), ..domain_write(&format!("of {id}")) };
        let id = "0123456789abcdef0123456789abcdef";
        for bad in [
            "",
            "default",
            "0123456789ABCDEF0123456789abcdef",
            &id[1..],
            &format!("{id}0"),
            "../../../../../../etc/passwd0000",
        ] {
            assert_invalid(cloud.create_domain(&admin, chosen(bad)).await, "id");
        }
        assert_eq!(cloud.create_domain(&admin, chosen(id)).await.expect("create").id, id);
        let again = wit::DomainWrite { name: Some("other".to_owned()), ..chosen(id) };
        assert_code(cloud.create_domain(&admin, again.clone()).await, ErrorCode::AlreadyExists);
        let of_a_project = world.project("demo").await.id;
        assert_code(cloud.create_domain(&admin, chosen(&of_a_project)).await, ErrorCode::AlreadyExists);

        let off = wit::DomainWrite { name: None, enabled: Some(false), ..domain_write("") };
        cloud.update_domain(&admin, id.to_owned(), off).await.expect("disable");
        cloud.delete_domain(&admin, id.to_owned()).await.expect("delete");
        assert_code(cloud.create_domain(&admin, again).await, ErrorCode::AlreadyExists);
        cloud.create_domain(&admin, domain_write(&format!("of {id}"))).await.expect("the name is free");
    }
}

#[tokio::test]
async fn roles_that_an_older_cloud_lacks_are_made_at_its_start() {
    for world in worlds().await {
        let names = async || {
            let found = world.cloud.list_roles(&world.admin().await, Vec::new(), page()).await.expect("roles").roles;
            found.into_iter().map(|role| (role.name, role.immutable)).collect::<Vec<_>>()
        };
        let all = ["admin", "manager", "member", "reader", "service"];
        assert_eq!(names().await, all.map(|name| (name.to_owned(), true)));
        let mut tx = world.database.db.begin().await.expect("begin");
        let older = "DELETE FROM roles WHERE name IN ('manager', 'service')";
        tx.execute(older, &[]).await.expect("delete");
        tx.execute("INSERT INTO seeded (area, seeded_at) VALUES ('cloud', 1)", &[]).await.expect("not fresh");
        tx.commit().await.expect("commit");
        // One that an operator has made is left as it is.
        world.cloud.create_role(&world.admin().await, role_write("manager")).await.expect("create");
        for _ in 0..2 {
            assert!(!world.cloud.seed(&crate::Seed::default()).await.expect("start"), "{}", world.database.name);
            assert_eq!(names().await, all.map(|name| (name.to_owned(), name != "manager")));
        }
    }
}

#[tokio::test]
async fn a_manager_may_what_a_member_may() {
    for world in worlds().await {
        world.new_user("mia", "manager", "demo").await;
        let mia = world.caller("mia", "demo").await;
        let may = |action| world.cloud.permit(mia.caller.as_deref(), action).is_ok();
        use skyloom_model::Action::{FlavorsCreate, ServersCreate, ServersRead};
        assert!(may(ServersCreate) && may(ServersRead) && !may(FlavorsCreate));
    }
}
