//! POST /servers.

use crate::support::*;
use serde_json::json;
use skyloom_sdk::cloud::compute::{NetworkChoice, OnFailure, PasswordChoice};
use skyloom_sdk::testing::{error, header_of, json_of, not_found, not_permitted};
use skyloom_sdk::{ErrorCode, rule};

const CREATE: &str = "nova.servers.create";

#[test]
fn a_creation_answers_before_the_server_is_there() {
    for dialect in BOTH {
        let (cloud, seen) = with_create();
        let response = call(&cloud, compute_v2::Settings { dialect, ..Default::default() }, create_call(1, json!({})));
        assert_eq!(response.status, 202);
        let own = format!("http://cloud.test/v2.1/servers/{SERVER}");
        assert_eq!(header_of(&response, "location"), Some(own.as_str()));
        let body = json_of(&response);
        assert_eq!(
            body["server"],
            json!({
                "id": SERVER, "adminPass": "secret:1", "OS-DCF:diskConfig": "MANUAL", "security_groups": [{"name": "default"}],
                "links": [{"rel": "self", "href": own}, {"rel": "bookmark", "href": format!("http://cloud.test/servers/{SERVER}")}],
            })
        );
        let create = seen.only();
        assert_eq!(create.names, ["web"]);
        assert_eq!(
            (create.min_count, create.flavor_id.as_str(), create.disks[0].source_id.as_deref()),
            (1, "1", Some(IMAGE))
        );
        assert_eq!(create.networks, NetworkChoice::Automatic);
        // What failed stays in error; the other face's call removes it.
        assert_eq!(create.on_failure, OnFailure::Keep);
        assert!(create.zone.is_none() && create.public_address.is_none() && !create.as_batch);
    }
    rule!(CREATE, "1dd351f5", "8b8227bd", "f24d1c3c", "db1ae008");
}

#[test]
fn both_paths_reach_it_with_their_own_links() {
    let (cloud, seen) = with_create();
    let mut request = create_call(19, json!({ "description": "mine" })).param("project_id", "project-1").build();
    request.path = "/v2/project-1/servers".to_owned();
    let response = compute_v2::handle_with(&cloud, ecs(), &request);
    assert_eq!(response.status, 202);
    let href = format!("http://cloud.test/v2/project-1/servers/{SERVER}");
    assert_eq!(json_of(&response)["server"]["links"][0]["href"], href);
    // No microversions on /v2: the name is the description, as at 2.1.
    assert_eq!(seen.only().description.as_deref(), Some("web"));
    rule!(CREATE, "93a8bc16");
}

#[test]
fn several_servers_have_several_names() {
    let (cloud, seen) = with_create();
    let (status, _) = ask(&cloud, upstream(), create_call(1, json!({ "min_count": "2", "max_count": 3 })));
    assert_eq!(status, 202);
    assert_eq!(seen.only().names, ["web-1", "web-2", "web-3"]);
    assert_eq!(seen.only().min_count, 2);

    for (name, expected) in [("web", ["web-0000", "web-0001"]), ("web-0041", ["web-0041", "web-0042"])] {
        let (cloud, seen) = with_create();
        let (status, _) = ask(&cloud, ecs(), create_call(1, json!({ "name": name, "min_count": 2 })));
        assert_eq!(status, 202);
        assert_eq!(seen.only().names, expected);
    }
    let (cloud, _) = with_create();
    let long = create_call(1, json!({ "name": "n".repeat(60), "max_count": 2 }));
    assert!(refused(&cloud, ecs(), long, 400).contains("too long"));
    let (status, _) = ask(&cloud, ecs(), create_call(1, json!({ "name": "n".repeat(59), "max_count": 2 })));
    assert_eq!(status, 202);
    let wrong = create_call(1, json!({ "min_count": 3, "max_count": 2 }));
    assert_eq!(refused(&cloud, upstream(), wrong, 400), "min_count must be <= max_count");
    rule!(CREATE, "65f63e71", "f30de9aa");
}

#[test]
fn the_vendor_has_names_of_its_own() {
    let (cloud, _) = with_create();
    for name in ["a b", "a/b", "ä", "a\u{3042}"] {
        refused(&cloud, ecs(), create_call(1, json!({ "name": name })), 400);
    }
    for name in ["云服务器_1-a.b".to_owned(), "n".repeat(128), "云".repeat(64)] {
        assert_eq!(ask(&cloud, ecs(), create_call(1, json!({ "name": name }))).0, 202, "{name}");
    }
    for name in ["n".repeat(129), "云".repeat(65)] {
        refused(&cloud, ecs(), create_call(1, json!({ "name": name })), 400);
    }
    assert_eq!(ask(&cloud, upstream(), create_call(1, json!({ "name": "a b/ä" }))).0, 202);
    for name in [" a", "a ", "a\nb", ""] {
        refused(&cloud, upstream(), create_call(1, json!({ "name": name })), 400);
    }
}

