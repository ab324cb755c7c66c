//! The kit. Each check makes servers of its own and leaves nothing of them, so checks may run beside one another.

use skyloom_model::{ErrorCode, Result};
use skyloom_runtime::context::SecretVault;
use skyloom_runtime::driver::{Disk, DiskSource, Domain, DomainSpec, Driver, Power, Progress, StepKey, StopMode};

pub use crate::disks::{export, hotplug, new_system_disk, other_disks};
pub use crate::nics::{hotplug_nics, other_nics};
pub use crate::suspension::suspension;
use crate::{Bench, eventually};

/// A key as a new operation has it.
pub fn key(step: &str) -> StepKey {
    StepKey { operation: uuid::Uuid::new_v4().to_string(), step: step.to_owned() }
}

/// Follows a step to its end.
pub async fn finish(bench: &dyn Bench, driver: &dyn Driver, key: &StepKey, begun: Result<Progress>) {
    let Progress::Pending(token) = begun.unwrap_or_else(|error| panic!("{}: {}", key.step, error.for_log())) else {
        return;
    };
    let what = format!("{} is done", key.step);
    eventually(&what, bench.deadline(), async || match driver.poll(key, &token).await {
        Ok(Progress::Done) => Some(()),
        Ok(Progress::Pending(_)) => None,
        Err(error) => panic!("{}: {}", key.step, error.for_log()),
    })
    .await;
}

/// Does a step to its end, then again with the same key: the second one must change nothing.
pub(crate) async fn twice(
    bench: &dyn Bench,
    driver: &dyn Driver,
    spec: &DomainSpec,
    key: &StepKey,
    step: impl AsyncFn(&StepKey) -> Result<Progress>,
) {
    finish(bench, driver, key, step(key).await).await;
    let first = bench.evidence(spec).await;
    finish(bench, driver, key, step(key).await).await;
    assert_eq!(first, bench.evidence(spec).await, "{} had a second effect", key.step);
}

/// Disks of a server.
pub async fn make_disks(bench: &dyn Bench, driver: &dyn Driver, disks: &[Disk]) {
    for disk in disks {
        let step = key("create-disk");
        finish(bench, driver, &step, driver.create_disk(&step, disk).await).await;
    }
}

pub async fn remove_disks(bench: &dyn Bench, driver: &dyn Driver, disks: &[Disk]) {
    for disk in disks {
        let step = key("remove-disk");
        finish(bench, driver, &step, driver.remove_disk(&step, &disk.id).await).await;
    }
}

/// Disks and definition of a server; gives the operation's name.
pub async fn make(bench: &dyn Bench, driver: &dyn Driver, spec: &DomainSpec) -> String {
    make_disks(bench, driver, &spec.disks).await;
    let key = key("define");
    finish(bench, driver, &key, driver.define(&key, spec, &SecretVault::default()).await).await;
    key.operation
}

/// Removes a server and sees that nothing of it is left.
pub async fn remove(bench: &dyn Bench, driver: &dyn Driver, spec: &DomainSpec) {
    let id = &spec.server_id;
    let step = key("undefine");
    finish(bench, driver, &step, driver.undefine(&step, id).await).await;
    assert!(inspect(driver, id).await.is_none(), "nothing is left of {id}");
    remove_disks(bench, driver, &spec.disks).await;
    assert_eq!(bench.evidence(spec).await, Vec::<String>::new(), "the platform keeps nothing of {id}");
}

/// Those of the ids that the driver lists as disks, a page after the other.
pub async fn disks_listed(driver: &dyn Driver, ids: &[String], limit: u32) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let page = driver.disks(found.last().map(String::as_str), limit).await.expect("a page");
        assert!(page.len() <= limit as usize);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert!(found.is_sorted_by(|one, next| one < next), "ascending, none twice: {found:?}");
    // Another check's disks may be among them.
    found.retain(|id| ids.contains(id));
    found
}

pub fn disk_ids(spec: &DomainSpec) -> Vec<String> {
    spec.disks.iter().map(|disk| disk.id.clone()).collect()
}

