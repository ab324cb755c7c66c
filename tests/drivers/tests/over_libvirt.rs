//! The kit over libvirt and QEMU, and what only a real platform has. Skipped, and counted so, where the machine has no
//! libvirt or the runtime was built without it.

use driver_tests::libvirt::{Libvirt, NETWORK};
use driver_tests::{Bench, checks, kit, skip};
use skyloom_model::ErrorCode;
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{DiskSource, DomainSpec, ImageBlob, Progress, StopMode};

/// None: the test is over.
fn bench(test: &str) -> Option<Libvirt> {
    Libvirt::start().map_err(|reason| skip(&format!("driver-tests libvirt {test}"), &reason)).ok()
}

kit!(bench, admin_password, hotplug, hotplug_nics, suspension);

/// What the core says of the guest is what the guest has: its name and its address, by its own word.
#[tokio::test]
async fn the_guest_is_what_the_core_says() {
    let Some(bench) = bench("the_guest_is_what_the_core_says") else { return };
    let (driver, spec) = (bench.load().await, bench.spec());
    let id = &spec.server_id;
    checks::make(&bench, &*driver, &spec).await;
    let entries = bench.dhcp_entries(&spec.nics[0].mac);
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert!(entries[0].contains(&spec.nics[0].addresses[0]), "{entries:?}");
    checks::start(&bench, &*driver, id).await;
    checks::booted(&bench, &*driver, id, 1).await;
    let console = driver.console_output(id, 1 << 20).await.unwrap();
    let line = console.lines().find(|line| line.contains("SKYLOOM-GUEST-ADDRESS")).unwrap();
    assert!(line.contains(&format!("host={}", spec.hostname)), "{line}");
    assert!(line.contains(&format!("ip={}", spec.nics[0].addresses[0])), "{line}");
    checks::remove(&bench, &*driver, &spec).await;
}

/// Many servers may have one name; each of them gets its own address all the same.
#[tokio::test]
async fn servers_of_one_name_have_their_own_addresses() {
    let Some(bench) = bench("servers_of_one_name_have_their_own_addresses") else { return };
    let driver = bench.load().await;
    let specs = [bench.spec(), bench.spec()].map(|spec| DomainSpec { hostname: "guest".to_owned(), ..spec });
    for spec in &specs {
        checks::make(&bench, &*driver, spec).await;
    }
    for spec in &specs {
        let entries = bench.dhcp_entries(&spec.nics[0].mac);
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert!(entries[0].contains(&format!("ip='{}'", spec.nics[0].addresses[0])), "{entries:?}");
    }
    // An address that is somebody else's already is refused, and what was begun is taken back.
    let mut third = bench.spec();
    third.nics[0].addresses.clone_from(&specs[0].nics[0].addresses);
    let (key, secrets) = (checks::key("define"), SecretVault::default());
    checks::make_disks(&bench, &*driver, &third.disks).await;
    assert_eq!(driver.define(&key, &third, &secrets).await.expect_err("taken").code, ErrorCode::DriverFailed);
    for spec in specs.iter().chain([&third]) {
        checks::remove(&bench, &*driver, spec).await;
    }
}

/// A domain that Skyloom didn't make is nobody's to touch, whatever its UUID.
#[tokio::test]
async fn foreign_domains_are_untouchable() {
    let Some(bench) = bench("foreign_domains_are_untouchable") else { return };
    let driver = bench.load().await;
    let spec = bench.spec();
    let id = &spec.server_id;
    bench.define_by_hand(&format!(
        "<domain type='qemu'><name>by-hand-{id}</name><uuid>{id}</uuid><memory unit='MiB'>64</memory>\
         <os><type arch='x86_64'>hvm</type></os></domain>"
    ));
    bench.virsh(&["start", id]);
    let before = bench.virsh(&["dumpxml", id]);

    let mut refused = Vec::new();
    let key = checks::key("define");
    checks::make_disks(&bench, &*driver, &spec.disks).await;
    refused.push(("define", driver.define(&key, &spec, &SecretVault::default()).await.map(|_| ())));
    refused.push(("attach", driver.attach_disk(&key, id, &spec.disks[0]).await.map(|_| ())));
    refused.push(("detach", driver.detach_disk(&key, id, &spec.disks[0].id).await.map(|_| ())));
    refused.push(("attach a card", driver.attach_nic(&key, id, &spec.nics[0]).await.map(|_| ())));
    refused.push(("detach a card", driver.detach_nic(&key, id, &spec.nics[0]).await.map(|_| ())));
    refused.push(("undefine", driver.undefine(&key, id).await.map(|_| ())));
    refused.push(("start", driver.start(&key, id).await.map(|_| ())));
    refused.push(("soft stop", driver.stop(&key, id, StopMode::Soft).await.map(|_| ())));
    refused.push(("hard stop", driver.stop(&key, id, StopMode::Hard).await.map(|_| ())));
    refused.push(("pause", driver.pause(&key, id).await.map(|_| ())));
    refused.push(("unpause", driver.unpause(&key, id).await.map(|_| ())));
    refused.push(("suspend", driver.suspend(&key, id).await.map(|_| ())));
    refused.push(("resume", driver.resume(&key, id).await.map(|_| ())));
    refused.push(("inspect", driver.inspect(id).await.map(|_| ())));
    refused.push(("console", driver.console_output(id, 100).await.map(|_| ())));
    for (call, answer) in refused {
        assert_eq!(answer.expect_err(call).code, ErrorCode::Forbidden, "{call}");
    }
    let listed = driver.servers(None, 1000).await.unwrap();
    assert!(!listed.iter().any(|domain| domain.server_id == *id), "the domain is not ours");
    assert_eq!(bench.virsh(&["dumpxml", id]), before, "as it was, and running");
    assert!(bench.dhcp_entries(&spec.nics[0].mac).is_empty());

    bench.virsh(&["destroy", id]);
    bench.virsh(&["undefine", id]);
    checks::remove(&bench, &*driver, &spec).await;
}

