//! The deployment file (`skyloom.toml`): what runs, where it listens, and what each plugin may do. Unknown keys are refused.

mod address;
mod check;
mod client_files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use skyloom_runtime::Grant;
use skyloom_runtime::files::{self, TEXT_BYTES};
use skyloom_runtime::manifest::{CatalogService, LimitsTable};
use skyloom_runtime::plain;

pub use address::Address;
pub use check::idle_nodes;

/// A whole `skyloom.toml`. Paths are relative to the file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "Skyloom deployment")]
pub struct Deployment {
    #[serde(default)]
    pub state: State,
    #[serde(default)]
    pub database: Database,
    /// Where APIs are served.
    #[serde(default, rename = "listener")]
    pub listeners: Vec<Listener>,
    /// Health and metrics; left out: none.
    pub operator: Option<Operator>,
    /// How processes that share a database ask one another about their compute nodes.
    #[serde(default)]
    pub internal: Internal,
    #[serde(default, rename = "plugin")]
    pub plugins: Vec<PluginEntry>,
    #[serde(default, rename = "mount")]
    pub mounts: Vec<Mount>,
    /// Compute nodes.
    #[serde(default, rename = "node")]
    pub nodes: Vec<Node>,
    /// Nodes that no deployment file names: `skyloom node add`.
    #[serde(default)]
    pub recorded_nodes: RecordedNodes,
    /// Left out: nothing is rated.
    pub tariff: Option<Tariff>,
    /// Files for clients, written into the state folder at start.
    #[serde(default, rename = "client-file")]
    pub client_files: Vec<ClientFile>,
    /// Limits of the HTTP side.
    #[serde(default)]
    pub limits: skyloom_gateway::Settings,
    #[serde(default)]
    pub sandbox: Sandbox,
    /// Settings of the areas of the cloud.
    #[serde(default)]
    pub identity: skyloom_cloud::identity::Settings,
    #[serde(default)]
    pub images: skyloom_cloud::images::Settings,
    #[serde(default)]
    pub networks: skyloom_cloud::networks::Settings,
    #[serde(default)]
    pub compute: skyloom_cloud::compute::Settings,
    #[serde(default)]
    pub billing: skyloom_cloud::billing::Settings,
    /// Workers of the operations.
    #[serde(default)]
    pub jobs: skyloom_jobs::Settings,
    /// The comparison of platforms, records and spans.
    #[serde(default)]
    pub reconcile: skyloom_cloud::reconcile::Settings,
    /// What is done at its time.
    #[serde(default)]
    pub schedules: skyloom_cloud::schedules::Settings,
    /// What a fresh database is filled with.
    #[serde(default)]
    pub seed: skyloom_cloud::Seed,
    /// Failures on purpose, for tests; refused unless every listener is on loopback.
    pub faults: Option<skyloom_jobs::faults::Settings>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct State {
    /// Database, images, compiled plugins, the admin's password. One process at a time owns it. `--state-dir` wins.
    #[serde(default = "default_state_dir")]
    pub dir: PathBuf,
    /// With less free space than this below the state folder or the folder of the images, in MiB, /readyz answers 503: what is
    /// being written shall end well, what is new shall go elsewhere.
    #[serde(default = "default_min_free_mib")]
    pub min_free_mib: u64,
}

impl Default for State {
    fn default() -> Self {
        Self { dir: default_state_dir(), min_free_mib: default_min_free_mib() }
    }
}

fn default_min_free_mib() -> u64 {
    64
}

fn default_state_dir() -> PathBuf {
    PathBuf::from("state")
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Database {
    /// `sqlite` (a file in the state folder) or `postgres://user@host/name`.
    #[serde(default = "default_url")]
    pub url: String,
    /// Wait for the disk at each commit, so that a power cut loses nothing. A killed process never loses anything.
    #[serde(default = "yes")]
    pub sync_on_commit: bool,
    /// Connections that read at once.
    #[serde(default = "default_readers")]
    pub readers: u32,
    /// File with the key that seals secrets in the database, 64 hex digits. Processes that share a database need the same one.
    /// Left out: `secret-key` in the state folder, made at the first start.
    pub secret_key: Option<PathBuf>,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: default_url(), sync_on_commit: true, readers: default_readers(), secret_key: None }
    }
}

