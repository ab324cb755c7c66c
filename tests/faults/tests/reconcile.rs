//! What happens behind the core's back is found, and mended as far as the policy says.

use skyloom_cloud::compute::leftovers;
use skyloom_cloud::reconcile::{Reconciler, Settings};
use skyloom_jobs::{State, faults};
use skyloom_model::{ErrorCode, PowerState, VmState};
use skyloom_store::testing::databases;
use skyloom_store::{args, placements};

use crate::fixture::Fixture;
use crate::kinds::Kind;
use crate::rebuilds;
use crate::walk::clear;
use skyloom_faults::machine::Machine;

fn counted(reconciler: &Reconciler, name: &str) -> u64 {
    reconciler.counters().snapshot().into_iter().find(|counter| counter.0 == name).expect("a counter of this name").2
}

async fn reconciler(fixture: &Fixture, settings: Settings) -> Reconciler {
    let engine = fixture.start(faults::Settings::default()).await;
    Reconciler::new(fixture.cloud.clone(), engine, settings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_powers_itself_off_is_stopped_and_no_longer_charged() {
    for database in databases().await {
        let fixture = Fixture::new(database).await;
        let server = fixture.prepare(Kind::Stop { hard: true }).await;
        let reconciler = reconciler(&fixture, Settings::default()).await;
        reconciler.look().await.unwrap();
        assert_eq!(counted(&reconciler, "power_differences"), 0, "{}", fixture.name);
        fixture.world.holds().machines.get_mut(&server).unwrap().running = false;
        reconciler.look().await.unwrap();
        let record = fixture.server(&server).await.unwrap();
        assert_eq!((record.vm_state, record.power_state), (VmState::Stopped, PowerState::ShutDown));
        fixture.check(&server, "off by itself").await;
        // And back: somebody started it at the platform.
        fixture.world.holds().machines.get_mut(&server).unwrap().running = true;
        reconciler.look().await.unwrap();
        assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Active);
        fixture.check(&server, "on by itself").await;
        assert_eq!(counted(&reconciler, "power_differences"), 2);
        clear(&fixture, &server, "reconciled").await;
        fixture.check_everything().await;
    }
}

/// Somebody paused or suspended it at the platform, or it goes on there: its record follows, and it is charged for all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_stands_still_by_itself_is_shown_so_and_charged() {
    for database in databases().await {
        let fixture = Fixture::new(database).await;
        let server = fixture.prepare(Kind::Suspend).await;
        let reconciler = reconciler(&fixture, Settings::default()).await;
        let states = [
            ((true, true, false), VmState::Paused),
            ((true, false, false), VmState::Active),
            ((false, false, true), VmState::Suspended),
            ((false, false, false), VmState::Stopped),
        ];
        for ((running, paused, suspended), expected) in states {
            {
                let mut holds = fixture.world.holds();
                let machine = holds.machines.get_mut(&server).unwrap();
                (machine.running, machine.paused, machine.suspended) = (running, paused, suspended);
            }
            for _ in 0..2 {
                reconciler.look().await.unwrap();
            }
            assert_eq!(fixture.server(&server).await.unwrap().vm_state, expected, "{}", fixture.name);
            fixture.check(&server, &format!("{expected:?} by itself")).await;
        }
        assert_eq!(counted(&reconciler, "power_differences"), 4, "{}", fixture.name);
        clear(&fixture, &server, "stood still").await;
        fixture.check_everything().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_are_only_reported_where_the_policy_says_so() {
    let fixture = Fixture::new(skyloom_store::testing::sqlite().await).await;
    let server = fixture.prepare(Kind::Stop { hard: true }).await;
    let settings = Settings { follow_power: false, mend_missing: false, ..Settings::default() };
    let reconciler = reconciler(&fixture, settings).await;
    fixture.world.holds().machines.get_mut(&server).unwrap().running = false;
    reconciler.look().await.unwrap();
    assert_eq!(counted(&reconciler, "power_differences"), 1);
    assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Active);
    let machine = fixture.world.holds().machines.remove(&server).unwrap();
    reconciler.look().await.unwrap();
    assert_eq!(counted(&reconciler, "missing"), 1);
    assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Active);
    fixture.world.holds().machines.insert(server.clone(), machine);
    clear(&fixture, &server, "reported").await;
    fixture.check_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_domain_is_gone_is_in_error_and_can_be_deleted() {
    let fixture = Fixture::new(skyloom_store::testing::sqlite().await).await;
    let server = fixture.prepare(Kind::Stop { hard: true }).await;
    let reconciler = reconciler(&fixture, Settings::default()).await;
    fixture.world.holds().machines.remove(&server);
    reconciler.look().await.unwrap();
    assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Error);
    let open = "SELECT count(*) FROM spans WHERE resource_id = $1 AND ended_at = 9223372036854775807";
    assert_eq!(fixture.count(open, &server).await, 0, "nobody pays for a server that isn't there");
    clear(&fixture, &server, "gone").await;
    fixture.check_everything().await;
}