pub async fn inspect(driver: &dyn Driver, id: &str) -> Option<Domain> {
    driver.inspect(id).await.unwrap_or_else(|error| panic!("inspect {id}: {}", error.for_log()))
}

pub(crate) async fn expect(driver: &dyn Driver, spec: &DomainSpec, power: Power, operation: &str) {
    let domain = inspect(driver, &spec.server_id).await.expect("the server exists");
    assert_eq!(domain.server_id, spec.server_id);
    assert_eq!(domain.power, power);
    assert_eq!(domain.operation, operation, "the operation that defined it");
}

pub async fn start(bench: &dyn Bench, driver: &dyn Driver, id: &str) {
    let step = key("start");
    finish(bench, driver, &step, driver.start(&step, id).await).await;
}

/// Waits until the guest came up for the so-manyth time; where there is no console, that is nowhere to be seen.
pub async fn booted(bench: &dyn Bench, driver: &dyn Driver, id: &str, times: usize) {
    let Some(ready) = bench.ready_text() else { return };
    let what = format!("{times} boots of {id}");
    console_shows(bench, driver, id, &what, |console| console.matches(ready).count() >= times).await;
}

/// Waits until the console has this text.
pub(crate) async fn said(bench: &dyn Bench, driver: &dyn Driver, id: &str, text: &str) {
    console_shows(bench, driver, id, text, |console| console.contains(text)).await;
}

/// Waits for what the console shows; where it doesn't come, the console's end says what came instead.
async fn console_shows(
    bench: &dyn Bench,
    driver: &dyn Driver,
    id: &str,
    what: &str,
    shows: impl Fn(&str) -> bool + Send + Sync,
) {
    let read = async || driver.console_output(id, 1 << 20).await.unwrap_or_else(|error| panic!("{}", error.for_log()));
    let wait = crate::asked(async || shows(&read().await).then_some(()));
    if tokio::time::timeout(bench.deadline(), wait).await.is_err() {
        let console = read().await;
        let from = console.len().saturating_sub(4000);
        let end = console.char_indices().find(|(at, _)| *at >= from).map_or("", |(at, _)| &console[at..]);
        panic!(
            "not on the console within {:?}: {what}; {:?} has at the end:\n{end}",
            bench.deadline(),
            inspect(driver, id).await
        );
    }
}

/// A whole life, every call twice.
pub async fn life(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let id = &spec.server_id;
    assert!(inspect(driver, id).await.is_none());

    for disk in &spec.disks {
        twice(bench, driver, spec, &key("create-disk"), async |key| driver.create_disk(key, disk).await).await;
    }
    assert!(inspect(driver, id).await.is_none(), "disks are no server");
    let create = key("define");
    twice(bench, driver, spec, &create, async |key| driver.define(key, spec, &SecretVault::default()).await).await;
    expect(driver, spec, Power::Stopped, &create.operation).await;

    twice(bench, driver, spec, &key("start"), async |key| driver.start(key, id).await).await;
    expect(driver, spec, Power::Running, &create.operation).await;
    booted(bench, driver, id, 1).await;
    twice(bench, driver, spec, &key("stop"), async |key| driver.stop(key, id, StopMode::Soft).await).await;
    expect(driver, spec, Power::Stopped, &create.operation).await;

    twice(bench, driver, spec, &key("start"), async |key| driver.start(key, id).await).await;
    booted(bench, driver, id, 2).await;
    twice(bench, driver, spec, &key("stop"), async |key| driver.stop(key, id, StopMode::Hard).await).await;
    expect(driver, spec, Power::Stopped, &create.operation).await;

    let mut larger = DomainSpec { vcpus: spec.vcpus + 1, memory_mib: spec.memory_mib + 64, ..spec.clone() };
    for disk in &mut larger.disks {
        disk.size_gib += 1;
        let grow = async |key: &StepKey| driver.grow_disk(key, &disk.id, disk.size_gib).await;
        twice(bench, driver, spec, &key("grow-disk"), grow).await;
    }
    let step = key("reconfigure");
    twice(bench, driver, &larger, &step, async |key| driver.reconfigure(key, &larger).await).await;
    expect(driver, &larger, Power::Stopped, &create.operation).await;
    bench.assert_size(&larger).await;
    twice(bench, driver, spec, &key("start"), async |key| driver.start(key, id).await).await;
    booted(bench, driver, id, 3).await;
    twice(bench, driver, spec, &key("stop"), async |key| driver.stop(key, id, StopMode::Hard).await).await;

    twice(bench, driver, spec, &key("undefine"), async |key| driver.undefine(key, id).await).await;
    assert!(inspect(driver, id).await.is_none());
    assert_eq!(disks_listed(driver, &disk_ids(spec), 1000).await.len(), spec.disks.len(), "its disks stay");
    for disk in &spec.disks {
        twice(bench, driver, spec, &key("remove-disk"), async |key| driver.remove_disk(key, &disk.id).await).await;
    }
    assert_eq!(bench.evidence(spec).await, Vec::<String>::new());
}