#[test]
fn a_reservation_is_answered_where_it_is_wanted() {
    for wanted in [json!(true), json!("true")] {
        let (cloud, _) = with_create();
        let (status, body) =
            ask(&cloud, ecs(), create_call(1, json!({ "return_reservation_id": wanted, "min_count": 2 })));
        assert_eq!((status, body), (202, json!({ "reservation_id": "r-abc" })));
    }
    let (cloud, _) = with_create();
    let (_, body) = ask(&cloud, ecs(), create_call(1, json!({ "return_reservation_id": "false" })));
    assert_eq!(body["server"]["id"], SERVER);
    rule!(CREATE, "74e47d98");
}

#[test]
fn a_network_has_a_port_or_an_id() {
    let (cloud, seen) = with_create();
    let networks = json!([{ "port": PORT, "uuid": NETWORK }, { "uuid": NETWORK, "fixed_ip": "10.0.0.9" }]);
    assert_eq!(ask(&cloud, ecs(), create_call(1, json!({ "networks": networks }))).0, 202);
    let NetworkChoice::Nics(nics) = seen.only().networks else { panic!("no list of interfaces") };
    assert_eq!((nics[0].port_id.as_deref(), nics[0].network_id.as_deref()), (Some(PORT), None));
    assert_eq!((nics[1].network_id.as_deref(), nics[1].address.as_deref()), (Some(NETWORK), Some("10.0.0.9")));
    for (bad, words) in [
        (json!([{ "fixed_ip": "10.0.0.9" }]), "missing 'uuid'"),
        (json!([{}]), "missing 'uuid'"),
        (json!([{ "uuid": "private" }]), "not in proper format"),
        (json!([{ "port": PORT }, { "port": PORT }]), "specified twice"),
        (json!([{ "port": PORT, "fixed_ip": "10.0.0.9" }]), "cannot be used with port"),
        (json!([{ "uuid": NETWORK, "fixed_ip": "10.0.0" }]), "is not a 'ipv4'"),
    ] {
        let message = refused(&cloud, upstream(), create_call(1, json!({ "networks": bad })), 400);
        assert!(message.contains(words), "{message}");
    }
    rule!(CREATE, "7d980739", "081976d3");
}

#[test]
fn networks_change_with_the_version() {
    let choice = |version, networks| {
        let (cloud, seen) = with_create();
        let (status, _) = ask(&cloud, upstream(), create_call(version, json!({ "networks": networks })));
        (status, seen.all().pop().map(|create| create.networks))
    };
    assert_eq!(choice(37, json!("auto")), (202, Some(NetworkChoice::Automatic)));
    assert_eq!(choice(37, json!("none")), (202, Some(NetworkChoice::None)));
    assert_eq!(choice(36, json!("none")).0, 400);
    assert_eq!(choice(37, json!("ABSENT")).0, 400);
    assert_eq!(choice(36, json!("ABSENT")), (202, Some(NetworkChoice::Automatic)));
    for (version, status) in [(31, 400), (32, 202), (36, 202), (37, 400), (41, 400), (42, 202)] {
        assert_eq!(choice(version, json!([{ "uuid": NETWORK, "tag": "t" }])).0, status, "2.{version}");
    }
}

#[test]
fn passwords_keys_and_user_data_go_to_the_core() {
    let (cloud, seen) = with_create();
    let members = json!({
        "adminPass": "secret:7", "key_name": "mykey", "user_data": "aGVsbG8=", "metadata": { "a": "b" },
        "security_groups": [{ "name": "one" }, { "name": "one" }, { "name": "two" }], "accessIPv4": "192.0.2.1",
    });
    let (status, body) = ask(&cloud, ecs(), create_call(1, members));
    assert_eq!(status, 202);
    assert_eq!(body["server"]["security_groups"], json!([{ "name": "one" }, { "name": "two" }]));
    let create = seen.only();
    assert_eq!(create.admin_password, PasswordChoice::Given("secret:7".to_owned()));
    assert_eq!((create.key_name.as_deref(), create.user_data.as_deref()), (Some("mykey"), Some("aGVsbG8=")));
    assert_eq!(create.security_groups, ["one", "two"]);
    assert_eq!(create.metadata, [("a".to_owned(), "b".to_owned())]);
    assert_eq!(create.access_ipv4, "192.0.2.1");
}

