//! The `skyloom` program: command line, configuration, wiring.

#[macro_use]
mod output;

mod cli;
mod commands;
mod config;
mod failure;
mod serve;
mod state;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Format, LogFormat};
use crate::failure::Failure;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Two arenas, and what is free goes back to the system after 0.2 s: a burst of large lists holds a fifth less memory, at the same
/// speed. The allocator asks for this symbol before `main`, and there is no other way to tell it in the program.
#[allow(unsafe_code)]
#[unsafe(export_name = "malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8] = b"narenas:2,dirty_decay_ms:200,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = start_log(&cli)
        .and_then(|()| run(cli.command))
        .and_then(|()| output::finish().map_err(|error| Failure::new(format!("standard output: {error}"))));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Plugin(command) => commands::plugin::run(command),
        Command::Version { json } => {
            commands::version(json);
            Ok(())
        }
        Command::Schema { format } => {
            commands::print_json(&match format {
                Format::Manifest => skyloom_runtime::manifest::json_schema(),
                Format::Deployment => config::json_schema(),
            });
            Ok(())
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "skyloom", &mut script);
            output::write(format_args!("{}", String::from_utf8_lossy(&script)));
            Ok(())
        }
        Command::Serve { deployment, json } => serve::run(&deployment, json),
        Command::Check { deployment, json } => commands::check::run(&deployment, json),
        Command::Operation(command) => commands::operation::run(command),
        Command::Event(command) => commands::event::run(command),
        Command::Rating(command) => commands::rating::run(command),
        Command::Price(command) => commands::price::run(command),
        Command::Node(command) => commands::node::run(command),
        Command::Quota(command) => commands::quota::run(command),
        Command::Volume(command) => commands::volume::run(command),
        Command::Address(command) => commands::address::run(command),
        Command::Db(command) => commands::db::run(command),
    }
}

/// To standard error: standard output is for what a command answers. Where nobody reads it, lines are lost and nothing else.
fn start_log(cli: &Cli) -> Result<(), Failure> {
    let filter =
        EnvFilter::try_new(&cli.log).map_err(|error| Failure::config(vec![format!("--log {}: {error}", cli.log)]))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match cli.log_format {
        LogFormat::Text => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
