//! What is refused before anything of it runs: one clear line each, and the twin that is taken.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hostile_tests::{
    API, FACE_CAPABILITIES, StubCloud, call, face_manifest, grants, load, manifest, module, packed, runtime, text,
};
use serde_json::{Map, json};
use skyloom_runtime::manifest::{Capability, LimitsTable, MANIFEST_SECTION};
use skyloom_runtime::{Compiled, KEY_BYTES, LoadError, LoadOptions, Package, Runtime, pack, package};

fn good() -> Vec<u8> {
    packed("hostile-face", &face_manifest("face"))
}

fn all() -> LoadOptions {
    LoadOptions { grants: grants(FACE_CAPABILITIES), ..LoadOptions::default() }
}

/// The line that refuses these bytes.
fn refused(bytes: Vec<u8>) -> String {
    let loaded = load(&runtime(|_| {}), bytes, grants(FACE_CAPABILITIES), LimitsTable::default());
    let line = loaded.err().expect("it must be refused").to_string();
    assert!(!line.contains('\n'), "one line: {line}");
    line
}

fn with_manifest(text: &str) -> Vec<u8> {
    packed("hostile-face", text)
}

#[tokio::test]
async fn the_good_twin_is_loaded_and_answers() {
    let plugin = load(&runtime(|_| {}), good(), grants(FACE_CAPABILITIES), LimitsTable::default()).unwrap();
    assert!(plugin.digest().starts_with("sha256:"));
    let face = plugin.personality(Arc::new(StubCloud), &Map::new()).unwrap();
    assert_eq!(text(call(&face, "ok", 0).await), "ok");
}

#[test]
fn a_broken_file_is_refused() {
    let whole = good();
    assert_eq!(refused(b"#!/bin/sh\n".to_vec()), "the file is no WebAssembly component: wrong magic bytes");
    assert_eq!(
        refused(module("hostile-face")),
        "the file is no WebAssembly component: it is a core module, not packed yet"
    );
    assert!(refused(whole[..whole.len() / 2].to_vec()).starts_with("the file is no WebAssembly component: "));
    // Sound outside, broken within: the compiler refuses it.
    let at = whole.windows(8).position(|bytes| bytes == b"\0asm\x01\0\0\0").unwrap() + 9;
    let mut broken = whole;
    broken[at..at + 200].fill(0xff);
    let line = refused(broken);
    assert!(line.starts_with("the component can't be compiled: ") || line.starts_with("the file is no"), "{line}");
    let missing = runtime(|_| {}).load(Path::new("/nonexistent/x.wasm"), all()).err().unwrap();
    assert!(missing.to_string().starts_with("/nonexistent/x.wasm: "));
}

#[test]
fn the_manifest_is_there_once_and_whole() {
    let bare = Package::parse(b"\0asm\x0d\0\x01\0".to_vec()).unwrap_err().to_string();
    assert_eq!(bare, "the component holds no manifest: pack it with `skyloom plugin pack`");
    let again = package::assemble(&face_manifest("again"), &BTreeMap::new(), good()).unwrap_err();
    assert!(matches!(again, LoadError::PackedAlready));
    // A second manifest behind the first one's back.
    let mut forged = good();
    let text = face_manifest("forged");
    let mut section = vec![MANIFEST_SECTION.len() as u8];
    section.extend(MANIFEST_SECTION.bytes().chain(text.bytes()));
    let length = section.len();
    forged.extend([0, (length & 0x7f) as u8 | 0x80, (length >> 7) as u8]);
    forged.extend(section);
    assert_eq!(refused(forged), "the component holds 2 manifests: it was put together by hand");
}

#[test]
fn a_manifest_says_nothing_unknown() {
    let text = face_manifest("face").replace("contract =", "contact = \"x\"\ncontract =");
    let line = refused(with_manifest(&text));
    assert!(line.starts_with("plugin.toml: line 5: contact: there is no such key;"), "{line}");
    let newer = face_manifest("face").replace("contract = \"0.1\"", "contract = \"0.9\"");
    assert_eq!(refused(with_manifest(&newer)), "plugin.toml: contract `0.9` is not served; this host serves 0.1");
}

