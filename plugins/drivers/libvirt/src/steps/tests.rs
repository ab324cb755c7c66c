mod cards;
mod fake;
mod suspension;

use std::collections::BTreeMap;

use skyloom_sdk::driver::types::{ImageBlob, Nic};

use self::fake::Fake;
use super::*;

/// Of a disk.
const DISK: &str = "6f1c9d3e-0000-4000-8000-00000000000d";

fn disk() -> Disk {
    let image = ImageBlob { blob: "blob".into(), format: "qcow2".into() };
    Disk { id: DISK.into(), size_gib: 1, source: DiskSource::Image(image), device: "/dev/vda".into() }
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
    DomainSpec {
        server_id: ID.into(),
        name: "</title><devices>'\"&\u{7}".into(),
        hostname: "one".into(),
        vcpus: 1,
        memory_mib: 128,
        disks: vec![disk()],
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
    driver.create_disk(&disk())?;
    driver.define(&key(), &spec())?;
    driver.start(ID)?;
    Ok(())
}

fn remove(fake: &Fake) -> Result<(), Error> {
    let driver = Libvirt::new(fake)?;
    driver.undefine(ID)?;
    driver.remove_disk(DISK)?;
    Ok(())
}

#[test]
fn a_server_is_made_and_removed_without_rest_and_each_may_be_repeated() {
    let fake = Fake::default();
    make(&fake).unwrap();
    make(&fake).unwrap();
    assert_eq!(fake.leases.borrow().len(), 1);
    let domain = Libvirt::new(&fake).unwrap().inspect(ID).unwrap().unwrap();
    assert_eq!((domain.operation.as_str(), domain.power), ("operation-1", Power::Running));
    assert_eq!(Libvirt::new(&fake).unwrap().disks(None, 10).unwrap(), [DISK]);
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
fn a_changed_definition_keeps_its_record() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let driver = Libvirt::new(&fake).unwrap();
    let larger = DomainSpec { vcpus: 7, memory_mib: 4096, ..spec() };
    fake.fail_at.replace(Some("define"));
    assert!(driver.reconfigure(&larger).is_err());
    for _ in 0..2 {
        driver.reconfigure(&larger).unwrap();
    }
    let xml = fake.domains.borrow()[ID].0.clone();
    assert!(xml.contains("<memory unit='MiB'>4096</memory><vcpu>7</vcpu>"), "{xml}");
    driver.grow_disk(DISK, 9).unwrap();
    assert_eq!(fake.grown.borrow()[DISK], 9);
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
    assert!(matches!(driver.poll(&token).unwrap(), Progress::Pending(_)));
    assert!(matches!(driver.stop(ID, StopMode::Hard).unwrap(), Progress::Done));
    assert!(matches!(driver.poll(&token).unwrap(), Progress::Done));
}

#[test]
fn a_start_is_done_when_libvirt_has_ended_it() {
    for end in [DomainState::Running, DomainState::ShutOff] {
        let fake = Fake { slow: true, ..Fake::default() };
        make(&fake).unwrap();
        let driver = Libvirt::new(&fake).unwrap();
        let Progress::Pending(token) = driver.start(ID).unwrap() else { panic!("it is under way") };
        assert!(matches!(driver.poll(&token).unwrap(), Progress::Pending(_)));
        fake.set_state(ID, end);
        // A poll starts nothing: it finds what the start came to.
        assert!(matches!(driver.poll(&token).unwrap(), Progress::Done));
        assert!(matches!(driver.poll(&token).unwrap(), Progress::Done));
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
fn the_list_of_disks_has_nothing_else_of_the_folder() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let alone = "6f1c9d3e-0000-4000-8000-000000000000";
    for name in [alone, "notes.txt", "no-uuid", "lost+found"] {
        (&fake).create_volume(name, 1, &VolumeSource::Empty).unwrap();
    }
    let driver = Libvirt::new(&fake).unwrap();
    assert_eq!(driver.disks(None, 10).unwrap(), [alone, DISK]);
    assert_eq!(driver.disks(None, 1).unwrap(), [alone]);
    assert_eq!(driver.disks(Some(alone), 10).unwrap(), [DISK]);
    assert!(driver.disks(Some(DISK), 10).unwrap().is_empty());
}

#[test]
fn a_copy_that_goes_on_and_a_disk_that_its_guest_keeps_are_asked_for_again() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let driver = Libvirt::new(&fake).unwrap();
    let other = "6f1c9d3e-0000-4000-8000-00000000000e";
    let copy = Disk { id: other.into(), source: DiskSource::Disk(DISK.into()), device: "/dev/vdb".into(), ..disk() };
    fake.goes_on.set(2);
    let Progress::Pending(token) = driver.create_disk(&copy).unwrap() else { panic!("it goes on") };
    assert_eq!(driver.poll(&token).unwrap(), Progress::Pending(token.clone()));
    assert_eq!(driver.poll(&token).unwrap(), Progress::Done);
    driver.attach_disk(ID, &copy).unwrap();
    let xml = fake.attached.borrow()[ID].clone();
    assert!(xml.contains("<target dev='vdb' bus='virtio'/><serial>6f1c9d3e-0000-4000-8</serial>"), "{xml}");
    fake.goes_on.set(1);
    let Progress::Pending(token) = driver.detach_disk(ID, other).unwrap() else { panic!("the guest keeps it") };
    assert_eq!(driver.poll(&token).unwrap(), Progress::Done);
    assert!(fake.attached.borrow().is_empty());
    assert_eq!(driver.poll("copying much x y").unwrap_err().code, ErrorCode::Invalid);
}

#[test]
fn a_disk_goes_to_another_node_through_a_blob() {
    let (fake, there) = (Fake::default(), Fake::default());
    let (driver, other) = (Libvirt::new(&fake).unwrap(), Libvirt::new(&there).unwrap());
    assert_eq!(driver.export_disk(DISK, "blob-2").unwrap_err().code, ErrorCode::WrongState);
    driver.create_disk(&disk()).unwrap();
    fake.goes_on.set(2);
    let Progress::Pending(token) = driver.export_disk(DISK, "blob-2").unwrap() else { panic!("it goes on") };
    assert_eq!(driver.poll(&token).unwrap(), Progress::Pending(token.clone()));
    assert_eq!(driver.poll(&token).unwrap(), Progress::Done);
    assert!(fake.blobs.borrow().contains_key("blob-2"));
    let image = ImageBlob { blob: "blob-2".into(), format: "qcow2".into() };
    let moved = Disk { source: DiskSource::Copy(image), ..disk() };
    there.goes_on.set(1);
    let Progress::Pending(token) = other.create_disk(&moved).unwrap() else { panic!("it goes on") };
    assert_eq!(other.poll(&token).unwrap(), Progress::Done);
    let made = there.volumes.borrow()[DISK].clone();
    assert!(matches!(made, VolumeSource::Copy((blob, format)) if (&*blob, &*format) == ("blob-2", "qcow2")));
    for token in ["filling 1 x", "filling much x blob qcow2", "exporting x"] {
        assert_eq!(other.poll(token).unwrap_err().code, ErrorCode::Invalid, "{token}");
    }
}