/// A disk without a server: made, grown, copied while it is at rest, listed, removed.
pub async fn disks(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let mut copy = Disk { id: uuid::Uuid::new_v4().to_string(), ..spec.disks[0].clone() };
    copy.source = DiskSource::Disk(spec.disks[0].id.clone());
    let refused = driver.create_disk(&key("create-disk"), &copy).await.expect_err("a copy of nothing");
    assert_eq!(refused.code, ErrorCode::WrongState, "{}", refused.for_log());
    let refused = driver.grow_disk(&key("grow-disk"), &copy.id, 3).await.expect_err("nothing grows");
    assert_eq!(refused.code, ErrorCode::NotFound, "{}", refused.for_log());

    let all = &DomainSpec { disks: [spec.disks.as_slice(), &[copy.clone()]].concat(), ..spec.clone() };
    for disk in &all.disks {
        twice(bench, driver, all, &key("create-disk"), async |key| driver.create_disk(key, disk).await).await;
    }
    let grow = async |key: &StepKey| driver.grow_disk(key, &copy.id, copy.size_gib + 1).await;
    twice(bench, driver, all, &key("grow-disk"), grow).await;
    // Smaller than it is: it stays.
    twice(bench, driver, all, &key("grow-disk"), async |key| driver.grow_disk(key, &copy.id, 1).await).await;
    let mut ids = disk_ids(all);
    ids.sort();
    for limit in [1, 2, 1000] {
        assert_eq!(disks_listed(driver, &ids, limit).await, ids, "limit {limit}");
    }
    remove_disks(bench, driver, &all.disks).await;
    assert_eq!(bench.evidence(all).await, Vec::<String>::new());
}

/// The end of the console's text, however much is asked for; or that there is none.
pub async fn console(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (driver, spec) = (&*driver, &bench.spec());
    let id = &spec.server_id;
    make(bench, driver, spec).await;
    let Some(ready) = bench.ready_text() else {
        let error = driver.console_output(id, 100).await.expect_err("no console");
        assert_eq!(error.code, ErrorCode::NotSupported, "{}", error.for_log());
        return remove(bench, driver, spec).await;
    };
    assert_eq!(driver.console_output(id, 100).await.expect("console"), "", "before the first start");
    start(bench, driver, id).await;
    booted(bench, driver, id, 1).await;
    let step = key("stop");
    finish(bench, driver, &step, driver.stop(&step, id, StopMode::Hard).await).await;
    // Off, so that nothing is added between the two looks.
    let whole = driver.console_output(id, 1 << 20).await.expect("console");
    assert!(whole.contains(ready));
    let end = driver.console_output(id, 10).await.expect("console");
    assert!(!end.is_empty() && end.len() <= 10 && whole.ends_with(&end), "{end:?} ends {whole:?}");
    assert_eq!(driver.console_output(id, 0).await.expect("console"), "");
    remove(bench, driver, spec).await;
}

/// The administrator's password reaches the guest, and the driver only ever has a handle.
pub async fn admin_password(bench: &dyn Bench) {
    let driver = bench.load().await;
    let (secrets, password) = (SecretVault::new(), "quo\"te 'n $6$ pä{ss}");
    let spec = &DomainSpec { admin_password: Some(secrets.put(password)), ..bench.spec() };
    let (driver, id) = (&*driver, &spec.server_id);
    make_disks(bench, driver, &spec.disks).await;
    twice(bench, driver, spec, &key("define"), async |key| driver.define(key, spec, &secrets).await).await;
    start(bench, driver, id).await;
    booted(bench, driver, id, 1).await;
    bench.assert_password(driver, spec, password).await;
    remove(bench, driver, spec).await;
}

