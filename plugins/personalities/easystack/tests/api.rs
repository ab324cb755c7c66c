//! EasyStack's API over a core that is made up: what its document says beside Nova, or otherwise.

use nova::testing::*;
use serde_json::{Value, json};
use skyloom_sdk::cloud::compute::{MetadataMode, NetworkChoice, Server, VmState};
use skyloom_sdk::cloud::identity::{Endpoint, Issued, Login, Named, Placed, Scope, ScopeRequest, Service, TokenInfo};
use skyloom_sdk::cloud::keypairs::{KeypairCreate, KeypairPage};
use skyloom_sdk::conditions::told;
use skyloom_sdk::respond::every_code;
use skyloom_sdk::testing::{Call, FakeCloud, Seen, error, header_of, json_of, not_found};
use skyloom_sdk::{ErrorCode, Response, rule};

const MANIFEST: &str = include_str!("../plugin.toml");

fn call(cloud: &FakeCloud, call: Call) -> Response {
    easystack::handle(cloud, &call.build())
}

/// Status and body.
pub fn ask(cloud: &FakeCloud, it: Call) -> (u16, Value) {
    let response = call(cloud, it);
    (response.status, if response.body == skyloom_sdk::Body::Empty { Value::Null } else { json_of(&response) })
}

/// The message of a refusal in the document's form.
pub fn refused(cloud: &FakeCloud, it: Call, status: u16) -> String {
    let (got, body) = ask(cloud, it);
    let error = &body["error"];
    assert_eq!((got, &error["code"]), (status, &json!(status)), "{body}");
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    assert_eq!(error["title"], skyloom_sdk::respond::reason(status), "{body}");
    error["message"].as_str().expect("a message").to_owned()
}

pub fn send(operation: &str, method: &str, path: &str, body: &Value) -> Call {
    Call::new(operation, method, path).version(2, 1).param("server_id", SERVER).body(body)
}

// --- tokens ---

fn named(name: &str) -> Named {
    Named { id: format!("{name}-id"), name: name.to_owned() }
}

fn placed(name: &str) -> Placed {
    Placed { id: format!("{name}-id"), name: name.to_owned(), domain: named("Default") }
}

fn with_login(seen: &Seen<Login>) -> FakeCloud {
    let keep = seen.clone();
    let mut cloud = FakeCloud::default();
    let service = |kind: &str, url: &str| {
        let (interface, region) = ("public".to_owned(), "RegionOne".to_owned());
        let endpoint = Endpoint { id: format!("{kind}-e"), interface, url: url.to_owned(), region };
        Service { id: kind.to_owned(), kind: kind.to_owned(), name: kind.to_owned(), endpoints: vec![endpoint] }
    };
    cloud.identity.authenticate = Some(Box::new(move |login| {
        keep.push(login.clone());
        let info = TokenInfo {
            methods: login.methods.clone(),
            user: placed("admin"),
            scope: Scope::Project(placed("demo")),
            is_domain: false,
            roles: vec![named("member")],
            audit_ids: vec!["audit".to_owned()],
            issued_at: NOON,
            expires_at: NOON + 3_600_000_000,
            catalog: ["compute", "identity", "image"].map(|kind| service(kind, "http://other.test")).to_vec(),
        };
        Ok(Issued { token: "secret:token".to_owned(), info })
    }));
    cloud
}

fn login(scope: &Value) -> Call {
    let user = json!({ "password": "secret:pw", "id": "858634b407e845f14b02bcf369225dcd0" });
    let identity = json!({ "password": { "user": user }, "methods": ["password"] });
    let mut auth = json!({ "identity": identity });
    if !scope.is_null() {
        auth["scope"] = scope.clone();
    }
    Call::new("tokens.create", "POST", "/v3/auth/tokens").anonymous().body(&json!({ "auth": auth }))
}

