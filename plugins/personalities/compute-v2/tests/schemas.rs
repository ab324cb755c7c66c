//! The JSON schemas of the bodies are made here, one file for each range of microversions, from what each version changed.
//! `UPDATE_SCHEMAS=1 cargo test -p compute-v2 --test schemas` writes them; without it the test compares.

use std::path::Path;

use serde_json::{Value, json};

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn wrapped(name: &str, inner: Value) -> Value {
    object(json!({ name: inner }), &[name])
}

fn text(longest: u32) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": longest })
}

/// Printable, no blanks at the ends.
fn name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^$|^\S(.*\S)?$" })
}

fn boolean() -> Value {
    json!({ "type": ["boolean", "string"], "enum": [
        true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
        false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no",
    ]})
}

fn number(least: u32) -> Value {
    json!({ "type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": least, "minLength": 1 })
}

fn uuid() -> Value {
    json!({ "type": "string", "pattern": UUID })
}

const UUID: &str = "^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$";

fn description() -> Value {
    json!({ "type": ["string", "null"], "maxLength": 255 })
}

fn disk_config() -> Value {
    json!({ "type": "string", "enum": ["AUTO", "MANUAL"] })
}

fn access_address() -> Value {
    json!({ "type": "string", "maxLength": 45, "pattern": "^[0-9a-fA-F.:]*$" })
}

fn tag() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 60, "pattern": "^[^,/]*$" })
}

fn host_label() -> Value {
    json!({ "type": "string", "minLength": 2, "maxLength": 63, "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$" })
}

fn domain_name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$" })
}

fn metadata() -> Value {
    items(&json!({ "type": "string", "maxLength": 255 }))
}

/// By keys of a pattern.
fn items(value: &Value) -> Value {
    json!({
        "type": "object",
        "patternProperties": { "^[a-zA-Z0-9-_:. ]{1,255}$": value },
        "additionalProperties": false,
    })
}

