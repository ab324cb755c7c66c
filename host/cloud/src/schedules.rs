//! What is done at its time without anybody asking: each schedule makes an operation when it is due, as a request does, if its
//! resource still allows it then.

use std::time::Duration;

use skyloom_jobs::milliseconds;
use skyloom_model::{Error, Result, Timestamp};
use skyloom_store::Conn;
use skyloom_store::collisions::again;
use skyloom_store::schedules::{self as store, Schedule};
use tokio::task::JoinHandle;

use crate::Cloud;
use crate::compute::Compute;

/// At most so many in one transaction.
const BATCH: u32 = 100;
/// A resource that is busy is looked at again after this time.
const BUSY: Duration = Duration::from_secs(5);

/// An operation that ends well removes what made it; one that fails is made again after this time.
const AGAIN: Duration = Duration::from_mins(1);

/// The table `[schedules]`.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Between two looks at what is due: how late something is done at most.
    #[serde(rename = "interval-ms", deserialize_with = "milliseconds")]
    #[schemars(with = "u64")]
    pub interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1) }
    }
}

impl Settings {
    /// `invalid` where a look would follow the last one without a pause.
    pub fn check(&self) -> Result<()> {
        if self.interval.is_zero() {
            return Err(Error::invalid("schedules", "[schedules] interval-ms is at least 1"));
        }
        Ok(())
    }
}

/// What became of a schedule that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// An operation does it, and removes the schedule.
    Begun,
    /// Somebody holds the resource.
    Busy,
    /// The resource is gone, or what was to be done has been done.
    Void,
}

impl Cloud {
    /// Looks for what is due until the task is aborted.
    #[must_use]
    pub fn start_schedules(&self, settings: Settings) -> JoinHandle<()> {
        let cloud = self.clone();
        tokio::spawn(async move {
            loop {
                if let Err(error) = cloud.run_schedules().await {
                    tracing::warn!(error = error.for_log(), "what is due could not be begun");
                }
                tokio::time::sleep(settings.interval).await;
            }
        })
    }

    /// Begins all that is due; gives the number of operations.
    pub async fn run_schedules(&self) -> Result<usize> {
        let mut all = 0;
        loop {
            let (seen, begun) = again(|| self.run_batch()).await?;
            all += begun;
            if begun > 0 {
                self.compute.wake();
            }
            if seen < BATCH as usize {
                return Ok(all);
            }
        }
    }

    /// How many were due, and how many operations they made.
    async fn run_batch(&self) -> Result<(usize, usize)> {
        let mut tx = self.db().begin().await?;
        let now = Timestamp::now();
        let due = store::due(&mut tx, now, BATCH).await?;
        let mut begun = 0;
        for schedule in &due {
            let came = self.when_due(&mut tx, schedule, now).await?;
            begun += usize::from(came == Came::Begun);
            match came {
                Came::Busy => store::put_off(&mut tx, &schedule.id, now.plus(BUSY)).await?,
                Came::Begun => store::put_off(&mut tx, &schedule.id, now.plus(AGAIN)).await?,
                Came::Void => store::remove(&mut tx, &schedule.id).await?,
            }
        }
        tx.commit().await?;
        Ok((due.len(), begun))
    }

    /// One that this program has no word for is told and forgotten: it must not keep the others waiting.
    async fn when_due(&self, tx: &mut Conn, schedule: &Schedule, now: Timestamp) -> Result<Came> {
        let Schedule { resource_kind, resource_id, verb, .. } = schedule;
        match resource_kind.as_str() {
            "server" if Compute::does(verb) => self.compute.when_due(tx, schedule, now).await,
            _ => {
                tracing::error!(resource_kind, resource_id, verb, "nothing is known of what is due");
                Ok(Came::Void)
            }
        }
    }
}
