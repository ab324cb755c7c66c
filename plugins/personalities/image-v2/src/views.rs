//! Images as Glance shows them.

use skyloom_sdk::cloud::images::{Image, ImageState, Visibility};
use skyloom_sdk::json::Writer;
use skyloom_sdk::{key, time};

use crate::Fault;

pub fn state(state: ImageState) -> &'static str {
    match state {
        ImageState::Queued => "queued",
        ImageState::Saving => "saving",
        ImageState::Importing => "importing",
        ImageState::Active => "active",
        ImageState::Deactivated => "deactivated",
        ImageState::Deleted => "deleted",
    }
}

pub fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
        Visibility::Shared => "shared",
        Visibility::Community => "community",
    }
}

/// The core has the same words.
pub fn is_state(word: &str) -> bool {
    [ImageState::Queued, ImageState::Saving, ImageState::Importing, ImageState::Active, ImageState::Deactivated]
        .into_iter()
        .any(|known| state(known) == word)
}

pub fn parse_visibility(word: &str) -> Option<Visibility> {
    [Visibility::Public, Visibility::Private, Visibility::Shared, Visibility::Community]
        .into_iter()
        .find(|known| visibility(*known) == word)
}

fn number(json: &mut Writer, value: Option<u64>) {
    match value {
        Some(value) => json.unsigned(value),
        None => json.null(),
    };
}

/// The owner's properties stand beside the image's own, which win over one of the same name.
pub fn image(json: &mut Writer, image: &Image) {
    json.begin_object();
    for (name, value) in image.properties.iter().filter(|(name, _)| !glance::is_own(name)) {
        json.dynamic_key(name).string(value);
    }
    json.key(key!("id")).string(&image.id);
    json.key(key!("name")).optional_string(image.name.as_deref());
    json.key(key!("disk_format")).optional_string(image.disk_format.as_deref());
    json.key(key!("container_format")).optional_string(image.container_format.as_deref());
    json.key(key!("visibility")).string(visibility(image.visibility));
    json.key(key!("size"));
    number(json, image.size);
    json.key(key!("virtual_size"));
    number(json, image.virtual_size);
    json.key(key!("status")).string(state(image.state));
    json.key(key!("checksum")).optional_string(image.checksum.as_deref());
    json.key(key!("protected")).boolean(image.protected);
    json.key(key!("min_ram")).unsigned(u64::from(image.min_memory_mib));
    json.key(key!("min_disk")).unsigned(u64::from(image.min_disk_gib));
    json.key(key!("owner")).string(&image.owner);
    json.key(key!("os_hidden")).boolean(image.hidden);
    json.key(key!("os_hash_algo")).optional_string(image.hash_algorithm.as_deref());
    json.key(key!("os_hash_value")).optional_string(image.hash_value.as_deref());
    json.key(key!("created_at")).string(&time::seconds_z(image.created_at));
    json.key(key!("updated_at")).string(&time::seconds_z(image.updated_at));
    json.key(key!("tags")).strings(&image.tags);
    json.key(key!("self")).joined(&["/v2/images/", &image.id]);
    json.key(key!("file")).joined(&["/v2/images/", &image.id, "/file"]);
    json.key(key!("schema")).string("/v2/schemas/image");
    json.end_object();
}

/// 403 for a name that no client may set.
pub fn settable(name: &str) -> Result<(), Fault> {
    glance::forbidden(name).map_or(Ok(()), |why| Err(Fault::new(403, why)))
}
