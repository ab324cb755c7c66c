//! `[[collection]]`: records that only this plugin has, which the host keeps for it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::api::OwnLeast;
use super::{Capability, Manifest};

/// Members that can be looked for and ordered by.
pub const MAX_INDEXED: usize = 8;
/// Unique keys of a collection, and members of one.
const MAX_UNIQUE: usize = 4;
const MAX_COLLECTIONS: usize = 64;

/// Records of one kind. Reading them is the action `<plugin>:<name>:read`, changing them `create`, `update` and `delete` likewise:
/// operations and rules of roles name these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CollectionTable {
    /// A word, e.g. `image-types`.
    pub name: String,
    /// For the operator who writes rules.
    pub description: String,
    pub scope: CollectionScope,
    /// File of the records' JSON schema, relative to `plugin.toml`. It is an object.
    pub schema: String,
    /// One more with each schema that older records may not fit: a record says which one it was written with. Default 1.
    #[serde(default = "first")]
    pub schema_version: u32,
    /// Members of the record by which lists are filtered and ordered: at most 8, each a text, an integer or a flag.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexed: Vec<String>,
    /// Indexed members that no two records of one owner have alike; at most 4 such keys of at most 4 members. A record without one
    /// of the members is free of the key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<Vec<String>>,
    /// What a caller needs at least to see records.
    pub read: OwnLeast,
    /// And to make, change and remove them.
    pub write: OwnLeast,
    #[serde(default)]
    pub limits: CollectionLimits,
}

/// Whose records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CollectionScope {
    /// Each project has its own.
    Project,
    /// The projects of a domain share them.
    Domain,
    /// All see them.
    Cloud,
}

impl CollectionScope {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Domain => "domain",
            Self::Cloud => "cloud",
        }
    }
}

/// What one owner (a project, a domain, the cloud) may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct CollectionLimits {
    /// Records. Default 1000, at most 100000.
    pub items: u32,
    /// Of one record. Default 16, at most 256.
    pub item_kib: u32,
    /// Of all records together. Default 4096, at most 1048576.
    pub total_kib: u32,
}

impl Default for CollectionLimits {
    fn default() -> Self {
        Self { items: 1000, item_kib: 16, total_kib: 4096 }
    }
}

fn first() -> u32 {
    1
}

impl CollectionTable {
    /// With what each asks for at least.
    pub fn actions(&self, plugin: &str) -> [(String, OwnLeast); 4] {
        [("read", self.read), ("create", self.write), ("update", self.write), ("delete", self.write)]
            .map(|(verb, least)| (format!("{plugin}:{}:{verb}", self.name), least))
    }
}

pub(super) fn defects(manifest: &Manifest, defects: &mut Vec<String>) {
    let mut names = BTreeSet::new();
    for collection in &manifest.collections {
        let name = collection.name.escape_debug().to_string();
        let mut wrong = |what: String| defects.push(format!("collection `{name}`: {what}"));
        if !is_word(&collection.name) {
            wrong("a name has 1 to 64 lower-case letters, digits and `-`, a letter first".to_owned());
        }
        if !names.insert(&collection.name) {
            wrong("it stands twice".to_owned());
        }
        if manifest.actions.iter().any(|own| own.name.split(':').next() == Some(&collection.name)) {
            wrong("an [[action]] has its name as resource".to_owned());
        }
        if collection.scope == CollectionScope::Cloud && collection.write != OwnLeast::Operator {
            wrong("what is the whole cloud's is for operators to write; rules of roles may let others".to_owned());
        }
        // A token of a whole domain would reach all its projects by it, whatever its roles.
        let least = [collection.read, collection.write];
        if collection.scope != CollectionScope::Cloud && least.contains(&OwnLeast::Authenticated) {
            wrong(
                "what is a project's or a domain's needs a role: `authenticated` is for the scope `cloud`".to_owned(),
            );
        }
        members(collection).into_iter().for_each(&mut wrong);
        limits(&collection.limits).into_iter().for_each(wrong);
    }
    if manifest.collections.len() > MAX_COLLECTIONS {
        defects.push(format!("a plugin has at most {MAX_COLLECTIONS} collections"));
    }
    if !manifest.collections.is_empty() && manifest.asks_for(Capability::Collections).is_none() {
        defects.push("[[collection]] needs the capability `collections`".to_owned());
    }
}

fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn members(collection: &CollectionTable) -> Vec<String> {
    let mut wrong = Vec::new();
    if collection.schema_version == 0 {
        wrong.push("schema-version is at least 1".to_owned());
    }
    if collection.indexed.len() > MAX_INDEXED {
        wrong.push(format!("at most {MAX_INDEXED} members are indexed"));
    }
    let mut indexed = BTreeSet::new();
    for member in &collection.indexed {
        if member.is_empty() || member.len() > 64 || ["id", "created-at", "updated-at"].contains(&member.as_str()) {
            wrong.push(format!("`{}` cannot be the name of an indexed member", member.escape_debug()));
        }
        if !indexed.insert(member) {
            wrong.push(format!("`{}` is indexed twice", member.escape_debug()));
        }
    }
    if collection.unique.len() > MAX_UNIQUE {
        wrong.push(format!("it has at most {MAX_UNIQUE} unique keys"));
    }
    if collection.unique.iter().collect::<BTreeSet<_>>().len() < collection.unique.len() {
        wrong.push("a unique key stands twice".to_owned());
    }
    for key in &collection.unique {
        let distinct: BTreeSet<&String> = key.iter().collect();
        if key.is_empty() || key.len() > MAX_UNIQUE || distinct.len() < key.len() {
            wrong.push(format!("a unique key has 1 to {MAX_UNIQUE} members, each once"));
        }
        for member in key.iter().filter(|member| !indexed.contains(member)) {
            wrong.push(format!("`{}` is in a unique key, but not indexed", member.escape_debug()));
        }
    }
    wrong
}

fn limits(limits: &CollectionLimits) -> Vec<String> {
    let bounds = [
        ("items", limits.items, 100_000),
        ("item-kib", limits.item_kib, 256),
        ("total-kib", limits.total_kib, 1 << 20),
    ];
    if limits.total_kib < limits.item_kib {
        return vec!["limits.total-kib is at least item-kib".to_owned()];
    }
    let outside = bounds.into_iter().filter(|(_, value, most)| *value == 0 || value > most);
    outside.map(|(name, _, most)| format!("limits.{name} is 1 to {most}")).collect()
}