/// Its domain is made anew with its disk.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_domain_is_gone_is_mended_by_a_rebuild() {
    for database in databases().await {
        let fixture = Fixture::new(database).await;
        let server = fixture.prepare(Kind::Stop { hard: true }).await;
        let reconciler = reconciler(&fixture, Settings::default()).await;
        fixture.world.holds().machines.remove(&server);
        reconciler.look().await.unwrap();
        assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Error, "{}", fixture.name);
        let kind = Kind::Rebuild { running: true };
        let operation = fixture.ask(kind, &server).await;
        let ended = fixture.rest(&operation).await.unwrap();
        assert_eq!(ended.state, State::Succeeded, "{}: {:?}", fixture.name, ended.error);
        assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Active, "{}", fixture.name);
        rebuilds::check(&fixture, kind, &ended, &server, "mended").await;
        fixture.check(&server, "mended").await;
        clear(&fixture, &server, "mended").await;
        fixture.check_everything().await;
    }
}

/// Somebody undefined it by hand, and defined it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_domain_is_back_is_as_the_domain_and_charged_again() {
    let fixture = Fixture::new(skyloom_store::testing::sqlite().await).await;
    let server = fixture.prepare(Kind::Stop { hard: true }).await;
    let reconciler = reconciler(&fixture, Settings::default()).await;
    let machine = fixture.world.holds().machines.remove(&server).expect("its machine");
    reconciler.look().await.unwrap();
    assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Error);
    fixture.world.holds().machines.insert(server.clone(), machine);
    reconciler.look().await.unwrap();
    assert_eq!(fixture.server(&server).await.unwrap().vm_state, VmState::Active);
    fixture.check(&server, "back again").await;
    clear(&fixture, &server, "back again").await;
    fixture.check_everything().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_domain_without_a_record_is_reported_and_removed_only_by_policy() {
    let fixture = Fixture::new(skyloom_store::testing::sqlite().await).await;
    let stray = Machine { operation: "somebody".to_owned(), running: true, ..Machine::default() };
    fixture.world.holds().machines.insert("stray".to_owned(), stray);
    let careful = reconciler(&fixture, Settings::default()).await;
    for _ in 0..3 {
        careful.look().await.unwrap();
    }
    assert_eq!(counted(&careful, "orphans"), 3);
    assert!(fixture.world.machine("stray").is_some());
    let strict = Reconciler::new(
        fixture.cloud.clone(),
        fixture.engine.lock().unwrap().clone().unwrap(),
        Settings { remove_orphans: true, ..Settings::default() },
    );
    strict.look().await.unwrap();
    assert!(fixture.world.machine("stray").is_some(), "one look is not enough");
    // This world's first answer is `pending`, so each of the two calls is made at two looks.
    for _ in 0..4 {
        strict.look().await.unwrap();
    }
    assert_eq!(fixture.world.machine("stray"), None);
    fixture.kill();
    fixture.check_everything().await;
}

