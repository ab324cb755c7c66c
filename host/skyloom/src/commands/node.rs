//! `skyloom node ...`: beside a running `skyloom serve`, or without one.

use serde_json::{Value, json};
use skyloom_store::nodes::{self, Node};
use skyloom_store::placements::{self, Amount};

use super::{or_dash, print_json, print_table, time, with_database};
use crate::cli::NodeCommand;
use crate::failure::Failure;

pub fn run(command: NodeCommand) -> Result<(), Failure> {
    let NodeCommand::List { deployment, json } = command;
    with_database(&deployment, async |_, db| {
        let mut conn = db.read().await?;
        let used = placements::used(&mut conn).await?;
        let held = |node: Node| {
            let held = used.get(&node.name).copied().unwrap_or_default();
            (node, held)
        };
        list(&nodes::all(&mut conn).await?.into_iter().map(held).collect::<Vec<_>>(), json);
        Ok(())
    })
}

fn list(nodes: &[(Node, Amount)], json: bool) {
    if json {
        print_json(&nodes.iter().map(node_json).collect());
        return;
    }
    let header =
        ["NAME", "ZONE", "DRIVER", "HYPERVISOR", "TAKES SERVERS", "VCPUS", "MIB", "GIB", "SAID AT", "ASKED AT"];
    let of = |used: i64, all: i64| format!("{used}/{all}");
    let rows = nodes.iter().map(|(node, used)| {
        vec![
            node.name.clone(),
            node.zone.clone(),
            node.driver.clone(),
            or_dash(&node.hypervisor),
            if node.enabled { "yes" } else { "no" }.to_owned(),
            of(used.vcpus, node.vcpus),
            of(used.memory_mib, node.memory_mib),
            of(used.disk_gib, node.disk_gib),
            time(Some(node.updated_at)),
            or_dash(&node.internal_address),
        ]
    });
    print_table(&std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>());
}

fn node_json((node, used): &(Node, Amount)) -> Value {
    json!({
        "name": node.name,
        "zone": node.zone,
        "driver": node.driver,
        "hypervisor": node.hypervisor,
        "takes-servers": node.enabled,
        "vcpus": node.vcpus,
        "memory-mib": node.memory_mib,
        "disk-gib": node.disk_gib,
        "used": { "vcpus": used.vcpus, "memory-mib": used.memory_mib, "disk-gib": used.disk_gib },
        "said-at": time(Some(node.updated_at)),
        "internal-address": node.internal_address,
    })
}
