//! Images whose bytes the cloud fetches by itself, from hosts that the deployment names.
//!
//! One operation of one step. The bytes come in the background and belong to the run: whoever lets go of it, or dies, leaves no
//! more than a file that no image names, and the next run begins anew. The image gets its bytes in the write that ends the step.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use skyloom_egress::{Egress, Request, Rules};
use skyloom_jobs::{Event, NewOperation, Outcome, Retry, Run, Saga, Step};
use skyloom_model::{Action, Error, ErrorCode, Result, Timestamp};
use skyloom_runtime::context::CallContext;
use skyloom_runtime::files;
use skyloom_store::images::{self as store, Image, ImageState};
use skyloom_store::{Conn, operations};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::blobs::BlobInfo;
use super::rules::owned;
use super::transfer::UploadWriter;
use super::{GIB, Images};

const KIND: &str = "image.import";
/// Redirections that are followed.
const REDIRECTS: u32 = 5;

/// The `[images.import]` table of the deployment file: from where images may be fetched.
#[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Import {
    /// `images.example.org`, `*.example.org:8443`; `*`: any. Without a port the scheme's own, 443 or 80. None: nothing is
    /// imported.
    pub hosts: Vec<String>,
    /// Whether `http://` is taken too, which everybody on the way reads and may change.
    pub plain: bool,
    /// Networks and addresses beyond the public ones that a host's name may stand for: `10.0.0.0/8`.
    pub addresses: Vec<String>,
    /// PEM file of the authorities that vouch for the hosts; left out: those of this machine.
    pub ca: Option<PathBuf>,
    /// Imports that this process fetches at the same time; the next one waits.
    pub at_once: u32,
    /// A host that says nothing for so long is given up.
    pub silence_ms: u32,
    /// An import that takes longer, waiting included, is given up.
    pub deadline_minutes: u32,
}

impl Default for Import {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            plain: false,
            addresses: Vec::new(),
            ca: None,
            at_once: 4,
            silence_ms: 30_000,
            deadline_minutes: 360,
        }
    }
}

/// What is imported with; none where nothing is.
pub(super) struct Importer {
    egress: Egress,
    turns: Arc<Semaphore>,
    plain: bool,
}

impl Importer {
    pub fn new(settings: &Import) -> Result<Option<Self>> {
        let wrong = |why: String| Error::invalid("images.import", format!("[images.import] {why}"));
        for (name, value, most) in [
            ("at-once", settings.at_once, 1024),
            ("silence-ms", settings.silence_ms, 600_000),
            ("deadline-minutes", settings.deadline_minutes, 100_000),
        ] {
            if !(1..=most).contains(&value) {
                return Err(wrong(format!("{name} must be from 1 to {most}")));
            }
        }
        if settings.hosts.is_empty() {
            return Ok(None);
        }
        let rules = Rules {
            plain: settings.plain,
            addresses: settings.addresses.clone(),
            ca: settings.ca.clone(),
            redirects: REDIRECTS,
            rate: 0,
            at_once: settings.at_once,
            timeout_ms: settings.silence_ms,
            ..Rules::to(settings.hosts.clone())
        };
        let egress = Egress::new(&rules, &files::read).map_err(wrong)?;
        let turns = Arc::new(Semaphore::new(settings.at_once as usize));
        Ok(Some(Self { egress, turns, plain: settings.plain }))
    }
}

#[derive(serde::Deserialize)]
struct Params {
    url: String,
}

impl Images {
    fn importer(&self) -> Result<&Importer> {
        let off = || Error::new(ErrorCode::NotSupported, "This cloud fetches no images.");
        self.importer.as_ref().ok_or_else(off)
    }

    pub(super) fn images_import_schemes(&self, context: &CallContext) -> Result<Vec<String>> {
        self.permit(context.caller.as_deref(), Action::ImagesRead)?;
        let schemes: &[&str] = match &self.importer {
            None => &[],
            Some(importer) if importer.plain => &["https", "http"],
            Some(_) => &["https"],
        };
        Ok(schemes.iter().map(ToString::to_string).collect())
    }

    pub(super) async fn images_import(&self, context: &Arc<CallContext>, id: &str, url: &str) -> Result<String> {
        let asking = self.image_asking(context, Action::ImagesImport)?;
        self.importer()?.egress.check(url)?;
        let now = Timestamp::now();
        let mut tx = self.db().begin().await?;
        let image = owned(&mut tx, id, &asking).await?;
        let operation = NewOperation {
            action: Action::ImagesImport.as_str().to_owned(),
            project_id: image.owner.clone(),
            user_id: asking.caller.user.id.clone(),
            request_id: context.request_id.to_string(),
            personality: context.personality.to_string(),
            params: json!({ "url": url }),
            now,
            ..NewOperation::new(KIND, "image", id)
        };
        self.begin(&mut tx, &image, ImageState::Importing, &operation.id).await?;
        skyloom_jobs::lock_resource(&mut tx, "image", id, &operation.id).await?;
        let operation = skyloom_jobs::enqueue(&mut tx, operation).await?;
        tx.commit().await?;
        self.wake();
        Ok(operation)
    }

    /// An image that goes takes its import with it. True: the workers should hear of it.
    pub(super) async fn end_import(tx: &mut Conn, image: &Image, now: Timestamp) -> Result<bool> {
        if image.state != ImageState::Importing {
            return Ok(false);
        }
        match operations::holder(tx, "image", &image.id).await? {
            Some(operation) => operations::cancel(tx, &operation, now).await,
            None => Ok(false),
        }
    }