#[test]
fn a_plugin_is_what_its_manifest_says() {
    let driver = manifest("face", "driver", &["log"], "");
    assert_eq!(
        refused(with_manifest(&driver)),
        "the manifest says driver, but the component doesn't export `skyloom:driver/servers`"
    );
    let tariff = manifest("face", "tariff", &[], "");
    assert_eq!(
        refused(with_manifest(&tariff)),
        "the manifest says tariff, but the component doesn't export `skyloom:tariff/rating`"
    );
    // A tariff's code under a personality's manifest.
    let forged = packed("hostile-tariff", &face_manifest("face"));
    assert_eq!(
        refused(forged),
        "the manifest says personality, but the component doesn't export `skyloom:personality/handler`"
    );
    let plugin = load(&runtime(|_| {}), good(), grants(FACE_CAPABILITIES), LimitsTable::default()).unwrap();
    let line = plugin.driver("node-1", &Map::new()).err().unwrap().to_string();
    assert_eq!(line, "a driver is wanted here, the plugin is a personality");
    assert!(plugin.tariff().is_err());
    assert!(plugin.personality(Arc::new(StubCloud), &Map::new()).is_ok());
}

#[test]
fn a_foreign_import_is_refused() {
    let foreign = packed("hostile-foreign", &face_manifest("foreign"));
    assert_eq!(refused(foreign), "the component imports `evil:plugin/files`, which no plugin may have");
}

#[test]
fn an_import_must_be_asked_for() {
    let without: Vec<&str> = FACE_CAPABILITIES.iter().copied().filter(|name| *name != "compute").collect();
    let line = refused(with_manifest(&manifest("face", "personality", &without, API)));
    assert_eq!(
        line,
        "the component imports `skyloom:cloud/compute@0.1.0`, but plugin.toml doesn't ask for the capability `compute`"
    );
}

#[test]
fn every_capability_must_be_granted() {
    let runtime = runtime(|_| {});
    for missing in FACE_CAPABILITIES.iter().filter(|name| **name != "log") {
        let rest: Vec<&str> = FACE_CAPABILITIES.iter().copied().filter(|name| name != missing).collect();
        let line = load(&runtime, good(), grants(&rest), LimitsTable::default()).err().unwrap().to_string();
        assert_eq!(
            line,
            format!(
                "it needs the capability `{missing}` (a test), which the deployment doesn't grant: add \
                 \"{missing}\" to its grants"
            )
        );
    }
    load(&runtime, good(), grants(FACE_CAPABILITIES), LimitsTable::default()).unwrap();
}

#[test]
fn asking_for_more_than_is_used_needs_no_grant() {
    let more: Vec<&str> = FACE_CAPABILITIES.iter().copied().chain(["identity"]).collect();
    let bytes = with_manifest(&manifest("face", "personality", &more, API));
    let plugin = load(&runtime(|_| {}), bytes, grants(FACE_CAPABILITIES), LimitsTable::default()).unwrap();
    let line = plugin.explain().capabilities.iter().find(|line| line.name == Capability::Identity).unwrap();
    assert!(line.asked && !line.granted && !line.imported && !line.effective);
}

#[test]
fn documents_need_a_store_behind_them() {
    let without = runtime(|options| options.documents = None);
    let line = load(&without, good(), grants(FACE_CAPABILITIES), LimitsTable::default()).err().unwrap().to_string();
    assert_eq!(line, "grant `documents`: this host keeps no documents");
}

