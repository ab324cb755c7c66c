use std::time::Duration;

use skyloom_model::{ErrorCode, Reach, Scope, Timestamp};

use super::{
    AccessKey, Assignment, Domain, Extra, Filter, Issue, PlacedReference, Project, Reference, Role, Target, User,
    access_keys, assignments, domains, projects, roles, tokens, users,
};
use crate::listing::{Condition, Page};
use crate::testing::databases;
use crate::{Conn, Db};

const NOW: Timestamp = Timestamp(1_000_000);

fn domain(id: &str) -> Domain {
    Domain { id: id.into(), name: format!("name-{id}"), description: None, enabled: true, extra: extra() }
}

fn project(id: &str, domain: &str) -> Project {
    Project {
        id: id.into(),
        domain_id: domain.into(),
        name: format!("name-{id}"),
        description: Some("what".into()),
        enabled: true,
        parent_id: None,
        tags: vec!["blue".into(), "a \"b\"".into()],
        extra: extra(),
    }
}

fn user(id: &str, domain: &str) -> User {
    User {
        id: id.into(),
        domain_id: domain.into(),
        name: format!("name-{id}"),
        enabled: true,
        default_project_id: None,
        password_changed_at: None,
        extra: extra(),
    }
}

fn role(id: &str) -> Role {
    Role { id: id.into(), name: format!("name-{id}"), description: None, immutable: false, extra: extra() }
}

fn extra() -> Extra {
    let extra = serde_json::json!({"nick": "a \"b\"", "deep": {"list": [1, null, {"x": 1.5}]}, "gone": null});
    extra.as_object().expect("an object").clone()
}

/// Domains d1 and d2, each with a project and a user of its number; roles r1 and r2; u1 has r1 and r2 in p1, r1 in d1 and
/// in the system.
async fn world(db: &Db) {
    let mut tx = db.begin().await.expect("begin");
    for number in ["1", "2"] {
        let id = format!("d{number}");
        domains::insert(&mut tx, &domain(&id), NOW).await.expect("domain");
        projects::insert(&mut tx, &project(&format!("p{number}"), &id), NOW).await.expect("project");
        users::insert(&mut tx, &user(&format!("u{number}"), &id), NOW).await.expect("user");
        roles::insert(&mut tx, &role(&format!("r{number}")), NOW).await.expect("role");
    }
    let (p1, d1) = (Target::Project("p1".into()), Target::Domain("d1".into()));
    for (target, role) in [(&p1, "r2"), (&p1, "r1"), (&p1, "r1"), (&d1, "r1"), (&Target::System, "r1")] {
        assignments::grant(&mut tx, "u1", target, role).await.expect("grant");
    }
    tx.commit().await.expect("commit");
}

fn issue(hash: &str, scope: Option<Target>) -> Issue {
    Issue {
        hash: hash.into(),
        user_id: "u1".into(),
        scope,
        methods: vec!["password".into()],
        audit_id: format!("audit-{hash}"),
        parent_audit_id: None,
        issued_at: NOW,
        expires_at: NOW.plus(Duration::from_mins(1)),
    }
}

/// One token of each scope: t-unscoped, t-project, t-domain, t-system.
async fn issue_all(conn: &mut Conn) {
    for (hash, scope) in [
        ("t-unscoped", None),
        ("t-project", Some(Target::Project("p1".into()))),
        ("t-domain", Some(Target::Domain("d1".into()))),
        ("t-system", Some(Target::System)),
    ] {
        tokens::insert(conn, &issue(hash, scope)).await.expect("token");
    }
}

/// Which of the four tokens are valid.
async fn alive(conn: &mut Conn) -> Vec<&'static str> {
    let mut alive = Vec::new();
    for hash in ["t-unscoped", "t-project", "t-domain", "t-system"] {
        if tokens::session(conn, hash, NOW).await.expect("session").is_some() {
            alive.push(hash);
        }
    }
    alive
}

