//! What may be made, seen, changed and removed.

use std::sync::Arc;

use skyloom_model::{Action, Caller, Error, ErrorCode, Reach, Result, Timestamp, new_id};
use skyloom_runtime::bindings::cloud::images as wit;
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::context::CallContext;
use skyloom_store::images::{self as store, Image, ImageFilter, ImageState, Visibility};
use skyloom_store::listing::{Condition, taken_flag};
use skyloom_store::{Conn, metering, quotas};

use super::{Images, convert};
use crate::attributes;
use crate::bounds;
use crate::events::{self, Owner};
use crate::lists::{conditions, names, page};
use crate::reach;

/// The formats of disks that can be stored.
const DISK_FORMATS: [&str; 6] = ["raw", "qcow2", "iso", "aki", "ari", "ami"];
/// What a disk may be wrapped in.
const CONTAINER_FORMATS: [&str; 4] = ["bare", "aki", "ari", "ami"];
/// Characters of names, tags and the names of properties.
const MAX_NAME: usize = 255;
/// Characters of a property's value.
const MAX_VALUE: usize = 65535;

/// Who asks, and in which project.
pub(super) struct Asking<'a> {
    pub caller: &'a Caller,
    pub reach: Reach,
    /// None: the token is for more than one.
    pub project: Option<&'a str>,
}

