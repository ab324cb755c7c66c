//! A seeded core with a node whose platform is a fake, for tests of the rules.

use std::sync::Arc;

use async_trait::async_trait;
use skyloom_model::{Caller, Error, ErrorCode, Named, Placed, Result, Scope, Timestamp};
use skyloom_runtime::api::{ImagesApi as _, VolumesApi as _};
use skyloom_runtime::bindings::cloud::{compute as wit, images, volumes};
use skyloom_runtime::bindings::types::common::PageRequest;
use skyloom_runtime::collections::Collections;
use skyloom_runtime::context::{CallContext, SecretVault, Streams};
use skyloom_runtime::driver::{Driver, NodeCapacity, Progress, ReadCall, Reading, StepCall, StepKey};
use skyloom_store::identity::{Project, projects};
use skyloom_store::images::{ImageFilter, list_images};
use skyloom_store::listing::Page;
use skyloom_store::placements;
use skyloom_store::testing::{TestDatabase, databases};

use super::NodeSettings;
use crate::{Cloud, Seed, Settings};

/// A platform with room and a console, on which no step is ever done.
pub(crate) struct FakeDriver;

fn unasked<T>() -> Result<T> {
    Err(Error::new(ErrorCode::NotSupported, "the fake platform does nothing"))
}

#[async_trait]
impl Driver for FakeDriver {
    async fn step(&self, _: &StepKey, _: StepCall<'_>) -> Result<Progress> {
        unasked()
    }

    async fn read(&self, call: ReadCall<'_>) -> Result<Reading> {
        match call {
            ReadCall::Capacity => Ok(Reading::Capacity(NodeCapacity {
                vcpus: 8,
                memory_mib: 65_536,
                disk_gib: 1000,
                hypervisor: "FAKE".to_owned(),
                hypervisor_version: 1,
            })),
            ReadCall::Servers { .. } => Ok(Reading::Domains(Vec::new())),
            ReadCall::Disks { .. } => Ok(Reading::Ids(Vec::new())),
            ReadCall::ConsoleOutput { server_id, max_bytes } => {
                let log = format!("first\nsecond {server_id}\n");
                Ok(Reading::Text(log.chars().take(max_bytes as usize).collect()))
            }
            ReadCall::Inspect { .. } => unasked(),
        }
    }

    fn digest(&self) -> &'static str {
        "sha256:fake"
    }

    fn hotplugs(&self) -> bool {
        true
    }
}

/// A seeded core on one database.
pub(crate) struct World {
    pub(crate) cloud: Cloud,
    pub(crate) database: TestDatabase,
    /// Of the seeded image.
    pub(crate) image: String,
    _folder: tempfile::TempDir,
}

/// The projects that are there.
const PROJECTS: [&str; 7] = ["p", "q", "r", "o", "op", "x", "admin"];

async fn insert_project(database: &TestDatabase, id: &str) {
    let project = Project {
        id: id.to_owned(),
        domain_id: "default".to_owned(),
        name: format!("project {id}"),
        description: Some(String::new()),
        enabled: true,
        parent_id: None,
        tags: Vec::new(),
        extra: skyloom_store::identity::Extra::new(),
    };
    let mut tx = database.db.begin().await.expect("begin");
    projects::insert(&mut tx, &project, Timestamp::now()).await.expect("project");
    tx.commit().await.expect("commit");
}

/// A compute node of the deployment.
async fn attach(cloud: &Cloud, name: &str, zone: &str) {
    let node = NodeSettings {
        name: name.to_owned(),
        driver: "fake".to_owned(),
        zone: zone.to_owned(),
        vcpus: None,
        memory_mib: None,
        disk_gib: None,
        platform_networks: std::collections::BTreeMap::new(),
        enabled: true,
    };
    cloud.compute.attach_node(node, Arc::new(FakeDriver)).await.expect("a node");
}

