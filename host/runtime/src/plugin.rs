//! Loading: from a file to something that can be called, or one clear line why not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};

use crate::api::CloudApi;
use crate::bindings::{cloud, egress, host};
use crate::cache;
use crate::collections::Collections;
use crate::context::{CallContext, SecretVault, Streams};
use crate::counters::{Counters, CountersSnapshot};
use crate::engine::Runtime;
use crate::error::LoadError;
use crate::explain::{self, Explanation};
use crate::grants::{self, Grant, Granted};
use crate::guest::{GuestState, Sandbox};
use crate::limits::Limits;
use crate::manifest::{Capability, Kind, LimitsTable, Manifest};
use crate::package::Package;
use crate::schemas::{self, BodySchemas, SchemaSet};

/// What the deployment file says about a plugin.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    pub grants: Vec<Grant>,
    /// The plugin's `config` table; a mount or a node may add to it.
    pub config: Map<String, Value>,
    pub limits: LimitsTable,
    /// Where the paths of grants begin; empty: where the process runs.
    pub folder: PathBuf,
}

/// A loaded plugin. Clones share it.
#[derive(Clone)]
pub struct Plugin {
    loaded: Arc<Loaded>,
}

struct Loaded {
    manifest: Manifest,
    digest: Arc<str>,
    explanation: Explanation,
    schemas: SchemaSet,
    collections: Collections,
    schema_texts: std::collections::BTreeMap<String, String>,
    granted: Granted,
    limits: Limits,
    config: Map<String, Value>,
    counters: Arc<Counters>,
    pre: InstancePre<GuestState>,
    runtime: Runtime,
    slots: Arc<Semaphore>,
    #[cfg(feature = "libvirt")]
    libvirt: Option<Arc<crate::capabilities::libvirt::Libvirt>>,
}

impl Runtime {
    /// Reads, checks, compiles (or takes the code compiled earlier) and links. Blocks: some 0.1 s for a small plugin that was
    /// never compiled, under a millisecond later.
    pub fn load(&self, path: &Path, options: LoadOptions) -> Result<Plugin, LoadError> {
        self.load_package(Package::read(path)?, options)
    }

    pub fn load_package(&self, package: Package, options: LoadOptions) -> Result<Plugin, LoadError> {
        let shared = &self.shared;
        let explanation = explain::explain(&package, &options);
        let imported = grants::check_surface(&package.manifest, &package.surface)?;
        let granted = grants::resolve(&package.manifest, &imported, &options.grants, &options.folder)?;
        let limits = Limits::effective(&package.manifest.limits, &options.limits, package.surface.memory)
            .map_err(LoadError::Limit)?;
        if limits.memory > shared.memory.most {
            return Err(LoadError::Memory { wanted: limits.memory >> 20, most: shared.memory.most >> 20 });
        }
        check_config(&package.manifest, &options.config)?;
        let schemas = SchemaSet::compile(&package.manifest, &package.schemas)?;
        let collections = Collections::compile(&package.manifest, &package.schemas)?;
        if granted.permits.has(Capability::Documents) && shared.options.documents.is_none() {
            let reason = "this host keeps no documents".to_owned();
            return Err(LoadError::Grant { capability: Capability::Documents, reason });
        }
        #[cfg(feature = "libvirt")]
        let libvirt = libvirt(&granted, shared.options.blobs.as_deref())?;
        #[cfg(not(feature = "libvirt"))]
        if granted.libvirt.is_some() {
            let reason = "this skyloom was built without libvirt".to_owned();
            return Err(LoadError::Grant { capability: Capability::Libvirt, reason });
        }
        let component = match &shared.cache {
            Some(cache) => cache.component(&shared.engine, &package.manifest.id, &package.digest, &package.bytes)?,
            None => cache::compile(&shared.engine, &package.bytes)?,
        };
        let pre = link(&component, &granted)?;
        let slots = shared.options.sandboxes_per_plugin.clamp(1, shared.options.sandboxes.max(1));
        Ok(Plugin {
            loaded: Arc::new(Loaded {
                manifest: package.manifest,
                digest: package.digest.into(),
                explanation,
                schemas,
                collections,
                schema_texts: package.schemas,
                granted,
                limits,
                config: options.config,
                counters: Arc::default(),
                pre,
                runtime: self.clone(),
                slots: Arc::new(Semaphore::new(slots as usize)),
                #[cfg(feature = "libvirt")]
                libvirt,
            }),
        })
    }

