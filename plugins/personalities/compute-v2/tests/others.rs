//! Versions, limits, zones; and what holds for every operation.

use crate::support::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{Server, Zone};
use skyloom_sdk::rule;
use skyloom_sdk::testing::{Call, FakeCloud, header_of};

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

#[test]
fn the_manifest_offers_the_versions_of_the_library() {
    let manifest = include_str!("../plugin.toml");
    assert!(manifest.contains(&format!("max = \"2.{}\"", nova::microversions::MAX)));
    assert!(manifest.contains("min = \"2.1\"") && manifest.contains("default = \"2.1\""));
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
        if table.contains("nova.server_tags") {
            // They need a microversion, and `/v2` has none.
            assert!(table.contains("min-version = \"2.26\"") && !table.contains("\"/v2/"), "{table}");
            continue;
        }
        let paths: Vec<&str> = table.split('"').filter(|text| text.starts_with("/v2.1")).collect();
        for path in &paths {
            assert!(table.contains(&format!("\"/v2{}\"", &path[5..])), "{path}");
        }
        let Some((_, catalog)) = table.split_once("catalog = [") else { continue };
        let ids: Vec<&str> = catalog.split('"').filter(|text| text.starts_with("nova.")).collect();
        if ids[0].starts_with("nova.versions") {
            continue;
        }
        let with_project = paths.iter().filter(|path| path.contains("{project_id}")).count();
        assert_eq!((with_project, paths.len()), (ids.len(), 2 * ids.len()), "{ids:?}");
        operations += 1;
        for id in ids {
            rule!(id, "93a8bc16");
        }
    }
    assert!(operations > 30);
    // An alias is another path of one operation.
    rule!("nova.servers.create_boot_from_volume", "813d7043");
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
                    let response = compute_v2::handle_with(
                        &FakeCloud::default(),
                        compute_v2::Settings { dialect, ..Default::default() },
                        &request,
                    );
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

#[test]
fn a_guest_that_hands_over_no_password_has_none_to_read() {
    let cloud = with_server(server());
    let of = |operation: &str, method: &str, id: &str| {
        Call::new(operation, method, "/v2.1/servers/x/os-server-password").version(2, 1).param("server_id", id)
    };
    let shown = ask(&cloud, upstream(), of("server_password.show", "GET", SERVER));
    assert_eq!(shown, (200, json!({ "password": "" })));
    let cleared = call(&cloud, upstream(), of("server_password.clear", "DELETE", SERVER));
    assert_eq!((cleared.status, cleared.body), (204, skyloom_sdk::Body::Empty));
    for (operation, method) in [("server_password.show", "GET"), ("server_password.clear", "DELETE")] {
        let message = refused(&cloud, upstream(), of(operation, method, "gone"), 404);
        assert_eq!(message, "Instance gone could not be found.");
    }
    // A lock keeps it from everybody but operators; read it may be.
    let cloud = with_server(Server { locked: true, ..server() });
    let clear = || of("server_password.clear", "DELETE", SERVER);
    assert_eq!(refused(&cloud, upstream(), clear(), 409), format!("Instance {SERVER} is locked"));
    assert_eq!(call(&cloud, upstream(), clear().admin()).status, 204);
    assert_eq!(ask(&cloud, upstream(), of("server_password.show", "GET", SERVER)), (200, json!({ "password": "" })));
    rule!("nova.server_password.show", "21b331b1");
    rule!("nova.server_password.clear", "21b331b1");
}