impl Images {
    /// Checks the policy; gives who asks.
    pub(super) fn image_asking<'a>(&self, context: &'a Arc<CallContext>, action: Action) -> Result<Asking<'a>> {
        let reach = self.permit(context.caller.as_deref(), action)?;
        let caller: &Caller = context.caller()?;
        Ok(Asking { project: caller.project_id(), reach, caller })
    }

    pub(super) async fn images_list(
        &self,
        context: &Arc<CallContext>,
        wanted: Vec<wit::Condition>,
        request: PageRequest,
    ) -> Result<wit::ImagePage> {
        let asking = self.image_asking(context, Action::ImagesRead)?;
        let mut wanted = conditions(wanted)?;
        let reach = if taken_flag(&mut wanted, "all-projects")? == Some(true) {
            self.permit(Some(asking.caller), Action::ImagesReadAll)?
        } else {
            asking.reach.narrowed(asking.project)
        };
        if !names(&wanted, "hidden") {
            wanted.push(Condition::is("hidden", false));
        }
        let names_community = |condition: &Condition| {
            condition.field == "visibility"
                && condition.values.iter().any(|word| word == Visibility::Community.as_str())
        };
        let community = taken_flag(&mut wanted, "community")? == Some(true) || wanted.iter().any(names_community);
        let filter = ImageFilter { reach, community, conditions: wanted };
        let mut conn = self.db().read().await?;
        let listed = store::list_images(&mut conn, &filter, &page(request)).await?;
        let images = listed.items.into_iter().map(|image| convert::image(context, image)).collect::<Result<_>>()?;
        Ok(wit::ImagePage { images, next: listed.next })
    }

    pub(super) async fn images_get(&self, context: &Arc<CallContext>, id: &str) -> Result<wit::Image> {
        let asking = self.image_asking(context, Action::ImagesRead)?;
        let mut conn = self.db().read().await?;
        convert::image(context, seen(&mut conn, id, &asking).await?)
    }

    pub(super) async fn images_create(
        &self,
        context: &Arc<CallContext>,
        create: wit::ImageCreate,
    ) -> Result<wit::Image> {
        let asking = self.image_asking(context, Action::ImagesCreate)?;
        let mut tx = self.db().begin().await?;
        let owner = match create.owner {
            Some(owner) if Some(owner.as_str()) != asking.project => {
                self.check_given(&mut tx, &asking, &owner).await?;
                owner
            }
            _ => asking.caller.project()?.to_owned(),
        };
        let visibility = create.visibility.map_or(Visibility::Shared, convert::visibility);
        if visibility == Visibility::Public {
            self.permit(Some(asking.caller), Action::ImagesPublish)?;
        }
        let now = Timestamp::now();
        let mut image = Image {
            id: create.id.map(checked_id).transpose()?.unwrap_or_else(new_id),
            owner,
            name: create.name,
            state: ImageState::Queued,
            visibility,
            protected: create.protected,
            hidden: create.hidden,
            disk_format: create.disk_format,
            container_format: create.container_format,
            min_disk_gib: create.min_disk_gib,
            min_memory_mib: create.min_memory_mib,
            content: None,
            created_at: now,
            updated_at: now,
            attributes: attributes::with(context, attributes::NONE, &create.attributes)?,
            tags: create.tags,
            properties: create.properties,
        };
        self.check(&mut image)?;
        self.check_quota(&mut tx, &image.owner, 1, 0).await?;
        events::changed(&mut tx, context, Action::ImagesCreate, ("image", &image.id), Owner::Project(&image.owner))
            .await?;
        store::insert_image(&mut tx, &image).await?;
        tx.commit().await?;
        convert::image(context, image)
    }

    pub(super) async fn images_update(
        &self,
        context: &Arc<CallContext>,
        id: &str,
        update: wit::ImageUpdate,
    ) -> Result<wit::Image> {
        let asking = self.image_asking(context, Action::ImagesUpdate)?;
        let mut tx = self.db().begin().await?;
        let old = owned(&mut tx, id, &asking).await?;
        let visibility = convert::visibility(update.visibility);
        if visibility == Visibility::Public && old.visibility != Visibility::Public {
            self.permit(Some(asking.caller), Action::ImagesPublish)?;
        }
        if update.owner != old.owner {
            self.check_given(&mut tx, &asking, &update.owner).await?;
        }
        check_format_kept(&old, &update)?;
        let mut image = Image {
            owner: update.owner,
            name: update.name,
            visibility,
            protected: update.protected,
            hidden: update.hidden,
            disk_format: update.disk_format,
            container_format: update.container_format,
            min_disk_gib: update.min_disk_gib,
            min_memory_mib: update.min_memory_mib,
            tags: update.tags,
            properties: update.properties,
            updated_at: Timestamp::now().max(Timestamp(old.updated_at.0 + 1)),
            ..old.clone()
        };
        attributes::put(context, &mut image.attributes, update.attributes.as_deref())?;
        self.check(&mut image)?;
        events::changed(&mut tx, context, Action::ImagesUpdate, ("image", id), Owner::Project(&image.owner)).await?;
        if !store::update_image(&mut tx, &image, Timestamp(update.read_at)).await? {
            return Err(Error::new(ErrorCode::WrongState, format!("Image {id} was changed meanwhile; read it again."))
                .with_resource("image", id));
        }
        if image.owner != old.owner
            && let Some(content) = &image.content
        {
            metering::close_spans(&mut tx, id, &[metering::meter::IMAGE_GIB], image.updated_at).await?;
            open_span(&mut tx, &image, content.size, image.updated_at).await?;
        }
        tx.commit().await?;
        convert::image(context, image)
    }

    /// Whether the caller may make another project an image's owner.
    async fn check_given(&self, conn: &mut Conn, asking: &Asking<'_>, owner: &str) -> Result<()> {
        let reach = self.permit(Some(asking.caller), Action::ImagesGive)?;
        reach::check(conn, &reach, "owner", owner).await
    }

    pub(super) async fn images_delete(&self, context: &Arc<CallContext>, id: &str) -> Result<()> {
        let asking = self.image_asking(context, Action::ImagesDelete)?;
        let mut tx = self.db().begin().await?;
        store::hold_image(&mut tx, id).await?;
        let image = owned(&mut tx, id, &asking).await?;
        if image.protected {
            let message = format!("Image {id} is protected and cannot be deleted.");
            return Err(Error::new(ErrorCode::Forbidden, message).with_resource("image", id));
        }
        if store::image_in_use(&mut tx, id).await? {
            let message = format!("Image {id} could not be deleted because it is in use.");
            return Err(Error::new(ErrorCode::InUse, message).with_resource("image", id));
        }
        events::changed(&mut tx, context, Action::ImagesDelete, ("image", id), Owner::Project(&image.owner)).await?;
        let now = Timestamp::now();
        let ends_import = Self::end_import(&mut tx, &image, now).await?;
        store::delete_image(&mut tx, id).await?;
        metering::close_spans(&mut tx, id, &[], now).await?;
        tx.commit().await?;
        if ends_import {
            self.wake();
        }
        // Only now: a file without an image is swept, an image without a file would be broken.
        if let Some(content) = image.content {
            self.blobs.remove(&content.blob);
        }
        Ok(())
    }

    pub(super) async fn images_add_tag(&self, context: &Arc<CallContext>, id: &str, tag: String) -> Result<()> {
        let asking = self.image_asking(context, Action::ImagesUpdate)?;
        let mut tx = self.db().begin().await?;
        store::hold_image(&mut tx, id).await?;
        let mut image = owned(&mut tx, id, &asking).await?;
        image.tags.push(tag.clone());
        self.check(&mut image)?;
        events::changed(&mut tx, context, Action::ImagesUpdate, ("image", id), Owner::Project(&image.owner)).await?;
        if store::add_tag(&mut tx, id, &tag).await? {
            store::touch_image(&mut tx, id, Timestamp::now()).await?;
        }
        tx.commit().await
    }

    pub(super) async fn images_remove_tag(&self, context: &Arc<CallContext>, id: &str, tag: String) -> Result<()> {
        let asking = self.image_asking(context, Action::ImagesUpdate)?;
        let mut tx = self.db().begin().await?;
        let image = owned(&mut tx, id, &asking).await?;
        if !store::remove_tag(&mut tx, id, &tag).await? {
            return Err(Error::new(ErrorCode::NotFound, format!("Tag {tag} of image {id} could not be found."))
                .with_resource("tag", tag)
                .with_field("tag"));
        }
        events::changed(&mut tx, context, Action::ImagesUpdate, ("image", id), Owner::Project(&image.owner)).await?;
        store::touch_image(&mut tx, id, Timestamp::now()).await?;
        tx.commit().await
    }

    pub(super) async fn images_set_active(&self, context: &Arc<CallContext>, id: &str, active: bool) -> Result<()> {
        let action = if active { Action::ImagesReactivate } else { Action::ImagesDeactivate };
        let asking = self.image_asking(context, action)?;
        let mut tx = self.db().begin().await?;
        let image = owned(&mut tx, id, &asking).await?;
        events::changed(&mut tx, context, action, ("image", id), Owner::Project(&image.owner)).await?;
        if !store::set_active(&mut tx, id, active, Timestamp::now()).await? {
            let verb = if active { "reactivate" } else { "deactivate" };
            let message = format!("Not allowed to {verb} image in status '{}'.", image.state.as_str());
            return Err(Error::new(ErrorCode::WrongState, message).with_resource("image", id));
        }
        tx.commit().await
    }
}

