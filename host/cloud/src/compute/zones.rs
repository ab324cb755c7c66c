//! Zones: where servers may be placed. A zone is what the nodes say.

use skyloom_model::{Action, Result};
use skyloom_runtime::bindings::cloud::compute as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::nodes;

use super::Compute;

impl Compute {
    pub(super) async fn zones(&self, context: &CallContext) -> Result<Vec<wit::Zone>> {
        self.permit(context.caller.as_deref(), Action::ZonesRead)?;
        let sees_nodes = self.sees_nodes(context);
        let mut conn = self.db().read().await?;
        let nodes = nodes::all(&mut conn).await?;
        let mut zones: Vec<wit::Zone> = Vec::new();
        // By zone, then by name.
        for node in nodes {
            if zones.last().is_none_or(|zone| zone.name != node.zone) {
                zones.push(wit::Zone { name: node.zone.clone(), available: false, nodes: Vec::new() });
            }
            if let Some(zone) = zones.last_mut() {
                zone.available |= node.enabled;
                if sees_nodes {
                    zone.nodes.push(node.name);
                }
            }
        }
        Ok(zones)
    }
}
