//! Between the contract's records and the store's.

use skyloom_model::{Error, Result, Timestamp};
use skyloom_runtime::bindings::cloud::images as wit;
use skyloom_store::images::{Image, ImageFilter, ImageState, Visibility};

pub(super) fn image(row: Image) -> wit::Image {
    let content = row.content;
    wit::Image {
        id: row.id,
        name: row.name,
        owner: row.owner,
        state: match row.state {
            ImageState::Queued => wit::ImageState::Queued,
            ImageState::Saving => wit::ImageState::Saving,
            ImageState::Active => wit::ImageState::Active,
            ImageState::Deactivated => wit::ImageState::Deactivated,
        },
        visibility: match row.visibility {
            Visibility::Public => wit::Visibility::Public,
            Visibility::Private => wit::Visibility::Private,
            Visibility::Shared => wit::Visibility::Shared,
            Visibility::Community => wit::Visibility::Community,
        },
        protected: row.protected,
        hidden: row.hidden,
        disk_format: row.disk_format,
        container_format: row.container_format,
        min_disk_gib: row.min_disk_gib,
        min_memory_mib: row.min_memory_mib,
        size: content.as_ref().map(|content| content.size),
        virtual_size: content.as_ref().map(|content| content.virtual_size),
        checksum: content.as_ref().map(|content| content.md5.clone()),
        hash_algorithm: content.as_ref().map(|_| "sha512".to_owned()),
        hash_value: content.map(|content| content.sha512),
        created_at: row.created_at.0,
        updated_at: row.updated_at.0,
        tags: row.tags,
        properties: row.properties,
    }
}

pub(super) fn visibility(word: wit::Visibility) -> Visibility {
    match word {
        wit::Visibility::Public => Visibility::Public,
        wit::Visibility::Private => Visibility::Private,
        wit::Visibility::Shared => Visibility::Shared,
        wit::Visibility::Community => Visibility::Community,
    }
}

/// None: the state is `deleted`, which no image of ours is in.
fn state(word: wit::ImageState) -> Option<ImageState> {
    match word {
        wit::ImageState::Queued => Some(ImageState::Queued),
        wit::ImageState::Saving => Some(ImageState::Saving),
        wit::ImageState::Active => Some(ImageState::Active),
        wit::ImageState::Deactivated => Some(ImageState::Deactivated),
        wit::ImageState::Deleted => None,
    }
}

/// None: nothing can match.
pub(super) fn filter(filter: wit::ImageFilter, viewer: Option<String>) -> Result<Option<ImageFilter>> {
    let asked = filter.states.len();
    let states: Vec<ImageState> = filter.states.into_iter().filter_map(state).collect();
    if asked > 0 && states.is_empty() {
        return Ok(None);
    }
    let bytes = |field: &str, size: Option<u64>| {
        size.map(|size| i64::try_from(size).map_err(|_| Error::invalid(field, "The size is too large."))).transpose()
    };
    Ok(Some(ImageFilter {
        viewer,
        ids: filter.ids,
        names: filter.names,
        states,
        visibility: filter.visibility.map(visibility),
        community: filter.community,
        owner: filter.owner,
        protected: filter.protected,
        hidden: Some(filter.hidden.unwrap_or(false)),
        disk_formats: filter.disk_formats,
        container_formats: filter.container_formats,
        min_size: bytes("size", filter.min_size)?,
        max_size: bytes("size", filter.max_size)?,
        min_virtual_size: bytes("virtual-size", filter.min_virtual_size)?,
        max_virtual_size: bytes("virtual-size", filter.max_virtual_size)?,
        min_disk_gib: filter.min_disk_gib,
        min_memory_mib: filter.min_memory_mib,
        created_since: filter.created_since.map(Timestamp),
        created_before: filter.created_before.map(Timestamp),
        updated_since: filter.updated_since.map(Timestamp),
        updated_before: filter.updated_before.map(Timestamp),
        created_outside: spans(filter.created_outside),
        updated_outside: spans(filter.updated_outside),
        tags: filter.tags,
        checksum: filter.checksum,
        hash_value: filter.hash_value,
        properties: filter.properties,
    }))
}

fn spans(spans: Vec<(i64, i64)>) -> Vec<(Timestamp, Timestamp)> {
    spans.into_iter().map(|(first, end)| (Timestamp(first), Timestamp(end))).collect()
}
