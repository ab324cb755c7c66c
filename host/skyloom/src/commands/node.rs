//! `skyloom node ...`: beside a running `skyloom serve`, or without one.

mod record;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use skyloom_cloud::compute::node_records;
use skyloom_store::node_records::NodeRecord;
use skyloom_store::nodes::{self, Node};
use skyloom_store::placements::{self, Amount};

use super::{or_dash, print_json, print_table, time, with_database};
use crate::cli::NodeCommand;
use crate::failure::Failure;

pub fn run(command: NodeCommand) -> Result<(), Failure> {
    match command {
        NodeCommand::List { deployment, json } => with_database(&deployment, async |_, db| {
            let records = node_records::all(db).await?;
            let mut conn = db.read().await?;
            let used = placements::used(&mut conn).await?;
            let known = nodes::all(&mut conn).await?;
            list(&merged(known, &records, &used), json);
            Ok(())
        }),
        NodeCommand::Show { name, deployment, json } => {
            with_database(&deployment, async |loaded, db| record::show(loaded, db, &name, json).await)
        }
        NodeCommand::Add { name, driver, zone, changes, deployment } => {
            with_database(&deployment, async |loaded, db| {
                record::add(loaded, db, &name, (driver, zone), &changes).await
            })
        }
        NodeCommand::Set { name, driver, zone, changes, deployment } => {
            with_database(&deployment, async |loaded, db| {
                record::set(loaded, db, &name, (driver, zone), &changes).await
            })
        }
        NodeCommand::Remove { name, deployment } => with_database(&deployment, async |_, db| {
            node_records::remove(db, &name).await?;
            say!("node {name} is gone; a running skyloom drops it with its next look");
            Ok(())
        }),
    }
}

/// One node, what is held of it, and whether there is a record of it.
struct Line {
    node: Node,
    used: Amount,
    recorded: bool,
}

/// The nodes that were ever in use, and those of records that no process has taken yet.
fn merged(known: Vec<Node>, records: &[NodeRecord], used: &BTreeMap<String, Amount>) -> Vec<Line> {
    let names: BTreeSet<String> = known.iter().map(|node| node.name.clone()).collect();
    let new = records.iter().filter(|record| !names.contains(&record.name)).map(not_taken);
    let line = |node: Node| Line {
        used: used.get(&node.name).copied().unwrap_or_default(),
        recorded: records.iter().any(|record| record.name == node.name),
        node,
    };
    known.into_iter().chain(new).map(line).collect()
}

/// A record's node that no process has taken yet.
fn not_taken(record: &NodeRecord) -> Node {
    Node {
        name: record.name.clone(),
        zone: record.zone.clone(),
        driver: record.driver.clone(),
        hypervisor: String::new(),
        hypervisor_version: 0,
        vcpus: 0,
        memory_mib: 0,
        disk_gib: 0,
        enabled: false,
        updated_at: skyloom_model::Timestamp(0),
        own_zone: record.zone.clone(),
        internal_address: String::new(),
    }
}

fn list(lines: &[Line], json: bool) {
    if json {
        print_json(&lines.iter().map(line_json).collect());
        return;
    }
    let header =
        ["NAME", "ZONE", "DRIVER", "FROM", "HYPERVISOR", "TAKES SERVERS", "VCPUS", "MIB", "GIB", "SAID AT", "ASKED AT"];
    let of = |used: i64, all: i64| format!("{used}/{all}");
    let rows = lines.iter().map(|Line { node, used, recorded }| {
        vec![
            node.name.clone(),
            node.zone.clone(),
            node.driver.clone(),
            if *recorded { "record" } else { "file" }.to_owned(),
            or_dash(&node.hypervisor),
            if node.enabled { "yes" } else { "no" }.to_owned(),
            of(used.vcpus, node.vcpus),
            of(used.memory_mib, node.memory_mib),
            of(used.disk_gib, node.disk_gib),
            time(Some(node.updated_at).filter(|at| at.0 > 0)),
            or_dash(&node.internal_address),
        ]
    });
    print_table(&std::iter::once(header.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>());
}

fn line_json(Line { node, used, recorded }: &Line) -> Value {
    json!({
        "name": node.name,
        "zone": node.zone,
        "driver": node.driver,
        "recorded": recorded,
        "hypervisor": node.hypervisor,
        "takes-servers": node.enabled,
        "vcpus": node.vcpus,
        "memory-mib": node.memory_mib,
        "disk-gib": node.disk_gib,
        "used": { "vcpus": used.vcpus, "memory-mib": used.memory_mib, "disk-gib": used.disk_gib },
        "said-at": time(Some(node.updated_at).filter(|at| at.0 > 0)),
        "internal-address": node.internal_address,
    })
}
