//! `skyloom plugin ...`.

use std::path::{Path, PathBuf};

use serde_json::json;
use skyloom_runtime::manifest::Kind;
use skyloom_runtime::{Explanation, Grant, LoadError, LoadOptions, Manifest, Package, Runtime, SchemaSet, grants};

use super::{openapi, print_json, print_table};
use crate::cli::{DeploymentArgs, PluginCommand};
use crate::config::Loaded;
use crate::failure::Failure;
use crate::serve::load_options;

pub fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::List { deployment, json } => list(&deployment, json),
        PluginCommand::Explain { plugin, deployment, json, openapi } => explain(&plugin, &deployment, json, openapi),
        PluginCommand::Check { files, json } => check(&files, json),
        PluginCommand::Pack { manifest, component, out } => pack(&manifest, &component, &out),
    }
}

fn failed(path: &Path, error: &LoadError) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

fn pack(manifest: &Path, component: &Path, out: &Path) -> Result<(), Failure> {
    let packed = skyloom_runtime::pack(manifest, component, out).map_err(|error| failed(manifest, &error))?;
    say!("{}: {}, {} bytes, {}", out.display(), packed.id, packed.size, packed.digest);
    Ok(())
}

fn list(args: &DeploymentArgs, json: bool) -> Result<(), Failure> {
    let loaded = Loaded::read(&args.config, args.state_dir.as_deref()).map_err(Failure::config)?;
    let deployment = &loaded.deployment;
    let mut rows = vec![["ID", "KIND", "VERSION", "USED AT", "DIGEST", ""].map(str::to_owned).to_vec()];
    let mut values = Vec::new();
    for entry in &deployment.plugins {
        let path = loaded.path(&entry.file);
        let uses = uses(&loaded, &entry.id);
        let (row, value) = match Runtime::explain(&path, &load_options(&loaded, entry)) {
            Ok(found) => (
                vec![
                    entry.id.clone(),
                    found.kind.to_string(),
                    found.version.clone(),
                    uses.join(", "),
                    found.digest.chars().take(19).collect(),
                    found.refused.as_ref().map(|why| format!("REFUSED: {why}")).unwrap_or_default(),
                ],
                json!({
                    "id": entry.id, "kind": found.kind, "version": found.version, "digest": found.digest,
                    "file": path, "used-at": uses, "refused": found.refused,
                }),
            ),
            Err(error) => {
                let why = error.to_string();
                let dash = || "-".to_owned();
                (
                    vec![entry.id.clone(), dash(), dash(), uses.join(", "), dash(), format!("REFUSED: {why}")],
                    json!({ "id": entry.id, "file": path, "used-at": uses, "refused": why }),
                )
            }
        };
        rows.push(row);
        values.push(value);
    }
    if json {
        print_json(&values.into());
    } else {
        print_table(&rows);
    }
    Ok(())
}

/// Mounts, nodes and the tariff that use a plugin.
fn uses(loaded: &Loaded, id: &str) -> Vec<String> {
    let deployment = &loaded.deployment;
    let mounts = deployment.mounts.iter().filter(|mount| mount.plugin == id);
    let nodes = deployment.nodes.iter().filter(|node| node.driver == id);
    let tariff = deployment.tariff.iter().filter(|tariff| tariff.plugin == id);
    mounts
        .map(|mount| format!("{}:{}", mount.listener, mount.prefix))
        .chain(nodes.map(|node| format!("node {}", node.name)))
        .chain(tariff.map(|_| "tariff".to_owned()))
        .collect()
}

/// A plugin of the deployment with its grants, or a file with none.
fn find(plugin: &str, args: &DeploymentArgs) -> Result<(PathBuf, LoadOptions, String), Failure> {
    let file = Path::new(plugin);
    if file.extension().is_some_and(|extension| extension == "wasm") {
        return Ok((file.to_owned(), LoadOptions::default(), String::new()));
    }
    let loaded = Loaded::read(&args.config, args.state_dir.as_deref()).map_err(Failure::config)?;
    let entry = loaded.deployment.plugins.iter().find(|entry| entry.id == plugin).ok_or_else(|| {
        let known: Vec<&str> = loaded.deployment.plugins.iter().map(|entry| entry.id.as_str()).collect();
        Failure::config(vec![format!("the deployment has no plugin `{plugin}`; it has {}", known.join(", "))])
    })?;
    let mount = loaded.deployment.mounts.iter().find(|mount| mount.plugin == plugin);
    let base = mount.map_or_else(String::new, |mount| {
        let listener = loaded.deployment.listeners.iter().find(|listener| listener.name == mount.listener);
        format!("{}{}", listener.map(crate::config::Listener::public_url).unwrap_or_default(), mount.prefix())
    });
    Ok((loaded.path(&entry.file), load_options(&loaded, entry), base))
}

