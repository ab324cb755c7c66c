//! Where personalities are served, and what the service catalogue says of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use skyloom_cloud::Cloud;
use skyloom_gateway::{Handler, Mount, MountSpec, Request, Response};
use skyloom_runtime::bindings::cloud::identity::{Endpoint, Service};
use skyloom_runtime::collections::Collections;
use skyloom_runtime::context::CallContext;
use skyloom_runtime::manifest::{CatalogService, Manifest};
use skyloom_runtime::{LoadOptions, RunError};

use super::plugins::{Plugins, json, load_options};
use crate::config::{self, Deployment, Loaded, PluginEntry, ServiceChoice};
use crate::failure::Failure;

/// A listener with its real address.
#[derive(Clone, Debug)]
pub struct Bound {
    pub name: String,
    pub address: SocketAddr,
    /// Public URL without a trailing slash.
    pub base: String,
}

/// A mount with its public base.
#[derive(Clone, Debug)]
pub struct Place {
    pub plugin: String,
    pub listener: String,
    pub prefix: String,
    pub base_url: String,
    pub region: String,
    endpoint_path: String,
    service: Option<CatalogService>,
    config: toml::Table,
    /// The plugin whose way of signing it takes.
    signature: Option<String>,
    dependent_actions: bool,
}

impl Place {
    /// Where its clients go.
    pub fn endpoint(&self) -> String {
        format!("{}{}", self.base_url, self.endpoint_path)
    }
}

pub fn places(deployment: &Deployment, bound: &[Bound], plugins: &Plugins) -> Result<Vec<Place>, Failure> {
    let mut places = Vec::new();
    for mount in &deployment.mounts {
        let manifest = plugins.get(&mount.plugin)?.manifest();
        // The deployment file was checked: the listener is there.
        let base = bound.iter().find(|bound| bound.name == mount.listener).map_or("", |bound| &bound.base);
        places.push(place(mount, manifest, base));
    }
    Ok(places)
}

fn place(mount: &config::Mount, manifest: &Manifest, base: &str) -> Place {
    let api = manifest.api.as_ref();
    let own = api.and_then(|api| api.service.clone());
    Place {
        plugin: mount.plugin.clone(),
        listener: mount.listener.clone(),
        prefix: mount.prefix().to_owned(),
        base_url: format!("{base}{}", mount.prefix()),
        region: mount.region.clone(),
        endpoint_path: api.map(|api| api.endpoint_path.clone()).unwrap_or_default(),
        service: match &mount.service {
            ServiceChoice::Entry(service) => Some(service.clone()),
            ServiceChoice::Listed(false) => None,
            ServiceChoice::Listed(true) | ServiceChoice::AsManifest => own,
        },
        config: mount.config.clone(),
        signature: mount.signature.clone(),
        dependent_actions: mount.dependent_actions,
    }
}

/// One service for each type and name, with three endpoints (they differ in name only) for each of its mounts.
pub fn catalog(places: &[Place]) -> Vec<Service> {
    let mut services: Vec<Service> = Vec::new();
    for place in places {
        let Some(entry) = &place.service else { continue };
        for kind in std::iter::once(&entry.kind).chain(&entry.aliases) {
            let at = services.iter().position(|service| service.kind == *kind && service.name == entry.name);
            let at = at.unwrap_or_else(|| {
                let id = stable_id(&["service", kind, &entry.name]);
                services.push(Service { id, kind: kind.clone(), name: entry.name.clone(), endpoints: Vec::new() });
                services.len() - 1
            });
            services[at].endpoints.extend(endpoints(kind, &entry.name, place));
        }
    }
    services
}

fn endpoints(kind: &str, name: &str, place: &Place) -> [Endpoint; 3] {
    let url = place.endpoint();
    ["public", "internal", "admin"].map(|interface| Endpoint {
        id: stable_id(&["endpoint", kind, name, interface, &place.region, &url]),
        interface: interface.to_owned(),
        url: url.clone(),
        region: place.region.clone(),
    })
}

/// The same at every start, so that clients may keep it: 32 hex digits.
fn stable_id(parts: &[&str]) -> String {
    hex::encode(&Sha256::digest(parts.join("\n"))[..16])
}

/// The mounts of a listener, ready to serve.
pub fn compile(places: &[Place], listener: &str, plugins: &Plugins, cloud: &Cloud) -> Result<Vec<Arc<Mount>>, Failure> {
    let mut mounts = Vec::new();
    for place in places.iter().filter(|place| place.listener == listener) {
        let plugin = plugins.get(&place.plugin)?;
        let handler = plugin.personality(Arc::new(cloud.clone()), &json(&place.config)).map_err(|error| {
            Failure::config(vec![format!("mount `{}` of plugin `{}`: {error}", place.prefix, place.plugin)])
        })?;
        let signer = plugins.get(place.signature.as_ref().unwrap_or(&place.plugin))?.manifest();
        let spec = MountSpec {
            manifest: plugin.manifest(),
            schemas: &|operation| plugin.body_schemas(operation),
            collections: plugin.collections().clone(),
            handler: Arc::new(handler),
            signature: signer.signature(),
            dependent_actions: place.dependent_actions,
            prefix: place.prefix.clone(),
            base_url: place.base_url.clone(),
        };
        mounts.push(Mount::compile(&spec).map_err(Failure::config)?);
    }
    Ok(mounts)
}

