//! Versions, flavors, key pairs, limits, zones; and what holds for every operation.

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::Zone;
use skyloom_sdk::cloud::flavors::{Flavor, FlavorPage};
use skyloom_sdk::cloud::keypairs::{KeyKind, Keypair, KeypairCreate, KeypairPage};
use skyloom_sdk::cloud::quotas::Quota;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, header_of, invalid, not_found};
use skyloom_sdk::{ErrorCode, rule};
use support::*;

#[test]
fn versions_are_for_everybody() {
    let cloud = FakeCloud::default();
    let (status, body) = ask(&cloud, upstream(), Call::new("versions.list", "GET", "/").anonymous());
    assert_eq!(status, 200);
    assert_eq!(
        body["versions"],
        json!([
            {"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z",
             "links": [{"rel": "self", "href": "http://cloud.test/v2/"}]},
            {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1", "updated": "2013-07-23T11:33:21Z",
             "links": [{"rel": "self", "href": "http://cloud.test/v2.1/"}]},
        ])
    );
    let (_, body) = ask(&cloud, upstream(), Call::new("versions.show", "GET", "/v2.1/").anonymous());
    assert_eq!(body["version"]["version"], "2.96");
    assert_eq!(body["version"]["media-types"][0]["type"], "application/vnd.openstack.compute+json;version=2.1");
    let (_, body) = ask(&cloud, upstream(), Call::new("versions.show", "GET", "/v2").anonymous());
    assert_eq!((&body["version"]["id"], &body["version"]["version"]), (&json!("v2.0"), &json!("")));
    rule!("nova.versions.list", "5d715592", "d607af02");
    rule!("nova.versions.show", "5d715592");
}

#[test]
fn no_header_means_the_first_microversion() {
    let plain = Call::new("servers.show", "GET", "/v2.1/servers/x").param("server_id", SERVER);
    let cloud = with_server(server());
    let first = ask(&cloud, upstream(), plain.clone().version(2, 1)).1;
    assert_eq!(ask(&cloud, upstream(), plain.clone()).1, first);
    assert_ne!(ask(&cloud, upstream(), plain.version(2, 96)).1, first);
    for operation in ["nova.versions.list", "nova.versions.show"] {
        rule!(operation, "399c221a");
    }
}

/// `/v2` is `/v2.1` without microversions: every operation of the catalogue has both paths, and a header changes nothing.
#[test]
fn both_paths_serve_every_operation() {
    let manifest = include_str!("../plugin.toml");
    let cloud = with_server(server());
    let old = Call::new("servers.show", "GET", "/v2/servers/x").param("server_id", SERVER).version(2, 96);
    assert!(ask(&cloud, upstream(), old).1["server"].get("tags").is_none());
    let mut operations = 0;
    for table in manifest.split("[[operation]]").skip(1) {
        let paths: Vec<&str> = table.split('"').filter(|text| text.starts_with("/v2.1")).collect();
        for path in &paths {
            assert!(table.contains(&format!("\"/v2{}\"", &path[5..])), "{path}");
        }
        let Some((_, catalog)) = table.split_once("catalog = [\"") else { continue };
        let id = catalog.split('"').next().unwrap_or_default();
        if id.starts_with("nova.versions") {
            continue;
        }
        assert!(paths.iter().any(|path| path.contains("{project_id}")) && paths.len() == 2, "{id}");
        operations += 1;
        rule!(id, "93a8bc16");
    }
    assert!(operations > 30);
    for operation in ["nova.versions.list", "nova.versions.show"] {
        rule!(operation, "69864847");
    }
}

