//! Deleted servers are kept for a while, for operators; then their rows go.

use std::time::Duration;

use skyloom_model::{Result, Timestamp};
use skyloom_store::servers;
use tokio::task::JoinHandle;

use crate::Cloud;

/// How often it is looked for rows whose time is over.
const INTERVAL: Duration = Duration::from_hours(1);
/// Rows of one transaction: others write meanwhile.
const BATCH: u32 = 200;

impl Cloud {
    /// Takes away what was deleted too long before `now`. Gives how many servers.
    pub async fn forget_deleted_servers(&self, now: Timestamp) -> Result<usize> {
        let days = u64::from(self.inner.compute.settings.keep_deleted_days);
        let before = now.minus(Duration::from_secs(days * 24 * 60 * 60));
        let mut all = 0;
        loop {
            let mut tx = self.db().begin().await?;
            let gone = servers::remove_deleted(&mut tx, before, BATCH).await?;
            tx.commit().await?;
            all += gone;
            if gone < BATCH as usize {
                return Ok(all);
            }
        }
    }

    /// Does so now and again, until the handle is aborted.
    pub fn start_retention(&self) -> JoinHandle<()> {
        let cloud = self.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = cloud.forget_deleted_servers(Timestamp::now()).await {
                    tracing::warn!(
                        error = error.for_log(),
                        "deleted servers could not be forgotten; it is tried again"
                    );
                }
                tokio::time::sleep(INTERVAL).await;
            }
        })
    }
}
