//! A ledger that was written before departments had prices of their own: it opens, is what it was, and goes on.

use skyloom_model::Timestamp;
use skyloom_runtime::api::BillingApi;
use skyloom_store::testing::databases_at;
use skyloom_store::{Db, charges, migrate};

use super::tests::{BEGIN, HOUR, PerSecond, SECOND, query, settings};
use crate::compute::testing::member;
use crate::{Cloud, Seed};

/// The last version that knew one price for all.
const BEFORE: i64 = 23;

async fn run(db: &Db, statements: &[String]) {
    let mut tx = db.begin().await.expect("begin");
    for sql in statements {
        tx.execute(sql, &[]).await.expect(sql);
    }
    tx.commit().await.expect("commit");
}

/// Two sheets, the second from the middle of the second hour on; one use over three hours. The first two hours are rated, the
/// second of them by the sheet of its begin; the third is parked.
fn ledger_of_then() -> Vec<String> {
    let hour = |hours: i64| BEGIN + hours * HOUR;
    let middle = hour(1) + HOUR / 2;
    vec![
        "INSERT INTO domains (id, name, enabled, created_at) VALUES ('d', 'd', 1, 1)".to_owned(),
        "INSERT INTO projects (id, domain_id, name, enabled, tags, created_at) VALUES ('p', 'd', 'p', 1, '[]', 1)"
            .to_owned(),
        format!(
            "INSERT INTO price_sheets (id, currency, effective_from, created_at) VALUES ('one', 'EUR', 0, 1), \
             ('two', 'EUR', {middle}, 2)"
        ),
        "INSERT INTO prices (sheet_id, meter, class, nano_per_unit_hour) VALUES ('one', 'vcpu', '', 12000000), \
         ('two', 'vcpu', '', 36000000)"
            .to_owned(),
        format!(
            "INSERT INTO spans (id, project_id, resource_kind, resource_id, meter, class, quantity, started_at, ended_at) \
             VALUES ('s', 'p', 'server', 'v', 'vcpu', '1', 2, {}, {})",
            hour(0) + 600 * SECOND,
            hour(4)
        ),
        format!(
            "INSERT INTO rating_periods (started_at, ended_at, sheet_id, state, attempts, rule_digest, error, updated_at) \
             VALUES ({}, {}, 'one', 'rated', 1, 'sha256:one', '', 3), ({}, {}, 'one', 'rated', 1, 'sha256:one', '', 3), \
             ({}, {}, 'two', 'parked', 1, 'sha256:bad', 'trapped', 3)",
            hour(0),
            hour(1),
            hour(1),
            hour(2),
            hour(2),
            hour(3)
        ),
        format!(
            "INSERT INTO charges (span_id, period_start, sheet_id, project_id, started_at, ended_at, seconds, \
             nano_unit_price, nano_amount_high, nano_amount, rule_digest, created_at) VALUES \
             ('s', {0}, 'one', 'p', {1}, {2}, 3000, 12000000, 0, 20000000, 'sha256:one', 3), \
             ('s', {2}, 'one', 'p', {2}, {3}, 3600, 12000000, 0, 24000000, 'sha256:one', 3)",
            hour(0),
            hour(0) + 600 * SECOND,
            hour(1),
            hour(2)
        ),
    ]
}

#[tokio::test]
async fn a_ledger_of_one_price_for_all_replays_to_the_same_bytes_and_goes_on() {
    for database in databases_at(BEFORE).await {
        let (db, name) = (&database.db, database.name);
        run(db, &ledger_of_then()).await;
        migrate::migrate(db).await.expect("the schema of now");
        // It was seeded long ago.
        run(db, &["INSERT INTO seeded (area, seeded_at) VALUES ('cloud', 1)".to_owned()]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = settings();
        settings.images.folder = folder.path().to_owned();
        let cloud = Cloud::new(db.clone(), settings).expect("settings");
        cloud.seed(&Seed::default()).await.expect("roles");
        let tariff = PerSecond::new("sha256:one");
        cloud.billing.set_tariff(tariff.clone());

        let kept = async |from: i64| {
            let mut conn = db.read().await.expect("read");
            charges::of_period(&mut conn, "d", Timestamp(BEGIN + from * HOUR)).await.expect("charges")
        };
        let lines = |charges: &[charges::Charge]| -> Vec<(String, i64, i64, i64, i128)> {
            let line = |charge: &charges::Charge| {
                let from = (charge.started_at.0 - BEGIN) / SECOND;
                (charge.revision_id.clone(), from, charge.seconds, charge.nano_unit_price, charge.nano_amount)
            };
            charges.iter().map(line).collect()
        };
        let line = |sheet: &str, from, seconds, price, amount| (sheet.to_owned(), from, seconds, price, amount);
        let (first, second) = (kept(0).await, kept(1).await);
        assert_eq!(lines(&first), [line("one", 600, 3000, 12_000_000, 20_000_000)], "{name}");
        assert_eq!(lines(&second), [line("one", 3600, 3600, 12_000_000, 24_000_000)], "{name}");
        let check =
            async || super::check(db, Some(tariff.clone()), Timestamp(0), Timestamp(i64::MAX)).await.expect("check");
        let checked = check().await;
        assert_eq!((checked.periods, checked.charges, checked.differing), (2, 2, 0), "{name}: {:?}", checked.told);

        // Rated anew from nothing, the same bytes.
        run(db, &["UPDATE rating_periods SET state = 'rating', updated_at = 0 WHERE state = 'rated'".to_owned()]).await;
        let now = Timestamp(BEGIN + 4 * HOUR);
        let report = cloud.billing.rate_due(now).await.expect("rating");
        assert_eq!((report.rated, report.parked), (4, 0), "{name}: two again, the parked one, and a new one");
        let same = |charges: Vec<charges::Charge>| -> Vec<charges::Charge> {
            charges.into_iter().map(|charge| charges::Charge { created_at: Timestamp(3), ..charge }).collect()
        };
        assert_eq!((same(kept(0).await), same(kept(1).await)), (first, second), "{name}");
        // What was begun by a sheet is rated by it, what is new by the time line.
        assert_eq!(lines(&kept(2).await), [line("two", 7200, 3600, 36_000_000, 72_000_000)], "{name}");
        assert_eq!(lines(&kept(3).await), [line("two", 10_800, 3600, 36_000_000, 72_000_000)], "{name}");
        let checked = check().await;
        assert_eq!((checked.charges, checked.differing), (4, 0), "{name}: {:?}", checked.told);
        let report = cloud.get_consumption(&member("p"), query(0, 4 * 3600)).await.expect("consumption");
        assert_eq!(report.total, "0.188", "{name}");
    }
}
