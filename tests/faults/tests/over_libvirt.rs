//! The real process over a real libvirt: killed at every write of the step log, between the effects of one driver call,
//! cut off from its daemon, and with calls that fail or lose their reply. Skipped, and counted so, where there is no libvirt.

use driver_tests::{eventually, skip};
use skyloom_faults::PATIENCE;
use skyloom_faults::deployment::{Deployment, missing};
use skyloom_faults::gate::{Act as Blow, Procedure, Strike};
use skyloom_faults::libvirt::Libvirt;
use skyloom_faults::walk::{Act, Doom, Kind, Points, Walk, every_write};
use skyloom_jobs::faults::Moment;

/// The platform, or the end of the test.
fn bench(test: &str) -> Option<Libvirt> {
    let bench = match missing("libvirt") {
        Some(reason) => Err(reason),
        None => Libvirt::start(),
    };
    bench.map_err(|reason| skip(test, &reason)).ok()
}

async fn walk<'p>(platform: &'p Libvirt, folder: &std::path::Path) -> Walk<'p> {
    let mut deployment = Deployment::new(folder, platform, None);
    deployment.programs = Some(platform.tool.programs());
    Walk::begin(deployment, platform, None).await
}

fn strike(procedure: Procedure, moment: Moment, act: Blow) -> Doom {
    Doom::Gate(Strike { procedure, moment, act })
}

/// For each kind of operation the calls to libvirt that change something, in their order.
const CALLS: [(Kind, &[Procedure]); Kind::ALL.len()] = [
    (Kind::Create, &[Procedure::Define, Procedure::UpdateNetwork, Procedure::Start]),
    (Kind::Stop, &[Procedure::Destroy]),
    (Kind::Start, &[Procedure::Start]),
    (Kind::Reboot, &[Procedure::Destroy, Procedure::Start]),
    (
        Kind::Rebuild,
        &[Procedure::Destroy, Procedure::UpdateNetwork, Procedure::Undefine, Procedure::Define, Procedure::Start],
    ),
    (Kind::Resize, &[Procedure::Destroy, Procedure::Define, Procedure::Start]),
    (Kind::Revert, &[Procedure::Destroy, Procedure::Define, Procedure::Start]),
    (Kind::Delete, &[Procedure::Destroy, Procedure::UpdateNetwork, Procedure::Undefine]),
];

/// The steps of each kind that call the driver.
const STEPS: [(Kind, &str); 21] = [
    (Kind::Create, "disks"),
    (Kind::Create, "define"),
    (Kind::Create, "start"),
    (Kind::Stop, "stop"),
    (Kind::Start, "start"),
    (Kind::Reboot, "stop"),
    (Kind::Reboot, "start"),
    (Kind::Rebuild, "stop"),
    (Kind::Rebuild, "clear"),
    (Kind::Rebuild, "disk"),
    (Kind::Rebuild, "define"),
    (Kind::Rebuild, "start"),
    (Kind::Resize, "stop"),
    (Kind::Resize, "reconfigure"),
    (Kind::Resize, "start"),
    (Kind::Revert, "stop"),
    (Kind::Revert, "reconfigure"),
    (Kind::Revert, "start"),
    (Kind::Delete, "power-off"),
    (Kind::Delete, "undefine"),
    (Kind::Delete, "delete-disks"),
];

/// As many ways as the longest of the operations has calls; where one has fewer, nothing strikes it in the last ones.
fn calls(moment: Moment, act: Blow) -> Vec<[Act; Kind::ALL.len()]> {
    let longest = CALLS.iter().map(|(_, calls)| calls.len()).max().unwrap_or(0);
    let at = |index: usize| {
        CALLS.map(|(kind, calls)| {
            let doom = calls.get(index).map_or(Doom::None, |call| strike(*call, moment, act));
            Act::new(kind, doom)
        })
    };
    (0..longest).map(at).collect()
}

