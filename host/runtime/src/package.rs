//! The file of a plugin: a component with its manifest and JSON schemas in custom sections.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmparser::Parser;
use wit_component::ComponentEncoder;

use crate::collections::Collections;
use crate::error::{LoadError, one_line};
use crate::files::{self, PLUGIN_BYTES, TEXT_BYTES};
use crate::grants;
use crate::manifest::{MANIFEST_SECTION, Manifest, Operation, SCHEMA_SECTION_PREFIX};
use crate::schema_versions;
use crate::schemas::SchemaSet;
use crate::surface::Surface;

/// A packed plugin as its file says it, before anything of it is believed but its form.
#[derive(Debug)]
pub struct Package {
    pub bytes: Vec<u8>,
    /// `sha256:<hex>` of the whole file.
    pub digest: String,
    pub manifest: Manifest,
    /// Text of each embedded JSON schema by its name in the manifest.
    pub schemas: BTreeMap<String, String>,
    pub surface: Surface,
}

/// What [`pack`] made.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Packed {
    pub id: String,
    /// `sha256:<hex>`.
    pub digest: String,
    /// Bytes.
    pub size: usize,
}

impl Package {
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        Self::parse(read(path, PLUGIN_BYTES)?)
    }

    pub fn parse(bytes: Vec<u8>) -> Result<Self, LoadError> {
        let mut surface = Surface::of(&bytes)?;
        let text = match surface.manifests.as_slice() {
            [] => return Err(LoadError::NoManifest),
            [one] => std::str::from_utf8(one).map_err(|_| LoadError::ManifestNotText)?,
            several => return Err(LoadError::SeveralManifests(several.len())),
        };
        let manifest = Manifest::parse(text).map_err(LoadError::Manifest)?;
        let mut schemas = BTreeMap::new();
        for (file, text) in std::mem::take(&mut surface.schemas) {
            let reason = || LoadError::Schema { file: file.clone(), reason: "is no UTF-8 text".to_owned() };
            let text = String::from_utf8(text).map_err(|_| reason())?;
            schemas.insert(file, text);
        }
        let digest = digest(&bytes);
        Ok(Self { bytes, digest, manifest, schemas, surface })
    }

    /// The operation's schemas, plain, that of the newest version last; empty: it has none that can be read.
    pub fn body_schemas(&self, operation: &Operation) -> Vec<serde_json::Value> {
        let text = operation.schema.as_ref().and_then(|file| self.schemas.get(file));
        let source = text.and_then(|text| serde_json::from_str(text).ok());
        let versions = source.and_then(|source| schema_versions::of(&source).ok()).unwrap_or_default();
        versions.into_iter().map(|(_, schema)| schema).collect()
    }
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, LoadError> {
    files::read(path, most).map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })
}

/// `sha256:<hex>`.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// Makes a plugin's file of a core module (as the compiler makes it for wasm32-unknown-unknown) or of a component, and of the
/// manifest with the schemas beside it. What loading would refuse whatever the deployment says is refused here already.
pub fn pack(manifest: &Path, wasm: &Path, out: &Path) -> Result<Packed, LoadError> {
    let text = String::from_utf8(read(manifest, TEXT_BYTES)?).map_err(|_| LoadError::ManifestNotText)?;
    let parsed = Manifest::parse(&text).map_err(LoadError::Manifest)?;
    let folder = manifest.parent().unwrap_or(Path::new("."));
    let schemas = parsed
        .schema_files()
        .into_iter()
        .map(|file| Ok((file.to_owned(), read(&folder.join(file), TEXT_BYTES)?)))
        .collect::<Result<BTreeMap<_, _>, LoadError>>()?;
    let bytes = assemble(&text, &schemas, read(wasm, PLUGIN_BYTES)?)?;
    let package = Package::parse(bytes)?;
    grants::check_surface(&package.manifest, &package.surface)?;
    SchemaSet::compile(&package.manifest, &package.schemas)?;
    Collections::compile(&package.manifest, &package.schemas)?;
    write_whole(out, &package.bytes).map_err(|source| LoadError::Unreadable { path: out.to_owned(), source })?;
    Ok(Packed { id: package.manifest.id, digest: package.digest, size: package.bytes.len() })
}

/// The component with its sections, from texts. Checks the form of the component, not what the manifest promises.
pub fn assemble(manifest: &str, schemas: &BTreeMap<String, Vec<u8>>, wasm: Vec<u8>) -> Result<Vec<u8>, LoadError> {
    let mut component = if Parser::is_core_wasm(&wasm) {
        let broken = |error: &dyn std::fmt::Display| LoadError::Broken(one_line(error));
        ComponentEncoder::default()
            .module(&wasm)
            .map_err(|error| broken(&format!("{error:#}")))?
            .validate(true)
            .encode()
            .map_err(|error| broken(&format!("{error:#}")))?
    } else {
        wasm
    };
    if !Surface::of(&component)?.manifests.is_empty() {
        return Err(LoadError::PackedAlready);
    }
    append_section(&mut component, MANIFEST_SECTION, manifest.as_bytes());
    for (file, text) in schemas {
        append_section(&mut component, &format!("{SCHEMA_SECTION_PREFIX}{file}"), text);
    }
    Ok(component)
}

/// A custom section: id 0, the length of the rest, the name with its length, the data.
fn append_section(component: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::with_capacity(data.len() + name.len() + 5);
    leb128(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    component.push(0);
    leb128(component, body.len());
    component.extend_from_slice(&body);
}

fn leb128(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

/// Beside its place first, so that nobody sees half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    std::fs::write(&part, bytes)?;
    std::fs::rename(&part, path).inspect_err(|_| {
        let _ = std::fs::remove_file(&part);
    })
}
