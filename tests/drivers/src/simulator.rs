//! The bench of the simulator: a folder with the documents' database.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use skyloom_cloud::documents::PluginDocuments;
use skyloom_runtime::Options;
use skyloom_runtime::driver::{Disk, DiskSource, DomainSpec, Driver, Nic};
use skyloom_store::documents::Documents;

use crate::{Bench, NODE};

/// Also the bench of another driver whose platform is documents.
pub struct Simulator {
    plugin: &'static str,
    collection: &'static str,
    ready: Option<&'static str>,
    database: PathBuf,
    config: Value,
    _folder: Option<tempfile::TempDir>,
}

impl Simulator {
    /// A world of its own; `config` as the node's in a deployment file.
    pub fn new(config: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { config, ..Self::at(folder.path()) }.keeping(folder)
    }

    /// The world in this folder, which stays.
    pub fn at(folder: &Path) -> Self {
        Self {
            plugin: "simulator",
            collection: "domains",
            ready: Some("login:"),
            database: folder.join("documents.db"),
            config: json!({}),
            _folder: None,
        }
    }

    /// Another driver that keeps its servers in this collection, by their ids.
    pub fn of(plugin: &'static str, collection: &'static str, ready: Option<&'static str>) -> Self {
        Self { plugin, collection, ready, ..Self::new(json!({})) }
    }

    fn keeping(self, folder: tempfile::TempDir) -> Self {
        Self { _folder: Some(folder), ..self }
    }

    pub async fn documents(&self) -> Documents {
        Documents::sqlite(&self.database).await.expect("documents")
    }

    /// The same server for the same id.
    pub fn spec_of(server_id: &str) -> DomainSpec {
        let disk = |index: u32| Disk {
            id: format!("{server_id}-{index}"),
            size_gib: 1 + index,
            source: DiskSource::Empty,
            device: format!("/dev/vd{}", ["a", "b"][index as usize]),
        };
        DomainSpec {
            server_id: server_id.to_owned(),
            name: "a server".to_owned(),
            hostname: "a-server".to_owned(),
            vcpus: 2,
            memory_mib: 512,
            disks: vec![disk(0), disk(1)],
            nics: vec![Nic {
                port_id: format!("{server_id}-port"),
                mac: mac_of(server_id),
                platform_network: "private".to_owned(),
                addresses: vec!["10.0.0.7".to_owned()],
                prefix_lengths: vec![24],
                gateway: Some("10.0.0.1".to_owned()),
                dns: Vec::new(),
            }],
            kernel_blob: None,
            ramdisk_blob: None,
            kernel_arguments: None,
            authorized_keys: Vec::new(),
            user_data: None,
            admin_password: None,
            metadata: vec![("purpose".to_owned(), "conformance".to_owned())],
        }
    }
}

/// As many addresses as servers, nearly.
fn mac_of(server_id: &str) -> String {
    let digits: Vec<u8> = server_id.bytes().filter(u8::is_ascii_hexdigit).take(6).collect();
    let pairs: Vec<String> = digits.chunks(2).map(|pair| String::from_utf8_lossy(pair).to_ascii_lowercase()).collect();
    format!("52:54:00:{}", pairs.join(":"))
}

#[async_trait]
impl Bench for Simulator {
    async fn load(&self) -> Arc<dyn Driver> {
        let documents = Arc::new(PluginDocuments(self.documents().await));
        let options =
            Options { documents: Some(documents), sandboxes: 16, sandboxes_per_plugin: 16, ..Options::default() };
        let mut grants = json!(["documents"]);
        if self.plugin == "simulator" {
            grants = json!(["documents", "clock", "config"]);
        }
        crate::load(self.plugin, options, grants, self.config.clone()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn spec(&self) -> DomainSpec {
        Self::spec_of(&uuid::Uuid::new_v4().to_string())
    }

    async fn evidence(&self, spec: &DomainSpec) -> Vec<String> {
        let owner = format!("{}/{NODE}", self.plugin);
        let documents = self.documents().await;
        let mut found = vec![documents.get(&owner, self.collection, &spec.server_id).await.expect("documents")];
        for disk in &spec.disks {
            found.push(documents.get(&owner, "disks", &disk.id).await.expect("documents"));
        }
        documents.close().await;
        found.into_iter().flatten().map(|document| format!("{document:?}")).collect()
    }

    async fn assert_password(&self, _driver: &dyn Driver, spec: &DomainSpec, password: &str) {
        let evidence = self.evidence(spec).await.concat();
        assert!(evidence.contains(r#"has_password\":true"#), "{evidence}");
        assert!(!evidence.contains(password), "{evidence}");
    }

    async fn assert_size(&self, spec: &DomainSpec) {
        let evidence = self.evidence(spec).await.concat();
        if self.plugin == "simulator" {
            assert!(
                evidence.contains(&format!(r#"vcpus\":{},\"memory_mib\":{},"#, spec.vcpus, spec.memory_mib)),
                "{evidence}"
            );
            for disk in &spec.disks {
                assert!(evidence.contains(&format!(r#"{{\"id\":\"{}\",\"device\":"#, disk.id)), "{evidence}");
            }
        }
    }

    async fn assert_nics(&self, spec: &DomainSpec) {
        if self.plugin != "simulator" {
            return;
        }
        let evidence = self.evidence(spec).await.concat();
        let card = |nic: &Nic| format!(r#"{{\"mac\":\"{}\",\"network\":"#, nic.mac);
        assert!(spec.nics.iter().all(|nic| evidence.contains(&card(nic))), "{evidence}");
        assert_eq!(evidence.matches(r#"\"mac\":"#).count(), spec.nics.len(), "{evidence}");
    }

    fn seen_text(&self, disk: &Disk, comes: bool) -> String {
        let said = if comes { &disk.device } else { "gone" };
        format!("disk {} is {said}", disk.id)
    }

    fn ready_text(&self) -> Option<&'static str> {
        self.ready
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(10)
    }
}