impl Database {
    /// Whether the URL is of a kind that there is.
    pub fn is_known(&self) -> bool {
        self.url == "sqlite" || ["postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme))
    }
}

fn default_url() -> String {
    "sqlite".to_owned()
}

fn default_readers() -> u32 {
    8
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Listener {
    pub name: String,
    pub address: Address,
    /// Base of the links and the catalogue; left out: the address, which must then be one that clients can go to.
    pub public_url: Option<String>,
    pub tls: Option<Tls>,
    /// A line in the log for each request: target `access`, level info. Of a query it shows the names only.
    #[serde(default)]
    pub access_log: bool,
}

impl Listener {
    /// Without a trailing slash.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address),
        }
    }
}

/// PEM files.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Operator {
    /// Not for the public: nobody is asked who they are.
    pub address: Address,
    /// Tests may turn the clock of this process on, by `PATCH /clock`; refused unless the address is on loopback.
    #[serde(default)]
    pub turns_clock: bool,
}

/// Where several processes share a database, a read that only a server's node can answer (its console) is passed on to the process
/// that drives the node. Needs nothing of a process that only asks.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Internal {
    /// Where this process answers the others, which prove themselves with `[database] secret-key`. What crosses is signed, not
    /// sealed: on loopback or a private network. Left out: the consoles of its servers are read through this process only.
    pub address: Option<Address>,
    /// Where the others find it; its port may be 0 for the one that `address` has got. Left out: `address`, which must then be one that
    /// they can go to.
    pub advertise: Option<Address>,
    #[serde(default)]
    pub limits: skyloom_gateway::InternalLimits,
}

impl Internal {
    /// What the others are told, with the port that the listener has got.
    pub fn told(&self, port: u16) -> Option<Address> {
        let address = self.address.as_ref()?.with_port(port);
        Some(match &self.advertise {
            Some(advertise) if advertise.port == 0 => advertise.with_port(port),
            Some(advertise) => advertise.clone(),
            None => address,
        })
    }
}

/// A packed component and what it may do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PluginEntry {
    /// As its manifest has it.
    pub id: String,
    pub file: PathBuf,
    /// What it gets of what it asks for.
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub config: toml::Table,
    #[serde(default)]
    pub limits: LimitsTable,
}

/// Where a personality is served.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Mount {
    pub plugin: String,
    pub listener: String,
    /// `/` or `/compute/v2.1`; several mounts may share one as long as their routes differ.
    pub prefix: String,
    /// Laid over the plugin's own.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub config: toml::Table,
    /// Entry of the service catalogue: left out as in the manifest, `false` for none.
    #[serde(default)]
    pub service: ServiceChoice,
    #[serde(default = "default_region")]
    pub region: String,
    /// The plugin whose way of signing requests this mount takes, too. Left out: what the manifest of its own plugin declares.
    #[serde(default)]
    pub signature: Option<String>,
    /// Whether a caller must be allowed everything that the manifest says an operation `requires`, beside the operation's own action.
    #[serde(default)]
    pub dependent_actions: bool,
}

impl Mount {
    /// Without slashes at the end: empty for the root.
    pub fn prefix(&self) -> &str {
        self.prefix.trim_end_matches('/')
    }
}

fn default_region() -> String {
    "RegionOne".to_owned()
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a table with type and name, true or false is wanted")]
pub enum ServiceChoice {
    Entry(CatalogService),
    /// `false`: none; `true`: as in the manifest.
    Listed(bool),
    #[default]
    #[serde(skip)]
    AsManifest,
}

/// A compute node: a driver and its settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Node {
    pub name: String,
    /// Id of a driver plugin.
    pub driver: String,
    pub zone: String,
    /// Instead of what the platform says.
    pub vcpus: Option<u32>,
    pub memory_mib: Option<u64>,
    pub disk_gib: Option<u64>,
    /// False: takes no new servers.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Names of the platform's networks by the cloud's network: its id; its name, for shared and external networks only, because
    /// a project may call its own as it likes; or `*` for every other one, those of the projects too: they then meet on one
    /// network of the platform unless its driver keeps them apart.
    #[serde(default)]
    pub platform_networks: BTreeMap<String, String>,
    /// The driver's config for this node, laid over the plugin's own.
    #[serde(default)]
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub config: toml::Table,
}

