//! Images that the cloud fetches by itself, under faults: hosts that fail in every way, a death at every write, deletions. Afterwards
//! the image has all of its bytes or none, and no file, room or charge is left over.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use skyloom_faults::PATIENCE;
use skyloom_jobs::State;
use skyloom_jobs::faults::{Crash, Moment, Settings};
use skyloom_model::ErrorCode;
use skyloom_runtime::api::ImagesApi;
use skyloom_runtime::bindings::cloud::images::ImageCreate;
use skyloom_store::testing::TestDatabase;
use skyloom_store::{args, metering, testing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::Fixture;

/// More writes than an import makes.
const MOST_WRITES: u32 = 8;
const BYTES: &[u8] = &[7; 200_000];

/// What a host does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Whole,
    /// A passing failure.
    Busy,
    Missing,
    /// Goes away in the middle.
    Short,
    /// Says nothing after the first half.
    Hangs,
    /// Says that there is more than any image may have.
    Huge,
}

impl Manner {
    async fn answer(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = [0; 4096];
        if stream.read(&mut head).await? == 0 {
            return Ok(());
        }
        let (status, length) = match self {
            Self::Busy => (503, 0),
            Self::Missing => (404, 0),
            Self::Huge => (200, 1 << 50),
            Self::Whole | Self::Short | Self::Hangs => (200, BYTES.len()),
        };
        let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        match self {
            Self::Whole => stream.write_all(BYTES).await?,
            Self::Short | Self::Hangs => stream.write_all(&BYTES[..BYTES.len() / 2]).await?,
            _ => {}
        }
        if self == Self::Hangs {
            // Until who asked goes away.
            while stream.read(&mut [0; 16]).await? > 0 {}
        }
        Ok(())
    }
}