/// More orphans than one page of the platform's list and one statement hold, between servers that are none: at rest, and under
/// an operation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_domains_without_a_record_are_told_from_the_servers_among_them() {
    for database in databases().await {
        let fixture = Fixture::new(database).await;
        let resting = fixture.prepare(Kind::Stop { hard: true }).await;
        let kind = Kind::Reboot { hard: true };
        let rebooting = fixture.prepare(kind).await;
        let strict = reconciler(&fixture, Settings { remove_orphans: true, ..Settings::default() }).await;
        fixture.world.hold("stop");
        let operation = fixture.ask(kind, &rebooting).await;
        fixture.called(&operation, "stop").await;
        let strays: Vec<String> = (0..700).map(|_| skyloom_model::new_id()).collect();
        for stray in &strays {
            fixture.world.holds().machines.insert(stray.clone(), Machine::default());
            fixture.world.holds().disks.insert(format!("disk of {stray}"));
        }
        strict.look().await.unwrap();
        assert_eq!(counted(&strict, "orphans"), 1400, "{}", fixture.name);
        // This world's first answer is `pending`, so each of the two calls is made at two looks.
        for _ in 0..4 {
            strict.look().await.unwrap();
        }
        assert!(strays.iter().all(|stray| fixture.world.machine(stray).is_none()), "{}", fixture.name);
        assert_eq!(fixture.world.holds().disks.len(), 4, "{}: those of the two servers", fixture.name);
        assert!(fixture.world.machine(&resting).is_some() && fixture.world.machine(&rebooting).is_some());
        fixture.world.let_go();
        assert!(fixture.rest(&operation).await.unwrap().state.ended());
        for server in [&resting, &rebooting] {
            fixture.check(server, "beside orphans").await;
            clear(&fixture, server, "beside orphans").await;
        }
        fixture.check_everything().await;
    }
}