#[test]
fn configuration_and_limits_are_checked() {
    let runtime = runtime(|_| {});
    let with = |config: serde_json::Value, limits: LimitsTable| {
        let config = config.as_object().unwrap().clone();
        runtime.load_package(Package::parse(good()).unwrap(), LoadOptions { config, limits, ..all() })
    };
    assert!(with(json!({ "n": 1 }), LimitsTable::default()).is_ok());
    let line = with(json!({ "n": "x" }), LimitsTable::default()).err().unwrap().to_string();
    assert!(line.starts_with("config/n: "), "{line}");
    let above = LimitsTable { cpu_ms: Some(60_001), ..LimitsTable::default() };
    let line = with(json!({}), above).err().unwrap().to_string();
    assert_eq!(line, "limit cpu-ms = 60001 is above the host's ceiling of 60000");
    let at = LimitsTable { cpu_ms: Some(60_000), ..LimitsTable::default() };
    assert_eq!(with(json!({}), at).unwrap().limits().cpu.as_millis(), 60_000);
}

#[test]
fn packing_refuses_what_loading_would() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    let schema = "schema = \"body.json\"\nbody = \"json\"\n";
    std::fs::write(path("plugin.toml"), face_manifest("face") + schema).unwrap();
    std::fs::write(path("face.wasm"), module("hostile-face")).unwrap();
    let packed = || pack(&path("plugin.toml"), &path("face.wasm"), &path("out.wasm"));
    assert!(matches!(packed(), Err(LoadError::Unreadable { .. })), "the schema isn't there");
    std::fs::write(path("body.json"), "{ \"type\": 7 }").unwrap();
    assert!(packed().unwrap_err().to_string().starts_with("schema `body.json`: "));
    assert!(!path("out.wasm").exists());
    std::fs::write(path("body.json"), "{ \"type\": \"object\" }").unwrap();
    let done = packed().unwrap();
    let manifest = Runtime::check(&path("out.wasm"), &all()).unwrap().0;
    assert_eq!((manifest.id, done.id), ("face".to_owned(), "face".to_owned()));
    let plugin = runtime(|_| {}).load(&path("out.wasm"), all()).unwrap();
    assert_eq!(plugin.digest(), done.digest);
    assert_eq!(plugin.schema("body.json"), Some("{ \"type\": \"object\" }"));
    let found = plugin.body_schemas("ok").unwrap().violations(None, &json!([]), b"[]");
    assert_eq!(found[0].keyword, "type");
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 4, "nothing half-made is left");
}

#[test]
fn code_is_compiled_once() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("compiled");
    let compiled = Compiled { folder: folder.clone(), key: [7; KEY_BYTES] };
    let start = || runtime(|options| options.cache = Some(compiled.clone()));
    let load = |runtime: &Runtime| load(runtime, good(), grants(FACE_CAPABILITIES), LimitsTable::default()).unwrap();
    load(&start());
    let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1);
    let made = std::fs::metadata(&kept[0]).unwrap().modified().unwrap();
    load(&start());
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().modified().unwrap(), made);
    // What somebody else put there isn't run.
    std::fs::write(&kept[0], b"forged native code").unwrap();
    load(&start());
    assert!(std::fs::metadata(&kept[0]).unwrap().len() > 1000, "made again");
}

#[test]
fn explain_says_what_and_why() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("face.wasm");
    std::fs::write(&file, good()).unwrap();
    let options = LoadOptions { grants: grants(&["clock", "quotas"]), ..LoadOptions::default() };
    let explained = Runtime::explain(&file, &options).unwrap();
    let why = |name| explained.capabilities.iter().find(|line| line.name == name).map(|line| line.why);
    assert_eq!(why(Capability::Log), Some("free: every plugin has it"));
    assert_eq!(why(Capability::Clock), Some("asked for, granted and used"));
    assert_eq!(why(Capability::Quotas), Some("granted without being asked for: no effect"));
    assert_eq!(why(Capability::Compute), Some("refused: the deployment doesn't grant it, and the code needs it"));
    assert_eq!(why(Capability::Networks), None);
    assert!(explained.refused.unwrap().starts_with("it needs the capability"));
}
