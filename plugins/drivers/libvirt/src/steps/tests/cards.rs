//! Network cards that come and go.

use super::*;

fn card() -> Nic {
    Nic {
        port_id: "port-2".into(),
        mac: "52:54:00:00:00:02".into(),
        platform_network: "default".into(),
        addresses: vec!["10.0.0.9".into()],
        prefix_lengths: vec![24],
        gateway: None,
        dns: vec![],
    }
}

#[test]
fn a_card_that_comes_has_its_address_and_one_that_goes_gives_it_back() {
    let calls = ["set-metadata", "add-dhcp-host", "attach-interface", "inspect"];
    for failing in calls {
        let fake = Fake::default();
        make(&fake).unwrap();
        let before = fake.leases.borrow().clone();
        let driver = Libvirt::new(&fake).unwrap();
        driver.start(ID).unwrap();
        fake.fail_at.replace(Some(failing));
        assert!(driver.attach_nic(ID, &card()).is_err(), "{failing}");
        for _ in 0..2 {
            driver.attach_nic(ID, &card()).unwrap();
        }
        assert!(fake.attached.borrow()[ID].contains("52:54:00:00:00:02"));
        assert_eq!(fake.leases.borrow().len(), before.len() + 1, "{failing}");
        fake.goes_on.set(1);
        let Progress::Pending(token) = driver.detach_nic(ID, &card().mac).unwrap() else { panic!("it keeps it") };
        assert_eq!(fake.leases.borrow().len(), before.len() + 1, "while the guest has it");
        fake.fail_at.replace(Some("remove-dhcp-host"));
        assert!(driver.poll(&token).is_err());
        for _ in 0..2 {
            assert_eq!(driver.poll(&token).unwrap(), Progress::Done);
        }
        assert_eq!(*fake.leases.borrow(), before, "{failing}");
        // What was given to it while it ran goes with it.
        driver.attach_nic(ID, &card()).unwrap();
        remove(&fake).unwrap();
        assert!(fake.is_empty(), "{failing}");
    }
}

#[test]
fn a_server_that_is_off_takes_cards_by_its_definition_alone() {
    for failing in ["define", "add-dhcp-host"] {
        let fake = Fake::default();
        make(&fake).unwrap();
        let before = fake.leases.borrow().clone();
        let driver = Libvirt::new(&fake).unwrap();
        driver.stop(ID, StopMode::Hard).unwrap();
        for off in [DomainState::Saved, DomainState::ShutOff] {
            fake.set_state(ID, off);
            assert_eq!(driver.attach_nic(ID, &card()).unwrap_err().code, ErrorCode::WrongState, "{off:?}");
            assert_eq!(*fake.leases.borrow(), before, "{off:?}: nothing was begun");
        }
        let more = DomainSpec { nics: [spec().nics, vec![card()]].concat(), ..spec() };
        fake.fail_at.replace(Some(failing));
        assert!(driver.reconfigure(&more).is_err(), "{failing}");
        for _ in 0..2 {
            driver.reconfigure(&more).unwrap();
        }
        assert!(fake.domains.borrow()[ID].0.contains("<mac address='52:54:00:00:00:02'/>"));
        assert_eq!(fake.leases.borrow().len(), before.len() + 1, "{failing}");
        fake.fail_at.replace(Some("remove-dhcp-host"));
        assert!(driver.reconfigure(&spec()).is_err());
        driver.reconfigure(&spec()).unwrap();
        assert_eq!(*fake.leases.borrow(), before, "{failing}");
        driver.reconfigure(&more).unwrap();
        remove(&fake).unwrap();
        assert!(fake.is_empty(), "{failing}");
        assert_eq!(driver.attach_nic(ID, &card()).unwrap_err().code, ErrorCode::NotFound);
    }
}
