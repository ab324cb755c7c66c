use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use skyloom_sdk::driver::types::{Disk, DiskSource, DomainSpec, ImageBlob, Nic, Power, StepKey};

use super::faults::COLLECTION as FAULTS;
use super::servers::Server;
use super::*;

#[derive(Default)]
struct Fake {
    /// By collection and id.
    documents: RefCell<BTreeMap<String, (String, u64)>>,
    /// How often faults have struck.
    faults: RefCell<BTreeMap<String, (String, u64)>>,
    now: Cell<i64>,
    config: String,
    /// So many writes lose their race first.
    races: Cell<u32>,
    /// Somebody else writes this between the next call's read and its write.
    intruder: RefCell<Option<Server>>,
}

impl Fake {
    fn of(config: &str) -> Self {
        Self { config: config.to_owned(), ..Self::default() }
    }

    fn kept(&self, collection: &str) -> &RefCell<BTreeMap<String, (String, u64)>> {
        if collection == FAULTS { &self.faults } else { &self.documents }
    }

    /// Whether the stored version is still this one.
    fn is_current(&self, collection: &str, id: &str, version: u64) -> bool {
        let mut documents = self.kept(collection).borrow_mut();
        if let Some(server) = self.intruder.take() {
            let body = serde_json::to_string(&server).unwrap();
            documents.insert(key_of(Server::COLLECTION, &server.id), (body, version + 1));
        }
        documents.get(&key_of(collection, id)).map_or(0, |document| document.1) == version
    }
}

fn key_of(collection: &str, id: &str) -> String {
    format!("{collection}/{id}")
}

impl World for &Fake {
    fn get(&self, collection: &str, id: &str) -> Result<Option<(String, u64)>, Error> {
        Ok(self.kept(collection).borrow().get(&key_of(collection, id)).cloned())
    }

    fn put(&self, collection: &str, id: &str, body: &str, version: u64) -> Result<bool, Error> {
        if self.races.get() > 0 {
            self.races.set(self.races.get() - 1);
            return Ok(false);
        }
        if !self.is_current(collection, id, version) {
            return Ok(false);
        }
        self.kept(collection).borrow_mut().insert(key_of(collection, id), (body.to_owned(), version + 1));
        Ok(true)
    }

    fn delete(&self, collection: &str, id: &str, version: u64) -> Result<bool, Error> {
        let key = key_of(collection, id);
        Ok(self.is_current(collection, id, version) && self.kept(collection).borrow_mut().remove(&key).is_some())
    }

    fn list(&self, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        let documents = self.kept(collection).borrow();
        let later = documents.iter().filter_map(|(key, document)| {
            let id = key.strip_prefix(collection)?.strip_prefix('/')?;
            after.is_none_or(|after| id > after).then(|| document.0.clone())
        });
        Ok(later.take(limit as usize).collect())
    }

    fn now(&self) -> i64 {
        self.now.get()
    }

    fn config(&self) -> String {
        if self.config.is_empty() { "{}".to_owned() } else { self.config.clone() }
    }
}

fn disk(id: &str, source: DiskSource) -> Disk {
    Disk { id: id.into(), size_gib: 1, source, device: "/dev/vda".into() }
}

fn spec(id: &str) -> DomainSpec {
    DomainSpec {
        server_id: id.into(),
        name: "one".into(),
        hostname: "one".into(),
        vcpus: 2,
        memory_mib: 512,
        disks: vec![disk("disk-1", DiskSource::Empty)],
        nics: vec![],
        kernel_blob: None,
        ramdisk_blob: None,
        kernel_arguments: None,
        authorized_keys: vec![],
        user_data: None,
        admin_password: None,
        metadata: vec![],
    }
}

fn nic(mac: &str) -> Nic {
    Nic {
        port_id: format!("port of {mac}"),
        mac: mac.into(),
        platform_network: "private".into(),
        addresses: vec!["10.0.0.8".into()],
        prefix_lengths: vec![24],
        gateway: None,
        dns: vec![],
    }
}

fn key(step: &str) -> StepKey {
    StepKey { operation: "operation-1".into(), step: step.into() }
}

fn empty(id: &str) -> Disk {
    disk(id, DiskSource::Empty)
}

fn made(fake: &Fake) -> Simulator<&Fake> {
    let simulator = Simulator::new(fake).unwrap();
    let spec = spec("s");
    for _ in 0..2 {
        simulator.create_disk(&empty("disk-1")).unwrap();
        simulator.define(&key("define"), &spec).unwrap();
        simulator.start("s").unwrap();
    }
    simulator
}

