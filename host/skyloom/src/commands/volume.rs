//! `skyloom volume ...`: beside a running `skyloom serve`, or without one.

use serde_json::{Value, json};
use skyloom_cloud::compute::leftovers::{self, Filter};
use skyloom_store::volumes::Volume;

use super::{or_dash, print_json, print_table, time, with_database};
use crate::cli::LeftoverCommand;
use crate::failure::Failure;

pub fn run(command: LeftoverCommand) -> Result<(), Failure> {
    match command {
        LeftoverCommand::List { deployment, project, free, limit, json } => {
            with_database(&deployment, async |_, db| {
                list(&leftovers::volumes(db, &Filter { project_id: project, free, limit }).await?, json);
                Ok(())
            })
        }
        LeftoverCommand::Delete { id, deployment } => with_database(&deployment, async |_, db| {
            leftovers::delete_volume(db, &id).await?;
            say!("volume {id} is gone; a running skyloom takes its disk from the platform");
            Ok(())
        }),
    }
}

fn list(volumes: &[Volume], json: bool) {
    if json {
        print_json(&volumes.iter().map(volume_json).collect());
        return;
    }
    let header = ["ID", "PROJECT", "STATE", "GIB", "SERVER", "CREATED"].map(str::to_owned).to_vec();
    let rows = volumes.iter().map(|volume| {
        vec![
            volume.id.clone(),
            volume.project_id.clone(),
            volume.state.as_str().to_owned(),
            volume.size_gib.to_string(),
            or_dash(&volume.server_id),
            time(Some(volume.created_at)),
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

fn volume_json(volume: &Volume) -> Value {
    json!({
        "id": volume.id,
        "project-id": volume.project_id,
        "name": volume.name,
        "state": volume.state.as_str(),
        "size-gib": volume.size_gib,
        "bootable": volume.bootable,
        "server-id": (!volume.server_id.is_empty()).then_some(&volume.server_id),
        "image-id": (!volume.image_id.is_empty()).then_some(&volume.image_id),
        "delete-on-termination": volume.delete_on_termination,
        "created-at": time(Some(volume.created_at)),
    })
}
