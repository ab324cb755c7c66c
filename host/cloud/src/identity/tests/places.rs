//! Domains, projects, users, roles and their rules.

use super::*;

#[tokio::test]
async fn a_domain_goes_only_disabled_and_empty() {
    for world in worlds().await {
        let admin = world.admin().await;
        let domain = world.cloud.create_domain(&admin, domain_write("east")).await.expect("create");
        assert!(domain.enabled && domain.id.len() == 32);
        assert_code(world.cloud.create_domain(&admin, domain_write("east")).await, ErrorCode::AlreadyExists);
        let write = wit::ProjectWrite { domain_id: Some(domain.id.clone()), ..project_write("there") };
        let project = world.cloud.create_project(&admin, write).await.expect("project");
        assert_code(world.cloud.delete_domain(&admin, domain.id.clone()).await, ErrorCode::WrongState);
        let disable = wit::DomainWrite {
            name: None,
            enabled: Some(false),
            description: Some(Some("off".to_owned())),
            ..domain_write("")
        };
        let changed = world.cloud.update_domain(&admin, domain.id.clone(), disable).await.expect("update");
        assert_eq!(
            (changed.name.as_str(), changed.description.as_deref(), changed.enabled),
            ("east", Some("off"), false)
        );

        assert_eq!((domain.description, project.description.clone()), (Some(String::new()), Some(String::new())));
        let undescribed = wit::DomainWrite { name: None, description: Some(None), ..domain_write("") };
        let changed = world.cloud.update_domain(&admin, domain.id.clone(), undescribed).await.expect("update");
        assert_eq!(changed.description, None);
        let undescribed = wit::ProjectWrite { name: None, description: Some(None), ..project_write("") };
        let changed = world.cloud.update_project(&admin, project.id.clone(), undescribed).await.expect("update");
        assert_eq!(changed.description, None);

        own_an_image(&world, &project.id).await;
        assert_code(world.cloud.delete_domain(&admin, domain.id.clone()).await, ErrorCode::InUse);
        assert_code(world.cloud.delete_project(&admin, project.id.clone()).await, ErrorCode::InUse);
        disown(&world, &project.id).await;
        world.cloud.delete_domain(&admin, domain.id.clone()).await.expect("delete");
        for id in [domain.id, "none".to_owned()] {
            assert_code(world.cloud.get_domain(&admin, id.clone()).await, ErrorCode::NotFound);
            assert_code(world.cloud.delete_domain(&admin, id.clone()).await, ErrorCode::NotFound);
            assert_code(world.cloud.update_domain(&admin, id, domain_write("x")).await, ErrorCode::NotFound);
        }
        assert_code(world.cloud.get_project(&admin, project.id).await, ErrorCode::NotFound);
    }
}

/// The row with the fewest columns of those that keep a project alive.
async fn own_an_image(world: &World, project: &str) {
    let mut tx = world.database.db.begin().await.expect("begin");
    let sql =
        "INSERT INTO images (id, owner, state, visibility, protected, hidden, min_disk_gib, min_memory_mib, upload,
               created_at, updated_at) VALUES ('i', $1, 'queued', 'private', 0, 0, 0, 0, '', 1, 1)";
    tx.execute(sql, skyloom_store::args![project]).await.expect("insert");
    tx.commit().await.expect("commit");
}

async fn disown(world: &World, project: &str) {
    let mut tx = world.database.db.begin().await.expect("begin");
    tx.execute("DELETE FROM images WHERE owner = $1", skyloom_store::args![project]).await.expect("delete");
    tx.commit().await.expect("commit");
}