/// Whatever a user typed stands in libvirt's XML as the text that it is: no element, disk or card more.
#[tokio::test]
async fn no_name_breaks_out_of_its_element() {
    let Some(bench) = bench("no_name_breaks_out_of_its_element") else { return };
    let driver = bench.load().await;
    for text in checks::HOSTILE {
        let mut spec =
            DomainSpec { name: (*text).to_owned(), kernel_arguments: Some((*text).to_owned()), ..bench.spec() };
        spec.metadata = vec![((*text).to_owned(), (*text).to_owned())];
        checks::make(&bench, &*driver, &spec).await;
        let xml = bench.virsh(&["dumpxml", "--inactive", &spec.server_id]);
        let count = |element: &str| xml.matches(element).count();
        assert_eq!(count("<domain "), 1, "{xml}");
        assert_eq!(count("<title>"), 1, "{xml}");
        assert_eq!(count("<cmdline>"), 1, "{xml}");
        assert_eq!(count("<disk "), spec.disks.len() + 1, "disks and seed: {xml}");
        assert_eq!(count("<interface "), spec.nics.len(), "{xml}");
        for element in ["<filesystem", "<hostdev", "<!ENTITY", "<qemu:", "<target dir="] {
            assert_eq!(count(element), 0, "{element} {xml}");
        }
        checks::remove(&bench, &*driver, &spec).await;
    }
}

/// Names that would be paths, or lead to what the grant doesn't hold.
#[tokio::test]
async fn names_lead_nowhere_else() {
    let Some(bench) = bench("names_lead_nowhere_else") else { return };
    let driver = bench.load().await;
    let refused = async |what: &str, spec: DomainSpec, codes: &[ErrorCode]| {
        let (key, mut answer) = (checks::key("make"), Ok(Progress::Done));
        for disk in &spec.disks {
            if answer.is_ok() {
                answer = driver.create_disk(&key, disk).await;
            }
        }
        if answer.is_ok() {
            answer = driver.define(&key, &spec, &SecretVault::default()).await;
        }
        let error = answer.expect_err(what);
        assert!(codes.contains(&error.code), "{what}: {}", error.for_log());
        assert!(!error.message.contains("/tmp/"), "{what}: no path in {}", error.message);
        // A server that could have a name has left nothing, but for the disks that could have none.
        if uuid::Uuid::parse_str(&spec.server_id).is_ok() {
            let disks = spec.disks.iter().filter(|disk| uuid::Uuid::parse_str(&disk.id).is_ok()).cloned().collect();
            checks::remove(&bench, &*driver, &DomainSpec { disks, ..spec }).await;
        }
    };
    let image =
        |blob: &str, format: &str| DiskSource::Image(ImageBlob { blob: blob.to_owned(), format: format.to_owned() });
    const INVALID: &[ErrorCode] = &[ErrorCode::Invalid];
    let spec = || bench.spec();
    for id in ["../../etc/passwd", "", "..", "/etc/passwd", "a b", "--help", "x\0y"] {
        refused("server id", DomainSpec { server_id: id.to_owned(), ..spec() }, INVALID).await;
        let mut other = spec();
        other.disks[0].id = format!("{id}/x");
        refused("disk id", other, INVALID).await;
        let mut other = spec();
        other.disks[0].source = image(&format!("../{id}"), "qcow2");
        refused("image", other, INVALID).await;
        refused("kernel", DomainSpec { kernel_blob: Some(format!("../{id}")), ..spec() }, INVALID).await;
    }
    for network in ["default", "skyloom'/><source network='default", "", "SKYLOOM"] {
        let mut other = spec();
        other.nics[0].platform_network = network.to_owned();
        refused("network", other, &[ErrorCode::Forbidden, ErrorCode::Invalid]).await;
    }
    for format in ["vmdk", "", "raw,file=/etc/passwd"] {
        let mut other = spec();
        other.disks[0].source = image("disk.qcow2", format);
        refused("image format", other, INVALID).await;
    }
    assert!(bench.virsh(&["net-dumpxml", NETWORK]).matches("<source").count() == 0);
}
