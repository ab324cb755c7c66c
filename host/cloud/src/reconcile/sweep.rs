//! Removes what has been kept long enough.

use std::time::Duration;

use skyloom_model::{Result, Timestamp};
use skyloom_store::identity::tokens;
use skyloom_store::{events, nodes, servers, volumes};

use super::Inner;

/// Rows a transaction: a sweep never holds the database for long.
const AT_ONCE: u32 = 500;

const HOUR: Duration = Duration::from_hours(1);

impl Inner {
    /// Gives how many records went. Image files that no image names go too.
    pub(super) async fn sweep(&self) -> Result<usize> {
        let now = Timestamp::now();
        let (settings, compute) = (&self.settings, &self.cloud.compute.settings);
        let days = |days: u32| now.minus(HOUR * 24 * days);
        let mut removed = self.engine.sweep(days(settings.keep_operations_days)).await?;
        loop {
            let mut tx = self.cloud.db().begin().await?;
            let gone = servers::remove_deleted(&mut tx, days(compute.keep_deleted_days), AT_ONCE).await?;
            tx.commit().await?;
            removed += gone;
            if gone < AT_ONCE as usize {
                break;
            }
        }
        loop {
            let mut tx = self.cloud.db().begin().await?;
            let gone = tokens::sweep(&mut tx, now.minus(HOUR * settings.keep_tokens_hours), AT_ONCE).await?;
            tx.commit().await?;
            removed += usize::try_from(gone).unwrap_or(usize::MAX);
            if gone < u64::from(AT_ONCE) {
                break;
            }
        }
        loop {
            let mut tx = self.cloud.db().begin().await?;
            let gone = events::sweep(&mut tx, days(settings.keep_events_days), AT_ONCE).await?;
            tx.commit().await?;
            removed += usize::try_from(gone).unwrap_or(usize::MAX);
            if gone < u64::from(AT_ONCE) {
                break;
            }
        }
        let here = self.cloud.compute.node_names();
        let mut tx = self.cloud.db().begin().await?;
        let gone = nodes::remove_retired(&mut tx, &here, days(settings.keep_nodes_days)).await?;
        tx.commit().await?;
        removed += usize::try_from(gone).unwrap_or(usize::MAX);
        // Their disks are long gone, or on a node that nobody has any more.
        let mut tx = self.cloud.db().begin().await?;
        let gone = volumes::forget_discarded(&mut tx, days(settings.keep_nodes_days)).await?;
        tx.commit().await?;
        removed += usize::try_from(gone).unwrap_or(usize::MAX);
        self.cloud.images.sweep_images(false).await?;
        Ok(removed)
    }
}
