//! Every point of every saga, taken from the sagas' own tables.

use std::sync::Arc;

use skyloom_cloud::compute::sagas;
use skyloom_jobs::faults::{Failure, Faults, Moment, Settings};
use skyloom_jobs::{Saga, State, Step};
use skyloom_model::ErrorCode;
use skyloom_store::testing;

use crate::fixture::Fixture;
use crate::kinds::Kind;
use crate::walk::{clear, crash, fault, run};

pub const FAILURES: [Failure; 4] = [Failure::FailBefore, Failure::FailAfter, Failure::LoseReply, Failure::Repeat];
pub const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];
/// More writes than any operation makes, its retries included.
const MOST_WRITES: u32 = 60;

/// The steps of a kind that call the platform.
pub fn steps(fixture: &Fixture, kind: Kind) -> Vec<Step> {
    let all: Vec<Arc<dyn Saga>> = sagas::all(&fixture.cloud, Arc::new(Faults::default()));
    let saga = all.iter().find(|saga| saga.kind() == kind.name()).expect("a saga of this kind");
    let moves = fixture.other.is_some();
    saga.steps().iter().filter(|step| is_called(kind, step.name, moves)).copied().collect()
}

/// `moves`: a resize goes to another node.
fn is_called(kind: Kind, step: &str, moves: bool) -> bool {
    match kind {
        // A guest that is off is neither switched off nor on.
        Kind::Revert { running: false } => step == "reconfigure",
        Kind::Rebuild { running: false } => !["stop", "start"].contains(&step),
        Kind::Resize { running: false } => step == "reconfigure" || (moves && ["export", "disks"].contains(&step)),
        // The disks grow where they are, or go along; what is left elsewhere is left until somebody decides.
        Kind::Resize { .. } | Kind::ResizeForGood => match step {
            "place" => false,
            "grow" => !moves,
            "leave" => moves && kind == Kind::ResizeForGood,
            "export" | "disks" => moves,
            _ => true,
        },
        Kind::Confirm => moves,
        Kind::DeleteResized | Kind::RecycleResized => moves || step != "leave",
        Kind::Purge => !["power-off", "leave"].contains(&step),
        _ => !["place", "leave"].contains(&step),
    }
}

/// The failures that, if they last, make a step fail. Who looks before it switches the guest off doesn't repeat what had its effect.
fn lasting(kind: Kind, step: &str) -> &'static [Failure] {
    if matches!(kind, Kind::Delete | Kind::Purge | Kind::Recycle | Kind::DeleteResized | Kind::RecycleResized)
        || (matches!(kind, Kind::Resize { .. } | Kind::ResizeForGood | Kind::Revert { .. } | Kind::Rebuild { .. })
            && step == "stop")
    {
        &[Failure::FailBefore]
    } else {
        &[Failure::FailAfter, Failure::LoseReply, Failure::FailBefore]
    }
}

async fn sqlite() -> Arc<Fixture> {
    Fixture::new(testing::sqlite().await).await
}

/// One failure of a call is survived; one that stays makes the operation fail, and nothing is left between.
pub async fn driver_faults(fixture: &Fixture, kind: Kind, wanted: &[Failure]) -> u32 {
    let mut points = 0;
    for step in steps(fixture, kind) {
        for &failure in wanted {
            let case = format!("{kind:?} {} {failure:?} once", step.name);
            let faults = Settings { driver: vec![fault(kind, step.name, failure, 1)], ..Settings::default() };
            let rest = run(fixture, kind, faults, true, &case).await;
            assert_eq!(rest.operation.state, State::Succeeded, "{case}: {:?}", rest.operation.error);
            let case = format!("{kind:?} {} {failure:?} always", step.name);
            let faults = Settings { driver: vec![fault(kind, step.name, failure, 0)], ..Settings::default() };
            let rest = run(fixture, kind, faults, points % 2 == 0, &case).await;
            // Repeated calls harm nobody; what is done though it was said to fail is found by looking; and after the point of no return the operator's retry brings it to its end.
            let ends_well =
                failure == Failure::Repeat || step.no_return || !lasting(kind, step.name).contains(&failure);
            let expected = if ends_well { State::Succeeded } else { State::Failed };
            assert_eq!(rest.operation.state, expected, "{case}: {:?}", rest.operation.error);
            points += 2;
        }
    }
    points
}