#[test]
fn user_data_is_base64_of_limited_size() {
    let (cloud, _) = with_create();
    refused(&cloud, ecs(), create_call(1, json!({ "user_data": "not base64!" })), 400);
    let of = |bytes: usize| create_call(1, json!({ "user_data": "A".repeat(bytes.div_ceil(3) * 4) }));
    assert_eq!(ask(&cloud, ecs(), of(32_766)).0, 202);
    refused(&cloud, ecs(), of(32_769), 400);
    assert_eq!(ask(&cloud, upstream(), of(32_769)).0, 202);
    refused(&cloud, upstream(), of(65_536), 400);
    rule!(CREATE, "e5e41ceb");
}

#[test]
fn descriptions_need_2_19() {
    let (cloud, seen) = with_create();
    assert_eq!(ask(&cloud, ecs(), create_call(19, json!({ "description": "d".repeat(85) }))).0, 202);
    assert_eq!(seen.only().description.map(|text| text.len()), Some(85));
    refused(&cloud, ecs(), create_call(18, json!({ "description": "d" })), 400);
    refused(&cloud, ecs(), create_call(19, json!({ "description": "d".repeat(86) })), 400);
    refused(&cloud, ecs(), create_call(19, json!({ "description": "a<b" })), 400);
    assert_eq!(ask(&cloud, upstream(), create_call(19, json!({ "description": "<".repeat(255) }))).0, 202);
    refused(&cloud, upstream(), create_call(19, json!({ "description": "d".repeat(256) })), 400);
    rule!(CREATE, "674568ee");
}

#[test]
fn hosts_are_for_upstream_operators() {
    for (zone, expected) in [
        ("z1", (Some("z1"), None)),
        ("z1:node-1", (Some("z1"), Some("node-1"))),
        ("z1:node-1:node-1", (Some("z1"), Some("node-1"))),
        ("z1::node-2", (Some("z1"), Some("node-2"))),
    ] {
        let (cloud, seen) = with_create();
        assert_eq!(ask(&cloud, upstream(), create_call(1, json!({ "availability_zone": zone })).admin()).0, 202);
        let create = seen.only();
        assert_eq!((create.zone.as_deref(), create.node.as_deref()), expected);
    }
    let (cloud, _) = with_create();
    assert!(refused(&cloud, ecs(), create_call(1, json!({ "availability_zone": "z1:node-1" })), 400).contains("host"));
    refused(&cloud, upstream(), create_call(1, json!({ "availability_zone": "a:b:c:d" })), 400);
    refused(&cloud, upstream(), create_call(74, json!({ "availability_zone": "a:b", "host": "c" })), 400);
    let mut cloud = cloud;
    cloud.compute.create_servers = Some(Box::new(|_| Err(not_permitted("servers:create-on-node"))));
    let message = refused(&cloud, upstream(), create_call(74, json!({ "host": "node-1" })), 403);
    assert!(message.contains("requested_destination"));
    let message = refused(&cloud, upstream(), create_call(1, json!({ "availability_zone": ":node-1" })), 403);
    assert!(message.contains("forced_host"));
    rule!(CREATE, "fe0a2da6");
}

#[test]
fn hints_are_kept_or_refused() {
    let with = |hints| {
        let body =
            json!({ "server": { "name": "w", "flavorRef": "1", "imageRef": IMAGE }, "os:scheduler_hints": hints });
        post("servers.create", "/v2.1/servers", &body)
    };
    let (cloud, seen) = with_create();
    let vendors = json!({ "different_host": [SERVER], "same_host": [SERVER], "cidr": "/24", "build_near_host_ip": "10.0.0.1", "tenancy": "shared" });
    assert_eq!(ask(&cloud, ecs(), with(vendors)).0, 202);
    assert!(seen.only().attributes.contains("different_host"));
    for hints in [json!({ "tenancy": "dedicated" }), json!({ "dedicated_host_id": "x" })] {
        assert!(refused(&cloud, ecs(), with(hints), 400).contains("not supported"));
    }
    for name in ["different_host", "same_host", "query", "cidr", "build_near_host_ip", "target_cell", "different_cell"]
    {
        let message = refused(&cloud, upstream(), with(json!({ name: SERVER })), 400);
        assert!(message.contains(name), "{message}");
    }
    let fields = json!({ "config_drive": "true", "OS-DCF:diskConfig": "AUTO", "block_device_mapping_v2": [
        { "source_type": "image", "uuid": IMAGE, "boot_index": 0, "destination_type": "volume", "volume_size": 1, "guest_format": "ext4" }] });
    let (cloud, seen) = with_create();
    assert_eq!(ask(&cloud, ecs(), create_call(1, fields)).0, 202);
    assert!(!seen.only().config_drive && seen.only().attributes.contains("AUTO"));
    rule!(CREATE, "dc894fd9");
}