/// The first request meets `first`, the others `then`.
struct Host {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    async fn start(first: Manner, then: Manner) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (socket.local_addr().unwrap(), Arc::new(AtomicU32::new(0)));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let manner = if seen.fetch_add(1, Ordering::SeqCst) == 0 { first } else { then };
                tokio::spawn(manner.answer(stream));
            }
        });
        Self { address, asked, task }
    }

    async fn was_asked(&self) {
        let end = Instant::now() + PATIENCE;
        while self.asked.load(Ordering::SeqCst) == 0 {
            assert!(Instant::now() < end, "the host was never asked");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

struct Case {
    fixture: Arc<Fixture>,
    host: Host,
}

impl Case {
    async fn new(database: TestDatabase, first: Manner, then: Manner) -> Self {
        let host = Host::start(first, then).await;
        let fixture = Fixture::changed(database, |settings| {
            let import = &mut settings.images.import;
            (import.hosts, import.plain) = (vec![host.address.to_string()], true);
        })
        .await;
        Self { fixture, host }
    }

    /// Gives image and operation.
    async fn ask(&self, format: &str) -> (String, String) {
        let (cloud, context) = (&self.fixture.cloud, self.fixture.context());
        let create = ImageCreate {
            id: None,
            name: None,
            visibility: None,
            protected: false,
            hidden: false,
            disk_format: Some(format.to_owned()),
            container_format: Some("bare".to_owned()),
            min_disk_gib: 0,
            min_memory_mib: 0,
            tags: Vec::new(),
            properties: Vec::new(),
            owner: None,
            attributes: "{}".to_owned(),
        };
        let image = cloud.create_image(&context, create).await.expect("created").id;
        let url = format!("http://{}/disk", self.host.address);
        let operation = cloud.import_image(&context, image.clone(), url).await.expect("accepted");
        (image, operation)
    }

    /// Waits until there is a file that isn't whole.
    async fn bytes_come(&self) {
        let end = Instant::now() + PATIENCE;
        let begun = || {
            let files = std::fs::read_dir(self.fixture.cloud.images.blob_folder()).unwrap().map(|file| file.unwrap());
            files.into_iter().any(|file| {
                file.path().extension().is_some_and(|end| end == "part") && file.metadata().is_ok_and(|it| it.len() > 0)
            })
        };
        while !begun() {
            assert!(Instant::now() < end, "no byte came");
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// The image's state, and that nothing is left beside it.
    async fn settled(&self, image: &str, case: &str) -> String {
        let fixture = &self.fixture;
        // As the next start does.
        fixture.cloud.images.sweep_images(true).await.expect("swept");
        let mut conn = fixture.db.read().await.unwrap();
        let text = |row: skyloom_store::Row<'_>| row.text(0);
        let known = conn.all("SELECT blob FROM images WHERE blob IS NOT NULL", &[], text).await.unwrap();
        let folder = std::fs::read_dir(fixture.cloud.images.blob_folder()).unwrap();
        let files: BTreeSet<String> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, known.into_iter().collect(), "{case}: files and images");
        let found = conn.optional("SELECT state FROM images WHERE id = $1", args![image], text).await.unwrap();
        let state = found.unwrap_or_else(|| "gone".to_owned());
        let spans = metering::open_of(&mut conn, image).await.unwrap();
        assert_eq!(spans.len(), usize::from(state == "active"), "{case}: {state}, and is charged for {spans:?}");
        drop(conn);
        let held = fixture.count("SELECT coalesce(max(reserved), 0) FROM images WHERE id = $1", image).await;
        let locks = fixture.count("SELECT count(*) FROM operation_locks WHERE resource_id = $1", image).await;
        assert_eq!((held, locks), (0, 0), "{case}: {state}, and room or a lock is left");
        if state == "active" {
            let size = fixture.count("SELECT coalesce(max(size), 0) FROM images WHERE id = $1", image).await;
            assert_eq!(size, BYTES.len() as i64, "{case}");
        }
        state
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_fails_in_every_way() {
    for (first, then, wanted, code) in [
        (Manner::Whole, Manner::Whole, "active", None),
        (Manner::Busy, Manner::Whole, "active", None),
        (Manner::Short, Manner::Whole, "active", None),
        (Manner::Busy, Manner::Busy, "queued", Some(ErrorCode::Unavailable)),
        (Manner::Short, Manner::Short, "queued", Some(ErrorCode::Unavailable)),
        (Manner::Missing, Manner::Whole, "queued", Some(ErrorCode::Invalid)),
        (Manner::Huge, Manner::Whole, "queued", Some(ErrorCode::TooLarge)),
    ] {
        for database in testing::databases().await {
            let case = format!("{} {first:?} then {then:?}", database.name);
            let about = Case::new(database, first, then).await;
            about.fixture.start(Settings::default()).await;
            let (image, operation) = about.ask("raw").await;
            let ended = about.fixture.rest(&operation).await.expect("no crash is armed");
            assert_eq!(ended.error.map(|error| error.code), code, "{case}");
            assert_eq!(about.settled(&image, &case).await, wanted, "{case}");
            about.fixture.kill();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_lie_are_not_kept() {
    let about = Case::new(testing::sqlite().await, Manner::Whole, Manner::Whole).await;
    about.fixture.start(Settings::default()).await;
    let (image, operation) = about.ask("qcow2").await;
    let ended = about.fixture.rest(&operation).await.expect("no crash is armed");
    assert_eq!((ended.state, ended.error.map(|error| error.code)), (State::Failed, Some(ErrorCode::BadContent)));
    assert_eq!(about.settled(&image, "bytes that lie").await, "queued");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_at_every_write_of_an_import() {
    for (then, wanted) in [(Manner::Whole, "active"), (Manner::Missing, "queued")] {
        let mut last = false;
        for write in 0..MOST_WRITES {
            let mut came = false;
            for moment in [Moment::Before, Moment::After] {
                let case = format!("{then:?}, dies {moment:?} write {write}");
                let about = Case::new(testing::sqlite().await, then, then).await;
                let crash = vec![Crash { operation: "image.import".to_owned(), write, moment }];
                let engine = about.fixture.start(Settings { crash, ..Settings::default() }).await;
                let (image, operation) = about.ask("raw").await;
                let rested = about.fixture.rest(&operation).await;
                let crashed = engine.faults().is_dead();
                about.fixture.kill();
                if crashed || rested.is_none() {
                    about.fixture.start(Settings::default()).await;
                    about.fixture.rest(&operation).await.expect("no crash is armed any more");
                    about.fixture.kill();
                }
                assert_eq!(about.settled(&image, &case).await, wanted, "{case}");
                came |= crashed;
            }
            if !came {
                last = true;
                break;
            }
        }
        assert!(last, "an import makes more than {MOST_WRITES} writes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_over_the_bytes_leaves_the_import_to_the_next_one() {
    for database in testing::databases().await {
        let name = database.name;
        let about = Case::new(database, Manner::Hangs, Manner::Whole).await;
        about.fixture.start(Settings::default()).await;
        let (image, operation) = about.ask("raw").await;
        about.host.was_asked().await;
        about.fixture.kill();
        about.fixture.start(Settings::default()).await;
        let ended = about.fixture.rest(&operation).await.expect("no crash is armed");
        assert_eq!(ended.state, State::Succeeded, "{name}: {:?}", ended.error);
        assert_eq!(about.settled(&image, name).await, "active", "{name}");
        about.fixture.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_deleted_ends_its_import() {
    for database in testing::databases().await {
        let name = database.name;
        let about = Case::new(database, Manner::Hangs, Manner::Whole).await;
        about.fixture.start(Settings::default()).await;
        let (image, operation) = about.ask("raw").await;
        about.bytes_come().await;
        about.fixture.cloud.delete_image(&about.fixture.context(), image.clone()).await.expect("deleted");
        let ended = about.fixture.rest(&operation).await.expect("no crash is armed");
        assert_eq!((ended.state, ended.error), (State::Cancelled, None), "{name}");
        about.fixture.kill();
        assert_eq!(about.settled(&image, name).await, "gone", "{name}");
    }
}
