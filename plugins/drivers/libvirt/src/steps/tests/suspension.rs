//! Guests that stand still, and go on.

use super::*;

#[test]
fn a_guest_that_stands_still_goes_on_and_cannot_be_asked_to_stop() {
    let fake = Fake::default();
    make(&fake).unwrap();
    let driver = Libvirt::new(&fake).unwrap();
    let power = || driver.inspect(ID).unwrap().unwrap().power;
    driver.pause(ID).unwrap();
    assert_eq!(power(), Power::Paused);
    assert_eq!(driver.resume(ID).unwrap_err().code, ErrorCode::WrongState);
    driver.unpause(ID).unwrap();
    assert_eq!(power(), Power::Running);
    for _ in 0..2 {
        assert_eq!(driver.suspend(ID).unwrap(), Progress::Done);
        assert_eq!(power(), Power::Suspended);
    }
    for _ in 0..2 {
        assert_eq!(driver.resume(ID).unwrap(), Progress::Done);
        assert_eq!(power(), Power::Running);
    }
    driver.pause(ID).unwrap();
    driver.start(ID).unwrap();
    assert_eq!(power(), Power::Running, "a start lets it go on");
    for state in [DomainState::Paused, DomainState::Saved] {
        fake.set_state(ID, state);
        assert_eq!(driver.stop(ID, StopMode::Soft).unwrap(), Progress::Done, "{state:?}");
        assert_eq!(power(), Power::Stopped, "{state:?}");
    }
    assert_eq!(driver.resume(ID).unwrap_err().code, ErrorCode::WrongState);
    assert_eq!(driver.suspend("other").unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn a_save_that_is_under_way_is_waited_for() {
    let fake = Fake { slow: true, ..Fake::default() };
    make(&fake).unwrap();
    let driver = Libvirt::new(&fake).unwrap();
    // This call begins it, or an earlier one has.
    for before in [DomainState::Running, DomainState::Other] {
        fake.set_state(ID, before);
        let Progress::Pending(token) = driver.suspend(ID).unwrap() else { panic!("it goes on: {before:?}") };
        assert!(matches!(driver.poll(&token).unwrap(), Progress::Pending(_)));
        // It came to nothing.
        fake.set_state(ID, DomainState::Running);
        assert!(matches!(driver.poll(&token).unwrap(), Progress::Pending(_)));
        assert_eq!(driver.inspect(ID).unwrap().unwrap().power, Power::Unknown, "it was begun again");
        fake.set_state(ID, DomainState::Saved);
        assert_eq!(driver.poll(&token).unwrap(), Progress::Done);
    }
}
