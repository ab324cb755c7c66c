//! `skyloom plugin ...`.

use std::path::Path;

use crate::cli::PluginCommand;
use crate::failure::Failure;

pub fn run(command: PluginCommand) -> Result<(), Failure> {
    match command {
        PluginCommand::Pack { manifest, component, out } => pack(&manifest, &component, &out),
        _ => Err(Failure::new("not wired yet")),
    }
}

fn pack(manifest: &Path, component: &Path, out: &Path) -> Result<(), Failure> {
    skyloom_runtime::pack(manifest, component, out).map_err(|error| Failure::new(error.to_string()))?;
    println!("{}", out.display());
    Ok(())
}
