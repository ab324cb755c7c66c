//! Flavors, their access and extra specs.

use std::cell::RefCell;
use std::rc::Rc;

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::flavors::{Flavor, FlavorPage};
use skyloom_sdk::conditions::{from, is};
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, invalid, not_found};
use skyloom_sdk::{ErrorCode, rule};

type FlavorQuery = (Vec<skyloom_sdk::Condition>, skyloom_sdk::PageRequest);

fn with_flavors(next: Option<&str>) -> (FakeCloud, Seen<FlavorQuery>) {
    let seen = Seen::default();
    let (keep, next) = (seen.clone(), next.map(str::to_owned));
    let mut cloud = FakeCloud::default();
    cloud.flavors.list_flavors = Some(Box::new(move |conditions, page| {
        keep.push((conditions.to_vec(), page.clone()));
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
        let (wanted, page) = seen.only();
        assert_eq!(wanted, [from("memory-mib", 512), from("disk-gib", 1)]);
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
        assert_eq!(seen.all().pop().expect("a call").0, [is("all-projects", true)]);
        assert_eq!(ask(&cloud, upstream(), call.query("is_public", "None")).0, 200);
        assert!(seen.all().pop().expect("a call").0.is_empty());
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
    let changes = Seen::default();
    let keep = changes.clone();
    cloud.flavors.update_flavor = Some(Box::new(move |_, update| {
        keep.push(update.clone());
        Ok(flavor("1"))
    }));
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
    let with = |name: &str, value: Value| {
        let mut body = json!({ "name": "a", "ram": 1, "vcpus": 1, "disk": 1 });
        body[name] = value;
        body
    };
    for (name, value, says) in [
        ("ram", json!(2_147_483_648_u32), "2147483648. 2147483648 is greater than the maximum of 2147483647"),
        ("ram", json!("2147483648"), "2147483648. 2147483648 is greater than the maximum of 2147483647"),
        (
            "vcpus",
            json!("99999999999999999999"),
            "99999999999999999999. 99999999999999999999 is greater than the maximum of 2147483647",
        ),
        ("vcpus", json!("0"), "0. 0 is less than the minimum of 1"),
        ("disk", json!("1x"), "1x. '1x' does not match '^[0-9]*$'"),
        ("rxtx_factor", json!("0"), "0. '0' is less than or equal to the minimum of 0"),
        ("id", json!(" x"), " x. ' x' does not match '^(?! )[a-zA-Z0-9. _-]+(?<! )$'"),
        ("id", json!("a\nb"), "a\nb. 'a\\nb' does not match '^(?! )[a-zA-Z0-9. _-]+(?<! )$'"),
    ] {
        let said = refused(&cloud, upstream(), create(with(name, value)), 400);
        assert_eq!(said, format!("Invalid input for field/attribute {name}. Value: {says}"));
    }
    let change = put("flavors.update", "/v2.1/flavors/1", &json!({ "flavor": { "description": null } }))
        .param("flavor_id", "1")
        .version(2, 55);
    assert_eq!(ask(&cloud, upstream(), change).0, 200);
    assert_eq!((changes.only().description, changes.only().attributes), (Some(None), None));
    let rename = put("flavors.update", "/v2.1/flavors/1", &json!({ "flavor": { "name": "x" } }))
        .param("flavor_id", "1")
        .version(2, 55);
    refused(&cloud, upstream(), rename, 400);
    assert_eq!(
        ask(&cloud, upstream(), Call::new("flavors.delete", "DELETE", "/v2.1/flavors/1").param("flavor_id", "1")).0,
        202
    );
    cloud.flavors.create_flavor =
        Some(Box::new(|_| Err(error(ErrorCode::AlreadyExists, "Flavor with name big already exists."))));
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
