//! Volumes and snapshots as personalities see them, and the changes of their maps.

use std::collections::BTreeMap;

use skyloom_model::{Error, Result};
use skyloom_runtime::bindings::cloud::volumes as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::snapshots::Snapshot;
use skyloom_store::volumes::Volume;

use crate::attributes;
use crate::compute::common::{items, pairs};

fn named(id: String) -> Option<String> {
    (!id.is_empty()).then_some(id)
}

pub(super) fn volume(context: &CallContext, volume: Volume) -> Result<wit::Volume> {
    Ok(wit::Volume {
        attributes: attributes::own(context, &volume.attributes)?,
        metadata: pairs(&volume.metadata),
        id: volume.id,
        name: volume.name,
        description: volume.description,
        project_id: volume.project_id,
        user_id: volume.user_id,
        size_gib: volume.size_gib,
        volume_type: volume.volume_type,
        zone: volume.zone,
        bootable: volume.bootable,
        state: volume.state.as_str().to_owned(),
        server_id: named(volume.server_id),
        device: volume.device,
        attached_at: volume.attached_at.map(|time| time.0),
        delete_on_termination: volume.delete_on_termination,
        image_id: named(volume.image_id),
        snapshot_id: named(volume.snapshot_id),
        source_volume_id: named(volume.source_volume_id),
        created_at: volume.created_at.0,
        updated_at: volume.updated_at.0,
    })
}

pub(super) fn snapshot(context: &CallContext, snapshot: Snapshot) -> Result<wit::Snapshot> {
    Ok(wit::Snapshot {
        attributes: attributes::own(context, &snapshot.attributes)?,
        metadata: pairs(&snapshot.metadata),
        id: snapshot.id,
        name: snapshot.name,
        description: snapshot.description,
        project_id: snapshot.project_id,
        user_id: snapshot.user_id,
        volume_id: snapshot.volume_id,
        size_gib: snapshot.size_gib,
        state: snapshot.state.as_str().to_owned(),
        created_at: snapshot.created_at.0,
        updated_at: snapshot.updated_at.0,
    })
}

const METADATA: &str = "metadata";

/// The map as it becomes.
pub(super) fn changed(
    mut map: BTreeMap<String, String>,
    change: wit::MetadataChange,
) -> Result<BTreeMap<String, String>> {
    match change {
        wit::MetadataChange::Replace(new) => items(METADATA, new),
        wit::MetadataChange::Merge(new) => {
            map.extend(items(METADATA, new)?);
            items(METADATA, pairs(&map))
        }
        wit::MetadataChange::Remove(key) => match map.remove(&key) {
            Some(_) => Ok(map),
            None => Err(Error::not_found("metadata-item", key)),
        },
    }
}
