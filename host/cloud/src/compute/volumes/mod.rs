//! Volumes and their snapshots: disks that live by themselves.

mod snapshots;
#[cfg(test)]
mod tests;
mod view;
mod write;

pub(super) use write::deletable;

use std::sync::Arc;

use skyloom_model::{Action, Error, Reach, Result};
use skyloom_runtime::api::VolumesApi;
use skyloom_runtime::bindings::cloud::volumes as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::listing::{Filter, taken_flag};
use skyloom_store::volumes::{self as store, Volume};

use super::Compute;
use super::common::page;
use super::quotas::Quotas;
use crate::base::{Base, stands_on_base};
use crate::lists::conditions;

/// Volumes, types of them, and snapshots.
pub struct Volumes {
    base: Base,
    quotas: Arc<Quotas>,
    compute: Arc<Compute>,
}

stands_on_base!(Volumes);

impl Volumes {
    pub(crate) fn new(base: Base, quotas: Arc<Quotas>, compute: Arc<Compute>) -> Self {
        Self { base, quotas, compute }
    }

    /// What a list is looked for in; `all`: the action of looking beyond one's own project.
    fn wanted(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        (own, all): (Action, Action),
    ) -> Result<Filter> {
        let reach = self.permit(context.caller.as_deref(), own)?;
        let project = context.caller()?.project_id();
        let mut wanted = conditions(asked)?;
        let everywhere = taken_flag(&mut wanted, "all-projects")? == Some(true);
        let foreign = wanted.iter().any(|condition| {
            condition.field == "project-id" && condition.values.iter().any(|value| project != Some(value))
        });
        let reach =
            if everywhere || foreign { self.permit(context.caller.as_deref(), all)? } else { reach.narrowed(project) };
        Ok(Filter::new(&reach, wanted))
    }

    async fn volume_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::VolumePage> {
        let wanted = self.wanted(context, asked, (Action::VolumesRead, Action::VolumesReadAll))?;
        let mut conn = self.db().read().await?;
        let listed = store::list(&mut conn, &wanted, &page(request)).await?;
        let volumes = listed.items.into_iter().map(|volume| view::volume(context, volume)).collect::<Result<_>>()?;
        Ok(wit::VolumePage { volumes, next: listed.next })
    }

    async fn show_volume(&self, context: &CallContext, id: &str) -> Result<wit::Volume> {
        let reach = self.permit(context.caller.as_deref(), Action::VolumesRead)?;
        let volume = store::get(&mut self.db().read().await?, id, &reach).await?;
        view::volume(context, volume.ok_or_else(|| Error::not_found("volume", id))?)
    }

    fn types(&self, context: &CallContext) -> Result<Vec<wit::VolumeType>> {
        self.permit(context.caller.as_deref(), Action::VolumesRead)?;
        let settings = &self.compute.settings;
        let of =
            |name: &String| wit::VolumeType { name: name.clone(), is_default: *name == settings.default_volume_type };
        Ok(settings.volume_types.iter().map(of).collect())
    }
}

/// Held until the commit, if it is within reach.
pub(super) async fn locked(tx: &mut Conn, id: &str, reach: &Reach) -> Result<Volume> {
    if store::get(tx, id, reach).await?.is_none() {
        return Err(Error::not_found("volume", id));
    }
    store::lock(tx, id).await?.ok_or_else(|| Error::not_found("volume", id))
}

#[async_trait::async_trait]
impl VolumesApi for Volumes {
    async fn list_volumes(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::VolumePage, WitError> {
        Ok(self.volume_page(context, conditions, page).await?)
    }

    async fn get_volume(&self, context: &Arc<CallContext>, id: String) -> Result<wit::Volume, WitError> {
        Ok(self.show_volume(context, &id).await?)
    }

    async fn create_volume(
        &self,
        context: &Arc<CallContext>,
        create: wit::VolumeCreate,
    ) -> Result<wit::Volume, WitError> {
        Ok(self.create(context, create).await?)
    }

    async fn update_volume(
        &self,
        context: &Arc<CallContext>,
        id: String,
        update: wit::VolumeUpdate,
    ) -> Result<wit::Volume, WitError> {
        Ok(self.update(context, &id, update).await?)
    }

    async fn grow_volume(&self, context: &Arc<CallContext>, id: String, size: u32) -> Result<wit::Volume, WitError> {
        Ok(self.grow(context, &id, size).await?)
    }

    async fn delete_volume(&self, context: &Arc<CallContext>, id: String) -> Result<(), WitError> {
        Ok(self.delete(context, &id).await?)
    }

    async fn list_volume_types(&self, context: &Arc<CallContext>) -> Result<Vec<wit::VolumeType>, WitError> {
        Ok(self.types(context)?)
    }

    async fn list_snapshots(
        &self,
        context: &Arc<CallContext>,
        conditions: Vec<wit::Condition>,
        page: PageRequest,
    ) -> Result<wit::SnapshotPage, WitError> {
        Ok(self.snapshot_page(context, conditions, page).await?)
    }

    async fn get_snapshot(&self, context: &Arc<CallContext>, id: String) -> Result<wit::Snapshot, WitError> {
        Ok(self.show_snapshot(context, &id).await?)
    }

    async fn create_snapshot(
        &self,
        context: &Arc<CallContext>,
        create: wit::SnapshotCreate,
    ) -> Result<wit::Snapshot, WitError> {
        Ok(self.snapshot(context, create).await?)
    }

    async fn update_snapshot(
        &self,
        context: &Arc<CallContext>,
        id: String,
        update: wit::SnapshotUpdate,
    ) -> Result<wit::Snapshot, WitError> {
        Ok(self.change_snapshot(context, &id, update).await?)
    }

    async fn delete_snapshot(&self, context: &Arc<CallContext>, id: String) -> Result<(), WitError> {
        Ok(self.remove_snapshot(context, &id).await?)
    }
}
