//! The bench of the libvirt driver: a libvirt daemon of the tests' own with a small guest that boots without KVM.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use skyloom_runtime::driver::{Disk, DiskSource, DomainSpec, Driver, ImageBlob, Nic};
use skyloom_runtime::{LoadError, Options};

use crate::{Bench, root};

/// The libvirt network of the daemon; the driver is granted it and `user`.
pub const NETWORK: &str = "skyloom";
const SUBNET: &str = "10.77.0.0/24";

/// Runs one of the scripts below tests/support; its exit code 77 says that something is missing here.
fn support(script: &str, arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new(root().join("tests/support").join(script)).args(arguments).output().expect("a script of ours");
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Some(77) => Err(said),
        _ => panic!("{script}: {}: {said}", output.status),
    }
}

/// A daemon of the tests' own; dropped, it ends with all its guests.
pub struct Daemon {
    folder: tempfile::TempDir,
    uri: String,
}

impl Daemon {
    /// With the libvirt network [`NETWORK`] of this subnet. Err: why it cannot be tried here.
    pub fn start(subnet: &str) -> Result<Self, String> {
        // A socket's path must be short.
        let folder = tempfile::Builder::new().prefix("skyloom-lv.").tempdir_in("/tmp").expect("a folder");
        let uri = support("libvirt/start", &[folder.path().to_str().expect("UTF-8"), subnet])?;
        Ok(Self { folder, uri })
    }

    /// The daemon's, as `tests/support/libvirt/start` describes it; there is room for a test's own files beside.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What virsh prints; it must succeed.
    pub fn virsh(&self, arguments: &[&str]) -> String {
        let output: Output =
            Command::new("virsh").args(["-q", "-c", &self.uri]).args(arguments).output().expect("virsh");
        assert!(output.status.success(), "virsh {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let folder = self.folder.path().to_str().unwrap_or_default().to_owned();
        if let Err(error) = support("libvirt/stop", &[&folder]) {
            eprintln!("libvirt/stop: {error}");
        }
    }
}

/// A daemon with the small guest's files where the driver finds images.
fn with_guest() -> Result<Daemon, String> {
    let guest = std::env::var_os("SKYLOOM_GUEST").map_or_else(|| root().join("target/guest"), PathBuf::from);
    support("guest/build-guest", &[guest.to_str().expect("UTF-8")])?;
    let daemon = Daemon::start(SUBNET)?;
    let blobs = daemon.folder().join("blobs");
    std::fs::create_dir_all(&blobs).expect("a folder");
    for file in ["vmlinuz", "initramfs.gz", "disk.qcow2"] {
        std::fs::copy(guest.join(file), blobs.join(file)).expect("the guest's files");
    }
    Ok(daemon)
}

/// One daemon, shared by the tests that run at the time; the last one ends it.
pub struct Libvirt {
    daemon: Arc<Daemon>,
}

impl Libvirt {
    /// Err: why it cannot be tried here.
    pub fn start() -> Result<Self, String> {
        static RUNNING: Mutex<Weak<Daemon>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let daemon = match running.upgrade() {
            Some(daemon) => daemon,
            None => Arc::new(with_guest()?),
        };
        *running = Arc::downgrade(&daemon);
        let bench = Self { daemon };
        match bench.try_load() {
            Err(LoadError::Grant { reason, .. }) if reason.contains("built without libvirt") => Err(reason),
            Err(error) => panic!("{error}"),
            Ok(_) => Ok(bench),
        }
    }

    fn try_load(&self) -> Result<Arc<dyn Driver>, LoadError> {
        let options = Options {
            blobs: Some(self.daemon.folder().join("blobs")),
            sandboxes: 16,
            sandboxes_per_plugin: 16,
            ..Options::default()
        };
        let grant = json!({
            "name": "libvirt", "uri": self.daemon.uri, "storage": self.storage(), "networks": [NETWORK, "user"],
        });
        crate::load("libvirt", options, json!(["config", grant]), json!({ "domain-type": "qemu" }))
    }

    pub fn storage(&self) -> PathBuf {
        self.daemon.folder().join("servers")
    }

    /// What virsh prints; it must succeed.
    pub fn virsh(&self, arguments: &[&str]) -> String {
        self.daemon.virsh(arguments)
    }

    /// Defines a domain as a person would, without Skyloom.
    pub fn define_by_hand(&self, xml: &str) {
        let file = self.daemon.folder().join("by-hand.xml");
        std::fs::write(&file, xml).expect("a file");
        self.virsh(&["define", file.to_str().expect("UTF-8")]);
    }

    /// Lines of the network's definition that give this card an address.
    pub fn dhcp_entries(&self, mac: &str) -> Vec<String> {
        let network = self.virsh(&["net-dumpxml", NETWORK]);
        network.lines().filter(|line| line.contains("<host ") && line.contains(mac)).map(ToOwned::to_owned).collect()
    }

    /// Files of this server and of its disks below the storage folder.
    fn files(&self, spec: &DomainSpec) -> Vec<String> {
        // Another test's driver sweeps what it left: what is gone meanwhile has nothing of this server.
        fn walk(folder: &Path, found: &mut Vec<String>) {
            let entries = match std::fs::read_dir(folder) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
                entries => entries.expect("a folder"),
            };
            for entry in entries.map(|entry| entry.expect("an entry").path()) {
                if entry.is_dir() { walk(&entry, found) } else { found.push(entry.display().to_string()) }
            }
        }
        let mut found = Vec::new();
        walk(&self.storage(), &mut found);
        let ids: Vec<&String> = spec.disks.iter().map(|disk| &disk.id).chain([&spec.server_id]).collect();
        found.retain(|path| ids.iter().any(|id| path.contains(*id)));
        found.sort();
        found
    }
}

