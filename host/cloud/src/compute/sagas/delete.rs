//! The deletion of a server: power off, remove the definition, remove the disks. From the definition's removal on it only goes
//! forward.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Saga, Step};
use skyloom_model::{Result, Timestamp};
use skyloom_runtime::driver::{Domain, Power};
use skyloom_store::{Conn, operations_nodes, servers, volumes};

use super::context::{Context, Platform, Seen};
use super::release::{self, Volumes};
use super::settle;

pub(super) const KIND: &str = "server.delete";

const POWER_OFF: usize = 0;
const UNDEFINE: usize = 1;

pub(super) struct Delete {
    context: Context,
    steps: Vec<Step>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Params {
    delete_volumes: bool,
    /// None: as each address says.
    delete_public_addresses: Option<bool>,
}

impl Params {
    fn volumes(&self) -> Volumes {
        if self.delete_volumes { Volumes::All } else { Volumes::OnTermination }
    }
}

struct Plan {
    platform: Platform,
    /// Ids of the disks that go.
    disks: Vec<String>,
}

impl Delete {
    pub fn new(context: Context) -> Self {
        let times = &context.times;
        let step = |name, deadline, no_return| Step { name, retry: Retry::Passing, deadline, no_return };
        let steps = vec![
            step("power-off", times.power, false),
            step("undefine", times.define, true),
            step("delete-disks", times.disks, true),
        ];
        Self { context, steps }
    }

    async fn plan(&self, run: &Run) -> Result<Arc<Plan>> {
        run.keep(Box::pin(async {
            let id = &run.operation.resource_id;
            let params: Params = run.params()?;
            let mut conn = self.context.compute.db().read().await?;
            let volumes = volumes::of_server(&mut conn, id).await?;
            let node = operations_nodes::place_of(&mut conn, id).await?;
            let driver = node.map(|name| self.context.driver(&name, KIND)).transpose()?;
            let wanted = params.volumes();
            let disks = volumes.iter().filter(|volume| wanted.takes(volume)).map(|volume| volume.id.clone()).collect();
            Ok(Plan { platform: Platform::new(driver, id.clone()), disks })
        }))
        .await
    }

    async fn power_off(&self, run: &Run, platform: &Platform, token: Option<&str>) -> Result<Outcome> {
        if token.is_none() {
            let power = platform.look().await?.as_ref().and_then(Domain::defined);
            if matches!(power, None | Some(Power::Stopped)) {
                return Ok(Outcome::Done);
            }
        }
        platform.hard_stop(run, "power-off", token).await
    }

    /// Before the point of no return: the server is what its platform says.
    async fn failed(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        let seen = run.kept::<Plan>().map(|plan| plan.platform.seen()).unwrap_or_default();
        match (servers::lock(tx, id).await?, seen) {
            (Some(server), Seen::Power(power)) => settle::settle(tx, &server, power, now).await,
            _ => settle::task(tx, id, None, now).await,
        }
    }
}

#[async_trait]
impl Saga for Delete {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn act(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        let plan = self.plan(run).await?;
        match step {
            POWER_OFF => self.power_off(run, &plan.platform, token).await,
            UNDEFINE => plan.platform.undefine(run, "undefine", token).await,
            _ => plan.platform.delete_disks(run, "delete-disks", &plan.disks, token).await,
        }
    }

    async fn undo(&self, run: &Run, _step: usize, _token: Option<&str>) -> Result<Outcome> {
        // Only the power-off can be undone, and a guest that lost its power has lost it: what is there is what counts.
        self.plan(run).await?.platform.look().await?;
        Ok(Outcome::Done)
    }

    async fn hold(&self, tx: &mut Conn, resources: &[String]) -> Result<()> {
        servers::lock_many(tx, resources).await.map(drop)
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        match event {
            Event::Done(POWER_OFF) => skyloom_store::metering::close_running(tx, id, now).await,
            Event::Succeeded => {
                let params: Params = run.params()?;
                let (volumes, addresses) = (params.volumes(), params.delete_public_addresses);
                release::all_of_server(tx, id, volumes, addresses, now).await?;
                servers::mark_deleted(tx, id, now).await.map(drop)
            }
            Event::Failed(_) | Event::Cancelled => self.failed(tx, run, now).await,
            Event::Stuck(error) => settle::stuck(tx, id, error, now).await,
            Event::Begun(_) | Event::Done(_) | Event::Unwinding(..) | Event::Undone(_) | Event::HandedOver => Ok(()),
        }
    }

    fn digest(&self, run: &Run) -> Option<String> {
        Some(run.kept::<Plan>()?.platform.driver.as_ref()?.digest().to_owned())
    }
}
