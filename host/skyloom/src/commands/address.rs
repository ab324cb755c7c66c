//! `skyloom address ...`: beside a running `skyloom serve`, or without one.

use serde_json::{Value, json};
use skyloom_cloud::compute::leftovers::{self, Filter};
use skyloom_store::public_addresses::PublicAddress;

use super::{or_dash, print_json, print_table, time, with_database};
use crate::cli::LeftoverCommand;
use crate::failure::Failure;

pub fn run(command: LeftoverCommand) -> Result<(), Failure> {
    match command {
        LeftoverCommand::List { deployment, project, free, limit, json } => {
            with_database(&deployment, async |_, db| {
                list(&leftovers::public_addresses(db, &Filter { project_id: project, free, limit }).await?, json);
                Ok(())
            })
        }
        LeftoverCommand::Delete { id, deployment } => with_database(&deployment, async |_, db| {
            leftovers::delete_public_address(db, &id).await?;
            say!("public address {id} is gone");
            Ok(())
        }),
    }
}

fn list(addresses: &[PublicAddress], json: bool) {
    if json {
        print_json(&addresses.iter().map(address_json).collect());
        return;
    }
    let header = ["ID", "ADDRESS", "PROJECT", "SERVER", "CREATED"].map(str::to_owned).to_vec();
    let rows = addresses.iter().map(|record| {
        vec![
            record.id.clone(),
            or_dash(&record.address),
            record.project_id.clone(),
            or_dash(&record.server_id),
            time(Some(record.created_at)),
        ]
    });
    print_table(&std::iter::once(header).chain(rows).collect::<Vec<_>>());
}

fn address_json(record: &PublicAddress) -> Value {
    json!({
        "id": record.id,
        "address": record.address,
        "project-id": record.project_id,
        "server-id": (!record.server_id.is_empty()).then_some(&record.server_id),
        "bandwidth-mbit": record.bandwidth_mbit,
        "delete-on-termination": record.delete_on_termination,
        "created-at": time(Some(record.created_at)),
    })
}
