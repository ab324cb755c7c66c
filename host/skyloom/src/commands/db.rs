//! `skyloom db ...`.

use serde_json::json;
use skyloom_store::migrate;

use crate::cli::DbCommand;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::serve::connect;
use crate::state::{self, StateDir};

pub fn run(command: DbCommand) -> Result<(), Failure> {
    let DbCommand::Migrate { deployment, json } = command;
    let loaded = Loaded::read(&deployment.config, deployment.state_dir.as_deref()).map_err(Failure::config)?;
    state::close_to_others();
    // Not beside a running one.
    let state = StateDir::open(&loaded.state_dir)?;
    let status = super::block_on(async {
        let db = connect(&loaded.deployment, state.path()).await?;
        let status = migrate::migrate(&db).await?;
        db.close().await;
        Ok(status)
    })?;
    if json {
        super::print_json(&json!({ "schema": status.applied }));
    } else {
        say!("the database has schema {}, which is current", status.applied);
    }
    Ok(())
}
