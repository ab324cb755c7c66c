//! Load figures, each as a ratio within one run where it can be one. See README.md.

mod bare;
mod boundary;
mod canned;
mod client;
mod deployment;
mod flood;
mod native;
mod process;
mod reads;
mod scale;
mod seed;
mod serve;
mod table;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The server's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[derive(Parser)]
#[command(about = "Load figures of Skyloom: what a sandbox costs, and what size does")]
struct Arguments {
    /// Folder of the packed plugins.
    #[arg(long, default_value = "target/plugins", global = true)]
    plugins: PathBuf,
    /// Seconds a figure is measured for.
    #[arg(long, default_value_t = 5.0, global = true)]
    seconds: f64,
    /// Connections that send at once.
    #[arg(long, default_value_t = 8, global = true)]
    connections: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The component in a fresh sandbox beside the same handler linked natively, with and without the store.
    Boundary {
        /// Built server; it makes the database that is read.
        #[arg(long, default_value = "target/release/skyloom")]
        binary: PathBuf,
        /// Rounds in turn, A B A B; the medians are shown.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// The whole server at several sizes: reads, creations accepted and finished, memory.
    Scale {
        /// Built server.
        #[arg(long, default_value = "target/release/skyloom")]
        binary: PathBuf,
        /// Numbers of servers.
        #[arg(long, value_delimiter = ',', default_values_t = [1000, 100_000])]
        sizes: Vec<u32>,
        /// URL of a PostgreSQL server whose user may make databases; without it only SQLite is measured.
        #[arg(long, env = "SKYLOOM_TEST_POSTGRES")]
        postgres: Option<String>,
        /// Servers to create for the creation figures.
        #[arg(long, default_value_t = 2000)]
        creations: u32,
    },
    /// The store's reads on PostgreSQL, beside pgbench with the same statements.
    Reads {
        /// Built server; it makes the database that is read.
        #[arg(long, default_value = "target/release/skyloom")]
        binary: PathBuf,
        /// URL of a PostgreSQL server whose user may make databases.
        #[arg(long, env = "SKYLOOM_TEST_POSTGRES")]
        postgres: String,
        #[arg(long, default_value_t = 1000)]
        servers: u32,
        /// Rounds in turn, A B A B; the medians are shown.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// A caller's reads while nobody floods: logins, guessed tokens, half-sent heads.
    Flood {
        /// Built server.
        #[arg(long, default_value = "target/release/skyloom")]
        binary: PathBuf,
        /// Connections that log in, or guess tokens.
        #[arg(long, default_value_t = 450)]
        requests: usize,
        /// Connections with the half of a head.
        #[arg(long, default_value_t = 4222)]
        heads: usize,
        /// Rounds in turn, without each flood, with one against a bare listener, with one against the server; the medians are shown.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// One server in this process, for `boundary`; prints its address and runs until stdin closes.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        native: bool,
        /// Database file; none: canned answers.
        #[arg(long)]
        database: Option<PathBuf>,
        #[arg(long)]
        project: Option<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let load = client::Plan { seconds: arguments.seconds, connections: arguments.connections };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match arguments.command {
        Command::Boundary { binary, rounds } => {
            runtime.block_on(boundary::run(&arguments.plugins, &binary, load, rounds))
        }
        Command::Scale { binary, sizes, postgres, creations } => {
            let run = scale::Run { binary, plugins: arguments.plugins, sizes, postgres, creations, load };
            runtime.block_on(scale::run(&run))
        }
        Command::Reads { binary, postgres, servers, rounds } => {
            let run = reads::Run { binary, plugins: arguments.plugins, postgres, servers, rounds, load };
            runtime.block_on(reads::run(&run))
        }
        Command::Flood { binary, requests, heads, rounds } => {
            let run = flood::Run { binary, plugins: arguments.plugins, requests, heads, rounds, load };
            runtime.block_on(flood::run(&run))
        }
        Command::Serve { native, database, project } => {
            runtime.block_on(serve::run(&arguments.plugins, native, database.as_deref(), project))
        }
    }
}