    /// What [`Runtime::load`] would say, without compiling.
    pub fn explain(path: &Path, options: &LoadOptions) -> Result<Explanation, LoadError> {
        Ok(explain::explain(&Package::read(path)?, options))
    }

    /// Why [`Runtime::load`] would not take it, as far as that is seen without compiling.
    pub fn check(path: &Path, options: &LoadOptions) -> Result<(Manifest, Vec<LoadError>), LoadError> {
        let package = Package::read(path)?;
        let found = explain::check(&package, options);
        Ok((package.manifest, found))
    }
}

#[cfg(feature = "libvirt")]
fn libvirt(
    granted: &Granted,
    blobs: Option<&Path>,
) -> Result<Option<Arc<crate::capabilities::libvirt::Libvirt>>, LoadError> {
    use crate::capabilities::libvirt::{Libvirt, LibvirtGrant};
    let Some(parameters) = &granted.libvirt else { return Ok(None) };
    let refuse = |reason: String| LoadError::Grant { capability: Capability::Libvirt, reason };
    let blobs = blobs.ok_or_else(|| refuse("this host keeps no image blobs".to_owned()))?;
    let grant = LibvirtGrant {
        uri: parameters.uri.clone(),
        storage: parameters.storage.clone(),
        blobs: blobs.to_owned(),
        networks: parameters.networks.clone(),
    };
    Libvirt::new(grant).map(|libvirt| Some(Arc::new(libvirt))).map_err(|error| refuse(error.for_log()))
}

fn check_config(manifest: &Manifest, config: &Map<String, Value>) -> Result<(), LoadError> {
    let schema = manifest.config.as_ref().map(|config| &config.schema);
    schemas::config_defects(schema, &config.clone().into()).into_iter().next().map_or(Ok(()), Err)
}

/// Only what is granted is there to be imported at all.
fn link(component: &Component, granted: &Granted) -> Result<InstancePre<GuestState>, LoadError> {
    let failed = |error: wasmtime::Error| LoadError::Link(format!("{error:#}").replace('\n', " "));
    let mut linker = Linker::new(component.engine());
    for capability in Capability::ALL.iter().filter(|capability| granted.permits.has(**capability)) {
        add(&mut linker, *capability).map_err(failed)?;
    }
    linker.instantiate_pre(component).map_err(failed)
}

fn add(linker: &mut Linker<GuestState>, capability: Capability) -> wasmtime::Result<()> {
    macro_rules! add {
        ($module:path) => {{
            use $module as module;
            module::add_to_linker::<GuestState, HasSelf<GuestState>>(linker, |state| state)
        }};
    }
    match capability {
        Capability::Log => add!(host::log),
        Capability::Clock => add!(host::clock),
        Capability::Random => add!(host::random),
        Capability::Config => add!(host::config),
        Capability::Documents => add!(host::documents),
        Capability::Compute => add!(cloud::compute),
        Capability::Flavors => add!(cloud::flavors),
        Capability::Keypairs => add!(cloud::keypairs),
        Capability::Operations => add!(cloud::operations),
        Capability::Quotas => add!(cloud::quotas),
        Capability::Images => add!(cloud::images),
        Capability::Networks => add!(cloud::networks),
        Capability::Volumes => add!(cloud::volumes),
        Capability::Billing => add!(cloud::billing),
        Capability::Identity => add!(cloud::identity),
        Capability::Collections => add!(cloud::collections),
        Capability::Http => add!(egress::http),
        #[cfg(feature = "libvirt")]
        Capability::Libvirt => add!(crate::bindings::driver::skyloom::libvirt::libvirt),
        // Refused before; see `load_package`.
        #[cfg(not(feature = "libvirt"))]
        Capability::Libvirt => Ok(()),
    }
}