#[tokio::test]
async fn what_is_written_is_read() {
    for database in databases().await {
        world(&database.db).await;
        let mut tx = database.db.begin().await.expect("begin");
        assert_eq!(domains::get(&mut tx, "d1").await.expect("get"), Some(domain("d1")), "{}", database.name);
        assert_eq!(domains::find(&mut tx, Reference::Name("name-d2")).await.expect("find"), Some(domain("d2")));
        assert_eq!(projects::get(&mut tx, "p1").await.expect("get"), Some(project("p1", "d1")));
        for within in [Reference::Id("d2"), Reference::Name("name-d2")] {
            let found = projects::find(&mut tx, PlacedReference::Name("name-p2", within)).await.expect("find");
            assert_eq!(found, Some(project("p2", "d2")));
            assert_eq!(projects::find(&mut tx, PlacedReference::Name("name-p1", within)).await.expect("find"), None);
            let login = users::login(&mut tx, PlacedReference::Name("name-u2", within)).await.expect("login");
            assert_eq!(login.expect("user").user.domain.name, "name-d2");
        }
        assert_eq!(users::get(&mut tx, "u1").await.expect("get"), Some(user("u1", "d1")));
        assert_eq!(roles::get(&mut tx, "r1").await.expect("get"), Some(role("r1")));
        assert!(projects::lock(&mut tx, "p1").await.expect("lock"));
        assert!(!projects::lock(&mut tx, "none").await.expect("lock"));

        let changed = Domain { extra: Extra::new(), ..domain("d1") };
        assert!(domains::update(&mut tx, &changed).await.expect("update"));
        assert_eq!(domains::get(&mut tx, "d1").await.expect("get"), Some(changed));
        let changed =
            Project { name: "new".into(), enabled: false, tags: vec![], extra: Extra::new(), ..project("p1", "d1") };
        assert!(projects::update(&mut tx, &changed).await.expect("update"));
        assert_eq!(projects::get(&mut tx, "p1").await.expect("get"), Some(changed));
        assert_eq!(users::set_password(&mut tx, "u1", Some("hash"), NOW).await.expect("password"), 1);
        let changed = User { default_project_id: Some("p1".into()), extra: Extra::new(), ..user("u1", "d1") };
        assert!(users::update(&mut tx, &changed).await.expect("update"));
        let found = users::get(&mut tx, "u1").await.expect("get");
        assert_eq!(found, Some(User { password_changed_at: Some(NOW), ..changed }));
        let login = users::login(&mut tx, PlacedReference::Id("u1")).await.expect("login").expect("user");
        assert_eq!((login.password_hash.as_deref(), login.enabled), (Some("hash"), true));
        let changed = Role { description: Some("what".into()), extra: Extra::new(), ..role("r1") };
        assert!(roles::update(&mut tx, &changed).await.expect("update"));
        assert_eq!(roles::get(&mut tx, "r1").await.expect("get"), Some(changed));
    }
}

#[tokio::test]
async fn names_are_unique_in_their_place() {
    for database in databases().await {
        world(&database.db).await;
        // Each in a transaction of its own: PostgreSQL goes on with none after an error.
        let mut tx = database.db.begin().await.expect("begin");
        let twin = Project { name: "name-p1".into(), ..project("p3", "d1") };
        let error = projects::insert(&mut tx, &twin, NOW).await.expect_err("a second of the name");
        assert_eq!(error.code, ErrorCode::AlreadyExists, "{}", database.name);
        drop(tx);
        let mut tx = database.db.begin().await.expect("begin");
        let twin = User { name: "name-u1".into(), ..user("u3", "d1") };
        assert_eq!(users::insert(&mut tx, &twin, NOW).await.expect_err("twin").code, ErrorCode::AlreadyExists);
        drop(tx);
        let mut tx = database.db.begin().await.expect("begin");
        let elsewhere = Project { name: "name-p1".into(), ..project("p3", "d2") };
        projects::insert(&mut tx, &elsewhere, NOW).await.expect("the same name in another domain");
        let other_case = Project { name: "NAME-p1".into(), ..project("p4", "d1") };
        projects::insert(&mut tx, &other_case, NOW).await.expect("names differ by case");
    }
}

