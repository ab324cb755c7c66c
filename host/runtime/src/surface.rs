//! What stands at the outside of a component's file.

use std::collections::BTreeMap;

use wasmparser::{Parser, Payload};

use crate::error::{LoadError, one_line};
use crate::manifest::{MANIFEST_SECTION, SCHEMA_SECTION_PREFIX};

/// What a component imports and exports, with versions, and its custom sections.
#[derive(Debug, Default)]
pub struct Surface {
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// Bytes that the memories of its modules begin with.
    pub memory: u64,
    pub(crate) manifests: Vec<Vec<u8>>,
    pub(crate) schemas: BTreeMap<String, Vec<u8>>,
}

impl Surface {
    /// Reads the outermost layer only, but for memories; nothing is validated here, the compiler does that.
    pub fn of(bytes: &[u8]) -> Result<Self, LoadError> {
        if !Parser::is_component(bytes) {
            let reason =
                if Parser::is_core_wasm(bytes) { "it is a core module, not packed yet" } else { "wrong magic bytes" };
            return Err(LoadError::Broken(reason.to_owned()));
        }
        let broken = |error: wasmparser::BinaryReaderError| LoadError::Broken(one_line(&error));
        let mut surface = Self::default();
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(broken)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        let memory = memory.map_err(broken)?;
                        let page = 1 << memory.page_size_log2.unwrap_or(16).min(16);
                        surface.memory = surface.memory.saturating_add(memory.initial.saturating_mul(page));
                    }
                }
                _ if depth > 0 => {}
                Payload::ComponentImportSection(imports) => {
                    for import in imports {
                        surface.imports.push(import.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(exports) => {
                    for export in exports {
                        surface.exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) if section.name() == MANIFEST_SECTION => {
                    surface.manifests.push(section.data().to_owned());
                }
                Payload::CustomSection(section) => {
                    if let Some(file) = section.name().strip_prefix(SCHEMA_SECTION_PREFIX) {
                        surface.schemas.insert(file.to_owned(), section.data().to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(surface)
    }
}
