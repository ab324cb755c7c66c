//! The sandbox: loads plugins, gives them what they are granted and no more, and calls them. The only crate that names
//! wasmtime.

pub mod api;
pub mod bindings;
mod cache;
pub mod capabilities;
mod cloud_calls;
pub mod collections;
mod component_driver;
mod component_tariff;
pub mod context;
mod convert;
mod counters;
pub mod documents;
pub mod driver;
mod engine;
mod error;
mod explain;
pub mod files;
mod functions;
pub mod grants;
pub mod guest;
mod host_calls;
mod http_calls;
#[cfg(feature = "libvirt")]
mod libvirt_calls;
pub mod limits;
pub mod manifest;
mod memory;
pub mod package;
pub mod packed;
pub mod personality;
pub mod plain;
mod plugin;
mod quotes;
mod schema_versions;
mod schemas;
mod surface;
pub mod tariff;

pub use cache::{Compiled, KEY_BYTES};
pub use component_driver::WasmDriver;
pub use component_tariff::WasmTariff;
pub use counters::CountersSnapshot;
pub use documents::{Document, Documents};
pub use engine::{Options, Runtime, TICK};
pub use error::{LoadError, RunError};
pub use explain::{CapabilityLine, Explanation, LabelLine, LimitLine};
pub use grants::{Grant, HttpParameters, LibvirtParameters};
pub use limits::Limits;
pub use manifest::Manifest;
pub use memory::least_mib;
pub use package::{Package, Packed, pack};
pub use personality::Personality;
pub use plugin::{LoadOptions, Plugin};
pub use schemas::{BodySchemas, SchemaSet};