impl Plugin {
    pub fn manifest(&self) -> &Manifest {
        &self.loaded.manifest
    }

    pub fn id(&self) -> &str {
        &self.loaded.manifest.id
    }

    /// `sha256:<hex>` of the plugin's file.
    pub fn digest(&self) -> &str {
        &self.loaded.digest
    }

    pub fn limits(&self) -> Limits {
        self.loaded.limits
    }

    pub fn explain(&self) -> &Explanation {
        &self.loaded.explanation
    }

    /// What one use of it is configured with: `extra`, a mount's or a node's, over the plugin's own, key by key.
    pub fn config_with(&self, extra: &Map<String, Value>) -> Map<String, Value> {
        let mut config = self.loaded.config.clone();
        config.extend(extra.iter().map(|(key, value)| (key.clone(), value.clone())));
        config
    }

    /// Since it was loaded.
    pub fn counters(&self) -> CountersSnapshot {
        self.loaded.counters.snapshot()
    }

    /// The compiled schemas of all operations.
    pub fn schemas(&self) -> &SchemaSet {
        &self.loaded.schemas
    }

    /// None: the operation has no schema.
    pub fn body_schemas(&self, operation: &str) -> Option<Arc<BodySchemas>> {
        self.loaded.schemas.of(operation)
    }

    /// What it keeps of its own.
    pub fn collections(&self) -> &Collections {
        &self.loaded.collections
    }

    /// Text of an embedded JSON schema by its name in the manifest.
    pub fn schema(&self, file: &str) -> Option<&str> {
        self.loaded.schema_texts.get(file).map(String::as_str)
    }

    pub(crate) fn pre(&self) -> &InstancePre<GuestState> {
        &self.loaded.pre
    }

    pub(crate) fn digest_shared(&self) -> Arc<str> {
        self.loaded.digest.clone()
    }

    /// Refuses when the manifest says another kind.
    pub(crate) fn expect(&self, wanted: Kind) -> Result<(), LoadError> {
        let found = self.loaded.manifest.kind;
        if found == wanted { Ok(()) } else { Err(LoadError::WrongKind { wanted, found }) }
    }

    /// One use of the plugin, with its configuration ([`Plugin::config_with`]) and documents' owner.
    pub(crate) fn sandbox(
        &self,
        cloud: Option<Arc<dyn CloudApi>>,
        owner: Arc<str>,
        extra: &Map<String, Value>,
    ) -> Result<Arc<Sandbox>, LoadError> {
        let loaded = &self.loaded;
        let config = self.config_with(extra);
        check_config(&loaded.manifest, &config)?;
        Ok(Arc::new(Sandbox {
            plugin: self.id().into(),
            permits: loaded.granted.permits,
            limits: loaded.limits,
            counters: loaded.counters.clone(),
            config: Value::Object(config).to_string().into(),
            cloud,
            documents: loaded.runtime.shared.options.documents.clone(),
            owner,
            http: loaded.granted.http.clone(),
            #[cfg(feature = "libvirt")]
            libvirt: loaded.libvirt.clone(),
            host_slots: loaded.runtime.shared.sandboxes.clone(),
            plugin_slots: loaded.slots.clone(),
            memory: loaded.runtime.shared.memory.clone(),
        }))
    }

    /// A context for calls that no request of a person stands behind.
    pub(crate) fn context(&self, request_id: &str, secrets: SecretVault) -> Arc<CallContext> {
        Arc::new(CallContext {
            caller: None,
            request_id: request_id.into(),
            personality: self.id().into(),
            collections: self.collections().clone(),
            secrets,
            client: None,
            streams: Streams::default(),
            retry_after: std::sync::OnceLock::new(),
        })
    }
}
