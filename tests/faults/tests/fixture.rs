//! A cloud over a fresh database and the test's hypervisor, whose engine can die and be started again.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use skyloom_cloud::compute::NodeSettings;
use skyloom_cloud::{Cloud, Seed, Settings};
use skyloom_faults::PATIENCE;
use skyloom_jobs::faults::{self, Faults};
use skyloom_jobs::{Engine, Operation, State};
use skyloom_model::{Caller, Error, Named, Placed, Reach, Scope, VmState};
use skyloom_runtime::api::{ComputeApi, VolumesApi};
use skyloom_runtime::bindings::cloud::{compute as wit, volumes};
use skyloom_runtime::collections::Collections;
use skyloom_runtime::context::{CallContext, SecretVault, Streams};
use skyloom_runtime::driver::Driver;
use skyloom_store::testing::TestDatabase;
use skyloom_store::{Db, args, operations, servers};

use crate::kinds::Kind;
use crate::nics;
use crate::rebuilds;
use crate::world::World;

pub struct Fixture {
    pub name: &'static str,
    pub db: Db,
    /// The core's, for another one over the same database.
    pub settings: Settings,
    pub cloud: Cloud,
    pub world: Arc<World>,
    /// That of `node-2`, to which a resize goes because `node-1` is too small for it.
    pub other: Option<Arc<World>>,
    pub engine: Mutex<Option<Engine>>,
    caller: Arc<Caller>,
    pub image_id: String,
    _database: TestDatabase,
    _folder: tempfile::TempDir,
}

fn named(id: &str) -> Named {
    Named { id: id.to_owned(), name: id.to_owned() }
}

/// What a deployment file says of a node whose platform is the world.
pub fn node(name: &str) -> NodeSettings {
    let settings = serde_json::json!({
        "name": name, "driver": "world", "zone": "zone-1", "platform-networks": { "*": "default" },
    });
    serde_json::from_value(settings).unwrap()
}

/// The engine's times in these tests. A lost reply costs one `call_timeout`; it is long enough for a busy machine.
pub fn times() -> skyloom_jobs::Settings {
    skyloom_jobs::Settings { call_timeout: Duration::from_millis(300), ..skyloom_jobs::Settings::quick() }
}

impl Fixture {
    pub async fn new(database: TestDatabase) -> Arc<Self> {
        Self::with(database, None, |_| ()).await
    }

    /// With other settings.
    pub async fn changed(database: TestDatabase, change: impl FnOnce(&mut Settings)) -> Arc<Self> {
        Self::with(database, None, change).await
    }

    /// With two nodes; the larger flavor fits on the second one only.
    pub async fn with_two_nodes(database: TestDatabase) -> Arc<Self> {
        Self::with(database, Some(Arc::default()), |_| ()).await
    }

