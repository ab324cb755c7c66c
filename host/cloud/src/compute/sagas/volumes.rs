//! What is done to volumes and snapshots: room is taken for a disk, then the disk is made, grown or removed.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_jobs::{Event, Outcome, Retry, Run, Saga, Step};
use skyloom_model::{Error, Reach, Result, Timestamp};
use skyloom_runtime::driver::{Disk, DiskSource, StepCall};
use skyloom_store::placements::{self, HolderKind, Purpose};
use skyloom_store::snapshots::{self, SnapshotState};
use skyloom_store::volumes::{self, Volume, VolumeState};
use skyloom_store::{Conn, images, metering};

use super::context::{Context, Platform};
use super::{place, spec};

/// Kinds of the operations; what isn't about a snapshot alone is the volume's.
pub(crate) mod kinds {
    pub const CREATE: &str = "volume.create";
    pub const GROW: &str = "volume.grow";
    pub const DELETE: &str = "volume.delete";
    pub const SNAPSHOT: &str = "volume.snapshot";
    pub const DELETE_SNAPSHOT: &str = "snapshot.delete";
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Create,
    Grow,
    Delete,
    Snapshot,
    DeleteSnapshot,
}

impl Work {
    pub const ALL: [Work; 5] = [Self::Create, Self::Grow, Self::Delete, Self::Snapshot, Self::DeleteSnapshot];

    fn kind(self) -> &'static str {
        match self {
            Self::Create => kinds::CREATE,
            Self::Grow => kinds::GROW,
            Self::Delete => kinds::DELETE,
            Self::Snapshot => kinds::SNAPSHOT,
            Self::DeleteSnapshot => kinds::DELETE_SNAPSHOT,
        }
    }

    fn removes(self) -> bool {
        matches!(self, Self::Delete | Self::DeleteSnapshot)
    }
}

const PLACE: &str = "place";

pub(super) struct DiskSaga {
    context: Context,
    work: Work,
    steps: Vec<Step>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Params {
    /// The volume or snapshot on whose node the new disk is, which is a copy of it.
    beside: Option<String>,
    snapshot_id: Option<String>,
    size_gib: u32,
    was_gib: u32,
}

/// What the platform is told.
enum Call {
    Make(Disk),
    Grow(String, u32),
    Remove(String),
}

impl Call {
    fn step(&self) -> StepCall<'_> {
        match self {
            Self::Make(disk) => StepCall::CreateDisk { disk },
            Self::Grow(id, size_gib) => StepCall::GrowDisk { id, size_gib: *size_gib },
            Self::Remove(id) => StepCall::RemoveDisk { id },
        }
    }
}

struct Plan {
    platform: Platform,
    call: Call,
}

impl DiskSaga {
    pub fn new(context: Context, work: Work) -> Self {
        let times = &context.times;
        let place = Step { name: PLACE, retry: Retry::Never, deadline: times.records, no_return: false };
        let step = |name, no_return| Step { name, retry: Retry::Passing, deadline: times.disks, no_return };
        let steps = match work {
            Work::Create | Work::Snapshot => vec![place, step("make", false)],
            Work::Grow => vec![place, step("grow", false)],
            Work::Delete | Work::DeleteSnapshot => vec![step("remove", true)],
        };
        Self { context, work, steps }
    }

    async fn plan(&self, run: &Run) -> Result<Arc<Plan>> {
        run.keep(Box::pin(self.load(run))).await
    }

    async fn load(&self, run: &Run) -> Result<Plan> {
        let (params, id): (Params, _) = (run.params()?, &run.operation.resource_id);
        let mut conn = self.context.compute.db().read().await?;
        let call = match self.work {
            Work::Create => {
                let volume = volume(&mut conn, id).await?;
                let source = source(&mut conn, &volume, params.beside).await?;
                Call::Make(Disk { id: id.clone(), size_gib: volume.size_gib, source, device: String::new() })
            }
            Work::Snapshot => {
                let (id, source) = (params.snapshot()?, DiskSource::Disk(id.clone()));
                let size_gib = volume(&mut conn, &run.operation.resource_id).await?.size_gib;
                Call::Make(Disk { id, size_gib, source, device: String::new() })
            }
            Work::Grow => Call::Grow(id.clone(), params.size_gib),
            Work::Delete | Work::DeleteSnapshot => Call::Remove(id.clone()),
        };
        let placed = if let Call::Make(disk) = &call { &disk.id } else { id };
        let node = placements::place_of(&mut conn, placed, Purpose::Home).await?;
        let resource = if self.work == Work::DeleteSnapshot { "snapshot" } else { "volume" };
        Ok(Plan { platform: self.context.platform((resource, id), node.as_deref(), self.work.kind())?, call })
    }

    async fn place(&self, tx: &mut Conn, run: &Run) -> Result<()> {
        let (params, id): (Params, _) = (run.params()?, &run.operation.resource_id);
        let (compute, volume) = (&self.context.compute, volume(tx, id).await?);
        let (zone, beside) = (volume.zone.as_str(), params.beside.as_deref());
        match self.work {
            Work::Grow => {
                let more = params.size_gib.saturating_sub(params.was_gib);
                return place::more_disk(tx, compute, id, zone, more).await;
            }
            Work::Snapshot => {
                let id = params.snapshot()?;
                let holder = (HolderKind::Snapshot, id.as_str());
                place::disk(tx, compute, holder, (zone, volume.size_gib), beside).await?
            }
            _ => place::disk(tx, compute, (HolderKind::Volume, id), (zone, volume.size_gib), beside).await?,
        };
        Ok(())
    }