#[tokio::test]
async fn lists_filter_and_page_by_name() {
    for database in databases().await {
        world(&database.db).await;
        let mut tx = database.db.begin().await.expect("begin");
        let child = Project { parent_id: Some("p1".into()), enabled: false, ..project("p3", "d1") };
        projects::insert(&mut tx, &child, NOW).await.expect("child");
        let is = |field: &'static str, value: &str| Filter {
            conditions: vec![Condition::is(field, value)],
            ..Filter::new(Reach::All, Vec::new())
        };
        let of_user = |id: &str| Filter { user_id: Some(id.to_owned()), ..Filter::new(Reach::All, Vec::new()) };
        for (filter, expected) in [
            (Filter::new(Reach::All, Vec::new()), vec!["p1", "p2", "p3"]),
            (is("name", "name-p2"), vec!["p2"]),
            (is("domain-id", "d1"), vec!["p1", "p3"]),
            (is("enabled", "false"), vec!["p3"]),
            (is("parent-id", "p1"), vec!["p3"]),
            (is("parent-id", "d1"), vec!["p1"]),
            (of_user("u1"), vec!["p1"]),
            (of_user("u2"), vec![]),
        ] {
            let found = projects::list(&mut tx, &filter, &Page::default()).await.expect("list").items;
            let found: Vec<&str> = found.iter().map(|project| project.id.as_str()).collect();
            assert_eq!(found, expected, "{}: {filter:?}", database.name);
        }
        assert_eq!(projects::children(&mut tx, "p1", false).await.expect("children"), 1);
        assert_eq!(projects::children(&mut tx, "p1", true).await.expect("enabled children"), 0);
        let page = Page { limit: 1, marker: Some("u1".into()), ..Page::default() };
        let listed = users::list(&mut tx, &Filter::new(Reach::All, Vec::new()), &page).await.expect("page");
        assert_eq!((listed.items[0].id.as_str(), listed.next), ("u2", None));
        let own = Filter { user_id: Some("u1".into()), ..Filter::new(Reach::All, Vec::new()) };
        assert_eq!(domains::list(&mut tx, &own, &Page::default()).await.expect("own").items, [domain("d1")]);
        let named = [Condition::is("name", "name-r2")];
        assert_eq!(roles::list(&mut tx, &named, &Page::default()).await.expect("roles").items, [role("r2")]);
        let of_domain = [Condition::is("domain-id", "d1")];
        assert!(roles::list(&mut tx, &of_domain, &Page::default()).await.expect("none").items.is_empty());
    }
}

#[tokio::test]
async fn assignments_are_granted_listed_and_revoked() {
    for database in databases().await {
        world(&database.db).await;
        let mut tx = database.db.begin().await.expect("begin");
        let p1 = Target::Project("p1".into());
        let all = assignments::list(&mut tx, &assignments::Filter::all(), &Page::default()).await.expect("list").items;
        let words: Vec<(&str, &str)> =
            all.iter().map(|Assignment { role, target, .. }| (target.kind(), role.id.as_str())).collect();
        assert_eq!(
            words,
            [("domain", "r1"), ("project", "r1"), ("project", "r2"), ("system", "r1")],
            "{}",
            database.name
        );
        assert_eq!(all[1].target_domain.as_ref().expect("domain").name, "name-d1");
        let filter = assignments::Filter {
            reach: Reach::All,
            user_id: Some("u1".into()),
            role_id: Some("r2".into()),
            target: Some(p1.clone()),
        };
        assert_eq!(assignments::list(&mut tx, &filter, &Page::default()).await.expect("list").items.len(), 1);
        assert!(assignments::has(&mut tx, "u1", &p1, "r2").await.expect("has"));
        assert!(assignments::any(&mut tx, "u1", &Target::System).await.expect("any"));
        assert!(!assignments::any(&mut tx, "u2", &p1).await.expect("any"));
        assert_eq!(assignments::revoke(&mut tx, "u1", &p1, "r2").await.expect("revoke"), 1);
        assert_eq!(assignments::revoke(&mut tx, "u1", &p1, "r2").await.expect("revoke"), 0);
        assert_eq!(roles::delete(&mut tx, "r1").await.expect("delete"), 1);
        let rest = assignments::list(&mut tx, &assignments::Filter::all(), &Page::default()).await.expect("list").items;
        assert!(rest.is_empty(), "{rest:?}");
    }
}

#[tokio::test]
async fn a_token_stands_for_what_holds_now() {
    for database in databases().await {
        world(&database.db).await;
        let mut tx = database.db.begin().await.expect("begin");
        issue_all(&mut tx).await;
        let session = tokens::session(&mut tx, "t-project", NOW).await.expect("session").expect("valid");
        let names: Vec<&str> = session.roles.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["name-r1", "name-r2"], "{}", database.name);
        assert!(matches!(&session.scope, Scope::Project(project) if project.domain.name == "name-d1"));
        assert_eq!(session.audit_ids, ["audit-t-project"]);
        assert_eq!(alive(&mut tx).await.len(), 4);

        let late = NOW.plus(Duration::from_mins(1));
        assert!(tokens::session(&mut tx, "t-project", late).await.expect("session").is_none());
        assert!(tokens::session(&mut tx, "t-none", NOW).await.expect("session").is_none());

        // Without a role in its scope a token is worth nothing.
        assignments::revoke(&mut tx, "u1", &Target::System, "r1").await.expect("revoke");
        assert_eq!(alive(&mut tx).await, ["t-unscoped", "t-project", "t-domain"]);
        projects::update(&mut tx, &Project { enabled: false, ..project("p1", "d1") }).await.expect("disable");
        assert_eq!(alive(&mut tx).await, ["t-unscoped", "t-domain"]);
        domains::update(&mut tx, &Domain { enabled: false, ..domain("d1") }).await.expect("disable");
        assert!(alive(&mut tx).await.is_empty());
        domains::update(&mut tx, &domain("d1")).await.expect("enable");
        users::update(&mut tx, &User { enabled: false, ..user("u1", "d1") }).await.expect("disable");
        assert!(alive(&mut tx).await.is_empty());
    }
}

