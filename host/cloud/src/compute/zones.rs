//! Zones: where servers may be placed. A zone is what nodes and aggregates say.

use std::collections::BTreeMap;

use skyloom_model::{Action, Result};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::{aggregates, nodes};

use super::Compute;

impl Compute {
    pub(super) async fn zones(&self, context: &CallContext) -> Result<Vec<wit::Zone>> {
        self.permit(context.caller.as_deref(), Action::ZonesRead)?;
        let sees_nodes = self.sees_nodes(context);
        let mut conn = self.db().read().await?;
        let empty = |name: String| wit::Zone { name, available: false, nodes: Vec::new() };
        let named = aggregates::zones(&mut conn).await?.into_iter();
        let mut zones: BTreeMap<String, wit::Zone> = named.map(|name| (name.clone(), empty(name))).collect();
        // By zone, then by name.
        for node in nodes::all(&mut conn).await? {
            let zone = zones.entry(node.zone.clone()).or_insert_with(|| empty(node.zone));
            zone.available |= node.enabled;
            if sees_nodes {
                zone.nodes.push(node.name);
            }
        }
        Ok(zones.into_values().collect())
    }
}
