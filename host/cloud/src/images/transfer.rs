//! The bytes of images: from a client, to a client, and what a crash left of them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::bindings::cloud::images as wit;
use skyloom_runtime::context::CallContext;
use skyloom_store::images::{self as store, Content, Image, ImageState};
use skyloom_store::{Conn, quotas, resizes};

use super::Images;
use super::blobs::{BlobInfo, BlobWriter};
use super::rules::{open_span, owned, seen};
use super::{GIB, format};
use crate::base::Base;
use crate::events::{self, Owner};

/// Pauses between the attempts to write down that an upload came to nothing, where the database didn't take it.
const ABORT_FIRST: Duration = Duration::from_millis(500);
const ABORT_MAX: Duration = Duration::from_secs(10);
/// Bytes of the project's share that an upload takes at a time.
const ROOM: u64 = 64 << 20;

/// The bytes of an upload on their way into a file. Room is taken from the project's share before they are written, so uploads
/// beside one another stay within it together.
pub struct UploadWriter {
    images: Arc<Images>,
    /// The request or operation that uploads.
    upload: Arc<str>,
    blob: BlobWriter,
    /// Bytes.
    room: u64,
}

impl UploadWriter {
    pub(super) fn new(images: Arc<Images>, upload: Arc<str>, blob: BlobWriter) -> Self {
        Self { images, upload, blob, room: 0 }
    }

    /// Bytes written so far.
    pub fn size(&self) -> u64 {
        self.blob.size()
    }

    /// `quota-exceeded` where the project has no room for them, `not-found` when the upload is no longer open.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.blob.size() + bytes.len() as u64;
        if end > self.room {
            self.room = self.images.make_room(&self.upload, end).await?;
        }
        self.blob.write(bytes).await
    }

    pub async fn finish(self) -> Result<BlobInfo> {
        self.blob.finish().await
    }
}

/// Requests whose upload came to nothing, which the database doesn't know yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Aborting(Arc<Mutex<HashSet<String>>>);

impl Aborting {
    fn requests(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False: it is there already.
    fn insert(&self, request_id: &str) -> bool {
        self.requests().insert(request_id.to_owned())
    }

    fn remove(&self, request_id: &str) {
        self.requests().remove(request_id);
    }
}

async fn abort(base: &Base, request_id: &str) -> Result<()> {
    let mut tx = base.db().begin().await?;
    store::abort_uploads(&mut tx, request_id, Timestamp::now()).await?;
    tx.commit().await
}

impl Images {
    pub(super) async fn images_begin_upload(&self, context: &Arc<CallContext>, id: &str) -> Result<u64> {
        let asking = self.image_asking(context, Action::ImagesUpload)?;
        let mut tx = self.db().begin().await?;
        let image = owned(&mut tx, id, &asking).await?;
        let left = self.begin(&mut tx, &image, ImageState::Saving, &context.request_id).await?;
        tx.commit().await?;
        Ok((u64::from(self.settings.max_image_gib) * GIB).min(left))
    }

    /// Bytes are coming, by an upload or an import; gives how many the project has room for.
    pub(super) async fn begin(&self, tx: &mut Conn, image: &Image, state: ImageState, upload: &str) -> Result<u64> {
        if image.disk_format.is_none() || image.container_format.is_none() {
            let message = "Properties disk_format, container_format must be set prior to saving data.";
            return Err(Error::invalid("disk-format", message));
        }
        self.check_quota(tx, &image.owner, 0, 1).await?;
        let (_, used) = store::usage(tx, &image.owner).await?;
        if !store::begin_upload(tx, &image.id, state, upload, Timestamp::now()).await? {
            let (old, new) = (image.state.as_str(), state.as_str());
            let message = format!("Image status transition from {old} to {new} is not allowed");
            return Err(Error::new(ErrorCode::WrongState, message).with_resource("image", &image.id));
        }
        Ok((u64::from(self.settings.max_gib_per_project) * GIB).saturating_sub(used))
    }

    /// Reserves at least so many bytes for what the request or operation is uploading; gives how many it has now.
    async fn make_room(&self, request: &str, least: u64) -> Result<u64> {
        let mut tx = self.db().begin().await?;
        let gone = || Error::new(ErrorCode::NotFound, "The image is no longer uploaded.");
        let (owner, reserved) = store::uploading(&mut tx, request).await?.ok_or_else(gone)?;
        quotas::lock_project(&mut tx, &owner).await?;
        let (_, used) = store::usage(&mut tx, &owner).await?;
        let most = u64::from(self.settings.max_gib_per_project) * GIB;
        let room = least.next_multiple_of(ROOM).min(most.saturating_sub(used.saturating_sub(reserved)));
        if room < least {
            let most = self.settings.max_gib_per_project;
            let message = format!("The project's images would take more than {most} GiB.");
            return Err(Error::new(ErrorCode::QuotaExceeded, message).with_field("image-gib"));
        }
        if !store::reserve_upload(&mut tx, request, room).await? {
            return Err(gone());
        }
        tx.commit().await?;
        Ok(room)
    }