#[tokio::test]
async fn projects_form_a_tree_within_their_domain() {
    for world in worlds().await {
        let admin = world.admin().await;
        let child_of =
            |parent: &str, name: &str| wit::ProjectWrite { parent_id: Some(parent.to_owned()), ..project_write(name) };
        let set = |enabled: bool| wit::ProjectWrite { name: None, enabled: Some(enabled), ..project_write("") };
        let top = world.cloud.create_project(&admin, child_of("default", "top")).await.expect("top");
        assert_eq!((top.parent_id.as_deref(), top.domain_id.as_str()), (None, "default"));
        let error = world.cloud.create_project(&admin, child_of("nowhere", "lost")).await.expect_err("no such parent");
        assert_eq!(error.resource, Some(("project".to_owned(), "nowhere".to_owned())));
        let mut line = vec![top];
        for depth in 2..=5 {
            let parent = line.last().expect("parent").id.clone();
            let child =
                world.cloud.create_project(&admin, child_of(&parent, &format!("p{depth}"))).await.expect("child");
            assert_eq!(child.parent_id, Some(parent));
            line.push(child);
        }
        let deepest = line.last().expect("deepest").id.clone();
        assert_code(world.cloud.create_project(&admin, child_of(&deepest, "p6")).await, ErrorCode::WrongState);

        let top = line[0].id.clone();
        assert_code(world.cloud.delete_project(&admin, top.clone()).await, ErrorCode::WrongState);
        assert_code(world.cloud.update_project(&admin, top, set(false)).await, ErrorCode::WrongState);
        let before = line[3].id.clone();
        world.cloud.update_project(&admin, deepest.clone(), set(false)).await.expect("a leaf");
        world.cloud.update_project(&admin, before.clone(), set(false)).await.expect("its parent then");
        assert_code(world.cloud.update_project(&admin, deepest.clone(), set(true)).await, ErrorCode::WrongState);
        assert_invalid(world.cloud.create_project(&admin, child_of(&before, "x")).await, "parent-id");
        world.cloud.delete_project(&admin, deepest.clone()).await.expect("delete");
        assert_code(world.cloud.delete_project(&admin, deepest).await, ErrorCode::NotFound);

        let domain = world.cloud.create_domain(&admin, domain_write("east")).await.expect("domain");
        let elsewhere = wit::ProjectWrite { domain_id: Some(domain.id.clone()), ..child_of(&before, "x") };
        assert_invalid(world.cloud.create_project(&admin, elsewhere).await, "parent-id");
        assert_code(world.cloud.create_project(&admin, child_of("none", "x")).await, ErrorCode::NotFound);
        let moved = wit::ProjectWrite { domain_id: Some(domain.id.clone()), ..project_write("x") };
        assert_invalid(world.cloud.update_project(&admin, before.clone(), moved).await, "domain-id");
        assert_code(world.cloud.update_project(&admin, before, child_of(&domain.id, "x")).await, ErrorCode::WrongState);
    }
}

#[tokio::test]
async fn names_and_tags_are_checked() {
    for world in worlds().await {
        let admin = world.admin().await;
        let cloud = &world.cloud;
        let long = "n".repeat(65);
        for name in ["", "  ", &long, "a\0b"] {
            assert_invalid(cloud.create_project(&admin, project_write(name)).await, "name");
            assert_invalid(cloud.create_domain(&admin, domain_write(name)).await, "name");
        }
        let longer = "n".repeat(256);
        for name in ["", " ", &longer] {
            assert_invalid(cloud.create_role(&admin, role_write(name)).await, "name");
            let user = wit::UserWrite { name: Some(name.to_owned()), ..user_write() };
            assert_invalid(cloud.create_user(&admin, user).await, "name");
        }
        cloud.create_project(&admin, project_write(&"云".repeat(64))).await.expect("64 characters, not bytes");
        assert_code(cloud.create_project(&admin, project_write("demo")).await, ErrorCode::AlreadyExists);
        let nameless = wit::ProjectWrite { name: None, ..project_write("") };
        assert_invalid(cloud.create_project(&admin, nameless).await, "name");
        let nowhere = wit::ProjectWrite { domain_id: Some("none".to_owned()), ..project_write("x") };
        assert_code(cloud.create_project(&admin, nowhere).await, ErrorCode::NotFound);
        let text = "d".repeat(65_536);
        let wordy = wit::ProjectWrite { description: Some(Some(text.clone())), ..project_write("x") };
        assert_invalid(cloud.create_project(&admin, wordy).await, "description");
        let wordy = wit::DomainWrite { description: Some(Some(text)), ..domain_write("x") };
        assert_invalid(cloud.create_domain(&admin, wordy).await, "description");

        let many: Vec<String> = (0..81).map(|number| format!("t{number}")).collect();
        let bad = [vec!["a,b"], vec!["a/b"], vec![""], vec!["a", "a"]];
        let bad = bad.into_iter().map(|tags| tags.into_iter().map(str::to_owned).collect()).chain([many]);
        for tags in bad {
            let write = wit::ProjectWrite { tags: Some(tags), ..project_write("x") };
            assert_invalid(cloud.create_project(&admin, write).await, "tags");
        }
        let write = wit::ProjectWrite { tags: Some(vec!["b".to_owned(), "a".to_owned()]), ..project_write("x") };
        let project = cloud.create_project(&admin, write).await.expect("project");
        assert_eq!(cloud.get_project(&admin, project.id).await.expect("get").tags, ["b", "a"]);
    }
}

