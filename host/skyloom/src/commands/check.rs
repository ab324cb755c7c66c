//! `skyloom check`: what `serve` would refuse, without starting anything.

use std::collections::HashSet;
use std::net::ToSocketAddrs;

use serde_json::json;
use skyloom_runtime::manifest::{Kind, Manifest};
use skyloom_runtime::{Limits, LoadError, Runtime};

use crate::cli::DeploymentArgs;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::serve::{cannot_have, check_mounts, load_options, merged, read_tls, rehearse, too_little_memory};
use crate::state;

pub fn run(args: &DeploymentArgs, json: bool) -> Result<(), Failure> {
    let defects = match Loaded::look(&args.config, args.state_dir.as_deref()) {
        Ok((loaded, of_file)) => once(of_file.into_iter().chain(defects(&loaded)).collect()),
        Err(defect) => vec![defect],
    };
    if json {
        super::print_json(&json!({ "sound": defects.is_empty(), "defects": defects }));
    }
    if defects.is_empty() {
        if !json {
            say!("{}: sound", args.config.display());
        }
        Ok(())
    } else if json {
        Err(Failure::config(Vec::new()))
    } else {
        Err(Failure::config(defects))
    }
}

/// One cause may show in several places.
fn once(defects: Vec<String>) -> Vec<String> {
    let mut told = HashSet::new();
    defects.into_iter().filter(|defect| told.insert(defect.clone())).collect()
}

/// Every defect beyond those of the file itself, a line each.
fn defects(loaded: &Loaded) -> Vec<String> {
    let deployment = &loaded.deployment;
    let mut defects = Vec::new();
    let mut manifests: Vec<(String, Manifest)> = Vec::new();
    for entry in &deployment.plugins {
        match Runtime::check(&loaded.path(&entry.file), &load_options(loaded, entry)) {
            Ok((manifest, found)) => {
                defects.extend(found.into_iter().map(|error| format!("plugin `{}`: {error}", entry.id)));
                if manifest.id == entry.id {
                    manifests.push((entry.id.clone(), manifest));
                } else {
                    defects.push(format!("plugin `{}`: {} holds `{}`", entry.id, entry.file.display(), manifest.id));
                }
            }
            Err(error) => defects.push(format!("plugin `{}`: {error}", entry.id)),
        }
    }
    let memory = |(id, manifest): &(String, Manifest)| {
        let entry = deployment.plugins.iter().find(|entry| entry.id == *id)?;
        Some((entry.id.as_str(), Limits::effective(&manifest.limits, &entry.limits, 0).ok()?.memory >> 20))
    };
    defects.extend(too_little_memory(deployment, &manifests.iter().filter_map(memory).collect::<Vec<_>>()));
    let uses = deployment
        .mounts
        .iter()
        .map(|mount| (format!("mount `{}`", mount.prefix), &mount.plugin, Kind::Personality, Some(&mount.config)))
        .chain(
            deployment
                .nodes
                .iter()
                .map(|node| (format!("node `{}`", node.name), &node.driver, Kind::Driver, Some(&node.config))),
        )
        .chain(deployment.tariff.iter().map(|tariff| ("[tariff]".to_owned(), &tariff.plugin, Kind::Tariff, None)));
    for (place, id, wanted, config) in uses {
        let Some((_, manifest)) = manifests.iter().find(|(known, _)| known == id) else { continue };
        if manifest.kind != wanted {
            defects.push(format!("{place}: a {wanted} is wanted here, plugin `{id}` is a {}", manifest.kind));
            continue;
        }
        let entry = deployment.plugins.iter().find(|entry| entry.id == *id);
        if let (Some(entry), Some(config)) = (entry, config.filter(|config| !config.is_empty()))
            && let Ok((_, found)) = Runtime::check(&loaded.path(&entry.file), &merged(loaded, entry, config))
        {
            // What has nothing to do with the place was told of the plugin.
            let here = found.into_iter().filter(|error| matches!(error, LoadError::Config { .. }));
            defects.extend(here.map(|error| format!("{place}: {error}")));
        }
    }
    defects.extend(check_mounts(deployment, &manifests));
    for listener in &deployment.listeners {
        defects.extend(read_tls(loaded, listener).err());
    }
    let listeners = deployment.listeners.iter().map(|listener| (listener.name.as_str(), &listener.address));
    let operator = deployment.operator.iter().map(|operator| ("operator", &operator.address));
    let internal = deployment.internal.address.iter().map(|address| ("internal", address));
    for (name, address) in listeners.chain(operator).chain(internal) {
        if let Err(error) = address.to_string().to_socket_addrs() {
            defects.push(cannot_have(name, address, &error));
        }
    }
    defects.extend(state::defects(&loaded.state_dir, deployment.database.secret_key.is_none()));
    let vocabulary = manifests.iter().flat_map(|(_, manifest)| manifest.vocabulary()).collect();
    let refused = super::block_on(async { Ok(rehearse(loaded, vocabulary).await) });
    defects.extend(refused.unwrap_or_else(Failure::into_lines));
    defects
}