    pub(super) async fn images_finish_upload(&self, context: &Arc<CallContext>, id: &str, blob: String) -> Result<()> {
        let asking = self.image_asking(context, Action::ImagesUpload)?;
        let info = self.blobs.claim(&blob);
        let info = info.ok_or_else(|| Error::invalid("blob", "No bytes are stored under this name."))?;
        let result = async {
            let mut conn = self.db().read().await?;
            let image = owned(&mut conn, id, &asking).await?;
            drop(conn);
            let virtual_size = self.checked(&image, &info).await?;
            self.activate(context, &image, &info, virtual_size).await
        }
        .await;
        if result.is_err() {
            self.blobs.remove(&info.name);
            self.abort_upload(context).await;
        }
        result
    }

    /// Whether the bytes are what the image says; gives the size of the disk that they hold.
    pub(super) async fn checked(&self, image: &Image, info: &BlobInfo) -> Result<u64> {
        let path = self.blobs.path(&info.name).ok_or_else(|| Error::internal("a blob without a path"))?;
        let declared = image.disk_format.clone().unwrap_or_default();
        tokio::task::spawn_blocking(move || format::check(&path, &declared)).await.map_err(Error::internal)?
    }

    async fn activate(&self, context: &CallContext, image: &Image, info: &BlobInfo, virtual_size: u64) -> Result<()> {
        let mut tx = self.db().begin().await?;
        self.give(&mut tx, image, &context.request_id, info, virtual_size, Timestamp::now()).await?;
        events::changed(&mut tx, context, Action::ImagesUpload, ("image", &image.id), Owner::Project(&image.owner))
            .await?;
        tx.commit().await
    }

    /// The image has these bytes from now on.
    pub(super) async fn give(
        &self,
        tx: &mut Conn,
        image: &Image,
        upload: &str,
        info: &BlobInfo,
        virtual_size: u64,
        now: Timestamp,
    ) -> Result<()> {
        let content = Content {
            blob: info.name.clone(),
            size: info.size,
            virtual_size,
            md5: info.md5.clone(),
            sha512: info.sha512.clone(),
        };
        quotas::lock_project(tx, &image.owner).await?;
        store::reserve_upload(tx, upload, 0).await?;
        self.check_quota(tx, &image.owner, 0, info.size).await?;
        if !store::finish_upload(tx, &image.id, upload, &content, now).await? {
            let message = format!("The upload of image {} is no longer open.", image.id);
            return Err(Error::new(ErrorCode::WrongState, message).with_resource("image", &image.id));
        }
        open_span(tx, image, info.size, now).await
    }

    /// Whatever this request was uploading is queued again; none is no error. For the gateway, whenever an accepted upload
    /// came to nothing.
    pub async fn abort_upload(&self, context: &Arc<CallContext>) {
        let Err(error) = abort(&self.base, &context.request_id).await else { return };
        tracing::warn!(
            request_id = &*context.request_id,
            error = error.for_log(),
            "an image stays in `saving` until the database takes writes again"
        );
        let request_id = context.request_id.to_string();
        if !self.aborting.insert(&request_id) {
            return;
        }
        let (base, aborting) = (self.base.clone(), self.aborting.clone());
        tokio::spawn(async move {
            let mut pause = ABORT_FIRST;
            loop {
                tokio::time::sleep(pause).await;
                if abort(&base, &request_id).await.is_ok() {
                    break;
                }
                pause = (pause * 2).min(ABORT_MAX);
            }
            aborting.remove(&request_id);
        });
    }

    pub(super) async fn images_open_download(
        &self,
        context: &Arc<CallContext>,
        id: &str,
    ) -> Result<Option<wit::Download>> {
        let asking = self.image_asking(context, Action::ImagesDownload)?;
        let mut conn = self.db().read().await?;
        let image = seen(&mut conn, id, &asking).await?;
        if image.state == ImageState::Deactivated && !asking.caller.admin {
            let message = "The requested image has been deactivated. Image data download is forbidden.";
            return Err(Error::new(ErrorCode::Forbidden, message).with_resource("image", id));
        }
        Ok(image.content.map(|content| wit::Download { blob: content.blob, size: content.size, checksum: content.md5 }))
    }

    /// Clears what a crash left: uploads that nobody continues, files that no image names. At start, before requests come.
    /// `sole_owner`: no other process works on this database and folder; else only what is old enough counts as left.
    pub async fn sweep_images(&self, sole_owner: bool) -> Result<()> {
        let images = self;
        let age = if sole_owner {
            Duration::ZERO
        } else {
            Duration::from_secs(u64::from(images.settings.upload_deadline_hours) * 3600)
        };
        let now = Timestamp::now();
        let mut tx = self.db().begin().await?;
        // The clock may have been set back since the upload began.
        let before = if sole_owner { Timestamp(i64::MAX) } else { now.minus(age) };
        let queued = store::abort_stale_uploads(&mut tx, before, now).await?;
        let mut known: HashSet<String> = store::blobs(&mut tx).await?.into_iter().collect();
        known.extend(resizes::blobs(&mut tx).await?);
        tx.commit().await?;
        let blobs = images.blobs.clone();
        let removed =
            tokio::task::spawn_blocking(move || blobs.sweep(&known, age)).await.map_err(Error::internal)??;
        if queued + removed > 0 {
            tracing::info!(uploads = queued, files = removed, "unfinished uploads of images were cleared");
        }
        Ok(())
    }
}