    async fn with(database: TestDatabase, other: Option<Arc<World>>, change: impl FnOnce(&mut Settings)) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.images.folder = folder.path().join("images");
        for quota in ["servers", "vcpus", "memory-mib", "volumes", "volume-gib", "ports"] {
            settings.compute.quotas.insert(quota.to_owned(), -1);
        }
        settings.compute.times.soft_stop = Duration::from_millis(40);
        settings.compute.attach.answer = Duration::from_millis(300);
        settings.compute.attach.retry_first = Duration::from_millis(2);
        settings.compute.attach.retry_max = Duration::from_millis(20);
        change(&mut settings);
        let cloud = Cloud::new(database.db.clone(), settings.clone()).unwrap();
        cloud.seed(&Seed::default()).await.unwrap();
        let world = Arc::new(World::default());
        cloud.compute.attach_node(node("node-1"), world.clone() as Arc<dyn Driver>).await.unwrap();
        world.keep_blobs_in(&settings.images.folder);
        if let Some(other) = &other {
            other.keep_blobs_in(&settings.images.folder);
            cloud.compute.attach_node(node("node-2"), other.clone() as Arc<dyn Driver>).await.unwrap();
            let mut tx = database.db.begin().await.unwrap();
            tx.execute("UPDATE nodes SET memory_mib = 1000 WHERE name = 'node-1'", &[]).await.unwrap();
            tx.commit().await.unwrap();
        }
        let mut conn = database.db.read().await.unwrap();
        let project = "SELECT id FROM projects WHERE name = 'admin'";
        let project = conn.one(project, &[], |row| row.text(0)).await.unwrap();
        let image_id = conn.one("SELECT id FROM images", &[], |row| row.text(0)).await.unwrap();
        drop(conn);
        let placed = |id: &str| Placed { id: id.to_owned(), name: id.to_owned(), domain: named("default") };
        let caller = Caller {
            user: placed("tester"),
            scope: Scope::Project(placed(&project)),
            roles: vec![named("admin")],
            admin: true,
        };
        let fixture = Arc::new(Self {
            name: database.name,
            db: database.db.clone(),
            settings,
            cloud,
            world,
            other,
            engine: Mutex::default(),
            caller: Arc::new(caller),
            image_id,
            _database: database,
            _folder: folder,
        });
        let weak = Arc::downgrade(&fixture);
        fixture.cloud.set_waker(move || {
            if let Some(engine) = weak.upgrade().and_then(|fixture| fixture.engine.lock().unwrap().clone()) {
                engine.wake();
            }
        });
        fixture
    }

    /// Starts an engine with these faults; the one before it is dead already.
    pub async fn start(&self, faults: faults::Settings) -> Engine {
        let engine = self.run(times(), faults).await;
        *self.engine.lock().unwrap() = Some(engine.clone());
        engine
    }

    /// An engine beside the fixture's own one, as another process has it.
    pub async fn run(&self, times: skyloom_jobs::Settings, faults: faults::Settings) -> Engine {
        run(&self.cloud, times, faults).await
    }

    /// The engine dies as a killed process does: nothing is given back.
    pub fn kill(&self) {
        if let Some(engine) = self.engine.lock().unwrap().take() {
            engine.abort();
        }
    }

    pub fn context(&self) -> Arc<CallContext> {
        Arc::new(CallContext {
            caller: Some(self.caller.clone()),
            request_id: "req-test".into(),
            personality: "test".into(),
            collections: Collections::default(),
            secrets: SecretVault::new(),
            client: None,
            streams: Streams::default(),
            retry_after: std::sync::OnceLock::new(),
        })
    }

    pub async fn create(&self, on_failure: wit::OnFailure) -> (String, String) {
        let disks = vec![disk(Some(&self.image_id), None), disk(None, Some(2))];
        self.create_with(disks, on_failure).await
    }

    /// A creation of this kind: with disks of its own, or from a volume that is there.
    pub async fn begin(&self, kind: Kind, on_failure: wit::OnFailure) -> (String, String) {
        if kind == Kind::Create {
            return self.create(on_failure).await;
        }
        let image = volumes::VolumeCreate {
            source: "image".to_owned(),
            source_id: Some(self.image_id.clone()),
            ..new_volume("spare")
        };
        let spare = self.cloud.create_volume(&self.context(), image).await.expect("accepted").id;
        self.volume_rests(&spare).await;
        let given = wit::DiskRequest {
            source: "volume".to_owned(),
            source_id: Some(spare),
            size_gib: None,
            ..disk(None, None)
        };
        let snapshot = volumes::SnapshotCreate {
            volume_id: given.source_id.clone().unwrap_or_default(),
            name: "spare".to_owned(),
            description: String::new(),
            metadata: Vec::new(),
            attributes: "{}".to_owned(),
        };
        let snapshot = self.cloud.create_snapshot(&self.context(), snapshot).await.expect("accepted").id;
        self.volume_rests(&snapshot).await;
        let copied = wit::DiskRequest { source: "snapshot".to_owned(), source_id: Some(snapshot), ..given.clone() };
        self.create_with(vec![given, copied, disk(None, Some(2))], on_failure).await
    }

    async fn create_with(&self, disks: Vec<wit::DiskRequest>, on_failure: wit::OnFailure) -> (String, String) {
        let create = wit::ServerCreate {
            names: vec!["guest".to_owned()],
            min_count: 1,
            description: None,
            flavor_id: "1".to_owned(),
            key_name: None,
            zone: None,
            node: None,
            group_id: None,
            hostname: None,
            networks: wit::NetworkChoice::Automatic,
            security_groups: Vec::new(),
            disks,
            public_address: None,
            user_data: None,
            config_drive: false,
            admin_password: wit::PasswordChoice::Generate,
            metadata: Vec::new(),
            tags: Vec::new(),
            access_ipv4: String::new(),
            access_ipv6: String::new(),
            on_failure,
            dry_run: false,
            as_batch: false,
            attributes: "{}".to_owned(),
        };
        let made = self.cloud.create_servers(&self.context(), create).await.expect("the creation is accepted");
        (made.server_ids[0].clone(), made.operation_id)
    }

    /// Asks for an operation of this kind on the server; gives its id.
    pub async fn ask(&self, kind: Kind, server_id: &str) -> String {
        let (ids, context) = (vec![server_id.to_owned()], self.context());
        let (verb, hard) = match kind {
            Kind::Create | Kind::CreateFrom => unreachable!("a creation has no server yet"),
            Kind::Delete | Kind::DeleteResized => {
                let options = wit::DeleteOptions { delete_volumes: false, delete_public_addresses: None };
                return self.cloud.delete_servers(&context, ids, options, false, true).await.expect("accepted");
            }
            Kind::Start => ("start", None),
            Kind::Stop { hard } => ("stop", Some(hard)),
            Kind::Reboot { hard } => ("reboot", Some(hard)),
            Kind::Resize { .. } | Kind::ResizeForGood => ("resize", None),
            Kind::Pause => ("pause", None),
            Kind::Unpause => ("unpause", None),
            Kind::Suspend => ("suspend", None),
            Kind::Resume => ("resume", None),
            Kind::Confirm => ("confirm-resize", None),
            Kind::Revert { .. } => ("revert-resize", None),
            Kind::Rebuild { .. } => return rebuilds::ask(self, server_id).await,
            Kind::Attach { .. } => ("attach-volume", None),
            Kind::Detach { .. } => ("detach-volume", None),
            Kind::AttachNics { .. } => return nics::attach(self, server_id).await,
            Kind::DetachNics { .. } => return nics::detach(self, server_id).await,
            Kind::Recycle | Kind::RecycleResized => ("recycle", None),
            Kind::Restore => ("restore", None),
            Kind::Purge => ("purge", None),
        };
        let mut options: Vec<_> = hard.map(|hard| ("hard".to_owned(), hard.to_string())).into_iter().collect();
        if verb == "resize" {
            options.push(("flavor-id".to_owned(), LARGER.to_owned()));
            options.push(("confirmed".to_owned(), (kind == Kind::ResizeForGood).to_string()));
        }
        if verb.ends_with("-volume") {
            let spare = self.spare().await.expect("a volume beside the server's own");
            options.push(("volume-id".to_owned(), spare));
        }
        if verb == "attach-volume" {
            options.push(("delete-on-termination".to_owned(), "true".to_owned()));
        }
        self.cloud.act_on_servers(&context, ids, verb.to_owned(), options, false, true).await.expect("accepted")
    }

    pub async fn operation(&self, id: &str) -> Operation {
        operations::get(&mut self.db.read().await.unwrap(), id).await.unwrap().expect("the operation")
    }

    /// Waits until the operation has ended or is stuck, or the engine is dead (none).
    pub async fn rest(&self, id: &str) -> Option<Operation> {
        let engine = self.engine.lock().unwrap().clone();
        let end = Instant::now() + PATIENCE;
        loop {
            let operation = self.operation(id).await;
            if operation.state.ended() || operation.state == State::Stuck {
                return Some(operation);
            }
            if engine.as_ref().is_some_and(|engine| engine.faults().is_dead()) {
                return None;
            }
            assert!(Instant::now() < end, "{}: {} never came to rest: {operation:?}", self.name, operation.kind);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub fn worlds(&self) -> impl Iterator<Item = &Arc<World>> {
        [&self.world].into_iter().chain(&self.other)
    }

    /// The step stays pending wherever it is done, until it is let go.
    pub fn hold(&self, step: &str) {
        self.worlds().for_each(|world| world.hold(step));
    }

    pub fn let_go(&self) {
        self.worlds().for_each(|world| world.let_go());
    }

    /// Waits until a world was called for this step.
    pub async fn called(&self, operation: &str, step: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.worlds().any(|world| world.called(operation, step)) {
            assert!(Instant::now() < end, "{}: step {step} was never called", self.name);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub async fn server(&self, id: &str) -> Option<servers::Server> {
        let found =
            servers::get(&mut self.db.read().await.unwrap(), id, &Reach::All, servers::Parts::ALL).await.unwrap();
        found.map(|full| full.server)
    }

    /// A server in the state from which this kind of operation begins, made by an engine without faults.
    pub async fn prepare(&self, kind: Kind) -> String {
        self.start(faults::Settings::default()).await;
        let (id, operation) = self.create(wit::OnFailure::Keep).await;
        assert_eq!(self.rest(&operation).await.unwrap().state, State::Succeeded);
        let off = Kind::Stop { hard: true };
        let (before, state): (&[Kind], _) = match kind {
            Kind::Start
            | Kind::Resize { running: false }
            | Kind::Rebuild { running: false }
            | Kind::Attach { running: false }
            | Kind::AttachNics { running: false } => (&[off], VmState::Stopped),
            Kind::DetachNics { running: true } => (&[Kind::AttachNics { running: true }], VmState::Active),
            Kind::DetachNics { running: false } => (&[off, Kind::AttachNics { running: false }], VmState::Stopped),
            Kind::Detach { running: true } => (&[Kind::Attach { running: true }], VmState::Active),
            Kind::Detach { running: false } => (&[off, Kind::Attach { running: false }], VmState::Stopped),
            Kind::Confirm | Kind::Revert { running: true } | Kind::DeleteResized | Kind::RecycleResized => {
                (&[Kind::Resize { running: true }], VmState::Resized)
            }
            Kind::Revert { running: false } => (&[off, Kind::Resize { running: false }], VmState::Resized),
            Kind::Unpause => (&[Kind::Pause], VmState::Paused),
            Kind::Resume => (&[Kind::Suspend], VmState::Suspended),
            Kind::Restore | Kind::Purge => (&[Kind::Recycle], VmState::SoftDeleted),
            _ => (&[], VmState::Active),
        };
        if matches!(kind, Kind::Attach { .. } | Kind::Detach { .. }) {
            self.make_spare().await;
        }
        if matches!(kind, Kind::AttachNics { .. } | Kind::DetachNics { .. }) {
            nics::make_spare(self).await;
        }
        for &kind in before {
            let operation = self.ask(kind, &id).await;
            assert_eq!(self.rest(&operation).await.unwrap().state, State::Succeeded);
        }
        assert_eq!(self.server(&id).await.unwrap().vm_state, state);
        self.kill();
        id
    }

    /// A volume that is given to a server and taken away again.
    pub async fn spare(&self) -> Option<String> {
        let sql = "SELECT id FROM volumes WHERE name = 'spare'";
        self.db.read().await.unwrap().optional(sql, &[], |row| row.text(0)).await.unwrap()
    }

    async fn make_spare(&self) {
        let volume = self.cloud.create_volume(&self.context(), new_volume("spare")).await.expect("accepted");
        self.volume_rests(&volume.id).await;
    }

    /// Waits until no operation holds the volume.
    pub async fn volume_rests(&self, id: &str) {
        let end = Instant::now() + PATIENCE;
        while self.count("SELECT count(*) FROM operation_locks WHERE resource_id = $1", id).await > 0 {
            assert!(Instant::now() < end, "{}: volume {id} never came to rest", self.name);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What no server took with it.
    pub async fn remove_spare(&self) {
        nics::remove_spare(self).await;
        let snapshots = "SELECT id FROM volume_snapshots";
        let snapshots = self.db.read().await.unwrap().all(snapshots, &[], |row| row.text(0)).await.unwrap();
        for id in snapshots {
            self.cloud.delete_snapshot(&self.context(), id.clone()).await.expect("nobody copies it");
            self.volume_rests(&id).await;
        }
        if let Some(id) = self.spare().await {
            self.cloud.delete_volume(&self.context(), id.clone()).await.expect("nobody has it");
            self.volume_rests(&id).await;
        }
    }

    /// A sum over the records.
    pub async fn count(&self, sql: &str, id: &str) -> i64 {
        self.db.read().await.unwrap().one(sql, args![id], |row| row.int(0)).await.unwrap()
    }
}

/// An engine that does a core's operations, on its nodes.
pub async fn run(cloud: &Cloud, times: skyloom_jobs::Settings, faults: faults::Settings) -> Engine {
    let faults = Arc::new(Faults::in_process(faults));
    let engine = Engine::new(cloud.db().clone(), times, faults.clone());
    let named = cloud.clone();
    engine.set_nodes(move || named.compute.node_names());
    engine.start(skyloom_cloud::sagas(cloud, faults)).await.unwrap();
    engine
}

/// A seeded flavor with more memory than the one that servers are made with, and as large a disk.
const LARGER: &str = "2";

/// Empty, of one GiB.
pub fn new_volume(name: &str) -> volumes::VolumeCreate {
    volumes::VolumeCreate {
        name: name.to_owned(),
        description: String::new(),
        size_gib: Some(1),
        source: "empty".to_owned(),
        source_id: None,
        volume_type: None,
        zone: None,
        metadata: Vec::new(),
        attributes: "{}".to_owned(),
    }
}

/// For messages.
pub fn told(error: Option<&Error>) -> String {
    error.map_or_else(|| "no error".to_owned(), Error::for_log)
}

/// Of an image, or empty; it goes with its server.
fn disk(image: Option<&str>, size_gib: Option<u32>) -> wit::DiskRequest {
    wit::DiskRequest {
        source: if image.is_some() { "image" } else { "empty" }.to_owned(),
        source_id: image.map(ToOwned::to_owned),
        size_gib,
        volume_type: None,
        delete_on_termination: true,
        attributes: "{}".to_owned(),
    }
}