#[test]
fn a_config_drive_is_made_upstream() {
    for (value, wanted) in [(json!(true), true), (json!("True"), true), (json!(""), false), (json!(false), false)] {
        let (cloud, seen) = with_create();
        assert_eq!(ask(&cloud, upstream(), create_call(1, json!({ "config_drive": value }))).0, 202);
        assert_eq!(seen.only().config_drive, wanted);
    }
}

#[test]
fn later_fields_come_with_their_versions() {
    let (cloud, seen) = with_create();
    let members = json!({ "tags": ["a", "b"], "hostname": "host-1" });
    assert_eq!(ask(&cloud, upstream(), create_call(90, members)).0, 202);
    assert_eq!(seen.only().tags, ["a", "b"]);
    assert_eq!(seen.only().hostname.as_deref(), Some("host-1"));
    refused(&cloud, upstream(), create_call(90, json!({ "hostname": "h1", "max_count": 2 })), 400);
    let certificates = json!({ "trusted_image_certificates": ["x"] });
    assert!(refused(&cloud, upstream(), create_call(63, certificates), 400).contains("trusted_image_certificates"));
    let files = json!({ "personality": [{ "path": "/a", "contents": "" }] });
    assert!(refused(&cloud, upstream(), create_call(1, files), 400).contains("personality"));
    assert!(
        refused(&cloud, ecs(), create_call(1, json!({ "metadata": { "admin_pass": "x" } })), 400)
            .contains("admin_pass")
    );
}

#[test]
fn wrong_references_are_bad_requests() {
    for (kind, words) in [
        ("image", "Can not find requested image"),
        ("keypair", "Invalid key_name provided."),
        ("flavor", "Flavor 1 could not be found."),
        ("network", "What the core says of it could not be found."),
        ("security-group", "Unable to find security_group with name or id 'x'"),
    ] {
        let (mut cloud, _) = with_create();
        cloud.compute.create_servers = Some(Box::new(move |_| Err(not_found(kind, "x"))));
        assert_eq!(refused(&cloud, upstream(), create_call(1, json!({})), 400), words);
    }
    let (mut cloud, _) = with_create();
    cloud.compute.create_servers =
        Some(Box::new(|_| Err(error(ErrorCode::QuotaExceeded, "Quota exceeded for servers"))));
    refused(&cloud, upstream(), create_call(1, json!({})), 403);
}

#[test]
fn rubbish_is_refused() {
    let (cloud, seen) = with_create();
    for body in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        r#"{"server": 1}"#,
        r#"{"server": {}}"#,
        r#"{"server": {"name": "a"}}"#,
        r#"{"server": {"name": 1, "flavorRef": "1"}}"#,
        r#"{"server": {"name": "a", "flavorRef": {}}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "imageRef": 5}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "networks": 5}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "networks": [5]}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "metadata": {"a": 1}}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "min_count": 0}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "max_count": 501}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "block_device_mapping_v2": [1]}}"#,
        r#"{"server": {"name": "a", "flavorRef": "1", "security_groups": [{}]}}"#,
    ] {
        let request = post("servers.create", "/v2.1/servers", &json!(null)).raw_body(body.as_bytes());
        refused(&cloud, upstream(), request, 400);
    }
    let violated = create_call(1, json!({})).violation("/server/name", "maxLength", "too long");
    assert!(refused(&cloud, upstream(), violated, 400).starts_with("Invalid input for field/attribute name."));
    assert!(seen.all().is_empty());
}

#[test]
fn several_networks_are_a_conflict() {
    let (mut cloud, _) = with_create();
    cloud.compute.create_servers = Some(Box::new(|_| {
        let mut several =
            error(ErrorCode::WrongState, "Multiple possible networks found, use a Network ID to be more specific.");
        several.field = Some("networks".to_owned());
        Err(several)
    }));
    assert!(refused(&cloud, upstream(), create_call(37, json!({ "networks": "auto" })), 409).starts_with("Multiple"));
    refused(&cloud, upstream(), create_call(1, json!({})), 409);
}
