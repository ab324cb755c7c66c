use std::cell::RefCell;
use std::collections::BTreeMap;

use skyloom_sdk::driver::libvirt::HostInfo;
use skyloom_sdk::driver::types::{Disk, Nic};

use super::*;

/// libvirt in memory. `fail_at` makes the call of that name fail once, before its effect.
#[derive(Default)]
struct Fake {
    domains: RefCell<BTreeMap<String, (String, DomainState)>>,
    volumes: RefCell<BTreeMap<String, Option<String>>>,
    leases: RefCell<Vec<(String, String, String)>>,
    fail_at: RefCell<Option<&'static str>>,
    /// A start takes its time.
    slow: bool,
    /// Sizes that disks were grown to.
    grown: RefCell<BTreeMap<String, u32>>,
}

impl Fake {
    fn pass(&self, call: &'static str) -> Result<(), Error> {
        if *self.fail_at.borrow() == Some(call) {
            self.fail_at.replace(None);
            return Err(failure(ErrorCode::DriverFailed, call));
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.domains.borrow().is_empty() && self.volumes.borrow().is_empty() && self.leases.borrow().is_empty()
    }

    fn set_state(&self, uuid: &str, state: DomainState) {
        if let Some(domain) = self.domains.borrow_mut().get_mut(uuid) {
            domain.1 = state;
        }
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

impl Platform for &Fake {
    fn config(&self) -> String {
        r#"{"domain-type":"qemu"}"#.to_owned()
    }

    fn define(&self, xml: &str) -> Result<(), Error> {
        self.pass("define")?;
        let uuid = between(xml, "<uuid>", "</uuid>").to_owned();
        self.domains.borrow_mut().insert(uuid, (xml.to_owned(), DomainState::ShutOff));
        Ok(())
    }

    fn undefine(&self, uuid: &str) -> Result<(), Error> {
        self.pass("undefine")?;
        self.domains.borrow_mut().remove(uuid);
        Ok(())
    }

    fn start(&self, uuid: &str) -> Result<(), Error> {
        self.pass("start")?;
        self.set_state(uuid, if self.slow { DomainState::Other } else { DomainState::Running });
        Ok(())
    }

    /// A guest that doesn't hear the button.
    fn shutdown(&self, _uuid: &str) -> Result<(), Error> {
        self.pass("shutdown")
    }

    fn destroy(&self, uuid: &str) -> Result<(), Error> {
        self.pass("destroy")?;
        self.set_state(uuid, DomainState::ShutOff);
        Ok(())
    }

    fn inspect(&self, uuid: &str) -> Result<Option<DomainInfo>, Error> {
        self.pass("inspect")?;
        Ok(self.domains.borrow().get(uuid).map(|(xml, state)| {
            let text = between(xml, "'urn:skyloom:server'>", "</skyloom:server>");
            DomainInfo {
                name: format!("skyloom-{uuid}"),
                uuid: uuid.to_owned(),
                state: *state,
                metadata: text.replace("&quot;", "\"").replace("&amp;", "&"),
            }
        }))
    }

    fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<DomainInfo>, Error> {
        let mut uuids: Vec<_> = self.domains.borrow().keys().cloned().collect();
        uuids.retain(|uuid| after.is_none_or(|after| uuid.as_str() > after));
        uuids.iter().take(limit as usize).map(|uuid| Ok(self.inspect(uuid)?.unwrap())).collect()
    }

    fn describe_host(&self) -> Result<HostInfo, Error> {
        Err(failure(ErrorCode::NotSupported, "not in this fake"))
    }

    fn grow_volume(&self, name: &str, size_gib: u32) -> Result<(), Error> {
        self.pass("grow-volume")?;
        self.grown.borrow_mut().insert(name.to_owned(), size_gib);
        Ok(())
    }

    fn create_volume(&self, name: &str, _size: u32, blob: Option<&str>, _format: Option<&str>) -> Result<(), Error> {
        self.pass("create-volume")?;
        self.volumes.borrow_mut().insert(name.to_owned(), blob.map(ToOwned::to_owned));
        Ok(())
    }

    fn delete_volume(&self, name: &str) -> Result<(), Error> {
        self.pass("delete-volume")?;
        self.volumes.borrow_mut().remove(name);
        Ok(())
    }

    fn list_volumes(&self, prefix: &str) -> Result<Vec<String>, Error> {
        Ok(self.volumes.borrow().keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    fn create_seed(&self, name: &str, files: &[(String, Vec<u8>)]) -> Result<(), Error> {
        self.pass("create-seed")?;
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["meta-data", "network-config", "user-data", "vendor-data"]);
        self.volumes.borrow_mut().insert(name.to_owned(), None);
        Ok(())
    }

    fn file_reference(&self, kind: &str, name: &str) -> Result<String, Error> {
        Ok(format!("{kind}:{name}"))
    }

    fn console_tail(&self, _name: &str, _max_bytes: u32) -> Result<Vec<u8>, Error> {
        Ok(b"ready \xff".to_vec())
    }

    fn delete_console(&self, _name: &str) -> Result<(), Error> {
        self.pass("delete-console")
    }

    fn add_dhcp_host(&self, network: &str, mac: &str, address: &str, _hostname: &str) -> Result<(), Error> {
        self.pass("add-dhcp-host")?;
        let lease = (network.to_owned(), mac.to_owned(), address.to_owned());
        if !self.leases.borrow().contains(&lease) {
            self.leases.borrow_mut().push(lease);
        }
        Ok(())
    }

    fn remove_dhcp_host(&self, network: &str, mac: &str, address: &str) -> Result<(), Error> {
        self.pass("remove-dhcp-host")?;
        let lease = (network.to_owned(), mac.to_owned(), address.to_owned());
        self.leases.borrow_mut().retain(|kept| *kept != lease);
        Ok(())
    }
}

const ID: &str = "6f1c9d3e-0000-4000-8000-000000000001";

fn spec() -> DomainSpec {
    let nic = Nic {
        port_id: "port".into(),
        mac: "52:54:00:00:00:01".into(),
        platform_network: "default".into(),
        addresses: vec!["192.168.122.9".into()],
        prefix_lengths: vec![24],
        gateway: Some("192.168.122.1".into()),
        dns: vec![],
    };
    let disk = Disk {
        id: "disk".into(),
        size_gib: 1,
        image_blob: Some("blob".into()),
        image_format: Some("qcow2".into()),
        boot_index: 0,
    };
    DomainSpec {
        server_id: ID.into(),
        name: "</title><devices>'\"&\u{7}".into(),
        hostname: "one".into(),
        vcpus: 1,
        memory_mib: 128,
        disks: vec![disk],
        nics: vec![nic],
        kernel_blob: Some("kernel".into()),
        ramdisk_blob: Some("ramdisk".into()),
        kernel_arguments: Some("a <b> & 'c'".into()),
        authorized_keys: vec!["ssh-ed25519 AAAA \"me\"".into()],
        user_data: None,
        admin_password: Some("secret:1:0".into()),
        metadata: vec![],
    }
}

fn key() -> StepKey {
    StepKey { operation: "operation-1".into(), step: "define".into() }
}

fn make(fake: &Fake) -> Result<(), Error> {
    let driver = Libvirt::new(fake)?;
    driver.create_disks(&spec())?;
    driver.define(&key(), &spec())?;
    driver.start(ID)?;
    Ok(())
}

fn remove(fake: &Fake) -> Result<(), Error> {
    let driver = Libvirt::new(fake)?;
    driver.undefine(ID)?;
    driver.delete_disks(ID, &["disk".into()])?;
    Ok(())
}

#[test]
fn a_server_is_made_and_removed_without_rest_and_each_may_be_repeated() {
    let fake = Fake::default();
    make(&fake).unwrap();
    make(&fake).unwrap();
    assert_eq!(fake.leases.borrow().len(), 1);
    let domain = Libvirt::new(&fake).unwrap().inspect(ID).unwrap().unwrap();
    assert_eq!((domain.operation.as_str(), domain.disks.as_slice()), ("operation-1", &["disk".to_owned()][..]));
    remove(&fake).unwrap();
    remove(&fake).unwrap();
    assert!(fake.is_empty());
    assert!(Libvirt::new(&fake).unwrap().inspect(ID).unwrap().is_none());
}

#[test]
fn a_removal_that_fails_anywhere_is_finished_by_the_next_one() {
    for call in ["inspect", "destroy", "remove-dhcp-host", "delete-console", "undefine", "delete-volume"] {
        let fake = Fake::default();
        make(&fake).unwrap();
        fake.fail_at.replace(Some(call));
        assert!(remove(&fake).is_err(), "{call} did not fail");
        remove(&fake).unwrap();
        assert!(fake.is_empty(), "after {call}");
    }
}

#[test]
fn a_creation_that_fails_anywhere_is_removed_without_rest() {
    for call in ["create-volume", "create-seed", "define", "add-dhcp-host", "start"] {
        let fake = Fake::default();
        fake.fail_at.replace(Some(call));
        assert!(make(&fake).is_err(), "{call} did not fail");
        remove(&fake).unwrap();
        assert!(fake.is_empty(), "after {call}");
    }
}

#[test]
fn a_changed_definition_keeps_its_record_and_its_disks_grow() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let driver = Libvirt::new(&fake).unwrap();
    let mut larger = DomainSpec { vcpus: 7, memory_mib: 4096, ..spec() };
    larger.disks[0].size_gib = 9;
    for call in ["grow-volume", "define"] {
        fake.fail_at.replace(Some(call));
        assert!(driver.reconfigure(&larger).is_err(), "{call} did not fail");
    }
    for _ in 0..2 {
        driver.reconfigure(&larger).unwrap();
    }
    let xml = fake.domains.borrow()[ID].0.clone();
    assert!(xml.contains("<memory unit='MiB'>4096</memory><vcpu>7</vcpu>"), "{xml}");
    assert_eq!(fake.grown.borrow()[&format!("{ID}.disk")], 9);
    assert_eq!(driver.inspect(ID).unwrap().unwrap().operation, "operation-1");
    remove(&fake).unwrap();
    assert!(fake.is_empty());
    assert_eq!(driver.reconfigure(&larger).unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn what_users_typed_stays_inside_its_element() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let xml = fake.domains.borrow()[ID].0.clone();
    assert_eq!(xml.matches("<devices>").count(), 1);
    assert!(xml.contains("<cmdline>a &lt;b&gt; &amp; &apos;c&apos;</cmdline>"));
    assert!(!xml.contains('\u{7}'));
}

#[test]
fn a_soft_stop_waits_for_the_guest_and_a_hard_one_does_not() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let driver = Libvirt::new(&fake).unwrap();
    let Progress::Pending(token) = driver.stop(ID, StopMode::Soft).unwrap() else {
        panic!("the guest did not hear it")
    };
    assert!(matches!(driver.poll(ID, &token).unwrap(), Progress::Pending(_)));
    assert!(matches!(driver.stop(ID, StopMode::Hard).unwrap(), Progress::Done));
    assert!(matches!(driver.poll(ID, &token).unwrap(), Progress::Done));
}

#[test]
fn a_start_is_done_when_libvirt_has_ended_it() {
    for end in [DomainState::Running, DomainState::ShutOff] {
        let fake = Fake { slow: true, ..Fake::default() };
        make(&fake).unwrap();
        let driver = Libvirt::new(&fake).unwrap();
        let Progress::Pending(token) = driver.start(ID).unwrap() else { panic!("it is under way") };
        assert!(matches!(driver.poll(ID, &token).unwrap(), Progress::Pending(_)));
        fake.set_state(ID, end);
        // A poll starts nothing: it finds what the start came to.
        assert!(matches!(driver.poll(ID, &token).unwrap(), Progress::Done));
        assert!(matches!(driver.poll(ID, &token).unwrap(), Progress::Done));
    }
}

#[test]
fn the_seed_says_what_the_core_says() {
    let mut spec = spec();
    spec.user_data = Some("I2Nsb3VkLWNvbmZpZwo=".into());
    let files: BTreeMap<_, _> = seed::files(&spec).unwrap().into_iter().collect();
    assert_eq!(files["user-data"], b"#cloud-config\n");
    let network = String::from_utf8(files["network-config"].clone()).unwrap();
    assert!(network.contains(r#""addresses":["192.168.122.9/24"]"#), "{network}");
    let meta = String::from_utf8(files["meta-data"].clone()).unwrap();
    assert!(meta.contains(r#""ssh-ed25519 AAAA \"me\"""#), "{meta}");
    spec.user_data = Some("%%%".into());
    assert!(seed::files(&spec).is_err());
}

#[test]
fn a_console_of_no_text_is_still_shown() {
    let fake = Fake::default();
    make(&fake).unwrap();
    assert_eq!(Libvirt::new(&fake).unwrap().console(ID, 100).unwrap(), "ready \u{fffd}");
    assert_eq!(Libvirt::new(&fake).unwrap().console("other", 100).unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn the_password_is_a_handle_beside_the_user_data() {
    let files: BTreeMap<_, _> = seed::files(&spec()).unwrap().into_iter().collect();
    let text = String::from_utf8(files["vendor-data"].clone()).unwrap();
    let config: serde_json::Value = serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap();
    let root = serde_json::json!({ "name": "root", "password": "secret:1:0", "type": "hash" });
    assert_eq!(config, serde_json::json!({ "chpasswd": { "expire": false, "users": [root] } }));
    let no_key = DomainSpec { authorized_keys: Vec::new(), ..spec() };
    let files: BTreeMap<_, _> = seed::files(&no_key).unwrap().into_iter().collect();
    let text = String::from_utf8(files["vendor-data"].clone()).unwrap();
    assert!(text.contains(r#""ssh_pwauth":true"#), "who has no key logs in with the password: {text}");
    let lines = DomainSpec { user_data: Some("I2Nsb3Vk\nLWNvbmZpZwo=\n".into()), ..spec() };
    let files: BTreeMap<_, _> = seed::files(&lines).unwrap().into_iter().collect();
    assert_eq!(files["user-data"], b"#cloud-config\n", "base64 in lines");
    let none = DomainSpec { admin_password: None, ..spec() };
    assert_eq!(seed::files(&none).unwrap().len(), 3);
}

#[test]
fn the_list_shows_what_has_only_disks() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let alone = "6f1c9d3e-0000-4000-8000-000000000000";
    for name in [&format!("{alone}.disk-1"), &format!("{alone}.seed"), "notes.txt", "no-uuid.disk", "lost+found"] {
        (&fake).create_volume(name, 1, None, None).unwrap();
    }
    let driver = Libvirt::new(&fake).unwrap();
    let shown = |after: Option<&str>, limit| -> Vec<(String, String, Vec<String>)> {
        let page = driver.list(after, limit).unwrap();
        page.into_iter().map(|domain| (domain.server_id, domain.operation, domain.disks)).collect()
    };
    let disks = |name: &str| vec![name.to_owned()];
    let whole = (ID.to_owned(), "operation-1".to_owned(), disks("disk"));
    let rest = (alone.to_owned(), String::new(), disks("disk-1"));
    assert_eq!(shown(None, 10), [rest.clone(), whole.clone()]);
    assert_eq!(shown(None, 1), [rest]);
    assert_eq!(shown(Some(alone), 10), [whole]);
    assert!(shown(Some(ID), 10).is_empty());
}
