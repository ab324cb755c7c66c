//! Volumes and snapshots under faults: every failure of every call, and a death at every write.

use skyloom_jobs::faults::{Crash, DriverFault, Failure, Moment, Settings};
use skyloom_runtime::api::VolumesApi;
use skyloom_runtime::bindings::cloud::volumes as wit;
use skyloom_store::testing;

use crate::fixture::{Fixture, new_volume};

const FAILURES: [Failure; 4] = [Failure::FailBefore, Failure::FailAfter, Failure::LoseReply, Failure::Repeat];
/// More writes than any of these operations makes.
const MOST_WRITES: u32 = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Create,
    Copy,
    Grow,
    Snapshot,
    FromSnapshot,
    Delete,
    DeleteSnapshot,
}

impl Work {
    const ALL: [Work; 7] =
        [Self::Create, Self::Copy, Self::Grow, Self::Snapshot, Self::FromSnapshot, Self::Delete, Self::DeleteSnapshot];

    /// Kind of its operation, the step that calls the platform, and the states that it can come to.
    fn told(self) -> (&'static str, &'static str, [&'static str; 2]) {
        match self {
            Self::Create | Self::Copy | Self::FromSnapshot => ("volume.create", "make", ["available", "error"]),
            Self::Grow => ("volume.grow", "grow", ["available", "available"]),
            Self::Snapshot => ("volume.snapshot", "make", ["available", "error"]),
            Self::Delete => ("volume.delete", "remove", ["gone", "gone"]),
            Self::DeleteSnapshot => ("snapshot.delete", "remove", ["gone", "gone"]),
        }
    }
}

/// A volume, and what is done to it or from it.
struct Case<'f> {
    fixture: &'f Fixture,
    volume: String,
    /// What the operation is about, if not the volume.
    other: Option<String>,
}

impl Case<'_> {
    async fn begin(fixture: &Fixture) -> Case<'_> {
        fixture.start(Settings::default()).await;
        let volume = fixture.cloud.create_volume(&fixture.context(), new_volume("origin")).await.expect("accepted").id;
        fixture.volume_rests(&volume).await;
        Case { fixture, volume, other: None }
    }

    async fn snapshot(&self) -> String {
        let create = wit::SnapshotCreate {
            volume_id: self.volume.clone(),
            name: "snapshot".to_owned(),
            description: String::new(),
            metadata: Vec::new(),
            attributes: "{}".to_owned(),
        };
        self.fixture.cloud.create_snapshot(&self.fixture.context(), create).await.expect("accepted").id
    }

    /// What has to be there before.
    async fn prepare(&mut self, work: Work) {
        if matches!(work, Work::FromSnapshot | Work::DeleteSnapshot) {
            self.other = Some(self.snapshot().await);
            self.fixture.volume_rests(&self.volume).await;
        }
        self.fixture.kill();
    }

    /// Gives the id of what is made, changed or removed.
    async fn ask(&self, work: Work) -> String {
        let (cloud, context) = (&self.fixture.cloud, self.fixture.context());
        let from = |source: &str, id: &str| wit::VolumeCreate {
            source: source.to_owned(),
            source_id: Some(id.to_owned()),
            size_gib: None,
            ..new_volume("copy")
        };
        let other = self.other.clone().unwrap_or_default();
        match work {
            Work::Create => cloud.create_volume(&context, new_volume("new")).await.expect("accepted").id,
            Work::Copy => cloud.create_volume(&context, from("volume", &self.volume)).await.expect("accepted").id,
            Work::FromSnapshot => cloud.create_volume(&context, from("snapshot", &other)).await.expect("accepted").id,
            Work::Grow => cloud.grow_volume(&context, self.volume.clone(), 3).await.expect("accepted").id,
            Work::Snapshot => self.snapshot().await,
            Work::Delete => {
                cloud.delete_volume(&context, self.volume.clone()).await.expect("accepted");
                self.volume.clone()
            }
            Work::DeleteSnapshot => {
                cloud.delete_snapshot(&context, other.clone()).await.expect("accepted");
                other
            }
        }
    }

    async fn state(&self, id: &str) -> String {
        let sql = "SELECT state FROM volumes WHERE id = $1 UNION SELECT state FROM volume_snapshots WHERE id = $1";
        let args = skyloom_store::args![id];
        let found = self.fixture.db.read().await.unwrap().optional(sql, args, |row| row.text(0)).await.unwrap();
        found.unwrap_or_else(|| "gone".to_owned())
    }

    /// Removes all, and sees that nothing is left.
    async fn clear(&self, case: &str) {
        let (fixture, context) = (self.fixture, self.fixture.context());
        fixture.kill();
        fixture.start(Settings::default()).await;
        for (table, snapshots) in [("volume_snapshots", true), ("volumes", false)] {
            let sql = format!("SELECT id FROM {table}");
            let ids: Vec<String> = fixture.db.read().await.unwrap().all(sql, &[], |row| row.text(0)).await.unwrap();
            for id in ids {
                let removed = if snapshots {
                    fixture.cloud.delete_snapshot(&context, id.clone()).await
                } else {
                    fixture.cloud.delete_volume(&context, id.clone()).await
                };
                removed.unwrap_or_else(|error| panic!("{case}: {id}: {error:?}"));
                fixture.volume_rests(&id).await;
            }
        }
        fixture.kill();
        fixture.check_everything().await;
    }
}

