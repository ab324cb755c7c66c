//! The images of a fresh cloud.

use std::path::{Path, PathBuf};

use skyloom_model::{Error, Result, Timestamp, new_id};
use skyloom_store::Conn;
use skyloom_store::images::{self as store, Content, Image, ImageState, Visibility};
use tokio::io::AsyncReadExt;

use super::rules::open_span;
use super::{BlobInfo, Images, format};

/// The `[seed.images]` table.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Seed {
    /// Name of the project in the domain `default` that owns them.
    pub project: String,
    /// Public images from files. None: one of 1 MiB named `tiny`, whose boot sector says so and halts.
    pub images: Vec<SeedImage>,
}

/// A public image of a fresh cloud.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SeedImage {
    pub name: String,
    pub file: PathBuf,
    /// `raw`, `qcow2` or `iso`.
    pub disk_format: String,
    #[serde(default)]
    pub min_disk_gib: u32,
    #[serde(default)]
    pub min_memory_mib: u32,
}

impl Default for Seed {
    fn default() -> Self {
        Self { project: "admin".to_owned(), images: Vec::new() }
    }
}

/// Size of the image that is made where no file is given, in bytes.
const TINY: usize = 1 << 20;
/// Says its text on the screen and the first serial line, then halts. Loaded at 0x7c00 in 16-bit mode.
const BOOT: [u8; 28] = [
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, // mov ds, ax
    0x31, 0xdb, // xor bx, bx
    0xfc, // cld
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xbe, 0x1c, 0x7c, // mov si, text
    0xac, // next: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x07, // jz end
    0xb4, 0x0e, // mov ah, 0x0e
    0xcd, 0x10, // int 0x10
    0xee, // out dx, al
    0xeb, 0xf4, // jmp next
    0xf4, // end: hlt
    0xeb, 0xfd, // jmp end
];
const TEXT: &[u8] = b"Skyloom: the tiny image is running.\r\n\0";

/// The same bytes each time.
fn tiny() -> Vec<u8> {
    let mut bytes = vec![0; TINY];
    bytes[..BOOT.len()].copy_from_slice(&BOOT);
    bytes[BOOT.len()..BOOT.len() + TEXT.len()].copy_from_slice(TEXT);
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes
}

impl Images {
    /// `owners`: where the owning project comes from.
    pub(crate) async fn seed(&self, tx: &mut Conn, seed: &Seed, owners: &crate::identity::Seed) -> Result<()> {
        let owner = owners.project(tx, "seed.images", &seed.project).await?;
        if seed.images.is_empty() {
            let mut writer = self.blobs.create().await?;
            writer.write(&tiny()).await?;
            let info = writer.finish().await?;
            let image = SeedImage {
                name: "tiny".to_owned(),
                file: PathBuf::new(),
                disk_format: "raw".to_owned(),
                min_disk_gib: 0,
                min_memory_mib: 0,
            };
            return self.seed_image(tx, &owner, &image, info).await;
        }
        for image in &seed.images {
            let info = self.copy(&image.file).await?;
            self.seed_image(tx, &owner, image, info).await?;
        }
        Ok(())
    }

    async fn copy(&self, path: &Path) -> Result<BlobInfo> {
        let failed = |error: std::io::Error| {
            Error::invalid("seed.images.file", format!("[seed.images] {}: {error}", path.display()))
        };
        let file = skyloom_runtime::files::open_to_read(path).map_err(failed)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut writer = self.blobs.create().await?;
        let mut piece = vec![0; 1 << 20];
        loop {
            let length = file.read(&mut piece).await.map_err(failed)?;
            if length == 0 {
                return writer.finish().await;
            }
            writer.write(&piece[..length]).await?;
        }
    }

    async fn seed_image(&self, tx: &mut Conn, owner: &str, seed: &SeedImage, info: BlobInfo) -> Result<()> {
        self.blobs.claim(&info.name);
        let path = self.blobs.path(&info.name).ok_or_else(|| Error::internal("a blob without a path"))?;
        let virtual_size = format::check(&path, &seed.disk_format).map_err(|error| {
            Error::invalid("seed.images", format!("[seed.images] {}: {}", seed.name, error.message))
        })?;
        let now = Timestamp::now();
        let image = Image {
            id: new_id(),
            owner: owner.to_owned(),
            name: Some(seed.name.clone()),
            state: ImageState::Queued,
            visibility: Visibility::Public,
            protected: false,
            hidden: false,
            disk_format: Some(seed.disk_format.clone()),
            container_format: Some("bare".to_owned()),
            min_disk_gib: seed.min_disk_gib,
            min_memory_mib: seed.min_memory_mib,
            content: None,
            created_at: now,
            updated_at: now,
            attributes: crate::attributes::NONE.to_owned(),
            tags: Vec::new(),
            properties: Vec::new(),
        };
        store::insert_image(tx, &image).await?;
        store::begin_upload(tx, &image.id, ImageState::Saving, "seed", now).await?;
        let size = info.size;
        let content = Content { blob: info.name, size, virtual_size, md5: info.md5, sha512: info.sha512 };
        store::finish_upload(tx, &image.id, "seed", &content, now).await?;
        open_span(tx, &image, size, now).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tiny_image_is_a_boot_sector_whose_jumps_land() {
        let bytes = tiny();
        assert_eq!((bytes.len(), &bytes[510..512]), (TINY, &[0x55, 0xaa][..]));
        // The text stands where `mov si` points, and the jumps meet the instructions they name.
        assert_eq!(usize::from(u16::from_le_bytes([bytes[11], bytes[12]])), 0x7c00 + BOOT.len());
        assert_eq!(bytes[0x12 + usize::from(bytes[0x11])], 0xf4);
        assert_eq!(bytes[0x19 - usize::from(bytes[0x18].wrapping_neg())], 0xac);
        assert!(bytes[BOOT.len()..].starts_with(b"Skyloom"));
        assert_eq!(bytes, tiny());
    }
}
