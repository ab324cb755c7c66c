use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use skyloom_sdk::driver::types::Disk;

use super::*;

#[derive(Default)]
struct Fake {
    documents: RefCell<BTreeMap<String, (String, u64)>>,
    /// How often faults have struck.
    faults: RefCell<BTreeMap<String, (String, u64)>>,
    now: Cell<i64>,
    config: String,
    /// So many writes lose their race first.
    races: Cell<u32>,
    /// Somebody else writes this between the next call's read and its write.
    intruder: RefCell<Option<Record>>,
}

impl Fake {
    fn of(config: &str) -> Self {
        Self { config: config.to_owned(), ..Self::default() }
    }

    fn kept(&self, collection: &str) -> &RefCell<BTreeMap<String, (String, u64)>> {
        if collection == COLLECTION { &self.documents } else { &self.faults }
    }

    /// Whether the stored version is still this one.
    fn is_current(&self, collection: &str, id: &str, version: u64) -> bool {
        let mut documents = self.kept(collection).borrow_mut();
        if let Some(record) = self.intruder.take() {
            documents.insert(id.to_owned(), (serde_json::to_string(&record).unwrap(), version + 1));
        }
        documents.get(id).map_or(0, |document| document.1) == version
    }
}

impl World for &Fake {
    fn get(&self, collection: &str, id: &str) -> Result<Option<(String, u64)>, Error> {
        Ok(self.kept(collection).borrow().get(id).cloned())
    }

    fn put(&self, collection: &str, id: &str, body: &str, version: u64) -> Result<bool, Error> {
        if self.races.get() > 0 {
            self.races.set(self.races.get() - 1);
            return Ok(false);
        }
        if !self.is_current(collection, id, version) {
            return Ok(false);
        }
        self.kept(collection).borrow_mut().insert(id.to_owned(), (body.to_owned(), version + 1));
        Ok(true)
    }

    fn delete(&self, collection: &str, id: &str, version: u64) -> Result<bool, Error> {
        Ok(self.is_current(collection, id, version) && self.kept(collection).borrow_mut().remove(id).is_some())
    }

    fn list(&self, collection: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
        let documents = self.kept(collection).borrow();
        let later = documents.iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
        Ok(later.take(limit as usize).map(|(_, document)| document.0.clone()).collect())
    }

    fn now(&self) -> i64 {
        self.now.get()
    }

    fn config(&self) -> String {
        if self.config.is_empty() { "{}".to_owned() } else { self.config.clone() }
    }
}

