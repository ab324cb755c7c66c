//! The NoCloud seed: key, password, user data, host name and addresses, so that what the core says is what the guest has.

use base64::Engine;
use serde_json::{Map, Value, json};
use skyloom_sdk::driver::types::{DomainSpec, Nic};

/// The files of the seed disk. They are YAML by format; JSON is YAML, and its writer escapes what users typed.
pub fn files(spec: &DomainSpec) -> Result<Vec<(String, Vec<u8>)>, String> {
    let meta_data = json!({
        "instance-id": spec.server_id,
        "local-hostname": spec.hostname,
        "public-keys": spec.authorized_keys,
    });
    let mut files = vec![
        ("meta-data".to_owned(), text(&meta_data)),
        ("network-config".to_owned(), text(&network_config(&spec.nics))),
        ("user-data".to_owned(), user_data(spec)?),
    ];
    if let Some(handle) = &spec.admin_password {
        files.push(("vendor-data".to_owned(), password(spec, handle)));
    }
    Ok(files)
}

fn text(value: &Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}

/// Of `root`, as both vendors promise. Beside the user data, which may be a script, and which wins where both speak. The host
/// writes a hash where the handle stands. Who has no key logs in with it, so the guest's SSH server must take it.
fn password(spec: &DomainSpec, handle: &str) -> Vec<u8> {
    let root = json!({ "name": "root", "password": handle, "type": "hash" });
    let mut config = json!({ "chpasswd": { "expire": false, "users": [root] } });
    if spec.authorized_keys.is_empty() {
        config["ssh_pwauth"] = json!(true);
        config["disable_root"] = json!(false);
    }
    [b"#cloud-config\n".to_vec(), text(&config)].concat()
}

fn user_data(spec: &DomainSpec) -> Result<Vec<u8>, String> {
    let Some(encoded) = &spec.user_data else { return Ok(b"#cloud-config\n{}\n".to_vec()) };
    // Line breaks within base64 are usual in what people send.
    base64::engine::general_purpose::STANDARD
        .decode(encoded.split_ascii_whitespace().collect::<String>())
        .map_err(|error| format!("user data of server {} is no base64: {error}", spec.server_id))
}

/// Version 2 of cloud-init's network configuration, one entry a card, found by its MAC.
fn network_config(nics: &[Nic]) -> Value {
    let mut ethernets = Map::new();
    for (index, nic) in nics.iter().enumerate() {
        let addresses: Vec<String> = nic
            .addresses
            .iter()
            .zip(&nic.prefix_lengths)
            .map(|(address, prefix)| format!("{address}/{prefix}"))
            .collect();
        let mut card = json!({ "match": { "macaddress": nic.mac }, "addresses": addresses });
        if let Some(gateway) = &nic.gateway {
            let default = if gateway.contains(':') { "::/0" } else { "0.0.0.0/0" };
            card["routes"] = json!([{ "to": default, "via": gateway }]);
        }
        if !nic.dns.is_empty() {
            card["nameservers"] = json!({ "addresses": nic.dns });
        }
        ethernets.insert(format!("nic{index}"), card);
    }
    json!({ "version": 2, "ethernets": ethernets })
}