#[tokio::test]
async fn tokens_are_revoked_by_what_they_stand_on() {
    for database in databases().await {
        world(&database.db).await;
        let mut tx = database.db.begin().await.expect("begin");
        issue_all(&mut tx).await;
        assert_eq!(tokens::revoke(&mut tx, "t-system").await.expect("revoke"), 1);
        assert_eq!(tokens::revoke(&mut tx, "t-system").await.expect("revoke"), 0);
        assert_eq!(tokens::revoke_of_project(&mut tx, "p1").await.expect("revoke"), 1);
        assert_eq!(alive(&mut tx).await, ["t-unscoped", "t-domain"], "{}", database.name);
        assert_eq!(tokens::revoke_of_user(&mut tx, "u2").await.expect("revoke"), 0);
        assert_eq!(tokens::revoke_of_user(&mut tx, "u1").await.expect("revoke"), 2);
        issue_all(&mut tx).await;
        assert_eq!(tokens::revoke_of_domain(&mut tx, "d2").await.expect("revoke"), 0);
        assert_eq!(tokens::revoke_of_domain(&mut tx, "d1").await.expect("revoke"), 4);
        issue_all(&mut tx).await;
        assert_eq!(tokens::sweep(&mut tx, NOW, 10).await.expect("sweep"), 0);
        let late = NOW.plus(Duration::from_secs(61));
        assert_eq!(tokens::sweep(&mut tx, late, 3).await.expect("sweep"), 3);
        assert_eq!(tokens::sweep(&mut tx, late, 3).await.expect("sweep"), 1);
    }
}

#[tokio::test]
async fn deletion_takes_what_hangs_on_it() {
    for database in databases().await {
        world(&database.db).await;
        let mut tx = database.db.begin().await.expect("begin");
        issue_all(&mut tx).await;
        let guest = User { default_project_id: Some("p1".into()), ..user("u3", "d2") };
        users::insert(&mut tx, &guest, NOW).await.expect("guest");
        assignments::grant(&mut tx, "u3", &Target::Project("p1".into()), "r1").await.expect("grant");
        let child = Project { parent_id: Some("p1".into()), ..project("p3", "d1") };
        projects::insert(&mut tx, &child, NOW).await.expect("child");
        assert_eq!(projects::in_use(&mut tx, "p1").await.expect("in use"), []);
        assert_eq!(projects::ids_of_domain(&mut tx, "d1").await.expect("ids"), ["p1", "p3"]);

        assert_eq!(domains::delete(&mut tx, "d1").await.expect("delete"), 1, "{}", database.name);
        assert!(alive(&mut tx).await.is_empty());
        assert_eq!(projects::get(&mut tx, "p3").await.expect("get"), None);
        assert_eq!(users::get(&mut tx, "u1").await.expect("get"), None);
        assert_eq!(users::get(&mut tx, "u3").await.expect("get").expect("guest").default_project_id, None);
        assert!(
            assignments::list(&mut tx, &assignments::Filter::all(), &Page::default())
                .await
                .expect("list")
                .items
                .is_empty()
        );
        assert_eq!(projects::delete(&mut tx, "p2").await.expect("delete"), 1);
        assert_eq!(users::delete(&mut tx, "u2").await.expect("delete"), 1);
        assert_eq!(users::delete(&mut tx, "u2").await.expect("delete"), 0);
    }
}

