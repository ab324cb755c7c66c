//! Snapshots of volumes.

use serde_json::json;
use skyloom_jobs::NewOperation;
use skyloom_model::{Action, Error, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::volumes as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::Conn;
use skyloom_store::collisions::again;
use skyloom_store::placements::{self, Purpose};
use skyloom_store::quotas::Quota;
use skyloom_store::snapshots::{self as store, Snapshot, SnapshotState};
use skyloom_store::volumes::VolumeState;

use super::write::{begin_deletion, wrong_state};
use super::{Volumes, locked, view};
use crate::attributes;
use crate::compute::actions::new_operation;
use crate::compute::common::{check_text, items, page};
use crate::compute::sagas::volume_kinds;
use crate::events::{self, Owner};

impl Volumes {
    pub(super) async fn snapshot_page(
        &self,
        context: &CallContext,
        asked: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::SnapshotPage> {
        let wanted = self.wanted(context, asked, (Action::SnapshotsRead, Action::SnapshotsReadAll))?;
        let mut conn = self.db().read().await?;
        let listed = store::list(&mut conn, &wanted, &page(request)).await?;
        let snapshots = listed.items.into_iter().map(|one| view::snapshot(context, one)).collect::<Result<_>>()?;
        Ok(wit::SnapshotPage { snapshots, next: listed.next })
    }

    pub(super) async fn show_snapshot(&self, context: &CallContext, id: &str) -> Result<wit::Snapshot> {
        let reach = self.permit(context.caller.as_deref(), Action::SnapshotsRead)?;
        let found = store::get(&mut self.db().read().await?, id, &reach).await?;
        view::snapshot(context, found.ok_or_else(|| Error::not_found("snapshot", id))?)
    }

    pub(super) async fn snapshot(&self, context: &CallContext, create: wit::SnapshotCreate) -> Result<wit::Snapshot> {
        let reach = self.permit(context.caller.as_deref(), Action::SnapshotsCreate)?;
        check_text("name", &create.name)?;
        check_text("description", &create.description)?;
        let metadata = items("metadata", create.metadata.clone())?;
        let attributes = attributes::with(context, attributes::NONE, &create.attributes)?;
        let snapshot = again(|| async {
            let (now, mut tx) = (Timestamp::now(), self.db().begin().await?);
            let id = &create.volume_id;
            let volume = locked(&mut tx, id, &reach).await.map_err(|error| error.with_field("volume-id"))?;
            if volume.state != VolumeState::Available {
                return Err(wrong_state("volume", id, volume.state.as_str(), "available"));
            }
            let snapshot = Snapshot {
                id: new_id(),
                project_id: volume.project_id.clone(),
                user_id: context.caller()?.user.id.clone(),
                volume_id: volume.id.clone(),
                name: create.name.clone(),
                description: create.description.clone(),
                size_gib: volume.size_gib,
                state: SnapshotState::Creating,
                metadata: metadata.clone(),
                created_at: now,
                updated_at: now,
                attributes: attributes.clone(),
            };
            store::insert(&mut tx, &snapshot).await?;
            let made = [(Quota::Snapshots, 1), (Quota::VolumeGib, snapshot.size_gib.into())];
            self.quotas.check_quota_made(&mut tx, &volume.project_id, &made).await?;
            // The volume's operation: nothing else may be done to it while it is copied.
            let operation =
                self.operation(&mut tx, context, (volume_kinds::SNAPSHOT, Action::SnapshotsCreate), &volume).await?;
            let params = json!({ "snapshot-id": snapshot.id, "beside": volume.id });
            skyloom_jobs::lock_resource(&mut tx, "volume", &volume.id, &operation.id).await?;
            skyloom_jobs::lock_new_resource(&mut tx, "snapshot", &snapshot.id, &operation.id).await?;
            events::accepted(&mut tx, &operation, ("snapshot", &snapshot.id)).await?;
            skyloom_jobs::enqueue(&mut tx, NewOperation { params, ..operation }).await?;
            tx.commit().await?;
            Ok(snapshot)
        })
        .await?;
        self.wake();
        view::snapshot(context, snapshot)
    }

    pub(super) async fn change_snapshot(
        &self,
        context: &CallContext,
        id: &str,
        update: wit::SnapshotUpdate,
    ) -> Result<wit::Snapshot> {
        let reach = self.permit(context.caller.as_deref(), Action::SnapshotsUpdate)?;
        let mut tx = self.db().begin().await?;
        let mut snapshot = locked_snapshot(&mut tx, id, &reach).await?;
        if let Some(name) = update.name {
            check_text("name", &name)?;
            snapshot.name = name;
        }
        if let Some(description) = update.description {
            check_text("description", &description)?;
            snapshot.description = description;
        }
        if let Some(change) = update.metadata {
            snapshot.metadata = view::changed(snapshot.metadata, change)?;
        }
        attributes::put(context, &mut snapshot.attributes, update.attributes.as_deref())?;
        snapshot.updated_at = Timestamp::now();
        events::changed(
            &mut tx,
            context,
            Action::SnapshotsUpdate,
            ("snapshot", id),
            Owner::Project(&snapshot.project_id),
        )
        .await?;
        store::update_own(&mut tx, &snapshot).await?;
        tx.commit().await?;
        view::snapshot(context, snapshot)
    }

    pub(super) async fn remove_snapshot(&self, context: &CallContext, id: &str) -> Result<()> {
        let reach = self.permit(context.caller.as_deref(), Action::SnapshotsDelete)?;
        again(|| async {
            let (now, mut tx) = (Timestamp::now(), self.db().begin().await?);
            let snapshot = locked_snapshot(&mut tx, id, &reach).await?;
            if !matches!(snapshot.state, SnapshotState::Available | SnapshotState::Error) {
                return Err(wrong_state("snapshot", id, snapshot.state.as_str(), "available or error"));
            }
            let operation = NewOperation::new(volume_kinds::DELETE_SNAPSHOT, "snapshot", id);
            let operation = NewOperation {
                node: placements::place_of(&mut tx, id, Purpose::Home).await?.unwrap_or_default(),
                ..new_operation(context, Action::SnapshotsDelete, operation, &snapshot.project_id, now)?
            };
            if begin_deletion(&mut tx, operation, snapshot.state == SnapshotState::Error).await? {
                store::set_state(&mut tx, id, SnapshotState::Deleting, now).await?;
            }
            tx.commit().await
        })
        .await?;
        self.wake();
        Ok(())
    }
}

pub(super) async fn locked_snapshot(tx: &mut Conn, id: &str, reach: &Reach) -> Result<Snapshot> {
    if store::get(tx, id, reach).await?.is_none() {
        return Err(Error::not_found("snapshot", id));
    }
    store::lock(tx, id).await?.ok_or_else(|| Error::not_found("snapshot", id))
}
