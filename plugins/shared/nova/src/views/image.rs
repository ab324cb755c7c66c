//! An image.

use skyloom_sdk::cloud::images::{Image, ImageState};
use skyloom_sdk::json::Writer;
use skyloom_sdk::lenient::boolean_text;
use skyloom_sdk::{key, time};

use super::Links;

const IMAGES: &str = "/images/";
/// What Glance's own record of an image is.
const GLANCES: &str = "application/vnd.openstack.image";
/// The property that names the server which an image was made of.
pub const SERVER: &str = "instance_uuid";

/// `id`, `name`, `links`.
pub fn write_short(writer: &mut Writer, image: &Image, links: &Links) {
    writer.begin_object();
    write_identity(writer, image, links);
    writer.end_object();
}

fn write_identity(writer: &mut Writer, image: &Image, links: &Links) {
    writer.key(key!("id")).string(&image.id);
    writer.key(key!("name")).optional_string(image.name.as_deref());
    links.write_with_alternate(writer, IMAGES, &image.id, GLANCES);
}

pub fn write(writer: &mut Writer, image: &Image, links: &Links) {
    let (status, progress) = shown(image.state);
    let property = |wanted: &str| image.properties.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    writer.begin_object();
    write_identity(writer, image, links);
    writer.key(key!("status")).string(status);
    writer.key(key!("progress")).unsigned(progress);
    writer.key(key!("minDisk")).unsigned(image.min_disk_gib.into());
    writer.key(key!("minRam")).unsigned(image.min_memory_mib.into());
    writer.key(key!("created")).plain(|out| time::write_seconds_z(out, image.created_at));
    writer.key(key!("updated")).plain(|out| time::write_seconds_z(out, image.updated_at));
    writer.key(key!("OS-EXT-IMG-SIZE:size")).unsigned(image.size.unwrap_or(0));
    writer.key(key!("metadata")).string_map(&image.properties);
    if let Some(id) = property(SERVER) {
        writer.key(key!("server")).begin_object().key(key!("id")).string(id);
        links.write(writer, "/servers/", id);
        writer.end_object();
    }
    if let Some(word) = property("auto_disk_config") {
        let is_automatic = boolean_text(word).unwrap_or(false);
        writer.key(key!("OS-DCF:diskConfig")).string(if is_automatic { "AUTO" } else { "MANUAL" });
    }
    writer.end_object();
}

/// Nova's word of a state, and how many percent of the bytes it takes to be there.
fn shown(state: ImageState) -> (&'static str, u64) {
    match state {
        ImageState::Queued => ("SAVING", 25),
        ImageState::Saving | ImageState::Importing => ("SAVING", 50),
        ImageState::Active => ("ACTIVE", 100),
        ImageState::Deleted => ("DELETED", 0),
        // Nova has no word of it.
        ImageState::Deactivated => ("UNKNOWN", 0),
    }
}