#[tokio::test]
async fn users_are_written_and_read() {
    for world in worlds().await {
        let admin = world.admin().await;
        let cloud = &world.cloud;
        let write = wit::UserWrite { name: Some("ann".to_owned()), enabled: Some(false), ..user_write() };
        let user = cloud.create_user(&admin, write.clone()).await.expect("create");
        assert_eq!((user.id.len(), user.domain_id.as_str(), user.enabled), (32, "default", false));
        assert_eq!(user.password_changed_at, None);
        assert_code(cloud.create_user(&admin, write).await, ErrorCode::AlreadyExists);
        let write = wit::UserWrite { name: Some("anna".to_owned()), enabled: Some(true), ..user_write() };
        let changed = cloud.update_user(&admin, user.id.clone(), write).await.expect("update");
        assert_eq!((changed.name.as_str(), changed.enabled), ("anna", true));
        let taken = wit::UserWrite { name: Some("admin".to_owned()), ..user_write() };
        assert_code(cloud.update_user(&admin, user.id.clone(), taken).await, ErrorCode::AlreadyExists);
        let moved = wit::UserWrite { domain_id: Some("east".to_owned()), ..user_write() };
        assert_invalid(cloud.update_user(&admin, user.id.clone(), moved).await, "domain-id");
        let nowhere = wit::UserWrite { name: Some("x".to_owned()), domain_id: Some("none".to_owned()), ..user_write() };
        assert_code(cloud.create_user(&admin, nowhere).await, ErrorCode::NotFound);
        for password in [String::new(), "x".repeat(1025)] {
            let password = Some(Some(admin.secrets.put(password)));
            let write = wit::UserWrite { name: Some("x".to_owned()), password, ..user_write() };
            assert_invalid(cloud.create_user(&admin, write).await, "password");
        }
        let homeless = wit::UserWrite { default_project_id: Some("default".to_owned()), ..user_write() };
        assert_invalid(cloud.update_user(&admin, user.id.clone(), homeless.clone()).await, "default-project-id");
        let homeless = wit::UserWrite { name: Some("x".to_owned()), ..homeless };
        assert_invalid(cloud.create_user(&admin, homeless).await, "default-project-id");
        assert_code(cloud.update_user(&admin, "none".to_owned(), user_write()).await, ErrorCode::NotFound);

        let first = cloud.list_users(&admin, Vec::new(), PageRequest { limit: 1, ..page() }).await.expect("page");
        assert_eq!(first.next.as_ref(), Some(&first.users[0].id));
        let after = PageRequest { marker: first.next, ..page() };
        let rest = cloud.list_users(&admin, Vec::new(), after).await.expect("page");
        assert_eq!(rest.next, None);
        let names: Vec<&str> = first.users.iter().chain(&rest.users).map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["admin", "anna"]);
        let lost = PageRequest { marker: Some("none".to_owned()), ..page() };
        assert_invalid(cloud.list_users(&admin, Vec::new(), lost).await, "marker");
    }
}