    /// Brings the bytes into a file of their own and looks at them.
    async fn fetched(self: Arc<Self>, operation: String, image: Image, url: String) -> Result<Fetched> {
        let importer = self.importer()?;
        let _turn = importer.turns.acquire().await.map_err(Error::internal)?;
        let mut opened = importer.egress.open(Request::get(&url)).await?;
        answered(opened.status.as_u16())?;
        let most = u64::from(self.settings.max_image_gib) * GIB;
        let too_large = || {
            let message = format!("The image is larger than {} GiB.", self.settings.max_image_gib);
            Error::new(ErrorCode::TooLarge, message)
        };
        if opened.length().is_some_and(|length| length > most) {
            return Err(too_large());
        }
        let mut writer = UploadWriter::new(self.clone(), operation.into(), self.blobs.create().await?);
        while let Some(piece) = opened.next().await? {
            if writer.size() + piece.len() as u64 > most {
                return Err(too_large());
            }
            writer.write(&piece).await?;
        }
        let info = writer.finish().await?;
        // Nobody else does.
        self.blobs.claim(&info.name);
        let checked = self.checked(&image, &info).await;
        let virtual_size = checked.inspect_err(|_| self.blobs.remove(&info.name))?;
        Ok(Fetched { info, virtual_size })
    }
}

/// Whether the answer has the image.
fn answered(status: u16) -> Result<()> {
    let message = format!("The host answered {status} and not with an image.");
    match status {
        200 => Ok(()),
        408 | 429 | 500.. => Err(Error::new(ErrorCode::Unavailable, message)),
        _ => Err(Error::invalid("url", message)),
    }
}

struct Fetched {
    info: BlobInfo,
    virtual_size: u64,
}

/// The fetching of one run.
struct Fetch {
    task: Mutex<Option<AbortOnDropHandle<Result<Fetched>>>>,
    done: OnceLock<Fetched>,
}

impl Fetch {
    async fn look(&self) -> Result<Outcome> {
        let mut task = self.task.lock().await;
        if self.done.get().is_some() {
            return Ok(Outcome::Done);
        }
        match task.take_if(|task| task.is_finished()) {
            Some(ended) => {
                let fetched = ended.await.map_err(Error::internal)??;
                let _ = self.done.set(fetched);
                Ok(Outcome::Done)
            }
            None if task.is_some() => Ok(Outcome::Pending("bytes".to_owned())),
            None => Err(Error::internal("an import failed before")),
        }
    }

    /// Nothing is written any more afterwards.
    async fn stop(&self) {
        if let Some(task) = self.task.lock().await.take() {
            task.abort();
            // What it had done already is in nobody's hands.
            if let Ok(Ok(fetched)) = task.await {
                let _ = self.done.set(fetched);
            }
        }
    }
}

/// `image.import`.
pub struct ImportSaga {
    images: Arc<Images>,
    steps: [Step; 1],
}

impl ImportSaga {
    pub(crate) fn new(images: Arc<Images>) -> Self {
        let deadline = Duration::from_secs(u64::from(images.settings.import.deadline_minutes) * 60);
        Self { steps: [Step { name: "fetch", retry: Retry::Passing, deadline, no_return: false }], images }
    }

    async fn fetch(&self, run: &Run) -> Result<Arc<Fetch>> {
        run.keep(async {
            let (params, id): (Params, _) = (run.params()?, &run.operation.resource_id);
            let mut conn = self.images.db().read().await?;
            let image = store::get_image(&mut conn, id).await?.ok_or_else(|| Error::not_found("image", id))?;
            drop(conn);
            let fetched = self.images.clone().fetched(run.operation.id.clone(), image, params.url);
            let task = AbortOnDropHandle::new(tokio::spawn(fetched));
            Ok(Fetch { task: Mutex::new(Some(task)), done: OnceLock::new() })
        })
        .await
    }

    async fn give(&self, tx: &mut Conn, run: &Run, now: Timestamp) -> Result<()> {
        let (fetch, id) = (run.kept::<Fetch>(), &run.operation.resource_id);
        let fetched = fetch.as_ref().and_then(|fetch| fetch.done.get());
        let fetched = fetched.ok_or_else(|| Error::internal("an import is done without bytes"))?;
        let image = store::get_image(tx, id).await?.ok_or_else(|| Error::not_found("image", id))?;
        self.images.give(tx, &image, &run.operation.id, &fetched.info, fetched.virtual_size, now).await
    }
}

#[async_trait]
impl Saga for ImportSaga {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn steps(&self) -> &[Step] {
        &self.steps
    }

    async fn act(&self, run: &Run, _step: usize, _token: Option<&str>) -> Result<Outcome> {
        self.fetch(run).await?.look().await
    }

    async fn undo(&self, run: &Run, _step: usize, _token: Option<&str>) -> Result<Outcome> {
        if let Some(fetch) = run.kept::<Fetch>() {
            fetch.stop().await;
            if let Some(fetched) = fetch.done.get() {
                self.images.blobs.remove(&fetched.info.name);
            }
        }
        Ok(Outcome::Done)
    }

    async fn hold(&self, tx: &mut Conn, resources: &[String]) -> Result<()> {
        store::hold_images(tx, resources).await
    }

    async fn record(&self, tx: &mut Conn, run: &Run, event: Event<'_>, now: Timestamp) -> Result<()> {
        match event {
            Event::Done(_) => self.give(tx, run, now).await,
            // One that was deleted meanwhile is no longer there.
            Event::Failed(_) | Event::Cancelled => store::abort_uploads(tx, &run.operation.id, now).await.map(drop),
            _ => Ok(()),
        }
    }
}