/// What a project and a user keep without being in use by it; `o` is somebody else's.
const KEPT: &[&str] = &[
    "INSERT INTO security_groups (id, project_id, name, description, stateful, is_default, created_at, updated_at, revision) \
     VALUES ('g-P', 'P', 'default', '', 1, 1, 1, 1, 1)",
    "INSERT INTO security_rules (id, group_id, project_id, ingress, ip_version, remote_group_id, description, created_at, \
     revision) VALUES ('r-P', 'g-P', 'P', 1, 4, 'g-P', '', 1, 1)",
    "INSERT INTO security_rules (id, group_id, project_id, ingress, ip_version, remote_group_id, description, created_at, \
     revision) VALUES ('o-P', 'g-o', 'o', 1, 4, 'g-P', '', 1, 1)",
    "INSERT INTO port_groups (port_id, group_id) VALUES ('o', 'g-P')",
    "INSERT INTO routers (id, project_id, name, description, enabled, is_default, created_at, updated_at) \
     VALUES ('r-P', 'P', 'default', '', 1, 1, 1, 1)",
    "INSERT INTO quotas (project_id, name, quota_limit) VALUES ('P', 'servers', 1)",
    "INSERT INTO flavor_access (flavor_id, project_id) VALUES ('f', 'P')",
    "INSERT INTO server_groups (id, project_id, domain_id, user_id, name, policy, created_at) \
     VALUES ('s-P', 'P', 'd1', 'U', 'g', 'affinity', 1)",
    "INSERT INTO collection_items (id, plugin, collection, owner_id, schema_version, version, created_at, updated_at, body) \
     VALUES ('i-P', 'f', 'c', 'P', 1, 1, 1, 1, '{}')",
    "INSERT INTO collection_uniques (plugin, collection, owner_id, place, value, item_id) VALUES ('f', 'c', 'P', 0, '', 'i-P')",
    "INSERT INTO collection_usage (plugin, collection, owner_id, items, bytes) VALUES ('f', 'c', 'P', 1, 2)",
    "INSERT INTO keypairs (user_id, name, kind, public_key, fingerprint, created_at) \
     VALUES ('U', 'k', 'ssh', '', '', 1)",
];

async fn keep(tx: &mut Conn, project: &str, user: &str) {
    for sql in KEPT {
        let sql = sql.replace("'P'", &format!("'{project}'")).replace("-P'", &format!("-{project}'"));
        let sql = sql.replace("'U'", &format!("'{user}'"));
        tx.execute(sql.clone(), &[]).await.expect(&sql);
    }
}

#[tokio::test]
async fn nothing_of_a_deleted_project_or_user_is_left() {
    for database in databases().await {
        world(&database.db).await;
        let mut tx = database.db.begin().await.expect("begin");
        for sql in [
            KEPT[0].replace("'P'", "'o'").replace("-P'", "-o'"),
            "INSERT INTO networks (id, project_id, name, description, shared, external, enabled, is_default, port_security, \
             mtu, created_at, updated_at, revision) VALUES ('o', 'o', '', '', 0, 0, 1, 0, 1, 1500, 1, 1, 1)"
                .to_owned(),
            "INSERT INTO ports (id, network_id, project_id, name, description, mac, enabled, port_security, device_id, \
             device_owner, with_device, position, node, created_at, updated_at, revision) \
             VALUES ('o', 'o', 'o', '', '', '', 1, 1, '', '', 0, 0, '', 1, 1, 1)"
                .to_owned(),
        ] {
            tx.execute(sql.clone(), &[]).await.expect(&sql);
        }
        keep(&mut tx, "p1", "u1").await;
        keep(&mut tx, "p2", "u2").await;
        assert_eq!(domains::delete(&mut tx, "d1").await.expect("delete"), 1);
        assert_eq!(left(&mut tx).await, [2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1], "{}", database.name);
        assert_eq!(projects::delete(&mut tx, "p2").await.expect("delete"), 1);
        assert_eq!(users::delete(&mut tx, "u2").await.expect("delete"), 1);
        assert_eq!(left(&mut tx).await, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "{}", database.name);
    }
}

/// Rows of groups, rules, groups of ports, routers, quotas, flavor access, key pairs, server groups, records of plugins.
async fn left(conn: &mut Conn) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in [
        "security_groups",
        "security_rules",
        "port_groups",
        "routers",
        "quotas",
        "flavor_access",
        "keypairs",
        "server_groups",
        "collection_items",
        "collection_uniques",
        "collection_usage",
    ] {
        counts.push(conn.one(format!("SELECT count(*) FROM {table}"), &[], |row| row.int(0)).await.expect(table));
    }
    counts
}

#[tokio::test]
async fn a_nul_character_finds_nothing_and_is_no_defect() {
    for database in databases().await {
        let mut tx = database.db.begin().await.expect("begin");
        match projects::get(&mut tx, "\0").await {
            Ok(found) => assert_eq!(found, None),
            Err(error) => assert_eq!(error.code, ErrorCode::Invalid, "{}: {}", database.name, error.for_log()),
        }
    }
}

