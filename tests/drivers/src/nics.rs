//! The part of the kit about network cards that come and go.

use skyloom_model::ErrorCode;
use skyloom_runtime::driver::{DomainSpec, Nic, Power, StopMode};

use crate::Bench;
use crate::checks::{booted, expect, finish, key, make, remove, start, twice};

/// A network card comes to a server that runs, and goes, every call twice; it outlasts the next start, and goes with its server.
pub async fn hotplug_nics(bench: &dyn Bench) {
    let driver = bench.load().await;
    assert!(driver.hotplugs());
    let (driver, spec, nic) = (&*driver, &bench.spec(), &a_card(bench));
    let id = &spec.server_id;
    let all = &DomainSpec { nics: [spec.nics.as_slice(), std::slice::from_ref(nic)].concat(), ..spec.clone() };
    make(bench, driver, spec).await;
    let refused = async |what: &str, code: ErrorCode| {
        let attach = driver.attach_nic(&key("attach"), id, nic).await.expect_err(what);
        let detach = driver.detach_nic(&key("detach"), id, nic).await.expect_err(what);
        assert_eq!((attach.code, detach.code), (code, code), "{what}");
        assert_eq!(bench.evidence(all).await, bench.evidence(spec).await, "{what}: nothing of the card is there");
    };
    refused("it is off", ErrorCode::WrongState).await;
    start(bench, driver, id).await;
    booted(bench, driver, id, 1).await;
    bench.assert_nics(spec).await;
    for _ in 0..2 {
        twice(bench, driver, all, &key("attach"), async |key| driver.attach_nic(key, id, nic).await).await;
        bench.assert_nics(all).await;
        twice(bench, driver, all, &key("detach"), async |key| driver.detach_nic(key, id, nic).await).await;
        bench.assert_nics(spec).await;
        assert_eq!(bench.evidence(all).await, bench.evidence(spec).await, "nothing of the card is left");
    }
    let step = key("attach");
    finish(bench, driver, &step, driver.attach_nic(&step, id, nic).await).await;
    let step = key("stop");
    finish(bench, driver, &step, driver.stop(&step, id, StopMode::Hard).await).await;
    start(bench, driver, id).await;
    bench.assert_nics(all).await;
    remove(bench, driver, all).await;
    refused("there is no server", ErrorCode::NotFound).await;
}

/// A card that no other server of the bench has.
fn a_card(bench: &dyn Bench) -> Nic {
    bench.spec().nics.remove(0)
}

/// A server that is off takes and gives up network cards by a change of its definition.
pub async fn other_nics(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let more = &DomainSpec { nics: [spec.nics.as_slice(), &[a_card(bench)]].concat(), ..spec.clone() };
    let none = &DomainSpec { nics: Vec::new(), ..spec.clone() };
    let define = make(bench, driver, spec).await;
    for wanted in [more, spec, none, more] {
        twice(bench, driver, more, &key("reconfigure"), async |key| driver.reconfigure(key, wanted).await).await;
        bench.assert_nics(wanted).await;
        assert_eq!(bench.evidence(more).await, bench.evidence(wanted).await, "nothing is left of cards that went");
        expect(driver, wanted, Power::Stopped, &define).await;
    }
    remove(bench, driver, more).await;
}