/// One operation under the faults; a stuck one is retried without them. Gives whether the engine died, and the state in the end.
async fn under(fixture: &Fixture, work: Work, faults: Settings, case: &str) -> (bool, String) {
    let again = Settings { driver: faults.driver.clone(), ..Settings::default() };
    let mut about = Case::begin(fixture).await;
    about.prepare(work).await;
    fixture.start(faults).await;
    let id = about.ask(work).await;
    let sql = "SELECT id FROM operations ORDER BY created_at DESC, id DESC LIMIT 1";
    let operation: String = fixture.db.read().await.unwrap().one(sql, &[], |row| row.text(0)).await.unwrap();
    let mut ended = fixture.rest(&operation).await;
    let crashed = fixture.engine.lock().unwrap().as_ref().is_some_and(|engine| engine.faults().is_dead());
    if crashed || ended.is_none() {
        fixture.kill();
        fixture.start(again).await;
        ended = fixture.rest(&operation).await;
    }
    if !ended.expect("no crash is armed any more").state.ended() {
        fixture.kill();
        let engine = fixture.start(Settings::default()).await;
        engine.retry(&operation).await.expect("a stuck operation can be retried");
        fixture.rest(&operation).await;
    }
    let state = about.state(&id).await;
    let size = fixture.count("SELECT coalesce(max(size_gib), 0) FROM volumes WHERE id = $1", &about.volume).await;
    let held = "SELECT coalesce(max(disk_gib), 0) FROM placements WHERE holder_id = $1";
    let held = fixture.count(held, &about.volume).await;
    assert_eq!(size, held, "{case}: the place is as large as the volume");
    about.clear(case).await;
    (crashed, state)
}

fn fault(work: Work, failure: Failure, times: u32) -> DriverFault {
    let (kind, step, _) = work.told();
    DriverFault { operation: Some(kind.to_owned()), step: step.to_owned(), failure, times }
}

async fn all_failures(fixture: &Fixture) {
    for work in Work::ALL {
        let (_, _, [well, ill]) = work.told();
        for failure in FAILURES {
            for (times, state) in [(1, well), (0, if failure == Failure::Repeat { well } else { ill })] {
                let case = format!("{} {work:?} {failure:?} {times}", fixture.name);
                let faults = Settings { driver: vec![fault(work, failure, times)], ..Settings::default() };
                assert_eq!(under(fixture, work, faults, &case).await.1, state, "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_about_a_disk_fails_in_every_way() {
    for database in testing::databases().await {
        let fixture = Fixture::new(database).await;
        all_failures(&fixture).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_at_every_write_about_a_disk() {
    let fixture = Fixture::new(testing::sqlite().await).await;
    for work in Work::ALL {
        let (kind, _, [well, _]) = work.told();
        let mut last = false;
        for write in 0..MOST_WRITES {
            let mut came = false;
            for moment in [Moment::Before, Moment::After] {
                let case = format!("{work:?} dies {moment:?} write {write}");
                let crash = vec![Crash { operation: kind.to_owned(), write, moment }];
                let (crashed, state) = under(&fixture, work, Settings { crash, ..Settings::default() }, &case).await;
                assert_eq!(state, well, "{case}");
                came |= crashed;
            }
            if !came {
                last = true;
                break;
            }
        }
        assert!(last, "{work:?} makes more than {MOST_WRITES} writes");
    }
}