/// Without its disks a server is not defined, and nothing of the attempt is left.
pub async fn definition_without_disks(bench: &dyn Bench) {
    let driver = bench.load().await;
    let spec = bench.spec();
    let (step, id, secrets) = (key("define"), &spec.server_id, SecretVault::default());
    for _ in 0..2 {
        assert_eq!(driver.define(&step, &spec, &secrets).await.unwrap_err().code, ErrorCode::WrongState);
        assert!(inspect(&*driver, id).await.is_none());
        assert_eq!(bench.evidence(&spec).await, Vec::<String>::new());
    }
    // One disk of two is not enough.
    assert_eq!(spec.disks.len(), 2);
    make_disks(bench, &*driver, &spec.disks[..1]).await;
    assert_eq!(driver.define(&step, &spec, &secrets).await.unwrap_err().code, ErrorCode::WrongState);
    assert!(inspect(&*driver, id).await.is_none());
    make_disks(bench, &*driver, &spec.disks).await;
    finish(bench, &*driver, &step, driver.define(&step, &spec, &secrets).await).await;
    remove(bench, &*driver, &spec).await;
}

/// A domain that runs is powered off by its removal.
pub async fn removal_of_a_running_server(bench: &dyn Bench) {
    let driver = bench.load().await;
    let spec = bench.spec();
    make(bench, &*driver, &spec).await;
    start(bench, &*driver, &spec.server_id).await;
    remove(bench, &*driver, &spec).await;
}

/// What was never made: no error to remove it, nothing to see, nothing to power.
pub async fn absence(bench: &dyn Bench) {
    let driver = bench.load().await;
    let spec = bench.spec();
    let id = &spec.server_id;
    let done = |what: &str, answer: Result<Progress>| {
        assert!(matches!(answer, Ok(Progress::Done)), "{what} of nothing: {answer:?}");
    };
    for _ in 0..2 {
        done("undefine", driver.undefine(&key("undefine"), id).await);
        for disk in &spec.disks {
            done("remove-disk", driver.remove_disk(&key("remove-disk"), &disk.id).await);
        }
    }
    let absent = |what: &str, code: ErrorCode| assert_eq!(code, ErrorCode::NotFound, "{what} of nothing");
    absent("reconfigure", driver.reconfigure(&key("reconfigure"), &spec).await.unwrap_err().code);
    absent("start", driver.start(&key("start"), id).await.unwrap_err().code);
    for mode in [StopMode::Soft, StopMode::Hard] {
        absent("stop", driver.stop(&key("stop"), id, mode).await.unwrap_err().code);
    }
    if bench.ready_text().is_some() {
        absent("console", driver.console_output(id, 100).await.unwrap_err().code);
    }
    assert!(driver.poll(&key("start"), "a token that nobody gave").await.is_err());
    assert!(inspect(&*driver, id).await.is_none(), "what failed left nothing");
    assert_eq!(bench.evidence(&spec).await, Vec::<String>::new());
}

/// Ascending, a page after the other, nothing twice and nothing left out.
pub async fn list(bench: &dyn Bench) {
    let driver = bench.load().await;
    let specs: Vec<DomainSpec> = (0..3).map(|_| bench.spec()).collect();
    for spec in &specs {
        make(bench, &*driver, spec).await;
    }
    let mut wanted: Vec<&str> = specs.iter().map(|spec| spec.server_id.as_str()).collect();
    wanted.sort_unstable();
    for limit in [1, 2, 1000] {
        let mut found: Vec<String> = Vec::new();
        loop {
            let page = driver.servers(found.last().map(String::as_str), limit).await.expect("a page");
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            found.extend(page.into_iter().map(|domain| domain.server_id));
        }
        assert!(found.is_sorted_by(|one, next| one < next), "ascending, none twice: {found:?}");
        // Another check's servers may be among them.
        found.retain(|id| wanted.contains(&id.as_str()));
        assert_eq!(found, wanted, "limit {limit}");
    }
    let page = driver.servers(None, 1000).await.expect("a page");
    let one = page.iter().find(|domain| domain.server_id == wanted[0]).expect("in the list");
    let alone = inspect(&*driver, wanted[0]).await.expect("exists");
    assert_eq!(format!("{one:?}"), format!("{alone:?}"), "list and inspect say the same");
    for spec in &specs {
        remove(bench, &*driver, spec).await;
    }
}