#[test]
fn every_step_may_be_repeated_without_a_second_effect() {
    let fake = Fake::default();
    let simulator = made(&fake);
    let domain = simulator.inspect("s").unwrap().unwrap();
    assert_eq!(domain.power, Power::Running);
    assert_eq!(domain.operation, "operation-1");
    assert_eq!(simulator.servers(None, 10).unwrap().len(), 1);
    assert_eq!(simulator.disks(None, 10).unwrap(), ["disk-1"]);
    assert_eq!(simulator.console("s", 10_000).unwrap().matches("boot with 2 vCPU").count(), 1);
}

#[test]
fn nothing_is_left_after_the_last_removal_and_removing_again_is_no_error() {
    let fake = Fake::default();
    let simulator = made(&fake);
    for _ in 0..2 {
        assert!(matches!(simulator.undefine("s").unwrap(), Progress::Done));
        assert!(matches!(simulator.remove_disk("disk-1").unwrap(), Progress::Done));
    }
    assert!(simulator.inspect("s").unwrap().is_none());
    assert!(fake.documents.borrow().is_empty());
}

#[test]
fn a_disk_comes_and_goes_while_its_server_runs() {
    let fake = Fake::default();
    let simulator = made(&fake);
    assert_eq!(simulator.attach_disk("s", &empty("other")).unwrap_err().code, ErrorCode::WrongState);
    simulator.create_disk(&empty("other")).unwrap();
    for _ in 0..2 {
        simulator.attach_disk("s", &empty("other")).unwrap();
    }
    for _ in 0..2 {
        simulator.detach_disk("s", "other").unwrap();
    }
    let console = simulator.console("s", 10_000).unwrap();
    assert_eq!(console.matches("disk other is /dev/vda").count(), 1, "{console}");
    assert_eq!(console.matches("disk other is gone").count(), 1, "{console}");
    simulator.stop("s", false).unwrap();
    assert_eq!(simulator.attach_disk("s", &empty("other")).unwrap_err().code, ErrorCode::WrongState);
    assert_eq!(simulator.detach_disk("s", "other").unwrap_err().code, ErrorCode::WrongState);
    assert_eq!(simulator.attach_disk("t", &empty("other")).unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn a_card_comes_and_goes_while_its_server_runs() {
    let fake = Fake::default();
    let simulator = made(&fake);
    for _ in 0..2 {
        simulator.attach_nic("s", &nic("52:54:00:00:00:02")).unwrap();
    }
    for _ in 0..2 {
        simulator.detach_nic("s", &nic("52:54:00:00:00:02")).unwrap();
    }
    let console = simulator.console("s", 10_000).unwrap();
    assert_eq!(console.matches("card 52:54:00:00:00:02 is on private with 10.0.0.8").count(), 1, "{console}");
    assert_eq!(console.matches("card 52:54:00:00:00:02 is gone").count(), 1, "{console}");
    simulator.stop("s", false).unwrap();
    for (server, code) in [("s", ErrorCode::WrongState), ("t", ErrorCode::NotFound)] {
        assert_eq!(simulator.attach_nic(server, &nic("52:54:00:00:00:02")).unwrap_err().code, code);
        assert_eq!(simulator.detach_nic(server, &nic("52:54:00:00:00:02")).unwrap_err().code, code);
    }
    simulator.reconfigure(&DomainSpec { nics: vec![nic("52:54:00:00:00:03")], ..spec("s") }).unwrap();
    simulator.start("s").unwrap();
    let console = simulator.console("s", 10_000).unwrap();
    assert!(console.contains("card 52:54:00:00:00:03 is on private"), "{console}");
}

#[test]
fn a_copy_is_of_a_disk_at_rest() {
    let fake = Fake::default();
    let simulator = made(&fake);
    let copy = |of: &str| simulator.create_disk(&disk("copy", DiskSource::Disk(of.into())));
    assert_eq!(copy("nothing").unwrap_err().code, ErrorCode::WrongState);
    assert_eq!(copy("disk-1").unwrap_err().code, ErrorCode::WrongState);
    simulator.stop("s", false).unwrap();
    copy("disk-1").unwrap();
    assert_eq!(simulator.disks(None, 10).unwrap(), ["copy", "disk-1"]);
}

#[test]
fn an_export_is_of_a_disk_at_rest_and_a_copy_that_is_there_needs_it_no_more() {
    let fake = Fake::default();
    let simulator = made(&fake);
    assert_eq!(simulator.export_disk("nothing", "blob").unwrap_err().code, ErrorCode::WrongState);
    assert_eq!(simulator.export_disk("disk-1", "blob").unwrap_err().code, ErrorCode::WrongState);
    simulator.stop("s", false).unwrap();
    let image = ImageBlob { blob: "blob".into(), format: "qcow2".into() };
    for _ in 0..2 {
        assert_eq!(simulator.export_disk("disk-1", "blob").unwrap(), Progress::Done);
        simulator.create_disk(&disk("moved", DiskSource::Copy(image.clone()))).unwrap();
    }
    let copy = disk("copy", DiskSource::Disk("disk-1".into()));
    simulator.create_disk(&copy).unwrap();
    simulator.start("s").unwrap();
    assert_eq!(simulator.create_disk(&copy).unwrap(), Progress::Done, "it is there");
}

#[test]
fn a_delayed_step_is_pending_until_its_time() {
    let fake = Fake { config: r#"{"delay-ms":{"start":5}}"#.into(), ..Fake::default() };
    let simulator = made(&fake);
    simulator.stop("s", false).unwrap();
    let Progress::Pending(token) = simulator.start("s").unwrap() else { panic!("not pending") };
    assert!(matches!(simulator.poll(&token).unwrap(), Progress::Pending(_)));
    fake.now.set(5000);
    assert!(matches!(simulator.poll(&token).unwrap(), Progress::Done));
}

#[test]
fn a_guest_that_ignores_a_soft_stop_obeys_a_hard_one() {
    let fake = Fake { config: r#"{"ignore-soft-stop":true}"#.into(), ..Fake::default() };
    let simulator = made(&fake);
    let Progress::Pending(token) = simulator.stop("s", true).unwrap() else { panic!("not pending") };
    assert!(matches!(simulator.poll(&token).unwrap(), Progress::Pending(_)));
    assert!(matches!(simulator.stop("s", false).unwrap(), Progress::Done));
    assert!(matches!(simulator.poll(&token).unwrap(), Progress::Done));
}

#[test]
fn a_guest_that_stands_still_goes_on_and_cannot_be_asked_to_stop() {
    let fake = Fake { config: r#"{"ignore-soft-stop":true}"#.into(), ..Fake::default() };
    let simulator = made(&fake);
    let power = || simulator.inspect("s").unwrap().unwrap().power;
    for _ in 0..2 {
        simulator.pause("s").unwrap();
        assert_eq!(power(), Power::Paused);
    }
    assert_eq!(simulator.resume("s").unwrap_err().code, ErrorCode::WrongState);
    for _ in 0..2 {
        simulator.unpause("s").unwrap();
        assert_eq!(power(), Power::Running);
    }
    for _ in 0..2 {
        simulator.suspend("s").unwrap();
        assert_eq!(power(), Power::Suspended);
    }
    for call in [simulator.pause("s"), simulator.unpause("s")] {
        assert_eq!(call.unwrap_err().code, ErrorCode::WrongState);
    }
    for _ in 0..2 {
        simulator.resume("s").unwrap();
        assert_eq!(power(), Power::Running);
    }
    let console = simulator.console("s", 10_000).unwrap();
    assert_eq!((console.matches("goes on").count(), console.matches("boot with").count()), (2, 1), "{console}");
    for suspended in [false, true] {
        let still = if suspended { simulator.suspend("s") } else { simulator.pause("s") };
        still.unwrap();
        assert!(matches!(simulator.stop("s", true).unwrap(), Progress::Done), "it hears nothing");
        assert_eq!(power(), Power::Stopped);
        for call in [simulator.pause("s"), simulator.unpause("s"), simulator.suspend("s"), simulator.resume("s")] {
            assert_eq!(call.unwrap_err().code, ErrorCode::WrongState);
        }
        simulator.start("s").unwrap();
    }
    assert_eq!(simulator.pause("t").unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn a_domain_is_not_defined_over_missing_disks_and_not_started_undefined() {
    let fake = Fake::default();
    let simulator = Simulator::new(&fake).unwrap();
    assert_eq!(simulator.define(&key("define"), &spec("s")).unwrap_err().code, ErrorCode::WrongState);
    assert_eq!(simulator.start("s").unwrap_err().code, ErrorCode::NotFound);
    assert!(fake.documents.borrow().is_empty());
}

#[test]
fn a_lost_race_is_tried_again_and_a_storm_is_a_retryable_error() {
    let fake = Fake { races: Cell::new(3), ..Fake::default() };
    made(&fake);
    fake.races.set(RACES);
    let error = Simulator::new(&fake).unwrap().stop("s", false).unwrap_err();
    assert!(error.retryable);
}

#[test]
fn a_change_does_not_take_the_effect_of_a_call_beside_it() {
    let fake = Fake::default();
    let simulator = made(&fake);
    simulator.create_disk(&empty("other")).unwrap();
    let mut beside = simulator.server("s").unwrap().unwrap();
    beside.running = false;
    fake.intruder.replace(Some(beside));
    let refused = simulator.attach_disk("s", &empty("other")).unwrap_err();
    assert_eq!(refused.code, ErrorCode::WrongState, "it saw that the server was stopped beside it");
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused() {
    for config in [r#"{"delays":1}"#, r#"{"delay-ms":{"fly":1}}"#] {
        assert!(Simulator::new(&Fake::of(config)).is_err(), "{config}");
    }
}

#[test]
fn a_call_fails_before_its_effect_as_often_as_is_said() {
    let fake = Fake::of(r#"{"faults":[{"call":"create-disk","when":"before","times":2}]}"#);
    for _ in 0..2 {
        let error = Simulator::new(&fake).unwrap().create_disk(&empty("d")).unwrap_err();
        assert_eq!((error.code, error.retryable), (ErrorCode::NotSupported, false));
        assert!(fake.documents.borrow().is_empty());
    }
    // Each call above was a life of its own: the count is kept.
    assert_eq!(Simulator::new(&fake).unwrap().create_disk(&empty("d")).unwrap(), Progress::Done);
}

#[test]
fn a_call_fails_after_its_effect_or_loses_its_reply() {
    for (when, retryable) in [("after", false), ("lost-reply", true)] {
        let fake = Fake::of(&format!(r#"{{"faults":[{{"call":"create-disk","when":"{when}"}}]}}"#));
        let simulator = Simulator::new(&fake).unwrap();
        for _ in 0..3 {
            let error = simulator.create_disk(&empty("d")).unwrap_err();
            assert_eq!(error.retryable, retryable, "{when}");
            assert_eq!(simulator.disks(None, 10).unwrap(), ["d"], "{when}");
        }
        assert!(fake.faults.borrow().is_empty(), "what strikes every time is not counted");
    }
}

#[test]
fn every_call_has_its_faults() {
    let calls = [
        "create-disk",
        "grow-disk",
        "define",
        "reconfigure",
        "start",
        "attach-disk",
        "detach-disk",
        "pause",
        "unpause",
        "suspend",
        "resume",
        "attach-nic",
        "detach-nic",
        "stop",
        "export-disk",
        "undefine",
        "remove-disk",
    ];
    for call in calls {
        let mut fake = Fake::default();
        made(&fake);
        fake.config = format!(r#"{{"faults":[{{"call":"{call}","when":"lost-reply"}}]}}"#);
        let simulator = Simulator::new(&fake).unwrap();
        let answers = [
            simulator.create_disk(&empty("disk-1")),
            simulator.grow_disk("disk-1", 2),
            simulator.define(&key("define"), &spec("s")),
            simulator.reconfigure(&spec("s")),
            simulator.start("s"),
            simulator.attach_disk("s", &empty("disk-1")),
            simulator.detach_disk("s", "disk-1"),
            simulator.pause("s"),
            simulator.unpause("s"),
            simulator.suspend("s"),
            simulator.resume("s"),
            simulator.attach_nic("s", &nic("52:54:00:00:00:02")),
            simulator.detach_nic("s", &nic("52:54:00:00:00:02")),
            simulator.stop("s", false),
            simulator.export_disk("disk-1", "blob"),
            simulator.undefine("s"),
            simulator.remove_disk("disk-1"),
        ];
        let failed: Vec<&str> =
            calls.into_iter().zip(&answers).filter(|(_, answer)| answer.is_err()).map(|(name, _)| name).collect();
        assert_eq!(failed, [call]);
        assert!(fake.documents.borrow().is_empty());
    }
}

#[test]
fn a_fault_of_one_thing_spares_the_others_and_another_id_counts_anew() {
    let mut fake = Fake::of(r#"{"faults":[{"call":"create-disk","when":"before","of":"s","times":1}]}"#);
    let create = |fake: &Fake, id: &str| Simulator::new(fake).unwrap().create_disk(&empty(id)).is_ok();
    assert!(create(&fake, "t"));
    assert_eq!([create(&fake, "s"), create(&fake, "s")], [false, true]);
    fake.config = fake.config.replace(r#""times""#, r#""id":"2","times""#);
    assert_eq!([create(&fake, "s"), create(&fake, "s")], [false, true]);
}