/// An image that the caller sees.
pub(super) async fn seen(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Image> {
    store::seen_image(conn, id, &asking.reach).await?.map(|(image, _)| image).ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("No image found with ID {id}")).with_resource("image", id)
}

/// An image that the caller may change.
pub(super) async fn owned(conn: &mut Conn, id: &str, asking: &Asking<'_>) -> Result<Image> {
    let (image, own) = store::seen_image(conn, id, &asking.reach).await?.ok_or_else(|| missing(id))?;
    if own {
        return Ok(image);
    }
    Err(Error::new(ErrorCode::Forbidden, "You are not permitted to modify this image.").with_resource("image", id))
}

/// The use of an image's bytes begins.
pub(super) async fn open_span(tx: &mut Conn, image: &Image, size: u64, now: Timestamp) -> Result<()> {
    let span = metering::NewSpan {
        project_id: &image.owner,
        resource_kind: "image",
        resource_id: &image.id,
        meter: metering::meter::IMAGE_GIB,
        server_id: "",
        class: image.disk_format.as_deref().unwrap_or_default(),
        quantity: i64::try_from(size.div_ceil(super::GIB)).map_err(Error::internal)?,
    };
    metering::open_span(tx, &span, now).await
}

/// An image that has bytes, or gets them, keeps its formats.
fn check_format_kept(old: &Image, update: &wit::ImageUpdate) -> Result<()> {
    for (field, new, known) in [
        ("disk-format", &update.disk_format, &old.disk_format),
        ("container-format", &update.container_format, &old.container_format),
    ] {
        if new != known && old.state != ImageState::Queued {
            let message = format!("Attribute {} can be only replaced for a queued image.", field.replace('-', "_"));
            return Err(Error::new(ErrorCode::Forbidden, message).with_field(field));
        }
    }
    Ok(())
}

fn checked_id(id: String) -> Result<String> {
    match uuid::Uuid::try_parse(&id) {
        Ok(parsed) if parsed.to_string() == id => Ok(id),
        _ => Err(Error::invalid("id", format!("'{id}' is not a UUID."))),
    }
}

