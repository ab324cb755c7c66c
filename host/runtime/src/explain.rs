//! What a plugin asks for, what it is granted, and why it is refused the rest: for people, before and after loading.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::collections::Collections;
use crate::error::LoadError;
use crate::grants::{self, Grant, HttpParameters};
use crate::limits::{self, Bound, Limits};
use crate::manifest::{Capability, Kind};
use crate::package::Package;
use crate::schemas::SchemaSet;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    pub id: String,
    pub version: String,
    pub kind: Kind,
    pub contract: String,
    pub digest: String,
    pub description: String,
    pub license: String,
    pub capabilities: Vec<CapabilityLine>,
    /// Where requests to the outside may go.
    pub labels: Vec<LabelLine>,
    pub limits: Vec<LimitLine>,
    /// Why it would not be loaded; none: it would.
    pub refused: Option<String>,
}

/// One capability that is asked for, granted or imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CapabilityLine {
    pub name: Capability,
    pub asked: bool,
    pub granted: bool,
    /// Whether the component's code uses it.
    pub imported: bool,
    /// Free, or asked and granted.
    pub effective: bool,
    /// The plugin's own words.
    pub reason: Option<String>,
    /// Why it is as it is.
    pub why: &'static str,
}

/// One label of the capability `http` that is asked for or granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LabelLine {
    pub label: String,
    pub asked: bool,
    pub granted: bool,
    /// The plugin's own words.
    pub reason: Option<String>,
    /// As the deployment has it; empty: nowhere.
    pub hosts: Vec<String>,
    pub methods: Vec<String>,
    /// Whether the host puts a login into the requests.
    pub login: bool,
    /// Why it is as it is.
    pub why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LimitLine {
    pub name: &'static str,
    pub asked: Option<u32>,
    pub deployment: Option<u32>,
    pub default: u32,
    pub ceiling: u32,
    pub effective: u32,
}

/// Looks at the file only; nothing of it is compiled or run.
pub fn explain(package: &Package, options: &super::LoadOptions) -> Explanation {
    let manifest = &package.manifest;
    let imported: Vec<Capability> = package
        .surface
        .imports
        .iter()
        .filter_map(|name| Capability::of_interface(name.split('@').next().unwrap_or_default()))
        .collect();
    Explanation {
        id: manifest.id.clone(),
        version: manifest.version.to_string(),
        kind: manifest.kind,
        contract: manifest.contract.clone(),
        digest: package.digest.clone(),
        description: manifest.description.clone(),
        license: manifest.license.clone(),
        capabilities: Capability::ALL
            .iter()
            .filter_map(|name| capability(*name, package, &imported, &options.grants))
            .collect(),
        labels: label_lines(package, &options.grants),
        limits: limit_lines(package, options),
        refused: Some(check(package, options))
            .filter(|found| !found.is_empty())
            .map(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
    }
}

/// Everything that loading checks without compiling, and each reason why it would refuse.
pub(crate) fn check(package: &Package, options: &super::LoadOptions) -> Vec<LoadError> {
    let granted = grants::check_surface(&package.manifest, &package.surface)
        .and_then(|imported| grants::resolve(&package.manifest, &imported, &options.grants, &options.folder));
    let limits = Limits::effective(&package.manifest.limits, &options.limits, package.surface.memory);
    let schema = package.manifest.config.as_ref().map(|config| &config.schema);
    let schemas = SchemaSet::compile(&package.manifest, &package.schemas);
    let collections = Collections::compile(&package.manifest, &package.schemas);
    let found = [granted.err(), limits.err().map(LoadError::Limit), schemas.err(), collections.err()];
    let config = crate::schemas::config_defects(schema, &options.config.clone().into());
    found.into_iter().flatten().chain(config).collect()
}

fn capability(
    name: Capability,
    package: &Package,
    imported: &[Capability],
    grants: &[Grant],
) -> Option<CapabilityLine> {
    let asked = package.manifest.asks_for(name);
    let granted = grants.iter().any(|grant| grant.capability == name);
    let imported = imported.contains(&name);
    let why = match (asked.is_some(), granted, imported) {
        (false, false, false) => return None,
        _ if name.is_free() => "free: every plugin has it",
        (true, true, true) => "asked for, granted and used",
        (true, true, false) => "asked for and granted; the code doesn't use it",
        (true, false, true) => "refused: the deployment doesn't grant it, and the code needs it",
        (true, false, false) => "refused: the deployment doesn't grant it; the code doesn't need it",
        (false, true, false) => "granted without being asked for: no effect",
        (false, _, true) => "refused: the code uses it, but plugin.toml doesn't ask for it",
    };
    Some(CapabilityLine {
        name,
        asked: asked.is_some(),
        granted,
        imported,
        effective: name.is_free() || asked.is_some() && granted,
        reason: asked.map(|asked| asked.reason.clone()),
        why,
    })
}

fn label_lines(package: &Package, grants: &[Grant]) -> Vec<LabelLine> {
    let asked = package.manifest.asks_for(Capability::Http).map(|asked| asked.labels.clone()).unwrap_or_default();
    let grant = grants.iter().find(|grant| grant.capability == Capability::Http);
    // What cannot be understood is told as the reason why it is refused.
    let granted = grant.and_then(|grant| HttpParameters::read(grant).ok()).map(|read| read.labels).unwrap_or_default();
    let labels: BTreeSet<&String> = asked.keys().chain(granted.keys()).collect();
    let line = |label: &String| {
        let (reason, rules) = (asked.get(label), granted.get(label));
        LabelLine {
            label: label.clone(),
            asked: reason.is_some(),
            granted: rules.is_some(),
            reason: reason.cloned(),
            hosts: rules.map(|rules| rules.hosts.clone()).unwrap_or_default(),
            methods: rules.map(|rules| rules.methods.clone()).unwrap_or_default(),
            login: rules.is_some_and(|rules| rules.login.is_some()),
            why: match (reason.is_some(), rules.is_some()) {
                (true, true) => "asked for and granted",
                (true, false) => "refused: the deployment doesn't grant it",
                (false, _) => "granted without being asked for: no effect",
            },
        }
    };
    labels.into_iter().map(line).collect()
}

fn limit_lines(package: &Package, options: &super::LoadOptions) -> Vec<LimitLine> {
    let (asked, given) = (&package.manifest.limits, &options.limits);
    let line = |bound: Bound, asked: Option<u32>, deployment: Option<u32>| LimitLine {
        name: bound.name,
        asked,
        deployment,
        default: bound.default,
        ceiling: bound.ceiling,
        effective: deployment.or(asked).unwrap_or(bound.default),
    };
    vec![
        line(limits::MEMORY_MIB, asked.memory_mib, given.memory_mib),
        line(limits::CPU_MS, asked.cpu_ms, given.cpu_ms),
        line(limits::WAIT_MS, asked.wait_ms, given.wait_ms),
        line(limits::OUTPUT_KIB, asked.output_kib, given.output_kib),
        line(limits::LOG_LINES_PER_SECOND, asked.log_lines_per_second, given.log_lines_per_second),
    ]
}
