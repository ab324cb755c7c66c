//! The deletion of a server: power off, remove the definition, remove the disks, and all that it has on another node. From the
//! definition's removal on it only goes forward.

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Step};
use skyloom_model::{Result, Timestamp};
use skyloom_store::{Conn, servers, snapshots, volumes};

use super::context::{Context, Platform};
use super::moving::Places;
use super::release::{self, Volumes};
use super::server_saga::ServerSaga;
use super::{guest, settle};

pub(super) const KIND: &str = "server.delete";

const POWER_OFF: usize = 0;
const UNDEFINE: usize = 1;
const DISKS: usize = 2;

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

pub(super) struct Plan {
    places: Places,
    /// Ids of the disks that go; on another node all go.
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
            step("leave", times.define + times.disks, true),
        ];
        Self { context, steps }
    }

    async fn power_off(&self, run: &Run, platform: &Platform, token: Option<&str>) -> Result<Outcome> {
        if token.is_none() && guest::is_off(platform).await? {
            return Ok(Outcome::Done);
        }
        platform.hard_stop(run, "power-off", token).await
    }
}

#[async_trait]
impl ServerSaga for Delete {
    type Plan = Plan;

    fn kind(&self) -> &'static str {
        KIND
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn plan(&self, run: &Run) -> Result<Plan> {
        let id = &run.operation.resource_id;
        let wanted = run.params::<Params>()?.volumes();
        let places = Places::load(&self.context, run, KIND).await?;
        let mut conn = self.context.compute.db().read().await?;
        let volumes = volumes::of_server(&mut conn, id).await?;
        let kept = snapshots::volumes_of_server(&mut conn, id).await?;
        let goes = |volume: &&volumes::Volume| wanted.takes(volume) && !kept.contains(&volume.id);
        let disks = volumes.iter().filter(goes).map(|volume| volume.id.clone()).collect();
        Ok(Plan { places, disks })
    }

    fn platform<'p>(&self, plan: &'p Plan, step: usize) -> &'p Platform {
        if step > DISKS { plan.places.leaving() } else { &plan.places.home }
    }

    async fn act(&self, run: &Run, plan: &Plan, step: usize, token: Option<&str>) -> Result<Outcome> {
        let home = &plan.places.home;
        match step {
            POWER_OFF => self.power_off(run, home, token).await,
            UNDEFINE => home.undefine(run, "undefine", token).await,
            DISKS => home.remove_disks(run, "delete-disks", &plan.disks, token).await,
            _ => plan.places.leave(&self.context, run, "leave", token).await,
        }
    }

    async fn undo(&self, _run: &Run, plan: &Plan, _step: usize, _token: Option<&str>) -> Result<Outcome> {
        // Only the power-off can be undone, and a guest that lost its power has lost it: what is there is what counts.
        plan.places.home.look().await?;
        Ok(Outcome::Done)
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
            // Before the point of no return: the server is what its platform says.
            Event::Failed(_) | Event::Cancelled => {
                let plan = run.kept::<Plan>();
                settle::as_seen(tx, run, plan.as_ref().map(|plan| &plan.places.home), now).await
            }
            _ => Ok(()),
        }
    }
}