/// Every operation of the manifest is known to the plugin, whatever comes; a fake that supports nothing shows where each ends.
#[test]
fn every_operation_is_served() {
    let manifest = include_str!("../plugin.toml");
    for table in manifest.split("[[operation]]").skip(1) {
        let id = table.split("id = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        for body in [&b""[..], b"{}", b"[]", b"{\"server\":{}}", b"\xff", b"{\"a\":", b"null"] {
            for dialect in BOTH {
                for version in [1, 38, 96] {
                    let request = Call::new(id, "POST", "/v2.1/x").raw_body(body).version(2, version).build();
                    let response =
                        compute_v2::handle_with(&FakeCloud::default(), compute_v2::Settings { dialect }, &request);
                    let text = format!("{response:?}");
                    assert!(!text.contains("There is no operation"), "{id}");
                    assert!(response.status < 500, "{id} {body:?}: {text}");
                    assert!(
                        response.status == 400 || response.status == 404 || id.starts_with("versions"),
                        "{id}: {text}"
                    );
                    if response.status >= 400 {
                        assert_eq!(header_of(&response, "content-type"), Some("application/json"));
                    }
                }
            }
        }
    }
    let unknown = Call::new("nonsense", "GET", "/v2.1/nonsense");
    refused(&FakeCloud::default(), upstream(), unknown, 404);
}

type FlavorQuery = (skyloom_sdk::cloud::flavors::FlavorFilter, skyloom_sdk::PageRequest);

fn with_flavors(next: Option<&str>) -> (FakeCloud, Seen<FlavorQuery>) {
    let seen = Seen::default();
    let (keep, next) = (seen.clone(), next.map(str::to_owned));
    let mut cloud = FakeCloud::default();
    cloud.flavors.list_flavors = Some(Box::new(move |filter, page| {
        keep.push((filter.clone(), page.clone()));
        Ok(FlavorPage { flavors: vec![flavor("1")], next: next.clone() })
    }));
    cloud.flavors.get_flavor =
        Some(Box::new(|id| if id == "1" { Ok(flavor("1")) } else { Err(not_found("flavor", id)) }));
    (cloud, seen)
}

#[test]
fn flavors_are_listed_in_pages() {
    for (operation, path, id) in [
        ("flavors.list", "/v2.1/flavors", "nova.flavors.list"),
        ("flavors.list_detail", "/v2.1/flavors/detail", "nova.flavors.list_detail"),
    ] {
        let (cloud, seen) = with_flavors(Some("1"));
        let call = Call::new(operation, "GET", path);
        let (status, body) =
            ask(&cloud, ecs(), call.clone().query("minRam", "512").query("minDisk", "1").query("limit", "1"));
        assert_eq!(status, 200);
        assert_eq!(body["flavors"][0]["id"], "1");
        let next = format!("http://cloud.test{path}?minRam=512&minDisk=1&limit=1&marker=1");
        assert_eq!(body["flavors_links"], json!([{"rel": "next", "href": next}]));
        let (filter, page) = seen.only();
        assert_eq!((filter.min_memory_mib, filter.min_disk_gib, filter.is_public), (Some(512), Some(1), None));
        assert_eq!((page.limit, page.sort[0].field.as_str(), page.sort[0].descending), (1, "id", false));
        assert_eq!(ask(&cloud, ecs(), call.clone().query("sort_key", "memory_mb").query("sort_dir", "desc")).0, 200);
        let (_, page) = seen.all().pop().expect("a call");
        assert_eq!((page.sort[0].field.as_str(), page.sort[0].descending), ("memory-mib", true));
        for (name, value) in [
            ("minRam", "x"),
            ("minDisk", "-1"),
            ("sort_key", "nonsense"),
            ("sort_dir", "up"),
            ("limit", "x"),
            ("is_public", "maybe"),
        ] {
            refused(&cloud, ecs(), call.clone().query(name, value), 400);
        }
        assert_eq!(ask(&cloud, upstream(), call.clone().query("is_public", "None").admin()).0, 200);
        assert!(seen.all().pop().expect("a call").0.all);
        assert_eq!(ask(&cloud, upstream(), call.query("is_public", "None")).0, 200);
        assert!(!seen.all().pop().expect("a call").0.all);
        rule!(id, "c9571466", "3fa43720", "c8c95369");
    }
}

#[test]
fn a_flavor_is_shown() {
    let (cloud, _) = with_flavors(None);
    let show = |version| {
        ask(
            &cloud,
            upstream(),
            Call::new("flavors.show", "GET", "/v2.1/flavors/1").param("flavor_id", "1").version(2, version),
        )
        .1["flavor"]
            .clone()
    };
    assert_eq!(
        show(1),
        json!({"id": "1", "name": "m1.tiny", "ram": 512, "disk": 1, "vcpus": 1, "swap": "", "OS-FLV-EXT-DATA:ephemeral": 0,
            "OS-FLV-DISABLED:disabled": false, "os-flavor-access:is_public": true, "rxtx_factor": 1.0, "links": [
                {"rel": "self", "href": "http://cloud.test/v2.1/flavors/1"}, {"rel": "bookmark", "href": "http://cloud.test/flavors/1"}]})
    );
    assert_eq!(
        (&show(55)["description"], &show(61)["extra_specs"], &show(75)["swap"]),
        (&json!("small"), &json!({"hw:cpu": "x"}), &json!(0))
    );
    let missing = Call::new("flavors.show", "GET", "/v2.1/flavors/9").param("flavor_id", "9");
    assert_eq!(refused(&cloud, upstream(), missing, 404), "Flavor 9 could not be found.");
}

#[test]
fn flavors_are_made_changed_and_deleted() {
    let (mut cloud, _) = with_flavors(None);
    let seen = Seen::default();
    let keep = seen.clone();
    cloud.flavors.create_flavor = Some(Box::new(move |create| {
        keep.push(create.clone());
        Ok(flavor("1"))
    }));
    cloud.flavors.update_flavor = Some(Box::new(|_, _| Ok(flavor("1"))));
    cloud.flavors.delete_flavor = Some(Box::new(|_| Ok(())));
    let create = |body: Value| post("flavors.create", "/v2.1/flavors", &json!({ "flavor": body }));
    let body = json!({ "name": "big", "ram": "1024", "vcpus": 2, "disk": 20, "id": "auto", "swap": "", "rxtx_factor": 1.5,
        "OS-FLV-EXT-DATA:ephemeral": 5, "os-flavor-access:is_public": "False" });
    assert_eq!(ask(&cloud, upstream(), create(body)).0, 200);
    let made = seen.only();
    assert_eq!((made.id, made.memory_mib, made.vcpus, made.disk_gib), (None, 1024, 2, 20));
    assert_eq!((made.swap_mib, made.ephemeral_gib, made.rxtx_factor_milli, made.is_public), (0, 5, 1500, false));
    for bad in [
        json!({ "name": "", "ram": 1, "vcpus": 1, "disk": 1 }),
        json!({ "name": "a", "ram": 0, "vcpus": 1, "disk": 1 }),
        json!({ "name": "a", "ram": 1, "vcpus": 1 }),
        json!({ "name": "a", "ram": 1, "vcpus": 1, "disk": 1, "rxtx_factor": 0 }),
        json!({ "name": "a", "ram": 1, "vcpus": 1, "disk": 1, "id": " x" }),
        json!({ "name": "a", "ram": 1, "vcpus": 1, "disk": 1, "description": "d" }),
    ] {
        refused(&cloud, upstream(), create(bad), 400);
    }
    let change = put("flavors.update", "/v2.1/flavors/1", &json!({ "flavor": { "description": null } }))
        .param("flavor_id", "1")
        .version(2, 55);
    assert_eq!(ask(&cloud, upstream(), change).0, 200);
    let rename = put("flavors.update", "/v2.1/flavors/1", &json!({ "flavor": { "name": "x" } }))
        .param("flavor_id", "1")
        .version(2, 55);
    refused(&cloud, upstream(), rename, 400);
    assert_eq!(
        ask(&cloud, upstream(), Call::new("flavors.delete", "DELETE", "/v2.1/flavors/1").param("flavor_id", "1")).0,
        202
    );
    cloud.flavors.create_flavor = Some(Box::new(|_| Err(error(ErrorCode::AlreadyExists, "exists"))));
    let twice = create(json!({ "name": "big", "ram": 1, "vcpus": 1, "disk": 1 }));
    assert_eq!(refused(&cloud, upstream(), twice, 409), "Flavor with name big already exists.");
}

#[test]
fn a_private_flavor_is_given_and_taken() {
    let (mut cloud, _) = with_flavors(None);
    let given = Rc::new(RefCell::new(vec!["project-1".to_owned()]));
    let (listed, added, removed) = (given.clone(), given.clone(), given.clone());
    cloud.flavors.list_flavor_access = Some(Box::new(move |_| Ok(listed.borrow().clone())));
    cloud.flavors.add_flavor_access = Some(Box::new(move |id, project| match (id, project) {
        ("1", _) => Err(error(ErrorCode::WrongState, "public")),
        (_, "nobody") => Err(invalid("project-id", "Project ID nobody is not a valid project.")),
        (_, project) if added.borrow().iter().any(|other| other == project) => {
            Err(error(ErrorCode::AlreadyExists, "Flavor access already exists."))
        }
        (_, project) => {
            added.borrow_mut().push(project.to_owned());
            Ok(())
        }
    }));
    cloud.flavors.remove_flavor_access = Some(Box::new(move |_, project| {
        let before = removed.borrow().len();
        removed.borrow_mut().retain(|other| other != project);
        if removed.borrow().len() < before {
            return Ok(());
        }
        let mut missing = not_found("flavor", "private");
        missing.field = Some("project-id".to_owned());
        Err(missing)
    }));
    cloud.flavors.get_flavor = Some(Box::new(|id| Ok(Flavor { is_public: id == "1", ..flavor("1") })));
    let list =
        |id: &str| Call::new("flavors.list_access", "GET", "/v2.1/flavors/x/os-flavor-access").param("flavor_id", id);
    let act = |operation: &str, id: &str, body: Value| {
        post(operation, "/v2.1/flavors/x/action", &body).param("flavor_id", id)
    };
    let add =
        |id: &str, tenant: &str| act("flavors.add_access", id, json!({ "addTenantAccess": { "tenant": tenant } }));
    let remove =
        |tenant: &str| act("flavors.remove_access", "private", json!({ "removeTenantAccess": { "tenant": tenant } }));
    let access = |projects: &[&str]| {
        let all: Vec<Value> = projects.iter().map(|id| json!({ "flavor_id": "private", "tenant_id": id })).collect();
        (200, json!({ "flavor_access": all }))
    };
    assert_eq!(ask(&cloud, upstream(), list("private")), access(&["project-1"]));
    refused(&cloud, upstream(), list("1"), 404);
    assert_eq!(ask(&cloud, upstream(), add("private", "project-2")), access(&["project-1", "project-2"]));
    refused(&cloud, upstream(), add("private", "project-2"), 409);
    assert_eq!(refused(&cloud, upstream(), add("1", "project-2"), 409), "Can not add access to a public flavor.");
    refused(&cloud, upstream(), add("private", "nobody"), 400);
    for body in [
        json!({ "addTenantAccess": {} }),
        json!({ "addTenantAccess": null }),
        json!({ "addTenantAccess": { "tenant": 1 } }),
        json!({ "addTenantAccess": { "tenant": "" } }),
    ] {
        refused(&cloud, upstream(), act("flavors.add_access", "private", body), 400);
    }
    assert_eq!(ask(&cloud, upstream(), remove("project-1")), access(&["project-2"]));
    refused(&cloud, upstream(), remove("project-1"), 404);
}

#[test]
fn extra_specs_are_a_map() {
    let (mut cloud, _) = with_flavors(None);
    let seen = Seen::default();
    let keep = seen.clone();
    cloud.flavors.set_extra_specs = Some(Box::new(move |_, items| {
        keep.push(items.to_vec());
        Ok(items.to_vec())
    }));
    cloud.flavors.delete_extra_spec = Some(Box::new(|_, key| {
        if key == "hw:cpu" {
            Ok(())
        } else {
            let mut missing = not_found("extra spec", key);
            missing.field = Some("key".to_owned());
            Err(missing)
        }
    }));
    let path = "/v2.1/flavors/1/os-extra_specs";
    let of = |call: Call| call.param("flavor_id", "1");
    assert_eq!(
        ask(&cloud, ecs(), of(Call::new("flavors.list_extra_specs", "GET", path))).1,
        json!({"extra_specs": {"hw:cpu": "x"}})
    );
    let body = json!({"extra_specs": {"a:b": "1", "c": 2}});
    assert_eq!(
        ask(&cloud, upstream(), of(post("flavors.create_extra_specs", path, &body))).1,
        json!({"extra_specs": {"a:b": "1", "c": "2"}})
    );
    assert_eq!(seen.only().len(), 2);
    let item = |key: &str, body: Value| of(put("flavors.update_extra_spec", path, &body)).param("key", key);
    assert_eq!(ask(&cloud, upstream(), item("a", json!({"a": "1"}))), (200, json!({"a": "1"})));
    refused(&cloud, upstream(), item("b", json!({"a": "1"})), 400);
    refused(&cloud, upstream(), item("a/b", json!({"a/b": "1"})), 400);
    let show = |key: &str| of(Call::new("flavors.show_extra_spec", "GET", path)).param("key", key);
    assert_eq!(ask(&cloud, upstream(), show("hw:cpu")).1, json!({"hw:cpu": "x"}));
    assert_eq!(refused(&cloud, upstream(), show("q"), 404), "Flavor 1 has no extra specs with key q.");
    let delete = |key: &str| of(Call::new("flavors.delete_extra_spec", "DELETE", path)).param("key", key);
    assert_eq!(ask(&cloud, upstream(), delete("hw:cpu")).0, 200);
    refused(&cloud, upstream(), delete("q"), 404);
}

fn own_keypair(private: bool) -> Keypair {
    Keypair {
        public_key: "ssh-ed25519 AAAA".to_owned(),
        private_key: private.then(|| "secret:9".to_owned()),
        ..keypair("key", 0)
    }
}

fn with_keypairs() -> (FakeCloud, Seen<KeypairCreate>, Seen<Option<String>>) {
    let (seen, users) = (Seen::default(), Seen::default());
    let mut cloud = FakeCloud::default();
    let keep = users.clone();
    cloud.keypairs.list_keypairs = Some(Box::new(move |user, page| {
        keep.push(user.map(str::to_owned));
        Ok(KeypairPage { keypairs: vec![own_keypair(false)], next: (page.limit == 1).then(|| "key".to_owned()) })
    }));
    cloud.keypairs.get_keypair =
        Some(Box::new(|name, _| if name == "key" { Ok(own_keypair(false)) } else { Err(not_found("keypair", name)) }));
    let keep = seen.clone();
    cloud.keypairs.create_keypair = Some(Box::new(move |create| {
        keep.push(create.clone());
        Ok(own_keypair(create.public_key.is_none()))
    }));
    cloud.keypairs.delete_keypair =
        Some(Box::new(|name, _| if name == "key" { Ok(()) } else { Err(not_found("keypair", name)) }));
    (cloud, seen, users)
}

const KEYPAIRS: &str = "/v2.1/os-keypairs";

#[test]
fn key_pairs_are_listed_and_shown() {
    let (cloud, _, users) = with_keypairs();
    let list = |version| Call::new("keypairs.list", "GET", KEYPAIRS).version(2, version);
    let plain = json!({"name": "key", "public_key": "ssh-ed25519 AAAA", "fingerprint": "aa:bb"});
    assert_eq!(ask(&cloud, ecs(), list(1).query("limit", "1")).1, json!({"keypairs": [{"keypair": plain}]}));
    assert_eq!(ask(&cloud, ecs(), list(2)).1["keypairs"][0]["keypair"]["type"], "ssh");
    let (_, body) = ask(&cloud, upstream(), list(35).query("limit", "1").query("user_id", "other"));
    assert_eq!(
        body["keypairs_links"][0]["href"],
        "http://cloud.test/v2.1/os-keypairs?limit=1&user_id=other&marker=key"
    );
    assert_eq!(ask(&cloud, upstream(), list(9).query("user_id", "other")).0, 200);
    // In the vendor's document nobody sees another's.
    assert_eq!(ask(&cloud, ecs(), list(35).query("user_id", "other").admin()).0, 200);
    assert_eq!(users.all(), [None, None, Some("other".to_owned()), None, None]);
    let show = |name: &str| Call::new("keypairs.show", "GET", KEYPAIRS).param("keypair_name", name);
    let (_, body) = ask(&cloud, ecs(), show("key"));
    let shown = &body["keypair"];
    assert_eq!(
        (&shown["created_at"], &shown["deleted"], &shown["user_id"]),
        (&json!("2026-01-31T12:00:00.500000"), &json!(false), &json!("user-1"))
    );
    assert!(shown["id"].as_u64().is_some_and(|id| id > 0) && shown.get("type").is_none());
    assert_eq!(ask(&cloud, ecs(), show("key").version(2, 2)).1["keypair"]["type"], "ssh");
    assert_eq!(refused(&cloud, ecs(), show("q"), 404), "Keypair q not found for user user-1");
    rule!("nova.keypairs.list", "fda28b0a");
    rule!("nova.keypairs.show", "fda28b0a");
}

#[test]
fn key_pairs_are_made_once_and_deleted() {
    let (mut cloud, seen, _) = with_keypairs();
    let create =
        |version, body: Value| post("keypairs.create", KEYPAIRS, &json!({ "keypair": body })).version(2, version);
    let (status, body) = ask(&cloud, ecs(), create(1, json!({ "name": "key" })));
    assert_eq!((status, &body["keypair"]["private_key"]), (200, &json!("secret:9")));
    let (status, body) = ask(
        &cloud,
        ecs(),
        create(10, json!({ "name": "key", "public_key": "ssh-rsa A", "type": "ssh", "user_id": "u" })),
    );
    assert_eq!(status, 201);
    assert!(body["keypair"].get("private_key").is_none());
    let made = &seen.all()[1];
    assert_eq!(
        (made.public_key.as_deref(), made.kind, made.user_id.as_deref()),
        (Some("ssh-rsa A"), KeyKind::Ssh, Some("u"))
    );
    let certificate = create(2, json!({ "name": "key", "type": "x509" }));
    assert!(refused(&cloud, upstream(), certificate, 400).contains("not supported"));
    refused(&cloud, ecs(), create(1, json!({ "name": "key", "type": "ssh" })), 400);
    refused(&cloud, ecs(), create(9, json!({ "name": "key", "user_id": "u" })), 400);
    refused(&cloud, upstream(), create(92, json!({ "name": "key" })), 400);
    for (version, name, fine) in [
        (1, "a@b.c", false),
        (92, "a@b.c", true),
        (1, "a b_-", true),
        (1, "a/b", false),
        (1, "", false),
        (1, " a", false),
    ] {
        let (status, _) = ask(&cloud, upstream(), create(version, json!({ "name": name, "public_key": "ssh-rsa A" })));
        assert_eq!(status < 400, fine, "{name}");
    }
    let delete = |name: &str, version| {
        Call::new("keypairs.delete", "DELETE", KEYPAIRS).param("keypair_name", name).version(2, version)
    };
    assert_eq!((ask(&cloud, ecs(), delete("key", 1)).0, ask(&cloud, ecs(), delete("key", 2)).0), (202, 204));
    refused(&cloud, ecs(), delete("q", 1), 404);
    cloud.keypairs.create_keypair = Some(Box::new(|_| Err(error(ErrorCode::AlreadyExists, "exists"))));
    assert_eq!(refused(&cloud, ecs(), create(1, json!({ "name": "key" })), 409), "Key pair 'key' already exists.");
    cloud.keypairs.create_keypair = Some(Box::new(|_| Err(invalid("public-key", "no key"))));
    refused(&cloud, ecs(), create(1, json!({ "name": "key", "public_key": "x" })), 400);
    rule!("nova.keypairs.create", "f667f018", "de56eb42", "f81913e4", "03690b4b");
    rule!("nova.keypairs.delete", "7b326e33");
}

fn with_quotas() -> FakeCloud {
    let mut cloud = FakeCloud::default();
    cloud.quotas.get_quotas = Some(Box::new(|project| {
        let quota = |name: &str, limit, used| Quota { name: name.to_owned(), limit, used };
        let servers = if project == Some("other") { 7 } else { 10 };
        Ok(vec![
            quota("servers", servers, 2),
            quota("vcpus", -1, 3),
            quota("memory-mib", 51_200, 1024),
            quota("keypairs", 100, 0),
            quota("security-groups", 10, 1),
            quota("security-group-rules", 100, 4),
            quota("public-addresses", 5, 0),
            quota("metadata-items", 128, 0),
            quota("server-groups", 10, 0),
            quota("server-group-members", 10, 0),
        ])
    }));
    cloud
}

#[test]
fn limits_are_a_projects_own() {
    let cloud = with_quotas();
    let limits = |settings, version| {
        ask(&cloud, settings, Call::new("limits.show", "GET", "/v2.1/limits").version(2, version)).1["limits"]["absolute"].clone()
    };
    let first = limits(upstream(), 1);
    assert_eq!(
        (&first["maxTotalInstances"], &first["totalInstancesUsed"], &first["maxTotalCores"]),
        (&json!(10), &json!(2), &json!(-1))
    );
    assert_eq!(
        (&first["maxSecurityGroupRules"], &first["maxImageMeta"], &first["maxPersonality"]),
        (&json!(100), &json!(128), &json!(0))
    );
    for (member, gone) in
        [("maxSecurityGroups", 36), ("maxTotalFloatingIps", 36), ("maxImageMeta", 39), ("maxPersonality", 57)]
    {
        assert!(
            limits(upstream(), gone - 1).get(member).is_some() && limits(upstream(), gone).get(member).is_none(),
            "{member}"
        );
    }
    assert!(
        limits(ecs(), 34).get("maxSecurityGroupRules").is_some()
            && limits(ecs(), 35).get("maxSecurityGroupRules").is_none()
    );
    assert!(limits(ecs(), 60).get("maxSecurityGroups").is_some());
    let of = |name: &str, project: &str| Call::new("limits.show", "GET", "/v2.1/limits").query(name, project);
    assert_eq!(ask(&cloud, ecs(), of("project_id", "project-1")).0, 200);
    refused(&cloud, ecs(), of("project_id", "other"), 403);
    refused(&cloud, ecs(), of("project_id", "other").admin(), 403);
    refused(&cloud, upstream(), of("tenant_id", "other"), 403);
    let (_, body) = ask(&cloud, upstream(), of("tenant_id", "other").admin());
    assert_eq!(body["limits"]["absolute"]["maxTotalInstances"], 7);
    rule!("nova.limits.show", "8740f1ce", "669fff9e", "df119ac2");
}

#[test]
fn zones_are_listed_with_hosts_for_operators() {
    let mut cloud = FakeCloud::default();
    cloud.compute.list_zones = Some(Box::new(|| {
        Ok(vec![Zone { name: "nova".to_owned(), available: true, nodes: vec!["node-1".to_owned()] }])
    }));
    let zone = |hosts: Value| json!({"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": true}, "hosts": hosts}]});
    let (_, body) = ask(&cloud, upstream(), Call::new("availability_zones.list", "GET", "/v2.1/os-availability-zone"));
    assert_eq!(body, zone(Value::Null));
    let (_, body) = ask(
        &cloud,
        upstream(),
        Call::new("availability_zones.list_detail", "GET", "/v2.1/os-availability-zone/detail").admin(),
    );
    assert_eq!(
        body,
        zone(json!({"node-1": {"nova-compute": {"active": true, "available": true, "updated_at": null}}}))
    );
}

#[test]
fn links_hold_the_project_where_the_path_does() {
    let cloud = with_server(server());
    let call = get("servers.show", "/v2.1/project-1/servers/x").param("project_id", "project-1");
    let links = ask(&cloud, upstream(), call).1["server"]["links"].clone();
    assert_eq!(links[0]["href"], format!("http://cloud.test/v2.1/project-1/servers/{SERVER}"));
    assert_eq!(links[1]["href"], format!("http://cloud.test/project-1/servers/{SERVER}"));
}
