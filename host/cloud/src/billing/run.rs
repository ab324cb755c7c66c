//! The rating run in the background.

use std::sync::Arc;
use std::time::Duration;

use skyloom_model::Timestamp;
use tokio::task::JoinHandle;

use super::Billing;

impl Billing {
    /// Rates what is due, again and again, until the handle is aborted. Any number of processes may do so.
    pub fn start_rating(self: &Arc<Self>) -> JoinHandle<()> {
        let billing = self.clone();
        let interval = Duration::from_secs(u64::from(billing.settings.interval_seconds));
        tokio::spawn(async move {
            loop {
                match billing.rate_due(Timestamp::now()).await {
                    Ok(report) if report.rated > 0 || report.parked > 0 => {
                        tracing::info!(rated = report.rated, parked = report.parked, "rating run");
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(error = error.for_log(), "the rating run failed; it is tried again"),
                }
                tokio::time::sleep(interval).await;
            }
        })
    }
}