/// One for each kind of database.
pub(crate) async fn worlds(settings: Settings) -> Vec<World> {
    let mut worlds = Vec::new();
    for database in databases().await {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = settings.clone();
        settings.images.folder = folder.path().to_owned();
        let cloud = Cloud::new(database.db.clone(), settings).expect("settings");
        cloud.seed(&Seed::default()).await.expect("seeds");
        attach(&cloud, "node-1", "zone-1").await;
        for id in PROJECTS {
            insert_project(&database, id).await;
        }
        let mut conn = database.db.read().await.expect("a connection");
        let images = list_images(&mut conn, &ImageFilter::all(), &Page::default()).await.expect("images");
        let image = images.items[0].id.clone();
        drop(conn);
        worlds.push(World { cloud, database, image, _folder: folder });
    }
    worlds
}

/// A request of the project's user; `admin` makes it an operator's.
pub(crate) fn context_of(project: &str, admin: bool, personality: &str) -> Arc<CallContext> {
    let domain = Named { id: "default".to_owned(), name: "Default".to_owned() };
    let placed = |id: String| Placed { name: id.clone(), id, domain: domain.clone() };
    let role = if admin { "admin" } else { "member" };
    let caller = Caller {
        user: placed(format!("user-of-{project}")),
        scope: Scope::Project(placed(project.to_owned())),
        roles: vec![Named { id: role.to_owned(), name: role.to_owned() }],
        admin,
    };
    Arc::new(CallContext {
        caller: Some(Arc::new(caller)),
        request_id: format!("req-{}", skyloom_model::new_id()).into(),
        personality: personality.into(),
        collections: Collections::default(),
        secrets: SecretVault::new(),
        client: None,
        streams: Streams::default(),
        retry_after: std::sync::OnceLock::new(),
    })
}

pub(crate) fn member(project: &str) -> Arc<CallContext> {
    context_of(project, false, "one-face")
}

pub(crate) fn operator(project: &str) -> Arc<CallContext> {
    context_of(project, true, "one-face")
}

impl World {
    /// One more compute node, or a new word of the deployment about one that is there.
    pub(crate) async fn attach(&self, name: &str, zone: &str) {
        attach(&self.cloud, name, zone).await;
    }

    /// A request for servers of the smallest flavor with these names.
    pub(crate) fn create(&self, names: &[&str]) -> wit::ServerCreate {
        wit::ServerCreate { disks: vec![disk_of(&self.image)], ..creation(names) }
    }

    /// An image with bytes and these properties, which only the project sees.
    pub(crate) async fn upload(&self, context: &Arc<CallContext>, properties: &[(&str, &str)]) -> images::Image {
        let image = self.queued(context, properties).await;
        self.cloud.begin_upload(context, image.id.clone()).await.expect("begin");
        let mut writer = self.cloud.images.create_blob(context).await.expect("a file");
        writer.write(b"bytes").await.expect("write");
        let blob = writer.finish().await.expect("finish").name;
        self.cloud.finish_upload(context, image.id.clone(), blob).await.expect("upload");
        self.cloud.get_image(context, image.id).await.expect("the image")
    }

    /// The same without bytes.
    pub(crate) async fn queued(&self, context: &Arc<CallContext>, properties: &[(&str, &str)]) -> images::Image {
        let create = images::ImageCreate {
            id: None,
            name: None,
            visibility: Some(images::Visibility::Private),
            protected: false,
            hidden: false,
            disk_format: Some("raw".to_owned()),
            container_format: Some("bare".to_owned()),
            min_disk_gib: 0,
            min_memory_mib: 0,
            tags: Vec::new(),
            properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            owner: None,
            attributes: "{}".to_owned(),
        };
        self.cloud.create_image(context, create).await.expect("an image")
    }