fn explain(plugin: &str, args: &DeploymentArgs, json: bool, as_openapi: bool) -> Result<(), Failure> {
    let (path, options, base) = find(plugin, args)?;
    let package = Package::read(&path).map_err(|error| failed(&path, &error))?;
    if as_openapi {
        print_json(&openapi::document(&package, &base).map_err(Failure::new)?);
        return Ok(());
    }
    let found = Runtime::explain(&path, &options).map_err(|error| failed(&path, &error))?;
    let manifest = &package.manifest;
    if json {
        let mut value = serde_json::to_value(&found).map_err(|error| Failure::new(error.to_string()))?;
        value["collections"] =
            serde_json::to_value(&manifest.collections).map_err(|error| Failure::new(error.to_string()))?;
        value["operations"] =
            serde_json::to_value(&manifest.operations).map_err(|error| Failure::new(error.to_string()))?;
        print_json(&value);
        return Ok(());
    }
    print_explanation(&found);
    print_collections(manifest);
    if manifest.kind == Kind::Personality {
        say!("\noperations");
        let rows = manifest.operations.iter().flat_map(|operation| {
            operation.paths.iter().map(|path| {
                let key = operation.body_key.as_ref().map(|key| format!(" [{key}]")).unwrap_or_default();
                let route = format!("{path}{key}");
                vec![format!("  {}", operation.method.as_str()), route, operation.id.clone(), operation.action.clone()]
            })
        });
        print_table(&rows.collect::<Vec<_>>());
    }
    Ok(())
}

fn print_explanation(found: &Explanation) {
    say!("{} {}: {} for contract {}", found.id, found.version, found.kind, found.contract);
    if !found.description.is_empty() {
        say!("{}", found.description);
    }
    say!("{}", found.digest);
    match &found.refused {
        Some(why) => say!("REFUSED: {why}"),
        None => say!("would be loaded"),
    }
    say!("\ncapabilities");
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let header = ["  NAME", "ASKED", "GRANTED", "USED", "EFFECTIVE", "WHY"].map(str::to_owned).to_vec();
    let rows = found.capabilities.iter().map(|line| {
        let reason = line.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let why = format!("{}{reason}", line.why);
        vec![
            format!("  {}", line.name),
            yes(line.asked),
            yes(line.granted),
            yes(line.imported),
            yes(line.effective),
            why,
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
    print_labels(found);
    say!("\nlimits of one call");
    let number = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let header = ["  NAME", "ASKED", "DEPLOYMENT", "DEFAULT", "CEILING", "EFFECTIVE"].map(str::to_owned).to_vec();
    let rows = found.limits.iter().map(|line| {
        vec![
            format!("  {}", line.name),
            number(line.asked),
            number(line.deployment),
            line.default.to_string(),
            line.ceiling.to_string(),
            line.effective.to_string(),
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

/// Where it may send requests.
fn print_labels(found: &Explanation) {
    if found.labels.is_empty() {
        return;
    }
    say!("\nrequests to the outside, by label");
    let header = ["  LABEL", "HOSTS", "METHODS", "LOGIN", "WHY"].map(str::to_owned).to_vec();
    let list = |words: &[String]| if words.is_empty() { "-".to_owned() } else { words.join(" ") };
    let rows = found.labels.iter().map(|line| {
        let reason = line.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        let login = if line.login { "by the host" } else { "none" };
        vec![
            format!("  {}", line.label),
            list(&line.hosts),
            list(&line.methods),
            login.to_owned(),
            format!("{}{reason}", line.why),
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

/// What the plugin keeps of its own, and who may read and write it.
fn print_collections(manifest: &Manifest) {
    if manifest.collections.is_empty() {
        return;
    }
    say!("\ncollections, records of its own (actions {}:NAME:read, create, update, delete)", manifest.id);
    let header = ["  NAME", "SCOPE", "ITEMS", "KIB", "READ", "WRITE", "WHAT"].map(str::to_owned).to_vec();
    let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    let rows = manifest.collections.iter().map(|one| {
        vec![
            format!("  {}", one.name),
            one.scope.as_str().to_owned(),
            one.limits.items.to_string(),
            one.limits.total_kib.to_string(),
            word(&one.read),
            word(&one.write),
            one.description.clone(),
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

fn check(files: &[PathBuf], json: bool) -> Result<(), Failure> {
    let mut defects = Vec::new();
    let mut values = Vec::new();
    for file in files {
        match check_file(file) {
            Ok(package) => {
                let manifest = &package.manifest;
                values.push(json!({ "file": file, "id": manifest.id, "sound": true, "digest": package.digest }));
                if !json {
                    say!("{}: {} {} ({}): sound", file.display(), manifest.id, manifest.version, manifest.kind);
                }
            }
            Err(error) => {
                values.push(json!({ "file": file, "sound": false, "defect": error.to_string() }));
                defects.push(format!("{}: {error}", file.display()));
            }
        }
    }
    if json {
        print_json(&values.into());
        defects.truncate(usize::from(!defects.is_empty()));
    }
    if defects.is_empty() { Ok(()) } else { Err(Failure::many(defects)) }
}

/// As if everything that it asks for were granted.
fn check_file(file: &Path) -> Result<Package, LoadError> {
    let package = Package::read(file)?;
    let imported = grants::check_surface(&package.manifest, &package.surface)?;
    let asked: Vec<Grant> = package
        .manifest
        .capabilities
        .iter()
        .map(|asked| asked.name)
        // Its grant has parameters, which only a deployment knows.
        .filter(|name| !name.has_parameters())
        .map(Grant::from)
        .collect();
    let plain: Vec<_> = imported.into_iter().filter(|name| !name.has_parameters()).collect();
    grants::resolve(&package.manifest, &plain, &asked, Path::new(""))?;
    SchemaSet::compile(&package.manifest, &package.schemas)?;
    Ok(package)
}