fn device() -> Value {
    json!({
        "type": "object",
        "properties": {
            "virtual_name": { "type": "string", "maxLength": 255 },
            "volume_id": { "type": "string" },
            "snapshot_id": { "type": "string" },
            "image_id": { "type": "string" },
            "volume_size": { "type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 0 },
            "device_name": { "type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._/-]*$" },
            "delete_on_termination": boolean(),
            "no_device": {},
            "source_type": { "type": "string", "enum": ["volume", "image", "snapshot", "blank"] },
            "uuid": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$" },
            "destination_type": { "type": "string", "enum": ["local", "volume"] },
            "guest_format": { "type": "string", "maxLength": 255 },
            "device_type": { "type": "string", "maxLength": 255 },
            "disk_bus": { "type": "string", "maxLength": 255 },
            "boot_index": { "type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$" },
            // The vendor's document has it at every version; upstream's rule is the handler's.
            "volume_type": { "type": ["string", "null"], "maxLength": 255 },
        },
        "additionalProperties": false,
    })
}

fn nic(uuid: Value) -> Value {
    json!({
        "type": "object",
        "properties": {
            "fixed_ip": { "type": "string", "maxLength": 45 },
            "port": { "type": ["string", "null"], "pattern": UUID },
            "uuid": uuid,
        },
        "additionalProperties": false,
    })
}

/// The body of a creation at 2.1.
fn create() -> Value {
    let server = object(
        json!({
            "name": name(),
            "imageRef": { "type": "string", "maxLength": 255 },
            "flavorRef": { "type": ["string", "integer"], "minLength": 1 },
            "adminPass": { "type": "string" },
            "metadata": metadata(),
            "networks": { "type": "array", "items": nic(json!({ "type": "string" })) },
            "OS-DCF:diskConfig": disk_config(),
            "accessIPv4": access_address(),
            "accessIPv6": access_address(),
            "personality": { "type": "array", "items": { "type": "object" } },
            "availability_zone": name(),
            "block_device_mapping": { "type": "array", "items": { "type": "object" } },
            "block_device_mapping_v2": { "type": "array", "items": device() },
            "config_drive": { "type": ["boolean", "string", "null"] },
            "key_name": name(),
            "min_count": number(1),
            "max_count": number(1),
            "return_reservation_id": boolean(),
            "security_groups": { "type": "array", "items": object(json!({ "name": name() }), &[]) },
            "user_data": { "type": ["string", "null"], "maxLength": 65_535 },
        }),
        &["name", "flavorRef"],
    );
    let hints = json!({ "type": "object" });
    object(
        json!({ "server": server, "os:scheduler_hints": hints.clone(), "OS-SCH-HNT:scheduler_hints": hints }),
        &["server"],
    )
}

type Change = fn(&mut Value);

/// What each microversion changed in the body of a creation.
const CREATE: &[(u32, Change)] = &[
    (19, |server| server["properties"]["description"] = description()),
    (32, |server| {
        server["properties"]["networks"]["items"]["properties"]["tag"] = tag();
        device_of(server)["tag"] = tag();
    }),
    (33, |server| drop_member(device_of(server), "tag")),
    (37, |server| {
        let word = json!({ "type": "string", "enum": ["none", "auto"] });
        server["properties"]["networks"] = json!({ "oneOf": [{ "type": "array", "items": nic(uuid()) }, word] });
        if let Some(required) = server["required"].as_array_mut() {
            required.push(json!("networks"));
        }
    }),
    (42, |server| {
        server["properties"]["networks"]["oneOf"][0]["items"]["properties"]["tag"] = tag();
        device_of(server)["tag"] = tag();
    }),
    (52, |server| server["properties"]["tags"] = json!({ "type": "array", "items": tag(), "maxItems": 50 })),
    (57, |server| drop_member(&mut server["properties"], "personality")),
    (63, |server| {
        server["properties"]["trusted_image_certificates"] = json!({ "type": ["array", "null"], "items": text(255), "minItems": 1, "maxItems": 50, "uniqueItems": true });
    }),
    (74, |server| {
        server["properties"]["host"] = domain_name();
        server["properties"]["hypervisor_hostname"] = domain_name();
    }),
    (90, |server| server["properties"]["hostname"] = host_label()),
    (94, |server| server["properties"]["hostname"] = domain_name()),
];

fn device_of(server: &mut Value) -> &mut Value {
    &mut server["properties"]["block_device_mapping_v2"]["items"]["properties"]
}

fn drop_member(value: &mut Value, name: &str) {
    if let Some(members) = value.as_object_mut() {
        members.remove(name);
    }
}

fn update() -> Value {
    let server = json!({
        "type": "object",
        "properties": {
            "name": name(),
            "OS-DCF:diskConfig": disk_config(),
            "accessIPv4": access_address(),
            "accessIPv6": access_address(),
        },
        "additionalProperties": false,
    });
    wrapped("server", server)
}

const UPDATE: &[(u32, Change)] = &[
    (19, |server| server["properties"]["description"] = description()),
    (90, |server| server["properties"]["hostname"] = host_label()),
    (94, |server| server["properties"]["hostname"] = domain_name()),
];

fn keypair() -> Value {
    let inner = object(json!({ "name": name(), "public_key": { "type": "string" } }), &["name"]);
    wrapped("keypair", inner)
}

const KEYPAIR: &[(u32, Change)] = &[
    (2, |keypair| keypair["properties"]["type"] = json!({ "type": "string", "enum": ["ssh", "x509"] })),
    (10, |keypair| keypair["properties"]["user_id"] = json!({ "type": "string" })),
    (92, |keypair| keypair["required"] = json!(["name", "public_key"])),
];

/// What a column of a database holds.
fn size(least: u32) -> Value {
    let mut size = number(least);
    size["maximum"] = json!(i32::MAX);
    size
}

fn flavor() -> Value {
    let inner = object(
        json!({
            "name": name(),
            "id": { "type": ["string", "number", "null"], "minLength": 1, "maxLength": 255 },
            "ram": size(1),
            "vcpus": size(1),
            "disk": size(0),
            "OS-FLV-EXT-DATA:ephemeral": size(0),
            "swap": size(0),
            "rxtx_factor": { "type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$", "exclusiveMinimum": 0,
                "maximum": 3.40282e+38 },
            "os-flavor-access:is_public": boolean(),
        }),
        &["name", "ram", "vcpus", "disk"],
    );
    wrapped("flavor", inner)
}

const FLAVOR: &[(u32, Change)] =
    &[(55, |flavor| flavor["properties"]["description"] = json!({ "type": ["string", "null"], "maxLength": 65_535 }))];

/// Name, first and last minor version, schema; none: open at that end.
type File = (String, Option<u32>, Option<u32>, Value);

fn ranges(name: &str, member: &str, first: Value, changes: &[(u32, Change)]) -> Vec<File> {
    let mut files = Vec::new();
    let mut schema = first;
    let mut from = None;
    for (minor, change) in changes {
        files.push((file_name(name, from), from, Some(minor - 1), schema.clone()));
        change(&mut schema["properties"][member]);
        from = Some(*minor);
    }
    files.push((file_name(name, from), from, None, schema));
    files
}

fn file_name(name: &str, from: Option<u32>) -> String {
    format!("schemas/{name}.2.{}.json", from.unwrap_or(1))
}

fn single(name: &str, schema: Value) -> File {
    (format!("schemas/{name}.json"), None, None, schema)
}

fn files() -> Vec<(&'static str, Vec<File>)> {
    let reboot_type = json!({ "type": "string", "enum": ["HARD", "Hard", "hard", "SOFT", "Soft", "soft"] });
    let length = json!({ "type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1 });
    let tenant = object(json!({ "tenant": text(255) }), &["tenant"]);
    let specs = items(&json!({ "type": ["string", "number"], "maxLength": 255 }));
    let one_spec = json!({ "minProperties": 1, "maxProperties": 1 });
    let mut item = specs.clone();
    item.as_object_mut().into_iter().for_each(|item| item.extend(one_spec.as_object().cloned().unwrap_or_default()));
    let mut meta = metadata();
    meta.as_object_mut().into_iter().for_each(|meta| meta.extend(one_spec.as_object().cloned().unwrap_or_default()));
    vec![
        ("servers.create", ranges("servers.create", "server", create(), CREATE)),
        ("servers.update", ranges("servers.update", "server", update(), UPDATE)),
        ("servers.start", vec![single("servers.start", wrapped("os-start", json!({})))]),
        ("servers.stop", vec![single("servers.stop", wrapped("os-stop", json!({})))]),
        (
            "servers.reboot",
            vec![single("servers.reboot", wrapped("reboot", object(json!({ "type": reboot_type }), &["type"])))],
        ),
        (
            "servers.get_console_output",
            vec![single("servers.console", wrapped("os-getConsoleOutput", object(json!({ "length": length }), &[])))],
        ),
        ("server_metadata.update", vec![single("server_metadata", wrapped("metadata", metadata()))]),
        ("server_metadata.replace", vec![single("server_metadata", wrapped("metadata", metadata()))]),
        ("server_metadata.update_item", vec![single("server_metadata.item", wrapped("meta", meta))]),
        ("keypairs.create", ranges("keypairs.create", "keypair", keypair(), KEYPAIR)),
        ("flavors.create", ranges("flavors.create", "flavor", flavor(), FLAVOR)),
        (
            "flavors.update",
            vec![single(
                "flavors.update",
                wrapped(
                    "flavor",
                    object(
                        json!({ "description": { "type": ["string", "null"], "maxLength": 65_535 } }),
                        &["description"],
                    ),
                ),
            )],
        ),
        ("flavors.add_access", vec![single("flavors.add_access", wrapped("addTenantAccess", tenant.clone()))]),
        ("flavors.remove_access", vec![single("flavors.remove_access", wrapped("removeTenantAccess", tenant))]),
        ("flavors.create_extra_specs", vec![single("flavors.extra_specs", wrapped("extra_specs", specs))]),
        ("flavors.update_extra_spec", vec![single("flavors.extra_spec", item)]),
    ]
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn printed(schema: &Value) -> String {
    let dialect = json!({ "$schema": "https://json-schema.org/draft/2020-12/schema" });
    let mut whole = dialect.as_object().cloned().unwrap_or_default();
    whole.extend(schema.as_object().cloned().unwrap_or_default());
    format!("{}\n", serde_json::to_string_pretty(&Value::Object(whole)).unwrap_or_default())
}

#[test]
fn the_files_are_what_the_versions_say() {
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    for (_, files) in files() {
        for (name, _, _, schema) in files {
            let path = folder().join(&name);
            if update {
                std::fs::write(&path, printed(&schema)).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), printed(&schema), "{name} is stale");
        }
    }
}

#[test]
fn the_manifest_names_each_file_with_its_versions() {
    let manifest = std::fs::read_to_string(folder().join("plugin.toml")).unwrap();
    for (operation, files) in files() {
        let start = manifest.find(&format!("id = \"{operation}\"")).unwrap_or_else(|| panic!("{operation} is missing"));
        let table = manifest[start..].split("[[operation]]").next().unwrap_or_default();
        for (name, from, to, _) in files {
            let bound = |word: &str, minor: Option<u32>| {
                minor.map_or_else(String::new, |minor| format!(", {word} = \"2.{minor}\""))
            };
            let line = format!("{{ file = \"{name}\"{}{} }}", bound("min", from), bound("max", to));
            assert!(table.contains(&line), "{operation} lacks {line}");
        }
    }
}
