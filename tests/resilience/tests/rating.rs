//! A tariff that fails: the period waits for the operator, who sees it, mends the cause and lets it be rated.

use serde_json::Value;
use skyloom_resilience::{Server, World, until};
use skyloom_store::{Db, args};

const HOUR: i64 = 3_600_000_000;

/// Changes the database of a process that doesn't run.
fn change(world: &World, sql: &str, by: i64) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = skyloom_store::db::Options::default();
        let db = Db::sqlite(&world.state("skyloom.db"), options).await.expect("the database");
        let mut tx = db.begin().await.expect("begin");
        let changed = tx.execute(sql, args![by]).await.expect(sql);
        tx.commit().await.expect("commit");
        db.close().await;
        changed
    })
}

fn list(world: &World, more: &[&str]) -> Value {
    let output = world.run(&[&["rating", "list", "--json"], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_parked_period_is_seen_and_retried_by_the_operator() {
    // Periods of an hour; what is used in the last one is not over.
    let billing = "[billing]\nperiod-minutes = 60\ndelay-seconds = 0\ninterval-seconds = 1\n";
    let Some(world) = World::new("parked rating periods", billing) else { return };
    let server = world.start();
    let used = server.create_server("used", &server.image());
    server.wait_for(&used, "ACTIVE");
    server.delete_server(&used);
    server.stop();
    // As if all that had been three hours ago, for a while.
    let sql = "UPDATE spans SET started_at = started_at - $1, ended_at = ended_at - $1 + 60000000 \
               WHERE ended_at < 9223372036854775807";
    assert!(change(&world, sql, 3 * HOUR) > 0, "nothing was metered");

    // Use that no tariff can rate.
    assert!(
        change(&world, "UPDATE spans SET quantity = -quantity WHERE quantity > 0 AND $1 > 0", 1) > 0,
        "nothing was metered"
    );
    let server = world.start();
    let parked = "skyloom_rating_periods{state=\"parked\"}";
    let parked_now = |server: &Server| server.metric(parked).map(|number| number as usize);
    let count = until("periods are parked", || parked_now(&server).filter(|number| *number > 0));
    let listed = list(&world, &["--state", "parked"]);
    let periods = listed.as_array().expect("periods");
    assert_eq!(periods.len(), count, "{listed}");
    let first = &periods[0];
    assert_eq!((&first["state"], &first["attempts"]), (&"parked".into(), &1.into()));
    assert!(first["error"].as_str().is_some_and(|error| !error.is_empty()), "{first}");
    let start = first["start"].as_str().expect("a time").to_owned();
    let table = String::from_utf8_lossy(&world.run(&["rating", "list"]).stdout).into_owned();
    assert!(table.contains(&start) && table.contains("parked"), "{table}");

    // Again, beside the running process; the cause is still there.
    let retried = world.run(&["rating", "retry", &start]);
    assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
    until("it is tried again", || {
        let listed = list(&world, &["--state", "parked"]);
        let attempts = listed.as_array()?.iter().find(|one| one["start"] == start.as_str())?["attempts"].as_u64()?;
        (attempts == 2).then_some(())
    });
    server.stop();

    // Mended: the same tariff isn't tried by itself, the operator says when.
    change(&world, "UPDATE spans SET quantity = -quantity WHERE quantity < 0 AND $1 > 0", 1);
    let server = world.start();
    assert_eq!(until("a metric", || parked_now(&server)), count);
    for period in list(&world, &[]).as_array().expect("periods") {
        if period["state"] == "parked" {
            let retried = world.run(&["rating", "retry", period["start"].as_str().expect("a time")]);
            assert!(retried.status.success(), "{}", String::from_utf8_lossy(&retried.stderr));
        }
    }
    until("all is rated", || (parked_now(&server) == Some(0)).then_some(()));
    until("none waits", || list(&world, &[]).as_array().is_some_and(Vec::is_empty).then_some(()));

    // What can't be retried.
    for (start, code, words) in [
        (start.as_str(), 1, "The period is rated; only a parked one"),
        ("1971-01-01T00:00:00Z", 1, "could not be found"),
        ("yesterday", 2, "yesterday is no time"),
    ] {
        let output = world.run(&["rating", "retry", start]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{start}: {said}");
        assert!(said.contains(words), "{start}: {said}");
    }
    let output = world.run(&["rating", "list", "--state", "odd"]);
    assert_eq!(output.status.code(), Some(2));
    server.stop();
}