/// A volume that outlived its server is somebody's data: its disk is no orphan, nor goes it with a domain that is one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_kept_after_its_server_is_no_orphan() {
    for database in databases().await {
        let fixture = Fixture::new(database).await;
        let server = fixture.prepare(Kind::Delete).await;
        let mut tx = fixture.db.begin().await.unwrap();
        let keep = "UPDATE volumes SET delete_on_termination = 0 WHERE server_id = $1 AND boot_index > 0";
        assert_eq!(tx.execute(keep, args![&server]).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let strict = reconciler(&fixture, Settings { remove_orphans: true, ..Settings::default() }).await;
        let deleted = fixture.ask(Kind::Delete, &server).await;
        assert_eq!(fixture.rest(&deleted).await.unwrap().state, State::Succeeded);
        let kept = fixture.world.sight().disks;
        assert_eq!(kept.len(), 1, "{kept:?}");

        for _ in 0..4 {
            strict.look().await.unwrap();
        }
        assert_eq!(counted(&strict, "orphans"), 0, "{}", fixture.name);
        assert_eq!(fixture.world.sight().disks, kept, "{}", fixture.name);

        // A domain that nobody knows has it: that goes, with its own disk, and the volume stays.
        let mut stray = Machine { operation: "somebody".to_owned(), disks: kept.clone(), ..Machine::default() };
        stray.disks.insert("disk".to_owned());
        fixture.world.holds().machines.insert("stray".to_owned(), stray);
        fixture.world.holds().disks.insert("disk".to_owned());
        for _ in 0..6 {
            strict.look().await.unwrap();
        }
        let left = fixture.world.sight();
        assert_eq!((left.machines.len(), &left.disks), (0, &kept), "{}", fixture.name);

        let held = "SELECT disk_gib FROM placements WHERE holder_id = $1";
        let volume = kept.first().expect("one").clone();
        assert_eq!(fixture.count(held, &volume).await, 2, "{}: its disk goes on filling the node", fixture.name);
        assert_eq!(placements::orphans(&mut fixture.db.read().await.unwrap()).await.unwrap(), [""; 0]);

        // Removed by an operator it goes for good, also where orphans stay.
        leftovers::delete_volume(&fixture.db, &volume).await.unwrap();
        let again = leftovers::delete_volume(&fixture.db, &volume).await.unwrap_err();
        assert_eq!(again.code, ErrorCode::NotFound, "{}", fixture.name);
        let engine = fixture.engine.lock().unwrap().clone().unwrap();
        let careful = Reconciler::new(fixture.cloud.clone(), engine, Settings::default());
        for _ in 0..4 {
            careful.look().await.unwrap();
        }
        assert_eq!(counted(&careful, "orphans"), 0, "{}", fixture.name);
        fixture.kill();
        fixture.check_everything().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_of_a_living_server_is_not_removed() {
    for database in databases().await {
        let fixture = Fixture::new(database).await;
        let server = fixture.prepare(Kind::Delete).await;
        let filter = leftovers::Filter { limit: 10, ..leftovers::Filter::default() };
        let volumes = leftovers::volumes(&fixture.db, &filter).await.unwrap();
        assert_eq!(volumes.len(), 2, "{}", fixture.name);
        for volume in volumes {
            let error = leftovers::delete_volume(&fixture.db, &volume.id).await.unwrap_err();
            assert!(error.code == ErrorCode::InUse && error.message.contains(&server), "{}", error.message);
        }
        let free = leftovers::Filter { free: true, ..filter };
        assert_eq!(leftovers::volumes(&fixture.db, &free).await.unwrap(), [], "{}", fixture.name);
        fixture.check(&server, "no volume was removed").await;
        clear(&fixture, &server, "no volume was removed").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_under_an_operation_is_left_alone() {
    let fixture = Fixture::new(skyloom_store::testing::sqlite().await).await;
    let kind = Kind::Reboot { hard: true };
    let server = fixture.prepare(kind).await;
    let reconciler = reconciler(&fixture, Settings { remove_orphans: true, ..Settings::default() }).await;
    fixture.world.hold("stop");
    let operation = fixture.ask(kind, &server).await;
    fixture.called(&operation, "stop").await;
    for _ in 0..3 {
        reconciler.look().await.unwrap();
    }
    assert_eq!(counted(&reconciler, "power_differences") + counted(&reconciler, "orphans"), 0);
    fixture.world.let_go();
    assert!(fixture.rest(&operation).await.unwrap().state.ended());
    fixture.check(&server, "rebooted beside looks").await;
    clear(&fixture, &server, "rebooted beside looks").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_is_swept_after_its_time() {
    for database in databases().await {
        let fixture = Fixture::new(database).await;
        let server = fixture.prepare(Kind::Delete).await;
        clear(&fixture, &server, "sweep").await;
        let kept = reconciler(&fixture, Settings::default()).await;
        kept.sweep().await.unwrap();
        let operations = "SELECT count(*) FROM operations WHERE resource_id = $1";
        assert_eq!(fixture.count(operations, &server).await, 2, "{}", fixture.name);
        let engine = fixture.engine.lock().unwrap().clone().unwrap();
        let swept = Reconciler::new(
            fixture.cloud.clone(),
            engine,
            Settings { keep_operations_days: 0, keep_events_days: 0, ..Settings::default() },
        );
        swept.sweep().await.unwrap();
        assert_eq!(
            fixture.count("SELECT count(*) FROM events WHERE resource_id = $1", &server).await,
            0,
            "{}",
            fixture.name
        );
        assert_eq!(fixture.count(operations, &server).await, 0, "{}", fixture.name);
        assert!(counted(&swept, "swept") >= 2, "{}", fixture.name);
        assert!(fixture.server(&server).await.is_some(), "{}: deleted servers have a time of their own", fixture.name);
        fixture.kill();
    }
}