#[async_trait]
impl Bench for Libvirt {
    async fn load(&self) -> Arc<dyn Driver> {
        self.try_load().unwrap_or_else(|error| panic!("{error}"))
    }

    fn spec(&self) -> DomainSpec {
        static NEXT: AtomicU8 = AtomicU8::new(10);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let server_id = uuid::Uuid::new_v4().to_string();
        let disk = |index: u32, blob: Option<&str>| Disk {
            id: uuid::Uuid::new_v4().to_string(),
            size_gib: 1,
            source: blob.map_or(DiskSource::Empty, |blob| {
                DiskSource::Image(ImageBlob { blob: blob.to_owned(), format: "qcow2".to_owned() })
            }),
            device: format!("/dev/vd{}", ["a", "b"][index as usize]),
        };
        DomainSpec {
            name: "a server".to_owned(),
            hostname: format!("server-{number}"),
            vcpus: 1,
            memory_mib: 128,
            disks: vec![disk(0, Some("disk.qcow2")), disk(1, None)],
            nics: vec![Nic {
                port_id: uuid::Uuid::new_v4().to_string(),
                mac: format!("52:54:00:77:00:{number:02x}"),
                platform_network: NETWORK.to_owned(),
                addresses: vec![format!("10.77.0.{number}")],
                prefix_lengths: vec![24],
                gateway: Some("10.77.0.1".to_owned()),
                dns: Vec::new(),
            }],
            kernel_blob: Some("vmlinuz".to_owned()),
            ramdisk_blob: Some("initramfs.gz".to_owned()),
            kernel_arguments: None,
            authorized_keys: Vec::new(),
            user_data: None,
            admin_password: None,
            metadata: Vec::new(),
            server_id,
        }
    }

    async fn evidence(&self, spec: &DomainSpec) -> Vec<String> {
        let mut evidence = self.files(spec);
        for nic in &spec.nics {
            evidence.extend(self.dhcp_entries(&nic.mac));
        }
        if self.virsh(&["list", "--all", "--uuid"]).lines().any(|uuid| uuid.trim() == spec.server_id) {
            evidence.push(self.virsh(&["dumpxml", "--inactive", &spec.server_id]));
            // Another number each time that it starts.
            evidence.push(self.virsh(&["domid", &spec.server_id]));
        }
        evidence
    }

    async fn assert_password(&self, driver: &dyn Driver, spec: &DomainSpec, password: &str) {
        let console = driver.console_output(&spec.server_id, 1 << 20).await.expect("the console");
        let hash = console.lines().find_map(|line| line.trim().strip_prefix("SKYLOOM-GUEST-PASSWORD "));
        let hash = hash.unwrap_or_else(|| panic!("the guest has no password: {console}"));
        assert!(sha_crypt::sha512_check(password, hash).is_ok(), "{hash}");
        for file in self.files(spec) {
            let bytes = std::fs::read(&file).expect("a file of the server");
            assert!(!bytes.windows(password.len()).any(|window| window == password.as_bytes()), "{file}");
        }
    }

    async fn assert_size(&self, spec: &DomainSpec) {
        let xml = self.virsh(&["dumpxml", "--inactive", &spec.server_id]);
        assert!(xml.contains(&format!("<memory unit='KiB'>{}</memory>", u64::from(spec.memory_mib) * 1024)), "{xml}");
        assert!(xml.contains(&format!(">{}</vcpu>", spec.vcpus)), "{xml}");
        for disk in &spec.disks {
            let files = self.files(spec);
            let file = files.iter().find(|file| file.ends_with(&disk.id)).expect("the disk's file");
            let told = std::process::Command::new("qemu-img").args(["info", "-U", "--output=json", file]).output();
            let told: serde_json::Value = serde_json::from_slice(&told.expect("qemu-img").stdout).expect("JSON");
            assert_eq!(told["virtual-size"], u64::from(disk.size_gib) << 30, "{told}");
        }
        assert_eq!(xml.matches("<disk ").count(), spec.disks.len() + 1, "disks and seed: {xml}");
    }

    fn remove_blob(&self, blob: &str) {
        std::fs::remove_file(self.daemon.folder().join("blobs").join(blob)).expect("the blob");
    }

    async fn assert_nics(&self, spec: &DomainSpec) {
        let id = &spec.server_id;
        let mut wanted: Vec<&str> = spec.nics.iter().map(|nic| nic.mac.as_str()).collect();
        wanted.sort_unstable();
        for definition in [&["dumpxml", id][..], &["dumpxml", "--inactive", id]] {
            let xml = self.virsh(definition);
            let mut found: Vec<&str> =
                xml.split("<mac address='").skip(1).filter_map(|rest| rest.split('\'').next()).collect();
            found.sort_unstable();
            assert_eq!(found, wanted, "{definition:?}: {xml}");
        }
        for nic in &spec.nics {
            let entries = self.dhcp_entries(&nic.mac);
            assert_eq!(entries.len(), nic.addresses.len(), "{entries:?}");
            assert!(entries[0].contains(&format!("ip='{}'", nic.addresses[0])), "{entries:?}");
        }
    }

    /// The guest knows a disk by the beginning of its id.
    fn seen_text(&self, disk: &Disk, comes: bool) -> String {
        format!("SKYLOOM-GUEST-DISK {} serial={}", if comes { "came" } else { "went" }, &disk.id[..20])
    }

    fn ready_text(&self) -> Option<&'static str> {
        Some("SKYLOOM-GUEST-READY")
    }

    /// Without KVM, beside other tests on a small machine.
    fn deadline(&self) -> Duration {
        Duration::from_mins(3)
    }
}
