//! Volumes, as far as servers have them.

use std::sync::Arc;

use skyloom_model::{Action, Error, Result};
use skyloom_runtime::api::VolumesApi;
use skyloom_runtime::bindings::cloud::volumes as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::bindings::types::errors::Error as WitError;
use skyloom_runtime::context::CallContext;
use skyloom_store::listing::Filter;
use skyloom_store::volumes as store;

use super::common::page;
use crate::attributes;
use crate::base::{Base, stands_on_base};
use crate::lists::conditions;

fn view(context: &CallContext, volume: store::Volume) -> Result<wit::Volume> {
    Ok(wit::Volume {
        attributes: attributes::own(context, &volume.attributes)?,
        id: volume.id,
        name: volume.name,
        project_id: volume.project_id,
        size_gib: volume.size_gib,
        volume_type: volume.volume_type,
        bootable: volume.bootable,
        state: volume.state.as_str().to_owned(),
        server_id: (!volume.server_id.is_empty()).then_some(volume.server_id),
        created_at: volume.created_at.0,
    })
}

/// Volumes, as far as servers have them.
pub struct Volumes {
    base: Base,
}

stands_on_base!(Volumes);

impl Volumes {
    pub(crate) fn new(base: Base) -> Self {
        Self { base }
    }

    async fn volume_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::VolumePage> {
        let reach = self.permit(context.caller.as_deref(), Action::VolumesRead)?;
        let wanted = Filter::new(&reach.narrowed(context.caller()?.project_id()), conditions(asked)?);
        let mut conn = self.db().read().await?;
        let listed = store::list(&mut conn, &wanted, &page(request)).await?;
        let volumes = listed.items.into_iter().map(|volume| view(context, volume)).collect::<Result<_>>()?;
        Ok(wit::VolumePage { volumes, next: listed.next })
    }

    async fn show_volume(&self, context: &CallContext, id: &str) -> Result<wit::Volume> {
        let reach = self.permit(context.caller.as_deref(), Action::VolumesRead)?;
        let mut conn = self.db().read().await?;
        let volume = store::get(&mut conn, id, &reach).await?;
        view(context, volume.ok_or_else(|| Error::not_found("volume", id))?)
    }
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
}
