//! Images as servers begin from them.

use skyloom_model::{Caller, Error, ErrorCode, Result};
use skyloom_store::Conn;
use skyloom_store::boot_images::BootImages;
use skyloom_store::images::{self as store, Content, Image, ImageState};
use skyloom_store::volumes::Volume;

use super::Compute;

/// Bytes in a GiB.
pub(super) const GIB: u64 = 1 << 30;

/// Image property that names the kind of operating system.
const OS_TYPE: &str = "os_type";
/// Image properties that name the kernel and the initial ramdisk: ids of images.
const KERNEL: &str = "kernel_id";
const RAMDISK: &str = "ramdisk_id";

/// What a server's creation must know of its image.
pub(super) struct BootImage {
    pub(super) id: String,
    pub(super) min_disk_gib: u32,
    pub(super) min_memory_mib: u32,
    /// Of the disk that the image holds.
    pub(super) virtual_bytes: u64,
    /// Its own property says that it holds Windows.
    pub(super) windows: bool,
    /// What it names to boot with, by whatever name; see [`Compute::boots_with`].
    named: BootImages,
}

impl BootImage {
    fn of(image: &Image, content: &Content) -> Self {
        Self {
            id: image.id.clone(),
            min_disk_gib: image.min_disk_gib,
            min_memory_mib: image.min_memory_mib,
            virtual_bytes: content.virtual_size.max(content.size),
            windows: property(image, OS_TYPE).is_some_and(|value| value.eq_ignore_ascii_case("windows")),
            named: BootImages { kernel: property(image, KERNEL), ramdisk: property(image, RAMDISK) },
        }
    }

    /// The smallest disk that holds it.
    pub(super) fn least_gib(&self) -> u32 {
        let own = u32::try_from(self.virtual_bytes.div_ceil(GIB)).unwrap_or(u32::MAX);
        own.max(self.min_disk_gib).max(1)
    }
}

impl Compute {
    /// An active image that the caller may see, and that is a disk. `not-found` and `invalid` name it.
    pub(super) async fn boot_image(&self, conn: &mut Conn, caller: &Caller, id: &str) -> Result<BootImage> {
        let (image, content) = usable(conn, caller, id).await?;
        if let Some(format @ ("aki" | "ari" | "iso")) = image.disk_format.as_deref() {
            let message = format!("Image {id} has the disk format {format}, which no system disk can begin as.");
            return Err(Error::invalid("image-id", message));
        }
        Ok(BootImage::of(&image, &content))
    }

    /// What a volume began as, whoever may see that now: who has the volume has its bytes. None: it began as no image.
    pub(super) async fn image_of(&self, conn: &mut Conn, volume: &Volume) -> Result<Option<BootImage>> {
        if volume.image_id.is_empty() {
            return Ok(None);
        }
        let mut image = store::get_image(conn, &volume.image_id).await?;
        let content = image.as_mut().and_then(|image| image.content.take());
        Ok(image.zip(content).map(|(image, content)| BootImage::of(&image, &content)))
    }

    /// Kernel and ramdisk that an image names. Its owner wrote whatever ids: the server gets their bytes only if its creator may
    /// use them too. `invalid` on the image.
    pub(super) async fn boots_with(&self, conn: &mut Conn, caller: &Caller, image: &BootImage) -> Result<BootImages> {
        for id in image.named.ids() {
            usable(conn, caller, id).await.map_err(|error| match error.code {
                ErrorCode::NotFound | ErrorCode::Invalid => {
                    let message =
                        format!("Image {} boots with image {id}, which isn't there or isn't active.", image.id);
                    Error::invalid("image-id", message).with_resource("image", &image.id)
                }
                _ => error,
            })?;
        }
        Ok(image.named.clone())
    }
}

/// An active image that the caller may see, with what is known of its bytes.
async fn usable(conn: &mut Conn, caller: &Caller, id: &str) -> Result<(Image, Content)> {
    let seen = store::seen_image(conn, id, &caller.reach()).await?;
    let (mut image, _) = seen.ok_or_else(|| Error::not_found("image", id))?;
    if image.state != ImageState::Active {
        return Err(not_active(id));
    }
    let content = image.content.take().ok_or_else(|| not_active(id))?;
    Ok((image, content))
}

/// None where it is empty, too.
fn property(image: &Image, name: &str) -> Option<String> {
    let found = image.properties.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

fn not_active(id: &str) -> Error {
    Error::new(ErrorCode::Invalid, format!("Image {id} is not active."))
        .with_resource("image", id)
        .with_field("image-id")
}

/// Looks once more within the transaction that makes a disk of it, and keeps it until the commit.
pub(super) async fn still_active(tx: &mut Conn, id: &str) -> Result<()> {
    match store::keep_image(tx, id).await? {
        Some(ImageState::Active) => Ok(()),
        _ => Err(not_active(id)),
    }
}