    async fn done(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let (params, id): (Params, _) = (run.params()?, &run.operation.resource_id);
        match self.work {
            Work::Create | Work::Grow => {
                let volume = volume(tx, id).await?;
                metering::close_spans(tx, id, &[], now).await?;
                metering::open_volume(tx, &volume, volume.size_gib, now).await?;
                volumes::set_state(tx, id, VolumeState::Available, now).await
            }
            Work::Snapshot => {
                let (id, volume) = (params.snapshot()?, volume(tx, id).await?);
                metering::open_snapshot(tx, &volume.project_id, &id, volume.size_gib, now).await?;
                snapshots::set_state(tx, &id, SnapshotState::Available, now).await
            }
            Work::Delete | Work::DeleteSnapshot => {
                metering::close_spans(tx, id, &[], now).await?;
                placements::release(tx, id).await?;
                if self.work == Work::Delete { volumes::remove(tx, id).await } else { snapshots::remove(tx, id).await }
            }
        }
    }

    async fn failed(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let (params, id): (Params, _) = (run.params()?, &run.operation.resource_id);
        match self.work {
            Work::Create => {
                placements::release(tx, id).await?;
                volumes::set_state(tx, id, VolumeState::Error, now).await
            }
            Work::Grow => {
                volumes::set_size(tx, id, params.was_gib, now).await?;
                placements::fit(tx, id, params.was_gib).await?;
                volumes::set_state(tx, id, VolumeState::Available, now).await
            }
            Work::Snapshot => {
                let id = params.snapshot()?;
                placements::release(tx, &id).await?;
                snapshots::set_state(tx, &id, SnapshotState::Error, now).await
            }
            // They only go forward.
            Work::Delete | Work::DeleteSnapshot => Ok(()),
        }
    }

    async fn set(&self, tx: &mut Conn, run: &Run, deletes: bool, now: Timestamp) -> Result<()> {
        let id = &run.operation.resource_id;
        if self.work == Work::Snapshot {
            // What is copied is as it was.
            return snapshots::set_state(tx, &run.params::<Params>()?.snapshot()?, SnapshotState::Error, now).await;
        }
        if self.work == Work::DeleteSnapshot {
            let state = if deletes { SnapshotState::Deleting } else { SnapshotState::Error };
            return snapshots::set_state(tx, id, state, now).await;
        }
        let state = if deletes { VolumeState::Deleting } else { VolumeState::Error };
        volumes::set_state(tx, id, state, now).await
    }
}

impl Params {
    fn snapshot(&self) -> Result<String> {
        self.snapshot_id.clone().ok_or_else(|| Error::internal("an operation of a snapshot doesn't name it"))
    }
}

async fn volume(conn: &mut Conn, id: &str) -> Result<Volume> {
    volumes::get(conn, id, &Reach::All).await?.ok_or_else(|| Error::not_found("volume", id))
}

async fn source(conn: &mut Conn, volume: &Volume, beside: Option<String>) -> Result<DiskSource> {
    if let Some(other) = beside {
        return Ok(DiskSource::Disk(other));
    }
    if volume.image_id.is_empty() {
        return Ok(DiskSource::Empty);
    }
    let boot = images::boot(conn, &volume.image_id).await?;
    let gone = || Error::invalid("image-id", format!("Image {} is gone.", volume.image_id));
    Ok(spec::image_source(boot.ok_or_else(gone)?))
}

#[async_trait]
impl Saga for DiskSaga {
    fn kind(&self) -> &'static str {
        self.work.kind()
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn act(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        let name = self.steps[step].name;
        if name == PLACE {
            return Ok(Outcome::Done);
        }
        let plan = self.plan(run).await?;
        if let Some(node) = plan.platform.elsewhere() {
            return Ok(Outcome::Elsewhere(node.to_owned()));
        }
        if self.work.removes() {
            return plan.platform.remove(run, name, token, plan.call.step()).await;
        }
        plan.platform.step(run, name, token, plan.call.step()).await
    }

    /// What was made goes; what has grown stays so, unseen: it may be written to again.
    async fn undo(&self, run: &Run, step: usize, token: Option<&str>) -> Result<Outcome> {
        if self.steps[step].name == PLACE {
            return Ok(Outcome::Done);
        }
        let plan = self.plan(run).await?;
        match (&plan.call, plan.platform.elsewhere()) {
            (Call::Make(_), Some(node)) => Ok(Outcome::Elsewhere(node.to_owned())),
            (Call::Make(disk), None) => {
                plan.platform.remove(run, "make/undo", token, StepCall::RemoveDisk { id: &disk.id }).await
            }
            _ => Ok(Outcome::Done),
        }
    }

    async fn hold(&self, tx: &mut Conn, resources: &[String]) -> Result<()> {
        if self.work == Work::DeleteSnapshot {
            return snapshots::lock_many(tx, resources).await;
        }
        volumes::lock_many(tx, resources).await
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        match event {
            Event::Done(step) if self.steps[step].name == PLACE => self.place(tx, run).await,
            Event::Succeeded => self.done(tx, run, now).await,
            Event::Failed(_) | Event::Cancelled => self.failed(tx, run, now).await,
            Event::HandedOver => self.set(tx, run, true, now).await,
            Event::Stuck(_) => self.set(tx, run, false, now).await,
            _ => Ok(()),
        }
    }

    fn digest(&self, run: &Run, _step: usize) -> Option<String> {
        Some(run.kept::<Plan>()?.platform.driver()?.digest().to_owned())
    }
}