/// Whether this process drives nodes that records name. Each is driven by one process at a time, which says so every
/// `[compute.attach] beat-ms`; after `away-ms` of silence another one takes it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RecordedNodes {
    /// Left out: yes with SQLite, where there is only this process, and no with PostgreSQL.
    pub take: Option<bool>,
    /// What this process is called in records: it takes those that name it, and those that name none.
    #[serde(default)]
    pub process: String,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tariff {
    pub plugin: String,
}

/// A text with the endpoints and the login filled in, readable by the owner only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientFile {
    /// Name in the state folder, none of its own files' (host/README.md lists them).
    pub name: String,
    /// What it is for; printed beside its path.
    #[serde(default)]
    pub purpose: String,
    /// `{url:<plugin>}` is the public base of the plugin's first mount, `{listener:<name>}` that of a listener, `{operator}` the
    /// operator's listener as it is reached on this machine; `{user}`, `{password}`, `{project}` and `{domain}` are
    /// the administrator's, escaped as within double quotes; `{region}` is that of the first mount.
    pub text: String,
}

/// Limits of the process that runs the sandboxes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sandbox {
    /// Sandboxes at once; left out: the runtime's default.
    pub instances: Option<u32>,
    /// MiB of memory of all sandboxes together. Left out: 1024, for 128 calls at once of which 18 have a plugin's whole default of
    /// 32 MiB. A call that finds it taken waits up to 2 seconds, then the client is told to come back (503). At least so much
    /// that one call of each plugin may have what its limits give it: 56 for that default.
    pub memory_mib: Option<u32>,
}

/// A deployment file that was read and checked.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub deployment: Deployment,
    /// The folder of the file; paths are relative to it.
    pub base: PathBuf,
    pub state_dir: PathBuf,
}

impl Loaded {
    /// Reads and checks a file. Every defect is told, a line each.
    pub fn read(path: &Path, state_dir: Option<&Path>) -> Result<Self, Vec<String>> {
        let (loaded, defects) = Self::look(path, state_dir).map_err(|defect| vec![defect])?;
        if defects.is_empty() { Ok(loaded) } else { Err(defects) }
    }

    /// A file that can be read, and its defects, a line each.
    pub fn look(path: &Path, state_dir: Option<&Path>) -> Result<(Self, Vec<String>), String> {
        let named = |defect: String| format!("{}: {defect}", path.display());
        let text = files::read_text(path, TEXT_BYTES).map_err(|error| named(error.to_string()))?;
        let (deployment, defects) = Deployment::parse(&text).map_err(named)?;
        let defects = defects.into_iter().map(named).collect();
        let base = path.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let state_dir = state_dir.map_or_else(|| base.join(&deployment.state.dir), Path::to_path_buf);
        Ok((Self { deployment, base, state_dir }, defects))
    }

    pub fn path(&self, relative: &Path) -> PathBuf {
        self.base.join(relative)
    }
}

impl Deployment {
    /// Only a worker does: it is who calls drivers.
    pub fn takes_recorded_nodes(&self) -> bool {
        self.jobs.worker && self.recorded_nodes.take.unwrap_or(self.database.url == "sqlite")
    }

    /// From the text of a file, with its defects, a line each. Err: what cannot be read at all.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), String> {
        let deployment: Self = plain::read_toml(text)?;
        let defects = check::defects(&deployment);
        Ok((deployment, defects))
    }
}

/// JSON Schema of `skyloom.toml`, made from the types.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Deployment).to_value()
}
