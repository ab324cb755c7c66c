//! Builds, packs and loads hostile components, and stands in for what is behind the sandbox.

mod stand_in;
mod tables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use skyloom_runtime::collections::Collections;
use skyloom_runtime::context::{CallContext, SecretVault, Streams};
use skyloom_runtime::manifest::LimitsTable;
use skyloom_runtime::personality::{Body, Request, Response};
use skyloom_runtime::{
    Grant, LoadError, LoadOptions, Options, Package, Personality, Plugin, RunError, Runtime, package,
};

pub use stand_in::{Memory, StubCloud, UPLOAD};
pub use tables::{PIECE, growing_tariff};

/// Crates of the components that the tests load.
const GUESTS: &[&str] =
    &["hostile-face", "hostile-foreign", "hostile-driver", "hostile-tariff", "driver-simulator", "tariff-on-demand"];

/// The core module that the compiler made of a crate. All are built on first use.
///
/// # Panics
/// When they can't be built: a test has nothing else to do then.
pub fn module(package: &str) -> Vec<u8> {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let root = root();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.current_dir(&root).args([
            "build",
            "--quiet",
            "--profile",
            "plugin",
            "--target",
            "wasm32-unknown-unknown",
        ]);
        // What cargo tells the test about itself is not for the build within it.
        build.env_remove("CARGO_ENCODED_RUSTFLAGS");
        for guest in GUESTS {
            build.args(["-p", guest]);
        }
        let built = build.status().expect("cargo");
        assert!(built.success(), "the hostile components can't be built");
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        root.join(target).join("wasm32-unknown-unknown/plugin")
    });
    let file = folder.join(format!("{}.wasm", package.replace('-', "_")));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Top of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A plugin's file of a crate and a manifest.
///
/// # Panics
/// When the compiler's output is no module.
pub fn packed(package: &str, manifest: &str) -> Vec<u8> {
    package::assemble(manifest, &BTreeMap::new(), module(package)).expect("a component")
}

/// Every interface that the hostile personality imports.
pub const FACE_CAPABILITIES: &[&str] = &["log", "clock", "random", "config", "documents", "compute", "images"];

/// The manifest of a plugin that asks for these capabilities; `rest` follows.
pub fn manifest(id: &str, kind: &str, capabilities: &[&str], rest: &str) -> String {
    let head = format!("manifest = 1\nid = \"{id}\"\nversion = \"0.1.0\"\nkind = \"{kind}\"\ncontract = \"0.1\"\n");
    let asked = capabilities.iter().map(|name| format!("[[capability]]\nname = \"{name}\"\nreason = \"a test\"\n"));
    head + &asked.collect::<String>() + rest
}

/// What a personality's manifest must have beside its capabilities.
pub const API: &str = "[config]\nschema = { type = \"object\", properties = { n = { type = \"integer\" } } }\n[api]\n\
    [[operation]]\nid = \"ok\"\nmethod = \"GET\"\npaths = [\"/ok\"]\naction = \"public\"\nsuccess = [200]\n";

pub fn face_manifest(id: &str) -> String {
    manifest(id, "personality", FACE_CAPABILITIES, API)
}

/// # Panics
/// When a name is unknown.
pub fn grants(names: &[&str]) -> Vec<Grant> {
    names.iter().map(|name| serde_json::from_value(Value::from(*name)).expect("a grant")).collect()
}

/// A runtime whose `documents` live in memory; the one named `stall` never answers.
///
/// # Panics
/// When the engine can't be started.
pub fn runtime(change: impl FnOnce(&mut Options)) -> Runtime {
    let mut options = Options { sandboxes: 16, sandboxes_per_plugin: 8, ..Options::default() };
    options.documents = Some(Arc::new(Memory::default()));
    change(&mut options);
    Runtime::new(options).expect("a sandbox engine")
}

/// Loads a file's bytes with grants and limits.
pub fn load(runtime: &Runtime, bytes: Vec<u8>, grants: Vec<Grant>, limits: LimitsTable) -> Result<Plugin, LoadError> {
    runtime.load_package(
        Package::parse(bytes)?,
        LoadOptions { grants, config: Map::new(), limits, ..LoadOptions::default() },
    )
}

/// The hostile personality with all it asks for.
///
/// # Panics
/// When it can't be loaded.
pub fn face(runtime: &Runtime, id: &str, limits: LimitsTable) -> Personality {
    let bytes = packed("hostile-face", &face_manifest(id));
    let plugin = load(runtime, bytes, grants(FACE_CAPABILITIES), limits).expect("a plugin");
    plugin.personality(Arc::new(StubCloud), &Map::new()).expect("a personality")
}

/// Calls an operation of the hostile personality; `n` says how much.
pub async fn call(face: &Personality, operation: &str, n: u64) -> Result<Response, RunError> {
    call_at(face, operation, n, "/").await
}

pub async fn call_at(face: &Personality, operation: &str, n: u64, path: &str) -> Result<Response, RunError> {
    let context = CallContext {
        caller: None,
        request_id: "req-test".into(),
        personality: "test".into(),
        collections: Collections::default(),
        secrets: SecretVault::new(),
        client: None,
        streams: Streams::default(),
        retry_after: std::sync::OnceLock::new(),
    };
    let request = Request {
        operation: operation.to_owned(),
        rule: None,
        method: "GET".to_owned(),
        path: path.to_owned(),
        params: Vec::new(),
        query: vec![("n".to_owned(), n.to_string())],
        headers: Vec::new(),
        body: Vec::new(),
        caller: None,
        request_id: "req-test".to_owned(),
        base_url: "http://localhost".to_owned(),
        version: None,
        violations: Vec::new(),
        upload: None,
    };
    face.handle(Arc::new(context), request).await
}

/// The body of a good answer.
///
/// # Panics
/// When there is none.
pub fn text(answer: Result<Response, RunError>) -> String {
    match answer.expect("an answer").body {
        Body::Bytes(bytes) => String::from_utf8(bytes).expect("text"),
        other => panic!("not text: {other:?}"),
    }
}
