//! Between the contract's records and the store's.

use skyloom_model::Result;
use skyloom_runtime::bindings::cloud::images as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::images::{Image, ImageState, Visibility};

use crate::attributes;

pub(super) fn image(context: &CallContext, row: Image) -> Result<wit::Image> {
    let content = row.content;
    Ok(wit::Image {
        attributes: attributes::own(context, &row.attributes)?,
        id: row.id,
        name: row.name,
        owner: row.owner,
        state: match row.state {
            ImageState::Queued => wit::ImageState::Queued,
            ImageState::Saving => wit::ImageState::Saving,
            ImageState::Importing => wit::ImageState::Importing,
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
    })
}

pub(super) fn visibility(word: wit::Visibility) -> Visibility {
    match word {
        wit::Visibility::Public => Visibility::Public,
        wit::Visibility::Private => Visibility::Private,
        wit::Visibility::Shared => Visibility::Shared,
        wit::Visibility::Community => Visibility::Community,
    }
}