pub async fn capacity(bench: &dyn Bench) {
    let capacity = bench.load().await.capacity().await.expect("capacity");
    assert!(capacity.vcpus > 0 && capacity.memory_mib > 0 && capacity.disk_gib > 0, "{capacity:?}");
    assert!(!capacity.hypervisor.is_empty() && capacity.hypervisor_version > 0, "{capacity:?}");
}

/// Whatever the component knew of a server it knows after the host came up again.
pub async fn reload(bench: &dyn Bench) {
    let spec = bench.spec();
    let driver = bench.load().await;
    let operation = make(bench, &*driver, &spec).await;
    start(bench, &*driver, &spec.server_id).await;
    let digest = driver.digest().to_owned();
    drop(driver);
    let driver = bench.load().await;
    assert_eq!(driver.digest(), digest);
    expect(&*driver, &spec, Power::Running, &operation).await;
    let before = bench.evidence(&spec).await;
    let again = StepKey { operation, step: "define".to_owned() };
    finish(bench, &*driver, &again, driver.define(&again, &spec, &SecretVault::default()).await).await;
    start(bench, &*driver, &spec.server_id).await;
    assert_eq!(before, bench.evidence(&spec).await, "repeated after the restart, without a second effect");
    remove(bench, &*driver, &spec).await;
}

/// Calls at once: the same one for one server, and for different servers, do not disturb one another.
pub async fn at_once(bench: &dyn Bench) {
    let driver = bench.load().await;
    let specs: Vec<DomainSpec> = (0..4).map(|_| bench.spec()).collect();
    let keys: Vec<StepKey> = specs.iter().map(|_| key("create-disk")).collect();
    let call = async |index: usize| {
        // One that loses a race may say so; it must say that a repetition helps.
        eventually("create-disk", bench.deadline(), async || {
            match driver.create_disk(&keys[index], &specs[index].disks[0]).await {
                Ok(_) => Some(()),
                Err(error) if error.retryable() => None,
                Err(error) => panic!("create-disk: {}", error.for_log()),
            }
        })
        .await;
    };
    futures_util::future::join_all([0, 0, 0, 1, 2, 3].map(call)).await;
    for spec in &specs {
        let ids = disk_ids(spec);
        assert_eq!(disks_listed(&*driver, &ids, 1000).await, ids[..1]);
        remove(bench, &*driver, spec).await;
    }
}

/// Texts that would break out of XML, a shell or a format. Each is taken as a text, or refused; then it left nothing.
pub async fn hostile_names(bench: &dyn Bench) {
    let driver = bench.load().await;
    for text in HOSTILE {
        let spec = DomainSpec { name: (*text).to_owned(), ..bench.spec() };
        make(bench, &*driver, &spec).await;
        assert!(inspect(&*driver, &spec.server_id).await.is_some(), "{text:?}");
        remove(bench, &*driver, &spec).await;
    }
}

/// See [`hostile_names`].
pub const HOSTILE: &[&str] = &[
    "</title></domain><domain type='kvm'>",
    "x</title><devices><filesystem type='mount'><source dir='/'/><target dir='all'/></filesystem></devices><title>",
    "' \" & < > ]]> <![CDATA[ <!-- --> &amp; &#0; &xxe;",
    "a\u{0}b\u{8}c\u{1b}[31m\r\n\t\u{fffe}\u{feff}",
    "$(touch /tmp/x); `id` | ../../etc/passwd %s%n {{7*7}}",
    "名前 \u{202e}gnp.exe 🦀",
];
