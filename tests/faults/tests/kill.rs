//! The real process, killed with SIGKILL: over the simulator at every write of the step log on SQLite, and each kind of
//! operation once on PostgreSQL.

use driver_tests::skip;
use skyloom_faults::deployment::{Deployment, missing};
use skyloom_faults::simulator::Simulator;
use skyloom_faults::walk::{Act, Doom, Kind, Points, Walk, every_write};
use skyloom_jobs::faults::Moment;
use skyloom_store::testing;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_at_every_write_leaves_nothing_undone() {
    if let Some(reason) = missing("simulator") {
        return skip("kill -9 of the real process", &reason);
    }
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::new(&folder.path().join("state"));
    let mut walk = Walk::begin(Deployment::new(folder.path(), &simulator, None), &simulator, None).await;
    let deaths = every_write(&mut walk, Points::All).await;
    println!("kill -9 over the simulator, SQLite: {deaths} points");
}

/// A lease outlives its owner here, so the next process takes over only when it has run out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_operation_is_killed_on_postgresql() {
    if let Some(reason) = missing("simulator") {
        return skip("kill -9 of the real process on PostgreSQL", &reason);
    }
    let Some(url) = testing::postgres_url().await else {
        return skip("kill -9 of the real process on PostgreSQL", "package postgresql-15 is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::on_postgres(&url);
    let deployment = Deployment::new(folder.path(), &simulator, Some(&url));
    let mut walk = Walk::begin(deployment, &simulator, Some(&url)).await;
    let mut deaths = 0;
    for moment in [Moment::Before, Moment::After] {
        let acts = Kind::ALL.map(|kind| Act::new(kind, Doom::Write(1, moment)));
        let struck = walk.way("", &acts).await;
        assert_eq!(struck, [true; Kind::ALL.len()], "{moment:?}");
        deaths += struck.len();
    }
    println!("kill -9 over the simulator, PostgreSQL: {deaths} points");
}