/// A step that fails for good makes the steps before it unwind; each undo fails once in every way.
pub async fn undo_faults(fixture: &Fixture, kind: Kind, wanted: &[Failure]) -> u32 {
    let mut points = 0;
    let steps = steps(fixture, kind);
    for (failing, step) in steps.iter().enumerate().filter(|(_, step)| !step.no_return) {
        for undone in &steps[..=failing] {
            for &failure in wanted {
                let case = format!("{kind:?} {} fails, undo of {} {failure:?}", step.name, undone.name);
                let driver = vec![
                    fault(kind, step.name, lasting(kind, step.name)[0], 0),
                    fault(kind, &format!("{}/undo", undone.name), failure, 1),
                ];
                let faults = Settings { driver, ..Settings::default() };
                let rest = run(fixture, kind, faults, points % 2 == 0, &case).await;
                assert_eq!(rest.operation.state, State::Failed, "{case}: {:?}", rest.operation.error);
                points += 1;
            }
        }
    }
    points
}

/// The engine dies before or after each write, forwards and, with a step that fails, backwards.
pub async fn crashes(fixture: &Fixture, kind: Kind, failing: Option<&str>) -> u32 {
    let mut points = 0;
    for write in 0..MOST_WRITES {
        let mut came = false;
        for moment in MOMENTS {
            let case = format!("{kind:?} dies {moment:?} write {write}, failing {failing:?}");
            let driver = failing.map(|step| fault(kind, step, lasting(kind, step)[0], 0)).into_iter().collect();
            let faults = Settings { driver, crash: vec![crash(kind, write, moment)], ..Settings::default() };
            let rest = run(fixture, kind, faults, write % 2 == 0, &case).await;
            let expected = if failing.is_some() { State::Failed } else { State::Succeeded };
            assert_eq!(rest.operation.state, expected, "{case}: {:?}", rest.operation.error);
            came |= rest.crashed;
            points += u32::from(rest.crashed);
        }
        if !came {
            assert!(write > 1, "{kind:?}: the crash never came");
            return points;
        }
    }
    panic!("{kind:?} makes more than {MOST_WRITES} writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_fails_in_every_way_at_every_step() {
    let fixture = sqlite().await;
    let mut points = 0;
    for &kind in Kind::ALL {
        points += driver_faults(&fixture, kind, &FAILURES).await;
    }
    fixture.check_everything().await;
    println!("driver faults: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_fails_in_every_way_at_every_step() {
    let fixture = sqlite().await;
    let mut points = 0;
    for &kind in Kind::ALL {
        points += undo_faults(&fixture, kind, &FAILURES).await;
    }
    fixture.check_everything().await;
    println!("undo faults: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_at_every_write() {
    let fixture = sqlite().await;
    let mut points = 0;
    for &kind in Kind::ALL {
        points += crashes(&fixture, kind, None).await;
    }
    fixture.check_everything().await;
    println!("crashes: {points} points");
}

/// A part of the kinds, from the first on or the second: most of the time is waiting, so the parts run side by side.
async fn crashes_while_unwinding(first: usize) {
    let fixture = sqlite().await;
    let mut points = 0;
    for &kind in Kind::ALL.iter().skip(first).step_by(2) {
        for step in steps(&fixture, kind).iter().filter(|step| !step.no_return) {
            points += crashes(&fixture, kind, Some(step.name)).await;
        }
    }
    fixture.check_everything().await;
    println!("crashes while it unwinds: {points} points");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_at_every_write_of_an_undo() {
    crashes_while_unwinding(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_dies_at_every_write_of_an_undo_of_the_other_kinds() {
    crashes_while_unwinding(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_comes_during_every_step() {
    let fixture = sqlite().await;
    for &kind in Kind::ALL.iter().filter(|kind| **kind != Kind::Delete) {
        for step in steps(&fixture, kind) {
            during(&fixture, kind, step).await;
        }
    }
    fixture.check_everything().await;
}

/// The step hangs; a delete cancels it and goes after the unwinding, or after its end where there is no way back; a second delete joins the first one.
pub async fn during(fixture: &Fixture, kind: Kind, Step { name: step, no_return, .. }: Step) {
    let case = format!("delete during {kind:?} {step}");
    let prepared = if kind.creates() { None } else { Some(fixture.prepare(kind).await) };
    fixture.start(Settings::default()).await;
    fixture.hold(step);
    let (server, operation) = match prepared {
        Some(server) => {
            let operation = fixture.ask(kind, &server).await;
            (server, operation)
        }
        None => fixture.begin(kind, skyloom_runtime::bindings::cloud::compute::OnFailure::Keep).await,
    };
    fixture.called(&operation, step).await;
    let delete = fixture.ask(Kind::Delete, &server).await;
    assert_eq!(fixture.ask(Kind::Delete, &server).await, delete, "{case}: the second one joins");
    // What cannot be undone is done first.
    if no_return {
        fixture.let_go();
    }
    let ended = fixture.rest(&operation).await.unwrap();
    let expected = if no_return { State::Succeeded } else { State::Cancelled };
    assert_eq!(ended.state, expected, "{case}: {:?}", ended.error);
    fixture.let_go();
    let deleted = fixture.rest(&delete).await.unwrap();
    assert_eq!(deleted.state, State::Succeeded, "{case}: {:?}", deleted.error);
    fixture.check(&server, &case).await;
    fixture.check_given(kind, &server, &case).await;
    fixture.remove_spare().await;
    fixture.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_no_node_can_hold_fails_and_leaves_nothing() {
    let fixture = sqlite().await;
    let sql = "UPDATE nodes SET memory_mib = 100";
    let mut tx = fixture.db.begin().await.unwrap();
    tx.execute(sql, &[]).await.unwrap();
    tx.commit().await.unwrap();
    fixture.start(Settings::default()).await;
    let (server, operation) = fixture.create(skyloom_runtime::bindings::cloud::compute::OnFailure::Keep).await;
    let failed = fixture.rest(&operation).await.unwrap();
    assert_eq!(failed.error.map(|error| error.code), Some(ErrorCode::NoCapacity));
    fixture.check(&server, "no capacity").await;
    let fault = fixture.server(&server).await.unwrap().fault.expect("people are told why");
    assert!(fault.message.contains("No compute node"), "{}", fault.message);
    clear(&fixture, &server, "no capacity").await;
    fixture.check_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_ignores_the_power_button_is_switched_off() {
    let fixture = sqlite().await;
    let kind = Kind::Stop { hard: false };
    let server = fixture.prepare(kind).await;
    // Pending for ever while it is asked: the deadline passes, the plug is pulled under the same name, which is held too.
    fixture.world.hold("stop");
    fixture.start(Settings::default()).await;
    let operation = fixture.ask(kind, &server).await;
    fixture.called(&operation, "stop").await;
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_millis(60) {
        tokio::task::yield_now().await;
    }
    fixture.world.let_go();
    assert_eq!(fixture.rest(&operation).await.unwrap().state, State::Succeeded);
    fixture.check(&server, "soft stop").await;
    clear(&fixture, &server, "soft stop").await;
    fixture.check_everything().await;
}

/// Each kind of fault once on the other database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_fault_on_postgresql() {
    let Some(database) = testing::postgres().await else { return };
    let fixture = Fixture::new(database).await;
    for &kind in &[
        Kind::Create,
        Kind::CreateFrom,
        Kind::Delete,
        Kind::Start,
        Kind::Stop { hard: false },
        Kind::Reboot { hard: true },
        Kind::Pause,
        Kind::Resume,
        Kind::AttachNics { running: true },
        Kind::DetachNics { running: false },
        Kind::Rebuild { running: true },
    ] {
        let first = steps(&fixture, kind)[0];
        for failure in FAILURES {
            let case = format!("{kind:?} {} {failure:?}", first.name);
            let faults = Settings { driver: vec![fault(kind, first.name, failure, 1)], ..Settings::default() };
            let rest = run(&fixture, kind, faults, true, &case).await;
            assert_eq!(rest.operation.state, State::Succeeded, "{case}");
        }
        for moment in MOMENTS {
            let case = format!("{kind:?} dies {moment:?} write 1");
            let faults = Settings { crash: vec![crash(kind, 1, moment)], ..Settings::default() };
            let rest = run(&fixture, kind, faults, true, &case).await;
            assert!(rest.crashed, "{case}");
            assert_eq!(rest.operation.state, State::Succeeded, "{case}");
        }
    }
    undo_faults(&fixture, Kind::Create, &[Failure::FailAfter]).await;
    let define = steps(&fixture, Kind::Create).into_iter().find(|step| step.name == "define").expect("a step");
    during(&fixture, Kind::Create, define).await;
    fixture.check_everything().await;
}
