//! The command line.

mod price;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use price::PriceCommand;

/// A cloud control plane whose APIs, hypervisors and tariffs are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "skyloom", version, propagate_version = false)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 the command line or a configuration file is wrong.")]
pub struct Cli {
    /// What is logged, e.g. `info` or `warn,skyloom_gateway=debug`
    #[arg(long, global = true, env = "SKYLOOM_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// How log lines look
    #[arg(long, global = true, env = "SKYLOOM_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a deployment until SIGTERM or Ctrl-C; at SIGHUP certificates are read again
    Serve {
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print what a start says as one line of JSON: version, endpoints, files
        json: bool,
    },
    /// Check a deployment file, its plugins, grants and routes; start nothing
    Check {
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Print the version and what is built in
    Version {
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Look at plugins and pack them
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look at operations (work that takes time) and retry stuck ones
    #[command(subcommand)]
    Operation(OperationCommand),
    /// Look at who changed what, and how it ended
    #[command(subcommand)]
    Event(EventCommand),
    /// Look at periods whose use is not rated yet, retry parked ones, check what is charged
    #[command(subcommand)]
    Rating(RatingCommand),
    /// Prices: templates, their sheets, and which department has which
    #[command(subcommand)]
    Price(PriceCommand),
    /// Look at compute nodes, and record such that no deployment file names
    #[command(subcommand)]
    Node(NodeCommand),
    /// Look at what projects may have, and change it
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Look at volumes and remove those that have outlived their server
    #[command(subcommand)]
    Volume(LeftoverCommand),
    /// Look at public addresses and give back those that have outlived their server
    #[command(subcommand)]
    Address(LeftoverCommand),
    /// The database
    #[command(subcommand)]
    Db(DbCommand),
    /// Print the JSON schema of a file format
    Schema {
        /// Which format
        format: Format,
    },
    /// Print a completion script for a shell
    Completion {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Debug, Args)]
pub struct DeploymentArgs {
    /// The deployment file
    #[arg(long, short, default_value = "skyloom.toml", value_name = "FILE")]
    pub config: PathBuf,
    /// Where the state lives, instead of the deployment's `[state] dir`
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// The plugins of a deployment: kind, version, mounts, digest
    List {
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// What a plugin asks for, is granted and is refused, and what it serves
    Explain {
        /// A plugin id of the deployment, or a packed component's file
        plugin: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
        #[arg(long, conflicts_with = "json")]
        /// Print the OpenAPI document of the operations that it serves
        openapi: bool,
    },
    /// Check packed components: format, manifest, contract, imports
    Check {
        /// Packed components
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Put a manifest and its schemas into a component; a core module becomes a component first
    Pack {
        #[arg(long, value_name = "FILE", default_value = "plugin.toml")]
        /// The manifest
        manifest: PathBuf,
        #[arg(long, value_name = "FILE")]
        /// The core module or component
        component: PathBuf,
        #[arg(long, value_name = "FILE")]
        /// The packed component
        out: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum OperationCommand {
    /// The newest operations first
    List {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Only those in this state: queued, running, unwinding, succeeded, failed, cancelled, stuck
        #[arg(long)]
        state: Option<String>,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// One operation with its steps
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Let a stuck operation go on from the step where it stands
    Retry {
        /// Its id
        id: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum EventCommand {
    /// The newest events first
    List {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Only those of this project's resources
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        /// Only those of this resource
        #[arg(long, value_name = "ID")]
        resource: Option<String>,
        /// From this time on, e.g. 2026-11-01T00:00:00Z
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// At most this many, 1000 at once
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Those behind this event: the last one's id of the page before
        #[arg(long, value_name = "ID")]
        marker: Option<String>,
        #[arg(long)]
        /// Print JSON: the events, and the marker of the next page if there is one
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum RatingCommand {
    /// Periods that are not rated yet, the oldest first
    List {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Only those in this state: rating (waiting or in hand), parked
        #[arg(long)]
        state: Option<String>,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Let a parked period be rated again at the next rating run
    Retry {
        /// Its start, as `list` shows it
        start: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Rate again what is rated, with the deployment's tariff, and compare; nothing is changed
    Check {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Periods that end after this, e.g. 2026-11-01T00:00:00Z; without it, all
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Periods that begin before this; without it, all
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// All nodes that the database knows, of every process, with what servers hold of them
    List {
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// One node, and what its record says; what its driver's plugin calls secret is hidden
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Record a node; a running skyloom that takes recorded nodes puts it to use without a restart
    Add {
        /// Its name, which no deployment file has
        name: String,
        /// Id of a driver plugin of the deployment
        #[arg(long, value_name = "ID")]
        driver: String,
        #[arg(long)]
        /// The zone in which it takes servers, unless an aggregate says another one
        zone: String,
        #[command(flatten)]
        changes: NodeChanges,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Change what the record of a node says; while it holds servers or volumes its driver and zone stay
    Set {
        /// Its name
        name: String,
        /// Id of a driver plugin of the deployment
        #[arg(long, value_name = "ID")]
        driver: Option<String>,
        #[arg(long)]
        /// The zone in which it takes servers, unless an aggregate says another one
        zone: Option<String>,
        #[command(flatten)]
        changes: NodeChanges,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
    /// Remove the record of a node that holds no servers, volumes and snapshots
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
}

/// What a record may say beside driver and zone; what isn't given stays as it is.
#[derive(Clone, Debug, Args)]
pub struct NodeChanges {
    /// Instead of what the platform says; `platform`: what that says
    #[arg(long, value_name = "NUMBER")]
    pub vcpus: Option<Given>,
    /// Instead of what the platform says; `platform`: what that says
    #[arg(long, value_name = "NUMBER")]
    pub memory_mib: Option<Given>,
    /// Instead of what the platform says; `platform`: what that says
    #[arg(long, value_name = "NUMBER")]
    pub disk_gib: Option<Given>,
    /// False: it takes no new servers
    #[arg(long, value_name = "BOOL")]
    pub enabled: Option<bool>,
    /// The platform's name of a network, by id, name or `*`, as in a deployment file; empty: none any more
    #[arg(long = "platform-network", value_name = "NETWORK=NAME")]
    pub platform_networks: Vec<String>,
    /// The only process that takes it, by its `[recorded-nodes] process`; empty: any that takes recorded nodes
    #[arg(long, value_name = "NAME")]
    pub process: Option<String>,
    /// The driver's config for this node: a JSON object, laid over the plugin's own
    #[arg(long, value_name = "JSON", conflicts_with = "driver_config_file")]
    pub driver_config: Option<String>,
    /// The same from a file, which is for secrets
    #[arg(long, value_name = "FILE")]
    pub driver_config_file: Option<PathBuf>,
}

/// A number, or what the platform says.
#[derive(Clone, Copy, Debug)]
pub struct Given(pub Option<u64>);

impl std::str::FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "platform" {
            return Ok(Self(None));
        }
        text.parse().map(|number| Self(Some(number))).map_err(|_| "a whole number or `platform` is wanted".to_owned())
    }
}

#[derive(Debug, Subcommand)]
pub enum QuotaCommand {
    /// What a project may have and uses; without one, what the deployment gives to every project
    Show {
        /// Its id, or its name
        project: Option<String>,
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// Give a project limits of its own, from its next request on
    Set {
        /// Its id, or its name
        project: String,
        /// Say `servers=20`; -1 is no limit, `default` the deployment's. `quota show` lists the names
        #[arg(required = true, value_name = "NAME=LIMIT")]
        limits: Vec<String>,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum LeftoverCommand {
    /// The newest first, of every project
    List {
        #[command(flatten)]
        deployment: DeploymentArgs,
        /// Only this project's
        #[arg(long, value_name = "ID")]
        project: Option<String>,
        /// Only those that no server has
        #[arg(long)]
        free: bool,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
    /// End one that no server has, with its charges and its part of the quota
    Delete {
        /// Its id
        id: String,
        #[command(flatten)]
        deployment: DeploymentArgs,
    },
}

#[derive(Debug, Subcommand)]
pub enum DbCommand {
    /// Bring the schema up to what this program knows (`serve` does it by itself)
    Migrate {
        #[command(flatten)]
        deployment: DeploymentArgs,
        #[arg(long)]
        /// Print JSON
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// plugin.toml
    Manifest,
    /// skyloom.toml
    Deployment,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
