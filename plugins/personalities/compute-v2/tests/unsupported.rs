//! What Nova has and the core has no capability for yet: each entry of the table is refused by name, and reaches no core.

mod support;

use compute_v2::{Settings, dialects};
use nova::unsupported::UNSUPPORTED;
use serde_json::{Value, json};
use skyloom_sdk::testing::Call;
use skyloom_sdk::unsupported::Unsupported;
use support::*;

fn creation(members: Value) -> Call {
    create_call(67, members)
}

fn device(device: Value) -> Call {
    creation(json!({ "block_device_mapping_v2": [device] }))
}

fn hint(name: &str, value: &str) -> Call {
    let server = json!({ "name": "w", "flavorRef": "1", "imageRef": IMAGE, "networks": "auto" });
    let body = json!({ "server": server, "os:scheduler_hints": { name: value } });
    post("servers.create", "/v2.1/servers", &body).version(2, 67)
}

fn new_server(what: &str) -> (Settings, Call) {
    if let Some(hint_name) = what.strip_prefix("os:scheduler_hints.") {
        let (name, value) = hint_name.split_once(' ').unwrap_or((hint_name, SERVER));
        return (upstream(), hint(name, value));
    }
    let call = match what {
        "personality" => create_call(1, json!({ "personality": [{ "path": "/a", "contents": "" }] })),
        "trusted_image_certificates" => creation(json!({ "trusted_image_certificates": ["x"] })),
        "block_device_mapping" => creation(json!({ "block_device_mapping": [{ "volume_id": "v" }] })),
        "source_type volume" => device(json!({ "source_type": "volume", "uuid": PORT })),
        "source_type snapshot" => device(json!({ "source_type": "snapshot", "uuid": PORT })),
        "destination_type local" => {
            device(json!({ "source_type": "blank", "destination_type": "local", "volume_size": 1 }))
        }
        "guest_format" => device(json!({ "source_type": "blank", "guest_format": "swap", "volume_size": 1 })),
        "no_device" => device(json!({ "no_device": true })),
        "metadata.admin_pass" | "metadata.admin_pass (Windows image)" => {
            return (ecs(), create_call(1, json!({ "metadata": { "admin_pass": "x" } })));
        }
        other => panic!("no request asks for {other}"),
    };
    (upstream(), call)
}

fn asks_for(operation: &str, what: &str) -> (Settings, Call) {
    let list = |path: &str, name: &str, value: &str| get(operation, path).query(name, value).admin();
    let call = match (operation, what) {
        ("servers.create", what) => return new_server(what),
        ("servers.list", "sort_key auto_disk_config") => list("/v2.1/servers", "sort_key", "auto_disk_config"),
        ("servers.list", filter) => list("/v2.1/servers", filter, "1"),
        ("flavors.list", "sort_key updated_at") => list("/v2.1/flavors", "sort_key", "updated_at"),
        ("keypairs.create", "type x509") => {
            let body = json!({ "keypair": { "name": "key", "type": "x509" } });
            post(operation, "/v2.1/os-keypairs", &body).version(2, 2)
        }
        ("flavors.create", "rxtx_factor") => {
            let flavor = json!({ "name": "a", "ram": 1, "vcpus": 1, "disk": 1, "rxtx_factor": 1.0001 });
            post(operation, "/v2.1/flavors", &json!({ "flavor": flavor })).admin()
        }
        (operation, what) => panic!("no request asks for {operation} {what}"),
    };
    (upstream(), call)
}

#[test]
fn what_the_core_cannot_do_is_refused_by_name() {
    for table in [&UNSUPPORTED, &dialects::UNSUPPORTED] {
        table.prove("compute-v2", include_str!("../plugin.toml"), refusal);
    }
}

fn refusal(entry: Unsupported) -> String {
    let (mut cloud, seen) = with_create();
    if entry.what.ends_with("(Windows image)") {
        cloud.images.get_image = Some(Box::new(|_| Ok(image(&[("os_type", "Windows")]))));
    }
    let (settings, call) = asks_for(entry.operation, entry.what);
    let message = refused(&cloud, settings, call, 400);
    assert!(seen.all().is_empty(), "{entry:?} reached the core");
    message
}