fn checked_text(field: &str, text: &str, most: usize) -> Result<()> {
    if text.chars().count() > most {
        return Err(Error::invalid(field, format!("A text is longer than {most} characters.")).with_reason("too-long"));
    }
    // PostgreSQL holds no such character.
    if text.contains('\0') {
        return Err(Error::invalid(field, "A text must not contain the character NUL.").with_reason("malformed"));
    }
    Ok(())
}

impl Images {
    /// All that holds for an image by itself; brings tags and properties into their stored order.
    fn check(&self, image: &mut Image) -> Result<()> {
        checked_text("name", image.name.as_deref().unwrap_or_default(), MAX_NAME)?;
        check_formats(image)?;
        image.tags.sort();
        image.tags.dedup();
        if image.tags.len() > self.settings.max_tags {
            let message = format!(
                "The limit has been exceeded on the number of allowed image tags. Attempted: {}, Maximum: {}",
                image.tags.len(),
                self.settings.max_tags
            );
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field("tags"));
        }
        for tag in &image.tags {
            checked_text("tags", tag, MAX_NAME)?;
        }
        image.properties.sort();
        if image.properties.len() > self.settings.max_properties {
            let message = format!(
                "The limit has been exceeded on the number of allowed image properties. Attempted: {}, Maximum: {}",
                image.properties.len(),
                self.settings.max_properties
            );
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field("properties"));
        }
        for (name, value) in &image.properties {
            if name.is_empty() {
                return Err(Error::invalid("property-name", "A property needs a name."));
            }
            let named = |error: Error| error.with_resource("property", shown(name));
            checked_text("property-name", name, MAX_NAME).map_err(named)?;
            checked_text("properties", value, MAX_VALUE).map_err(named)?;
        }
        let name = image.name.as_deref();
        let pairs = image.properties.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        bounds::bytes(
            "properties",
            bounds::IMAGE,
            name.into_iter().chain(image.tags.iter().map(String::as_str)).chain(pairs),
        )?;
        if image.properties.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::invalid("properties", "A property stands twice."));
        }
        Ok(())
    }

    /// Whether the project may have so many more images and bytes; its row is held until the commit.
    pub(super) async fn check_quota(&self, tx: &mut Conn, owner: &str, images: u64, bytes: u64) -> Result<()> {
        quotas::lock_project(tx, owner).await?;
        let (count, used) = store::usage(tx, owner).await?;
        let most = u64::from(self.settings.max_images_per_project);
        if images > 0 && count + images > most {
            let message = format!("The project has {count} images; it may have {most}.");
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field("images"));
        }
        let most = u64::from(self.settings.max_gib_per_project);
        if bytes > 0 && used.saturating_add(bytes) > most * super::GIB {
            let message = format!("The project's images would take more than {most} GiB.");
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field("image-gib"));
        }
        Ok(())
    }
}

/// A property's name as an error repeats it: whole where it may be one.
fn shown(name: &str) -> String {
    let end = name.char_indices().nth(MAX_NAME).map_or(name.len(), |(end, _)| end);
    if end == name.len() { name.to_owned() } else { format!("{}...", &name[..end]) }
}

/// Known formats that go together: a kernel or ramdisk is wrapped in itself.
fn check_formats(image: &Image) -> Result<()> {
    let (disk, container) = (image.disk_format.as_deref(), image.container_format.as_deref());
    if let Some(disk) = disk.filter(|disk| !DISK_FORMATS.contains(disk)) {
        let message = format!("Invalid disk format '{disk}'. Supported are: {}.", DISK_FORMATS.join(", "));
        return Err(Error::invalid("disk-format", message));
    }
    if let Some(container) = container.filter(|container| !CONTAINER_FORMATS.contains(container)) {
        let message =
            format!("Invalid container format '{container}'. Supported are: {}.", CONTAINER_FORMATS.join(", "));
        return Err(Error::invalid("container-format", message));
    }
    let bound = |format: &str| matches!(format, "aki" | "ari" | "ami");
    if let (Some(disk), Some(container)) = (disk, container)
        && disk != container
        && (bound(disk) || bound(container))
    {
        let message = "Invalid mix of disk and container formats. When setting a disk or container format to one of 'aki', \
                       'ari', or 'ami', the container and disk formats must match.";
        return Err(Error::invalid("container-format", message));
    }
    Ok(())
}