    /// How many rows there are.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let mut conn = self.database.db.read().await.expect("a connection");
        conn.one(format!("SELECT count(*) FROM {table}"), &[], |row| row.int(0)).await.expect(table)
    }

    /// As if the creation had gone through: active on the node, nothing under way.
    pub(crate) async fn make_active(&self, id: &str) {
        self.come_to(id, "node-1", (skyloom_model::VmState::Active, skyloom_model::PowerState::Running)).await;
    }

    /// The same, switched off.
    pub(crate) async fn make_stopped(&self, id: &str, node: &str) {
        self.come_to(id, node, (skyloom_model::VmState::Stopped, skyloom_model::PowerState::ShutDown)).await;
    }

    async fn come_to(&self, id: &str, node: &str, (vm, power): (skyloom_model::VmState, skyloom_model::PowerState)) {
        let now = skyloom_model::Timestamp::now();
        let mut tx = self.database.db.begin().await.expect("begin");
        let change = skyloom_store::servers::Change {
            vm_state: Some(vm),
            task_state: Some(None),
            power_state: Some(power),
            node: Some(node),
            launched_at: Some(now),
            ..Default::default()
        };
        skyloom_store::servers::change(&mut tx, id, &change, now).await.expect("change");
        for sql in [
            "DELETE FROM operation_locks WHERE resource_id = $1",
            "UPDATE operations SET state = 'succeeded', runnable = 0 WHERE resource_id = $1",
        ] {
            tx.execute(sql, skyloom_store::args![id]).await.expect(sql);
        }
        tx.commit().await.expect("commit");
    }
}

/// A disk of an image, as large as the flavor has it.
pub(crate) fn disk_of(image: &str) -> wit::DiskRequest {
    wit::DiskRequest {
        source: "image".to_owned(),
        source_id: Some(image.to_owned()),
        size_gib: None,
        volume_type: None,
        delete_on_termination: true,
        attributes: "{}".to_owned(),
    }
}

/// A request without a disk.
pub(crate) fn creation(names: &[&str]) -> wit::ServerCreate {
    wit::ServerCreate {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        min_count: u32::try_from(names.len()).expect("few"),
        description: None,
        flavor_id: "1".to_owned(),
        key_name: None,
        zone: None,
        node: None,
        group_id: None,
        hostname: None,
        networks: wit::NetworkChoice::Automatic,
        security_groups: Vec::new(),
        disks: Vec::new(),
        public_address: None,
        user_data: None,
        config_drive: false,
        admin_password: wit::PasswordChoice::Keep,
        metadata: Vec::new(),
        tags: Vec::new(),
        access_ipv4: String::new(),
        access_ipv6: String::new(),
        on_failure: wit::OnFailure::Keep,
        dry_run: false,
        as_batch: false,
        attributes: "{}".to_owned(),
    }
}

/// What an answered error is, in words that can be compared.
pub(crate) trait Kind {
    fn kind(&self) -> ErrorCode;
}

impl Kind for skyloom_runtime::bindings::types::errors::Error {
    fn kind(&self) -> ErrorCode {
        self.code.clone().into()
    }
}

/// The whole list in its default order.
pub(crate) fn page(limit: u32, marker: Option<String>) -> PageRequest {
    PageRequest { limit, marker, sort: Vec::new() }
}

/// A volume of the project that is there: `available`, on this node.
pub(crate) async fn volume(world: &World, caller: &Arc<CallContext>, node: &str) -> String {
    let create = volumes::VolumeCreate {
        name: "a".to_owned(),
        description: String::new(),
        size_gib: Some(3),
        source: "image".to_owned(),
        source_id: Some(world.image.clone()),
        volume_type: None,
        zone: None,
        metadata: Vec::new(),
        attributes: "{}".to_owned(),
    };
    let made = world.cloud.create_volume(caller, create).await.expect("a volume").id;
    let mut tx = world.database.db.begin().await.expect("begin");
    for sql in [
        "DELETE FROM operation_locks WHERE resource_id = $1",
        "UPDATE operations SET state = 'succeeded', runnable = 0 WHERE resource_id = $1",
        "UPDATE volumes SET state = 'available' WHERE id = $1",
    ] {
        tx.execute(sql, skyloom_store::args![&made]).await.expect(sql);
    }
    let held = placements::Amount { disk_gib: 3, ..placements::Amount::default() };
    let holder = (placements::HolderKind::Volume, made.as_str());
    placements::hold(&mut tx, holder, placements::Purpose::Home, node, held).await.expect("a place");
    tx.commit().await.expect("commit");
    made
}
