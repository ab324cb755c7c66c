//! What a plugin may reach: effective = asked AND granted, decided once at load.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use skyloom_egress::{Egress, Rules};

use crate::error::LoadError;
use crate::files;
use crate::manifest::{Asked, CONTRACTS, Capability, Kind, Manifest};
use crate::plain;
use crate::surface::Surface;

/// A grant of the deployment file: `"compute"`, or `{ name = "libvirt", uri = "...", ... }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    pub capability: Capability,
    pub parameters: serde_json::Map<String, serde_json::Value>,
}

impl From<Capability> for Grant {
    fn from(capability: Capability) -> Self {
        Self { capability, parameters: serde_json::Map::new() }
    }
}

impl Serialize for Grant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.parameters.is_empty() {
            return self.capability.serialize(serializer);
        }
        let mut table = self.parameters.clone();
        table.insert("name".to_owned(), self.capability.as_str().into());
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let (name, parameters) = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(name) => (name, serde_json::Map::new()),
            serde_json::Value::Object(mut table) => match table.remove("name") {
                Some(serde_json::Value::String(name)) => (name, table),
                _ => return Err(D::Error::custom("a grant's table needs `name`")),
            },
            _ => return Err(D::Error::custom("a grant is the name of a capability, or a table with `name`")),
        };
        let capability = Capability::parse(&name).ok_or_else(|| {
            let known: Vec<&str> = Capability::ALL.iter().map(|capability| capability.as_str()).collect();
            D::Error::custom(format!("grant `{name}` is unknown; known are {}", known.join(", ")))
        })?;
        Ok(Self { capability, parameters })
    }
}

impl JsonSchema for Grant {
    fn schema_name() -> Cow<'static, str> {
        "Grant".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let name = generator.subschema_for::<Capability>();
        json_schema!({
            "anyOf": [
                name,
                { "type": "object", "properties": { "name": name }, "required": ["name"] },
            ]
        })
    }
}

/// Parameters of a grant of `libvirt`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LibvirtParameters {
    /// e.g. `qemu:///system`.
    pub uri: String,
    /// Folder of disks and console logs; made if it isn't there.
    pub storage: PathBuf,
    /// libvirt networks that NICs may use; `user` stands for QEMU's own user networking.
    #[serde(default)]
    pub networks: Vec<String>,
}

/// Parameters of a grant of `http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpParameters {
    /// Where the requests of each label may go.
    pub labels: BTreeMap<String, Rules>,
}

impl HttpParameters {
    pub fn read(grant: &Grant) -> Result<Self, LoadError> {
        plain::read_members(grant.parameters.clone())
            .map_err(|reason| LoadError::Grant { capability: grant.capability, reason })
    }

    /// The labels that are asked for, each with what it is granted; one that isn't granted is refused.
    fn of(&self, asked: &Asked, folder: &Path) -> Result<Labels, LoadError> {
        let refuse = |reason: String| LoadError::Grant { capability: asked.name, reason };
        let read = |path: &Path, most: u64| files::read(&folder.join(path), most);
        let labels = asked.labels.iter().map(|(label, reason)| {
            let rules =
                self.labels.get(label).ok_or_else(|| refuse(format!("label `{label}` is missing ({reason})")))?;
            let egress = Egress::new(rules, &read).map_err(|why| refuse(format!("[labels.{label}] {why}")))?;
            Ok((label.clone(), Arc::new(egress)))
        });
        Ok(Arc::new(labels.collect::<Result<_, LoadError>>()?))
    }
}

/// Where each label leads.
pub type Labels = Arc<BTreeMap<String, Arc<Egress>>>;

/// The set of capabilities that calls may use. Made at load, never changed: the one value that every host function asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permits(u128);

/// One more would take another's bit.
const _: () = assert!(Capability::ALL.len() <= u128::BITS as usize);

impl Permits {
    #[must_use]
    pub fn with(self, capability: Capability) -> Self {
        Self(self.0 | 1 << capability as u8)
    }

    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }
}

/// Asked and granted, with the parameters that have been understood.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    pub permits: Permits,
    pub http: Labels,
    pub libvirt: Option<LibvirtParameters>,
}

/// Interfaces without functions, which need no grant.
const TYPES_ONLY: &[&str] = &["skyloom:types/common", "skyloom:types/errors", "skyloom:driver/types"];
/// Versions of the WIT packages behind [`CONTRACTS`].
const PACKAGE_VERSIONS: &[&str] = &["0.1.0"];