fn spec(id: &str) -> DomainSpec {
    let disk = Disk { id: "disk-1".into(), size_gib: 1, image_blob: None, image_format: None, boot_index: 0 };
    DomainSpec {
        server_id: id.into(),
        name: "one".into(),
        hostname: "one".into(),
        vcpus: 2,
        memory_mib: 512,
        disks: vec![disk],
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

fn key(step: &str) -> StepKey {
    StepKey { operation: "operation-1".into(), step: step.into() }
}

fn made(fake: &Fake) -> Simulator<&Fake> {
    let simulator = Simulator::new(fake).unwrap();
    let spec = spec("s");
    for _ in 0..2 {
        simulator.create_disks(&key("disks"), &spec).unwrap();
        simulator.define(&key("define"), &spec).unwrap();
        simulator.start(&key("start"), "s").unwrap();
    }
    simulator
}

#[test]
fn every_step_may_be_repeated_without_a_second_effect() {
    let fake = Fake::default();
    let simulator = made(&fake);
    let domain = simulator.inspect("s").unwrap().unwrap();
    assert_eq!(domain.disks, ["disk-1"]);
    assert_eq!(domain.power, Power::Running);
    assert_eq!(domain.operation, "operation-1");
    assert_eq!(simulator.list(None, 10).unwrap().len(), 1);
    assert_eq!(simulator.console("s", 10_000).unwrap().matches("boot with 2 vCPU").count(), 1);
}

#[test]
fn nothing_is_left_after_the_last_removal_and_removing_again_is_no_error() {
    let fake = Fake::default();
    let simulator = made(&fake);
    for _ in 0..2 {
        assert!(matches!(simulator.undefine(&key("undefine"), "s").unwrap(), Progress::Done));
        assert!(matches!(simulator.delete_disks(&key("disks"), "s", &["disk-1".into()]).unwrap(), Progress::Done));
    }
    assert!(simulator.inspect("s").unwrap().is_none());
    assert!(fake.documents.borrow().is_empty());
}

#[test]
fn a_delayed_step_is_pending_until_its_time() {
    let fake = Fake { config: r#"{"delay-ms":{"start":5}}"#.into(), ..Fake::default() };
    let simulator = made(&fake);
    simulator.stop(&key("stop"), "s", false).unwrap();
    let Progress::Pending(token) = simulator.start(&key("start"), "s").unwrap() else { panic!("not pending") };
    assert!(matches!(simulator.poll(&key("start"), "s", &token).unwrap(), Progress::Pending(_)));
    fake.now.set(5000);
    assert!(matches!(simulator.poll(&key("start"), "s", &token).unwrap(), Progress::Done));
}

#[test]
fn a_guest_that_ignores_a_soft_stop_obeys_a_hard_one() {
    let fake = Fake { config: r#"{"ignore-soft-stop":true}"#.into(), ..Fake::default() };
    let simulator = made(&fake);
    let Progress::Pending(token) = simulator.stop(&key("stop"), "s", true).unwrap() else { panic!("not pending") };
    assert!(matches!(simulator.poll(&key("stop"), "s", &token).unwrap(), Progress::Pending(_)));
    assert!(matches!(simulator.stop(&key("stop"), "s", false).unwrap(), Progress::Done));
    assert!(matches!(simulator.poll(&key("stop"), "s", &token).unwrap(), Progress::Done));
}

#[test]
fn a_domain_is_not_defined_over_missing_disks_and_not_started_undefined() {
    let fake = Fake::default();
    let simulator = Simulator::new(&fake).unwrap();
    assert_eq!(simulator.define(&key("define"), &spec("s")).unwrap_err().code, ErrorCode::WrongState);
    assert_eq!(simulator.start(&key("start"), "s").unwrap_err().code, ErrorCode::NotFound);
    assert!(fake.documents.borrow().is_empty());
}

#[test]
fn a_lost_race_is_tried_again_and_a_storm_is_a_retryable_error() {
    let fake = Fake { races: Cell::new(3), ..Fake::default() };
    made(&fake);
    fake.races.set(RACES);
    let error = Simulator::new(&fake).unwrap().stop(&key("stop"), "s", false).unwrap_err();
    assert!(error.retryable);
}

#[test]
fn a_removal_does_not_take_the_effect_of_a_call_beside_it() {
    let fake = Fake::default();
    let simulator = Simulator::new(&fake).unwrap();
    simulator.create_disks(&key("disks"), &spec("s")).unwrap();
    let (mut beside, _) = simulator.read("s").unwrap().unwrap();
    beside.disks.push("disk-2".into());
    fake.intruder.replace(Some(beside));
    simulator.delete_disks(&key("disks"), "s", &["disk-1".into()]).unwrap();
    assert_eq!(simulator.inspect("s").unwrap().unwrap().disks, ["disk-2"]);
}

#[test]
fn an_unknown_key_of_the_configuration_is_refused() {
    let fake = Fake { config: r#"{"delays":1}"#.into(), ..Fake::default() };
    assert!(Simulator::new(&fake).is_err());
}

#[test]
fn a_call_fails_before_its_effect_as_often_as_is_said() {
    let fake = Fake::of(r#"{"faults":[{"call":"create-disks","when":"before","times":2}]}"#);
    for _ in 0..2 {
        let error = Simulator::new(&fake).unwrap().create_disks(&key("disks"), &spec("s")).unwrap_err();
        assert_eq!((error.code, error.retryable), (ErrorCode::NotSupported, false));
        assert!(fake.documents.borrow().is_empty());
    }
    // Each call above was a life of its own: the count is kept.
    assert_eq!(Simulator::new(&fake).unwrap().create_disks(&key("disks"), &spec("s")).unwrap(), Progress::Done);
}

#[test]
fn a_call_fails_after_its_effect_or_loses_its_reply() {
    for (when, retryable) in [("after", false), ("lost-reply", true)] {
        let fake = Fake::of(&format!(r#"{{"faults":[{{"call":"create-disks","when":"{when}"}}]}}"#));
        let simulator = Simulator::new(&fake).unwrap();
        for _ in 0..3 {
            let error = simulator.create_disks(&key("disks"), &spec("s")).unwrap_err();
            assert_eq!(error.retryable, retryable, "{when}");
            assert_eq!(simulator.inspect("s").unwrap().unwrap().disks, ["disk-1"], "{when}");
        }
        assert!(fake.faults.borrow().is_empty(), "what strikes every time is not counted");
    }
}

#[test]
fn every_call_has_its_faults() {
    for call in ["create-disks", "delete-disks", "define", "undefine", "start", "stop"] {
        let mut fake = Fake::default();
        made(&fake);
        fake.config = format!(r#"{{"faults":[{{"call":"{call}","when":"lost-reply"}}]}}"#);
        let simulator = Simulator::new(&fake).unwrap();
        let key = key("step");
        let calls = [
            ("create-disks", simulator.create_disks(&key, &spec("s"))),
            ("define", simulator.define(&key, &spec("s"))),
            ("start", simulator.start(&key, "s")),
            ("stop", simulator.stop(&key, "s", false)),
            ("undefine", simulator.undefine(&key, "s")),
            ("delete-disks", simulator.delete_disks(&key, "s", &["disk-1".into()])),
        ];
        let failed: Vec<&str> = calls.iter().filter(|(_, result)| result.is_err()).map(|(name, _)| *name).collect();
        assert_eq!(failed, [call]);
        assert!(fake.documents.borrow().is_empty());
    }
}

#[test]
fn a_fault_of_one_server_spares_the_others_and_another_id_counts_anew() {
    let mut fake = Fake::of(r#"{"faults":[{"call":"create-disks","when":"before","server":"s","times":1}]}"#);
    let create =
        |fake: &Fake, server: &str| Simulator::new(fake).unwrap().create_disks(&key("disks"), &spec(server)).is_ok();
    assert!(create(&fake, "t"));
    assert_eq!([create(&fake, "s"), create(&fake, "s")], [false, true]);
    fake.config = fake.config.replace(r#""times""#, r#""id":"2","times""#);
    assert_eq!([create(&fake, "s"), create(&fake, "s")], [false, true]);
}