#[tokio::test]
async fn roles_that_every_cloud_has_stay_as_they_are() {
    for world in worlds().await {
        let admin = world.admin().await;
        let cloud = &world.cloud;
        let write = |name: &str| wit::RoleWrite { description: Some(Some("what".to_owned())), ..role_write(name) };
        for name in ["admin", "manager", "member", "reader", "service"] {
            let id = world.role(name).await;
            assert!(cloud.get_role(&admin, id.clone()).await.expect("get").immutable);
            assert_code(cloud.update_role(&admin, id.clone(), write("x")).await, ErrorCode::WrongState);
            assert_code(cloud.delete_role(&admin, id).await, ErrorCode::WrongState);
        }
        let role = cloud.create_role(&admin, write("auditor")).await.expect("create");
        assert!(!role.immutable);
        let undescribed = wit::RoleWrite { name: None, description: Some(None), extra: None };
        let role = cloud.update_role(&admin, role.id, undescribed).await.expect("update");
        assert_eq!(role.description, None);
        assert_code(cloud.create_role(&admin, write("auditor")).await, ErrorCode::AlreadyExists);
        assert_code(cloud.update_role(&admin, role.id.clone(), write("admin")).await, ErrorCode::AlreadyExists);
        assert_eq!(
            cloud.update_role(&admin, role.id.clone(), write("reviewer")).await.expect("update").name,
            "reviewer"
        );
        let of_domain = vec![asked("domain-id", "any-of", &["default"])];
        assert!(cloud.list_roles(&admin, of_domain, page()).await.expect("list").roles.is_empty());
        assert_eq!(cloud.list_roles(&admin, Vec::new(), page()).await.expect("list").roles.len(), 6);
        cloud.delete_role(&admin, role.id.clone()).await.expect("delete");
        assert_code(cloud.get_role(&admin, role.id.clone()).await, ErrorCode::NotFound);
        assert_code(cloud.delete_role(&admin, role.id).await, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn grants_are_made_found_and_taken_back() {
    for world in worlds().await {
        let ann = world.new_user("ann", "member", "demo").await.id;
        let admin = world.admin().await;
        let cloud = &world.cloud;
        let (role, demo) = (world.role("reader").await, world.project("demo").await.id);
        let targets =
            [wit::Target::Project(demo.clone()), wit::Target::Domain("default".to_owned()), wit::Target::System];
        for target in targets {
            let grant = async || cloud.grant_role(&admin, role.clone(), ann.clone(), target.clone()).await;
            let has = async || cloud.has_role(&admin, role.clone(), ann.clone(), target.clone()).await;
            assert!(!has().await.expect("has"));
            grant().await.expect("grant");
            grant().await.expect("once more");
            assert!(has().await.expect("has"));
            cloud.revoke_role(&admin, role.clone(), ann.clone(), target.clone()).await.expect("revoke");
            assert_code(
                cloud.revoke_role(&admin, role.clone(), ann.clone(), target.clone()).await,
                ErrorCode::NotFound,
            );
        }
        let nowhere = [
            ("none".to_owned(), ann.clone(), wit::Target::System),
            (role.clone(), "none".to_owned(), wit::Target::System),
            (role.clone(), ann.clone(), wit::Target::Project("none".to_owned())),
            (role.clone(), ann.clone(), wit::Target::Domain("none".to_owned())),
        ];
        for (role, user, target) in nowhere {
            let answer = cloud.grant_role(&admin, role.clone(), user.clone(), target.clone()).await;
            assert_code(answer, ErrorCode::NotFound);
            assert_code(cloud.has_role(&admin, role, user, target).await, ErrorCode::NotFound);
        }
        let filter = wit::AssignmentFilter {
            user_id: Some(ann.clone()),
            role_id: None,
            project_id: None,
            domain_id: None,
            effective: true,
        };
        let found = cloud.list_assignments(&admin, filter.clone(), page()).await.expect("list").assignments;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].role.name.as_str(), found[0].target_name.as_str()), ("member", "demo"));
        let all = wit::AssignmentFilter { user_id: None, ..filter.clone() };
        let one = |marker| PageRequest { limit: 1, marker, ..page() };
        let (mut marker, mut seen) = (None, Vec::new());
        loop {
            let page = cloud.list_assignments(&admin, all.clone(), one(marker)).await.expect("page");
            seen.extend(page.assignments.into_iter().map(|one| (one.user.id, one.role.id)));
            marker = page.next;
            if marker.is_none() {
                break;
            }
        }
        let whole = cloud.list_assignments(&admin, all, page()).await.expect("list").assignments;
        let whole: Vec<_> = whole.into_iter().map(|one| (one.user.id, one.role.id)).collect();
        assert!(whole.len() > 1 && seen == whole, "{seen:?}");
        let both = wit::AssignmentFilter { project_id: Some(demo), domain_id: Some("default".to_owned()), ..filter };
        assert_invalid(cloud.list_assignments(&admin, both, page()).await, "domain-id");
    }
}