/// What a kind must export.
fn required_exports(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Personality => &["skyloom:personality/handler"],
        Kind::Driver => {
            &["skyloom:driver/servers", "skyloom:driver/disks", "skyloom:driver/steps", "skyloom:driver/inventory"]
        }
        Kind::Tariff => &["skyloom:tariff/rating"],
    }
}

/// The interface without its version, once that is one that the host serves.
fn served(name: &str) -> Result<&str, LoadError> {
    let (interface, version) = name.split_once('@').unwrap_or((name, ""));
    if interface.starts_with("skyloom:") && !PACKAGE_VERSIONS.contains(&version) {
        return Err(LoadError::Contract {
            interface: interface.to_owned(),
            version: version.to_owned(),
            served: CONTRACTS,
        });
    }
    Ok(interface)
}

/// The capabilities that the component imports; refuses what no deployment could mend.
pub fn check_surface(manifest: &Manifest, surface: &Surface) -> Result<Vec<Capability>, LoadError> {
    let exports = surface.exports.iter().map(|name| served(name)).collect::<Result<Vec<_>, _>>()?;
    for missing in required_exports(manifest.kind) {
        if !exports.contains(missing) {
            return Err(LoadError::MissingExport { kind: manifest.kind, missing });
        }
    }
    let mut imported = Vec::new();
    for name in &surface.imports {
        let interface = served(name)?;
        if TYPES_ONLY.contains(&interface) {
            continue;
        }
        let capability = Capability::of_interface(interface)
            .filter(|capability| capability.allowed_for(manifest.kind))
            .ok_or_else(|| LoadError::ForeignImport(name.clone()))?;
        if !capability.is_free() && manifest.asks_for(capability).is_none() {
            return Err(LoadError::NotAsked { import: name.clone(), capability });
        }
        imported.push(capability);
    }
    Ok(imported)
}