fn count(struck: &[bool]) -> usize {
    struck.iter().filter(|struck| **struck).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_write_over_libvirt() {
    let Some(platform) = bench("faults libvirt, kill -9 at every write") else { return };
    let folder = tempfile::tempdir_in(platform.folder()).unwrap();
    let mut walk = walk(&platform, folder.path()).await;
    let points = Points::of_a_slow_platform();
    println!("kill -9 over libvirt, writes, {points:?}: {} points", every_write(&mut walk, points).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_within_the_calls_of_a_driver() {
    let Some(platform) = bench("faults libvirt, kill -9 within calls") else { return };
    let folder = tempfile::tempdir_in(platform.folder()).unwrap();
    let mut walk = walk(&platform, folder.path()).await;
    let mut points = 0;
    for moment in [Moment::Before, Moment::After] {
        for acts in calls(moment, Blow::Kill) {
            points += count(&walk.way("", &acts).await);
        }
    }
    for call in ["create", "info", "resize"] {
        for doom in [Doom::Tool(call, Moment::Before), Doom::Tool(call, Moment::After), Doom::LateTool(call)] {
            let acts = [Act::new(Kind::Create, doom), Act::new(Kind::Delete, Doom::None)];
            points += count(&walk.way("", &acts).await);
        }
    }
    println!("kill -9 over libvirt, within calls: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_fail_lose_their_reply_or_their_daemon() {
    let Some(platform) = bench("faults libvirt, failing calls") else { return };
    let folder = tempfile::tempdir_in(platform.folder()).unwrap();
    let mut walk = walk(&platform, folder.path()).await;
    let mut points = 0;
    for moment in [Moment::Before, Moment::After] {
        for acts in calls(moment, Blow::Cut) {
            points += count(&walk.way("", &acts).await);
        }
    }
    for failure in ["fail-before", "fail-after", "lose-reply", "repeat"] {
        let fault = |(kind, step): &(Kind, &str)| {
            let kind = kind.name();
            format!("[[faults.driver]]\noperation = \"{kind}\"\nstep = \"{step}\"\nfailure = \"{failure}\"\n")
        };
        let faults: String = STEPS.iter().map(fault).collect();
        let before = walk.strikes();
        walk.way(&faults, &Kind::ALL.map(|kind| Act::new(kind, Doom::None))).await;
        assert_eq!(walk.strikes() - before, STEPS.len(), "{failure}: each step was struck once");
        points += STEPS.len();
    }
    println!("failing calls over libvirt: {points} points");
}

/// A creation that cannot succeed is killed at each write of its unwinding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_a_creation_unwinds() {
    let Some(platform) = bench("faults libvirt, kill -9 while unwinding") else { return };
    let folder = tempfile::tempdir_in(platform.folder()).unwrap();
    let mut walk = walk(&platform, folder.path()).await;
    // It has its effect each time, so there is a running guest to take back.
    let faults =
        "[[faults.driver]]\noperation = \"server.create\"\nstep = \"start\"\nfailure = \"fail-after\"\ntimes = 0\n";
    let mut points = 0;
    for write in 4.. {
        let doom = Doom::Write(write, Moment::Before);
        let create = Act { kind: Kind::Create, doom, fails: true };
        let struck = walk.way(faults, &[create, Act::new(Kind::Delete, Doom::None)]).await;
        if !struck[0] {
            break;
        }
        points += 1;
    }
    assert!(points >= 5, "the unwinding has five writes at least, killed were {points}");
    println!("kill -9 over libvirt, unwinding: {points} points");
}

/// The process begins without its platform, says so, refuses servers clearly, and takes them in the same life once it is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_away_at_the_start_is_attached_when_it_is_back() {
    let Some(platform) = bench("faults libvirt, away at the start") else { return };
    let folder = tempfile::tempdir_in(platform.folder()).unwrap();
    platform.hide(true);
    let mut walk = walk(&platform, folder.path()).await;
    let attached = "node_attached{node=\"node-1\"}";
    assert_eq!(walk.metric(attached), Some(0.0));
    let create = Act { kind: Kind::Create, doom: Doom::None, fails: true };
    walk.way("", &[create, Act::new(Kind::Delete, Doom::None)]).await;
    assert_eq!(walk.metric(attached), Some(0.0));
    platform.hide(false);
    let back = async || (walk.metric(attached) == Some(1.0)).then_some(());
    eventually("the platform is attached", PATIENCE, back).await;
    walk.way("", &Kind::ALL.map(|kind| Act::new(kind, Doom::None))).await;
}