#[test]
fn a_token_is_a_projects_and_its_catalogue_leads_back_here() {
    let seen = Seen::default();
    let cloud = with_login(&seen);
    let of_project = json!({ "project": { "domain": { "name": "Default" }, "name": "demo" } });
    let response = call(&cloud, login(&of_project));
    assert_eq!((response.status, header_of(&response, "X-Subject-Token")), (201, Some("secret:token")));
    assert!(matches!(seen.only().scope, ScopeRequest::Project(_)));
    let token = json_of(&response)["token"].clone();
    assert_eq!((&token["project"]["id"], &token["user"]["name"]), (&json!("demo-id"), &json!("admin")));
    let url = |at: usize| token["catalog"][at]["endpoints"][0]["url"].clone();
    assert_eq!(token["catalog"][0]["type"], "compute");
    assert_eq!(url(0), "http://cloud.test/v2.1/demo-id");
    assert_eq!((url(1), url(2)), (json!("http://cloud.test/v3"), json!("http://other.test")));

    for scope in
        [Value::Null, json!("unscoped"), json!({ "domain": { "id": "default" } }), json!({ "system": { "all": true } })]
    {
        assert!(refused(&cloud, login(&scope), 400).contains("project"), "{scope}");
    }
    assert_eq!(seen.all().len(), 1);
    // All other operations ask for a token.
    let open = MANIFEST
        .split("[[operation]]")
        .skip(1)
        .filter(|table| table.contains("\"tokens:issue\"") || table.contains("\"public\""));
    assert_eq!(open.count(), 1);
    assert!(MANIFEST.contains("token-header = \"X-Auth-Token\""));
    rule!("easystack.tokens.create", "87082d8f", "7240366e", "a7cef592", "376859af", "14d88c50");
}

#[test]
fn a_failed_login_is_told_in_the_documents_form() {
    let mut cloud = FakeCloud::default();
    cloud.identity.authenticate = Some(Box::new(|_| Err(error(ErrorCode::Unauthenticated, "no such user"))));
    let of_project = json!({ "project": { "id": "p" } });
    assert_eq!(refused(&cloud, login(&of_project), 401), "The request you have made requires authentication.");
    let wrong = login(&of_project).violation_of("/auth", "required", "x", &json!("identity"));
    assert!(refused(&cloud, wrong, 400).contains("'identity' is a required property"));
}

// --- errors ---

#[test]
fn every_code_of_the_core_has_the_documents_form() {
    for code in every_code() {
        let mut cloud = FakeCloud::default();
        let told = code.clone();
        cloud.compute.get_server = Some(Box::new(move |_, _| Err(error(told.clone(), "what happened"))));
        let (status, _) = ask(&cloud, get("servers.show", "/v2.1/servers/x"));
        assert!((400..600).contains(&status), "{code:?}");
        refused(&cloud, get("servers.show", "/v2.1/servers/x"), status);
    }
    let mut cloud = FakeCloud::default();
    cloud.compute.get_server = Some(Box::new(|id, _| Err(not_found("server", id))));
    let message = refused(&cloud, get("servers.show", "/v2.1/servers/x"), 404);
    assert_eq!(message, format!("Instance {SERVER} could not be found."));
    rule!("easystack.tokens.create", "a683ab75");
}

#[test]
fn what_the_core_cannot_do_is_refused_by_name() {
    nova::unsupported::UNSUPPORTED.prove("easystack", MANIFEST, |entry| {
        let (cloud, seen) = with_create();
        let message = refused(&cloud, asking(entry), 400);
        assert!(seen.all().is_empty(), "{entry:?} reached the core");
        message
    });
}