/// Asked AND granted; an import outside of that is refused. Paths of grants begin at `folder`.
pub fn resolve(
    manifest: &Manifest,
    imported: &[Capability],
    grants: &[Grant],
    folder: &Path,
) -> Result<Granted, LoadError> {
    let mut given = BTreeMap::new();
    for grant in grants {
        let refuse = |reason: &str| LoadError::Grant { capability: grant.capability, reason: reason.to_owned() };
        if given.insert(grant.capability, grant).is_some() {
            return Err(refuse("stands twice"));
        }
        if !grant.capability.has_parameters() && !grant.parameters.is_empty() {
            return Err(refuse("has no parameters"));
        }
    }
    let mut granted = Granted::default();
    for free in Capability::ALL.iter().filter(|capability| capability.is_free()) {
        granted.permits = granted.permits.with(*free);
    }
    for asked in manifest.capabilities.iter().filter(|asked| !asked.name.is_free()) {
        let Some(grant) = given.get(&asked.name) else {
            if imported.contains(&asked.name) {
                return Err(LoadError::NotGranted { capability: asked.name, reason: asked.reason.clone() });
            }
            continue;
        };
        granted.permits = granted.permits.with(asked.name);
        match asked.name {
            Capability::Http => granted.http = HttpParameters::read(grant)?.of(asked, folder)?,
            Capability::Libvirt => {
                let parameters = plain::read_members(grant.parameters.clone())
                    .map_err(|reason| LoadError::Grant { capability: asked.name, reason })?;
                granted.libvirt = Some(parameters);
            }
            _ => {}
        }
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(text: &str) -> Result<Vec<Grant>, String> {
        #[derive(Deserialize)]
        struct File {
            grants: Vec<Grant>,
        }
        toml::from_str::<File>(text).map(|file| file.grants).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn grants_are_names_or_tables() {
        let read =
            grants(r#"grants = ["log", { name = "libvirt", uri = "qemu:///system", storage = "/srv" }]"#).unwrap();
        assert_eq!(read[0], Capability::Log.into());
        assert_eq!(read[1].parameters["uri"], "qemu:///system");
        assert!(
            grants(r#"grants = ["teleport"]"#).unwrap_err().starts_with("grant `teleport` is unknown; known are log")
        );
        assert!(grants("grants = [7]").is_err());
        assert!(grants(r#"grants = [{ uri = "x" }]"#).is_err());
    }

    fn driver(capabilities: &[&str]) -> Manifest {
        let labels =
            |name: &str| if name == "http" { "labels = { crm = \"who pays\", log = \"a trail\" }\n" } else { "" };
        let head = "manifest = 1\nid = \"d\"\nversion = \"1.0.0\"\nkind = \"driver\"\ncontract = \"0.1\"\n";
        let asked = capabilities
            .iter()
            .map(|name| format!("[[capability]]\nname = \"{name}\"\nreason = \"a test\"\n{}", labels(name)));
        Manifest::parse(&(head.to_owned() + &asked.collect::<String>())).unwrap()
    }

    #[test]
    fn effective_is_asked_and_granted() {
        let manifest = driver(&["config", "clock"]);
        let given = [Capability::Config.into(), Capability::Random.into()];
        let granted = resolve(&manifest, &[Capability::Config], &given, Path::new("")).unwrap();
        let effective: Vec<_> = Capability::ALL.iter().filter(|one| granted.permits.has(**one)).collect();
        assert_eq!(effective, [&Capability::Log, &Capability::Config], "the log is free");
        let error = resolve(&manifest, &[Capability::Clock], &given, Path::new("")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it needs the capability `clock` (a test), which the deployment doesn't grant: add \"clock\" to its grants"
        );
    }

    #[test]
    fn parameters_are_checked() {
        let manifest = driver(&["libvirt", "log"]);
        let with = |text: &str| resolve(&manifest, &[], &grants(text).unwrap(), Path::new(""));
        let good =
            with(r#"grants = [{ name = "libvirt", uri = "u", storage = "/s", networks = ["default"] }]"#).unwrap();
        assert_eq!(good.libvirt.unwrap().networks, ["default"]);
        let missing = with(r#"grants = [{ name = "libvirt", uri = "u" }]"#).unwrap_err().to_string();
        assert_eq!(missing, "grant `libvirt`: storage: it must be said");
        let unknown = with(r#"grants = [{ name = "libvirt", uri = "u", storage = "/s", pool = "x" }]"#);
        assert!(unknown.unwrap_err().to_string().contains("pool: there is no such key"));
        assert_eq!(
            with(r#"grants = [{ name = "log", x = 1 }]"#).unwrap_err().to_string(),
            "grant `log`: has no parameters"
        );
        assert_eq!(with(r#"grants = ["log", "log"]"#).unwrap_err().to_string(), "grant `log`: stands twice");
    }

    #[test]
    fn labels_are_asked_and_granted() {
        let manifest = driver(&["http"]);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("word"), "secret\n").unwrap();
        let with = |labels: &str| {
            let text = format!("grants = [{{ name = \"http\", labels = {{ {labels} }} }}]");
            resolve(&manifest, &[Capability::Http], &grants(&text).unwrap(), folder.path())
        };
        let (crm, log) = (r#"crm = { hosts = ["a.test"] }"#, r#"log = { hosts = ["b.test"] }"#);
        let granted = with(&format!("{crm}, {log}, more = {{ hosts = [\"*\"] }}")).unwrap();
        assert_eq!(granted.http.keys().collect::<Vec<_>>(), ["crm", "log"], "what isn't asked for has no effect");
        let said = |labels: &str| with(labels).unwrap_err().to_string();
        assert_eq!(said(crm), "grant `http`: label `log` is missing (a trail)");
        assert_eq!(said(&format!("{crm}, log = {{}}")), "grant `http`: [labels.log] hosts: it must be said");
        let wrong = format!("{crm}, log = {{ hosts = [\"b.test\"], pin = \"7\" }}");
        assert_eq!(said(&wrong), "grant `http`: [labels.log] pin: it is no SHA-256 of 64 hex digits");
        let login = |file: &str| {
            format!("{crm}, log = {{ hosts = [\"b.test\"], login = {{ user = \"u\", secret-file = \"{file}\" }} }}")
        };
        with(&login("word")).unwrap();
        assert!(said(&login("none")).contains("[labels.log] login: none: "), "{}", said(&login("none")));
        let none = resolve(&manifest, &[Capability::Http], &grants(r#"grants = ["http"]"#).unwrap(), folder.path());
        assert_eq!(none.unwrap_err().to_string(), "grant `http`: labels: it must be said");
    }
}
