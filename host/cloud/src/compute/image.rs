//! Images as servers begin from them.

use skyloom_model::{Caller, Error, ErrorCode, Result};
use skyloom_store::Conn;
use skyloom_store::images::{self as store, ImageState, Visibility};

use crate::Cloud;

/// Bytes in a GiB.
pub(super) const GIB: u64 = 1 << 30;

/// Image property that names the kind of operating system.
const OS_TYPE: &str = "os_type";

/// What a server's creation must know of its image.
pub(super) struct BootImage {
    pub(super) id: String,
    pub(super) min_disk_gib: u32,
    pub(super) min_memory_mib: u32,
    /// Of the disk that the image holds.
    pub(super) virtual_bytes: u64,
    /// Its own property says that it holds Windows.
    pub(super) windows: bool,
}

impl BootImage {
    /// The smallest disk that holds it.
    pub(super) fn least_gib(&self) -> u32 {
        let own = u32::try_from(self.virtual_bytes.div_ceil(GIB)).unwrap_or(u32::MAX);
        own.max(self.min_disk_gib).max(1)
    }
}

impl Cloud {
    /// An active image that the caller may see, and that is a disk. `not-found` and `invalid` name it.
    pub(super) async fn boot_image(&self, conn: &mut Conn, caller: &Caller, id: &str) -> Result<BootImage> {
        let image = store::get_image(conn, id).await?;
        let image = image
            .filter(|image| {
                caller.admin
                    || matches!(image.visibility, Visibility::Public | Visibility::Community)
                    || caller.project_id() == Some(&image.owner)
            })
            .ok_or_else(|| Error::not_found("image", id))?;
        if image.state != ImageState::Active {
            return Err(not_active(id));
        }
        let content = image.content.ok_or_else(|| not_active(id))?;
        if let Some(format @ ("aki" | "ari" | "iso")) = image.disk_format.as_deref() {
            let message = format!("Image {id} has the disk format {format}, which no system disk can begin as.");
            return Err(Error::invalid("image-id", message));
        }
        Ok(BootImage {
            id: image.id,
            min_disk_gib: image.min_disk_gib,
            min_memory_mib: image.min_memory_mib,
            virtual_bytes: content.virtual_size.max(content.size),
            windows: image
                .properties
                .iter()
                .any(|(name, value)| name == OS_TYPE && value.eq_ignore_ascii_case("windows")),
        })
    }
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