/// Every operation of the manifest is known to the plugin, whatever comes.
#[test]
fn every_operation_is_served() {
    let mut operations = 0;
    for table in MANIFEST.split("[[operation]]").skip(1) {
        let id = table.split("id = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        for body in [&b""[..], b"{}", b"[]", b"{\"server\":{}}", b"\xff", b"null"] {
            let (status, body) = ask(&FakeCloud::default(), Call::new(id, "POST", "/x").raw_body(body).version(2, 96));
            assert!(status == 400, "{id}: {body}");
            assert!(!body.to_string().contains("There is no operation"), "{id}");
        }
        operations += 1;
    }
    assert_eq!(operations, 40);
    assert_eq!(refused(&FakeCloud::default(), get("nonsense", "/x"), 404), "There is no operation nonsense.");
}

/// The document leaves the project out of some paths; each operation is served with it and without.
#[test]
fn a_path_may_hold_the_project() {
    for table in MANIFEST.split("[[operation]]").skip(1).filter(|table| !table.contains("tokens.create")) {
        let paths: Vec<&str> = table.split('"').filter(|text| text.starts_with("/v2.1/")).collect();
        let [with, without] = paths[..] else { panic!("{table}") };
        assert_eq!(with.replace("/{project_id}", ""), without);
    }
    let shown = ask(&with_server(server()), get("servers.show", "/v2.1/p/servers/x").param("project_id", "p")).1;
    let link = |at: usize| shown["server"]["links"][at]["href"].clone();
    assert_eq!(link(0), format!("http://cloud.test/v2.1/p/servers/{SERVER}"));
    assert_eq!(link(1), format!("http://cloud.test/p/servers/{SERVER}"));
    rule!("easystack.servers.show", "556b2434");
}

// --- servers ---

fn creation(members: &Value) -> Call {
    let mut server = json!({ "name": "new-server-test", "flavorRef": "7" });
    for (name, value) in members.as_object().unwrap() {
        server[name] = value.clone();
    }
    send("servers.create", "POST", "/v2.1/servers", &json!({ "server": server }))
}

#[test]
fn a_server_is_made_from_an_image_on_a_subnet() {
    let (cloud, seen) = with_create();
    let networks = json!([{ "uuid": NETWORK, "subnet_id": PORT }]);
    let (status, body) = ask(&cloud, creation(&json!({ "imageRef": IMAGE, "networks": networks })));
    assert_eq!((status, &body["server"]["id"]), (202, &json!(SERVER)));
    let NetworkChoice::Nics(nics) = seen.only().networks else { panic!("interfaces") };
    assert_eq!((nics[0].network_id.as_deref(), nics[0].subnet_id.as_deref()), (Some(NETWORK), Some(PORT)));
    rule!("easystack.servers.create", "e842b1c9", "058b1d1c");
}

/// The document's own example, at the default version.
#[test]
fn a_server_boots_from_a_volume() {
    let (cloud, seen) = with_create();
    let device = json!({
        "boot_index": 0, "destination_type": "volume", "source_type": "image", "volume_size": "50", "uuid": IMAGE,
        "volume_type": "hdd",
    });
    let members = json!({
        "imageRef": "", "adminPass": "secret:7", "block_device_mapping_v2": [device], "availability_zone": "default-az",
        "OS-DCF:diskConfig": "AUTO", "networks": [{ "subnet_id": PORT, "uuid": NETWORK }],
        "security_groups": [{ "name": "default" }],
    });
    for version in [1, 67] {
        let (status, body) = ask(&cloud, creation(&members).version(2, version));
        assert_eq!(status, 202, "{body}");
        let server = &body["server"];
        assert_eq!(server["links"][0]["href"], format!("http://cloud.test/v2.1/servers/{SERVER}"));
        assert_eq!((&server["OS-DCF:diskConfig"], &server["adminPass"]), (&json!("AUTO"), &json!("secret:1")));
        assert_eq!(server["security_groups"], json!([{ "name": "default" }]));
    }
    let create = seen.all().remove(0);
    let root = &create.disks[0];
    assert_eq!((root.size_gib, root.volume_type.as_deref()), (Some(50), Some("hdd")));
    assert_eq!((root.source_id.as_deref(), create.flavor_id.as_str()), (Some(IMAGE), "7"));
    assert_eq!(create.zone.as_deref(), Some("default-az"));
    rule!("easystack.servers.create_bfv", "3e505d74", "9d8ca781", "a867b568", "d41041f3", "c0401919");
}

#[test]
fn what_a_new_server_needs_is_there_before() {
    for (kind, message) in [
        ("image", "Can not find requested image"),
        ("flavor", "Flavor 7 could not be found."),
        ("network", "it is not there"),
    ] {
        let mut cloud = FakeCloud::default();
        cloud.compute.create_servers = Some(Box::new(move |_| {
            Err(skyloom_sdk::Error { message: "it is not there".to_owned(), ..not_found(kind, "x") })
        }));
        let members = json!({ "imageRef": IMAGE, "networks": [{ "uuid": NETWORK }] });
        assert_eq!(refused(&cloud, creation(&members), 400), message);
    }
    rule!("easystack.servers.create_bfv", "beb07f74", "8739d645", "e539dab7");
}

#[test]
fn the_documents_filters_are_for_everybody_at_every_version() {
    for (name, value) in [
        ("access_ip_v4", "10.0.0.1"),
        ("access_ip_v6", "fd00::1"),
        ("availability_zone", "az"),
        ("created_at", "2026-01-31T12:00:00Z"),
        ("description", "front"),
        ("flavor", "1"),
        ("hostname", "web-1"),
        ("key_name", "key"),
        ("launched_at", "2026-01-31T12:00:00Z"),
        ("power_state", "1"),
        ("progress", "100"),
        ("status", "ACTIVE"),
        ("task_state", "rebooting"),
        ("vm_state", "active"),
        ("changes-before", "2026-01-31T12:00:00Z"),
    ] {
        let (cloud, seen) = with_list(Vec::new(), None);
        for operation in ["servers.list", "servers.list_detail"] {
            assert_eq!(ask(&cloud, get(operation, "/v2.1/servers").query(name, value)).0, 200, "{name}");
        }
        assert!(seen.all().iter().all(|(conditions, _)| !conditions.is_empty()), "{name}");
    }
    // By the host operators ask, as in Nova.
    let (cloud, seen) = with_list(vec![server()], Some(SERVER));
    ask(&cloud, get("servers.list", "/v2.1/servers").query("host", "node-1"));
    let (_, body) = ask(&cloud, get("servers.list", "/v2.1/servers").query("host", "node-1").admin());
    let nodes: Vec<Vec<String>> = seen.all().iter().map(|(conditions, _)| told(conditions, "node")).collect();
    assert_eq!(nodes, [vec![], vec!["any-of: node-1".to_owned()]]);
    assert_eq!(body["servers"][0]["links"][0]["rel"], "self");
    assert_eq!(body["servers_links"][0]["rel"], "next");
    rule!("easystack.servers.list", "d4eb905c", "a16c0c46");
}

// --- metadata and the boot order ---

const ISO: &str = "nodeinfo.com:iso-c2f762aa-5497-4c84-ac15-211ff402fca4";
const ORDER: &str = "nodeinfo.com:bootorder";

fn with_metadata(state: VmState) -> (FakeCloud, Seen<Vec<(String, String)>>) {
    let seen = Seen::default();
    let keep = seen.clone();
    let mut cloud = with_server(Server { vm_state: state, ..server() });
    cloud.compute.set_metadata = Some(Box::new(move |_, items, mode| {
        assert_eq!(mode, MetadataMode::Replace);
        keep.push(items.to_vec());
        Ok(items.to_vec())
    }));
    (cloud, seen)
}

fn replace(metadata: &Value) -> Call {
    send("servers.metadata.replace", "PUT", "/v2.1/servers/x/metadata", &json!({ "metadata": metadata }))
}

fn iso() -> Value {
    json!({ "image_uuid": &ISO[17..], "boot_order": 1, "image_name": "test-iso" })
}

#[test]
fn a_boot_order_is_given_as_an_object_or_a_text_and_answered_as_a_text() {
    let (cloud, seen) = with_metadata(VmState::Active);
    let order = json!({ "order": ["cdrom", "hd"] });
    let objects = json!({ ISO: iso(), ORDER: order, "role": "web" });
    let texts = json!({ ISO: iso().to_string(), ORDER: order.to_string(), "role": "web" });
    for given in [objects, texts.clone()] {
        assert_eq!(ask(&cloud, replace(&given)), (200, json!({ "metadata": texts })));
    }
    assert_eq!(seen.all().len(), 2);
    let (_, listed) = ask(&cloud, get("servers.metadata.list", "/v2.1/servers/x/metadata"));
    assert_eq!(listed, json!({ "metadata": { "role": "web" } }));
    rule!("easystack.servers.metadata.replace", "a78f2ac5");
}

#[test]
fn a_boot_order_that_means_nothing_is_refused() {
    let (cloud, seen) = with_metadata(VmState::Active);
    for (metadata, why) in [
        (json!({ ORDER: { "order": ["floppy"] } }), "not 'floppy'"),
        (json!({ ORDER: { "order": ["hd", "hd"] } }), "each once"),
        (json!({ ORDER: { "order": [] } }), "no list of devices"),
        (json!({ ORDER: { "order": "hd" } }), "no list of devices"),
        (json!({ ORDER: "hd first" }), "nor the text of one"),
        (json!({ ORDER: { "order": ["cdrom", "hd"] } }), "no ISO image is attached"),
        (json!({ ISO: { "image_uuid": IMAGE } }), "not the image of its name"),
        (json!({ ISO: "[]" }), "nor the text of one"),
        (json!({ "role": { "a": 1 } }), "not of type 'string'"),
    ] {
        let message = refused(&cloud, replace(&metadata), 400);
        assert!(message.starts_with("Invalid input for field/attribute ") && message.contains(why), "{message}");
    }
    assert_eq!(ask(&cloud, replace(&json!({ ORDER: { "order": ["hd", "cdrom"] } }))).0, 200);
    assert_eq!(seen.all().len(), 1);
    rule!("easystack.servers.metadata.replace", "2e174214");
}

#[test]
fn metadata_is_replaced_in_four_states() {
    for state in skyloom_sdk::states::VM_STATES {
        let (cloud, seen) = with_metadata(state);
        let at_rest = matches!(state, VmState::Active | VmState::Paused | VmState::Suspended | VmState::Stopped);
        let (status, body) = ask(&cloud, replace(&json!({})));
        assert_eq!((status, seen.all().len()), if at_rest { (200, 1) } else { (409, 0) }, "{state:?} {body}");
    }
    rule!("easystack.servers.metadata.replace", "bd1c256e");
}

// --- key pairs ---

#[test]
fn a_cloud_that_does_not_work_says_so() {
    let mut cloud = FakeCloud::default();
    let away = || error(ErrorCode::Unavailable, "The database does not answer.");
    cloud.keypairs.list_keypairs = Some(Box::new(move |_, _| Err(away())));
    cloud.keypairs.create_keypair = Some(Box::new(move |_| Err(away())));
    cloud.keypairs.delete_keypair = Some(Box::new(move |_, _| Err(away())));
    let new = json!({ "keypair": { "name": "one" } });
    for call in [
        get("keypairs.list", KEYPAIRS),
        send("keypairs.create", "POST", KEYPAIRS, &new),
        Call::new("keypairs.delete", "DELETE", KEYPAIRS).param("keypair_name", "one"),
    ] {
        assert_eq!(refused(&cloud, call, 503), "The database does not answer.");
    }
    for operation in ["keypairs.list", "keypairs.create", "keypairs.import", "keypairs.delete"] {
        rule!(format!("easystack.{operation}"), "f952f374");
    }
}

fn with_keypairs() -> (FakeCloud, Seen<KeypairCreate>) {
    let seen = Seen::default();
    let keep = seen.clone();
    let mut cloud = FakeCloud::default();
    cloud.keypairs.list_keypairs = Some(Box::new(|user, page| {
        let next = (page.limit == 1).then(|| "one".to_owned());
        let name = user.unwrap_or(page.marker.as_deref().unwrap_or("one"));
        Ok(KeypairPage { keypairs: vec![keypair(name, 8)], next })
    }));
    cloud.keypairs.create_keypair = Some(Box::new(move |create| {
        keep.push(create.clone());
        let private_key = create.public_key.is_none().then(|| "secret:key".to_owned());
        Ok(skyloom_sdk::cloud::keypairs::Keypair { private_key, ..keypair(&create.name, 8) })
    }));
    cloud.keypairs.delete_keypair =
        Some(Box::new(|name, _| if name == "one" { Ok(()) } else { Err(not_found("keypair", name)) }));
    (cloud, seen)
}

const KEYPAIRS: &str = "/v2.1/p/os-keypairs";

#[test]
fn key_pairs_are_listed_in_pages_at_every_version() {
    let (cloud, _) = with_keypairs();
    let list = || get("keypairs.list", KEYPAIRS);
    let one = json!({ "name": "one", "public_key": "kkkkkkkk", "fingerprint": "aa:bb", "type": "ssh" });
    assert_eq!(ask(&cloud, list()), (200, json!({ "keypairs": [{ "keypair": one }] })));
    let (_, page) = ask(&cloud, list().query("limit", "1").query("marker", "two"));
    assert_eq!(page["keypairs"][0]["keypair"]["name"], "two");
    assert!(page["keypairs_links"][0]["href"].as_str().unwrap().contains("marker=one"));
    let (_, others) = ask(&cloud, list().query("user_id", "ann").admin());
    assert_eq!(others["keypairs"][0]["keypair"]["name"], "ann");
    rule!("easystack.keypairs.list", "88153e7d");
}

#[test]
fn a_key_pair_is_made_imported_and_deleted() {
    let (cloud, seen) = with_keypairs();
    let create = |body: Value, version| {
        ask(&cloud, send("keypairs.create", "POST", KEYPAIRS, &json!({ "keypair": body })).version(2, version))
    };
    for (version, status) in [(1, 200), (2, 201), (90, 201)] {
        let (got, made) = create(json!({ "name": "one" }), version);
        assert_eq!((got, &made["keypair"]["private_key"]), (status, &json!("secret:key")));
        let imported = json!({ "name": "one", "type": "ssh", "public_key": "ssh-rsa AAAA", "user_id": "fake" });
        let (got, made) = create(imported, version);
        assert_eq!((got, made["keypair"].get("private_key")), (status, None));
        assert_eq!((&made["keypair"]["user_id"], &made["keypair"]["type"]), (&json!("user-1"), &json!("ssh")));
    }
    assert_eq!(seen.all()[1].user_id.as_deref(), Some("fake"));
    // What the schema of an early version doesn't know, the document does; and nothing else.
    let unexpected = |names: Value| {
        let body = json!({ "keypair": { "name": "one", "type": "ssh" } });
        let call = send("keypairs.create", "POST", KEYPAIRS, &body);
        let expected = json!({ "unexpected": names, "patterns": [] });
        call.violation_of("/keypair", "additionalProperties", "no", &expected)
    };
    assert_eq!(ask(&cloud, unexpected(json!(["type", "user_id"]))).0, 200);
    assert!(refused(&cloud, unexpected(json!(["type", "kind"])), 400).contains("'kind'"));
    let delete = |name: &str, version| {
        Call::new("keypairs.delete", "DELETE", KEYPAIRS).param("keypair_name", name).version(2, version)
    };
    for (version, status) in [(1, 200), (2, 204), (96, 204)] {
        assert_eq!(ask(&cloud, delete("one", version)), (status, Value::Null));
    }
    refused(&cloud, delete("two", 1), 404);
    rule!("easystack.keypairs.create", "7f6d99f8", "682c34a6");
    rule!("easystack.keypairs.import", "cdbb3567", "682c34a6");
    rule!("easystack.keypairs.delete", "95312fcb", "485afd79", "e23c197e");
}