/// Whether the mounts of a deployment fit together, from the manifests alone. Every defect, a line each.
pub fn check_mounts(deployment: &Deployment, manifests: &[(String, Manifest)]) -> Vec<String> {
    let mut defects = Vec::new();
    for listener in &deployment.listeners {
        let (mut mounts, mut places) = (Vec::new(), HashSet::new());
        let own = deployment.mounts.iter().filter(|mount| mount.listener == listener.name);
        // One that stands twice was told by the file.
        for mount in own.filter(|mount| places.insert((&mount.plugin, mount.prefix()))) {
            let Some((_, manifest)) = manifests.iter().find(|(id, _)| *id == mount.plugin) else { continue };
            let signer = mount.signature.as_ref().unwrap_or(&mount.plugin);
            let Some((_, signer)) = manifests.iter().find(|(id, _)| id == signer) else { continue };
            if mount.signature.is_some() && signer.signature().is_none() {
                let (plugin, signer) = (&mount.plugin, &signer.id);
                defects.push(format!(
                    "mount `{}` of plugin `{plugin}`: plugin `{signer}` declares no signature",
                    mount.prefix
                ));
            }
            let spec = MountSpec {
                manifest,
                signature: signer.signature(),
                dependent_actions: mount.dependent_actions,
                schemas: &|_| None,
                collections: Collections::default(),
                handler: Arc::new(CheckOnly),
                prefix: mount.prefix().to_owned(),
                base_url: String::new(),
            };
            match Mount::compile(&spec) {
                Ok(mount) => mounts.push(mount),
                Err(found) => defects.extend(found),
            }
        }
        if let Err(found) = skyloom_gateway::check_routes(mounts) {
            defects.extend(found.into_iter().map(|defect| format!("listener `{}`: {defect}", listener.name)));
        }
    }
    defects
}

/// The plugin's options with a mount's or node's config laid over.
pub fn merged(loaded: &Loaded, entry: &PluginEntry, config: &toml::Table) -> LoadOptions {
    let mut options = load_options(loaded, entry);
    options.config.extend(json(config));
    options
}

/// Stands in where nothing is ever called.
struct CheckOnly;

#[async_trait]
impl Handler for CheckOnly {
    async fn handle(&self, _: Arc<CallContext>, _: Request) -> Result<Response, RunError> {
        Err(RunError::Trapped("nothing runs while a deployment is checked".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_stands_in_the_catalogue_under_each_of_its_types() {
        let place = |base: &str, service: &str| Place {
            plugin: "p".to_owned(),
            listener: "main".to_owned(),
            prefix: "/p".to_owned(),
            base_url: base.to_owned(),
            region: "here".to_owned(),
            endpoint_path: "/v1".to_owned(),
            service: Some(toml::from_str(service).expect("a service")),
            config: toml::Table::new(),
            signature: None,
            dependent_actions: false,
        };
        let both = "type = \"disks\"\naliases = [\"disksv1\"]\nname = \"d\"";
        let found = catalog(&[place("http://a", both), place("http://b", "type = \"disksv1\"\nname = \"d\"")]);
        let told = |service: &Service| {
            let urls: Vec<_> = service.endpoints.iter().step_by(3).map(|endpoint| endpoint.url.clone()).collect();
            (service.kind.clone(), service.name.clone(), urls)
        };
        let [a, b] = ["http://a/v1", "http://b/v1"].map(str::to_owned);
        let wanted = [("disks", vec![a.clone()]), ("disksv1", vec![a, b])]
            .map(|(kind, urls)| (kind.to_owned(), "d".to_owned(), urls));
        assert_eq!(found.iter().map(told).collect::<Vec<_>>(), wanted);
        let ids: HashSet<_> = found.iter().flat_map(|s| s.endpoints.iter().map(|e| &e.id).chain([&s.id])).collect();
        assert_eq!(ids.len(), 2 + 3 + 6, "each has an id of its own");
    }

    #[test]
    fn a_mount_takes_the_signatures_of_a_plugin_that_has_some() {
        let manifest = |id: &str, more: &str| {
            let text = format!(
                "manifest = 1\nid = \"{id}\"\nversion = \"0.1.0\"\nkind = \"personality\"\ncontract = \"0.1\"\n[api]\n{more}\n\
                 [[operation]]\nid = \"list\"\nmethod = \"GET\"\npaths = [\"/{id}\"]\naction = \"servers:read\"\nsuccess = [200]\n"
            );
            (id.to_owned(), Manifest::parse(&text).expect("a manifest"))
        };
        let signature = "signature = { scheme = \"MAC-1\", algorithm = \"hmac-sha256\", key-parameter = \"k\", \
                         headers-parameter = \"h\", signature-parameter = \"m\", date-header = \"X-Date\", date-form = \"basic\", \
                         canonical-form = \"lines\" }";
        let manifests = [manifest("plain", ""), manifest("signed", signature)];
        let defects = |plugin: &str, signer: &str| {
            let text = format!(
                "[[listener]]\nname = \"main\"\naddress = \"127.0.0.1:7000\"\n\
                 [[mount]]\nplugin = \"{plugin}\"\nlistener = \"main\"\nprefix = \"/\"\nsignature = \"{signer}\"\n"
            );
            check_mounts(&Deployment::parse(&text).expect("a deployment").0, &manifests)
        };
        assert_eq!(defects("plain", "signed"), Vec::<String>::new());
        assert_eq!(defects("signed", "signed"), Vec::<String>::new());
        assert_eq!(defects("signed", "plain"), ["mount `/` of plugin `signed`: plugin `plain` declares no signature"]);
    }
}
