//! The manifest of a plugin (`plugin.toml`): what it is, what it asks for and, for a personality, the one table of the
//! operations that it serves. Packed into the component; unknown keys are refused.

mod api;
mod capability;
mod collection;
mod signature;
mod validate;
mod version;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_model::{Action, Permission};

pub use api::{
    Api, ApiErrors, BodyKind, CatalogService, ErrorForm, Method, Operation, OwnAction, OwnLeast, RefusalOverride,
    Versioning, VersioningHeader,
};
pub use capability::{Asked, Capability};
pub use collection::{CollectionLimits, CollectionScope, CollectionTable};
pub use signature::{CanonicalForm, Signature, SignatureAlgorithm, SignatureDate};
pub(crate) use validate::is_header_name;
pub use validate::{HOST_REFUSALS, PLACEHOLDERS};
pub use version::ApiVersion;

use crate::plain;

/// Custom section of a packed component that holds the text of `plugin.toml`.
pub const MANIFEST_SECTION: &str = "skyloom:manifest";
/// Custom sections with the JSON schemas: this and the file's name as the manifest has it.
pub const SCHEMA_SECTION_PREFIX: &str = "skyloom:schema/";
/// Contract versions that this host serves.
pub const CONTRACTS: &[&str] = &["0.1"];

/// A whole `plugin.toml`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "Skyloom plugin manifest")]
pub struct Manifest {
    /// Version of this format: 1.
    pub manifest: u32,
    /// Lower-case letters, digits and `-`; unique in a deployment; owns the plugin's documents and attributes.
    pub id: String,
    /// Of the plugin, e.g. `0.1.0`.
    #[schemars(with = "String")]
    pub version: semver::Version,
    pub kind: Kind,
    /// Contract (WIT) version that the component is built for, e.g. `0.1`.
    pub contract: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub license: String,
    /// Every interface that the component imports must be asked for, but for `log`.
    #[serde(default, rename = "capability", skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<Asked>,
    /// What one call needs; what is left out is the host's default.
    #[serde(default)]
    pub limits: LimitsTable,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<ConfigTable>,
    /// Personalities only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Personalities only.
    #[serde(default, rename = "action", skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<OwnAction>,
    /// Personalities only.
    #[serde(default, rename = "collection", skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<CollectionTable>,
    /// Personalities only.
    #[serde(default, rename = "operation", skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
}

/// What the component is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A vendor's REST API.
    Personality,
    /// A hypervisor platform.
    Driver,
    /// A pure function from usage to charges.
    Tariff,
}

impl Kind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Personality => "personality",
            Self::Driver => "driver",
            Self::Tariff => "tariff",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Limits, in the manifest (what the plugin needs) and in the deployment file (what it gets). Defaults and ceilings:
/// [`crate::limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LimitsTable {
    /// All linear memories of a call's sandbox together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// Time that the guest's own code may run in a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u32>,
    /// The whole call, waiting for the host included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u32>,
    /// What the guest gives back: body and headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_kib: Option<u32>,
    /// Of all calls together; lines above it are dropped and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_lines_per_second: Option<u32>,
}

/// `[config]`: what the deployment may say to the plugin.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConfigTable {
    /// JSON Schema of the deployment's `config` table for this plugin.
    pub schema: serde_json::Value,
}

/// Every defect of a manifest, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defects(pub Vec<String>);

impl fmt::Display for Defects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Defects {}

impl Manifest {
    /// Reads and checks the text of a `plugin.toml`.
    pub fn parse(text: &str) -> Result<Self, Defects> {
        let manifest: Self = plain::read_toml(text).map_err(|defect| Defects(vec![defect]))?;
        let defects = validate::defects(&manifest);
        if defects.is_empty() { Ok(manifest) } else { Err(Defects(defects)) }
    }

    pub fn asks_for(&self, capability: Capability) -> Option<&Asked> {
        self.capabilities.iter().find(|asked| asked.name == capability)
    }

    /// What the policy is asked about for an operation; none only where the manifest wasn't checked.
    pub fn permission(&self, operation: &Operation) -> Option<Permission> {
        if let Some(action) = Action::parse(&operation.action) {
            return Some(action.into());
        }
        let (word, least) = self.own_actions().find(|(word, _)| *word == operation.action)?;
        Some(Permission { word: word.into(), least: least.into() })
    }

    /// What the policy decides about only this plugin: its actions and those of its collections, as rules of roles name them.
    pub fn own_actions(&self) -> impl Iterator<Item = (String, OwnLeast)> {
        let declared = self.actions.iter().map(|own| (own.word(&self.id), own.least));
        declared.chain(self.collections.iter().flat_map(|collection| collection.actions(&self.id)))
    }

    /// The words that rules of roles may be written in: the vendor's names of permissions and the plugin's own actions, each with
    /// the action that it means.
    pub fn vocabulary(&self) -> Vec<(String, String)> {
        let own = self.own_actions().map(|(word, _)| (word.clone(), word));
        let vendors = self
            .operations
            .iter()
            .filter_map(|operation| operation.rule.as_ref().map(|rule| (rule.clone(), operation.action.clone())));
        let depended = self.api.iter().flat_map(|api| &api.rules).map(|(rule, action)| (rule.clone(), action.clone()));
        own.chain(vendors).chain(depended).collect()
    }

    /// How requests may be signed.
    pub fn signature(&self) -> Option<&Signature> {
        self.api.as_ref()?.signature.as_ref()
    }

    pub fn operation(&self, id: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    /// The JSON schema files that operations and collections name, each once.
    pub fn schema_files(&self) -> Vec<&str> {
        let of_operations = self.operations.iter().filter_map(|operation| operation.schema.as_deref());
        let of_collections = self.collections.iter().map(|collection| collection.schema.as_str());
        let mut files: Vec<&str> = of_operations.chain(of_collections).collect();
        files.sort_unstable();
        files.dedup();
        files
    }
}

/// JSON Schema of `plugin.toml`, made from the types; the copy kept in the repository is compared with it.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Manifest).to_value()
}

type Map<V> = BTreeMap<String, V>;