fn access_key(id: &str, user: &str, project: &str) -> AccessKey {
    AccessKey { id: id.into(), user_id: user.into(), project_id: project.into(), created_at: NOW }
}

/// Whom the key stands for, and its secret.
async fn stands_for(db: &Db, id: &str) -> Option<(String, Scope, Vec<String>, String)> {
    let found = access_keys::standing(&mut db.read().await.expect("read"), id).await.expect("standing");
    found.map(|(standing, secret)| {
        (standing.user.id, standing.scope, standing.roles.into_iter().map(|role| role.name).collect(), secret)
    })
}

#[tokio::test]
async fn an_access_key_stands_for_what_its_user_may_in_its_project_now() {
    for database in databases().await {
        let db = &database.db;
        world(db).await;
        let mut tx = db.begin().await.expect("begin");
        access_keys::insert(&mut tx, &access_key("k1", "u1", "p1"), "sealed").await.expect("insert");
        access_keys::insert(&mut tx, &access_key("k2", "u1", "p2"), "sealed too").await.expect("insert");
        let again = access_keys::insert(&mut tx, &access_key("k1", "u2", "p2"), "x").await.expect_err("taken");
        assert_eq!(again.code, ErrorCode::AlreadyExists);
        assert_eq!(access_keys::count_of_user(&mut tx, "u1").await.expect("count"), 2);
        tx.commit().await.expect("commit");
        let (user, scope, roles, secret) = stands_for(db, "k1").await.expect("the key");
        assert_eq!((user.as_str(), secret.as_str()), ("u1", "sealed"), "{}", database.name);
        assert!(matches!(scope, Scope::Project(project) if project.id == "p1" && project.domain.id == "d1"));
        assert_eq!(roles, ["name-r1", "name-r2"]);
        assert!(stands_for(db, "k2").await.is_none(), "no role in the project");
        assert!(stands_for(db, "k3").await.is_none());
        for (table, id) in [("users", "u1"), ("projects", "p1"), ("domains", "d1")] {
            for (enabled, stands) in [(0_i64, false), (1, true)] {
                let mut tx = db.begin().await.expect("begin");
                let sql = format!("UPDATE {table} SET enabled = $1 WHERE id = $2");
                tx.execute(sql, crate::args![enabled, id]).await.expect("update");
                tx.commit().await.expect("commit");
                assert_eq!(stands_for(db, "k1").await.is_some(), stands, "{table}");
            }
        }
    }
}

#[tokio::test]
async fn access_keys_go_with_their_user_their_project_and_their_domain() {
    for database in databases().await {
        let db = &database.db;
        world(db).await;
        let mut tx = db.begin().await.expect("begin");
        for (id, user, project) in [("k1", "u1", "p1"), ("k2", "u1", "p2"), ("k3", "u2", "p2"), ("k4", "u2", "p1")] {
            access_keys::insert(&mut tx, &access_key(id, user, project), "s").await.expect("insert");
        }
        tx.commit().await.expect("commit");
        let listed = async |user: Option<&str>| -> Vec<String> {
            let mut conn = db.read().await.expect("read");
            let found = access_keys::list(&mut conn, user, &[], &Page::default()).await.expect("list");
            found.items.into_iter().map(|key| key.id).collect()
        };
        assert_eq!(listed(None).await, ["k1", "k2", "k3", "k4"]);
        assert_eq!(listed(Some("u2")).await, ["k3", "k4"]);
        let mut tx = db.begin().await.expect("begin");
        assert_eq!(access_keys::delete(&mut tx, "k3").await.expect("delete"), 1);
        assert_eq!(access_keys::delete(&mut tx, "k3").await.expect("delete"), 0);
        projects::delete(&mut tx, "p2").await.expect("delete");
        tx.commit().await.expect("commit");
        assert_eq!(listed(None).await, ["k1", "k4"], "those of the project are gone");
        let mut tx = db.begin().await.expect("begin");
        users::delete(&mut tx, "u2").await.expect("delete");
        tx.commit().await.expect("commit");
        assert_eq!(listed(None).await, ["k1"]);
        let mut tx = db.begin().await.expect("begin");
        domains::delete(&mut tx, "d1").await.expect("delete");
        tx.commit().await.expect("commit");
        assert!(listed(None).await.is_empty(), "{}", database.name);
    }
}
