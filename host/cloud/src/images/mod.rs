//! Images: who sees them, what may change, and their bytes.

mod api;
mod blobs;
mod content;
mod convert;
mod format;
mod import;
mod qcow2;
mod rules;
mod seed;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_import;
mod transfer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skyloom_model::{Error, Result};
use skyloom_runtime::context::CallContext;

use crate::base::{Base, stands_on_base};

pub use blobs::{BlobInfo, BlobWriter, Blobs};
pub use import::{Import, ImportSaga};
pub use seed::{Seed, SeedImage};
pub use transfer::UploadWriter;

/// The `[images]` table of the deployment file.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where the bytes are kept; the hypervisors must be able to read there (see `shared`). Relative to the state folder.
    pub folder: PathBuf,
    /// Whether every user of this machine may read there who knows a file's name: for hypervisors whose processes run as a user
    /// of their own. The folder then lies outside the state folder, which others cannot enter.
    pub shared: bool,
    /// The largest upload, in GiB.
    pub max_image_gib: u32,
    /// Images that a project may have.
    pub max_images_per_project: u32,
    /// What a project's images may take together, in GiB.
    pub max_gib_per_project: u32,
    /// Properties that an image may have.
    pub max_properties: usize,
    /// Tags that an image may have.
    pub max_tags: usize,
    /// With several processes on one database: an upload that is older than this belongs to a process that died.
    pub upload_deadline_hours: u32,
    /// Images that the cloud fetches by itself; off where it names no hosts.
    pub import: Import,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("images"),
            shared: false,
            max_image_gib: 512,
            max_images_per_project: 1000,
            max_gib_per_project: 4096,
            max_properties: 128,
            max_tags: 128,
            upload_deadline_hours: 24,
            import: Import::default(),
        }
    }
}

pub(crate) const GIB: u64 = 1 << 30;

/// The area's own state; everything durable stands in the store and in the folder.
pub struct Images {
    base: Base,
    settings: Settings,
    blobs: Blobs,
    aborting: transfer::Aborting,
    importer: Option<import::Importer>,
}

stands_on_base!(Images);

impl Images {
    pub(crate) fn new(base: Base, settings: Settings) -> Result<Self> {
        if settings.max_image_gib == 0 || settings.upload_deadline_hours == 0 {
            let message = "[images] max-image-gib and upload-deadline-hours must be at least 1";
            return Err(Error::invalid("images.max-image-gib", message));
        }
        let blobs = Blobs::new(settings.folder.clone(), settings.shared);
        let importer = import::Importer::new(&settings.import)?;
        Ok(Self { base, blobs, settings, aborting: transfer::Aborting::default(), importer })
    }
}

impl Images {
    /// Where the bytes of images are, for drivers.
    pub fn blob_folder(&self) -> &Path {
        self.blobs.folder()
    }

    /// A file for the bytes of the upload that this request began.
    pub async fn create_blob(self: &Arc<Self>, context: &Arc<CallContext>) -> Result<UploadWriter> {
        Ok(UploadWriter::new(self.clone(), context.request_id.clone(), self.blobs.create().await?))
    }

    /// Removes bytes that are no image's: those of a disk on its way to another node.
    pub(crate) fn remove_blob(&self, name: &str) {
        self.blobs.remove(name);
    }

    /// The bytes that a plugin named in its answer, with their length.
    pub async fn open_blob(&self, name: &str) -> Result<(tokio::fs::File, u64)> {
        self.blobs.open(name).await
    }
}
